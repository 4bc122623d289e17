;;; efrit-mcp-tools-text-test.el --- Lines, line ends and codings, byte for byte  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(defun efrit-mcp-tools-text-test--after (bytes &rest edit)
  "Return the bytes of a file of BYTES after emacs_edit has done EDIT, NAME VALUE ....
With a first :whole the hash of the text goes along."
  (efrit-mcp-tools-test-files (("a.txt" . ""))
    (efrit-mcp-tools-test-put a bytes)
    (with-current-buffer (find-file-noselect a) (setq-local require-final-newline nil))
    (if (not (eq (car edit) :whole))
        (apply #'efrit-mcp-tools-test-edit a edit)
      (let ((hash (alist-get 'hash (car (efrit-mcp-tools-test-read "emacs_read" "file" a)))))
        (efrit-mcp-tools-test-call "emacs_edit" "file" a "hash" hash "edits" (vector (list (cons "new" (cadr edit)))))))
    (efrit-mcp-tools-test-bytes a)))

;;; Line ends

(ert-deftest efrit-mcp-tools-text/arguments-take-the-line-ends-of-the-buffer ()
  (dolist (eol '("\r\n" "\n" "\r"))
    (let ((bytes (string-join '("class A {" "  int x;" "}" "") eol))
          (right (string-join '("class A {" "  int x;" "  int y;" "}" "") eol)))
      (dolist (given '("\r\n" "\n" "\r"))
        (should (equal right (efrit-mcp-tools-text-test--after bytes "line" 3 "new" (concat "  int y;" given))))
        (should (equal right (efrit-mcp-tools-text-test--after bytes "old" "  int x;" "new" (concat "  int x;" given "  int y;"))))
        (should (equal right (efrit-mcp-tools-text-test--after bytes "old" (concat "  int x;" given "}") "new" (concat "  int x;" given "  int y;" given "}"))))
        (should (equal right (efrit-mcp-tools-text-test--after bytes :whole (string-join '("class A {" "  int x;" "  int y;" "}" "") given))))
        (should (equal (string-replace (concat "}" eol) (concat "}" eol eol) bytes)
                       (efrit-mcp-tools-text-test--after bytes "line" -1 "new" given)))))))

(ert-deftest efrit-mcp-tools-text/arguments-that-mix-line-ends ()
  (should (equal "a\r\n1\r\n2\r\n3\r\nb\r\n" (efrit-mcp-tools-text-test--after "a\r\nb\r\n" "line" 2 "new" "1\r\n2\n3\r")))
  (should (equal "a\n1\n2\n3\nb\n" (efrit-mcp-tools-text-test--after "a\nb\n" "line" 2 "new" "1\r\n2\n3"))))

(ert-deftest efrit-mcp-tools-text/a-file-that-mixes-line-ends ()
  (let ((mixed "one\r\ntwo\r\nthree\nfour\nfive\r\n"))
    ;; Its CRs are characters: what holds some is meant, what holds none is as the lines around.
    (should (equal "one\r\ntwo\r\nTWO\r\nthree\nfour\nfive\r\n" (efrit-mcp-tools-text-test--after mixed "line" 3 "new" "TWO\r\n")))
    (should (equal "one\r\nnew\r\ntwo\r\nthree\nfour\nfive\r\n" (efrit-mcp-tools-text-test--after mixed "line" 2 "new" "new\n")))
    (should (equal "one\r\ntwo\r\nthree\nnew\nfour\nfive\r\n" (efrit-mcp-tools-text-test--after mixed "line" 4 "new" "new")))
    (should (equal "1\r\n2\r\nthree\nfour\nfive\r\n" (efrit-mcp-tools-text-test--after mixed "old" "one\ntwo" "new" "1\n2")))
    (should (equal "1\n2\r\r\nthree\nfour\nfive\r\n" (efrit-mcp-tools-text-test--after mixed "old" "one\r\ntwo" "new" "1\n2\r")))
    (should (equal "1\r\ntwo\r\n1\n" (efrit-mcp-tools-text-test--after "one\r\ntwo\r\none\n" "old" "one\n" "new" "1\n" "all" t)))
    (should (equal "one\r\ntwo\r\n3\n4\nfive\r\n" (efrit-mcp-tools-text-test--after mixed "old" "three\r\nfour\r\n" "new" "3\n4\n")))))

(ert-deftest efrit-mcp-tools-text/a-new-file-has-the-bytes-that-were-given ()
  (dolist (default '(utf-8-unix utf-8-dos nil))
    (dolist (text '("a\r\nb\r\n" "a\nb\n" "a\rb\r" "a\r\nb\n" "a" "" "\r\n"))
      (efrit-mcp-tools-test-files (("a.txt" . ""))
        (let* ((old (default-value 'buffer-file-coding-system)) (new (expand-file-name "new.txt" folder)) (mode-require-final-newline nil))
          (unwind-protect
              (progn
                (setq-default buffer-file-coding-system default)
                (efrit-mcp-tools-test-edit new "new" text)
                (should (equal (efrit-mcp-tools-test-bytes new) text))
                ;; So has one that was empty.
                (with-current-buffer (find-file-noselect a)
                  (let ((before buffer-file-coding-system) (edits `[(("new" . ,text))]))
                    (efrit-mcp-tools-test-call "emacs_edit" "file" a "preview" "diff" "edits" edits)
                    (efrit-mcp-tools-test-error "emacs_edit" "file" a "edits" (vconcat edits [(("old" . "none") ("new" . "x"))]))
                    (should (eq before buffer-file-coding-system)))) ; shown or refused it changes nothing
                (efrit-mcp-tools-test-edit a "new" text)
                (should (equal (efrit-mcp-tools-test-bytes a) text)))
            (setq-default buffer-file-coding-system old)))))))

(ert-deftest efrit-mcp-tools-text/reading-says-how-lines-end ()
  (efrit-mcp-tools-test-files (("a.txt" . ""))
    (pcase-dolist (`(,bytes . ,eol) '(("a\r\nb\r\n" . "crlf") ("a\rb\r" . "cr") ("a\nb\r\n" . "mixed") ("a\nb\n") ("")))
      (efrit-mcp-tools-test-put a bytes)
      (should (equal eol (alist-get 'eol (car (efrit-mcp-tools-test-read "emacs_read" "file" a)))))
      (find-file-noselect a)
      (should (equal eol (alist-get 'eol (car (efrit-mcp-tools-test-read "emacs_read" "file" a))))))))

(ert-deftest efrit-mcp-tools-text/files-that-a-program-cannot-read ()
  (efrit-mcp-tools-test-files (("a.txt" . ""))
    (auto-compression-mode 1)
    (let ((packed (expand-file-name "b.gz" folder)) (inhibit-message t))
      (efrit-mcp-tools-test-edit packed "new" "hi\r\nho\r\n")
      (efrit-mcp-tools-test-edit packed "old" "hi\n" "new" "h\u00e1\n")
      (should (equal "h\u00e1\r\nho\r\n" (let ((coding-system-for-read 'utf-8-unix)) (efrit-mcp-tools-test-disk packed))))
      (efrit-mcp-tools-test-put a "\377\376h\0\341\0\r\0\n\0")
      (dolist (file (list packed a))
        (with-current-buffer (find-file-noselect file) (goto-char (point-min)) (insert "new\n"))
        (should (string-match-p "\n\\+new\n h\u00e1\n" (alist-get 'diff (efrit-mcp-tools-test-call "emacs_file" "op" "diff" "file" file))))))))

(ert-deftest efrit-mcp-tools-text/search-diff-and-org-know-them-too ()
  (efrit-mcp-tools-test-files (("a.txt" . "") ("b.org" . ""))
    (efrit-mcp-tools-test-put a "one\r\ntwo\r\nthree\r\n")
    (dolist (pattern '("one\r\ntwo" "one\ntwo"))
      (should (= 1 (length (efrit-mcp-tools-test-lines "emacs_search" "file" a "pattern" pattern)))))
    (with-current-buffer (find-file-noselect a)
      (efrit-mcp-diff-apply "--- a\r\n+++ a\r\n@@ -1,2 +1,3 @@\r\n one\r\n+1.5\r\n two\r\n")
      (efrit-mcp-diff-apply "--- a\n+++ a\n@@ -3,2 +3,2 @@\n two\r\n-three\r\n+3\r\n")
      (goto-char (point-max))
      (insert "four\n")
      ;; Against the disk only what differs is a difference.
      (should (string-match-p "\n one\n\\+1.5\n two\n-three\n\\+3\n\\+four\n\\'"
                              (alist-get 'diff (efrit-mcp-tools-test-call "emacs_file" "op" "diff" "file" a))))
      (efrit-mcp-tools-test-call "emacs_file" "op" "save" "file" a)
      (should (equal "one\r\n1.5\r\ntwo\r\n3\r\nfour\r\n" (efrit-mcp-tools-test-bytes a))))
    (let ((efrit-mcp-packs efrit-mcp-packs))
      (unwind-protect
          (progn
            (customize-set-variable 'efrit-mcp-packs '(org))
            (efrit-mcp-tools-test-put b "* One\r\ntext\r\n")
            (efrit-mcp-tools-test-call "emacs_org" "op" "append" "file" b "heading" "One" "text" "more\r\nand more")
            (should (equal "* One\r\ntext\r\nmore\r\nand more\r\n" (efrit-mcp-tools-test-bytes b))))
        (customize-set-variable 'efrit-mcp-packs nil)))))

;;; Lines

(ert-deftest efrit-mcp-tools-text/an-inserted-line-is-a-line ()
  (pcase-dolist (`(,bytes ,line ,new ,right)
                 '(("x = 1\n" 1 "# hi" "# hi\nx = 1\n") ("x = 1\n" 1 "# hi\n" "# hi\nx = 1\n")
                   ("x = 1\n" 2 "y" "x = 1\ny\n") ("x = 1\n" -1 "y" "x = 1\ny\n")
                   ("x = 1" 2 "y" "x = 1\ny\n") ("x = 1" -1 "y" "x = 1\ny\n") ("x = 1" 1 "y" "y\nx = 1")
                   ("" 1 "y" "y\n") ("" -1 "y\n" "y\n") ("a\nb\n" 2 "" "a\n\nb\n") ("a\nb\n" 2 "1\n2" "a\n1\n2\nb\n")
                   ("x\r\n" 1 "y" "y\r\nx\r\n") ("x\r\nz" -1 "y" "x\r\nz\r\ny\r\n") ("\n" 1 "y" "y\n\n") ("\n" 2 "y" "\ny\n")
                   ("x" -1 "" "x\n\n") ("x" 2 "\n" "x\n\n") ("x\n" -1 "" "x\n\n") ("x" -1 "\ny" "x\ny\n")))
    (should (equal (list bytes line new right) (list bytes line new (efrit-mcp-tools-text-test--after bytes "line" line "new" new)))))
  (efrit-mcp-tools-test-files (("a.txt" . "a\nb"))
    ;; Several at the end, after an edit of the last line.
    (efrit-mcp-tools-test-call "emacs_edit" "file" a "edits" [(("line" . -1) ("new" . "c")) (("line" . -1) ("new" . "d")) (("old" . "b") ("new" . "B"))])
    (should (equal "a\nB\nc\nd\n" (efrit-mcp-tools-test-bytes a)))
    (efrit-mcp-tools-test-call "emacs_edit" "file" a "edits" [(("line" . -1) ("new" . "e")) (("old" . "\nd\n") ("new" . ""))])
    (should (equal "a\nB\nc\ne\n" (efrit-mcp-tools-test-bytes a)))))

(ert-deftest efrit-mcp-tools-text/lines-that-are-not-there ()
  (efrit-mcp-tools-test-files (("a.txt" . "a\nb\n") ("b.org" . "* One\n* Two\n"))
    (dolist (line '(0 -2 4 99))
      (should (string-match-p "has 2 lines" (efrit-mcp-tools-test-error "emacs_edit" "file" a "edits" (vector `(("line" . ,line) ("new" . "x")))))))
    (should (equal "a\nb\n" (efrit-mcp-tools-test-bytes a)))
    (should (string-match-p "the last is 2" (efrit-mcp-tools-test-error "emacs_window" "op" "show" "file" a "line" 9)))
    (should (string-match-p "the last is 2" (efrit-mcp-tools-test-error "emacs_symbols" "op" "references" "file" a "line" 9)))
    (unwind-protect
        (progn
          (customize-set-variable 'efrit-mcp-packs '(org))
          (should (string-match-p "the last is 2" (efrit-mcp-tools-test-error "emacs_org" "op" "set" "file" b "line" 9 "todo" "DONE")))
          (should (equal "* One\n* Two\n" (efrit-mcp-tools-test-bytes b))))
      (customize-set-variable 'efrit-mcp-packs nil))))

;;; Codings

(defmacro efrit-mcp-tools-text-test--coded (bytes &rest body)
  "Run BODY where the file A holds BYTES and `raw' returns what it holds then."
  (declare (indent 1))
  `(efrit-mcp-tools-test-files (("a.txt" . ""))
     (efrit-mcp-tools-test-put a ,bytes)
     (cl-flet ((raw () (efrit-mcp-tools-test-bytes a))) ,@body)))

(defun efrit-mcp-tools-text-test--refused (file new &rest names)
  "NEW cannot be put before the last line of FILE; the error names NAMES."
  (let* ((before (efrit-mcp-tools-test-bytes file)) (windows (length (window-list))) (was-there (find-buffer-visiting file))
         (edit (list (cons "line" -1) (cons "new" new)))
         (said (efrit-mcp-tools-test-error "emacs_edit" "file" file "edits" (vector edit))))
    (ignore was-there)
    (dolist (name names) (should (string-match-p name said)))
    (should (equal before (efrit-mcp-tools-test-bytes file)))
    (should (= windows (length (window-list))))
    (should-not (get-buffer "*Warning*"))
    (should-not (buffer-modified-p (find-buffer-visiting file)))
    ;; Not saved it would wait for the person as a trap.
    (should (equal "efrit-mcp-coding" (efrit-mcp-tools-test-fails "emacs_edit" "file" file "save" "never" "edits" (vector edit))))))

(ert-deftest efrit-mcp-tools-text/what-cannot-be-written-is-refused-before ()
  (efrit-mcp-tools-text-test--coded ";; -*- coding: latin-1 -*-\ncaf\351\n"
    (efrit-mcp-tools-text-test--refused a "中" "中 (U\\+4E2D)" "iso-latin-1\\|latin-1")
    (efrit-mcp-tools-test-edit a "line" -1 "new" "fa\u00e7on")
    (should (equal (raw) ";; -*- coding: latin-1 -*-\ncaf\351\nfa\347on\n")))
  (efrit-mcp-tools-text-test--coded ";; -*- coding: us-ascii -*-\nx\n" (efrit-mcp-tools-text-test--refused a "\u00e9" "U\\+00E9" "ascii"))
  (efrit-mcp-tools-text-test--coded ";; -*- coding: koi8-r -*-\n\301\n" (efrit-mcp-tools-text-test--refused a "中" "U\\+4E2D" "koi8"))
  (efrit-mcp-tools-text-test--coded ";; -*- coding: shift_jis -*-\n\202\240\n" (efrit-mcp-tools-text-test--refused a "\u20ac\u00fc" "U\\+" "shift"))
  (efrit-mcp-tools-text-test--coded "ascii\n"
    (with-current-buffer (find-file-noselect a t t) (should-not enable-multibyte-characters))
    (efrit-mcp-tools-text-test--refused a "中" "中 (U\\+4E2D)" "no-conversion" "bytes")))

(ert-deftest efrit-mcp-tools-text/a-coding-that-emacs-changes-is-told ()
  (efrit-mcp-tools-text-test--coded "caf\351\n"
    (should (equal "iso-latin-1-unix -> utf-8-unix" (alist-get 'coding (efrit-mcp-tools-test-edit a "line" -1 "new" "中"))))
    (should (equal (raw) "caf\303\251\n\344\270\255\n"))
    (should-not (alist-get 'coding (efrit-mcp-tools-test-edit a "line" -1 "new" "文"))))
  (efrit-mcp-tools-text-test--coded "caf\351\r\n"
    (should (equal "iso-latin-1-dos -> utf-8-dos" (alist-get 'coding (efrit-mcp-tools-test-edit a "line" -1 "new" "中"))))
    (should (equal (raw) "caf\303\251\r\n\344\270\255\r\n")))
  ;; Said before as well, and when it is saved later.
  (efrit-mcp-tools-text-test--coded "caf\351\n"
    (let ((edits [(("line" . -1) ("new" . "中"))]) (told "iso-latin-1-unix -> utf-8-unix"))
      (should (equal told (alist-get 'coding (efrit-mcp-tools-test-call "emacs_edit" "file" a "preview" "diff" "edits" edits))))
      (should (equal told (alist-get 'coding (efrit-mcp-tools-test-call "emacs_edit" "file" a "save" "never" "edits" edits))))
      (should (equal (raw) "caf\351\n"))
      (should (equal told (alist-get 'coding (efrit-mcp-tools-test-call "emacs_file" "op" "save" "file" a))))))
  ;; The cookie is what was edited: it is followed, and back.
  (efrit-mcp-tools-text-test--coded ";; -*- coding: latin-1 -*-\ncaf\351\n"
    (should (string-match-p "latin-1-unix -> utf-8-unix" (alist-get 'coding (efrit-mcp-tools-test-edit a "old" "latin-1" "new" "utf-8"))))
    (should (equal (raw) ";; -*- coding: utf-8 -*-\ncaf\303\251\n"))
    (efrit-mcp-tools-test-call "emacs_undo" "save" t)
    (should (equal (raw) ";; -*- coding: latin-1 -*-\ncaf\351\n"))
    (efrit-mcp-tools-test-call "emacs_edit" "file" a "edits" [(("old" . "latin-1") ("new" . "utf-8")) (("line" . -1) ("new" . "中"))])
    (should (equal (raw) ";; -*- coding: utf-8 -*-\ncaf\303\251\n\344\270\255\n"))
    (efrit-mcp-tools-text-test--refused a "\ud800" "D800")
    (should (equal "efrit-mcp-coding" (efrit-mcp-tools-test-fails "emacs_edit" "file" a "edits" [(("old" . "utf-8") ("new" . "latin-1"))])))))

(ert-deftest efrit-mcp-tools-text/bytes-that-nobody-touched-stay ()
  (pcase-dolist (`(,before ,new ,added)
                 '(("\303\251 \377\n" "a" "a\n")                                     ; no UTF-8, Emacs takes it for Latin-1
                   (";; -*- coding: utf-8 -*-\n\303\251 \377\200\n" "中" "\344\270\255\n") ; a byte that is no character
                   (";; -*- coding: foo-9 -*-\n\303\251\n" "中" "\344\270\255\n")     ; Emacs knows no foo-9
                   ("\357\273\277ab\n" "\u00e9" "\303\251\n")                        ; a signature
                   ("\377\376a\0\n\0" "\u00e9" "\351\0\n\0")                         ; UTF-16
                   ("a\0\377\303\251\n" "b" "b\n")                                   ; binary
                   ("\e$B$\"\e(B x\n" "y" "y\n") (";; -*- coding: euc-jp -*-\n\244\242\n" "あ" "\244\242\n")
                   (";; -*- coding: utf-8 -*-\n\301\201\n" "x" "x\n") ("x\n" "\0" "\0\n") ("x\n" "\ufffe" "\357\277\276\n")))
    (efrit-mcp-tools-text-test--coded before
      (efrit-mcp-tools-test-edit a "line" -1 "new" new)
      (should (equal (raw) (concat before added)))
      (efrit-mcp-tools-test-call "emacs_undo" "save" t)
      (should (equal (raw) before))))
  ;; Inside of UTF-7 Emacs uses UTF-16, and would take the file for that from then on.
  (efrit-mcp-tools-text-test--coded "-*- coding: utf-7 -*-\n+AOk-\n"
    (should-not (alist-get 'coding (efrit-mcp-tools-test-edit a "line" -1 "new" "\u00e0")))
    (with-current-buffer (find-buffer-visiting a) (setq buffer-file-coding-system 'utf-16be))
    (efrit-mcp-tools-test-edit a "line" -1 "new" "x")
    (should (equal (raw) "-*- coding: utf-7 -*-\n+AOk-\n+AOA-\nx\n")))
  ;; Where Emacs would change them it does not come to that, unless it is wanted.
  (dolist (before '(";; -*- coding: utf-16 -*-\nplain\n" ";; -*- coding: utf-8-dos -*-\r\na\nb\r\n"))
    (efrit-mcp-tools-text-test--coded before
      (should (equal "efrit-mcp-coding" (efrit-mcp-tools-test-fails "emacs_edit" "file" a "edits" [(("line" . -1) ("new" . "x"))])))
      (should (equal (raw) before))
      (should-not (buffer-modified-p (find-buffer-visiting a)))
      (efrit-mcp-tools-test-call "emacs_edit" "file" a "save" "never" "edits" [(("line" . -1) ("new" . "x"))])
      (should (equal "efrit-mcp-coding" (efrit-mcp-tools-test-fails "emacs_file" "op" "save" "file" a)))
      (should (equal (raw) before))
      (efrit-mcp-tools-test-call "emacs_file" "op" "save" "file" a "force" t))))

(ert-deftest efrit-mcp-tools-text/text-of-the-person-that-cannot-be-written ()
  (efrit-mcp-tools-text-test--coded ";; -*- coding: latin-1 -*-\ncaf\351\n"
    (with-current-buffer (find-file-noselect a) (goto-char (point-max)) (insert "中\n"))
    (should (string-match-p "U\\+4E2D.*line 3" (efrit-mcp-tools-test-error "emacs_file" "op" "save" "file" a)))
    (should (string-match-p "U\\+4E2D" (efrit-mcp-tools-test-error "emacs_edit" "file" a "save" "always" "edits" [(("line" . -1) ("new" . "x"))])))
    (should (equal (raw) ";; -*- coding: latin-1 -*-\ncaf\351\n"))
    (should (equal "; -*- coding: latin-1 -*-\ncaf\u00e9\n中\n" (with-current-buffer (find-buffer-visiting a) (buffer-substring 2 (point-max)))))
    (should-not (get-buffer "*Warning*"))))

(ert-deftest efrit-mcp-tools-text/a-new-file-that-the-default-cannot-write ()
  (efrit-mcp-tools-test-files (("a.txt" . ""))
    (let ((old (default-value 'buffer-file-coding-system)) (new (expand-file-name "new.txt" folder)))
      (unwind-protect
          (progn (setq-default buffer-file-coding-system 'iso-latin-1-unix)
                 (efrit-mcp-tools-test-edit new "new" "中\n")
                 (should (equal "\344\270\255\n" (efrit-mcp-tools-test-bytes new))))
        (setq-default buffer-file-coding-system old)))
    (let ((new (expand-file-name "cookie.txt" folder)))
      (should (equal "efrit-mcp-coding" (efrit-mcp-tools-test-fails "emacs_edit" "file" new "edits" [(("new" . ";; -*- coding: latin-1 -*-\n中\n"))])))
      (should-not (find-buffer-visiting new))
      (efrit-mcp-tools-test-edit new "new" ";; -*- coding: latin-1 -*-\n\u00e9\n")
      (should (equal ";; -*- coding: latin-1 -*-\n\351\n" (efrit-mcp-tools-test-bytes new))))))

(ert-deftest efrit-mcp-tools-text/other-ways-to-text-are-judged-too ()
  (efrit-mcp-tools-test-files (("a.org" . ""))
    (let ((before "# -*- coding: latin-1 -*-\n* One\ncaf\351\n"))
      (efrit-mcp-tools-test-put a before)
      (unwind-protect
          (progn
            (customize-set-variable 'efrit-mcp-packs '(org))
            (dolist (call `(("op" "append" "heading" "One" "text" "中") ("op" "add" "title" "中") ("op" "set" "heading" "One" "title" "中")))
              (should (string-match-p "U\\+4E2D" (apply #'efrit-mcp-tools-test-error "emacs_org" "file" a call)))
              (should (equal before (efrit-mcp-tools-test-bytes a)))
              (should-not (buffer-modified-p (find-buffer-visiting a)))))
        (customize-set-variable 'efrit-mcp-packs nil))
      (with-current-buffer (find-buffer-visiting a)
        (should-error (efrit-mcp-diff-apply "--- a\n+++ a\n@@ -2,1 +2,2 @@\n * One\n+中\n") :type 'efrit-mcp-coding)
        (should-error (efrit-mcp-edit-of-pieces (current-buffer) '((1 1 "中"))) :type 'efrit-mcp-coding)
        (should-not (buffer-modified-p))))))

;;; efrit-mcp-tools-text-test.el ends here
