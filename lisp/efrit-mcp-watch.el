;;; efrit-mcp-watch.el --- Tell agents that a resource has changed  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Emacs tells of changes by hooks; many in a row are told as one.  A hook is hung up
;; when its resource is read for the first time, so that nothing runs for nobody.

;;; Code:

(require 'efrit-mcp-resource)
(eval-when-compile (require 'cl-lib))

(defconst efrit-mcp-watch--together 0.3 "Seconds of changes that are told together.")
(defconst efrit-mcp-watch--buffers-max 50 "Buffers whose changes are told, at most.")

(defvar efrit-mcp-watch--changed nil "The URIs that have changed and were not told yet.")
(defvar efrit-mcp-watch--timer nil "Timer that tells them, or nil.")
(defvar efrit-mcp-watch--hooks nil "What was hung up: (HOOK . FUNCTION).")
(defvar efrit-mcp-watch--buffers nil "The buffers whose changes are told.")
(defvar-local efrit-mcp-watch--uris nil "The URIs that this buffer's text is part of.")

(defun efrit-mcp-watch-changed (uri)
  "URI has changed: tell it soon, together with others."
  (unless (member uri efrit-mcp-watch--changed) (push uri efrit-mcp-watch--changed))
  (unless efrit-mcp-watch--timer
    (setq efrit-mcp-watch--timer (run-with-timer efrit-mcp-watch--together nil #'efrit-mcp-watch--tell))))

(defun efrit-mcp-watch--tell ()
  "Tell what has changed."
  (let ((uris efrit-mcp-watch--changed))
    (setq efrit-mcp-watch--changed nil efrit-mcp-watch--timer nil)
    (mapc #'efrit-mcp-resource-updated uris)))

(defun efrit-mcp-watch-hook (hook function)
  "Hang FUNCTION up in HOOK, a symbol, until the server stops."
  (unless (member (cons hook function) efrit-mcp-watch--hooks)
    (push (cons hook function) efrit-mcp-watch--hooks)
    (add-hook hook function)))

(defun efrit-mcp-watch--text-changed (&rest _)
  "The text of a buffer has changed: in `after-change-functions'."
  (mapc #'efrit-mcp-watch-changed efrit-mcp-watch--uris))

(defun efrit-mcp-watch--killed ()
  "A buffer that is watched is killed."
  (setq efrit-mcp-watch--buffers (delq (current-buffer) efrit-mcp-watch--buffers))
  (mapc #'efrit-mcp-watch-changed efrit-mcp-watch--uris))

(defun efrit-mcp-watch-buffer (buffer uri)
  "Tell changes of BUFFER's text as those of URI, unless too many are watched."
  (with-current-buffer buffer
    (unless (or (member uri efrit-mcp-watch--uris)
                (and (not (memq buffer efrit-mcp-watch--buffers))
                     (>= (length efrit-mcp-watch--buffers) efrit-mcp-watch--buffers-max)))
      (cl-pushnew buffer efrit-mcp-watch--buffers)
      (push uri efrit-mcp-watch--uris)
      (add-hook 'after-change-functions #'efrit-mcp-watch--text-changed nil t)
      (add-hook 'kill-buffer-hook #'efrit-mcp-watch--killed nil t))))

(defun efrit-mcp-watch-stop ()
  "Take down all that was hung up."
  (pcase-dolist (`(,hook . ,function) efrit-mcp-watch--hooks)
    (remove-hook hook function))
  (dolist (buffer efrit-mcp-watch--buffers)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (remove-hook 'after-change-functions #'efrit-mcp-watch--text-changed t)
        (remove-hook 'kill-buffer-hook #'efrit-mcp-watch--killed t)
        (setq efrit-mcp-watch--uris nil))))
  (when efrit-mcp-watch--timer (cancel-timer efrit-mcp-watch--timer))
  (setq efrit-mcp-watch--hooks nil efrit-mcp-watch--buffers nil
        efrit-mcp-watch--changed nil efrit-mcp-watch--timer nil))

(provide 'efrit-mcp-watch)
;;; efrit-mcp-watch.el ends here
