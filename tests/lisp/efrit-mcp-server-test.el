;;; efrit-mcp-server-test.el --- What a stop may cut, and what it may not  -*- lexical-binding: t -*-

;; tests/stop.py looks for what is lost in thousands of stops; here is what it found.

(require 'ert)
(require 'cl-lib)
(require 'efrit-mcp)

(efrit-mcp-native-load efrit-mcp-version)

(defun efrit-mcp-server-test--in-timer (function)
  "Call FUNCTION in a timer; return its value."
  (let ((value 'none))
    (run-with-timer 0 nil (lambda () (setq value (funcall function))))
    (while (eq value 'none) (accept-process-output nil 0.01))
    value))

(defun efrit-mcp-server-test--job (begin call)
  "Run a job that does BEGIN in place of its begin-mark, CALL in that of the tool."
  (cl-letf (((symbol-function 'efrit-mcp--mod-begin) (lambda (&rest _) (funcall begin) t))
            ((symbol-function 'efrit-mcp--mod-end) #'ignore)
            ((symbol-function 'efrit-mcp-tool-call) (lambda (&rest _) (funcall call) '(done . "x")))
            (efrit-mcp-server-observe-function #'ignore))
    (efrit-mcp-server--bound 1 "tool" nil)))

(ert-deftest efrit-mcp-server/what-is-outside-is-not-foreign ()
  "A timer in whose wait the job runs is not inside the job, from its first mark on."
  (let ((seen nil))
    (efrit-mcp-server-test--in-timer
     (lambda ()
       (efrit-mcp-server-test--job (lambda () (push (efrit-mcp-foreign) seen))
                                   (lambda () (push (efrit-mcp-foreign) seen)))))
    (should (equal seen '(nil nil)))))

(ert-deftest efrit-mcp-server/what-is-inside-is-foreign ()
  (let ((seen nil))
    (efrit-mcp-server-test--job
     #'ignore
     (lambda () (efrit-mcp-server-test--in-timer (lambda () (setq seen (efrit-mcp-foreign)) t))))
    (should (string-match-p "a timer runs inside it" seen))))

(ert-deftest efrit-mcp-server/a-pending-quit-ends-with-the-job ()
  "A quit that came while quitting was inhibited for good does not leave the job."
  (let ((marked 'none) (quit-seen nil))
    (condition-case nil
        (cl-letf (((symbol-function 'efrit-mcp--mod-stop-seen) #'ignore))
          (setq marked (efrit-mcp-server-test--job #'ignore (lambda () (setq inhibit-quit t quit-flag t)))))
      (quit (setq quit-seen t)))
    (should-not quit-seen)
    (should (equal (car marked) 'ended))
    (should-not quit-flag)))

(provide 'efrit-mcp-server-test)
;;; efrit-mcp-server-test.el ends here
