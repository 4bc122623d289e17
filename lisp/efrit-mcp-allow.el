;;; efrit-mcp-allow.el --- What agents may call, and when  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Two rules of the person: `efrit-mcp-allow-function' says of each call whether it may
;; run, and `efrit-mcp-typing-pause' lets calls wait while the person types.
;;
;; Where it says `ask' the person is asked as by emacs_ask_user; the call is answered
;; "once more", with a number that is good for one time and sealed by the bridge to
;; this call's arguments, and begins again.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-later)
(require 'efrit-mcp-query)

(declare-function efrit-mcp--mod-json "efrit-mcp-module")

(define-error 'efrit-mcp-not-allowed "Not allowed" 'efrit-mcp-error)

(defcustom efrit-mcp-allow-function nil
  "Function that says whether an agent's call may run, or nil: all may.
It is called with the tool's name and its arguments, an alist with string
keys, and returns t, a string that says why not, nil, or `ask', to have
you asked in Emacs.  Resources and prompts of MCP are called by their
methods, as resources/read.  An error in it refuses the call."
  :type '(choice (const :tag "All may run" nil) function) :group 'efrit-mcp)

(defvar efrit-mcp-allow--granted nil "Numbers the person has granted, each good for one call.")

(defun efrit-mcp-allow--grant ()
  "Return a new number that is good for one call."
  (let ((number (format "%x-%x" (random most-positive-fixnum) (random most-positive-fixnum))))
    (push number efrit-mcp-allow--granted)
    (when (> (length efrit-mcp-allow--granted) 100)
      (setcdr (nthcdr 99 efrit-mcp-allow--granted) nil))
    number))

(defun efrit-mcp-allow--granted-p ()
  "Return non-nil if the call that runs was granted; that is used up."
  (let ((number (cdr (assoc "allowed" (efrit-mcp-client--context "state")))))
    (when (and number (member number efrit-mcp-allow--granted))
      (setq efrit-mcp-allow--granted (delete number efrit-mcp-allow--granted)
            ;; If it asks its client something now it begins once more.
            efrit-mcp-client--allowed #'efrit-mcp-allow--grant)
      t)))

(defun efrit-mcp-allow--ask (tool arguments)
  "Have the person asked whether TOOL may run with ARGUMENTS; answer later."
  (unless (efrit-mcp-query-person-p)
    (signal 'efrit-mcp-not-allowed
            (list (format "%s may run only when the person says so, and nobody sees this Emacs" tool))))
  (let* ((asked nil)
         (refuse (lambda (later why)
                   (efrit-mcp-later-fail later "efrit-mcp-not-allowed" (format "Not allowed: %s" why))))
         (later (efrit-mcp-later (lambda (later)
                                   (efrit-mcp-query-take-back asked)
                                   (funcall refuse later "the person did not answer in time"))
                                 (lambda (_) (efrit-mcp-query-take-back asked))))
         (shown (efrit-mcp--mod-json (or arguments (make-hash-table)))))
    (setq asked (efrit-mcp-query-put
                 efrit-mcp-tool-client
                 (format "May I call %s?\n%s" tool (substring shown 0 (min 400 (length shown))))
                 '("yes" "no")
                 (lambda (how answer)
                   (if (and (equal how "accepted") (equal answer "yes"))
                       (efrit-mcp-later-end later 'asks `((inputRequests . ,(make-hash-table))
                                                          (state . ((used . ,(make-hash-table))
                                                                    (allowed . ,(efrit-mcp-allow--grant))))))
                     (funcall refuse later (format "the person %s" (if answer "said no" how)))))))
    efrit-mcp-tool-deferred))

(defun efrit-mcp-allow-gate (tool arguments)
  "Let the call of TOOL with ARGUMENTS pass: return nil.
Or signal why not, or return `efrit-mcp-tool-deferred' when the person is
asked first."
  (when efrit-mcp-allow-function
    (pcase (condition-case err
               (funcall efrit-mcp-allow-function tool arguments)
             (error (format "efrit-mcp-allow-function failed: %s" (error-message-string err))))
      ('t nil)
      ('ask (unless (efrit-mcp-allow--granted-p)
              (efrit-mcp-allow--ask tool arguments)))
      (why (signal 'efrit-mcp-not-allowed
                   (list (format "%s: %s" tool (if (stringp why) why "the person does not allow this call"))))))))

(provide 'efrit-mcp-allow)
;;; efrit-mcp-allow.el ends here
