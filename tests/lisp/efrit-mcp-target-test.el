;;; efrit-mcp-target-test.el --- Where tools act: lines, odd buffers, what was slow  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(ert-deftest efrit-mcp-target/lines-are-counted-right ()
  "Against `line-number-at-pos', while the text changes, is narrowed, and seen from an indirect buffer."
  (with-temp-buffer
    (dotimes (i 300) (insert (make-string (random 4) ?x) "\n"))
    (let ((other (make-indirect-buffer (current-buffer) (generate-new-buffer-name "indirect"))))
      (unwind-protect
          (dotimes (i 2000)
            (pcase (random 12)
              (0 (goto-char (1+ (random (1+ (buffer-size))))) (insert "a\nb"))
              (1 (let ((at (1+ (random (buffer-size))))) (delete-region at (min (point-max) (+ at (random 5))))))
              (2 (narrow-to-region (1+ (random (buffer-size))) (1+ (random (buffer-size)))))
              ((or 3 4) (widen)))
            (when (< (random 12) 2) (widen))
            (with-current-buffer (if (= 0 (random 3)) other (current-buffer))
              (let ((pos (1+ (random (1+ (buffer-size))))))
                (goto-char pos)
                (setq pos (point))
                (should (natnump (efrit-mcp-target-line (1+ (random (1+ (buffer-size)))))))
                (should (= pos (point)))
                (should (= (efrit-mcp-target-line pos) (save-restriction (widen) (line-number-at-pos pos))))
                (save-restriction
                  (let ((line (1+ (random (+ 2 (save-restriction (widen) (line-number-at-pos (1+ (buffer-size)))))))))
                    (widen)
                    (goto-char (point-min))
                    (let ((there (and (= 0 (forward-line (1- line))) (bolp) (point))))
                      (if (not there)
                          (should-error (efrit-mcp-target-goto line) :type 'efrit-mcp-invalid-argument)
                        (efrit-mcp-target-goto line)
                        (should (= there (point)))))))))
            (widen))
        (kill-buffer other)))))

(ert-deftest efrit-mcp-target/what-is-slow-says-so ()
  "Each tool that answers by itself would tell how long it kept Emacs."
  (efrit-mcp-tools-test-files (("code.el" . "(defun code-a (x)\n  \"Doc.\"\n  (car x))\n"))
    (find-file-noselect code)
    (let ((default-directory folder)) (call-process "git" nil nil nil "init" "-q"))
    (let ((efrit-mcp-act--slow -1))
      (dolist (call `(("emacs_look") ("emacs_read" "file" ,code) ("emacs_read" "file" ,code "unit" "outline")
                      ("emacs_search" "file" ,code "pattern" "car") ("emacs_search" "in" "buffers" "pattern" "car")
                      ("emacs_edit" "file" ,code "save" "never" "edits" [(("old" . "Doc") ("new" . "Document"))])
                      ("emacs_undo") ("emacs_file" "op" "diff" "file" ,code) ("emacs_file" "op" "save" "file" ,code)
                      ("emacs_command" "command" "beginning-of-buffer" "file" ,code) ("emacs_keys" "keys" "C-f")
                      ("emacs_window" "op" "show" "file" ,code) ("emacs_screenshot" "format" "text")
                      ("emacs_symbols" "name" "code-a" "file" ,code) ("emacs_diagnostics") ("emacs_project" "folder" ,folder)
                      ("emacs_describe" "name" "car") ("emacs_check" "op" "parens" "file" ,code)))
        (let ((answer (apply #'efrit-mcp-tools-test-call call)))
          (unless (string-match-p "busy_ms" (format "%S" answer))
            (ert-fail (list "it does not say how long it kept Emacs" call answer))))))))

;;; Odd buffers, for each tool that reads or changes text

(defun efrit-mcp-target-test--remote ()
  "Return a buffer that looks as if it visited a file of another machine."
  (with-current-buffer (generate-new-buffer "remote.el")
    (insert "(defun far (x) x)\n")
    (emacs-lisp-mode)
    (setq buffer-file-name "/ssh:nobody@nowhere.invalid:/tmp/remote.el" default-directory "/ssh:nobody@nowhere.invalid:/tmp/")
    (current-buffer)))

(ert-deftest efrit-mcp-target/remote-looking-buffers-are-worked-on-without-their-machine ()
  (let* ((buffer (efrit-mcp-target-test--remote)) (name (buffer-name buffer))
         (file-name-handler-alist (efrit-mcp-tools-test-unreachable)))
    (unwind-protect
        (progn
          (should (string-match-p "defun far" (cdr (efrit-mcp-tools-test-read "emacs_read" "buffer" name))))
          (should (string-match-p "far" (cdr (efrit-mcp-tools-test-read "emacs_read" "buffer" name "unit" "outline"))))
          (should (= 1 (length (efrit-mcp-tools-test-lines "emacs_search" "buffer" name "pattern" "far"))))
          (efrit-mcp-tools-test-call "emacs_edit" "buffer" name "save" "never" "edits" [(("old" . "far") ("new" . "near"))])
          (should (string-match-p "near" (with-current-buffer buffer (buffer-string))))
          (efrit-mcp-tools-test-call "emacs_undo")
          (should (string-match-p "far" (with-current-buffer buffer (buffer-string))))
          (efrit-mcp-tools-test-call "emacs_command" "command" "end-of-buffer" "buffer" name)
          (efrit-mcp-tools-test-call "emacs_check" "op" "parens" "buffer" name)
          (efrit-mcp-tools-test-call "emacs_look" "what" ["buffers"])
          (should (stringp (efrit-mcp-tools-test-fails "emacs_project" "folder" "/ssh:nobody@nowhere.invalid:/tmp/")))
          (should (stringp (efrit-mcp-tools-test-fails "emacs_read" "file" "/ssh:nobody@nowhere.invalid:/tmp/other")))
          (should (stringp (efrit-mcp-tools-test-fails "emacs_run" "command" "ls" "directory" "/ssh:nobody@nowhere.invalid:/tmp/"))))
      (with-current-buffer buffer (set-buffer-modified-p nil) (kill-buffer)))))

(ert-deftest efrit-mcp-target/raw-bytes-and-huge-lines-pass-every-tool ()
  (let ((buffer (generate-new-buffer "odd.txt")))
    (unwind-protect
        (progn
          (with-current-buffer buffer
            (buffer-enable-undo)
            (insert "plain\n" (string-to-multibyte "\377\376") " raw\n" (make-string 300000 ?y) "\nlast\n"))
          (switch-to-buffer buffer)
          (let ((name (buffer-name buffer)))
            (dolist (call `(("emacs_look") ("emacs_look" "what" ["state" "buffers" "windows"]) ("emacs_read" "buffer" ,name)
                            ("emacs_search" "buffer" ,name "pattern" "raw" "context" 1) ("emacs_search" "buffer" ,name "pattern" "yyyy")
                            ("emacs_edit" "buffer" ,name "edits" [(("old" . "last") ("new" . "least"))])
                            ("emacs_edit" "buffer" ,name "preview" "diff" "edits" [(("line" . 2) ("new" . "x\n"))])
                            ("emacs_undo" "op" "list") ("emacs_undo") ("emacs_command" "command" "end-of-buffer" "buffer" ,name)
                            ("emacs_keys" "keys" "C-a") ("emacs_window" "op" "show" "buffer" ,name "line" 3)
                            ("emacs_screenshot" "format" "text" "faces" t) ("emacs_diagnostics" "of" "all")))
              (let ((text (format "%S" (apply #'efrit-mcp-tools-test-call call))))
                (should (< (length text) 60000))))
            (should (string-match-p "\\\\377" (cdr (efrit-mcp-tools-test-read "emacs_read" "buffer" name "to" 2))))
            (should (equal (with-current-buffer buffer (buffer-substring 1 7)) "plain\n"))
            (should (equal (with-current-buffer buffer (buffer-substring (- (point-max) 5) (point-max))) "last\n"))))
      (kill-buffer buffer))))

(ert-deftest efrit-mcp-target/narrowed-read-only-and-indirect-for-acting-tools ()
  (efrit-mcp-tools-test-files (("a.txt" . "one\ntwo\nthree\nfour\n"))
    (let* ((base (find-file-noselect a)) (other (make-indirect-buffer base "indirect-a" t)))
      (with-current-buffer base (narrow-to-region 5 9))
      ;; What the person sees stays narrowed; the edit reaches what they do not see.
      (efrit-mcp-tools-test-call "emacs_edit" "file" a "save" "never" "edits" [(("old" . "four") ("new" . "4"))])
      (with-current-buffer base
        (should (buffer-narrowed-p))
        (should (equal (buffer-string) "two\n")))
      (should (string-match-p "4" (with-current-buffer other (save-restriction (widen) (buffer-string)))))
      ;; Through the indirect buffer, and back.
      (efrit-mcp-tools-test-call "emacs_edit" "buffer" "indirect-a" "save" "never" "edits" [(("old" . "one") ("new" . "1"))])
      (efrit-mcp-tools-test-call "emacs_undo")
      (efrit-mcp-tools-test-call "emacs_undo")
      (with-current-buffer base
        (widen)
        (should (equal (buffer-string) "one\ntwo\nthree\nfour\n"))
        (setq buffer-read-only t))
      (should (efrit-mcp-tools-test-error "emacs_edit" "file" a "edits" [(("old" . "one") ("new" . "1"))]))
      (should (string-match-p "read-only" (downcase (format "%S" (efrit-mcp-tools-test--run "emacs_command" (list "command" "delete-char" "file" a))))))
      (should (equal (with-current-buffer base (buffer-string)) "one\ntwo\nthree\nfour\n"))
      (should (string-match-p "read_only" (format "%S" (car (efrit-mcp-tools-test-read "emacs_read" "file" a)))))
      (kill-buffer other))))

;;; efrit-mcp-target-test.el ends here
