;;; efrit-mcp-userlock.el --- What Emacs asks about files, refused inside a job  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A form or a command may change a file that another Emacs has locked, one that changed
;; on disk, or save what its coding cannot hold.  Emacs asks the person then, in windows
;; of its own.  Inside a job each is an error that names the owner, file or character.

;;; Code:

(require 'efrit-mcp-prompt)
(require 'efrit-mcp-coding)

(defvar efrit-mcp-userlock-refuse nil
  "Non-nil: questions about files fail also where others may be asked.")

(defun efrit-mcp-userlock--p ()
  "Return non-nil if questions about files fail now."
  (or efrit-mcp-userlock-refuse
      (and efrit-mcp-prompt--refuse (not (efrit-mcp-prompt--of-job-p)))))

(defun efrit-mcp-userlock--lock (function file opponent)
  "Around FUNCTION, `ask-user-about-lock': FILE is locked by OPPONENT."
  (if (efrit-mcp-userlock--p)
      (signal 'file-locked (list file (format "locked by %s: it is edited there, and nothing was changed" opponent)))
    (funcall function file opponent)))

(defun efrit-mcp-userlock--changed (function file)
  "Around FUNCTION, `ask-user-about-supersession-threat': FILE changed on disk."
  (if (efrit-mcp-userlock--p)
      (signal 'file-supersession (list "File changed on disk since it was read; revert it, or save it by emacs_file with force" file))
    (funcall function file)))

(defun efrit-mcp-userlock--coding (function from to &rest arguments)
  "Around FUNCTION, which asks for a coding for FROM to TO and ARGUMENTS."
  (when (efrit-mcp-userlock--p)
    (let ((bad (and (integer-or-marker-p from) (efrit-mcp-coding--place-of-bad (or buffer-file-coding-system 'undecided) from to))))
      (when bad
        (efrit-mcp-coding--refuse (char-after bad) buffer-file-coding-system (format "the coding of %s" (efrit-mcp-coding--name))))
      (signal 'efrit-mcp-coding (list (format "the text of %s cannot be written in its coding, %s; nothing was written"
                                              (efrit-mcp-coding--name) buffer-file-coding-system)))))
  (apply function from to arguments))

(defconst efrit-mcp-userlock--advice
  '((ask-user-about-lock . efrit-mcp-userlock--lock)
    (ask-user-about-supersession-threat . efrit-mcp-userlock--changed)
    (select-safe-coding-system-interactively . efrit-mcp-userlock--coding))
  "Functions that ask about files, and what stands around them.")

(defun efrit-mcp-userlock-guard ()
  "Install what makes questions about files fail inside jobs."
  (pcase-dolist (`(,function . ,advice) efrit-mcp-userlock--advice) (advice-add function :around advice)))

(defun efrit-mcp-userlock-unguard ()
  "Take away what `efrit-mcp-userlock-guard' installed."
  (pcase-dolist (`(,function . ,advice) efrit-mcp-userlock--advice) (advice-remove function advice)))

(provide 'efrit-mcp-userlock)
;;; efrit-mcp-userlock.el ends here
