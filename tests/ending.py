#!/usr/bin/env python3
"""ending.py - whatever way a test ends, nothing of it runs on.

    ending.py FOLDER     reads its input to the end, then kills what carries FOLDER in its environment, and removes FOLDER

The input is a pipe whose other end a test, or tests/run, holds as long as it lives: kill -9 closes it too."""
import os
import shutil
import signal
import subprocess
import sys
import time

TRIES = 200


def carriers(folder):
    """The processes with FOLDER, or what is in it, in their environment."""
    marks = [b"=" + folder.encode() + end for end in (b"/", b"\0")]
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc/self") else []):
        try:
            with open(f"/proc/{pid}/stat", "rb") as f:
                if f.read().rpartition(b")")[2].split()[0] == b"Z":
                    continue
            with open(f"/proc/{pid}/environ", "rb") as f:
                environment = f.read()
        except OSError:
            continue
        if int(pid) != os.getpid() and any(mark in environment for mark in marks):
            found.append(int(pid))
    return found


def names(pids):
    """One line for each that still runs."""
    p = subprocess.run(["ps", "-o", "pid,args", "-p", ",".join(map(str, pids))], capture_output=True, text=True, check=False)
    return p.stdout.rstrip()


def sweep(folder):
    """Kills until nobody is left: what is killed may have been about to start another."""
    for _ in range(TRIES):
        left = carriers(folder)
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)


class Guard:
    """Watches over FOLDER as long as this process lives.  Under tests/run there is one already, and FOLDER is in its own."""

    def __init__(self, folder, over=None):
        """OVER, called when this process is to end, raises what lets it clean up and say so."""
        self.folder, self.watcher = folder, None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, over or self.over)
        if not os.environ.get("EFRIT_TESTS_GUARDED"):
            self.watcher = subprocess.Popen([sys.executable, "-IS", os.path.abspath(__file__), folder], stdin=subprocess.PIPE,
                                            start_new_session=True, cwd="/", env={"PATH": os.environ.get("PATH", os.defpath)})

    @staticmethod
    def over(*_):
        raise SystemExit("ended from outside")

    def end(self):
        """Whether something was left, which then is so no more.  Once, at the very end."""
        left = carriers(self.folder)
        for _ in range(50): # what was just killed needs a moment
            if not left:
                break
            time.sleep(0.01)
            left = carriers(self.folder)
        if left:
            print("left running:\n" + names(left))
            sweep(self.folder)
        if self.watcher:
            self.watcher.stdin.close()
            self.watcher.wait()
        return bool(left)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 65536):
        pass
    sweep(sys.argv[1])
    shutil.rmtree(sys.argv[1], ignore_errors=True)
