# SPDX-License-Identifier: Apache-2.0
"""What a box does with traffic by its rules alone: drop, reject, reset, lose, allow."""
from .effects import families, match
from .errors import UsageError

REJECT_CODES = {  # name -> (ICMP type, ICMPv6 type), each family's own or the nearest it has
    "port-unreachable": ("port-unreachable", "port-unreachable"),
    "admin-prohibited": ("admin-prohibited", "admin-prohibited"),
    "host-prohibited": ("host-prohibited", "admin-prohibited"),
    "net-prohibited": ("net-prohibited", "admin-prohibited"),
    "net-unreachable": ("net-unreachable", "no-route"),
    "host-unreachable": ("host-unreachable", "addr-unreachable"),
    "protocol-unreachable": ("prot-unreachable", "admin-prohibited"),
    "policy-fail": ("admin-prohibited", "policy-fail"),       # ICMPv6 only
    "reject-route": ("net-unreachable", "reject-route"),      # ICMPv6 only
}
# What a firewall that speaks no ICMP keeps to itself; ping still works.
ICMP_ERRORS = "{ destination-unreachable, time-exceeded }"
ICMP_BUDGETS = {"kernel": "1/second burst 6 packets", "strict": "30/minute burst 1 packets"}
HANDSHAKE_LENGTHS = {"ipv4": 60, "ipv6": 80}  # of a SYN with the options that Linux sends: nothing of it is longer
HANDSHAKE_PACKETS = {"original": 2, "reply": 1}


def chain_of(options):
    """The chain that sees the traffic in question: a box forwards it, the two ends do not."""
    ends = {"client": "output", "server": "input"}
    return options.get("hook") or ends.get(options["at"], "forward")


def check_hook(name, options):
    """UsageError where the host has no such traffic."""
    if options.get("hook") == "forward" and options["at"] in ("client", "server"):
        raise UsageError(f"{name}: the {options['at']} forwards nothing: --hook output, input or prerouting")


def selector(options, chain):
    """What the options describe, as that chain sees it."""
    comes_back = (options["at"], chain) in (("client", "input"), ("client", "prerouting"), ("server", "output"))
    # what is addressed to the box itself is not forwarded traffic, though prerouting sees it
    from_others = chain in ("prerouting", "nat_prerouting", "tproxy", "raw_prerouting") and options["at"] not in (
        "client", "server")
    return f"{'fib daddr type unicast ' if from_others else ''}{match(options, comes_back)}".strip()


def add(effects, options, action, chain=None):
    chain = chain or chain_of(options)
    effects.rules[options["at"], chain].append(f"{selector(options, chain)} {action}".strip())


def drop(effects, options):
    add(effects, options, "drop")


def reject(effects, options):
    code4, code6 = REJECT_CODES[options["code"]]
    for family in families(options.get("address")):
        code = f"icmp type {code4}" if family == "ipv4" else f"icmpv6 type {code6}"
        add(effects, options, f"meta nfproto {family} reject with {code}")


def rst(effects, options):
    add(effects, {**options, "proto": "tcp"}, "reject with tcp reset")


def loss(effects, options):
    percent = int(options["percent"])
    add(effects, options, "drop" if percent == 100 else f"numgen random mod 100 < {percent} drop")  # nft: below 100


def data_drop(effects, options):
    if options["by"] == "flags":  # a handshake never carries PSH; the last segment of every write does
        tests = {way: ("tcp flags & psh == psh", "meta length > 160") for way in HANDSHAKE_PACKETS}
    elif options["by"] == "length":
        tests = {way: tuple(f"meta nfproto {family} meta length > {bytes_}"
                            for family, bytes_ in HANDSHAKE_LENGTHS.items()) for way in HANDSHAKE_PACKETS}
    else:
        tests = {way: (f"ct {way} packets > {count}",) for way, count in HANDSHAKE_PACKETS.items()}
    for way, payloads in tests.items():
        both = match({**options, "proto": "tcp"}, backwards=way == "reply")
        effects.rules[options["at"], chain_of(options)] += [f"{both} {payload} drop" for payload in payloads]


def dead_address(effects, options):
    add(effects, {"at": "server", "address": options["address"]}, "drop")


def closed(effects, options):
    protocols = [options["proto"]] if options.get("proto") else ["tcp", "udp"]
    for proto in protocols:
        add(effects, {**options, "at": "server", "proto": proto},
            "reject with tcp reset" if proto == "tcp" else "reject with icmpx type port-unreachable")


def icmp_filtered(effects, options):
    for chain in ("output", "forward"):
        for family in ("icmp", "icmpv6"):
            effects.rules[options["at"], chain].append(f"{family} type {ICMP_ERRORS} drop")


def icmp_limited(effects, options):
    # not by the sysctl: who was answered while it was 0 has an empty bucket when it is no longer
    effects.rules[options["at"], "output"] += [
        f"{family} type {ICMP_ERRORS} limit rate over {ICMP_BUDGETS[options['budget']]} drop"
        for family in ("icmp", "icmpv6")]


def hop_silent(effects, options):
    quoted = {None: ("", ""), "tcp": ("@th,136,8 6 ", "@th,112,8 6 "), "udp": ("@th,136,8 17 ", "@th,112,8 17 ")}
    for family, protocol in zip(("icmp", "icmpv6"), quoted[options.get("proto")]):  # of the packet that it speaks of
        effects.rules[options["at"], "output"].append(f"{family} type time-exceeded {protocol}drop")


def ttl_floor(effects, options):
    for low in (f"ip ttl < {options['ttl']}", f"ip6 hoplimit < {options['ttl']}"):
        add(effects, options, f"{low} drop")


def ttl_set(effects, options):
    for field, family in (("ip ttl", "ipv4"), ("ip6 hoplimit", "ipv6")):
        if family in families(options.get("address")):
            which = match(options, backwards=options["way"] == "back")
            effects.rules[options["at"], chain_of(options)].append(f"{which} {field} set {options['ttl']}".strip())


def default_deny(effects, options):
    text = "\n".join(filter(None, (options.get("rules"), options.get("file"))))
    effects.foreign["site"] += [text] if is_complete(text) else []
    if not is_complete(text):
        effects.rules["site", "allowlist"] += ["ct state established,related accept", *text.splitlines()]


def is_complete(ruleset):
    """Whether it brings tables and chains of its own."""
    return any(line.split()[:1] == ["table"] or line.split()[:2] == ["add", "table"] for line in ruleset.splitlines())


def local_firewall(effects, options):
    add(effects, {**options, "at": "client"}, "drop")
