#!/bin/bash
# emacsx.sh - a graphical Emacs (emacs-gtk) of the version of $EMACS, unpacked into
# build/emacsx-VERSION and not installed, with the libraries this machine misses.  Prints
# its path and ends with 0; ends with 77 and one line when it cannot be had.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)

skip() { echo "SKIP: no graphical Emacs: $1"; exit 77; }

emacs=$(readlink -f "$(command -v "${EMACS:-emacs}")")
version=$("$emacs" --version 2>/dev/null | sed -n '1s/^GNU Emacs \([0-9.]*\).*/\1/p')
[ -n "$version" ] || skip "there is no Emacs to go by"
home=$here/build/emacsx-$version
command -v Xvfb >/dev/null || skip "there is no Xvfb here"
[ -x "$home/emacs" ] && "$home/emacs" --version >/dev/null 2>&1 && echo "$home/emacs" && exit 0
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "there is no apt-get or dpkg here"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$codename" ] || skip "this is no Debian"
system=$(dpkg-query -W -f '${Version}' emacs-common 2>/dev/null | sed 's/^.*:\([0-9.]*\).*/\1/')
release=$codename
[ "$version" = "$system" ] || release=$codename-backports

. "$here/tests/apt.sh"
fail() { apt_give_up "no graphical Emacs" "$1"; }
apt_alone "$home"
[ -x "$home/emacs" ] && "$home/emacs" --version >/dev/null 2>&1 && echo "$home/emacs" && exit 0 # another one has made it
new=$(mktemp -d "$here/build/emacsx.XXXXXX") || fail "build/ cannot be written"
trap 'rm -rf "$new"' EXIT
why=$(apt_of_its_own "$new" "$codename" "$release" "$codename" "$codename-updates") || fail "$why"
export APT_CONFIG=$new/apt.conf
candidate=$(apt-cache madison emacs-gtk | awk -v release="$release/" -v version="$version" '
	{ upstream = $3; sub(/^[0-9]*:/, "", upstream); sub(/[+].*/, "", upstream) } upstream == version && index($0, " " release) { print $3; exit }')
[ -n "$candidate" ] || skip "$release has no emacs-gtk $version"
# Its version of what all Emacsen share, and whatever library is not installed.
packages=("emacs-gtk=$candidate" "emacs-bin-common=$candidate" "emacs-common=$candidate" "emacs-el=$candidate")
# What it needs and this machine has not: what an installation would bring.
mapfile -t libraries < <(apt-get install -s --no-install-recommends -t "$release" "emacs-gtk=$candidate" 2>/dev/null |
	awk '$1 == "Inst" && $2 !~ /^(emacs|install-info)/ { version = $3 ~ /^\[/ ? $4 : $3; gsub(/[()]/, "", version); print $2 "=" version }')
why=$(apt_unpack "$new" "${packages[@]}" "${libraries[@]}") || fail "$why"

apt_databases "$new" || fail "its kinds of files are not known: $(tail -n 1 "$new/log")"
apt_emacs "$new" emacs-gtk || fail "what was fetched holds no emacs-gtk"
"$new/emacs" -Q --batch --eval '(kill-emacs (if (fboundp (quote x-export-frames)) 0 3))' >"$new/log" 2>&1 ||
	fail "it does not run: $(tail -n 1 "$new/log")"
apt_settle "$new" "$home"
trap - EXIT
echo "$home/emacs"
