#!/usr/bin/env python3
"""pool.py WHAT [ROUNDS] [SEED] - a pool of real Emacsen behind one waiting line.

    calls     calls and cancels at random while workers are killed (-9) and started again;
              a round is one kill.  What was answered as done has run once, what was answered
              as not run has not, nothing has run twice that was not said to, nothing is left.
    named     calls to one Emacs by its name, which is killed (-9) in the middle; a round is one kill.
              What waited in it behind the one that ran is answered as not run, and has not
    full      the disk of the gateway's state is full: nothing is promised that cannot be kept,
              all else goes on, and it keeps again when there is room
    drain     kept batches while the gateway is ended politely: what runs is waited for
    jobs      kept batches while the bridge is killed (-9): a round is one kill
    measure   what priorities and turns do to waiting times, as one line of JSON; judges nothing

EMACS and B in the environment choose the programs.  Every form writes its number to a file."""
import collections
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import ending
import patience

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
B = os.path.join(ROOT, os.environ.get("B", "build"))
PATIENCE = 90.0   # seconds, which stretch with the load


class World:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pool-")
        os.mkdir(os.path.join(self.folder, "x"), 0o700)
        self.sockets = os.path.join(self.folder, "x", "efrit")
        self.log = os.path.join(self.folder, "log")
        self.guard = ending.Guard(self.folder)
        self.env = dict(os.environ, **patience.settings(), XDG_RUNTIME_DIR=os.path.join(self.folder, "x"), EFRIT_MCP_FOLDERS=self.sockets,
                        HOME=self.folder, TMPDIR=self.folder, LC_ALL="C.UTF-8")
        self.emacsen = {}

    def start(self, name):
        """An Emacs that serves as NAME; does not wait for it."""
        setup = f'(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil create-lockfiles nil efrit-mcp-instance "{name}")'
        self.emacsen[name] = subprocess.Popen(
            [os.environ.get("EMACS", "emacs"), "-Q", "--batch", "--eval", setup, "-L", os.path.join(ROOT, "lisp"), "-l",
             "efrit-mcp", "-f", "efrit-mcp-serve"], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)

    def kill(self, name):
        os.killpg(self.emacsen[name].pid, signal.SIGKILL)
        self.emacsen[name].wait()

    def ran(self):
        if not os.path.exists(self.log):
            return collections.Counter()
        with open(self.log, encoding="utf-8") as file:
            return collections.Counter(file.read().split())

    def form(self, number, seconds):
        return f'(progn (write-region "{number}\\n" nil "{self.log}" t \'quiet) (sleep-for {seconds:.3f}) {json.dumps(str(number))})'

    def finish(self):
        """Whether something else was left."""
        for emacs in self.emacsen.values():
            if emacs.poll() is None:
                os.killpg(emacs.pid, signal.SIGKILL)
                emacs.wait()
        left = self.guard.end()
        shutil.rmtree(self.folder, ignore_errors=True)
        return left


class Client:
    """One conversation of MCP in lines, and the answers by their ids."""

    def __init__(self, out, into, name="pool"):
        self.out, self.into = out, into
        self.answers, self.times = {}, {}
        self.more = threading.Condition()
        self.numbers = 0
        threading.Thread(target=self.read, daemon=True).start()
        self.ask("init", "initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": name, "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def read(self):
        for line in self.into:
            message = json.loads(line)
            with self.more:
                if "id" in message:
                    if message["id"] in self.answers:
                        raise AssertionError(f"{message['id']} is answered twice")
                    self.answers[message["id"]] = message
                    self.times[message["id"]] = time.monotonic()
                self.more.notify_all()

    def send(self, message):
        self.out.write((json.dumps(message) + "\n").encode())
        self.out.flush()

    def ask(self, number, method, params):
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return self.wait(number)

    def wait(self, number):
        with self.more:
            limit = patience.Limit(PATIENCE)
            while not self.more.wait_for(lambda: number in self.answers, limit.left()):
                if limit.over():
                    raise AssertionError(f"{number} was not answered in {PATIENCE * limit.factor:g} s")
            return self.answers[number]

    def begin(self, number, tool, arguments, meta=None):
        params = {"name": tool, "arguments": arguments}
        if meta:
            params["_meta"] = meta
        self.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})

    def call(self, tool, arguments):
        self.numbers += 1
        number = f"call-{self.numbers}"
        self.begin(number, tool, arguments)
        return told(self.wait(number))

    def await_workers(self, count):
        limit = patience.Limit(PATIENCE)
        while self.call("efrit_get_queue_stats", {"instance_id": "work"}).get("idle", 0) < count:
            if limit.over():
                raise AssertionError(f"{count} workers were not there in {PATIENCE * limit.factor:g} s")
            time.sleep(0.05)

    def await_instance(self, name):
        limit = patience.Limit(PATIENCE)
        while name not in json.dumps(self.call("efrit_list_instances", {})):
            if limit.over():
                raise AssertionError(f"{name} was not there in {PATIENCE * limit.factor:g} s")
            time.sleep(0.05)


class Bridge(Client):
    """A bridge with the pool called work."""

    def __init__(self, world):
        self.process = subprocess.Popen([os.path.join(B, "tests/stored-bridge"), os.path.join(world.folder, "store.db"), "--pool", "work"], env=world.env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        super().__init__(self.process.stdin, self.process.stdout)

    def end(self):
        self.process.stdin.close()
        patience.ended(self.process, 30)


class Gateway:
    """A gateway, and its clients on its Unix socket."""

    def __init__(self, world, *options):
        self.path = os.path.join(world.folder, "x", "efrit-gateway.sock")
        self.process = subprocess.Popen([os.path.join(B, "efrit-bridge"), "serve", "--set", "listen=unix:" + os.path.join(world.folder, "http.sock"), *options],
                                        env=world.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.process.stdout.readline()  # it says when it is ready

    def client(self, name):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(self.path)
        return Client(peer.makefile("wb"), peer.makefile("rb"), name)

    def end(self):
        self.process.terminate()
        patience.ended(self.process, 30)


def told(message):
    return json.loads(message["result"]["content"][0]["text"])


def judge(number, answer, ran, again):
    """What is wrong with it, or None."""
    if answer is None:
        return None if ran <= 1 or again else f"{number} was cancelled and ran {ran} times"
    text = told(answer)
    if not answer["result"].get("isError"):
        return None if ran == 1 or (again and ran) else f"{number} was answered as done and ran {ran} times"
    if "may_have_run" not in text:
        return f"{number}: {text}"
    if not text["may_have_run"]:
        return None if ran == 0 or again else f"{number} was answered as not run and ran {ran} times: {text}"
    return None if ran <= 1 or again else f"{number} ran {ran} times"


def calls(world, rounds, rng):
    """Returns what was counted."""
    names = ["work-1", "work-2", "work-3"]
    for name in names:
        world.start(name)
    bridge = Bridge(world)
    bridge.await_workers(len(names))
    again, cancelled, number = set(), set(), 0
    for _ in range(rounds):
        for _ in range(40):
            number += 1
            meta = None
            if rng.random() < 0.3:
                again.add(number)
                meta = {"efrit-mcp/idempotent": True}
            bridge.begin(number, "efrit_execute", {"content": world.form(number, rng.choice([0, 0, 0.01, 0.05])), "observe": "none", "instance_id": "work",
                                                   "priority": rng.choice(["interactive", "normal", "batch"])}, meta)
        for _ in range(10):
            victim = rng.randrange(max(1, number - 60), number + 1)
            with bridge.more:
                gone = victim in bridge.answers
            if not gone and victim not in cancelled:
                cancelled.add(victim)
                bridge.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": victim}})
            time.sleep(rng.random() * 0.02)
        name = rng.choice(names)
        world.kill(name)
        world.start(name)
    for one in range(1, number + 1):
        if one not in cancelled:
            bridge.wait(one)
    bridge.await_workers(len(names))
    stats = bridge.call("efrit_get_queue_stats", {"instance_id": "work"})
    if stats["pending"] or stats["running"]:
        raise AssertionError(f"something is left: {stats}")
    ran, counts = world.ran(), collections.Counter()
    for one in range(1, number + 1):
        answer = bridge.answers.get(one)
        wrong = judge(one, answer, ran[str(one)], one in again)
        if wrong:
            raise AssertionError(wrong)
        counts["cancelled" if answer is None else "failed" if answer["result"].get("isError") else "done"] += 1
    bridge.end()
    return counts


def named(world, rounds, rng):
    world.start("work-1")
    bridge, counts, number, asked = Bridge(world), collections.Counter(), 0, []
    for _ in range(rounds):
        bridge.await_workers(1)
        numbers = range(number + 1, number + 41)
        number += 40
        asked.extend(numbers)
        for one in numbers:
            bridge.begin(one, "efrit_execute", {"content": world.form(one, rng.choice([0, 0.005, 0.02])), "observe": "none", "instance_id": "work-1",
                                                "priority": rng.choice(["interactive", "normal", "batch"])})
        bridge.wait(numbers[0])
        time.sleep(rng.random() * 0.2)
        world.kill("work-1")
        for one in numbers:
            bridge.wait(one)
        world.start("work-1")
    ran = world.ran()
    for one in asked:
        answer = bridge.answers[one]
        wrong = judge(one, answer, ran[str(one)], False)
        if wrong:
            raise AssertionError(wrong)
        said = told(answer)
        counts["may have run" if said.get("may_have_run") else "had not begun" if "had not begun" in said.get("error", "") else
               "not sent" if "error" in said else "done"] += 1
    if not counts["had not begun"]:
        raise AssertionError(f"nothing waited in the Emacs that was killed: {counts}")
    bridge.end()
    return counts


def jobs(world, rounds, rng):
    for name in ("work-1", "work-2"):
        world.start(name)
    bridge, counts, number = Bridge(world), collections.Counter(), 0
    for _ in range(rounds):
        bridge.await_workers(2)
        numbers = range(number + 1, number + 31)
        number += 30
        job = bridge.call("efrit_execute_batch", {"forms": [world.form(n, rng.choice([0, 0.01, 0.03])) for n in numbers], "keep": True,
                                                  "order": rng.choice(["parallel", "sequential"])})
        if "job" not in job:
            raise AssertionError(f"it is not kept: {job}")
        time.sleep(rng.random() * 0.6)
        bridge.process.kill()
        bridge.process.wait()
        bridge = Bridge(world)
        end = bridge.call("efrit_execute_batch", {"job": job["job"], "wait": patience.stretched(PATIENCE)})
        if end.get("status") not in ("success", "partial", "error") or len(end["results"]) != 30:
            raise AssertionError(f"the job did not end: {end}")
        ran = world.ran()
        for one, result in zip(numbers, end["results"]):
            times = ran[str(one)]
            good = times == 1 if result["status"] == "success" else times <= 1 if result["status"] == "lost" else times == 0
            if not good:
                raise AssertionError(f"form {one} ran {times} times: {result}")
            counts[result["status"]] += 1
    bridge.end()
    return counts


def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                pass


def full(world, rounds, rng):
    """In a mount namespace of its own."""
    del rng
    state = os.path.join(world.folder, "state")
    os.mkdir(state, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", state], check=True)
    world.start("work-1")
    gateway = Gateway(world, "--set", "state=" + state, "--set", "batches_max=100000")
    client, counts, number = gateway.client("full"), collections.Counter(), 0
    client.await_instance("work-1")
    for _ in range(rounds):
        fill(os.path.join(state, "filler"))
        for _ in range(3):
            number += 1
            told_full = client.call("efrit_execute_batch", {"forms": [world.form(number, 0)], "keep": True})
            if told_full.get("error_code") != "not_kept":
                raise AssertionError(f"the disk is full, and it says {told_full}")
            counts["refused"] += 1
        number += 1
        if client.call("efrit_execute_batch", {"forms": [world.form(number, 0)]}).get("status") != "success":
            raise AssertionError("what is not to be kept does not run")
        os.unlink(os.path.join(state, "filler"))
        number += 1
        job = client.call("efrit_execute_batch", {"forms": [world.form(number, 0)], "keep": True})
        end = client.call("efrit_execute_batch", {"job": job.get("job", "none"), "wait": patience.stretched(PATIENCE)})
        if end.get("status") != "success":
            raise AssertionError(f"there is room again, and it says {job} {end}")
        counts["kept"] += 1
    gateway.end()
    if sum(world.ran().values()) != counts["kept"] * 2:
        raise AssertionError(f"{world.ran()} has run")
    subprocess.run(["umount", "-l", state], check=True)
    return counts


def drain(world, rounds, rng):
    del rng
    world.start("work-1")
    gateway, counts = Gateway(world), collections.Counter()
    for turn in range(rounds):
        client = gateway.client("drain")
        client.await_instance("work-1")
        forms = [world.form(3 * turn + i, 0.5) for i in range(3)]
        job = client.call("efrit_execute_batch", {"forms": forms, "keep": True, "order": "sequential"})
        while not client.call("efrit_execute_batch", {"job": job["job"]})["running"]:
            pass
        gateway.end()
        gateway = Gateway(world)
        end = gateway.client("drain").call("efrit_execute_batch", {"job": job["job"], "wait": patience.stretched(PATIENCE)})
        if end.get("status") != "success":
            raise AssertionError(f"it was ended politely, and it says {end}")
        counts["kept"] += 1
    gateway.end()
    ran = world.ran()
    if len(ran) != 3 * rounds or set(ran.values()) != {1}:
        raise AssertionError(f"{ran} has run")
    return counts


def p95(values):
    return statistics.quantiles(values, n=100, method="inclusive")[94] * 1000


def one_by_one(bridge, prefix, count, arguments, pause):
    waits = []
    for i in range(count):
        number, begun = f"{prefix}{i}", time.monotonic()
        bridge.begin(number, "efrit_execute", dict(arguments, observe="none"))
        bridge.wait(number)
        waits.append(bridge.times[number] - begun)
        time.sleep(pause)
    return waits


class Flood:
    """Keeps so many calls on their way until it ends."""

    def __init__(self, bridge, prefix, depth, arguments):
        self.over = False
        self.done = 0
        self.thread = threading.Thread(target=self.run, args=(bridge, prefix, depth, arguments))
        self.thread.start()

    def run(self, bridge, prefix, depth, arguments):
        numbers, n = [], 0
        while not self.over or numbers:
            while not self.over and len(numbers) < depth:
                numbers.append(f"{prefix}{n}")
                bridge.begin(numbers[-1], "efrit_execute", dict(arguments, observe="none"))
                n += 1
            bridge.wait(numbers.pop(0))
            self.done += 1

    def end(self):
        self.over = True
        self.thread.join()


def measure(world, rounds, rng):
    """Forms sleep rather than spin where the processors are not what is measured."""
    del rng
    names = [f"work-{i}" for i in range(1, 5)]
    for name in names:
        world.start(name)
    bridge = Bridge(world)
    bridge.await_workers(len(names))
    form = {"content": "(sleep-for 0.02)", "instance_id": "work"}
    urgent = dict(form, priority="interactive")
    alone = one_by_one(bridge, "a", 20 * rounds, urgent, 0.01)
    flood = Flood(bridge, "b", 60, dict(form, priority="batch"))
    beside = one_by_one(bridge, "c", 20 * rounds, urgent, 0.01)
    flood.end()
    single = dict(form, instance_id="work-1")
    single_alone = one_by_one(bridge, "e", 20 * rounds, dict(single, priority="interactive"), 0.01)
    flood = Flood(bridge, "f", 60, dict(single, priority="batch"))
    single_beside = one_by_one(bridge, "g", 20 * rounds, dict(single, priority="interactive"), 0.01)
    flood.end()
    result = {"interactive_p95_ms": p95(alone), "beside_batch_p95_ms": p95(beside), "ratio": p95(beside) / p95(alone), 
              "single_p95_ms": p95(single_alone), "single_beside_batch_p95_ms": p95(single_beside)}
    bridge.end()
    gateway = Gateway(world)
    modest, greedy = gateway.client("modest"), gateway.client("greedy")
    modest.await_instance("work-1")
    alone = one_by_one(modest, "h", 20 * rounds, single, 0.01)
    flood = Flood(greedy, "i", 200, single)
    beside = one_by_one(modest, "j", 20 * rounds, single, 0.01)
    flood.end()
    gateway.end()
    result.update({"modest_p95_ms": p95(alone), "beside_flood_p95_ms": p95(beside), "flood_ratio": p95(beside) / p95(alone)})
    return {key: round(value, 2) for key, value in result.items()}


def main():
    what = sys.argv[1]
    if what == "full" and "POOL_APART" not in os.environ:
        apart = ["unshare", "--mount", "--propagation", "private"]
        if os.geteuid() or subprocess.run(apart + ["true"], check=False, stderr=subprocess.DEVNULL).returncode:
            print("SKIP no file system of its own can be made here")
            return 77
        os.environ["POOL_APART"] = "1"
        os.execvp(apart[0], apart + [sys.executable] + sys.argv)
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
    world, status = World(), 1
    try:
        counts = {"calls": calls, "named": named, "jobs": jobs, "full": full, "drain": drain, "measure": measure}[what](world, rounds, random.Random(seed))
    except AssertionError as wrong:
        print(f"WRONG (seed {seed}): {wrong}")
    else:
        print(json.dumps(counts) if what == "measure" else f"{what}: {rounds} rounds, seed {seed}: {dict(counts)}")
        status = 0
    finally:
        left = world.finish()
    return 1 if left and not status else status


if __name__ == "__main__":
    sys.exit(main())
