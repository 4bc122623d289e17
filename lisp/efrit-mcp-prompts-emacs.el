;;; efrit-mcp-prompts-emacs.el --- Prompts for common jobs in Emacs  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; What a person picks in their client: the words, with what they look at in Emacs.

;;; Code:

(require 'efrit-mcp-prompts)
(require 'efrit-mcp-resources-emacs)

(defconst efrit-mcp-prompts-emacs--around 60 "Lines around point that a prompt shows.")

(defun efrit-mcp-prompts-emacs--place ()
  "Return in words where the person is."
  (with-current-buffer (window-buffer (efrit-mcp-resources--window))
    (format "%s, line %d (%s)" (or buffer-file-name (format "the buffer %s" (buffer-name)))
            (line-number-at-pos (window-point (efrit-mcp-resources--window)) t) major-mode)))

(defun efrit-mcp-prompts-emacs--fence (text)
  "Return TEXT between fences that it does not hold."
  (let ((fence "```"))
    (while (string-search fence text) (setq fence (concat fence "`")))
    (concat fence "\n" text (if (string-suffix-p "\n" text) "" "\n") fence)))

(defun efrit-mcp-prompts-emacs--near ()
  "Return the person's selection, else the lines around point."
  (with-current-buffer (window-buffer (efrit-mcp-resources--window))
    (efrit-mcp-secret-check (current-buffer))
    (save-excursion
      (save-restriction
        (widen)
        (goto-char (window-point (efrit-mcp-resources--window)))
        (efrit-mcp-resources--bounded
         (if mark-active (min (point) (mark t)) (line-beginning-position (- 1 (/ efrit-mcp-prompts-emacs--around 2))))
         (if mark-active (max (point) (mark t)) (line-end-position (1+ (/ efrit-mcp-prompts-emacs--around 2)))))))))

(efrit-mcp-define-prompt explain-here "Explain what I am looking at in Emacs."
    ((question "What to explain."))
    (:title "Explain this")
  (format "I am at %s in Emacs.\n\n%s\n\n%s Look at more of it with the emacs tools if you need to; change nothing."
          (efrit-mcp-prompts-emacs--place) (efrit-mcp-prompts-emacs--fence (efrit-mcp-prompts-emacs--near))
          (or question "Explain what this does and how it fits in.")))

(efrit-mcp-define-prompt fix-diagnostics "Fix what flymake, flycheck or the last compilation complain about."
    ()
    (:title "Fix the diagnostics")
  (let ((said (efrit-mcp-resources--diagnostics (efrit-mcp-secret-check (window-buffer (efrit-mcp-resources--window))))))
    (format "I am at %s in Emacs.\n\n%s\n\nFix these one by one in the live buffers, the cause and not the symptom; look again after each change, and say what you changed."
            (efrit-mcp-prompts-emacs--place)
            (if said
                (mapconcat (lambda (d) (format "- %s:%s: %s: %s" (alist-get 'file d) (alist-get 'line d)
                                               (alist-get 'severity d) (alist-get 'text d)))
                           (seq-take said 50) "\n")
              "No diagnostics stand in this buffer; look at the resources emacs://diagnostics and emacs://compilation."))))

(efrit-mcp-define-prompt review-region "Review what I have selected in Emacs."
    ((focus "What to look for." :complete (lambda (_) '("bugs" "style" "speed" "tests"))))
    (:title "Review the selection")
  (format "Review this, from %s. Look for: %s. Name lines; change nothing unless I say so.\n\n%s"
          (efrit-mcp-prompts-emacs--place) (or focus "bugs first, then what is hard to read")
          (efrit-mcp-prompts-emacs--fence (efrit-mcp-prompts-emacs--near))))

(efrit-mcp-define-prompt debug-last-error "Find out why the last error in Emacs happened."
    ()
    (:title "Debug the last error")
  (let ((backtrace (get-buffer "*Backtrace*")))
    (format "An error happened in my Emacs %s. Find its cause and propose the smallest change that mends it.\n\nThe last messages:\n%s%s"
            emacs-version
            (efrit-mcp-prompts-emacs--fence
             (with-current-buffer (messages-buffer)
               (save-excursion (goto-char (point-max)) (forward-line -20)
                               (buffer-substring-no-properties (point) (point-max)))))
            (if (and backtrace (not (efrit-mcp-secret-p backtrace)))
                (concat "\n\nThe backtrace:\n"
                        (efrit-mcp-prompts-emacs--fence
                         (with-current-buffer backtrace
                           (buffer-substring-no-properties (point-min) (min (point-max) (+ (point-min) 8000))))))
              ""))))

(efrit-mcp-define-prompt drive-emacs "How to act in a person's live Emacs."
    ((task "What to do."))
    (:title "Drive Emacs")
  (concat "You act inside a person's live Emacs. Work in small steps: look, act, read back.\n"
          "- Look first: efrit_status, the resources emacs://buffers and emacs://selection, or the reading tools.\n"
          "- Read and edit buffers, not files on disk: they may hold unsaved text.\n"
          "- Leave the selected window, point and the minibuffer as they are.\n"
          "- Run builds and tests by emacs_run: the person sees them; wait by emacs_job, do not poll.\n"
          "- When in doubt ask the person by emacs_ask_user; declined means no.\n"
          "- After a change read it back, and run the tests.\n"
          "- A call that timed out was stopped; may_have_run true means: look before you try again."
          (if task (concat "\n\nThe task: " task) "")))

(provide 'efrit-mcp-prompts-emacs)
;;; efrit-mcp-prompts-emacs.el ends here
