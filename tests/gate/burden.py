"""Messages that would cost more than their bytes: counted before a tree is built, and nothing of them stays."""
import json
import subprocess

from gate.driver import BOTH, BRIDGE, PROGRAMS, Gateway, case, check, until

LONG = 3900000


def rpc(params, method="ping", id=b"1"):
    return b'{"jsonrpc":"2.0","id":' + id + b',"method":"' + method.encode() + b'","params":' + params + b"}"


def spent(g):
    """Processor time of the gateway, in nanoseconds: another program's load is not in it."""
    with open(f"/proc/{g.process.pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


def many(what, count):
    return b",".join([what] * count)


def heavy():
    """Name, message, and what the refusal says."""
    yield "arrays", rpc(b'{"a":[' + many(b"[]", LONG // 3) + b"]}"), "more than 50000 values"
    yield "objects", rpc(b'{"a":[' + many(b"{}", LONG // 3) + b"]}"), "more than 50000 values"
    yield "numbers", rpc(b'{"a":[' + many(b"1", LONG // 2) + b"]}"), "more than 50000 values"
    yield "members", rpc(b"{" + b",".join(b'"%d":1' % i for i in range(300000)) + b"}"), "more than 50000 values"
    yield "after a string", rpc(b'{"s":"' + b'\\"[' * 100 + b'","a":[' + many(b"[]", LONG // 3) + b"]}"), "more than 50000 values"
    yield "a batch", b"[" + many(b"{}", LONG // 3) + b"]", "more than 50000 values"
    yield "depth", rpc(b'{"a":' + b"[" * 1500 + b"]" * 1500 + b"}"), "more than 1000 deep"
    yield "depth without end", rpc(b'{"a":' + b'{"a":' * 300000), "more than 1000 deep"
    yield "an id", rpc(b"{}", id=b'"' + b"x" * LONG + b'"'), "id is longer than 8192"
    yield "a token", rpc(b'{"_meta":{"progressToken":"' + b"x" * LONG + b'"}}'), "progressToken is longer than 8192"


def long_echoes():
    """What is said of them is short."""
    yield rpc(b"{}", method="x" * LONG)
    yield rpc(b'{"name":"' + b"x" * LONG + b'"}', method="tools/call")
    yield rpc(b'{"name":"efrit_execute","arguments":{"' + b"~/" * (LONG // 2) + b'":1}}', method="tools/call")
    yield rpc(b'{"name":"efrit_execute","arguments":{"content":{"' + b"x" * LONG + b'":1}}}', method="tools/call")
    yield rpc(b'{"name":"efrit_status","arguments":{"instance_id":"' + b"x" * LONG + b'"}}', method="tools/call")
    yield rpc(b'{"uri":"' + b"x" * LONG + b'"}', method="resources/subscribe")
    yield rpc(b'{"uri":"' + b"x" * LONG + b'"}', method="resources/read")
    yield rpc(b'{"cursor":"' + b"x" * LONG + b'"}', method="tools/list")
    yield rpc(b'{"a":' + b"1" * LONG + b"}")
    yield rpc(b'{"a":1e999999}')
    yield b"x" * LONG


@case()
def burden():
    with Gateway("--set=tokens=bob=look") as g, g.client() as c:
        g.token = g.run("token", "bob", "--set=tokens=bob=look").stdout.strip()
        session = c.initialize("2025-03-26")
        said = {"Accept": BOTH, "Mcp-Session-Id": session}
        first = g.memory()
        before = spent(g)
        check(c.request("POST", "/mcp", rpc(b'{"a":"' + b"x" * LONG + b'"}'), said).status == 200)
        plain = spent(g) - before
        for name, message, words in heavy():
            before = spent(g)
            a = c.request("POST", "/mcp", message, said)
            check(words in a.body.decode() and len(a.body) < 400, name, a)
            cost = spent(g) - before
            check("san" in PROGRAMS or cost < 4 * plain, name, "costs", cost, "and one string of the length", plain)
            if words.startswith("more than"):
                a = c.request("POST", "/api/v1/tools/efrit_status", message)
                check(a.status == (413 if "values" in words else 400) and words in a.json["error"], name, a)
        for message in long_echoes():
            a = c.request("POST", "/mcp", message, said)
            check(len(a.body) < 2000, message[:80], len(a.body))
        until(lambda: g.memory() < first + (3 << 20), f"memory is given back: {first} {g.memory()}")
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {"x": "y" * 9000}, "clientInfo": {"name": "a", "version": "1"}}}, {"Accept": BOTH})
        check("capabilities are longer" in a.body.decode(), a)
        g.alive()


@case()
def burden_lines():
    """On a Unix socket, and on standard input of a bridge: the refusal has the id, and the next message is answered."""
    with Gateway() as g:
        p = subprocess.Popen([BRIDGE], env=dict(g.env, EFRIT_MCP_GATEWAY="off"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            for name, message, words in heavy():
                for line in (message + b"\n", rpc(b"{}") + b"\n"):
                    p.stdin.write(line)
                    p.stdin.flush()
                    said = json.loads(p.stdout.readline())
                check(said == {"jsonrpc": "2.0", "id": 1, "result": {}}, name, said)
                with g.client(path=g.socket) as c:
                    c.send(message + b"\n")
                    while b"\n" not in c.got:
                        check(c.more(), "the end")
                    a = json.loads(c.got)
                    check(words in a["error"]["message"] and a.get("id") == (1 if message[:1] == b"{" and name != "an id" else None), name, a)
        finally:
            p.stdin.close()
            check(p.wait(20) == 0)
            p.stdout.close()


@case()
def burden_settings():
    with Gateway(settings={"values_max": "1000", "depth_max": "16", "id_max": "64"}) as g, g.client() as c:
        def ask(params, **more):
            return c.modern("server/discover", params, **more).json
        check("result" in ask({"a": [1] * 900}) and "result" in ask({"a": {"b": "[" * 5000}}))
        check("more than 1000 values" in ask({"a": [1] * 1100})["error"]["message"])
        deep = 1
        for _ in range(20):
            deep = [deep]
        check("more than 16 deep" in ask({"a": deep})["error"]["message"])
        check("longer than 64" in ask({}, id="x" * 70)["error"]["message"])
        check("longer than 64" in ask({}, meta={"progressToken": "x" * 70})["error"]["message"])
        g.reload({"values_max": 2000})
        g.alive()
