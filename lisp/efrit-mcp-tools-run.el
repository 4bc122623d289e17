;;; efrit-mcp-tools-run.el --- The tools emacs_run and emacs_job  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Both answer later: at the command's end, or when their patience is over.

;;; Code:

(require 'efrit-mcp-run)

(defun efrit-mcp-tools-run--answer (run max seen)
  "Return what is told of RUN, MAX characters of its tail, and what happened.
SEEN is a snapshot, of `efrit-mcp-observe-apart'; as `state' is the run's,
where the editor is stands under `editor'."
  (let ((buffer (efrit-mcp-run-buffer run)))
    (append (efrit-mcp-run-look run max)
            (mapcar (lambda (each) (if (eq (car each) 'state) (cons 'editor (cdr each)) each))
                    (efrit-mcp-observe-since seen (and (buffer-live-p buffer) (list buffer)))))))

(defun efrit-mcp-tools-run--wait (run seconds max seen)
  "Answer the job that runs when RUN ends, or after SECONDS.
MAX and SEEN are as in `efrit-mcp-tools-run--answer'."
  (let* ((waiter nil)
         (tell (lambda (later)
                 (efrit-mcp-run-off run waiter)
                 (condition-case err
                     (efrit-mcp-later-answer later (efrit-mcp-tools-run--answer run max seen))
                   (error (efrit-mcp-later-fail later (symbol-name (car err)) (error-message-string err))))))
         (later (efrit-mcp-later tell (lambda (_) (efrit-mcp-run-off run waiter)) seconds)))
    (setq waiter (lambda (ended)
                   (if ended
                       (funcall tell later)
                     (efrit-mcp-later-progress later (efrit-mcp-run--lines run) nil
                                               (car (last (split-string (efrit-mcp-run--tail run 200) "\n" t)))))))
    (if (efrit-mcp-run-going-p run)
        (efrit-mcp-run-on-end run waiter)
      (funcall tell later))
    efrit-mcp-tool-deferred))

(efrit-mcp-define-tool emacs-run
    "Run a shell command (build, tests, anything) in an ordinary visible Emacs buffer that the person sees and can end. Answers at its end with exit_code, the errors found in its output (file, line, text), failed tests, and the tail; or, when it takes longer than WAIT, with state running and a job id for emacs_job."
    ((command string "Shell command." :required t)
     (directory string "Where to run it; omitted: the directory of the buffer the person looks at.")
     (kind (one-of "compile" "test" "shell") "shell: the person can type into it." :default "compile")
     (name string "Name for the buffer.")
     (wait seconds "Seconds to wait for its end before a job id is returned." :default 10)
     (max-chars integer "Characters of the tail." :default 4000 :minimum 1 :maximum 100000)
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Run a command" :destructive t :open-world t :task optional :task-later t)
  (let ((place (efrit-mcp-target-folder directory)) (seen (efrit-mcp-observe-apart observe)))
    (efrit-mcp-run--check command place)
    (let ((run (efrit-mcp-run-start command place name (equal kind "shell"))))
      ;; A client with tasks has a handle: it hears of the end itself.
      (efrit-mcp-tools-run--wait run (if (efrit-mcp-begin-task) nil (efrit-mcp-tools-run--seconds wait)) max-chars seen))))

(defun efrit-mcp-tools-run--seconds (value)
  "Return VALUE, a number or a string, as seconds."
  (if (stringp value) (string-to-number value) value))

(efrit-mcp-define-tool emacs-job
    "Commands that emacs_run started: list them; look at one (state, errors, tail); wait for its end, until timeout; stop it (interrupted, killed 2 s later), answered at its end."
    ((op (one-of "list" "look" "wait" "stop") "What to do." :default "look")
     (job string "Id from emacs_run; not for list.")
     (max-chars integer "Characters of the tail." :default 4000 :minimum 1 :maximum 100000)
     (observe (one-of "none" "brief" "full") nil :default "brief"))
    (:title "Look at a running command" :destructive t :idempotent t :nest t)
  (if (equal op "list")
      `((status . "success") (jobs . ,(vconcat (mapcar #'efrit-mcp-run-brief (efrit-mcp-run-list)))))
    (let ((run (efrit-mcp-run-find job)) (seen (efrit-mcp-observe-apart observe)))
      (pcase op
        ("wait" (efrit-mcp-tools-run--wait run nil max-chars seen))
        ("stop" (efrit-mcp-run-stop run efrit-mcp-tool-client)
         (efrit-mcp-tools-run--wait run nil max-chars seen))
        (_ (efrit-mcp-tools-run--answer run max-chars seen))))))

(efrit-mcp-define-resource job "emacs://job/{job}" "A command that emacs_run started; updated at its end."
    (:mime "application/json" :title "Command of an agent"
     :complete ((job . (lambda (_) (mapcar #'efrit-mcp-run-id (efrit-mcp-run-list))))))
  (condition-case nil
      (efrit-mcp-run-look (efrit-mcp-run-find job) 4000)
    (efrit-mcp-invalid-argument (efrit-mcp-resource-absent (concat "emacs://job/" job)))))

(provide 'efrit-mcp-tools-run)
;;; efrit-mcp-tools-run.el ends here
