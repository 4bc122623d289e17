;;; efrit-mcp-instances.el --- The Emacsen that the gateway knows and keeps  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A list of all instances: those that are declared, workers of pools, and a person's own.
;; It asks the gateway over its Unix socket, and again whenever something happens in the
;; folder of the instances' sockets and logs: nothing polls, and nothing here waits.

;;; Code:

(eval-when-compile (require 'cl-lib))
(require 'filenotify)
(require 'seq)
(require 'subr-x)
(require 'tabulated-list)
(require 'efrit-mcp)

(defcustom efrit-mcp-instances-socket nil
  "Unix socket of the gateway; nil: where it is without the setting socket."
  :type '(choice (const :tag "The usual place" nil) file)
  :group 'efrit-mcp)

(defconst efrit-mcp-instances--buffer "*efrit-mcp instances*")
(defconst efrit-mcp-instances--delay 0.2 "Seconds in which events are one.")

(defvar-local efrit-mcp-instances--connection nil "To the gateway, or nil.")
(defvar-local efrit-mcp-instances--said "" "What the gateway has said of a line.")
(defvar-local efrit-mcp-instances--asked nil "What was asked: numbers and functions.")
(defvar-local efrit-mcp-instances--number 0 "Of the last question.")
(defvar-local efrit-mcp-instances--watch nil "On the folder of the sockets, or nil.")
(defvar-local efrit-mcp-instances--timer nil "Until events are looked at, or nil.")

(defun efrit-mcp-instances--socket ()
  "Return the file name of the gateway's socket.
Signal a `user-error' where the folder in /tmp belongs to another user."
  (or efrit-mcp-instances-socket
      (let* ((run (getenv "XDG_RUNTIME_DIR"))
             (folder (or run (format "/tmp/efrit-gateway-%d" (user-uid))))
             (owner (and (not run) (file-attribute-user-id (file-attributes folder 'integer)))))
        (when (and owner (/= owner (user-uid)))
          (user-error "%s belongs to user %s and not to you; set XDG_RUNTIME_DIR" folder owner))
        (expand-file-name "efrit-gateway.sock" folder))))

(defun efrit-mcp-instances--folder ()
  "Return the folder of the instances' sockets, if it is there."
  (let ((folder (if (getenv "XDG_RUNTIME_DIR")
                    (expand-file-name "efrit" (getenv "XDG_RUNTIME_DIR"))
                  (format "/tmp/efrit-%d" (user-uid)))))
    (and (file-directory-p folder) folder)))

;;; The gateway

(defun efrit-mcp-instances--take (text)
  "Give the answer in TEXT, a line, to whoever asked."
  (let* ((message (json-parse-string text :object-type 'alist :array-type 'list :null-object nil :false-object nil))
         (asked (assq (alist-get 'id message) efrit-mcp-instances--asked))
         (said (alist-get 'text (car (alist-get 'content (alist-get 'result message))))))
    (when asked
      (setq efrit-mcp-instances--asked (delq asked efrit-mcp-instances--asked))
      (funcall (cdr asked)
               (if said
                   (json-parse-string said :object-type 'alist :array-type 'list :null-object nil :false-object nil)
                 (list (cons 'error (or (alist-get 'message (alist-get 'error message)) "No answer"))))))))

(defun efrit-mcp-instances--filter (connection text)
  "Take TEXT, which CONNECTION said."
  (when (buffer-live-p (process-buffer connection))
    (with-current-buffer (process-buffer connection)
      (let* ((lines (split-string (concat efrit-mcp-instances--said text) "\n")))
        (setq efrit-mcp-instances--said (car (last lines)))
        (dolist (line (butlast lines))
          (efrit-mcp-instances--take line))))))

(defun efrit-mcp-instances--sentinel (connection _event)
  "Note that CONNECTION has ended."
  (when (buffer-live-p (process-buffer connection))
    (with-current-buffer (process-buffer connection)
      (when (eq connection efrit-mcp-instances--connection)
        (setq efrit-mcp-instances--connection nil efrit-mcp-instances--said "" efrit-mcp-instances--asked nil)
        (setq mode-line-process '(" no gateway"))
        (force-mode-line-update)))))

(defun efrit-mcp-instances--connect ()
  "Return the connection to the gateway.
Signal a `user-error' that says what to do when there is none."
  (unless (process-live-p efrit-mcp-instances--connection)
    (setq efrit-mcp-instances--connection
          (condition-case err
              (make-network-process :name "efrit-mcp-instances" :buffer (current-buffer) :family 'local :noquery t :coding 'utf-8
                                    :service (efrit-mcp-instances--socket)
                                    :filter #'efrit-mcp-instances--filter :sentinel #'efrit-mcp-instances--sentinel)
            (file-error (user-error "No gateway keeps instances: M-x efrit-mcp-http-start starts it (%s)" (error-message-string err)))))
    (setq mode-line-process nil))
  efrit-mcp-instances--connection)

(defun efrit-mcp-instances--call (tool arguments done)
  "Call TOOL with ARGUMENTS, an alist; give what it says to DONE, an alist."
  (let ((connection (efrit-mcp-instances--connect)))
    (push (cons (cl-incf efrit-mcp-instances--number) done) efrit-mcp-instances--asked)
    (process-send-string
     connection
     (concat (json-serialize
              `((jsonrpc . "2.0") (id . ,efrit-mcp-instances--number) (method . "tools/call")
                (params . ((name . ,tool) (arguments . ,(or arguments (make-hash-table)))
                           (_meta . ((io.modelcontextprotocol/protocolVersion . "2026-07-28")
                                     (io.modelcontextprotocol/clientCapabilities . ,(make-hash-table))
                                     (io.modelcontextprotocol/clientInfo . ((name . "Emacs") (version . ,efrit-mcp-version))))))))
              :false-object :false)
             "\n"))))

;;; The list

(defun efrit-mcp-instances--row (instance)
  "Return the row of INSTANCE, an alist."
  (let-alist instance
    (let ((state (or .state "?")))
      (list .id
            (vector .id
                    (propertize state 'face (cond ((member state '("idle" "running")) 'success)
                                                  ((member state '("blocked" "crash-loop")) 'error)
                                                  ((equal state "gone") 'shadow)
                                                  (t 'warning)))
                    (or .kept "") (or .pool "") (if .pid (number-to-string .pid) "")
                    (if .starts (number-to-string .starts) "")
                    (car (split-string (or .why .kept_why "") "\n")))))))

(defun efrit-mcp-instances--show (said)
  "Show what the gateway SAID."
  (if (alist-get 'error said)
      (message "efrit-mcp: %s" (alist-get 'error said))
    (setq tabulated-list-entries
          (mapcar #'efrit-mcp-instances--row
                  (sort (copy-sequence (alist-get 'instances said))
                        (lambda (a b) (string< (alist-get 'id a) (alist-get 'id b))))))
    (tabulated-list-print t)))

(defun efrit-mcp-instances-refresh (&rest _)
  "Ask the gateway once more; the list is shown when it has answered."
  (interactive nil efrit-mcp-instances-mode)
  (efrit-mcp-instances--call "efrit_list_instances" nil #'efrit-mcp-instances--show))

(defun efrit-mcp-instances--event (buffer)
  "Return what is called when something happens, for the list in BUFFER."
  (lambda (_event)
    (when (buffer-live-p buffer)
      (with-current-buffer buffer
        (unless efrit-mcp-instances--timer
          (setq efrit-mcp-instances--timer
                (run-at-time efrit-mcp-instances--delay nil
                             (lambda ()
                               (when (buffer-live-p buffer)
                                 (with-current-buffer buffer
                                   (setq efrit-mcp-instances--timer nil)
                                   (when (process-live-p efrit-mcp-instances--connection)
                                     (efrit-mcp-instances-refresh))))))))))))

(defun efrit-mcp-instances--leave ()
  "End what the list of this buffer needs."
  (when efrit-mcp-instances--watch
    (file-notify-rm-watch efrit-mcp-instances--watch))
  (when efrit-mcp-instances--timer
    (cancel-timer efrit-mcp-instances--timer))
  (when (process-live-p efrit-mcp-instances--connection)
    (delete-process efrit-mcp-instances--connection)))

(defun efrit-mcp-instances--watch ()
  "Look at the folder of the sockets from now on."
  (let ((folder (efrit-mcp-instances--folder)))
    (unless (or (not folder) (and efrit-mcp-instances--watch (file-notify-valid-p efrit-mcp-instances--watch)))
      (setq efrit-mcp-instances--watch
            (ignore-errors
              (file-notify-add-watch folder '(change) (efrit-mcp-instances--event (current-buffer))))))))

;;; What can be done with one

(defun efrit-mcp-instances--done (what)
  "Return what is called when WHAT, a sentence, was done or not."
  (lambda (said)
    (message "efrit-mcp: %s" (or (alist-get 'error said) what))
    (efrit-mcp-instances-refresh)))

(defun efrit-mcp-instances--here ()
  "Return the name of the instance at point."
  (or (tabulated-list-get-id) (user-error "There is no instance on this line")))

(defun efrit-mcp-instances-start ()
  "Start the declared instance at point, also out of a crash loop."
  (interactive nil efrit-mcp-instances-mode)
  (let ((name (efrit-mcp-instances--here)))
    (efrit-mcp-instances--call "efrit_start_instance" `((name . ,name))
                               (efrit-mcp-instances--done (format "%s serves" name)))))

(defun efrit-mcp-instances-stop (force)
  "Stop the instance at point; with a prefix argument FORCE, whatever it costs."
  (interactive "P" efrit-mcp-instances-mode)
  (let ((name (efrit-mcp-instances--here)))
    (when (yes-or-no-p (format "Stop the Emacs %s%s? " name (if force " and lose what is not saved" "")))
      (efrit-mcp-instances--call "efrit_stop_instance" `((instance_id . ,name) (force . ,(if force t :false)))
                                 (efrit-mcp-instances--done (format "%s has ended" name))))))

(defvar efrit-mcp-instances-mode-map
  (let ((map (make-sparse-keymap)))
    (set-keymap-parent map tabulated-list-mode-map)
    (define-key map "s" #'efrit-mcp-instances-start)
    (define-key map "k" #'efrit-mcp-instances-stop)
    map)
  "Keys in the buffer of `efrit-mcp-list-instances'.")

(define-derived-mode efrit-mcp-instances-mode tabulated-list-mode "Instances"
  "The Emacsen that the gateway knows and keeps.
\\{efrit-mcp-instances-mode-map}"
  :interactive nil
  (setq tabulated-list-format [("Name" 20 t) ("State" 11 t) ("Kept" 11 t) ("Pool" 12 t) ("Process" 8 t) ("Starts" 7 t) ("Why" 0 nil)]
        tabulated-list-padding 1)
  (tabulated-list-init-header)
  (setq-local revert-buffer-function #'efrit-mcp-instances-refresh)
  (add-hook 'kill-buffer-hook #'efrit-mcp-instances--leave nil t))

;;;###autoload
(defun efrit-mcp-list-instances ()
  "List the Emacsen that the gateway knows: their state, and how it keeps them.
The list follows what happens.  \\<efrit-mcp-instances-mode-map>\\[efrit-mcp-instances-start] starts the one at point,
\\[efrit-mcp-instances-stop] stops it."
  (interactive)
  (with-current-buffer (get-buffer-create efrit-mcp-instances--buffer)
    (unless (derived-mode-p 'efrit-mcp-instances-mode) (efrit-mcp-instances-mode))
    (efrit-mcp-instances-refresh)
    (efrit-mcp-instances--watch)
    (pop-to-buffer (current-buffer))))

(provide 'efrit-mcp-instances)
;;; efrit-mcp-instances.el ends here
