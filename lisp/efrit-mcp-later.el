;;; efrit-mcp-later.el --- Jobs that are answered later  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; What waits for a process or for the person must not hold up other jobs: the tool's
;; function keeps what `efrit-mcp-later' returns and leaves; somebody answers by it.
;; Each of these ends exactly once: answered, or expired (it answers then), or gone,
;; when its client cancelled it or went away.

;;; Code:

(require 'efrit-mcp-tool)
(eval-when-compile (require 'cl-lib))

(declare-function efrit-mcp--mod-alive "efrit-mcp-module")
(declare-function efrit-mcp--mod-reply "efrit-mcp-module")

(cl-defstruct (efrit-mcp-later (:constructor efrit-mcp-later--make) (:copier nil))
  "A job that is answered later."
  job client context credit timer gone (open t))

(defvar efrit-mcp-later--all nil
  "The jobs that are not answered yet.")

(defvar efrit-mcp-later-answered-function #'ignore
  "Function called with the number of a job that was answered, and the answer.")

(defconst efrit-mcp-later--before 0.05
  "Seconds before the thread would call a job stopped at which it expires.")

(defun efrit-mcp-later (expire &optional gone seconds)
  "Have the job that runs answered later; return what it is answered by.
EXPIRE is called with that when the job's time is nearly over, or after
SECONDS if that is sooner; it answers.  GONE is called with it when
nobody waits for the answer any more.  The tool's function is to return
`efrit-mcp-tool-deferred'."
  (let ((later (efrit-mcp-later--make :job efrit-mcp-tool-job :client efrit-mcp-tool-client
                                      :context efrit-mcp-client-context :gone gone))
        (most (max 0.01 (- (or efrit-mcp-tool-timeout 30) efrit-mcp-later--before))))
    (setf (efrit-mcp-later-timer later)
          (run-with-timer (if seconds (min seconds most) most) nil
                          (lambda () (when (efrit-mcp-later-open later) (funcall expire later)))))
    (push later efrit-mcp-later--all)
    later))

(defun efrit-mcp-later--close (later)
  "LATER is over; return non-nil if it was open."
  (when (efrit-mcp-later-open later)
    (setf (efrit-mcp-later-open later) nil)
    (cancel-timer (efrit-mcp-later-timer later))
    (setq efrit-mcp-later--all (delq later efrit-mcp-later--all))
    t))

(defun efrit-mcp-later--reply (later outcome value)
  "Answer LATER with OUTCOME and VALUE, as `efrit-mcp-tool-call' has them."
  (let ((number (efrit-mcp-later-job later)))
    (funcall efrit-mcp-later-answered-function number value)
    (pcase outcome
      ('asks (efrit-mcp--mod-reply number value 4 :whole))
      ('whole (let ((efrit-mcp-client-context (efrit-mcp-later-context later)))
                (let ((result (efrit-mcp-content-result value)))
                  (efrit-mcp--mod-reply number result (if (assq 'isError result) 1 0) :whole))))
      (_ (efrit-mcp--mod-reply number value (if (eq outcome 'failed) 1 0)
                               (and (eq (car-safe (car-safe value)) 'status) t))))))

(defun efrit-mcp-later-end (later outcome value)
  "Answer LATER with VALUE; OUTCOME is done, failed or asks.
Return nil if it is over already."
  (when (efrit-mcp-later--close later)
    (when (efrit-mcp-content-p value) (setq outcome 'whole))
    ;; Not before the function that deferred it has left.
    (if (eql efrit-mcp-tool-job (efrit-mcp-later-job later))
        (run-with-timer 0 nil #'efrit-mcp-later--reply later outcome value)
      (efrit-mcp-later--reply later outcome value))
    t))

(defun efrit-mcp-later-answer (later value)
  "Answer LATER with VALUE, what a tool's function may return."
  (efrit-mcp-later-end later 'done value))

(defun efrit-mcp-later-fail (later code message)
  "Answer LATER with an error: CODE and MESSAGE, strings."
  (efrit-mcp-later-end later 'failed `((status . "error") (error . ,message) (error_code . ,code))))

(defun efrit-mcp-later-progress (later progress &optional total message)
  "Tell the client of LATER that PROGRESS of TOTAL is done, and MESSAGE."
  (when (efrit-mcp-later-open later)
    (let ((efrit-mcp-tool-job (efrit-mcp-later-job later))
          (efrit-mcp-client-context (efrit-mcp-later-context later))
          (efrit-mcp-client--credit (efrit-mcp-later-credit later)))
      (prog1 (efrit-mcp-report-progress progress total message)
        (setf (efrit-mcp-later-context later) efrit-mcp-client-context
              (efrit-mcp-later-credit later) efrit-mcp-client--credit)))))

(defun efrit-mcp-later-tidy ()
  "Let go of the jobs nobody waits for any more.
The thread rings when a client has cancelled one or has gone."
  (dolist (later (copy-sequence efrit-mcp-later--all))
    (unless (efrit-mcp--mod-alive (efrit-mcp-later-job later))
      (when (efrit-mcp-later--close later)
        (funcall efrit-mcp-later-answered-function (efrit-mcp-later-job later)
                 '((status . "stopped") (error . "nobody waits for the answer any more")))
        (when (efrit-mcp-later-gone later) (funcall (efrit-mcp-later-gone later) later))))))

(provide 'efrit-mcp-later)
;;; efrit-mcp-later.el ends here
