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
(require 'efrit-mcp-change)
(require 'efrit-mcp-change-undo)
(require 'seq)
(require 'button)
(eval-when-compile (require 'cl-lib))

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
  (seq-mapcat (lambda (key)
                (let ((places (and (consp value) (cdr (assq key (seq-filter #'consp value))))))
                  (when (vectorp places)
                    (delete efrit-mcp-activity--buffer
                            (delq nil (mapcar (lambda (each) (and (listp each) (cdr-safe (assq 'buffer each)))) places))))))
              '(edited changed)))

(defvar efrit-mcp-activity-hook nil
  "Hook run when an agent has called a tool, or its answer came later.")

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
             (seq-uniq (append (efrit-mcp-activity--changed (nth 2 marked)) (efrit-mcp-activity--changed value))))
           (unless plain (efrit-mcp-activity--undo-ids value)))
          efrit-mcp-activity--calls)
    (when (> (setq efrit-mcp-activity--size (1+ efrit-mcp-activity--size)) (* 2 (max 1 efrit-mcp-activity-max)))
      (setq efrit-mcp-activity--calls (seq-take efrit-mcp-activity--calls efrit-mcp-activity-max)
            efrit-mcp-activity--size efrit-mcp-activity-max))
    (setq efrit-mcp-activity--dirty t)
    (unless (string-match-p "/" tool) ; one who reads the log when it changes would never come to an end
      (run-hooks 'efrit-mcp-activity-hook))))

(defun efrit-mcp-activity-answered (number value)
  "Job NUMBER, which was to be answered later, was answered with VALUE."
  (let ((call (seq-find (lambda (call) (eql number (efrit-mcp-activity-call-number call)))
                        efrit-mcp-activity--calls)))
    (when call
      (setf (efrit-mcp-activity-call-took call) (- (float-time) (efrit-mcp-activity-call-started call))
            (efrit-mcp-activity-call-outcome call)
            (pcase (and (consp value) (cdr-safe (assq 'status (seq-filter #'consp value))))
              ("error" "failed") ("stopped" "stopped") (_ "done"))
            (efrit-mcp-activity-call-undo call) (efrit-mcp-activity--undo-ids value)
            (efrit-mcp-activity-call-changed call)
            (seq-uniq (append (efrit-mcp-activity-call-changed call) (efrit-mcp-activity--changed value))))
      (setq efrit-mcp-activity--dirty t)
      (run-hooks 'efrit-mcp-activity-hook)
      (efrit-mcp-activity-refresh))))

(defun efrit-mcp-activity--what (call)
  "Return in a line what CALL was to do; of a file, its name without folders.
Who only looks is not told what others evaluated, ran or asked: that may
hold anything."
  (let* ((arguments (efrit-mcp-activity-call-arguments call))
         (said (seq-some (lambda (key)
                           (let ((value (cdr (assoc key arguments))))
                             (and (stringp value)
                                  (if (equal key "file") (file-name-nondirectory (directory-file-name value)) value))))
                         (if (efrit-mcp-client-looks-p) '("file" "buffer" "op" "uri" "name")
                           '("content" "command" "question" "file" "buffer" "op" "pattern" "uri" "name")))))
    (concat (efrit-mcp-activity-call-tool call)
            (when said
              (concat " " (replace-regexp-in-string "[\n\t ]+" " " (substring said 0 (min 60 (length said)))))))))

(defun efrit-mcp-activity--standing (call)
  "Return the changes of CALL that were not taken back and still can be."
  (delq nil (mapcar (lambda (id)
                      (let ((change (efrit-mcp-change-find id)))
                        (and change (not (efrit-mcp-change-undone change)) change)))
                    (efrit-mcp-activity-call-undo call))))

(defun efrit-mcp-activity-undo (call)
  "Take back what CALL changed, in all its buffers; nothing is saved."
  (let ((changes (or (efrit-mcp-activity--standing call)
                     (user-error "That was taken back before, or is too long ago"))))
    (condition-case err
        (mapc #'efrit-mcp-change-undo changes)
      ((efrit-mcp-conflict efrit-mcp-read-only efrit-mcp-invalid-argument) (user-error "Not taken back: %s" (cadr err))))
    (setf (efrit-mcp-activity-call-outcome call) "taken back")
    (setq efrit-mcp-activity--dirty t)
    (efrit-mcp-activity-refresh)
    (message "Taken back in %s; not saved"
             (string-join (seq-uniq (seq-mapcat #'efrit-mcp-activity--names changes)) ", "))))

(defun efrit-mcp-activity--names (change)
  "Return the names of the living buffers of CHANGE."
  (mapcar #'buffer-name (seq-filter #'buffer-live-p (efrit-mcp-change-buffers change))))

(defun efrit-mcp-activity--column (text width)
  "Return TEXT in WIDTH columns, cut or filled up."
  (truncate-string-to-width text width nil ?\s "..."))

(defun efrit-mcp-activity--line (call)
  "Insert the line of CALL."
  (insert (propertize (format-time-string "%H:%M:%S " (efrit-mcp-activity-call-started call)) 'face 'shadow)
          (efrit-mcp-activity--column (or (efrit-mcp-activity-call-client call) "") 12) " "
          (efrit-mcp-activity--column (efrit-mcp-activity--what call) 36) " "
          (format "%8s  " (if (efrit-mcp-activity-call-took call)
                              (format "%.2f s" (efrit-mcp-activity-call-took call))
                            "..."))
          (let ((outcome (efrit-mcp-activity-call-outcome call)))
            (propertize outcome 'face (if (member outcome '("failed" "stopped")) 'error 'default))))
  (when (efrit-mcp-activity--standing call)
    (insert "  ")
    (insert-text-button "[Undo]" 'follow-link t 'help-echo "Take back what this call changed"
                        'action (lambda (_) (efrit-mcp-activity-undo call))))
  (when (efrit-mcp-activity-call-changed call)
    (insert "  changed " (string-join (seq-take (efrit-mcp-activity-call-changed call) 4) ", ")))
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
  (setq-local truncate-lines t
              header-line-format
              (concat (propertize " " 'display '(space :align-to 0))
                      (format "%-8s %-12s %-36s %8s  %s" "When" "Who" "What" "Took" "What came of it")))
  (setq-local revert-buffer-function (lambda (&rest _) (efrit-mcp-activity--render (current-buffer)))))

;;;###autoload
(defun efrit-mcp-activity ()
  "Show what agents did in this Emacs: who, what, how long, what changed."
  (interactive)
  (let ((buffer (get-buffer-create efrit-mcp-activity--buffer)))
    (with-current-buffer buffer
      (unless (derived-mode-p 'efrit-mcp-activity-mode) (efrit-mcp-activity-mode)))
    (efrit-mcp-activity--render buffer)
    ;; Dedicated, but not strictly: what agents show takes another window, and the person
    ;; may still switch to another buffer here.
    (pop-to-buffer buffer '((display-buffer-reuse-window display-buffer-pop-up-window display-buffer-use-some-window)
                            (dedicated . efrit-mcp)))))

(defun efrit-mcp-activity--taken-back (_change)
  "A change was taken back, by whomever: its button goes."
  (setq efrit-mcp-activity--dirty t))

(add-hook 'efrit-mcp-change-functions #'efrit-mcp-activity--taken-back)

(provide 'efrit-mcp-activity)
;;; efrit-mcp-activity.el ends here
