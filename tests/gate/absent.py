"""The folder of the sockets is emptied, removed, replaced, mounted over: who serves comes back under its name."""
import json
import os
import shutil
import subprocess
import sys

from gate.driver import BRIDGE, PATIENCE, ROOT, Gateway, Skip, case, check, until
from gate.link import Agent

WAYS = {"emptied": "find {0} -mindepth 1 -delete", "removed": "rm -rf {0}", "replaced": "mv {0} {0}.old && mkdir -m 700 {0}"}


def fresh(g, tool="efrit_execute", arguments='{"content":"(emacs-pid)"}'):
    """What a bridge that begins now is answered, which knows the gateway only by its socket."""
    r = g.run("call", tool, arguments)
    return json.loads(r.stdout).get("result") if r.returncode == 0 else None


@case(emacs=True)
def absent_sockets():
    """Bridges that run keep their Emacs, new ones find it again, and so does a bridge that has waited."""
    with Gateway() as g:
        g.start_emacs()
        pid, folder = g.value("(emacs-pid)"), os.path.join(g.base, "x/efrit")
        for way in WAYS.values():
            was = os.stat(folder + "/main.sock").st_ino
            with open(os.path.join(g.base, "x/keep"), "w", encoding="ascii"):
                subprocess.run(["sh", "-c", way.format(folder)], check=True)
            check(g.value("(emacs-pid)") == pid, "who is connected is served")
            until(lambda was=was: os.path.exists(folder + "/main.sock") and os.stat(folder + "/main.sock").st_ino != was, way)
            until(lambda: fresh(g) == pid, "a new bridge finds it")
            check(os.stat(folder).st_mode & 0o777 == 0o700)
        g.env["EFRIT_MCP_GATEWAY"] = "off"
        r = g.run("doctor")
        check(r.returncode == 0 and "1 can be used" in r.stdout, r)
        with Agent(g.env) as waiting: # a bridge that was there all the time and has found nobody
            g.call("efrit_stop_instance", {"instance_id": "main", "force": True})
            shutil.rmtree(folder)
            until(lambda: "no_instance" in str(waiting.ask("tools/call", {"name": "efrit_execute", "arguments": {"content": "1"}})), "nobody is there")
            r = g.run("doctor")
            check(r.returncode == 1 and "(efrit-mcp-mode 1)" in r.stdout and "M-x efrit-mcp-mode" not in r.stdout, r)
            g.start_emacs()
            until(lambda: "no_instance" not in str(waiting.ask("tools/call", {"name": "efrit_execute", "arguments": {"content": "1"}})), "its watch is armed again")


@case()
def absent_gateway():
    """The gateway's own socket and its lock; a second one does not come in between."""
    with Gateway() as g:
        pid, run = g.process.pid, os.path.dirname(g.socket)
        with g.client(path=g.socket) as c:
            for way in (WAYS["emptied"], WAYS["removed"]): # a runtime folder is made by the log-in
                subprocess.run(["sh", "-c", way.format(run) + "; mkdir -pm 700 " + run], check=True)
                until(lambda: os.path.exists(g.socket) and os.path.exists(g.socket + ".lock"), way)
                check(c.request("GET", "/livez").status == 200, "who is connected is served")
                with g.client(path=g.socket) as new:
                    check(new.request("GET", "/livez").status == 200)
                check(os.stat(g.socket).st_mode & 0o777 == 0o600)
        r = g.run("serve", "--listen", "127.0.0.1:0")
        check(r.returncode == 111 and f"process {pid}" in r.stderr, r)
        with open(g.socket + ".lock", encoding="ascii") as f:
            check(int(f.read()) == pid)
        # a gateway that took the place meanwhile keeps it
        os.unlink(g.socket)
        os.unlink(g.socket + ".lock")
        second = subprocess.Popen([BRIDGE, "serve", "--listen", "127.0.0.1:0"], env=g.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            g.read_line(second.stdout)
            theirs = os.stat(g.socket).st_ino
            until(lambda: "a gateway runs already" in g.said(), "it is told")
            check(os.stat(g.socket).st_ino == theirs, "the name of a living gateway was taken")
            g.end()
            check(os.stat(g.socket).st_ino == theirs and os.path.exists(g.socket + ".lock"), "the files of the other one were removed")
        finally:
            second.terminate()
            check(second.wait(PATIENCE) == 0)
            second.stdout.close()
        check(not os.path.exists(g.socket))


# As at a log-in: the runtime folder is made, and then a file system is mounted over it.
MOUNT = """
import os, subprocess, sys, time
run, bridge, emacs, lisp = sys.argv[1:]
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
env = dict(os.environ, XDG_RUNTIME_DIR=run, EFRIT_MCP_FOLDERS=run + "/efrit", EFRIT_MCP_GATEWAY="off")
agent = subprocess.Popen([bridge], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
def ask(n):
    agent.stdin.write('{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"efrit_execute","arguments":{"content":"(+ 1 2)"}}}\\n' % n)
    agent.stdin.flush()
    return agent.stdout.readline()
print(ask(1).count("no_instance"), flush=True)
os.mkdir(run, 0o700)
print(ask(2).count("no_instance"), flush=True)  # the bridge has seen the bare folder
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", run], check=True)
e = subprocess.Popen([emacs, "-Q", "--batch", "--directory", lisp, "--load", "efrit-mcp", "--eval", '(setq efrit-mcp-instance "one")',
                      "--funcall", "efrit-mcp-serve"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
end, n, said = time.monotonic() + 25, 3, ""
while "no_instance" in (said := ask(n)) and time.monotonic() < end:
    n += 1
    time.sleep(0.1)
print(said, flush=True)
e.terminate()
agent.stdin.close()
agent.wait()
e.wait()
"""


@case(emacs="first")
def absent_mount():
    """A runtime folder that is mounted after it was seen."""
    with Gateway() as g:
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            raise Skip("needs root and unshare")
        run = os.path.join(g.base, "later")
        r = subprocess.run(["unshare", "-m", sys.executable, "-c", MOUNT, run, BRIDGE, g.env["EFRIT_MCP_EMACS"], os.path.join(ROOT, "lisp")],
                           env=g.env, capture_output=True, text=True, timeout=2 * PATIENCE)
        lines = r.stdout.splitlines()
        if "mount" in r.stderr and len(lines) < 3:
            raise Skip("nothing can be mounted here")
        check(lines[:2] == ["1", "1"] and "success" in lines[2], lines, r.stderr)
