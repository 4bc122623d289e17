;;; efrit-mcp-limits.el --- The person's limits of depth outlive a job  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Around each call of `signal-hook-function', which jobs have, Emacs raises
;; `max-lisp-eval-depth' where little of it is left, and never takes that back.  Endless
;; recursion would raise the person's setting by 21 each time.  What a form assigns stays:
;; only that passes a variable watcher.

;;; Code:

(require 'seq)

(defconst efrit-mcp-limits--all (seq-filter #'boundp '(max-lisp-eval-depth max-specpdl-size))
  "Variables that Emacs raises by itself.")

(defvar efrit-mcp-limits--bound nil
  "How many bindings of the limits the job that runs has made; nil: none runs.")

(defvar efrit-mcp-limits--assigned nil
  "What the job that runs has assigned: (SYMBOL . VALUE), newest first.")

(defun efrit-mcp-limits--watch (symbol value operation _where)
  "See that VALUE is assigned to SYMBOL, a limit, when OPERATION is set."
  (when efrit-mcp-limits--bound
    (pcase operation
      ('let (setq efrit-mcp-limits--bound (1+ efrit-mcp-limits--bound)))
      ('unlet (setq efrit-mcp-limits--bound (1- efrit-mcp-limits--bound)))
      ('set (when (eq efrit-mcp-limits--bound 0)
              (push (cons symbol value) efrit-mcp-limits--assigned))))))

(defun efrit-mcp-limits-begin ()
  "Return the limits as they are before a job, for `efrit-mcp-limits-end'."
  (setq efrit-mcp-limits--assigned nil)
  (mapcar #'symbol-value efrit-mcp-limits--all))

(defun efrit-mcp-limits-end (limits)
  "Have the limits be LIMITS, as before the job, or what the job has assigned."
  (dolist (symbol efrit-mcp-limits--all)
    (let ((before (pop limits)))
      (unless (eq before (symbol-value symbol))
        (set symbol (alist-get symbol efrit-mcp-limits--assigned before))))))

(defun efrit-mcp-limits-guard ()
  "See what is assigned to the limits."
  (dolist (symbol efrit-mcp-limits--all)
    (add-variable-watcher symbol #'efrit-mcp-limits--watch)))

(defun efrit-mcp-limits-unguard ()
  "Take back `efrit-mcp-limits-guard'."
  (dolist (symbol efrit-mcp-limits--all)
    (remove-variable-watcher symbol #'efrit-mcp-limits--watch)))

(provide 'efrit-mcp-limits)
;;; efrit-mcp-limits.el ends here
