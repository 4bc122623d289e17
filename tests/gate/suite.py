"""The cases of the public JSONTestSuite, as bodies of HTTP requests."""
import json
import os

from gate.driver import BOTH, META, ROOT, Gateway, Skip, case, check

FOLDER = os.environ.get("JSON_TEST_SUITE", os.path.join(ROOT, "../shared/data/JSONTestSuite/test_parsing"))
# JSON by the letter of it that we do not take: one key twice, which two ends might read differently, and a NUL in a key.
REFUSED = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json", "y_object_escaped_null_in_key.json"}
# For the plain interface no body is no arguments.
NO_BODY = "n_structure_no_data.json"
TOOL = "/api/v1/tools/efrit_list_instances"
LINES = {"Accept": BOTH, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "server/discover"}


def cases():
    if not os.path.isdir(FOLDER):
        raise Skip("there is no JSONTestSuite in " + FOLDER + ": JSON_TEST_SUITE names its folder test_parsing")
    found = []
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith(".json"):
            with open(os.path.join(FOLDER, name), "rb") as f:
                found.append((name, f.read()))
    return found


def code(a):
    """The number of the error of a JSON-RPC answer."""
    return a.json.get("error", {}).get("code")


def wanted(name):
    """True: it is JSON, False: it is not, None: either."""
    return {"y": name not in REFUSED, "n": False}.get(name[0])


def alone(c, session, name, body):
    """The body is the case, which is no message and no arguments: what is said of it tells what it was taken for."""
    for headers in (LINES, {"Accept": BOTH, "Mcp-Session-Id": session}):
        a = c.request("POST", "/mcp", body, headers)
        check(a.status == 400 and not a.closed and code(a) in (-32700, -32600), name, a)
        check(wanted(name) is None or wanted(name) == (code(a) == -32600), name, "is JSON:", wanted(name), a)
    is_json = code(a) == -32600
    a = c.request("POST", TOOL, body)
    check(not a.closed, name, a)
    if name == NO_BODY:
        check(a.status == 200, name, a)
        return
    check(a.status in (200, 400), name, a)
    said = a.json.get("error", "")
    check(is_json == ("are no JSON" not in said), name, a)
    if not body.lstrip(b" \t\r\n").startswith(b"{"):
        check(a.status == 400 and ("are no JSON" if not is_json else "must be an object") in said, name, a)
    return is_json


def within(c, name, body):
    """The case is a part of a good request, which is then done or refused."""
    request = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "server/discover", "params": {"_meta": dict(META, case="HERE")}})
    before, after = request.encode().split(b'"HERE"')
    a = c.request("POST", "/mcp", before + body + after, LINES)
    check(not a.closed, name, a)
    if wanted(name):
        check(a.status == 200 and a.json["id"] == 7 and "result" in a.json, name, a)
    elif name in REFUSED:
        check(a.status == 400 and code(a) == -32700, name, a)
    else: # some become JSON by what stands around them
        check(a.status in (200, 400), name, a)


@case()
def json_suite():
    counts = {"y": 0, "n": 0, "i": 0}
    with Gateway() as g, g.client() as c: # one connection for all: none may cost it
        session = c.initialize()
        for name, body in cases():
            counts[name[0]] += 1
            alone(c, session, name, body)
            within(c, name, body)
        check(c.request("GET", "/livez").status == 200)
    print(f"{counts} cases of JSONTestSuite")
    check(counts["y"] > 90 and counts["n"] > 180 and counts["i"] > 30, counts)


@case()
def words_of_bad_bodies():
    """A refusal that repeats a client's bytes is JSON and says what is wrong, whatever they are."""
    with Gateway() as g, g.client() as c:
        for body in (b'["\\\xf0\x9f\x98\x80"]', b'["\\\xff"]', b"\xff\xfe", b'["' + "\u20ac".encode() * 200 + b"\x01", b"\x01" * 300,
                     b'{"content": "1"}\0', b"\0"):
            a = c.request("POST", TOOL, body)
            check(a.status == 400 and "are no JSON: " in a.json["error"], body, a)
            a = c.request("POST", "/mcp", body, LINES)
            check(a.status == 400 and code(a) == -32700, body, a)
        for body in (b"7", b'"x"', b"null", b"true", b"[]"):
            a = c.request("POST", TOOL, body)
            check(a.status == 400 and "must be an object" in a.json["error"], body, a)
