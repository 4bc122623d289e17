;;; efrit-mcp-review-test.el --- Every review ends with one answer  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)

(defvar efrit-mcp-review-test--answers nil)
(defconst efrit-mcp-review-test--diff "@@ -1 +1 @@\n-a\n+b\n")

(defmacro efrit-mcp-review-test--with (&rest body)
  "Run BODY with `review' bound to the buffer of a review of a change in `target'."
  (declare (indent 0))
  `(with-temp-buffer
     (insert "a\n")
     (let* ((target (current-buffer)) (efrit-mcp-review-test--answers nil)
            (review (efrit-mcp-review
                     (list :diff efrit-mcp-review-test--diff :title "t" :client "100% agent"
                           :apply (lambda (diff) (efrit-mcp-diff-apply diff target)))
                     (lambda (answer) (push answer efrit-mcp-review-test--answers)))))
       (unwind-protect (progn ,@body)
         (when (buffer-live-p review) (kill-buffer review))
         (should (= 1 (length efrit-mcp-review-test--answers)))))))

(defun efrit-mcp-review-test--said (key)
  "Return KEY of the answer."
  (alist-get key (car efrit-mcp-review-test--answers)))

(ert-deftest efrit-mcp-review/accepted ()
  (efrit-mcp-review-test--with
    (should-not (eq (window-buffer (selected-window)) review))
    (with-current-buffer review
      (should buffer-read-only)
      (should (derived-mode-p 'diff-mode))
      (efrit-mcp-review-accept))
    (should (equal (efrit-mcp-review-test--said 'review) "accepted"))
    (should (equal (buffer-string) "b\n"))
    (should-not (buffer-live-p review))))

(ert-deftest efrit-mcp-review/the-person-finds-it ()
  (efrit-mcp-review-test--with
    (should (equal (efrit-mcp-review-waiting) (list review)))
    (save-window-excursion
      (efrit-mcp-review-visit)
      (should (eq (window-buffer (selected-window)) review)))
    (with-current-buffer review (efrit-mcp-review-reject))
    (should-not (efrit-mcp-review-waiting))
    (should-error (efrit-mcp-review-visit) :type 'user-error)))

(ert-deftest efrit-mcp-review/amended ()
  (efrit-mcp-review-test--with
    (with-current-buffer review
      (efrit-mcp-review-edit)
      (goto-char (point-max))
      (insert "+c\n")
      (efrit-mcp-review-accept))
    (should (equal (efrit-mcp-review-test--said 'review) "amended"))
    (should (equal (efrit-mcp-review-test--said 'amended) "> +c"))
    (should (equal (buffer-string) "b\nc\n"))))

(ert-deftest efrit-mcp-review/nonsense-is-not-accepted ()
  (efrit-mcp-review-test--with
    (with-current-buffer review
      (efrit-mcp-review-edit)
      (goto-char (point-max))
      (insert "nonsense\n")
      (should-error (efrit-mcp-review-accept) :type 'user-error)
      (should-not efrit-mcp-review-test--answers)
      (efrit-mcp-review-reject))
    (should (equal (efrit-mcp-review-test--said 'review) "rejected"))
    (should (equal (buffer-string) "a\n"))))

(ert-deftest efrit-mcp-review/abandoned-and-in-conflict ()
  (efrit-mcp-review-test--with
    (kill-buffer review)
    (should (equal (efrit-mcp-review-test--said 'review) "abandoned")))
  (efrit-mcp-review-test--with
    (erase-buffer)
    (with-current-buffer review (efrit-mcp-review-accept))
    (should (string-match-p "does not fit" (efrit-mcp-review-test--said 'error)))))

(ert-deftest efrit-mcp-review/by-the-client ()
  (pcase-dolist (`(,answer ,review ,text)
                 '(("{\"action\":\"accept\",\"content\":{\"decision\":\"accept\"}}" "accepted" "b\n")
                   ("{\"action\":\"accept\",\"content\":{\"decision\":\"reject\",\"comment\":\"no\"}}" "rejected" "a\n")
                   ("{\"action\":\"decline\"}" "rejected" "a\n")
                   ("{\"action\":\"cancel\"}" "abandoned" "a\n")))
    (with-temp-buffer
      (insert "a\n")
      (let* ((target (current-buffer))
             (proposal (list :diff efrit-mcp-review-test--diff :apply (lambda (diff) (efrit-mcp-diff-apply diff target))))
             (key (concat "review-" (substring (secure-hash 'sha1 efrit-mcp-review-test--diff) 0 12)))
             (efrit-mcp-client--used nil)
             (efrit-mcp-client-context (format "{\"capabilities\":{\"elicitation\":{}},\"inputResponses\":{\"%s\":%s}}" key answer)))
        (efrit-mcp-native-load efrit-mcp-version)
        (should (equal (alist-get 'review (efrit-mcp-review-by-client proposal)) review))
        (should (equal (buffer-string) text))))))

;;; efrit-mcp-review-test.el ends here
