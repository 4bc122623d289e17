;;; efrit-mcp-tools-test-help.el --- Call tools as a job does, on real files  -*- lexical-binding: t -*-

(require 'efrit-mcp)
(require 'cl-lib)
(require 'efrit-mcp-test-wait (expand-file-name "efrit-mcp-test-wait" (file-name-directory (or load-file-name buffer-file-name))))

(setq make-backup-files nil create-lockfiles nil auto-save-default nil)

(defmacro efrit-mcp-tools-test-files (files &rest body)
  "Run BODY in a new folder with FILES, (NAME . TEXT).
The part of each NAME before the dot is a variable, the file's name."
  (declare (indent 1))
  `(let* ((folder (file-name-as-directory (make-temp-file "tools-" t))) (efrit-mcp-change--all nil)
          ,@(mapcar (lambda (f) `(,(intern (car (split-string (car f) "\\."))) (expand-file-name ,(car f) folder))) files))
     (unwind-protect
         (save-window-excursion
           (let ((inhibit-interaction t))
             ,@(mapcar (lambda (f) `(let ((coding-system-for-write 'utf-8))
                                      (write-region ,(if (eq (car-safe (cdr f)) '\,) (cadr (cdr f)) (cdr f))
                                                    nil (expand-file-name ,(car f) folder) nil 'silent)))
                       files)
             ,@body))
       (dolist (b (buffer-list))
         (when (and (buffer-file-name b) (string-prefix-p folder (buffer-file-name b)))
           (with-current-buffer b (set-buffer-modified-p nil) (let ((inhibit-read-only t)) (kill-buffer)))))
       (delete-directory folder t))))

(defun efrit-mcp-tools-test--run (tool arguments)
  "Call TOOL with ARGUMENTS, NAME VALUE ...; return (OUTCOME . VALUE)."
  (efrit-mcp-tool-call tool (cl-loop for (k v) on arguments by #'cddr collect (cons k v))))

(defun efrit-mcp-tools-test-call (tool &rest arguments)
  "Call TOOL with ARGUMENTS; return its answer, which must be none of failure."
  (let ((answer (efrit-mcp-tools-test--run tool arguments)))
    (unless (memq (car answer) '(done whole)) (error "%s failed: %S" tool (cdr answer)))
    (cdr answer)))

(defun efrit-mcp-tools-test-read (tool &rest arguments)
  "Call TOOL with ARGUMENTS; return (ALIST . TEXT) of an answer with a first line."
  (let* ((answer (apply #'efrit-mcp-tools-test-call tool arguments)) (end (string-search "\n" answer)))
    (cons (json-parse-string (substring answer 0 end) :object-type 'alist :false-object :false)
          (substring answer (1+ end)))))

(defun efrit-mcp-tools-test-lines (tool &rest arguments)
  "Call TOOL with ARGUMENTS; return the lines after the first."
  (split-string (cdr (apply #'efrit-mcp-tools-test-read tool arguments)) "\n" t))

(defun efrit-mcp-tools-test-fails (tool &rest arguments)
  "Call TOOL with ARGUMENTS, which must fail; return the error's code."
  (let ((answer (efrit-mcp-tools-test--run tool arguments)))
    (unless (eq (car answer) 'failed) (error "%s did not fail: %S" tool (cdr answer)))
    (alist-get 'error_code (cdr answer))))

(defun efrit-mcp-tools-test-error (tool &rest arguments)
  "Call TOOL with ARGUMENTS, which must fail; return what the error says."
  (let ((answer (efrit-mcp-tools-test--run tool arguments)))
    (unless (eq (car answer) 'failed) (error "%s did not fail: %S" tool (cdr answer)))
    (alist-get 'error (cdr answer))))

(defvar efrit-mcp-tools-test--asked nil "What was asked of a machine that is not there.")

(defun efrit-mcp-tools-test-unreachable ()
  "Return a `file-name-handler-alist' where asking nowhere.invalid fails the test."
  (cons (cons "\\`/ssh:nobody@nowhere"
              (lambda (operation &rest arguments)
                (cond ((eq operation 'file-remote-p)
                       (pcase (cadr arguments)
                         ('method "ssh") ('user "nobody") ('host "nowhere.invalid")
                         ('localname (substring (car arguments) (length "/ssh:nobody@nowhere.invalid:")))
                         (_ "/ssh:nobody@nowhere.invalid:")))
                      ((memq operation '(expand-file-name file-name-directory file-name-nondirectory file-name-as-directory
                                         directory-file-name abbreviate-file-name unhandled-file-name-directory
                                         substitute-in-file-name file-name-case-insensitive-p file-name-sans-versions
                                         make-auto-save-file-name))
                       (let ((file-name-handler-alist nil)) (apply operation arguments)))
                      (t (setq efrit-mcp-tools-test--asked (cons operation arguments))
                         (error "Asked the other machine: %s %S" operation arguments)))))
        file-name-handler-alist))

;;; What is answered later

(defvar efrit-mcp-tools-test--job 1000000 "Number of the last job that was called so.")

(defun efrit-mcp-tools-test-until (predicate &optional what)
  "Wait until PREDICATE returns non-nil, and return that; WHAT is waited for."
  (let ((begun (float-time)) (value nil))
    (while (not (setq value (funcall predicate)))
      (when (efrit-mcp-test-over-p begun 60) (error "It never came: %s" (or what predicate)))
      (accept-process-output nil 0.02))
    value))

(defun efrit-mcp-tools-test-later (tool arguments &optional meanwhile)
  "Call TOOL with ARGUMENTS, a list of NAME VALUE ...; return its answer when it is there.
MEANWHILE is called once the tool has returned without one."
  (let* ((efrit-mcp-tool-job (setq efrit-mcp-tools-test--job (1+ efrit-mcp-tools-test--job)))
         (job efrit-mcp-tool-job) (answer nil)
         (efrit-mcp-later-answered-function (lambda (number value) (when (eql number job) (setq answer (list value)))))
         (first (efrit-mcp-tools-test--run tool arguments)))
    (setq efrit-mcp-tool-job nil)
    (pcase (car first)
      ('deferred (when meanwhile (funcall meanwhile))
                 (car (efrit-mcp-tools-test-until (lambda () answer) tool)))
      ('failed (error "%s failed: %S" tool (cdr first)))
      (_ (cdr first)))))

;;; The terminal that this Emacs runs in: tests/terminal.sh

(defun efrit-mcp-tools-test-terminal-p ()
  "Return non-nil if this Emacs is in a terminal whose screen can be read."
  (and (not noninteractive) (getenv "TMUX") (eq t (frame-live-p (selected-frame)))))

(defun efrit-mcp-tools-test--tmux (&rest arguments)
  "Have the terminal do ARGUMENTS; return what it says."
  (with-temp-buffer
    (let ((status (apply #'call-process "tmux" nil t nil arguments)))
      (unless (eq 0 status) (error "The command tmux %S: %s" arguments (buffer-string))))
    (buffer-string)))

(defun efrit-mcp-tools-test-screen ()
  "Return what the terminal shows now, a line a row."
  (redisplay t)
  (efrit-mcp-tools-test--tmux "capture-pane" "-p"))

(defun efrit-mcp-tools-test-shows (regexp)
  "Wait until the terminal shows what fits REGEXP."
  (efrit-mcp-tools-test-until (lambda () (string-match-p regexp (efrit-mcp-tools-test-screen))) regexp))

(defun efrit-mcp-tools-test-type (keys until)
  "Type KEYS, tmux's names of them, at the terminal; the person's commands run.
Return when the function UNTIL returns non-nil, with that."
  (let ((value nil) (timer nil) (begun (float-time)))
    (setq timer (run-with-timer 0.02 0.02 (lambda ()
                                            (when (or (setq value (funcall until)) (efrit-mcp-test-over-p begun 60))
                                              (cancel-timer timer)
                                              (throw 'efrit-mcp-tools-test nil)))))
    (unwind-protect
        (catch 'efrit-mcp-tools-test
          (apply #'efrit-mcp-tools-test--tmux "send-keys" keys)
          (let ((inhibit-interaction nil)) (recursive-edit)))
      (cancel-timer timer))
    (or value (error "It never came, after %S: %s" keys (efrit-mcp-tools-test-screen)))))

(defun efrit-mcp-tools-test-disk (file)
  "Return what FILE holds."
  (with-temp-buffer (insert-file-contents file) (buffer-string)))

(defun efrit-mcp-tools-test-bytes (file)
  "Return the bytes of FILE."
  (with-temp-buffer (set-buffer-multibyte nil) (insert-file-contents-literally file) (buffer-string)))

(defun efrit-mcp-tools-test-put (file bytes)
  "Have FILE hold BYTES; a buffer that visits it goes."
  (let ((buffer (find-buffer-visiting file)))
    (when buffer (with-current-buffer buffer (set-buffer-modified-p nil) (kill-buffer))))
  (let ((coding-system-for-write 'no-conversion)) (write-region bytes nil file nil 'silent)))

(defun efrit-mcp-tools-test-edit (file &rest edit)
  "Call emacs_edit with the one EDIT, NAME VALUE ..., of FILE; return the answer."
  (efrit-mcp-tools-test-call "emacs_edit" "file" file
                             "edits" (vector (cl-loop for (k v) on edit by #'cddr collect (cons k v)))))

(defun efrit-mcp-tools-test-write-later (file text)
  "Write TEXT to FILE as another program would some time later."
  (write-region text nil file nil 'silent)
  (set-file-times file (time-add (current-time) 10)))

(provide 'efrit-mcp-tools-test-help)
;;; efrit-mcp-tools-test-help.el ends here
