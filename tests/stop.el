;;; stop.el --- What a stop must not harm  -*- lexical-binding: t -*-

;; Loaded into the Emacs of tests/stop.py: settings of a person, timers and a filter
;; that count how often they begin and end.

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

(defvar stop-echo
  (make-process :name "stop-echo" :command '("sh" "-c" "while echo x; do sleep 0.02; done")
                :connection-type 'pipe :noquery t :filter #'stop-filter))

;; Not more than Emacs can take: with timers always due it never looks at the keyboard.
(run-with-timer 0.007 0.007 #'stop-foreign 200 nil)
(run-with-timer 0.023 0.023 #'stop-foreign 2000 nil)
(run-with-timer 0.041 0.041 #'stop-foreign 50 0.006)

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
  (unless efrit-mcp-prompt--refuse (setq stop-now (stop-settings))))

(defvar stop-now nil)
(run-with-timer 0.05 0.05 #'stop-after)

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
  (while t
    (condition-case nil
        (accept-process-output nil 3600)
      (quit (setq stop-quits (1+ stop-quits))))))
(when (getenv "STOP_NATIVE") (mapc #'native-compile '(stop-work stop-foreign stop-filter)))
(mapc #'byte-compile '(stop-work stop-foreign stop-filter stop-settings stop-after stop-report))

;;; stop.el ends here
