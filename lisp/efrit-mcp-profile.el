;;; efrit-mcp-profile.el --- Which tools agents have, and in which order  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A profile is a set of tools.  Agents are listed the tools of this Emacs's profile,
;; in a fixed order, and a call of a tool that is not in the client's is refused.
;; A pack is a family of tools that the person adds to it, or not.

;;; Code:

(require 'efrit-mcp-tool)
(require 'seq)

(defcustom efrit-mcp-profile 'default
  "Which tools agents have in this Emacs.
look: those that only read.  elisp: what work on Lisp needs.  default:
all but the optional packs.  full: all.  Those of `efrit-mcp-packs' are in
all three, and in look where they only read.  A function is called with the
name of a client, a string, and returns one of these; nil in place of the
name stands for any client, when the tools are listed."
  :type '(choice (const look) (const elisp) (const default) (const full) function)
  :set (lambda (symbol value)
         (set-default symbol value)
         (run-hooks 'efrit-mcp-tool-changed-hook))
  :group 'efrit-mcp)

(defconst efrit-mcp-profile--packs
  '((org . efrit-mcp-tools-org) (vc . efrit-mcp-tools-vc) (debug . efrit-mcp-tools-debug))
  "The packs of tools there are, and the feature that is each.")

(defvar efrit-mcp-packs-hook nil
  "Functions called with the packs, a list of symbols, when these are others.")

(defun efrit-mcp-profile--set-packs (symbol value)
  "Set SYMBOL, `efrit-mcp-packs', to VALUE; load what is in it, tell the agents."
  (set-default symbol value)
  (dolist (pack value)
    (let ((feature (alist-get pack efrit-mcp-profile--packs)))
      (condition-case err
          (if feature
              (let ((efrit-mcp-tool-changed-hook nil)) ; told once, when all are there
                (require feature))
            (error "There is none of that name; there are %s"
                   (mapconcat (lambda (p) (symbol-name (car p))) efrit-mcp-profile--packs ", ")))
        (error (display-warning 'efrit-mcp (format "efrit-mcp-packs: %s: %s" pack (error-message-string err)))))))
  (run-hook-with-args 'efrit-mcp-packs-hook value)
  (run-hooks 'efrit-mcp-tool-changed-hook))

(defcustom efrit-mcp-packs nil
  "Which optional packs of tools agents have besides, a list.
org: headings of Org files.  vc: what Git knows, and commits.  debug:
traces, errors, profiles of this Emacs.  Set it before efrit-mcp is
loaded, or by customizing it, so that the pack is loaded."
  :type '(set (const org) (const vc) (const debug))
  :initialize #'custom-initialize-default ; its files need this one: see the end
  :set #'efrit-mcp-profile--set-packs
  :group 'efrit-mcp)

(defconst efrit-mcp-profile--order
  '("emacs_look" "emacs_read" "emacs_search" "emacs_edit" "emacs_undo" "emacs_file" "emacs_command" "emacs_keys"
    "emacs_prompt" "emacs_window" "emacs_screenshot" "emacs_symbols" "emacs_lsp" "emacs_diagnostics" "emacs_project"
    "emacs_describe" "emacs_check" "emacs_run" "emacs_job" "emacs_ask_user"
    "emacs_org" "emacs_vc" "emacs_vc_commit" "emacs_debug")
  "The emacs_* tools in the order they are listed, after those of before.")

(defconst efrit-mcp-profile--elisp
  '("emacs_look" "emacs_read" "emacs_search" "emacs_edit" "emacs_undo" "emacs_file" "emacs_command" "emacs_prompt"
    "emacs_symbols" "emacs_diagnostics" "emacs_project" "emacs_describe" "emacs_check" "emacs_job" "emacs_run")
  "The emacs_* tools of the profile elisp; the efrit_* tools are in it too.")

(defun efrit-mcp-profile (client)
  "Return the profile of CLIENT, a name, or of any for nil."
  (if (functionp efrit-mcp-profile)
      (condition-case err
          (or (funcall efrit-mcp-profile client) 'default)
        (error (message "efrit-mcp-profile: %s" (error-message-string err))
               'look))
    efrit-mcp-profile))

(defun efrit-mcp-profile-has-p (profile tool)
  "Return non-nil if TOOL, a plist, is in PROFILE, a symbol."
  (let* ((name (plist-get tool :name)) (options (plist-get tool :options))
         (pack (plist-get options :pack)) (wanted (memq pack efrit-mcp-packs)))
    (and (or wanted (not (assq pack efrit-mcp-profile--packs)))
         (pcase profile
           ('look (plist-get options :read-only))
           ('elisp (or wanted (not (string-prefix-p "emacs_" name)) (member name efrit-mcp-profile--elisp)))
           ('full t)
           (_ (or wanted (not pack)))))))

(defun efrit-mcp-profile--listed (tools)
  "Return those of TOOLS that are listed, in their order."
  (let* ((profile (if (functionp efrit-mcp-profile) 'full (efrit-mcp-profile nil)))
         (shown (seq-filter (lambda (tool) (efrit-mcp-profile-has-p profile tool)) tools))
         (placed (delq nil (mapcar (lambda (name) (seq-find (lambda (tool) (equal (plist-get tool :name) name)) shown))
                                   efrit-mcp-profile--order)))
         (efrit (seq-filter (lambda (tool) (string-prefix-p "efrit_" (plist-get tool :name))) shown)))
    (append efrit placed (seq-remove (lambda (tool) (or (memq tool placed) (memq tool efrit))) shown))))

(defun efrit-mcp-profile--refuses (tool)
  "Return why TOOL may not be called by the client of the job that runs, or nil."
  (let ((profile (efrit-mcp-profile efrit-mcp-tool-client)))
    (unless (efrit-mcp-profile-has-p profile tool)
      (format (if (assq (plist-get (plist-get tool :options) :pack) efrit-mcp-profile--packs)
                  "%s is not in the profile %s, or its pack was turned off, that this Emacs gives %s (efrit-mcp-profile, efrit-mcp-packs)"
                "%s is not in the profile %s that this Emacs gives %s (efrit-mcp-profile)")
              (plist-get tool :name) profile
              (or efrit-mcp-tool-client "its clients")))))

(defun efrit-mcp-profile--names (tool)
  "Return the names of the profiles that TOOL, a plist, is in, without full.
The bridge, too, may give its clients less than all."
  (mapcar #'symbol-name (seq-filter (lambda (profile) (efrit-mcp-profile-has-p profile tool)) '(look elisp default))))

(setq efrit-mcp-tool-list-function #'efrit-mcp-profile--listed
      efrit-mcp-tool-profiles-function #'efrit-mcp-profile--names
      efrit-mcp-tool-refuse-function #'efrit-mcp-profile--refuses)

(provide 'efrit-mcp-profile)
(when efrit-mcp-packs (efrit-mcp-profile--set-packs 'efrit-mcp-packs efrit-mcp-packs))
;;; efrit-mcp-profile.el ends here
