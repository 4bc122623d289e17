;;; eln.el --- Compile files natively into a folder  -*- lexical-binding: t -*-

;; usage: emacs -Q --batch -L lisp -l tests/eln.el FOLDER FILE...
;; What is newer there than the file is left.  Says so and does nothing in an Emacs that
;; has no native compiler.

(if (not (and (fboundp 'native-comp-available-p) (native-comp-available-p)))
    (message "this Emacs has no native compiler")
  (require 'comp)
  (let ((folder (expand-file-name (pop command-line-args-left))))
    (dolist (file command-line-args-left)
      (let ((output (comp-el-to-eln-filename file folder)))
        (when (file-newer-than-file-p (concat file "c") output) ; Emacs loads no older one
          (make-directory (file-name-directory output) t)
          (native-compile file output))))))
(setq command-line-args-left nil)
