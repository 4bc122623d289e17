;;; efrit-mcp-program.el --- A program's end is a tool's answer  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A tool that needs another program starts it and returns; the answer is given when
;; the program has ended, and Emacs is free meanwhile.  Where the job's time is over, it
;; is stopped or its client leaves, the program is ended too.

;;; Code:

(require 'efrit-mcp-later)
(require 'efrit-mcp-tool)

(defconst efrit-mcp-program--output-max 2000000
  "Characters of a program's output that are kept; the program is ended at more.")

(defconst efrit-mcp-program--patience 2
  "Seconds a program that tidies up has for it when it is ended.")

(defun efrit-mcp-program--kill (process)
  "Kill PROCESS and what it started."
  (when (process-live-p process)
    (ignore-errors (signal-process (- (process-id process)) 9))
    (delete-process process)))

(defun efrit-mcp-program--end (process)
  "End PROCESS and what it started, and take its buffer away."
  (let ((buffer (process-buffer process)))
    (set-process-sentinel process #'ignore)
    (set-process-filter process #'ignore)
    (if (not (and (process-live-p process) (process-get process 'efrit-mcp-tidies)))
        (efrit-mcp-program--kill process)
      (set-process-buffer process nil) ; else it would go with it
      (ignore-errors (signal-process (- (process-id process)) 15))
      (run-with-timer efrit-mcp-program--patience nil #'efrit-mcp-program--kill process))
    (when (buffer-live-p buffer) (kill-buffer buffer))))

(defun efrit-mcp-program--value (process function)
  "Return (OUTCOME . VALUE): FUNCTION's of the status and output of PROCESS."
  (condition-case err
      (cons 'done (let ((status (process-exit-status process)))
                    (with-current-buffer (process-buffer process)
                      (funcall function status (buffer-string)))))
    (error (cons 'failed (efrit-mcp-tool--error err)))))

(defun efrit-mcp-program--filter (process text)
  "Keep TEXT that PROCESS printed, up to a bound."
  (when (buffer-live-p (process-buffer process))
    (with-current-buffer (process-buffer process)
      (goto-char (point-max))
      (insert text)
      (when (> (buffer-size) efrit-mcp-program--output-max)
        (signal-process process 9)))))

(defun efrit-mcp-program--ended (process later function)
  "If PROCESS has ended answer LATER with what FUNCTION makes of it."
  (when (memq (process-status process) '(exit signal))
    (let ((answer (efrit-mcp-program--value process function)))
      (efrit-mcp-program--end process)
      (efrit-mcp-later-end later (car answer) (cdr answer)))))

(defun efrit-mcp-program--answer-later (process function)
  "Have the job that runs answered with FUNCTION's value when PROCESS has ended."
  (let ((later (efrit-mcp-later
                (lambda (later)
                  (efrit-mcp-program--end process)
                  (efrit-mcp-later-fail later "timeout" "the program took longer than the timeout; it was ended"))
                (lambda (_later) (efrit-mcp-program--end process)))))
    (set-process-sentinel process (lambda (p _event) (efrit-mcp-program--ended p later function)))
    (unless (process-live-p process) ; its end may have been told before, and its output is not read yet
      (while (accept-process-output process 0 nil t))
      (when (buffer-live-p (process-buffer process))
        (efrit-mcp-program--ended process later function)))
    efrit-mcp-tool-deferred))

(defun efrit-mcp-program--wait (process function timeout)
  "Wait up to TIMEOUT seconds for PROCESS; return what FUNCTION makes of it."
  (unwind-protect
      (let ((until (+ (float-time) timeout)))
        (while (and (process-live-p process) (< (float-time) until))
          (accept-process-output process 0.1))
        (while (accept-process-output process 0))
        (let ((answer (efrit-mcp-program--value process function)))
          (when (eq (car answer) 'failed) (error "%s" (cdr (assq 'error (cdr answer)))))
          (cdr answer)))
    (efrit-mcp-program--end process)))

(defun efrit-mcp-program-run (command function &optional timeout input tidies)
  "Run COMMAND, a list of strings; FUNCTION makes the tool's answer of it.
FUNCTION is called with the exit status and the output, a string.  Where
no job runs, as in tests, this waits up to TIMEOUT seconds, else it
returns at once what says that the answer comes later.  INPUT, a string of
bytes, is what the program reads.  TIDIES: where it must be ended before
its time, it is asked to, so that it takes away its locks."
  (let ((process (make-process :name "efrit-mcp-program" :buffer (generate-new-buffer " *efrit-mcp-program*" t)
                               :command command :connection-type 'pipe :noquery t
                               :coding 'utf-8 :filter #'efrit-mcp-program--filter :sentinel #'ignore)))
    (when tidies (process-put process 'efrit-mcp-tidies t))
    (ignore-errors ; it may have ended already
      (when input (process-send-string process input))
      (process-send-eof process))
    (if efrit-mcp-tool-job
        (efrit-mcp-program--answer-later process function)
      (efrit-mcp-program--wait process function (or timeout 60)))))

(provide 'efrit-mcp-program)
;;; efrit-mcp-program.el ends here
