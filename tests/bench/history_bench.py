# SPDX-License-Identifier: Apache-2.0
"""How fast the history of 100,000 changes answers, each question beside sqlite3(1) asking the file for the same.

The daemon runs in a network namespace of its own without any link; the clock of the history is real.
Prints figures beside the promise (100 ms); with REACHD_BENCH_STRICT=1 a promise that is not kept is a failure.
    /usr/bin/python3 tests/bench/history_bench.py      (as root; REACHD_BIN: where the programs are, build/release)
"""
import json
import os
import pathlib
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
CHANGES = 100_000
ROWS = 16
RUNS = 9
PROMISE_S = 0.1
STEP_MS = 25_000  # a change every 25 s: 29 days


def fill(path, first_ms):
    """100,000 changes of 16 rows, each with as much detail as a failing row of the lab has."""
    detail = json.dumps({"counts": {"total": 12, "pass": 11, "fail": 1, "unproven": 0}, "evidence": "e" * 1500})
    base = sqlite3.connect(path)
    base.execute("INSERT OR IGNORE INTO subject(catalogue, requirement) VALUES('', '')")
    site = base.execute("SELECT id FROM subject WHERE catalogue = ''").fetchone()[0]
    for i in range(ROWS):
        base.execute("INSERT OR IGNORE INTO subject(catalogue, requirement) VALUES('bench', ?)", (f"row-{i}",))
    ids = [base.execute("SELECT id FROM subject WHERE requirement = ?", (f"row-{i}",)).fetchone()[0]
           for i in range(ROWS)]
    insert = ("INSERT INTO record(at, kind, subject, state, was, since, sentence, detail) "
              "VALUES(?, ?, ?, ?, ?, ?, 'what is sent there is dropped between hop 2 and hop 3', ?)")
    plan = json.dumps({"rows": [["bench", f"row-{i}"] for i in range(ROWS)]})
    base.execute(insert, (first_ms, 6, site, "", "", 0, plan))
    base.execute("UPDATE session SET began = ?", (first_ms,))
    rows = []
    for i in range(CHANGES):
        at = first_ms + i * STEP_MS
        words = ("fail", "pass") if i // ROWS % 2 else ("pass", "fail")
        rows.append((at, 1, ids[i % ROWS], *words, at, detail))
    base.executemany(insert, rows)
    base.commit()
    base.close()


def ask(path, params):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(path))
        channel.sendall((json.dumps({"jsonrpc": "2.0", "id": 1, "method": "history", "params": params}) + "\n").encode())
        answer = json.loads(channel.makefile("rb").readline())
    if "result" not in answer:
        raise AssertionError(answer)
    return answer["result"]


def median_of(work):
    times = []
    for _ in range(RUNS):
        begun = time.monotonic()
        work()
        times.append(time.monotonic() - begun)
    return statistics.median(times)


def text_of(at_ms):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))


def run(directory):
    programs = pathlib.Path(os.environ.get("REACHD_BIN", TOP / "build/release"))
    rows = [{"id": f"row-{i}", "transport": "tcp", "destinations": ["192.0.2.1"], "ports": str(1000 + i),
             "expect": "path"} for i in range(ROWS)]
    (directory / "bench.json").write_text(json.dumps({"id": "bench", "requirements": rows}))
    (directory / "site.json").write_text(json.dumps({"catalogues": ["bench"], "history": {"max_mb": 1000}}))
    command = ["unshare", "--net", str(programs / "reachd"), "--config", str(directory / "site.json"),
               "--catalogue-dir", str(directory), "--runtime-dir", str(directory / "run"),
               "--state-dir", str(directory)]
    first_ms = int(time.time() * 1000) - CHANGES * STEP_MS

    def start():
        daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                ask(directory / "run/status.sock", {"limit": 1})
                return daemon
            except (OSError, AssertionError):
                time.sleep(0.1)
        raise AssertionError("reachd does not answer")

    start().terminate()  # it makes the file
    time.sleep(2)
    fill(directory / "history.db", first_ms)
    daemon = start()
    middle = first_ms + CHANGES // 2 * STEP_MS
    questions = {
        "the newest 100 changes": ({}, "SELECT * FROM record ORDER BY at DESC, id DESC LIMIT 100"),
        "100 changes of one row": (
            {"requirement": "row-3"},
            "SELECT * FROM record WHERE subject = (SELECT id FROM subject WHERE requirement = 'row-3') "
            "ORDER BY at DESC, id DESC LIMIT 100"),
        "the site as it was": (
            {"at": text_of(middle)},
            "SELECT r.* FROM subject s JOIN record r ON r.id = (SELECT id FROM record WHERE subject = s.id AND "
            f"kind <= 1 AND at <= {middle} ORDER BY at DESC, id DESC LIMIT 1)"),
        "outages of 30 days": ({"what": "outages"}, "SELECT subject, at, since, state FROM record WHERE kind <= 1"),
        "availability of 30 days": ({"what": "availability"},
                                    "SELECT subject, at, since, state FROM record WHERE kind <= 1"),
    }
    kept = True
    try:
        for name, (params, plain) in questions.items():
            ours = median_of(lambda p=params: ask(directory / "run/status.sock", p))
            theirs = median_of(lambda q=plain: subprocess.run(
                ["sqlite3", str(directory / "history.db"), q], check=True, stdout=subprocess.DEVNULL))
            kept = kept and ours < PROMISE_S
            print(f"{name}: {ours * 1000:.1f} ms, sqlite3 {theirs * 1000:.1f} ms, ratio {ours / theirs:.2f}")
    finally:
        daemon.terminate()
        daemon.wait(10)
    print(f"{CHANGES} changes: {(directory / 'history.db').stat().st_size / 1e6:.0f} MB")
    return kept


def main():
    if os.geteuid() != 0:
        print("needs root for a network namespace")
        return 77
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        (directory / "run").mkdir()
        kept = run(directory)
    print("the promise is kept" if kept else "a promise of docs/PERFORMANCE.md is not kept")
    return 1 if os.environ.get("REACHD_BENCH_STRICT") and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
