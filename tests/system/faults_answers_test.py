# SPDX-License-Identifier: Apache-2.0
"""The table of faults, who answers: proxies of every kind, data that is dropped after the handshake, routers that keep
their ICMP errors to themselves.

    sudo /usr/bin/python3 tests/system/faults_answers_test.py [--row TEXT]... [--list]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from fault_rows import (ANY, CLOSED, CUT, LET_THROUGH, OPEN, OWN_PROXY, PERMITTED, UNPROVEN, Outcome, Row,  # noqa: E402
                        Span, at, blocked, fault, intercepted, run_table)
from lab_site import CONNECT_AT, DR, MAPS_AT, PRIMARY, PROVISIONING  # noqa: E402

A, B = PROVISIONING
SLOT6 = CONNECT_AT[2]
TRUSTED = Outcome(("open",), places=(None,), stages=("handshake",))  # a verified name, whoever carried it there
FOREIGN = Outcome(("intercepted",), ("site", "unknown"), (None, (0, 1)))
NEVER_OPEN = Outcome(("blocked", "intercepted"), (ANY,), (ANY,))
SIGNALING = {"signaling": "fail", "signaling-dr": "pass"}


def signaling(outcome):
    """4200 of the one server is as said; the other server is open."""
    return (at("signaling", outcome, PRIMARY, 4200), at("signaling-dr", OPEN, DR, 4200))


def taken(name, what, host, outcome, **options):
    return Row(name, (fault(what, host, port=4200, address=PRIMARY, **options),), signaling(outcome), SIGNALING)


def taken6(name, what, host, outcome, **options):
    return Row(name, (fault(what, host, address=SLOT6, **options),),
               (at("session", outcome, SLOT6, 2001), at("session", LET_THROUGH, CONNECT_AT[0])), {"session": "fail"})


PROXIES = [
    *(taken(f"{what}, {host}", what, host, intercepted(*pair))
      for what in ("redirect", "tproxy")
      for host, pair in (("site", (0, 1)), ("isp", (1, 2)), ("internet", (2, 3)))),
    taken("synproxy, site", "synproxy", "site", intercepted(1, 2)),
    taken("synproxy, isp", "synproxy", "isp", intercepted(2, 3)),
    Row("synproxy, internet: as servers at two distances behind one address",
        (fault("synproxy", "internet", port=4200, address=PRIMARY),), signaling(UNPROVEN),
        {"signaling": "unproven", "signaling-dr": "pass"}),
    taken6("redirect, site, IPv6", "redirect", "site", intercepted(0, 1)),
    taken6("tproxy, isp, IPv6", "tproxy", "isp", intercepted(1, 2)),
    taken6("synproxy, site, IPv6", "synproxy", "site", intercepted(1, 2)),
    Row("synproxy at the site, the server behind dropped at the isp: never open",
        (fault("synproxy", "site", port=4200, address=PRIMARY), fault("drop", "isp", port=4200, address=PRIMARY)),
        signaling(NEVER_OPEN), SIGNALING),
    Row("synproxy at the site in front of a dead host: never open",
        (fault("synproxy", "site", port=4200, address=PRIMARY), fault("dead-address", address=PRIMARY)),
        signaling(NEVER_OPEN), SIGNALING),
    Row("synproxy at the site in front of a closed port: never open, never closed",
        (fault("synproxy", "site", port=4200, address=PRIMARY), fault("closed", port=4200, address=PRIMARY)),
        signaling(NEVER_OPEN), SIGNALING),
    Row("redirect at the site in front of a dead host",
        (fault("redirect", "site", port=4200, address=PRIMARY), fault("dead-address", address=PRIMARY)),
        signaling(intercepted(0, 1)), SIGNALING),
    Row("redirect, this machine", (fault("redirect", "client", port=4200, address=PRIMARY),), signaling(OWN_PROXY),
        SIGNALING),
    Row("redirect, this machine, 443 of everything, relayed: what is verified is open",
        (fault("redirect", "client", port=443, then="relay"),),
        (at("maps", TRUSTED, ports=443), at("maps", OPEN, ports=80), at("provisioning", OWN_PROXY, ports=443),
         at("provisioning", OPEN, ports=80)), {"maps": "pass", "provisioning": "fail"}),
    Row("redirect, site, 443 of bare addresses", (fault("redirect", "site", port=443, address=A),),
        (at("provisioning", intercepted(0, 1), A, 443), at("provisioning", OPEN)), {"provisioning": "fail"}),
    Row("redirect, site, 443 of a name, silent", (fault("redirect", "site", port=443, address=MAPS_AT[0]),),
        (at("maps", intercepted(0, 1), MAPS_AT[0], 443), at("maps", TRUSTED, ports=443), at("maps", OPEN, ports=80)),
        {"maps": "fail"}),
    *(Row(f"{what}, site, 443 of everything, relayed: what is verified is open",
          (fault(what, "site", port=443, then="relay"),),
          (at("maps", TRUSTED, ports=443), at("maps", OPEN, ports=80),
           at("provisioning", intercepted(0, 1), A, 443), at("provisioning", OPEN, ports=80)),
          {"maps": "pass", "provisioning": "fail"}) for what in ("redirect", "tproxy")),
    Row("synproxy, site, 443 of everything: what is verified is open", (fault("synproxy", "site", port=443),),
        (at("maps", TRUSTED, ports=443), at("maps", OPEN, ports=80), at("provisioning", intercepted(1, 2), A, 443)),
        {"maps": "pass", "provisioning": "fail"}),
    Row("proxy on 443 with a foreign certificate", (fault("redirect", "site", port=443, then="inspect"),),
        (at("maps", FOREIGN, ports=443), at("maps", OPEN, ports=80), at("getconf", FOREIGN),
         at("provisioning", intercepted(0, 1), A, 443)), {"maps": "fail", "getconf": "fail"}),
    Row("foreign certificate without a proxy: no box is named", (fault("wrong-cert", name="maps.googleapis.com"),),
        (at("maps", Outcome(("intercepted",), ("unknown",)), ports=443), at("maps", OPEN, ports=80),
         at("getconf", TRUSTED)), {"maps": "fail", "getconf": "pass"}),
    Row("portal on 80", (fault("http-portal", "site"),),
        (at("provisioning", intercepted(0, 1), A, 80), at("provisioning", OPEN, ports=443),
         at("maps", FOREIGN, ports=80), at("maps", TRUSTED, ports=443)), {"provisioning": "fail", "maps": "fail"}),
    Row("all TCP taken by the site: the whole range, and datagrams are free", (fault("redirect", "site"),),
        (at("signaling", intercepted(0, 1), PRIMARY, 4200), at("provisioning", intercepted(0, 1), A, 80),
         at("session", intercepted(0, 1), CONNECT_AT[0]), at("data", PERMITTED, PRIMARY, 4200),
         *(Span("session", address, ("2001-2500",), intercepted(0, 1)) for address in CONNECT_AT)),
        {"signaling": "fail", "session": "fail", "data": "pass"}),
    Row("part of the range taken by the site", (fault("tproxy", "site", port="2100-2199"),),
        (at("session", intercepted(0, 1), ports=(2100, 2199)), at("session", LET_THROUGH),
         *(Span("session", address, ("2100-2199",), intercepted(0, 1)) for address in CONNECT_AT)),
        {"session": "fail"}),
]

CUT_DATA = [
    *(Row(f"data of 443 dropped by {by}, {host}: names", (fault("data-drop", host, port=443, by=by),),
          (at("maps", CUT, ports=443), at("maps", OPEN, ports=80), at("getconf", CUT)), {"maps": "fail"})
      for host, by in (("site", "flags"), ("isp", "flags"), ("site", "length"), ("site", "packets"))),
    *(Row(f"data of {port} dropped, site: a bare address", (fault("data-drop", "site", port=port, address=A),),
          (at("provisioning", CUT, A, port), at("provisioning", OPEN)), {"provisioning": "fail"})
      for port in (443, 80)),
    *(Row(f"data of 4200 dropped by {by}, {host}", (fault("data-drop", host, port=4200, address=PRIMARY, by=by),),
          signaling(CUT), SIGNALING) for by in ("flags", "packets") for host in ("site", "isp")),
    Row("the server takes the data of 4200 and says nothing: that is its way", (), signaling(OPEN),
        {"signaling": "pass", "signaling-dr": "pass"}),
    Row("the server takes the greeting of 443 and says nothing: names", (fault("slow-server", port=443),),
        (at("maps", CUT, ports=443), at("maps", OPEN, ports=80)), {"maps": "fail"}),
    Row("the server takes the greeting of 443 and says nothing: a bare address blames no box",
        (fault("slow-server", port=443),),
        (at("provisioning", Outcome(("open", "blocked"), ("unknown", "service")), ports=443),
         at("provisioning", OPEN, ports=80))),
]

WELL = (at("provisioning", OPEN), at("request-slot", OPEN), at("session", LET_THROUGH))
WELL_STATES = {"provisioning": "pass", "request-slot": "pass", "session": "pass"}
PERHAPS = Outcome(("permitted", "unproven"), ("unknown", "service"))
KERNELS = {"limits": {"icmp_per_hop_per_s": 0}}  # six at once, then one a second: what is assumed of routers
UNSEEN = Outcome(("blocked",), ("unknown",), (None, (0, 4), (1, 4)))
ICMP = [
    Row("no ICMP through the site: TCP is well, datagrams cannot be followed", (fault("icmp-filtered", "site"),),
        (*WELL, at("data", UNPROVEN)), {**WELL_STATES, "data": "unproven"}, proof=False),
    Row("no ICMP through the isp: TCP is well, datagrams cannot be followed", (fault("icmp-filtered", "isp"),),
        (*WELL, at("data", UNPROVEN)), {**WELL_STATES, "data": "unproven"}, proof=False),
    Row("no ICMP from the internet on: the isp is enough to prove the way", (fault("icmp-filtered", "internet"),),
        (*WELL, at("data", PERMITTED)), {**WELL_STATES, "data": "pass"}, proof=False),
    Row("ICMP budgets as kernels have them", tuple(fault("icmp-limited", host) for host in ("site", "isp", "internet")),
        (*WELL, at("data", PERMITTED)), {**WELL_STATES, "data": "pass"}, proof=False, config=KERNELS),
    # The other rows' configuration says 200 a second: what is asked too fast stays open, and nobody is blamed.
    Row("ICMP budgets as kernels have them, and they are asked too fast",
        tuple(fault("icmp-limited", host) for host in ("site", "isp", "internet")),
        (*WELL, at("data", PERHAPS)), WELL_STATES, proof=False),
    Row("strict ICMP budgets", tuple(fault("icmp-limited", host, budget="strict") for host in ("site", "isp")),
        (*WELL, at("data", PERHAPS)), WELL_STATES, proof=False),
    *(Row(f"the {host} never tells of expired packets", (fault("hop-silent", host),),
          (*WELL, at("data", PERMITTED)), {**WELL_STATES, "data": "pass"}, proof=False)
      for host in ("site", "isp", "internet")),
    Row("the isp's router is silent and the site drops: between 1 and 3",
        (fault("hop-silent", "isp"), fault("drop", "site", port=443, address=A)),
        (at("provisioning", Outcome(("blocked",), ("edge", "unknown"), ((1, 3), None)), A, 443),
         at("provisioning", OPEN)), {"provisioning": "fail"}),
    Row("the isp's router is silent and the isp drops: between 1 and 3 as well",
        (fault("hop-silent", "isp"), fault("drop", "isp", port=443, address=A)),
        (at("provisioning", Outcome(("blocked",), ("edge", "unknown"), ((1, 3), None)), A, 443),
         at("provisioning", OPEN)), {"provisioning": "fail"}),
    Row("the site's router is silent and the isp drops",
        (fault("hop-silent", "site"), fault("drop", "isp", port=443, address=A)),
        (at("provisioning", Outcome(("blocked",), ("isp",), ((2, 3),)), A, 443), at("provisioning", OPEN)),
        {"provisioning": "fail"}, proof=False),
    Row("the site's router is silent and the site drops: never the isp",
        (fault("hop-silent", "site"), fault("drop", "site", port=443, address=A)),
        (at("provisioning", Outcome(("blocked",), ("site", "edge", "unknown"), ((0, 2), (1, 2), None)), A, 443),
         at("provisioning", OPEN)), {"provisioning": "fail"}),
    Row("the internet's router is silent and the isp drops: between 2 and 4",
        (fault("hop-silent", "internet"), fault("drop", "isp", port=443, address=A)),
        (at("provisioning", Outcome(("blocked",), ("isp", "unknown"), ((2, 4), None)), A, 443),
         at("provisioning", OPEN)), {"provisioning": "fail"}),
    Row("no ICMP through the site and a drop there: nobody is blamed",
        (fault("icmp-filtered", "site"), fault("drop", "site", port=443, address=A)),
        (at("provisioning", UNSEEN, A, 443), at("provisioning", OPEN)), {"provisioning": "fail"}, proof=False),
    Row("no ICMP through the site and a drop at the isp: nobody is blamed",
        (fault("icmp-filtered", "site"), fault("drop", "isp", port=443, address=A)),
        (at("provisioning", UNSEEN, A, 443), at("provisioning", OPEN)), {"provisioning": "fail"}, proof=False),
    # No box is known that both flows met: ways of unequal length are not ruled out (docs/VERDICTS.md).
    Row("no ICMP through the site and a reset there: others get farther, so it is not the destination's word",
        (fault("icmp-filtered", "site"), fault("rst", "site", port=443, address=A)),
        (at("provisioning", UNPROVEN, A, 443), at("provisioning", OPEN)), {"provisioning": "unproven"}, proof=False),
    Row("no ICMP through the site and a port that is really closed",
        (fault("icmp-filtered", "site"), fault("closed", port=443, address=A)),
        (at("provisioning", CLOSED, A, 443), at("provisioning", OPEN)), {"provisioning": "fail"}, proof=False),
    Row("no ICMP through the site and a proxy there",
        (fault("icmp-filtered", "site"), fault("redirect", "site", port=4200, address=PRIMARY)),
        signaling(Outcome(("intercepted",), ("site", "unknown"), (ANY,))), SIGNALING, proof=False),
    Row("strict ICMP budgets and a drop at the site: never the isp",
        (*(fault("icmp-limited", host, budget="strict") for host in ("site", "isp")),
         fault("drop", "site", port=443, address=A)),
        (at("provisioning", Outcome(("blocked",), ("edge", "unknown"), (ANY,)), A, 443), at("provisioning", OPEN)),
        {"provisioning": "fail"}, proof=False),
    Row("ICMP budgets as kernels have them and a drop at the site",
        (*(fault("icmp-limited", host) for host in ("site", "isp", "internet")),
         fault("drop", "site", port=443, address=A)),
        (at("provisioning", blocked(1, 2), A, 443), at("provisioning", OPEN)), {"provisioning": "fail"}, proof=False),
]

# Distances that are not what they seem, and nobody to blame.
NEAR_SERVER = Outcome(("open", "unproven"), ("unknown",))
DISTANCES = [
    Row("one port's server is a hop nearer: a balancer", (fault("ttl-set", "server", port=4200, address=PRIMARY, ttl=65,
                                                                way="back", hook="output"),),
        signaling(NEAR_SERVER), {"signaling": "pass unproven", "signaling-dr": "pass"}, proof=False),
    Row("one port's server is a hop farther: a balancer", (fault("ttl-set", "server", port=443, address=A, ttl=63,
                                                                 way="back", hook="output"),),
        (at("provisioning", OPEN, A, 443), at("provisioning", NEAR_SERVER, A, 80), at("provisioning", OPEN, B)),
        {"provisioning": "pass unproven"}, proof=False),
    Row("refusals of 2100 on come from a hop nearer", (fault("ttl-set", "server", port="2100-2499", proto="tcp", ttl=65,
                                                             address=CONNECT_AT[0], way="back", hook="output"),),
        (at("session", Outcome(("open", "closed", "unproven"), ("unknown", "service")), CONNECT_AT[0], (2100, 2499)),
         at("session", LET_THROUGH)), {"session": "pass unproven"}, proof=False),
    *(Row(f"the {host} sets the TTL of one port anew", (fault("ttl-set", host, port=443, address=A, ttl=64),),
          (at("provisioning", NEAR_SERVER, A, 443), at("provisioning", OPEN)), {"provisioning": "pass unproven"},
          proof=False) for host in ("site", "isp")),
    Row("the isp sets the TTL of all TCP to two networks anew",
        tuple(fault("ttl-set", "isp", proto="tcp", address=to, ttl=64) for to in ("54.0.0.0/8", "198.51.100.0/24")),
        (at("provisioning", NEAR_SERVER), at("signaling", NEAR_SERVER), at("data", PERMITTED)),
        {"data": "pass"}, proof=False),
    Row("the site sets the TTL of one port's answers anew",
        (fault("ttl-set", "site", port=443, address=A, ttl=64, way="back"),),
        (at("provisioning", NEAR_SERVER, A, 443), at("provisioning", OPEN, A, 80), at("provisioning", OPEN, B)),
        {"provisioning": "pass unproven"}, proof=False),
    Row("a proxy of the site, while the isp sets the TTL of others anew: the twin",
        (fault("redirect", "site", port=4200, address=PRIMARY), fault("ttl-set", "isp", port=443, address=A, ttl=64)),
        (*signaling(intercepted(0, 1)), at("provisioning", NEAR_SERVER, A, 443)), SIGNALING, proof=False),
]

# Routers that speak of one transport only: their silence is no evidence about the other.
MUTE = [*(fault("hop-silent", host, proto="tcp") for host in ("isp", "internet"))]
ONE_SIDED = [
    Row("no router outside speaks of TCP: TCP is well", tuple(MUTE), WELL, WELL_STATES, proof=False),
    Row("no router outside speaks of TCP, and the server drops: not the isp, nor the edge",
        (*MUTE, fault("drop", "server", port=443, address=A, proto="tcp")),
        (at("provisioning", Outcome(("blocked",), ("unknown",), (None, (1, 4))), A, 443), at("provisioning", OPEN)),
        {"provisioning": "fail"}, proof=False),
    Row("no router outside speaks of TCP, and the isp drops: the twin",
        (*MUTE, fault("drop", "isp", port=443, address=A, proto="tcp")),
        (at("provisioning", Outcome(("blocked",), ("unknown",), (None, (1, 4))), A, 443), at("provisioning", OPEN)),
        {"provisioning": "fail"}, proof=False),
    Row("TCP with few hops left is dropped at the isp: TCP is well",
        (fault("ttl-floor", "isp", proto="tcp", ttl=5),), WELL, {"provisioning": "pass", "request-slot": "pass"},
        proof=False),
    Row("TCP with few hops left is dropped at the isp, and the server drops",
        (fault("ttl-floor", "isp", proto="tcp", ttl=5), fault("drop", "server", port=443, address=A, proto="tcp")),
        (at("provisioning", Outcome(("blocked",), ("unknown",), (ANY,)), A, 443), at("provisioning", OPEN)),
        {"provisioning": "fail"}, proof=False),
]

ROWS = [*PROXIES, *CUT_DATA, *ICMP, *DISTANCES, *ONE_SIDED]

if __name__ == "__main__":
    run_table("answers", ROWS)
