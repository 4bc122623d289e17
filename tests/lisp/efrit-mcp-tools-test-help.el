;;; efrit-mcp-tools-test-help.el --- Call tools as a job does, on real files  -*- lexical-binding: t -*-

(require 'efrit-mcp)
(require 'cl-lib)

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

(defun efrit-mcp-tools-test-disk (file)
  "Return what FILE holds."
  (with-temp-buffer (insert-file-contents file) (buffer-string)))

(defun efrit-mcp-tools-test-write-later (file text)
  "Write TEXT to FILE as another program would some time later."
  (write-region text nil file nil 'silent)
  (set-file-times file (time-add (current-time) 10)))

(provide 'efrit-mcp-tools-test-help)
;;; efrit-mcp-tools-test-help.el ends here
