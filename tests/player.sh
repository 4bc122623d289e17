#!/bin/bash
# player.sh - does tests/talk.py see what goes wrong?  It plays against a stand-in for the
# bridge; talks that are true must pass and talks that are not must fail.
set -u
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/bridge.py" <<'EOF'
import json, sys
for line in sys.stdin.buffer:
    try:
        m = json.loads(line)
    except ValueError:
        m = {"id": None, "params": {"say": "bad"}}
    say = m.get("params", {}).get("say", "echo")
    if say == "exit":
        sys.exit(3)
    if say == "garbage":
        print("no json", flush=True)
    elif say != "nothing":
        text = json.dumps({"said": m.get("params"), "list": [1, 2, 3]})
        print(json.dumps({"jsonrpc": "2.0", "id": m.get("id"), "result": {"content": [{"type": "text", "text": text}]}}), flush=True)
sys.stderr.write("the end\n")
EOF
bad=0
play() { # WANTED-STATUS, talk on stdin
	cat >"$tmp/t.talk"
	BRIDGE="python3 $tmp/bridge.py" python3 tests/talk.py "$tmp/t.talk" >"$tmp/log" 2>&1
	local status=$?
	[ $status = "$1" ] && return
	echo "a talk ended with $status, not $1:"
	cat "$tmp/t.talk" "$tmp/log"
	bad=1
}

play 0 <<'EOF'
# every kind of step that needs no Emacs
bridge
C> {"id":1,"params":{"a":"b"}}
S< {"id":1,"result":{"content":["..."]}}
T< {"said":{"a":"~^b$","c":"!absent"},"list":[1,"...",3]}
text "~said.*list"
keep x /list/1
C> {"id":2,"params":{"n":$x}}
C> {"id":3,
  "params":{}}
S<3 {"id":3}
T<2 {"said":{"n":2}}
raw "not json\n" * 2
S< {"id":null}
S< {"id":null}
C> {"id":4,"params":{"say":"nothing"}}
no answer within 50ms
file $XDG exists
file $XDG mode 0700
file $XDG/efrit missing
stale old
file $XDG/efrit/old.sock exists
close stdin
bridge exits 0
stderr "~the end"
EOF
for wrong in 'S< {"id":2}' 'S< {"absent":1}' 'S<7 {}' 'T< {"list":[1,2]}' 'T< {"said":{"a":"~^c"}}' 'T< {"said":{"a":"!absent"}}' \
	'T< {"list":[1,"...",2]}' 'bridge exits 0' 'no answer within 500ms' 'text "~unsaid"' 'file $XDG missing' 'nonsense' 'bridge is gone'; do
	printf 'bridge\npatience 400ms\nC> {"id":1,"params":{"a":"b"}}\n%s\n' "$wrong" | play 1
done
printf 'bridge\npatience 2s\nC> {"params":{"say":"exit"}}\nbridge exits 0\n' | play 1
printf 'bridge\npatience 2s\nC> {"params":{"say":"exit"}}\nbridge exits 3\n' | play 0
printf 'bridge\npatience 2s\nC> {"params":{"say":"garbage"}}\nS< {}\n' | play 1
printf 'needs no-such-command-anywhere\n' | play 77
exit $bad
