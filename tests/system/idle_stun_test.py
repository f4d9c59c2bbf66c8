# SPDX-License-Identifier: Apache-2.0
"""UDP idle timers over somebody else's STUN server: coturn on the internet, the timers of the site's NAT scaled down to
seconds.

    sudo /usr/bin/python3 tests/system/idle_stun_test.py [--workers N] [TEXT of a test's name]...

The tests mostly wait, so several run at a time, each in a lab of its own (side_by_side.py).
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from idle_lab import NO_ANSWERS, OTHER_PORTS, PORT, SERVER, IdleTest  # noqa: E402
from lab_site import row, wait_until  # noqa: E402
from side_by_side import main  # noqa: E402
from traffic_test import Counting  # noqa: E402
from lab import system  # noqa: E402
from lab.topology import namespace_of  # noqa: E402

ALTERNATE = "203.0.113.53"
SITE = "100.64.0.2"  # what the site's NAT makes of its clients
ISP_NAT = "table ip moved { chain post { type nat hook postrouting priority 100; oifname \"transit\" masquerade; }; }"
VIA = f"STUN server {SERVER}"
# A firewall that lets in one answer to one question: no mapping is gone, and what another flow asks for does not come.
ONE_ANSWER = ("table inet onlyone { chain onward { type filter hook forward priority -10; iifname \"wan\" meta l4proto udp "
              "ct reply packets > 1 drop; }; }")


@unittest.skipUnless(shutil.which("turnserver"), "turnserver is not installed (package coturn)")
class Foreign(IdleTest):
    """coturn with two addresses, which makes it an RFC 5780 server; with one it ignores RESPONSE-PORT."""

    ADDRESSES = (SERVER, ALTERNATE)

    def setUp(self):
        super().setUp()
        self.start_server()

    def start_server(self):
        listen = [word for address in self.ADDRESSES for word in ("-L", address)]
        work = self.site.fresh_directory("coturn")
        # As an ordinary user, without files of its own: an empty -c is its default configuration.
        self.server = self.site.lab.popen(
            "server", ["turnserver", "-c", "/dev/null", "-S", "-n", *listen, "-p", str(PORT), "--no-tls", "--no-dtls", "--no-cli",
                       "-m", "1", "--log-file", "stdout", "--pidfile", str(work / "pid"), "--userdb", str(work / "db")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.stop_server, self.server)
        wait_until(self.server_listens, "coturn", 15)

    def server_listens(self):
        self.assertIsNone(self.server.poll(), "coturn has ended")
        said = self.site.lab.exec("server", ["ss", "-Hlun", f"sport = :{PORT}"], user=False).stdout
        return all(f"{address}:{PORT}" in said for address in self.ADDRESSES)

    def stop_server(self, process=None):
        process = process or self.server
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def stun_files(self, hold_s, rungs, transports=("udp",), **more):
        return self.site_files(hold_s, rungs, transports, {}, **more)

    def later(self, seconds, action, *arguments):
        timer = threading.Timer(seconds, action, arguments)
        timer.start()
        self.addCleanup(timer.join)

    def assert_unproven(self, one):
        self.assertEqual((one["state"], one["lost_s"]), ("unproven", None), one)
        self.assertNotIn("inbound_lost", {rung["grade"] for rung in one["rungs"]}, one["rungs"])


class Ladders(Foreign):
    def test_a_short_single_timer_fails_the_row_and_a_longer_stream_timer_passes(self):
        self.timers(single=5, stream=60)
        self.rules(NO_ANSWERS)
        got, code = self.measure(self.stun_files(7, [2, 3, 4, 8]))
        single = got["single"]
        self.assertEqual((single["state"], single["grade"], code), ("fail", "inbound_lost", 2), single)
        self.assert_bracket(single, 5)
        self.assertEqual((single["via"], single["target"]), (VIA, {"address": SERVER, "port": PORT}))
        self.assertEqual(single["after_expiry"], "re-creates")
        self.assertEqual(single["where"], None)
        self.assert_held(got["stream"], 7)

    def test_a_short_stream_timer_fails_the_row_too(self):
        self.timers(single=60, stream=5)
        self.rules(NO_ANSWERS)
        got, _ = self.measure(self.stun_files(7, [2, 3, 4, 8]))
        self.assert_held(got["single"], 7)
        self.assertEqual(got["stream"]["state"], "fail", got["stream"])
        self.assert_bracket(got["stream"], 5)

    def test_a_nat_that_gives_other_ports_afterwards_is_told(self):
        self.timers(single=5, stream=60)
        self.rules(OTHER_PORTS)
        single = self.measure(self.stun_files(7, [3, 8]))[0]["single"]
        self.assertEqual((single["state"], single["after_expiry"]), ("fail", "re-maps"), single)
        self.assertIn(single["mapped"]["mapping"], ("address_dependent", "address_and_port_dependent"))

    def test_timers_that_are_long_enough_pass_and_the_public_address_is_told(self):
        self.timers(single=60, stream=60)
        config = self.stun_files(6, [2, 4, 8])
        done = self.site.reachctl("check", "--format", "json", "--only", "udp-idle", config=config)
        report = json.loads(done.stdout)
        found = row(report, "udp-idle")
        self.assertEqual((found["state"], done.returncode), ("pass", 0), found)
        for one in report["idle"]:
            self.assert_held(one, 6)
            self.assertEqual(one["mapped"], {"address": SITE, "mapping": "endpoint_independent", "before": None})
        self.assertEqual(found["findings"], [f"{VIA}: seen from outside as {SITE}, one mapping for all destinations "
                                             "(endpoint-independent)"])

    def test_a_server_that_is_killed_in_the_middle_is_no_lost_mapping(self):
        self.timers(single=60, stream=60)
        self.later(7, self.stop_server)  # all mappings are made, nothing is due
        got, code = self.measure(self.stun_files(10, [8, 12]))
        self.assertEqual(code, 3)
        for one in got.values():
            self.assert_unproven(one)
            self.assertIn("the STUN server cannot be asked any more", one["sentence"])

    def test_a_short_timer_is_not_seen_by_a_server_that_is_killed(self):
        self.timers(single=5, stream=60)
        self.rules(NO_ANSWERS)
        self.later(4, self.stop_server)
        got, _ = self.measure(self.stun_files(10, [8, 12]))
        self.assert_unproven(got["single"])

    def test_another_public_address_is_no_lost_mapping(self):
        self.timers(single=60, stream=60)

        def move():
            """What a provider does that takes its customer behind a NAT of its own."""
            self.site.lab.exec("isp", ["nft", ISP_NAT], user=False)
            system.in_namespace(namespace_of(self.site.lab.id, "isp"), system.forget_connections)
        self.addCleanup(self.site.lab.exec, "isp", ["nft", "delete table ip moved"], user=False)
        self.later(7, move)
        got, _ = self.measure(self.stun_files(10, [8, 12]))
        for one in got.values():
            self.assert_unproven(one)
            self.assertIn("the public address is 203.0.113.1 now and was 100.64.0.2", one["sentence"])

    def test_a_firewall_that_filters_unasked_answers_leaves_udp_unproven(self):
        self.timers(single=60, stream=60)
        self.site.lab.sysctl("site", {"netfilter/nf_conntrack_acct": "1"})
        self.rules(ONE_ANSWER)
        report = json.loads(self.site.reachctl("check", "--format", "json", "--only", "udp-idle",
                                               config=self.stun_files(7, [2, 8])).stdout)
        found = row(report, "udp-idle")
        self.assertEqual(found["state"], "unproven")
        self.assertIn("came nowhere", found["sentence"])
        self.assertIn(f"seen from outside as {SITE}", found["sentence"])

    def test_daemon_tells_that_the_public_address_has_changed(self):
        self.timers(single=60, stream=60)
        config = self.stun_files(2, [2], schedule={"nat_interval_s": 15})
        self.addCleanup(self.site.lab.exec, "isp", ["nft", "delete table ip moved"], user=False)
        with self.site.daemon(config=config) as daemon:
            daemon.await_row("udp-idle", "pass", 40)
            self.assertIn(f"seen from outside as {SITE}", daemon.row("udp-idle")["findings"][0])
            self.site.lab.exec("isp", ["nft", ISP_NAT], user=False)
            wait_until(lambda: "the public address has changed" in str(daemon.row("udp-idle")["findings"]),
                       "the change of the public address", 60, lambda: daemon.row("udp-idle"))
            self.assertIn("it was 100.64.0.2", daemon.row("udp-idle")["findings"][0])


class OneAddress(Foreign):
    """What most public STUN servers are."""

    ADDRESSES = (SERVER,)

    def test_a_server_without_response_port_leaves_udp_unproven_and_tells_the_public_address(self):
        self.timers(single=5, stream=5)
        report = json.loads(self.site.reachctl("check", "--format", "json", "--only", "udp-idle",
                                               config=self.stun_files(7, [2, 8])).stdout)
        found = row(report, "udp-idle")
        self.assertEqual(found["state"], "unproven")
        self.assertIn(f"{VIA} (udp {PORT}): it ignores RESPONSE-PORT", found["sentence"])
        self.assertIn(f"seen from outside as {SITE}", found["sentence"])

    def test_tcp_is_measured_over_the_service(self):
        self.timers(tcp=60)
        report = json.loads(self.site.reachctl("check", "--format", "json", config=self.stun_files(3, [2, 4], ("tcp",))).stdout)
        found = row(report, "tcp-idle")
        self.assertIn("over line", found["sentence"])
        self.assertIn("a STUN server (no secret_file) does not speak first over TCP", found["findings"][0])


class Silent(Foreign):
    """Nobody at the port."""

    def test_a_server_that_is_not_there_is_named(self):
        self.stop_server()
        report = json.loads(self.site.reachctl("check", "--format", "json", "--only", "udp-idle",
                                               config=self.stun_files(3, [2])).stdout)
        self.assertIn(f"{VIA} (udp {PORT}): ", row(report, "udp-idle")["sentence"])
        self.assertIn("port unreachable", row(report, "udp-idle")["sentence"])


class Counted(Counting, Foreign):
    def test_its_flows_are_counted_like_all_others_and_told_beforehand(self):
        self.timers(single=60, stream=60)
        config = self.stun_files(4, [2, 6])
        dry = json.loads(self.site.reachctl("check", "--dry-run", "--format", "json", "--only", "udp-idle", config=config).stdout)
        self.count()
        done = self.site.reachctl("check", "--format", "json", "--only", "udp-idle", config=config)
        told, real = json.loads(done.stdout)["traffic"], self.counted()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(told["datagrams"], real["datagrams"])
        self.assert_near(dry["healthy"]["packets_if_all_accept"], told["packets"], 0.15, "dry run")
        self.assertGreaterEqual(told["nat_entries"]["left"], dry["total"]["idle_flows"])


if __name__ == "__main__":
    main("idles")
