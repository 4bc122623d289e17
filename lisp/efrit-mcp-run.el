;;; efrit-mcp-run.el --- Commands that run in a visible buffer  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; What an agent compiles, tests or runs in a shell goes on in an ordinary compilation
;; buffer, in a window that is not selected.  The person can look, type into it where it
;; is a shell command, and end it (C-c C-k, or by killing the buffer).  Whoever waits
;; for its end hears of it once, whatever the end was.

;;; Code:

(require 'efrit-mcp-later)
(require 'efrit-mcp-observe)
(require 'compile)
(require 'subr-x)
(eval-when-compile (require 'cl-lib))

(defcustom efrit-mcp-run-buffer-max 1000000
  "Characters of output the buffer of an agent's command keeps; older ones go."
  :type 'natnum :group 'efrit-mcp)

(defcustom efrit-mcp-run-kept 50
  "Commands that ended whose results are kept for agents."
  :type 'natnum :group 'efrit-mcp)

(defcustom efrit-mcp-run-at-once 8
  "Commands of agents that may run at once; more are refused."
  :type 'natnum :group 'efrit-mcp)

(defconst efrit-mcp-run--parsed 60000 "Characters at the end of the output in which errors are looked for.")
(defconst efrit-mcp-run--errors 50 "Errors that an answer shows.")
(defconst efrit-mcp-run--line-max 4000
  "Characters of a line above which no error is looked for in it.")
(defconst efrit-mcp-run--patience 2 "Seconds a command has to end after it was interrupted, before it is killed.")

(cl-defstruct (efrit-mcp-run (:constructor efrit-mcp-run--make) (:copier nil))
  "A command of an agent.
STATE is running, exited, signalled, buffer-killed; WAITERS are functions
called at its end."
  id command directory client buffer process (state "running") code started ended waiters stopped-by last)

(defvar efrit-mcp-run--all nil "The commands, newest first.")
(defvar efrit-mcp-run--count 0 "How many there were.")
(defvar-local efrit-mcp-run--here nil "The command that runs in this buffer.")

(defun efrit-mcp-run-find (id)
  "Return the command ID, a string; an error names those there are."
  (or (seq-find (lambda (run) (equal (efrit-mcp-run-id run) id)) efrit-mcp-run--all)
      (signal 'efrit-mcp-invalid-argument
              (list (format "%s; %s" (if id (format "there is no job %s" id) "job is missing")
                            (if efrit-mcp-run--all
                                (format "there are: %s (op list tells more)" (mapconcat #'efrit-mcp-run-id efrit-mcp-run--all " "))
                              "none was started"))))))

(defun efrit-mcp-run-going-p (run)
  "Return non-nil if RUN has not ended."
  (null (efrit-mcp-run-ended run)))

(defun efrit-mcp-run-list ()
  "Return the commands, newest first."
  efrit-mcp-run--all)

;;; The end

(defun efrit-mcp-run--end (run state)
  "RUN has ended: STATE, a string."
  (when (efrit-mcp-run-going-p run)
    (let ((process (efrit-mcp-run-process run)))
      (setf (efrit-mcp-run-ended run) (float-time)
            (efrit-mcp-run-state run) state)
      (when (and (processp process) (memq (process-status process) '(exit signal)))
        (setf (efrit-mcp-run-code run) (process-exit-status process))))
    (efrit-mcp-resource-updated (concat "emacs://job/" (efrit-mcp-run-id run)))
    (let ((waiters (efrit-mcp-run-waiters run)))
      (setf (efrit-mcp-run-waiters run) nil)
      (dolist (waiter (nreverse waiters))
        (with-demoted-errors "efrit-mcp: %S" (funcall waiter run))))
    (efrit-mcp-run--forget)))

(defun efrit-mcp-run--forget ()
  "Keep as many commands that ended as the person wants."
  (let ((ended 0))
    (setq efrit-mcp-run--all
          (seq-filter (lambda (run)
                        (or (efrit-mcp-run-going-p run)
                            (<= (setq ended (1+ ended)) efrit-mcp-run-kept)))
                      efrit-mcp-run--all))))

(defun efrit-mcp-run--finished (buffer _message)
  "The process of BUFFER ended: in `compilation-finish-functions'."
  (let* ((run (buffer-local-value 'efrit-mcp-run--here buffer))
         (process (and run (efrit-mcp-run-process run))))
    (when run
      (efrit-mcp-run--end run (if (eq (process-status process) 'signal) "signalled" "exited")))))

(defun efrit-mcp-run--hang-up (process)
  "End what PROCESS runs, if it still does though its buffer is gone.
The SIGHUP of Emacs is lost while the child is not yet a group of its own,
and ignored where Emacs itself was started by nohup."
  (when (process-live-p process)
    (signal-process (- (process-id process)) 'SIGHUP)
    (signal-process process 'SIGKILL)))

(defun efrit-mcp-run--killed ()
  "The buffer of a command is killed: in `kill-buffer-hook'."
  (let ((run efrit-mcp-run--here))
    (when (and run (efrit-mcp-run-going-p run))
      (run-with-timer efrit-mcp-run--patience nil #'efrit-mcp-run--hang-up (efrit-mcp-run-process run))
      (setf (efrit-mcp-run-last run) (efrit-mcp-run--tail run 4000))
      (efrit-mcp-run--end run "buffer-killed"))))

(defun efrit-mcp-run--filtered ()
  "Output came: keep the buffer bounded, and tell who waits."
  (let ((run efrit-mcp-run--here) (over (- (buffer-size) efrit-mcp-run-buffer-max)))
    (when (> over (/ efrit-mcp-run-buffer-max 10)) ; rarely, then much
      (save-restriction
        (widen)
        (let ((inhibit-read-only t)
              ;; Else all that is left would be searched for errors again.
              (inhibit-modification-hooks t))
          (delete-region (point-min) (save-excursion (goto-char (+ (point-min) over)) (line-beginning-position 2))))))
    (when run
      (dolist (waiter (efrit-mcp-run-waiters run))
        (funcall waiter nil)))))

(defun efrit-mcp-run--long-lines (from to _length)
  "Have compilation look for no errors in long lines between FROM and TO.
Its expressions take seconds there, or overflow, and its filter fails then:
in `after-change-functions'."
  (save-excursion
    (save-match-data
      (goto-char from)
      (forward-line 0)
      (while (< (point) to)
        (let ((begin (point)))
          (forward-line 1)
          (when (> (- (point) begin) efrit-mcp-run--line-max)
            (let ((after (point)))
              (when (> begin (point-min)) (compilation--ensure-parse (1- begin)))
              (unless (markerp compilation--parsed) (setq compilation--parsed (make-marker)))
              (set-marker compilation--parsed after)
              (goto-char after))))))))

;;; Starting

(defun efrit-mcp-run--check (command directory)
  "Signal an error unless COMMAND can run in DIRECTORY."
  (when (string-match-p "\\`[ \t\n]*\\'" command)
    (signal 'efrit-mcp-invalid-argument '("command is empty: say what to run")))
  (cond ((file-remote-p directory)
         (signal 'efrit-mcp-invalid-argument '("directory is on another machine: starting there would block Emacs")))
        ((not (file-directory-p directory))
         (signal 'efrit-mcp-invalid-argument (list (format "there is no directory %s" directory)))))
  (when (>= (seq-count #'efrit-mcp-run-going-p efrit-mcp-run--all) efrit-mcp-run-at-once)
    (signal 'efrit-mcp-error
            (list (format "%d commands run already (efrit-mcp-run-at-once); wait for one, or stop one by emacs_job"
                          efrit-mcp-run-at-once)))))

(defun efrit-mcp-run-start (command directory name input)
  "Start COMMAND in DIRECTORY, in a buffer called after NAME; return it.
With INPUT the person can type into it."
  (let* ((default-directory (file-name-as-directory (expand-file-name directory)))
         (id (format "run-%d" (setq efrit-mcp-run--count (1+ efrit-mcp-run--count))))
         (buffer-name (generate-new-buffer-name (format "*efrit %s*" (or name id)) (format "*efrit %s*" name)))
         (run (efrit-mcp-run--make :id id :command command :directory default-directory
                                   :client efrit-mcp-tool-client :started (float-time)))
         (compilation-ask-about-save nil) (compilation-auto-jump-to-first-error nil)
         (compilation-scroll-output (or compilation-scroll-output t)) ; who looks sees the end
         (last next-error-last-buffer)
         (display-buffer-overriding-action '(nil (inhibit-same-window . t) (inhibit-switch-frame . t)))
         (selected (selected-window))
         (buffer (compilation-start command (and input t) (lambda (_mode) buffer-name)))
         (process (get-buffer-process buffer)))
    (unless (or (eq selected (selected-window)) (not (window-live-p selected)))
      (save-current-buffer (select-window selected t)))
    (setq next-error-last-buffer last) ; the person's next-error stays theirs
    (unless process
      (signal 'efrit-mcp-error (list (format "the command did not start; see the buffer %s" buffer-name))))
    (with-current-buffer buffer
      (setq efrit-mcp-run--here run)
      (add-hook 'compilation-finish-functions #'efrit-mcp-run--finished nil t)
      (add-hook 'after-change-functions #'efrit-mcp-run--long-lines nil t)
      (add-hook 'kill-buffer-hook #'efrit-mcp-run--killed nil t)
      (add-hook 'compilation-filter-hook #'efrit-mcp-run--filtered t t)
      (when input (add-hook 'comint-output-filter-functions (lambda (_) (efrit-mcp-run--filtered)) t t)))
    (set-process-query-on-exit-flag process nil)
    (setf (efrit-mcp-run-buffer run) buffer
          (efrit-mcp-run-process run) process)
    (push run efrit-mcp-run--all)
    run))

(defun efrit-mcp-run-on-end (run function)
  "Call FUNCTION with RUN when it ends, and with nil when output came."
  (push function (efrit-mcp-run-waiters run)))

(defun efrit-mcp-run-off (run function)
  "Take FUNCTION back from `efrit-mcp-run-on-end' of RUN."
  (setf (efrit-mcp-run-waiters run) (delq function (efrit-mcp-run-waiters run))))

(defun efrit-mcp-run-stop (run by)
  "Interrupt RUN for BY, a string; what does not end in a while is killed."
  (let ((process (efrit-mcp-run-process run)))
    (when (and (efrit-mcp-run-going-p run) (process-live-p process))
      (setf (efrit-mcp-run-stopped-by run) by)
      (interrupt-process process)
      (run-with-timer efrit-mcp-run--patience nil
                      (lambda () (when (process-live-p process) (kill-process process)))))))

;;; Looking

(defun efrit-mcp-run--tail (run max)
  "Return the last MAX characters of the output of RUN, whole lines."
  (let ((buffer (efrit-mcp-run-buffer run)))
    (if (not (buffer-live-p buffer))
        (or (efrit-mcp-run-last run) "")
      (with-current-buffer buffer
        (save-excursion
          (save-restriction
            (widen)
            (goto-char (max (point-min) (- (point-max) max)))
            (unless (or (bobp) (bolp))
              (let ((next (line-beginning-position 2)))
                (when (< next (point-max)) (goto-char next))))
            (buffer-substring-no-properties (point) (point-max))))))))

(defun efrit-mcp-run--lines (run)
  "Return how many lines of output RUN has, in its buffer."
  (let ((buffer (efrit-mcp-run-buffer run)))
    (if (buffer-live-p buffer)
        (with-current-buffer buffer (count-lines 1 (1+ (buffer-size))))
      0)))

(defun efrit-mcp-run--error (message)
  "Return what is told of MESSAGE, a `compilation-message' at point."
  (let* ((loc (compilation--message->loc message))
         (struct (compilation--loc->file-struct loc))
         (file (caar struct)) (folder (cadar struct)))
    `((file . ,(if (stringp file) (expand-file-name file folder) (format "%s" file)))
      ,@(when (compilation--loc->line loc) `((line . ,(compilation--loc->line loc))))
      ,@(when (integerp (compilation--loc->col loc)) `((column . ,(compilation--loc->col loc))))
      (severity . ,(pcase (compilation--message->type message) (2 "error") (1 "warning") (_ "info")))
      (text . ,(efrit-mcp-observe--cut
                (buffer-substring-no-properties (line-beginning-position) (line-end-position)) 300)))))

(defun efrit-mcp-run-errors (run)
  "Return the errors in the end of the output of RUN, a list of alists.
Those of the same line are one; as many as an answer shows."
  (when (buffer-live-p (efrit-mcp-run-buffer run))
    (with-current-buffer (efrit-mcp-run-buffer run)
      (save-excursion
        (save-restriction
          (widen)
          (let ((from (max (point-min) (- (point-max) efrit-mcp-run--parsed))) (found nil) (last nil) (n 0))
            (when (and (markerp compilation--parsed) (< compilation--parsed from))
              (set-marker compilation--parsed from))
            (compilation--ensure-parse (point-max))
            (goto-char from)
            (while (and (< n efrit-mcp-run--errors) (< (point) (point-max)))
              (let ((message (get-text-property (point) 'compilation-message)))
                (when (and message (not (eql last (line-beginning-position))))
                  (setq last (line-beginning-position) n (1+ n))
                  (push (efrit-mcp-run--error message) found))
                (goto-char (next-single-property-change (point) 'compilation-message nil (point-max)))))
            (nreverse found)))))))

(defconst efrit-mcp-run--failure
  "^[ \t]*\\(?:FAILED[ \t:]\\|FAIL[ \t:]\\|not ok\\_>\\|--- FAIL\\|test .* \\.\\.\\. FAILED\\)"
  "What a line of a test run looks like that names a failed test.")

(defun efrit-mcp-run--failures (run)
  "Return the lines in the end of the output of RUN that name failed tests."
  (when (and (buffer-live-p (efrit-mcp-run-buffer run)) (not (eql 0 (efrit-mcp-run-code run))))
    (with-current-buffer (efrit-mcp-run-buffer run)
      (save-excursion
        (save-restriction
          (widen)
          (goto-char (max (point-min) (- (point-max) efrit-mcp-run--parsed)))
          (let ((found nil) (case-fold-search nil))
            (while (and (length< found efrit-mcp-run--errors) (re-search-forward efrit-mcp-run--failure nil t))
              (let* ((line (string-trim (buffer-substring-no-properties (line-beginning-position) (line-end-position))))
                     (name (car (last (split-string line)))))
                ;; The summary at the end names them once more.
                (unless (seq-some (lambda (before) (string-search name before)) found)
                  (push (efrit-mcp-observe--cut line 300) found)))
              (forward-line 1))
            (nreverse found)))))))

(defun efrit-mcp-run--ago (from to)
  "Return the seconds FROM one time TO another, in tenths."
  (/ (fround (* 10 (- to from))) 10))

(defun efrit-mcp-run-brief (run)
  "Return what a list says of RUN."
  `((job . ,(efrit-mcp-run-id run))
    (command . ,(efrit-mcp-observe--cut (efrit-mcp-run-command run) 200))
    (state . ,(efrit-mcp-run-state run))
    ,@(when (efrit-mcp-run-code run)
        (list (cons (if (equal (efrit-mcp-run-state run) "signalled") 'signal 'exit_code) (efrit-mcp-run-code run))))
    ,@(when (efrit-mcp-run-stopped-by run) `((stopped_by . ,(efrit-mcp-run-stopped-by run))))
    (took . ,(efrit-mcp-run--ago (efrit-mcp-run-started run) (or (efrit-mcp-run-ended run) (float-time))))
    (buffer . ,(if (buffer-live-p (efrit-mcp-run-buffer run)) (buffer-name (efrit-mcp-run-buffer run)) :null))))

(defun efrit-mcp-run-look (run max)
  "Return the state of RUN, its errors and failed tests, MAX of the tail."
  (let* ((inhibit-field-text-motion t) ; what a shell asks is a field
         (errors (efrit-mcp-run-errors run)) (failures (efrit-mcp-run--failures run))
         (tail (efrit-mcp-run--tail run max))
         (size (if (buffer-live-p (efrit-mcp-run-buffer run)) (buffer-size (efrit-mcp-run-buffer run)) (length tail))))
    `((status . "success")
      ,@(efrit-mcp-run-brief run)
      ,@(when errors `((errors . ,(vconcat errors))))
      ,@(when failures `((failures . ,(vconcat failures))))
      (tail . ,tail)
      ,@(when (> size (length tail)) `((truncated . ,(format "%d characters of output, the last %d are shown" size (length tail))))))))

(provide 'efrit-mcp-run)
;;; efrit-mcp-run.el ends here
