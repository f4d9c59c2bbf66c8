# SPDX-License-Identifier: Apache-2.0
"""What a box on the way does to a port, and what the report makes of it: verdict, stage, blame, where. Each fault has
twins: the other port, the other address, the other row, which must not be blamed for it.

    sudo /usr/bin/python3 tests/system/blocked_test.py [-v]
"""
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import (CONNECT, CONNECT_AT, DR, GATEWAY, GATEWAY6, ISP, ISP6, PRIMARY, PROVISIONING,  # noqa: E402
                      SystemTest, endpoint, endpoints, main, row, runs, spans)

ADDRESS, OTHER = PROVISIONING
CODES = {  # of `reject --code`: ICMP type, code and name for IPv4, and the nearest for IPv6
    "net-unreachable": ((3, 0, "network unreachable"), (1, 0, "no route to destination")),
    "host-unreachable": ((3, 1, "host unreachable"), (1, 3, "address unreachable")),
    "protocol-unreachable": ((3, 2, "protocol unreachable"), (1, 1, "administratively prohibited")),
    "port-unreachable": ((3, 3, "port unreachable"), (1, 4, "port unreachable")),
    "net-prohibited": ((3, 9, "network administratively prohibited"), (1, 1, "administratively prohibited")),
    "host-prohibited": ((3, 10, "host administratively prohibited"), (1, 1, "administratively prohibited")),
    "admin-prohibited": ((3, 13, "communication administratively prohibited"), (1, 1, "administratively prohibited")),
}
LISTENERS = {*range(2001, 2011), 2200, 2500}


class Silence(SystemTest):
    def test_dropped_port_is_blocked_for_nobodys_fault_and_the_other_port_is_open(self):
        for at in ("site", "isp"):
            with self.subTest(at=at):
                self.fault("drop", at=at, proto="tcp", port="443", address=ADDRESS)
                report = self.check("provisioning", "provisioning-dr")
                self.site.lab.clear()
                self.assert_rows(report, provisioning="fail", provisioning_dr="pass")
                one = row(report, "provisioning")
                dropped = endpoint(one, ADDRESS, 443)
                self.assert_verdict(dropped, "blocked", stage="connect", blame="unknown", where=None, rtt_us=None)
                self.assertIn("no answer in 2 attempts of 500 ms", dropped["sentence"])
                self.assertIn("port 80 of the same address answers", dropped["sentence"])
                self.assertEqual([seen["outcome"] for seen in dropped["evidence"]], ["no_reply", "no_reply"])
                for address, port in ((ADDRESS, 80), (OTHER, 80), (OTHER, 443)):
                    self.assert_verdict(endpoint(one, address, port), "open")
                self.assertEqual(one["counts"], {"total": 4, "pass": 3, "fail": 1, "unproven": 0})
                self.assertIn(f"tcp 443 to {ADDRESS}", one["sentence"])
                self.assertIn(f"allow outbound tcp 443 to {ADDRESS} in the site's firewall", one["advice"])

    def test_dead_address_is_told_from_a_dropped_port(self):
        self.fault("dead-address", address=ADDRESS)
        report = self.check("provisioning", "nlb")
        self.assert_rows(report, provisioning="fail", nlb="pass")
        one = row(report, "provisioning")
        for port in (80, 443):
            dead = endpoint(one, ADDRESS, port)
            self.assert_verdict(dead, "blocked", stage="connect", blame="unknown", where=None)
            self.assertIn("nothing at this address answers while others do", dead["sentence"])
            self.assertNotIn("of the same address answers", dead["sentence"])
            self.assert_verdict(endpoint(one, OTHER, port), "open")

    def test_only_the_dead_one_of_several_addresses_of_a_name_fails(self):
        dead = CONNECT_AT[1]
        self.fault("dead-address", address=dead)
        report = self.check("request-slot", "getconf")
        self.assert_rows(report, request_slot="fail", getconf="pass")
        for address in CONNECT_AT:
            one = endpoint(row(report, "request-slot"), address, 443)
            self.assert_verdict(one, "blocked" if address == dead else "open")
        self.assertIn(f"tcp 443 to {CONNECT} ({dead})", row(report, "request-slot")["sentence"])

    def test_dropped_family_fails_while_the_other_family_is_open(self):
        self.fault("drop", address="2600:1f18:3::/48")
        report = self.check("request-slot")
        for address in CONNECT_AT:
            self.assert_verdict(endpoint(row(report, "request-slot"), address, 443),
                                "blocked" if ":" in address else "open")

    def test_everything_dropped_names_no_box(self):
        self.fault("drop")
        report = self.check("provisioning", "nlb", "signaling")
        self.assert_rows(report, provisioning="fail", nlb="fail", signaling="fail")
        self.assertEqual(report["sentence"],
                         "Nothing answers at all: the way out of this site is down, or everything is dropped.")
        for name in ("provisioning", "nlb", "signaling"):
            for one in row(report, name)["endpoints"]:
                self.assert_verdict(one, "blocked", blame="unknown", where=None)
                self.assertIn("nothing answers from here at all", one["sentence"])

    def test_some_loss_is_no_block(self):
        self.fault("loss", percent="30")
        report = self.check("provisioning", "nlb", config=self.site.config({"limits": {"attempts": 10}}))
        self.assert_rows(report, provisioning="pass", nlb="pass")


class Rejection(SystemTest):
    def test_every_icmp_code_is_told_with_the_box_that_sent_it(self):
        """From the gateway it is the site's box; from further away it may be anyone's."""
        for at, sender, sender6, blame in (("site", GATEWAY, GATEWAY6, "site"), ("isp", ISP, ISP6, "unknown")):
            for code, expected in CODES.items():
                with self.subTest(at=at, code=code):
                    self.fault("reject", at=at, proto="tcp", port="443", address=ADDRESS, code=code)
                    self.fault("reject", at=at, proto="tcp", port="443", address="2600:1f18:3::/48", code=code)
                    report = self.check("provisioning", "request-slot")
                    self.site.lab.clear()
                    self.assert_rows(report, provisioning="fail", request_slot="fail")
                    slot, provisioning = row(report, "request-slot"), row(report, "provisioning")
                    for one, (kind, number, name), box in (
                            (endpoint(provisioning, ADDRESS, 443), expected[0], sender),
                            (endpoint(slot, CONNECT_AT[2], 443), expected[1], sender6)):
                        self.assert_verdict(one, "blocked", stage="connect", blame=blame, at=box)
                        self.assertIn(f"rejected by {box}", one["sentence"])
                        self.assertIn(f"{kind}/{number}, {name}", one["sentence"])
                        self.assertEqual(len(one["evidence"]), 1)
                        icmp = one["evidence"][0]["icmp"]
                        self.assertEqual((icmp["type"], icmp["code"], icmp["sender"]), (kind, number, box))
                    for other in (endpoint(provisioning, ADDRESS, 80), endpoint(provisioning, OTHER, 443),
                                  endpoint(slot, CONNECT_AT[0], 443)):
                        self.assert_verdict(other, "open", where=None)
                    self.assertIn(f"on the box at {sender}", provisioning["advice"])

    def test_destination_that_rejects_is_the_services_fault_and_no_box_is_blamed(self):
        for code in ("port-unreachable", "admin-prohibited"):  # the packet came there: the way is free
            with self.subTest(code=code):
                self.fault("reject", at="server", proto="tcp", port="443", address=ADDRESS, code=code)
                report = self.check("provisioning")
                self.site.lab.clear()
                self.assert_rows(report, provisioning="fail")
                one = endpoint(row(report, "provisioning"), ADDRESS, 443)
                self.assert_verdict(one, "closed", stage="connect", blame="service", where=None)
                self.assert_verdict(endpoint(row(report, "provisioning"), OTHER, 443), "open")

    def test_loop_on_the_way_is_told_as_one(self):
        back = [f"{ADDRESS}/32", "via", "203.0.113.1"]  # the internet sends it back to the provider
        self.site.lab.exec("internet", ["ip", "route", "replace", *back], user=False, check=True)
        try:
            report = self.check("provisioning")
        finally:
            original = [f"{ADDRESS}/32", "via", "203.0.113.6"]
            self.site.lab.exec("internet", ["ip", "route", "replace", *original], user=False, check=True)
        self.assert_rows(report, provisioning="fail")
        for port in (80, 443):
            one = endpoint(row(report, "provisioning"), ADDRESS, port)
            self.assert_verdict(one, "blocked")
            self.assertIn("goes round in a routing loop", one["sentence"])
            self.assert_verdict(endpoint(row(report, "provisioning"), OTHER, port), "open")


class Reset(SystemTest):
    def test_reset_by_a_box_is_no_open_port_and_the_other_port_is(self):
        """A forged reset cannot be told from the destination's yet: closed, which names both and blames neither."""
        for at in ("site", "isp"):
            with self.subTest(at=at):
                self.fault("rst", at=at, port="443", address=ADDRESS)
                report = self.check("provisioning", "provisioning-dr")
                self.site.lab.clear()
                self.assert_rows(report, provisioning="fail", provisioning_dr="pass")
                one = endpoint(row(report, "provisioning"), ADDRESS, 443)
                self.assert_verdict(one, "closed", stage="connect", blame="unknown", where=None)
                self.assertIn("nothing listens there, or a firewall refuses in its name", one["sentence"])
                self.assertEqual([seen["outcome"] for seen in one["evidence"]], ["refused"])
                for address, port in ((ADDRESS, 80), (OTHER, 443)):
                    self.assert_verdict(endpoint(row(report, "provisioning"), address, port), "open")

    def test_service_that_is_down_reads_the_same_and_blames_nobody(self):
        self.fault("closed", port="4200", proto="tcp", address=PRIMARY)
        report = self.check("signaling", "signaling-dr")
        self.assert_rows(report, signaling="fail", signaling_dr="pass")
        self.assert_verdict(endpoint(row(report, "signaling"), PRIMARY, 4200), "closed", blame="unknown", where=None)
        self.assertIn("ask ESChat Support whether anything listens", row(report, "signaling")["advice"])


class Range(SystemTest):
    """TechConnect, 2001-2500, on three addresses."""

    @staticmethod
    def spans_with(low, high, verdict):
        """The spans of one address when the ports low to high have the verdict there."""
        return spans({"endpoints": [{
            "address": "any", "name": None, "port": port,
            "verdict": verdict if low <= port <= high else "open" if port in LISTENERS else "closed",
        } for port in range(2001, 2501)]}, "any")

    def test_dropped_part_of_the_range_has_exact_ends(self):
        self.fault("drop", proto="tcp", port="2100-2199", address="34.0.0.0/24")
        report = self.check("session", "request-slot")
        self.assert_rows(report, session="fail", request_slot="pass")
        for address in CONNECT_AT:
            wanted = self.spans_with(2100, 2199, "closed" if ":" in address else "blocked")
            self.assertEqual(spans(row(report, "session"), address), wanted)
        self.assertEqual(row(report, "session")["counts"], {"total": 1500, "pass": 1300, "fail": 200, "unproven": 0})
        self.assertIn(f"to {CONNECT}", row(report, "session")["sentence"])

    def test_rejected_part_of_the_range_is_one_run_with_exact_ends_and_its_box(self):
        self.fault("reject", proto="tcp", port="2300-2500", code="admin-prohibited")
        # kernels before 6.12 limit the ICMP errors of the whole machine to 1000 a second
        config = self.site.config({"limits": {"new_flows_per_s": 700}})
        report = self.check("session", "request-slot", config=config, args=())
        self.assert_rows(report, session="fail", request_slot="pass")
        for address in CONNECT_AT:
            wanted = self.spans_with(2300, 2500, "blocked")
            self.assertEqual(spans(row(report, "session"), address), wanted)
            own = [one for one in row(report, "session")["runs"] if address in one["addresses"]]
            self.assertEqual(runs({"runs": own}), wanted)
        for one in row(report, "session")["runs"]:
            if one["verdict"] == "blocked":
                box = GATEWAY6 if ":" in one["addresses"][0] else GATEWAY
                self.assert_verdict(one, "blocked", blame="site", at=box, ports="2300-2500", result="fail")
            else:
                self.assertEqual((one["where"], one["result"]), (None, "pass"))

    def test_rejected_part_at_one_address_leaves_the_others_alone(self):
        self.fault("reject", at="isp", proto="tcp", port="2001-2050", address=CONNECT_AT[0])
        report = self.check("session", "request-slot")
        self.assert_rows(report, session="fail", request_slot="pass")
        for address in CONNECT_AT:
            wanted = self.spans_with(2001, 2050, "blocked") if address == CONNECT_AT[0] else self.spans_with(1, 0, None)
            self.assertEqual(spans(row(report, "session"), address), wanted)

    def test_whole_range_dropped_is_told_from_a_dead_address_by_the_row_next_door(self):
        self.fault("drop", proto="tcp", port="2001-2500")
        report = self.check("session", "request-slot")
        self.assert_rows(report, session="fail", request_slot="pass")
        for one in row(report, "session")["endpoints"]:
            self.assert_verdict(one, "blocked", blame="unknown", where=None)
            self.assertIn("port 443 of the same address answers", one["sentence"])

    def test_equal_silence_is_one_run_however_busy_the_machine_is(self):
        self.fault("drop", proto="tcp", port="2001-2500")
        on_one_processor = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
        rivals = [subprocess.Popen([*on_one_processor, "sh", "-c", "while :; do :; done"]) for _ in range(4)]
        try:
            for _ in range(12):
                one = row(self.check("session", before=on_one_processor), "session")
                self.assertEqual(runs(one), [("2001-2500", "blocked")])
        finally:
            for rival in rivals:
                rival.kill()
                rival.wait()

    def test_range_that_a_box_with_limited_icmp_rejects_is_never_called_open(self):
        """A Linux router tells six rejections at once, then one a second; the others end in silence: blocked too."""
        self.limit_icmp()
        self.fault("reject", proto="tcp", port="2001-2500", code="admin-prohibited")
        report = self.check("session")
        self.assertEqual({one["verdict"] for one in row(report, "session")["endpoints"]}, {"blocked"})

    def test_range_that_a_box_with_limited_icmp_rejects_is_told_as_one_run(self):
        self.limit_icmp()
        self.fault("reject", proto="tcp", port="2001-2500", code="admin-prohibited")
        config = self.site.config({"limits": {"new_flows_per_s": 500}})
        one = row(self.check("session", "request-slot", config=config, args=()), "session")
        self.assertLessEqual(len(one["runs"]), len(CONNECT_AT))
        self.assertIn(f"allow outbound tcp 2001-2500 to {CONNECT}", one["advice"])

    def limit_icmp(self):
        self.site.lab.sysctl("site", {"ipv4/icmp_ratelimit": "1000", "ipv6/icmp/ratelimit": "1000"})
        self.addCleanup(self.site.lab.sysctl, "site", {"ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"})


class Datagrams(SystemTest):
    """UDP 4200-4208: a data port answers only its own protocol."""

    def test_silent_drop_is_unproven_as_it_looks_like_a_silent_service(self):
        healthy = row(self.check("data"), "data")
        self.fault("drop", proto="udp", port="4200-4208")
        dropped = row(self.check("data"), "data")
        for one in (healthy, dropped):
            self.assertEqual((one["state"], runs(one)), ("unproven", [("4200-4208", "unproven")]))
            for found in one["endpoints"]:
                self.assert_verdict(found, "unproven", stage="reply", blame="unknown", where=None)
        self.assertEqual(healthy["sentence"], dropped["sentence"])

    def test_rejected_datagram_is_blocked_at_the_box_and_its_neighbours_are_not(self):
        for at, sender, blame in (("site", GATEWAY, "site"), ("isp", ISP, "unknown")):
            with self.subTest(at=at):
                self.fault("reject", at=at, proto="udp", port="4200-4203", address=PRIMARY, code="admin-prohibited")
                report = self.check("data", "data-dr", "signaling")
                self.site.lab.clear()
                self.assert_rows(report, data="fail", data_dr="unproven", signaling="pass")
                self.assertEqual(runs(row(report, "data")), [("4200-4203", "blocked"), ("4204-4208", "unproven")])
                for one in endpoints(row(report, "data")):
                    if one["port"] <= 4203:
                        self.assert_verdict(one, "blocked", stage="connect", blame=blame, at=sender)
                    else:
                        self.assert_verdict(one, "unproven", where=None)

    def test_server_that_says_nothing_listens_proves_the_path(self):
        self.fault("closed", port="4200-4208", proto="udp", address=DR)
        report = self.check("data", "data-dr")
        self.assert_rows(report, data="unproven", data_dr="pass")
        for one in endpoints(row(report, "data-dr")):
            self.assert_verdict(one, "closed", blame="service", where=None)


if __name__ == "__main__":
    main("blocked")
