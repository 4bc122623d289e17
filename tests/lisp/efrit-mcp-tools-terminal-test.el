;;; efrit-mcp-tools-terminal-test.el --- emacs_keys, _prompt, _window, _screenshot on a real screen  -*- lexical-binding: t -*-

;; Run in a terminal by tests/run lisp-terminal; what is typed is typed there, and the
;; screen is the terminal's.  Skipped in a batch Emacs and in a daemon.

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(efrit-mcp-native-load efrit-mcp-version)

(defmacro efrit-mcp-tools-terminal-test (name files doc &rest body)
  "Define a test NAME: run BODY with FILES in a terminal, with one window.  DOC says what."
  (declare (indent 2) (doc-string 3))
  `(ert-deftest ,name ()
     ,doc
     (skip-unless (efrit-mcp-tools-test-terminal-p))
     (efrit-mcp-prompt-guard)
     (efrit-mcp-tools-test-files ,files
       (delete-other-windows)
       ,@body)))

(defun efrit-mcp-tools-terminal-test--job (function)
  "Call FUNCTION as a job that may leave a question open, while commands run."
  (let ((inhibit-interaction nil) (efrit-mcp-prompt--refuse t))
    (cl-letf (((symbol-function 'efrit-mcp--mod-set-prompt) #'ignore))
      (efrit-mcp-prompt-allow function))))

(efrit-mcp-tools-terminal-test efrit-mcp-tools-terminal/keys-are-seen (("a.txt" . "one two\nthree\n"))
  "Keys do what they do for the person, and the screen shows it."
  (switch-to-buffer (find-file-noselect a))
  (goto-char 1)
  (efrit-mcp-tools-test-shows "\\`\\(?:File.*\n\\)?one two\nthree\n")
  (let ((answer (efrit-mcp-tools-test-call "emacs_keys" "keys" "M-f SPC a n d C-n C-a M-u")))
    (efrit-mcp-tools-test-shows "one and two\nTHREE\n")
    (efrit-mcp-tools-test-call "emacs_undo" "undo_id" (alist-get 'undo_id answer))
    (efrit-mcp-tools-test-shows "one two\nthree\n"))
  ;; What the person types next is theirs, and goes where they are.
  (goto-char (point-min))
  (efrit-mcp-tools-test-call "emacs_keys" "keys" "C-e")
  (efrit-mcp-tools-test-type '("!") (lambda () (equal (buffer-string) "one two!\nthree\n")))
  (efrit-mcp-tools-test-shows "one two!\nthree\n"))

(efrit-mcp-tools-terminal-test efrit-mcp-tools-terminal/keys-leave-no-question (("a.txt" . "x\n"))
  "A question that keys leave open is told, and is gone from the screen."
  (switch-to-buffer (find-file-noselect a))
  (let ((answer (efrit-mcp-tools-test-call "emacs_keys" "keys" "M-x text-mo")))
    (should (equal (alist-get 'contents (alist-get 'asked answer)) "text-mo")))
  (should (= 0 (minibuffer-depth)))
  (should-not (string-match-p "M-x" (efrit-mcp-tools-test-screen)))
  (dolist (keys '("C-x C-c" "C-z" "C-x 5 0"))
    (should (string-match-p "does not end Emacs" (efrit-mcp-tools-test-error "emacs_keys" "keys" keys)))))

(efrit-mcp-tools-terminal-test efrit-mcp-tools-terminal/the-person-s-question-stays (("a.txt" . "x\n"))
  "With the person in the minibuffer nothing is typed; their question is shown, not answered."
  (switch-to-buffer (find-file-noselect a))
  (efrit-mcp-tools-test-type
   '("M-x" "forward-wo")
   (lambda ()
     (when (and (= 1 (minibuffer-depth)) (equal "forward-wo" (with-current-buffer (window-buffer (minibuffer-window)) (minibuffer-contents))))
       (should (string-match-p "^M-x forward-wo" (efrit-mcp-tools-test-screen)))
       (should (string-match-p "M-x" (efrit-mcp-tools-test-error "emacs_keys" "keys" "a")))
       (should (string-match-p "M-x" (efrit-mcp-tools-test-error "emacs_command" "command" "forward-char")))
       (let ((shown (efrit-mcp-tools-test-call "emacs_prompt")))
         (should (equal (alist-get 'of shown) "the person"))
         (should (equal (alist-get 'contents shown) "forward-wo")))
       (should (string-match-p "the person's" (efrit-mcp-tools-test-error "emacs_prompt" "op" "answer" "value" "x")))
       (should (string-match-p "the person's" (efrit-mcp-tools-test-error "emacs_prompt" "op" "abort")))
       (should (equal (alist-get 'echo (efrit-mcp-tools-test-call "emacs_screenshot")) "M-x forward-wo"))
       (should (string-match-p "^M-x forward-wo" (efrit-mcp-tools-test-screen)))
       t)))
  (should (= 0 (minibuffer-depth))))

(efrit-mcp-tools-terminal-test efrit-mcp-tools-terminal/prompt-of-a-job (("a.txt" . "x\n"))
  "The question of a job stands on the screen and is shown, answered and aborted."
  (switch-to-buffer (find-file-noselect a))
  (let* ((shown nil)
         (during (lambda (function)
                   (run-with-timer 0.05 nil (lambda () (setq shown (efrit-mcp-tools-test-call "emacs_prompt"))
                                              (should (string-match-p "^Which " (efrit-mcp-tools-test-screen)))
                                              (funcall function)))))
         (ask (lambda () (efrit-mcp-tools-terminal-test--job (lambda () (completing-read "Which one? " '("one" "two") nil t nil nil "two"))))))
    (funcall during (lambda () (efrit-mcp-tools-test-call "emacs_prompt" "op" "answer" "value" "one")))
    (should (equal (funcall ask) "one"))
    (should (equal (alist-get 'of shown) "a job"))
    (should (equal (alist-get 'text shown) "Which one? "))
    (should (equal (alist-get 'default shown) "two"))
    (should (equal (alist-get 'choices shown) ["one" "two"]))
    (funcall during (lambda () (efrit-mcp-tools-test-call "emacs_prompt" "op" "abort")))
    (should (eq 'quit (condition-case nil (funcall ask) (quit 'quit))))
    ;; The person may answer it as well.
    (funcall during (lambda () (efrit-mcp-tools-test--tmux "send-keys" "two" "Enter")))
    (should (equal (funcall ask) "two"))
    (should (= 0 (minibuffer-depth)))
    (should-not (string-match-p "Which one" (efrit-mcp-tools-test-screen)))))

(efrit-mcp-tools-terminal-test efrit-mcp-tools-terminal/windows-are-seen (("a.txt" . "first file\n") ("b.txt" . "1\n2\n3\n4\n"))
  "What is shown is on the screen, and the person stays where they are."
  (switch-to-buffer (find-file-noselect a))
  (let ((mine (selected-window)))
    (efrit-mcp-tools-test-call "emacs_window" "op" "show" "file" b "line" 3)
    (efrit-mcp-tools-test-shows "first file\n\\(?:.*\n\\)*.* a\\.txt .*\n1\n2\n3\n")
    (should (eq mine (selected-window)))
    (efrit-mcp-tools-test-type '("X") (lambda () (string-prefix-p "X" (with-current-buffer (find-buffer-visiting a) (buffer-string)))))
    (efrit-mcp-tools-test-call "emacs_window" "op" "split" "where" "right" "file" b)
    (efrit-mcp-tools-test-shows "^Xfirst file *[|│]1")
    (efrit-mcp-tools-test-call "emacs_window" "op" "only")
    (efrit-mcp-tools-test-shows "\\`\\(?:File.*\n\\)?Xfirst file\n")
    (should-not (string-match-p "b\\.txt" (efrit-mcp-tools-test-screen)))))

(efrit-mcp-tools-terminal-test efrit-mcp-tools-terminal/the-text-is-what-the-terminal-shows
    (("a.el" . ";; first\n(defun one ()\n\t(message \"grün 😀 wide\"))\n\n(provide 'a)\n") ("b.txt" . "right\n"))
  "Line by line: the window's text of `emacs_screenshot' and the terminal's screen."
  (switch-to-buffer (find-file-noselect a))
  (font-lock-ensure)
  (let* ((shot (efrit-mcp-tools-test-call "emacs_screenshot" "faces" t))
         (window (aref (alist-get 'windows shot) 0))
         (screen (split-string (efrit-mcp-tools-test-screen) "\n"))
         (from (nth 1 (window-edges))))
    (should (equal (alist-get 'kind shot) "terminal"))
    (should (equal (alist-get 'frame shot) (format "%dx%d" (frame-width) (frame-height))))
    (seq-do-indexed (lambda (line n)
                      (should (equal (string-trim-right line) (string-trim-right (nth (+ from n) screen)))))
                    (split-string (alist-get 'text window) "\n"))
    ;; The terminal cuts the mode line, or fills it with dashes.
    (let ((line (alist-get 'mode_line window)) (row (nth (1- (nth 3 (window-edges))) screen)))
      (should (string-match-p "a\\.el" line))
      ;; Emacs 30 puts another number of blanks in some places of it.
      (should (equal (seq-take (split-string line "[- ]+" t) 3) (seq-take (split-string row "[- ]+" t) 3))))
    (should (seq-some (lambda (face) (string-match-p "1:7-10 font-lock-function-name-face" face)) (alist-get 'faces window)))
    (efrit-mcp-tools-test-call "emacs_window" "op" "show" "file" b "where" "below")
    (should (equal (mapcar (lambda (w) (alist-get 'buffer w)) (alist-get 'windows (efrit-mcp-tools-test-call "emacs_screenshot")))
                   (list "a.el" "b.txt")))
    (should (string-match-p "\\`right" (alist-get 'text (aref (alist-get 'windows (efrit-mcp-tools-test-call "emacs_screenshot" "buffer" "b.txt")) 0))))
    (should (string-match-p "use format text" (efrit-mcp-tools-test-error "emacs_screenshot" "format" "png")))
    (should (string-match-p "no window" (efrit-mcp-tools-test-error "emacs_screenshot" "buffer" "*Messages*")))))

;;; efrit-mcp-tools-terminal-test.el ends here
