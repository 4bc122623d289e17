;;; efrit-mcp-native-test.el --- The module's primitives, without a bridge  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-test-wait)

(efrit-mcp-native-load efrit-mcp-version)

(ert-deftest efrit-mcp-native/json-of-values ()
  (dolist (case '((nil "null") (t "true") (:false "false") (:null "null") (1 "1") (-1.5 "-1.5") (0.1 "0.1")
                  ("a\"b\n" "\"a\\\"b\\n\"") (sym "\"sym\"") ([1 2 [3]] "[1,2,[3]]") ((1 2) "[1,2]")
                  (((a . 1) (b . [])) "{\"a\":1,\"b\":[]}") ((:a 1 :b nil) "{\"a\":1,\"b\":null}")
                  ((("k" . "v")) "{\"k\":\"v\"}") ("grün 😀" "\"grün 😀\"") ([] "[]")))
    (should (equal (efrit-mcp--mod-json (car case)) (cadr case))))
  (should (equal (efrit-mcp--mod-json (expt 2 70)) (format "\"%d\"" (expt 2 70))))
  (should (equal (efrit-mcp--mod-json 1.0e+INF) "\"1.0e+INF\""))
  (should (string-match-p "buffer" (efrit-mcp--mod-json (current-buffer)))))

(ert-deftest efrit-mcp-native/raw-bytes-never-fail ()
  (should (equal (efrit-mcp--mod-json "\xff") "\"\\\\377\""))
  (should (equal (efrit-mcp--mod-json (concat "é" (string-to-multibyte "\xff"))) "\"é\\\\377\""))
  (dotimes (i 256)
    (should (stringp (efrit-mcp--mod-json (unibyte-string i))))
    (should (stringp (efrit-mcp--mod-json (string (+ i #x3FFF00)))))))

(ert-deftest efrit-mcp-native/deep-and-long-values-end ()
  (let ((deep nil) (circle (list 1)))
    (dotimes (_ 500) (setq deep (vector deep)))
    (should (string-match-p "\\.\\.\\." (efrit-mcp--mod-json deep)))
    (setcdr circle circle)
    (should (string-match-p "#1" (efrit-mcp--mod-json circle)))
    (should (equal (efrit-mcp--mod-json '(1 . 2)) "\"(1 . 2)\""))))

(ert-deftest efrit-mcp-native/parse-gives-lisp ()
  (should (equal (efrit-mcp--mod-parse "{\"a\":[1,2.5,true,false,null,\"x\"]}")
                 '(("a" . [1 2.5 t :false :null "x"]))))
  (should (equal (efrit-mcp--mod-parse "\"\\u0000 \\ud83d\\ude00\"") "\0 😀"))
  (dolist (bad '("{" "{\"a\":1,\"a\":2}" "" "nul" "[1,]" "99999999999999999999"))
    (should-error (efrit-mcp--mod-parse bad) :type 'efrit-mcp-error)))

(ert-deftest efrit-mcp-native/versions-must-match ()
  (should-error (efrit-mcp-native--check-version "9.9.9") :type 'user-error)
  (condition-case err (efrit-mcp-native--check-version "9.9.9")
    (user-error (should (string-match-p "restart Emacs" (error-message-string err))))))

(ert-deftest efrit-mcp-native/without-a-module-it-says-what-to-do ()
  (cl-letf (((symbol-function 'featurep) (lambda (&rest _) nil))
            ((symbol-function 'efrit-mcp-native--candidates) (lambda () '("/nonexistent/efrit-mcp-module.so"))))
    (condition-case err (progn (efrit-mcp-native-load efrit-mcp-version) (ert-fail "it loaded"))
      (user-error (should (string-match-p "run .make." (error-message-string err)))))))

(defmacro efrit-mcp-native-test--server (&rest body)
  "Run BODY, and stop the server that it may have started."
  (declare (indent 0))
  `(unwind-protect (progn ,@body) (efrit-mcp-mode -1)))

(defun efrit-mcp-native-test--start (runtime)
  "Return what an Emacs says that starts to serve with RUNTIME as XDG_RUNTIME_DIR."
  (let ((process-environment (cons (concat "XDG_RUNTIME_DIR=" runtime) process-environment)))
    (with-temp-buffer
      (call-process (expand-file-name invocation-name invocation-directory) nil t nil
                    "-Q" "--batch" "-L" efrit-mcp-native--folder "-l" "efrit-mcp"
                    "--eval" "(condition-case e (progn (efrit-mcp-mode 1) (princ (efrit-mcp--mod-path))) (error (princ (error-message-string e))))")
      (buffer-string))))

(ert-deftest efrit-mcp-native/mode-on-and-off ()
  (efrit-mcp-native-test--server
    (dotimes (_ 5)
      (efrit-mcp-mode 1)
      (should (equal efrit-mcp-server-instance "default"))
      (let ((path (efrit-mcp--mod-path)))
        (should (file-exists-p path))
        (should (= (logand (file-modes path) #o777) #o600))
        (should (= (logand (file-modes (file-name-directory path)) #o777) #o700))
        (efrit-mcp-mode -1)
        (should-not (file-exists-p path))))
    (should-not (seq-find (lambda (p) (string-prefix-p "efrit-mcp" (process-name p))) (process-list)))))

(ert-deftest efrit-mcp-native/guards-go-with-the-mode ()
  (efrit-mcp-native-test--server
    (efrit-mcp-mode 1)
    (should (advice-member-p #'efrit-mcp-prompt--refuse 'read-key))
    (efrit-mcp-mode -1)
    (dolist (f '(read-key read-key-sequence map-y-or-n-p read-multiple-choice))
      (should-not (advice-member-p #'efrit-mcp-prompt--refuse f)))
    (should-not (memq #'efrit-mcp-prompt--note minibuffer-setup-hook))
    (should-not (memq #'efrit-mcp-server--goodbye kill-emacs-hook))))

(ert-deftest efrit-mcp-native/bad-names-and-folders-are-told ()
  (efrit-mcp-native-test--server
    (dolist (efrit-mcp-instance '("" "a/b" ".hidden" "with space"))
      (should-error (efrit-mcp-mode 1) :type 'user-error)
      (should-not efrit-mcp-mode))))

(ert-deftest efrit-mcp-native/folders-that-cannot-be-used-are-told ()
  (should (string-match-p "shorter folder" (efrit-mcp-native-test--start (make-temp-file (make-string 110 ?x) t))))
  (should (string-match-p "cannot be used" (efrit-mcp-native-test--start "/nonexistent/runtime")))
  (let ((dir (make-temp-file "efn" t)))
    (make-directory (expand-file-name "efrit" dir))
    (set-file-modes (expand-file-name "efrit" dir) #o755)
    (should (string-match-p "chmod 700" (efrit-mcp-native-test--start dir)))
    (set-file-modes (expand-file-name "efrit" dir) #o700)
    (should (string-match-p "default.sock" (efrit-mcp-native-test--start dir)))
    (delete-directory dir t)))

(ert-deftest efrit-mcp-native/status-by-the-thread ()
  (efrit-mcp-native-test--server
    (efrit-mcp-mode 1)
    (let ((state (efrit-mcp--mod-parse (efrit-mcp--mod-status))))
      (should (equal (cdr (assoc "instance" state)) "default"))
      (should (equal (cdr (assoc "pid" state)) (emacs-pid)))
      (should (member (cdr (assoc "state" state)) '("starting" "idle"))))))

(ert-deftest efrit-mcp-native/a-killed-doorbell-is-hung-up-again ()
  (efrit-mcp-native-test--server
    (efrit-mcp-mode 1)
    (let ((old efrit-mcp-server--doorbell))
      (delete-process old)
      (efrit-mcp-test-until 10 (not (eq old efrit-mcp-server--doorbell)))
      (should (process-live-p efrit-mcp-server--doorbell)))))

(ert-deftest efrit-mcp-native/only-the-main-thread-may-start ()
  (skip-unless (fboundp 'make-thread))
  (efrit-mcp-native-test--server
    (let* ((failed nil)
           (thread (make-thread (lambda () (condition-case err (efrit-mcp-server-start "x")
                                             (error (setq failed (error-message-string err))))))))
      (thread-join thread)
      (should (string-match-p "main thread" failed)))))

;;; efrit-mcp-native-test.el ends here
