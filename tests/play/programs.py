"""The programs of a talk: bridges on pipes, and Emacsen that serve; how they start, and how they end."""
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import termios

from .part import SHOWN, Wrong, contains, unbytes, unquote

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_LIMIT = 60.0     # seconds an Emacs may take to serve, which stretch with the load


class Program:
    def __init__(self, name):
        self.name = name
        self.process = None
        self.log = bytearray()     # what it said besides the conversation
        self.descriptors = {}      # fd -> bytearray it is read into

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def end(self):
        if not self.process:
            return
        try:
            os.killpg(self.process.pid, signal.SIGCONT)
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()
        for fd in list(self.descriptors):
            os.close(fd)
        self.descriptors.clear()


class Bridge(Program):
    def __init__(self, name):
        super().__init__(name)
        self.said = bytearray()
        self.messages = []         # (text, JSON), not yet looked at
        self.last = None

    def take_lines(self):
        while b"\n" in self.said:
            line, _, rest = bytes(self.said).partition(b"\n")
            self.said[:] = rest
            try:
                self.messages.append((line, json.loads(line.decode("utf-8"))))
            except ValueError as error:
                raise Wrong(f"the bridge {self.name} wrote a line that is no JSON ({error}): {line[:SHOWN]!r}") from error


class Steps:
    """The part of a talk that is about programs."""

    def start(self, program, command, **options):
        self.programs[program.name] = program
        self.tell("start", " ".join(shlex.quote(c) for c in command))
        program.process = subprocess.Popen(command, env=self.env, cwd=ROOT, start_new_session=True, **options)

    def watch(self, program, pipe, into):
        fd = os.dup(pipe.fileno()) if hasattr(pipe, "fileno") else pipe
        if hasattr(pipe, "close"):
            pipe.close()
        program.descriptors[fd] = into

    def program(self, name):
        if name not in self.programs:
            raise Wrong(f"there is no {name} in this talk")
        return self.programs[name]

    def bridge(self):
        return self.program(self.current)

    def socket_path(self, name):
        return os.path.join(self.xdg, "efrit", name + ".sock")

    def serves(self, program):
        """Somebody accepts at its socket."""
        if not program.alive():
            raise Wrong(f"Emacs {program.name} ended with {program.process.returncode} before it served")
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(self.socket_path(program.name))
                return True
            except OSError:
                return False

    def do_emacs(self, rest):
        words = rest.split(None, 1)
        name, rest = words[0], words[1] if len(words) > 1 else ""
        if name in self.programs:
            self.programs.pop(name).end()
        wait, kind = True, "daemon"
        while rest.split(None, 1)[:1] and rest.split(None, 1)[0] in ("unready", "daemon", "batch", "terminal", "graphical"):
            word, _, rest = rest.partition(" ")
            if word == "unready":
                wait = False
            else:
                kind = word
        emacs = os.environ.get("EMACS", "emacs")
        setup = '(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil efrit-mcp-instance "%s")' % name
        load = ["--eval", setup, "-L", os.path.join(ROOT, "lisp"), "-l", "efrit-mcp"]
        load += ["--eval", rest] if rest.strip() else []
        program = Program(name)
        if kind == "terminal":
            self.start_terminal(program, [emacs, "-Q", "-nw", *load, "-f", "efrit-mcp-mode"])
        elif kind == "graphical":
            self.start_graphical(program, load)
        else:
            first = ["-Q", "--batch"] if kind == "batch" else ["-Q", f"--fg-daemon={name}"]
            last = ["-f", "efrit-mcp-serve" if kind == "batch" else "efrit-mcp-mode"]
            self.start(program, [emacs, *first, *load, *last], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.watch(program, program.process.stdout, program.log)
        if wait:
            self.until(lambda: self.serves(program), START_LIMIT, f"Emacs {name} does not serve")

    def start_terminal(self, program, command):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        env, self.env = self.env, dict(self.env, TERM="xterm")
        self.start(program, command, stdin=slave, stdout=slave, stderr=slave,
                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.env = env
        os.close(slave)
        program.keys = lambda keys: os.write(master, keys)
        program.descriptors[master] = program.log

    def do_bridge(self, rest):
        if rest.startswith("exits "):
            return self.expect_exit(int(rest.split()[1]))
        words, _, arguments = rest.partition("--")
        name = words.strip() or "bridge"
        if name in self.programs:
            self.programs.pop(name).end()
        command = self.command if self.command else shlex.split(os.environ["BRIDGE"]) if "BRIDGE" in os.environ else [os.path.join(ROOT, os.environ.get("B", "build"), "efrit-bridge")]
        program = Bridge(name)
        self.start(program, command + shlex.split(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, bufsize=0)
        self.watch(program, program.process.stdout, program.said)
        self.watch(program, program.process.stderr, program.log)
        self.current = name

    def expect_exit(self, status):
        program = self.bridge()
        self.until(lambda: program.process.poll() is not None, self.patience, f"the bridge {program.name} does not end")
        while self.turn(0) and program.descriptors:
            pass
        if program.process.returncode != status:
            raise Wrong(f"the bridge {program.name} ended with {program.process.returncode}, not {status}")

    def do_runs(self, rest):
        self.command = shlex.split(rest)

    def do_with(self, rest):
        self.current = rest

    def do_set(self, rest):
        name, _, value = rest.partition("=")
        self.env[name] = value

    def signal(self, name, number):
        program = self.program(name)
        self.tell("signal", f"{number.name} to {name}")
        os.kill(program.process.pid, number)
        if number == signal.SIGKILL:
            program.process.wait()

    def do_kill(self, rest):
        self.signal(rest.split()[-1], signal.SIGKILL if "-9" in rest.split() else signal.SIGTERM)

    def do_stop(self, rest):
        self.signal(rest.split()[-1], signal.SIGSTOP)
        tasks = f"/proc/{self.program(rest.split()[-1]).process.pid}/task"
        stopped = lambda: all(open(f"{tasks}/{t}/stat").read().rpartition(")")[2].split()[0] == "T" for t in os.listdir(tasks))
        if os.path.isdir(tasks):  # the last thread stops a little later than the signal is sent
            self.until(stopped, self.patience, f"{rest} does not stop")

    def do_cont(self, rest):
        self.signal(rest.split()[-1], signal.SIGCONT)

    def do_close(self, _rest):
        self.bridge().process.stdin.close()

    def do_stderr(self, rest):
        fits = lambda: contains(unquote(rest), self.bridge().log.decode("utf-8", "replace")) is None
        self.until(fits, self.patience, f"stderr of the bridge does not say {rest}")

    def do_log(self, rest):
        name, part = rest.split(None, 1)
        fits = lambda: contains(unquote(part), self.program(name).log.decode("utf-8", "replace")) is None
        self.until(fits, self.patience, f"{name} does not say {part}")

    def do_type(self, rest):
        name, keys = rest.split(None, 1)
        self.program(name).keys(unbytes(keys))

    def do_screen(self, rest):
        name, part = rest.split(None, 1)
        plain = lambda: re.sub(r"\x1b[\[(][0-9;?]*[a-zA-Z]|[\x00-\x08\x0e-\x1f]", "", self.program(name).log.decode("utf-8", "replace"))
        self.until(lambda: contains(unquote(part), plain()) is None, self.patience, f"the screen of {name} never showed {part}")
