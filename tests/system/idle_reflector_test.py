# SPDX-License-Identifier: Apache-2.0
"""Idle-timer ladders against reachd-reflector, through the lab's site NAT with its timers scaled down to seconds.

    sudo /usr/bin/python3 tests/system/idle_reflector_test.py [--workers N] [TEXT of a test's name]...

The tests mostly wait, so several run at a time, each in a lab of its own (side_by_side.py).
"""
import base64
import concurrent.futures
import json
import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from idle_lab import (  # noqa: E402
    DEFAULTS, DROP_FORGOTTEN, ESTABLISHED, NO_ANSWERS, OTHER_PORTS, PORT, RESET_FORGOTTEN, SERVER, SINGLE, STREAM, Reflected)
from lab_site import GATEWAY, GATEWAY6, ISP, MAPS, MAPS_AT, row  # noqa: E402
from side_by_side import main  # noqa: E402
from traffic_test import Counting  # noqa: E402
from lab import system  # noqa: E402
from lab.topology import namespace_of  # noqa: E402

OTHER_NAT = ("table ip other { chain post { type nat hook postrouting priority 100; oifname \"OUT\" masquerade; }; "
             "chain input { type filter hook input priority 0; iifname \"OUT\" ct state new,invalid drop; }; }")

SERVER6 = "2001:db8:ff02::2"
NAMED, NAMED_AT = MAPS, MAPS_AT[0]
BOTH = ("udp", "tcp")
# A policy for one port, of statements that nft wants on lines of their own.
OWN_TIMERS = """table ip idleports {
  ct timeout shorttcp { protocol tcp; l3proto ip; policy = { established: 5 }
  }
  ct timeout shortudp { protocol udp; l3proto ip; policy = { unreplied: 5, replied: 5 }
  }
  chain pre { type filter hook prerouting priority -150;
    tcp dport 4200 ct timeout set "shorttcp"
    udp dport 4200 ct timeout set "shortudp"
  }
}"""

# Where the lab has its own server, the reflector has another port of the host's.
OWN_PORT = (f"table ip ownport {{ chain pre {{ type nat hook prerouting priority dstnat; ip daddr {SERVER} "
            f"meta l4proto {{ tcp, udp }} th dport 4200 redirect to :{PORT + 1}; }}; }}")


class Ladders(Reflected):
    def test_a_short_single_timer_fails_the_row_and_a_longer_stream_timer_passes(self):
        self.timers(single=5, stream=60)
        got, code = self.measure(self.files(7, [2, 3, 4, 8], ("udp",)))
        single, stream = got["single"], got["stream"]
        self.assertEqual((single["state"], single["grade"], code), ("fail", "inbound_lost", 2), single)
        self.assert_bracket(single, 5)
        self.assertEqual((single["via"], single["target"]), (f"reflector {SERVER}", {"address": SERVER, "port": PORT}))
        self.assert_held(stream, 7)

    def test_a_short_stream_timer_fails_the_row_too(self):
        self.timers(single=60, stream=5)  # no device is like that; it shows that the two are measured apart
        got, _ = self.measure(self.files(7, [2, 3, 4, 8], ("udp",)))
        self.assert_held(got["single"], 7)
        self.assertEqual(got["stream"]["state"], "fail", got["stream"])
        self.assert_bracket(got["stream"], 5)

    def test_timers_that_are_long_enough_pass_over_udp_and_tcp(self):
        self.timers(single=60, stream=60, tcp=60)
        got, code = self.measure(self.files(6, [2, 4, 8], ("udp", "tcp")))
        self.assertEqual(code, 0)
        for one in got.values():
            self.assert_held(one, 6)
        self.assertIn("held: the server was heard from after 8 s without a packet, 6 s are required", got["tcp"]["sentence"])

    def test_a_nat_that_re_creates_mappings_cannot_hide_a_short_tcp_timer(self):
        self.timers(tcp=5, loose=1)
        self.rules(NO_ANSWERS)
        got, code = self.measure(self.files(7, [2, 3, 4, 8]))
        one = got["tcp"]
        self.assertEqual((one["state"], one["grade"], one["after_expiry"], code), ("fail", "inbound_lost", "re-creates", 2), one)
        self.assert_bracket(one, 5)
        self.assertEqual(one["answered_s"], None)

    def test_what_the_next_packet_of_a_lost_connection_meets_is_told(self):
        for rules, loose, word in ((DROP_FORGOTTEN, 0, "drops"), (RESET_FORGOTTEN, 0, "resets")):
            with self.subTest(word):
                self.timers(tcp=5, loose=loose)
                self.rules(rules)
                self.rules(NO_ANSWERS)
                one = self.measure(self.files(7, [3, 8]))[0]["tcp"]
                self.assertEqual((one["state"], one["after_expiry"]), ("fail", word), one)
                self.doCleanups()
                self.setUp()

    def test_what_the_next_datagram_meets_is_told(self):
        for rules, word in ((NO_ANSWERS, "re-creates"), (OTHER_PORTS, "re-maps")):
            with self.subTest(word):
                self.timers(single=5, stream=60)
                self.rules(rules)
                one = self.measure(self.files(7, [3, 8], ("udp",)))[0]["single"]
                self.assertEqual((one["state"], one["after_expiry"]), ("fail", word), one)
                self.doCleanups()
                self.setUp()

    def test_a_timer_of_exactly_the_required_time_is_at_its_limit(self):
        self.timers(single=8, stream=60, tcp=8)
        self.rules(NO_ANSWERS)
        got, code = self.measure(self.files(8, [4, 12], ("udp", "tcp")))
        self.assertEqual(code, 3)
        for which in ("single", "tcp"):
            self.assertEqual(got[which]["state"], "unproven", got[which])
            self.assertIn("at the limit", got[which]["sentence"])
        self.assertEqual(got["stream"]["state"], "pass", got["stream"])

    def test_a_reflector_that_ends_in_the_middle_is_no_lost_mapping(self):
        self.timers(single=60, stream=60, tcp=60)
        config = self.files(10, [8, 12], ("udp", "tcp"))
        for how in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(how=how):
                ender = threading.Timer(7, self.stop_reflector, kwargs={"how": how})  # all is appointed, nothing is due
                ender.start()
                self.addCleanup(ender.join)
                got, code = self.measure(config)
                self.assertEqual(code, 3)
                for one in got.values():
                    self.assertEqual((one["state"], one["lost_s"]), ("unproven", None), one)
                    self.assertEqual({rung["outcome"] for rung in one["rungs"]}, {"unproven"}, one["rungs"])
                ender.join()
                self.start_reflector()

    def test_a_reflector_that_has_forgotten_its_appointments_is_no_lost_mapping(self):
        self.timers(single=60, stream=60)

        def restart():
            time.sleep(7)  # all is appointed, nothing is due
            self.stop_reflector()
            self.start_reflector()
        thread = threading.Thread(target=restart)
        thread.start()
        self.addCleanup(thread.join)
        got, code = self.measure(self.files(10, [8, 12], ("udp",)))
        self.assertEqual(code, 3)
        for one in got.values():
            self.assertEqual((one["state"], one["lost_s"]), ("unproven", None), one)
            self.assertIn("the reflector has not spoken: unknown", one["sentence"])

    def test_a_wrong_key_leaves_udp_unproven_and_tcp_to_the_service(self):
        self.timers(tcp=60)
        other = base64.b64encode(bytes(32)).decode("ascii")
        config = self.files(3, [2, 4], ("udp", "tcp"), secret=other)
        report = json.loads(self.site.reachctl("check", "--format", "json", config=config).stdout)
        udp, tcp = row(report, "udp-idle"), row(report, "tcp-idle")
        self.assertEqual((udp["state"], tcp["state"]), ("unproven", "unproven"))
        self.assertIn(f"reflector {SERVER} (udp {PORT}): it does not answer: the port is blocked, nothing listens, or it has "
                      "another key", udp["sentence"])
        self.assertIn("over line", tcp["sentence"])
        self.assertIn("it closed the connection: it may have another key", tcp["findings"][0])

    def test_a_key_file_that_cannot_be_read_is_named(self):
        config = self.files(3, [2], ("udp",))
        (self.site.directory / "site.key").unlink()
        report = json.loads(self.site.reachctl("check", "--format", "json", config=config).stdout)
        self.assertIn(f"the key file {self.site.directory}/site.key: No such file", row(report, "udp-idle")["sentence"])

    def test_a_flush_in_the_middle_is_no_timer(self):
        self.timers(single=60, stream=60, tcp=60)
        self.rules(NO_ANSWERS)

        def flush():
            time.sleep(6)
            system.in_namespace(namespace_of(self.site.lab.id, "site"), system.forget_connections)
        thread = threading.Thread(target=flush)
        thread.start()
        self.addCleanup(thread.join)
        got, _ = self.measure(self.files(7, [2, 3, 4, 8], ("udp",)))
        for one in got.values():
            self.assertNotEqual(one["state"], "fail", one)

    def test_daemon_measures_it_and_tells(self):
        self.timers(single=60, stream=60)
        with self.site.daemon(config=self.files(3, [2, 4], ("udp",))) as daemon, daemon.connect() as client:
            client.ask("subscribe")
            told = client.next_event(lambda event: event.get("kind") == "idle.measured", 40)
            self.assertEqual((told["requirement"], told["state"], told["via"]), ("udp-idle", "pass", f"reflector {SERVER}"))
            self.assertEqual(daemon.row("udp-idle")["state"], "pass")


class Places(Reflected):
    """Where a reflector may be: another port, another family, a name."""

    LISTEN = (f"{SERVER}:{PORT}", f"{SERVER}:{PORT + 1}", f"[{SERVER6}]:{PORT}", f"{NAMED_AT}:{PORT}")

    def at(self, host, port=PORT, name="reachd.json"):
        """A configuration with the reflector there, beside those of other names."""
        key = str(self.site.directory / "site.key")
        self.files(7, [2, 3, 4, 8], BOTH)  # the key and the catalogue
        return self.site.config({
            "catalogues": ["timers"], "values": {}, "idle": {"tcp_rungs_s": [2, 3, 4, 8], "udp_rungs_s": [2, 3, 4, 8]},
            "reflectors": [{"host": host, "port": port, "secret_file": key}]}, name=name)

    def test_firewalls_that_treat_ports_differently_show_by_a_reflector_on_the_catalogues_own(self):
        self.timers(single=60, stream=60, tcp=60)
        self.rules(NO_ANSWERS)
        self.rules(OWN_TIMERS)
        done = self.site.lab.exec("server", ["nft", OWN_PORT], user=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(self.site.lab.exec, "server", ["nft", "delete table ip ownport"], user=False)
        configs = [self.at(SERVER, port, f"port{port}.json") for port in (PORT, 4200)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            (usual, code), (own, own_code) = pool.map(self.measure, configs)
        self.assertEqual((code, own_code), (0, 2))
        for which in ("single", "stream", "tcp"):
            self.assert_held(usual[which], 7)
            self.assertEqual((own[which]["state"], own[which]["target"]["port"]), ("fail", 4200), own[which])
            self.assert_bracket(own[which], 5)

    def test_ladders_over_ipv6(self):
        """The site routes IPv6 and has no NAT for it: a firewall forgets as well."""
        for timers, state in (({"single": 4, "stream": 5, "tcp": 4}, "fail"), ({"single": 60, "stream": 60, "tcp": 60}, "pass")):
            with self.subTest(state):
                self.timers(**timers)
                got, _ = self.measure(self.at(SERVER6))
                self.assertEqual(set(got), set(timers))
                for which, one in got.items():
                    self.assertEqual((one["state"], one["target"]["address"]), (state, SERVER6), one)
                    self.assert_true_of(one, timers[which])
                    if state == "fail":
                        self.assert_bracket(one, timers[which])
                        self.assertEqual((one["after_expiry"], one["where"]),
                                         ("re-creates", {"at": {"hop": 1, "address": GATEWAY6}}), one)

    def test_a_reflector_given_by_name(self):
        self.timers(single=60, stream=60, tcp=60)
        got, code = self.measure(self.at(NAMED))
        self.assertEqual(code, 0)
        for one in got.values():
            self.assert_held(one, 7)
            self.assertEqual((one["via"], one["target"]["address"]), (f"reflector {NAMED}", NAMED_AT))

    def test_a_name_without_an_address_is_told(self):
        report = json.loads(self.site.reachctl("check", "--format", "json", "--only", "udp-idle",
                                               config=self.at("nowhere.lab.example")).stdout)
        self.assertIn("its name has no address", row(report, "udp-idle")["sentence"])


class Doctor(Reflected):
    def examine(self, config):
        done = self.site.reachctl("doctor", "--format", "json", config=config)
        return [(one["state"], one["sentence"]) for one in json.loads(done.stdout)["findings"]
                if one["topic"] == "reflector" or "sock_diag" in one["sentence"]]

    def test_doctor_tells_whether_reflectors_can_be_used(self):
        config = self.files(3, [2])
        key = self.site.directory / "site.key"
        key.chmod(0o644)
        self.assertEqual(self.examine(config), [
            ("ok", "sock_diag lists this machine's sockets: connections of allowed sources to an inbound service of this machine "
                   "are seen."),
            ("limited", f"The key file {key} is open to every user of this machine: chmod o= {key}."),
            ("ok", f"Reflector {SERVER} (udp {PORT}) answers and takes the key."),
            ("ok", f"Reflector {SERVER} (tcp {PORT}) answers and takes the key.")])

    def test_doctor_tells_why_they_cannot(self):
        config = self.files(3, [2], secret=base64.b64encode(bytes(32)).decode("ascii"))
        found = self.examine(config)[2:]
        self.assertEqual([state for state, _ in found], ["bad", "bad"], found)
        self.assertIn("it has another key", found[0][1])
        self.site.write("site.key", "no key at all\n")
        found = self.examine(config)
        self.assertEqual(found[1][0], "bad", found)
        self.assertIn("site.key", found[1][1])
        (self.site.directory / "site.key").unlink()
        self.assertIn("No such file", self.examine(config)[1][1])


class Owners(Reflected):
    """Which box it is: refreshes that end at hop 1, 2, 3 (docs/LAB.md), or reach the reflector."""

    def nat_at(self, host, interface, **seconds):
        """One more NAT, with timers of its own."""
        names = {"tcp": ESTABLISHED, "single": SINGLE, "stream": STREAM}
        done = self.site.lab.exec(host, ["nft", OTHER_NAT.replace("OUT", interface)], user=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.site.lab.sysctl(host, {names[key]: str(value) for key, value in seconds.items()})
        self.addCleanup(self.site.lab.sysctl, host, DEFAULTS)
        self.addCleanup(self.site.lab.exec, host, ["nft", "delete table ip other"], user=False)

    def test_a_short_timer_of_the_site_is_its_own_box(self):
        self.timers(single=5, stream=60, tcp=5)
        self.rules(NO_ANSWERS)
        self.nat_at("isp", "transit", single=60, stream=60, tcp=60)
        got, _ = self.measure(self.files(7, [3, 4, 8], ("udp", "tcp")))
        for which in ("single", "tcp"):
            one = got[which]
            self.assertEqual(one["state"], "fail", one)
            self.assertEqual(one["where"], {"at": {"hop": 1, "address": GATEWAY}}, one)
            self.assertIn(f"refreshes that end at hop 1 ({GATEWAY}) keep it: it is that box, a box of the site",
                          one["sentence"])
        self.assertEqual((got["stream"]["state"], got["stream"]["where"]), ("pass", None))

    def test_a_short_timer_of_the_provider_is_not_the_sites(self):
        self.timers(single=60, stream=60, tcp=60)
        self.rules(NO_ANSWERS)
        self.nat_at("isp", "transit", single=5, stream=60, tcp=5)
        got, _ = self.measure(self.files(7, [3, 4, 8], ("udp", "tcp")))
        for which in ("single", "tcp"):
            one = got[which]
            self.assertEqual(one["state"], "fail", one)
            self.assertEqual((one["where"]["after"]["hop"], one["where"]["before"]["hop"]), (1, 2), one)
            self.assertIn(f"refreshes that end at hop 2 ({ISP}) keep it", one["sentence"])

    def test_a_short_timer_beyond_the_provider_is_neither_the_sites_nor_its_neighbours(self):
        self.timers(single=60, stream=60)
        self.nat_at("internet", "hosting", single=5, stream=60)
        one = self.measure(self.files(7, [3, 4, 8], ("udp",)))[0]["single"]
        self.assertEqual(one["state"], "fail", one)
        self.assertEqual((one["where"]["after"]["hop"], one["where"]["before"]["hop"]), (2, 3), one)
        self.assertIn("a box of the provider's or beyond", one["sentence"])

    def test_of_two_boxes_with_short_timers_the_farther_is_named(self):
        self.timers(single=5, stream=60)
        self.rules(NO_ANSWERS)
        self.nat_at("isp", "transit", single=5, stream=60)
        one = self.measure(self.files(7, [3, 4, 8], ("udp",)))[0]["single"]
        self.assertEqual(one["state"], "fail", one)
        self.assertEqual((one["where"]["after"]["hop"], one["where"]["before"]["hop"]), (1, 2), one)


class Counted(Counting, Reflected):
    LONG = True

    def test_idle_flows_are_counted_like_all_others_and_told_beforehand(self):
        self.timers(single=60, stream=60, tcp=60)
        config = self.files(4, [2, 6], ("udp", "tcp"))
        only = [word for one in ("line", "udp-idle", "tcp-idle") for word in ("--only", one)]
        dry = json.loads(self.site.reachctl("check", "--dry-run", "--format", "json", *only, config=config).stdout)
        self.count()
        done = self.site.reachctl("check", "--format", "json", *only, config=config)
        told, real = json.loads(done.stdout)["traffic"], self.counted()
        self.assertEqual(done.returncode, 0, done.stdout)
        flows = dry["total"]["idle_flows"]
        for name in ("syns", "datagrams"):
            self.assertEqual(told[name], real[name], name)
        self.assert_near(told["packets"], sum(real.values()), 0.08, "packets")
        self.assert_near(dry["healthy"]["packets_if_all_accept"], told["packets"], 0.15, "dry run")
        self.assertGreaterEqual(told["nat_entries"]["left"], flows)
        self.assertGreaterEqual(told["nat_entries"]["at_once_at_most"], flows // 2)  # they lie side by side

    def test_too_few_entries_for_idle_flows_are_told_and_nothing_waits_for_ever(self):
        self.timers(single=60, stream=60)
        config = self.files(4, [2, 6], ("udp",), limits={"nat_entries": 5})
        report = json.loads(self.site.reachctl("check", "--format", "json", "--only", "udp-idle", config=config).stdout)
        one = row(report, "udp-idle")
        self.assertEqual(one["state"], "unproven")
        self.assertIn("limits.nat_entries is 5, and idle flows need at least 6", one["sentence"])

    def test_idle_flows_wait_for_entries_of_nats_like_all_others(self):
        self.timers(single=60, stream=60)
        config = self.files(4, [2, 6], ("udp",), limits={"nat_entries": 6})
        report = json.loads(self.site.reachctl("check", "--format", "json", "--only", "udp-idle", config=config,
                                               timeout=400).stdout)
        self.assertEqual(row(report, "udp-idle")["state"], "pass", report["idle"])
        self.assertLessEqual(report["traffic"]["nat_entries"]["at_once_at_most"], 6)


if __name__ == "__main__":
    main("idler", 8)
