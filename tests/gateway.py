#!/usr/bin/env python3
"""The gateway over HTTP: one case each, against the real program, and a real Emacs where it says so.

    tests/gateway.py CASE       EMACS, B in the environment choose the programs
    tests/gateway.py --list alone|emacs

Cases are functions in tests/gate/, their names with - for _.  Ends with 0, 1 (something else was said) or
77 (cannot be played here).
"""
import importlib
import os
import signal
import sys
import traceback

sys.dont_write_bytecode = True
from gate import burden, commands, crowd, driver, eras, faults, figures, fleet, flow, kept, large, lent, life, link, logs, pots, profiles, raw, revoked, routing, sessions, shapes, shares, sharing, suite, trust, unanswered, work  # pylint: disable=wrong-import-position,unused-import


def over(*_):
    """What ends a test that hangs says where it hung."""
    raise driver.Wrong("ended from outside")


def main():
    if sys.argv[1] == "--list":
        kinds = {"each": True, "first": "first", "alone": False}
        print("\n".join(n for n, (_, emacs) in driver.CASES.items() if emacs == kinds[sys.argv[2]]))
        return 0
    signal.signal(signal.SIGTERM, over)
    try:
        driver.CASES[sys.argv[1]][0]()
    except driver.Skip as e:
        print("SKIP", e)
        return 77
    except (driver.Wrong, AssertionError) as e:
        traceback.print_exc()
        print("WRONG:", e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
