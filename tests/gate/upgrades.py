"""The change to a newer program as a property: nothing is reset, refused, lost or done twice; and signals at any moment of it."""
import contextlib
import json
import os
import random
import select
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from gate.driver import META, PATIENCE, Gateway, case, check, until
from gate.life import certificate
from gate.link import Agent

ROUNDS = int(os.environ.get("UPGRADE_ROUNDS", "4"))    # 20 and more: make soak
SIGNALS = int(os.environ.get("UPGRADE_SIGNALS", "12"))


class Work:
    """What clients asked for, and what they were told of it."""

    def __init__(self, g):
        self.g, self.lock, self.number = g, threading.Lock(), 0
        self.counts = {}
        self.ran, self.not_run, self.wrong, self.over = set(), set(), [], threading.Event()

    def next(self):
        with self.lock:
            self.number += 1
            return self.number

    def tell(self, number, ran):
        with self.lock:
            (self.ran if ran else self.not_run).add(number)

    @staticmethod
    def form(number):
        return f"(puthash {number} (1+ (gethash {number} efrit-test-ran 0)) efrit-test-ran)"

    def body(self, number):
        return {"content": self.form(number), "observe": "none"}

    def take(self, number, answer):
        check(answer.status == 200 and b"success" in answer.body, number, answer)
        self.tell(number, True)

    def client(self, play, **more):
        def run():
            try:
                while not self.over.is_set():
                    play(self, **more)
            except Exception as e: # pylint: disable=broad-except
                self.wrong.append(f"{play.__name__}: {e!r}")
        t = threading.Thread(target=run)
        t.start()
        return t

    def count(self, g):
        self.counts = dict(json.loads(json.loads(g.value("(let (l) (maphash (lambda (k v) (push (list k v) l)) efrit-test-ran) (json-serialize (vconcat (mapcar (quote vconcat) l))))"))))

    def judge(self):
        check(not self.wrong, self.wrong[:5])
        counts = self.counts
        twice = [n for n, c in counts.items() if c != 1]
        check(not twice, "done twice:", twice[:10])
        check(self.ran <= set(counts), "answered and not done:", sorted(self.ran - set(counts))[:10])
        check(not self.not_run & set(counts), "done, though it was told that it was not:", sorted(self.not_run & set(counts))[:10])
        check(len(self.ran) + len(self.not_run) == self.number, "neither:", self.number, len(self.ran), len(self.not_run))


PATH = "/api/v1/tools/efrit_execute"


def kept(w, path=None, pause=0.0, tls=None):
    """One request after the other on a connection, until it is told to close."""
    with w.g.client(path=path and w.g.socket, tls=tls) as c:
        closed = False
        while not closed and not w.over.is_set():
            number = w.next()
            a = c.request("POST", PATH, w.body(number))
            w.take(number, a)
            closed = a.closed
            w.over.wait(random.random() * pause)


def fresh(w):
    with w.g.client() as c:
        number = w.next()
        w.take(number, c.request("POST", PATH, w.body(number), {"Connection": "close"}))


def pipelined(w):
    """Five at a time; those behind an answer that says close did not run."""
    with w.g.client() as c:
        while not w.over.is_set():
            numbers = [w.next() for _ in range(5)]
            text = b""
            for number in numbers:
                body = json.dumps(w.body(number)).encode()
                text += (f"POST {PATH} HTTP/1.1\r\nHost: localhost:{w.g.port}\r\nAuthorization: Bearer {w.g.token}\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n").encode() + body
            c.send(text)
            while numbers:
                a = c.answer()
                w.take(numbers.pop(0), a)
                if a.closed:
                    for number in numbers:
                        w.tell(number, False)
                    return


def lines(w):
    """MCP on the Unix socket: a send that fails did not arrive, all others are answered."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    s.connect(w.g.socket)
    read = s.makefile("r", encoding="utf-8")
    with s, read:
        while not w.over.is_set():
            number = w.next()
            message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "efrit_execute", "arguments": w.body(number), "_meta": META}}
            try:
                s.sendall((json.dumps(message) + "\n").encode())
            except BrokenPipeError:
                w.tell(number, False)
                return
            line = read.readline()
            check(line, "no answer to what was sent")
            said = json.loads(line)
            check(said["id"] == number and "success" in str(said["result"]), said)
            w.tell(number, True)


def finish(g, w, threads):
    """All clients go, then Emacs, then whichever gateway is the last."""
    w.over.set()
    for t in threads:
        t.join()
    with contextlib.suppress(Exception):
        w.count(g)
    g.run("call", "efrit_stop_instance", '{"instance_id":"main","force":true}')
    check(g.run("stop").returncode == 0)
    check(g.process.wait(PATIENCE) == 0)


def pid_in(g):
    with open(g.socket + ".lock", encoding="ascii") as f:
        return int(f.read() or 0)


def change(g, w, rounds):
    """Upgrade after upgrade, each while there is work."""
    for _ in range(rounds):
        before, pid = len(w.ran), pid_in(g)
        until(lambda: len(w.ran) > before + 20 or w.wrong, "work goes on")
        os.kill(pid, signal.SIGUSR2)
        g.read_line(g.process.stdout)
        until(lambda: pid_in(g) != pid, "another process")
    before = len(w.ran)
    until(lambda: len(w.ran) > before + 20 or w.wrong, "work goes on")


@case(emacs="first")
def upgrade_under_load():
    with Gateway() as g:
        g.start_emacs()
        g.instance = None
        g.value("(progn (defvar efrit-test-ran nil) (setq efrit-test-ran (make-hash-table)) t)")
        w = Work(g)
        threads = [w.client(kept), w.client(kept, pause=2.5), w.client(kept, path=True), w.client(fresh), w.client(pipelined), w.client(lines)]
        try:
            change(g, w, ROUNDS)
        finally:
            finish(g, w, threads)
        w.judge()
        check(not os.path.exists(g.socket) and not os.path.exists(g.socket + ".lock"))


@case(emacs="first")
def upgrade_over_tls():
    with tempfile.TemporaryDirectory() as base:
        cert, key = certificate(base)
        with Gateway(settings={"tls_cert": cert, "tls_key": key}) as g:
            check(g.run("call", "efrit_start_instance", '{"name":"main"}').returncode == 0)
            with g.client(path=g.socket) as c:
                c.request("POST", PATH, {"content": "(progn (defvar efrit-test-ran nil) (setq efrit-test-ran (make-hash-table)) t)"})
            w = Work(g)
            threads = [w.client(kept, tls=ssl.create_default_context(cafile=cert)) for _ in range(2)]
            try:
                change(g, w, max(1, ROUNDS // 2))
            finally:
                finish(g, w, threads)
            check(not w.wrong, w.wrong)


def processes(g):
    """Gateways of this test that live."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as f, open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as s:
                words = f.read().split(b"\0")
                if g.mark in words and s.read().rpartition(")")[2].split()[0] not in "ZX":
                    found.append(int(pid))
    return found


@case()
def upgrade_signals():
    """SIGTERM, SIGINT or SIGKILL to either process at a random moment: a gateway serves and has its socket, or there is none and the next can start."""
    rng = random.Random(int(os.environ.get("UPGRADE_SEED", "1")))
    for turn in range(SIGNALS):
        number = rng.choice((signal.SIGTERM, signal.SIGINT, signal.SIGKILL))
        newer, moment = rng.random() < 0.5, rng.random() * 0.06
        mark = f"--set=start_timeout={100 + turn}" # tells its processes from others
        with Gateway(mark) as g:
            g.mark = mark.encode()
            g.process.send_signal(signal.SIGUSR2)
            end = time.monotonic() + moment
            while time.monotonic() < end:
                select.select([], [], [], 0.002)
            targets = [p for p in processes(g) if (p != g.process.pid) == newer]
            for pid in targets:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            said = (turn, number.name, "newer" if newer else "older", round(moment, 3))

            def settled():
                if g.process.poll() is None and pid_of(g) == g.process.pid and not newer_lives(g):
                    return serves(g)
                return g.process.poll() is not None and (not processes(g) or (len(processes(g)) == 1 and serves(g)))
            until(settled, said)
            if serves(g):
                check(g.run("stop").returncode == 0, said, g.said())
            until(lambda: not processes(g), said)
            if number != signal.SIGKILL:
                check(not os.path.exists(g.socket) and not os.path.exists(g.socket + ".lock"), said, os.listdir(os.path.dirname(g.socket)))
            r = g.run("stop")
            check(r.returncode == 1 and "no gateway runs" in r.stderr, said, r)
            second = subprocess.Popen([g.bridge, "serve", "--listen", "127.0.0.1:0", mark], env=g.env, stdout=subprocess.PIPE, stderr=g.log)
            g.read_line(second.stdout)
            second.terminate()
            check(second.wait(PATIENCE) == 0, said)
            second.stdout.close()
            g.process.wait(PATIENCE)
            g.process.returncode = 0


def pid_of(g):
    with contextlib.suppress(OSError, ValueError):
        return pid_in(g)
    return 0


def newer_lives(g):
    return any(p != g.process.pid for p in processes(g))


def serves(g):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    try:
        s.connect(g.socket)
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return s.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        s.close()


@case(emacs="first")
def upgrade_beside_a_bridge():
    """A stdio bridge that uses the gateway is answered each call, or told that it did not run; then it uses the next gateway."""
    with Gateway() as g:
        g.start_emacs()
        g.instance = None
        g.value("(progn (defvar efrit-test-ran nil) (setq efrit-test-ran (make-hash-table)) t)")
        w, ended = Work(g), []
        try:
            with Agent(g.env) as a:
                for _ in range(ROUNDS):
                    for i in range(12):
                        number = w.next()
                        a.tell("tools/call", {"name": "efrit_execute_batch", "arguments": {"forms": [w.form(number)], "instance_id": "main"}}, number)
                        if i == 4:
                            os.kill(pid_in(g), signal.SIGUSR2)
                        result = a.answer(number).get("result")
                        said = json.loads(result["content"][0]["text"]) if result else {"may_have_run": False} # it has no such tool without a gateway
                        w.tell(number, "results" in said)
                        check("results" in said or said.get("may_have_run") is False, said)
                        if "results" not in said:
                            ended.append(said)
                    g.read_line(g.process.stdout)
                    until(lambda: "efrit_execute_batch" in str(a.ask("tools/list", {})), "the next gateway is used")
        finally:
            finish(g, w, [])
        w.judge()
