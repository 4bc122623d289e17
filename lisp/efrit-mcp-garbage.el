;;; efrit-mcp-garbage.el --- Garbage waits while calls come in a row  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A collection takes 16 ms and more, a short call a fiftieth of a millisecond: while
;; calls come in a row, fewer collections with more garbage in each.

;;; Code:

(defvar efrit-mcp-gc-threshold)

(defvar efrit-mcp-garbage--threshold nil
  "The person's `gc-cons-threshold' while ours is in force, else nil.")

(defvar efrit-mcp-garbage--drained nil
  "Non-nil: jobs were run since the timer looked last.")

(defconst efrit-mcp-garbage--lull 1
  "Seconds without a job after which `gc-cons-threshold' is the person's again.")

(defun efrit-mcp-garbage-later ()
  "Have garbage wait a little, since jobs come in."
  (setq efrit-mcp-garbage--drained t)
  (when (and (null efrit-mcp-garbage--threshold) (< gc-cons-threshold efrit-mcp-gc-threshold))
    (setq efrit-mcp-garbage--threshold gc-cons-threshold
          gc-cons-threshold efrit-mcp-gc-threshold)
    (run-with-timer efrit-mcp-garbage--lull nil #'efrit-mcp-garbage--now)))

(defun efrit-mcp-garbage--now ()
  "If no jobs come in any more, put the person's `gc-cons-threshold' back."
  (cond (efrit-mcp-garbage--drained
         (setq efrit-mcp-garbage--drained nil)
         (run-with-timer efrit-mcp-garbage--lull nil #'efrit-mcp-garbage--now))
        (efrit-mcp-garbage--threshold
         (when (eq gc-cons-threshold efrit-mcp-gc-threshold) ; else somebody else set it since
           (setq gc-cons-threshold efrit-mcp-garbage--threshold))
         (setq efrit-mcp-garbage--threshold nil))))

(provide 'efrit-mcp-garbage)
;;; efrit-mcp-garbage.el ends here
