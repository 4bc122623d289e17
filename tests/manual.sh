#!/bin/bash
# manual.sh - lisp/efrit-mcp.texi: what is made from the Lisp is up to date, Texinfo has
# nothing to complain of, and every setting, command and tool has its place in it and in
# its index, so that C-h S and `i' find them.
set -u
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0
wrong() {
	echo "WRONG: $*"
	bad=1
}

cp lisp/efrit-mcp.texi "$tmp/made.texi"
"${EMACS:-emacs}" -Q --batch -L lisp -l efrit-mcp-manual -f efrit-mcp-manual-write "$tmp/made.texi" || exit 1
diff lisp/efrit-mcp.texi "$tmp/made.texi" || wrong 'lisp/efrit-mcp.texi is not what the Lisp says: make info'

command -v makeinfo >/dev/null || { echo 'SKIP: there is no makeinfo here'; exit 77; }
said=$(makeinfo --no-split -o "$tmp/efrit-mcp.info" lisp/efrit-mcp.texi 2>&1) || wrong 'makeinfo failed'
[ -z "$said" ] || wrong "makeinfo says: $said"

# Looked for in the sources themselves, not by what makes the manual.
{
	sed -n 's/^(defcustom \([^ ]*\).*/\1/p' lisp/*.el
	sed -n 's/^(efrit-mcp-define-tool \([^ ]*\).*/\1/p' lisp/*.el | tr - _
	awk '/^\((cl-)?defun / { name = $2 } /^\(define-minor-mode / { print $2 } /^  \(interactive/ { print name }' lisp/*.el
} | sort -u >"$tmp/names"
[ "$(wc -l <"$tmp/names")" -gt 20 ] || wrong "only these were found: $(tr '\n' ' ' <"$tmp/names")"
index=$(tr -d "\000" <"$tmp/efrit-mcp.info" | sed -n "/File: .*Node: Index/,\$p")
while read -r name; do
	grep -qE "^ -- .*: $name( |\$)" "$tmp/efrit-mcp.info" || wrong "$name is not described"
	grep -qE "^\* $name(| <[0-9]+>): " <<<"$index" || wrong "$name is not in the index"
done <"$tmp/names"

# Every menu leads somewhere: makeinfo has checked that; every chapter is in the first menu.
for chapter in $(sed -n 's/^@node \([^,]*\)$/\1/p' lisp/efrit-mcp.texi | tr ' ' _); do
	[ "$chapter" = Top ] || grep -q "^\* ${chapter//_/ }::" lisp/efrit-mcp.texi || wrong "the chapter ${chapter//_/ } is in no menu"
done
exit $bad
