# SPDX-License-Identifier: Apache-2.0
"""Idle-timer ladders through NATs that Linux's own cannot be (tests/support/lab/usernat.py): packets from outside that keep
nothing, mappings that depend on the destination, several public addresses, a full table.

    sudo /usr/bin/python3 tests/system/idle_nat_test.py [--workers N] [TEXT of a test's name]...

What a verdict must be follows from the settings alone. The tests mostly wait, so several run at a time (side_by_side.py).
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from idle_lab import Reflected  # noqa: E402
from idle_stun_test import Foreign  # noqa: E402
from side_by_side import main  # noqa: E402

HOLD_S, RUNGS = 7, [2, 3, 4, 6, 8, 9]
BOTH = ("udp", "tcp")
LONG = {"tcp_s": 60, "single_s": 60, "stream_s": 60}
SHORT = {"tcp_s": 4, "single_s": 4, "stream_s": 5}
SYMMETRIC = {"mapping": "address_and_port", "filtering": "address_and_port", "ports": "random"}
OTHER_ADDRESS = "100.64.1.2"
TWO_ADDRESSES = {"addresses": ["100.64.0.2", OTHER_ADDRESS]}


class Natted:
    """A lab whose NAT is told what to be."""

    def nat(self, **settings):
        self.site.lab.set_nat(**settings)
        if OTHER_ADDRESS in settings.get("addresses", ()):
            for host, way in (("isp", ["dev", "customer"]), ("internet", ["via", "203.0.113.1"])):
                done = self.site.lab.exec(host, ["ip", "route", "replace", f"{OTHER_ADDRESS}/32", *way], user=False)
                self.assertEqual(done.returncode, 0, done.stderr)

    def assert_follows(self, got, settings, after, hold_s=HOLD_S):
        """Each class reads as its timer says. `after`: what a lost flow's next packet meets, by class."""
        for which, one in got.items():
            timer_s = settings[f"{which}_s"]
            self.assert_true_of(one, timer_s)
            if timer_s > hold_s + 2:
                self.assertEqual((one["state"], one["grade"]), ("pass", "inbound"), one)
            else:
                self.assertEqual((one["state"], one["grade"], one["after_expiry"]), ("fail", "inbound_lost", after[which]), one)
                self.assert_bracket(one, timer_s)


class OverReflector(Natted, Reflected):
    def assert_nat(self, after, timers, place=(), **kind):
        """What is told must be true each time. All of it must be told at the second try: a machine that is busy may spoil a rung or
        the search for the box, which then read unproven. `place`: the classes of which the box is found, between hops 1 and 2."""
        self.nat(**timers, **kind)
        for last in (False, True):
            got, code = self.measure(self.files(HOLD_S, RUNGS, BOTH))
            for which, one in got.items():
                self.assert_true_of(one, timers[f"{which}_s"])
            try:
                self.assert_follows(got, timers, after)
                self.assertEqual(code, 2 if timers["single_s"] < HOLD_S or timers["tcp_s"] < HOLD_S else 0)
                for which in place:
                    self.assertIsNotNone(got[which]["where"], got[which])
            except AssertionError:
                if last:
                    raise
                continue
            for which in place:
                where = got[which]["where"]
                self.assertEqual((where["after"]["hop"], where["before"]["hop"]), (1, 2), got[which])
            return

    def test_one_mapping_for_all_destinations_and_its_ports_kept(self):
        # A box on the link between the site's router and the provider's.
        self.assert_nat({"tcp": "re-creates", "single": "re-creates"}, SHORT | {"stream_s": 60}, ("tcp", "single"),
                        filtering="endpoint")

    def test_one_mapping_for_all_destinations_and_random_ports(self):
        self.assert_nat({"tcp": "resets", "single": "re-maps", "stream": "re-maps"}, SHORT, ports="random", filtering="address")

    def test_mappings_for_each_destination(self):
        self.assert_nat({"tcp": "resets", "single": "re-maps", "stream": "re-maps"}, SHORT, **SYMMETRIC)

    def test_mappings_for_each_destination_address_that_only_the_inside_keeps(self):
        self.assert_nat({"tcp": "drops", "single": "re-creates", "stream": "re-creates"}, SHORT, mapping="address",
                        filtering="address", inbound_refresh=False, unknown_segment="drop")

    def test_mappings_for_each_destination_that_only_the_inside_keeps_and_that_reset(self):
        self.assert_nat({"tcp": "resets", "single": "re-maps", "stream": "re-maps"}, SHORT, inbound_refresh=False,
                        unknown_segment="reset", **SYMMETRIC)

    def test_a_balancer_that_resets_both_ends_when_its_timer_is_over(self):
        """Azure's with "TCP reset": neither end has ended it, so that the mapping was gone."""
        self.nat(**SHORT, at_expiry="reset")
        got, code = self.measure(self.files(HOLD_S, RUNGS, ("tcp",)))
        self.assertEqual(code, 2, got)
        self.assert_follows(got, SHORT, {"tcp": "resets"})
        self.nat(**LONG, at_expiry="reset")
        got, _ = self.measure(self.files(HOLD_S, RUNGS, ("tcp",)))
        self.assert_follows(got, LONG, {})

    def test_long_timers_of_mappings_for_each_destination_that_only_the_inside_keeps_pass(self):
        self.assert_nat({}, LONG, inbound_refresh=False, unknown_segment="reset", **SYMMETRIC)

    def test_only_a_long_single_timer_is_not_enough_where_streams_are_forgotten_early(self):
        self.assert_nat({"tcp": "re-creates", "stream": "re-creates"}, {"tcp_s": 4, "single_s": 60, "stream_s": 4},
                        inbound_refresh=False)

    def test_several_public_addresses_hide_no_short_timer(self):
        self.nat(**SHORT, **TWO_ADDRESSES)
        got, code = self.measure(self.files(HOLD_S, RUNGS, BOTH))
        self.assertEqual(code, 2)
        for which, one in got.items():
            self.assertEqual((one["state"], one["grade"]), ("fail", "inbound_lost"), one)
            self.assert_bracket(one, SHORT[f"{which}_s"])  # what comes after it depends on the address that it gets

    def test_long_timers_behind_several_public_addresses_pass(self):
        self.assert_nat({}, LONG, **TWO_ADDRESSES)

    def test_a_table_that_is_full_is_no_timer(self):
        self.nat(**LONG, most=12)
        got, code = self.measure(self.files(HOLD_S, RUNGS, ("udp",)))
        self.assertEqual(code, 3, got)
        for one in got.values():
            self.assertEqual((one["state"], one["lost_s"]), ("unproven", None), one)


class OverStun(Natted, Foreign):
    def measure_by_stun(self, **settings):
        self.nat(**settings)
        return self.measure(self.stun_files(HOLD_S, RUNGS))

    def test_a_short_timer_of_one_mapping_for_all_destinations(self):
        timers = SHORT | {"stream_s": 60}
        got, code = self.measure_by_stun(**timers)
        self.assert_follows(got, timers, {"single": "re-creates"})
        self.assertEqual((code, got["stream"]["mapped"]["mapping"]), (2, "endpoint_independent"))

    def test_a_short_timer_of_mappings_for_each_destination(self):
        got, code = self.measure_by_stun(**SHORT, **SYMMETRIC, inbound_refresh=False)
        self.assert_follows(got, SHORT, {"single": "re-maps", "stream": "re-maps"})
        self.assertEqual((code, got["single"]["mapped"]["mapping"]), (2, "address_and_port_dependent"))

    def test_a_long_timer_of_mappings_for_each_destination(self):
        got, code = self.measure_by_stun(**LONG, **SYMMETRIC, inbound_refresh=False)
        self.assert_follows(got, LONG, {})
        self.assertEqual(code, 0)

    def test_mappings_for_each_destination_address(self):
        got, _ = self.measure_by_stun(**LONG, mapping="address", filtering="address", ports="random")
        self.assert_follows(got, LONG, {})
        self.assertEqual(got["single"]["mapped"]["mapping"], "address_dependent")

    def test_several_public_addresses_are_no_short_timer_and_hide_none(self):
        for timers, never in ((SHORT, "pass"), (LONG, "fail")):
            with self.subTest(timers):
                got, _ = self.measure_by_stun(**timers, **TWO_ADDRESSES)
                for which, one in got.items():  # "udp": the trial before the ladder came by another address
                    self.assertNotEqual(one["state"], never, one)
                    self.assert_true_of(one, timers["single_s" if which == "udp" else f"{which}_s"])


if __name__ == "__main__":
    main("idlen", 6, user_nat={})
