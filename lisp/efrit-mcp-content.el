;;; efrit-mcp-content.el --- Answers that are more than one text  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A tool's function returns a plain value most of the time.  Where pictures, sounds,
;; resources or structured content belong into the answer, it returns what
;; `efrit-mcp-content' makes of the blocks that the functions here make.

;;; Code:

(require 'efrit-mcp-native)
(require 'efrit-mcp-client)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(declare-function efrit-mcp--mod-json "efrit-mcp-module")

(cl-defstruct (efrit-mcp-content (:constructor efrit-mcp-content--make) (:copier nil))
  "The content of an answer: blocks, structured content, whether it is an error."
  blocks structured has-structured failed)

(defun efrit-mcp-text (text)
  "Return a block that shows TEXT, a string."
  `((type . "text") (text . ,text)))

(defun efrit-mcp-content--base64 (bytes)
  "Return BYTES, a string, in base64; characters over 255 as UTF-8."
  (base64-encode-string (if (multibyte-string-p bytes)
                            (encode-coding-string bytes 'utf-8-emacs t)
                          bytes)
                        t))

(defun efrit-mcp-image (bytes mime)
  "Return a block that shows the image BYTES, a unibyte string, of type MIME."
  `((type . "image") (data . ,(efrit-mcp-content--base64 bytes)) (mimeType . ,mime)))

(defun efrit-mcp-audio (bytes mime)
  "Return a block that plays the sound BYTES, a unibyte string, of type MIME."
  `((type . "audio") (data . ,(efrit-mcp-content--base64 bytes)) (mimeType . ,mime)))

(defun efrit-mcp-content-of-resource (uri value mime)
  "Return the contents of the resource URI of type MIME: VALUE, an alist.
A multibyte or ASCII string is text, another string is bytes, anything
else is shown as JSON."
  (let ((text (cond ((not (stringp value)) (efrit-mcp--mod-json value))
                    ((or (multibyte-string-p value) (not (string-match-p "[^[:ascii:]]" value))) value))))
    (when (and text (string-match-p "\\`\\(image\\|audio\\|video\\)/\\|\\`application/octet-stream" (or mime "")))
      (setq text nil))
    `((uri . ,uri)
      ,@(when mime `((mimeType . ,mime)))
      ,(if text (cons 'text text) (cons 'blob (efrit-mcp-content--base64 value))))))

(defun efrit-mcp-embed (uri value &optional mime)
  "Return a block that holds the resource URI of type MIME, whose content is VALUE."
  `((type . "resource") (resource . ,(efrit-mcp-content-of-resource uri value (or mime "text/plain")))))

(defun efrit-mcp-link (uri name &optional mime description)
  "Return a block that names the resource URI as NAME, of type MIME, DESCRIPTION.
Some hosts show the URI alone: what matters belongs into a text as well."
  `((type . "resource_link") (uri . ,uri) (name . ,name)
    ,@(when mime `((mimeType . ,mime)))
    ,@(when description `((description . ,description)))))

(defun efrit-mcp-annotate (block &rest annotations)
  "Return BLOCK with ANNOTATIONS, a plist: :audience LIST, :priority NUMBER."
  (append block
          `((annotations
             . (,@(when (plist-member annotations :audience)
                    `((audience . ,(vconcat (mapcar (lambda (a) (format "%s" a))
                                                    (plist-get annotations :audience))))))
                ,@(when (plist-member annotations :priority)
                    `((priority . ,(plist-get annotations :priority)))))))))

(defun efrit-mcp-content (&rest arguments)
  "Return an answer of several blocks.
ARGUMENTS are blocks, or strings, which are texts; then maybe
:structured VALUE, an alist that fits the tool's :output schema and is
shown as text too when there is no block; :error t for a failed call."
  (let (blocks options)
    (while (and arguments (not (keywordp (car arguments))))
      (push (if (stringp (car arguments)) (efrit-mcp-text (car arguments)) (car arguments)) blocks)
      (pop arguments))
    (setq options arguments)
    (efrit-mcp-content--make :blocks (nreverse blocks)
                             :structured (plist-get options :structured)
                             :has-structured (and (plist-member options :structured) t)
                             :failed (plist-get options :error))))

(defun efrit-mcp-content--for-client (block)
  "Return BLOCK as the client of the running job can take it."
  (pcase (alist-get 'type block)
    ((and "audio" (guard (not (efrit-mcp-client-since-p "2025-03-26"))))
     (efrit-mcp-text (format "[a sound of type %s]" (alist-get 'mimeType block))))
    ((and "resource_link" (guard (not (efrit-mcp-client-since-p "2025-06-18"))))
     (efrit-mcp-text (format "%s: %s" (alist-get 'name block) (alist-get 'uri block))))
    (_ (if (efrit-mcp-client-since-p "2025-03-26") block (assq-delete-all 'annotations (copy-alist block))))))

(defun efrit-mcp-content-result (content)
  "Return the result that CONTENT is, an alist for the client of the running job."
  (let* ((structured (efrit-mcp-content-structured content))
         (has (efrit-mcp-content-has-structured content))
         (failed (efrit-mcp-content-failed content))
         (blocks (or (efrit-mcp-content-blocks content)
                     (and has (list (efrit-mcp-text (efrit-mcp--mod-json (or structured (make-hash-table)))))))))
    `((content . ,(vconcat (mapcar #'efrit-mcp-content--for-client blocks)))
      ,@(when (and has (not failed) (efrit-mcp-client-since-p "2025-06-18"))
          `((structuredContent . ,(or structured (make-hash-table)))))
      ,@(when failed '((isError . t))))))

(provide 'efrit-mcp-content)
;;; efrit-mcp-content.el ends here
