;;; efrit-mcp-tool-test.el --- Tools: definition, schema, call  -*- lexical-binding: t -*-

(require 'ert)
(require 'json)
(require 'efrit-mcp)

(defmacro efrit-mcp-tool-test--with (&rest body)
  "Run BODY with no tools defined, and give back those there were."
  `(let ((efrit-mcp-tool--all nil) (efrit-mcp-tool--by-name (make-hash-table :test #'equal))
         (efrit-mcp-tool-changed-hook nil)) ,@body))

(defun efrit-mcp-tool-test--listed ()
  "Return the tools of the catalogue, parsed."
  (let ((json-array-type 'vector) (json-object-type 'alist) (json-false :false))
    (alist-get 'tools (json-read-from-string (decode-coding-string (efrit-mcp-tool-catalogue) 'utf-8)))))

(ert-deftest efrit-mcp-tool/one-form-gives-all ()
  (efrit-mcp-tool-test--with
   (efrit-mcp-define-tool word-count
       "Count the words of BUFFER."
       ((buffer string "Buffer name." :required t) (region boolean "Only the region."))
       (:read-only t)
     (with-current-buffer buffer (count-words (point-min) (if region (point) (point-max)))))
   (let* ((tool (aref (efrit-mcp-tool-test--listed) 0))
          (schema (alist-get 'inputSchema tool))
          (properties (alist-get 'properties schema)))
     (should (equal (alist-get 'name tool) "word_count"))
     (should (equal (alist-get 'description tool) "Count the words of BUFFER."))
     (should (equal (alist-get 'type schema) "object"))
     (should (equal (alist-get 'required schema) ["buffer"]))
     (should (equal (alist-get 'type (alist-get 'buffer properties)) "string"))
     (should (equal (alist-get 'type (alist-get 'region properties)) "boolean"))
     (should (alist-get 'instance_id properties))
     (should (alist-get 'timeout properties))
     (should (eq (alist-get 'readOnlyHint (alist-get 'annotations tool)) t))
     (should (eq (alist-get 'destructiveHint (alist-get 'annotations tool)) :false)))
   (with-temp-buffer
     (rename-buffer "wc-test")
     (insert "one two three")
     (goto-char 4)
     (should (equal (efrit-mcp-tool-call "word_count" '(("buffer" . "wc-test"))) '(done . 3)))
     (should (equal (efrit-mcp-tool-call "word_count" '(("buffer" . "wc-test") ("region" . t))) '(done . 1)))
     (should (equal (efrit-mcp-tool-call "word_count" '(("buffer" . "wc-test") ("region" . :false))) '(done . 3))))))

(ert-deftest efrit-mcp-tool/types ()
  (efrit-mcp-tool-test--with
   (efrit-mcp-define-tool typed "Doc."
       ((how (one-of "a" "b") "Choice." :default "a") (many (list-of integer) "Numbers.")
        (any object "Anything.") (wait seconds "Time." :default 3) (n integer "N." :minimum 1 :maximum 9))
       nil
     (list how many any wait n))
   (let ((p (alist-get 'properties (alist-get 'inputSchema (aref (efrit-mcp-tool-test--listed) 0)))))
     (should (equal (alist-get 'enum (alist-get 'how p)) ["a" "b"]))
     (should (equal (alist-get 'type (alist-get 'items (alist-get 'many p))) "integer"))
     (should (equal (alist-get 'type (alist-get 'wait p)) ["number" "string"]))
     (should (equal (alist-get 'maximum (alist-get 'n p)) 9)))
   (should (equal (efrit-mcp-tool-call "typed" '(("many" . [1 2]) ("any" . (("k" . 1))) ("wait" . "2.5") ("n" . :null)))
                  '(done . ("a" [1 2] (("k" . 1)) 2.5 nil)))))
  (should-error (efrit-mcp-tool--type-schema 'strnig)))

(ert-deftest efrit-mcp-tool/defined-again-it-is-replaced-in-place ()
  (efrit-mcp-tool-test--with
   (let* ((changes 0) (efrit-mcp-tool-changed-hook (list (lambda () (setq changes (1+ changes))))))
     (eval '(efrit-mcp-define-tool a-tool "A." nil nil 1) t)
     (eval '(efrit-mcp-define-tool b-tool "B." nil nil 2) t)
     (eval '(efrit-mcp-define-tool a-tool "A again." nil nil 3) t)
     (should (= changes 3))
     (should (equal (mapcar (lambda (x) (plist-get x :name)) efrit-mcp-tool--all) '("a_tool" "b_tool")))
     (should (equal (efrit-mcp-tool-call "a_tool" nil) '(done . 3)))
     (efrit-mcp-tool-remove 'a-tool)
     (should (eq (car (efrit-mcp-tool-call "a_tool" nil)) 'failed)))))

(ert-deftest efrit-mcp-tool/errors-are-data ()
  (efrit-mcp-tool-test--with
   (eval '(efrit-mcp-define-tool bad "B." ((x integer "X.")) nil (if x (car x) (signal 'arith-error '(1 2)))) t)
   (let ((answer (efrit-mcp-tool-call "bad" '(("x" . 5)))))
     (should (eq (car answer) 'failed))
     (should (equal (alist-get 'error_code (cdr answer)) "wrong-type-argument"))
     (should (equal (alist-get 'status (cdr answer)) "error")))
   (should (equal (alist-get 'error_code (cdr (efrit-mcp-tool-call "bad" nil))) "arith-error"))
   (should (equal (alist-get 'error_code (cdr (efrit-mcp-tool-call "none" nil))) "unknown_tool"))
   (should (equal (alist-get 'error_code (cdr (efrit-mcp-tool-call "bad" :invalid))) "invalid_arguments"))))

(ert-deftest efrit-mcp-tool/messages-of-errors-are-bounded ()
  (should (< (length (efrit-mcp-tool--message (list 'error (make-string 100000 ?x)))) 2100))
  (should (< (length (efrit-mcp-tool--message (list 'wrong-type-argument 'listp (make-string 100000 ?x)))) 2100))
  (should (equal (efrit-mcp-tool--message '(error "plain")) "plain")))

(ert-deftest efrit-mcp-tool/errors-of-any-form-are-told ()
  "Data that is endless, deep or no list, and symbols whose properties are anything."
  (let ((circle (list 1 2)) (deep nil))
    (setcdr (cdr circle) circle)
    (dotimes (_ 30000) (setq deep (list deep)))
    (put 'efrit-mcp-tool-test-a 'error-message deep)
    (put 'efrit-mcp-tool-test-b 'error-conditions '(efrit-mcp-tool-test-b . error))
    (dolist (err `((error . 5) (error "x" . y) (error . ,circle) (error . ,deep) (error ,deep) (wrong-type-argument listp ,deep)
                   (efrit-mcp-tool-test-a 1) (efrit-mcp-tool-test-b 1) (5 6) (file-missing ,deep "x")))
      (let ((told (efrit-mcp-tool--error err)))
        (should (stringp (alist-get 'error told)))
        (should (<= (length (alist-get 'error told)) 2100))
        (should (stringp (alist-get 'error_code told)))))))

(ert-deftest efrit-mcp-tool/the-efrit-tools-stand-in-order ()
  (should (equal (seq-take (mapcar (lambda (x) (plist-get x :name)) efrit-mcp-tool--all) 5)
                 '("efrit_execute" "efrit_status" "efrit_interrupt" "efrit_wait" "efrit_list_instances"))))

(ert-deftest efrit-mcp-tool/descriptions-fit-hosts ()
  (dolist (tool efrit-mcp-tool--all)
    (should (< (length (plist-get tool :description)) 2000))
    (should (string-match-p "\\`[a-z0-9_]\\{1,40\\}\\'" (plist-get tool :name)))))

;;; efrit-mcp-tool-test.el ends here
