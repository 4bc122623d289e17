"""Who may come in, where things are, and HTTP itself."""
import contextlib
import json
import os
import select

from gate.driver import META, PATIENCE, Gateway, Wrong, case, check, until


# --- who may come in, and where things are ---

@case()
def doors():
    with Gateway() as g, g.client() as c:
        check(c.request("GET", "/livez", token=False).body == b"ok\n")
        check(c.request("GET", "/readyz", token=False).status == 200)
        health = c.request("GET", "/health")
        check(health.json["status"] == "degraded" and health.json["connections"] == 1, health)
        check(c.request("GET", "/health", token=False).status == 401)
        head = c.request("HEAD", "/health")
        check(head.status == 200 and int(head.headers["content-length"]) > 20, head)
        a = c.request("GET", "/nothing")
        check(a.status == 404 and "/mcp" in a.json["error"], a)
        a = c.request("PUT", "/mcp", "{}")
        check(a.status == 405 and a.headers["allow"] == "POST, GET, DELETE", a)
        check(c.request("POST", "/livez", "{}").status == 405)
        tools = {t["name"]: t for t in c.request("GET", "/api/v1/tools").json["tools"]}
        check("efrit_execute" in tools)
        api = c.request("GET", "/api/v1/openapi.json").json
        check(api["openapi"].startswith("3.1"))
        for name, tool in tools.items():
            schema = api["paths"][f"/api/v1/tools/{name}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
            check(schema == tool["inputSchema"], name)
        check(c.request("GET", "/api/v1/services").json["services"][0]["kind"] == "emacs")
        check(c.request("GET", "/api/v1/instances").json["instances"] == [])
        check(c.request("POST", "/api/v1/tools", "{}").status == 405)
        check(c.request("GET", "/api/v1/tools/efrit_status").status == 405)
        check(c.request("GET", "/api/v1/more").status == 404)
        check(c.request("POST", "/api/v1/tools/nothing", "{}").status == 404)
        check(c.request("POST", "/api/v1/tools/efrit_execute", "[1]").status == 400)
        check(c.request("POST", "/api/v1/tools/efrit_execute", '{"content":').status == 400)
        check(c.request("POST", "/api/v1/tools/efrit_execute", '{"content":1,"content":2}').status == 400)
        a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": 7})
        check(a.status == 400 and a.json["isError"], a)
        a = c.request("POST", "/api/v1/tools/efrit_execute", {"content": "1"})
        check(a.status == 503 and a.json["isError"], a)
        a = c.request("POST", "/api/v1/tools/efrit_list_instances")
        check(a.status == 200 and "content" in a.json and "resultType" not in a.json, a)


@case()
def who_may():
    with Gateway() as g, g.client() as c:
        here = f"127.0.0.1:{g.port}"
        a = c.modern("server/discover", headers={"Authorization": None})
        check(a.status == 401 and a.headers["www-authenticate"].startswith("Bearer") and not a.closed or a.status == 401, a)
    with Gateway() as g:
        def ask(**headers):
            with g.client() as c:
                return c.modern("server/discover", headers={k.replace("_", "-"): v for k, v in headers.items()})
        check(ask().status == 200)
        for bad in ("Bearer", "Bearer ", f"Bearer {g.token[:-1]}", f"Bearer {g.token}x", f"Basic {g.token}", g.token):
            a = ask(Authorization=bad)
            check(a.status == 401 and g.token not in a.body.decode(), bad, a)
        check(ask(Authorization=f"bearer {g.token}").status == 200)
        for host in ("evil.example.com", "evil.example.com:80", "127.0.0.1.evil.example", "localhost@evil", "", "[::1", "127.0.0.1:x"):
            check(ask(Host=host).status in (400, 421), host, ask(Host=host))
        for host in ("localhost", f"localhost:{g.port}", f"127.0.0.1:{g.port}", f"[::1]:{g.port}", "LOCALHOST"):
            check(ask(Host=host).status == 200, host)
        for origin in ("http://evil.example.com", "null", "http://localhost.evil.example", "file://", "https://127.0.0.1.nip.io"):
            check(ask(Origin=origin).status == 403, origin)
        a = ask(Origin=f"http://localhost:{g.port}")
        check(a.status == 200 and a.headers["access-control-allow-origin"] == f"http://localhost:{g.port}", a)
        check("Mcp-Session-Id" in a.headers["access-control-expose-headers"], a)
        with g.client() as c:
            a = c.request("OPTIONS", "/mcp", token=False, headers={"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"})
            check(a.status == 204 and "Mcp-Method" in a.headers["access-control-allow-headers"], a)
            a = c.request("OPTIONS", "/mcp", token=False, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
            check(a.status == 403, a)
        path = os.path.join(g.base, "home/.local/state/efrit-mcp/token")
        check(os.stat(path).st_mode & 0o777 == 0o600, "mode of the token")
        r = g.run("token")
        check(r.returncode == 0 and r.stdout == g.token + "\n" and not r.stderr, r)
        os.chmod(path, 0o644)
        check(g.run("token").returncode == 1 and "read by others" in g.run("token").stderr)
        os.chmod(path, 0o600)
    with Gateway(settings={"hosts": "gate.example", "origins": "https://page.example"}) as g, g.client() as c:
        check(c.modern("server/discover", headers={"Host": "gate.example", "Origin": "https://page.example"}).status == 200)
        check(c.modern("server/discover", headers={"Host": "gate.example", "Origin": "https://page.example.evil"}).status == 403)


@case()
def open_to_others():
    for arguments, words in ((("--auth", "none"), "leave out --auth none"), ((), "set tls_cert"), (("--auth", "maybe"), "token or none"),
                             (("--set", "tls_cert=/nothing"), "belong together"),
                             (("--set", "tls_cert=/nothing", "--set", "tls_key=/nothing"), "cannot be used")):
        with Gateway(*arguments, listen="0.0.0.0:0", wait=False) as g:
            check(g.process.wait(PATIENCE) != 0)
            check(words in g.said(), words, g.said())
            g.process.returncode = 0
    for listen, words in (("127.0.0.1", "ADDR:PORT"), ("127.0.0.1:99999", "65535"), ("example.com:1", "must be a number"), ("unix:x", "absolute")):
        with Gateway(listen=listen, wait=False) as g:
            check(g.process.wait(PATIENCE) != 0 and words in g.said(), listen, g.said())
            g.process.returncode = 0
    with Gateway("--auth", "none") as g, g.client() as c:
        check(c.modern("server/discover").status == 200)


# --- HTTP itself ---

GOOD_BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}})


def raw(g, text, body=b""):
    text = text.replace("\n", "\r\n").replace("HOST", f"127.0.0.1:{g.port}").replace("TOKEN", g.token)
    return text.encode("latin-1") + (body.encode() if isinstance(body, str) else body)


@case()
def shapes():
    n = len(GOOD_BODY)
    auth = "Host: HOST\nAuthorization: Bearer TOKEN\nContent-Type: application/json\n"
    smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    hostile = {
        "CL and TE": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n",
        "TE and CL": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\nContent-Length: 4\n\n0\n\n",
        "two CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: {n}\nContent-Length: {n}\n\n",
        "differing CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 4\nContent-Length: 5\n\n",
        "a list of CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 4, 4\n\n",
        "negative CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: -1\n\n",
        "signed CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: +4\n\n",
        "hex CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 0x10\n\n",
        "CL of 30 digits": f"POST /mcp HTTP/1.1\n{auth}Content-Length: {'9' * 30}\n\n",
        "empty CL": f"POST /mcp HTTP/1.1\n{auth}Content-Length: \n\n",
        "TE twice": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n\n",
        "TE gzip": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: gzip, chunked\n\n0\n\n",
        "TE xchunked": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: xchunked\n\n0\n\n",
        "TE chunked, identity": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked, identity\n\n0\n\n",
        "TE in 1.0": f"POST /mcp HTTP/1.0\n{auth}Transfer-Encoding: chunked\n\n0\n\n",
        "blank before the colon": f"POST /mcp HTTP/1.1\n{auth}Content-Length : 4\n\n",
        "folded header": f"POST /mcp HTTP/1.1\n{auth}X: a\n b\nContent-Length: 4\n\n",
        "folded by a tab": f"POST /mcp HTTP/1.1\n{auth}X: a\n\tTransfer-Encoding: chunked\n\n",
        "no host": "GET /livez HTTP/1.1\n\n",
        "two hosts": "GET /livez HTTP/1.1\nHost: HOST\nHost: HOST\n\n",
        "another host in the line": "GET http://evil.example/livez HTTP/1.1\nHost: HOST\n\n",
        "two tokens": f"GET /health HTTP/1.1\n{auth}Authorization: Bearer x\n\n",
        "version 2": "GET /livez HTTP/2.0\nHost: HOST\n\n",
        "version 1.2": "GET /livez HTTP/1.2\nHost: HOST\n\n",
        "preface of 2": "PRI * HTTP/2.0\n\nSM\n\n",
        "no version": "GET /livez\n\n",
        "no request": "hello there\n\n",
        "HTTP 0.9": "GET /\n\n",
        "connect": "CONNECT 127.0.0.1:80 HTTP/1.1\nHost: HOST\n\n",
        "no path": "GET livez HTTP/1.1\nHost: HOST\n\n",
        "a header without a colon": "GET /livez HTTP/1.1\nHost: HOST\nfoo\n\n",
        "a header without a name": "GET /livez HTTP/1.1\nHost: HOST\n: x\n\n",
        "a NUL in a header": "GET /livez HTTP/1.1\nHost: HOST\nX: a\0b\n\n",
        "a NUL in the path": "GET /li\0vez HTTP/1.1\nHost: HOST\n\n",
        "an unknown method": "FROB /livez HTTP/1.1\nHost: HOST\n\n",
        "expecting more": f"POST /mcp HTTP/1.1\n{auth}Content-Length: 4\nExpect: wonders\n\n",
        "chunk without size": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\n\nzz\n",
        "chunk too big": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\n\nffffffffffffffffff\n",
        "chunk longer than it says": f"POST /mcp HTTP/1.1\n{auth}Transfer-Encoding: chunked\n\n2\nabcd\n0\n\n",
    }
    exact = {
        "bare LF": b"GET /livez HTTP/1.1\nHost: HOST\n\n",
        "bare LF in the head": b"GET /livez HTTP/1.1\r\nHost: HOST\r\nX: 1\nY: 2\r\n\r\n",
        "bare CR in the head": b"GET /livez HTTP/1.1\r\nHost: HOST\r\nX: 1\rY: 2\r\n\r\n",
        "CR CR LF": b"GET /livez HTTP/1.1\r\r\nHost: HOST\r\n\r\n",
        "TLS to a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "chunk ended by LF": raw_chunk(),
    }
    with Gateway() as g:
        for name, text in list(hostile.items()) + list(exact.items()):
            data = raw(g, text) if isinstance(text, str) else text.replace(b"HOST", f"127.0.0.1:{g.port}".encode()).replace(b"TOKEN", g.token.encode())
            with g.client() as c:
                c.send(data + smuggled.encode())
                a = c.answer()
                check(400 <= a.status < 600 and a.status != 404, name, a)
                check(a.closed, name, "the connection stays open", a)
                check(c.at_end(), name, "more was answered:", c.got)
        g.alive()
        check(g.descriptors() < 30, "descriptors", os.listdir(f"/proc/{g.process.pid}/fd"))


def raw_chunk():
    return (b"POST /mcp HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n")


@case()
def sane_shapes():
    auth = "Host: HOST\nAuthorization: Bearer TOKEN\nContent-Type: application/json\n"
    modern = "Accept: */*\nMCP-Protocol-Version: 2026-07-28\nMcp-Method: server/discover\n"
    n = len(GOOD_BODY)
    with Gateway() as g:
        def ask(text, body="", count=1):
            with g.client() as c:
                c.send(raw(g, text, body))
                return [c.answer() for _ in range(count)]
        a, = ask(f"POST /mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\n\n", GOOD_BODY)
        check(a.status == 200 and "supportedVersions" in a.json["result"], a)
        chunks = "".join(f"{len(p):x};ext=1\r\n{p}\r\n" for p in (GOOD_BODY[:10], GOOD_BODY[10:11], GOOD_BODY[11:])) + "0\r\nTrailer: x\r\n\r\n"
        a, = ask(f"POST /mcp HTTP/1.1\n{auth}{modern}Transfer-Encoding: Chunked\n\n", chunks)
        check(a.status == 200, a)
        a, = ask(f"POST http://HOST/mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\n\n", GOOD_BODY)
        check(a.status == 200, a)
        a, = ask(f"POST /mcp HTTP/1.0\n{auth}{modern}Content-Length: {n}\n\n", GOOD_BODY)
        check(a.status == 200 and a.closed, a)
        a, = ask("GET /livez HTTP/1.0\nHost: HOST\nConnection: keep-alive\n\n")
        check(a.status == 200 and a.headers["connection"] == "keep-alive", a)
        a, = ask("\n\nGET /livez HTTP/1.1\nHost: HOST\nUpgrade: h2c\nConnection: upgrade\n\n")
        check(a.status == 200, a)
        three = ask(f"POST /mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\n\n{GOOD_BODY}GET /livez HTTP/1.1\nHost: HOST\n\n"
                    "GET /nothing HTTP/1.1\nHost: HOST\nAuthorization: Bearer TOKEN\n\n", count=3)
        check([x.status for x in three] == [200, 200, 404], three)
        with g.client() as c: # one byte at a time
            for byte in raw(g, f"POST /mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\n\n", GOOD_BODY):
                c.send(bytes([byte]))
            check(c.answer().status == 200)
        with g.client() as c:
            c.send(raw(g, f"POST /mcp HTTP/1.1\n{auth}{modern}Content-Length: {n}\nExpect: 100-continue\n\n"))
            check(c.answer().status == 100)
            c.send(GOOD_BODY)
            check(c.answer().status == 200)
            c.send(raw(g, f"POST /mcp HTTP/1.1\nHost: HOST\n{modern}Content-Type: application/json\nContent-Length: {n}\nExpect: 100-continue\n\n"))
            check(c.answer().status == 401)
        a, = ask(f"POST /mcp HTTP/1.1\n{auth}{modern}Accept: text/event-stream\nContent-Length: {n}\n\n", GOOD_BODY)
        check(a.status == 200, a)


@case()
def sizes():
    with Gateway(settings={"request_max": 4096, "head_max": 2048, "headers_max": 20}) as g:
        def post(body, **headers):
            with g.client() as c:
                return c.request("POST", "/mcp", body, {k.replace("_", "-"): v for k, v in headers.items()})
        a = post("x" * 4097)
        check(a.status == 413 and a.closed and b"4096" in a.body, a)
        check(post("x" * 4096).status == 400)
        with g.client() as c: # it is refused by its length alone
            c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Content-Length": str(1 << 40)}, send_only=True)
            check(c.answer().status == 413)
        with g.client() as c: # all of a big body is sent before the answer is read
            with contextlib.suppress(ConnectionError):
                c.request("POST", "/mcp", "y" * 900000, send_only=True)
            check(c.answer().status == 413)
        with g.client() as c:
            c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}, send_only=True)
            for _ in range(5):
                c.send("400\r\n" + "z" * 1024 + "\r\n")
            check(c.answer().status == 413)
        with g.client() as c: # chunks of one byte with long extensions
            c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}, send_only=True)
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    c.send("1;" + "e" * 1000 + "\r\nz\r\n")
            check(c.answer().status == 413)
        check(post("{}", X="h" * 3000).status == 431)
        check(post("{}", **{f"X{i}": "1" for i in range(30)}).status == 431)
        with g.client() as c:
            c.send("GET /" + "p" * 5000)
            check(c.answer().status == 431)
        check(post("{}", Content_Encoding="gzip").status == 415)
        check(post("{}", Content_Type="text/plain").status == 415)
        check(post("{}", Content_Type="application/json; charset=utf-8").status == 400)
        check(post("{}", Content_Type="application/jsonx").status == 415)
        check(post("{}", Content_Type=None).status == 415)
        check(post(GOOD_BODY, Accept="text/html").status == 406)
        check(post(GOOD_BODY, Accept="text/html, */*;q=0").status == 406)
        g.alive()


@case()
def patience():
    with Gateway(settings={"head_timeout": 100, "body_timeout": 100, "idle_timeout": 100, "write_timeout": 200}) as g:
        with g.client() as c:
            c.send("GET /livez HT")
            check(c.answer().status == 408)
            check(c.at_end())
        with g.client() as c:
            c.request("POST", "/mcp", None, {"Content-Type": "application/json", "Content-Length": "100"}, send_only=True)
            c.send("{")
            check(c.answer().status == 408)
        with g.client() as c: # a byte now and then does not help
            with contextlib.suppress(ConnectionError, Wrong):
                for byte in b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 100:
                    c.send(bytes([byte]))
                    if select.select([c.sock], [], [], 0.02)[0]:
                        break
            check(c.answer().status == 408)
        with g.client() as c:
            check(c.request("GET", "/livez").status == 200)
            check(c.at_end())
        with g.client() as c: # nothing at all
            check(c.at_end())
        until(lambda: g.health()["connections"] == 1, "the connections are gone")
        g.alive()


@case()
def too_many():
    with Gateway(settings={"conns_max": 3}) as g:
        held = [g.client() for _ in range(3)]
        for c in held:
            check(c.request("GET", "/livez").status == 200)
        with g.client() as c:
            a = c.answer()
            check(a.status == 503 and a.headers["retry-after"], a)
        for c in held:
            check(c.request("GET", "/livez").status == 200)
            c.close()
        until(lambda: tries(g), "there is room again")


def tries(g):
    with g.client() as c:
        return c.request("GET", "/livez").status == 200
