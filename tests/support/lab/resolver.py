# SPDX-License-Identifier: Apache-2.0
"""The two DNS servers: unbound with local data only, and the ways it can misbehave."""
from .names import NAMES, RECORD_TTL_S

MODES = {
    "silent": "drops the queries",
    "servfail": "answers SERVFAIL",
    "nxdomain": "answers NXDOMAIN",
    "refused": "answers REFUSED",
    "wrong": "answers 192.0.2.66",
    "private": "answers 10.77.1.80",
    "dns64": "gives 64:ff9b::/96 addresses instead of the IPv6 ones, for ipv4only.arpa too; not for one name",
}
# What a DNS64 makes of the two addresses of ipv4only.arpa and of one of a name (RFC 6052, RFC 7050).
DNS64_PREFIX = "64:ff9b::"
DNS64_PROBE = ("ipv4only.arpa", "192.0.0.170", "192.0.0.171")
FALSE_ANSWERS = {"wrong": "192.0.2.66", "private": "10.77.1.80"}

SETTINGS = """
server:
  directory: ""
  chroot: ""
  username: ""
  pidfile: ""
  do-daemonize: no
  use-syslog: no
  logfile: ""
  verbosity: 0
  num-threads: 1
  outgoing-range: 32
  num-queries-per-thread: 512
  module-config: "iterator"
  interface: {address}
  access-control: 0.0.0.0/0 allow
  do-ip6: no
  rrset-roundrobin: no
"""
# A forward zone without servers answers SERVFAIL in 0.4 ms; with a closed port as server it is silent for 12 s
# (unbound 1.17.1, 2026-11-21).
DEAD_END = 'forward-zone:\n  name: "{zone}"\n'
ZONE_TYPES = {"nxdomain": "always_nxdomain", "refused": "always_refuse", "silent": "always_deny"}


def configuration(address, faults):
    """The text of unbound.conf; faults is a list of (mode, name or None for all names), the last one wins."""
    root = "static"
    dead_ends = []
    lines = []
    per_name = {}
    for mode, name in faults:
        if name:
            per_name[name] = mode
        else:
            root = mode
    dns64, root = root == "dns64", "static" if root == "dns64" else root
    if dns64:
        lines += [line for value in DNS64_PROBE[1:] for line in _both_families(DNS64_PROBE[0], value)]
    if root == "servfail":
        dead_ends.append(".")
    else:
        lines += _zone(".", root)
    for name, addresses in NAMES.items():
        if name in per_name:
            continue
        if dns64:
            addresses = (*addresses[:2], DNS64_PREFIX + addresses[0])
        if root == "static":
            lines += [f'  local-data: "{name}. {RECORD_TTL_S} IN {kind} {value}"'
                      for kind, value in zip(("A", "A", "AAAA"), addresses)]
    for name, mode in per_name.items():
        if mode == "servfail":
            lines.append(f'  local-zone: "{name}." transparent')
            dead_ends.append(f"{name}.")
        else:
            lines += _zone(f"{name}.", mode)
    return SETTINGS.format(address=address) + "\n".join(lines) + "\n" + "".join(
        DEAD_END.format(zone=zone) for zone in dead_ends)


def _both_families(name, address):
    return [f'  local-data: "{name}. {RECORD_TTL_S} IN {kind} {value}"'
            for kind, value in (("A", address), ("AAAA", DNS64_PREFIX + address))]


def _zone(zone, mode):
    if mode in FALSE_ANSWERS:
        return [f'  local-zone: "{zone}" redirect',
                f'  local-data: "{zone} {RECORD_TTL_S} IN A {FALSE_ANSWERS[mode]}"']
    if mode == "static":  # with an SOA, so that a client may cache the NXDOMAIN for as long as a record
        return [f'  local-zone: "{zone}" static',
                f'  local-data: "{zone} {RECORD_TTL_S} IN SOA ns.lab.example. root.lab.example. '
                f'1 3600 1200 604800 {RECORD_TTL_S}"']
    return [f'  local-zone: "{zone}" {ZONE_TYPES[mode]}']
