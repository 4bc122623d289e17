;;; efrit-mcp-names-test.el --- A secret by all its names, and values that are not shown  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(efrit-mcp-native-load efrit-mcp-version)

(defun efrit-mcp-names-test--refused (file)
  "Each tool that reads or writes FILE refuses it as secret."
  (dolist (call `(("emacs_read" "file" ,file) ("emacs_search" "pattern" "x" "file" ,file) ("emacs_edit" "file" ,file "edits" [(("new" . "x"))])
                  ("emacs_file" "op" "open" "file" ,file) ("emacs_symbols" "op" "outline" "file" ,file) ("emacs_diagnostics" "file" ,file)))
    (let ((code (apply #'efrit-mcp-tools-test-fails call)))
      (unless (equal code "efrit-mcp-secret") (error "%S: %s" call code)))))

(ert-deftest efrit-mcp-names/each-name-of-a-file ()
  (efrit-mcp-tools-test-files ((".netrc" . "machine\n") ("sub" . "x"))
    (let ((real (expand-file-name ".netrc" folder)) (inner (expand-file-name "d/e" folder)))
      (make-directory inner t)
      (make-symbolic-link real (expand-file-name "one" folder))
      (make-symbolic-link "../../one" (expand-file-name "two" inner))
      (make-symbolic-link "e" (expand-file-name "d/f" folder))
      (make-symbolic-link "loop" (expand-file-name "loop" folder))
      (dolist (name (list (expand-file-name "one" folder) (expand-file-name "two" inner) (expand-file-name "d/f/two" folder)
                          (concat folder "d/../one") (concat folder "./one") (concat "/:" real) (concat "/proc/self/root" real)))
        (efrit-mcp-names-test--refused name))
      (should-not (efrit-mcp-secret-p (expand-file-name "loop" folder)))
      (should-not (efrit-mcp-secret-p (expand-file-name "sub" folder)))))
  (dolist (name '("/h/.netrc~" "/h/.netrc.~3~" "/h/#.netrc#" "/h/.env.bak" "/h/id_rsa.old.gz" "/h/.AUTHINFO.GPG" "/b/!home!x!.netrc~" "/b/#!home!x!.netrc#"
                  "/h/a.zip:.netrc" "/h/a.tar!.ssh/id_rsa" "/h/a.tar.gz/.ssh/work" "/sudo::/h/.netrc" "/ssh:a|sudo:b:/:/h/.netrc" "file:///h/.netrc"
                  "/proc/1/environ" "/proc/self/fd/3" "/proc/self/task/9/environ" "/proc/self/cwd/x" "/proc/7/root/status" "/proc/self/./root/etc/passwd" "/dev/fd/0" "/proc/kcore"))
    (unless (efrit-mcp-secret-p name) (error "%s is not secret" name)))
  (dolist (name '("/h/notes~" "/h/a.zip:readme" "/proc/self/status" "/proc/self" "/proc/1/task/1/stat" "/proc/cpuinfo" "/h/id_rsa.pub" "/h/.ssh/id_rsa.pub" "/h/id_rsa_parser.c" "/h/token.c" "/h/token"))
    (when (efrit-mcp-secret-p name) (error "%s is secret: %s" name (efrit-mcp-secret-p name)))))

;; A `let' of it walks over all buffers, so one for each would take as long as their number squared.
(defun efrit-mcp-names-test--folds (buffers)
  "Return how often case is let-bound while BUFFERS more are searched."
  (let* ((n 0) (watch (lambda (_ _ operation where) (when (and (memq operation '(let set)) (null where)) (setq n (1+ n))))) (made nil))
    (unwind-protect
        (progn
          (dotimes (i buffers)
            (push (generate-new-buffer "names-test") made)
            (with-current-buffer (car made) (setq buffer-file-name (format "/nowhere/%d/file" i))))
          (efrit-mcp-tools-test-read "emacs_search" "in" "buffers" "pattern" "not to be found")
          (add-variable-watcher 'case-fold-search watch)
          (efrit-mcp-tools-test-read "emacs_search" "in" "buffers" "pattern" "not to be found")
          n)
      (remove-variable-watcher 'case-fold-search watch)
      (dolist (b made) (with-current-buffer b (setq buffer-file-name nil)) (kill-buffer b)))))

(ert-deftest efrit-mcp-names/many-buffers ()
  (should (< 0 (efrit-mcp-names-test--folds 1)))
  (should (= (efrit-mcp-names-test--folds 1) (efrit-mcp-names-test--folds 40))))

(ert-deftest efrit-mcp-names/case-is-the-same-whatever-the-buffer-says ()
  (let ((case-fold-search nil))
    (dolist (each '("/h/.AUTHINFO.GPG" "/h/.NetRC.BAK" "/h/A.ZIP:.netrc"))
      (should (efrit-mcp-secret-p each))
      (with-current-buffer efrit-mcp-names--folds (setq case-fold-search nil))
      (should (efrit-mcp-secret-p each))
      (kill-buffer efrit-mcp-names--folds)))
  (dolist (name '("/h/.netrc.bak.gz.old~" "/h/.netrc.~1.2~" "/h/#.netrc.gz#" "/b/!h!.netrc.gz~"))
    (should (efrit-mcp-secret-p name)))
  (dolist (name '("/h/#" "/h/##" "/h/~" "/h/.gz" "/h/!" "/"))
    (should-not (efrit-mcp-secret-p name))))

(ert-deftest efrit-mcp-names/a-folder-with-the-sign ()
  (efrit-mcp-tools-test-files ((".not-for-agents" . "") ("words.txt" . "x\n"))
    (let ((below (expand-file-name "a/b/c.txt" folder)) (beside (make-temp-file "names-")))
      (unwind-protect
          (progn
            (make-directory (file-name-directory below) t)
            (write-region "x" nil below nil 'silent)
            (efrit-mcp-names-test--refused words)
            (efrit-mcp-names-test--refused below)
            ;; By another name of the same file, and by the name of a buffer that visits it.
            (delete-file beside)
            (add-name-to-file words beside)
            (efrit-mcp-names-test--refused beside)
            (with-current-buffer (find-file-noselect words)
              (rename-buffer "names-test-innocent")
              (should (equal "efrit-mcp-secret" (efrit-mcp-tools-test-fails "emacs_read" "buffer" "names-test-innocent")))
              (should (equal "efrit-mcp-secret" (efrit-mcp-tools-test-fails "efrit_wait" "for" "buffer text" "pattern" "." "buffer" (buffer-name)))))
            ;; A search says what it skipped, also where there would be nothing.
            (dolist (pattern '("x" "nowhere"))
              (let ((said (car (efrit-mcp-tools-test-read "emacs_search" "pattern" pattern "in" "files" "folder" folder))))
                (should (= 0 (alist-get 'hits said)))
                (should (equal '("a/b/c.txt" "words.txt") (sort (mapcar (lambda (s) (alist-get 'name s)) (alist-get 'skipped said)) #'string<))))))
        (ignore-errors (delete-file beside))))))

(ert-deftest efrit-mcp-names/the-environment-is-not-told-by-names ()
  (let ((process-environment (append '("NAMES_TEST_TOKEN=opensesame" "HOME=/nowhere") process-environment)))
    (let ((said (efrit-mcp-tools-test-error "emacs_read" "file" "/$NAMES_TEST_TOKEN/${NAMES_TEST_TOKEN}")))
      (should-not (string-search "opensesame" said)))
    (should (string-search "/nowhere/words.txt" (efrit-mcp-tools-test-error "emacs_read" "file" "$HOME/words.txt")))))

(defvar efrit-mcp-names-test-api-key "opensesame")
(defvar efrit-mcp-names-test-plain nil)

(ert-deftest efrit-mcp-names/values ()
  (let ((process-environment (cons "NAMES_TEST_SECRET=open\"sesame\\x" process-environment)) (kill-ring '("killed words")) (kill-ring-yank-pointer '("killed words")))
    (dolist (name '("kill-ring" "kill-ring-yank-pointer" "process-environment" "initial-environment" "efrit-mcp-names-test-api-key"))
      (should (string-search "Value: (not for agents" (efrit-mcp-tools-test-call "emacs_describe" "name" name "kind" "variable"))))
    (dolist (value (list (list 1 "see open\"sesame\\x" [a "killed words"]) "open\"sesame\\x" (make-string 990 ?x)))
      (let* ((efrit-mcp-names-test-plain value) (said (efrit-mcp-tools-test-call "emacs_describe" "name" "efrit-mcp-names-test-plain")))
        (should-not (string-match-p "sesame\\|killed words" said))))
    ;; Half a secret at the end of what is shown is one too.
    (let* ((efrit-mcp-names-test-plain (concat (make-string 990 ?x) "killed words")))
      (should-not (string-search "killed" (efrit-mcp-tools-test-call "emacs_describe" "name" "efrit-mcp-names-test-plain"))))
    (should (string-match-p "Value: [0-9]+" (efrit-mcp-tools-test-call "emacs_describe" "name" "kill-ring-max")))
    (should (string-search "Value: nil" (efrit-mcp-tools-test-call "emacs_describe" "name" "efrit-mcp-names-test-plain")))))

;;; efrit-mcp-names-test.el ends here
