"""Long results: kept, announced, fetched in blocks, put together again."""
import base64
import hashlib
import json
import os
import re
import resource
import select
import socket
import stat

from gate.driver import PROGRAMS, Gateway, Wrong, case, check, until

WORDS = r"The result of (\S+) is (\d+) bytes long.* kept for (\d+) s as (efrit-result://[0-9a-f]{32}) \(SHA-256 ([0-9a-f]{64})\), in (\d+) blocks of (\d+) bytes"
SMALL = {"large_min": 300000, "large_block": 100001}
LONG = {"content": '(apply (function concat) (make-list 60000 "a\\\"\\\\é😀\\n\u0001"))', "max_chars": 16000000}


def expected(form):
    """What that form's value is, as Emacs prints it and efrit_execute tells it."""
    return json.dumps('"' + 'a\\"\\\\é😀\n\u0001' * 60000 + '"', ensure_ascii=False)


def read(c, uri, session=None):
    a = c.legacy(session, "resources/read", {"uri": uri}) if session else c.modern("resources/read", {"uri": uri}, headers={"Mcp-Name": uri})
    check(a.status == 200, a)
    return a.json


def piece(answer):
    one = answer["result"]["contents"][0]
    return one["text"].encode() if "text" in one else base64.b64decode(one["blob"])


def whole(c, uri, blocks, size, digest, session=None):
    """All blocks, which must be what was announced."""
    answers = [read(c, f"{uri}?block={n}", session) for n in range(blocks)]
    data = b"".join(piece(a) for a in answers)
    check(len(data) == size and hashlib.sha256(data).hexdigest() == digest, "put together:", len(data), size)
    return data, answers


def link_of(result):
    """The link of a result that was kept, and its first text."""
    words, link = result["content"]
    check(words["type"] == "text" and link["type"] == "resource_link" and link["mimeType"].startswith("text/plain"), words, link)
    tool, size, seconds, uri, digest, blocks, block = re.match(WORDS, words["text"]).groups()
    meta = link["_meta"]
    check(link["uri"] == uri and link["size"] == int(size) and tool in link["name"] and meta["efrit-mcp/seconds"] == int(seconds), words, link)
    check(meta["efrit-mcp/sha256"] == digest and meta["efrit-mcp/blocks"] == int(blocks) and meta["efrit-mcp/block_size"] == int(block), link)
    return uri, int(size), digest, int(blocks), words["text"]


def digest_of_rest(c, left):
    """The SHA-256 of the LEFT bytes that come yet, of which none is kept."""
    found = hashlib.sha256()
    while left:
        data = c.got or c.sock.recv(1 << 20)
        c.got = b""
        if not data:
            raise Wrong("it ended early")
        found.update(data)
        left -= len(data)
    return found.hexdigest()


@case(emacs=True)
def large_blocks():
    """Both eras, block by block and by ranges; a cut inside a character is a blob."""
    with Gateway(settings=SMALL) as g:
        g.start_emacs()
        with g.client() as c:
            session = c.initialize()
            for s in (None, session):
                a = c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": LONG}) if s else c.call("efrit_execute", LONG)
                result = a.json["result"]
                check("isError" not in result and ("resultType" in result) == (not s), result)
                uri, size, digest, blocks, words = link_of(result)
                check(blocks > 5 and words.split("It begins:\n")[1].startswith('{"status":"success","result":"'), words)
                data, answers = whole(c, uri, blocks, size, digest, s)
                check(expected(LONG).encode() in data, data[:300])
                kinds = {k for x in answers for k in x["result"]["contents"][0] if k in ("text", "blob")}
                check(kinds == {"text", "blob"}, "both kinds of cut occur:", kinds)
                check(piece(read(c, f"{uri}?range=10-10", s)) == data[10:11])
                check(piece(read(c, f"{uri}?range={size - 5}-{size + 50}", s)) == data[-5:])
                for bad in ("", "?", "?block=x", "?block=-1", "?range=5-4", "?range=5", "?range=0-100001", f"?range={size}-{size}", f"?block={blocks}",
                            "?block=99999999999999999999", "?block=0&more", "0?block=0"):
                    e = read(c, uri + bad, s)
                    check(e["error"]["code"] == -32602 and e["error"]["data"]["uri"] == uri + bad, bad, e)
        # a client that knows no links gets an error of the tool that says the same
        for version in ("2025-03-26", "2024-11-05"):
            with g.client() as c:
                s = c.initialize(version)
                r = c.legacy(s, "tools/call", {"name": "efrit_execute", "arguments": LONG}).json["result"]
                said = json.loads(r["content"][0]["text"])
                check(r["isError"] and len(r["content"]) == 1 and said["error_code"] == "result_too_large" and not said["tool_failed"], r)
                check(said["preview"].startswith('{"status":"success"') and re.match(WORDS, said["error"]), said)
                whole(c, said["uri"], -(-said["size"] // said["block_size"]), said["size"], said["sha256"], s)


@case(emacs=True)
def large_http():
    """The plain interface: whole, ranges, what cannot be; HEAD; a client that does not read; one that leaves."""
    with Gateway(settings=SMALL) as g:
        g.start_emacs()
        with g.client() as c:
            a = c.request("POST", "/api/v1/tools/efrit_execute", LONG)
            check(a.status == 200, a)
            uri, size, digest, _, words = link_of(a.json)
            path = "/api/v1/results/" + uri.split("//")[1]
            check(f"GET {path}." in words, words)
            a = c.request("GET", path)
            data = a.body
            check(a.status == 200 and len(data) == size and hashlib.sha256(data).hexdigest() == digest, a)
            check(a.headers["etag"] == f'"{digest}"' and a.headers["accept-ranges"] == "bytes" and a.headers["content-length"] == str(size), a)
            h = c.request("HEAD", path)
            check(h.status == 200 and h.headers["content-length"] == str(size), h)
            for text, begin, end in (("0-0", 0, 1), ("5-99", 5, 100), (f"{size - 3}-", size - 3, size), ("-7", size - 7, size),
                                     (f"100-{size * 9}", 100, size), (f"-{size * 2}", 0, size), ("3-99999999999999999999999", 3, size)):
                a = c.request("GET", path, headers={"Range": "bytes=" + text})
                check(a.status == 206 and a.body == data[begin:end], text, a)
                check(a.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}", a)
            for text in (f"bytes={size}-", "bytes=99999999999999999999999-", "bytes=-0"):
                a = c.request("GET", path, headers={"Range": text})
                check(a.status == 416 and a.headers["content-range"] == f"bytes */{size}" and str(size) in a.json["error"], text, a)
            for text in ("bytes=x", "bytes=5-4", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=-", "bytes=1"): # not heeded
                a = c.request("GET", path, headers={"Range": text})
                check(a.status == 200 and len(a.body) == size, text, a)
            a = c.request("GET", path, headers={"Range": "bytes=0-4", "If-Range": '"other"'})
            check(a.status == 200 and a.body == data)
            a = c.request("GET", path, headers={"Range": "bytes=0-4", "If-Range": f'"{digest}"'})
            check(a.status == 206 and a.body == data[:5])
            a = c.request("GET", path, headers={"If-None-Match": f'"{digest}"'})
            check(a.status == 304 and a.headers["etag"] == f'"{digest}"' and not a.body, a)
            check(c.request("POST", path, {}).status == 405)
            for wrong in (path[:-1], path + "0", "/api/v1/results/", "/api/v1/results/" + "0" * 32, path + "/x"):
                check(c.request("GET", wrong).status == 404, wrong)
            check(c.request("GET", path, token=False, headers={"Authorization": None}).status == 401)
        with g.client(path=g.socket) as c: # another principal
            check(c.request("GET", path, token=False).status == 404)
            check("no such result for you" in read(c, uri + "?block=0")["error"]["message"])
        for _ in range(20): # they leave in the middle
            with g.client() as c:
                c.request("GET", path, send_only=True)
                c.head()
                c.vanish()
        until(lambda: g.health()["connections"] == 1, "the connections are gone")
        with g.client() as c:
            check(c.request("GET", path).body == data)


def files(g):
    """Descriptors of kept results: their modes; they have no names."""
    found = []
    for fd in os.listdir(f"/proc/{g.process.pid}/fd"):
        try:
            link = os.readlink(f"/proc/{g.process.pid}/fd/{fd}")
            if "/efrit-mcp/results/" in link:
                st = os.stat(f"/proc/{g.process.pid}/fd/{fd}")
                check(link.endswith(" (deleted)") and stat.S_IMODE(st.st_mode) == 0o600 and st.st_nlink == 0, link, st)
                found.append(st.st_size)
        except FileNotFoundError:
            continue
    return found


@case(emacs=True)
def large_limits():
    """They expire; too many and too much is refused with words; a disk that takes no more; nothing is left behind."""
    with Gateway(settings=dict(SMALL, large_ttl=1)) as g:
        g.start_emacs()
        with g.client() as c:
            uri, size, *_ = link_of(c.call("efrit_execute", LONG).json["result"])
            check(files(g) == [size], files(g))
            folder = os.path.join(g.base, "home/.local/state/efrit-mcp/results")
            check(stat.S_IMODE(os.stat(folder).st_mode) == 0o700 and not os.listdir(folder))
            until(lambda: not files(g), "it has expired")
            check("not any more" in read(c, uri + "?block=0")["error"]["message"])
            check(c.request("GET", "/api/v1/results/" + uri.split("//")[1]).status == 404)
    for limit in ({"large_count": 1}, {"large_total": 2500000}):
        with Gateway(settings=dict(SMALL, **limit)) as g:
            g.start_emacs()
            with g.client() as c:
                link_of(c.call("efrit_execute", LONG).json["result"])
                r = c.call("efrit_execute", LONG).json["result"]
                said = json.loads(r["content"][0]["text"])
                check(r["isError"] and said["error_code"] == "no_room" and "wait" in said["error"] and said["may_have_run"] and said["size"] > 300000, said)
                check(c.request("POST", "/api/v1/tools/efrit_execute", LONG).status == 507)
                check(len(files(g)) == 1)
                check(g.value("(+ 1 2)") == "3")
    with Gateway(settings=SMALL) as g: # as a disk that is full
        g.start_emacs()
        little = (300000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        before = resource.prlimit(g.process.pid, resource.RLIMIT_FSIZE, little)
        with g.client() as c:
            r = c.call("efrit_execute", LONG).json["result"]
            said = json.loads(r["content"][0]["text"])
            check(r["isError"] and said["error_code"] == "no_room" and "File too large" in said["error"] and "has run" in said["error"], said)
            until(lambda: not files(g), "it is thrown away")
            resource.prlimit(g.process.pid, resource.RLIMIT_FSIZE, before)
            link_of(c.call("efrit_execute", LONG).json["result"])
    with Gateway(settings={"large_min": 100000}) as g: # and all of the result has come before that is known
        g.start_emacs()
        resource.prlimit(g.process.pid, resource.RLIMIT_FSIZE, (150000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        with g.client() as c:
            r = c.call("efrit_execute", {"content": "(make-string 120000 ?\\n)", "max_chars": 16000000}).json["result"]
            check(r["isError"] and json.loads(r["content"][0]["text"])["error_code"] == "no_room", r)
            until(lambda: not files(g), "it is thrown away")


TOOLS = """(progn
  (efrit-mcp-define-tool test_several "Two texts." () () (efrit-mcp-content (make-string 400000 ?a) (make-string 400000 ?b)))
  (efrit-mcp-define-tool test_structured "A structure." () () (efrit-mcp-content (make-string 400000 ?a) :structured '((sum . 3))))
  t)"""


@case(emacs=True)
def large_or_not():
    """Switched off, short, or of several blocks: as it is.  What fails stays a failure.  Always an error, if that is set."""
    with Gateway(settings={"large_min": 0}) as g:
        g.start_emacs()
        with g.client() as c:
            r = c.call("efrit_execute", LONG).json["result"]
            check(len(r["content"]) == 1 and len(r["content"][0]["text"]) > 400000)
    with Gateway(settings=dict(SMALL, large_preview=0)) as g:
        g.start_emacs()
        with g.client() as c:
            r = c.call("efrit_execute", {"content": "(make-string 280000 ?x)", "max_chars": 16000000}).json["result"]
            check(len(r["content"]) == 1 and "isError" not in r and len(r["content"][0]["text"]) > 280000)
            g.value(TOOLS)
            until(lambda: b"test_structured" in c.request("GET", "/api/v1/tools").body, "the tools are known")
            r = c.call("test_several").json["result"]
            check([len(b["text"]) for b in r["content"]] == [400000, 400000] and "isError" not in r, str(r)[:300])
            r = c.call("test_structured").json["result"]
            check(len(r["content"][0]["text"]) == 400000 and r["structuredContent"] == {"sum": 3}, str(r)[:300])
            # errors are short by themselves
            g.value("(progn (advice-add 'efrit-mcp-tool--error :override (lambda (&rest _) (make-string 900000 ?y))) t)")
            r = c.call("efrit_execute", {"content": '(error "no")'}).json["result"]
            check(r["isError"] and len(r["content"]) == 2, str(r)[:300], len(str(r)))
            uri, size, digest, blocks, words = link_of(r)
            check(words.endswith("It begins:\n\n[...]"), words)
            data, _ = whole(c, uri, blocks, size, digest)
            check(data == b"y" * 900000, data[:200])
            a = c.modern("resources/read", {"uri": "efrit-result://x?block=0"}, headers={"Mcp-Name": "efrit-result://x?block=0"})
            check(a.code() == -32602, a)
    with Gateway(settings=dict(SMALL, large_answer="error")) as g:
        g.start_emacs()
        with g.client() as c:
            r = c.call("efrit_execute", LONG).json["result"]
            said = json.loads(r["content"][0]["text"])
            check(r["isError"] and said["error_code"] == "result_too_large", said)
            whole(c, said["uri"], -(-said["size"] // said["block_size"]), said["size"], said["sha256"])
    g = Gateway(settings={"large_answer": "both"}, wait=False)
    with g:
        check(g.process.wait(30) != 0 and "large_answer" in g.said(), g.said())
        g.process.returncode = 0


@case(emacs=True)
def large_memory():
    """While 30 MB pass, and while they are fetched by somebody who reads slowly, the gateway keeps its size; those who leave leave nothing."""
    form = {"content": "(make-string 15000000 ?\u00e9)", "max_chars": 16000000}
    with Gateway(settings={"large_min": 1000000, "stream_after": 0}) as g:
        g.start_emacs()
        with g.client() as c:
            link_of(c.call("efrit_execute", dict(form, content="(make-string 2000000 ?x)")).json["result"])
            before = g.memory()
            uri, size, digest, *_ = link_of(c.call("efrit_execute", form).json["result"])
            check(size > 30000000 and g.memory() - before < 6 << 20, "memory", before, g.memory())
            path = "/api/v1/results/" + uri.split("//")[1]
        with g.client() as c:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            c.request("GET", path, send_only=True)
            status, headers = c.head()
            select.select([c.sock], [], [], 5)
            check(status == 200 and g.memory() - before < 6 << 20, "memory", before, g.memory())
            check(digest_of_rest(c, int(headers["content-length"])) == digest)
        kept = len(files(g))
        for _ in range(5):
            c = g.client()
            c.call("efrit_execute", form, send_only=True)
            until(lambda: len(files(g)) > kept, "it comes in")
            c.vanish()
            until(lambda: len(files(g)) == kept, "it is dropped")
        until(lambda: g.state() == "idle", "idle")
        check(g.memory() - before < 6 << 20, "memory", before, g.memory())


TEXT = """(progn (defvar gate-text nil)
  (efrit-mcp-define-tool gate-text "The prepared text." () (:read-only t) gate-text) t)"""
PREPARE = """(let ((line "(message \\"%%s\\\\n\\" x)\\n"))
  (setq gate-text (apply (function concat) (make-list (/ %d (length line)) line))) (garbage-collect) (length gate-text))"""
LINE = b'(message "%s\\n" x)\n'


def resident(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(field + ":"))


@case(emacs=True)
def large_most():
    """100 MB, in one piece and kept, leave the gateway as it is and Emacs holds them once; what is over the limit is refused, and Emacs goes on."""
    size = 100_000_000 // len(LINE) * len(LINE)
    for least in (0, 1_000_000):
        with Gateway(settings={"large_min": least, "stream_after": 0}) as g:
            g.start_emacs()
            check(g.value(TEXT) == "t")
            check(int(g.value(PREPARE % 2_000_000)) > 1_900_000)
            with g.client() as c:
                check("result" in c.call("gate_text", {}).json)
                pid = int(g.value("(emacs-pid)"))
                check(int(g.value(PREPARE % 100_000_000)) == size)
                gateway, emacs, most = g.memory(), resident(pid), 0
                with open(f"/proc/{pid}/clear_refs", "w") as f:
                    f.write("5") # the peak begins anew
                c.call("gate_text", {}, send_only=True)
                if least:
                    uri, n, digest, *_ = link_of(c.answer().json["result"])
                    most = g.memory() - gateway
                    check(n == size and digest == hashlib.sha256(LINE * (size // len(LINE))).hexdigest(), n)
                    c.request("GET", "/api/v1/results/" + uri.split("//")[1], send_only=True)
                    found = digest_of_rest(c, int(c.head()[1]["content-length"]))
                    most = max(most, g.memory() - gateway)
                    check(found == digest)
                else:
                    check(c.head()[0] == 200)
                    text = []
                    while piece_of := c.chunk():
                        text.append(piece_of)
                        if len(text) % 100 == 1:
                            most = max(most, g.memory() - gateway)
                    text = json.loads(b"".join(text))["result"]["content"][0]["text"]
                    check(text.encode() == LINE * (size // len(LINE)))
                    del text
                if "san" not in PROGRAMS:
                    check(most < 8 << 20, "the gateway grew by", most)
                    check(resident(pid, "VmHWM") - emacs < 1.2 * size, "Emacs holds it once more:", emacs, resident(pid, "VmHWM"))
                check(int(g.value(PREPARE % 135_000_000)) > 134_000_000)
                r = c.call("gate_text", {}).json["result"]
                said = json.loads(r["content"][0]["text"])
                check(r["isError"] and said["error_code"] == "result_too_large" and "128 MiB" in said["error"], r)
                check(g.value("(+ 1 1)") == "2")


@case(emacs=True)
def large_ends():
    """An Emacs that dies in the middle, a gateway that is ended in the middle: an answer, and no file."""
    form = {"content": "(make-string 16000000 ?\u20ac)", "max_chars": 16000000}
    with Gateway(settings={"large_min": 1000000, "stream_after": 0}) as g:
        g.start_emacs()
        pid = int(g.value("(emacs-pid)"))
        with g.client() as c:
            c.call("efrit_execute", form, send_only=True)
            until(lambda: files(g), "it comes in")
            os.kill(pid, 9)
            a = c.answer()
            r = a.json["result"]
            if r.get("isError"): # else it was faster
                check(json.loads(r["content"][0]["text"])["error_code"] == "emacs_gone", r)
                until(lambda: not files(g), "the file is gone")
        g.alive()
