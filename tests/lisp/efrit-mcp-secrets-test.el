;;; efrit-mcp-secrets-test.el --- What is kept from agents, and what is not  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-tools-lisp)

(defvar server-auth-dir)

(ert-deftest efrit-mcp-secrets/files ()
  (dolist (file '("~/.authinfo" "~/.authinfo.gpg" "~/.netrc" "~/.ssh/id_rsa" "/home/x/.ssh/id_ed25519" "/etc/shadow"
                  "/p/.env" "/p/.env.local" "~/.aws/credentials" "~/x.gpg" "~/.password-store/mail.txt"
                  "/ssh:host:/home/x/.netrc" "~/a/../.netrc" "/p/.env-local" "/p/prod.env" "/p/x.tfstate" "~/.Xauthority"
                  "~/.emacs.d/server/server" "~/.config/emacs/server/work" "~/.emacs.d/.emacs.desktop" "~/.emacs.d/oauth2.plstore"))
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

(ert-deftest efrit-mcp-secrets/hard-links ()
  (let* ((folder (make-temp-file "secret" t)) (process-environment (cons (concat "HOME=" folder) process-environment))
         (abbreviated-home-dir nil) (auth-sources (list (expand-file-name "mine" folder))) (server-auth-dir (expand-file-name "keys" folder)))
    (unwind-protect
        (dolist (each '((".netrc" . t) (".ssh/work" . t) ("mine" . t) (".ssh/work.pub") ("plain")))
          (let ((file (expand-file-name (car each) folder)) (other (expand-file-name "other" folder)))
            (make-directory (file-name-directory file) t)
            (write-region "machine" nil file nil 'quiet)
            (add-name-to-file file other)
            (should (eq (cdr each) (and (efrit-mcp-secret-p other) t)))
            (delete-file other)))
      (should (efrit-mcp-secret-p (expand-file-name "keys/server" folder)))
      (delete-directory folder t))))

(ert-deftest efrit-mcp-secrets/values-by-their-looks ()
  (dolist (value '(((host . "x") (:password . "SNTL")) (:server "h" :password "SN\"SNTL" :user "u") "https://bob:SNTL@example.org/x"
                   ("passwd" "SNTL") "sk-aaaaaaaaaaaaSNTLaaaaaaa" (("Authorization" . "Bearer aaaaaaSNTL")) "ghp_aaaaaaaaaaaaSNTLaaaaaaa"
                   [list token ("SNTL")] (lambda () "SNTL") (keymap (97 . "SNTL"))))
    (let ((shown (efrit-mcp-values-show 'efrit-mcp-gate-plain value 1000)))
      (should-not (string-search "SNTL" shown))
      (should (or (string-search "(hidden)" shown) (string-prefix-p "(a " shown)))))
  (dolist (value '("plain" (:server "h" :port 1) "https://example.org/x" ("token-ring") (car cdr)))
    (should (equal (prin1-to-string value) (efrit-mcp-values-show 'efrit-mcp-gate-plain value 1000))))
  (fset 'efrit-mcp-gate-macro [?S ?N ?T ?L])
  (should (equal "efrit-mcp-gate-macro is a keyboard macro" (efrit-mcp-describe--function 'efrit-mcp-gate-macro))))

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
