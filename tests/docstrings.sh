#!/bin/bash
# docstrings.sh - every Lisp file is as checkdoc wants it.
cd "$(dirname "$0")/.." || exit 1
exec "${EMACS:-emacs}" -Q --batch -l tests/checkdoc.el lisp/*.el
