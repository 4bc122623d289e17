"""Requests byte by byte: what HTTP/1.1 (RFC 9112, 9110) calls none is refused, and nothing behind it is answered."""
import json
import re
import socket
import ssl
import tempfile

from gate.driver import BOTH, META, Gateway, Wrong, case, check, until
from gate.life import certificate

BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}}).encode()
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
CONTROLS = [*range(0, 9), 11, 12, *range(14, 32), 127]
NO_TOKEN = b'"(),/:;<=>?@[\\]{} \t\x80\xff'


def get(target=b"/livez", version=b"HTTP/1.1", method=b"GET", lines=b"", host=b"Host: HOST\r\n"):
    return method + b" " + target + b" " + version + b"\r\n" + host + lines + b"\r\n"


def post(lines, body=b"", version=b"HTTP/1.1"):
    return (b"POST /mcp " + version + b"\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\nAccept: " + BOTH.encode()
            + b"\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: server/discover\r\n" + lines + b"\r\n" + body)


def chunks(size_line=None, end=b"\r\n", last=b"0\r\n", trailers=b"", final=b"\r\n"):
    return post(b"Transfer-Encoding: chunked\r\n", (size_line or b"%x\r\n" % len(BODY)) + BODY + end + last + trailers + final)


def bad_heads():
    for c in CONTROLS:
        b = bytes([c])
        yield f"byte {c} before the request", b + get()
        yield f"byte {c} in the method", get(method=b"G" + b + b"ET")
        yield f"byte {c} in the target", get(b"/li" + b + b"vez")
        yield f"byte {c} in a value", get(lines=b"X: a" + b + b"b\r\n")
        yield f"byte {c} before a value", get(lines=b"X:" + b + b"b\r\n")
        yield f"byte {c} in a name", get(lines=b"X" + b + b"Y: b\r\n")
        yield f"byte {c} behind a name", get(lines=b"Origin" + b + b": http://evil.example\r\n")
    for c in NO_TOKEN:
        if c != ord(":"):
            yield f"{chr(c)!r} in a name", get(lines=b"X" + bytes([c]) + b"Y: b\r\n")
            yield f"{chr(c)!r} before the colon", get(lines=b"Origin" + bytes([c]) + b": http://evil.example\r\n")
        yield f"{chr(c)!r} first in a name", get(lines=bytes([c]) + b"Y: b\r\n")
        yield f"{chr(c)!r} in the method", get(method=b"G" + bytes([c]) + b"ET")
    for name, value in (("Content-Length", b"4"), ("Transfer-Encoding", b"chunked"), ("Host", b"HOST"), ("Authorization", b"Bearer TOKEN")):
        for gap in (b" ", b"\t", b"  "):
            yield f"{name} and {gap} before the colon", get(lines=name.encode() + gap + b": " + value + b"\r\n")
    for c in b"\"<>\\^`{|}#[]\x80\xff":
        yield f"{chr(c)!r} in the path", get(b"/livez" + bytes([c]))
        yield f"{chr(c)!r} in the query", get(b"/livez?a=" + bytes([c]))
    for target in (b"/livez#x", b"/livez%00", b"/livez?%00", b"/livez%0", b"/livez%", b"/livez%zz", b"livez", b"*", b"", b"127.0.0.1:80", b"//[", b"\\livez",
                   b"http://", b"http:///livez", b"http://evil.example/livez", b"http://a@HOST/livez", b"http://HOST:x/livez", b"http://HOST#x",
                   b"ftp://HOST/livez", b"file:///livez", b"/li vez", b"/livez\t", b"/livez HTTP/1.1", b"\xef\xbc\x8flivez", b"/li\xc3\xa9vez"):
        yield f"target {target}", get(target)
    for target in (b"**", b"*x", b"*/", b"*?a", b"x"):
        yield f"OPTIONS {target}", get(target, method=b"OPTIONS")
    for target in (b"/livez", b"HOST", b"127.0.0.1:1", b"*"):
        yield f"CONNECT {target}", get(target, method=b"CONNECT")
    for version in (b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1", b"HTTP/1.", b"HTTP/11", b"HTTP/.1", b"HTTP/1,1", b"http/1.1",
                    b"Http/1.1", b"HTTP/1.1 ", b" HTTP/1.1", b"HTTP /1.1", b"HTTP/1.1x", b"HTTP/+1.1", b"HTTPS/1.1", b"RTSP/1.0", b"ICE/1.0", b"SIP/2.0", b"", b"x"):
        yield f"version {version}", get(version=version)
        yield f"OPTIONS * {version}", get(b"*", version=version, method=b"OPTIONS")
    for method in (b"get", b"Get", b"GE T", b"", b"FROB", b"GET\t", b" GET", b"PRI", b"DESCRIBE", b"GET,POST", b"G\xc3\x89T", b"X" * 300):
        yield f"method {method[:20]}", get(method=method)
    for line in (b"GET /livez\r\n\r\n", b"GET\r\n\r\n", b"/livez\r\n\r\n", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        yield f"line {line}", line
    for host in (b"", b"Host: HOST\r\nHost: HOST\r\n", b"Host: HOST\r\nHost: evil.example\r\n", b"Host:\r\n", b"Host: a b\r\n", b"Host: HOST/\r\n", b"Host: x@HOST\r\n",
                 b"Host: http://HOST\r\n", b"Host: [::1\r\n", b"Host: ::1\r\n", b"Host: []\r\n", b"Host: [g]\r\n", b"Host: HOST:1\r\n", b"Host: 127.0.0.1:x\r\n",
                 b"Host: 127.0.0.1:99999\r\n", b"Host: 127.0.0.1:-1\r\n", b"Host: :80\r\n", b"Host: a%zz\r\n", b"Host: a%00\r\n", b"Host: a\\b\r\n", b"Host: \xff\r\n",
                 b"Host: HOST\r\nhost: HOST\r\n", b"HOST: HOST\r\n Host: x\r\n"):
        yield f"host {host}", get(host=host)
    for line in (b": x\r\n", b"X\r\n", b"X:a\r\n b\r\n", b"X:a\r\n\tb\r\n", b"X: a\nY: b\r\n", b"X: a\rY: b\r\n", b"X: a\r\r\n", b"X: a\n\r\n", b"\n", b"\r", b"X: a\r\n\n",
                 b" \r\n", b"\t\r\n", b":\r\n", b"X;: a\r\n"):
        yield f"header {line}", get(lines=line)
    yield "a blank before the first header", b"GET /livez HTTP/1.1\r\n Host: HOST\r\n\r\n"
    yield "a tab before the first header", b"GET /livez HTTP/1.1\r\n\tX: y\r\nHost: HOST\r\n\r\n"
    yield "a folded line before the first header", b"GET /livez HTTP/1.1\r\n\r \nHost: HOST\r\n\r\n"
    for before in (b"\n", b"\r", b"\0", b"\0\0\0\0", b"\r\n\0", b" ", b"\r\n ", b"\r\n\n", b"\r\r\n", b"\r\n\r", b"\xef\xbb\xbf", b"\r\n" * 40):
        yield f"{before[:8]} before the request", before + get()
    yield "line feeds alone", get().replace(b"\r\n", b"\n")
    yield "a line feed behind the request line", get().replace(b"\r\n", b"\n", 1)
    for name in (b"Origin", b"Authorization", b"Content-Type", b"Mcp-Session-Id", b"Last-Event-ID", b"MCP-Protocol-Version", b"Mcp-Method", b"Mcp-Name", b"Range"):
        yield f"{name} twice", get(lines=name + b": a\r\n" + name.upper() + b": a\r\n")


def bad_bodies():
    n = b"%d" % len(BODY)
    for value in (b"", b" ", b"-1", b"+" + n, b"0x10", n + b"," + n, n + b", " + n, n + b" " + n, n + b";", b"9" * 18 + b"99", b"9" * 30, b"1.0", b"1e2", b"\xd9\xa1", b"abc",
                  b'"' + n + b'"', n + b"\r\nContent-Length: " + n, b"1\r\nContent-Length: " + n, n + b"\r\ncontent-length: 0"):
        yield f"Content-Length {value}", post(b"Content-Length: " + value + b"\r\n", BODY)
    for value in (b"", b"identity", b"xchunked", b"chunkedx", b"chunked, identity", b"chunked, chunked", b"chunked,", b"gzip, chunked", b"identity, chunked", b"gzip", b"chunked;q=1",
                  b'"chunked"', b"chunked chunked", b"chu nked", b"x, chunked", b",chunked", b"chunked\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding: identity",
                  b"identity\r\nTransfer-Encoding: chunked", b"\x0bchunked", b"chunked\x0b", b"\x00chunked", b"chunked\x0c", b"\xa0chunked", b"chunked\r\n ,x", b"\r\n chunked"):
        yield f"Transfer-Encoding {value}", post(b"Transfer-Encoding: " + value + b"\r\n", b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n")
    both = b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(BODY)
    yield "TE and CL", post(both, b"0\r\n\r\n")
    yield "CL and TE", post(b"".join(reversed(both.splitlines(True))), b"0\r\n\r\n")
    yield "TE in HTTP/1.0", post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.0")
    n = b"%x" % len(BODY)
    for line in (b"0x" + n, b"+" + n, b"-" + n, b" " + n, b"\t" + n, n + b" ", n + b"\t", b"", b";a", b"g", b"f" * 16, b"f" * 17, b"0" * 17 + n, n + b",", n + b";", n + b"; ",
                 n + b";=b", n + b";a=", n + b';a="b', n + b';a="b"c', n + b";a b", n + b";a=b c", n + b";a;", n + b";a\0", n + b";a=\x01", n + b';a="\x7f"', n + b';a="\\\x01"',
                 n + b";a\r", n + b"\r", n + b";a=b;;c", n + b" x", n + b";a=b=c", n + b"\x0b", n + b";(=b"):
        yield f"chunk line {line}", chunks(line + b"\r\n")
    for line in (n + b"\n", n + b"\r", n + b"\n\r\n", n + b";a\n", n + b';a="\n"\r\n', n + b';a="\r\n"\r\n', n + b";a=b\rc\r\n", b"\r\n" + n + b"\r\n", b"\n" + n + b"\r\n"):
        yield f"end of chunk line {line}", chunks(line)
    for end in (b"", b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"x\r\n", b" \r\n", b"\r\n\r\n", b"\r\n\n"):
        yield f"end of a chunk {end}", chunks(end=end)
    for last in (b"0\r\n\n", b"0\n\r\n", b"0\n\n", b"0\r\r\n", b"0 \r\n\r\n", b"0x0\r\n\r\n", b"-0\r\n\r\n", b"0;\r\n\r\n", b"00000000000000000\r\n\r\n", b"\r\n\r\n", b"0\r\n\0\r\n"):
        yield f"last chunk {last}", chunks(last=last, final=b"")
    for line in (b"X\r\n", b": x\r\n", b"X : y\r\n", b" X: y\r\n", b"X: a\r\n b\r\n", b"X: a\n", b"X: a\r", b"X: a\0\r\n", b"X: a\x7f\r\n", b"X\xff: a\r\n", b"X: a\n\r\n", b"X: a\r\n\n", b"\n"):
        yield f"trailer {line}", chunks(trailers=line)


def good():
    yield "plain", get(), 200
    for value in (b"\t a\tb \t", b"\xe4\xf6\xfc", b"", b'"<>\\{}"', b"a:b", b"x" * 4000):
        yield f"value {value[:20]}", get(lines=b"X: " + value + b"\r\n"), 200
    yield "every byte of a name", get(lines=b"!#$%&'*+-.^_`|~09azAZ: x\r\n"), 200
    yield "without a blank", get(lines=b"X:y\r\n"), 200
    for target in (b"/livez?a=b&c=%20/?:@!$'()*+,;=-._~", b"http://HOST/livez", b"HTTP://HOST/livez?a"):
        yield f"target {target}", get(target), 200
    for target in (b"/Livez", b"/livez/", b"//livez", b"/%6civez", b"/nothing%25", b"http://HOST", b"http://HOST?a"):
        yield f"target {target}", get(target, lines=b"Authorization: Bearer TOKEN\r\n"), 404
    yield "OPTIONS *", get(b"*", method=b"OPTIONS"), 204
    yield "HTTP/1.0", get(version=b"HTTP/1.0"), 200
    yield "empty lines", b"\r\n" * 4 + get(), 200
    yield "port 0 less", get(host=b"Host: localhost:\r\n"), 200
    yield "brackets", get(host=b"Host: [::1]:80\r\n"), 200
    yield "a length", post(b"Content-Length: %d\r\n" % len(BODY), BODY), 200
    yield "zeros", post(b"Content-Length: 000%d \r\n" % len(BODY), BODY), 200
    for word in (b"chunked", b"Chunked", b"\tCHUNKED "):
        yield f"coding {word}", chunks().replace(b"chunked", word), 200
    n = b"%X" % len(BODY)
    for line in (n, b"000" + n, n + b";a", n + b" ; a = b", n + b";a=b;c=\"d\\\"e;\r\"".replace(b"\r", b"\t"), n + b';a="\xff" ;b', n.lower() + b";A-Z=!#$"):
        yield f"chunk line {line}", chunks(line + b"\r\n"), 200
    for line in (b"X: y\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: evil.example\r\n", b"Authorization: Bearer x\r\n", b"Mcp-Method: ping\r\n",
                 b"Origin: http://evil.example\r\n", b"A:\r\nB: \t\r\n"):
        yield f"trailer {line}", chunks(trailers=line), 200
    yield "zeros at the end", chunks(last=b"0000;a=b\r\n"), 200
    yield "a byte a chunk", post(b"Transfer-Encoding: chunked\r\n", b"".join(b"1\r\n%c\r\n" % c for c in BODY) + b"0\r\n\r\n"), 200


def filled(g, text):
    return text.replace(b"HOST:1\r", b"HOST1\r").replace(b"HOST1", b"127.0.0.1:1:2").replace(b"HOST", b"127.0.0.1:%d" % g.port).replace(b"TOKEN", g.token.encode())


def refused(g, text):
    with g.client() as c:
        c.send(filled(g, text) + SMUGGLED)
        a = c.answer()
        check(a.status in (400, 413, 501, 505) and a.closed, a)
        check(c.at_end(), "more was answered:", c.got)


def taken(g, text, status):
    for cut in (False, True):
        with g.client() as c:
            for piece in (bytes([b]) for b in filled(g, text)) if cut and len(text) < 800 else [filled(g, text)]:
                c.send(piece)
            check((a := c.answer()).status == status, a)
            if b"HTTP/1.0" not in text: # nothing of it is left over
                c.send(filled(g, get()))
                check((a := c.answer()).status == 200, "and then", a)


@case()
def raw():
    wrong, count = [], 0
    with Gateway() as g:
        for name, text, *status in [*bad_heads(), *bad_bodies(), *good()]:
            count += 1
            try:
                taken(g, text, *status) if status else refused(g, text)
            except Wrong as e:
                wrong.append(f"{name}: {e}"[:300])
        g.alive()
        check(g.descriptors() < 30, "descriptors", g.descriptors())
        check(not wrong, len(wrong), "of", count, "\n".join(wrong))
    print(count, "requests")


@case()
def too_many_connections():
    """What announces its length has it."""
    with Gateway(settings={"conns_max": 1}) as g, g.client() as first:
        first.send(post(b"Content-Length: 9\r\n")[:40]) # a request has begun: it stays
        until(lambda: g.descriptors() > 0, "the gateway")
        with g.client() as c:
            a = c.answer()
            check(a.status == 503 and a.headers["retry-after"] and a.body.endswith(b"in a moment\n"), a)
            check(c.at_end(), "more than was announced:", c.got)


@case()
def log_is_plain():
    """Nothing of a client's begins a line of the log, or commands the terminal that shows it."""
    evil = "\x1b]0;x\x07\x1b[2J\r\nefrit-bridge: error: FORGED\u2028FORGED\x9b31m\u202e\x7f"
    with Gateway() as g, g.client() as c:
        session = c.initialize()
        for method, params in ((evil, {}), ("notifications/" + evil, {}), ("tools/call", {"name": evil}), ("resources/read", {"uri": "efrit-result://" + evil}),
                               ("tools/call", {"name": "efrit_execute", "arguments": {"content": "1", "instance_id": evil}}),
                               ("tools/call", {"name": "efrit_execute", "arguments": {"content": "1", evil: 2}}),
                               ("tools/call", {"name": "efrit_start_instance", "arguments": {"name": evil}})):
            c.legacy(session, method, params)
            c.legacy(session, method, params, id=None)
        c.modern("server/discover", meta={"io.modelcontextprotocol/clientInfo": {"name": evil, "version": evil}})
        for path in ("tools/x%0a%1b", "results/" + "%1b" * 30):
            c.request("GET", "/api/v1/" + path)
        c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": evil, "method": "initialize", "params": {
            "protocolVersion": evil, "capabilities": {}, "clientInfo": {"name": evil, "version": evil}}}, {"Accept": BOTH})
        c.request("POST", "/mcp", evil)
        for name in ("Accept", "Content-Type", "Origin", "Host", "Mcp-Session-Id", "Content-Encoding", "MCP-Protocol-Version", "Authorization", "Last-Event-ID"):
            with g.client() as other:
                other.request("POST", "/mcp", "{}", {name: "\xc2\x9b31m\xe2\x80\xa8FORGED\xff".encode("latin-1").decode("latin-1")})
        with g.client() as other:
            other.send(b"POST /mcp\x1b[2J\nFORGED HTTP/1.1\r\n\r\n")
            other.answer()
        with g.client(path=g.socket) as lines:
            lines.send(json.dumps({"jsonrpc": "2.0", "method": evil}) + "\n" + json.dumps({"jsonrpc": "2.0", "id": 1, "method": evil}) + "\n")
            lines.more()
        g.alive()
        log = g.whole_log()
        check("FORGED" in log, "nothing of it was logged:", log)
        check(not [c for c in log if (c < " " and c != "\n") or "\x7f" <= c <= "\xa0" or c in "\u2028\u202e"], "not plain:", repr(log))
        check(not [line for line in log.split("\n") if not re.match(r"\S*Z efrit-bridge: \w+: ", line + ("" if line else "Z efrit-bridge: x: "))], "forged:", log)


# --- a client that has said all it will say ---

def halves(c):
    c.sock.shutdown(socket.SHUT_WR)


def final(c):
    a = c.answer()
    while a.status == 100: # it was asked whether it is still there
        a = c.answer()
    return a


def slow(c, seconds, accept, **more):
    c.call("efrit_execute", {"content": f"(progn (sleep-for {seconds}) (setq half {seconds}) 42)", "timeout": 20}, headers={"Accept": accept}, send_only=True, **more)


@case(emacs="first")
def half_closed():
    with Gateway(settings={"eof_grace": 100}) as g:
        g.start_emacs()
        for ask in (lambda c: c.send(filled(g, get())), lambda c: c.modern("server/discover", send_only=True), lambda c: c.send(filled(g, chunks()))):
            for path in (None, g.socket):
                with g.client(path=path) as c:
                    ask(c)
                    halves(c)
                    check(final(c).status == 200 and c.at_end(), "at once", path)
        for path in (None, g.socket):
            for accept in ("application/json", BOTH, "text/event-stream"):
                with g.client(path=path) as c:
                    slow(c, 0.6, accept)
                    halves(c)
                    a = final(c)
                    check(a.status == 200 and b'42' in a.body and c.at_end(), "later", path, accept, a)
            with g.client(path=path) as c: # two that wait for Emacs, and one that does not
                for seconds in (0.3, 0.2):
                    slow(c, seconds, "application/json")
                c.send(filled(g, get()))
                halves(c)
                said = [final(c) for _ in range(3)]
                check([a.status for a in said] == [200, 200, 200] and said[2].body == b"ok\n" and c.at_end(), "in a row", said)
        for gone in (False, True): # a client of lines, longer than eof_grace
            with g.client(path=g.socket) as c:
                c.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "efrit_execute", "arguments": {
                    "content": f"(progn (sleep-for {15 if gone else 0.8}) 42)", "timeout": 20}, "_meta": META}}) + "\n")
                until(lambda: g.state() == "running", "the form")
                if not gone:
                    halves(c)
                    while b"\n" not in c.got:
                        check(c.more(), "the end")
                    check(json.loads(c.got)["result"]["content"][0]["text"].count("42"), c.got)
            until(lambda: g.state() == "idle", "the end of the form")
        for part in (get()[:20], post(b"Content-Length: 9\r\n", b"{"), post(b"Transfer-Encoding: chunked\r\n", b"5\r\nab"), get() + get()[:9]):
            with g.client() as c:
                c.send(filled(g, part))
                halves(c)
                if part.startswith(get()):
                    check(c.answer().status == 200)
                a = c.answer()
                check(a.status == 400 and a.closed and c.at_end(), "in the middle", part, a)
        for accept in ("application/json", BOTH): # who leaves altogether has cancelled
            with g.client() as c:
                slow(c, 15, accept)
                until(lambda: g.state() == "running", "the form")
            until(lambda: g.state() == "idle", "the end of the form of a client that left")
        check(g.value("(if (boundp 'half) half)") != "15", "it ran to its end")


def told_over_tls(g, context, text):
    """All that is answered to TEXT when close_notify follows it.  The socket of Python's ssl cannot be half closed, its buffers can."""
    coming, going, said = ssl.MemoryBIO(), ssl.MemoryBIO(), b""
    pipe = context.wrap_bio(coming, going, server_hostname="localhost")
    with g.client() as c:
        def until_done(step):
            while True:
                try:
                    done = step()
                    c.send(going.read())
                    return done
                except ssl.SSLWantReadError:
                    c.send(going.read())
                    piece = c.sock.recv(65536)
                    coming.write(piece) if piece else coming.write_eof()
                except ssl.SSLZeroReturnError:
                    return b""
        until_done(pipe.do_handshake)
        pipe.write(text)
        try:
            pipe.unwrap()
        except ssl.SSLWantReadError:
            pass
        while (piece := until_done(lambda: pipe.read(65536))):
            said += piece
    return said


@case(emacs="first")
def half_closed_tls():
    with tempfile.TemporaryDirectory() as base:
        cert, key = certificate(base)
        context = ssl.create_default_context(cafile=cert)
        with Gateway(settings={"tls_cert": cert, "tls_key": key}) as g:
            with g.client(tls=context) as c:
                check(c.call("efrit_start_instance", {"name": "main"}).status == 200)
            form = json.dumps({"content": "(progn (sleep-for 0.3) 42)"}).encode()
            later = b"POST /api/v1/tools/efrit_execute HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\nContent-Length: %d\r\n\r\n" % len(form) + form
            for text in (get(), chunks(), get() * 3, later, later + get()):
                said = told_over_tls(g, context, filled(g, text))
                check(said.count(b"HTTP/1.1 200") == text.count(b"HTTP/1.1"), text, said)
            with g.client(tls=context) as c:
                c.call("efrit_stop_instance", {"instance_id": "main", "force": True})
