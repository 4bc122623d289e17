#!/usr/bin/env python3
"""Plays a conversation of tests/talk/ against the real bridge and a real Emacs.

    tests/talk.py FILE.talk...        EMACS and BRIDGE in the environment choose the programs

Ends with 0 (played to the end), 1 (something else was said), 77 (cannot be played here).
One line is one step; a line that begins with a space goes on from the one before; # is a comment.

  emacs NAME [daemon|batch|terminal|graphical] [FORM...]   starts an Emacs that serves as NAME and waits for its socket
  emacs NAME unready [daemon|...] [FORM...]      the same without waiting
  bridge [NAME] [-- ARGUMENT...]                 starts a bridge on pipes; without NAME it is "bridge"
  with NAME                                      the steps that follow are about that bridge
  set VARIABLE=VALUE                             environment of what is started later
  runs COMMAND...                                bridges that are started later are that program
  initialize [VERSION] [{CAPABILITIES}]          the handshake of the older dialects, ids "init"
  modern ID METHOD {PARAMS} [{META}]             a request of the newest dialect; META besides what it must bring,
                                                 "capabilities" standing for the long name
  C> TEXT                                        the client sends this line
  call ID TOOL {ARGUMENTS}                       ... which is a tools/call
  raw "BYTES" [* N]                              ... these bytes (Python's escapes), nothing added
  S< {PART}                                      the next message of the bridge contains PART
  S<ID {PART}                                    the message with that id does; others stay in line
  T< {PART}, T<ID {PART}                         its first text, read as JSON, does
  text "~REGEX"                                  the first text of the last message fits
  line "~REGEX"                                  the last message as it was sent fits
  keep VARIABLE /POINTER                         from the last first text; later $VARIABLE
  take VARIABLE /POINTER                         from the last message, strings as they are, else as JSON
  sees NAME                                      asks until the bridge lists the instance as ready to work
  until TOOL {ARGUMENTS} {SUBSET}                calls it until its text contains this (no blanks in ARGUMENTS)
  no answer within 300ms
  patience 20s                                   how long S< waits from now on
  kill -9 NAME | stop NAME | cont NAME           signals, for bridges and Emacsen
  close stdin | bridge exits N | NAME is gone | NAME is alive
  stderr "~REGEX"                                the bridge has said so on stderr
  log NAME "~REGEX"                              that Emacs has said so
  file PATH exists|missing|mode 0700             $XDG, $HOME, $TMP are the test's own, $B is the build,
                                                 $ROOT the tree, $EMACS the Emacs
  folder PATH MODE (or a file that is there) | chown UID PATH | write PATH "TEXT"
  copy FROM TO                                   a file or folder with all in it
  change PATH "OLD" "NEW"                        in that file, where OLD must be exactly once
  stale NAME                                     a socket under that name nobody listens on
  fake NAME silent|"BYTES" [closes]              one that is listened on; after the first bytes it says these
  type NAME "KEYS" | screen NAME "~REGEX"        a terminal Emacs
  press, click, picture                          a graphical Emacs: see tests/play/display.py
  needs root | needs COMMAND | needs file PATH

PART: objects need the members named and may have more, "!absent" says that there is no such member;
arrays are equal, "..." stands for any number of elements; a string "~REGEX" is searched in the
string, or in the JSON of what is no string.
"""
import os
import re
import select
import shutil
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import ending  # noqa: E402
import patience  # noqa: E402
from play import display, programs, said, world  # noqa: E402
from play.part import SHOWN, Skip, Wrong, duration  # noqa: E402
from play.programs import ROOT, Bridge  # noqa: E402

MESSAGE_LIMIT = 20.0   # seconds S< waits, unless the talk says otherwise; all waits stretch with the load


class Talk(programs.Steps, said.Steps, world.Steps, display.Steps):
    def __init__(self, path):
        self.path = path
        self.folder = tempfile.mkdtemp(prefix="talk-")
        self.guard = ending.Guard(self.folder, on_term)
        self.xdg = os.path.join(self.folder, "x")
        self.home = os.path.join(self.folder, "home")
        for folder in (self.xdg, self.home):
            os.mkdir(folder, 0o700)
        self.env = dict(os.environ, **patience.settings(), XDG_RUNTIME_DIR=self.xdg, EFRIT_MCP_FOLDERS=self.xdg + "/efrit", HOME=self.home, TMPDIR=self.folder, LC_ALL="C.UTF-8",
                        EFRIT_MCP_EMACS=os.environ.get("EMACS", "emacs"), XDG_CONFIG_HOME=self.home + "/.config")
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "INSIDE_EMACS", "EFRIT_MCP_INSTANCE"):
            self.env.pop(name, None)
        self.programs = {}
        display.Steps.__init__(self)
        self.sockets = []          # (socket, answer or None)
        self.clients = []
        self.current = "bridge"
        self.command = None
        self.variables = {"XDG": self.xdg, "HOME": self.home, "TMP": self.folder, "ROOT": ROOT, "EMACS": os.environ.get("EMACS", "emacs"), "B": os.environ.get("B", "build")}
        self.patience = MESSAGE_LIMIT
        self.times = 2 * patience.factor()  # of time-outs that a talk gives to calls: the same for calls that must be alike
        self.story = []

    def tell(self, who, what):
        text = what.decode("utf-8", "backslashreplace") if isinstance(what, bytes) else what
        self.story.append(f"{time.monotonic() - self.began:8.3f}  {who} {text[:SHOWN]}{'...' if len(text) > SHOWN else ''}")

    def turn(self, seconds):
        """Reads what there is, for at most so long; returns after the first bytes."""
        owners = {fd: p for p in self.programs.values() for fd in p.descriptors}
        listeners = {s.fileno(): (s, answer) for s, answer in self.sockets}
        clients = {s.fileno(): (s, answer) for s, answer in self.clients}
        ready, _, _ = select.select([*owners, *listeners, *clients], [], [], max(0, seconds))
        for fd in ready:
            if fd in owners:
                self.read(owners[fd], fd)
            elif fd in listeners:
                listener, answer = listeners[fd]
                client, _ = listener.accept()
                self.clients.append((client, answer))
            else:
                self.answer_fake(*clients[fd])
        return bool(ready)

    def read(self, program, fd):
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            os.close(fd)
            del program.descriptors[fd]
            return
        program.descriptors[fd].extend(data)
        if isinstance(program, Bridge):
            before = len(program.messages)
            program.take_lines()
            for line, _ in program.messages[before:]:
                self.tell(f"{program.name} S<", line)

    def until(self, done, seconds, what):
        """Waits for DONE() to return something true, and returns it."""
        limit = patience.Limit(seconds)
        while True:
            found = done()
            if found:
                return found
            left = limit.left()
            if left <= 0:
                raise Wrong(f"{what} (waited {seconds * limit.factor:g} s)")
            self.turn(min(left, 0.05))

    def do_patience(self, rest):
        self.patience = duration(rest)

    # --- the whole ---

    def patient(self, line):
        """A time-out that should not come, of some seconds, stretches like all waits; one that should is shorter."""
        return re.sub(r'"timeout":(\d+)(?=[,}])', lambda m: f'"timeout":{int(int(m[1]) * self.times)}' if 5 <= int(m[1]) <= 120 else m[0], line)

    def step(self, line):
        line = re.sub(r"\$([A-Z_a-z]+)", lambda m: self.variables.get(m[1], m[0]), line)
        said = re.match(r"([ST])<(\S*)\s+(.*)", line, re.S)
        state = re.fullmatch(r"(\S+) is (gone|alive)", line)
        if said:
            repeat = said[1] == "T" and not said[2]
            message = self.bridge().last[1] if repeat and self.bridge().last else self.next_message(said[2] or None)
            self.expect(said[3], self.last_json() if said[1] == "T" else message)
        elif line.startswith("C> "):
            self.send(self.patient(line[3:]).encode() + b"\n")
        elif state and state[2] == "gone":
            self.until(lambda: not self.program(state[1]).alive(), self.patience, f"{state[1]} does not end")
        elif state:
            self.turn(0)
            if not self.program(state[1]).alive():
                raise Wrong(f"{state[1]} ended with {self.program(state[1]).process.returncode}")
        else:
            word, _, rest = line.partition(" ")
            verb = getattr(self, "do_" + word, None)
            if not verb:
                raise Wrong(f"unknown step {word!r}")
            verb(self.patient(rest.strip()) if word in ("call", "modern", "until") else rest.strip())

    def play(self):
        self.began = time.monotonic()
        number, line = 0, ""
        try:
            for number, line in steps(self.path):
                self.step(line)
        except Wrong as wrong:
            self.report()
            print(f"--- WRONG\n{self.path}:{number}: {line[:SHOWN]}\n    {wrong}")
            return 1
        except Skip as skip:
            print(f"SKIP: {os.path.basename(self.path)}: {skip}")
            return 77
        finally:
            left = self.clean()
        return 1 if left else 0

    def report(self):
        while self.turn(0):
            pass
        print("--- the conversation so far")
        print("\n".join(self.story))
        for program in self.programs.values():
            state = "runs" if program.alive() else f"ended with {program.process.returncode}"
            log = program.log.decode("utf-8", "backslashreplace")
            print(f"--- {program.name} ({state}) said besides\n{log[-4 * SHOWN:]}")

    def let_end(self, program):
        """A bridge with a sanitizer looks for leaks when it ends by itself."""
        os.killpg(program.process.pid, signal.SIGCONT)
        program.process.stdin.close()
        limit = patience.Limit(10)
        while program.alive() and not limit.over():
            self.turn(0.02)

    def clean(self):
        """Whether something was left that no step has started."""
        for program in self.programs.values():
            if os.environ.get("SAN") and isinstance(program, Bridge) and program.alive():
                self.let_end(program)
        for program in self.programs.values():
            program.end()
        self.end_displays()
        for s, _ in self.sockets + self.clients:
            s.close()
        left = self.guard.end()
        shutil.rmtree(self.folder, ignore_errors=True)
        return left


def steps(path):
    """(line number, text) of each step."""
    number, step = 0, ""
    with open(path, encoding="utf-8") as file:
        for i, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            if line[0] in " \t" and step:
                step += " " + line.strip()
                continue
            if step:
                yield number, step
            number, step = i, line.strip()
    if step:
        yield number, step


def on_term(*_):
    raise Wrong("its time is over")  # so that everything is reported and cleaned up


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    worst = 0
    for path in sys.argv[1:]:
        status = Talk(path).play()
        worst = 1 if 1 in (worst, status) else max(worst, status)
    return worst


if __name__ == "__main__":
    sys.exit(main())
