"""What all clients have together: one that takes as much as it can leaves room for others."""
import contextlib
import json
import socket

from gate.driver import BOTH, PATIENCE, Client, Gateway, case, check, message, until

CONFIG = {"tokens": "alice=full,bob=full"}


class As:
    """Who asks; each on connections of its own."""

    def __init__(self, g, name):
        self.g, self.bearer = g, {"Authorization": f"Bearer {g.run('token', name).stdout.strip()}"}

    def initialize(self, c):
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}, dict(self.bearer, Accept=BOTH))
        return a.headers.get("mcp-session-id") if a.status == 200 else a

    def alive(self, c, session):
        return c.legacy(session, "ping", headers=self.bearer).status == 200

    def listen(self, c, uris=()):
        c.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True, "resourceSubscriptions": list(uris)}}, headers=self.bearer, send_only=True)

    def call(self, c, tool, arguments):
        a = c.call(tool, arguments, headers=self.bearer).json["result"]
        return a, json.loads(a["content"][0]["text"]) if a["content"][0]["text"].startswith("{") else {}


@case()
def share_of_sessions():
    with Gateway(config=dict(CONFIG, sessions_max=20)) as g, g.client() as c, g.client() as stream:
        alice, bob = As(g, "alice"), As(g, "bob")
        first = alice.initialize(c)
        stream.request("GET", "/mcp", None, dict(alice.bearer, Accept="text/event-stream", **{"Mcp-Session-Id": first}), send_only=True)
        next(stream.stream())
        many = [alice.initialize(c) for _ in range(40)]
        check(all(isinstance(m, str) for m in many), many)
        check(g.health()["sessions"] == 18, g.health()) # nine tenths
        check(not alice.alive(c, many[0]) and alice.alive(c, many[-1]) and alice.alive(c, many[-17]), "which of them are there")
        check(alice.alive(c, first), "one that listens goes after those that do not")
        check(alice.alive(c, many[-16])) # used again: not the next to go
        check(isinstance(alice.initialize(c), str))
        check(alice.alive(c, many[-16]) and not alice.alive(c, many[-15]), "that which was idle for the longest goes")
        his = [bob.initialize(c) for _ in range(10)]
        check(all(isinstance(h, str) for h in his), his)
        check(all(bob.alive(c, h) for h in his) and g.health()["sessions"] == 20, "all of his are there")
        check(alice.alive(c, first))
    with Gateway(config=dict(CONFIG, sessions_max=10, share=20)) as g, contextlib.ExitStack() as stack:
        alice, bob, c = As(g, "alice"), As(g, "bob"), stack.enter_context(g.client())
        for _ in range(2): # both of hers are busy: they carry a stream of 2024-11-05 on which a call waits
            d = stack.enter_context(g.client())
            d.request("GET", "/sse", None, dict(alice.bearer, Accept="text/event-stream"), send_only=True)
            to = next(d.stream())["data"]
            check(to)
            sessions = g.health()["sessions"]
        check(sessions == 2 and isinstance(bob.initialize(c), str))


@case()
def share_of_connections():
    with Gateway(config=dict(CONFIG, conns_max=4)) as g, contextlib.ExitStack() as stack:
        first, *held = [stack.enter_context(g.client()) for _ in range(4)]
        for c in (first, *held):
            check(c.request("GET", "/livez").status == 200)
        with g.client() as c: # another one of the same address
            a = c.answer()
            check(a.status == 503 and a.headers["retry-after"] and c.at_end(), a)
        other = stack.enter_context(Client.__new__(Client))
        other.gateway, other.got = g, b""
        other.sock = socket.create_connection(("127.0.0.1", g.port), PATIENCE, source_address=("127.0.0.2", 0))
        check(other.request("GET", "/livez").status == 200, "a client from elsewhere")
        check(first.at_end(), "the connection that was idle for the longest is closed")
        for c in held:
            check(c.request("GET", "/livez").status == 200)


@case()
def share_of_requests():
    with Gateway(config=dict(CONFIG, conns_max=30)) as g, contextlib.ExitStack() as stack:
        alice, bob = As(g, "alice"), As(g, "bob")
        for _ in range(27):
            c = stack.enter_context(g.client())
            alice.listen(c)
            next(c.stream())
        for ask in (lambda c: c.modern("tools/list", headers=alice.bearer), lambda c: c.request("GET", "/api/v1/tools", headers=alice.bearer)):
            with g.client() as c:
                a = ask(c)
                check(a.status == 429 and a.headers["retry-after"] and "share" in a.body.decode(), a)
            with g.client() as c:
                check(c.modern("tools/list", headers=bob.bearer).status == 200, "there is room for others")
                check(c.request("GET", "/livez").status == 200)
        stack.pop_all().close()
        until(lambda: g.health()["streams"] == 0, "the streams are gone")
        with g.client() as c:
            check(c.modern("tools/list", headers=alice.bearer).status == 200)


@case()
def share_of_subscriptions():
    """Whatever sessions and streams they are in."""
    with Gateway(config=dict(CONFIG, subscriptions_max=5)) as g, contextlib.ExitStack() as stack:
        alice, bob = As(g, "alice"), As(g, "bob")

        def listens(who, *uris):
            c = stack.enter_context(g.client())
            who.listen(c, uris)
            status, headers = c.head()
            if headers["content-type"] == "text/event-stream":
                return message(next(e for e in c.events() if "comment" not in e))["method"].endswith("acknowledged")
            check(status == 429, status)
            return False
        check(listens(alice, "emacs://a", "emacs://b", "emacs://c") and listens(alice, "emacs://a", "emacs://d"))
        check(not listens(alice, "emacs://e"), "more than she may have")
        check(listens(bob, "emacs://a", "emacs://b", "emacs://c", "emacs://d", "emacs://e"))


@case(emacs="first")
def share_of_what_is_kept():
    with Gateway(config=dict(CONFIG, batches_max=10, large_count=10, large_min=300000)) as g, g.client() as c:
        g.start_emacs()
        alice, bob = As(g, "alice"), As(g, "bob")
        batch = {"forms": ["1"], "keep": True}
        for i in range(10):
            a, said = alice.call(c, "efrit_execute_batch", batch)
            check(bool(a.get("isError")) == (i == 9), i, a)
        check(said["error_code"] == "too_many_jobs" and "this client" in said["error"], said)
        check(not bob.call(c, "efrit_execute_batch", batch)[0].get("isError"))
        long = {"content": "(make-string 400000 ?x)", "max_chars": 500000}
        for i in range(10):
            a, said = alice.call(c, "efrit_execute", long)
            check(bool(a.get("isError")) == (i == 9), i, a)
        check(said["error_code"] == "no_room" and "this client" in said["error"], said)
        check(not bob.call(c, "efrit_execute", long)[0].get("isError"))
