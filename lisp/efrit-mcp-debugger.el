;;; efrit-mcp-debugger.el --- No job waits in the debugger  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A job that calls the debugger, by a leftover (debug), by `debug-on-entry' or a
;; breakpoint of Edebug, fails and says so: nobody might answer, and without a frame the
;; debugger ends a daemon.  What is not the job's own, the person's command in a job's
;; wait above all, gets its debugger as ever.
;;
;; The person's `debugger' stays in force and can be seen and set, so `debug' itself is
;; advised, to which all ways lead.  What a job leaves behind calls it later, outside of
;; any job: where no frame is, Emacs goes on then as if the person had said so.
;;
;; Suspending Emacs is the same: a daemon without a frame aborts, a terminal is deaf until
;; the person comes.

;;; Code:

(require 'debug) ; before a stop is under way, during which nothing can be loaded
(require 'efrit-mcp-native)
(require 'efrit-mcp-prompt)
(eval-when-compile (require 'cl-lib))

(define-error 'efrit-mcp-debugger "A call may not enter the debugger" 'efrit-mcp-error)

(defvar efrit-mcp-debugger-stop-function #'ignore
  "Function called with what the debugger is called with, inside a job.
It returns nil if that is not for the sake of a stop; else a list whose
only member is the debugger's value.")

(defvar efrit-mcp-debugger-typed nil
  "Non-nil while a job types keys: their commands are its own.")

(defun efrit-mcp-debugger--own-p ()
  "Return non-nil if what calls the debugger is a job's own."
  (or efrit-mcp-debugger-typed (efrit-mcp-prompt-own-p)))

(defun efrit-mcp-debugger--refuse (why)
  "Signal that the debugger was called, WHY."
  (signal 'efrit-mcp-debugger
          (list (format "%s.  Nobody might answer it: take it out, or let the person try this" why))))

(defun efrit-mcp-debugger--own (arguments)
  "Do for a job what the debugger, called with ARGUMENTS, would do."
  (let ((value (cadr arguments)))
    (pcase (car arguments)
      ('exit value)
      ('error (cond ((stringp value) (efrit-mcp-debugger--refuse "debug-on-message matches a message"))
                    ;; Emacs goes on from a quit after which the debugger returns.
                    ((eq (car-safe value) 'quit) (signal 'quit (cdr value)))
                    (t nil))) ; as if `debug-on-error' were nil
      ((or 'lambda 't) (efrit-mcp-debugger--refuse "debug-on-next-call was set"))
      ('debug (efrit-mcp-debugger--refuse "A function stands under debug-on-entry"))
      ('watchpoint (efrit-mcp-debugger--refuse (format "debug-on-variable-change watches %s" value)))
      (_ (efrit-mcp-debugger--refuse "The debugger was called: (debug)")))))

(defun efrit-mcp-debugger--ends-p ()
  "Return non-nil if the debugger would end this Emacs: no frame is selected."
  (equal (terminal-name) "initial_terminal"))

(defun efrit-mcp-debugger--enter (function &rest arguments)
  "Around advice of `debug', FUNCTION, called with ARGUMENTS."
  (let ((stopped (and efrit-mcp-prompt--base (funcall efrit-mcp-debugger-stop-function arguments))))
    (cond (stopped (car stopped))
          ((and efrit-mcp-prompt--base (efrit-mcp-debugger--own-p))
           (setq debug-on-next-call nil)
           (efrit-mcp-debugger--own arguments))
          ((not (efrit-mcp-debugger--ends-p)) (apply function arguments))
          (t (setq debug-on-next-call nil)
             (and (eq (car arguments) 'exit) (cadr arguments))))))

(defun efrit-mcp-debugger--breakpoint (function &rest arguments)
  "Around advice of `edebug--display', FUNCTION, called with ARGUMENTS."
  (cond ((and efrit-mcp-prompt--base (efrit-mcp-debugger--own-p))
         (efrit-mcp-debugger--refuse "Edebug stops in a function that was instrumented for it"))
        ((not (efrit-mcp-debugger--ends-p)) (apply function arguments))))

(defun efrit-mcp-debugger--suspend (&rest _)
  "Refuse to suspend Emacs inside a job, or where that would end it."
  (when (or (and efrit-mcp-prompt--base (efrit-mcp-debugger--own-p)) (efrit-mcp-debugger--ends-p))
    (signal 'efrit-mcp-error '("Emacs is not suspended by a call, nor without a terminal: agents would not be heard"))))

(defconst efrit-mcp-debugger--advice
  '((debug . efrit-mcp-debugger--enter) (edebug . efrit-mcp-debugger--enter)
    (edebug--display . efrit-mcp-debugger--breakpoint))
  "Functions that stop and ask the person, and their advice.")

(defun efrit-mcp-debugger--add ()
  "Advise what is defined."
  (pcase-dolist (`(,function . ,advice) efrit-mcp-debugger--advice)
    (when (fboundp function) (advice-add function :around advice))))

(defun efrit-mcp-debugger--loaded (file)
  "Advise Edebug, once its FILE is loaded."
  (when (string-match-p "edebug" file) (efrit-mcp-debugger--add)))

(defun efrit-mcp-debugger-guard ()
  "Have jobs not enter the debugger."
  (efrit-mcp-debugger--add)
  (add-hook 'suspend-hook #'efrit-mcp-debugger--suspend)
  (add-hook 'suspend-tty-functions #'efrit-mcp-debugger--suspend)
  (add-hook 'after-load-functions #'efrit-mcp-debugger--loaded))

(defun efrit-mcp-debugger-unguard ()
  "Take back `efrit-mcp-debugger-guard'."
  (remove-hook 'suspend-hook #'efrit-mcp-debugger--suspend)
  (remove-hook 'suspend-tty-functions #'efrit-mcp-debugger--suspend)
  (remove-hook 'after-load-functions #'efrit-mcp-debugger--loaded)
  (pcase-dolist (`(,function . ,advice) efrit-mcp-debugger--advice)
    (advice-remove function advice)))

(provide 'efrit-mcp-debugger)
;;; efrit-mcp-debugger.el ends here
