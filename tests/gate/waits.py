"""A time-out bounds the whole call by every door, waits included: nothing runs that was answered before."""
import json
import os
import threading

from gate.driver import META, case, check, until
from gate.fleet import Fleet, together, write
from gate.link import Agent

SHORT, LONG = 0.5, 500


def text(answer):
    check("result" in answer, answer)
    return json.loads(answer["result"]["content"][0]["text"])


def messages(a):
    """The answers in A, which is JSON or a stream of events."""
    check(a.status == 200, a)
    if a.headers["content-type"] != "text/event-stream":
        return a.json if isinstance(a.json, list) else [a.json]
    said = [json.loads(line[5:]) for line in a.body.decode().split("\n") if line.startswith("data:") and line[5:].strip()]
    return [m for one in said for m in (one if isinstance(one, list) else [one]) if "id" in m]


def modern(g, arguments):
    with g.client() as c:
        return text(*messages(c.call("efrit_execute", arguments)))


def by_socket(g, arguments):
    with g.client(path=g.socket) as c:
        return text(*messages(c.call("efrit_execute", arguments)))


def legacy(g, arguments):
    with g.client() as c:
        return text(*messages(c.legacy(c.initialize(), "tools/call", {"name": "efrit_execute", "arguments": arguments})))


def plain(g, arguments):
    return g.text("efrit_execute", arguments)


def lines(g, arguments):
    with g.client(path=g.socket) as c:
        c.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                           "params": {"name": "efrit_execute", "arguments": arguments, "_meta": META}}) + "\n")
        with c.sock.makefile() as f:
            return text(json.loads(f.readline()))


def bridge(g, arguments):
    with Agent(g.env) as a:
        a.sees()
        return a.json("efrit_execute", arguments)


GATEWAY = (modern, by_socket, legacy, plain, lines)
ROADS = (*GATEWAY, bridge)


def members(g, *all_arguments):
    """Members of one batch of JSON-RPC, and what each of them is told."""
    with g.client() as c:
        session = c.initialize("2025-03-26")
        a = c.request("POST", "/mcp", [{"jsonrpc": "2.0", "id": i, "method": "tools/call", "params": {"name": "efrit_execute", "arguments": one}}
                                       for i, one in enumerate(all_arguments)], {"Accept": "application/json, text/event-stream", "Mcp-Session-Id": session})
        return [text(one) for one in sorted(messages(a), key=lambda one: one["id"])]


def form(mark, where, timeout):
    return {"content": f"(push '{mark} ran)", "timeout": timeout, "instance_id": where, "observe": "none"}


class Late:
    """Calls that wait by every road, longer than others; none may be answered before those."""

    def __init__(self, g, where, roads):
        self.said, self.threads, self.roads = {}, [], roads
        for road in roads:
            t = threading.Thread(target=lambda road=road: self.said.update({road.__name__: road(g, form(f"late-{road.__name__}", where, LONG))}))
            t.start()
            self.threads.append(t)

    def end(self, g, where):
        """Each is done, and nothing else is."""
        for t in self.threads:
            t.join()
        check(all(self.said.get(road.__name__, {}).get("status") == "success" for road in self.roads), self.said)
        ran = g.good("ran", where).strip("()").split()
        check(sorted(ran) == sorted(f"late-{road.__name__}" for road in self.roads), ran)


def shorts(g, where, late):
    """By the same roads: answered before, with why, and that it did not run."""
    def one(road):
        return lambda: road(g, form(f"short-{road.__name__}", where, SHORT))
    answers = together(lambda: members(g, form("first", where, SHORT), form("second", where, 2 * SHORT)), *map(one, late.roads))
    for name, said in zip(["first", "second", *(road.__name__ for road in late.roads)], [*(answers[0] or [None, None]), *answers[1:]]):
        check(said and said.get("error_code") in ("not_responding", "queue_timeout") and said["may_have_run"] is False and "did not run" in said["error"], name, said, g.said())
    check(not late.said, "a later one was answered first", late.said)


@case(emacs="first")
def waits_for_one_that_is_blocked():
    with Fleet(config={"instances": {"main": {"auto_start": True}}}) as g:
        g.up()
        flag, blocked = os.path.join(g.base, "go"), os.path.join(g.base, "blocked")
        g.good("(defvar ran nil)", "main")
        g.good('(progn (run-with-timer 0 nil (lambda () (let ((inhibit-quit t) (create-lockfiles nil)) '
               f'(write-region "x" nil "{blocked}" nil \'quiet) '
               f'(call-process "sh" nil nil nil "-c" "while ! [ -e {flag} ]; do sleep 0.1; done")))) t)', "main")
        until(lambda: os.path.exists(blocked), "it is blocked")
        late = Late(g, "main", ROADS)
        try:
            until(lambda: g.text("efrit_get_queue_stats", {"instance_id": "main"})["pending"] >= len(ROADS), "all wait")
            shorts(g, "main", late)
        finally:
            write(flag, "")
        late.end(g, "main")


@case(emacs="first")
def waits_for_one_that_starts():
    """A declared Emacs whose start does not end: a call that names it is answered at its time."""
    with Fleet(config="{}", settings={"start_timeout": 600}) as g:
        flag, pid = os.path.join(g.base, "go"), os.path.join(g.base, "pid")
        init = write(os.path.join(g.base, "init.el"), '(defvar ran nil)\n(let ((create-lockfiles nil)) '
                     f'(write-region (number-to-string (emacs-pid)) nil "{pid}" nil \'quiet))\n(while (not (file-exists-p "{flag}")) (sleep-for 0.05))')
        g.reload({"instances": {"slow": {"init": init}}})
        late = Late(g, "slow", GATEWAY)
        try:
            until(lambda: os.path.exists(pid), "it starts")
            shorts(g, "slow", late)
        finally:
            write(flag, "")
        late.end(g, "slow")
