;;; efrit-mcp-tools-edit.el --- emacs_edit and emacs_undo  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Edits go into the live buffer, all or none, and can be taken back by their id.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-edit)
(require 'efrit-mcp-change-undo)
(require 'efrit-mcp-edit-review)
(require 'seq)

(defconst efrit-mcp-edit--diff-max 20000 "Characters of a diff that are shown.")

(defun efrit-mcp-edit--target (file buffer)
  "Return (BUFFER . CREATES) for FILE or BUFFER; a FILE that is not there is made."
  (unless (or file buffer) (efrit-mcp-invalid "give file or buffer"))
  (if (and file (not buffer))
      (let* ((name (efrit-mcp-target-file file))
             (new (not (or (efrit-mcp-target-visiting name) (file-remote-p name) (file-exists-p name)))))
        (cons (efrit-mcp-edit--visit name new) new))
    (list (efrit-mcp-target-fresh (efrit-mcp-target file buffer)))))

(defun efrit-mcp-edit--visit (name new)
  "Return the buffer of the file NAME.
NEW: it is not there, and maybe its folder neither."
  (let ((buffer (efrit-mcp-target-visit name)) (folder (file-name-directory name)))
    (when new
      (while (and folder (not (file-exists-p folder)))
        (setq folder (file-name-directory (directory-file-name folder))))
      (when (and folder (file-writable-p folder))
        (with-current-buffer buffer (setq buffer-read-only nil))))
    buffer))

(defun efrit-mcp-edit--cut (text)
  "Return TEXT, a diff, or the first part of it."
  (if (> (length text) efrit-mcp-edit--diff-max)
      (concat (substring text 0 efrit-mcp-edit--diff-max) "\n[cut]")
    text))

(defun efrit-mcp-edit--saves-p (save buffer)
  "Return non-nil if BUFFER is saved after an edit; SAVE as emacs_edit has it."
  (and (efrit-mcp-save-file buffer)
       (or (equal save "always") (and (equal save "auto") (not (buffer-modified-p buffer))))))

(defun efrit-mcp-edit--preview (target proposal)
  "Return the answer that shows PROPOSAL for TARGET; a buffer made for it goes."
  (prog1 `((status . "success") (preview . ,(efrit-mcp-edit--cut (efrit-mcp-edit-diff proposal)))
           ,@(efrit-mcp-edit--coding-told proposal))
    (when (cdr target) (kill-buffer (car target)))))

(defun efrit-mcp-edit--propose (target edits hash saves)
  "Return the proposal to do EDITS, with HASH, in TARGET.
SAVES: it is to be saved.  A buffer that was made for it goes where that
fails."
  (condition-case err
      (prog1 (efrit-mcp-edit-propose (car target) edits hash (cdr target))
        (when saves (efrit-mcp-save-check (car target))))
    (error (when (cdr target) (kill-buffer (car target)))
           (if (efrit-mcp-client-state) ; it was proposed, reviewed, and is to be made now
               (signal 'efrit-mcp-stale (list (format "the text was changed while the edit was reviewed; nothing was done: %s"
                                                      (error-message-string err))))
             (signal (car err) (cdr err))))))

(defun efrit-mcp-edit--coding-told (proposal)
  "Return what is told of the coding that PROPOSAL brings about, an alist or nil."
  (when (efrit-mcp-edit-coding proposal) `((coding . ,(efrit-mcp-edit-coding proposal)))))

(defun efrit-mcp-edit--done (target proposal save edit)
  "Call EDIT, which makes PROPOSAL in TARGET, then SAVE as emacs_edit has it.
Return what is told of it."
  (let* ((buffer (car target)) (saves (efrit-mcp-edit--saves-p save buffer)))
    (funcall edit)
    (let ((told (efrit-mcp-edit-saved saves buffer)))
      `(,@(when (cdr target) '((created . t)))
        ,@(if (cdr target) (assq-delete-all 'created told) told)
        ,@(when (and (buffer-live-p buffer) (efrit-mcp-change-quiet-p buffer))
            '((undo . "incomplete") (undo_why . "changes of a buffer whose name begins with a blank are not kept")))
        ,@(unless (or (assq 'coding told) (eq t (cdr (assq 'saved told)))) (efrit-mcp-edit--coding-told proposal))
        ,@(when (buffer-live-p buffer) `((hash . ,(with-current-buffer buffer (efrit-mcp-target-hash)))))))))

(defun efrit-mcp-edit--run (target edits hash preview save observe)
  "Do EDITS, with HASH, in TARGET, or show them, or have them reviewed.
PREVIEW, SAVE and OBSERVE are as emacs_edit has them."
  (let ((proposal (efrit-mcp-edit--propose target edits hash (and (equal preview "none") (efrit-mcp-edit--saves-p save (car target))))))
    (pcase preview
      ("diff" (efrit-mcp-edit--preview target proposal))
      ("ask" (efrit-mcp-edit-review proposal (cdr target)
                                    (lambda (edit)
                                      (when (efrit-mcp-edit--saves-p save (car target)) (efrit-mcp-save-check (car target)))
                                      (efrit-mcp-edit--done target proposal save edit))
                                    observe))
      (_ (efrit-mcp-acting "emacs_edit" observe
           (efrit-mcp-edit--done target proposal save (lambda () (efrit-mcp-edit-apply (list proposal)))))))))

(defun efrit-mcp-edit-saved (saves buffer)
  "If SAVES save BUFFER, which was edited; return what is told of it, an alist.
Where that fails the edit stands: `efrit-mcp-acting' makes it an error
that tells of the edit."
  (if (not saves)
      (list '(saved . :false))
    (condition-case err
        (copy-sequence (efrit-mcp-save buffer))
      (error (list '(saved . :false) (cons 'not_saved (efrit-mcp-edit--reason err)))))))

(defun efrit-mcp-edit--reason (err)
  "Return what ERR says, without the name of its kind where it is our own."
  (if (and (memq 'efrit-mcp-error (get (car err) 'error-conditions)) (stringp (cadr err))) (cadr err) (error-message-string err)))

(efrit-mcp-define-tool emacs-edit
    "Edit a file or buffer in Emacs, its live text first, all edits or none. Each edit makes old, which must be there exactly once (or with all, or the one nearest near_line), to new; or puts new, as whole lines, before line (-1: at the end). A file that is not there is created: one edit with new alone. The person's unsaved text is never lost: a file that changed on disk as well is refused. Answers with undo_id and lines."
    ((file string nil) (buffer string nil)
     (edits (list-of (record (old string "Exact text, with its white space.") (new string nil :required t)
                             (all boolean nil) (near-line integer nil) (line integer nil)))
            nil :required t)
     (hash string "From emacs_read: refuse if the text is another by now. With it, one edit with new alone replaces the whole text.")
     (preview (one-of "none" "diff" "ask") "diff: only show what would change. ask: the person reviews it first (give timeout, else 300); review is then accepted, amended, rejected or abandoned." :default "none")
     (save (one-of "auto" "never" "always") "auto: if there were no unsaved changes before." :default "auto")
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Edit" :destructive t :patient ("preview" "ask" 300))
  (when (seq-empty-p edits) (efrit-mcp-invalid "edits is empty"))
  (efrit-mcp-edit--run (efrit-mcp-edit--target file buffer) edits hash preview save observe))

(efrit-mcp-define-tool emacs-undo
    "Take back a change: your last one, or the one with undo_id, in all buffers it changed, exactly, also after later edits elsewhere; refused when its text was changed since. The undo_id of an undo redoes it. op list: the changes there are."
    ((undo-id string nil)
     (op (one-of "undo" "list") nil :default "undo")
     (save boolean "Save the files as well." :default nil)
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Undo a change" :destructive t)
  (if (equal op "list")
      `((changes . ,(vconcat (mapcar #'efrit-mcp-change-describe (seq-take (efrit-mcp-change-list) 20)))))
    (let ((change (if undo-id
                      (or (efrit-mcp-change-find undo-id) (efrit-mcp-change-undo-id undo-id)) ; the error says which there are
                    (or (efrit-mcp-change-last efrit-mcp-tool-client)
                        (efrit-mcp-invalid "there is no change of yours to take back; op list names all"))))
          (undo nil) (began (float-time)))
      (efrit-mcp-observe-begin observe)
      (setq undo (efrit-mcp-change-undo change))
      (efrit-mcp-act-whole
       `((status . "success") (undone . ,(efrit-mcp-change-id change))
         ,@(when save (efrit-mcp-edit--save-all (efrit-mcp-change-buffers change)))
         ,@(efrit-mcp-act-changed undo) ,@(efrit-mcp-act-busy began))))))

(defun efrit-mcp-edit--save-all (buffers)
  "Save those of BUFFERS that are modified; return what is told of it."
  (let ((saved nil) (failed nil) (coding nil))
    (dolist (b buffers)
      (when (and (efrit-mcp-save-file b) (buffer-modified-p b))
        (let ((told (efrit-mcp-edit-saved t b)))
          (if (assq 'not_saved told) (push (cdr (assq 'not_saved told)) failed) (push (buffer-name b) saved))
          (when (assq 'coding told) (push (cdr (assq 'coding told)) coding)))))
    `((saved . ,(vconcat (nreverse saved)))
      ,@(when coding `((coding . ,(string-join coding "; "))))
      ,@(when failed `((not_saved . ,(string-join (nreverse failed) "; ")))))))

(provide 'efrit-mcp-tools-edit)
;;; efrit-mcp-tools-edit.el ends here
