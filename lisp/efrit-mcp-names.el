;;; efrit-mcp-names.el --- All the names a file goes by  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A secret file has many names: links on the way to it, /proc/self/root, a quoted name,
;; one of another user's on this machine, a backup, a compressed copy, a member of an
;; archive.  They are found here, and whatever is asked of names is asked of all of them.
;; No file name handler runs, so no other machine is asked.

;;; Code:

(require 'seq)
(eval-when-compile (require 'cl-lib))

(defconst efrit-mcp-names--hops-max 40 "Links that are followed on the way to a file, as by the kernel.")

(defvar efrit-mcp-names--seen nil
  "What was found out before, while many files are looked at: a table, or nil.")

(defmacro efrit-mcp-names-of-many (&rest body)
  "Run BODY, which asks of many files; what was learned of a folder is kept."
  (declare (indent 0) (debug t))
  `(let ((efrit-mcp-names--seen (make-hash-table :test #'equal)))
     ,@body))

(defmacro efrit-mcp-names-once (key &rest body)
  "Return the value of BODY, which is made once for KEY while many are looked at."
  (declare (indent 1) (debug t))
  (let ((name (make-symbol "key")) (value (make-symbol "value")))
    `(let* ((,name ,key) (,value (if efrit-mcp-names--seen (gethash ,name efrit-mcp-names--seen 'none) 'none)))
       (when (eq ,value 'none)
         (setq ,value (progn ,@body))
         (when efrit-mcp-names--seen (puthash ,name ,value efrit-mcp-names--seen)))
       ,value)))

;; A `let' of `case-fold-search' sets it in each buffer there is, so it takes as long as there are buffers.
(defvar efrit-mcp-names--folds nil "A buffer where upper and lower case are the same.")

(defun efrit-mcp-names-match (regexp name)
  "Match REGEXP in NAME, upper and lower case alike, as `string-match'."
  (unless (buffer-live-p efrit-mcp-names--folds)
    (setq efrit-mcp-names--folds (generate-new-buffer " *efrit-mcp-names*" t)))
  (with-current-buffer efrit-mcp-names--folds
    (setq case-fold-search t)
    (string-match regexp name)))

(defun efrit-mcp-names--local (file)
  "Return the name that FILE has on its machine, without quotes, absolute.
No connection is made for it."
  (if (and (string-prefix-p "/" file) (not (string-search ":" file)))
      (let ((file-name-handler-alist nil)) (expand-file-name file)) ; neither remote nor quoted
    (let ((name (let ((non-essential t)) (expand-file-name file))) (before nil))
      (while (not (equal name before))
        (setq before name
              name (or (file-remote-p name 'localname) name)
              name (file-name-unquote name t)
              name (if (string-match "\\`file:/+\\(?:localhost/\\)?" name)
                       (concat "/" (substring name (match-end 0)))
                     name)))
      (if (string-prefix-p "/" name)
          (let ((file-name-handler-alist nil)) (expand-file-name name))
        name))))

(defun efrit-mcp-names--follow (name)
  "Return the names on the way from NAME, absolute, to where it leads, that first."
  (let ((file-name-handler-alist nil) (pending (split-string name "/" t)) (at "") (via (list name)) (hops 0))
    (while pending
      (let ((part (pop pending)))
        (cond ((equal part "."))
              ((equal part "..") (setq at (directory-file-name (or (file-name-directory at) "")))
               (when (equal at "/") (setq at "")))
              (t (let* ((next (concat at "/" part))
                        (link (and (< hops efrit-mcp-names--hops-max) (file-symlink-p next))))
                   (if (not link)
                       (setq at next)
                     (setq hops (1+ hops)
                           pending (append (split-string link "/" t) pending))
                     (when (string-prefix-p "/" link) (setq at ""))
                     (push (concat at "/" (string-join pending "/")) via)))))))
    (cons (if (equal at "") "/" at) via)))

(defun efrit-mcp-names--way (name)
  "Return the names on the way from NAME, as `efrit-mcp-names--follow'.
While many files are looked at their folder is followed once."
  (if (or (null efrit-mcp-names--seen) (equal name "/"))
      (efrit-mcp-names--follow name)
    (let* ((folder (directory-file-name (or (let (file-name-handler-alist) (file-name-directory name)) "/")))
           (way (efrit-mcp-names-once (cons 'way folder) (efrit-mcp-names--follow folder)))
           (base (let (file-name-handler-alist) (file-name-nondirectory name)))
           (here (concat (if (equal (car way) "/") "" (car way)) "/" base)))
      (if (or (member base '("" "." "..")) (let (file-name-handler-alist) (file-symlink-p here)))
          (efrit-mcp-names--follow name)
        (cons here (mapcar (lambda (each) (concat (directory-file-name each) "/" base)) (cdr way)))))))

;; Emacs keeps 20 regexps compiled, and compiling takes the longest: few are asked here.
(defconst efrit-mcp-names--copy
  (concat "[^/]"
          "\\(\\(?:~\\|\\.~[^/~]*~\\)" ; backups, and revisions as vc writes them
          "\\|\\.\\(?:gz\\|bz2\\|xz\\|zst\\|lz\\|lzma\\|z\\|tgz\\|age\\|enc\\)"
          "\\|\\.\\(?:bak\\|backup\\|old\\|orig\\|save\\|saved\\|copy\\|swp\\|swo\\|tmp\\|new\\)\\)\\'")
  "What is added to a file's name for a copy of it.")

(defconst efrit-mcp-names--archive
  "\\.\\(?:tar\\|t[gbx]z\\|zip\\|jar\\|7z\\|cpio\\|rar\\|ar\\|deb\\)\\(?:\\.[a-z0-9]+\\)?[!:/]+\\(.+\\)\\'"
  "The name of a member of an archive.")

(defun efrit-mcp-names--meant (name)
  "Return NAME and the names it may be a copy of, or a member in."
  (let* ((folder (or (file-name-directory name) "/")) (base (file-name-nondirectory name)) (names (list name)))
    (when (and (string-prefix-p "#" base) (string-suffix-p "#" base) (length> base 2)) ; what Emacs saves by itself
      (setq base (substring base 1 -1))
      (push (concat folder base) names))
    (when (string-prefix-p "!" base) ; backups and the like of all files in one folder
      (setq folder "" base (replace-regexp-in-string "!" "/" base t t))
      (push base names))
    (let ((copy (concat folder base)) (tries 12))
      (while (and (> (setq tries (1- tries)) 0) (efrit-mcp-names-match efrit-mcp-names--copy copy))
        (setq copy (substring copy 0 (match-beginning 1)))
        (push copy names)))
    (when (efrit-mcp-names-match efrit-mcp-names--archive name)
      (push (concat "/" (match-string 1 name)) names))
    names))

(defun efrit-mcp-names (file)
  "Return all names of FILE, the one it truly has first.
Links are followed one by one, so that none on the way is missed."
  (let* ((name (efrit-mcp-names--local file))
         (way (if (string-prefix-p "/" name) (efrit-mcp-names--way name) (list name)))
         (file-name-handler-alist nil))
    (cons (car way) (delete-dups (mapcan #'efrit-mcp-names--meant way)))))

(defconst efrit-mcp-names--environment
  '("HOME" "USER" "LOGNAME" "TMPDIR" "PWD" "XDG_CONFIG_HOME" "XDG_DATA_HOME" "XDG_STATE_HOME" "XDG_CACHE_HOME" "XDG_RUNTIME_DIR")
  "Variables of the environment that a name may hold; others may be secrets.")

(provide 'efrit-mcp-names)
;;; efrit-mcp-names.el ends here
