#!/usr/bin/env python3
"""The gateway over HTTP: one case each, against the real program, and a real Emacs where it says so.

    tests/gateway.py CASE       EMACS, B in the environment choose the programs
    tests/gateway.py --list alone|emacs

Cases are functions in tests/gate/, their names with - for _.  Ends with 0, 1 (something else was said) or
77 (cannot be played here).
"""
import importlib
import os
import shutil
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
import ending  # pylint: disable=wrong-import-position
from gate import driver  # pylint: disable=wrong-import-position

for file in sorted(os.listdir(os.path.dirname(driver.__file__))):  # each file there has cases, or serves those that do
    if file.endswith(".py"):
        importlib.import_module("gate." + file[:-3])


def over(*_):
    """What ends a test that hangs says where it hung."""
    raise driver.Wrong("ended from outside")


def main():
    if sys.argv[1] == "--list":
        kinds = {"each": True, "first": "first", "alone": False}
        print("\n".join(n for n, (_, emacs) in driver.CASES.items() if emacs == kinds[sys.argv[2]]))
        return 0
    folder = tempfile.mkdtemp(prefix="gate-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder # all that the case makes is in there, and its processes are known by it
    guard, status = ending.Guard(folder, over), 0
    try:
        driver.CASES[sys.argv[1]][0]()
    except driver.Skip as e:
        print("SKIP", e)
        status = 77
    except (driver.Wrong, AssertionError) as e:
        traceback.print_exc()
        print("WRONG:", e)
        status = 1
    finally:
        left = guard.end()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if left and status == 0 else status


if __name__ == "__main__":
    sys.exit(main())
