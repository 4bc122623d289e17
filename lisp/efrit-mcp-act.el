;;; efrit-mcp-act.el --- What a tool that acts answers  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Whatever acts answers with a perception: what became another, by which undo id it is
;; taken back, what was said meanwhile, and where the editor is now.

;;; Code:

(require 'efrit-mcp-change)
(require 'efrit-mcp-observe)
(require 'efrit-mcp-person)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(defvar efrit-mcp-tool-client)

(define-error 'efrit-mcp-not-saved "Not saved" 'efrit-mcp-error)

(defconst efrit-mcp-act--slow 0.050
  "Seconds an answer may have kept Emacs without saying so.")

(defun efrit-mcp-act-busy (began)
  "Return what to say if Emacs was busy since BEGAN, an alist or nil."
  (let ((took (- (float-time) began)))
    (when (> took efrit-mcp-act--slow)
      `((busy_ms . ,(round (* 1000 took)))))))

(defun efrit-mcp-act-changed (change)
  "Return what an answer tells of CHANGE, an alist, nil for none."
  (when change
    (setq efrit-mcp-observe-told (efrit-mcp-change-buffers change))
    `(,@(if (efrit-mcp-change-broken change)
            `((undo . "incomplete") (undo_why . ,(efrit-mcp-change-broken change)))
          `((undo_id . ,(efrit-mcp-change-id change))))
      (edited . ,(efrit-mcp-change-places change)))))

(defun efrit-mcp-act--call (tool observe function)
  "Call FUNCTION for TOOL, recording; OBSERVE as the tools have it."
  (efrit-mcp-observe-begin (or observe "brief"))
  (let* ((began (float-time))
         (done (efrit-mcp-change-record tool function)))
    (efrit-mcp-act-whole
     `((status . "success") ,@(car done) ,@(efrit-mcp-act-changed (cdr done)) ,@(efrit-mcp-act-busy began)))))

(defun efrit-mcp-act-whole (answer)
  "Return ANSWER, an alist; where its text could not be saved signal that.
The error tells all that ANSWER does: the change stands."
  (let ((why (cdr (assq 'not_saved answer))))
    (if why
        (signal 'efrit-mcp-not-saved
                (list (format "the text was changed in the buffer%s but not saved: %s"
                              (if (assq 'undo_id answer) " (undo_id takes it back)" "") why)
                      (seq-remove (lambda (member) (memq (car member) '(status not_saved))) answer)))
      answer)))

(defun efrit-mcp-act-apart (tool observe client function)
  "Call FUNCTION for TOOL and CLIENT outside of a job; return the whole answer.
What it changes is one change of CLIENT, whatever else is recorded now.
OBSERVE is as the tools have it; what was seen stands in the answer."
  (let* ((snapshot (efrit-mcp-observe-apart (or observe "brief")))
         (began (float-time))
         (efrit-mcp-tool-client client)
         (efrit-mcp-change--open nil)
         (efrit-mcp-observe-told nil)
         (done (efrit-mcp-person-kept (efrit-mcp-change-record tool function))))
    `(,@(car done) ,@(efrit-mcp-act-changed (cdr done)) ,@(efrit-mcp-act-busy began)
      ,@(efrit-mcp-observe-since snapshot (and (cdr done) (efrit-mcp-change-buffers (cdr done)))))))

(defmacro efrit-mcp-acting (tool observe &rest body)
  "Run BODY, whose value is an alist, and return the answer of TOOL, a string.
What BODY changes is recorded as one change; OBSERVE is none, brief or full."
  (declare (indent 2) (debug t))
  `(efrit-mcp-act--call ,tool ,observe (lambda () ,@body)))

(defmacro efrit-mcp-looking (&rest body)
  "Run BODY, whose value is an alist, and return the answer of a tool that reads."
  (declare (indent 0) (debug t))
  `(let ((began (float-time)))
     (append (progn ,@body) (efrit-mcp-act-busy began))))

(provide 'efrit-mcp-act)
;;; efrit-mcp-act.el ends here
