# SPDX-License-Identifier: Apache-2.0
"""The table of faults, the site as a whole: its uplink, its DNS, what must stay shut, two faults at once, a real round
trip, and a whole range that is silent.

    sudo /usr/bin/python3 tests/system/faults_site_test.py [--row TEXT]... [--list]
"""
import dataclasses
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from fault_rows import (ANY, CLOSED, CUT, LET_THROUGH, NOWHERE, OPEN, PERMITTED, REFUSED, SHUT_CONFIG,  # noqa: E402
                        UNPROVEN, Outcome, Row, Span, at, blocked, fault, intercepted, rejected, run_table)
from lab_site import CONNECT_AT, DR, GATEWAY, MAPS_AT, PRIMARY, PROVISIONING  # noqa: E402

A, B = PROVISIONING
SLOT, SLOT6 = CONNECT_AT[0], CONNECT_AT[2]
MAPS = "maps.googleapis.com"
# The whole way out is gone: each endpoint may say it in its way, and nobody beyond the edge may be blamed.
GONE = Outcome(("blocked", "unproven"), ("site", "edge", "unknown"), (1, (1, 2), None))
WAY_OUT = rf"(?i)way out|uplink|{GATEWAY}"

WHOLE_SITE = [
    Row("uplink down", (fault("uplink-down"),),
        (at("provisioning", GONE), at("signaling", GONE), at("data", GONE), at("session", GONE)),
        {"provisioning": "fail", "signaling": "fail", "session": "fail"}, site_says=WAY_OUT, proof=False),
    Row("everything dropped at the site", (fault("drop", "site"),),
        # No packet of any flow is seen past the site: nothing tells which box stops them.
        (at("provisioning", NOWHERE, A), at("signaling", NOWHERE, PRIMARY, 4200),
         at("data", UNPROVEN, PRIMARY, 4200)), {"provisioning": "fail", "signaling": "fail", "data": "unproven"},
        site_says=WAY_OUT),
    Row("everything dropped at the isp: as if all were dead", (fault("drop", "isp"),),
        (at("provisioning", PERMITTED, A), at("signaling", PERMITTED, PRIMARY, 4200),
         at("data", PERMITTED, PRIMARY, 4200)), {"provisioning": "fail", "signaling": "fail"}, proof=False),
    Row("only what is listed is forwarded",
        (fault("default-deny", rules=f"ip daddr {A} tcp dport {{ 80, 443 }} accept\nip daddr {PRIMARY} accept"),),
        (at("provisioning", OPEN, A), at("provisioning", blocked(1, 2), B), at("signaling", OPEN),
         at("data", PERMITTED), at("data-dr", blocked(1, 2), DR), at("signaling-dr", blocked(1, 2), DR, 4200)),
        {"provisioning": "fail", "signaling": "pass", "data": "pass", "data-dr": "fail", "signaling-dr": "fail"}),
    Row("one address for every name", (fault("dns", server="both", mode="private"),),
        (at("maps", Outcome(("intercepted",), (ANY,), (None,), ("resolve",))), at("provisioning", OPEN)),
        {"maps": "fail", "provisioning": "pass"}, proof=False),
    Row("one name resolves to what no public name has", (fault("dns", server="both", mode="wrong", name=MAPS),),
        (at("maps", Outcome(("intercepted",), (ANY,), (None,), ("resolve",))), at("request-slot", OPEN)),
        {"maps": "fail", "request-slot": "pass"}, proof=False),
]


def shut(name, requirement, state, *faults, outcome=None, says=None, **how):
    address, port = {"telnet": (PRIMARY, 23), "web-shut": (A, 443), "udp-shut": (PRIMARY, 4205)}[requirement]
    return Row(name, faults, (at(requirement, outcome, address, port),), {requirement: state},
               {requirement: says} if says else {}, config=SHUT_CONFIG, **how)


# The twin of each row that passes is the row where the same port is let through, or only looks shut.
STAYS_SHUT = [
    shut("shut: dropped at the site", "telnet", "pass", fault("drop", "site", port=23), outcome=blocked(1, 2)),
    shut("shut: rejected at the site", "telnet", "pass", fault("reject", "site", port=23), outcome=rejected(1)),
    shut("shut: reset at the site", "telnet", "pass", fault("rst", "site", port=23), outcome=blocked(1, 2)),
    shut("shut: dropped at the isp", "telnet", "pass", fault("drop", "isp", port=23), outcome=blocked(2, 3)),
    shut("shut or not: dropped by the server itself, or next to it", "telnet", "unproven", fault("drop", "server", port=23),
         outcome=Outcome(("blocked",), ("unknown",), ((3, 4),))),
    shut("not shut: closed there, but the site lets it through", "telnet", "fail", outcome=CLOSED, says=GATEWAY),
    shut("not shut: nobody at home, but the site lets it through", "telnet", "fail",
         fault("dead-address", address=PRIMARY), outcome=PERMITTED, says=GATEWAY),
    shut("not shut: it answers", "web-shut", "fail", outcome=OPEN, says=GATEWAY),
    shut("shut: a web server, dropped at the site", "web-shut", "pass", fault("drop", "site", port=443, address=A),
         outcome=blocked(1, 2)),
    shut("not shut: a datagram gets out", "udp-shut", "fail", outcome=PERMITTED, says=GATEWAY),
    shut("shut: a datagram is dropped at the site", "udp-shut", "pass", fault("drop", "site", port=4205),
         outcome=blocked(1, 2)),
    shut("shut or not: a datagram that cannot be followed", "udp-shut", "unproven", fault("icmp-filtered", "site"),
         outcome=Outcome(("unproven",)), proof=False),
]

TWO_AT_ONCE = [
    Row("443 dropped at the site, 80 reset at the isp",
        (fault("drop", "site", port=443, address=A), fault("rst", "isp", port=80, address=A)),
        (at("provisioning", blocked(1, 2), A, 443), at("provisioning", blocked(2, 3), A, 80),
         at("provisioning", OPEN, B)),
        {"provisioning": "fail"}),
    Row("443 reset at the site, the other address dead",
        (fault("rst", "site", port=443, address=A), fault("dead-address", address=B)),
        (at("provisioning", blocked(1, 2), A, 443), at("provisioning", OPEN, A, 80), at("provisioning", PERMITTED, B)),
        {"provisioning": "fail"}),
    Row("TCP taken by the isp, datagrams rejected at the site",
        (fault("redirect", "isp", port=4200, address=PRIMARY),
         fault("reject", "site", proto="udp", port="4200-4208", address=PRIMARY, code="admin-prohibited")),
        (at("signaling", intercepted(1, 2), PRIMARY, 4200), at("data", rejected(1), PRIMARY, 4200),
         at("signaling-dr", OPEN), at("data-dr", PERMITTED)),
        {"signaling": "fail", "data": "fail", "signaling-dr": "pass", "data-dr": "pass"}),
    Row("data of 443 dropped at the isp, 80 dropped at the site",
        (fault("data-drop", "isp", port=443, address=MAPS_AT[0]), fault("drop", "site", port=80, address=MAPS_AT[0])),
        (at("maps", CUT, MAPS_AT[0], 443), at("maps", blocked(1, 2), MAPS_AT[0], 80), at("maps", OPEN)),
        {"maps": "fail"}),
    Row("the first DNS server silent and a port dropped",
        (fault("dns", server=1, mode="silent"), fault("drop", "site", port=443, address=SLOT)),
        (at("request-slot", blocked(1, 2), SLOT, 443), at("request-slot", OPEN)), {"request-slot": "fail"}),
    Row("the site drops what the isp would have rejected",
        (fault("drop", "site", port=443, address=A), fault("reject", "isp", port=443, address=A)),
        (at("provisioning", blocked(1, 2), A, 443), at("provisioning", OPEN)), {"provisioning": "fail"}),
    Row("the isp resets what the site lets through, and the host is dead",
        (fault("rst", "isp", port=443, address=A), fault("dead-address", address=A)),
        (at("provisioning", blocked(2, 3), A, 443), at("provisioning", PERMITTED, A, 80), at("provisioning", OPEN, B)),
        {"provisioning": "fail"}),
    Row("the range: part dropped at the site, part reset at the isp, part taken by the site",
        (fault("drop", "site", port="2100-2199"), fault("rst", "isp", port="2300-2349"),
         fault("redirect", "site", port="2400-2449")),
        (at("session", blocked(1, 2), SLOT, (2100, 2199)), at("session", blocked(2, 3), SLOT, (2300, 2349)),
         at("session", intercepted(0, 1), SLOT, (2400, 2449)), at("session", LET_THROUGH, SLOT),
         Span("session", SLOT, ("2100-2199", "2300-2349", "2400-2449"))), {"session": "fail"}),
    Row("the range: dropped in IPv4 at the site, in IPv6 at the isp",
        (fault("drop", "site", port="2100-2199", address="34.0.0.0/24"),
         fault("drop", "isp", port="2100-2199", address="2600:1f18:3::/48")),
        (Span("session", SLOT, ("2100-2199",), blocked(1, 2)), Span("session", SLOT6, ("2100-2199",), blocked(2, 3))),
        {"session": "fail"}),
    Row("loss of a tenth and a drop at the isp",
        (fault("loss", "site", percent=10), fault("drop", "isp", port=443, address=A)),
        (at("provisioning", Outcome(("blocked",), ("isp", "unknown"), (ANY,)), A, 443),), {"provisioning": "fail"},
        proof=False),
]


def slow(row):
    """The same row where a round trip beyond the isp takes 40 ms more."""
    return dataclasses.replace(row, name=f"slow link: {row.name}", delay=True)


SLOW = [slow(row) for row in (
    Row("nothing is wrong", (),
        (at("provisioning", OPEN), at("request-slot", OPEN), at("session", LET_THROUGH), at("data", PERMITTED)),
        {"provisioning": "pass", "request-slot": "pass", "session": "pass", "data": "pass"}),
    *(Row(f"{what}, {host}", (fault(what, host, port=443, address=A),),
          (at("provisioning", outcome, A, 443), at("provisioning", OPEN)), {"provisioning": "fail"})
      for what, host, outcome in (
          ("drop", "site", blocked(1, 2)), ("drop", "isp", blocked(2, 3)), ("drop", "server", blocked(3, 4)),
          ("rst", "site", blocked(1, 2)), ("rst", "isp", blocked(2, 3)),
          ("reject", "isp", rejected(2)), ("reject", "internet", rejected(3)), ("reject", "server", REFUSED),
          ("redirect", "site", intercepted(0, 1)), ("tproxy", "isp", intercepted(1, 2)),
          ("synproxy", "isp", intercepted(2, 3)))),
    Row("really closed", (fault("closed", port=443, address=A),),
        (at("provisioning", CLOSED, A, 443), at("provisioning", OPEN)), {"provisioning": "fail"}),
    Row("dead host", (fault("dead-address", address=A),), (at("provisioning", PERMITTED, A), at("provisioning", OPEN)),
        {"provisioning": "fail"}),
    Row("udp drop, isp", (fault("drop", "isp", proto="udp", port="4200-4203", address=PRIMARY),),
        (at("data", blocked(2, 3), PRIMARY, (4200, 4203)), at("data", PERMITTED)), {"data": "fail"}),
    Row("udp answered by the internet's router", (fault("udp-spoof", "internet", port=4200, address=PRIMARY),),
        (at("data", intercepted(2, 3), PRIMARY, 4200), at("data", PERMITTED)), {"data": "fail"}),
    Row("range: part reset at the site", (fault("rst", "site", port="2100-2199"),),
        (*(Span("session", address, ("2100-2199",), blocked(1, 2)) for address in CONNECT_AT),), {"session": "fail"}),
)]

# The time is printed, not judged: 500 ports at two addresses, silent at the site.
TIMED = [
    Row(f"timing: 500 ports of two addresses dropped at the site{words}", faults,
        (*(Span("session", address, ("2001-2500",), blocked(1, 2)) for address in CONNECT_AT[:2]),
         Span("session", SLOT6, ()), at("session", LET_THROUGH, SLOT6)), {"session": "fail"}, delay=delay)
    for delay, words in ((False, ""), (True, ", slow link"))
    for faults in [(fault("drop", "site", proto="tcp", port="2001-2500", address="34.0.0.0/24"),)]
]

ROWS = [*WHOLE_SITE, *STAYS_SHUT, *TWO_AT_ONCE, *SLOW, *TIMED]

if __name__ == "__main__":
    run_table("site", ROWS)
