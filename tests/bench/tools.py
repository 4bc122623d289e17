#!/usr/bin/env python3
"""tools.py - what each typed tool costs: time and size of the answer, in an Emacs with a
10 MB buffer, and with 1,000 open buffers besides.  A part of `make bench'.

    tests/bench/tools.py [ROUNDS]        the table alone; EMACS chooses the program

Times are Emacs's own, from the call to the answer's JSON, the median of ROUNDS.  An answer
that kept Emacs for more than 50 ms is to say so (busy_ms): one that did not is told.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from report import table  # noqa: E402  tests/bench/report.py

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FORM = r'''
(progn
  (setq large-file-warning-threshold nil make-backup-files nil create-lockfiles nil auto-save-default nil gc-cons-threshold (* 8 1024 1024))
  (setq efrit-mcp-packs '(org))
  (require 'efrit-mcp)
  (efrit-mcp-native-load efrit-mcp-version)
  (defvar big (expand-file-name "big.txt" temporary-file-directory))
  (defvar code (expand-file-name "code.el" temporary-file-directory))
  (with-temp-file big (dotimes (i 200000) (insert (format "line %06d of a text that is long enough, to be 10 MB\n" i))))
  (with-temp-file code (dotimes (i 300) (insert (format "(defun code-%d (x) \"Doc.\" (car x))\n\n" i))))
  (defvar headings (expand-file-name "headings.org" temporary-file-directory))
  (with-temp-file headings
    (dotimes (i 40000)
      (insert (format "%s %s Heading %d%s\n%s%sSome text below that is a line or two long.\nAnd another line of it.\n"
                      (make-string (1+ (% i 4)) ?*) (nth (% i 3) '("TODO" "DONE" "")) i (if (= 0 (% i 5)) "  :work:" "")
                      (if (= 0 (% i 7)) (format "SCHEDULED: <2026-%02d-%02d Sat>\n" (1+ (% i 12)) (1+ (% i 28))) "")
                      (if (= 0 (% i 10)) (format ":PROPERTIES:\n:ID: id-%d\n:END:\n" i) "")))))
  (defun median (l) (nth (/ (length l) 2) (sort l #'<)))
  (defun fill-in (value) (cond ((stringp value) (replace-regexp-in-string "BIG" big (replace-regexp-in-string "ORG" headings (replace-regexp-in-string "CODE" code value t t) t t) t t))
                          ((vectorp value) (vconcat (mapcar #'fill-in value)))
                          ((consp value) (cons (fill-in (car value)) (fill-in (cdr value)))) (t value)))
  (defun measure (call)
    (let ((times nil) (silent 0) (size 0) (arguments (fill-in (cdr call))))
      (dotimes (_ ROUNDS)
        (garbage-collect)
        (let* ((t0 (float-time)) (answer (efrit-mcp-tool-call (car call) arguments)) (took (- (float-time) t0))
               (value (append (and (listp (cdr answer)) (cdr answer))
                              (unless (listp (cdr answer)) nil)
                              (and efrit-mcp-observe--level (efrit-mcp-observe-end))))
               (text (if (stringp (cdr answer)) (cdr answer) (efrit-mcp--mod-json value))))
          (push (- (float-time) t0) times)
          (unless (memq (car answer) '(done whole)) (error "%s: %S" call answer))
          (unless (string-match-p "busy_ms" text) (setq silent (max silent took)))
          (setq size (length text))))
      (vector (* 1000 (median times)) size (* 1000 silent))))
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
      ("emacs_project" ("folder" . "PROJECT")) ("emacs_describe" ("name" . "find-file")) ("emacs_check" ("op" . "parens") ("file" . "CODE"))
      ("emacs_org" ("op" . "list") ("file" . "ORG")) ("emacs_org" ("op" . "list") ("file" . "ORG") ("match" . "work/TODO"))
      ("emacs_org" ("op" . "list") ("file" . "ORG") ("match" . "ID=\"id-100\"")) ("emacs_org" ("op" . "list") ("file" . "ORG") ("due" . 7))
      ("emacs_org" ("op" . "read") ("file" . "ORG") ("heading" . "Heading 39000"))))
  (find-file-noselect code)
  (with-current-buffer (find-file-noselect big) (buffer-enable-undo))
  (dolist (c calls) (efrit-mcp-tool-call (car c) (fill-in (cdr c)))) ; what is loaded on demand is loaded
  (let ((first (mapcar #'measure calls)) (second nil))
    (dotimes (i 1000) (with-current-buffer (generate-new-buffer (format "buffer-%d" i)) (insert "some text\n") (when (= 0 (% i 2)) (setq buffer-file-name (format "/nowhere/file-%d" i)))))
    (setq second (mapcar #'measure calls))
    (while calls
      (let ((c (pop calls)) (a (pop first)) (b (pop second)))
        (princ (concat (json-serialize
                (vector (car c) (mapconcat (lambda (x) (format " %s" (replace-regexp-in-string "ORG" "40,000 headings" (replace-regexp-in-string "PROJECT" "this" (replace-regexp-in-string "BIG" "10 MB" (if (stringp (cdr x)) (cdr x) (format "%s" (car x))))) t))) (cdr c) "") a b)) "\n")))))
  (dolist (b (buffer-list)) (with-current-buffer b (set-buffer-modified-p nil)))
  (kill-emacs 0))
'''


LIMIT = 50   # milliseconds an answer may keep Emacs without saying so


def measure(rounds=5, emacs=os.environ.get("EMACS", "emacs")):
    """Rows of (tool, with what, [ms, characters, ms of the longest that did not say so], the same with 1,000 buffers)."""
    with tempfile.TemporaryDirectory() as folder:
        form = FORM.replace("ROUNDS", str(rounds)).replace('"PROJECT"', f'"{ROOT}"')
        env = dict(os.environ, TMPDIR=folder, HOME=folder, XDG_RUNTIME_DIR=folder, LC_ALL="C.UTF-8")
        p = subprocess.run([emacs, "-Q", "--batch", "-L", os.path.join(ROOT, "lisp"), "--eval", form],
                           env=env, timeout=300, capture_output=True, text=True)
    if p.returncode != 0:
        raise SystemExit(f"tools.py: Emacs ended with {p.returncode}: {p.stderr[-2000:]}")
    return [json.loads(line) for line in p.stdout.splitlines() if line.startswith("[")]


def section(rows):
    return "\n".join([
        "## The tools\n",
        "Emacs in batch, the median of five calls each; with a buffer of 10 MB open, and with 1,000 other buffers besides."
        "  What compiles and tests is an Emacs of its own, language servers are asked without waiting.\n",
        table(["tool", "10 MB buffer: ms", "characters", "and 1,000 buffers: ms", "characters"],
              [[f"`{name}`{what}", "%.1f" % a[0], a[1], "%.1f" % b[0], b[1]] for name, what, a, b in rows])])


def verdicts(rows):
    longest, what = max((max(a[2], b[2]), name + said) for name, said, a, b in rows)
    yield (f"nothing above {LIMIT} ms keeps Emacs without saying so (busy_ms), {len(rows)} calls", longest <= LIMIT,
           "%.1f ms, %s, is the longest that did not" % (longest, what))


def main():
    rows = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    print(section(rows) + "\n" + table(["promise", "met", "measured"], [[what, "yes" if met else "**no**", said] for what, met, said in verdicts(rows)]))


if __name__ == "__main__":
    main()
