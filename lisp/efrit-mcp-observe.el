;;; efrit-mcp-observe.el --- What a job changed, and where the editor is  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A snapshot before a job and a look after it: new messages, changed buffers, and a
;; brief view of the editor.  Cheap, since every evaluation pays for it, and bounded.

;;; Code:

(eval-when-compile (require 'cl-lib))
(require 'seq)

(defconst efrit-mcp-observe--messages-max 20 "New messages an answer shows.")
(defconst efrit-mcp-observe--message-max 400 "Characters of a message an answer shows.")
(defconst efrit-mcp-observe--buffers-max 20 "Changed buffers an answer shows.")

(defvar efrit-mcp-observe--before nil
  "The snapshot of the job that runs, nil when it asked for none.")

(defun efrit-mcp-observe--quiet-p (buffer)
  "Return non-nil if changes of BUFFER are nothing to tell."
  (let ((name (buffer-name buffer)))
    (or (null name) (eq (aref name 0) ?\s)
        (member name '("*Messages*" "*efrit-mcp-events*")))))

(defun efrit-mcp-observe--messages-buffer ()
  "Return the *Messages* buffer, or nil."
  (get-buffer "*Messages*"))

(defun efrit-mcp-observe-begin (level)
  "Take the snapshot for LEVEL, a string: none, brief or full."
  (setq efrit-mcp-observe--before
        (unless (equal level "none")
          (let ((messages (efrit-mcp-observe--messages-buffer)))
            (list :level level
                  :ticks (mapcar (lambda (b) (cons b (buffer-chars-modified-tick b))) (buffer-list))
                  :end (when messages
                         (with-current-buffer messages (copy-marker (point-max))))
                  :tick (when messages (buffer-chars-modified-tick messages)))))))

(defun efrit-mcp-observe--cut (text max)
  "Return TEXT, at most MAX characters of it."
  (if (> (length text) max) (concat (substring text 0 max) "...") text))

(defun efrit-mcp-observe--messages (before)
  "Return the messages since BEFORE, a vector of strings, newest last."
  (let ((buffer (efrit-mcp-observe--messages-buffer)) (end (plist-get before :end)))
    (when (and buffer (not (eq (plist-get before :tick) (buffer-chars-modified-tick buffer))))
      (with-current-buffer buffer
        (save-excursion
          (save-restriction
            (widen)
            (let ((from (if (and end (marker-buffer end)) (marker-position end) (point-min)))
                  (lines nil))
              (goto-char (point-max))
              ;; A message said again is folded into its line: "x [2 times]".
              (when (= from (point-max)) (setq from (max (point-min) (1- from))))
              (while (and (> (point) from) (< (length lines) efrit-mcp-observe--messages-max)
                          (= (forward-line -1) 0))
                (push (efrit-mcp-observe--cut
                       (buffer-substring-no-properties (point) (line-end-position))
                       efrit-mcp-observe--message-max)
                      lines))
              (vconcat (delete "" lines)))))))))

(defun efrit-mcp-observe--changed (before)
  "Return the buffers changed since BEFORE, a vector of alists."
  (let (changed (n 0))
    (dolist (buffer (buffer-list))
      (let ((old (assq buffer (plist-get before :ticks))))
        (when (and (< n efrit-mcp-observe--buffers-max)
                   (not (efrit-mcp-observe--quiet-p buffer))
                   (not (and old (eq (cdr old) (buffer-chars-modified-tick buffer)))))
          (setq n (1+ n))
          (push `((buffer . ,(buffer-name buffer))
                  ,@(when (buffer-file-name buffer) `((file . ,(buffer-file-name buffer))))
                  (change . ,(if old "text" "new"))
                  (modified . ,(if (buffer-modified-p buffer) t :false)))
                changed))))
    (vconcat (nreverse changed))))

(defun efrit-mcp-observe--killed (before)
  "Return how many buffers of BEFORE are gone."
  (seq-count (lambda (old) (not (buffer-live-p (car old)))) (plist-get before :ticks)))

(defun efrit-mcp-observe-state (&optional full)
  "Return where the editor is, an alist; with FULL its windows and buffers too."
  (let* ((window (if (minibufferp (window-buffer (selected-window)))
                     (or (minibuffer-selected-window) (selected-window))
                   (selected-window)))
         (buffer (window-buffer window)))
    (with-current-buffer buffer
      `((buffer . ,(buffer-name))
        ,@(when buffer-file-name `((file . ,buffer-file-name)))
        (mode . ,(symbol-name major-mode))
        (point . ,(window-point window))
        (line . ,(save-excursion (goto-char (window-point window)) (line-number-at-pos)))
        (modified . ,(if (buffer-modified-p) t :false))
        ,@(when (> (minibuffer-depth) 0)
            `((minibuffer . ,(or (ignore-errors (with-current-buffer (window-buffer (minibuffer-window))
                                                  (minibuffer-prompt)))
                                 ""))))
        ,@(when full
            `((directory . ,default-directory)
              (windows . ,(vconcat (mapcar (lambda (w) (buffer-name (window-buffer w))) (window-list))))
              (buffers . ,(vconcat (seq-take (delq nil (mapcar (lambda (b) (unless (eq (aref (buffer-name b) 0) ?\s)
                                                                            (buffer-name b)))
                                                               (buffer-list)))
                                             100)))))))))

(defun efrit-mcp-observe-end (&rest _)
  "Return what happened since `efrit-mcp-observe-begin', an alist; and forget it."
  (let ((before efrit-mcp-observe--before))
    (setq efrit-mcp-observe--before nil)
    (when before
      (let ((messages (efrit-mcp-observe--messages before))
            (changed (efrit-mcp-observe--changed before))
            (killed (efrit-mcp-observe--killed before)))
        (when (plist-get before :end) (set-marker (plist-get before :end) nil))
        `(,@(when (> (length messages) 0) `((messages . ,messages)))
          ,@(when (> (length changed) 0) `((changed . ,changed)))
          ,@(when (> killed 0) `((killed_buffers . ,killed)))
          (state . ,(efrit-mcp-observe-state (equal (plist-get before :level) "full"))))))))

(provide 'efrit-mcp-observe)
;;; efrit-mcp-observe.el ends here
