;;; efrit-mcp-watch.el --- Tell agents that a resource has changed  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Emacs tells of changes by hooks; many in a row are told as one.  The bridges say which
;; URIs somebody hears of; only for these hooks are hung up, and taken down when nobody does
;; any more.  A resource says by its options :watch, :watch-buffer and :watch-by what is to
;; be heard.

;;; Code:

(require 'efrit-mcp-resource)
(require 'efrit-mcp-server)
(require 'seq)

(defconst efrit-mcp-watch--together 0.3 "Seconds of changes that are told together.")
(defconst efrit-mcp-watch--buffers-max 50 "Buffers whose changes are told, at most.")

(defvar efrit-mcp-watch--changed nil "The URIs that have changed and were not told yet.")
(defvar efrit-mcp-watch--timer nil "Timer that tells them, or nil.")
(defvar efrit-mcp-watch--on nil
  "The URIs that are watched: (URI HOOKS BUFFER-FUNCTION NOTE END).
HOOKS are the hooks in which NOTE hangs; BUFFER-FUNCTION, of none, returns
the buffer whose text it is, or nil while there is none; END, of none, takes
back what the resource did itself to hear of changes, or is nil.")
(defvar-local efrit-mcp-watch--uris nil "The watched URIs that this buffer's text is part of.")

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

(defun efrit-mcp-watch--text-changed (&rest _)
  "The text of a buffer has changed: in `after-change-functions'."
  (mapc #'efrit-mcp-watch-changed efrit-mcp-watch--uris))

(defun efrit-mcp-watch--killed ()
  "A buffer that is watched is killed."
  (mapc #'efrit-mcp-watch-changed efrit-mcp-watch--uris))

(defun efrit-mcp-watch--buffers ()
  "Return the buffers whose text is watched."
  (seq-filter (lambda (b) (buffer-local-value 'efrit-mcp-watch--uris b)) (buffer-list)))

(defun efrit-mcp-watch--hang (buffer uri)
  "Tell changes of BUFFER's text as those of URI, unless too many are watched."
  (with-current-buffer buffer
    (unless (or (member uri efrit-mcp-watch--uris)
                (and (null efrit-mcp-watch--uris)
                     (>= (length (efrit-mcp-watch--buffers)) efrit-mcp-watch--buffers-max)))
      (push uri efrit-mcp-watch--uris)
      (add-hook 'after-change-functions #'efrit-mcp-watch--text-changed nil t)
      (add-hook 'kill-buffer-hook #'efrit-mcp-watch--killed nil t)
      t)))

(defun efrit-mcp-watch--take-down (uri)
  "No buffer's changes are those of URI any more."
  (dolist (buffer (efrit-mcp-watch--buffers))
    (with-current-buffer buffer
      (unless (setq efrit-mcp-watch--uris (delete uri efrit-mcp-watch--uris))
        (remove-hook 'after-change-functions #'efrit-mcp-watch--text-changed t)
        (remove-hook 'kill-buffer-hook #'efrit-mcp-watch--killed t)))))

(defun efrit-mcp-watch--appeared ()
  "There may be a buffer now that is to be watched: in `buffer-list-update-hook'."
  (pcase-dolist (`(,uri ,_ ,function . ,_) efrit-mcp-watch--on)
    (when function
      (let ((buffer (funcall function)))
        (when (and (buffer-live-p buffer) (efrit-mcp-watch--hang buffer uri))
          (efrit-mcp-watch-changed uri))))))

(defun efrit-mcp-watch--start (uri)
  "Watch URI, as its resource says."
  (let* ((found (efrit-mcp-resource--find uri)) (options (plist-get (car found) :options))
         (hooks (plist-get options :watch)) (reader (plist-get options :watch-buffer))
         (function (and reader (lambda () (apply reader (cdr found)))))
         (note (lambda (&rest _) (efrit-mcp-watch-changed uri)))
         (buffer (and function (funcall function))))
    (dolist (hook hooks) (add-hook hook note))
    (when (buffer-live-p buffer) (efrit-mcp-watch--hang buffer uri))
    (push (list uri hooks function note (when (plist-get options :watch-by) (funcall (plist-get options :watch-by) note)))
          efrit-mcp-watch--on)))

(defun efrit-mcp-watch--end (entry)
  "Watch ENTRY, one of `efrit-mcp-watch--on', no more."
  (pcase-let ((`(,uri ,hooks ,function ,note ,end) entry))
    (dolist (hook hooks) (remove-hook hook note))
    (when end (funcall end))
    (when function (efrit-mcp-watch--take-down uri))
    (setq efrit-mcp-watch--on (delq entry efrit-mcp-watch--on)
          efrit-mcp-watch--changed (delete uri efrit-mcp-watch--changed))))

(defun efrit-mcp-watch-set (uris)
  "Watch URIS, a list of strings, and nothing else."
  (dolist (entry (copy-sequence efrit-mcp-watch--on))
    (unless (member (car entry) uris) (efrit-mcp-watch--end entry)))
  (dolist (uri uris)
    (unless (assoc uri efrit-mcp-watch--on)
      (with-demoted-errors "efrit-mcp: %S" (efrit-mcp-watch--start uri))))
  (if (seq-some #'caddr efrit-mcp-watch--on)
      (add-hook 'buffer-list-update-hook #'efrit-mcp-watch--appeared)
    (remove-hook 'buffer-list-update-hook #'efrit-mcp-watch--appeared))
  (unless (or efrit-mcp-watch--on (null efrit-mcp-watch--timer))
    (cancel-timer efrit-mcp-watch--timer)
    (setq efrit-mcp-watch--timer nil)))

(setq efrit-mcp-server-watches-function #'efrit-mcp-watch-set)

(provide 'efrit-mcp-watch)
;;; efrit-mcp-watch.el ends here
