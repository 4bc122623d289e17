"""Commands of people beside the gateway: config reload, top, migrate."""
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import termios
import threading

import patience

from gate.driver import PATIENCE, Gateway, case, check

ROUNDS = int(os.environ.get("COMMANDS_ROUNDS", "4"))


# --- config ---

@case()
def config_reload():
    with Gateway() as g:
        g.configure({"hosts": "gate.example"})
        r = g.run("config", "reload")
        check(r.returncode == 0 and str(g.process.pid) in r.stdout, r)
        check(json.loads(g.run("config", "reload", "--json").stdout) == {"reloaded": True, "pid": g.process.pid})
        g.configure('{\n"hosts": "",\n"auth": "maybe"}')
        r = g.run("config", "reload")
        check(r.returncode == 1 and "stay as they were" in r.stderr and "maybe" in r.stderr, r)
        check(json.loads(g.run("config", "reload", "--json").stdout)["reloaded"] is False)
        g.configure('{\n"hosts": "",\n"no_such": 1}')
        r = g.run("config", "reload") # it is refused before the gateway is asked
        check(r.returncode == 2 and "line 3" in r.stderr, r)
        g.configure({})
        for _ in range(20): # each is told, however fast they come
            check(g.run("config", "reload").returncode == 0)
        check(g.run("config", "reload", "hosts").returncode == 2)
        os.kill(g.process.pid, signal.SIGSTOP)
        try:
            r = g.run("config", "reload", "--set=stop_timeout=200")
            check(r.returncode == 4 and "has not said" in r.stderr, r)
        finally:
            os.kill(g.process.pid, signal.SIGCONT)
        g.alive()
        g.end()
        r = g.run("config", "reload")
        check(r.returncode == 1 and "no gateway runs" in r.stderr, r)


# --- top ---

class Screen:
    """A command on a terminal of its own, whose output is kept."""

    def __init__(self, g, *arguments, rows=24, columns=120):
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.process = subprocess.Popen([g.bridge, *arguments], env=g.env, stdin=self.slave, stdout=self.slave,
                                        stderr=subprocess.PIPE, start_new_session=True)

    def size(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.1):
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self.text += os.read(self.master, 65536).decode(errors="replace")

    def page(self):
        """The latest whole page, without what moves the cursor."""
        pages = self.text.split("\x1b[H")
        whole = [p for p in pages[1:] if "q ends it" in p]
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole[-1]).replace("\r", "") if whole else ""

    def shows(self, pattern):
        end = patience.Limit(90) # an Emacs may have to start first
        while not re.search(pattern, self.page(), re.M):
            check(not end.over() and self.process.poll() is None, "not shown:", pattern, self.text[-3000:])
            self.read()
        return self.page()

    def type(self, keys):
        os.write(self.master, keys.encode())

    def ended(self):
        end = patience.Limit(30)
        while self.process.poll() is None:
            check(not end.over(), "it does not end")
            self.read()
        self.read(0)
        check(self.text.rstrip().endswith("\x1b[?25h\x1b[?1049l"), "the screen is not as it was:", self.text[-200:])
        check(termios.tcgetattr(self.slave) == self.before, "the terminal is not as it was")
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        said = self.process.stderr.read()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)
        check(not re.search(rb"error|assert", said), said)


@case(emacs="first")
def top():
    with Gateway() as g:
        with Screen(g, "top") as s:
            s.shows("gateway: degraded")
            s.shows("no Emacs with efrit-mcp is running")
            g.start_emacs() # it appears by itself
            s.shows(r"^main +(idle|running|starting) ")
            s.shows("1 instance, 1 idle")
            busy = threading.Thread(target=g.value, args=("(sleep-for 3)",))
            busy.start()
            s.shows(r"^main +running .*efrit_execute for ")
            check(re.search(r"^CLIENT +RUNNING +LONGEST\n\S.* 1 ", s.page(), re.M), s.page())
            busy.join()
            over = threading.Event()

            def work():
                while not over.is_set():
                    g.value("(+ 1 2)")
            busy = threading.Thread(target=work)
            busy.start()
            try:
                s.shows(r"; [1-9][0-9]*\.[0-9] calls/s")
                s.shows(r"^main .* [1-9][0-9]*\.[0-9] +[0-9.]+ ")
            finally:
                over.set()
                busy.join()
            s.size(6, 40)
            os.kill(s.process.pid, signal.SIGWINCH)
            end = patience.Limit(30)
            while max(len(line) for line in (s.page() or "x" * 99).split("\n")) > 40 or s.page().count("\n") > 6:
                check(not end.over(), "it does not fit:", s.page())
                s.read()
            s.type("q")
            check(s.ended() == 0, s.process.returncode)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with Screen(g, "top") as s:
                s.shows("^main ")
                os.kill(s.process.pid, number)
                check(s.ended() == 0, number)
        r = g.run("top", "--json")
        said = json.loads(r.stdout)
        check(r.returncode == 0 and said["gateway"]["status"] == "healthy" and said["instances"][0]["id"] == "main", r)
        check(said["instances"][0]["per_second"] >= 0 and said["instances"][0]["hour"]["completed_last_hour"] > 0, said)
        g.value('(make-symbol "\u001b[2J")')
        r = g.run("top", "--once")
        check(r.returncode == 0 and "\x1b" not in r.stdout and re.search("^main +idle ", r.stdout, re.M), r)
        with Screen(g, "top") as s: # the gateway ends: the instances are asked themselves
            s.shows("gateway: healthy")
            g.end()
            s.shows(r"gateway: none runs(.|\n)*^main +idle ")
            s.type("q")
            check(s.ended() == 0)
        check("none runs" in g.run("top", "--once").stdout)
        g.run("call", "efrit_stop_instance", '{"instance_id":"main","force":true}')
        r = g.run("top", "--once")
        check(r.returncode == 3 and "no Emacs" in r.stdout, r)


@case(emacs="first")
def top_of_pools():
    with Gateway(config={"pools": {"work": {"min": 1, "max": 1}}}) as g, Screen(g, "top") as s:
        s.shows(r"^POOL +WORKERS +IDLE +RUNNING +i/n/b +OLDEST\nwork +1 +1 +0 +0/0/0 ")
        over = [threading.Thread(target=g.call, args=("efrit_execute", {"content": "(sleep-for 2)", "instance_id": "work", "priority": "batch"}))
                for _ in range(3)]
        for t in over:
            t.start()
        s.shows(r"^work +1 +0 +1 +0/0/2 +[0-9.]+ s$")
        for t in over:
            t.join()
        s.shows(r"^work +1 +1 +0 +0/0/0 ")
        s.type("q")
        check(s.ended() == 0)


# --- migrate ---

PLACES = ("requests", "processing", "responses", "archive")


class Queue:
    """A folder of Efrit's file queue, and a client that writes as Efrit's server does."""

    def __init__(self, g, name="main"):
        self.path = os.path.join(g.env["HOME"], ".emacs.d/.efrit/queues", name)
        self.runs = os.path.join(g.base, "runs-" + name)
        for folder in (*(os.path.join(self.path, p) for p in PLACES), self.runs):
            os.makedirs(folder, 0o700)
        self.name = name

    def ask(self, id, content=None, type="eval", place="requests", **more):
        """Each run of it leaves one byte in a file of that name."""
        form = f'(progn (write-region "x" nil "{self.runs}/{id}" t (quote quiet)) "{id}")' if content is None else content
        whole = {"id": id, "version": "1.0.0", "type": type, "content": form, "instance_id": self.name,
                 "options": {"timeout": 20, "return_context": False}, "timestamp": "2026-01-01T00:00:00.000Z",
                 "metadata": {"client_id": "efrit-mcp-server", "source": "mcp"}, **more}
        path = os.path.join(self.path, place, f"req_{id}.json")
        with open(path + ".tmp", "w", encoding="utf-8") as f:
            json.dump(whole, f)
        os.rename(path + ".tmp", path)

    def files(self, place):
        with contextlib.suppress(FileNotFoundError):
            return sorted(f for f in os.listdir(os.path.join(self.path, place)) if not f.startswith("."))
        return []

    def answer(self, id):
        with open(os.path.join(self.path, "responses", f"resp_{id}.json"), encoding="utf-8") as f:
            return json.load(f)

    def ran(self, id):
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(os.path.join(self.runs, str(id)))
        return 0


def tree(folder):
    found = {}
    for base, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(base, name)
            if os.path.islink(path) or not os.path.isfile(path):
                found[path] = None
                continue
            with open(path, "rb") as f:
                found[path] = (f.read(), os.stat(path).st_mtime_ns)
        found[base] = None
    return found


@case()
def migrate_settings():
    with Gateway() as g:
        file = os.path.join(g.base, "instances.json")

        def theirs(value):
            with open(file, "w", encoding="utf-8") as f:
                f.write(value if isinstance(value, str) else json.dumps(value))
        theirs({"instances": {
            "default": {"queue_dir": "~/q", "timeout": 30, "daemon_name": "efrit-daemon", "max_concurrent": 5},
            "my work!": {"queue_dir": "~/w", "timeout": 1.5, "workspace_dir": "~/src", "environment": {"A": "1", "B": 2}, "odd": 1}},
            "default_instance": "my work!", "max_concurrent_requests": 10, "log_level": "warn", "log_file": "~/x.log", "port": 8123,
            "security": {"max_request_size": 99, "allowed_queue_roots": ["~/"], "enable_request_signing": True}, "audit": {"enabled": True}, "new": 1})
        home = g.env["HOME"]
        before = tree(g.base)
        r = g.run("migrate", file)
        check(r.returncode == 0 and "nothing was changed" in r.stdout, r)
        for words in ("instances.my-work-", "is called my-work- here", "timeout 1.5 becomes 2", "environment B is no text", "odd is not known",
                      "request_max 1024", "audit has no place", "new is not known", "signing is not needed", "log_file has no place"):
            check(words in r.stdout, words, r.stdout)
        after = tree(g.base)
        check({k: v for k, v in after.items() if "log" not in k} == {k: v for k, v in before.items() if "log" not in k}, "a dry run changed something")
        r = g.run("migrate", file, "--apply")
        check(r.returncode == 0, r)
        with open(g.config_path, encoding="utf-8") as f:
            text = f.read()
        check(json.loads(text) == {
            "instance": "my-work-", "log_level": "warning", "listen": "127.0.0.1:8123", "request_max": 1024, "instances": {
                "default": {"timeout": 30, "daemon": "efrit-daemon", "concurrency": 5},
                "my-work-": {"timeout": 2, "workspace": f"{home}/src", "environment": {"A": "1"}}}}, text)
        r = g.run("migrate", file, "--apply") # again: nothing
        check(r.returncode == 0 and "nothing is to be added" in r.stdout, r)
        check(os.listdir(os.path.dirname(g.config_path)) == ["config.json"], "a backup of nothing")
        r = g.run("config", "explain", "instances.default.timeout")
        check(r.returncode == 0 and "is 30" in r.stdout and f"{g.config_path}, line " in r.stdout, r)
        # what is there stays, byte for byte, and is said to differ
        mine = '{ "log_level":\t"info",\r\n  "instances" : {"default":{ "timeout": 7 } } }\r\n'
        with open(g.config_path, "w", encoding="utf-8", newline="") as f:
            f.write(mine)
        r = g.run("migrate", file, "--apply")
        check(r.returncode == 0 and "log_level stays as it is" in r.stdout and "instances.default stays as it is" in r.stdout, r)
        with open(g.config_path, encoding="utf-8", newline="") as f:
            now = f.read()
        check('"log_level":\t"info",' in now and '{ "timeout": 7 }' in now and json.loads(now)["request_max"] == 1024, now)
        with open(g.config_path + ".bak", encoding="utf-8", newline="") as f:
            check(f.read() == mine, "the backup")
        for bad, why in (("{", "line 1: no JSON"), ("[]", "no object \"instances\""), ('{"instances": 3}', "no object"), ("", "no JSON")):
            theirs(bad)
            r = g.run("migrate", file, "--apply")
            check(r.returncode == 1 and why in r.stderr, bad, r)
        check(g.run("migrate", file + ".none").returncode == 1)
        g.configure("{")
        check(g.run("migrate", file).returncode == 2)
        os.unlink(g.config_path)
        r = g.run("migrate", g.base)
        check(r.returncode == 1 and "has no file queue" in r.stderr, r)


@case(emacs="first")
def migrate():
    with Gateway() as g:
        q = Queue(g)
        q.ask("one")
        q.ask("two")
        q.ask("error", '(error "so it is %d" 7)')
        q.ask("loop", "(while t)", options={"timeout": 1})
        q.ask("context", '"\u00e4\u0001"', options={"return_context": True})
        q.ask("long", "(make-string 300000 ?x)")
        q.ask(17, '(+ 8 9)')
        q.ask("status", "", type="status")
        q.ask("bogus", type="bogus")
        q.ask("old", version="0.9.0")
        q.ask("begun", place="processing")
        q.ask("answered")
        with open(os.path.join(q.path, "responses/resp_answered.json"), "w", encoding="utf-8") as f:
            f.write('{"id": "answered"}')
        for name, text in (("bad.json", "{"), ("note.txt", "x"), (".hidden.json", "{}"), ("half.json.tmp", "{}"), ("noid.json", '{"version":"1.0.0"}'),
                           ("path.json", json.dumps({"id": "../../escape", "version": "1.0.0", "type": "eval", "content": "1"}))):
            with open(os.path.join(q.path, "requests", name), "w", encoding="utf-8") as f:
                f.write(text)
        os.symlink("/etc/passwd", os.path.join(q.path, "requests", "link.json"))
        before = tree(q.path)
        r = g.run("migrate")
        check(r.returncode == 0 and "8 requests are run once" in r.stdout, r)
        check(re.search(r"begun by Efrit .*begun", r.stdout) and "\x01" not in r.stdout, r)
        check(tree(q.path) == before, "a dry run changed something")
        r = g.run("migrate", "--apply") # nobody there: everything waits on
        check(r.returncode == 3 and "no Emacs main runs" in r.stderr and not q.files("migrating"), r)
        check(sorted(p for p in tree(q.path) if "/requests/" in p) == sorted(p for p in before if "/requests/" in p), q.files("requests"))
        g.start_emacs()
        r = g.run("migrate", "--apply")
        check(r.returncode == 1 and "8 requests were run" in r.stdout, r) # 1: some files were left
        for id in ("one", "two"):
            a = q.answer(id)
            check(q.ran(id) == 1 and a["status"] == "success" and a["id"] == id and a["version"] == "1.0.0" and id in a["result"], a)
            check(isinstance(a["execution_time"], float) and a["instance_id"] == "main" and a["timestamp"].endswith("Z"), a)
        a = q.answer("error")
        check(a["status"] == "error" and "so it is 7" in a["error"] and a["error_code"] == "error", a)
        check(q.answer("loop")["status"] == "timeout", q.answer("loop"))
        check("windows" in json.dumps(q.answer("context")["context"]) and q.answer("context")["result"] == '"\u00e4\u0001"', q.answer("context"))
        check(len(q.answer("long")["result"]) == 300002, "a long result")
        check(q.answer(17)["id"] == 17 and q.answer(17)["result"] == "17", q.answer(17))
        check(q.answer("status")["status"] == "success", q.answer("status"))
        for id, why in (("bogus", "type is bogus"), ("old", "0.9.0")):
            check(q.answer(id)["status"] == "error" and why in q.answer(id)["error"], q.answer(id))
        check(q.answer("answered") == {"id": "answered"} and q.ran("answered") == 0, "it was answered before")
        check(q.ran("begun") == 0 and q.files("processing") == ["req_begun.json"], "what Efrit had begun is left alone")
        check(q.files("requests") == ["bad.json", "half.json.tmp", "link.json", "noid.json", "note.txt", "path.json"], q.files("requests"))
        check(len(q.files("archive")) == 11 and not q.files("migrating"), q.files("archive"), q.files("migrating"))
        check(os.stat(os.path.join(q.path, "responses/resp_one.json")).st_mode & 0o777 == 0o600, "the mode of an answer")
        answers = tree(os.path.join(q.path, "responses"))
        r = g.run("migrate", "--apply", os.path.dirname(q.path)) # once more: nothing runs, nothing is said anew
        check(r.returncode == 1 and "0 requests were run" in r.stdout and q.ran("one") == 1, r)
        check({k: v for k, v in tree(os.path.join(q.path, "responses")).items() if v} == {k: v for k, v in answers.items() if v}, "answers were changed")
        # a queue whose Emacs is not there, and --start
        other = Queue(g, "other")
        other.ask("late")
        check(g.run("migrate", "--apply", other.path).returncode == 3 and other.files("requests") == ["req_late.json"])
        try:
            r = g.run("migrate", "--apply", "--start", other.path)
            check(r.returncode == 0 and other.answer("late")["instance_id"] == "other" and other.ran("late") == 1, r)
        finally:
            g.run("call", "efrit_stop_instance", '{"instance_id":"other","force":true}')


@case(emacs="first")
def migrate_killed():
    """kill -9 at any moment: each request runs at most once, and has an answer or waits."""
    with Gateway() as g:
        g.start_emacs()
        for turn in range(ROUNDS):
            q = Queue(g, f"q{turn}")
            many = 25
            for i in range(many):
                q.ask(f"{turn}-{i}", instance_id="main")
            kills = 0
            for stop_at in sorted(random.sample(range(1, many), 3)):
                p = subprocess.Popen([g.bridge, "migrate", "--apply", q.path], env=g.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                end = patience.Limit(30)
                while len(q.files("responses")) < stop_at and p.poll() is None:
                    check(not end.over(), "no answers come")
                p.kill()
                kills += p.wait() == -signal.SIGKILL
                q.ask(f"{turn}-{stop_at}-more", instance_id="main")
            r = g.run("migrate", "--apply", q.path)
            check(r.returncode == 0 and not q.files("requests") and not q.files("migrating"), r, q.files("requests"), q.files("migrating"))
            unsure = 0
            for name in q.files("responses"):
                id = name[5:-5]
                a = q.answer(id)
                check(a["status"] == "success" or a["error_code"] == "may_have_run", a)
                unsure += a["status"] != "success"
                check(q.ran(id) == 1 if a["status"] == "success" else q.ran(id) <= 1, id, q.ran(id), a)
            check(len(q.files("responses")) == many + 3 and unsure <= kills, q.files("responses"), unsure, kills)


@case(emacs="first")
def migrate_beside_others():
    """Efrit itself takes requests from the same folder, and a second migrate tries to."""
    with Gateway() as g:
        g.start_emacs()
        q = Queue(g)
        for i in range(60):
            q.ask(str(i))
        taken, over = [], threading.Event()

        def efrit(): # as efrit-remote-queue does: one rename makes it his
            while not over.is_set():
                for name in random.sample(q.files("requests"), min(3, len(q.files("requests")))):
                    with contextlib.suppress(FileNotFoundError):
                        os.rename(os.path.join(q.path, "requests", name), os.path.join(q.path, "processing", name))
                        taken.append(name[4:-5])
                select.select([], [], [], 0.002)
        other = threading.Thread(target=efrit)
        other.start()
        try:
            both = [subprocess.Popen([g.bridge, "migrate", "--apply", q.path], env=g.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    for _ in range(2)]
            said = [p.communicate(timeout=PATIENCE * 2)[0] for p in both]
        finally:
            over.set()
            other.join()
        for p, text in zip(both, said):
            check(p.returncode == 0 or "another efrit-bridge migrate works" in text, p.returncode, text)
        check(not q.files("requests") and not q.files("migrating"), q.files("requests"), q.files("migrating"), said)
        for i in range(60):
            check(q.ran(i) == (0 if str(i) in taken else 1), i, q.ran(i), taken)
        check(sorted(taken + [n[5:-5] for n in q.files("responses")]) == sorted(str(i) for i in range(60)), "lost:", taken, q.files("responses"))


@case()
def migrate_full_disk():
    """Answers cannot be written: what has run is not run again, and its answer comes when there is room."""
    with Gateway() as g:
        q = Queue(g)
        q.ask("a", type="bogus")
        os.chmod(os.path.join(q.path, "responses"), 0o500)
        if os.geteuid() == 0: # whom no mode stops
            os.rmdir(os.path.join(q.path, "responses"))
            with open(os.path.join(q.path, "responses"), "w", encoding="utf-8"):
                pass
        r = g.run("migrate", "--apply", q.path)
        check(r.returncode == 1 and "responses" in r.stderr, r)
        check(q.files("requests") == ["req_a.json"] or q.files("migrating"), "it is lost")
        if os.geteuid() == 0:
            os.unlink(os.path.join(q.path, "responses"))
        else:
            os.chmod(os.path.join(q.path, "responses"), 0o700)
        r = g.run("migrate", "--apply", q.path)
        check(r.returncode == 0 and q.answer("a")["status"] == "error", r)




# --- load-test ---

@case(emacs="first")
def load_test():
    with Gateway() as g:
        g.start_emacs()
        where = ("--listen", f"127.0.0.1:{g.port}")

        def test(*arguments, status=0):
            r = g.run("load-test", *arguments, *where)
            check(r.returncode == status, arguments, r)
            return json.loads(r.stdout) if status < 2 else r.stderr
        said = test("8", "400", "--mix", "eval:3,list:4,large:1")
        check(said["requests"] == said["answered"] == 400 and said["failed"] == 0 and said["arrivals"] == "closed", said)
        kinds = said["kinds"]
        check(set(kinds) == {"eval", "list", "large"} and sum(k["answered"] for k in kinds.values()) == 400, kinds)
        check(kinds["list"]["answered"] > kinds["large"]["answered"] and kinds["eval"]["share"] == 3, kinds)
        for one in (said, *kinds.values()):
            check(sum(d["count"] for d in one["distribution"]) == one["answered"], one)
            check(one["p50_ms"] <= one["p95_ms"] <= one["p99_ms"] <= one["max_ms"] <= one["distribution"][-1]["up_to_ms"], one)
        for arrivals in ("even", "random"):
            said = test("4", "--mix", "eval,interactive,batch", "--rate", "50", "--arrivals", arrivals, "--duration", "2")
            check(20 < said["requests"] <= 200 and said["failed"] == 0 and said["rate"] == 50, said)
        said = test("1", "50", "--mix", "work", "--rate", "1000") # it cannot be so fast: the waiting is counted
        check(said["answered"] == 50 and said["p95_ms"] > said["p50_ms"] > 5, said)
        said = test("2", "10", "--mix", "eval", "--set=instance=nobody", status=1)
        check(said["errors"] == said["failed"] == 10 and said["answered"] == 0, said)
        for bad, why in ((("--mix", "evl"), "did you mean eval"), (("--mix", "eval:0"), "share of eval"), (("--mix", "eval,eval"), "twice"),
                         (("--arrivals", "even"), "goes with"), (("--arrivals", "odd"), "is closed"), (("--rate", "x"), "--rate is"),
                         (("--duration", "0"), "--duration is"), (("99999",), "up to")):
            check(why in test(*bad, status=2), bad)
        g.alive()
