;;; efrit-mcp-person.el --- The next command of the person is as if no job had run  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A job runs between two commands of the person, or between two keys of one.  What one
;; command leaves for the next is theirs: a kill that goes on, a column that is kept, a
;; prefix argument, keys typed so far, letters that are undone together.  A job neither
;; sees that nor changes it; what it edits is an undo step of its own in each buffer.
;; A person in the minibuffer stays there, whichever window a job selects.

;;; Code:

(declare-function efrit-mcp--mod-parse "efrit-mcp-module")
(declare-function efrit-mcp--mod-ring "efrit-mcp-module")
(declare-function efrit-mcp--mod-status "efrit-mcp-module")

(defvar undo-auto--undoably-changed-buffers)
(defvar undo-auto--last-boundary-cause)
(defvar temporary-goal-column)

(defun efrit-mcp-person--begin ()
  "End the undo step of the person in buffers where one is going on.
Return an alist for `efrit-mcp-person--undo-end'."
  (let ((pending nil))
    (dolist (buffer undo-auto--undoably-changed-buffers)
      (when (buffer-live-p buffer)
        (with-current-buffer buffer
          (when (car-safe buffer-undo-list)
            (undo-boundary)
            (push (cons buffer buffer-undo-list) pending)))))
    pending))

(defun efrit-mcp-person--undo-end (pending changed)
  "End the undo step of the job in CHANGED, a list of buffers.
Where the job did nothing, the step of the person goes on: PENDING are the
undo lists since `efrit-mcp-person--begin'."
  (dolist (buffer changed)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (unless (eq buffer-undo-list (cdr (assq buffer pending)))
          (when (car-safe buffer-undo-list) (undo-boundary))
          ;; Letters typed from now on do not join those typed before.
          (setq undo-auto--last-boundary-cause 'explicit)))))
  (dolist (step pending)
    (when (buffer-live-p (car step))
      (with-current-buffer (car step)
        (when (and (consp (cdr step)) (eq buffer-undo-list (cdr step)) (null (car buffer-undo-list)))
          (setq buffer-undo-list (cdr buffer-undo-list)))))))

(defun efrit-mcp-person--tail-p (tail list)
  "Return non-nil if TAIL is a tail of LIST, the same conses."
  (while (and (consp list) (not (eq list tail))) (setq list (cdr list)))
  (consp list))

;; A job's kill is in the kill ring, as it is the only copy, but a yank of the person
;; is one of their own kill; a later job yanks what the last one killed.  What a form puts
;; there by `kill-new', or copies, is meant for the person.

(defvar efrit-mcp-person-killed nil
  "Non-nil when a command that a job ran has killed text.")
(defvar efrit-mcp-person--kill-ring nil
  "The kill ring and its yank pointer for the next job, (RING . POINTER).")

(defun efrit-mcp-person--kills-begin ()
  "Have a yank of the job be one of the last kill of a job, if that is the newest.
Return the kill ring, its first text and the person's yank pointer, a list."
  (prog1 (list kill-ring (car kill-ring) kill-ring-yank-pointer)
    (when (and kill-ring (eq kill-ring (car efrit-mcp-person--kill-ring)))
      (setq kill-ring-yank-pointer (cdr efrit-mcp-person--kill-ring)))))

(defun efrit-mcp-person--kills-apart (ring head)
  "Have HEAD, the first text of RING, be one by itself: a job appended to it."
  (when (and ring (not (eq head (car ring))))
    (setcdr ring (cons head (cdr ring)))))

(defun efrit-mcp-person--kills-end (kills killed)
  "Have the next kill or yank of the person not go on with a kill of the job.
KILLS is as `efrit-mcp-person--kills-begin' returned it.  KILLED: the job
took text out of a buffer."
  (pcase-let ((`(,ring ,head ,pointer) kills))
    (when (efrit-mcp-person--kills-apart ring head)
      (setq killed t pointer (if (eq pointer ring) (cdr ring) pointer)))
    (let ((new (not (and (eq ring kill-ring) (or (null ring) (eq head (car ring)))))))
      (when (and new (eq last-command 'kill-region)) (setq last-command t))
      (when new (setq efrit-mcp-person--kill-ring (and killed (cons kill-ring kill-ring-yank-pointer))))
      (when (and (or killed (not new) (eq last-command 'yank)) pointer (efrit-mcp-person--tail-p pointer kill-ring))
        (setq kill-ring-yank-pointer pointer)))))

(defun efrit-mcp-person--keys-end (keys)
  "Have KEYS be the keys of the command that the person is typing, a string."
  (when (and (stringp keys) (not (equal keys (this-command-keys))))
    (set--this-command-keys keys)))

(defun efrit-mcp-person--minibuffer ()
  "Return the minibuffer's depth if the person's keys go to it, else nil."
  (let ((depth (minibuffer-depth)))
    (and (> depth 0) (eq (selected-window) (active-minibuffer-window)) depth)))

(defun efrit-mcp-person--minibuffer-end (depth)
  "Have the keys of the person go on to the minibuffer of DEPTH, if it is open yet."
  (when (and depth (= depth (minibuffer-depth)))
    (let ((window (active-minibuffer-window)))
      (unless (or (null window) (eq window (selected-window)))
        (unless (eq (window-frame window) (selected-frame))
          (select-frame-set-input-focus (window-frame window) t))
        (select-window window t)))))

(defmacro efrit-mcp-person-kept (&rest body)
  "Run BODY, a job, and keep what the last command of the person left for the next."
  (declare (indent 0) (debug t))
  (let ((pending (make-symbol "pending")) (changed (make-symbol "changed")) (kills (make-symbol "kills"))
        (killed (make-symbol "killed")) (keys (make-symbol "keys")) (region (make-symbol "region"))
        (depth (make-symbol "depth")))
    `(let ((,pending (efrit-mcp-person--begin)) (,changed nil) (,kills (efrit-mcp-person--kills-begin)) (,killed nil)
           (,keys (this-command-keys)) (,depth (efrit-mcp-person--minibuffer)) (,region (and (consp transient-mark-mode) transient-mark-mode)))
       (unwind-protect
           (let ((undo-auto--undoably-changed-buffers nil)
                 (efrit-mcp-person-killed nil) (this-command nil) (real-this-command nil) (last-command nil)
                 (real-last-command real-last-command) (last-repeatable-command last-repeatable-command)
                 (this-original-command this-original-command)
                 (prefix-arg nil) (current-prefix-arg nil) (last-prefix-arg nil)
                 (last-command-event last-command-event) (last-input-event last-input-event)
                 (last-nonmenu-event last-nonmenu-event)
                 (temporary-goal-column temporary-goal-column))
             (unwind-protect (progn ,@body)
               (setq ,changed undo-auto--undoably-changed-buffers
                     ,killed (or efrit-mcp-person-killed (eq this-command 'kill-region)))))
         (efrit-mcp-person--undo-end ,pending ,changed)
         (efrit-mcp-person--kills-end ,kills ,killed)
         (efrit-mcp-person--keys-end ,keys)
         (efrit-mcp-person--minibuffer-end ,depth)
         (when (and ,region (not (consp transient-mark-mode))) (setq transient-mark-mode ,region))))))

;;; While the person types

(defvar efrit-mcp-typing-pause)

(defvar efrit-mcp-typing-most)

(defvar efrit-mcp-person--held nil
  "Since when jobs wait because the person types, or nil.")

(defun efrit-mcp-person-hold-p ()
  "Return non-nil if the person types; then the doorbell rings again later.
Not when somebody waits in the interactive lane, nor too long."
  (let* ((idle (and (> efrit-mcp-typing-pause 0) (not noninteractive) (current-idle-time)))
         (left (and idle (- efrit-mcp-typing-pause (float-time idle)))))
    (if (and left (> left 0) last-input-event
             (let ((now (float-time)))
               (< (- now (or efrit-mcp-person--held (setq efrit-mcp-person--held now)))
                  efrit-mcp-typing-most))
             (let ((queue (cdr (assoc "queue" (efrit-mcp--mod-parse (efrit-mcp--mod-status))))))
               (and (eql 0 (cdr (assoc "interactive" queue)))
                    (or (< 0 (cdr (assoc "normal" queue))) (< 0 (cdr (assoc "batch" queue)))))))
        (progn (run-with-timer left nil #'efrit-mcp--mod-ring) t)
      (setq efrit-mcp-person--held nil))))

(provide 'efrit-mcp-person)
;;; efrit-mcp-person.el ends here
