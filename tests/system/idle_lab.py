# SPDX-License-Identifier: Apache-2.0
"""What the tests of idle-timer ladders share: a site whose NAT has timers of seconds, and what a ladder must say of it."""
import base64
import json
import os
import pathlib
import shutil
import signal

from lab_site import PRIMARY, TREE, SystemTest, wait_until
from report_schema import of_ladder

SERVER, PORT = "203.0.113.6", 3478
ESTABLISHED, LOOSE = "netfilter/nf_conntrack_tcp_timeout_established", "netfilter/nf_conntrack_tcp_loose"
SINGLE, STREAM = "netfilter/nf_conntrack_udp_timeout", "netfilter/nf_conntrack_udp_timeout_stream"
DEFAULTS = {ESTABLISHED: "432000", LOOSE: "1", SINGLE: "30", STREAM: "120"}
SLACK_S = 1.0
SECRET = base64.b64encode(bytes(range(32))).decode("ascii")
# The site's firewall as most are: what comes from outside without an invitation meets silence. The lab's own answers.
NO_ANSWERS = "table inet idle { chain input { type filter hook input priority 0; iifname \"wan\" ct state new,invalid drop; }; }"
OTHER_PORTS = ("table ip idleports { chain post { type nat hook postrouting priority 90; oifname \"wan\" masquerade "
               "fully-random; }; }")

# What the next packet of a forgotten connection meets. With tcp_loose=0 it is invalid, and would leave untranslated.
DROP_FORGOTTEN = "table inet idledrop { chain onward { type filter hook forward priority -10; ct state invalid drop; }; }"
RESET_FORGOTTEN = ("table inet idledrop { chain onward { type filter hook forward priority -10; "
                   "ct state invalid reject with tcp reset; }; }")


def of(transport, value):
    """One value for all transports, or a dictionary by transport."""
    return value[transport] if isinstance(value, dict) else value


def catalogue(hold_s, transports):
    rows = [{"id": f"{one}-idle", "idle": {"transport": one, "hold_s": of(one, hold_s),
                                           **({"over": ["line"]} if one == "tcp" else {})}} for one in transports]
    line = {"id": "line", "transport": "tcp", "destinations": [PRIMARY], "ports": "4200", "expect": "service"}
    return {"id": "timers", "title": "Timers", "document": {"title": "Timers"}, "contact": "Timer Support",
            "requirements": [line, *rows]}


class IdleTest(SystemTest):
    def setUp(self):
        self.addCleanup(self.site.lab.sysctl, "site", DEFAULTS)

    def timers(self, **seconds):
        names = {"tcp": ESTABLISHED, "single": SINGLE, "stream": STREAM, "loose": LOOSE}
        self.site.lab.sysctl("site", {names[key]: str(value) for key, value in seconds.items()})

    def rules(self, text):
        done = self.site.lab.exec("site", ["nft", text], user=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        table = " ".join(text.split()[:3])
        self.addCleanup(self.site.lab.exec, "site", ["nft", f"delete {table}"], user=False)

    def site_files(self, hold_s, rungs, transports, reflector, **more):
        self.site.write("catalogues/timers.json", catalogue(hold_s, transports))
        return self.site.config({
            "catalogues": ["timers"], "values": {},
            "idle": {"tcp_rungs_s": of("tcp", rungs), "udp_rungs_s": of("udp", rungs)},
            "reflectors": [{"host": SERVER, "port": PORT, **reflector}], **more})

    def measure(self, config, *words, **keywords):
        """`reachctl idle`; its entries by class ("tcp", "single", "stream"), and the exit code."""
        done = self.site.reachctl("idle", "--format", "json", *words, config=config, **keywords)
        self.assertEqual(done.stderr, "")
        return self.entries(done.stdout), done.returncode

    @staticmethod
    def entries(text):
        """What `reachctl idle --format json` said, by class."""
        told = json.loads(text)["idle"]
        for one in told:
            of_ladder().validate(one)
        return {one["class"] or one["transport"]: one for one in told}

    def assert_true_of(self, one, timer_s):
        """What must hold of every ladder over a far side that speaks first, whatever happens to it on the way: the timer lies in
        the bracket, and nothing passes but by what was heard."""
        if one["held_s"] is not None:
            self.assertLess(one["held_s"], timer_s, one)
        if one["lost_s"] is not None:
            self.assertGreaterEqual(one["lost_s"], timer_s, one)
        if one["state"] == "pass":
            self.assertEqual(one["grade"], "inbound", one)
            self.assertGreaterEqual(one["held_s"], one["required_s"], one)
        if one["state"] == "fail":
            self.assertLessEqual(one["lost_s"], one["required_s"] + SLACK_S, one)
            self.assertIn(one["grade"], ("inbound_lost", "outbound_lost"), one)
        for rung in one["rungs"]:
            if abs(rung["idle_s"] - timer_s) >= SLACK_S:
                self.assertNotEqual(rung["grade"], "inbound" if rung["idle_s"] > timer_s else "inbound_lost", one["rungs"])

    def proven(self, one):
        """All rungs but a few unproven ones: a busy machine stands still at times, and so do both ends of its flows."""
        out = [rung for rung in one["rungs"] if rung["grade"]]
        self.assertGreater(2 * len(out), len(one["rungs"]), one)
        return out

    def assert_bracket(self, one, timer_s):
        """The timer lies in (held, lost], and each rung away from it shows its side."""
        self.assertLess(one["held_s"] or 0, timer_s + SLACK_S, one)
        self.assertIsNotNone(one["lost_s"], one)
        self.assertGreaterEqual(one["lost_s"], timer_s, one)
        for rung in self.proven(one):
            if abs(rung["idle_s"] - timer_s) >= SLACK_S:
                self.assertEqual(rung["grade"], "inbound" if rung["idle_s"] < timer_s else "inbound_lost", one["rungs"])

    def assert_held(self, one, hold_s):
        self.assertEqual((one["state"], one["grade"], one["lost_s"], one["after_expiry"]), ("pass", "inbound", None, None), one)
        self.assertGreaterEqual(one["held_s"], hold_s, one)
        self.assertEqual({rung["grade"] for rung in self.proven(one)}, {"inbound"}, one["rungs"])


class Reflected(IdleTest):
    LISTEN = (f"{SERVER}:{PORT}",)

    def setUp(self):
        super().setUp()
        program = self.site.directory / "bin" / "reachd-reflector"
        if not program.exists():
            shutil.copy(pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "dev")) / "reachd-reflector", program)
        self.keys = self.site.write("reflector.keys", f"lab:{SECRET}\n")
        self.reflector = None
        self.start_reflector()

    def start_reflector(self):
        log = open(self.site.directory / "work" / "reflector.log", "w+b")
        self.addCleanup(log.close)
        listen = [word for where in self.LISTEN for word in ("--listen", where)]
        self.reflector = self.site.lab.popen("server", [self.site.program("reachd-reflector"), *listen,
                                                        "--key-file", str(self.keys)], stderr=log)
        self.addCleanup(self.stop_reflector, self.reflector)
        wait_until(lambda: b"reflector.started" in pathlib.Path(log.name).read_bytes(), "the reflector", 30)

    def stop_reflector(self, process=None, how=signal.SIGKILL):
        process = process or self.reflector
        process.send_signal(how)
        process.wait(10)

    def files(self, hold_s, rungs, transports=("tcp",), secret=None, **more):
        key = self.site.write("site.key", f"lab:{secret or SECRET}\n")
        return self.site_files(hold_s, rungs, transports, {"secret_file": str(key)}, **more)
