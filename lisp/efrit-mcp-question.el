;;; efrit-mcp-question.el --- A job's minibuffer question is put to its client  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A call that says so (ask_client) has its questions answered by the user of the agent,
;; through elicitation.  Emacs keeps nothing meanwhile: the call ends and its form is
;; evaluated again from the start, with the answers at hand.  Hence only where the call
;; says so, and the questions are known by their number and text: a form that asks
;; other things the second time is asked anew.
;;
;; The functions that ask are advised only while such a form is evaluated, and what the
;; person, a timer or a filter does meanwhile is left alone.

;;; Code:

(require 'efrit-mcp-client)
(require 'efrit-mcp-prompt)
(require 'efrit-mcp-secrets)
(require 'rmc nil t)
(eval-when-compile (require 'cl-lib))

(defvar efrit-mcp-prompt--refuse)

(define-error 'efrit-mcp-declined "The user did not answer" 'efrit-mcp-error)

(defconst efrit-mcp-question--choices 100
  "Choices that a question put to a client may have.")

(defvar efrit-mcp-question--on nil
  "Non-nil while a form is evaluated whose questions go to its client.")
(defvar efrit-mcp-question--count 0 "Questions the form has asked so far.")

(defun efrit-mcp-question--mine-p ()
  "Return non-nil if the form that is evaluated asks, nothing foreign inside it."
  (and efrit-mcp-question--on efrit-mcp-prompt--refuse
       (<= (recursion-depth) efrit-mcp-foreign-depth)
       (not (efrit-mcp-foreign))))

(defun efrit-mcp-question--key (text)
  "Return the key of the next question, TEXT."
  (format "q%d-%s" (cl-incf efrit-mcp-question--count)
          (substring (secure-hash 'sha1 (encode-coding-string text 'utf-8-emacs)) 0 8)))

(defun efrit-mcp-question--params (text schema)
  "Return the params that ask TEXT, answered by a value of SCHEMA, an alist."
  `((mode . "form") (message . ,(substring-no-properties (string-trim text)))
    (requestedSchema . ((type . "object") (properties . ((answer . ,schema))) (required . ["answer"])))))

(defun efrit-mcp-question--value (text answer)
  "Return what the user filled in as ANSWER to TEXT, or signal that they did not."
  (if (equal (cdr (assoc "action" answer)) "accept")
      (cdr (assoc "answer" (cdr (assoc "content" answer))))
    (signal 'efrit-mcp-declined (list (format "%s: %s" (cdr (assoc "action" answer)) (string-trim text))))))

(defun efrit-mcp-question--ask (text schema)
  "Have the client's user answer TEXT by a value of SCHEMA; return it."
  (efrit-mcp-question--value
   text (efrit-mcp-ask-client (efrit-mcp-question--key text) "elicitation/create"
                              (efrit-mcp-question--params text schema))))

(defun efrit-mcp-question--string (text &optional default)
  "Ask TEXT; return a string, DEFAULT when it is empty."
  (let* ((default (if (consp default) (car default) default))
         (answer (efrit-mcp-question--ask
                  text `((type . "string") (title . "Answer")
                         ,@(when (stringp default) `((default . ,(substring-no-properties default))))))))
    (cond ((not (stringp answer)) (format "%s" answer))
          ((and (equal answer "") default) (format "%s" default))
          (t answer))))

(defun efrit-mcp-question--one-of (text names &optional default)
  "Ask TEXT, to be answered by one of NAMES, strings; DEFAULT is one of them."
  (let ((answer (efrit-mcp-question--ask
                 text `((type . "string") (enum . ,(vconcat names))
                        ,@(when (member default names) `((default . ,default)))))))
    (if (member answer names)
        answer
      (signal 'efrit-mcp-declined (list (format "%S is no answer to: %s" answer (string-trim text)))))))

(defun efrit-mcp-question--yes (text)
  "Ask TEXT, yes or no."
  (eq t (efrit-mcp-question--ask text '((type . "boolean") (title . "Yes")))))

;;; One for each function that asks

(defun efrit-mcp-question--completing (prompt collection &optional predicate require _initial _history default &rest _)
  "Stand in for `completing-read': PROMPT COLLECTION PREDICATE REQUIRE DEFAULT."
  (let* ((default (if (consp default) (car default) default))
         (names (mapcar #'substring-no-properties
                        (seq-take (seq-filter #'stringp (all-completions "" collection predicate))
                                  (1+ efrit-mcp-question--choices)))))
    (if (and require names (<= (length names) efrit-mcp-question--choices))
        (efrit-mcp-question--one-of prompt (delete-dups names) default)
      (let ((answer (efrit-mcp-question--string prompt default)))
        (if (or (memq require '(nil confirm confirm-after-completion)) (equal answer "")
                (test-completion answer collection predicate))
            answer
          (signal 'efrit-mcp-declined (list (format "%S is no answer to: %s" answer (string-trim prompt)))))))))

(defun efrit-mcp-question--minibuffer (prompt &optional _initial _map read _history default &rest _)
  "Stand in for `read-from-minibuffer': PROMPT READ DEFAULT."
  (let ((answer (efrit-mcp-question--string prompt default)))
    (if read (car (read-from-string answer)) answer)))

(defun efrit-mcp-question--read-string (prompt &optional _initial _history default &rest _)
  "Stand in for `read-string': PROMPT DEFAULT."
  (efrit-mcp-question--string prompt default))

(defun efrit-mcp-question--char (prompt chars &rest _)
  "Stand in for `read-char-choice': PROMPT CHARS."
  (let ((names (mapcar #'single-key-description chars)))
    (nth (seq-position names (efrit-mcp-question--one-of prompt names)) chars)))

(defun efrit-mcp-question--multiple (prompt choices &rest _)
  "Stand in for `read-multiple-choice': PROMPT CHOICES."
  (let ((names (mapcar #'cadr choices)))
    (nth (seq-position names (efrit-mcp-question--one-of prompt names)) choices)))

(defun efrit-mcp-question--key-event (&optional prompt &rest _)
  "Stand in for `read-key', `read-char' and the like: PROMPT."
  (let* ((text (or prompt "Press a key"))
         (answer (efrit-mcp-question--string (concat text " (a key, as Emacs names it: y, C-g, RET)")))
         (keys (if (= (length answer) 1) answer (kbd answer))))
    (if (= (length keys) 1)
        (aref keys 0)
      (signal 'efrit-mcp-declined (list (format "%S is not one key" answer))))))

(defun efrit-mcp-question--map (prompter actor list &rest _)
  "Stand in for `map-y-or-n-p': PROMPTER ACTOR LIST.
All is asked at once, before anything is acted on."
  (let ((items nil) (ask nil) (count 0))
    (if (functionp list)
        (let (item) (while (setq item (funcall list)) (push item items)))
      (setq items (reverse list)))
    (setq items (mapcar (lambda (item)
                          (cons item (if (stringp prompter) (format prompter item) (funcall prompter item))))
                        (nreverse items)))
    (setq ask (mapcar (lambda (item) (list (efrit-mcp-question--key (cdr item)) "elicitation/create"
                                           (efrit-mcp-question--params (cdr item) '((type . "boolean") (title . "Yes")))))
                      (seq-filter (lambda (item) (stringp (cdr item))) items)))
    (let ((answers (efrit-mcp-ask-client-all ask)))
      (dolist (item items)
        (when (if (stringp (cdr item))
                  (eq t (efrit-mcp-question--value (cdr item) (pop answers)))
                (cdr item))
          (funcall actor (car item))
          (setq count (1+ count)))))
    count))

(defun efrit-mcp-question--password (prompt &rest _)
  "Refuse `read-passwd', which asks PROMPT."
  (signal 'efrit-mcp-secret (list (format "passwords do not go through agents: %s" (string-trim prompt)))))

(defconst efrit-mcp-question--functions
  '((completing-read . efrit-mcp-question--completing)
    (completing-read-default . efrit-mcp-question--completing)
    (read-string . efrit-mcp-question--read-string)
    (read-from-minibuffer . efrit-mcp-question--minibuffer)
    (y-or-n-p . efrit-mcp-question--yes)
    (yes-or-no-p . efrit-mcp-question--yes)
    (read-char-choice . efrit-mcp-question--char)
    (read-multiple-choice . efrit-mcp-question--multiple)
    (map-y-or-n-p . efrit-mcp-question--map)
    (read-key . efrit-mcp-question--key-event)
    (read-char . efrit-mcp-question--key-event)
    (read-event . efrit-mcp-question--key-event)
    (read-char-exclusive . efrit-mcp-question--key-event)
    (read-passwd . efrit-mcp-question--password))
  "What asks, and what stands in for it.")

(defconst efrit-mcp-question--advice
  (mapcar (lambda (pair)
            (let ((stand-in (cdr pair)))
              (cons (car pair)
                    (lambda (function &rest arguments)
                      (if (efrit-mcp-question--mine-p)
                          (apply stand-in arguments)
                        (apply function arguments))))))
          efrit-mcp-question--functions)
  "What asks, and its advice.")

(defun efrit-mcp-question--advise (on)
  "Advise what asks, or without ON take the advice back."
  (cl-progv '(native-comp-enable-subr-trampolines comp-enable-subr-trampolines) '(nil nil)
    (pcase-dolist (`(,function . ,advice) efrit-mcp-question--advice)
      (if on
          (advice-add function :around advice '((depth . -90)))
        (advice-remove function advice)))))

(defun efrit-mcp-question-to-client (function)
  "Call FUNCTION; put what it asks to the client of the job, if that can answer.
The client then calls again, and FUNCTION runs again from its start."
  (if (not (efrit-mcp-client-can-p "elicitation" "form"))
      (funcall function)
    (let ((efrit-mcp-question--on t) (efrit-mcp-question--count 0))
      (unwind-protect
          (progn (efrit-mcp-question--advise t)
                 (funcall function))
        (efrit-mcp-question--advise nil)))))

(provide 'efrit-mcp-question)
;;; efrit-mcp-question.el ends here
