"""What the cases of tests/gateway.py share: a gateway of their own and a client that writes HTTP by hand."""
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

import patience

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.path.join(ROOT, os.environ.get("B", "build"))
BRIDGE = os.path.join(PROGRAMS, "efrit-bridge")
PATIENCE = 30.0 * max(2.0, patience.factor())     # seconds anything may take, as this machine is now
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
BOTH = "application/json, text/event-stream"
CASES = {}


class Wrong(Exception):
    """It went another way."""


class Skip(Exception):
    """It cannot be played here."""


def case(emacs=False):
    """EMACS: True: it is for each of them, "first": for one of them, as what is tested is the gateway's; False: it needs none."""
    def note(function):
        CASES[function.__name__.replace("_", "-")] = (function, emacs)
        return function
    return note


def check(holds, *said):
    if not holds:
        raise Wrong(" ".join(str(s)[:1500] for s in said) or "something does not hold")


def until(holds, what):
    limit = patience.Limit(30)
    while not holds():
        check(not limit.over(), "waited in vain:", what)
        select.select([], [], [], 0.01)


class Answer:
    def __init__(self, status, headers, body, closed):
        self.status, self.headers, self.body, self.closed = status, headers, body, closed

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:800]!r}"

    @property
    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json.get("error", {}).get("code")


class Client:
    """One connection, read and written by hand."""

    def __init__(self, gateway, tls=None, path=None):
        self.gateway = gateway
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(path)
        else:
            self.sock = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def vanish(self):
        """As when a process is killed: a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def more(self):
        limit = patience.Limit(30)
        try:
            piece = None
            while piece is None:
                try:
                    piece = self.sock.recv(65536)
                except TimeoutError:
                    check(not limit.over(), "nothing came after:", self.got)
        except (ConnectionResetError, ssl.SSLError):
            piece = b""
        self.got += piece
        return bool(piece)

    def line(self):
        while b"\r\n" not in self.got:
            check(self.more(), "the connection ended:", self.got)
        line, self.got = self.got.split(b"\r\n", 1)
        return line.decode("latin-1")

    def exactly(self, n):
        while len(self.got) < n:
            check(self.more(), "the connection ended after", len(self.got), "of", n)
        data, self.got = self.got[:n], self.got[n:]
        return data

    def head(self):
        first = self.line()
        check(re.match(r"HTTP/1\.1 \d{3} ", first), "no answer of HTTP:", first, self.got[:200])
        headers = {}
        while True:
            line = self.line()
            if not line:
                return int(first[9:12]), headers
            name, value = line.split(":", 1)
            check(name.lower() not in headers, "twice:", line)
            headers[name.lower()] = value.strip()

    def answer(self, method="GET"):
        status, headers = self.head()
        if status == 100:
            return Answer(100, headers, b"", False)
        body = b""
        if method != "HEAD" and status not in (204, 304):
            if headers.get("transfer-encoding") == "chunked":
                while True:
                    piece = self.chunk()
                    if not piece:
                        break
                    body += piece
            elif "content-length" in headers:
                body = self.exactly(int(headers["content-length"]))
            else:
                while self.more():
                    pass
                body, self.got = self.got, b""
        return Answer(status, headers, body, headers.get("connection") == "close")

    def chunk(self):
        size = int(self.line(), 16)
        data = self.exactly(size)
        check(self.line() == "", "no line end after a chunk")
        return data

    def at_end(self):
        """The gateway has closed; nothing was left to read."""
        return not self.got and not self.more()

    def request(self, method, path, body=None, headers=None, token=True, send_only=False):
        lines = {"Host": f"127.0.0.1:{self.gateway.port}"}
        if token and self.gateway.token:
            lines["Authorization"] = f"Bearer {self.gateway.token}"
        if body is not None:
            body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
            lines["Content-Type"] = "application/json"
            lines["Content-Length"] = str(len(body))
        lines.update(headers or {})
        text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None) + "\r\n"
        self.send(text.encode() + (body or b""))
        return None if send_only else self.answer(method)

    # --- MCP ---

    def modern(self, method, params=None, id=1, headers=None, meta=None, send_only=False, notification=False):
        message = {"jsonrpc": "2.0", "method": method, "params": dict(params or {}, _meta=dict(META, **(meta or {})))}
        if not notification:
            message["id"] = id
        lines = {"Accept": BOTH, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
        if method == "tools/call":
            lines["Mcp-Name"] = message["params"].get("name", "x")
        lines.update(headers or {})
        return self.request("POST", "/mcp", message, lines, send_only=send_only)

    def call(self, tool, arguments=None, **more):
        return self.modern("tools/call", {"name": tool, "arguments": arguments or {}}, **more)

    def initialize(self, version="2025-11-25"):
        a = self.request("POST", "/mcp", {"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}, {"Accept": BOTH})
        check(a.status == 200 and "result" in a.json, "initialize:", a)
        session = a.headers["mcp-session-id"]
        check(re.fullmatch(r"[\x21-\x7e]{16,}", session), "session", session)
        check(self.legacy(session, "notifications/initialized", id=None).status == 202, "initialized")
        return session

    def legacy(self, session, method, params=None, id=1, headers=None, send_only=False):
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        if id is not None:
            message["id"] = id
        return self.request("POST", "/mcp", message, dict({"Accept": BOTH, "Mcp-Session-Id": session}, **(headers or {})),
                            send_only=send_only)

    def events(self, chunked=True):
        """The events of a stream as they come: dictionaries with data as text."""
        text = b""
        while True:
            while b"\n\n" in text:
                one, text = text.split(b"\n\n", 1)
                event = {}
                for line in one.decode().split("\n"):
                    if line.startswith(":"):
                        event["comment"] = line[1:]
                    elif line:
                        name, _, value = line.partition(":")
                        event[name] = value.removeprefix(" ")
                yield event
            piece = self.chunk()
            if not piece:
                check(not text, "half an event:", text)
                return
            text += piece

    def stream(self):
        status, headers = self.head()
        check(status == 200 and headers["content-type"] == "text/event-stream", status, headers, self.got)
        return (e for e in self.events() if "comment" not in e)


def message(event):
    return json.loads(event["data"])


class Gateway:
    def __init__(self, *arguments, settings=None, env=None, listen="127.0.0.1:0", wait=True, bridge=BRIDGE, config=None):
        self.bridge = bridge
        self.base = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        for name in ("x", "home"):
            os.mkdir(os.path.join(self.base, name), 0o700)
        self.env = dict(os.environ, **patience.settings(), XDG_RUNTIME_DIR=os.path.join(self.base, "x"), HOME=os.path.join(self.base, "home"),
                        EFRIT_MCP_FOLDERS=os.path.join(self.base, "x", "efrit"), EFRIT_MCP_LOG_LEVEL="debug",
                        EFRIT_MCP_EMACS=os.environ.get("EMACS", "emacs"), EFRIT_MCP_LISP=os.path.join(ROOT, "lisp"))
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "NOTIFY_SOCKET"):
            self.env.pop(name, None)
        self.env.update(env or {})
        self.settings = [f"--set={k}={v}" for k, v in (settings or {}).items()]
        self.socket = os.path.join(self.base, "x", "efrit-gateway.sock")
        self.log_path = os.path.join(self.base, "log")
        self.token = None
        self.config_path = os.path.join(self.base, "home/.config/efrit-mcp/config.json")
        if config is not None:
            self.configure(config)
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen([self.bridge, "serve", *(["--listen", listen] if listen else []), *self.settings, *arguments], env=self.env,
                                        stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL)
        if wait:
            self.ready()
        else:
            self.port = 0

    def configure(self, config):
        os.makedirs(os.path.dirname(self.config_path), exist_ok=True)
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(config if isinstance(config, str) else json.dumps(config))

    def reload(self, config, words="read again"):
        """Settings are another file now; the log then says WORDS."""
        self.configure(config)
        before = self.whole_log().count(words)
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.whole_log().count(words) > before, words)

    def ready(self):
        self.line = self.read_line(self.process.stdout)
        self.port = self.port_of(self.line)
        if not any("auth=none" in s for s in self.process.args) and "none" not in self.process.args:
            self.token = self.run("token").stdout.strip()

    def read_line(self, pipe):
        line = pipe.readline().decode()
        check(line.startswith("efrit-gateway ready: "), "not ready:", line, self.said())
        return line

    def port_of(self, line):
        found = re.search(r"https?://[^ ]*:(\d+)/mcp", line)
        return int(found.group(1)) if found else 0

    def said(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode(errors="replace")[-3000:]

    def whole_log(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode(errors="replace")

    def run(self, *arguments, **more):
        return subprocess.run([self.bridge, *arguments], env=self.env, capture_output=True, text=True, timeout=PATIENCE * 2, **more)

    def client(self, **more):
        return Client(self, **more)

    def get(self, path, **more):
        with self.client() as c:
            return c.request("GET", path, **more)

    def alive(self):
        check(self.process.poll() is None, "the gateway has ended:", self.process.poll(), self.said())
        check(self.get("/livez").status == 200, "livez")

    def start_emacs(self, name="main"):
        a = self.call("efrit_start_instance", {"name": name})
        check(not a.get("isError"), "no Emacs:", a)
        self.instance = name

    def call(self, tool, arguments=None):
        with self.client() as c:
            return c.request("POST", f"/api/v1/tools/{tool}", arguments or {}).json

    def value(self, form):
        r = self.call("efrit_execute", {"content": form})
        said = json.loads(r["content"][0]["text"])
        check(said.get("status") == "success", form, r)
        return said["result"]

    def state(self):
        return json.loads(self.call("efrit_status")["content"][0]["text"])["state"]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self):
        if "san" in PROGRAMS: # what a sanitizer keeps says nothing
            return 0
        with open(f"/proc/{self.process.pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("Private_")) * 1024

    def health(self):
        return self.get("/health").json

    def end(self, status=0):
        self.process.send_signal(signal.SIGTERM)
        check(patience.ended(self.process, 30) == status, "ended with", self.process.returncode, self.said())

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if self.process.poll() is None and getattr(self, "instance", None) and self.token is not None:
                with contextlib.suppress(Exception):
                    self.call("efrit_stop_instance", {"instance_id": self.instance, "force": True})
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    patience.ended(self.process, 30)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
                    raise Wrong("it did not end") from None
            if kind is None:
                check(self.process.returncode == 0, "status", self.process.returncode, self.said())
                if self.token:
                    check(self.token not in self.said(), "the token is in the log")
            else:
                print("--- log of the gateway\n" + self.said(), file=sys.stderr)
        finally:
            self.process.stdout.close()
            self.log.close()
            shutil.rmtree(self.base, ignore_errors=True)
