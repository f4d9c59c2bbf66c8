# SPDX-License-Identifier: Apache-2.0
"""What the active faults do to the lab, as plain data, and its nft form.

The lab keeps a list of active faults and derives everything below from the whole list, each time. Clearing a fault is
therefore the same operation as switching one on, with a shorter list, and no fault needs its own undo.
"""
import collections
import dataclasses
import re

TABLE = "lab_faults"
TABLE_OPENS = re.compile(r"^\s*(?:add\s+)?table\s+(inet|ip6|ip|arp|bridge|netdev)\s+(\w+)", re.MULTILINE)

# Before the boxes' own rules, after conntrack: the order in which a real policy would come.
CHAINS = {
    "raw_prerouting": "type filter hook prerouting priority raw; policy accept;",
    "prerouting": "type filter hook prerouting priority mangle; policy accept;",
    "tproxy": "type filter hook prerouting priority -149; policy accept;",  # what `prerouting` drops never gets here
    "nat_prerouting": "type nat hook prerouting priority dstnat; policy accept;",
    "input": "type filter hook input priority -10; policy accept;",
    "forward": "type filter hook forward priority -10; policy accept;",
    "synproxy": "type filter hook forward priority -5; policy accept;",
    "allowlist": "type filter hook forward priority 5; policy drop;",
    "nat_output": "type nat hook output priority -100; policy accept;",
    "output": "type filter hook output priority -10; policy accept;",
}


@dataclasses.dataclass
class Effects:
    """Everything that differs from a healthy lab."""

    rules: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(list))      # (host, chain) -> rules
    deaf: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(list))       # host -> interfaces
    listeners: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(list))  # host -> roles
    commands: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(list))   # host -> ip commands
    sysctls: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(dict))    # host -> {key: value}
    foreign: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(list))    # host -> nft rulesets
    dns: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(list))        # server -> (mode, name)
    certificates: dict = dataclasses.field(default_factory=dict)                                # name -> kind
    behaviours: list = dataclasses.field(default_factory=list)                                  # {kind, port}

    def ip_commands(self, host):
        """The host's commands without repetitions, in the order in which none takes away what a later one needs."""
        order = ("route", "address", "link", "neigh")
        return sorted(set(self.commands.get(host, [])), key=lambda command: (order.index(command.split()[0]), command))

    def translations(self, host):
        """The rules that conntrack asks once, for the first packet of a connection."""
        return [rule for chain in ("nat_prerouting", "nat_output") for rule in self.rules.get((host, chain), [])]

    def foreign_tables(self, host):
        """The tables, as "inet name", of the rulesets that somebody else wrote."""
        return {" ".join(found.groups()) for text in self.foreign.get(host, ()) for found in TABLE_OPENS.finditer(text)}

    def ruleset(self, host, stale=frozenset()):
        """The nft text that brings a host's fault tables to this state, whatever they are now; `stale`: foreign tables
        that are there."""
        lines = []
        for table in sorted(stale | self.foreign_tables(host)):
            lines += [f"add table {table}", f"delete table {table}"]
        lines += self.foreign.get(host, ())
        chains = [chain for chain in CHAINS if self.rules.get((host, chain))]
        lines += _replaced("inet", chains, [
            line for chain in chains
            for line in (f"  chain faults_{chain} {{", f"    {CHAINS[chain]}",
                         *(f"    {rule}" for rule in self.rules[host, chain]), "  }")])
        interfaces = self.deaf.get(host, [])
        lines += _replaced("netdev", interfaces, [
            line for interface in interfaces
            for line in (f"  chain deaf_{interface} {{",
                         f"    type filter hook ingress device \"{interface}\" priority 0; policy drop;", "  }")])
        return "\n".join(lines) + "\n"


def _replaced(family, wanted, body):
    lines = [f"add table {family} {TABLE}", f"delete table {family} {TABLE}"]
    return lines + ([f"table {family} {TABLE} {{", *body, "}"] if wanted else [])


def match(options, backwards=False):
    """The nft expression that selects what the options describe; `backwards`: what comes back from there."""
    proto, port, address = options.get("proto"), options.get("port"), options.get("address")
    end = "s" if backwards else "d"
    selector = ""
    if port:
        selector = f"{proto} {end}port {port}" if proto else f"meta l4proto {{ tcp, udp }} th {end}port {port}"
    elif proto:
        selector = f"meta l4proto {proto}"
    if address:
        return f"{'ip6' if ':' in address else 'ip'} {end}addr {address} {selector}".strip()
    return selector


def families(address):
    """The address families that a rule with this address (or none) speaks of."""
    return ("ipv4", "ipv6") if not address else ("ipv6",) if ":" in address else ("ipv4",)
