;;; efrit-mcp-manual.el --- The parts of the manual that are made from the Lisp  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Settings, commands and tools in efrit-mcp.texi stand between comments "made:NAME" and
;; "made end".  `make info' writes them anew; a test says when it was forgotten.

;;; Code:

(require 'cus-edit)
(require 'efrit-mcp)
(require 'efrit-mcp-doctor)
(require 'efrit-mcp-http)
(require 'efrit-mcp-instances)

(defun efrit-mcp-manual--plain (text)
  "Return TEXT with what Texinfo would take for its own escaped."
  (replace-regexp-in-string "[@{}]" "@\\&" text))

(defun efrit-mcp-manual--keys (text)
  "Return TEXT with references to keys as one who reads it would press them."
  (replace-regexp-in-string
   "\\\\\\[\\([^]]+\\)\\]"
   (lambda (found)
     (let* ((command (intern (substring found 2 -1)))
            (key (where-is-internal command global-map t)))
       (if key (key-description key) (format "M-x %s" command))))
   text t t))

(defun efrit-mcp-manual--doc (text)
  "Return the docstring TEXT as Texinfo.
The first line is a paragraph: Emacs 30 makes it one where a mode is defined."
  (let ((cut (string-match "\n+This is a \\(global \\)?minor mode" text))) ; what Emacs adds, each in its words
    (replace-regexp-in-string
     "`\\([^`' \n]+\\)'" "@code{\\1}"
     (efrit-mcp-manual--plain
      (efrit-mcp-manual--keys
       (replace-regexp-in-string "\\`\\(.+\\)\n+" "\\1\n\n" (if cut (substring text 0 cut) text)))))))

(defun efrit-mcp-manual--members (type)
  "Return the members of the customization group that are of TYPE, sorted."
  (sort (mapcar #'car (seq-filter (lambda (member) (eq (cadr member) type)) (get 'efrit-mcp 'custom-group)))
        #'string<))

(defun efrit-mcp-manual--settings ()
  "Return the settings and faces as Texinfo."
  (concat
   (mapconcat (lambda (setting)
                (format "@defopt %s\n%s\n\nDefault: @code{%s}.\n@end defopt\n" setting
                        (if (commandp setting) ; a mode: Emacs's words differ from version to version
                            (format "Whether the mode is on; set it by the command @code{%s}." setting)
                          (efrit-mcp-manual--doc (documentation-property setting 'variable-documentation t)))
                        (efrit-mcp-manual--plain (format "%S" (eval (car (get setting 'standard-value)) t)))))
              (efrit-mcp-manual--members 'custom-variable) "\n")
   "\n"
   (mapconcat (lambda (face)
                (format "@deffn Face %s\n%s\n@end deffn\n" face
                        (efrit-mcp-manual--doc (face-documentation face))))
              (seq-filter #'facep (mapcar #'intern (efrit-mcp-manual--faces))) "\n")))

(defun efrit-mcp-manual--faces ()
  "Return the names of our faces, sorted."
  (sort (seq-filter (lambda (name) (string-prefix-p "efrit-mcp-" name)) (mapcar #'symbol-name (face-list)))
        #'string<))

(defun efrit-mcp-manual--commands ()
  "Return the commands as Texinfo."
  (let ((commands nil))
    (mapatoms (lambda (symbol)
                (when (and (commandp symbol) (string-match-p "\\`efrit-mcp-[^-]" (symbol-name symbol)))
                  (push symbol commands))))
    (mapconcat (lambda (command)
                 (format "@deffn Command %s\n%s\n@end deffn\n" command
                         (efrit-mcp-manual--doc (documentation command t))))
               (sort commands #'string<) "\n")))

(defun efrit-mcp-manual--type (schema)
  "Return in words which values SCHEMA allows."
  (let ((words (cdr (assq 'enum schema)))
        (type (cdr (assq 'type schema))))
    (if words
        (mapconcat (lambda (word) (format "@samp{%s}" (efrit-mcp-manual--plain word))) words ", ")
      (if (vectorp type) (mapconcat #'identity type " or ") (format "%s" type)))))

(defun efrit-mcp-manual--tool (tool)
  "Return TOOL, an entry of the catalogue, as Texinfo."
  (let* ((schema (cdr (assq 'inputSchema tool)))
         (required (append (cdr (assq 'required schema)) nil)))
    (concat
     (format "@deffn Tool %s\n%s\n" (cdr (assq 'name tool)) (efrit-mcp-manual--plain (cdr (assq 'description tool))))
     (when (cdr (assq 'properties schema))
       (format "\n@table @code\n%s@end table\n"
               (mapconcat (lambda (property)
                            (format "@item %s\n%s%s: %s\n" (car property)
                                    (if (member (symbol-name (car property)) required) "Required; " "")
                                    (efrit-mcp-manual--type (cdr property))
                                    (efrit-mcp-manual--plain (or (cdr (assq 'description (cdr property))) ""))))
                          (cdr (assq 'properties schema)) "")))
     "@end deffn\n")))

(defun efrit-mcp-manual--tools ()
  "Return the tools as Texinfo."
  (mapconcat #'efrit-mcp-manual--tool
             (seq-remove (lambda (tool) (member (alist-get 'name tool) (efrit-mcp-manual--in-packs)))
                         (efrit-mcp-manual--catalogue))
             "\n"))

(defun efrit-mcp-manual--catalogue ()
  "Return the tools as the catalogue has them, a sequence of alists."
  (alist-get 'tools (json-parse-string (decode-coding-string (efrit-mcp-tool-catalogue) 'utf-8) :object-type 'alist)))

(defun efrit-mcp-manual--in-packs ()
  "Return the names of the tools that are in a pack."
  (mapcar (lambda (tool) (plist-get tool :name))
          (seq-filter (lambda (tool) (plist-get (plist-get tool :options) :pack)) efrit-mcp-tool--all)))

(defun efrit-mcp-manual--packs ()
  "Return the tools of all packs as Texinfo."
  (customize-set-variable 'efrit-mcp-packs (mapcar #'car efrit-mcp-profile--packs))
  (mapconcat #'efrit-mcp-manual--tool
             (seq-filter (lambda (tool) (member (alist-get 'name tool) (efrit-mcp-manual--in-packs)))
                         (efrit-mcp-manual--catalogue))
             "\n"))

(defun efrit-mcp-manual-write ()
  "Write the parts that are made into the file named on the command line."
  (with-temp-file (car command-line-args-left)
    (insert-file-contents (pop command-line-args-left))
    (pcase-dolist (`(,name . ,text) `(("settings" . ,(efrit-mcp-manual--settings))
                                      ("commands" . ,(efrit-mcp-manual--commands))
                                      ("tools" . ,(efrit-mcp-manual--tools))
                                      ("packs" . ,(efrit-mcp-manual--packs))))
      (goto-char (point-min))
      (search-forward (format "@c made:%s\n" name))
      (delete-region (point) (save-excursion (search-forward "@c made end\n") (match-beginning 0)))
      (insert text))))

(provide 'efrit-mcp-manual)
;;; efrit-mcp-manual.el ends here
