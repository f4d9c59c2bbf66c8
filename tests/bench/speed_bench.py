# SPDX-License-Identifier: Apache-2.0
"""How fast a check is and what an idle daemon costs, inside the lab, each beside something to compare with.

Prints figures beside the promises of docs/PERFORMANCE.md; with REACHD_BENCH_STRICT=1 a promise that is not
kept is a failure. Run as root:
    /usr/bin/python3 tests/bench/speed_bench.py      (REACHD_BIN: where the programs are, build/release)
"""
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/support"))
from lab import Lab  # noqa: E402

TARGET = "198.51.100.9"  # the lab's server owns it; nothing listens on the ports below
REFUSED = "20001-21000"
SILENT = "22001-23000"
TIME_LIMIT_S = 3.0
ATTEMPTS = 2
LOCATED_S = 10
RUNS = 3
SETTLE_S = 80
IDLE_S = 60
MAX_RSS_KB = 20_000
MAX_CPU_PERCENT = 0.5


def prepare(lab, directory):
    """Copies of the programs that the lab's ordinary user can run, and a catalogue of 2,000 ports."""
    programs = pathlib.Path(os.environ.get("REACHD_BIN", TOP / "build/release"))
    for name in ("reachd", "reachctl"):
        shutil.copy(programs / name, directory / name)
    shutil.copytree(TOP / "config/catalogues", directory / "catalogues")
    rows = [{"id": name, "transport": "tcp", "destinations": [TARGET], "ports": ports, "expect": "path"}
            for name, ports in (("refused", REFUSED), ("silent", SILENT))]
    (directory / "catalogues/bench.json").write_text(json.dumps({"id": "bench", "requirements": rows}))
    (directory / "bench.json").write_text(json.dumps({
        "catalogues": ["bench"],
        "limits": {"connect_timeout_ms": int(TIME_LIMIT_S * 1000), "attempts": ATTEMPTS},
    }))
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755)
    (directory / "run").mkdir(mode=0o777)
    (directory / "run").chmod(0o777)


def timed(lab, argv):
    begun = time.monotonic()
    done = lab.exec("client", argv, user=True, capture_output=True, text=True)
    return time.monotonic() - begun, done


def check(lab, directory, row):
    seconds, done = timed(lab, [
        str(directory / "reachctl"), "check", "--fast", "--only", row,
        "--config", str(directory / "bench.json"), "--catalogue-dir", str(directory / "catalogues")])
    return seconds, done.stdout


def nmap(lab, ports):
    return timed(lab, ["nmap", "-sT", "-T5", "--min-parallelism", "500", "-Pn", "-n", "-p", ports, TARGET])[0]


def bench_refused(lab, directory):
    ours, theirs = [], []
    for _ in range(RUNS):
        seconds, table = check(lab, directory, "refused")
        assert "all 1000 endpoints are let through: 1000 closed" in " ".join(table.split()), table
        ours.append(seconds)
        theirs.append(nmap(lab, REFUSED))
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"1000 refused endpoints through NAT: reachctl {statistics.median(ours):.2f} s, "
          f"nmap -sT -T5 --min-parallelism 500 {statistics.median(theirs):.2f} s, ratio {ratio:.2f}")
    return statistics.median(ours) <= LOCATED_S  # nmap asks nobody who it was that refused


def bench_silent(lab, directory):
    lab.fault("drop", proto="tcp", port=SILENT)
    seconds, table = check(lab, directory, "silent")
    lab.clear()
    assert f"tcp {SILENT} to {TARGET}: dropped between hop 1 " in " ".join(table.split()), table
    print(f"1000 silent endpoints, located: reachctl {seconds:.2f} s, limit {LOCATED_S:.0f} s "
          f"({ATTEMPTS} attempts of {TIME_LIMIT_S:.0f} s, and the walk to the box at fault)")
    return seconds <= LOCATED_S


def process_times(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench_idle(lab, directory):
    config = json.loads((directory / "lab.json").read_text())
    config["limits"] = {"new_flows_per_s": 0, "new_flows_per_destination_per_s": 0}  # the first sweep, quickly
    (directory / "lab.json").write_text(json.dumps(config))
    daemon = lab.popen("client", [
        str(directory / "reachd"), "--config", str(directory / "lab.json"), "--catalogue-dir",
        str(directory / "catalogues"), "--runtime-dir", str(directory / "run"), "--state-dir",
        str(directory / "run")], user=True, stderr=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE_S)  # the first sweep, the walks after it, and the samples of blocks
        pid = int(subprocess.run(["pgrep", "-n", "-f", str(directory / "reachd")], capture_output=True,
                                 text=True, check=True).stdout)
        before, begun = process_times(pid), time.monotonic()
        time.sleep(IDLE_S)
        percent = 100 * (process_times(pid) - before) / (time.monotonic() - begun)
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        rss = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    finally:
        daemon.terminate()
        daemon.wait(10)
    print(f"idle daemon, both catalogues, interval 60 s: {rss / 1000:.1f} MB resident, {percent:.2f} % of one core "
          f"over {IDLE_S} s")
    return rss < MAX_RSS_KB and percent < MAX_CPU_PERCENT


def main():
    if os.geteuid() != 0:
        print("needs root for network namespaces")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as name, Lab(f"b{os.getpid() % 100000}") as lab:
        directory = pathlib.Path(name)
        prepare(lab, directory)
        (directory / "lab.json").write_text(json.dumps(lab.config()))
        good = [bench_refused(lab, directory), bench_silent(lab, directory), bench_idle(lab, directory)]
    print("all promises kept" if all(good) else "a promise of docs/PERFORMANCE.md is not kept")
    # A busy machine is no fault of the program: only who asks for it gets a failure.
    return 1 if os.environ.get("REACHD_BENCH_STRICT") and not all(good) else 0


if __name__ == "__main__":
    sys.exit(main())
