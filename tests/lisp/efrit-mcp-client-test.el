;;; efrit-mcp-client-test.el --- What a job asks and tells its client  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)

(efrit-mcp-native-load efrit-mcp-version)

(defmacro efrit-mcp-client-test--with (context &rest body)
  "Run BODY as in a job whose client said CONTEXT, JSON text or nil."
  (declare (indent 1))
  `(let ((efrit-mcp-tool--all nil) (efrit-mcp-tool--by-name (make-hash-table :test #'equal))
         (efrit-mcp-resource--all nil) (efrit-mcp-prompts--all nil)
         (efrit-mcp-tool-changed-hook nil)
         (efrit-mcp-client-context ,context) (efrit-mcp-client--used nil) (efrit-mcp-client--state nil)
         (efrit-mcp-client--credit nil) (efrit-mcp-tool-job 7))
     ,@body))

(defconst efrit-mcp-client-test--can "\"capabilities\":{\"elicitation\":{},\"sampling\":{},\"roots\":{}}")

(defun efrit-mcp-client-test--ask ()
  "Define the tool `asks', which asks one thing after the other."
  (efrit-mcp-define-tool asks "Asks." () ()
    (let ((name (efrit-mcp-ask-user "name" "Name?" '((name . ((type . "string")))) 'name)))
      (efrit-mcp-ask-client "roots" "roots/list")
      (format "%S" name))))

(ert-deftest efrit-mcp-client/asks-and-goes-on ()
  (efrit-mcp-client-test--with (format "{%s}" efrit-mcp-client-test--can)
    (efrit-mcp-client-test--ask)
    (pcase-let ((`(asks . ,value) (efrit-mcp-tool-call "asks" nil)))
      (should (equal (mapcar #'car (alist-get 'inputRequests value)) '("name")))
      (should (equal (alist-get 'method (cdar (alist-get 'inputRequests value))) "elicitation/create"))))
  ;; An answer that is used is kept in the state, so that the next round has it.
  (let (state)
    (efrit-mcp-client-test--with
        (format "{%s,\"inputResponses\":{\"name\":{\"action\":\"accept\",\"content\":{\"name\":\"Zoe\"}},\"more\":{}}}"
                efrit-mcp-client-test--can)
      (efrit-mcp-client-test--ask)
      (pcase-let ((`(asks . ,value) (efrit-mcp-tool-call "asks" nil)))
        (should (equal (mapcar #'car (alist-get 'inputRequests value)) '("roots")))
        (setq state (efrit-mcp--mod-json (alist-get 'state value)))))
    (should (string-match-p "Zoe" state))
    (should-not (string-match-p "more" state))
    (efrit-mcp-client-test--with
        (format "{%s,\"inputResponses\":{\"roots\":{\"roots\":[]}},\"state\":%s}" efrit-mcp-client-test--can state)
      (efrit-mcp-client-test--ask)
      (should (equal (efrit-mcp-tool-call "asks" nil) '(done . "((\"name\" . \"Zoe\"))"))))))

(ert-deftest efrit-mcp-client/what-is-no-answer-is-asked-again ()
  (dolist (answer '("7" "null" "[]" "{}" "{\"action\":\"maybe\"}" "{\"action\":\"accept\",\"content\":7}"))
    (efrit-mcp-client-test--with
        (format "{%s,\"inputResponses\":{\"name\":%s}}" efrit-mcp-client-test--can answer)
      (efrit-mcp-client-test--ask)
      (should (eq (car (efrit-mcp-tool-call "asks" nil)) 'asks))))
  (dolist (answer '("{\"action\":\"decline\"}" "{\"action\":\"cancel\"}"))
    (efrit-mcp-client-test--with
        (format "{%s,\"inputResponses\":{\"name\":%s,\"roots\":{\"roots\":[]}}}" efrit-mcp-client-test--can answer)
      (efrit-mcp-client-test--ask)
      (should (equal (efrit-mcp-tool-call "asks" nil) '(done . "nil"))))))

(ert-deftest efrit-mcp-client/capabilities ()
  (efrit-mcp-client-test--with nil
    (efrit-mcp-client-test--ask)
    (pcase-let ((`(fault . ,value) (efrit-mcp-tool-call "asks" nil)))
      (should (equal (alist-get 'code value) "capability"))
      (should (equal (efrit-mcp--mod-json (alist-get 'data value)) "{\"requiredCapabilities\":{\"elicitation\":{}}}"))))
  (efrit-mcp-client-test--with "{\"capabilities\":{\"elicitation\":{\"url\":{}},\"sampling\":{}}}"
    (should-not (efrit-mcp-client-can-p "elicitation" "form"))
    (should (efrit-mcp-client-can-p "elicitation" "url"))
    (should (efrit-mcp-client-can-p "sampling"))
    (should-not (efrit-mcp-client-can-p "sampling" "tools"))
    (should-not (efrit-mcp-client-can-p "roots")))
  (efrit-mcp-client-test--with nil
    (should (efrit-mcp-client-since-p "2025-11-25")))
  (efrit-mcp-client-test--with "{\"version\":\"2025-03-26\"}"
    (should (efrit-mcp-client-since-p "2025-03-26"))
    (should-not (efrit-mcp-client-since-p "2025-06-18"))))

(ert-deftest efrit-mcp-client/a-question-passes-the-handlers-of-the-tool ()
  (efrit-mcp-client-test--with (format "{%s}" efrit-mcp-client-test--can)
    (let ((unwound nil))
      (efrit-mcp-define-tool guarded "Guarded." () ()
        (unwind-protect
            (condition-case nil (efrit-mcp-ask-client "r" "roots/list") (t "handled"))
          (setq unwound t)))
      (should (eq (car (efrit-mcp-tool-call "guarded" nil)) 'asks))
      (should unwound))
    (efrit-mcp-define-tool odd "Odd." () () (efrit-mcp-ask-client "r" "tools/call"))
    (should (eq (car (efrit-mcp-tool-call "odd" nil)) 'failed))))

(ert-deftest efrit-mcp-client/refusals ()
  (efrit-mcp-client-test--with nil
    (efrit-mcp-define-tool no "No." ((n boolean "N.")) ()
      (efrit-mcp-refuse (if (eq n t) 'params 4711) "not so" '((why . "x"))))
    (should (equal (efrit-mcp-tool-call "no" '(("n" . t)))
                   '(fault . ((code . "params") (message . "not so") (data . ((why . "x")))))))
    (should (equal (alist-get 'code (cdr (efrit-mcp-tool-call "no" nil))) 4711))))

(ert-deftest efrit-mcp-client/telling-is-bounded ()
  (efrit-mcp-client-test--with "{\"wants\":[\"progress\",\"log\",\"said\"]}"
    (let ((told nil))
      (cl-letf (((symbol-function 'efrit-mcp--mod-note) (lambda (job value) (push (cons job value) told) t)))
        (should (efrit-mcp-report-progress 1 10 "one"))
        (should (equal (car told) '(7 . ((progress . 1) (total . 10) (message . "one")))))
        (should (efrit-mcp-log 'warning "careful" "me"))
        (should (equal (car told) '(7 . ((level . "warning") (data . "careful") (logger . "me")))))
        (should-error (efrit-mcp-log 'loud "x") :type 'efrit-mcp-invalid-argument)
        (dotimes (i 1000) (efrit-mcp-report-progress i 1000))
        (should (< (length told) (+ efrit-mcp-client--burst 30)))
        (should (efrit-mcp-report-progress 1000 1000)) ; the last one is always told
        (setq efrit-mcp-client--credit nil told nil)
        (efrit-mcp-client--heard (make-string 5000 ?x))
        (should (< (length (alist-get 'said (cdar told))) 1010)))))
  (efrit-mcp-client-test--with "{\"wants\":[\"log\"]}"
    (should-not (efrit-mcp-report-progress 1 2)))
  (efrit-mcp-client-test--with nil
    (should-not (efrit-mcp-log 'error "nobody listens"))))

(ert-deftest efrit-mcp-client/contents ()
  (efrit-mcp-client-test--with nil
    (let ((result (efrit-mcp-content-result
                   (efrit-mcp-content "a" (efrit-mcp-image "\x89PNG" "image/png") :structured '((n . 1))))))
      (should (equal (aref (alist-get 'content result) 0) '((type . "text") (text . "a"))))
      (should (equal (alist-get 'data (aref (alist-get 'content result) 1)) (base64-encode-string "\x89PNG")))
      (should (equal (alist-get 'structuredContent result) '((n . 1)))))
    (should (equal (efrit-mcp-content-result (efrit-mcp-content :structured '((n . 1))))
                   '((content . [((type . "text") (text . "{\"n\":1}"))]) (structuredContent . ((n . 1))))))
    (should (equal (efrit-mcp-content-result (efrit-mcp-content "no" :structured '((n . 1)) :error t))
                   '((content . [((type . "text") (text . "no"))]) (isError . t))))
    (should (equal (efrit-mcp-content-of-resource "a:b" "grün" "text/plain")
                   '((uri . "a:b") (mimeType . "text/plain") (text . "grün"))))
    (should (equal (cdr (assq 'blob (efrit-mcp-content-of-resource "a:b" "\xff\x00" nil))) "/wA="))))

(provide 'efrit-mcp-client-test)
;;; efrit-mcp-client-test.el ends here
