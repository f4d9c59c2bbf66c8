# SPDX-License-Identifier: Apache-2.0
"""An accelerated day: a daemon of a release build measures in the lab at a round every two seconds, while faults come and
go, the files are read again and clients of every kind come and hang up; then everything is judged (judge.py).

    sudo scripts/soak [--probes N] [--seconds S] [--seed N] [--json FILE] [--raw FILE]
    scripts/soak --judge RAW_FILE         judges again what an earlier run saw

Exit: 0 every judgement holds, 1 one does not, 77 not root.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "system"), str(pathlib.Path(__file__).resolve().parent)]

import load  # noqa: E402
from clients import PROBED, Clients  # noqa: E402
from disturb import Disturber  # noqa: E402
from judge import judge, quantile, slope_per_h, stretch  # noqa: E402
from lab.topology import namespace_of  # noqa: E402
from lab_site import TREE, Site, wait_until  # noqa: E402
from watcher import Watcher, descriptors_of, process_figures  # noqa: E402
from web_lab import LISTEN, Web  # noqa: E402

SAMPLE_EVERY_S = 5.0
RELOAD_EVERY_S = (40.0, 110.0)
CALM_S = 75.0  # at the end without faults, so that the last one can be seen to be gone
QUIET_S = 3.0
EXPECTED_ERRORS = ("config.rejected",)
DESCRIPTORS = 8192
NOT_AWAITED = {*load.NOT_CONFIGURED, "apns", *load.IDLE}
EXTRA = {"id": "extra", "transport": "tcp", "destinations": ["198.51.100.160"], "ports": 20001, "expect": "path"}


class Files:
    """The configuration and catalogues of the soak; each method leaves the files as its name says."""

    def __init__(self, site, key_file):
        self.site, self.path = site, site.directory / "soak.json"
        self.busy_changes = load.changes(key_file, LISTEN)
        self.extra = False

    def rest(self):
        return self._write({**self.busy_changes, "catalogues": [], "values": {}})

    def busy(self):
        catalogue = load.fast_catalogue()
        if self.extra:
            catalogue["requirements"].append(EXTRA)
        self.site.write("catalogues/fast.json", catalogue)
        return self._write(self.busy_changes)

    def changed(self):
        self.extra = not self.extra
        return self.busy()

    def faulty(self, draw):
        how = draw.randrange(3)
        if how == 0:
            return self.site.write("soak.json", "{ this is no JSON")
        if how == 1:
            return self._write({**self.busy_changes, "limits": {"attempts": 0}})
        self.site.write("catalogues/fast.json", {"id": "fast", "requirements": [{**EXTRA, "ports": "70000"}]})
        return self.path

    def _write(self, changes):
        return self.site.config(changes, name="soak.json")


class Soak:
    """One run; `seen` is what judge() takes."""

    def __init__(self, site, options):
        self.site, self.options = site, options
        self.draw = random.Random(options.seed)
        self.reloads = []

    def run(self):
        with contextlib.ExitStack() as held:
            files = self._prepare(held)
            self.site.config(name="healthy.json")  # reachctl's
            # A session of its own, as a service has: where the scheduler shares by session, it shares with no client.
            daemon = held.enter_context(self.site.daemon(config=files.rest(), start_new_session=True))
            daemon.ask("history", {"limit": 1})  # the connection that reads it stays
            time.sleep(QUIET_S)
            rest_before = at_rest(daemon.process.pid)
            watcher = Watcher(daemon, namespace_of(self.site.lab.id, "client"))
            self.site.lab.fault("drop", address=load.SHUT)  # the row that must stay shut
            began = time.monotonic()
            self._reload(daemon, files.busy(), good=True)
            disturber = Disturber(self.site.lab, self.draw)
            while not self._all_pass(watcher, began) and time.monotonic() < began + self.options.settle:
                time.sleep(SAMPLE_EVERY_S)  # who does not pass by then is judged
            settled = time.monotonic()
            with Clients(daemon, Web(self.site), self.options.seed) as clients:
                self._go_on(watcher, disturber, files, daemon, began)
            ended = time.monotonic()
            watcher.sample()
            seen = {"began": began, "settled": settled, "ended": ended, "faults": disturber.journal, "clients": clients.result}
            return {**seen, **self._end(watcher, files, daemon, rest_before)}

    def _all_pass(self, watcher, began):
        states = watcher.sample()["states"]
        self._tell(watcher.samples[-1], began, None)
        return len(states) > len(load.REFUSED) and all(state == "pass" for row, state in states.items() if row not in NOT_AWAITED)

    def _prepare(self, held):
        shutil.copy(programs() / "reachd-reflector", self.site.directory / "bin")
        load.shorten(self.site.directory / "catalogues")
        ready = self.site.directory / "echo.ready"
        self._start(held, "server", ["/usr/bin/python3", "-B", str(pathlib.Path(__file__).with_name("echo.py")), str(ready),
                                     load.ECHO_PORTS, *load.ECHO], user=False)
        wait_until(ready.exists, "the echo server", 20)
        key = self.site.write("site.key", f"lab:{load.SECRET}\n")
        self._start(held, "server", [self.site.program("reachd-reflector"), "--listen",
                                     f"{load.REFLECTOR}:{load.REFLECTOR_PORT}", "--key-file", str(key)])
        return Files(self.site, key)

    def _start(self, held, host, argv, **how):
        log = held.enter_context(open(self.site.directory / "peers.log", "ab"))
        process = self.site.lab.popen(host, argv, stdout=log, stderr=log, **how)
        held.callback(process.wait)
        held.callback(process.kill)

    def _go_on(self, watcher, disturber, files, daemon, began):
        """Until the probes are made or the time is over, and a calm end."""
        next_sample = time.monotonic()
        next_reload = next_sample + self.draw.uniform(*RELOAD_EVERY_S) / 2
        deadline = began + self.options.seconds
        calm_from = deadline - CALM_S
        while (now := time.monotonic()) < min(deadline, calm_from + CALM_S):
            if now >= next_sample:
                one, next_sample = watcher.sample(), now + SAMPLE_EVERY_S
                if sum(one["sent"][kind] for kind in ("syn", "datagram")) >= self.options.probes:
                    calm_from = min(calm_from, now)
                self._tell(one, began, disturber)
            if now < calm_from:
                disturber.step()
                if now >= next_reload:
                    self._some_reload(daemon, files)
                    next_reload = now + self.draw.uniform(*RELOAD_EVERY_S)
            else:
                disturber.end()
            time.sleep(0.2)
        disturber.end()

    def _tell(self, one, began, disturber):
        if self.options.verbose:
            active = ", ".join(f"{entry['fault']} {entry['options']}" for entry in (disturber.active if disturber else ()))
            print(f"+{one['at'] - began:6.0f} s  {one['sent']['syn'] + one['sent']['datagram']:8.0f} probes  rss {one['rss']} KiB  "
                  f"{one['fds']} fds  load {one['load']:.1f}  {active} {not_passing(one)}", file=sys.stderr, flush=True)

    def _some_reload(self, daemon, files):
        how = self.draw.random()
        if how < 0.35:
            self._reload(daemon, files.faulty(self.draw), good=False)
            files.busy()
        elif how < 0.7:
            self._reload(daemon, files.changed(), good=True)
        else:
            self._reload(daemon, files.busy(), good=True)

    def _reload(self, daemon, _, good):
        at = time.monotonic()
        with daemon.connect("control") as client:
            answer = client.ask("reload")
        as_expected = ("result" in answer) if good else answer.get("error", {}).get("data", {}).get("reason") == "rejected"
        self.reloads.append({"at": at, "took_s": time.monotonic() - at, "good": good, "as_expected": as_expected,
                             "answer": None if as_expected else answer})

    def _end(self, watcher, files, daemon, rest_before):
        last = watcher.metrics_of_packets()
        self._reload(daemon, files.rest(), good=True)
        rest_after = self._at_rest(daemon.process.pid, rest_before["fds"] + 1)  # and the follower's connection
        watcher.end()
        asked = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.process.wait(30)
        end_s = time.monotonic() - asked
        log = daemon.log().splitlines()
        return {
            "seed": self.options.seed, "interval_s": load.INTERVAL_S, "samples": watcher.samples,
            "changes": watcher.changes, "rounds": watcher.rounds, "follower_lost": watcher.lost,
            "follower_problems": watcher.problems, "reloads": self.reloads, "rest_before": rest_before,
            "rest_after": rest_after, "end_s": end_s, "exit_code": daemon.process.returncode, "log_lines": len(log),
            "bad_log_lines": [line for line in log if bad(line)], **last,
            "judged_rows": [row for row in watcher.rounds if row not in (*load.IDLE, "apns", PROBED, "extra")],
            "alike_rows": [f"refused-{i}" for i in range(len(load.REFUSED))],
            "never_judged": [*load.NOT_CONFIGURED]}

    @staticmethod
    def _at_rest(pid, before):
        """Descriptors and threads when what went on has ended: the best look within a quarter of a minute."""
        deadline = time.monotonic() + 15
        while (one := at_rest(pid))["fds"] > before and time.monotonic() < deadline:
            time.sleep(0.5)
        return one


def not_passing(one):
    return " ".join(f"{row}:{state}" for row, state in one["states"].items() if state not in ("pass", "not_configured"))


def at_rest(pid):
    return process_figures(pid) | {"descriptors": descriptors_of(pid)}


def bad(line):
    """Whether a line of the log is one that only a fault of the daemon itself, or of its disk, brings."""
    words = line.split(" ", 3)
    if len(words) < 3:
        return True
    level, event = words[1], words[2].rstrip(":")
    return (level == "error" and event not in EXPECTED_ERRORS) or level not in ("info", "warning", "error") or \
        event in ("task.failed", "root.missing", "history.unavailable", "history.aside")


def programs():
    return pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "release"))


def figures(seen):
    """What a table of a soak shows besides judgements."""
    samples, seconds = seen["samples"], seen["ended"] - seen["began"]
    first, last = samples[0], samples[-1]
    sent = {kind: last["sent"][kind] - first["sent"][kind] for kind in last["sent"]}
    lag = {bound: last["lag"][bound] - first["lag"].get(bound, 0) for bound in last["lag"]}
    probes = last["sent"]["syn"] + last["sent"]["datagram"]
    looks = lag["+Inf"] or 1
    late = {bound: f"{100 * (1 - count / looks):.2f} %" for bound, count in lag.items() if bound in ("0.1", "0.5", "1")}
    half = [one for one in samples if one["at"] - seen["began"] >= seconds / 2]
    return {
        "seed": seen["seed"], "seconds": round(seconds), "probes": int(probes), "probes_per_s": round(probes / seconds, 1),
        "packets": {kind: int(value) for kind, value in sent.items()},
        "hop_limited_probes": int(last["inquiry_probes_total"]), "block_samples": int(last["block_samples_total"]),
        "probes_left_out": int(last["probes_left_out_total"]), "rounds": sum(map(len, seen["rounds"].values())),
        "faults": len(seen["faults"]), "reloads": len(seen["reloads"]), "changes": len(seen["changes"]),
        "client_actions": {kind: one["done"] for kind, one in seen["clients"].items()},
        "rss_kib": [first["rss"], last["rss"], max(one["rss"] for one in samples)],
        "rss_slope_kib_per_h": round(slope_per_h([(one["at"], one["rss"]) for one in half])),
        "waited_per_s_of_work": round(stretch(seen) - 1, 2), "cpu_percent": round(100 * (last["cpu"] - first["cpu"]) / (last["at"] - first["at"]), 1),
        "event_loop_later_than_s": late, "metrics_answer_s": [round(quantile([one["answered_in"] for one in samples], share), 3)
                                                               for share in (0.5, 0.99)],
        "history_mb": round(last["history_bytes"] / 1e6, 1), "load": [round(quantile([one["load"] for one in samples], share), 1)
                                                                      for share in (0.0, 0.5, 1.0)],
        "lost_to_slow_readers": int(last["control_events_lost_total"] + last["http_events_lost_total"]),
        "end_s": round(seen["end_s"], 2)}


def show(seen, options):
    """Prints the table; the exit code."""
    judgements, table = judge(seen), figures(seen)
    for name, value in table.items():
        print(f"{name:28} {value}")
    print()
    for one in judgements:
        print(f"{'ok  ' if one.holds else 'FAIL'} {one.name:52} {one.figure}")
    good = all(one.holds for one in judgements)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(
            {"figures": table, "judgements": [dataclasses.asdict(one) for one in judgements]}, indent=1), encoding="utf-8")
    print("\nevery judgement holds" if good else "\na judgement does not hold", f"(seed {seen['seed']})")
    return 0 if good else 1


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], prog="scripts/soak")
    parser.add_argument("--probes", type=int, default=1_000_000, help="ends calmly after as many (default 1000000)")
    parser.add_argument("--seconds", type=float, default=3000.0, help="ends after this time at the latest (default 3000)")
    parser.add_argument("--settle", type=float, default=300.0, help="the longest time until every row passes and the first fault comes")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--json", help="writes figures and judgements there")
    parser.add_argument("--raw", help="writes everything that was seen there")
    parser.add_argument("--judge", metavar="RAW", help="judges what an earlier run saw")
    parser.add_argument("--verbose", action="store_true", help="a line for each sample")
    return parser.parse_args(words)


def main():
    options = parse(sys.argv[1:])
    if options.judge:
        return show(json.loads(pathlib.Path(options.judge).read_text(encoding="utf-8")), options)
    if os.geteuid() != 0:
        print("soak: needs root for network namespaces; skipped", file=sys.stderr)
        return 77
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS if hard < 0 else min(DESCRIPTORS, hard), hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # namespaces are removed on the way out
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    os.environ["REACHD_BIN"] = str(programs())
    with Site("soak") as site:
        site.shorten_range()
        seen = Soak(site, options).run()
    if options.raw:
        pathlib.Path(options.raw).write_text(json.dumps(seen), encoding="utf-8")
    return show(seen, options)


if __name__ == "__main__":
    sys.exit(main())
