"""Many clients of a pool of many workers for a long time: what fails, what grows, how long they wait."""
import json
import os
import subprocess
import time

import patience

from gate.driver import BRIDGE, case, check
from gate.fleet import Fleet

CLIENTS = int(os.environ.get("CROWD_CLIENTS", "20"))
WORKERS = int(os.environ.get("CROWD_WORKERS", "3"))
SECONDS = int(os.environ.get("CROWD_SECONDS", "4"))
REPORT = os.environ.get("CROWD_REPORT")      # a file of Markdown
MIX = "eval:6,interactive:3,list:1,status:1,work:2,batch:1,large:1"
# What the gateway may grow by after the first fifth: its allocator, and figures of the workers.
GROWTH = 2 << 20


@case(emacs="first")
def crowd():
    with Fleet(settings={"start_timeout": 600}, config={"pools": {"pool": {"min": WORKERS, "max": WORKERS}}}) as g:
        end = patience.Limit(30 + 10 * WORKERS)
        while len(g.kept("up")) < WORKERS:
            check(not end.over(), "not all are up:", g.kept("up"), g.said())
            time.sleep(0.2)
        workers = set(g.kept("up"))
        load = subprocess.Popen([BRIDGE, "load-test", str(CLIENTS), "1000000", "--duration", str(SECONDS), "--mix", MIX, "--listen", f"127.0.0.1:{g.port}"],
                                env=g.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        notes = []
        begun = time.monotonic()
        while load.poll() is None:
            with open(f"/proc/{g.process.pid}/stat", encoding="utf-8") as f:
                ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
            notes.append((time.monotonic() - begun, g.memory(), g.descriptors(), ticks / os.sysconf("SC_CLK_TCK")))
            time.sleep(SECONDS / 40)
        said = json.loads(load.stdout.read())
        check(load.returncode == 0 and said["failed"] == 0, json.dumps(said)[:1500])
        warm = [n for n in notes[:-1] if n[0] > SECONDS / 5] # with the last one clients may be leaving
        grown, more = warm[-1][1] - warm[0][1], warm[-1][2] - warm[0][2]
        figures = {"clients": CLIENTS, "workers": WORKERS, "memory_at_a_fifth": warm[0][1], "memory_at_the_end": warm[-1][1],
                   "descriptors_at_a_fifth": warm[0][2], "descriptors_at_the_end": warm[-1][2],
                   "processor_of_the_gateway": round((notes[-1][3] - notes[0][3]) / max(0.001, notes[-1][0] - notes[0][0]), 3)}
        print(json.dumps({"figures": figures, "load": said}, indent=1))
        check(grown < GROWTH, "the gateway has grown by", grown, notes)
        check(abs(more) <= 2, "descriptors", notes)
        check(set(g.kept("up")) == workers, "other workers than before:", g.list())
        if REPORT:
            report(said, figures)
        g.end()


def report(said, figures):
    lines = [f"# {figures['clients']} clients and {figures['workers']} workers for {said['seconds']:.0f} s", "",
             f"`make soak` has written this on {time.strftime('%Y-%m-%d')}: `efrit-bridge load-test`, {os.cpu_count()} cores for clients, gateway and workers, "
             "each client asks again when it is answered.", "",
             f"{said['requests']} requests, {said['failed']} failed, {said['requests'] / said['seconds']:.0f} a second. The gateway: "
             f"{figures['memory_at_a_fifth'] / 1e6:.1f} MB and {figures['descriptors_at_a_fifth']} descriptors after a fifth of the time, "
             f"{figures['memory_at_the_end'] / 1e6:.1f} MB and {figures['descriptors_at_the_end']} at the end; "
             f"{figures['processor_of_the_gateway'] * 100:.0f} % of a core.", "", "```json", json.dumps(said, indent=1), "```", ""]
    with open(REPORT, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))
