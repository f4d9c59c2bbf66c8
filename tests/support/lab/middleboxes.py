# SPDX-License-Identifier: Apache-2.0
"""Boxes that answer in the destination's name: which rules bring the traffic to which listener (listener.py)."""
from .effects import families
from .policies import add
from .services import LISTENERS, SPOOFER
from .topology import PROXY_MARK

THEN = {"silence": "proxy", "relay": "relay", "inspect": "inspect"}  # what a proxy does with a connection: its listener


def redirect(effects, options):
    role = THEN[options.get("then", "silence")]
    effects.listeners[options["at"]].append(role)
    _redirect(effects, {**options, "proto": "tcp"}, LISTENERS[role])


def portal(effects, options):
    effects.listeners[options["at"]].append("portal")
    _redirect(effects, {**options, "proto": "tcp", "port": "80"}, LISTENERS["portal"])


def udp_spoof(effects, options):
    effects.listeners[options["at"]].append("spoof")
    _redirect(effects, {**options, "proto": "udp"}, SPOOFER)


def tproxy(effects, options):
    role = THEN[options["then"]]
    effects.listeners[options["at"]].append(role)
    for family in families(options.get("address")):
        to = f"{'ip' if family == 'ipv4' else 'ip6'} to :{LISTENERS[role]}"
        add(effects, {**options, "proto": "tcp"},
            f"meta nfproto {family} tproxy {to} meta mark set {PROXY_MARK} accept", "tproxy")


def synproxy(effects, options):
    tcp = {**options, "proto": "tcp"}
    add(effects, tcp, "tcp flags & (fin | syn | rst | ack) == syn notrack", "raw_prerouting")
    add(effects, tcp, "ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm", "synproxy")
    add(effects, tcp, "ct state invalid drop", "synproxy")
    # else the ACK that ends the proxy's own handshake is taken for a connection under way
    effects.sysctls[options["at"]]["netfilter/nf_conntrack_tcp_loose"] = "0"


def _redirect(effects, options, port):
    if options["at"] == "client":  # not what the listener itself, which runs as root, sends on
        add(effects, options, f"meta skuid != 0 redirect to :{port}", "nat_output")
    else:
        add(effects, options, f"meta mark != {PROXY_MARK} redirect to :{port}", "nat_prerouting")
