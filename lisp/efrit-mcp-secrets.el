;;; efrit-mcp-secrets.el --- What agents' tools do not read  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; The one gate: whatever reads a file or a buffer for an agent asks `efrit-mcp-secret-p'
;; before.  It goes by all the names a file has (efrit-mcp-names.el), so a link, a quoted
;; name or a copy leads nowhere else.  That keeps a secret from being read; it is no
;; sandbox: whoever may evaluate Lisp reads what you read.  `efrit-mcp-allow-eval' is
;; that one gate.

;;; Code:

(require 'efrit-mcp-client)
(require 'efrit-mcp-native)
(require 'efrit-mcp-names)
(require 'seq)
(require 'subr-x)
(eval-when-compile (require 'cl-lib))

(defvar auth-sources)
(defvar savehist-file)
(defvar server-auth-dir)

(define-error 'efrit-mcp-secret "Refused, it is secret" 'efrit-mcp-error)
(define-error 'efrit-mcp-eval-off "Evaluation is off" 'efrit-mcp-error)

(defcustom efrit-mcp-secret-files
  '(;; passwords and tokens of programs
    "/[._]?\\(authinfo\\|netrc\\)\\(\\.[a-z]+\\)?\\'" "/\\.pgpass\\'" "/\\.my\\.cnf\\'" "/\\.mylogin\\.cnf\\'"
    "/\\.git-credentials\\'" "/\\.config/git/credentials\\'" "/\\.npmrc\\'" "/\\.yarnrc\\(\\.yml\\)?\\'" "/\\.pypirc\\'"
    "/\\.cargo/credentials" "/\\.gem/credentials\\'" "/\\.m2/settings" "/\\.gradle/gradle\\.properties\\'" "/\\.composer/auth\\.json\\'"
    "/\\.terraform\\.d/credentials" "/\\.vault-token\\'" "/\\.databrickscfg\\'" "/\\.s3cfg\\'" "/\\.boto\\'" "/\\.kaggle/kaggle\\.json\\'"
    "/\\.msmtprc\\'" "/\\.fetchmailrc\\'" "/\\.mbsyncrc\\'" "/\\.offlineimaprc\\'" "/\\.smbcredentials\\'" "/\\.htpasswd\\'"
    "/\\.claude\\.json\\'" "/\\.config/efrit-mcp/config\\.json\\'"
    "/\\.\\(claude\\|codex\\|gemini\\|qwen\\)/[^/]*\\(auth\\|cred\\|oauth\\)[^/]*\\'" "/\\.\\(cache/\\)?huggingface/\\(stored_\\)?tokens?\\'"
    "/\\(credentials\\|client_secret[^/]*\\|service[-_]account[^/]*\\)\\.json\\'" "/\\.env\\([-_.][^/]*\\)?\\'" "[^/]\\.env\\'"
    "/secrets?\\.\\(ya?ml\\|json\\|toml\\|ini\\|env\\)\\'" "\\.tfstate\\'" "\\.tfvars\\(\\.json\\)?\\'" "/\\.terraformrc\\'"
    "/\\.?vault[-_]pass\\(word\\)?\\(\\.txt\\)?\\'" "/\\.\\(dockercfg\\|cvspass\\|wgetrc\\|curlrc\\|lftprc\\|mailrc\\|muttrc\\)\\'" "/\\.subversion/auth/"
    "/\\.\\(X\\|ICE\\)authority\\'" "/pulse/cookie\\'" "/\\.config/\\(pip/pip\\.conf\\|n?e?o?mutt/\\|age/\\|msmtp/\\|Bitwarden CLI/\\)"
    ;; whoever has the key of a server of Emacs evaluates there
    "/\\.?emacs\\(\\.d\\)?/server/" "\\.plstore\\'"
    ;; clouds, chats, browsers, key rings
    "/\\.aws/\\(credentials\\|config\\|sso/\\|cli/\\)" "/\\.azure/" "/\\.oci/" "/\\.docker/config\\.json\\'" "/\\.kube/" "/\\.password-store/"
    "/\\.config/\\(gh/hosts\\.yml\\|glab-cli/\\|hub\\'\\|gcloud/\\|op/\\|rclone/\\|sops/\\|gopass/\\|github-copilot/\\|doctl/\\|hcloud/\\|containers/auth\\.json\\)"
    "/keyrings/" "/kwalletd/" "/\\(key[34]\\.db\\|logins\\.json\\|cookies\\(\\.sqlite\\)?\\|login data\\)\\'"
    ;; private keys
    "/\\.ssh/" "/id_\\(rsa\\|dsa\\|ecdsa\\|ed25519\\|xmss\\)\\(_sk\\)?\\([-_.@][^/.]*\\)?\\'" "/\\.gnupg/" "/secring\\.[a-z]+\\'" "/ssh_host_[^/]*_key\\'" "\\.\\(pem\\|key\\|p8\\|ppk\\|jks\\|keystore\\|agekey\\|keytab\\|ovpn\\)\\'"
    "\\.\\(gpg\\|kdbx?\\|p12\\|pfx\\|pk8\\)\\'"
    ;; of the system
    "/etc/\\(g?shadow\\|sudoers\\|ssl/private/\\|letsencrypt/\\|wireguard/\\|krb5\\.keytab\\|NetworkManager/system-connections/\\)"
    "/run/\\(secrets\\|credentials\\)/" "\\`/dev/\\(k?mem\\|kmsg\\|port\\|core\\)\\'"
    ;; what was typed
    "/\\.[a-z_]+_history\\'" "/\\.lesshst\\'" "/fish_history\\'" "/eshell/history\\'" "/\\.\\(histfile\\|zhistory\\)\\'" "/rl_history\\'"
    "/\\.?emacs\\.desktop\\'" "/savehist\\(\\.el\\)?\\'" "/\\(url\\|emacs\\(\\.d\\)?\\)/history\\'" "/\\.emacs\\.d/\\(session\\.[^/]*\\|bookmarks\\)\\'" "/\\.?emacs\\(\\.d\\)?/\\(history\\|tramp\\|network-security\\.data\\)\\'")
  "Regexps of the names of files that agents' tools do not read or write.
They are matched against all names of a file: with links followed, of a
copy, of a member of an archive.  Files in `auth-sources', what /proc shows
of processes, the gateway's state folder and folders with a file named
.not-for-agents are refused besides, those of `efrit-mcp-public-files' are
not.  This is no sandbox: an agent that may evaluate Lisp, or run commands,
reads what you read."
  :type '(repeat regexp) :group 'efrit-mcp)

(defcustom efrit-mcp-public-files
  '("\\.pub\\'" "/\\.ssh/\\(config\\|known_hosts\\(\\.old\\)?\\|authorized_keys\\)\\'")
  "Regexps of the names of files that `efrit-mcp-secret-files' is not about.
A file is public if the name it truly has is matched."
  :type '(repeat regexp) :group 'efrit-mcp)

(defconst efrit-mcp-secrets--sign ".not-for-agents"
  "A file of the user or root that keeps agents out of its folder and those below.
The gateway puts one into its state folder, wherever that is.")

(defcustom efrit-mcp-secret-buffers
  '("\\`\\*\\(password\\|auth-source\\|pass\\|1password\\|epg\\|gpg\\|code-conversion\\)"
    ;; what was killed, kept or said to servers
    "\\`\\*\\(kill ring\\|browse-kill-ring\\|register preview\\|http \\|url-http\\|trace of \\|imap log\\|pop3? log\\|nntp-log\\|debug tramp\\)"
    "\\`\\*efrit-mcp\\(-output\\|-program\\|\\*\\'\\)")
  "Regexps of the names of buffers that agents' tools do not read or write."
  :type '(repeat regexp) :group 'efrit-mcp)

(defcustom efrit-mcp-secret-modes '(authinfo-mode pass-mode pass-view-mode keepass-mode)
  "Major modes of buffers that agents' tools do not read or write."
  :type '(repeat symbol) :group 'efrit-mcp)

(defcustom efrit-mcp-allow-eval t
  "Whether agents may evaluate Lisp by efrit_execute.
This is one gate, on or off.  Off keeps agents to the tools you see in the
list; some of them run commands, so it is no sandbox."
  :type 'boolean :group 'efrit-mcp)

;;; Files

(defun efrit-mcp-secrets--sources ()
  "Return the files in `auth-sources', as true names."
  (efrit-mcp-names-once 'sources
    (delq nil
          (mapcar (lambda (source)
                    (let ((file (cond ((stringp source) source)
                                      ((stringp (plist-get (and (listp source) source) :source)) (plist-get source :source)))))
                      (and file (not (file-remote-p file)) (car (efrit-mcp-names file)))))
                  (if (boundp 'auth-sources) auth-sources '("~/.authinfo" "~/.authinfo.gpg" "~/.netrc"))))))

(defun efrit-mcp-secrets--in-proc-p (name)
  "Return non-nil if NAME is of /proc and tells what a process holds.
What tells how it fares is nobody's secret."
  (and (efrit-mcp-names-match "\\`/+proc/+\\(?:self\\|thread-self\\|[0-9]+\\)/+\\(?:task/+[0-9]+/+\\)?\\(.+\\)\\'" name)
       (not (member (match-string 1 name) '("status" "stat" "statm" "comm" "limits" "cgroup")))))

(defun efrit-mcp-secrets--kernel-p (name)
  "Return non-nil if NAME is memory of the kernel or its keys."
  (efrit-mcp-names-match "\\`/+proc/+\\(?:kcore\\|kmsg\\|keys\\|key-users\\|vmallocinfo\\)\\'" name))

(defun efrit-mcp-secrets--signed-p (folder)
  "Return non-nil if FOLDER holds the sign that keeps agents out."
  (let ((sign (file-attributes (concat (file-name-as-directory folder) efrit-mcp-secrets--sign) 'integer)))
    (and sign (memql (file-attribute-user-id sign) (list 0 (user-uid))) t)))

(defun efrit-mcp-secrets--state-folders ()
  "Return where the gateway's state is if no setting puts it elsewhere."
  (efrit-mcp-names-once 'state
    (let ((file-name-handler-alist nil))
      (mapcar #'directory-file-name
              (delq nil (list (getenv "EFRIT_MCP_STATE")
                              (let ((base (getenv "XDG_STATE_HOME"))) (and base (string-prefix-p "/" base) (expand-file-name "efrit-mcp" base)))
                              (expand-file-name "~/.local/state/efrit-mcp")))))))

(defvar efrit-mcp-secrets--known nil
  "Folders and files of gateways that were seen or told of so far, by true names.
Their files are known by any name.")

(defun efrit-mcp-secrets--known ()
  "Return all folders and files of gateways that are known."
  (efrit-mcp-names-once 'known
    (mapc (lambda (file)
            (let ((true (car (efrit-mcp-names file))))
              (unless (member true efrit-mcp-secrets--known) (push true efrit-mcp-secrets--known))))
          (efrit-mcp-client-looks-p))
    (append (mapcar (lambda (folder) (car (efrit-mcp-names--way folder))) (efrit-mcp-secrets--state-folders))
            efrit-mcp-secrets--known)))

(defun efrit-mcp-secrets--kept-out (folder)
  "Return the folder that agents are kept out of, FOLDER or one above it, or nil.
FOLDER is a true name."
  (efrit-mcp-names-once (cons 'kept-out folder)
    (cond ((member folder (efrit-mcp-secrets--known)) folder)
          ((efrit-mcp-secrets--signed-p folder)
           (push folder efrit-mcp-secrets--known)
           folder)
          (t (let ((above (directory-file-name (or (file-name-directory folder) "/"))))
               (unless (equal above folder) (efrit-mcp-secrets--kept-out above)))))))

(defun efrit-mcp-secrets--identities ()
  "Return (DEVICE . INODE) of the files in the state folders that are known."
  (efrit-mcp-names-once 'identities
    (seq-mapcat (lambda (known)
                  (mapcar (lambda (entry) (cons (file-attribute-device-number (cdr entry)) (file-attribute-inode-number (cdr entry))))
                          (seq-remove (lambda (entry) (file-attribute-type (cdr entry)))
                                      (let ((facts (file-attributes known 'integer)))
                                        (if (file-attribute-type facts) (ignore-errors (directory-files-and-attributes known nil nil t 'integer))
                                          (and facts (list (cons known facts))))))))
                (efrit-mcp-secrets--known))))

(defun efrit-mcp-secrets--of-gateway (name)
  "Return why NAME, a true name, is of a gateway or in a folder kept from agents."
  (let* ((file-name-handler-alist nil)
         (facts (file-attributes name 'integer))
         (folder (if (eq t (file-attribute-type facts)) name (directory-file-name (or (file-name-directory name) "/"))))
         (out (efrit-mcp-secrets--kept-out folder)))
    (cond ((member name (efrit-mcp-secrets--known)) "the gateway keeps it from agents")
          (out (format "%s keeps agents out" (abbreviate-file-name out)))
          ((or (null facts) (file-attribute-type facts)) nil)
          ;; Its own token, though nothing says so any more: a name like that and nobody else's to read.
          ((and (string-suffix-p "-------" (file-attribute-modes facts)) (efrit-mcp-names-match "/token\\(-[^/]+\\)?\\'" name))
           "it is a token that nobody else may read")
          ((member (cons (file-attribute-device-number facts) (file-attribute-inode-number facts)) (efrit-mcp-secrets--identities))
           "it is a file of the gateway's state by another name"))))

(defconst efrit-mcp-secrets--well-known
  '("~/" "~/.ssh" "~/.gnupg" "~/.gnupg/private-keys-v1.d" "~/.aws" "~/.kube" "~/.docker" "~/.config/gh" "~/.config/gcloud")
  "Folders whose secret files are known by any name.")

(defun efrit-mcp-secrets--well-known ()
  "Return (DEVICE . INODE) of `auth-sources' and secret files in usual places."
  (efrit-mcp-names-once 'well-known
    (let ((file-name-handler-alist nil) (case-fold-search t) (found nil))
      (cl-flet ((note (facts) (when (and facts (null (file-attribute-type facts)))
                                (push (cons (file-attribute-device-number facts) (file-attribute-inode-number facts)) found))))
        (dolist (folder (append efrit-mcp-secrets--well-known (list (expand-file-name "server" user-emacs-directory))))
          (let ((folder (expand-file-name folder)))
            (dolist (entry (ignore-errors (directory-files-and-attributes folder nil nil t 'integer)))
              (let ((name (list (concat (file-name-as-directory folder) (car entry)))))
                (when (and (efrit-mcp-secrets--any-p efrit-mcp-secret-files name)
                           (not (efrit-mcp-secrets--any-p efrit-mcp-public-files name)))
                  (note (cdr entry)))))))
        (dolist (file (efrit-mcp-secrets--sources)) (note (file-attributes file 'integer))))
      found)))

(defun efrit-mcp-secrets--linked-p (name)
  "Return non-nil if NAME, a true name, is another one of a secret file."
  (let* ((file-name-handler-alist nil) (facts (file-attributes name 'integer)))
    (and facts (null (file-attribute-type facts)) (> (file-attribute-link-number facts) 1)
         (member (cons (file-attribute-device-number facts) (file-attribute-inode-number facts)) (efrit-mcp-secrets--well-known)))))

(defvar efrit-mcp-secrets--one nil
  "The regexps that were made of lists of regexps last: (LIST . REGEXP) ....")

(defun efrit-mcp-secrets--any-p (regexps names)
  "Return non-nil if one of the list REGEXPS matches one of NAMES.
They are made one: Emacs keeps 20 compiled, and compiling takes the longest."
  (let ((one (or (cdr (assoc regexps efrit-mcp-secrets--one))
                 (let ((made (mapconcat (lambda (re) (concat "\\(?:" re "\\)")) (or regexps '("\\`\\'")) "\\|")))
                   (setq efrit-mcp-secrets--one (cons (cons (copy-sequence regexps) made) (seq-take efrit-mcp-secrets--one 3)))
                   made))))
    (let ((found nil))
      (while (and names (not (setq found (efrit-mcp-names-match one (pop names))))))
      found)))

(defun efrit-mcp-secrets--file (file)
  "Return why FILE is secret, a string, or nil."
  (let* ((names (efrit-mcp-names file)) (true (car names))
         (why (cond ((seq-some (lambda (name)
                                 (and (string-prefix-p "/proc/" name)
                                      (or (efrit-mcp-secrets--in-proc-p name) (efrit-mcp-secrets--kernel-p name))))
                               names)
                     "%s shows what processes hold")
                    ((and (efrit-mcp-secrets--any-p efrit-mcp-secret-files names)
                          (not (efrit-mcp-secrets--any-p efrit-mcp-public-files (list true))))
                     "%s is in efrit-mcp-secret-files")
                    ((let ((sources (efrit-mcp-secrets--sources))) (seq-some (lambda (name) (member name sources)) names))
                     "%s is in auth-sources")
                    ((and (bound-and-true-p savehist-file)
                          (equal true (efrit-mcp-names-once 'savehist (car (efrit-mcp-names savehist-file)))))
                     "%s is savehist-file")
                    ((and (bound-and-true-p server-auth-dir)
                          (equal (directory-file-name (or (file-name-directory true) "/"))
                                 (efrit-mcp-names-once 'server (car (efrit-mcp-names (directory-file-name server-auth-dir))))))
                     "%s is the key of a server of Emacs")
                    ((and (efrit-mcp-secrets--linked-p true) (not (efrit-mcp-secrets--any-p efrit-mcp-public-files (list true))))
                     "%s is another name of a secret file")
                    (t (let ((of (efrit-mcp-secrets--of-gateway true)))
                         (and of (concat "%s: " (replace-regexp-in-string "%" "%%" of))))))))
    (and why (format why (abbreviate-file-name (let ((non-essential t)) (expand-file-name file)))))))

;;; Buffers

(defun efrit-mcp-secrets--buffer (buffer)
  "Return why BUFFER is secret, a string, or nil."
  (let ((buffer (or (buffer-base-buffer buffer) buffer)))
    (with-current-buffer buffer
      (let ((name (string-trim-left (buffer-name))))
        (cond ((or (bound-and-true-p read-passwd-mode)
                   (eq (current-local-map) (bound-and-true-p read-passwd-map)))
               "a password is typed into it")
              ((efrit-mcp-secrets--any-p efrit-mcp-secret-buffers (list name))
               (format "the buffer %s is in efrit-mcp-secret-buffers" (buffer-name)))
              ((and (equal name "*efrit-mcp-activity*") (efrit-mcp-client-looks-p))
               (format "the buffer %s shows what other clients evaluated" name))
              ((apply #'derived-mode-p efrit-mcp-secret-modes)
               (format "%s is in efrit-mcp-secret-modes" major-mode))
              (t (let ((file (or buffer-file-name (bound-and-true-p list-buffers-directory))))
                   (or (and file (efrit-mcp-secrets--file file))
                       ;; Its file may be another one by now.
                       (and buffer-file-name buffer-file-truename
                            (not (equal buffer-file-name (let ((file-name-handler-alist nil)) (expand-file-name buffer-file-truename))))
                            (efrit-mcp-secrets--file buffer-file-truename))))))))))

(defun efrit-mcp-secret-p (what)
  "Return why WHAT is not for agents, a string, or nil.
WHAT is the name of a file, or a buffer.  Links are followed, and an
indirect buffer is as its base."
  (cond ((bufferp what) (and (buffer-live-p what) (efrit-mcp-secrets--buffer what)))
        ((stringp what) (efrit-mcp-secrets--file what))))

(defun efrit-mcp-secret-check (what)
  "Signal an `efrit-mcp-secret' if WHAT, a file name or buffer, is not for agents.
Else return WHAT."
  (let ((why (efrit-mcp-secret-p what)))
    (when why
      (signal 'efrit-mcp-secret
              (list (format "%s; the person keeps it from agents: do without it, or ask them for what you need of it" why)))))
  what)

(defun efrit-mcp-secret-check-eval ()
  "Signal an `efrit-mcp-eval-off' if agents may not evaluate Lisp."
  (unless efrit-mcp-allow-eval
    (signal 'efrit-mcp-eval-off
            '("the person has turned it off (efrit-mcp-allow-eval); use the other tools, or ask them"))))

(provide 'efrit-mcp-secrets)
;;; efrit-mcp-secrets.el ends here
