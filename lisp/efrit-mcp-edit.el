;;; efrit-mcp-edit.el --- Edits that are proposed, shown and applied  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; An agent names old text and new text.  `efrit-mcp-edit-propose' finds each old text
;; in the live buffer, all or none; the proposal can be shown as a diff, kept, and
;; applied later: then the text must still be the one it was made for.

;;; Code:

(require 'efrit-mcp-target)
(require 'efrit-mcp-change)
(require 'efrit-mcp-eol)
(require 'efrit-mcp-save)
(require 'seq)
(require 'subr-x)
(eval-when-compile (require 'cl-lib))

(cl-defstruct (efrit-mcp-edit (:constructor efrit-mcp-edit--make) (:copier nil))
  "What is proposed for BUFFER, whose tick was TICK.
PIECES is a list of (BEG END NEW), sorted, not overlapping.  CREATES: the
file is not there yet.  CODING, a string, says in which other coding the
text will be saved; BEGUN is the one that an empty buffer gets with it."
  buffer tick pieces creates coding begun)

(defun efrit-mcp-edit--get (edit key)
  "Return the value of KEY, a string, in EDIT, an alist; null is nil."
  (let ((value (cdr (assoc key edit))))
    (unless (memq value '(:null :false)) value)))

;;; Finding

(defun efrit-mcp-edit--hint (old)
  "Return where something like OLD is in the widened current buffer, in words."
  (let ((words (split-string old "[ \t\n]+" t)) (case-fold-search t))
    (save-excursion
      (goto-char (point-min))
      (cond ((or (null words) (> (length words) 200)) "")
            ((ignore-errors (re-search-forward (mapconcat #'regexp-quote words "[ \t\n]+") nil t))
             (format "; line %d differs in white space or case only" (efrit-mcp-target-line (match-beginning 0))))
            ((progn (goto-char (point-min))
                    (ignore-errors (search-forward (string-trim (car (split-string (string-trim old) "\n"))) nil t)))
             (format "; its first line is at line %d, what follows differs" (efrit-mcp-target-line (match-beginning 0))))
            (t "; read the text again")))))

(defun efrit-mcp-edit--lines-of (positions)
  "Return the lines of POSITIONS in words, some of them."
  (concat (mapconcat (lambda (p) (number-to-string (efrit-mcp-target-line p))) (seq-take positions 8) ", ")
          (if (nthcdr 8 positions) ", ..." "")))

(defun efrit-mcp-edit--choose (positions line n)
  "Return the one of POSITIONS that is nearest to LINE, for the edit number N."
  (let* ((far (lambda (p) (abs (- (efrit-mcp-target-line p) line))))
         (sorted (sort (copy-sequence positions) (lambda (a b) (< (funcall far a) (funcall far b))))))
    (when (and (cdr sorted) (= (funcall far (car sorted)) (funcall far (cadr sorted))))
      (efrit-mcp-invalid "edit %d: two matches are as near to line %d: lines %s" n line (efrit-mcp-edit--lines-of positions)))
    (car sorted)))

(defun efrit-mcp-edit--replace (edit old new n)
  "Return the pieces of EDIT, number N, that makes OLD to NEW."
  (let* ((matches (efrit-mcp-eol-matches old (efrit-mcp-edit--get edit "all")))
         (line (efrit-mcp-edit--get edit "near_line")))
    (cond ((null matches)
           (signal 'efrit-mcp-not-found
                   (list (format "edit %d: the old text is not in %s%s; nothing was changed" n (buffer-name) (efrit-mcp-edit--hint old)))))
          ((efrit-mcp-edit--get edit "all"))
          ((null (cdr matches)))
          (line (setq matches (list (assq (efrit-mcp-edit--choose (mapcar #'car matches) line n) matches))))
          (t (efrit-mcp-invalid "edit %d: the old text is there %d times, at lines %s: give more of it, near_line, or all; nothing was changed"
                                n (length matches) (efrit-mcp-edit--lines-of (mapcar #'car matches)))))
    (mapcar (pcase-lambda (`(,beg . ,end)) (list beg end (efrit-mcp-eol-place new beg end))) matches)))

(defun efrit-mcp-edit--lines-there ()
  "Return how many lines the widened current buffer has."
  (efrit-mcp-target-line (if (eq (char-before (point-max)) ?\n) (1- (point-max)) (point-max))))

(defun efrit-mcp-edit--insert (line new n)
  "Return the piece that puts NEW, whole lines, before LINE; -1: at the end.
The edit's number is N."
  (let ((lines (if (= (point-min) (point-max)) 0 (efrit-mcp-edit--lines-there))))
    (unless (or (= line -1) (<= 1 line (1+ lines)))
      (efrit-mcp-invalid "edit %d: there is no line %d in %s, which has %d line%s; -1 is the end; nothing was changed"
                         n line (buffer-name) lines (if (= lines 1) "" "s")))
    (let ((at (if (memq line (list -1 (1+ lines))) (point-max)
                (save-excursion (goto-char (point-min)) (forward-line (1- line)) (point)))))
      (list (list at at (if (= lines 0)
                            (efrit-mcp-eol-begin (efrit-mcp-eol-line new))
                          (efrit-mcp-eol-place (efrit-mcp-eol-line (efrit-mcp-eol-fit new)) at at)))))))

(defun efrit-mcp-edit--apart (pieces)
  "Return PIECES, sorted, with a line end before lines that are put at the end.
That is missing where the last line of the text has none."
  (let* ((last (char-before (point-max))) (ended (or (null last) (eq last ?\n))))
    (mapcar
     (pcase-lambda (`(,beg ,end ,new))
       (let ((at-end (= beg end (point-max))))
         (prog1 (list beg end
                      (if (and at-end (not ended) (> (length new) 0) (not (string-match-p "\\`\r?\n[\r\n]*[^\r\n]" new)))
                          (concat (efrit-mcp-eol-place "\n" beg end) new)
                        new))
           (cond ((not (= end (point-max))))
                 ((> (length new) 0) (setq ended (string-suffix-p "\n" new)))
                 ((not at-end) (setq ended (memq (char-before beg) '(nil ?\n))))))))
     pieces)))

(defun efrit-mcp-edit--pieces (edit n whole)
  "Return the pieces of EDIT, number N, in the widened current buffer.
WHOLE: without old text and line it is the whole text."
  (let ((old (or (efrit-mcp-edit--get edit "old") "")) (new (cdr (assoc "new" edit)))
        (line (efrit-mcp-edit--get edit "line")))
    (unless (stringp new) (efrit-mcp-invalid "edit %d: new is missing" n))
    (when (string= old new)
      (unless (string= old "") (efrit-mcp-invalid "edit %d: old and new are the same" n)))
    (cond ((and line (not (string= old ""))) (efrit-mcp-invalid "edit %d: line is for inserting, without old; near_line chooses a match" n))
          (line (efrit-mcp-edit--insert line new n))
          ((not (string= old "")) (efrit-mcp-edit--replace edit old new n))
          ((or whole (= (point-min) (point-max)))
           (list (list (point-min) (point-max) (if whole (efrit-mcp-eol-fit new) (efrit-mcp-eol-begin new)))))
          (t (efrit-mcp-invalid "edit %d: old is empty: give old, or line to insert at; to replace the whole text give its hash" n)))))

(defun efrit-mcp-edit--check-overlap (pieces)
  "Signal an error if two of PIECES, which are sorted, overlap."
  (while (cdr pieces)
    (when (> (cadr (car pieces)) (car (cadr pieces)))
      (efrit-mcp-invalid "two edits overlap at line %d: make them one; nothing was changed" (efrit-mcp-target-line (car (cadr pieces)))))
    (setq pieces (cdr pieces))))

(defun efrit-mcp-edit-check-writable ()
  "Signal an error that says why if the current buffer is read-only."
  (when buffer-read-only
    (signal 'efrit-mcp-read-only
            (list (format "the buffer %s is read-only: %s" (buffer-name) (efrit-mcp-edit--why-read-only))))))

(defun efrit-mcp-edit--why-read-only ()
  "Return why the current buffer is read-only, in words."
  (let ((file (efrit-mcp-save-file (current-buffer))))
    (cond ((bound-and-true-p view-mode) "view-mode is on")
          ((and file (not (file-remote-p file)) (efrit-mcp-save-obstacle file)))
          ((derived-mode-p 'special-mode) (format "%s shows what is made, not written" major-mode))
          (file "its file may be written, but the person, a mode or a local variable made the buffer so")
          (t "the person or a mode made it so"))))

(defun efrit-mcp-edit-propose (buffer edits &optional hash creates)
  "Return a proposal to do EDITS, alists, in BUFFER; nothing is changed yet.
An edit has new, and old (with all, or near_line where it is there more
than once) or line, before which new is put.  All old texts are those of
the text as it is now.  HASH: the text must have that; then one edit with
new alone is the whole text.  CREATES: BUFFER is for a new file."
  (with-current-buffer buffer
    (efrit-mcp-edit-check-writable)
    (save-restriction
      (widen)
      (when (and hash (not (equal hash (efrit-mcp-target-hash))))
        (signal 'efrit-mcp-conflict
                (list (format "the text of %s is not the one with hash %s: it was changed since; read it again (hash now %s)"
                              (buffer-name) hash (efrit-mcp-target-hash)))))
      (let* ((n 0) (efrit-mcp-eol-begun nil)
             (pieces (sort (seq-mapcat (lambda (e) (efrit-mcp-edit--pieces e (setq n (1+ n)) hash)) (append edits nil))
                           (lambda (a b) (or (< (car a) (car b)) (and (= (car a) (car b)) (< (cadr a) (cadr b))))))))
        (efrit-mcp-edit--judged (efrit-mcp-edit--apart pieces) creates)))))

(defun efrit-mcp-edit--judged (pieces &optional creates)
  "Return the proposal to do PIECES, sorted, in the widened current buffer.
Signal an error where the text could not be written then, or is locked.
CREATES: it is for a new file."
  (efrit-mcp-edit--check-overlap pieces)
  (efrit-mcp-kind-check-lock (efrit-mcp-save-file (current-buffer)))
  (let ((coding (efrit-mcp-coding-judge pieces)))
    (efrit-mcp-edit--make :buffer (current-buffer) :tick (buffer-chars-modified-tick) :pieces pieces :creates creates :begun efrit-mcp-eol-begun
                          :coding (and coding (not creates) (format "%s -> %s" buffer-file-coding-system coding)))))

(defun efrit-mcp-edit-of-pieces (buffer pieces)
  "Return a proposal to do PIECES, sorted (BEG END NEW), in BUFFER.
What is the same in the old and the new lines of a piece stays."
  (with-current-buffer buffer
    (efrit-mcp-edit-check-writable)
    (save-restriction
      (widen)
      (efrit-mcp-edit--check-overlap pieces)
      (efrit-mcp-edit--judged
       (seq-mapcat (pcase-lambda (`(,beg ,end ,new)) (efrit-mcp-edit--refine (list beg end (efrit-mcp-eol-place new beg end))))
                   pieces)))))

(defun efrit-mcp-edit--lines (text)
  "Return the lines of TEXT, each with its newline, a vector."
  (let ((lines nil) (at 0))
    (while (< at (length text))
      (let ((end (1+ (or (string-search "\n" text at) (1- (length text))))))
        (push (substring text at end) lines)
        (setq at end)))
    (vconcat (nreverse lines))))

(defun efrit-mcp-edit--meet (old i new j)
  "Return (K . L): the lines OLD and NEW are the same again at I+K and J+L.
Nil: not within 60 lines."
  (catch 'meet
    (let ((sum 1))
      (while (< sum 60)
        (dotimes (k (1+ sum))
          (let ((a (+ i k)) (b (+ j (- sum k))))
            (when (and (< a (length old)) (< b (length new)) (string= (aref old a) (aref new b))
                       (not (string= (aref old a) "\n")))
              (throw 'meet (cons k (- sum k))))))
        (setq sum (1+ sum))))))

(defun efrit-mcp-edit--refine (piece)
  "Return PIECE as pieces of the lines that differ, in the current buffer."
  (pcase-let ((`(,beg ,end ,new) piece))
    (if (or (< (- end beg) 200) (> (- end beg) 2000000))
        (list piece)
      (let* ((a (efrit-mcp-edit--lines (buffer-substring-no-properties beg end))) (b (efrit-mcp-edit--lines new))
             (i 0) (j 0) (pos beg) (pieces nil))
        (while (or (< i (length a)) (< j (length b)))
          (if (and (< i (length a)) (< j (length b)) (string= (aref a i) (aref b j)))
              (setq pos (+ pos (length (aref a i))) i (1+ i) j (1+ j))
            (let* ((meet (efrit-mcp-edit--meet a i b j))
                   (k (if meet (+ i (car meet)) (length a))) (l (if meet (+ j (cdr meet)) (length b)))
                   (old (apply #'concat (append (seq-subseq a i k) nil))))
              (push (list pos (+ pos (length old)) (apply #'concat (append (seq-subseq b j l) nil))) pieces)
              (setq pos (+ pos (length old)) i k j l))))
        (nreverse pieces)))))

;;; Applying

(defun efrit-mcp-edit-apply (proposals &optional tool)
  "Do PROPOSALS, a list, all or none; TOOL, a string, is who does it.
Return the change; nil where all is as it was, and inside another
recording, whose part it is.  Signal an `efrit-mcp-conflict' if a text is
not the one it was made for."
  (dolist (p proposals)
    (let ((buffer (efrit-mcp-edit-buffer p)))
      (unless (and (buffer-live-p buffer) (eq (efrit-mcp-edit-tick p) (buffer-chars-modified-tick buffer)))
        (signal 'efrit-mcp-conflict (list "the text was changed since the edit was proposed; nothing was done")))))
  (cdr (efrit-mcp-change-record
        (or tool "emacs_edit")
        (lambda ()
          (let ((groups (mapcar (lambda (p) (prepare-change-group (efrit-mcp-edit-buffer p))) proposals)) (done nil))
            (unwind-protect
                (progn (mapc #'activate-change-group groups)
                       (mapc #'efrit-mcp-edit--do proposals)
                       (setq done t))
              (mapc (if done #'accept-change-group #'cancel-change-group) groups)))))))

(defun efrit-mcp-edit-begin (proposal)
  "Give the buffer of PROPOSAL, where it is empty, the coding of its new text."
  (when (efrit-mcp-edit-begun proposal)
    (with-current-buffer (efrit-mcp-edit-buffer proposal)
      (setq buffer-file-coding-system (efrit-mcp-edit-begun proposal)))))

(defun efrit-mcp-edit--do (proposal)
  "Do PROPOSAL, the last piece first, so that positions stay what they are."
  (with-current-buffer (efrit-mcp-edit-buffer proposal)
    (efrit-mcp-edit-begin proposal)
    (save-excursion
      (save-restriction
        (widen)
        (let ((pieces (efrit-mcp-edit-pieces proposal)))
          (when pieces (efrit-mcp-change-ahead (car (car pieces)) (cadr (car (last pieces))) (length pieces)))
          (pcase-dolist (`(,beg ,end ,new) (reverse pieces))
            (efrit-mcp-edit--put beg end new)))))))

(defun efrit-mcp-edit--put (beg end new)
  "Make the text from BEG to END to NEW; what is the same at both ends stays.
So markers, and points of windows, stay where they were in it."
  (let* ((old (buffer-substring-no-properties beg end))
         (most (min (length old) (length new))) (head 0) (tail 0))
    (setq head (let ((c (compare-strings old nil nil new nil nil))) (if (eq c t) most (1- (abs c)))))
    (while (and (< tail (- most head)) (< tail 10000)
                (eq (aref old (- (length old) tail 1)) (aref new (- (length new) tail 1))))
      (setq tail (1+ tail)))
    (goto-char (+ beg head))
    (delete-region (point) (- end tail))
    (insert (substring new head (- (length new) tail)))))

;;; The diff

(defun efrit-mcp-edit--expand (piece)
  "Return PIECE as whole lines: (FROM TO NEW), in the widened current buffer."
  (pcase-let ((`(,beg ,end ,new) piece))
    (let* ((from (save-excursion (goto-char beg) (line-beginning-position)))
           (whole (concat (buffer-substring-no-properties from beg) new))
           (to (save-excursion (goto-char end)
                               ;; The line at END is another one only where text is left before it.
                               (if (and (bolp) (> end beg) (or (string= whole "") (string-suffix-p "\n" whole)))
                                   (point)
                                 (min (point-max) (1+ (line-end-position))))))
           (to (max to end)))
      (when (and (= beg end) (= from beg) (string-suffix-p "\n" new)) (setq to beg)) ; whole lines are put in
      (list from to (concat (buffer-substring-no-properties from beg) new (buffer-substring-no-properties end to))))))

(defun efrit-mcp-edit--join (pieces)
  "Return PIECES as whole lines, those that share a line as one."
  (let ((joined nil))
    (dolist (piece pieces)
      (let ((wide (efrit-mcp-edit--expand piece)) (last (car joined)))
        (if (and last (< (car wide) (cadr last)))
            ;; Both reach into one line: the new text of the one goes on in the other.
            (let* ((shared (- (cadr last) (car piece)))
                   (head (substring (nth 2 last) 0 (max 0 (- (length (nth 2 last)) shared)))))
              (setcar joined (list (car last) (max (cadr last) (cadr wide))
                                   (concat head (nth 2 piece)
                                           (buffer-substring-no-properties (cadr piece) (max (cadr last) (cadr wide)))))))
          (push wide joined))))
    (nreverse joined)))

(defun efrit-mcp-edit--diff-lines (sign text)
  "Return the lines of TEXT, each after SIGN."
  (if (string= text "") ""
    (concat (mapconcat (lambda (line) (concat sign line)) (split-string (string-remove-suffix "\n" text) "\n") "\n")
            (if (string-suffix-p "\n" text) "\n" "\n\\ No newline at end of file\n"))))

(defun efrit-mcp-edit--count-lines (text)
  "Return how many lines TEXT is."
  (let ((n (seq-count (lambda (c) (eq c ?\n)) text)))
    (if (or (string= text "") (string-suffix-p "\n" text)) n (1+ n))))

(defun efrit-mcp-edit--hunk (group shift)
  "Return (TEXT . SHIFT), the hunk of GROUP of pieces; SHIFT lines went before."
  (let* ((from (save-excursion (goto-char (car (car group))) (forward-line -3) (point)))
         (to (save-excursion (goto-char (cadr (car (last group)))) (forward-line 3)
                             (if (eobp) (point-max) (line-beginning-position))))
         (pos from) (old 0) (new 0) (text nil))
    (cl-flet ((add (sign part)
                (unless (string= part "")
                  (let ((n (efrit-mcp-edit--count-lines part)))
                    (unless (equal sign "+") (setq old (+ old n)))
                    (unless (equal sign "-") (setq new (+ new n)))
                    (push (efrit-mcp-edit--diff-lines sign part) text)))))
      (pcase-dolist (`(,a ,b ,put) group)
        (add " " (buffer-substring-no-properties pos a))
        (add "-" (buffer-substring-no-properties a b))
        (add "+" put)
        (setq pos b))
      (add " " (buffer-substring-no-properties pos to)))
    (let ((line (efrit-mcp-target-line from)))
      (cons (format "@@ -%d,%d +%d,%d @@\n%s" (if (= old 0) (1- line) line) old
                    (if (= new 0) (1- (+ line shift)) (+ line shift)) new
                    (apply #'concat (nreverse text)))
            (+ shift (- new old))))))

(defun efrit-mcp-edit-diff (proposal)
  "Return what PROPOSAL would do as a unified diff."
  (with-current-buffer (efrit-mcp-edit-buffer proposal)
    (save-excursion
      (save-restriction
        (widen)
        (let ((name (if buffer-file-name (file-relative-name buffer-file-name) (buffer-name)))
              (pieces (efrit-mcp-edit--join (efrit-mcp-edit-pieces proposal)))
              (groups nil) (shift 0))
          (dolist (piece pieces)
            (let ((last (car (car groups))))
              (if (and last (<= (count-lines (cadr last) (car piece)) 6))
                  (push piece (car groups))
                (push (list piece) groups))))
          (concat (format "--- %s\n+++ %s\n" (if (efrit-mcp-edit-creates proposal) "/dev/null" name) name)
                  (mapconcat (lambda (group)
                               (let ((hunk (efrit-mcp-edit--hunk (reverse group) shift)))
                                 (setq shift (cdr hunk))
                                 (car hunk)))
                             (reverse groups) "")))))))

(provide 'efrit-mcp-edit)
;;; efrit-mcp-edit.el ends here
