# SPDX-License-Identifier: Apache-2.0
"""DNS servers that are silent, fail or lie, one of them or both: what the rows say, and which server is named. Twins:
the other server is not accused, and rows of literal addresses do not change.

    sudo /usr/bin/python3 tests/system/names_test.py [-v]
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import (DNS1, DNS2, MAPS, MAPS_AT, SystemTest, endpoint, main, row, rows)  # noqa: E402

SERVERS = {"1": DNS1, "2": DNS2}
NAMED, LITERAL, OTHER_NAME = "maps", "nlb", "getconf"
SAYS = {"silent": "no reply", "servfail": "server failure (SERVFAIL)", "nxdomain": "no such name (NXDOMAIN)",
        "refused": "query refused (REFUSED)"}
LIES = {"wrong": "192.0.2.66", "private": "10.77.1.80"}
ADVICE = f"make {MAPS} resolve on every DNS server of this machine"


class OneServer(SystemTest):
    def test_server_without_an_answer_is_named_and_the_other_ones_addresses_are_probed(self):
        for mode, words in SAYS.items():
            for number, bad in SERVERS.items():
                good = SERVERS["2" if number == "1" else "1"]
                with self.subTest(mode=mode, server=bad):
                    self.fault("dns", server=number, mode=mode)
                    report = self.check(NAMED, LITERAL)
                    self.site.lab.clear()
                    self.assert_rows(report, nlb="pass")
                    one = row(report, NAMED)
                    self.assertIn(f"{MAPS}: DNS server {bad} says: {words}", one["findings"])
                    self.assertNotIn(f"DNS server {good}", " ".join(one["findings"]))
                    self.assertEqual(row(report, LITERAL)["findings"], [])
                    for address in MAPS_AT:
                        found = endpoint(one, address, 443)
                        self.assert_verdict(found, "open")
                        self.assertIn(good, found["resolved_by"])
                        self.assertNotIn(bad, found["resolved_by"])

    def test_server_that_fails_for_several_names_is_told_once_for_the_site(self):
        for number, bad in SERVERS.items():
            with self.subTest(server=bad):
                self.fault("dns", server=number, mode="servfail")
                report = self.check(NAMED, OTHER_NAME, "request-slot", LITERAL)
                self.site.lab.clear()
                self.assertEqual(report["findings"], [f"DNS server {bad} fails for 3 names: {SAYS['servfail']}"])
                for one in rows(report).values():
                    self.assertEqual(one["findings"], [])

    def test_only_the_name_in_question_is_touched(self):
        self.fault("dns", server="1", mode="servfail", name=MAPS)
        report = self.check(NAMED, OTHER_NAME)
        self.assertEqual(row(report, OTHER_NAME)["findings"], [])
        self.assertEqual((len(row(report, NAMED)["findings"]), report["findings"]), (1, []))

    def test_second_server_that_fails_changes_nothing_for_applications(self):
        for mode in SAYS:
            with self.subTest(mode=mode):
                self.fault("dns", server="2", mode=mode)
                report = self.check(NAMED)
                self.site.lab.clear()
                self.assertEqual(report["state"], "ready")
                self.assertNotIn("for applications", row(report, NAMED)["sentence"])

    def test_name_that_applications_do_not_get_is_said_though_a_server_answers(self):
        """NXDOMAIN ends the search of getaddrinfo; after SERVFAIL it asks the next server."""
        self.fault("dns", server="1", mode="nxdomain")
        report = self.check(NAMED)
        self.assertIn(f"does not resolve for applications (getaddrinfo: {SAYS['nxdomain']}), though {DNS2} answers",
                      row(report, NAMED)["sentence"])

    def test_name_that_applications_do_not_get_does_not_pass(self):
        self.fault("dns", server="1", mode="nxdomain")
        self.assertNotEqual(row(self.check(NAMED), NAMED)["state"], "pass")

    def test_t23_lying_server_is_named_and_the_other_ones_addresses_are_probed(self):
        for mode, lie in LIES.items():
            for number, bad in SERVERS.items():
                good = SERVERS["2" if number == "1" else "1"]
                with self.subTest(mode=mode, server=bad):
                    self.fault("dns", server=number, mode=mode)
                    report = self.check(NAMED, LITERAL)
                    self.site.lab.clear()
                    self.assert_rows(report, maps="fail", nlb="pass")
                    one = row(report, NAMED)
                    for port in (80, 443):
                        forged = endpoint(one, lie, port)
                        self.assert_verdict(forged, "intercepted", stage="resolve", blame="unknown", where=None,
                                            evidence=[])
                        self.assertIn(bad, forged["sentence"])
                        self.assertNotIn(good, forged["sentence"])
                        self.assertIn(bad, forged["resolved_by"])
                        for address in MAPS_AT:
                            found = endpoint(one, address, port)
                            self.assert_verdict(found, "open")
                            self.assertEqual([said for said in found["resolved_by"] if said != "system"], [good])
                    self.assertEqual(len(one["findings"]), 1)
                    self.assertIn("DNS servers differ", one["findings"][0])
                    self.assertIn(f"{bad} says {lie}", one["findings"][0])
                    self.assertIn(f"have the site's DNS answer {MAPS} with its public addresses", one["advice"])


class BothServers(SystemTest):
    def test_name_that_nobody_answers_is_unresolved_and_each_server_is_quoted(self):
        for mode, words in SAYS.items():
            with self.subTest(mode=mode):
                self.fault("dns", server="both", mode=mode)
                report = self.check(NAMED, LITERAL)
                self.site.lab.clear()
                self.assert_rows(report, maps="fail", nlb="pass")
                one = row(report, NAMED)
                self.assertEqual([(found["address"], found["port"]) for found in one["endpoints"]],
                                 [(None, 80), (None, 443)])
                for found in one["endpoints"]:
                    self.assert_verdict(found, "unresolved", stage="resolve", blame="unknown", where=None, evidence=[])
                    self.assertEqual(found["sentence"], f"does not resolve ({DNS1}: {words}; {DNS2}: {words})")
                self.assertIn(ADVICE, one["advice"])

    def test_each_server_is_quoted_with_its_own_trouble(self):
        self.fault("dns", server="1", mode="refused", name=MAPS)
        self.fault("dns", server="2", mode="nxdomain", name=MAPS)
        report = self.check(NAMED, OTHER_NAME, LITERAL)
        self.assert_rows(report, maps="fail", getconf="pass", nlb="pass")
        self.assertIn(f"({DNS1}: {SAYS['refused']}; {DNS2}: {SAYS['nxdomain']})", row(report, NAMED)["sentence"])
        self.assertEqual(row(report, OTHER_NAME)["findings"], [])

    def test_t23_private_answer_of_both_is_a_forged_name_and_nothing_is_probed(self):
        for mode, lie in LIES.items():
            with self.subTest(mode=mode):
                self.fault("dns", mode=mode, name=MAPS)
                report = self.check(NAMED, OTHER_NAME)
                self.site.lab.clear()
                self.assert_rows(report, maps="fail", getconf="pass")
                one = row(report, NAMED)
                self.assertEqual({found["address"] for found in one["endpoints"]}, {lie})
                for found in one["endpoints"]:
                    self.assert_verdict(found, "intercepted", stage="resolve", evidence=[])

    def test_private_answer_passes_where_the_catalogue_expects_one(self):
        """The same fault, and a row whose service really lives in private space."""
        self.fault("dns", mode="private", name=MAPS)
        catalogue = {"id": "inside", "title": "Inside", "document": {"title": "Inside"}, "contact": "Support",
                     "requirements": [{"id": "inside", "transport": "tcp", "destinations": [MAPS], "ports": 53,
                                       "expect": "path", "private_answers": True}]}
        self.site.write("catalogues/inside.json", catalogue)
        one = row(self.check(config=self.site.config({"catalogues": ["inside"], "values": {}})), "inside")
        self.assertEqual({found["address"] for found in one["endpoints"]}, {LIES["private"]})
        self.assertNotIn("intercepted", {found["verdict"] for found in one["endpoints"]})
        self.assertTrue(all(found["evidence"] for found in one["endpoints"]))


class Wildcard(SystemTest):
    """A resolver that gives one public address for every name, as a captive portal does."""

    def test_t23_one_public_address_for_names_of_different_owners_is_forged(self):
        owners = ("maps", "getconf", "request-slot")  # googleapis.com, amazonaws.com, helpdeskbuttons.com
        self.lie_about(MAPS, "cfjex255ag.execute-api.us-east-1.amazonaws.com", "connect.helpdeskbuttons.com")
        report = self.check(*owners, LITERAL)
        # The lab's server has every name's certificate: where TLS proves the name, its address is no forgery.
        self.assert_rows(report, maps="fail", getconf="pass", request_slot="pass", nlb="pass")
        for name in ("maps",):
            found = [one for one in row(report, name)["endpoints"] if (one["address"], one["port"]) == ("17.1.2.3", 80)]
            self.assertTrue(found)
            for one in found:
                self.assert_verdict(one, "intercepted", stage="resolve")
                self.assertIn("3 names of different owners all resolve to 17.1.2.3", one["sentence"])

    def test_names_of_one_owner_may_share_an_address(self):
        self.lie_about("courier.push.apple.com", "1-courier.push.apple.com", "2-courier.push.apple.com",
                       "10-courier.push.apple.com", "25-courier.push.apple.com", "50-courier.push.apple.com")
        for one in row(self.check("apns"), "apns")["endpoints"]:
            self.assert_verdict(one, "open")

    def lie_about(self, *names):
        """In the client's hosts file, which every resolver of an application reads first."""
        path = pathlib.Path("/etc/netns", f"{self.site.lab.id}-client", "hosts")
        before = path.read_text(encoding="ascii")
        self.addCleanup(path.write_text, before, encoding="ascii")
        path.write_text(before + "".join(f"17.1.2.3 {name}\n" for name in names), encoding="ascii")


class Nat64(SystemTest):
    """A DNS64: what it makes of IPv4 addresses is told for what it is. The lab has no NAT64 behind it."""
    PREFIX, MADE = "64:ff9b::/96", ("64:ff9b::8efa:a", "142.250.0.10")

    def test_synthesised_addresses_are_told_from_real_ones(self):
        self.fault("dns", mode="dns64")
        report = self.check(NAMED)
        self.assertEqual(report["nat64"], self.PREFIX)
        self.assertIn(f"this network has a NAT64: IPv6 addresses in {self.PREFIX}", report["findings"][0])
        made = {one["address"]: one.get("synthesised_from") for one in row(report, NAMED)["endpoints"]}
        self.assertEqual(made, {MAPS_AT[0]: None, MAPS_AT[1]: None, self.MADE[0]: self.MADE[1]})
        found = endpoint(row(report, NAMED), self.MADE[0], 443)
        self.assertIn(f"; this address is the NAT64's synthesis of {self.MADE[1]}", found["sentence"])
        doctor = self.site.reachctl("doctor").stdout
        self.assertIn(f"DNS server {DNS1} makes IPv6 addresses in {self.PREFIX} of IPv4 ones",
                      " ".join(doctor.split()))

    def test_nothing_is_said_of_it_where_there_is_none(self):
        report = self.check(NAMED)
        self.assertEqual((report["nat64"], report["findings"]), (None, []))
        self.assertNotIn("nat64", self.site.reachctl("doctor").stdout)


if __name__ == "__main__":
    main("names")
