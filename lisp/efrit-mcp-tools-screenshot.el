;;; efrit-mcp-tools-screenshot.el --- emacs_screenshot: what the person sees  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; A picture where Emacs can make one.  On a terminal the screen as text, made from what
;; the windows show: lines as they are wrapped or cut, without what is invisible, with
;; the faces beside.

;;; Code:

(require 'efrit-mcp-tool)
(require 'efrit-mcp-act)
(require 'efrit-mcp-tools-look)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(declare-function x-export-frames "xfns.c")
(declare-function efrit-mcp--mod-json "efrit-mcp-module")

(defun efrit-mcp-screenshot--faces (pos)
  "Return the names of the faces at POS, a string, or nil."
  (let ((face (get-char-property pos 'face)))
    (when face
      (mapconcat (lambda (f) (if (symbolp f) (symbol-name f) "(attributes)"))
                 (if (and (consp face) (not (keywordp (car face)))) (seq-take face 4) (list face)) " "))))

(defun efrit-mcp-screenshot--char (pos column)
  "Return what is shown for the character at POS, at COLUMN, a string."
  (let ((display (get-char-property pos 'display)) (char (char-after pos)))
    (cond ((invisible-p pos) "")
          ((stringp display) (if (or (= pos (point-min)) (not (eq display (get-char-property (1- pos) 'display)))) display ""))
          ((eq char ?\t) (make-string (- tab-width (% column tab-width)) ?\s))
          ((eq char ?\n) "")
          ((< char 32) (format "^%c" (+ char 64)))
          ((>= char #x3FFF80) (format "\\%o" (- char #x3FFF00)))
          (t (string char)))))

(defun efrit-mcp-screenshot--row (from to width)
  "Return (TEXT . SPANS): the row from FROM to TO, at most WIDTH columns.
SPANS is a list of (BEG END FACES), in columns."
  (let ((pieces nil) (column 0) (spans nil) (pos from))
    (while (and (< pos to) (< column width))
      (let* ((text (substring-no-properties (efrit-mcp-screenshot--char pos column)))
             (n (string-width text)) (faces (and (> n 0) (efrit-mcp-screenshot--faces pos))))
        (when faces
          (if (and spans (equal (nth 2 (car spans)) faces) (= (nth 1 (car spans)) column))
              (setcar (cdr (car spans)) (+ column n))
            (push (list column (+ column n) faces) spans)))
        (push text pieces)
        (setq column (+ column n) pos (1+ pos))))
    (cons (truncate-string-to-width (apply #'concat (nreverse pieces)) width) (nreverse spans))))

(defun efrit-mcp-screenshot--rows (window)
  "Return the rows of WINDOW, a list of (TEXT . SPANS)."
  (with-current-buffer (window-buffer window)
    (if (efrit-mcp-secret-p (current-buffer))
        (list (list "(not for agents)"))
      (save-excursion
        (let ((rows nil) (height (window-body-height window)) (width (window-body-width window)) (more t))
          (goto-char (min (point-max) (window-start window)))
          (while (and more (< (length rows) height))
            (let ((from (point)))
              ;; In batch nothing moves by rows of the screen.
              (if noninteractive (forward-line 1) (vertical-motion 1 window))
              (setq more (> (point) from))
              (push (efrit-mcp-screenshot--row from (if more (point) (point-max)) width) rows)))
          (nreverse rows))))))

(defun efrit-mcp-screenshot--window (window faces)
  "Return what WINDOW shows, an alist; with FACES those too."
  (let* ((edges (window-edges window)) (rows (efrit-mcp-screenshot--rows window))
         (line (with-current-buffer (window-buffer window)
                 (string-trim-right (format-mode-line mode-line-format 0 window (current-buffer))))))
    `((buffer . ,(buffer-name (window-buffer window)))
      (left . ,(nth 0 edges)) (top . ,(nth 1 edges)) (width . ,(window-width window)) (height . ,(window-height window))
      ,@(when (eq window (selected-window)) '((selected . t)))
      (text . ,(mapconcat (lambda (r) (string-trim-right (car r))) rows "\n"))
      ,@(when faces
          `((faces . ,(vconcat (seq-take
                                (cl-loop for r in rows for n from 0
                                         nconc (mapcar (lambda (s) (format "%d:%d-%d %s" n (nth 0 s) (nth 1 s) (nth 2 s))) (cdr r)))
                                400)))))
      ,@(when line `((mode_line . ,(efrit-mcp-look--cut line 200)))))))

(defun efrit-mcp-screenshot--windows (buffer)
  "Return the windows of the selected frame, or that which shows BUFFER, a name."
  (if (null buffer)
      (window-list nil 'never)
    (list (or (get-buffer-window buffer)
              (efrit-mcp-invalid "no window of the frame shows %s (emacs_look what windows; emacs_window op show)" buffer)))))

(defun efrit-mcp-screenshot--text (faces windows)
  "Return WINDOWS of the selected frame as text, an alist; with FACES those too."
  (let ((mini (minibuffer-window)))
    `((frame . ,(format "%dx%d" (frame-width) (frame-height)))
      (kind . ,(cond (noninteractive "batch") ((display-graphic-p) "graphical")
                     ((equal (terminal-name) "initial_terminal") "none: a daemon without a frame") (t "terminal")))
      (windows . ,(vconcat (mapcar (lambda (w) (efrit-mcp-screenshot--window w faces)) windows)))
      (echo . ,(or (current-message)
                   (if (> (minibuffer-depth) 0) (car (car (efrit-mcp-screenshot--rows mini))) ""))))))

(defun efrit-mcp-screenshot--places (windows)
  "Return where WINDOWS are in a picture of their frame, a vector of alists."
  (vconcat (mapcar (lambda (w)
                     (pcase-let ((`(,left ,top ,right ,bottom) (window-pixel-edges w)))
                       `((buffer . ,(buffer-name (window-buffer w)))
                         (left . ,left) (top . ,top) (width . ,(- right left)) (height . ,(- bottom top))
                         ,@(when (eq w (selected-window)) '((selected . t))))))
                   windows)))

(defun efrit-mcp-screenshot--cut (svg window)
  "Return SVG, a picture of the frame, cut down to WINDOW."
  (pcase-let* ((`(,left ,top ,right ,bottom) (window-pixel-edges window))
               (width (- right left)) (height (- bottom top))
               (end (string-match "<svg\\([^>]*\\)>" svg)))
    (if (null end)
        svg
      (replace-match (concat (replace-regexp-in-string " \\(?:width\\|height\\|viewBox\\)=\"[^\"]*\"" "" (match-string 1 svg))
                             (format " width=\"%d\" height=\"%d\" viewBox=\"%d %d %d %d\"" width height left top width height))
                     t t svg 1))))

(defun efrit-mcp-screenshot--pictures-p ()
  "Return non-nil if Emacs makes pictures of the selected frame."
  (and (display-graphic-p) (fboundp 'x-export-frames)))

(defun efrit-mcp-screenshot--blank-p (bytes)
  "Return non-nil if BYTES, a picture of the selected frame, may show nothing."
  (< (length bytes) (max 4000 (/ (* (frame-pixel-width) (frame-pixel-height)) 100))))

(defun efrit-mcp-screenshot--bytes (format)
  "Return a picture of the selected frame, of FORMAT, a symbol."
  (let ((tries 3) (bytes nil))
    (while (> tries 0)
      (redisplay t)
      (setq bytes (x-export-frames nil format)
            ;; An event that comes in between makes Emacs draw the whole frame later, and
            ;; the picture is empty until it has.
            tries (if (efrit-mcp-screenshot--blank-p bytes) (1- tries) 0)))
    bytes))

(defun efrit-mcp-screenshot--picture (format windows whole began)
  "Return the selected frame as a picture of FORMAT, png or svg, as content.
WINDOWS are those asked for; WHOLE: all of them.  The call BEGAN then."
  (unless (efrit-mcp-screenshot--pictures-p)
    (efrit-mcp-invalid "this Emacs makes no pictures of its frame (a terminal, or built without Cairo): use format text"))
  (unless (eq t (frame-visible-p (selected-frame)))
    (efrit-mcp-invalid "the frame is iconified or hidden: there is nothing to take a picture of; use format text"))
  (when (seq-some (lambda (w) (efrit-mcp-secret-p (window-buffer w))) (window-list nil 'never))
    (signal 'efrit-mcp-secret '("a window shows what is not for agents: format text leaves it out")))
  (let* ((bytes (efrit-mcp-screenshot--bytes (intern format)))
         (about `((pixels . ,(format "%dx%d" (frame-pixel-width) (frame-pixel-height))) (kind . "graphical")
                  (windows . ,(efrit-mcp-screenshot--places windows)) ,@(efrit-mcp-act-busy began))))
    (if (equal format "png")
        (efrit-mcp-content (efrit-mcp--mod-json about) (efrit-mcp-image bytes "image/png"))
      (let ((svg (if (multibyte-string-p bytes) bytes (decode-coding-string bytes 'utf-8))))
        (efrit-mcp-content (efrit-mcp-text (if whole svg (efrit-mcp-screenshot--cut svg (car windows)))))))))

(efrit-mcp-define-tool emacs-screenshot
    "What the person's frame shows: a PNG or SVG of a graphical frame, or the text of its windows with mode lines and echo area; auto: PNG where it can be made. A PNG comes with each window's place in it. faces adds row:from-to faces of the text."
    ((format (one-of "auto" "png" "svg" "text") nil :default "auto")
     (buffer string "Only the window that shows it; a PNG stays whole.")
     (faces boolean nil :default nil))
    (:title "Screenshot" :read-only t)
  (let ((began (float-time)) (windows (efrit-mcp-screenshot--windows buffer)))
    (if (or (equal format "text")
            (and (equal format "auto") (not (efrit-mcp-screenshot--pictures-p))))
        (append (efrit-mcp-screenshot--text faces windows) (efrit-mcp-act-busy began))
      (efrit-mcp-screenshot--picture (if (equal format "auto") "png" format) windows (null buffer) began))))

(provide 'efrit-mcp-tools-screenshot)
;;; efrit-mcp-tools-screenshot.el ends here
