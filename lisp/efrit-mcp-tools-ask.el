;;; efrit-mcp-tools-ask.el --- The tools emacs_prompt and emacs_ask_user  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; One answers what a call left open in the minibuffer, the other asks the person.

;;; Code:

(require 'efrit-mcp-query)
(require 'efrit-mcp-later)
(require 'efrit-mcp-prompt)

(efrit-mcp-define-tool emacs-prompt
    "A minibuffer question that a call left open (allow_prompt): show its text, default and choices; answer it with VALUE, as if typed; abort it, which ends the call that asked. The person's own questions are shown and never touched."
    ((op (one-of "show" "answer" "abort") "What to do." :default "show")
     (value string "The answer; y or n where that is asked." :default ""))
    (:title "Answer a question in Emacs" :destructive t :nest t)
  (efrit-mcp-prompt-do op value efrit-mcp-tool-client))

(defun efrit-mcp-tools-ask--in-emacs (question choices)
  "Ask the person QUESTION, with CHOICES, in Emacs; the answer comes later."
  (let* ((asked nil)
         (say (lambda (later how &optional answer)
                (efrit-mcp-later-answer later `((status . "success") (answer . ,how)
                                                ,@(when answer `((text . ,answer)))))))
         (later (efrit-mcp-later (lambda (later)
                                   (efrit-mcp-query-take-back asked)
                                   (funcall say later "timeout"))
                                 (lambda (_) (efrit-mcp-query-take-back asked)))))
    (setq asked (efrit-mcp-query-put efrit-mcp-tool-client question choices
                                   (lambda (how answer) (funcall say later how answer))))
    efrit-mcp-tool-deferred))

(defun efrit-mcp-tools-ask--by-client (question choices)
  "Have the client's user answer QUESTION, with CHOICES; return the answer."
  (let* ((answer (efrit-mcp-ask-client
                  "question" "elicitation/create"
                  `((mode . "form") (message . ,question)
                    (requestedSchema . ((type . "object")
                                        (properties . ((text . ((type . "string") (title . "Answer")
                                                                ,@(when choices `((enum . ,(vconcat choices))))))))
                                        (required . ["text"]))))))
         (text (cdr (assoc "text" (cdr (assoc "content" answer))))))
    `((status . "success")
      (answer . ,(pcase (cdr (assoc "action" answer)) ("accept" "accepted") ("decline" "declined") (_ "abandoned")))
      ,@(when (and text (equal (cdr (assoc "action" answer)) "accept")) `((text . ,text))))))

(efrit-mcp-define-tool emacs-ask-user
    "Ask the person a question. It shows in Emacs without taking focus; they answer at leisure, other calls go on. The answer is accepted (with text), declined, abandoned or timeout. Where nobody sees this Emacs your own host asks, if it can."
    ((question string "What to ask." :required t)
     (choices (list-of string) "What can be chosen; omitted: any text.")
     (timeout seconds "Seconds to wait for the answer, up to 3600." :default 300))
    (:title "Ask the person" :open-world t :nest t)
  (let ((choices (append choices nil)))
    (when (string-match-p "\\`[ \t\n]*\\'" question)
      (signal 'efrit-mcp-invalid-argument '("question is empty")))
    (cond ((efrit-mcp-query-person-p) (efrit-mcp-tools-ask--in-emacs question choices))
          ((efrit-mcp-client-can-p "elicitation" "form") (efrit-mcp-tools-ask--by-client question choices))
          (t (signal 'efrit-mcp-error
                     '("nobody sees this Emacs (it has no frame), and your host cannot ask its user"))))))

(provide 'efrit-mcp-tools-ask)
;;; efrit-mcp-tools-ask.el ends here
