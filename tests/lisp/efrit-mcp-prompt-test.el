;;; efrit-mcp-prompt-test.el --- Who may ask the person, and whose debugger it is  -*- lexical-binding: t -*-

;; Nothing is asked here: in batch a question would read from stdin.  It is looked at what
;; decides.

(require 'ert)
(require 'cl-lib)
(require 'efrit-mcp)

(defmacro efrit-mcp-prompt-test--job (&rest body)
  "Run BODY as if it were a job's own, with the guards in place."
  (declare (indent 0))
  `(unwind-protect
       (progn
         (efrit-mcp-prompt-guard)
         (efrit-mcp-debugger-guard)
         (let ((efrit-mcp-prompt--base (recursion-depth)) (efrit-mcp-prompt--outside nil)
               (efrit-mcp-prompt--refuse t) (inhibit-interaction t))
           ,@body))
     (efrit-mcp-debugger-unguard)
     (efrit-mcp-prompt-unguard)))

(defun efrit-mcp-prompt-test--may ()
  "Return `may' or `may-not' ask; `both' when the two that decide differ."
  (cond ((not (eq (and inhibit-interaction t) (efrit-mcp-prompt-own-p))) 'both)
        (inhibit-interaction 'may-not)
        (t 'may)))

(defmacro efrit-mcp-prompt-test--until (condition)
  "Wait until CONDITION holds."
  `(let ((tries 2000))
     (while (and (not ,condition) (> (setq tries (1- tries)) 0)) (accept-process-output nil 0.01))
     (should ,condition)))

(ert-deftest efrit-mcp-prompt/filters-and-sentinels-may-ask ()
  (let ((seen nil))
    (efrit-mcp-prompt-test--job
      (should (eq (efrit-mcp-prompt-test--may) 'may-not))
      (make-process :name "t" :command '("echo" "x") :connection-type 'pipe
                    :filter (lambda (&rest _) (push (cons 'filter (efrit-mcp-prompt-test--may)) seen))
                    :sentinel (lambda (&rest _) (push (cons 'sentinel (efrit-mcp-prompt-test--may)) seen)))
      (efrit-mcp-prompt-test--until (assq 'sentinel seen))
      (should (eq (efrit-mcp-prompt-test--may) 'may-not))
      (should (null efrit-mcp-prompt--outside)))
    (should (equal (sort (delete-dups seen) (lambda (a b) (string< (car a) (car b))))
                   '((filter . may) (sentinel . may))))))

(ert-deftest efrit-mcp-prompt/a-filter-that-is-left-gives-back ()
  "By a throw, an error, and one filter inside another."
  (efrit-mcp-prompt-test--job
    (should (eq 'thrown
                (catch 'out
                  (make-process :name "t" :command '("echo" "x") :connection-type 'pipe :sentinel #'ignore
                                :filter (lambda (&rest _) (throw 'out 'thrown)))
                  (while t (accept-process-output nil 1)))))
    (should (eq (efrit-mcp-prompt-test--may) 'may-not))
    (let ((inner nil) (outer nil))
      (make-process :name "t" :command '("echo" "x") :connection-type 'pipe :sentinel #'ignore
                    :filter (lambda (&rest _)
                              (make-process :name "u" :command '("echo" "x") :connection-type 'pipe :sentinel #'ignore
                                            :filter (lambda (&rest _) (setq inner (efrit-mcp-prompt-test--may))))
                              (efrit-mcp-prompt-test--until inner)
                              (setq outer (efrit-mcp-prompt-test--may))))
      (efrit-mcp-prompt-test--until outer)
      (should (equal (list inner outer) '(may may))))
    (should (eq (efrit-mcp-prompt-test--may) 'may-not))
    (should (null efrit-mcp-prompt--outside))))

(ert-deftest efrit-mcp-prompt/timers-and-special-events-may-ask ()
  (let ((seen nil))
    (efrit-mcp-prompt-test--job
      (run-with-timer 0 nil (lambda () (setq seen (efrit-mcp-prompt-test--may))))
      (efrit-mcp-prompt-test--until seen)
      (should (eq seen 'may))
      (let ((command (lambda () (interactive) (setq seen (efrit-mcp-prompt-test--may)))))
        (command-execute command nil [x] t)
        (should (eq seen 'may))
        (command-execute command)
        (should (eq seen 'may-not))))))

(ert-deftest efrit-mcp-prompt/what-a-form-binds-opens-nothing ()
  "Forms may bind what Emacs binds around filters and command loops."
  (efrit-mcp-prompt-test--job
    (dolist (value '(t nil))
      (let ((last-nonmenu-event value)) (should (eq (efrit-mcp-prompt-test--may) 'may-not)))
      (let ((standard-input value)) (should (eq (efrit-mcp-prompt-test--may) 'may-not))))
    (should (eq (efrit-mcp-prompt-test--may) 'may-not))))

(ert-deftest efrit-mcp-prompt/keys-and-loops-are-refused-where-nobody-is ()
  (cl-letf (((symbol-function 'efrit-mcp-prompt-nobody-p) #'always))
    (efrit-mcp-prompt-test--job
     (dolist (form '((read-key-sequence "x") (read-key-sequence-vector "x") (read-key "x") (recursive-edit)
                     (call-interactively 'describe-key) (call-interactively 'describe-key-briefly)
                     (call-interactively 'quoted-insert) (isearch-forward) (isearch-backward-regexp)
                     (read-event) (read-char) (read-char-exclusive) (y-or-n-p "x") (yes-or-no-p "x")
                     (read-multiple-choice "x" '((?a "a"))) (read-char-choice "x" '(?a)) (read-passwd "x")
                     (map-y-or-n-p "x" #'ignore '(1)) (read-from-minibuffer "x") (completing-read "x" nil)
                     (electric-buffer-list nil) (with-temp-buffer (insert "a") (goto-char 1) (query-replace "a" "b"))))
       (should (eq 'inhibited-interaction
                   (condition-case err (progn (eval form t) form) (inhibited-interaction (car err))))))))
  (should-not (get-variable-watchers 'standard-input)))

;;; The debugger

(defun efrit-mcp-prompt-test--debug (&rest arguments)
  "Return what the debugger does when it is called with ARGUMENTS."
  (condition-case err
      (apply #'efrit-mcp-debugger--enter (lambda (&rest _) 'entered) arguments)
    (efrit-mcp-debugger 'refused)
    (quit (cons 'quit (cdr err)))))

(ert-deftest efrit-mcp-debugger/a-job-is-refused ()
  (cl-letf (((symbol-function 'efrit-mcp-debugger--ends-p) #'ignore)) ; somebody sits there
    (should (eq (efrit-mcp-prompt-test--debug) 'entered)))
  (let ((efrit-mcp-debugger-stop-function #'ignore))
    (efrit-mcp-prompt-test--job
      (dolist (arguments '(nil (debug) (nil "x") (t) (lambda) (watchpoint x) (error "a message")))
        (should (eq (apply #'efrit-mcp-prompt-test--debug arguments) 'refused)))
      (should-not (efrit-mcp-prompt-test--debug 'error '(wrong-type-argument 1)))
      (should (eq (efrit-mcp-prompt-test--debug 'exit 'value) 'value))
      (should (equal (efrit-mcp-prompt-test--debug 'error '(quit 1)) '(quit 1))))))

(ert-deftest efrit-mcp-debugger/the-person-is-not ()
  "What runs inside a job and is not its own."
  (let ((seen nil) (efrit-mcp-debugger-stop-function #'ignore))
    (cl-letf (((symbol-function 'efrit-mcp-debugger--ends-p) #'ignore))
      (efrit-mcp-prompt-test--job
        (run-with-timer 0 nil (lambda () (setq seen (mapcar (lambda (arguments) (apply #'efrit-mcp-prompt-test--debug arguments))
                                                            '(nil (debug) (lambda) (error (quit)) (exit 1))))))
        (efrit-mcp-prompt-test--until seen)))
    (should (equal seen '(entered entered entered entered entered)))))

(ert-deftest efrit-mcp-debugger/without-a-frame-nobody-enters ()
  "There the debugger would end Emacs; it goes on as if told to continue."
  (let ((seen nil) (efrit-mcp-debugger-stop-function #'ignore))
    (cl-letf (((symbol-function 'efrit-mcp-debugger--ends-p) #'always))
      (efrit-mcp-prompt-test--job
        (run-with-timer 0 nil (lambda () (setq seen (mapcar (lambda (arguments) (apply #'efrit-mcp-prompt-test--debug arguments))
                                                            '(nil (debug) (error (arith-error)) (exit 1))))))
        (efrit-mcp-prompt-test--until seen)))
    (should (equal seen '(nil nil nil 1)))))

(provide 'efrit-mcp-prompt-test)
;;; efrit-mcp-prompt-test.el ends here
