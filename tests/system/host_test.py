# SPDX-License-Identifier: Apache-2.0
"""Trouble of this machine, its link and its gateway: said once, blamed on nobody further away. And vantages: the ways
out of this machine, each with its own verdicts.

    sudo /usr/bin/python3 tests/system/host_test.py [-v]
"""
import concurrent.futures
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import (CONNECT, CONNECT_AT, DNS2, EXIT_OF, EXIT_USAGE, GATEWAY, GATEWAY6, ISP, MAPS_AT, SystemTest,  # noqa: E402
                      endpoints, main, row, rows, runs)

ROWS = ("provisioning", "signaling", "data", "maps", "request-slot")
MEND = "mend this machine first (reachctl doctor)"


class NoWayOut(SystemTest):
    def nothing_measured(self, fault):
        self.fault(fault)
        report = self.check(*ROWS)
        self.assertEqual((report["state"], report["sentence"]),
                         ("unproven", "Nothing could be measured: this machine has no route to it."))
        for one in rows(report).values():
            self.assertEqual(one["state"], "unproven", one["sentence"])
            self.assertIn(MEND, one["advice"])
            for found in one["endpoints"]:
                self.assert_verdict(found, "unproven", blame="host", where=None)
        return report

    def test_no_route_is_this_machines_fault_and_said_once(self):
        report = self.nothing_measured("no-route")
        for name in ROWS:
            for one in row(report, name)["endpoints"]:
                self.assertEqual((one["stage"], one["sentence"]), ("route", "this machine has no route to it"))
        self.assertEqual([one for one in report["findings"] if "stood still" not in one],
                         [f"DNS server {DNS2} fails for 2 names: server cannot be reached"])

    def test_no_link_and_no_address_are_this_machines_fault_and_names_are_not_called_unresolved(self):
        for fault in ("no-link", "no-address"):
            with self.subTest(fault=fault):
                report = self.nothing_measured(fault)
                self.site.lab.clear()
                for one in row(report, "maps")["endpoints"]:
                    self.assertEqual(one["stage"], "resolve")
                    self.assertIn("no route to any of its DNS servers", one["sentence"])

    def test_gateway_that_is_gone_is_the_sites_fault_and_nothing_is_called_blocked(self):
        """ARP gives up after three seconds; a probe that waits longer hears of it from its own kernel."""
        self.fault("no-gateway")
        report = self.check("provisioning", "signaling", "data",
                            config=self.site.config({"limits": {"connect_timeout_ms": 4500, "attempts": 1}}))
        self.assertEqual(report["state"], "unproven")
        self.assertIn("Nothing could be measured: nothing left this machine's link", report["sentence"])
        for one in rows(report).values():
            for found in one["endpoints"]:
                self.assert_verdict(found, "unproven", stage="route", blame="site", where=None)
                self.assertIn("the next hop does not answer", found["sentence"])

    def test_gateway_that_is_gone_blames_no_box_when_nobody_waited_long_enough_to_know(self):
        self.fault("no-gateway")
        report = self.check("provisioning", "signaling")
        self.assertIn("Nothing answers at all", report["sentence"])
        for one in rows(report).values():
            for found in one["endpoints"]:
                self.assertEqual((found["blame"], found["where"]), ("unknown", None))

    def test_uplink_that_is_down_is_told_by_the_gateway_and_nobody_beyond_is_blamed(self):
        """A Linux router tells five of these at once, then one a second, whatever its ICMP limits are."""
        at_gateway = {"at": {"address": GATEWAY, "hop": 1}}
        self.fault("uplink-down")
        report = self.check("signaling", "data", "provisioning")
        self.assertEqual(report["state"], "not_ready")
        told = 0
        for one in rows(report).values():
            for found in one["endpoints"]:
                if found["where"]:
                    told += 1
                    self.assert_verdict(found, "blocked", blame="site", where=at_gateway)
                    self.assertIn("network unreachable", found["sentence"])
                else:
                    silent = "unproven" if found["transport"] == "udp" else "blocked"
                    self.assert_verdict(found, silent, blame="unknown")
        self.assertGreaterEqual(told, 1)
        alone = row(self.check("signaling"), "signaling")["endpoints"][0]
        self.assert_verdict(alone, "blocked", blame="site", where=at_gateway)

    def test_uplink_that_is_down_is_told_for_ipv6_too(self):
        self.fault("uplink-down")
        for one in endpoints(row(self.check("request-slot"), "request-slot"), address=CONNECT_AT[2]):
            self.assert_verdict(one, "blocked", blame="site", where={"at": {"address": GATEWAY6, "hop": 1}})
            self.assertIn("no route to destination", one["sentence"])

    def test_nothing_of_it_remains_when_the_way_is_back(self):
        for fault in ("no-route", "no-link", "no-address", "no-gateway", "uplink-down"):
            self.fault(fault)
        self.site.lab.clear()
        report = self.check(*ROWS)
        self.assert_rows(report, provisioning="pass", signaling="pass", data="pass", maps="pass",
                         request_slot="pass")


class OwnFilter(SystemTest):
    """The packet filter of this machine itself."""

    def test_datagram_that_this_machine_refuses_to_send_is_its_own_fault(self):
        self.fault("local-firewall", port="4200-4203", proto="udp")
        report = self.check("data", "data-dr", "signaling")
        self.assert_rows(report, data="fail", data_dr="fail", signaling="pass")
        self.assertEqual(runs(row(report, "data")), [("4200-4203", "blocked"), ("4204-4208", "permitted")])
        for one in row(report, "data")["endpoints"]:
            if one["port"] <= 4203:
                self.assert_verdict(one, "blocked", stage="route", blame="host", where=None)
                self.assertIn("this machine's own packet filter refuses to send it", one["sentence"])
                self.assertEqual(one["evidence"][0]["cause"], "refused_here")
            else:
                self.assert_verdict(one, "permitted", blame="unknown")
        self.assertIn("in this machine's own packet filter", row(report, "data")["advice"])

    def test_connection_that_this_machine_rejects_is_its_own_fault(self):
        for code in ("port-unreachable", "admin-prohibited"):
            with self.subTest(code=code):
                self.fault("reject", at="client", proto="tcp", port="443", code=code)
                report = self.check("provisioning", "request-slot", "signaling")
                self.site.lab.clear()
                self.assert_rows(report, provisioning="fail", request_slot="fail", signaling="pass")
                for one in [*row(report, "provisioning")["endpoints"], *row(report, "request-slot")["endpoints"]]:
                    if one["port"] == 443:
                        self.assert_verdict(one, "blocked", stage="route", blame="host", where=None)
                        self.assertIn("this machine's own packet filter rejects it", one["sentence"])
                    else:
                        self.assert_verdict(one, "open")

    def test_connection_that_this_machine_drops_in_silence_is_its_own_fault(self):
        """connect() does not tell, but the retransmission of the SYN does: docs/VERDICTS.md."""
        self.fault("local-firewall", port="443", proto="tcp")
        report = self.check("provisioning", config=self.site.config({"limits": {"connect_timeout_ms": 1500}}))
        for one in endpoints(row(report, "provisioning"), port=443):
            self.assert_verdict(one, "blocked", stage="route", blame="host", where=None)
            self.assertIn("the packet filter of this machine drops it", one["sentence"])
            # One try tells; what the inquiry began to ask while it was waited for stands beside it.
            self.assertEqual(len([seen for seen in one["evidence"] if not seen.get("hop_limit")]), 1)

    def test_connection_that_this_machine_drops_in_silence_blames_nobody_before_the_retransmission(self):
        self.fault("local-firewall", port="443", proto="tcp")
        report = self.check("provisioning", config=self.site.config({"limits": {"connect_timeout_ms": 500}}))
        for one in endpoints(row(report, "provisioning"), port=443):
            self.assert_verdict(one, "blocked", stage="connect", blame="unknown",
                                where={"after": {"address": "10.77.1.2", "hop": 0},
                                       "before": {"address": GATEWAY, "hop": 1}})

    def test_connection_that_the_site_drops_is_not_this_machines_fault(self):
        self.fault("drop", at="site", port="443", proto="tcp")
        report = self.check("provisioning", config=self.site.config({"limits": {"connect_timeout_ms": 1500}}))
        for one in endpoints(row(report, "provisioning"), port=443):
            self.assert_verdict(one, "blocked", stage="connect", blame="edge",
                                where={"after": {"address": GATEWAY, "hop": 1}, "before": {"address": ISP, "hop": 2}})


class Descriptors(SystemTest):
    """A hard limit on open files below what a check would like to have."""

    def at_limit(self, limit, config):
        done = self.site.reachctl("check", "--format", "json", "--fast", timeout=180, config=config,
                                  before=["prlimit", f"--nofile={limit}:{limit}"])
        self.assertEqual(done.stderr, "")
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, EXIT_OF[report["state"]], done.stdout[:2000])
        for one in rows(report).values():
            self.assertNotEqual(one["state"], "fail", f"{limit} descriptors: {one['id']}: {one['sentence']}")
            for found in one["endpoints"]:
                self.assertIn(found["verdict"], ("open", "closed", "permitted", "unproven"), found["sentence"])
                allowed = ("unknown", "host", "service") if found["verdict"] == "closed" else ("unknown", "host")
                self.assertIn(found["blame"], allowed, found["sentence"])
        return report

    def at_limits(self, *limits, **changes):
        """The reports of checks side by side, each with descriptors of its own."""
        config = self.site.config(changes)
        with concurrent.futures.ThreadPoolExecutor(len(limits)) as pool:
            return list(pool.map(lambda limit: self.at_limit(limit, config), limits))

    def test_check_finishes_with_the_same_answers_on_few_descriptors(self):
        self.site.write("catalogues/range.json", {"id": "range", "requirements": [
            {"id": "range", "transport": "tcp", "destinations": [CONNECT], "ports": "2001-2500", "expect": "path"}]})
        for report in self.at_limits(256, 128, catalogues=["eschat-govcloud", "helpdesk-buttons", "range"]):
            self.assertRegex(report["sentence"], "^No requirement fails; 13 of 17 pass")
            self.assertEqual(row(report, "range")["counts"]["pass"], 1500)

    def test_want_of_descriptors_is_no_verdict_on_the_network(self):
        for report in self.at_limits(40, 24, 18):
            self.assertRegex(report["sentence"], "^No requirement fails")


class OneFamily(SystemTest):
    def without_ipv6_route(self):
        def route(*words):
            self.site.lab.exec("client", ["ip", "-6", "route", *words], user=False, check=True)
        route("delete", "default")
        self.addCleanup(route, "replace", "default", "via", GATEWAY6, "dev", "wired")

    def test_without_an_ipv6_route_names_pass_and_their_ipv6_addresses_are_not_needed(self):
        self.without_ipv6_route()
        report = self.check("maps", "request-slot", "session", "provisioning")
        self.assert_rows(report, maps="pass", request_slot="pass", session="pass", provisioning="pass")
        self.assertEqual((report["state"], row(report, "maps")["counts"]["total"]), ("ready", 4))
        for name, addresses in (("maps", MAPS_AT), ("session", CONNECT_AT)):
            for one in row(report, name)["endpoints"]:
                self.assertEqual(one.get("needed", True), ":" not in one["address"])
                if ":" in one["address"]:
                    self.assert_verdict(one, "unproven", stage="route", blame="host")
                    self.assertIn("not used here", one["sentence"])
            self.assertEqual({one["address"] for one in row(report, name)["endpoints"]}, set(addresses))

    def test_ipv6_address_that_a_site_names_itself_is_needed_though_there_is_no_route(self):
        self.without_ipv6_route()
        values = {"eschat-govcloud": {"signaling_primary": [MAPS_AT[2]]}}
        report = self.check("signaling", config=self.site.config({"values": values}))
        self.assert_rows(report, signaling="unproven")
        self.assert_verdict(row(report, "signaling")["endpoints"][0], "unproven", stage="route", blame="host")


class Vantages(SystemTest):
    WIRED, VOICE = {"name": "wired", "interface": "wired"}, {"name": "voice", "source": "10.77.2.2"}
    VOICE_LINK = {"name": "voice-link", "interface": "voice"}

    def config(self, *vantages):
        return self.site.config({"vantages": list(vantages)})

    def drop_on_voice(self):
        """Only what comes in from the voice network."""
        rules = """
            table inet voice_only {
              chain forward {
                type filter hook forward priority -20;
                iifname "voicelan" tcp dport 443 drop
              }
            }
        """
        self.site.lab.exec("site", ["nft", "-f", "-"], user=False, check=True, input=rules)
        self.addCleanup(self.site.lab.exec, "site", ["nft", "delete", "table", "inet", "voice_only"], user=False,
                        check=True)

    def test_every_row_is_checked_from_every_vantage_and_leaves_by_it(self):
        report = self.check("provisioning", "data", "request-slot",
                            config=self.config(self.WIRED, self.VOICE, self.VOICE_LINK))
        self.assertEqual(report["vantage"], "wired, voice, voice-link")
        self.assert_rows(report, provisioning="pass", data="pass", request_slot="pass")
        self.assertEqual(row(report, "provisioning")["counts"]["total"], 12)
        for name in ("provisioning", "data"):
            for one in row(report, name)["endpoints"]:
                source = one["evidence"][0]["source"].rpartition(":")[0]
                self.assertEqual(source, {"wired": "10.77.1.2"}.get(one["vantage"], "10.77.2.2"))

    def test_fault_on_one_way_out_is_told_with_its_vantage_and_the_other_is_not_blamed(self):
        self.drop_on_voice()
        report = self.check("provisioning", config=self.config(self.WIRED, self.VOICE))
        one = row(report, "provisioning")
        self.assertEqual((one["state"], one["counts"]["fail"]), ("fail", 2))
        for found in one["endpoints"]:
            broken = found["vantage"] == "voice" and found["port"] == 443
            self.assert_verdict(found, "blocked" if broken else "open")
        self.assertIn("via voice", one["sentence"])
        self.assertNotIn("via wired", one["sentence"])

    def test_one_vantage_may_be_chosen(self):
        self.drop_on_voice()
        config = self.config(self.WIRED, self.VOICE)
        for name, state in (("wired", "pass"), ("voice", "fail")):
            report = self.check("provisioning", config=config, args=("--fast", "--vantage", name))
            self.assert_rows(report, provisioning=state)
            self.assertEqual({one["vantage"] for one in row(report, "provisioning")["endpoints"]}, {name})
        done = self.site.reachctl("check", "--vantage", "voise", config=config)
        self.assertEqual((done.returncode, done.stdout), (EXIT_USAGE, ""))
        self.assertIn('there is no vantage "voise"; known: wired, voice', done.stderr)

    def test_vantage_without_its_interface_is_unproven_and_the_other_still_measured(self):
        gone, moved = {"name": "gone", "interface": "eth9"}, {"name": "moved", "source": "10.99.9.9"}
        report = self.check("provisioning", "data", config=self.config(self.WIRED, gone, moved))
        self.assertEqual(report["state"], "unproven")
        self.assert_rows(report, provisioning="unproven", data="unproven")
        for one in row(report, "provisioning")["endpoints"]:
            if one["vantage"] == "wired":
                self.assert_verdict(one, "open")
            else:
                self.assert_verdict(one, "unproven", stage="route", blame="host", where=None)
                self.assertIn("eth9" if one["vantage"] == "gone" else "10.99.9.9", one["sentence"])

    def test_trouble_of_the_wired_way_leaves_the_voice_way_alone(self):
        self.fault("no-link")
        report = self.check("provisioning", "signaling", config=self.config(self.WIRED, self.VOICE))
        self.assert_rows(report, provisioning="unproven", signaling="unproven")
        self.assertNotIn("Nothing could be measured", report["sentence"])
        for one in row(report, "provisioning")["endpoints"]:
            if one["vantage"] == "wired":
                self.assert_verdict(one, "unproven", stage="route", blame="host")
            else:
                self.assert_verdict(one, "open")


if __name__ == "__main__":
    main("host", short_range=True)
