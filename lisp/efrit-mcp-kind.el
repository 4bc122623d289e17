;;; efrit-mcp-kind.el --- What may be opened as a file, and whose it is now  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Emacs waits for ever where it reads a named pipe or an endless device, and asks where
;; another Emacs edits a file.  Both are seen here before anything is opened, and refused
;; with the kind or the owner named.

;;; Code:

(require 'efrit-mcp-native)
(require 'seq)

(define-error 'efrit-mcp-kind "No plain file" 'efrit-mcp-error)
(define-error 'efrit-mcp-locked "Locked" 'efrit-mcp-error)

(defcustom efrit-mcp-file-max (* 64 1024 1024)
  "Bytes of a file that agents' tools open or read; larger ones are refused."
  :type 'natnum :group 'efrit-mcp)

(defconst efrit-mcp-kind--endless
  "\\`\\(?:kmsg\\|kcore\\|mem\\|pagemap\\|kpage[a-z]+\\|clear_refs\\|trace_pipe\\(?:_raw\\)?\\|event\\|usbmon.*\\|[0-9]+[tu]\\)\\'"
  "Names of files below /proc and /sys that never end, or wait.")

(defun efrit-mcp-kind--refuse (file format &rest arguments)
  "Signal that FILE is no plain file, as FORMAT with ARGUMENTS says."
  (signal 'efrit-mcp-kind (list (format "%s %s" file (apply #'format format arguments)))))

(defun efrit-mcp-kind-true-name (file)
  "Return the true name of FILE; refuse links that lead in a circle."
  (condition-case nil
      (file-truename file)
    (error (efrit-mcp-kind--refuse file "is a link that leads in a circle"))))

(defun efrit-mcp-kind--word (attributes)
  "Return what the file with ATTRIBUTES is in words, or nil if it is plain."
  (pcase (aref (file-attribute-modes attributes) 0)
    (?p "a named pipe") (?s "a socket") (?c "a character device") (?b "a block device") (?d "a folder")))

(defun efrit-mcp-kind-odd (file)
  "Return why FILE, a true name of this machine, cannot be read as text, or nil.
Nil too where it is not there."
  (let* ((attributes (ignore-errors (file-attributes file))) (word (and attributes (efrit-mcp-kind--word attributes))))
    (cond (word (format "is %s, no plain file" word))
          ((and attributes (string-match-p "\\`/\\(?:proc\\|sys\\)/" file)
                (let ((case-fold-search nil)) (string-match-p efrit-mcp-kind--endless (file-name-nondirectory file))))
           "is no plain file: the system makes it without an end"))))

(defun efrit-mcp-kind--parent (file)
  "Signal an error if something on the way to FILE is there and no folder."
  (let ((folder (directory-file-name (file-name-directory file))))
    (while (not (or (file-exists-p folder) (equal folder (directory-file-name (or (file-name-directory folder) folder)))))
      (setq folder (directory-file-name (file-name-directory folder))))
    (when (and (file-exists-p folder) (not (file-directory-p folder)))
      (efrit-mcp-kind--refuse file "cannot be: %s is %s, no folder" folder
                              (or (efrit-mcp-kind--word (file-attributes (file-truename folder))) "a file")))))

(defun efrit-mcp-kind-check (file &optional any-size)
  "Signal an error if FILE, an absolute name, is not to be opened as text.
It need not be there.  ANY-SIZE: it may be as large as it is."
  (unless (file-remote-p file)
    (let* ((true (efrit-mcp-kind-true-name file)) (odd (efrit-mcp-kind-odd true)))
      (when odd (efrit-mcp-kind--refuse file "%s%s" odd (if (equal (directory-file-name file) (directory-file-name true)) ""
                                                          (format " (%s)" true))))
      (cond ((not (file-exists-p true))
             (when (directory-name-p file) (efrit-mcp-kind--refuse file "is named as a folder, and is none"))
             (when (file-symlink-p file)
               (efrit-mcp-kind--refuse file "is a link to %s, which is not there: name that file to make it" true))
             (efrit-mcp-kind--parent true))
            (any-size)
            ((> (file-attribute-size (file-attributes true)) efrit-mcp-file-max)
             (efrit-mcp-kind--refuse file "has %d bytes, and tools open at most %d (efrit-mcp-file-max)"
                                     (file-attribute-size (file-attributes true)) efrit-mcp-file-max))))))

;;; Locks

(defun efrit-mcp-kind--owner (file)
  "Return who locks FILE, in words, or nil where nobody else does."
  (let ((user (ignore-errors (file-locked-p file)))) ; the name of a lock can be too long
    (when (stringp user)
      (let ((link (file-symlink-p (expand-file-name (concat ".#" (file-name-nondirectory file)) (file-name-directory file)))))
        (if (and link (string-match "\\`\\(.+\\)\\.\\([0-9]+\\)\\(?::[0-9]+\\)?\\'" link))
            (format "%s (process %s)" (match-string 1 link) (match-string 2 link))
          user)))))

(defun efrit-mcp-kind-check-lock (file)
  "Signal an error if another Emacs edits FILE now; the error says who does."
  (when (and file (not (file-remote-p file)))
    (let ((owner (efrit-mcp-kind--owner file)))
      (when owner
        (signal 'efrit-mcp-locked
                (list (format "%s is locked by %s: it is edited there, and nothing was changed. Ask them to save or to let it go"
                              file owner)))))))

(provide 'efrit-mcp-kind)
;;; efrit-mcp-kind.el ends here
