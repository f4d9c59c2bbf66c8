# SPDX-License-Identifier: Apache-2.0
"""What comes between an idle flow and its test, and must not be taken for a timer, nor hide one: a NAT that forgets
everything, lost packets, keep-alives of the peer, a client that was suspended or stopped, a key that changes, one NAT behind
another.

    sudo /usr/bin/python3 tests/system/idle_disturbed_test.py [--workers N] [TEXT of a test's name]...

The tests mostly wait, so several run at a time, each in a lab of its own (side_by_side.py).
"""
import base64
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from idle_lab import (  # noqa: E402
    DEFAULTS, DROP_FORGOTTEN, ESTABLISHED, NO_ANSWERS, PORT, SERVER, SINGLE, STREAM, Reflected, catalogue)
from lab_site import PRIMARY, TREE, wait_until  # noqa: E402
from side_by_side import main  # noqa: E402
from lab import system  # noqa: E402
from lab.topology import namespace_of  # noqa: E402

BOTH = ("udp", "tcp")
LONG = {"single": 60, "stream": 60, "tcp": 60}
SHORT = {"single": 4, "stream": 5, "tcp": 4}
HOLD_S, RUNGS = 7, [2, 3, 4, 6, 8, 9]
ASLEEP = pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "dev")) / "tests" / "libasleep.so"
OTHER_NAT = ("table ip other { chain post { type nat hook postrouting priority 100; oifname \"transit\" masquerade; }; "
             "chain input { type filter hook input priority 0; iifname \"transit\" ct state new,invalid drop; }; }")
# One packet of the far end's in so many never arrives.
LOSSY = ("table inet lossy {{ chain onward {{ type filter hook forward priority -20; iifname \"wan\" "
         "meta l4proto {{ tcp, udp }} th sport 3478 numgen inc mod {} 0 drop; }}; }}")
# A service that says nothing but keep-alives.
KEEPER = """
import socket, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", 4300))
listener.listen(64)
held = []
while True:
    one, _ = listener.accept()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        one.setsockopt(socket.IPPROTO_TCP, option, 3)
    held.append(one)
"""


class Disturbed(Reflected):
    def later(self, seconds, action, *arguments):
        timer = threading.Timer(seconds, action, arguments)
        timer.start()
        self.addCleanup(timer.join)

    def forget(self, *hosts):
        for host in hosts:
            system.in_namespace(namespace_of(self.site.lab.id, host), system.forget_connections)

    def second_nat(self, **seconds):
        """The provider's, behind the site's."""
        names = {"tcp": ESTABLISHED, "single": SINGLE, "stream": STREAM}
        done = self.site.lab.exec("isp", ["nft", OTHER_NAT], user=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(self.site.lab.exec, "isp", ["nft", "delete table ip other"], user=False)
        self.addCleanup(self.site.lab.sysctl, "isp", DEFAULTS)
        self.site.lab.sysctl("isp", {names[key]: str(value) for key, value in seconds.items()})

    def assert_short(self, got, timers=None):
        for which, one in got.items():
            self.assert_true_of(one, (timers or SHORT)[which])
            self.assertEqual((one["state"], one["grade"]), ("fail", "inbound_lost"), one)

    def assert_never_failed(self, got):
        for one in got.values():
            self.assertNotEqual(one["state"], "fail", one)
            self.assert_passed_on_inbound(one)

    def assert_passed_on_inbound(self, one):
        if one["state"] == "pass":
            self.assertEqual(one["grade"], "inbound", one)
            self.assertGreaterEqual(one["held_s"], one["required_s"], one)


class Networks(Disturbed):
    def test_a_nat_that_forgets_everything_in_the_middle_is_no_timer(self):
        self.timers(**LONG)
        self.rules(NO_ANSWERS)
        self.later(6, self.forget, "site")
        got, _ = self.measure(self.files(HOLD_S, RUNGS, BOTH))
        self.assert_never_failed(got)

    def test_the_providers_nat_that_forgets_everything_in_the_middle_is_no_timer(self):
        self.timers(**LONG)
        self.rules(NO_ANSWERS)
        self.second_nat(**LONG)
        self.later(6, self.forget, "isp")
        got, _ = self.measure(self.files(HOLD_S, RUNGS, BOTH))
        self.assert_never_failed(got)

    def test_a_nat_that_forgets_everything_does_not_hide_its_short_timer(self):
        self.timers(**SHORT)
        self.rules(NO_ANSWERS)
        self.later(6, self.forget, "site")
        got, _ = self.measure(self.files(HOLD_S, RUNGS, BOTH))
        for which, one in got.items():
            self.assertNotEqual(one["state"], "pass", one)
            self.assertLessEqual(one["held_s"] or 0, SHORT[which], one)  # a rung of just that length may go either way

    def test_of_two_nats_with_short_timers_the_shorter_decides(self):
        for near, far in ((SHORT, LONG), (LONG, SHORT)):
            with self.subTest(site=near, provider=far):
                self.timers(**near)
                self.rules(NO_ANSWERS)
                self.second_nat(**far)
                got, code = self.measure(self.files(HOLD_S, RUNGS, BOTH))
                self.assertEqual(code, 2)
                self.assert_short(got)
                self.doCleanups()
                self.setUp()

    def test_two_nats_with_long_timers_pass(self):
        self.timers(**LONG)
        self.second_nat(**LONG)
        got, code = self.measure(self.files(HOLD_S, RUNGS, BOTH))
        self.assertEqual(code, 0)
        for one in got.values():
            self.assert_held(one, HOLD_S)

    def test_single_lost_packets_fail_no_long_timer(self):
        self.timers(**LONG)
        for each in (7, 13):
            with self.subTest(each=each):
                self.rules(LOSSY.format(each))
                got, _ = self.measure(self.files(HOLD_S, RUNGS, BOTH))
                self.assert_never_failed(got)
                if got["tcp"]["via"] != "line":  # where its greeting was lost, the service is next
                    self.assertEqual(got["tcp"]["state"], "pass", got["tcp"])  # the far end's system sends it again in time
                self.doCleanups()
                self.setUp()
                self.timers(**LONG)

    def test_single_lost_packets_pass_no_short_timer(self):
        self.timers(**SHORT)
        self.rules(NO_ANSWERS)
        self.rules(LOSSY.format(9))
        got, _ = self.measure(self.files(HOLD_S, RUNGS, BOTH))
        for which, one in got.items():
            self.assertNotEqual(one["state"], "pass", one)
            self.assertLessEqual(one["held_s"] or 0, SHORT[which], one)  # a rung of just that length may go either way


class Ends(Disturbed):
    def keeper(self):
        server = self.site.lab.popen("server", ["/usr/bin/python3", "-I", "-c", KEEPER])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        wait_until(lambda: self.site.lab.probe("client", ("tcp", {"address": PRIMARY, "port": 4300}))[0] == "open",
                   "the server of this test", 10)

    def over_keeper(self, hold_s, rungs):
        document = catalogue(hold_s, ("tcp",))
        document["requirements"][0]["ports"] = 4300
        self.site.write("catalogues/timers.json", document)
        config = self.site.config({"catalogues": ["timers"], "values": {}, "idle": {"tcp_rungs_s": rungs}})
        got, code = self.measure(config)
        return got["tcp"], code

    def test_keepalives_of_the_server_leave_a_longer_silence_unproven(self):
        """Every flow is kept busy, so that nothing shows of a timer of 5 s, and nothing is claimed."""
        self.timers(tcp=5, loose=0)
        self.rules(DROP_FORGOTTEN)
        self.keeper()
        one, code = self.over_keeper(8, [2, 10])
        self.assertEqual((one["state"], one["lost_s"], code), ("unproven", None, 3), one)
        self.assertTrue(1.5 <= one["held_s"] <= 3.1, one)
        self.assertIn("the server sent a keep-alive", one["sentence"])

    def test_keepalives_of_the_server_prove_what_is_shorter_than_they_are_apart(self):
        self.timers(tcp=60, loose=0)
        self.keeper()
        one, code = self.over_keeper(1, [1, 6])
        self.assertEqual((one["state"], one["grade"], code), ("pass", "inbound", 0), one)

    def measure_stopped(self, timers, first, last):
        """reachctl is stopped from `first` to `last` seconds after its beginning."""
        self.timers(**timers)
        self.rules(NO_ANSWERS)
        config = self.files(HOLD_S, RUNGS, BOTH)
        with self.site.lab.popen("client", [self.site.program("reachctl"), *self.site.where(config), "idle", "--format", "json"],
                                 stdout=subprocess.PIPE, text=True) as process:
            self.later(first, process.send_signal, signal.SIGSTOP)
            self.later(last, process.send_signal, signal.SIGCONT)
            said = process.communicate(timeout=120)[0]
        return self.entries(said)

    def test_a_client_that_is_stopped_while_answers_come_hears_them_later_and_claims_nothing_that_is_not_so(self):
        got = self.measure_stopped(LONG, 6, 12)
        for one in got.values():  # what the far side sent on time has waited in the kernel
            self.assertEqual((one["state"], one["grade"]), ("pass", "inbound"), one)
            self.assert_passed_on_inbound(one)
        got = self.measure_stopped(SHORT, 6, 12)
        for which, one in got.items():
            self.assertNotEqual(one["state"], "pass", one)
            self.assertLessEqual(one["held_s"] or 0, SHORT[which], one)  # a rung of just that length may go either way

    @unittest.skipUnless(ASLEEP.exists(), "libasleep.so is not built with sanitizers")
    def test_t26_a_client_that_was_suspended_proves_nothing(self):
        library = self.site.directory / "bin" / ASLEEP.name
        shutil.copy(ASLEEP, library)
        for timers in (LONG, SHORT):
            with self.subTest(timers):
                self.timers(**timers)
                asleep = self.site.directory / "work" / "asleep"
                self.later(7, asleep.touch)  # all have begun, none is due
                before = ("env", f"LD_PRELOAD={library}", f"ASLEEP_FILE={asleep}")
                got, code = self.measure(self.files(10, [8, 12], BOTH), before=before)
                self.assertEqual(code, 3)
                for one in got.values():
                    self.assertEqual((one["state"], one["lost_s"]), ("unproven", None), one)
                    self.assertIn("this machine was suspended", one["sentence"])
                asleep.unlink()

    def test_a_key_that_is_taken_away_in_the_middle_is_no_lost_mapping(self):
        """What was appointed is kept; whether a lost answer was sent can no longer be asked."""
        other = base64.b64encode(bytes(range(32, 64))).decode("ascii")

        def rotate():
            self.keys.write_text(f"lab:{other}\n", encoding="ascii")
            self.reflector.send_signal(signal.SIGHUP)
        for timers, state in ((LONG, "pass"), (SHORT, "unproven")):
            with self.subTest(timers):
                self.timers(**timers)
                self.rules(NO_ANSWERS)
                self.later(6.5, rotate)  # all is appointed, nothing beyond the shorter rungs is due
                got, _ = self.measure(self.files(12, [10, 14], ("udp",)))
                for one in got.values():
                    self.assertEqual(one["state"], state, one)
                    self.assertEqual(one["lost_s"], None, one)
                self.doCleanups()
                self.setUp()

    def test_a_daemon_takes_a_new_key_and_another_reflector_without_a_restart(self):
        self.timers(**LONG)
        config = self.files(2, [2], ("udp",), schedule={"nat_interval_s": 10})
        other = base64.b64encode(bytes(range(32, 64))).decode("ascii")
        with self.site.daemon(config=config) as daemon:
            daemon.await_row("udp-idle", "pass", 40)
            self.keys.write_text(f"lab:{other}\n", encoding="ascii")
            self.reflector.send_signal(signal.SIGHUP)
            wait_until(lambda: "it has another key" in str(daemon.row("udp-idle")["findings"]), "the old key to be refused", 60)
            self.assertEqual(daemon.row("udp-idle")["state"], "pass")  # it was measured, and the finding says when
            self.assertIn("and not since: ", daemon.row("udp-idle")["findings"][0])
            self.site.write("site.key", f"lab:{other}\n")  # nobody tells the daemon
            wait_until(lambda: not daemon.row("udp-idle")["findings"], "the new key to be taken", 60)
            self.files(2, [2], ("udp",), secret=other, schedule={"nat_interval_s": 10}, reflectors=[
                {"host": SERVER, "port": PORT + 1, "secret_file": str(self.site.directory / "site.key")}])
            daemon.ask("reload", socket_name="control")
            wait_until(lambda: f"(udp {PORT + 1})" in str(daemon.row("udp-idle")), "the other reflector to be tried", 60)

    def test_a_ladder_that_a_reload_cuts_short_is_climbed_anew_though_another_rows_result_is_fresh(self):
        self.timers(**LONG)
        config = self.files(2, {"udp": [2], "tcp": [2, 15]}, BOTH, schedule={"nat_interval_s": 3600})
        with self.site.daemon(config=config) as daemon:
            def measured():
                return [one["measured"] for one in daemon.ask("report")["idle"] if one["requirement"] == "udp-idle"]
            daemon.await_row("udp-idle", "pass", 40)
            before = measured()
            self.assertEqual(daemon.row("tcp-idle")["state"], "unproven")
            daemon.ask("reload", socket_name="control")
            daemon.await_row("tcp-idle", "pass", 60)
            self.assertEqual(measured(), before)  # it was not due again


if __name__ == "__main__":
    main("idled", 6)
