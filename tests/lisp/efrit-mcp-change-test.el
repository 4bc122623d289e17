;;; efrit-mcp-change-test.el --- What a call changed, and taking it back  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)

(defmacro efrit-mcp-change-test--with (buffers &rest body)
  "Run BODY with BUFFERS, symbols, bound to new buffers, and no kept changes."
  (declare (indent 1))
  `(let ((efrit-mcp-change--all nil)
         ,@(mapcar (lambda (b) `(,b (generate-new-buffer ,(symbol-name b)))) buffers))
     (unwind-protect (progn ,@body)
       (dolist (b (list ,@buffers))
         (when (buffer-live-p b) (with-current-buffer b (set-buffer-modified-p nil)) (kill-buffer b))))))

(defun efrit-mcp-change-test--text (buffer)
  "Return the whole text of BUFFER."
  (with-current-buffer buffer (save-restriction (widen) (buffer-substring-no-properties (point-min) (point-max)))))

(defmacro efrit-mcp-change-test--do (&rest body)
  "Run BODY as one change; return it."
  `(cdr (efrit-mcp-change-record "test" (lambda () ,@body))))

(ert-deftest efrit-mcp-change/several-buffers-one-change ()
  (efrit-mcp-change-test--with (a b)
    (with-current-buffer a (insert "one two three"))
    (with-current-buffer b (insert "x\ny\nz\n"))
    (let ((change (efrit-mcp-change-test--do
                   (with-current-buffer a (goto-char 5) (delete-char 3) (insert "2"))
                   (with-current-buffer b (goto-char 3) (insert "new\n")))))
      (should (equal (efrit-mcp-change-test--text a) "one 2 three"))
      (should (equal (mapcar (lambda (p) (alist-get 'lines p)) (efrit-mcp-change-places change)) '("1" "2")))
      (should (eq (efrit-mcp-change-find (efrit-mcp-change-id change)) change))
      (let ((undo (efrit-mcp-change-undo change)))
        (should (equal (efrit-mcp-change-test--text a) "one two three"))
        (should (equal (efrit-mcp-change-test--text b) "x\ny\nz\n"))
        (should-error (efrit-mcp-change-undo change) :type 'efrit-mcp-invalid-argument)
        (efrit-mcp-change-undo undo) ; redo
        (should (equal (efrit-mcp-change-test--text a) "one 2 three"))
        (efrit-mcp-change-undo change)
        (should (equal (efrit-mcp-change-test--text b) "x\ny\nz\n"))))))

(ert-deftest efrit-mcp-change/nothing-changed-is-no-change ()
  (efrit-mcp-change-test--with (a)
    (with-current-buffer a (insert "abc"))
    (should-not (efrit-mcp-change-test--do (with-current-buffer a (goto-char 2) (delete-char 1) (insert "b"))))
    (should-not efrit-mcp-change--all)))

(ert-deftest efrit-mcp-change/later-edits-elsewhere ()
  (efrit-mcp-change-test--with (a)
    (with-current-buffer a (insert "head\nmiddle\ntail\n"))
    (let ((change (efrit-mcp-change-test--do (with-current-buffer a (goto-char 6) (insert "NEW ")))))
      (with-current-buffer a
        (goto-char 1) (insert "more\n")
        (goto-char (point-max)) (insert "end\n")
        ;; right at both edges of it, outside
        (goto-char 11) (insert "<") (search-forward "NEW ") (insert ">"))
      (efrit-mcp-change-undo change)
      (should (equal (efrit-mcp-change-test--text a) "more\nhead\n<>middle\ntail\nend\n")))))

(ert-deftest efrit-mcp-change/refused-when-its-text-is-another ()
  (efrit-mcp-change-test--with (a b)
    (with-current-buffer a (insert "one two three"))
    (let ((change (efrit-mcp-change-test--do
                   (with-current-buffer b (insert "b"))
                   (with-current-buffer a (goto-char 5) (delete-char 3) (insert "TWO")))))
      (with-current-buffer a (goto-char 6) (insert "!"))
      (should-error (efrit-mcp-change-undo change) :type 'efrit-mcp-conflict)
      (should (equal (efrit-mcp-change-test--text a) "one T!WO three"))
      (should (equal (efrit-mcp-change-test--text b) "b")) ; none of it
      (with-current-buffer a (goto-char 6) (delete-char 1))
      (efrit-mcp-change-undo change)
      (should (equal (efrit-mcp-change-test--text a) "one two three"))
      (should (equal (efrit-mcp-change-test--text b) "")))))

(ert-deftest efrit-mcp-change/deleted-text-does-not-come-back-elsewhere ()
  (efrit-mcp-change-test--with (a)
    (with-current-buffer a (insert "aaaa bbbb cccc dddd eeee ffff gggg"))
    (let ((change (efrit-mcp-change-test--do (with-current-buffer a (goto-char 16) (delete-char 5)))))
      (with-current-buffer a (erase-buffer) (insert "something else"))
      (should-error (efrit-mcp-change-undo change) :type 'efrit-mcp-conflict))))

(ert-deftest efrit-mcp-change/read-only-and-killed-are-refused ()
  (efrit-mcp-change-test--with (a)
    (let ((change (efrit-mcp-change-test--do (with-current-buffer a (insert "x")))))
      (with-current-buffer a (setq buffer-read-only t))
      (should-error (efrit-mcp-change-undo change) :type 'efrit-mcp-read-only)
      (with-current-buffer a (setq buffer-read-only nil))
      (kill-buffer a)
      (should-error (efrit-mcp-change-undo change) :type 'efrit-mcp-conflict))))

(ert-deftest efrit-mcp-change/an-error-keeps-what-was-done ()
  (efrit-mcp-change-test--with (a)
    (should-error (efrit-mcp-change-test--do (with-current-buffer a (insert "x") (error "Half-way"))))
    (should (= 1 (length (efrit-mcp-change-list))))
    (efrit-mcp-change-undo (car (efrit-mcp-change-list)))
    (should (equal (efrit-mcp-change-test--text a) ""))
    (should-not (memq #'efrit-mcp-change--before (default-value 'before-change-functions)))))

(ert-deftest efrit-mcp-change/it-is-one-step-of-the-persons-undo ()
  (efrit-mcp-change-test--with (a)
    (with-current-buffer a
      (buffer-enable-undo)
      (insert "mine ")
      (undo-boundary)
      (efrit-mcp-change-test--do (insert "agent ") (undo-boundary) (insert "again ") (undo-boundary) (goto-char 1) (insert "front "))
      (should (equal (buffer-string) "front mine agent again "))
      (setq last-command nil)
      (undo)
      (should (equal (buffer-string) "mine ")))))

(ert-deftest efrit-mcp-change/last-of-a-client ()
  (efrit-mcp-change-test--with (a)
    (with-current-buffer a
      (let ((efrit-mcp-tool-client "one")) (efrit-mcp-change-test--do (insert "1 ")))
      (let ((efrit-mcp-tool-client "two")) (efrit-mcp-change-test--do (insert "2 ")))
      (should (equal (efrit-mcp-change-client (efrit-mcp-change-last "one")) "one"))
      (efrit-mcp-change-undo (efrit-mcp-change-last "one"))
      (should (equal (buffer-string) "2 "))
      (should-not (efrit-mcp-change-last "one"))
      (should-not (efrit-mcp-change-last "three")))))

(ert-deftest efrit-mcp-change/kept-within-bounds ()
  (efrit-mcp-change-test--with (a)
    (let ((efrit-mcp-change-max 5))
      (with-current-buffer a
        (dotimes (i 9) (efrit-mcp-change-test--do (insert (number-to-string i)))))
      (should (= 5 (length (efrit-mcp-change-list)))))
    (let ((efrit-mcp-change-chars-max 10))
      (with-current-buffer a (efrit-mcp-change-test--do (insert (make-string 50 ?x))))
      (should (= 1 (length (efrit-mcp-change-list)))))))

(ert-deftest efrit-mcp-change/many-places-become-few-hunks ()
  (efrit-mcp-change-test--with (a)
    (with-current-buffer a
      (dotimes (_ 3000) (insert "foo bar\n"))
      (let* ((before (buffer-string))
             (change (efrit-mcp-change-test--do
                      (goto-char 1)
                      (while (search-forward "foo" nil t) (replace-match "quux")))))
        (should (<= (length (efrit-mcp-piece-line a)) (* 2 efrit-mcp-change--hunks-max)))
        (efrit-mcp-change-undo change)
        (should (equal (buffer-string) before))))))

(ert-deftest efrit-mcp-change/narrowed-and-indirect ()
  (efrit-mcp-change-test--with (a)
    (with-current-buffer a (insert "line 1\nline 2\nline 3\n"))
    (let* ((b (make-indirect-buffer a "indirect-test"))
           (change (efrit-mcp-change-test--do
                    (with-current-buffer b (narrow-to-region 8 15) (goto-char 8) (insert "in ")))))
      (unwind-protect
          (progn
            (should (equal (efrit-mcp-change-test--text a) "line 1\nin line 2\nline 3\n"))
            (should (eq (car (efrit-mcp-change-buffers change)) a)))
        (kill-buffer b))
      (with-current-buffer a (narrow-to-region 1 3))
      (efrit-mcp-change-undo change)
      (should (equal (efrit-mcp-change-test--text a) "line 1\nline 2\nline 3\n"))
      (should (with-current-buffer a (buffer-narrowed-p))))))

(ert-deftest efrit-mcp-change/the-file-is-unmodified-again ()
  (let* ((file (make-temp-file "change-")) (efrit-mcp-change--all nil) (b (find-file-noselect file)))
    (unwind-protect
        (with-current-buffer b
          (let ((change (efrit-mcp-change-test--do (insert "x"))))
            (should (buffer-modified-p))
            (efrit-mcp-change-undo change)
            (should-not (buffer-modified-p))))
      (with-current-buffer b (set-buffer-modified-p nil))
      (kill-buffer b)
      (delete-file file))))

;;; 500 random sequences

(defvar efrit-mcp-change-test--seed 20261 "State of the test's own random numbers.")

(defun efrit-mcp-change-test--random (n)
  "Return a number below N, the same in each run."
  (setq efrit-mcp-change-test--seed (logand (+ (* efrit-mcp-change-test--seed 1103515245) 12345) #x3fffffff))
  (% (ash efrit-mcp-change-test--seed -8) (max 1 n)))

(defun efrit-mcp-change-test--pick (&rest choices)
  "Return one of CHOICES."
  (nth (efrit-mcp-change-test--random (length choices)) choices))

(defun efrit-mcp-change-test--edit ()
  "Edit the current buffer somewhere."
  (let* ((size (- (point-max) (point-min)))
         (at (+ (point-min) (efrit-mcp-change-test--random (1+ size))))
         (to (min (point-max) (+ at (efrit-mcp-change-test--random 12)))))
    (pcase (efrit-mcp-change-test--random 12)
      ((or 0 1 2) (goto-char at) (insert (efrit-mcp-change-test--pick "a" "foo\n" "\n" "äöü" "日本" "\t  " (string #x3fff80 #x3fffff) "")))
      ((or 3 4) (delete-region at to))
      (5 (goto-char at) (delete-region at to) (insert "replaced"))
      (6 (goto-char (point-min)) (while (re-search-forward "[ao]" nil t) (replace-match "0")))
      (7 (upcase-region at to))
      (8 (ignore-errors (transpose-regions (point-min) (+ (point-min) (/ size 4)) (- (point-max) (/ size 4)) (point-max))))
      (9 (subst-char-in-region at to ?\n ?\s))
      (10 (save-restriction (narrow-to-region at to) (goto-char (point-min)) (insert "[") (goto-char (point-max)) (insert "]")))
      (11 (if (= 0 (efrit-mcp-change-test--random 5)) (erase-buffer) (ignore-errors (reverse-region (point-min) (point-max))))))))

(defun efrit-mcp-change-test--sequence (buffers)
  "Do a random sequence of edits in BUFFERS as one change; return it."
  (efrit-mcp-change-test--do
   (dotimes (_ (1+ (efrit-mcp-change-test--random 12)))
     (with-current-buffer (apply #'efrit-mcp-change-test--pick buffers)
       (efrit-mcp-change-test--edit)))))

(ert-deftest efrit-mcp-change/500-random-sequences-each-undone-to-the-byte ()
  (let ((undone 0) (redone 0))
    (dotimes (_ 500)
      (efrit-mcp-change-test--with (a b)
        (dolist (x (list a b)) (with-current-buffer x (dotimes (_ 6) (insert "foo bar baz äö\n"))))
        (let* ((before (mapcar #'efrit-mcp-change-test--text (list a b)))
               (change (efrit-mcp-change-test--sequence (list a b)))
               (after (mapcar #'efrit-mcp-change-test--text (list a b))))
          (if (not change) (should (equal before after))
            (let ((undo (efrit-mcp-change-undo change)))
              (should (equal before (mapcar #'efrit-mcp-change-test--text (list a b))))
              (setq undone (1+ undone))
              (efrit-mcp-change-undo undo)
              (should (equal after (mapcar #'efrit-mcp-change-test--text (list a b))))
              (setq redone (1+ redone)))))))
    (should (> undone 450))
    (should (= undone redone))))

(ert-deftest efrit-mcp-change/random-sequences-taken-back-one-after-the-other ()
  (dotimes (_ 60)
    (efrit-mcp-change-test--with (a b)
      (dolist (x (list a b)) (with-current-buffer x (dotimes (_ 6) (insert "foo bar baz äö\n"))))
      (let ((states nil))
        (dotimes (_ 6)
          (let* ((before (mapcar #'efrit-mcp-change-test--text (list a b)))
                 (change (efrit-mcp-change-test--sequence (list a b))))
            (when change (push (cons change before) states))))
        (pcase-dolist (`(,change . ,before) states)
          (efrit-mcp-change-undo change)
          (should (equal before (mapcar #'efrit-mcp-change-test--text (list a b)))))))))

(ert-deftest efrit-mcp-change/random-sequences-are-undone-rightly-or-refused ()
  "What is taken back out of order is as if it had never been, or nothing is changed."
  (let ((undone 0) (refused 0))
    (dotimes (_ 200)
      (efrit-mcp-change-test--with (a)
        (with-current-buffer a (dotimes (_ 40) (insert "foo bar baz äö\n")))
        (let* ((first (efrit-mcp-change-test--do
                       (with-current-buffer a
                         (goto-char (+ 1 (efrit-mcp-change-test--random 300)))
                         (delete-char (efrit-mcp-change-test--random 9)) (insert "FIRST"))))
               (before nil))
          ;; The person edits somewhere.
          (with-current-buffer a
            (let* ((at (1+ (efrit-mcp-change-test--random 500))) (n (efrit-mcp-change-test--random 20)))
              (goto-char at)
              (delete-char (min n (- (point-max) at)))
              (insert "person")))
          (setq before (efrit-mcp-change-test--text a))
          (if (not (string-match-p "FIRST" before))
              (progn (should-error (efrit-mcp-change-undo first) :type 'efrit-mcp-conflict)
                     (should (equal before (efrit-mcp-change-test--text a)))
                     (setq refused (1+ refused)))
            (efrit-mcp-change-undo first)
            (let ((old (seq-find #'efrit-mcp-piece-killers (efrit-mcp-piece-line a))))
              (should (equal (efrit-mcp-change-test--text a)
                             (replace-regexp-in-string "FIRST" (if old (substring-no-properties (efrit-mcp-piece-text old)) "") before t t))))
            (setq undone (1+ undone))))))
    (should (> undone 20))
    (should (> refused 2))))

;;; efrit-mcp-change-test.el ends here
