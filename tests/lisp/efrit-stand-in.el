;;; efrit-stand-in.el --- Functions of Efrit, with a timer in the place of its model  -*- lexical-binding: t -*-

;;; Code:

(defvar stand-in-session nil)
(defvar stand-in-cancelled 0)
(defvar stand-in-callback nil)
(defvar efrit-streamlined--turn-count 0)

(defun efrit-session-active () stand-in-session)
(defun efrit-session-cancel (_session) (setq stand-in-session nil stand-in-cancelled (1+ stand-in-cancelled)))
(defun efrit-progress-show-message (message &optional _type) message)

(defun efrit-execute-async (command &optional callback)
  (setq stand-in-session command stand-in-callback callback)
  (run-with-timer 0.01 nil #'efrit-progress-show-message (concat "working on " command) 'claude))

(defun stand-in-go ()
  (let ((command stand-in-session))
    (setq stand-in-session nil)
    (funcall stand-in-callback (if (equal command "fail") "Error: no key" (concat "did " command)))))

(defun efrit-streamlined--display-response (text) text)

(defun efrit-streamlined--handle-response (message)
  (if (= efrit-streamlined--turn-count 0)
      (progn (setq efrit-streamlined--turn-count 1)
             (run-with-timer 0.01 nil #'efrit-streamlined--handle-response message))
    (efrit-streamlined--display-response (concat "you said " message))))

(defun efrit-streamlined-send (message)
  (setq efrit-streamlined--turn-count 0)
  (run-with-timer 0.01 nil #'efrit-streamlined--handle-response message))

(provide 'efrit)
;;; efrit-stand-in.el ends here
