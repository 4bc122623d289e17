;;; efrit-mcp-print.el --- Show values and backtraces within bounds  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Printing is slow (10 MB of `prin1' take over 100 ms) and a value may be endless,
;; so a value is measured before it is printed, never cut afterwards.

;;; Code:

(eval-when-compile (require 'cl-lib))

(defconst efrit-mcp-print--frames-max 40 "Frames a backtrace shows.")
(defconst efrit-mcp-print--frame-max 200 "Characters a frame of a backtrace shows.")

(defun efrit-mcp--clean-string (string)
  "Return STRING with raw bytes as \\OOO and other non-Unicode as U+FFFD.
The module calls this for a string it cannot pass on as it is."
  (replace-regexp-in-string
   "[^\000-\x10FFFF]\\|[\xD800-\xDFFF]"
   (lambda (s)
     (let ((c (aref s 0)))
       (if (<= #x3FFF80 c #x3FFFFF) (format "\\%o" (- c #x3FFF00)) "\xFFFD")))
   (string-to-multibyte string) t t))

(defun efrit-mcp-print-raw-p (string)
  "Return non-nil if STRING holds raw bytes, which are shown as octal escapes."
  (if (multibyte-string-p string)
      (and (/= (string-bytes string) (length string)) ; else it is ASCII, and seen at once
           (string-match-p "[\x3FFF80-\x3FFFFF]" string))
    (string-match-p "[^[:ascii:]]" string)))

(defun efrit-mcp--show (value)
  "Return VALUE printed, briefly.
The module calls this for what JSON has no form for."
  (car (efrit-mcp-print value 1000)))

(defun efrit-mcp--members (table)
  "Return the members of the hash table TABLE as an alist with string keys.
The module calls this, and writes an object."
  (let (all)
    (maphash (lambda (key value)
               (push (cons (if (or (stringp key) (symbolp key)) key (format "%s" key)) value) all))
             table)
    (nreverse all)))

(defun efrit-mcp-print--cost (value budget)
  "Return BUDGET less about the characters that VALUE prints to; negative: over it."
  (let ((rest (list value)))
    (while (and rest (>= budget 0))
      (let ((v (pop rest)))
        (while (and (consp v) (>= budget 0))
          (setq budget (1- budget))
          (if (consp (car v))
              (push (car v) rest)
            (setq budget (efrit-mcp-print--atom (car v) budget))
            (when (efrit-mcp-print--deep-p (car v))
              (push (append (efrit-mcp-print--inside (car v)) nil) rest)))
          (setq v (cdr v)))
        (setq budget (efrit-mcp-print--atom v budget))
        (when (efrit-mcp-print--deep-p v)
          (push (append (efrit-mcp-print--inside v) nil) rest))))
    budget))

(defun efrit-mcp-print--deep-p (value)
  "Return non-nil if VALUE is not a cons and prints its members."
  (or (vectorp value) (recordp value) (hash-table-p value)))

(defun efrit-mcp-print--inside (value)
  "Return the members of VALUE, a sequence."
  (cond ((hash-table-p value)
         (let (all) (maphash (lambda (k v) (push k all) (push v all)) value) all))
        ((vectorp value) value)
        (t (let (all) (dotimes (i (length value)) (push (aref value i) all)) all))))

(defun efrit-mcp-print--atom (value budget)
  "Return BUDGET less about what the atom VALUE prints to."
  (- budget
     (cond ((stringp value) (+ 2 (length value)))
           ((null value) 1)
           ((symbolp value) (length (symbol-name value)))
           ((numberp value) (if (fixnump value) 4 20))
           ((vectorp value) (length value))
           ((hash-table-p value) (+ 40 (hash-table-count value)))
           ((or (char-table-p value) (byte-code-function-p value)) 10000000)
           ((bool-vector-p value) (length value))
           (t 40))))

(defun efrit-mcp-print--endless (value max)
  "Print VALUE until MAX characters are there."
  (let ((out (make-string max ?\s)) (n 0))
    (catch 'efrit-mcp-print--full
      (prin1 value (lambda (c)
                     (when (>= n max) (throw 'efrit-mcp-print--full nil))
                     (aset out n c)
                     (setq n (1+ n)))))
    (substring out 0 n)))

(defun efrit-mcp-print (value max)
  "Return (TEXT . CUT): VALUE as `prin1' shows it, in at most MAX characters.
CUT is non-nil when that is not all of it."
  (if (fixnump value)
      (list (number-to-string value)) ; the commonest, and `prin1' is slow
    (efrit-mcp-print--object value max)))

(defun efrit-mcp-print--object (value max)
  "Return (TEXT . CUT) as `efrit-mcp-print' does, of any VALUE, for MAX."
  (let ((print-circle t) (print-length nil) (print-level nil)
        (print-quoted t) (print-escape-newlines nil) (float-output-format nil))
    (cond ((and (stringp value) (> (length value) max))
           (cons (prin1-to-string (substring-no-properties value 0 max)) t))
          ((stringp value) (cons (prin1-to-string (substring-no-properties value)) nil))
          ((< (efrit-mcp-print--cost value (* 2 max)) 0)
           (cons (efrit-mcp-print--endless value max) t))
          (t (let ((text (prin1-to-string value)))
               (if (> (length text) max)
                   (cons (substring text 0 max) t)
                 (cons text nil)))))))

(defun efrit-mcp-print-frames (frames)
  "Return FRAMES, a list of (FUNCTION . ARGUMENTS), as a vector of strings."
  (vconcat
   (mapcar (lambda (frame)
             (condition-case nil
                 (car (efrit-mcp-print (if (symbolp (car frame)) frame
                                         (cons (efrit-mcp-print--function-name (car frame)) (cdr frame)))
                                       efrit-mcp-print--frame-max))
               (error "?")))
           frames)))

(defun efrit-mcp-print--function-name (function)
  "Return a short symbol for FUNCTION, which has no name."
  (cond ((subrp function) (intern (subr-name function)))
        ((byte-code-function-p function) 'compiled-function)
        ((consp function) (if (memq (car function) '(lambda closure)) (car function) 'function))
        (t 'function)))

(provide 'efrit-mcp-print)
;;; efrit-mcp-print.el ends here
