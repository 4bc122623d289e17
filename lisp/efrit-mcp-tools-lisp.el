;;; efrit-mcp-tools-lisp.el --- emacs_describe and emacs_check  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; What Emacs says of itself, and whether Lisp is as it should be.  What takes long or
;; may do anything, as compiling and testing, is done by an Emacs of its own.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-distrust)
(require 'efrit-mcp-program)
(require 'efrit-mcp-print)
(require 'efrit-mcp-values)
(require 'efrit-mcp-tools-look)
(require 'help-fns)
(require 'find-func)
(require 'project)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(defvar package-alist)
(defvar package--builtins)
(defvar checkdoc-autofix-flag)
(declare-function package-version-join "package")
(declare-function package-desc-summary "package")
(declare-function package-desc-version "package")
(declare-function checkdoc-current-buffer "checkdoc")
(declare-function ert-select-tests "ert")
(declare-function ert-test-name "ert")
(declare-function ert-test-body "ert")
(declare-function ert-test-expected-result-type "ert")
(defvar checkdoc-create-error-function)

;;; Describe

(defun efrit-mcp-describe--symbol (name)
  "Return the symbol NAME; an error says what is near."
  (or (intern-soft name)
      (signal 'efrit-mcp-not-found
              (list (format "Emacs knows no %s%s" name
                            (let ((near (seq-take (all-completions (substring name 0 (min 8 (length name))) obarray) 8)))
                              (if near (format "; near: %s" (string-join near ", ")) "")))))))

(defun efrit-mcp-describe--function (symbol)
  "Return what Emacs's help says of the function SYMBOL."
  (unless (fboundp symbol) (signal 'efrit-mcp-not-found (list (format "%s is no function" symbol))))
  (if (or (stringp (indirect-function symbol)) (vectorp (indirect-function symbol)))
      (format "%s is a keyboard macro" symbol) ; its keys were typed
    (efrit-mcp-describe--help symbol)))

(defun efrit-mcp-describe--help (symbol)
  "Return the text of Emacs's help on the function SYMBOL."
  (with-temp-buffer
    (delay-mode-hooks (help-mode))
    (let ((standard-output (current-buffer)) (help-xref-following t) (inhibit-read-only t))
      (princ (format "%s is " symbol))
      (describe-function-1 symbol))
    (substring-no-properties (buffer-string))))

(defun efrit-mcp-describe--variable (symbol)
  "Return what there is to say of the variable SYMBOL."
  (unless (or (boundp symbol) (get symbol 'variable-documentation))
    (signal 'efrit-mcp-not-found (list (format "%s is no variable" symbol))))
  (concat (format "%s is a %s%s.\n" symbol (if (custom-variable-p symbol) "setting" "variable")
                  (let ((file (symbol-file symbol 'defvar))) (if file (format " of %s" (file-name-nondirectory file)) "")))
          (if (not (boundp symbol)) "It has no value.\n"
            (format "Value: %s\n" (efrit-mcp-values-show symbol (symbol-value symbol) 1000)))
          (if (and (local-variable-p symbol) (default-boundp symbol))
              (format "Local here; default value: %s\n" (efrit-mcp-values-show symbol (default-value symbol) 500)) "")
          (if (custom-variable-p symbol) (format "Type: %S\n" (get symbol 'custom-type)) "")
          "\n" (or (documentation-property symbol 'variable-documentation) "Not documented.")))

(defun efrit-mcp-describe--key (name)
  "Return what the key NAME, as kbd takes it, does where the person is."
  (let* ((keys (kbd name))
         (binding (with-current-buffer (window-buffer (efrit-mcp-look-window)) (key-binding keys))))
    (cond ((null binding) (format "%s is not bound" name))
          ((keymapp binding) (format "%s is a prefix" name))
          ((symbolp binding) (format "%s runs %s\n\n%s" name binding (or (documentation binding) "")))
          ;; Its values may have been typed, or be closed over.
          ((or (stringp binding) (vectorp binding)) (format "%s is a keyboard macro" name))
          (t (format "%s runs a function without a name" name)))))

(defun efrit-mcp-describe--face (symbol)
  "Return the attributes and documentation of the face SYMBOL."
  (unless (facep symbol) (signal 'efrit-mcp-not-found (list (format "%s is no face" symbol))))
  (concat (mapconcat (lambda (a) (format "%s: %s" (cdr a) (face-attribute symbol (car a) nil t)))
                     (seq-remove (lambda (a) (eq (face-attribute symbol (car a) nil t) 'unspecified)) face-attribute-name-alist)
                     "\n")
          "\n\n" (or (face-documentation symbol) "Not documented.")))

(defun efrit-mcp-describe--package (name)
  "Return what Emacs knows of the package NAME."
  (require 'package)
  (require 'finder-inf nil t)
  (let* ((symbol (intern name)) (installed (car (cdr (assq symbol package-alist))))
         (builtin (assq symbol package--builtins)))
    (cond (installed (format "%s %s, installed: %s" name (package-version-join (package-desc-version installed))
                             (package-desc-summary installed)))
          (builtin (format "%s %s, part of Emacs: %s" name (package-version-join (aref (cdr builtin) 0)) (aref (cdr builtin) 2)))
          (t (signal 'efrit-mcp-not-found (list (format "%s is not installed and no part of Emacs" name)))))))

(defun efrit-mcp-describe--apropos (pattern)
  "Return functions and variables whose name the regexp PATTERN fits."
  (let* ((all (sort (apropos-internal pattern (lambda (s) (or (fboundp s) (boundp s) (facep s)))) #'string<)))
    (concat (mapconcat (lambda (s)
                         (format "%s%s: %s" s (cond ((commandp s) " (command)") ((macrop s) " (macro)") ((fboundp s) " (function)")
                                                    ((boundp s) " (variable)") (t " (face)"))
                                 (let ((doc (ignore-errors (if (fboundp s) (documentation s t)
                                                             (documentation-property s 'variable-documentation t)))))
                                   (if (stringp doc) (efrit-mcp-look--cut (car (split-string doc "\n")) 120) ""))))
                       (seq-take all 60) "\n")
            (if (nthcdr 60 all) (format "\n%d in all" (length all)) ""))))

(defun efrit-mcp-describe--source (symbol type max)
  "Return the source of SYMBOL of TYPE, nil or `defvar', MAX characters of it.
Files that are opened for it are closed again."
  (let* ((known (buffer-list)) (file (symbol-file symbol (or type 'defun)))
         (place (condition-case err
                    (progn (when file (efrit-mcp-secret-check file))
                           (save-current-buffer (efrit-mcp-distrust-sources (find-definition-noselect symbol type))))
                  (efrit-mcp-secret (signal (car err) (cdr err)))
                  (error (signal 'efrit-mcp-not-found
                                 (list (if (eq (car err) 'inhibited-interaction)
                                           (format "%s is written in C, and that source is not here: without source its documentation is shown" symbol)
                                         (format "the source of %s: %s" symbol (error-message-string err))))))))
         (buffer (car place)))
    (unless (cdr place) (signal 'efrit-mcp-not-found (list (format "the source of %s is not in %s" symbol buffer))))
    (with-current-buffer buffer
      (prog1 (save-excursion
               (save-restriction
                 (widen)
                 (goto-char (cdr place))
                 (let* ((beg (line-beginning-position))
                        (end (save-excursion (or (ignore-errors (if (derived-mode-p 'c-mode) (end-of-defun) (forward-sexp)) (point))
                                                 (forward-line 50) (point)))))
                   (format ";; %s:%d\n%s" buffer-file-name (efrit-mcp-target-line beg)
                           (efrit-mcp-look--cut (buffer-substring beg (max beg end)) max)))))
        (unless (memq buffer known) (kill-buffer))))))

(defun efrit-mcp-describe--kind (name)
  "Return what NAME is by itself."
  (let ((symbol (intern-soft name)))
    (cond ((and symbol (fboundp symbol)) "function")
          ((and symbol (boundp symbol)) "variable")
          ((and symbol (facep symbol)) "face")
          ((ignore-errors (let ((b (key-binding (kbd name)))) (and b (not (numberp b)) (not (eq b 'self-insert-command))))) "key")
          (t (efrit-mcp-describe--symbol name) "variable"))))

(defun efrit-mcp-describe--slow (began text max)
  "Return MAX characters of TEXT; say so if Emacs was busy for long since BEGAN."
  (let ((busy (cdar (efrit-mcp-act-busy began))) (shown (efrit-mcp-look--cut text max)))
    (if busy (format "%s\n[busy_ms: %d]" shown busy) shown)))

(efrit-mcp-define-tool emacs-describe
    "What Emacs's help knows: a function, command or macro, variable, key as C-x C-f where the person is, mode, face, package; or names that fit a regexp (apropos). source: the definition in its file."
    ((name string nil :required t)
     (kind (one-of "auto" "function" "variable" "key" "mode" "face" "package" "apropos") nil :default "auto")
     (source boolean nil :default nil)
     (max-chars integer nil :default 8000 :minimum 100 :maximum 400000))
    (:title "Describe" :read-only t)
  (when (string= name "") (efrit-mcp-invalid "name is empty"))
  (let* ((began (float-time)) (kind (if (equal kind "auto") (efrit-mcp-describe--kind name) kind)))
    (efrit-mcp-describe--slow
     began
     (pcase kind
       ((and (guard source) (or "function" "mode" "variable"))
        (efrit-mcp-describe--source (efrit-mcp-describe--symbol name) (and (equal kind "variable") 'defvar) max-chars))
       ((or "function" "mode") (efrit-mcp-describe--function (efrit-mcp-describe--symbol name)))
       ("variable" (efrit-mcp-describe--variable (efrit-mcp-describe--symbol name)))
       ("key" (efrit-mcp-describe--key name))
       ("face" (efrit-mcp-describe--face (efrit-mcp-describe--symbol name)))
       ("package" (efrit-mcp-describe--package name))
       (_ (efrit-mcp-describe--apropos name)))
     max-chars)))

;;; Check

(defun efrit-mcp-check--emacs (folders &rest arguments)
  "Return a command line for an Emacs of its own with ARGUMENTS.
It finds what is in FOLDERS, and what this Emacs finds; what it loads is
not compiled to native code, which would go on behind it."
  `(,(expand-file-name invocation-name invocation-directory) "-Q" "--batch"
    "--eval" "(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil)"
    ,@(seq-mapcat (lambda (folder) (list "-L" folder)) folders)
    ,@(seq-mapcat (lambda (d) (list "-L" (expand-file-name d)))
                  (seq-filter (lambda (d) (and (stringp d) (not (string-prefix-p (expand-file-name "../lisp" data-directory) d))
                                               (file-directory-p d)))
                              load-path))
    ,@arguments))

(defun efrit-mcp-check--copy (buffer)
  "Write the text of BUFFER to a file of its name in a new folder; return it."
  (let ((file (expand-file-name (file-name-nondirectory (or (buffer-file-name buffer) "code.el"))
                                (make-temp-file "efrit-mcp-check-" t))))
    (with-current-buffer buffer
      (let ((coding-system-for-write 'utf-8-emacs))
        (save-restriction (widen) (write-region nil nil file nil 'silent))))
    file))

(defun efrit-mcp-check--folders (buffer)
  "Return the folders in which an Emacs of its own finds what BUFFER requires.
Its own, those of its project, or the one above a folder of tests."
  (let* ((home (buffer-local-value 'default-directory buffer))
         (project (unless (file-remote-p home) (ignore-errors (efrit-mcp-distrusting (project-current nil home)))))
         (root (cond (project (efrit-mcp-look-root project))
                     ((member (file-name-nondirectory (directory-file-name home)) '("test" "tests" "t" "spec"))
                      (file-name-directory (directory-file-name home))))))
    (delete-dups
     (cons home (when root
                  (seq-filter #'file-directory-p
                              (mapcar (lambda (name) (file-name-as-directory (expand-file-name name root)))
                                      '("." "lisp" "src" "test" "tests"))))))))

(defun efrit-mcp-check--live (folders except folder)
  "Write the unsaved Lisp that is open from FOLDERS into FOLDER, but for EXCEPT.
Return the names of the buffers."
  (let ((names nil))
    (dolist (buffer (buffer-list))
      (let ((file (buffer-file-name buffer)))
        (when (and file (not (eq buffer except)) (buffer-modified-p buffer) (string-suffix-p ".el" file)
                   (member (file-name-directory file) folders) (not (efrit-mcp-secret-p buffer)))
          (push (buffer-name buffer) names)
          (with-current-buffer buffer
            (let ((coding-system-for-write 'utf-8-emacs))
              (save-restriction
                (widen)
                (write-region nil nil (expand-file-name (file-name-nondirectory file) folder) nil 'silent)))))))
    names))

(defun efrit-mcp-check--in-fresh (buffer arguments function)
  "Run an Emacs of its own on a copy of the live text of BUFFER.
ARGUMENTS is called with the name of the copy and returns a list;
FUNCTION is called with the exit status, the output, and the folder of
the copy, and makes the answer.  Other unsaved Lisp of the same folders
is what that Emacs loads, and is named in the answer."
  (let* ((file (efrit-mcp-check--copy buffer)) (folder (file-name-directory file))
         (folders (efrit-mcp-check--folders buffer))
         (live (efrit-mcp-check--live folders buffer folder))
         (default-directory (car folders)))
    (efrit-mcp-program-run
     (apply #'efrit-mcp-check--emacs (cons folder folders) (funcall arguments file))
     (lambda (status output)
       (delete-directory folder t)
       (append (funcall function status output folder)
               (when live `((unsaved . ,(vconcat live)))))))))

(defun efrit-mcp-check--compile (buffer)
  "Byte-compile the live text of BUFFER in an Emacs of its own."
  (efrit-mcp-check--in-fresh
     buffer (lambda (file) (list "-f" "batch-byte-compile" file))
     (lambda (status output folder)
       (let ((lines (seq-filter (lambda (l) (string-match-p ":\\([0-9]+:\\)*\\(Error\\|Warning\\| *Error\\| *Warning\\|[0-9: ]*\\(Error\\|Warning\\)\\)" l))
                                (split-string (replace-regexp-in-string
                                               "\n[ \t]+" " " (replace-regexp-in-string
                                                             (concat "[^ \n:]*" (regexp-quote (file-name-nondirectory (directory-file-name folder))) "/")
                                                             "" output))
                                              "\n" t))))
         `((compiled . ,(efrit-mcp-bool (eq status 0))) (warnings . ,(length lines))
           (found . ,(vconcat (seq-take lines 100)))
           ,@(unless (or (eq status 0) lines) `((output . ,(efrit-mcp-look--cut output 4000)))))))))

(defun efrit-mcp-check--checkdoc (buffer)
  "Return what checkdoc says of the live text of BUFFER."
  (require 'checkdoc)
  (let ((found nil) (name (or (buffer-file-name buffer) (buffer-name buffer))))
    (with-temp-buffer
      (insert-buffer-substring-no-properties buffer)
      (delay-mode-hooks (emacs-lisp-mode))
      ;; checkdoc looks at the first and last lines by the file's name.
      (setq buffer-file-name name)
      (set-buffer-modified-p nil)
      (unwind-protect
          (let ((checkdoc-create-error-function
                 (lambda (text start _end &optional _unfixable)
                   (push (format "%d: %s" (if start (line-number-at-pos start) 1) text) found)
                   nil))
                (checkdoc-autofix-flag 'never))
            (checkdoc-current-buffer t))
        (setq buffer-file-name nil)
        (set-buffer-modified-p nil)))
    `((complaints . ,(length found)) (found . ,(vconcat (seq-take (nreverse found) 100))))))

(defun efrit-mcp-check--summary (output)
  "Return the summary of ERT's OUTPUT as an alist."
  (if (string-match "^Ran \\([0-9]+\\) tests, \\([0-9]+\\) results as expected\\(?:, \\([0-9]+\\) unexpected\\)?\\(?:, \\([0-9]+\\) skipped\\)?" output)
      `((ran . ,(string-to-number (match-string 1 output)))
        (failed . ,(string-to-number (or (match-string 3 output) "0")))
        (skipped . ,(string-to-number (or (match-string 4 output) "0"))))
    '((ran . 0) (failed . :null))))

(defun efrit-mcp-check--failures (output)
  "Return the tests that failed by ERT's OUTPUT, each with its condition."
  (let ((start 0) (found nil))
    (while (string-match "^Test \\(.+\\) condition:\n\\(\\(?:[ \t]+.*\n\\)*?\\)\\(?: +FAILED\\|\n\\|\\'\\)" output start)
      (setq start (match-end 0))
      (push (format "%s: %s" (match-string 1 output)
                    (efrit-mcp-look--cut (replace-regexp-in-string "[ \t\n]+" " " (string-trim (match-string 2 output))) 1000))
            found))
    (seq-take (nreverse found) 50)))

(defconst efrit-mcp-check--none "no test ran: the text defines none that selector fits"
  "What is said where there was nothing to pass.")

(defun efrit-mcp-check--test-fresh (buffer selector)
  "Run the tests of the live text of BUFFER that SELECTOR fits in a fresh Emacs."
  (efrit-mcp-check--in-fresh
   buffer (lambda (file) (list "-l" "ert" "-l" file "--eval" (format "(ert-run-tests-batch-and-exit %S)" selector)))
   (lambda (status output _folder)
     (let* ((summary (efrit-mcp-check--summary output)) (failures (efrit-mcp-check--failures output)))
       `((passed . ,(efrit-mcp-bool (and (eq status 0) (not (eql 0 (alist-get 'ran summary)))))) ,@summary
         ,@(when (eql 0 (alist-get 'ran summary)) `((hint . ,efrit-mcp-check--none)))
         (failures . ,(vconcat failures))
         ,@(unless (or failures (eq status 0)) `((output . ,(efrit-mcp-look--cut (substring output (max 0 (- (length output) 6000))) 6000)))))))))

(defun efrit-mcp-check--run-test (test)
  "Run TEST; return (OUTCOME . WHY), OUTCOME being passed, failed or skipped.
`ert-run-tests' would take the debugger, by which a job is stopped."
  (let ((outcome (condition-case err
                     (progn (save-window-excursion (with-temp-buffer (funcall (ert-test-body test))))
                            '(passed))
                   (ert-test-skipped '(skipped))
                   (error (cons 'failed (car (efrit-mcp-print err 1000)))))))
    (if (not (eq (ert-test-expected-result-type test) :failed))
        outcome
      (pcase (car outcome) ('failed '(passed)) ('passed '(failed . "it passed and was expected to fail")) (_ outcome)))))

(defun efrit-mcp-check--test-here (selector)
  "Run the tests that SELECTOR fits in this Emacs."
  (require 'ert)
  (let ((ran 0) (skipped 0) (failures nil))
    (dolist (test (ert-select-tests selector t))
      (pcase (efrit-mcp-check--run-test test)
        ('(skipped) (setq skipped (1+ skipped)))
        (`(failed . ,why) (setq ran (1+ ran)) (push (format "%s: %s" (ert-test-name test) why) failures))
        (_ (setq ran (1+ ran)))))
    `((passed . ,(efrit-mcp-bool (and (> ran 0) (null failures)))) (ran . ,ran) (failed . ,(length failures))
      (skipped . ,skipped) (failures . ,(vconcat (nreverse failures)))
      ,@(when (= 0 ran skipped) `((hint . ,efrit-mcp-check--none))))))

(defun efrit-mcp-check--parens (buffer)
  "Return whether the parentheses of BUFFER balance, and where they do not."
  (with-current-buffer buffer
    (save-excursion
      (save-restriction
        (widen)
        (condition-case err
            (progn (scan-sexps (point-min) (point-max)) '((balanced . t)))
          (scan-error `((balanced . :false) (line . ,(efrit-mcp-target-line (nth 2 err))) (error . ,(nth 1 err)))))))))

(defun efrit-mcp-check--expand (code all)
  "Return the first form of CODE expanded, once, or with ALL wholly."
  (let ((form (condition-case err (car (read-from-string code))
                (error (efrit-mcp-invalid "code is no whole form of Lisp: %s" (if (eq (car err) 'end-of-file) "it ends in the middle of one" (error-message-string err)))))))
    `((expanded . ,(let ((print-quoted t) (print-gensym nil))
                     (car (efrit-mcp-print (if all (macroexpand-all form) (macroexpand-1 form)) 20000))))
      ,@(unless (macrop (car-safe form))
          `((note . ,(format "%S is no macro in this Emacs: load what defines it" (car-safe form))))))))

(defun efrit-mcp-check--lisp (file buffer)
  "Return the buffer of FILE or BUFFER, which is to be Emacs Lisp."
  (let ((b (efrit-mcp-target file buffer)))
    (with-current-buffer b
      (unless (or (derived-mode-p 'emacs-lisp-mode 'lisp-interaction-mode) (and buffer-file-name (string-suffix-p ".el" buffer-file-name)))
        (efrit-mcp-invalid "%s is in %s, not Emacs Lisp: emacs_run runs the compiler or the tests of another language" (buffer-name) major-mode)))
    b))

(efrit-mcp-define-tool emacs-check
    "Check Emacs Lisp, the live text of file or buffer: compile (byte-compiler's warnings), checkdoc, parens, test (ERT; selector), expand (macros of code). compile and test run in an Emacs of their own and let the person work; test with here runs tests already loaded in this Emacs."
    ((op (one-of "compile" "checkdoc" "parens" "test" "expand") nil :required t)
     (file string nil) (buffer string nil)
     (selector string "Name or regexp of tests; default all." :default "t")
     (here boolean nil :default nil)
     (code string "For expand.") (all boolean "Expand inner macros too." :default nil)
     (timeout seconds nil :default 120))
    (:title "Check Lisp" :destructive t :open-world t)
  (let ((selector (if (member selector '("t" "")) t selector)))
    (pcase op
      ("expand" (efrit-mcp-looking (efrit-mcp-check--expand (or code (efrit-mcp-invalid "code is missing")) all)))
      ("compile" (efrit-mcp-check--compile (efrit-mcp-check--lisp file buffer)))
      ("checkdoc" (efrit-mcp-looking (efrit-mcp-check--checkdoc (efrit-mcp-check--lisp file buffer))))
      ("parens" (efrit-mcp-looking (efrit-mcp-check--parens (efrit-mcp-target file buffer))))
      (_ (if here
             (efrit-mcp-looking (efrit-mcp-check--test-here selector))
           (efrit-mcp-check--test-fresh (efrit-mcp-check--lisp file buffer) selector))))))

(provide 'efrit-mcp-tools-lisp)
;;; efrit-mcp-tools-lisp.el ends here
