;;; efrit-mcp-diff-test.el --- Diffs are applied whole or not at all  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)

(defmacro efrit-mcp-diff-test--in (text &rest body)
  "Run BODY in a buffer that holds TEXT."
  (declare (indent 1))
  `(with-temp-buffer (buffer-enable-undo) (insert ,text) ,@body))

(ert-deftest efrit-mcp-diff/applies ()
  (efrit-mcp-diff-test--in "a\nb\nc\nd\ne\n"
    (should (= 2 (efrit-mcp-diff-apply "--- x\n+++ y\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n@@ -4,2 +4,3 @@\n d\n+new\n e\n")))
    (should (equal (buffer-string) "a\nB\nc\nd\nnew\ne\n"))))

(ert-deftest efrit-mcp-diff/all-or-nothing ()
  (efrit-mcp-diff-test--in "a\nb\nc\n"
    (should-error (efrit-mcp-diff-apply "@@ -1 +1 @@\n-a\n+A\n@@ -3 +3 @@\n-nowhere\n+C\n") :type 'efrit-mcp-conflict)
    (should (equal (buffer-string) "a\nb\nc\n")))
  ;; Two places where it could stand, and neither where it says.
  (efrit-mcp-diff-test--in "x\na\ny\na\n"
    (should-error (efrit-mcp-diff-apply "@@ -1 +1 @@\n-a\n+A\n") :type 'efrit-mcp-conflict)))

(ert-deftest efrit-mcp-diff/moves-with-the-text ()
  (efrit-mcp-diff-test--in "more\nlines\na\nb\n"
    (efrit-mcp-diff-apply "@@ -1,2 +1,2 @@\n a\n-b\n+B\n")
    (should (equal (buffer-string) "more\nlines\na\nB\n"))))

(ert-deftest efrit-mcp-diff/odd-texts ()
  (efrit-mcp-diff-test--in ""
    (efrit-mcp-diff-apply "@@ -0,0 +1 @@\n+only\n")
    (should (equal (buffer-string) "only\n")))
  (efrit-mcp-diff-test--in "last"
    (efrit-mcp-diff-apply "@@ -1 +1 @@\n-last\n\\ No newline at end of file\n+Last\n\\ No newline at end of file\n")
    (should (equal (buffer-string) "Last")))
  (efrit-mcp-diff-test--in "ä\n\nü\n"
    (efrit-mcp-diff-apply "@@ -1,3 +1,3 @@\n ä\n\n-ü\n+ö\n")
    (should (equal (buffer-string) "ä\n\nö\n")))
  (efrit-mcp-diff-test--in "a\nb\n"
    (narrow-to-region 1 2)
    (efrit-mcp-diff-apply "@@ -2 +2 @@\n-b\n+B\n")
    (should (equal (buffer-string) "a"))
    (widen)
    (should (equal (buffer-string) "a\nB\n"))))

(ert-deftest efrit-mcp-diff/bad-input ()
  (efrit-mcp-diff-test--in "a\n"
    (should-error (efrit-mcp-diff-apply "nothing") :type 'efrit-mcp-invalid-argument)
    (should-error (efrit-mcp-diff-apply "@@ -1 +1 @@\n-a\n*b\n") :type 'efrit-mcp-invalid-argument)
    (setq buffer-read-only t)
    (should-error (efrit-mcp-diff-apply "@@ -1 +1 @@\n-a\n+b\n") :type 'buffer-read-only)))

(ert-deftest efrit-mcp-diff/as-diff-says ()
  "What diff makes of random texts is applied to the byte, and undone in one step."
  (skip-unless (executable-find "diff"))
  (random "efrit-mcp-diff")
  (dotimes (_ 60)
    (let* ((line (lambda () (make-string (random 3) (+ ?a (random 3)))))
           (old (mapconcat (lambda (_) (funcall line)) (make-list (1+ (random 12)) nil) "\n"))
           (new (mapconcat (lambda (each) (if (= 0 (random 4)) (funcall line) each)) (split-string old "\n") "\n"))
           (a (make-temp-file "a" nil nil old)) (b (make-temp-file "b" nil nil new))
           (diff (with-temp-buffer (call-process "diff" nil t nil "-u" a b) (buffer-string))))
      (delete-file a) (delete-file b)
      (unless (equal old new)
        (efrit-mcp-diff-test--in old
          (undo-boundary)
          (efrit-mcp-diff-apply diff)
          (should (equal (buffer-string) new))
          (primitive-undo 1 (progn (while (null (car buffer-undo-list)) (pop buffer-undo-list)) buffer-undo-list))
          (should (equal (buffer-string) old)))))))

(ert-deftest efrit-mcp-diff/what-a-proposal-shows-is-what-it-does ()
  (random "diff")
  (dotimes (_ 300)
    (let ((text (mapconcat (lambda (_) (make-string (random 4) (+ ?a (random 3)))) (number-sequence 1 (1+ (random 12))) "\n"))
          (pieces nil) (shown nil) (wanted nil))
      (when (= 0 (random 2)) (setq text (concat text "\n")))
      (with-temp-buffer
        (insert text)
        (let ((at (point-min)))
          (while (< at (point-max))
            (let* ((beg (min (point-max) (+ at (random 6)))) (end (min (point-max) (+ beg (random 5)))))
              (unless (and pieces (= beg end (nth 1 (car pieces))))
                (push (list beg end (nth (random 6) '("" "X" "\n" "Y\n" "\nZ" "P\nQ\n"))) pieces))
              (setq at (1+ end)))))
        (let ((proposal (efrit-mcp-edit-of-pieces (current-buffer) (nreverse pieces))))
          (setq shown (efrit-mcp-edit-diff proposal))
          (efrit-mcp-edit-apply (list proposal))
          (setq wanted (buffer-string))))
      (unless (equal text wanted)
        (with-temp-buffer
          (insert text)
          (ert-info ((format "%S\n%s" text shown))
            (when (efrit-mcp-diff-hunks shown) (efrit-mcp-diff-apply shown))
            (should (equal (buffer-string) wanted))))))))

;;; efrit-mcp-diff-test.el ends here
