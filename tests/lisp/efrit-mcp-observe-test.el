;;; efrit-mcp-observe-test.el --- What an answer says of the editor  -*- lexical-binding: t -*-

(require 'ert)
(require 'cl-lib)
(require 'efrit-mcp)

(efrit-mcp-native-load efrit-mcp-version)

(defun efrit-mcp-observe-test--of (level function)
  "Return the observation at LEVEL of what FUNCTION does."
  (efrit-mcp-observe-begin level)
  (funcall function)
  (efrit-mcp-observe-end))

(ert-deftest efrit-mcp-observe/none-costs-nothing ()
  (should-not (efrit-mcp-observe-test--of "none" (lambda () (message "x")))))

(ert-deftest efrit-mcp-observe/new-messages-only ()
  (message "before")
  (let ((seen (efrit-mcp-observe-test--of "brief" (lambda () (message "one") (message "two")))))
    (should (equal (alist-get 'messages seen) ["one" "two"])))
  (should-not (alist-get 'messages (efrit-mcp-observe-test--of "brief" #'ignore))))

(ert-deftest efrit-mcp-observe/a-repeated-message-is-seen ()
  (message "again")
  (let ((seen (efrit-mcp-observe-test--of "brief" (lambda () (message "again")))))
    (should (string-prefix-p "again" (aref (alist-get 'messages seen) 0)))))

(ert-deftest efrit-mcp-observe/changed-and-new-buffers ()
  (let ((old (generate-new-buffer "observe-old")) (new nil))
    (unwind-protect
        (let* ((seen (efrit-mcp-observe-test--of
                      "brief" (lambda ()
                                (with-current-buffer old (insert "x"))
                                (setq new (generate-new-buffer "observe-new")))))
               (changed (append (alist-get 'changed seen) nil)))
          (should (seq-find (lambda (c) (and (equal (alist-get 'buffer c) (buffer-name old))
                                             (equal (alist-get 'change c) "text")))
                            changed))
          (should (seq-find (lambda (c) (and (equal (alist-get 'buffer c) (buffer-name new))
                                             (equal (alist-get 'change c) "new")))
                            changed)))
      (kill-buffer old)
      (kill-buffer new))))

(ert-deftest efrit-mcp-observe/apart-outlives-other-jobs ()
  (let ((seen (efrit-mcp-observe-apart "brief")) (none (efrit-mcp-observe-apart "none"))
        (mine (generate-new-buffer "observe-apart")) (told (generate-new-buffer "observe-told")))
    (unwind-protect
        (progn
          (message "first")
          ;; Another job in between takes its own snapshot and tells its own.
          (let ((other (efrit-mcp-observe-test--of "brief" (lambda () (with-current-buffer mine (insert "x"))))))
            (should (= 1 (length (alist-get 'changed other)))))
          (should-not (efrit-mcp-observe-since none))
          (let ((all (efrit-mcp-observe-since seen (list told))))
            (should (member "first" (append (alist-get 'messages all) nil)))
            (should (equal (mapcar (lambda (c) (alist-get 'buffer c)) (alist-get 'changed all)) (list (buffer-name mine))))
            (should (alist-get 'state all))))
      (kill-buffer mine)
      (kill-buffer told))))

(ert-deftest efrit-mcp-observe/bounded ()
  (let ((seen (efrit-mcp-observe-test--of
               "brief" (lambda () (dotimes (i 60) (message "m%d %s" i (make-string 2000 ?x)))))))
    (should (<= (length (alist-get 'messages seen)) efrit-mcp-observe--messages-max))
    (should (seq-every-p (lambda (m) (<= (length m) (+ 3 efrit-mcp-observe--message-max)))
                         (alist-get 'messages seen)))
    (should (string-prefix-p "m59" (aref (alist-get 'messages seen)
                                          (1- (length (alist-get 'messages seen))))))))

(ert-deftest efrit-mcp-observe/full-names-windows-and-buffers ()
  (let ((state (alist-get 'state (efrit-mcp-observe-test--of "full" #'ignore))))
    (should (vectorp (alist-get 'windows state)))
    (should (vectorp (alist-get 'buffers state)))
    (should (stringp (alist-get 'directory state)))))

(ert-deftest efrit-mcp-observe/killed-buffers-are-counted ()
  (let ((one (generate-new-buffer "observe-one")) (two (generate-new-buffer "observe-two")))
    (should (equal 2 (alist-get 'killed_buffers
                                (efrit-mcp-observe-test--of
                                 "brief" (lambda () (kill-buffer one) (kill-buffer two))))))
    (should-not (alist-get 'killed_buffers (efrit-mcp-observe-test--of "brief" #'ignore)))))

(ert-deftest efrit-mcp-observe/killed-without-hooks ()
  "A buffer that Emacs kills silently is counted, though the list of buffers is kept."
  (let* ((quiet (get-buffer-create "observe-quiet" t))
         (seen (efrit-mcp-observe-test--of "brief" (lambda () (kill-buffer quiet)))))
    (should (equal 1 (alist-get 'killed_buffers seen)))
    (should-not (assq 'killed_buffers (efrit-mcp-observe-test--of "brief" #'ignore)))))

(ert-deftest efrit-mcp-observe/stop-leaves-no-hook ()
  (efrit-mcp-observe-test--of "brief" #'ignore)
  (should (memq #'efrit-mcp-observe--stale (default-value 'buffer-list-update-hook)))
  (efrit-mcp-observe-stop)
  (should-not (memq #'efrit-mcp-observe--stale (default-value 'buffer-list-update-hook))))

(ert-deftest efrit-mcp-observe/more-buffers-than-ever ()
  (let ((many nil))
    (unwind-protect
        (progn
          (dotimes (i 300) (push (generate-new-buffer (format "observe-%d" i)) many))
          (let* ((last (car (last many)))
                 (seen (efrit-mcp-observe-test--of
                        "brief" (lambda ()
                                  (bury-buffer (nth 7 many)) ; another order
                                  (with-current-buffer last (insert "x"))))))
            (should (equal (mapcar (lambda (c) (alist-get 'buffer c)) (alist-get 'changed seen))
                           (list (buffer-name last))))
            (should-not (alist-get 'killed_buffers seen))))
      (mapc #'kill-buffer many))))

(defun efrit-mcp-observe-test--state ()
  "Return the brief state as the agent gets it."
  (efrit-mcp--mod-parse
   (efrit-mcp--mod-json (alist-get 'state (efrit-mcp-observe-test--of "brief" #'ignore)))))

(ert-deftest efrit-mcp-observe/the-state-is-never-an-old-one ()
  (let ((buffer (generate-new-buffer "observe \"state\"")))
    (unwind-protect
        (save-window-excursion
          (switch-to-buffer buffer)
          (cl-flet ((check (&rest members)
                      (let ((state (efrit-mcp-observe-test--state)))
                        (while members
                          (should (equal (cdr (assoc (pop members) state)) (pop members)))))))
            (check "buffer" (buffer-name) "line" 1 "modified" :false "mode" "fundamental-mode")
            (insert "a\nb\n")
            (check "line" 3 "point" 5 "modified" t)
            (goto-char 1)
            (check "line" 1 "point" 1)
            (set-buffer-modified-p nil)
            (check "modified" :false)
            (text-mode)
            (check "mode" "text-mode")
            (rename-buffer "observe-renamed" t)
            (check "buffer" (buffer-name))
            (goto-char 3)
            (narrow-to-region 3 4)
            (check "line" 2 "point" 3)))
      (kill-buffer buffer))))

;;; efrit-mcp-observe-test.el ends here
