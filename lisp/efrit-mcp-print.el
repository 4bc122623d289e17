;;; efrit-mcp-print.el --- Show values and backtraces within bounds  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Printing is slow (10 MB of `prin1' take over 100 ms) and a value may be endless,
;; so a value is measured before it is printed, never cut afterwards.  Measured is its
;; depth too, without recursion.

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
               (push (cons (if (or (stringp key) (symbolp key)) key (efrit-mcp--show key)) value) all))
             table)
    (nreverse all)))

(defconst efrit-mcp-print--depth-max 1000
  "Values within values that are printed with `print-circle'.
Emacs 28 recurses for each, on the C stack, whose overflow nothing survives.")

(defun efrit-mcp-print--inside (value)
  "Return the members that VALUE, which is no cons, prints, a list.
Return t if it prints an unknown lot."
  (cond ((or (symbolp value) (numberp value)) nil)
        ((stringp value) (object-intervals value))
        ((or (vectorp value) (recordp value))
         (let ((all nil) (i (length value)))
           (while (> i 0) (push (aref value (setq i (1- i))) all))
           all))
        ((hash-table-p value)
         (let (all) (maphash (lambda (k v) (push k all) (push v all)) value) (nreverse all)))
        ((or (bufferp value) (markerp value) (processp value) (windowp value) (framep value)
             (overlayp value) (subrp value) (bool-vector-p value))
         nil)
        (t t)))

(defun efrit-mcp-print--cost (value)
  "Return about the characters that VALUE, which is no cons, prints itself."
  (cond ((null value) 1)
        ((symbolp value) (length (symbol-name value)))
        ((fixnump value) 4)
        ((integerp value) (/ (logb value) 3))
        ((or (stringp value) (vectorp value) (recordp value) (bool-vector-p value)) (+ 2 (length value)))
        ((hash-table-p value) (+ 40 (hash-table-count value)))
        (t 40)))

(defun efrit-mcp-print--walk (value budget seen)
  "Return what is left of BUDGET, characters, when VALUE is printed.
Less than 0: it is over it, or nobody knows.  `deep': it has too many
values within values.  SEEN, a table, has what is met twice count once, as
`print-circle' prints it.  The order is that of printing, and so is the depth."
  (let ((stack (list (list value))) (depth 0))
    (while (and stack (natnump budget))
      (let* ((top (car stack)) (v (if (consp top) (car top) top)) (inside nil))
        (cond ((null top) (pop stack) (setq depth (1- depth)))
              (t (setcar stack (and (consp top)
                                    (not (and seen (consp (cdr top)) (gethash (cdr top) seen)))
                                    (cdr top)))
                 (when (and seen (consp top)) (puthash top t seen))
                 (setq budget (- budget (if (consp v) 1 (1+ (efrit-mcp-print--cost v)))))
                 (when (and (>= budget 0) (not (and seen (gethash v seen))))
                   (setq inside (if (consp v) v (efrit-mcp-print--inside v)))
                   ;; Emacs 28 meets the values in a string's properties in no known order.
                   (cond ((or (eq inside t) (and seen inside (stringp v))) (setq budget -1))
                         (inside (when (and seen (not (consp v))) (puthash v t seen))
                                 (push inside stack)
                                 (when (> (setq depth (1+ depth)) efrit-mcp-print--depth-max)
                                   (setq budget 'deep)))))))))
    budget))

(defconst efrit-mcp-print--circle-max 100000
  "Characters of a value up to which it is seen that it is a circle.")

(defun efrit-mcp-print--fits-p (value max)
  "Return non-nil if VALUE can be printed with `print-circle'.
That it comes to more than about MAX characters is unlikely then."
  (let ((budget (* 2 max)))
    (or (natnump (efrit-mcp-print--walk value budget nil))
        (natnump (efrit-mcp-print--walk value (min budget efrit-mcp-print--circle-max) (make-hash-table :test #'eq))))))

(defun efrit-mcp-print--endless (value max)
  "Print VALUE until MAX characters are there; return (TEXT . CUT).
CUT is `deep' where Emacs goes no deeper, as it does without `print-circle'."
  (let ((out (make-string max ?\s)) (n 0) (cut 'long)
        (print-circle nil) (print-gensym nil))
    (catch 'efrit-mcp-print--full
      (condition-case nil
          (progn (prin1 value (lambda (c)
                                (when (>= n max) (throw 'efrit-mcp-print--full nil))
                                (aset out n c)
                                (setq n (1+ n))))
                 (setq cut nil))
        (error (setq cut 'deep))))
    (cons (concat (substring out 0 n) (and (eq cut 'deep) "...")) cut)))

(defun efrit-mcp-print (value max)
  "Return (TEXT . CUT): VALUE as `prin1' shows it, in at most MAX characters.
CUT is non-nil when that is not all of it: `long', or `deep' for one with
too many values within values, which ends in three dots more."
  (if (fixnump value)
      (list (number-to-string value)) ; the commonest, and `prin1' is slow
    (efrit-mcp-print--object value max)))

(defvar print-unreadable-function)

(defun efrit-mcp-print--object (value max)
  "Return (TEXT . CUT) as `efrit-mcp-print' does, of any VALUE, for MAX."
  (let ((print-circle t) (print-length nil) (print-level nil) (print-continuous-numbering nil) (print-number-table nil)
        (print-unreadable-function nil)
        (print-quoted t) (print-escape-newlines nil) (float-output-format nil))
    (cond ((and (stringp value) (> (length value) max))
           (cons (prin1-to-string (substring-no-properties value 0 max)) 'long))
          ((stringp value) (cons (prin1-to-string (substring-no-properties value)) nil))
          ((not (efrit-mcp-print--fits-p value max)) (efrit-mcp-print--endless value max))
          (t (let ((text (prin1-to-string value)))
               (if (> (length text) max)
                   (cons (substring text 0 max) 'long)
                 (cons text nil)))))))

(defun efrit-mcp-print-plainly (value max)
  "Return VALUE as `princ' shows it, a string; at most MAX characters of it."
  (cond ((stringp value) (substring-no-properties value 0 (min max (length value))))
        ((symbolp value) (efrit-mcp-print-plainly (symbol-name value) max))
        (t (car (efrit-mcp-print value max)))))

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
