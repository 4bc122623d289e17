;;; efrit-mcp-change.el --- What a call changed, and taking it back  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; While a change is recorded, a function in `before-change-functions' keeps the text
;; that is about to go.  What one call changes, in however many buffers, is one change
;; with an id, and one step of each buffer's own undo.
;;
;; A change is a few hunks a buffer: two markers, the text before, the text after.  It
;; is taken back where the text between the markers is still the one after; later
;; edits elsewhere only move the markers.  A hunk that swallows markers of earlier
;; changes remembers where they stood, so that changes can be taken back one after
;; the other.

;;; Code:

(require 'efrit-mcp-target)
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
  "What one call changed.  UNDOES is the id of the change that this one took back."
  id client tool time parts undone undoes broken)

(cl-defstruct (efrit-mcp-change--part (:constructor efrit-mcp-change--part) (:copier nil))
  "What a change did in BUFFER, a base buffer."
  buffer hunks modified modtime undo-list tick)

(cl-defstruct (efrit-mcp-change--hunk (:constructor efrit-mcp-change--hunk) (:copier nil))
  "From START to END, markers, the text OLD became NEW.
KEPT holds (MARKER . OFFSET), where markers of earlier changes were in OLD."
  start end old new kept around)

(defvar efrit-mcp-change--all nil "The kept changes, newest first.")
(defvar efrit-mcp-change--count 0 "Number of the last change.")
(defvar efrit-mcp-change--open nil "The change that is recorded now, or nil.")

(defvar efrit-mcp-change-functions nil
  "Functions called with each change when it is complete or taken back.")

;;; Recording

(defun efrit-mcp-change--quiet-p ()
  "Return non-nil if changes of the current buffer are not recorded."
  (or (eq (aref (buffer-name) 0) ?\s)
      (and buffer-read-only (not buffer-file-name))
      (member (buffer-name) '("*Messages*" "*efrit-mcp-events*"))))

(defun efrit-mcp-change--before (beg end)
  "The text from BEG to END of the current buffer is about to change: keep it."
  (when (and efrit-mcp-change--open (buffer-name) (not (efrit-mcp-change--quiet-p)))
    ;; An error here would take the hook away, and this change is the person's matter.
    (condition-case err
        (save-match-data
          (save-restriction
            (widen)
            (efrit-mcp-change--note (efrit-mcp-change--part-of efrit-mcp-change--open) beg end)))
      (error (setf (efrit-mcp-change-broken efrit-mcp-change--open) (error-message-string err))))))

(defun efrit-mcp-change--part-of (change)
  "Return the part of CHANGE for the current buffer; make it."
  (let ((buffer (or (buffer-base-buffer) (current-buffer))))
    (or (seq-find (lambda (p) (eq (efrit-mcp-change--part-buffer p) buffer)) (efrit-mcp-change-parts change))
        (let ((part (efrit-mcp-change--part :buffer buffer :modified (buffer-modified-p buffer)
                                            :modtime (and buffer-file-name (visited-file-modtime)))))
          (unless (eq buffer-undo-list t)
            (undo-boundary)
            (setf (efrit-mcp-change--part-undo-list part) (list (cons (current-buffer) buffer-undo-list))))
          (push part (efrit-mcp-change-parts change))
          part))))

(defun efrit-mcp-change--others (part)
  "Return the markers of kept changes in the buffer of PART."
  (let ((buffer (efrit-mcp-change--part-buffer part)) (all nil))
    (dolist (change efrit-mcp-change--all)
      (dolist (p (efrit-mcp-change-parts change))
        (when (eq (efrit-mcp-change--part-buffer p) buffer)
          (dolist (h (efrit-mcp-change--part-hunks p))
            (push (efrit-mcp-change--hunk-start h) all)
            (push (efrit-mcp-change--hunk-end h) all)))))
    all))

(defun efrit-mcp-change--note (part beg end)
  "Have a hunk of PART cover BEG to END of the current, widened buffer."
  (let* ((hunks (efrit-mcp-change--part-hunks part))
         (near (seq-filter (lambda (h) (and (<= (efrit-mcp-change--hunk-start h) end)
                                            (>= (efrit-mcp-change--hunk-end h) beg)))
                           hunks)))
    (if (and near (null (cdr near))
             (<= (efrit-mcp-change--hunk-start (car near)) beg)
             (>= (efrit-mcp-change--hunk-end (car near)) end))
        (efrit-mcp-change--expect (car near))
      (when (and (null near) (>= (length hunks) efrit-mcp-change--hunks-max))
        (setq near hunks))
      (let ((merged (efrit-mcp-change--merge part near beg end)))
        (setf (efrit-mcp-change--part-hunks part)
              (cons merged (seq-remove (lambda (h) (memq h near)) hunks)))
        (dolist (h near)
          (set-marker (efrit-mcp-change--hunk-start h) nil)
          (set-marker (efrit-mcp-change--hunk-end h) nil))
        (efrit-mcp-change--expect merged)))))

;; `transpose-regions' moves markers about with the text, so where a hunk is after an
;; elementary change is reckoned, not read from its markers.

(defvar efrit-mcp-change--expected nil
  "The hunk that is about to change, and where it is: (HUNK START END), or nil.")

(defun efrit-mcp-change--expect (hunk)
  "HUNK is about to change: keep where it is."
  (setq efrit-mcp-change--expected (list hunk (marker-position (efrit-mcp-change--hunk-start hunk))
                                         (marker-position (efrit-mcp-change--hunk-end hunk)))))

(defun efrit-mcp-change--after (beg end length)
  "Text of LENGTH became that from BEG to END: the hunk around it is where it was."
  (pcase efrit-mcp-change--expected
    ((and `(,hunk ,from ,to) (guard efrit-mcp-change--open))
     (setq efrit-mcp-change--expected nil)
     (let ((start (efrit-mcp-change--hunk-start hunk)) (last (efrit-mcp-change--hunk-end hunk)))
       (when (and (eq (marker-buffer start) (or (buffer-base-buffer) (current-buffer)))
                  (<= from beg) (<= (+ beg length) to))
         (set-marker start from (marker-buffer start))
         (set-marker last (+ to (- end beg length)) (marker-buffer start)))))))

(defun efrit-mcp-change--merge (part near beg end)
  "Return a hunk for PART that covers the hunks NEAR and the text from BEG to END."
  (let* ((sorted (sort (copy-sequence near) (lambda (a b) (< (efrit-mcp-change--hunk-start a) (efrit-mcp-change--hunk-start b)))))
         (from (apply #'min beg (mapcar (lambda (h) (marker-position (efrit-mcp-change--hunk-start h))) near)))
         (to (apply #'max end (mapcar (lambda (h) (marker-position (efrit-mcp-change--hunk-end h))) near)))
         (others (efrit-mcp-change--others part))
         (pos from) (offset 0) (pieces nil) (kept nil) (loose nil))
    (cl-flet ((gap (upto)
                (dolist (m others)
                  (when (and (<= pos m) (<= m upto)) (push (cons m (+ offset (- m pos))) loose)))
                (push (buffer-substring pos upto) pieces)
                (setq offset (+ offset (- upto pos)))))
      (dolist (h sorted)
        (gap (marker-position (efrit-mcp-change--hunk-start h)))
        (dolist (k (efrit-mcp-change--hunk-kept h)) (push (cons (car k) (+ offset (cdr k))) kept))
        (push (efrit-mcp-change--hunk-old h) pieces)
        (setq offset (+ offset (length (efrit-mcp-change--hunk-old h)))
              pos (marker-position (efrit-mcp-change--hunk-end h))))
      (gap to))
    (dolist (k loose) (unless (assq (car k) kept) (push k kept)))
    (let ((buffer (efrit-mcp-change--part-buffer part)))
      (efrit-mcp-change--hunk :start (set-marker (make-marker) from buffer)
                              :end (let ((m (set-marker (make-marker) to buffer)))
                                     (set-marker-insertion-type m t)
                                     m)
                              :old (apply #'concat (nreverse pieces)) :kept kept))))

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
            (setq efrit-mcp-change--expected nil)
            (add-hook 'before-change-functions #'efrit-mcp-change--before)
            (add-hook 'after-change-functions #'efrit-mcp-change--after)
            (setq value (funcall function)))
        (remove-hook 'before-change-functions #'efrit-mcp-change--before)
        (remove-hook 'after-change-functions #'efrit-mcp-change--after)
        (setq kept (efrit-mcp-change--close change)))
      (cons value (and kept change)))))

(defun efrit-mcp-change--close (change)
  "CHANGE is complete: keep it; return non-nil unless nothing is another."
  (setf (efrit-mcp-change-parts change)
        (seq-filter #'efrit-mcp-change--close-part (nreverse (efrit-mcp-change-parts change))))
  (when (efrit-mcp-change-parts change)
    (setf (efrit-mcp-change-id change) (format "u%d" (setq efrit-mcp-change--count (1+ efrit-mcp-change--count))))
    (push change efrit-mcp-change--all)
    (efrit-mcp-change--trim)
    (run-hook-with-args 'efrit-mcp-change-functions change)
    t))

(defun efrit-mcp-change--close-part (part)
  "Take the new text of PART down; return non-nil unless nothing is another."
  (let ((buffer (efrit-mcp-change--part-buffer part)))
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (efrit-mcp-change--one-step part)
        (save-restriction
          (widen)
          (setf (efrit-mcp-change--part-tick part) (buffer-chars-modified-tick)
                (efrit-mcp-change--part-hunks part)
                (sort (seq-filter #'efrit-mcp-change--close-hunk (efrit-mcp-change--part-hunks part))
                      (lambda (a b) (< (efrit-mcp-change--hunk-start a) (efrit-mcp-change--hunk-start b))))))
        (efrit-mcp-change--part-hunks part)))))

(defun efrit-mcp-change--one-step (part)
  "Make what PART did one step of the undo of the person."
  (pcase-dolist (`(,buffer . ,list) (efrit-mcp-change--part-undo-list part))
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (ignore-errors (undo-amalgamate-change-group (list (cons buffer list))))
        (undo-boundary))))
  (setf (efrit-mcp-change--part-undo-list part) nil))

(defun efrit-mcp-change--close-hunk (hunk)
  "Take the new text of HUNK down; return non-nil unless it is the old one."
  (let ((start (efrit-mcp-change--hunk-start hunk)) (end (efrit-mcp-change--hunk-end hunk)))
    (setf (efrit-mcp-change--hunk-new hunk) (buffer-substring-no-properties start end))
    (if (string= (efrit-mcp-change--hunk-new hunk) (efrit-mcp-change--hunk-old hunk))
        (ignore (efrit-mcp-change--put-back hunk (marker-position start))
                (set-marker start nil)
                (set-marker end nil))
      (efrit-mcp-change--settle hunk)
      t)))

(defun efrit-mcp-change--settle (hunk)
  "Have text typed at the edges of HUNK be outside of it from now on."
  (let ((start (efrit-mcp-change--hunk-start hunk)) (end (efrit-mcp-change--hunk-end hunk)))
    (set-marker-insertion-type start (< start end))
    (set-marker-insertion-type end nil)
    (setf (efrit-mcp-change--hunk-around hunk) (efrit-mcp-change--around start end))))

(defun efrit-mcp-change--around (start end)
  "Return (BEFORE . AFTER), a few characters around START to END."
  (cons (buffer-substring-no-properties (max (point-min) (- start 12)) start)
        (buffer-substring-no-properties end (min (point-max) (+ end 12)))))

(defun efrit-mcp-change--size (change)
  "Return how many characters CHANGE holds."
  (let ((n 0))
    (dolist (part (efrit-mcp-change-parts change))
      (dolist (h (efrit-mcp-change--part-hunks part))
        (setq n (+ n (length (efrit-mcp-change--hunk-old h)) (length (efrit-mcp-change--hunk-new h))))))
    n))

(defun efrit-mcp-change--trim ()
  "Forget the oldest changes when there are too many."
  (let ((n 0) (chars 0) (kept nil))
    (dolist (change efrit-mcp-change--all)
      (setq n (1+ n) chars (+ chars (efrit-mcp-change--size change)))
      (if (and (<= n efrit-mcp-change-max) (or (= n 1) (<= chars efrit-mcp-change-chars-max)))
          (push change kept)
        (efrit-mcp-change--forget change)))
    (setq efrit-mcp-change--all (nreverse kept))))

(defun efrit-mcp-change--forget (change)
  "Free the markers of CHANGE."
  (dolist (part (efrit-mcp-change-parts change))
    (dolist (h (efrit-mcp-change--part-hunks part))
      (set-marker (efrit-mcp-change--hunk-start h) nil)
      (set-marker (efrit-mcp-change--hunk-end h) nil))))

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

(defun efrit-mcp-change-lines (part)
  "Return the lines that PART of a change is on now, a list of (FROM . TO)."
  (when (buffer-live-p (efrit-mcp-change--part-buffer part))
    (with-current-buffer (efrit-mcp-change--part-buffer part)
      (save-restriction
        (widen)
        (mapcar (lambda (h)
                  (let ((start (marker-position (efrit-mcp-change--hunk-start h)))
                        (end (marker-position (efrit-mcp-change--hunk-end h))))
                    (cons (efrit-mcp-target-line start)
                          (efrit-mcp-target-line (if (and (> end start) (eq (char-before end) ?\n)) (1- end) end)))))
                (seq-take (efrit-mcp-change--part-hunks part) 10))))))

(defun efrit-mcp-change-describe (change)
  "Return what there is to tell of CHANGE, an alist for JSON.
Its id, client, tool and time, and for each buffer the lines, as 3 or 3-5."
  `((undo_id . ,(efrit-mcp-change-id change))
    ,@(when (efrit-mcp-change-client change) `((client . ,(efrit-mcp-change-client change))))
    (tool . ,(efrit-mcp-change-tool change))
    (time . ,(format-time-string "%FT%TZ" (efrit-mcp-change-time change) t))
    (edited . ,(efrit-mcp-change-places change))
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
                                          (efrit-mcp-change-lines part) ",")))
                 '((buffer . "(killed)")))))
           (efrit-mcp-change-parts change))))

(defun efrit-mcp-change-buffers (change)
  "Return the live buffers that CHANGE is in."
  (seq-filter #'buffer-live-p (mapcar #'efrit-mcp-change--part-buffer (efrit-mcp-change-parts change))))

;;; Taking back

(defun efrit-mcp-change--obstacle (hunk)
  "Return why HUNK in the current, widened buffer cannot be taken back, or nil."
  (let ((start (efrit-mcp-change--hunk-start hunk)) (end (efrit-mcp-change--hunk-end hunk))
        (new (efrit-mcp-change--hunk-new hunk)))
    (cond ((not (marker-position start)) "the text was replaced as a whole")
          ((not (and (<= start end) (= (- end start) (length new))
                     (string= new (buffer-substring-no-properties start end))))
           (format "line %d was changed since" (efrit-mcp-target-line (min start end))))
          ((and (string= new "")
                (let ((now (efrit-mcp-change--around start end)) (then (efrit-mcp-change--hunk-around hunk)))
                  (not (or (string= (car now) (car then)) (string= (cdr now) (cdr then))))))
           (format "what surrounded the deleted text at line %d was changed since" (efrit-mcp-target-line start))))))

(defun efrit-mcp-change--check (change)
  "Signal an error unless all of CHANGE can be taken back."
  (when (efrit-mcp-change-broken change)
    (signal 'efrit-mcp-conflict (list (format "the change %s could not be recorded (%s)" (efrit-mcp-change-id change)
                                              (efrit-mcp-change-broken change)))))
  (when (efrit-mcp-change-undone change)
    (efrit-mcp-invalid "%s was taken back already; undo %s to have it again" (efrit-mcp-change-id change)
                       (efrit-mcp-change-undone change)))
  (dolist (part (efrit-mcp-change-parts change))
    (let ((buffer (efrit-mcp-change--part-buffer part)))
      (unless (buffer-live-p buffer)
        (signal 'efrit-mcp-conflict (list (format "a buffer that %s changed was killed" (efrit-mcp-change-id change)))))
      (with-current-buffer buffer
        (efrit-mcp-secret-check buffer)
        (when buffer-read-only
          (signal 'efrit-mcp-read-only (list (format "the buffer %s is read-only now" (buffer-name)))))
        (save-restriction
          (widen)
          (let ((obstacle (seq-some #'efrit-mcp-change--obstacle (efrit-mcp-change--part-hunks part))))
            (when obstacle
              (signal 'efrit-mcp-conflict
                      (list (format "%s cannot be taken back: in %s %s; nothing was changed. Take back later changes first, or edit the text"
                                    (efrit-mcp-change-id change) (buffer-name) obstacle))))))))))

(defun efrit-mcp-change--restore (part)
  "Put the text of PART back as it was."
  (with-current-buffer (efrit-mcp-change--part-buffer part)
    (let ((calm (and (not (efrit-mcp-change--part-modified part))
                     (eq (efrit-mcp-change--part-tick part) (buffer-chars-modified-tick))
                     buffer-file-name
                     (equal (efrit-mcp-change--part-modtime part) (visited-file-modtime)))))
      (save-excursion
        (save-restriction
          (widen)
          (dolist (hunk (reverse (efrit-mcp-change--part-hunks part)))
            (efrit-mcp-change--restore-hunk hunk))))
      (when calm (set-buffer-modified-p nil)))))

(defun efrit-mcp-change--restore-hunk (hunk)
  "Put the text of HUNK back as it was, and the markers of others with it."
  (let* ((start (efrit-mcp-change--hunk-start hunk)) (end (efrit-mcp-change--hunk-end hunk))
         (old (efrit-mcp-change--hunk-old hunk)) (at (marker-position start)))
    (delete-region at end)
    (goto-char at)
    (insert old)
    (set-marker start at)
    (set-marker end (+ at (length old)))
    (efrit-mcp-change--put-back hunk at)))

(defun efrit-mcp-change--put-back (hunk at)
  "Put the markers of other changes back into the old text of HUNK, now AT."
  (pcase-dolist (`(,marker . ,offset) (efrit-mcp-change--hunk-kept hunk))
    (when (marker-buffer marker)
      (set-marker marker (+ at offset)))))

(defun efrit-mcp-change-undo (change)
  "Take CHANGE back in all its buffers, or signal an error and do nothing.
Return the change that this is: to take that one back is to redo."
  (efrit-mcp-change--check change)
  (let* ((places (efrit-mcp-change-places change))
         (undo (cdr (efrit-mcp-change-record
                     "emacs_undo"
                     (lambda () (mapc #'efrit-mcp-change--restore (efrit-mcp-change-parts change)) places)))))
    (setf (efrit-mcp-change-undone change) (if undo (efrit-mcp-change-id undo) "nothing"))
    (when undo
      (setf (efrit-mcp-change-undoes undo) (efrit-mcp-change-id change)))
    (let ((before (and (efrit-mcp-change-undoes change) (efrit-mcp-change-find (efrit-mcp-change-undoes change)))))
      (when before ; an undo was taken back: that change stands again
        (setf (efrit-mcp-change-undone before) nil)))
    (run-hook-with-args 'efrit-mcp-change-functions change)
    undo))

(defun efrit-mcp-change-undo-id (id)
  "Take the change with ID, a string, back; see `efrit-mcp-change-undo'."
  (efrit-mcp-change-undo
   (or (efrit-mcp-change-find id)
       (efrit-mcp-invalid "there is no change %s%s" id
                          (if efrit-mcp-change--all
                              (format "; the last are %s" (mapconcat #'efrit-mcp-change-id (seq-take efrit-mcp-change--all 5) ", "))
                            "")))))

(provide 'efrit-mcp-change)
;;; efrit-mcp-change.el ends here
