;;; efrit-mcp-http-test.el --- The gateway, started and stopped from Emacs  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-http)
(require 'efrit-mcp-test-wait)

(efrit-mcp-native-load efrit-mcp-version)

(defconst efrit-mcp-http-test--programs
  (expand-file-name (or (getenv "B") "build") (expand-file-name ".." efrit-mcp-native--folder)))

(defun efrit-mcp-http-test--said (process)
  "Wait for the end of PROCESS; return its status and what the person was told."
  (with-current-buffer (messages-buffer)
    (let ((begin (point-max)) (begun (float-time)))
      (while (and (or (process-live-p process) (= begin (point-max))) (not (efrit-mcp-test-over-p begun 60)))
        (accept-process-output nil 1))
      (list (process-exit-status process) (buffer-substring begin (point-max))))))

(defun efrit-mcp-http-test--folder ()
  "Return the folder of this Emacs's socket, which it chose when it was started."
  (efrit-mcp-mode 1)
  (prog1 (directory-file-name (file-name-directory (efrit-mcp--mod-path)))
    (efrit-mcp-mode -1)))

(defmacro efrit-mcp-http-test--world (&rest body)
  "Run BODY with folders of its own and no gateway; end the one it leaves."
  (declare (indent 0))
  `(let* ((base (make-temp-file "efrit-http" t))
          (process-environment (append (list (concat "XDG_RUNTIME_DIR=" base) (concat "HOME=" base)
                                             (concat "EFRIT_MCP_FOLDERS=" (efrit-mcp-http-test--folder)) "XDG_STATE_HOME" "XDG_CONFIG_HOME")
                                       process-environment))
          (efrit-mcp-http-bridge (expand-file-name "efrit-bridge" efrit-mcp-http-test--programs))
          (efrit-mcp-http-listen "127.0.0.1:0")
          (efrit-mcp-http-settings '("log_level=error"))
          (efrit-mcp-http-url nil))
     (set-file-modes base #o700)
     (unwind-protect (progn ,@body)
       (efrit-mcp-http-test--said (efrit-mcp-http-stop))
       (efrit-mcp-mode -1)
       (delete-directory base t))))

(defun efrit-mcp-http-test--post (url token path body)
  "Return what the gateway at URL answers to BODY for PATH, sent with TOKEN."
  (let* ((answer "")
         (client (make-network-process :name "client" :host "127.0.0.1" :noquery t :coding 'binary
                                       :service (progn (string-match ":\\([0-9]+\\)/mcp\\'" url)
                                                       (string-to-number (match-string 1 url)))
                                       :filter (lambda (_ text) (setq answer (concat answer text)))))
         (begun (float-time)))
    (process-send-string client (format "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                                        path token (length body) body))
    (while (and (process-live-p client) (not (efrit-mcp-test-over-p begun 60))) (accept-process-output nil 1))
    answer))

(ert-deftest efrit-mcp-http/starts-serves-and-stops ()
  (efrit-mcp-http-test--world
    (pcase-let ((`(,status ,said) (efrit-mcp-http-test--said (efrit-mcp-http-start))))
      (should (eql status 0))
      (should (string-match-p "\\`http://127\\.0\\.0\\.1:[0-9]+/mcp\\'" efrit-mcp-http-url))
      (should (string-match-p (regexp-quote efrit-mcp-http-url) said))
      (should (string-match-p "efrit-mcp-http-copy-token" said))
      (should (string-match-p "M-x efrit-mcp-mode" said))) ; it does not serve yet
    (efrit-mcp-mode 1)
    (let ((url efrit-mcp-http-url) (kill-ring nil) (interprogram-cut-function nil))
      (pcase-let ((`(,status ,said) (efrit-mcp-http-test--said (efrit-mcp-http-copy-token))))
        (should (eql status 0))
        (should (string-match-p "\\`[[:graph:]]\\{16,\\}\\'" (car kill-ring)))
        (should-not (string-search (car kill-ring) said)))
      (let ((answer (efrit-mcp-http-test--post url (car kill-ring) "/api/v1/tools/efrit_execute" "{\"content\":\"(list (+ 40 2) (emacs-pid))\"}")))
        (should (string-prefix-p "HTTP/1.1 200 " answer))
        (should (string-search (format "(42 %d)" (emacs-pid)) answer)))
      ;; One is enough, and the second says so; the first is still known.
      (pcase-let ((`(,status ,said) (efrit-mcp-http-test--said (efrit-mcp-http-start))))
        (should-not (eql status 0))
        (should (string-match-p "did not start: .*runs already" said))
        (should (equal efrit-mcp-http-url url))))
    (should (equal (car (efrit-mcp-http-test--said (efrit-mcp-http-stop))) 0))
    (should-not efrit-mcp-http-url)
    (pcase-let ((`(,status ,said) (efrit-mcp-http-test--said (efrit-mcp-http-stop))))
      (should-not (eql status 0))
      (should (string-match-p "not ended: .*no gateway runs" said)))
    (should-not (seq-find (lambda (b) (string-prefix-p " *efrit-mcp-http*" (buffer-name b))) (buffer-list)))))

(ert-deftest efrit-mcp-http/settings-reach-the-gateway ()
  (efrit-mcp-http-test--world
    (let ((efrit-mcp-http-settings '("auth=all")))
      (should (string-match-p "auth is \"all\"" (cadr (efrit-mcp-http-test--said (efrit-mcp-http-start))))))
    (let ((efrit-mcp-http-listen "0.0.0.0:0"))
      (should (string-match-p "tls_cert" (cadr (efrit-mcp-http-test--said (efrit-mcp-http-start))))))))

(ert-deftest efrit-mcp-http/not-built-it-says-what-to-do ()
  (let* ((folder (make-temp-file "efrit-http" t)) (alone (expand-file-name "efrit-bridge" folder)))
    (unwind-protect
        (dolist (file (list "/nonexistent/efrit-bridge" alone))
          (copy-file (expand-file-name "efrit-bridge" efrit-mcp-http-test--programs) alone t)
          (dolist (command '(efrit-mcp-http-start efrit-mcp-http-stop efrit-mcp-http-copy-token))
            (let ((efrit-mcp-http-bridge file))
              (condition-case err (progn (funcall command) (ert-fail "it ran"))
                (user-error (should (string-match-p "not built: .*make bridge" (error-message-string err))))))))
      (delete-directory folder t))))

(ert-deftest efrit-mcp-http/commands-are-there-without-the-file ()
  (should (string-suffix-p ; words about itself may stand before
           "(nil t t t t)"
           (with-temp-buffer
             (call-process (or (getenv "EMACS") (expand-file-name invocation-name invocation-directory)) nil t nil
                           "-Q" "--batch" "-L" efrit-mcp-native--folder "-l" "efrit-mcp" "--eval"
                           "(prin1 (list (featurep 'efrit-mcp-http) (commandp 'efrit-mcp-http-start) (commandp 'efrit-mcp-http-stop)
                              (progn (custom-load-symbol 'efrit-mcp) (featurep 'efrit-mcp-http))
                              (and (custom-variable-p 'efrit-mcp-http-listen) t)))")
             (buffer-string)))))
