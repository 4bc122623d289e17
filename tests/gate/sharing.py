"""Many users on one machine, and a machine that gives little: needs root, to be several users."""
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from gate.driver import BRIDGE, META, PATIENCE, ROOT, Gateway, Skip, case, check, until
from gate.large import LONG, SMALL, link_of, piece

TASKS = {**META, "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
STRANGER, GROUP, OTHER = 12345, 23456, 34567

# Connects, sends, prints what comes until the end; "refused" where the system lets nobody in.
TALK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
try:
    s.connect(sys.argv[1])
    s.sendall(sys.argv[2].encode())
    while (b := s.recv(65536)):
        sys.stdout.write(b.decode("latin-1"))
except PermissionError:
    print("refused")
except (ConnectionResetError, BrokenPipeError):
    pass
"""
# Sends a message a line and prints the answer to each, in turn.
LINES = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
lines = s.makefile("rw")
for message in json.loads(sys.stdin.read()):
    lines.write(json.dumps(message) + "\\n")
    lines.flush()
    while True:
        answer = lines.readline()
        if not answer or json.loads(answer).get("id") == message["id"]:
            break
    print(answer, end="")
"""
HEALTH = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def needs_root():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("needs root and setpriv")


def as_user(*command, uid=STRANGER, groups=None, env=None, said=None):
    who = ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={groups}" if groups else "--clear-groups"]
    return subprocess.run([*who, *command], capture_output=True, text=True, timeout=PATIENCE * 2, env=env, cwd="/", input=said)


def said_to(path, text=HEALTH, **who):
    r = as_user(sys.executable, "-c", TALK, path, text, **who)
    check(r.returncode == 0, r)
    return r.stdout


def above(folder):
    """It and the folders it lies in, below /tmp."""
    while folder.startswith("/tmp/"):
        yield folder
        folder = os.path.dirname(folder)


@case()
def shared_group():
    """Members of the group may, without a token; nobody else may; it is taken back by a reload."""
    needs_root()
    base = tempfile.mkdtemp(dir="/tmp")
    os.chmod(base, 0o755)
    path = os.path.join(base, "team.sock")
    listen = {"listen": f"127.0.0.1:0, unix:{path}"}
    try:
        with Gateway(listen=None, config=dict(listen, group=str(GROUP))) as g:
            st = os.stat(path)
            check(st.st_gid == GROUP and st.st_mode & 0o777 == 0o660, oct(st.st_mode), st.st_gid)
            check('"healthy"' in said_to(path, groups=GROUP) or '"degraded"' in said_to(path, groups=GROUP), "a member may not")
            check(said_to(path) == "refused\n" and said_to(path, groups=OTHER) == "refused\n", "a stranger may")
            check(os.stat(g.socket).st_mode & 0o777 == 0o600, "the gateway's own socket is for its user alone")
            os.chmod(path, 0o666) # the mode is not all that is looked at
            check(said_to(path) == "" and said_to(path, groups=OTHER) == "", "a stranger may")
            check("HTTP/1.1 200" in said_to(path, groups=GROUP))
            os.chmod(g.socket, 0o666)
            os.chmod(os.path.dirname(g.socket), 0o755)
            for folder in above(g.base):
                os.chmod(folder, 0o755)
            check(said_to(g.socket, groups=GROUP) == "", "a member may use the gateway's own socket")
            check(f"user {STRANGER} may not use" in g.said(), g.said())
            g.reload(dict(listen, group="no-such-group"), "stay as they were")
            check("HTTP/1.1 200" in said_to(path, groups=GROUP))
            g.reload(listen)
            check(os.stat(path).st_mode & 0o777 == 0o600 and said_to(path, groups=GROUP) == "refused\n", "it was not taken back")
            os.chmod(path, 0o666)
            check(said_to(path, groups=GROUP) == "")
            g.reload(dict(listen, group=str(OTHER)))
            check("HTTP/1.1 200" in said_to(path, groups=OTHER) and said_to(path, groups=GROUP) == "refused\n")
    finally:
        shutil.rmtree(base)


def post(path, body):
    text = json.dumps(body)
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"


class User:
    """One user of a shared socket, by lines and by HTTP."""

    def __init__(self, path, uid):
        self.path, self.uid = path, uid

    def ask(self, *requests):
        messages = [{"jsonrpc": "2.0", "id": n, "method": m, "params": dict(p, _meta=TASKS)} for n, (m, p) in enumerate(requests)]
        r = as_user(sys.executable, "-c", LINES, self.path, uid=self.uid, groups=GROUP, said=json.dumps(messages))
        check(r.returncode == 0, r)
        answers = [json.loads(line) for line in r.stdout.splitlines()]
        check(len(answers) == len(requests), r)
        return answers

    def call(self, tool, arguments):
        return self.ask(("tools/call", {"name": tool, "arguments": arguments}))[0]["result"]

    def get(self, path):
        head, _, body = said_to(self.path, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", uid=self.uid, groups=GROUP).partition("\n\n")
        return int(head.split()[1]), body.encode("latin-1")


@case(emacs="first")
def one_socket_many_users():
    """Whoever speaks lines is who the system says: kept results, tasks and batches are that user's, and a link told by lines can be fetched."""
    needs_root()
    base = tempfile.mkdtemp(dir="/tmp")
    os.chmod(base, 0o755)
    path = os.path.join(base, "team.sock")
    try:
        with Gateway(listen=None, config={"listen": f"127.0.0.1:0, unix:{path}", "group": str(GROUP)}, settings=SMALL) as g:
            g.start_emacs()
            alice, bob = User(path, 4001), User(path, 4002)
            uri, size, digest, blocks, _ = link_of(alice.call("efrit_execute", LONG))
            reads = [("resources/read", {"uri": f"{uri}?block={n}"}) for n in range(blocks)]
            data = b"".join(piece(a) for a in alice.ask(*reads))
            check(len(data) == size and hashlib.sha256(data).hexdigest() == digest, "by lines:", len(data), size)
            number = uri.rpartition("/")[2]
            check(alice.get(f"/api/v1/results/{number}") == (200, data), "over HTTP on the same socket")
            check(bob.get(f"/api/v1/results/{number}")[0] == 404, "another user over HTTP")
            check("error" in bob.ask(reads[0])[0], "another user by lines")
            with g.client(path=path) as c: # nor who runs it, nor who has the token
                check(c.request("GET", f"/api/v1/results/{number}").status == 404)
            check(g.get(f"/api/v1/results/{number}").status == 404)
            # and what one got over HTTP can be read by lines
            a = json.loads(said_to(path, post("/api/v1/tools/efrit_execute", LONG), uid=4001, groups=GROUP).partition("\n\n")[2])
            uri = link_of(a)[0]
            check("result" in alice.ask(("resources/read", {"uri": f"{uri}?block=0"}))[0] and "error" in bob.ask(("resources/read", {"uri": f"{uri}?block=0"}))[0])
            job = json.loads(alice.call("efrit_execute_batch", {"forms": ["(+ 1 2)"], "keep": True, "instance_id": "main"})["content"][0]["text"])["job"]
            for who, good in ((alice, True), (bob, False)):
                said = json.loads(who.call("efrit_execute_batch", {"job": job, "wait": 5})["content"][0]["text"])
                check(("results" in said) == good and (good or said["error_code"] == "unknown_job"), who.uid, said)
            g.value(f'(progn (load "{ROOT}/tests/conformance/fixtures.el") t)')
            until(lambda: "slow_compute" in str(alice.ask(("tools/list", {}))), "the tools of the fixtures")
            task = alice.ask(("tools/call", {"name": "slow_compute", "arguments": {"seconds": 60, "label": "x"}}))[0]["result"]
            check(task.get("resultType") == "task", task)
            for who, good in ((bob, False), (alice, True)):
                for method in ("tasks/get", "tasks/cancel"):
                    check(("result" in who.ask((method, {"taskId": task["taskId"]}))[0]) == good, who.uid, method)
    finally:
        shutil.rmtree(base)


@case(emacs="first")
def other_users():
    """One user's Emacs is not seen by another one, and answers him nothing, whatever the modes are."""
    needs_root()
    with Gateway() as g:
        g.start_emacs()
        folder = g.env["EFRIT_MCP_FOLDERS"]
        mine = tempfile.mkdtemp(dir="/tmp")
        os.chown(mine, STRANGER, STRANGER)
        try:
            env = {"HOME": mine, "XDG_RUNTIME_DIR": mine, "EFRIT_MCP_FOLDERS": folder, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
            opened = [folder, os.path.dirname(folder), *above(g.base)]
            bridge = shutil.copy(BRIDGE, mine)
            os.chmod(bridge, 0o755)
            r = as_user(bridge, "instances", "--json", env=env)
            check(r.returncode == 3 and json.loads(r.stdout)["instances"] == [], r)
            for path in opened: # as if all had been careless
                os.chmod(path, 0o755)
            os.chmod(os.path.join(folder, "main.sock"), 0o666)
            r = as_user(bridge, "instances", "--json", env=env)
            check(r.returncode == 3 and "belongs to user 0" in r.stdout, r)
            said = said_to(os.path.join(folder, "main.sock"), "x" * 64)
            check(not said or ("belongs to another user" in said and "emacs_version" not in said), "Emacs has answered a stranger:", said)
            # nor through a link in a folder of his own
            own = os.path.join(mine, "efrit")
            os.mkdir(own, 0o700)
            os.chown(own, STRANGER, STRANGER)
            os.symlink(os.path.join(folder, "main.sock"), os.path.join(own, "main.sock"))
            r = as_user(bridge, "call", "efrit_execute", '{"content":"(emacs-pid)","instance_id":"main"}', env=dict(env, EFRIT_MCP_FOLDERS=own))
            check(r.returncode in (3, 4) and '"success"' not in r.stdout, r)
            os.chmod(folder, 0o700)
            with open(os.path.join(folder, "note"), "w", encoding="utf-8"): # the folder is looked at when it changes
                pass
            until(lambda: '"idle"' in g.run("call", "efrit_status").stdout and not g.call("efrit_status").get("isError")
                  and json.loads(g.call("efrit_status")["content"][0]["text"])["state"] == "idle", "its own user is served again")
            check(g.value("(+ 1 2)") == "3")
        finally:
            shutil.rmtree(mine)


@case(emacs="first")
def bare_machine():
    """A batch Emacs and its bridge without home, terminal and environment, the root file system read-only."""
    needs_root()
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        raise Skip("needs unshare")
    base = tempfile.mkdtemp()
    run, state = os.path.join(base, "x"), os.path.join(base, "state")
    os.mkdir(run, 0o700)
    os.mkdir(state, 0o700)
    emacs = shutil.which(os.environ.get("EMACS", "emacs"))
    keep = [f"{k}={v}" for k, v in os.environ.items() if k.startswith("EMACS") or k in ("LD_LIBRARY_PATH", "EFRIT_MCP_MODULE")]
    given = ["env", "-i", f"XDG_RUNTIME_DIR={run}", f"EFRIT_MCP_FOLDERS={run}/efrit", f"EFRIT_MCP_STATE={state}", *keep]
    script = (f'mount --make-rprivate / && mount --bind {run} {run} && mount --bind {state} {state} && '
              'for m in $(awk \'{print $5}\' /proc/self/mountinfo | sort -u); do case $m in ' f'{run}|{state}|/proc*|/dev*) ;; '
              '*) mount -o remount,bind,ro "$m" 2>/dev/null ;; esac; done; '
              'if touch /tmp/x 2>/dev/null; then exit 77; fi; exec "$@"')

    def inside(*command, **more):
        return subprocess.Popen(["unshare", "-m", "sh", "-c", script, "sh", *given, *command], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd="/", **more)
    worker = inside(emacs, "-Q", "--batch", "--directory", os.path.join(ROOT, "lisp"), "--load", "efrit-mcp",
                    "--eval", '(setq efrit-mcp-instance "one")', "--funcall", "efrit-mcp-serve")
    gateway = None
    try:
        until(lambda: os.path.exists(f"{run}/efrit/one.sock") or worker.poll() is not None, "its socket")
        if worker.poll() == 77:
            raise Skip("the root could not be made read-only")
        check(worker.poll() is None, worker.poll() is not None and worker.stdout.read())
        p = inside(BRIDGE, "call", "efrit_execute", '{"content":"(list (getenv \\"HOME\\") noninteractive (file-writable-p \\"/etc/x\\"))"}')
        said = p.communicate(timeout=PATIENCE)[0]
        check(p.returncode == 0 and '"(nil t nil)"' in json.dumps(json.loads(said)["result"]), p.returncode, said)
        gateway = inside(BRIDGE, "serve", "--listen", "127.0.0.1:0")
        line = gateway.stdout.readline()
        check(line.startswith("efrit-gateway ready"), line)
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        s.connect(os.path.join(run, "efrit-gateway.sock"))
        s.sendall(HEALTH.encode())
        answer = b""
        while (piece := s.recv(65536)):
            answer += piece
        s.close()
        check(b'"workers":1' in answer, answer)
    finally:
        for p in (gateway, worker):
            if p and p.poll() is None:
                os.killpg(p.pid, signal.SIGTERM)
                p.wait(PATIENCE)
            if p:
                p.stdout.close()
        shutil.rmtree(base, ignore_errors=True)
