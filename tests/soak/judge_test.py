# SPDX-License-Identifier: Apache-2.0
"""The judge of the soak, on runs that are made up: a good one passes, and each thing that can go wrong is seen.

    /usr/bin/python3 tests/soak/judge_test.py
"""
import copy
import pathlib
import random
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from judge import DETECT_S, RECOVER_S, judge, slope_per_h  # noqa: E402

LENGTH_S, STEP_S, INTERVAL_S = 1800.0, 5.0, 1
ROWS = ("web", "refused-0", "refused-1")
FAULT_ON, FAULT_OFF = 600.0, 660.0


def sample(at, draw):
    sent = {"syn": 300 * at, "datagram": 100 * at, "segment": at, "dns_question": at}
    return {"at": at, "rss": 40000 + draw.randint(0, 500), "pss": 36000 + draw.randint(0, 500), "fds": 30 + draw.randint(0, 40),
            "heap": 7000 + draw.choice((0, 100, 5000)), "threads": 5, "ran": at / 10, "waited": at / 20, "ages": {row: draw.uniform(0, 1.3) for row in ROWS}, "states": {row: "pass" for row in ROWS},
            "sent": sent, "history_lost_total": 0, "history_available": 1, "history_bytes": 1e6}


def good_run():
    draw = random.Random(1)
    rounds = {row: [] for row in ROWS}
    for row in ROWS:
        at = draw.uniform(0, 1)
        while at < LENGTH_S:
            rounds[row].append(at)
            at += draw.uniform(0.9, 1.1) * INTERVAL_S + 0.1
    fault = {"fault": "drop", "options": {"port": "443"}, "must": ["web"], "may": [], "twin": [], "state": "fail", "began": FAULT_ON,
             "on": FAULT_ON + 0.5, "ending": FAULT_OFF, "off": FAULT_OFF + 0.5}
    change = {"requirement": "web", "sentence": "dropped", "before": None}
    rest = {"fds": 16, "threads": 4, "descriptors": ["socket"] * 16}
    return {"began": 0.0, "settled": 60.0, "ended": LENGTH_S, "interval_s": INTERVAL_S,
            "samples": [sample(n * STEP_S, draw) for n in range(int(LENGTH_S / STEP_S))], "rounds": rounds,
            "changes": [{**change, "at": 1.0, "state": "pass"}, {**change, "at": 605.0, "state": "fail"},
                        {**change, "at": 668.0, "state": "pass"}],
            "faults": [fault], "reloads": [{"at": 300.0, "good": True, "as_expected": True}],
            "clients": {"ask": {"done": 10, "failed": 0, "messages": []}}, "rest_before": rest,
            "rest_after": {**rest, "fds": 17, "descriptors": ["socket"] * 17},
            "judged_rows": list(ROWS), "alike_rows": ["refused-0", "refused-1"], "never_judged": [],
            "inside": {"syn": 1000.0, "datagram": 500.0}, "outside": {"syn": 1003, "datagram": 500}, "bad_log_lines": [],
            "log_lines": 12, "follower_problems": [], "follower_lost": 0, "end_s": 0.4, "exit_code": 0}


def failing(run):
    return {one.name for one in judge(run) if not one.holds}


class Judging(unittest.TestCase):
    def setUp(self):
        self.run_ = good_run()

    def assert_fails(self, *words):
        """Just the judgements with these words do not hold."""
        names = failing(self.run_)
        for word in words:
            self.assertTrue(any(word in name for name in names), (word, names))
        self.assertEqual([name for name in names if not any(word in name for word in words)], [])

    def test_a_good_run_passes(self):
        self.assertEqual(failing(self.run_), set())

    def test_a_leak_that_is_slow_is_seen_by_its_slope(self):
        for one in self.run_["samples"]:
            one["rss"] += int(one["at"] * 8192 / 3600)
        self.assert_fails("rss: slope")

    def test_heap_that_grows_between_its_peaks(self):
        for one in self.run_["samples"]:
            one["heap"] += int(one["at"] * 8192 / 3600)
        self.assert_fails("heap in use: slope")

    def test_a_leak_that_is_fast_is_seen_by_its_level_too(self):
        for one in self.run_["samples"]:
            one["rss"] += int(one["at"] * 20)
            one["pss"] += int(one["at"] * 20)
        self.assert_fails("rss:", "pss:")

    def test_growth_in_the_warm_up_is_none(self):
        for one in self.run_["samples"]:
            one["rss"] -= max(0, int(600 - one["at"])) * 20
        self.assertEqual(failing(self.run_), set())

    def test_a_descriptor_that_stays_is_seen(self):
        self.run_["rest_after"] = {**self.run_["rest_after"], "fds": 18, "descriptors": ["socket"] * 17 + ["/x/history.db"]}
        self.assert_fails("descriptors at rest")
        self.assertIn("history.db", next(one.figure for one in judge(self.run_) if one.name == "descriptors at rest"))

    def test_descriptors_that_pile_up_are_seen(self):
        for one in self.run_["samples"]:
            one["fds"] += int(one["at"] / 20)
        self.assert_fails("lowest number of descriptors")

    def test_threads_that_pile_up_are_seen(self):
        self.run_["rest_after"]["threads"] = 40
        self.assert_fails("threads")

    def test_a_row_that_stops_is_seen(self):
        self.run_["rounds"]["web"] = [at for at in self.run_["rounds"]["web"] if not 1000 < at < 1030]
        self.assert_fails("longest pause")

    def test_a_row_that_grows_old_is_seen(self):
        self.run_["samples"][200]["ages"]["web"] = 30.0
        self.assert_fails("age of a row")

    def test_a_schedule_that_slows_down_is_seen(self):
        for row in ROWS:
            self.run_["rounds"][row] = [at for n, at in enumerate(self.run_["rounds"][row]) if at < 900 or n % 2]
        self.assert_fails("drift")

    def test_a_row_that_starves_beside_its_like_is_seen(self):
        self.run_["rounds"]["refused-1"] = self.run_["rounds"]["refused-1"][::2]
        self.assert_fails("rows that are alike")

    def test_pauses_around_a_fault_or_a_reload_are_none_of_the_schedule_s(self):
        for first, last in ((590, 640), (299, 306)):
            self.run_["rounds"]["web"] = [at for at in self.run_["rounds"]["web"] if not first < at < last]
        self.assertEqual(failing(self.run_), set())

    def test_a_fault_that_is_never_told_is_seen(self):
        self.run_["changes"] = self.run_["changes"][:1]
        self.assert_fails("told in time")

    def test_a_fault_that_is_told_late_is_seen(self):
        self.run_["changes"][1]["at"] = FAULT_ON + DETECT_S + 5
        self.assert_fails("told in time")

    def test_a_fault_that_stays_is_seen(self):
        self.run_["changes"].pop()
        self.assert_fails("gone in time")

    def test_a_fault_that_goes_late_is_seen(self):
        self.run_["changes"][2]["at"] = FAULT_OFF + RECOVER_S + 5
        self.assert_fails("gone in time")

    def test_a_fail_without_a_fault_is_seen(self):
        change = {"requirement": "web", "before": "pass", "sentence": "no"}
        self.run_["changes"] += [{**change, "at": 1500.0, "state": "fail"}, {**change, "at": 1501.0, "state": "pass"}]
        self.assert_fails("nothing told without a fault")

    def test_unproven_without_a_fault_is_seen(self):
        self.run_["samples"][300]["states"]["web"] = "unproven"
        self.assert_fails("no row reads otherwise")

    def test_a_fail_of_another_row_than_the_fault_s_is_seen(self):
        self.run_["changes"].append({"requirement": "refused-0", "state": "fail", "before": "pass", "at": 610.0, "sentence": "?"})
        self.assert_fails("nothing told without a fault")

    def test_a_wide_fault_excuses_every_row(self):
        self.run_["faults"].append({"fault": "loss", "options": {}, "must": [], "may": ["*"], "twin": [], "state": "fail", "began": 1000.0,
                                    "on": 1000.1, "ending": 1010.0, "off": 1010.1})
        change = {"requirement": "refused-1", "before": "pass", "sentence": "no"}
        self.run_["changes"] += [{**change, "at": 1003.0, "state": "fail"}, {**change, "at": 1014.0, "state": "pass"}]
        self.assertEqual(failing(self.run_), set())

    def test_an_idle_row_never_fails_even_beside_a_fault(self):
        self.run_["faults"][0]["may"] = ["tcp-idle"]
        self.run_["changes"].append({"requirement": "tcp-idle", "state": "fail", "before": "pass", "at": 620.0, "sentence": "?"})
        self.assert_fails("nothing told without a fault")

    def test_a_machine_that_is_busy_otherwise_gives_time(self):
        self.run_["changes"][1]["at"] = FAULT_ON + DETECT_S + 5
        self.assert_fails("told in time")
        for one in self.run_["samples"]:
            one["waited"] = one["at"] / 2
        self.assertEqual(failing(self.run_), set())

    def test_packets_that_are_not_counted_are_seen(self):
        self.run_["outside"]["syn"] = 1100
        self.assert_fails("packets, syn")

    def test_a_counter_that_goes_back_is_seen(self):
        self.run_["samples"][100]["sent"] = dict.fromkeys(self.run_["samples"][100]["sent"], 0)
        self.assert_fails("counters never go back")

    def test_what_went_wrong_with_clients_reloads_log_and_end_is_seen(self):
        for change, word in (({"clients": {"ask": {"done": 9, "failed": 1, "messages": ["refused"]}}}, "clients"),
                             ({"reloads": [{"at": 1.0, "good": True, "as_expected": False}]}, "reloads"),
                             ({"bad_log_lines": ["error task.failed"]}, "log free"), ({"end_s": 5.5}, "end after"),
                             ({"exit_code": -11}, "end after"), ({"follower_problems": ["gap"]}, "events followed")):
            self.run_ = {**copy.deepcopy(good_run()), **change}
            self.assert_fails(word)

    def test_a_slope_is_that_of_the_points(self):
        self.assertAlmostEqual(slope_per_h([(at, 5 + 2 * at) for at in range(10)]), 7200)


if __name__ == "__main__":
    unittest.main()
