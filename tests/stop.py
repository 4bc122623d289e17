#!/usr/bin/env python3
"""Stops at random moments, around the end of jobs above all, and what must not come of it.

usage: stop.py [beside-]daemon|batch|terminal|native ROUNDS [SEED]

beside-: Lisp threads and change hooks of the person run too, and each round is looked at.
native: a daemon in which our Lisp and what the forms call are compiled natively, found
where $EMACSNATIVELOADPATH says.

Starts a real Emacs ($EMACS), runs forms and stops them, and checks at the end that
Emacs lives, that no quit left a job, that no timer or filter of the person was cut in
half, that the person's settings and minibuffer are as before, and that each answer
said what was done.  $EFRIT_MCP_ROOT is the checkout (default: the parent folder)."""
import fcntl
import json
import os
import pty
import random
import re
import shutil
import subprocess
import sys
import tempfile
import termios
import threading
import time

import ending
import patience
import wire

ROOT = os.environ.get("EFRIT_MCP_ROOT") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EMACS = os.environ.get("EMACS", "emacs")

FORMS = [
    "(let ((end (+ (float-time) %(s)f))) (while (< (float-time) end)))",
    "(let ((end (+ (float-time) %(s)f))) (while (< (float-time) end) (condition-case nil (format \"%%d\" 1) (quit nil))))",
    "(condition-case nil (let ((end (+ (float-time) %(s)f))) (while (< (float-time) end) (format \"x\"))) (quit (stop-work 100)))",
    "(let ((inhibit-quit t) (end (+ (float-time) %(s)f))) (while (< (float-time) end) (format \"x\")))",
    "(sleep-for %(s)f)",
    "(sit-for %(s)f)",
    "(accept-process-output nil %(s)f)",
    "(progn (call-process \"sleep\" nil nil nil \"%(s)f\") 1)",
    "(unwind-protect (stop-work %(n)d) (stop-work 50))",
    "(progn (stop-work %(n)d) (redisplay t))",
    "(with-temp-buffer (dotimes (i %(n)d) (insert \"x\")) (buffer-size))",
    "(stop-work %(n)d)",
    "1",
]


# In Emacs's that have them: see STOP_BESIDE in stop.el.
BESIDE = FORMS + [
    "(stop-insert %(n)d)",
    "(condition-case nil (stop-insert %(n)d) (quit (stop-insert 3)))",
    "(let ((inhibit-quit t)) (stop-insert %(n)d))",
    "(progn (thread-join (make-thread (lambda () (stop-work %(n)d)))) (stop-work 50))",
    "(let ((end (+ (float-time) %(s)f))) (while (< (float-time) end) (thread-yield)))",
    "(accept-process-output stop-silent %(s)f nil t)",
]


class Emacs:
    def __init__(self, mode, quiet=False):
        self.dir = tempfile.mkdtemp(prefix="efs")
        self.guard = ending.Guard(self.dir)
        self.log = open(os.path.join(self.dir, "log"), "wb")
        env = dict(os.environ, XDG_RUNTIME_DIR=self.dir, HOME=self.dir, TERM="xterm")
        args = [EMACS, "-Q", "-L", os.path.join(ROOT, "lisp"), "-l", "efrit-mcp" if quiet else os.path.join(ROOT, "tests", "stop.el"),
                *self.arguments(), "-f", "efrit-mcp-mode"]
        self.master = None
        if mode.startswith("beside-"):
            env["STOP_BESIDE"] = "1" # see stop.el
            mode = mode[len("beside-"):]
        if mode == "native":
            env["STOP_NATIVE"] = "1"
        if mode in ("daemon", "native"):
            args.insert(2, "--fg-daemon=default")
        elif mode == "batch":
            args = args[:2] + ["--batch"] + args[2:] + ["-f", "efrit-mcp-serve" if quiet else "stop-serve"]
        else:
            args.insert(2, "-nw")
        if mode == "terminal":
            self.master, slave = pty.openpty()
            self.process = subprocess.Popen(args, env=env, cwd=self.dir, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            os.close(slave)
            threading.Thread(target=self.swallow, daemon=True).start()
        else:
            self.process = subprocess.Popen(args, env=env, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.path = os.path.join(self.dir, "efrit", "default.sock")

    def arguments(self):
        """More of Emacs's arguments, before it serves."""
        return []

    def swallow(self):
        try:
            while os.read(self.master, 65536):
                pass
        except OSError:
            pass

    def type(self, keys):
        os.write(self.master, keys)

    def connect(self, meanwhile=lambda: None):
        """A peer, as soon as Emacs listens; MEANWHILE is called between the tries."""
        limit = patience.Limit(90)
        while True:
            try:
                return wire.Peer(self.path)
            except OSError:
                meanwhile()
                if limit.over() or self.process.poll() is not None:
                    raise SystemExit("Emacs did not start: %s" % self.tail())
                time.sleep(0.02)

    def tail(self):
        with open(os.path.join(self.dir, "log"), "rb") as f:
            return f.read()[-4000:].decode("utf-8", "replace")

    def end(self):
        """Kills Emacs.  Its child, stop-echo, ends by itself when it finds nobody to write to."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        limit = patience.Limit(10)
        while ending.carriers(self.dir) and not limit.over():
            time.sleep(0.005)
        self.guard.end()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def one_round(peer, rng, seen, beside):
    ms = rng.choice((0, 1, 2, 4, 5, 5.5, 6, 8, 20))
    form = rng.choice(BESIDE if beside else FORMS) % {"s": ms / 1000, "n": int(ms * 1000)}
    how = rng.random()
    timeout = max(1, int(rng.choice((1, ms, ms + 1)))) if how < 0.3 else 0
    ident = peer.call(form, timeout, observe=rng.choice(("none", "brief")))
    if how >= 0.3:
        time.sleep(rng.choice((0, 0, 0.0002, 0.0005, 0.001, max(0, ms - 5) / 1000, ms / 1000)))
        peer.send(wire.CANCEL, ident)
    answer = peer.answer(ident)
    code = answer.get("error_code", "success")
    seen[code] = seen.get(code, 0) + 1
    if code not in ("success", "cancelled", "timeout"):
        raise AssertionError("%s was answered %s" % (form, json.dumps(answer)))
    if beside:
        # Not beside the hooks of one that goes on although it has been answered.
        while peer.status()["state"] != "idle":
            time.sleep(0.001)
        look = peer.eval("(stop-look)", observe="none")
        if look.get("result") != "nil":
            raise AssertionError("after %s, %s: %s" % (form, code, json.dumps(look)))


def check(peer, emacs, minibuffer):
    for _ in range(500): # a timer may be between its beginning and its end in another Lisp thread
        report = peer.eval("(stop-report)", observe="none")["result"]
        if len(set(re.findall(r":(?:begun|ended) (\d+)", report))) == 1:
            break
    count = dict(re.findall(r":(begun|ended|quits|same|depth) (\d+)", report))
    print("report:", report)
    problems = []
    if count["begun"] != count["ended"]:
        problems.append("a timer or filter was cut in half")
    if count["quits"] != "0":
        problems.append("a quit left a job")
    if count["same"] != "1":
        problems.append("a setting of the person changed")
    if minibuffer and (count["depth"] != "1" or "forward-" not in report):
        problems.append("the person's minibuffer was touched")
    if int(count["begun"]) == 0:
        problems.append("the foreign timers did not run: nothing was tested")
    if emacs.process.poll() is not None:
        problems.append("Emacs died")
    return problems


def main():
    mode, rounds = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
    rng = random.Random(seed)
    print("stop.py %s, %d rounds, seed %d" % (mode, rounds, seed), flush=True)
    emacs = Emacs(mode)
    beside, mode = mode.startswith("beside-"), mode.replace("beside-", "")
    seen, problems = {}, []
    try:
        peer = emacs.connect()
        native = peer.eval("(seq-every-p #'subrp (mapcar #'symbol-function '(efrit-mcp-server--call stop-work)))")["result"]
        assert mode != "native" or native == "t", "efrit-mcp-server is not compiled natively"
        for i in range(rounds):
            if mode == "terminal" and i == rounds // 2:
                emacs.type(b"\033xforward-")
                limit = patience.Limit(90)
                while peer.eval("(list (minibuffer-depth))", observe="none")["result"] != "(1)":
                    assert not limit.over(), "the person's M-x does not get through"
                    time.sleep(0.01)
            one_round(peer, rng, seen, beside)
            if i % 1000 == 999:
                print("%d rounds: %s" % (i + 1, seen), flush=True)
        peer.eval("(sleep-for 0.2)", observe="none")
        problems = check(peer, emacs, mode == "terminal")
    except AssertionError as e:
        problems = [str(e), emacs.tail()]
    except (EOFError, OSError) as e:
        problems = ["Emacs is gone (%s, status %s): %s" % (e, emacs.process.poll(), emacs.tail())]
    finally:
        emacs.end()
    print("answers:", seen)
    for p in problems:
        print("FAIL:", p)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
