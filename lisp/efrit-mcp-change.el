;;; efrit-mcp-change.el --- What a call changed, and taking it back  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; While a change is recorded, a function in `before-change-functions' keeps the text
;; that is about to go.  What one call changes, in however many buffers, is one change
;; with an id, and one step of each buffer's own undo.  Where its pieces are is the
;; matter of efrit-mcp-piece.el, taking it back that of efrit-mcp-change-undo.el.
;;
;; Change hooks can be inhibited, or be wiped out by an error.  So the modification tick
;; of each buffer is compared with the one after the last edit that was seen: a change
;; of which an edit was not seen cannot be taken back, and says so.

;;; Code:

(require 'efrit-mcp-target)
(require 'efrit-mcp-observe)
(require 'efrit-mcp-piece)
(require 'seq)
(require 'subr-x)
(eval-when-compile (require 'cl-lib))

(defvar efrit-mcp-tool-client)

(defcustom efrit-mcp-change-max 100
  "Changes of agents that are kept so that they can be taken back."
  :type 'natnum :group 'efrit-mcp)

(defcustom efrit-mcp-change-chars-max (* 64 1024 1024)
  "Characters that the kept changes hold at most; the oldest go first."
  :type 'natnum :group 'efrit-mcp)

(defconst efrit-mcp-change--hunks-max 64
  "Hunks of one change in one buffer; what is more becomes one that spans all.")

(cl-defstruct (efrit-mcp-change (:constructor efrit-mcp-change--make) (:copier nil))
  "What one call changed.  UNDOES is the id of the change that this one took back.
UNDONE is the id of the one that took this back.  BROKEN says why it cannot be."
  id client tool time parts undone undoes broken forgotten)

(cl-defstruct (efrit-mcp-change--part (:constructor efrit-mcp-change--part) (:copier nil))
  "What a change did in BUFFER, a base buffer, in HUNKS while it is recorded.
SEEN is the tick after the last edit that was seen, TICK that at the end,
CHARS how much text is kept.  EXPECTED is the hunk whose edit was
announced, and where it was, (HUNK START END); the buffer was of SIZE then.  FRESH: it may be a file that is being visited."
  buffer hunks expected modified modtime undo-list tick seen size chars multibyte fresh)

(defvar efrit-mcp-change--all nil "The kept changes, newest first.")
(defvar efrit-mcp-change--count 0 "Number of the last change.")
(defvar efrit-mcp-change--open nil "The change that is recorded now, or nil.")

(defvar efrit-mcp-change-functions nil
  "Functions called with each change when it is complete or taken back.")

;;; The buffers before the change

(defvar efrit-mcp-change--buffers (make-vector 64 nil) "The buffers before the change that is recorded.")
(defvar efrit-mcp-change--ticks (make-vector 64 nil) "The tick that each of them had.")
(defvar efrit-mcp-change--sizes (make-vector 64 nil)
  "The size that each of them had: `insert-file-contents' leaves the tick alone.")
(defvar efrit-mcp-change--hooked nil "Buffers whose own change hooks call ours while a change is recorded.")

(defconst efrit-mcp-change--hooks
  '((before-change-functions . efrit-mcp-change--before) (after-change-functions . efrit-mcp-change--after))
  "The change hooks, and our function in each.")

(defun efrit-mcp-change--hook ()
  "Hang our functions into the change hooks, and note the ticks of all buffers."
  (let ((n 0) (all (efrit-mcp-observe-all)))
    (setq efrit-mcp-change--hooked nil)
    (pcase-dolist (`(,hook . ,function) efrit-mcp-change--hooks) (add-hook hook function))
    (unless (<= (length all) (length efrit-mcp-change--buffers))
      (setq efrit-mcp-change--buffers (make-vector (* 2 (length all)) nil)
            efrit-mcp-change--ticks (make-vector (* 2 (length all)) nil)
            efrit-mcp-change--sizes (make-vector (* 2 (length all)) nil)))
    (fillarray efrit-mcp-change--buffers nil)
    (dolist (buffer all)
      (when (buffer-live-p buffer)
        (aset efrit-mcp-change--buffers n buffer)
        (aset efrit-mcp-change--ticks n (buffer-chars-modified-tick buffer))
        (aset efrit-mcp-change--sizes n (buffer-size buffer))
        (setq n (1+ n))
        (efrit-mcp-change--hook-into buffer)))))

(defun efrit-mcp-change--hook-into (buffer)
  "Hang our functions into the change hooks of BUFFER that call no global ones."
  (pcase-dolist (`(,hook . ,function) efrit-mcp-change--hooks)
    (let ((value (buffer-local-value hook buffer)))
      (unless (or (eq value (default-value hook)) (and (consp value) (memq t value)))
        (with-current-buffer buffer
          (when (local-variable-p hook)
            (push buffer efrit-mcp-change--hooked)
            (set hook (cons function (if (functionp value) (list value) value)))))))))

(defun efrit-mcp-change--unhook ()
  "Take our functions out of the change hooks."
  (pcase-dolist (`(,hook . ,function) efrit-mcp-change--hooks)
    (remove-hook hook function)
    (dolist (buffer efrit-mcp-change--hooked)
      (when (buffer-live-p buffer)
        (with-current-buffer buffer
          (when (and (local-variable-p hook) (consp (symbol-value hook)))
            (set hook (delq function (symbol-value hook))))))))
  (setq efrit-mcp-change--hooked nil))

(defun efrit-mcp-change--tick-before (buffer)
  "Return the tick of BUFFER before the change that is recorded; nil: it is new."
  (let ((i (seq-position efrit-mcp-change--buffers buffer #'eq)))
    (and i (aref efrit-mcp-change--ticks i))))

(defun efrit-mcp-change-seen (buffer)
  "BUFFER was edited as another change inside the one that is recorded."
  (let ((i (and efrit-mcp-change--open (seq-position efrit-mcp-change--buffers buffer #'eq))))
    (when i
      (aset efrit-mcp-change--ticks i (buffer-chars-modified-tick buffer))
      (aset efrit-mcp-change--sizes i (buffer-size buffer)))))

(defun efrit-mcp-change--unseen (change)
  "Return a buffer that CHANGE changed though no change hook was called, or nil."
  (let ((i 0) (found nil) (n (length efrit-mcp-change--buffers)) buffer)
    (while (and (not found) (< i n) (setq buffer (aref efrit-mcp-change--buffers i)))
      (when (and (buffer-live-p buffer)
                 (not (and (eq (aref efrit-mcp-change--ticks i) (buffer-chars-modified-tick buffer))
                           (eq (aref efrit-mcp-change--sizes i) (buffer-size buffer))))
                 (not (efrit-mcp-change-quiet-p buffer))
                 (not (efrit-mcp-change--part-in change (or (buffer-base-buffer buffer) buffer))))
        (setq found buffer))
      (setq i (1+ i)))
    found))

;;; Recording

(defun efrit-mcp-change-quiet-p (&optional buffer)
  "Return non-nil if changes of BUFFER, or the current one, are not recorded."
  (with-current-buffer (or (buffer-base-buffer buffer) buffer (current-buffer))
    (or (and (eq (aref (buffer-name) 0) ?\s) (not buffer-file-name))
        (and buffer-read-only (not buffer-file-name))
        (member (buffer-name) '("*Messages*" "*efrit-mcp-events*")))))

(defun efrit-mcp-change--break (change why)
  "CHANGE cannot be taken back; WHY is the first reason."
  (unless (efrit-mcp-change-broken change)
    (setf (efrit-mcp-change-broken change) why)))

(defun efrit-mcp-change--before (beg end)
  "The text from BEG to END of the current buffer is about to change: keep it."
  (when (and efrit-mcp-change--open (buffer-name) (not (efrit-mcp-change-quiet-p)))
    ;; An error here would take the hook away, and this change is the person's matter.
    (condition-case err
        (save-match-data
          (save-restriction
            (widen)
            (efrit-mcp-change--note (efrit-mcp-change--part-of efrit-mcp-change--open) beg end)))
      (error (efrit-mcp-change--break efrit-mcp-change--open (error-message-string err))))))

(defun efrit-mcp-change--part-in (change buffer)
  "Return the part of CHANGE in BUFFER, a base buffer, or nil."
  (seq-find (lambda (p) (eq (efrit-mcp-change--part-buffer p) buffer)) (efrit-mcp-change-parts change)))

(defun efrit-mcp-change--part-of (change)
  "Return the part of CHANGE for the current buffer; make it."
  (let* ((buffer (or (buffer-base-buffer) (current-buffer))) (part (efrit-mcp-change--part-in change buffer)))
    (when (and part (efrit-mcp-change--part-fresh part) (efrit-mcp-change--loaded-p part))
      (efrit-mcp-change--drop change part)
      (setq part nil))
    (or part
        (let ((before (efrit-mcp-change--tick-before buffer)))
          (efrit-mcp-piece-look buffer)
          (setq part (efrit-mcp-change--part
                      :buffer buffer :modified (buffer-modified-p buffer) :multibyte enable-multibyte-characters
                      :seen (or before (buffer-chars-modified-tick))
                      :fresh (and (null before) buffer-file-name (= (buffer-size) 0) t)
                      :modtime (and buffer-file-name (visited-file-modtime))))
          (unless (eq buffer-undo-list t)
            (undo-boundary)
            (setf (efrit-mcp-change--part-undo-list part) (list (cons (current-buffer) buffer-undo-list))))
          (push part (efrit-mcp-change-parts change))
          part))))

(defun efrit-mcp-change--loaded-p (part)
  "Return non-nil if the file of PART was visited since; no hook tells the end."
  (not (eq (efrit-mcp-change--part-seen part) (buffer-chars-modified-tick (efrit-mcp-change--part-buffer part)))))

(defun efrit-mcp-change--drop (change part)
  "PART of CHANGE is none: forget it."
  (let ((buffer (efrit-mcp-change--part-buffer part)))
    (setf (efrit-mcp-change-parts change) (delq part (efrit-mcp-change-parts change)))
    (when (buffer-live-p buffer) (efrit-mcp-piece-set-line buffer nil))))

(defun efrit-mcp-change--note (part beg end)
  "Have a hunk of PART cover BEG to END of the current, widened buffer."
  (efrit-mcp-change--check-seen part)
  (let* ((hunks (efrit-mcp-change--part-hunks part)) (wide nil)
         (near (seq-filter (lambda (h) (and (<= (efrit-mcp-piece-hunk-start h) end)
                                            (>= (efrit-mcp-piece-hunk-end h) beg)))
                           hunks)))
    (if (and near (null (cdr near))
             (<= (efrit-mcp-piece-hunk-start (car near)) beg)
             (>= (efrit-mcp-piece-hunk-end (car near)) end))
        (efrit-mcp-change--expect part (car near))
      (when (and (null near) (>= (length hunks) efrit-mcp-change--hunks-max))
        (setq near hunks wide t))
      (setq wide (or wide (seq-some #'efrit-mcp-piece-hunk-wide near)))
      (let ((from (apply #'min beg (mapcar #'efrit-mcp-piece-from near)))
            (to (apply #'max end (mapcar #'efrit-mcp-piece-to near))))
        (when wide ; the next edits are likely to be behind it
          (setq to (min (point-max) (+ to (- to from)))
                near (seq-filter (lambda (h) (and (<= (efrit-mcp-piece-hunk-start h) to)
                                                  (>= (efrit-mcp-piece-hunk-end h) from)))
                                 hunks)
                to (apply #'max to (mapcar #'efrit-mcp-piece-to near))))
        (let ((hunk (efrit-mcp-piece-open (efrit-mcp-change--part-buffer part) from to near wide)))
          (setf (efrit-mcp-change--part-hunks part) (cons hunk (seq-difference hunks near #'eq)))
          (efrit-mcp-change--expect part hunk))))))

(defun efrit-mcp-change-ahead (beg end edits)
  "EDITS, a number, are to come from BEG to END of the current, widened buffer.
Many are one hunk from the beginning: to join their hunks as they come takes
long."
  (when (and efrit-mcp-change--open (> edits efrit-mcp-change--hunks-max) (not (efrit-mcp-change-quiet-p)))
    (efrit-mcp-change--before beg end)
    (let* ((part (efrit-mcp-change--part-in efrit-mcp-change--open (or (buffer-base-buffer) (current-buffer))))
           (hunk (and part (car (efrit-mcp-change--part-expected part)))))
      (when hunk (setf (efrit-mcp-piece-hunk-wide hunk) t)))))

(defun efrit-mcp-change--check-seen (part)
  "Break the change if the buffer of PART, the current one, was changed unseen."
  (unless (and (or (eq (efrit-mcp-change--part-seen part) (buffer-chars-modified-tick))
                   (efrit-mcp-change--inside-p part))
               (eq (efrit-mcp-change--part-multibyte part) enable-multibyte-characters))
    (efrit-mcp-change--break efrit-mcp-change--open
                             (format "%s was changed while change hooks were inhibited" (buffer-name))))
  (setf (efrit-mcp-change--part-seen part) (buffer-chars-modified-tick)))

;; `transpose-regions' moves markers about with the text, so where a hunk is after an
;; elementary change is reckoned, not read from its markers.

(defun efrit-mcp-change--expect (part hunk)
  "HUNK of PART is about to change: keep where it is."
  (setf (efrit-mcp-change--part-size part) (buffer-size)
        (efrit-mcp-change--part-expected part)
        (list hunk (efrit-mcp-piece-from hunk) (efrit-mcp-piece-to hunk))))

(defun efrit-mcp-change--inside-p (part)
  "Return non-nil if the edit of PART that was announced last is all there was.
`upcase-region' of upper case tells its beginning and no end, `replace-match'
calls it before it tells its own; the hunk covers both."
  (pcase (efrit-mcp-change--part-expected part)
    (`(,hunk ,from ,to)
     (= (- (buffer-size) (efrit-mcp-change--part-size part))
        (- (efrit-mcp-piece-to hunk) (efrit-mcp-piece-from hunk) (- to from))))))

(defun efrit-mcp-change--after (beg end length)
  "Text of LENGTH became that from BEG to END: see where the hunk around it is."
  (let* ((buffer (or (buffer-base-buffer) (current-buffer)))
         (part (and efrit-mcp-change--open (efrit-mcp-change--part-in efrit-mcp-change--open buffer))))
    (pcase (and part (efrit-mcp-change--part-expected part))
      (`(,hunk ,from ,to)
       (let ((more (- end beg length)))
         (when (and (<= from beg) (<= (+ beg length) to)
                    (= (- (buffer-size) (efrit-mcp-change--part-size part)) more))
           (set-marker (efrit-mcp-piece-hunk-start hunk) from buffer)
           (set-marker (efrit-mcp-piece-hunk-end hunk) (+ to more) buffer)
           (setf (efrit-mcp-change--part-fresh part) nil
                 (efrit-mcp-change--part-expected part) nil
                 (efrit-mcp-change--part-seen part) (buffer-chars-modified-tick))))))))

(defun efrit-mcp-change-record (tool function)
  "Call FUNCTION, recording what it changes as a change of TOOL, a string.
Return (VALUE . CHANGE); CHANGE is nil when no text is another.  Where
FUNCTION leaves by an error or a throw, the change is kept all the same.
Inside another recording this is a part of that one, and CHANGE nil."
  (if efrit-mcp-change--open
      (list (funcall function))
    (let* ((change (efrit-mcp-change--make :tool tool :client (bound-and-true-p efrit-mcp-tool-client)
                                           :time (float-time)))
           (value nil) (kept nil))
      (unwind-protect
          (let ((efrit-mcp-change--open change))
            (efrit-mcp-change--hook)
            (setq value (funcall function)))
        (efrit-mcp-change--unhook)
        (setq kept (efrit-mcp-change--close change))
        (fillarray efrit-mcp-change--buffers nil))
      (cons value (and kept change)))))

(defun efrit-mcp-change--close (change)
  "CHANGE is complete: keep it; return non-nil unless nothing is another."
  (let ((unseen (efrit-mcp-change--unseen change)))
    (when unseen
      (efrit-mcp-change--break change (format "%s was changed while change hooks were inhibited" (buffer-name unseen))))
    (setf (efrit-mcp-change-parts change)
          (seq-filter (lambda (part) (efrit-mcp-change--close-part change part)) (nreverse (efrit-mcp-change-parts change))))
    (when (or (efrit-mcp-change-parts change) unseen)
      (efrit-mcp-change--keep change)
      t)))

(defun efrit-mcp-change--keep (change)
  "Give CHANGE an id and keep it."
  (setf (efrit-mcp-change-id change) (format "u%d" (setq efrit-mcp-change--count (1+ efrit-mcp-change--count))))
  (push change efrit-mcp-change--all)
  (efrit-mcp-change--trim)
  (run-hook-with-args 'efrit-mcp-change-functions change))

(defun efrit-mcp-change--close-part (change part)
  "PART of CHANGE is complete; return non-nil unless nothing is another."
  (let ((buffer (efrit-mcp-change--part-buffer part)))
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (efrit-mcp-change--one-step (efrit-mcp-change--part-undo-list part))
        (setf (efrit-mcp-change--part-undo-list part) nil)
        (save-restriction
          (widen)
          (if (and (efrit-mcp-change--part-fresh part) (efrit-mcp-change--loaded-p part))
              (progn (efrit-mcp-piece-set-line buffer nil) nil)
            (let ((efrit-mcp-change--open change)) (efrit-mcp-change--check-seen part))
            (setf (efrit-mcp-change--part-tick part) (buffer-chars-modified-tick)
                  (efrit-mcp-change--part-hunks part) nil
                  (efrit-mcp-change--part-chars part) (efrit-mcp-piece-close buffer change))
            (efrit-mcp-piece-note buffer)
            (efrit-mcp-change--part-chars part)))))))

(defun efrit-mcp-change--one-step (groups)
  "Make one step of the person's undo of all that happened since GROUPS.
They are as `prepare-change-group' returns them."
  (pcase-dolist (`(,buffer . ,list) groups)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (ignore-errors (undo-amalgamate-change-group (list (cons buffer list))))
        (undo-boundary)))))

(defun efrit-mcp-change--size (change)
  "Return how many characters CHANGE holds."
  (apply #'+ (mapcar (lambda (part) (or (efrit-mcp-change--part-chars part) 0)) (efrit-mcp-change-parts change))))

(defun efrit-mcp-change--trim ()
  "Forget the oldest changes when there are too many."
  (let ((n 0) (chars 0) (kept nil))
    (dolist (change efrit-mcp-change--all)
      (setq n (1+ n) chars (+ chars (efrit-mcp-change--size change)))
      (if (and (<= n efrit-mcp-change-max) (or (= n 1) (<= chars efrit-mcp-change-chars-max)))
          (push change kept)
        (setf (efrit-mcp-change-forgotten change) t)))
    (setq kept (nreverse kept))
    (dolist (change efrit-mcp-change--all)
      (when (efrit-mcp-change-forgotten change)
        (mapc #'efrit-mcp-change--sweep (efrit-mcp-change-parts change))))
    (setq efrit-mcp-change--all kept)))

(defun efrit-mcp-change--sweep (part)
  "Drop the pieces of the buffer of PART that belong to no kept change."
  (let ((buffer (efrit-mcp-change--part-buffer part)))
    (efrit-mcp-piece-sweep buffer (lambda (change) (not (efrit-mcp-change-forgotten change))))))

;;; The list

(defun efrit-mcp-change-list ()
  "Return the kept changes, newest first; see `efrit-mcp-change-describe'."
  efrit-mcp-change--all)

(defun efrit-mcp-change-find (id)
  "Return the change with ID, a string, or nil."
  (seq-find (lambda (change) (equal (efrit-mcp-change-id change) id)) efrit-mcp-change--all))

(defun efrit-mcp-change-last (client)
  "Return the last change of CLIENT, a string or nil, that can be taken back."
  (seq-find (lambda (change)
              (and (equal (efrit-mcp-change-client change) client)
                   (not (efrit-mcp-change-undone change)) (not (efrit-mcp-change-undoes change))))
            efrit-mcp-change--all))

(defun efrit-mcp-change-root (change)
  "Return the change whose text CHANGE, that or an undo of it, is about.
Return nil if it is forgotten."
  (while (and change (efrit-mcp-change-undoes change))
    (setq change (efrit-mcp-change-find (efrit-mcp-change-undoes change))))
  change)

(defun efrit-mcp-change--places (root buffer)
  "Return where ROOT changed BUFFER, the current one: a list of (START . END)."
  (let ((places nil))
    (dolist (item (efrit-mcp-piece-line buffer))
      (when (efrit-mcp-piece-of-p item root)
        (let ((from (efrit-mcp-piece-from item)) (to (efrit-mcp-piece-to item)))
          (if (and places (= from (cdr (car places))))
              (setcdr (car places) to)
            (push (cons from to) places)))))
    (nreverse places)))

(defun efrit-mcp-change-lines (change part)
  "Return the lines that PART of CHANGE is on now, a list of (FROM . TO)."
  (when (buffer-live-p (efrit-mcp-change--part-buffer part))
    (with-current-buffer (efrit-mcp-change--part-buffer part)
      (save-restriction
        (widen)
        (mapcar (pcase-lambda (`(,start . ,end))
                  (cons (efrit-mcp-target-line start)
                        (efrit-mcp-target-line (if (and (> end start) (eq (char-before end) ?\n)) (1- end) end))))
                (seq-take (efrit-mcp-change--places (efrit-mcp-change-root change) (current-buffer)) 10))))))

(defun efrit-mcp-change-describe (change)
  "Return what there is to tell of CHANGE, an alist for JSON.
Its id, client, tool and time, and for each buffer the lines, as 3 or 3-5."
  `((undo_id . ,(efrit-mcp-change-id change))
    ,@(when (efrit-mcp-change-client change) `((client . ,(efrit-mcp-change-client change))))
    (tool . ,(efrit-mcp-change-tool change))
    (time . ,(format-time-string "%FT%TZ" (efrit-mcp-change-time change) t))
    (edited . ,(efrit-mcp-change-places change))
    ,@(when (efrit-mcp-change-broken change) `((undo . "incomplete") (undo_why . ,(efrit-mcp-change-broken change))))
    ,@(when (efrit-mcp-change-undone change) '((undone . t)))
    ,@(when (efrit-mcp-change-undoes change) `((undoes . ,(efrit-mcp-change-undoes change))))))

(defun efrit-mcp-change-places (change)
  "Return where CHANGE is, a vector of alists: buffer, file, lines."
  (vconcat
   (mapcar (lambda (part)
             (let ((buffer (efrit-mcp-change--part-buffer part)))
               (if (buffer-live-p buffer)
                   `(,@(efrit-mcp-target-name buffer)
                     (lines . ,(mapconcat (lambda (l) (if (= (car l) (cdr l)) (number-to-string (car l))
                                                        (format "%d-%d" (car l) (cdr l))))
                                          (efrit-mcp-change-lines change part) ",")))
                 '((buffer . "(killed)")))))
           (efrit-mcp-change-parts change))))

(defun efrit-mcp-change-buffers (change)
  "Return the live buffers that CHANGE is in."
  (seq-filter #'buffer-live-p (mapcar #'efrit-mcp-change--part-buffer (efrit-mcp-change-parts change))))

(provide 'efrit-mcp-change)
;;; efrit-mcp-change.el ends here
