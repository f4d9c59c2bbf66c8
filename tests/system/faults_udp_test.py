# SPDX-License-Identifier: Apache-2.0
"""The table of faults, datagrams: dropped, rejected, answered by others, and services that just say nothing.

    sudo /usr/bin/python3 tests/system/faults_udp_test.py [--row TEXT]... [--list]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from fault_rows import (ANY, OPEN, OWN_FILTER, PERMITTED, REFUSED, Outcome, Row, Span, at, blocked, fault,  # noqa: E402
                        intercepted, rejected, run_table)
from lab_site import DR, PRIMARY  # noqa: E402

SERVER6 = "2600:1f18:1::10"
IN_IPV6 = {"values": {"eschat-govcloud": {"signaling_primary": [PRIMARY], "data_primary": [SERVER6]}}}
PART, REST = (4200, 4203), (4204, 4208)
PERHAPS = Outcome(("permitted", "unproven"), ("unknown",))
LOST = Outcome(("blocked", "unproven"), ("isp", "unknown"), (ANY,))


def part(name, what, host, outcome, also=(), **options):
    """4200-4203 of the one server are as said; its other ports and the other server are let through."""
    return Row(name, (*also, fault(what, host, port="4200-4203", address=PRIMARY, **options)),
               (at("data", outcome, PRIMARY, PART), at("data", PERMITTED, PRIMARY, REST), at("data-dr", PERMITTED, DR),
                Span("data", PRIMARY, ("4200-4203",), outcome)),
               {"data": "fail", "data-dr": "pass", "signaling": "pass"})


def silent(name, *faults):
    """The way is free and nobody answers: let through."""
    return Row(name, faults, (at("data", PERMITTED, PRIMARY, PART), at("data", PERMITTED, PRIMARY, REST),
                              at("data-dr", PERMITTED, DR)), {"data": "pass", "data-dr": "pass"})


def part6(name, what, host, outcome, **options):
    return Row(name, (fault(what, host, port="4200-4203", address=SERVER6, **options),),
               (at("data", outcome, SERVER6, PART), at("data", PERMITTED, SERVER6, REST)), {"data": "fail"},
               config=IN_IPV6)


DATAGRAMS = [
    silent("udp: a service that says nothing"),
    part("udp drop, site, forward", "drop", "site", blocked(1, 2), proto="udp"),
    part("udp drop, site, prerouting", "drop", "site", blocked(0, 1), proto="udp", hook="prerouting"),
    part("udp drop, isp, forward", "drop", "isp", blocked(2, 3), proto="udp"),
    part("udp drop, isp, prerouting", "drop", "isp", blocked(1, 2), proto="udp", hook="prerouting"),
    part("udp drop, internet, prerouting", "drop", "internet", blocked(2, 3), proto="udp", hook="prerouting"),
    # Past the last router nothing tells a drop from a service that says nothing.
    silent("udp drop, internet, forward: as a silent service",
           fault("drop", "internet", port="4200-4203", proto="udp", address=PRIMARY)),
    silent("udp drop, server's own firewall: as a silent service",
           fault("drop", "server", port="4200-4203", proto="udp", address=PRIMARY)),
    silent("udp, dead host: as a silent service", fault("dead-address", address=PRIMARY)),
    part("udp reject, site", "reject", "site", rejected(1), proto="udp", code="admin-prohibited"),
    part("udp reject port-unreachable, site: not the destination's word", "reject", "site", rejected(1), proto="udp"),
    part("udp reject port-unreachable, isp: not the destination's word", "reject", "isp", rejected(2), proto="udp"),
    part("udp reject, internet", "reject", "internet", rejected(3), proto="udp", code="net-prohibited"),
    Row("udp, really closed", (fault("closed", port="4200-4203", proto="udp", address=PRIMARY),),
        (at("data", REFUSED, PRIMARY, PART), at("data", PERMITTED, PRIMARY, REST), at("data-dr", PERMITTED, DR)),
        {"data": "pass", "data-dr": "pass"}),
    part("udp drop, this machine", "drop", "client", OWN_FILTER, proto="udp"),
    part("udp reject, this machine", "reject", "client", OWN_FILTER, proto="udp", code="admin-prohibited"),
    part("udp answered by the site", "udp-spoof", "site", intercepted(0, 1)),
    part("udp answered by the isp", "udp-spoof", "isp", intercepted(1, 2)),
    part("udp answered by the internet's router", "udp-spoof", "internet", intercepted(2, 3)),
    Row("udp answered by the site for a dead host",
        (fault("udp-spoof", "site", port="4200-4203", address=PRIMARY), fault("dead-address", address=PRIMARY)),
        (at("data", intercepted(0, 1), PRIMARY, PART), at("data", PERMITTED, PRIMARY, REST)), {"data": "fail"}),
    Row("udp answered by the site, which passes no ICMP",
        (fault("udp-spoof", "site", port="4200-4203", address=PRIMARY), fault("icmp-filtered", "site")),
        (at("data", Outcome(("intercepted",), ("site", "unknown"), (ANY,)), PRIMARY, PART),
         at("data", Outcome(("unproven",)), PRIMARY, REST)), {"data": "fail"}, proof=False),
    Row("udp dropped at the site, which passes no ICMP: cannot be told from a silent service",
        (fault("drop", "site", port="4200-4203", proto="udp"), fault("icmp-filtered", "site")),
        (at("data", Outcome(("unproven",), ("unknown",))),), {"data": "unproven"}, proof=False),
    Row("all datagrams dropped at the site: the other DNS server too, and TCP is well",
        (fault("drop", "site", proto="udp"),),
        (at("data", blocked(1, 2), PRIMARY, 4200), at("data-dr", blocked(1, 2), DR, 4200), at("provisioning", OPEN)),
        {"data": "fail", "data-dr": "fail", "provisioning": "pass"}),
    *(Row(name, faults, (at("data", PERHAPS), at("data-dr", PERHAPS), at("provisioning", OPEN)),
          {"data": "pass unproven", "data-dr": "pass unproven", "provisioning": "pass"}, proof=False)
      for name, faults in (
          ("no router outside speaks of datagrams: nothing is dropped",
           tuple(fault("hop-silent", host, proto="udp") for host in ("isp", "internet"))),
          ("the isp's router does not speak of datagrams: nothing is dropped", (fault("hop-silent", "isp", proto="udp"),)),
          ("datagrams with few hops left are dropped at the site", (fault("ttl-floor", "site", proto="udp", ttl=5),)),
          ("datagrams with few hops left are dropped at the isp", (fault("ttl-floor", "isp", proto="udp", ttl=5),)))),
    part("the internet's router does not speak of TCP, and the isp drops datagrams", "drop", "isp", blocked(2, 3),
         also=(fault("hop-silent", "internet", proto="tcp"),), proto="udp"),
    Row("the last router has lost its link and speaks rarely: no datagram is let through",
        (fault("last-link-down"), fault("icmp-limited", "internet")),
        (at("data", LOST), at("data-dr", LOST), at("signaling", Outcome(("blocked",), (ANY,), (ANY,)))),
        {"signaling": "fail", "data": "fail unproven", "data-dr": "fail unproven"}, proof=False),
    Row("loss of a tenth of the datagrams is no block", (fault("loss", "site", proto="udp", percent=10),),
        (at("data", Outcome(("permitted", "unproven"))), at("data-dr", Outcome(("permitted", "unproven")))),
        proof=False),
    Row("udp, IPv6: a service that says nothing", (), (at("data", PERMITTED, SERVER6),), {"data": "pass"},
        config=IN_IPV6),
    part6("udp drop, site, IPv6", "drop", "site", blocked(1, 2), proto="udp"),
    part6("udp drop, isp, IPv6", "drop", "isp", blocked(2, 3), proto="udp"),
    part6("udp reject, site, IPv6", "reject", "site", rejected(1), proto="udp", code="admin-prohibited"),
    part6("udp answered by the site, IPv6", "udp-spoof", "site", intercepted(0, 1)),
    Row("udp, really closed, IPv6", (fault("closed", port="4200-4203", proto="udp", address=SERVER6),),
        (at("data", REFUSED, SERVER6, PART), at("data", PERMITTED, SERVER6, REST)), {"data": "pass"}, config=IN_IPV6),
]

ROWS = DATAGRAMS

if __name__ == "__main__":
    run_table("udp", ROWS)
