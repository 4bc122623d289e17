;;; efrit-mcp-values.el --- Values of variables that agents' tools do not show  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Variables hold the person's kills, keys and credentials too.  These are known by
;; their names; and what they hold is left out where another variable holds it.

;;; Code:

(require 'efrit-mcp-print)
(require 'seq)

(defcustom efrit-mcp-secret-variables
  '(;; what opens something
    "passw" "passphrase" "passcode" "secret" "credential" "cookie" "bearer" "keyring" "api-?key" "access-?key" "private-?key"
    "\\(\\`\\|[-_:/.]\\)tokens?\\(\\'\\|[-_:/.]\\)" "\\(\\`\\|[-_:/.]\\)auth\\(-\\(sources?\\|info\\)\\|info\\)?\\(\\'\\|[-_:/.]\\)" "authinfo" "oauth"
    "\\`plstore" "extra-headers\\'" "connection-alist\\'" "account"
    ;; the environment, and what was given to the program
    "environment\\'" "\\`command-line" "\\`process-env"
    ;; what was killed, typed, evaluated, changed
    "kill-ring" "killed" "saved-region" "\\`isearch-\\(string\\|message\\)" "incomplete-input" "\\`bookmark-alist" "undo-tree" "\\`mail-sources" "\\(search\\|kmacro\\|input\\)-ring" "\\`register-" "clipboard" "selected-text" "selection-\\(alist\\|value\\)" "histor\\(y\\|ies\\)"
    "\\`values\\'" "undo-list" "kbd-macro\\|keyboard-macro\\|\\`kmacro" "\\`\\(last-\\|unread-\\|this-\\)" "recent-keys" "replace-defaults" "\\`insert-ring"
    "\\`efrit-mcp-change--" "\\`efrit-mcp-activity--" "\\`efrit-mcp-tool-" "\\`efrit-mcp-client" "\\`desktop-" "minibuffer-default")
  "Regexps of the names of variables whose values agents' tools do not show.
This is no sandbox: an agent that may evaluate Lisp sees any value."
  :type '(repeat regexp) :group 'efrit-mcp)

(defcustom efrit-mcp-secret-environment
  "pass\\|secret\\|token\\|credential\\|api_?key\\|access_?key\\|private\\|auth\\|cookie\\|bearer\\|_key\\'\\|_pat\\'\\|dsn\\'\\|_ur[il]\\'"
  "Regexp of the names of variables of the environment that hold secrets.
What these hold is left out of values that are shown."
  :type 'regexp :group 'efrit-mcp)

(defconst efrit-mcp-values--least 6 "Characters of a secret that is looked for in other values.")

(defun efrit-mcp-secret-variable-p (symbol)
  "Return non-nil if the value of the variable SYMBOL is not for agents.
Its aliases and what it is an alias of count too."
  (let ((case-fold-search t) (names (list (symbol-name symbol) (symbol-name (indirect-variable symbol)))))
    (seq-some (lambda (re) (seq-some (lambda (name) (string-match-p re name)) names)) efrit-mcp-secret-variables)))

(defun efrit-mcp-values--secrets ()
  "Return the texts that no shown value holds."
  (let ((case-fold-search t))
    (seq-filter (lambda (text) (and (stringp text) (>= (length text) efrit-mcp-values--least)))
                (append (delq nil (mapcar (lambda (entry)
                                            (and (string-match "\\`\\([^=]+\\)=" entry)
                                                 (let ((value (substring entry (match-end 0))))
                                                   (and (string-match-p efrit-mcp-secret-environment (match-string 1 entry)) value))))
                                          (append process-environment initial-environment)))
                        (mapcar (lambda (text) (and (stringp text) (substring-no-properties text))) kill-ring)))))

(defconst efrit-mcp-values--shapes
  (let ((string "\"\\(?:[^\"\\]\\|\\\\.\\)*\\(?:\"\\|\\'\\)"))
    (list
     ;; what stands beside a name that says so, in a list, a table, what is closed over
     (concat "[a-z0-9_]*\\(?:passw\\|passphrase\\|secret\\|token\\|credential\\|cookie\\|bearer\\|authorization\\|\\(?:api\\|access\\|private\\)[-_]?key\\|:key\\)"
             "[a-z0-9_-]*\"?[ \n]+\\(?:\\.[ \n]+\\)?[(\\['#]*\\(" string "\\)")
     "://\\([^/@ \"\n]+:[^/@ \"\n]+\\)@"
     "\\(?:bearer\\|basic\\|token\\) +\\([a-z0-9._~+/=-]\\{8,\\}\\)"
     ;; tokens that are known by how they begin
     "\\b\\(\\(?:sk\\|pk\\|rk\\|xox[abeprs]\\|glpat\\|gh[opsur]\\|github_pat\\|hf\\|npm\\|pypi\\)[-_][a-z0-9_-]\\{16,\\}\\|AKIA[0-9A-Z]\\{16\\}\\|AIza[a-z0-9_-]\\{30,\\}\\|eyJ[a-z0-9_-]+\\.[a-z0-9_-]+\\.[a-z0-9_-]*\\)"
     "-----BEGIN [A-Z ]*PRIVATE KEY-----\\([^-]*\\)"))
  "Regexps of what holds a secret by its looks; the first group is that.")

(defun efrit-mcp-values--hide-shapes (text)
  "Return TEXT, printed Lisp, without what looks like a secret."
  (let ((case-fold-search t))
    (dolist (re efrit-mcp-values--shapes)
      (let ((at 0))
        (while (string-match re text at)
          (setq at (+ (match-beginning 1) (length "(hidden)"))
                text (replace-match "(hidden)" t t text 1)))))
    text))

(defun efrit-mcp-values-clean (text)
  "Return TEXT, printed Lisp, without the secrets that are known."
  (dolist (secret (efrit-mcp-values--secrets))
    (let ((printed (let ((print-escape-newlines nil)) (substring (prin1-to-string secret) 1 -1))))
      (when (string-search printed text)
        (setq text (string-replace printed "(hidden)" text)))))
  (efrit-mcp-values--hide-shapes text))

(defun efrit-mcp-values-show (symbol value max)
  "Return VALUE of the variable SYMBOL printed, MAX characters of it.
One that is not for agents is left out, but for nil, t and the number of a
setting, which say nothing."
  (cond ((and (not (memq value '(nil t))) (not (and (numberp value) (custom-variable-p symbol))) (efrit-mcp-secret-variable-p symbol))
         "(not for agents: efrit-mcp-secret-variables)")
        ;; Typed text is in the one, closed-over values are in the other.
        ((keymapp value) "(a keymap: kind key says what a key runs)")
        ((and (functionp value) (not (symbolp value))) "(a function without a name)")
        ;; Cleaned before it is cut: half a secret is one.
        (t (let ((text (efrit-mcp-values-clean (car (efrit-mcp-print value (* 4 max))))))
             (if (> (length text) max) (concat (substring text 0 max) "...") text)))))

(provide 'efrit-mcp-values)
;;; efrit-mcp-values.el ends here
