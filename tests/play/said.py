"""What the client and the bridge say in a talk: requests sent, messages awaited, their texts looked at."""
import itertools
import json
import os
import re
import time

import patience

from .part import SHOWN, Wrong, contains, duration, pointer, unbytes, unquote


class Steps:
    """The part of a talk that is about messages."""

    def send(self, data):
        program = self.bridge()
        self.tell(f"{program.name} C>", data[:-1] if data.endswith(b"\n") else data)
        fd = program.process.stdin.fileno()
        os.set_blocking(fd, False)
        view = memoryview(data)
        limit = patience.Limit(self.patience)
        while view:
            if limit.over():
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

    def do_call(self, rest):
        number, tool, *arguments = rest.split(None, 2)
        number = int(number) if number.isdigit() else number
        self.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {
            "name": tool, "arguments": json.loads(arguments[0]) if arguments else {}}}).encode() + b"\n")

    def do_raw(self, rest):
        match = re.fullmatch(r'(".*")(?:\s*\*\s*(\d+))?', rest)
        self.send(unbytes(match[1]) * int(match[2] or 1))

    def do_take(self, rest):
        name, where = rest.split()
        try:
            value = pointer(self.bridge().last[1], where)
        except (KeyError, IndexError, TypeError):
            raise Wrong(f"there is no {where} in {self.bridge().last[0].decode()[:SHOWN]}") from None
        self.variables[name] = value if isinstance(value, str) else json.dumps(value)

    def do_keep(self, rest):
        name, where = rest.split()
        try:
            self.variables[name] = str(pointer(self.last_json(), where))
        except (KeyError, IndexError, TypeError):
            raise Wrong(f"there is no {where} in {self.last_text()[:SHOWN]}") from None

    def do_sees(self, name):
        limit = patience.Limit(self.patience)
        for i in itertools.count():
            self.do_call(f"sees-{i} efrit_list_instances")
            self.next_message(f"sees-{i}")
            if any(each["id"] == name and each["state"] not in ("gone", "starting") for each in self.last_json()["instances"]):
                return
            if limit.over():
                raise Wrong(f"the bridge does not see {name}: {self.last_text()[:SHOWN]}")
            self.turn(0.02)

    def do_until(self, rest):
        tool, arguments, part = rest.split(None, 2)
        limit = patience.Limit(self.patience)
        for i in itertools.count():
            self.do_call(f"until-{i} {tool} {arguments}")
            self.next_message(f"until-{i}")
            wrong = contains(json.loads(part), self.last_json())
            if not wrong:
                return
            if limit.over():
                raise Wrong(wrong)
            self.turn(0.02)

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
