;;; efrit-mcp-client.el --- What a job tells and asks its client  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; While a tool's function runs it may report progress, log, and ask: the user
;; (elicitation), the client's model (sampling), the client's folders (roots).  To ask
;; is to end: the job leaves, the client answers, and the function is called again from
;; its beginning with the answers at hand.  So a function asks before it changes anything.

;;; Code:

(require 'efrit-mcp-native)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(declare-function efrit-mcp--mod-note "efrit-mcp-module")
(declare-function efrit-mcp--mod-parse "efrit-mcp-module")

(define-error 'efrit-mcp-fault "Refused" 'efrit-mcp-error)

(defvar efrit-mcp-tool-job)

(defvar efrit-mcp-client-context nil
  "What the client of the job that runs said besides the arguments.
JSON text from the bridge, or nil; after the first look an alist in a list.")

(defvar efrit-mcp-client--used nil
  "The answers the job that runs has used, an alist with string keys.")

(defvar efrit-mcp-client--state nil
  "What the job that runs wants to find again when it is called again.")

(defvar efrit-mcp-client--allowed nil
  "Function that returns what lets the job pass once more if it asks, or nil.")

(defun efrit-mcp-client--context (key)
  "Return the value of KEY, a string, in what the client said with the call."
  (when (stringp efrit-mcp-client-context)
    (setq efrit-mcp-client-context (list (efrit-mcp--mod-parse efrit-mcp-client-context))))
  (cdr (assoc key (car efrit-mcp-client-context))))

(defun efrit-mcp-client-can-p (kind &optional part)
  "Return non-nil if the client can answer KIND: elicitation, sampling or roots.
KIND and PART are strings; PART is a member of that capability, as url is
of elicitation."
  (let ((found (assoc kind (efrit-mcp-client--context "capabilities"))))
    (and found
         (or (null part) (assoc part (cdr found))
             ;; One that names no mode of asking has forms.
             (and (equal part "form") (null (cdr found))))
         t)))

(defun efrit-mcp-client-looks-p ()
  "Return non-nil if the client has those tools alone that only read.
That is a vector of the files and folders its bridge keeps secrets in."
  (and efrit-mcp-client-context
       (or (consp efrit-mcp-client-context) (string-search "\"looks\"" efrit-mcp-client-context)) ; of few it is read
       (efrit-mcp-client--context "looks")))

(defun efrit-mcp-client-since-p (version)
  "Return non-nil if the client speaks protocol VERSION, a string, or a later one."
  (let ((theirs (efrit-mcp-client--context "version")))
    (or (null theirs) (not (string< theirs version)))))

;;; Faults

(defun efrit-mcp-refuse (code message &optional data)
  "End the job with an error of the protocol: CODE, MESSAGE and DATA, an alist.
CODE is `params', `internal' or an integer outside -32768..-32000.  What
a model can mend is better an `error', which it reads."
  (signal 'efrit-mcp-fault (list code message data)))

(defun efrit-mcp-client--fault (err)
  "Return what the bridge is told of ERR, an `efrit-mcp-fault'."
  (pcase-let ((`(,_ ,code ,message ,data) err))
    `((code . ,(if (integerp code) code (symbol-name (or code 'internal))))
      (message . ,(format "%s" message))
      ,@(when data `((data . ,data))))))

;;; Asking

(defconst efrit-mcp-client--kinds
  '(("elicitation/create" . "elicitation") ("sampling/createMessage" . "sampling") ("roots/list" . "roots"))
  "What may be asked, and the capability that says that the client answers it.")

(defun efrit-mcp-client--answer-p (method answer)
  "Return non-nil if ANSWER is one to METHOD."
  (and (consp answer)
       (pcase method
         ("elicitation/create"
          (let ((action (cdr (assoc "action" answer))))
            (or (member action '("decline" "cancel"))
                (and (equal action "accept") (listp (cdr (assoc "content" answer)))))))
         ("sampling/createMessage" (assoc "content" answer))
         ("roots/list" (vectorp (cdr (assoc "roots" answer)))))))

(defun efrit-mcp-client--require (method params)
  "Refuse the job unless the client can answer METHOD with PARAMS."
  (let* ((kind (or (cdr (assoc method efrit-mcp-client--kinds))
                   (error "A client cannot be asked %s" method)))
         (mode (and (equal kind "elicitation") (cdr (assq 'mode params))))
         (part (cond ((equal kind "elicitation") (or mode "form"))
                     ((and (equal kind "sampling") (assq 'tools params)) "tools"))))
    (unless (efrit-mcp-client-can-p kind part)
      (efrit-mcp-refuse
       'capability
       (format "this needs a client that can answer %s%s" method (if part (format " (%s)" part) ""))
       `((requiredCapabilities
          . ((,(intern kind) . ,(if (member part '(nil "form"))
                                    (make-hash-table)
                                  `((,(intern part) . ,(make-hash-table))))))))))))

(defun efrit-mcp-client--find (key method)
  "Return the answer to KEY, asked by METHOD, or nil when there is none."
  (let ((given (assoc key (efrit-mcp-client--context "inputResponses")))
        (kept (assoc key (cdr (assoc "used" (efrit-mcp-client--context "state"))))))
    (seq-find (lambda (answer) (efrit-mcp-client--answer-p method answer))
              (list (cdr given) (cdr kept)))))

(defun efrit-mcp-ask-client-all (questions)
  "Ask the client QUESTIONS at once; return the list of answers.
Each is (KEY METHOD PARAMS): KEY a string that names the question within
this call, METHOD \"elicitation/create\", \"sampling/createMessage\" or
\"roots/list\", PARAMS an alist as MCP has them, or nil.  An answer is an
alist with string keys.

When an answer is missing, the job ends here, without running unwind
forms of others, and begins again from its start once the client has
answered: ask before you change anything.  A client that cannot answer
is told so."
  (let ((missing nil) (answers nil))
    (pcase-dolist (`(,key ,method ,params) questions)
      (efrit-mcp-client--require method params)
      (let ((answer (efrit-mcp-client--find key method)))
        (if (not answer)
            (push `(,key . ((method . ,method) (params . ,(or params (make-hash-table))))) missing)
          (setf (alist-get key efrit-mcp-client--used nil nil #'equal) answer)
          (push answer answers))))
    (when missing
      (throw 'efrit-mcp-client--asks
             (cons 'asks `((inputRequests . ,(nreverse missing)) ,@(efrit-mcp-client--keep)))))
    (nreverse answers)))

(defun efrit-mcp-ask-client (key method &optional params)
  "Ask the client METHOD with PARAMS under KEY; return its answer.
See `efrit-mcp-ask-client-all'."
  (car (efrit-mcp-ask-client-all (list (list key method params)))))

(defun efrit-mcp-ask-user (key message properties &rest required)
  "Have the client ask its user MESSAGE, under KEY; return what was filled in.
PROPERTIES is an alist (NAME . SCHEMA), NAME a symbol, SCHEMA an alist;
REQUIRED are names that must be filled in.  The value is an alist with
string keys, or nil when the user declined."
  (let ((answer (efrit-mcp-ask-client
                 key "elicitation/create"
                 `((mode . "form") (message . ,message)
                   (requestedSchema . ((type . "object") (properties . ,(or properties (make-hash-table)))
                                       ,@(when required
                                           `((required . ,(vconcat (mapcar #'symbol-name required)))))))))))
    (and (equal (cdr (assoc "action" answer)) "accept")
         (cdr (assoc "content" answer)))))

(defun efrit-mcp-client--keep ()
  "Return the member `state' of a question: what the next call needs."
  `((state . ((used . ,(or (reverse efrit-mcp-client--used) (make-hash-table)))
              ,@(when efrit-mcp-client--allowed `((allowed . ,(funcall efrit-mcp-client--allowed))))
              ,@(when efrit-mcp-client--state `((own . ,efrit-mcp-client--state)))))))

(defun efrit-mcp-client-state ()
  "Return what `efrit-mcp-client-set-state' kept in an earlier call, or nil."
  (cdr (assoc "own" (efrit-mcp-client--context "state"))))

(defun efrit-mcp-client-set-state (value)
  "Keep VALUE, which JSON has a form for, for when this job is called again.
The client carries it and cannot change it."
  (setq efrit-mcp-client--state value))

(defun efrit-mcp-client-ask-again (&optional value)
  "End the job; the client is to call it again at once, with VALUE as state."
  (throw 'efrit-mcp-client--asks
         (cons 'asks (progn (when value (efrit-mcp-client-set-state value))
                            `((inputRequests . ,(make-hash-table))
                              ,@(efrit-mcp-client--keep))))))

;;; Tasks

(defun efrit-mcp-begin-task ()
  "Let the call that runs become a task now, where its tool says :task-later.
Until here it may ask its client; from here on the client has a handle
and need not wait.  Elsewhere this does nothing."
  (and efrit-mcp-tool-job
       (efrit-mcp-client--wants "task")
       (efrit-mcp--mod-note efrit-mcp-tool-job '((task . t)))))

;;; Telling

(defconst efrit-mcp-client--burst 20 "Words a job may say at once.")
(defconst efrit-mcp-client--rate 50 "Words a second it may say for long.")
(defconst efrit-mcp-client--word-max 1000 "Characters of a message that are told.")

(defvar efrit-mcp-client--credit nil
  "How many words the job may still say, and when that was so: (WORDS . SECONDS).")

(defun efrit-mcp-client--may-speak ()
  "Return non-nil unless the job has said too much lately."
  (let* ((now (float-time))
         (words (if efrit-mcp-client--credit
                    (min efrit-mcp-client--burst
                         (+ (car efrit-mcp-client--credit)
                            (* efrit-mcp-client--rate (- now (cdr efrit-mcp-client--credit)))))
                  efrit-mcp-client--burst))
         (may (>= words 1)))
    (setq efrit-mcp-client--credit (cons (if may (1- words) words) now))
    may))

(defun efrit-mcp-client--cut (text)
  "Return TEXT, a string, cut to what is told of a message."
  (if (> (length text) efrit-mcp-client--word-max)
      (concat (substring text 0 efrit-mcp-client--word-max) "...")
    text))

(defun efrit-mcp-client--wants (what)
  "Return non-nil if the client of the job that runs wants WHAT: progress or log."
  (and efrit-mcp-tool-job
       (seq-contains-p (efrit-mcp-client--context "wants") what)))

(defun efrit-mcp-report-progress (progress &optional total message)
  "Tell the client of the job that runs that PROGRESS of TOTAL is done.
PROGRESS and TOTAL are numbers, MESSAGE a string.  Return nil when nobody
wants to know, or when this was said too often: then it is dropped."
  (and (efrit-mcp-client--wants "progress")
       (or (efrit-mcp-client--may-speak) (and total (>= progress total)))
       (efrit-mcp--mod-note efrit-mcp-tool-job
                            `((progress . ,progress)
                              ,@(when total `((total . ,total)))
                              ,@(when message `((message . ,(efrit-mcp-client--cut message))))))))

(defun efrit-mcp-log (level data &optional logger)
  "Tell the client of the job that runs DATA, which is as important as LEVEL.
LEVEL is a symbol: debug, info, notice, warning, error, critical, alert
or emergency.  DATA is a string or what JSON has a form for.  LOGGER, a
string, says who speaks.  Return nil when nobody wants to know, or when
this was said too often: then it is dropped."
  (unless (memq level '(debug info notice warning error critical alert emergency))
    (signal 'efrit-mcp-invalid-argument (list (format "%S is no level of a log" level))))
  (and (efrit-mcp-client--wants "log")
       (efrit-mcp-client--may-speak)
       (efrit-mcp--mod-note efrit-mcp-tool-job
                            `((level . ,(symbol-name level)) (data . ,data)
                              ,@(when logger `((logger . ,logger)))))))

(defun efrit-mcp-client--heard (text)
  "Advice for the value of `message', TEXT: tell the client while a job runs."
  (when (and efrit-mcp-client-context (stringp text) (not (equal text ""))
             (efrit-mcp-client--wants "said") (efrit-mcp-client--may-speak))
    (efrit-mcp--mod-note efrit-mcp-tool-job
                         `((said . ,(efrit-mcp-client--cut (substring-no-properties text))))))
  text)

(defun efrit-mcp-client-listen ()
  "Have `message' tell the clients of jobs what it shows."
  ;; A trampoline would be compiled here and now, for seconds; agents' forms are
  ;; interpreted and need none.
  (cl-progv '(native-comp-enable-subr-trampolines comp-enable-subr-trampolines) '(nil nil)
    (advice-add 'message :filter-return #'efrit-mcp-client--heard)))

(defun efrit-mcp-client-deafen ()
  "Take back `efrit-mcp-client-listen'."
  (advice-remove 'message #'efrit-mcp-client--heard))

(provide 'efrit-mcp-client)
;;; efrit-mcp-client.el ends here
