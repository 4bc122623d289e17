"""Readers that do not keep up with what is told of a running form: the gateway holds so much and no more,
and what becomes of the stream is always the same."""
import json
import socket

from gate.driver import META, PROGRAMS, Gateway, case, check, message, until

HIGH = 262144 # the setting stream_high
MARK = "the flood is over"


SIZE = 50000 # bytes of a note


def flood(megabytes, then="t", pause=0.004, size=SIZE):
    """A form that tells its client so much, below the function that would say that this is too often, and
    slowly enough for Emacs to get rid of it."""
    return (f"(progn (setq done nil) (dotimes (i {megabytes * 1000000 // size}) (efrit-mcp--mod-note efrit-mcp-tool-job"
            f" (list '(level . \"info\") (cons 'data (concat (number-to-string i) \":\" (make-string {size} ?x))))) (sleep-for {pause}))"
            f" (setq done t) {then} \"{MARK}\")")


def narrow(c):
    """Takes little ahead of its reader."""
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    return c


class Weight:
    """How much a gateway holds more than at first, at most."""

    def __init__(self, g):
        self.g, self.first, self.most = g, g.memory(), 0

    def look(self):
        self.most = max(self.most, self.g.memory() - self.first)

    def until(self, holds, what):
        def looked():
            self.look()
            return holds()
        until(looked, what)


def compare(light, heavy, what):
    """Three times as much to tell does not make it hold more."""
    print(f"{what}: held {light >> 10} KiB and {heavy >> 10} KiB")
    if "san" not in PROGRAMS:
        check(heavy <= light + (2 << 20), what, "holds", heavy, "where it held", light)


def local(g):
    """HTTP over the Unix socket, where the system itself holds little."""
    return g.client(path=g.socket)


def ends(g, c):
    """The gateway has closed the connection; only what asks about it is left."""
    until(lambda: g.health()["connections"] == 1, "the connection is closed")
    c.close()


@case(emacs="first")
def slow_readers():
    """2026-07-28: an event stream with too much unread is closed, and its work is stopped."""
    most = []
    with Gateway(settings={"stream_high": HIGH}) as g:
        g.start_emacs()
        for megabytes in (10, 10, 30): # the first one warms it up
            weight, c = Weight(g), narrow(g.client())
            c.call("efrit_execute", {"content": flood(megabytes, then="(sleep-for 600)"), "timeout": 900}, send_only=True,
                   meta={"io.modelcontextprotocol/logLevel": "info"})
            next(c.stream())
            weight.until(lambda: not g.health()["requests"], "the stream is closed")
            until(lambda: g.state() == "idle", "the work is stopped")
            ends(g, c)
            most.append(weight.most)
        compare(most[1], most[2], "a stream of one request")
        check("does not read its event stream" in g.said(), g.said())
        check(g.value("(+ 1 2)") == "3")


@case(emacs="first")
def slow_sessions():
    """Before: the stream is closed, the work goes on, and who comes back gets what is kept and is told what is not."""
    most = []
    with Gateway(settings={"stream_high": HIGH, "events_bytes": HIGH * 4}) as g:
        g.start_emacs()
        for megabytes in (4, 4, 12):
            with local(g) as d:
                session = d.initialize()
            weight, c = Weight(g), local(g)
            c.legacy(session, "tools/call", {"name": "efrit_execute", "arguments": {"content": flood(megabytes), "timeout": 900}}, send_only=True)
            prime = next(c.stream())
            weight.until(lambda: not g.health()["streams"], "the stream is closed")
            weight.until(lambda: g.state() == "idle", "the work is done")
            check(g.value("done") == "t")
            ends(g, c)
            most.append(weight.most)
            with local(g) as d:
                d.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": session, "Last-Event-ID": prime["id"]}, send_only=True)
                check(d.head()[0] == 200)
                events = list(d.events())
            check(" events were lost" in events[0].get("comment", ""), events[0])
            events = [e for e in events if "comment" not in e]
            numbers = [int(e["id"].split("-")[1]) for e in events]
            check(numbers == list(range(numbers[0], numbers[-1] + 1)), numbers)
            events = [message(e) for e in events]
            check(MARK in events[-1]["result"]["content"][0]["text"], events[-1])
            told = [int(e["params"]["data"].split(":")[0]) for e in events[:-1]]
            check(len(told) > 3 and told == sorted(set(told)), told)
            with local(g) as d:
                check(d.request("DELETE", "/mcp", headers={"Mcp-Session-Id": session}).status == 204)
        compare(most[1], most[2], "a stream of a session")


@case(emacs="first")
def slow_listeners():
    """The stream of a session's own, and the one of 2024-11-05, which ends with it."""
    with Gateway(settings={"stream_high": HIGH, "events_bytes": HIGH}) as g:
        g.start_emacs()
        most = []
        for megabytes in (4, 4, 12):
            with local(g) as d:
                session = d.initialize()
            weight, c = Weight(g), local(g)
            c.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": session}, send_only=True)
            check(c.head()[0] == 200)
            with local(g) as d: # it takes no stream: what is told of it goes to the session's
                d.legacy(session, "tools/call", {"name": "efrit_execute", "arguments": {"content": flood(megabytes), "timeout": 900}},
                         headers={"Accept": "application/json"}, send_only=True)
                weight.until(lambda: not g.health()["streams"], "the stream is closed")
                a = d.answer()
                check(MARK in a.json["result"]["content"][0]["text"], a)
            weight.look()
            ends(g, c)
            most.append(weight.most)
            with local(g) as d:
                check(d.request("DELETE", "/mcp", headers={"Mcp-Session-Id": session}).status == 204)
        compare(most[1], most[2], "a session's own stream")
        most = []
        for megabytes in (4, 4, 12):
            weight, c = Weight(g), local(g)
            c.request("GET", "/sse", headers={"Accept": "text/event-stream"}, send_only=True)
            check(c.head()[0] == 200)
            place = next(c.events())["data"]
            for m in ({"id": 1, "method": "initialize", "params": {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}},
                      {"method": "notifications/initialized"},
                      {"id": 2, "method": "tools/call", "params": {"name": "efrit_execute", "arguments": {"content": flood(megabytes, then="(sleep-for 600)"), "timeout": 900}}}):
                with local(g) as d:
                    check(d.request("POST", place, dict(m, jsonrpc="2.0")).status == 202)
            weight.until(lambda: not g.health()["sessions"], "its session is ended")
            until(lambda: g.state() == "idle", "the work is stopped")
            ends(g, c)
            most.append(weight.most)
        compare(most[1], most[2], "the stream of 2024-11-05")


@case(emacs="first")
def fast_readers():
    """Who reads gets all of it, with the settings as they are."""
    with Gateway() as g:
        g.start_emacs()
        with g.client() as c:
            c.call("efrit_execute", {"content": flood(6, pause=0.004), "timeout": 900}, send_only=True, meta={"io.modelcontextprotocol/logLevel": "info"})
            events = [message(e) for e in c.stream()]
        told = [int(e["params"]["data"].split(":")[0]) for e in events[:-1]]
        check(told == sorted(set(told)) and len(told) > 60, len(told)) # a busy machine may lose some before they are here
        check(MARK in events[-1]["result"]["content"][0]["text"], events[-1])


@case(emacs="first")
def slow_lines():
    """On the Unix socket who does not read misses notes, never an answer."""
    most = []
    with Gateway(settings={"output_high": HIGH}) as g:
        g.start_emacs()
        for megabytes in (4, 4, 12):
            g.value("(setq done nil)")
            weight = Weight(g)
            with g.client(path=g.socket) as c:
                call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "efrit_execute", "arguments": {"content": flood(megabytes), "timeout": 900},
                        "_meta": dict(META, **{"io.modelcontextprotocol/logLevel": "info"})}}
                c.send(json.dumps(call) + "\n")
                weight.until(lambda: g.value("done") == "t", "it is done")
                weight.look() # nothing of it was read yet
                lines = c.sock.makefile()
                said = [json.loads(lines.readline())]
                while "id" not in said[-1]:
                    said.append(json.loads(lines.readline()))
            check(MARK in said[-1]["result"]["content"][0]["text"], said[-1])
            told = [int(s["params"]["data"].split(":")[0]) for s in said[:-1]]
            check(told == sorted(set(told)) and 3 < len(told) < megabytes * 1000000 // SIZE, len(told))
            most.append(weight.most)
        compare(most[1], most[2], "lines")
