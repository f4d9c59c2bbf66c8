# SPDX-License-Identifier: Apache-2.0
"""Threats T10 to T13, T29 and T31 of docs/SECURITY-TESTS.md: who decides what is allowed, whom the daemon can be made to
probe, which files it takes, where its keys end, and how little its unit may do.

    sudo /usr/bin/python3 tests/system/threats_inputs_test.py [-v]
"""
import base64
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bystander import told  # noqa: E402
from idle_lab import SECRET, Reflected  # noqa: E402
from lab_site import EXIT_CONFIG, PRIMARY, TREE, SystemTest, main, wait_until  # noqa: E402
from lab.lab import NOBODY  # noqa: E402
from lab.system import nft  # noqa: E402
from web_lab import LISTEN, Web  # noqa: E402

SIGNALING = {"id": "signaling", "transport": "tcp", "destinations": [PRIMARY], "ports": 4200, "expect": "service"}
RANGE = {"id": "range", "transport": "tcp", "destinations": [PRIMARY], "ports": "2001-2100", "expect": "path"}
OWN = {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "Support", "requirements": [SIGNALING, RANGE]}
SETTINGS = {"catalogues": ["own"], "values": {}, "schedule": {"interval_s": 3600}, "http": {"listen": LISTEN}}
ELSEWHERE = "203.0.113.9"
RATE = 40  # new flows a second, where a test sets it
ASKING = ("import json, socket, sys\nchannel = socket.socket(socket.AF_UNIX)\nchannel.connect(sys.argv[1])\n"
          "channel.sendall(b'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}\\n' % sys.argv[2].encode())\n"
          "print(channel.makefile().readline())\n")
DATA = TREE / "tests" / "data"


class WithOwn(SystemTest):
    def start(self, **changes):
        self.site.write("catalogues/own.json", OWN)
        context = self.site.daemon(config=self.site.config(SETTINGS | changes, name="own-site.json"))
        daemon = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return daemon

    def as_user(self, daemon, before, name, method):
        done = subprocess.run([*before, "/usr/bin/python3", "-Ic", ASKING, str(self.site.socket_path(name)), method],
                              capture_output=True, text=True, timeout=60, check=False)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def sent(self, rule):
        """A counter of what the client sends; the function tells packets."""
        namespace = f"{self.site.lab.id}-client"
        nft(namespace, f"table inet sent {{ chain out {{ type filter hook output priority 300; {rule} counter; }}; }}")
        self.addCleanup(nft, namespace, "delete table inet sent")

        def counted():
            text = self.site.lab.exec("client", ["nft", "list table inet sent"], user=False, check=True).stdout
            return int(re.search(r"packets (\d+)", text)[1])
        return counted


class Identity(WithOwn):
    def test_t10_uid_is_logged_and_decides_nothing(self):
        daemon = self.start()
        daemon.await_row("signaling", "pass")
        member = ["setpriv", "--reuid=4711", f"--regid={NOBODY}", "--clear-groups", "--"]
        nobody_there = ["unshare", "--user", "--"]  # of a user namespace that maps nobody
        self.assertIn("result", self.as_user(daemon, member, "control", "reload"))
        refused = self.as_user(daemon, [], "status", "reload")  # though it is root
        self.assertEqual(refused["error"]["data"]["reason"], "forbidden")
        self.assertIn("result", self.as_user(daemon, nobody_there, "status", "health"))
        self.assertEqual(self.as_user(daemon, nobody_there, "status", "reload")["error"]["data"]["reason"], "forbidden")
        lines = re.findall(r"control\.change: method reload was called pid=(\d+) uid=(\d+)", daemon.log())
        self.assertEqual([uid for _, uid in lines], ["4711"])
        told("T10", "4 callers: one of the group is obeyed and logged with its uid; root on status.sock is refused")

    def test_t10_unit_does_not_hide_who_asks(self):
        unit = (TREE / "systemd" / "reachd.service").read_text(encoding="utf-8")
        self.assertNotRegex(unit, r"(?m)^PrivateUsers=(?!no)")
        self.assertNotRegex(unit, r"(?m)^PIDFile=")


class Scanner(WithOwn):
    def test_t11_nothing_is_probed_that_no_file_names(self):
        sent = self.sent(f'ip daddr {ELSEWHERE}')
        daemon = self.start()
        daemon.await_row("signaling", "pass")
        tried = [{"requirement": ELSEWHERE}, {"requirement": f"own/{ELSEWHERE}"}, {"catalogue": ELSEWHERE},
                 {"requirement": "signaling", "address": ELSEWHERE}, {"requirement": "signaling", "port": 22},
                 {"destination": ELSEWHERE}, {"destinations": [ELSEWHERE]}, {"host": ELSEWHERE}, {"target": f"{ELSEWHERE}:22"},
                 {"requirement": "signaling", "ports": "1-65535"}, {"requirement": {"id": "x"}}, {"requirement": [ELSEWHERE]}]
        reasons = set()
        with daemon.connect("control") as client:
            for params in tried:
                reasons.add(client.ask("probe", params)["error"]["data"]["reason"])
            error = client.ask("endpoint", {"address": ELSEWHERE, "port": 22, "transport": "tcp"})["error"]
        self.assertEqual(error["data"]["reason"], "not_found")
        self.assertLessEqual(reasons, {"not_found", "unknown_parameter", "invalid_parameter"})
        for path in (f"/probe?address={ELSEWHERE}", f"/report?requirement={ELSEWHERE}", f"/row/own/{ELSEWHERE}"):
            self.assertEqual(Web(self.site).get(path).status, 404)
        time.sleep(0.5)
        told("T11", f"{len(tried)} ways to name another destination: all refused, {sent()} packets to it")
        self.assertEqual(sent(), 0)

    def test_t11_asking_often_does_not_probe_faster_and_each_is_on_record(self):
        sent = self.sent("tcp flags & (syn | ack) == syn oifname != \"lo\"")
        daemon = self.start(limits={"new_flows_per_s": RATE})
        daemon.await_row("signaling", "pass")
        stop, asked = threading.Event(), [0] * 8

        def hammer(index):
            with daemon.connect("control") as client:
                while not stop.is_set():
                    client.ask("probe", {"requirement": "range"})
                    asked[index] += 1
        threads = [threading.Thread(target=hammer, args=(index,)) for index in range(len(asked))]
        before, began = sent(), time.monotonic()
        for thread in threads:
            thread.start()
        time.sleep(6)
        count, took = sent() - before, time.monotonic() - began
        stop.set()
        for thread in threads:
            thread.join()
        audited = daemon.log().count("control.change: method probe was called")
        told("T11", f"{len(asked)} clients that ask for 100 endpoints without a pause: {count / took:.1f} SYNs/s "
                    f"(limits.new_flows_per_s is {RATE}); {sum(asked)} probes answered, {audited} on record")
        self.assertLess(count / took, RATE * 1.15)
        self.assertGreater(count / took, RATE * 0.5)
        self.assertGreaterEqual(audited, sum(asked))


class Files(WithOwn):
    def test_t12_files_that_everybody_may_write_are_refused(self):
        daemon = self.start()
        words = "everybody may write it, and it decides where packets go"
        for file in (self.site.directory / "own-site.json", self.site.directory / "catalogues" / "own.json"):
            with self.subTest(file=file.name):
                self.addCleanup(file.chmod, 0o644)
                file.chmod(0o666)
                with daemon.connect("control") as client:
                    error = client.ask("reload")["error"]
                self.assertEqual(error["data"]["reason"], "rejected")
                self.assertIn(f"{file}: {words}", error["message"])
                process = self.site.start_daemon(config=self.site.directory / "own-site.json", runtime="other")
                _, said = process.communicate(timeout=10)
                self.assertEqual(process.returncode, EXIT_CONFIG)
                self.assertIn(words, said)
                file.chmod(0o664)  # a group of administrators is the site's own choice
                self.assertTrue(daemon.ask("reload", None, "control")["reloaded"])
                file.chmod(0o644)

    def test_t12_no_parameter_of_any_method_is_a_path_and_none_leads_to_a_file(self):
        daemon = self.start()
        self.site.write("secret.json", '{"secret": "not for you"}')
        tried = 0
        with daemon.connect("control") as client:
            methods = client.ask("methods")["result"]["methods"]
            for method in methods:
                for parameter in method["params"]:
                    self.assertNotRegex(parameter["name"] + parameter["kind"], "path|file|dir|url")
                    for value in ("/etc/passwd", "../secret", str(self.site.directory / "secret.json"), "file:///etc/passwd"):
                        answer = json.dumps(client.ask(method["name"], {parameter["name"]: value}))
                        tried += 1
                        self.assertNotIn("root:", answer)
                        self.assertNotIn("not for you", answer)
        told("T12", f"{len(methods)} methods, {tried} paths as parameters: none opened; files with o+w refused")


class Secrets(Reflected):
    def test_t13_key_bytes_are_nowhere_but_in_their_file(self):
        """A ladder over a reflector uses the key; then everything that the daemon told, wrote and shows is searched."""
        config = self.files(3, [1, 2, 4], ("udp",), http={"listen": LISTEN}, schedule={"interval_s": 2},
                            history={"path": str(self.site.fresh_directory("state") / "history.db")})
        raw = base64.b64decode(SECRET)
        forms = {"base64": SECRET.encode(), "raw": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(),
                 "part": SECRET[4:28].encode()}
        found, searched = [], 0
        with self.site.daemon("--log-format", "json", config=config) as daemon:
            def measured():
                return all(one["state"] != "unproven" for one in daemon.ask("report")["idle"])
            wait_until(measured, "the ladder", 60, lambda: daemon.ask("report")["idle"])
            self.assertTrue(all("reflector" in one["via"] for one in daemon.ask("report")["idle"]), "the key was not used")
            web, places = Web(self.site), {}
            for method in ("config", "report", "health", "metrics", "history", "catalogues", "version", "subscribe"):
                places[method] = json.dumps(daemon.ask(method, None, "control")).encode()
            for path in ("/", "/report", "/metrics", "/history"):
                places["http " + path] = web.get(path).body
            proc = pathlib.Path("/proc", str(daemon.process.pid))
            for name in ("cmdline", "environ"):
                places[name] = (proc / name).read_bytes()
            bundle = self.site.fresh_directory("bundle") / "support.tar.gz"
            done = daemon.reachctl("support-bundle", "--output", str(bundle), "--log", str(daemon.log_path), config=config)
            self.assertEqual(done.returncode, 0, done)
            with tarfile.open(bundle, "r:gz") as archive:
                for one in archive.getmembers():
                    places["bundle " + one.name] = archive.extractfile(one).read()
            places["doctor"] = daemon.reachctl("doctor", "--format", "json", config=config).stdout.encode()
            for path in (self.site.directory / "state").iterdir():
                places[path.name] = path.read_bytes()
            places["log"] = daemon.log().encode()
        for name, content in places.items():
            searched += len(content)
            found += [f"{form} in {name}" for form, key in forms.items() if key in content]
        told("T13", f"{len(places)} places, {searched / 1e6:.1f} MB searched for {len(forms)} forms of the key: "
                    f"{len(found)} found")
        self.assertEqual(found, [])
        self.assertGreater(searched, 10000)
        kept = (self.site.directory / "site.key").read_bytes()
        self.assertTrue(any(form in kept for form in forms.values()), "the search finds nothing at all")


class BadFiles(SystemTest):
    def test_t29_every_bad_file_is_refused_word_for_word_and_the_old_one_stays(self):
        """The fixtures of the unit tests, by way of a reload of a running daemon."""
        self.site.write("catalogues/own.json", OWN)
        config = self.site.config(SETTINGS, name="t29.json")
        good, catalogue = config.read_text(encoding="utf-8"), (self.site.directory / "catalogues" / "own.json")
        good_catalogue = catalogue.read_text(encoding="utf-8")
        with self.site.daemon(config=config) as daemon:
            daemon.await_row("signaling", "pass")
            before, tried = daemon.ask("config"), 0
            for kind, target in (("config", config), ("catalogue", catalogue)):
                for fixture in sorted((DATA / kind).glob("invalid-*.json")):
                    with self.subTest(fixture=fixture.name):
                        target.write_bytes(fixture.read_bytes())
                        with daemon.connect("control") as client:
                            error = client.ask("reload")["error"]
                        self.assertEqual(error["data"]["reason"], "rejected")
                        said = "\n".join(one["text"] for one in error["data"]["faults"])
                        expected = fixture.with_suffix(".expected").read_text(encoding="utf-8").strip()
                        said = said.replace(str(target), fixture.name)
                        if fixture.name.startswith("invalid-check-"):  # its words depend on the catalogues that are there
                            said, expected = (text.splitlines()[0].split(": ")[:2] for text in (said, expected))
                        self.assertEqual(said, expected)
                        self.assertNotIn("\x1b", daemon.log())
                        tried += 1
                target.write_text(good if target == config else good_catalogue, encoding="utf-8")
            self.assertEqual(daemon.ask("config"), before)
            self.assertEqual(daemon.row("signaling")["state"], "pass")
            self.assertTrue(daemon.ask("reload", None, "control")["reloaded"])
            self.assertGreaterEqual(daemon.log().count("config.rejected"), tried)
        told("T29", f"{tried} bad files by reload: each refused in its own words, what was in force stayed")
        self.assertGreater(tried, 50)


class Unit(SystemTest):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_t31_units_stay_below_their_exposure(self):
        scores = {}
        for unit in ("reachd.service", "reachd-reflector.service"):
            argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(TREE / "systemd" / unit)]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
            found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
            self.assertTrue(found, done.stdout + done.stderr)
            scores[unit] = found[1]
            self.assertEqual(done.returncode, 0, f"{unit}: {found[1]}")
        told("T31", f"systemd-analyze security: {scores} (threshold 1.5)")

    def test_t31_daemon_and_reflector_hold_no_capability_and_cannot_gain_any(self):
        """As the unit runs it: an ordinary user, no capability, no way to more."""
        before = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
        with self.site.daemon(before=before) as daemon:
            daemon.await_row("nlb", "pass")
            status = pathlib.Path("/proc", str(daemon.process.pid), "status").read_text(encoding="ascii")
            for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                self.assertEqual(int(re.search(rf"{field}:\s+(\w+)", status)[1], 16), 0, field)
            self.assertIn("NoNewPrivs:\t1", status)
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: "config.reloaded" in daemon.log(), "a reload without rights")


class Documents(unittest.TestCase):
    """docs/SECURITY-TESTS.md against the tests; no lab."""

    ABSENT = {30}  # the forwarder does not exist yet

    def test_every_threat_of_the_page_is_in_the_tests_that_it_names(self):
        files = {}
        for path in [*TREE.glob("tests/*/*_test.py"), *TREE.glob("tests/*/*_test.cpp")]:
            files.setdefault(path.name, []).append(path.read_text(encoding="utf-8"))
        numbers = set()
        number = None
        for line in (TREE / "docs" / "SECURITY-TESTS.md").read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) < 7 or not (found := re.fullmatch(r"T(\d\d)|", cells[1])):
                continue
            number = int(found[1]) if found[1] else number
            named = re.findall(r"`(\w+_test\.(?:py|cpp))`", cells[4])
            if number is None or (not named and number not in self.ABSENT):
                continue
            numbers.add(number)
            for file in named:
                with self.subTest(threat=number, file=file):
                    mark = re.compile(rf"\b(?:test_t|T){number:02}_")
                    self.assertTrue(any(mark.search(text) for text in files.get(file, [])), f"no test of T{number:02} in {file}")
        self.assertEqual(numbers, set(range(1, 33)))

    def test_every_numbered_test_is_of_a_threat_of_the_page(self):
        page = (TREE / "docs" / "SECURITY-TESTS.md").read_text(encoding="utf-8")
        for path in [*TREE.glob("tests/*/*_test.py"), *TREE.glob("tests/*/*_test.cpp")]:
            text = path.read_text(encoding="utf-8")
            for one in set(re.findall(r"def test_t(\d\d)_|TEST(?:_F|_P)?\(\w+, T(\d\d)_", text)):
                self.assertIn(f"| T{one[0] or one[1]} |", page, path.name)


if __name__ == "__main__":
    main("tinput", short_range=True)
