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
    (signal 'efrit-mcp-lsp-missing '("this Emacs has no eglot (part of Emacs 29, else a package)"))))

(defun efrit-mcp-lsp--server ()
  "Return the server of the current buffer, or say how to start one."
  (or (eglot-current-server)
      (signal 'efrit-mcp-lsp-missing (list (format "no server runs for %s: op start starts one" (buffer-name))))))

(defun efrit-mcp-lsp--call (names &rest arguments)
  "Call the first of NAMES that this eglot has with ARGUMENTS."
  (apply (or (seq-find #'fboundp names) (error "This eglot has no %s" (car names))) arguments))

(defun efrit-mcp-lsp--ask (method params function)
  "Ask the server of the current buffer METHOD with PARAMS.
FUNCTION makes the tool's answer of the result, in this buffer.  Where a
job runs this returns at once what says that the answer comes later."
  (let ((server (efrit-mcp-lsp--server)) (buffer (current-buffer)) (job efrit-mcp-tool-job) (client efrit-mcp-tool-client))
    (eglot--signal-textDocument/didChange)
    (if (not job)
        (funcall function (jsonrpc-request server method params :timeout efrit-mcp-lsp--seconds))
      (cl-flet ((reply (value outcome)
                  (funcall efrit-mcp-later-answered-function job value)
                  (when (efrit-mcp--mod-alive job) (efrit-mcp--mod-reply job value outcome)))
                (fail (text) `((status . "error") (error_code . "language_server") (error . ,text))))
        (jsonrpc-async-request
         server method params
         :success-fn (lambda (result)
                       (let ((efrit-mcp-tool-client client))
                         (condition-case err
                             (reply (with-current-buffer buffer (funcall function result)) 0)
                           (error (reply (efrit-mcp-tool--error err) 1)))))
         :error-fn (lambda (err) (reply (fail (format "the server says: %s" (or (plist-get err :message) err))) 1))
         :timeout-fn (lambda () (reply (fail (format "the server did not answer within %d s" efrit-mcp-lsp--seconds)) 1))
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

(defun efrit-mcp-lsp--actions (actions choose apply)
  "Return ACTIONS of a server, or what the one titled CHOOSE does; APPLY it or not."
  (let ((action (and choose (or (seq-find (lambda (a) (equal (plist-get a :title) choose)) actions)
                                (efrit-mcp-invalid "there is no action %s here" choose)))))
    (cond ((null action)
           `((actions . ,(vconcat (mapcar (lambda (a) (plist-get a :title)) actions)))))
          ((plist-get action :edit) (efrit-mcp-lsp--do (efrit-mcp-lsp--proposals (plist-get action :edit)) apply))
          (t (efrit-mcp-invalid "the action %s is a command of the server, not an edit: run it with emacs_command eglot-code-actions by the person" choose)))))

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
        (name . ,(format "%s" (efrit-mcp-lsp--call '(jsonrpc-name) server)))))))

(efrit-mcp-define-tool emacs-lsp
    "Ask the language server of a file through eglot: start, status, hover (at line, column), rename the symbol there to new_name, actions there (choose: the title of one), format. What would change is shown as a diff, and done with apply. Definitions, references: emacs_symbols."
    ((op (one-of "start" "status" "hover" "rename" "actions" "format" "stop") nil :required t)
     (file string nil) (buffer string nil)
     (line integer nil :minimum 1) (column integer "From 0; default: first in the line.")
     (new-name string nil) (choose string nil)
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
                               (lambda (r) `((hover . ,(efrit-mcp-look--cut (efrit-mcp-lsp--text (plist-get r :contents)) 8000))))))
          ("rename" (unless new-name (efrit-mcp-invalid "new_name is missing"))
           (efrit-mcp-lsp--server)
           (efrit-mcp-lsp--ask :textDocument/rename `(,@(eglot--TextDocumentPositionParams) :newName ,new-name)
                               (lambda (r) (efrit-mcp-lsp--do (efrit-mcp-lsp--proposals r) apply))))
          ("actions" (efrit-mcp-lsp--server)
           (efrit-mcp-lsp--ask :textDocument/codeAction (efrit-mcp-lsp--code-action column)
                               (lambda (r) (efrit-mcp-lsp--actions r choose apply))))
          (_ (efrit-mcp-lsp--server)
             (efrit-mcp-lsp--ask :textDocument/formatting
                                 (list :textDocument (eglot--TextDocumentIdentifier)
                                       :options (list :tabSize tab-width :insertSpaces (if indent-tabs-mode :json-false t)))
                                 (lambda (r) (efrit-mcp-lsp--do (and (> (length r) 0) (list (efrit-mcp-lsp--proposal (current-buffer) r))) apply)))))))))

(provide 'efrit-mcp-tools-lsp)
;;; efrit-mcp-tools-lsp.el ends here
