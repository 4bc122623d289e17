;;; efrit-mcp-tools-file.el --- emacs_file: open, save, close, rename, delete  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Unsaved text is discarded only where the agent says so in so many words.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-edit)
(require 'efrit-mcp-tools-edit)
(eval-when-compile (require 'cl-lib))

(defun efrit-mcp-file--facts (buffer)
  "Return what is told of BUFFER after an operation, an alist."
  (with-current-buffer buffer
    `(,@(efrit-mcp-target-name buffer)
      (mode . ,(symbol-name major-mode))
      (modified . ,(efrit-mcp-bool (buffer-modified-p)))
      ,@(when buffer-read-only '((read_only . t))))))

(defun efrit-mcp-file--discard-check (buffer discard)
  "Signal an error if BUFFER has unsaved changes and DISCARD is nil."
  (when (and (buffer-file-name buffer) (buffer-modified-p buffer) (not discard))
    (signal 'efrit-mcp-conflict
            (list (format "%s has unsaved changes: save it, or discard them with discard" (buffer-name buffer))))))

(defun efrit-mcp-file--close (buffer discard)
  "Kill BUFFER; DISCARD its unsaved changes."
  (efrit-mcp-file--discard-check buffer discard)
  (let ((name (buffer-name buffer)) (process (get-buffer-process buffer)))
    (when (and process (process-live-p process) (not discard))
      (signal 'efrit-mcp-conflict (list (format "the process %s runs in %s: discard ends it" (process-name process) name))))
    (when process (set-process-query-on-exit-flag process nil))
    (with-current-buffer buffer (when discard (set-buffer-modified-p nil)))
    (unless (kill-buffer buffer) (signal 'efrit-mcp-error (list (format "%s would not be killed" name))))
    `((closed . ,name))))

(defun efrit-mcp-file--rename (file buffer to)
  "Give FILE, or the file of BUFFER, the name TO; the buffer goes with it."
  (let* ((to (efrit-mcp-target-file (or to (efrit-mcp-invalid "to is missing: the new name"))
                                    (and buffer (buffer-local-value 'default-directory (efrit-mcp-target nil buffer)))))
         (from (if file (efrit-mcp-target-file file) (buffer-file-name (efrit-mcp-target nil buffer))))
         (live (if from (efrit-mcp-target-visiting from) (efrit-mcp-target nil buffer))))
    (efrit-mcp-target-check-remote to)
    (when (file-directory-p to) (setq to (expand-file-name (file-name-nondirectory (or from (buffer-name live))) to)))
    (when (or (file-exists-p to) (efrit-mcp-target-visiting to))
      (signal 'efrit-mcp-conflict (list (format "%s exists: it is not overwritten" to))))
    (efrit-mcp-kind-check to t)
    (when (and from (file-exists-p from) (not (file-directory-p from))) (efrit-mcp-kind-check from t))
    (make-directory (file-name-directory to) t)
    (when (and from (file-exists-p from)) (rename-file from to))
    (if (not live)
        `((file . ,to))
      (with-current-buffer live
        (let ((modified (buffer-modified-p)))
          (set-visited-file-name to t t)
          (set-buffer-modified-p (or modified (not (file-exists-p to))))))
      (efrit-mcp-file--facts live))))

(defun efrit-mcp-file--delete (file buffer discard)
  "Move FILE, or that of BUFFER, to the trash; its buffer is killed.
DISCARD its unsaved changes."
  (let* ((name (if file (efrit-mcp-target-file file) (buffer-file-name (efrit-mcp-target nil buffer))))
         (live (and name (efrit-mcp-target-visiting name))))
    (unless (and name (file-exists-p name)) (signal 'efrit-mcp-not-found (list (format "there is no file %s" (or name buffer)))))
    (efrit-mcp-target-check-remote name)
    (when (file-directory-p name) (efrit-mcp-invalid "%s is a folder: folders are not deleted" name))
    (efrit-mcp-kind-check name t) ; one that is copied to the trash would be read

    (when live (efrit-mcp-file--discard-check live discard))
    (let ((delete-by-moving-to-trash t)) (delete-file name t))
    (when live (efrit-mcp-file--close live t))
    `((deleted . ,name) (trash . t))))

(defun efrit-mcp-file--compare (file buffer)
  "Return how BUFFER differs from FILE on disk, as a unified diff.
Its lines end as they do in Emacs."
  (let ((mine (make-temp-file "efrit-mcp-diff-")) (status nil)
        (coding (or (buffer-local-value 'buffer-file-coding-system buffer) 'utf-8)))
    (with-temp-buffer
      (unwind-protect
          (let ((text (current-buffer)) (coding-system-for-write coding)
                (coding-system-for-read (coding-system-change-eol-conversion coding 'unix)))
            (with-current-buffer buffer
              (save-restriction (widen) (write-region nil nil mine nil 'silent)))
            (setq status (call-process "diff" nil text nil "-u" "--label" (concat file " (disk)")
                                       "--label" (concat file " (buffer)") "--"
                                       (if (file-exists-p file) file null-device) mine)))
        (delete-file mine))
      (unless (memq status '(0 1)) (signal 'efrit-mcp-error (list (format "diff ended with %s: %s" status (buffer-string)))))
      (if (efrit-mcp-eol-kind buffer) (replace-regexp-in-string "\r$" "" (buffer-string) t t) (buffer-string)))))

(defun efrit-mcp-file--diff (buffer)
  "Return how BUFFER differs from its file, as a unified diff."
  (let* ((buffer (efrit-mcp-save-base buffer))
         (file (or (buffer-file-name buffer) (efrit-mcp-invalid "%s has no file" (buffer-name buffer)))))
    (efrit-mcp-target-check-remote file)
    (efrit-mcp-kind-check file)
    `(,@(efrit-mcp-file--facts buffer)
      (changed_on_disk . ,(efrit-mcp-bool (and (file-exists-p file) (not (verify-visited-file-modtime buffer)))))
      (diff . ,(efrit-mcp-edit--cut (efrit-mcp-file--compare file buffer))))))

(defun efrit-mcp-file--revert (buffer discard)
  "Read the file of BUFFER again; DISCARD its unsaved changes."
  (unless (and (buffer-file-name buffer) (file-exists-p (buffer-file-name buffer)))
    (efrit-mcp-invalid "%s has no file on disk" (buffer-name buffer)))
  (efrit-mcp-target-check-remote (buffer-file-name buffer))
  (efrit-mcp-kind-check (buffer-file-name buffer))
  (efrit-mcp-file--discard-check buffer discard)
  (with-current-buffer buffer
    (efrit-mcp-target-quietly (save-restriction (widen) (revert-buffer t t t))))
  (efrit-mcp-file--facts buffer))

(defun efrit-mcp-file--open (file)
  "Visit FILE without showing it."
  (let* ((name (efrit-mcp-target-file (or file (efrit-mcp-invalid "file is missing"))))
         (new (not (or (efrit-mcp-target-visiting name) (file-remote-p name) (file-exists-p name)))))
    (when new (efrit-mcp-kind-check name))
    (when (and new (not (file-directory-p (file-name-directory name))))
      (signal 'efrit-mcp-not-found
              (list (format "there is no folder %s: emacs_edit with one edit, new, makes the file and its folder" (file-name-directory name)))))
    (append (efrit-mcp-file--facts (efrit-mcp-target-visit name)) (when new '((new . t))))))

(defun efrit-mcp-file--save (file buffer force)
  "Save FILE or BUFFER, or what is modified of the person; FORCE over a newer file."
  (let ((b (if file (or (efrit-mcp-target-visiting (efrit-mcp-target-file file))
                        (signal 'efrit-mcp-not-found (list (format "no buffer visits %s" file))))
             (efrit-mcp-target nil buffer))))
    (let ((told (efrit-mcp-save b force)))
      (append (efrit-mcp-file--facts (efrit-mcp-save-base b)) told))))

(efrit-mcp-define-tool emacs-file
    "Files as Emacs has them: open (not shown; emacs_window shows), save, close (kill the buffer), revert (read again), rename (file and buffer, to), delete (to the trash), diff (buffer against disk). Unsaved changes are lost only with discard, a file that is newer on disk is overwritten only with force."
    ((op (one-of "open" "save" "close" "revert" "rename" "delete" "diff") nil :required t)
     (file string nil) (buffer string nil)
     (to string "New name, for rename.")
     (discard boolean nil :default nil) (force boolean nil :default nil)
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Open, save, rename, delete" :destructive t)
  (efrit-mcp-acting "emacs_file" observe
    (pcase op
      ("open" (efrit-mcp-file--open file))
      ("save" (efrit-mcp-file--save file buffer force))
      ("rename" (efrit-mcp-file--rename file buffer to))
      ("delete" (efrit-mcp-file--delete file buffer discard))
      (_ (let ((b (if file
                      (or (efrit-mcp-target-visiting (efrit-mcp-target-file file))
                          (signal 'efrit-mcp-not-found (list (format "no buffer visits %s" file))))
                    (efrit-mcp-target nil buffer))))
           (pcase op
             ("close" (efrit-mcp-file--close b discard))
             ("revert" (efrit-mcp-file--revert b discard))
             ("diff" (efrit-mcp-file--diff b))))))))

(provide 'efrit-mcp-tools-file)
;;; efrit-mcp-tools-file.el ends here
