# SPDX-License-Identifier: Apache-2.0
"""`reachctl check` where nothing is wrong: what is proven, what is not and why, and what the site has to fill in.

    sudo /usr/bin/python3 tests/system/check_test.py [-v]
"""
import datetime
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import (CONNECT, CONNECT_AT, DNS1, DNS2, DR, GATEWAY, ISP, MAPS, MAPS_AT, PRIMARY,  # noqa: E402
                      PROVISIONING, SystemTest, endpoint, main, row, rows, runs)
from lab.names import NAMES  # noqa: E402

# row -> (state, words of its sentence, endpoints)
HEALTHY = {
    "provisioning": ("pass", "all 4 endpoints answer", 4),
    "provisioning-dr": ("pass", "all 2 endpoints answer", 2),
    "signaling": ("pass", "answers", 1),
    "signaling-dr": ("pass", "answers", 1),
    "data": ("pass", "all 9 endpoints are let through: 9 permitted", 9),
    "data-dr": ("pass", "all 9 endpoints are let through: 9 permitted", 9),
    "nlb": ("pass", "all 6 endpoints answer", 6),
    "apns": ("unproven", "tcp 80 to 17.0.0.0/8: no blocked address in 4 samples", 36),  # and its fallback
    "maps": ("pass", "all 6 endpoints answer", 6),
    "tcp-idle": ("unproven", "not run: an idle timer needs a long wait, which --fast leaves out", 0),
    "udp-idle": ("unproven", "not run: an idle timer needs a long wait, which --fast leaves out", 0),
    "getconf": ("pass", "all 3 endpoints answer", 3),
    "upload": ("pass", "all 3 endpoints answer", 3),
    "request-slot": ("pass", "all 3 endpoints answer", 3),
    "session": ("pass", "all 1500 endpoints are let through: 36 open, 1464 closed", 1500),
    "inbound-api": ("unproven", "cannot be seen without knowing where it is", 0),
}
BLOCK_PORTS = {"apns": ("80", "5223")}  # row -> ports at which its block is sampled: each sample counts as an endpoint
UNDECIDED = [name for name, (state, _, _) in HEALTHY.items() if state == "unproven"]
FALLBACK = {"apns": 18}  # row -> endpoints that it does not need
TLS_PORTS = (443, 5223)
COURIERS = [f"{prefix}courier.push.apple.com" for prefix in ("", "1-", "2-", "10-", "25-", "50-")]
TARGETS = {  # row -> {(name, address)}, every address of both families
    "provisioning": {(None, address) for address in PROVISIONING},
    "provisioning-dr": {(None, "35.153.48.78")},
    "signaling": {(None, PRIMARY)},
    "signaling-dr": {(None, DR)},
    "data": {(None, PRIMARY)},
    "data-dr": {(None, DR)},
    "nlb": {(None, address) for address in ("15.200.134.197", "15.200.227.26", "3.30.250.187")},
    "apns": {(name, address) for name in COURIERS for address in NAMES[name]},
    **{requirement: {(name, address) for address in NAMES[name]} for requirement, name in (
        ("maps", MAPS), ("getconf", "cfjex255ag.execute-api.us-east-1.amazonaws.com"),
        ("upload", "apc-button.s3.amazonaws.com"), ("request-slot", CONNECT), ("session", CONNECT))},
}
PORTS = {
    "provisioning": [80, 443], "provisioning-dr": [80, 443], "nlb": [80, 443], "maps": [80, 443],
    "signaling": [4200], "signaling-dr": [4200], "data": range(4200, 4209), "data-dr": range(4200, 4209),
    "apns": [80, 443, 5223], "getconf": [443], "upload": [443], "request-slot": [443], "session": range(2001, 2501),
}
SERVER_AT, EDGE_PAST = 4, (3, "203.0.113.2")  # hops from the client: the server, and the farthest router before it
SERVER_TTL = 64 - (SERVER_AT - 1)  # of its answers when they arrive
STANDING_FOR_MANY = (2001, 2011)  # of the session's range: the first that is open, the first that is closed
# The lab's links have no latency. The kernel measures handshakes; when a RST came only the program's event loop knows.
STOOD_STILL_US = 30_000_000
RTT_LIMIT_US = {"open": 50_000, "closed": 2_000_000, "permitted": 0}
LISTENING = {*range(2001, 2011), 2200, 2500}  # of the session's range; tests/support/lab/services.py


def small(requirements, **values):
    """A catalogue of the test's own."""
    return {"id": "small", "title": "Small", "document": {"title": "Small"}, "contact": "Small Support",
            "requirements": requirements, **values}


SERVICE = {"id": "web", "transport": "tcp", "destinations": [MAPS], "ports": "80,443", "expect": "service"}
LITERAL = {"id": "literal", "transport": "tcp", "destinations": [PRIMARY], "ports": "443,4200", "expect": "service"}
RANGE = {"id": "range", "transport": "tcp", "destinations": [PRIMARY], "ports": "2001-2020", "expect": "path"}
SHUT = {"id": "shut", "transport": "tcp", "destinations": [PRIMARY], "ports": 443, "expect": "blocked"}
RECOVERY = {**LITERAL, "id": "recovery", "role": "disaster_recovery", "destinations": [DR], "ports": 4200}


def is_first_hand(seen):
    """Sent as applications do, and by no probe that asks who answered, or where silence begins."""
    return not {"hop_limit", "min_ttl", "on_link"} & set(seen)


def first_hand(one):
    return [seen for seen in one["evidence"] if is_first_hand(seen)]


def inquired(one):
    return [seen for seen in one["evidence"] if not is_first_hand(seen)]


class Healthy(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.report = cls.check(cls())

    def test_every_row_has_its_state_and_says_why(self):
        self.assertEqual(set(rows(self.report)), set(HEALTHY))
        for name, (state, words, count) in HEALTHY.items():
            with self.subTest(row=name):
                one = row(self.report, name)
                self.assertEqual(one["state"], state)
                self.assertIn(words, one["sentence"])
                self.assertEqual(one["findings"], [])
                samples = len(BLOCK_PORTS.get(name, ()))
                self.assertEqual(one["counts"], {"total": count + samples, "pass": count, "fail": 0, "unproven": samples})
                self.assertEqual(len(one["endpoints"]), count + FALLBACK.get(name, 0))

    def test_site_is_unproven_and_names_the_rows_that_are(self):
        self.assertEqual(self.report["state"], "unproven")
        self.assertEqual(self.report["site"], "lab")
        self.assertEqual([one for one in self.report["findings"] if "stood still" not in one], [])
        sentence = self.report["sentence"]
        self.assertTrue(sentence.startswith("No requirement fails; 12 of 16 pass"), sentence)
        said = {word.strip(" .") for word in sentence.partition("unproven: ")[2].split(",")}
        self.assertEqual(said, set(UNDECIDED))

    def test_every_endpoint_of_every_address_of_both_families_is_there_once(self):
        for name, targets in TARGETS.items():
            with self.subTest(row=name):
                wanted = sorted((str(host), address, port) for host, address in targets for port in PORTS[name])
                found = sorted((str(one["name"]), one["address"], one["port"])
                               for one in row(self.report, name)["endpoints"])
                self.assertEqual(found, wanted)

    def test_every_endpoint_has_a_verdict_with_its_evidence(self):
        stood_still = any("stood still" in one for one in self.report["findings"])  # a busy machine: it looked late
        for name in TARGETS:
            for one in row(self.report, name)["endpoints"]:
                with self.subTest(row=name, address=one["address"], port=one["port"]):
                    silent = one["transport"] == "udp"
                    closed = name == "session" and one["port"] not in LISTENING
                    self.assert_verdict(one, "permitted" if silent else "closed" if closed else "open",
                                        where=None, blame="service" if closed else "unknown")
                    self.assertEqual(one["sentence"], self.sentence_of(name, one))
                    self.assertEqual(one.get("needed", True), (name, one["port"]) != ("apns", 443))
                    asked = first_hand(one)
                    self.assertEqual(one["evidence"][:len(asked)], asked)  # what was asked first is told first
                    self.assertEqual([(seen["probe"], seen["outcome"]) for seen in asked], self.probes_of(one))
                    for seen in one["evidence"]:
                        self.assertLessEqual({"probe", "attempt", "at", "took_us", "outcome", "text"}, set(seen))
                    source = "[fd77:1::2]:" if ":" in one["address"] else "10.77.1.2:"
                    self.assertTrue(one["evidence"][0]["source"].startswith(source), one["evidence"][0])
                    limit = STOOD_STILL_US if stood_still else RTT_LIMIT_US[one["verdict"]]
                    self.assertTrue(one["rtt_us"] is None if silent else 0 < one["rtt_us"] < limit, one["rtt_us"])
                    self.assertTrue(one["since"].endswith("Z"))
                    self.assertEqual(one.get("resolved_by"), ["system", DNS1, DNS2] if one["name"] else None)

    @staticmethod
    def probes_of(one):
        """What applications' own packets met, as (probe, outcome)."""
        if one["transport"] == "udp":
            return [("udp_send", "no_reply")] * 2  # both attempts
        if one["verdict"] == "closed":
            return [("tcp_connect", "refused")]
        confirmed = {443: ("tls", "tls"), 5223: ("tls", "tls"), 80: ("http_head", "http")}  # with a name, and at a bare address
        return [("tcp_connect", "connected"), confirmed.get(one["port"], ("tcp_confirm", "acknowledged"))]

    @staticmethod
    def sentence_of(name, one):
        if one["transport"] == "udp":
            return (f"let through: seen past the site's edge at hop {EDGE_PAST[0]} ({EDGE_PAST[1]}); "
                    "no answer came back")
        if one["verdict"] == "closed":
            return "refused by the destination itself: nothing listens there"
        if one["port"] in TLS_PORTS:
            issuer = "Lab Apple Root CA" if name == "apns" else "reachd lab CA"
            return (f"answers with a verified certificate, issued by {issuer}" if one["name"] else
                    "answers with TLS; certificate issued by reachd lab CA (no name to verify)")
        if one["port"] == 80:
            return "answers HTTP with status 200"
        return "answers, and takes data" if name.startswith("signaling") else "answers"

    def test_every_endpoint_is_looked_at_from_where_its_answer_comes_unless_a_certificate_proves_it(self):
        for name in TARGETS:
            for one in row(self.report, name)["endpoints"]:
                with self.subTest(row=name, address=one["address"], port=one["port"]):
                    met = inquired(one)
                    passed = {(seen["hop_limit"], seen["icmp"]["sender"]) for seen in met
                              if "hop_limit" in seen and seen["outcome"] == "icmp"}
                    by_ttl = [(seen["min_ttl"], seen["outcome"]) for seen in met if "min_ttl" in seen]
                    if one["transport"] == "udp":
                        self.assertIn(EDGE_PAST, passed)
                        self.assertEqual(by_ttl, [])
                    elif one["port"] in TLS_PORTS and one["name"]:
                        self.assertEqual(by_ttl, [])
                    else:  # heard with the TTL that it arrives with, and not above; surely where one stands for many
                        answer = "refused" if one["verdict"] == "closed" else "connected"
                        tries = 4 if name == "session" and one["port"] in STANDING_FOR_MANY else 2
                        self.assertEqual(by_ttl, [(SERVER_TTL, answer)] + [(SERVER_TTL + 1, "no_reply")] * tries)
                    for seen in met:
                        if "hop_limit" in seen and seen["outcome"] not in ("icmp", "no_reply"):
                            self.assertGreaterEqual(seen["hop_limit"], SERVER_AT)  # nobody answers in its name

    def test_block_is_sampled_and_too_small_a_sample_proves_nothing(self):
        for name, ports in BLOCK_PORTS.items():
            blocks = [one for one in row(self.report, name)["runs"] if one["destination"] == "17.0.0.0/8"]
            self.assertEqual([one["ports"] for one in blocks], list(ports))
            for one in blocks:
                self.assert_verdict(one, "unproven", result="unproven", where=None, blame="unknown", addresses=[])
                self.assertEqual(
                    one["sentence"],
                    f"no blocked address in 4 samples of 17.0.0.0/8 port {one['ports']}, all 4 strata (/10) "
                    "covered: with 95 % confidence less than 53 % of the block is blocked; "
                    "holes smaller than a /10 are not excluded")

    def test_named_hosts_are_verified_and_bare_addresses_only_asked(self):
        maps = row(self.report, "maps")
        for address in MAPS_AT:
            secure = endpoint(maps, address, 443)
            self.assertEqual(secure["stage"], "handshake")
            tls = first_hand(secure)[-1]["tls"]
            self.assertEqual((tls["verified"], tls["subject"], tls["issuer"]), (True, MAPS, "reachd lab CA"))
            plain = endpoint(maps, address, 80)
            self.assertEqual((plain["stage"], first_hand(plain)[-1]["http"]["status"]), ("reply", 200))
        bare = ("provisioning", "provisioning-dr", "nlb", "signaling", "signaling-dr")
        for one in (found for name in bare for found in row(self.report, name)["endpoints"]):
            last = first_hand(one)[-1]
            self.assertEqual(last["outcome"], {443: "tls", 80: "http"}.get(one["port"], "acknowledged"))
            if one["port"] == 443:
                self.assertEqual((last["tls"]["verified"], last["tls"]["anonymous"]), (False, True))

    def test_a_long_range_is_told_in_runs(self):
        session = row(self.report, "session")
        self.assertEqual(runs(session), [("2001-2010", "open"), ("2011-2199", "closed"), ("2200", "open"),
                                         ("2201-2499", "closed"), ("2500", "open")])
        for one in session["runs"]:
            self.assertEqual((one["destination"], sorted(one["addresses"])), (CONNECT, sorted(CONNECT_AT)))

    def test_names_are_told_with_what_each_server_said(self):
        answers = row(self.report, "maps")["names"][0]["answers"]
        self.assertEqual([one["server"] for one in answers], ["system", DNS1, DNS2])
        for one in answers:
            self.assertEqual(sorted(found["address"] for found in one["addresses"]), sorted(MAPS_AT))
        self.assertLessEqual(answers[1]["addresses"][0]["ttl_s"], 10)


class Values(SystemTest):
    def test_rows_whose_values_are_missing_say_whom_to_ask_and_the_others_are_checked(self):
        report = self.check("signaling", "data", "provisioning", config=self.site.config({"values": {}}))
        self.assert_rows(report, signaling="not_configured", data="not_configured", provisioning="pass")
        self.assertEqual(report["state"], "unproven")
        self.assertIn("not configured: signaling, data", report["sentence"])
        for name, value in (("signaling", "signaling_primary"), ("data", "data_primary")):
            one = row(report, name)
            self.assertIn("ask ESChat Support", one["sentence"])
            self.assertIn(f"values.eschat-govcloud.{value}", one["sentence"])
            self.assertEqual((one["endpoints"], one["checked"]), ([], None))

    def test_the_data_server_is_the_signaling_server_unless_told_otherwise(self):
        config = self.site.config({"values": {"eschat-govcloud": {"signaling_primary": ["198.51.100.9"]}}})
        report = self.check("signaling", "data", config=config)
        self.assert_rows(report, signaling="pass", data="pass")
        self.assertEqual({one["address"] for name in ("signaling", "data") for one in row(report, name)["endpoints"]},
                         {"198.51.100.9"})
        for one in row(report, "data")["endpoints"]:
            self.assert_verdict(one, "permitted", where=None, blame="unknown")

    def test_ports_and_names_that_the_site_fills_in_are_the_ones_probed(self):
        values = {"signaling_primary": [MAPS], "signaling_port": 2200,
                  "data_primary": [PRIMARY], "data_ports": "4209-4210"}
        report = self.check("signaling", "signaling-dr", "data",
                            config=self.site.config({"values": {"eschat-govcloud": values}}))
        self.assert_rows(report, signaling="pass", signaling_dr="pass", data="pass")
        self.assertEqual(sorted((one["address"], one["port"]) for one in row(report, "signaling")["endpoints"]),
                         sorted((address, 2200) for address in MAPS_AT))
        for one in row(report, "data")["endpoints"]:  # nothing listens there: the server itself says so
            self.assert_verdict(one, "closed", blame="service")


class SmallCatalogue(SystemTest):
    def small(self, *requirements):
        self.site.write("catalogues/small.json", small(list(requirements)))
        return self.check(config=self.site.config({"catalogues": ["small"], "values": {}}))

    def test_values_of_a_catalogue_that_is_not_switched_on_may_stay_in_the_file(self):
        self.site.write("catalogues/small.json", small([LITERAL]))
        report = self.check(config=self.site.config({"catalogues": ["small"]}))
        self.assertEqual(report["state"], "ready")

    def test_site_of_proven_rows_only_is_ready(self):
        report = self.small(SERVICE, LITERAL, RANGE, RECOVERY)
        self.assertEqual((report["state"], report["sentence"]), ("ready", "All 4 requirements pass."))

    def test_one_failing_row_makes_the_site_not_ready_and_the_others_still_pass(self):
        self.fault("drop", port="4200", address=PRIMARY)
        report = self.small(SERVICE, LITERAL, RANGE, RECOVERY)
        self.assert_rows(report, web="pass", literal="fail", range="pass", recovery="pass")
        self.assertEqual((report["state"], report["sentence"]), ("not_ready", "1 of 4 requirements fail: literal."))

    def test_failing_recovery_row_makes_the_site_not_ready_too(self):
        self.fault("drop", port="4200", address=DR)
        report = self.small(LITERAL, RECOVERY)
        self.assert_rows(report, literal="pass", recovery="fail")
        self.assertEqual(report["state"], "not_ready")

    def test_port_that_must_stay_shut_passes_when_a_box_rejects_it(self):
        self.fault("reject", port="443", code="admin-prohibited")
        self.assertEqual(self.small(SHUT)["state"], "ready")

    def test_port_that_must_stay_shut_fails_when_it_is_open(self):
        report = self.small(SHUT)
        self.assertEqual(report["state"], "not_ready")
        self.assertIn("shut outbound tcp 443", row(report, "shut")["advice"])

    def test_port_that_must_stay_shut_passes_when_it_is_dropped_where_the_site_ends(self):
        self.fault("drop", port="443")
        report = self.small(SHUT)
        self.assertEqual(report["state"], "ready")
        self.assert_verdict(row(report, "shut")["endpoints"][0], "blocked", blame="edge", where={
            "after": {"hop": 1, "address": GATEWAY}, "before": {"hop": 2, "address": ISP}})

    def test_port_that_must_stay_shut_is_unproven_when_silent_as_a_dead_host_looks_the_same(self):
        self.fault("icmp-filtered", at="site")  # no walk sees anything: silence has no place
        self.fault("drop", port="443")
        report = self.small(SHUT)
        self.assertEqual(report["state"], "unproven")
        self.assert_verdict(row(report, "shut")["endpoints"][0], "blocked", blame="unknown", where=None)

    def test_port_that_must_stay_shut_fails_at_a_dead_host_when_the_site_lets_it_out(self):
        self.fault("dead-address", address=PRIMARY)
        report = self.small(SHUT)
        self.assertEqual(report["state"], "not_ready")
        self.assert_verdict(row(report, "shut")["endpoints"][0], "permitted", blame="unknown", where=None)
        self.assertIn("shut outbound tcp 443", row(report, "shut")["advice"])

    def test_service_where_nothing_listens_fails_and_a_path_passes(self):
        closed = {**LITERAL, "ports": 2100}
        report = self.small(closed, {**closed, "id": "path", "expect": "path"})
        self.assert_rows(report, literal="fail", path="pass")
        self.assertIn(f"ask Small Support: the destination itself refuses tcp 2100 to {PRIMARY}",
                      row(report, "literal")["advice"])
        for name in ("literal", "path"):
            one = row(report, name)["endpoints"][0]
            self.assert_verdict(one, "closed", blame="service", where=None)
            self.assertEqual(one["sentence"], "refused by the destination itself: nothing listens there")


class Pace(SystemTest):
    def test_flows_are_paced_unless_the_check_is_told_to_be_fast(self):
        config = self.site.config({"limits": {"new_flows_per_s": 10}})
        for words, slow in ((["--fast"], False), ([], True)):
            done = self.site.reachctl("check", "--only", "provisioning", "--only", "provisioning-dr", "--only", "nlb",
                                      "--format", "json", *words, config=config)
            self.assertEqual(done.returncode, 0, done.stderr)
            at = sorted(datetime.datetime.fromisoformat(one["evidence"][0]["at"])
                        for found in rows(json.loads(done.stdout)).values() for one in found["endpoints"])
            self.assertEqual(len(at), 12)
            self.assertEqual((at[-1] - at[0]).total_seconds() > 0.8, slow, (words, at[0], at[-1]))


class DryRun(SystemTest):
    OWN_TTL = 64  # of this machine's ordinary packets; a probe with a hop limit has a lower one
    COUNTED = ("tcp flags & (syn | ack) == syn", "udp dport 4200-4208", "udp dport 53", "tcp flags & (syn | ack) == ack",
               f"ip ttl < {OWN_TTL} tcp flags & (syn | ack) == syn", f"ip ttl < {OWN_TTL} udp dport 4200-4208",
               f"ip ttl < {OWN_TTL} udp dport != 4200-4208")

    def setUp(self):
        rules = "; ".join(f"{what} counter" for what in self.COUNTED)
        self.on_client("nft", f"table inet watch {{ chain out {{ type filter hook output priority -300; {rules}; }}; }}")
        self.addCleanup(self.on_client, "nft", "delete table inet watch")

    def on_client(self, *argv):
        done = self.site.lab.exec("client", list(argv), user=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def sent(self):
        """SYNs, datagrams to the data ports, questions, other segments that left the client; then, with a hop limit (IPv4),
        SYNs, datagrams to the data ports and to others."""
        return [int(word) for word in re.findall(r"packets (\d+)", self.on_client("nft", "list table inet watch"))]

    def told(self, *only, config=None):
        words = [word for one in only for word in ("--only", one)]
        done = self.site.reachctl("check", "--dry-run", "--fast", "--format", "json", *words, config=config)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def test_it_sends_nothing_and_names_every_row(self):
        told = self.told()
        text = self.site.reachctl("check", "--dry-run").stdout
        self.assertEqual(self.sent(), [0] * len(self.COUNTED))
        self.assertEqual({one["id"] for one in told["requirements"]}, set(HEALTHY))
        for name in HEALTHY:
            self.assertRegex(text, rf"(?m)^[a-z-]+/{name}: ")
        self.assertEqual(told["dns"]["look_ups"], 12)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_check_of_silent_rows_sends_what_was_told_and_no_more(self):
        """The twin: the same rows do send."""
        self.fault("drop", address="15.200.0.0/16", proto="tcp")
        config = self.site.config({"limits": {"connect_timeout_ms": 2500}})
        told = self.told("nlb", "data", config=config)
        rows_told = told["requirements"]
        flows = {one["id"]: sum(found["flows_at_most"] for found in one["targets"]) for one in rows_told}
        packets = {one["id"]: sum(found["unanswered_packets_at_most"] for found in one["targets"]) for one in rows_told}
        self.check("nlb", "data", config=config)
        syns, datagrams, questions, _, *limited = self.sent()
        self.assertEqual((datagrams - limited[1], questions), (flows["data"], 0))
        self.assertEqual((flows, packets["data"]), ({"nlb": 12, "data": 18}, 18))
        self.assertLessEqual(syns - limited[0], packets["nlb"])
        self.assertGreater(syns - limited[0], flows["nlb"] // 2)  # SYNs are repeated
        self.assertGreaterEqual(limited[1], 9)  # each of the data ports is looked for past the edge
        self.assertLessEqual(sum(limited), told["hop_probes"]["packets_at_most"])

    def test_greetings_are_told_as_they_are_made(self):
        targets = self.told("maps")["requirements"][0]["targets"]
        self.assertEqual(targets[0]["greetings"], [{"ports": "80", "greeting": "http"}, {"ports": "443", "greeting": "tls"}])
        told = {greeting["ports"] for greeting in targets[0]["greetings"] if greeting["greeting"] != "none"}
        made = {str(one["port"]) for one in row(self.check("maps"), "maps")["endpoints"] if len(first_hand(one)) > 1}
        self.assertEqual(made, told)

    def test_one_line_a_row_is_no_format_of_it(self):
        done = self.site.reachctl("check", "--dry-run", "--format", "jsonl")
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertIn("table and json", done.stderr)


if __name__ == "__main__":
    main("check")
