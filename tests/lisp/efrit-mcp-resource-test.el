;;; efrit-mcp-resource-test.el --- Resources and prompts: definition, match, result  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)

(efrit-mcp-native-load efrit-mcp-version)

(defmacro efrit-mcp-resource-test--with (&rest body)
  "Run BODY with nothing defined."
  `(let ((efrit-mcp-tool--all nil) (efrit-mcp-tool--by-name (make-hash-table :test #'equal))
         (efrit-mcp-resource--all nil) (efrit-mcp-prompts--all nil)
         (efrit-mcp-tool-changed-hook nil) (efrit-mcp-client-context nil))
     ,@body))

(defun efrit-mcp-resource-test--read (uri)
  "Return the content of URI, or the code of the fault."
  (pcase (efrit-mcp-tool-call "resources/read" `(("uri" . ,uri)))
    (`(whole . ,value) (or (alist-get 'text (aref (alist-get 'contents value) 0))
                           (alist-get 'blob (aref (alist-get 'contents value) 0))))
    (`(fault . ,value) (alist-get 'code value))
    (other other)))

(ert-deftest efrit-mcp-resource/forms ()
  (efrit-mcp-resource-test--with
   (efrit-mcp-define-resource plain "t://plain" "Plain." () "plain")
   (efrit-mcp-define-resource one "t://x/{a}/{b_2}" "Two variables." () (list a b_2))
   (efrit-mcp-define-resource deep "t://deep/{+path}.txt" "Slashes." (:mime "text/plain") path)
   (efrit-mcp-define-resource dot "t://a.c" "A dot is a dot." () "dot")
   (should (equal (efrit-mcp-resource-test--read "t://plain") "plain"))
   (should (equal (efrit-mcp-resource-test--read "t://x/1%202/%C3%BC") "[\"1 2\",\"ü\"]"))
   (should (equal (efrit-mcp-resource-test--read "t://x/1/2/3") "params"))
   (should (equal (efrit-mcp-resource-test--read "t://deep/a/b/c.txt") "a/b/c"))
   (should (equal (efrit-mcp-resource-test--read "t://abc") "params"))
   (should (equal (efrit-mcp-resource-test--read "T://plain") "params"))
   (should (equal (mapcar (lambda (r) (alist-get 'uri r)) (efrit-mcp-resource-entries nil)) '("t://plain" "t://a.c")))
   (should (equal (mapcar (lambda (r) (alist-get 'uriTemplate r)) (efrit-mcp-resource-entries t))
                  '("t://x/{a}/{b_2}" "t://deep/{+path}.txt")))
   (should-error (efrit-mcp-resource--register 'bad "no scheme" "Bad." nil #'ignore))
   (should-error (efrit-mcp-resource-variables "t://{a b}"))
   (efrit-mcp-define-resource plain "t://plain" "Again." () "new")
   (should (equal (efrit-mcp-resource-test--read "t://plain") "new"))
   (should (equal (length efrit-mcp-resource--all) 4))
   (efrit-mcp-resource-remove 'plain)
   (should (equal (efrit-mcp-resource-test--read "t://plain") "params"))))

(ert-deftest efrit-mcp-resource/bytes-and-text ()
  (efrit-mcp-resource-test--with
   (efrit-mcp-define-resource bytes "t://bytes" "Bytes." (:mime "application/octet-stream") "abc")
   (efrit-mcp-define-resource image "t://image" "Image." (:mime "image/png") (unibyte-string 137 80 78 71))
   (efrit-mcp-define-resource text "t://text" "Text." () "grün")
   (should (equal (efrit-mcp-resource-test--read "t://bytes") "YWJj"))
   (should (equal (efrit-mcp-resource-test--read "t://image") "iVBORw=="))
   (should (equal (efrit-mcp-resource-test--read "t://text") "grün"))))

(ert-deftest efrit-mcp-prompts/messages-and-arguments ()
  (efrit-mcp-resource-test--with
   (efrit-mcp-define-prompt say-it "Says it."
       ((what-now "What." :required t :complete (lambda (_) '("Apple" "apricot" "pear"))) (how "How."))
       (:title "Say")
     (list (efrit-mcp-message 'user what-now) (efrit-mcp-message 'assistant (or how "loud"))))
   (pcase-let ((`(whole . ,value) (efrit-mcp-tool-call "prompts/get" '(("name" . "say_it") ("arguments" . (("what_now" . "hello")))))))
     (should (equal (alist-get 'messages value)
                    [((role . "user") (content . ((type . "text") (text . "hello"))))
                     ((role . "assistant") (content . ((type . "text") (text . "loud"))))])))
   (should (eq (car (efrit-mcp-tool-call "prompts/get" '(("name" . "say_it")))) 'fault))
   (should (eq (car (efrit-mcp-tool-call "prompts/get" '(("name" . "nobody")))) 'fault))
   (pcase-let ((`(whole . ,value)
                (efrit-mcp-tool-call "completion/complete"
                                     '(("ref" . (("type" . "ref/prompt") ("name" . "say_it")))
                                       ("argument" . (("name" . "what_now") ("value" . "ap")))))))
     (should (equal (alist-get 'values (alist-get 'completion value)) ["Apple" "apricot"])))
   (should (equal (alist-get 'name (aref (efrit-mcp-prompts-entries) 0)) "say_it"))
   (should (equal (alist-get 'title (aref (efrit-mcp-prompts-entries) 0)) "Say"))
   (efrit-mcp-define-prompt many "Many." ((n "N." :complete (lambda (_) (number-sequence 1 150)))) () (or n ""))
   (pcase-let ((`(whole . ,value)
                (efrit-mcp-tool-call "completion/complete"
                                     '(("ref" . (("type" . "ref/prompt") ("name" . "many")))
                                       ("argument" . (("name" . "n") ("value" . "")))))))
     (should (equal (length (alist-get 'values (alist-get 'completion value))) 100))
     (should (equal (alist-get 'total (alist-get 'completion value)) 150))
     (should (eq (alist-get 'hasMore (alist-get 'completion value)) t)))))

(provide 'efrit-mcp-resource-test)
;;; efrit-mcp-resource-test.el ends here
