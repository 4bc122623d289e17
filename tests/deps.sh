#!/bin/bash
# deps.sh build|demo|manual|test|bench - installs what is missing: to build, to show it, to make
# its manual, to test it, or to count its instructions.
# With apt as root or through sudo that asks nothing; otherwise it names the packages.
# Quick when nothing is missing.
set -u
level=${1:-build}
case $level in build | demo | manual | test | bench) ;; *) echo "usage: $0 build|demo|manual|test|bench" >&2; exit 2 ;; esac

want=()
command_from() { command -v "$1" >/dev/null || want+=("$2"); }

emacs_is_new_enough() {
	local version
	version=$("${EMACS:-emacs}" --version 2>/dev/null | sed -n '1s/^GNU Emacs \([0-9]*\.[0-9]*\).*/\1/p')
	[ -n "$version" ] && [ "$(printf '28.1\n%s\n' "$version" | sort -V | head -n 1)" = 28.1 ]
}

# A library is there when its header is, in the plain folder or in an architecture's.
header_from() {
	local found
	for found in /usr/include/"$1" /usr/include/*-linux-*/"$1" /usr/local/include/"$1"; do
		[ -e "$found" ] && return
	done
	want+=("$2")
}

command_from "${CC:-gcc}" gcc
command_from make make
command_from pkg-config pkg-config
header_from stdio.h libc6-dev
header_from ev.h libev-dev
header_from jansson.h libjansson-dev
header_from pcre2.h libpcre2-dev
header_from sodium.h libsodium-dev
header_from sqlite3.h libsqlite3-dev
header_from openssl/ssl.h libssl-dev
if [ ! -e /usr/share/llhttp/llhttp.c ] && [ ! -e /usr/include/llhttp.h ]; then # a library in newer releases, sources before
	if [ -n "$(apt-cache madison libllhttp-dev 2>/dev/null)" ]; then want+=(libllhttp-dev); else want+=(node-llhttp); fi
fi
emacs_is_new_enough || want+=(emacs-nox)
case $level in demo | test | bench) command_from python3 python3 ;; esac
case $level in manual | test) command_from makeinfo texinfo ;; esac
[ "$level" = bench ] && command_from valgrind valgrind
if [ "$level" = test ]; then
	header_from cmocka.h libcmocka-dev
	command_from ps procps
	command_from tmux tmux
	command_from node nodejs
	command_from npm npm
	command_from readelf binutils
	command_from git git
	command_from openssl openssl
	command_from systemd-analyze systemd
	command_from patch patch
	command_from pylsp python3-pylsp
	command_from Xvfb xvfb
	command_from xdotool xdotool
	[ -n "$(fc-list 2>/dev/null | head -n 1)" ] || want+=(fontconfig fonts-dejavu-core)
	command_from clangd clangd
	[ -d /usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance ] || want+=(libtest-json-schema-acceptance-perl)
	compgen -G '/usr/share/emacs/site-lisp/elpa*/package-lint-*' >/dev/null || want+=(elpa-package-lint)
fi
# What needs no installing; where its mirror is out of reach a test says that it is skipped.
if [ "$level" = test ]; then
	"$(dirname "$0")/sources.sh"
	case $? in 0 | 77) ;; *) exit 1 ;; esac
fi
[ ${#want[@]} = 0 ] && exit 0

echo "missing: ${want[*]}"
if ! command -v apt-get >/dev/null; then
	echo "there is no apt-get here: install what these Debian packages hold, then try again" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
	as_root=(sudo -n)
	if ! sudo -n true 2>/dev/null; then
		echo "not root, and sudo would ask for a password.  Run this, then try again:" >&2
		echo "    apt-get install ${want[*]}" >&2
		exit 1
	fi
fi
install() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${want[@]}"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if install >"$log" 2>&1 || { "${as_root[@]}" apt-get update >"$log" 2>&1 && install >"$log" 2>&1; }; then
	echo "installed: ${want[*]}"
	exit 0
fi
tail -n 20 "$log" >&2
echo "these could not be installed: ${want[*]}" >&2
exit 1
