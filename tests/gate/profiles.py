"""What a client has of the tools: by its token, and by the name it gives itself."""
import json
import os

from gate.driver import BOTH, PATIENCE, Gateway, case, check


def names(answer):
    return {tool["name"] for tool in answer.json["result"]["tools"]}


def told(answer):
    """The error that a refused call is answered by."""
    result = answer.json["result"]
    check(result["isError"], answer)
    return json.loads(result["content"][0]["text"])


def called(name):
    """The _meta of a client of that name."""
    return {"io.modelcontextprotocol/clientInfo": {"name": name, "version": "1"}}


@case()
def profiles():
    config = {"tokens": "alice=look, ci=elisp,boss=full", "profiles": "guest=look"}
    with Gateway(config=config) as g, g.client() as c:
        own = {}
        for name in ("alice", "ci", "boss"):
            r = g.run("token", name)
            check(r.returncode == 0 and not r.stderr, r)
            own[name] = r.stdout.strip()
            path = os.path.join(g.base, f"home/.local/state/efrit-mcp/token-{name}")
            check(os.stat(path).st_mode & 0o777 == 0o600, "mode of the token")
        check(len({g.token, *own.values()}) == 4, "tokens are the same")
        bearer = {name: {"Authorization": f"Bearer {token}"} for name, token in own.items()}

        # The list: each has its own, on the same connection, whoever asked before.
        for _ in range(2):
            every = names(c.modern("tools/list"))
            look = names(c.modern("tools/list", headers=bearer["alice"]))
            lisp = names(c.modern("tools/list", headers=bearer["ci"]))
            check({"emacs_read", "efrit_status"} <= look and not look & {"emacs_edit", "efrit_execute", "emacs_run", "efrit_interrupt"}, look)
            check({"efrit_execute", "emacs_check"} <= lisp and "emacs_screenshot" not in lisp and look - lisp, lisp)
            check(look < every and lisp < every and names(c.modern("tools/list", headers=bearer["boss"])) == every)

        # The call: refused with what to do about it, and nothing was run.
        for tool in ("emacs_edit", "efrit_execute", "efrit_start_instance"):
            error = told(c.call(tool, {}, headers=bearer["alice"]))
            check(error["error_code"] == "not_allowed" and error["may_have_run"] is False, error)
            check("profile look" in error["error"] and "token alice" in error["error"] and "setting tokens" in error["error"], error)
        check("token ci" in told(c.call("emacs_screenshot", headers=bearer["ci"]))["error"])
        check(told(c.call("emacs_screenshot"))["error_code"] == "no_instance", "everybody's token is restrained")
        check(told(c.call("emacs_screenshot", headers=bearer["boss"]))["error_code"] == "no_instance")
        check(c.call("efrit_list_instances", headers=bearer["alice"]).json["result"].get("isError", False) is False)
        check("Unknown tool" in c.call("no_such", headers=bearer["alice"]).json["error"]["message"])

        # A session is that of one token; the plain interface is the same door.
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}, dict(bearer["alice"], Accept=BOTH))
        session = a.headers["mcp-session-id"]
        check(c.legacy(session, "notifications/initialized", id=None, headers=bearer["alice"]).status == 202)
        check(names(c.legacy(session, "tools/list", headers=bearer["alice"])) == look)
        check(told(c.legacy(session, "tools/call", {"name": "emacs_edit", "arguments": {}}, headers=bearer["alice"]))["error_code"] == "not_allowed")
        check(c.legacy(session, "tools/list", headers=bearer["boss"]).status == 404, "the session of another token")
        a = c.request("GET", "/api/v1/tools", headers=bearer["alice"])
        check({t["name"] for t in a.json["tools"]} == look, a)
        paths = c.request("GET", "/api/v1/openapi.json", headers=bearer["alice"]).json["paths"]
        check("/api/v1/tools/emacs_read" in paths and "/api/v1/tools/emacs_edit" not in paths, paths.keys())
        a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "1"}, bearer["alice"])
        check(a.status == 422 and b"token alice" in a.body, a)

        # By name: only what is in both.
        guest = names(c.modern("tools/list", meta=called("guest")))
        check(guest == look, guest ^ look)
        check(names(c.modern("tools/list", headers=bearer["ci"], meta=called("guest"))) == look & lisp)
        error = told(c.call("emacs_edit", {}, meta=called("guest")))
        check(error["error_code"] == "not_allowed" and "called guest" in error["error"] and "setting profiles" in error["error"], error)
        check(names(c.modern("tools/list", meta=called("alice"))) == every, "a name is no token")

        # Other settings: who has no token any more does not come in; what a profile is changes at once.
        g.reload(dict(config, tokens="ci=look", profile="elisp"))
        with g.client() as stranger:
            check(stranger.modern("tools/list", headers=bearer["alice"]).status == 401)
        check(names(c.modern("tools/list", headers=bearer["ci"])) == look)
        check(names(c.modern("tools/list")) == lisp)
        check("setting profile)" in told(c.call("emacs_screenshot"))["error"])
        g.reload(dict(config, tokens="ci=full", profile="look"))
        check(names(c.modern("tools/list", headers=bearer["ci"])) == every, "a token's profile stands in place of that of all")
        g.reload(dict(config, tokens="ci=everything"), "stay as they were")
        check(names(c.modern("tools/list", headers=bearer["ci"])) == every)
        g.configure(config)
        for token in own.values():
            check(token not in g.said(), "a token is in the log")
        r = g.run("token", "nobody")
        check(r.returncode == 1 and "no token called nobody" in r.stderr and "tokens" in r.stderr, r)


@case()
def profiles_that_are_none():
    for value, words in (("alice", "is not NAME=PROFILE"), ("alice=all", "must be look, elisp, default or full"), ("a b=look", "a token cannot be called"),
                         ("../x=look", "a token cannot be called"), ("x=look,x=full", "is there twice"), ("=look", "is not NAME=PROFILE"),
                         (",".join(f"t{i}=look" for i in range(65)), "more than 64")):
        with Gateway(settings={"tokens": value}, wait=False) as g:
            check(g.process.wait(PATIENCE) == 2 and words in g.said(), value, g.said())
            g.process.returncode = 0
    with Gateway("--auth", "none", settings={"tokens": "alice=look"}, wait=False) as g:
        check(g.process.wait(PATIENCE) != 0 and "auth is none" in g.said(), g.said())
        g.process.returncode = 0
