#!/bin/bash
# arrows.sh [FOLDER] - who may include whom: the arrows of the house, and three more rules a
# tree can break unseen: file names occur once, no file is longer than 600 lines, and the
# README.md of bridge/, module/ and lisp/ names every file there and none that is not.
# Each offence is a line "file:line: what".  First it shows itself that it sees one.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)

# Room by room what it may include besides itself.  "core/pipeline.h" is that one header.
arrows='
front   core/pipeline.h core/guard.h
core    mcp/ back/worker.h back/service.h back/pool.h back/process.h store/store.h store/spool.h watch/watch.h
back    wire/ mcp/
watch   store/store.h
mcp
store
main    front/ core/ back/ mcp/ store/ watch/ wire/
bridge
module  wire/
wire
'
# Everyone in bridge/ may include these.  request.h shows a buffer, so wire/buf.h comes with it;
# whoever opens a file that is believed does so by wire/trust.h.
everyone='request.h config.h config.def fleet_config.h fleet.def copy.h log.h near.h os.h share.h turn.h'

check() { # FOLDER
	local root=$1
	(cd "$root" && find bridge module -name '*.[ch]' -o -name '*.def' | sort | xargs -r -d '\n' awk -v arrows="$arrows" -v everyone="$everyone" '
	BEGIN {
		n = split(arrows, rows, "\n")
		for (i = 1; i <= n; i++) {
			k = split(rows[i], f, " ")
			known[f[1]] = 1
			for (j = 2; j <= k; j++) may[f[1], j - 1] = f[j]
			count[f[1]] = k - 1
		}
		k = split(everyone, f, " ")
		for (j = 1; j <= k; j++) free[f[j]] = 1
	}
	function room_of(path,  p, m) {
		m = split(path, p, "/")
		if (p[1] == "module") return p[2] == "wire" && m > 2 ? "wire" : "module"
		if (m > 2) return p[2]
		return p[m] ~ /^main_/ ? "main" : "bridge"
	}
	FNR == 1 { room = room_of(FILENAME); folder = FILENAME; sub(/[^\/]*$/, "", folder)
		if (!(room in known)) print FILENAME ":1: the room " room " has no arrows" }
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		name = $0; sub(/^[^"]*"/, "", name); sub(/".*/, "", name)
		side = FILENAME ~ /^module\// ? "module" : "bridge"
		if (name ~ /\.\./) { print FILENAME ":" FNR ": " name " leads out of its folder"; next }
		if (name !~ /\//) {
			if (side == "bridge" && name in free) next
			if ((getline line < (folder name)) >= 0) { close(folder name); next }
			print FILENAME ":" FNR ": " name " is neither here nor for everyone"; next
		}
		if (index(name, room "/") == 1) next
		if (side == "bridge" && (name == "wire/buf.h" || name == "wire/trust.h")) next
		if (room == "bridge" && side == "bridge") { own = FILENAME; sub(/.*\//, "", own) }
		for (i = 1; i <= count[room]; i++)
			if (may[room, i] == name || (may[room, i] ~ /\/$/ && index(name, may[room, i]) == 1)) next
		print FILENAME ":" FNR ": " room " may not include " name
	}')
	(cd "$root" && find bridge module lisp -type f -name '*.[ch]' -o -type f -name '*.el' | sort | xargs -r -d '\n' wc -l |
		awk '$2 != "total" && $1 > 600 { print $2 ":" $1 ": longer than 600 lines" }')
	(cd "$root" && find bridge module lisp tests -type f \( -name '*.c' -o -name '*.h' -o -name '*.el' \) ! -path 'tests/unit/*' ! -path 'tests/fuzz/*' ! -path 'tests/bench/*' ! -path 'tests/lisp/*' |
		sed 's|.*/||' | sort | uniq -d | sed 's|$|:1: a name that occurs twice|')
	(cd "$root" && unnamed)
}

# Words that a name is looked for in: without its ending, and `-x` for efrit-mcp-x.
plain() { sed -E 's/[.]+$//; s/[.][a-z]+$//; s/^efrit-mcp-/-/' | LC_ALL=C sort -u; }
unnamed() {
	local folder name
	for folder in bridge module lisp; do
		[ -e "$folder/README.md" ] || continue
		find "$folder" -name '*.c' -o -name 'efrit-mcp-*.el' ! -name '*-autoloads.el' ! -name '*-pkg.el' | sed 's|.*/||' | plain |
			LC_ALL=C comm -23 - <(grep -oE '[A-Za-z0-9_.-]+' "$folder/README.md" | plain) | sed "s|^|$folder/README.md:1: does not name |"
		grep -oE '`[A-Za-z0-9_-]+[.](c|h|def|el)`' "$folder/README.md" | tr -d '`' | sort -u | while read -r name; do
			[ -n "$(find bridge module lisp tests -name "$name" -print -quit)" ] || echo "$folder/README.md:1: names $name, which is not there"
		done
	done
}

# A tree with one offence of each kind: all of them must be seen, and nothing else.
prove() {
	local tree
	tree=$(mktemp -d) || exit 1
	trap 'rm -rf "$tree"' RETURN
	mkdir -p "$tree"/{module/wire,bridge/{mcp,core,back,front,store},lisp,tests}
	echo '#include "wire/wire.h"' >"$tree/module/queue.c"
	echo '#include "request.h"' >"$tree/module/server.c"                 # 1: no bridge in the module
	touch "$tree"/module/wire/wire.h "$tree"/bridge/{request,log}.h "$tree"/bridge/mcp/{era,jsonrpc}.h "$tree"/bridge/back/{emacs,worker}.h
	printf '#include "request.h"\n#include "mcp/era.h"\n#include "era.h"\n' >"$tree/bridge/mcp/era.c"
	printf '#include "mcp/era.h"\n#include "back/worker.h"\n#include "back/emacs.h"\n' >"$tree/bridge/core/route.c" # 2
	printf '#include "wire/wire.h"\n' >"$tree/bridge/mcp/jsonrpc.c"       # 3
	printf '#include "../mcp/era.h"\n' >"$tree/bridge/front/stdio.c"      # 4
	printf '#include "front/stdio.h"\n#include "wire/wire.h"\n' >"$tree/bridge/main_bridge.c"
	seq 601 >"$tree/lisp/long.el"                                         # 5
	touch "$tree/bridge/core/era.h"                                       # 6
	touch "$tree"/lisp/efrit-mcp-{here,there}.el                          # 7
	echo 'The file `-here`, and `gone.el`.' >"$tree/lisp/README.md"       # 8
	local seen
	seen=$(check "$tree" | cut -d: -f1 | sort | tr '\n' ' ')
	[ "$seen" = "bridge/core/route.c bridge/front/stdio.c bridge/mcp/jsonrpc.c era.h lisp/README.md lisp/README.md lisp/long.el module/server.c " ] ||
		{ echo "arrows.sh does not see what it should: $seen"; exit 1; }
}

prove
offences=$(check "${1:-$here}")
[ -z "$offences" ] && exit 0
echo "$offences"
exit 1
