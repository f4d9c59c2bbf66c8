# SPDX-License-Identifier: Apache-2.0
"""Who uses the daemon in an ordinary way while somebody else abuses it: a process of its own that asks each socket again
and again, follows the events, reads the counters and hears the watchdog; and the daemon's memory.

    with Bystander(daemon, web, notify_path) as seen: abuse()
    seen.result["status"].longest, seen.result.syn_rate, ...

It is a process so that neither the abuse nor Python's own lock makes its watch late.
"""
import contextlib
import dataclasses
import json
import multiprocessing
import os
import pathlib
import select
import socket
import statistics
import sys
import time

from lab_site import Client
from lab.system import in_namespace
from web_lab import metrics_in, read_to_end

PAUSE_S = 0.03
PATIENCE_S = 15.0
SYNS = 'reachd_packets_sent_total{kind="syn"}'
REQUEST = b"GET /alive HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def told(threat, text):
    """A figure for docs/SECURITY-TESTS.md."""
    print(f"\n{threat}: {text}", file=sys.stderr, flush=True)


class Memory:
    """Resident memory of a process, in KiB: at the beginning, at most since then, now."""

    def __init__(self, pid):
        self.status = pathlib.Path(f"/proc/{pid}/status")
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # proc(5): the peak begins anew
        self.before = self.read("VmRSS")

    def read(self, field):
        return int(self.status.read_text(encoding="ascii").split(field + ":")[1].split()[0])

    def growth(self):
        """(at most, left over)"""
        return self.read("VmHWM") - self.before, self.read("VmRSS") - self.before


@dataclasses.dataclass
class Answers:
    """Of one socket: how long each answer took, and what came instead."""

    times: list = dataclasses.field(default_factory=list)
    lost: list = dataclasses.field(default_factory=list)

    @property
    def longest(self):
        return max(self.times, default=0.0)

    @property
    def median(self):
        return statistics.median(self.times) if self.times else 0.0


@dataclasses.dataclass
class Seen:
    status: Answers = dataclasses.field(default_factory=Answers)
    control: Answers = dataclasses.field(default_factory=Answers)
    http: Answers = dataclasses.field(default_factory=Answers)
    syns: list = dataclasses.field(default_factory=list)      # (time, counter)
    rounds: list = dataclasses.field(default_factory=list)    # times
    sequence: list = dataclasses.field(default_factory=list)  # of events
    fed: list = dataclasses.field(default_factory=list)       # times of the watchdog
    late: dict = dataclasses.field(default_factory=dict)      # looks at the event loop, by upper bound
    failed: str = ""

    @property
    def syn_rate(self):
        """SYNs a second: the slope of a line through what the counter was at each look."""
        return statistics.linear_regression(*zip(*self.syns)).slope

    @property
    def round_rate(self):
        """Rounds of the row a second."""
        return (len(self.rounds) - 1) / (self.rounds[-1] - self.rounds[0])

    @property
    def longest_round(self):
        return max((later - earlier for earlier, later in zip(self.rounds, self.rounds[1:])), default=0.0)

    @property
    def longest_unfed(self):
        return max((later - earlier for earlier, later in zip(self.fed, self.fed[1:])), default=0.0)

    def events_missed(self):
        return self.sequence[-1] - self.sequence[0] + 1 - len(self.sequence) if self.sequence else 0


class Bystander:
    """`names`: the sockets that are asked. `requirement`: the row whose rounds are timed."""

    def __init__(self, daemon, web, notify=None, names=("status", "control", "http"), requirement="signaling"):
        self.daemon, self.web, self.notify, self.names, self.requirement = daemon, web, notify, names, requirement
        self.result, self.rest = None, b""

    def __enter__(self):
        context = multiprocessing.get_context("fork")
        self.ours, theirs = context.Pipe()
        self.process = context.Process(target=self._run, args=(theirs,))
        self.process.start()
        theirs.close()
        if self.ours.recv() != "watching":
            raise AssertionError("the bystander did not begin")
        return self

    def __exit__(self, *_):
        self.ours.send("enough")
        self.result = self.ours.recv()
        self.process.join()
        if self.result.failed:
            raise AssertionError(f"the bystander: {self.result.failed}")

    def _run(self, pipe):
        seen = Seen()
        try:
            in_namespace(self.web.namespace, self._watch, pipe, seen)
        except BaseException as problem:  # told to the parent, which fails
            seen.failed = repr(problem)
        pipe.send(seen)

    def _watch(self, pipe, seen):
        with contextlib.ExitStack() as held:
            follower = held.enter_context(self.daemon.connect())
            follower.send({"jsonrpc": "2.0", "id": 1, "method": "subscribe"})
            while b"\n" not in self.rest:
                self.rest += follower.channel.recv(65536)
            self.rest = self.rest.partition(b"\n")[2]
            counters = held.enter_context(self.daemon.connect())  # one that was there before the abuse
            before = self._count(counters, seen)
            pipe.send("watching")
            while not pipe.poll(PAUSE_S):
                for name in self.names:
                    self._ask(name, getattr(seen, name))
                self._follow(follower, seen)
                self._count(counters, seen)
            pipe.recv()
            after = self._count(counters, seen)
        looks = [name for name in after if name.startswith("reachd_event_loop_lag_seconds_bucket")]
        seen.late = {name.split('"')[1]: after[name] - before[name] for name in looks}

    def _ask(self, name, answers):
        began = time.monotonic()
        try:
            if name == "http":
                with socket.create_connection((self.web.address, self.web.port), PATIENCE_S) as channel:
                    channel.sendall(REQUEST)
                    good = read_to_end(channel).startswith(b"HTTP/1.1 200")
            else:
                with Client(self.daemon.site.socket_path(name, self.daemon.runtime), PATIENCE_S) as client:
                    good = "result" in client.ask("health")
        except (OSError, ValueError, TypeError) as problem:
            good = False
            answers.lost.append(repr(problem))
        else:
            if not good:
                answers.lost.append("refused")
        if good:
            answers.times.append(time.monotonic() - began)

    def _count(self, client, seen):
        now = time.monotonic()
        found = metrics_in(client.ask("metrics")["result"]["text"])
        seen.syns.append((now, found[SYNS]))
        return found

    def _follow(self, follower, seen):
        now = time.monotonic()
        while self._readable(follower.channel):
            chunk = follower.channel.recv(65536)
            if not chunk:
                raise ConnectionError("the subscription ended")
            *lines, self.rest = (self.rest + chunk).split(b"\n")
            for message in (json.loads(line) for line in lines):
                if message["method"] != "event":
                    raise AssertionError(f"a reader that keeps up was told {message}")
                seen.sequence.append(message["params"]["seq"])
                if message["params"]["kind"] == "round.finished" and message["params"]["requirement"] == self.requirement:
                    seen.rounds.append(now)
        while self.notify and self._readable(self.notify):
            if b"WATCHDOG=1" in self.notify.recv(4096):
                seen.fed.append(now)

    @staticmethod
    def _readable(channel):
        return bool(select.select([channel], [], [], 0)[0])


def hammer(daemon, name, answered):
    """Six clients that always have sixteen reports asked for, and read them."""
    request = b'{"jsonrpc":"2.0","id":1,"method":"report"}\n'
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(daemon.connect(name)) for _ in range(6)]
        for client in clients:
            client.send(request * 16)
        while True:
            for client in clients:
                client.stream.readline()
                client.send(request)
                with answered.get_lock():
                    answered.value += 1


def web_alive(web):
    with contextlib.suppress(OSError, IndexError):
        return web.get("/alive").status == 200
    return False


def daemon_row(client, requirement):
    report = client.ask("report", {"requirement": requirement})["result"]
    return report["catalogues"][0]["requirements"][0]


def process_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
