"""What the gateway reads from disk and believes: nothing that another user made or can change."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile

from gate.driver import PATIENCE, Gateway, Skip, case, check, until
from gate.life import certificate
from gate.sharing import as_user

STRANGER = 4002


def state_of(g):
    return os.path.join(g.base, "home/.local/state/efrit-mcp")


def theirs(path):
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def open_mode(mode):
    return lambda path: os.chmod(path, mode)


def to_link(path):
    """The same, but by a link of another user's."""
    os.rename(path, path + ".real")
    os.symlink(path + ".real", path)
    theirs(path)


def refused(g, *words):
    """It does not start, says why, and leaves nothing."""
    p = subprocess.Popen([g.bridge, "serve", "--listen", "127.0.0.1:0", *g.settings], env=g.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = p.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
    check(p.returncode in (2, 111) and not out, "it has started:", p.returncode, out, err)
    for word in words:
        check(word in err, f"it does not say '{word}':", err)


@contextlib.contextmanager
def ended(**more):
    """A gateway that has run once and left its files."""
    with Gateway(**more) as g:
        g.end()
        yield g


@case()
def planted_state():
    """Each file of the state folder, the folder, and the way there: of another owner, open to others, a link."""
    if os.geteuid() != 0:
        raise Skip("needs root, to be several users")
    with ended(settings={"state": ""}) as g:
        state, way = state_of(g), os.path.join(g.base, "home/.local")
        faults = [
            ("", {theirs: "belongs to user 4002", open_mode(0o755): "chmod 700", open_mode(0o770): "chmod 700", to_link: "belongs to user 4002"}),
            ("token", {theirs: "belongs to user 4002", open_mode(0o640): "chmod 600", to_link: "token"}),
            ("tasks.sqlite", {theirs: "belongs to user 4002", open_mode(0o644): "chmod 600", to_link: "tasks.sqlite"}),
            ("tasks.sqlite-wal", {theirs: "belongs to user 4002", open_mode(0o606): "chmod 600", to_link: "tasks.sqlite-wal"}),
            ("tasks.sqlite-shm", {theirs: "belongs to user 4002", open_mode(0o660): "chmod 600"}),
            ("tasks.sqlite-journal", {theirs: "belongs to user 4002", open_mode(0o666): "chmod 600"}),
            ("results", {theirs: "belongs to user 4002", open_mode(0o777): "chmod 700", to_link: "results"}),
        ]
        for name, ways in faults:
            path = os.path.join(state, name).rstrip("/")
            for spoil, words in ways.items():
                if not os.path.exists(path): # SQLite has taken it away
                    with open(path, "wb"):
                        os.chmod(path, 0o600)
                before = os.lstat(path)
                spoil(path)
                refused(g, words, os.path.basename(path))
                if os.path.islink(path):
                    os.unlink(path)
                    os.rename(path + ".real", path)
                os.chown(path, before.st_uid, before.st_gid)
                os.chmod(path, before.st_mode & 0o7777)
        for spoil, words in ((theirs, "belongs to user 4002"), (open_mode(0o777), "other users can write"), (to_link, "belongs to user 4002")):
            spoil(way)
            refused(g, words, "on the way there")
            if os.path.islink(way):
                os.unlink(way)
                os.rename(way + ".real", way)
            os.chown(way, 0, 0)
            os.chmod(way, 0o700)
        for name in ("-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{state}/tasks.sqlite{name}")
        second = subprocess.Popen([g.bridge, "serve", "--listen", "127.0.0.1:0"], env=g.env, stdout=subprocess.PIPE, stderr=g.log)
        g.read_line(second.stdout) # put right, it starts
        second.terminate()
        check(second.wait(PATIENCE) == 0)
        second.stdout.close()


@case()
def planted_settings():
    """Settings, keys and certificates; a reload keeps what it had."""
    with Gateway(config={"hosts": "a.example"}) as g:
        path = g.config_path
        root = os.geteuid() == 0
        for spoil, words in (((theirs, "belongs to user 4002"),) if root else ()) + ((open_mode(0o666), "chmod go-w"), (open_mode(0o664), "chmod go-w")):
            before = os.stat(path)
            spoil(path)
            g.process.send_signal(signal.SIGHUP)
            count = g.whole_log().count("stay as they were")
            until(lambda count=count: g.whole_log().count("stay as they were") >= max(count, 1) and words in g.whole_log(), words)
            for command in (("instances",), ("config", "show"), ("token",)):
                r = g.run(*command)
                check(r.returncode == 2 and words in r.stderr, command, r)
            os.chown(path, before.st_uid, before.st_gid)
            os.chmod(path, before.st_mode & 0o7777)
        g.alive()
        os.rename(path, path + ".mine") # a link of one's own is how people keep their settings elsewhere
        os.symlink(path + ".mine", path)
        r = g.run("config", "explain", "hosts")
        check(r.returncode == 0 and "a.example" in r.stdout, r)
    with tempfile.TemporaryDirectory() as base:
        cert, key = certificate(base)
        with ended(settings={"tls_cert": cert, "tls_key": key}) as g:
            for path, mode, words in ((key, 0o644, "other users can read or write"), (key, 0o660, "other users can read or write"), (cert, 0o666, "other users can write")):
                before = os.stat(path).st_mode & 0o7777
                os.chmod(path, mode)
                refused(g, words, path)
                os.chmod(path, before)
            if os.geteuid() == 0:
                for path in (key, cert):
                    theirs(path)
                    refused(g, "belongs to user 4002", path)
                    os.chown(path, 0, 0)
            os.chmod(base, 0o777)
            refused(g, "other users can write to the folder")
            os.chmod(base, 0o700)


@case()
def planted_names():
    """Token files of names, the key of requestState, the lock, and the folder of the socket."""
    if os.geteuid() != 0:
        raise Skip("needs root, to be several users")
    with Gateway(config={"tokens": "alice=look"}) as g:
        alice = g.run("token", "alice").stdout.strip()

        def comes_in():
            with g.client() as c:
                return c.request("GET", "/health", token=False, headers={"Authorization": f"Bearer {alice}"}).status
        g.reload({"tokens": "alice=look"})
        check(comes_in() == 200, "her token is good")
        path = os.path.join(state_of(g), "token-alice")
        theirs(path)
        g.reload({"tokens": "alice=look"})
        check(comes_in() == 401 and "nobody comes in with the token alice" in g.said(), g.said())
        r = g.run("token", "alice")
        check(r.returncode == 1 and "belongs to user 4002" in r.stderr, r)
        # a number in a lock of somebody else's is sent no signal
        lock = g.socket + ".lock"
        theirs(lock)
        r = g.run("stop")
        check(r.returncode == 1 and "belongs to user 4002" in r.stderr, r)
        g.alive()
        os.chown(lock, 0, 0)
    with ended() as g:
        lock = g.socket + ".lock"
        with open(lock, "w", encoding="ascii") as f:
            f.write("1\n")
        theirs(lock)
        refused(g, "belongs to user 4002", ".lock")
        os.unlink(lock)
        os.symlink("/etc/passwd", lock)
        refused(g, ".lock")
        os.unlink(lock)
        os.chmod(os.path.dirname(g.socket), 0o777)
        refused(g, "other users can write to the folder")
        os.chmod(os.path.dirname(g.socket), 0o700)
    with ended() as g: # a key others know would let them forge what a client carries for us
        key = os.path.join(state_of(g), "state.key")
        with open(key, "wb") as f:
            f.write(b"k" * 32)
        os.chmod(key, 0o644)
        refused(g, "read by others", "state.key")
        theirs(key)
        refused(g, "belongs to user 4002", "state.key")


@case(emacs="first")
def planted_batch():
    """A kept batch in a store of somebody else's does not run; the same in one's own does."""
    if os.geteuid() != 0:
        raise Skip("needs root, to be several users")
    home = tempfile.mkdtemp()
    try:
        mark = os.path.join(home, "ran")
        with Gateway(settings={"drain_timeout": 0}) as g:
            g.start_emacs()
            g.instance = None # it outlives this gateway
            form = f'(progn (sleep-for 0.2) (write-region "x" nil "{mark}" t))'
            a = g.call("efrit_execute_batch", {"forms": ["(sleep-for 2)", form], "keep": True, "instance_id": "main", "order": "sequential",
                                                "idempotent": True})
            check(not a.get("isError"), a)
            g.process.kill()
            g.process.wait()
            g.process.returncode = 0
            check(not os.path.exists(mark))
            for name in ("tasks.sqlite", "tasks.sqlite-wal"):
                if os.path.exists(os.path.join(state_of(g), name)):
                    theirs(os.path.join(state_of(g), name))
            refused(g, "belongs to user 4002", "tasks.sqlite")
            check(not os.path.exists(mark), "the planted batch ran")
            for name in os.listdir(state_of(g)):
                os.chown(os.path.join(state_of(g), name), 0, 0)
            with open(g.log_path, "ab") as log:
                second = subprocess.Popen([g.bridge, "serve", "--listen", "127.0.0.1:0"], env=g.env, stdout=subprocess.PIPE, stderr=log)
            try:
                g.read_line(second.stdout)
                until(lambda: os.path.exists(mark), "one's own batch runs")
            finally:
                g.run("call", "efrit_stop_instance", json.dumps({"instance_id": "main", "force": True}))
                second.terminate()
                check(second.wait(PATIENCE) == 0)
                second.stdout.close()
    finally:
        shutil.rmtree(home)


@case()
def planted_folders():
    """The folder of the sockets is judged with the way there, by a bridge and by the gateway."""
    if os.geteuid() != 0:
        raise Skip("needs root, to be several users")
    with Gateway() as g:
        run = os.path.join(g.base, "x")
        os.makedirs(os.path.join(run, "efrit"), mode=0o700, exist_ok=True)
        check("other users" not in g.run("instances").stdout + g.run("instances").stderr)
        os.chmod(run, 0o777)
        r = g.run("instances", "--json")
        check("other users can write to the folder x" in json.loads(r.stdout)["why"], r)
        os.chmod(run, 0o1777)
        r = g.run("instances", "--json")
        check("other users" not in json.loads(r.stdout)["why"], r)
        os.chmod(run, 0o700)
    # without XDG_RUNTIME_DIR it is in /tmp, where anybody may have been first
    place = f"/tmp/efrit-gateway-{STRANGER}"
    if os.path.lexists(place):
        raise Skip(f"{place} is there")
    mine = tempfile.mkdtemp(dir="/tmp")
    os.chown(mine, STRANGER, STRANGER)
    os.mkdir(place, 0o700)
    os.chown(place, 4001, 4001)
    try:
        for name in ("efrit-bridge", "efrit-gateway"):
            shutil.copy(os.path.join(os.path.dirname(g.bridge), name), mine)
            os.chmod(os.path.join(mine, name), 0o755)
        r = as_user(os.path.join(mine, "efrit-bridge"), "serve", "--listen", "127.0.0.1:0", uid=STRANGER, env={"HOME": mine, "PATH": os.environ["PATH"]})
        check(r.returncode == 111 and "belongs to user 4001" in r.stderr, r)
    finally:
        os.rmdir(place)
        shutil.rmtree(mine)
