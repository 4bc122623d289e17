;;; efrit-mcp-activity.el --- What agents did here, with a way back  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; One line a call: when, who, what, how long, what it changed, and a button that takes
;; that back.  The buffer follows what happens while it is shown; nothing looks by
;; itself.  `M-x efrit-mcp-events' is the thread's own log beside it.

;;; Code:

(require 'efrit-mcp-native)
(require 'efrit-mcp-tool)
(require 'seq)
(require 'button)
(eval-when-compile (require 'cl-lib))

(declare-function efrit-mcp-change-undo "ext:efrit-mcp-change")

(defcustom efrit-mcp-activity-max 200
  "Calls of agents that `efrit-mcp-activity' shows."
  :type 'natnum :group 'efrit-mcp)

(cl-defstruct (efrit-mcp-activity-call (:constructor efrit-mcp-activity-call--make
                                                      (number tool client arguments started took outcome changed undo)) (:copier nil))
  "A call of an agent."
  number tool client arguments started took outcome changed undo)

(defvar efrit-mcp-activity--calls nil "The calls, newest first.")
(defvar efrit-mcp-activity--size 0 "How many there are.")
(defvar efrit-mcp-activity--dirty nil "Non-nil: something happened since it was shown.")

(defconst efrit-mcp-activity--buffer "*efrit-mcp-activity*" "Name of the buffer.")

(defun efrit-mcp-activity--undo-ids (value)
  "Return the undo ids in VALUE, a tool's answer; a list."
  (when (consp value)
    (delq nil
          (append (list (cdr (assq 'undo_id (seq-filter #'consp value))))
                  (let ((changed (cdr (assq 'changed (seq-filter #'consp value)))))
                    (when (or (vectorp changed) (listp changed))
                      (mapcar (lambda (each) (and (listp each) (cdr-safe (assq 'undo_id each)))) changed)))))))

(defun efrit-mcp-activity--changed (value)
  "Return the names of the buffers that VALUE, an alist, says were changed."
  (let ((changed (and (consp value) (cdr (assq 'changed (seq-filter #'consp value))))))
    (when (vectorp changed)
      (delq nil (mapcar (lambda (each) (and (listp each) (cdr-safe (assq 'buffer each)))) changed)))))

(defun efrit-mcp-activity-note (number tool client arguments began marked)
  "Keep what job NUMBER was: TOOL of CLIENT with ARGUMENTS, since BEGAN.
MARKED is (STATE RESULT SEEN), as the server has it."
  (let* ((result (nth 1 marked)) (value (cdr-safe result))
         (plain (eq (car-safe (car-safe (cdr-safe value))) 'result))) ; efrit_execute's, the commonest
    (push (efrit-mcp-activity-call--make
           number tool client arguments began
           (unless (eq (car-safe result) 'deferred) (- (float-time) began))
           (cond ((not (eq (car marked) 'ended)) "stopped")
                 ((memq (car-safe result) '(failed fault)) "failed")
                 ((eq (car-safe result) 'deferred) "going on")
                 ((eq (car-safe result) 'asks) "asks")
                 (t "done"))
           (when (or (assq 'changed (nth 2 marked)) (not plain))
             (delete-dups (append (efrit-mcp-activity--changed (nth 2 marked)) (efrit-mcp-activity--changed value))))
           (unless plain (efrit-mcp-activity--undo-ids value)))
          efrit-mcp-activity--calls)
    (when (> (setq efrit-mcp-activity--size (1+ efrit-mcp-activity--size)) (* 2 (max 1 efrit-mcp-activity-max)))
      (setq efrit-mcp-activity--calls (seq-take efrit-mcp-activity--calls efrit-mcp-activity-max)
            efrit-mcp-activity--size efrit-mcp-activity-max))
    (setq efrit-mcp-activity--dirty t)))

(defun efrit-mcp-activity-answered (number value)
  "Job NUMBER, which was to be answered later, was answered with VALUE."
  (let ((call (seq-find (lambda (call) (eql number (efrit-mcp-activity-call-number call)))
                        efrit-mcp-activity--calls)))
    (when call
      (setf (efrit-mcp-activity-call-took call) (- (float-time) (efrit-mcp-activity-call-started call))
            (efrit-mcp-activity-call-outcome call)
            (pcase (and (consp value) (cdr-safe (assq 'status (seq-filter #'consp value))))
              ("error" "failed") ("stopped" "stopped") (_ "done"))
            (efrit-mcp-activity-call-undo call) (efrit-mcp-activity--undo-ids value))
      (setq efrit-mcp-activity--dirty t)
      (efrit-mcp-activity-refresh))))

(defun efrit-mcp-activity--what (call)
  "Return in a line what CALL was to do."
  (let* ((arguments (efrit-mcp-activity-call-arguments call))
         (said (seq-some (lambda (key) (let ((value (cdr (assoc key arguments)))) (and (stringp value) value)))
                         '("content" "command" "question" "file" "buffer" "op" "pattern" "uri" "name"))))
    (concat (efrit-mcp-activity-call-tool call)
            (when said
              (concat " " (replace-regexp-in-string "[\n\t ]+" " " (substring said 0 (min 60 (length said)))))))))

(defun efrit-mcp-activity-undo (call)
  "Take back what CALL changed."
  (unless (fboundp 'efrit-mcp-change-undo)
    (user-error "Changes cannot be taken back by their number here; use undo in the buffer"))
  (dolist (id (efrit-mcp-activity-call-undo call))
    (efrit-mcp-change-undo id))
  (setf (efrit-mcp-activity-call-undo call) nil
        (efrit-mcp-activity-call-outcome call) "taken back")
  (setq efrit-mcp-activity--dirty t)
  (efrit-mcp-activity-refresh)
  (message "Taken back"))

(defun efrit-mcp-activity--line (call)
  "Insert the line of CALL."
  (insert (propertize (format-time-string "%H:%M:%S " (efrit-mcp-activity-call-started call)) 'face 'shadow)
          (format "%-12s %-40s %8s  "
                  (truncate-string-to-width (or (efrit-mcp-activity-call-client call) "") 12)
                  (truncate-string-to-width (efrit-mcp-activity--what call) 40 nil nil "...")
                  (if (efrit-mcp-activity-call-took call)
                      (format "%.2f s" (efrit-mcp-activity-call-took call))
                    "..."))
          (let ((outcome (efrit-mcp-activity-call-outcome call)))
            (propertize outcome 'face (if (member outcome '("failed" "stopped")) 'error 'default))))
  (when (efrit-mcp-activity-call-changed call)
    (insert "  changed " (string-join (seq-take (efrit-mcp-activity-call-changed call) 4) ", ")))
  (when (efrit-mcp-activity-call-undo call)
    (insert "  ")
    (insert-text-button "[Undo]" 'follow-link t 'action (lambda (_) (efrit-mcp-activity-undo call))))
  (insert "\n"))

(defun efrit-mcp-activity--render (buffer)
  "Have BUFFER show the calls."
  (setq efrit-mcp-activity--dirty nil)
  (with-current-buffer buffer
    (let ((inhibit-read-only t) (line (line-number-at-pos)) (starts nil))
      (dolist (window (get-buffer-window-list buffer nil t))
        (push (list window (line-number-at-pos (window-point window)) (= 1 (window-point window))) starts))
      (erase-buffer)
      (if efrit-mcp-activity--calls
          (mapc #'efrit-mcp-activity--line (seq-take efrit-mcp-activity--calls efrit-mcp-activity-max))
        (insert "No agent has done anything yet.\n"))
      (goto-char (point-min))
      (forward-line (1- line))
      (pcase-dolist (`(,window ,at ,top) starts)
        (save-excursion
          (goto-char (point-min))
          (unless top (forward-line (1- at)))
          (set-window-point window (point)))))))

(defun efrit-mcp-activity-refresh ()
  "If the buffer is shown, and something happened, show it."
  (when efrit-mcp-activity--dirty
    (let ((buffer (get-buffer efrit-mcp-activity--buffer)))
      (when (and buffer (get-buffer-window buffer t))
        (efrit-mcp-activity--render buffer)))))

(defun efrit-mcp-activity-text ()
  "Return what agents did, one line a call, newest first."
  (with-temp-buffer
    (mapc #'efrit-mcp-activity--line (seq-take efrit-mcp-activity--calls efrit-mcp-activity-max))
    (buffer-substring-no-properties (point-min) (point-max))))

(defvar efrit-mcp-activity-mode-map
  (let ((map (make-sparse-keymap)))
    (set-keymap-parent map (make-composed-keymap button-buffer-map special-mode-map))
    map)
  "Keys in the buffer of `efrit-mcp-activity'.")

(define-derived-mode efrit-mcp-activity-mode special-mode "Activity"
  "What agents did in this Emacs, newest first."
  :interactive nil
  (setq-local truncate-lines t)
  (setq-local revert-buffer-function (lambda (&rest _) (efrit-mcp-activity--render (current-buffer)))))

;;;###autoload
(defun efrit-mcp-activity ()
  "Show what agents did in this Emacs: who, what, how long, what changed."
  (interactive)
  (let ((buffer (get-buffer-create efrit-mcp-activity--buffer)))
    (with-current-buffer buffer
      (unless (derived-mode-p 'efrit-mcp-activity-mode) (efrit-mcp-activity-mode)))
    (efrit-mcp-activity--render buffer)
    (pop-to-buffer buffer)))

(provide 'efrit-mcp-activity)
;;; efrit-mcp-activity.el ends here
