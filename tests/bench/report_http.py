"""The tables of tests/bench/RESULTS.md about HTTP, out of the figures of over_http.py."""
from over_http import LEVELS, STREAMS
from report import mb, ms, table, times

NAMES = [
    ("list", "**ours, a tool the gateway answers** (efrit_list_instances), in a session"),
    ("list_stateless", "**the same, 2026-07-28** (no session)"),
    ("add", "**ours, `(+ 1 2)` in Emacs** (efrit_execute)"),
    ("everything", "server-everything over Streamable HTTP, echo"),
    ("supergateway", "server-everything on pipes behind supergateway, echo"),
    ("proxy", "server-everything on pipes behind mcp-proxy, echo"),
]


def calls(f, missing):
    rows = []
    for key, name in NAMES:
        if key not in f or "failed" in f[key]:
            rows.append([name, "not measured: " + (f[key]["failed"] if key in f else missing or "?")] + [""] * (len(LEVELS) + 2))
            continue
        row = [name]
        for level in LEVELS:
            r = f[key, level]
            row.append("%s / %s / %s" % (ms(r["p50"]), ms(r["p95"]), ms(r["p99"])))
        base = f.get(("everything", 64))
        rows.append(row + ["%.0f" % f[key, 1]["rate"], "%.0f" % f[key, 64]["rate"], times(f[key, 64]["rate"], base["rate"]) if base else "-"])
    return table(["p50 / p95 / p99 ms at connections:"] + [str(n) for n in LEVELS] + ["a second, 1", "a second, 64", "64: ratio to server-everything"], rows)


def rates(f):
    rows = [[name] + ["%.0f" % f[key, n]["rate"] for n in LEVELS] + [mb(f[key]["kb"])] for key, name in NAMES if (key, 1) in f]
    return table(["answers a second at connections:"] + [str(n) for n in LEVELS] + ["private memory afterwards, with its children"], rows)


STREAM_NAMES = [
    ("listen", "**ours, `subscriptions/listen`** (2026-07-28)"),
    ("session", "**ours, a session each and its GET** (2025-11-25)"),
    ("everything", "server-everything, a session each and its GET"),
    ("supergateway", "supergateway, GET of its older transport (over Streamable HTTP each session is a process)"),
    ("proxy", "mcp-proxy, a session each and its GET"),
]


def streams(f, missing):
    rows = []
    for key, name in STREAM_NAMES:
        if key in f and "failed" not in f[key]:
            rows.append([name, "%.1f KB" % (f[key]["bytes"] / 1024), mb(f[key]["before_kb"]), times(f[key]["bytes"], max(1, f["session"]["bytes"]))])
        else:
            rows.append([name, "not measured: " + (f[key]["failed"] if key in f else missing or "?"), "", ""])
    return table(["%d streams that say nothing" % STREAMS, "private memory, each", "before them", "ratio to ours in sessions"], rows)


LARGE_NAMES = [("ours", "**ours, out of Lisp's hands**"), ("supergateway", "a Node server that makes it, behind supergateway"),
               ("proxy", "a Node server that makes it, behind mcp-proxy")]


def large(f, missing):
    rows = []
    for key, name in LARGE_NAMES:
        row = [name]
        for size in (1, 10, 100):
            r = f.get((key, size))
            if not r or "failed" in r:
                row.append("none: " + (r["failed"] if r else missing or "see before"))
            else:
                row.append("%s ms (%.0f MB/s%s)" % (ms(r["p50"]), r["bytes"] / r["p50"], ", then %s" % mb(r["kb"]) if "kb" in r else ""))
        rows.append(row)
    return table(["one call with a result of, in one piece", "1 MB", "10 MB", "100 MB"], rows)


def share(big, size, key="whole"):
    """How much longer it takes when it is kept and fetched, in percent."""
    return (big["kept", size][key] / big["one", size][key] - 1) * 100


def fetched(big):
    rows = []
    for size in (1, 10, 100):
        one, kept = big["one", size], big["kept", size]
        rows.append(["%d MB" % size, ms(one["came"] * 1e6), ms(one["whole"] * 1e6), ms(kept["announced"] * 1e6), ms(kept["came"] * 1e6), ms(kept["whole"] * 1e6),
                     "%+.0f %%" % share(big, size), "%+.0f %%" % share(big, size, "came"), "%.0f / %.0f ms" % (one["processor"], kept["processor"]),
                     "%s / %s" % (mb(one["grew_kb"]), mb(kept["grew_kb"]))])
    return table(["a result, by a client in Python", "one piece: has come, ms", "and is text again", "kept: announced after, ms", "fetched", "and its digest is right",
                  "overhead", "of what has come", "processor, Emacs and gateway", "growth of the gateway"], rows)


def verdicts(f, s, big):
    """(what, met, figure) of each thing that is promised over HTTP."""
    peer = f.get(("everything", 64))
    if peer:
        mine = [f["list", 64], f["list_stateless", 64]]
        worst = min(m["rate"] for m in mine) / peer["rate"]
        yield "HTTP, 64 connections: at least 10 times server-everything's throughput", worst >= 10, "%s times in sessions, %s without" % tuple(
            times(m["rate"], peer["rate"]) for m in mine)
        yield "HTTP, 64 connections: p99 lower than server-everything's p50", max(m["p99"] for m in mine) < peer["p50"], "%s and %s ms against %s ms" % (
            *(ms(m["p99"]) for m in mine), ms(peer["p50"]))
    for key, name in STREAM_NAMES[:2]:
        yield "under 4 KB of memory for an idle stream: " + name.replace("*", ""), s[key]["bytes"] < 4096, "%.1f KB" % (s[key]["bytes"] / 1024)
    for size in (1, 10, 100):
        yield "%d MB announced and fetched: under 10 %% over one piece" % size, share(big, size) < 10, "%+.0f %% (%s and %s ms; without what the client does with it %+.0f %%)" % (
            share(big, size), ms(big["kept", size]["whole"] * 1e6), ms(big["one", size]["whole"] * 1e6), share(big, size, "came"))


def sections(f, s, big, kept, missing):
    return ["## Over HTTP\n",
            "One client for all, tests/bench/http.c: keep-alive connections, each with one question at a time, all in one session, because supergateway"
            " starts a process for each; two rounds and their mean.  Ours checks a token.\n",
            calls(f, missing), rates(f), streams(s, missing), large(big, missing), fetched(kept)]
