;;; efrit-mcp-place.el --- Where a relative name of an agent begins  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; The person's buffer is not where an agent works.  A relative name begins in the folder
;; that the call names in its `_meta', in the client's one root, or in the folder its
;; bridge was started in, in this order; else the call is refused with what was looked at.

;;; Code:

(require 'efrit-mcp-client)
(require 'efrit-mcp-names)
(require 'seq)
(require 'url-util)

(define-error 'efrit-mcp-no-folder "Relative to what" 'efrit-mcp-invalid-argument)

(defun efrit-mcp-place--of-uri (uri)
  "Return the absolute name that URI, of a file of this machine, has; or nil."
  (when (string-match "\\`file:\\(?://\\([^/]*\\)\\)?\\(/.*\\)\\'" uri)
    (let ((host (match-string 1 uri))
          (name (decode-coding-string (url-unhex-string (encode-coding-string (match-string 2 uri) 'utf-8 t) t) 'utf-8)))
      (and (member host (list nil "" "localhost" "127.0.0.1" (system-name)))
           (not (string-search "\0" name))
           name))))

(defun efrit-mcp-place--local-p (name)
  "Return non-nil if NAME is absolute and of this machine."
  (and (stringp name) (string-prefix-p "/" name) (not (file-remote-p name))))

(defun efrit-mcp-place--inside-p (name folder)
  "Return non-nil if NAME is FOLDER or in it."
  (string-prefix-p (file-name-as-directory (file-truename folder)) (file-name-as-directory (file-truename name))))

(defun efrit-mcp-place--refuse (name format &rest arguments)
  "Signal that it is not known where NAME begins, as FORMAT with ARGUMENTS says."
  (signal 'efrit-mcp-no-folder
          (list (format "%s is a relative name, and it is not taken to be relative to the person's buffer. %s; nothing was done. Give an absolute name"
                        name (apply #'format format arguments)))))

;;; What there is

(defun efrit-mcp-place--said (name)
  "Return the folder that the call names for NAME, or nil if it names none."
  (let ((said (efrit-mcp-client--context "folder")))
    (when (stringp said)
      (let ((folder (if (string-prefix-p "file:" said) (efrit-mcp-place--of-uri said) said)))
        (unless (and (efrit-mcp-place--local-p folder) (file-directory-p folder))
          (efrit-mcp-place--refuse name "The folder in _meta, %s, is not there" said))
        folder))))

(defun efrit-mcp-place--roots ()
  "Return the client's roots, (URI . FOLDER); FOLDER nil for one that is not here."
  (when (and efrit-mcp-tool-job (efrit-mcp-client-can-p "roots"))
    (mapcar (lambda (root)
              (let* ((uri (or (cdr (assoc "uri" root)) "")) (folder (efrit-mcp-place--of-uri uri)))
                (cons uri (and (efrit-mcp-place--local-p folder) (file-directory-p folder) folder))))
            (append (cdr (assoc "roots" (efrit-mcp-ask-client "efrit-mcp-roots" "roots/list"))) nil))))

(defun efrit-mcp-place--bridge ()
  "Return the folder the client's bridge was started in, or nil if it says nothing."
  (let ((folder (efrit-mcp-client--context "cwd")))
    (and (efrit-mcp-place--local-p folder) (file-directory-p folder)
         (not (member (directory-file-name (file-truename folder)) (list "/" (directory-file-name (file-truename "~")))))
         folder)))

(defun efrit-mcp-place--of-roots (name roots bridge)
  "Return the folder for NAME by ROOTS, (URI . FOLDER) each, or nil.
The BRIDGE's folder chooses where it is in one of several."
  (let ((here (delete-dups (delq nil (mapcar #'cdr roots)))))
    (cond ((null roots) nil)
          ((null here)
           (efrit-mcp-place--refuse name "The client's root %s is not here" (string-join (mapcar #'car roots) ", ")))
          ((null (cdr here)) (car here))
          ((and bridge (seq-some (lambda (root) (efrit-mcp-place--inside-p bridge root)) here)) bridge)
          (t (let ((with (seq-filter (lambda (root) (file-exists-p (expand-file-name name root))) here)))
               (if (and with (null (cdr with)))
                   (car with)
                 (efrit-mcp-place--refuse name "The client has several roots, %s, and %s" (string-join here ", ")
                                          (if with "more than one has such a file" "none has such a file"))))))))

(defun efrit-mcp-place-folder (name)
  "Return the folder in which the relative NAME of the running call begins."
  (or (efrit-mcp-place--said name)
      (let* ((bridge (efrit-mcp-place--bridge)) (roots (efrit-mcp-place--roots)))
        (or (efrit-mcp-place--of-roots name roots bridge)
            bridge
            (efrit-mcp-place--refuse
             name "Looked at: the folder in _meta (efrit-mcp/folder: none), the client's roots (%s), the folder of its bridge (%s)"
             (if (efrit-mcp-client-can-p "roots") "it has none" "it tells none")
             (or (efrit-mcp-client--context "cwd") "none, or / or the home folder"))))))

;;; Names

(defun efrit-mcp-place--environment (name)
  "Return NAME with the variable it begins with, as $HOME/, in its place.
Only those of `efrit-mcp-names--environment': others may be secrets.  A $
elsewhere is a part of the name; files are called $id.tsx."
  (if (string-match "\\`\\$\\(?:\\([A-Z_]+\\)\\|{\\([A-Z_]+\\)}\\)\\(/\\|\\'\\)" name)
      (let* ((variable (or (match-string 1 name) (match-string 2 name))) (rest (substring name (match-beginning 3)))
             (value (and (member variable efrit-mcp-names--environment) (getenv variable))))
        (if (and value (string-prefix-p "/" value)) (concat value rest) name))
    name))

(defun efrit-mcp-place-name (name &optional base)
  "Return the absolute name of the file or folder that an agent calls NAME.
A relative one begins in BASE, or else where the client works."
  (when (string-search "\0" name)
    (signal 'efrit-mcp-invalid-argument (list "a name of a file has no NUL in it")))
  (let ((name (if (string-prefix-p "file:/" name)
                  (or (efrit-mcp-place--of-uri name)
                      (signal 'efrit-mcp-invalid-argument (list (format "%s is no file of this machine" name))))
                (efrit-mcp-place--environment name))))
    (if (file-name-absolute-p name)
        (expand-file-name name "/")
      (let ((folder (or base (efrit-mcp-place-folder name))))
        ;; A name that only looks like one with a ~ is of that folder.
        (expand-file-name (if (string-prefix-p "~" name) (concat "./" name) name) folder)))))

(provide 'efrit-mcp-place)
;;; efrit-mcp-place.el ends here
