#!/bin/bash
# cli.sh - efrit-bridge as people use it: its commands, statuses, configuration file, the
# files it writes for agents, its manual.  Everything lies in a folder of its own.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
bridge=$root/${B:-build}/efrit-bridge
tmp=$(mktemp -d)
mkdir -m 700 "$tmp/x" "$tmp/home" "$tmp/project"
export XDG_RUNTIME_DIR=$tmp/x HOME=$tmp/home XDG_CONFIG_HOME=$tmp/config EFRIT_MCP_FOLDERS=$tmp/x/efrit LC_ALL=C.UTF-8
unset EFRIT_MCP_INSTANCE CODEX_HOME
patience=60 # seconds for one command
bad=0

clean_up() {
	local file pid
	for file in "$tmp"/x/efrit/*.pid; do # only what this test had started, and what still is that
		[ -e "$file" ] && pid=$(cat "$file") && grep -qa "=$tmp/" "/proc/$pid/environ" 2>/dev/null && kill -9 "$pid"
	done
	rm -rf "$tmp"
}
trap clean_up EXIT

wrong() {
	printf 'WRONG: %.1500s\n' "$*"
	bad=1
}

# Runs the bridge; its output is in $out, what it complains of in $err.
run() { # STATUS ARGUMENT...
	local want=$1 status
	shift
	out=$(timeout $patience "$bridge" "$@" 2>"$tmp/err" </dev/null)
	status=$?
	err=$(cat "$tmp/err")
	[ $status = "$want" ] || wrong "efrit-bridge $* ended with $status, not $want: $out $err"
}
says() { [[ $out =~ $1 ]] || wrong "$1 is not in: $out"; }
complains() { [[ $err =~ $1 ]] || wrong "$1 is not in the complaint: $err"; }
is() { # PYTHON EXPRESSION of j, the output as JSON
	python3 -c 'import json, sys; j = json.load(sys.stdin); sys.exit(not eval(sys.argv[1]))' "$1" <<<"$out" 2>/dev/null || wrong "$1 is not so in: $out"
}

# --- what it is asked wrongly ---
run 0 --version; says '^efrit-bridge [0-9.]+$'
run 0 --help
for word in call status instances doctor top migrate config setup claude-code 'Exit status' start_timeout "$tmp/config/efrit-mcp/config.json"; do says "$word"; done
run 2 stat; complains 'did you mean status'
run 2 call; complains 'call TOOL'
run 2 call a b c
run 2 --start doctor; complains '--start goes with'
run 2 --apply; complains '--apply goes with'
run 2 setup code; complains 'vscode|claude-code'
run 2 --set queu_max=1 instances; complains 'did you mean queue_max'
run 2 call efrit_status '{'; complains 'no JSON'
run 2 call efrit_status '[1]'; complains 'must be an object'
from_input() { # STATUS printf's TEXT
	local status
	printf '%b' "$2" | timeout $patience "$bridge" call efrit_status - >"$tmp/out" 2>"$tmp/err"
	status=$?
	err=$(cat "$tmp/err")
	[ $status = "$1" ] || wrong "efrit-bridge call efrit_status - ended with $status, not $1: $err"
}
for text in '\0' '{}\0' '{}\n\0\n' '{"instance_id":"a\0b"}' '\0{}'; do from_input 2 "$text"; complains 'no JSON: a NUL byte'; done
from_input 2 '{}\n \0'; complains 'at line 2, column 2'
from_input 3 '{"instance_id":"a"}\n'
from_input 2 '{"instance_id":"a\\u0000"}'; [[ $err =~ 'NUL byte' ]] && wrong "an escape is no NUL byte: $err"; grep -q '"/instance_id"' "$tmp/out" || wrong "a NUL in a name: $(cat "$tmp/out")"

# --- no Emacs ---
run 3 call efrit_execute '{"content":"1"}'; is 'j["error_code"] == "no_instance"'
run 3 status; says 'gone'
run 3 instances; complains 'efrit-mcp-mode'
run 3 instances --json; is 'j["instances"] == []'
run 1 doctor; says 'FAIL  instances.*to mend it'

# --- start, call, stop ---
run 0 --start status main; says '^main is (starting|idle|running)'
run 0 instances; says 'ID +STATE.*main +(starting|idle|running)'
run 0 instances --json; is 'j["instances"][0]["id"] == "main"'
EFRIT_MCP_MODULE=/x.so EFRIT_MCP_STARTED=1 run 0 instances; [ -z "$err" ] || wrong "what is for others is no setting: $err"
EFRIT_MCP_MODUL=/x.so EFRIT_MCP_QUEU_MAX=1 run 0 instances; complains 'EFRIT_MCP_MODUL in the env'; complains 'did you mean EFRIT_MCP_QUEUE_MAX'
run 0 status --json; is 'j["instance"] == "main" and j["pid"] > 0'
run 0 call efrit_execute '{"content":"(+ 1 2)"}'; is 'j["result"] == "3"'
run 0 call efrit_execute '{"content":"(+ 1 2)"}' --json; is 'json.loads(j["content"][0]["text"])["result"] == "3"'
out=$(echo '{"content":"(* 6 7)"}' | timeout $patience "$bridge" call efrit_execute -) || wrong "from standard input: $?"
is 'j["result"] == "42"'
run 1 call efrit_execute '{"content":"(car 1)"}'; says 'wrong-type-argument'
run 2 call efrit_execute '{"content":1}'; says 'invalid_arguments.*/content'
run 2 call efrit_execut '{}'; complains 'did you mean efrit_execute'
run 4 call efrit_execute '{"content":"(while t)","timeout":0.2}'; is 'j["error_code"] == "timeout"'
run 3 call efrit_execute '{"content":"1","instance_id":"nobody"}'; is 'j["error_code"] == "unknown_instance"'
run 3 status nobody; complains 'main'
run 0 call efrit_execute '{"content":"(make-string 3000000 120)","max_chars":4000000}'; is 'len(j["result"]) == 3000002'
run 0 call efrit_execute '{"content":"(efrit-mcp-define-tool my-tool \"Mine.\" ((a string \"A.\" :required t)) () (concat \"so: \" a))"}'
run 0 call my_tool '{"a":"x"}'; [ "$out" = 'so: x' ] || wrong "a plain string: $out"
run 0 doctor; says 'Lisp answers'; says 'ok +module'; says 'ok +emacs'
run 0 doctor --json; is 'j["good"] and all(c["finding"] == "ok" for c in j["checks"])'
run 1 call efrit_start_instance '{"name":"main"}'; is 'j["error_code"] == "name_in_use"'
run 2 call efrit_start_instance '{"name":"../main"}'; is 'j["error_code"] == "invalid_arguments"'
run 2 call efrit_start_instance "{\"name\":\"a\",\"workspace\":\"$tmp/nowhere\"}"
run 1 --set emacs=/no/such/emacs call efrit_start_instance '{"name":"a"}'; is 'j["error_code"] == "start_failed" and "cannot be run" in j["error"]'
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$tmp/x/efrit/old.sock"
run 0 doctor; says 'note  old .*stale.*rm .*/old.sock'
pid=$("$bridge" status main --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
kill -STOP "$pid"
if grep -q inotify_init1 "$bridge"; then # the portable one cannot ask how a process is
	run 4 status main; says "blocked.*kill -CONT $pid"
	run 1 doctor; says "FAIL  main .*stopped.*kill -CONT $pid"
fi
run 4 --set stop_timeout=200 call efrit_stop_instance '{"instance_id":"main"}'; is 'j["error_code"] == "not_stopped"'
kill -CONT "$pid"
grep -q inotify_init1 "$bridge" || run 0 call efrit_stop_instance '{"instance_id":"main"}' # the portable one did not know whom to signal
for _ in $(seq 500); do [ -d "/proc/$pid" ] || break; timeout 0.02 tail --pid="$pid" -f /dev/null; done # the signal waited for it
run 3 status main
[ -e "$tmp/x/efrit/main.log" ] || wrong 'no log of the Emacs that was started'

# --- the configuration file, and who overrules whom ---
config=$tmp/config/efrit-mcp/config.json
mkdir -p "${config%/*}"
echo '{"log_level": "info", "request_max": 1500}' >"$config"
run 1 call efrit_status "$(printf '{"instance_id":"%2000s"}' x)"; complains 'limit of 1500'
EFRIT_MCP_REQUEST_MAX=1600 run 1 call efrit_status "$(printf '{"instance_id":"%2000s"}' x)"; complains 'limit of 1600'
EFRIT_MCP_REQUEST_MAX=1600 run 1 -s request_max=1700 call efrit_status "$(printf '{"instance_id":"%2000s"}' x)"; complains 'limit of 1700'
echo '{"request_max": 1800}' >"$tmp/other.json"
run 1 --config "$tmp/other.json" call efrit_status "$(printf '{"instance_id":"%2000s"}' x)"; complains 'limit of 1800'
printf '{\n  "log_level": "info",\n  "start_timout": 3\n}\n' >"$config"
run 2 status; complains 'config.json, line 3: there is no setting "start_timout"; did you mean start_timeout'
printf '{\n  "queue_max": "many"\n}\n' >"$config"
run 2 status; complains 'line 2: .*must be a number of calls'
printf '{\n  "queue_max": 0\n}\n' >"$config"
run 2 status; complains 'line 2: .*must be from 1 to'
printf '{\n  "queue_max": [1]\n}\n' >"$config"
run 2 status; complains 'line 2: .*a number or a string'
printf '{"queue_max": 1,\n' >"$config"
run 2 status; complains 'config.json, line 2: no JSON'
echo '[]' >"$config"
run 2 status; complains 'must be an object'
rm "$config"
run 2 --config "$tmp/none.json" status; complains 'none.json cannot be read'

# --- where a setting comes from ---
run 2 config; run 2 config explain; run 2 config show queue_max; run 2 config sho; run 2 config reload extra
run 0 config show; says 'queue_max +1000 +the default'; says 'folders .*EFRIT_MCP_FOLDERS'
run 0 config explain queue_max; says '^queue_max is 1000 calls'; says 'from +the default'; says "no file +$config"
printf '{\n  "log_level": "info",\n\n  "queue_max": 10,\n  "instances": {"a.b": {"timeout": 7,\n    "environment": {"X": "y"}}},\n  "pools": {"p": {}}\n}\n' >"$config"
run 0 config explain queue_max; says "is 10 calls.*from +$config, line 4.*not +1000, the default"
EFRIT_MCP_QUEUE_MAX=11 run 0 config explain queue_max; says "is 11 .*from +the environment, EFRIT_MCP_QUEUE_MAX.*not +10, $config, line 4.*not +1000"
EFRIT_MCP_QUEUE_MAX=11 run 0 -s queue_max=12 config explain queue_max --json
is '[(s["from"], s["value"]) for s in j["steps"]] == [("flag", 12), ("environment", 11), ("file", 10), ("default", 1000)]'
run 0 config show --json
is 'j["queue_max"]["value"] == 10 and j["queue_max"]["where"].endswith("line 4") and j["log_level"]["from"] == "file" and j["stall"]["from"] == "default"'
is 'j["instances.a.b.timeout"]["value"] == 7 and j["instances.a.b.environment.X"]["where"].endswith("line 6")'
run 0 config explain instances.a.b.timeout; says "is 7 s.*from +$config, line 5.*not +0, the default"
run 0 config explain instances.a.b.environment.X; says "\"y\".*line 6"
run 0 config explain instances.a.b.mode; says '"daemon".*from +the default'
run 0 config explain pools.p.max --json; is 'j["from"] == "default" and j["value"] == 2 and j["unit"] == "workers"'
run 0 config explain instances; says 'a\.b.*line 5'
run 2 config explain instances.a.b.timout; complains 'did you mean timeout'
run 2 config explain instances.nobody.timeout; complains 'no setting'
run 2 config explain queu_max; complains 'did you mean queue_max'
run 0 --listen 127.0.0.1:1 config explain listen; says 'the command line, --listen'
printf '{\n"queue_max": 0}' >"$config"
run 2 config show; complains 'line 2: queue_max is 0'
run 2 config reload; complains 'line 2: queue_max is 0'
rm "$config"

# --- what agents need ---
cd "$tmp/project" || exit 1
written() { # FILE KEY: what its host will read
	python3 - "$1" "$2" "$bridge" <<-'PY' || wrong "$1 is not what its host reads: $(cat "$1")"
		import json, sys, tomllib
		path, key, bridge = sys.argv[1:]
		text = open(path, encoding="utf-8").read()
		whole = tomllib.loads(text) if path.endswith(".toml") else json.loads(text)
		ours = whole[key]["emacs"]
		assert ours["command"] == bridge and ours.get("type", "stdio") == "stdio", ours
	PY
}
declare -A files=([claude-code]=$tmp/project/.mcp.json [cursor]=$tmp/project/.cursor/mcp.json [vscode]=$tmp/project/.vscode/mcp.json
	[gemini]=$tmp/project/.gemini/settings.json [codex]=$tmp/home/.codex/config.toml)
key_of() { case $1 in vscode) echo servers ;; codex) echo mcp_servers ;; *) echo mcpServers ;; esac; }
for host in "${!files[@]}"; do
	file=${files[$host]}
	run 0 setup "$host"; says "$file does not exist"; says "$bridge"
	[ -e "$file" ] && wrong "a dry run of $host made $file"
	run 0 setup "$host" --apply
	written "$file" "$(key_of "$host")"
	before=$(cksum "$file")
	run 0 setup "$host" --apply; says 'nothing is to be done'
	[ "$(cksum "$file")" = "$before" ] || wrong "the second time $host was changed"
	[ -e "$file.bak" ] && wrong "a backup of nothing for $host"
done
run 0 setup claude-code; says 'claude mcp add'

# Foreign text stays byte for byte; a backup lies beside; the mode is kept; a link stays one.
foreign='{ "b" : 1.50,"mcpServers":{"other" : {"command":"x","args":[ "a\"}{" ]}},
	"a":{"emacs":[1e3]} }'
for host in claude-code cursor gemini; do
	file=${files[$host]}
	printf '%s' "$foreign" >"$file.real"
	chmod 640 "$file.real"
	ln -sf "$file.real" "$file"
	run 0 setup "$host"; says 'exists; this would be added'
	[ "$(cat "$file")" = "$foreign" ] || wrong "a dry run changed $file"
	run 0 setup "$host" --apply
	written "$file" mcpServers
	[ -L "$file" ] || wrong "$file was a link"
	[ "$(stat -c %a "$file.real")" = 640 ] || wrong "the mode of $file"
	[ "$(cat "$file.real.bak")" = "$foreign" ] || wrong "the backup of $file"
	python3 - "$file" "$foreign" <<-'PY' || wrong "foreign text was touched: $(cat "$file")"
		import json, sys
		now, old = open(sys.argv[1]).read(), sys.argv[2]
		at = 0 # every byte of the old text, in its order, and the keys with it
		for c in old:
		    at = now.index(c, at) + 1
		assert '"b" : 1.50' in now and '"other" : {"command":"x","args":[ "a\\"}{" ]}' in now and '"a":{"emacs":[1e3]}' in now
		whole = json.loads(now)
		assert list(whole) == ["b", "mcpServers", "a"] and list(whole["mcpServers"]) == ["other", "emacs"]
	PY
done
# A bridge that was moved: its path alone is replaced.
file=$tmp/project/.mcp.json
rm -f "$file" "$file".*
echo '{"mcpServers": {"emacs": {"env": {"A": "1"}, "command": "/old/efrit-bridge", "args": ["--set", "queue_max=3"]}}}' >"$file"
run 0 setup claude-code --apply
written "$file" mcpServers
out=$(cat "$file"); is 'j["mcpServers"]["emacs"]["args"] == ["--set", "queue_max=3"] and j["mcpServers"]["emacs"]["env"] == {"A": "1"}'
run 0 setup claude-code --apply; says 'nothing is to be done'
# What cannot be done safely is refused, nothing is changed, and what to add is shown.
refused() { # HOST FILE TEXT COMPLAINT
	printf '%s' "$3" >"$2"
	run 1 setup "$1" --apply
	complains "$4"
	complains "$bridge"
	printf '%s' "$3" | cmp -s - "$2" || wrong "$2 was changed: $(cat "$2")"
}
refused claude-code "$file" '{"mcpServers": {"emacs": {"command": "emacs-mcp"}}}' 'not efrit-bridge'
refused claude-code "$file" '{"mcpServers": []}' 'mcpServers is no object'
refused claude-code "$file" '{"mcpServers": {}' 'it is no JSON'
refused claude-code "$file" '[]' 'no object'
refused vscode "${files[vscode]}" '{
  // my servers
  "servers": {}
}' 'comments must be changed by hand'
toml=${files[codex]}
refused codex "$toml" '[mcp_servers."emacs"]
command = "other"
' 'another program'
refused codex "$toml" 'mcp_servers.emacs = { command = "x" }
' 'by hand'
refused codex "$toml" '[mcp_servers]
emacs = { command = "x" }
' 'by hand'
rm -f "$toml".bak*
printf 'model = "m" # mine\n[mcp_servers.emacs_two]\ncommand = "y"' >"$toml"
run 0 setup codex --apply
written "$toml" mcp_servers
[ "$(head -n 3 "$toml")" = $'model = "m" # mine\n[mcp_servers.emacs_two]\ncommand = "y"' ] || wrong "foreign TOML: $(cat "$toml")"
[ -e "$toml.bak" ] || wrong 'no backup of the TOML'
for empty in '{}' '{"mcpServers":{}}' '' '{"mcpServers": {
}}'; do
	printf '%s' "$empty" >"$file"
	run 0 setup claude-code --apply
	written "$file" mcpServers
done
# Lisp for init files is Lisp, and does what it says.
for host in agent-shell gptel; do
	run 0 setup $host
	printf '%s\n' "$out" >"$tmp/$host.el"
done
emacs -Q --batch --eval "(setq agent-shell-mcp-servers nil mcp-hub-servers nil)" --eval "(provide 'agent-shell)" --eval "(provide 'mcp-hub)" \
	-l "$tmp/agent-shell.el" -l "$tmp/gptel.el" --eval "(unless (and (equal (alist-get 'command (car agent-shell-mcp-servers)) \"$bridge\")
	(equal (plist-get (cdr (assoc \"emacs\" mcp-hub-servers)) :command) \"$bridge\")) (kill-emacs 1))" || wrong 'the Lisp for init files'
# A path that every format must quote.
mkdir "$tmp/a 'b\" c"
cp "$bridge" "$tmp/a 'b\" c/efrit-bridge"
plain=$bridge
bridge="$tmp/a 'b\" c/efrit-bridge"
rm -rf "$tmp/project/.vscode" "$toml"
for host in vscode codex; do
	run 0 setup $host --apply
	written "${files[$host]}" "$(key_of $host)"
done
rm -f "$file"
run 0 setup claude-code
command=${out##*emacs -- }
[ "$(eval "printf %s $command")" = "$bridge" ] || wrong "not a word of the shell: $command"
bridge=$plain
cd "$root" || exit 1

# --- the manual ---
run 0 --man
diff <(printf '%s\n' "$out") bridge/efrit-bridge.1 || wrong 'bridge/efrit-bridge.1 is not what the tables say: make man'
if command -v man >/dev/null; then
	out=$(man --warnings -l bridge/efrit-bridge.1 2>&1 >/dev/null)
	[ -z "$out" ] || wrong "the manual is not well formed: $out"
fi
exit $bad
