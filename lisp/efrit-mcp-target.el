;;; efrit-mcp-target.el --- The file or buffer a tool is about  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Tools name a FILE or a BUFFER.  A buffer that visits the file comes first: its text
;; is what the person sees, saved or not.  What is secret or far away is refused here,
;; and nothing here asks the person anything.

;;; Code:

(require 'efrit-mcp-distrust)
(require 'efrit-mcp-native)
(require 'efrit-mcp-secrets)
(require 'efrit-mcp-kind)
(require 'efrit-mcp-place)
(require 'seq)
(require 'json)
(eval-when-compile (require 'cl-lib))

(defvar auth-sources)
(declare-function efrit-mcp--mod-json "efrit-mcp-module")

(define-error 'efrit-mcp-conflict "Conflict" 'efrit-mcp-error)
(define-error 'efrit-mcp-not-open "Not open" 'efrit-mcp-error)
(define-error 'efrit-mcp-read-only "Read only" 'efrit-mcp-error)
(define-error 'efrit-mcp-not-found "Not found" 'efrit-mcp-error)

(defcustom efrit-mcp-remote-files nil
  "Whether the emacs_* tools may open and save files of other machines.
Emacs waits for the other machine meanwhile.  Text in a buffer that visits
such a file is read and edited anyway."
  :type 'boolean :group 'efrit-mcp)

(defun efrit-mcp-invalid (format &rest arguments)
  "Signal that an argument is wrong, as FORMAT with ARGUMENTS says."
  (signal 'efrit-mcp-invalid-argument (list (apply #'format format arguments))))

(defun efrit-mcp-json (value)
  "Return VALUE as JSON text; the module writes it where it is loaded."
  (if (fboundp 'efrit-mcp--mod-json)
      (efrit-mcp--mod-json value)
    (let ((json-false :false) (json-null :null)) (json-encode value))))

(defun efrit-mcp-bool (value)
  "Return VALUE as JSON has it: t or :false."
  (if value t :false))

;;; Buffers

(defun efrit-mcp-target-visiting (file)
  "Return the buffer that visits FILE, an absolute name, or nil.
The network is not asked."
  (if (file-remote-p file)
      (seq-find (lambda (b) (equal (buffer-local-value 'buffer-file-name b) file)) (buffer-list))
    (find-buffer-visiting file)))

(defun efrit-mcp-target-file (file &optional base)
  "Return the absolute name of FILE, refused when it is secret.
A relative one begins in BASE, or else where the client works."
  (when (string= file "") (efrit-mcp-invalid "file is empty: give a file name"))
  (let ((name (let ((non-essential (not efrit-mcp-remote-files))) ; ~ of another machine is not asked for
                (efrit-mcp-place-name file base))))
    (unless (file-remote-p name) (efrit-mcp-kind-true-name name))
    (efrit-mcp-secret-check name)))

(defun efrit-mcp-target-folder (folder)
  "Return FOLDER, as an agent names it; for nil that of the person's buffer."
  (file-name-as-directory (if folder (efrit-mcp-place-name folder) (expand-file-name default-directory))))

(defun efrit-mcp-target-buffer (name)
  "Return the buffer NAME, refused when it is secret."
  (efrit-mcp-secret-check
   (or (get-buffer name)
       (let ((close (seq-filter (lambda (b) (string-match-p (regexp-quote name) b))
                                (mapcar #'buffer-name (buffer-list)))))
         (signal 'efrit-mcp-not-found
                 (list (format "there is no buffer %s%s" name
                               (if close (format "; there is: %s" (string-join (seq-take close 5) ", "))
                                 " (emacs_look with what buffers lists them)"))))))))

(defun efrit-mcp-target-check-remote (file)
  "Signal an error if FILE is of another machine and that is not allowed."
  (when (and (file-remote-p file) (not efrit-mcp-remote-files))
    (signal 'efrit-mcp-error
            (list (format "%s is on another machine, and Emacs would wait for it: the person allows that by efrit-mcp-remote-files" file)))))

(defmacro efrit-mcp-target-quietly (&rest body)
  "Run BODY, which visits or saves files, with nothing that asks questions."
  (declare (indent 0) (debug t))
  `(let ((enable-local-variables :safe) (enable-local-eval nil) (large-file-warning-threshold nil)
         (find-file-suppress-same-file-warnings t) (vc-follow-symlinks t) (revert-without-query '(""))
         (find-file-visit-truename nil) (delay-mode-hooks nil) (auto-insert-query nil))
     (ignore auto-insert-query)
     ,@body))

(defvar auto-insert-query)
(defvar vc-follow-symlinks)

(defun efrit-mcp-target-visit (file)
  "Return a buffer that visits FILE, shown nowhere; open it if need be.
One whose file changed on disk, and that has no unsaved changes, is read
again without a question."
  (let ((buffer (efrit-mcp-target-visiting file)))
    (cond
     (buffer (efrit-mcp-target-fresh buffer))
     (t (efrit-mcp-target-check-remote file)
        (when (file-directory-p file) (efrit-mcp-invalid "%s is a folder" file))
        (efrit-mcp-kind-check file)
        (when (and (file-exists-p file) (not (file-readable-p file)))
          (signal 'efrit-mcp-error (list (format "%s cannot be read: no permission" file))))
        (when efrit-mcp-distrusts ; what only reads opens no file: the person's hooks would run what its folder has
          (signal 'efrit-mcp-not-open (list (format "%s: nobody has it open; emacs_read reads it, emacs_file op open opens it" file))))
        (efrit-mcp-target--open file)))))

(defun efrit-mcp-target--open (file)
  "Return a new buffer that visits FILE; Git runs nothing of a repository for it."
  (let* ((refreshes (memq 'vc-refresh-state (default-value 'find-file-hook))) (before (buffer-list))
         (buffer (efrit-mcp-target-quietly
                   (if (not refreshes)
                       (find-file-noselect file t)
                     (let ((find-file-hook (remq 'vc-refresh-state (default-value 'find-file-hook))))
                       (find-file-noselect file t))))))
    ;; A hook that kills it leaves whatever buffer comes next.
    (when (memq buffer before)
      (signal 'efrit-mcp-error (list (format "a hook of the person's killed the buffer of %s while it was opened" file))))
    (when refreshes (with-current-buffer buffer (efrit-mcp-distrust-vc-refresh)))
    buffer))

(defun efrit-mcp-target-fresh (buffer)
  "Return BUFFER with the text of its file, if that changed on disk meanwhile.
Signal an `efrit-mcp-conflict' when the buffer has unsaved changes too."
  (with-current-buffer buffer
    (when (and buffer-file-name (not (file-remote-p buffer-file-name))
               (file-exists-p buffer-file-name) (not (verify-visited-file-modtime buffer)))
      (when (buffer-modified-p)
        (signal 'efrit-mcp-conflict
                (list (format "%s changed on disk and the buffer %s has unsaved changes: neither is overwritten. emacs_file op diff shows both; op revert with discard, or op save with force, decides"
                              buffer-file-name (buffer-name)))))
      (efrit-mcp-kind-check buffer-file-name)
      (efrit-mcp-target-quietly
        (save-restriction (widen) (revert-buffer t t t)))))
  buffer)

(defun efrit-mcp-target (file buffer)
  "Return the live buffer for FILE or BUFFER, strings; for neither the person's.
FILE is opened when no buffer visits it; it must exist."
  (cond ((and file buffer) (efrit-mcp-invalid "give file or buffer, not both"))
        (buffer (efrit-mcp-target-buffer buffer))
        (file (let ((name (efrit-mcp-target-file file)))
                (unless (or (efrit-mcp-target-visiting name) (file-remote-p name) (file-exists-p name))
                  (signal 'efrit-mcp-not-found (list (format "there is no file %s" name))))
                (efrit-mcp-target-visit name)))
        (t (efrit-mcp-secret-check (current-buffer)))))

(defconst efrit-mcp-target--hash-max (* 2 1024 1024)
  "Bytes of a text up to which its hash is one of the text; else of its tick.")

(defun efrit-mcp-target-hash ()
  "Return a short hash of the current buffer's text; another text has another."
  (save-restriction
    (widen)
    (if (< (- (position-bytes (point-max)) (position-bytes (point-min))) efrit-mcp-target--hash-max)
        (substring (buffer-hash) 0 12)
      (format "t%d" (buffer-chars-modified-tick)))))

(defvar efrit-mcp-target--counted nil
  "Lines that were counted last: (BUFFER TICK (POS . LINE) ...), newest first.")

(defun efrit-mcp-target--places ()
  "Return the places of the current buffer whose lines are known, (POS . LINE)."
  (unless (and (eq (car efrit-mcp-target--counted) (current-buffer))
               (eql (cadr efrit-mcp-target--counted) (buffer-chars-modified-tick)))
    (setq efrit-mcp-target--counted (list (current-buffer) (buffer-chars-modified-tick))))
  (cddr efrit-mcp-target--counted))

(defun efrit-mcp-target--counted (pos line)
  "Keep that POS of the current buffer is on LINE; return LINE."
  (let ((places (efrit-mcp-target--places)))
    (unless (assq pos places)
      (setcdr (cdr efrit-mcp-target--counted) (cons (cons pos line) (seq-take places 7))))
    line))

(defun efrit-mcp-target-line (pos)
  "Return the line POS is on in the current buffer, narrowed or not.
Counted from the nearest place that was counted before: in 10 MB that
makes one count of several."
  (let ((from (cons 1 1)) (pos (max 1 (min (1+ (buffer-size)) (if (markerp pos) (marker-position pos) pos)))))
    (dolist (place (efrit-mcp-target--places))
      (when (< (abs (- pos (car place))) (abs (- pos (car from)))) (setq from place)))
    (efrit-mcp-target--counted
     pos
     (save-excursion ; narrowing takes the point along
       (save-restriction
         (widen)
         (narrow-to-region (min pos (car from)) (max pos (car from)))
         (let ((lines (1- (line-number-at-pos (point-max)))))
           (if (< pos (car from)) (- (cdr from) lines) (+ (cdr from) lines))))))))

(defun efrit-mcp-target-goto (line &optional column)
  "Go to LINE, from 1, and COLUMN, from 0, of the widened current buffer.
Signal an error where there is no such line; the one after the last is
the end of the text."
  (widen)
  (let ((from (cons (point-min) 1)))
    (dolist (place (efrit-mcp-target--places))
      (when (< (cdr from) (cdr place) line) (setq from place)))
    (goto-char (car from))
    (let ((left (forward-line (- line (cdr from)))))
      (when (or (< line 1) (> left 0) (not (bolp)))
        (efrit-mcp-invalid "there is no line %d in %s: the last is %d" line (buffer-name)
                           (efrit-mcp-target-line (if (eq (char-before (point-max)) ?\n) (1- (point-max)) (point-max))))))
    (efrit-mcp-target--counted (point) line))
  (when column (goto-char (min (line-end-position) (+ (point) column)))))

(defun efrit-mcp-target-name (buffer)
  "Return how BUFFER is told, an alist: its name, and its file if it has one."
  `((buffer . ,(buffer-name buffer))
    ,@(when (buffer-file-name buffer) `((file . ,(buffer-file-name buffer))))))

(provide 'efrit-mcp-target)
;;; efrit-mcp-target.el ends here
