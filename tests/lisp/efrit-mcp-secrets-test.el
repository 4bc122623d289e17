;;; efrit-mcp-secrets-test.el --- What is kept from agents, and what is not  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)

(ert-deftest efrit-mcp-secrets/files ()
  (dolist (file '("~/.authinfo" "~/.authinfo.gpg" "~/.netrc" "~/.ssh/id_rsa" "/home/x/.ssh/id_ed25519" "/etc/shadow"
                  "/p/.env" "/p/.env.local" "~/.aws/credentials" "~/x.gpg" "~/.password-store/mail.txt"
                  "/ssh:host:/home/x/.netrc" "~/a/../.netrc"))
    (should (stringp (efrit-mcp-secret-p file))))
  (dolist (file '("~/.emacs" "/p/environment.el" "~/.ssh/config" "~/.ssh/known_hosts" "/p/netrc-parser.c" "/p/gpg.el" "/p/.envrc"))
    (should-not (efrit-mcp-secret-p file))))

(ert-deftest efrit-mcp-secrets/links-and-sources ()
  (let* ((folder (make-temp-file "secret" t))
         (real (expand-file-name ".netrc" folder)) (link (expand-file-name "harmless" folder))
         (mine (expand-file-name "mine" folder)))
    (unwind-protect
        (progn
          (write-region "machine" nil real nil 'quiet)
          (write-region "machine" nil mine nil 'quiet)
          (make-symbolic-link real link)
          (should (efrit-mcp-secret-p link))
          (should-not (efrit-mcp-secret-p mine))
          (let ((auth-sources (list (list :source mine))))
            (should (string-match-p "auth-sources" (efrit-mcp-secret-p mine))))
          (should-error (efrit-mcp-secret-check link) :type 'efrit-mcp-secret))
      (delete-directory folder t))))

(ert-deftest efrit-mcp-secrets/buffers ()
  (with-temp-buffer
    (should-not (efrit-mcp-secret-p (current-buffer)))
    (setq buffer-file-name (expand-file-name "~/.netrc"))
    (should (efrit-mcp-secret-p (current-buffer)))
    (let ((indirect (make-indirect-buffer (current-buffer) (generate-new-buffer-name "indirect"))))
      (unwind-protect (should (efrit-mcp-secret-p indirect)) (kill-buffer indirect)))
    (set-buffer-modified-p nil)
    (setq buffer-file-name nil)
    (rename-buffer "*Password: x*")
    (should (efrit-mcp-secret-p (current-buffer))))
  (with-temp-buffer
    (use-local-map read-passwd-map)
    (should (string-match-p "password" (efrit-mcp-secret-p (current-buffer))))))

(ert-deftest efrit-mcp-secrets/evaluation-is-one-gate ()
  (efrit-mcp-native-load efrit-mcp-version)
  (let ((efrit-mcp-allow-eval nil))
    (pcase-let ((`(failed . ,value) (efrit-mcp-tool-call "efrit_execute" '(("content" . "(error \"ran\")")))))
      (should (equal (alist-get 'error_code value) "efrit-mcp-eval-off"))
      (should-not (string-match-p "sandbox" (alist-get 'error value)))))
  (should (eq 'done (car (efrit-mcp-tool-call "efrit_execute" '(("content" . "1") ("observe" . "none")))))))

;;; efrit-mcp-secrets-test.el ends here
