;;; efrit-mcp-recover.el --- Notice what broke, and put it back  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Two things can leave Emacs deaf to agents, or the person's settings as a job has
;; bound them:
;;
;; - A C stack overflow returns to the top level and unwinds nothing: no binding is taken
;;   back.  A job that is said to run and has no frame on the stack has ended so.
;; - Somebody replaces the filter of the doorbell, or stops or deletes its process.
;;
;; Both are looked for around each command of the person; the top level that Emacs goes
;; back to begins as if a command had ended.  Where nobody types, the thread sees that a
;; ring is not answered and sends its signal, which outside of a job is an event whose
;; command is `efrit-mcp-recover': a second doorbell.  The first ring that is heard ends a
;; lost job too.

;;; Code:

(require 'efrit-mcp-native)
(require 'efrit-mcp-doorbell)
(require 'seq)

(declare-function efrit-mcp--mod-begun "efrit-mcp-module")
(declare-function efrit-mcp--mod-end "efrit-mcp-module")
(declare-function efrit-mcp--mod-guard-keyboard "efrit-mcp-module")
(declare-function efrit-mcp--mod-heard "efrit-mcp-module")
(declare-function efrit-mcp--mod-log "efrit-mcp-module")
(declare-function efrit-mcp--mod-reply "efrit-mcp-module")
(declare-function efrit-mcp--mod-ring "efrit-mcp-module")
(declare-function efrit-mcp--mod-use-signal "efrit-mcp-module")
(declare-function efrit-mcp-server--filter "efrit-mcp-server")
(declare-function efrit-mcp-server--pick-signal "efrit-mcp-server")
(declare-function efrit-mcp-foreign-mend-hooks "efrit-mcp-foreign")

(defvar efrit-mcp-server-instance)
(defvar efrit-mcp-server--busy)
(defvar efrit-mcp-server--doorbell)
(defvar efrit-mcp-server--signal)

;;; A job that has left without unwinding

(defconst efrit-mcp-recover--persons
  (seq-filter #'boundp
              '(debugger debug-on-event debug-on-quit debug-on-error debug-on-signal signal-hook-function
                inhibit-interaction inhibit-message max-lisp-eval-depth max-specpdl-size
                case-fold-search standard-output standard-input print-length print-level print-circle))
  "Variables that may have a value of the person's and that jobs bind.")

(defconst efrit-mcp-recover--plain
  (seq-filter
   (lambda (pair) (or (boundp (car pair)) (string-prefix-p "efrit-mcp-" (symbol-name (car pair)))))
   '((inhibit-quit) (quit-flag) (throw-on-input) (debug-on-next-call) (inhibit-debugger) (inhibit-debug-on-entry)
     (internal-when-entered-debugger . -1) (inhibit-redisplay) (inhibit-modification-hooks)
     (inhibit-read-only) (inhibit-field-text-motion) (inhibit-changing-match-data) (executing-kbd-macro)
     (overriding-local-map) (overriding-terminal-local-map) (coding-system-for-read) (coding-system-for-write)
     (load-in-progress) (load-file-name) (cursor-in-echo-area) (undo-inhibit-record-point)
     (efrit-mcp-server--busy) (efrit-mcp-server--tag) (efrit-mcp-server--done)
     (efrit-mcp-foreign-depth . 0) (efrit-mcp-foreign--since)
     (efrit-mcp-limits--bound) (efrit-mcp-server--thrown . 0) (efrit-mcp-server--passing) (efrit-mcp-server--number) (efrit-mcp-server--form) (efrit-mcp-server--hook)
     (efrit-mcp-prompt--refuse) (efrit-mcp-prompt--allowed) (efrit-mcp-prompt--base) (efrit-mcp-prompt--outside)
     (efrit-mcp-tool-job) (efrit-mcp-tool-client) (efrit-mcp-tool-timeout)
     (efrit-mcp-client-context) (efrit-mcp-client--used) (efrit-mcp-client--state)
     (efrit-mcp-client--credit) (efrit-mcp-client--allowed)))
  "Variables that jobs bind, and what each of them is at the top level.")

(defvar efrit-mcp-recover--values nil
  "The person's values of `efrit-mcp-recover--persons', as of the last wake-up.")

(defun efrit-mcp-recover-note ()
  "Remember what a job is about to bind, as the person has it."
  (let ((values (or efrit-mcp-recover--values
                    (setq efrit-mcp-recover--values (make-list (length efrit-mcp-recover--persons) nil)))))
    (dolist (variable efrit-mcp-recover--persons)
      (setcar values (default-toplevel-value variable))
      (setq values (cdr values))))
  (when (eq (default-toplevel-value 'debug-on-event) efrit-mcp-server--signal)
    (efrit-mcp-recover--signal))) ; the person has chosen ours since

(defun efrit-mcp-recover--put-back ()
  "Give every variable that a job binds the value it has outside of jobs."
  (seq-mapn #'set-default-toplevel-value efrit-mcp-recover--persons efrit-mcp-recover--values)
  (dolist (pair efrit-mcp-recover--plain)
    (set-default-toplevel-value (car pair) (cdr pair)))
  (setq inhibit-interaction (default-value 'inhibit-interaction)))

(defconst efrit-mcp-recover--lost
  '((status . "error") (error_code . "stack_overflow")
    (error . "The form used up Emacs's C stack, as endless recursion does with a large max-lisp-eval-depth: Emacs went back to its top level and ended nothing properly.  What had been bound around the form is put back; its clean-up forms (unwind-protect) did not run"))
  "What an agent is told of a job that left without unwinding.")

(defun efrit-mcp-recover-job ()
  "If a job is said to run and is not on the stack, end it and put all back."
  (when (and efrit-mcp-server--busy
             (not (backtrace-frame 0 'efrit-mcp-server--drain)))
    (efrit-mcp-recover--put-back)
    (efrit-mcp-foreign-mend-hooks)
    (dolist (number (efrit-mcp--mod-begun))
      (efrit-mcp--mod-end number)
      (efrit-mcp--mod-reply number efrit-mcp-recover--lost 1 t))
    (efrit-mcp--mod-log "a job used up the C stack; Emacs's settings are put back")
    (efrit-mcp--mod-ring)))

;;; The doorbell

(defun efrit-mcp-recover--doorbell ()
  "Make the doorbell's process what it was; return what was wrong, or nil.
One that lives is not deleted: where another Lisp thread waits, Emacs may abort
because a descriptor is closed."
  (let ((doorbell efrit-mcp-server--doorbell))
    (cond ((not (and (processp doorbell) (process-live-p doorbell)))
           (efrit-mcp-doorbell-renew)
           "had been deleted")
          ((not (eq (process-filter doorbell) #'efrit-mcp-server--filter))
           (set-process-filter doorbell #'efrit-mcp-server--filter)
           "had another filter")
          ((not (eq (process-sentinel doorbell) #'efrit-mcp-doorbell--sentinel))
           (set-process-sentinel doorbell #'efrit-mcp-doorbell--sentinel)
           "had another sentinel")
          ((not (eq (process-status doorbell) 'open))
           (continue-process doorbell)
           "had been stopped"))))

(defun efrit-mcp-recover-doorbell ()
  "If somebody tampered with the doorbell's process, mend it and look for jobs."
  (when efrit-mcp-server-instance
    (let ((tries 4) fault) ; one for each fault there is
      (while (and (>= (setq tries (1- tries)) 0)
                  (setq fault (efrit-mcp-recover--doorbell)))
        (efrit-mcp--mod-log (format "the doorbell %s; it is mended" fault))
        (efrit-mcp--mod-heard) ; whatever was rung is lost
        (efrit-mcp--mod-ring)))))

;;; When it is looked

(defun efrit-mcp-recover ()
  "See whether agents still reach this Emacs; put back what keeps them from it."
  (interactive)
  (efrit-mcp-recover-job)
  (efrit-mcp-recover-doorbell))

(defun efrit-mcp-recover--signal ()
  "Choose the signal, and let it be a second doorbell."
  (let ((number (efrit-mcp-server--pick-signal)))
    (define-key special-event-map (vector efrit-mcp-server--signal) #'efrit-mcp-recover)
    (efrit-mcp--mod-use-signal number)))

(defun efrit-mcp-recover-watch ()
  "Look from now on."
  (add-hook 'pre-command-hook #'efrit-mcp-recover)
  (add-hook 'post-command-hook #'efrit-mcp-recover) ; the top level begins with it
  (define-key special-event-map (vector efrit-mcp-server--signal) #'efrit-mcp-recover)
  (unless (or noninteractive (daemonp)) ; there the signal of C-g ends Emacs
    (efrit-mcp--mod-guard-keyboard)))

(defun efrit-mcp-recover-unwatch ()
  "Look no more."
  (remove-hook 'pre-command-hook #'efrit-mcp-recover)
  (remove-hook 'post-command-hook #'efrit-mcp-recover)
  (dolist (signal '(sigusr1 sigusr2))
    (when (eq (lookup-key special-event-map (vector signal)) 'efrit-mcp-recover)
      (define-key special-event-map (vector signal) 'ignore))))

(provide 'efrit-mcp-recover)
;;; efrit-mcp-recover.el ends here
