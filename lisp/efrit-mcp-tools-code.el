;;; efrit-mcp-tools-code.el --- emacs_symbols, emacs_diagnostics, emacs_project  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; What Emacs knows of code by itself: imenu, xref, flymake or flycheck, compilation
;; buffers, project.el, version control.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-distrust)
(require 'efrit-mcp-tools-look)
(require 'efrit-mcp-tools-read)
(require 'project)
(require 'xref)
(require 'seq)
(eval-when-compile (require 'cl-lib) (require 'compile))

(defvar flymake-mode)
(defvar flycheck-mode)
(defvar flycheck-current-errors)
(declare-function flymake-diagnostics "flymake")
(declare-function flymake-diagnostic-beg "flymake")
(declare-function flymake-diagnostic-type "flymake")
(declare-function flymake-diagnostic-text "flymake")
(declare-function flymake-diagnostic-backend "flymake")
(declare-function flymake-start "flymake")
(declare-function flymake-running-backends "flymake")
(declare-function flymake-reporting-backends "flymake")
(declare-function flycheck-error-line "ext:flycheck")
(declare-function flycheck-error-level "ext:flycheck")
(declare-function flycheck-error-message "ext:flycheck")
(declare-function flycheck-error-checker "ext:flycheck")
(declare-function compilation--ensure-parse "compile")
(declare-function vc-responsible-backend "vc")
(declare-function vc-working-revision "vc")
(declare-function vc-state "vc-hooks")
(declare-function vc-git--symbolic-ref "vc-git")

;;; Symbols

(defconst efrit-mcp-symbols--max 100 "Places that are told.")

(defun efrit-mcp-symbols--place (item root)
  "Return the place of the xref ITEM as file:line: text, relative to ROOT."
  (let* ((location (xref-item-location item)) (group (xref-location-group location))
         (line (or (ignore-errors (xref-location-line location))
                   (let* ((known (buffer-list)) (marker (ignore-errors (xref-location-marker location))))
                     (when (marker-buffer (or marker (make-marker)))
                       (with-current-buffer (marker-buffer marker)
                         (prog1 (efrit-mcp-target-line marker)
                           (unless (or (memq (current-buffer) known) (buffer-modified-p)) (kill-buffer))))))))
         (file (if (and root (file-name-absolute-p group) (string-prefix-p root (expand-file-name group)))
                   (file-relative-name (expand-file-name group) root)
                 group)))
    (format "%s:%s: %s" file (or line "?") (efrit-mcp-look--cut (string-trim (xref-item-summary item)) 200))))

(defvar efrit-mcp-symbols--files-max 300 "Files of Lisp in which a definition is looked for.")

(defun efrit-mcp-symbols--folder ()
  "Return (ROOT . FILES), the Lisp of the current buffer's project or folder."
  (let* ((project (ignore-errors (project-current nil)))
         (root (if project (efrit-mcp-look-root project) (expand-file-name default-directory))))
    (cons root (unless (file-remote-p root)
                 (seq-take (seq-filter (lambda (f) (string-suffix-p ".el" f))
                                       (if project (project-files project) (directory-files root t "\\.el\\'")))
                           efrit-mcp-symbols--files-max)))))

(defun efrit-mcp-symbols--written (name)
  "Return where Lisp that is not loaded defines NAME: in the text, live or on disk.
The project of the current buffer is looked through, or its folder."
  (let* ((folder (efrit-mcp-symbols--folder)) (case-fold-search nil)
         (regexp (format "^[ \t]*(\\(?:cl-\\|ert-\\)?def[^ \t\n]*[ \t\n]+'?\\(%s\\)\\(?:[ \t\n()]\\|$\\)" (regexp-quote name))))
    (seq-mapcat
     (lambda (file)
       (let ((look (lambda ()
                     (save-excursion
                       (save-restriction
                         (widen)
                         (goto-char (point-min))
                         (let ((places nil))
                           (while (re-search-forward regexp nil t)
                             (push (format "%s:%d: %s" (file-relative-name file (car folder)) (efrit-mcp-target-line (match-beginning 1))
                                           (save-excursion (goto-char (match-beginning 1))
                                                           (string-trim (buffer-substring-no-properties (line-beginning-position) (line-end-position)))))
                                   places))
                           (nreverse places))))))
             (buffer (get-file-buffer file)))
         (cond ((efrit-mcp-secret-p (or buffer file)) nil)
               (buffer (with-current-buffer buffer (funcall look)))
               ((and (file-readable-p file) (file-regular-p file)) (with-temp-buffer (insert-file-contents file) (funcall look))))))
     (cdr folder))))

(defun efrit-mcp-symbols--references (backend name)
  "Return the references to NAME that BACKEND finds in the project, or the folder.
What is beyond that, as all of `load-path', is not looked through: Emacs
would wait for it; nor is the person asked for a project."
  (let ((project-find-functions (append project-find-functions (list (lambda (folder) (cons 'transient folder))))))
    (cl-letf (((symbol-function 'project-external-roots) #'ignore))
      (xref-backend-references backend name))))

(defun efrit-mcp-symbols--public (items)
  "Return those of the xrefs ITEMS that are not in a file that is secret."
  (efrit-mcp-names-of-many
    (seq-remove (lambda (item)
                  (let* ((group (xref-location-group (xref-item-location item)))
                         (library (and (stringp group) (not (file-name-absolute-p group)) (get-buffer group))))
                    (efrit-mcp-names-once (cons 'secret group)
                      (efrit-mcp-secret-p (or library (if (stringp group) group ""))))))
                items)))

(defun efrit-mcp-symbols--xref (op name)
  "Return what OP says, definitions or references, of NAME.
The current buffer says in which language and project."
  (let* ((backend (or (xref-find-backend) (efrit-mcp-invalid "no backend of xref knows %s: use emacs_search" major-mode)))
         (tags-file-missing (and (eq backend 'etags) (not (bound-and-true-p tags-file-name)) (not (bound-and-true-p tags-table-list))))
         (found (progn
                  (when tags-file-missing
                    (efrit-mcp-invalid "%s has no language server and no TAGS file here: emacs_lsp op start, or emacs_search" major-mode))
                  (if (equal op "references")
                      (efrit-mcp-symbols--references backend name)
                    (xref-backend-definitions backend name))))
         (all (length found)) (found (efrit-mcp-symbols--public found))
         (written (and (null found) (eq backend 'elisp) (equal op "definitions") (efrit-mcp-symbols--written name)))
         (project (ignore-errors (project-current nil))) (root (and project (efrit-mcp-look-root project)))
         (shown (seq-take found efrit-mcp-symbols--max)))
    `((name . ,(substring-no-properties name)) (backend . ,(format "%s" backend)) (total . ,(length (or found written)))
      (places . ,(vconcat (or (mapcar (lambda (i) (efrit-mcp-symbols--place i root)) shown)
                              (seq-take written efrit-mcp-symbols--max))))
      ,@(when (> all (length found)) `((secret . ,(format "%d places in files that are not for agents are left out" (- all (length found))))))
      ,@(when written '((loaded . :false)))
      ,@(unless (or found written) '((hint . "emacs_search looks for the text itself, also where nothing is loaded")))
      ,@(when root `((root . ,root))))))

(defun efrit-mcp-symbols--near (op function)
  "Call FUNCTION for OP, references or definitions, without asking another machine.
What is loaded here is found all the same; a project there is not looked
through, unless the person allows it."
  (if (or efrit-mcp-remote-files (not (file-remote-p default-directory)))
      (funcall function)
    (when (equal op "references") (efrit-mcp-target-check-remote default-directory))
    (let ((default-directory temporary-file-directory)
          (efrit-mcp-symbols--files-max 0))
      (funcall function))))

(defun efrit-mcp-symbols--goto (name line)
  "Go to NAME on LINE, or anywhere in the current buffer; return what to ask for.
A language server is asked for what is at a place, others for a name."
  (let* ((backend (xref-find-backend))
         (found (progn
                  (when line (efrit-mcp-target-goto line) (back-to-indentation))
                  (and name (or line (progn (widen) (goto-char (point-min))))
                       (let ((case-fold-search nil))
                         (re-search-forward (concat "\\_<" (regexp-quote name) "\\_>") (and line (line-end-position)) t))
                       (goto-char (match-beginning 0))))))
    (when (and name (eq backend 'eglot) (not found))
      (efrit-mcp-invalid "%s is not in %s%s: a language server is asked for what is at a place" name (buffer-name)
                         (if line (format " line %d" line) "")))
    (or (if (and name (not (eq backend 'eglot))) name
          (and backend (xref-backend-identifier-at-point backend)))
        (efrit-mcp-invalid "name is missing, and there is no symbol at point"))))

(efrit-mcp-define-tool emacs-symbols
    "Definitions and references of a symbol as Emacs's xref finds them (language server, Lisp, TAGS), places as file:line: text; or the outline of a file. file or buffer says in which language and project."
    ((op (one-of "outline" "definitions" "references") nil :default "definitions")
     (name string "Default: the symbol at line, or at point.")
     (file string nil) (buffer string nil) (line integer nil))
    (:title "Symbols" :read-only t)
  (if (equal op "outline")
      (efrit-mcp-read file buffer nil nil nil "outline" nil 20000)
    (efrit-mcp-looking
      ;; A file nobody visits is not visited for it: that would run what its folder brings along.
      (efrit-mcp-read--in
       file buffer
       (lambda (unvisited)
         (efrit-mcp-distrusting ; once more: the environment may be this buffer's own
           (when unvisited (efrit-mcp-read-mode unvisited))
           (efrit-mcp-distrust-sources
             (efrit-mcp-symbols--near op (lambda () (efrit-mcp-symbols--xref op (efrit-mcp-symbols--goto name line)))))))))))

;;; Diagnostics

(define-error 'efrit-mcp-not-allowed "Not allowed" 'efrit-mcp-error)

(defconst efrit-mcp-diagnostics--max 200 "Diagnostics that are told.")

(defun efrit-mcp-diagnostics--type (type)
  "Return TYPE, flymake's, in a word."
  (let ((name (format "%s" (or (and (symbolp type) (get type 'flymake-category)) type))))
    (cond ((string-match-p "error" name) "error") ((string-match-p "warn" name) "warning") (t "note"))))

(defun efrit-mcp-diagnostics--flymake ()
  "Return what flymake found in the current buffer: (LINE TYPE TEXT SOURCE)."
  (mapcar (lambda (d)
            (list (efrit-mcp-target-line (flymake-diagnostic-beg d))
                  (efrit-mcp-diagnostics--type (flymake-diagnostic-type d))
                  (flymake-diagnostic-text d) (format "%s" (flymake-diagnostic-backend d))))
          (flymake-diagnostics)))

(defun efrit-mcp-diagnostics--flycheck ()
  "Return what flycheck found in the current buffer: (LINE TYPE TEXT SOURCE)."
  (mapcar (lambda (e) (list (flycheck-error-line e) (format "%s" (flycheck-error-level e))
                            (flycheck-error-message e) (format "%s" (flycheck-error-checker e))))
          flycheck-current-errors))

(defun efrit-mcp-diagnostics--here (start)
  "Return the diagnostics of the current buffer, an alist or nil.
START: have flymake look first."
  (let* ((flymake (bound-and-true-p flymake-mode)) (flycheck (bound-and-true-p flycheck-mode)))
    (when (and start flymake)
      (when (efrit-mcp-client-looks-p)
        (signal 'efrit-mcp-not-allowed
                '("start runs checkers, which are programs, and this client only looks: leave it out; they look by themselves after a change")))
      (flymake-start nil))
    (let ((found (append (and flymake (efrit-mcp-diagnostics--flymake))
                         (and flycheck (efrit-mcp-diagnostics--flycheck))))
          (waiting (and flymake (seq-difference (flymake-running-backends) (flymake-reporting-backends)))))
      `((checkers . ,(vconcat (delq nil (list (and flymake "flymake") (and flycheck "flycheck")))))
        ,@(when waiting `((waits_for . ,(vconcat (mapcar (lambda (b) (format "%s" b)) waiting)))))
        (found . ,(vconcat (mapcar (lambda (d) (format "%s:%s: %s: %s" (buffer-name) (nth 0 d) (nth 1 d)
                                                       (efrit-mcp-look--cut (nth 2 d) 500)))
                                   (seq-take (sort found (lambda (a b) (< (car a) (car b)))) efrit-mcp-diagnostics--max))))))))

(defun efrit-mcp-diagnostics--all ()
  "Return the diagnostics of all buffers that are checked, an alist."
  (let ((all nil) (n 0))
    (dolist (b (buffer-list))
      (when (and (or (buffer-local-value 'flymake-mode b) (and (boundp 'flycheck-mode) (buffer-local-value 'flycheck-mode b)))
                 (not (efrit-mcp-secret-p b)))
        (setq n (1+ n))
        (with-current-buffer b
          (setq all (append all (append (alist-get 'found (efrit-mcp-diagnostics--here nil)) nil))))))
    `((buffers . ,n) (total . ,(length all)) (found . ,(vconcat (seq-take all efrit-mcp-diagnostics--max))))))

(defun efrit-mcp-diagnostics--compilation (buffer)
  "Return the errors of the compilation BUFFER, an alist."
  (with-current-buffer buffer
    (save-excursion
      (save-restriction
        (widen)
        (compilation--ensure-parse (point-max))
        (let ((pos (point-min)) (found nil) (n 0))
          (while (and pos (< pos (point-max)))
            (let ((message (get-text-property pos 'compilation-message)))
              (when (and message (< n efrit-mcp-diagnostics--max))
                (setq n (1+ n))
                (push (efrit-mcp-diagnostics--line pos message) found)
                (goto-char pos)
                (setq pos (line-end-position))))
            (setq pos (next-single-property-change pos 'compilation-message)))
          `((buffer . ,(buffer-name))
            (running . ,(efrit-mcp-bool (get-buffer-process buffer)))
            (found . ,(vconcat (nreverse found)))))))))

(defun efrit-mcp-diagnostics--line (pos message)
  "Return the MESSAGE of a compilation, at POS, as one line."
  (let* ((loc (compilation--message->loc message)) (file (caar (compilation--loc->file-struct loc))))
    (format "%s:%s: %s: %s" file (or (compilation--loc->line loc) "?")
            (pcase (compilation--message->type message) (2 "error") (1 "warning") (_ "note"))
            (save-excursion (goto-char pos)
                            (efrit-mcp-look--cut (buffer-substring-no-properties (line-beginning-position) (line-end-position)) 300)))))

(defun efrit-mcp-diagnostics--unvisited (name)
  "Return what is told of NAME, which nobody visits.
Checkers run programs of the file's folder, or the file itself, so one that
only looks does not start them."
  (efrit-mcp-read--check name)
  `((file . ,name) (open . :false) (checkers . []) (found . [])
    (hint . "nobody has it open, so nothing checks it: emacs_file op open opens it, and the person's checkers start")))

(efrit-mcp-define-tool emacs-diagnostics
    "Errors and warnings that Emacs knows: of flymake and flycheck in file, buffer, or all; of a compilation or grep buffer. Lines as name:line: kind: text. waits_for names checkers still at work: ask again."
    ((of (one-of "buffer" "all" "compilation") nil :default "buffer")
     (file string nil) (buffer string "For compilation the default is *compilation*.")
     (start boolean "Check anew; not for a client that only looks." :default nil))
    (:title "Diagnostics" :read-only t)
  (require 'flymake)
  (require 'compile)
  (efrit-mcp-looking
    (pcase of
      ("all" (efrit-mcp-diagnostics--all))
      ("compilation"
       (unless (or file buffer (get-buffer "*compilation*"))
         (signal 'efrit-mcp-not-found '("nothing was compiled here: emacs_run runs a build and tells its errors; buffer names another one's")))
       (efrit-mcp-diagnostics--compilation (efrit-mcp-target file (or buffer (and (null file) "*compilation*")))))
      (_ (if (and file (not (efrit-mcp-target-visiting (efrit-mcp-target-file file))))
             (efrit-mcp-diagnostics--unvisited (efrit-mcp-target-file file))
           (with-current-buffer (efrit-mcp-target file buffer)
             (append (efrit-mcp-target-name (current-buffer)) (efrit-mcp-diagnostics--here start)
                     (unless (or (bound-and-true-p flymake-mode) (bound-and-true-p flycheck-mode))
                       '((hint . "no checker is on: emacs_command flymake-mode turns one on"))))))))))

;;; Project

(defconst efrit-mcp-project--files-max 500 "Files that are told.")

(defun efrit-mcp-project--git (folder)
  "Return the state of the Git repository at FOLDER, an alist."
  (with-temp-buffer
    (setq default-directory folder)
    (let ((process-environment (cons "LC_ALL=C" (efrit-mcp-distrust-git-environment folder))))
      (when (eq 0 (call-process "git" nil t nil "--no-pager" "status" "--porcelain" "--branch" "--ignore-submodules=dirty"))
        (let ((lines (split-string (buffer-string) "\n" t)))
          `((branch . ,(string-remove-prefix "## " (car lines)))
            (changed . ,(length (cdr lines)))
            (files . ,(vconcat (seq-take (cdr lines) 100)))))))))

(defun efrit-mcp-project--vc (root)
  "Return the state of version control at ROOT, an alist or nil."
  (let ((backend (ignore-errors (vc-responsible-backend root))))
    (when backend
      `((vc . ((backend . ,(symbol-name backend))
               ,@(when (and (eq backend 'Git) (executable-find "git")) (efrit-mcp-project--git root))))))))

(defun efrit-mcp-project--files (project root pattern)
  "Return the files of PROJECT, at ROOT, whose names PATTERN, a regexp, fits."
  (let* ((all (mapcar (lambda (f) (file-relative-name f root)) (project-files project)))
         (fit (sort (if pattern (seq-filter (lambda (f) (string-match-p pattern f)) all) all) #'string<)))
    `((total . ,(length fit)) (list . ,(vconcat (seq-take fit efrit-mcp-project--files-max))))))

(efrit-mcp-define-tool emacs-project
    "The project of the person, or of folder: root, open buffers, state of version control (info); its files, those that pattern fits (files); projects Emacs remembers (list)."
    ((op (one-of "info" "files" "list") nil :default "info")
     (folder string nil)
     (pattern string "Regexp on relative names."))
    (:title "Project" :read-only t)
  (efrit-mcp-looking
    (if (equal op "list")
        `((projects . ,(vconcat (seq-take (if (fboundp 'project-known-project-roots) (project-known-project-roots) nil) 100))))
      (let* ((folder (efrit-mcp-target-folder folder))
             (project (progn (efrit-mcp-target-check-remote folder)
                             (unless (file-directory-p folder) (signal 'efrit-mcp-not-found (list (format "there is no folder %s" folder))))
                             (or (project-current nil folder)
                                 (signal 'efrit-mcp-not-found (list (format "%s is in no project; emacs_search with in files looks through any folder" folder))))))
             (root (efrit-mcp-look-root project)))
        `((root . ,root)
          (name . ,(file-name-nondirectory (directory-file-name root)))
          ,@(if (equal op "files")
                `((files . ,(efrit-mcp-project--files project root pattern)))
              `((buffers . ,(vconcat
                             (mapcar (lambda (b) (concat (file-relative-name (buffer-file-name b) root) (if (buffer-modified-p b) " (modified)" "")))
                                     (seq-take (seq-filter (lambda (b) (and (buffer-file-name b) (string-prefix-p root (buffer-file-name b))))
                                                           (buffer-list))
                                               100))))
                ,@(efrit-mcp-project--vc root))))))))

(provide 'efrit-mcp-tools-code)
;;; efrit-mcp-tools-code.el ends here
