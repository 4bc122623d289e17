;;; efrit-mcp-edit-review.el --- A proposed edit is reviewed before it is made  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; What `emacs_edit' does with preview ask: the person reviews the diff, in Emacs while
;; that goes on, or in the agent's host.  The answer says accepted, amended, rejected or
;; abandoned.  The edit is made only in the text it was proposed for: the same characters,
;; and the same file on disk; else the answer is an error, `stale', and nothing is done.

;;; Code:

(require 'efrit-mcp-act)
(require 'efrit-mcp-diff)
(require 'efrit-mcp-edit)
(require 'efrit-mcp-later)
(require 'efrit-mcp-review)
(eval-when-compile (require 'cl-lib))

(define-error 'efrit-mcp-stale "Stale" 'efrit-mcp-conflict)

(cl-defstruct (efrit-mcp-edit-review (:constructor efrit-mcp-edit-review--make) (:copier nil))
  "An edit under review: PROPOSAL, shown as DIFF, in the text STAMP.
CREATES: the buffer was made for it, and goes when the edit is not made.
AROUND is called with a function of none that makes the edit, and returns
what is told of it; CLIENT is who proposed it, OBSERVE as the tools have
it.  STALE: it was accepted and not made, since the text is another."
  proposal diff stamp creates around client observe stale)

(defun efrit-mcp-edit-review--stamp (buffer)
  "Return what tells whether the text of BUFFER is the same later on."
  (with-current-buffer buffer
    (list (efrit-mcp-target-hash) (and buffer-file-name (not (file-remote-p buffer-file-name))
                                       (verify-visited-file-modtime)))))

(defun efrit-mcp-edit-review--check (review)
  "Signal that REVIEW is stale unless its text is as it was."
  (let* ((buffer (efrit-mcp-edit-buffer (efrit-mcp-edit-review-proposal review)))
         (now (and (buffer-live-p buffer) (efrit-mcp-edit-review--stamp buffer)))
         (why (cond ((null now) "the buffer was killed")
                    ((not (equal (car now) (car (efrit-mcp-edit-review-stamp review))))
                     (format "the text of %s was changed" (buffer-name buffer)))
                    ((not (equal now (efrit-mcp-edit-review-stamp review)))
                     (format "%s changed on disk" (buffer-file-name buffer))))))
    (when why
      (setf (efrit-mcp-edit-review-stale review) t)
      (signal 'efrit-mcp-stale (list (concat why " while the edit was reviewed; nothing was done: read it again"))))))

(defun efrit-mcp-edit-review--make-it (review diff)
  "Make the edit of REVIEW, whose diff was accepted as DIFF."
  (let* ((proposal (efrit-mcp-edit-review-proposal review)) (buffer (efrit-mcp-edit-buffer proposal)))
    (if (not (equal diff (efrit-mcp-edit-review-diff review)))
        (progn (efrit-mcp-edit-begin proposal)
               (efrit-mcp-diff-apply diff buffer))
      (setf (efrit-mcp-edit-tick proposal) (buffer-chars-modified-tick buffer)) ; by another way maybe the same text
      (efrit-mcp-edit-apply (list proposal)))))

(defun efrit-mcp-edit-review--apply (review diff)
  "Make the edit of REVIEW, accepted as DIFF, if it can be; return what is told."
  (efrit-mcp-edit-review--check review)
  (prog1 (efrit-mcp-act-apart
          "emacs_edit" (efrit-mcp-edit-review-observe review) (efrit-mcp-edit-review-client review)
          (lambda ()
            (funcall (efrit-mcp-edit-review-around review)
                     (lambda () (efrit-mcp-edit-review--make-it review diff)))))
    (setf (efrit-mcp-edit-review-creates review) nil)))

(defun efrit-mcp-edit-review--drop (review)
  "Take away the buffer that was made for REVIEW, if the edit was not made."
  (let ((buffer (efrit-mcp-edit-buffer (efrit-mcp-edit-review-proposal review))))
    (when (and (efrit-mcp-edit-review-creates review) (buffer-live-p buffer)
               (not (buffer-modified-p buffer)) (null (get-buffer-window buffer t)))
      (kill-buffer buffer))))

(defun efrit-mcp-edit-review--answer (review answer)
  "Return the tool's answer for REVIEW that ended with ANSWER, an alist."
  (efrit-mcp-edit-review--drop review)
  (let* ((how (alist-get 'review answer)) (error (alist-get 'error answer)) (late (equal how "timeout"))
         (said (seq-filter (lambda (each) (memq (car each) '(amended diff comment))) answer)))
    (cond (error `((status . "error")
                   (error_code . ,(if (efrit-mcp-edit-review-stale review) "efrit-mcp-stale" "efrit-mcp-error"))
                   (error . ,error) (review . ,how) (applied . :false) ,@said))
          ((member how '("accepted" "amended"))
           `((status . "success") (review . ,how) (applied . t) ,@said ,@(alist-get 'result answer)))
          (t `((status . "success") (review . ,(if late "abandoned" how)) (applied . :false)
               ,@(when late '((why . "the person did not answer within the timeout")))
               ,@said)))))

(defun efrit-mcp-edit-review--plist (review)
  "Return REVIEW as `efrit-mcp-review' takes it."
  (list :diff (efrit-mcp-edit-review-diff review)
        :title (buffer-name (efrit-mcp-edit-buffer (efrit-mcp-edit-review-proposal review)))
        :about (let ((file (buffer-file-name (efrit-mcp-edit-buffer (efrit-mcp-edit-review-proposal review)))))
                 (and file (abbreviate-file-name file)))
        :key (concat "review-" (car (efrit-mcp-edit-review-stamp review)))
        :client (efrit-mcp-edit-review-client review)
        :apply (lambda (diff) (efrit-mcp-edit-review--apply review diff))))

(defun efrit-mcp-edit-review--here (review)
  "Have the person look at REVIEW in Emacs; the job is answered later."
  (let* ((later nil)
         (shown (efrit-mcp-review
                 (efrit-mcp-edit-review--plist review)
                 (lambda (answer)
                   (let ((answer (efrit-mcp-edit-review--answer review answer)))
                     (efrit-mcp-later-end later (if (equal (alist-get 'status answer) "error") 'failed 'done) answer))))))
    (setq later (efrit-mcp-later
                 (lambda (later)
                   (efrit-mcp-review-withdraw shown)
                   (efrit-mcp-later-answer later (efrit-mcp-edit-review--answer review '((review . "timeout")))))
                 (lambda (_)
                   (efrit-mcp-review-withdraw shown)
                   (efrit-mcp-edit-review--drop review))))
    efrit-mcp-tool-deferred))

(defun efrit-mcp-edit-review--by-host (review)
  "Have the user of the agent's host look at REVIEW; return the answer.
The call is made again with what they said; the text may be another then."
  (let ((kept (efrit-mcp-client-state)) (stamp (efrit-mcp-edit-review-stamp review)))
    (when kept
      (setq stamp (list (cdr (assoc "hash" kept)) (eq t (cdr (assoc "disk" kept)))))
      (setf (efrit-mcp-edit-review-stamp review) stamp))
    (efrit-mcp-client-set-state `((hash . ,(car stamp)) (disk . ,(efrit-mcp-bool (cadr stamp)))))
    (unwind-protect
        (let ((answer (efrit-mcp-edit-review--answer
                       review (efrit-mcp-review-by-client (efrit-mcp-edit-review--plist review)))))
          (when (equal (alist-get 'status answer) "error")
            (signal (intern (alist-get 'error_code answer)) (list (alist-get 'error answer))))
          answer)
      (efrit-mcp-edit-review--drop review))))

(defun efrit-mcp-edit-review (proposal creates around observe)
  "Have the person review PROPOSAL; return the answer, or that it comes later.
CREATES, AROUND and OBSERVE are as in the structure of this name."
  (let ((review (efrit-mcp-edit-review--make
                 :proposal proposal :diff (efrit-mcp-edit-diff proposal) :creates creates :around around
                 :observe observe :client efrit-mcp-tool-client
                 :stamp (efrit-mcp-edit-review--stamp (efrit-mcp-edit-buffer proposal)))))
    (condition-case err
        (if (eq (efrit-mcp-review-where) 'here)
            (efrit-mcp-edit-review--here review)
          (efrit-mcp-edit-review--by-host review))
      (error (efrit-mcp-edit-review--drop review)
             (signal (car err) (cdr err))))))

(provide 'efrit-mcp-edit-review)
;;; efrit-mcp-edit-review.el ends here
