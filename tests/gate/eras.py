"""MCP over HTTP: 2026-07-28, sessions, the transport of 2024-11-05."""
import base64
import json
import re
import signal

from gate.driver import BOTH, META, Gateway, case, check, message, until
from gate.shapes import GOOD_BODY


# --- 2026-07-28 ---

@case()
def modern_errors():
    with Gateway() as g, g.client() as c:
        def post(body, **headers):
            return c.request("POST", "/mcp", body, dict({"Accept": BOTH}, **{k.replace("_", "-"): v for k, v in headers.items()}))

        def asks(version="2026-07-28", method="tools/list", params=None, **headers):
            body = {"jsonrpc": "2.0", "id": 5, "method": method, "params": dict(params or {}, _meta=dict(META, **{
                "io.modelcontextprotocol/protocolVersion": version}))}
            return post(body, **dict({"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": method}, **headers))

        def refused(a, status, code, id=5):
            check(a.status == status and a.code() == code, status, code, a)
            check(a.json.get("id") == id and ("id" in a.json) == (id is not None), "id", a)
            return a.json["error"]

        for text in ("{", "", "nonsense", '{"jsonrpc":"2.0","id":1,"method":"x","method":"y"}', b"\xff\xfe{}", b'{"a":"\xc3\x28"}',
                     '{"jsonrpc":"2.0"}\0'):
            refused(post(text), 400, -32700, None)
        for text in ("[]", "1", '"x"', "null", '{"jsonrpc":"1.0","id":5,"method":"x"}', f"[{GOOD_BODY}]"):
            a = post(text, MCP_Protocol_Version="2026-07-28")
            check(a.status == 400 and a.code() == -32600, text, a)
        check(asks().status == 200, asks())
        error = refused(post({"jsonrpc": "2.0", "id": 5, "method": "tools/list"}, MCP_Protocol_Version="2026-07-28", Mcp_Method="tools/list"), 400, -32602)
        check("_meta" in json.dumps(error["data"]), error)
        refused(post({"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28"}}}, MCP_Protocol_Version="2026-07-28", Mcp_Method="tools/list"), 400, -32602)
        refused(asks("v999"), 400, -32020)
        error = refused(asks("v999", MCP_Protocol_Version="v999"), 400, -32022)
        check(error["data"] == {"supported": ["2026-07-28"], "requested": "v999"}, error)
        refused(asks("2025-11-25", MCP_Protocol_Version="2025-11-25"), 400, -32022)
        refused(asks(MCP_Protocol_Version=None), 400, -32020)
        refused(asks(Mcp_Method=None), 400, -32020)
        refused(asks(Mcp_Method="TOOLS/LIST"), 400, -32020)
        refused(asks(Mcp_Method="tools/call"), 400, -32020)
        check(asks(Mcp_Method="   tools/list  ").status == 200)
        check(asks(MCP_PROTOCOL_VERSION="2026-07-28", MCP_Protocol_Version=None).status == 200)
        for method in ("initialize", "ping", "logging/setLevel", "no/such"):
            refused(asks(method=method), 404, -32601)
        params = {"name": "efrit_list_instances", "arguments": {}}
        refused(asks(method="tools/call", params=params), 400, -32020)
        refused(asks(method="tools/call", params=params, Mcp_Name="other"), 400, -32020)
        check(asks(method="tools/call", params=params, Mcp_Name="efrit_list_instances").status == 200)

        def coded(text):
            return "=?base64?" + base64.b64encode(text.encode()).decode() + "?="
        check(asks(method="tools/call", params=params, Mcp_Name=coded("efrit_list_instances")).status == 200)
        refused(asks(method="tools/call", params=params, Mcp_Name=coded("other")), 400, -32020)
        refused(asks(method="tools/call", params=params, Mcp_Name=coded("efrit_list_instances")[:-3] + "?="), 400, -32020)
        refused(asks(method="tools/call", params=params, Mcp_Name="=?base64?ZWZyaXRfbGlzdF9pbnN0YW5j*XM=?="), 400, -32020)
        refused(asks(method="tools/call", params={"name": "nope"}, Mcp_Name="nope"), 200, -32602)
        refused(asks(method="tools/call", params={"name": "efrit_list_instances", "arguments": 3}, Mcp_Name="efrit_list_instances"), 200, -32602)
        a = c.call("efrit_execute", {"content": 3})
        check(a.status == 200 and a.json["result"]["isError"], a)
        a = c.modern("notifications/cancelled", {"requestId": 5}, notification=True)
        check(a.status == 202 and not a.body, a)
        a = post({"jsonrpc": "2.0", "id": 5, "result": {}}, MCP_Protocol_Version="2026-07-28")
        check(a.status == 400 and a.code() == -32600, a)
        a = c.modern("tools/list", headers={"Mcp-Session-Id": "x"})
        check(a.status == 200 and "mcp-session-id" not in a.headers, a)
        a = c.modern("tools/list", headers={"Accept": "application/json"})
        check(a.status == 200 and a.headers["content-type"] == "application/json", a)
        result = a.json["result"]
        check(result["resultType"] == "complete" and isinstance(result["ttlMs"], int) and result["cacheScope"], result)
        check(c.modern("tools/list").body == c.modern("tools/list").body, "the list differs")
        a = c.modern("tools/list", headers={"Accept": "text/event-stream"})
        check(a.headers["content-type"] == "text/event-stream" and b"resultType" in a.body, a)
        check(c.request("GET", "/mcp", headers={"MCP-Protocol-Version": "2026-07-28", "Accept": BOTH}).status == 405)
        check(c.request("DELETE", "/mcp", headers={"MCP-Protocol-Version": "2026-07-28"}).status == 405)
        for id in ("a", 7, -1, "é", 2**53):
            check(c.modern("tools/list", id=id).json["id"] == id, id)


@case()
def listening():
    with Gateway() as g, g.client() as c, g.client() as d:
        for client, id in ((c, "L1"), (d, 7)):
            client.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id=id, send_only=True)
        streams = [c.stream(), d.stream()]
        for stream, id in zip(streams, ("L1", 7)):
            first = message(next(stream))
            check(first["method"] == "notifications/subscriptions/acknowledged", first)
            check(first["params"]["notifications"] == {"toolsListChanged": True}, first)
            check(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == id, first)
        with g.client() as e:
            e.modern("subscriptions/listen", {"notifications": {}}, send_only=True)
            check(message(next(e.stream()))["params"]["notifications"] == {})
            check(g.health()["requests"] == 3, g.health())
        until(lambda: g.health()["requests"] == 2, "a subscription ends with its connection")
        with g.client() as e:
            check(e.modern("subscriptions/listen", {}).code() == -32602)
            check(e.modern("subscriptions/listen", {"notifications": {}}, headers={"Accept": "application/json"}).status == 406)
            check(e.request("GET", "/livez").status == 200)
        g.process.send_signal(signal.SIGTERM)
        for stream, id in zip(streams, ("L1", 7)):
            last = message(next(stream))
            check(last["id"] == id and last["result"]["resultType"] == "complete", last)
            check(last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == id, last)
            check(next(stream, None) is None, "more after the end")


# --- sessions ---

@case()
def sessions():
    with Gateway() as g, g.client() as c:
        for version in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"):
            s = c.initialize(version)
            a = c.legacy(s, "ping")
            check(a.status == 200 and a.json == {"jsonrpc": "2.0", "id": 1, "result": {}}, a)
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2026-07-28"}}, {"Accept": BOTH})
        check(a.json["result"]["protocolVersion"] == "2025-11-25", a)
        other = c.initialize()
        check(other != s)
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"Accept": BOTH})
        check(a.status == 400 and a.json["id"] is None and a.code() == -32000, a)
        a = c.legacy("nobody", "ping")
        check(a.status == 404 and a.code() == -32001, a)
        a = c.legacy(s, "no/such")
        check(a.status == 200 and a.code() == -32601, a)
        check(c.legacy(s, "tools/call", {"name": "nope"}).code() == -32602)
        check(c.legacy(s, "ping", headers={"MCP-Protocol-Version": "1999-01-01"}).status == 400)
        check(c.legacy(s, "ping", headers={"MCP-Protocol-Version": "2025-06-18"}).status == 200)
        a = c.request("POST", "/mcp", "{", {"Accept": BOTH, "Mcp-Session-Id": s})
        check(a.status == 400 and a.code() == -32700, a)
        a = c.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 9, "result": {}}, {"Accept": BOTH, "Mcp-Session-Id": s})
        check(a.status == 202, a)
        a = c.request("POST", "/mcp", [{"jsonrpc": "2.0", "id": 1, "method": "ping"}], {"Accept": BOTH, "Mcp-Session-Id": s})
        check(a.code() == -32600, a)
        a = c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": s})
        check(a.status == 204, a)
        check(c.legacy(s, "ping").status == 404)
        check(c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": s}).status == 404)
        check(c.request("DELETE", "/mcp").status == 400)
        check(c.legacy(other, "ping").status == 200)
        # batches of 2025-03-26
        s = c.initialize("2025-03-26")

        def batch(elements):
            return c.request("POST", "/mcp", elements, {"Accept": BOTH, "Mcp-Session-Id": s})
        a = batch([{"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
                   {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}}])
        check(a.status == 200 and sorted(x["id"] for x in a.json) == [1, 2], a)
        check(batch([{"jsonrpc": "2.0", "method": "notifications/initialized"}]).status == 202)
        check(batch([]).code() == -32600)
        check(batch([json.loads(GOOD_BODY)]).code() == -32600)
        # the session's own stream
        with g.client() as d, g.client() as e:
            d.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": other}, send_only=True)
            first = next(d.stream())
            check(first["id"] and first["data"] == "" and first["retry"] == "1000", first)
            check(e.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": other}).status == 409)
            check(e.request("GET", "/mcp", headers={"Accept": "application/json", "Mcp-Session-Id": other}).status == 406)
            check(e.request("GET", "/mcp", headers={"Accept": BOTH}).status == 400)
            check(e.request("GET", "/mcp", headers={"Accept": BOTH, "Mcp-Session-Id": "x"}).status == 404)
            check(e.request("GET", "/mcp", headers={"Accept": BOTH, "Mcp-Session-Id": other, "Last-Event-ID": "99-1"}).status == 400)
            d.vanish()
            until(lambda: g.health()["streams"] == 0, "the stream is gone")
            e.request("GET", "/mcp", headers={"Accept": BOTH, "Mcp-Session-Id": other}, send_only=True)
            check(e.head()[0] == 200)
            check(c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": other}).status == 204)
            list(e.events()) # it ends


@case()
def session_limits():
    with Gateway(settings={"sessions_max": 2, "session_idle": 1}) as g, g.client() as c:
        kept, gone = c.initialize(), c.initialize()
        check(c.legacy(kept, "ping").status == 200)
        lost = c.initialize() # which takes the place of what was idle for the longest
        check(c.legacy(gone, "ping").status == 404 and g.health()["sessions"] == 2)
        with g.client() as d:
            d.request("GET", "/mcp", headers={"Accept": BOTH, "Mcp-Session-Id": kept}, send_only=True)
            check(d.head()[0] == 200)
            until(lambda: g.health()["sessions"] == 1, "an idle session ends")
            check(c.legacy(lost, "ping").status == 404)
            check(c.legacy(kept, "ping").status == 200)


@case()
def before_2025():
    for path, messages in (("/sse", "/message?sessionId="), ("/mcp/sse", "/mcp/messages/")):
        with Gateway() as g, g.client() as c, g.client() as d:
            c.request("GET", path, headers={"Accept": "text/event-stream"}, send_only=True)
            stream = c.stream()
            first = next(stream)
            check(first["event"] == "endpoint" and first["data"].startswith(messages), first)
            to = first["data"]

            def post(body):
                return d.request("POST", to, body)
            a = post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2024-11-05", "capabilities": {},
                                                                                     "clientInfo": {"name": "t", "version": "1"}}})
            check(a.status == 202 and a.body == b"Accepted", a)
            event = next(stream)
            check(event["event"] == "message" and "id" not in event, event)
            check(message(event)["result"]["protocolVersion"] == "2024-11-05", event)
            check(post({"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202)
            for i in range(5):
                post({"jsonrpc": "2.0", "id": i, "method": "tools/call", "params": {"name": "efrit_list_instances", "arguments": {}}})
            check(sorted(message(next(stream))["id"] for _ in range(5)) == list(range(5)))
            check(post("{").status == 400)
            check(d.request("POST", messages + "nobody", "{}").status == 404)
            check(d.request("GET", to).status == 405)
            check(d.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"},
                            {"Accept": BOTH, "Mcp-Session-Id": re.split("[/=]", to)[-1]}).status == 404)
            c.vanish()
            until(lambda: g.health()["sessions"] == 0, "the session ends with its stream")
            check(post({"jsonrpc": "2.0", "id": 1, "method": "ping"}).status == 404)
