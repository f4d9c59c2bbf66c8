# SPDX-License-Identifier: Apache-2.0
"""What a check says that it has sent, beside what the client's and the site's own counters say.

    sudo /usr/bin/python3 tests/system/traffic_test.py [-v]
"""
import json
import pathlib
import re
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import EXIT_OF, PRIMARY, SystemTest, endpoints, main, row  # noqa: E402

# Ends of connections are estimated: who closes first, and how often each side acknowledges, is not told to us.
TOLERANCE = 0.08  # of a check that is mostly TLS and HTTP; 0.015 of the whole one
SILENCE_TOLERANCE = 0.35
DRY_RUN_TOLERANCE, DRY_RUN_LEAST = 0.15, 0.7
# name -> what the client sends; ICMP errors of its own and loopback apart
COUNTED = {
    "syns": "tcp flags & (syn | ack) == syn",
    "segments": "meta l4proto tcp tcp flags & (syn | ack) != syn",
    "dns_questions": "udp dport 53",
    "datagrams": "udp dport != 53",
}
SERVICES = ("provisioning", "nlb", "signaling", "data")  # at literal addresses: an address of a name is not known before
CAP = 40
SLACK = 3  # of the box itself: its neighbours' and its own DNS
PORTS = 45  # datagrams of two attempts each
SEVERAL = {"id": "several", "title": "Several", "document": {"title": "Several"}, "contact": "Support", "requirements": [
    {"id": "several", "transport": "udp", "destinations": [PRIMARY], "ports": f"4200-{4200 + PORTS - 1}", "expect": "path"}]}


class Counting(SystemTest):
    """The client's own counters."""

    def count(self):
        rules = "; ".join(f'oifname != "lo" {what} counter comment "{name}"' for name, what in COUNTED.items())
        self.on("client", "nft", f"table inet watch {{ chain out {{ type filter hook postrouting priority 300; {rules}; }}; }}")
        self.addCleanup(self.on, "client", "nft", "delete table inet watch")

    def counted(self):
        text = self.on("client", "nft", "list table inet watch")
        return {name: int(number) for number, name in re.findall(r'packets (\d+) bytes \d+ comment "(\w+)"', text)}

    def on(self, host, *argv):
        done = self.site.lab.exec(host, list(argv), user=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def assert_near(self, told, real, share, what):
        self.assertLessEqual(abs(told - real), max(2, share * real), f"{what}: told {told}, really {real}")


class Traffic(Counting):
    def test_total_is_what_the_client_has_really_sent(self):
        self.count()
        told = self.check("provisioning", "nlb", "data", "maps", "getconf", "signaling-dr")["traffic"]
        real = self.counted()
        for name in ("syns", "datagrams", "dns_questions"):
            self.assertEqual(told[name], real[name], name)
        self.assertGreater(min(real.values()), 0)
        self.assert_near(told["packets"], sum(real.values()), TOLERANCE, "packets")
        self.assertEqual(told["packets"], sum(told[name] for name in COUNTED))

    def test_total_of_silence_has_the_kernels_own_repeats(self):
        self.fault("drop", address="15.200.0.0/16", proto="tcp")
        self.count()
        config = self.site.config({"limits": {"connect_timeout_ms": 2500}})
        report = self.check("nlb", config=config)
        told, real = report["traffic"], self.counted()
        self.assertEqual(told["syns"], real["syns"])
        # Answers that are discarded for their TTL are sent again, and each draws a RST of the kernel's own for as long as
        # the check lasts: nobody can count those, and a busy machine has more of them.
        self.assert_near(told["packets"], sum(real.values()), SILENCE_TOLERANCE, "packets")
        silent = len(endpoints(row(report, "nlb"))) - 2  # two ports of the third address answer
        self.assertGreaterEqual(told["nat_entries"]["half_open"], 2 * silent)  # each attempt is a flow

    def test_last_line_of_the_table_tells_it(self):
        done = self.site.reachctl("check", "--only", "signaling")
        self.assertEqual(done.returncode, 0, done.stdout)
        last = done.stdout.strip().rpartition("\n\n")[2].replace("\n", " ")
        self.assertRegex(last, r"^Sent \d+ packets in \d+ s; left \d+ entries in NAT tables, at most \d+ at once\.$")

    def test_dry_run_tells_before_what_a_healthy_check_sends(self):
        only = [word for one in SERVICES for word in ("--only", one)]
        dry = json.loads(self.site.reachctl("check", "--dry-run", "--format", "json", *only).stdout)
        sent = self.check(*SERVICES)["traffic"]["packets"]
        told = dry["healthy"]["packets_if_ports_refuse"]
        self.assertLessEqual(sent, (1 + DRY_RUN_TOLERANCE) * told, f"told {told}, really {sent}")
        # On a busy machine one answer tells how far the others are before these are asked: 249 in place of 326.
        self.assertGreaterEqual(sent, DRY_RUN_LEAST * told, f"told {told}, really {sent}")
        self.assertEqual(dry["healthy"]["packets_if_ports_refuse"], dry["healthy"]["packets_if_all_accept"])

    def test_t24_new_flows_wait_for_entries_of_nats_and_are_not_lost(self):
        self.site.write("catalogues/several.json", SEVERAL)
        config = self.site.config({"catalogues": ["several"], "values": None, "limits": {"nat_entries": CAP}},
                                  name="capped.json")
        before, most, ended = self.entries(), [0], threading.Event()

        def watch():
            while not ended.wait(0.1):
                most[0] = max(most[0], self.entries())
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            done = self.site.reachctl("check", "--format", "json", config=config, timeout=300)
        finally:
            ended.set()
            watcher.join()
        report = json.loads(done.stdout)
        told = report["traffic"]
        self.assertEqual(done.returncode, EXIT_OF[report["state"]])
        self.assertEqual(row(report, "several")["counts"]["total"], PORTS)
        self.assertGreaterEqual(told["datagrams"], PORTS)  # all of them went, in their turn
        self.assertEqual((told["left_out"], told["nat_entries"]["limit"]), (0, CAP))
        self.assertLessEqual(told["nat_entries"]["at_once_at_most"], CAP)
        self.assertGreater(told["nat_entries"]["left"], CAP)
        self.assertGreater(told["duration_s"], 25)  # a datagram's entry lives 30 s
        self.assertLessEqual(most[0] - before, CAP + SLACK)
        self.assertGreater(most[0] - before, CAP // 2)  # or the watch saw nothing

    def entries(self):
        """Those that live: nf_conntrack_count also has those whose time is over and that nobody has collected."""
        return len(self.on("site", "cat", "/proc/net/nf_conntrack").splitlines())


if __name__ == "__main__":
    main("traffic")
