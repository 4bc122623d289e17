;;; efrit-mcp-change-undo-test.el --- Taking back edits that touch, against a model  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)

;;; The model: every character that ever was, with who inserted it and who deleted it

(cl-defstruct (efrit-mcp-change-undo-test-cell (:constructor efrit-mcp-change-undo-test-cell))
  char by gone)

(defvar efrit-mcp-change-undo-test--off nil "The edits that are taken back now.")

(defun efrit-mcp-change-undo-test--shown-p (cell)
  "Return non-nil if CELL is in the text."
  (and (not (memq (efrit-mcp-change-undo-test-cell-by cell) efrit-mcp-change-undo-test--off))
       (seq-every-p (lambda (who) (memq who efrit-mcp-change-undo-test--off)) (efrit-mcp-change-undo-test-cell-gone cell))))

(defun efrit-mcp-change-undo-test--shows (model)
  "Return the text of MODEL, a list of cells."
  (apply #'string (mapcar #'efrit-mcp-change-undo-test-cell-char (seq-filter #'efrit-mcp-change-undo-test--shown-p model))))

(defun efrit-mcp-change-undo-test--cells (text by)
  "Return TEXT, inserted BY an edit, as cells."
  (mapcar (lambda (c) (efrit-mcp-change-undo-test-cell :char c :by by)) text))

(defun efrit-mcp-change-undo-test--replace (model from to text by after)
  "Return MODEL after BY replaced what is shown between FROM and TO by TEXT.
Text goes behind what was deleted at its place; AFTER: also behind what it replaces."
  (let ((pos 0) (done nil) (put nil) (text (efrit-mcp-change-undo-test--cells text by)))
    (dolist (cell model)
      (when (efrit-mcp-change-undo-test--shown-p cell)
        (unless (or put (< pos (if after to from)))
          (setq done (append (reverse text) done) put t))
        (when (and (<= from pos) (< pos to)) (push by (efrit-mcp-change-undo-test-cell-gone cell)))
        (setq pos (1+ pos)))
      (push cell done))
    (unless put (setq done (append (reverse text) done)))
    (nreverse done)))

;;; Random numbers

(defvar efrit-mcp-change-undo-test--seed 1 "State of the test's own random numbers.")

(defun efrit-mcp-change-undo-test--random (n)
  "Return a number below N."
  (setq efrit-mcp-change-undo-test--seed (logand (+ (* efrit-mcp-change-undo-test--seed 1103515245) 12345) #x3fffffff))
  (% (ash efrit-mcp-change-undo-test--seed -9) (max 1 n)))

(defun efrit-mcp-change-undo-test--pick (list)
  "Return one of LIST."
  (nth (efrit-mcp-change-undo-test--random (length list)) list))

;;; One round

(defun efrit-mcp-change-undo-test--text (buffer)
  "Return the whole text of BUFFER."
  (with-current-buffer buffer (save-restriction (widen) (buffer-substring-no-properties 1 (1+ (buffer-size))))))

(defvar efrit-mcp-change-undo-test--models nil "The models: (BUFFER . CELLS).")
(defvar efrit-mcp-change-undo-test--hot 0 "Where the last edit was; most edits touch it.")
(defvar efrit-mcp-change-undo-test--counts nil "What happened: done, refused, of them for edits of the person.")

(defun efrit-mcp-change-undo-test--place (size)
  "Return (FROM . TO) in a text of SIZE characters, most often at the last edit."
  (let* ((near (efrit-mcp-change-undo-test--random 4))
         (from (if (= near 0) (efrit-mcp-change-undo-test--random (1+ size))
                 (max 0 (min size (+ efrit-mcp-change-undo-test--hot (efrit-mcp-change-undo-test--pick '(0 0 0 -1 1 -3 3)))))))
         (to (min size (+ from (efrit-mcp-change-undo-test--pick '(0 0 1 2 4 7))))))
    (cons from to)))

(defun efrit-mcp-change-undo-test--edit (buffer by)
  "BY, a symbol, edits BUFFER and its model at random."
  (let* ((model (assq buffer efrit-mcp-change-undo-test--models))
         (place (efrit-mcp-change-undo-test--place (with-current-buffer buffer (buffer-size))))
         (from (car place)) (to (cdr place))
         (text (efrit-mcp-change-undo-test--pick '("" "" "A" "bc" "\n" "äö" "日本" "foo ")))
         (old (with-current-buffer buffer (buffer-substring-no-properties (1+ from) (1+ to)))))
    (setq efrit-mcp-change-undo-test--hot (+ from (length text)))
    (unless (string= old text)
      (with-current-buffer buffer
        (delete-region (1+ from) (1+ to))
        (goto-char (1+ from))
        (insert text)
        (undo-boundary))
      (setcdr model (efrit-mcp-change-undo-test--replace (cdr model) from to text by (eq by 'person))))))

(defun efrit-mcp-change-undo-test--clear-p (by)
  "Return non-nil if nobody edited what BY inserted."
  (seq-every-p
   (lambda (model)
     (let ((last nil) (ok t) (inside nil))
       (dolist (cell (cdr model))
         (cond ((eq by (efrit-mcp-change-undo-test-cell-by cell))
                (when (or (efrit-mcp-change-undo-test-cell-gone cell) (and last inside)) (setq ok nil))
                (setq last t inside nil))
               ((efrit-mcp-change-undo-test--shown-p cell) (setq inside t))))
       ok))
   efrit-mcp-change-undo-test--models))

(defun efrit-mcp-change-undo-test--same (what)
  "Fail unless every buffer is as its model; WHAT was done."
  (pcase-dolist (`(,buffer . ,cells) efrit-mcp-change-undo-test--models)
    (should (equal (list what (efrit-mcp-change-undo-test--text buffer))
                   (list what (efrit-mcp-change-undo-test--shows cells))))))

(defun efrit-mcp-change-undo-test--try (change by)
  "Take CHANGE back, or have it again, the edit BY of the model; return the undo or nil."
  (let ((off efrit-mcp-change-undo-test--off) (undo nil) (texts (mapcar (lambda (m) (efrit-mcp-change-undo-test--text (car m))) efrit-mcp-change-undo-test--models)))
    (condition-case err
        (progn (setq undo (efrit-mcp-change-undo change)
                     efrit-mcp-change-undo-test--off (if (memq by off) (remq by off) (cons by off)))
               (cl-incf (car efrit-mcp-change-undo-test--counts)))
      (efrit-mcp-conflict
       (cl-incf (cadr efrit-mcp-change-undo-test--counts))
       (if (string-match "not by an agent\\|surrounded" (cadr err))
           (cl-incf (nth 2 efrit-mcp-change-undo-test--counts))
         (should-not (and (not (memq by off)) (efrit-mcp-change-undo-test--clear-p by)))
         ;; It names a change that stands in the way and is there.
         (should (string-match "take \\(u[0-9]+\\) back first" (cadr err)))
         (should (efrit-mcp-change-find (match-string 1 (cadr err)))))
       (should (string-match-p "nothing was changed" (cadr err)))
       (should (equal texts (mapcar (lambda (m) (efrit-mcp-change-undo-test--text (car m))) efrit-mcp-change-undo-test--models)))))
    (efrit-mcp-change-undo-test--same (list by undo))
    undo))

(defun efrit-mcp-change-undo-test--round (seed)
  "Edit at random from SEED, take back in any order, and again, and all by the person."
  (let* ((efrit-mcp-change-undo-test--seed (+ 7 (* 97 seed))) (efrit-mcp-change-undo-test--off nil)
         (efrit-mcp-change-undo-test--hot 0) (efrit-mcp-change--all nil) (n 0) (edits nil)
         (buffers (mapcar (lambda (_) (generate-new-buffer "edited")) (if (= 0 (efrit-mcp-change-undo-test--random 3)) '(1 2) '(1))))
         (efrit-mcp-change-undo-test--models nil) (starts nil))
    (unwind-protect
        (progn
          (dolist (b buffers)
            (with-current-buffer b
              (insert (efrit-mcp-change-undo-test--pick '("" "one two three four" "äö\nbü\n日本語\nend" "x")))
              (buffer-disable-undo) (buffer-enable-undo) (undo-boundary)
              (push (buffer-string) starts)
              (push (cons b (efrit-mcp-change-undo-test--cells (buffer-string) nil)) efrit-mcp-change-undo-test--models)))
          (dotimes (_ (+ 3 (efrit-mcp-change-undo-test--random 8)))
            (if (= 0 (efrit-mcp-change-undo-test--random 3))
                (efrit-mcp-change-undo-test--edit (efrit-mcp-change-undo-test--pick buffers) 'person)
              (let* ((by (intern (format "agent%d" (cl-incf n)))) (efrit-mcp-tool-client (efrit-mcp-change-undo-test--pick '("a" "b")))
                     (change (cdr (efrit-mcp-change-record
                                   "test" (lambda () (dolist (b (if (= 0 (efrit-mcp-change-undo-test--random 3)) buffers
                                                                  (list (efrit-mcp-change-undo-test--pick buffers))))
                                                       (efrit-mcp-change-undo-test--edit b by)))))))
                (when change (push (cons change by) edits))))
            (efrit-mcp-change-undo-test--same 'edit)
            (when (and edits (= 0 (efrit-mcp-change-undo-test--random 4)))
              (efrit-mcp-change-undo-test--turn edits)))
          (dotimes (_ (* 2 (length edits))) (efrit-mcp-change-undo-test--turn edits))
          (efrit-mcp-change-undo-test--by-the-person buffers (reverse starts)))
      (mapc #'kill-buffer buffers))))

(defun efrit-mcp-change-undo-test--turn (edits)
  "Take one of EDITS, (CHANGE . BY), back or have it again; it is its undo then."
  (let* ((edit (efrit-mcp-change-undo-test--pick edits)) (undo (efrit-mcp-change-undo-test--try (car edit) (cdr edit))))
    (when undo (setcar edit undo))))

(defun efrit-mcp-change-undo-test--by-the-person (buffers texts)
  "See that undoing all in BUFFERS, as the person does, brings TEXTS back."
  (cl-mapc (lambda (buffer text)
             (with-current-buffer buffer
               (let ((pending-undo-list buffer-undo-list))
                 (while (consp pending-undo-list) (undo-more 1))
                 (should (equal (buffer-substring-no-properties 1 (point-max)) text)))))
           buffers texts))

(ert-deftest efrit-mcp-change-undo/edits-that-touch ()
  "EFRIT_UNDO_ROUNDS rounds: exact text, or a refusal with nothing changed."
  (let ((efrit-mcp-change-undo-test--counts (list 0 0 0)) (rounds (string-to-number (or (getenv "EFRIT_UNDO_ROUNDS") "300"))))
    (mapatoms (lambda (f) ; interpreted, the model takes most of the time
                (when (and (fboundp f) (string-prefix-p "efrit-mcp-change-undo-test--" (symbol-name f)) (not (macrop f))
                           (not (byte-code-function-p (symbol-function f))))
                  (let ((byte-compile-warnings nil)) (byte-compile f)))))
    (dotimes (seed rounds) (efrit-mcp-change-undo-test--round seed))
    (pcase-let ((`(,done ,refused ,person) efrit-mcp-change-undo-test--counts))
      (message "%d rounds: %d taken back or had again, %d refused: %d for a change of an agent, %d for edits of the person"
               rounds done refused (- refused person) person)
      (should (> done (* 2 refused))))))


;;; One case each

(defmacro efrit-mcp-change-undo-test--with (text &rest body)
  "Run BODY in a new buffer with TEXT, and undo, and no kept changes."
  (declare (indent 1))
  `(let ((efrit-mcp-change--all nil) (buffer (generate-new-buffer "edited")))
     (unwind-protect
         (with-current-buffer buffer
           (insert ,text)
           (buffer-disable-undo) (buffer-enable-undo) (undo-boundary)
           ,@body)
       (with-current-buffer buffer (set-buffer-modified-p nil))
       (kill-buffer buffer))))

(defmacro efrit-mcp-change-undo-test--do (&rest body)
  "Run BODY as one change; return it."
  `(cdr (efrit-mcp-change-record "test" (lambda () ,@body))))

(defun efrit-mcp-change-undo-test--delete (text)
  "Delete TEXT as one change; return it."
  (efrit-mcp-change-undo-test--do (goto-char 1) (search-forward text) (replace-match "")))

(ert-deftest efrit-mcp-change-undo/two-deletions-that-touch ()
  (dolist (order '((a b) (b a)))
    (efrit-mcp-change-undo-test--with "one\ntwo\nthree\nfour\n"
      (let ((changes `((a . ,(efrit-mcp-change-undo-test--delete "two\n")) (b . ,(efrit-mcp-change-undo-test--delete "three\n")))))
        (should (equal (buffer-string) "one\nfour\n"))
        (dolist (which order) (efrit-mcp-change-undo (alist-get which changes)))
        (should (equal (buffer-string) "one\ntwo\nthree\nfour\n"))))))

(ert-deftest efrit-mcp-change-undo/a-later-change-inside-is-named ()
  (efrit-mcp-change-undo-test--with "start end"
    (let ((first (efrit-mcp-change-undo-test--do (goto-char 7) (insert "new text ")))
          (second (let ((efrit-mcp-tool-client "other")) (efrit-mcp-change-undo-test--delete "text "))))
      (should (string-match-p (format "%s (test by other) changed the text since: take %s back first"
                                      (efrit-mcp-change-id second) (efrit-mcp-change-id second))
                              (cadr (should-error (efrit-mcp-change-undo first) :type 'efrit-mcp-conflict))))
      (efrit-mcp-change-undo second)
      (efrit-mcp-change-undo first)
      (should (equal (buffer-string) "start end")))))

(defun efrit-mcp-change-undo-test--overlays ()
  "Return where the overlays of the current buffer are."
  (mapcar (lambda (o) (cons (overlay-start o) (overlay-end o))) (overlays-in 1 (point-max))))

(defmacro efrit-mcp-change-undo-test--nothing-changed (type &rest body)
  "Run BODY, which is refused with TYPE, and see that the current buffer is as before."
  (declare (indent 1))
  `(let ((before (list (buffer-string) (point) (mark t) (efrit-mcp-change-undo-test--overlays) (buffer-modified-p) before-change-functions after-change-functions
                       (default-value 'after-change-functions) buffer-undo-list)))
     (should-error (progn ,@body) :type ,type)
     (should (equal before (list (buffer-string) (point) (mark t) (efrit-mcp-change-undo-test--overlays) (buffer-modified-p) before-change-functions after-change-functions
                                 (default-value 'after-change-functions) buffer-undo-list)))))

(ert-deftest efrit-mcp-change-undo/a-hook-that-fails-leaves-all-as-it-was ()
  (dolist (hook '(before-change-functions after-change-functions))
    (dolist (at '(1 2 3 4))
      (efrit-mcp-change-undo-test--with "alpha beta gamma delta"
        (let ((change (efrit-mcp-change-undo-test--do
                       (goto-char 7) (delete-char 4) (insert "BETA") (goto-char 18) (delete-char 5) (insert "D")))
              (count 0) (other (generate-new-buffer "other")))
          (goto-char 9) (push-mark 8 t) (make-overlay 8 10)
          (add-hook hook (lambda (&rest _) (when (= (cl-incf count) at) (error "A hook of the person"))) nil t)
          (efrit-mcp-change-undo-test--nothing-changed 'efrit-mcp-conflict (efrit-mcp-change-undo change))
          (should (= count at))
          (efrit-mcp-change-undo change) ; the hook fails no more
          (should (equal (buffer-string) "alpha beta gamma delta"))
          (kill-buffer other))))))

(ert-deftest efrit-mcp-change-undo/a-hook-that-edits-or-quits-leaves-all-as-it-was ()
  (dolist (what (list (lambda (&rest _) (save-excursion (goto-char 1) (delete-char 1) (insert "X")))
                      (lambda (&rest _) (signal 'quit nil))
                      (lambda (&rest _) (erase-buffer))
                      (lambda (&rest _) (kill-buffer "edited-2"))))
    (efrit-mcp-change-undo-test--with "alpha beta gamma"
      (let* ((second (generate-new-buffer "edited-2"))
             (change (efrit-mcp-change-undo-test--do (with-current-buffer second (insert "s")) (goto-char 7) (delete-char 4) (insert "B"))))
        (add-hook 'after-change-functions what nil t)
        (condition-case nil
            (efrit-mcp-change-undo-test--nothing-changed 'efrit-mcp-conflict (efrit-mcp-change-undo change))
          (quit (should (equal (buffer-string) "alpha B gamma"))))
        (when (buffer-live-p second)
          (should (equal (with-current-buffer second (buffer-string)) "s"))
          (kill-buffer second))))))

(ert-deftest efrit-mcp-change-undo/read-only-text-is-refused ()
  (efrit-mcp-change-undo-test--with "alpha beta gamma delta"
    (let ((change (efrit-mcp-change-undo-test--do
                   (goto-char 7) (delete-char 4) (insert "BETA") (goto-char 18) (delete-char 5))))
      (with-silent-modifications (put-text-property 7 11 'read-only t))
      (efrit-mcp-change-undo-test--nothing-changed 'efrit-mcp-read-only (efrit-mcp-change-undo change))
      (with-silent-modifications (remove-text-properties 7 11 '(read-only)))
      (efrit-mcp-change-undo change)
      (should (equal (buffer-string) "alpha beta gamma delta")))))

(ert-deftest efrit-mcp-change-undo/a-file-that-changed-on-disk-is-refused ()
  (let* ((file (make-temp-file "undo-")) (efrit-mcp-change--all nil) (b (find-file-noselect file)))
    (unwind-protect
        (with-current-buffer b
          (let ((change (efrit-mcp-change-undo-test--do (insert "x") (basic-save-buffer))))
            (set-file-times file 1)
            (efrit-mcp-change-undo-test--nothing-changed 'efrit-mcp-conflict (efrit-mcp-change-undo change))))
      (with-current-buffer b (set-buffer-modified-p nil))
      (kill-buffer b)
      (delete-file file))))

(ert-deftest efrit-mcp-change-undo/what-the-person-has-in-the-buffer-stays ()
  (efrit-mcp-change-undo-test--with "alpha beta gamma"
    (let ((change (efrit-mcp-change-undo-test--do (goto-char 7) (insert "NEW "))) (overlay (make-overlay 12 16)))
      (goto-char 16) (push-mark 2 t) (narrow-to-region 3 18)
      (efrit-mcp-change-undo change)
      (should (equal (list (point) (mark t) (overlay-start overlay) (overlay-end overlay) (buffer-narrowed-p)) '(12 2 8 12 t))))))

;;; Edits that no hook, or only a local one, tells of

(ert-deftest efrit-mcp-change-undo/local-hooks ()
  (efrit-mcp-change-undo-test--with "alpha beta"
    (setq-local before-change-functions (list #'ignore))
    (setq-local after-change-functions #'ignore)
    (let ((change (efrit-mcp-change-undo-test--do (goto-char 1) (delete-char 5) (insert "omega"))))
      (should-not (efrit-mcp-change-broken change))
      (should (equal (list before-change-functions after-change-functions) '((ignore) (ignore))))
      (efrit-mcp-change-undo change)
      (should (equal (buffer-string) "alpha beta")))))

(ert-deftest efrit-mcp-change-undo/inhibited-hooks-are-told ()
  (dolist (edit (list (lambda () (let ((inhibit-modification-hooks t)) (insert "x")))
                      (lambda () (let ((before-change-functions nil) (after-change-functions nil)) (insert "x")))
                      (lambda () (with-silent-modifications (insert "x")))
                      (lambda () (setq-local before-change-functions nil) (setq-local after-change-functions nil) (insert "x"))
                      (lambda () (insert "seen") (let ((inhibit-modification-hooks t)) (insert "x")) (insert "seen"))
                      (lambda () (let ((inhibit-modification-hooks t)) (upcase-region 1 5)))
                      (lambda () (let ((inhibit-modification-hooks t)) (insert-file-contents (locate-library "efrit-mcp-act.el"))))
                      (lambda () (insert "x") (set-buffer-multibyte nil))))
    (efrit-mcp-change-undo-test--with "alpha beta"
      (let* ((answer (efrit-mcp-act--call "test" "none" (lambda () (funcall edit) nil))) (change (efrit-mcp-change-last nil)))
        (should (equal (alist-get 'undo answer) "incomplete"))
        (should (string-match-p "edited.* was changed while change hooks were inhibited" (alist-get 'undo_why answer)))
        (should-not (assq 'undo_id answer))
        (let ((text (buffer-string)))
          (should-error (efrit-mcp-change-undo change) :type 'efrit-mcp-conflict)
          (should (equal text (buffer-string))))
        (set-buffer-multibyte t)))))

(defconst efrit-mcp-change-undo-test--primitives
  '((subst-char-in-region 1 20 ?\n ?\s) (subst-char-in-region 1 20 ?z ?\s t) (transpose-regions 1 4 10 14) (transpose-regions 1 4 4 9)
    (reverse-region 1 20) (erase-buffer) (upcase-region 1 9) (upcase-initials-region 1 20) (capitalize-region 1 20)
    (translate-region 1 9 (let ((s (make-string 256 ?-))) (dotimes (i 256) (aset s i i)) (aset s ?o ?0) s))
    (insert-file-contents (locate-library "efrit-mcp-act.el"))
    (insert-file-contents (locate-library "efrit-mcp-act.el") nil nil nil t)
    (with-temp-buffer (insert "foo\nbaa\nnew\n") (let ((s (current-buffer))) (with-current-buffer "edited" (replace-buffer-contents s))))
    (base64-encode-region 1 9) (encode-coding-region 1 9 'utf-16) (decode-coding-region 1 9 'latin-1)
    (sort-lines nil 1 (point-max)) (indent-rigidly 1 20 2) (fill-region 1 20) (tabify 1 20) (untabify 1 20) (delete-trailing-whitespace)
    (combine-change-calls 1 10 (goto-char 2) (insert "q") (delete-char 2)) (combine-after-change-calls (goto-char 3) (insert "zz"))
    (let ((case-fold-search t)) (goto-char 1) (while (re-search-forward "[ao]" nil t) (replace-match "xyz")))
    (insert-buffer-substring (messages-buffer)) (kill-region 2 9) (progn (kill-line) (yank)) (zap-to-char 1 ?o)
    (progn (insert "a") (undo-boundary) (insert "b") (primitive-undo 1 buffer-undo-list))
    (let ((buffer-undo-list t)) (insert "x")) (progn (rename-buffer "other name" t) (insert "x"))
    (with-current-buffer (make-indirect-buffer "edited" " ind" t) (goto-char 5) (insert "via") (kill-buffer))
    (progn (narrow-to-region 3 9) (goto-char 4) (insert "n") (widen)) (call-process-region 1 9 "cat" t t)
    (atomic-change-group (insert "x")) (progn (buffer-swap-text (current-buffer)) (insert "x")))
  "Forms that edit a buffer each in its way.")

(ert-deftest efrit-mcp-change-undo/every-way-to-edit-comes-back-or-is-told ()
  (let ((back 0))
    (dolist (form efrit-mcp-change-undo-test--primitives)
      (efrit-mcp-change-undo-test--with "foo b\tar bAz\nquux oo  \nlast one äö\n"
        (goto-char 2)
        (let* ((before (buffer-string)) (change (efrit-mcp-change-undo-test--do (eval form t))) (after (buffer-string)))
          (cond ((null change) (should (equal (cons form before) (cons form after))))
                ((efrit-mcp-change-broken change) (message "%S: %s" form (efrit-mcp-change-broken change)) (ert-info ((format "%S" form)) (should-error (efrit-mcp-change-undo change))))
                (t (let ((undo (efrit-mcp-change-undo change)))
                     (should (equal (cons form before) (cons form (buffer-string))))
                     (efrit-mcp-change-undo undo)
                     (should (equal (cons form after) (cons form (buffer-string)))))
                   (cl-incf back))))))
    (should (> back 27))))

(ert-deftest efrit-mcp-change-undo/a-visited-file-is-no-change-but-edits-in-it-are ()
  (let ((file (make-temp-file "undo-" nil nil "from the disk\n")) (efrit-mcp-change--all nil))
    (unwind-protect
        (progn
          (should-not (efrit-mcp-change-undo-test--do (find-file-noselect file)))
          (with-current-buffer (get-file-buffer file)
            (write-region "another text\n" nil file nil 'silent)
            (let ((change (efrit-mcp-change-undo-test--do (revert-buffer t t))))
              (unless (efrit-mcp-change-broken change)
                (efrit-mcp-change-undo change)
                (should (equal (buffer-string) "from the disk\n"))))
            (set-buffer-modified-p nil)
            (kill-buffer))
          (let ((change (efrit-mcp-change-undo-test--do (with-current-buffer (find-file-noselect file) (goto-char 1) (insert "edited ")))))
            (efrit-mcp-change-undo change)
            (with-current-buffer (get-file-buffer file)
              (should (equal (buffer-string) "another text\n"))
              (set-buffer-modified-p nil)
              (kill-buffer))))
      (delete-file file))))

(ert-deftest efrit-mcp-change-undo/a-call-without-edits-keeps-nothing ()
  (efrit-mcp-change-undo-test--with "alpha"
    (should-not (efrit-mcp-change-undo-test--do (goto-char 2) (let ((inhibit-modification-hooks t)) (put-text-property 1 3 'face 'bold))))
    (should-not (efrit-mcp-change-list))
    (should-not (efrit-mcp-piece-line (current-buffer)))))

(ert-deftest efrit-mcp-change-undo/an-undo-inside-a-recording ()
  (efrit-mcp-change-undo-test--with "alpha"
    (let ((first (efrit-mcp-change-undo-test--do (goto-char 1) (insert "x"))))
      (should-not (efrit-mcp-change-undo-test--do (efrit-mcp-change-undo first)))
      (should (equal (buffer-string) "alpha"))
      (let ((again (efrit-mcp-change-undo-test--do (insert "y"))))
        (should-error (efrit-mcp-change-undo-test--do (insert "z") (efrit-mcp-change-undo again)) :type 'efrit-mcp-conflict)))))

(ert-deftest efrit-mcp-change-undo/undo-and-redo-over-and-over ()
  (efrit-mcp-change-undo-test--with "alpha"
    (let* ((x (efrit-mcp-change-undo-test--do (goto-char 1) (insert "x"))) (u1 (efrit-mcp-change-undo x)) (u2 (efrit-mcp-change-undo u1))
           (u3 (efrit-mcp-change-undo u2)))
      (should (equal (buffer-string) "alpha"))
      (should-error (efrit-mcp-change-undo x) :type 'efrit-mcp-invalid-argument)
      (efrit-mcp-change-undo u3)
      (should (equal (buffer-string) "xalpha"))
      (should-error (efrit-mcp-change-undo u1) :type 'efrit-mcp-invalid-argument)
      (efrit-mcp-change-undo x)
      (should (equal (buffer-string) "alpha")))))

;;; efrit-mcp-change-undo-test.el ends here
