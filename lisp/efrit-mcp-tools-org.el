;;; efrit-mcp-tools-org.el --- emacs_org: headings of Org files  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Org's own commands change the live buffer, so its logging, repeaters and blockers
;; are honoured; what would ask the person for a note takes the time down instead.  A
;; heading is named by its line, its title, its path of titles or its ID.  Loaded where
;; `efrit-mcp-packs' has org.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-edit)
(require 'efrit-mcp-tools-edit)
(require 'org)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(defvar org-resource-download-policy)
(defvar org-log-note-window-configuration)
(defvar org-log-note-return-to)
(defvar org-log-note-how)
(defvar org-log-setup)
(defvar org--matcher-tags-todo-only)

(defconst efrit-mcp-org--files-max 50 "Agenda files that are looked through in one call.")
(defconst efrit-mcp-org--garbage 32000000 "Bytes a list may allocate before garbage is collected.")
(defconst efrit-mcp-org--title-max 300 "Characters of a title that are told.")

;;; Files

(defun efrit-mcp-org--open (buffer)
  "Return BUFFER, in which Org must be."
  (with-current-buffer buffer
    (unless (derived-mode-p 'org-mode) (efrit-mcp-invalid "%s is in %s, not in Org mode" (buffer-name) major-mode)))
  buffer)

(defun efrit-mcp-org--target (file buffer)
  "Return the Org buffer of FILE or BUFFER, one of which must be given."
  (unless (or file buffer) (efrit-mcp-invalid "give file or buffer"))
  (let ((org-resource-download-policy nil) (org-inhibit-startup nil))
    (efrit-mcp-org--open (efrit-mcp-target file buffer))))

(defun efrit-mcp-org--agenda ()
  "Return (BUFFERS . SKIPPED): the agenda files, and alists of those left out."
  (let* ((org-agenda-skip-unavailable-files t) (org-resource-download-policy nil)
         ;; Even to ask whether a file of another machine is there takes its time.
         (far (and (listp org-agenda-files) (not efrit-mcp-remote-files) (seq-filter #'file-remote-p org-agenda-files)))
         (org-agenda-files (if far (seq-difference org-agenda-files far) org-agenda-files))
         (buffers nil)
         (skipped (mapcar (lambda (file) `((file . ,file) (why . "on another machine (efrit-mcp-remote-files)"))) far)))
    (dolist (file (org-agenda-files t))
      (condition-case err
          (if (>= (length buffers) efrit-mcp-org--files-max)
              (push `((file . ,file) (why . "too many files; name it")) skipped)
            (push (efrit-mcp-org--open (efrit-mcp-target file nil)) buffers))
        (efrit-mcp-error (push `((file . ,file) (why . ,(error-message-string err))) skipped))))
    (cons (nreverse buffers) (nreverse skipped))))

;;; Headings

(defun efrit-mcp-org--date (keyword)
  "Return the time of KEYWORD, as SCHEDULED, of the entry at point, or nil."
  (let ((stamp (org-entry-get nil keyword)))
    (and stamp (replace-regexp-in-string "\\`[[<]\\|[]>]\\'" "" stamp))))

(defun efrit-mcp-org--entry ()
  "Return what is told of the heading at point, an alist."
  (pcase-let ((`(,_ ,level ,todo ,priority ,title ,_) (org-heading-components)))
    (let ((tags (org-get-tags nil t)))
      (cl-flet ((maybe (key value) (and value (list (cons key value)))))
        `((line . ,(efrit-mcp-target-line (point)))
          (level . ,level)
          ,@(maybe 'todo todo)
          ,@(maybe 'priority (and priority (char-to-string priority)))
          (title . ,(let ((title (substring-no-properties (or title ""))))
                      (if (> (length title) efrit-mcp-org--title-max)
                          (concat (substring title 0 efrit-mcp-org--title-max) "...")
                        title)))
          ,@(maybe 'tags (and tags (vconcat (mapcar #'substring-no-properties tags))))
          ,@(maybe 'scheduled (efrit-mcp-org--date "SCHEDULED"))
          ,@(maybe 'deadline (efrit-mcp-org--date "DEADLINE"))
          ,@(maybe 'closed (efrit-mcp-org--date "CLOSED"))
          ,@(maybe 'id (org-entry-get nil "ID")))))))

;; A list is of all headings of files that may be large: each is looked at with one or two of
;; Org's expressions.  What Org would parse or look up for it, it does for those that are shown.

(defun efrit-mcp-org--states ()
  "Return a regexp of the states of the current buffer before a title."
  (concat " *\\(" (regexp-opt org-todo-keywords-1) "\\)\\(?: \\|[ \t]*$\\)"))

(defun efrit-mcp-org--own-tags ()
  "Return the tags that the heading at point, its line's end, has itself."
  (skip-chars-backward " \t")
  (let ((end (point)))
    (when (and (eq (char-before) ?:) (< (skip-chars-backward "[:alnum:]_@#%:") -2)
               (eq (char-after) ?:) (memq (char-before) '(?\s ?\t)))
      (split-string (buffer-substring-no-properties (point) end) ":" t))))

(defun efrit-mcp-org--due (days)
  "Return the day the entry at point is due within DAYS from today, or nil."
  (save-excursion
    (forward-line 1)
    (when (looking-at org-planning-line-re)
      (let ((end (line-end-position)) (due nil))
        (while (re-search-forward "\\_<\\(?:SCHEDULED\\|DEADLINE\\):[ \t]*\\(<[^>\n]+>\\)" end t)
          (let ((day (org-time-string-to-absolute (match-string-no-properties 1))))
            (when (and (<= day (+ (org-today) days)) (or (null due) (< day due)))
              (setq due day))))
        due))))

(defun efrit-mcp-org--property (asked place property)
  "Return PROPERTY at PLACE, as ASKED, a function of Org's, would.
A plain one that is not inherited is looked for in the entry's drawer."
  (if (or place (org-property-inherit-p property) (member (upcase property) (append org-special-properties '("CATEGORY"))))
      (funcall asked place property)
    (save-excursion
      (forward-line 1)
      (when (looking-at org-planning-line-re) (forward-line 1))
      (let ((case-fold-search t) (name (regexp-quote property)))
        (when (looking-at org-property-drawer-re)
          (let ((end (match-end 0)))
            (cond ((save-excursion (re-search-forward (format "^[ \t]*:%s\\+:" name) end t))
                   (forward-line -1)
                   (org-back-to-heading t)
                   (funcall asked place property))
                  ((re-search-forward (format "^[ \t]*:%s:\\(?:[ \t]+\\(.*?\\)\\)?[ \t]*$" name) end t)
                   (or (match-string-no-properties 1) "")))))))))

(defun efrit-mcp-org--matcher (match)
  "Return a function that says if the heading at point is as MATCH wants it.
It is called with the state, the tags, inherited ones too, and the level."
  (if (not (org-string-nw-p match))
      #'always
    (condition-case err
        (let ((matcher (cdr (org-make-tags-matcher match))))
          (if (byte-code-function-p matcher) matcher
            (or (let ((byte-compile-warnings nil) (inhibit-message t)) (ignore-errors (byte-compile matcher))) matcher)))
      (error (efrit-mcp-invalid "match is none of Org's: %s" (error-message-string err))))))

(defun efrit-mcp-org--headings (buffer match days)
  "Return the headings in BUFFER that fit MATCH and are due within DAYS.
Each is (DUE POSITION . BUFFER)."
  (with-current-buffer buffer
    (org-with-wide-buffer
     (let ((asked (symbol-function 'org-cached-entry-get))
           (org--matcher-tags-todo-only nil) ; a match with /! sets it
           (gc-cons-threshold (max gc-cons-threshold efrit-mcp-org--garbage)))
       (cl-letf (((symbol-function 'org-cached-entry-get) (lambda (place property) (efrit-mcp-org--property asked place property))))
         (efrit-mcp-org--those (efrit-mcp-org--matcher match) (org-string-nw-p match) days))))))

(defun efrit-mcp-org--those (fits match days)
  "Return the headings of the widened current buffer that FITS, a function, takes.
With neither MATCH nor DAYS these are all; else as `efrit-mcp-org--headings'."
  (let ((found nil) (case-fold-search nil) (above nil) (states (efrit-mcp-org--states)))
    (goto-char (point-min))
    (while (re-search-forward "^\\(\\*+\\) " nil t)
      (let ((at (match-beginning 0)) (level (- (match-end 1) (match-beginning 1))) (due nil)
            (todo (and (or match days) (looking-at states) (match-string-no-properties 1))))
        (end-of-line)
        (when match (setq above (efrit-mcp-org--below above level (save-excursion (efrit-mcp-org--own-tags)))))
        (when (or (not days) (and (not (member todo org-done-keywords)) (setq due (efrit-mcp-org--due days))))
          (when (or (not match) (save-excursion (goto-char at) (funcall fits todo (cdar above) level)))
            (push (cons due (cons at (current-buffer))) found)))))
    (nreverse found)))

(defun efrit-mcp-org--below (above level tags)
  "Return the heading of LEVEL with TAGS before those ABOVE it, (LEVEL . TAGS).
Tags are with those that are inherited: Org would look for them anew, all
the way up, for each heading."
  (while (and above (>= (caar above) level)) (pop above))
  (let ((inherited (if above (cdar above) org-file-tags)))
    (cons (cons level (if inherited (seq-uniq (append (org-remove-uninherited-tags inherited) tags)) tags))
          above)))

(defun efrit-mcp-org--list (file buffer match days limit)
  "Return the headings of FILE, BUFFER or the agenda; MATCH and DAYS choose.
At most LIMIT are shown; with DAYS those due first come first."
  (let* ((agenda (unless (or file buffer) (efrit-mcp-org--agenda)))
         (buffers (if agenda (car agenda) (list (efrit-mcp-org--target file buffer))))
         (all (seq-mapcat (lambda (b) (efrit-mcp-org--headings b match days)) buffers)))
    (when days (setq all (sort all (lambda (a b) (< (car a) (car b))))))
    `((total . ,(length all))
      ,@(unless (cdr buffers) (and buffers (efrit-mcp-target-name (car buffers))))
      (entries . ,(vconcat
                   (mapcar (lambda (each)
                             (with-current-buffer (cddr each)
                               (org-with-wide-buffer
                                (goto-char (cadr each))
                                (append (and (cdr buffers) (efrit-mcp-target-name (current-buffer)))
                                        (efrit-mcp-org--entry)))))
                           (seq-take all limit))))
      ,@(when (and agenda (null buffers))
          '((note . "there are no agenda files here (org-agenda-files): give file or buffer")))
      ,@(when (cdr agenda) `((skipped . ,(vconcat (cdr agenda))))))))

(defun efrit-mcp-org--path ()
  "Return the titles down to the heading at point, joined by /."
  (string-join (mapcar #'substring-no-properties (org-get-outline-path t)) "/"))

(defun efrit-mcp-org--named-p (name)
  "Return non-nil if the heading at point is NAME: title, end of its path, or ID."
  (or (equal name (org-get-heading t t t t))
      (and (string-search "/" name)
           (string-suffix-p (concat "/" (string-remove-prefix "/" name)) (concat "/" (efrit-mcp-org--path))))
      (equal name (org-entry-get nil "ID"))))

(defun efrit-mcp-org--maybe (heading)
  "Return the places of headings that HEADING may name, last first."
  (let ((title (car (last (split-string heading "/" t)))) (case-fold-search nil) (places nil))
    (when title
      (goto-char (point-min))
      (while (search-forward title nil t)
        (let ((in-id (save-excursion (forward-line 0) (looking-at-p "[ \t]*:[Ii][Dd]:"))))
          (save-excursion
            (when (and (or in-id (org-at-heading-p)) (ignore-errors (org-back-to-heading t)))
              (push (point) places)))
          (forward-line 1))))
    (seq-uniq places)))

(defun efrit-mcp-org--find (heading)
  "Go to the only heading named HEADING in the widened current buffer."
  (let ((places nil))
    (dolist (place (nreverse (efrit-mcp-org--maybe heading)))
      (goto-char place)
      (when (efrit-mcp-org--named-p heading) (push (point) places)))
    (cond ((null places)
           (signal 'efrit-mcp-not-found
                   (list (format "there is no heading %s in %s; op list shows them" heading (buffer-name)))))
          ((cdr places)
           (efrit-mcp-invalid "%d headings are named %s, at lines %s: give line, or the path" (length places) heading
                              (mapconcat (lambda (p) (number-to-string (efrit-mcp-target-line p))) (reverse places) ", "))))
    (goto-char (car places))))

(defun efrit-mcp-org--goto (heading line)
  "Go to the entry of HEADING and LINE, at least one of which must be given.
With both the heading there must be that one still."
  (cond (line
         (efrit-mcp-target-goto line)
         (when (org-before-first-heading-p) (efrit-mcp-invalid "line %d is before the first heading" line))
         (org-back-to-heading t)
         (when (and heading (not (efrit-mcp-org--named-p heading)))
           (signal 'efrit-mcp-conflict
                   (list (format "at line %d the heading is %s now, not %s; nothing was changed" line
                                 (org-get-heading t t t t) heading)))))
        (heading (efrit-mcp-org--find heading))
        (t (efrit-mcp-invalid "give heading or line"))))

(defun efrit-mcp-org--read (file buffer heading line max)
  "Return the entry of HEADING or LINE in FILE or BUFFER, MAX characters of it."
  (with-current-buffer (efrit-mcp-org--target file buffer)
    (org-with-wide-buffer
     (efrit-mcp-org--goto heading line)
     (let* ((beg (point)) (end (save-excursion (org-end-of-subtree t t) (point)))
            (properties (seq-filter (lambda (p) (not (equal (car p) "CATEGORY"))) (org-entry-properties nil 'standard))))
       `(,@(efrit-mcp-target-name (current-buffer))
         ,@(efrit-mcp-org--entry)
         (path . ,(efrit-mcp-org--path))
         (last_line . ,(efrit-mcp-target-line (max beg (1- end))))
         ,@(when properties
             `((properties . ,(mapcar (lambda (p) (cons (intern (car p)) (substring-no-properties (cdr p)))) properties))))
         (hash . ,(efrit-mcp-target-hash))
         (text . ,(buffer-substring-no-properties beg (min end (+ beg max))))
         ,@(when (> (- end beg) max)
             `((truncated . ,(format "the entry has %d characters, %d are shown (max_chars)" (- end beg) max)))))))))

;;; Changes

(defun efrit-mcp-org--log ()
  "Have what Org would log after this command logged now, without a window.
A note that it would ask the person for is the time alone."
  (when (memq 'org-add-log-note (default-value 'post-command-hook))
    (remove-hook 'post-command-hook #'org-add-log-note)
    (setq org-log-setup nil
          org-log-note-window-configuration (current-window-configuration)
          org-log-note-how (if (eq org-log-note-how 'note) 'time org-log-note-how))
    (move-marker org-log-note-return-to (point))
    (save-current-buffer
      (set-buffer (get-buffer-create "*Org Note*"))
      (let ((inhibit-read-only t)) (erase-buffer))
      (org-store-log-note))))

(defconst efrit-mcp-org--time
  "\\`\\(?:[0-9]\\{4\\}-[0-9][0-9]-[0-9][0-9]\\|\\+?\\+[0-9]+[dwmy]\\|today\\|\\.\\)\\(?: [A-Za-z]+\\)?\\(?: [0-9]?[0-9]:[0-9][0-9]\\(?:-[0-9]?[0-9]:[0-9][0-9]\\)?\\)?\\(?: [.+]?\\+[0-9]+[hdwmy]\\)?\\'"
  "Times that are taken; Org makes today of all that it does not understand.")

(defun efrit-mcp-org--plan (function what time)
  "Call FUNCTION, which plans WHAT, with TIME; the empty string takes it away."
  (cond ((equal time "") (funcall function '(4)))
        ((not (string-match-p efrit-mcp-org--time time))
         (efrit-mcp-invalid "%s is no time I know: %s. Give 2026-01-31, 2026-01-31 14:00, 2026-01-31 +1w, +3d or today" what time))
        (t (funcall function nil (cond ((equal time "today") ".")
                                       ;; Org takes a repeater as one in a whole time stamp alone.
                                       ((string-match-p "\\`[0-9].* [.+]?\\+" time) (concat "<" time ">"))
                                       (t time)))))
  (efrit-mcp-org--log))

(defun efrit-mcp-org--todo (todo)
  "Give the entry at point the state TODO; the empty string takes it away."
  (unless (or (equal todo "") (member todo org-todo-keywords-1))
    (efrit-mcp-invalid "there is no state %s here; there are %s" todo (string-join org-todo-keywords-1 ", ")))
  (unless (equal todo (or (org-get-todo-state) ""))
    (let ((tick (buffer-chars-modified-tick)))
      (org-todo (if (equal todo "") 'none todo))
      (when (eql tick (buffer-chars-modified-tick))
        (signal 'efrit-mcp-conflict
                (list (format "Org blocks the state %s: an entry below or before is not done, or org-blocker-hook says so" todo))))
      (efrit-mcp-org--log))))

(defun efrit-mcp-org--tags (tags)
  "Give the entry at point TAGS, a vector, in the place of its own."
  (seq-do (lambda (tag)
            (unless (and (stringp tag) (string-match-p "\\`[[:alnum:]_@#%]+\\'" tag))
              (efrit-mcp-invalid "a tag has letters, digits, _ @ # %% alone, not: %s" tag)))
          tags)
  (org-set-tags (append tags nil)))

(defun efrit-mcp-org--properties (properties)
  "Set PROPERTIES, an alist, of the entry at point; an empty value deletes."
  (pcase-dolist (`(,name . ,value) properties)
    (unless (and (string-match-p "\\`[-_[:alnum:]]+\\'" name) (not (member (upcase name) org-special-properties)))
      (efrit-mcp-invalid "%s cannot be set as a property" name))
    (unless (and (stringp value) (not (string-match-p "[\n\r]" value)))
      (efrit-mcp-invalid "the property %s must be a string of one line" name))
    (if (equal value "") (org-entry-delete nil name) (org-entry-put nil name value))))

(defun efrit-mcp-org--set (with)
  "Change the entry at point as WITH, a plist, says."
  (cl-destructuring-bind (&key title todo tags priority scheduled deadline properties) with
    (when title
      (when (string-match-p "\\`[ \t]*\\'\\|[\n\r]" title) (efrit-mcp-invalid "title must be one line"))
      (unless (equal title (org-get-heading t t t t)) (org-edit-headline title)))
    (when tags (efrit-mcp-org--tags tags))
    (when priority
      (cond ((equal priority "")
             (when (nth 3 (org-heading-components)) (org-priority 'remove)))
            ((string-match-p "\\`[A-Z]\\'" priority) (org-priority (aref priority 0)))
            (t (efrit-mcp-invalid "priority is one letter, or empty for none"))))
    (when properties (efrit-mcp-org--properties properties))
    (when scheduled (efrit-mcp-org--plan #'org-schedule "scheduled" scheduled))
    (when deadline (efrit-mcp-org--plan #'org-deadline "deadline" deadline))
    (when todo (efrit-mcp-org--todo todo))))

(defun efrit-mcp-org--insert (text)
  "Insert TEXT, whole lines, at point, which begins a line."
  (unless (bolp) (insert "\n"))
  (insert text)
  (unless (bolp) (insert "\n")))

(defun efrit-mcp-org--body (text)
  "Return TEXT as it may stand in an entry at point, no line of it a heading."
  (replace-regexp-in-string "^\\*+ " ",\\&" (efrit-mcp-eol-place text (point) (point))))

(defun efrit-mcp-org--add (heading line title text with)
  "Add an entry TITLE with TEXT, changed by WITH, below HEADING or LINE.
For neither at the top level, at the end."
  (when (or (null title) (string-match-p "\\`[ \t]*\\'\\|[\n\r]" title)) (efrit-mcp-invalid "title is missing, or not one line"))
  (let ((level 1))
    (if (not (or heading line))
        (goto-char (point-max))
      (efrit-mcp-org--goto heading line)
      (setq level (1+ (org-current-level)))
      (org-end-of-subtree t t))
    (unless (bolp) (insert "\n"))
    (let ((at (point)))
      (insert (make-string level ?*) " " title "\n")
      (when (org-string-nw-p text) (efrit-mcp-org--insert (efrit-mcp-org--body text)))
      (goto-char at)
      (efrit-mcp-org--set with))))

(defun efrit-mcp-org--append (heading line text)
  "Append TEXT to what stands in the entry of HEADING or LINE, before its children."
  (unless (org-string-nw-p text) (efrit-mcp-invalid "text is missing"))
  (efrit-mcp-org--goto heading line)
  (save-excursion
    (org-end-of-meta-data)
    (goto-char (if (org-at-heading-p) (point) (progn (outline-next-heading) (point))))
    (unless (eobp) (skip-chars-backward "\n") (unless (bolp) (forward-line 1)))
    (efrit-mcp-org--insert (efrit-mcp-org--body text))))

(defun efrit-mcp-org--act (buffer save change)
  "Call CHANGE in BUFFER, widened, all or nothing; SAVE as emacs_edit has it.
CHANGE leaves point at the heading that is told."
  (with-current-buffer buffer
    (efrit-mcp-secret-check buffer)
    (efrit-mcp-edit-check-writable)
    (efrit-mcp-kind-check-lock (efrit-mcp-save-file buffer))
    (let ((saves (efrit-mcp-edit--saves-p save buffer)) (entry nil) (logging (default-value 'post-command-hook)))
      (when saves (efrit-mcp-save-check buffer))
      (unwind-protect
          (org-with-wide-buffer
           (atomic-change-group
             (let ((org-read-date-prefer-future nil))
               (funcall change)
               (efrit-mcp-coding-check)
               (org-back-to-heading t)
               (setq entry (efrit-mcp-org--entry)))))
        (unless (memq 'org-add-log-note logging) (remove-hook 'post-command-hook #'org-add-log-note)))
      `((entry . ,entry)
        ,@(efrit-mcp-edit-saved saves buffer)
        (hash . ,(efrit-mcp-target-hash))))))

(efrit-mcp-define-tool emacs-org
    "Org files, in the live buffers. list: headings with state, tags, dates, of file or buffer, or of the person's agenda files; match chooses (Org's: work/TODO|NEXT, +PRIORITY=\"A\"), due: only open ones scheduled or due within so many days. read: an entry with all below. add: a new entry, the last below heading, or at the top level. append: text to an entry. set: change what is given of an entry. Answers with undo_id."
    ((op (one-of "list" "read" "add" "append" "set") nil :required t)
     (file string nil) (buffer string nil)
     (heading string "Title, path as Projects/Home, or ID; one that occurs once.")
     (line integer "A line of the entry; with heading that one must be there." :minimum 1)
     (match string nil) (due integer "0: today and what is late." :minimum 0 :maximum 36500)
     (title string nil) (text string nil)
     (todo string "A state of the file; empty: none.")
     (tags (list-of string) "In place of its own.")
     (priority string "A letter; empty: none.")
     (scheduled string "2026-01-31, with 14:00 or +1w after it; +3d; today; empty: none.") (deadline string "As scheduled.")
     (properties object "Names and values; an empty one is deleted.")
     (limit integer nil :default 100 :minimum 1 :maximum 1000)
     (max-chars integer nil :default 10000 :minimum 1 :maximum 200000)
     (save (one-of "auto" "never" "always") "auto: if there were no unsaved changes before." :default "auto")
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Org files" :destructive t :pack org)
  (let ((with (list :title (and (equal op "set") title) :todo todo :tags tags :priority priority
                    :scheduled scheduled :deadline deadline :properties properties)))
    (pcase op
      ("list" (efrit-mcp-looking (efrit-mcp-org--list file buffer match due limit)))
      ("read" (efrit-mcp-looking (efrit-mcp-org--read file buffer heading line max-chars)))
      (_ (let ((target (efrit-mcp-org--target file buffer)))
           (efrit-mcp-acting "emacs_org" observe
             (efrit-mcp-org--act
              target save
              (lambda ()
                (pcase op
                  ("add" (efrit-mcp-org--add heading line title text with))
                  ("append" (efrit-mcp-org--append heading line text))
                  (_ (efrit-mcp-org--goto heading line)
                     (efrit-mcp-org--set with)))))))))))

(provide 'efrit-mcp-tools-org)
;;; efrit-mcp-tools-org.el ends here
