;;; efrit-mcp-diff.el --- Apply a unified diff to a buffer, all of it or nothing  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; What was reviewed is applied to the text as it is now: each hunk must stand where it
;; says, or at exactly one other place; else nothing is changed.

;;; Code:

(require 'efrit-mcp-native)
(require 'efrit-mcp-eol)
(require 'efrit-mcp-coding)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(define-error 'efrit-mcp-conflict "The text is another one by now" 'efrit-mcp-error)

(defun efrit-mcp-diff--bad (line)
  "Signal that LINE does not belong into a unified diff."
  (signal 'efrit-mcp-invalid-argument
          (list (format "this is no line of a unified diff: %s" (substring line 0 (min 100 (length line)))))))

(defun efrit-mcp-diff-hunks (diff)
  "Return the hunks of DIFF, text about one file: (LINE OLD NEW) each.
OLD and NEW are what stands there before and after; the numbers of lines
in the headers are not believed, people edit diffs."
  (let ((lines (split-string diff "\n")) (hunks nil) (at nil) (old nil) (new nil) (last nil))
    (when (equal (car (last lines)) "") (setq lines (butlast lines)))
    (cl-flet ((done () (when at (push (list at (apply #'concat (nreverse old)) (apply #'concat (nreverse new))) hunks))
                    (setq at nil old nil new nil)))
      (dolist (line lines)
        (cond
         ((string-match "\\`@@ -\\([0-9]+\\)\\(?:,[0-9]+\\)? \\+[0-9]+\\(?:,[0-9]+\\)? @@" line)
          (done) (setq at (string-to-number (match-string 1 line)) last nil))
         ((null at) nil) ; the file's names
         ((string-prefix-p "\\" line) ; no newline at the end of the line before
          (when (memq last '(old both)) (setcar old (substring (car old) 0 -1)))
          (when (memq last '(new both)) (setcar new (substring (car new) 0 -1))))
         ((string-prefix-p "-" line) (push (concat (substring line 1) "\n") old) (setq last 'old))
         ((string-prefix-p "+" line) (push (concat (substring line 1) "\n") new) (setq last 'new))
         ((or (string-prefix-p " " line) (equal line ""))
          (let ((text (concat (if (equal line "") "" (substring line 1)) "\n")))
            (push text old) (push text new) (setq last 'both)))
         (t (efrit-mcp-diff--bad line))))
      (done))
    (nreverse hunks)))

(defun efrit-mcp-diff--place (hunk after)
  "Return where the old text of HUNK stands here, at AFTER or later; or nil."
  (pcase-let ((`(,line ,old ,_) hunk))
    (save-excursion
      (goto-char (point-min))
      (forward-line (1- (max 1 (if (equal old "") (1+ line) line))))
      (cond
       ((equal old "") (and (>= (point) after) (point)))
       ((and (>= (point) after) (let ((case-fold-search nil)) (looking-at (regexp-quote old)))) (point))
       (t (goto-char after)
          (let ((case-fold-search nil))
            (when (search-forward old nil t)
              (let ((found (match-beginning 0)))
                (goto-char (1+ found))
                (unless (search-forward old nil t) found)))))))))

(defun efrit-mcp-diff--fit (hunk after)
  "Return (PLACE OLD NEW) for HUNK here, at AFTER or later; or nil.
The line ends of HUNK become those of the text."
  (pcase-let* ((`(,_ ,old ,new) hunk) (beg (efrit-mcp-diff--place hunk after)) (end (and beg (+ beg (length old)))))
    (unless (or beg (equal old ""))
      (let ((found (seq-filter (lambda (match) (>= (car match) after)) (efrit-mcp-eol-matches old))))
        (when (and found (null (cdr found))) (setq beg (caar found) end (cdar found)))))
    (when beg
      (list beg (buffer-substring-no-properties beg end) (efrit-mcp-eol-place new beg end)))))

(defun efrit-mcp-diff--own-lines (diff)
  "Return DIFF without the CRs that its own lines end with, if all of them do."
  (if (or (not (string-search "\r\n" diff)) (string-match-p "^@@ .*[^\r]$" diff))
      diff
    (replace-regexp-in-string "\r$" "" diff t t)))

(defun efrit-mcp-diff-apply (diff &optional buffer)
  "Apply DIFF, a unified diff about one file, to BUFFER or the current one.
All hunks or none: signal an `efrit-mcp-conflict' when one does not fit.
Return the number of hunks.  It is one step of undo."
  (with-current-buffer (or buffer (current-buffer))
    (let ((hunks (efrit-mcp-diff-hunks (efrit-mcp-diff--own-lines diff))) (n 0))
      (unless hunks (signal 'efrit-mcp-invalid-argument '("the diff has no hunks")))
      (barf-if-buffer-read-only)
      (save-excursion
        (save-restriction
          (widen)
          (let ((after (point-min)) (places nil))
            ;; First all are found, then all are changed, from the end.
            (dolist (hunk hunks)
              (setq n (1+ n))
              (let ((fit (or (efrit-mcp-diff--fit hunk after)
                             (signal 'efrit-mcp-conflict
                                     (list (format "hunk %d of %d (line %d) does not fit the buffer %s; nothing was changed"
                                                   n (length hunks) (car hunk) (buffer-name)))))))
                (push fit places)
                (setq after (+ (car fit) (length (nth 1 fit))))))
            (efrit-mcp-coding-judge (mapcar (pcase-lambda (`(,place ,old ,new)) (list place (+ place (length old)) new))
                                            (reverse places)))
            (undo-boundary)
            (atomic-change-group
              (pcase-dolist (`(,place ,old ,new) places)
                (efrit-mcp-diff--replace place old new)))
            (undo-boundary))))
      n)))

(defun efrit-mcp-diff--replace (place old new)
  "Have NEW stand at PLACE instead of OLD; what is alike at both ends stays."
  (let* ((least (min (length old) (length new))) (head 0) (tail 0))
    (while (and (< head least) (eq (aref old head) (aref new head))) (setq head (1+ head)))
    (while (and (< tail (- least head))
                (eq (aref old (- (length old) tail 1)) (aref new (- (length new) tail 1))))
      (setq tail (1+ tail)))
    (goto-char (+ place head))
    (delete-region (point) (+ place (- (length old) tail)))
    (insert (substring new head (- (length new) tail)))))

(provide 'efrit-mcp-diff)
;;; efrit-mcp-diff.el ends here
