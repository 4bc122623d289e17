;;; stop.el --- What a stop must not harm  -*- lexical-binding: t -*-

;; Loaded into the Emacs of tests/stop.py: settings of a person, timers and a filter
;; that count how often they begin and end.

;; Where a process ends or is deleted while another Lisp thread waits, Emacs may abort: it
;; waits for a closed descriptor (module/README.md).  So no process of ours ends, and none
;; compiles: in a terminal Emacs has begun with that before it loads this file.
(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil comp-files-queue nil)
(mapc #'delete-process (process-list))

(require 'efrit-mcp)

(defvar stop-begun 0)
(defvar stop-ended 0)
(defvar stop-quits 0)
(defvar stop-inside 0) ; timers and filters inside whose wait we are

(defun stop-work (n)
  "Do N rounds of something that calls functions."
  (dotimes (i n) (format "%d" i)))

(defun stop-foreign (work wait)
  "Count, WORK, perhaps WAIT seconds, count again."
  (setq stop-begun (1+ stop-begun))
  (let ((stop-inside (1+ stop-inside)))
    (stop-work work)
    (when wait (accept-process-output nil wait))
    (stop-work work))
  (setq stop-ended (1+ stop-ended)))

(defun stop-filter (_process _text)
  "Count and work."
  (stop-foreign 300 nil))

(defun stop-begin ()
  "Begin what goes on beside the jobs; not before all is compiled and Emacs has started."
  (make-process :name "stop-echo" :command '("sh" "-c" "while echo x; do sleep 0.02; done")
                :connection-type 'pipe :noquery t :filter #'stop-filter)
  ;; Not more than Emacs can take: with timers always due it never looks at the keyboard.
  (run-with-timer 0.007 0.007 #'stop-foreign 200 nil)
  (run-with-timer 0.023 0.023 #'stop-foreign 2000 nil)
  (run-with-timer 0.041 0.041 #'stop-foreign 50 0.006)
  (run-with-timer 0.05 0.05 #'stop-after)
  (when (getenv "STOP_BESIDE") (stop-begin-beside)))
(add-hook 'emacs-startup-hook #'stop-begin)

;; A quit that reaches the command loop.
(setq command-error-function
      (let ((before command-error-function))
        (lambda (data context caller)
          (when (eq (car data) 'quit) (setq stop-quits (1+ stop-quits)))
          (funcall before data context caller))))

(setq debug-on-event 'sigusr1
      debug-on-quit nil
      debug-on-error nil
      debug-on-signal nil)

(defun stop-settings ()
  "Return what a stop might have changed."
  (list debugger debug-on-event debug-on-quit debug-on-error debug-on-signal debug-on-next-call
        inhibit-interaction throw-on-input signal-hook-function inhibit-message
        internal-when-entered-debugger))

(defvar stop-before (stop-settings))

(defun stop-after ()
  "Keep the settings as they are outside of any job."
  (unless efrit-mcp-prompt--base (setq stop-now (stop-settings))))

(defvar stop-now nil)

(defun stop-report ()
  "Return the counts as a list."
  (list :begun (- stop-begun stop-inside) :ended stop-ended :quits stop-quits
        :same (if (equal stop-before stop-now) 1 0) :before stop-before :now stop-now
        :depth (minibuffer-depth)
        :text (if (> (minibuffer-depth) 0)
                  (with-current-buffer (window-buffer (minibuffer-window)) (minibuffer-contents))
                "")))

(defun stop-serve ()
  "Serve in batch; count the quits that leave a job."
  (stop-begin)
  (while t
    (condition-case nil
        (accept-process-output nil 3600)
      (quit (setq stop-quits (1+ stop-quits))))))
;;; Beside all that: Lisp threads, change hooks, unsaved text

(defvar stop-thread-quits 0)
(defvar stop-thread-errors nil)
(defvar stop-thread-rounds 0)
(defvar stop-hook-begun 0)
(defvar stop-hook-ended 0)
(defvar stop-threads nil)
(defvar stop-silent nil)

(defun stop-beside (work pause)
  "WORK, let others run for PAUSE seconds, and so on; count quits, which are not for us."
  (while t
    (condition-case err
        (progn (stop-work work)
               (setq stop-thread-rounds (1+ stop-thread-rounds))
               (sleep-for pause))
      (quit (setq stop-thread-quits (1+ stop-thread-quits)))
      (error (push err stop-thread-errors)))))

(defun stop-hook (&rest _)
  "Count and work."
  (setq stop-hook-begun (1+ stop-hook-begun))
  (stop-work 30)
  (setq stop-hook-ended (1+ stop-hook-ended)))

(defun stop-hook-everywhere (&rest _)
  "Work."
  (stop-work 5))

(defun stop-insert (n)
  "Change a buffer with hooks N times."
  (with-current-buffer "edited"
    (dotimes (i n)
      (insert "(defun f ())\n")
      (when (> (buffer-size) 2000) (erase-buffer)))))

(defun stop-hooks ()
  "Return the change hooks."
  (with-current-buffer "edited"
    (list before-change-functions after-change-functions (default-value 'after-change-functions))))

(defvar stop-hooks-before nil)

(defun stop-look ()
  "Return what is not as it was, nil when nothing is; called in a job after each round."
  (delq nil
        (list (unless (seq-every-p #'null (seq-mapn #'seq-difference stop-hooks-before (stop-hooks))) ; Emacs adds some
                (list "hooks" (stop-hooks)))
              (unless (= stop-hook-begun stop-hook-ended) "a change hook was cut in half")
              (unless (equal (with-current-buffer "unsaved" (buffer-string)) "the person's text") "text")
              (unless (= stop-thread-quits 0) "a quit in another thread")
              (when stop-thread-errors (list "in another thread" stop-thread-errors))
              (when (seq-remove #'thread-live-p stop-threads) "a thread ended"))))

(mapc #'byte-compile '(stop-beside stop-hook stop-hook-everywhere stop-insert stop-hooks stop-look))

(defun stop-begin-beside ()
  "Have text, hooks and threads."
  (with-current-buffer (get-buffer-create "unsaved") (insert "the person's text"))
  (add-hook 'after-change-functions #'stop-hook-everywhere)
  (with-current-buffer (get-buffer-create "edited")
    (emacs-lisp-mode)
    (jit-lock-register #'font-lock-fontify-region)
    (add-hook 'before-change-functions #'stop-hook nil t)
    (add-hook 'after-change-functions #'stop-hook t t))
  (setq stop-silent (make-pipe-process :name "stop-silent" :noquery t)
        stop-hooks-before (stop-hooks)
        stop-threads (list (make-thread (lambda () (stop-beside 3000 0.004)))
                           (make-thread (lambda () (stop-beside 100 0.001)))
                           (make-thread (lambda () (stop-beside 60000 0.3))))))

(when (getenv "STOP_NATIVE") (mapc #'native-compile '(stop-work stop-foreign stop-filter)))
(let ((byte-compile-warnings nil)) ; one is shown, and waits: the timers run all the time
  (mapc #'byte-compile '(stop-work stop-foreign stop-filter stop-settings stop-after stop-report)))

;;; stop.el ends here
