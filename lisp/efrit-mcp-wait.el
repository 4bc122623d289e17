;;; efrit-mcp-wait.el --- Wait for a message or a text  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Waiting must not hold up other jobs, so the tool's function returns at once
;; (deferred) and a watch answers later.  A buffer tells of changes by
;; `after-change-functions'.  *Messages* runs no hooks at all (Emacs adds its lines
;; without them), so while somebody waits for a message, and only then, a timer
;; compares its tick.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-later)

(declare-function efrit-mcp--mod-alive "efrit-mcp-module")
(declare-function efrit-mcp--mod-reply "efrit-mcp-module")
(defvar efrit-mcp-server-instance)

(defconst efrit-mcp-wait--glance 0.05
  "Seconds between looks at *Messages* while somebody waits for a message.")

(defvar efrit-mcp-wait--all nil
  "The watches: plists with :job :pattern :buffer :from :started :timer.")

(defvar efrit-mcp-wait--timer nil
  "The timer that looks at *Messages*, or nil.")

(defvar efrit-mcp-wait--tick nil
  "Tick of *Messages* at the last look.")

(defun efrit-mcp-wait--answer (watch met text)
  "End WATCH: MET or not, TEXT being what matched."
  (setq efrit-mcp-wait--all (delq watch efrit-mcp-wait--all))
  (when (plist-get watch :timer) (cancel-timer (plist-get watch :timer)))
  (when (markerp (plist-get watch :from)) (set-marker (plist-get watch :from) nil))
  (efrit-mcp-wait--tidy)
  (efrit-mcp-wait--reply
   (plist-get watch :job)
   `((status . "success") (met . ,(if met t :false))
     ,@(when text `((text . ,text)))
     (waited . ,(/ (fround (* 1e3 (- (float-time) (plist-get watch :started)))) 1e3))
     (instance_id . ,efrit-mcp-server-instance))))

(defun efrit-mcp-wait--reply (job value)
  "Answer JOB with VALUE."
  (funcall efrit-mcp-later-answered-function job value)
  (efrit-mcp--mod-reply job value 0))

(defun efrit-mcp-wait--tidy ()
  "Take away the hooks and the timer nobody needs any more."
  (dolist (watch efrit-mcp-wait--all)
    (unless (efrit-mcp--mod-alive (plist-get watch :job))
      (when (plist-get watch :timer) (cancel-timer (plist-get watch :timer)))
      (setq efrit-mcp-wait--all (delq watch efrit-mcp-wait--all))
      (funcall efrit-mcp-later-answered-function (plist-get watch :job) '((status . "stopped")))))
  (dolist (buffer (buffer-list))
    (when (and (local-variable-p 'after-change-functions buffer)
               (memq #'efrit-mcp-wait--changed (buffer-local-value 'after-change-functions buffer))
               (not (seq-some (lambda (w) (eq (plist-get w :buffer) buffer)) efrit-mcp-wait--all)))
      (with-current-buffer buffer
        (remove-hook 'after-change-functions #'efrit-mcp-wait--changed t))))
  (when (and efrit-mcp-wait--timer
             (not (seq-some #'efrit-mcp-wait--for-message-p efrit-mcp-wait--all)))
    (cancel-timer efrit-mcp-wait--timer)
    (setq efrit-mcp-wait--timer nil)))

(defun efrit-mcp-wait--for-message-p (watch)
  "Return non-nil if WATCH is for a message."
  (plist-get watch :message))

(defun efrit-mcp-wait--match (watch)
  "Return the line in which the text of WATCH matches, or nil."
  (let ((buffer (plist-get watch :buffer)))
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (save-excursion
          (save-restriction
            (save-match-data
              (widen)
              (goto-char (or (plist-get watch :from) (point-min)))
              (when (and (re-search-forward (plist-get watch :pattern) nil t)
                         (not (efrit-mcp-secret-p buffer))) ; as it is now
                (let* ((inhibit-field-text-motion t)
                       (line (buffer-substring-no-properties
                              (progn (goto-char (match-beginning 0)) (line-beginning-position))
                              (line-end-position))))
                  (substring line 0 (min 1000 (length line))))))))))))

(defun efrit-mcp-wait--look (buffer)
  "Answer the watches of BUFFER that are met."
  (dolist (watch (copy-sequence efrit-mcp-wait--all))
    (when (eq (plist-get watch :buffer) buffer)
      (let ((line (efrit-mcp-wait--match watch)))
        (when line (efrit-mcp-wait--answer watch t line))))))

(defun efrit-mcp-wait--changed (&rest _)
  "The current buffer changed: look once its change is complete."
  (let ((inhibit-quit t))
    (efrit-mcp-wait--look (current-buffer))))

(defun efrit-mcp-wait--glance ()
  "Look at *Messages* if it changed."
  (let ((buffer (get-buffer "*Messages*")))
    (when buffer
      (let ((tick (buffer-chars-modified-tick buffer)))
        (unless (eq tick efrit-mcp-wait--tick)
          (setq efrit-mcp-wait--tick tick)
          (efrit-mcp-wait--look buffer)))))
  (efrit-mcp-wait--tidy))

(defun efrit-mcp-wait--message-watch (watch)
  "Fill WATCH in for a message: what is new from now on."
  (let ((buffer (messages-buffer)))
    (setq efrit-mcp-wait--tick (buffer-chars-modified-tick buffer))
    (unless efrit-mcp-wait--timer
      (setq efrit-mcp-wait--timer
            (run-with-timer efrit-mcp-wait--glance efrit-mcp-wait--glance #'efrit-mcp-wait--glance)))
    (append watch (list :message t :buffer buffer
                        :from (with-current-buffer buffer (copy-marker (point-max)))))))

(defun efrit-mcp-wait--buffer-watch (watch name)
  "Fill WATCH in for the text of the buffer NAME."
  (let ((buffer (and name (get-buffer name))))
    (unless buffer
      (signal 'efrit-mcp-invalid-argument
              (list (if name (format "there is no buffer %s" name) "buffer is missing: say which to watch"))))
    (efrit-mcp-secret-check buffer)
    (with-current-buffer buffer
      (add-hook 'after-change-functions #'efrit-mcp-wait--changed nil t))
    (append watch (list :buffer buffer))))

(defun efrit-mcp-wait (for pattern buffer timeout)
  "Watch FOR a message or text that matches PATTERN, in BUFFER, TIMEOUT seconds.
Return `efrit-mcp-tool-deferred'; the answer comes later."
  (unless (stringp pattern)
    (signal 'efrit-mcp-invalid-argument '("pattern is missing: say what to wait for")))
  (string-match-p pattern "") ; an invalid one is told now
  (let* ((watch (list :job efrit-mcp-tool-job :pattern pattern :started (float-time)))
         (full (if (equal for "message")
                   (efrit-mcp-wait--message-watch watch)
                 (efrit-mcp-wait--buffer-watch watch buffer))))
    ;; A little before the thread would call it stopped.
    (setq full (append full (list :timer (run-with-timer (max 0.01 (- timeout 0.05)) nil
                                                         (lambda () (efrit-mcp-wait--expire (plist-get watch :job)))))))
    (push full efrit-mcp-wait--all)
    (let ((line (and (not (plist-get full :message)) (efrit-mcp-wait--match full))))
      (when line ; it is there already
        (run-with-timer 0 nil #'efrit-mcp-wait--look (plist-get full :buffer))))
    efrit-mcp-tool-deferred))

(defun efrit-mcp-wait--expire (job)
  "The time of the watch of JOB is over."
  (dolist (watch (copy-sequence efrit-mcp-wait--all))
    (when (eq (plist-get watch :job) job)
      (efrit-mcp-wait--answer watch nil nil))))

(provide 'efrit-mcp-wait)
;;; efrit-mcp-wait.el ends here
