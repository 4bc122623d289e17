"""Who may less after a reload: what was begun with more ends at once, and says so."""
import os

from gate.driver import BOTH, Gateway, case, check, message, until

WHY = "other rights now"
CONFIG = {"tokens": "bob=full,eve=full"}


class Visit:
    """Everything that one token can have open."""

    def __init__(self, g, name):
        self.g = g
        self.bearer = {"Authorization": f"Bearer {g.run('token', name).stdout.strip()}" if name else f"Bearer {g.token}"}
        self.clients = [g.client() for _ in range(5)]
        self.listening, self.own, self.running, self.older, self.other = self.clients
        self.listening.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["emacs://buffers"]}},
                              headers=self.bearer, send_only=True)
        self.listened = self.listening.stream()
        check(message(next(self.listened))["method"].endswith("acknowledged"))
        self.session = self.other.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}, dict(self.bearer, Accept=BOTH)).headers["mcp-session-id"]
        self.own.request("GET", "/mcp", None, dict(self.bearer, Accept="text/event-stream", **{"Mcp-Session-Id": self.session}), send_only=True)
        self.own_stream = self.own.stream()
        next(self.own_stream)

    def call(self, mark):
        """One in each dialect, which would run for long."""
        begun, over = mark_of(self.g, mark), mark_of(self.g, mark + "-over")
        form = {"content": f"(progn {write(begun)} (sleep-for 60) {write(over)})", "timeout": 100}
        self.running.call("efrit_execute", form, headers=dict(self.bearer, Accept="application/json"), send_only=True)
        until(lambda: os.path.exists(begun), "the form")
        self.older.legacy(self.session, "tools/call", {"name": "efrit_execute", "arguments": dict(form, content=write(mark_of(self.g, "never")))},
                          headers=dict(self.bearer, Accept="application/json"), send_only=True)

    def ended(self):
        list(self.listened) # it has an end
        check(list(self.own_stream) == [], "the stream of the session goes on")
        a = self.other.legacy(self.session, "tools/list", headers=self.bearer)
        check(a.status in (401, 404), a)

    def goes_on(self):
        a = self.other.legacy(self.session, "ping", headers=self.bearer)
        check(a.status == 200, a)

    def close(self):
        for c in self.clients:
            c.close()


def mark_of(g, name):
    return os.path.join(g.base, "mark-" + name)


def write(path):
    return f'(write-region "1" nil "{path}" nil 0)'


def told(c):
    a = c.answer()
    check(WHY in a.body.decode(), a)
    return a


@case(emacs="first")
def revoked():
    with Gateway(config=CONFIG) as g:
        g.start_emacs()
        bob, eve, main = Visit(g, "bob"), Visit(g, "eve"), Visit(g, None)
        a = bob.other.call("efrit_execute_batch", {"forms": [write(mark_of(g, "batch")), "(sleep-for 60)"], "keep": True, "order": "sequential"}, headers=bob.bearer)
        check(not a.json["result"].get("isError"), a)
        until(lambda: os.path.exists(mark_of(g, "batch")), "the batch")
        g.reload({"tokens": "eve=full"}) # bob is nobody any more
        bob.ended()
        until(lambda: g.state() == "idle", "the end of the batch")
        bob.close()
        eve.goes_on()
        main.goes_on()

        eve.call("mark")
        half = g.client() # a body that is on its way
        half.send(f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: {eve.bearer['Authorization']}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode())
        until(lambda: g.health()["requests"] >= 5, "the body")
        g.reload({"tokens": "eve=look"}) # narrower
        check("may have run" in told(eve.running).body.decode())
        told(eve.older)
        check(told(half).status == 401)
        half.close()
        eve.ended()
        eve.close()
        until(lambda: g.state() == "idle", "the end of the form")
        check(not os.path.exists(mark_of(g, "mark-over")) and not os.path.exists(mark_of(g, "never")), "it ran on")
        main.goes_on()

        eve = Visit(g, "eve")
        g.reload({"tokens": "eve=full"}) # wider: nothing ends
        eve.goes_on()
        eve.call("mark2")
        path = os.path.join(g.base, "home/.local/state/efrit-mcp/token-eve")
        os.unlink(path)
        check(g.run("token", "eve").stdout.strip() not in eve.bearer["Authorization"])
        g.reload({"tokens": "eve=full"}) # another token of the same name
        told(eve.running)
        eve.ended()
        eve.close()
        until(lambda: g.state() == "idle", "the end of the form")
        main.goes_on()

        g.reload({"tokens": "eve=full", "profile": "look"}) # what all have who have no profile of their own
        main.ended()
        main.close()
        g.reload({"tokens": "eve=full"})
        check(g.health()["sessions"] == 0, g.health())
