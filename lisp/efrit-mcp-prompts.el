;;; efrit-mcp-prompts.el --- Define prompts that people choose in their client  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A prompt of MCP is a template of messages that a person picks from a menu of the
;; client, a slash command often.  It has nothing to do with a question in the
;; minibuffer; that is efrit-mcp-prompt.el.

;;; Code:

(require 'efrit-mcp-content)
(require 'efrit-mcp-resource)

(defvar efrit-mcp-tool-changed-hook)

(defvar efrit-mcp-prompts--all nil
  "The prompts, in the order they were defined: a list of plists.")

(defun efrit-mcp-prompts--name (symbol)
  "Return the name clients know SYMBOL by."
  (replace-regexp-in-string "[^a-zA-Z0-9_]" "_" (symbol-name symbol)))

(defun efrit-mcp-prompts--find (name)
  "Return the prompt NAME, a string; refuse the job when there is none."
  (or (seq-find (lambda (p) (equal (plist-get p :name) name)) efrit-mcp-prompts--all)
      (efrit-mcp-refuse 'params (format "Unknown prompt: %s" name))))

(defun efrit-mcp-prompts--register (symbol description arguments options function)
  "Make FUNCTION the prompt SYMBOL with DESCRIPTION, ARGUMENTS and OPTIONS."
  (let* ((name (efrit-mcp-prompts--name symbol))
         (prompt (list :name name :description description :arguments arguments :options options
                       :function function))
         (old (seq-find (lambda (p) (equal (plist-get p :name) name)) efrit-mcp-prompts--all)))
    (if old
        (setcar (memq old efrit-mcp-prompts--all) prompt)
      (setq efrit-mcp-prompts--all (append efrit-mcp-prompts--all (list prompt))))
    (run-hooks 'efrit-mcp-tool-changed-hook)
    symbol))

(defun efrit-mcp-prompts-remove (symbol)
  "Take the prompt SYMBOL away from the clients."
  (let ((name (efrit-mcp-prompts--name symbol)))
    (setq efrit-mcp-prompts--all
          (seq-remove (lambda (p) (equal (plist-get p :name) name)) efrit-mcp-prompts--all)))
  (run-hooks 'efrit-mcp-tool-changed-hook))

;;;###autoload
(defmacro efrit-mcp-define-prompt (name description arguments options &rest body)
  "Define the prompt NAME, a symbol, that people choose in their client.
DESCRIPTION, a string, is what they read.

ARGUMENTS is a list of (SYMBOL DOC . OPTIONS), OPTIONS being :required t,
:complete FUNCTION (called with what was typed, it returns strings) and
:title STRING.  BODY sees each SYMBOL bound to a string, or to nil.

OPTIONS, a plist: :title STRING.

BODY's value is what the model is told: a string, what a block of
`efrit-mcp-content' is, or a list of messages that `efrit-mcp-message'
makes."
  (declare (indent 4) (doc-string 2))
  (let ((function (intern (format "efrit-mcp-prompt/%s" name)))
        (symbols (mapcar #'car arguments)))
    `(progn
       (defun ,function ,symbols
         ,(format "Body of the prompt `%s'." name)
         (ignore ,@symbols)
         ,@body)
       (efrit-mcp-prompts--register
        ',name ,description
        (list ,@(mapcar (lambda (argument)
                          (let ((options (cddr argument)))
                            `(list ',(car argument) ,(cadr argument)
                                   :required ,(plist-get options :required)
                                   :title ,(plist-get options :title)
                                   :complete ,(plist-get options :complete))))
                        arguments))
        ',options #',function))))

(defun efrit-mcp-message (role content)
  "Return a message of ROLE, user or assistant, that says CONTENT, text or a block."
  `((role . ,(format "%s" role))
    (content . ,(if (stringp content) (efrit-mcp-text content) content))))

(defun efrit-mcp-prompts--argument (argument)
  "Return ARGUMENT of a prompt as MCP lists it."
  (pcase-let ((`(,symbol ,doc . ,options) argument))
    `((name . ,(efrit-mcp-prompts--name symbol))
      ,@(when (plist-get options :title) `((title . ,(plist-get options :title))))
      (description . ,doc)
      (required . ,(if (plist-get options :required) t :false)))))

(defun efrit-mcp-prompts-entries ()
  "Return the prompts as MCP lists them, a vector."
  (vconcat
   (mapcar (lambda (prompt)
             (let ((options (plist-get prompt :options)))
               `((name . ,(plist-get prompt :name))
                 ,@(when (plist-get options :title) `((title . ,(plist-get options :title))))
                 (description . ,(plist-get prompt :description))
                 (arguments . ,(vconcat (mapcar #'efrit-mcp-prompts--argument
                                                (plist-get prompt :arguments)))))))
           efrit-mcp-prompts--all)))

(defun efrit-mcp-prompts--value (argument given)
  "Return the value for ARGUMENT of a prompt out of GIVEN, an alist."
  (let* ((name (efrit-mcp-prompts--name (car argument)))
         (value (cdr (assoc name given))))
    (when (and (plist-get (cddr argument) :required) (or (null value) (eq value :null)))
      (efrit-mcp-refuse 'params (format "The argument %s is missing: %s" name (cadr argument))))
    (unless (eq value :null) value)))

(defun efrit-mcp-prompts-get (arguments)
  "Return the result of prompts/get with ARGUMENTS, an alist with string keys."
  (let* ((prompt (efrit-mcp-prompts--find (cdr (assoc "name" arguments))))
         (given (cdr (assoc "arguments" arguments)))
         (value (apply (plist-get prompt :function)
                       (mapcar (lambda (a) (efrit-mcp-prompts--value a given))
                               (plist-get prompt :arguments)))))
    `((description . ,(plist-get prompt :description))
      (messages . ,(vconcat (cond ((stringp value) (list (efrit-mcp-message 'user value)))
                                  ((assq 'type value) (list (efrit-mcp-message 'user value)))
                                  (t value)))))))

;;; Completion

(defconst efrit-mcp-prompts--completions-max 100 "Values MCP allows in one answer.")

(defun efrit-mcp-prompts--completer (ref name)
  "Return the function that completes the argument NAME of REF, an alist, or nil."
  (pcase (cdr (assoc "type" ref))
    ("ref/prompt"
     (let ((prompt (efrit-mcp-prompts--find (cdr (assoc "name" ref)))))
       (plist-get (cddr (seq-find (lambda (a) (equal (efrit-mcp-prompts--name (car a)) name))
                                  (plist-get prompt :arguments)))
                  :complete)))
    ("ref/resource" (efrit-mcp-resource-completer (cdr (assoc "uri" ref)) name))
    (type (efrit-mcp-refuse 'params (format "ref.type must be ref/prompt or ref/resource, not %s" type)))))

(defun efrit-mcp-prompts-complete (arguments)
  "Return the result of completion/complete with ARGUMENTS, an alist."
  (let* ((argument (cdr (assoc "argument" arguments)))
         (typed (cdr (assoc "value" argument)))
         (function (efrit-mcp-prompts--completer (cdr (assoc "ref" arguments)) (cdr (assoc "name" argument))))
         (values (and function
                      (seq-filter (lambda (value) (string-prefix-p typed value t))
                                  (mapcar (lambda (v) (format "%s" v)) (funcall function typed)))))
         (shown (seq-take values efrit-mcp-prompts--completions-max)))
    `((completion . ((values . ,(vconcat shown))
                     (total . ,(length values))
                     (hasMore . ,(if (> (length values) (length shown)) t :false)))))))

(provide 'efrit-mcp-prompts)
;;; efrit-mcp-prompts.el ends here
