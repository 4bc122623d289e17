;;; efrit-mcp-person-test.el --- The next command of the person is as if no job had run  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)

(defun efrit-mcp-person-test--do (command &optional event)
  "Do COMMAND, typed as EVENT, as Emacs's command loop does."
  (undo-auto--add-boundary)
  (setq last-command-event event this-command command real-this-command command deactivate-mark nil)
  (command-execute command)
  (setq last-command this-command real-last-command real-this-command this-command nil))

(defun efrit-mcp-person-test--type (text)
  "Type TEXT, each letter a command."
  (mapc (lambda (c) (efrit-mcp-person-test--do 'self-insert-command c)) text))

(defmacro efrit-mcp-person-test--with (text &rest body)
  "Run BODY in a shown buffer with TEXT and undo, and an empty kill ring."
  (declare (indent 1))
  `(let ((kill-ring nil) (kill-ring-yank-pointer nil) (last-command nil) (efrit-mcp-change--all nil)
         (line-move-visual nil) ; the first frame of a daemon is narrow
         (buffer (generate-new-buffer "person")))
     (unwind-protect
         (save-window-excursion
           (switch-to-buffer buffer)
           (insert ,text)
           (buffer-disable-undo) (buffer-enable-undo)
           ,@body)
       (with-current-buffer buffer (set-buffer-modified-p nil))
       (kill-buffer buffer))))

(defun efrit-mcp-person-test--undone ()
  "Return the text after each step of undo, the first is the newest."
  (let ((texts (list (buffer-string))) (last-command nil))
    (undo-auto--add-boundary)
    (let ((pending-undo-list buffer-undo-list))
      (undo-start)
      (while (consp pending-undo-list)
        (undo-more 1)
        (unless (equal (buffer-string) (car texts)) (push (buffer-string) texts))))
    (nreverse texts)))

(ert-deftest efrit-mcp-person/an-insertion-is-a-step-of-its-own ()
  (dolist (job (list (lambda () (save-excursion (goto-char (point-max)) (insert "AGENT")))
                     (lambda () (efrit-mcp-change-record "test" (lambda () (save-excursion (goto-char (point-max)) (insert "AGENT")))))))
    (efrit-mcp-person-test--with ""
      (efrit-mcp-person-test--type "one")
      (efrit-mcp-person-kept (funcall job))
      (goto-char (point-max))
      (efrit-mcp-person-test--type "two")
      (should (equal (efrit-mcp-person-test--undone) '("oneAGENTtwo" "oneAGENT" "one" ""))))))

(ert-deftest efrit-mcp-person/a-job-elsewhere-leaves-the-letters-together ()
  (let ((other (generate-new-buffer "other")))
    (dolist (job (list #'ignore (lambda () (with-current-buffer other (insert "AGENT")))))
      (efrit-mcp-person-test--with ""
        (efrit-mcp-person-test--type "on")
        (efrit-mcp-person-kept (funcall job))
        (efrit-mcp-person-test--type "e")
        (should (equal (efrit-mcp-person-test--undone) '("one" "")))))
    (with-current-buffer other
      (buffer-enable-undo)
      (efrit-mcp-person-kept (insert "1"))
      (efrit-mcp-person-kept (insert "2"))
      (should (equal (cl-count nil buffer-undo-list) 3)))
    (kill-buffer other)))

(ert-deftest efrit-mcp-person/first-letters-and-several-buffers ()
  (let ((other (generate-new-buffer "other")))
    (with-current-buffer other (buffer-enable-undo))
    (efrit-mcp-person-test--with ""
      (efrit-mcp-person-test--type "a")
      (efrit-mcp-person-kept (insert "X") (with-current-buffer other (insert "X")))
      (efrit-mcp-person-test--type "b")
      (should (equal (efrit-mcp-person-test--undone) '("aXb" "aX" "a" "")))
      (with-current-buffer other (should (null (car buffer-undo-list)))))
    (kill-buffer other)))

(ert-deftest efrit-mcp-person/kills-do-not-join ()
  (efrit-mcp-person-test--with "one\ntwo\nthree\nfour\n"
    (goto-char 1)
    (efrit-mcp-person-test--do 'kill-line)
    (efrit-mcp-person-test--do 'kill-line)
    (should (equal kill-ring '("one\n")))
    (efrit-mcp-person-kept (save-excursion (goto-char (point-max)) (kill-region (- (point) 5) (point))))
    (should (equal kill-ring '("four\n" "one\n")))
    (efrit-mcp-person-test--do 'kill-line)
    (should (equal kill-ring '("two" "four\n" "one\n"))))
  (efrit-mcp-person-test--with "one\ntwo\nthree\n"
    (goto-char 1)
    (efrit-mcp-person-test--do 'kill-line)
    (efrit-mcp-person-kept (upcase-region 1 4)) ; no kill: the next of the person joins the last
    (efrit-mcp-person-test--do 'kill-line)
    (should (equal kill-ring '("one\n")))))

(ert-deftest efrit-mcp-person/a-yank-goes-on ()
  (efrit-mcp-person-test--with ""
    (kill-new "older") (kill-new "newer")
    (efrit-mcp-person-test--do 'yank)
    (efrit-mcp-person-kept (kill-new "AGENT"))
    (efrit-mcp-person-test--do 'yank-pop)
    (should (equal (buffer-string) "older"))))

(ert-deftest efrit-mcp-person/a-yank-is-of-ones-own-kill ()
  (dolist (kill (list (lambda () (kill-region (line-beginning-position) (line-end-position)))
                      (lambda () (kill-line) (forward-line 0))
                      (lambda () (efrit-mcp-keys--type (listify-key-sequence (kbd "C-k C-e"))))))
    (efrit-mcp-person-test--with "mine\nagent\nlater\n"
      (goto-char 1)
      (efrit-mcp-person-test--do 'kill-line)
      (efrit-mcp-person-kept (save-excursion (goto-char (point-min)) (forward-line 1) (funcall kill)))
      (should (equal kill-ring '("agent" "mine")))
      (efrit-mcp-person-kept (save-excursion (goto-char (point-max)) (insert "x\n")))
      (efrit-mcp-person-test--do 'yank)
      (should (equal (buffer-string) "mine\n\nlater\nx\n"))
      ;; The agent's next call goes on with what the last one killed, until the person kills.
      (efrit-mcp-person-kept (save-excursion (goto-char (point-max)) (yank)))
      (should (equal (buffer-string) "mine\n\nlater\nx\nagent"))
      (efrit-mcp-person-test--do 'yank)
      (goto-char (point-min))
      (efrit-mcp-person-test--do 'kill-line)
      (efrit-mcp-person-kept (save-excursion (goto-char (point-max)) (yank)))
      (should (equal (buffer-string) "\n\nlater\nx\nagentminemine"))))
  (efrit-mcp-person-test--with ""
    (kill-new "mine")
    (efrit-mcp-person-kept (kill-append " and more" nil))
    (should (equal kill-ring '("mine and more" "mine")))
    (efrit-mcp-person-test--do 'yank)
    (should (equal (buffer-string) "mine"))
    ;; This is meant for the person.
    (setq last-command 'ignore)
    (efrit-mcp-person-kept (kill-new "yours"))
    (efrit-mcp-person-test--do 'yank)
    (should (equal (buffer-string) "mineyours"))))

(ert-deftest efrit-mcp-person/what-one-command-leaves-for-the-next ()
  (efrit-mcp-person-test--with "long line here\nx\nanother long line\n"
    (goto-char 10)
    (efrit-mcp-person-test--do 'next-line)
    (let ((prefix-arg '(4)) (current-prefix-arg 3) (last-repeatable-command 'undo) (transient-mark-mode '(only . t)) (seen nil))
      (set--this-command-keys "\C-x")
      (efrit-mcp-person-kept
        (setq seen (list prefix-arg current-prefix-arg last-command))
        (save-excursion (goto-char 1) (setq temporary-goal-column 0) (call-interactively #'next-line))
        (setq prefix-arg 7 this-command 'undo last-command 'undo real-last-command 'ignore last-repeatable-command 'ignore transient-mark-mode t)
        (execute-kbd-macro "\C-a"))
      (should (equal seen '(nil nil nil)))
      (should (equal (list prefix-arg current-prefix-arg last-command last-repeatable-command transient-mark-mode (this-command-keys))
                     '((4) 3 next-line undo (only . t) "\C-x"))))
    (efrit-mcp-person-test--do 'next-line)
    (should (= (current-column) 9))))

(ert-deftest efrit-mcp-person/keys-of-an-agent-are-not-in-the-macro-of-the-person ()
  (efrit-mcp-person-test--with ""
    (let ((last-kbd-macro nil))
      (start-kbd-macro nil)
      (unwind-protect
          (efrit-mcp-person-kept (execute-kbd-macro "xyz"))
        (should defining-kbd-macro)
        (end-kbd-macro))
      (should (equal (buffer-string) "xyz"))
      (should (= 0 (length last-kbd-macro))))))

;;; efrit-mcp-person-test.el ends here
