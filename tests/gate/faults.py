"""What the world does to a gateway: no descriptor is left, the clock jumps, the disk is not ours alone."""
import collections
import contextlib
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pool
from gate.driver import PATIENCE, PROGRAMS, ROOT, Skip, case, check, until
from gate.fleet import Fleet, gone

CANCELS = int(os.environ.get("FAULT_CANCELS", "100"))
FOLDERS = int(os.environ.get("FAULT_FOLDERS", "2"))


def used(g):
    """Seconds of a processor that the gateway has taken."""
    with open(f"/proc/{g.process.pid}/stat", encoding="utf-8") as f:
        return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def ask(c, tool, arguments=None):
    """By a connection that is there already."""
    return json.loads(c.request("POST", f"/api/v1/tools/{tool}", arguments or {}).json["content"][0]["text"])


def a_person(g, name):
    env = {k: v for k, v in g.env.items() if not k.startswith("EFRIT_MCP")}
    return subprocess.Popen([os.environ.get("EMACS", "emacs"), "-Q", "--batch", "-L", os.path.join(ROOT, "lisp"), "-l", "efrit-mcp",
                             "--eval", f'(setq efrit-mcp-instance "{name}")', "-f", "efrit-mcp-serve"], env=env, start_new_session=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def no_descriptors(g):
    """The gateway can open nothing at all."""
    was = resource.prlimit(g.process.pid, resource.RLIMIT_NOFILE, (3, resource.prlimit(g.process.pid, resource.RLIMIT_NOFILE)[1]))
    try:
        yield
    finally:
        resource.prlimit(g.process.pid, resource.RLIMIT_NOFILE, was)


@case(emacs="first")
def out_of_descriptors():
    with Fleet(settings={"crash_max": 2}, config={"instances": {"lazy": {}}, "pools": {"pool": {"min": 1, "max": 1}}}) as g:
        g.up()
        pid = int(g.good("(emacs-pid)", "pool"))
        with contextlib.ExitStack() as stack:
            there, waits = stack.enter_context(g.client()), stack.enter_context(g.client())
            check(ask(there, "efrit_list_instances") and ask(waits, "efrit_list_instances"))
            before, late = g.descriptors(), []
            with no_descriptors(g):
                for _ in range(20): # they are in the kernel's own queue
                    late.append(stack.enter_context(g.client()))
                    late[-1].request("POST", "/api/v1/tools/efrit_execute", {"content": "(+ 1 2)", "instance_id": "pool", "observe": "none"}, send_only=True)
                until(lambda: "no connection can be taken" in g.said(), "it says that it has none")
                # Who is connected is served.
                check(ask(there, "efrit_execute", {"content": "(+ 2 2)", "instance_id": "pool"})["result"] == "4")
                said = ask(there, "efrit_start_instance", {"name": "lazy"})
                check(said["error_code"] == "start_failed" and "open files" in said["error"] and "ulimit -n" in said["error"], said)
                check(ask(there, "efrit_execute", {"content": "1", "instance_id": "lazy"})["may_have_run"] is False)
                # The pool's worker dies: no new one can be started, which is not its fault.
                os.kill(pid, signal.SIGKILL)
                until(lambda: "pool-1: kept, pausing" in g.whole_log(), "its end is seen")
                waits.request("POST", "/api/v1/tools/efrit_execute", {"content": "(+ 3 3)", "instance_id": "pool", "observe": "none"}, send_only=True)
                until(lambda: g.whole_log().count("pool-1: kept, pausing") > 4, "it is tried again and again")
                kept = {i["id"]: i for i in ask(there, "efrit_list_instances")["instances"]}["pool-1"]
                check(kept["kept"] != "crash-loop", kept)
                # Somebody starts an Emacs meanwhile; it cannot be seen yet.
                person = a_person(g, "desk")
                stack.callback(lambda: (person.kill(), person.wait()))
                until(lambda: os.path.exists(os.path.join(g.base, "x/efrit/desk.sock")), "it serves")
                took, at = used(g), time.monotonic()
                until(lambda: time.monotonic() - at > 1, "a second")
                share = (used(g) - took) / (time.monotonic() - at)
                check(share < 0.3, "it turns in circles:", share)
                warnings = g.whole_log().count("no connection can be taken")
                check(warnings < 5, "it fills the log:", warnings)
            for c in late: # nothing was lost
                answer = json.loads(c.answer("POST").json["content"][0]["text"])
                check(answer.get("result") == "3", answer, g.said())
            answer = json.loads(waits.answer("POST").json["content"][0]["text"])
            check(answer.get("result") == "6", answer)
            until(lambda: g.list().get("desk", {}).get("state") == "idle", f"the one that came meanwhile is seen: {g.list()}")
            check(ask(there, "efrit_start_instance", {"name": "lazy"})["status"] == "success")
            check(g.good("(+ 1 2)", "lazy") == "3")
            print(f"without descriptors it took {share:.1%} of a processor")
        until(lambda: g.descriptors() <= before + 6, f"descriptors: {before} before, {g.descriptors()} now")


SHIM = os.path.join(PROGRAMS, "tests/shim.so")
TASKS = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
BUSY = "(let ((n 0)) (while t (setq n (1+ n))))" # takes its time, whatever the clock says
HOURS = 7
JUMPS = int(os.environ.get("FAULT_JUMPS", "2"))


def shim(**more):
    """The environment of programs that have it."""
    if os.environ.get("SAN"):
        raise Skip("a sanitizer wants to be loaded first itself")
    check(os.path.exists(SHIM), SHIM, "was not built: make check-programs")
    # A copy: the folder of the tree may have a space in its name, which LD_PRELOAD does not bear.
    return dict(more, LD_PRELOAD=shutil.copy(SHIM, tempfile.gettempdir()))


class Clock:
    def __init__(self, folder):
        self.path = os.path.join(folder, "clock")
        with open(self.path, "wb") as f:
            f.write(bytes(8))

    def set(self, hours):
        with open(self.path, "r+b") as f:
            f.write(int(hours * 3600).to_bytes(8, sys.byteorder, signed=True))


def in_the_middle(g, form, jump, **more):
    """What was answered to a call during which JUMP is done, and how long it took."""
    flag, said = os.path.join(g.base, "runs"), []
    with contextlib.suppress(FileNotFoundError):
        os.unlink(flag)
    begun = time.monotonic()
    t = threading.Thread(target=lambda: said.append(g.eval(f'(progn (write-region "" nil "{flag}") {form})', **more)))
    t.start()
    until(lambda: os.path.exists(flag), "it runs")
    jump()
    t.join(PATIENCE)
    check(said, "no answer to", form, g.said())
    return said[0], time.monotonic() - begun


def task_of(c, ident):
    return c.modern("tasks/get", {"taskId": ident}, meta=TASKS, headers={"Mcp-Name": ident}).json.get("result", {})


@case(emacs="first")
def clock_jump():
    """The clock is set by hours, forward and back: what waits waits as long as it was to."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        clock = Clock(folder)
        bad = os.path.join(folder, "bad.el")
        with open(bad, "w", encoding="utf-8") as f:
            f.write("(kill-emacs 9)")
        with Fleet(env=shim(EFRIT_SHIM_CLOCK=clock.path), settings={"crash_max": 2, "restart_max": 1, "crash_pause": 3600, "large_min": 1000000},
                   config={"instances": {"main": {"auto_start": True, "idle_stop": 3600}, "bad": {"auto_start": True, "init": bad}},
                           "pools": {"pool": {"min": 1, "max": 1}}}) as g:
            until(lambda: len(g.kept("up")) == 2 and g.kept("crash-loop"), f"all are where they are to be: {g.list()}")
            now = float(g.good("(float-time)", "main"))
            clock.set(HOURS)
            check(float(g.good("(float-time)", "main")) - now > 3600 * (HOURS - 1), "the shim does not work")
            clock.set(0)
            main, worker, starts = g.good("(emacs-pid)", "main"), g.good("(emacs-pid)", "pool"), g.list()["bad"]["starts"]
            g.good(f'(progn (load "{ROOT}/tests/conformance/fixtures.el") 1)', "main")
            with g.client() as c:
                session = c.initialize()
                link = [b for b in c.call("efrit_execute", {"content": "(make-string 2000000 ?x)", "max_chars": 3000000, "instance_id": "main"})
                        .json["result"]["content"] if b["type"] == "resource_link"][0]
                until(lambda: "slow_compute" in c.modern("tools/list").body.decode(), "the tools are known")

                def task(seconds):
                    said = c.call("slow_compute", {"seconds": seconds, "label": "x", "instance_id": "main"}, meta=TASKS).json["result"]
                    check(said.get("resultType") == "task", said)
                    return said["taskId"]
                done = task(0)
                until(lambda: task_of(c, done).get("status") == "completed", f"a task ends: {task_of(c, done)}")
                created = task_of(c, done)["createdAt"]
                kept = g.text("efrit_execute_batch", {"forms": ["(+ 1 2)"], "keep": True, "instance_id": "pool"})["job"]
                at = 0
                for hours in (HOURS, -HOURS, 0, -HOURS, HOURS)[:JUMPS]:
                    at = hours
                    # One that is to be stopped is, not at once and not in hours; so is one that waits in Lisp.
                    said, took = in_the_middle(g, BUSY, lambda: clock.set(at), where="main", timeout=2)
                    check(said.get("error_code") == "timeout" and took >= 1.9, hours, said, took)
                    clock.set(0)
                    said, took = in_the_middle(g, BUSY, lambda: clock.set(at), where="pool", timeout=1)
                    check(said.get("error_code") == "timeout" and took >= 0.9, hours, said, took)
                    clock.set(0)
                    said = []
                    t = threading.Thread(target=lambda: said.append(g.text("efrit_wait", {"instance_id": "main", "for": "message", "pattern": "never said",
                                                                                          "timeout": 2})))
                    t.start()
                    until(lambda: g.good("(length efrit-mcp-wait--all)", "main") == "1", "it waits")
                    clock.set(at)
                    t.join(PATIENCE) # timers of Emacs follow the clock; where they come too late the thread's time-out comes first
                    check(said and (said[0].get("met") is False or said[0].get("error_code") == "timeout"), hours, said)
                    # Nobody is thought stuck, idle for too long, or well again.
                    now = g.list()
                    check(now["main"]["state"] in ("idle", "running") and now["main"]["kept"] == "up", hours, now)
                    check(now["bad"]["kept"] == "crash-loop" and now["bad"]["starts"] == starts, hours, now["bad"])
                    check(g.good("(emacs-pid)", "main") == main and g.good("(emacs-pid)", "pool") == worker)
                    # What is kept is kept, also when others come and what is over is looked for.
                    last = task(0)
                    until(lambda: task_of(c, last).get("status") == "completed", "another task ends")
                    check("result" in c.legacy(session, "ping", {}).json, hours, "the session")
                    check("result" in c.modern("resources/read", {"uri": link["uri"] + "?block=0"}, headers={"Mcp-Name": link["uri"] + "?block=0"}).json, hours, "the kept result", g.said())
                    check(task_of(c, done).get("status") == "completed", hours, "the task", task_of(c, done))
                    check((task_of(c, done)["createdAt"] == created) == (at == 0), "its time is told as the clock has it", at, created, task_of(c, done))
                    end = g.text("efrit_execute_batch", {"job": kept, "wait": 5})
                    check(end.get("results", [{}])[0].get("status") == "success", hours, "the batch", end)
                    clock.set(0)
                # One that runs meanwhile, and what is on the disk then.
                busy = task(2)
                clock.set(HOURS)
                until(lambda: task_of(c, busy).get("status") == "completed", f"it goes on: {task_of(c, busy)}")
                check("sock" in " ".join(os.listdir(os.path.join(g.base, "x/efrit"))))
                clock.set(0)


@case()
def network_folder():
    """A store on a file system of others would be spoilt by a crash: refused, with advice."""
    if os.environ.get("OS") == "portable":
        raise Skip("there a file system does not tell its kind")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        far = os.path.join(folder, "state-far")
        os.mkdir(far, 0o700)
        elsewhere = os.path.join(folder, "x")
        os.mkdir(elsewhere, 0o700)
        for number, name in (("0x6969", "NFS"), ("0xFF534D42", "CIFS"), ("0x01021997", "9P")):
            with Fleet(env=shim(EFRIT_SHIM_FS=number)) as g: # its own is near
                said = subprocess.run([g.bridge, "serve", "--listen", "127.0.0.1:0", f"--set=state={far}"], env=dict(g.env, XDG_RUNTIME_DIR=elsewhere),
                                      capture_output=True, text=True, timeout=PATIENCE, check=False)
                check(said.returncode not in (0, 2) and not said.stdout, said)
                for words in (f"the store {far}/", f"on a network file system ({name})", "where a crash can spoil it", "name a folder on a local disk in the setting state"):
                    check(words in said.stderr, words, said.stderr)
                check(not [f for f in os.listdir(far) if f.endswith(("-wal", "-shm"))], os.listdir(far))


# --- what is taken away at any moment ---

@case(emacs="first")
def cancels():
    """A cancel at any moment: no answer, nothing runs on, nothing runs twice, and no Emacs is harmed by it."""
    with Fleet(config={"instances": {"main": {"auto_start": True}}, "pools": {"pool": {"min": 2, "max": 2}}}) as g, \
            g.client(path=g.socket) as c, g.client(path=g.socket) as other:
        g.up(3)
        rng = random.Random(CANCELS)
        begun, ended = os.path.join(g.base, "begun"), os.path.join(g.base, "ended")
        pids = {name: i["pid"] for name, i in g.list().items()}
        talk, safe = (pool.Client(x.sock.makefile("wb"), x.sock.makefile("rb")) for x in (c, other))
        forms = ('(sleep-for 0.01)', '(let ((n 0)) (while (< n 200000) (setq n (1+ n))))', '(call-process "sleep" nil nil nil "0.01")', 'nil',
                 '(condition-case nil (sleep-for 0.01) (quit nil))')
        note = "(let ((create-lockfiles nil)) (write-region \"%s\\n\" nil \"%s\" t 'quiet))"
        cancelled = set()
        for n in range(CANCELS):
            form = f"(progn {note % (n, begun)} {rng.choice(forms)} {note % (n, ended)} {n})"
            where = rng.choice(("main", "pool", "pool"))
            talk.begin(n, "efrit_execute", {"content": form, "instance_id": where, "observe": "none", "priority": rng.choice(("interactive", "normal", "batch"))})
            if n % 8 == 0: # of a client that cancels nothing
                safe.begin(n, "efrit_execute", {"content": f"(progn {note % (f's{n}', begun)} {n})", "instance_id": where, "observe": "none"})
            victim = n if rng.random() < 0.6 else rng.randrange(max(0, n - 12), n + 1)
            until_then = time.monotonic() + rng.random() * 0.02
            while time.monotonic() < until_then:
                select.select([], [], [], 0.0005)
            if victim not in cancelled:
                cancelled.add(victim)
                talk.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": victim}})
        for n in range(CANCELS):
            if n not in cancelled:
                check(talk.wait(n)["result"]["content"][0]["text"].startswith('{"status":"success"'), n, talk.answers[n])
            if n % 8 == 0:
                check(safe.wait(n)["result"]["content"][0]["text"].startswith('{"status":"success"'), n, safe.answers[n])
        until(lambda: not any(i.get("running") or i.get("waiting") for i in g.list().values()), f"all is at rest: {g.list()}")
        check({name: i["pid"] for name, i in g.list().items()} == pids, "an Emacs was harmed:", pids, g.list(), g.said())
        counts = [collections.Counter(open(f, encoding="utf-8").read().split()) for f in (begun, ended)]
        for n in range(CANCELS):
            times = [count[str(n)] for count in counts]
            check(times == [1, 1] if n not in cancelled or n in talk.answers else times in ([0, 0], [1, 0], [1, 1]), n, times, talk.answers.get(n))
            check(n % 8 or counts[0][f"s{n}"] == 1, n)
        stopped = sum(counts[0][str(n)] and not counts[1][str(n)] for n in cancelled)
        print(f"{CANCELS} calls, {len(cancelled)} cancels: {sum(n in talk.answers for n in cancelled)} came too late, {stopped} stopped a form that ran, "
              f"{sum(not counts[0][str(n)] for n in cancelled)} kept one from running")
        check(stopped, "no cancel met a form that ran")


@case(emacs="first")
def removed_folder():
    """The folder of the sockets is removed: who is connected is served, who comes later is found."""
    with Fleet(settings={"crash_max": 100}, config={"instances": {"main": {"auto_start": True}, "lazy": {}}, "pools": {"pool": {"min": 1, "max": 1}}}) as g:
        g.up(2)
        main, worker = g.good("(emacs-pid)", "main"), int(g.good("(emacs-pid)", "pool"))
        for turn in range(FOLDERS):
            shutil.rmtree(os.path.join(g.base, "x/efrit"))
            check(g.good("(emacs-pid)", "main") == main and int(g.good("(emacs-pid)", "pool")) == worker, "who is connected is served")
            check(g.list()["main"]["kept"] == "up" and g.list()["main"]["starts"] == 1, g.list())
            said = g.text("efrit_start_instance", {"name": "lazy"})
            check(said["status"] == "success" and g.good("(+ 1 2)", "lazy") == "3", turn, said)
            os.kill(worker, signal.SIGKILL)
            until(lambda was=worker: g.eval("(emacs-pid)", "pool").get("result") not in (None, str(was)), "its successor is found in the new folder")
            worker = int(g.good("(emacs-pid)", "pool"))
            check(os.stat(os.path.join(g.base, "x/efrit")).st_mode & 0o777 == 0o700)
            check(g.text("efrit_stop_instance", {"instance_id": "lazy"})["status"] == "success")
            until(lambda: g.list().get("lazy", {}).get("kept") == "off", "it is off")
        g.end()
        gone(int(main), worker)
