#!/bin/bash
# sources.sh - a real Lisp project for the tests to work on, unpacked into build/sources and
# not installed: ht.el with its tests, and dash.el, which it needs; both as Debian packages
# them, of the mirror this machine uses.  Prints nothing when they are there; ends with 77
# and one line when they cannot be had.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
home=$here/build/sources

skip() { echo "SKIP: no project to work on: $1"; exit 77; }

[ -e "$home/ht/ht.el" ] && [ -e "$home/dash/dash.el" ] && exit 0
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "there is no apt-get or dpkg here"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

. "$here/tests/apt.sh"
fail() { apt_give_up "no project to work on" "$1"; }
apt_alone "$home"
[ -e "$home/ht/ht.el" ] && [ -e "$home/dash/dash.el" ] && exit 0 # another one has made it
new=$(mktemp -d "$here/build/sources.XXXXXX") || fail "build/ cannot be written"
trap 'rm -rf "$new"' EXIT
why=$(apt_of_its_own "$new" "$codename" "$codename" "sources:$codename") || fail "$why"
export APT_CONFIG=$new/apt.conf
why=$(apt_unpack "$new" elpa-dash) || fail "$why"
(cd "$new/debs" && timeout 60 apt-get source --tar-only --download-only ht-el) >"$new/log" 2>&1 ||
	fail "ht-el could not be fetched: $(grep -m 1 '^E:' "$new/log")"
mkdir "$new/ht" "$new/dash"
tar -xf "$new"/debs/ht-el_*.orig.tar.* -C "$new/ht" --strip-components=1 &&
	cp "$new"/tree/usr/share/emacs/site-lisp/elpa-src/dash-*/dash.el "$new/dash/" || fail "what was fetched cannot be unpacked"
[ -e "$new/ht/ht.el" ] && [ -e "$new/ht/test/ht-test.el" ] || fail "what was fetched holds no ht.el with tests"
mkdir -p "$home" && rm -rf "$home/ht" "$home/dash" && mv "$new/ht" "$new/dash" "$home/"
