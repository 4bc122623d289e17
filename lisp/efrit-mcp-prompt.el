;;; efrit-mcp-prompt.el --- No job waits for the person  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Inside a job every function that asks the person fails at once, with the question
;; as data.  `inhibit-interaction' does that for most of them; those it does not stop
;; (tried on Emacs 28 to 30) are advised.  No minibuffer of the person is touched: an
;; agent's question would close theirs.
;;
;; Code that is not the job's own may ask as ever: a job that waits runs timers, filters and
;; commands inside it, the person's and other clients'.  Emacs announces most of that by
;; what it binds on the way in, also where natively compiled code calls the primitive and
;; sees no advice: `last-nonmenu-event' is t around filters and sentinels, `standard-input'
;; is t in a nested command loop, `input-method-exit-on-first-char' is bound where Lisp
;; reads a key sequence.  These three are watched.

;;; Code:

(require 'efrit-mcp-native)
(eval-when-compile (require 'cl-lib))

(declare-function efrit-mcp--mod-set-prompt "efrit-mcp-module")

(defvar efrit-mcp-prompt--refuse nil
  "Non-nil while a job runs: whatever asks the person fails.")

(defvar efrit-mcp-prompt--base nil
  "Recursion depth at which the job that runs began; nil: none runs in this thread.")

(defvar efrit-mcp-prompt--outside nil
  "What was in force outside of what is watched, innermost first.
Each is (REFUSE . INHIBIT).")

(defvar efrit-mcp-prompt--allowed nil
  "Minibuffer depth at which the job that may ask began, nil when none may.")

(defvar efrit-mcp-prompt--aborted-by nil
  "Name of the client that aborted the question of the job that runs.")

(defun efrit-mcp-prompt--of-job-p ()
  "Return non-nil if the innermost open question is the running job's."
  (and efrit-mcp-prompt--allowed (> (minibuffer-depth) efrit-mcp-prompt--allowed)))

(defconst efrit-mcp-prompt--gaps
  '(read-key read-key-sequence read-key-sequence-vector map-y-or-n-p read-multiple-choice
    isearch-mode popup-menu x-popup-dialog x-file-dialog x-select-font)
  "Functions that ask although `inhibit-interaction' is set.")

(defconst efrit-mcp-prompt--askers
  '(yes-or-no-p y-or-n-p completing-read read-passwd read-file-name read-directory-name
    read-buffer read-string read-number read-regexp read-char-choice read-char-from-minibuffer
    read-from-minibuffer read-no-blanks-input read-minibuffer read-event read-char
    read-char-exclusive read-key read-key-sequence map-y-or-n-p read-multiple-choice
    read-answer read-color read-command read-variable read-key-sequence-vector describe-key
    isearch-mode popup-menu x-popup-menu x-popup-dialog x-file-dialog x-select-font
    recursive-edit call-interactively)
  "Functions whose frame in a backtrace says what was asked.")

(defun efrit-mcp-prompt-own-p ()
  "Return non-nil if what runs is a job's own and not the person's inside it."
  (and efrit-mcp-prompt--refuse (not (efrit-mcp-prompt--of-job-p))))

(defun efrit-mcp-prompt--refuse (function &rest arguments)
  "Around advice: fail inside a job, else call FUNCTION with ARGUMENTS.
In a minibuffer that the job has opened the person's commands may ask."
  (if (efrit-mcp-prompt-own-p)
      (signal 'inhibited-interaction nil)
    (apply function arguments)))

(defun efrit-mcp-prompt--refuse-menu (function position &rest arguments)
  "Around advice of `x-popup-menu', FUNCTION, called with POSITION and ARGUMENTS.
Without a position the menu is looked at and not shown."
  (if (and position (efrit-mcp-prompt-own-p))
      (signal 'inhibited-interaction nil)
    (apply function position arguments)))

(defun efrit-mcp-prompt--sit-for (function &rest arguments)
  "Around advice: let FUNCTION, `sit-for', wait with ARGUMENTS inside a job.
It reads an event to do so, which `inhibit-interaction' takes for a question."
  (let ((inhibit-interaction (and inhibit-interaction (not efrit-mcp-prompt--refuse))))
    (apply function arguments)))

;;; Who asks

(defun efrit-mcp-prompt-nobody-p ()
  "Return non-nil if there is nobody whom Emacs could ask."
  (or noninteractive
      (not (seq-some (lambda (frame) (not (equal (terminal-name (frame-terminal frame)) "initial_terminal")))
                     (frame-list)))))

(defun efrit-mcp-prompt--foreign-p (symbol value)
  "Return non-nil if SYMBOL, bound to VALUE, says that something foreign begins."
  (and (eq value t)
       (pcase symbol
         ('last-nonmenu-event inhibit-quit) ; so Emacs calls filters
         ('standard-input (> (recursion-depth) efrit-mcp-prompt--base)))))

(defun efrit-mcp-prompt--watch (symbol value operation _where)
  "See SYMBOL bound to VALUE inside a job, when OPERATION is let; and unbound.
The person and other clients may ask meanwhile."
  (when efrit-mcp-prompt--base
    (pcase operation
      ('let (push (cons efrit-mcp-prompt--refuse inhibit-interaction) efrit-mcp-prompt--outside)
            (when (efrit-mcp-prompt-own-p)
              (if (if (eq symbol 'standard-input)
                      (and (efrit-mcp-prompt--foreign-p symbol value) (efrit-mcp-prompt-nobody-p))
                    (eq symbol 'input-method-exit-on-first-char))
                  (signal 'inhibited-interaction nil)
                (when (efrit-mcp-prompt--foreign-p symbol value)
                  (setq efrit-mcp-prompt--refuse nil inhibit-interaction nil)))))
      ('unlet (let ((outside (pop efrit-mcp-prompt--outside)))
                (when outside
                  (setq efrit-mcp-prompt--refuse (car outside)
                        inhibit-interaction (cdr outside))))))))

(defun efrit-mcp-prompt--foreign (function &rest arguments)
  "Around advice: let what FUNCTION runs with ARGUMENTS inside a job ask.
FUNCTION is `timer-event-handler'."
  (if (not efrit-mcp-prompt--base)
      (apply function arguments)
    (let ((efrit-mcp-prompt--refuse nil) (inhibit-interaction nil))
      (apply function arguments))))

(defun efrit-mcp-prompt--special (function command &optional record keys special)
  "Around advice of `command-execute', FUNCTION: let SPECIAL events ask.
They are the person's or the system's, whatever runs.  COMMAND, RECORD and
KEYS are passed on."
  (if (and special efrit-mcp-prompt--base)
      (efrit-mcp-prompt--foreign function command record keys special)
    (funcall function command record keys special)))

(defconst efrit-mcp-prompt--watched '(last-nonmenu-event standard-input input-method-exit-on-first-char)
  "Variables by whose binding Emacs says what begins.")

(defun efrit-mcp-prompt-guard ()
  "Install what makes questions fail inside jobs."
  ;; A trampoline for the one primitive would be compiled here and now, for seconds.
  (cl-progv '(native-comp-enable-subr-trampolines comp-enable-subr-trampolines) '(nil nil)
    (dolist (function efrit-mcp-prompt--gaps)
      (when (fboundp function) (advice-add function :around #'efrit-mcp-prompt--refuse)))
    (advice-add 'sit-for :around #'efrit-mcp-prompt--sit-for)
    (when (fboundp 'x-popup-menu) (advice-add 'x-popup-menu :around #'efrit-mcp-prompt--refuse-menu))
    (advice-add 'timer-event-handler :around #'efrit-mcp-prompt--foreign)
    (advice-add 'command-execute :around #'efrit-mcp-prompt--special))
  (dolist (symbol efrit-mcp-prompt--watched)
    (add-variable-watcher symbol #'efrit-mcp-prompt--watch))
  (add-hook 'minibuffer-setup-hook #'efrit-mcp-prompt--note)
  (add-hook 'minibuffer-exit-hook #'efrit-mcp-prompt--note-exit))

(defun efrit-mcp-prompt-unguard ()
  "Take away what `efrit-mcp-prompt-guard' installed."
  (dolist (function efrit-mcp-prompt--gaps)
    (advice-remove function #'efrit-mcp-prompt--refuse))
  (advice-remove 'sit-for #'efrit-mcp-prompt--sit-for)
  (advice-remove 'x-popup-menu #'efrit-mcp-prompt--refuse-menu)
  (advice-remove 'timer-event-handler #'efrit-mcp-prompt--foreign)
  (advice-remove 'command-execute #'efrit-mcp-prompt--special)
  (dolist (symbol efrit-mcp-prompt--watched)
    (remove-variable-watcher symbol #'efrit-mcp-prompt--watch))
  (remove-hook 'minibuffer-setup-hook #'efrit-mcp-prompt--note)
  (remove-hook 'minibuffer-exit-hook #'efrit-mcp-prompt--note-exit))

(defun efrit-mcp-prompt--note ()
  "Tell the thread that a minibuffer is open."
  (efrit-mcp--mod-set-prompt (or (minibuffer-prompt) "") (efrit-mcp-prompt--of-job-p)))

(defun efrit-mcp-prompt--note-exit ()
  "Tell the thread that a minibuffer closes."
  (efrit-mcp--mod-set-prompt nil nil))

;;; Questions that a job may leave open

(defun efrit-mcp-prompt-allow (function)
  "Call FUNCTION in a job that may leave its question open.
With a minibuffer of the person open it may not: the question would
close theirs.  Nor in batch, where there is no minibuffer."
  (if (or noninteractive (> (minibuffer-depth) 0))
      (funcall function)
    (let ((inhibit-interaction nil)
          (efrit-mcp-prompt--allowed (minibuffer-depth)))
      (funcall function))))

(defun efrit-mcp-prompt--window ()
  "Return the window of the open minibuffer."
  (or (active-minibuffer-window) (minibuffer-window)))

(defun efrit-mcp-prompt-show ()
  "Return the open question as an alist; `open' is :false when there is none."
  (if (= (minibuffer-depth) 0)
      '((open . :false))
    (with-current-buffer (window-buffer (efrit-mcp-prompt--window))
      `((open . t)
        (of . ,(if (efrit-mcp-prompt--of-job-p) "a job" "the person"))
        (text . ,(or (minibuffer-prompt) ""))
        (contents . ,(minibuffer-contents-no-properties))
        ,@(when (stringp (if (consp minibuffer-default) (car minibuffer-default) minibuffer-default))
            `((default . ,(if (consp minibuffer-default) (car minibuffer-default) minibuffer-default))))
        ,@(when minibuffer-completion-table
            `((choices . ,(efrit-mcp-prompt--choices))))))))

(defconst efrit-mcp-prompt--choices-max 50 "Choices of a question that are shown.")

(defun efrit-mcp-prompt--choices ()
  "Return the choices of the question in the current minibuffer, some of them."
  (let ((all (ignore-errors
               (all-completions "" minibuffer-completion-table minibuffer-completion-predicate))))
    (vconcat (mapcar #'substring-no-properties
                     (seq-take (seq-filter #'stringp all) efrit-mcp-prompt--choices-max)))))

(defun efrit-mcp-prompt--leave (function)
  "Call FUNCTION, which leaves the minibuffer, once this call has been answered."
  (let ((depth (minibuffer-depth)))
    (run-with-timer
     0 nil
     (lambda ()
       (when (= depth (minibuffer-depth)) ; else it is another question by now
         (select-window (efrit-mcp-prompt--window))
         (funcall function))))))

(defun efrit-mcp-prompt-answer (value)
  "Answer the open question of a job with VALUE, a string."
  (efrit-mcp-prompt--check)
  (with-current-buffer (window-buffer (efrit-mcp-prompt--window))
    (delete-minibuffer-contents)
    (goto-char (point-max))
    (insert value))
  (efrit-mcp-prompt--leave #'exit-minibuffer)
  '((answered . t)))

(defun efrit-mcp-prompt-abort (client)
  "Abort the open question of a job for CLIENT; the job that asked ends."
  (efrit-mcp-prompt--check)
  (setq efrit-mcp-prompt--aborted-by client)
  (efrit-mcp-prompt--leave #'abort-recursive-edit)
  '((aborted . t)))

(defun efrit-mcp-prompt-do (op value client)
  "Do OP, show, answer or abort, with the open question for CLIENT.
VALUE is the answer.  The body of efrit_prompt and emacs_prompt."
  (pcase op
    ("answer" (efrit-mcp-prompt-answer value))
    ("abort" (efrit-mcp-prompt-abort client))
    (_ (efrit-mcp-prompt-show))))

(defun efrit-mcp-prompt--check ()
  "Signal an error unless the open question is a job's."
  (unless (efrit-mcp-prompt--of-job-p)
    (signal 'efrit-mcp-invalid-argument
            (list (if (> (minibuffer-depth) 0)
                      "the open question is the person's, not a job's: it is theirs to answer"
                    "no question is open")))))

(defun efrit-mcp-prompt--text (frame)
  "Return the question that FRAME, (FUNCTION . ARGUMENTS), asks."
  (let ((first (cadr frame)))
    (cond ((stringp first) first)
          ((eq (car frame) 'call-interactively)
           (format "the command `%s' asks for its arguments" (if (symbolp first) first "of a lambda")))
          ((functionp first) (format "%s" (car frame)))
          (t ""))))

(defun efrit-mcp-prompt-from-frames (frames)
  "Return what was asked as an alist, from FRAMES, a backtrace, innermost first."
  (let (found)
    (dolist (frame frames)
      (when (memq (car frame) efrit-mcp-prompt--askers)
        ;; The outermost asker says it best, but a command that merely runs is not one.
        (unless (and found (eq (car frame) 'call-interactively))
          (setq found frame))))
    `((kind . ,(symbol-name (or (car found) 'unknown)))
      (text . ,(if found (substring-no-properties (efrit-mcp-prompt--text found)) "")))))

(provide 'efrit-mcp-prompt)
;;; efrit-mcp-prompt.el ends here
