;;; efrit-mcp-secrets.el --- What agents' tools do not read  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; The typed tools ask `efrit-mcp-secret-p' before they read or write a file or a
;; buffer.  That keeps a secret from being read by the way; it is no sandbox: whoever
;; may evaluate Lisp reads what you read.  `efrit-mcp-allow-eval' is that one gate.

;;; Code:

(require 'efrit-mcp-native)
(require 'seq)

(defvar auth-sources)

(define-error 'efrit-mcp-secret "Refused, it is secret" 'efrit-mcp-error)
(define-error 'efrit-mcp-eval-off "Evaluation is off" 'efrit-mcp-error)

(defcustom efrit-mcp-secret-files
  '("/\\.?_?\\(authinfo\\|netrc\\)\\(\\.[a-z]+\\)?\\'" "/\\.pgpass\\'" "/\\.my\\.cnf\\'" "/\\.git-credentials\\'"
    "/\\.ssh/\\(id_[^/]*\\|.*_key\\|.*\\.pem\\)\\'" "/id_\\(rsa\\|dsa\\|ecdsa\\|ed25519\\)\\'"
    "/\\.gnupg/" "/\\.password-store/" "/\\.aws/credentials\\'" "/\\.docker/config\\.json\\'" "/\\.kube/config\\'"
    "/\\.config/\\(gh/hosts\\.yml\\|gcloud/\\)" "/\\.npmrc\\'" "/\\.pypirc\\'"
    "/\\.env\\(\\.[^/]*\\)?\\'" "\\.\\(gpg\\|kdbx?\\|p12\\|pfx\\)\\'" "/etc/\\(g?shadow\\|sudoers\\)")
  "Regexps of the names of files that agents' tools do not read or write.
Those in `auth-sources' are refused besides.  This is no sandbox: an
agent that may evaluate Lisp, or run commands, reads what you read."
  :type '(repeat regexp) :group 'efrit-mcp)

(defcustom efrit-mcp-secret-buffers '("\\`\\*\\(password\\|auth-source\\|pass\\|1password\\)")
  "Regexps of the names of buffers that agents' tools do not read or write."
  :type '(repeat regexp) :group 'efrit-mcp)

(defcustom efrit-mcp-secret-modes '(authinfo-mode pass-mode pass-view-mode keepass-mode)
  "Major modes of buffers that agents' tools do not read or write."
  :type '(repeat symbol) :group 'efrit-mcp)

(defcustom efrit-mcp-allow-eval t
  "Whether agents may evaluate Lisp by efrit_execute.
This is one gate, on or off.  Off keeps agents to the tools you see in the
list; some of them run commands, so it is no sandbox."
  :type 'boolean :group 'efrit-mcp)

(defun efrit-mcp-secrets--sources ()
  "Return the files in `auth-sources', as true names."
  (delq nil
        (mapcar (lambda (source)
                  (let ((file (cond ((stringp source) source)
                                    ((stringp (plist-get (and (listp source) source) :source)) (plist-get source :source)))))
                    (and file (not (file-remote-p file)) (file-truename (expand-file-name file)))))
                (if (boundp 'auth-sources) auth-sources '("~/.authinfo" "~/.authinfo.gpg" "~/.netrc")))))

(defun efrit-mcp-secrets--file (file)
  "Return why FILE is secret, a string, or nil."
  (let* ((full (expand-file-name file))
         (remote (file-remote-p full))
         (local (if remote (file-remote-p full 'localname) full))
         (names (if remote (list local) (delete-dups (list local (file-truename full)))))
         (case-fold-search t))
    (cond ((seq-some (lambda (name) (seq-some (lambda (re) (string-match-p re name)) efrit-mcp-secret-files)) names)
           (format "%s is in efrit-mcp-secret-files" (abbreviate-file-name full)))
          ((and (not remote) (seq-intersection names (efrit-mcp-secrets--sources)))
           (format "%s is in auth-sources" (abbreviate-file-name full))))))

(defun efrit-mcp-secrets--buffer (buffer)
  "Return why BUFFER is secret, a string, or nil."
  (let ((buffer (or (buffer-base-buffer buffer) buffer)))
    (with-current-buffer buffer
      (let ((name (string-trim-left (buffer-name))) (case-fold-search t))
        (cond ((or (bound-and-true-p read-passwd-mode)
                   (eq (current-local-map) (bound-and-true-p read-passwd-map)))
               "a password is typed into it")
              ((seq-some (lambda (re) (string-match-p re name)) efrit-mcp-secret-buffers)
               (format "the buffer %s is in efrit-mcp-secret-buffers" (buffer-name)))
              ((apply #'derived-mode-p efrit-mcp-secret-modes)
               (format "%s is in efrit-mcp-secret-modes" major-mode))
              (t (let ((file (or buffer-file-name (bound-and-true-p list-buffers-directory))))
                   (and file (efrit-mcp-secrets--file file)))))))))

(defun efrit-mcp-secret-p (what)
  "Return why WHAT is not for agents, a string, or nil.
WHAT is the name of a file, or a buffer.  Links are followed, and an
indirect buffer is as its base."
  (cond ((bufferp what) (and (buffer-live-p what) (efrit-mcp-secrets--buffer what)))
        ((stringp what) (efrit-mcp-secrets--file what))))

(defun efrit-mcp-secret-check (what)
  "Signal an `efrit-mcp-secret' if WHAT, a file name or buffer, is not for agents."
  (let ((why (efrit-mcp-secret-p what)))
    (when why (signal 'efrit-mcp-secret (list (format "%s; the person keeps it from agents" why))))))

(defun efrit-mcp-secret-check-eval ()
  "Signal an `efrit-mcp-eval-off' if agents may not evaluate Lisp."
  (unless efrit-mcp-allow-eval
    (signal 'efrit-mcp-eval-off
            '("the person has turned it off (efrit-mcp-allow-eval); use the other tools, or ask them"))))

(provide 'efrit-mcp-secrets)
;;; efrit-mcp-secrets.el ends here
