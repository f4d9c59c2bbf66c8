# SPDX-License-Identifier: Apache-2.0
"""The table of faults, TCP: dropped, rejected and reset, at every box and at the destination itself.

    sudo /usr/bin/python3 tests/system/faults_tcp_test.py [--row TEXT]... [--list]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from fault_rows import (CLOSED, LET_THROUGH, OPEN, OWN_FILTER, PERMITTED, REFUSED, UNPROVEN, Outcome, Row,  # noqa: E402
                        Span, at, blocked, fault, rejected, run_table)
from lab_site import CONNECT_AT, LIMITS, PROVISIONING  # noqa: E402

A, B = PROVISIONING
SLOT, SLOT6 = CONNECT_AT[0], CONNECT_AT[2]
FAILS, PASSES = {"provisioning": "fail"}, {"provisioning": "pass"}
# A drop before the first hop is this machine's own or the gateway's: a SYN sent again tells, after a second.
LONG_WAIT = {"limits": {"connect_timeout_ms": 1300}}


def one_port(outcome):
    """443 of one address is as said; its other port and the other address are open."""
    return (at("provisioning", outcome, A, 443), at("provisioning", OPEN, A, 80), at("provisioning", OPEN, B))


def one_port6(outcome):
    return (at("request-slot", outcome, SLOT6, 443), at("request-slot", OPEN, SLOT, 443),
            at("request-slot", OPEN, CONNECT_AT[1], 443))


def v4(name, what, host, outcome, config=None, **options):
    return Row(name, (fault(what, host, port=443, address=A, **options),), one_port(outcome), FAILS, config=config)


def v6(name, what, host, outcome, config=None, **options):
    return Row(name, (fault(what, host, port=443, address=SLOT6, **options),), one_port6(outcome),
               {"request-slot": "fail"}, config=config)


HEALTHY = [
    Row("nothing is wrong", (),
        (*one_port(OPEN), *one_port6(OPEN), at("maps", OPEN), at("signaling", OPEN), at("session", LET_THROUGH),
         at("apns", LET_THROUGH)),
        {**PASSES, "request-slot": "pass", "maps": "pass", "signaling": "pass", "session": "pass", "apns": "unproven"}),  # four samples prove too little
]

DROPS = [
    v4("drop, site, forward", "drop", "site", blocked(1, 2)),
    v4("drop, site, prerouting", "drop", "site", blocked(0, 1), LONG_WAIT, hook="prerouting"),
    v4("drop, isp, forward", "drop", "isp", blocked(2, 3)),
    v4("drop, isp, prerouting", "drop", "isp", blocked(1, 2), hook="prerouting"),
    v4("drop, internet, forward: the last router or the host's own firewall", "drop", "internet", blocked(3, 4)),
    v4("drop, internet, prerouting", "drop", "internet", blocked(2, 3), hook="prerouting"),
    v4("drop, server's own firewall", "drop", "server", blocked(3, 4), proto="tcp"),
    v4("drop of the server's answers, by itself", "drop", "server", blocked(3, 4), hook="output", proto="tcp"),
    # This machine's own silent drop: nothing leaves, as if the gateway dropped it before it counts hops.
    v4("drop, this machine, output: never a box beyond the gateway", "drop", "client",
       Outcome(("blocked",), ("host", "site", "unknown"), (None, (0, 1))), proto="tcp"),
    # The answers come and this machine drops them: the walk sees every router, as with the server's own firewall.
    v4("drop, this machine, input: never the site nor the provider", "drop", "client",
       Outcome(("blocked",), ("host", "unknown"), (None, (3, 4))), hook="input", proto="tcp"),
    Row("loss of a fifth is no block", (fault("loss", "site", percent=20),), one_port(OPEN),
        config={"limits": LIMITS | {"attempts": 10}}, proof=False),
]

WHOLE_ADDRESS = [
    Row("dead host", (fault("dead-address", address=A),),
        (at("provisioning", PERMITTED, A), at("provisioning", OPEN, B)), FAILS),
    # One flow is walked and the others are asked afterwards, of other rows too: none may be left behind at the end.
    Row("one port of every address dropped at the site", (fault("drop", "site", port=443),),
        tuple(at(name, outcome, ports=port) for name in ("provisioning", "nlb", "maps")
              for outcome, port in ((blocked(1, 2), 443), (OPEN, 80))),
        {"provisioning": "fail", "nlb": "fail", "maps": "fail"}),
    Row("whole address dropped at the site", (fault("drop", "site", address=A),),
        (at("provisioning", blocked(1, 2), A), at("provisioning", OPEN, B)), FAILS),
    Row("whole address dropped at the site before it counts hops",
        (fault("drop", "site", address=A, hook="prerouting"),),
        (at("provisioning", blocked(0, 1), A), at("provisioning", OPEN, B)), FAILS, config=LONG_WAIT),
    Row("whole address dropped at the isp: as a dead host", (fault("drop", "isp", address=A),),
        (at("provisioning", PERMITTED, A), at("provisioning", OPEN, B)), FAILS, proof=False),
    Row("whole address dropped at the last router: as a dead host", (fault("drop", "internet", address=A),),
        (at("provisioning", PERMITTED, A), at("provisioning", OPEN, B)), FAILS),
    Row("dead host, IPv6", (fault("dead-address", address=SLOT6),), one_port6(PERMITTED), {"request-slot": "fail"}),
    Row("whole address dropped at the site, IPv6", (fault("drop", "site", address=SLOT6),), one_port6(blocked(1, 2)),
        {"request-slot": "fail", "maps": "pass"}),
    Row("IPv6 dropped as a whole at the isp: as a dead host", (fault("drop", "isp", address="2600:1f18::/32"),),
        one_port6(PERMITTED), {"request-slot": "fail"}, proof=False),
]

REJECTIONS = [
    *(Row(f"reject {code}, site, both families",
          (fault("reject", "site", port=443, address=A, code=code),
           fault("reject", "site", port=443, address=SLOT6, code=code)),
          (*one_port(rejected(1)), *one_port6(rejected(1))), {**FAILS, "request-slot": "fail"})
      for code in ("port-unreachable", "admin-prohibited", "host-prohibited", "net-prohibited", "net-unreachable",
                   "host-unreachable", "protocol-unreachable", "policy-fail", "reject-route")),
    v4("reject, site, prerouting", "reject", "site", rejected(1), code="admin-prohibited", hook="prerouting"),
    v4("reject port-unreachable, isp: not the destination's word", "reject", "isp", rejected(2)),
    v4("reject, isp, prerouting", "reject", "isp", rejected(2), code="admin-prohibited", hook="prerouting"),
    v4("reject, internet", "reject", "internet", rejected(3), code="host-prohibited"),
    v6("reject, isp, IPv6", "reject", "isp", rejected(2), code="admin-prohibited"),
    v4("reject, the destination itself", "reject", "server", REFUSED, code="port-unreachable"),
    v4("reject admin-prohibited, the destination itself", "reject", "server", REFUSED, code="admin-prohibited"),
    v4("reject, this machine", "reject", "client", OWN_FILTER, code="admin-prohibited"),
    v6("reject, this machine, IPv6", "reject", "client", OWN_FILTER, code="admin-prohibited"),
]

RESETS = [
    v4("rst, site, forward", "rst", "site", blocked(1, 2)),
    v4("rst, site, prerouting", "rst", "site", blocked(0, 1), hook="prerouting"),
    v4("rst, isp, forward", "rst", "isp", blocked(2, 3)),
    v4("rst, isp, prerouting", "rst", "isp", blocked(1, 2), hook="prerouting"),
    v4("rst, internet, prerouting", "rst", "internet", blocked(2, 3), hook="prerouting"),
    Row("rst, internet, forward: as a server that is a hop nearer", (fault("rst", "internet", port=443, address=A),),
        one_port(UNPROVEN), {"provisioning": "unproven"}),
    v4("really closed", "closed", None, CLOSED, proto="tcp"),
    # Its reset is heard even by a socket bound to the link, and comes with the TTL of a gateway's: not to be told from
    # "rst, site, prerouting" by packets.
    v4("rst, this machine: never a box beyond the gateway", "rst", "client",
       Outcome(("blocked",), ("host", "site", "unknown"), ((0, 1), None))),
    Row("whole address reset at the site: TCP alone, the datagrams' way tells the distance",
        (fault("rst", "site", address=A),), (at("provisioning", blocked(1, 2), A), at("provisioning", OPEN, B)), FAILS),
    v6("rst, site, IPv6", "rst", "site", blocked(1, 2)),
    v6("rst, isp, IPv6", "rst", "isp", blocked(2, 3)),
    v6("really closed, IPv6", "closed", None, CLOSED, proto="tcp"),
    v6("drop, site, IPv6", "drop", "site", blocked(1, 2)),
    v6("drop, site, prerouting, IPv6", "drop", "site", blocked(0, 1), LONG_WAIT, hook="prerouting"),
    v6("drop, isp, IPv6", "drop", "isp", blocked(2, 3)),
    v6("drop, server's own firewall, IPv6", "drop", "server", blocked(3, 4), proto="tcp"),
]


def part(name, what, host, outcome, addresses=CONNECT_AT, span="2100-2199", **options):
    """Part of 2001-2500 has the outcome at these addresses, and everything else of the range is let through."""
    low, _, high = span.partition("-")
    low, high = int(low), int(high or low)
    where = {"address": addresses[0]} if len(addresses) == 1 else {}
    return Row(name, (fault(what, host, port=span, **where, **options),),
               (*(at("session", outcome, address, (low, high)) for address in addresses), at("session", LET_THROUGH),
                *(Span("session", address, (span,), outcome) for address in addresses),
                *(Span("session", address, ()) for address in CONNECT_AT if address not in addresses)),
               {"session": "fail", "request-slot": "pass"})


RANGES = [
    part("range: part dropped at the site", "drop", "site", blocked(1, 2), proto="tcp"),
    part("range: part reset at the site", "rst", "site", blocked(1, 2)),
    part("range: part rejected at the site", "reject", "site", rejected(1), code="admin-prohibited"),
    part("range: part dropped at the isp", "drop", "isp", blocked(2, 3), proto="tcp"),
    part("range: part reset at the isp", "rst", "isp", blocked(2, 3)),
    part("range: part dropped at one address", "drop", "site", blocked(1, 2), (SLOT,), "2400-2500", proto="tcp"),
    part("range: part reset at one IPv6 address", "rst", "site", blocked(1, 2), (SLOT6,), "2001-2100"),
    part("range: a single port dropped", "drop", "site", blocked(1, 2), (SLOT,), "2250", proto="tcp"),
    Row("range: really closed ports are let through", (fault("closed", port="2001-2010", proto="tcp"),),
        (at("session", CLOSED, SLOT, (2001, 2010)), at("session", LET_THROUGH)), {"session": "pass"}),
]

LOW_HALF, HIGH_HALF = "17.0.0.0/9", "17.128.0.0/9"
BLOCKS = [
    Row("block: half dropped at the site", (fault("drop", "site", address=LOW_HALF),),
        (at("apns", blocked(1, 2), LOW_HALF), at("apns", LET_THROUGH, HIGH_HALF)), {"apns": "fail"}),
    Row("block: half reset at the site", (fault("rst", "site", address=HIGH_HALF),),
        (at("apns", blocked(1, 2), HIGH_HALF), at("apns", LET_THROUGH, LOW_HALF)), {"apns": "fail"}),
    Row("block: a sixteenth rejected on one port at the site",
        (fault("reject", "site", address="17.240.0.0/12", port=5223, code="net-prohibited"),),
        (at("apns", rejected(1), "17.240.0.0/12", 5223), at("apns", LET_THROUGH)), {"apns": "fail"}),
    Row("block: one /24 that names use dropped at the site", (fault("drop", "site", address="17.57.144.0/24"),),
        (at("apns", blocked(1, 2), "17.57.144.0/24"), at("apns", LET_THROUGH)), {"apns": "fail"}),
    # Samples end just beyond the edge and never meet the isp's rules; the names' own addresses are as dead hosts.
    Row("block: half dropped at the isp: the site lets it through", (fault("drop", "isp", address=LOW_HALF),),
        (at("apns", PERMITTED, "17.57.144.0/24"), at("apns", LET_THROUGH, "17.249.0.0/16")),
        {"apns": "pass unproven"}, proof=False),
    # The box that drops them rejects others, and may have rejected these without a word: no accusation, no pass.
    Row("block: half dropped at the isp, which rejects datagrams elsewhere",
        (fault("drop", "isp", address=LOW_HALF), fault("reject", "isp", proto="udp", port="4200-4208")),
        (at("apns", UNPROVEN, "17.57.144.0/24"), at("apns", LET_THROUGH, "17.249.0.0/16"), at("data", rejected(2))),
        {"apns": "unproven", "data": "fail"}, proof=False),
    Row("block: really closed there", (fault("closed", port="80", address="17.0.0.0/8", proto="tcp"),),
        (at("apns", CLOSED, "17.57.144.0/24", 80), at("apns", LET_THROUGH)), {"apns": "pass unproven"}),
    Row("block: nobody at home", (fault("dead-address", address="17.249.0.0/16"),),
        (at("apns", PERMITTED, "17.249.0.0/16"), at("apns", LET_THROUGH)), {"apns": "pass unproven"}),
]

ROWS = [*HEALTHY, *DROPS, *WHOLE_ADDRESS, *REJECTIONS, *RESETS, *RANGES, *BLOCKS]

if __name__ == "__main__":
    run_table("tcp", ROWS)
