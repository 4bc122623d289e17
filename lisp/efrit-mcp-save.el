;;; efrit-mcp-save.el --- Save a buffer, and say what is on disk then  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Everything that Emacs would ask is judged before it writes.  Hooks may fail, change the
;; text or write elsewhere: what is told is what the disk holds afterwards, not whether
;; the command returned.  An indirect buffer is saved through its base.

;;; Code:

(require 'efrit-mcp-target)
(require 'efrit-mcp-coding)
(require 'efrit-mcp-kind)
(eval-when-compile (require 'cl-lib))

(defvar require-final-newline)

(defconst efrit-mcp-save--compared-max (* 4 1024 1024)
  "Bytes of a file up to which it is compared with the buffer where hooks wrote it.")

(defun efrit-mcp-save-base (buffer)
  "Return the buffer through which BUFFER is saved: itself, or its base."
  (or (buffer-base-buffer buffer) buffer))

(defun efrit-mcp-save-file (buffer)
  "Return the file in which the text of BUFFER is saved, or nil."
  (buffer-file-name (efrit-mcp-save-base buffer)))

;;; Why not

(defun efrit-mcp-save-deleted-p (buffer)
  "Return non-nil if the file that BUFFER was read from is not there any more."
  (with-current-buffer (efrit-mcp-save-base buffer)
    (and buffer-file-name (not (file-remote-p buffer-file-name))
         (consp (visited-file-modtime)) (not (file-exists-p buffer-file-name)))))

(defun efrit-mcp-save-check-deleted (buffer)
  "Signal an error if the file of BUFFER was deleted since it was read."
  (when (efrit-mcp-save-deleted-p buffer)
    (signal 'efrit-mcp-conflict
            (list (format "%s was deleted or renamed on disk since it was read: it is not made again. emacs_file op save with force makes it again from the buffer %s, op close lets that go"
                          (efrit-mcp-save-file buffer) (buffer-name buffer))))))

(defun efrit-mcp-save--mode (file)
  "Return the mode and owner of FILE, in words."
  (let ((attributes (file-attributes (file-truename file) 'string)))
    (format "mode %04o, owner %s" (logand #o7777 (or (file-modes file) 0)) (file-attribute-user-id attributes))))

(defun efrit-mcp-save-obstacle (file)
  "Return why FILE, of this machine, is not to be written, in words, or nil."
  (cond ((not (file-exists-p file))
         (let ((folder (file-name-directory file)))
           (while (not (or (file-exists-p folder) (equal folder (file-name-directory (directory-file-name folder)))))
             (setq folder (file-name-directory (directory-file-name folder))))
           (unless (file-writable-p folder) (format "its folder %s is not writable (%s)" folder (efrit-mcp-save--mode folder)))))
        ((= 0 (logand #o222 (or (file-modes file) #o222)))
         (format "its file is write-protected (%s)" (efrit-mcp-save--mode file)))
        ((file-writable-p file) nil)
        ((= 0 (user-uid)) (format "its file system is read-only, or the file immutable (%s)" (efrit-mcp-save--mode file)))
        (t (format "its file is not writable for you (%s)" (efrit-mcp-save--mode file)))))

(defun efrit-mcp-save--check (force)
  "Signal an error if the current buffer cannot be saved, with FORCE or without."
  (let ((file buffer-file-name))
    (efrit-mcp-secret-check file)
    (efrit-mcp-target-check-remote file)
    (unless (file-remote-p file)
      (efrit-mcp-kind-check file t)
      (unless force
        (efrit-mcp-save-check-deleted (current-buffer))
        (when (and (file-exists-p file) (not (verify-visited-file-modtime)))
          (signal 'efrit-mcp-conflict
                  (list (format "%s changed on disk since it was read: it is not overwritten; emacs_file op diff shows the two" file)))))
      (efrit-mcp-kind-check-lock file)
      (let ((obstacle (efrit-mcp-save-obstacle file)))
        (when (and obstacle (not (and (file-exists-p file) (file-writable-p file)))) ; root writes what is write-protected
          (signal 'efrit-mcp-read-only (list (format "%s: %s" file obstacle)))))
      (when (buffer-modified-p) ; else it is as it was read
        (save-restriction (widen) (efrit-mcp-coding-choose file)))
      (unless force (efrit-mcp-coding-check-disk)))))

;;; What came of it

(defun efrit-mcp-save--mark (file)
  "Return what tells whether FILE was written meanwhile."
  (let ((attributes (and (not (file-remote-p file)) (file-attributes (file-truename file)))))
    (list (file-attribute-modification-time attributes) (file-attribute-size attributes)
          (file-attribute-inode-number attributes) (file-attribute-status-change-time attributes))))

(defun efrit-mcp-save--own-way-p ()
  "Return non-nil if functions of the current buffer may write it themselves."
  (seq-some (lambda (hook) (delq t (copy-sequence (ensure-list (symbol-value hook)))))
            '(write-contents-functions write-file-functions write-region-annotate-functions write-region-post-annotation-function)))

(defun efrit-mcp-save--on-disk-p (file)
  "Return non-nil unless FILE surely holds another text than the current buffer."
  (let ((size (file-attribute-size (file-attributes (file-truename file)))))
    (or (null size) (> size efrit-mcp-save--compared-max)
        (let ((bytes (with-temp-buffer (set-buffer-multibyte nil) (insert-file-contents-literally file) (buffer-string))))
          (save-restriction
            (widen)
            (equal bytes (encode-coding-region (point-min) (point-max) (or buffer-file-coding-system 'no-conversion) t)))))))

(defvar efrit-mcp-save--chosen nil "The coding in which the text that is saved now is written.")

(defun efrit-mcp-save--coding (_from _to &optional _default _accept file)
  "Return the coding in which the current buffer is written to FILE."
  (setq efrit-mcp-save--chosen
        (save-restriction (widen) (efrit-mcp-coding-choose (or file buffer-file-name)))))

(defun efrit-mcp-save--keep-coding ()
  "Have the current buffer keep the coding in which it was written.
Emacs takes for that what was used last, inside of UTF-7 another one."
  (when (and efrit-mcp-save--chosen (coding-system-get efrit-mcp-save--chosen :pre-write-conversion))
    (setq buffer-file-coding-system efrit-mcp-save--chosen)))

(defvar efrit-mcp-save--wrote nil
  "Non-nil when the text that is saved now was written.")

(defun efrit-mcp-save--note ()
  "The text was written: first in `after-save-hook'."
  (setq efrit-mcp-save--wrote t))

(defun efrit-mcp-save--command ()
  "Save the current buffer as Emacs does, without a question."
  (let ((require-final-newline (and (memq require-final-newline '(t visit visit-save)) require-final-newline))
        (select-safe-coding-system-function #'efrit-mcp-save--coding) ; a symbol, as Emacs wants it
        (backup-by-copying-when-linked t)
        (before (symbol-function 'vc-before-save)) (after (symbol-function 'vc-after-save)))
    ;; The person did not ask for what a repository has Git run when Emacs asks it for the state.
    (cl-letf (((symbol-function 'vc-before-save) (lambda () (efrit-mcp-distrust-vc before)))
              ((symbol-function 'vc-after-save) (lambda () (efrit-mcp-distrust-vc after))))
      (efrit-mcp-target-quietly (basic-save-buffer)))
    (efrit-mcp-save--keep-coding)))

(defun efrit-mcp-save--write ()
  "Save the current buffer; return the error that a hook or the disk made, or nil.
A hook may also quit, or throw to the command loop, which ends nothing here."
  (let ((buffer (current-buffer)) (left t))
    (add-hook 'after-save-hook #'efrit-mcp-save--note -100 t)
    (unwind-protect
        (condition-case err
            (progn
              (catch 'exit (catch 'top-level (efrit-mcp-save--command) (setq left nil)))
              (and left '(error "A hook left by a throw to the command loop")))
          ((error quit) err))
      (when (buffer-live-p buffer)
        (with-current-buffer buffer (remove-hook 'after-save-hook #'efrit-mcp-save--note t))))))

(defun efrit-mcp-save--explain (err file before)
  "Signal that FILE, which was as BEFORE says, was not saved because of ERR."
  (signal 'efrit-mcp-error
          (list (format "%s was not saved: %s%s" file
                        (cond (err (error-message-string err))
                              (efrit-mcp-save--wrote "it was written, and then a hook deleted or renamed it")
                              (t "a function of the buffer's hooks said that it wrote it, and did not"))
                        (if (or (equal before (efrit-mcp-save--mark file)) (not (file-exists-p file))) ""
                          "; what is on disk now is not whole, the buffer is: save it again")))))

(defun efrit-mcp-save--outcome (file before err coding created)
  "Return what is told of the current buffer, saved to FILE, or signal an error.
BEFORE is its mark before, ERR an error that came up, CODING what it was
written in before, CREATED that it was not there."
  (let* ((remote (file-remote-p file))
         (written (if remote (not (buffer-modified-p))
                    (and (file-exists-p file) (not (equal before (efrit-mcp-save--mark file)))
                         ;; Where the disk was full Emacs takes the torn file for the one it visits.
                         (or (not err) efrit-mcp-save--wrote (not (buffer-modified-p))))))
         (other (and written (not remote) (not (buffer-modified-p)) (efrit-mcp-save--own-way-p)
                     (not (efrit-mcp-save--on-disk-p file)))))
    (unless written (efrit-mcp-save--explain err file before))
    `((saved . t)
      ,@(when created '((created . t)))
      ,@(efrit-mcp-coding-told coding buffer-file-coding-system)
      ,@(when err `((hook_error . ,(format "the file was written; then %s" (error-message-string err)))))
      ,@(when other '((disk . "a function of write-file-functions or the like wrote something else than the text of the buffer")))
      ,@(when (buffer-modified-p) '((unsaved . "a hook changed the text again after it was written")))
      ,@(unless (or remote (verify-visited-file-modtime)) '((changed_on_disk . t))))))

(defun efrit-mcp-save (buffer &optional force)
  "Save BUFFER to its file without a question; return what is told of it, an alist.
FORCE: also over a newer file, or where it was deleted.  Signal an error
where the text did not reach the disk."
  (with-current-buffer (setq buffer (efrit-mcp-save-base buffer))
    (unless buffer-file-name (efrit-mcp-invalid "the buffer %s has no file: emacs_file op rename gives it one" (buffer-name)))
    (efrit-mcp-save--check force)
    (let* ((file buffer-file-name) (folder (file-name-directory file)) (before (efrit-mcp-save--mark file))
           (there (or (file-remote-p file) (file-exists-p file))) (coding (and there buffer-file-coding-system)))
      (unless (or (file-remote-p file) (file-directory-p folder)) (make-directory folder t))
      (when force (set-visited-file-modtime))
      (if (and there (not force) (not (buffer-modified-p)))
          '((saved . t))
        (unless there (set-buffer-modified-p t))
        (let* ((efrit-mcp-save--wrote nil) (efrit-mcp-save--chosen nil) (err (efrit-mcp-save--write)))
          (unless (buffer-live-p buffer)
            (signal 'efrit-mcp-error (list (format "a hook killed the buffer of %s while it was saved" file))))
          (set-buffer buffer)
          (efrit-mcp-save--outcome (or buffer-file-name file) before err coding (not there)))))))

(defun efrit-mcp-save-check (buffer)
  "Signal an error if BUFFER could not be saved as it is."
  (with-current-buffer (efrit-mcp-save-base buffer) (efrit-mcp-save--check nil)))

(provide 'efrit-mcp-save)
;;; efrit-mcp-save.el ends here
