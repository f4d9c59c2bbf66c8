# SPDX-License-Identifier: Apache-2.0
"""Idle timers of real devices: each row gives the site's NAT the timers of one, and its way with what comes after an expiry.

    sudo /usr/bin/python3 tests/system/idle_vendor_test.py [--workers N] [TEXT of a device's name]...

The vendors' published defaults, TCP at a sixtieth and UDP at a fifth, so that 12 minutes and 1 minute become 12 s. What must come
out is computed from the timers alone. Rows mostly wait, so many run at a time, each in a lab of its own (side_by_side.py).
"""
import dataclasses
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from idle_lab import DROP_FORGOTTEN, NO_ANSWERS, OTHER_PORTS, RESET_FORGOTTEN, Reflected  # noqa: E402
from side_by_side import main  # noqa: E402

REQUIRED = {"tcp": 720, "udp": 60}
SCALE = {"tcp": 60, "udp": 5}
HOLD_S = 12  # of both, scaled
GUARD_S = 2  # a timer this near to what is required is at its limit (core/idle_ladder.cpp: guard_of)
RUNGS = {"tcp": [1, 3, 5, 7, 9, 11, 13, 14], "udp": [4, 5, 7, 9, 11, 13, 14, 18]}
WORKERS = 11
NOT_WITHOUT_SYN = ("table inet idlesyn {{ chain onward {{ type filter hook forward priority -10; "
                   "tcp flags & (fin|syn|rst|ack) != syn ct state new {}; }}; }}")
# What the next packet of a forgotten connection meets: (tcp_loose, rules).
MANNERS = {
    "re-creates": (1, (NO_ANSWERS,)),
    "re-maps": (1, (NO_ANSWERS, OTHER_PORTS)),
    "drops": (1, (NO_ANSWERS, NOT_WITHOUT_SYN.format("drop"))),
    "drops, not loose": (0, (NO_ANSWERS, DROP_FORGOTTEN)),
    "resets": (1, (NO_ANSWERS, NOT_WITHOUT_SYN.format("reject with tcp reset"))),
    "resets, not loose": (0, (NO_ANSWERS, RESET_FORGOTTEN)),
}
# A re-mapped connection is one that its server does not know; a datagram that is not forgotten for its flags is like a new one.
TCP_AFTER = {"re-maps": "resets"}
UDP_AFTER = {"re-maps": "re-maps"}


@dataclasses.dataclass
class Device:
    name: str
    tcp: int          # seconds of an established connection
    single: int       # of one exchange of datagrams; 0: not known
    stream: int       # of more than that
    manner: str


DEVICES = (
    Device("Linux since 5.0", 432000, 30, 120, "re-creates"),
    Device("Linux since 5.0, random ports", 432000, 30, 120, "re-maps"),
    Device("OpenWrt fw4", 7440, 60, 180, "re-creates"),
    Device("MikroTik RouterOS", 86400, 30, 180, "drops, not loose"),
    Device("pf normal", 86400, 60, 60, "drops"),
    Device("Cisco ASA", 3600, 120, 120, "drops, not loose"),
    Device("Cisco IOS NAT", 86400, 300, 300, "re-creates"),
    Device("Palo Alto PAN-OS", 3600, 30, 30, "drops"),
    Device("FortiGate", 3600, 180, 180, "drops"),
    Device("Check Point", 3600, 40, 40, "drops, not loose"),
    Device("Juniper SRX", 1800, 60, 60, "drops"),
    Device("Juniper MX services", 30, 30, 30, "re-maps"),
    Device("SonicWall SonicOS 5.8", 300, 30, 30, "drops"),
    Device("SonicWall, as a loose box", 300, 30, 30, "re-creates"),
    Device("Forcepoint NGFW", 1800, 50, 50, "resets, not loose"),
    Device("Huawei USG", 1200, 120, 120, "re-creates"),
    Device("GTA GNAT Box", 600, 600, 600, "drops"),
    Device("AWS NAT gateway", 350, 350, 350, "resets"),
    Device("AWS Network Firewall", 350, 0, 0, "drops"),
    Device("Azure Load Balancer", 240, 240, 240, "drops, not loose"),
    Device("AVM FRITZ!Box", 900, 300, 300, "re-creates"),
    Device("exactly what is required", 720, 60, 60, "re-maps"),
)


def scaled(transport, seconds):
    return max(1, round(seconds / SCALE[transport]))


class Devices(Reflected):
    """A test for each row is added below."""

    def be(self, device):
        loose, rules = MANNERS[device.manner]
        self.timers(tcp=scaled("tcp", device.tcp), single=scaled("udp", device.single or 300),
                    stream=scaled("udp", device.stream or 300), loose=loose)
        for text in rules:
            self.rules(text)

    def judge(self, one, which, device):
        """The laws, and what follows from the timer alone."""
        transport = "tcp" if which == "tcp" else "udp"
        timer_s = scaled(transport, getattr(device, which))
        self.assert_true_of(one, timer_s)
        if abs(timer_s - HOLD_S) < GUARD_S:
            self.assertEqual((one["state"], one["grade"]), ("unproven", None), one)
            self.assertIn("at the limit", one["sentence"])
            return
        if timer_s > HOLD_S:
            self.assertEqual((one["state"], one["grade"]), ("pass", "inbound"), one)
            return
        after = (TCP_AFTER if which == "tcp" else UDP_AFTER).get(device.manner, device.manner.split(",")[0])
        after = after if which == "tcp" or after == "re-maps" else "re-creates"
        self.assertEqual((one["state"], one["grade"], one["after_expiry"]), ("fail", "inbound_lost", after), one)
        self.assert_bracket(one, timer_s)

    def run_device(self, device):
        self.be(device)
        classes = ["tcp", *(["single", "stream"] if device.single else [])]
        got, code = self.measure(self.files(HOLD_S, RUNGS, ("tcp", "udp") if device.single else ("tcp",)))
        for which in classes:
            with self.subTest(which, device=device.name):
                self.judge(got[which], which, device)
        states = {got[which]["state"] for which in classes}
        self.assertEqual(code, 2 if "fail" in states else 3 if "unproven" in states else 0)


def test_of(device):
    return lambda self: self.run_device(device)


for number, row in enumerate(DEVICES):
    setattr(Devices, f"test_{number + 1:02}_{re.sub('[^a-zA-Z0-9]+', '_', row.name).lower()}", test_of(row))


if __name__ == "__main__":
    main("idlev", WORKERS)
