"""A client of the wire (module/wire/WIRE.md), for tests that speak to the module
without the bridge."""
import json
import os
import re
import socket
import struct

import patience

HELLO, PING, STATUS, CALL, CANCEL, INTERRUPT, CREDIT, CATALOGUE = range(1, 9)
WELCOME, PONG, STATE, RESULT, INTERRUPTED, TOOLS = 0x41, 0x42, 0x43, 0x44, 0x46, 0x48
REFUSED, CHANGED, GOODBYE = 0x50, 0x51, 0x52
MORE, FAILED = 1, 2
HEADER = struct.Struct(">IBBBBQ")
with open(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "module/wire/wire.h")) as _header:
    VERSION = int(re.search(r"WIRE_VERSION = (\d+)", _header.read()).group(1))


def frame(kind, ident, payload=b"", flags=0, version=VERSION, magic=0xEF):
    return HEADER.pack(len(payload), magic, version, kind, flags, ident) + payload


class Peer:
    """One connection.  Every wait ends after TIMEOUT seconds, which stretch with the load, with an exception."""

    def __init__(self, path, hello=True, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.timeout = timeout
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.bytes = b""
        self.last = 0
        if hello:
            self.send(HELLO, 0, json.dumps({"version": "test", "pid": os.getpid(), "client": "test"}).encode())
            self.welcome = json.loads(self.take()[3])

    def send(self, kind, ident, payload=b"", flags=0):
        self.socket.sendall(frame(kind, ident, payload, flags))

    def take(self):
        """The next frame: (type, flags, id, payload).  EOFError when the peer closed."""
        while True:
            if len(self.bytes) >= HEADER.size:
                size, _, _, kind, flags, ident = HEADER.unpack_from(self.bytes)
                if len(self.bytes) >= HEADER.size + size:
                    payload = self.bytes[HEADER.size : HEADER.size + size]
                    self.bytes = self.bytes[HEADER.size + size :]
                    return kind, flags, ident, payload
            more = self.receive()
            if not more:
                raise EOFError("the module closed the connection")
            self.bytes += more

    def receive(self):
        limit = patience.Limit(self.timeout)
        while True:
            try:
                return self.socket.recv(1 << 20)
            except TimeoutError:
                if limit.over():
                    raise

    def call(self, form, timeout_ms=0, priority=1, tool="efrit_execute", **arguments):
        """Sends a CALL, returns its id.  Its time counts from the begin of the form (flag 2)."""
        self.last += 1
        if tool == "efrit_execute":
            arguments["content"] = form
        name, client = tool.encode(), b"test"
        head = struct.pack(">IBBHH", timeout_ms, priority, 2, len(name), len(client))
        self.send(CALL, self.last, head + name + client + json.dumps(arguments).encode())
        return self.last

    def answer(self, ident):
        """The answer to the CALL, as the object in its text; other frames are dropped."""
        whole = b""
        while True:
            kind, flags, got, payload = self.take()
            if got != ident or kind not in (RESULT, REFUSED):
                continue
            if kind == REFUSED:
                return dict(json.loads(payload), refused=True)
            whole += payload
            if flags & MORE:
                self.send(CREDIT, ident, struct.pack(">I", len(payload)))
                continue
            result = json.loads(whole)
            return json.loads(result["content"][0]["text"])

    def eval(self, form, timeout_ms=0, **arguments):
        return self.answer(self.call(form, timeout_ms, **arguments))

    def status(self):
        self.send(STATUS, 999999)
        while True:
            kind, _, _, payload = self.take()
            if kind == STATE:
                return json.loads(payload)

    def close(self):
        self.socket.close()
