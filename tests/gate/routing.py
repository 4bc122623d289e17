"""Which Emacs a call goes to, and that the answer says which one it was."""
import json
import os
import subprocess
import tempfile
import threading

from gate.driver import PATIENCE, case, check, until
from gate.fleet import Fleet, make, write

WHO = "(cons (emacs-pid) efrit-mcp-server-instance)"


def session(g):
    """How a client of its own asks: a conversation that has named nobody yet."""
    c = g.client()
    ident = c.initialize()

    def ask(where=None, folder=None, tool="efrit_execute", **more):
        arguments = dict({"content": WHO, "observe": "none"}, **more) if tool == "efrit_execute" else more
        params = {"name": tool, "arguments": dict(arguments, **({"instance_id": where} if where else {}))}
        if folder:
            params["_meta"] = {"efrit-mcp/folder": folder}
        said = json.loads(c.legacy(ident, "tools/call", params).json["result"]["content"][0]["text"])
        if said.get("status") == "success" and tool == "efrit_execute" and "content" not in more:
            check(f'"{said["instance_id"]}"' in said["result"], "the answer names another one than it was:", said)
        return said
    return ask


def who(said):
    check(said.get("status") == "success", said)
    return said["instance_id"]


@case(emacs="first")
def routing():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as base:
        base = os.path.realpath(base)
        project, inner, other = (make(os.path.join(base, n)) for n in ("project", "project/inner", "other"))
        make(os.path.join(inner, "deep"))
        instances = {"outer": {"workspace": project, "auto_start": True}, "inner": {"workspace": inner, "auto_start": True},
                     "twin": {"workspace": other, "auto_start": True, "priority": 1}, "twin2": {"workspace": other, "auto_start": True, "priority": 1}}
        with Fleet(config={"instances": instances, "pools": {"pool": {"min": 2, "max": 2}}}) as g:
            g.up(6)
            ask = session(g)
            # The one that is named, whatever else would be right.
            check(who(ask("twin", folder=project)) == "twin")
            check(who(ask("pool", folder=project)) in ("pool-1", "pool-2"))
            unknown = ask("nobody", folder=project)
            check(unknown["error_code"] == "unknown_instance" and {"outer", "inner"} <= set(unknown["instances"]), unknown)
            # The nearest folder above: of the project the client tells of ...
            check(who(ask(folder=project)) == "outer" and who(ask(folder=f"{project}/src/x")) == "outer")
            check(who(ask(folder=inner)) == "inner" and who(ask(folder=f"{inner}/deep")) == "inner")
            check(who(ask(folder=f"{project}/inner2")) == "outer", "a name that begins alike is another folder")
            # ... or of the folder the client works in.
            for folder, right in ((project, "outer"), (f"{inner}/deep", "inner")):
                said = subprocess.run([g.bridge, "call", "efrit_execute", json.dumps({"content": WHO, "observe": "none"})], env=g.env, cwd=folder,
                                      capture_output=True, text=True, timeout=PATIENCE, check=False)
                check(f'"instance_id":"{right}"' in said.stdout.replace(" ", ""), folder, said)
            # Folders before what the session has named; two in one folder are not chosen between by it.
            mine = session(g)
            check(who(mine("inner")) == "inner" and who(mine()) == "inner", "the session's")
            check(who(mine(folder=project)) == "outer" and who(mine(folder=other)) == "inner")
            check(who(mine("outer")) == "outer")
            undecided = mine() # it has named two: nothing is meant any more
            check(undecided.get("instance_id", "").startswith("pool-"), undecided)
            # Nobody is named and nothing is known: the pool, as two have the highest priority.
            check(who(session(g)()).startswith("pool-"))
            # Batch work goes to the pool though a folder says otherwise.
            check(who(ask(folder=project, priority="batch")).startswith("pool-"))
            # The least busy of the pool.
            flag = os.path.join(base, "go")
            held = []
            t = threading.Thread(target=lambda: held.append(session(g)("pool", content=f'(progn (while (not (file-exists-p "{flag}")) (sleep-for 0.02)) 1)', timeout=60)))
            t.start()
            until(lambda: any(i.get("running") for n, i in g.list().items() if n.startswith("pool-")), "one is busy")
            busy = [n for n, i in g.list().items() if i.get("running")]
            free = {who(session(g)("pool")) for _ in range(5)}
            write(flag, "")
            t.join(PATIENCE)
            check(len(busy) == 1 and held[0]["instance_id"] == busy[0] and len(free) == 1 and busy[0] not in free, busy, held, free)
            # The default: the one of the highest priority, else the one called so.
            instances["twin"]["priority"] = 2
            g.reload({"instances": instances})
            until(lambda: not [n for n in g.list() if n.startswith("pool-")], "the pool is no more")
            twin = g.good("(emacs-pid)", "twin")
            check(who(session(g)()) == "twin")
            instances["twin"]["priority"] = 1
            g.reload({"instances": instances})
            said = session(g)()
            check(said.get("error_code") == "ambiguous_instance" and {"twin", "twin2", "outer", "inner"} <= set(said["instances"]), said)
            instances["default"] = {"auto_start": True}
            g.reload({"instances": instances})
            until(lambda: g.list().get("default", {}).get("kept") == "up", "it is up")
            check(who(session(g)()) == "default")
            check(who(session(g)("twin2")) == "twin2", "what others named is theirs")
            check(g.good("(emacs-pid)", "twin") == twin and g.list()["twin"]["starts"] == 1, "that another thing is declared of it ends no instance")
