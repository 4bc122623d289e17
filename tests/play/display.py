"""A graphical frame for a talk: a display of its own (Xvfb), the keys and the mouse of a
person (xdotool), and pictures: PNG decoded, so that they can be compared.  The steps:

  type NAME "TEXT" | press NAME KEY...           keys, as xdotool names them
  click NAME X Y                                 X and Y: the numbers in the rest
  picture NAME [N colours]                       the PNG of the last message is whole, as large as its text says
  picture NAME is|differs from OTHER in BUFFER   in the window that shows it
  picture NAME has N of #RRGGBB                  so many pixels, at least

Folder $LOOK keeps the pictures.  Used by tests/talk.py alone."""
import base64
import os
import re
import shutil
import signal
import struct
import subprocess
import zlib

from .part import Skip, Wrong
from .programs import ROOT


def emacs():
    """The path of a graphical Emacs of the version of $EMACS, and None; or None and why there is none."""
    if os.environ.get("SAN"):
        return None, "the module with sanitizers is not loaded into a graphical Emacs"
    if not shutil.which("xdotool"):
        return None, "there is no xdotool here"
    p = subprocess.run([os.path.join(ROOT, "tests", "emacsx.sh")], capture_output=True, text=True)
    last = (p.stdout.strip() or p.stderr.strip()).splitlines()[-1:]
    if p.returncode not in (0, 77):
        raise Wrong(last[0] if last else f"emacsx.sh ended with {p.returncode}")
    if p.returncode:
        return None, re.sub(r"^SKIP: *", "", last[0]) if last else f"emacsx.sh ended with {p.returncode}"
    return last[0], None


def start(size="1024x768x24"):
    """(process, name of the display) of a new X server."""
    read, write = os.pipe()
    process = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp", "-noreset"],
                               pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    if not number:
        raise OSError(f"Xvfb ended with {process.wait()}")
    return process, ":" + number


def end(process):
    """It removes its lock when it is asked to end."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Picture:
    """A PNG of 8 bits without interlacing, as cairo writes them: rows of (r, g, b) bytes."""

    def __init__(self, data):
        if data[:8] != b"\x89PNG\r\n\x1a\n":
            raise ValueError("this is no PNG")
        at, packed, header = 8, b"", None
        while at < len(data):
            length, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + length]
            if zlib.crc32(kind + body) != struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0]:
                raise ValueError(f"the chunk {kind} is damaged")
            if kind == b"IHDR":
                header = struct.unpack(">IIBBBBB", body)
            elif kind == b"IDAT":
                packed += body
            at += 12 + length
        self.width, self.height, depth, colour, _, _, interlaced = header
        if depth != 8 or colour not in (2, 6) or interlaced:
            raise ValueError(f"a PNG of another kind: {header}")
        self.rows = self.unfilter(zlib.decompress(packed), 3 if colour == 2 else 4)

    def unfilter(self, raw, n):
        rows, stride, before = [], self.width * n, bytes(self.width * n)
        if len(raw) != self.height * (stride + 1):
            raise ValueError("the PNG has not as many bytes as it says")
        for y in range(self.height):
            kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
            if kind == 1:
                for i in range(n, stride):
                    line[i] = line[i] + line[i - n] & 255
            elif kind == 2:
                line = bytearray(a + b & 255 for a, b in zip(line, before))
            elif kind == 3:
                for i in range(stride):
                    line[i] = line[i] + ((line[i - n] if i >= n else 0) + before[i]) // 2 & 255
            elif kind == 4:
                for i in range(stride):
                    a, b, c = (line[i - n], before[i], before[i - n]) if i >= n else (0, before[i], 0)
                    p = a + b - c
                    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
                    line[i] = line[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c) & 255
            before = bytes(line)
            rows.append(before if n == 3 else bytes(v for i, v in enumerate(before) if i % 4 != 3))
        return rows

    def part(self, left, top, width, height):
        """The bytes of a part."""
        return [row[3 * left:3 * (left + width)] for row in self.rows[top:top + height]]

    def colours(self):
        """How often each colour is there."""
        counts = {}
        for row in self.rows:
            for i in range(0, len(row), 3):
                colour = row[i:i + 3]
                counts[colour] = counts.get(colour, 0) + 1
        return counts


class Steps:
    """The part of a talk that is about graphical frames."""

    def __init__(self):
        self.displays, self.pictures = [], {}

    def start_graphical(self, program, load):
        path, why = emacs()
        if not path:
            raise Skip(why)
        server, screen = start()
        self.displays.append(server)
        program.act = lambda *words: subprocess.run(["xdotool", *words], env=dict(os.environ, DISPLAY=screen), check=True,
                                                    timeout=20, stdout=subprocess.DEVNULL)
        program.keys = lambda keys: program.act("type", "--delay", "0", keys.decode())
        before, self.env = self.env, dict(self.env, DISPLAY=screen, GDK_BACKEND="x11", NO_AT_BRIDGE="1")
        # No place in the geometry: Emacs 28 would wait for a window manager.
        self.start(program, [path, "-Q", "--geometry=100x36", *load, "-f", "efrit-mcp-mode"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.env = before
        self.watch(program, program.process.stdout, program.log)

    def end_displays(self):
        for server in self.displays:
            end(server)

    def do_press(self, rest):
        name, *keys = rest.split()
        self.program(name).act("key", "--delay", "0", *keys)

    def do_click(self, rest):
        name, rest = rest.split(None, 1)
        x, y = re.findall(r"\d+", rest)[:2]
        self.program(name).act("mousemove", "--sync", x, y, "click", "1")

    def do_picture(self, rest):
        compared = re.fullmatch(r"(\S+) (is|differs from) (\S+) in (.+)", rest)
        counted = re.fullmatch(r"(\S+) has (\d+) of #(\w{6})", rest)
        if compared:
            one, other = [self.pictures[n][0].part(*self.pictures[n][1][compared[4]]) for n in (compared[1], compared[3])]
            if (one == other) != (compared[2] == "is"):
                raise Wrong("they are the same there" if one == other else "they differ there")
        elif counted:
            n = self.pictures[counted[1]][0].colours().get(bytes.fromhex(counted[3]), 0)
            if n < int(counted[2]):
                raise Wrong(f"{n} pixels are of that colour")
        else:
            self.take_picture(*rest.split())

    def take_picture(self, name, colours="1", _word=""):
        about = self.last_json()
        block = next((b for b in self.bridge().last[1]["result"]["content"] if b["type"] == "image"), None)
        if not block or block["mimeType"] != "image/png":
            raise Wrong("the last message has no PNG")
        data = base64.b64decode(block["data"], validate=True)
        if os.environ.get("LOOK"):
            with open(os.path.join(os.environ["LOOK"], f"{os.path.basename(self.path)}-{name}.png"), "wb") as file:
                file.write(data)
        try:
            picture = Picture(data)
        except ValueError as error:
            raise Wrong(str(error)) from error
        if f"{picture.width}x{picture.height}" != about["pixels"]:
            raise Wrong(f"it has {picture.width}x{picture.height} pixels, not {about['pixels']}")
        if int(colours) > 1 and len(picture.colours()) < int(colours):
            raise Wrong(f"it has {len(picture.colours())} colours")
        places = {w["buffer"]: (w["left"], w["top"], w["width"], w["height"]) for w in about["windows"]}
        self.pictures[name] = (picture, places)
