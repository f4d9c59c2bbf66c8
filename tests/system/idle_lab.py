# SPDX-License-Identifier: Apache-2.0
"""What the tests of idle-timer ladders share: a site whose NAT has timers of seconds, and what a ladder must say of it."""
import json

from lab_site import PRIMARY, SystemTest

SERVER, PORT = "203.0.113.6", 3478
ESTABLISHED, LOOSE = "netfilter/nf_conntrack_tcp_timeout_established", "netfilter/nf_conntrack_tcp_loose"
SINGLE, STREAM = "netfilter/nf_conntrack_udp_timeout", "netfilter/nf_conntrack_udp_timeout_stream"
DEFAULTS = {ESTABLISHED: "432000", LOOSE: "1", SINGLE: "30", STREAM: "120"}
SLACK_S = 1.0
# The site's firewall as most are: what comes from outside without an invitation meets silence. The lab's own answers.
NO_ANSWERS = "table inet idle { chain input { type filter hook input priority 0; iifname \"wan\" ct state new,invalid drop; }; }"
OTHER_PORTS = ("table ip idleports { chain post { type nat hook postrouting priority 90; oifname \"wan\" masquerade "
               "fully-random; }; }")


def catalogue(hold_s, transports):
    rows = [{"id": f"{one}-idle", "idle": {"transport": one, "hold_s": hold_s, **({"over": ["line"]} if one == "tcp" else {})}}
            for one in transports]
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
            "catalogues": ["timers"], "values": {}, "idle": {"tcp_rungs_s": rungs, "udp_rungs_s": rungs},
            "reflectors": [{"host": SERVER, "port": PORT, **reflector}], **more})

    def measure(self, config, *words):
        """`reachctl idle`; its entries by class ("tcp", "single", "stream"), and the exit code."""
        done = self.site.reachctl("idle", "--format", "json", *words, config=config)
        self.assertEqual(done.stderr, "")
        return {one["class"] or one["transport"]: one for one in json.loads(done.stdout)["idle"]}, done.returncode

    def assert_bracket(self, one, timer_s):
        """The timer lies in (held, lost], and each rung away from it shows its side."""
        self.assertLess(one["held_s"], timer_s + SLACK_S, one)
        self.assertGreaterEqual(one["lost_s"], timer_s, one)
        for rung in one["rungs"]:
            if abs(rung["idle_s"] - timer_s) >= SLACK_S:
                self.assertEqual(rung["grade"], "inbound" if rung["idle_s"] < timer_s else "inbound_lost", one["rungs"])

    def assert_held(self, one, hold_s):
        self.assertEqual((one["state"], one["grade"], one["lost_s"], one["after_expiry"]), ("pass", "inbound", None, None), one)
        self.assertGreaterEqual(one["held_s"], hold_s, one)
        self.assertEqual({rung["grade"] for rung in one["rungs"]}, {"inbound"}, one["rungs"])
