;;; efrit-mcp-instances-test.el --- The list of instances, from a real gateway  -*- lexical-binding: t -*-

(require 'ert)
(require 'efrit-mcp)
(require 'efrit-mcp-instances)
(require 'efrit-mcp-test-wait)

(defconst efrit-mcp-instances-test--bridge
  (expand-file-name "efrit-bridge" (expand-file-name (or (getenv "B") "build") (expand-file-name ".." efrit-mcp-native--folder))))

(defmacro efrit-mcp-instances-test--until (&rest holds)
  "Wait until HOLDS."
  `(let ((begun (float-time)))
     (while (not (progn ,@holds))
       (should-not (efrit-mcp-test-over-p begun 90))
       (accept-process-output nil 0.02)
       (read-event nil nil 0.02)))) ; what a folder's watch has seen is an event like a key

(defun efrit-mcp-instances-test--row (name)
  "Return the columns of NAME in the list, or nil."
  (with-current-buffer efrit-mcp-instances--buffer
    (append (cadr (assoc name tabulated-list-entries)) nil)))

(ert-deftest efrit-mcp-instances/without-a-gateway ()
  (let ((efrit-mcp-instances-socket "/nowhere/efrit-gateway.sock"))
    (should-error (efrit-mcp-list-instances) :type 'user-error)
    (kill-buffer efrit-mcp-instances--buffer)))

(ert-deftest efrit-mcp-instances/follows-what-happens ()
  (let* ((base (make-temp-file "efrit-list" t))
         (process-environment (append (list (concat "XDG_RUNTIME_DIR=" base) (concat "HOME=" base) (concat "EFRIT_MCP_FOLDERS=" base "/efrit")
                                            (concat "EFRIT_MCP_EMACS=" (expand-file-name invocation-name invocation-directory))
                                            (concat "EFRIT_MCP_LISP=" efrit-mcp-native--folder) "XDG_STATE_HOME" "XDG_CONFIG_HOME")
                                      process-environment))
         (config (expand-file-name "config.json" base))
         gateway)
    (when (getenv "EMACS") (push (concat "EFRIT_MCP_EMACS=" (getenv "EMACS")) process-environment))
    (set-file-modes base #o700)
    (make-directory (expand-file-name "efrit" base))
    (set-file-modes (expand-file-name "efrit" base) #o700)
    (with-temp-file config (insert "{\"instances\":{\"one\":{},\"two\":{}}}"))
    (unwind-protect
        (progn
          (setq gateway (make-process :name "gateway" :buffer (generate-new-buffer " *gateway*") :noquery t :connection-type 'pipe
                                      :command (list efrit-mcp-instances-test--bridge "serve" "--listen" "127.0.0.1:0" "--config" config)))
          (efrit-mcp-instances-test--until (with-current-buffer (process-buffer gateway) (string-match-p "ready" (buffer-string))))
          (save-window-excursion (efrit-mcp-list-instances))
          (efrit-mcp-instances-test--until (efrit-mcp-instances-test--row "two"))
          (should (equal (nth 2 (efrit-mcp-instances-test--row "one")) "off"))
          (with-current-buffer efrit-mcp-instances--buffer
            (goto-char (point-min))
            (search-forward "one")
            (should (equal (tabulated-list-get-id) "one"))
            (efrit-mcp-instances-start))
          (efrit-mcp-instances-test--until (equal (nth 2 (efrit-mcp-instances-test--row "one")) "up"))
          (should (equal (nth 5 (efrit-mcp-instances-test--row "one")) "1"))
          ;; Nobody asks here: the list hears of it by itself.
          (signal-process (string-to-number (nth 4 (efrit-mcp-instances-test--row "one"))) 'SIGTERM)
          (efrit-mcp-instances-test--until (equal (nth 2 (efrit-mcp-instances-test--row "one")) "off"))
          (kill-buffer efrit-mcp-instances--buffer))
      (when (process-live-p gateway) (signal-process gateway 'SIGTERM))
      (while (process-live-p gateway) (accept-process-output nil 0.05))
      (delete-directory base t))))

;;; efrit-mcp-instances-test.el ends here
