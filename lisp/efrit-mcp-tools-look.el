;;; efrit-mcp-tools-look.el --- emacs_look: where the person is  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Nothing is computed that was not asked for; with `since' only differences are told.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'project)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(defconst efrit-mcp-look--buffers-max 100 "Buffers that are listed.")
(defconst efrit-mcp-look--messages-max 20 "Messages that are told.")
(defconst efrit-mcp-look--text-max 2000 "Characters of the region that are told.")
(defconst efrit-mcp-look--kept-max 16 "Answers that `since' may name.")

(defvar efrit-mcp-look--kept nil
  "The last answers, newest first: (SEQ PARTS MESSAGES-END).")

(defvar efrit-mcp-look--seq 0 "Number of the last answer.")

(defun efrit-mcp-look--cut (text max)
  "Return TEXT without properties, at most MAX characters of it."
  (let ((text (substring-no-properties text)))
    (if (> (length text) max) (concat (substring text 0 max) "...") text)))

(defun efrit-mcp-look-window ()
  "Return the window the person is in, never a minibuffer's."
  (if (minibufferp (window-buffer (selected-window)))
      (or (minibuffer-selected-window) (get-mru-window) (selected-window))
    (selected-window)))

(defun efrit-mcp-look--hide (buffer)
  "Return BUFFER if agents may see its text, else nil."
  (unless (efrit-mcp-secret-p buffer) buffer))

(defun efrit-mcp-look--region (window)
  "Return the region of the buffer in WINDOW, if it is active."
  (with-current-buffer (window-buffer window)
    (when (and mark-active (mark t) (efrit-mcp-look--hide (current-buffer)))
      (let* ((beg (min (mark t) (window-point window))) (end (max (mark t) (window-point window)))
             (beg (max beg (point-min))) (end (min end (point-max))))
        `((region . ((from . ,(efrit-mcp-target-line beg)) (to . ,(efrit-mcp-target-line end))
                     (chars . ,(- end beg))
                     (text . ,(buffer-substring-no-properties beg (min end (+ beg efrit-mcp-look--text-max)))))))))))

(defun efrit-mcp-look--state ()
  "Return the part `state': buffer, point, line of text, modes, project, region."
  (let ((window (efrit-mcp-look-window)))
    (with-current-buffer (window-buffer window)
      (let* ((point (window-point window)) (shown (efrit-mcp-look--hide (current-buffer))))
        `(,@(efrit-mcp-target-name (current-buffer))
          (mode . ,(symbol-name major-mode))
          (line . ,(efrit-mcp-target-line point))
          (column . ,(save-excursion (goto-char point) (- (point) (line-beginning-position))))
          ,@(when shown
              `((text . ,(save-excursion
                           (goto-char point)
                           (efrit-mcp-look--cut (buffer-substring-no-properties
                                                 (max (line-beginning-position) (- (point) 200))
                                                 (min (line-end-position) (+ (point) 200)))
                                                400)))))
          (modified . ,(efrit-mcp-bool (buffer-modified-p)))
          ,@(when buffer-read-only '((read_only . t)))
          ,@(when (buffer-narrowed-p) '((narrowed . t)))
          ,@(when (and buffer-file-name (not (file-remote-p buffer-file-name)))
              (let ((project (ignore-errors (project-current nil))))
                (when project `((project . ,(efrit-mcp-look-root project))))))
          ,@(efrit-mcp-look--region window)
          ,@(when (> (minibuffer-depth) 0)
              `((prompt . ,(efrit-mcp-look--cut (or (with-current-buffer (window-buffer (minibuffer-window)) (minibuffer-prompt)) "") 200)))))))))

(defun efrit-mcp-look-root (project)
  "Return the root folder of PROJECT."
  (expand-file-name
   (if (fboundp 'project-root) (project-root project) (cdr project))))

(defun efrit-mcp-look--windows ()
  "Return the part `windows': every window of every frame the person sees."
  (vconcat
   (seq-mapcat
    (lambda (frame)
      (mapcar (lambda (w)
                (with-current-buffer (window-buffer w)
                  `((buffer . ,(buffer-name))
                    (lines . ,(format "%d-%d" (efrit-mcp-target-line (min (point-max) (window-start w)))
                                      (efrit-mcp-target-line
                                       (min (point-max) (save-excursion (goto-char (window-start w))
                                                                        (forward-line (max 0 (1- (window-body-height w)))) (point))))))
                    (line . ,(efrit-mcp-target-line (window-point w)))
                    (size . ,(format "%dx%d" (window-width w) (window-height w)))
                    ,@(when (eq w (frame-selected-window frame)) '((selected . t)))
                    ,@(unless (eq frame (selected-frame)) `((frame . ,(format "%s" (frame-parameter frame 'name))))))))
              (window-list frame 'never)))
    (frame-list))))

(defun efrit-mcp-look--listed-p (buffer filter)
  "Return non-nil if BUFFER is listed when FILTER, a regexp or nil, is asked for."
  (let ((name (buffer-name buffer)) (file (buffer-file-name buffer)))
    (and (not (eq (aref name 0) ?\s))
         (or (null filter) (string-match-p filter name) (and file (string-match-p filter file))))))

(defun efrit-mcp-look--buffers (filter)
  "Return the part `buffers', those FILTER fits, newest first."
  (let* ((all (seq-filter (lambda (b) (efrit-mcp-look--listed-p b filter)) (buffer-list)))
         (shown (seq-take all efrit-mcp-look--buffers-max)))
    `((total . ,(length all))
      (list . ,(vconcat
                (mapcar (lambda (b)
                          `(,@(efrit-mcp-target-name b)
                            (mode . ,(symbol-name (buffer-local-value 'major-mode b)))
                            (chars . ,(buffer-size b))
                            ,@(when (and (buffer-modified-p b) (buffer-file-name b)) '((modified . t)))
                            ,@(let ((p (get-buffer-process b))) (when p `((process . ,(symbol-name (process-status p))))))))
                        shown))))))

(defun efrit-mcp-look--messages (from)
  "Return the part `messages': what was said since position FROM, or the last."
  (let ((buffer (get-buffer "*Messages*")) (lines nil))
    (when buffer
      (with-current-buffer buffer
        (save-excursion
          (save-restriction
            (widen)
            (goto-char (point-max))
            (while (and (> (point) (or from (point-min))) (< (length lines) efrit-mcp-look--messages-max) (= (forward-line -1) 0))
              (push (efrit-mcp-look--cut (buffer-substring-no-properties (point) (line-end-position)) 300) lines))))))
    (vconcat (delete "" lines))))

(defun efrit-mcp-look--modes ()
  "Return the part `modes': those that are on where the person is."
  (with-current-buffer (window-buffer (efrit-mcp-look-window))
    `((major . ,(symbol-name major-mode))
      (minor . ,(vconcat (mapcar #'symbol-name
                                 (seq-filter (lambda (m) (and (boundp m) (symbol-value m)
                                                              (or (local-variable-p m) (default-boundp m))))
                                             minor-mode-list)))))))

(defun efrit-mcp-look--processes ()
  "Return the part `processes'."
  (vconcat (mapcar (lambda (p)
                     `((name . ,(process-name p)) (status . ,(symbol-name (process-status p)))
                       ,@(when (process-buffer p) `((buffer . ,(buffer-name (process-buffer p)))))))
                   (seq-take (seq-remove (lambda (p) (string-prefix-p "efrit-mcp" (process-name p))) (process-list)) 50))))

(defun efrit-mcp-look--changes ()
  "Return the part `changes': the last changes of agents, which can be undone."
  (vconcat (mapcar #'efrit-mcp-change-describe (seq-take (efrit-mcp-change-list) 10))))

(defun efrit-mcp-look--part (what filter from)
  "Return the part WHAT; FILTER is for buffers, FROM for messages."
  (pcase what
    ("state" (efrit-mcp-look--state))
    ("windows" (efrit-mcp-look--windows))
    ("buffers" (efrit-mcp-look--buffers filter))
    ("messages" (efrit-mcp-look--messages from))
    ("modes" (efrit-mcp-look--modes))
    ("processes" (efrit-mcp-look--processes))
    ("changes" (efrit-mcp-look--changes))))

(defun efrit-mcp-look (what filter since)
  "Return the parts WHAT, strings, with FILTER; SINCE an earlier answer only news."
  (let* ((known (and since (assq since efrit-mcp-look--kept)))
         (before (and known (cadr known)))
         (parts (mapcar (lambda (w) (cons w (efrit-mcp-look--part w filter (nth 2 known)))) what))
         (news (if known (seq-remove (lambda (p) (or (equal (cdr p) []) (equal p (assoc (car p) before)))) parts) parts))
         (messages (get-buffer "*Messages*"))
         (seq (setq efrit-mcp-look--seq (1+ efrit-mcp-look--seq))))
    (setq efrit-mcp-look--kept
          (seq-take (cons (list seq (append parts (seq-remove (lambda (p) (assoc (car p) parts)) before))
                                (and messages (with-current-buffer messages (1+ (buffer-size)))))
                          efrit-mcp-look--kept)
                    efrit-mcp-look--kept-max))
    `((seq . ,seq)
      ,@(when (and since (not known)) '((since_unknown . t)))
      ,@(when (and known (null news)) '((unchanged . t)))
      ,@(mapcar (lambda (p) (cons (intern (car p)) (cdr p))) news))))

(efrit-mcp-define-tool emacs-look
    "Where the person is in Emacs: buffer, line, region, project, open prompt (state); or what else is named. Brief; ask for more parts by what. Pass the seq of an earlier answer as since to get only what is different."
    ((what (list-of (one-of "state" "windows" "buffers" "messages" "modes" "processes" "changes")) "Parts; default state.")
     (filter string "Regexp on names and files of buffers.")
     (since integer nil))
    (:title "Look at Emacs" :read-only t)
  (efrit-mcp-looking
    (efrit-mcp-look (if (seq-empty-p what) '("state") (seq-uniq (append what nil))) filter since)))

(provide 'efrit-mcp-tools-look)
;;; efrit-mcp-tools-look.el ends here
