# SPDX-License-Identifier: Apache-2.0
"""The table of faults: name, options, one line of help, and what it does to the lab."""
import dataclasses
import typing

from . import middleboxes, options as opt, policies
from .errors import UsageError
from .resolver import MODES
from .topology import RESOLVERS

SITE_INSIDE = ("lan", "voicelan")


@dataclasses.dataclass(frozen=True)
class Fault:
    """One row of the table; `render(effects, options)` adds what the fault does."""

    help: str
    options: tuple
    render: typing.Callable


def _dns(effects, options):
    for number in RESOLVERS if options["server"] == "both" else (options["server"],):
        if options["mode"] == "silent" and not options.get("name"):
            host, address = RESOLVERS[number]
            effects.rules[host, "input"].append(  # not on lo, where the lab asks whether it runs
                f'iifname != "lo" ip daddr {address} meta l4proto {{ tcp, udp }} th dport 53 drop')
        else:
            effects.dns[number].append((options["mode"], options.get("name")))


def _no_gateway(effects, _):
    effects.deaf["site"] += SITE_INSIDE
    effects.commands["client"].append("neigh flush all")  # what it knew of the gateway


def _commands(host, *lines):
    return lambda effects, _: effects.commands[host].extend(lines)


def _certificate(kind):
    return lambda effects, options: effects.certificates.__setitem__(options["name"], kind)


def _behaviour(kind):
    return lambda effects, options: effects.behaviours.append({"kind": kind, "port": options["port"]})


_TCP = (opt.TCP_ONLY, opt.PORT, opt.ADDRESS)
_PATH = (opt.AT, *opt.SELECTORS, opt.HOOK)
_THEN = opt.choice("then", "silence", middleboxes.THEN)

FAULTS = {
    "drop": Fault("a box drops what it should forward", _PATH, policies.drop),
    "reject": Fault("a box answers with an ICMP error",
                    (*_PATH, opt.choice("code", "port-unreachable", policies.REJECT_CODES)), policies.reject),
    "rst": Fault("a box answers TCP with a reset", (opt.AT, *_TCP, opt.HOOK), policies.rst),
    "redirect": Fault("a box takes TCP connections itself, by address translation", (opt.BOX, *_TCP, _THEN),
                      middleboxes.redirect),
    "proxy": Fault("redirect, then silence", (opt.BOX, *_TCP), middleboxes.redirect),
    "tproxy": Fault("a box takes TCP connections itself, by a transparent socket", (opt.ROUTER, *_TCP, _THEN),
                    middleboxes.tproxy),
    "synproxy": Fault("a box makes the TCP handshake itself, then lets the server have it", (opt.ROUTER, *_TCP),
                      middleboxes.synproxy),
    "udp-spoof": Fault("a box answers datagrams in the destination's name", (opt.ROUTER, opt.PORT_NEEDED, opt.ADDRESS),
                       middleboxes.udp_spoof),
    "http-portal": Fault("a box answers port 80 with a redirect to a login page", (opt.ROUTER,), middleboxes.portal),
    "loss": Fault("a box loses a share of the packets", (opt.AT, *opt.SELECTORS, opt.PERCENT), policies.loss),
    "data-drop": Fault("a box lets the TCP handshake pass and drops the data",
                       (opt.AT, opt.PORT_NEEDED, opt.TCP_ONLY, opt.ADDRESS,
                        opt.choice("by", "flags", ("flags", "length", "packets"))), policies.data_drop),
    "icmp-filtered": Fault("a box sends and forwards no ICMP errors", (opt.AT,), policies.icmp_filtered),
    "icmp-limited": Fault("a box sends few ICMP errors",
                          (opt.AT, opt.choice("budget", "kernel", policies.ICMP_BUDGETS)),
                          policies.icmp_limited),
    "hop-silent": Fault("a router never says that a packet's time is over", (opt.ROUTER, opt.PROTO),
                        policies.hop_silent),
    "ttl-floor": Fault("a router drops what has few hops left", (opt.ROUTER, opt.TTL, *opt.SELECTORS),
                       policies.ttl_floor),
    "ttl-set": Fault("a box sets the TTL of what it forwards, or a server of what it answers",
                     (opt.AT, opt.TTL, *opt.SELECTORS, opt.HOOK, opt.choice("way", "out", ("out", "back"))),
                     policies.ttl_set),
    "default-deny": Fault("the site forwards only what these nft rules accept", (opt.RULES, opt.RULES_FILE),
                          policies.default_deny),
    "dead-address": Fault("the server does not answer for one address", (opt.ADDRESS_NEEDED,), policies.dead_address),
    "closed": Fault("the server itself refuses", opt.SELECTORS, policies.closed),
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
                            policies.local_firewall),
    "no-route": Fault("the client has no default route",
                      (), _commands("client", "route del default dev wired", "route del ::/0 dev wired")),
    "no-link": Fault("the client's wired interface is down", (), _commands("client", "link set wired down")),
    "no-address": Fault("the client's wired interface has no address",
                        (), _commands("client", "address del 10.77.1.2/24 dev wired",
                                      "address del fd77:1::2/64 dev wired", "route del ::/0 dev wired")),
    "no-gateway": Fault("the site box is deaf on its inside: its ARP does not answer", (), _no_gateway),
    "last-link-down": Fault("the last router has lost its link to the server",
                            (), _commands("internet", "link set hosting down")),
    "uplink-down": Fault("the site box has lost its outside link", (), _commands("site", "link set wan down")),
}


def check(name, values):
    """The options of a fault, complete and valid, or UsageError."""
    fault = FAULTS[opt.nearest("fault", name, FAULTS)]
    checked = opt.parse(name, fault.options, values)
    policies.check_hook(name, checked)
    return checked
