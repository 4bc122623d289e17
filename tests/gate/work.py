"""With an Emacs behind."""
import json
import signal
import subprocess
import threading

from gate.driver import BRIDGE, META, PATIENCE, PROGRAMS, Gateway, case, check, message, until


# --- with an Emacs ---

@case(emacs=True)
def calls():
    with Gateway() as g:
        g.start_emacs()
        with g.client() as c:
            a = c.call("efrit_execute", {"content": "(+ 1 2)"})
            check(a.headers["content-type"] == "application/json", a)
            check(json.loads(a.json["result"]["content"][0]["text"])["result"] == "3", a)
            a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "(error \"no\")"})
            check(a.status == 422 and a.json["isError"], a)
            a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "(while t)", "timeout": 1})
            check(a.status == 504, a)
            a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "1", "instance_id": "none"})
            check(a.status == 404, a)
            s = c.initialize()
            a = c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(* 6 7)"}})
            check(json.loads(a.json["result"]["content"][0]["text"])["result"] == "42" and "resultType" not in a.json["result"], a)
        # the same id on many connections of one session at once: each gets its own
        answers = {}

        def ask(n):
            with g.client() as d:
                a = d.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": f"(progn (sleep-for 0.01) {n})"}})
                answers[n] = json.loads(a.json["result"]["content"][0]["text"])["result"]
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(answers == {n: str(n) for n in range(20)}, answers)


@case(emacs=True)
def too_many_calls():
    with Gateway(settings={"calls_max": 1}) as g:
        g.start_emacs()
        with g.client() as c, g.client() as d:
            c.call("efrit_execute", {"content": "(progn (sleep-for 0.5) 'first)"}, send_only=True)
            with g.client(path=g.socket) as e: # another principal has its own count
                until(lambda: b"running" in e.request("POST", "/api/v1/tools/efrit_status", {}, token=False).body, "it runs")
            a = d.call("efrit_execute", {"content": "1"})
            check(a.status == 429 and a.code() == -32603 and a.headers["retry-after"], a)
            check(d.request("POST", "/api/v1/tools/efrit_execute", {"content": "1"}).status == 429)
            check(b"first" in c.answer().body)
            check(d.call("efrit_execute", {"content": "1"}).status == 200)


@case(emacs=True)
def leaving():
    """In 2026-07-28 a client that leaves stops the work; before it does not."""
    with Gateway(settings={"progress_interval": 50}) as g:
        g.start_emacs()

        def running():
            return g.state() == "running"
        for how in ("json", "stream", "api"):
            g.value("(setq done nil)")
            c = g.client()
            arguments = {"content": "(progn (sleep-for 20) (setq done t))"}
            if how == "api":
                c.request("POST", "/api/v1/tools/efrit_execute", arguments, send_only=True)
            else:
                c.call("efrit_execute", arguments, send_only=True, meta={"progressToken": 1} if how == "stream" else None)
            if how == "stream":
                events = c.stream()
                first, second = message(next(events)), message(next(events))
                check(first["method"] == "notifications/progress" and first["params"]["progress"] < second["params"]["progress"], first)
            until(running, "it runs")
            c.vanish() if how == "json" else c.close()
            until(lambda: g.state() == "idle", "the work has stopped")
            check(g.value("done") == "nil", how)
        with g.client() as c:
            s = c.initialize()
        c = g.client()
        c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(progn (sleep-for 0.5) (setq done 'yes))"}}, send_only=True)
        until(running, "it runs")
        c.vanish()
        until(lambda: g.state() == "idle", "it is done")
        check(g.value("done") == "yes")
        # but it can be cancelled
        with g.client() as c, g.client() as d:
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(sleep-for 20)"}}, id="slow", send_only=True)
            until(running, "it runs")
            check(d.legacy(s, "notifications/cancelled", {"requestId": "slow"}, id=None).status == 202)
            check(c.answer().status == 202)
            until(lambda: g.state() == "idle", "it is stopped")
        with g.client() as c, g.client() as d: # and ends with its session
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(sleep-for 20)"}}, id="slow", send_only=True)
            until(running, "it runs")
            check(d.request("DELETE", "/mcp", headers={"Mcp-Session-Id": s}).status == 204)
            a = c.answer()
            check("ended" in a.json["error"]["message"], a)
            until(lambda: g.state() == "idle", "it is stopped")


@case(emacs=True)
def resuming():
    with Gateway(settings={"progress_interval": 50, "stream_retry": 30}) as g:
        g.start_emacs()
        with g.client() as c:
            s = c.initialize()

        def slow(c, form, id=1):
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": form}, "_meta": {"progressToken": "p"}}, id=id, send_only=True)
            return c.stream()

        def back(c, event):
            c.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": s, "Last-Event-ID": event}, send_only=True)
            return c.stream()
        with g.client() as c, g.client() as other:
            events = slow(c, "(progn (sleep-for 0.8) 'result-one)")
            prime = next(events)
            check(prime["data"] == "" and prime["retry"] == "30" and prime["id"], prime)
            seen = next(events)
            check(message(seen)["method"] == "notifications/progress", seen)
            theirs = slow(other, "(progn 'result-two)", id=2)
            c.vanish()
            with g.client() as d: # while it still runs
                rest = list(back(d, seen["id"]))
            check(all(int(e["id"].split("-")[1]) > int(seen["id"].split("-")[1]) for e in rest), rest)
            check("result-one" in rest[-1]["data"] and message(rest[-1])["id"] == 1, rest)
            check("result-two" not in json.dumps(rest))
            with g.client() as d: # after it has ended, from its beginning
                again = list(back(d, prime["id"]))
            check(again[-1] == rest[-1] and again[0]["id"] == seen["id"], again)
            check("result-two" in list(theirs)[-1]["data"])
    # the server may end a stream to be asked again
    with Gateway(settings={"stream_after": 20, "stream_poll": 50}) as g:
        g.start_emacs()
        with g.client() as c:
            s = c.initialize()
        with g.client() as c:
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(progn (sleep-for 0.6) 'later)"}}, send_only=True)
            seen = list(c.stream())
            check(len(seen) == 1 and seen[0]["data"] == "", seen)
            found = []
            while not found:
                with g.client() as d:
                    d.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": s, "Last-Event-ID": seen[0]["id"]}, send_only=True)
                    found = [e for e in d.stream() if e["data"]]
            check("later" in found[0]["data"], found)
        with g.client() as c: # clients before 2025-11-25 are not primed
            s = c.initialize("2025-06-18")
            c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": {"content": "(progn (sleep-for 0.3) 'old)"}}, send_only=True)
            events = list(c.stream())
            check(len(events) == 1 and "old" in events[0]["data"] and events[0]["id"], events)


@case(emacs=True)
def changes():
    """What belongs to no request goes to one stream: of the session, or of the subscription."""
    changed = "notifications/tools/list_changed"
    with Gateway(settings={"list_changed_delay": 20}) as g:
        g.start_emacs()

        def define(n):
            g.value(f"(progn (efrit-mcp-define-tool more-{n} \"More.\" () () {n}) t)")

        def own(c, event=None):
            c.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": s, "Last-Event-ID": event}, send_only=True)
            return (e for e in c.stream() if e["data"])
        with g.client() as c:
            s = c.initialize()
            check(c.legacy(s, "tools/list").status == 200) # waits until Emacs has told what it has
        with g.client() as c, g.client() as d:
            theirs = own(c)
            d.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id="L", send_only=True)
            listened = d.stream()
            next(listened)
            define(1)
            event = next(theirs)
            check(message(event)["method"] == changed and event["id"], event)
            note = message(next(listened))
            check(note["method"] == changed and note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "L", note)
            a = g.get("/api/v1/tools")
            check("more_1" in a.body.decode())
        until(lambda: not g.health()["streams"], "nobody looks")
        define(2) # while nobody looks: it is told once, to the first who does
        until(lambda: "more_2" in g.get("/api/v1/tools").body.decode(), "the tool")
        with g.client() as c:
            second = next(own(c))
            check(message(second)["method"] == changed and second["id"] != event["id"], second)
        until(lambda: not g.health()["streams"], "nobody looks")
        with g.client() as c: # and again to who has missed it
            check(next(own(c, event["id"])) == second)
        until(lambda: not g.health()["streams"], "nobody looks")
        with g.client() as c:
            again = own(c)
            define(3)
            check(next(again)["id"] not in (event["id"], second["id"]))


@case(emacs=True)
def large_results():
    size = 15 * 1000 * 1000
    form = {"content": f"(make-string {size} ?x)", "max_chars": size + 100, "timeout": 60}
    with Gateway(settings={"large_min": 0, "stream_after": 0}) as g:
        g.start_emacs()
        g.value("1")
        before = g.memory()
        for how in ("json", "stream", "api", "session"):
            with g.client() as c:
                if how == "api":
                    c.request("POST", "/api/v1/tools/efrit_execute", form, send_only=True)
                elif how == "session":
                    s = c.initialize()
                    c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": form}, send_only=True)
                else:
                    c.call("efrit_execute", form, send_only=True, headers={"Accept": "text/event-stream"} if how == "stream" else None)
                status, headers = c.head()
                check(status == 200 and headers.get("transfer-encoding") == "chunked", status, headers, c.got)
                most, text = 0, []
                while True: # a slow reader, at first
                    piece = c.chunk()
                    if not piece:
                        break
                    text.append(piece)
                    if len(text) % 50 == 1:
                        most = max(most, g.memory() - before)
                text = b"".join(text)
                if how == "stream":
                    text = text.split(b"data: ", 1)[1]
                value = json.loads(text)
                value = value if how == "api" else value["result"]
                check(json.loads(value["content"][0]["text"])["result"].count("x") == size, how, "is not whole")
                if "san" not in PROGRAMS:
                    check(most < 8 << 20, how, "the gateway held", most, "bytes")
        # the client goes in the middle
        for how in range(2):
            c = g.client()
            if how:
                s = c.initialize()
                c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": form}, send_only=True)
            else:
                c.call("efrit_execute", form, send_only=True)
            c.head()
            c.chunk()
            c.vanish()
            until(lambda: g.state() == "idle", "Emacs is idle")
        until(lambda: not g.health()["requests"], "nothing is left")
        check(g.value("(+ 1 1)") == "2")
    with Gateway(settings={"write_timeout": 200}) as g: # one that never reads is dropped
        g.start_emacs()
        c = g.client()
        c.call("efrit_execute", form, send_only=True)
        until(lambda: g.health()["requests"] == 1, "it is asked")
        until(lambda: not g.health()["requests"] and g.state() == "idle", "it is dropped")
        c.close()


@case(emacs=True)
def draining():
    with Gateway(settings={"drain_timeout": 20000}) as g: # what runs may finish
        g.start_emacs()
        c, d = g.client(), g.client()
        c.call("efrit_execute", {"content": "(progn (sleep-for 1) 'finished)"}, send_only=True)
        until(lambda: g.state() == "running", "it runs")
        d.request("GET", "/livez")
        g.process.send_signal(signal.SIGTERM)
        a = c.answer()
        check(b"finished" in a.body and a.closed, a)
        check(g.process.wait(PATIENCE) == 0)
        subprocess.run([BRIDGE, "call", "efrit_stop_instance", '{"instance_id":"main","force":true}'], env=g.env, check=True, capture_output=True)
        g.instance = None
    with Gateway(settings={"drain_timeout": 100}) as g: # or is stopped, and everybody is told
        g.start_emacs()
        form = {"content": "(sleep-for 30)"}
        c, d, e, f = g.client(), g.client(), g.client(), g.client(path=g.socket)
        s = d.initialize()
        c.call("efrit_execute", form, send_only=True)
        until(lambda: g.state() == "running", "it runs")
        others = [g.client() for _ in range(3)]
        for n, client in enumerate([d, *others]):
            client.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": form}, id=n, send_only=True)
        e.request("POST", "/api/v1/tools/efrit_execute", form, send_only=True)
        f.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "efrit_execute", "arguments": form, "_meta": META}}) + "\n")
        until(lambda: g.health()["services"][0]["flying"] == 7, "all fly")
        g.process.send_signal(signal.SIGTERM)
        for client in (c, d, *others):
            a = client.answer()
            check(a.code() == -32603 and "ended" in a.json["error"]["message"], a)
        check(e.answer().status == 503)
        check(json.loads(f.sock.makefile().readline())["error"]["code"] == -32603)
        check(g.process.wait(PATIENCE) == 0)
        until(lambda: '"idle"' in subprocess.run([BRIDGE, "call", "efrit_status"], env=g.env, capture_output=True, text=True, check=True).stdout,
              "Emacs is idle")
        subprocess.run([BRIDGE, "call", "efrit_stop_instance", '{"instance_id":"main","force":true}'], env=g.env, check=True, capture_output=True)
        g.instance = None


@case(emacs=True)
def many_at_once():
    with Gateway() as g:
        g.start_emacs()
        r = g.run("load-test", "1000", "5000", "--listen", f"127.0.0.1:{g.port}")
        check(r.returncode == 0, r)
        report = json.loads(r.stdout)
        check(report["requests"] == 5000 and report["answered"] == 5000 and report["failed"] == 0 and report["connections"] == 1000, report)
        print(r.stdout)
        g.alive()
