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
  press, click, picture                          a graphical Emacs: see tests/display.py
  needs root | needs COMMAND | needs file PATH

PART: objects need the members named and may have more, "!absent" says that there is no such member;
arrays are equal, "..." stands for any number of elements; a string "~REGEX" is searched in the
string, or in the JSON of what is no string.
"""
import ast
import fcntl
import itertools
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.dont_write_bytecode = True
import display  # noqa: E402  tests/display.py

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
START_LIMIT = 60.0     # seconds an Emacs may take to serve
MESSAGE_LIMIT = 20.0   # seconds S< waits, unless the talk says otherwise
SHOWN = 2000           # characters of a line that a report shows


class Wrong(Exception):
    """The conversation went another way."""


class Skip(Exception):
    """It cannot be played here."""


def contains(part, whole, path=""):
    """None when WHOLE contains PART; else a sentence."""
    where = path or "the whole"
    if isinstance(part, str) and part.startswith("~"):
        text = whole if isinstance(whole, str) else json.dumps(whole, ensure_ascii=False)
        return None if re.search(part[1:], text, re.S) else f"{where}: {text[:SHOWN]!r} does not fit {part[1:]!r}"
    if isinstance(part, dict):
        if not isinstance(whole, dict):
            return f"{where}: no object: {json.dumps(whole)[:SHOWN]}"
        for key, value in part.items():
            if value == "!absent":
                if key in whole:
                    return f"{path}/{key}: is there: {json.dumps(whole[key])[:SHOWN]}"
            elif key not in whole:
                return f"{path}/{key}: is missing"
            else:
                wrong = contains(value, whole[key], f"{path}/{key}")
                if wrong:
                    return wrong
        return None
    if isinstance(part, list):
        return contains_list(part, whole, path)
    same = part == whole and isinstance(part, bool) == isinstance(whole, bool)
    return None if same else f"{where}: {json.dumps(whole)[:SHOWN]} is not {json.dumps(part)}"


def contains_list(part, whole, path):
    where = path or "the whole"
    if not isinstance(whole, list):
        return f"{where}: no array: {json.dumps(whole)[:SHOWN]}"
    if "..." not in part:
        if len(part) != len(whole):
            return f"{where}: {len(whole)} elements, not {len(part)}: {json.dumps(whole)[:SHOWN]}"
        pairs = list(zip(part, whole))
        for i, (p, w) in enumerate(pairs):
            wrong = contains(p, w, f"{path}/{i}")
            if wrong:
                return wrong
        return None
    at = 0  # the named elements occur in this order; "..." allows others in between
    loose = False
    for p in part:
        if p == "...":
            loose = True
            continue
        wrong = "nothing is left"
        while at < len(whole):
            wrong = contains(p, whole[at], f"{path}/{at}")
            at += 1
            if wrong is None or not loose:
                break
        if wrong:
            return f"{where}: no element fits {json.dumps(p)}: {wrong}"
        loose = False
    return None if loose or at == len(whole) else f"{where}: more elements than named"


def pointer(value, text):
    for token in text.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        value = value[int(token)] if isinstance(value, list) else value[token]
    return value


def unquote(text):
    """A quoted word of a talk -> str, with Python's escapes."""
    return ast.literal_eval(text)


def unbytes(text):
    return ast.literal_eval("b" + text)


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


class Talk(display.Steps):
    wrong, skip = Wrong, Skip

    def __init__(self, path):
        self.path = path
        self.folder = tempfile.mkdtemp(prefix="talk-")
        self.xdg = os.path.join(self.folder, "x")
        self.home = os.path.join(self.folder, "home")
        for folder in (self.xdg, self.home):
            os.mkdir(folder, 0o700)
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.xdg, EFRIT_MCP_FOLDERS=self.xdg + "/efrit", HOME=self.home, TMPDIR=self.folder, LC_ALL="C.UTF-8",
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
        self.story = []

    # --- time and bytes ---

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

    def answer_fake(self, client, answer):
        try:
            data = client.recv(65536)
            if data and answer is not None:
                client.sendall(answer[0])
                data = b"" if answer[1] else data
        except OSError:
            data = b""
        if not data:
            client.close()
        self.clients = [(c, None if c is client else a) for c, a in self.clients if c.fileno() >= 0]

    def until(self, done, seconds, what):
        """Waits for DONE() to return something true, and returns it."""
        deadline = time.monotonic() + seconds
        while True:
            found = done()
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise Wrong(f"{what} (waited {seconds:g} s)")
            self.turn(min(left, 0.05))

    # --- programs ---

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

    # --- what is said ---

    def send(self, data):
        program = self.bridge()
        self.tell(f"{program.name} C>", data[:-1] if data.endswith(b"\n") else data)
        fd = program.process.stdin.fileno()
        os.set_blocking(fd, False)
        view = memoryview(data)
        deadline = time.monotonic() + self.patience
        while view:
            if time.monotonic() > deadline:
                raise Wrong(f"the bridge {program.name} does not read")
            try:
                view = view[os.write(fd, view[:65536]):]
            except BlockingIOError:
                self.turn(0.01)
            except BrokenPipeError:
                raise Wrong(f"the bridge {program.name} does not listen any more") from None

    def next_message(self, wanted=None):
        program = self.bridge()

        def take():
            for i, (_, message) in enumerate(program.messages):
                if wanted is None or (isinstance(message, dict) and "method" not in message and str(message.get("id")) == wanted):
                    return program.messages.pop(i)
            if not program.alive() and not program.descriptors:
                raise Wrong(f"the bridge {program.name} ended and never said {'more' if wanted is None else 'anything with id ' + wanted}")
            return None
        what = f"the bridge {program.name} says nothing{'' if wanted is None else ' with id ' + wanted}"
        program.last = self.until(take, self.patience, what)
        return program.last[1]

    def last_text(self):
        if not self.bridge().last:
            raise Wrong("nothing was said yet")
        try:
            return self.bridge().last[1]["result"]["content"][0]["text"]
        except (KeyError, IndexError, TypeError):
            raise Wrong("the last message has no text: " + self.bridge().last[0].decode()[:SHOWN]) from None

    def last_json(self):
        try:
            return json.loads(self.last_text())
        except ValueError as error:
            raise Wrong(f"the text is no JSON ({error}): {self.last_text()[:SHOWN]}") from error

    def expect(self, part, whole):
        wrong = contains(json.loads(part), whole)
        if wrong:
            raise Wrong(wrong)

    def do_initialize(self, rest):
        version, _, capabilities = rest.partition(" ")
        version = version or "2025-06-18"
        self.send(json.dumps({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": json.loads(capabilities or "{}"), "clientInfo": {"name": "talk", "version": "1"}}}).encode() + b"\n")
        self.expect(json.dumps({"id": "init", "result": {"protocolVersion": version}}), self.next_message("init"))
        self.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def do_modern(self, rest):
        number, method, rest = rest.split(None, 2)
        params, end = json.JSONDecoder().raw_decode(rest)
        more = json.loads(rest[end:].strip() or "{}")
        key = "io.modelcontextprotocol/"
        meta = {key + "protocolVersion": "2026-07-28", key + "clientInfo": {"name": "talk", "version": "1"},
                key + "clientCapabilities": more.pop("capabilities", {})}
        params["_meta"] = dict(meta, **more)
        self.send(json.dumps({"jsonrpc": "2.0", "id": int(number) if number.isdigit() else number, "method": method,
                              "params": params}).encode() + b"\n")

    def do_runs(self, rest):
        self.command = shlex.split(rest)

    def do_take(self, rest):
        name, where = rest.split()
        try:
            value = pointer(self.bridge().last[1], where)
        except (KeyError, IndexError, TypeError):
            raise Wrong(f"there is no {where} in {self.bridge().last[0].decode()[:SHOWN]}") from None
        self.variables[name] = value if isinstance(value, str) else json.dumps(value)

    def do_call(self, rest):
        number, tool, *arguments = rest.split(None, 2)
        number = int(number) if number.isdigit() else number
        self.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {
            "name": tool, "arguments": json.loads(arguments[0]) if arguments else {}}}).encode() + b"\n")

    def do_sees(self, name):
        deadline = time.monotonic() + self.patience
        for i in itertools.count():
            self.do_call(f"sees-{i} efrit_list_instances")
            self.next_message(f"sees-{i}")
            if any(each["id"] == name and each["state"] not in ("gone", "starting") for each in self.last_json()["instances"]):
                return
            if time.monotonic() > deadline:
                raise Wrong(f"the bridge does not see {name}: {self.last_text()[:SHOWN]}")
            self.turn(0.02)

    def do_until(self, rest):
        tool, arguments, part = rest.split(None, 2)
        deadline = time.monotonic() + self.patience
        for i in itertools.count():
            self.do_call(f"until-{i} {tool} {arguments}")
            self.next_message(f"until-{i}")
            wrong = contains(json.loads(part), self.last_json())
            if not wrong:
                return
            if time.monotonic() > deadline:
                raise Wrong(wrong)
            self.turn(0.02)

    def do_raw(self, rest):
        match = re.fullmatch(r'(".*")(?:\s*\*\s*(\d+))?', rest)
        self.send(unbytes(match[1]) * int(match[2] or 1))

    def do_no(self, rest):
        seconds = duration(rest.removeprefix("answer within "))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.turn(deadline - time.monotonic())
            if self.bridge().messages:
                raise Wrong(f"the bridge said {self.bridge().messages[0][0][:SHOWN]!r}")
            if not self.bridge().descriptors:
                break

    def do_text(self, rest):
        wrong = contains(unquote(rest), self.last_text())
        if wrong:
            raise Wrong(wrong)

    def do_line(self, rest):
        wrong = contains(unquote(rest), self.bridge().last[0].decode())
        if wrong:
            raise Wrong(wrong)

    def do_keep(self, rest):
        name, where = rest.split()
        try:
            self.variables[name] = str(pointer(self.last_json(), where))
        except (KeyError, IndexError, TypeError):
            raise Wrong(f"there is no {where} in {self.last_text()[:SHOWN]}") from None

    # --- the world ---

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

    def do_with(self, rest):
        self.current = rest

    def do_set(self, rest):
        name, _, value = rest.partition("=")
        self.env[name] = value

    def do_patience(self, rest):
        self.patience = duration(rest)

    def do_stderr(self, rest):
        fits = lambda: contains(unquote(rest), self.bridge().log.decode("utf-8", "replace")) is None
        self.until(fits, self.patience, f"stderr of the bridge does not say {rest}")

    def do_log(self, rest):
        name, part = rest.split(None, 1)
        fits = lambda: contains(unquote(part), self.program(name).log.decode("utf-8", "replace")) is None
        self.until(fits, self.patience, f"{name} does not say {part}")

    def do_file(self, rest):
        path, _, want = rest.rpartition(" exists") if rest.endswith(" exists") else rest.rpartition(" missing") \
            if rest.endswith(" missing") else rest.rpartition(" mode ")
        if rest.endswith(" exists"):
            self.until(lambda: os.path.lexists(path), self.patience, f"{path} is not there")
        elif rest.endswith(" missing"):
            self.until(lambda: not os.path.lexists(path), self.patience, f"{path} is still there")
        elif oct(os.lstat(path).st_mode & 0o7777) != oct(int(want, 8)):
            raise Wrong(f"{path} has mode {os.lstat(path).st_mode & 0o7777:04o}, not {want}")

    def do_folder(self, rest):
        path, mode = rest.rsplit(None, 1)
        if not os.path.exists(path):
            os.makedirs(path)
        os.chmod(path, int(mode, 8))

    def do_chown(self, rest):
        uid, path = rest.split(None, 1)
        os.lchown(path, int(uid), -1)

    def do_write(self, rest):
        path, text = rest.split(None, 1)
        with open(path, "wb") as file:
            file.write(unbytes(text))

    def do_copy(self, rest):
        source, target = shlex.split(rest)
        shutil.copytree(source, target) if os.path.isdir(source) else shutil.copy(source, target)

    def do_change(self, rest):
        path, old, new = re.fullmatch(r'(\S+)\s+("(?:[^"\\]|\\.)*")\s+("(?:[^"\\]|\\.)*")', rest).groups()
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if text.count(unquote(old)) != 1:
            raise Wrong(f"{path} holds {old} {text.count(unquote(old))} times")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(unquote(old), unquote(new)))

    def listener(self, name):
        os.makedirs(os.path.join(self.xdg, "efrit"), mode=0o700, exist_ok=True)
        s = socket.socket(socket.AF_UNIX)
        s.bind(self.socket_path(name))
        os.chmod(self.socket_path(name), 0o600)
        return s

    def do_stale(self, rest):
        self.listener(rest).close()

    def do_fake(self, rest):
        name, says = rest.split(None, 1)
        s = self.listener(name)
        s.listen(8)
        closes = says.endswith(" closes")
        self.sockets.append((s, None if says == "silent" else (unbytes(says.removesuffix(" closes")), closes)))

    def do_type(self, rest):
        name, keys = rest.split(None, 1)
        self.program(name).keys(unbytes(keys))

    def do_screen(self, rest):
        name, part = rest.split(None, 1)
        plain = lambda: re.sub(r"\x1b[\[(][0-9;?]*[a-zA-Z]|[\x00-\x08\x0e-\x1f]", "", self.program(name).log.decode("utf-8", "replace"))
        self.until(lambda: contains(unquote(part), plain()) is None, self.patience, f"the screen of {name} never showed {part}")

    def do_needs(self, rest):
        if rest == "root" and os.geteuid() != 0:
            raise Skip("it needs root")
        if rest.startswith("file "):
            if not os.path.exists(rest[5:]):
                raise Skip(f"there is no {os.path.relpath(rest[5:], ROOT)}: tests/deps.sh test fetches it")
        elif rest != "root" and not shutil.which(rest):
            raise Skip(f"there is no {rest} here")

    # --- the whole ---

    def step(self, line):
        line = re.sub(r"\$([A-Z_a-z]+)", lambda m: self.variables.get(m[1], m[0]), line)
        said = re.match(r"([ST])<(\S*)\s+(.*)", line, re.S)
        state = re.fullmatch(r"(\S+) is (gone|alive)", line)
        if said:
            repeat = said[1] == "T" and not said[2]
            message = self.bridge().last[1] if repeat and self.bridge().last else self.next_message(said[2] or None)
            self.expect(said[3], self.last_json() if said[1] == "T" else message)
        elif line.startswith("C> "):
            self.send(line[3:].encode() + b"\n")
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
            verb(rest.strip())

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
            self.clean()
        return 0

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
        deadline = time.monotonic() + 10
        while program.alive() and time.monotonic() < deadline:
            self.turn(0.02)

    def clean(self):
        for program in self.programs.values():
            if os.environ.get("SAN") and isinstance(program, Bridge) and program.alive():
                self.let_end(program)
        for program in self.programs.values():
            program.end()
        self.end_displays()
        for s, _ in self.sockets + self.clients:
            s.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def duration(text):
    number, unit = re.fullmatch(r"([\d.]+)(ms|s)", text.strip()).groups()
    return float(number) / (1000 if unit == "ms" else 1)


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
    signal.signal(signal.SIGTERM, on_term)
    worst = 0
    for path in sys.argv[1:]:
        status = Talk(path).play()
        worst = 1 if 1 in (worst, status) else max(worst, status)
    return worst


if __name__ == "__main__":
    sys.exit(main())
