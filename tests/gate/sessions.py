"""Streams of sessions while their clients come, go, come back, or do not read."""
import json
import re
import socket

from gate.driver import BOTH, Gateway, Wrong, case, check, until

AGAIN = {"Accept": "text/event-stream"}


def long_call(c, session, form, **more):
    c.legacy(session, "tools/call", {"name": "efrit_execute", "arguments": {"content": form, "max_chars": 16000000}, "_meta": {"progressToken": 1}},
             id=7, send_only=True, **more)


@case(emacs="first")
def session_streams():
    """A stream that began with something told stays open until the answer, however long that takes."""
    with Gateway(settings={"stream_after": 100}) as g:
        g.start_emacs()
        for version in ("2025-03-26", "2025-06-18", "2025-11-25"):
            with g.client() as c:
                long_call(c, c.initialize(version), '(progn (efrit-mcp-report-progress 1 2 "half") (sleep-for 0.5) (quote answer))')
                told = [json.loads(e["data"]) for e in c.stream() if e.get("data", "").strip()]
                check(told and told[-1].get("id") == 7 and "answer" in json.dumps(told[-1]), version, told)


def begin_long(g, c, session, size):
    """The result of the call is on its way on C; the id of the last event before it."""
    long_call(c, session, f"(progn (efrit-mcp-report-progress 1 2 \"half\") (make-string {size} ?x))")
    seen = b""
    while b'"id":7' not in seen:
        piece = c.sock.recv(512)
        check(piece, "the connection ended:", seen)
        seen += piece
    return re.findall(rb"id: (\d+-\d+)", seen)[-1].decode()


def resume(c, session, last):
    c.request("GET", "/mcp", headers=dict(AGAIN, **{"Mcp-Session-Id": session, "Last-Event-ID": last}), send_only=True)


@case(emacs="first")
def session_taken_over():
    """A client comes back while its first connection seems open: the call is answered, once, and nothing is left."""
    with Gateway(settings={"large_min": 0}) as g:
        g.start_emacs()
        with g.client() as first, g.client() as second, g.client() as third:
            first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            session = first.initialize()
            last = begin_long(g, first, session, 12000000)
            resume(second, session, last)
            told = [json.loads(e["data"]) for e in second.stream() if e.get("data", "").strip()]
            check([t["id"] for t in told if "id" in t] == [7], str(told)[:500])
            until(lambda: g.health()["requests"] == 0, "no request is left")
            check(third.legacy(session, "ping").json["result"] == {})


@case(emacs="first")
def session_ended():
    """A session is ended while one stream of it is looked at again and another one is under way."""
    with Gateway(settings={"large_min": 0}) as g:
        g.start_emacs()
        with g.client() as first, g.client() as second, g.client() as third, g.client() as last:
            first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            session = first.initialize()
            event = begin_long(g, first, session, 12000000)
            third.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            third.legacy(session, "tools/call", {"name": "efrit_execute", "arguments": {"content": f"(make-string {16000000} ?y)", "max_chars": 16000000}},
                         id=8, headers={"Accept": "application/json"}, send_only=True)
            third.sock.recv(200)
            resume(second, session, event)
            check(last.request("DELETE", "/mcp", headers={"Mcp-Session-Id": session}).status == 204)
            until(lambda: g.health()["requests"] == 0, "no request is left")
            check(last.legacy(session, "ping").status == 404)
            check(g.value("(+ 1 2)") == "3")


@case()
def session_without_id():
    """What nobody would be told of is not opened."""
    with Gateway(settings={"sessions_max": 2}) as g:
        for _ in range(4):
            with g.client() as c:
                a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "method": "initialize", "params": {
                    "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}, {"Accept": BOTH})
                check(a.status == 400 and "Mcp-Session-Id" in a.body.decode(), a)
        check(g.health()["sessions"] == 0)
        with g.client() as c:
            c.initialize()


@case(emacs="first")
def changes_not_read():
    """Changes that a client does not read are told once, when it reads again; what is held for it has a bound."""
    with Gateway(settings={"output_high": 65536, "large_min": 0}) as g:
        g.start_emacs()
        with socket.socket(socket.AF_UNIX) as k:
            k.settimeout(30)
            k.connect(g.socket)
            f = k.makefile("rwb")

            def say(**message):
                f.write((json.dumps(dict(message, jsonrpc="2.0")) + "\n").encode())
                f.flush()

            def hear(wanted):
                while True:
                    line = f.readline()
                    if not line:
                        raise Wrong("the conversation ended")
                    if wanted(json.loads(line)):
                        return json.loads(line)
            say(id=1, method="initialize", params={"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}})
            hear(lambda m: m.get("id") == 1)
            say(method="notifications/initialized")
            for i in range(2):
                say(id=10 + i, method="resources/subscribe", params={"uri": f"emacs://{['buffers', 'windows'][i]}"})
                check("result" in hear(lambda m: m.get("id") == 10 + i))
            before = g.memory()
            for _ in range(3):
                g.value('(dotimes (i 20000) (efrit-mcp-resource-updated "emacs://buffers") (efrit-mcp-resource-updated "emacs://windows")'
                        " (when (zerop (% i 100)) (sleep-for 0.001)))")
            grown = g.memory() - before
            check(grown < 4 << 20, "the gateway holds", grown)
            g.value('(efrit-mcp-resource-updated "emacs://buffers")')
            say(id=99, method="ping")
            count = [0]

            def counted(m):
                count[0] += m.get("method") == "notifications/resources/updated"
                return m.get("id") == 99
            hear(counted)
            check(2 <= count[0] < 20000, count)
