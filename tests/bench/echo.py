#!/usr/bin/env python3
"""echo.py [KEYS] - is a person's typing held up by agents?

A terminal frame, a person who types one key after another into a buffer, and the time
until each shows on the terminal: with no agent, and with 64 calls of 5 ms each always
waiting from one client.  Prints p50, p99 and the worst, in ms.  Nothing is asserted."""
import os
import random
import select
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import stop
import wire

FORM = '(let ((end (+ (float-time) 0.005))) (while (< (float-time) end)))'


class Load:
    """64 calls in flight until stopped."""

    def __init__(self, path):
        self.peer = wire.Peer(path)
        self.going = True
        self.done = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        open_calls = [self.peer.call(FORM, observe="brief") for _ in range(64)]
        while open_calls:
            self.peer.answer(open_calls.pop(0))
            self.done += 1
            if self.going:
                open_calls.append(self.peer.call(FORM, observe="brief"))

    def stop(self):
        self.going = False
        self.thread.join()
        return self.done


def drain(fd, seconds):
    end = time.monotonic() + seconds
    while select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
        os.read(fd, 65536)
        if time.monotonic() > end:
            break


def echo_times(fd, keys):
    times = []
    for i in range(keys):
        key = b"abcdefghij"[i % 10:i % 10 + 1]
        begun = time.monotonic()
        os.write(fd, key)
        while key not in os.read(fd, 65536):
            pass
        times.append((time.monotonic() - begun) * 1000)
        time.sleep(random.uniform(0.005, 0.03))
    return sorted(times)


def show(name, times, extra=""):
    print("%-34s p50 %6.2f ms   p99 %6.2f ms   worst %6.2f ms  %s"
          % (name, times[len(times) // 2], times[int(len(times) * 0.99)], times[-1], extra), flush=True)


def main():
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    stop.Emacs.swallow = lambda self: None  # the terminal is read here
    emacs = stop.Emacs("terminal", quiet=True)
    try:
        peer = emacs.connect(lambda: drain(emacs.master, 0.05))
        peer.call("(progn (switch-to-buffer \"typed\") (fundamental-mode) (setq mode-line-format nil) (redisplay t))")
        drain(emacs.master, 0.5)
        show("nobody else", echo_times(emacs.master, keys))
        load = Load(emacs.path)
        drain(emacs.master, 0.3)
        begun = time.monotonic()
        times = echo_times(emacs.master, keys)
        took = time.monotonic() - begun
        show("64 calls of 5 ms always waiting", times, "(%.0f calls/s served meanwhile)" % (load.stop() / took))
    finally:
        emacs.end()


if __name__ == "__main__":
    main()
