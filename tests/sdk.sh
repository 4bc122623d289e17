#!/bin/bash
# sdk.sh v1|v2|inspector|http - a session with an official MCP client over stdio or HTTP, against the real
# bridge and a real Emacs.  The clients come from npm into build/npm, once; where they cannot
# be had it ends with 77 and one line.
set -u
: "${XDG_RUNTIME_DIR:?must be a folder for the sockets of this test}"
cd "$(dirname "$0")/.." || exit 1
ROOT=$PWD
BRIDGE=$ROOT/${B:-build}/efrit-bridge
EMACS=${EMACS:-emacs}
EFRIT_MCP_FOLDERS=$XDG_RUNTIME_DIR/efrit # and no other Emacs of the person
export ROOT BRIDGE EMACS EFRIT_MCP_FOLDERS
home=$ROOT/build/npm

skip() { echo "SKIP: the official clients: $1"; exit 77; }

enough_node() { # the Inspector needs 22.19
	"$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 19) ? 0 : 1)' 2>/dev/null
}

install() {
	command -v node >/dev/null && command -v npm >/dev/null || skip "there is no node or npm here"
	local extra=()
	enough_node node || extra=(node@22)
	rm -rf "$home.new"
	mkdir -p "$home.new" && cp tests/sdk/package.json "$home.new/" || exit 1
	# The person's own npm settings count, not those of a test's empty home.
	(cd "$home.new" && HOME=$(getent passwd "$(id -u)" | cut -d: -f6) timeout 240 \
		npm install --no-package-lock --no-audit --no-fund --loglevel=error "${extra[@]}") >"$home.new/install.log" 2>&1 ||
		skip "npm cannot install them: $(grep -m 1 . "$home.new/install.log")"
	cp tests/sdk/package.json "$home.new/installed.json"
	rm -rf "$home"
	mv "$home.new" "$home"
}

cmp -s tests/sdk/package.json "$home/installed.json" || install
node=$home/node_modules/node/bin/node
[ -x "$node" ] || node=$(command -v node)
work=$(mktemp -d) || exit 1 # others may use the same clients at the same time
cp tests/sdk/*.mjs tests/sdk/package.json "$work/" && ln -s "$home/node_modules" "$work/node_modules" || exit 1
cd "$work" || exit 1
case ${1:-} in
v1 | v2) exec "$node" "sdk_$1.mjs" ;;
inspector | http) exec "$node" "$1.mjs" ;;
node) echo "$node" ;; # for tests/bench: the clients are there, and this runs them
*) echo "usage: $0 v1|v2|inspector|http|node" >&2; exit 2 ;;
esac
