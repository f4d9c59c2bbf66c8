# SPDX-License-Identifier: Apache-2.0
"""Faults that come and go, drawn from a seed, and what each must and may do to the rows."""
import dataclasses
import time

from load import ECHO, IDLE, NAMED, REFUSED, TLS

ALL = "*"  # every row
SHORTEST_S, LONGEST_S = 35.0, 70.0
MOST_AT_ONCE = 2
REST_S = 60.0  # of a row after its own fault: a drop that only moves looks the same, and what was found out is kept
WIDE_SHARE = 0.12


@dataclasses.dataclass(frozen=True)
class Kind:
    """`must`: rows that read `state` while it lasts; `may`: rows that may read anything; `twin`: rows that must go on passing."""

    fault: str
    options: dict
    must: tuple
    may: tuple = ()
    twin: tuple = ()
    state: str = "fail"


MAPS, UPLOAD = "maps.googleapis.com", "apc-button.s3.amazonaws.com"
BESIDE = ("request-slot",)  # a row of that address goes on passing, and waits for what is asked about it


def narrow_kinds():
    kinds = [
        Kind("drop", {"port": "4200", "proto": "tcp"}, ("signaling", "signaling-dr"), ("tcp-idle",)),
        Kind("reject", {"port": "4200", "proto": "tcp", "code": "admin-prohibited"}, ("signaling", "signaling-dr"),
             ("tcp-idle",)),
        Kind("drop", {"port": "4200-4208", "proto": "udp"}, ("data", "data-dr"), ("udp-idle",)),
        Kind("reject", {"port": "4200-4208", "proto": "udp", "at": "isp"}, ("data", "data-dr"), ("udp-idle",)),
        Kind("dead-address", {"address": "35.153.48.78"}, ("provisioning-dr",)),
        Kind("wrong-cert", {"name": MAPS}, ("maps",)),
        Kind("expired-cert", {"name": UPLOAD}, ("upload",), state="unproven"),
        Kind("dns", {"server": "both", "mode": "nxdomain", "name": UPLOAD}, ("upload",), NAMED),
        Kind("rst", {"port": "2001-2010", "address": "34.0.0.10"}, ("session",), twin=BESIDE),
        Kind("drop", {"port": "2031-2040", "address": "34.0.0.10", "proto": "tcp"}, ("session",), twin=BESIDE),
        Kind("redirect", {"port": "443", "address": "54.215.171.160"}, ("provisioning",)),
    ]
    for i, address in enumerate(REFUSED):  # these rows ask for the way out of the site, and nothing beyond it
        kinds += [Kind("drop", {"at": "site", "address": address}, (f"refused-{i}",))]
        kinds += [Kind(fault, {"address": address, **options}, (), (), (f"refused-{i}",))
                  for fault, options in ((("drop", {"at": "isp"}),), (("dead-address", {}),))[i % 2]]
    for i, address in enumerate(ECHO):
        kinds += [Kind("drop", {"at": ("site", "isp")[i % 2], "address": address, "proto": "udp"}, (f"echo-{i}",)),
                  Kind("closed", {"address": address, "proto": "udp"}, (f"echo-{i}",))]
    return kinds


def wide_kinds():
    return [
        Kind("uplink-down", {}, ("provisioning", "signaling", "session"), (ALL,)),
        Kind("no-link", {}, (), (ALL,)),
        Kind("loss", {"percent": "3"}, (), (ALL,)),
        Kind("slow-server", {"port": "443"}, ("getconf", "request-slot"), (*TLS, *NAMED, *IDLE)),
        Kind("icmp-filtered", {"at": "site"}, (), (ALL,)),
    ]


class Disturber:
    """Switches faults on and off; `journal` says when, by the monotonic clock."""

    def __init__(self, lab, random):
        self.lab, self.random = lab, random
        self.narrow, self.wide = narrow_kinds(), wide_kinds()
        self.journal, self.active = [], []
        self.next_on = time.monotonic()
        self.queue = []

    def step(self):
        """Does what is due now."""
        now = time.monotonic()
        for entry in [one for one in self.active if one["until"] <= now]:
            self._off(entry)
        alone = any(entry["wide"] for entry in self.active)
        if now < self.next_on or alone or len(self.active) >= MOST_AT_ONCE:
            return
        if self.random.random() < WIDE_SHARE:
            if not self.active:
                self._on(self.random.choice(self.wide), now, LONGEST_S / 2)
        else:
            kind = self._next_narrow(now)
            if kind:
                self._on(kind, now, LONGEST_S)
        self.next_on = time.monotonic() + self.random.uniform(3, 25)

    def _next_narrow(self, now):
        """Each kind once before any comes again; None while all that are left are of rows that rest."""
        if not self.queue:
            self.queue = self.random.sample(self.narrow, len(self.narrow))
        rested = [kind for kind in self.queue if self._rests(kind, now) and not self._meets_its_like(kind)]
        if not rested:
            return None
        self.queue.remove(rested[-1])
        return rested[-1]

    def _meets_its_like(self, kind):
        """Next to a box that rejects others, silence is unproven (docs/VERDICTS.md): no two faults there at once."""
        where = kind.options.get("at")
        return where == "isp" and any(entry["options"].get("at") == where for entry in self.active)

    def _rests(self, kind, now):
        rows = {*kind.must, *kind.may, *kind.twin}
        return not any(rows & {*entry["must"], *entry["may"], *entry["twin"]} and
                       (entry["off"] is None or now < entry["off"] + REST_S) for entry in self.journal)

    def _on(self, kind, now, longest):
        number = self.lab.fault(kind.fault, **kind.options)
        entry = {"fault": kind.fault, "options": kind.options, "must": kind.must, "may": kind.may, "twin": kind.twin, "state": kind.state,
                 "wide": ALL in kind.may, "number": number, "began": now, "on": time.monotonic(), "ending": None, "off": None,
                 "until": now + self.random.uniform(min(SHORTEST_S, longest), longest)}
        self.active.append(entry)
        self.journal.append(entry)

    def _off(self, entry):
        entry["ending"] = time.monotonic()
        self.lab.clear(entry["number"])
        entry["off"] = time.monotonic()
        self.active.remove(entry)

    def end(self):
        for entry in list(self.active):
            self._off(entry)
