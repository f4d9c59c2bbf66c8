# SPDX-License-Identifier: Apache-2.0
"""The reflector on the internet, a client behind the site's NAT two routers away, and the timers of that NAT.

    sudo /usr/bin/python3 tests/system/reflector_test.py [-v]

The client is wire_client.py, which shares no code with the programs.
"""
import base64
import os
import pathlib
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests" / "support"), str(pathlib.Path(__file__).resolve().parent)]

from lab import Lab, system  # noqa: E402
from lab.topology import namespace_of  # noqa: E402
import wire_client as wire  # noqa: E402

BIN = pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "dev"))
SERVER, SERVER6, ALTERNATE = "203.0.113.6", "2001:db8:ff02::2", "203.0.113.53"
SITE = "100.64.0.2"  # what the site's NAT makes of its clients
PORT, OTHER_PORT = 3478, 3479
KEY = wire.Key("denver-hq", bytes(range(32)))
NEW_KEY = wire.Key("new", bytes(range(1, 33)))
TIMER_S = 2     # of the NAT, where a test sets it
PATIENCE_S = 5.0
ON_TIME_S = 1.0  # an answer that is later than this is lost, here
NO_NAT_ANSWERS = "table inet quiet { chain input { type filter hook input priority 0; iifname wan drop; }; }"


def key_line(key):
    return f"{key.name}:{base64.b64encode(key.secret).decode()}\n"


class Reflector(unittest.TestCase):
    ARGUMENTS = ("--listen", f"{SERVER}:{PORT}", "--listen", f"[{SERVER6}]:{PORT}")
    CONFIG = '{"connect_back": true}'

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="reachd-reflector-"))
        cls.directory.chmod(0o755)
        cls.program = cls.directory / "reachd-reflector"
        shutil.copy(BIN / "reachd-reflector", cls.program)
        cls.keys = cls.directory / "keys"
        cls.keys.write_text(key_line(KEY), encoding="ascii")
        cls.keys.chmod(0o644)
        cls.config = cls.directory / "config.json"
        cls.config.write_text(cls.CONFIG, encoding="ascii")
        cls.log = open(cls.directory / "log", "w+b")  # pylint: disable=consider-using-with
        cls.process = LAB.popen("server", [str(cls.program), *cls.ARGUMENTS, "--key-file", str(cls.keys),
                                           "--config", str(cls.config)], stderr=cls.log)
        deadline = time.monotonic() + PATIENCE_S
        while b"reflector.started" not in (cls.directory / "log").read_bytes():
            if time.monotonic() > deadline or cls.process.poll() is not None:
                raise RuntimeError((cls.directory / "log").read_text())
            time.sleep(0.02)

    @classmethod
    def tearDownClass(cls):
        cls.process.send_signal(signal.SIGTERM)
        cls.process.wait(PATIENCE_S)
        cls.log.close()
        shutil.rmtree(cls.directory)

    def tearDown(self):
        system.nft(namespace_of(LAB.id, "site"), "add table inet quiet\ndelete table inet quiet\n")
        LAB.sysctl("site", DEFAULTS)

    def peer(self, make=wire.UdpPeer, server=(SERVER, PORT), key=KEY, hello=True, host="client"):
        peer = system.in_namespace(namespace_of(LAB.id, host), make, server, key)
        self.addCleanup(peer.close)
        if hello:
            self.assertIsNotNone(peer.hello(), "no cookie")
        return peer

    def timers(self, seconds=TIMER_S):
        """The NAT forgets after so long; it answers nobody itself when a test calls quiet()."""
        LAB.sysctl("site", {key: str(seconds) for key in DEFAULTS})

    def quiet(self):
        system.nft(namespace_of(LAB.id, "site"), NO_NAT_ANSWERS)

    def wait_report(self, peer, name, until):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            got = peer.report(name)
            self.assertIsNotNone(got)
            if until(got):
                return got
            if time.monotonic() > deadline:
                self.fail(f"never so: {got}")
            time.sleep(0.1)


class Messages(Reflector):
    def test_the_reflector_says_what_the_nat_made_of_the_flow(self):
        for make in (wire.UdpPeer, wire.TcpPeer):
            got = self.peer(make).observe()
            self.assertEqual(got["source"][0], SITE)
            self.assertEqual(got["destination"], (SERVER, PORT))
            self.assertEqual(got["hops_left"], 61 if make is wire.UdpPeer else 0)  # 64 less three routers

    def test_without_nat_over_ipv6_it_says_the_client_itself(self):
        peer = self.peer(server=(SERVER6, PORT))
        got = peer.observe()
        self.assertEqual(got["source"], ("fd77:1::2", peer.socket.getsockname()[1]))

    def test_a_ping_of_any_size_comes_back_in_its_size(self):
        peer = self.peer()
        for size in (128, 600, 1200):
            self.assertEqual(peer.ask(wire.PING, length=size)["size"], size)

    def test_an_answer_comes_at_its_time_and_the_report_says_so(self):
        for make in (wire.UdpPeer, wire.TcpPeer):
            with self.subTest(make=make.__name__):
                peer, other, name = self.peer(make), self.peer(), wire.token()
                began = time.monotonic()
                made = peer.answer_after(name, 1500)
                self.assertEqual((made["token"], made["again"], made["source"][0]), (name, 0, SITE))
                self.assertEqual(other.report(name)["state"], wire.WAITING)
                self.assertIsNone(peer.receive(1.3), "it spoke too early")
                got = peer.receive(ON_TIME_S)
                self.assertEqual(got["token"], name)
                self.assertAlmostEqual(time.monotonic() - began, 1.9, delta=0.5)  # never before, and not much later
                self.assertAlmostEqual(got["waited_us"] / 1e6, 1.5, delta=0.4)
                told = other.report(name)
                self.assertEqual((told["state"], told["peer"]), (wire.SENT, made["source"]))
                self.assertLess(told["late_us"], 100000)
                self.assertEqual(told["events"], wire.ACKNOWLEDGED if make is wire.TcpPeer else 0)
                self.assertIsNone(peer.receive(0.3), "it spoke twice")

    def test_a_keepalive_at_the_time_brings_no_data_and_is_acknowledged(self):
        peer, other, name = self.peer(wire.TcpPeer), self.peer(), wire.token()
        self.assertIsNotNone(peer.answer_after(name, 1500, wire.KEEPALIVE))
        time.sleep(0.2)
        before = segments_in(peer.socket)
        self.assertIsNone(peer.receive(2.5))
        self.assertEqual(segments_in(peer.socket) - before, 1)
        told = other.report(name)
        self.assertEqual((told["state"], told["events"]), (wire.SENT, wire.ACKNOWLEDGED))

    def test_a_key_that_was_added_works_after_sighup(self):
        self.assertIsNone(self.peer(key=NEW_KEY, hello=False).hello(0.5))
        self.keys.write_text(key_line(KEY) + key_line(NEW_KEY), encoding="ascii")
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertIsNotNone(self.peer(key=NEW_KEY).observe())
        self.keys.write_text("broken\n", encoding="ascii")
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertIsNotNone(self.peer(key=NEW_KEY).observe(), "a broken file leaves the keys in force")
        self.keys.write_text(key_line(KEY), encoding="ascii")
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertIsNone(self.peer(key=NEW_KEY, hello=False).hello(0.5))

    def test_connect_back_says_what_a_flow_from_outside_meets(self):
        # Over IPv4 the NAT itself refuses; over IPv6 the site's firewall drops.
        for server, transport, outcome in (((SERVER, PORT), 6, wire.CONN_REFUSED), ((SERVER, PORT), 17, wire.CONN_REFUSED),
                                           ((SERVER6, PORT), 6, wire.SILENT), ((SERVER6, PORT), 17, wire.SILENT)):
            with self.subTest(server=server, transport=transport):
                got = self.peer(server=server).connect_back(wire.token(), transport, 5060)
                self.assertEqual(got["type"], wire.CONNECTED_BACK)
                self.assertEqual(got["outcome"], outcome)

    def test_connect_back_to_what_listens_brings_its_first_bytes(self):
        listener = system.in_namespace(namespace_of(LAB.id, "site"), lambda: socket.create_server((SITE, 5061)))
        self.addCleanup(listener.close)
        listener.settimeout(PATIENCE_S)
        peer = self.peer(host="site")
        name = wire.token()
        peer.send(wire.request(KEY, wire.CONNECT_BACK, struct.pack(">QBBHI", name, 6, 0, 5061, 3000), peer.cookie))
        connection, source = listener.accept()
        connection.sendall(b"SSH-2.0-lab")
        got = peer.receive(PATIENCE_S)
        connection.close()
        self.assertEqual((got["outcome"], got["banner"], source[0]), (wire.CONNECTED, b"SSH-2.0-lab", SERVER))


class Timers(Reflector):
    def lost(self, make, delay_s=4.0):
        """An answer after the NAT's timer: the report of it, from another flow, once `until` holds."""
        peer, name = self.peer(make), wire.token()
        self.assertIsNotNone(peer.answer_after(name, int(delay_s * 1000)))
        self.assertIsNone(peer.receive(delay_s + ON_TIME_S), "it came through a mapping that should be gone")
        return peer, name

    def test_udp_before_the_timer_arrives(self):
        self.timers(4)
        peer, name = self.peer(), wire.token()
        peer.answer_after(name, 2000)
        self.assertEqual(peer.receive(2.0 + ON_TIME_S)["token"], name)

    def test_udp_after_the_timer_is_lost_and_the_report_says_it_was_sent(self):
        self.timers()
        self.quiet()
        _, name = self.lost(wire.UdpPeer)
        told = self.peer().report(name)
        self.assertEqual((told["state"], told["events"]), (wire.SENT, 0))
        self.assertEqual(told["peer"][0], SITE)

    def test_udp_that_the_nat_refuses_shows_as_its_icmp_error(self):
        self.timers()
        peer, name = self.lost(wire.UdpPeer)
        told = self.peer().report(name)
        self.assertEqual((told["state"], told["events"]), (wire.SENT, wire.ICMP))
        self.assertEqual((told["icmp_type"], told["icmp_code"], told["icmp_from"][0]), (3, 3, SITE))
        self.assertLess(told["event_after_us"], 500000)
        # What the client says afterwards on that flow is seen, with the port that the NAT gave it now: another one, as
        # the refused datagram still holds the old one in its table. A cookie of the old port is worth nothing there.
        self.assertIsNotNone(peer.hello())
        seen = peer.observe(name)
        told = self.peer().report(name)
        self.assertEqual(told["events"], wire.ICMP | wire.LATER)
        self.assertEqual(told["later_port"], 0 if seen["source"] == told["peer"] else seen["source"][1])

    def test_tcp_before_the_timer_arrives_and_is_acknowledged(self):
        self.timers(4)
        peer, name = self.peer(wire.TcpPeer), wire.token()
        peer.answer_after(name, 2000)
        self.assertEqual(peer.receive(2.0 + ON_TIME_S)["token"], name)
        self.assertEqual(self.peer().report(name)["events"], wire.ACKNOWLEDGED)

    def test_tcp_after_the_timer_is_lost_and_the_nat_s_reset_is_told(self):
        self.timers()
        _, name = self.lost(wire.TcpPeer)
        told = self.peer().report(name)
        self.assertEqual((told["state"], told["events"]), (wire.SENT, wire.RESET))

    def test_tcp_after_the_timer_of_a_silent_nat_is_retransmitted_and_not_acknowledged(self):
        self.timers()
        self.quiet()
        _, name = self.lost(wire.TcpPeer)
        told = self.wait_report(self.peer(), name, lambda got: got["retransmissions"] >= 2)
        self.assertEqual((told["state"], told["events"]), (wire.SENT, 0))

    def test_a_connection_that_ended_before_its_time_is_told_from_one_that_was_answered(self):
        peer, name = self.peer(wire.TcpPeer), wire.token()
        peer.answer_after(name, 1000)
        peer.close()
        time.sleep(1.5)
        self.assertEqual(self.peer().report(name)["state"], wire.FLOW_ENDED)


class Foreign(Reflector):
    """Clients that know nothing of us: coturn's."""

    def run_coturn(self, program, *arguments):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed (package coturn)")
        done = LAB.exec("client", ["timeout", "15", "stdbuf", "-oL", program, *arguments, SERVER], timeout=60)
        return done.stdout + done.stderr


class Discovery(Foreign):
    """Two addresses, RFC 5780 for anybody."""

    ARGUMENTS = ("--listen", f"{SERVER}:{PORT}", "--alternate", f"{ALTERNATE}:{OTHER_PORT}")
    CONFIG = '{"stun": "discovery", "stun_padding": "not_required", "allow_unauthenticated_echo": true}'

    def test_natdiscovery_finds_the_mapping_and_filtering_of_the_site(self):
        said = self.run_coturn("turnutils_natdiscovery", "-m", "-f")
        self.assertIn("NAT with Endpoint Independent Mapping!", said)
        self.assertIn("NAT with Address and Port Dependent Filtering!", said)

    def test_natdiscovery_with_padding_is_answered_too(self):
        said = self.run_coturn("turnutils_natdiscovery", "-m", "-P")
        self.assertIn("NAT with Endpoint Independent Mapping!", said)

    def test_natdiscovery_sees_a_mapping_that_lasts_and_one_that_does_not(self):
        # It gives no verdict: the second response is the one that was sent to the mapping of the first.
        self.assertIn("RFC 5780 response 2", self.run_coturn("turnutils_natdiscovery", "-t", "-T", "2"))
        self.timers()
        self.quiet()
        said = self.run_coturn("turnutils_natdiscovery", "-t", "-T", "4")
        self.assertIn("RFC 5780 response 1", said)
        self.assertNotIn("RFC 5780 response 2", said)


class PlainStun(Foreign):
    """One address, Binding for anybody: what a public STUN server is."""

    ARGUMENTS = ("--listen", f"{SERVER}:{PORT}")
    CONFIG = '{"stun": "open", "stun_padding": "not_required", "allow_unauthenticated_echo": true}'

    def test_stunclient_sees_the_address_that_the_nat_gave_it(self):
        self.assertRegex(self.run_coturn("turnutils_stunclient"), rf"UDP reflexive addr: {SITE}:\d+")


class Refusals(unittest.TestCase):
    def run_once(self, *arguments):
        return LAB.exec("server", [str(BIN / "reachd-reflector"), *arguments], user=False, timeout=10)

    def test_rule_08_it_does_not_start_on_a_public_address_without_a_key(self):
        done = self.run_once("--listen", f"{SERVER}:{PORT}")
        self.assertEqual(done.returncode, 78)
        self.assertIn("without a key", done.stderr)

    def test_wrong_words_are_named(self):
        for arguments, words in ((("--listen", "nowhere"), "ADDRESS:PORT"), ((), "no address to listen on"),
                                 (("--listen", "127.0.0.1:3478", "--key-file", "/nonexistent"), "cannot be read")):
            done = self.run_once(*arguments)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn(words, done.stderr)
        self.assertEqual(self.run_once("--listne").returncode, 64)

    def test_an_address_that_is_not_ours_is_named(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
            keys.write(key_line(KEY))
            keys.flush()
            done = self.run_once("--listen", "192.0.2.99:3478", "--key-file", keys.name)
        self.assertEqual(done.returncode, 71)
        self.assertIn("192.0.2.99:3478", done.stderr)


def segments_in(connection):
    """tcpi_segs_in of linux/tcp.h: at offset 140 of struct tcp_info."""
    return struct.unpack_from("I", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 140)[0]


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit(77)
    with Lab(f"reflector{os.getpid()}") as LAB:
        CONNTRACK = ("udp_timeout", "udp_timeout_stream", "tcp_timeout_established")
        DEFAULTS = {f"netfilter/nf_conntrack_{key}": system.in_namespace(
            namespace_of(LAB.id, "site"),
            lambda key=key: pathlib.Path(f"/proc/sys/net/netfilter/nf_conntrack_{key}").read_text().strip())
            for key in CONNTRACK}
        unittest.main(verbosity=2)
