;;; efrit-mcp-http.el --- The gateway for agents that speak HTTP  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Starts and stops `efrit-bridge serve --daemon', which serves all Emacsen of this user over
;; HTTP.  It is a process of its own: it outlives this Emacs, and whoever starts it first, all
;; have the same one.  Nothing here waits: to end, the gateway may need this Emacs to answer.

;;; Code:

(require 'subr-x)
(require 'efrit-mcp)
(require 'efrit-mcp-doctor)

(defcustom efrit-mcp-http-listen nil
  "Where the gateway takes HTTP: ADDR:PORT or unix:PATH, with commas between.
nil: what the bridge's own settings say, else 127.0.0.1:8765."
  :type '(choice (const :tag "The bridge's settings" nil) string)
  :group 'efrit-mcp)

(defcustom efrit-mcp-http-settings nil
  "Settings of the gateway, each NAME=VALUE; `efrit-bridge --help' lists them.
They win against the bridge's own settings in its file."
  :type '(repeat (string :tag "NAME=VALUE"))
  :group 'efrit-mcp)

(defcustom efrit-mcp-http-bridge nil
  "File name of efrit-bridge, beside which efrit-gateway lies.
nil: in build/ beside the Lisp, else in the variable `exec-path'."
  :type '(choice (const :tag "Beside the Lisp" nil) file)
  :group 'efrit-mcp)

(defvar efrit-mcp-http-url nil
  "Where agents reach the gateway that this Emacs started last, or nil.")

(defun efrit-mcp-http--bridge ()
  "Return the file name of the bridge.
Signal a `user-error' that says what to do when it is not built."
  (let* ((bridge (or efrit-mcp-http-bridge (efrit-mcp-doctor--bridge)))
         (gateway (and bridge (expand-file-name "efrit-gateway" (file-name-directory (file-truename bridge))))))
    (dolist (file (list bridge gateway) bridge)
      (unless (and file (file-executable-p file) (not (file-directory-p file)))
        (user-error "The efrit-mcp bridge is not built: M-x efrit-mcp-native-build, or `make bridge' in %s%s"
                    (abbreviate-file-name (expand-file-name ".." efrit-mcp-native--folder))
                    (if file (format " (there is no program %s)" (abbreviate-file-name file)) ""))))))

(defun efrit-mcp-http--run (words done)
  "Start the bridge with WORDS; return the process.
When it has ended call DONE with its exit status and what it printed."
  (let* ((bridge (efrit-mcp-http--bridge))
         (default-directory (expand-file-name "~/"))
         (output (generate-new-buffer " *efrit-mcp-http*" t)))
    (condition-case err
        (make-process :name "efrit-mcp-http" :buffer output :noquery t :connection-type 'pipe
                      :command (cons bridge words)
                      :sentinel (lambda (process _)
                                  (unless (process-live-p process)
                                    (let ((said (with-current-buffer output (string-trim (buffer-string)))))
                                      (kill-buffer output)
                                      (funcall done (process-exit-status process) said)))))
      (error (kill-buffer output)
             (signal (car err) (cdr err))))))

(defun efrit-mcp-http--ready (status said)
  "Tell the person what became of a start, by its STATUS and what it SAID."
  (if (not (and (eql status 0) (string-match "ready: \\([^ \n]+\\)" said)))
      (message "efrit-mcp: the gateway did not start: %s" (if (string-empty-p said) (format "status %s" status) said))
    (setq efrit-mcp-http-url (match-string 1 said))
    (message "efrit-mcp: agents reach %s; M-x efrit-mcp-http-copy-token copies the token they need%s"
             efrit-mcp-http-url
             (if efrit-mcp-server-instance "" "; they find this Emacs after M-x efrit-mcp-mode"))))

;;;###autoload
(defun efrit-mcp-http-start ()
  "Start the gateway, so that agents reach your Emacsen over HTTP.
Its address is shown when it is ready; `efrit-mcp-http-copy-token' copies the
token that agents need, `efrit-mcp-http-stop' ends it.  It goes on without this
Emacs.  `efrit-mcp-http-listen' and `efrit-mcp-http-settings' are what it is
started with.  Return the process that starts it."
  (interactive)
  (efrit-mcp-http--run (append '("serve" "--daemon")
                               (and efrit-mcp-http-listen (list "--listen" efrit-mcp-http-listen))
                               (mapcan (lambda (setting) (list "--set" setting)) efrit-mcp-http-settings))
                       #'efrit-mcp-http--ready))

;;;###autoload
(defun efrit-mcp-http-stop ()
  "End the gateway, whoever started it.
What agents run may finish first; you are told when it has ended.  Return the
process that waits for that."
  (interactive)
  (efrit-mcp-http--run (list "stop")
                       (lambda (status said)
                         (if (not (eql status 0))
                             (message "efrit-mcp: the gateway was not ended: %s" said)
                           (setq efrit-mcp-http-url nil)
                           (message "efrit-mcp: the gateway has ended")))))

;;;###autoload
(defun efrit-mcp-http-copy-token ()
  "Copy the token that HTTP requests need; it is shown nowhere.
Whoever has it may do in your Emacsen whatever you may."
  (interactive)
  (efrit-mcp-http--run (list "token")
                       (lambda (status said)
                         (if (not (eql status 0))
                             (message "efrit-mcp: there is no token: %s" said)
                           (kill-new said)
                           (message "efrit-mcp: the token is copied; agents send it as Authorization: Bearer TOKEN")))))

(provide 'efrit-mcp-http)
;;; efrit-mcp-http.el ends here
