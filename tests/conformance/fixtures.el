;;; fixtures.el --- What the official conformance suites call  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Tools, resources and prompts by the names and with the contents that the suites of
;; @modelcontextprotocol/conformance want, defined by what the product offers everybody.
;; tests/conformance/serve and the tests load it; the product ships none of it.

;;; Code:

(require 'efrit-mcp)

(declare-function efrit-mcp--mod-reply "efrit-mcp-module")
(declare-function efrit-mcp--mod-alive "efrit-mcp-module")

(defconst fixtures-png
  (base64-decode-string "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==")
  "A picture of one dot.")

(defconst fixtures-wav
  (base64-decode-string "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA==")
  "A short silence.")

(defun fixtures-form (message &rest properties)
  "Return params of elicitation/create: MESSAGE, PROPERTIES (NAME TYPE), all required."
  `((mode . "form") (message . ,message)
    (requestedSchema . ((type . "object")
                        (properties . ,(mapcar (lambda (p) `(,(car p) . ((type . ,(cadr p))))) properties))
                        (required . ,(vconcat (mapcar (lambda (p) (symbol-name (car p))) properties)))))))

(defun fixtures-sampling (text tokens)
  "Return params of sampling/createMessage that says TEXT and wants TOKENS at most."
  `((messages . [((role . "user") (content . ((type . "text") (text . ,text))))]) (maxTokens . ,tokens)))

(defun fixtures-content (answer key)
  "Return what was filled in for KEY, a string, in ANSWER to a form."
  (cdr (assoc key (cdr (assoc "content" answer)))))

(defun fixtures-later (seconds function)
  "Answer the call that runs with the value of FUNCTION after SECONDS, others go on."
  (let ((number efrit-mcp-tool-job))
    (run-with-timer seconds nil
                    (lambda ()
                      (when (efrit-mcp--mod-alive number)
                        (pcase-let ((`(,outcome . ,value) (funcall function)))
                          (efrit-mcp--mod-reply number value outcome)))))
    efrit-mcp-tool-deferred))

;;; Tools: results

(efrit-mcp-define-tool test-simple-text "Say a simple text." () (:read-only t)
  (efrit-mcp-content "This is a simple text response for testing."))

(efrit-mcp-define-tool test-image-content "Show a picture." () (:read-only t)
  (efrit-mcp-content (efrit-mcp-image fixtures-png "image/png")))

(efrit-mcp-define-tool test-audio-content "Play a sound." () (:read-only t)
  (efrit-mcp-content (efrit-mcp-audio fixtures-wav "audio/wav")))

(efrit-mcp-define-tool test-embedded-resource "Hand over a resource." () (:read-only t)
  (efrit-mcp-content (efrit-mcp-embed "test://embedded-resource" "This is an embedded resource content." "text/plain")))

(efrit-mcp-define-tool test-multiple-content-types "Text, picture and resource at once." () (:read-only t)
  (efrit-mcp-content "Multiple content types test:"
                     (efrit-mcp-image fixtures-png "image/png")
                     (efrit-mcp-embed "test://mixed-content-resource" '((test . "data") (value . 123)) "application/json")))

(efrit-mcp-define-tool test-error-handling "Always fails." () (:read-only t)
  (error "This tool intentionally returns an error for testing"))

(efrit-mcp-define-tool test-structured "Add two numbers; the sum is structured." 
    ((a number "One of them." :required t) (b number "The other." :required t))
    (:read-only t :output ((type . "object") (properties . ((sum . ((type . "number"))))) (required . ["sum"])))
  (efrit-mcp-content :structured `((sum . ,(+ a b)))))

(efrit-mcp-define-tool json-schema-2020-12-tool "Its schema uses all of JSON Schema 2020-12."
    ((name string "Who."))
    (:read-only t
     :schema (($schema . "https://json-schema.org/draft/2020-12/schema")
              (type . "object")
              ($defs . ((address . (($anchor . "addressDef") (type . "object")
                                    (properties . ((street . ((type . "string"))) (city . ((type . "string")))))))))
              (properties . ((name . ((type . "string")))
                             (address . (($ref . "#/$defs/address")))
                             (contactMethod . ((type . "string") (enum . ["phone" "email"])))
                             (phone . ((type . "string")))
                             (email . ((type . "string")))))
              (allOf . [((anyOf . [((required . ["phone"])) ((required . ["email"]))]))])
              (if . ((properties . ((contactMethod . ((const . "phone"))))) (required . ["contactMethod"])))
              (then . ((required . ["phone"])))
              (else . ((required . ["email"])))
              (additionalProperties . :false)))
  (efrit-mcp-content (format "JSON Schema 2020-12 tool called by %s" (or name "nobody"))))

(efrit-mcp-define-tool test-x-mcp-header "Its argument is repeated in a header."
    ((region string "Where." :header "Region"))
    (:read-only t)
  (efrit-mcp-content (format "region: %s" region)))

;;; Tools: while they run

(efrit-mcp-define-tool test-tool-with-logging "Logs three times." () (:read-only t)
  (efrit-mcp-log 'info "Tool execution started")
  (sleep-for 0.05)
  (efrit-mcp-log 'info "Tool processing data")
  (sleep-for 0.05)
  (efrit-mcp-log 'info "Tool execution completed")
  "Tool with logging executed successfully")

(efrit-mcp-define-tool test-logging-tool "Logs once." () (:read-only t)
  (efrit-mcp-log 'info "Something happened" "fixtures")
  "logged")

(efrit-mcp-define-tool test-tool-with-progress "Reports progress." () (:read-only t)
  (efrit-mcp-report-progress 0 100)
  (sleep-for 0.05)
  (efrit-mcp-report-progress 50 100)
  (sleep-for 0.05)
  (efrit-mcp-report-progress 100 100)
  (sleep-for 0.05) ; the official clients forget progress that comes with the answer
  "Tool with progress executed successfully")

(efrit-mcp-define-tool test-reconnection "Its stream is closed in the middle." () (:read-only t)
  (sleep-for 0.2)
  (efrit-mcp-content "Reconnection test completed successfully"))

;;; Tools: what they ask

(efrit-mcp-define-tool test-sampling "Asks the client's model."
    ((prompt string "What." :required t)) (:read-only t)
  (let ((answer (efrit-mcp-ask-client "sampling" "sampling/createMessage" (fixtures-sampling prompt 100))))
    (efrit-mcp-content (format "LLM response: %s" (cdr (assoc "text" (cdr (assoc "content" answer))))))))

(efrit-mcp-define-tool test-elicitation "Asks the user."
    ((message string "What." :required t)) (:read-only t)
  (let ((answer (efrit-mcp-ask-client
                 "user" "elicitation/create" (fixtures-form message '(username "string") '(email "string")))))
    (efrit-mcp-content (format "User response: action=%s, content=%s" (cdr (assoc "action" answer))
                               (efrit-mcp--mod-json (cdr (assoc "content" answer)))))))

(efrit-mcp-define-tool test-streaming-elicitation "Asks the user after a word." () (:read-only t)
  (efrit-mcp-report-progress 1 2 "asking")
  (efrit-mcp-content (format "%s" (efrit-mcp-ask-user "who" "Who are you?" '((name . ((type . "string")))) 'name))))

(efrit-mcp-define-tool test-elicitation-sep1034-defaults "Asks with defaults." () (:read-only t)
  (let ((answer (efrit-mcp-ask-client
                 "defaults" "elicitation/create"
                 '((mode . "form") (message . "Please review the defaults")
                   (requestedSchema
                    . ((type . "object")
                       (properties
                        . ((name . ((type . "string") (default . "John Doe")))
                           (age . ((type . "integer") (default . 30)))
                           (score . ((type . "number") (default . 95.5)))
                           (status . ((type . "string") (enum . ["active" "inactive" "pending"]) (default . "active")))
                           (verified . ((type . "boolean") (default . t)))))
                       (required . [])))))))
    (efrit-mcp-content (format "Elicitation completed: %s" (efrit-mcp--mod-json answer)))))

(efrit-mcp-define-tool test-elicitation-sep1330-enums "Asks with choices of all kinds." () (:read-only t)
  (let* ((titled [((const . "value1") (title . "First Option")) ((const . "value2") (title . "Second Option"))
                  ((const . "value3") (title . "Third Option"))])
         (plain ["option1" "option2" "option3"])
         (answer (efrit-mcp-ask-client
                  "enums" "elicitation/create"
                  `((mode . "form") (message . "Please choose")
                    (requestedSchema
                     . ((type . "object")
                        (properties
                         . ((untitledSingle . ((type . "string") (enum . ,plain)))
                            (titledSingle . ((type . "string") (oneOf . ,titled)))
                            (legacyEnum . ((type . "string") (enum . ["opt1" "opt2" "opt3"])
                                           (enumNames . ["Option One" "Option Two" "Option Three"])))
                            (untitledMulti . ((type . "array") (items . ((type . "string") (enum . ,plain)))))
                            (titledMulti . ((type . "array") (items . ((anyOf . ,titled)))))))
                        (required . [])))))))
    (efrit-mcp-content (format "Elicitation completed: %s" (efrit-mcp--mod-json answer)))))

(efrit-mcp-define-tool test-missing-capability "Needs sampling." () (:read-only t)
  (efrit-mcp-ask-client "any" "sampling/createMessage" (fixtures-sampling "Hello" 10))
  "sampled")

(efrit-mcp-define-tool test-input-required-result-elicitation "Asks for a name." () (:read-only t)
  (let ((answer (efrit-mcp-ask-client "user_name" "elicitation/create"
                                      (fixtures-form "What is your name?" '(name "string")))))
    (efrit-mcp-content (format "Hello, %s!" (fixtures-content answer "name")))))

(efrit-mcp-define-tool test-input-required-result-sampling "Asks the model." () (:read-only t)
  (let ((answer (efrit-mcp-ask-client "capital_question" "sampling/createMessage"
                                      (fixtures-sampling "What is the capital of France?" 100))))
    (efrit-mcp-content (format "%s" (cdr (assoc "text" (cdr (assoc "content" answer))))))))

(efrit-mcp-define-tool test-input-required-result-list-roots "Asks for the folders." () (:read-only t)
  (let ((answer (efrit-mcp-ask-client "client_roots" "roots/list")))
    (efrit-mcp-content (format "Roots: %s" (mapconcat (lambda (root) (cdr (assoc "uri" root)))
                                                      (cdr (assoc "roots" answer)) ", ")))))

(defun fixtures-confirm ()
  "Ask for a confirmation, keeping a state; return the text that says both came back."
  (efrit-mcp-client-set-state "kept")
  (let ((answer (efrit-mcp-ask-client "confirm" "elicitation/create" (fixtures-form "Please confirm" '(ok "boolean")))))
    (efrit-mcp-content (format "%s, confirmed: %s" (if (equal (efrit-mcp-client-state) "kept") "state-ok" "state-lost")
                               (fixtures-content answer "ok")))))

(efrit-mcp-define-tool test-input-required-result-request-state "Keeps a state." () (:read-only t)
  (fixtures-confirm))

(efrit-mcp-define-tool test-input-required-result-tampered-state "Keeps a state that nobody may change." () (:read-only t)
  (fixtures-confirm))

(efrit-mcp-define-tool test-input-required-result-multiple-inputs "Asks three things at once." () (:read-only t)
  (pcase-let ((`(,name ,greeting ,roots)
               (efrit-mcp-ask-client-all
                `(("user_name" "elicitation/create" ,(fixtures-form "What is your name?" '(name "string")))
                  ("greeting" "sampling/createMessage" ,(fixtures-sampling "Generate a greeting" 50))
                  ("client_roots" "roots/list" nil)))))
    (efrit-mcp-content (format "%s, %s, %d roots" (cdr (assoc "text" (cdr (assoc "content" greeting))))
                               (fixtures-content name "name") (length (cdr (assoc "roots" roots)))))))

(efrit-mcp-define-tool test-input-required-result-multi-round "Asks one thing after the other." () (:read-only t)
  (let* ((name (efrit-mcp-ask-client "step1" "elicitation/create"
                                     (fixtures-form "Step 1: What is your name?" '(name "string"))))
         (color (efrit-mcp-ask-client "step2" "elicitation/create"
                                      (fixtures-form "Step 2: What is your favorite color?" '(color "string")))))
    (efrit-mcp-content (format "%s likes %s" (fixtures-content name "name") (fixtures-content color "color")))))

(efrit-mcp-define-tool test-input-required-result-capabilities "Asks what the client can answer." () (:read-only t)
  (let ((questions `(,@(when (efrit-mcp-client-can-p "elicitation" "form")
                         `(("user_name" "elicitation/create" ,(fixtures-form "What is your name?" '(name "string")))))
                     ,@(when (efrit-mcp-client-can-p "sampling")
                         `(("greeting" "sampling/createMessage" ,(fixtures-sampling "Generate a greeting" 50))))
                     ,@(when (efrit-mcp-client-can-p "roots")
                         '(("client_roots" "roots/list" nil))))))
    (efrit-mcp-content (format "%d answers" (length (efrit-mcp-ask-client-all questions))))))

;;; Tools: change what there is

(efrit-mcp-define-tool test-trigger-tool-change "Changes the list of tools." () ()
  (if (efrit-mcp-tool-find "fixtures_extra")
      (efrit-mcp-tool-remove 'fixtures-extra)
    (efrit-mcp-tool--register 'fixtures-extra "Comes and goes." nil '(:read-only t) #'ignore))
  "changed")

(efrit-mcp-define-tool test-trigger-prompt-change "Changes the list of prompts." () ()
  (if (assoc "fixtures_extra" (mapcar #'cdr efrit-mcp-prompts--all))
      (efrit-mcp-prompts-remove 'fixtures-extra)
    (efrit-mcp-prompts--register 'fixtures-extra "Comes and goes." nil nil (lambda () "extra")))
  "changed")

(efrit-mcp-define-tool test-trigger-resource-update "Tells that the watched resource changed." () ()
  (efrit-mcp-resource-updated "test://watched-resource")
  "told")

;;; Tools: tasks

(efrit-mcp-define-tool greet "Greet somebody."
    ((name string "Whom." :required t)) (:read-only t)
  (efrit-mcp-content (format "Hello, %s!" name)))

(efrit-mcp-define-tool slow-compute "Compute for a while."
    ((seconds number "How long." :default 1) (label string "What for." :default ""))
    (:read-only t :task optional)
  (let ((text (format "Computed %s for %s s" label seconds)))
    (if (<= seconds 0) (efrit-mcp-content text)
      (fixtures-later seconds (lambda () (cons 0 text))))))

(efrit-mcp-define-tool failing-job "Fails after a second." () (:read-only t :task required)
  (fixtures-later 1 (lambda () (cons 1 "the job failed"))))

(efrit-mcp-define-tool protocol-error-job "Ends in an error of the protocol." () (:read-only t :task required)
  (efrit-mcp-refuse 'internal "the job broke the protocol"))

(efrit-mcp-define-tool confirm-delete "Deletes nothing, after asking."
    ((filename string "Which file." :required t)) (:destructive t :task optional)
  (let ((answer (efrit-mcp-ask-user "confirm" (format "Delete %s?" filename) '((confirm . ((type . "boolean")))) 'confirm)))
    (efrit-mcp-content (if answer (format "Deleted %s" filename) "Not deleted"))))

(efrit-mcp-define-tool multi-input "Asks two things at once." () (:read-only t :task optional)
  (pcase-let ((`(,one ,two)
               (efrit-mcp-ask-client-all
                `(("one" "elicitation/create" ,(fixtures-form "One?" '(value "string")))
                  ("two" "elicitation/create" ,(fixtures-form "Two?" '(value "string")))))))
    (efrit-mcp-content (format "%s and %s" (fixtures-content one "value") (fixtures-content two "value")))))

(efrit-mcp-define-tool test-tool-with-task "Asks, and goes on as a task." () (:read-only t :task required :task-later t)
  (let* ((answer (efrit-mcp-ask-client "user_name" "elicitation/create"
                                       (fixtures-form "What is your name?" '(name "string"))))
         (text (format "Done for %s" (fixtures-content answer "name"))))
    (efrit-mcp-begin-task)
    (fixtures-later 0.2 (lambda () (cons 0 text)))))

;;; Resources

(efrit-mcp-define-resource static-text "test://static-text" "A text that stays." (:mime "text/plain")
  "This is the content of the static text resource.")

(efrit-mcp-define-resource static-binary "test://static-binary" "A picture that stays." (:mime "image/png")
  fixtures-png)

(efrit-mcp-define-resource watched-resource "test://watched-resource" "A text to watch." (:mime "text/plain")
  "Watched resource content")

(efrit-mcp-define-resource template-data "test://template/{id}/data" "Data by its id."
    (:mime "application/json" :complete ((id . (lambda (_) '("123" "124" "200")))))
  `((id . ,id) (templateTest . t) (data . ,(format "Data for ID: %s" id))))

;;; Prompts

(efrit-mcp-define-prompt test-simple-prompt "A simple prompt." () ()
  "This is a simple prompt for testing.")

(efrit-mcp-define-prompt test-prompt-with-arguments "A prompt with arguments."
    ((arg1 "First test argument" :required t :complete (lambda (_) '("paris" "park" "party" "test")))
     (arg2 "Second test argument" :required t))
    ()
  (format "Prompt with arguments: arg1='%s', arg2='%s'" arg1 arg2))

(efrit-mcp-define-prompt test-prompt-with-embedded-resource "A prompt with a resource."
    ((resourceUri "URI of the resource to embed" :required t))
    ()
  (list (efrit-mcp-message 'user (efrit-mcp-embed resourceUri "Embedded resource content for testing."))
        (efrit-mcp-message 'user "Please process the embedded resource above.")))

(efrit-mcp-define-prompt test-prompt-with-image "A prompt with a picture." () ()
  (list (efrit-mcp-message 'user (efrit-mcp-image fixtures-png "image/png"))
        (efrit-mcp-message 'user "Please analyze the image above.")))

(efrit-mcp-define-prompt test-input-required-result-prompt "A prompt that asks." () ()
  (let ((answer (efrit-mcp-ask-client "user_context" "elicitation/create"
                                      (fixtures-form "What context should the prompt use?" '(context "string")))))
    (format "Use this context: %s" (fixtures-content answer "context"))))

(provide 'fixtures)
;;; fixtures.el ends here
