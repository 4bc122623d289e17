;;; efrit-mcp-doorbell.el --- The pipe process whose output wakes Emacs  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; The module's thread writes into the pipe when there is something for Lisp to do.

;;; Code:

(require 'efrit-mcp-native)

(declare-function efrit-mcp--mod-log "efrit-mcp-module")
(declare-function efrit-mcp--mod-set-doorbell "efrit-mcp-module")
(declare-function efrit-mcp-server--filter "efrit-mcp-server")

(defvar efrit-mcp-server-instance)
(defvar efrit-mcp-server--doorbell)

(defun efrit-mcp-doorbell--sentinel (process _event)
  "If somebody killed PROCESS, the doorbell, hang up another one."
  (when (and efrit-mcp-server-instance (eq process efrit-mcp-server--doorbell)
             (not (process-live-p process)))
    (efrit-mcp--mod-log "the doorbell was killed; there is a new one")
    (efrit-mcp-doorbell-renew)))

(defun efrit-mcp-doorbell-renew ()
  "Hang up another doorbell."
  (efrit-mcp--mod-set-doorbell (efrit-mcp-doorbell-make)))

(defun efrit-mcp-doorbell-take-down (doorbell)
  "End the process DOORBELL and its buffer."
  (let ((buffer (process-buffer doorbell)))
    (delete-process doorbell)
    (when (buffer-live-p buffer) (kill-buffer buffer))))

(defun efrit-mcp-doorbell-make ()
  "Return a new pipe process whose filter takes jobs."
  ;; With adaptive buffering calls took 50 ms and wake-ups were lost.
  (let ((process-adaptive-read-buffering nil))
    (setq efrit-mcp-server--doorbell
          (make-pipe-process :name "efrit-mcp" :buffer (generate-new-buffer " *efrit-mcp*" t)
                             :noquery t :coding 'binary
                             :filter #'efrit-mcp-server--filter
                             :sentinel #'efrit-mcp-doorbell--sentinel))))

(provide 'efrit-mcp-doorbell)
;;; efrit-mcp-doorbell.el ends here
