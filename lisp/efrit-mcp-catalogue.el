;;; efrit-mcp-catalogue.el --- The tools as C, for the bridge  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Used at build time: the bridge lists all tools before any Emacs is up.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-tools-efrit)
(require 'efrit-mcp-tools-emacs)

(defun efrit-mcp-catalogue-write-c ()
  "Write the catalogue as a C string to the file named on the command line."
  (let ((coding-system-for-write 'no-conversion)
        (text (efrit-mcp-tool-catalogue)))
    (with-temp-file (pop command-line-args-left)
      (set-buffer-multibyte nil)
      (insert "/* Generated from lisp/ by efrit-mcp-catalogue.el; do not edit. */\n"
              "extern const char catalogue_text[];\nconst char catalogue_text[] =\n")
      (while (> (length text) 0)
        (let ((n (min 60 (length text))))
          (insert "\t\"")
          (mapc (lambda (c) (insert (if (or (memq c '(?\" ?\\)) (< c 32) (> c 126))
                                        (format "\\%03o" c)
                                      (char-to-string c))))
                (substring text 0 n))
          (insert "\"\n")
          (setq text (substring text n))))
      (insert "\t;\n"))))

(provide 'efrit-mcp-catalogue)
;;; efrit-mcp-catalogue.el ends here
