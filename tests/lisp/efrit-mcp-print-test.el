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

(ert-deftest efrit-mcp-print/cost-stops-early ()
  "A list of millions is not walked to its end."
  (let* ((value (make-list 3000000 'x))
         (begun (current-time)) (n 0))
    (should (< (efrit-mcp-print--cost value 100) 0))
    (ignore begun n)
    (should (> (efrit-mcp-print--cost value 20000000) 0))))

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
