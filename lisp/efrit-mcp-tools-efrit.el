;;; efrit-mcp-tools-efrit.el --- The efrit_* tools  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Evaluate, wait, and what the bridge answers by itself: status, interrupt, list.
;; The order here is the order agents see.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-observe)
(require 'efrit-mcp-efrit)
(require 'efrit-mcp-question)
(require 'efrit-mcp-secrets)
(require 'efrit-mcp-wait)

(defvar efrit-mcp-server-instance)
(defvar efrit-mcp-max-chars)
(defvar inhibit-debug-on-entry)

(push 'efrit-mcp-efrit--eval efrit-mcp-tool-backtrace-ends)

(defun efrit-mcp-efrit--skip (content at)
  "Return where in CONTENT the white space and comments end that begin AT."
  (let ((end (length content)) (more t))
    (while (and more (< at end))
      (let ((c (aref content at)))
        (cond ((memq c '(?\s ?\t ?\n ?\r ?\f)) (setq at (1+ at)))
              ((eq c ?\;) (setq at (or (string-search "\n" content at) end)))
              (t (setq more nil)))))
    at))

(defun efrit-mcp-efrit--read (content)
  "Return the forms of CONTENT, a string; all are read before any is evaluated."
  (let ((forms nil) (end (length content)) (at (efrit-mcp-efrit--skip content 0)))
    (while (< at end)
      (let ((read (condition-case err
                      (read-from-string content at)
                    (error (efrit-mcp-efrit--unreadable err content at)))))
        (push (car read) forms)
        (setq at (efrit-mcp-efrit--skip content (cdr read)))))
    (nreverse forms)))

(defun efrit-mcp-efrit--unreadable (err content at)
  "Signal ERR again, saying which form of CONTENT it was, the one that begins AT."
  (let* ((before (substring content 0 at))
         (line (1+ (seq-count (lambda (c) (eq c ?\n)) before)))
         (column (- at (let ((newline (seq-position (reverse before) ?\n)))
                         (if newline (- at newline) 0)))))
    (signal (car err)
            (list (format "in the form that begins at line %d, column %d; nothing was evaluated" line column)))))

(defconst efrit-mcp-efrit--output-name " *efrit-mcp-output*" "Name of the buffer that takes what a form prints.")

(defun efrit-mcp-efrit--output ()
  "Return the buffer that takes what a form prints, empty."
  (let ((buffer (get-buffer-create efrit-mcp-efrit--output-name t)))
    (if (and (= (buffer-size buffer) 0) (efrit-mcp-efrit--writable-p buffer))
        buffer
      (condition-case nil
          (with-current-buffer buffer
            (widen)
            (erase-buffer)
            (if (efrit-mcp-efrit--writable-p buffer) buffer (error "No")))
        (error (efrit-mcp-efrit--new-output buffer))))))

(defun efrit-mcp-efrit--writable-p (buffer)
  "Return non-nil if any text can be printed to BUFFER."
  (not (or (buffer-local-value 'buffer-read-only buffer)
           (not (buffer-local-value 'enable-multibyte-characters buffer)))))

(defun efrit-mcp-efrit--new-output (buffer)
  "Return a new buffer in the place of BUFFER, which a form has made unusable."
  (with-current-buffer buffer (rename-buffer (generate-new-buffer-name efrit-mcp-efrit--output-name)))
  (ignore-errors (kill-buffer buffer))
  (get-buffer-create efrit-mcp-efrit--output-name t))

(defvar efrit-mcp-efrit--fields nil
  "The person's `inhibit-field-text-motion', while a form is evaluated.")

(defun efrit-mcp-efrit--assigned (output)
  "Give the person what a form assigned to variables that are bound around it.
OUTPUT is what `standard-output' was bound to."
  (unless (eq standard-output output)
    (set-default-toplevel-value 'standard-output standard-output))
  (unless (eq inhibit-debug-on-entry (default-toplevel-value 'inhibit-debug-on-entry))
    (set-default-toplevel-value 'inhibit-debug-on-entry inhibit-debug-on-entry))
  (unless (eq inhibit-field-text-motion efrit-mcp-efrit--fields)
    (set-default-toplevel-value 'inhibit-field-text-motion inhibit-field-text-motion)))

(defun efrit-mcp-efrit--eval (content max)
  "Evaluate the forms of CONTENT; return the answer, MAX characters of it."
  (let* ((forms (efrit-mcp-efrit--read content))
         (output (efrit-mcp-efrit--output))
         (efrit-mcp-efrit--fields (default-toplevel-value 'inhibit-field-text-motion))
         (value nil))
    (let ((standard-output output) (inhibit-field-text-motion efrit-mcp-efrit--fields)
          ;; The server's own code runs without.
          (inhibit-debug-on-entry (default-toplevel-value 'inhibit-debug-on-entry)))
      (unwind-protect
          (dolist (form forms) (setq value (eval form t)))
        (efrit-mcp-efrit--assigned output)))
    (efrit-mcp-efrit--answer value output max)))

(defun efrit-mcp-efrit--answer (value output max)
  "Return Efrit's response for VALUE and what was printed to the buffer OUTPUT.
At most MAX characters of each."
  (let* ((shown (efrit-mcp-print value max))
         (size (if (buffer-live-p output) (buffer-size output) 0))
         (printed (if (> size 0)
                      (with-current-buffer output
                        (buffer-substring-no-properties 1 (min (point-max) (1+ max))))
                    "")))
    (cons '(status . "success")
          (cons (cons 'result (car shown))
                (nconc
                 (when (and (stringp value) (efrit-mcp-print-raw-p value)) (list '(lossy . t)))
                 (when (cdr shown)
                   `((truncated . ,(if (eq (cdr shown) 'deep)
                                       "the value holds too many values within values to be printed; take it apart in Lisp"
                                     (format "the value is longer than max_chars (%d)" max)))))
                 (when (> size 0) `((output . ,printed)))
                 (when (> size max)
                   `((output_truncated . ,(format "%d characters were printed, %d are shown (max_chars)" size max)))))))))

(defun efrit-mcp-efrit--with-context (answer context)
  "Return ANSWER, with CONTEXT with where the editor is; a deferred one as it is."
  (if (and context (consp answer))
      (nconc answer `((context . ,(efrit-mcp-observe-state t))))
    answer))

(efrit-mcp-define-tool efrit-execute
    "Run something inside the live Emacs. type eval: CONTENT is Emacs Lisp, one or more forms, evaluated in the buffer the person looks at; the answer holds the printed value of the last one, printed output, new messages, changed buffers and where the editor is. Errors name the Lisp error symbol and carry a backtrace. A form that asks the person a question fails at once with the question. It is stopped at its timeout. type command or chat: natural language for the Efrit package, if loaded. type status: is Efrit there."
    ((content string "Emacs Lisp (type eval), or the request to Efrit." :default "")
     (type (one-of "eval" "command" "chat" "status") "What CONTENT is." :default "eval")
     (return-context boolean "Also return the directory, windows and buffers." :default nil)
     (observe (one-of "none" "brief" "full") "How much to tell of messages, changed buffers and the editor." :default "brief")
     (max-chars integer "Characters of value and output to return at most." :default 40000 :minimum 1 :maximum 16000000)
     (ask-client boolean "Questions in the minibuffer are put to your user (elicitation), and CONTENT is then evaluated again from its start with the answers: let it ask before it changes anything." :default nil)
     (allow-prompt boolean "A question may stay open (state prompting) until efrit_prompt answers it, the person does, or the timeout. Without it a question fails at once." :default nil)
     (priority (one-of "interactive" "normal" "batch") "Who goes first in the queue; batch only where nobody sits." :default "normal"))
    (:title "Run in Emacs" :destructive t :open-world t)
  (efrit-mcp-observe-begin (if (and return-context (not (equal observe "none"))) "full" observe))
  (when (and (equal content "") (not (equal type "status")))
    (signal 'efrit-mcp-invalid-argument '("content is missing: say what to run")))
  (efrit-mcp-efrit--with-context
   (pcase type
     ("eval" (efrit-mcp-secret-check-eval)
      (let ((max (or max-chars efrit-mcp-max-chars)))
        (cond (ask-client (efrit-mcp-question-to-client (apply-partially #'efrit-mcp-efrit--eval content max)))
              (allow-prompt (efrit-mcp-prompt-allow (apply-partially #'efrit-mcp-efrit--eval content max)))
              (t (efrit-mcp-efrit--eval content max)))))
     ("command" (efrit-mcp-efrit-command content))
     ("chat" (efrit-mcp-efrit-chat content))
     (_ (efrit-mcp-efrit-status)))
   (and return-context (equal observe "none"))))

(efrit-mcp-define-tool efrit-status
    "Say what an Emacs does right now and why: state (starting, idle, running, prompting, blocked, gone), what runs for whom and for how long, what waits, an open prompt, the child process it waits for. Always answers within milliseconds, also while Emacs is stuck: look here first when a call takes long."
    ((instance-id string "Which Emacs; omit it when only one runs."))
    (:title "State of Emacs" :read-only t :bridge t)
  nil)

(efrit-mcp-define-tool efrit-interrupt
    "Stop what runs in an Emacs: the running request, or the given one, also if it waits in the queue. Says what was done: stopped, finished before (its client has the value), not_stopped and why, or nothing ran. Never ends Emacs."
    ((instance-id string "Which Emacs; omit it when only one runs.")
     (request integer "Number of the request, from efrit_status; omit it for what runs." :minimum 1))
    (:title "Stop a running form" :destructive t :idempotent t :bridge t)
  nil)

(efrit-mcp-define-tool efrit-wait
    "Wait without polling until Emacs is idle (for idle), a new message in *Messages* matches PATTERN (for message), or the text of BUFFER matches it (for buffer text). Returns met true or false; the timeout is no error. Other calls go on meanwhile."
    ((for (one-of "idle" "message" "buffer text") "What to wait for." :required t)
     (pattern string "Emacs regular expression; needed for message and buffer text.")
     (buffer string "Buffer whose text is watched; for buffer text.")
     (timeout seconds "Seconds to wait at most, up to 3600." :default 30))
    (:title "Wait for Emacs" :read-only t :nest t)
  (efrit-mcp-wait for pattern buffer (or efrit-mcp-tool-timeout timeout)))

(efrit-mcp-define-tool efrit-list-instances
    "List the Emacs instances that can be used, each with its id, state, process id and versions. Always answers within milliseconds."
    ()
    (:title "List Emacs instances" :read-only t :bridge t)
  nil)

(efrit-mcp-define-tool efrit-get-queue-stats
    "Figures of an Emacs's queue: calls pending and running now, completed and failed in the last hour, average and p95 run time in seconds, seconds since the last activity; from a gateway also the history of the last hour and day. Always answers within milliseconds."
    ((instance-id string "Which Emacs; omit it when only one runs."))
    (:title "Figures of the queue" :read-only t :bridge t)
  nil)

(efrit-mcp-define-tool efrit-execute-batch
    "Evaluate many forms of Emacs Lisp, one answer: how each went, where it ran, how long it waited and ran. Without instance_id they go to the pool of Emacs workers, if there is one. With keep the answer is a job at once: it goes on without you and survives a restart of the gateway; ask for it with job."
    ((forms (list-of string) "Each like CONTENT of efrit_execute.")
     (instance-id string "Which Emacs or pool.")
     (order (one-of "parallel" "sequential") "sequential: each begins when the one before has ended." :default "parallel")
     (on-failure (one-of "continue" "stop") "stop: what was not begun is skipped." :default "continue")
     (idempotent boolean "A form lost with its Emacs may run again." :default nil)
     (timeout seconds "For each form." :default 30)
     (max-chars integer "Characters of each value and output." :default 4000 :minimum 1 :maximum 16000000)
     (priority (one-of "interactive" "normal" "batch") "Who goes first in the queue; batch only where nobody sits, normal elsewhere." :default "batch")
     (keep boolean "Keep it as a job." :default nil)
     (job string "Id of a job: how it stands.")
     (wait number "With job: seconds to wait for its end." :default 0 :minimum 0 :maximum 3600)
     (cancel boolean "With job: end it." :default nil))
    (:title "Run a batch in Emacs" :destructive t :open-world t :bridge t)
  nil)

(efrit-mcp-define-tool efrit-start-instance
    "Start an Emacs of your own in the background, without a window, and wait until it can be used. It goes on when you leave; end it with efrit_stop_instance. A name in use is refused."
    ((name string "Its id: 1 to 48 of A-Z a-z 0-9 . _ -" :required t)
     (workspace string "Folder it works in; omitted: the one the bridge was started in.")
     (init (one-of "none" "default") "Read no init file, or the person's." :default "none"))
    (:title "Start an Emacs" :open-world t :bridge t)
  nil)

(efrit-mcp-define-tool efrit-stop-instance
    "End an Emacs that efrit_start_instance started: it is asked, then told by a signal. Refused while files have unsaved changes, and for any Emacs that was not started so, unless force is true; with force it is killed in the end."
    ((instance-id string "Which Emacs." :required t)
     (force boolean "End it whatever it is and holds." :default nil))
    (:title "End an Emacs" :destructive t :bridge t)
  nil)

(efrit-mcp-define-tool efrit-prompt
    "Show, answer or abort the question a call left open (efrit_execute with allow_prompt): op show returns its text, default and choices; answer submits VALUE as if typed; abort ends the call that asked. Questions of the person are shown and never touched."
    ((op (one-of "show" "answer" "abort") "What to do." :default "show")
     (value string "The answer; for y-or-n questions y or n." :default ""))
    (:title "Answer a question" :destructive t :nest t)
  (efrit-mcp-prompt-do op value efrit-mcp-tool-client))

(provide 'efrit-mcp-tools-efrit)
;;; efrit-mcp-tools-efrit.el ends here
