# SPDX-License-Identifier: Apache-2.0
"""The table of faults: name, options, one line of help, and what it does to the lab."""
import dataclasses
import typing

from . import options as opt
from .effects import families, match
from .errors import UsageError
from .resolver import MODES
from .services import LISTENERS
from .topology import RESOLVERS

REJECT_CODES = {  # name -> (ICMP type, nearest ICMPv6 type)
    "port-unreachable": ("port-unreachable", "port-unreachable"),
    "admin-prohibited": ("admin-prohibited", "admin-prohibited"),
    "host-prohibited": ("host-prohibited", "admin-prohibited"),
    "net-prohibited": ("net-prohibited", "admin-prohibited"),
    "net-unreachable": ("net-unreachable", "no-route"),
    "host-unreachable": ("host-unreachable", "addr-unreachable"),
    "protocol-unreachable": ("prot-unreachable", "admin-prohibited"),
}
SITE_INSIDE = ("lan", "voicelan")


@dataclasses.dataclass(frozen=True)
class Fault:
    """One row of the table; `render(effects, options)` adds what the fault does."""

    help: str
    options: tuple
    render: typing.Callable


def _chain(options):
    """The chain that sees the traffic in question: a box forwards it, the two ends do not."""
    ends = {"client": "output", "server": "input"}
    if options["at"] in ends:
        return ends[options["at"]]
    return options.get("hook") or "forward"


def _add(effects, options, action, chain=None):
    chain = chain or _chain(options)
    # what is addressed to the box itself is not forwarded traffic, though prerouting sees it
    forwarded_only = "fib daddr type unicast" if chain in ("prerouting", "nat_prerouting") else ""
    rule = f"{forwarded_only} {match(options)} {action}".strip()
    effects.rules[options["at"], chain].append(rule)


def _drop(effects, options):
    _add(effects, options, "drop")


def _reject(effects, options):
    code4, code6 = REJECT_CODES[options["code"]]
    for family in families(options.get("address")):
        code = f"icmp type {code4}" if family == "ipv4" else f"icmpv6 type {code6}"
        _add(effects, options, f"meta nfproto {family} reject with {code}")


def _rst(effects, options):
    _add(effects, {**options, "proto": "tcp"}, "reject with tcp reset")


def _proxy(effects, options):
    _add(effects, {**options, "proto": "tcp"}, f"redirect to :{LISTENERS['proxy']}", "nat_prerouting")
    effects.listeners[options["at"]].append("proxy")


def _portal(effects, options):
    web = {"at": options["at"], "proto": "tcp", "port": "80"}
    _add(effects, web, f"redirect to :{LISTENERS['portal']}", "nat_prerouting")
    effects.listeners[options["at"]].append("portal")


def _loss(effects, options):
    percent = int(options["percent"])
    _add(effects, options, "drop" if percent == 100 else f"numgen random mod 100 < {percent} drop")  # nft: below 100


def _data_drop(effects, options):
    # a handshake never carries PSH; the last segment of every write does, and the others are long
    for payload in ("tcp flags & psh == psh", "meta length > 160"):
        for direction in ("d", "s"):  # the service's port and address are the source of what comes back
            selector = match({**options, "proto": "tcp"}).replace("daddr", f"{direction}addr")
            rule = f"{selector.replace('dport', f'{direction}port')} {payload} drop"
            effects.rules[options["at"], _chain(options)].append(rule)


def _dead_address(effects, options):
    _add(effects, {"at": "server", "address": options["address"]}, "drop")


def _closed(effects, options):
    protocols = [options["proto"]] if options.get("proto") else ["tcp", "udp"]
    for proto in protocols:
        _add(effects, {**options, "at": "server", "proto": proto},
             "reject with tcp reset" if proto == "tcp" else "reject with icmpx type port-unreachable")


def _dns(effects, options):
    for number in RESOLVERS if options["server"] == "both" else (options["server"],):
        if options["mode"] == "silent" and not options.get("name"):
            host, address = RESOLVERS[number]
            effects.rules[host, "input"].append(  # not on lo, where the lab asks whether it runs
                f'iifname != "lo" ip daddr {address} meta l4proto {{ tcp, udp }} th dport 53 drop')
        else:
            effects.dns[number].append((options["mode"], options.get("name")))


def _icmp_filtered(effects, options):
    for chain in ("output", "forward"):
        for family in ("icmp", "icmpv6"):
            effects.rules[options["at"], chain].append(
                f"{family} type {{ destination-unreachable, time-exceeded }} drop")


def _local_firewall(effects, options):
    _add(effects, {**options, "at": "client"}, "drop")


def _no_gateway(effects, _):
    effects.deaf["site"] += SITE_INSIDE
    effects.commands["client"].append("neigh flush all")


def _commands(host, *lines):
    return lambda effects, _: effects.commands[host].extend(lines)


def _certificate(kind):
    return lambda effects, options: effects.certificates.__setitem__(options["name"], kind)


def _behaviour(kind):
    return lambda effects, options: effects.behaviours.append({"kind": kind, "port": options["port"]})


_TCP = (opt.TCP_ONLY, opt.PORT, opt.ADDRESS)
_PATH = (opt.AT, *opt.SELECTORS, opt.HOOK)

FAULTS = {
    "drop": Fault("a box drops what it should forward", _PATH, _drop),
    "reject": Fault("a box answers with an ICMP error", (*_PATH, opt.choice("code", "port-unreachable", REJECT_CODES)),
                    _reject),
    "rst": Fault("a box answers TCP with a reset", (opt.AT, *_TCP, opt.HOOK), _rst),
    "proxy": Fault("a box accepts TCP connections in the destination's name", (opt.AT, *_TCP), _proxy),
    "http-portal": Fault("a box answers port 80 with a redirect to a login page", (opt.AT,), _portal),
    "loss": Fault("a box loses a share of the packets", (opt.AT, *opt.SELECTORS, opt.PERCENT), _loss),
    "data-drop": Fault("a box lets the TCP handshake pass and drops the data",
                       (opt.AT, opt.PORT_NEEDED, opt.TCP_ONLY, opt.ADDRESS), _data_drop),
    "icmp-filtered": Fault("a box sends and forwards no ICMP errors", (opt.AT,), _icmp_filtered),
    "dead-address": Fault("the server does not answer for one address", (opt.ADDRESS_NEEDED,), _dead_address),
    "closed": Fault("the server itself refuses", opt.SELECTORS, _closed),
    "slow-server": Fault("the server accepts, then says nothing", (opt.PORT_NEEDED,), _behaviour("slow-server")),
    "reset-after-accept": Fault("the server accepts, then resets", (opt.PORT_NEEDED,),
                                _behaviour("reset-after-accept")),
    "wrong-cert": Fault("a name's certificate comes from another CA", (opt.CERTIFICATE,), _certificate("wrong-cert")),
    "expired-cert": Fault("a name's certificate has expired", (opt.CERTIFICATE,), _certificate("expired-cert")),
    "wrong-name-cert": Fault("a name's certificate is for another name", (opt.CERTIFICATE,),
                             _certificate("wrong-name-cert")),
    "dns": Fault("a DNS server is silent, fails or lies",
                 (opt.choice("server", "both", (*RESOLVERS, "both")), opt.choice("mode", "silent", MODES),
                  opt.DNS_NAME), _dns),
    "local-firewall": Fault("the client's own firewall drops what it sends", (opt.PORT_NEEDED, opt.PROTO),
                            _local_firewall),
    "no-route": Fault("the client has no default route",
                      (), _commands("client", "route del default dev wired", "route del ::/0 dev wired")),
    "no-link": Fault("the client's wired interface is down", (), _commands("client", "link set wired down")),
    "no-address": Fault("the client's wired interface has no address",
                        (), _commands("client", "address del 10.77.1.2/24 dev wired",
                                      "address del fd77:1::2/64 dev wired", "route del ::/0 dev wired")),
    "no-gateway": Fault("the site box is deaf on its inside: its ARP does not answer", (), _no_gateway),
    "uplink-down": Fault("the site box has lost its outside link", (), _commands("site", "link set wan down")),
}


def check(name, values):
    """The options of a fault, complete and valid, or UsageError."""
    fault = FAULTS[opt.nearest("fault", name, FAULTS)]
    checked = opt.parse(name, fault.options, values)
    if name in ("loss", "drop", "reject", "rst") and checked.get("hook") == "prerouting" \
            and checked["at"] in ("client", "server"):
        raise UsageError(f"{name}: --hook prerouting is for boxes, not for the {checked['at']}")
    return checked
