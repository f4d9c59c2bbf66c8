# SPDX-License-Identifier: Apache-2.0
"""The daemon over time: rounds come again, a fault and its end are noticed and told to those who listen, a long range
is gone through in turn, and monitoring gets its line.

    sudo /usr/bin/python3 tests/system/schedule_test.py [-v]
"""
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import CONNECT_AT, MAPS, PRIMARY, PROVISIONING, SystemTest, endpoints, main, wait_until  # noqa: E402

FIRST_ROUND_S = 90.0  # of a range of 1500 endpoints: it is seen from where they answer, too
EVERY_SECOND = {"schedule": {"interval_s": 1}}
PERFDATA = (r"'pass'=(\d+);;;0;(\d+) 'fail'=(\d+);;0;0;(\d+) 'unproven'=(\d+);;;0;(\d+) "
            r"'not_configured'=(\d+);;;0;(\d+) 'endpoints_ok'=(\d+);;;0;(\d+) 'age'=(\d+s|U);;;0")


def provable(*requirements):
    """A catalogue of the test's own whose rows can be ready."""
    return {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "Support",
            "requirements": requirements}


SIGNALING = {"id": "signaling", "transport": "tcp", "destinations": [PRIMARY], "ports": 4200, "expect": "service"}
WEB = {"id": "web", "transport": "tcp", "destinations": [MAPS], "ports": "80,443", "expect": "service"}
RANGE = {"id": "range", "transport": "tcp", "destinations": ["connect.helpdeskbuttons.com"], "ports": "2001-2500",
         "expect": "path"}


class WithDaemon(SystemTest):
    def start(self, *requirements, **changes):
        self.site.write("catalogues/own.json", provable(*requirements))
        config = self.site.config({**EVERY_SECOND, "catalogues": ["own"], "values": {}, **changes})
        context = self.site.daemon(config=config)
        daemon = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return daemon


class Rounds(WithDaemon):
    def changes_of(self, client, requirement):
        """What a subscriber was told of a row so far."""
        seen = []
        client.ask("version")  # everything before its answer has been read then
        for message in client.notifications:
            if message["params"]["kind"] == "verdict.changed" and message["params"]["requirement"] == requirement:
                seen.append(message["params"])
        return seen

    def test_every_row_is_measured_again_each_interval(self):
        daemon = self.start(SIGNALING, WEB)
        daemon.await_checked()
        seen = {name: set() for name in ("signaling", "web")}
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for name in seen:
                seen[name].add(daemon.row(name)["checked"])
            time.sleep(0.1)
        for name, times in seen.items():
            self.assertTrue(4 <= len(times) <= 8, (name, sorted(times)))

    def test_fault_and_its_end_are_noticed_and_told_and_the_other_row_is_left_alone(self):
        daemon = self.start(SIGNALING, WEB)
        daemon.await_checked()
        before = daemon.row("web")["since"]
        with daemon.connect() as client:
            snapshot = client.ask("subscribe")["result"]
            self.assertEqual({one["requirement"]: one["state"] for one in snapshot["snapshot"]["requirements"]},
                             {"signaling": "pass", "web": "pass"})
            self.fault("drop", port="4200")
            broken = client.next_event(lambda one: one["kind"] == "verdict.changed" and one["state"] == "fail")
            self.assertEqual((broken["requirement"], broken["catalogue"], broken["before"], broken["failing"]),
                             ("signaling", "own", "pass", 1))
            self.assertIn("dropped between hop 1 (10.77.1.1) and hop 2", broken["sentence"])
            self.assertEqual(client.next_event(lambda one: one["kind"] == "site.changed")["state"], "not_ready")
            self.assertEqual(daemon.ask("health")["state"], "not_ready")
            self.site.lab.clear()
            mended = client.next_event(lambda one: one["kind"] == "verdict.changed" and one["state"] == "pass")
            self.assertEqual((mended["requirement"], mended["before"]), ("signaling", "fail"))
            self.assertGreater(mended["seq"], broken["seq"])
            self.assertEqual(client.next_event(lambda one: one["kind"] == "site.changed")["state"], "ready")
            self.assertEqual(self.changes_of(client, "web"), [])
        self.assertEqual(daemon.row("web")["since"], before)
        self.assertGreater(daemon.row("signaling")["since"], before)
        log = [line for line in daemon.log().splitlines() if "verdict.changed: signaling" in line]
        self.assertEqual([re.search(r" (info|warning) ", line)[1] for line in log][-2:], ["warning", "info"])

    def test_nothing_is_told_while_nothing_changes(self):
        self.fault("drop", port="4200")
        daemon = self.start(SIGNALING, WEB)
        daemon.await_row("signaling", "fail")
        daemon.await_row("web", "pass")
        mark = len(daemon.log())
        with daemon.connect() as client:
            client.ask("subscribe")
            rounds = [client.next_event(lambda one: one["kind"] == "round.finished") for _ in range(6)]
            self.assertLessEqual({"signaling", "web"}, {one["requirement"] for one in rounds})
            sequence = [one["seq"] for one in rounds]
            self.assertEqual(sequence, list(range(sequence[0], sequence[0] + len(sequence))))
            self.assertEqual(self.changes_of(client, "signaling"), [])
        self.assertEqual(daemon.log()[mark:], "")

    def test_fault_of_one_address_says_which(self):
        daemon = self.start({**WEB, "ports": 443})
        daemon.await_row("web", "pass")
        self.fault("dead-address", address="142.250.0.11")
        one = daemon.await_row("web", "fail")
        silent = {found["address"] for found in one["endpoints"] if found["verdict"] == "permitted"}
        self.assertEqual(silent, {"142.250.0.11"})
        self.site.lab.clear()
        daemon.await_row("web", "pass")

    def test_box_that_begins_to_answer_in_the_place_of_a_bare_address_is_told(self):
        bare = {"id": "bare", "transport": "tcp", "destinations": [PROVISIONING[0]], "ports": "80,443", "expect": "service"}
        daemon = self.start(bare, SIGNALING)
        for port, name, options in ((443, "redirect", {"port": "443", "address": PROVISIONING[0]}), (80, "http-portal", {})):
            daemon.await_row("bare", "pass", 30)
            self.fault(name, **options)
            one = daemon.await_row("bare", "fail", 30)
            self.assertEqual({found["port"] for found in one["endpoints"] if found["verdict"] == "intercepted"}, {port})
            self.site.lab.clear()
        daemon.await_row("bare", "pass", 30)

    def test_address_that_appears_is_an_event(self):
        daemon = self.start(WEB, SIGNALING)
        daemon.await_checked()
        with daemon.connect() as client:
            client.ask("subscribe")
            self.fault("dns", mode="wrong", name=MAPS)
            event = client.next_event(lambda one: one["kind"] == "address.new")
            self.assertEqual((event["requirement"], event["address"]), ("web", f"{MAPS} 192.0.2.66"))
        self.assertIn(f" info address.new: {MAPS} 192.0.2.66 requirement=web", daemon.log())

    @staticmethod
    def await_text(log, pattern):
        wait_until(lambda: re.search(pattern, log.read_text()), pattern, 15, log.read_text)

    def test_watch_shows_the_state_and_what_changes(self):
        daemon = self.start(SIGNALING, WEB)
        daemon.await_checked()
        log = self.site.directory / "work" / "watch.txt"
        with open(log, "w", encoding="utf-8") as output:
            argv = [self.site.program("reachctl"), "--runtime-dir", str(self.site.directory / "run"), "watch"]
            watching = self.site.lab.popen("client", argv, stdout=output, stderr=output)
            try:
                self.await_text(log, "signaling")
                self.assertIn("READY\nlab, since ", log.read_text())
                self.assertRegex(log.read_text(), r"(?m)^  pass +web *$")
                self.fault("drop", port="4200")
                self.await_text(log, r"verdict\.changed  signaling  fail\n    \S")
                self.site.lab.clear()
                self.await_text(log, r"verdict\.changed  signaling  pass\n")
                self.assertNotIn("verdict.changed  web", log.read_text())
                self.assertNotIn("\x1b", log.read_text())
                daemon.end()  # and waits for the next one
                self.await_text(log, "waiting for the daemon")
                self.assertIsNone(watching.poll())
                with self.site.daemon(config=self.site.directory / "reachd.json"):
                    self.await_text(log, r"(?s)lab, since .*lab, since ")
            finally:
                watching.send_signal(signal.SIGINT)
                watching.wait(timeout=5)


class MidRound(WithDaemon):
    """A fault that begins while a round of six seconds is under way: half of the ports were asked before it."""
    PORTS = 60
    SLOW = {"id": "slow", "transport": "tcp", "destinations": [CONNECT_AT[0]], "ports": f"2001-{2000 + PORTS}",
            "expect": "path"}

    def told_of(self, name, options, until):
        """Each state and sentence that is told of the row, up to the one that is what `until` wants."""
        daemon = self.start(self.SLOW, limits={"new_flows_per_destination_per_s": 10})
        daemon.await_row("slow", "pass", 30)
        told = []
        with daemon.connect() as client:
            client.ask("subscribe")
            self.assertEqual(client.next_event(lambda one: one["kind"] == "round.finished")["requirement"], "slow")
            time.sleep(4)  # an interval's rest, then about the middle of the next round
            self.fault(name, **options)
            while not told or not until(told[-1]):
                told.append(client.next_event(lambda one: one["kind"] == "verdict.changed", 60))
        return told

    def test_drop_behind_the_site_that_begins_in_the_middle_of_a_round_is_never_told_as_a_failure(self):
        told = self.told_of("drop", {"at": "isp", "address": CONNECT_AT[0]},
                            lambda one: f"{self.PORTS} permitted" in one["sentence"])
        self.assertEqual([(one["state"], one["sentence"]) for one in told if one["state"] != "pass"], [])

    def test_drop_of_one_port_at_the_site_is_told_though_its_neighbours_answer(self):
        told = self.told_of("drop", {"at": "site", "address": CONNECT_AT[0], "port": "2060"},
                            lambda one: one["state"] == "fail")
        self.assertEqual(told[-1]["failing"], 1)
        self.assertIn("tcp 2060 to 34.0.0.10: dropped between hop 1 (10.77.1.1) and hop 2", told[-1]["sentence"])


class LongRange(WithDaemon):
    def test_long_range_is_gone_through_in_turn_and_the_rest_is_remembered(self):
        daemon = self.start(RANGE, schedule={"interval_s": 1, "sweep_interval_s": 20})
        first = self.probed_at(daemon.await_row("range", "pass", FIRST_ROUND_S))
        self.assertEqual(len(first), 1500)
        time.sleep(4.5)
        second = self.probed_at(daemon.row("range"))
        fresh = {key for key in second if second[key] > first[key]}
        self.assertTrue(75 <= len(fresh) < 1000, len(fresh))
        time.sleep(4.5)
        third = self.probed_at(daemon.row("range"))
        self.assertGreater(len({key for key in third if third[key] > first[key]}), len(fresh))

    def test_failing_port_in_the_middle_is_found_followed_and_seen_to_recover(self):
        daemon = self.start(RANGE, schedule={"interval_s": 1, "sweep_interval_s": 8})
        daemon.await_row("range", "pass", FIRST_ROUND_S)
        self.fault("reject", port="2100-2104", code="admin-prohibited")
        wait_until(lambda: daemon.row("range")["counts"]["fail"] == 15, "all fifteen to be found", 60)
        one = daemon.row("range")
        blocked = {(found["address"], found["port"]) for found in one["endpoints"] if found["verdict"] == "blocked"}
        self.assertEqual(blocked, {(address, port) for address in CONNECT_AT for port in range(2100, 2105)})
        self.site.lab.clear()
        daemon.await_row("range", "pass", 30)  # what failed last time is in every round

    @staticmethod
    def probed_at(one):
        return {(found["address"], found["port"]): found["evidence"][0]["at"] for found in endpoints(one)}


class Monitoring(WithDaemon):
    def nagios(self, daemon, code, word):
        done = daemon.reachctl("health", "--format", "nagios")
        self.assertEqual((done.returncode, done.stderr), (code, ""), done.stdout)
        found = re.fullmatch(rf"REACHD {word} - ([^|]+) \| {PERFDATA}\n", done.stdout)
        self.assertTrue(found, done.stdout)
        return found

    def test_ready_is_ok_and_a_failing_row_is_critical(self):
        daemon = self.start(SIGNALING, WEB)
        daemon.await_checked()
        found = self.nagios(daemon, 0, "OK")
        self.assertEqual((found[1], found[2], found[3], found[4]), ("All 2 requirements pass.", "2", "2", "0"))
        self.assertEqual((found[10], found[11]), ("7", "7"))
        for words in (["status"], ["health"], ["report"]):
            self.assertEqual(daemon.reachctl(*words).returncode, 0, words)
        self.fault("drop", port="4200")
        daemon.await_row("signaling", "fail")
        found = self.nagios(daemon, 2, "CRITICAL")
        self.assertEqual((found[2], found[4], found[10]), ("1", "1", "6"))
        for words in (["status"], ["health"], ["report"]):
            self.assertEqual(daemon.reachctl(*words).returncode, 2, words)

    def test_unproven_is_a_warning(self):
        config = self.site.config({**EVERY_SECOND, "values": {}})
        with self.site.daemon(config=config) as daemon:
            daemon.await_checked(FIRST_ROUND_S)
            found = self.nagios(daemon, 1, "WARNING")
            self.assertEqual((found[4], found[8]), ("0", "2"))  # failing, not configured

    def test_nothing_measured_yet_is_unknown(self):
        self.fault("drop")
        daemon = self.start(SIGNALING, limits={"connect_timeout_ms": 60000})
        found = self.nagios(daemon, 3, "UNKNOWN")
        self.assertEqual(found[12], "U")
        self.assertTrue(daemon.ask("health")["stale"])
        self.assertIn("Nothing measured yet", daemon.reachctl("status").stdout)

    def test_daemon_that_hangs_is_critical_within_six_seconds(self):
        daemon = self.start(SIGNALING)
        daemon.await_checked()
        daemon.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            done = daemon.reachctl("health", "--format", "nagios")
            self.assertLess(time.monotonic() - began, 6.5)
            self.assertEqual((done.returncode, done.stderr), (2, ""))
            self.assertRegex(done.stdout, r"\AREACHD CRITICAL - .+\n\Z")
        finally:
            daemon.signal(signal.SIGCONT)
        self.assertIn("the daemon stood still", self.nagios(daemon, 1, "WARNING")[1])  # and nobody else is blamed


if __name__ == "__main__":
    main("schedule", short_range=True)
