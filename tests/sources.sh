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

# A source of the release itself, not of its updates.
uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
	awk -v name="$codename" '$2 == name { print $1; exit }')
[ -n "$uri" ] || skip "the apt sources name no mirror of ${codename:-this release}"

mkdir -p "$here/build"
new=$(mktemp -d "$here/build/sources.XXXXXX") || skip "build/ cannot be written"
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/lists/partial" "$new/cache/archives/partial" "$new/files"
key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$key" ] && signed="[signed-by=$key] "
printf '%s\n' "deb ${signed:-}$uri $codename main" "deb-src ${signed:-}$uri $codename main" >"$new/sources.list"
cat >"$new/apt.conf" <<EOF2
Dir::State::lists "$new/lists";
Dir::Cache "$new/cache";
Dir::Etc::sourcelist "$new/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
EOF2
[ "$(id -u)" = 0 ] && echo 'APT::Sandbox::User "root";' >>"$new/apt.conf"
export APT_CONFIG=$new/apt.conf

timeout 120 apt-get update >"$new/log" 2>&1 || skip "apt-get update failed: $(tail -n 1 "$new/log")"
cd "$new/files" || skip "build/ cannot be written"
timeout 60 apt-get source --tar-only --download-only ht-el >"$new/log" 2>&1 && timeout 60 apt-get download elpa-dash >>"$new/log" 2>&1 ||
	skip "it could not be fetched: $(grep -m 1 '^E:' "$new/log")"
mkdir "$new/ht" "$new/dash" "$new/root"
tar -xf ht-el_*.orig.tar.* -C "$new/ht" --strip-components=1 && dpkg -x elpa-dash_*.deb "$new/root" &&
	cp "$new"/root/usr/share/emacs/site-lisp/elpa-src/dash-*/dash.el "$new/dash/" || skip "what was fetched cannot be unpacked"
[ -e "$new/ht/ht.el" ] && [ -e "$new/ht/test/ht-test.el" ] || skip "what was fetched holds no ht.el with tests"
mkdir -p "$home" && rm -rf "$home/ht" "$home/dash" && mv "$new/ht" "$new/dash" "$home/"
