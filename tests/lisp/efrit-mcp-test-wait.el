;;; efrit-mcp-test-wait.el --- How long tests wait  -*- lexical-binding: t -*-

;;; Commentary:

;; The limits of tests stretch with the load of the machine, as tests/patience.py has it.

;;; Code:

(defun efrit-mcp-test-patience (seconds)
  "Return what SECONDS on an idle machine are on this one now."
  (let ((load (condition-case nil (car (load-average t)) (error 0)))
        (processors (if (fboundp 'num-processors) (num-processors) 1))
        (factor (string-to-number (or (getenv "EFRIT_TESTS_STRETCH") "1"))))
    (when (file-readable-p "/proc/loadavg") ; what runs at this moment: the average comes late
      (with-temp-buffer
        (insert-file-contents "/proc/loadavg")
        (when (re-search-forward " \\([0-9]+\\)/" nil t) (setq load (max load (string-to-number (match-string 1)))))))
    (* seconds (max 1 factor) (max 1.0 (/ load (float processors))))))

(defun efrit-mcp-test-over-p (begun seconds)
  "Return non-nil if SECONDS are over since BEGUN, a time in seconds.
The load is looked at when they are."
  (and (> (- (float-time) begun) seconds)
       (> (- (float-time) begun) (min (* 50 seconds) (efrit-mcp-test-patience seconds)))))

(defmacro efrit-mcp-test-until (seconds &rest holds)
  "Wait until HOLDS, which a test may wait SECONDS for; return its value."
  (declare (indent 1))
  `(let ((begun (float-time)) (value nil))
     (while (not (setq value (progn ,@holds)))
       (when (efrit-mcp-test-over-p begun ,seconds) (error "It never came: %S" ',holds))
       (accept-process-output nil 0.02))
     value))

(provide 'efrit-mcp-test-wait)
;;; efrit-mcp-test-wait.el ends here
