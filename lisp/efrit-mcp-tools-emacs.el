;;; efrit-mcp-tools-emacs.el --- All of Emacs that agents are offered  -*- lexical-binding: t -*-

;; Copyright (C) 2026 the efrit-mcp authors
;; SPDX-License-Identifier: GPL-3.0-or-later

;;; Commentary:

;; The emacs_* tools, one file a family (`efrit-mcp-profile' says in which order they
;; are listed), and the resources and prompts beside them.

;;; Code:

(require 'efrit-mcp-tools-look)
(require 'efrit-mcp-tools-read)
(require 'efrit-mcp-tools-edit)
(require 'efrit-mcp-tools-file)
(require 'efrit-mcp-tools-view)
(require 'efrit-mcp-tools-screenshot)
(require 'efrit-mcp-tools-code)
(require 'efrit-mcp-tools-lsp)
(require 'efrit-mcp-tools-lisp)
(require 'efrit-mcp-tools-run)
(require 'efrit-mcp-tools-ask)
(require 'efrit-mcp-resources-emacs)
(require 'efrit-mcp-prompts-emacs)
(require 'efrit-mcp-profile)

(provide 'efrit-mcp-tools-emacs)
;;; efrit-mcp-tools-emacs.el ends here
