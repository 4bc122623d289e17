"""What a call costs over HTTP, here and beside others: the part of tests/bench/run that starts servers with a port.

Each server gets a free port, is asked by the client of http.c, and is ended by process id, with what it started."""
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
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
    """A gateway of this tree."""

    def __init__(self, world, bridge, era="session", kind="session", *settings):
        self.world, self.era, self.kind, self.path, self.bridge = world, era, kind, "/mcp", bridge
        self.process = subprocess.Popen([bridge, "serve", "--listen", "127.0.0.1:0", *settings], env=world.env, cwd=world.dir, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=world.log, text=True)
        world.processes.append(self.process)
        found = re.search(r"http://127\.0\.0\.1:(\d+)/mcp", self.process.stdout.readline())
        if not found:
            raise SystemExit("the gateway does not start: " + world.tail())
        self.port = int(found.group(1))
        self.token = subprocess.run([bridge, "token"], env=world.env, capture_output=True, text=True, check=True).stdout.strip()

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
    figures["session"] = measured(Ours(world, bridge, "session", "session", "--set=sessions_max=%d" % (STREAMS + 1)), LIST)
    if node:
        proxies = proxied(node, [node, EVERYTHING, "stdio"])
        attempt(figures, "everything", lambda: measured(Other(world, [node, EVERYTHING, "streamableHttp"]), ECHO))
        # Over Streamable HTTP it starts a process for each session; its older transport has one for all.
        old = [w for w in proxies["supergateway"] if w not in ("--outputTransport", "streamableHttp", "--stateful")]
        attempt(figures, "supergateway", lambda: measured(Other(world, old, "/sse", "get"), None))
        attempt(figures, "proxy", lambda: measured(Other(world, proxies["proxy"]), ECHO))
    return figures


def large(world, bridge, node, prepare, say):
    """Results of 1 to 100 MB: ours out of Lisp, the others out of a Node server that has nothing to do for it."""
    figures = {}
    counts = {1: 9, 10: 5, 60: 2, 100: 1}
    few = {1: 5, 10: 1, 100: 1}

    def sizes(server, tool_of, name):
        try:
            for size, count in few.items():
                attempt(figures, (name, size), lambda size=size, count=count: ask(server, 1, tool_of(size), "-n", count, "-s", 20, "-t", LARGE_LIMIT))
        finally:
            server.end()
    server = Ours(world, bridge)
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
