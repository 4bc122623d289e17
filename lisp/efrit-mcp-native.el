;;; efrit-mcp-native.el --- Load the module that holds the server  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Finds and loads efrit-mcp-module.so, and says what to do when it cannot.
;; A module cannot be unloaded: after an upgrade Emacs keeps the old one, which is
;; told as a mismatch of versions.

;;; Code:

(require 'seq)
(require 'subr-x)

(declare-function efrit-mcp--mod-version "efrit-mcp-module")

(define-error 'efrit-mcp-error "efrit-mcp")
(define-error 'efrit-mcp-invalid-argument "Invalid argument" 'efrit-mcp-error)

(defcustom efrit-mcp-module-file nil
  "File name of the module; nil: build/ beside the Lisp."
  :type '(choice (const :tag "Beside the Lisp" nil) file)
  :group 'efrit-mcp)

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

(defun efrit-mcp-native--project ()
  "Return the folder of the whole project, nil when the Lisp came alone."
  (let ((folder (file-truename (expand-file-name ".." efrit-mcp-native--folder))))
    (and (file-readable-p (expand-file-name "Makefile" folder))
         (file-directory-p (expand-file-name "module" folder))
         (file-name-as-directory folder))))

(defun efrit-mcp-native--missing ()
  "Return the names of the programs and headers the build needs and does not find."
  (append
   (seq-remove #'executable-find '("make" "gcc"))
   (mapcar #'cdr
           (seq-remove (lambda (header)
                         (seq-some (lambda (dir) (file-exists-p (expand-file-name (car header) dir)))
                                   (append '("/usr/include" "/usr/local/include" "/opt/homebrew/include")
                                           (file-expand-wildcards "/usr/include/*-linux-*"))))
                       '(("ev.h" . "libev (libev-dev)") ("jansson.h" . "jansson (libjansson-dev)")
                         ("pcre2.h" . "PCRE2 (libpcre2-dev)") ("sodium.h" . "libsodium (libsodium-dev)"))))))

;;;###autoload
(defun efrit-mcp-native-build ()
  "Build the module, showing the command and what it prints.
Return non-nil if it is there afterwards.  What is missing is named."
  (interactive)
  (let ((folder (efrit-mcp-native--project))
        (buffer (get-buffer-create "*efrit-mcp-build*"))
        (missing (efrit-mcp-native--missing)))
    (unless folder
      (user-error "There is nothing to build beside %s: get the whole project, not the Lisp alone"
                  (abbreviate-file-name efrit-mcp-native--folder)))
    (when missing
      (user-error "The module needs what is not there: %s.  On Debian `make deps' in %s installs it"
                  (string-join missing ", ") (abbreviate-file-name folder)))
    (with-current-buffer buffer
      (let ((inhibit-read-only t) (default-directory folder))
        (erase-buffer)
        (insert (format "In %s:\n$ make module bridge\n\n" folder))
        (display-buffer buffer)
        (redisplay)
        (let ((status (call-process "make" nil buffer t "module" "bridge")))
          (insert (format "\nmake ended with %s\n" status))
          (special-mode)
          (if (and (eql status 0) (seq-find #'file-readable-p (efrit-mcp-native--candidates)))
              (progn (message "The efrit-mcp module is built") t)
            (message "The efrit-mcp module could not be built: see the buffer %s" (buffer-name buffer))
            nil))))))

(defun efrit-mcp-native--offer ()
  "Offer to build the module; return non-nil if it was built."
  (and (not noninteractive)
       ;; A daemon without a frame has nobody to ask: it would read from its stdin.
       (not (equal (terminal-name) "initial_terminal"))
       (efrit-mcp-native--project)
       (y-or-n-p (format "The efrit-mcp module is not built; run `make module bridge' in %s now? "
                         (abbreviate-file-name (efrit-mcp-native--project))))
       (efrit-mcp-native-build)))

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
    (let ((file (or (seq-find #'file-readable-p (efrit-mcp-native--candidates))
                    (and (efrit-mcp-native--offer)
                         (seq-find #'file-readable-p (efrit-mcp-native--candidates))))))
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
