;;; efrit-mcp-distrust.el --- What a folder brings along is not obeyed  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A folder may name programs: in .git/config and .gitattributes, in .dir-locals.el and
;; the variables of a file, by a program of the folder that stands first in PATH.  Tools
;; that read run within `efrit-mcp-distrusting', whatever they call, so Git runs nothing
;; but itself, also where Emacs runs it behind their back, and nothing of a folder is
;; evaluated.  What an acting tool runs is as the person would run it.

;;; Code:

(require 'seq)
(require 'subr-x)
(require 'efrit-mcp-secrets)
(eval-when-compile (require 'cl-lib))

(declare-function vc-refresh-state "vc-hooks")

(defvar help-enable-autoload)
(defvar help-enable-completion-autoload)
(defvar semantic-symref-tool)
(defvar efrit-mcp-remote-files)

;; All that Git runs by a setting is listed here.  `false' fails where an empty value would
;; be the name of a program.
(defconst efrit-mcp-distrust--settings
  '(("core.fsmonitor" . "false") ("core.hooksPath" . "/dev/null") ("core.pager" . "cat") ("core.editor" . ":") ("sequence.editor" . ":")
    ("core.sshCommand" . "false") ("core.askPass" . "") ("core.alternateRefsCommand" . ":") ("core.quotePath" . "false")
    ("diff.external" . "false") ("diff.ignoreSubmodules" . "dirty") ("submodule.recurse" . "false") ("status.submoduleSummary" . "false")
    ("diff.submodule" . "short") ("credential.helper" . "") ("protocol.allow" . "never") ("protocol.ext.allow" . "never")
    ("gpg.program" . "false") ("gpg.openpgp.program" . "false") ("gpg.x509.program" . "false") ("gpg.ssh.program" . "false")
    ("log.showSignature" . "false") ("format.pretty" . "medium") ("blame.ignoreRevsFile" . "") ("mailmap.file" . "") ("mailmap.blob" . "") ("core.attributesFile" . "/dev/null")
    ("uploadpack.packObjectsHook" . ":") ("safe.bareRepository" . "explicit") ("gc.auto" . "0") ("maintenance.auto" . "false")
    ("color.ui" . "false") ("diff.noprefix" . "false") ("diff.mnemonicPrefix" . "false") ("status.relativePaths" . "false"))
  "Settings of Git in the place of a repository's, whatever those are.")

(defconst efrit-mcp-distrust--unset
  '("GIT_EXTERNAL_DIFF" "GIT_SSH" "GIT_PROXY_COMMAND" "GIT_DIR" "GIT_WORK_TREE" "GIT_INDEX_FILE" "GIT_CONFIG" "GIT_CONFIG_PARAMETERS"
    "GIT_OBJECT_DIRECTORY" "GIT_ALTERNATE_OBJECT_DIRECTORIES" "GIT_EXEC_PATH" "GIT_TEMPLATE_DIR" "GIT_TRACE" "GIT_TRACE2"
    "GREP_OPTIONS" "RIPGREP_CONFIG_PATH")
  "Variables of the environment that lead Git and grep elsewhere.")

(defconst efrit-mcp-distrust--environment
  '("GIT_OPTIONAL_LOCKS=0" "GIT_TERMINAL_PROMPT=0" "GIT_ALLOW_PROTOCOL=none" "GIT_NO_LAZY_FETCH=1" "GIT_EDITOR=:" "GIT_SEQUENCE_EDITOR=:"
    "GIT_PAGER=cat" "PAGER=cat" "GIT_ASKPASS=" "SSH_ASKPASS=" "GIT_SSH_COMMAND=false" "LC_MESSAGES=C" "TERM=dumb"
    "HGPLAIN=1" "HGRCSKIPREPO=1") ; Mercurial would load extensions that the repository names
  "Variables of the environment of what a tool that reads runs.")

(defun efrit-mcp-distrust--as-environment (settings)
  "Return SETTINGS, an alist, as the environment in which Git finds them."
  (let ((n -1))
    (cons (format "GIT_CONFIG_COUNT=%d" (length settings))
          (seq-mapcat (lambda (setting)
                        (setq n (1+ n))
                        (list (format "GIT_CONFIG_KEY_%d=%s" n (car setting)) (format "GIT_CONFIG_VALUE_%d=%s" n (cdr setting))))
                      settings))))

(defun efrit-mcp-distrust--folders (folders)
  "Return those of FOLDERS that are absolute.
Others are in whatever folder one happens to be."
  (seq-filter (lambda (folder) (and (stringp folder) (file-name-absolute-p folder) (not (string-prefix-p "~" folder)))) folders))

(defun efrit-mcp-distrust--path ()
  "Return PATH=..., with absolute folders alone, or nil."
  (let ((path (getenv "PATH")))
    (and path (concat "PATH=" (string-join (efrit-mcp-distrust--folders (split-string path path-separator)) path-separator)))))

(defvar efrit-mcp-distrust--made nil
  "The environment that was made last: (FROM . MADE).")

(defun efrit-mcp-distrust-environment ()
  "Return `process-environment' for what a tool that reads runs.
Made once for what it is made of."
  (if (member (car efrit-mcp-distrust--environment) process-environment)
      process-environment ; it is one
    (unless (and efrit-mcp-distrust--made (equal (car efrit-mcp-distrust--made) process-environment))
      (setq efrit-mcp-distrust--made
            (cons (copy-sequence process-environment)
                  (append (efrit-mcp-distrust--as-environment efrit-mcp-distrust--settings)
                          efrit-mcp-distrust--environment
                          (delq nil (list (efrit-mcp-distrust--path)))
                          efrit-mcp-distrust--unset
                          process-environment))))
    (cdr efrit-mcp-distrust--made)))

(defun efrit-mcp-distrust-exec-path ()
  "Return the variable `exec-path' with absolute folders alone."
  (efrit-mcp-distrust--folders exec-path))

(defvar efrit-mcp-distrusts nil "Non-nil while a tool runs that only reads.")

(defmacro efrit-mcp-distrust--running (&rest body)
  "Run BODY with the environment and the variable `exec-path' for reading tools."
  (declare (indent 0) (debug t))
  (let ((here (make-symbol "here")))
    `(let ((,here (current-buffer)))
       (with-current-buffer (get-buffer-create " *efrit-mcp-distrust*" t)
         (let ((process-environment (efrit-mcp-distrust-environment)) (exec-path (efrit-mcp-distrust-exec-path)))
           (with-current-buffer ,here
             (let ((process-environment (efrit-mcp-distrust-environment)) (exec-path (efrit-mcp-distrust-exec-path)))
               ,@body)))))))

(defmacro efrit-mcp-distrusting (&rest body)
  "Run BODY, which only reads, and let nothing be run that a folder names.
Variables of files and folders are not set, hooks of files that are opened
do not run."
  (declare (indent 0) (debug t))
  `(let ((efrit-mcp-distrusts t)
         ;; Tramp would start ssh or sudo already to know where ~ is.
         (non-essential (not efrit-mcp-remote-files))
         (enable-local-variables nil) (enable-local-eval nil) (enable-dir-local-variables nil)
         (find-file-hook nil) (semantic-symref-tool 'grep)
         (help-enable-autoload nil) (help-enable-completion-autoload nil))
     (ignore semantic-symref-tool help-enable-autoload help-enable-completion-autoload)
     ;; The values of all buffers, then those of this one, which may have its own (direnv).
     (efrit-mcp-distrust--running
       ,@body)))

(defmacro efrit-mcp-distrust-sources (&rest body)
  "Run BODY, which looks for definitions in source, and run nothing of that.
Where Emacs finds none it would expand macros, and evaluate what they say;
files that are opened for it would run the hooks of their modes."
  (declare (indent 0) (debug t))
  `(cl-letf (((symbol-function 'find-function--search-by-expanding-macros) #'ignore)
             ((symbol-function 'run-mode-hooks) #'ignore))
     ,@body))

;;; Git

(defun efrit-mcp-distrust--git-folder (root)
  "Return where the repository of ROOT keeps what it knows."
  (let ((entry (expand-file-name ".git" root)))
    (if (not (file-regular-p entry))
        entry
      (efrit-mcp-secret-check entry)
      (with-temp-buffer
        (insert-file-contents entry nil 0 4096)
        (if (looking-at "gitdir: \\(.+\\)") (expand-file-name (match-string 1) root) entry)))))

;; Git quotes lines that it does not understand, in whatever file it takes for its own:
;; config, shallow, MERGE_HEAD, info/grafts and more.
(defun efrit-mcp-distrust--check-entries (folder)
  "Signal an `efrit-mcp-secret' if FOLDER has another name of a secret file."
  (dolist (entry (ignore-errors (directory-files-and-attributes folder t nil t 'integer)))
    (let ((facts (cdr entry)))
      (when (or (stringp (file-attribute-type facts))
                (and (null (file-attribute-type facts)) (> (file-attribute-link-number facts) 1)))
        (efrit-mcp-secret-check (car entry))))))

(defun efrit-mcp-distrust--common (folder)
  "Return the folder that FOLDER, of a work tree's repository, shares, or nil."
  (let ((file (expand-file-name "commondir" folder)))
    (when (file-regular-p file)
      (with-temp-buffer
        (insert-file-contents file nil 0 4096)
        (expand-file-name (buffer-substring (point-min) (line-end-position)) folder)))))

(defun efrit-mcp-distrust--check-links (root)
  "Signal an `efrit-mcp-secret' if the repository of ROOT links to what is secret."
  (let ((folder (efrit-mcp-distrust--git-folder root)) (file-name-handler-alist nil))
    (efrit-mcp-secret-check folder)
    (efrit-mcp-distrust--check-entries folder) ; before a file of it is read
    (dolist (each (delq nil (list folder (efrit-mcp-distrust--common folder))))
      (efrit-mcp-secret-check each)
      (dolist (part '("." "info" "objects/info" "logs"))
        (efrit-mcp-distrust--check-entries (expand-file-name part each))))))

(defun efrit-mcp-distrust--drivers (root)
  "Return settings that turn off the filters which Git would run in ROOT.
Their names are the repository's, so Git is asked for them; to read its
settings it runs nothing.  Signal an `efrit-mcp-secret' where a setting
names a secret file whose lines Git would quote."
  (let ((default-directory (file-name-as-directory root)) (names nil))
    (with-temp-buffer
      (when (memq (call-process "git" nil '(t nil) nil "config" "--null" "--get-regexp" "^(filter\\.|blame\\.ignorerevsfile)") '(0 1))
        (dolist (entry (split-string (buffer-string) "\0" t))
          (cond ((string-match "\\`blame\\.ignorerevsfile\n\\(.+\\)" entry)
                 (efrit-mcp-secret-check (expand-file-name (match-string 1 entry))))
                ((string-match "\\`filter\\.\\([^\n]*\\)\\.[^.\n]*\\(?:\n\\|\\'\\)" entry)
                 (push (match-string 1 entry) names))))))
    (seq-mapcat (lambda (name)
                  ;; An empty process is none, and takes the place of clean and smudge.
                  (mapcar (lambda (part) (cons (format "filter.%s.%s" name (car part)) (cdr part)))
                          '(("process" . "") ("clean" . "") ("smudge" . "") ("required" . "false"))))
                (delete-dups names))))

(defun efrit-mcp-distrust-git-environment (root)
  "Return `process-environment' for a Git that reads what is in ROOT.
The files are those of ROOT, wherever the repository says that they are."
  (let* ((process-environment (efrit-mcp-distrust-environment)) (exec-path (efrit-mcp-distrust-exec-path))
         (drivers (efrit-mcp-names-of-many
                    (efrit-mcp-distrust--check-links root)
                    (efrit-mcp-distrust--drivers root))))
    (append (and drivers (efrit-mcp-distrust--as-environment (append efrit-mcp-distrust--settings drivers)))
            (list (concat "GIT_WORK_TREE=" (directory-file-name (expand-file-name root))))
            process-environment)))

;;; Visiting and saving

(defun efrit-mcp-distrust-vc (function)
  "Call FUNCTION, which asks Git about the current buffer's file.
No program of the repository is run for it."
  (when (and buffer-file-name (not (file-remote-p buffer-file-name)))
    (let* ((root (locate-dominating-file buffer-file-name ".git"))
           (exec-path (efrit-mcp-distrust-exec-path)))
      (ignore-errors
        (let ((process-environment (if root (efrit-mcp-distrust-git-environment root) (efrit-mcp-distrust-environment))))
          (funcall function))))))

(defun efrit-mcp-distrust-vc-refresh ()
  "Have the current buffer's mode line show what Git knows of its file."
  (efrit-mcp-distrust-vc #'vc-refresh-state))

(provide 'efrit-mcp-distrust)
;;; efrit-mcp-distrust.el ends here
