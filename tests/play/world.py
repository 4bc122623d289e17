"""What else there is while a talk is played: files, folders, and sockets that are none of ours."""
import os
import re
import shlex
import shutil
import socket

from .part import Skip, Wrong, unbytes, unquote
from .programs import ROOT


class Steps:
    """The part of a talk that is about files and sockets."""

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

    def do_needs(self, rest):
        if rest == "root" and os.geteuid() != 0:
            raise Skip("it needs root")
        if rest.startswith("file "):
            if not os.path.exists(rest[5:]):
                raise Skip(f"there is no {os.path.relpath(rest[5:], ROOT)}: tests/deps.sh test fetches it")
        elif rest != "root" and not shutil.which(rest):
            raise Skip(f"there is no {rest} here")
