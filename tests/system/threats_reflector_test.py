# SPDX-License-Identifier: Apache-2.0
"""Threats T17 to T21 of docs/SECURITY-TESTS.md against a running reflector: spoofed sources, replays, two reflectors that
are pointed at each other, a hundred thousand addresses. What bystanders receive is counted by their own packet filter.

    sudo /usr/bin/python3 tests/system/threats_reflector_test.py [-v]
"""
import ipaddress
import os
import pathlib
import re
import socket
import struct
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import reflector_test  # noqa: E402
from reflector_test import KEY, PORT, SERVER, Reflector  # noqa: E402
from lab import Lab, system  # noqa: E402
from lab.topology import namespace_of  # noqa: E402
from bystander import Memory, told  # noqa: E402
import wire_client as wire  # noqa: E402

LAB = None
VICTIM = "203.0.113.1"       # the provider's router: it never asked for anything
OTHER, OTHER_PORT = "203.0.113.5", 3479  # a second reflector, on the host "internet"
HELLO, COOKIE = 128, 56      # bytes
SOURCE_RATE, SOURCE_BURST, TOTAL_RATE = 20, 40, 60
SPOOFED = 6000


def raw_sender():
    """Sends datagrams from any address and port: (source, port) -> (SERVER, port)."""
    channel = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    channel.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)

    def send(source, data, to=(SERVER, PORT)):
        address, port = source
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, socket.inet_aton(address), socket.inet_aton(to[0]))
        channel.sendto(head + struct.pack(">HHHH", port, to[1], len(data) + 8, 0) + data, (to[0], 0))
    return send


class Threats(Reflector):
    ARGUMENTS = ("--listen", f"{SERVER}:{PORT}")
    CONFIG = (f'{{"limits": {{"source_packets_per_s": {SOURCE_RATE}, "source_burst": {SOURCE_BURST}, '
              f'"total_packets_per_s": {TOTAL_RATE}}}}}')

    def setUp(self):
        self.send = system.in_namespace(namespace_of(LAB.id, "internet"), raw_sender)

    def tearDown(self):
        self.assertIsNone(self.process.poll())

    def count(self, host, rule):
        """Counts what a host receives; the function tells (packets, bytes)."""
        namespace = namespace_of(LAB.id, host)
        system.nft(namespace, "table inet victim { chain input { type filter hook input priority -10; "
                              f"{rule} counter; }}; }}")
        self.addCleanup(system.nft, namespace, "delete table inet victim")

        def counted():
            text = LAB.exec(host, ["nft", "list table inet victim"], user=False, check=True).stdout
            return tuple(map(int, re.search(r"packets (\d+) bytes (\d+)", text).groups()))
        return counted

    def test_t17_spoofed_sources_get_cookies_alone_and_under_their_bucket(self):
        counted = self.count("isp", f"ip saddr {SERVER} udp sport {PORT}")
        other_key = wire.Key(KEY.name, bytes(32))
        strangers = [wire.request(other_key, kind) for kind in (wire.HELLO, wire.OBSERVE, wire.PING, wire.ANSWER_AFTER)]
        strangers += [bytes(128), b"\xf5" * 1200, struct.pack(">HHI12s", 1, 0, 0x2112A442, bytes(12)).ljust(600, b"\0")]
        for number in range(SPOOFED):
            self.send((VICTIM, 40000 + number % 100), strangers[number % len(strangers)])
        time.sleep(0.3)
        self.assertEqual(counted(), (0, 0), "a stranger made it speak to somebody")
        time.sleep(SOURCE_BURST / SOURCE_RATE)
        captured = wire.request(KEY, wire.HELLO)
        began, sent = time.monotonic(), 0
        while time.monotonic() - began < 3:
            self.send((VICTIM, 40000 + sent % 100), captured)
            sent += 1
            time.sleep(0.001)
        took = time.monotonic() - began
        time.sleep(0.3)
        packets, size = counted()
        bound = SOURCE_BURST + SOURCE_RATE * took + sent / 8
        told("T17", f"{SPOOFED} spoofed packets without a key: 0 answers; {sent} copies of a captured hello in {took:.1f} s: "
                    f"{packets} cookies (bound {min(bound, TOTAL_RATE * (took + 1)):.0f}), {size} bytes for "
                    f"{sent * (HELLO + 28)} sent")
        self.assertEqual(size, packets * (COOKIE + 28), "something else than cookies")
        self.assertLessEqual(packets, min(bound, TOTAL_RATE * (took + 1)))
        self.assertGreater(packets, SOURCE_BURST)

    def test_t19_second_copy_of_a_request_for_an_answer_is_ignored(self):
        peer = self.peer()
        copies = 20
        name = wire.token()
        request = wire.request(KEY, wire.ANSWER_AFTER, struct.pack(">QIBxxx", name, 1000, wire.DATA), peer.cookie)
        for _ in range(copies):
            peer.send(request)
            time.sleep(0.02)
        got = []
        while (message := peer.receive(1.5)) is not None:
            got.append(message["type"])
        told("T19", f"{copies} copies of one request: {got.count(wire.APPOINTED)} appointment, {got.count(wire.ANSWER)} answer")
        self.assertEqual((got.count(wire.APPOINTED), got.count(wire.ANSWER), len(got)), (1, 1, 2))

    def test_t20_two_reflectors_pointed_at_each_other_fall_silent(self):
        log = open(self.directory / "other.log", "w+b")
        self.addCleanup(log.close)
        other = LAB.popen("internet", [str(self.program), "--listen", f"{OTHER}:{OTHER_PORT}", "--key-file", str(self.keys)],
                          stderr=log)
        self.addCleanup(other.wait)
        self.addCleanup(other.terminate)
        deadline = time.monotonic() + 5
        while b"reflector.started" not in (self.directory / "other.log").read_bytes():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        to_other = self.count("internet", f"ip saddr {SERVER} ip daddr {OTHER} udp sport {PORT}")
        back = self.count("server", f"ip saddr {OTHER} udp sport {OTHER_PORT}")
        injected = 20
        for _ in range(injected):
            self.send((OTHER, OTHER_PORT), wire.request(KEY, wire.HELLO))
        time.sleep(1)
        cookies, returned = to_other()[0], back()[0] - injected
        loops = [(OTHER, port) for port in (7, 19, 53, 123, 161, 389, 1900, PORT, 5353, 11211)]
        for source in loops:
            self.send(source, wire.request(KEY, wire.HELLO))
        time.sleep(0.5)
        answers = to_other()[0] - cookies
        told("T20", f"{injected} hellos in the name of a second reflector: {cookies} cookies to it, {returned} packets back; "
                    f"{len(loops)} from ports that answer by themselves: {answers} answers")
        self.assertTrue(0 < cookies <= injected, cookies)
        self.assertEqual(returned, 0, "the second reflector answered the first")
        self.assertEqual(answers, 0)

    def test_t21_a_hundred_thousand_addresses_take_no_memory_and_a_site_is_served(self):
        sources, first = 100000, int(ipaddress.ip_address("198.18.0.0"))
        forged = wire.request(wire.Key(KEY.name, bytes(32)), wire.HELLO)
        peer = self.peer()
        memory = Memory(self.process.pid)
        served = asked = 0
        began = time.monotonic()
        for number in range(sources):
            self.send((socket.inet_ntoa(struct.pack(">I", first + number)), 50000), forged)
            if number % 5000 == 0:
                asked += 1
                served += peer.hello(1) is not None and peer.observe() is not None
        most, left = memory.growth()
        told("T21", f"{sources} source addresses in {time.monotonic() - began:.1f} s: memory {most:+d} KiB at most, "
                    f"{left:+d} KiB afterwards; {served} of {asked} exchanges of a site with its key answered")
        self.assertLess(most, 512)
        self.assertGreaterEqual(served, asked - 2)  # a full queue of the kernel may lose one


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit(77)
    with Lab(f"treflect{os.getpid()}") as LAB:
        reflector_test.LAB = LAB
        reflector_test.DEFAULTS = {}
        del Reflector, reflector_test  # their own tests are not ours
        unittest.main(verbosity=2)
