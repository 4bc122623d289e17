"""A stdio bridge beside a gateway: it finds it, uses it for what is not Emacs, and does without."""
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from gate.driver import BRIDGE, META, PATIENCE, ROOT, Gateway, Wrong, case, check, until

FIXTURES = os.path.join(ROOT, "tests/conformance/fixtures.el")
CHANGED = "notifications/tools/list_changed"
NAMES = {"capabilities": "io.modelcontextprotocol/clientCapabilities", "logLevel": "io.modelcontextprotocol/logLevel"}


class Agent:
    """A stdio bridge and who speaks to it."""

    def __init__(self, env, *arguments, folder=None):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([BRIDGE, "--set", "log_level=debug", *arguments], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, cwd=folder)
        self.ids, self.notes = 0, []
        self.timer = threading.Timer(PATIENCE * 3, self.process.kill)
        self.timer.start()

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]

    def tell(self, method, params=None, id=None):
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        if id is not None:
            message["id"] = id
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def next(self):
        line = self.process.stdout.readline()
        check(line, "the bridge has ended:", self.said())
        return json.loads(line)

    def note(self, method):
        """The next notification of that name; others stay."""
        while not any(n["method"] == method for n in self.notes):
            one = self.next()
            check("method" in one, "an answer nobody waits for:", one)
            self.notes.append(one)
        found = next(n for n in self.notes if n["method"] == method)
        self.notes.remove(found)
        return found

    def answer(self, id):
        while True:
            one = self.next()
            if "method" not in one:
                check(one["id"] == id, id, one)
                return one
            self.notes.append(one)

    def begin(self, method, params=None, meta=None):
        self.ids += 1
        self.tell(method, dict(params or {}, _meta=dict(META, **{NAMES.get(k, k): v for k, v in (meta or {}).items()})), self.ids)
        return self.ids

    def ask(self, method, params=None, meta=None):
        return self.answer(self.begin(method, params, meta))

    def call(self, tool, arguments=None, meta=None, **more):
        return self.ask("tools/call", dict(more, name=tool, arguments=arguments or {}), meta)

    def text(self, tool, arguments=None, meta=None):
        a = self.call(tool, arguments, meta)
        check("result" in a, a)
        return a["result"]["content"][0]["text"]

    def json(self, tool, arguments=None):
        return json.loads(self.text(tool, arguments))

    def gateway(self):
        return self.json("efrit_list_instances")["gateway"]

    def sees(self, state="ready"):
        until(lambda: self.gateway()["state"] == state, f"the gateway is {state}")

    def tools(self):
        return [t["name"] for t in self.ask("tools/list")["result"]["tools"]]

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        check(status == 0, "the bridge ended with", status, self.said())

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.end()
            else:
                print("--- log of the bridge\n" + self.said())
        finally:
            self.timer.cancel()
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.log.close()


def blind(g):
    """The environment of a bridge that sees the gateway but none of its Emacs instances."""
    return dict(g.env, EFRIT_MCP_FOLDERS=os.path.join(g.base, "x", "none"))


def parent(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return int(f.read().rpartition(")")[2].split()[1])


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


@case()
def found():
    """By its socket, whoever comes first; and missed when it goes."""
    base = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
    try:
        with Gateway() as g:
            with Agent(g.env) as a, Agent(g.env, "--set", "gateway=off") as off:
                a.sees()
                said = a.gateway()
                check(said["pid"] == g.process.pid and said["socket"] == g.socket, said)
                check("gateway" not in off.json("efrit_list_instances"))
                r = g.run("status", "--json")
                check(json.loads(r.stdout)["gateway"]["state"] == "ready", r)
                check(f"used: process {g.process.pid}," in g.run("status").stdout)
                check("setting gateway is off" in g.run("status", "--set", "gateway=off").stdout)
                checks = json.loads(g.run("doctor", "--json").stdout)["checks"]
                check([c for c in checks if c["check"] == "gateway" and c["finding"] == "ok" and "used" in c["detail"]], checks)
                g.process.send_signal(signal.SIGSTOP)
                r = g.run("doctor", "--json", "--set", "hello_timeout=100")
                g.process.send_signal(signal.SIGCONT)
                checks = json.loads(r.stdout)["checks"]
                check([c for c in checks if c["check"] == "gateway" and c["finding"] == "failed" and "stopped" in c["detail"]], checks)
                r = g.run("status", "--set", "gateway=on")
                check(r.returncode == 2 and "auto or off" in r.stderr, r)
                g.end()
                a.sees("gone")
                check("none listens" in a.gateway()["why"], a.gateway())
                check("none (" in g.run("status").stdout)
                # another one on the same socket, with the bridge there already
                other = subprocess.Popen([BRIDGE, "serve", "--listen", "127.0.0.1:0"], env=g.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                check(b"ready" in other.stdout.readline())
                a.sees()
                check(a.gateway()["pid"] == other.pid)
                other.kill() # its file stays
                other.wait()
                other.stdout.close()
                a.sees("gone")
                check(os.path.exists(g.socket))
                check(a.json("efrit_status")["state"] == "gone")
    finally:
        shutil.rmtree(base)


@case(emacs=True)
def starting_and_stopping():
    """An instance that was started through the gateway is the gateway's, and outlives the bridge."""
    with Gateway() as g:
        with Agent(g.env) as a:
            said = a.json("efrit_start_instance", {"name": "one"})
            check(said["status"] == "success" and parent(said["pid"]) == g.process.pid, said)
            check(a.json("efrit_execute", {"content": "(* 6 7)", "instance_id": "one"})["result"] == "42")
            again = a.json("efrit_start_instance", {"name": "one"})
            check(again["error_code"] == "name_in_use", again)
        check(alive(said["pid"]))
        with Agent(g.env) as a:
            check(a.json("efrit_execute", {"content": "(emacs-pid)"})["result"] == str(said["pid"]))
            stopped = a.json("efrit_stop_instance", {"instance_id": ""}) # the only one
            check(stopped["status"] == "success" and stopped["instance_id"] == "one", stopped)
            until(lambda: not alive(said["pid"]), "it has ended")
            check(a.json("efrit_stop_instance", {"instance_id": "nobody"})["error_code"] in ("unknown_instance", "no_instance"))
        r = g.run("status", "two", "--start", "--json")
        two = json.loads(r.stdout)
        check(r.returncode == 0 and parent(two["pid"]) == g.process.pid, r)
        check(g.run("call", "efrit_stop_instance", '{"instance_id":"two"}').returncode == 0)
        with Agent(g.env, "--set", "gateway=off") as a: # switched off, it is the bridge's own
            three = a.json("efrit_start_instance", {"name": "three"})
            check(parent(three["pid"]) == a.process.pid, three)
            check(a.json("efrit_stop_instance", {"instance_id": "three"})["status"] == "success")
        # what the gateway does not see is stopped all the same
        elsewhere = os.path.join(g.base, "y")
        os.mkdir(elsewhere, 0o700)
        env = dict(g.env, XDG_RUNTIME_DIR=elsewhere, EFRIT_MCP_FOLDERS=elsewhere + "/efrit", EFRIT_MCP_SOCKET=g.socket)
        with Agent(env, "--set", "gateway=off") as a, Agent(env) as b:
            four = a.json("efrit_start_instance", {"name": "four"})
            b.sees()
            until(lambda: b.json("efrit_list_instances")["instances"], "it is seen")
            check(not json.loads(g.call("efrit_list_instances")["content"][0]["text"])["instances"])
            check(b.json("efrit_stop_instance", {"instance_id": "four"})["status"] == "success")
            until(lambda: not alive(four["pid"]), "it has ended")
        # a gateway that does not answer is not waited for
        with Agent(g.env, "--set", "hello_timeout=300") as a:
            g.process.send_signal(signal.SIGSTOP)
            with Agent(g.env, "--set", "hello_timeout=300") as b:
                five = b.json("efrit_start_instance", {"name": "five"})
                check(five["status"] == "success" and parent(five["pid"]) == b.process.pid, five)
                check(b.json("efrit_stop_instance", {"instance_id": "five"})["status"] == "success")
            g.process.send_signal(signal.SIGCONT)
            a.sees()


@case(emacs=True)
def tools_of_the_gateway():
    """What no Emacs of the bridge has goes there, with all that belongs to a call."""
    with Gateway(settings={"progress_interval": 100}) as g:
        g.start_emacs()
        with Agent(blind(g), "--set", "list_changed_delay=20", "--set", "progress_interval=60000", "--set", "progress_least=0") as a:
            a.sees()
            a.tell("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "it", "version": "1"}}, "init")
            a.answer("init")
            a.tell("notifications/initialized")
            before = a.tools()
            check("test_simple_text" not in before and "efrit_execute" in before, before)
            g.value(f"(progn (load {json.dumps(FIXTURES)}) t)")
            a.note(CHANGED) # they come one by one
            until(lambda: "test_tool_with_task" in a.tools() and "multi_input" in a.tools(), "the last of them")
            after = a.tools()
            check("test_simple_text" in after and len(after) == len(set(after)) and after[:len(before)] == before, after)
            # a tool that both have is called here
            check(a.json("efrit_execute", {"content": "1"})["error_code"] == "no_instance")
            r = a.call("test_simple_text")["result"]
            check(r["resultType"] == "complete" and "simple text" in r["content"][0]["text"] and list(r["_meta"]) == ["io.modelcontextprotocol/serverInfo"], r)
            check(a.call("test_error_handling")["result"]["isError"])
            check(a.call("test_image_content")["result"]["content"][0]["type"] == "image")
            bad = a.json("test_elicitation", {"message": 7})
            check(bad["error_code"] == "invalid_arguments" and bad["pointer"] == "/message", bad)
            # progress, log
            a.notes.clear()
            a.call("test_tool_with_progress", meta={"progressToken": "tok"})
            said = [n["params"] for n in a.notes if n["method"] == "notifications/progress"]
            check([s["progress"] for s in said if s["progress"] in (0, 50, 100)] == [0, 50, 100] and {s["progressToken"] for s in said} == {"tok"}, said)
            a.notes.clear()
            a.call("test_tool_with_logging", meta={"logLevel": "info"})
            check(len([n for n in a.notes if n["method"] == "notifications/message"]) == 3, a.notes)
            a.notes.clear()
            a.call("test_tool_with_logging", meta={"logLevel": "error"})
            a.call("test_tool_with_progress")
            check(not a.notes, a.notes)
            # a question to the client, and a capability that it lacks
            can = {"capabilities": {"elicitation": {}}}
            asked = a.call("test_input_required_result_elicitation", meta=can)["result"]
            check(asked["resultType"] == "input_required" and "user_name" in asked["inputRequests"] and "content" not in asked, asked)
            more = {"requestState": asked["requestState"], "inputResponses": {"user_name": {"action": "accept", "content": {"name": "Alice"}}}}
            check(a.call("test_input_required_result_elicitation", meta=can, **more)["result"]["content"][0]["text"] == "Hello, Alice!")
            changed = a.call("test_input_required_result_elicitation", meta=can, **dict(more, requestState=asked["requestState"][:-4] + "AAAA"))
            check(changed["error"]["code"] == -32602, changed)
            lacks = a.call("test_missing_capability")
            check(lacks["error"]["code"] == -32021 and lacks["error"]["data"]["requiredCapabilities"] == {"sampling": {}}, lacks)
            # cancelled here, stopped there
            g.value("(progn (efrit-mcp-define-tool slowly \"Slow.\" ((text string \"Text.\")) () (sleep-for 60)) t)")
            a.note(CHANGED)
            n = a.begin("tools/call", {"name": "slowly", "arguments": {"text": "x"}}, {"progressToken": 5})
            a.note("notifications/progress") # the heartbeat of the gateway
            a.tell("notifications/cancelled", {"requestId": n, "reason": "enough"})
            until(lambda: g.state() == "idle", "the work has stopped")
            check(a.text("test_simple_text"))
            # and with the agent
            a.begin("tools/call", {"name": "slowly", "arguments": {"text": "x"}})
            until(lambda: g.state() == "running", "it runs")
        until(lambda: g.state() == "idle", "the work has stopped")


@case(emacs=True)
def asking_old_clients():
    """A client of the older dialects is asked on the gateway's behalf too."""
    with Gateway() as g:
        g.start_emacs()
        g.value(f"(progn (load {json.dumps(FIXTURES)}) t)")
        with Agent(blind(g)) as a:
            a.tell("initialize", {"protocolVersion": "2025-06-18", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "old", "version": "1"}}, "init")
            a.answer("init")
            a.tell("notifications/initialized")
            a.tell("tools/list", {}, "list")
            check("test_elicitation" in [t["name"] for t in a.answer("list")["result"]["tools"]])
            a.tell("tools/call", {"name": "test_input_required_result_elicitation", "arguments": {}}, "ask")
            asked = a.next()
            while asked.get("method") != "elicitation/create":
                asked = a.next()
            a.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept", "content": {"name": "Bob"}}}).encode() + b"\n")
            a.process.stdin.flush()
            r = a.answer("ask")["result"]
            check(r["content"][0]["text"] == "Hello, Bob!" and "resultType" not in r, r)


@case(emacs=True)
def relative_names():
    """They begin where the client works; the gateway's own folder is nobody's."""
    with Gateway() as g:
        g.start_emacs()
        g.value('(progn (efrit-mcp-define-tool where "Where." ((file string nil :required t)) () (efrit-mcp-target-file file)) t)')
        mine, other = (os.path.join(g.base, name) for name in ("mine", "other"))
        for folder in (mine, other):
            os.mkdir(folder)
        with Agent(blind(g), folder=mine) as a:
            until(lambda: "where" in a.tools(), "the tool of the gateway's Emacs")
            check(a.text("where", {"file": "a"}) == mine + "/a")
            check(a.text("where", {"file": "a"}, {"efrit-mcp/folder": other}) == other + "/a")
        for nothing in ("/", g.env["HOME"]):
            with Agent(blind(g), folder=nothing) as a:
                until(lambda: "where" in a.tools(), "the tool of the gateway's Emacs")
                check(a.json("where", {"file": "a"})["error_code"] == "efrit-mcp-no-folder")
        with g.client() as c:
            said = c.modern("tools/call", {"name": "where", "arguments": {"file": "a"}}).json["result"]
            check(said["isError"] and "efrit-mcp-no-folder" in said["content"][0]["text"], said)
            said = c.modern("tools/call", {"name": "where", "arguments": {"file": "a"}}, meta={"efrit-mcp/folder": mine}).json["result"]
            check(said["content"][0]["text"] == mine + "/a", said)


@case(emacs=True)
def gateway_dies():
    """In the middle of a call: a definite answer, its tools gone; back again when it is."""
    with Gateway() as g, contextlib.ExitStack() as stack:
        g.start_emacs()
        emacs = int(g.value("(emacs-pid)"))
        stack.callback(lambda: alive(emacs) and os.kill(emacs, signal.SIGKILL))
        g.value("(progn (efrit-mcp-define-tool slowly \"Slow.\" () () (sleep-for 60)) (efrit-mcp-define-tool quickly \"Quick.\" () () 7) t)")
        a = stack.enter_context(Agent(blind(g), "--set", "list_changed_delay=20", "--set", "gateway_patience=200", "--set", "silence=300",
                                      "--set", "ping_interval=50"))
        a.tell("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "it", "version": "1"}}, "init")
        a.answer("init")
        a.tell("notifications/initialized")
        check("slowly" in a.tools())
        # alive and silent: given up, and used again when it is heard
        g.process.send_signal(signal.SIGSTOP)
        late = a.json("quickly")
        check(late["error_code"] == "not_responding" and late["may_have_run"] is True and late["service"] == "gateway", late)
        check("stopped" in late["error"] and a.gateway()["state"] == "blocked", late)
        g.process.send_signal(signal.SIGCONT)
        a.sees()
        check(a.text("quickly") == "7")
        # killed
        n = a.begin("tools/call", {"name": "slowly", "arguments": {}})
        until(lambda: g.state() == "running", "it runs")
        g.process.kill()
        g.process.wait()
        lost = json.loads(a.answer(n)["result"]["content"][0]["text"])
        check(lost["error_code"] == "gateway_gone" and lost["may_have_run"] is True and "look before" in lost["error"], lost)
        a.note(CHANGED)
        check("quickly" not in a.tools())
        gone = a.call("quickly")
        check(gone["error"]["code"] == -32602 and "Unknown tool" in gone["error"]["message"], gone)
        other = subprocess.Popen([BRIDGE, "serve", "--listen", "127.0.0.1:0"], env=g.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        stack.callback(other.stdout.close)
        stack.callback(other.wait)
        stack.callback(other.terminate)
        check(b"ready" in other.stdout.readline())
        a.note(CHANGED)
        check(a.text("quickly") == "7")
        other.terminate() # it drains: an answer that is under way still comes
        a.note(CHANGED)
        check("quickly" not in a.tools())
        g.process.returncode = 0 # it was meant to


@case(emacs=True)
def changing_the_gateway():
    """A newer program takes over: calls go on, the list stays."""
    with Gateway() as g:
        g.start_emacs()
        g.value("(progn (efrit-mcp-define-tool quickly \"Quick.\" () () 7) t)")
        with Agent(blind(g)) as a:
            until(lambda: "quickly" in a.tools(), "what Emacs has just got")
            first = a.gateway()["pid"]
            g.process.send_signal(signal.SIGUSR2)
            until(lambda: a.gateway()["pid"] != first and a.gateway()["state"] == "ready", "the other one is used")
            until(lambda: "quickly" in a.tools(), "its tools")
            check(a.text("quickly") == "7")
            g.run("call", "efrit_stop_instance", '{"instance_id":"main","force":true}')
            g.instance = None
            check(g.run("stop").returncode == 0)


@case(emacs=True)
def kept_results():
    """A result that the gateway has kept is read through the bridge, block by block."""
    size = 3 * 1000 * 1000
    with Gateway(settings={"large_min": 1000000}) as g:
        g.start_emacs()
        g.value(f"(progn (efrit-mcp-define-tool long-one \"Long.\" () () (make-string {size} ?\u00e9)) t)")
        with Agent(blind(g)) as a, Agent(g.env) as seeing:
            check("long_one" in a.tools())
            r = a.call("long_one")["result"]
            link = [b for b in r["content"] if b["type"] == "resource_link"][0]
            check(link["size"] >= size, link)
            for one in (a, seeing): # the other one has an Emacs, and no kept results of its own either
                data = b""
                while len(data) < link["size"]:
                    got = one.ask("resources/read", {"uri": f"{link['uri']}?range={len(data)}-{len(data) + 999999}"})
                    check("result" in got and got["result"]["resultType"] == "complete" and "ttlMs" in got["result"], got)
                    data += got["result"]["contents"][0]["text"].encode()
                check(len(data) == link["size"], len(data), link)
                check(hashlib.sha256(data).hexdigest() in json.dumps(r), "the digest")
            wrong = a.ask("resources/read", {"uri": "efrit-result://nothing"})
            check(wrong["error"]["code"] == -32602 and "no such result" in wrong["error"]["message"], wrong)
            # in one piece, and too long for the bridge
    with Gateway(settings={"large_min": 0}) as g:
        g.start_emacs()
        g.value(f"(progn (efrit-mcp-define-tool long-one \"Long.\" () () (make-string {size} ?\u00e9)) (efrit-mcp-define-tool quickly \"Quick.\" () () 7) t)")
        with Agent(blind(g)) as a, Agent(blind(g), "--set", "gateway_line_max=1000000") as small:
            check("long_one" in a.tools() and "long_one" in small.tools())
            check(a.text("long_one") == "\u00e9" * size)
            late = small.json("long_one")
            check(late["error_code"] == "result_too_large" and late["may_have_run"] is True, late)
            check(small.text("quickly") == "7")


class Fake:
    """Somebody else on the gateway's socket, who says one thing to whatever comes."""

    def __init__(self, path, answer):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.answer, self.ends = answer, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                end, _ = self.server.accept()
                self.ends.append(end)
                while True:
                    data = end.recv(65536)
                    if not data:
                        break
                    for line in data.splitlines():
                        said = self.answer(json.loads(line))
                        if said:
                            end.sendall(said)

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for end in self.ends:
            end.close()
        self.thread.join()


def as_gateway(tools, on_call=None):
    """A proper one: greets, lists, and does as ON_CALL says."""
    def answer(m):
        result = {"server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": {}}, "tools/list": {"tools": tools}}.get(m["method"])
        if result is not None:
            return json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}).encode() + b"\n"
        if m["method"].endswith("/list"): # it has no resources and no prompts
            return json.dumps({"jsonrpc": "2.0", "id": m["id"], "error": {"code": -32601, "message": "no such method"}}).encode() + b"\n"
        return on_call(m) if on_call and m["method"] == "tools/call" else b""
    return answer


@case()
def somebody_else():
    """Whatever sits on the socket, the bridge answers, and says what is wrong with it."""
    tool = {"name": "odd", "inputSchema": {"type": "object"}}
    words = {
        "garbage": (lambda m: b"garbage\n", "not speak MCP"),
        "an array": (lambda m: b"[]\n", "not speak MCP"),
        "another version": (lambda m: b'{"jsonrpc":"2.0","id":"discover","result":{"supportedVersions":["2199-01-01"]}}\n', "2026-07-28"),
        "an error": (lambda m: b'{"jsonrpc":"2.0","id":"discover","error":{"code":-32601,"message":"no"}}\n', "2026-07-28"),
        "no answer": (lambda m: b'{"jsonrpc":"2.0","id":"discover"}\n', "without a result"),
        "an endless line": (lambda m: b"x" * 100000, "gateway_line_max"),
    }
    base = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
    try:
        path = os.path.join(base, "efrit-gateway.sock")
        env = dict(os.environ, XDG_RUNTIME_DIR=base, EFRIT_MCP_FOLDERS=base + "/efrit", HOME=base)
        options = ("--set", "hello_timeout=300", "--set", "gateway_line_max=65536", "--set", "list_changed_delay=20")
        for name, (answer, why) in words.items():
            fake = Fake(path, answer)
            with Agent(env, *options) as a:
                check("efrit_execute" in a.tools(), name)
                until(lambda: why in a.gateway().get("why", ""), f"{name}: {a.gateway()}")
                check(a.json("efrit_execute", {"content": "1"})["error_code"] == "no_instance", name)
            fake.close()
            os.unlink(path)
        fake = Fake(path, lambda m: b"") # it says nothing at all
        with Agent(env, *options) as a:
            check("efrit_execute" in a.tools())
            a.sees("blocked")
        fake.close()
        os.unlink(path)

        def on_call(m):
            head = b'{"jsonrpc":"2.0","id":%d,' % m["id"]
            return {"type": head + b'"result":{"resultType":"strange"}}\n', "nothing": head + b'"result":{}}\n', "word": head + b'"result":7}\n',
                    "error": head + b'"error":7}\n', "own": head + b'"error":{"code":-5,"message":"mine","data":[1]}}\n',
                    "other": b'{"jsonrpc":"2.0","id":999999,"result":{}}\n' + head + b'"result":{"content":[],"extra":1}}\n',
                    "broken": head + b'"result":{"content":[nonsense]}}\n'}[m["params"]["arguments"]["how"]]
        fake = Fake(path, as_gateway([tool, {"name": "efrit_execute", "inputSchema": {"type": "object"}}], on_call))
        with Agent(env, *options) as a:
            check(a.tools().count("efrit_execute") == 1)
            odd = lambda how: a.call("odd", {"how": how})
            for how in ("type", "word"):
                check(json.loads(odd(how)["result"]["content"][0]["text"])["error_code"] == "bad_answer", how)
            check("content" not in odd("nothing")["result"])
            check(odd("error")["error"]["code"] == -32603)
            check(odd("own")["error"] == {"code": -5, "message": "mine", "data": [1]}, odd("own"))
            check(odd("other")["result"]["extra"] == 1)
            check(json.loads(odd("broken")["result"]["content"][0]["text"])["error_code"] == "bad_answer")
        fake.close()
        os.unlink(path)
    except Wrong:
        raise
    finally:
        shutil.rmtree(base)
