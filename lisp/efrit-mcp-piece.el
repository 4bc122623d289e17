;;; efrit-mcp-piece.el --- The line of pieces that agents put into a buffer or took out  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Each buffer that a kept change touched has a line: pieces of text in the order they
;; have in the buffer.  A piece knows the change that made it and the changes that
;; deleted it.  A deleted piece keeps its place among its neighbours, so that pieces that
;; touch come back in their order, by whichever change is taken back first.  Between the
;; pieces is text that no kept change touched; markers follow the edits in it.
;;
;; While a change is recorded, each of its hunks stands in the line in the place of the
;; pieces that it covers.

;;; Code:

(require 'seq)
(eval-when-compile (require 'cl-lib))

(cl-defstruct (efrit-mcp-piece (:constructor efrit-mcp-piece--make) (:copier efrit-mcp-piece--copy))
  "TEXT that the change MAKER inserted; nil: it is older than the kept changes.
KILLERS are the changes that deleted it.  A LIVE piece is from START to
END, markers; another one has its place at START, between the few
characters AROUND.  LOST says that somebody else edited it.  ORIGIN is
the same for the parts of one piece."
  text start end maker killers live around lost origin)

(cl-defstruct (efrit-mcp-piece-hunk (:constructor efrit-mcp-piece--hunk) (:copier nil))
  "What the change that is recorded now does from START to END, markers.
CONTENT are the pieces that were there, in their order.  A WIDE one covers
text that did not change, too."
  start end content wide)

(defvar efrit-mcp-piece--lines (make-hash-table :test #'eq :weakness 'key)
  "The line of each base buffer.")

(defun efrit-mcp-piece-line (buffer)
  "Return the line of BUFFER, a list of pieces and hunks."
  (gethash buffer efrit-mcp-piece--lines))

(defun efrit-mcp-piece-set-line (buffer line)
  "Make LINE the line of BUFFER."
  (if line (puthash buffer line efrit-mcp-piece--lines)
    (remhash buffer efrit-mcp-piece--lines)))

(defun efrit-mcp-piece-place (piece start end live buffer)
  "Have PIECE be from START to END in BUFFER, LIVE or not.
Text that somebody types at its edges stays outside of it."
  (dolist (at (list (cons start (efrit-mcp-piece-start piece)) (cons end (efrit-mcp-piece-end piece))))
    (set-marker (cdr at) (car at) buffer))
  (set-marker-insertion-type (efrit-mcp-piece-start piece) live)
  (setf (efrit-mcp-piece-live piece) live))

(defun efrit-mcp-piece--new (text maker origin)
  "Return a live piece without a place, a part of ORIGIN: TEXT, inserted by MAKER."
  (efrit-mcp-piece--make :text text :maker maker :live t :origin (or origin (list nil))
                         :start (make-marker) :end (make-marker)))

(defun efrit-mcp-piece-from (item)
  "Return where ITEM, a piece or a hunk, begins."
  (if (efrit-mcp-piece-hunk-p item)
      (marker-position (efrit-mcp-piece-hunk-start item))
    (if (efrit-mcp-piece-live item)
        (min (efrit-mcp-piece-start item) (efrit-mcp-piece-end item))
      (marker-position (efrit-mcp-piece-start item)))))

(defun efrit-mcp-piece-to (item)
  "Return where ITEM, a piece or a hunk, ends."
  (cond ((efrit-mcp-piece-hunk-p item) (marker-position (efrit-mcp-piece-hunk-end item)))
        ((efrit-mcp-piece-live item) (marker-position (efrit-mcp-piece-end item)))
        (t (marker-position (efrit-mcp-piece-start item)))))

(defun efrit-mcp-piece-intact-p (piece)
  "Return non-nil if the text of PIECE is in the current buffer."
  (let ((start (efrit-mcp-piece-start piece)) (end (efrit-mcp-piece-end piece)) (text (efrit-mcp-piece-text piece)))
    (and (efrit-mcp-piece-live piece) (<= start end) (= (- end start) (length text))
         (string= text (buffer-substring-no-properties start end)))))

(defun efrit-mcp-piece-straighten (buffer)
  "Have the line of BUFFER, the current one, be in order again.
A deleted piece stays behind when text is inserted by the hunk before it, and
`transpose-regions' takes markers at the start of a hunk into it."
  (let ((at (point-min)) (most nil))
    (dolist (item (reverse (efrit-mcp-piece-line buffer)))
      (cond ((efrit-mcp-piece-hunk-p item) (setq most (marker-position (efrit-mcp-piece-hunk-start item))))
            (most (when (> (efrit-mcp-piece-start item) most) (set-marker (efrit-mcp-piece-start item) most buffer))
                  (when (> (efrit-mcp-piece-end item) most) (set-marker (efrit-mcp-piece-end item) most buffer)))))
    (dolist (item (efrit-mcp-piece-line buffer))
      (if (efrit-mcp-piece-hunk-p item)
          (setq at (max at (marker-position (efrit-mcp-piece-hunk-end item))))
        (when (< (efrit-mcp-piece-start item) at) (set-marker (efrit-mcp-piece-start item) at buffer))
        (when (< (efrit-mcp-piece-end item) at) (set-marker (efrit-mcp-piece-end item) at buffer))
        (setq at (efrit-mcp-piece-to item))))))

;;; Cutting

(defun efrit-mcp-piece--cut (piece length)
  "Return (HEAD . TAIL), PIECE cut after LENGTH characters; PIECE is the head."
  (let ((tail (efrit-mcp-piece--copy piece)) (text (efrit-mcp-piece-text piece)) (start (efrit-mcp-piece-start piece))
        (killers (copy-sequence (efrit-mcp-piece-killers piece))))
    (setf (efrit-mcp-piece-text piece) (substring text 0 length)
          (efrit-mcp-piece-text tail) (substring text length)
          (efrit-mcp-piece-killers tail) killers
          (efrit-mcp-piece-start tail) (copy-marker start t)
          (efrit-mcp-piece-end tail) (copy-marker (efrit-mcp-piece-end piece)))
    (when (marker-buffer start)
      (let ((at (+ start length)) (buffer (marker-buffer start)))
        (efrit-mcp-piece-place tail at (marker-position (efrit-mcp-piece-end piece)) t buffer)
        (efrit-mcp-piece-place piece (marker-position start) at t buffer)))
    (cons piece tail)))

(defun efrit-mcp-piece--halve (pieces length)
  "Return (HEAD . TAIL), the list PIECES cut after LENGTH characters of text."
  (let ((head nil))
    (while (and pieces (or (> length 0) (not (efrit-mcp-piece-live (car pieces)))))
      (let* ((piece (pop pieces)) (n (if (efrit-mcp-piece-live piece) (length (efrit-mcp-piece-text piece)) 0)))
        (when (> n length)
          (let ((cut (efrit-mcp-piece--cut piece length)))
            (push (cdr cut) pieces)
            (setq piece (car cut) n length)))
        (setq length (- length n))
        (push piece head)))
    (cons (nreverse head) pieces)))

(defun efrit-mcp-piece--old (pieces)
  "Return the text that PIECES were."
  (mapconcat (lambda (p) (if (efrit-mcp-piece-live p) (efrit-mcp-piece-text p) "")) pieces ""))

;;; Hunks

(defun efrit-mcp-piece-open (buffer from to near wide)
  "Return a new hunk for FROM to TO of BUFFER, the current, widened one.
It takes in the hunks NEAR, which touch that, and all between.
WIDE is as the hunk has it."
  (efrit-mcp-piece-straighten buffer)
  (let ((left nil) (right nil) (content nil) (pos from) (before t) (ahead (length near))
        (hunk (efrit-mcp-piece--hunk :start (make-marker) :end (make-marker) :wide wide)))
    (set-marker (efrit-mcp-piece-hunk-start hunk) from buffer) ; the current buffer may be an indirect one
    (set-marker (efrit-mcp-piece-hunk-end hunk) to buffer)
    (set-marker-insertion-type (efrit-mcp-piece-hunk-end hunk) t)
    (cl-labels ((gap (upto)
                  (when (< pos upto) (push (efrit-mcp-piece--new (buffer-substring pos upto) nil nil) content))
                  (setq pos (max pos upto)))
                (inside (piece)
                  (gap (efrit-mcp-piece-from piece))
                  (push piece content)
                  (setq pos (max pos (efrit-mcp-piece-to piece))))
                (put (piece)
                  (let ((a (efrit-mcp-piece-from piece)) (b (efrit-mcp-piece-to piece)))
                    (cond ((and before (<= b from)) (push piece left))
                          ((and (= ahead 0) (>= a to)) (push piece right))
                          ((not (efrit-mcp-piece-intact-p piece)) (efrit-mcp-piece--give-up piece) (inside piece))
                          ((and before (< a from))
                           (let ((cut (efrit-mcp-piece--cut piece (- from a)))) (push (car cut) left) (put (cdr cut))))
                          ((and (= ahead 0) (> b to))
                           (let ((cut (efrit-mcp-piece--cut piece (- to a)))) (put (car cut)) (push (cdr cut) right)))
                          (t (inside piece))))))
      (dolist (item (efrit-mcp-piece-line buffer))
        (cond ((memq item near)
               (gap (efrit-mcp-piece-from item))
               (setq content (append (reverse (efrit-mcp-piece-hunk-content item)) content)
                     pos (efrit-mcp-piece-to item) before nil ahead (1- ahead)))
              ((efrit-mcp-piece-hunk-p item) (if (<= (efrit-mcp-piece-to item) from) (push item left) (push item right)))
              (t (put item))))
      (gap to))
    (setf (efrit-mcp-piece-hunk-content hunk) (nreverse content))
    (efrit-mcp-piece-set-line buffer (nconc (nreverse left) (list hunk) (nreverse right)))
    (dolist (h near)
      (set-marker (efrit-mcp-piece-hunk-start h) nil)
      (set-marker (efrit-mcp-piece-hunk-end h) nil))
    hunk))

(defun efrit-mcp-piece--give-up (piece)
  "Have PIECE, which somebody else edited, be a place without text from now on."
  (when (efrit-mcp-piece-live piece)
    (setf (efrit-mcp-piece-lost piece) t)
    (efrit-mcp-piece-place piece (efrit-mcp-piece-from piece) (efrit-mcp-piece-from piece) nil
                            (marker-buffer (efrit-mcp-piece-start piece)))))

(defun efrit-mcp-piece--revive (pieces at buffer)
  "Put PIECES back where their text is in BUFFER still, from AT on.
Return the ones that a kept change knows of."
  (seq-filter (lambda (piece)
                (if (not (efrit-mcp-piece-live piece))
                    (progn (efrit-mcp-piece-place piece at at nil buffer) t)
                  (let ((end (+ at (length (efrit-mcp-piece-text piece)))))
                    (when (or (efrit-mcp-piece-maker piece) (efrit-mcp-piece-killers piece))
                      (efrit-mcp-piece-place piece at end t buffer))
                    (setq at end)
                    (or (efrit-mcp-piece-maker piece) (efrit-mcp-piece-killers piece)))))
              pieces))

(defun efrit-mcp-piece--join (pieces)
  "Return PIECES with neighbours that no change knows of as one."
  (let ((joined nil) (texts nil))
    (cl-flet ((flush () (when texts
                          (push (efrit-mcp-piece--new (apply #'concat (nreverse texts)) nil nil) joined)
                          (setq texts nil))))
      (dolist (piece pieces)
        (if (or (efrit-mcp-piece-maker piece) (efrit-mcp-piece-killers piece))
            (progn (flush) (push piece joined))
          (push (efrit-mcp-piece-text piece) texts)))
      (flush))
    (nreverse joined)))

(defun efrit-mcp-piece--replaced (pieces start end change buffer)
  "CHANGE made the text from START to END of BUFFER out of PIECES.
Return the pieces that are there now.  The new text is first: text typed
before or behind it stays on that side of the old."
  (dolist (piece (setq pieces (efrit-mcp-piece--join pieces)))
    (when (efrit-mcp-piece-live piece) (push change (efrit-mcp-piece-killers piece)))
    (efrit-mcp-piece-place piece end end nil buffer))
  (if (= start end) pieces
    (let ((new (efrit-mcp-piece--new (buffer-substring-no-properties start end) change nil)))
      (efrit-mcp-piece-place new start end t buffer)
      (cons new pieces))))

(defun efrit-mcp-piece-same (old new wide)
  "Return (N . M), how many characters OLD and NEW share at their ends.
Unless WIDE, none: an agent that writes a text again means all of it."
  (if (not wide) '(0 . 0)
    (cl-flet ((shared (a b most)
                (let ((n (compare-strings a 0 most b 0 most))) (if (eq n t) most (1- (abs n))))))
      (let* ((most (min (length old) (length new))) (n (shared old new most)))
        (cons n (shared (reverse old) (reverse new) (- most n)))))))

(defun efrit-mcp-piece--close (hunk change buffer)
  "Make pieces of HUNK of CHANGE in BUFFER, the current one, and return them."
  (let* ((start (marker-position (efrit-mcp-piece-hunk-start hunk))) (end (marker-position (efrit-mcp-piece-hunk-end hunk)))
         (content (efrit-mcp-piece-hunk-content hunk)) (old (efrit-mcp-piece--old content))
         (new (buffer-substring-no-properties start end)))
    (set-marker (efrit-mcp-piece-hunk-start hunk) nil)
    (set-marker (efrit-mcp-piece-hunk-end hunk) nil)
    (if (string= old new)
        (efrit-mcp-piece--revive content start buffer)
      (let* ((same (efrit-mcp-piece-same old new (efrit-mcp-piece-hunk-wide hunk)))
             (head (efrit-mcp-piece--halve content (car same)))
             (tail (efrit-mcp-piece--halve (cdr head) (- (length old) (car same) (cdr same)))))
        (append (efrit-mcp-piece--revive (car head) start buffer)
                (efrit-mcp-piece--replaced (car tail) (+ start (car same)) (- end (cdr same)) change buffer)
                (efrit-mcp-piece--revive (cdr tail) (- end (cdr same)) buffer))))))

(defun efrit-mcp-piece-close (buffer change)
  "Make pieces of the hunks of CHANGE in BUFFER, the current, widened one.
Return how many characters they hold, nil where the text is as it was."
  (efrit-mcp-piece-straighten buffer)
  (efrit-mcp-piece-set-line
   buffer (mapcan (lambda (item)
                    (if (efrit-mcp-piece-hunk-p item) (efrit-mcp-piece--close item change buffer) (list item)))
                  (efrit-mcp-piece-line buffer)))
  (efrit-mcp-piece-straighten buffer)
  (let ((mine (seq-filter (lambda (p) (efrit-mcp-piece-of-p p change)) (efrit-mcp-piece-line buffer))))
    (and mine (apply #'+ (mapcar (lambda (p) (length (efrit-mcp-piece-text p))) mine)))))

(defun efrit-mcp-piece-of-p (item change)
  "Return non-nil if ITEM of a line is a piece that CHANGE made or deleted."
  (and (efrit-mcp-piece-p item)
       (or (eq change (efrit-mcp-piece-maker item)) (memq change (efrit-mcp-piece-killers item)))))

;;; The pieces around a deleted one

(defconst efrit-mcp-piece--around 4 "Characters on each side of a deleted piece that are looked at.")

(defun efrit-mcp-piece--around (pos)
  "Return (BEFORE . AFTER), a few characters around POS."
  (cons (buffer-substring-no-properties (max (point-min) (- pos efrit-mcp-piece--around)) pos)
        (buffer-substring-no-properties pos (min (point-max) (+ pos efrit-mcp-piece--around)))))

(defun efrit-mcp-piece-astray-p (piece)
  "Return non-nil if both sides of PIECE, a deleted one, are not what they were."
  (let ((then (efrit-mcp-piece-around piece)) (now (efrit-mcp-piece--around (efrit-mcp-piece-start piece))))
    (not (or (null then) (string= (car now) (car then)) (string= (cdr now) (cdr then))))))

(defun efrit-mcp-piece-look (buffer)
  "See which pieces of BUFFER, the current, widened one, are lost.
That is before an agent edits it.  Beside a live piece the place of a
deleted one is certain."
  (efrit-mcp-piece-straighten buffer)
  (let ((beside nil) (unsure nil))
    (dolist (piece (efrit-mcp-piece-line buffer))
      (let ((at (efrit-mcp-piece-from piece)))
        (cond ((not (efrit-mcp-piece-live piece))
               (when (and (not (eql at beside)) (efrit-mcp-piece-astray-p piece)) (push piece unsure)))
              (t (setq unsure (seq-remove (lambda (p) (= at (efrit-mcp-piece-start p))) unsure)
                       beside (efrit-mcp-piece-to piece))))))
    (dolist (piece unsure) (setf (efrit-mcp-piece-lost piece) t))))

(defun efrit-mcp-piece-note (buffer)
  "After an agent edited BUFFER, the current, widened one: note its surroundings.
Those of deleted pieces tell later whether their place is still the same."
  (let ((pos nil) (around nil))
    (dolist (piece (efrit-mcp-piece-line buffer))
      (unless (efrit-mcp-piece-live piece)
        (unless (eql pos (marker-position (efrit-mcp-piece-start piece)))
          (setq pos (marker-position (efrit-mcp-piece-start piece)) around (efrit-mcp-piece--around pos)))
        (setf (efrit-mcp-piece-around piece) around)))))

;;; Forgetting

(defun efrit-mcp-piece-sweep (buffer kept-p)
  "Drop the pieces of BUFFER of which KEPT-P, a function, wants no change."
  (efrit-mcp-piece-set-line
   buffer (seq-filter (lambda (item)
                        (or (efrit-mcp-piece-hunk-p item)
                            (and (efrit-mcp-piece-maker item) (funcall kept-p (efrit-mcp-piece-maker item)))
                            (seq-some kept-p (efrit-mcp-piece-killers item))
                            (ignore (set-marker (efrit-mcp-piece-start item) nil)
                                    (set-marker (efrit-mcp-piece-end item) nil))))
                      (efrit-mcp-piece-line buffer))))

(provide 'efrit-mcp-piece)
;;; efrit-mcp-piece.el ends here
