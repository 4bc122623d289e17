;;; efrit-mcp-server.el --- Take jobs from the module's thread and run them  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; The thread rings a doorbell, the output of a pipe process; its filter takes jobs
;; and runs them, one at a time, for at most 10 ms in a row.
;;
;; A job can be stopped, by its deadline or by a client, wherever it is.  Two ways:
;;
;; - It waits (`sleep-for' and the like): the doorbell's filter runs inside it and
;;   throws to `efrit-mcp-server--tag'.
;; - It computes: the thread sends the signal that `debug-on-event' names.  Emacs
;;   then quits at the next chance and asks for the debugger, which is ours.
;;
;; Neither cuts a timer, a filter or a command in half that is not the job's own:
;; both look at the backtrace first.  Signals are sent only between the begin-mark
;; and the end-mark of a job, and everything between these two stands inside a
;; `catch' and a `condition-case' for `quit'; outside, a quit would end a daemon.
;; This file must be byte-compiled: interpreted, the clean-up itself enters the debugger.

;;; Code:

(require 'efrit-mcp-native)
(require 'efrit-mcp-client)
(require 'efrit-mcp-tool)
(require 'efrit-mcp-prompt)
(require 'efrit-mcp-debugger)
(require 'efrit-mcp-doorbell)
(require 'efrit-mcp-foreign)
(require 'efrit-mcp-limits)
(require 'efrit-mcp-recover)
(require 'efrit-mcp-person)
(require 'efrit-mcp-guards)
(require 'efrit-mcp-garbage)

(declare-function efrit-mcp--mod-start "efrit-mcp-module")
(declare-function efrit-mcp--mod-stop "efrit-mcp-module")
(declare-function efrit-mcp--mod-status "efrit-mcp-module")
(declare-function efrit-mcp--mod-parse "efrit-mcp-module")
(declare-function efrit-mcp--mod-heard "efrit-mcp-module")
(declare-function efrit-mcp--mod-watches "efrit-mcp-module")
(declare-function efrit-mcp--mod-ring "efrit-mcp-module")
(declare-function efrit-mcp--mod-take "efrit-mcp-module")
(declare-function efrit-mcp--mod-begin "efrit-mcp-module")
(declare-function efrit-mcp--mod-end "efrit-mcp-module")
(declare-function efrit-mcp--mod-why "efrit-mcp-module")
(declare-function efrit-mcp--mod-took "efrit-mcp-module")
(declare-function efrit-mcp--mod-log "efrit-mcp-module")
(declare-function efrit-mcp--mod-stop-wanted "efrit-mcp-module")
(declare-function efrit-mcp--mod-stop-seen "efrit-mcp-module")
(declare-function efrit-mcp--mod-defer "efrit-mcp-module")
(declare-function efrit-mcp--mod-reply "efrit-mcp-module")
(declare-function efrit-mcp--mod-events "efrit-mcp-module")
(declare-function efrit-mcp--mod-signal-number "efrit-mcp-module")
(declare-function efrit-mcp--mod-set-catalogue "efrit-mcp-module")

(defvar efrit-mcp-queue-max)
(defvar efrit-mcp-client-queue-max)
(defvar efrit-mcp-heartbeat)
(defvar inhibit-debug-on-entry)
(defvar internal-when-entered-debugger)
(defvar debugger-may-continue)

(defconst efrit-mcp-server--slice 0.010
  "Seconds one wake-up runs jobs before Emacs looks at the person's keys again.")

(defvar efrit-mcp-server-instance nil
  "The name under which this Emacs serves; nil when it does not.")

(defvar efrit-mcp-server--doorbell nil
  "The pipe process whose output wakes us.")

(defvar efrit-mcp-server--busy nil
  "Non-nil while jobs are taken and run.")

(defvar efrit-mcp-server--tag nil
  "Where to throw to end the job that runs.")

(defvar efrit-mcp-server--done nil
  "Non-nil when the job that runs has been answered.
Dynamic, and so is all that the unwinding form sees: it would be a closure
made for each call.")

(defvar efrit-mcp-server--signal 'sigusr2
  "The signal that stops a form, as `debug-on-event' names it.")

(defvar efrit-mcp-server--event nil
  "What a job binds `debug-on-event' to: a symbol like no other.
It has the signal's name, and so has perhaps what a form assigns.")

(defvar efrit-mcp-server-log-function #'ignore
  "Function called with lines of text about what happened, at the end.")

(defvar efrit-mcp-server-observe-function #'ignore
  "Function called after each job with its value, still under the deadline.
It returns an alist that is added to the answer.")

(defvar efrit-mcp-server-ran-function #'ignore
  "Function called after each job, outside it.
Its arguments are number, tool, client, arguments, the `float-time' when
it began, and (STATE RESULT SEEN).")

(defvar efrit-mcp-server-active-function #'ignore
  "Function called with the name of the client whose job ran, outside the job.")

(defvar efrit-mcp-server-watches-function #'ignore
  "Function called with the URIs whose changes clients hear of, when they change.")

(defvar efrit-mcp-server-drained-function #'ignore
  "Function called after jobs were run, one or several.")

;;; Stopping

(defun efrit-mcp-server--leave (number)
  "Leave the job NUMBER, which is to stop, unless something foreign runs inside it."
  (efrit-mcp--mod-stop-seen number) ; no further signal meanwhile
  (let ((what (efrit-mcp-foreign)))
    (unless (efrit-mcp-foreign-wait-p what)
      (when (> (setq efrit-mcp-server--thrown (1+ efrit-mcp-server--thrown)) efrit-mcp-server--throws-max)
        (efrit-mcp-server--take-debugger)
        (setq efrit-mcp-server--passing t
              debug-on-next-call t)) ; a clean-up form that throws comes by our debugger first
      (throw efrit-mcp-server--tag nil))
    (efrit-mcp--mod-stop-seen number (if (consp what) (cdr what) what) (consp what))
    what))

(defconst efrit-mcp-server--throws-max 1
  "Throws to the end of a job after which its clean-up forms are cut.
One that throws elsewhere takes the place of ours, and a loop around it goes on.")

(defvar efrit-mcp-server--passing nil
  "Non-nil: the next call the debugger is entered for is our own throw.")

(defvar efrit-mcp-server--thrown 0 "Throws to the end of the job that runs.")

(defvar efrit-mcp-server--form nil
  "The form's (DEBUGGER . ON-SIGNAL), once a stop has met something foreign.
From then on to the end of the job every quit has to come by our debugger.")

(defun efrit-mcp-server--debugger (&rest arguments)
  "Stand in for the debugger while a job runs: end the job if it is to stop.
Called with ARGUMENTS (exit VALUE) its value is that of the function
that exits."
  (setq debug-on-next-call nil
        internal-when-entered-debugger -1)
  (if efrit-mcp-server--passing
      (setq efrit-mcp-server--passing nil
            debug-on-next-call t) ; nothing is called after this
    (efrit-mcp-server--entered arguments)))

(defun efrit-mcp-server--entered (arguments)
  "End the job if it is to stop; return the debugger's value for ARGUMENTS."
  (let ((number (efrit-mcp--mod-stop-wanted)) (again nil))
    (when number
      (let* ((inhibit-quit t) ; a quit in here would come by here again
             (what (efrit-mcp-server--leave number))
             (step (and (consp what) debugger-may-continue (efrit-mcp-foreign-step-p))))
        (setq again (if step 'step (stringp what))))
      ;; Something foreign runs, with quitting inhibited as before the signal; in a hook it
      ;; was not.
      (setq inhibit-quit (eq again t))
      ;; Where redisplay called Lisp, a debugger that returns makes Emacs throw to
      ;; top level, through the foreign timer; an error redisplay takes for itself.
      (unless debugger-may-continue
        (signal 'efrit-mcp-error '("redisplay, while a job was stopped")))
      ;; Nothing is called after this: the quit comes in the hook, or after it.
      (when (eq again 'step) (setq quit-flag t))))
  (when (eq (car arguments) 'exit) (cadr arguments)))

(defvar efrit-mcp-server--number nil "The job that a stop may end, its number.")

(defun efrit-mcp-server--take-debugger ()
  "Have every quit come by our debugger, from now to the end of the job."
  (unless efrit-mcp-server--form (setq efrit-mcp-server--form (cons debugger debug-on-signal)))
  (setq debugger #'efrit-mcp-server--debugger
        debug-on-signal t
        debug-on-quit t
        inhibit-debugger nil
        internal-when-entered-debugger -1))

(defun efrit-mcp-server--debugger-for-stop (arguments)
  "If the debugger was called with ARGUMENTS for a stop's sake, act on it.
Return nil if it was not, else its value in a list.  Once a stop was asked
for, Emacs may call it for that at any time until the job's end."
  (setq internal-when-entered-debugger -1)
  (when (and (or (memq (car arguments) '(t lambda exit))
                 (and (eq (car arguments) 'error) (eq (car-safe (cadr arguments)) 'quit))
                 (efrit-mcp-prompt-own-p))
             (efrit-mcp--mod-why efrit-mcp-server--number))
    (efrit-mcp-server--take-debugger)
    (list (apply #'efrit-mcp-server--debugger arguments))))

(defun efrit-mcp-server--signalled (symbol data)
  "See an error of SYMBOL with DATA at the point it is signalled.
A quit that a stop has caused ends the job here, before any handler sees
it.  Inside something foreign only the debugger can have Emacs go on as
if there had been none, so it goes by ours, whatever `debugger' is.
Emacs bars that way where the signal arrived in a garbage collection."
  (let ((number (efrit-mcp--mod-stop-wanted)) (quit (eq symbol 'quit)) (inhibit-debug-on-entry t))
    (when (and quit inhibit-modification-hooks) ; perhaps C-g ends a change hook
      (efrit-mcp-foreign-keep-hooks))
    (when number
      (when (or quit (efrit-mcp-prompt-own-p)) ; `debugger' may be what fails
        (let ((inhibit-quit t)) (efrit-mcp-server--leave number)))
      (when quit (efrit-mcp-server--take-debugger)))
    (unless quit (efrit-mcp-tool-note-signal symbol data))
    (when efrit-mcp-server--hook (funcall efrit-mcp-server--hook symbol data))))

;;; Running a job

(defmacro efrit-mcp-server--quietly (&rest body)
  "Run BODY, which is not the form's, without the person's debugger.
What it handles itself is nothing to debug, and without a frame the debugger
ends a daemon."
  (declare (indent 0) (debug t))
  `(let ((debug-on-error nil) (debug-on-signal nil) (signal-hook-function nil))
     ,@body))

(defun efrit-mcp-server--call (tool arguments)
  "Call TOOL with ARGUMENTS; throws to the command loop end here.
What a nested command loop would take for itself ends here."
  (let* ((thrown t)
         (result (catch 'exit
                   (catch 'top-level
                     (prog1 (efrit-mcp-tool-call tool arguments)
                       (setq thrown nil))))))
    (if thrown
        '(failed . ((status . "error") (error_code . "no-catch")
                    (error . "The form left by a throw to the command loop (top-level, exit); it ends here, the person's command loop goes on")))
      result)))

(defun efrit-mcp-server--failed (what err)
  "Log that WHAT was not told because of ERR: the answer goes out without it."
  (efrit-mcp--mod-log (format "%s failed: %s" what (efrit-mcp-tool-error-text err)))
  nil)

(defconst efrit-mcp-server--lost
  '(note . "inhibit-quit and throw-on-input hold for the call alone: what was assigned to them is gone")
  "What an answer says of the variables that belong to the runner.")

(defun efrit-mcp-server--marked (number tool arguments)
  "Call TOOL with ARGUMENTS as job NUMBER between its marks, then observe.
Return (STATE RESULT OBSERVATION); STATE is `dropped' when the job was
stopped before it began, `ended', or `quit'.
No quit and no throw of ours leaves this function."
  (let ((phase 0) (ended nil) (state 'quit) (result nil) (seen nil) (lost nil))
    (while (not ended)
      (setq debug-on-next-call nil)
      (catch efrit-mcp-server--tag
        (condition-case nil
            (while (not ended)
              (setq debug-on-next-call nil) ; of a throw, before anything is called
              (catch efrit-mcp-server--tag
                (condition-case nil
                    (progn
                      (when (eq phase 0)
                        (setq phase 1)
                        (if (efrit-mcp--mod-begin number nil)
                            (progn (setq result (efrit-mcp-server--call tool arguments))
                                   (setq state 'ended
                                         lost (or inhibit-quit throw-on-input)))
                          (setq state 'dropped phase 2)))
                      (when (eq phase 1)
                        (setq phase 2)
                        (setq seen (condition-case err
                                       (funcall efrit-mcp-server-observe-function result)
                                     (error (efrit-mcp-server--failed "what a call changed" err)))))
                      (setq inhibit-quit nil) ; a quit that is pending comes here, and not outside
                      (efrit-mcp--mod-end number)
                      (setq ended t))
                  (quit (efrit-mcp--mod-stop-seen number)))))
          (quit nil))))
    (list state result (if lost (cons efrit-mcp-server--lost seen) seen))))

(defconst efrit-mcp-server--event-kept
  '(note . "debug-on-event is assigned; in a call it names the signal that would stop the call, before and after")
  "What an answer says when `debug-on-event' was assigned.")

(defvar efrit-mcp-server--hook nil "The person's `signal-hook-function', while a job runs.")

(defun efrit-mcp-server--bound (number tool arguments)
  "Call `efrit-mcp-server--marked' with NUMBER, TOOL, ARGUMENTS, all bound.
What a stop changes is bound here, so that the person's settings come back
by themselves: most to the value they have, which a form sees.  What a form
assigns to them is kept.  `debug-on-event' is bound last: while another Lisp
thread holds Emacs it is the first to have the person's value again, and then
the signal does nothing."
  (let ((hook signal-hook-function) (on-quit debug-on-quit) (on-signal debug-on-signal) (the-debugger debugger)
        (limits (efrit-mcp-limits-begin))
        (quit nil) (marked nil) (assigned nil))
    (let ((efrit-mcp-server--tag (list 'efrit-mcp-job)) ; like no other
          (efrit-mcp-server--number number)
          (efrit-mcp-foreign-depth (recursion-depth))
          (efrit-mcp-foreign--since nil)
          (efrit-mcp-prompt--base (recursion-depth))
          (efrit-mcp-prompt--outside nil)
          (efrit-mcp-prompt--refuse t)
          (efrit-mcp-limits--bound 0)
          (efrit-mcp-server--form nil)
          (efrit-mcp-server--thrown 0)
          (efrit-mcp-server--passing nil)
          (efrit-mcp-server--hook hook)
          (inhibit-interaction t)
          (signal-hook-function #'efrit-mcp-server--signalled)
          (debugger the-debugger)
          (debug-on-quit on-quit)
          (debug-on-signal on-signal)
          (internal-when-entered-debugger -1)
          (debug-on-next-call nil)
          (throw-on-input nil)
          (quit-flag nil) ; another Lisp thread has its own
          (inhibit-quit nil))
      (let ((debug-on-event efrit-mcp-server--event))
        (setq marked (efrit-mcp-server--marked number tool arguments))
        (unless (eq debug-on-event efrit-mcp-server--event)
          (push (cons 'debug-on-event debug-on-event) assigned)
          (push efrit-mcp-server--event-kept (nth 2 marked))))
      (setq quit quit-flag)
      (when efrit-mcp-server--form
        (setq debugger (car efrit-mcp-server--form)
              debug-on-signal (cdr efrit-mcp-server--form)))
      (unless (eq debugger the-debugger) (push (cons 'debugger debugger) assigned))
      (unless (eq debug-on-signal on-signal) (push (cons 'debug-on-signal debug-on-signal) assigned))
      (unless (or (eq debug-on-quit on-quit) (efrit-mcp--mod-why number)) ; a stop sets it too
        (push (cons 'debug-on-quit debug-on-quit) assigned))
      (unless (eq signal-hook-function #'efrit-mcp-server--signalled)
        (push (cons 'signal-hook-function signal-hook-function) assigned))
      (unless (eq inhibit-interaction t) (push (cons 'inhibit-interaction inhibit-interaction) assigned)))
    (efrit-mcp-server--right on-quit)
    (when (eq (car marked) 'quit) (efrit-mcp-foreign-forget-insertion))
    (efrit-mcp-limits-end limits)
    (while assigned
      (set (car (car assigned)) (cdr (car assigned)))
      (setq assigned (cdr assigned)))
    (when quit (setq quit-flag quit)) ; the person's, of this very moment
    marked))

(defun efrit-mcp-server--right (on-quit)
  "Put right what a stop may have left behind; ON-QUIT was `debug-on-quit'."
  (setq debug-on-next-call nil
        debug-on-quit on-quit)
  (efrit-mcp-foreign-mend-hooks))

(defconst efrit-mcp-server--runner
  '(efrit-mcp-server--leave efrit-mcp-server--debugger efrit-mcp-server--entered efrit-mcp-server--debugger-for-stop efrit-mcp-server--take-debugger
    efrit-mcp-server--signalled efrit-mcp-debugger--enter efrit-mcp-debugger--own-p efrit-mcp-prompt-own-p efrit-mcp-prompt--of-job-p efrit-mcp-server--call
    efrit-mcp-server--marked
    efrit-mcp-server--bound efrit-mcp-server--right efrit-mcp-tool-call efrit-mcp-tool--run efrit-mcp-tool--pass efrit-mcp-tool--value
    efrit-mcp-tool--apply)
  "Functions that must be compiled for a stop to be safe.")

(defun efrit-mcp-server--compiled-p (function)
  "Return non-nil if FUNCTION, a symbol, is compiled."
  (let ((f (symbol-function function)))
    (or (byte-code-function-p f) (subrp f))))

(defun efrit-mcp-server--pick-signal ()
  "Choose the signal that stops forms; return its number, 0 for none.
One that nobody uses: without a handler in `special-event-map', and not the
one of `debug-on-event': while another Lisp thread holds Emacs, or where no
job runs, ours shall be an event and no more."
  (dolist (function (append efrit-mcp-foreign-functions efrit-mcp-server--runner))
    (unless (efrit-mcp-server--compiled-p function)
      (let ((byte-compile-warnings nil)) (byte-compile function))))
  (let* ((free (seq-filter (lambda (s)
                             (memq (lookup-key special-event-map (vector s)) '(nil ignore efrit-mcp-recover)))
                           '(sigusr2 sigusr1)))
         (signal (or (car (remq (default-toplevel-value 'debug-on-event) free)) (car free))))
    (if (and signal (seq-every-p #'efrit-mcp-server--compiled-p efrit-mcp-server--runner))
        (progn (setq efrit-mcp-server--signal signal
                     efrit-mcp-server--event (make-symbol (symbol-name signal)))
               (efrit-mcp--mod-signal-number (symbol-name signal)))
      0)))

(defun efrit-mcp-server--stopped-answer (number)
  "Return what is said of job NUMBER that was stopped."
  (pcase-let ((`(,code ,by) (or (efrit-mcp--mod-why number)
                                (and efrit-mcp-prompt--aborted-by
                                     (list "prompt_aborted" efrit-mcp-prompt--aborted-by))
                                '("quit" nil)))
              (took (efrit-mcp--mod-took number)))
    `((status . "error")
      (error . ,(if (equal code "quit")
                    (format "The person pressed C-g in Emacs after %.1f s, or the form quit: it was ended" took)
                  (format "Stopped after %.1f s: %s" took
                          (pcase code
                            ("timeout" (format "it ran longer than its time-out, %.3g s from its begin" efrit-mcp-tool-timeout))
                            (_ (format "%s by %s" code by))))))
      (error_code . ,code))))

(defun efrit-mcp-server--finish (number marked)
  "Answer job NUMBER that ended as MARKED says."
  (let* ((state (pop marked))
         (result (if (eq state 'ended) (car marked)
                   (cons 'stopped (efrit-mcp-server--stopped-answer number))))
         (outcome (car result)) (value (cdr result)) (seen (cadr marked)))
    (cond ((eq outcome 'deferred) (efrit-mcp--mod-defer number))
          ((eq outcome 'fault) (efrit-mcp--mod-reply number value 3 :whole))
          ((eq outcome 'asks) (efrit-mcp--mod-reply number value 4 :whole))
          ((eq outcome 'whole) (efrit-mcp--mod-reply number value (if (assq 'isError value) 1 0) :whole))
          (t (efrit-mcp--mod-reply number value (cond ((eq outcome 'done) 0) ((eq outcome 'stopped) 2) (t 1))
                                   ;; Errors, and whatever is in Efrit's shape, say which Emacs it
                                   ;; was, how long it took and what was seen.
                                   (and (eq (car-safe (car-safe value)) 'status) (or seen t)))))))

(defun efrit-mcp-server--run (job nested)
  "Run JOB, as `efrit-mcp--mod-take' gave it; NESTED inside another one."
  (let* ((number (pop job)) (tool (pop job)) (client (pop job)) (arguments (pop job))
         (efrit-mcp-server--done nil)
         (efrit-mcp-tool-job number)
         (efrit-mcp-tool-client client)
         (efrit-mcp-tool-timeout (pop job))
         (efrit-mcp-client-context (pop job))
         (efrit-mcp-client--used nil)
         (efrit-mcp-client--state nil)
         (efrit-mcp-client--credit nil)
         (efrit-mcp-client--allowed nil)
         (began (float-time))
         (deactivate-mark nil))
    (unless nested (setq efrit-mcp-prompt--aborted-by nil))
    (unwind-protect
        (condition-case err
            (let ((marked (efrit-mcp-person-kept
                            (with-current-buffer (efrit-mcp-server--buffer)
                              (if nested
                                  (efrit-mcp-server--nested-call number tool arguments)
                                (efrit-mcp-server--bound number tool arguments))))))
              (efrit-mcp-server--quietly
                (condition-case err
                    (funcall efrit-mcp-server-ran-function number tool client arguments began marked)
                  (error (efrit-mcp-server--failed "the record of a call" err)))
                (efrit-mcp-server--finish number marked)
                (funcall efrit-mcp-server-active-function client))
              (setq efrit-mcp-server--done t))
          (error (efrit-mcp-server--left (efrit-mcp-tool--error err)))) ; around the form: no memory, as a rule
      (efrit-mcp-server--left efrit-mcp-server--thrown))))

(defconst efrit-mcp-server--thrown
  '((status . "error") (error_code . "no-catch")
    (error . "The form left by a throw to a catch outside of it"))
  "What an agent is told of a job that left by a throw to a tag of someone else.")

(defun efrit-mcp-server--left (answer)
  "Give ANSWER for the job that runs if it has none: it has not ended as it should."
  (unless efrit-mcp-server--done
    (efrit-mcp--mod-end efrit-mcp-tool-job)
    (efrit-mcp-server--right debug-on-quit)
    (efrit-mcp--mod-reply efrit-mcp-tool-job answer 1)
    (setq efrit-mcp-server--done t)))

(defun efrit-mcp-server--nested-call (number tool arguments)
  "Run TOOL with ARGUMENTS as job NUMBER inside another job, never signalled."
  (if (efrit-mcp--mod-begin number t)
      (let ((result (let ((efrit-mcp-prompt--refuse t) (inhibit-interaction t)) ; the doorbell's filter is none of its own
                      (efrit-mcp-tool-call tool arguments))))
        (efrit-mcp--mod-end number)
        (list 'ended result nil))
    (list 'dropped nil nil)))

(defun efrit-mcp-server--buffer ()
  "Return the buffer a job starts in: the one the person looks at."
  (let ((window (if (minibufferp (window-buffer (selected-window)))
                    (minibuffer-selected-window)
                  (selected-window))))
    (if (window-live-p window) (window-buffer window) (current-buffer))))

;;; The doorbell

(defvar efrit-mcp-typing-pause)

(defun efrit-mcp-server--drain ()
  "Run the jobs that wait, for one slice."
  (let ((efrit-mcp-server--busy t)
        (until (+ (float-time) efrit-mcp-server--slice))
        (job nil) (left t))
    (efrit-mcp-garbage-later)
    (efrit-mcp-recover-note)
    (unwind-protect
        (progn
          (while (and (setq job (efrit-mcp-server--quietly (efrit-mcp--mod-take nil)))
                      (progn (efrit-mcp-server--quietly (efrit-mcp-guards-mend))
                             (efrit-mcp-server--run job nil)
                             (< (float-time) until))
                      (not (input-pending-p))
                      ;; One of the interactive lane does not let the others in.
                      (not (and (> efrit-mcp-typing-pause 0) (efrit-mcp-person-hold-p)))))
          (setq left job))
      (when left (efrit-mcp--mod-ring)))
    (efrit-mcp-server--quietly
      (efrit-mcp-recover-doorbell) ; a job may have changed it
      (funcall efrit-mcp-server-drained-function))))

(defun efrit-mcp-server--inside ()
  "The doorbell rang while a job runs: end that job, or run what may nest."
  (let ((number (efrit-mcp--mod-stop-wanted)))
    (when number (efrit-mcp-server--leave number)))
  (let (job)
    (while (setq job (efrit-mcp--mod-take t))
      (efrit-mcp-server--run job t))))

(defun efrit-mcp-server--watches (text)
  "Have TEXT watched, JSON: an array of arrays of URIs; nil: as before."
  (when text
    (funcall efrit-mcp-server-watches-function
             (delete-dups (apply #'seq-concatenate 'list (append (efrit-mcp--mod-parse text) nil))))))

(defun efrit-mcp-server--heard ()
  "See what the thread has for us."
  (efrit-mcp-server--quietly
    (when (efrit-mcp--mod-heard)
      (efrit-mcp-server--watches (efrit-mcp--mod-watches))))
  (efrit-mcp-recover-job)
  (if efrit-mcp-server--busy
      (efrit-mcp-server--inside)
    (unless (efrit-mcp-server--quietly (efrit-mcp-person-hold-p))
      (efrit-mcp-server--drain))))

(defun efrit-mcp-server--filter (process _bytes)
  "Somebody rang PROCESS.
No error leaves this: with `debug-on-error' it would end a daemon."
  (if (efrit-mcp-server--main-thread-p)
      (let ((inhibit-debug-on-entry t)) ; of what we call; a form may meet its own
        (condition-case err
            (efrit-mcp-server--heard)
          (error (efrit-mcp-tool-memory-p err)
                 (efrit-mcp--mod-log (format "an error outside of a job: %S" err)))))
    (set-process-thread process (symbol-value 'main-thread)) ; somebody let all threads read it
    (efrit-mcp--mod-ring)))

(defun efrit-mcp-server-events ()
  "Return what happened since the last call, lines in a string; nil: nothing."
  (efrit-mcp--mod-events))

;;; Start and stop

(defun efrit-mcp-server-announce ()
  "Tell the bridges which tools there are."
  (when efrit-mcp-server-instance
    (let ((text (efrit-mcp-tool-catalogue)))
      (efrit-mcp--mod-set-catalogue (decode-coding-string text 'utf-8) (secure-hash 'sha1 text)
                                    (efrit-mcp-tool-nesting)))))

(defun efrit-mcp-server--main-thread-p ()
  "Return non-nil in Emacs's main thread."
  (or (not (boundp 'main-thread)) (eq (current-thread) (symbol-value 'main-thread))))

(defun efrit-mcp-server-start (name)
  "Serve under NAME, or NAME-2 and so on where a living Emacs has it.
Return the name.  Signal an `efrit-mcp-error' that says what to do if it
cannot be."
  (unless (efrit-mcp-server--main-thread-p)
    (signal 'efrit-mcp-error '("efrit-mcp can be started from Emacs's main thread only")))
  (let ((doorbell (efrit-mcp-doorbell-make)))
    (condition-case err
        (setq efrit-mcp-server-instance
              (efrit-mcp--mod-start name doorbell emacs-version (efrit-mcp-server--pick-signal)
                                    efrit-mcp-queue-max efrit-mcp-client-queue-max efrit-mcp-heartbeat
                                    noninteractive))
      (error (efrit-mcp-doorbell-take-down doorbell)
             (signal (car err) (cdr err)))))
  (setq efrit-mcp-debugger-stop-function #'efrit-mcp-server--debugger-for-stop)
  (efrit-mcp-guards-install)
  (efrit-mcp-server-announce)
  efrit-mcp-server-instance)

(defun efrit-mcp-server-stop (&optional why)
  "Stop serving, and tell the bridges WHY."
  (when efrit-mcp-server-instance
    (setq efrit-mcp-server-instance nil)
    (funcall efrit-mcp-server-watches-function nil)
    (let ((events (efrit-mcp--mod-events)))
      (when events (funcall efrit-mcp-server-log-function events)))
    (efrit-mcp--mod-stop (or why "the server in Emacs was stopped"))
    (efrit-mcp-guards-remove)
    (efrit-mcp-doorbell-take-down efrit-mcp-server--doorbell)))

(defun efrit-mcp-server--goodbye ()
  "Emacs ends."
  (efrit-mcp-server-stop "Emacs ended"))

(provide 'efrit-mcp-server)
;;; efrit-mcp-server.el ends here
