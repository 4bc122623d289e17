;;; efrit-mcp-observe.el --- What a job changed, and where the editor is  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A snapshot before a job and a look after it: new messages, changed buffers, and a
;; brief view of the editor.  Cheap, since every evaluation pays for it, and bounded.

;;; Code:

(eval-when-compile (require 'cl-lib))
(require 'seq)

(declare-function efrit-mcp--mod-json "efrit-mcp-module")

(defconst efrit-mcp-observe--messages-max 20 "New messages an answer shows.")
(defconst efrit-mcp-observe--message-max 400 "Characters of a message an answer shows.")
(defconst efrit-mcp-observe--buffers-max 20 "Changed buffers an answer shows.")

;; The snapshot of the job that runs.  Its objects are made once and used again: what is
;; allocated for each call is collected by Emacs, while the person waits.

(defvar efrit-mcp-observe--level nil
  "How much the job that runs is to tell, a string; nil: it asked for no snapshot.")

(defvar efrit-mcp-observe--list nil
  "What `buffer-list' returned, until a buffer is made, killed or selected; or nil.
It would make a list for each call.")

(defun efrit-mcp-observe--stale ()
  "The list of buffers may be another one: `buffer-list-update-hook'."
  (setq efrit-mcp-observe--list nil))

(defun efrit-mcp-observe-all ()
  "Return all buffers, a list; one killed without hooks may still be in it."
  (or efrit-mcp-observe--list
      (progn (add-hook 'buffer-list-update-hook #'efrit-mcp-observe--stale)
             (setq efrit-mcp-observe--list (buffer-list)))))

(defun efrit-mcp-observe-stop ()
  "Observe nothing any more."
  (remove-hook 'buffer-list-update-hook #'efrit-mcp-observe--stale)
  (efrit-mcp-observe--stale))

(defvar efrit-mcp-observe--buffers (make-vector 64 nil)
  "The buffers before the job, in the order of `buffer-list'.")

(defvar efrit-mcp-observe--ticks (make-vector 64 nil)
  "For each of `efrit-mcp-observe--buffers' its modification tick then.")

(defvar efrit-mcp-observe--count 0
  "How many of `efrit-mcp-observe--buffers' there are.")

(defvar efrit-mcp-observe--end (make-marker)
  "The end of *Messages* before the job.")

(defvar efrit-mcp-observe--messages-tick nil
  "The modification tick of *Messages* before the job; nil: there was none.")

(defun efrit-mcp-observe--quiet-p (buffer)
  "Return non-nil if changes of BUFFER are nothing to tell."
  (let ((name (buffer-name buffer)))
    (or (null name) (eq (aref name 0) ?\s)
        (member name '("*Messages*" "*efrit-mcp-events*")))))

(defun efrit-mcp-observe--messages-buffer ()
  "Return the *Messages* buffer, or nil."
  (get-buffer "*Messages*"))

(defvar efrit-mcp-observe-told nil
  "Buffers whose change the answer of the job that runs tells itself.")

(defun efrit-mcp-observe-begin (level)
  "Take the snapshot for LEVEL, a string: none, brief or full."
  (setq efrit-mcp-observe--level nil
        efrit-mcp-observe-told nil)
  (unless (equal level "none")
    (let ((messages (efrit-mcp-observe--messages-buffer)) (n 0))
      (dolist (buffer (efrit-mcp-observe-all))
        (when (= n (length efrit-mcp-observe--buffers))
          (setq efrit-mcp-observe--buffers (vconcat efrit-mcp-observe--buffers (make-vector n nil))
                efrit-mcp-observe--ticks (vconcat efrit-mcp-observe--ticks (make-vector n nil))))
        (if (not (buffer-live-p buffer))
            (efrit-mcp-observe--stale)
          (aset efrit-mcp-observe--buffers n buffer)
          (aset efrit-mcp-observe--ticks n (buffer-chars-modified-tick buffer))
          (setq n (1+ n))))
      (setq efrit-mcp-observe--count n
            efrit-mcp-observe--messages-tick (when messages (buffer-chars-modified-tick messages)))
      (when messages
        (set-marker efrit-mcp-observe--end (1+ (buffer-size messages)) messages))
      (setq efrit-mcp-observe--level level))))

(defun efrit-mcp-observe--place (buffer near)
  "Return the place of BUFFER in the snapshot, looking at NEAR first; or nil."
  (let ((n efrit-mcp-observe--count) (i near))
    (if (and (< near n) (eq buffer (aref efrit-mcp-observe--buffers near)))
        near
      (setq i 0)
      (while (and (< i n) (not (eq buffer (aref efrit-mcp-observe--buffers i))))
        (setq i (1+ i)))
      (and (< i n) i))))

(defun efrit-mcp-observe--cut (text max)
  "Return TEXT, at most MAX characters of it."
  (if (> (length text) max) (concat (substring text 0 max) "...") text))

(defun efrit-mcp-observe--messages ()
  "Return the messages since the snapshot, a list of strings, newest last."
  (let ((buffer (efrit-mcp-observe--messages-buffer)))
    (when (and buffer (not (eq efrit-mcp-observe--messages-tick (buffer-chars-modified-tick buffer))))
      (with-current-buffer buffer
        (save-excursion
          (save-restriction
            (widen)
            (let ((from (if (eq (marker-buffer efrit-mcp-observe--end) buffer)
                            (marker-position efrit-mcp-observe--end)
                          (point-min)))
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
              (delete "" lines))))))))

(defun efrit-mcp-observe--entry (buffer old)
  "Return what is told of BUFFER, which was changed; OLD: it was there before."
  `((buffer . ,(buffer-name buffer))
    ,@(when (buffer-file-name buffer) `((file . ,(buffer-file-name buffer))))
    (change . ,(if old "text" "new"))
    (modified . ,(if (buffer-modified-p buffer) t :false))))

(defun efrit-mcp-observe--changes ()
  "Return what became of the buffers since the snapshot, an alist."
  (let ((changed nil) (n 0) (i 0) (left 0))
    (dolist (buffer (efrit-mcp-observe-all))
      (let ((place (efrit-mcp-observe--place buffer i)))
        (setq i (1+ (or place i)))
        (when (and place (buffer-live-p buffer)) (setq left (1+ left)))
        (when (and (not (and place (eq (aref efrit-mcp-observe--ticks place)
                                       (buffer-chars-modified-tick buffer))))
                   (< n efrit-mcp-observe--buffers-max)
                   (not (memq buffer efrit-mcp-observe-told))
                   (not (efrit-mcp-observe--quiet-p buffer)))
          (setq n (1+ n))
          (push (efrit-mcp-observe--entry buffer place) changed))))
    (nconc
     (when changed `((changed . ,(vconcat (nreverse changed)))))
     (when (< left efrit-mcp-observe--count)
       `((killed_buffers . ,(- efrit-mcp-observe--count left)))))))

(defvar efrit-mcp-observe--state nil
  "The last brief state that was told: a vector of what it follows from, and it.")

(defun efrit-mcp-observe--brief ()
  "Return the brief state as JSON text, the same again when nothing is different.
That is (efrit-mcp--json . TEXT), as the module takes it."
  (let* ((window (selected-window)) (buffer (window-buffer window)) (known efrit-mcp-observe--state))
    (if (and known (= (minibuffer-depth) 0) (not (window-minibuffer-p window))
             (eq (aref known 0) buffer)
             (eq (aref known 1) (buffer-chars-modified-tick buffer))
             (eq (aref known 2) (window-point window))
             (eq (aref known 3) (buffer-modified-p buffer))
             (eq (aref known 4) (buffer-name buffer))
             (eq (aref known 5) (buffer-file-name buffer))
             (eq (aref known 6) (buffer-local-value 'major-mode buffer)))
        (aref known 7)
      (let ((state (cons 'efrit-mcp--json (efrit-mcp--mod-json (efrit-mcp-observe-state)))))
        (setq efrit-mcp-observe--state
              (and (= (minibuffer-depth) 0) (not (window-minibuffer-p window))
                   (vector buffer (buffer-chars-modified-tick buffer) (window-point window) (buffer-modified-p buffer)
                           (buffer-name buffer) (buffer-file-name buffer) (buffer-local-value 'major-mode buffer) state)))
        state))))

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
        (line . ,(save-excursion (goto-char (window-point window)) (line-number-at-pos nil t)))
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
  (let ((level efrit-mcp-observe--level))
    (setq efrit-mcp-observe--level nil)
    (when level
      (let* ((messages (efrit-mcp-observe--messages))
             (changes (efrit-mcp-observe--changes))
             (state (if (equal level "full") (efrit-mcp-observe-state t) (efrit-mcp-observe--brief))))
        (fillarray efrit-mcp-observe--buffers nil)
        (nconc (when messages `((messages . ,(vconcat messages))))
               changes
               (list (cons 'state state)))))))

;;; What is answered later, after other jobs

(defmacro efrit-mcp-observe--bound (snapshot &rest body)
  "Run BODY with SNAPSHOT, a vector, in the place of that of the job that runs.
Return SNAPSHOT, with what BODY made of it, after the value: (VALUE . SNAPSHOT)."
  (declare (indent 1) (debug t))
  `(let* ((efrit-mcp-observe--level (aref ,snapshot 0)) (efrit-mcp-observe--buffers (aref ,snapshot 1))
          (efrit-mcp-observe--ticks (aref ,snapshot 2)) (efrit-mcp-observe--count (aref ,snapshot 3))
          (efrit-mcp-observe--end (aref ,snapshot 4)) (efrit-mcp-observe--messages-tick (aref ,snapshot 5))
          (efrit-mcp-observe-told (aref ,snapshot 6)))
     (cons (progn ,@body)
           (vector efrit-mcp-observe--level efrit-mcp-observe--buffers efrit-mcp-observe--ticks efrit-mcp-observe--count
                   efrit-mcp-observe--end efrit-mcp-observe--messages-tick efrit-mcp-observe-told))))

(defun efrit-mcp-observe-apart (level)
  "Return a snapshot of its own for LEVEL, as `efrit-mcp-observe-begin' takes one.
It outlives the job that runs, for one that is answered later."
  (let ((new (vector nil (make-vector 64 nil) (make-vector 64 nil) 0 (make-marker) nil nil)))
    (cdr (efrit-mcp-observe--bound new (efrit-mcp-observe-begin level)))))

(defun efrit-mcp-observe-since (snapshot &optional told)
  "Return what happened since SNAPSHOT, of `efrit-mcp-observe-apart', an alist.
TOLD are buffers that the answer tells of itself."
  (car (efrit-mcp-observe--bound snapshot
         (setq efrit-mcp-observe-told told)
         (prog1 (efrit-mcp-observe-end)
           (set-marker efrit-mcp-observe--end nil)))))

(provide 'efrit-mcp-observe)
;;; efrit-mcp-observe.el ends here
