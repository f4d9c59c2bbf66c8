# SPDX-License-Identifier: Apache-2.0
"""Idle timers at their real length: 12 minutes of TCP and 1 minute of UDP, through two NATs side by side. It takes 13 minutes
and next to no processor.

    sudo /usr/bin/python3 tests/system/idle_full_test.py              # here and now
    ... --begin DIRECTORY      # in the background; an earlier run of that directory is ended
    ... --end DIRECTORY        # waits for it, says what it said, and ends as it did

ctest uses the last two, so that the wait lies beside all other tests.
"""
import concurrent.futures
import contextlib
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from idle_lab import DROP_FORGOTTEN, NO_ANSWERS, Reflected, catalogue  # noqa: E402
from side_by_side import main  # noqa: E402
from lab import Lab  # noqa: E402

REQUIRED = {"tcp": 720, "udp": 60}
TCP_RUNGS = [300, 600, 690, 705]
LONGEST_S = 760  # no search for the box of a TCP timer: that would take 15 minutes more
PATIENCE_S = 1100
NAME, LABS = "idlef", 2


class FullLength(Reflected):
    def measure_all(self):
        """By the reflector, and TCP over a service as well; (entries, exit code) of each."""
        both = ("tcp", "udp")
        idle = {"tcp_rungs_s": TCP_RUNGS, "longest_s": LONGEST_S}
        reflected = self.files(REQUIRED, {"tcp": TCP_RUNGS, "udp": []}, both, idle=idle)
        self.site.write("catalogues/timers.json", catalogue(REQUIRED, both))
        over_service = self.site.config({"catalogues": ["timers"], "values": {}, "idle": idle}, name="service.json")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(self.measure, config, timeout=PATIENCE_S) for config in (reflected, over_service)]
            return [job.result() for job in jobs]

    def assert_answered_only(self, one):
        """What our own packet shows after 12 minutes: never a pass."""
        self.assertEqual((one["state"], one["grade"], one["held_s"], one["lost_s"], one["via"]),
                         ("unproven", "outbound", None, None, "line"), one)
        self.assertGreaterEqual(one["answered_s"], 720, one)

    def test_a_nat_that_keeps_tcp_for_725_s_and_udp_for_65_s_passes(self):
        self.timers(tcp=725, single=65, stream=65, loose=0)
        self.rules(NO_ANSWERS)
        self.rules(DROP_FORGOTTEN)
        (got, code), (over_service, _) = self.measure_all()
        self.assertEqual(code, 0, got)
        for which, timer_s in (("tcp", 725), ("single", 65), ("stream", 65)):
            one = got[which]
            self.assert_true_of(one, timer_s)
            self.assertEqual((one["state"], one["grade"]), ("pass", "inbound"), one)
            self.assertGreaterEqual(one["held_s"], one["required_s"], one)
        self.assertEqual(got["tcp"]["held_s"], 722)
        self.assert_answered_only(over_service["tcp"])

    def test_a_nat_that_keeps_tcp_for_700_s_and_single_datagrams_for_30_s_fails(self):
        self.timers(tcp=700, single=30, stream=120, loose=1)
        self.rules(NO_ANSWERS)
        (got, code), (over_service, _) = self.measure_all()
        self.assertEqual(code, 2, got)
        for which, timer_s in (("tcp", 700), ("single", 30)):
            one = got[which]
            self.assert_bracket(one, timer_s)
            self.assert_true_of(one, timer_s)
            self.assertEqual((one["state"], one["grade"], one["after_expiry"]), ("fail", "inbound_lost", "re-creates"), one)
        self.assertEqual((got["tcp"]["held_s"], got["tcp"]["lost_s"]), (697.5, 711.5))
        self.assertIn("which box it is was not looked for: that takes a silence of", got["tcp"]["sentence"])
        self.assertEqual(got["single"]["where"]["at"]["hop"], 1)
        self.assert_true_of(got["stream"], 120)
        self.assertEqual(got["stream"]["state"], "pass", got["stream"])
        self.assert_answered_only(over_service["tcp"])  # the NAT has made it anew: a timer of 700 s looks healthy


def run(directory):
    code = 1
    try:
        main(NAME, LABS)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        fresh = directory / "result.new"
        fresh.write_text(str(code), encoding="ascii")
        fresh.replace(directory / "result")


def is_running(pid):
    """Whether that process is one of this file's."""
    with contextlib.suppress(OSError):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return os.fsencode(__file__) in words
    return False


def earlier(directory):
    """The process of the run that was begun in this directory, or None."""
    with contextlib.suppress(OSError, ValueError):
        return int((directory / "pid").read_text(encoding="ascii"))
    return None


def end_earlier(directory):
    pid = earlier(directory)
    if pid is None or not is_running(pid):
        return
    os.killpg(pid, signal.SIGKILL)
    for number in range(LABS):
        name = f"{NAME}{number}-{pid}"
        Lab(name).down()
        for left in glob.glob(f"{tempfile.gettempdir()}/{name}-*"):
            shutil.rmtree(left, ignore_errors=True)


def begin(directory):
    directory.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        end_earlier(directory)
    (directory / "result").unlink(missing_ok=True)
    with open(directory / "log", "wb") as log:
        child = subprocess.Popen([sys.executable, "-B", __file__, "--run", str(directory)], stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, start_new_session=True)
    (directory / "pid").write_text(str(child.pid), encoding="ascii")


def end(directory):
    pid, result = earlier(directory), directory / "result"
    deadline = time.monotonic() + PATIENCE_S
    while not result.exists() and pid is not None and is_running(pid) and time.monotonic() < deadline:
        time.sleep(1)
    time.sleep(0.1)  # between its result and its end
    print((directory / "log").read_text(encoding="utf-8", errors="replace"))
    sys.exit(int(result.read_text(encoding="ascii")) if result.exists() else 1)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("--begin", "--run", "--end"):
        {"--begin": begin, "--run": run, "--end": end}[sys.argv.pop(1)](pathlib.Path(sys.argv.pop(1)))
    else:
        main(NAME, LABS)
