#!/bin/bash
# emacs30.sh - a second Emacs for the tests, unpacked into build/emacs30 and not installed:
# 30.1 from bookworm-backports, of the mirror this machine uses.  Prints nothing and
# ends with 0 when build/emacs30/emacs is there; ends with 3 and one line when there is no need
# for it, with 77 when the mirror is out of reach or this is no Debian of that release.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
home=$here/build/emacs30
release=bookworm-backports

skip() { echo "SKIP: no second Emacs: $1"; exit 77; }

[ -x "$home/emacs" ] && "$home/emacs" --version >/dev/null 2>&1 && exit 0
major=$("${EMACS:-emacs}" --version 2>/dev/null | sed -n '1s/^GNU Emacs \([0-9]*\).*/\1/p')
[ "${major:-0}" -ge 30 ] && { echo "one Emacs is enough: the one on PATH is $major"; exit 3; }
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "there is no apt-get or dpkg here"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$codename" = bookworm ] || skip "30.1 is taken from $release, and this is ${codename:-no Debian}"

. "$here/tests/apt.sh"
fail() { apt_give_up "no second Emacs" "$1"; }
apt_alone "$home"
[ -x "$home/emacs" ] && "$home/emacs" --version >/dev/null 2>&1 && exit 0 # another one has made it
new=$(mktemp -d "$here/build/emacs30.XXXXXX") || fail "build/ cannot be written"
trap 'rm -rf "$new"' EXIT
why=$(apt_of_its_own "$new" "$codename" "$release" "$codename") || fail "$why"
export APT_CONFIG=$new/apt.conf

packages=("emacs-nox/$release" "emacs-bin-common/$release" "emacs-common/$release" "emacs-el/$release" libtree-sitter0)
ldconfig -p 2>/dev/null | grep -q 'libgccjit\.so\.0' || packages+=(libgccjit0)
why=$(apt_unpack "$new" "${packages[@]}") || fail "$why"

apt_emacs "$new" emacs-nox || fail "what was fetched holds no emacs-nox"
"$new/emacs" -Q --batch --eval '(kill-emacs 0)' >"$new/log" 2>&1 || fail "it does not run: $(tail -n 1 "$new/log")"
apt_settle "$new" "$home"
trap - EXIT
"$home/emacs" --version | head -n 1
