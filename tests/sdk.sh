#!/bin/bash
# sdk.sh v1|v2|inspector|http - a session with an official MCP client over stdio or HTTP, against the real
# bridge and a real Emacs.  The clients come from npm into build/npm, once (`ready' does no more); where
# the registry is out of reach it ends with 77 and one line.
set -u
cd "$(dirname "$0")/.." || exit 1
ROOT=$PWD
BRIDGE=$ROOT/${B:-build}/efrit-bridge
EMACS=${EMACS:-emacs}
EFRIT_MCP_FOLDERS=${XDG_RUNTIME_DIR:-}/efrit # and no other Emacs of the person
export ROOT BRIDGE EMACS EFRIT_MCP_FOLDERS
home=$ROOT/build/npm

enough_node() { # the Inspector needs 22.19
	"$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 19) ? 0 : 1)' 2>/dev/null
}

. tests/npm.sh
extra=()
enough_node node || extra=(node@22)
npm_folder "the official clients" "$home" tests/sdk/package.json "${extra[@]}"
[ "${1:-}" = ready ] && exit 0
: "${XDG_RUNTIME_DIR:?must be a folder for the sockets of this test}"
node=$home/node_modules/node/bin/node
[ -x "$node" ] || node=$(command -v node)
work=$(mktemp -d) || exit 1 # others may use the same clients at the same time
cp tests/sdk/*.mjs tests/sdk/package.json "$work/" && ln -s "$home/node_modules" "$work/node_modules" || exit 1
cd "$work" || exit 1
case ${1:-} in
v1 | v2) exec "$node" "sdk_$1.mjs" ;;
inspector | http) exec "$node" "$1.mjs" ;;
node) echo "$node" ;; # for tests/bench: the clients are there, and this runs them
*) echo "usage: $0 ready|v1|v2|inspector|http|node" >&2; exit 2 ;;
esac
