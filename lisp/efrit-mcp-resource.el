;;; efrit-mcp-resource.el --- Define resources and read them  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; `efrit-mcp-define-resource' gives agents something to read under a URI, or under all
;; URIs of a form: "notes://{name}".  The bridge matches the same way, so that it knows
;; which Emacs to ask.

;;; Code:

(require 'efrit-mcp-content)
(require 'url-util)

(declare-function efrit-mcp--mod-note "efrit-mcp-module")

(defvar efrit-mcp-tool-changed-hook)
(defvar efrit-mcp-server-instance)

(defvar efrit-mcp-resource--all nil
  "The resources, in the order they were defined: a list of plists.")

(defconst efrit-mcp-resource--variable "{\\(\\+?\\)\\([a-zA-Z0-9_]+\\)}"
  "A variable in the URI of a resource; with + it may hold slashes.")

(defun efrit-mcp-resource-variables (uri)
  "Return the names of the variables in URI, strings."
  (let ((start 0) names)
    (while (string-match efrit-mcp-resource--variable uri start)
      (push (match-string 2 uri) names)
      (setq start (match-end 0)))
    (when (string-match-p "[{}]" (replace-regexp-in-string efrit-mcp-resource--variable "" uri))
      (error "The URI %s has a brace that is no variable: write {name} or {+name}" uri))
    (nreverse names)))

(defun efrit-mcp-resource--regexp (uri)
  "Return the regexp that the URIs of the form URI match."
  (let ((start 0) (parts nil))
    (while (string-match efrit-mcp-resource--variable uri start)
      (push (regexp-quote (substring uri start (match-beginning 0))) parts)
      (push (if (equal (match-string 1 uri) "+") "\\(.+\\)" "\\([^/?#]+\\)") parts)
      (setq start (match-end 0)))
    (concat "\\`" (string-join (nreverse parts)) (regexp-quote (substring uri start)) "\\'")))

(defun efrit-mcp-resource--register (symbol uri description options function)
  "Make FUNCTION what reads the resource SYMBOL at URI; DESCRIPTION, OPTIONS.
One of the same name is replaced in its place."
  (let* ((variables (efrit-mcp-resource-variables uri))
         (resource (list :name (symbol-name symbol) :uri uri :description description :options options
                         :variables variables :function function
                         :regexp (and variables (efrit-mcp-resource--regexp uri))))
         (old (seq-find (lambda (r) (equal (plist-get r :name) (symbol-name symbol))) efrit-mcp-resource--all)))
    (unless (string-match-p "\\`[a-zA-Z][a-zA-Z0-9+.-]*:" uri)
      (error "%s is no URI: it must begin with a scheme, as in notes://today" uri))
    (if old
        (setcar (memq old efrit-mcp-resource--all) resource)
      (setq efrit-mcp-resource--all (append efrit-mcp-resource--all (list resource))))
    (run-hooks 'efrit-mcp-tool-changed-hook)
    symbol))

(defun efrit-mcp-resource-remove (symbol)
  "Take the resource SYMBOL away from the agents."
  (setq efrit-mcp-resource--all
        (seq-remove (lambda (r) (equal (plist-get r :name) (symbol-name symbol))) efrit-mcp-resource--all))
  (run-hooks 'efrit-mcp-tool-changed-hook))

;;;###autoload
(defmacro efrit-mcp-define-resource (name uri description options &rest body)
  "Define the resource NAME, a symbol, that agents read at URI, a string.
A URI with variables, as in \"notes://{name}\", stands for all URIs of
that form; BODY sees each variable bound to its text, unescaped.  {+name}
may hold slashes.  DESCRIPTION, a string, is what agents read.

OPTIONS is a plist: :mime TYPE (text/plain), :title STRING, :size BYTES,
:complete ((VARIABLE . FUNCTION)...): FUNCTION is called with what was
typed and returns strings.  :watch (HOOK...): the content may be another
one when one of these hooks runs; :watch-buffer FUNCTION: when the text
of the buffer that FUNCTION, a symbol, returns for the variables is
another one; :watch-by FUNCTION, where neither can tell: it is called
with a function to call at a change, and returns one that ends it.  They
cost nothing unless somebody subscribed to the URI.

BODY's value is the content: a string is text (a unibyte one that is not
ASCII is bytes), all else is shown as JSON.  BODY may call
`efrit-mcp-resource-absent' when there is nothing under that URI.  Tell
`efrit-mcp-resource-updated' when the content has changed."
  (declare (indent 3) (doc-string 3))
  (let ((function (intern (format "efrit-mcp-resource/%s" name)))
        (symbols (mapcar #'intern (efrit-mcp-resource-variables uri))))
    `(progn
       (defun ,function ,symbols
         ,(format "Read the resource `%s'." name)
         (ignore ,@symbols)
         ,@body)
       (efrit-mcp-resource--register
        ',name ,uri ,description
        (append (list :complete
                      (list ,@(mapcar (lambda (entry) `(cons ',(car entry) (function ,(cdr entry))))
                                      (plist-get options :complete))))
                ',options)
        #',function))))

(defun efrit-mcp-resource-absent (uri)
  "End the job: there is no resource URI."
  (efrit-mcp-refuse 'params (format "There is no resource %s" uri) `((uri . ,uri))))

(defun efrit-mcp-resource-updated (uri)
  "Tell the clients that subscribed to URI that its content has changed."
  (when efrit-mcp-server-instance
    (efrit-mcp--mod-note nil `((updated . ,uri)))))

(defun efrit-mcp-resource--entry (resource)
  "Return RESOURCE as MCP lists it."
  (let ((options (plist-get resource :options)))
    `((,(if (plist-get resource :variables) 'uriTemplate 'uri) . ,(plist-get resource :uri))
      (name . ,(plist-get resource :name))
      ,@(when (plist-get options :title) `((title . ,(plist-get options :title))))
      (description . ,(plist-get resource :description))
      (mimeType . ,(or (plist-get options :mime) "text/plain"))
      ,@(when (plist-get options :size) `((size . ,(plist-get options :size)))))))

(defun efrit-mcp-resource-entries (templates)
  "Return the resources as MCP lists them, a vector; with TEMPLATES those."
  (vconcat (mapcar #'efrit-mcp-resource--entry
                   (seq-filter (lambda (r) (eq (not templates) (not (plist-get r :variables))))
                               efrit-mcp-resource--all))))

(defun efrit-mcp-resource--unescape (text)
  "Return TEXT of a URI without its %-escapes."
  (save-match-data
    (decode-coding-string (url-unhex-string (encode-coding-string text 'utf-8 t)) 'utf-8 t)))

(defun efrit-mcp-resource--find (uri)
  "Return (RESOURCE . VALUES of its variables) for URI, or nil."
  (or (let ((plain (seq-find (lambda (r) (and (not (plist-get r :variables)) (equal (plist-get r :uri) uri)))
                             efrit-mcp-resource--all)))
        (and plain (list plain)))
      (catch 'found
        (dolist (resource efrit-mcp-resource--all)
          (when (and (plist-get resource :variables)
                     (let ((case-fold-search nil)) (string-match (plist-get resource :regexp) uri)))
            (throw 'found
                   (cons resource
                         (let ((n 0))
                           (mapcar (lambda (_)
                                     (setq n (1+ n))
                                     (efrit-mcp-resource--unescape (match-string n uri)))
                                   (plist-get resource :variables))))))))))

(defun efrit-mcp-resource-read (arguments)
  "Return the result of resources/read with ARGUMENTS, an alist with string keys."
  (let* ((uri (cdr (assoc "uri" arguments)))
         (found (or (efrit-mcp-resource--find uri) (efrit-mcp-resource-absent uri)))
         (resource (car found))
         (value (apply (plist-get resource :function) (cdr found))))
    `((contents . [,(efrit-mcp-content-of-resource
                     (or (cdr (assoc "as" arguments)) uri) value (or (plist-get (plist-get resource :options) :mime) "text/plain"))]))))

(defun efrit-mcp-resource-completer (template variable)
  "Return the function that completes VARIABLE of TEMPLATE, both strings, or nil.
Refuse the job when there is no such template."
  (let ((resource (or (seq-find (lambda (r) (equal (plist-get r :uri) template)) efrit-mcp-resource--all)
                      (efrit-mcp-resource-absent template))))
    (alist-get (intern variable) (plist-get (plist-get resource :options) :complete))))

(provide 'efrit-mcp-resource)
;;; efrit-mcp-resource.el ends here
