;;; efrit-mcp-query.el --- An agent asks the person, who answers at leisure  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Questions of agents stand in the buffer *efrit-mcp-questions*, shown in a window that
;; is not selected.  The person clicks a choice, or presses RET on it, or types a text;
;; declines; or kills the buffer.  Each question ends with one answer: accepted,
;; declined, abandoned or timeout.  The minibuffer is not touched.

;;; Code:

(require 'efrit-mcp-native)
(require 'subr-x)
(require 'button)
(eval-when-compile (require 'cl-lib))

(cl-defstruct (efrit-mcp-query (:constructor efrit-mcp-query--make) (:copier nil))
  "A question to the person."
  id client text choices function asked)

(defvar efrit-mcp-query--all nil "The open questions, oldest first.")
(defvar efrit-mcp-query--count 0 "How many there were.")

(defconst efrit-mcp-query--buffer "*efrit-mcp-questions*" "Name of the buffer.")
(defconst efrit-mcp-query-max 20 "Questions that may be open at once.")

(defface efrit-mcp-question '((t :inherit bold))
  "Face of a question an agent asks you."
  :group 'efrit-mcp)

(defvar efrit-mcp-query-mode-map
  (let ((map (make-sparse-keymap)))
    (set-keymap-parent map (make-composed-keymap button-buffer-map special-mode-map))
    (define-key map "a" #'efrit-mcp-answer)
    (define-key map "d" #'efrit-mcp-decline)
    map)
  "Keys in the buffer of questions.")

(define-derived-mode efrit-mcp-query-mode special-mode "Questions"
  "Questions agents ask you; \\[efrit-mcp-answer] answers, \\[efrit-mcp-decline] declines.
Killing the buffer leaves all of them without an answer."
  :interactive nil
  (setq-local revert-buffer-function (lambda (&rest _) (efrit-mcp-query--show)))
  (add-hook 'kill-buffer-hook #'efrit-mcp-query--abandon nil t))

(defun efrit-mcp-query-person-p ()
  "Return non-nil if somebody can see a frame of this Emacs."
  (and (not noninteractive)
       (seq-some (lambda (frame)
                   (and (frame-visible-p frame)
                        (not (equal (terminal-name (frame-terminal frame)) "initial_terminal"))))
                 (frame-list))))

(defconst efrit-mcp-query--share 0.4 "The most of a frame's height that a question or a review takes.")

(defun efrit-mcp-query--fit (window)
  "Have WINDOW, at the bottom of its frame, be as high as its text needs.
One that has others beside it is left as it is."
  (unless (window-combined-p window t)
    (fit-window-to-buffer window (max 5 (floor (* efrit-mcp-query--share (frame-height (window-frame window))))) 5)))

(defun efrit-mcp-query-display (buffer &optional slot)
  "Show BUFFER in the person's frame, in a window that is not selected.
It is a window at the bottom; SLOT, a number, says which beside others."
  (let ((window (selected-window)))
    (prog1 (display-buffer buffer `((display-buffer-reuse-window display-buffer-in-side-window
                                                                 display-buffer-pop-up-window display-buffer-use-some-window)
                                    (side . bottom) (slot . ,(or slot 0)) (window-height . efrit-mcp-query--fit)
                                    (inhibit-same-window . t) (inhibit-switch-frame . t)))
      (unless (or (eq window (selected-window)) (not (window-live-p window)))
        (save-current-buffer (select-window window t))))))

(defun efrit-mcp-query--button (label question answer)
  "Insert a button LABEL that ends QUESTION with ANSWER, a function of none."
  (insert-text-button label 'follow-link t 'efrit-mcp-query question
                      'action (lambda (_) (funcall answer))))

(defun efrit-mcp-query--insert (question)
  "Insert QUESTION with its buttons."
  (let ((start (point)))
    (insert (propertize (format "%s asks" (or (efrit-mcp-query-client question) "An agent")) 'face 'shadow) "\n"
            (propertize (efrit-mcp-query-text question) 'face 'efrit-mcp-question) "\n")
    (seq-do-indexed
     (lambda (choice n)
       (insert (format " %d " (1+ n)))
       (efrit-mcp-query--button choice question (lambda () (efrit-mcp-query-end question "accepted" choice)))
       (insert "\n"))
     (efrit-mcp-query-choices question))
    (insert " ")
    (unless (efrit-mcp-query-choices question)
      (efrit-mcp-query--button "[Answer]" question (lambda () (efrit-mcp-answer question)))
      (insert "  "))
    (efrit-mcp-query--button "[Decline]" question (lambda () (efrit-mcp-query-end question "declined")))
    (insert "\n\n")
    (put-text-property start (point) 'efrit-mcp-query question)))

(defun efrit-mcp-query--show ()
  "Have the buffer show the open questions; take it away when there are none."
  (let ((buffer (get-buffer efrit-mcp-query--buffer)))
    (cond (efrit-mcp-query--all
           (with-current-buffer (get-buffer-create efrit-mcp-query--buffer)
             (unless (derived-mode-p 'efrit-mcp-query-mode) (efrit-mcp-query-mode))
             (let ((inhibit-read-only t) (at (point)))
               (erase-buffer)
               (mapc #'efrit-mcp-query--insert efrit-mcp-query--all)
               (goto-char (min at (point-max))))
             (let ((window (get-buffer-window (current-buffer) t)))
               (cond ((null window) (efrit-mcp-query-display (current-buffer)))
                     ((window-parameter window 'window-side) (efrit-mcp-query--fit window))))))
          (buffer
           (dolist (window (get-buffer-window-list buffer nil t))
             (quit-restore-window window))
           (kill-buffer buffer)))))

(defun efrit-mcp-query-put (client text choices function)
  "Ask the person TEXT for CLIENT; return the question.
CHOICES is a list of strings, nil: any text.  FUNCTION is called once,
with what came of it: accepted and the answer, declined or abandoned."
  (when (>= (length efrit-mcp-query--all) efrit-mcp-query-max)
    (signal 'efrit-mcp-error (list (format "%d questions are open already; wait for their answers" efrit-mcp-query-max))))
  (let ((question (efrit-mcp-query--make :id (setq efrit-mcp-query--count (1+ efrit-mcp-query--count))
                                       :client client :text text :choices choices :function function
                                       :asked (float-time))))
    (setq efrit-mcp-query--all (append efrit-mcp-query--all (list question)))
    (efrit-mcp-query--show)
    (when (zerop (minibuffer-depth))
      (message "%s asks: %s  (M-x efrit-mcp-answer)" (or client "An agent")
               (truncate-string-to-width (car (split-string text "\n")) 60 nil nil "...")))
    question))

(defun efrit-mcp-query-take-back (question)
  "QUESTION needs no answer any more; return non-nil if it was open."
  (when (memq question efrit-mcp-query--all)
    (setq efrit-mcp-query--all (delq question efrit-mcp-query--all))
    (efrit-mcp-query--show)
    t))

(defun efrit-mcp-query-end (question how &optional answer)
  "End QUESTION: HOW is accepted, with ANSWER, declined or abandoned."
  (if (efrit-mcp-query-take-back question)
      (funcall (efrit-mcp-query-function question) how answer)
    (message "Nobody waits for that answer any more")))

(defun efrit-mcp-query--abandon ()
  "The buffer of questions is killed: they end."
  (let ((all efrit-mcp-query--all))
    (setq efrit-mcp-query--all nil)
    (dolist (question all)
      (funcall (efrit-mcp-query-function question) "abandoned" nil))))

(defun efrit-mcp-query--at-point ()
  "Return the question at point, else the oldest; an error when there is none."
  (or (let ((here (get-text-property (point) 'efrit-mcp-query))) (and (memq here efrit-mcp-query--all) here))
      (car efrit-mcp-query--all)
      (user-error "No agent asks anything")))

;;;###autoload
(defun efrit-mcp-answer (&optional question)
  "Answer what an agent asked you: QUESTION, the one at point, or the oldest."
  (interactive)
  (let* ((question (or question (efrit-mcp-query--at-point)))
         (prompt (format "%s " (efrit-mcp-query-text question)))
         (answer (if (efrit-mcp-query-choices question)
                     (completing-read prompt (efrit-mcp-query-choices question) nil t)
                   (read-string prompt))))
    (efrit-mcp-query-end question "accepted" answer)))

;;;###autoload
(defun efrit-mcp-decline ()
  "Decline to answer what an agent asked you: at point, or the oldest question."
  (interactive)
  (efrit-mcp-query-end (efrit-mcp-query--at-point) "declined"))

(provide 'efrit-mcp-query)
;;; efrit-mcp-query.el ends here
