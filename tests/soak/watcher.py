# SPDX-License-Identifier: Apache-2.0
"""Looks at the daemon from outside: its process, its metrics, its events, the packets that leave."""
import contextlib
import json
import os
import pathlib
import re
import threading
import time

from lab.system import nft
from lab_site import Client
from web_lab import metrics_in

COUNTERS = """
table inet soak {
  counter syn {}
  counter datagram {}
  chain out { type filter hook postrouting priority 300;
    oifname "lo" accept
    tcp flags & (syn | ack) == syn counter name syn
    udp dport != 53 counter name datagram
  }
}
"""


def process_figures(pid):
    """Memory in KiB, descriptors, threads, processor seconds."""
    directory = pathlib.Path(f"/proc/{pid}")
    status = (directory / "status").read_text(encoding="ascii")
    rollup = (directory / "smaps_rollup").read_text(encoding="ascii")
    ran, waited = (int(word) / 1e9 for word in (directory / "schedstat").read_text(encoding="ascii").split()[:2])
    times = (directory / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return {"rss": int(status.split("VmRSS:")[1].split()[0]), "pss": int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]),
            "anonymous": int(re.search(r"^Anonymous:\s+(\d+)", rollup, re.M)[1]),
            "threads": int(status.split("Threads:")[1].split()[0]), "fds": len(os.listdir(directory / "fd")),
            "ran": ran, "waited": waited,
            "cpu": (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")}


def descriptors_of(pid):
    """What each descriptor is; sockets and the like without their numbers."""
    found = []
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(re.sub(r":\[\d+\]", "", os.readlink(link)))
    return sorted(found)


def total(metrics, name):
    """The sum of a metric's series."""
    return sum(value for series, value in metrics.items() if series == name or series.startswith(name + "{"))


def lag_of(metrics):
    """Looks at the event loop by upper bound."""
    return {series.split('"')[1]: value for series, value in metrics.items()
            if series.startswith("reachd_event_loop_lag_seconds_bucket")}


def label(series, name):
    return re.search(rf'{name}="([^"]*)"', series)[1]


class Watcher:
    """Samples and events of one daemon; times are of the monotonic clock."""

    def __init__(self, daemon, namespace):
        self.daemon, self.namespace, self.pid = daemon, namespace, daemon.process.pid
        self.samples, self.changes, self.rounds, self.lost, self.problems = [], [], {}, 0, []
        self.database = daemon.site.directory / "work" / "history.db"
        nft(namespace, COUNTERS)
        self._follow_ended = threading.Event()
        self.client = Client(daemon.site.socket_path("status", daemon.runtime), patience=120.0)
        snapshot = self.client.ask("subscribe")["result"]
        self.seq = snapshot.get("seq")
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def metrics(self):
        return metrics_in(self.daemon.ask("metrics")["text"])

    def sample(self):
        """One look at everything; what it saw."""
        asked = time.monotonic()
        metrics = self.metrics()
        now, wall = time.monotonic(), time.time()
        ages = {label(series, "requirement"): wall - value for series, value in metrics.items()
                if series.startswith("reachd_requirement_measured_timestamp_seconds")}
        states = {label(series, "requirement"): label(series, "state") for series, value in metrics.items()
                  if series.startswith("reachd_requirement_state{") and value == 1}
        sent = {kind: metrics.get(f'reachd_packets_sent_total{{kind="{kind}"}}', 0)
                for kind in ("syn", "segment", "datagram", "dns_question")}
        one = {"at": now, "answered_in": now - asked, **process_figures(self.pid), "heap": int(total(metrics, "reachd_heap_in_use_bytes") / 1024), "sent": sent, "ages": ages,
               "states": states, "lag": lag_of(metrics), "history_bytes": self._history_bytes(),
               "load": os.getloadavg()[0],
               **{name: total(metrics, f"reachd_{name}") for name in (
                   "inquiry_probes_total", "block_samples_total", "probes_left_out_total", "history_lost_total",
                   "history_available", "control_events_lost_total", "http_events_lost_total", "control_connections",
                   "http_connections")}}
        self.samples.append(one)
        return one

    def _history_bytes(self):
        return sum(path.stat().st_size for path in self.database.parent.glob("history.db*"))

    def packets_outside(self):
        """What left the client: first packets of TCP flows, datagrams that are no DNS."""
        done = self.daemon.site.lab.exec("client", ["nft", "-j", "list", "counters", "table", "inet", "soak"], user=False)
        return {one["counter"]["name"]: one["counter"]["packets"] for one in json.loads(done.stdout)["nftables"]
                if "counter" in one}

    def metrics_of_packets(self):
        """The daemon's count of its packets, and nft's of the same, for the judge."""
        sent = self.sample()["sent"]
        outside = self.packets_outside()
        return {"inside": {"syn": sent["syn"], "datagram": sent["datagram"]}, "outside": outside}

    def end(self):
        """Stops following."""
        self._follow_ended.set()
        self.client.channel.shutdown(2)
        self.thread.join(10)
        self.client.close()

    def _follow(self):
        try:
            while (message := self.client.receive()) is not None:
                self._note(message, time.monotonic())
        except Exception as problem:  # pylint: disable=broad-except  # judged
            if not self._follow_ended.is_set():
                self.problems.append(f"the follower: {problem!r}")
        else:
            if not self._follow_ended.is_set():
                self.problems.append("the daemon ended the follower's subscription")

    def _note(self, message, now):
        params = message["params"]
        if message["method"] == "lost":
            self.lost += params["count"]
            return
        if self.seq is not None and params["seq"] != self.seq + 1:
            self.problems.append(f"event {params['seq']} after {self.seq}")
        self.seq = params["seq"]
        if params["kind"] == "round.finished":
            self.rounds.setdefault(params["requirement"], []).append(now)
        elif params["kind"] == "verdict.changed":
            self.changes.append({"at": now, **{key: params.get(key) for key in (
                "requirement", "state", "before", "sentence", "failing", "endpoints")}})
