;;; efrit-mcp-coding.el --- In which coding a text is written  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; Emacs asks, in a window of its own, where a text cannot be written in its coding.
;; Here that is judged without a question, before the text is changed and again before it
;; is saved: the coding that Emacs would take silently, or an error that names the
;; character.  A cookie that the file on disk has too changes nothing: the coding in which
;; the file was read writes the bytes that stand there.

;;; Code:

(require 'efrit-mcp-native)
(require 'seq)
(eval-when-compile (require 'cl-lib))

(define-error 'efrit-mcp-coding "Coding" 'efrit-mcp-error)

(defconst efrit-mcp-coding--head 3072 "Bytes at both ends of a file in which its cookie stands.")
(defconst efrit-mcp-coding--compared-max (* 4 1024 1024)
  "Bytes of a file up to which its coding is tried on the whole of it.")

(defun efrit-mcp-coding--base (coding)
  "Return CODING without its line ends."
  (coding-system-base (or coding 'undecided)))

;;; Characters

(defun efrit-mcp-coding--no-character-p (char)
  "Return non-nil if CHAR is none of Unicode: half of a pair, or beyond its end.
A raw byte of the file is not meant."
  (or (<= #xD800 char #xDFFF) (< #x10FFFF char #x3FFF80)))

(defun efrit-mcp-coding--raw-p (char)
  "Return non-nil if CHAR is a byte of a file that its coding has no character for."
  (eq (char-charset char) 'eight-bit))

(defun efrit-mcp-coding--place-of-bad (coding &optional from to)
  "Return the place FROM FROM TO TO of what CODING cannot write here, or nil.
Raw bytes are written as they are."
  (let ((at (or from (point-min))) (to (or to (point-max))) (found nil))
    (while (and at (< at to) (not found))
      (setq at (unencodable-char-position at to coding))
      (when at
        (if (efrit-mcp-coding--raw-p (char-after at)) (setq at (1+ at)) (setq found at))))
    found))

(defun efrit-mcp-coding--refuse (char coding where)
  "Signal that CHAR, which stands WHERE, cannot be written in CODING."
  (signal 'efrit-mcp-coding
          (list (format "the character %s (U+%04X) cannot be written in %s, %s; nothing was written. Use other characters, or have the file's coding changed first"
                        (if (efrit-mcp-coding--no-character-p char) "?" (string char)) char coding where))))

(defun efrit-mcp-coding--name ()
  "Return how the current buffer is called in an error."
  (if buffer-file-name (abbreviate-file-name buffer-file-name) (buffer-name)))

;;; Cookies

(defun efrit-mcp-coding--cookie (file)
  "Return the coding that the current buffer's text says FILE has, or nil.
One that Emacs does not know is nil."
  (let ((found (save-excursion
                 (save-restriction
                   (widen)
                   (goto-char (point-min))
                   (ignore-errors (find-auto-coding (or file "") (- (point-max) (point-min))))))))
    (and (car found) (coding-system-p (car found)) (car found))))

(defun efrit-mcp-coding--cookie-on-disk (file)
  "Return the coding that the text of FILE on disk says it has, or nil."
  (when (and file (not (file-remote-p file)) (file-regular-p file) (file-readable-p file))
    (with-temp-buffer
      (set-buffer-multibyte nil)
      (let ((size (file-attribute-size (file-attributes (file-truename file)))))
        (insert-file-contents-literally file nil 0 (min size efrit-mcp-coding--head))
        (when (> size efrit-mcp-coding--head)
          (goto-char (point-max))
          (insert-file-contents-literally file nil (max efrit-mcp-coding--head (- size efrit-mcp-coding--head)) size)))
      (efrit-mcp-coding--cookie file))))

;;; The choice

(defun efrit-mcp-coding--settled (file)
  "Return the coding in which the current buffer is written to FILE, if it can be.
As `write-region' chooses: the buffer's own, then that of the file's name."
  (or (and (local-variable-p 'buffer-file-coding-system) buffer-file-coding-system)
      (and file (let ((found (find-operation-coding-system 'write-region (point-min) (point-max) file)))
                  (cdr-safe found)))
      buffer-file-coding-system))

(defun efrit-mcp-coding--bytes-p (coding)
  "Return non-nil if CODING writes bytes as they are, whatever the text."
  (or (not enable-multibyte-characters) (eq (coding-system-type (or coding 'undecided)) 'raw-text)))

(defun efrit-mcp-coding--with-eol (coding of)
  "Return CODING with the line ends of the coding OF, unless it has its own."
  (let ((eol (and of (coding-system-eol-type of))))
    (if (and (integerp eol) (vectorp (coding-system-eol-type coding)))
        (coding-system-change-eol-conversion coding eol)
      coding)))

(defun efrit-mcp-coding--emacs (coding file)
  "Return what Emacs takes silently for FILE where CODING cannot write this text.
Signal an error where it would ask."
  (cl-letf (((symbol-function 'select-safe-coding-system-interactively)
             (lambda (&rest _)
               (let ((at (or (efrit-mcp-coding--place-of-bad coding) (point-min))))
                 (efrit-mcp-coding--refuse (char-after at) coding
                                           (format "the coding of %s (line %d)" (efrit-mcp-coding--name) (line-number-at-pos at t))))))
            ((symbol-function 'find-auto-coding) #'ignore)) ; it would ask about a cookie that it does not know
    (let ((select-safe-coding-system-accept-default-p nil))
      (select-safe-coding-system (point-min) (point-max) (list coding) nil file))))

(defvar select-safe-coding-system-accept-default-p)

(defun efrit-mcp-coding-choose (file)
  "Return the coding in which the widened current buffer is to be written to FILE.
Signal an `efrit-mcp-coding' where none will do without a question."
  (let* ((settled (efrit-mcp-coding--settled file)) (cookie nil))
    (if (efrit-mcp-coding--bytes-p settled)
        settled
      (setq cookie (efrit-mcp-coding--cookie file))
      (let ((coding (if (and cookie (not (eq (efrit-mcp-coding--base cookie) (efrit-mcp-coding--base settled)))
                             (or (eq (coding-system-type (or settled 'undecided)) 'undecided)
                                 (not (file-exists-p (or file "")))
                                 (coding-system-get cookie :pre-write-conversion) ; Emacs takes UTF-7 for UTF-16 after a save
                                 (not (eq cookie (efrit-mcp-coding--cookie-on-disk file)))))
                        (efrit-mcp-coding--with-eol cookie settled)
                      (or settled 'undecided))))
        (let ((bad (efrit-mcp-coding--place-of-bad coding)))
          (cond ((not bad) (if (eq (coding-system-type coding) 'undecided) (efrit-mcp-coding--decided coding file) coding))
                (cookie (efrit-mcp-coding--refuse
                         (char-after bad) coding
                         (format "the coding that %s names (line %d)" (efrit-mcp-coding--name) (line-number-at-pos bad t))))
                (t (efrit-mcp-coding--with-eol (efrit-mcp-coding--emacs coding file) settled))))))))

(defun efrit-mcp-coding--decided (coding file)
  "Return what becomes of CODING, which is undecided, in FILE: ASCII leaves it so."
  (if (save-excursion (goto-char (point-min)) (re-search-forward "[^[:ascii:]]" nil t))
      (efrit-mcp-coding--with-eol (efrit-mcp-coding--emacs coding file) coding)
    coding))

(defun efrit-mcp-coding-told (before after)
  "Return what is told where a text was written in AFTER, not BEFORE; or nil."
  (unless (or (null before) (eq (efrit-mcp-coding--base before) (efrit-mcp-coding--base after)))
    `((coding . ,(format "%s -> %s" before after)))))

;;; Before an edit

(defun efrit-mcp-coding--check-characters (text)
  "Signal an error if TEXT holds what is no character."
  (let ((bad (seq-find #'efrit-mcp-coding--no-character-p text)))
    (when bad (efrit-mcp-coding--refuse bad "any coding" "as it is half of a pair or beyond Unicode"))))

(defun efrit-mcp-coding--doubtful-p (pieces settled)
  "Return non-nil if PIECES may not be written as SETTLED, or have it changed."
  (seq-some (pcase-lambda (`(,beg ,end ,new))
              (or (and (string-match-p "[^[:ascii:]]" new)
                       (or (null settled) (eq (coding-system-type settled) 'undecided)
                           (unencodable-char-position 0 (length new) settled nil new)))
                  (let ((case-fold-search t))
                    (string-match-p "coding\\|unibyte" (concat new (buffer-substring-no-properties
                                                                    (save-excursion (goto-char beg) (line-beginning-position))
                                                                    (save-excursion (goto-char end) (line-end-position))))))))
            pieces))

(defun efrit-mcp-coding-judge (pieces)
  "Judge PIECES, sorted (BEG END NEW), for the widened current buffer.
Signal an `efrit-mcp-coding' if the text could not be saved then.  Return
the coding in which it will be written where that is another one, or nil."
  (pcase-dolist (`(,_ ,_ ,new) pieces) (when (string-match-p "[^[:ascii:]]" new) (efrit-mcp-coding--check-characters new)))
  (let* ((file buffer-file-name) (base (or (buffer-base-buffer) (current-buffer)))
         (settled (with-current-buffer base (efrit-mcp-coding--settled (or file buffer-file-name)))))
    (cond
     ((not enable-multibyte-characters)
      (pcase-dolist (`(,_ ,_ ,new) pieces)
        (let ((bad (seq-find (lambda (c) (and (> c 127) (not (efrit-mcp-coding--raw-p c)))) (string-to-multibyte new))))
          (when bad (efrit-mcp-coding--refuse bad "no-conversion" (format "as %s holds bytes, not characters" (efrit-mcp-coding--name)))))))
     ((and (buffer-file-name base) (not (efrit-mcp-coding--bytes-p settled)) (efrit-mcp-coding--doubtful-p pieces settled))
      (efrit-mcp-coding--try base pieces settled)))))

(defun efrit-mcp-coding--try (base pieces settled)
  "Return the coding that BASE will have with PIECES, if it is not SETTLED."
  (let ((text (current-buffer)) (file (buffer-file-name base)) (local (local-variable-p 'buffer-file-coding-system base)))
    (with-temp-buffer
      (insert-buffer-substring-no-properties text)
      (when local (setq buffer-file-coding-system (buffer-local-value 'buffer-file-coding-system base)))
      (pcase-dolist (`(,beg ,end ,new) (reverse pieces))
        (goto-char beg)
        (delete-region beg end)
        (insert new))
      (let ((buffer-file-name file) (coding (efrit-mcp-coding-choose file)))
        (and settled (not (eq (efrit-mcp-coding--base coding) (efrit-mcp-coding--base settled))) coding)))))

(defun efrit-mcp-coding-check ()
  "Signal an `efrit-mcp-coding' if the current buffer's text cannot be saved.
Inside an `atomic-change-group' that takes the change back."
  (with-current-buffer (or (buffer-base-buffer) (current-buffer))
    (when buffer-file-name
      (save-restriction (widen) (efrit-mcp-coding-choose buffer-file-name)))))

;;; Bytes that nobody touched

(defun efrit-mcp-coding--plain-p (coding)
  "Return non-nil if CODING surely writes what it has read as it was."
  (and (not (memq (coding-system-eol-type coding) '(1 2)))
       (or (memq (coding-system-type coding) '(undecided raw-text))
           (memq (efrit-mcp-coding--base coding) '(utf-8 prefer-utf-8 utf-8-emacs us-ascii utf-8-with-signature))
           (and (eq (coding-system-type coding) 'charset)
                (seq-every-p (lambda (charset) (eql 1 (charset-dimension charset)))
                             (seq-filter #'charsetp (coding-system-charset-list coding)))))))

(defun efrit-mcp-coding--same-p (file coding &optional as)
  "Return non-nil if CODING writes FILE, read as Emacs does or AS, as it is."
  (let ((bytes (with-temp-buffer (set-buffer-multibyte nil) (insert-file-contents-literally file) (buffer-string))))
    (with-temp-buffer
      (let ((coding-system-for-read as) (inhibit-message t)) (insert-file-contents file))
      (equal bytes (encode-coding-region (point-min) (point-max) coding t)))))

(defun efrit-mcp-coding-check-disk ()
  "Signal an error if saving the current buffer would change what nobody touched.
So it is where a file was read in a coding that does not fit all of it."
  (let ((file buffer-file-name) (coding buffer-file-coding-system))
    (when (and file coding (not (file-remote-p file)) (file-regular-p file) (file-readable-p file)
               enable-multibyte-characters (not (efrit-mcp-coding--plain-p coding))
               (not (find-file-name-handler file 'insert-file-contents)) ; it is compressed: its bytes are others anyway
               (<= (file-attribute-size (file-attributes (file-truename file))) efrit-mcp-coding--compared-max)
               (not (efrit-mcp-coding--same-p file coding)) (not (efrit-mcp-coding--same-p file coding coding)))
      (signal 'efrit-mcp-coding
              (list (format "%s is not wholly %s, its coding in Emacs: saving it would change bytes that nobody touched; nothing was written. emacs_file op save with force does it, or have its coding changed first"
                            (abbreviate-file-name file) coding))))))

(provide 'efrit-mcp-coding)
;;; efrit-mcp-coding.el ends here
