;;; efrit-mcp-tools-org-test.el --- emacs_org on real Org files  -*- lexical-binding: t -*-

(require 'ert)
(setq efrit-mcp-packs '(org))
(require 'efrit-mcp)
(require 'efrit-mcp-tools-test-help (expand-file-name "efrit-mcp-tools-test-help" (file-name-directory (or load-file-name buffer-file-name))))

(defconst efrit-mcp-tools-org-test--text
  "#+TODO: TODO NEXT(n!) WAIT(w@) | DONE
* Projects :work:
** NEXT [#A] Write the report :paper:
SCHEDULED: <2020-01-02 Thu> DEADLINE: <2020-01-05 Sun>
:PROPERTIES:
:ID: r-1
:Effort: 2:00
:END:
Some text.
*** Outline
** TODO Call home
* Private
** TODO Call home
** DONE Old thing
SCHEDULED: <2020-01-01 Wed>
")

(defmacro efrit-mcp-tools-org-test (&rest body)
  "Run BODY with the file `a' that holds the text above."
  `(efrit-mcp-tools-test-files (("a.org" . ,efrit-mcp-tools-org-test--text))
     (let ((org-log-done nil) (org-agenda-files nil) (org-tags-column 0) (org-adapt-indentation nil))
       ,@body)))

(defun efrit-mcp-tools-org-test--titles (answer)
  "Return the titles of the entries of ANSWER."
  (mapcar (lambda (e) (alist-get 'title e)) (alist-get 'entries answer)))

(defun efrit-mcp-tools-org-test--org (op &rest arguments)
  "Call emacs_org with OP and ARGUMENTS."
  (apply #'efrit-mcp-tools-test-call "emacs_org" "op" op arguments))

(ert-deftest efrit-mcp-tools-org/list-and-choose ()
  (efrit-mcp-tools-org-test
   (let ((all (efrit-mcp-tools-org-test--org "list" "file" a)))
     (should (= 7 (alist-get 'total all)))
     (should (equal (seq-elt (alist-get 'entries all) 1)
                    '((line . 3) (level . 2) (todo . "NEXT") (priority . "A") (title . "Write the report") (tags . ["paper"])
                      (scheduled . "2020-01-02 Thu") (deadline . "2020-01-05 Sun") (id . "r-1")))))
   (should (equal '("Write the report" "Call home") (efrit-mcp-tools-org-test--titles (efrit-mcp-tools-org-test--org "list" "file" a "match" "work/NEXT|TODO"))))
   (should (equal '("Write the report") (efrit-mcp-tools-org-test--titles (efrit-mcp-tools-org-test--org "list" "file" a "match" "Effort=\"2:00\""))))
   (should (= 4 (alist-get 'total (efrit-mcp-tools-org-test--org "list" "file" a "match" "work"))))
   (let ((org-tags-exclude-from-inheritance '("work")))
     (should (= 1 (alist-get 'total (efrit-mcp-tools-org-test--org "list" "file" a "match" "work")))))
   ;; What is done is due no more.
   (should (equal '("Write the report") (efrit-mcp-tools-org-test--titles (efrit-mcp-tools-org-test--org "list" "file" a "due" 0))))
   (let ((two (efrit-mcp-tools-org-test--org "list" "file" a "limit" 2)))
     (should (= 2 (length (alist-get 'entries two))))
     (should (= 7 (alist-get 'total two))))
   (should (string-match-p "no agenda files" (alist-get 'note (efrit-mcp-tools-org-test--org "list"))))
   (let ((org-agenda-files (list a "/ssh:nowhere.invalid:/x.org" (concat a ".gone"))))
     (should (string-match-p "another machine" (alist-get 'why (aref (alist-get 'skipped (efrit-mcp-tools-org-test--org "list")) 0))))
     (should (equal '("Write the report") (efrit-mcp-tools-org-test--titles (efrit-mcp-tools-org-test--org "list" "due" 7)))))
   (should-not (buffer-modified-p (find-file-noselect a)))))

(ert-deftest efrit-mcp-tools-org/read-by-each-name ()
  (efrit-mcp-tools-org-test
   (dolist (by '(("heading" "r-1") ("heading" "Write the report") ("heading" "Projects/Write the report") ("line" 9) ("heading" "r-1" "line" 3)))
     (let ((e (apply #'efrit-mcp-tools-org-test--org "read" "file" a by)))
       (should (= 3 (alist-get 'line e)))
       (should (equal "Projects/Write the report" (alist-get 'path e)))
       (should (equal "2:00" (alist-get 'EFFORT (alist-get 'properties e))))
       (should (string-suffix-p "Some text.\n*** Outline\n" (alist-get 'text e)))))
   (let ((e (efrit-mcp-tools-org-test--org "read" "file" a "heading" "r-1" "max_chars" 10)))
     (should (= 10 (length (alist-get 'text e))))
     (should (alist-get 'truncated e)))
   (should (string-match-p "2 headings.*lines 11, 13" (efrit-mcp-tools-test-error "emacs_org" "op" "read" "file" a "heading" "Call home")))
   (should (= 13 (alist-get 'line (efrit-mcp-tools-org-test--org "read" "file" a "heading" "Private/Call home"))))
   (should (equal "efrit-mcp-not-found" (efrit-mcp-tools-test-fails "emacs_org" "op" "read" "file" a "heading" "No such")))
   (should (equal "efrit-mcp-conflict" (efrit-mcp-tools-test-fails "emacs_org" "op" "set" "file" a "heading" "Call home" "line" 3 "todo" "DONE")))
   (should (equal "efrit-mcp-invalid-argument" (efrit-mcp-tools-test-fails "emacs_org" "op" "read" "file" a "line" 1)))))

(ert-deftest efrit-mcp-tools-org/change-and-take-back ()
  "Each change is one undo step; what was taken back is the text to the byte."
  (efrit-mcp-tools-org-test
   (dolist (call '(("set" "heading" "r-1" "todo" "DONE") ("set" "heading" "r-1" "todo" "" "priority" "" "tags" [] "scheduled" "" "deadline" "")
                   ("set" "heading" "r-1" "title" "Send it" "tags" ["a" "b"] "priority" "C" "scheduled" "2031-05-06 14:00" "deadline" "2031-05-07 +1w")
                   ("set" "heading" "r-1" "todo" "NEXT" "properties" (("Effort" . "") ("Owner" . "me")))
                   ("set" "line" 11 "todo" "NEXT") ("set" "line" 11 "todo" "WAIT")
                   ("add" "heading" "Projects" "title" "New" "text" "Body\n* not a heading" "todo" "TODO" "tags" ["x"] "scheduled" "today")
                   ("add" "title" "Top") ("append" "heading" "r-1" "text" "More.") ("append" "heading" "Projects" "text" "Intro.")
                   ("append" "heading" "Old thing" "text" "End.")))
     (let ((answer (apply #'efrit-mcp-tools-org-test--org (car call) "file" a (cdr call))))
       (ert-info ((format "%S: %S" call answer))
         (should (equal "success" (alist-get 'status answer)))
         (should (eq t (alist-get 'saved answer)))
         (should-not (memq 'org-add-log-note (default-value 'post-command-hook)))
         (unless (equal call '("set" "heading" "r-1" "todo" "NEXT")) (should (alist-get 'undo_id answer)))
         (should-not (equal efrit-mcp-tools-org-test--text (efrit-mcp-tools-test-disk a)))
         (efrit-mcp-tools-test-call "emacs_undo" "undo_id" (alist-get 'undo_id answer) "save" t)
         (should (equal efrit-mcp-tools-org-test--text (efrit-mcp-tools-test-disk a))))))))

(ert-deftest efrit-mcp-tools-org/what-stands-there-then ()
  (efrit-mcp-tools-org-test
   (let ((entry (alist-get 'entry (efrit-mcp-tools-org-test--org "set" "file" a "heading" "r-1" "title" "Send it" "tags" ["a" "b"] "priority" "C"
                                                                 "scheduled" "2031-05-06 14:00" "deadline" "2031-05-07 +1w"))))
     (should (equal entry '((line . 3) (level . 2) (todo . "NEXT") (priority . "C") (title . "Send it") (tags . ["a" "b"])
                            (scheduled . "2031-05-06 Tue 14:00") (deadline . "2031-05-07 Wed +1w") (id . "r-1")))))
   ;; A repeated entry that is done begins again, a week later.
   (let ((entry (alist-get 'entry (efrit-mcp-tools-org-test--org "set" "file" a "heading" "r-1" "todo" "DONE"))))
     (should (equal "TODO" (alist-get 'todo entry)))
     (should (equal "2031-05-14 Wed +1w" (alist-get 'deadline entry))))
   (let ((entry (alist-get 'entry (efrit-mcp-tools-org-test--org "add" "file" a "heading" "Private" "title" "New" "text" "Body\n* no heading" "todo" "TODO"))))
     (should (equal "TODO" (alist-get 'todo entry)))
     (should (string-suffix-p "** DONE Old thing\nSCHEDULED: <2020-01-01 Wed>\n** TODO New\nBody\n,* no heading\n" (efrit-mcp-tools-test-disk a))))
   (efrit-mcp-tools-org-test--org "append" "file" a "heading" "r-1" "text" "More.")
   (should (string-search "Some text.\nMore.\n*** Outline" (efrit-mcp-tools-test-disk a)))
   ;; A state that logs its change has it logged at once, and nobody is asked for a note.
   (efrit-mcp-tools-org-test--org "set" "file" a "heading" "Projects/Call home" "todo" "WAIT")
   (should (string-match-p "\\*\\* WAIT Call home\n.*\"WAIT\".*\\[20" (replace-regexp-in-string ":LOGBOOK:\n" "" (efrit-mcp-tools-test-disk a))))
   (should-not (get-buffer "*Org Note*"))))

(ert-deftest efrit-mcp-tools-org/refused-and-nothing-changed ()
  (efrit-mcp-tools-org-test
   (dolist (call '(("set" "heading" "r-1" "todo" "SOON") ("set" "heading" "r-1" "scheduled" "next summer" "title" "Other") ("set" "heading" "r-1" "title" "Other" "tags" ["a b"])
                   ("set" "heading" "r-1" "title" "Other" "priority" "high") ("set" "heading" "r-1" "title" "a\nb") ("set" "todo" "DONE")
                   ("set" "heading" "r-1" "title" "Other" "properties" (("TODO" . "x"))) ("add" "heading" "Projects") ("append" "heading" "r-1")))
     (ert-info ((format "%S" call))
       (should (equal "efrit-mcp-invalid-argument" (apply #'efrit-mcp-tools-test-fails "emacs_org" "op" (car call) "file" a (cdr call))))
       (should-not (buffer-modified-p (find-file-noselect a)))
       (should (equal efrit-mcp-tools-org-test--text (with-current-buffer (find-file-noselect a) (buffer-string))))))
   (should (string-match-p "TODO, NEXT, WAIT, DONE" (efrit-mcp-tools-test-error "emacs_org" "op" "set" "file" a "heading" "r-1" "todo" "SOON")))
   (should (string-match-p "not in Org mode" (efrit-mcp-tools-test-error "emacs_org" "op" "list" "buffer" "*scratch*")))
   (with-current-buffer (find-file-noselect a) (setq buffer-read-only t))
   (should (equal "efrit-mcp-read-only" (efrit-mcp-tools-test-fails "emacs_org" "op" "set" "file" a "heading" "r-1" "todo" "DONE")))))

(ert-deftest efrit-mcp-tools-org/unsaved-narrowed-and-blocked ()
  (efrit-mcp-tools-org-test
   (with-current-buffer (find-file-noselect a)
     (goto-char (point-max)) (insert "* Typed\n") (narrow-to-region (point) (point)) (goto-char (point-min))
     (let ((answer (efrit-mcp-tools-org-test--org "set" "file" a "heading" "r-1" "todo" "TODO")))
       (should (eq :false (alist-get 'saved answer)))
       (should (buffer-narrowed-p))
       (should (equal efrit-mcp-tools-org-test--text (efrit-mcp-tools-test-disk a)))
       (should (= 8 (alist-get 'total (efrit-mcp-tools-org-test--org "list" "file" a)))))
     (let ((org-blocker-hook (list #'ignore)))
       (should (equal "efrit-mcp-conflict" (efrit-mcp-tools-test-fails "emacs_org" "op" "set" "file" a "heading" "r-1" "title" "Other" "todo" "DONE")))
       (should-not (save-restriction (widen) (string-search "Other" (buffer-string))))))))

(defconst efrit-mcp-tools-org-test--odd
  "#+FILETAGS: :every:
#+TODO: TODO NEXT(n) | DONE GONE
Before.
* TODO [#A] Top :work:home:
SCHEDULED: <2001-02-03 Sat> DEADLINE: <2001-02-01 Thu +1w>
:PROPERTIES:
:ID: one
:Effort: 1:00
:END:
** NEXT below
*** DONE deep :x@y:
CLOSED: [2001-01-01 Mon] DEADLINE: <2001-01-02 Tue>
** :only:
** tags :in: the middle
** TODO
*no heading
 * none
* TODOLIST is no state :a_b#c%:
:PROPERTIES:
:id: two
:many: 3
:many+: 2
:END:
**** [#C] far below :work:
text with SCHEDULED: <2001-01-01 Mon> in it
* GONE last :work: 
  SCHEDULED: <2001-01-01 Mon>
* colon:
* :a:b
* TODO two   :work:
:PROPERTIES:
:EMPTY:
:END:
* NEXT tab\t:work:
DEADLINE: <2001-01-05 Fri>
")

(ert-deftest efrit-mcp-tools-org/chooses-as-org-does ()
  "What a list looks at itself is what Org would find, heading for heading."
  (efrit-mcp-tools-test-files (("o.org" . ,efrit-mcp-tools-org-test--odd))
    (with-current-buffer (find-file-noselect o)
      (let ((places (lambda (all) (mapcar #'cadr all))))
        (dolist (match '(nil "work" "work-home" "every" "work|x@y" "work/TODO" "/NEXT|TODO" "/!" "/!NEXT" "in" "a_b#c%" "LEVEL=2" "LEVEL>1+work"
                             "+PRIORITY=\"A\"" "PRIORITY=\"C\"" "ID=\"one\"" "ID={o}" "Effort=\"1:00\"" "EFFORT<>\"\"" "EMPTY=\"\"" "many={3.*2}" "MANY=\"3 2\""
                             "TODO=\"NEXT\"" "DEADLINE<\"<2001-01-04>\"" "SCHEDULED=\"<2001-02-03>\"" "{^w}" "CATEGORY=\"o\"" "ITEM={below}"))
          (should (equal (list match (org-map-entries #'point match 'file))
                         (list match (funcall places (efrit-mcp-org--headings (current-buffer) match nil))))))
        (let ((org-use-property-inheritance '("ID")))
          (should (equal (org-map-entries #'point "ID=\"one\"" 'file)
                         (funcall places (efrit-mcp-org--headings (current-buffer) "ID=\"one\"" nil)))))
        (let ((due nil))
          (org-map-entries
           (lambda ()
             (let ((days (delq nil (mapcar (lambda (k) (let ((s (org-entry-get nil k))) (and s (org-time-string-to-absolute s)))) '("SCHEDULED" "DEADLINE")))))
               (when (and days (not (org-entry-is-done-p))) (push (cons (apply #'min days) (point)) due))))
           nil 'file)
          (should (= 2 (length due)))
          (should (equal (nreverse due) (mapcar (lambda (each) (cons (car each) (cadr each))) (efrit-mcp-org--headings (current-buffer) nil 0)))))))))

;;; The packs

(ert-deftest efrit-mcp-tools-packs/on-and-off ()
  (let* ((changed 0) (count (lambda () (setq changed (1+ changed))))
         (names (lambda () (mapcar (lambda (x) (plist-get x :name)) (efrit-mcp-profile--listed efrit-mcp-tool--all)))))
    (add-hook 'efrit-mcp-tool-changed-hook count)
    (unwind-protect
        (progn
          (customize-set-variable 'efrit-mcp-packs nil)
          (should (= 1 changed))
          (dolist (profile '(look elisp default full))
            (let ((efrit-mcp-profile profile)) (should-not (member "emacs_org" (funcall names)))))
          (should (equal "not_allowed" (efrit-mcp-tools-test-fails "emacs_org" "op" "list")))
          (customize-set-variable 'efrit-mcp-packs '(vc org debug))
          (should (> changed 1))
          (should (equal '("emacs_ask_user" "emacs_org" "emacs_vc" "emacs_vc_commit" "emacs_debug") (last (funcall names) 5)))
          (dolist (profile '(elisp full))
            (let ((efrit-mcp-profile profile)) (should (member "emacs_debug" (funcall names)))))
          (let ((efrit-mcp-profile 'look))
            (should (equal "emacs_vc" (car (last (funcall names)))))
            (should (equal "not_allowed" (efrit-mcp-tools-test-fails "emacs_vc_commit" "op" "commit"))))
          (should (< (length (json-encode (mapcar #'efrit-mcp-tool--entry (seq-filter (lambda (x) (plist-get (plist-get x :options) :pack)) efrit-mcp-tool--all)))) 9000)))
      (remove-hook 'efrit-mcp-tool-changed-hook count)
      (customize-set-variable 'efrit-mcp-packs '(org)))))

(ert-deftest efrit-mcp-tools-packs/unknown-is-said ()
  (let ((said nil))
    (cl-letf (((symbol-function 'display-warning) (lambda (_ text &rest _) (push text said))))
      (customize-set-variable 'efrit-mcp-packs '(org git)))
    (customize-set-variable 'efrit-mcp-packs '(org))
    (should (string-match-p "git: There is none of that name; there are org, vc, debug" (car said)))))
;;; efrit-mcp-tools-org-test.el ends here
