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
    (unless (efrit-mcp-file--kill buffer) (signal 'efrit-mcp-error (list (format "%s would not be killed" name))))
    `((closed . ,name))))

(defun efrit-mcp-file--kill (buffer)
  "Kill BUFFER; return nil where a function of its hooks refuses that.
Then, and where one fails, its changes are unsaved as before."
  (let ((modified (buffer-modified-p buffer)))
    (unwind-protect
        (progn (with-current-buffer buffer (restore-buffer-modified-p nil))
               (kill-buffer buffer))
      (when (buffer-live-p buffer)
        (with-current-buffer buffer (restore-buffer-modified-p modified))))))

(defun efrit-mcp-file--hooked (function done)
  "Call FUNCTION; return what is told of a hook that failed, an alist or nil.
DONE, a function, says whether it was done all the same; if not the error
is signalled."
  (condition-case err
      (ignore (funcall function))
    ((error quit)
     (if (funcall done)
         `((hook_error . ,(format "it was done; then %s" (error-message-string err))))
       (signal (car err) (cdr err))))))

(defun efrit-mcp-file--there-p (file)
  "Return non-nil if FILE is there, be it a link that leads nowhere."
  (or (file-exists-p file) (and (not (file-remote-p file)) (file-symlink-p file))))

(defun efrit-mcp-file--of (name)
  "Return the buffer that goes with the file NAME when that is moved, or nil.
One that visits a file by its own name stays when a link to it goes."
  (let ((live (efrit-mcp-target-visiting name)))
    (and live (or (file-remote-p name) (not (file-symlink-p name)) (equal name (buffer-file-name live))) live)))

;;; Rename, delete

(defun efrit-mcp-file--new-name (to base old)
  "Return the absolute name that TO is, relative to BASE, for a file called OLD.
In a folder, or what is named as one, it keeps its own."
  (let ((to (efrit-mcp-target-file to base)))
    (efrit-mcp-target-check-remote to)
    (when (or (directory-name-p to) (file-directory-p to)) (setq to (efrit-mcp-secret-check (expand-file-name old to))))
    (when (or (efrit-mcp-file--there-p to) (efrit-mcp-target-visiting to))
      (signal 'efrit-mcp-conflict (list (format "%s exists: it is not overwritten" to))))
    (efrit-mcp-kind-check to t)
    (efrit-mcp-kind-check-lock to)
    to))

(defun efrit-mcp-file--visit-as (buffer to)
  "Have BUFFER visit TO; its unsaved changes stay unsaved."
  (with-current-buffer buffer
    (let ((modified (buffer-modified-p)))
      (unwind-protect (set-visited-file-name to t t)
        (set-buffer-modified-p (or modified (not (file-exists-p to))))))))

(defun efrit-mcp-file--rename-folder (from to)
  "Rename the folder FROM to TO; buffers of files in it go along."
  (let ((inside (seq-filter (lambda (b) (and (buffer-file-name b) (string-prefix-p (file-name-as-directory from) (buffer-file-name b))))
                            (buffer-list))))
    (rename-file from to)
    (cons `(folder . ,to)
          (car (delq nil (mapcar (lambda (b)
                                   (efrit-mcp-file--take-along b (expand-file-name (file-relative-name (buffer-file-name b) from) to)))
                                 inside))))))

(defun efrit-mcp-file--take-along (buffer to)
  "Have BUFFER visit TO, where its file is now; return what is told of that."
  (efrit-mcp-file--hooked (lambda () (efrit-mcp-file--visit-as buffer to))
                          (lambda () (equal (buffer-file-name buffer) to))))

(defun efrit-mcp-file--rename (file buffer to)
  "Give FILE, or the file of BUFFER, the name TO; the buffer goes with it."
  (let* ((buffer (and (not file) (efrit-mcp-save-base (efrit-mcp-target nil buffer))))
         (from (if file (efrit-mcp-target-file file) (buffer-file-name buffer)))
         (from (and from (directory-file-name from)))
         (live (or buffer (efrit-mcp-file--of from)))
         (to (efrit-mcp-file--new-name (or to (efrit-mcp-invalid "to is missing: the new name"))
                                       (and buffer (buffer-local-value 'default-directory buffer))
                                       (file-name-nondirectory (or from (buffer-name live))))))
    (unless (or live (efrit-mcp-file--there-p from)) (signal 'efrit-mcp-not-found (list (format "there is no file %s" from))))
    (when (and from (file-exists-p from) (not (file-directory-p from))) (efrit-mcp-kind-check from t))
    (efrit-mcp-kind-check-lock from)
    (make-directory (file-name-directory to) t)
    (if (and from (file-directory-p from) (not (file-symlink-p from)))
        (efrit-mcp-file--rename-folder from to)
      (efrit-mcp-file--rename-file (and from (efrit-mcp-file--there-p from) from) to live))))

(defun efrit-mcp-file--rename-file (from to live)
  "Rename FROM, nil where it is not there, to TO; the buffer LIVE goes along.
Where that refuses the new name, nothing is renamed."
  (when from (rename-file from to))
  (if (not live)
      `((file . ,to))
    (let ((told (condition-case err (efrit-mcp-file--take-along live to)
                  (error (when from (rename-file to from))
                         (signal (car err) (cdr err))))))
      (append (efrit-mcp-file--facts live) told))))

(defun efrit-mcp-file--delete (file buffer discard)
  "Move FILE, or that of BUFFER, to the trash; its buffer is killed.
DISCARD its unsaved changes."
  (let* ((name (if file (efrit-mcp-target-file file) (efrit-mcp-save-file (efrit-mcp-target nil buffer))))
         (live (and name (efrit-mcp-file--of name))))
    (unless (and name (efrit-mcp-file--there-p name)) (signal 'efrit-mcp-not-found (list (format "there is no file %s" (or name buffer)))))
    (efrit-mcp-target-check-remote name)
    (when (file-directory-p name) (efrit-mcp-invalid "%s is a folder: folders are not deleted" name))
    (when (file-exists-p name) (efrit-mcp-kind-check name t)) ; one that is copied to the trash would be read
    (efrit-mcp-kind-check-lock name)
    (when live (efrit-mcp-file--discard-check live discard))
    (let ((delete-by-moving-to-trash t)) (delete-file name t))
    `((deleted . ,name) (trash . t)
      ,@(when live (efrit-mcp-file--closed live)))))

(defun efrit-mcp-file--closed (buffer)
  "Kill BUFFER, whose file is gone; return what is told where it stays."
  (let ((why (condition-case err (if (efrit-mcp-file--kill buffer) "" "a function of its hooks refused that")
               ((error quit) (error-message-string err)))))
    (when (buffer-live-p buffer) `((not_closed . ,(format "the buffer %s stays: %s" (buffer-name buffer) why))))))

(defun efrit-mcp-file--plain-copy (file coding)
  "Return a new file with the text of FILE, which CODING reads, for a program.
Nil: the program reads FILE as it is.  It knows neither UTF-16 nor what
Emacs uncompresses."
  (when (and (file-exists-p file)
             (or (eq (coding-system-type coding) 'utf-16) (find-file-name-handler file 'insert-file-contents)))
    (let ((copy (make-temp-file "efrit-mcp-diff-")))
      (with-temp-buffer
        (let ((coding-system-for-read coding) (inhibit-message t)) (insert-file-contents file))
        (let ((coding-system-for-write 'utf-8-emacs-unix)) (write-region nil nil copy nil 'silent)))
      copy)))

(defun efrit-mcp-file--compare (file buffer)
  "Return how BUFFER differs from FILE on disk, as a unified diff.
Its lines end as they do in Emacs."
  (let* ((coding (or (buffer-local-value 'buffer-file-coding-system buffer) 'utf-8))
         (mine (make-temp-file "efrit-mcp-diff-")) (copy (efrit-mcp-file--plain-copy file coding))
         (coding (if copy 'utf-8-emacs-unix coding)) (status nil))
    (with-temp-buffer
      (unwind-protect
          (let ((text (current-buffer)) (coding-system-for-write coding)
                (coding-system-for-read (coding-system-change-eol-conversion coding 'unix)))
            (with-current-buffer buffer
              (save-restriction (widen) (write-region nil nil mine nil 'silent)))
            (setq status (call-process "diff" nil text nil "-u" "--label" (concat file " (disk)")
                                       "--label" (concat file " (buffer)") "--"
                                       (or copy (if (file-exists-p file) file null-device)) mine)))
        (mapc #'delete-file (delq nil (list mine copy))))
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
  (setq buffer (efrit-mcp-save-base buffer))
  (unless (and (buffer-file-name buffer) (file-exists-p (buffer-file-name buffer)))
    (efrit-mcp-invalid "%s has no file on disk" (buffer-name buffer)))
  (efrit-mcp-target-check-remote (buffer-file-name buffer))
  (efrit-mcp-kind-check (buffer-file-name buffer))
  (efrit-mcp-file--discard-check buffer discard)
  (append (efrit-mcp-file--hooked
           (lambda () (with-current-buffer buffer (efrit-mcp-target-quietly (save-restriction (widen) (revert-buffer t t t)))))
           (lambda () (and (not (buffer-modified-p buffer)) (verify-visited-file-modtime buffer))))
          (efrit-mcp-file--facts buffer)))

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
