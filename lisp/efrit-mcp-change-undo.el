;;; efrit-mcp-change-undo.el --- Taking a change of an agent back, whole or not at all  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; To take a change back is to delete the pieces that it made and to bring back the
;; pieces that it deleted, each at its place in the line of its buffer; to take that
;; back is the reverse.  All is checked first.  Then it is done with the hooks of the
;; person; the result is compared with the text there must be, and where a hook failed
;; or did more, every buffer gets its former text back.

;;; Code:

(require 'efrit-mcp-change)
(require 'efrit-mcp-piece)
(eval-when-compile (require 'cl-lib))

(cl-defstruct (efrit-mcp-change-undo--plan (:constructor efrit-mcp-change-undo--plan) (:copier nil))
  "What is to be done in BUFFER: PIECES, in their order, are deleted or come back.
TEXT is the text before, EXPECTED the text after.  The rest is put back
when it fails: PLACES of the pieces, POSITIONS of what is the person's,
change GROUP, MODIFIED flag, UNDO-LIST and HOOKS."
  buffer pieces text expected places positions group modified undo-list hooks)

;;; Checking

(defun efrit-mcp-change-undo--name (change)
  "Return how CHANGE, one that stands in the way, is named."
  (let ((by (concat (efrit-mcp-change-tool change)
                    (and (efrit-mcp-change-client change) (concat " by " (efrit-mcp-change-client change))))))
    (cond ((efrit-mcp-change-forgotten change) (format "a change that is not kept any more (%s)" by))
          ((efrit-mcp-change-broken change) (format "%s (%s), which cannot be taken back" (efrit-mcp-change-id change) by))
          (t (format "%s (%s)" (efrit-mcp-change-id change) by)))))

(defun efrit-mcp-change-undo--refuse (change piece why &rest arguments)
  "Refuse to take CHANGE back because of PIECE in the current buffer.
WHY and ARGUMENTS, as for `format', say what is with it."
  (signal 'efrit-mcp-conflict
          (list (format "%s cannot be taken back: in %s, line %d, %s; nothing was changed"
                        (efrit-mcp-change-id change) (buffer-name) (efrit-mcp-target-line (efrit-mcp-piece-from piece))
                        (apply #'format why arguments)))))

(defun efrit-mcp-change-undo--in-the-way (change piece other)
  "Refuse to take CHANGE back because OTHER changed PIECE."
  (let ((undone (efrit-mcp-change-undone other)))
    (efrit-mcp-change-undo--refuse
     change piece (if undone "the text belongs to %s, which was taken back: take %s back first" "%s changed the text since: take %s back first")
     (efrit-mcp-change-undo--name other) (or undone (efrit-mcp-change-id other) "that"))))

(defun efrit-mcp-change-undo--off-p (change)
  "Return non-nil if CHANGE is one, and was taken back."
  (and change (efrit-mcp-change-undone change)))

(defun efrit-mcp-change-undo--killer (piece root)
  "Return a change, not ROOT, that deleted PIECE and stands; nil: none."
  (seq-find (lambda (c) (not (or (eq c root) (efrit-mcp-change-undone c)))) (efrit-mcp-piece-killers piece)))

(defun efrit-mcp-change-undo--check-piece (change root on piece)
  "Refuse to take CHANGE back if PIECE of ROOT, to be ON or off, is in the way.
Return non-nil if it is to turn."
  (let* ((made (eq root (efrit-mcp-piece-maker piece))) (comes (eq (and on t) made))
         (killer (efrit-mcp-change-undo--killer piece root)) (maker (efrit-mcp-piece-maker piece)))
    (cond ((efrit-mcp-piece-lost piece) (efrit-mcp-change-undo--refuse change piece "the text was changed since, not by an agent"))
          (killer (efrit-mcp-change-undo--in-the-way change piece killer))
          ((and (not made) (efrit-mcp-change-undo--off-p maker)) (efrit-mcp-change-undo--in-the-way change piece maker))
          ((eq comes (and (efrit-mcp-piece-live piece) t))
           (efrit-mcp-change-undo--refuse change piece "the text is another one"))
          ((and (not comes) (not (efrit-mcp-piece-intact-p piece)))
           (efrit-mcp-change-undo--refuse change piece "the text was changed since, not by an agent")))
    t))

(defun efrit-mcp-change-undo--check-whole (change pieces line)
  "Refuse to take CHANGE back if one of PIECES has something inside in LINE."
  (let ((last nil) (between nil))
    (dolist (item line)
      (cond ((not (efrit-mcp-piece-live item)))
            ((memq item pieces)
             (when (and last (eq (efrit-mcp-piece-origin last) (efrit-mcp-piece-origin item)))
               (let ((other (and between (efrit-mcp-piece-maker between))))
                 (cond (other (efrit-mcp-change-undo--in-the-way change between other))
                       ((/= (efrit-mcp-piece-to last) (efrit-mcp-piece-from item))
                        (efrit-mcp-change-undo--refuse change item "text was put into it since, not by an agent")))))
             (setq last item between nil))
            (t (setq between item))))))

(defun efrit-mcp-change-undo--check-around (change pieces line)
  "Refuse to take CHANGE back if the place of one of PIECES is lost.
LINE is the line of the buffer.  Beside text that goes the place is certain."
  (let ((beside nil))
    (dolist (item line)
      (cond ((efrit-mcp-piece-live item) (setq beside (and (memq item pieces) (efrit-mcp-piece-to item))))
            ((and (memq item pieces) (not (eql beside (efrit-mcp-piece-from item))) (efrit-mcp-piece-astray-p item)
                  (not (efrit-mcp-change-undo--going-p (cdr (memq item line)) pieces item)))
             (efrit-mcp-change-undo--refuse change item "what surrounded the deleted text was changed since"))))))

(defun efrit-mcp-change-undo--going-p (items pieces piece)
  "Return non-nil if the first live one of ITEMS, one of PIECES, begins at PIECE."
  (let ((next (seq-find #'efrit-mcp-piece-live items)))
    (and (memq next pieces) (= (efrit-mcp-piece-from next) (efrit-mcp-piece-from piece)))))

(defun efrit-mcp-change-undo--check-buffer (change part)
  "Refuse to take CHANGE back if the buffer of PART, the current, takes no edits."
  (let ((conflict (lambda (why) (signal 'efrit-mcp-conflict
                                        (list (format "%s cannot be taken back: %s %s; nothing was changed"
                                                      (efrit-mcp-change-id change) (buffer-name) why))))))
    (efrit-mcp-secret-check (current-buffer))
    (when buffer-read-only
      (signal 'efrit-mcp-read-only (list (format "the buffer %s is read-only now" (buffer-name)))))
    (unless (eq enable-multibyte-characters (efrit-mcp-change--part-multibyte part))
      (funcall conflict "holds bytes for characters by now, or the reverse"))
    (when (and efrit-mcp-change--open (efrit-mcp-change--part-in efrit-mcp-change--open (current-buffer)))
      (funcall conflict "was changed by this call already"))
    (when (and buffer-file-name (not (buffer-modified-p)) (not (file-remote-p buffer-file-name))
               (file-exists-p buffer-file-name) (not (verify-visited-file-modtime)))
      (funcall conflict "is another text on disk: read that in first"))))

(defun efrit-mcp-change-undo--expect (plan)
  "Return the text that PLAN is to make."
  (let ((pos 1) (text (efrit-mcp-change-undo--plan-text plan)) (parts nil))
    (dolist (piece (efrit-mcp-change-undo--plan-pieces plan))
      (push (substring text (1- pos) (1- (efrit-mcp-piece-from piece))) parts)
      (setq pos (efrit-mcp-piece-to piece))
      (unless (efrit-mcp-piece-live piece) (push (efrit-mcp-piece-text piece) parts)))
    (push (substring text (1- pos)) parts)
    (apply #'concat (nreverse parts))))

(defun efrit-mcp-change-undo--check-part (change root on part)
  "Return the plan to turn ROOT ON or off where PART is, to take CHANGE back.
Signal an error if that cannot be."
  (with-current-buffer (efrit-mcp-change--part-buffer part)
    (save-restriction
      (widen)
      (efrit-mcp-change-undo--check-buffer change part)
      (efrit-mcp-piece-straighten (current-buffer))
      (let* ((line (efrit-mcp-piece-line (current-buffer)))
             (pieces (seq-filter (lambda (p) (and (efrit-mcp-piece-of-p p root)
                                                  (efrit-mcp-change-undo--check-piece change root on p)))
                                 line)))
        (efrit-mcp-change-undo--check-whole change pieces line)
        (efrit-mcp-change-undo--check-around change pieces line)
        (let ((plan (efrit-mcp-change-undo--plan :buffer (current-buffer) :pieces pieces
                                                 :text (buffer-substring (point-min) (point-max)))))
          (setf (efrit-mcp-change-undo--plan-expected plan) (efrit-mcp-change-undo--expect plan))
          plan)))))

(defun efrit-mcp-change-undo--check (change)
  "Return the plans that take CHANGE back; signal an error if it cannot be."
  (let ((root (efrit-mcp-change-root change)) (on (efrit-mcp-change-undo--direction change)))
    (when (efrit-mcp-change-broken change)
      (signal 'efrit-mcp-conflict (list (format "the change %s could not be recorded (%s)" (efrit-mcp-change-id change)
                                                (efrit-mcp-change-broken change)))))
    (unless root
      (signal 'efrit-mcp-conflict (list (format "the change that %s took back is not kept any more" (efrit-mcp-change-id change)))))
    (when (efrit-mcp-change-undone change)
      (efrit-mcp-invalid "%s was taken back already; undo %s to have it again" (efrit-mcp-change-id change)
                         (efrit-mcp-change-undone change)))
    (unless (eq on (and (efrit-mcp-change-undone root) t))
      (efrit-mcp-invalid "%s is over: what it did was taken back otherwise" (efrit-mcp-change-id change)))
    (dolist (part (efrit-mcp-change-parts root))
      (unless (buffer-live-p (efrit-mcp-change--part-buffer part))
        (signal 'efrit-mcp-conflict (list (format "a buffer that %s changed was killed" (efrit-mcp-change-id change))))))
    (mapcar (lambda (part) (efrit-mcp-change-undo--check-part change root on part)) (efrit-mcp-change-parts root))))

(defun efrit-mcp-change-undo--direction (change)
  "Return non-nil if to take CHANGE back is to have the text of its root again."
  (let ((on nil))
    (while (and change (efrit-mcp-change-undoes change))
      (setq on (not on) change (efrit-mcp-change-find (efrit-mcp-change-undoes change))))
    on))

;;; Doing

(defconst efrit-mcp-change-undo--hooks '(before-change-functions after-change-functions first-change-hook)
  "Hooks that Emacs sets to nil when a function of theirs fails.")

(defun efrit-mcp-change-undo--positions (pieces)
  "Return where point, mark, windows and overlays are that PIECES concern.
They are for `efrit-mcp-change-undo--put-positions'."
  (let ((from (and pieces (efrit-mcp-piece-from (car pieces)))) (to (and pieces (efrit-mcp-piece-to (car (last pieces))))))
    (list (point) (mark t)
          (mapcar (lambda (w) (list w (window-point w) (window-start w))) (get-buffer-window-list nil t t))
          (and from (mapcar (lambda (o) (list o (overlay-start o) (overlay-end o))) (overlays-in from (1+ to)))))))

(defun efrit-mcp-change-undo--put-positions (positions)
  "Put what is in the current, widened buffer back to POSITIONS."
  (pcase-let ((`(,point ,mark ,windows ,overlays) positions))
    (pcase-dolist (`(,overlay ,start ,end) overlays)
      (when (overlay-buffer overlay) (move-overlay overlay start end)))
    (pcase-dolist (`(,window ,at ,start) windows)
      (when (and (window-live-p window) (eq (window-buffer window) (current-buffer)))
        (set-window-start window start t)
        (set-window-point window at)))
    (when mark (set-marker (mark-marker) mark))
    point))

(defun efrit-mcp-change-undo--prepare (plan)
  "Note in PLAN what to put back if it fails."
  (with-current-buffer (efrit-mcp-change-undo--plan-buffer plan)
    (undo-boundary)
    (setf (efrit-mcp-change-undo--plan-places plan)
          (mapcar (lambda (p) (list p (marker-position (efrit-mcp-piece-start p)) (marker-position (efrit-mcp-piece-end p))
                                    (efrit-mcp-piece-live p)))
                  (efrit-mcp-piece-line (current-buffer)))
          (efrit-mcp-change-undo--plan-positions plan)
          (save-restriction (widen) (efrit-mcp-change-undo--positions (efrit-mcp-change-undo--plan-pieces plan)))
          (efrit-mcp-change-undo--plan-modified plan) (buffer-modified-p)
          (efrit-mcp-change-undo--plan-undo-list plan) buffer-undo-list
          (efrit-mcp-change-undo--plan-hooks plan)
          (mapcar (lambda (h) (list h (default-value h) (local-variable-p h) (symbol-value h))) efrit-mcp-change-undo--hooks)
          (efrit-mcp-change-undo--plan-group plan) (prepare-change-group))
    (activate-change-group (efrit-mcp-change-undo--plan-group plan))))

(defun efrit-mcp-change-undo--turn (piece buffer)
  "Delete PIECE of BUFFER, the current, widened one, or bring it back."
  (let ((at (efrit-mcp-piece-from piece)) (text (efrit-mcp-piece-text piece)))
    (if (efrit-mcp-piece-live piece)
        (progn (delete-region at (efrit-mcp-piece-to piece))
               (efrit-mcp-piece-place piece at at nil buffer))
      (goto-char at)
      (insert text)
      (let ((end (+ at (length text))) (next (cdr (memq piece (efrit-mcp-piece-line buffer)))))
        (efrit-mcp-piece-place piece at end t buffer)
        (setf (efrit-mcp-piece-lost piece) nil)
        (while (and next (not (efrit-mcp-piece-live (car next))) (= at (efrit-mcp-piece-start (car next))))
          (efrit-mcp-piece-place (pop next) end end nil buffer))))))

(defun efrit-mcp-change-undo--do (plan)
  "Do what PLAN says, the last piece first: the others stay where they are."
  (with-current-buffer (efrit-mcp-change-undo--plan-buffer plan)
    (save-excursion
      (save-restriction
        (widen)
        (efrit-mcp-piece-look (current-buffer))
        (dolist (piece (reverse (efrit-mcp-change-undo--plan-pieces plan)))
          (efrit-mcp-change-undo--turn piece (current-buffer)))
        (efrit-mcp-piece-note (current-buffer))))))

(defun efrit-mcp-change-undo--has-p (text)
  "Return non-nil if TEXT is that of the current, widened buffer."
  (and (= (length text) (buffer-size))
       (string= text (buffer-substring-no-properties (point-min) (point-max)))))

(defun efrit-mcp-change-undo--verify (plan)
  "Signal an error unless the text is the one that PLAN was to make."
  (let ((buffer (efrit-mcp-change-undo--plan-buffer plan)))
    (unless (buffer-live-p buffer) (error "A hook killed a buffer"))
    (with-current-buffer buffer
      (save-restriction
        (widen)
        (unless (efrit-mcp-change-undo--has-p (efrit-mcp-change-undo--plan-expected plan))
          (error "A change hook of %s edited the text as well" (buffer-name)))))))

(defun efrit-mcp-change-undo--rewrite (text)
  "Have the current, widened buffer hold TEXT, and edit no more than differs."
  (let* ((now (buffer-substring-no-properties (point-min) (point-max))) (same (efrit-mcp-piece-same text now t)))
    (goto-char (+ (point-min) (car same)))
    (delete-region (point) (- (point-max) (cdr same)))
    (insert (substring text (car same) (- (length text) (cdr same))))))

(defun efrit-mcp-change-undo--put-back (plan)
  "PLAN failed: put its buffer back as it was."
  (let ((buffer (efrit-mcp-change-undo--plan-buffer plan)) (inhibit-quit t)
        (inhibit-read-only t) (inhibit-modification-hooks t) (text (efrit-mcp-change-undo--plan-text plan)))
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (goto-char
         (save-restriction
           (widen)
           (ignore-errors (cancel-change-group (efrit-mcp-change-undo--plan-group plan)))
           (unless (efrit-mcp-change-undo--has-p text) (efrit-mcp-change-undo--rewrite text))
           (efrit-mcp-change-undo--put-positions (efrit-mcp-change-undo--plan-positions plan))))
        (pcase-dolist (`(,piece ,start ,end ,live) (efrit-mcp-change-undo--plan-places plan))
          (efrit-mcp-piece-place piece start end live buffer))
        (pcase-dolist (`(,hook ,default ,local ,value) (efrit-mcp-change-undo--plan-hooks plan))
          (set-default hook default)
          (when local (set (make-local-variable hook) value)))
        (setq buffer-undo-list (efrit-mcp-change-undo--plan-undo-list plan))
        (restore-buffer-modified-p (efrit-mcp-change-undo--plan-modified plan))))))

(defun efrit-mcp-change-undo--apply (plans)
  "Do PLANS, all or none."
  (let ((done nil) (begun nil))
    (unwind-protect
        (let ((efrit-mcp-change--open nil))
          (dolist (plan plans)
            (efrit-mcp-change-undo--prepare plan)
            (push plan begun))
          (mapc #'efrit-mcp-change-undo--do plans)
          (mapc #'efrit-mcp-change-undo--verify plans)
          (setq done t))
      (unless done (mapc #'efrit-mcp-change-undo--put-back begun)))
    (dolist (plan plans)
      (with-current-buffer (efrit-mcp-change-undo--plan-buffer plan)
        (accept-change-group (efrit-mcp-change-undo--plan-group plan))))
    (dolist (plan plans)
      (efrit-mcp-change--one-step (efrit-mcp-change-undo--plan-group plan)))))

(defun efrit-mcp-change-undo--calm-p (part)
  "Return non-nil if PART is all that its buffer has and its file has not."
  (with-current-buffer (efrit-mcp-change--part-buffer part)
    (and (not (efrit-mcp-change--part-modified part)) buffer-file-name
         (eq (efrit-mcp-change--part-tick part) (buffer-chars-modified-tick))
         (equal (efrit-mcp-change--part-modtime part) (visited-file-modtime)))))

(defun efrit-mcp-change-undo--parts (plans)
  "Return the parts of the change that PLANS are, to be done now."
  (mapcar (lambda (plan)
            (with-current-buffer (efrit-mcp-change-undo--plan-buffer plan)
              (efrit-mcp-change--part :buffer (current-buffer) :modified (buffer-modified-p)
                                      :multibyte enable-multibyte-characters
                                      :modtime (and buffer-file-name (visited-file-modtime)))))
          plans))

(defun efrit-mcp-change-undo--record (change parts)
  "Keep that CHANGE was taken back in PARTS; return the change that this is."
  (let ((undo (efrit-mcp-change--make :tool "emacs_undo" :client (bound-and-true-p efrit-mcp-tool-client)
                                      :time (float-time) :parts parts :undoes (efrit-mcp-change-id change)))
        (before (and (efrit-mcp-change-undoes change) (efrit-mcp-change-find (efrit-mcp-change-undoes change)))))
    (dolist (part parts)
      (with-current-buffer (efrit-mcp-change--part-buffer part)
        (setf (efrit-mcp-change--part-tick part) (buffer-chars-modified-tick))
        (efrit-mcp-change-seen (current-buffer))))
    (setf (efrit-mcp-change-undone change) "now")
    (when before ; an undo was taken back: that change stands again
      (setf (efrit-mcp-change-undone before) nil))
    (efrit-mcp-change--keep undo)
    (setf (efrit-mcp-change-undone change) (efrit-mcp-change-id undo))
    (let ((root (efrit-mcp-change-root change)))
      (when (and root (not (eq root change)) (not (eq root before)))
        (setf (efrit-mcp-change-undone root)
              (and (not (efrit-mcp-change-undo--direction change)) (efrit-mcp-change-id undo)))))
    undo))

(defun efrit-mcp-change-undo (change)
  "Take CHANGE back in all its buffers, or signal an error and do nothing.
Return the change that this is: to take that one back is to redo."
  (let* ((plans (efrit-mcp-change-undo--check change))
         (parts (efrit-mcp-change-undo--parts plans))
         (calm (seq-filter #'efrit-mcp-change-undo--calm-p (efrit-mcp-change-parts change))))
    (condition-case err
        (efrit-mcp-change-undo--apply plans)
      ((text-read-only buffer-read-only)
       (signal 'efrit-mcp-read-only (list (format "%s cannot be taken back: text of it is read-only now; nothing was changed"
                                                  (efrit-mcp-change-id change)))))
      (error (signal 'efrit-mcp-conflict
                     (list (format "%s cannot be taken back: %s; nothing was changed"
                                   (efrit-mcp-change-id change) (error-message-string err))))))
    (dolist (part calm)
      (with-current-buffer (efrit-mcp-change--part-buffer part) (set-buffer-modified-p nil)))
    (prog1 (efrit-mcp-change-undo--record change parts)
      (run-hook-with-args 'efrit-mcp-change-functions change))))

(defun efrit-mcp-change-undo-id (id)
  "Take the change with ID, a string, back; see `efrit-mcp-change-undo'."
  (efrit-mcp-change-undo
   (or (efrit-mcp-change-find id)
       (efrit-mcp-invalid "there is no change %s%s" id
                          (if efrit-mcp-change--all
                              (format "; the last are %s" (mapconcat #'efrit-mcp-change-id (seq-take efrit-mcp-change--all 5) ", "))
                            "")))))

(provide 'efrit-mcp-change-undo)
;;; efrit-mcp-change-undo.el ends here
