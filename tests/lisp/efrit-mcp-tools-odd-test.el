;;; efrit-mcp-tools-odd-test.el --- Every tool that reads or changes a buffer, in odd buffers  -*- lexical-binding: t -*-

;; Each tool is called in each odd buffer: it does what it is for, or says in words of its
;; own why not; the person's place and narrowing stay; what was changed is taken back to
;; the byte.

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(efrit-mcp-native-load efrit-mcp-version)

(defconst efrit-mcp-tools-odd-test--text ";;; odd\n(defun odd-one (x)\n  \"Doc.\"\n  (car x))\n\n(defun odd-two (x)\n  (odd-one x))\n"
  "What each odd buffer holds among else.")

(defconst efrit-mcp-tools-odd-test--kinds
  `((plain . ,#'ignore)
    (raw . ,(lambda () (goto-char (point-max)) (insert ";; " (string-to-multibyte "\377\200\376") " raw\n")))
    (unibyte . ,(lambda () (set-buffer-multibyte nil) (goto-char (point-max)) (insert ";; \377\200 raw\n")))
    (huge . ,(lambda () (goto-char (point-max)) (insert ";; " (make-string 300000 ?y) "\n;; after\n")))
    (narrowed . ,(lambda () (narrow-to-region 9 30)))
    (read-only . ,(lambda () (setq buffer-read-only t)))
    (invisible . ,(lambda () (put-text-property 9 30 'invisible t)))
    (fields . ,(lambda () (put-text-property 9 20 'field 'one) (put-text-property 20 30 'intangible t)))
    (crlf . ,(lambda () (setq buffer-file-coding-system 'utf-8-dos)))
    (remote . ,(lambda () (setq buffer-file-name "/ssh:nobody@nowhere.invalid:/tmp/odd.el" default-directory "/ssh:nobody@nowhere.invalid:/tmp/")))
    (indirect . ,(lambda () (set-buffer (make-indirect-buffer (current-buffer) "odd-indirect.el" t))))
    (empty . ,#'erase-buffer))
  "Odd buffers: what makes a buffer one; it leaves the buffer current that is meant.")

(defun efrit-mcp-tools-odd-test--reads (name)
  "Return calls that only read the buffer NAME."
  `(("emacs_look" "what" ["state" "windows" "buffers" "modes"])
    ("emacs_read" "buffer" ,name) ("emacs_read" "buffer" ,name "from" 1 "to" 3 "numbers" t)
    ("emacs_read" "buffer" ,name "unit" "outline") ("emacs_read" "buffer" ,name "unit" "defun")
    ("emacs_search" "buffer" ,name "pattern" "odd-") ("emacs_search" "buffer" ,name "pattern" "^(defun" "regexp" t "context" 2)
    ("emacs_search" "in" "buffers" "pattern" "raw" "glob" "odd*")
    ("emacs_edit" "buffer" ,name "preview" "diff" "edits" [(("line" . 1) ("new" . ";; new\n"))])
    ("emacs_screenshot" "format" "text" "faces" t)
    ("emacs_symbols" "op" "outline" "buffer" ,name) ("emacs_symbols" "buffer" ,name "name" "car")
    ("emacs_diagnostics" "buffer" ,name) ("emacs_diagnostics" "of" "all")
    ("emacs_check" "op" "parens" "buffer" ,name) ("emacs_undo" "op" "list") ("emacs_job" "op" "list") ("emacs_prompt")))

(defun efrit-mcp-tools-odd-test--acts (name)
  "Return calls that may change the buffer NAME."
  `(("emacs_edit" "buffer" ,name "save" "never" "edits" [(("old" . "odd-one x") ("new" . "odd-1 y"))])
    ("emacs_edit" "buffer" ,name "save" "never" "edits" [(("line" . -1) ("new" . ";; the end \u00fc\n"))])
    ("emacs_edit" "buffer" ,name "save" "never" "edits" [(("new" . "all new\n"))])
    ("emacs_command" "command" "upcase-word" "args" [1] "buffer" ,name)
    ("emacs_command" "command" "delete-char" "args" [1] "buffer" ,name)
    ("emacs_keys" "keys" "a b RET" "buffer" ,name) ("emacs_keys" "keys" "M->" "buffer" ,name)
    ("emacs_window" "op" "goto" "buffer" ,name "line" 2) ("emacs_window" "op" "scroll" "buffer" ,name "line" 1)
    ("emacs_file" "op" "diff" "buffer" ,name)))

(defun efrit-mcp-tools-odd-test--call (call kind)
  "Do CALL in the odd buffer KIND; return its answer if it was none of failure.
A failure is to be one that a tool has words for."
  (let* ((efrit-mcp-tools-test--asked nil)
         (file-name-handler-alist (efrit-mcp-tools-test-unreachable))
         (answer (efrit-mcp-tools-test--run (car call) (cdr call))))
    (when efrit-mcp-tools-test--asked (ert-fail (list kind call efrit-mcp-tools-test--asked)))
    (if (memq (car answer) '(done whole))
        (let ((size (length (efrit-mcp-json (cdr answer)))))
          (when (> size 45000) (ert-fail (list kind call size)))
          (cdr answer))
      (unless (string-match-p "\\`efrit-mcp-\\|\\`buffer-read-only\\'\\|\\`text-read-only\\'\\|\\`end-of-buffer\\'" (alist-get 'error_code (cdr answer)))
        (ert-fail (list kind call answer)))
      (should (> (length (alist-get 'error (cdr answer))) 10))
      nil)))

(defun efrit-mcp-tools-odd-test--in (make function)
  "Call FUNCTION with a name, in the window of the odd buffer that MAKE makes."
  (let ((base (generate-new-buffer "odd.el")) (efrit-mcp-change--all nil) (odd nil))
    (unwind-protect
        (save-window-excursion
          (delete-other-windows)
          (with-current-buffer base
            (insert efrit-mcp-tools-odd-test--text)
            (emacs-lisp-mode)
            (buffer-enable-undo)
            (goto-char 12)
            (let ((inhibit-read-only t)) (funcall make))
            (setq odd (current-buffer))
            (goto-char (max (point-min) (min 12 (point-max))))
            (set-buffer-modified-p nil))
          (switch-to-buffer odd)
          (let ((inhibit-interaction t)) (funcall function (buffer-name odd))))
      (dolist (b (list odd base))
        (when (buffer-live-p b)
          (with-current-buffer b (set-buffer-modified-p nil) (setq buffer-file-name nil) (kill-buffer)))))))

(ert-deftest efrit-mcp-tools-odd/what-reads-leaves-all-as-it-is ()
  (pcase-dolist (`(,kind . ,make) efrit-mcp-tools-odd-test--kinds)
    (efrit-mcp-tools-odd-test--in
     make
     (lambda (name)
       (dolist (call (efrit-mcp-tools-odd-test--reads name))
         (let ((before (list (point) (point-min) (point-max) (buffer-chars-modified-tick) (buffer-modified-p) buffer-read-only)))
           (efrit-mcp-tools-odd-test--call call kind)
           (should (equal (list kind call before)
                          (list kind call (list (point) (point-min) (point-max) (buffer-chars-modified-tick) (buffer-modified-p) buffer-read-only))))))))))

(ert-deftest efrit-mcp-tools-odd/what-acts-is-taken-back-to-the-byte ()
  (pcase-dolist (`(,kind . ,make) efrit-mcp-tools-odd-test--kinds)
    (let ((did 0))
      (efrit-mcp-tools-odd-test--in
       make
       (lambda (name)
         (let ((whole (lambda () (save-restriction (widen) (buffer-substring-no-properties (point-min) (point-max)))))
               (narrowed (buffer-narrowed-p)) before)
           (dolist (call (efrit-mcp-tools-odd-test--acts name))
             (setq before (funcall whole))
             (let* ((answer (efrit-mcp-tools-odd-test--call call kind)) (id (alist-get 'undo_id answer)))
               (should (eq narrowed (buffer-narrowed-p)))
               (unless (equal before (funcall whole))
                 ;; Who changed something says by which number it is taken back.
                 (should id)
                 (setq did (1+ did))
                 (efrit-mcp-tools-test-call "emacs_undo" "undo_id" id)
                 (should (equal (list kind call before) (list kind call (funcall whole))))))))))
      (if (memq kind '(read-only))
          (should (= 0 did))
        (should (>= did (if (eq kind 'empty) 1 4)))))))

(ert-deftest efrit-mcp-tools-odd/what-each-shows-of-them ()
  (let ((in (lambda (kind function) (efrit-mcp-tools-odd-test--in (alist-get kind efrit-mcp-tools-odd-test--kinds) function))))
    (funcall in 'narrowed (lambda (name)
                            ;; Search and outline see all; the answer of a reading says what the person sees.
                            (should (= 3 (length (efrit-mcp-tools-test-lines "emacs_search" "buffer" name "pattern" "odd-"))))
                            (should (string-match-p "6\todd-two" (efrit-mcp-tools-test-call "emacs_symbols" "op" "outline" "buffer" name)))
                            (should (equal "2-3" (alist-get 'narrowed (car (efrit-mcp-tools-test-read "emacs_read" "buffer" name)))))
                            (should (eq t (alist-get 'balanced (efrit-mcp-tools-test-call "emacs_check" "op" "parens" "buffer" name))))))
    (funcall in 'raw (lambda (name)
                       (should (string-match-p "\\\\377\\\\200\\\\376 raw" (cdr (efrit-mcp-tools-test-read "emacs_read" "buffer" name))))
                       (should (string-match-p "\\\\377" (car (last (efrit-mcp-tools-test-lines "emacs_search" "buffer" name "pattern" "raw")))))))
    (funcall in 'huge (lambda (name)
                        (should (< (length (car (efrit-mcp-tools-test-lines "emacs_search" "buffer" name "pattern" "yyy"))) 1000))
                        (should (equal (efrit-mcp-tools-test-lines "emacs_search" "buffer" name "pattern" "after") (list (format "%s:9:4: ;; after" name))))))
    (funcall in 'read-only (lambda (name)
                             (should (string-match-p "read.only" (efrit-mcp-tools-test-error "emacs_edit" "buffer" name "edits" [(("line" . 1) ("new" . "x"))])))
                             (should (string-match-p "read.only" (alist-get 'stopped (efrit-mcp-tools-test-call "emacs_keys" "keys" "x" "buffer" name))))))
    (funcall in 'remote (lambda (name)
                          (should (string-match-p "another machine" (efrit-mcp-tools-test-error "emacs_run" "command" "true")))
                          (should (string-match-p "another machine" (efrit-mcp-tools-test-error "emacs_file" "op" "save" "buffer" name)))))
    (funcall in 'indirect (lambda (name)
                            (efrit-mcp-tools-test-call "emacs_edit" "buffer" name "save" "never" "edits" [(("old" . "Doc.") ("new" . "Document."))])
                            (should (with-current-buffer (buffer-base-buffer) (string-match-p "Document" (buffer-string))))))))

(ert-deftest efrit-mcp-tools-odd/texts-of-what-looks ()
  (let ((long (make-string (1+ efrit-mcp-looking-text-max) ?/)))
    (dolist (each '(("emacs_describe" . "name") ("emacs_search" . "pattern") ("emacs_read" . "file") ("emacs_project" . "folder")))
      (pcase-let ((`(,outcome . ,value) (efrit-mcp-tool-call (car each) `(("pattern" . "x") ("name" . "car") (,(cdr each) . ,long)
                                                                          ,@(when (equal (cdr each) "pattern") `(("pattern" . ,long)))))))
        (should (eq outcome 'failed))
        (should (string-match-p "looking-text-max" (alist-get 'error value)))))
    (should (eq 'fault (car (efrit-mcp-tool-call "resources/read" `(("uri" . ,long))))))
    (should (eq 'fault (car (efrit-mcp-tool-call "completion/complete" `(("argument" . (("name" . "x") ("value" . ,long))))))))
    ;; What acts takes any.
    (should (eq 'done (car (efrit-mcp-tool-call "efrit_execute" `(("content" . ,(concat ";" long "\n1")) ("observe" . "none"))))))))

;;; efrit-mcp-tools-odd-test.el ends here
