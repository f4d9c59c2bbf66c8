# SPDX-License-Identifier: Apache-2.0
"""The lab's own test: every fault is absent before, visible from the client while on, and gone after.

    sudo /usr/bin/python3 tests/system/lab_test.py [-v]
"""
import os
import pathlib
import socket
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "support"))

from lab import Lab, UsageError  # noqa: E402
from lab.faults import FAULTS  # noqa: E402
from lab.topology import HOSTS, ROUTERS, namespaces  # noqa: E402

LAB_ID = f"selftest{os.getpid()}"
SERVER, OTHER = "198.51.100.7", "54.215.171.160"
MAPS, MAPS_AT, MAPS6_AT = "maps.googleapis.com", "142.250.0.10", "2600:1f18:1::10"
MAPS_ALL = "142.250.0.10 142.250.0.11"
DNS1, DNS2 = "10.77.1.53", "203.0.113.53"
UP_LIMIT_S = 3.0


def tcp(port=443, address=SERVER, **how):
    return ("tcp", {"address": address, "port": port, **how})


def udp(port=4200, address=SERVER, **how):
    return ("udp", {"address": address, "port": port, **how})


def http(address=OTHER, **how):
    return ("http", {"address": address, **how})


def tls(name=MAPS, address=MAPS_AT):
    return ("tls", {"name": name, "address": address})


def dns(server=DNS1, name=MAPS):
    return ("dns", {"server": server, "name": name})


TRUSTED = "trusted " + MAPS
RESOLVED = "noerror " + MAPS_ALL
SITE, ISP, INTERNET = "10.77.1.1", "100.64.0.1", "203.0.113.2"
DIES_AT_SITE, DIES_AT_ISP, DIES_AT_INTERNET = (f"icmp 11/0 from {hop}" for hop in (SITE, ISP, INTERNET))


def same(probe, word):
    """The twin: what the fault must not change."""
    return probe, word, word


# (fault, its options, [(probe, word when healthy, word while on)]); equal words are the twin: what must not change
CASES = [
    ("drop", {}, [(tcp(), "open", "silent"), (udp(4210), f"icmp 3/3 from {SERVER}", "silent")]),
    ("drop", {"proto": "tcp", "port": "440-450", "address": "198.51.100.0/24"},
     [(tcp(), "open", "silent"), same(tcp(80), "open"), same(tcp(address=OTHER), "open"),
      same(tcp(ttl=1), DIES_AT_SITE),
      (tcp(ttl=2), DIES_AT_ISP, "silent")]),
    ("drop", {"at": "isp", "port": "443"},
     [(tcp(), "open", "silent"), same(tcp(ttl=2), DIES_AT_ISP),
      (tcp(ttl=3), DIES_AT_INTERNET, "silent"), (tcp(address=MAPS6_AT), "open", "silent")]),
    ("drop", {"port": "443", "hook": "prerouting"}, [(tcp(ttl=1), DIES_AT_SITE, "silent")]),
    ("drop", {"hook": "prerouting"}, [(tcp(), "open", "silent"), same(dns(), RESOLVED)]),
    ("reject", {"port": "443"}, [(tcp(), "open", f"icmp 3/3 from {SITE}"),
                                 (tcp(address=MAPS6_AT), "open", "icmp 1/4 from fd77:1::1")]),
    *(("reject", {"port": "443", "code": word}, [(tcp(), "open", f"icmp 3/{code} from {SITE}")])
      for word, code in (("net-unreachable", 0), ("host-unreachable", 1), ("protocol-unreachable", 2),
                         ("net-prohibited", 9), ("host-prohibited", 10))),
    ("reject", {"at": "isp", "proto": "udp", "code": "admin-prohibited"},
     [(udp(), "silent", f"icmp 3/13 from {ISP}"), same(tcp(), "open")]),
    ("reject", {"at": "isp", "address": "2600:1f18:1::/48", "code": "admin-prohibited"},
     [(tcp(address=MAPS6_AT), "open", "icmp 1/1 from fd77:64::1"), same(tcp(), "open")]),
    ("reject", {"port": "443", "code": "admin-prohibited", "hook": "prerouting"},
     [(tcp(ttl=1), DIES_AT_SITE, f"icmp 3/13 from {SITE}")]),
    ("rst", {"port": "443"}, [(tcp(), "open", "refused"), same(tcp(ttl=1), DIES_AT_SITE),
                              (tcp(ttl=2), DIES_AT_ISP, "refused"),
                              (tcp(address=MAPS6_AT), "open", "refused")]),
    ("rst", {"at": "isp", "port": "443", "hook": "prerouting"},
     [same(tcp(ttl=1), DIES_AT_SITE), (tcp(ttl=2), DIES_AT_ISP, "refused")]),
    ("proxy", {"port": "443"}, [(tcp(ttl=1), DIES_AT_SITE, "open"), (tls(), TRUSTED, "open, then silent"),
                                same(tcp(80, ttl=1), DIES_AT_SITE)]),
    ("proxy", {"at": "isp", "address": SERVER},
     [same(tcp(ttl=1), DIES_AT_SITE), (tcp(2100), "refused", "open"),
      (tcp(ttl=2), DIES_AT_ISP, "open")]),
    ("http-portal", {}, [(http(), "200 lab", "302 lab http://portal.lab.example/login"), same(tls(), TRUSTED),
                         (http(MAPS6_AT), "200 lab", "302 lab http://portal.lab.example/login")]),
    ("loss", {"percent": "100", "port": "443"}, [(tcp(), "open", "silent"), same(tcp(80), "open")]),
    ("data-drop", {"port": "443"}, [(tls(), TRUSTED, "open, then silent"), same(tcp(), "open")]),
    ("data-drop", {"at": "isp", "port": "80", "address": OTHER},
     [(http(), "200 lab", "open, then silent"), same(http(MAPS_AT), "200 lab")]),
    ("icmp-filtered", {}, [(tcp(ttl=1), DIES_AT_SITE, "silent"), (tcp(ttl=2), DIES_AT_ISP, "silent"),
                           same(tcp(), "open")]),
    ("icmp-filtered", {"at": "isp"},
     [same(tcp(ttl=1), DIES_AT_SITE), (tcp(ttl=2), DIES_AT_ISP, "silent")]),
    ("dead-address", {"address": SERVER}, [(tcp(), "open", "silent"), same(tcp(address=OTHER), "open"),
                                           same(tcp(ttl=3), DIES_AT_INTERNET)]),
    ("closed", {"port": "443"}, [(tcp(), "open", "refused"),
                                 same(tcp(ttl=3), DIES_AT_INTERNET)]),
    ("closed", {"port": "4200-4208", "proto": "udp"}, [(udp(), "silent", f"icmp 3/3 from {SERVER}")]),
    ("slow-server", {"port": "443"}, [(tls(), TRUSTED, "open, then silent"), same(http(), "200 lab")]),
    ("reset-after-accept", {"port": "80"}, [(http(), "200 lab", "open, then ECONNRESET"), same(tls(), TRUSTED)]),
    ("wrong-cert", {"name": MAPS}, [(tls(), TRUSTED, "untrusted: self-signed certificate in certificate chain")]),
    ("expired-cert", {"name": MAPS}, [(tls(), TRUSTED, "untrusted: certificate has expired")]),
    ("wrong-name-cert", {"name": MAPS},
     [(tls(), TRUSTED, f"untrusted: Hostname mismatch, certificate is not valid for '{MAPS}'."),
      same(tls("connect.helpdeskbuttons.com", "34.0.0.10"), "trusted connect.helpdeskbuttons.com")]),
    ("dns", {"server": "1", "mode": "silent"}, [(dns(), RESOLVED, "silent"), same(dns(DNS2), RESOLVED)]),
    ("dns", {"server": "2", "mode": "servfail"}, [(dns(DNS2), RESOLVED, "servfail"), same(dns(), RESOLVED)]),
    ("dns", {"server": "1", "mode": "servfail", "name": MAPS},
     [(dns(), RESOLVED, "servfail"), same(dns(name="init.push.apple.com"), "noerror 17.57.144.251 17.249.251.10")]),
    ("dns", {"mode": "nxdomain"}, [(dns(), RESOLVED, "nxdomain"), (dns(DNS2), RESOLVED, "nxdomain")]),
    ("dns", {"server": "1", "mode": "refused"}, [(dns(), RESOLVED, "refused")]),
    ("dns", {"server": "1", "mode": "private"}, [(dns(name="canary.example"), "nxdomain", "noerror 10.77.1.80")]),
    ("dns", {"mode": "wrong", "name": MAPS},
     [(dns(), RESOLVED, "noerror 192.0.2.66"), same(dns(name="canary.example"), "nxdomain")]),
    ("local-firewall", {"port": "4200"}, [(udp(), "silent", "EPERM"), (tcp(4200), "open", "silent"),
                                          same(tcp(), "open")]),
    ("no-route", {}, [(tcp(), "open", "ENETUNREACH"), same(dns(), RESOLVED),
                      (tcp(address=MAPS6_AT), "open", "ENETUNREACH"), same(tcp(device="voice"), "open")]),
    ("no-link", {}, [(tcp(), "open", "ENETUNREACH"), (tcp(address=MAPS6_AT), "open", "ENETUNREACH"),
                     same(tcp(source="10.77.2.2"), "open")]),
    ("no-address", {}, [(tcp(), "open", "ENETUNREACH"), (tcp(address=MAPS6_AT), "open", "ENETUNREACH")]),
    ("no-gateway", {}, [(tcp(patience=4), "open", "icmp 3/1 from 10.77.1.2"), (dns(), RESOLVED, "silent")]),
    ("uplink-down", {}, [(tcp(), "open", f"icmp 3/0 from {SITE}"), same(dns(), RESOLVED)]),
]


class Healthy(unittest.TestCase):
    def see(self, *expected):
        words = LAB.probe("client", *(probe for probe, _ in expected))
        for (probe, wanted), word in zip(expected, words):
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
                 (("tls", {"name": "7-courier.push.apple.com", "address": "17.57.144.7", "port": 5223,
                           "alpn": "apns-security-v3"}), "trusted *.push.apple.com apns-security-v3"),
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
        words = LAB.probe("client", *(check[0] for check in checks))
        for check, word in zip(checks, words):
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
