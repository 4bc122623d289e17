;;; efrit-mcp-tools-debug.el --- emacs_debug: what this Emacs does  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Traces, a watch for errors, and the profiler.  Each has an end: when it is told to
;; stop, when its time is over, when the person stops all agents, when the mode or the
;; pack is turned off; then nothing of it is left in this Emacs.  What was seen is kept
;; until the next one begins.  Loaded where `efrit-mcp-packs' has debug.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-print)
(require 'efrit-mcp-profile)
(require 'nadvice)
(require 'profiler)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(defconst efrit-mcp-debug--functions-max 50 "Functions that are traced at once.")
(defconst efrit-mcp-debug--calls-max 500 "Calls of traced functions that are kept, the last.")
(defconst efrit-mcp-debug--chars-max 200 "Characters of an argument list or value that are kept.")
(defconst efrit-mcp-debug--errors-max 20 "Errors that are kept, the last.")
(defconst efrit-mcp-debug--frames-max 30 "Frames of an error's backtrace that are kept.")
(defconst efrit-mcp-debug--shown-max 40 "Functions of a profile, and timers and processes, that are told.")

(defconst efrit-mcp-debug--never
  "\\`\\(?:efrit-mcp-\\|advice-\\|prin\\|cl-prin\\|mapbacktrace\\'\\|backtrace-\\)\\|passw\\|auth-source\\|auth-info\\|secret\\|\\`ep[ga]-\\|\\`url-.*auth"
  "Functions that are not traced: those that tracing needs, and those of secrets.")

;;; The end

(defvar efrit-mcp-debug--traced nil "The symbols that are advised now.")
(defvar efrit-mcp-debug--watching nil "Non-nil while errors are watched for.")
(defvar efrit-mcp-debug--profiling nil "The profilers that run for an agent: cpu, memory.")
(defvar efrit-mcp-debug--timer nil "What ends all when its time is over.")
(defvar efrit-mcp-debug--until nil "When that is.")

(defun efrit-mcp-debug--going-p ()
  "Return non-nil if something of ours watches this Emacs."
  (or efrit-mcp-debug--traced efrit-mcp-debug--watching efrit-mcp-debug--profiling))

(defun efrit-mcp-debug--end (&rest _)
  "Take all back; what was seen is kept."
  (when efrit-mcp-debug--timer (cancel-timer efrit-mcp-debug--timer))
  (setq efrit-mcp-debug--timer nil efrit-mcp-debug--until nil)
  (efrit-mcp-debug--untrace)
  (efrit-mcp-debug--unwatch)
  (efrit-mcp-debug--profile-end))

(defun efrit-mcp-debug--ends-in (seconds)
  "Have all taken back in SECONDS at the latest."
  (when efrit-mcp-debug--timer (cancel-timer efrit-mcp-debug--timer))
  (setq efrit-mcp-debug--until (+ (float-time) seconds)
        efrit-mcp-debug--timer (run-with-timer seconds nil #'efrit-mcp-debug--end)))

(defun efrit-mcp-debug--pack (packs)
  "End all unless debug is one of PACKS."
  (unless (memq 'debug packs) (efrit-mcp-debug--end)))

(add-hook 'efrit-mcp-packs-hook #'efrit-mcp-debug--pack)
(add-hook 'efrit-mcp-mode-off-hook #'efrit-mcp-debug--end)
(add-hook 'efrit-mcp-stop-all-hook #'efrit-mcp-debug--end)

;;; Traces

(defvar efrit-mcp-debug--figures (make-hash-table :test #'eq)
  "For each traced symbol [CALLS SECONDS LONGEST FAILED].")
(defvar efrit-mcp-debug--calls nil "A ring of lines, one a call, of the trace.")
(defvar efrit-mcp-debug--count 0 "How many calls there were.")
(defvar efrit-mcp-debug--depth 0 "How deep traced calls are nested.")
(defvar efrit-mcp-debug--inside nil "Non-nil while a line is written: no trace of that.")

(defun efrit-mcp-debug--line (text)
  "Keep TEXT as a line of the trace."
  (aset efrit-mcp-debug--calls (mod efrit-mcp-debug--count efrit-mcp-debug--calls-max) text)
  (setq efrit-mcp-debug--count (1+ efrit-mcp-debug--count)))

(defun efrit-mcp-debug--shown (value)
  "Return VALUE printed, briefly."
  (let ((shown (condition-case nil (efrit-mcp-print value efrit-mcp-debug--chars-max) (error '("?")))))
    (concat (car shown) (and (cdr shown) "..."))))

(defun efrit-mcp-debug--note (symbol arguments outcome seconds)
  "A call of SYMBOL with ARGUMENTS, printed, ended after SECONDS with OUTCOME.
That is (value VALUE) or (left).  ARGUMENTS are nil where no line is kept."
  (let ((figures (gethash symbol efrit-mcp-debug--figures)))
    (when figures
      (cl-incf (aref figures 0))
      (cl-incf (aref figures 1) seconds)
      (setf (aref figures 2) (max seconds (aref figures 2)))
      (unless (cdr outcome) (cl-incf (aref figures 3)))
      (when arguments
        (efrit-mcp-debug--line
         (format "%s(%s%s => %s  %.3f ms" (make-string (* 2 (min 20 efrit-mcp-debug--depth)) ?\s) symbol arguments
                 (if (cdr outcome) (efrit-mcp-debug--shown (cadr outcome)) "left by an error or a throw")
                 (* 1000 seconds)))))))

(defun efrit-mcp-debug--around (symbol lines function arguments)
  "Call FUNCTION, that of SYMBOL, with ARGUMENTS; keep what came of it.
LINES: each call is a line."
  (if efrit-mcp-debug--inside
      (apply function arguments)
    (let* ((shown (and lines (let ((efrit-mcp-debug--inside t))
                               (if arguments (concat " " (substring (efrit-mcp-debug--shown arguments) 1)) ")"))))
           (outcome '(left)) (began (float-time)))
      (unwind-protect
          (let ((value (let ((efrit-mcp-debug--depth (1+ efrit-mcp-debug--depth))) (apply function arguments))))
            (setq outcome (list 'value value))
            value)
        (let ((took (- (float-time) began)) (efrit-mcp-debug--inside t))
          (ignore-errors (efrit-mcp-debug--note symbol shown outcome took)))))))

(defun efrit-mcp-debug--may (name)
  "Return the symbol NAME if that function may be traced; else signal an error."
  (let ((symbol (intern-soft name)))
    (cond ((not (and symbol (fboundp symbol))) (efrit-mcp-invalid "there is no function %s" name))
          ((string-match-p efrit-mcp-debug--never name) (efrit-mcp-invalid "%s is not traced: it is secret, or tracing needs it" name))
          ((or (macrop symbol) (special-form-p symbol)) (efrit-mcp-invalid "%s is no function but a macro or special form" name))
          ((subrp (indirect-function symbol))
           ;; Natively compiled Lisp is a subr too.
           (unless (and (fboundp 'subr-native-elisp-p) (subr-native-elisp-p (indirect-function symbol)))
             (efrit-mcp-invalid "%s is written in C: most of its calls would not be seen" name))))
    symbol))

(defun efrit-mcp-debug--of-hook (name)
  "Return the symbols in the hook NAME that may be traced."
  (let ((hook (intern-soft name)) (all nil))
    (unless (and hook (boundp hook)) (efrit-mcp-invalid "there is no hook %s" name))
    (dolist (value (list (symbol-value hook) (default-value hook)))
      (dolist (f (if (functionp value) (list value) value))
        (when (and (symbolp f) (not (memq f '(t nil))) (fboundp f)) (cl-pushnew f all))))
    (nreverse (seq-filter (lambda (f) (condition-case nil (efrit-mcp-debug--may (symbol-name f)) (error nil))) all))))

(defun efrit-mcp-debug--trace (symbols lines)
  "Trace SYMBOLS; LINES: each call is a line, else there are figures alone."
  (efrit-mcp-debug--untrace)
  (clrhash efrit-mcp-debug--figures)
  (setq efrit-mcp-debug--calls (make-vector efrit-mcp-debug--calls-max nil) efrit-mcp-debug--count 0)
  (dolist (symbol symbols)
    (puthash symbol (vector 0 0.0 0.0 0) efrit-mcp-debug--figures)
    (push symbol efrit-mcp-debug--traced)
    (advice-add symbol :around
                (lambda (function &rest arguments) (efrit-mcp-debug--around symbol lines function arguments))
                '((name . efrit-mcp-debug) (depth . -100)))))

(defun efrit-mcp-debug--untrace ()
  "Take the advice back."
  (while efrit-mcp-debug--traced
    (advice-remove (pop efrit-mcp-debug--traced) 'efrit-mcp-debug)))

(defun efrit-mcp-debug--trace-report (limit)
  "Return what was seen of traced functions, and the last LIMIT calls."
  (let ((rows nil) (n (min limit efrit-mcp-debug--count efrit-mcp-debug--calls-max)))
    (maphash (lambda (symbol f) (push (cons (aref f 1) (cons symbol f)) rows)) efrit-mcp-debug--figures)
    (when rows
      `((functions . ,(vconcat
                       (mapcar (lambda (row)
                                 (pcase-let ((`(,_ ,symbol . [,calls ,seconds ,longest ,failed]) row))
                                   `((function . ,(symbol-name symbol)) (calls . ,calls)
                                     (ms . ,(efrit-mcp-debug--ms seconds)) (longest_ms . ,(efrit-mcp-debug--ms longest))
                                     ,@(when (> failed 0) `((left . ,failed))))))
                               (sort rows (lambda (a b) (> (car a) (car b)))))))
        ,@(when (> n 0)
            `((calls . ,(vconcat (mapcar (lambda (i) (aref efrit-mcp-debug--calls (mod (+ (- efrit-mcp-debug--count n) i) efrit-mcp-debug--calls-max)))
                                         (number-sequence 0 (1- n)))))))
        ,@(when (> efrit-mcp-debug--count n) `((calls_before . ,(- efrit-mcp-debug--count n))))))))

(defun efrit-mcp-debug--ms (seconds)
  "Return SECONDS as milliseconds, to the microsecond."
  (/ (fround (* 1000000 seconds)) 1000))

;;; Errors

(defvar efrit-mcp-debug--errors nil "The last errors, newest first: [ERROR FRAMES TIME COMMAND UNCAUGHT].")

(defun efrit-mcp-debug--frames ()
  "Return the frames of who signalled, innermost first."
  (let ((frames nil) (n 0))
    (catch 'efrit-mcp-debug--frames
      (mapbacktrace
       (lambda (_evald function arguments _flags)
         (unless (memq function '(mapbacktrace signal error user-error efrit-mcp-debug--frames efrit-mcp-debug--signalled))
           (when (> (setq n (1+ n)) efrit-mcp-debug--frames-max) (throw 'efrit-mcp-debug--frames nil))
           (push (cons function arguments) frames)))))
    (nreverse frames)))

(defun efrit-mcp-debug--signalled (symbol data)
  "An error SYMBOL with DATA was signalled: `signal-hook-function'."
  (let ((signal-hook-function nil)) ; jobs of agents have another one
    (unless (memq symbol '(quit no-catch))
      (ignore-errors
        (push (vector (cons symbol data) (efrit-mcp-debug--frames) (float-time) this-command nil) efrit-mcp-debug--errors)
        (let ((last (nthcdr (1- efrit-mcp-debug--errors-max) efrit-mcp-debug--errors)))
          (when last (setcdr last nil)))))))

(defun efrit-mcp-debug--uncaught (data &rest _)
  "The error DATA ended a command of the person: before `command-error-function'."
  (let ((found (seq-find (lambda (e) (equal (aref e 0) data)) efrit-mcp-debug--errors)))
    (when found (setf (aref found 4) t))))

(defun efrit-mcp-debug--watch ()
  "Watch for errors."
  (when (and signal-hook-function (default-toplevel-value 'signal-hook-function)
             (not (eq (default-toplevel-value 'signal-hook-function) #'efrit-mcp-debug--signalled)))
    (signal 'efrit-mcp-error '("signal-hook-function is somebody else's here: errors cannot be watched")))
  (setq efrit-mcp-debug--errors nil efrit-mcp-debug--watching t)
  (set-default-toplevel-value 'signal-hook-function #'efrit-mcp-debug--signalled)
  (add-function :before (default-value 'command-error-function) #'efrit-mcp-debug--uncaught))

(defun efrit-mcp-debug--unwatch ()
  "Watch no more."
  (when efrit-mcp-debug--watching
    (setq efrit-mcp-debug--watching nil)
    (when (eq (default-toplevel-value 'signal-hook-function) #'efrit-mcp-debug--signalled)
      (set-default-toplevel-value 'signal-hook-function nil))
    (remove-function (default-value 'command-error-function) #'efrit-mcp-debug--uncaught)))

(defun efrit-mcp-debug--origin (frames)
  "Return what kind of thing ran FRAMES: timer, process, hook, or nil."
  (cond ((assq 'timer-event-handler frames) "timer")
        ((assq 'command-execute frames) "command")))

(defun efrit-mcp-debug--error (e)
  "Return what is told of E, an error that was kept."
  (pcase-let ((`[,err ,frames ,time ,command ,uncaught] e))
    `((error . ,(condition-case nil (efrit-mcp-debug--cut (error-message-string err)) (error (format "%s" (car err)))))
      (error_code . ,(format "%s" (car err)))
      (time . ,(format-time-string "%T" time))
      ,@(when command `((command . ,(efrit-mcp-debug--name command))))
      ,@(when (efrit-mcp-debug--origin frames) `((during . ,(efrit-mcp-debug--origin frames))))
      (ended_command . ,(if uncaught t :false))
      (backtrace . ,(efrit-mcp-print-frames frames)))))

(defun efrit-mcp-debug--cut (text)
  "Return the first 500 characters of TEXT."
  (if (> (length text) 500) (concat (substring text 0 500) "...") text))

(defun efrit-mcp-debug--errors-report (limit)
  "Return the last LIMIT errors, those that ended a command first.
Where errors were not watched for, the text of the buffer *Backtrace*."
  (let* ((all (append (seq-filter (lambda (e) (aref e 4)) efrit-mcp-debug--errors)
                      (seq-remove (lambda (e) (aref e 4)) efrit-mcp-debug--errors)))
         (buffer (get-buffer "*Backtrace*")))
    (cond (all `((errors . ,(vconcat (mapcar #'efrit-mcp-debug--error (seq-take all limit))))
                 ,@(when (length> all limit) `((more . ,(- (length all) limit))))))
          ((and buffer (> (buffer-size buffer) 0))
           `((errors . []) (backtrace_buffer . ,(with-current-buffer buffer (buffer-substring-no-properties 1 (min (point-max) 8000))))))
          (efrit-mcp-debug--watching '((errors . []) (note . "watching; nothing was signalled yet")))
          (t '((errors . []) (note . "op watch_errors keeps what is signalled from then on; have it happen again"))))))

;;; Profiles

(defvar efrit-mcp-debug--profile nil "The report of the last profile, an alist.")

(defun efrit-mcp-debug--profile-begin (kinds)
  "Start the profilers KINDS, symbols."
  (dolist (kind kinds)
    (when (pcase kind ('cpu (and (fboundp 'profiler-cpu-running-p) (profiler-cpu-running-p))) (_ (profiler-memory-running-p)))
      (signal 'efrit-mcp-conflict (list (format "the %s profiler runs already, for the person or an agent" kind))))
    (when (and (eq kind 'cpu) (not (fboundp 'profiler-cpu-start)))
      (signal 'efrit-mcp-error '("this Emacs has no cpu profiler; memory is there"))))
  (setq efrit-mcp-debug--profile nil)
  (dolist (kind kinds)
    (if (eq kind 'cpu) (profiler-cpu-start profiler-sampling-interval) (profiler-memory-start))
    (push kind efrit-mcp-debug--profiling)))

(defun efrit-mcp-debug--profile-end ()
  "Stop the profilers; keep what they say."
  (while efrit-mcp-debug--profiling
    (let ((kind (pop efrit-mcp-debug--profiling)))
      (ignore-errors
        (if (eq kind 'cpu) (profiler-cpu-stop) (profiler-memory-stop))
        (push (cons kind (efrit-mcp-debug--profile-table (if (eq kind 'cpu) (profiler-cpu-log) (profiler-memory-log))))
              efrit-mcp-debug--profile)))))

(defun efrit-mcp-debug--name (function)
  "Return the name of FUNCTION, of whatever kind."
  (cond ((symbolp function) (symbol-name function))
        ((and (consp function) (eq (car function) 'lambda)) "(lambda)")
        (t (efrit-mcp-debug--cut (replace-regexp-in-string "\n.*" "" (car (efrit-mcp-print function 80)))))))

(defun efrit-mcp-debug--profile-table (log)
  "Return what LOG, a table of backtraces to figures, says of each function.
SELF is where it was the innermost, ALL where it was in the backtrace."
  (let ((self (make-hash-table :test #'equal)) (all (make-hash-table :test #'equal)) (total 0) (rows nil))
    (maphash (lambda (backtrace count)
               (when (and (vectorp backtrace) (natnump count))
                 (setq total (+ total count))
                 (let ((names (delete-dups (mapcar #'efrit-mcp-debug--name (delq nil (append backtrace nil))))))
                   (when names (cl-incf (gethash (car names) self 0) count))
                   (dolist (name names) (cl-incf (gethash name all 0) count)))))
             log)
    (maphash (lambda (name n) (push (list name n (gethash name self 0)) rows)) all)
    (setq rows (sort rows (lambda (a b) (> (nth 1 a) (nth 1 b)))))
    `((total . ,total)
      (functions . ,(vconcat (mapcar (pcase-lambda (`(,name ,n ,own)) `((function . ,name) (all . ,n) (self . ,own)))
                                     (seq-take rows efrit-mcp-debug--shown-max)))))))

(defun efrit-mcp-debug--profile-report ()
  "Return what the profilers said, or that they run."
  (append (when efrit-mcp-debug--profiling
            `((profiling . ,(vconcat (mapcar #'symbol-name efrit-mcp-debug--profiling)))))
          (mapcar (pcase-lambda (`(,kind . ,table)) (cons (if (eq kind 'cpu) 'cpu_samples 'memory_bytes) table))
                  efrit-mcp-debug--profile)))

;;; What there is

(defun efrit-mcp-debug--timers ()
  "Return the timers, an alist."
  (cl-flet ((tell (timer idle)
              `((function . ,(efrit-mcp-debug--name (timer--function timer)))
                ,(if idle (cons 'idle_s (float-time (timer--time timer)))
                   (cons 'in_s (/ (fround (* 10 (- (float-time (timer--time timer)) (float-time)))) 10)))
                ,@(when (timer--repeat-delay timer) `((repeat_s . ,(timer--repeat-delay timer)))))))
    `((timers . ,(vconcat (append (mapcar (lambda (timer) (tell timer nil)) (seq-take timer-list efrit-mcp-debug--shown-max))
                                  (mapcar (lambda (timer) (tell timer t)) (seq-take timer-idle-list efrit-mcp-debug--shown-max))))))))

(defun efrit-mcp-debug--processes ()
  "Return the processes, with who hears of them, an alist."
  `((processes
     . ,(vconcat (mapcar (lambda (p)
                           `((name . ,(process-name p)) (status . ,(symbol-name (process-status p)))
                             ,@(when (process-id p) `((pid . ,(process-id p))))
                             ,@(when (buffer-live-p (process-buffer p)) `((buffer . ,(buffer-name (process-buffer p)))))
                             (filter . ,(efrit-mcp-debug--name (process-filter p)))
                             (sentinel . ,(efrit-mcp-debug--name (process-sentinel p)))))
                         (seq-take (process-list) efrit-mcp-debug--shown-max))))))

(defconst efrit-mcp-debug--hooks
  '(pre-command-hook post-command-hook before-change-functions after-change-functions post-self-insert-hook
    first-change-hook window-configuration-change-hook window-buffer-change-functions window-scroll-functions
    buffer-list-update-hook kill-buffer-hook find-file-hook before-save-hook after-save-hook pre-redisplay-functions
    minibuffer-setup-hook focus-in-hook post-gc-hook)
  "Hooks that are told where none is named: what runs often, or for the person.")

(defun efrit-mcp-debug--hook (hook)
  "Return what HOOK, a symbol, holds in the current buffer, an alist."
  (cl-flet ((names (value) (vconcat (mapcar #'efrit-mcp-debug--name
                                            (delq t (copy-sequence (if (functionp value) (list value) (append value nil))))))))
    `((hook . ,(symbol-name hook))
      (global . ,(names (default-value hook)))
      ,@(when (local-variable-p hook) `((local . ,(names (symbol-value hook))))))))

(defun efrit-mcp-debug--hooks (name)
  "Return the hook NAME, or for nil those of `efrit-mcp-debug--hooks' in use."
  (let ((hook (and name (intern-soft name))))
    (when (and name (not (and hook (boundp hook)))) (efrit-mcp-invalid "there is no hook %s" name))
    `((buffer . ,(buffer-name))
      (hooks . ,(vconcat (mapcar #'efrit-mcp-debug--hook
                                 (if name (list hook)
                                   (seq-filter (lambda (h) (and (boundp h) (or (default-value h) (local-variable-p h))))
                                               efrit-mcp-debug--hooks))))))))

(defun efrit-mcp-debug--bound (map keys)
  "Return the name of what MAP binds KEYS to, or nil."
  (let ((command (and (keymapp map) (lookup-key map keys))))
    (and command (not (numberp command)) (if (keymapp command) "(prefix)" (efrit-mcp-debug--name command)))))

(defun efrit-mcp-debug--key (key)
  "Return what KEY, a description, does in the current buffer, and who binds it."
  (let* ((keys (condition-case err (kbd key) (error (efrit-mcp-invalid "%s is no key: %s" key (error-message-string err)))))
         (command (key-binding keys t)) (plain (key-binding keys t t)) (found nil))
    (cl-flet ((add (what map)
                (let ((bound (efrit-mcp-debug--bound map keys)))
                  (when bound (push `((map . ,what) (command . ,bound)) found)))))
      (add "overriding-terminal-local-map" overriding-terminal-local-map)
      (add "overriding-local-map" overriding-local-map)
      (add "keymap property at point" (get-char-property (point) 'keymap))
      (dolist (alist (append (mapcar (lambda (a) (if (symbolp a) (symbol-value a) a)) emulation-mode-map-alists)
                             (list minor-mode-overriding-map-alist minor-mode-map-alist)))
        (pcase-dolist (`(,mode . ,map) alist)
          (when (and (boundp mode) (symbol-value mode)) (add (symbol-name mode) map))))
      (add (format "local (%s)" major-mode) (or (get-char-property (point) 'local-map) (current-local-map)))
      (add "global" (current-global-map)))
    `((buffer . ,(buffer-name)) (key . ,(key-description keys))
      (command . ,(cond ((null command) :null) ((keymapp command) "(prefix)") (t (efrit-mcp-debug--name command))))
      ,@(unless (eq plain command) `((remapped_from . ,(efrit-mcp-debug--name plain))))
      (bound_in . ,(vconcat (nreverse found))))))

;;; The tool

(defun efrit-mcp-debug--symbols (functions hook)
  "Return what is to be traced: FUNCTIONS, names, or those in HOOK."
  (let ((symbols (if hook (efrit-mcp-debug--of-hook hook) (mapcar #'efrit-mcp-debug--may (append functions nil)))))
    (unless symbols
      (efrit-mcp-invalid (if hook "nothing in the hook %s can be traced" "functions or hook is missing%.0s") hook))
    (when (length> symbols efrit-mcp-debug--functions-max)
      (efrit-mcp-invalid "at most %d functions are traced at once" efrit-mcp-debug--functions-max))
    (seq-uniq symbols)))

(defun efrit-mcp-debug--report (limit)
  "Return all that was seen, LIMIT calls of it, and what goes on until when."
  `(,@(efrit-mcp-debug--trace-report limit)
    ,@(efrit-mcp-debug--errors-report (min limit 5))
    ,@(efrit-mcp-debug--profile-report)
    (going_on . ,(efrit-mcp-bool (efrit-mcp-debug--going-p)))
    ,@(when efrit-mcp-debug--until `((ends_in_s . ,(max 0 (round (- efrit-mcp-debug--until (float-time)))))))))

(defun efrit-mcp-debug--begin (op functions hook kinds seconds)
  "Begin what OP says, with FUNCTIONS, HOOK and KINDS, for SECONDS."
  (pcase op
    ("trace" (let ((symbols (efrit-mcp-debug--symbols functions hook)))
               (efrit-mcp-debug--trace symbols (not hook))))
    ("profile" (efrit-mcp-debug--profile-begin (mapcar #'intern (append kinds nil))))
    (_ (efrit-mcp-debug--unwatch) (efrit-mcp-debug--watch)))
  (efrit-mcp-debug--ends-in seconds)
  `((status . "success") (seconds . ,seconds)
    ,@(when efrit-mcp-debug--traced `((traced . ,(vconcat (mapcar #'symbol-name (reverse efrit-mcp-debug--traced))))))
    (hint . "op report shows what was seen, op stop ends it")))

(efrit-mcp-define-tool emacs-debug
    "Find out what this Emacs does. trace: calls of functions with arguments, values, times; or, with hook, how long each function of it takes (post-command-hook: what makes typing slow). watch_errors: backtraces of errors from then on. profile: cpu, memory. report: what was seen so far; last error. stop: end it all and report. These end by themselves after seconds, and nothing stays behind. list: timers, processes, hooks (all in use, or hook). key: what a key does, and which maps bind it."
    ((op (one-of "trace" "watch_errors" "profile" "report" "stop" "list" "key") nil :default "report")
     (functions (list-of string) "Names, for trace.")
     (hook string nil)
     (profile (list-of (one-of "cpu" "memory")) nil :default ["cpu"])
     (seconds integer "Until it ends." :default 60 :minimum 1 :maximum 3600)
     (what (one-of "timers" "processes" "hooks") "For list." :default "timers")
     (key string "As C-x C-f.") (file string nil) (buffer string "Where hooks and keys are looked up; default: where the person is.")
     (limit integer "Calls." :default 50 :minimum 1 :maximum 500))
    (:title "Trace, profile, look inside" :pack debug)
  (pcase op
    ((or "trace" "watch_errors" "profile")
     (when (and (equal op "profile") (seq-empty-p profile)) (efrit-mcp-invalid "profile is empty: cpu, memory or both"))
     (efrit-mcp-debug--begin op functions hook profile seconds))
    ("report" (efrit-mcp-debug--report limit))
    ("stop" (efrit-mcp-debug--end) (efrit-mcp-debug--report limit))
    (_ (with-current-buffer (efrit-mcp-target file buffer)
         (pcase op
           ("key" (efrit-mcp-debug--key (or key (efrit-mcp-invalid "key is missing"))))
           (_ (pcase what
                ("timers" (efrit-mcp-debug--timers))
                ("processes" (efrit-mcp-debug--processes))
                (_ (efrit-mcp-debug--hooks hook)))))))))

(provide 'efrit-mcp-tools-debug)
;;; efrit-mcp-tools-debug.el ends here
