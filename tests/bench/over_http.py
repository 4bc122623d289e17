"""What a call costs over HTTP, here and beside others: the part of tests/bench/run that starts servers with a port.

Each server gets a free port, is asked by the client of http.c, and is ended by process id, with what it started."""
import hashlib
import http.client
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
HOME = os.path.join(ROOT, "build", "npm-bench")
LEVELS = (1, 8, 64, 512)
STREAMS = 1000
PATIENCE = 60
LARGE_LIMIT = 10  # seconds for the results of one size from others
ECHO = ("echo", '{"message":"hello"}')
LIST = ("efrit_list_instances", "{}")
ADD = ("efrit_execute", '{"content":"(+ 1 2)"}')
EVERYTHING = os.path.join(HOME, "node_modules/@modelcontextprotocol/server-everything/dist/index.js")


def install():
    """Has the others in build/npm-bench, once; why not, or None."""
    wanted = os.path.join(HERE, "package.json")
    there = os.path.join(HOME, "installed.json")
    with open(wanted, "rb") as f:
        text = f.read()
    if os.path.exists(there):
        with open(there, "rb") as f:
            if f.read() == text:
                return None
    if not shutil.which("npm"):
        return "there is no npm here"
    new = HOME + ".new"
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)
    shutil.copy(wanted, new)
    env = dict(os.environ, HOME=pwd.getpwuid(os.getuid()).pw_dir)  # the person's own settings of npm
    try:
        p = subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"], cwd=new, env=env,
                           capture_output=True, text=True, timeout=240)
    except subprocess.TimeoutExpired:
        return "npm install takes too long"
    if p.returncode != 0 or not os.path.exists(EVERYTHING.replace(HOME, new)):
        return "npm cannot install it: " + ((p.stderr.strip() or p.stdout.strip()).splitlines() or ["it says nothing"])[0]
    shutil.copy(wanted, os.path.join(new, "installed.json"))
    shutil.rmtree(HOME, ignore_errors=True)
    os.rename(new, HOME)
    return None


def version(name):
    with open(os.path.join(HOME, "node_modules", name, "package.json")) as f:
        return name + " " + json.load(f)["version"]


def tree(pid):
    """PID and all that it started."""
    found = [pid]
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as f:
            for child in f.read().split():
                found += tree(int(child))
    return found


def private_kb(pid):
    total = 0
    for one in tree(pid):
        with open("/proc/%d/smaps_rollup" % one) as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Private_"))
    return total


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Failed(Exception):
    """A server of somebody else does not do it."""


class Other:
    """A server of somebody else: WORDS with {port} in them; env PORT says it too."""
    era = "session"

    def __init__(self, world, words, path="/mcp", kind="session"):
        self.world, self.token, self.path, self.kind = world, "", path, kind
        self.port = free_port()
        self.log = open(os.path.join(world.dir, "other.log"), "wb")
        self.process = subprocess.Popen([w.replace("{port}", str(self.port)) for w in words], cwd=world.dir, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, env=dict(world.env, PORT=str(self.port)))
        world.processes.append(self.process)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    with open(self.log.name, "rb") as f:
                        raise Failed("it does not start: " + f.read()[-300:].decode(errors="replace")) from None
                select.select([], [], [], 0.05)

    def url(self):
        return "127.0.0.1:%d%s" % (self.port, self.path)

    def end(self):
        if self.process.poll() is None:
            for pid in reversed(tree(self.process.pid)):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()
        self.log.close()


class Ours:
    """A gateway of this tree; HOME: a folder of its own, so that it may run beside another."""

    def __init__(self, world, bridge, era="session", kind="session", *settings, home=None):
        self.world, self.era, self.kind, self.path, self.bridge = world, era, kind, "/mcp", bridge
        env = dict(world.env, HOME=home, XDG_RUNTIME_DIR=home) if home else world.env
        self.process = subprocess.Popen([bridge, "serve", "--listen", "127.0.0.1:0", *settings], env=env, cwd=world.dir, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=world.log, text=True)
        world.processes.append(self.process)
        found = re.search(r"http://127\.0\.0\.1:(\d+)/mcp", self.process.stdout.readline())
        if not found:
            raise SystemExit("the gateway does not start: " + world.tail())
        self.port = int(found.group(1))
        self.token = subprocess.run([bridge, "token"], env=env, capture_output=True, text=True, check=True).stdout.strip()

    url = Other.url

    def end(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def ask(server, connections, tool, *options, era=None):
    return server.world.bench("-w", 0, "-c", connections, *options, "http", server.url(), era or server.era, server.token, *tool, others=True)


def proxied(node, command):
    """The two that put a server on pipes behind HTTP: name -> words."""
    binary = os.path.join(HOME, "node_modules/.bin")
    return {
        "supergateway": [node, os.path.join(binary, "supergateway"), "--stdio", " ".join(command), "--outputTransport", "streamableHttp",
                         "--stateful", "--port", "{port}", "--logLevel", "none"],
        "proxy": [node, os.path.join(binary, "mcp-proxy"), "--host", "127.0.0.1", "--port", "{port}", "--server", "stream", "--", *command],
    }


def attempt(figures, name, work):
    """A server of somebody else that fails is a line in the tables, no end of the run."""
    try:
        figures[name] = work()
    except (Failed, OSError, RuntimeError) as e:
        words = str(e).strip().replace("|", "/").replace("\n", " ")
        if "result_too_large" in words:
            words = "refused (result_too_large: Lisp gives at most 128 MiB)"
        figures[name] = {"failed": words[-200:]}
        print("%s: %s" % (name, figures[name]["failed"]), flush=True)


def rounds(world, bridge, node, how_many, pooled, say):
    """The calls at each number of connections; (key, connections) -> figures."""
    runs, figures, servers = {}, {}, {}
    ours = Ours(world, bridge)
    rows = {"list": (ours, LIST, "session"), "list_stateless": (ours, LIST, "stateless"), "add": (ours, ADD, "session")}
    if node:
        for name, words in {"everything": [node, EVERYTHING, "streamableHttp"], **proxied(node, [node, EVERYTHING, "stdio"])}.items():
            attempt(servers, name, lambda words=words: Other(world, words))
            if isinstance(servers[name], Other):
                rows[name] = (servers[name], ECHO, "session")
            else:
                figures[name] = servers[name]
    try:
        for server, tool, era in rows.values():
            attempt({}, "warm", lambda server=server, tool=tool, era=era: ask(server, 8, tool, "-s", 0.4, era=era))
        for i in range(how_many):
            say("round %d of %d: over HTTP, %s connections" % (i + 1, how_many, ", ".join(map(str, LEVELS))))
            for name, (server, tool, era) in rows.items():
                for level in LEVELS:
                    if name not in figures:
                        one = {}
                        attempt(one, name, lambda server=server, tool=tool, era=era, level=level: ask(server, level, tool, "-s", 0.4, era=era))
                        if "failed" in one[name]:
                            figures[name] = one[name]
                        else:
                            runs.setdefault((name, level), []).append(one[name])
        for name, (server, _, _) in rows.items():
            if server.process.poll() is None:
                figures.setdefault(name, {"kb": private_kb(server.process.pid)})
    finally:
        for server in {id(s[0]): s[0] for s in rows.values()}.values():
            server.end()
    for key, r in runs.items():
        if key[0] in figures and "failed" not in figures[key[0]]:
            figures[key] = pooled(r)
    return figures


def memory(server):
    """Bytes of private memory for each of so many streams that say nothing."""
    before = private_kb(server.process.pid)
    client = subprocess.Popen([server.world.BENCH, "-c", str(STREAMS), "streams", server.url(), server.kind, server.token], env=server.world.env,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if not client.stdout.readline():
            raise Failed(client.stderr.read())
        return {"bytes": (private_kb(server.process.pid) - before) * 1024 / STREAMS, "before_kb": before}
    finally:
        client.stdin.close()
        client.wait()
        client.stdout.close()
        client.stderr.close()


def streams(world, bridge, node, say):
    say("memory of %d streams" % STREAMS)
    figures = {}

    def measured(server, tool):
        try:
            if tool: # what the first calls take is no stream's
                ask(server, 8, tool, "-s", 0.3)
            return memory(server)
        finally:
            server.end()
    figures["listen"] = measured(Ours(world, bridge, "stateless", "listen"), LIST)
    figures["session"] = measured(Ours(world, bridge, "session", "session", "--set=sessions_max=%d" % (STREAMS + 1), "--set=share=100"), LIST)
    if node:
        proxies = proxied(node, [node, EVERYTHING, "stdio"])
        attempt(figures, "everything", lambda: measured(Other(world, [node, EVERYTHING, "streamableHttp"]), ECHO))
        # Over Streamable HTTP it starts a process for each session; its older transport has one for all.
        old = [w for w in proxies["supergateway"] if w not in ("--outputTransport", "streamableHttp", "--stateful")]
        attempt(figures, "supergateway", lambda: measured(Other(world, old, "/sse", "get"), None))
        attempt(figures, "proxy", lambda: measured(Other(world, proxies["proxy"]), ECHO))
    return figures


def large(world, bridge, node, prepare, say):
    """Results of 1 to 100 MB in one piece: ours out of Lisp, the others out of a Node server that has nothing to do for it."""
    figures = {}
    counts = {1: 9, 10: 7, 100: 3}
    few = {1: 5, 10: 1, 100: 1}

    def sizes(server, tool_of, name):
        try:
            for size, count in few.items():
                attempt(figures, (name, size), lambda size=size, count=count: ask(server, 1, tool_of(size), "-n", count, "-s", 20, "-t", LARGE_LIMIT))
        finally:
            server.end()
    server = Ours(world, bridge, "session", "session", "--set=large_min=0")
    try:
        for size, count in counts.items():
            say("a result of %d MB over HTTP" % size)
            prepare(size)
            attempt(figures, ("ours", size), lambda size=size, count=count: dict(ask(server, 1, ("bench_text", "{}"), "-n", count, "-s", 20),
                                                                                kb=private_kb(server.process.pid)))
    finally:
        server.end()
        prepare(0)
    if node:
        program = os.path.join(HOME, "node_server.mjs")
        shutil.copy(os.path.join(HERE, "node_server.mjs"), program)
        for name, words in proxied(node, [node, program]).items():
            say("the same by %s" % words[1].rsplit("/", 1)[1])
            try:
                server = Other(world, words)
            except Failed as e:
                figures[name, 1] = {"failed": str(e)}
                continue
            sizes(server, lambda size: ("evaluate", json.dumps({"code": "'0123456789abcdef'.repeat(%d)" % (size * 62500)})), name)
    return figures


class Fetcher:
    """A client as they are, over one connection: it reads into one buffer as the bytes come, and no faster than Python does."""
    META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}}

    def __init__(self, server, room):
        self.server, self.room = server, memoryview(bytearray(room))
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self.headers = {"Authorization": "Bearer " + server.token, "Accept": "application/json, text/event-stream"}
        self.body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "bench_text", "arguments": {}, "_meta": self.META}})

    def read(self, digest=None):
        """The bytes of the answer; each counts in DIGEST when it has come."""
        response, n = self.connection.getresponse(), 0
        while got := response.readinto(self.room[n:n + (1 << 20)]):
            if digest:
                digest.update(self.room[n:n + got])
            n += got
        if response.status != 200:
            raise SystemExit("status %d: %s" % (response.status, bytes(self.room[:400])))
        return n

    def call(self):
        self.connection.request("POST", "/mcp", self.body, dict(self.headers, **{
            "Content-Type": "application/json", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "bench_text"}))
        return self.read()

    def result(self, n):
        return json.loads(bytes(self.room[:n]))["result"]

    def one_piece(self):
        """Seconds until all of it has come, and until it is the text that the tool gave."""
        begun = time.perf_counter()
        n = self.call()
        came = time.perf_counter() - begun
        text = self.result(n)["content"][0]["text"]
        return {"came": came, "whole": time.perf_counter() - begun, "bytes": len(text)}

    def kept(self):
        """Seconds until it is announced, until all of it has come, and until its digest is known to be right."""
        begun = time.perf_counter()
        link = self.result(self.call())["content"][1]
        announced = time.perf_counter() - begun
        self.connection.request("GET", "/api/v1/results/" + link["uri"].split("//")[1], headers=self.headers)
        digest = hashlib.sha256()
        n = self.read(digest)
        came = time.perf_counter() - begun
        if n != link["size"] or digest.hexdigest() != link["_meta"]["efrit-mcp/sha256"]:
            raise SystemExit("what was fetched is not what was announced")
        return {"announced": announced, "came": came, "whole": time.perf_counter() - begun, "bytes": n}


def processor_ms(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def resident_kb(pid, field):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":"))


def fetched(world, bridge, prepare, say):
    """A result in one piece and one that is kept and fetched, in turn: (way, MB) -> medians, processor time, growth of the gateway."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="efb") as home:
        servers = {"one": Ours(world, bridge, "stateless", "listen", "--set=large_min=0", "--set=stream_after=0"),
                   "kept": Ours(world, bridge, "stateless", "listen", "--set=large_min=300000", "--set=stream_after=0", home=home)}
        clients = {way: Fetcher(server, 128 << 20) for way, server in servers.items()}
        try:
            for size, count in {1: 15, 10: 11, 100: 5}.items():
                say("a result of %d MB, in one piece and kept" % size)
                prepare(size)
                runs = {way: [] for way in servers}
                before = {}
                for way, server in servers.items():
                    getattr(clients[way], "one_piece" if way == "one" else "kept")() # what the first one takes is no result's
                    with open("/proc/%d/clear_refs" % server.process.pid, "w") as f:
                        f.write("5") # the peak begins anew
                    before[way] = resident_kb(server.process.pid, "VmRSS")
                spent = dict.fromkeys(servers, 0)
                for _ in range(count):
                    for way, server in servers.items():
                        at = processor_ms(server.process.pid) + processor_ms(world.emacs.pid)
                        runs[way].append(getattr(clients[way], "one_piece" if way == "one" else "kept")())
                        spent[way] += processor_ms(server.process.pid) + processor_ms(world.emacs.pid) - at
                for way, server in servers.items():
                    figures[way, size] = {key: statistics.median(r[key] for r in runs[way]) for key in runs[way][0]}
                    figures[way, size].update(processor=spent[way] / count,
                                              grew_kb=resident_kb(server.process.pid, "VmHWM") - before[way])
        finally:
            for way, server in servers.items():
                clients[way].connection.close()
                server.end()
            prepare(0)
    return figures
