;;; efrit-mcp-tools-vc.el --- emacs_vc and emacs_vc_commit: what Git knows  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Git's own commands, answered when they have ended: Emacs is free meanwhile, there is
;; no pager and no question, and looking runs no program that the repository names, as
;; for diffs, filters or signatures (efrit-mcp-distrust.el).  A commit runs the hooks and
;; filters that the person's own would.  What is secret is left out of diffs.  What Git
;; sees is on disk, so unsaved text is named.  Loaded where `efrit-mcp-packs' has vc.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-program)
(require 'efrit-mcp-distrust)
(require 'efrit-mcp-target)
(require 'seq)
(require 'subr-x)
(eval-when-compile (require 'cl-lib))

(declare-function vc-responsible-backend "vc")
(declare-function vc-git-root "vc-git")

(defconst efrit-mcp-vc--files-max 200 "Files of a status that are told.")
(defconst efrit-mcp-vc--refreshed-max 10 "Buffers whose state in the mode line is asked for again.")
(defconst efrit-mcp-vc--message-max 16000 "Characters of a commit's message.")

(defconst efrit-mcp-vc--always
  '("--no-pager" "--literal-pathspecs")
  "Options before every command.")

(defconst efrit-mcp-vc--acting
  '("-c" "core.quotePath=false" "-c" "color.ui=false" "-c" "core.fsmonitor=false" "-c" "gc.auto=0")
  "Options before a command that changes the repository, as the person's would.")

(defconst efrit-mcp-vc--diff '("--no-ext-diff" "--no-textconv" "--ignore-submodules=dirty" "--submodule=short" "--src-prefix=a/" "--dst-prefix=b/")
  "Options of every command that shows a diff.")

;;; The repository

(defun efrit-mcp-vc--root (file directory)
  "Return the top folder of the repository of FILE or DIRECTORY.
For neither, of the folder of the buffer the person looks at."
  (let* ((place (cond ((and file directory) (efrit-mcp-invalid "give file or directory, not both"))
                      (file (file-name-directory (efrit-mcp-target-file file)))
                      (t (efrit-mcp-target-folder directory)))))
    (when (file-remote-p place)
      (efrit-mcp-invalid "%s is on another machine: Git would be waited for" place))
    (unless (file-directory-p place) (efrit-mcp-invalid "there is no directory %s" place))
    (let ((backend (ignore-errors (vc-responsible-backend place))))
      (cond ((eq backend 'Git) (expand-file-name (vc-git-root place)))
            (backend (efrit-mcp-invalid "%s is under %s, and this tool knows Git alone: use emacs_run" place backend))
            (t (efrit-mcp-invalid "%s is in no repository" place))))))

(defun efrit-mcp-vc--name (root file)
  "Return the name of FILE within ROOT; error if it is elsewhere or secret."
  (let ((name (efrit-mcp-target-file file root)))
    (unless (file-in-directory-p name root) (efrit-mcp-invalid "%s is not in %s" file root))
    (let ((within (file-relative-name name root)))
      ;; The folder may be named by a link.
      (if (string-prefix-p "../" within) (file-relative-name (file-truename name) (file-truename root)) within))))

(defun efrit-mcp-vc--rev (rev)
  "Return REV as the commit it names; error if it may be something else."
  (unless (string-match-p "\\`[^-:[:cntrl:]][^:[:cntrl:]]*\\'" rev)
    (efrit-mcp-invalid "rev is no revision: %s. Give a hash, branch, tag, HEAD~2, or A..B for diff and log" rev))
  (mapconcat (lambda (part) (if (member part '("" ".." "...")) part (concat part "^{commit}")))
             (if (string-match "\\`\\(.*?\\)\\(\\.\\.\\.?\\)\\(.*\\)\\'" rev)
                 (list (match-string 1 rev) (match-string 2 rev) (match-string 3 rev))
               (list rev))
             ""))

(defun efrit-mcp-vc--unsaved (root &optional files)
  "Return names within ROOT, of FILES if given, whose buffers have unsaved text."
  (let ((true (file-truename root)))
    (delq nil
          (mapcar (lambda (buffer)
                    (let ((file (buffer-file-name buffer)))
                      (when (and file (buffer-modified-p buffer) (not (file-remote-p file)))
                        (let ((name (file-relative-name (file-truename file) true)))
                          (and (not (string-prefix-p "../" name)) (or (null files) (member name files)) name)))))
                  (buffer-list)))))

(defconst efrit-mcp-vc--environment
  '("GIT_TERMINAL_PROMPT=0" "GIT_EDITOR=:" "GIT_SEQUENCE_EDITOR=:" "GIT_PAGER=cat" "GIT_ASKPASS=" "SSH_ASKPASS="
    "LC_MESSAGES=C" "TERM=dumb" "GIT_DIR" "GIT_WORK_TREE" "GIT_INDEX_FILE" "GIT_EXTERNAL_DIFF")
  "The environment of a command that changes the repository: it asks nothing.")

(defun efrit-mcp-vc--git (root arguments function &optional input acting)
  "Run Git with ARGUMENTS in ROOT; FUNCTION makes the answer of its output.
INPUT is what Git reads.  Where Git fails, what it says is the error.
ACTING: it is to change something, and what the person's Git would run for
that runs; else nothing of the repository does."
  (let ((default-directory (file-name-as-directory root))
        (process-environment (if acting (append efrit-mcp-vc--environment process-environment)
                               (efrit-mcp-distrust-git-environment root)))
        (exec-path (if acting exec-path (efrit-mcp-distrust-exec-path))))
    (unless (executable-find "git") (signal 'efrit-mcp-error '("there is no git here")))
    (efrit-mcp-program-run
     (append '("git") efrit-mcp-vc--always (and acting efrit-mcp-vc--acting) arguments)
     (lambda (status output)
       (unless (eq status 0)
         (signal 'efrit-mcp-error (list (format "git %s ended with %s: %s" (car arguments) status
                                                (efrit-mcp-vc--cut (string-trim output) 2000)))))
       (funcall function output))
     nil input t)))

(defun efrit-mcp-vc--cut (text max)
  "Return the first MAX characters of TEXT, whole lines where there are any."
  (if (<= (length text) max)
      text
    (let* ((part (substring text 0 max)) (end (string-match "\n[^\n]*\\'" part)))
      (if end (substring part 0 (1+ end)) part))))

;;; Secrets

(defun efrit-mcp-vc--unquote (name)
  "Return NAME as Git means it; it quotes some as C does."
  (if (string-prefix-p "\"" name)
      (condition-case nil (read name) (error name)) ; core.quotePath leaves control characters
    name))

(defun efrit-mcp-vc--names (header)
  "Return the names of the files that HEADER, of a file's part of a diff, has."
  (let ((names nil))
    (dolist (line (split-string header "\n"))
      (cond ((string-match "\\`\\(?:---\\|\\+\\+\\+\\) \\(.+?\\)\t?\\'" line)
             (let ((name (efrit-mcp-vc--unquote (match-string 1 line))))
               (push (if (string-match-p "\\`[ab]/" name) (substring name 2) name) names)))
            ((string-match "\\`\\(?:rename\\|copy\\) \\(?:from\\|to\\) \\(.+\\)\\'" line)
             (push (efrit-mcp-vc--unquote (match-string 1 line)) names))
            ((string-match "\\`diff --\\(?:cc\\|combined\\) \\(.+\\)\\'" line)
             (push (efrit-mcp-vc--unquote (match-string 1 line)) names))
            ((string-match "\\`diff --git .* b/\\(.+\\)\\'" line)
             (push (match-string 1 line) names))))
    names))

(defun efrit-mcp-vc--hide (root text)
  "Return (TEXT . HIDDEN): TEXT without the diffs of secret files of ROOT."
  (let ((parts nil) (hidden nil) (at 0))
    (while (< at (length text))
      (let* ((next (or (and (string-match "^diff --\\(?:git\\|cc\\|combined\\) " text (1+ at)) (match-beginning 0))
                       (length text)))
             (part (substring text at next))
             (header (substring part 0 (or (string-match "^@@" part) (length part))))
             (secret (and (string-prefix-p "diff --" part)
                          (seq-find (lambda (name) (efrit-mcp-secret-p (expand-file-name name root)))
                                    (efrit-mcp-vc--names header)))))
        (if (not secret)
            (push part parts)
          (push secret hidden)
          ;; The next commit of a log may follow the hidden part.
          (let ((commit (string-match "^commit [0-9a-f]\\{40\\}" part 1)))
            (when commit (push (substring part commit) parts))))
        (setq at next)))
    (cons (apply #'concat (nreverse parts)) (delete-dups (nreverse hidden)))))

(defun efrit-mcp-vc--shown (root text max key)
  "Return what is told of TEXT, diffs in ROOT, under KEY: MAX characters of it."
  (let* ((split (efrit-mcp-names-of-many (efrit-mcp-vc--hide root text))) (cut (efrit-mcp-vc--cut (car split) max))
         (unsaved (efrit-mcp-vc--unsaved root)))
    `((root . ,root)
      (,key . ,cut)
      ,@(when (cdr split) `((secret . ,(vconcat (cdr split)))))
      ,@(when (< (length cut) (length (car split)))
          `((truncated . ,(format "%d characters, %d are shown (max_chars)" (length (car split)) (length cut)))))
      ,@(when unsaved `((unsaved . ,(vconcat unsaved)))))))

;;; Looking

(defun efrit-mcp-vc--entry (line)
  "Return (KIND . NAME) of LINE of a status, KIND as Git's two letters; or nil."
  (cond ((string-match "\\`1 \\(..\\) \\(?:[^ ]+ \\)\\{6\\}\\(.+\\)\\'" line)
         (cons (match-string 1 line) (match-string 2 line)))
        ((string-match "\\`2 \\(..\\) \\(?:[^ ]+ \\)\\{7\\}\\([^\t]+\\)\t\\(.+\\)\\'" line)
         (cons (match-string 1 line) (match-string 2 line)))
        ((string-match "\\`u \\(..\\) \\(?:[^ ]+ \\)\\{8\\}\\(.+\\)\\'" line)
         (cons 'conflict (match-string 2 line)))
        ((string-match "\\`\\? \\(.+\\)\\'" line) (cons 'untracked (match-string 1 line)))))

(defun efrit-mcp-vc--status (root output)
  "Return what is told of OUTPUT, a status of ROOT."
  (let ((staged nil) (changed nil) (conflicts nil) (untracked nil) (facts nil) (n 0) (unsaved (efrit-mcp-vc--unsaved root)))
    (dolist (line (split-string output "\n" t))
      (if (string-match "\\`# branch\\.\\(oid\\|head\\|upstream\\|ab\\) \\(.*\\)\\'" line)
          (push (cons (intern (match-string 1 line)) (match-string 2 line)) facts)
        (let* ((entry (efrit-mcp-vc--entry line)) (kind (car entry)) (name (and entry (efrit-mcp-vc--unquote (cdr entry)))))
          (when entry
            (setq n (1+ n))
            (when (<= n efrit-mcp-vc--files-max)
              (pcase kind
                ('conflict (push name conflicts))
                ('untracked (push name untracked))
                (_ (unless (eq (aref kind 0) ?.) (push (format "%c %s" (aref kind 0) name) staged))
                   (unless (eq (aref kind 1) ?.) (push (format "%c %s" (aref kind 1) name) changed)))))))))
    (cl-flet ((all (key list) (when list (list (cons key (vconcat (nreverse list)))))))
      `((root . ,root) (branch . ,(alist-get 'head facts))
        ,@(unless (equal (alist-get 'oid facts) "(initial)") `((commit . ,(substring (alist-get 'oid facts) 0 12))))
        ,@(when (alist-get 'upstream facts) `((upstream . ,(alist-get 'upstream facts))))
        ,@(when (alist-get 'ab facts) `((ahead_behind . ,(alist-get 'ab facts))))
        ,@(all 'staged staged) ,@(all 'changed changed) ,@(all 'conflicts conflicts) ,@(all 'untracked untracked)
        ,@(when (> n efrit-mcp-vc--files-max) `((truncated . ,(format "%d files, %d are shown" n efrit-mcp-vc--files-max))))
        ,@(when unsaved `((unsaved . ,(vconcat unsaved))))
        (clean . ,(efrit-mcp-bool (and (= n 0) (null unsaved))))))))

(defun efrit-mcp-vc--look-status (root)
  "Answer with the status of ROOT."
  (efrit-mcp-vc--git root '("status" "--porcelain=v2" "--branch" "--untracked-files=normal" "--ignore-submodules=dirty")
                     (apply-partially #'efrit-mcp-vc--status root)))

(defun efrit-mcp-vc--look-diff (root name rev staged max)
  "Answer with the diff of ROOT, or of the file NAME, to REV; STAGED: of the index.
MAX characters."
  (when (and staged rev (string-match-p "\\.\\." rev)) (efrit-mcp-invalid "staged compares with one revision, not two"))
  (efrit-mcp-vc--git root `("diff" ,@efrit-mcp-vc--diff ,@(when staged '("--cached")) ,@(when rev (list (efrit-mcp-vc--rev rev)))
                            "--" ,@(when name (list name)))
                     (lambda (output) (efrit-mcp-vc--shown root output max 'diff))))

(defun efrit-mcp-vc--look-log (root name rev range pattern limit max)
  "Answer with the last LIMIT commits of ROOT.
NAME, REV, RANGE, PATTERN choose: a file, from where, lines (FROM . TO) of
the file, a regexp of messages.  MAX characters."
  (when (and range (not name)) (efrit-mcp-invalid "line needs file"))
  (efrit-mcp-vc--git root `("log" ,(format "-%d" limit) "--date=iso-strict" "--format=%h %ad %an: %s%d" "--decorate=short" "--no-textconv" "--no-ext-diff"
                            ,@(when pattern (list "--regexp-ignore-case" "--extended-regexp" (concat "--grep=" pattern)))
                            ,@(when range (list "-s" (format "-L%d,%d:%s" (car range) (cdr range) name)))
                            ,@(when (and name (not range) (not rev)) '("--follow"))
                            ,@(when rev (list (efrit-mcp-vc--rev rev)))
                            "--" ,@(when (and name (not range)) (list name)))
                     (lambda (output) (efrit-mcp-vc--shown root output max 'log))))

(defun efrit-mcp-vc--look-show (root name rev max)
  "Answer with the commit REV of ROOT, or with the file NAME as it was there.
MAX characters."
  (let ((commit (efrit-mcp-vc--rev (or rev "HEAD"))))
    (when (string-match-p "\\.\\." commit) (efrit-mcp-invalid "show takes one revision; diff takes A..B"))
    (if name
        (efrit-mcp-vc--git root (list "cat-file" "blob" (concat commit ":" name))
                           (lambda (output)
                             (let ((cut (efrit-mcp-vc--cut output max)))
                               `((root . ,root) (file . ,name) (text . ,cut)
                                 ,@(when (< (length cut) (length output))
                                     `((truncated . ,(format "%d characters, %d are shown (max_chars)"
                                                             (length output) (length cut)))))))))
      (efrit-mcp-vc--git root `("show" ,@efrit-mcp-vc--diff "--format=medium" "--stat" "--patch" "--date=iso-strict" ,commit "--")
                         (lambda (output) (efrit-mcp-vc--shown root output max 'commit))))))

(defun efrit-mcp-vc--look-blame (root name range)
  "Answer with who wrote the lines RANGE, (FROM . TO), of the file NAME in ROOT.
The lines are those of its buffer, if it has one: what is unsaved is nobody's."
  (let* ((buffer (efrit-mcp-target-visiting (expand-file-name name root)))
         (text (and buffer (buffer-modified-p buffer)
                    (with-current-buffer buffer
                      (save-restriction
                        (widen)
                        (encode-coding-string (buffer-substring-no-properties (point-min) (point-max))
                                              (or buffer-file-coding-system 'utf-8) t))))))
    (efrit-mcp-vc--git root `("blame" "--date=short" "--no-textconv" ,@(when text '("--contents" "-"))
                              ,(format "-L%d,%d" (car range) (cdr range)) "--" ,name)
                       (lambda (output)
                         `((root . ,root) (file . ,name) (lines . ,(vconcat (split-string output "\n" t)))
                           ,@(when text '((unsaved . t)))))
                       text)))

(defun efrit-mcp-vc--range (line to-line)
  "Return (FROM . TO) for LINE and TO-LINE, at most 500 lines; nil for none."
  (when line
    (let ((to (or to-line line)))
      (when (or (< to line) (> (- to line) 499)) (efrit-mcp-invalid "to_line must be from line to 499 lines below it"))
      (cons line to))))

(efrit-mcp-define-tool emacs-vc
    "What Git knows: status (branch, staged, changed, conflicts, untracked); diff of the working tree, of what is staged, or between revisions (rev A, A..B); log, of a file, of its lines, or whose messages fit pattern; blame of lines, as they are in the buffer; show a commit, or with file that file in it. Unsaved buffers are named: Git sees the disk."
    ((op (one-of "status" "diff" "log" "blame" "show") nil :default "status")
     (file string nil) (directory string "Some folder of the repository; default: where the person is.")
     (rev string "Hash, branch, tag, HEAD~2; A..B for diff and log.")
     (staged boolean nil :default nil)
     (line integer "First line, for blame and log." :minimum 1) (to-line integer nil :minimum 1)
     (pattern string nil)
     (limit integer "Commits of a log." :default 20 :minimum 1 :maximum 500)
     (max-chars integer nil :default 20000 :minimum 1 :maximum 200000))
    (:title "Look at the repository" :read-only t :pack vc)
  (let* ((file (and file (efrit-mcp-target-file file)))
         (root (efrit-mcp-vc--root file directory)) (name (and file (efrit-mcp-vc--name root file)))
         (range (efrit-mcp-vc--range line to-line)))
    (pcase op
      ("status" (efrit-mcp-vc--look-status root))
      ("diff" (efrit-mcp-vc--look-diff root name rev staged max-chars))
      ("log" (efrit-mcp-vc--look-log root name rev range pattern limit max-chars))
      ("show" (efrit-mcp-vc--look-show root name rev max-chars))
      (_ (unless name (efrit-mcp-invalid "blame needs file"))
         (efrit-mcp-vc--look-blame root name (or range (efrit-mcp-invalid "blame needs line, and to_line for more than one")))))))

;;; Acting

(defun efrit-mcp-vc--refresh (root)
  "Have the buffers of files in ROOT show their new state."
  (let ((n 0))
    (dolist (buffer (buffer-list))
      (let ((file (buffer-file-name buffer)))
        (when (and file (< n efrit-mcp-vc--refreshed-max) (get-buffer-window buffer t)
                   (not (file-remote-p file)) (file-in-directory-p file root))
          (setq n (1+ n))
          (with-current-buffer buffer
            (efrit-mcp-distrust-vc-refresh)))))))

(defun efrit-mcp-vc--saved (root names)
  "Signal an error if NAMES in ROOT have unsaved text: Git would miss it."
  (let ((unsaved (efrit-mcp-vc--unsaved root names)))
    (when unsaved
      (signal 'efrit-mcp-conflict
              (list (format "unsaved text in %s: save it first (emacs_file op save); nothing was done"
                            (string-join unsaved ", ")))))))

(defun efrit-mcp-vc--do (root arguments observe function &optional input)
  "Run Git with ARGUMENTS in ROOT, and INPUT; FUNCTION makes the answer's facts.
OBSERVE is as the tools have it."
  (let ((seen (efrit-mcp-observe-apart observe)))
    (efrit-mcp-vc--git root arguments
                       (lambda (output)
                         (efrit-mcp-vc--refresh root)
                         `((status . "success") (root . ,root) ,@(funcall function output)
                           ,@(efrit-mcp-observe-since seen)))
                       input t)))

(defun efrit-mcp-vc--commit (root names message observe)
  "Commit what is staged in ROOT, or NAMES as they are, with MESSAGE.
OBSERVE is as the tools have it."
  (when (or (null message) (string-blank-p message)) (efrit-mcp-invalid "message is missing"))
  (when (> (length message) efrit-mcp-vc--message-max)
    (efrit-mcp-invalid "message has %d characters; at most %d are taken" (length message) efrit-mcp-vc--message-max))
  (efrit-mcp-vc--do root `("commit" "--file=-" "--" ,@names) observe
                    (lambda (output)
                      (let ((unsaved (efrit-mcp-vc--unsaved root)))
                        `((said . ,(efrit-mcp-vc--cut (string-trim output) 2000))
                          ,@(when (string-match "^\\[.*?\\([0-9a-f]\\{7,40\\}\\)\\]" output)
                              `((commit . ,(match-string 1 output))))
                          ,@(when unsaved `((unsaved . ,(vconcat unsaved)))))))
                    (encode-coding-string message 'utf-8 t)))

(defun efrit-mcp-vc--folder-of (files)
  "Return the folder that says which repository FILES, names, are of, or nil.
An absolute name says it itself; for others it is where the client works.
Where Lisp calls the tool, and there is no client, it is the person's."
  (let ((file (car files)))
    (cond ((null file) nil)
          ((file-name-absolute-p file)
           (let ((folder (file-name-directory (efrit-mcp-target-file file))))
             (while (not (file-directory-p folder)) (setq folder (file-name-directory (directory-file-name folder))))
             folder))
          (efrit-mcp-tool-job (efrit-mcp-place-folder file))
          (t (ignore-error efrit-mcp-no-folder (efrit-mcp-place-folder file))))))

(defun efrit-mcp-vc--within (root folder files)
  "Return FILES, names, within ROOT: as a status there has them, or in FOLDER."
  (mapcar (lambda (file)
            (let ((here (and folder (not (file-name-absolute-p file)) (expand-file-name file folder))))
              (efrit-mcp-vc--name root (if (and here (file-exists-p here)) here file))))
          files))

(efrit-mcp-define-tool emacs-vc-commit
    "Change what Git keeps: stage files (also deleted ones), unstage files, commit what is staged, or with files these as they are on disk. The person's hooks run. Files with unsaved text are refused. Never pushes, never rewrites."
    ((op (one-of "stage" "unstage" "commit") nil :required t)
     (files (list-of string) "For stage and unstage required.")
     (message string "Of the commit.")
     (directory string "Some folder of the repository; default: where the person is.")
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Stage and commit" :destructive t :open-world t :pack vc)
  (let* ((files (append files nil)) (folder (unless directory (efrit-mcp-vc--folder-of files)))
         (root (efrit-mcp-vc--root nil (or directory folder)))
         (names (efrit-mcp-vc--within root folder files)))
    (unless (or names (equal op "commit")) (efrit-mcp-invalid "files is missing"))
    (pcase op
      ("stage" (efrit-mcp-vc--saved root names)
       (efrit-mcp-vc--do root `("add" "--all" "--" ,@names) observe (lambda (_) `((staged . ,(vconcat names))))))
      ("unstage"
       (efrit-mcp-vc--do root `("reset" "--quiet" "--" ,@names) observe (lambda (_) `((unstaged . ,(vconcat names))))))
      (_ (when names (efrit-mcp-vc--saved root names))
         (efrit-mcp-vc--commit root names message observe)))))

(provide 'efrit-mcp-tools-vc)
;;; efrit-mcp-tools-vc.el ends here
