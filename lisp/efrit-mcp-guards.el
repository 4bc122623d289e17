;;; efrit-mcp-guards.el --- What stands around Emacs's functions while it serves  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; While this Emacs serves, our advice, hooks and variable watchers keep jobs from asking
;; the person.  Whoever takes them away, a job or the person, finds them back before the
;; next job.  It is looked before each one, and so costs no more than to compare.
;;
;; Lisp of ours that is unloaded while it serves would leave the doorbell without its
;; functions: first the server is stopped.

;;; Code:

(require 'efrit-mcp-native)
(require 'efrit-mcp-client)
(require 'efrit-mcp-debugger)
(require 'efrit-mcp-limits)
(require 'efrit-mcp-prompt)
(require 'efrit-mcp-recover)
(require 'efrit-mcp-userlock)

(declare-function efrit-mcp--mod-log "efrit-mcp-module")
(declare-function efrit-mcp-mode "efrit-mcp")
(declare-function efrit-mcp-server-announce "efrit-mcp-server")
(declare-function efrit-mcp-server--goodbye "efrit-mcp-server")
(declare-function efrit-mcp-server-stop "efrit-mcp-server")

(defvar efrit-mcp-server--busy)
(defvar efrit-mcp-server--signal)
(defvar efrit-mcp-server-instance)

(defvar efrit-mcp-guards--advised nil
  "Functions with advice of ours, as (FUNCTION . DEFINITION).")

(defconst efrit-mcp-guards--hooks
  '((pre-command-hook . efrit-mcp-recover) (post-command-hook . efrit-mcp-recover)
    (minibuffer-setup-hook . efrit-mcp-prompt--note) (minibuffer-exit-hook . efrit-mcp-prompt--note-exit)
    (after-load-functions . efrit-mcp-debugger--loaded)
    (efrit-mcp-tool-changed-hook . efrit-mcp-server-announce)
    (kill-emacs-hook . efrit-mcp-server--goodbye))
  "Hooks, and the function of ours in each.")

;;; Installed and taken away

(defun efrit-mcp-guards--install ()
  "Install whatever is not there."
  (efrit-mcp-prompt-guard)
  (efrit-mcp-debugger-guard)
  (efrit-mcp-limits-guard)
  (efrit-mcp-recover-watch)
  (efrit-mcp-userlock-guard)
  (efrit-mcp-client-listen)
  (add-hook 'efrit-mcp-tool-changed-hook #'efrit-mcp-server-announce)
  (add-hook 'kill-emacs-hook #'efrit-mcp-server--goodbye))

(defun efrit-mcp-guards--ours-p (function)
  "Return non-nil if FUNCTION has advice of ours."
  (let ((ours nil))
    (when (advice--p (advice--symbol-function function))
      (advice-mapc (lambda (advice _properties)
                     (when (and (symbolp advice) (string-prefix-p "efrit-mcp-" (symbol-name advice)))
                       (setq ours t)))
                   function))
    ours))

(defun efrit-mcp-guards--note ()
  "Remember which functions have advice of ours."
  (setq efrit-mcp-guards--advised nil)
  (mapatoms (lambda (symbol)
              (when (efrit-mcp-guards--ours-p symbol)
                (push (cons symbol (symbol-function symbol)) efrit-mcp-guards--advised)))))

(defun efrit-mcp-guards-install ()
  "Install all from now on."
  (efrit-mcp-guards--install)
  (efrit-mcp-guards--note)
  (efrit-mcp-guards--watch-features)
  (add-hook 'after-load-functions #'efrit-mcp-guards--watch-features))

(defun efrit-mcp-guards-remove ()
  "Take all away."
  (setq efrit-mcp-guards--advised nil)
  (remove-hook 'after-load-functions #'efrit-mcp-guards--watch-features)
  (remove-hook 'efrit-mcp-tool-changed-hook #'efrit-mcp-server-announce)
  (remove-hook 'kill-emacs-hook #'efrit-mcp-server--goodbye)
  (efrit-mcp-prompt-unguard)
  (efrit-mcp-debugger-unguard)
  (efrit-mcp-limits-unguard)
  (efrit-mcp-recover-unwatch)
  (efrit-mcp-userlock-unguard)
  (efrit-mcp-client-deafen))

;;; Looked at before each job

(defun efrit-mcp-guards--advice-p ()
  "Return non-nil if no advice of ours is gone."
  (let ((rest efrit-mcp-guards--advised) (pair nil))
    (while (and (setq pair (car rest))
                (or (eq (symbol-function (car pair)) (cdr pair))
                    (and (efrit-mcp-guards--ours-p (car pair)) ; somebody else's has come or gone
                         (setcdr pair (symbol-function (car pair))))))
      (setq rest (cdr rest)))
    (null rest)))

(defun efrit-mcp-guards--hooks-p ()
  "Return non-nil if no function of ours is gone from a hook."
  (let ((rest efrit-mcp-guards--hooks) (value nil))
    (while (and rest (consp (setq value (default-value (caar rest)))) (memq (cdar rest) value))
      (setq rest (cdr rest)))
    (null rest)))

(defun efrit-mcp-guards--watched-p ()
  "Return non-nil if no variable watcher of ours is gone, nor the second doorbell."
  (let ((rest efrit-mcp-prompt--watched))
    (while (and rest (memq #'efrit-mcp-prompt--watch (get-variable-watchers (car rest))))
      (setq rest (cdr rest)))
    (and (null rest)
         ;; A command of the person's stays.
         (not (memq (cdr (assq efrit-mcp-server--signal (cdr special-event-map))) '(nil ignore))))))

(defun efrit-mcp-guards-mend ()
  "Install again what somebody has taken away.
Nothing that this meets keeps the job from being run."
  (condition-case err
      (unless (ignore-errors ; a hook may be void
                (and (efrit-mcp-guards--advice-p) (efrit-mcp-guards--hooks-p) (efrit-mcp-guards--watched-p)))
        (efrit-mcp-guards--install)
        (efrit-mcp-guards--note)
        (efrit-mcp--mod-log "advice, a hook or a watcher of efrit-mcp had been taken away; it is there again"))
    (error (efrit-mcp--mod-log (format "advice, hooks and watchers of efrit-mcp cannot be looked at: %S" err)))))

;;; Unloading

(defun efrit-mcp-guards--unload ()
  "Stop serving: a feature of ours is to be unloaded.  In a job refuse."
  (when (bound-and-true-p efrit-mcp-server--busy)
    (signal 'efrit-mcp-error '("Lisp of efrit-mcp cannot be unloaded while a job runs: it runs the job")))
  (when (bound-and-true-p efrit-mcp-server-instance)
    (efrit-mcp-server-stop "Lisp of efrit-mcp is being unloaded in Emacs")
    (when (bound-and-true-p efrit-mcp-mode) (efrit-mcp-mode -1))
    (message "efrit-mcp: agents do not find this Emacs any more, for its Lisp is being unloaded"))
  nil) ; the rest is as ever

(defun efrit-mcp-guards--watch-features (&optional _file)
  "Have `unload-feature' ask us first, for each feature of ours.
The list outlives us: `efrit-mcp-mode' says then what is gone."
  (dolist (feature features)
    (unless (or (not (string-prefix-p "efrit-mcp" (symbol-name feature)))
                (memq feature (get 'efrit-mcp-mode 'efrit-mcp-features)))
      (push feature (get 'efrit-mcp-mode 'efrit-mcp-features))
      ;; The function itself: its name may be unloaded before.
      (fset (intern (format "%s-unload-function" feature)) (symbol-function 'efrit-mcp-guards--unload)))))

(provide 'efrit-mcp-guards)
;;; efrit-mcp-guards.el ends here
