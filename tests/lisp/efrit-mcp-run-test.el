;;; efrit-mcp-run-test.el --- Commands in compilation buffers, and what agents did  -*- lexical-binding: t -*-

(require 'ert)
(require 'cl-lib)
(require 'efrit-mcp)
(require 'efrit-mcp-test-wait)

(efrit-mcp-native-load efrit-mcp-version)

(defmacro efrit-mcp-run-test--with (command &rest body)
  "Run BODY with `run' bound to COMMAND, which was started."
  (declare (indent 1))
  `(let* ((efrit-mcp-run--all nil) (efrit-mcp-server-instance nil)
          (run (efrit-mcp-run-start ,command temporary-file-directory nil nil)))
     (unwind-protect (progn ,@body)
       (let ((process (efrit-mcp-run-process run)))
         (when (process-live-p process) (kill-process process) (efrit-mcp-run-test--wait run)))
       (when (buffer-live-p (efrit-mcp-run-buffer run)) (kill-buffer (efrit-mcp-run-buffer run))))))

(defun efrit-mcp-run-test--wait (run)
  "Wait for the end of RUN."
  (efrit-mcp-test-until 30 (not (efrit-mcp-run-going-p run))))

(ert-deftest efrit-mcp-run/errors-and-exit ()
  (efrit-mcp-run-test--with "printf 'x.c:12:3: warning: odd\\nx.c:14: error: bad\\n'; exit 3"
    (let ((heard nil))
      (efrit-mcp-run-on-end run (lambda (ended) (when ended (push (efrit-mcp-run-state ended) heard))))
      (efrit-mcp-run-test--wait run)
      (should (equal heard '("exited"))))
    (let ((look (efrit-mcp-run-look run 500)))
      (should (equal (alist-get 'exit_code look) 3))
      (should (equal (mapcar (lambda (e) (list (alist-get 'line e) (alist-get 'severity e))) (alist-get 'errors look))
                     '((12 "warning") (14 "error")))))
    (should (<= (length (alist-get 'tail (efrit-mcp-run-look run 40))) 40))))

(ert-deftest efrit-mcp-run/one-end ()
  (efrit-mcp-run-test--with "sleep 600"
    (let ((ends 0))
      (efrit-mcp-run-on-end run (lambda (ended) (when ended (setq ends (1+ ends)))))
      (kill-buffer (efrit-mcp-run-buffer run))
      (should (equal (efrit-mcp-run-state run) "buffer-killed"))
      (while (process-live-p (efrit-mcp-run-process run)) (accept-process-output nil 1))
      (should (= ends 1)))))

(ert-deftest efrit-mcp-run/the-person-s-next-error-is-theirs ()
  (let ((next-error-last-buffer (current-buffer)))
    (efrit-mcp-run-test--with "true"
      (should (eq next-error-last-buffer (current-buffer)))
      (efrit-mcp-run-test--wait run))))

(ert-deftest efrit-mcp-run/limits ()
  (let ((efrit-mcp-run-at-once 1))
    (efrit-mcp-run-test--with "sleep 600"
      (should-error (efrit-mcp-run--check "ls" "/tmp") :type 'efrit-mcp-error)))
  (let ((efrit-mcp-run--all nil) (efrit-mcp-run-kept 2))
    (dotimes (i 5) (push (efrit-mcp-run--make :id (format "r%d" i) :ended 1) efrit-mcp-run--all))
    (efrit-mcp-run--forget)
    (should (equal (mapcar #'efrit-mcp-run-id efrit-mcp-run--all) '("r4" "r3")))))

(ert-deftest efrit-mcp-activity/lines-and-undo ()
  (let ((efrit-mcp-activity--calls nil) (efrit-mcp-activity--size 0) (efrit-mcp-activity-max 3) (efrit-mcp-change--all nil)
        (text nil))
    (with-temp-buffer
      (rename-buffer "mine" t)
      (buffer-enable-undo)
      (dotimes (i 8)
        (let ((change (cdr (efrit-mcp-change-record "emacs_edit" (lambda () (insert (format "%d\n" i)))))))
          (efrit-mcp-activity-note i "emacs_edit" "agent" '(("file" . "/tmp/somewhere/a\nb")) (- (float-time) 0.5)
                                   `(ended (done . ((status . "success") (undo_id . ,(efrit-mcp-change-id change))
                                                    (edited . [((buffer . ,(buffer-name)))])))
                                           ((changed . [((buffer . "other")) ((buffer . ,efrit-mcp-activity--buffer))]))))))
      (should (<= (length efrit-mcp-activity--calls) 6))
      (should (= 3 (length (split-string (efrit-mcp-activity-text) "\n" t))))
      (setq text (efrit-mcp-activity-text))
      (should (string-match-p "^[0-9:]+ agent +emacs_edit a b +0.5. s  done  \\[Undo\\]  changed other, mine\n" text))
      (efrit-mcp-activity-undo (car efrit-mcp-activity--calls))
      (should (equal (buffer-string) "0\n1\n2\n3\n4\n5\n6\n"))
      (should (string-match-p "\\`.*taken back  changed" (efrit-mcp-activity-text)))
      (should-error (efrit-mcp-activity-undo (car efrit-mcp-activity--calls)) :type 'user-error)
      ;; Taken back by the agent itself, its button goes; what cannot be taken back says so.
      (efrit-mcp-change-undo-id (car (efrit-mcp-activity-call-undo (nth 1 efrit-mcp-activity--calls))))
      (should-not (string-match-p "Undo" (nth 1 (split-string (efrit-mcp-activity-text) "\n"))))
      (erase-buffer)
      (should-error (efrit-mcp-activity-undo (nth 2 efrit-mcp-activity--calls)) :type 'user-error)
      (should (string-match-p "Undo" (nth 2 (split-string (efrit-mcp-activity-text) "\n")))))
    (efrit-mcp-activity-note 9 "emacs_run" "ein-agent-mit-l\u00e4ngerem-namen" nil (float-time) '(ended (deferred) nil))
    (should (string-match-p "^[0-9:]+ ein-agent... emacs_run.* going on" (efrit-mcp-activity-text)))
    (efrit-mcp-activity-answered 9 '((status . "error") (edited . [((buffer . "late"))])))
    (should (string-match-p "emacs_run.*failed.*changed late" (efrit-mcp-activity-text)))))

(ert-deftest efrit-mcp-tools/definitions-are-short ()
  "All emacs_* definitions together stay under 24,000 characters, ours under 5,500."
  (let ((all 0) (ours 0))
    (dolist (tool efrit-mcp-tool--all)
      (when (string-prefix-p "emacs_" (plist-get tool :name))
        (let ((size (length (efrit-mcp--mod-json (efrit-mcp-tool--entry tool)))))
          (setq all (+ all size))
          (when (member (plist-get tool :name) '("emacs_run" "emacs_job" "emacs_prompt" "emacs_ask_user"))
            (setq ours (+ ours size))))))
    (should (> ours 1000))
    (should (< ours 5500))
    (should (< all 24000))))

;;; efrit-mcp-run-test.el ends here
