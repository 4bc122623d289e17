;;; efrit-mcp-watch-test.el --- What is watched costs nothing before and after  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'cl-lib)

(efrit-mcp-native-load efrit-mcp-version)

(defmacro efrit-mcp-watch-test--with (&rest body)
  "Run BODY; `told' is what it had told, at once."
  (declare (indent 0))
  `(let ((told nil))
     (cl-letf (((symbol-function 'efrit-mcp-resource-updated) (lambda (uri) (push uri told))))
       (unwind-protect (progn ,@body)
         (efrit-mcp-watch-set nil)))))

(defun efrit-mcp-watch-test--hooks (buffer)
  "Return whether anything of ours hangs in BUFFER or everywhere."
  (or (memq #'efrit-mcp-watch--appeared (default-value 'buffer-list-update-hook))
      (and (buffer-live-p buffer)
           (with-current-buffer buffer
             (or efrit-mcp-watch--uris (memq #'efrit-mcp-watch--text-changed after-change-functions)
                 (memq #'efrit-mcp-watch--killed kill-buffer-hook))))))

(ert-deftest efrit-mcp-watch/messages-and-what-agents-did ()
  (let ((before (list (symbol-function 'message) (seq-remove #'symbolp (default-value 'post-command-hook)) efrit-mcp-activity-hook))
        (efrit-mcp-activity--calls nil) (efrit-mcp-activity--size 0))
    (efrit-mcp-watch-test--with
      (efrit-mcp-watch-set '("emacs://messages" "emacs://log"))
      (efrit-mcp-watch--tell)
      (should-not told)
      (let ((inhibit-message t)) (dotimes (i 50) (message "watched %d" i)))
      (efrit-mcp-watch--tell)
      (unless noninteractive ; a batch Emacs logs none
        (should (equal told '("emacs://messages"))))
      (setq told nil)
      (let ((message-log-max nil)) (message "not kept"))
      (run-hooks 'post-command-hook)
      (efrit-mcp-watch--tell)
      (should-not told)
      ;; A tool that was called is news; that somebody read a resource is not, or reading would be news.
      (efrit-mcp-activity-note 1 "resources/read" "a" '(("uri" . "emacs://log")) (float-time) '(ended (done . "x") nil))
      (efrit-mcp-watch--tell)
      (should-not told)
      (efrit-mcp-activity-note 2 "emacs_ask_user" "a" nil (float-time) '(ended (deferred) nil))
      (efrit-mcp-watch--tell)
      (efrit-mcp-activity-answered 2 '((status . "success")))
      (efrit-mcp-watch--tell)
      (should (equal told '("emacs://log" "emacs://log"))))
    (should (equal before (list (symbol-function 'message) (seq-remove #'symbolp (default-value 'post-command-hook)) efrit-mcp-activity-hook)))))

(ert-deftest efrit-mcp-watch/a-buffer-s-text-many-as-one ()
  (efrit-mcp-watch-test--with
    (with-temp-buffer
      (rename-buffer "watch test/a")
      (should-not (efrit-mcp-watch-test--hooks (current-buffer)))
      (efrit-mcp-watch-set '("emacs://buffer/watch%20test/a"))
      (dotimes (_ 100) (insert "x"))
      (should-not told)
      (efrit-mcp-watch--tell)
      (should (equal told '("emacs://buffer/watch%20test/a")))
      ;; The same set again hangs nothing up twice.
      (efrit-mcp-watch-set '("emacs://buffer/watch%20test/a"))
      (should (= 1 (length efrit-mcp-watch--uris)))
      (efrit-mcp-watch-set nil)
      (setq told nil)
      (insert "y")
      (should-not efrit-mcp-watch--changed)
      (should-not efrit-mcp-watch--timer)
      (should-not (efrit-mcp-watch-test--hooks (current-buffer))))))

(ert-deftest efrit-mcp-watch/reading-hangs-nothing-up ()
  (with-temp-buffer
    (rename-buffer "watch-read")
    (dolist (uri '("emacs://buffer/watch-read" "emacs://buffers" "emacs://selection" "emacs://windows" "emacs://diagnostics"))
      (should (efrit-mcp-resource-read `(("uri" . ,uri)))))
    (should-not efrit-mcp-watch--on)
    (should-not (efrit-mcp-watch-test--hooks (current-buffer)))))

(ert-deftest efrit-mcp-watch/hooks-and-nonsense ()
  (efrit-mcp-watch-test--with
    (let ((before (list buffer-list-update-hook activate-mark-hook window-configuration-change-hook)))
      (efrit-mcp-watch-set '("emacs://buffers" "emacs://windows" "emacs://selection" "nonsense" "emacs://messages"))
      (should (= 5 (length efrit-mcp-watch--on)))
      (run-hooks 'window-configuration-change-hook)
      (efrit-mcp-watch--tell)
      (should (member "emacs://windows" told))
      (efrit-mcp-watch-set '("emacs://buffers"))
      (setq told nil)
      (run-hooks 'window-configuration-change-hook)
      (should-not (member "emacs://windows" efrit-mcp-watch--changed))
      (efrit-mcp-watch-set nil)
      (should (equal before (list buffer-list-update-hook activate-mark-hook window-configuration-change-hook))))))

(ert-deftest efrit-mcp-watch/a-bound ()
  (let ((buffers (mapcar (lambda (i) (get-buffer-create (format "watch-%d" i))) (number-sequence 1 60))))
    (unwind-protect
        (efrit-mcp-watch-test--with
          (efrit-mcp-watch-set (mapcar (lambda (b) (concat "emacs://buffer/" (buffer-name b))) buffers))
          (should (= efrit-mcp-watch--buffers-max (length (efrit-mcp-watch--buffers))))
          (efrit-mcp-watch-set nil)
          (should-not (efrit-mcp-watch--buffers)))
      (mapc #'kill-buffer buffers))))

;;; efrit-mcp-watch-test.el ends here
