# SPDX-License-Identifier: Apache-2.0
"""Inbound rows: a ticket system behind the site's NAT, the two addresses that may connect to it, and everybody else.

    sudo /usr/bin/python3 tests/system/inbound_test.py [-v]
"""
import base64
import json
import os
import pathlib
import shutil
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import GATEWAY, TREE, endpoint, main, row, wait_until  # noqa: E402
from traffic_test import Counting  # noqa: E402
from lab import system  # noqa: E402
from lab.topology import namespace_of  # noqa: E402

REFLECTOR, REFLECTOR_PORT = "203.0.113.6", 3478
ALLOWED = ("174.129.157.90", "54.146.159.96")
CLIENT, PUBLIC, PORT = "10.77.1.2", "100.64.0.2", 8443
ROW = "helpdesk-buttons/inbound-api"
SECRET = base64.b64encode(bytes(range(32))).decode("ascii")
BANNER = "220 tickets.example\r\n"
# What is not forwarded is for the site's box itself: it refuses, or with this it is silent.
SILENT = "table inet quiet { chain input { type filter hook input priority 0; iifname \"wan\" ct state new drop; }; }"


class Inbound(Counting):
    def setUp(self):
        lab = self.site.lab
        program = self.site.directory / "bin" / "reachd-reflector"
        if not program.exists():
            shutil.copy(pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "dev")) / "reachd-reflector", program)
            for address in ALLOWED:
                self.run_in("server", "ip", "address", "replace", f"{address}/32", "dev", "lo")
                self.run_in("internet", "ip", "route", "replace", f"{address}/32", "via", REFLECTOR)
            self.run_in("site", "nft", "insert rule inet lab_site forward ct status dnat accept")
        self.assertEqual(lab.exec("site", ["nft", "list", "ruleset"], user=False).returncode, 0)
        self.start_reflector({"connect_back": True})

    def run_in(self, host, *argv):
        done = self.site.lab.exec(host, list(argv), user=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def start_reflector(self, config):
        keys = self.site.write("reflector.keys", f"lab:{SECRET}\n")
        path = self.site.directory / "work" / "reflector.log"
        log = open(path, "w+b")  # pylint: disable=consider-using-with
        self.addCleanup(log.close)
        self.reflector = self.site.lab.popen("server", [
            self.site.program("reachd-reflector"), "--listen", f"{REFLECTOR}:{REFLECTOR_PORT}", "--key-file", str(keys),
            "--config", str(self.site.write("reflector.json", config))], stderr=log)
        self.addCleanup(self.stop_reflector)
        wait_until(lambda: b"reflector.started" in path.read_bytes(), "the reflector", 10)

    def stop_reflector(self):
        self.reflector.kill()
        self.reflector.wait(10)

    def rules(self, text):
        self.run_in("site", "nft", text)
        self.addCleanup(self.run_in, "site", "nft", "delete " + " ".join(text.split()[:3]))

    def forward(self, who, to=CLIENT):
        """The site publishes the port, to these sources or to all."""
        source = f"ip saddr {{ {', '.join(who)} }} " if who else ""
        self.rules("table ip publish { chain pre { type nat hook prerouting priority dstnat; "
                   f"iifname \"wan\" {source}tcp dport {PORT} dnat to {to}:{PORT}; }}; }}")

    def listen(self, host="client", address=CLIENT, says=""):
        """The ticket system. It holds every connection until the end of the test."""
        def make():
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, PORT))
            listener.listen()
            return listener
        listener = system.in_namespace(namespace_of(self.site.lab.id, host), make)
        held = []

        def serve():
            while True:
                try:
                    channel, _ = listener.accept()
                except OSError:
                    return
                channel.sendall(says.encode()) if says else None
                held.append(channel)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def end():
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for one in [listener, *held]:
                one.close()
        self.addCleanup(end)

    def visit(self, *sources):
        """Connections of the vendor's, from each allowed address or from these, open until the end of the test."""
        for source in sources or ALLOWED:
            self.visit_from(source)

    def visit_from(self, source):
        self.addCleanup(self.connect_from(source).close)

    def connect_from(self, source):
        def make():
            channel = socket.socket()
            channel.settimeout(10)
            channel.bind((source, 0))
            channel.connect((PUBLIC, PORT))
            return channel
        return system.in_namespace(namespace_of(self.site.lab.id, "server"), make)

    def config(self, service=CLIENT, public=PUBLIC, **more):
        here = {"service": f"{service}:{PORT}", **({"public": f"{public}:{PORT}"} if public else {})}
        key = self.site.write("site.key", f"lab:{SECRET}\n")
        return self.site.config({
            "catalogues": ["helpdesk-buttons"], "values": {}, "inbound": {ROW: here},
            "reflectors": [{"host": REFLECTOR, "port": REFLECTOR_PORT, "secret_file": str(key)}], **more})

    def measure(self, state, config=None):
        one = row(self.check("inbound-api", config=config or self.config(), args=()), "inbound-api")
        self.assertEqual(one["state"], state, (one["sentence"], one["findings"], one["inbound"]))
        return one

    # --- a stranger is kept out ---
    def test_a_port_that_refuses_strangers_and_has_an_allowed_visitor_passes(self):
        self.listen()
        self.forward(ALLOWED)
        self.visit()
        one = self.measure("pass")
        self.assertRegex(one["sentence"], rf"({ALLOWED[0]}|{ALLOWED[1]}) was connected to it at 20")
        self.assertIn(f"a connection from reflector {REFLECTOR} ({REFLECTOR}) to {PUBLIC}:{PORT} is refused", one["sentence"])
        self.assertEqual((one["advice"], one["findings"]), (None, []))
        inside = one["inbound"]
        self.assertEqual((inside["connect_back"]["outcome"], inside["listens_here"]), ("refused", True))
        self.assertEqual(sorted(visit["source"] for visit in inside["visits"]), sorted(ALLOWED))
        self.assertEqual(endpoint(one, CLIENT, PORT)["verdict"], "open")

    def test_silence_towards_strangers_passes_as_well(self):
        self.listen(address="0.0.0.0")
        self.forward(ALLOWED)
        self.rules(SILENT)
        self.visit()
        one = self.measure("pass")
        self.assertIn("meets silence for 4.5 s", one["sentence"])

    def test_without_an_allowed_visitor_it_is_unproven_and_says_who_would_settle_it(self):
        self.listen()
        self.forward(ALLOWED)
        one = self.measure("unproven")
        self.assertIn(f"no connection of {ALLOWED[0]} and {ALLOWED[1]} was seen", one["sentence"])
        self.assertIn(f"a connection from {ALLOWED[0]} or {ALLOWED[1]} would show that they are let in", one["advice"])

    def test_one_allowed_visitor_of_two_is_not_enough(self):
        self.listen()
        self.forward(ALLOWED)
        self.visit(ALLOWED[0])
        one = self.measure("unproven")
        self.assertIn(f"{ALLOWED[0]} was connected to it at 20", one["sentence"])
        self.assertIn(f"no connection of {ALLOWED[1]} was seen", one["sentence"])
        self.assertNotIn(ALLOWED[0], one["advice"])

    def test_a_visitor_that_is_not_an_allowed_source_proves_nothing(self):
        self.listen()
        self.forward((*ALLOWED, "198.51.100.7"))
        self.visit("198.51.100.7")
        self.assertEqual(self.measure("unproven")["inbound"]["visits"], [])

    # --- a stranger is let in ---
    def test_a_port_that_is_open_to_all_is_over_exposed_whoever_else_is_seen(self):
        self.listen()
        self.forward(())
        self.visit()
        one = self.measure("fail")
        self.assertTrue(one["sentence"].startswith(f"over-exposed: {PUBLIC}:{PORT} lets in others than"), one["sentence"])
        self.assertIn("the connection reached the service's own socket on this machine", one["findings"][0])
        self.assertIn(f"let only {ALLOWED[0]} and {ALLOWED[1]} through to {PUBLIC} port {PORT}", one["advice"])

    def test_what_it_said_to_the_stranger_is_told(self):
        self.listen(says=BANNER)
        self.forward(())
        one = self.measure("fail")
        self.assertEqual(one["inbound"]["connect_back"]["outcome"], "connected")
        self.assertIn("it said \"220 tickets.example", one["findings"][0])

    # --- no service ---
    def assert_no_service(self):
        one = self.measure("unproven")
        self.assertIn(f"{CLIENT}:{PORT} does not answer inside the site: refused (RST)", one["sentence"])
        self.assertIn("is refused, which shows nothing while the service does not answer", one["sentence"])
        self.assertIn("start the service, or correct `service` of the row under `inbound`", one["advice"])

    def test_a_shut_port_shows_nothing_where_nothing_listens(self):
        self.forward(ALLOWED)
        self.assert_no_service()

    def test_a_port_open_to_all_shows_nothing_where_nothing_listens(self):
        self.forward(())
        self.assert_no_service()

    def test_something_else_that_answers_in_its_place_is_told(self):
        self.listen("site", PUBLIC)
        one = self.measure("fail")
        self.assertIn("the service does not answer inside the site, so something else answers there", one["findings"][0])

    # --- a service on another machine ---
    def test_on_another_machine_over_exposure_shows_and_a_pass_does_not(self):
        self.listen("site", GATEWAY)
        self.forward(ALLOWED, to=GATEWAY)
        self.visit()
        config = self.config(service=GATEWAY)
        one = self.measure("unproven", config)
        self.assertEqual((one["inbound"]["listens_here"], one["inbound"]["connect_back"]["outcome"]), (False, "refused"))
        self.assertIn("reachd on the machine that runs the service would see a connection", one["advice"])
        self.run_in("site", "nft", f"insert rule ip publish pre iifname wan tcp dport {PORT} dnat to {GATEWAY}:{PORT}")
        one = self.measure("fail", config)
        self.assertIn("whether that is the service or a box in front of it does not show", one["findings"][0])

    # --- no stranger to try ---
    def test_a_reflector_that_may_not_connect_back_is_named(self):
        self.stop_reflector()
        self.start_reflector({"connect_back": False})
        self.listen()
        self.forward(ALLOWED)
        self.visit()
        one = self.measure("unproven")
        self.assertIn("does not connect back: its operator has not allowed it", one["sentence"])
        self.assertIn("a reflector outside the site that is not an allowed source, with connect_back on", one["advice"])

    def test_another_public_address_than_ours_is_not_tried(self):
        self.listen()
        self.forward(())
        one = self.measure("unproven", self.config(public="100.64.0.77"))
        self.assertIn(f"sees this machine as {PUBLIC} and connects back to that address alone, not to 100.64.0.77",
                      one["sentence"])

    def test_without_a_public_address_it_says_what_to_write(self):
        self.listen()
        one = self.measure("unproven", self.config(public=None))
        self.assertIn("name the published port as `public`", one["advice"])

    def test_a_reflector_among_the_allowed_sources_is_no_stranger(self):
        path = self.site.directory / "catalogues" / "helpdesk-buttons.json"
        text = path.read_text(encoding="utf-8")
        self.addCleanup(path.write_text, text, encoding="utf-8")
        path.write_text(text.replace(ALLOWED[0], REFLECTOR), encoding="utf-8")
        self.listen()
        self.forward(())
        one = self.measure("unproven")
        self.assertIn(f"{REFLECTOR} is an allowed source itself", one["sentence"])

    # --- beforehand, and in the long run ---
    def test_dry_run_tells_what_is_sent_and_it_is_about_that(self):
        config = self.config()
        done = self.site.reachctl("check", "--dry-run", "--only", "inbound-api", config=config)
        self.assertIn(f"{CLIENT}:{PORT} from inside, and a reflector tries {PUBLIC}:{PORT}", " ".join(done.stdout.split()))
        told = json.loads(self.site.reachctl("check", "--dry-run", "--only", "inbound-api", "--format", "json",
                                             config=config).stdout)
        self.listen("site", GATEWAY)
        config = self.config(service=GATEWAY)
        self.forward(ALLOWED, to=GATEWAY)
        self.count()
        report = self.check("inbound-api", config=config, args=())
        sent = sum(self.counted().values())
        self.assertAlmostEqual(report["traffic"]["packets"], sent, delta=3)
        self.assertAlmostEqual(told["healthy"]["packets_if_all_accept"], sent, delta=6)
        self.assertEqual(told["total"]["inbound_flows"], report["traffic"]["syns"])

    def test_a_site_without_such_a_service_says_so_and_is_not_held_up_by_the_row(self):
        config = self.site.config({"catalogues": ["helpdesk-buttons"], "values": {},
                                   "not_needed": {ROW: "the ticket system is cloud-hosted"}})
        report = self.check("inbound-api", "getconf", config=config)
        one = row(report, "inbound-api")
        self.assertEqual((one["state"], one["sentence"]), (
            "not_configured", "not needed here, says the configuration: the ticket system is cloud-hosted"))
        self.assertNotIn("inbound-api", report["sentence"])
        dry = json.loads(self.site.reachctl("check", "--dry-run", "--only", "inbound-api", "--format", "json",
                                            config=config).stdout)
        self.assertEqual(dry["total"]["inbound_flows"], 0)

    def test_daemon_does_not_forget_an_open_port_when_the_reflector_is_gone(self):
        self.listen()
        self.forward(())
        with self.site.daemon(config=self.config()) as daemon:
            daemon.await_row("inbound-api", "fail", 30)
            self.stop_reflector()
            daemon.reachctl("probe", "inbound-api", config=self.config())
            wait_until(lambda: "the last round had none" in str(daemon.row("inbound-api")["findings"]), "the round without", 30,
                       lambda: daemon.row("inbound-api"))
            one = daemon.row("inbound-api")
            self.assertEqual(one["state"], "fail", one["sentence"])
            self.assertIn("over-exposed", one["sentence"])
            self.assertIsNotNone(one["inbound"]["not_tried"])

    def test_daemon_sees_a_visitor_when_it_comes_and_a_port_that_opens(self):
        self.listen()
        self.forward(ALLOWED)
        with self.site.daemon(config=self.config()) as daemon:
            wait_until(lambda: daemon.row("inbound-api")["checked"], "the first round", 30)
            self.assertEqual(daemon.row("inbound-api")["state"], "unproven")
            self.visit()
            daemon.await_row("inbound-api", "pass")
            self.run_in("site", "nft", f"insert rule ip publish pre iifname wan tcp dport {PORT} dnat to {CLIENT}:{PORT}")
            daemon.reachctl("probe", "inbound-api", config=self.config())
            self.assertIn("over-exposed", daemon.await_row("inbound-api", "fail")["sentence"])
            told = daemon.reachctl("endpoint", "tcp", CLIENT, str(PORT), config=self.config()).stdout
            self.assertIn("inbound-api", told)

    def test_visits_outlive_a_restart_of_the_daemon(self):
        self.listen()
        self.forward(ALLOWED)
        config = self.config(history={"path": str(self.site.fresh_directory("visits") / "history.db")})
        with self.site.daemon(config=config) as daemon:
            channels = [self.connect_from(source) for source in ALLOWED]
            one = daemon.await_row("inbound-api", "pass", 30)
            for channel in channels:  # by a RST: nothing of them is left on the service's machine
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                channel.close()
        with self.site.daemon(config=config) as daemon:
            again = daemon.await_row("inbound-api", "pass", 30)
            self.assertEqual(sorted(visit["source"] for visit in again["inbound"]["visits"]), sorted(ALLOWED))
            for visit in again["inbound"]["visits"]:
                self.assertLessEqual(visit["at"], max(before["at"] for before in one["inbound"]["visits"]))


if __name__ == "__main__":
    main("inbound")
