"""The operator's log of a real gateway: formats, times, rotation, refused clients; it tells no secret."""
import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess

from gate.driver import PATIENCE, Gateway, case, check, until
from gate.sharing import above

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
EVIL = "x\r\nefrit-bridge: error: forged\x1b[2J\x9b31m\u202eabc\u2028\u00ad"


def read(path):
    with open(path, "rb") as f:
        return f.read()


def hostile(g):
    """Names and bytes a client chooses, on every road whose words reach the log."""
    with g.client() as c:
        c.modern(EVIL, notification=True, headers={"Mcp-Method": None})
        c.modern("notifications/" + EVIL, notification=True, headers={"Mcp-Method": None})
        c.modern(EVIL, headers={"Mcp-Method": None}, meta={"io.modelcontextprotocol/clientInfo": {"name": EVIL, "version": EVIL}})
    for line in (b"GET / HTTP/1.1\r\nHost: \xff\xfe\x9b.example\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://\xff\xc2\x9b\r\n\r\n"):
        with g.client() as c:
            c.send(line)
            c.answer()
    with g.client(path=g.socket) as c:
        c.send(json.dumps({"jsonrpc": "2.0", "method": EVIL}) + "\n" + json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + "\n")
        check(c.more())


def each_line(text, as_json):
    for line in text.decode("utf-8").splitlines(): # also at what Unicode calls a line's end
        if as_json:
            entry = json.loads(line)
            check(TIME.fullmatch(entry["time"]) and entry["level"] in ("error", "warning", "info", "debug") and entry["pid"] > 0, line)
            line = entry["message"]
        else:
            check(re.match(TIME.pattern + " efrit-bridge: (error|warning|info|debug): ", line), "no line of the log:", line)
        check(not re.search(r"[\x00-\x1f\x7f-\x9f\u00ad\u202e]", line), "it commands:", repr(line))


@case()
def log_lines():
    for kind in ("text", "json"):
        with Gateway(settings={"log_format": kind}) as g:
            hostile(g)
            until(lambda: b"setting origins" in read(g.log_path), "what was refused")
            g.end()
            each_line(read(g.log_path), kind == "json")
    with Gateway(wait=False, settings={"log_format": "xml"}) as g:
        check(g.process.wait(PATIENCE) == 2, g.process.returncode)
        check("must be text or json" in g.said(), g.said())
        g.process.returncode = 0


def on_terminal(g, *command):
    """What a person sees of it."""
    ours, theirs = pty.openpty()
    p = subprocess.Popen([g.bridge, *command], env=dict(g.env, EFRIT_MCP_LOG_LEVEL="error"), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError): # its end
        while True:
            text += os.read(ours, 65536)
    os.close(ours)
    p.wait(PATIENCE)
    return text.decode()


@case(emacs="first")
def terminal_is_plain():
    """Names that clients choose neither command a terminal nor forge a line where a person looks."""
    with Gateway() as g:
        g.start_emacs()
        with g.client(path=g.socket) as c:
            for n, (method, params) in enumerate((("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": EVIL, "version": EVIL}}),
                                                  ("tools/call", {"name": "efrit_execute", "arguments": {"content": "(sleep-for 60)", "timeout": 100}}))):
                c.send(json.dumps({"jsonrpc": "2.0", "id": n, "method": method, "params": params}) + "\n")
                if not n:
                    check(c.more())
                    c.send('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
            until(lambda: g.state() == "running", "the form")
            for command in (("instances",), ("status",), ("doctor",), ("call", "efrit_status"), ("status", "--json"), ("top", "--json")):
                text = on_terminal(g, *command)
                check("efrit-bridge: error: forged" in text or command[0] == "doctor", "it is not told there:", command, text)
                check(not re.search(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u00ad\u2028\u202e]|^efrit-bridge: error", text, re.M), command, repr(text))


@case()
def log_rotation():
    """SIGHUP opens the file again, whether or not the settings are good; it is its user's alone."""
    with Gateway(config={"log_file": ""}) as g:
        path = os.path.join(g.base, "own.log")
        for place in (path, path + "2"):
            g.configure({"log_file": place})
            g.process.send_signal(signal.SIGHUP)
            until(lambda place=place: os.path.exists(place) and b"read again" in read(place), "the file of the log")
            check(os.stat(place).st_mode & 0o7777 == 0o600, oct(os.stat(place).st_mode))
        path = place
        for config, words in (({"log_file": path, "hosts": "a.example"}, b"read again"), ('{"nonsense', b"stay as they were"),
                              ({"log_file": g.base}, b"stay as they were"), ({"log_file": path, "log_format": "json"}, b'"message":"the settings are read')):
            os.rename(path, path + ".1")
            g.configure(config)
            g.process.send_signal(signal.SIGHUP)
            until(lambda words=words: os.path.exists(path) and words in read(path), words)
            g.alive()
        g.configure({"log_file": ""})
        g.process.send_signal(signal.SIGHUP)
        until(lambda: "read again" in g.said().splitlines()[-1], "stderr has it again")
        end = len(read(path))
        g.end()
        check(len(read(path)) == end, "the file is written to though it is the log no more")
    with Gateway(wait=False) as g: # in the background
        g.ready()
        g.end()
        check(g.run("serve", "--daemon", "--listen", "127.0.0.1:0", "--set", "log_format=json").returncode == 0)
        path = os.path.join(g.base, "home/.local/state/efrit-mcp/gateway.log")
        with open(g.socket + ".lock", encoding="ascii") as f:
            pid = int(f.read())
        for number in (signal.SIGHUP, signal.SIGUSR2):
            before = read(path)
            os.rename(path, path + ".1")
            os.kill(pid, number)
            until(lambda: os.path.exists(path) and read(path), "the new file")
            held = [os.readlink(f"/proc/{pid}/fd/{n}") for n in (1, 2)] if number == signal.SIGHUP else []
            check(not any(h.endswith(".1") for h in held), held)
            each_line(before, True)
        until(lambda: b"ready: " in read(path), "the successor")
        check(g.run("stop").returncode == 0)
        each_line(read(path), True)


@case()
def log_refused():
    """Refused clients are said at the level warning, a few a minute, the others counted; no secret is said."""
    secret = "not-the-token-but-secret-enough-0123456789"
    with Gateway(settings={"log_level": "warning", "log_refused": 3}) as g:
        for i in range(20):
            with g.client() as c:
                headers = {"Authorization": f"Bearer {secret}"} if i % 2 else {"Authorization": None}
                check(c.request("GET", f"/health?token={secret}", headers=headers).status == 401)
                check(c.request("GET", "/livez", headers={"Host": "gate.example"}).status == 421)
        for header in ("Basic " + secret, secret, "bearer\t" + secret):
            with g.client() as c:
                check(c.request("GET", "/health", headers={"Authorization": header}).status == 401)
        g.alive() # the right one, and its user may come in
        g.end()
        said = g.whole_log()
        check(said.count("a request from 127.0.0.1:") == 6, said)
        check("20 more requests without the right token" in said and "17 more requests for another host" in said, said)
        check(secret not in said and g.token not in said, "a token is in the log")
    if os.geteuid() != 0:
        return
    with Gateway(settings={"log_level": "warning", "log_refused": 2}) as g: # strangers on the Unix socket
        for folder in (os.path.dirname(g.socket), *above(g.base)):
            os.chmod(folder, 0o755)
        os.chmod(g.socket, 0o666)
        script = ("import os,socket,sys\nos.setgroups([]);os.setgid(4001);os.setuid(4001)\n"
                  "for i in range(5):\n s=socket.socket(socket.AF_UNIX);s.settimeout(20);s.connect(sys.argv[1]);s.recv(1)")
        r = subprocess.run(["python3", "-c", script, g.socket], capture_output=True, text=True, timeout=PATIENCE)
        check(r.returncode == 0, r)
        g.end()
        check(g.whole_log().count("user 4001 may not use") == 2 and "3 more connections of other users" in g.whole_log(), g.whole_log())
