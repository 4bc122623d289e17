;;; efrit-mcp.el --- Let AI agents run commands in the live editor  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;; Author: the efrit-mcp authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, processes, comm
;; URL: https://github.com/efrit-mcp/efrit-mcp

;; This file is not part of GNU Emacs.

;; This program is free software; you can redistribute it and/or modify
;; it under the terms of the GNU General Public License as published by
;; the Free Software Foundation, either version 3 of the License, or
;; (at your option) any later version.

;; This program is distributed in the hope that it will be useful,
;; but WITHOUT ANY WARRANTY; without even the implied warranty of
;; MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
;; GNU General Public License for more details.

;; You should have received a copy of the GNU General Public License
;; along with this program.  If not, see <https://www.gnu.org/licenses/>.

;;; Commentary:

;; (require 'efrit-mcp) and M-x efrit-mcp-mode: agents that start efrit-bridge as
;; their MCP server evaluate Lisp in this Emacs, see what happened, and cannot get
;; stuck: a thread of a native module answers while Lisp is busy and stops a form
;; that runs away.

;;; Code:

(require 'efrit-mcp-native)
(require 'efrit-mcp-server)
(require 'efrit-mcp-tools-efrit)
(require 'efrit-mcp-tools-emacs)
(require 'efrit-mcp-review)
(require 'efrit-mcp-activity)
(require 'efrit-mcp-allow)
(require 'easymenu)
(require 'efrit-mcp-secrets)

(declare-function efrit-mcp--mod-path "efrit-mcp-module")
(declare-function efrit-mcp--mod-log "efrit-mcp-module")
(declare-function efrit-mcp--mod-status "efrit-mcp-module")
(declare-function efrit-mcp--mod-parse "efrit-mcp-module")
(declare-function efrit-mcp--mod-interrupt "efrit-mcp-module")
(declare-function efrit-mcp--mod-pause "efrit-mcp-module")

(autoload 'efrit-mcp-doctor "efrit-mcp-doctor" "Test the whole path, and say how to mend what fails." t)
(autoload 'efrit-mcp-list-instances "efrit-mcp-instances" "List the Emacsen that the gateway knows: their state, and how it keeps them." t)
(autoload 'efrit-mcp-http-start "efrit-mcp-http" "Start the gateway, so that agents reach your Emacsen over HTTP." t)
(autoload 'efrit-mcp-http-stop "efrit-mcp-http" "End the gateway, whoever started it." t)
(autoload 'efrit-mcp-http-copy-token "efrit-mcp-http" "Copy the token that HTTP requests need; it is shown nowhere." t)

(defconst efrit-mcp-version "0.1.0"
  "Version of efrit-mcp; the module's must be the same.")

(defgroup efrit-mcp nil
  "AI agents in this Emacs."
  :group 'tools :prefix "efrit-mcp-")
(custom-add-load 'efrit-mcp 'efrit-mcp-http) ; whose settings are seen before it is used

(defcustom efrit-mcp-instance nil
  "Name under which agents find this Emacs.
nil: the daemon's name, else \"default\".  1 to 48 of A-Z a-z 0-9 . _ -;
a name a living Emacs has already gets a number."
  :type '(choice (const :tag "The daemon's name" nil) string))

(defcustom efrit-mcp-queue-max 1000
  "Jobs that may wait in this Emacs; more are refused at once."
  :type 'natnum)

(defcustom efrit-mcp-client-queue-max 100
  "Jobs of one bridge that may wait in this Emacs; more are refused at once."
  :type 'natnum)

(defcustom efrit-mcp-heartbeat 5
  "Seconds between looks whether Emacs answers, while a bridge is connected."
  :type 'natnum)

(defcustom efrit-mcp-typing-pause 0
  "Seconds after your last key before agents' calls run; 0: at once.
Calls of priority interactive do not wait, and none waits longer than
`efrit-mcp-typing-most'."
  :type 'number)

(defcustom efrit-mcp-typing-most 5
  "Seconds that agents' calls wait at most because you type on and on."
  :type 'number)

(defcustom efrit-mcp-max-chars 40000
  "Characters of a value or of output an answer holds unless it asks for more."
  :type 'natnum)

(defcustom efrit-mcp-events-max 200000
  "Characters the buffer *efrit-mcp-events* keeps."
  :type 'natnum)

(defcustom efrit-mcp-gc-threshold (* 8 1024 1024)
  "Bytes of garbage after which Emacs collects while calls come in a row.
It takes the place of a lower `gc-cons-threshold' from an agent's call until
a second after the last one; 0 leaves that alone."
  :type 'natnum)

(defvar efrit-mcp-stop-all-hook nil
  "Functions called when the person stops all agents.")

(defvar efrit-mcp--stopped nil
  "Non-nil after `efrit-mcp-stop-all': agents may run nothing.")

;;; The events buffer

(defvar efrit-mcp--events nil
  "Text for the events buffer from servers that have ended, newest first.")

(defun efrit-mcp--keep-events (text)
  "Keep TEXT for the events buffer."
  (push text efrit-mcp--events))

(defun efrit-mcp--write-events ()
  "Put what happened into the events buffer; return the buffer."
  (let ((buffer (get-buffer-create "*efrit-mcp-events*")))
    (when efrit-mcp-server-instance
      (push (or (efrit-mcp-server-events) "") efrit-mcp--events))
    (with-current-buffer buffer
      (unless (derived-mode-p 'special-mode) (special-mode))
      (let ((inhibit-read-only t) (at-end (eobp)))
        (save-excursion
          (goto-char (point-max))
          (mapc #'insert (nreverse efrit-mcp--events))
          (when (> (buffer-size) efrit-mcp-events-max)
            (delete-region (point-min) (- (point-max) efrit-mcp-events-max))))
        (when at-end (goto-char (point-max)))))
    (setq efrit-mcp--events nil)
    buffer))

(defun efrit-mcp--drained ()
  "Jobs were run, or nobody waits for one any more: put away, and show.
What the person looks at is kept up to date."
  (when efrit-mcp-later--all (efrit-mcp-later-tidy))
  (efrit-mcp-activity-refresh)
  (when (get-buffer-window "*efrit-mcp-events*" t)
    (efrit-mcp--write-events)))

;;;###autoload
(defun efrit-mcp-events ()
  "Show what agents did in this Emacs."
  (interactive)
  (pop-to-buffer (efrit-mcp--write-events)))

;;; The sign in the mode line

(defface efrit-mcp-active '((t :inherit warning))
  "Face of the mode-line sign while an agent is at work.")

(defface efrit-mcp-stopped '((t :inherit error))
  "Face of the mode-line sign while agents are stopped.")

(defconst efrit-mcp--active-seconds 3
  "Seconds the mode line shows an agent after its last call.")

(defvar efrit-mcp--active nil
  "Name of the client that ran something lately, or nil.")

(defvar efrit-mcp--active-timer nil
  "Timer that takes the client's name out of the mode line.")

(defvar efrit-mcp--sign " Efrit"
  "The sign of `efrit-mcp-mode' in the mode line.
A value, no form: nothing of ours runs in redisplay.")
(put 'efrit-mcp--sign 'risky-local-variable t) ; else its face is left out

(defun efrit-mcp--update-sign ()
  "Have the mode line show what agents do."
  (setq efrit-mcp--sign
        (cond (efrit-mcp--stopped
               (propertize " Efrit:stopped" 'face 'efrit-mcp-stopped
                           'help-echo "Agents are stopped; M-x efrit-mcp-resume lets them go on"))
              (efrit-mcp--active
               (propertize (concat " Efrit:" (truncate-string-to-width efrit-mcp--active 16))
                           'face 'efrit-mcp-active
                           'help-echo "An agent is at work; M-x efrit-mcp-events shows what it did"))
              (t " Efrit")))
  (force-mode-line-update t))

(defvar efrit-mcp--active-again nil
  "Non-nil: something ran since the timer looked last.")

(defun efrit-mcp--calm ()
  "See whether nobody ran anything for a while."
  (setq efrit-mcp--active-timer nil)
  (if efrit-mcp--active-again
      (efrit-mcp--watch-active)
    (setq efrit-mcp--active nil)
    (efrit-mcp--update-sign)))

(defun efrit-mcp--watch-active ()
  "Look after a while whether somebody still runs something."
  (setq efrit-mcp--active-again nil
        efrit-mcp--active-timer (run-with-timer efrit-mcp--active-seconds nil #'efrit-mcp--calm)))

(defun efrit-mcp--show-active (client)
  "Show that CLIENT ran something."
  (unless noninteractive
    (setq efrit-mcp--active-again t)
    (unless efrit-mcp--active-timer (efrit-mcp--watch-active))
    (unless (eq efrit-mcp--active client)
      (setq efrit-mcp--active client)
      (efrit-mcp--update-sign))))

;;; The mode

(defun efrit-mcp--name ()
  "Return the name this Emacs wants."
  (or efrit-mcp-instance
      (let ((daemon (daemonp)))
        (and (stringp daemon)
             (not (string-match-p "/" daemon))
             (not (equal daemon ""))
             daemon))
      "default"))

(defun efrit-mcp--whole ()
  "Signal an `efrit-mcp-error' if Lisp of ours has been unloaded."
  (let ((gone (seq-remove #'featurep (get 'efrit-mcp-mode 'efrit-mcp-features))))
    (when gone
      (signal 'efrit-mcp-error
              (list (format "%s has been unloaded, and what is built on it is not whole: restart Emacs" (car gone)))))))

(defun efrit-mcp--start ()
  "Load the module and serve; return the name."
  (efrit-mcp-native-load efrit-mcp-version)
  (setq efrit-mcp-server-log-function #'efrit-mcp--keep-events
        efrit-mcp-server-drained-function #'efrit-mcp--drained
        efrit-mcp-server-observe-function #'efrit-mcp-observe-end
        efrit-mcp-server-active-function #'efrit-mcp--show-active
        efrit-mcp-server-ran-function #'efrit-mcp-activity-note
        efrit-mcp-later-answered-function #'efrit-mcp-activity-answered
        efrit-mcp-tool-gate-function #'efrit-mcp-allow-gate)
  (efrit-mcp-server-start (efrit-mcp--name)))

(defvar efrit-mcp-mode-map (make-sparse-keymap)
  "Keymap of `efrit-mcp-mode': its menu, also under its sign in the mode line.")

(easy-menu-define efrit-mcp-menu efrit-mcp-mode-map
  "Menu of `efrit-mcp-mode', in the menu bar and under its sign."
  '("Efrit"
    ["What agents did" efrit-mcp-activity]
    ["Log" efrit-mcp-events]
    ["Answer a question" efrit-mcp-answer :active efrit-mcp-query--all]
    ["Review a change" efrit-mcp-review-visit :active (efrit-mcp-review-waiting)]
    "--"
    ["Stop what runs" efrit-mcp-interrupt]
    ["Stop all agents" efrit-mcp-stop-all :active (not efrit-mcp--stopped)]
    ["Let agents go on" efrit-mcp-resume :active efrit-mcp--stopped]
    "--"
    ["State" efrit-mcp-status]
    ["Doctor" efrit-mcp-doctor]
    ["Settings" (customize-group 'efrit-mcp)]))

;;;###autoload
(define-minor-mode efrit-mcp-mode
  "Let AI agents run commands in this Emacs.
They find it by `efrit-mcp-instance' in the folder efrit of $XDG_RUNTIME_DIR;
nobody but you can connect.  `efrit-mcp-events' shows what they did, and
`efrit-mcp-interrupt' or \\[keyboard-quit] stops what they run."
  :global t
  :group 'efrit-mcp
  :lighter efrit-mcp--sign
  (if (not efrit-mcp-mode)
      (progn (efrit-mcp-observe-stop)
             (efrit-mcp-server-stop))
    (unless (bound-and-true-p efrit-mcp-server-instance)
      (condition-case err
          (let ((name (progn (efrit-mcp--whole) (efrit-mcp--start))))
            (efrit-mcp--mod-log (format "serving as %s at %s" name (efrit-mcp--mod-path)))
            (unless noninteractive
              (message "efrit-mcp: agents find this Emacs as %s" name)))
        (error
         (setq efrit-mcp-mode nil)
         (if (eq (car err) 'efrit-mcp-error)
             (user-error "efrit-mcp: %s" (cadr err))
           (signal (car err) (cdr err))))))))

;;;###autoload
(defun efrit-mcp-serve ()
  "Serve agents from `emacs --batch' or a daemon.
In batch this does not return before the server is stopped; elsewhere it is
`efrit-mcp-mode'."
  (condition-case err
      (efrit-mcp-mode 1)
    (error
     (unless noninteractive (signal (car err) (cdr err)))
     (message "%s" (error-message-string err))
     (kill-emacs 1)))
  (when noninteractive
    (message "efrit-mcp: serving as %s at %s" efrit-mcp-server-instance (efrit-mcp--mod-path))
    (while efrit-mcp-server-instance
      (condition-case err
          (accept-process-output nil 3600)
        (quit nil)
        (error (message "efrit-mcp: %s" (error-message-string err)))))))

;;;###autoload
(defun efrit-mcp-interrupt ()
  "Stop what an agent runs in this Emacs now."
  (interactive)
  (unless (and efrit-mcp-server-instance (efrit-mcp--mod-interrupt))
    (message "efrit-mcp: nothing of an agent runs")))

;;;###autoload
(defun efrit-mcp-stop-all ()
  "Stop what agents run in this Emacs, and refuse what they ask from now on.
`efrit-mcp-resume' lets them go on.  They are told that you stopped them."
  (interactive)
  (unless efrit-mcp-server-instance
    (user-error "The efrit-mcp server does not run"))
  (setq efrit-mcp--stopped t)
  (efrit-mcp--mod-pause t)
  (efrit-mcp--mod-interrupt)
  (run-hooks 'efrit-mcp-stop-all-hook)
  (efrit-mcp--mod-log "the person stopped all agents")
  (efrit-mcp--update-sign)
  (message "Agents are stopped; M-x efrit-mcp-resume lets them go on"))

;;;###autoload
(defun efrit-mcp-resume ()
  "Let agents go on after `efrit-mcp-stop-all'."
  (interactive)
  (when efrit-mcp-server-instance (efrit-mcp--mod-pause nil))
  (setq efrit-mcp--stopped nil)
  (when efrit-mcp-server-instance (efrit-mcp--mod-log "the person lets agents go on"))
  (efrit-mcp--update-sign)
  (message "Agents may go on"))

;;;###autoload
(defun efrit-mcp-status ()
  "Show what the server thread says of this Emacs."
  (interactive)
  (unless efrit-mcp-server-instance
    (user-error "The efrit-mcp server does not run; M-x efrit-mcp-mode starts it"))
  (let ((state (efrit-mcp--mod-parse (efrit-mcp--mod-status))))
    (message "efrit-mcp %s: %s waiting, %s bridges, %s done, %s failed, %s stopped"
             (cdr (assoc "instance" state)) (cdr (assoc "waiting" state)) (cdr (assoc "peers" state))
             (cdr (assoc "done" (cdr (assoc "counts" state))))
             (cdr (assoc "failed" (cdr (assoc "counts" state))))
             (cdr (assoc "stopped" (cdr (assoc "counts" state)))))))

(provide 'efrit-mcp)
;;; efrit-mcp.el ends here
