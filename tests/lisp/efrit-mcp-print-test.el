;;; efrit-mcp-print-test.el --- Values within bounds  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp-print)

(ert-deftest efrit-mcp-print/small-values-are-whole ()
  (dolist (value (list 1 -1.5 "a\"b" 'sym nil t '(1 . 2) [1 "x" (y)] #s(rec 1 2) :key))
    (should (equal (efrit-mcp-print value 1000) (cons (prin1-to-string value) nil)))))

(ert-deftest efrit-mcp-print/properties-of-strings-are-left-out ()
  (should (equal (car (efrit-mcp-print (propertize "x" 'face 'bold) 100)) "\"x\"")))

(ert-deftest efrit-mcp-print/long-values-are-cut-and-said-to-be ()
  (dolist (value (list (make-string 5000 ?x) (number-sequence 1 5000) (make-vector 5000 'x)
                       (let ((h (make-hash-table))) (dotimes (i 5000 h) (puthash i i h)))
                       (make-list 10 (make-string 5000 ?y))
                       (list (list (list (make-vector 10 (make-string 5000 ?z)))))))
    (pcase-let ((`(,text . ,cut) (efrit-mcp-print value 100)))
      (should cut)
      (should (<= (length text) 102)))))

(ert-deftest efrit-mcp-print/endless-values-end ()
  (let ((circle (list 1 2 3)))
    (setcdr (last circle) circle)
    (should (stringp (car (efrit-mcp-print circle 100)))))
  (let ((deep nil))
    (dotimes (_ 2000) (setq deep (list deep)))
    (should (<= (length (car (efrit-mcp-print deep 100))) 102)))
  (should (<= (length (car (efrit-mcp-print (standard-syntax-table) 100))) 102)))

(defun efrit-mcp-print-test--nest (n wrap)
  "Return a value in N values, each made by WRAP of the one inside it."
  (let ((value nil)) (dotimes (_ n) (setq value (funcall wrap value))) value))

(ert-deftest efrit-mcp-print/deep-values-are-printed-in-part ()
  "Each of these is too deep for the C stack, printed with `print-circle' on Emacs 28."
  (dolist (wrap (list #'list #'vector
                      (lambda (x) (cons x 1)) (lambda (x) (record 'r x)) (lambda (x) (list 'quote x)) (lambda (x) (list 'function x))
                      (lambda (x) (list '\` x)) (lambda (x) (propertize "s" 'p x)) (lambda (x) (make-byte-code 0 "" (vector x) 1))
                      (lambda (x) (let ((h (make-hash-table :size 1))) (puthash 1 x h) h))
                      (lambda (x) (let ((h (make-hash-table :test (quote eq) :size 1))) (puthash (list x) 1 h) h))))
    (let* ((print-gensym t) (print-circle t)
           (value (list (efrit-mcp-print-test--nest 30000 wrap)))
           (shown (efrit-mcp-print value 20000)))
      (should (cdr shown))
      (should (<= (length (car shown)) 20003))
      (should (<= (length (efrit-mcp--show value)) 1003)))))

(ert-deftest efrit-mcp-print/what-is-not-too-deep-is-whole ()
  (let ((value (efrit-mcp-print-test--nest 900 #'list)))
    (should (equal (efrit-mcp-print value 20000) (list (concat (make-string 900 ?\() "nil" (make-string 900 ?\)))))))
  (let ((circle (list 1 2 3)) (shared (list 1)))
    (setcdr (last circle) circle)
    (should (equal (efrit-mcp-print circle 100) '("#1=(1 2 3 . #1#)")))
    (should (equal (efrit-mcp-print (list shared (vector shared) shared) 100) '("(#1=(1) [#1#] #1#)")))
    (setcar shared shared)
    (should (equal (efrit-mcp-print shared 100) '("#1=(#1#)"))))
  (should (equal (efrit-mcp-print (list (propertize "a" 'face 'bold)) 100) '("(#(\"a\" 0 1 (face bold)))"))))

(ert-deftest efrit-mcp-print/a-circle-that-is-a-deep-one-is-no-trap ()
  "Met first where it is shallow, printed first where it is deep."
  (let* ((end (list nil)) (deep (efrit-mcp-print-test--nest 30000 (lambda (x) (list (or x end))))))
    (setcar end end)
    (should (cdr (efrit-mcp-print (list deep end) 100000)))
    (should (cdr (efrit-mcp-print (list end deep) 100000)))))

(ert-deftest efrit-mcp-print/cost-stops-early ()
  "A list of millions is not walked to its end."
  (let ((value (make-list 300000 'x)))
    (should (< (efrit-mcp-print--walk value 100 nil) 0))
    (should (> (efrit-mcp-print--walk value 20000000 nil) 0))))

(ert-deftest efrit-mcp-print/raw-bytes-are-shown-as-octal ()
  (should (equal (efrit-mcp--clean-string "a\xff\x80 b") "a\\377\\200 b"))
  (should (equal (efrit-mcp--clean-string (string-to-multibyte "\xfe")) "\\376"))
  (should (equal (efrit-mcp--clean-string (string #x110000 ?x #xD800)) "\xFFFDx\xFFFD"))
  (should (equal (efrit-mcp--clean-string "grün 😀") "grün 😀")))

(ert-deftest efrit-mcp-print/raw-bytes-are-noticed ()
  (should (efrit-mcp-print-raw-p "\xff"))
  (should (efrit-mcp-print-raw-p (concat "é" (string-to-multibyte "\x80"))))
  (should-not (efrit-mcp-print-raw-p "plain"))
  (should-not (efrit-mcp-print-raw-p "grün 😀")))

(ert-deftest efrit-mcp-print/frames-are-bounded ()
  (let ((frames (efrit-mcp-print-frames (list (list 'car (make-string 100000 ?x)) (list (lambda () 1) 2)))))
    (should (vectorp frames))
    (should (<= (length (aref frames 0)) 202))
    (should (string-prefix-p "(car \"xxx" (aref frames 0)))))

;;; efrit-mcp-print-test.el ends here
