#!/bin/bash
# eglot.sh - eglot for an Emacs that has none, unpacked into build/eglot and not installed:
# Debian's elpa-eglot.  Prints the folder for -L and ends with 0, also when it was there
# before; ends with 77 and one line when it cannot be had.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
home=$here/build/eglot

skip() { echo "SKIP: no eglot: $1"; exit 77; }
found() { compgen -G "$home/tree/usr/share/emacs/site-lisp/elpa-src/eglot-*/eglot.el"; }

file=$(found) && { dirname "$file"; exit 0; }
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "there is no apt-get or dpkg here"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
. "$here/tests/apt.sh"
fail() { apt_give_up "no eglot" "$1"; }
apt_alone "$home"
file=$(found) && { dirname "$file"; exit 0; }
new=$(mktemp -d "$here/build/eglot.XXXXXX") || fail "build/ cannot be written"
trap 'rm -rf "$new"' EXIT
why=$(apt_of_its_own "$new" "$codename" "$codename") || fail "$why"
export APT_CONFIG=$new/apt.conf
why=$(apt_unpack "$new" elpa-eglot) || fail "$why"
apt_settle "$new" "$home"
trap - EXIT
file=$(found) || fail "the package holds no eglot.el"
dirname "$file"
