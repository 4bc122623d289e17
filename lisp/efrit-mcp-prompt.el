;;; efrit-mcp-prompt.el --- No job waits for the person  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Inside a job every function that asks the person fails at once, with the question
;; as data.  `inhibit-interaction' does that for most of them; the four it does not
;; stop (tried on Emacs 28 to 30) are advised.  No minibuffer of the person is touched:
;; an agent's question would close theirs.

;;; Code:

(require 'efrit-mcp-native)

(declare-function efrit-mcp--mod-set-prompt "efrit-mcp-module")

(defvar efrit-mcp-prompt--refuse nil
  "Non-nil while a job runs: whatever asks the person fails.")

(defconst efrit-mcp-prompt--gaps
  '(read-key read-key-sequence map-y-or-n-p read-multiple-choice)
  "Functions that ask although `inhibit-interaction' is set.")

(defconst efrit-mcp-prompt--askers
  '(yes-or-no-p y-or-n-p completing-read read-passwd read-file-name read-directory-name
    read-buffer read-string read-number read-regexp read-char-choice read-char-from-minibuffer
    read-from-minibuffer read-no-blanks-input read-minibuffer read-event read-char
    read-char-exclusive read-key read-key-sequence map-y-or-n-p read-multiple-choice
    read-answer read-color read-command read-variable call-interactively)
  "Functions whose frame in a backtrace says what was asked.")

(defun efrit-mcp-prompt--refuse (function &rest arguments)
  "Around advice: fail inside a job, else call FUNCTION with ARGUMENTS."
  (if efrit-mcp-prompt--refuse
      (signal 'inhibited-interaction nil)
    (apply function arguments)))

(defun efrit-mcp-prompt--sit-for (function &rest arguments)
  "Around advice: let FUNCTION, `sit-for', wait with ARGUMENTS inside a job.
It reads an event to do so, which `inhibit-interaction' takes for a question."
  (let ((inhibit-interaction (and inhibit-interaction (not efrit-mcp-prompt--refuse))))
    (apply function arguments)))

(defvar native-comp-enable-subr-trampolines)
(defvar comp-enable-subr-trampolines)

(defun efrit-mcp-prompt-guard ()
  "Install what makes questions fail inside jobs."
  ;; A trampoline for the one primitive would be compiled here and now, for seconds.
  (let ((native-comp-enable-subr-trampolines nil)
        (comp-enable-subr-trampolines nil))
    (dolist (function efrit-mcp-prompt--gaps)
      (advice-add function :around #'efrit-mcp-prompt--refuse))
    (advice-add 'sit-for :around #'efrit-mcp-prompt--sit-for))
  (add-hook 'minibuffer-setup-hook #'efrit-mcp-prompt--note)
  (add-hook 'minibuffer-exit-hook #'efrit-mcp-prompt--note-exit))

(defun efrit-mcp-prompt-unguard ()
  "Take away what `efrit-mcp-prompt-guard' installed."
  (dolist (function efrit-mcp-prompt--gaps)
    (advice-remove function #'efrit-mcp-prompt--refuse))
  (advice-remove 'sit-for #'efrit-mcp-prompt--sit-for)
  (remove-hook 'minibuffer-setup-hook #'efrit-mcp-prompt--note)
  (remove-hook 'minibuffer-exit-hook #'efrit-mcp-prompt--note-exit))

(defun efrit-mcp-prompt--note ()
  "Tell the thread that a minibuffer is open."
  (efrit-mcp--mod-set-prompt (or (minibuffer-prompt) "")))

(defun efrit-mcp-prompt--note-exit ()
  "Tell the thread that a minibuffer closes."
  (efrit-mcp--mod-set-prompt nil))

(defun efrit-mcp-prompt--text (frame)
  "Return the question that FRAME, (FUNCTION . ARGUMENTS), asks."
  (let ((first (cadr frame)))
    (cond ((stringp first) first)
          ((eq (car frame) 'call-interactively)
           (format "the command `%s' asks for its arguments" (if (symbolp first) first "of a lambda")))
          ((functionp first) (format "%s" (car frame)))
          (t ""))))

(defun efrit-mcp-prompt-from-frames (frames)
  "Return what was asked as an alist, from FRAMES, a backtrace, innermost first."
  (let (found)
    (dolist (frame frames)
      (when (memq (car frame) efrit-mcp-prompt--askers)
        ;; The outermost asker says it best, but a command that merely runs is not one.
        (unless (and found (eq (car frame) 'call-interactively))
          (setq found frame))))
    `((kind . ,(symbol-name (or (car found) 'unknown)))
      (text . ,(if found (substring-no-properties (efrit-mcp-prompt--text found)) "")))))

(provide 'efrit-mcp-prompt)
;;; efrit-mcp-prompt.el ends here
