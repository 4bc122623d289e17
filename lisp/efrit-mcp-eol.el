;;; efrit-mcp-eol.el --- Line ends of an agent's text  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Emacs keeps the lines of a CRLF file without their CR and writes it again on saving.
;; An agent sends CRLF, LF or CR as it likes: its line ends become those of the buffer.
;; A file with mixed line ends keeps its CRs as characters; there text that holds CRs is
;; taken as it is, and other text takes the line ends of the lines around it.

;;; Code:

(defun efrit-mcp-eol-kind (&optional buffer)
  "Return how lines of BUFFER end on disk: crlf, cr, or nil for a plain newline."
  (let* ((buffer (or buffer (current-buffer)))
         (coding (buffer-local-value 'buffer-file-coding-system (or (buffer-base-buffer buffer) buffer))))
    (efrit-mcp-eol-of-coding coding)))

(defun efrit-mcp-eol-of-coding (coding)
  "Return how lines end that CODING writes: crlf, cr, or nil for a plain newline."
  (pcase (and coding (coding-system-eol-type coding)) (1 'crlf) (2 'cr)))

(defun efrit-mcp-eol-bare (text)
  "Return TEXT with each CRLF and each CR as a newline."
  (if (string-search "\r" text) (replace-regexp-in-string "\r\n?" "\n" text t t) text))

(defun efrit-mcp-eol--holds-p (string)
  "Return non-nil if the current buffer, widened or not, holds STRING."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (point-min))
      (search-forward string nil t))))

(defun efrit-mcp-eol-fit (text)
  "Return TEXT, an agent's, with the line ends of the current buffer.
Where the buffer holds CRs as characters, the CRs of TEXT are meant."
  (cond ((not (string-search "\r" text)) text)
        ((not (efrit-mcp-eol--holds-p "\r")) (efrit-mcp-eol-bare text))
        ((efrit-mcp-eol-kind) (string-replace "\r\n" "\n" text))
        (t text)))

(defun efrit-mcp-eol--around (beg end)
  "Return the line end around BEG to END that stands in the current buffer.
It is the one between them, the next one, or else the one before."
  (save-excursion
    (goto-char beg)
    (if (and (or (search-forward "\n" end t)
                 (progn (goto-char end) (search-forward "\n" nil t))
                 (progn (goto-char beg) (search-backward "\n" nil t)))
             (eq (char-before (if (eq (char-before) ?\n) (1- (point)) (point))) ?\r))
        "\r\n"
      "\n")))

(defun efrit-mcp-eol-place (text beg end)
  "Return TEXT as it is to stand for BEG to END of the current buffer.
Its line ends are those of the buffer; where that mixes them, and TEXT
leaves it open, those of the lines around."
  (let ((text (efrit-mcp-eol-fit text)))
    (if (or (efrit-mcp-eol-kind) (string-search "\r" text) (not (string-search "\n" text))
            (equal (efrit-mcp-eol--around beg end) "\n"))
        text
      (string-replace "\n" "\r\n" text))))

(defun efrit-mcp-eol-line (text)
  "Return TEXT with a line end at its end."
  (cond ((string-suffix-p "\n" text) text)
        ((and (string-suffix-p "\r" text) (not (string-search "\n" text))) text)
        ((string-search "\r\n" text) (concat text "\r\n"))
        (t (concat text "\n"))))

(defun efrit-mcp-eol-matches (old &optional all)
  "Return where OLD is in the widened current buffer: a list of (BEG . END).
Exactly as it is, or else with other line ends; with ALL both."
  (or (unless (and all (efrit-mcp-eol--open-p old)) (efrit-mcp-eol--search old #'search-forward))
      (let ((fit (efrit-mcp-eol-bare old)))
        (unless (or (equal fit old) (and all (efrit-mcp-eol--open-p old))) (efrit-mcp-eol--search fit #'search-forward)))
      (when (efrit-mcp-eol--open-p old)
        (efrit-mcp-eol--search (efrit-mcp-eol-regexp old) #'re-search-forward))))

(defun efrit-mcp-eol--open-p (old)
  "Return non-nil if the current buffer may have OLD with several line ends."
  (and (string-match-p "[\r\n]" old) (null (efrit-mcp-eol-kind)) (efrit-mcp-eol--holds-p "\r")))

(defun efrit-mcp-eol--search (what function)
  "Return where FUNCTION finds WHAT in the current buffer: a list of (BEG . END)."
  (let ((case-fold-search nil) (found nil))
    (save-excursion
      (goto-char (point-min))
      (while (funcall function what nil t)
        (push (cons (match-beginning 0) (match-end 0)) found)))
    (nreverse found)))

(defun efrit-mcp-eol-regexp (text)
  "Return a regexp for TEXT whatever its lines end with."
  (mapconcat #'regexp-quote (split-string (efrit-mcp-eol-bare text) "\n") "\r?\n"))

(defvar efrit-mcp-eol-begun nil
  "The coding that the current buffer, an empty one, gets with the text proposed.")

(defun efrit-mcp-eol-begin (text)
  "Return TEXT as it is to stand in the current buffer, which is empty.
On disk there will be the bytes that were given, whatever the person's
default is; a buffer whose line ends are settled keeps these.  The coding
for it is put into `efrit-mcp-eol-begun'."
  (cond (efrit-mcp-eol-begun
         (if (efrit-mcp-eol-of-coding efrit-mcp-eol-begun) (efrit-mcp-eol-bare text) text))
        ((and (efrit-mcp-eol-kind) (local-variable-p 'buffer-file-coding-system)
              buffer-file-name (file-exists-p buffer-file-name))
         (efrit-mcp-eol-bare text))
        ((not (string-match-p "[\r\n]" text)) text)
        (t (let* ((bare (efrit-mcp-eol-bare text))
                  (kind (cond ((not (string-search "\r" text)) 'unix)
                              ((not (string-search "\n" text)) 'mac)
                              ((equal (string-replace "\n" "\r\n" bare) text) 'dos)
                              (t 'unix))))
             (setq efrit-mcp-eol-begun
                   (coding-system-change-eol-conversion (or buffer-file-coding-system 'undecided) kind))
             (if (eq kind 'unix) text bare)))))

(defun efrit-mcp-eol-told ()
  "Return what is told of the line ends of the current buffer, an alist or nil."
  (let ((kind (efrit-mcp-eol-kind)))
    (cond (kind `((eol . ,(symbol-name kind))))
          ((efrit-mcp-eol--holds-p "\r\n") '((eol . "mixed"))))))

(provide 'efrit-mcp-eol)
;;; efrit-mcp-eol.el ends here
