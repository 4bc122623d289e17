;;; place.el --- Where to click  -*- lexical-binding: t -*-

(defun place (buffer text &optional lines)
  "Return (X Y) where TEXT in the window of BUFFER will be, LINES lines lower.
In pixels of the display, or columns and rows of the terminal, counted from 1."
  (redisplay t)
  (let* ((window (get-buffer-window buffer))
         (edges (window-absolute-pixel-edges window))
         (at (pos-visible-in-window-p (with-current-buffer buffer
                                        (save-excursion (goto-char (point-min)) (search-forward text)
                                                        (1+ (match-beginning 0))))
                                      window t)))
    (list (+ (nth 0 edges) (nth 0 at) (if (display-graphic-p) 2 1))
          (+ (nth 1 edges) (nth 1 at) (* (or lines 0) (frame-char-height)) (if (display-graphic-p) 5 1)))))

;;; place.el ends here
