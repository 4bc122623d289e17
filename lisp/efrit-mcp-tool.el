;;; efrit-mcp-tool.el --- Define tools and call them  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; `efrit-mcp-define-tool' makes a Lisp function a tool that agents may call.  Name,
;; description, JSON Schema and annotations come from that one form.  A tool returns
;; a value, never JSON; the one `condition-case' that turns errors into answers is
;; here, in `efrit-mcp-tool-call'.

;;; Code:

(require 'efrit-mcp-native)
(require 'efrit-mcp-client)
(require 'efrit-mcp-content)
(require 'efrit-mcp-distrust)
(require 'efrit-mcp-print)
(require 'efrit-mcp-prompts)
(require 'efrit-mcp-resource)
(require 'efrit-mcp-prompt)
(require 'json)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(declare-function efrit-mcp--mod-json "efrit-mcp-module")

(defvar efrit-mcp-tool--all nil
  "The tools, in the order they were defined: a list of plists.")

(defvar efrit-mcp-tool--by-name (make-hash-table :test #'equal)
  "The same tools by name.")

(defvar efrit-mcp-tool-changed-hook nil
  "Functions called when the set of tools is another one.")

(defvar efrit-mcp-tool-job nil
  "Number of the job that runs, while a tool's function is called.")

(defvar efrit-mcp-tool-client nil
  "Name of the client whose job runs, while a tool's function is called.")

(defvar efrit-mcp-tool-timeout nil
  "Seconds the job that runs may take, while a tool's function is called.")

(defvar efrit-mcp-tool-list-function #'identity
  "Function that returns those of the tools, a list, that agents are listed.")

(defvar efrit-mcp-tool-profiles-function #'ignore
  "Function that returns the names of the profiles a tool, a plist, is in.")

(defvar efrit-mcp-tool-refuse-function #'ignore
  "Function that says why a tool, a plist, is not called; nil: it may be.")

(defconst efrit-mcp-tool-deferred (make-symbol "efrit-mcp-deferred")
  "What a tool's function returns when its answer comes later.")

;;; Definition

(defun efrit-mcp-tool--name (symbol)
  "Return the name agents know SYMBOL by: hosts take letters, digits and _."
  (replace-regexp-in-string "[^a-zA-Z0-9_]" "_" (symbol-name symbol)))

(defun efrit-mcp-tool--type-schema (type)
  "Return the JSON Schema of TYPE as an alist."
  (pcase type
    ((or 'string 'integer 'number 'boolean 'object 'array) `((type . ,(symbol-name type))))
    ('seconds '((type . ["number" "string"])))
    (`(one-of . ,values) `((type . "string") (enum . ,(vconcat values))))
    ('any nil)
    (`(list-of any) '((type . "array")))
    (`(list-of ,of) `((type . "array") (items . ,(efrit-mcp-tool--type-schema of))))
    (`(record . ,members) (efrit-mcp-tool--record members))
    (_ (error "Unknown type of a tool's parameter: %S" type))))

(defun efrit-mcp-tool--record (members)
  "Return the JSON Schema of an object with MEMBERS, written like parameters."
  (let ((required (seq-filter (lambda (m) (plist-get (cdddr m) :required)) members)))
    `((type . "object")
      (properties . ,(mapcar #'efrit-mcp-tool--parameter-schema members))
      ,@(when required `((required . ,(vconcat (mapcar (lambda (m) (efrit-mcp-tool--name (car m))) required)))))
      (additionalProperties . :false))))

(defun efrit-mcp-tool--header (name type)
  "Return NAME, the header that mirrors a parameter of TYPE; it must be a token."
  (unless (and (memq type '(string integer boolean)) (string-match-p "\\`[-!#$%&'*+.^_`|~A-Za-z0-9]+\\'" name))
    (error "Parameters that are strings, integers or booleans may have a header, whose name is a token: %S" name))
  name)

(defun efrit-mcp-tool--parameter-schema (parameter)
  "Return (NAME . SCHEMA) of PARAMETER, (SYMBOL TYPE DOC . OPTIONS)."
  (pcase-let ((`(,symbol ,type ,doc . ,options) parameter))
    (cons (intern (efrit-mcp-tool--name symbol))
          (append (efrit-mcp-tool--type-schema type)
                  (when doc `((description . ,doc)))
                  (when (plist-member options :default)
                    `((default . ,(or (plist-get options :default) :false))))
                  (when (plist-member options :header)
                    `((x-mcp-header . ,(efrit-mcp-tool--header (plist-get options :header) type))))
                  (when (plist-member options :minimum) `((minimum . ,(plist-get options :minimum))))
                  (when (plist-member options :maximum) `((maximum . ,(plist-get options :maximum))))))))

(defconst efrit-mcp-tool--common
  '((instance-id string "Which Emacs; omit it when only one runs.")
    (timeout seconds "Seconds until it is stopped, at most 3600." :default 30))
  "Parameters that every tool has which Emacs answers.")

(defun efrit-mcp-tool--schema (parameters options)
  "Return the inputSchema for PARAMETERS of a tool with OPTIONS."
  (or (plist-get options :schema) (efrit-mcp-tool--own-schema parameters options)))

(defun efrit-mcp-tool--own-schema (parameters options)
  "Make the inputSchema for PARAMETERS of a tool with OPTIONS."
  (let* ((given (mapcar #'car parameters))
         (all (append parameters
                      (unless (plist-get options :bridge)
                        (seq-remove (lambda (p) (memq (car p) given)) efrit-mcp-tool--common))))
         (required (seq-filter (lambda (p) (plist-get (cdddr p) :required)) all)))
    `((type . "object")
      (properties . ,(or (mapcar #'efrit-mcp-tool--parameter-schema all) (make-hash-table)))
      ,@(when required
          `((required . ,(vconcat (mapcar (lambda (p) (efrit-mcp-tool--name (car p))) required)))))
      (additionalProperties . :false))))

(defun efrit-mcp-tool--annotations (options)
  "Return the annotations that OPTIONS of a tool say, all of them stated."
  (cl-flet ((bool (key) (if (plist-get options key) t :false)))
    `((readOnlyHint . ,(bool :read-only))
      (destructiveHint . ,(bool :destructive))
      (idempotentHint . ,(if (plist-get options :read-only) t (bool :idempotent)))
      (openWorldHint . ,(bool :open-world)))))

(defun efrit-mcp-tool--register (symbol description parameters options function)
  "Make FUNCTION the tool SYMBOL with DESCRIPTION, PARAMETERS and OPTIONS.
A tool of the same name is replaced in its place."
  (let* ((name (efrit-mcp-tool--name symbol))
         (tool (list :function function :options options
                     :defaults (mapcar (lambda (p) (plist-get (cdddr p) :default)) parameters)
                     :places (efrit-mcp-tool--places parameters)
                     :name name :description description :parameters parameters))
         (old (efrit-mcp-tool-find name)))
    (if old
        (setcar (memq old efrit-mcp-tool--all) tool)
      (setq efrit-mcp-tool--all (append efrit-mcp-tool--all (list tool))))
    (let ((output (plist-get options :output)))
      (when (and output (not (equal (alist-get 'type output) "object")))
        (error "The :output of the tool %s must be a schema whose type is object" name)))
    (unless (memq (plist-get options :task) '(nil optional required))
      (error "The :task of the tool %s must be optional or required" name))
    (puthash name tool efrit-mcp-tool--by-name)
    (run-hooks 'efrit-mcp-tool-changed-hook)
    symbol))

(defun efrit-mcp-tool-remove (symbol)
  "Take the tool SYMBOL away from the agents."
  (let ((name (efrit-mcp-tool--name symbol)))
    (setq efrit-mcp-tool--all (delq (efrit-mcp-tool-find name) efrit-mcp-tool--all))
    (remhash name efrit-mcp-tool--by-name))
  (run-hooks 'efrit-mcp-tool-changed-hook))

;;;###autoload
(defmacro efrit-mcp-define-tool (name description parameters options &rest body)
  "Define the tool NAME, a symbol; agents call it by that name with _ for -.
DESCRIPTION, a string, is what agents read.

PARAMETERS is a list of (SYMBOL TYPE DOC . OPTIONS).  TYPE is string, integer,
number, boolean, object, array, seconds, any, (one-of STRING...), (list-of
TYPE) or (record PARAMETER...), an object with those members.
OPTIONS are :required t, :default VALUE, :minimum N, :maximum N.  BODY sees each
SYMBOL bound to the argument, or to its default, or to nil.  Objects are alists
with string keys, arrays vectors.

OPTIONS, a plist, tells hosts what the tool does: :read-only,
:destructive, :idempotent, :open-world (all nil unless given), :title
STRING; :nest t lets the tool run while another job of an agent waits.
:output SCHEMA, an alist whose type is object, is the outputSchema: BODY
then answers by `efrit-mcp-content' with :structured.  :schema ALIST is
the inputSchema word for word, instead of what PARAMETERS say.  :meta
ALIST is the _meta of the listed tool.  :task optional or required: where
the client and the way to it know tasks, a call is one; with :task-later
not before BODY calls `efrit-mcp-begin-task'.  :patient (ARGUMENT VALUE
SECONDS): the timeout where none is given and the argument has the value.
:pack SYMBOL: it is in the profile full, but not in default.

A parameter's option :header STRING has clients over HTTP repeat the
argument in a header of that name.

BODY's value is the answer: a string as it is, what `efrit-mcp-content'
returns, all else as JSON (an alist or plist is an object, a vector an
array, :false and :null those).  An error signalled in BODY is a failed
call that names the error.  BODY may call `efrit-mcp-report-progress',
`efrit-mcp-log' and `efrit-mcp-ask-client'.  The same form may stand in
an init file."
  (declare (indent 4) (doc-string 2))
  (let ((function (intern (format "efrit-mcp-tool/%s" name)))
        (symbols (mapcar #'car parameters)))
    `(progn
       (defun ,function ,symbols
         ,(format "Body of the tool `%s'." name)
         (ignore ,@symbols)
         ,@body)
       (efrit-mcp-tool--register ',name ,description ',parameters ',options #',function))))

;;; The catalogue

(defun efrit-mcp-tool--entry (tool)
  "Return TOOL as MCP lists it, an alist for `json-encode'."
  (let ((options (plist-get tool :options)))
    `((name . ,(plist-get tool :name))
      ,@(when (plist-get options :title) `((title . ,(plist-get options :title))))
      (description . ,(plist-get tool :description))
      (inputSchema . ,(efrit-mcp-tool--schema (plist-get tool :parameters) options))
      ,@(when (plist-get options :output) `((outputSchema . ,(plist-get options :output))))
      (annotations . ,(efrit-mcp-tool--annotations options))
      ,@(when (plist-get options :meta) `((_meta . ,(plist-get options :meta))))
      ,@(when (plist-get options :task) `((task . ,(symbol-name (plist-get options :task)))))
      ,@(when (plist-get options :task-later) '((taskLater . t)))
      ,@(let ((profiles (funcall efrit-mcp-tool-profiles-function tool)))
          (when profiles `((profiles . ,(vconcat profiles)))))
      ,@(pcase (plist-get options :patient)
          (`(,argument ,value ,seconds) `((patient . ((argument . ,argument) (value . ,value) (timeout . ,seconds))))))
      (answeredBy . ,(if (plist-get options :bridge) "bridge" "emacs")))))

(defun efrit-mcp-tool--offers ()
  "Return the tools, resources and prompts as an alist."
  `((tools . ,(vconcat (mapcar #'efrit-mcp-tool--entry (funcall efrit-mcp-tool-list-function efrit-mcp-tool--all))))
    (resources . ,(efrit-mcp-resource-entries nil))
    (resourceTemplates . ,(efrit-mcp-resource-entries t))
    (prompts . ,(efrit-mcp-prompts-entries))))

(defun efrit-mcp-tool-catalogue ()
  "Return the tools, resources and prompts as JSON, UTF-8 bytes.
The module writes it, where it is loaded: it is quick."
  (let ((json-encoding-pretty-print nil) (json-false :false) (offers (efrit-mcp-tool--offers)))
    (encode-coding-string (if (fboundp 'efrit-mcp--mod-json) (efrit-mcp--mod-json offers) (json-encode offers))
                          'utf-8 t)))

(defun efrit-mcp-tool-nesting ()
  "Return the names of the tools that may run inside another job, a vector."
  (vconcat (mapcar (lambda (tool) (plist-get tool :name))
                   (seq-filter (lambda (tool) (plist-get (plist-get tool :options) :nest))
                               efrit-mcp-tool--all))))

;;; The call

(defun efrit-mcp-tool-find (name)
  "Return the tool NAME, a string, or nil."
  (gethash name efrit-mcp-tool--by-name))

(defun efrit-mcp-tool--places (parameters)
  "Return where each of PARAMETERS goes: a table of names to (PLACE . TYPE)."
  (let ((places (make-hash-table :test #'equal)) (n -1))
    (dolist (parameter parameters)
      (puthash (efrit-mcp-tool--name (car parameter)) (cons (setq n (1+ n)) (cadr parameter)) places))
    places))

(defun efrit-mcp-tool--values (tool arguments)
  "Return the values for TOOL out of ARGUMENTS, an alist with string keys."
  (let ((values (copy-sequence (plist-get tool :defaults)))
        (places (plist-get tool :places)))
    (dolist (argument arguments)
      (let* ((place (gethash (car argument) places)) (type (cdr place)) (value (cdr argument)))
        (when (and place (not (eq value :null)))
          (setcar (nthcdr (car place) values)
                  (cond ((eq type 'boolean) (eq value t))
                        ((and (eq type 'seconds) (stringp value)) (string-to-number value))
                        (t value))))))
    values))

(defvar efrit-mcp-tool--signal nil
  "The last error of the job that runs: (DATA . FRAMES).")

(defvar efrit-mcp-tool-backtrace-ends '(efrit-mcp-tool--apply)
  "Functions at whose frame a backtrace ends: below is not the agent's.")

(defconst efrit-mcp-tool--not-shown
  '(mapbacktrace efrit-mcp-server--signalled efrit-mcp-tool--frames efrit-mcp-tool-note-signal signal error
    efrit-mcp-prompt--refuse efrit-mcp-prompt--refuse-menu efrit-mcp-prompt--watch efrit-mcp-debugger--enter
    efrit-mcp-debugger--breakpoint efrit-mcp-debugger--own efrit-mcp-debugger--refuse)
  "Functions that are no news in a backtrace.")

(defun efrit-mcp-tool--frames ()
  "Return the frames between the signal and the tool, innermost first."
  (let (frames (n 0))
    (catch 'efrit-mcp-tool--frames
      (mapbacktrace
       (lambda (_evald function arguments _flags)
         (cond ((or (memq function efrit-mcp-tool-backtrace-ends)
                    (>= n efrit-mcp-print--frames-max))
                (throw 'efrit-mcp-tool--frames nil))
               ((not (memq function efrit-mcp-tool--not-shown))
                (setq n (1+ n))
                (push (cons function arguments) frames))))))
    (nreverse frames)))

(defun efrit-mcp-tool-note-signal (_symbol data)
  "Keep where an error with DATA was signalled: what `signal-hook-function' calls.
Errors that the form itself handles come by here too, so this is cheap."
  (unless (and efrit-mcp-tool--signal (eq (car efrit-mcp-tool--signal) data) data)
    (setq efrit-mcp-tool--signal (cons data (efrit-mcp-tool--frames)))))

(defun efrit-mcp-tool--apply (function arguments)
  "Call FUNCTION with ARGUMENTS; a backtrace ends at this frame."
  (apply function arguments))

(defconst efrit-mcp-tool-no-memory
  '((status . "error") (error_code . "memory_exhausted")
    (error . "No memory is left for this Emacs: the form makes more than it may have, and was left.  Do it in smaller pieces.  A worker of a pool is replaced now; a person's Emacs is to be saved and started again"))
  "What an agent is told when Emacs had no memory; made beforehand.")

(defun efrit-mcp-tool-memory-p (err)
  "Return non-nil if ERR says that Emacs has no memory; then look for some.
Until something is freed, what is told of ERR fails too, and so does the next
command.  Emacs does not look by itself: it does so after something was made.
It sets `memory-full' only where not even 16 kB are left, and asks for more to
make a list; without it the collection begins by making one."
  (let ((said (car-safe (cdr-safe err))))
    (when (and (eq (car-safe err) 'error) (stringp said) (string-prefix-p "Memory exhausted--" said))
      (let ((memory-full t)) (ignore-errors (garbage-collect)))
      t)))

(defun efrit-mcp-tool--error (err)
  "Return what an agent is told of ERR, an alist in Efrit's shape."
  (if (efrit-mcp-tool-memory-p err)
      efrit-mcp-tool-no-memory
    (condition-case again
        (efrit-mcp-tool--describe err)
      (error `((status . "error") (error_code . "error")
               (error . ,(format "An error was signalled that cannot be told (%s)" (car-safe again))))))))

(defun efrit-mcp-tool--ours-p (symbol)
  "Return non-nil if SYMBOL, of an error, is what a tool says of its arguments.
Also of the world.  A form may give a symbol any conditions."
  (ignore-errors (memq 'efrit-mcp-error (get symbol 'error-conditions))))

(defun efrit-mcp-tool--describe (err)
  "Return what an agent is told of ERR, which left some memory to do so."
  (let ((frames (and efrit-mcp-tool--signal (eq (car efrit-mcp-tool--signal) (cdr err))
                     (not (efrit-mcp-tool--ours-p (car err)))
                     (cdr efrit-mcp-tool--signal))))
    `((status . "error")
      (error . ,(efrit-mcp-tool--message err))
      (error_code . ,(efrit-mcp-print-plainly (car err) 200))
      ,@(when (eq (car err) 'efrit-mcp-not-saved) (nth 2 err)) ; what was done all the same
      ,@(when (eq (car err) 'inhibited-interaction)
          `((prompt . ,(efrit-mcp-prompt-from-frames frames))))
      ,@(when frames
          `((backtrace . ,(efrit-mcp-print-frames frames)))))))

(defconst efrit-mcp-tool--message-max 2000 "Characters of an error's message that are told.")

(defun efrit-mcp-tool--message (err)
  "Return the message of ERR within bounds."
  (let ((text (if (eq (car err) 'inhibited-interaction)
                  "It asks the person a question, and a call may not: give the answer with it (args of emacs_command; arguments or let-bound variables of a form), or use a function that does not ask"
                (efrit-mcp-tool-error-text err))))
    (substring-no-properties text 0 (min efrit-mcp-tool--message-max (length text)))))

(defun efrit-mcp-tool-error-text (err)
  "Return the message of ERR, a string, as `error-message-string' does.
Data that is endless, or too deep to be printed, is shown in part."
  (let ((said (and (symbolp (car-safe err)) (get (car err) 'error-message)))
        (shown (efrit-mcp-print (cdr-safe err) efrit-mcp-tool--message-max))
        (print-circle t))
    (cond ((and (stringp said) (efrit-mcp-tool--ours-p (car err)) (stringp (car-safe (cdr-safe err)))
                (or (null (cddr err)) (eq (car err) 'efrit-mcp-not-saved)))
           (format "%s: %s" said (cadr err)))
          ((and (or (null said) (stringp said)) (proper-list-p (cdr-safe err)) (null (cdr shown))
                (ignore-errors (error-message-string err))))
          (t (format "%s: %s" (if (stringp said) said (efrit-mcp-print-plainly (car-safe err) 200)) (car shown))))))

(defconst efrit-mcp-tool--methods
  '(("resources/read" . efrit-mcp-resource-read)
    ("prompts/get" . efrit-mcp-prompts-get)
    ("completion/complete" . efrit-mcp-prompts-complete))
  "What can be called like a tool besides the tools: methods of the protocol.")

(defvar efrit-mcp-tool-gate-function #'ignore
  "Function called with the name and arguments of what is to be called.
It returns nil, signals why not, or returns `efrit-mcp-tool-deferred'.")

(defun efrit-mcp-tool--run (name arguments)
  "Call the tool or method NAME with ARGUMENTS; return (OUTCOME . VALUE)."
  (if (funcall efrit-mcp-tool-gate-function name arguments)
      '(deferred)
    (efrit-mcp-tool--pass name arguments)))

(defcustom efrit-mcp-looking-text-max 20000
  "Characters of a text that a tool which only reads, or a resource, is given.
Such a text is a name or a pattern; Emacs would work on a long one for
seconds, and the person would wait."
  :type 'natnum :group 'efrit-mcp)

(defun efrit-mcp-tool--check-texts (given)
  "Signal an error if a text in GIVEN, conses, is longer than looking takes."
  (while (consp given)
    (efrit-mcp-tool--check-texts (pop given)))
  (when (and (stringp given) (> (length given) efrit-mcp-looking-text-max))
    (signal 'efrit-mcp-invalid-argument
            (list (format "a text of %d characters is given; what only reads takes %d (efrit-mcp-looking-text-max)"
                          (length given) efrit-mcp-looking-text-max)))))

(defun efrit-mcp-tool--value (tool arguments)
  "Return what the function of TOOL returns, called with ARGUMENTS, a list.
One that only reads does not run what a folder or a file brings along."
  (if (plist-get (plist-get tool :options) :read-only)
      (efrit-mcp-distrusting
        (efrit-mcp-tool--check-texts arguments)
        (efrit-mcp-tool--apply (plist-get tool :function) arguments))
    (efrit-mcp-tool--apply (plist-get tool :function) arguments)))

(defun efrit-mcp-tool--pass (name arguments)
  "Call NAME with ARGUMENTS, as `efrit-mcp-tool--run', past the gate."
  (let ((method (cdr (assoc name efrit-mcp-tool--methods)))
        (tool (efrit-mcp-tool-find name)) (why nil)
        ;; A line is a line, also at a prompt; what does as the person would takes this back.
        (inhibit-field-text-motion t))
    (cond
     (method
      (unless (equal name "prompts/get") ; the person's own words
        (condition-case err (efrit-mcp-tool--check-texts arguments)
          (efrit-mcp-invalid-argument (efrit-mcp-refuse 'params (cadr err)))))
      (cons 'whole (efrit-mcp-distrusting (efrit-mcp-tool--apply method (list arguments)))))
     ((or (null tool) (plist-get (plist-get tool :options) :bridge))
      `(failed . ((status . "error") (error_code . "unknown_tool")
                  (error . ,(format "This Emacs has no tool %s" name)))))
     ((setq why (funcall efrit-mcp-tool-refuse-function tool))
      `(failed . ((status . "error") (error_code . "not_allowed") (error . ,why))))
     (t
      (let ((value (efrit-mcp-tool--value tool (efrit-mcp-tool--values tool arguments))))
        (cond ((eq value efrit-mcp-tool-deferred) '(deferred))
              ((efrit-mcp-content-p value) (cons 'whole (efrit-mcp-content-result value)))
              ;; Whoever reads the value walks along it.
              ((and (consp value) (not (proper-list-p value))) (cons 'done (efrit-mcp--show value)))
              (t (cons 'done value))))))))

(defun efrit-mcp-tool-call (name arguments)
  "Call the tool or method NAME with ARGUMENTS, an alist with string keys.
Return (OUTCOME . VALUE); OUTCOME is `done', `failed', `deferred', or one
of those whose VALUE is the whole result: `whole', `fault', `asks'."
  (if (eq arguments :invalid)
      '(failed . ((status . "error") (error_code . "invalid_arguments")
                  (error . "The arguments are not one JSON object")))
    (setq efrit-mcp-tool--signal nil)
    (catch 'efrit-mcp-client--asks
      (condition-case err
          (efrit-mcp-tool--run name arguments)
        (quit (signal 'quit (cdr err))) ; the runner's
        (efrit-mcp-fault (cons 'fault (efrit-mcp-client--fault err)))
        ;; Not `error': a form may signal a symbol without conditions.
        (t (cons 'failed (efrit-mcp-tool--error err)))))))

(provide 'efrit-mcp-tool)
;;; efrit-mcp-tool.el ends here
