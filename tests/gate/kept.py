"""What is told of instances that the gateway keeps: over HTTP, by a bridge that has found it, on the command line."""
import os
import tempfile
import threading

from gate.driver import case, check, until
from gate.fleet import Fleet, write
from gate.link import Agent


@case(emacs="first")
def kept_states():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        ends = write(os.path.join(folder, "ends.el"), "(kill-emacs 3)")
        flag = os.path.join(folder, "go")
        config = {"instances": {"main": {"auto_start": True}, "lazy": {}, "ends": {"init": ends, "auto_start": True}}}
        with Fleet(settings={"crash_max": 4, "crash_window": 3600, "crash_pause": 3000, "restart_max": 100}, config=config) as g, Agent(g.env) as a:
            # It ends each time that it is started: with a pause before the next try, then not any more.
            until(lambda: g.list()["ends"].get("next") == "start", "it is started again in a moment")
            g.up()
            a.sees()
            g.good("1", "main")

            def everywhere(name, **members):
                """Its state as all three tell it."""
                for said in (g.text("efrit_status", {"instance_id": name}), a.json("efrit_status", {"instance_id": name}), g.list()[name],
                             {i["id"]: i for i in a.json("efrit_list_instances")["instances"]}[name]):
                    check(all(said.get(k) == v for k, v in members.items()), name, members, said)
                return g.run("status", name)
            said = everywhere("main", kept="up", starts=1, state="idle")
            check(said.returncode == 0 and "main is idle" in said.stdout and "kept      up\n" in said.stdout, said)
            said = everywhere("lazy", kept="off", state="gone", why="it is declared and not started; the first call that names it starts it")
            check(said.returncode == 3 and "kept      off\n" in said.stdout, said)
            until(lambda: g.list()["ends"]["kept"] == "crash-loop", "no more")
            said = everywhere("ends", kept="crash-loop", state="crash-loop", next="try", misses=4)
            check(said.returncode == 3 and "kept      crash-loop, tried again in " in said.stdout and "ended with status 3" in said.stdout, said)
            check(0 < g.list()["ends"]["next_ms"] <= 3000000)
            said = g.run("instances").stdout
            check(" KEPT " in said and " crash-loop" in said, said)
            # What is not declared any more is let finish what it does.
            t = threading.Thread(target=lambda: g.eval(f'(while (not (file-exists-p "{flag}")) (sleep-for 0.01))', "main", timeout=100))
            t.start()
            until(lambda: g.text("efrit_status", {"instance_id": "main"})["state"] == "running", "it runs")
            g.reload({"instances": {"lazy": {}}})
            said = everywhere("main", kept="draining", state="running", next="end")
            check("kept      draining, ended in " in said.stdout, said)
            write(flag, "")
            t.join()
            until(lambda: "main" not in g.list(), "it has gone")
            # Nobody has such a one.
            check(a.json("efrit_status", {"instance_id": "none"})["error_code"] in ("unknown_instance", "no_instance"))
            # Without the gateway, what can be seen.
            g.end()
            until(lambda: "kept" not in str(a.json("efrit_list_instances")), "nobody keeps anything")


@case(emacs="first")
def kept_silent():
    """A gateway that does not answer holds nobody up who asks how an Emacs is."""
    with Fleet(settings={"status_timeout": 300}, config={"instances": {"main": {"auto_start": True}}}) as g, Agent(g.env) as a:
        g.up()
        a.sees()
        g.good("1", "main")
        check(a.json("efrit_status")["kept"] == "up")
        os.kill(g.process.pid, 19)
        try:
            said = a.json("efrit_status")
            check(said["state"] == "idle" and "kept" not in said, said)
            check([i["id"] for i in a.json("efrit_list_instances")["instances"]] == ["main"])
        finally:
            os.kill(g.process.pid, 18)
        until(lambda: a.json("efrit_status").get("kept") == "up", "it answers again")
