#!/usr/bin/env python3
"""count.py - the instructions that a call costs bridge and gateway, by callgrind; Emacs does not count.

    count.py            prints a line a road, beside tests/bench/COUNT.md; ends with 1 where one is over 3 % dearer
    count.py --record   writes the figures into tests/bench/COUNT.md

Each road is walked with 200 calls, which stand for start, warm-up and end, and with 1,200, five times each by programs
of their own.  The difference of the least of each is 1,000 calls.  One call at a time, over one connection."""
import collections
import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests"))
import wire  # noqa: E402
from gate import driver  # noqa: E402

RECORD = os.path.join(HERE, "COUNT.md")
BRIDGE, GATEWAY = (os.path.join(driver.PROGRAMS, name) for name in ("efrit-bridge", "efrit-gateway"))
EMACS = os.environ.get("EMACS", "emacs")
WARM, CALLS, ROUNDS = 200, 1000, 5
ALLOWED = 3.0       # per cent
PATIENCE = 600.0    # seconds for anything: valgrind and others' load
PATIENT = ("--set", "hello_timeout=60000", "--set", "silence=600000")  # the programs have as much
EXECUTE = ("efrit_execute", {"content": "(+ 1 2)", "observe": "none"})
LENT = ("count_sum", {})  # of Emacs, known to the bridge through the gateway alone
TOOL = '(efrit-mcp-define-tool count-sum "Three." () (:read-only t) (+ 1 2))'
# Which of libc's functions run depends on the processor: here they are those of any x86-64.
PLAIN = "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-EVEX,-ERMS,-FSRM,-BMI2,-MOVBE"
FIGURE = re.compile(r"^\| ([^|]+?) \| ([^|]+?) \| ([\d,]+) \|$", re.M)
HEAD = """# What a call costs in instructions

Written by `make bench-count RECORD=1`, never by hand.  {date}, commit {commit}.  {versions}.

`make bench-count` asks for {calls:,} calls on each road, one at a time, under `valgrind --tool=callgrind`, and takes away what a run
without them costs; the least of {rounds} runs counts. Emacs runs beside it and does not count. A road that is more than {allowed:g} % dearer than here fails it.
With another compiler, libc or valgrind than those above, record the figures of the commit before the change first.

| road | program | instructions a call |
|---|---|---|
"""


class World:
    """A folder whose name is as long each time, a fixed environment, and an Emacs that serves in it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="count-", dir="/tmp")
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": self.folder, "XDG_RUNTIME_DIR": self.folder,
                    "TMPDIR": self.folder, "EFRIT_MCP_FOLDERS": os.path.join(self.folder, "efrit"), "EFRIT_MCP_LISP": os.path.join(ROOT, "lisp"),
                    "EFRIT_MCP_MODULE": os.path.join(driver.PROGRAMS, "efrit-mcp-module.so"), "GLIBC_TUNABLES": PLAIN}
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.emacs = subprocess.Popen(
            [EMACS, "-Q", "--fg-daemon=count", "--eval", "(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil)",
             "-L", os.path.join(ROOT, "lisp"), "-l", "efrit-mcp", "--eval", TOOL, "-f", "efrit-mcp-mode"],
            env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)

    def said(self):
        with open(self.log.name, "rb") as f:
            return f.read().decode(errors="replace")[-2000:]

    def await_emacs(self):
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                return wire.Peer(os.path.join(self.folder, "efrit/count.sock"), timeout=PATIENCE).close()
            if self.emacs.poll() is not None or time.monotonic() > end:
                raise SystemExit("Emacs does not serve: " + self.said())
            time.sleep(0.02)

    def counted(self, name, program, *arguments, **more):
        """PROGRAM under callgrind, which writes its figures to the file NAME."""
        words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + os.path.join(self.folder, name), program, *arguments]
        return subprocess.Popen(words, env=dict(self.env, **more), cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=self.log, bufsize=0)

    def instructions(self, name, process):
        """Those of PROCESS, which is about to end."""
        if process.wait(PATIENCE) != 0:
            raise SystemExit("%s ended with %d: %s" % (name, process.returncode, self.said()))
        process.stdout.close()
        with open(os.path.join(self.folder, name), encoding="utf-8") as f:
            return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1))

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.emacs.pid, signal.SIGKILL)
        self.emacs.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Pipes:
    """A client of a bridge on pipes."""

    def __init__(self, process):
        self.process, self.id = process, 10000

    def ask(self, method, params):
        self.id += 1  # as many digits each time
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}).encode() + b"\n")
        while True:
            line = self.process.stdout.readline()
            answer = json.loads(line or b'{"id":0}')
            if "method" not in answer:
                return answer

    def open(self):
        self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "count", "version": "1"}})
        self.process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        self.ask("tools/list", {})

    def call(self, tool):
        return self.ask("tools/call", {"name": tool[0], "arguments": tool[1]})


def ask(count, call):
    """COUNT calls, each of which must answer 3."""
    good = lambda answer: "3" in answer["result"]["content"][0]["text"] and not answer["result"].get("isError")
    if not all([good(call()) for _ in range(count)]):
        raise SystemExit("a call failed")


def stdio(world, count):
    process = world.counted("bridge", BRIDGE, "--set", "gateway=off", *PATIENT)
    client = Pipes(process)
    client.open()
    ask(count, lambda: client.call(EXECUTE))
    process.stdin.close()
    return {"bridge": world.instructions("bridge", process)}


@contextlib.contextmanager
def gateway(world, figures):
    """One that knows Emacs and has said so."""
    process = world.counted("gateway", GATEWAY, "serve", "--listen", "127.0.0.1:0", "--set", "auth=none", *PATIENT)
    line = process.stdout.readline().decode()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/mcp", line)
    if not found:
        raise SystemExit("the gateway does not start: " + line + world.said())
    Where = collections.namedtuple("Where", "port token")
    yield Where(int(found.group(1)), None)
    process.terminate()
    figures["gateway"] = world.instructions("gateway", process)
    process.stdin.close()


def over_http(world, count, talk):
    figures = {}
    with gateway(world, figures) as where, driver.Client(where) as client:
        ask(count, talk(client))
    return figures


def session(client):
    number = client.initialize()
    return lambda: client.legacy(number, "tools/call", {"name": EXECUTE[0], "arguments": EXECUTE[1]}, id=10000).json


def modern(client):
    return lambda: client.call(*EXECUTE, id=10000).json


def link(world, count):
    figures = {}
    with gateway(world, figures):
        process = world.counted("bridge", BRIDGE, *PATIENT, EFRIT_MCP_FOLDERS=os.path.join(world.folder, "none"))
        client = Pipes(process)
        client.open()
        ask(count, lambda: client.call(LENT))
        process.stdin.close()
        figures["bridge"] = world.instructions("bridge", process)
    return figures


ROADS = {
    "stdio": stdio,
    "HTTP, session of 2025-11-25": lambda world, count: over_http(world, count, session),
    "HTTP, 2026-07-28": lambda world, count: over_http(world, count, modern),
    "stdio, through the gateway": link,
}


def walk(road):
    """program -> instructions a call."""
    few, many = (least(road, count) for count in (WARM, WARM + CALLS))
    return {program: round((many[program] - few[program]) / CALLS) for program in sorted(few)}


def least(road, count):
    """program -> instructions of so many calls: seeds of hashes and the heap's order only ever add."""
    totals = []
    for _ in range(ROUNDS):
        world = World()
        try:
            world.await_emacs()
            totals.append(ROADS[road](world, count))
        finally:
            world.end()
    return {program: min(t[program] for t in totals) for program in totals[0]}


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def versions():
    with open(GATEWAY, "rb") as f:
        compiler = re.search(rb"(?:GCC: \([^)]*\) [\d.]+|clang version [\d.]+)", f.read())
    return ", ".join([compiler.group(0).decode() if compiler else "an unknown compiler", first_line("ldd", "--version").split(" ", 1)[1],
                      first_line("valgrind", "--version"), first_line(EMACS, "--version"), os.uname().machine])


def recorded():
    """(road, program) -> instructions a call, and the versions they were counted with."""
    if not os.path.exists(RECORD):
        return {}, ""
    with open(RECORD, encoding="utf-8") as f:
        text = f.read()
    return {(road, program): int(n.replace(",", "")) for road, program, n in FIGURE.findall(text)}, text


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words, "--", "bridge", "module", "lisp"], capture_output=True, text=True, check=False)


def write(figures):
    commit = git("log", "-1", "--format=%h").stdout.strip() or "unknown"
    if git("diff", "--quiet", "HEAD").returncode:
        commit += " with changes"
    with open(RECORD + ".new", "w", encoding="utf-8") as f:
        f.write(HEAD.format(date=datetime.date.today().isoformat(), commit=commit, versions=versions(), calls=CALLS, rounds=ROUNDS, allowed=ALLOWED))
        f.writelines("| %s | %s | %s |\n" % (road, program, format(n, ",")) for (road, program), n in figures.items())
    os.rename(RECORD + ".new", RECORD)


def main():
    if not shutil.which("valgrind"):
        raise SystemExit("there is no valgrind here (tests/deps.sh bench installs it)")
    driver.PATIENCE = PATIENCE
    os.environ.clear()  # what is in it is copied by every program
    before, text = recorded()
    if text and "--record" not in sys.argv and versions() not in text:
        print("counted with %s, recorded with others: see tests/bench/COUNT.md" % versions())
    figures, dearer = {}, []
    for road in ROADS:
        for program, n in walk(road).items():
            figures[road, program] = n
            old = before.get((road, program))
            change = 100 * (n - old) / old if old else 0
            told = "recorded %9s   %+6.2f %%" % (format(old, ","), change) if old else "nothing recorded"
            print("%-28s %-8s %9s instructions a call   %s" % (road, program, format(n, ","), told), flush=True)
            if change > ALLOWED:
                dearer.append("%s, %s" % (road, program))
    if "--record" in sys.argv:
        write(figures)
    elif dearer:
        print("more than %g %% dearer than recorded: %s" % (ALLOWED, "; ".join(dearer)))
        return 1
    elif set(figures) - set(before):
        print("not all of it is recorded: make bench-count RECORD=1")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
