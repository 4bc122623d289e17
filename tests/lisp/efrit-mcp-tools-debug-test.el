;;; efrit-mcp-tools-debug-test.el --- emacs_debug  -*- lexical-binding: t -*-

(require 'ert)
(setq efrit-mcp-packs '(debug))
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(defun dbg-test-outer (x) "Call the inner one with X." (list (dbg-test-inner (1+ x))))
(defun dbg-test-inner (x) "Fail for X above 5." (if (> x 5) (error "Too large: %d" x) (make-list x 'a)))
(defun dbg-test-slow () "Work a little." (dotimes (i 1000) (format "%d" i)))
(defvar dbg-test-clock 0.0 "The time, where a test says what it is.")
(defun dbg-test-late () "Take a second of that time." (setq dbg-test-clock (1+ dbg-test-clock)))
(defvar dbg-test-hook nil "A hook.")

(defun efrit-mcp-tools-debug-test--debug (op &rest arguments)
  "Call emacs_debug with OP and ARGUMENTS."
  (apply #'efrit-mcp-tools-test-call "emacs_debug" "op" op arguments))

(defmacro efrit-mcp-tools-debug-test (&rest body)
  "Run BODY; whatever it began is taken back, and it is looked at that it was."
  `(let ((hook (default-toplevel-value 'signal-hook-function)) (handler (default-value 'command-error-function)))
     (unwind-protect (progn ,@body)
       (efrit-mcp-tools-debug-test--debug "stop"))
     (should-not (efrit-mcp-debug--going-p))
     (should-not (seq-find (lambda (timer) (eq #'efrit-mcp-debug--end (timer--function timer))) timer-list))
     (should (eq hook (default-toplevel-value 'signal-hook-function)))
     (should (equal handler (default-value 'command-error-function)))
     (dolist (f '(dbg-test-outer dbg-test-inner dbg-test-slow dbg-test-late))
       (should-not (advice--p (symbol-function f))))))

(ert-deftest efrit-mcp-tools-debug/trace ()
  (efrit-mcp-tools-debug-test
   (efrit-mcp-tools-debug-test--debug "trace" "functions" ["dbg-test-outer" "dbg-test-inner"])
   (should (equal '((a a)) (dbg-test-outer 1)))
   (should (equal "Too large: 7" (cadr (should-error (dbg-test-outer 6)))))
   (let* ((report (efrit-mcp-tools-debug-test--debug "report")) (calls (alist-get 'calls report)))
     (should (string-match-p "\\`  (dbg-test-inner 2) => (a a)  [0-9.]+ ms\\'" (aref calls 0)))
     (should (string-match-p "\\`(dbg-test-outer 1) => ((a a))" (aref calls 1)))
     (should (string-match-p "\\`  (dbg-test-inner 7) => left by an error" (aref calls 2)))
     (should (= 4 (length calls)))
     (dolist (f (append (alist-get 'functions report) nil))
       (should (= 2 (alist-get 'calls f)))
       (should (= 1 (alist-get 'left f))))
     (should (eq t (alist-get 'going_on report))))
   (let ((report (efrit-mcp-tools-debug-test--debug "stop" "limit" 1)))
     (should (eq :false (alist-get 'going_on report)))
     (should (= 1 (length (alist-get 'calls report))))
     (should (= 3 (alist-get 'calls_before report))))))

(ert-deftest efrit-mcp-tools-debug/trace-is-bounded ()
  (efrit-mcp-tools-debug-test
   (efrit-mcp-tools-debug-test--debug "trace" "functions" ["dbg-test-inner"])
   (dotimes (_ 2000) (dbg-test-inner 3))
   (ignore-errors (dbg-test-inner (make-string 100000 ?x)))
   (let ((report (efrit-mcp-tools-debug-test--debug "report" "limit" 500)))
     (should (= 500 (length (alist-get 'calls report))))
     (should (= 1501 (alist-get 'calls_before report)))
     (should (< (length (aref (alist-get 'calls report) 499)) 600))
     (should (= 2001 (alist-get 'calls (aref (alist-get 'functions report) 0)))))))

(ert-deftest efrit-mcp-tools-debug/a-slow-hook ()
  (efrit-mcp-tools-debug-test
   (let ((dbg-test-hook (list #'ignore #'dbg-test-late (lambda () 1))) (real (symbol-function 'float-time)))
     (efrit-mcp-tools-debug-test--debug "trace" "hook" "dbg-test-hook")
     (cl-letf (((symbol-function 'float-time) (lambda (&optional time) (if time (funcall real time) dbg-test-clock))))
       (dotimes (_ 3) (run-hooks 'dbg-test-hook)))
     (let ((report (efrit-mcp-tools-debug-test--debug "stop")))
       (should-not (alist-get 'calls report))
       (let ((first (aref (alist-get 'functions report) 0)))
         (should (equal "dbg-test-late" (alist-get 'function first)))
         (should (= 3 (alist-get 'calls first)))
         (should (= 3000 (alist-get 'ms first)))
         (should (= 1000 (alist-get 'longest_ms first)))
         (dolist (other (cdr (append (alist-get 'functions report) nil))) (should (> 3000 (alist-get 'ms other)))))))))

(ert-deftest efrit-mcp-tools-debug/not-traced ()
  (efrit-mcp-tools-debug-test
   (dolist (name '("car" "when" "if" "efrit-mcp-tool-call" "read-passwd" "auth-source-search" "no-such-function-here"))
     (should (equal "efrit-mcp-invalid-argument" (efrit-mcp-tools-test-fails "emacs_debug" "op" "trace" "functions" (vector name)))))
   (should (equal "efrit-mcp-invalid-argument" (efrit-mcp-tools-test-fails "emacs_debug" "op" "trace")))
   (should (equal "efrit-mcp-invalid-argument" (efrit-mcp-tools-test-fails "emacs_debug" "op" "trace" "hook" "no-such-hook-here")))
   (should-not (efrit-mcp-debug--going-p))))

(ert-deftest efrit-mcp-tools-debug/it-ends-by-itself-and-with-the-person ()
  (efrit-mcp-tools-debug-test
   (dolist (end (list (lambda () (run-hooks 'efrit-mcp-stop-all-hook))
                      (lambda () (run-hooks 'efrit-mcp-mode-off-hook))
                      (lambda () (customize-set-variable 'efrit-mcp-packs nil) (customize-set-variable 'efrit-mcp-packs '(debug)))
                      (lambda () (timer-event-handler efrit-mcp-debug--timer))))
     (efrit-mcp-tools-debug-test--debug "trace" "functions" ["dbg-test-inner"])
     (efrit-mcp-tools-debug-test--debug "watch_errors")
     (should (efrit-mcp-debug--going-p))
     (should (advice--p (symbol-function 'dbg-test-inner)))
     (funcall end)
     (should-not (efrit-mcp-debug--going-p))
     (should-not (advice--p (symbol-function 'dbg-test-inner)))
     (should-not (default-toplevel-value 'signal-hook-function)))))

(ert-deftest efrit-mcp-tools-debug/errors ()
  (let ((command-error-function #'ignore)) ; that of batch ends Emacs
  (efrit-mcp-tools-debug-test
   (should (alist-get 'note (efrit-mcp-tools-debug-test--debug "report")))
   (efrit-mcp-tools-debug-test--debug "watch_errors")
   (let ((timer (run-with-timer 0 nil #'dbg-test-outer 8)) (inhibit-message t) (debug-on-error nil))
     (timer-event-handler timer))
   ;; As the command loop does with an error of a command.
   (condition-case err (dbg-test-outer 9) (error (funcall (default-value 'command-error-function) err "" nil)))
   (condition-case nil (car 1) (error nil))
   (let* ((report (efrit-mcp-tools-debug-test--debug "stop")) (first (aref (alist-get 'errors report) 0)))
     (should (equal "Too large: 10" (alist-get 'error first)))
     (should (eq t (alist-get 'ended_command first)))
     (should (seq-find (lambda (f) (string-match-p "dbg-test-outer 9" f)) (alist-get 'backtrace first)))
     (let ((in-timer (seq-find (lambda (e) (equal "Too large: 9" (alist-get 'error e))) (alist-get 'errors report))))
       (should (equal "timer" (alist-get 'during in-timer)))
       (should (eq :false (alist-get 'ended_command in-timer))))
     (should (seq-find (lambda (e) (equal "wrong-type-argument" (alist-get 'error_code e))) (alist-get 'errors report)))))))

(ert-deftest efrit-mcp-tools-debug/profile ()
  (efrit-mcp-tools-debug-test
   (efrit-mcp-tools-debug-test--debug "profile" "profile" ["memory"])
   (should (profiler-memory-running-p))
   (should (equal "efrit-mcp-conflict" (efrit-mcp-tools-test-fails "emacs_debug" "op" "profile" "profile" ["memory"])))
   (dotimes (_ 30) (dbg-test-slow))
   (let* ((report (efrit-mcp-tools-debug-test--debug "stop")) (memory (alist-get 'memory_bytes report)))
     (should-not (profiler-memory-running-p))
     (should (> (alist-get 'total memory) 0))
     (should (seq-find (lambda (f) (equal "dbg-test-slow" (alist-get 'function f))) (alist-get 'functions memory))))
   (efrit-mcp-tools-debug-test--debug "profile" "profile" ["cpu"])
   (let ((begun (float-time (get-internal-run-time))))
     (while (< (- (float-time (get-internal-run-time)) begun) 0.2) (dbg-test-slow)))
   (let ((cpu (alist-get 'cpu_samples (efrit-mcp-tools-debug-test--debug "stop"))))
     (should-not (profiler-cpu-running-p))
     (should (> (alist-get 'total cpu) 0)))))

(ert-deftest efrit-mcp-tools-debug/what-there-is ()
  (efrit-mcp-tools-debug-test
   (let ((timer (run-with-timer 1000 5 #'dbg-test-slow)))
     (unwind-protect
         (let ((found (seq-find (lambda (x) (equal "dbg-test-slow" (alist-get 'function x)))
                                (alist-get 'timers (efrit-mcp-tools-debug-test--debug "list")))))
           (should (< 900 (alist-get 'in_s found) 1001))
           (should (= 5 (alist-get 'repeat_s found))))
       (cancel-timer timer)))
   (let ((process (make-pipe-process :name "dbg" :noquery t :filter #'dbg-test-outer)))
     (unwind-protect
         (should (equal "dbg-test-outer" (alist-get 'filter (seq-find (lambda (x) (equal "dbg" (alist-get 'name x)))
                                                                      (alist-get 'processes (efrit-mcp-tools-debug-test--debug "list" "what" "processes"))))))
       (delete-process process)))
   (with-temp-buffer
     (add-hook 'post-command-hook #'dbg-test-slow nil t)
     (let ((hook (aref (alist-get 'hooks (efrit-mcp-tools-debug-test--debug "list" "what" "hooks" "hook" "post-command-hook" "buffer" (buffer-name))) 0)))
       (should (equal ["dbg-test-slow"] (alist-get 'local hook)))))))

(define-minor-mode dbg-test-mode "A mode with a key." :keymap (list (cons (kbd "C-c z") #'dbg-test-slow)))

(ert-deftest efrit-mcp-tools-debug/keys ()
  (with-temp-buffer
    (emacs-lisp-mode)
    (dbg-test-mode 1)
    (local-set-key (kbd "C-c z") #'forward-char)
    (unwind-protect
        (let ((answer (efrit-mcp-tools-debug-test--debug "key" "key" "C-c z" "buffer" (buffer-name))))
          (should (equal "dbg-test-slow" (alist-get 'command answer)))
          (should (equal [((map . "dbg-test-mode") (command . "dbg-test-slow")) ((map . "local (emacs-lisp-mode)") (command . "forward-char"))]
                         (alist-get 'bound_in answer))))
      (local-unset-key (kbd "C-c z")))
    (should (eq :null (alist-get 'command (efrit-mcp-tools-debug-test--debug "key" "key" "C-c z z z" "buffer" (buffer-name)))))
    (should (equal "efrit-mcp-invalid-argument" (efrit-mcp-tools-test-fails "emacs_debug" "op" "key")))))
;;; efrit-mcp-tools-debug-test.el ends here
