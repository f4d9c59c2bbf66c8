# SPDX-License-Identifier: Apache-2.0
"""Runs a file's tests several at a time, each worker in a lab of its own: for tests that mostly wait.

    from side_by_side import main
    if __name__ == "__main__":
        main("idler")          # as lab_site.main; options: [-v] [--workers N] [TEXT of a test's name]...

A line for each test as it ends, with its seconds; what failed is told at the end, by name. A class may say `LONG = True`:
its tests begin first. Fixtures of classes and modules are not run.
"""
import concurrent.futures
import contextlib
import os
import queue
import sys
import time
import unittest

from lab_site import Site

WORKERS = 4  # a test takes a hundredth of a processor and a lab 3 s to build; ctest runs another file beside


def tests_of(suite):
    """The single tests, those of classes that are LONG first."""
    found = []
    for one in suite:
        found += tests_of(one) if isinstance(one, unittest.TestSuite) else [one]
    return sorted(found, key=lambda test: not getattr(test, "LONG", False))


def run_one(test, site):
    """(its result, seconds)"""
    result = unittest.TestResult()
    test.site = site
    began = time.monotonic()
    test.run(result)
    return result, time.monotonic() - began


def name_of(test):
    return test.id().removeprefix("__main__.")


def word_of(result):
    return "FAIL" if not result.wasSuccessful() else "skip" if result.skipped else "ok"


def run_all(name, tests, workers, how):
    """(test, result, seconds) of each as it ends."""
    with contextlib.ExitStack() as labs, concurrent.futures.ThreadPoolExecutor(workers) as pool:
        sites = queue.SimpleQueue()
        for number in range(workers):
            sites.put(labs.enter_context(Site(f"{name}{number}-", **how)))

        def run(test):
            site = sites.get()
            try:
                return test, *run_one(test, site)
            finally:
                sites.put(site)

        for job in concurrent.futures.as_completed([pool.submit(run, test) for test in tests]):
            yield job.result()


def tell(results, seconds):
    """What went wrong, and the sums; whether all is well."""
    wrong = [(test, trace) for one in results for test, trace in one.failures + one.errors]
    wrong += [(test, "an unexpected success") for one in results for test in one.unexpectedSuccesses]
    for test, trace in wrong:
        print("=" * 70, f"FAIL: {name_of(test)}", "-" * 70, trace, sep="\n", flush=True)
    for one in results:
        for test, reason in one.skipped:
            print(f"skipped: {name_of(test)}: {reason}", flush=True)
    print(f"Ran {len(results)} tests in {seconds:.1f} s; {len(wrong)} failures", flush=True)
    return all(one.wasSuccessful() for one in results)


def main(name, workers=WORKERS, **how):
    """Runs the calling file's tests and exits; `how` makes the labs (class Lab)."""
    if os.geteuid() != 0:
        print(f"{name}_test: needs root (network namespaces); skipped", file=sys.stderr)
        sys.exit(77)
    words = [word for word in sys.argv[1:] if word != "-v"]
    if "--workers" in words:
        place = words.index("--workers")
        workers = int(words[place + 1])
        del words[place:place + 2]
    tests = [test for test in tests_of(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
             if not words or any(word in test.id() for word in words)]
    if not tests:
        print(f"no test's name has any of {words}", file=sys.stderr)
        sys.exit(64)
    began, results = time.monotonic(), []
    for test, result, seconds in run_all(name, tests, min(workers, len(tests)), how):
        results.append(result)
        print(f"{word_of(result):<5}{seconds:6.1f} s  {name_of(test)}", flush=True)
    sys.exit(0 if tell(results, time.monotonic() - began) else 1)
