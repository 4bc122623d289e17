#!/usr/bin/env python3
"""demo.py - a real session, explained: a fresh Emacs daemon, the bridge, MCP over
stdio, on this project's own sources.  Nothing is left running."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EMACS = os.environ.get("EMACS", "emacs")
COLOURS = sys.stdout.isatty()


def paint(code, text):
    return "\033[%sm%s\033[0m" % (code, text) if COLOURS else text


def say(title, *lines):
    print("\n" + paint("1", title))
    for line in lines:
        print(textwrap.fill(line, 96, initial_indent="  ", subsequent_indent="  "))


def show(label, text, limit=1200):
    text = text if len(text) <= limit else text[:limit] + " ..."
    for line in text.split("\n"):
        print("  %s %s" % (paint("2", label), line))


class Bridge:
    """An agent's end of the bridge: one JSON message a line."""

    def __init__(self, env):
        self.process = subprocess.Popen([os.path.join(ROOT, "build", "efrit-bridge")], env=env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.last = 0
        self.early = {}

    def send(self, method, params=None):
        self.last += 1
        message = {"jsonrpc": "2.0", "id": self.last, "method": method, "params": params or {}}
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return self.last

    def receive(self, ident):
        while ident not in self.early:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit("the bridge ended")
            message = json.loads(line)
            if "id" in message:
                self.early[message["id"]] = message
        return self.early.pop(ident)

    def ask(self, method, params=None):
        return self.receive(self.send(method, params))["result"]

    def tool(self, name, **arguments):
        return self.send("tools/call", {"name": name, "arguments": arguments})

    def answer(self, ident):
        result = self.receive(ident)["result"]
        return json.loads(result["content"][0]["text"])

    def call(self, name, keys=None, **arguments):
        """Calls a tool, prints question and answer (only KEYS of it, if given)."""
        begun = time.monotonic()
        show("->", "%s %s" % (name, json.dumps(arguments)))
        answer = self.answer(self.tool(name, **arguments))
        took = (time.monotonic() - begun) * 1000
        shown = {k: answer[k] for k in keys if k in answer} if keys else answer
        show("<-", "%s   %s" % (json.dumps(shown, ensure_ascii=False), paint("2", "(%.1f ms)" % took)))
        return answer

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


def check(condition, what):
    if not condition:
        raise SystemExit("the demo did not do what it shows: " + what)


def session(bridge, other):
    say("1. The agent introduces itself.", "It started build/efrit-bridge as its MCP server, nothing else.")
    hello = bridge.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                      "clientInfo": {"name": "demo", "version": "1"}})
    show("<-", json.dumps({"serverInfo": hello["serverInfo"], "protocolVersion": hello["protocolVersion"]}))
    tools = bridge.ask("tools/list")["tools"]
    show("<-", "tools: " + ", ".join(t["name"] for t in tools))
    other.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                             "clientInfo": {"name": "second-agent", "version": "1"}})

    say("2. Which Emacs is there?", "Answered by a thread inside Emacs, never by Lisp.")
    bridge.answer(bridge.tool("efrit_wait", **{"for": "idle", "timeout": 30}))  # it may still be starting
    listed = bridge.call("efrit_list_instances")
    check(listed["instances"][0]["state"] == "idle", "the instance is idle")

    say("3. Open a file of this project in the live editor.",
        "The answer says what changed and where the editor is now.")
    opened = bridge.call("efrit_execute", ["result", "changed", "state"],
                         content='(switch-to-buffer (find-file-noselect "%s")) (goto-char (point-min)) '
                                 '(search-forward "queue_submit(")' % os.path.join(ROOT, "module", "queue.c"))
    check(opened["state"]["buffer"] == "queue.c", "queue.c is shown")

    say("4. Evaluate, on what is in the buffer.", "Value, printed output and new messages come back apart.")
    counted = bridge.call("efrit_execute", ["status", "result", "output", "messages", "execution_time"],
                          content='(princ (format "%d lines" (count-lines (point-min) (point-max)))) '
                                  '(message "counted") (how-many "^[a-z].*(" (point-min))')
    check(counted["status"] == "success", "the count succeeds")

    say("5. A full view of the editor.")
    bridge.call("efrit_execute", ["state"], content="nil", observe="full")

    say("6. An error is an error, with its symbol and the backtrace from where it was signalled.")
    failed = bridge.call("efrit_execute", ["status", "error", "error_code", "backtrace"],
                         content='(defun demo-inner (x) (car x)) (demo-inner 42)')
    check(failed["error_code"] == "wrong-type-argument", "the error's symbol")

    say("7. A form that asks the person fails at once, with the question as data.")
    asked = bridge.call("efrit_execute", ["error_code", "prompt"], content='(yes-or-no-p "Delete everything? ")')
    check(asked["prompt"]["text"].startswith("Delete"), "the question")

    say("8. A runaway form.", "(while t) hangs any Emacs until a person presses C-g. Here it has two seconds; "
        "meanwhile another agent asks what goes on:")
    show("->", 'efrit_execute {"content": "(while t)", "timeout": 2}')
    runaway = bridge.tool("efrit_execute", content="(while t)", timeout=2)
    while True:  # until the form runs
        status = other.answer(other.tool("efrit_status"))
        if status["state"] == "running":
            break
    status = other.call("efrit_status", ["state", "for_ms", "why", "running"])
    check(status["state"] == "running", "the state while it spins")
    stopped = bridge.answer(runaway)
    show("<-", json.dumps({k: stopped[k] for k in ("status", "error", "error_code")}))
    check(stopped["error_code"] == "timeout", "the runaway is stopped")

    say("9. And one that swallows every quit, interrupted by the other agent.")
    form = "(while t (condition-case nil (while t) (quit nil)))"
    show("->", "efrit_execute " + json.dumps({"content": form}))
    stubborn = bridge.tool("efrit_execute", content=form)
    while other.answer(other.tool("efrit_status"))["state"] != "running":
        pass
    other.call("efrit_interrupt")
    stopped = bridge.answer(stubborn)
    show("<-", json.dumps({k: stopped[k] for k in ("status", "error", "error_code")}))
    check(stopped["error_code"] == "interrupted", "the interrupt")

    say("10. Emacs is as before.")
    after = bridge.call("efrit_execute", ["result", "state"], content="(+ 1 2)")
    check(after["result"] == "3", "Emacs answers")


def main():
    folder = tempfile.mkdtemp(prefix="efrit-demo-")
    runtime = os.path.join(folder, "run")
    os.mkdir(runtime, 0o700)
    env = dict(os.environ, XDG_RUNTIME_DIR=runtime, HOME=folder, EFRIT_MCP_FOLDERS=os.path.join(runtime, "efrit"))
    emacs = None
    bridges = []
    try:
        say("efrit-mcp: an AI agent works inside a live Emacs.",
            "A fresh Emacs daemon loads efrit-mcp:",)
        command = [EMACS, "-Q", "--fg-daemon=demo", "-L", os.path.join(ROOT, "lisp"), "-l", "efrit-mcp", "-f", "efrit-mcp-mode"]
        show("$", " ".join(command[:4] + ["lisp"] + command[5:]))
        command[2:2] = ["--eval", "(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil)"]
        with open(os.path.join(folder, "emacs.log"), "w") as log:
            emacs = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not os.path.exists(os.path.join(runtime, "efrit", "demo.sock")):
            if emacs.poll() is not None or time.monotonic() > end:
                with open(os.path.join(folder, "emacs.log")) as log:
                    raise SystemExit("Emacs did not start:\n" + log.read())
            time.sleep(0.02)
        bridges = [Bridge(env), Bridge(env)]
        session(*bridges)
        for bridge in bridges:
            bridge.end()
        say("Done.", "The bridges ended with their clients; Emacs is asked to end now, nothing is left running. "
            "To use it: README.md, section \"60 seconds\".")
    finally:
        for bridge in bridges:
            if bridge.process.poll() is None:
                bridge.process.kill()
                bridge.process.wait()
        if emacs:
            emacs.send_signal(signal.SIGTERM)
            try:
                emacs.wait(timeout=10)
            except subprocess.TimeoutExpired:
                emacs.kill()
                emacs.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
