;;; efrit-mcp-tools-view.el --- emacs_command, emacs_keys, emacs_window  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Act as the person would, without taking their window, point or frame away unless
;; asked to, and without leaving a question behind.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-prompt)
(require 'efrit-mcp-debugger)
(require 'efrit-mcp-userlock)
(require 'efrit-mcp-tools-look)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(defun efrit-mcp-view--in (file buffer function)
  "Call FUNCTION in FILE or BUFFER, in its window if it has one.
The person's window stays selected; with neither, FUNCTION is called there."
  (if (not (or file buffer))
      (with-selected-window (efrit-mcp-look-window) (funcall function))
    (let* ((b (efrit-mcp-target file buffer)) (window (get-buffer-window b)))
      (if window
          (with-selected-window window (funcall function))
        (save-current-buffer (set-buffer b) (funcall function))))))

(defun efrit-mcp-view--check-prompt (what)
  "Signal an error that WHAT is not done while the person answers a question."
  (when (> (minibuffer-depth) 0)
    (signal 'efrit-mcp-error
            (list (format "the person has a question open in the minibuffer (%s): %s would disturb it; wait with efrit_wait"
                          (or (with-current-buffer (window-buffer (minibuffer-window)) (minibuffer-prompt)) "") what)))))

;;; What no tool does

(defconst efrit-mcp-view--never
  '(save-buffers-kill-terminal save-buffers-kill-emacs kill-emacs restart-emacs server-edit-abort
    suspend-frame suspend-emacs iconify-or-deiconify-frame delete-frame)
  "Commands that take the editor or the frame away from the person.")

(defun efrit-mcp-view--stay (&rest _)
  "Refuse to end or stop Emacs: what a tool runs gets here by a hook."
  (signal 'efrit-mcp-error '("an agent does not end Emacs, suspend it or close the person's frame")))

(defmacro efrit-mcp-view--staying (&rest body)
  "Run BODY; Emacs is not ended meanwhile."
  (declare (indent 0) (debug t))
  `(let ((kill-emacs-query-functions (list #'efrit-mcp-view--stay)) (kill-emacs-hook (list #'efrit-mcp-view--stay))
         (suspend-hook (list #'efrit-mcp-view--stay)))
     ,@body))

;;; Commands

(defun efrit-mcp-command--run (command arguments prefix)
  "Call COMMAND with ARGUMENTS, a list, or as the person does with PREFIX."
  (when (memq command efrit-mcp-view--never) (efrit-mcp-view--stay))
  (setq this-command command)
  (let ((inhibit-field-text-motion nil))
    (if arguments
        (let ((current-prefix-arg prefix)) (apply command arguments))
      (let ((prefix-arg prefix) (current-prefix-arg prefix)) (call-interactively command)))))

(defun efrit-mcp-command--unknown (name)
  "Return what to say of NAME, which is no command, with some that are near."
  (let ((near (and (> (length name) 3)
                   (seq-take (sort (all-completions (substring name 0 (max 4 (- (length name) 2))) obarray #'commandp) #'string<) 5))))
    (cond ((string-match-p "\\`[ \t\n]*\\'" name) "command is empty: give the name of one, as M-x takes it")
          (near (format "there is no command %s; near: %s" name (string-join near ", ")))
          (t (format "there is no command %s; emacs_describe with kind apropos finds names" name)))))

(efrit-mcp-define-tool emacs-command
    "Run a command by name, as M-x does, where the person is or in file or buffer. It cannot ask: give what it would ask for as args, the arguments of the Lisp function. A command that asks anyway fails with its question."
    ((command string nil :required t)
     (args (list-of any) "Strings, numbers, true, false, null.")
     (prefix integer "As C-u.")
     (file string nil) (buffer string nil)
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Run a command" :destructive t :open-world t)
  (let ((symbol (intern-soft command)))
    (unless (commandp symbol)
      (signal 'efrit-mcp-not-found
              (list (if (and symbol (fboundp symbol)) (format "%s is a function, no command: efrit_execute calls it" command)
                      (efrit-mcp-command--unknown command)))))
    (efrit-mcp-view--check-prompt "a command")
    (efrit-mcp-acting "emacs_command" observe
      (let ((value nil))
        (efrit-mcp-view--in
         file buffer
         (lambda ()
           (setq value (efrit-mcp-view--staying
                         (efrit-mcp-command--run
                          symbol (mapcar (lambda (a) (pcase a (:null nil) (:false nil) (_ a))) (append args nil)) prefix)))
           (undo-boundary)))
        (when (or (stringp value) (numberp value)) `((value . ,(efrit-mcp-look--cut (format "%s" value) 500))))))))

;;; Keys

(defconst efrit-mcp-keys--max 500 "Keys that are typed by one call.")

(defvar efrit-mcp-keys--asked nil
  "What was open when the keys were at their end, an alist, or nil.")

(defun efrit-mcp-keys--question ()
  "Return the question that is open, an alist; the choices are those that fit."
  (let* ((shown (efrit-mcp-prompt-show)) (contents (alist-get 'contents shown)))
    (append (seq-remove (lambda (member) (memq (car member) '(choices of open))) shown)
            (when (alist-get 'choices shown)
              `((choices . ,(with-current-buffer (window-buffer (efrit-mcp-prompt--window))
                              (vconcat (seq-take (ignore-errors (all-completions contents minibuffer-completion-table
                                                                                 minibuffer-completion-predicate))
                                                 20)))))))))

(defun efrit-mcp-keys--end ()
  "The keys are at their end: leave the question that is open, and say which."
  (interactive)
  (when (> (minibuffer-depth) 0)
    (setq efrit-mcp-keys--asked (efrit-mcp-keys--question)))
  (throw 'efrit-mcp-keys--end nil))

(defun efrit-mcp-keys--watch ()
  "Refuse a command that takes the editor away, before it runs.
Note that the one before killed text."
  (when (eq last-command 'kill-region) (setq efrit-mcp-person-killed t))
  (when (memq this-command efrit-mcp-view--never)
    (setq efrit-mcp-keys--asked `((refused . ,(symbol-name this-command))))
    (throw 'efrit-mcp-keys--end nil)))

(defun efrit-mcp-keys--parse (keys)
  "Return the events of KEYS, as `kbd' takes them."
  (let ((events (condition-case err (kbd keys)
                  (error (efrit-mcp-invalid "keys cannot be read (%s): write them as C-x C-f or M-x a b RET" (error-message-string err))))))
    (when (= (length events) 0) (efrit-mcp-invalid "keys is empty"))
    (when (> (length events) efrit-mcp-keys--max)
      (efrit-mcp-invalid "at most %d keys a call; emacs_edit puts longer text in" efrit-mcp-keys--max))
    (listify-key-sequence events)))

(defun efrit-mcp-keys--type (events)
  "Type EVENTS as the person would, then leave what they left open."
  (let ((inhibit-interaction nil) (inhibit-field-text-motion nil) (efrit-mcp-userlock-refuse t)
        (efrit-mcp-prompt--refuse nil) (efrit-mcp-prompt--allowed (minibuffer-depth)) (efrit-mcp-debugger-typed t)
        (pre-command-hook (cons #'efrit-mcp-keys--watch pre-command-hook))
        ;; A map that the person's last command left for the next takes none of these keys.
        (overriding-terminal-local-map nil) (overriding-local-map nil)
        (unread-command-events nil) (last-kbd-macro last-kbd-macro) (old (lookup-key global-map [efrit-mcp-end])))
    (unwind-protect
        (progn
          (define-key global-map [efrit-mcp-end] #'efrit-mcp-keys--end)
          (catch 'efrit-mcp-keys--end
            ;; Several: a question that reads single keys takes the first for a wrong answer.
            (efrit-mcp-view--staying
              (execute-kbd-macro (vconcat events (make-vector 3 'efrit-mcp-end))))))
      (define-key global-map [efrit-mcp-end] old))))

(efrit-mcp-define-tool emacs-keys
    "Type keys as the person would, as C-s foo RET or M-x text-mode RET, in the person's window or that of buffer, which must be shown (emacs_window). Text stands for itself, blanks are SPC. A question the keys leave open is told and left. Prefer emacs_edit for text and emacs_command for commands."
    ((keys string "As kbd of Emacs Lisp takes them." :required t)
     (buffer string nil)
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Type keys" :destructive t :open-world t)
  (let ((events (efrit-mcp-keys--parse keys))
        (window (if buffer (or (get-buffer-window (efrit-mcp-target-buffer buffer) t)
                               (efrit-mcp-invalid "no window shows %s: emacs_window shows it" buffer))
                  (efrit-mcp-secret-check (window-buffer (efrit-mcp-look-window)))
                  (efrit-mcp-look-window))))
    (efrit-mcp-view--check-prompt "typing")
    (when (bound-and-true-p isearch-mode)
      (signal 'efrit-mcp-error '("the person is searching (C-s): typing would end that; try again later")))
    (efrit-mcp-acting "emacs_keys" observe
      (let ((efrit-mcp-keys--asked nil) (bell nil))
        (cl-flet ((type ()
                    (condition-case err
                        (efrit-mcp-keys--type events)
                      (error (setq bell (error-message-string err))))))
          (if buffer
              (with-selected-window window (type))
            (select-window window)
            (set-buffer (window-buffer window))
            (type)))
        (when (assq 'refused efrit-mcp-keys--asked) (efrit-mcp-view--stay))
        `(,@(when bell `((stopped . ,bell)))
          ,@(when efrit-mcp-keys--asked `((asked . ,efrit-mcp-keys--asked))))))))

;;; Windows

(defun efrit-mcp-window--line (window line column)
  "Have WINDOW show LINE and COLUMN of its buffer; its point goes there."
  (when line
    (with-selected-window window
      (when (buffer-narrowed-p)
        (let ((pos (save-excursion (save-restriction (efrit-mcp-target-goto line) (point)))))
          (unless (<= (point-min) pos (point-max))
            (efrit-mcp-invalid "line %d is outside of what the person narrowed the buffer to" line))))
      (goto-char (save-excursion (save-restriction (efrit-mcp-target-goto line column) (point))))
      (ignore-errors (recenter)))))

(defun efrit-mcp-window--show (buffer where focus line column)
  "Show BUFFER at LINE and COLUMN, WHERE; FOCUS: the person goes there too."
  (let* ((window
          (pcase where
            ("same" (let ((w (efrit-mcp-look-window))) (set-window-buffer w buffer) w))
            (_ (or (get-buffer-window buffer)
                   (display-buffer buffer
                                   `((,(pcase where ("below" 'display-buffer-below-selected) ("right" 'display-buffer-in-direction)
                                         (_ 'display-buffer-use-some-window))
                                      display-buffer-pop-up-window display-buffer-use-some-window)
                                     (direction . right) (inhibit-same-window . t) (inhibit-switch-frame . t))))))))
    (unless (window-live-p window) (signal 'efrit-mcp-error '("no window could be had: the frame is too small")))
    (efrit-mcp-window--line window line column)
    (when focus (select-window window))
    window))

(defun efrit-mcp-window--of (file buffer)
  "Return the window that shows FILE or BUFFER; the person's for neither."
  (if (or file buffer)
      (let ((b (efrit-mcp-target file buffer)))
        (or (get-buffer-window b t) (efrit-mcp-invalid "no window shows %s: op show shows it" (buffer-name b))))
    (efrit-mcp-look-window)))

(defun efrit-mcp-window--close (window)
  "Take WINDOW away; its buffer stays."
  (when (one-window-p t (window-frame window)) (efrit-mcp-invalid "it is the only window of its frame"))
  (delete-window window))

(efrit-mcp-define-tool emacs-window
    "Windows of the person: show a file or buffer (line, column) beside theirs, goto a line in its window, scroll by lines, split, close, only, select. Their window stays the selected one unless focus is true or op is select."
    ((op (one-of "show" "goto" "scroll" "split" "close" "only" "select") nil :default "show")
     (file string nil) (buffer string nil)
     (line integer "Scroll: lines, negative is up.") (column integer "From 0.")
     (where (one-of "other" "same" "below" "right") nil :default "other")
     (focus boolean nil :default nil)
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Show and arrange windows")
  (efrit-mcp-acting "emacs_window" observe
    (pcase op
      ("show" (efrit-mcp-window--show (efrit-mcp-target file buffer) where focus line column))
      ("goto" (efrit-mcp-window--line (efrit-mcp-window--of file buffer) (or line (efrit-mcp-invalid "line is missing")) column))
      ("scroll" (with-selected-window (efrit-mcp-window--of file buffer)
                  (condition-case nil (scroll-up (or line (efrit-mcp-invalid "line is missing")))
                    ((beginning-of-buffer end-of-buffer) nil))))
      ("split" (let ((w (split-window (efrit-mcp-window--of nil nil) nil (if (equal where "right") 'right 'below))))
                 (when (or file buffer) (set-window-buffer w (efrit-mcp-target file buffer)) (efrit-mcp-window--line w line column))
                 (when focus (select-window w))))
      ("close" (efrit-mcp-window--close (efrit-mcp-window--of file buffer)))
      ("only" (delete-other-windows (efrit-mcp-window--of file buffer)))
      ("select" (select-window (efrit-mcp-window--of file buffer))))
    `((windows . ,(efrit-mcp-look--windows)))))

(provide 'efrit-mcp-tools-view)
;;; efrit-mcp-tools-view.el ends here
