;;; checkdoc.el --- The docstrings of all Lisp files, as checkdoc wants them  -*- lexical-binding: t -*-

;; emacs -Q --batch -l tests/checkdoc.el FILE...: prints each complaint, ends nonzero if there is one.

(require 'checkdoc)

(setq checkdoc-spellcheck-documentation-flag nil
      checkdoc-verb-check-experimental-flag nil)

(let ((complaints 0))
  (dolist (file command-line-args-left)
    (with-current-buffer (find-file-noselect file)
      (let ((checkdoc-create-error-function
             (lambda (text start _end &optional _unfixable)
               (setq complaints (1+ complaints))
               (message "%s:%d: %s" file (line-number-at-pos start) text)
               nil)))
        (checkdoc-current-buffer t))))
  (setq command-line-args-left nil)
  (message "%d complaints" complaints)
  (kill-emacs (if (> complaints 0) 1 0)))

;;; checkdoc.el ends here
