#!/usr/bin/env python3
"""patience.py - how long tests wait: their limits stretch with the load of the machine and with sanitizers.

    patience.py SECONDS               prints them as they are to be now
    patience.py SECONDS COMMAND...    runs it; when its time is over it gets SIGTERM and later SIGKILL, and the status is 124

EFRIT_TESTS_STRETCH is the factor on an idle machine; tests/run sets it.  The load is looked at again whenever a limit is
reached, so what comes later counts too."""
import os
import re
import signal
import subprocess
import sys
import time

MOST = 50.0  # a test that hangs ends at some time
TERMINATION = 10  # seconds between SIGTERM and SIGKILL
# Settings of bridge and gateway that stand for the patience of a product on a machine that is not overloaded.
SETTINGS = ("hello_timeout", "status_timeout", "interrupt_timeout", "silence", "call_margin", "stall", "eof_grace", "start_timeout", "stop_timeout",
            "gateway_patience", "head_timeout", "drain_timeout", "stuck_timeout")
CONFIG = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bridge", "config.def")


def load():
    """What wants to run on each processor: in the last minute or now, whichever is more."""
    now = 0
    try:
        with open("/proc/loadavg", encoding="ascii") as f:
            now = int(f.read().split()[3].split("/")[0])
    except OSError:
        pass
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(os.getloadavg()[0], now) / processors


def factor():
    return min(MOST, float(os.environ.get("EFRIT_TESTS_STRETCH") or 1) * max(1.0, load()))


def stretched(seconds):
    return seconds * factor()


class Limit:
    """So many seconds from now, on an idle machine."""

    def __init__(self, seconds):
        self.seconds, self.begun, self.factor = seconds, time.monotonic(), factor()

    def left(self):
        """Seconds; 0 when it is over."""
        left = self.begun + self.seconds * self.factor - time.monotonic()
        if left <= 0:
            self.factor = max(self.factor, factor())
            left = self.begun + self.seconds * self.factor - time.monotonic()
        return max(0.0, left)

    def over(self):
        return self.left() == 0


def ended(process, seconds):
    """Its status, when it has ended within SECONDS, which stretch; else subprocess.TimeoutExpired."""
    limit = Limit(seconds)
    while True:
        try:
            return process.wait(limit.left())
        except subprocess.TimeoutExpired:
            if limit.over():
                raise


def settings():
    """An environment for bridge and gateway: SETTINGS, stretched where others use this machine."""
    times = factor()
    if times < 1.5:
        return {}
    with open(CONFIG, encoding="utf-8") as f:
        rows = re.findall(r"^NUMBER\((\w+), (\d+), \d+, (\d+),", f.read(), re.M)
    return {"EFRIT_MCP_" + name.upper(): str(min(int(most), int(int(default) * times))) for name, default, most in rows if name in SETTINGS}


def run(seconds, command):
    """As timeout(1) does, in the group of whoever called."""
    process = subprocess.Popen(command)
    begun = []

    def end(*_):
        begun.append(True)
        process.terminate()
        signal.signal(signal.SIGALRM, lambda *_: process.kill())
        signal.alarm(TERMINATION + int(TERMINATION * load()))

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    try:
        status = ended(process, seconds)
    except subprocess.TimeoutExpired:
        end()
        process.wait()
        return 124
    return 128 - status if status < 0 else 143 if begun else status


def main():
    seconds = float(sys.argv[1])
    if len(sys.argv) > 2:
        return run(seconds, sys.argv[2:])
    print(int(stretched(seconds)) + 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
