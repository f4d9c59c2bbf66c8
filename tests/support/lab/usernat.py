# SPDX-License-Identifier: Apache-2.0
"""A NAT in user space, for what Linux's own cannot be: between two TUN devices, one to the inside and one to the outside.

    python3 usernat.py SETTINGS_FILE /run/netns/INSIDE NAME /run/netns/OUTSIDE NAME

Settings (JSON) are read again when the file changes; then all mappings are forgotten. Everything is IPv4; IPv6 passes.

mapping, filtering  "endpoint", "address" or "address_and_port" (RFC 4787 sections 4.1 and 5)
ports               "preserve" or "random"
tcp_s, single_s, stream_s   timers; a flow is a stream when packets go both ways later than stream_after_s after its first
inbound_refresh     whether packets from outside keep a mapping (RFC 4787 REQ-6)
unknown_segment     what a TCP segment without SYN gets that no mapping knows: "make" one, "drop" it, "reset" it
at_expiry           of a TCP mapping: "" nothing, or "reset" both ends
most                mappings at once; one more makes it forget the one that was idle longest. 0: no bound
addresses           its outside addresses; of more than one each mapping gets any ("arbitrary" pooling)
"""
import dataclasses
import ipaddress
import json
import os
import random
import select
import struct
import sys
import time

from delay import BATCH, LONGEST_PACKET, tun

DEFAULTS = {"mapping": "endpoint", "filtering": "address_and_port", "ports": "preserve", "tcp_s": 7440, "single_s": 60,
            "stream_s": 180, "stream_after_s": 2, "inbound_refresh": True, "unknown_segment": "make", "at_expiry": "", "most": 0,
            "addresses": ["100.64.0.2"]}
INSIDE = ipaddress.ip_network("10.77.0.0/16")
ICMP, TCP, UDP = 1, 6, 17
ICMP_ERRORS = (3, 11, 12)  # RFC 792
SYN, RST = 0x02, 0x04
LOOK_S = 0.05  # for mappings that are over
FIRST_RANDOM, PORTS = 1024, 65536


@dataclasses.dataclass
class Mapping:
    protocol: int
    inside: tuple   # address as number, port
    outside: tuple
    key: tuple
    born: float
    last: float
    peers: set = dataclasses.field(default_factory=set)
    answered: bool = False
    stream: bool = False
    expected: dict = dataclasses.field(default_factory=dict)  # TCP: what each end has acknowledged; True is the inside's


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Packet:
    """An IPv4 packet whose ends can be changed."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.head = (data[0] & 15) * 4
        self.protocol = data[9]

    def end(self, source):
        """(address, port) of its source or destination."""
        address, = struct.unpack_from("!I", self.data, 12 if source else 16)
        port, = struct.unpack_from("!H", self.data, self.head + (0 if source else 2))
        return address, port

    def turn(self, source, end):
        struct.pack_into("!I", self.data, 12 if source else 16, end[0])
        struct.pack_into("!H", self.data, self.head + (0 if source else 2), end[1])

    @property
    def flags(self):
        return self.data[self.head + 13]

    @property
    def acknowledged(self):
        return struct.unpack_from("!I", self.data, self.head + 8)[0]

    def seal(self):
        """The packet with right checksums."""
        self.data[10:12] = b"\0\0"
        struct.pack_into("!H", self.data, 10, checksum(bytes(self.data[:self.head])))
        place = {TCP: 16, UDP: 6, ICMP: 2}[self.protocol] + self.head
        body = self.data[self.head:]
        if self.protocol == UDP and self.data[place:place + 2] == b"\0\0":
            return bytes(self.data)  # sent without one
        self.data[place:place + 2] = b"\0\0"
        pseudo = b"" if self.protocol == ICMP else bytes(self.data[12:20]) + struct.pack("!BBH", 0, self.protocol, len(body))
        total = checksum(pseudo + bytes(self.data[self.head:]))
        struct.pack_into("!H", self.data, place, total or (0xFFFF if self.protocol == UDP else 0))
        return bytes(self.data)


class Nat:
    def __init__(self, settings, now=time.monotonic, seed=None):
        self.settings = DEFAULTS | settings
        self.now = now
        self.random = random.Random(seed)
        self.own = [int(ipaddress.ip_address(one)) for one in self.settings["addresses"]]
        self.by_key, self.by_outside = {}, {}

    def key(self, protocol, inside, peer):
        far = {"endpoint": None, "address": peer[0], "address_and_port": peer}[self.settings["mapping"]]
        return protocol, inside, far

    def timer(self, mapping):
        if mapping.protocol == TCP:
            return self.settings["tcp_s"]
        return self.settings["stream_s" if mapping.stream else "single_s"]

    def alive(self, mapping):
        """Forgets what is too old."""
        if mapping is not None and self.now() - mapping.last >= self.timer(mapping):
            self.forget(mapping)
            return None
        return mapping

    def forget(self, mapping):
        if self.by_key.get(mapping.key) is mapping:
            del self.by_key[mapping.key]
        self.by_outside[(mapping.protocol, mapping.outside)].remove(mapping)

    def known(self, protocol, outside):
        """The mappings that are alive there; with ports shared by several peers there may be more than one."""
        return [one for one in list(self.by_outside.get((protocol, outside), ())) if self.alive(one)]

    def lets_in(self, mapping, peer):
        how = self.settings["filtering"]
        return how == "endpoint" or any(peer == one if how == "address_and_port" else peer[0] == one[0] for one in mapping.peers)

    def free_port(self, protocol, address, inside):
        if self.settings["ports"] == "preserve" and not self.known(protocol, (address, inside[1])):
            return inside[1]
        while True:
            port = self.random.randrange(FIRST_RANDOM, PORTS)
            if port != inside[1] and not self.known(protocol, (address, port)):
                return port

    def make(self, protocol, inside, peer):
        most = self.settings["most"]
        alive = [one for one in list(self.by_key.values()) if self.alive(one)] if most else ()
        if most and len(alive) >= most:
            self.forget(min(alive, key=lambda one: one.last))
        address, now = self.random.choice(self.own), self.now()
        outside = (address, self.free_port(protocol, address, inside))
        mapping = Mapping(protocol, inside, outside, self.key(protocol, inside, peer), now, now)
        self.by_key[mapping.key] = mapping
        self.by_outside.setdefault((protocol, mapping.outside), []).append(mapping)
        return mapping

    def touch(self, mapping, outbound, packet):
        now = self.now()
        if mapping.protocol == TCP:
            mapping.expected[outbound] = packet.acknowledged
        mapping.answered = mapping.answered or not outbound
        mapping.stream = mapping.stream or (mapping.answered and now - mapping.born > self.settings["stream_after_s"])
        if outbound or self.settings["inbound_refresh"]:
            mapping.last = now

    def resets(self):
        """Where the NAT resets what is over: [(packet for the outside, packet for the inside)]."""
        out = []
        for mapping in list(self.by_key.values()) if self.settings["at_expiry"] == "reset" else ():
            if mapping.protocol == TCP and self.alive(mapping) is None and len(mapping.expected) == 2:
                for peer in mapping.peers:
                    out.append((make_reset(mapping.outside, peer, mapping.expected[False]),
                                make_reset(peer, mapping.inside, mapping.expected[True])))
        return out

    def outward(self, data):
        """(packet for the outside or None, packet back inside or None)"""
        packet = Packet(data)
        if packet.protocol not in (TCP, UDP) or ipaddress.ip_address(bytes(data[12:16])) not in INSIDE:
            return self.outward_other(packet, data), None
        inside, peer = packet.end(True), packet.end(False)
        mapping = self.alive(self.by_key.get(self.key(packet.protocol, inside, peer)))
        if mapping is None:
            stray = packet.protocol == TCP and not packet.flags & SYN
            if stray and self.settings["unknown_segment"] != "make":
                return None, reset_of(packet) if self.settings["unknown_segment"] == "reset" else None
            mapping = self.make(packet.protocol, inside, peer)
        mapping.peers.add(peer)
        self.touch(mapping, True, packet)
        packet.turn(True, mapping.outside)
        return packet.seal(), None

    def outward_other(self, packet, data):
        """Pings of the inside leave with an outside address; what the box in front sends itself is left alone."""
        if packet.protocol == ICMP and ipaddress.ip_address(bytes(data[12:16])) in INSIDE:
            return None
        return data

    def inward(self, data):
        """The packet for the inside, or None."""
        packet = Packet(data)
        if packet.protocol == ICMP:
            return self.inward_error(packet)
        if packet.protocol not in (TCP, UDP) or packet.end(False)[0] not in self.own:
            return data
        peer = packet.end(True)
        for mapping in self.known(packet.protocol, packet.end(False)):
            if self.lets_in(mapping, peer):
                self.touch(mapping, False, packet)
                packet.turn(False, mapping.inside)
                return packet.seal()
        return None

    def inward_error(self, packet):
        """An ICMP error about one of our packets is one about what the inside has sent."""
        quoted = packet.data[packet.head + 8:]
        if packet.data[packet.head] not in ICMP_ERRORS or len(quoted) < 28 or quoted[9] not in (TCP, UDP):
            return None
        inner = Packet(quoted)
        for mapping in self.known(inner.protocol, inner.end(True)):
            inner.turn(True, mapping.inside)
            inner.data[10:12] = b"\0\0"
            struct.pack_into("!H", inner.data, 10, checksum(bytes(inner.data[:inner.head])))
            packet.data[packet.head + 8:] = inner.data
            struct.pack_into("!I", packet.data, 16, mapping.inside[0])
            return packet.seal()
        return None


def reset_of(packet):
    """The RST for a segment that belongs to nothing (RFC 9293 section 3.10.7.1)."""
    return make_reset(packet.end(False), packet.end(True), packet.acknowledged)


def make_reset(source, to, sequence):
    head = struct.pack("!BBHHHBBHII", 0x45, 0, 40, 0, 0, 64, TCP, 0, source[0], to[0])
    return Packet(head + struct.pack("!HHIIBBHHH", source[1], to[1], sequence, 0, 0x50, RST, 0, 0, 0)).seal()


def relay(file, inside, outside):
    nat, read = None, None
    poll = select.poll()
    for device in (inside, outside):
        poll.register(device, select.POLLIN)
    while True:
        for to_outside, to_inside in nat.resets() if nat else ():
            send(((outside, to_outside), (inside, to_inside)))
        wait = LOOK_S * 1000 if nat and nat.settings["at_expiry"] else None
        for device, _ in poll.poll(wait):
            changed = os.stat(file).st_mtime_ns
            if changed != read:
                with open(file, encoding="ascii") as text:
                    nat, read = Nat(json.load(text)), changed
            for _ in range(BATCH):
                try:
                    data = os.read(device, LONGEST_PACKET)
                except OSError:  # empty, or the device is down
                    break
                pass_on(nat, data, device == inside, inside, outside)


def pass_on(nat, data, outbound, inside, outside):
    if data[0] >> 4 != 4:
        to_outside, to_inside = (data, None) if outbound else (None, data)
    elif outbound:
        to_outside, to_inside = nat.outward(data)
    else:
        to_outside, to_inside = None, nat.inward(data)
    send(((outside, to_outside), (inside, to_inside)))


def send(packets):
    for device, packet in packets:
        if packet is not None:
            try:
                os.write(device, packet)
            except OSError:  # the far end is down: lost
                pass


if __name__ == "__main__":
    settings_file, namespace_a, name_a, namespace_b, name_b = sys.argv[1:]
    relay(settings_file, tun(namespace_a, name_a), tun(namespace_b, name_b))
