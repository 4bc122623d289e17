;;; efrit-mcp-tools-lsp.el --- emacs_lsp: what a language server says, through eglot  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Where the Emacs has eglot.  Servers are asked without waiting; what they would edit
;; becomes a proposal, shown as a diff or applied as one change.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-later)
(require 'efrit-mcp-act)
(require 'efrit-mcp-edit)
(require 'efrit-mcp-tools-look)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(defvar eglot-sync-connect)
(declare-function eglot-current-server "ext:eglot")
(declare-function eglot--connect "ext:eglot")
(declare-function eglot--guess-contact "ext:eglot")
(declare-function eglot--TextDocumentPositionParams "ext:eglot")
(declare-function eglot--TextDocumentIdentifier "ext:eglot")
(declare-function eglot--signal-textDocument/didChange "ext:eglot")
(declare-function eglot-shutdown "ext:eglot")
(declare-function flymake-start "flymake")
(declare-function flymake-diagnostics "flymake")
(declare-function flymake-diagnostic-data "flymake")
(declare-function jsonrpc-async-request "jsonrpc")
(declare-function jsonrpc-request "jsonrpc")
(declare-function jsonrpc-running-p "jsonrpc")
(declare-function efrit-mcp--mod-alive "efrit-mcp-module")
(declare-function efrit-mcp--mod-reply "efrit-mcp-module")

(define-error 'efrit-mcp-lsp-missing "No language server" 'efrit-mcp-error)

(defconst efrit-mcp-lsp--seconds 20 "Seconds a language server may take to answer.")

(defun efrit-mcp-lsp--require ()
  "Load eglot, or say that there is none."
  (unless (require 'eglot nil t)
    (signal 'efrit-mcp-lsp-missing '("this Emacs has no eglot (part of Emacs 29, else a package)")))
  (efrit-mcp-lsp--take-edits))

(defun efrit-mcp-lsp--server ()
  "Return the server of the current buffer, or say how to start one."
  (or (eglot-current-server)
      (signal 'efrit-mcp-lsp-missing (list (format "no server runs for %s: op start starts one" (buffer-name))))))

(defun efrit-mcp-lsp--call (names &rest arguments)
  "Call the first of NAMES that this eglot has with ARGUMENTS."
  (apply (or (seq-find #'fboundp names) (error "This eglot has no %s" (car names))) arguments))

(defun efrit-mcp-lsp--ask (method params function &optional finally)
  "Ask the server of the current buffer METHOD with PARAMS.
FUNCTION makes the tool's answer of the result, in this buffer; it may ask
again.  Where a job runs this returns at once what says that the answer
comes later.  FINALLY is called when the server has answered, or never will."
  (let ((server (efrit-mcp-lsp--server)) (buffer (current-buffer)) (job efrit-mcp-tool-job) (client efrit-mcp-tool-client))
    (eglot--signal-textDocument/didChange)
    (if (not job)
        (funcall function (unwind-protect (jsonrpc-request server method params :timeout efrit-mcp-lsp--seconds)
                            (when finally (funcall finally))))
      (cl-flet ((reply (value outcome)
                  (funcall efrit-mcp-later-answered-function job value)
                  (when (efrit-mcp--mod-alive job) (efrit-mcp--mod-reply job value outcome)))
                (fail (text) `((status . "error") (error_code . "language_server") (error . ,text))))
        (jsonrpc-async-request
         server method params
         :success-fn (lambda (result)
                       (when finally (funcall finally))
                       (let ((efrit-mcp-tool-client client) (efrit-mcp-tool-job job) (inhibit-read-only nil))
                         (condition-case err
                             (let ((answer (with-current-buffer buffer (funcall function result))))
                               (unless (eq answer efrit-mcp-tool-deferred) (reply answer 0)))
                           (error (reply (efrit-mcp-tool--error err) 1)))))
         :error-fn (lambda (err)
                     (when finally (funcall finally))
                     (reply (fail (format "the server says: %s" (or (plist-get err :message) err))) 1))
         :timeout-fn (lambda ()
                       (when finally (funcall finally))
                       (reply (fail (format "the server did not answer within %d s" efrit-mcp-lsp--seconds)) 1))
         :timeout efrit-mcp-lsp--seconds)
        efrit-mcp-tool-deferred))))

;;; What servers say

(defun efrit-mcp-lsp--text (contents)
  "Return CONTENTS of a hover as text."
  (cond ((stringp contents) contents)
        ((vectorp contents) (mapconcat #'efrit-mcp-lsp--text contents "\n"))
        (t (or (plist-get contents :value) ""))))

(defun efrit-mcp-lsp--pieces (edits)
  "Return EDITS, TextEdits of the current buffer, as pieces of a proposal."
  (sort (mapcar (lambda (e)
                  (let ((region (efrit-mcp-lsp--call '(eglot-range-region eglot--range-region) (plist-get e :range))))
                    (list (car region) (cdr region) (plist-get e :newText))))
                edits)
        (lambda (a b) (< (car a) (car b)))))

(defun efrit-mcp-lsp--proposal (buffer edits)
  "Return the proposal to do EDITS, TextEdits, in BUFFER."
  (with-current-buffer buffer
    (save-restriction
      (widen)
      (efrit-mcp-edit-of-pieces buffer (efrit-mcp-lsp--pieces edits)))))

(defun efrit-mcp-lsp--proposals (edit)
  "Return what the WorkspaceEdit EDIT proposes, a list."
  (let ((all nil))
    (cl-flet ((add (uri edits)
                (let ((file (efrit-mcp-target-file (efrit-mcp-lsp--call '(eglot-uri-to-path eglot--uri-to-path) uri))))
                  (push (efrit-mcp-lsp--proposal (efrit-mcp-target-visit file) edits) all))))
      (if (plist-get edit :documentChanges)
          (seq-doseq (change (plist-get edit :documentChanges))
            (when (plist-get change :kind) (efrit-mcp-invalid "the server wants to %s files: do that with emacs_file" (plist-get change :kind)))
            (add (plist-get (plist-get change :textDocument) :uri) (plist-get change :edits)))
        (cl-loop for (uri edits) on (plist-get edit :changes) by #'cddr
                 do (add (substring (if (keywordp uri) (symbol-name uri) uri) (if (keywordp uri) 1 0)) edits))))
    (nreverse all)))

(defun efrit-mcp-lsp--do (proposals apply)
  "Return the diff of PROPOSALS, or with APPLY do them and tell of the change."
  (cond ((null proposals) '((status . "success") (note . "nothing to change")))
        ((not apply) `((status . "success") (preview . ,(mapconcat #'efrit-mcp-edit-diff proposals ""))))
        (t (let ((change (efrit-mcp-edit-apply proposals "emacs_lsp")))
             `((status . "success") ,@(efrit-mcp-act-changed change)
               ,@(seq-some (lambda (p) (and (efrit-mcp-edit-coding p) `((coding . ,(efrit-mcp-edit-coding p))))) proposals)
               (unsaved . t))))))

(defun efrit-mcp-lsp--diagnostics (beg end)
  "Return what the server said of the text from BEG to END, a vector.
Servers offer to mend what they are told of.  Where nobody looks at the
buffer flymake has not asked for it yet; it is there already."
  (when (and (bound-and-true-p flymake-mode) (null (flymake-diagnostics)))
    (flymake-start nil))
  (vconcat (delq nil (mapcar (lambda (d) (cdr (assq 'eglot-lsp-diag (flymake-diagnostic-data d))))
                             (and (bound-and-true-p flymake-mode) (flymake-diagnostics beg end))))))

(defun efrit-mcp-lsp--code-action (at)
  "Return the params that ask for the actions at point, or without AT on its line."
  (let ((beg (if at (point) (line-beginning-position))) (end (if at (point) (line-end-position))))
    (list :textDocument (eglot--TextDocumentIdentifier)
          :range (list :start (plist-get (save-excursion (goto-char beg) (eglot--TextDocumentPositionParams)) :position)
                       :end (plist-get (save-excursion (goto-char end) (eglot--TextDocumentPositionParams)) :position))
          :context (list :diagnostics (efrit-mcp-lsp--diagnostics (line-beginning-position) (line-end-position))))))

;;; What servers do themselves

;; A command is a server's own: what it does is known when it has done it.  What it then asks
;; Emacs to edit is made here as a change of the agent, without the questions of eglot.

(defvar efrit-mcp-lsp--running nil
  "Commands that servers run for agents: (SERVER CLIENT . CHANGES).")

(defun efrit-mcp-lsp--apply-edit (command edit)
  "Do EDIT, a WorkspaceEdit, for COMMAND, one of `efrit-mcp-lsp--running'.
Return what the server is answered."
  (condition-case err
      (let* ((efrit-mcp-tool-client (cadr command)) (inhibit-read-only nil) ; older jsonrpc binds it
             (change (efrit-mcp-edit-apply (efrit-mcp-lsp--proposals edit) "emacs_lsp")))
        (when change (push change (cddr command)))
        '(:applied t))
    (error (list :applied :json-false :failureReason (error-message-string err)))))

(defvar efrit-mcp-lsp--takes-edits nil "Non-nil when eglot was told who takes edits.")

(defun efrit-mcp-lsp--take-edits ()
  "Take the edits of commands that agents run; eglot, which is loaded, the rest."
  (unless efrit-mcp-lsp--takes-edits
    (setq efrit-mcp-lsp--takes-edits t)
    (cl-defmethod eglot-handle-request :around (server (_method (eql workspace/applyEdit)) &key edit &allow-other-keys)
      (let ((command (assq server efrit-mcp-lsp--running)))
        (if command (efrit-mcp-lsp--apply-edit command edit) (cl-call-next-method))))))

(defun efrit-mcp-lsp--ran (command name result)
  "Return the answer of COMMAND, one of `efrit-mcp-lsp--running', called NAME.
RESULT is what the server returned."
  (let ((changes (reverse (cddr command))))
    `((status . "success") (ran . ,name)
      ,@(when result `((result . ,(efrit-mcp-look--cut (if (stringp result) result (format "%S" result)) 4000))))
      ,@(cond ((cdr changes) `((changes . ,(vconcat (mapcar #'efrit-mcp-act-changed changes)))))
              (changes (efrit-mcp-act-changed (car changes))))
      ,@(if changes '((unsaved . t)) '((edited . []))))))

(defun efrit-mcp-lsp--run (name arguments)
  "Have the server of the current buffer run its command NAME.
ARGUMENTS are a vector."
  (let* ((server (efrit-mcp-lsp--server)) (command (list server efrit-mcp-tool-client)))
    (when (assq server efrit-mcp-lsp--running)
      (signal 'efrit-mcp-error '("the server runs another command for an agent: ask again when it is done")))
    (push command efrit-mcp-lsp--running)
    (condition-case err
        (efrit-mcp-lsp--ask :workspace/executeCommand `(:command ,name ,@(when arguments `(:arguments ,arguments)))
                            (lambda (result) (efrit-mcp-lsp--ran command name result))
                            (lambda () (setq efrit-mcp-lsp--running (delq command efrit-mcp-lsp--running))))
      (error (setq efrit-mcp-lsp--running (delq command efrit-mcp-lsp--running))
             (signal (car err) (cdr err))))))

(defun efrit-mcp-lsp--object (value)
  "Return VALUE, as a tool has it, as jsonrpc takes it."
  (cond ((vectorp value) (vconcat (mapcar #'efrit-mcp-lsp--object value)))
        ((consp value) (mapcan (lambda (each) (list (intern (concat ":" (car each))) (efrit-mcp-lsp--object (cdr each)))) value))
        ((eq value :false) :json-false)
        ((eq value :null) nil)
        (t value)))

(defun efrit-mcp-lsp--commands (server)
  "Return the names of the commands that SERVER says it has, a list."
  (ignore server)
  (let ((provider (efrit-mcp-lsp--call '(eglot-server-capable eglot--server-capable) :executeCommandProvider)))
    (and (consp provider) (append (plist-get provider :commands) nil))))

(defun efrit-mcp-lsp--command (name arguments)
  "Run the command NAME of the server with ARGUMENTS, those of a tool's call."
  (let ((known (efrit-mcp-lsp--commands (efrit-mcp-lsp--server))))
    (unless (member name known)
      (efrit-mcp-invalid "choose is to be a command of the server; it has: %s" (if known (string-join known ", ") "none")))
    (efrit-mcp-lsp--run name (vconcat (mapcar #'efrit-mcp-lsp--object arguments)))))

;;; Actions

(defun efrit-mcp-lsp--command-of (action)
  "Return the command that ACTION carries, (NAME . ARGUMENTS), or nil.
An action may be one, or have one."
  (let ((command (plist-get action :command)))
    (cond ((stringp command) (cons command (plist-get action :arguments)))
          (command (cons (plist-get command :command) (plist-get command :arguments))))))

(defun efrit-mcp-lsp--act (action apply)
  "Return what ACTION of a server does: its edit, then its command.
APPLY it or not."
  (let* ((edit (plist-get action :edit)) (command (efrit-mcp-lsp--command-of action)) (title (plist-get action :title))
         (disabled (plist-get action :disabled)))
    (cond (disabled (efrit-mcp-invalid "the server does not offer %s now: %s" title (plist-get disabled :reason)))
          ((and command (not apply))
           `(,@(if edit (efrit-mcp-lsp--do (efrit-mcp-lsp--proposals edit) nil) '((status . "success")))
             (command . ,(car command))
             (note . "the server runs a command of its own: what it changes is known when it has run, and can be taken back by its undo_id; apply runs it")))
          (command
           (when edit (efrit-mcp-lsp--do (efrit-mcp-lsp--proposals edit) t))
           (efrit-mcp-lsp--run (car command) (cdr command)))
          (t (efrit-mcp-lsp--do (and edit (efrit-mcp-lsp--proposals edit)) apply)))))

(defun efrit-mcp-lsp--actions (actions choose apply)
  "Return ACTIONS of a server, or what the one titled CHOOSE does; APPLY it or not."
  (let ((action (and choose (or (seq-find (lambda (a) (equal (plist-get a :title) choose)) actions)
                                (efrit-mcp-invalid "there is no action %s here%s" choose
                                                   (if (seq-empty-p actions) ""
                                                     (format "; there are: %s" (mapconcat (lambda (a) (plist-get a :title)) actions ", ")))))))
        (commands (seq-filter #'efrit-mcp-lsp--command-of actions)))
    (cond ((null action)
           `((actions . ,(vconcat (mapcar (lambda (a) (plist-get a :title)) actions)))
             ,@(when commands `((commands . ,(vconcat (mapcar (lambda (a) (plist-get a :title)) commands)))))))
          ;; A server may tell the title first and the rest when it is asked for.
          ((and (not (plist-get action :edit)) (not (plist-get action :command))
                (efrit-mcp-lsp--call '(eglot-server-capable eglot--server-capable) :codeActionProvider :resolveProvider))
           (efrit-mcp-lsp--ask :codeAction/resolve action (lambda (whole) (efrit-mcp-lsp--act whole apply))))
          (t (efrit-mcp-lsp--act action apply)))))

(defun efrit-mcp-lsp--start ()
  "Start the server for the current buffer, without waiting."
  (if (eglot-current-server)
      '((running . t))
    (let ((eglot-sync-connect nil))
      (apply #'eglot--connect (eglot--guess-contact))
      '((starting . t) (hint . "op status says when it runs")))))

(defun efrit-mcp-lsp--status ()
  "Return what is known of the server of the current buffer."
  (let ((server (eglot-current-server)))
    (if (not server) `((running . :false) (mode . ,(symbol-name major-mode)))
      `((running . ,(efrit-mcp-bool (jsonrpc-running-p server)))
        (name . ,(format "%s" (efrit-mcp-lsp--call '(jsonrpc-name) server)))
        ,@(let ((commands (efrit-mcp-lsp--commands server)))
            (when commands `((commands . ,(vconcat commands)))))))))

(efrit-mcp-define-tool emacs-lsp
    "Ask the language server of a file through eglot: start, status, hover (at line, column), rename the symbol there to new_name, actions there (choose: the title of one), format. What would change is shown as a diff, and done with apply; what a command of the server changes is known only then. op command runs the one named by choose (status lists them) with args. Definitions, references: emacs_symbols."
    ((op (one-of "start" "status" "hover" "rename" "actions" "command" "format" "stop") nil :required t)
     (file string nil) (buffer string nil)
     (line integer nil :minimum 1) (column integer "From 0; default: first in the line.")
     (new-name string nil) (choose string nil)
     (args (list-of any) nil)
     (apply boolean nil :default nil))
    (:title "Language server" :destructive t :open-world t)
  (efrit-mcp-lsp--require)
  (with-current-buffer (efrit-mcp-target file buffer)
    (save-excursion
      (save-restriction
        (when line (efrit-mcp-target-goto line column) (unless column (back-to-indentation)))
        (pcase op
          ("start" (efrit-mcp-lsp--start))
          ("status" (efrit-mcp-lsp--status))
          ("stop" (eglot-shutdown (efrit-mcp-lsp--server)) '((stopped . t)))
          ("hover" (efrit-mcp-lsp--server)
           (efrit-mcp-lsp--ask :textDocument/hover (eglot--TextDocumentPositionParams)
                               (lambda (r) `((hover . ,(efrit-mcp-look--cut (efrit-mcp-lsp--text (plist-get r :contents)) 8000))
                                             ,@(unless r '((hint . "the server knows nothing at that place: column is of the symbol's text")))))))
          ("rename" (unless new-name (efrit-mcp-invalid "new_name is missing"))
           (efrit-mcp-lsp--server)
           (efrit-mcp-lsp--ask :textDocument/rename `(,@(eglot--TextDocumentPositionParams) :newName ,new-name)
                               (lambda (r) (efrit-mcp-lsp--do (efrit-mcp-lsp--proposals r) apply))))
          ("actions" (efrit-mcp-lsp--server)
           (efrit-mcp-lsp--ask :textDocument/codeAction (efrit-mcp-lsp--code-action column)
                               (lambda (r) (efrit-mcp-lsp--actions r choose apply))))
          ("command" (efrit-mcp-lsp--command choose args))
          (_ (efrit-mcp-lsp--server)
             (efrit-mcp-lsp--ask :textDocument/formatting
                                 (list :textDocument (eglot--TextDocumentIdentifier)
                                       :options (list :tabSize tab-width :insertSpaces (if indent-tabs-mode :json-false t)))
                                 (lambda (r) (efrit-mcp-lsp--do (and (> (length r) 0) (list (efrit-mcp-lsp--proposal (current-buffer) r))) apply)))))))))

(provide 'efrit-mcp-tools-lsp)
;;; efrit-mcp-tools-lsp.el ends here
