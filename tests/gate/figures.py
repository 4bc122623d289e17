"""Figures of the last hour and day: of each Emacs and pool, over restarts of it and of the gateway."""
import os
import signal
import sqlite3
import subprocess
import time

from gate.driver import case, check, until
from gate.fleet import Fleet


class Figured(Fleet):
    def again(self):
        """Another gateway, in place of one that has ended."""
        self.process = subprocess.Popen(self.process.args, env=self.env, stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL)
        self.ready()

    def figures(self, name):
        return self.text("efrit_get_queue_stats", {"instance_id": name})

    def rows(self, where="1"):
        with sqlite3.connect(os.path.join(self.env["HOME"], ".local/state/efrit-mcp/tasks.sqlite"), timeout=20) as db:
            return db.execute(f"SELECT kind, id, expires, body FROM record WHERE kind IN ('minute', 'hour') AND {where}").fetchall()

    def insert(self, *rows):
        with sqlite3.connect(os.path.join(self.env["HOME"], ".local/state/efrit-mcp/tasks.sqlite"), timeout=20) as db:
            db.executemany("INSERT INTO record(kind, id, expires, body) VALUES(?, ?, ?, ?)", rows)


def counted(said, span="last_hour"):
    return said["history"][span]["completed"], said["history"][span]["failed"]


@case(emacs="first")
def figures():
    with Figured(settings={"history_interval": 1, "log_level": "info"}, config={"instances": {"solo": {}, "slow": {"keep": True}}, "pools": {"pool": {"min": 1, "max": 1}}}) as g:
        g.up()
        for n in range(6):
            check((g.eval("(sleep-for 0.05)", "solo").get("status") == "success") and g.eval("(error \"no\")" if n < 2 else "1", "pool"))
        said = g.figures("solo")
        check(counted(said) == (6, 0) and counted(said, "last_day") == (6, 0), said)
        hour = said["history"]["last_hour"]
        check(0.05 <= hour["average_seconds"] <= hour["p95_seconds"] * 1.2, said)
        check(counted(g.figures("pool")) == counted(g.figures("pool-1")) == (4, 2), g.figures("pool"))
        # Ended in good order nothing is lost, killed what was not written yet.
        before = {n: g.figures(n)["history"] for n in ("solo", "pool")}
        g.end()
        g.again()
        g.up()
        check({n: g.figures(n)["history"] for n in ("pool",)} == {"pool": before["pool"]}, g.figures("pool"), before)
        g.good("1", "solo")
        check(counted(g.figures("solo")) == (7, 0) == counted(g.figures("solo"), "last_day") and g.figures("solo")["completed_last_hour"] == 1, g.figures("solo"))
        until(lambda: sum(b.startswith('{"done":7,') for k, i, e, b in g.rows("id LIKE '% solo'") if k == "hour") == 1, "it is written")
        g.process.kill()
        g.process.wait()
        # What is too old goes, and what is not of this hour counts for the day.
        now = int(time.time())
        body = '{"done":100,"failed":10,"us":110000000,"times":[79,110]}'
        g.insert(("hour", f"{now // 3600 - 5} solo", (now + 9999) * 1000, body), ("hour", f"{now // 3600 - 30} solo", (now + 9999) * 1000, body),
                 ("minute", f"{now // 60 - 90} solo", (now + 9999) * 1000, body), ("minute", f"{now // 60 - 100} old", (now - 9) * 1000, body),
                 ("hour", "x solo", (now + 9999) * 1000, body), ("hour", f"{now // 3600 - 1} solo", (now + 9999) * 1000, "[]"))
        g.again()
        g.up()
        g.good("2", "solo")
        said = g.figures("solo")
        check(counted(said) == (8, 0) and counted(said, "last_day") == (108, 10), said)
        day = said["history"]["last_day"]
        check(0.5 < day["p95_seconds"] < 2 and 0.5 < day["average_seconds"] < 1.5, said)
        until(lambda: not g.rows("id LIKE '% old'"), "what is too old is deleted")
        # One that was killed in the middle has failed; the next has its figures.
        pid = int(g.good("(emacs-pid)", "pool"))
        check(g.eval("(signal-process (emacs-pid) 'SIGKILL)", "pool")["error_code"] == "emacs_gone")
        check(int(g.good("(emacs-pid)", "pool")) != pid)
        check(counted(g.figures("pool")) == (6, 3) and counted(g.figures("pool-1")) == (6, 3), g.figures("pool"))
        # `top` shows them too, and so does a bridge that has found the gateway.
        check(" DAY " in g.run("top", "--once").stdout and "118 " in g.run("top", "--once").stdout, g.run("top", "--once"))


@case(emacs="first")
def figures_bounded():
    """Of many names those heard of last are kept."""
    with Figured(settings={"history_instances": 2}, config={"instances": {"one": {}, "two": {}, "three": {}}}) as g:
        for name in ("one", "two", "three"):
            g.good("1", name)
        check("history" not in g.figures("one") and "history" in g.figures("two") and "history" in g.figures("three"))
        g.good("1", "one")
        check(counted(g.figures("one")) == (1, 0) and "history" not in g.figures("two"))
        g.process.send_signal(signal.SIGTERM)
        g.process.wait()
        check({i.split()[1] for _, i, _, _ in g.rows()} == {"one", "three"}, g.rows())
        g.process.returncode = 0
