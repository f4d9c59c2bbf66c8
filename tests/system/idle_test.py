# SPDX-License-Identifier: Apache-2.0
"""Idle-timer ladders through the lab's site NAT, whose conntrack timer is known and scaled down to seconds.

    sudo /usr/bin/python3 tests/system/idle_test.py [--workers N] [TEXT of a test's name]...
"""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import PRIMARY, SystemTest, row, wait_until  # noqa: E402
from side_by_side import main  # noqa: E402

ESTABLISHED = "netfilter/nf_conntrack_tcp_timeout_established"
LOOSE = "netfilter/nf_conntrack_tcp_loose"
KERNEL_S = 432000  # nf_conntrack_proto_tcp.c
OWN_PORT = 4300  # where nothing of the lab listens
TIMER_S = 8
SLACK_S = 1.0  # of a busy machine
# A server that says nothing and closes each connection after some seconds.
CLOSER = """
import asyncio
async def serve(reader, writer):
    await asyncio.sleep({seconds})
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", {port})
    await server.serve_forever()
asyncio.run(main())
"""
HEARD_ONLY = "over a real service a loss can be proven"


def catalogue(hold_s, port):
    return {"id": "timers", "title": "Timers", "document": {"title": "Timers"}, "contact": "Timer Support",
            "requirements": [
                {"id": "line", "transport": "tcp", "destinations": [PRIMARY], "ports": port, "expect": "service"},
                {"id": "tcp-idle", "idle": {"transport": "tcp", "hold_s": hold_s, "over": ["line"]}},
                {"id": "udp-idle", "idle": {"transport": "udp", "hold_s": hold_s}}]}


class Ladders(SystemTest):
    def setUp(self):
        self.addCleanup(self.nat, KERNEL_S, 1)

    def nat(self, timer_s, loose):
        self.site.lab.sysctl("site", {ESTABLISHED: str(timer_s), LOOSE: str(loose)})

    def files(self, hold_s, rungs, port=4200):
        self.site.write("catalogues/timers.json", catalogue(hold_s, port))
        return self.site.config({"catalogues": ["timers"], "values": {}, "idle": {"tcp_rungs_s": rungs}})

    def close_after(self, seconds):
        program = CLOSER.format(seconds=seconds, port=OWN_PORT)
        server = self.site.lab.popen("server", ["/usr/bin/python3", "-I", "-c", program])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        wait_until(lambda: self.site.lab.probe("client", ("tcp", {"address": PRIMARY, "port": OWN_PORT}))[0].startswith("open"),
                   "the server of this test", 10)

    def measure(self, hold_s, rungs, *words, port=4200):
        """`reachctl idle`; the entry of tcp-idle and the exit code."""
        done = self.site.reachctl("idle", "--format", "json", *words, config=self.files(hold_s, rungs, port))
        self.assertEqual(done.stderr, "")
        entries = {one["requirement"]: one for one in json.loads(done.stdout)["idle"]}
        udp = entries["udp-idle"]
        self.assertEqual((udp["state"], udp["rungs"]), ("unproven", []))
        self.assertIn("is settled by a reflector", udp["sentence"])
        return entries["tcp-idle"], done.returncode

    def assert_grades(self, one, expected):
        """What the rungs below and above the timer showed; those within the slack may be either."""
        graded = [rung for rung in one["rungs"] if rung["grade"]]
        self.assertGreater(2 * len(graded), len(one["rungs"]), one)
        for rung in graded:
            if abs(rung["idle_s"] - TIMER_S) >= SLACK_S:
                side = "below" if rung["idle_s"] < TIMER_S else "above"
                self.assertEqual(rung["grade"], expected[side], one["rungs"])

    def test_an_expired_mapping_that_the_nat_does_not_make_anew_fails_the_row(self):
        self.nat(TIMER_S, 0)
        one, code = self.measure(10, [2, 4, 6, 12])
        self.assertEqual((one["state"], one["grade"], one["after_expiry"], code), ("fail", "outbound_lost", "drops", 2),
                         one)
        self.assertEqual(one["held_s"], None)  # nothing was heard from outside
        self.assertLess(one["answered_s"], TIMER_S + SLACK_S)
        self.assertGreaterEqual(one["lost_s"], TIMER_S)
        self.assertLessEqual(one["lost_s"], 10 + SLACK_S)
        self.assert_grades(one, {"below": "outbound", "above": "outbound_lost"})
        self.assertEqual((one["via"], one["target"]), ("line", {"address": PRIMARY, "port": 4200}))
        self.assertIn("and must be kept for 10 s", one["sentence"])

    def test_a_mapping_that_is_made_anew_hides_its_expiry_and_never_passes(self):
        self.nat(TIMER_S, 1)
        one, code = self.measure(10, [2, 4, 6, 12])
        self.assertEqual((one["state"], one["grade"], code), ("unproven", "outbound", 3), one)
        self.assertEqual((one["held_s"], one["lost_s"]), (None, None))
        self.assertIn("a NAT that re-creates mappings would hide an expiry", one["sentence"])

    def test_a_mapping_that_holds_is_answered_and_unproven_all_the_same(self):
        self.nat(60, 0)
        one, code = self.measure(6, [2, 4, 8])
        self.assertEqual((one["state"], one["grade"], code), ("unproven", "outbound", 3), one)
        self.assertGreaterEqual(one["answered_s"], 8)

    def test_a_server_that_closes_early_leaves_it_unproven_and_proves_as_long_as_it_was_silent(self):
        self.nat(60, 0)
        self.close_after(3)
        one, code = self.measure(8, [2, 10], port=OWN_PORT)
        self.assertEqual((one["state"], one["lost_s"], code), ("unproven", None, 3), one)
        self.assertTrue(1.5 <= one["held_s"] <= 3.1, one)
        self.assertIn("no flow could be left alone for 8 s: the server closed it after 2 s", one["sentence"])

    def test_a_server_that_closes_after_the_required_time_proves_it(self):
        self.nat(60, 0)
        self.close_after(8)
        one, code = self.measure(5, [2, 12], port=OWN_PORT)
        self.assertEqual((one["state"], one["grade"], code), ("pass" if code == 0 else one["state"], "inbound", code), one)
        self.assertEqual(one["state"], "pass", one)
        self.assertTrue(5 <= one["held_s"] <= 8.1, one)

    def test_hold_overrides_the_catalogue_and_refine_narrows_the_bracket(self):
        self.nat(TIMER_S, 0)
        one, code = self.measure(720, [3, 5, 12], "--hold", "11", "--refine")
        self.assertEqual((one["state"], one["required_s"], code), ("fail", 11, 2), one)
        self.assertLessEqual(one["lost_s"] - one["answered_s"], 1.5)

    def test_check_measures_it_and_quick_and_fast_do_not(self):
        self.nat(TIMER_S, 0)
        config = self.files(10, [4, 6, 12])
        report = self.check(config=config, args=())
        self.assert_rows(report, line="pass", tcp_idle="fail", udp_idle="unproven")
        one = row(report, "tcp-idle")
        self.assertIn(f"over line ({PRIMARY} port 4200): an idle flow is gone after", one["sentence"])
        self.assertIn("set the idle timer for tcp to 70 s or more", one["advice"])
        self.assertEqual(report["idle"][0]["state"], "fail")
        for word in ("--quick", "--fast"):
            one = row(self.check(config=config, args=(word,)), "tcp-idle")
            self.assertEqual(one["state"], "unproven")
            self.assertEqual(one["sentence"], f"not run: an idle timer needs a long wait, which {word} leaves out")

    def test_daemon_measures_it_and_tells(self):
        self.nat(60, 0)
        config = self.files(4, [2, 5])
        with self.site.daemon(config=config) as daemon, daemon.connect() as client:
            client.ask("subscribe")
            told = client.next_event(lambda event: event.get("kind") == "idle.measured", 40)
            self.assertEqual((told["requirement"], told["state"], told["via"], told["required_s"]),
                             ("tcp-idle", "unproven", "line", 4))
            one = daemon.row("tcp-idle")
            self.assertIn("answered after", one["sentence"])
            self.assertTrue(one["findings"][0].startswith(HEARD_ONLY), one["findings"])
            self.assertIn("idle.measured", daemon.log())

    def test_table_is_for_people(self):
        self.nat(60, 0)
        done = self.site.reachctl("idle", config=self.files(3, [2]))
        self.assertIn("tcp-idle  tcp over line, required 3 s: held -, answered 4, lost -", done.stdout)
        self.assertIn("held (outbound): ", done.stdout)


if __name__ == "__main__":
    main("idle")
