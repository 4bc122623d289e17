;;; efrit-mcp-native.el --- Load the module that holds the server  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Finds and loads efrit-mcp-module.so, and says what to do when it cannot.
;; A module cannot be unloaded: after an upgrade Emacs keeps the old one, which is
;; told as a mismatch of versions.

;;; Code:

(require 'lisp-mnt)

(declare-function efrit-mcp--mod-version "efrit-mcp-module")

(define-error 'efrit-mcp-error "efrit-mcp")
(define-error 'efrit-mcp-invalid-argument "Invalid argument" 'efrit-mcp-error)

(defvar efrit-mcp-module-file)

(defconst efrit-mcp-native--folder
  (file-name-directory (or load-file-name buffer-file-name default-directory))
  "The folder this file was loaded from.")

(defun efrit-mcp-native--candidates ()
  "Return the files the module may be, most specific first."
  (let ((name (concat "efrit-mcp-module" (or module-file-suffix ".so"))))
    (delq nil
          (list efrit-mcp-module-file
                (getenv "EFRIT_MCP_MODULE")
                (expand-file-name (concat "../build/" name) efrit-mcp-native--folder)
                (expand-file-name name efrit-mcp-native--folder)))))

(defun efrit-mcp-native--check-version (expected)
  "Signal a `user-error' unless the loaded module has version EXPECTED."
  (let ((loaded (efrit-mcp--mod-version)))
    (unless (equal loaded expected)
      (user-error "The loaded efrit-mcp module is version %s and the Lisp is %s: run `make' and restart Emacs (a module cannot be unloaded)"
                  loaded expected))))

(defun efrit-mcp-native-load (expected)
  "Load the module unless it is loaded, and check that its version is EXPECTED.
Signal a `user-error' that says what to do when it cannot be loaded."
  (unless (featurep 'efrit-mcp-module)
    (unless (fboundp 'module-load)
      (user-error "This Emacs was built without modules; efrit-mcp needs one built --with-modules (Debian's is)"))
    (let ((file (seq-find #'file-readable-p (efrit-mcp-native--candidates))))
      (unless file
        (user-error "The efrit-mcp module is not built: run `make' in %s (looked for %s)"
                    (abbreviate-file-name (expand-file-name ".." efrit-mcp-native--folder))
                    (mapconcat #'abbreviate-file-name (efrit-mcp-native--candidates) ", ")))
      (condition-case err
          (module-load (expand-file-name file))
        (error (user-error "The efrit-mcp module %s cannot be loaded (%s): run `make clean all' in its folder"
                           file (error-message-string err))))))
  (efrit-mcp-native--check-version expected))

(provide 'efrit-mcp-native)
;;; efrit-mcp-native.el ends here
