#!/bin/bash
# emacs30.sh - a second Emacs for the tests, unpacked into build/emacs30 and not installed:
# 30.1 from bookworm-backports, of the mirror this machine uses.  Prints nothing and
# ends with 0 when build/emacs30/emacs is there; ends with 77 and one line when there
# is no need for it or it cannot be had.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
home=$here/build/emacs30
release=bookworm-backports

skip() { echo "SKIP: no second Emacs: $1"; exit 77; }

[ -x "$home/emacs" ] && "$home/emacs" --version >/dev/null 2>&1 && exit 0
major=$("${EMACS:-emacs}" --version 2>/dev/null | sed -n '1s/^GNU Emacs \([0-9]*\).*/\1/p')
[ "${major:-0}" -ge 30 ] && skip "the one on PATH is $major already"
command -v apt-get >/dev/null && command -v dpkg >/dev/null || skip "there is no apt-get or dpkg here"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$codename" = bookworm ] || skip "30.1 is taken from $release, and this is ${codename:-no Debian}"

# The machine's own source of the release: "URI keyring", from either format.
own_source() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v name="$codename" '
		$1 == "deb" { key = ""; i = 2
			if ($2 ~ /^\[/) { while ($i !~ /\]$/) i++; if (match($0, /signed-by=[^] ]*/)) key = substr($0, RSTART + 10, RLENGTH - 10); i++ }
			if ($(i + 1) == name) { print $i, key; exit } }'
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v name="$codename" '
		function done() { if (uri && (" " suites " ") ~ (" " name " ") && !said) { print uri, key; said = 1 } uri = suites = key = "" }
		/^[ \t]*$/ { done() }
		tolower($1) == "uris:" { uri = $2 }
		tolower($1) == "suites:" { $1 = ""; suites = $0 }
		tolower($1) == "signed-by:" { key = $2 }
		END { done() }'
}
read -r uri key < <(own_source; echo)
[ -n "${uri:-}" ] || skip "the apt sources name no mirror of $codename"

mkdir -p "$here/build"
new=$(mktemp -d "$here/build/emacs30.XXXXXX") || skip "build/ cannot be written"
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/lists/partial" "$new/cache/archives/partial" "$new/debs"
for suite in "$release" "$codename"; do
	echo "deb ${key:+[signed-by=$key] }$uri $suite main"
done >"$new/sources.list"

# A configuration file and not -o: the folder's name may hold spaces.
cat >"$new/apt.conf" <<EOF
Dir::State::lists "$new/lists";
Dir::Cache "$new/cache";
Dir::Etc::sourcelist "$new/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
EOF
[ "$(id -u)" = 0 ] && echo 'APT::Sandbox::User "root";' >>"$new/apt.conf"
export APT_CONFIG=$new/apt.conf

packages=("emacs-nox/$release" "emacs-bin-common/$release" "emacs-common/$release" "emacs-el/$release" libtree-sitter0)
ldconfig -p 2>/dev/null | grep -q 'libgccjit\.so\.0' || packages+=(libgccjit0)
timeout 120 apt-get update >"$new/log" 2>&1 || skip "apt-get update failed: $(tail -n 1 "$new/log")"
(cd "$new/debs" && timeout 300 apt-get download "${packages[@]}") >"$new/log" 2>&1 ||
	skip "apt-get download failed: $(grep -m 1 '^E:' "$new/log")"
for deb in "$new"/debs/*.deb; do
	dpkg -x "$deb" "$new/root" || skip "$(basename "$deb") cannot be unpacked"
done

cat >"$new/emacs" <<'EOF'
#!/bin/sh
# Emacs as it was unpacked beside this file, wherever that is.
root=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)/root
one() { printf '%s\n' "$1"; }
share=$(one "$root"/usr/share/emacs/[0-9]*)
libexec=$(one "$root"/usr/libexec/emacs/[0-9]*/*)
LD_LIBRARY_PATH=$(one "$root"/usr/lib/*-linux-*)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
EMACSLOADPATH=$share/lisp EMACSDATA=$share/etc EMACSDOC=$share/etc EMACSPATH=$libexec
export LD_LIBRARY_PATH EMACSLOADPATH EMACSDATA EMACSDOC EMACSPATH
exec "$root/usr/bin/emacs-nox" --dump-file "$(one "$libexec"/*.pdmp)" "$@"
EOF
chmod +x "$new/emacs"
"$new/emacs" -Q --batch --eval '(kill-emacs 0)' >"$new/log" 2>&1 || skip "it does not run: $(tail -n 1 "$new/log")"
rm -rf "$new/debs" "$new/lists" "$new/cache" "$home"
chmod 755 "$new"
mv "$new" "$home"
trap - EXIT
"$home/emacs" --version | head -n 1
