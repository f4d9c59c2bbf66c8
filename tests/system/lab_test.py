# SPDX-License-Identifier: Apache-2.0
"""The lab's own test: every fault is absent before, visible from the client while on, and gone after.

    sudo /usr/bin/python3 tests/system/lab_test.py [-v]
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests" / "support"), str(pathlib.Path(__file__).resolve().parent)]

from lab import Lab, UsageError  # noqa: E402
from lab.faults import FAULTS  # noqa: E402
from lab.topology import HOSTS, ROUTERS, SLOW_LINKS, namespaces  # noqa: E402
from lab_cases import (CASES, DNS2, HOPS, HOPS6, INTERNET, ISP, MAPS, MAPS6_AT, MAPS_ALL, RESOLVED,  # noqa: E402
                       RULESET, SERVER, SITE, TABLE, TRUSTED, dns, http, tcp, tls, udp, walk)

LAB_ID = f"selftest{os.getpid()}"
UP_LIMIT_S = 3.0
PATIENT = ("tcp", "udp", "http", "tls", "dns")  # kinds of probes that can be told how long to wait
COURIER = ("tls", {"name": "courier.push.apple.com", "address": "17.57.144.7", "port": 5223})


def words_of(expected):
    """What each probe of [(probe, wanted)] says. Silence where an answer is wanted is asked again, with time for a busy
    machine: an answer that comes is never too much of it."""
    words = LAB.probe("client", *(probe for probe, _ in expected))
    late = [i for i, (probe, wanted) in enumerate(expected) if "silent" in words[i] and "silent" not in wanted and probe[0] in PATIENT]
    if late:
        again = LAB.probe("client", *((expected[i][0][0], {**expected[i][0][1], "patience": 3.0}) for i in late))
        for i, word in zip(late, again):
            words[i] = word
    return words


class Healthy(unittest.TestCase):
    def see(self, *expected):
        for (probe, wanted), word in zip(expected, words_of(expected)):
            with self.subTest(probe=probe):
                self.assertEqual(word, wanted)

    def test_destinations_answer_at_distance_four(self):
        for address, hops in ((SERVER, (SITE, ISP, INTERNET)), ("17.200.3.4", (SITE, ISP, INTERNET))):
            port = 80
            self.see(*((tcp(port, address, ttl=ttl), f"icmp 11/0 from {hop}") for ttl, hop in enumerate(hops, 1)),
                     (tcp(port, address, ttl=4), "open"))

    def test_services_behave_as_documented(self):
        self.see((http(), "200 lab"), (http(MAPS6_AT), "200 lab"), (tls(), TRUSTED), (tls(address=MAPS6_AT), TRUSTED),
                 (tls(None, "15.200.134.197"), "trusted lab-default"),
                 (COURIER, "untrusted: self-signed certificate in certificate chain"),
                 *((("tls", {**COURIER[1], "port": port, "alpn": alpn, "ca_file": str(LAB.apple_ca_file)}),
                    f"trusted courier.push.apple.com {alpn}")
                   for port, alpn in ((5223, "apns-security-v3"), (443, "http/1.1"))),
                 (http(SERVER, port=4200), "open, then silent"), (http("34.0.0.10", port=2001), "open, then silent"),
                 (tcp(2010), "open"), (tcp(2011), "refused"), (tcp(2200), "open"), (tcp(2499), "refused"),
                 (tcp(2500), "open"), (udp(4200), "silent"), (udp(4208), "silent"),
                 (udp(4209), f"icmp 3/3 from {SERVER}"))

    def test_names_resolve_on_both_servers_and_nothing_else_does(self):
        self.see((dns(), RESOLVED), (dns(DNS2), RESOLVED), (dns(name="canary.example"), "nxdomain"),
                 (("names", {"name": MAPS}), f"{MAPS_ALL} {MAPS6_AT}"),
                 (("names", {"name": "canary.example"}), "no such name"),
                 (("names", {"name": "50-courier.push.apple.com"}), "17.249.50.10 17.57.144.50 2600:1f18:4::50"))

    def test_voice_leaves_by_its_own_interface(self):
        self.see((tcp(source="10.77.2.2", ttl=1), "icmp 11/0 from 10.77.2.1"),
                 (tcp(device="voice", show_source=True), "open from 10.77.2.2"),
                 (tcp(show_source=True), "open from 10.77.1.2"))

    def test_thousands_of_connections_open_at_once(self):
        self.see((("flood", {"address": SERVER, "port": 4200, "count": 4000}), "4000 open, quick"))

    def test_user_has_no_capabilities_and_root_has(self):
        self.assertEqual(LAB.probe("client", ("whoami", {}))[0], f"uid 65534 capabilities 0 lab {LAB_ID}")
        self.assertNotIn("capabilities 0", LAB.probe("client", ("whoami", {}), user=False)[0])


class Faults(unittest.TestCase):
    def see(self, when, column, checks):
        for check, word in zip(checks, words_of([(check[0], check[column]) for check in checks])):
            self.assertEqual(word, check[column], f"{when}: {check[0]}")

    def test_every_fault_shows_and_clears(self):
        self.see("before", 1, CASES[0][2])
        following = [checks for _, _, checks in CASES[1:]] + [[]]
        for (name, options, checks), next_checks in zip(CASES, following):
            with self.subTest(fault=name, options=options):
                try:
                    LAB.fault(name, **options)
                    self.see("on", 2, checks)
                finally:
                    LAB.clear()
                self.see("after this and before the next", 1, [*checks, *next_checks])

    def test_table_of_who_answers_at_which_ttl(self):
        for name, options, hops, word, word6 in ((*row, row[-1])[:5] for row in TABLE):
            with self.subTest(fault=name, options=options):
                self.addCleanup(LAB.clear)
                if name:
                    LAB.fault(name, at="isp", port="443", **options)
                self.see("on", 1, list(zip(walk(tcp), [*HOPS[:hops], *[word] * 4])))
                self.see("on", 1, list(zip(walk(tcp, address=MAPS6_AT), [*HOPS6[:hops], *[word6] * 4])))
                LAB.clear()

    def test_table_for_datagrams_and_for_a_service_that_is_not_there(self):
        self.addCleanup(LAB.clear)
        LAB.fault("udp-spoof", at="isp", port="4200")
        self.see("on", 1, list(zip(walk(udp), [HOPS[0], *["reply"] * 3])))
        self.see("twin", 1, list(zip(walk(udp, port=4201), [*HOPS, "silent"])))
        self.see("twin", 1, list(zip(walk(tcp, port=2100), [*HOPS, "refused"])))

    def test_received_ttl_tells_the_boxes_answer_from_the_destinations(self):
        """Every box starts at 64: what comes from hop 4 arrives with 61, from hop 3 with 62."""
        self.addCleanup(LAB.clear)
        self.see("healthy", 1, [(tcp(min_ttl=61), "open"), (tcp(min_ttl=62), "silent"),
                                (tcp(2100, min_ttl=61), "refused"), (tcp(2100, min_ttl=62), "silent")])
        LAB.fault("rst", at="internet", port="443")
        LAB.fault("synproxy", at="internet", port="80")
        self.see("on", 1, [(tcp(min_ttl=62), "refused"), (tcp(min_ttl=63), "silent"), (tcp(ttl=3), HOPS[2]),
                           (tcp(80, min_ttl=62), "open"), (tcp(80, min_ttl=63), "silent"), (tcp(80, ttl=3), HOPS[2])])

    def test_syn_proxy_in_front_of_a_dropped_server_never_offers_a_window(self):
        self.addCleanup(LAB.clear)
        LAB.fault("synproxy", port="4200")
        LAB.fault("drop", at="isp", port="4200")
        self.see("on", 1, [(tcp(4200, settle=True), "open, no window"), (tcp(settle=True), "open, data taken")])

    def test_every_fault_has_a_case(self):
        self.assertEqual(set(FAULTS), {name for name, _, _ in CASES})

    def test_faults_combine_and_clear_one_by_one(self):
        first = LAB.fault("drop", port="443", proto="tcp")
        self.assertEqual(LAB.fault("drop", port="443", proto="tcp"), first)
        LAB.fault("rst", port="80")
        LAB.fault("no-address")
        LAB.fault("dns", server="1", mode="silent")
        self.assertEqual(len(LAB.faults()), 4)
        LAB.clear("no-address")
        self.see("three left", 1, [(tcp(), "silent"), (tcp(80), "refused"), (dns(), "silent"),
                                   (udp(4210), f"icmp 3/3 from {SERVER}")])
        LAB.clear(first)
        self.see("two left", 1, [(tcp(), "open"), (tcp(80), "refused"), (dns(), "silent")])
        LAB.clear()
        self.see("none left", 1, [(tcp(), "open"), (tcp(80), "open"), (dns(), RESOLVED)])

    def test_boxes_combine_and_leave_no_rule_no_process_and_no_parameter(self):
        def remains():
            return ([LAB.exec(host, ["nft", "list", "ruleset"], user=False).stdout for host in HOSTS],
                    LAB.exec("isp", ["sysctl", "-n", "net.netfilter.nf_conntrack_tcp_loose"], user=False).stdout,
                    sorted(len(pids) for pids in LAB.status()["processes"].values()))
        before = remains()
        self.addCleanup(LAB.clear)
        LAB.fault("synproxy", at="isp", port="80")
        LAB.fault("tproxy", port="443", address=SERVER)
        LAB.fault("redirect", port="443", then="relay")
        LAB.fault("udp-spoof", port="4200")
        LAB.fault("default-deny", rules="tcp dport { 80, 443, 4200 } accept\nudp dport 4200 accept")
        LAB.fault("hop-silent", at="internet")
        LAB.fault("drop", at="server", port="4200", proto="tcp")
        self.see("all on", 1, [(tcp(80, ttl=3), "open"), (tcp(80), "open"), (tcp(443, ttl=1), "open"),
                               (tls(), TRUSTED), (udp(), "reply"), (tcp(4200), "silent"), (tcp(4200, ttl=2), HOPS[1]),
                               (tcp(2001), "silent")])
        LAB.clear("tproxy")
        LAB.clear("default-deny")
        self.see("some left", 1, [(tcp(80), "open"), (tcp(443, ttl=1), "open"), (udp(), "reply"), (tcp(2001), "open")])
        LAB.clear()
        self.assertEqual(remains(), before)
        self.see("none left", 1, [(tcp(ttl=1), HOPS[0]), (tcp(), "open"), (udp(), "silent"), (tcp(4200), "open")])

    def test_local_faults_combine_in_any_order(self):
        for names in (("no-link", "no-route", "no-address", "no-gateway", "uplink-down"),
                      ("no-address", "uplink-down", "no-route", "no-link")):
            for name in names:
                LAB.fault(name)
            self.see("all on", 1, [(tcp(), "ENETUNREACH"), (tcp(address=MAPS6_AT), "ENETUNREACH")])
            LAB.clear()
            self.see("none left", 1, [(tcp(), "open"), (tcp(address=MAPS6_AT), "open"), (dns(), RESOLVED)])

    def test_faults_at_the_client_itself(self):
        LAB.fault("reject", at="client", port="443", code="admin-prohibited")
        LAB.fault("rst", at="client", port="80")
        self.addCleanup(LAB.clear)
        self.see("on", 1, [(tcp(), "icmp 3/13 from 10.77.1.2"), (tcp(80), "refused"), (tcp(4200), "open")])

    def test_loss_of_half_loses_about_half(self):
        LAB.fault("loss", percent="50", port="53")
        self.addCleanup(LAB.clear)
        words = LAB.probe("client", *(dns(DNS2) for _ in range(200)))
        self.assertTrue(50 <= words.count(RESOLVED) <= 150, words.count(RESOLVED))


class Delay(unittest.TestCase):
    """One link holds every packet back: same addresses, same distances, and ICMP errors that take their time."""

    def test_slow_link_changes_nothing_but_the_time(self):
        for at in SLOW_LINKS:
            with self.subTest(at=at), Lab(LAB_ID + "d", delay_ms=20, delay_at=at) as lab:
                for host in ROUTERS:
                    lab.sysctl(host, {"ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"})
                self.assertEqual(lab.probe("client", *walk(tcp)), [*HOPS, "open"])
                self.assertEqual(lab.probe("client", *walk(tcp, address=MAPS6_AT)), [*HOPS6, "open"])
                self.assertEqual(lab.probe("client", *walk(udp), tls(), dns(DNS2)),
                                 [*HOPS, "silent", TRUSTED, RESOLVED])
                script = f"import socket, time; at = time.monotonic(); socket.create_connection(('{SERVER}', 443)); " \
                         "print(time.monotonic() - at)"
                took = lab.exec("client", ["/usr/bin/python3", "-c", script]).stdout
                self.assertGreater(float(took), 0.039, "twice 20 ms")
                self.assertEqual(lab.probe("client", ("flood", {"address": SERVER, "port": 4200, "count": 2000})),
                                 ["2000 open, quick"])

    def test_faults_act_and_clear_on_both_sides_of_a_slow_link(self):
        with Lab(LAB_ID + "d", delay_ms=20) as lab:
            for name, options, word in (("drop", {"at": "isp"}, "silent"), ("rst", {}, "refused"),
                                        ("reject", {"at": "internet"}, "icmp 3/3 from 203.0.113.2"),
                                        ("redirect", {"at": "internet"}, "open"), ("synproxy", {"at": "isp"}, "open")):
                with self.subTest(fault=name):
                    lab.fault(name, port="443", **options)
                    self.assertEqual(lab.probe("client", tcp(), tcp(80)), [word, "open"])
                    lab.clear()
                    self.assertEqual(lab.probe("client", tcp()), ["open"])
            lab.fault("uplink-down")
            lab.clear()
            self.assertEqual(lab.probe("client", tcp()), ["open"])


class CommandLine(unittest.TestCase):
    def lab(self, *words, **keywords):
        return subprocess.run([TREE / "scripts" / "lab", "--id", LAB_ID, *words], text=True, capture_output=True,
                              check=False, **keywords)

    def test_exec_passes_exit_code_stdin_and_directory(self):
        done = self.lab("exec", "--user", "client", "--", "sh", "-c", "cat; pwd; echo $REACHD_LAB_ID; exit 7",
                        input="in\n", cwd="/usr/share")
        self.assertEqual((done.returncode, done.stdout), (7, f"in\n/usr/share\n{LAB_ID}\n"))

    def test_unknown_words_are_usage_errors_with_a_hint(self):
        for words, hint in ((["fault", "dropp"], "did you mean drop?"), (["exec", "clint", "--", "true"], "client"),
                            (["fault", "drop", "--prt", "1"], "--port"),
                            (["fault", "drop", "--port", "0"], "1 to 65535"),
                            (["fault", "drop", "--at", "server", "--hook", "forward"], "forwards nothing"),
                            (["fault", "default-deny", "--rules", "flush ruleset"], "without 'flush ruleset'"),
                            (["up", "--delay", "soon"], "from 0ms to 5000ms"),
                            (["fault", "wrong-cert"], "--name NAME is needed"), (["fautl"], "did you mean fault?")):
            done = self.lab(*words)
            self.assertEqual(done.returncode, 64, words)
            self.assertIn(hint, done.stderr)
        with self.assertRaises(UsageError):
            LAB.fault("drop", code="x")

    def test_ordinary_user_is_told_that_root_is_needed(self):
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
        if subprocess.run([*nobody, "cat", TREE / "scripts" / "lab"], capture_output=True, check=False).returncode:
            self.skipTest("nobody cannot read the source tree")
        for command in (["up"], ["down"], ["fault", "drop"], ["exec", "client", "--", "true"]):
            done = subprocess.run([*nobody, TREE / "scripts" / "lab", "--id", LAB_ID, *command], text=True,
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertIn("root", done.stderr)

    def test_site_may_be_given_a_ruleset_in_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
            file.write(RULESET)
            file.flush()
            self.assertEqual(self.lab("fault", "default-deny", "--file", file.name).returncode, 0)
        self.addCleanup(LAB.clear)
        self.assertEqual(LAB.probe("client", http(), tcp()), ["200 lab", "silent"])
        LAB.clear()
        self.assertEqual(LAB.probe("client", tcp()), ["open"])
        self.assertNotIn("generated", LAB.exec("site", ["nft", "list", "tables"], user=False).stdout)

    def test_ruleset_that_nft_refuses_leaves_the_lab_as_it_was(self):
        done = self.lab("fault", "default-deny", "--rules", "tcp dport nonsense accept")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nonsense", done.stderr)
        self.assertEqual((LAB.faults(), LAB.probe("client", tcp())), ([], ["open"]))

    def test_config_and_status_tell_what_there_is(self):
        self.assertIn(str(LAB.ca_file), self.lab("config").stdout)
        self.assertIn('"up": true', self.lab("status").stdout)


class Lifecycle(unittest.TestCase):
    def test_no_interface_of_the_machine_leads_into_the_lab(self):
        self.assertEqual(socket.if_nameindex(), INTERFACES_BEFORE)
        for host in HOSTS:
            links = LAB.exec(host, ["ip", "-o", "link"], user=False).stdout.splitlines()
            for link in links:  # every link is loopback or leads to another namespace of this lab
                self.assertTrue(" lo: " in link or f"link-netns {LAB_ID}-" in link, link)

    def test_up_twice_and_down_leave_nothing_behind(self):
        with Lab(LAB_ID + "b") as second:
            sleeper = second.popen("client", ["sleep", "1000"])
            began = time.monotonic()
            second.up()
            self.assertLess(time.monotonic() - began, UP_LIMIT_S)
            self.assertEqual(sleeper.wait(timeout=1), -9)
            second.fault("drop")  # a fault in one lab is none in another
            self.assertEqual(LAB.probe("client", tcp()), ["open"])
        for name in namespaces(second.id):
            self.assertFalse(pathlib.Path("/run/netns", name).exists())
            self.assertFalse(pathlib.Path("/etc/netns", name).exists())
        self.assertFalse(second.directory.exists())


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("lab_test: needs root (network namespaces); skipped", file=sys.stderr)
        sys.exit(77)
    INTERFACES_BEFORE = socket.if_nameindex()
    with Lab(LAB_ID) as LAB:
        for router in ROUTERS:  # by default a router sends six ICMP errors at once, then one a second
            LAB.sysctl(router, {"ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"})
        outcome = unittest.main(exit=False)
    sys.exit(0 if outcome.result.wasSuccessful() else 1)
