;;; efrit-mcp-later.el --- A program's end is a tool's answer  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A tool that needs another program starts it and returns; the answer is given when
;; the program has ended, and Emacs is free meanwhile.  Where the job is stopped or its
;; client leaves, the program is ended too.

;;; Code:

(require 'efrit-mcp-tool)
(eval-when-compile (require 'cl-lib))

(declare-function efrit-mcp--mod-alive "efrit-mcp-module")
(declare-function efrit-mcp--mod-reply "efrit-mcp-module")

(defconst efrit-mcp-later--glance 0.25
  "Seconds between looks whether a job with a program still has a client.")

(defconst efrit-mcp-later--output-max 2000000
  "Characters of a program's output that are kept; the program is ended at more.")

(defun efrit-mcp-later--end (process)
  "End PROCESS and what it started, and take its buffer away."
  (when (process-live-p process)
    (ignore-errors (signal-process (- (process-id process)) 9))
    (delete-process process))
  (when (buffer-live-p (process-buffer process)) (kill-buffer (process-buffer process))))

(defun efrit-mcp-later--value (process function)
  "Return (OUTCOME . VALUE): FUNCTION's of the status and output of PROCESS."
  (condition-case err
      (cons 0 (let ((status (process-exit-status process)))
                (with-current-buffer (process-buffer process)
                  (funcall function status (buffer-string)))))
    (error (cons 1 (efrit-mcp-tool--error err)))))

(defun efrit-mcp-later--filter (process text)
  "Keep TEXT that PROCESS printed, up to a bound."
  (when (buffer-live-p (process-buffer process))
    (with-current-buffer (process-buffer process)
      (goto-char (point-max))
      (insert text)
      (when (> (buffer-size) efrit-mcp-later--output-max)
        (signal-process process 9)))))

(defun efrit-mcp-later--watch (process job)
  "Look from time to time whether JOB, for which PROCESS runs, still has a client."
  (process-put process 'efrit-mcp-timer
               (run-with-timer efrit-mcp-later--glance efrit-mcp-later--glance
                               (lambda ()
                                 (unless (efrit-mcp--mod-alive job)
                                   (cancel-timer (process-get process 'efrit-mcp-timer))
                                   (set-process-sentinel process #'ignore)
                                   (efrit-mcp-later--end process))))))

(defun efrit-mcp-later--ended (process job function)
  "PROCESS ended: answer JOB with what FUNCTION makes of it."
  (when (memq (process-status process) '(exit signal))
    (cancel-timer (process-get process 'efrit-mcp-timer))
    (let ((answer (efrit-mcp-later--value process function)))
      (efrit-mcp-later--end process)
      (when (efrit-mcp--mod-alive job)
        (efrit-mcp--mod-reply job (cdr answer) (car answer))))))

(defun efrit-mcp-later (command function &optional timeout)
  "Run COMMAND, a list of strings; FUNCTION makes the tool's answer of it.
FUNCTION is called with the exit status and the output, a string.  Where
no job runs, as in tests, this waits up to TIMEOUT seconds, else it
returns at once what says that the answer comes later."
  (let* ((job efrit-mcp-tool-job)
         (process (make-process :name "efrit-mcp-later" :buffer (generate-new-buffer " *efrit-mcp-later*" t)
                                :command command :connection-type 'pipe :noquery t
                                :coding 'utf-8 :filter #'efrit-mcp-later--filter :sentinel #'ignore)))
    (process-send-eof process)
    (if job
        (progn
          (efrit-mcp-later--watch process job)
          (set-process-sentinel process (lambda (p _) (efrit-mcp-later--ended p job function)))
          (unless (process-live-p process) (efrit-mcp-later--ended process job function))
          efrit-mcp-tool-deferred)
      (unwind-protect
          (let ((until (+ (float-time) (or timeout 60))))
            (while (and (process-live-p process) (< (float-time) until))
              (accept-process-output process 0.1))
            (while (accept-process-output process 0))
            (let ((answer (efrit-mcp-later--value process function)))
              (when (= (car answer) 1) (error "%s" (cdr (assq 'error (cdr answer)))))
              (cdr answer)))
        (efrit-mcp-later--end process)))))

(provide 'efrit-mcp-later)
;;; efrit-mcp-later.el ends here
