#!/usr/bin/env python3
"""tools.py - what each typed tool costs: time and size of the answer, in a daemon with a
10 MB buffer and in one with 1,000 open buffers.  Prints the table that lisp/README.md holds.

    tests/bench/tools.py [ROUNDS]        EMACS chooses the program

Times are Emacs's own (execution_time where the answer has it is the same), measured by
`float-time` around `efrit-mcp-tool-call` and the writing of its JSON, median of ROUNDS.
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FORM = r'''
(progn
  (setq large-file-warning-threshold nil make-backup-files nil create-lockfiles nil auto-save-default nil gc-cons-threshold (* 8 1024 1024))
  (require 'efrit-mcp)
  (efrit-mcp-native-load efrit-mcp-version)
  (defvar big (expand-file-name "big.txt" temporary-file-directory))
  (defvar code (expand-file-name "code.el" temporary-file-directory))
  (with-temp-file big (dotimes (i 200000) (insert (format "line %06d of a text that is long enough, to be 10 MB\n" i))))
  (with-temp-file code (dotimes (i 300) (insert (format "(defun code-%d (x) \"Doc.\" (car x))\n\n" i))))
  (defun median (l) (nth (/ (length l) 2) (sort l #'<)))
  (defun fill-in (value) (cond ((stringp value) (replace-regexp-in-string "BIG" big (replace-regexp-in-string "CODE" code value t t) t t))
                          ((vectorp value) (vconcat (mapcar #'fill-in value)))
                          ((consp value) (cons (fill-in (car value)) (fill-in (cdr value)))) (t value)))
  (defun measure (call)
    (let ((times nil) (size 0) (arguments (fill-in (cdr call))))
      (dotimes (_ ROUNDS)
        (garbage-collect)
        (let* ((t0 (float-time)) (answer (efrit-mcp-tool-call (car call) arguments))
               (value (append (and (listp (cdr answer)) (cdr answer))
                              (unless (listp (cdr answer)) nil)
                              (and efrit-mcp-observe--level (efrit-mcp-observe-end))))
               (text (if (stringp (cdr answer)) (cdr answer) (efrit-mcp--mod-json value))))
          (push (- (float-time) t0) times)
          (unless (memq (car answer) '(done whole)) (error "%s: %S" call answer))
          (setq size (length text))))
      (list (* 1000 (median times)) size)))
  (defvar calls
    '(("emacs_look") ("emacs_look" ("what" . ["state" "windows" "buffers" "messages" "modes" "processes" "changes"]))
      ("emacs_read" ("file" . "BIG")) ("emacs_read" ("file" . "BIG") ("from" . 150000) ("to" . 150050) ("numbers" . t))
      ("emacs_read" ("file" . "CODE") ("unit" . "outline"))
      ("emacs_search" ("file" . "BIG") ("pattern" . "line 199999")) ("emacs_search" ("file" . "BIG") ("pattern" . "1999[0-9]+ of") ("regexp" . t))
      ("emacs_search" ("in" . "buffers") ("pattern" . "not to be found"))
      ("emacs_edit" ("file" . "BIG") ("save" . "never") ("edits" . [(("line" . -1) ("new" . "x\n"))]))
      ("emacs_edit" ("file" . "BIG") ("preview" . "diff") ("edits" . [(("old" . "line 150000 of") ("new" . "line of"))]))
      ("emacs_edit" ("file" . "CODE") ("save" . "never") ("edits" . [(("line" . -1) ("new" . ";\n"))])) ("emacs_undo") ("emacs_undo" ("op" . "list"))
      ("emacs_file" ("op" . "open") ("file" . "CODE")) ("emacs_file" ("op" . "diff") ("file" . "BIG"))
      ("emacs_command" ("command" . "beginning-of-buffer") ("file" . "BIG")) ("emacs_keys" ("keys" . "C-f"))
      ("emacs_window" ("op" . "show") ("file" . "BIG") ("line" . 150000)) ("emacs_screenshot" ("format" . "text"))
      ("emacs_symbols" ("name" . "efrit-mcp-change-undo") ("file" . "CODE")) ("emacs_diagnostics" ("of" . "all"))
      ("emacs_project" ("folder" . "PROJECT")) ("emacs_describe" ("name" . "find-file")) ("emacs_check" ("op" . "parens") ("file" . "CODE"))))
  (find-file-noselect code)
  (with-current-buffer (find-file-noselect big) (buffer-enable-undo))
  (dolist (c calls) (efrit-mcp-tool-call (car c) (fill-in (cdr c)))) ; what is loaded on demand is loaded
  (let ((first (mapcar #'measure calls)) (second nil))
    (dotimes (i 1000) (with-current-buffer (generate-new-buffer (format "buffer-%d" i)) (insert "some text\n") (when (= 0 (% i 2)) (setq buffer-file-name (format "/nowhere/file-%d" i)))))
    (setq second (mapcar #'measure calls))
    (while calls
      (let ((c (pop calls)) (a (pop first)) (b (pop second)))
        (princ (format "| `%s`%s | %.1f | %d | %.1f | %d |\n" (car c)
                       (mapconcat (lambda (x) (format " %s" (replace-regexp-in-string "PROJECT" "this" (replace-regexp-in-string "BIG" "10 MB" (if (stringp (cdr x)) (cdr x) (format "%s" (car x))))))) (cdr c) "")
                       (car a) (cadr a) (car b) (cadr b))))))
  (dolist (b (buffer-list)) (with-current-buffer b (set-buffer-modified-p nil)))
  (kill-emacs 0))
'''


def main():
    rounds = sys.argv[1] if len(sys.argv) > 1 else "5"
    with tempfile.TemporaryDirectory() as folder:
        form = FORM.replace("ROUNDS", rounds).replace('"PROJECT"', f'"{ROOT}"')
        env = dict(os.environ, TMPDIR=folder, HOME=folder, XDG_RUNTIME_DIR=folder, LC_ALL="C.UTF-8")
        print("| tool | 10 MB buffer: ms | characters | and 1,000 buffers: ms | characters |\n|---|---|---|---|---|")
        sys.stdout.flush()
        return subprocess.call([os.environ.get("EMACS", "emacs"), "-Q", "--batch", "-L", os.path.join(ROOT, "lisp"),
                                "--eval", form], env=env, timeout=100)


if __name__ == "__main__":
    sys.exit(main())
