"""The tables of tests/bench/RESULTS.md, out of the figures that tests/bench/run measured.
Times come in microseconds."""


def ms(us):
    return "%.3f" % (us / 1000) if us < 10000 else "%.1f" % (us / 1000)


def mb(kb):
    return "%.1f MB" % (kb / 1024)


def times(a, b):
    """How many times B is A, as words."""
    r = a / b
    return "%.1f" % r if r < 100 else "%.0f" % r


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


NAMES = [
    ("raw", "bare Unix-socket ping-pong, 128 bytes each way (the physical floor)"),
    ("null", "empty C stdio server"),
    ("thread", "PING to the module's thread"),
    ("lisp", "echo by an Emacs process filter, no thread between (Lisp's own floor)"),
    ("wire_none", "bare wire to Lisp, `(+ 1 2)`, observe none"),
    ("wire", "bare wire to Lisp, `(+ 1 2)`"),
    ("ours_none", "**bridge and Emacs, `(+ 1 2)`, observe none**"),
    ("ours", "**bridge and Emacs, `(+ 1 2)`**"),
    ("bytecode", "bridge and Emacs, `(+ 1 2)`, Lisp not compiled natively"),
    ("node", "Node.js MCP server, `1+2` in its own process"),
    ("client", "`emacsclient --eval '(+ 1 2)'`"),
    ("batch", "`emacs -Q --batch`"),
]


def sequential(f):
    rows = []
    for key, name in NAMES:
        if key in f:
            r = f[key]
            rows.append([name, ms(r["p50"]), ms(r["p95"]), ms(r["p99"]), "%.0f" % r["rate"], times(r["p50"], f["raw"]["p50"]), times(r["p50"], f["ours"]["p50"])])
    return table(["one call at a time", "p50 ms", "p95 ms", "p99 ms", "a second", "ratio to the ping-pong", "ratio to ours"], rows)


def many(f):
    rows = []
    for key, name in NAMES:
        if key + "_64" in f:
            a, b = f[key + "_8"], f[key + "_64"]
            rows.append([name, "%.0f" % a["rate"], "%.0f" % b["rate"], ms(b["p50"]), ms(b["p99"]),
                         "%.2f" % (b["rate"] / f["node_64"]["rate"]) if "node_64" in f else "-", times(b["rate"], f["client"]["rate"])])
    return table(["calls a second", "8 in flight", "64 in flight", "p50 ms of these", "p99 ms", "64: ratio to Node", "64: ratio to emacsclient"], rows)


def life(f):
    rows = [["the bridge", ms(f["start"]["p50"]), ms(f["start"]["p99"]), mb(f["memory"]["idle_kb"]), mb(f["memory"]["after_kb"])]]
    if "node_start" in f:
        rows.append(["the Node.js server", ms(f["node_start"]["p50"]), ms(f["node_start"]["p99"]), mb(f["node_memory"]["idle_kb"]), mb(f["node_memory"]["after_kb"])])
        rows.append(["ratio", times(f["node_start"]["p50"], f["start"]["p50"]), "", times(f["node_memory"]["idle_kb"], f["memory"]["idle_kb"]),
                     times(f["node_memory"]["after_kb"], f["memory"]["after_kb"])])
    return table(["", "start to `initialize` answered, p50 ms", "worst of them", "resident, idle", "after 10,000 calls"], rows)


def moved(big):
    """Microseconds from Lisp's hands to the client's, by both ways to tell; the share of a bare copy's speed."""
    by_tool = max(1, big["tool"]["p50"] - big["small"]["p50"])
    by_execute = max(1, big["whole"]["p50"] - big["print"] - big["small"]["p50"])
    return by_tool, by_execute


def growth(run):
    return run["peak_kb"] - run["idle_kb"]


def large(f):
    rows = []
    for size in (1, 10):
        b = f["big_%d" % size]
        by_tool, by_execute = moved(b)
        rows.append(["%d MB by a tool that has the string ready (no printing)" % size, ms(b["tool"]["p50"]), "-", ms(by_tool), ms(b["copy"]["p50"]),
                     "%.0f %%" % (100 * b["copy"]["p50"] / by_tool), mb(growth(b["tool"]))])
        rows.append(["the same on the bare wire", ms(b["wire"]["p50"]), "-", ms(max(1, b["wire"]["p50"] - b["small"]["p50"])), ms(b["copy"]["p50"]),
                     "%.0f %%" % (100 * b["copy"]["p50"] / max(1, b["wire"]["p50"] - b["small"]["p50"])), "-"])
        rows.append(["%d MB printed by efrit_execute" % size, ms(b["whole"]["p50"]), ms(b["print"]), ms(by_execute), ms(b["copy_whole"]["p50"]),
                     "%.0f %%" % (100 * b["copy_whole"]["p50"] / by_execute), mb(growth(b["whole"]))])
    return table(["result", "whole call, p50 ms", "of it Lisp's printing", "the rest", "bare copy of as many bytes", "speed, share of the copy's", "growth of the bridge"], rows)


STOPS = [("stop_while", "`(while t)`"), ("stop_sleep", "`(sleep-for 60)`"), ("stop_process", "`(call-process \"sleep\" nil nil nil \"60\")`")]


def stops(f):
    rows = [["cancel of " + name, ms(f[key]["p50"]), ms(f[key]["p99"]), ms(f[key]["worst"]), ""] for key, name in STOPS]
    s = f["spin"]
    for key, name in (("bridge", "status by the bridge while Emacs spins"), ("thread", "the same on the bare wire"), ("raw", "bare ping-pong at the same time")):
        rows.append([name, ms(s[key + "_p50"]), ms(s[key + "_p99"]), ms(s[key + "_worst"]), times(s[key + "_p99"], s["raw_p99"])])
    return table(["", "p50 ms", "p99 ms", "worst ms", "p99: ratio to the ping-pong"], rows)


def verdicts(f):
    """(what, met, figure) of each thing that is promised."""
    client, spin = f["client"], f["spin"]
    yield "sequential p50 at most 2 times the bare wire's", f["ours"]["p50"] <= 2 * f["wire"]["p50"], "%.2f times (observe none: %.2f)" % (
        f["ours"]["p50"] / f["wire"]["p50"], f["ours_none"]["p50"] / f["wire_none"]["p50"])
    yield "at least 10 times faster than emacsclient", client["p50"] >= 10 * f["ours"]["p50"], times(client["p50"], f["ours"]["p50"]) + " times"
    if "node" in f:
        yield "sequential p50 below the Node.js server's", f["ours"]["p50"] < f["node"]["p50"], "%s ms against %s ms" % (ms(f["ours"]["p50"]), ms(f["node"]["p50"]))
        yield "64 in flight: at least the Node.js server's throughput", f["ours_64"]["rate"] >= f["node_64"]["rate"], "%.2f times (observe none: %.2f)" % (
            f["ours_64"]["rate"] / f["node_64"]["rate"], f["ours_none_64"]["rate"] / f["node_64"]["rate"])
    yield "64 in flight: at least 50 times emacsclient's sequential rate", f["ours_64"]["rate"] >= 50 * client["rate"], times(f["ours_64"]["rate"], client["rate"]) + " times"
    yield "bridge start to `initialize` answered under 10 ms", f["start"]["p50"] < 10000, ms(f["start"]["p50"]) + " ms"
    if "node_start" in f:
        yield "and 20 times faster than Node.js", f["node_start"]["p50"] >= 20 * f["start"]["p50"], times(f["node_start"]["p50"], f["start"]["p50"]) + " times"
    yield "idle bridge under 6 MB resident", f["memory"]["idle_kb"] < 6 * 1024, mb(f["memory"]["idle_kb"])
    for key, name in STOPS:
        yield "cancel to stopped p99 under 10 ms: " + name, f[key]["p99"] < 10000, ms(f[key]["p99"]) + " ms"
    yield "status while Emacs spins, p99 at most 5 times the ping-pong's", spin["bridge_p99"] <= 5 * spin["raw_p99"], "%.1f times (bare wire %.1f)" % (
        spin["bridge_p99"] / spin["raw_p99"], spin["thread_p99"] / spin["raw_p99"])
    for size in (1, 10):
        b = f["big_%d" % size]
        share = b["copy"]["p50"] / moved(b)[0]
        yield "%d MB from Lisp's hands at 50 %% or more of a bare copy's speed" % size, share >= 0.5, "%.0f %%" % (100 * share)
    b = f["big_10"]
    yield "growth of the bridge during 10 MB under 4 MB", max(growth(b["tool"]), growth(b["whole"])) < 4096, mb(max(growth(b["tool"]), growth(b["whole"])))


def write(about, f, more_verdicts, more_sections):
    disturbed = "  **Other work disturbed this run: repeat it on a quiet machine.**" if about["spread"] > 2 or about["busy"] > 0.1 else ""
    return "\n".join([
        "# What a call costs\n",
        "Written by `make bench`, never by hand.  %s.  %s.  %s.\n" % (about["date"], about["machine"], ", ".join(about["versions"])),
        ("Our Lisp is compiled natively, as this Emacs does by itself when it has loaded a file for the first time; "
         "one row shows what it is before that.\n" if about["native"] else "This Emacs has no native compiler.\n"),
        "All peers are asked by one client, tests/bench/bench.c, in three rounds of which the median is shown; the run took %.0f s."
        "  The ping-pong's p50 differed between the rounds by a factor of %.2f;"
        " before or after the run others used %.0f %% of the cores.%s\n" % (about["seconds"], about["spread"], 100 * about["busy"], disturbed),
        "## What is promised, and what was measured\n",
        table(["promise", "met", "measured"], [[what, "yes" if met else "**no**", figure] for what, met, figure in [*verdicts(f), *more_verdicts]]),
        "## One call at a time\n", sequential(f),
        "## Many at a time\n", many(f),
        "## Start and memory\n", life(f),
        "## Large results\n",
        "Text with a quote, two backslashes and a newline in 64 characters; the bytes that are copied are those the client gets.  The bare copy"
        " is one socket and no work on the bytes; ours is a copy out of Lisp, JSON's escapes, a socket and a pipe.\n",
        large(f),
        "## Stopping, and looking\n",
        "A cancel is timed from `notifications/cancelled` to the answer of another client's call that waited behind the form.\n",
        stops(f), *more_sections])
