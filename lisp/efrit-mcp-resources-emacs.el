;;; efrit-mcp-resources-emacs.el --- What Emacs holds, as resources  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Buffers, selection, windows, messages, diagnostics, compilation, Org files,
;; documentation, Info, and what agents did.  Live text, bounded, secrets left out.

;;; Code:

(require 'efrit-mcp-resource)
(require 'efrit-mcp-prompts)
(require 'efrit-mcp-observe)
(require 'efrit-mcp-secrets)
(require 'efrit-mcp-kind)
(require 'efrit-mcp-activity)
(require 'efrit-mcp-watch)
(require 'help-fns)
(eval-when-compile (require 'cl-lib))

(declare-function flymake-diagnostics "flymake")
(declare-function flymake-diagnostic-beg "flymake")
(declare-function flymake-diagnostic-type "flymake")
(declare-function flymake-diagnostic-text "flymake")
(declare-function flycheck-error-line "ext:flycheck")
(declare-function flycheck-error-level "ext:flycheck")
(declare-function flycheck-error-message "ext:flycheck")
(declare-function Info-goto-node "info")
(declare-function Info-mode "info")
(defvar flycheck-current-errors)
(defvar Info-history)
(defvar Info-current-file)
(defvar compilation-arguments)

(defcustom efrit-mcp-resource-max 200000
  "Characters of a buffer or file a resource holds at most; the rest is cut."
  :type 'natnum :group 'efrit-mcp)

(defconst efrit-mcp-resources--listed 200 "Buffers, names or diagnostics that are listed.")

(defun efrit-mcp-resources--bounded (from to)
  "Return the text FROM one position TO another, cut to what a resource holds."
  (if (> (- to from) efrit-mcp-resource-max)
      (concat (buffer-substring-no-properties from (+ from efrit-mcp-resource-max))
              (format "\n[cut: %d of %d characters]" efrit-mcp-resource-max (- to from)))
    (buffer-substring-no-properties from to)))

(defun efrit-mcp-resources--text (buffer)
  "Return the text of BUFFER, all of it, bounded; refused if it is secret."
  (efrit-mcp-secret-check buffer)
  (with-current-buffer buffer
    (save-restriction
      (widen)
      (efrit-mcp-resources--bounded (point-min) (point-max)))))

(defun efrit-mcp-resources--seen ()
  "Return the buffers that are not internal, as many as are listed."
  (seq-take (seq-remove (lambda (buffer) (eq (aref (buffer-name buffer) 0) ?\s)) (buffer-list))
            efrit-mcp-resources--listed))

(defun efrit-mcp-resources--starting (typed names)
  "Return those of NAMES that begin with TYPED, or hold it, as many as are listed."
  (seq-take (append (seq-filter (lambda (name) (string-prefix-p typed name)) names)
                    (seq-filter (lambda (name) (and (not (string-prefix-p typed name)) (string-search typed name))) names))
            100))

(efrit-mcp-define-resource buffers "emacs://buffers" "The open buffers: name, file, mode, size, modified."
    (:mime "application/json" :title "Buffers" :watch (buffer-list-update-hook))
  (vconcat (mapcar (lambda (buffer)
                     (with-current-buffer buffer
                       `((buffer . ,(buffer-name))
                         ,@(when buffer-file-name `((file . ,buffer-file-name)))
                         (mode . ,(symbol-name major-mode))
                         (characters . ,(buffer-size))
                         (modified . ,(if (buffer-modified-p) t :false)))))
                   (efrit-mcp-resources--seen))))

(efrit-mcp-define-resource buffer "emacs://buffer/{+name}" "The live text of a buffer, unsaved changes and all."
    (:title "Buffer" :watch-buffer get-buffer
     :complete ((name . (lambda (typed)
                          (efrit-mcp-resources--starting typed (mapcar #'buffer-name (efrit-mcp-resources--seen)))))))
  (let ((buffer (or (get-buffer name) (efrit-mcp-resource-absent (concat "emacs://buffer/" name)))))
    (efrit-mcp-resources--text buffer)))

(defun efrit-mcp-resources--window ()
  "Return the window the person works in."
  (if (minibufferp (window-buffer (selected-window)))
      (or (minibuffer-selected-window) (selected-window))
    (selected-window)))

(efrit-mcp-define-resource selection "emacs://selection" "What the person has selected, or else where point is."
    (:mime "application/json" :title "Selection" :watch (activate-mark-hook deactivate-mark-hook))
  (with-current-buffer (window-buffer (efrit-mcp-resources--window))
    (efrit-mcp-secret-check (current-buffer))
    (let ((point (window-point (efrit-mcp-resources--window))))
      `((buffer . ,(buffer-name))
        ,@(when buffer-file-name `((file . ,buffer-file-name)))
        (line . ,(line-number-at-pos point t))
        ,@(if (and mark-active (mark t))
              (let ((from (min point (mark t))) (to (max point (mark t))))
                `((from_line . ,(line-number-at-pos from t)) (to_line . ,(line-number-at-pos to t))
                  (text . ,(efrit-mcp-resources--bounded from to))))
            `((at_point . ,(save-excursion (goto-char point)
                                           (efrit-mcp-observe--cut
                                            (buffer-substring-no-properties (line-beginning-position) (line-end-position))
                                            1000)))))))))

(efrit-mcp-define-resource windows "emacs://windows" "The windows of the person's frame: buffer, lines shown, which is selected."
    (:mime "application/json" :title "Windows" :watch (window-configuration-change-hook))
  (vconcat (mapcar (lambda (window)
                     (with-current-buffer (window-buffer window)
                       `((buffer . ,(buffer-name))
                         (selected . ,(if (eq window (efrit-mcp-resources--window)) t :false))
                         (from_line . ,(line-number-at-pos (min (point-max) (window-start window))))
                         (lines . ,(window-body-height window)) (columns . ,(window-body-width window))
                         (point . ,(window-point window)))))
                   (window-list nil 'no-minibuffer))))

;; Emacs runs no hook when a line comes to *Messages*: what may have brought one looks whether
;; there is one.  Only while somebody watches.

(defun efrit-mcp-resources--watch-messages (note)
  "Have NOTE called when a message came; return what takes that back."
  (let* ((tick (lambda () (let ((buffer (get-buffer "*Messages*"))) (and buffer (buffer-chars-modified-tick buffer)))))
         (last (funcall tick))
         (look (lambda (&rest _)
                 (let ((now (funcall tick)))
                   (unless (eql now last)
                     (setq last now)
                     (funcall note))))))
    (add-hook 'post-command-hook look)
    (cl-progv '(native-comp-enable-subr-trampolines comp-enable-subr-trampolines) '(nil nil)
      (advice-add 'message :after look))
    (lambda ()
      (remove-hook 'post-command-hook look)
      (advice-remove 'message look))))

(efrit-mcp-define-resource messages "emacs://messages" "The end of *Messages*."
    (:title "Messages" :watch-by efrit-mcp-resources--watch-messages)
  (with-current-buffer (messages-buffer)
    (save-restriction
      (widen)
      (buffer-substring-no-properties (max (point-min) (- (point-max) 20000)) (point-max)))))

(defun efrit-mcp-resources--diagnostics (buffer)
  "Return what flymake or flycheck say of BUFFER, a list of alists."
  (with-current-buffer buffer
    (let ((file (or buffer-file-name (buffer-name))))
      (cl-flet ((entry (line severity text)
                  `((file . ,file) (line . ,line) (severity . ,severity) (text . ,(efrit-mcp-observe--cut text 500)))))
        (append
         (when (bound-and-true-p flymake-mode)
           (mapcar (lambda (d)
                     (entry (line-number-at-pos (flymake-diagnostic-beg d) t)
                            (let ((type (format "%s" (flymake-diagnostic-type d))))
                              (cond ((string-match-p "error" type) "error") ((string-match-p "warning" type) "warning") (t "note")))
                            (flymake-diagnostic-text d)))
                   (flymake-diagnostics)))
         (when (bound-and-true-p flycheck-mode)
           (mapcar (lambda (e) (entry (flycheck-error-line e) (format "%s" (flycheck-error-level e))
                                      (or (flycheck-error-message e) "")))
                   flycheck-current-errors)))))))

(efrit-mcp-define-resource diagnostics "emacs://diagnostics" "What flymake and flycheck say of all open buffers."
    (:mime "application/json" :title "Diagnostics" :watch (flycheck-after-syntax-check-hook after-save-hook))
  (vconcat (seq-take (apply #'append (mapcar #'efrit-mcp-resources--diagnostics
                                             (efrit-mcp-names-of-many
                                               (seq-remove #'efrit-mcp-secret-p (efrit-mcp-resources--seen)))))
                     efrit-mcp-resources--listed)))

(defun efrit-mcp-resources--open-files ()
  "Return the files that are open."
  (delq nil (mapcar #'buffer-file-name (efrit-mcp-resources--seen))))

(efrit-mcp-define-resource file-diagnostics "emacs://diagnostics/{+file}" "What flymake and flycheck say of one open file."
    (:mime "application/json" :title "Diagnostics of a file"
     :complete ((file . (lambda (typed) (efrit-mcp-resources--starting typed (efrit-mcp-resources--open-files))))))
  (vconcat (efrit-mcp-resources--diagnostics
            (efrit-mcp-secret-check
             (or (get-file-buffer file) (get-file-buffer (concat "/" file))
                 (efrit-mcp-resource-absent (concat "emacs://diagnostics/" file)))))))

(efrit-mcp-define-resource compilation "emacs://compilation" "The latest compilation, grep or test run: its buffer's end."
    (:title "Compilation" :watch (compilation-finish-functions))
  (let ((buffer (seq-find (lambda (buffer) (with-current-buffer buffer
                                        (and (derived-mode-p 'compilation-mode) compilation-arguments
                                             (not (efrit-mcp-secret-p buffer)))))
                          (buffer-list))))
    (if (not buffer)
        "Nothing was compiled."
      (with-current-buffer buffer
        (save-restriction
          (widen)
          (concat (buffer-name) "\n"
                  (buffer-substring-no-properties (max (point-min) (- (point-max) 20000)) (point-max))))))))

(defun efrit-mcp-resources--org-files ()
  "Return the Org files that are open or in the agenda."
  (delete-dups
   (append (seq-filter (lambda (file) (string-suffix-p ".org" file)) (efrit-mcp-resources--open-files))
           (when (boundp 'org-agenda-files)
             (let ((files (symbol-value 'org-agenda-files)))
               (seq-filter (lambda (file) (string-suffix-p ".org" file))
                           (mapcar #'expand-file-name (if (listp files) files nil))))))))

(efrit-mcp-define-resource org "emacs://org/{+path}" "An Org file that is open or in the agenda: its live text if it is open."
    (:mime "text/org" :title "Org file"
     :complete ((path . (lambda (typed) (efrit-mcp-resources--starting typed (efrit-mcp-resources--org-files))))))
  (let* ((file (expand-file-name (if (file-name-absolute-p path) path (concat "/" path))))
         (buffer (get-file-buffer file)))
    (unless (member file (efrit-mcp-resources--org-files))
      (efrit-mcp-resource-absent (concat "emacs://org/" path)))
    (efrit-mcp-secret-check (or buffer file))
    (if buffer
        (efrit-mcp-resources--text buffer)
      (efrit-mcp-kind-check file)
      (with-temp-buffer
        (insert-file-contents file nil 0 (* 4 efrit-mcp-resource-max))
        (efrit-mcp-resources--bounded (point-min) (point-max))))))

(defun efrit-mcp-resources--symbols (typed test)
  "Return names of symbols that begin with TYPED and pass TEST."
  (let ((found nil) (n 0))
    (catch 'enough
      (mapatoms (lambda (symbol)
                  (when (and (string-prefix-p typed (symbol-name symbol)) (funcall test symbol))
                    (push (symbol-name symbol) found)
                    (when (> (setq n (1+ n)) 2000) (throw 'enough nil))))))
    (seq-take (sort found #'string<) 100)))

(efrit-mcp-define-resource function "elisp://function/{name}" "Documentation of a Lisp function or command."
    (:title "Lisp function" :complete ((name . (lambda (typed) (efrit-mcp-resources--symbols typed #'fboundp)))))
  (let ((symbol (intern-soft name)))
    (unless (and symbol (fboundp symbol)) (efrit-mcp-resource-absent (concat "elisp://function/" name)))
    (let ((where (symbol-file symbol 'defun)) (doc (documentation symbol)))
      (concat (format "%S" (cons symbol (help-function-arglist symbol t)))
              (if (commandp symbol) "\nA command." "") (if where (concat "\nDefined in " where) "")
              "\n\n" (or doc "Not documented.")))))

(efrit-mcp-define-resource variable "elisp://variable/{name}" "Documentation of a Lisp variable; its value is not shown."
    (:title "Lisp variable" :complete ((name . (lambda (typed) (efrit-mcp-resources--symbols typed #'boundp)))))
  (let ((symbol (intern-soft name)))
    (unless (and symbol (boundp symbol)) (efrit-mcp-resource-absent (concat "elisp://variable/" name)))
    (concat name (if (custom-variable-p symbol) "\nA user option." "")
            (let ((where (symbol-file symbol 'defvar))) (if where (concat "\nDefined in " where) ""))
            "\n\n" (or (documentation-property symbol 'variable-documentation) "Not documented."))))

(efrit-mcp-define-resource info "info://{manual}/{+node}" "A node of an Info manual, as info://elisp/Buffers; Top is the first."
    (:title "Info node")
  (require 'info)
  ;; Info would take the name of any file for that of a manual, and * for all of it.
  (unless (string-match-p "\\`[A-Za-z0-9][-A-Za-z0-9+._ ]*\\'" manual)
    (efrit-mcp-resource-absent (format "info://%s/%s" manual node)))
  (with-temp-buffer
    (let ((Info-history nil) (inhibit-message t))
      (condition-case nil
          (save-window-excursion
            (Info-mode)
            (Info-goto-node (format "(%s)%s" manual node))
            (when (stringp Info-current-file) (efrit-mcp-secret-check Info-current-file))
            (efrit-mcp-resources--bounded (point-min) (point-max)))
        (error (efrit-mcp-resource-absent (format "info://%s/%s" manual node)))))))

(efrit-mcp-define-resource log "emacs://log" "What agents did in this Emacs, newest first."
    (:title "Activity of agents" :watch (efrit-mcp-activity-hook))
  (efrit-mcp-activity-text))

(provide 'efrit-mcp-resources-emacs)
;;; efrit-mcp-resources-emacs.el ends here
