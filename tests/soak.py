#!/usr/bin/env python3
"""soak.py SECONDS [SEED] - everything at once for a long time; what grows, what is left, what was not answered.

Two real Emacs daemons: `steady` lives through it, `mortal` is killed (-9) at random moments and started again.  Two
bridges likewise.  Their clients and bare peers of the wire call at random: short forms, results of up to 5 MB, errors,
questions, waits, forms that are stopped by cancel, by time-out and by interrupt; peers vanish in the middle of a frame
or send garbage.

Once a minute (more often in a short run) all clients pause, what is under way ends, Emacs collects its garbage, and
memory and descriptors of steady Emacs and steady bridge are noted.  How it is judged: the first fifth, at least two
notes, is warm-up; through the notes after it a straight line is laid, and what that line rises in the time judged may
be ALLOWED at most: so many KB, and so many more for each hour.  Descriptors and jobs at a pause never exceed those of
the first pause by more than FEW.  Every call must be answered within ANSWER seconds (a call whose bridge was killed or
that was cancelled needs no answer), and at the end nothing may be left: no job, no peer, no process, no socket."""
import collections
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import wire

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ANSWER = 40.0
FEW = 3
ALLOWED = {"emacs": (16 * 1024, 16 * 1024), "bridge": (1536, 1024)}
LARGE = 5 * 1024 * 1024
NO_WONDER = {"emacs_gone", "not_responding", "no_instance", "unknown_instance", "queue_full", "client_queue_full", "stopping"}


class World:
    """What all threads share."""

    def __init__(self, seconds, seed):
        self.folder = tempfile.mkdtemp(prefix="soak-")
        os.mkdir(os.path.join(self.folder, "x"), 0o700)
        self.sockets = os.path.join(self.folder, "x", "efrit")
        self.env = dict(os.environ, XDG_RUNTIME_DIR=os.path.join(self.folder, "x"), EFRIT_MCP_FOLDERS=self.sockets, HOME=self.folder, TMPDIR=self.folder, LC_ALL="C.UTF-8")
        self.began = time.monotonic()
        self.until = self.began + seconds
        self.seed = seed
        self.lock = threading.Condition()
        self.busy = 0
        self.paused = False
        self.over = False
        self.counts = collections.Counter()
        self.problems = []
        self.slowest = (0.0, "", 0.0)

    def problem(self, text):
        with self.lock:
            if len(self.problems) < 20:
                self.problems.append(f"{time.monotonic() - self.began:8.1f} s  {text}")
                print("PROBLEM", self.problems[-1], flush=True)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def took(self, what, seconds):
        with self.lock:
            self.slowest = max(self.slowest, (seconds, what, time.monotonic() - self.began))

    def enter(self):
        """Before each action; waits while there is a pause.  False: it is over."""
        with self.lock:
            while self.paused and not self.over:
                self.lock.wait()
            self.busy += not self.over
            return not self.over

    def leave(self):
        with self.lock:
            self.busy -= 1
            self.lock.notify_all()

    def pause(self):
        with self.lock:
            self.paused = True
            if not self.lock.wait_for(lambda: not self.busy, ANSWER + 20):
                self.problems.append("the clients do not come to rest")

    def resume(self, over=False):
        with self.lock:
            self.paused, self.over = False, over
            self.lock.notify_all()

    def rest(self, seconds):
        """Some time, or until it is over."""
        with self.lock:
            self.lock.wait_for(lambda: self.over, seconds)


def wait_for(done, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.02)
    return False


class Emacs:
    def __init__(self, world, name):
        self.world, self.name = world, name
        self.path = os.path.join(world.sockets, name + ".sock")
        self.start()

    def start(self):
        setup = f'(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil efrit-mcp-instance "{self.name}")'
        self.process = subprocess.Popen(
            [os.environ.get("EMACS", "emacs"), "-Q", f"--fg-daemon={self.name}", "--eval", setup, "-L", os.path.join(ROOT, "lisp"), "-l", "efrit-mcp",
             "-f", "efrit-mcp-mode"], env=self.world.env, cwd=self.world.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_for(self.serves, 60):
            raise SystemExit(f"Emacs {self.name} does not serve")

    def serves(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.path)
            return True
        except OSError:
            return False

    def die_and_rise(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def peer(self):
        return wire.Peer(self.path, timeout=ANSWER)

    def end(self):
        peer = self.peer()
        peer.call("(kill-emacs 0)", observe="none")
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.world.problem(f"Emacs {self.name} does not end")
            self.process.kill()
            self.process.wait()
        peer.close()


class Bridge:
    """A bridge and its client; threads may ask at the same time."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.lock = threading.Lock()
        self.killed = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([os.path.join(ROOT, os.environ.get("B") or "build", "efrit-bridge")], env=self.world.env, cwd=ROOT,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self.waiting, self.last = {}, 0
        threading.Thread(target=self.read, args=(self.process, self.waiting), daemon=True).start()
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": self.name, "version": "1"}})
        self.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def read(self, process, waiting):
        for line in open(process.stdout.fileno(), "rb", closefd=False):
            try:
                message = json.loads(line)
            except ValueError:
                self.world.problem(f"bridge {self.name} wrote what is no JSON: {line[:200]!r}")
                continue
            entry = waiting.pop(message.get("id"), None)
            if entry:
                entry[1] = message
                entry[0].set()
        for entry in list(waiting.values()):
            entry[0].set()

    def tell(self, message):
        with self.lock:
            try:
                self.process.stdin.write(json.dumps(message).encode() + b"\n")
            except OSError:
                pass

    def begin(self, method, params):
        with self.lock:
            self.last += 1
            ident, entry = self.last, [threading.Event(), None]
            self.waiting[ident] = entry
        self.tell({"jsonrpc": "2.0", "id": ident, "method": method, "params": params})
        return ident, entry

    def ask(self, method, params, seconds=ANSWER):
        ident, entry = self.begin(method, params)
        if not entry[0].wait(seconds):
            self.world.problem(f"bridge {self.name} did not answer {method} {json.dumps(params)[:300]} within {seconds:g} s")
        return entry[1]

    def kill_and_rise(self):
        self.killed = self.process
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.start()

    def end(self):
        self.process.stdin.close()
        try:
            if self.process.wait(20) != 0:
                self.world.problem(f"bridge {self.name} ended with {self.process.returncode}")
        except subprocess.TimeoutExpired:
            self.world.problem(f"bridge {self.name} does not end at the end of its input")
            self.process.kill()
            self.process.wait()


def some_form(rng):
    """(form, further arguments)"""
    size = int(LARGE ** rng.random())
    return rng.choice((
        ("(+ 1 2)", {}), ("(+ 1 2)", {}), ("(emacs-pid)", {"observe": "full"}),
        (f"(make-string {size} ?x)", {"max_chars": LARGE}), (f"(make-list {size // 100 + 1} \"\u00e9\\n\")", {"max_chars": LARGE}),
        ("(error \"wanted\")", {}), ("(car 7)", {}), ("(", {}), ("(undefined-function-of-soak)", {}),
        ("(read-string \"Name? \")", {}), ("(y-or-n-p \"Really? \")", {"allow_prompt": True, "timeout": 0.3}),
        ("(sleep-for 0.02)", {}), ("(accept-process-output nil 0.02)", {}), ("(call-process \"true\")", {}),
        ("(sleep-for 30)", {"timeout": 0.1}), ("(while t)", {"timeout": 0.05}), ("(call-process \"sleep\" nil nil nil \"6\")", {"timeout": 0.1}),
        ("(with-temp-buffer (insert (make-string 100000 ?y)) (buffer-size))", {}), ("(message \"soak\")", {"observe": "brief"}),
    ))


def judge(world, answer, safe, what):
    """ANSWER is the object in the text of a result."""
    code = answer.get("error_code") or answer.get("code") or answer.get("status") or "success"
    world.count(code)
    late = code == "not_responding" and "for its turn" in answer.get("error", "")  # a short time-out on a busy machine
    if safe and not late and code in NO_WONDER - {"queue_full", "client_queue_full"}:
        world.problem(f"{what[:200]} was answered {json.dumps(answer)[:300]}")


def by_bridge(world, bridge, instance, safe, rng):
    form, more = some_form(rng)
    call = {"name": "efrit_execute", "arguments": {"type": "eval", "content": form, "instance_id": instance, **more}}
    process, kind = bridge.process, rng.random()
    if kind < 0.1:
        call["name"], call["arguments"] = rng.choice((("efrit_status", {"instance_id": instance}), ("efrit_list_instances", {}),
                                                       ("efrit_interrupt", {"instance_id": instance}), ("efrit_wait", {"instance_id": instance, "for": "idle", "timeout": 1})))
    elif kind < 0.2:
        call["arguments"].update(content=rng.choice(("(sleep-for 20)", "(while t)", "(make-string 3000000 ?z)")), max_chars=LARGE)
        ident, entry = bridge.begin("tools/call", call)
        entry[0].wait(rng.random() * 0.1)
        bridge.tell({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": ident, "reason": "soak"}})
        bridge.waiting.pop(ident, None)
        world.count("cancelled by its client")
        return
    ident, entry = bridge.begin("tools/call", call)
    answered = entry[0].wait(ANSWER)
    if not entry[1] and (process is bridge.killed or process is not bridge.process):
        world.count("bridge killed")
    elif not answered or not entry[1]:
        world.problem(f"unanswered by bridge {bridge.name}: {json.dumps(call)[:300]}")
    elif "result" not in entry[1]:
        world.problem(f"{json.dumps(call)[:300]} was answered {json.dumps(entry[1])[:300]}")
    else:
        text = entry[1]["result"]["content"][0]["text"]
        try:
            judge(world, json.loads(text), safe, json.dumps(call))
        except ValueError:
            world.problem(f"{json.dumps(call)[:200]}: the text is no JSON: {text[:200]!r}")


def by_wire(world, emacs, safe, rng, box):
    if not box:
        box.append(emacs.peer())
    peer, (form, more), how = box[0], some_form(rng), rng.random()
    timeout = int(more.pop("timeout", 0) * 1000)
    ident = peer.call(form, timeout, rng.randrange(3), **more)
    if how < 0.15:
        peer.send(wire.CANCEL, ident, b"soak")
    elif how < 0.2:
        peer.send(wire.INTERRUPT, 1 << 40)
    elif how < 0.25:
        peer.send(wire.STATUS, 1 << 41)
        peer.send(wire.CATALOGUE, 1 << 42)
    judge(world, peer.answer(ident), safe, form)


def hello(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(ANSWER)
    s.connect(path)
    s.sendall(wire.frame(wire.HELLO, 0, b'{"client":"vanishing"}'))
    return s


def by_stranger(world, emacs, rng):
    """A peer that vanishes in the middle of something, or sends garbage."""
    name = b"efrit_execute"
    call = wire.frame(wire.CALL, 7, struct.pack(">IBBHH", 0, 1, 0, len(name), 1) + name + b"v" + b'{"content":"(make-string 2000000 ?v)","max_chars":5000000}')
    if rng.random() < 0.4:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(ANSWER)
            s.connect(emacs.path)
            s.sendall(rng.randbytes(rng.randrange(1, 300)) if rng.random() < 0.7 else wire.frame(99, 1))
        world.count("garbage")
        return
    with hello(emacs.path) as s:
        s.sendall(call[:rng.randrange(len(call))] if rng.random() < 0.5 else call)
        if rng.random() < 0.5:
            s.recv(rng.randrange(1, 100000))
    world.count("vanished")


def worker(world, action, safe, seed, pause):
    """Runs ACTION(rng, box) until it is over."""
    rng, box = random.Random(seed), []
    while world.enter():
        began = time.monotonic()
        try:
            action(rng, box)
        except (OSError, EOFError, ValueError) as error:
            world.count("connection lost")
            if safe:
                world.problem(f"{action.__name__}: {error!r}")
            for peer in box:
                peer.close()
            box.clear()
        finally:
            world.took(action.__name__, time.monotonic() - began)
            world.leave()
        world.rest(rng.random() * pause)
    for peer in box:
        peer.close()


def killer(world, mortal, bridge, seed):
    rng = random.Random(seed)
    while True:
        world.rest(2 + rng.random() * 25)
        if not world.enter():
            return
        try:
            if rng.random() < 0.5:
                mortal.die_and_rise()
                world.count("Emacs killed")
            else:
                bridge.kill_and_rise()
                world.count("bridge restarted")
        finally:
            world.leave()


def memory(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def note(world, emacs, bridges):
    """One line of the table, in a pause."""
    peer = emacs.peer()
    peer.eval("(progn (garbage-collect) (garbage-collect) 1)", observe="none")
    state = {}

    def at_rest():
        state.update(peer.status())
        return state["state"] == "idle" and not state["waiting"] and not state["running"]
    if not wait_for(at_rest, 20):
        world.problem(f"steady Emacs does not come to rest: {json.dumps(state)}")
    wait_for(lambda: peer.status()["peers"] <= 5, 5)  # strangers that left are noticed by then
    line = {"s": time.monotonic() - world.began, "emacs": memory(emacs.process.pid), "emacs_fd": descriptors(emacs.process.pid),
            "bridge": memory(bridges[0].process.pid), "bridge_fd": descriptors(bridges[0].process.pid), "peers": peer.status()["peers"],
            "waiting": state["waiting"], **{k: state["counts"][k] for k in ("done", "failed", "stopped", "refused")}}
    peer.close()
    print("%6.0f s  emacs %7d KB %3d fds   bridge %6d KB %3d fds   peers %2d waiting %d   done %d failed %d stopped %d refused %d" % tuple(line.values()), flush=True)
    return line


def rise(lines, what):
    """Of the straight line through them, from the first to the last."""
    n = len(lines)
    xs, ys = [l["s"] for l in lines], [l[what] for l in lines]
    mx, my = sum(xs) / n, sum(ys) / n
    slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / (sum((x - mx) ** 2 for x in xs) or 1)
    return slope * (xs[-1] - xs[0])


def judge_lines(world, lines):
    judged = lines[max(2, len(lines) // 5):]
    if len(judged) < 3:
        print("too short a run to judge memory")
        return
    hours = (judged[-1]["s"] - judged[0]["s"]) / 3600
    for what, (once, hourly) in ALLOWED.items():
        grown, allowed = rise(judged, what), once + hourly * hours
        print(f"{what}: the line rises {grown:.0f} KB in {hours * 60:.1f} minutes, {allowed:.0f} KB are allowed")
        if grown > allowed:
            world.problem(f"memory of {what} grew by {grown:.0f} KB")
    for what in ("emacs_fd", "bridge_fd", "peers", "waiting"):
        if max(l[what] for l in lines) > lines[0][what] + FEW:
            world.problem(f"{what} grew from {lines[0][what]} to {max(l[what] for l in lines)}")


def left_behind(world):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if world.folder.encode() in f.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def finish(world, emacsen, bridges):
    for bridge in bridges:
        bridge.end()
    for emacs in emacsen:
        peer = emacs.peer()
        if not wait_for(lambda: peer.status()["peers"] == 1, 10):
            world.problem(f"peers are left in Emacs {emacs.name}: {json.dumps(peer.status())}")
        status = peer.status()
        if status["waiting"] or status["running"]:
            world.problem(f"jobs are left in Emacs {emacs.name}: {json.dumps(status)}")
        peer.close()
        emacs.end()
    if not wait_for(lambda: not left_behind(world), 10):
        world.problem(f"processes are left: {left_behind(world)}")
    left = [name for name in os.listdir(world.sockets) if name.endswith(".sock")]
    if left:
        world.problem(f"sockets are left: {left}")


def act(function, *fixed):
    def action(rng, box):
        return function(*fixed, rng, box) if function is by_wire else function(*fixed, rng)
    action.__name__ = " ".join([function.__name__, *(getattr(x, "name", "") or str(x) for x in fixed[1:])])
    return action


def main():
    seconds = float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    world = World(seconds, seed)
    print(f"soak.py, {seconds:g} s, seed {seed}", flush=True)
    emacsen = bridges = ()
    try:
        steady, mortal = emacsen = Emacs(world, "steady"), Emacs(world, "mortal")
        lasting, falling = bridges = Bridge(world, "lasting"), Bridge(world, "falling")
        plan = [(act(by_bridge, world, lasting, "steady", True), True, 0.05)] * 2 + [(act(by_bridge, world, lasting, "mortal", False), False, 0.05)]
        plan += [(act(by_bridge, world, falling, "steady", False), False, 0.05), (act(by_bridge, world, falling, "mortal", False), False, 0.05)]
        plan += [(act(by_wire, world, steady, True), True, 0.05)] * 2 + [(act(by_wire, world, mortal, False), False, 0.05)]
        plan += [(act(by_stranger, world, steady), False, 0.3), (act(by_stranger, world, mortal), False, 0.3)]
        threads = [threading.Thread(target=worker, args=(world, action, safe, seed + i, pause)) for i, (action, safe, pause) in enumerate(plan)]
        threads.append(threading.Thread(target=killer, args=(world, mortal, falling, seed - 1)))
        for thread in threads:
            thread.start()
        lines, every = [], min(60, max(10, seconds / 20))
        while time.monotonic() < world.until:
            world.rest(min(every, max(0.1, world.until - time.monotonic())))
            world.pause()
            lines.append(note(world, steady, bridges))
            world.resume()
        world.resume(over=True)
        for thread in threads:
            thread.join(ANSWER + 30)
            if thread.is_alive():
                world.problem("a client hangs")
        judge_lines(world, lines)
        finish(world, emacsen, bridges)
    except (OSError, EOFError) as error:
        world.problem(f"the soak itself broke off: {error!r}")
    finally:
        world.resume(over=True)
        for program in (*emacsen, *bridges):
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()
        for pid in left_behind(world):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(world.folder, ignore_errors=True)
    print("slowest: %.1f s, %s, until second %.1f" % world.slowest)
    print("answers:", dict(world.counts.most_common()))
    for text in world.problems:
        print("FAIL:", text)
    print("%d calls, %d problems" % (sum(world.counts.values()), len(world.problems)))
    return bool(world.problems)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os._exit(main())  # threads that hang do not hold it up
