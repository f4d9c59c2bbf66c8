# SPDX-License-Identifier: Apache-2.0
"""`reachctl rules`: what it asks for is what the site needs. Its output is loaded into the site's router.

    sudo /usr/bin/python3 tests/system/rules_test.py [-v]
"""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import (EXIT_CONFIG, EXIT_USAGE, MAPS_AT, PRIMARY, SystemTest, main, row, rows)  # noqa: E402
from lab.names import NAMES  # noqa: E402

FORMATS = ("table", "nftables", "iptables", "asa", "panos", "fortigate", "aws")
OUTBOUND_TCP = ("provisioning", "provisioning-dr", "signaling", "signaling-dr", "nlb", "maps", "getconf", "upload",
                "request-slot", "session", "apns")
DENY = "table inet deny { chain forward { type filter hook forward priority filter; policy drop; " \
       "ct state established,related accept; }; }"


class RulesTest(SystemTest):
    def setUp(self):
        self.addCleanup(self.unload)

    def on_site(self, *argv, text=None):
        """Runs a program of the firewall's administrator on the site's router; its output."""
        done = self.site.lab.exec("site", list(argv), user=False, input=text)
        self.assertEqual(done.returncode, 0, f"{argv}: {done.stderr}")
        return done.stdout

    def unload(self):
        for table in ("inet reachd_rules", "inet reachd_rules_part", "inet deny"):
            self.site.lab.exec("site", ["nft", "delete", "table", *table.split()], user=False)
        for program in ("iptables", "ip6tables"):
            for words in (["-P", "FORWARD", "ACCEPT"], ["-F"], ["-X"]):
                self.on_site(program, *words)

    def rules(self, *words, code=0, **keywords):
        done = self.site.reachctl("rules", *words, **keywords)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout

    def report_file(self, name="report.json"):
        """A check's report as a file; the report too."""
        report = self.check()
        return str(self.site.write(name, report)), report


class Loaded(RulesTest):
    def load_nftables(self, text):
        path = str(self.site.write("rules.nft", text))
        self.on_site("nft", "-c", "-f", path)
        for _ in range(2):  # loading twice is loading once
            self.on_site("nft", "-f", path)
            listed = self.on_site("nft", "list", "table", "inet", "reachd_rules")
        self.assertEqual(listed.count('accept comment "eschat-govcloud/nlb"'), 1)
        return listed

    def load_iptables(self, text):
        path = str(self.site.write("rules.iptables", text))
        for program in ("iptables", "ip6tables"):
            self.on_site(f"{program}-restore", "--noflush", "--test", path)
            for _ in range(2):
                self.on_site(f"{program}-restore", "--noflush", path)
        listed = self.on_site("iptables-save") + self.on_site("ip6tables-save")
        self.assertEqual(listed.count("-A FORWARD -j reachd-allow"), 2)
        return listed

    def assert_all_that_can_be_proven_passes(self):
        report = self.check()
        self.assertEqual([name for name, one in rows(report).items() if one["state"] == "fail"], [],
                         report["sentence"])
        self.assertIn("No requirement fails; 12 of 16 pass", report["sentence"])

    def test_default_deny_without_rules_fails_every_tcp_row(self):
        """The twin: what passes below passes because of the rules."""
        self.on_site("nft", "-f", "-", text=DENY)
        report = self.check()
        self.assertEqual(report["state"], "not_ready")
        self.assert_rows(report, **{name.replace("-", "_"): "fail" for name in OUTBOUND_TCP})

    def test_nftables_rules_made_from_a_report_let_everything_through(self):
        path, _ = self.report_file()
        listed = self.load_nftables(self.rules("--format", "nftables", "--report", path))
        for word in ("policy drop", "established : 780", "replied : 120"):
            self.assertIn(word, listed)
        self.assert_all_that_can_be_proven_passes()

    def test_nftables_rules_deny_what_no_row_asks_for(self):
        path, _ = self.report_file()
        self.load_nftables(self.rules("--format", "nftables", "--report", path))
        extra = {"id": "extra", "transport": "tcp", "destinations": [PRIMARY], "ports": "443,2001"}
        self.site.write("catalogues/extra.json", {"id": "extra", "requirements": [extra]})
        report = self.check(config=self.site.config({"catalogues": ["extra"]}))
        self.assert_rows(report, extra="fail")

    def test_iptables_rules_made_from_a_report_let_everything_through(self):
        path, _ = self.report_file()
        listed = self.load_iptables(self.rules("--format", "iptables", "--report", path))
        self.assertEqual(listed.count(":FORWARD DROP"), 2)
        self.assert_all_that_can_be_proven_passes()

    def test_iptables_rules_leave_the_other_chains_alone(self):
        self.on_site("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        listed = self.load_iptables(self.rules("--format", "iptables"))
        self.assertIn("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", listed)

    def test_rules_with_names_resolved_now_let_everything_through(self):
        self.load_nftables(self.rules("--format", "nftables", "--resolve"))
        self.assert_all_that_can_be_proven_passes()

    def test_rules_made_without_any_addresses_lack_the_names_and_say_which(self):
        """The twin of --resolve: nothing is asked of DNS unless it is told to."""
        self.fault("dns", server="both", mode="silent")
        text = self.rules("--format", "nftables", timeout=5)
        self.site.lab.clear()
        for name in ("maps.googleapis.com", "connect.helpdeskbuttons.com"):
            self.assertRegex(text, f"(?m)^# No address is known here, .*{name}")
        self.load_nftables(text)
        self.assert_rows(self.check("maps", "nlb"), maps="fail", nlb="pass")

    def test_idle_timers_reach_the_flows_of_the_rows_that_ask_for_them(self):
        path, _ = self.report_file()
        text = self.rules("--format", "nftables", "--report", path)
        self.assertRegex(text, rf'ip daddr {PRIMARY} tcp dport 4200 ct timeout set "idle_1_ip"')
        self.assertRegex(text, rf'ip daddr {PRIMARY} udp dport 4200-4208 ct timeout set "idle_2_ip"')


class Failing(RulesTest):
    def failing(self, *words, **faults):
        self.fault("drop", **faults)
        path, report = self.report_file("failing.json")
        return self.rules("--failing", "--report", path, *words), report

    def test_only_what_was_missing_is_asked_for(self):
        text, report = self.failing("--format", "aws", port="443", address="15.200.134.197")
        self.assert_rows(report, nlb="fail", provisioning="pass")
        self.assertEqual([(one["FromPort"], one["ToPort"], one["IpRanges"][0]["CidrIp"]) for one in json.loads(text)],
                         [(443, 443, "15.200.134.197/32")])

    def test_a_blocked_part_of_a_range_is_asked_for_with_every_address_of_the_name(self):
        text, _ = self.failing("--format", "nftables", "--only", "session", port="2010-2019")
        accepted = [line for line in text.splitlines() if " accept comment " in line]
        self.assertEqual([line.split("daddr")[0].strip() for line in accepted], ["ip", "ip6"])
        for line in accepted:
            self.assertIn("tcp dport 2010-2019 accept", line)

    def test_nothing_is_asked_for_where_nothing_fails(self):
        path, _ = self.report_file()
        self.assertEqual(json.loads(self.rules("--failing", "--report", path, "--format", "aws")), [])
        self.assertIn("No rule to ask for.", self.rules("--failing", "--report", path))

    def test_a_server_that_refuses_is_no_matter_for_the_firewall(self):
        self.fault("closed", port="443", address="15.200.134.197")
        path, report = self.report_file()
        self.assert_rows(report, nlb="fail")
        text = self.rules("--failing", "--report", path)
        self.assertIn("No rule to ask for.", text)
        self.assertIn("no rule helps: eschat-govcloud/nlb: tcp 443 to 15.200.134.197", " ".join(text.split()))

    def test_loaded_beside_the_old_rules_they_mend_what_failed(self):
        """A firewall that lacks one row: the lines of the part are what it needs."""
        path, _ = self.report_file()
        whole = self.rules("--format", "iptables", "--report", path)
        lacking = "".join(line for line in whole.splitlines(keepends=True) if '"eschat-govcloud/maps"' not in line)
        for program in ("iptables", "ip6tables"):
            self.on_site(f"{program}-restore", "--noflush", text=lacking)
        path, report = self.report_file("lacking.json")
        self.assertEqual([name for name, one in rows(report).items() if one["state"] == "fail"], ["maps"])
        part = self.rules("--failing", "--format", "iptables", "--report", path)
        self.assertEqual(part.count("-j ACCEPT"), len(MAPS_AT))
        for program in ("iptables", "ip6tables"):
            self.on_site(f"{program}-restore", "--noflush", text=part)
            self.on_site(program, "-I", "FORWARD", "-j", "reachd-part")
        self.assert_rows(self.check("maps"), maps="pass")

    def test_the_daemons_report_is_asked_where_no_file_is_given(self):
        self.fault("drop", port="443", address="15.200.134.197")
        with self.site.daemon() as daemon:
            daemon.await_checked()
            daemon.await_row("nlb", "fail")
            done = daemon.reachctl("rules", "--failing", "--format", "panos")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("set address reachd-15.200.134.197 ip-netmask 15.200.134.197/32", done.stdout)
            self.assertEqual(done.stdout.count("set rulebase security rules"), 2)
            whole = daemon.reachctl("rules", "--format", "nftables").stdout
        for address in NAMES["maps.googleapis.com"]:
            self.assertIn(address, whole)

    def test_without_a_daemon_and_a_file_failing_rows_are_not_known(self):
        done = self.site.reachctl("rules", "--failing", runtime="nowhere")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("--report FILE", done.stderr)


class Usage(RulesTest):
    def test_unknown_format_is_wrong_usage_and_all_are_listed(self):
        done = self.site.reachctl("rules", "--format", "yaml")
        self.assertEqual((done.returncode, done.stdout), (EXIT_USAGE, ""))
        self.assertIn("one of " + ", ".join(FORMATS), done.stderr)

    def test_unknown_row_is_wrong_usage_and_the_nearest_is_named(self):
        done = self.site.reachctl("rules", "--only", "mapps")
        self.assertEqual((done.returncode, done.stdout), (EXIT_USAGE, ""))
        self.assertIn("did you mean 'maps'?", done.stderr)

    def test_what_is_no_report_is_said(self):
        for content, words in ("{}", "it is no site report"), ("[1,", ":1: "), ("", ": is empty"):
            path = self.site.write("odd.json", content)
            done = self.site.reachctl("rules", "--report", str(path))
            self.assertEqual((done.returncode, done.stdout), (EXIT_CONFIG, ""))
            self.assertIn(str(path), done.stderr)
            self.assertIn(words, done.stderr)
        for path in ("/nowhere.json", "/"):
            done = self.site.reachctl("rules", "--report", path)
            self.assertEqual((done.returncode, done.stdout), (EXIT_CONFIG, ""))
            self.assertIn(f"{path}: ", done.stderr)

    def test_every_format_names_every_row_that_it_can(self):
        path, report = self.report_file()
        wanted = [name for name, one in rows(report).items() if one["kind"] == "outbound"]
        for name in FORMATS:
            output = self.site.fresh_directory("out") / name
            self.assertEqual(self.rules("--format", name, "--report", path, "--output", str(output)), "")
            text = output.read_text(encoding="ascii")
            for one in wanted:
                self.assertIn(one, text, name)

    def test_blank_and_inbound_rows_are_comments_that_say_whom_to_ask(self):
        config = self.site.config({"values": {}})
        for name, sign in ("nftables", "#"), ("iptables", "#"), ("asa", "!"), ("panos", "#"), ("fortigate", "#"):
            text = self.rules("--format", name, config=config)
            self.assertRegex(text, f"(?m)^{sign} not configured: eschat-govcloud/signaling: .*ask ESChat Support")
            self.assertRegex(text, f"(?m)^{sign} inbound: helpdesk-buttons/inbound-api: tcp from 174.129.157.90 ")

    def test_only_narrows_to_a_part_that_denies_nothing(self):
        text = self.rules("--only", "nlb", "--format", "nftables")
        self.assertEqual(text.count(" accept comment "), 1)
        self.assertNotIn("policy drop", text)
        path = str(self.site.write("part.nft", text))
        for _ in range(2):
            self.on_site("nft", "-f", path)
        self.assertEqual(row(self.check("maps"), "maps")["state"], "pass")


if __name__ == "__main__":
    main("rules", short_range=True)
