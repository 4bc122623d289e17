;;; efrit-mcp-efrit.el --- Requests that go through the Efrit package  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Efrit works with a model of its own, over the network, for minutes.  So its
;; asynchronous functions are used, the call is answered later, and what Efrit shows of
;; its progress is told.  While a call waits, and only then, what Efrit tells and says
;; is listened to by advice.

;;; Code:

(require 'efrit-mcp-later)

(declare-function efrit-execute "ext:efrit-executor")
(declare-function efrit-execute-async "ext:efrit-executor")
(declare-function efrit-do-sync "ext:efrit-do")
(declare-function efrit-streamlined-send "ext:efrit-chat")
(declare-function efrit-session-active "ext:efrit-session")
(declare-function efrit-session-cancel "ext:efrit-session")
(defvar efrit-streamlined--turn-count)

(define-error 'efrit-mcp-efrit-missing "Efrit is not loaded" 'efrit-mcp-error)

(defvar efrit-mcp-efrit--later nil "The call that Efrit works for, or nil.")
(defvar efrit-mcp-efrit--chats nil "Non-nil: it is a chat.")
(defvar efrit-mcp-efrit--told 0 "Words of progress told.")
(defvar efrit-mcp-efrit--turn 0 "Turn of the chat at the last look.")

(defvar efrit-mcp-efrit--error nil "The error Efrit showed last, if it showed nothing since.")

(defun efrit-mcp-efrit--tell (text &optional type &rest _)
  "Advice: tell the client TEXT, which Efrit shows as TYPE."
  (setq efrit-mcp-efrit--error (and (eq type 'error) text))
  (when efrit-mcp-efrit--later
    (efrit-mcp-later-progress efrit-mcp-efrit--later (setq efrit-mcp-efrit--told (1+ efrit-mcp-efrit--told))
                              nil (format "%s" text))))

(defun efrit-mcp-efrit--said (text &rest _)
  "Advice: Efrit's chat ends by showing TEXT."
  (when efrit-mcp-efrit--chats (efrit-mcp-efrit--end text)))

(defun efrit-mcp-efrit--handled (&rest _)
  "Advice: Efrit has handled an answer of its model; see whether it goes on."
  (when (and efrit-mcp-efrit--chats efrit-mcp-efrit--later)
    (let ((turn (if (boundp 'efrit-streamlined--turn-count) efrit-streamlined--turn-count 0)))
      (if (> turn efrit-mcp-efrit--turn)
          (progn (setq efrit-mcp-efrit--turn turn)
                 (efrit-mcp-efrit--tell (format "turn %d" turn)))
        (efrit-mcp-efrit--end "Done; Efrit said nothing.")))))

(defconst efrit-mcp-efrit--advice
  '((efrit-progress-show-message . efrit-mcp-efrit--tell)
    (efrit-progress-show-tool-start . efrit-mcp-efrit--tell)
    (efrit-streamlined--display-response . efrit-mcp-efrit--said)
    (efrit-streamlined--handle-response . efrit-mcp-efrit--handled))
  "Functions of Efrit that are listened to, and what listens after them.")

(defun efrit-mcp-efrit--over ()
  "Efrit works for no call any more."
  (setq efrit-mcp-efrit--later nil efrit-mcp-efrit--chats nil)
  (pcase-dolist (`(,function . ,advice) efrit-mcp-efrit--advice)
    (when (fboundp function) (advice-remove function advice))))

(defun efrit-mcp-efrit--end (result)
  "Efrit has ended with RESULT: answer."
  (let ((later efrit-mcp-efrit--later) (text (if (stringp result) result (format "%S" result))))
    (when later
      (efrit-mcp-efrit--over)
      (if (or efrit-mcp-efrit--error (string-match-p "\\`\\(Error: \\|API Error\\)" text))
          (efrit-mcp-later-fail later "efrit_failed" (format "%s" (or efrit-mcp-efrit--error text)))
        (efrit-mcp-later-answer later `((status . "success") (result . ,text)))))))

(defun efrit-mcp-efrit--cancel ()
  "Have Efrit end what it does for a call nobody waits for."
  (let ((session (and (not efrit-mcp-efrit--chats) (fboundp 'efrit-session-active) (efrit-session-active))))
    (efrit-mcp-efrit--over)
    (when (and session (fboundp 'efrit-session-cancel)) (efrit-session-cancel session))))

(defun efrit-mcp-efrit--expire (later)
  "The time of LATER is over."
  (efrit-mcp-efrit--cancel)
  (efrit-mcp-later-fail later "timeout" "Efrit worked longer than the call's timeout; it was told to end"))

(defun efrit-mcp-efrit--free ()
  "Signal an error if Efrit is at work: it does one thing at a time."
  (when (or efrit-mcp-efrit--later (and (fboundp 'efrit-session-active) (efrit-session-active)))
    (signal 'efrit-mcp-error '("Efrit is at work already; wait, or end that first"))))

(defun efrit-mcp-efrit--begin (chats)
  "Have the job that runs answered when Efrit ends; CHATS as the variable."
  (efrit-mcp-efrit--free)
  (pcase-dolist (`(,function . ,advice) efrit-mcp-efrit--advice)
    (when (fboundp function) (advice-add function :after advice)))
  (setq efrit-mcp-efrit--error nil efrit-mcp-efrit--told 0 efrit-mcp-efrit--turn 0 efrit-mcp-efrit--chats chats
        efrit-mcp-efrit--later (efrit-mcp-later #'efrit-mcp-efrit--expire (lambda (_) (efrit-mcp-efrit--cancel)))))

(defun efrit-mcp-efrit--start (function &rest arguments)
  "Call FUNCTION with ARGUMENTS, which starts Efrit; its errors end the call."
  (condition-case err
      ;; Its buffers show beside what the person looks at.
      (let ((display-buffer-overriding-action '(nil (inhibit-same-window . t)))
            (switch-to-buffer-obey-display-actions t))
        (save-selected-window (apply function arguments)))
    (error (let ((later efrit-mcp-efrit--later))
             (efrit-mcp-efrit--over)
             (if later
                 (efrit-mcp-later-fail later (symbol-name (car err)) (error-message-string err))
               (signal (car err) (cdr err))))))
  efrit-mcp-tool-deferred)

(defun efrit-mcp-efrit--missing ()
  "Signal that Efrit is not there."
  (signal 'efrit-mcp-efrit-missing
          '("load Efrit in this Emacs (require 'efrit) for the types command and chat, or use type eval")))

(defun efrit-mcp-efrit--load ()
  "Where Efrit is loaded, load those of its files that are used here.
It loads them itself only when they are needed."
  (when (featurep 'efrit)
    (dolist (feature '(efrit-session efrit-progress efrit-executor efrit-chat efrit-chat-streamlined))
      (require feature nil t))))

(defun efrit-mcp-efrit-command (content)
  "Have Efrit do CONTENT; the answer comes later where Efrit can do so."
  (efrit-mcp-efrit--load)
  (cond ((fboundp 'efrit-execute-async)
         (efrit-mcp-efrit--begin nil)
         (let ((later efrit-mcp-efrit--later))
           (efrit-mcp-efrit--start #'efrit-execute-async content
                                   (lambda (result)
                                     (when (eq later efrit-mcp-efrit--later) (efrit-mcp-efrit--end result))))))
        ((fboundp 'efrit-execute) `((status . "success") (result . ,(format "%s" (efrit-execute content)))))
        ((fboundp 'efrit-do-sync) `((status . "success") (result . ,(format "%s" (efrit-do-sync content)))))
        (t (efrit-mcp-efrit--missing))))

(defun efrit-mcp-efrit-chat (content)
  "Say CONTENT to Efrit's chat; the answer comes later."
  (efrit-mcp-efrit--load)
  (unless (fboundp 'efrit-streamlined-send) (efrit-mcp-efrit--missing))
  (if (fboundp 'efrit-streamlined--display-response)
      (progn (efrit-mcp-efrit--begin t)
             (efrit-mcp-efrit--start #'efrit-streamlined-send content))
    `((status . "success") (result . ,(format "%s" (efrit-streamlined-send content))))))

(defun efrit-mcp-efrit-status ()
  "Return whether Efrit is there and what it does, an alist."
  (let ((session (and (fboundp 'efrit-session-active) (efrit-session-active))))
    `((status . "success")
      (result . ,(format "Emacs %s, pid %d, %s" emacs-version (emacs-pid)
                         (cond ((not (featurep 'efrit)) "Efrit is not loaded")
                               (session "Efrit is at work")
                               (t "Efrit is loaded"))))
      (efrit . ,(if (featurep 'efrit) t :false))
      ,@(when (featurep 'efrit) `((busy . ,(if (or session efrit-mcp-efrit--later) t :false)))))))

(provide 'efrit-mcp-efrit)
;;; efrit-mcp-efrit.el ends here
