;;; efrit-mcp-doctor.el --- What is wrong, and what to do about it  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Looks at the path from this Emacs's side, then asks the bridge for its side.

;;; Code:

(require 'efrit-mcp)

(declare-function efrit-mcp--mod-path "efrit-mcp-module")
(declare-function efrit-mcp--mod-version "efrit-mcp-module")

(defun efrit-mcp-doctor--bridge ()
  "Return the file name of the bridge, or nil."
  (let ((file (expand-file-name "../build/efrit-bridge" efrit-mcp-native--folder)))
    (if (file-executable-p file) file (executable-find "efrit-bridge"))))

(defun efrit-mcp-doctor--checks ()
  "Return the checks of this side: a list of (GOOD WHAT MEND)."
  (let* ((file (seq-find #'file-readable-p (efrit-mcp-native--candidates)))
         (loaded (featurep 'efrit-mcp-module))
         (path (and loaded efrit-mcp-server-instance (efrit-mcp--mod-path))))
    `((,(version<= "28.1" emacs-version) ,(format "Emacs %s" emacs-version) "use Emacs 28.1 or newer")
      (,(and (fboundp 'module-load) t) "this Emacs loads modules" "use an Emacs built --with-modules; Debian's is")
      (,(and file t) ,(format "the module: %s" (or file "not built"))
       "M-x efrit-mcp-native-build, or `make' in the project's folder")
      (,(seq-every-p #'efrit-mcp-server--compiled-p efrit-mcp-server--runner) "the Lisp is compiled"
       "`make lisp' in the project's folder; without it forms may not be stopped safely")
      (,(and loaded (equal (efrit-mcp--mod-version) efrit-mcp-version))
       ,(if loaded (format "module %s, Lisp %s" (efrit-mcp--mod-version) efrit-mcp-version) "the module is not loaded")
       ,(if loaded "run `make' and restart Emacs: a module cannot be unloaded" "M-x efrit-mcp-mode loads it"))
      (,(and efrit-mcp-server-instance t)
       ,(if efrit-mcp-server-instance (format "agents find this Emacs as %s" efrit-mcp-server-instance)
          "the server does not run")
       "M-x efrit-mcp-mode; it says why when it cannot")
      (,(and path (file-exists-p path)) ,(format "the socket: %s" (or path "none"))
       "turn efrit-mcp-mode off and on again")
      (,(and (efrit-mcp-doctor--bridge) t) ,(format "the bridge: %s" (or (efrit-mcp-doctor--bridge) "not built"))
       "`make bridge' in the project's folder"))))

;;;###autoload
(defun efrit-mcp-doctor ()
  "Test the whole path, and say how to mend what fails.
First what this Emacs sees; then `efrit-bridge doctor', which goes the way an
agent goes, in a process of its own."
  (interactive)
  (let ((buffer (get-buffer-create "*efrit-mcp-doctor*")) (good t))
    (with-current-buffer buffer
      (let ((inhibit-read-only t))
        (erase-buffer)
        (insert "In this Emacs:\n")
        (pcase-dolist (`(,ok ,what ,mend) (efrit-mcp-doctor--checks))
          (unless ok (setq good nil))
          (insert (format "  %s  %s\n" (if ok "ok  " "FAIL") what))
          (unless ok (insert (format "        %s\n" mend)))))
      (special-mode))
    (when (efrit-mcp-doctor--bridge)
      (efrit-mcp-doctor--ask-bridge buffer))
    (unless noninteractive (display-buffer buffer))
    good))

(defun efrit-mcp-doctor--ask-bridge (buffer)
  "Add to BUFFER what the bridge says; it needs this Emacs to answer meanwhile."
  (with-current-buffer buffer
    (let ((inhibit-read-only t))
      (goto-char (point-max))
      (insert "\nFrom an agent's side (efrit-bridge doctor):\n")))
  (make-process :name "efrit-mcp-doctor" :buffer buffer :noquery t :connection-type 'pipe
                :command (list (efrit-mcp-doctor--bridge) "doctor")
                :filter (lambda (process text)
                          (when (buffer-live-p (process-buffer process))
                            (with-current-buffer (process-buffer process)
                              (let ((inhibit-read-only t))
                                (save-excursion (goto-char (point-max)) (insert text))))))
                :sentinel #'ignore))

(provide 'efrit-mcp-doctor)
;;; efrit-mcp-doctor.el ends here
