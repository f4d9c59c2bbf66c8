# SPDX-License-Identifier: Apache-2.0
"""The daemon's own troubles: it is stopped, has too few descriptors, its clock is set. It says so, and blames no network
for it; and where the network fails and the daemon is sound, it says nothing of itself.

    sudo /usr/bin/python3 tests/system/selfcare_test.py [-v]

The tests go on in the order of their names: the daemon of the first is asked again by the last, half a minute later.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import DR, MAPS, PRIMARY, PROVISIONING, TREE, SystemTest, main, rows, wait_until  # noqa: E402

CLOCK_STEP = pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "dev"), "tests", "libclock_step.so")
DELAY_MS = 60  # so that a handshake lasts long enough to be cut into
SIGNALING = {"id": "signaling", "transport": "tcp", "destinations": [PRIMARY], "ports": 4200, "expect": "service"}
SECURE = {"id": "secure", "transport": "tcp", "destinations": [MAPS], "ports": 443, "expect": "service"}
WEB = {"id": "web", "transport": "tcp", "destinations": [MAPS], "ports": 80, "expect": "service"}
RANGE = {"id": "range", "transport": "tcp", "destinations": [PRIMARY, DR, *PROVISIONING], "ports": "2001-2010",
         "expect": "service"}
DATA = {"id": "data", "transport": "udp", "destinations": [PRIMARY], "ports": "4200-4202", "expect": "path"}
# A server of little patience, as many have: a client that was stopped finds its connection gone.
HASTY = {"id": "hasty", "transport": "tcp", "destinations": [PRIMARY], "ports": 4310, "expect": "service"}
HASTY_SERVER = """
import asyncio, socket, struct
async def serve(reader, writer):
    try:
        await asyncio.wait_for(reader.read(1), 0.4)
        await reader.read()
    except asyncio.TimeoutError:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except ConnectionError:
        pass
    writer.close()
async def main():
    async with await asyncio.start_server(serve, "0.0.0.0", 4310) as server:
        await server.serve_forever()
asyncio.run(main())
"""
STOPPED = (SIGNALING, SECURE, WEB, HASTY)
STOPPED_S = 1.3
# A round is due after each stop, and its handshake lasts 0.12 s: some stops fall into it, some after it.
RUNNING_S = (0.06, 0.5, 0.1, 0.03, 0.5)


class SelfCare(SystemTest):
    held = contextlib.ExitStack()  # the daemon that was stopped
    stopped = None

    @classmethod
    def tearDownClass(cls):
        cls.held.close()

    def daemon(self, name, *requirements, limits=None, **keywords):
        own = {"id": name, "title": "Own", "document": {"title": "Own"}, "contact": "Support", "requirements": list(requirements)}
        self.site.write(f"catalogues/{name}.json", own)
        state = self.site.fresh_directory(f"state-{name}")
        config = self.site.config({"catalogues": [name], "values": {}, "schedule": {"interval_s": 1},
                                   "history": {"path": str(state / "history.db")},
                                   "limits": {"connect_timeout_ms": 600, "attempts": 1} | (limits or {})}, f"{name}.json")
        return self.site.daemon(config=config, runtime=f"run-{name}", **keywords)

    @staticmethod
    def troubles(daemon):
        return [one["trouble"] for one in daemon.ask("health")["self"]]

    def assert_nothing_failed(self, daemon):
        """No row ever did: each change is logged."""
        self.assertNotIn("state=fail", daemon.log())
        self.assertEqual([one["id"] for one in rows(daemon.ask("report")).values() if one["state"] == "fail"], [])

    def assert_told(self, daemon, trouble, words):
        """On every surface."""
        one, = (one for one in daemon.ask("health")["self"] if one["trouble"] == trouble)
        self.assertIn(words, one["sentence"])
        report = daemon.ask("report")
        self.assertIn(trouble, [one["trouble"] for one in report["self"]])
        self.assertIn(words, " ".join(report["findings"]))
        for command in (["status"], ["health"], ["report"], ["doctor"]):
            said = " ".join(daemon.reachctl(*command, capture_output=True).stdout.split())
            self.assertIn(words, said, command)
        polled = daemon.reachctl("health", "--format", "nagios", capture_output=True)
        self.assertEqual(polled.returncode, 1, polled.stdout)
        self.assertIn(words, polled.stdout)
        metrics = daemon.ask("metrics")["text"]
        self.assertIn(f'reachd_self_trouble{{trouble="{trouble}"}} 1', metrics)
        line, = (line for line in daemon.log().splitlines() if "self.trouble" in line and f"trouble={trouble}" in line)
        self.assertIn("warning", line)

    def test_1_what_a_stopped_daemon_missed_blames_nobody(self):
        hasty = self.site.lab.popen("server", ["/usr/bin/python3", "-c", HASTY_SERVER], user=False)
        self.held.callback(hasty.wait)
        self.held.callback(hasty.kill)
        daemon = type(self).stopped = self.held.enter_context(self.daemon("stopped", *STOPPED))
        for one in STOPPED:
            daemon.await_row(one["id"], "pass")
        self.assertEqual(self.troubles(daemon), [])
        for running in RUNNING_S:
            daemon.signal(signal.SIGSTOP)
            time.sleep(STOPPED_S)
            daemon.signal(signal.SIGCONT)
            time.sleep(running)
        self.assert_nothing_failed(daemon)
        self.assertEqual(self.troubles(daemon), ["event_loop_lag"])
        self.assert_told(daemon, "event_loop_lag", "stood still for 1.")
        voided, = re.findall(r"^reachd_probes_voided_total (\d+)$", daemon.ask("metrics")["text"], re.MULTILINE)
        self.assertGreater(int(voided), 0, "no exchange was cut into")
        self.assert_nothing_failed(daemon)

    def test_2_too_few_descriptors_are_told_and_blame_nobody(self):
        with self.daemon("few", SIGNALING, RANGE, before=["prlimit", "--nofile=40:40"]) as daemon:
            wait_until(lambda: "no_descriptors" in self.troubles(daemon), "the trouble", 20, daemon.log)
            wait_until(lambda: all(one["checked"] for one in rows(daemon.ask("report")).values()), "a round of each row", 20)
            self.assert_told(daemon, "no_descriptors", "file descriptors")
            self.assert_nothing_failed(daemon)
            for one in rows(daemon.ask("report")).values():
                for found in one["endpoints"]:
                    if found["verdict"] != "open":
                        self.assertEqual((found["verdict"], found["blame"]), ("unproven", "host"), found["sentence"])

    @unittest.skipUnless(CLOCK_STEP.exists(), "a build with sanitizers has no library to preload")
    def test_3_a_clock_that_is_set_is_told_and_blames_nobody(self):
        shutil.copy(CLOCK_STEP, self.site.directory / "bin" / CLOCK_STEP.name)
        step = self.site.write("step", "0")
        before = ["env", f"LD_PRELOAD={self.site.program(CLOCK_STEP.name)}", f"CLOCK_STEP_FILE={step}"]
        with self.daemon("clock", SIGNALING, before=before) as daemon:
            daemon.await_row("signaling", "pass")
            self.assertEqual(self.troubles(daemon), [])
            self.site.write("step.new", "-3600").replace(step)
            ages = []

            def told():
                ages.append(daemon.ask("health")["age_s"])
                return self.troubles(daemon) == ["clock"]
            wait_until(told, "the trouble", 10)
            self.assertGreaterEqual(min(ages), 0)
            self.assert_told(daemon, "clock", "set back by 60 min")
            health = daemon.ask("health")
            self.assertEqual((health["state"], health["stale"]), ("ready", False))
            self.assert_nothing_failed(daemon)

    def test_4_twin_a_network_that_drops_is_blamed_and_the_daemon_says_nothing_of_itself(self):
        with self.daemon("twin", RANGE) as daemon:
            daemon.await_row("range", "pass")
            self.fault("drop", port="2001-2010", proto="tcp")
            daemon.await_row("range", "fail", 20)
            self.assertEqual(daemon.ask("health")["self"], [])
            self.assertEqual(daemon.ask("report")["self"], [])
            self.assertNotIn("self.trouble", daemon.log())
            polled = daemon.reachctl("health", "--format", "nagios", capture_output=True)
            self.assertEqual(polled.returncode, 2, polled.stdout)
            self.assertNotIn("reachd itself", polled.stdout)

    def test_5_the_trouble_of_the_stopped_daemon_is_over(self):
        daemon = self.stopped
        wait_until(lambda: self.troubles(daemon) == [], "the end of the trouble", 40)
        wait_until(lambda: "self.recovered" in daemon.log(), "the line that says so", 5)
        self.assertLessEqual(daemon.log().count("self.trouble:"), 2)  # a busy machine may stop it once more
        self.assertIn('reachd_self_trouble{trouble="event_loop_lag"} 0', daemon.ask("metrics")["text"])
        for one in STOPPED:
            self.assertEqual(daemon.row(one["id"])["state"], "pass")
        polled = daemon.reachctl("health", "--format", "nagios", capture_output=True)
        self.assertEqual(polled.returncode, 0, polled.stdout)
        self.assert_nothing_failed(daemon)

    def test_6_a_full_transmit_queue_of_the_machine_is_told_and_blames_nobody(self):
        """The kernel says ENOBUFS of a datagram that the own interface's queue has no room for: no box on the way dropped it.
        Last, as it concerns every daemon of the client."""
        queue = ["tc", "qdisc", "replace", "dev", "wired", "root", "pfifo", "limit", "0"]
        with self.daemon("queue", DATA) as daemon:
            daemon.await_row("data", "pass")
            self.assertEqual(self.troubles(daemon), [])
            self.addCleanup(self.site.lab.exec, "client", ["tc", "qdisc", "del", "dev", "wired", "root"], user=False)
            self.assertEqual(self.site.lab.exec("client", queue, user=False).returncode, 0)
            wait_until(lambda: self.troubles(daemon) == ["no_memory"], "the trouble", 20, daemon.log)
            daemon.await_row("data", "unproven")
            self.assert_told(daemon, "no_memory", "transmit queue is full")
            self.assert_nothing_failed(daemon)
            for found in daemon.row("data")["endpoints"]:
                self.assertEqual((found["verdict"], found["blame"]), ("unproven", "host"), found["sentence"])


if __name__ == "__main__":
    main("selfcare", delay_ms=DELAY_MS)
