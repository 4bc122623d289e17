;;; efrit-mcp-review.el --- The person reviews a change before it is made  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A proposed change is a unified diff in a buffer of `diff-mode', shown in the person's
;; frame in a window that is not selected.  They accept it, edit it and accept that,
;; reject it, or kill the buffer.  Whoever proposed it is told exactly once.

;;; Code:

(require 'efrit-mcp-query)
(require 'efrit-mcp-client)
(require 'efrit-mcp-diff)
(require 'efrit-mcp-tool)
(require 'diff-mode)
(eval-when-compile (require 'cl-lib))

(defvar-local efrit-mcp-review--callback nil "What is called with the answer; nil when it was given.")
(defvar-local efrit-mcp-review--proposal nil "The proposal that is reviewed here, a plist.")
(defvar-local efrit-mcp-review--timer nil "Timer that ends the review.")

(defvar efrit-mcp-review--open nil "The buffers of reviews, newest first; some may have ended.")

(defconst efrit-mcp-review-max 1000000 "Characters of a diff that can be reviewed.")
(defconst efrit-mcp-review--shown 8000 "Characters of a diff that the agent's host is shown.")

(defcustom efrit-mcp-review-where 'auto
  "Where the edits are reviewed that agents propose (preview ask).
Here: in a window of this Emacs.  Host: by the program the agent
runs in, if it can ask its user.  Auto: here where somebody sees a frame,
else there."
  :type '(choice (const auto) (const here) (const host))
  :group 'efrit-mcp)

(defun efrit-mcp-review-where ()
  "Return where the person reviews now, a symbol; an error: nowhere."
  (let ((person (efrit-mcp-query-person-p)) (host (efrit-mcp-client-can-p "elicitation" "form")))
    (cond ((and person (memq efrit-mcp-review-where '(auto here))) 'here)
          ((and host (memq efrit-mcp-review-where '(auto host))) 'host)
          (t (signal 'efrit-mcp-error
                     (list (pcase efrit-mcp-review-where
                             ('here "nobody can review it: this Emacs has no frame that is seen; use preview diff")
                             ('host "the person wants to review in your host (efrit-mcp-review-where), which cannot ask its user")
                             (_ "nobody can review it: this Emacs has no frame that is seen, and your host cannot ask its user; use preview diff"))))))))

(defvar efrit-mcp-review-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c C-c") #'efrit-mcp-review-accept)
    (define-key map (kbd "C-c C-k") #'efrit-mcp-review-reject)
    (define-key map (kbd "C-c C-e") #'efrit-mcp-review-edit)
    map)
  "Keys in a review.")

(define-minor-mode efrit-mcp-review-mode
  "Review of a change an agent proposes.
\\[efrit-mcp-review-accept] accepts, with what you edited; \\[efrit-mcp-review-edit]
lets you edit the diff; \\[efrit-mcp-review-reject] rejects, with a prefix
argument it asks why.  Killing the buffer leaves it without an answer."
  :lighter " Review"
  (if efrit-mcp-review-mode
      (add-hook 'kill-buffer-hook #'efrit-mcp-review--killed nil t)
    (remove-hook 'kill-buffer-hook #'efrit-mcp-review--killed t)))

(defun efrit-mcp-review--text ()
  "Return the diff as it stands in the current buffer."
  (save-restriction
    (widen)
    (buffer-substring-no-properties (point-min) (point-max))))

(defun efrit-mcp-review--amendment (old new)
  "Return the lines of the diff NEW that differ from those of OLD, as text.
Lines that went begin with <, new ones with >."
  (let ((before (split-string old "\n")) (after (split-string new "\n")))
    (while (and before after (equal (car before) (car after))) (pop before) (pop after))
    (setq before (reverse before) after (reverse after))
    (while (and before after (equal (car before) (car after))) (pop before) (pop after))
    (mapconcat #'identity
               (append (mapcar (lambda (line) (concat "< " line)) (reverse before))
                       (mapcar (lambda (line) (concat "> " line)) (reverse after)))
               "\n")))

(defun efrit-mcp-review--apply (proposal how diff comment)
  "Return the answer to PROPOSAL: HOW, with DIFF as it is now and COMMENT.
Apply the diff when it was accepted."
  (let ((apply (plist-get proposal :apply)) (original (plist-get proposal :diff)))
    (when (and (equal how "accepted") (not (equal diff original)))
      (setq how "amended"))
    (condition-case err
        `((review . ,how)
          ,@(when (and apply (member how '("accepted" "amended"))) `((result . ,(funcall apply diff))))
          ,@(when (equal how "amended")
              `((diff . ,diff) (amended . ,(efrit-mcp-review--amendment original diff))))
          ,@(when (and comment (not (equal comment ""))) `((comment . ,comment))))
      (error `((review . ,how) (error . ,(efrit-mcp-tool--message err))
               ,@(when (equal how "amended") `((diff . ,diff))))))))

(defun efrit-mcp-review--end (buffer how &optional comment keep)
  "End the review in BUFFER: HOW, COMMENT.  With KEEP the buffer is not killed."
  (with-current-buffer buffer
    (let ((callback efrit-mcp-review--callback) (proposal efrit-mcp-review--proposal)
          (diff (efrit-mcp-review--text)))
      (when callback
        (setq efrit-mcp-review--callback nil)
        (when efrit-mcp-review--timer (cancel-timer efrit-mcp-review--timer))
        (unless keep
          (dolist (window (get-buffer-window-list buffer nil t)) (quit-restore-window window))
          (when (buffer-live-p buffer) (kill-buffer buffer)))
        (let ((answer (efrit-mcp-review--apply proposal how diff comment)))
          (when (assq 'error answer) (message "The change was not made: %s" (cdr (assq 'error answer))))
          (funcall callback answer))
        t))))

(defun efrit-mcp-review--killed ()
  "The buffer of a review is killed."
  (efrit-mcp-review--end (current-buffer) "abandoned" nil t))

(defun efrit-mcp-review--here ()
  "Return the buffer of the review; an error when there is none here."
  (unless efrit-mcp-review--callback (user-error "This is no review that waits for you"))
  (current-buffer))

(defun efrit-mcp-review-accept ()
  "Accept the change, with what you edited in it."
  (interactive)
  (let ((buffer (efrit-mcp-review--here)))
    (condition-case err
        (efrit-mcp-diff-hunks (efrit-mcp-review--text))
      (efrit-mcp-invalid-argument (user-error "Not accepted: %s" (cadr err))))
    (efrit-mcp-review--end buffer "accepted")))

(defun efrit-mcp-review-reject (&optional ask)
  "Reject the change; with a prefix argument, ASK, say why."
  (interactive "P")
  (let ((buffer (efrit-mcp-review--here)))
    (efrit-mcp-review--end buffer "rejected" (when ask (read-string "Say to the agent: ")))))

(defun efrit-mcp-review-edit ()
  "Let the diff be edited; \\[efrit-mcp-review-accept] then accepts what you made of it."
  (interactive)
  (efrit-mcp-review--here)
  (setq buffer-read-only nil)
  (message "Edit the diff; C-c C-c accepts what you made of it"))

(defun efrit-mcp-review-waiting ()
  "Return the buffers of reviews that wait for the person, oldest first."
  (reverse (seq-filter (lambda (b) (and (buffer-live-p b) (buffer-local-value 'efrit-mcp-review--callback b)))
                       efrit-mcp-review--open)))

;;;###autoload
(defun efrit-mcp-review-visit ()
  "Go to the change that an agent proposed and that waits for you longest."
  (interactive)
  (pop-to-buffer (or (car (efrit-mcp-review-waiting)) (user-error "No agent proposes a change"))
                 '(display-buffer-reuse-window (reusable-frames . t) (inhibit-same-window . nil))))

(defun efrit-mcp-review--announce (client)
  "Say that CLIENT proposes a change, unless the person is in the minibuffer."
  (when (zerop (minibuffer-depth))
    (message "%s proposes a change  (M-x efrit-mcp-review-visit)" (or client "An agent"))))

(defun efrit-mcp-review (proposal callback)
  "Have the person review PROPOSAL; call CALLBACK with the answer, once.
PROPOSAL is a plist: :diff, a unified diff; :title, :client and :about, strings;
:apply, a function of the diff as it was accepted, which makes the change
and returns what is told of it; :seconds, after which it ends; :key, what
the question is known by where the agent's host asks it.

The answer is an alist: `review' is accepted, amended, rejected,
abandoned or timeout; `result' what :apply returned; `error' that it did
not work; `diff' and `amended' what the person made of it; `comment'.
Return the buffer; killing it abandons the review."
  (let ((diff (or (plist-get proposal :diff) "")))
    (unless (efrit-mcp-diff-hunks diff)
      (signal 'efrit-mcp-invalid-argument '("the diff has no hunks: there is nothing to review")))
    (when (> (length diff) efrit-mcp-review-max)
      (signal 'efrit-mcp-invalid-argument
              (list (format "the diff has %d characters; %d can be reviewed" (length diff) efrit-mcp-review-max))))
    (with-current-buffer (generate-new-buffer (format "*efrit review: %s*" (or (plist-get proposal :title) "change")))
      (insert diff)
      (diff-mode)
      (setq buffer-read-only t
            header-line-format (substitute-command-keys
                                (format " %s proposes this.  \\<efrit-mcp-review-mode-map>\\[efrit-mcp-review-accept] accept  \\[efrit-mcp-review-edit] edit  \\[efrit-mcp-review-reject] reject  %s"
                                        (replace-regexp-in-string "%" "%%" (or (plist-get proposal :client) "An agent"))
                                        (replace-regexp-in-string "%" "%%" (or (plist-get proposal :about) ""))))
            efrit-mcp-review--proposal proposal
            efrit-mcp-review--callback callback)
      (efrit-mcp-review-mode 1)
      (goto-char (point-min))
      (set-buffer-modified-p nil)
      (let ((buffer (current-buffer)))
        (when (plist-get proposal :seconds)
          (setq efrit-mcp-review--timer
                (run-with-timer (plist-get proposal :seconds) nil
                                (lambda () (when (buffer-live-p buffer) (efrit-mcp-review--end buffer "timeout"))))))
        (setq efrit-mcp-review--open (cons buffer (nreverse (efrit-mcp-review-waiting))))
        (efrit-mcp-query-display buffer -1)
        (efrit-mcp-review--announce (plist-get proposal :client))
        buffer))))

(defun efrit-mcp-review-withdraw (buffer)
  "End the review in BUFFER without an answer: nobody waits for it."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (setq efrit-mcp-review--callback nil)
      (when efrit-mcp-review--timer (cancel-timer efrit-mcp-review--timer)))
    (dolist (window (get-buffer-window-list buffer nil t)) (quit-restore-window window))
    (when (buffer-live-p buffer) (kill-buffer buffer))))

(defun efrit-mcp-review-by-client (proposal)
  "Have the user of the job's client review PROPOSAL; return the answer.
As `efrit-mcp-review', but there is nothing to amend; the job ends and is
called again with the answer, so nothing may be changed before."
  (let* ((diff (plist-get proposal :diff))
         (shown (if (> (length diff) efrit-mcp-review--shown)
                    (concat (substring diff 0 efrit-mcp-review--shown) "\n[the rest is not shown]")
                  diff))
         (answer (efrit-mcp-ask-client
                  (or (plist-get proposal :key)
                      (concat "review-" (substring (secure-hash 'sha1 (encode-coding-string diff 'utf-8-emacs)) 0 12)))
                  "elicitation/create"
                  `((mode . "form")
                    (message . ,(format "%s\n\n%s" (or (plist-get proposal :title) "Make this change?") shown))
                    (requestedSchema
                     . ((type . "object")
                        (properties . ((decision . ((type . "string") (enum . ["accept" "reject"])))
                                       (comment . ((type . "string") (title . "Say to the agent")))))
                        (required . ["decision"]))))))
         (content (cdr (assoc "content" answer)))
         (comment (cdr (assoc "comment" content))))
    (efrit-mcp-review--apply
     proposal
     (pcase (cons (cdr (assoc "action" answer)) (cdr (assoc "decision" content)))
       ('("accept" . "accept") "accepted")
       ((or '("accept" . "reject") `("decline" . ,_)) "rejected")
       (_ "abandoned"))
     diff (and (stringp comment) comment))))

(provide 'efrit-mcp-review)
;;; efrit-mcp-review.el ends here
