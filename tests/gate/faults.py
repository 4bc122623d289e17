"""What the world does to a gateway: no descriptor is left, the clock jumps, the disk is not ours alone."""
import contextlib
import json
import os
import resource
import signal
import subprocess
import threading
import time

from gate.driver import ROOT, case, check, until
from gate.fleet import Fleet


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
