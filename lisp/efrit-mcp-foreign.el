;;; efrit-mcp-foreign.el --- What runs inside a job and is not the job's  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A job that waits runs timers, filters and commands of the person inside it; a job that
;; edits runs change hooks.  A stop cuts none of them in half: it looks at the backtrace
;; first, and waits.  A timer may take its time.  A change hook soon returns; when it does
;; not, the job is left through it, and since Emacs then sets the hook to nil, the hook is
;; put back.

;;; Code:

(require 'seq)

(defvar efrit-mcp-server--doorbell)

(defvar efrit-mcp-foreign-patience 0.8
  "Seconds a stop waits for a change hook to return before it cuts it.
Less than the second after which the client is told that a stop does not work.")

(defvar efrit-mcp-foreign-depth 0
  "Recursion depth at which the job that runs began.")

(defvar efrit-mcp-foreign--since nil
  "The `float-time' at which the stop of the job that runs first met a change hook.")

(defvar efrit-mcp-foreign--hooks nil
  "Change hooks as they were before a stop went through them.")

;;; The backtrace

(defun efrit-mcp-foreign--in-p (function value)
  "Return non-nil if FUNCTION stands in VALUE, a hook's."
  (or (eq function value) (and (consp value) (memq function value))))

(defun efrit-mcp-foreign--in-hook-p (function hook)
  "Return non-nil if FUNCTION stands in HOOK, here or by default."
  (or (efrit-mcp-foreign--in-p function (symbol-value hook))
      (efrit-mcp-foreign--in-p function (default-value hook))))

(defun efrit-mcp-foreign--change-p (function arguments)
  "Return non-nil if FUNCTION called with ARGUMENTS is a change hook's.
Of any buffer: which one is changed the backtrace does not say."
  (let ((hook (pcase arguments
                (`(,(pred integerp) ,(pred integerp)) 'before-change-functions)
                (`(,(pred integerp) ,(pred integerp) ,(pred integerp)) 'after-change-functions))))
    (if hook
        (or (efrit-mcp-foreign--in-p function (default-value hook))
            (seq-some (lambda (buffer) (efrit-mcp-foreign--in-p function (buffer-local-value hook buffer)))
                      (buffer-list)))
      (and (null arguments) (efrit-mcp-foreign--in-hook-p function 'first-change-hook)))))

(defun efrit-mcp-foreign--name (function)
  "Return how FUNCTION is named to an agent."
  (if (symbolp function) function "a lambda"))

(defun efrit-mcp-foreign--frame (function arguments looped)
  "Return what FUNCTION called with ARGUMENTS is, if it is not the job's own.
LOOPED: a command loop runs inside the job."
  (cond ((eq function 'timer-event-handler)
         (format "a timer runs inside it (%s)"
                 (let ((f (ignore-errors (timer--function (car arguments)))))
                   (efrit-mcp-foreign--name f))))
        ((and (processp (car-safe arguments)) (stringp (cadr arguments)) (null (cddr arguments))
              (not (eq (car arguments) efrit-mcp-server--doorbell))
              (or (eq function (process-filter (car arguments)))
                  (eq function (process-sentinel (car arguments)))))
         (format "a filter or sentinel of the process %s runs inside it" (process-name (car arguments))))
        ((eq function 'efrit-mcp-prompt--watch)
         "Emacs enters or leaves a filter inside it")
        ((and looped (or (eq function 'command-execute)
                         (and (null arguments)
                              (or (efrit-mcp-foreign--in-hook-p function 'pre-command-hook)
                                  (efrit-mcp-foreign--in-hook-p function 'post-command-hook)))))
         "a command of the person runs inside it")
        ((and (listp arguments) (efrit-mcp-foreign--change-p function arguments))
         (cons 'brief (format "a change hook runs inside it (%s)" (efrit-mcp-foreign--name function))))))

(defun efrit-mcp-foreign ()
  "Return what runs inside the job and is not its own, a string; or nil.
\(brief . STRING): it returns soon."
  (let ((looped (> (recursion-depth) efrit-mcp-foreign-depth)) (brief nil))
    (or (catch 'efrit-mcp-foreign
          (mapbacktrace
           (lambda (_evald function arguments _flags)
             (when (eq function 'efrit-mcp-server--marked) ; what called that is outside of the job
               (throw 'efrit-mcp-foreign nil))
             (let ((what (efrit-mcp-foreign--frame function arguments looped)))
               (cond ((consp what) (setq brief what)) ; a timer may have called what runs the hook
                     (what (throw 'efrit-mcp-foreign what))))))
          nil)
        brief)))

;;; Change hooks

(defconst efrit-mcp-foreign--cleared '(before-change-functions after-change-functions)
  "Hooks that Emacs sets to nil when something leaves them.")

(defun efrit-mcp-foreign-keep-hooks ()
  "Remember the change hooks of all buffers: they are about to be left.
What was remembered in this job before is the better one."
  (unless efrit-mcp-foreign--hooks
    (dolist (hook efrit-mcp-foreign--cleared)
      (when (default-value hook)
        (push (list nil hook (default-value hook)) efrit-mcp-foreign--hooks))
      (dolist (buffer (buffer-list))
        (let ((value (and (local-variable-p hook buffer) (buffer-local-value hook buffer))))
          (when value (push (list buffer hook value) efrit-mcp-foreign--hooks)))))))

(defun efrit-mcp-foreign-mend-hooks ()
  "Put the change hooks back that Emacs has set to nil since they were remembered."
  (dolist (kept (prog1 efrit-mcp-foreign--hooks (setq efrit-mcp-foreign--hooks nil)))
    (pcase-let ((`(,buffer ,hook ,value) kept))
      (cond ((null buffer)
             (unless (default-value hook) (set-default hook value)))
            ((and (buffer-live-p buffer) (local-variable-p hook buffer)
                  (null (buffer-local-value hook buffer)))
             (with-current-buffer buffer (set hook value)))))))

(defun efrit-mcp-foreign-forget-insertion ()
  "Have Emacs forget the hooks of an insertion that a stop has left.
It keeps those of the text around it (`insert-in-front-hooks') until the next
change where there are text properties, and calls them elsewhere until then."
  (let ((inhibit-modification-hooks t))
    (with-temp-buffer
      (insert (propertize "x" 'face 'default))
      (insert "x"))))

(defun efrit-mcp-foreign-wait-p (what)
  "Return non-nil if a stop waits for WHAT, as `efrit-mcp-foreign' returned it.
When it does not, what the stop goes through is remembered."
  (cond ((stringp what) t)
        ((and what
              (< (- (float-time) (or efrit-mcp-foreign--since (setq efrit-mcp-foreign--since (float-time))))
                 efrit-mcp-foreign-patience))
         t)
        ;; Also without a frame of a hook: Emacs is between two, or about to call one.
        (t (when (or what inhibit-modification-hooks)
             (efrit-mcp-foreign-keep-hooks))
           nil)))

(defvar efrit-mcp-foreign--stepped nil
  "When it was last looked whether a change hook has returned: (BEGAN . LAST).")

(defun efrit-mcp-foreign-step-p ()
  "Return non-nil if the next chance to quit is to be looked at too.
It is, for 4 ms from the arrival of a signal: so the end of a hook that is run
again and again is not missed, and a long one is not held up much."
  (let ((now (float-time)))
    (unless (and efrit-mcp-foreign--stepped (< (- now (cdr efrit-mcp-foreign--stepped)) 0.002))
      (setq efrit-mcp-foreign--stepped (cons now now)))
    (setcdr efrit-mcp-foreign--stepped now)
    (< (- now (car efrit-mcp-foreign--stepped)) 0.004)))

(defconst efrit-mcp-foreign-functions
  '(efrit-mcp-foreign--in-p efrit-mcp-foreign--in-hook-p efrit-mcp-foreign--change-p efrit-mcp-foreign--name efrit-mcp-foreign--frame
    efrit-mcp-foreign efrit-mcp-foreign-keep-hooks efrit-mcp-foreign-mend-hooks efrit-mcp-foreign-forget-insertion efrit-mcp-foreign-wait-p
    efrit-mcp-foreign-step-p)
  "What a stop calls; compiled, as the runner must be.")

(provide 'efrit-mcp-foreign)
;;; efrit-mcp-foreign.el ends here
