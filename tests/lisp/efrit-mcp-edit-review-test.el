;;; efrit-mcp-edit-review-test.el --- emacs_edit with preview ask, reviewed in the agent's host  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(efrit-mcp-native-load efrit-mcp-version)

(defun efrit-mcp-edit-review-test--call (file old new &optional context)
  "Have OLD in FILE be made NEW after a review; CONTEXT is what the client says."
  (let ((efrit-mcp-client--used nil) (efrit-mcp-client--state nil) (efrit-mcp-review-where 'host)
        (efrit-mcp-client-context (json-serialize (append '((capabilities . ((elicitation . ())))) context))))
    (efrit-mcp-tools-test--run "emacs_edit" `("file" ,file "preview" "ask"
                                              "edits" [,(if old `(("old" . ,old) ("new" . ,new)) `(("new" . ,new)))]))))

(defun efrit-mcp-edit-review-test--answer (asked decision &optional comment)
  "Return the context of the call after the one that ended with ASKED."
  (should (eq (car asked) 'asks))
  (let* ((key (car (car (alist-get 'inputRequests (cdr asked))))) (own (alist-get 'own (alist-get 'state (cdr asked)))))
    `((inputResponses . ((,(intern key) . ((action . "accept") (content . ((decision . ,decision)
                                                                           ,@(when comment `((comment . ,comment)))))))))
      (state . ((own . ,own))))))

(ert-deftest efrit-mcp-edit-review/accepted-and-undone ()
  (efrit-mcp-tools-test-files (("a.txt" . "one\ntwo\n"))
    (let ((asked (efrit-mcp-edit-review-test--call a "two" "TWO")))
      (should (string-match-p "-two\n\\+TWO" (alist-get 'message (alist-get 'params (cdr (car (alist-get 'inputRequests (cdr asked))))))))
      (should (equal (efrit-mcp-tools-test-disk a) "one\ntwo\n"))
      (let ((answer (efrit-mcp-edit-review-test--call a "two" "TWO" (efrit-mcp-edit-review-test--answer asked "accept"))))
        (should (eq (car answer) 'done))
        (should (equal (alist-get 'review (cdr answer)) "accepted"))
        (should (eq (alist-get 'applied (cdr answer)) t))
        (should (alist-get 'state (cdr answer)))
        (should (equal (efrit-mcp-tools-test-disk a) "one\nTWO\n"))
        (efrit-mcp-tools-test-call "emacs_undo" "undo_id" (alist-get 'undo_id (cdr answer)) "save" t)
        (should (equal (efrit-mcp-tools-test-disk a) "one\ntwo\n"))))))

(ert-deftest efrit-mcp-edit-review/rejected-leaves-nothing ()
  (efrit-mcp-tools-test-files (("a.txt" . "one\n"))
    (let* ((new (expand-file-name "new.txt" (file-name-directory a)))
           (asked (efrit-mcp-edit-review-test--call new nil "x\n")))
      (should-not (get-file-buffer new))
      (let ((answer (efrit-mcp-edit-review-test--call new nil "x\n" (efrit-mcp-edit-review-test--answer asked "reject" "not now"))))
        (should (equal (alist-get 'review (cdr answer)) "rejected"))
        (should (eq (alist-get 'applied (cdr answer)) :false))
        (should (equal (alist-get 'comment (cdr answer)) "not now")))
      (should-not (get-file-buffer new))
      (should-not (file-exists-p new)))))

(ert-deftest efrit-mcp-edit-review/another-text-is-stale ()
  (dolist (change (list (lambda (file) (with-current-buffer (find-file-noselect file) (goto-char (point-max)) (insert "more\n")))
                        (lambda (file) (with-current-buffer (find-file-noselect file) (erase-buffer)))
                        (lambda (file) (efrit-mcp-tools-test-write-later file "one\ntwo\nthree\n"))))
    (efrit-mcp-tools-test-files (("a.txt" . "one\ntwo\n"))
      (let ((context (efrit-mcp-edit-review-test--answer (efrit-mcp-edit-review-test--call a "two" "TWO") "accept")))
        (funcall change a)
        (let ((answer (efrit-mcp-edit-review-test--call a "two" "TWO" context)))
          (should (eq (car answer) 'failed))
          (should (equal (alist-get 'error_code (cdr answer)) "efrit-mcp-stale"))
          (with-current-buffer (find-file-noselect a)
            (should-not (let ((case-fold-search nil)) (string-match-p "TWO" (buffer-string))))))))))

(ert-deftest efrit-mcp-edit-review/the-same-text-again-is-not-stale ()
  (efrit-mcp-tools-test-files (("a.txt" . "one\ntwo\n"))
    (let ((context (efrit-mcp-edit-review-test--answer (efrit-mcp-edit-review-test--call a "two" "TWO") "accept")))
      (with-current-buffer (find-file-noselect a) (insert "x") (delete-region 1 2))
      (should (equal (alist-get 'review (cdr (efrit-mcp-edit-review-test--call a "two" "TWO" context))) "accepted"))
      (with-current-buffer (find-file-noselect a) (should (equal (buffer-string) "one\nTWO\n"))))))

(ert-deftest efrit-mcp-edit-review/an-amended-diff-keeps-the-line-ends ()
  (efrit-mcp-tools-test-files (("a.txt" . ""))
    (let* ((buffer (find-file-noselect a)) (proposal (efrit-mcp-edit-propose buffer '((("new" . "a\r\nb\r\n"))))))
      (efrit-mcp-edit-review--make-it (efrit-mcp-edit-review--make :proposal proposal :diff (efrit-mcp-edit-diff proposal))
                                      (string-replace "+b" "+B" (efrit-mcp-edit-diff proposal)))
      (efrit-mcp-save buffer)
      (should (equal (efrit-mcp-tools-test-bytes a) "a\r\nB\r\n")))))

(ert-deftest efrit-mcp-edit-review/where ()
  (efrit-mcp-tools-test-files (("a.txt" . "one\n"))
    ;; Where somebody sees a frame: in it, unless the person has said otherwise.
    (pcase-dolist (`(,where ,elicits ,wanted) (if (efrit-mcp-query-person-p)
                                                  '((auto t here) (auto nil here) (host t host) (host nil nil) (here t here))
                                                '((auto t host) (auto nil nil) (host t host) (host nil nil) (here t nil))))
      (let ((efrit-mcp-review-where where)
            (efrit-mcp-client-context (if elicits "{\"capabilities\":{\"elicitation\":{}}}" "{}")))
        (if wanted
            (should (eq (efrit-mcp-review-where) wanted))
          (should-error (efrit-mcp-review-where) :type 'efrit-mcp-error)
          (should (equal (efrit-mcp-tools-test-fails "emacs_edit" "file" a "preview" "ask" "edits" [(("old" . "one") ("new" . "1"))])
                         "efrit-mcp-error")))))
    (should (equal (efrit-mcp-tools-test-disk a) "one\n"))))

;;; efrit-mcp-edit-review-test.el ends here
