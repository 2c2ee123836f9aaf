"""A suite of cases: run them, count them, clean up in any case.

    @case("what is promised")
    def name(bed): ...

A case passes when it returns, is left out when it raises Skip, and fails when it
raises anything else, or when the bed's after_case(), if it has one, does. run() prints one line per case and ends with
`N passed, N failed[, N skipped]`.
"""
import argparse
import os
import signal
import sys
import time
import traceback

CASES = []
# On a machine that does other things too a guest under emulation may miss a deadline: CI gives a case a second try, and says so.
RETRY = os.environ.get("WRY_RETRY") == "1"


class Skip(Exception):
    """The case cannot be tried on this machine; the message says why."""


def case(promise):
    """Register a function as a case."""
    def add(function):
        CASES.append((function.__name__, promise, function))
        return function
    return add


def check(condition, message):
    """A condition that must hold."""
    if not condition:
        raise AssertionError(message)


def interrupted(signum, _frame):
    sys.exit(128 + signum)


def run_case(name, promise, function, bed):
    """'passed', 'failed' or 'skipped', after its line has been printed."""
    start = time.monotonic()
    try:
        try:
            function(bed)
        finally:
            getattr(bed, "after_case", lambda: None)()
        verdict, detail = "passed", ""
    except Skip as reason:
        print(f"SKIP {name}: {reason}", flush=True)
        return "skipped"
    except Exception:  # every other way to end is a failure of this case alone
        verdict, detail = "failed", traceback.format_exc()
    print(f"{'ok  ' if verdict == 'passed' else 'FAIL'} {name}: {promise} ({time.monotonic() - start:.1f} s)", flush=True)
    for line in detail.splitlines():
        print(f"     {line}", flush=True)
    return verdict


def run(make_bed, description):
    """The suite's main: make_bed(options) is a context manager handed to each case."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", default=os.environ.get("WHERRY_BUILD", "build"), help="build folder")
    parser.add_argument("--list", action="store_true", help="only print the cases' names")
    parser.add_argument("names", nargs="*", metavar="CASE", help="run these alone")
    options = parser.parse_args()
    chosen = [row for row in CASES if not options.names or row[0] in options.names]
    if options.list:
        print("\n".join(f"{name}: {promise}" for name, promise, _ in chosen))
        return
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupted)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with make_bed(options) as bed:
        for row in chosen:
            verdict = run_case(*row, bed)
            if verdict == "failed" and RETRY:
                print(f"FLAKY? {row[0]}: once more", flush=True)
                verdict = run_case(*row, bed)
            counts[verdict] += 1
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    sys.exit(1 if counts["failed"] or not counts["passed"] else 0)
