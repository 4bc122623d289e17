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
;; advised, to which all ways lead.

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

(defun efrit-mcp-debugger--enter (function &rest arguments)
  "Around advice of `debug', FUNCTION, called with ARGUMENTS."
  (if (not efrit-mcp-prompt--base)
      (apply function arguments)
    (let ((stopped (funcall efrit-mcp-debugger-stop-function arguments)))
      (cond (stopped (car stopped))
            ((efrit-mcp-debugger--own-p)
             (setq debug-on-next-call nil)
             (efrit-mcp-debugger--own arguments))
            ((not (efrit-mcp-prompt-nobody-p)) (apply function arguments))
            ((memq (car arguments) '(error exit lambda t)) (and (eq (car arguments) 'exit) (cadr arguments)))
            (t (efrit-mcp-debugger--refuse "The debugger was called where there is no frame"))))))

(defun efrit-mcp-debugger--breakpoint (function &rest arguments)
  "Around advice of `edebug--display', FUNCTION, called with ARGUMENTS."
  (if (or (not efrit-mcp-prompt--base)
          (not (or (efrit-mcp-debugger--own-p) (efrit-mcp-prompt-nobody-p))))
      (apply function arguments)
    (efrit-mcp-debugger--refuse "Edebug stops in a function that was instrumented for it")))

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
  (add-hook 'after-load-functions #'efrit-mcp-debugger--loaded))

(defun efrit-mcp-debugger-unguard ()
  "Take back `efrit-mcp-debugger-guard'."
  (remove-hook 'after-load-functions #'efrit-mcp-debugger--loaded)
  (pcase-dolist (`(,function . ,advice) efrit-mcp-debugger--advice)
    (advice-remove function advice)))

(provide 'efrit-mcp-debugger)
;;; efrit-mcp-debugger.el ends here
