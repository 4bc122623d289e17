;;; efrit-mcp-tools-read.el --- emacs_read and emacs_search  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; The live text of a buffer, saved or not, or of a file nobody visits, which is not
;; visited for it.  Bounded before it is made; the rest is named by its first line.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-eol)
(require 'efrit-mcp-tools-look)
(require 'project)
(require 'imenu)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(declare-function project-files "project")

(defconst efrit-mcp-read--line-max 2000 "Characters of a line that are shown.")

(defun efrit-mcp-read--in (file buffer function)
  "Call FUNCTION in the buffer of FILE or BUFFER, or in one with FILE's text.
A file nobody visits is not visited for it; FUNCTION is given t then."
  (let ((name (and file (efrit-mcp-target-file file))))
    (if (or (null name) buffer (efrit-mcp-target-visiting name))
        (with-current-buffer (efrit-mcp-target (and file name) buffer)
          (save-excursion (save-restriction (save-match-data (funcall function nil)))))
      (efrit-mcp-read--check name)
      (with-temp-buffer
        (buffer-disable-undo)
        (insert-file-contents name)
        (setq default-directory (file-name-directory name) buffer-file-coding-system last-coding-system-used)
        (goto-char (point-min))
        (funcall function name)))))

(defun efrit-mcp-read--check (name)
  "Signal an error unless NAME is a file that is read without being visited."
  (efrit-mcp-target-check-remote name)
  (cond ((not (file-exists-p name)) (signal 'efrit-mcp-not-found (list (format "there is no file %s" name))))
        ((file-directory-p name) (efrit-mcp-invalid "%s is a folder; emacs_project op files lists files" name))
        ((not (file-readable-p name)) (signal 'efrit-mcp-error (list (format "%s cannot be read: no permission" name))))
        (t (efrit-mcp-kind-check name))))

(defun efrit-mcp-read-mode (name)
  "Have the current buffer, with the text of the file NAME, in the mode of that.
No hook of the mode runs: it might start a program of the file's folder."
  (let ((buffer-file-name name) (enable-local-variables nil))
    (delay-mode-hooks (set-auto-mode))))

;;; Parts

(defun efrit-mcp-read--unit (unit &optional line)
  "Return (BEG . END) of UNIT, a string, in the widened current buffer.
The point is that of LINE, or of the buffer, in its window if it has one."
  (let* ((window (get-buffer-window (current-buffer) t))
         (point (cond (line (efrit-mcp-target-goto line) (point))
                      (window (window-point window))
                      (t (point)))))
    (pcase unit
      ("region" (unless (and mark-active (mark t)) (efrit-mcp-invalid "no region is active in %s" (buffer-name)))
       (cons (min point (mark t)) (max point (mark t))))
      ("visible" (unless window (efrit-mcp-invalid "no window shows %s" (buffer-name)))
       (cons (window-start window) (save-excursion (goto-char (window-start window))
                                                   (forward-line (window-body-height window)) (point))))
      ("defun" (goto-char point)
       (cons (progn (end-of-line) (beginning-of-defun) (line-beginning-position))
             (progn (end-of-defun) (point))))
      (_ (cons (point-min) (point-max))))))

(defun efrit-mcp-read--range (from to around unit)
  "Return (BEG . END), whole lines, for the lines FROM and TO, AROUND or UNIT.
The current buffer is widened."
  (cond
   (around (setq from (max 1 (- around 20)) to (+ around 20)))
   ((and (null from) to) (setq from 1)))
  (if (or (null from) (and (equal unit "defun") (null to)))
      (efrit-mcp-read--unit unit from)
    (when (and to (< to from)) (efrit-mcp-invalid "to is before from"))
    (efrit-mcp-target-goto from)
    (cons (point) (if to (progn (forward-line (- (1+ to) from)) (point)) (point-max)))))

(defun efrit-mcp-read--text (beg end numbers max)
  "Return (TEXT . NEXT): BEG to END, with NUMBERS or not, about MAX characters.
NEXT is where the rest begins, nil where there is none.  Long lines are cut."
  (let ((left max) (pieces nil) (line (and numbers (efrit-mcp-target-line beg))))
    (goto-char beg)
    (while (and (< (point) end) (> left 0))
      (let* ((eol (min end (line-end-position))) (size (- eol (point)))
             (shown (min size efrit-mcp-read--line-max left)))
        (when (and (< shown size) (= shown left) (< shown efrit-mcp-read--line-max) pieces)
          (setq shown nil)) ; this line is the first of the next answer
        (if (null shown)
            (setq left 0)
          (when numbers (push (format "%d\t" line) pieces) (setq line (1+ line)))
          (push (buffer-substring-no-properties (point) (+ (point) shown)) pieces)
          (when (< shown size) (push (format " [+%d characters]" (- size shown)) pieces))
          (goto-char eol)
          (when (and (< (point) end) (eq (char-after) ?\n))
            (push "\n" pieces)
            (forward-char))
          (setq left (- left shown 1)))))
    (cons (apply #'concat (nreverse pieces)) (and (< (point) end) (point)))))

(defun efrit-mcp-read--outline (max)
  "Return the outline of the current buffer, MAX characters: lines and names."
  (let ((out nil) (left max))
    (cl-labels ((walk (items depth)
                  (dolist (item items)
                    (when (> left 0)
                      (let ((pos (cdr-safe item)))
                        (cond ((or (null item) (not (stringp (car-safe item)))))
                              ((imenu--subalist-p item)
                               (push (format "%s%s:\n" (make-string depth ?\s) (substring-no-properties (car item))) out)
                               (walk (cdr item) (1+ depth)))
                              (t (when (overlayp pos) (setq pos (overlay-start pos)))
                                 (when (consp pos) (setq pos (car pos)))
                                 (when (number-or-marker-p pos)
                                   (let ((text (format "%s%d\t%s\n" (make-string depth ?\s) (efrit-mcp-target-line pos)
                                                       (substring-no-properties (car item)))))
                                     (setq left (- left (length text)))
                                     (when (> pos 0) (push text out)))))))))))
      (walk (seq-remove (lambda (item) (equal (car-safe item) "*Rescan*")) (efrit-mcp-read-imenu)) 0))
    (apply #'concat (nreverse out))))

(defun efrit-mcp-read-imenu ()
  "Return what imenu knows of the current buffer; an error says what is missing."
  (let ((imenu-auto-rescan t) (imenu-auto-rescan-maxout most-positive-fixnum) (imenu--index-alist nil))
    (condition-case nil
        (let ((imenu-use-markers nil)) (imenu--make-index-alist t))
      (imenu-unavailable (efrit-mcp-invalid "%s has no outline: its mode, %s, knows no imenu; read it, or emacs_search"
                                           (if (eq (aref (buffer-name) 0) ?\s) "the file" (buffer-name)) major-mode)))))

(defun efrit-mcp-read--head (file beg end next narrowed)
  "Return what is told of the text from BEG to END, an alist.
NEXT is where the rest begins; NARROWED the lines the person sees; FILE
is the name where nobody visits it."
  `(,@(if file `((file . ,file) (open . :false)) (efrit-mcp-target-name (current-buffer)))
    (lines . ,(format "%d-%d" (efrit-mcp-target-line beg)
                      (efrit-mcp-target-line (let ((last (or next end))) (if (and (> last beg) (eq (char-before last) ?\n)) (1- last) last)))))
    (total_lines . ,(efrit-mcp-target-line (if (eq (char-before (point-max)) ?\n) (1- (point-max)) (point-max))))
    ,@(unless (and file (> (buffer-size) efrit-mcp-target--hash-max)) `((hash . ,(efrit-mcp-target-hash))))
    ,@(unless (> (buffer-size) efrit-mcp-target--hash-max) (efrit-mcp-eol-told))
    ,@(when (and (not file) (buffer-modified-p) buffer-file-name) '((unsaved . t)))
    ,@(when (and (not file) buffer-file-name (not (file-remote-p buffer-file-name)) (file-exists-p buffer-file-name)
                 (not (verify-visited-file-modtime (current-buffer))))
        '((changed_on_disk . t)))
    ,@(when (and (not file) buffer-read-only) '((read_only . t)))
    ,@(when narrowed `((narrowed . ,narrowed)))
    ,@(when next `((next_line . ,(efrit-mcp-target-line next))))))

(defun efrit-mcp-read (file buffer from to around unit numbers max)
  "Return the text of FILE or BUFFER after a line that tells of it, a string.
FROM, TO, AROUND, UNIT say which, NUMBERS with line numbers, MAX how much."
  (let ((began (float-time)))
    (efrit-mcp-read--in file buffer (lambda (name) (efrit-mcp-read--here name from to around unit numbers max began)))))

(defun efrit-mcp-read--here (name from to around unit numbers max began)
  "Return what `efrit-mcp-read' does, of the current buffer.
NAME is the file nobody visits, or nil; FROM, TO, AROUND, UNIT, NUMBERS,
MAX are as there; the call BEGAN then."
  (let ((narrowed (and (buffer-narrowed-p)
                       (format "%d-%d" (efrit-mcp-target-line (point-min)) (efrit-mcp-target-line (point-max))))))
    (widen)
    (when (and name (member unit '("outline" "defun"))) ; which its mode knows
      (efrit-mcp-read-mode name))
    (if (equal unit "outline")
        (let ((text (efrit-mcp-read--outline max)))
          (concat (efrit-mcp-json `(,@(if name `((file . ,name)) (efrit-mcp-target-name (current-buffer)))
                                    (outline . t) ,@(efrit-mcp-act-busy began)))
                  "\n" text))
      (pcase-let* ((`(,beg . ,end) (efrit-mcp-read--range from to around unit))
                   (`(,text . ,next) (efrit-mcp-read--text beg end numbers max))
                   (lossy (efrit-mcp-print-raw-p text)))
        (concat (efrit-mcp-json (append (efrit-mcp-read--head name beg end next narrowed)
                                        (when lossy '((lossy . "raw bytes are shown as \\OOO")))
                                        (efrit-mcp-act-busy began)))
                "\n" (if lossy (efrit-mcp--clean-string text) text))))))

(efrit-mcp-define-tool emacs-read
    "Read a file or buffer: the live text, with unsaved changes; also *Messages*, compilations, terminals. The first line of the answer is JSON (lines, total_lines, hash for emacs_edit, unsaved, narrowed, next_line when there is more), then the text. Neither given: the buffer the person is in."
    ((file string nil) (buffer string nil)
     (from integer "First line." :minimum 1) (to integer "Last line." :minimum 1)
     (around integer "The 20 lines on both sides of this one." :minimum 1)
     (unit (one-of "all" "region" "defun" "visible" "outline") "Part, at the person's point (defun: or at line from); outline: lines and names of definitions." :default "all")
     (numbers boolean "Number the lines." :default nil)
     (max-chars integer nil :default 20000 :minimum 1 :maximum 4000000))
    (:title "Read a buffer or file" :read-only t)
  (efrit-mcp-read file buffer from to around unit numbers max-chars))

;;; Searching

(defconst efrit-mcp-search--file-max (* 2 1024 1024) "Bytes of a file that is searched.")
(defconst efrit-mcp-search--skipped-max 20 "Secret files or buffers that are named as skipped.")
(defconst efrit-mcp-search--seconds 8 "Seconds a search in files goes on.")

(defun efrit-mcp-search--here (regexp name context left)
  "Return at most LEFT hits of REGEXP in the current buffer, told as NAME.
CONTEXT lines on both sides are shown."
  (let ((hits nil))
    (save-excursion
      (save-restriction
        (widen)
        (goto-char (point-min))
        (let ((line 1) (from (point-min)))
          (while (and (< (length hits) left) (not (eobp)) (re-search-forward regexp nil t))
            (let* ((at (match-beginning 0)) (bol (save-excursion (goto-char at) (line-beginning-position))))
              (setq line (+ line (count-lines from bol)) from bol)
              (goto-char at)
              (push (efrit-mcp-search--hit name line (- at bol) context) hits)
              (forward-line 1))))))
    (nreverse hits)))

(defun efrit-mcp-search--hit (name line column context)
  "Return the hit on LINE at COLUMN of NAME, at the point, with CONTEXT, a string."
  (let ((from (save-excursion (forward-line (- context)) (point)))
        (to (save-excursion (forward-line context) (line-end-position)))
        (start (max (line-beginning-position) (- (point) 150))))
    (if (= context 0)
        (format "%s:%d:%d: %s" name line (1+ column)
                (buffer-substring-no-properties start (min (line-end-position) (+ start 300))))
      (format "%s:%d:%d:\n%s" name line (1+ column)
              (efrit-mcp-look--cut (buffer-substring-no-properties from to) 2000)))))

(defun efrit-mcp-search--files (where folder)
  "Return the files to search: those of the project, or WHERE files, of FOLDER."
  (let ((folder (efrit-mcp-target-folder folder)))
    (efrit-mcp-target-check-remote folder)
    (unless (file-directory-p folder) (efrit-mcp-invalid "there is no folder %s" folder))
    (if (equal where "files")
        (cons folder (directory-files-recursively folder "\\`[^.]" nil (lambda (d) (not (string-match-p "/\\.[^/]*\\'" d)))))
      (let ((project (project-current nil folder)))
        (unless project (efrit-mcp-invalid "%s is in no project: use in files" folder))
        (cons (efrit-mcp-look-root project) (project-files project))))))

(defun efrit-mcp-search--file (file regexp name context left)
  "Search REGEXP in FILE, told as NAME, with CONTEXT; at most LEFT hits.
A buffer that visits FILE comes first."
  (let ((buffer (get-file-buffer file)))
    (cond
     ((not (file-regular-p file)) nil) ; a pipe, or a link that leads in a circle
     (buffer (with-current-buffer buffer (efrit-mcp-search--here regexp name context left)))
     ((or (efrit-mcp-kind-odd (file-truename file)) (> (or (file-attribute-size (file-attributes file)) 0) efrit-mcp-search--file-max)) nil)
     (t (erase-buffer)
        (when (ignore-errors (let ((coding-system-for-read 'utf-8)) (insert-file-contents file)) t)
          (goto-char (point-min))
          (unless (search-forward "\0" (min (point-max) 1000) t) ; binary
            (efrit-mcp-search--here regexp name context left)))))))

(defun efrit-mcp-search--in-files (regexp where folder glob context max)
  "Search REGEXP in the files of WHERE and FOLDER that GLOB fits.
Return (HITS . NOTE) as `efrit-mcp-search' tells them; CONTEXT, MAX as there."
  (pcase-let* ((`(,root . ,files) (efrit-mcp-search--files where folder))
               (fits (and glob (wildcard-to-regexp glob)))
               (until (+ (float-time) efrit-mcp-search--seconds)) (hits nil) (n 0) (note nil) (skipped nil))
    (with-temp-buffer
      (buffer-disable-undo)
      (while (and files (< (length hits) max) (not note))
        (let* ((file (pop files)) (name (file-relative-name file root)))
          (when (or (null fits) (string-match-p fits name) (string-match-p fits (file-name-nondirectory name)))
            (setq n (1+ n))
            ;; Whether there would be a hit is not asked: the answer would tell.
            (let ((why (efrit-mcp-secret-p file)))
              (if why (push (cons name why) skipped)
                (setq hits (nconc (nreverse (efrit-mcp-search--file file regexp name context (- max (length hits)))) hits))))
            (when (= (% n 200) 0)
              (efrit-mcp-report-progress n nil name)
              (when (> (float-time) until)
                (setq note (format "stopped after %d files and %d s; give a folder or glob" n efrit-mcp-search--seconds))))))))
    (cons (nreverse hits) `((root . ,root) (files . ,n) ,@(efrit-mcp-search--skipped skipped) ,@(when note `((note . ,note)))))))

(defun efrit-mcp-search--skipped (skipped)
  "Return what is told of SKIPPED, (NAME . WHY) of what is secret, last first."
  (when skipped
    `((skipped . ,(vconcat (mapcar (lambda (each) `((name . ,(car each)) (why . ,(cdr each))))
                                   (seq-take (reverse skipped) efrit-mcp-search--skipped-max))))
      ,@(when (length> skipped efrit-mcp-search--skipped-max) `((skipped_in_all . ,(length skipped)))))))

(defun efrit-mcp-search--in-buffers (regexp glob context max)
  "Search REGEXP in the buffers whose name GLOB fits; CONTEXT and MAX as there."
  (let ((fits (and glob (wildcard-to-regexp glob))) (hits nil) (n 0) (skipped nil))
    (dolist (b (buffer-list))
      (when (and (< (length hits) max) (not (eq (aref (buffer-name b) 0) ?\s))
                 (or (null fits) (string-match-p fits (buffer-name b))))
        (setq n (1+ n))
        (let ((why (efrit-mcp-secret-p b)))
          (if why (push (cons (buffer-name b) why) skipped)
            (setq hits (nconc hits (with-current-buffer b
                                     (efrit-mcp-search--here regexp (buffer-name) context (- max (length hits))))))))))
    (cons hits `((buffers . ,n) ,@(efrit-mcp-search--skipped skipped)))))

(efrit-mcp-define-tool emacs-search
    "Search live text: in one buffer or file, all buffers, the project, or the files under a folder; open files are searched as they are in Emacs. What is secret is skipped, and named as such. The first line of the answer is JSON, then one hit a line as name:line:column: text."
    ((pattern string "Plain text, or an Emacs regexp with regexp." :required t)
     (in (one-of "buffer" "buffers" "project" "files") nil :default "buffer")
     (file string nil) (buffer string nil)
     (folder string "For project and files.")
     (glob string "Names to search, as *.el.")
     (regexp boolean nil :default nil)
     (ignore-case boolean nil :default nil)
     (context integer "Lines around a hit." :default 0 :minimum 0 :maximum 20)
     (max integer "Hits." :default 50 :minimum 1 :maximum 1000))
    (:title "Search" :read-only t)
  (when (string= pattern "") (efrit-mcp-invalid "pattern is empty"))
  (let* ((began (float-time)) (case-fold-search ignore-case)
         (regexp (if regexp pattern (efrit-mcp-eol-regexp pattern)))
         (found (pcase in
                  ((or "project" "files") (efrit-mcp-names-of-many (efrit-mcp-search--in-files regexp in folder glob context (1+ max))))
                  ("buffers" (efrit-mcp-names-of-many (efrit-mcp-search--in-buffers regexp glob context (1+ max))))
                  (_ (efrit-mcp-read--in
                      file buffer
                      (lambda (name)
                        (let ((case-fold-search ignore-case))
                          (list (efrit-mcp-search--here regexp (if name (file-name-nondirectory name) (buffer-name)) context (1+ max)))))))))
         (hits (seq-take (car found) max)))
    (concat (efrit-mcp-json `((hits . ,(length hits)) ,@(when (nthcdr max (car found)) '((more . t))) ,@(cdr found)
                              ,@(efrit-mcp-act-busy began)))
            "\n" (mapconcat #'efrit-mcp--clean-string hits "\n"))))

(provide 'efrit-mcp-tools-read)
;;; efrit-mcp-tools-read.el ends here
