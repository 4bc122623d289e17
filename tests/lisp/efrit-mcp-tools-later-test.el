;;; efrit-mcp-tools-later-test.el --- emacs_run, _job, _prompt, _ask_user, and what has tests at all  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(efrit-mcp-native-load efrit-mcp-version)

;;; Commands

(defmacro efrit-mcp-tools-later-test (&rest body)
  "Run BODY in a new folder; no command that it started is left."
  (declare (indent 0))
  `(efrit-mcp-tools-test-files (("a.c" . "int one(void)\n{\n\treturn two;\n}\n"))
     (let ((efrit-mcp-run--all nil) (default-directory folder))
       (unwind-protect (progn ,@body)
         (dolist (run efrit-mcp-run--all)
           (let ((process (efrit-mcp-run-process run)))
             (when (process-live-p process) (kill-process process))
             (efrit-mcp-tools-test-until (lambda () (not (efrit-mcp-run-going-p run))))
             (when (buffer-live-p (efrit-mcp-run-buffer run)) (kill-buffer (efrit-mcp-run-buffer run)))))))))

(ert-deftest efrit-mcp-tools/run-to-its-end ()
  (efrit-mcp-tools-later-test
    (let ((answer (efrit-mcp-tools-test-later "emacs_run" `("command" "echo 'a.c:3:9: error: no two'; echo not ok 1 - it fails; exit 3" "directory" ,folder))))
      (should (equal (alist-get 'state answer) "exited"))
      (should (= 3 (alist-get 'exit_code answer)))
      (should (equal (alist-get 'file (aref (alist-get 'errors answer) 0)) a))
      (should (= 3 (alist-get 'line (aref (alist-get 'errors answer) 0))))
      (should (equal (alist-get 'failures answer) ["not ok 1 - it fails"]))
      (should (string-match-p "error: no two" (alist-get 'tail answer)))
      (should (get-buffer (alist-get 'buffer answer)))
      (should (equal (alist-get 'tail (efrit-mcp-tools-test-call "emacs_job" "op" "look" "job" (alist-get 'job answer))) (alist-get 'tail answer))))))

(ert-deftest efrit-mcp-tools/run-for-longer-than-one-waits ()
  (efrit-mcp-tools-later-test
    (let* ((answer (efrit-mcp-tools-test-later "emacs_run" '("command" "echo begun; read line; echo got $line" "kind" "shell" "wait" 0.05 "name" "waits")))
           (job (alist-get 'job answer)))
      (should (equal (alist-get 'state answer) "running"))
      (should (equal (alist-get 'buffer answer) "*efrit waits*"))
      (should (equal (alist-get 'job (aref (alist-get 'jobs (efrit-mcp-tools-test-call "emacs_job" "op" "list")) 0)) job))
      ;; The end is waited for; the person types meanwhile.
      (let ((ended (efrit-mcp-tools-test-later "emacs_job" `("op" "wait" "job" ,job)
                                               (lambda () (process-send-string (get-buffer-process "*efrit waits*") "something\n")))))
        (should (equal (alist-get 'state ended) "exited"))
        (should (string-match-p "got something" (alist-get 'tail ended)))))))

(ert-deftest efrit-mcp-tools/job-is-stopped ()
  (efrit-mcp-tools-later-test
    (let* ((efrit-mcp-tool-client "claude")
           (job (alist-get 'job (efrit-mcp-tools-test-later "emacs_run" '("command" "sleep 600" "wait" 0.05))))
           (stopped (efrit-mcp-tools-test-later "emacs_job" `("op" "stop" "job" ,job))))
      (should-not (equal (alist-get 'state stopped) "running"))
      (should (equal (alist-get 'stopped_by stopped) "claude"))
      ;; Once more changes nothing.
      (should (equal (alist-get 'state (efrit-mcp-tools-test-later "emacs_job" `("op" "stop" "job" ,job))) (alist-get 'state stopped))))))

(ert-deftest efrit-mcp-tools/run-is-bounded-and-refused ()
  (efrit-mcp-tools-later-test
    ;; Raw bytes and huge lines come through, cut; what is an error around them is found.
    (let ((answer (efrit-mcp-tools-test-later "emacs_run" '("command" "printf '\\377\\376 raw\\n'; head -c 300000 /dev/zero | tr '\\0' x; echo; echo a.c:1:2: error: y; head -c 9000 /dev/zero | tr '\\0' z" "max_chars" 100))))
      (should (equal (alist-get 'state answer) "exited"))
      (should (= 1 (length (alist-get 'errors answer))))
      (should (<= (length (alist-get 'tail answer)) 100))
      (should (string-match-p "characters of output" (alist-get 'truncated answer)))
      (should (< (length (efrit-mcp-json answer)) 4000)))
    (should (string-match-p "command is empty" (efrit-mcp-tools-test-error "emacs_run" "command" " ")))
    (should (string-match-p "no directory" (efrit-mcp-tools-test-error "emacs_run" "command" "true" "directory" "/nonexistent")))
    (should (string-match-p "another machine" (efrit-mcp-tools-test-error "emacs_run" "command" "true" "directory" "/ssh:nowhere.invalid:/tmp")))
    (should (equal (efrit-mcp-tools-test-fails "emacs_job" "op" "look" "job" "run-none") "efrit-mcp-invalid-argument"))
    (should (string-match-p "op list" (efrit-mcp-tools-test-error "emacs_job" "op" "look")))))

;;; Questions

(ert-deftest efrit-mcp-tools/prompt-without-a-question ()
  (should (eq :false (alist-get 'open (efrit-mcp-tools-test-call "emacs_prompt"))))
  (should (string-match-p "no question is open" (efrit-mcp-tools-test-error "emacs_prompt" "op" "answer" "value" "x")))
  (should (string-match-p "no question is open" (efrit-mcp-tools-test-error "emacs_prompt" "op" "abort"))))

(ert-deftest efrit-mcp-tools/ask-a-person-who-is-not-there ()
  (skip-unless (not (efrit-mcp-query-person-p)))
  (should (string-match-p "nobody sees this Emacs" (efrit-mcp-tools-test-error "emacs_ask_user" "question" "Well?")))
  (should (string-match-p "question is empty" (efrit-mcp-tools-test-error "emacs_ask_user" "question" " \n")))
  ;; The client's user is asked instead, where it can.
  (let ((efrit-mcp-client--used nil) (efrit-mcp-client--state nil)
        (efrit-mcp-client-context "{\"capabilities\":{\"elicitation\":{}}}"))
    (let ((asked (efrit-mcp-tools-test--run "emacs_ask_user" '("question" "Which?" "choices" ["one" "two"]))))
      (should (eq (car asked) 'asks))
      (should (string-match-p "\"enum\":\\[\"one\",\"two\"\\]" (efrit-mcp-json (cdr asked)))))))

(ert-deftest efrit-mcp-tools/ask-a-person-who-is-there ()
  (skip-unless (efrit-mcp-query-person-p))
  (save-window-excursion
    (let* ((mine (selected-window)) (question (lambda () (car efrit-mcp-query--all)))
           (ask (lambda (then) (efrit-mcp-tools-test-later "emacs_ask_user" '("question" "Which?" "choices" ["one" "two"]) then))))
      (should (equal (alist-get 'text (funcall ask (lambda ()
                                                     (should (eq mine (selected-window)))
                                                     (with-current-buffer efrit-mcp-query--buffer
                                                       (goto-char (point-min))
                                                       (search-forward "two")
                                                       (push-button (1- (point)))))))
                     "two"))
      (should (equal (alist-get 'answer (funcall ask (lambda () (efrit-mcp-query-end (funcall question) "declined")))) "declined"))
      (should (equal (alist-get 'answer (funcall ask (lambda () (kill-buffer efrit-mcp-query--buffer)))) "abandoned"))
      (should (equal (alist-get 'answer (let ((efrit-mcp-tool-timeout 0.2)) (funcall ask #'ignore))) "timeout"))
      (should-not efrit-mcp-query--all)
      (should-not (get-buffer efrit-mcp-query--buffer)))))

;;; What refusals say

(ert-deftest efrit-mcp-tools/refusals-say-what-to-do ()
  (efrit-mcp-tools-test-files (("a.el" . "(defun one () 1)\n") ("b.txt" . "text\n"))
    (pcase-dolist (`(,words . ,call)
                   `(("the file has no outline: its mode, text-mode" "emacs_read" "file" ,b "unit" "outline")
                     ("no folder /nonexistent/.*emacs_edit" "emacs_file" "op" "open" "file" "/nonexistent/x")
                     ("command is empty" "emacs_command" "command" " ")
                     ("near: forward-char" "emacs_command" "command" "forward-charr")
                     ("args of emacs_command" "emacs_command" "command" "find-file")
                     ("op show shows it" "emacs_window" "op" "scroll" "line" 2 "buffer" "*Messages*")
                     ("nothing was compiled here: emacs_run" "emacs_diagnostics" "of" "compilation")
                     ("car is written in C" "emacs_describe" "name" "car" "source" t)
                     ("b\\.txt is in text-mode, not Emacs Lisp: emacs_run" "emacs_check" "op" "compile" "file" ,b)
                     ("not Emacs Lisp" "emacs_check" "op" "test" "file" ,b)
                     ("it ends in the middle of one" "emacs_check" "op" "expand" "code" "(when")
                     ("code is no whole form of Lisp" "emacs_check" "op" "expand" "code" ")")))
      (should (string-match-p words (apply #'efrit-mcp-tools-test-error call))))
    (should (string-match-p "emacs_search" (alist-get 'hint (efrit-mcp-tools-test-call "emacs_symbols" "name" "no-such-thing" "file" a))))
    ;; Nothing that ran is nothing that passed.
    (let ((answer (efrit-mcp-tools-test-call "emacs_check" "op" "test" "file" a)))
      (should (eq :false (alist-get 'passed answer)))
      (should (string-match-p "no test ran" (alist-get 'hint answer))))))

;;; Every tool has tests

(defconst efrit-mcp-tools-later-test--folder (file-name-directory (or load-file-name buffer-file-name)))

(defun efrit-mcp-tools-later-test--strings (form known)
  "Return the strings in FORM, and those of the functions in it that KNOWN has."
  (let ((found nil) (seen nil) (stack (list form)))
    (while stack
      (let ((each (pop stack)))
        (cond ((stringp each) (push each found))
              ((and each (symbolp each) (not (memq each seen)))
               (push each seen)
               (setq found (append (cdr (assq each known)) found)))
              ((vectorp each) (setq stack (append each stack)))
              ((consp each) (push (car each) stack) (push (cdr each) stack)))))
    found))

(defun efrit-mcp-tools-later-test--tests (file)
  "Return (TEST . STRINGS) of the tests in FILE, those of its helpers among them."
  (with-temp-buffer
    (insert-file-contents file)
    (let ((known nil) (tests nil) (form nil))
      (while (setq form (ignore-errors (read (current-buffer))))
        (let ((strings (efrit-mcp-tools-later-test--strings (cddr form) known)))
          (push (cons (cadr form) strings) (if (memq (car form) '(ert-deftest efrit-mcp-tools-terminal-test)) tests known))))
      tests)))

(ert-deftest efrit-mcp-tools/each-has-tests ()
  "A tool without three tests that call it fails this one."
  (let* ((files (directory-files efrit-mcp-tools-later-test--folder t "\\`efrit-mcp-.*-test\\.el\\'"))
         (tests (apply #'append (mapcar #'efrit-mcp-tools-later-test--tests files))) (missing nil))
    (should (> (length tests) 100))
    (dolist (tool efrit-mcp-profile--order)
      (let ((own (seq-filter (lambda (test) (member tool (cdr test))) tests)))
        (when (< (length own) 3) (push (list tool (mapcar #'car own)) missing))))
    (should-not missing))
  (dolist (tool efrit-mcp-tool--all)
    (when (string-prefix-p "emacs_" (plist-get tool :name))
      (should (member (plist-get tool :name) efrit-mcp-profile--order)))))

;;; efrit-mcp-tools-later-test.el ends here
