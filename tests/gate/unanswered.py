"""Calls that come at a bad moment, each of which once had no answer, or lost its work."""
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time

from gate.driver import BRIDGE, PATIENCE, case, check, until
from gate.fleet import Fleet, gone, together, write
from gate.link import Agent

TASKS = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
MAIN = {"instances": {"main": {"auto_start": True}}}


class Busy:
    """The Emacs main runs a form until it is let go."""

    def __init__(self, g):
        self.g, self.flag = g, os.path.join(g.base, "go")
        self.thread = threading.Thread(target=g.eval, args=(f'(while (not (file-exists-p "{self.flag}")) (sleep-for 0.02))', "main"))

    def __enter__(self):
        self.thread.start()
        until(lambda: self.g.text("efrit_status", {"instance_id": "main"})["state"] == "running", "it runs")
        return self

    def go(self):
        write(self.flag, "")

    def __exit__(self, *_):
        self.go()
        self.thread.join()


@case(emacs="first")
def stop_refused():
    """A call that comes while an Emacs is asked to end, which it then refuses, is answered by it."""
    with Fleet(config=MAIN) as g:
        g.up()
        g.good(f'(with-current-buffer (find-file-noselect "{g.base}/draft") (insert "x") t)', "main")
        with Busy(g) as busy:
            def when_it_ends(then):
                until(lambda: g.list()["main"]["kept"] == "ending", "it is asked to end")
                return then()

            def call():
                threading.Timer(0.1, busy.go).start()
                return g.good("(+ 1 2)", "main")
            stopped, said = together(lambda: g.text("efrit_stop_instance", {"instance_id": "main"}), lambda: when_it_ends(call))
        check(stopped["error_code"] == "unsaved_changes" and said == "3", stopped, said)
        check(g.list()["main"]["kept"] == "up", g.list())
        g.good('(with-current-buffer "draft" (set-buffer-modified-p nil) t)', "main")


@case(emacs="first")
def stop_withdrawn():
    """Who wanted an Emacs to end has gone before it was asked: it goes on, and is ended with the gateway."""
    with Fleet(config=MAIN) as g:
        g.up()
        pid = int(g.good("(emacs-pid)", "main"))
        with Busy(g):
            with g.client() as c:
                c.call("efrit_stop_instance", {"instance_id": "main"}, send_only=True)
                until(lambda: g.list()["main"]["kept"] == "ending", "it is asked to end")
            until(lambda: g.list()["main"]["kept"] == "up", "it goes on")
        check(int(g.good("(emacs-pid)", "main")) == pid)
        g.end()
        gone(pid)


@case(emacs="first")
def start_of_one_that_does_not_serve():
    """What runs and does not serve is not started twice, and that is said; when it serves again it is used."""
    with Fleet(config=MAIN) as g:
        g.up()
        flag = os.path.join(g.base, "on")
        g.good("(progn (run-at-time 0 nil (lambda () (efrit-mcp-mode -1) (while (not (file-exists-p "
               f'"{flag}")) (sleep-for 0.05)) (efrit-mcp-mode 1))) t)', "main")
        until(lambda: g.list()["main"]["state"] == "gone", "it does not serve")
        until(lambda: "not started twice" in g.text("efrit_start_instance", {"name": "main"}).get("error", ""), "it is not started twice")
        write(flag, "")
        until(lambda: g.list()["main"]["state"] == "idle", "it serves again")
        check(g.good("(+ 1 2)", "main") == "3")


@case(emacs="first")
def stopped_under_a_profile():
    """What clients may not do, the gateway itself may: an idle Emacs is ended, and all with the gateway."""
    with Fleet(config={"instances": {"main": {"auto_start": True}, "lazy": {"auto_start": True, "idle_stop": 1}}}, settings={"profile": "look"}) as g:
        until(lambda: g.list()["lazy"]["kept"] == "off" and g.list()["lazy"]["starts"] == 1, "the idle one is stopped")
        until(lambda: g.list()["main"]["state"] == "idle", "the other one serves")
        pid = g.list()["main"]["pid"]
        check(g.text("efrit_stop_instance", {"instance_id": "main"})["error_code"] == "not_allowed")
        g.end()
        gone(pid)


@case(emacs="first")
def task_that_ends_early():
    """The result of a task that ended before its record was safe is there after a restart."""
    with Fleet(config={"instances": {"main": {"auto_start": True, "keep": True}}}) as g:
        g.up()
        pid = int(g.good("(emacs-pid)", "main"))
        try:
            g.good('(progn (efrit-mcp-define-tool quick-task "Quick." () (:read-only t :task optional :task-later t)'
                   ' (efrit-mcp-begin-task) (efrit-mcp-content "precious")) t)', "main")
            with g.client() as c:
                until(lambda: any(t["name"] == "quick_task" for t in c.modern("tools/list").json["result"]["tools"]), "the tool is known")
                task = c.call("quick_task", meta=TASKS).json["result"]["taskId"]

                def get(c):
                    return c.modern("tasks/get", {"taskId": task}, meta=TASKS, headers={"Mcp-Name": task}).json["result"]
                until(lambda: get(c)["status"] == "completed", "it has ended")
            g.process.send_signal(signal.SIGTERM)
            check(g.process.wait(PATIENCE) == 0)
            g.process = subprocess.Popen(g.process.args, env=g.env, stdout=subprocess.PIPE, stderr=g.log, stdin=subprocess.DEVNULL)
            g.ready()
            with g.client() as c:
                check(get(c)["status"] == "completed" and "precious" in str(get(c)), get(c))
        finally:
            os.kill(pid, signal.SIGKILL)


@case(emacs="first")
def batch_that_waits():
    """A kept batch whose Emacs has died waits for it without writing all the time."""
    with Fleet() as g:
        g.start_emacs()
        pid = int(g.good("(emacs-pid)"))
        job = g.text("efrit_execute_batch", {"forms": ["(sleep-for 1)"] * 50, "keep": True, "instance_id": "main"})
        until(lambda: g.text("efrit_execute_batch", {"job": job["job"]})["running"], "it runs")
        os.kill(pid, signal.SIGKILL)
        until(lambda: not any(i["state"] != "gone" for i in g.list().values()), "it is gone")

        def writes():
            with open(f"/proc/{g.process.pid}/io", encoding="utf-8") as f:
                return int(f.read().split("syscw:")[1].split()[0])
        before, begun = writes(), time.monotonic()
        while time.monotonic() < begun + 2:
            g.health()
            time.sleep(0.1)
        check(writes() - before < 1000, "it wrote", writes() - before, "times")


@case()
def moved_to_who_refuses():
    """A call that waits for an Emacs whose socket moves to where nobody listens is told so."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as base:
        folders = [os.path.join(base, name) for name in ("a", "b", "home")]
        for folder in folders:
            os.mkdir(folder, 0o700)
        env = dict(os.environ, HOME=folders[2], XDG_RUNTIME_DIR=folders[2], EFRIT_MCP_FOLDERS=":".join(folders[:2]), EFRIT_MCP_GATEWAY="off")
        with socket.socket(socket.AF_UNIX) as there, socket.socket(socket.AF_UNIX) as here:
            there.settimeout(PATIENCE)
            there.bind(os.path.join(folders[1], "x.sock"))
            there.listen()
            with Agent(env, "--set=hello_timeout=60000") as agent:
                greeted, _ = there.accept()
                with greeted:
                    number = agent.begin("tools/call", {"name": "efrit_execute", "arguments": {"content": "1", "instance_id": "x"}})
                    until(lambda: "efrit_execute" in agent.said() or select.select([], [], [], 0.2), "it waits")
                    os.unlink(os.path.join(folders[1], "x.sock"))
                    here.bind(os.path.join(folders[0], "x.sock"))
                    check("emacs_gone" in str(agent.answer(number)), "it is told")
