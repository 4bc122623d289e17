#!/bin/bash
# package.sh - installed as a person does it: by package-vc-install and by use-package :vc,
# from a repository made of this tree, into a folder of its own.  The commands are there
# without require, the module is built on request and found, and a bridge gets an answer.
# Needs Emacs 30 (lisp-dir in package-vc); with none here it ends with 77.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
command -v git >/dev/null || { echo 'SKIP: there is no git here'; exit 77; }

new_enough() { "$1" -Q --batch --eval '(kill-emacs (if (>= emacs-major-version 30) 0 1))' >/dev/null 2>&1; }
emacs=${EMACS:-emacs}
new_enough "$emacs" || emacs=$root/build/emacs30/emacs
new_enough "$emacs" || { echo 'SKIP: package-vc knows :lisp-dir from Emacs 30 on, and there is none here'; exit 77; }

tmp=$(mktemp -d)
emacs_pid=
clean_up() {
	[ -n "$emacs_pid" ] && kill "$emacs_pid" 2>/dev/null && wait "$emacs_pid" 2>/dev/null
	rm -rf "$tmp"
}
trap clean_up EXIT
mkdir -m 700 "$tmp/x" "$tmp/home"
export HOME=$tmp/home XDG_RUNTIME_DIR=$tmp/x XDG_CONFIG_HOME=$tmp/home/.config EFRIT_MCP_FOLDERS=$tmp/x/efrit LC_ALL=C.UTF-8
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@localhost GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@localhost
export EMACS=$emacs # the module is built on request with this one
unset EFRIT_MCP_MODULE EFRIT_MCP_INSTANCE MAKEFLAGS MAKELEVEL CI SAN OS B

# A repository as others clone it: nothing that was built is in it.
mkdir "$tmp/repository"
tar -C "$root" --exclude=./build --exclude=./.git --exclude='*.elc' -cf - . | tar -C "$tmp/repository" -xf -
git -C "$tmp/repository" -c init.defaultBranch=main init -q &&
	git -C "$tmp/repository" add -A && git -C "$tmp/repository" commit -qm 'as it is' || exit 1

quiet='(setq native-comp-jit-compilation nil package-archives nil package-check-signature nil package-native-compile nil
	vc-handled-backends (list (quote Git)) make-backup-files nil)'
installed=$HOME/.emacs.d/elpa/efrit-mcp

run() { # WHAT FORM...: an Emacs of its own; its last output in $out
	local what=$1 forms=()
	shift
	for form; do forms+=(--eval "$form"); done
	out=$("$emacs" -Q --batch --eval "$quiet" "${forms[@]}" 2>&1) && return
	printf 'WRONG: %s\n%s\n' "$what" "$out"
	exit 1
}
# True in an Emacs that has only activated its packages.
callable='(dolist (name (quote (efrit-mcp-mode efrit-mcp-doctor efrit-mcp-stop-all efrit-mcp-resume efrit-mcp-interrupt
	efrit-mcp-events efrit-mcp-status efrit-mcp-serve efrit-mcp-native-build efrit-mcp-http-start efrit-mcp-http-stop
	efrit-mcp-http-copy-token efrit-mcp-define-tool)))
	(unless (and (autoloadp (symbol-function name)) (or (commandp name) (memq name (quote (efrit-mcp-serve efrit-mcp-define-tool)))))
	  (error "%s is not autoloaded, or no command" name)))'
unloaded='(when (featurep (quote efrit-mcp)) (error "it was loaded already"))'
spec="(:url \"file://$tmp/repository\" :vc-backend Git :lisp-dir \"lisp/\" :doc \"lisp/efrit-mcp.texi\")"

# --- package-vc-install ---
run 'package-vc-install' "(package-vc-install '(efrit-mcp . $spec))"
# Two files Emacs writes itself, and complains of them.
grep -i 'warning' <<<"$out" | grep -qvE '^efrit-mcp-(autoloads|pkg)\.el:' && { printf 'WRONG: a warning while it is installed\n%s\n' "$out"; exit 1; }
[ -e "$installed/lisp/efrit-mcp.elc" ] || { echo "WRONG: not compiled: $out"; exit 1; }
if command -v makeinfo install-info >/dev/null; then
	[ -e "$installed/efrit-mcp.info" ] && [ -e "$installed/dir" ] || { echo "WRONG: no manual: $out"; exit 1; }
fi
[ -z "$(find "$installed/tests" -name '*.elc')" ] || { echo 'WRONG: the tests were compiled too (.elpaignore)'; exit 1; }
run 'autoloads' '(package-activate-all)' "$unloaded" "$callable"
run 'stop-all without a server says so' '(package-activate-all)' \
	'(condition-case e (progn (efrit-mcp-stop-all) (kill-emacs 1)) (user-error (message "%s" (cadr e))))'
# Without the module the mode says what to do; in batch nobody is asked.
run 'the mode without the module' '(package-activate-all)' \
	'(condition-case e (progn (efrit-mcp-mode 1) (kill-emacs 1)) (user-error (message "%s" (cadr e))))'
[[ $out == *'is not built: run'*"elpa/efrit-mcp"* ]] || { echo "WRONG: what the mode says without a module: $out"; exit 1; }
# A tool of the person's own in their init file needs no require either.
run 'define-tool' '(package-activate-all)' '(efrit-mcp-define-tool my-own "Mine." () (:read-only t) "x")'
run 'the build' '(package-activate-all)' '(unless (efrit-mcp-native-build) (princ (with-current-buffer "*efrit-mcp-build*" (buffer-string))) (kill-emacs 1))'
[ -e "$installed/build/efrit-mcp-module.so" ] && [ -x "$installed/build/efrit-bridge" ] || { echo "WRONG: nothing was built: $out"; exit 1; }
[ -z "$(git -C "$installed" status --porcelain --untracked-files=no)" ] || { echo "WRONG: the build changed what git has: $(git -C "$installed" status --short)"; exit 1; }

# --- use-package :vc, as it stands in README, and an agent's way to it ---
mv "$installed/build" "$tmp/built" # twice the same would be built
rm -rf "$HOME/.emacs.d"
mkdir "$HOME/.emacs.d"
awk '/^\(use-package efrit-mcp/ { on = 1 } on { print } /^```/ { on = 0 }' README.md | grep -v '^```' >"$tmp/use.el"
grep -q ':vc' "$tmp/use.el" || { echo 'WRONG: README has no (use-package efrit-mcp :vc'; exit 1; }
sed "s|https://[^\"]*|file://$tmp/repository|" "$tmp/use.el" >"$tmp/here.el"
sed -i 's|:url "|:vc-backend Git :url "|' "$tmp/here.el"
grep -q "file://$tmp/repository" "$tmp/here.el" || { echo 'WRONG: no address in what README says'; exit 1; }
# The first time nothing is built, and the mode says so; use-package only warns.
run 'use-package :vc' '(require (quote use-package))' "(load \"$tmp/here.el\")" '(unless (package-installed-p (quote efrit-mcp)) (kill-emacs 1))'
cp -a "$tmp/built" "$installed/build"
"$emacs" -Q --fg-daemon=pkg --eval "$quiet" --eval '(package-activate-all)' -l "$tmp/here.el" >"$tmp/log" 2>&1 &
emacs_pid=$!
for _ in $(seq 3000); do
	[ -S "$tmp/x/efrit/pkg.sock" ] && break
	kill -0 "$emacs_pid" 2>/dev/null || break
	timeout 0.01 tail --pid="$emacs_pid" -f /dev/null
done
out=$(timeout 60 "$installed/build/efrit-bridge" call efrit_execute '{"content":"(list (featurep (quote efrit-mcp-module)) (locate-library \"efrit-mcp\"))"}' 2>&1) &&
	[[ $out == *"$installed/lisp/efrit-mcp.el"* ]] || { printf 'WRONG: no answer: %s\n' "$out"; cat "$tmp/log"; exit 1; }
out=$(timeout 60 "$installed/build/efrit-bridge" doctor 2>&1) || { printf 'WRONG: %s\n' "$out"; exit 1; }
exit 0
