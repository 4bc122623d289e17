;;; efrit-mcp-place-test.el --- Where relative names begin  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(defmacro efrit-mcp-place-test--with (context &rest body)
  "Run BODY in a call whose client said CONTEXT, an alist; FOLDER is one with a, b, c."
  (declare (indent 1))
  `(let* ((folder (file-name-as-directory (file-truename (make-temp-file "place-" t))))
          (mine (concat folder "a")) (other (concat folder "b c")) (efrit-mcp-tool-job 7))
     (ignore mine other)
     (unwind-protect
         (progn
           (make-directory mine)
           (make-directory other)
           (let ((efrit-mcp-client-context (list ,context))) ,@body))
       (delete-directory folder t))))

(defun efrit-mcp-place-test--rooted (&rest uris)
  "Return what a client says that has the roots URIS."
  `(("capabilities" . (("roots")))
    ("inputResponses" . (("efrit-mcp-roots" . (("roots" . ,(vconcat (mapcar (lambda (uri) (list (cons "uri" uri))) uris)))))))))

(defun efrit-mcp-place-test--error (name)
  "Return what the refusal of the relative NAME says."
  (condition-case err (format "not refused: %s" (efrit-mcp-place-name name))
    (efrit-mcp-no-folder (cadr err))))

(ert-deftest efrit-mcp-place/in-this-order ()
  (efrit-mcp-place-test--with `(("folder" . ,mine) ("cwd" . ,other) ,@(efrit-mcp-place-test--rooted (concat "file://" other)))
    (should (equal (efrit-mcp-place-name "x") (concat mine "/x"))))
  (efrit-mcp-place-test--with `(("cwd" . ,mine) ,@(efrit-mcp-place-test--rooted (concat "file://" (string-replace " " "%20" other))))
    (should (equal (efrit-mcp-place-name "x/../y") (concat other "/y"))))
  (efrit-mcp-place-test--with `(("cwd" . ,mine) ,@(efrit-mcp-place-test--rooted))
    (should (equal (efrit-mcp-place-name "./x") (concat mine "/x"))))
  (efrit-mcp-place-test--with `(("folder" . ,(concat "file://localhost" mine)))
    (should (equal (efrit-mcp-place-name "../x") (concat folder "x")))))

(ert-deftest efrit-mcp-place/refused-with-what-was-looked-at ()
  (efrit-mcp-place-test--with nil
    (should (string-match-p "efrit-mcp/folder: none.*it tells none" (efrit-mcp-place-test--error "src/x.py")))
    (with-temp-buffer
      (setq default-directory folder)
      (should (equal "efrit-mcp-no-folder" (efrit-mcp-tools-test-fails "emacs_edit" "file" "src/x.py" "edits" [(("new" . "x"))])))
      (dolist (call '(("emacs_read" "file" "x") ("emacs_file" "op" "open" "file" "x") ("emacs_search" "in" "files" "folder" "x" "pattern" "y")
                      ("emacs_project" "folder" "x") ("emacs_run" "command" "true" "directory" "x") ("emacs_symbols" "file" "x")
                      ("emacs_check" "op" "parens" "file" "x") ("emacs_diagnostics" "file" "x") ("emacs_window" "file" "x")
                      ("emacs_command" "command" "ignore" "file" "x") ("emacs_edit" "file" "~nobody-of-that-name/x" "edits" [(("new" . "x"))])))
        (should (equal "efrit-mcp-no-folder" (apply #'efrit-mcp-tools-test-fails call))))
      (should-not (file-exists-p (concat folder "src")))))
  (dolist (nothing (list "/" (expand-file-name "~") (file-name-as-directory (expand-file-name "~")) "relative" "/no/such/folder" nil))
    (efrit-mcp-place-test--with `(("cwd" . ,nothing)) (should (string-match-p "Looked at" (efrit-mcp-place-test--error "x")))))
  (efrit-mcp-place-test--with `(("folder" . "/no/such") ("cwd" . ,mine))
    (should (string-match-p "/no/such, is not there" (efrit-mcp-place-test--error "x"))))
  (dolist (uri '("file:///no/such" "file://elsewhere/tmp" "https://example.org/" "file:///%00"))
    (efrit-mcp-place-test--with `(("cwd" . ,mine) ,@(efrit-mcp-place-test--rooted uri))
      (should (string-match-p (concat "root " (regexp-quote uri) " is not here") (efrit-mcp-place-test--error "x"))))))

(ert-deftest efrit-mcp-place/several-roots ()
  (cl-flet ((rooted (mine other) (efrit-mcp-place-test--rooted (concat "file://" mine) (concat "file://" (string-replace " " "%20" other)))))
    (efrit-mcp-place-test--with (rooted mine other)
      (should (string-match-p (format "several roots, %s, %s, and none" mine other) (efrit-mcp-place-test--error "x")))
      (write-region "x" nil (concat other "/x") nil 'silent)
      (should (equal (efrit-mcp-place-name "x") (concat other "/x")))
      (write-region "x" nil (concat mine "/x") nil 'silent)
      (should (string-match-p "more than one has" (efrit-mcp-place-test--error "x"))))
    ;; The folder of the bridge counts in one of them; elsewhere it says nothing of them.
    (efrit-mcp-place-test--with (cons (cons "cwd" other) (rooted mine other))
      (should (equal (efrit-mcp-place-name "x") (concat other "/x"))))
    (efrit-mcp-place-test--with (cons (cons "cwd" folder) (rooted mine other))
      (should (string-match-p "several roots" (efrit-mcp-place-test--error "x"))))
    (efrit-mcp-place-test--with (rooted mine (concat other "-gone"))
      (should (equal (efrit-mcp-place-name "x") (concat mine "/x"))))))

(ert-deftest efrit-mcp-place/names-that-say-more ()
  (efrit-mcp-place-test--with `(("cwd" . ,mine))
    (let ((process-environment (append '("TMPDIR=/place" "USER=rel" "PLACE_TEST=/secret") process-environment)))
      (pcase-dolist (`(,name . ,full) `(("/a//b" . "/a/b") ("~/x" . ,(expand-file-name "~/x")) ("$TMPDIR/x" . "/place/x") ("${TMPDIR}" . "/place") ("$PLACE_TEST/x" . ,(concat mine "/$PLACE_TEST/x"))
                                        ("$id.tsx" . ,(concat mine "/$id.tsx")) ("app/$TMPDIR/x" . ,(concat mine "/app/$TMPDIR/x"))
                                        ("$NO_SUCH_ONE/x" . ,(concat mine "/$NO_SUCH_ONE/x")) ("$USER/x" . ,(concat mine "/$USER/x"))
                                        ("file:///tmp/a%20b" . "/tmp/a b") ("file:/tmp/%C3%A9" . "/tmp/\u00e9")
                                        ("~nobody-of-that-name" . ,(concat mine "/~nobody-of-that-name"))))
        (should (equal (cons name (efrit-mcp-place-name name)) (cons name full)))))
    (should-error (efrit-mcp-place-name "file://elsewhere/x") :type 'efrit-mcp-invalid-argument)
    (should-error (efrit-mcp-place-name "a\0b") :type 'efrit-mcp-invalid-argument)))

(ert-deftest efrit-mcp-place/tools-use-it ()
  (efrit-mcp-place-test--with `(("cwd" . ,mine))
    (let ((efrit-mcp-tool-job nil) (file (concat mine "/one.txt")))
      (write-region "one\n" nil file nil 'silent)
      (should (equal "one\n" (cdr (efrit-mcp-tools-test-read "emacs_read" "file" "one.txt"))))
      (efrit-mcp-tools-test-edit "sub/new.txt" "new" "x\n")
      (should (file-exists-p (concat mine "/sub/new.txt")))
      ;; The name of a buffer makes its folder that of the new name.
      (efrit-mcp-tools-test-call "emacs_file" "op" "rename" "buffer" "new.txt" "to" "newer.txt")
      (should (file-exists-p (concat mine "/sub/newer.txt")))
      (efrit-mcp-tools-test-call "emacs_file" "op" "rename" "file" "sub/newer.txt" "to" "newest.txt")
      (should (file-exists-p (concat mine "/newest.txt")))
      (should (equal "./one.txt:1:1: one" (concat "./" (car (efrit-mcp-tools-test-lines "emacs_search" "in" "files" "folder" "." "pattern" "one")))))
      (dolist (b (buffer-list)) (when (and (buffer-file-name b) (string-prefix-p folder (buffer-file-name b))) (kill-buffer b))))))

;;; efrit-mcp-place-test.el ends here
