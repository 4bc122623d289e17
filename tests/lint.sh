#!/bin/bash
# lint.sh - every Lisp file is as package-lint wants it.  What is left out, and why, is
# printed; anything else is an offence.  Debian: elpa-package-lint.
set -u
cd "$(dirname "$0")/.." || exit 1
folder=$(printf '%s\n' /usr/share/emacs/site-lisp/elpa/package-lint-[0-9]* | tail -n 1)
[ -d "$folder" ] || { echo 'SKIP: package-lint is not here (elpa-package-lint)'; exit 77; }

# Debian's is from before Emacs 28 was released, and says so of each package that needs it.
ignored='^efrit-mcp\.el:[0-9]+:[0-9]+: warning: This makes the package uninstallable in all released Emacs versions\.'
# A newer one knows which Emacs brings eglot, which here is an optional package with what was added later looked for.
ignored+='|^efrit-mcp-tools-lsp\.el:[0-9]+:[0-9]+: error: You should depend on \(emacs "[0-9.]+"\) if you need .eglot-'
lint() { # FILE...
	"${EMACS:-emacs}" -Q --batch -L "$folder" -L lisp --eval '(setq package-lint-main-file "lisp/efrit-mcp.el")' \
		-l package-lint -f package-lint-batch-and-exit "$@" 2>&1
}

# It sees what it should.
bad=$(mktemp --suffix=.el) || exit 1
trap 'rm -f "$bad"' EXIT
printf ';;; x.el --- X  -*- lexical-binding: t -*-\n;;; Code:\n(defun y () nil)\n(provide (quote x))\n;;; x.el ends here\n' >"$bad"
lint "$bad" >/dev/null && { echo 'package-lint found nothing in a bad file'; exit 1; }

said=$(lint lisp/efrit-mcp*.el | grep -E ':[0-9]+: (error|warning): ')
grep -E "$ignored" <<<"$said" | sed 's/^/left out: /'
offences=$(grep -vE "$ignored" <<<"$said" | grep .)
[ -z "$offences" ] && exit 0
echo "$offences"
exit 1
