# SPDX-License-Identifier: Apache-2.0
"""What the soak's daemon measures: the shipped catalogues with idle timers of seconds, and rows against peers of C speed
that make up the number of probes."""
import base64

from lab_site import PRIMARY

INTERVAL_S = 1
SWEEP_S = 120
NAT_S = 90
REFLECTOR, REFLECTOR_PORT = "203.0.113.6", 3478
SECRET = base64.b64encode(bytes(range(32))).decode("ascii")
REFUSED = tuple(f"198.51.100.{n}" for n in range(101, 109))  # nothing listens: the kernel's RST
ECHO = tuple(f"198.51.100.{n}" for n in range(121, 122))     # echo.py
SHUT, OPENED = "198.51.100.141", "198.51.100.151"
REFUSED_PORTS, ECHO_PORTS, SHUT_PORTS, OPEN_PORTS = "20001-20060", "5001-5060", "30001-30010", "2001-2010"
NAMED = ("maps", "getconf", "upload", "request-slot", "session", "apns")
TLS = ("provisioning", "provisioning-dr", "nlb", "apns", "maps", "getconf", "upload", "request-slot")
IDLE = ("tcp-idle", "udp-idle")
NOT_CONFIGURED = ("inbound-api",)


def fast_rows():
    refused = [{"id": f"refused-{i}", "transport": "tcp", "destinations": [address], "ports": REFUSED_PORTS,
                "expect": "path"} for i, address in enumerate(REFUSED)]
    echo = [{"id": f"echo-{i}", "transport": "udp", "destinations": [address], "ports": ECHO_PORTS, "expect": "service",
             "payload": "soak", "expect_reply": "soak"} for i, address in enumerate(ECHO)]
    return [*refused, *echo,
            {"id": "shut", "transport": "tcp", "destinations": [SHUT], "ports": SHUT_PORTS, "expect": "blocked"},
            {"id": "opened", "transport": "tcp", "destinations": [OPENED], "ports": OPEN_PORTS, "expect": "service"}]


def fast_catalogue():
    return {"id": "fast", "title": "Fast", "document": {"title": "Fast"}, "contact": "Fast Support",
            "requirements": fast_rows()}


def shorten(directory):
    """The shipped catalogue with idle timers of seconds instead of minutes, and one courier instead of six: a round of it
    comes sixty times as often as a site's, and each handshake costs the lab's server some milliseconds."""
    path = directory / "eschat-govcloud.json"
    text = path.read_text(encoding="utf-8")
    couriers = "".join(f',\n        "{n}courier.push.apple.com"' for n in ("1-", "2-", "10-", "25-", "50-"))
    for long, short in (('"hold_s": 720', '"hold_s": 6'), ('"hold_s": 60', '"hold_s": 4'), (couriers, "")):
        assert text.count(long) == 1, long
        text = text.replace(long, short)
    path.write_text(text, encoding="utf-8")


def changes(key_file, listen):
    """What the soak's configuration has besides the lab's own."""
    return {
        "catalogues": ["fast", "eschat-govcloud", "helpdesk-buttons"],
        # Silent datagrams are followed hop by hop in each round: nine ports every two seconds would take up the inquiry's cap.
        "values": {"eschat-govcloud": {"signaling_primary": [PRIMARY], "data_primary": [PRIMARY], "data_ports": "4200-4201"}},
        "schedule": {"interval_s": INTERVAL_S, "nat_interval_s": NAT_S, "sweep_interval_s": SWEEP_S},
        "limits": {"connect_timeout_ms": 2000, "attempts": 2, "new_flows_per_s": 0, "new_flows_per_destination_per_s": 0,
                   "in_flight": 2000, "icmp_per_hop_per_s": 200, "nat_entries": 0},
        "idle": {"tcp_rungs_s": [2, 5], "udp_rungs_s": [1, 3]},
        "reflectors": [{"host": REFLECTOR, "port": REFLECTOR_PORT, "secret_file": str(key_file)}],
        "history": {"keep_days": 90},
        "http": {"listen": listen},
    }


__all__ = [name for name in globals() if not name.startswith("_")]
assert PRIMARY not in REFUSED + ECHO
