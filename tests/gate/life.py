"""Other ways in, and the life of the gateway."""
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

from gate.driver import BOTH, BRIDGE, META, PATIENCE, PROGRAMS, ROOT, Gateway, Skip, Wrong, case, check, message, until


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


def certificate(base, *kind):
    if not shutil.which("openssl"):
        raise Skip("no openssl to make a certificate")
    cert, key = os.path.join(base, "cert.pem"), os.path.join(base, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", *(kind or ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")), "-nodes", "-days", "2",
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

def served(host):
    """A name is served, as the setting hosts says."""
    def ask(g):
        with g.client() as c:
            return c.modern("server/discover", headers={"Host": host}).status
    return ask


@case()
def reload():
    ask = served("gate.example")
    with Gateway() as g:
        g.reload({"hosts": "gate.example"})
        check(ask(g) == 200)
        for bad in ('{"hosts": 1', {"hosts": "", "no_such": 1}, {"hosts": "", "auth": "maybe"}, {"hosts": "", "idle_timeout": -1}):
            g.reload(bad, "stay as they were")
            check(ask(g) == 200, bad)
        g.reload({})
        check(ask(g) == 421)
        g.reload({"listen": "127.0.0.1:1"}) # the command line is stronger
        g.alive()
    with tempfile.TemporaryDirectory() as base, Gateway(listen=None, config={"listen": "127.0.0.1:0"}) as g:
        path, kept = os.path.join(base, "more.sock"), g.client()

        def more():
            with g.client(path=path) as c:
                return c.request("GET", "/livez").status
        g.reload({"listen": f"127.0.0.1:0, unix:{path}"})
        check(more() == 200)
        g.alive()
        for bad in (f"127.0.0.1:0, unix:{path}, 127.0.0.1:{g.port}", "127.0.0.1:0, 0.0.0.0:0", "nonsense"):
            g.reload({"listen": bad}, "stay as they were")
            check(more() == 200)
            g.alive()
        g.reload({"listen": "127.0.0.1:0"})
        check(not os.path.exists(path))
        g.alive()
        check(kept.request("GET", "/livez").status == 200)
        kept.close()


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
        g.ready()
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

    early = socket.create_connection(("127.0.0.1", port)) # before it runs
    early.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    sh = "import os,sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv(sys.argv[2], sys.argv[2:])"
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


def s_client(g, *options, said=b"", host="127.0.0.1"):
    r = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{g.port}", "-servername", "localhost", *options], input=said, capture_output=True, timeout=PATIENCE)
    return r.returncode, (r.stdout + r.stderr).decode(errors="replace")


def suites(words):
    r = subprocess.run(["openssl", "ciphers", "-s", "-tls1_2", f"{words}:@SECLEVEL=0"], capture_output=True, text=True)
    return r.stdout.strip().split(":") if r.returncode == 0 and r.stdout.strip() else []


@case()
def tls_suites():
    """TLS 1.2 is spoken with ECDHE and AEAD only, 1.3 as it is; nothing older, no renegotiation, no compression."""
    with tempfile.TemporaryDirectory() as base:
        good = suites("ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM")
        bad = [s for s in suites("ALL:COMPLEMENTOFALL") if s not in good]
        check(good and "AES128-GCM-SHA256" in bad and "ECDHE-RSA-AES128-SHA256" in bad, good, bad)
        for kind in ("ec", "rsa"):
            cert, key = certificate(base, *(("rsa:2048",) if kind == "rsa" else ()))
            with Gateway(settings={"tls_cert": cert, "tls_key": key}) as g:
                status, said = s_client(g, "-tls1_2", "-cipher", ":".join(bad) + ":@SECLEVEL=0")
                check(status != 0 and "handshake failure" in said, "taken:", said)
                spoken = [s for s in good if ("ECDSA" in s) == (kind == "ec")]
                for suite in spoken:
                    status, said = s_client(g, "-tls1_2", "-cipher", suite + ":@SECLEVEL=0")
                    check(status == 0 and suite in said and "Compression: NONE" in said, suite, said)
                status, said = s_client(g, "-tls1_3")
                check(status == 0 and "TLSv1.3" in said, said)
                for old in ("-tls1", "-tls1_1"):
                    status, said = s_client(g, old, "-cipher", "ALL:@SECLEVEL=0")
                    check(status != 0, old, said)
                status, said = s_client(g, "-tls1_2", said=b"R\n") # asks for another handshake
                check("no renegotiation" in said and "verify return" in said, said)


@case()
def secret_process():
    """Another process of the same user cannot look into the gateway, which leaves no core; its Emacs may."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    wanted = 4096 if hard == resource.RLIM_INFINITY or hard >= 4096 else hard
    was = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (wanted, hard))
    try:
        for core in (0, 1):
            with Gateway(settings={"core": core}) as g:
                def limit(pid):
                    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
                        return next(line.split()[4] for line in f if line.startswith("Max core file size"))
                check(limit(g.process.pid) == str(wanted if core else 0), limit(g.process.pid))
                g.process.send_signal(signal.SIGUSR2) # nor does the next one
                old = g.process
                g.read_line(old.stdout)
                check(old.wait(PATIENCE) == 0)
                with open(g.socket + ".lock", encoding="ascii") as f:
                    pid = int(f.read())
                check(limit(pid) == str(wanted if core else 0), limit(pid))
                g.start_emacs()
                with open(os.path.join(g.base, "x/efrit/main.pid"), encoding="ascii") as f:
                    check(limit(int(f.read())) == str(wanted), "an Emacs has the limit that was given")
                check(g.run("call", "efrit_stop_instance", '{"instance_id":"main","force":true}').returncode == 0)
                check(g.run("stop").returncode == 0)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, was)


# Starts a gateway, looks into it, ends it; for a user without rights.
LOOK = """
import os, signal, subprocess, sys
g = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
g.stdout.readline()
for name in ("environ", "mem", "maps", "fd", "cwd", "root"):
    try:
        path = f"/proc/{g.pid}/{name}"
        os.listdir(path) if name in ("fd", "cwd", "root") else open(path, "rb").read(1)
        print(name)
    except OSError as e:
        if e.errno == 5: # memory that is not there: it may be looked into
            print(name)
g.send_signal(signal.SIGTERM)
g.wait()
"""


@case()
def hidden_process():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("needs root and setpriv, to be a user without rights")
    base = tempfile.mkdtemp(dir="/tmp")
    os.chown(base, 4001, 4001)
    try:
        for name in ("efrit-bridge", "efrit-gateway"):
            os.chmod(shutil.copy(os.path.join(PROGRAMS, name), base), 0o755)
        for core, seen in ((0, set()), (1, {"environ", "mem", "maps", "fd", "cwd", "root"})):
            r = subprocess.run(["setpriv", "--reuid=4001", "--regid=4001", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", sys.executable, "-c", LOOK,
                                f"{base}/efrit-bridge", "serve", "--listen", "127.0.0.1:0", f"--set=core={core}"], cwd="/", capture_output=True, text=True,
                               timeout=PATIENCE, env={"HOME": base, "XDG_RUNTIME_DIR": base, "PATH": os.environ["PATH"]})
            if r.returncode and "python" in r.stderr and "Permission" in r.stderr:
                raise Skip("this Python is for root alone")
            check(r.returncode == 0 and set(r.stdout.split()) == seen, core, r)
    finally:
        shutil.rmtree(base)


def judge_units(folder):
    """The batch unit is shut in; what another one leaves open is named in it, with the reason."""
    if subprocess.run(["systemd-analyze", "security", "--offline=true", "--json=short", os.path.join(folder, "efrit-batch@.service")],
                      capture_output=True).returncode != 0:
        print("SKIP this systemd-analyze judges no file")
        return
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".service")):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        r = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", path], capture_output=True, text=True)
        level = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", r.stdout).group(1))
        if "batch" in name:
            check(level <= 3.0, name, level)
        said = " ".join(line for line in text.splitlines() if line.startswith("#"))
        r = subprocess.run(["systemd-analyze", "security", "--offline=true", "--json=short", path], capture_output=True, text=True)
        for one in json.loads(r.stdout):
            if one["set"] is False and one.get("exposure"):
                for directive in re.findall(r"[A-Z]\w+=", one["name"].replace("=/", "= ").replace("=~", "= ")):
                    check(directive in said, f"{name} leaves {one['name']} off and does not say why")


@case()
def units():
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze")
    folder = os.path.join(ROOT, "bridge/deploy")
    judge_units(folder)
    with tempfile.TemporaryDirectory() as base:
        names = sorted(n for n in os.listdir(folder) if n.endswith((".service", ".socket")))
        check(len(names) == 4, names)
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                text = f.read()
            with open(os.path.join(base, name), "w", encoding="utf-8") as f:
                f.write(text.replace("/usr/local/bin/efrit-bridge", BRIDGE.replace(" ", "\\x20")))
        for name in names:
            name = name.replace("@", "@work")
            r = subprocess.run(["systemd-analyze", "verify", "--user", "--man=no", os.path.join(base, name)],
                               capture_output=True, text=True, env=dict(os.environ, SYSTEMD_LOG_LEVEL="warning", XDG_RUNTIME_DIR=base))
            ours = [l for l in (r.stdout + r.stderr).splitlines() if "efrit" in l]
            check(not ours and (r.returncode == 0 or "bus" in r.stderr), name, r)


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
        programs = [shutil.copy(os.path.join(PROGRAMS, n), base) for n in ("efrit-bridge", "efrit-gateway")]
        with Gateway(bridge=programs[0]) as g:
            os.rename(programs[1], programs[1] + ".old")
            with open(programs[1], "w", encoding="utf-8") as f:
                f.write("#!/bin/sh\nexit 1\n")
            os.chmod(programs[1], 0o755)
            g.process.send_signal(signal.SIGUSR2)
            until(lambda: "goes on" in g.said(), "it goes on")
            g.alive()
            os.rename(programs[1] + ".old", programs[1]) # and the right one can be changed to after all
            g.process.send_signal(signal.SIGUSR2)
            g.read_line(g.process.stdout)
            check(g.process.wait(PATIENCE) == 0)
            check(g.get("/livez").status == 200)
            check(g.run("stop").returncode == 0)


@case()
def vanishing():
    """Clients that go at every moment leave nothing behind."""
    rounds = int(os.environ.get("HTTP_ROUNDS", "500"))
    with Gateway() as g:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                           "params": {"name": "efrit_list_instances", "arguments": {}, "_meta": META}})
        head = (f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {g.token}\r\nContent-Type: application/json\r\nAccept: {BOTH}\r\n"
                f"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: efrit_list_instances\r\nContent-Length: {len(body)}\r\n\r\n")
        listen = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {"notifications": {}, "_meta": META}})
        stream = head.replace("tools/call", "subscriptions/listen").replace("Mcp-Name: efrit_list_instances\r\n", "").replace(
            f"Length: {len(body)}", f"Length: {len(listen)}") + listen
        old = f"GET /sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {g.token}\r\n\r\n"
        moments = [b"", head[:30].encode(), head.encode(), (head + body[:20]).encode(), (head + body).encode(), (head + body).encode() * 3,
                   stream.encode(), old.encode()]

        def round_of(n):
            for i in range(n):
                with g.client() as c:
                    c.send(moments[i % len(moments)])
                    if i % 3 == 0:
                        c.vanish()
                    elif i % 3 == 1 and i % len(moments) >= 4:
                        c.more()
        round_of(len(moments) * 20)
        until(lambda: g.health()["connections"] == 1, "connections are gone")
        files, memory = g.descriptors(), g.memory()
        round_of(rounds)
        until(lambda: (lambda h: h["connections"] == 1 and not h["requests"] and not h["sessions"] and not h["streams"])(g.health()), f"all is gone: {g.health()}")
        until(lambda: g.descriptors() <= files, "no descriptor is left")
        if "san" not in PROGRAMS:
            check(g.memory() <= memory + 1024 * 1024, "memory", memory, g.memory())
