# SPDX-License-Identifier: Apache-2.0
"""Threats T14 and T23 to T26 of docs/SECURITY-TESTS.md: servers, name servers and boxes that mean harm, what the daemon
itself may do to a network, resolvers that stall, and clocks that jump.

    sudo /usr/bin/python3 tests/system/threats_peers_test.py [-v]
"""
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bystander import Bystander, Memory, told  # noqa: E402
from hostile import HOSTILE, PORTS  # noqa: E402
from lab_site import CONNECT, PRIMARY, TREE, SystemTest, main, rows, wait_until  # noqa: E402
from lab.system import NETNS_ETC, in_namespace, nft  # noqa: E402
from report_schema import of_report  # noqa: E402
from web_lab import LISTEN, Web  # noqa: E402

SERVER = "203.0.113.6"
SIGNALING = {"id": "signaling", "transport": "tcp", "destinations": [PRIMARY], "ports": 4200, "expect": "service"}
DATA = {"id": "data", "transport": "udp", "destinations": [PRIMARY], "ports": "4200-4208", "expect": "path"}
SETTINGS = {"values": {}, "schedule": {"interval_s": 1}, "limits": {"nat_entries": 0}, "http": {"listen": LISTEN}}
PLACES = {name: f"198.51.100.{101 + index}" for index, name in enumerate(PORTS)}  # tls_hostile is EVIL of hostile.py
TLS = ("tls_silent", "tls_garbage", "tls_endless", "tls_slow", "tls_hostile")
PLAIN = ("endless_banner", "reset", "no_window")
NAMES = ("wrongid", "wrongname", "loop", "garbage", "pointer", "many", "stream", "silent", "control")
MOST_GROWTH_KIB = 4 * 1024
LEAST_RATIO = 0.65
MEDIAN_S, LONGEST_S = 0.05, 1.5


def port_of(name):
    return 443 if name in TLS else 4300 if name in PLAIN else 80


def row_of(name, by_name=False):
    where = f"at-{list(PORTS).index(name)}.example" if by_name else PLACES[name]
    return {"id": ("named-" if by_name else "") + name.replace("_", "-"), "transport": "tcp", "destinations": [where],
            "ports": port_of(name), "expect": "service"}


def own(*requirements):
    return {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "Support", "requirements": list(requirements)}


class WithDaemon(SystemTest):
    @contextlib.contextmanager
    def daemon(self, *requirements, **changes):
        before = changes.pop("before", ())
        self.site.write("catalogues/own.json", own(*requirements))
        with self.site.daemon(config=self.site.config(SETTINGS | {"catalogues": ["own"]} | changes), before=before) as daemon:
            yield daemon, Web(self.site)
            self.assertNotIn("task.failed", daemon.log())

    quiet_rate = None

    def quiet(self):
        """Rounds a second of a row while nobody means harm; measured once."""
        if WithDaemon.quiet_rate is None:
            with self.daemon(SIGNALING) as (daemon, web):
                daemon.await_row("signaling", "pass")
                with Bystander(daemon, web) as watching:
                    time.sleep(6)
            WithDaemon.quiet_rate = watching.result.round_rate
        return WithDaemon.quiet_rate

    def steady(self, seen):
        """As without the abuse; the figures."""
        for name in ("status", "control", "http"):
            answers = getattr(seen, name)
            self.assertEqual(answers.lost, [], name)
            self.assertLess(answers.median, MEDIAN_S, name)
            self.assertLess(answers.longest, LONGEST_S, name)
        ratio = seen.round_rate / self.quiet()
        self.assertGreater(ratio, LEAST_RATIO, "the rounds of the other row were late")
        self.assertEqual(seen.late["+Inf"], seen.late["1"], "the event loop was late by more than a second")
        late = seen.late["+Inf"] - seen.late["0.1"]
        return (f"rounds of another row {ratio:.2f} of quiet; answers median {seen.status.median * 1000:.1f} ms, longest "
                f"{max(one.longest for one in (seen.status, seen.control, seen.http)) * 1000:.0f} ms; event loop late by over "
                f"100 ms {late:.0f} times of {seen.late['+Inf']:.0f}")


class Hostile(WithDaemon):
    """hostile.py on the server's addresses."""

    def setUp(self):
        directory = self.site.fresh_directory("hostile")
        pem = directory / "hostile.pem"
        subject = "/CN=" + HOSTILE[:24].decode("latin-1").replace("/", "_")  # ESC, BEL and C1 among it
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8",
                        "-subj", subject, "-days", "2", "-keyout", str(pem), "-out", str(directory / "certificate")],
                       check=True, capture_output=True)
        pem.write_bytes(pem.read_bytes() + (directory / "certificate").read_bytes())
        pem.chmod(0o644)
        log = open(directory / "log", "wb")
        self.addCleanup(log.close)
        process = self.site.lab.popen("server", ["/usr/bin/python3", "-B", str(TREE / "tests" / "system" / "hostile.py"),
                                                 str(pem), SERVER], user=False, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until(pem.with_suffix(".ready").exists, "the hostile servers", 20, lambda: (directory / "log").read_text())
        rules = "; ".join(f"ip daddr {PLACES[name]} tcp dport {port_of(name)} redirect to :{port}"
                          for name, port in PORTS.items())
        namespace = f"{self.site.lab.id}-server"
        nft(namespace, f"table ip hostile {{ chain pre {{ type nat hook prerouting priority -100; {rules}; }}; }}")
        self.addCleanup(nft, namespace, "delete table ip hostile")

    def hostile_names(self):
        """The client asks the hostile server, and no other."""
        path = NETNS_ETC / f"{self.site.lab.id}-client" / "resolv.conf"
        before = path.read_text(encoding="ascii")
        path.write_text(f"nameserver {SERVER}\noptions timeout:1 attempts:1\n", encoding="ascii")
        self.addCleanup(path.write_text, before, encoding="ascii")

    def test_t23_hostile_servers_cost_bounded_time_and_memory_and_delay_nobody(self):
        self.quiet()
        self.hostile_names()
        asked = [*map(row_of, PORTS), *(row_of(name, by_name=True) for name in PORTS)]
        with self.daemon(SIGNALING, *asked) as (daemon, web):
            began = time.monotonic()
            daemon.await_checked(60)
            first = time.monotonic() - began
            time.sleep(3)
            memory = Memory(daemon.process.pid)
            with Bystander(daemon, web) as watching:
                time.sleep(10)
            most, left = memory.growth()
            states = {name: one["state"] for name, one in rows(daemon.ask("report")).items()}
            figures = self.steady(watching.result)
        told("T23", f"{len(PORTS)} hostile servers, by address and by name, each second for 10 s: first round {first:.1f} s; "
                    f"memory {most:+d} KiB at most, {left:+d} KiB afterwards; {figures}; passing: "
                    f"{sorted(name for name, state in states.items() if state == 'pass')}")
        self.assertLess(first, 30)
        self.assertLess(most, MOST_GROWTH_KIB)
        self.assertEqual(states["signaling"], "pass")
        for name in ("tls-silent", "tls-garbage", "tls-endless", "tls-slow", "tls-hostile", "endless-header", "endless-status",
                     "drip"):
            self.assertNotEqual(states[f"named-{name}"], "pass", name)

    def test_t23_hostile_name_server_costs_bounded_time_and_memory_and_delays_nobody(self):
        named = [{"id": name, "transport": "tcp", "destinations": [f"{name}-{number}.example" for number in range(2)],
                  "ports": 80, "expect": "path"} for name in NAMES]
        self.quiet()
        self.hostile_names()
        with self.daemon(SIGNALING, *named) as (daemon, web):
            began = time.monotonic()
            daemon.await_checked(90)
            first = time.monotonic() - began
            time.sleep(1)
            memory = Memory(daemon.process.pid)
            with Bystander(daemon, web) as watching:
                time.sleep(8)
            most, left = memory.growth()
            report = daemon.ask("report")
            threads = len(list(pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir()))
            figures = self.steady(watching.result)
        found = rows(report)
        addresses = {name: len({one["address"] for one in found[name]["endpoints"] if one["address"]}) for name in NAMES}
        told("T23", f"{len(named) * 2} names of a hostile DNS server each second for 8 s: first round {first:.1f} s; memory "
                    f"{most:+d} KiB at most, {left:+d} KiB afterwards; {threads} threads; {figures}; "
                    f"addresses probed: {addresses}")
        self.assertLess(first, 60)
        self.assertLess(most, MOST_GROWTH_KIB)
        for name in ("wrongid", "wrongname", "loop", "garbage", "pointer", "stream", "silent"):
            self.assertEqual(addresses[name], 0, f"{name}: {found[name]['endpoints'][:1]}")
        self.assertTrue(0 < addresses["many"] <= 2 * 64, addresses)
        self.assertEqual(found["signaling"]["state"], "pass")

    def test_t14_what_peers_say_acts_on_no_terminal_and_no_log(self):
        self.hostile_names()
        tls = {"id": "evil-tls", "transport": "tcp", "destinations": ["evil.example"], "ports": 443, "expect": "service"}
        alias = {"id": "alias", "transport": "tcp", "destinations": ["control.example"], "ports": 80, "expect": "path"}
        peers = [row_of(name) for name in ("endless_banner", "hostile_header", "hostile_redirect", "tls_garbage", "tls_hostile")]
        self.assertEqual(PLACES["tls_hostile"], "198.51.100.112")
        namespace = f"{self.site.lab.id}-server"  # the address that the name server tells
        nft(namespace, "table ip evil { chain pre { type nat hook prerouting priority -101; "
                       f"ip daddr 198.51.100.111 tcp dport 443 redirect to :{PORTS['tls_hostile']}; }}; }}")
        self.addCleanup(nft, namespace, "delete table ip evil")
        texts = {}
        with self.daemon(tls, alias, *peers) as (daemon, web):
            daemon.await_checked(60)
            time.sleep(2)
            report = daemon.ask("report")
            texts["log"] = daemon.log()
            for words in (["report"], ["status"], ["explain", "evil-tls"], ["explain", "hostile-header"], ["history"],
                          ["metrics"],
                          ["report", "--format", "json"], ["report", "--format", "csv"], ["report", "--format", "html"],
                          ["report", "--format", "junit"], ["report", "--format", "markdown"], ["health", "--format", "nagios"],
                          ["endpoint", "tcp", PLACES["hostile_header"], "80"]):
                texts[" ".join(words)] = daemon.reachctl(*words, text=False, capture_output=True).stdout.decode("utf-8")
            for path in ("/", "/report", "/metrics", "/row/own/evil-tls", "/row/own/hostile-header"):
                texts["http " + path] = web.get(path).body.decode("utf-8")
            with daemon.connect() as client:
                client.send({"jsonrpc": "2.0", "id": 1, "method": "report"})
                raw = client.stream.readline()
        json.loads(raw.decode("utf-8"))
        self.assertEqual(raw.count(b"\n"), 1)
        seen = json.dumps(report)
        self.assertIn("owned", seen, "no peer's words are in the report: nothing was shown")
        control = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
        texts["report --format csv"] = texts["report --format csv"].replace("\r\n", "\n")  # as RFC 4180 has it
        found = {name: sorted(set(map(ascii, control.findall(text)))) for name, text in texts.items() if control.search(text)}
        scripts = [name for name, text in texts.items() if "html" in name or name.startswith("http /row") or name == "http /"
                   if "<script>evil" in text.replace(" ", "")]
        told("T14", f"{sum(map(len, texts.values())) / 1e6:.1f} MB in {len(texts)} outputs after {len(peers) + 2} peers with "
                    f"escape sequences, C1 bytes, bidirectional marks and broken UTF-8: {len(found)} with a control character")
        self.assertEqual(found, {})
        self.assertEqual(scripts, [])
        for line in texts["log"].splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\S+Z (info|warning|error) [a-z]+\.[a-z]+: ")


class Forged(WithDaemon):
    def test_t23_forged_icmp_errors_change_no_verdict(self):
        """From the client's own network, in the name of the gateway and of the server: for every port that a probe of TCP may
        have, with a wrong sequence number; for datagrams, with the wrong destination."""
        def raw():
            return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        channel = in_namespace(f"{self.site.lab.id}-site", raw)
        self.addCleanup(channel.close)

        def quoting(protocol, source, source_port, destination, port, sequence=b"\xde\xad\xbe\xef"):
            inner = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 60, 1, 0x4000, 60, protocol, 0, socket.inet_aton(source),
                                socket.inet_aton(destination))
            return inner + struct.pack(">HH", source_port, port) + sequence

        def send(sender, kind, code, quote):
            icmp = struct.pack(">BBHI", kind, code, 0, 0) + quote
            icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
            head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0, socket.inet_aton(sender),
                               socket.inet_aton(CLIENT))
            channel.sendto(head + icmp, (CLIENT, 0))
        with self.daemon(SIGNALING, DATA) as (daemon, web):
            daemon.await_row("signaling", "pass")
            daemon.await_row("data", "pass")
            states = {name: (one["state"], one["sentence"]) for name, one in rows(daemon.ask("report")).items()}
            mark, sent, began = len(daemon.log()), 0, time.monotonic()
            rounds = daemon.row("signaling")["checked"]
            while time.monotonic() - began < 6:
                kind, code = ((3, 1), (3, 3), (3, 13), (11, 0))[sent % 4]
                sender = (GATEWAY, PRIMARY, "203.0.113.1")[sent % 3]
                for port in range(32768, 61000, 4):
                    shifted = port + sent % 4
                    send(sender, kind, code, quoting(6, CLIENT, shifted, PRIMARY, 4200))
                    send(sender, kind, code, quoting(17, CLIENT, shifted, PRIMARY, 9, b"\0\x10\0\0"))
                    send(sender, kind, code, quoting(17, CLIENT, shifted, "198.51.100.8", 4200, b"\0\x10\0\0"))
                sent += 1
            after = {name: (one["state"], one["sentence"]) for name, one in rows(daemon.ask("report")).items()}
            self.assertNotEqual(daemon.row("signaling")["checked"], rounds, "nothing was probed meanwhile")
            told("T23", f"{sent * 3 * len(range(32768, 61000, 4))} forged ICMP errors in 6 s: verdicts changed: "
                        f"{sum(after[name] != states[name] for name in states)}, lines of log: "
                        f"{daemon.log()[mark:].count(chr(10))}")
        self.assertEqual(after, states)
        self.assertNotIn("verdict.changed", daemon.log()[mark:])


    @contextlib.contextmanager
    def flood(self, packets):
        """From beyond the provider: these IP packets again and again; one number for each time that all were sent."""
        def raw():
            return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        channel = in_namespace(f"{self.site.lab.id}-internet", raw)
        stop, rounds = threading.Event(), []

        def send():
            while not stop.is_set():
                for number, one in enumerate(packets):
                    channel.sendto(one, (PUBLIC, 0))
                    if number % 500 == 0:
                        time.sleep(0.01)  # some 40,000 a second: others need the processors too
                rounds.append(len(packets))
        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield rounds
        finally:
            stop.set()
            sender.join()
            channel.close()

    def states_under(self, packets, seconds, *requirements):
        """All (state, sentence) of the row `data` that the daemon told while these packets came, the rounds of them, and its
        endpoint when that was told to be forged."""
        # As most firewalls: nothing is kept of what comes without an invitation.
        namespace = f"{self.site.lab.id}-site"
        nft(namespace, 'table inet uninvited { chain input { type filter hook input priority 0; '
                       'iifname "wan" ct state new,invalid drop; }; }')
        self.addCleanup(nft, namespace, "delete table inet uninvited")
        told_states, endpoint = set(), None
        with self.daemon(*requirements, limits={"nat_entries": 0, "icmp_per_hop_per_s": 200}) as (daemon, _):
            wait_until(lambda: daemon.row("data")["checked"], "the datagrams")
            daemon.await_row("data", "pass" if not self.site.lab.faults() else "fail")
            with self.flood(packets) as rounds:
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    one = daemon.row("data")
                    told_states.add((one["state"], one["sentence"]))
                    found = one["endpoints"][0]
                    endpoint = found if "forges" in found["sentence"] else endpoint
                    time.sleep(0.1)
        return told_states, len(rounds), endpoint

    ONE = {"id": "data", "transport": "udp", "destinations": [PRIMARY], "ports": "4200"}

    def test_t23_forged_replies_do_not_pass_a_service_that_is_dropped(self):
        """The right addresses, and every port that a probe may have."""
        self.fault("drop", at="isp", proto="udp", port="4200", address=PRIMARY)
        packets = [forged_reply(port) for port in range(32768, 61000)]
        states, rounds, endpoint = self.states_under(packets, 25, self.ONE | {"expect": "service", "payload": "hello"})
        told("T23", f"{rounds * len(packets)} forged replies in 25 s: told meanwhile: {sorted({one for one, _ in states})}")
        self.assertNotIn("pass", {one for one, _ in states}, states)
        self.assertIn("unproven", {one for one, _ in states}, states)
        self.assertIsNotNone(endpoint, states)
        self.assertTrue([one for one in endpoint["evidence"] if one.get("forged")], endpoint["evidence"])

    def test_t23_forged_errors_about_datagrams_fail_nobody(self):
        packets = [forged_error(port, code) for port in range(32768, 61000) for code in (13,)]
        states, rounds, endpoint = self.states_under(packets, 25, self.ONE | {"expect": "path"})
        told("T23", f"{rounds * len(packets)} forged errors about datagrams in 25 s: told meanwhile: "
                    f"{sorted({one for one, _ in states})}")
        self.assertNotIn("fail", {one for one, _ in states}, states)
        self.assertIn("unproven", {one for one, _ in states}, states)
        self.assertIsNotNone(endpoint, states)

    def test_t23_decoys_accuse_nobody_where_answers_are_true(self):
        """The twins: a server that answers datagrams, and a box that rejects them."""
        server = self.site.lab.popen("server", ["/usr/bin/python3", "-c", ECHO, PRIMARY, "4300"], user=False)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.fault("reject", at="isp", proto="udp", port="4200", address=PRIMARY)
        echo = {"id": "echo", "transport": "udp", "destinations": [PRIMARY], "ports": "4300", "expect": "service",
                "payload": "hello"}
        with self.daemon(echo, self.ONE | {"expect": "path"},
                         limits={"nat_entries": 0, "icmp_per_hop_per_s": 200}) as (daemon, _):
            daemon.await_row("echo", "pass")
            daemon.await_row("data", "fail")
            report = daemon.ask("report")
            of_report().validate(report)
            found = rows(report)
            for name in ("echo", "data"):
                decoys = [one for one in found[name]["endpoints"][0]["evidence"] if one.get("decoy")]
                self.assertEqual(len(decoys), 2, found[name])
                self.assertFalse([one for one in decoys if one.get("forged")], decoys)
            self.assertNotIn("state=unproven", daemon.log())


ECHO = """
import socket, sys
channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
channel.bind((sys.argv[1], int(sys.argv[2])))
while True:
    data, peer = channel.recvfrom(2048)
    channel.sendto(data, peer)
"""


PUBLIC = "100.64.0.2"  # the site's, behind which the client is


def ip_packet(sender, protocol, payload):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, socket.inet_aton(sender),
                       socket.inet_aton(PUBLIC)) + payload


def forged_reply(port):
    return ip_packet(PRIMARY, 17, struct.pack(">HHHH", 4200, port, 12, 0) + b"fake")  # no checksum: RFC 768


def forged_error(port, code):
    quote = struct.pack(">BBHHHBBH4s4sHHHH", 0x45, 0, 29, 1, 0x4000, 60, 17, 0, socket.inet_aton(PUBLIC),
                        socket.inet_aton(PRIMARY), port, 4200, 9, 0)
    icmp = struct.pack(">BBHI", 3, code, 0, 0) + quote
    return ip_packet("81.2.69.1", 1, icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:])


GATEWAY, CLIENT = "10.77.1.1", "10.77.1.2"


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


class Manners(WithDaemon):
    """T24: what the daemon itself sends, as a packet socket of the client sees it."""

    def sweep(self, seconds, **limits):
        """The times of the first SYN of each flow during a sweep of silent ports, and of the last of each."""
        namespace = f"{self.site.lab.id}-client"

        def capture():
            channel = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            channel.bind(("wired", 0))
            channel.settimeout(0.2)
            return channel
        self.fault("drop", port="2001-2500", proto="tcp")
        channel = in_namespace(namespace, capture)
        self.addCleanup(channel.close)
        wide = {"id": "range", "transport": "tcp", "destinations": [CONNECT], "ports": "2001-2500", "expect": "path"}
        first, last = {}, {}
        with self.daemon(wide, schedule={"interval_s": 3600}, limits={"nat_entries": 0, **limits}):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                try:
                    packet, where = channel.recvfrom(200)
                except TimeoutError:
                    continue
                if where[2] != socket.PACKET_OUTGOING:
                    continue
                family, rest = (4, packet[20:]) if packet[0] >> 4 == 4 else (6, packet[40:])
                protocol, ttl = (packet[9], packet[8]) if family == 4 else (packet[6], packet[7])
                if protocol == 6 and rest[13] & 0x12 == 0x02 and ttl > 30:  # a SYN with all its hops
                    source, port = struct.unpack_from(">HH", rest)
                    if 2001 <= port <= 2500:
                        key = (family, packet[12:24] if family == 4 else packet[8:40], source, port)
                        now = time.monotonic()
                        first.setdefault(key, now)
                        last[key] = now
        self.site.lab.clear()
        return sorted(first.values()), first

    def test_t24_sweep_of_500_silent_ports_keeps_to_its_rate_with_jitter(self):
        rate = 60
        times, _ = self.sweep(8, new_flows_per_s=rate, in_flight=512)
        self.assertGreater(len(times), rate * 3)
        most = max(sum(1 for other in times[index:index + 2 * rate] if other - began < 1) for index, began in enumerate(times))
        gaps = [later - earlier for earlier, later in zip(times, times[1:])]
        spread = statistics.stdev(gaps) / statistics.mean(gaps)
        told("T24", f"a sweep of 3 x 500 silent ports: {len(times)} new flows in {times[-1] - times[0]:.1f} s, at most {most} "
                    f"in any second (limit {rate}); gaps vary by {100 * spread:.0f} %")
        self.assertLessEqual(most, rate * 1.3)
        self.assertGreater(spread, 0.1)

    def test_t24_sweep_holds_no_more_half_open_flows_than_allowed(self):
        limit, timeout = 25, 0.5
        times, _ = self.sweep(6, new_flows_per_s=0, in_flight=limit, connect_timeout_ms=int(timeout * 1000))
        most = max(sum(1 for other in times[index:index + 3 * limit] if other - began < timeout * 0.9)
                   for index, began in enumerate(times))
        told("T24", f"the same with in_flight {limit}: {len(times)} flows, at most {most} begun within one time-out")
        self.assertGreater(len(times), 4 * limit)
        self.assertLessEqual(most, limit + 2)


class Resolvers(WithDaemon):
    def test_t25_silent_name_servers_delay_no_other_row(self):
        named = [{"id": f"named{number}", "transport": "tcp", "destinations": [f"n{number}-{part}.example" for part in range(4)],
                  "ports": 443, "expect": "path"} for number in range(10)]
        self.quiet()
        self.fault("dns", mode="silent")
        with self.daemon(SIGNALING, *named) as (daemon, web):
            daemon.await_row("signaling", "pass")
            time.sleep(2)
            memory = Memory(daemon.process.pid)
            with Bystander(daemon, web) as watching:
                time.sleep(8)
            most, left = memory.growth()
            threads = len(list(pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir()))
            figures = self.steady(watching.result)
            self.site.lab.clear()
        told("T25", f"40 names, two silent servers, each second for 8 s: {threads} threads; memory {most:+d} KiB at most, "
                    f"{left:+d} KiB afterwards; {figures}")
        self.assertLessEqual(threads, 12)
        self.assertLess(most, MOST_GROWTH_KIB)


class Clock(WithDaemon):
    """T26: somebody sets the clock of the machine; the wall clock alone moves."""

    STEP_S = 3600

    def test_t26_steps_of_an_hour_disturb_no_round_and_no_duration(self):
        library = pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "dev"), "tests", "libclock_step.so")
        if not library.exists():
            self.skipTest("a build with sanitizers has no library to preload")
        shutil.copy(library, self.site.directory / "bin" / library.name)
        step = self.site.write("step", "0")
        before = ["env", f"LD_PRELOAD={self.site.program(library.name)}", f"CLOCK_STEP_FILE={step}"]
        state = self.site.fresh_directory("state")
        self.quiet()
        with self.daemon(SIGNALING, before=before, history={"path": str(state / "history.db")}) as (daemon, web):
            daemon.await_row("signaling", "pass")
            with Bystander(daemon, web) as watching:
                for seconds in (self.STEP_S, 0, -self.STEP_S, 0):
                    time.sleep(1)
                    self.site.write("step.new", str(seconds)).replace(step)
                    time.sleep(2.5)
                    self.seen_at(daemon, seconds)
            figures = self.steady(watching.result)
            changes = daemon.log().count("verdict.changed")
        told("T26", f"steps of the wall clock by {self.STEP_S} s, back, by -{self.STEP_S} s and back: {figures}; "
                    f"{changes} verdict told (the first)")
        self.assertEqual(changes, 1)

    def seen_at(self, daemon, seconds):
        """The clock is off by this much, and nothing else is."""
        generated = datetime.datetime.fromisoformat(daemon.ask("report")["generated"].replace("Z", "+00:00"))
        off = (generated - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        self.assertAlmostEqual(off, seconds, delta=30, msg="the step did not reach the program")
        health = daemon.ask("health")
        self.assertEqual((health["state"], health["stale"]), ("ready", False), health)
        self.assertTrue(0 <= health["age_s"] < 10, health)
        one = daemon.row("signaling")["endpoints"][0]
        self.assertTrue(0 < one["rtt_us"] < 500000, one["rtt_us"])
        for params in (None, {"what": "availability"}, {"what": "outages"}):
            daemon.ask("history", params)


if __name__ == "__main__":
    main("tpeers")
