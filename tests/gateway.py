#!/usr/bin/env python3
"""The gateway over HTTP: one case each, against the real program, and a real Emacs where it says so.

    tests/gateway.py CASE       EMACS, B in the environment choose the programs
    tests/gateway.py --list alone|emacs

Cases are functions below, their names with - for _.  Ends with 0, 1 (something else was said) or
77 (cannot be played here).
"""
import base64
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
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = os.path.join(ROOT, os.environ.get("B", "build"))
BRIDGE = os.path.join(PROGRAMS, "efrit-bridge")
PATIENCE = 30.0     # seconds anything may take
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
BOTH = "application/json, text/event-stream"
CASES = {}


class Wrong(Exception):
    """It went another way."""


class Skip(Exception):
    """It cannot be played here."""


def case(emacs=False):
    def note(function):
        CASES[function.__name__.replace("_", "-")] = (function, emacs)
        return function
    return note


def check(holds, *said):
    if not holds:
        raise Wrong(" ".join(str(s)[:1500] for s in said) or "something does not hold")


def until(holds, what):
    end = time.monotonic() + PATIENCE
    while not holds():
        check(time.monotonic() < end, "waited in vain:", what)
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
        try:
            piece = self.sock.recv(65536)
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
        if method != "HEAD" and status != 204:
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
    def __init__(self, *arguments, settings=None, env=None, port=None, listen="127.0.0.1:0", wait=True, **popen):
        self.base = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
        for name in ("x", "home"):
            os.mkdir(os.path.join(self.base, name), 0o700)
        self.env = dict(os.environ, XDG_RUNTIME_DIR=os.path.join(self.base, "x"), HOME=os.path.join(self.base, "home"),
                        EFRIT_MCP_FOLDERS=os.path.join(self.base, "x", "efrit"), EFRIT_MCP_LOG_LEVEL="debug",
                        EFRIT_MCP_EMACS=os.environ.get("EMACS", "emacs"), EFRIT_MCP_LISP=os.path.join(ROOT, "lisp"))
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "NOTIFY_SOCKET"):
            self.env.pop(name, None)
        self.env.update(env or {})
        self.settings = [f"--set={k}={v}" for k, v in (settings or {}).items()]
        self.socket = os.path.join(self.base, "x", "efrit-gateway.sock")
        self.log_path = os.path.join(self.base, "log")
        self.token = None
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen([BRIDGE, "serve", "--listen", listen, *self.settings, *arguments], env=self.env,
                                        stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, **popen)
        if wait:
            self.ready()
        else:
            self.port = 0

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

    def run(self, *arguments, **more):
        return subprocess.run([BRIDGE, *arguments], env=self.env, capture_output=True, text=True, timeout=PATIENCE * 2, **more)

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
        with open(f"/proc/{self.process.pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("Private_")) * 1024

    def health(self):
        return self.get("/health").json

    def end(self, status=0):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(PATIENCE) == status, "ended with", self.process.returncode, self.said())

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
                    self.process.wait(PATIENCE)
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


# --- who may come in, and where things are ---

@case()
def doors():
    with Gateway() as g, g.client() as c:
        check(c.request("GET", "/livez", token=False).body == b"ok\n")
        check(c.request("GET", "/readyz", token=False).status == 200)
        health = c.request("GET", "/health")
        check(health.json["status"] == "degraded" and health.json["connections"] == 1, health)
        check(c.request("GET", "/health", token=False).status == 401)
        head = c.request("HEAD", "/health")
        check(head.status == 200 and int(head.headers["content-length"]) > 20, head)
        a = c.request("GET", "/nothing")
        check(a.status == 404 and "/mcp" in a.json["error"], a)
        a = c.request("PUT", "/mcp", "{}")
        check(a.status == 405 and a.headers["allow"] == "POST, GET, DELETE", a)
        check(c.request("POST", "/livez", "{}").status == 405)
        tools = {t["name"]: t for t in c.request("GET", "/api/v1/tools").json["tools"]}
        check("efrit_execute" in tools)
        api = c.request("GET", "/api/v1/openapi.json").json
        check(api["openapi"].startswith("3.1"))
        for name, tool in tools.items():
            schema = api["paths"][f"/api/v1/tools/{name}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
            check(schema == tool["inputSchema"], name)
        check(c.request("GET", "/api/v1/services").json["services"][0]["kind"] == "emacs")
        check(c.request("GET", "/api/v1/instances").json["instances"] == [])
        check(c.request("POST", "/api/v1/tools", "{}").status == 405)
        check(c.request("GET", "/api/v1/tools/efrit_status").status == 405)
        check(c.request("GET", "/api/v1/more").status == 404)
        check(c.request("POST", "/api/v1/tools/nothing", "{}").status == 404)
        check(c.request("POST", "/api/v1/tools/efrit_execute", "[1]").status == 400)
        check(c.request("POST", "/api/v1/tools/efrit_execute", '{"content":').status == 400)
        check(c.request("POST", "/api/v1/tools/efrit_execute", '{"content":1,"content":2}').status == 400)
        a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": 7})
        check(a.status == 400 and a.json["isError"], a)
        a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "1"})
        check(a.status == 503 and a.json["isError"], a)
        a = c.request("POST", "/api/v1/tools/efrit_list_instances")
        check(a.status == 200 and "content" in a.json and "resultType" not in a.json, a)


@case()
def who_may():
    with Gateway() as g, g.client() as c:
        here = f"127.0.0.1:{g.port}"
        a = c.modern("server/discover", headers={"Authorization": None})
        check(a.status == 401 and a.headers["www-authenticate"].startswith("Bearer") and not a.closed or a.status == 401, a)
    with Gateway() as g:
        def ask(**headers):
            with g.client() as c:
                return c.modern("server/discover", headers={k.replace("_", "-"): v for k, v in headers.items()})
        check(ask().status == 200)
        for bad in ("Bearer", "Bearer ", f"Bearer {g.token[:-1]}", f"Bearer {g.token}x", f"Basic {g.token}", g.token):
            a = ask(Authorization=bad)
            check(a.status == 401 and g.token not in a.body.decode(), bad, a)
        check(ask(Authorization=f"bearer {g.token}").status == 200)
        for host in ("evil.example.com", "evil.example.com:80", "127.0.0.1.evil.example", "localhost@evil", "", "[::1", "127.0.0.1:x"):
            check(ask(Host=host).status in (400, 421), host, ask(Host=host))
        for host in ("localhost", f"localhost:{g.port}", f"127.0.0.1:{g.port}", f"[::1]:{g.port}", "LOCALHOST"):
            check(ask(Host=host).status == 200, host)
        for origin in ("http://evil.example.com", "null", "http://localhost.evil.example", "file://", "https://127.0.0.1.nip.io"):
            check(ask(Origin=origin).status == 403, origin)
        a = ask(Origin=f"http://localhost:{g.port}")
        check(a.status == 200 and a.headers["access-control-allow-origin"] == f"http://localhost:{g.port}", a)
        check("Mcp-Session-Id" in a.headers["access-control-expose-headers"], a)
        with g.client() as c:
            a = c.request("OPTIONS", "/mcp", token=False, headers={"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"})
            check(a.status == 204 and "Mcp-Method" in a.headers["access-control-allow-headers"], a)
            a = c.request("OPTIONS", "/mcp", token=False, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
            check(a.status == 403, a)
        path = os.path.join(g.base, "home/.local/state/efrit-mcp/token")
        check(os.stat(path).st_mode & 0o777 == 0o600, "mode of the token")
        r = g.run("token")
        check(r.returncode == 0 and r.stdout == g.token + "\n" and not r.stderr, r)
        os.chmod(path, 0o644)
        check(g.run("token").returncode == 1 and "read by others" in g.run("token").stderr)
        os.chmod(path, 0o600)
    with Gateway(settings={"hosts": "gate.example", "origins": "https://page.example"}) as g, g.client() as c:
        check(c.modern("server/discover", headers={"Host": "gate.example", "Origin": "https://page.example"}).status == 200)
        check(c.modern("server/discover", headers={"Host": "gate.example", "Origin": "https://page.example.evil"}).status == 403)


@case()
def open_to_others():
    for arguments, words in ((("--auth", "none"), "leave out --auth none"), ((), "set tls_cert"), (("--auth", "maybe"), "token or none"),
                             (("--set", "tls_cert=/nothing"), "belong together"),
                             (("--set", "tls_cert=/nothing", "--set", "tls_key=/nothing"), "cannot be used")):
        with Gateway(*arguments, listen="0.0.0.0:0", wait=False) as g:
            check(g.process.wait(PATIENCE) != 0)
            check(words in g.said(), words, g.said())
            g.process.returncode = 0
    for listen, words in (("127.0.0.1", "ADDR:PORT"), ("127.0.0.1:99999", "65535"), ("example.com:1", "must be a number"), ("unix:x", "absolute")):
        with Gateway(listen=listen, wait=False) as g:
            check(g.process.wait(PATIENCE) != 0 and words in g.said(), listen, g.said())
            g.process.returncode = 0
    with Gateway("--auth", "none") as g, g.client() as c:
        check(c.modern("server/discover").status == 200)


# --- HTTP itself ---

GOOD_BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}})


def raw(g, text, body=b""):
    text = text.replace("\n", "\r\n").replace("HOST", f"127.0.0.1:{g.port}").replace("TOKEN", g.token)
    return text.encode("latin-1") + (body.encode() if isinstance(body, str) else body)


@case()
def shapes():
    n = len(GOOD_BODY)
    auth = "Host: HOST\nAuthorization: Bearer TOKEN\nContent-Type: application/json\n"
    smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    hostile = {
        "CL and TE": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n",
        "TE and CL": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\nContent-Length: 4\n\n0\n\n",
        "two CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: {n}\nContent-Length: {n}\n\n",
        "differing CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 4\nContent-Length: 5\n\n",
        "a list of CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 4, 4\n\n",
        "negative CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: -1\n\n",
        "signed CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: +4\n\n",
        "hex CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 0x10\n\n",
        "CL of 30 digits": f"POST /mcp HTTP/1.1\n{auth}Content-Length: {'9' * 30}\n\n",
        "empty CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: \n\n",
        "TE twice": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n\n",
        "TE gzip": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: gzip, chunked\n\n0\n\n",
        "TE xchunked": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: xchunked\n\n0\n\n",
        "TE chunked, identity": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked, identity\n\n0\n\n",
        "TE in 1.0": f"POST /mcp HTTP/1.0\n{auth}Transfer-Encoding: chunked\n\n0\n\n",
        "blank before the colon": f"POST /mcp HTTP/1.1\n{auth}Content-Length : 4\n\n",
        "folded header": f"POST /mcp HTTP/1.1\n{auth}X: a\n b\nContent-Length: 4\n\n",
        "folded by a tab": f"POST /mcp HTTP/1.1\n{auth}X: a\n\tTransfer-Encoding: chunked\n\n",
        "no host": "GET /livez HTTP/1.1\n\n",
        "two hosts": "GET /livez HTTP/1.1\nHost: HOST\nHost: HOST\n\n",
        "another host in the line": "GET http://evil.example/livez HTTP/1.1\nHost: HOST\n\n",
        "two tokens": f"GET /health HTTP/1.1\n{auth}Authorization: Bearer x\n\n",
        "version 2": "GET /livez HTTP/2.0\nHost: HOST\n\n",
        "version 1.2": "GET /livez HTTP/1.2\nHost: HOST\n\n",
        "preface of 2": "PRI * HTTP/2.0\n\nSM\n\n",
        "no version": "GET /livez\n\n",
        "no request": "hello there\n\n",
        "HTTP 0.9": "GET /\n\n",
        "connect": "CONNECT 127.0.0.1:80 HTTP/1.1\nHost: HOST\n\n",
        "no path": "GET livez HTTP/1.1\nHost: HOST\n\n",
        "a header without a colon": "GET /livez HTTP/1.1\nHost: HOST\nfoo\n\n",
        "a header without a name": "GET /livez HTTP/1.1\nHost: HOST\n: x\n\n",
        "a NUL in a header": "GET /livez HTTP/1.1\nHost: HOST\nX: a\0b\n\n",
        "a NUL in the path": "GET /li\0vez HTTP/1.1\nHost: HOST\n\n",
        "an unknown method": "FROB /livez HTTP/1.1\nHost: HOST\n\n",
        "expecting more": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 4\nExpect: wonders\n\n",
        "chunk without size": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\n\nzz\n",
        "chunk too big": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\n\nffffffffffffffffff\n",
        "chunk longer than it says": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\n\n2\nabcd\n0\n\n",
    }
    exact = {
        "bare LF": b"GET /livez HTTP/1.1\nHost: HOST\n\n",
        "bare LF in the head": b"GET /livez HTTP/1.1\r\nHost: HOST\r\nX: 1\nY: 2\r\n\r\n",
        "bare CR in the head": b"GET /livez HTTP/1.1\r\nHost: HOST\r\nX: 1\rY: 2\r\n\r\n",
        "CR CR LF": b"GET /livez HTTP/1.1\r\r\nHost: HOST\r\n\r\n",
        "TLS to a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "chunk ended by LF": raw_chunk(),
    }
    with Gateway() as g:
        for name, text in list(hostile.items()) + list(exact.items()):
            data = raw(g, text) if isinstance(text, str) else text.replace(b"HOST", f"127.0.0.1:{g.port}".encode()).replace(b"TOKEN", g.token.encode())
            with g.client() as c:
                c.send(data + smuggled.encode())
                a = c.answer()
                check(400 <= a.status < 600 and a.status != 404, name, a)
                check(a.closed, name, "the connection stays open", a)
                check(c.at_end(), name, "more was answered:", c.got)
        g.alive()
        check(g.descriptors() < 30, "descriptors", os.listdir(f"/proc/{g.process.pid}/fd"))


def raw_chunk():
    return (b"POST /mcp HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n")


@case()
def sane_shapes():
    auth = "Host: HOST\nAuthorization: Bearer TOKEN\nContent-Type: application/json\n"
    modern = "Accept: */*\nMCP-Protocol-Version: 2026-07-28\nMcp-Method: server/discover\n"
    n = len(GOOD_BODY)
    with Gateway() as g:
        def ask(text, body="", count=1):
            with g.client() as c:
                c.send(raw(g, text, body))
                return [c.answer() for _ in range(count)]
        a, = ask(f"POST /mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\n\n", GOOD_BODY)
        check(a.status == 200 and "supportedVersions" in a.json["result"], a)
        chunks = "".join(f"{len(p):x};ext=1\r\n{p}\r\n" for p in (GOOD_BODY[:10], GOOD_BODY[10:11], GOOD_BODY[11:])) + "0\r\nTrailer: x\r\n\r\n"
        a, = ask(f"POST /mcp HTTP/1.1\n{auth}{modern}Transfer-Encoding: Chunked\n\n", chunks)
        check(a.status == 200, a)
        a, = ask(f"POST http://HOST/mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\n\n", GOOD_BODY)
        check(a.status == 200, a)
        a, = ask(f"POST /mcp HTTP/1.0\n{auth}{modern}Content-Length: {n}\n\n", GOOD_BODY)
        check(a.status == 200 and a.closed, a)
        a, = ask("GET /livez HTTP/1.0\nHost: HOST\nConnection: keep-alive\n\n")
        check(a.status == 200 and a.headers["connection"] == "keep-alive", a)
        a, = ask("\n\nGET /livez HTTP/1.1\nHost: HOST\nUpgrade: h2c\nConnection: upgrade\n\n")
        check(a.status == 200, a)
        three = ask(f"POST /mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\n\n{GOOD_BODY}GET /livez HTTP/1.1\nHost: HOST\n\n"
                    "GET /nothing HTTP/1.1\nHost: HOST\nAuthorization: Bearer TOKEN\n\n", count=3)
        check([x.status for x in three] == [200, 200, 404], three)
        with g.client() as c: # one byte at a time
            for byte in raw(g, f"POST /mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\n\n", GOOD_BODY):
                c.send(bytes([byte]))
            check(c.answer().status == 200)
        with g.client() as c:
            c.send(raw(g, f"POST /mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\nExpect: 100-continue\n\n"))
            check(c.answer().status == 100)
            c.send(GOOD_BODY)
            check(c.answer().status == 200)
            c.send(raw(g, f"POST /mcp HTTP/1.1\nHost: HOST\n{modern}Content-Type: application/json\nContent-Length: {n}\nExpect: 100-continue\n\n"))
            check(c.answer().status == 401)
        a, = ask(f"POST /mcp HTTP/1.1\n{auth}{modern}Accept: text/event-stream\nContent-Length: {n}\n\n", GOOD_BODY)
        check(a.status == 200, a)


@case()
def sizes():
    with Gateway(settings={"request_max": 4096, "head_max": 2048, "headers_max": 20}) as g:
        def post(body, **headers):
            with g.client() as c:
                return c.request("POST", "/mcp", body, {k.replace("_", "-"): v for k, v in headers.items()})
        a = post("x" * 4097)
        check(a.status == 413 and a.closed and b"4096" in a.body, a)
        check(post("x" * 4096).status == 400)
        with g.client() as c: # it is refused by its length alone
            c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Content-Length": str(1 << 40)}, send_only=True)
            check(c.answer().status == 413)
        with g.client() as c: # all of a big body is sent before the answer is read
            with contextlib.suppress(ConnectionError):
                c.request("POST", "/mcp", "y" * 900000, send_only=True)
            check(c.answer().status == 413)
        with g.client() as c:
            c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}, send_only=True)
            for _ in range(5):
                c.send("400\r\n" + "z" * 1024 + "\r\n")
            check(c.answer().status == 413)
        with g.client() as c: # chunks of one byte with long extensions
            c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}, send_only=True)
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    c.send("1;" + "e" * 1000 + "\r\nz\r\n")
            check(c.answer().status == 413)
        check(post("{}", X="h" * 3000).status == 431)
        check(post("{}", **{f"X{i}": "1" for i in range(30)}).status == 431)
        with g.client() as c:
            c.send("GET /" + "p" * 5000)
            check(c.answer().status == 431)
        check(post("{}", Content_Encoding="gzip").status == 415)
        check(post("{}", Content_Type="text/plain").status == 415)
        check(post("{}", Content_Type="application/json; charset=utf-8").status == 400)
        check(post("{}", Content_Type="application/jsonx").status == 415)
        check(post("{}", Content_Type=None).status == 415)
        check(post(GOOD_BODY, Accept="text/html").status == 406)
        check(post(GOOD_BODY, Accept="text/html, */*;q=0").status == 406)
        g.alive()


@case()
def patience():
    with Gateway(settings={"head_timeout": 100, "body_timeout": 100, "idle_timeout": 100, "write_timeout": 200}) as g:
        with g.client() as c:
            c.send("GET /livez HT")
            check(c.answer().status == 408)
            check(c.at_end())
        with g.client() as c:
            c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Content-Length": "100"}, send_only=True)
            c.send("{")
            check(c.answer().status == 408)
        with g.client() as c: # a byte now and then does not help
            with contextlib.suppress(ConnectionError, Wrong):
                for byte in b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 100:
                    c.send(bytes([byte]))
                    if select.select([c.sock], [], [], 0.02)[0]:
                        break
            check(c.answer().status == 408)
        with g.client() as c:
            check(c.request("GET", "/livez").status == 200)
            check(c.at_end())
        with g.client() as c: # nothing at all
            check(c.at_end())
        until(lambda: g.health()["connections"] == 1, "the connections are gone")
        g.alive()


@case()
def too_many():
    with Gateway(settings={"conns_max": 3}) as g:
        held = [g.client() for _ in range(3)]
        for c in held:
            check(c.request("GET", "/livez").status == 200)
        with g.client() as c:
            a = c.answer()
            check(a.status == 503 and a.headers["retry-after"], a)
        for c in held:
            check(c.request("GET", "/livez").status == 200)
            c.close()
        until(lambda: tries(g), "there is room again")


def tries(g):
    with g.client() as c:
        return c.request("GET", "/livez").status == 200


# --- 2026-07-28 ---

@case()
def modern_errors():
    with Gateway() as g, g.client() as c:
        def post(body, **headers):
            return c.request("POST", "/mcp", body, dict({"Accept": BOTH}, **{k.replace("_", "-"): v for k, v in headers.items()}))

        def asks(version="2026-07-28", method="tools/list", params=None, **headers):
            body = {"jsonrpc": "2.0", "id": 5, "method": method, "params": dict(params or {}, _meta=dict(META, **{
                "io.modelcontextprotocol/protocolVersion": version}))}
            return post(body, **dict({"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": method}, **headers))

        def refused(a, status, code, id=5):
            check(a.status == status and a.code() == code, status, code, a)
            check(a.json.get("id") == id and ("id" in a.json) == (id is not None), "id", a)
            return a.json["error"]

        for text in ("{", "", "nonsense", '{"jsonrpc":"2.0","id":1,"method":"x","method":"y"}', b"\xff\xfe{}", b'{"a":"\xc3\x28"}',
                     '{"jsonrpc":"2.0"}\0'):
            refused(post(text), 400, -32700, None)
        for text in ("[]", "1", '"x"', "null", '{"jsonrpc":"1.0","id":5,"method":"x"}', f"[{GOOD_BODY}]"):
            a = post(text, MCP_Protocol_Version="2026-07-28")
            check(a.status == 400 and a.code() == -32600, text, a)
        refused(asks(), 200, None) if False else check(asks().status == 200, asks())
        error = refused(post({"jsonrpc": "2.0", "id": 5, "method": "tools/list"}, MCP_Protocol_Version="2026-07-28", Mcp_Method="tools/list"), 400, -32602)
        check("_meta" in json.dumps(error["data"]), error)
        refused(post({"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28"}}}, MCP_Protocol_Version="2026-07-28", Mcp_Method="tools/list"), 400, -32602)
        refused(asks("v999"), 400, -32020)
        error = refused(asks("v999", MCP_Protocol_Version="v999"), 400, -32022)
        check(error["data"] == {"supported": ["2026-07-28"], "requested": "v999"}, error)
        refused(asks("2025-11-25", MCP_Protocol_Version="2025-11-25"), 400, -32022)
        refused(asks(MCP_Protocol_Version=None), 400, -32020)
        refused(asks(Mcp_Method=None), 400, -32020)
        refused(asks(Mcp_Method="TOOLS/LIST"), 400, -32020)
        refused(asks(Mcp_Method="tools/call"), 400, -32020)
        check(asks(Mcp_Method="   tools/list  ").status == 200)
        check(asks(MCP_PROTOCOL_VERSION="2026-07-28", MCP_Protocol_Version=None).status == 200)
        for method in ("initialize", "ping", "logging/setLevel", "no/such"):
            refused(asks(method=method), 404, -32601)
        params = {"name": "efrit_list_instances", "arguments": {}}
        refused(asks(method="tools/call", params=params), 400, -32020)
        refused(asks(method="tools/call", params=params, Mcp_Name="other"), 400, -32020)
        check(asks(method="tools/call", params=params, Mcp_Name="efrit_list_instances").status == 200)

        def coded(text):
            return "=?base64?" + base64.b64encode(text.encode()).decode() + "?="
        check(asks(method="tools/call", params=params, Mcp_Name=coded("efrit_list_instances")).status == 200)
        refused(asks(method="tools/call", params=params, Mcp_Name=coded("other")), 400, -32020)
        refused(asks(method="tools/call", params=params, Mcp_Name=coded("efrit_list_instances")[:-3] + "?="), 400, -32020)
        refused(asks(method="tools/call", params=params, Mcp_Name="=?base64?ZWZyaXRfbGlzdF9pbnN0YW5j*XM=?="), 400, -32020)
        refused(asks(method="tools/call", params={"name": "nope"}, Mcp_Name="nope"), 200, -32602)
        refused(asks(method="tools/call", params={"name": "efrit_list_instances", "arguments": 3}, Mcp_Name="efrit_list_instances"), 200, -32602)
        a = c.call("efrit_execute", {"content": 3})
        check(a.status == 200 and a.json["result"]["isError"], a)
        a = c.modern("notifications/cancelled", {"requestId": 5}, notification=True)
        check(a.status == 202 and not a.body, a)
        a = post({"jsonrpc": "2.0", "id": 5, "result": {}}, MCP_Protocol_Version="2026-07-28")
        check(a.status == 400 and a.code() == -32600, a)
        a = c.modern("tools/list", headers={"Mcp-Session-Id": "x"})
        check(a.status == 200 and "mcp-session-id" not in a.headers, a)
        a = c.modern("tools/list", headers={"Accept": "application/json"})
        check(a.status == 200 and a.headers["content-type"] == "application/json", a)
        result = a.json["result"]
        check(result["resultType"] == "complete" and isinstance(result["ttlMs"], int) and result["cacheScope"], result)
        check(c.modern("tools/list").body == c.modern("tools/list").body, "the list differs")
        a = c.modern("tools/list", headers={"Accept": "text/event-stream"})
        check(a.headers["content-type"] == "text/event-stream" and b"resultType" in a.body, a)
        check(c.request("GET", "/mcp", headers={"MCP-Protocol-Version": "2026-07-28", "Accept": BOTH}).status == 405)
        check(c.request("DELETE", "/mcp", headers={"MCP-Protocol-Version": "2026-07-28"}).status == 405)
        for id in ("a", 7, -1, "é", 2**53):
            check(c.modern("tools/list", id=id).json["id"] == id, id)


@case()
def listening():
    with Gateway() as g, g.client() as c, g.client() as d:
        for client, id in ((c, "L1"), (d, 7)):
            client.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id=id, send_only=True)
        streams = [c.stream(), d.stream()]
        for stream, id in zip(streams, ("L1", 7)):
            first = message(next(stream))
            check(first["method"] == "notifications/subscriptions/acknowledged", first)
            check(first["params"]["notifications"] == {"toolsListChanged": True}, first)
            check(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == id, first)
        with g.client() as e:
            e.modern("subscriptions/listen", {"notifications": {}}, send_only=True)
            check(message(next(e.stream()))["params"]["notifications"] == {})
            check(g.health()["requests"] == 3, g.health())
        until(lambda: g.health()["requests"] == 2, "a subscription ends with its connection")
        with g.client() as e:
            check(e.modern("subscriptions/listen", {}).code() == -32602)
        g.process.send_signal(signal.SIGTERM)
        for stream, id in zip(streams, ("L1", 7)):
            last = message(next(stream))
            check(last["id"] == id and last["result"]["resultType"] == "complete", last)
            check(last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == id, last)
            check(next(stream, None) is None, "more after the end")


# --- sessions ---

@case()
def sessions():
    with Gateway() as g, g.client() as c:
        for version in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"):
            s = c.initialize(version)
            a = c.legacy(s, "ping")
            check(a.status == 200 and a.json == {"jsonrpc": "2.0", "id": 1, "result": {}}, a)
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2026-07-28"}}, {"Accept": BOTH})
        check(a.json["result"]["protocolVersion"] == "2025-11-25", a)
        other = c.initialize()
        check(other != s)
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"Accept": BOTH})
        check(a.status == 400 and a.json["id"] is None and a.code() == -32000, a)
        a = c.legacy("nobody", "ping")
        check(a.status == 404 and a.code() == -32001, a)
        a = c.legacy(s, "no/such")
        check(a.status == 200 and a.code() == -32601, a)
        check(c.legacy(s, "tools/call", {"name": "nope"}).code() == -32602)
        check(c.legacy(s, "ping", headers={"MCP-Protocol-Version": "1999-01-01"}).status == 400)
        check(c.legacy(s, "ping", headers={"MCP-Protocol-Version": "2025-06-18"}).status == 200)
        a = c.request("POST", "/mcp", "{", {"Accept": BOTH, "Mcp-Session-Id": s})
        check(a.status == 400 and a.code() == -32700, a)
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 9, "result": {}}, {"Accept": BOTH, "Mcp-Session-Id": s})
        check(a.status == 202, a)
        a = c.request("POST", "/mcp", [{"jsonrpc": "2.0", "id": 1, "method": "ping"}], {"Accept": BOTH, "Mcp-Session-Id": s})
        check(a.code() == -32600, a)
        a = c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": s})
        check(a.status == 204, a)
        check(c.legacy(s, "ping").status == 404)
        check(c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": s}).status == 404)
        check(c.request("DELETE", "/mcp").status == 400)
        check(c.legacy(other, "ping").status == 200)
        # batches of 2025-03-26
        s = c.initialize("2025-03-26")

        def batch(elements):
            return c.request("POST", "/mcp", elements, {"Accept": BOTH, "Mcp-Session-Id": s})
        a = batch([{"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
                   {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}}])
        check(a.status == 200 and sorted(x["id"] for x in a.json) == [1, 2], a)
        check(batch([{"jsonrpc": "2.0", "method": "notifications/initialized"}]).status == 202)
        check(batch([]).code() == -32600)
        check(batch([json.loads(GOOD_BODY)]).code() == -32600)
        # the session's own stream
        with g.client() as d, g.client() as e:
            d.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": other}, send_only=True)
            first = next(d.stream())
            check(first["id"] and first["data"] == "" and first["retry"] == "1000", first)
            check(e.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": other}).status == 409)
            check(e.request("GET", "/mcp", headers={"Accept": "application/json", "Mcp-Session-Id": other}).status == 406)
            check(e.request("GET", "/mcp", headers={"Accept": BOTH}).status == 400)
            check(e.request("GET", "/mcp", headers={"Accept": BOTH, "Mcp-Session-Id": "x"}).status == 404)
            check(e.request("GET", "/mcp", headers={"Accept": BOTH, "Mcp-Session-Id": other, "Last-Event-ID": "99-1"}).status == 400)
            d.vanish()
            until(lambda: g.health()["streams"] == 0, "the stream is gone")
            e.request("GET", "/mcp", headers={"Accept": BOTH, "Mcp-Session-Id": other}, send_only=True)
            check(e.head()[0] == 200)
            check(c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": other}).status == 204)
            list(e.events()) # it ends


@case()
def session_limits():
    with Gateway(settings={"sessions_max": 2, "session_idle": 1}) as g, g.client() as c:
        kept, lost = c.initialize(), c.initialize()
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}, {"Accept": BOTH})
        check(a.status == 503 and a.headers["retry-after"], a)
        with g.client() as d:
            d.request("GET", "/mcp", headers={"Accept": BOTH, "Mcp-Session-Id": kept}, send_only=True)
            check(d.head()[0] == 200)
            until(lambda: g.health()["sessions"] == 1, "an idle session ends")
            check(c.legacy(lost, "ping").status == 404)
            check(c.legacy(kept, "ping").status == 200)


@case()
def before_2025():
    for path, messages in (("/sse", "/message?sessionId="), ("/mcp/sse", "/mcp/messages/")):
        with Gateway() as g, g.client() as c, g.client() as d:
            c.request("GET", path, headers={"Accept": "text/event-stream"}, send_only=True)
            stream = c.stream()
            first = next(stream)
            check(first["event"] == "endpoint" and first["data"].startswith(messages), first)
            to = first["data"]

            def post(body):
                return d.request("POST", to, body)
            a = post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2024-11-05", "capabilities": {},
                                                                                     "clientInfo": {"name": "t", "version": "1"}}})
            check(a.status == 202 and a.body == b"Accepted", a)
            event = next(stream)
            check(event["event"] == "message" and "id" not in event, event)
            check(message(event)["result"]["protocolVersion"] == "2024-11-05", event)
            check(post({"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202)
            for i in range(5):
                post({"jsonrpc": "2.0", "id": i, "method": "tools/call", "params": {"name": "efrit_list_instances", "arguments": {}}})
            check(sorted(message(next(stream))["id"] for _ in range(5)) == list(range(5)))
            check(post("{").status == 400)
            check(d.request("POST", messages + "nobody", "{}").status == 404)
            check(d.request("GET", to).status == 405)
            check(d.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"},
                            {"Accept": BOTH, "Mcp-Session-Id": re.split("[/=]", to)[-1]}).status == 404)
            c.vanish()
            until(lambda: g.health()["sessions"] == 0, "the session ends with its stream")
            check(post({"jsonrpc": "2.0", "id": 1, "method": "ping"}).status == 404)


# --- other ways in ---

@case()
def unix_socket():
    with Gateway() as g:
        check(os.stat(g.socket).st_mode & 0o777 == 0o600)
        with g.client(path=g.socket) as c: # HTTP, and who it is was said by the system
            check(c.modern("server/discover", headers={"Authorization": None, "Host": "whatever"}).status == 200)
        clients = [g.client(path=g.socket) for _ in range(3)]
        for i, c in enumerate(clients): # lines
            c.send(json.dumps({"jsonrpc": "2.0", "id": i, "method": "tools/list", "params": {"_meta": META}}) + "\n")
        for i, c in enumerate(clients):
            check(json.loads(c.sock.makefile().readline())["id"] == i)
        clients[0].send('nonsense\n{"jsonrpc":"2.0","id":"p","method":"ping"}\n')
        lines = clients[0].sock.makefile()
        check(json.loads(lines.readline())["error"]["code"] == -32700)
        check(json.loads(lines.readline())["id"] == "p")
        clients[1].vanish()
        clients[2].sock.shutdown(socket.SHUT_WR)
        check(clients[2].at_end())
        g.alive()
        second = g.run("serve", "--listen", "127.0.0.1:0")
        check(second.returncode == 111 and "runs already" in second.stderr and str(g.process.pid) in second.stderr, second)
        g.alive()
    with tempfile.TemporaryDirectory() as base, Gateway(listen=f"unix:{base}/http.sock") as g, g.client(path=f"{base}/http.sock") as c:
        check(c.request("GET", "/health", token=False).status == 200)


def certificate(base):
    if not shutil.which("openssl"):
        raise Skip("no openssl to make a certificate")
    cert, key = os.path.join(base, "cert.pem"), os.path.join(base, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


@case()
def tls():
    with tempfile.TemporaryDirectory() as base:
        cert, key = certificate(base)
        context = ssl.create_default_context(cafile=cert)
        with Gateway(settings={"tls_cert": cert, "tls_key": key}) as g:
            check("https://" in g.line, g.line)
            with g.client(tls=context) as c:
                check(c.modern("server/discover").status == 200)
                check(c.call("efrit_list_instances").status == 200)
                c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Content-Length": str(5 << 20)}, send_only=True)
                check(c.answer().status == 413 and c.at_end())
            with g.client(tls=context) as c:
                c.modern("subscriptions/listen", {"notifications": {}}, send_only=True)
                check(message(next(c.stream()))["method"].endswith("acknowledged"))
            with g.client() as c:
                c.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                check(c.answer().status == 400)
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.set_ciphers("ALL:@SECLEVEL=0")
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
            try:
                g.client(tls=old).close()
                raise Wrong("TLS 1.1 was taken")
            except (ssl.SSLError, ConnectionError):
                pass
            for junk in (b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"\x16"):
                with g.client() as c:
                    c.send(junk)
                    with contextlib.suppress(OSError):
                        c.sock.shutdown(socket.SHUT_WR)
                    while c.more():
                        pass
            # another certificate, without a pause
            os.rename(certificate(tempfile.mkdtemp(dir=base))[0], cert + ".new")
            g.process.send_signal(signal.SIGHUP)
            until(lambda: "read again" in g.said(), "the settings are read again")
            with g.client(tls=context) as c:
                check(c.request("GET", "/livez").status == 200)
            with open(cert, "w") as f:
                f.write("no certificate")
            g.process.send_signal(signal.SIGHUP)
            until(lambda: "stay as they were" in g.said(), "bad settings are refused")
            with g.client(tls=context) as c:
                check(c.request("GET", "/livez").status == 200)
    with tempfile.TemporaryDirectory() as base:
        cert, key = certificate(base)
        with Gateway(settings={"tls_cert": cert, "tls_key": key}, listen="0.0.0.0:0") as g, \
                g.client(tls=ssl.create_default_context(cafile=cert)) as c:
            check(c.modern("server/discover").status == 200)


# --- its life ---

@case()
def reload():
    with Gateway() as g:
        config = os.path.join(g.base, "home/.config/efrit-mcp/config.json")
        os.makedirs(os.path.dirname(config))

        def say(text, words):
            with open(config, "w") as f:
                f.write(text)
            before = g.said().count(words)
            g.process.send_signal(signal.SIGHUP)
            until(lambda: g.said().count(words) > before, words)
        say('{"hosts": "gate.example"}', "read again")
        with g.client() as c:
            check(c.modern("server/discover", headers={"Host": "gate.example"}).status == 200)
        say('{"hosts": 1', "stay as they were")
        say('{"hosts": "", "no_such": 1}', "stay as they were")
        say('{"hosts": "", "auth": "maybe"}', "stay as they were")
        with g.client() as c:
            check(c.modern("server/discover", headers={"Host": "gate.example"}).status == 200)
        extra = os.path.join(g.base, "x", "more.sock")
        say("{}", "read again")
        with g.client() as c:
            check(c.modern("server/discover", headers={"Host": "gate.example"}).status == 421)
        # listen came from the command line, which is stronger; its port stays
        say(json.dumps({"listen": "127.0.0.1:1"}), "read again")
        g.alive()
        del extra


@case()
def stopping():
    with Gateway() as g:
        check(g.run("stop").returncode == 0)
        check(g.process.wait(PATIENCE) == 0)
        check(not os.path.exists(g.socket) and not os.path.exists(g.socket + ".lock"))
        r = g.run("stop")
        check(r.returncode == 1 and "no gateway runs" in r.stderr, r)
    with Gateway() as g: # a stale socket is no hindrance
        g.process.kill()
        g.process.wait()
        check(os.path.exists(g.socket))
        r = g.run("stop")
        check(r.returncode == 1, r)
        second = subprocess.Popen([BRIDGE, "serve", "--listen", "127.0.0.1:0"], env=g.env, stdout=subprocess.PIPE, stderr=g.log)
        g.read_line(second.stdout)
        second.terminate()
        check(second.wait(PATIENCE) == 0)
        second.stdout.close()
        g.process.returncode = 0


@case()
def background():
    with Gateway(wait=False) as g:
        g.process.wait(PATIENCE) if False else g.ready()
        r = g.run("stop")
        check(r.returncode == 0, r)
        g.process.wait(PATIENCE)
        r = g.run("serve", "--daemon", "--listen", "127.0.0.1:0")
        check(r.returncode == 0 and r.stdout.startswith("efrit-gateway ready: http://"), r)
        g.port = g.port_of(r.stdout)
        check(g.get("/livez").status == 200)
        r = g.run("serve", "--daemon", "--listen", "127.0.0.1:0")
        check(r.returncode == 111 and "runs already" in r.stderr, r)
        check(os.path.exists(os.path.join(g.base, "home/.local/state/efrit-mcp/gateway.log")))
        check(g.run("stop").returncode == 0)
        try:
            g.get("/livez")
            raise Wrong("it still answers")
        except ConnectionError:
            pass


@case()
def supervised():
    with tempfile.TemporaryDirectory() as base:
        path = os.path.join(base, "notify")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.settimeout(PATIENCE)
        notify.bind(path)
        with Gateway(env={"NOTIFY_SOCKET": path}) as g:
            check(notify.recv(200) == b"READY=1")
            g.process.send_signal(signal.SIGHUP)
            check(notify.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=") and notify.recv(200) == b"READY=1")
            g.end()
            check(notify.recv(200) == b"STOPPING=1")
        notify.close()
    tcp = socket.create_server(("127.0.0.1", 0))
    port = tcp.getsockname()[1]

    def activate(): # descriptor 3 is the socket, as systemd gives it
        os.dup2(tcp.fileno(), 3)
        os.environ["LISTEN_PID"] = str(os.getpid())
    early = socket.create_connection(("127.0.0.1", port)) # before it runs
    early.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    sh = "import os,sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[2], sys.argv[2:])"
    global BRIDGE
    with Gateway(wait=False) as g:
        g.ready()
        g.end()
        g.process.stdout.close()
        g.process = subprocess.Popen([sys.executable, "-c", sh, str(tcp.fileno()), BRIDGE, "serve", "--listen", "127.0.0.1:1"], env=g.env,
                                     stdout=subprocess.PIPE, stderr=g.log, pass_fds=(tcp.fileno(),))
        g.ready()
        check(g.port == port, g.line)
        early.settimeout(PATIENCE)
        check(early.recv(100).startswith(b"HTTP/1.1 200"))
        g.alive()
        early.close()
        g.end()
    tcp.close()
    del activate


@case()
def units():
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze")
    with tempfile.TemporaryDirectory() as base:
        for name in ("efrit-gateway.service", "efrit-gateway.socket"):
            with open(os.path.join(ROOT, "bridge/deploy", name), encoding="utf-8") as f:
                text = f.read()
            with open(os.path.join(base, name), "w", encoding="utf-8") as f:
                f.write(text.replace("/usr/local/bin/efrit-bridge", BRIDGE))
        r = subprocess.run(["systemd-analyze", "verify", "--user", "--man=no", os.path.join(base, "efrit-gateway.service")],
                           capture_output=True, text=True, env=dict(os.environ, SYSTEMD_LOG_LEVEL="warning", XDG_RUNTIME_DIR=base))
        ours = [l for l in (r.stdout + r.stderr).splitlines() if "efrit" in l]
        check(not ours and (r.returncode == 0 or "bus" in r.stderr), r)


@case()
def upgrade():
    """A change of program under load: no connection is refused, no request lost."""
    with Gateway() as g:
        stop, wrong, done = threading.Event(), [], [0]

        def hammer(keep):
            try:
                c = g.client()
                while not stop.is_set():
                    a = c.call("efrit_list_instances")
                    check(a.status == 200, a)
                    done[0] += 1
                    if a.closed or not keep:
                        c.close()
                        c = g.client()
                c.close()
            except Exception as e: # pylint: disable=broad-except
                wrong.append(repr(e))
        threads = [threading.Thread(target=hammer, args=(i % 2,)) for i in range(4)]
        for t in threads:
            t.start()
        old, second = g.process, None
        until(lambda: done[0] > 50, "requests")
        old.send_signal(signal.SIGUSR2)
        line = g.read_line(old.stdout)
        check(g.port_of(line) == g.port, line)
        check(old.wait(PATIENCE) == 0, g.said())
        before = done[0]
        until(lambda: done[0] > before + 50, "requests after it")
        stop.set()
        for t in threads:
            t.join()
        check(not wrong, wrong)
        with open(g.socket + ".lock") as f:
            second = int(f.read())
        check(second != old.pid)
        check(g.run("stop").returncode == 0)
        check(not os.path.exists(g.socket))


@case()
def failed_upgrade():
    with tempfile.TemporaryDirectory() as base:
        global BRIDGE
        programs = [shutil.copy(os.path.join(PROGRAMS, n), base) for n in ("efrit-bridge", "efrit-gateway")]
        kept, BRIDGE = BRIDGE, programs[0]
        try:
            with Gateway() as g:
                os.rename(programs[1], programs[1] + ".old")
                with open(programs[1], "w") as f:
                    f.write("#!/bin/sh\nexit 1\n")
                os.chmod(programs[1], 0o755)
                g.process.send_signal(signal.SIGUSR2)
                until(lambda: "goes on" in g.said(), "it goes on")
                g.alive()
        finally:
            BRIDGE = kept


@case()
def vanishing():
    """Clients that go at every moment leave nothing behind."""
    rounds = int(os.environ.get("HTTP_ROUNDS", "500"))
    head = raw_head = None
    with Gateway() as g:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                           "params": {"name": "efrit_list_instances", "arguments": {}, "_meta": META}})
        head = (f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {g.token}\r\nContent-Type: application/json\r\nAccept: {BOTH}\r\n"
                f"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: efrit_list_instances\r\nContent-Length: {len(body)}\r\n\r\n")
        listen = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {"notifications": {}, "_meta": META}})
        stream = head.replace("tools/call", "subscriptions/listen").replace("Mcp-Name: efrit_list_instances\r\n", "").replace(
            f"Length: {len(body)}", f"Length: {len(listen)}") + listen
        begin = (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}))
        session = (f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {g.token}\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(begin)}\r\n\r\n{begin}")
        old = f"GET /sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {g.token}\r\n\r\n"
        moments = [b"", head[:30].encode(), head.encode(), (head + body[:20]).encode(), (head + body).encode(), (head + body).encode() * 3,
                   stream.encode(), old.encode()]
        del raw_head, session

        def round_of(n):
            for i in range(n):
                with g.client() as c:
                    c.send(moments[i % len(moments)])
                    if i % 3 == 0:
                        c.vanish()
                    elif i % 3 == 1 and i % len(moments) >= 4:
                        c.more()
        round_of(len(moments) * 6)
        until(lambda: g.health()["connections"] == 1, "connections are gone")
        files, memory = g.descriptors(), g.memory()
        round_of(rounds)
        until(lambda: (lambda h: h["connections"] == 1 and not h["requests"] and not h["sessions"] and not h["streams"])(g.health()), f"all is gone: {g.health()}")
        until(lambda: g.descriptors() <= files, "no descriptor is left")
        if "san" not in PROGRAMS:
            check(g.memory() <= memory + 300 * 1024, "memory", memory, g.memory())


# --- with an Emacs ---

@case(emacs=True)
def calls():
    with Gateway() as g:
        g.start_emacs()
        with g.client() as c:
            a = c.call("efrit_execute", {"content": "(+ 1 2)"})
            check(a.headers["content-type"] == "application/json", a)
            check(json.loads(a.json["result"]["content"][0]["text"])["result"] == "3", a)
            a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "(error \"no\")"})
            check(a.status == 422 and a.json["isError"], a)
            a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "(while t)", "timeout": 0.2})
            check(a.status == 504, a)
            a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "1", "instance_id": "none"})
            check(a.status == 404, a)
            s = c.initialize()
            a = c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(* 6 7)"}})
            check(json.loads(a.json["result"]["content"][0]["text"])["result"] == "42" and "resultType" not in a.json["result"], a)
        # the same id on many connections of one session at once: each gets its own
        answers = {}

        def ask(n):
            with g.client() as d:
                a = d.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": f"(progn (sleep-for 0.01) {n})"}})
                answers[n] = json.loads(a.json["result"]["content"][0]["text"])["result"]
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(answers == {n: str(n) for n in range(20)}, answers)


@case(emacs=True)
def leaving():
    """In 2026-07-28 a client that leaves stops the work; before it does not."""
    with Gateway(settings={"progress_interval": 50}) as g:
        g.start_emacs()

        def running():
            return g.state() == "running"
        for how in ("json", "stream", "api"):
            g.value("(setq done nil)")
            c = g.client()
            arguments = {"content": "(progn (sleep-for 20) (setq done t))"}
            if how == "api":
                c.request("POST", "/api/v1/tools/efrit_execute", arguments, send_only=True)
            else:
                c.call("efrit_execute", arguments, send_only=True, meta={"progressToken": 1} if how == "stream" else None)
            if how == "stream":
                events = c.stream()
                first, second = message(next(events)), message(next(events))
                check(first["method"] == "notifications/progress" and first["params"]["progress"] < second["params"]["progress"], first)
            until(running, "it runs")
            c.vanish() if how == "json" else c.close()
            until(lambda: g.state() == "idle", "the work has stopped")
            check(g.value("done") == "nil", how)
        with g.client() as c:
            s = c.initialize()
        c = g.client()
        c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(progn (sleep-for 0.5) (setq done 'yes))"}}, send_only=True)
        until(running, "it runs")
        c.vanish()
        until(lambda: g.state() == "idle", "it is done")
        check(g.value("done") == "yes")
        # but it can be cancelled
        with g.client() as c, g.client() as d:
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(sleep-for 20)"}}, id="slow", send_only=True)
            until(running, "it runs")
            check(d.legacy(s, "notifications/cancelled", {"requestId": "slow"}, id=None).status == 202)
            check(c.answer().status == 202)
            until(lambda: g.state() == "idle", "it is stopped")
        with g.client() as c, g.client() as d: # and ends with its session
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(sleep-for 20)"}}, id="slow", send_only=True)
            until(running, "it runs")
            check(d.request("DELETE", "/mcp", headers={"Mcp-Session-Id": s}).status == 204)
            a = c.answer()
            check("ended" in a.json["error"]["message"], a)
            until(lambda: g.state() == "idle", "it is stopped")


@case(emacs=True)
def resuming():
    with Gateway(settings={"progress_interval": 50, "stream_retry": 30}) as g:
        g.start_emacs()
        with g.client() as c:
            s = c.initialize()

        def slow(c, form, id=1):
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": form}, "_meta": {"progressToken": "p"}}, id=id, send_only=True)
            return c.stream()

        def back(c, event):
            c.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": s, "Last-Event-ID": event}, send_only=True)
            return c.stream()
        with g.client() as c, g.client() as other:
            events = slow(c, "(progn (sleep-for 0.8) 'result-one)")
            prime = next(events)
            check(prime["data"] == "" and prime["retry"] == "30" and prime["id"], prime)
            seen = next(events)
            check(message(seen)["method"] == "notifications/progress", seen)
            theirs = slow(other, "(progn 'result-two)", id=2)
            c.vanish()
            with g.client() as d: # while it still runs
                rest = list(back(d, seen["id"]))
            check(all(int(e["id"].split("-")[1]) > int(seen["id"].split("-")[1]) for e in rest), rest)
            check("result-one" in rest[-1]["data"] and message(rest[-1])["id"] == 1, rest)
            check("result-two" not in json.dumps(rest))
            with g.client() as d: # after it has ended, from its beginning
                again = list(back(d, prime["id"]))
            check(again[-1] == rest[-1] and again[0]["id"] == seen["id"], again)
            check("result-two" in list(theirs)[-1]["data"])
    # the server may end a stream to be asked again
    with Gateway(settings={"stream_after": 20, "stream_poll": 50}) as g:
        g.start_emacs()
        with g.client() as c:
            s = c.initialize()
        with g.client() as c:
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(progn (sleep-for 0.6) 'later)"}}, send_only=True)
            seen = list(c.stream())
            check(len(seen) == 1 and seen[0]["data"] == "", seen)
            found = []
            while not found:
                with g.client() as d:
                    d.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": s, "Last-Event-ID": seen[0]["id"]}, send_only=True)
                    found = [e for e in d.stream() if e["data"]]
            check("later" in found[0]["data"], found)
        with g.client() as c: # clients before 2025-11-25 are not primed
            s = c.initialize("2025-06-18")
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(progn (sleep-for 0.3) 'old)"}}, send_only=True)
            events = list(c.stream())
            check(len(events) == 1 and "old" in events[0]["data"] and events[0]["id"], events)


@case(emacs=True)
def changes():
    """What belongs to no request goes to one stream: of the session, or of the subscription."""
    changed = "notifications/tools/list_changed"
    with Gateway(settings={"list_changed_delay": 20}) as g:
        g.start_emacs()

        def define(n):
            g.value(f"(progn (efrit-mcp-define-tool more-{n} \"More.\" () () {n}) t)")

        def own(c, event=None):
            c.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": s, "Last-Event-ID": event}, send_only=True)
            return (e for e in c.stream() if e["data"])
        with g.client() as c:
            s = c.initialize()
            other = c.initialize()
        with g.client() as c, g.client() as d:
            theirs = own(c)
            d.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id="L", send_only=True)
            listened = d.stream()
            next(listened)
            define(1)
            event = next(theirs)
            check(message(event)["method"] == changed and event["id"], event)
            note = message(next(listened))
            check(note["method"] == changed and note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "L", note)
            a = g.get("/api/v1/tools")
            check("more_1" in a.body.decode())
        until(lambda: not g.health()["streams"], "nobody looks")
        define(2) # while nobody looks: it is told once, to the first who does
        until(lambda: "more_2" in g.get("/api/v1/tools").body.decode(), "the tool")
        with g.client() as c:
            second = next(own(c))
            check(message(second)["method"] == changed and second["id"] != event["id"], second)
        until(lambda: not g.health()["streams"], "nobody looks")
        with g.client() as c: # and again to who has missed it
            check(next(own(c, event["id"])) == second)
        until(lambda: not g.health()["streams"], "nobody looks")
        with g.client() as c:
            again = own(c)
            define(3)
            check(next(again)["id"] not in (event["id"], second["id"]))
        del other


@case(emacs=True)
def large_results():
    size = 15 * 1000 * 1000
    form = {"content": f"(make-string {size} ?x)", "max_chars": size + 100, "timeout": 60}
    with Gateway() as g:
        g.start_emacs()
        g.value("1")
        before = g.memory()
        for how in ("json", "stream", "api", "session"):
            with g.client() as c:
                if how == "api":
                    c.request("POST", "/api/v1/tools/efrit_execute", form, send_only=True)
                elif how == "session":
                    s = c.initialize()
                    c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": form}, send_only=True)
                else:
                    c.call("efrit_execute", form, send_only=True, headers={"Accept": "text/event-stream"} if how == "stream" else None)
                status, headers = c.head()
                check(status == 200 and headers.get("transfer-encoding") == "chunked", status, headers, c.got)
                most, text = 0, []
                while True: # a slow reader, at first
                    piece = c.chunk()
                    if not piece:
                        break
                    text.append(piece)
                    if len(text) % 50 == 1:
                        most = max(most, g.memory() - before)
                text = b"".join(text)
                if how == "stream":
                    text = text.split(b"data: ", 1)[1]
                value = json.loads(text)
                value = value if how == "api" else value["result"]
                check(json.loads(value["content"][0]["text"])["result"].count("x") == size, how, "is not whole")
                if "san" not in PROGRAMS:
                    check(most < 8 << 20, how, "the gateway held", most, "bytes")
        # the client goes in the middle
        for how in range(2):
            c = g.client()
            if how:
                s = c.initialize()
                c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": form}, send_only=True)
            else:
                c.call("efrit_execute", form, send_only=True)
            c.head()
            c.chunk()
            c.vanish()
            until(lambda: g.state() == "idle", "Emacs is idle")
        until(lambda: not g.health()["requests"], "nothing is left")
        check(g.value("(+ 1 1)") == "2")
    with Gateway(settings={"write_timeout": 200}) as g: # one that never reads is dropped
        g.start_emacs()
        c = g.client()
        c.call("efrit_execute", form, send_only=True)
        until(lambda: g.health()["requests"] == 1, "it is asked")
        until(lambda: not g.health()["requests"] and g.state() == "idle", "it is dropped")
        c.close()


@case(emacs=True)
def draining():
    with Gateway(settings={"drain_timeout": 20000}) as g: # what runs may finish
        g.start_emacs()
        c, d = g.client(), g.client()
        c.call("efrit_execute", {"content": "(progn (sleep-for 1) 'finished)"}, send_only=True)
        until(lambda: g.state() == "running", "it runs")
        d.request("GET", "/livez")
        g.process.send_signal(signal.SIGTERM)
        a = c.answer()
        check(b"finished" in a.body and a.closed, a)
        check(g.process.wait(PATIENCE) == 0)
        subprocess.run([BRIDGE, "call", "efrit_stop_instance", '{"instance_id":"main","force":true}'], env=g.env, check=True, capture_output=True)
        g.instance = None
    with Gateway(settings={"drain_timeout": 100}) as g: # or is stopped, and everybody is told
        g.start_emacs()
        form = {"content": "(sleep-for 30)"}
        c, d, e, f = g.client(), g.client(), g.client(), g.client(path=g.socket)
        s = d.initialize()
        c.call("efrit_execute", form, send_only=True)
        until(lambda: g.state() == "running", "it runs")
        d.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": form}, send_only=True)
        e.request("POST", "/api/v1/tools/efrit_execute", form, send_only=True)
        f.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "efrit_execute", "arguments": form, "_meta": META}}) + "\n")
        until(lambda: g.health()["services"][0]["flying"] == 4, "all fly")
        g.process.send_signal(signal.SIGTERM)
        for client in (c, d):
            a = client.answer()
            check(a.code() == -32603 and "ended" in a.json["error"]["message"], a)
        check(e.answer().status == 503)
        check(json.loads(f.sock.makefile().readline())["error"]["code"] == -32603)
        check(g.process.wait(PATIENCE) == 0)
        until(lambda: '"idle"' in subprocess.run([BRIDGE, "call", "efrit_status"], env=g.env, capture_output=True, text=True, check=True).stdout,
              "Emacs is idle")
        subprocess.run([BRIDGE, "call", "efrit_stop_instance", '{"instance_id":"main","force":true}'], env=g.env, check=True, capture_output=True)
        g.instance = None


@case(emacs=True)
def many_at_once():
    with Gateway() as g:
        g.start_emacs()
        r = g.run("load-test", "1000", "5000", "--listen", f"127.0.0.1:{g.port}")
        check(r.returncode == 0, r)
        report = json.loads(r.stdout)
        check(report["requests"] == 5000 and report["answered"] == 5000 and report["failed"] == 0 and report["connections"] == 1000, report)
        print(r.stdout)
        g.alive()


def main():
    if sys.argv[1] == "--list":
        print("\n".join(n for n, (_, emacs) in CASES.items() if emacs == (sys.argv[2] == "emacs")))
        return 0
    try:
        CASES[sys.argv[1]][0]()
    except Skip as e:
        print("SKIP", e)
        return 77
    except (Wrong, AssertionError) as e:
        import traceback
        traceback.print_exc()
        print("WRONG:", e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
