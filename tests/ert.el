;;; ert.el --- Run tests/lisp/ in an Emacs that has a command loop  -*- lexical-binding: t -*-

;;; Commentary:

;; What tests/run loads into a daemon, or into an Emacs in a terminal: it runs the tests
;; of every file that ERT_FILES names, as one command, and ends Emacs.  What came of
;; each stands in the file ERT_LOG, the failed ones once more at its end.

;;; Code:

(require 'ert)
(require 'backtrace)

(defvar ert-here--failed nil "Names of the tests that failed.")

(defvar ert-here-backtraces (getenv "ERT_BACKTRACES") "Whether a failure is told with its backtrace.")

(defun ert-here--say (format &rest arguments)
  "Append FORMAT with ARGUMENTS as a line to the log."
  (write-region (concat (apply #'format format arguments) "\n") nil (getenv "ERT_LOG") t 'silent))

(defun ert-here--why (result)
  "Return what went wrong in RESULT, and where, within bounds."
  (let ((text (with-temp-buffer
                (let ((print-length 40) (print-level 8) (print-escape-newlines t))
                  (insert (format "%S\n" (ert-test-result-with-condition-condition result))))
                (when ert-here-backtraces (insert (backtrace-to-string (ert-test-result-with-condition-backtrace result))))
                (buffer-string))))
    (substring text 0 (min 6000 (length text)))))

(defun ert-here--listen (event &rest arguments)
  "Write down what ERT tells: EVENT with ARGUMENTS."
  (when (eq event 'test-ended)
    (pcase-let ((`(,_ ,test ,result) arguments))
      (let ((name (ert-test-name test)) (seconds (ert-test-result-duration result)))
        (cond ((ert-test-skipped-p result) (ert-here--say "skipped  %s" name))
              ((ert-test-result-expected-p test result) (ert-here--say "passed  %s  %.3f s" name seconds))
              (t (push name ert-here--failed)
                 (ert-here--say "FAILED  %s  %.3f s\n%s" name seconds
                                (if (ert-test-result-with-condition-p result) (ert-here--why result) result))))))))

;;; One file after another, each in an Emacs as it is without the others

(defvar efrit-mcp-packs)

(defun ert-here--file (file)
  "Run the tests of FILE; return how many there are."
  (let ((before (ert-select-tests t t)))
    (when (bound-and-true-p efrit-mcp-packs) (customize-set-variable 'efrit-mcp-packs nil))
    (load (expand-file-name file) nil t t)
    (when (bound-and-true-p efrit-mcp-packs) (customize-set-variable 'efrit-mcp-packs efrit-mcp-packs))
    (ert-here--say "%s" file)
    (ert-stats-total (ert-run-tests `(not (member ,@before)) #'ert-here--listen))))

(defun ert-here ()
  "Run the tests of all files, and end Emacs."
  (interactive)
  (let ((count 0))
    (condition-case err
        (dolist (file (split-string (getenv "ERT_FILES")))
          (setq count (+ count (ert-here--file file))))
      ((debug error quit) (push 'loading ert-here--failed)
       (ert-here--say "FAILED: %S" err)))
    (when (= 0 count) (push 'there-are-no-tests ert-here--failed))
    (ert-here--say "%d tests%s" count
                   (if ert-here--failed (format "; FAILED: %s" (mapconcat #'symbol-name (reverse ert-here--failed) " ")) "")))
  (kill-emacs (if ert-here--failed 1 0)))

(define-key global-map [ert-here] #'ert-here)
;; Read by the command loop, once it is there: neither a timer nor a filter runs the tests.
(setq unread-command-events (list 'ert-here))

;;; ert.el ends here
