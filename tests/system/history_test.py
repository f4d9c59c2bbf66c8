# SPDX-License-Identifier: Apache-2.0
"""The history from outside: outages with start, end and cause, the site as it was, restarts, kills, notes; a corrupt file,
a full disk, a read-only one. Judged through reachctl, the log and sqlite3.

    sudo /usr/bin/python3 tests/system/history_test.py [-v]
"""
import ctypes
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import EXIT_USAGE, MAPS, NOBODY, PRIMARY, PROVISIONING, SystemTest, main, wait_until  # noqa: E402

CATALOGUE = {"id": "hist", "title": "History", "requirements": [
    {"id": "signal", "about": "the row that fails", "transport": "tcp", "destinations": [PRIMARY], "ports": "4200",
     "expect": "path"},
    {"id": "web", "about": "the row that passes", "transport": "tcp", "destinations": [PROVISIONING[0]],
     "ports": "80,443", "expect": "path"},
    {"id": "named", "about": "a name", "transport": "tcp", "destinations": [MAPS], "ports": "443", "expect": "path"}]}
CLONE_NEWNS = 0x00020000


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def text_of(when):
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def own_mounts():
    """What is mounted from here on is seen by this process and the daemons that it starts, and goes with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class History(SystemTest):
    def setUp(self):
        self.site.write("catalogues/hist.json", CATALOGUE)
        self.state = self.site.fresh_directory("state")
        self.config = self.site.config({"catalogues": ["hist"], "values": {}, "schedule": {"interval_s": 3600},
                                        "history": {"path": str(self.state / "history.db")}}, name="history.json")

    def daemon(self, **keywords):
        return self.site.daemon(config=self.config, **keywords)

    def measure(self, daemon, requirement="signal"):
        """A round of the row, now; its state."""
        report = daemon.ask("probe", {"requirement": requirement}, "control")
        return report["catalogues"][0]["requirements"][0]["state"]

    def history(self, daemon, *words):
        done = daemon.reachctl("history", "--format", "json", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return json.loads(done.stdout)

    def text(self, daemon, *words):
        done = daemon.reachctl("history", *words, before=["env", "COLUMNS=80"])
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80, done.stdout)
        return done.stdout

    def states(self, daemon, requirement="signal"):
        found = self.history(daemon, "--requirement", requirement, "--kinds", "requirement")["changes"]
        return [one["state"] for one in found]

    def block(self):
        self.fault("drop", port="4200", proto="tcp")

    def doctor(self, daemon):
        done = daemon.reachctl("doctor", "--format", "json")
        return " ".join(one["sentence"] for one in json.loads(done.stdout)["findings"] if one["topic"] == "daemon")

    def sqlite(self, question, file="history.db"):
        return subprocess.run(["sqlite3", str(self.state / file), question], check=True, capture_output=True,
                              text=True).stdout.strip()

    def test_an_outage_has_start_end_and_cause_and_the_site_is_shown_as_it_was(self):
        with self.daemon() as daemon:
            daemon.await_checked()
            self.assertEqual(self.measure(daemon), "pass")
            before = now()
            self.block()
            self.assertEqual(self.measure(daemon), "fail")
            failing = now()
            time.sleep(0.2)
            self.site.lab.clear()
            self.assertEqual(self.measure(daemon), "pass")
            after = now()

            self.assertEqual(self.states(daemon), ["pass", "fail", "pass"])
            found = self.history(daemon, "--requirement", "signal", "--kinds", "requirement")["changes"][1]
            self.assertEqual((found["before"], found["detail"]["counts"]["fail"]), ("pass", 1))
            self.assertEqual(found["detail"]["runs"][0]["verdict"], "blocked")
            self.assertEqual(found["detail"]["evidence"][0]["seen"][0]["outcome"], "no_reply")
            one, = self.history(daemon, "--endpoint", f"{PRIMARY}:4200", "--from", text_of(before), "--to",
                                text_of(failing))["changes"]
            self.assertEqual((one["before"], one["state"], one["ports"]), ("open", "blocked", "4200"))

            outages = self.history(daemon, "--outages", "--requirement", "signal")["outages"]
            self.assertEqual(len(outages), 1, outages)
            start, end = moment(outages[0]["start"]), moment(outages[0]["end"])
            self.assertTrue(before < start < failing < end < after, (before, outages, after))
            self.assertEqual((outages[0]["cause"], outages[0]["ended_as"]), (found["sentence"], "up"))
            self.assertAlmostEqual(outages[0]["duration_s"], (end - start).total_seconds(), delta=0.01)
            self.assertEqual({one["requirement"] for one in self.history(daemon, "--outages")["outages"]},
                             {"signal", None})

            for at, state, site in ((before, "pass", "ready"), (failing, "fail", "not_ready"), (after, "pass", "ready")):
                then = self.history(daemon, "--at", text_of(at))
                self.assertEqual([one["id"] for one in then["requirements"]], ["signal", "web", "named"])
                self.assertEqual((then["requirements"][0]["state"], then["site"]["state"], then["running"]),
                                 (state, site, True), then)
            then = self.text(daemon, "--at", text_of(failing))
            self.assertRegex(then, r"(?m)^  fail      signal, since ")
            self.assertRegex(then, r"(?m)^  pass      web, since ")
            self.assertIn("Times are ", then)

            hour = self.history(daemon, "--availability", "--requirement", "signal")["availability"][0]["windows"]["1h"]
            self.assertAlmostEqual(hour["down_s"], outages[0]["duration_s"], delta=0.1)
            self.assertLess(hour["up_s"] + hour["down_s"] + hour["unproven_s"], 120)
            self.assertAlmostEqual(hour["up_s"] + hour["down_s"] + hour["unproven_s"] + hour["unknown_s"], 3600, delta=0.1)
            self.assertTrue(0 < hour["availability"] < 1, hour)
            for words in ([], ["--outages"], ["--availability"], ["--samples"], ["--addresses"],
                          ["--from", "1 h ago", "--limit", "3"]):
                self.assertIn("Times are ", self.text(daemon, *words))
            names = {one["name"] for one in self.history(daemon, "--addresses")["addresses"]}
            self.assertEqual(names, {MAPS})
            samples = self.history(daemon, "--samples", "--requirement", "signal")["samples"]
            self.assertEqual([one["rounds_fail"] for one in samples][:3], [0, 1, 0])
            table = daemon.reachctl("history", "--outages", "--format", "csv").stdout.splitlines()
            self.assertTrue(table[0].startswith("start,end,duration_s"), table)

    def test_pages_join_and_wrong_questions_are_told(self):
        with self.daemon() as daemon:
            daemon.await_checked()
            whole = [one["id"] for one in self.history(daemon)["changes"]]
            joined, cursor = [], []
            while True:
                page = self.history(daemon, "--limit", "2", *cursor)
                joined += [one["id"] for one in page["changes"]]
                if not page["next"]:
                    break
                cursor = ["--cursor", page["next"]]
            self.assertEqual(joined, whole)
            self.assertGreater(len(whole), 5)
            for words, code, word in ((["--at", "someday"], EXIT_USAGE, "yesterday 14:05"),
                                      (["--endpoint", "nowhere"], EXIT_USAGE, "198.51.100.7:443"),
                                      (["--requirement", "signl"], 3, "did you mean 'signal'?"),
                                      (["--kinds", "verdict"], 3, "no kind 'verdict'"),
                                      (["--cursor", "x"], 3, "cursor"),
                                      (["--at", "2099-01-01"], 3, "lies in the future"),
                                      (["--from", "1 h ago", "--to", "2 h ago"], 3, "after 'from'")):
                done = daemon.reachctl("history", *words)
                self.assertEqual(done.returncode, code, words)
                self.assertIn(word, done.stderr)

    def test_notes_and_since_outlive_restarts_and_kills_until_the_row_recovers(self):
        self.block()
        with self.daemon() as daemon:
            daemon.await_checked()
            self.assertEqual(self.measure(daemon), "fail")
            done = daemon.reachctl("acknowledge", "web", "it passes")
            self.assertEqual(done.returncode, 3)
            self.assertIn("does not fail", done.stderr)
            done = daemon.reachctl("acknowledge", "signal", "ticket", "4711", "--by", "ana")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            row = daemon.row("signal")
            self.assertEqual((row["acknowledged"]["note"], row["acknowledged"]["by"]), ("ticket 4711", "ana"))
            since = row["since"]
            daemon.signal(signal.SIGKILL)
            daemon.process.wait()
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "fail")
            row = daemon.row("signal")
            self.assertEqual((row["since"], row["acknowledged"]["note"]), (since, "ticket 4711"))
            stop, = self.history(daemon, "--kinds", "stop")["changes"]
            self.assertEqual(stop["state"], "unclean")
            outage, = self.history(daemon, "--outages", "--requirement", "signal")["outages"]
            self.assertEqual((outage["start"], outage["end"]), (since, None), "one outage, though nobody watched for a while")
            then = self.history(daemon, "--at", stop["time"])
            self.assertEqual(then["requirements"][0]["state"], "fail")
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "fail")
            self.assertEqual(daemon.row("signal")["since"], since)
            self.assertEqual(self.history(daemon, "--kinds", "stop")["changes"][0]["state"], "clean")
            self.site.lab.clear()
            self.assertEqual(self.measure(daemon), "pass")
            self.assertNotIn("acknowledged", daemon.row("signal"))
            self.assertNotEqual(daemon.row("signal")["since"], since)
            notes = self.history(daemon, "--kinds", "acknowledge")["changes"]
            self.assertEqual([one["state"] for one in notes], ["cleared", "set"])
            wait_until(lambda: daemon.log().count("row.acknowledged") == 1, "the event of the recovery")
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "pass")
            self.assertNotIn("acknowledged", daemon.row("signal"))

    def test_a_restart_ends_no_alarm_and_no_outage_of_the_site(self):
        def alarm(daemon):
            return daemon.reachctl("health", "--format", "nagios").returncode
        self.block()
        with self.daemon() as daemon:
            daemon.await_checked()
            self.assertEqual((self.measure(daemon), alarm(daemon)), ("fail", 2))
            since = daemon.ask("health")["since"]
        with self.daemon() as daemon:
            early = daemon.ask("health")
            if early["state"] == "unproven":  # not all is measured yet
                self.assertEqual(early.get("before_start"), {"state": "not_ready", "since": since})
            codes = {alarm(daemon) for _ in range(3)}
            self.assertEqual(self.measure(daemon), "fail")
            self.assertEqual(codes, {2}, "an alarm that a restart takes down")
            self.assertEqual(daemon.ask("health")["since"], since)
            outage, = [one for one in self.history(daemon, "--outages")["outages"] if one["requirement"] is None]
            self.assertEqual((outage["start"], outage["end"]), (since, None))
        self.site.lab.clear()
        with self.daemon() as daemon:
            daemon.await_checked()
            self.assertEqual((self.measure(daemon), alarm(daemon)), ("pass", 0))
            self.assertNotIn("before_start", daemon.ask("health"))

    def test_t28_what_the_log_told_is_there_after_kills(self):
        told = []
        chance = random.Random(7)
        for _ in range(6):
            with self.daemon() as daemon:
                with daemon.connect("control") as client:
                    client.send({"jsonrpc": "2.0", "id": 1, "method": "probe"})
                    wait_until(lambda: "verdict.changed" in daemon.log(), "the first verdict")
                    time.sleep(chance.uniform(0, 0.15))
                    daemon.signal(signal.SIGKILL)
                    daemon.process.wait()
                told += re.findall(r"^(\S+) \w+ verdict\.changed: (\w+): .* state=(\w+)$", daemon.log(), re.M)
        self.assertEqual(self.sqlite("PRAGMA integrity_check"), "ok")
        kept = self.sqlite("SELECT s.requirement, r.state, r.at FROM record r JOIN subject s ON s.id = r.subject "
                           "WHERE r.kind = 1 ORDER BY r.at").splitlines()
        kept = [line.split("|") for line in kept]
        self.assertGreater(len(told), 5)
        for when, requirement, state in told:
            logged = moment(when).timestamp() * 1000
            near = [one for one in kept if one[:2] == [requirement, state] and -1500 < int(one[2]) - logged <= 5]
            self.assertTrue(near, f"{when} {requirement} {state} is not among {kept}")
        self.assertGreaterEqual(len(kept), len(told))

    def test_t27_a_corrupt_file_is_set_aside_and_told(self):
        garbage = b"no database " * 1000
        (self.state / "history.db").write_bytes(garbage)
        os.chown(self.state / "history.db", int(NOBODY), int(NOBODY))
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "pass")
            self.assertRegex(daemon.log(), r"error history\.aside: .*history\.db\.corrupt-\d{8}T\d{6}Z")
            aside, = self.state.glob("history.db.corrupt-*Z")
            self.assertEqual(aside.read_bytes(), garbage)
            self.assertEqual(daemon.ask("health")["history"]["state"], "kept")
            self.assertIn(f"reachd runs and keeps its history in {self.state}/history.db.", self.doctor(daemon))
            self.assertEqual(self.states(daemon), ["pass"])
        self.assertIn("No daemon answers here", self.doctor(daemon))

    def test_t27_a_full_disk_is_told_and_survived_and_nothing_is_lost(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=3m,uid={NOBODY},gid={NOBODY}", "tmpfs", str(self.state)],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.state)], check=True)
        with self.daemon() as daemon:
            daemon.await_checked()
            filler = self.state / "filler"
            with open(filler, "wb", buffering=0) as stream:
                try:
                    while True:
                        stream.write(bytes(4096))
                except OSError:
                    pass
            self.block()
            before = now()
            self.assertEqual(self.measure(daemon), "fail")
            # What is in the file already may have room left; some more rounds need a new page.
            deadline = time.monotonic() + 20
            while "history.unavailable" not in daemon.log():
                self.assertLess(time.monotonic(), deadline, "the disk is full and nobody has noticed")
                self.measure(daemon, "web")
            self.assertEqual(daemon.ask("health")["history"]["state"], "unavailable")
            self.site.lab.clear()
            self.assertEqual(self.measure(daemon), "pass")
            self.assertEqual(daemon.log().count("history.unavailable"), 1)
            filler.unlink()
            wait_until(lambda: "history.available" in daemon.log(), "the history to be written again", 30)
            self.assertEqual(self.states(daemon)[:2], ["pass", "fail"])
            self.assertEqual(len(self.history(daemon, "--outages", "--requirement", "signal", "--from",
                                              text_of(before))["outages"]), 1)
            health = daemon.ask("health")["history"]
            self.assertEqual((health["state"], health["lost"]), ("kept", 0))

    def test_t27_a_read_only_disk_is_told_and_survived(self):
        subprocess.run(["mount", "--bind", str(self.state), str(self.state)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.state)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(self.state)], check=True)
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "pass")
            self.assertRegex(daemon.log(), r"error history\.unavailable: .*history\.db.*; measuring goes on")
            self.assertIn("reachd runs and cannot keep its history: ", self.doctor(daemon))
            done = daemon.reachctl("history")
            self.assertEqual(done.returncode, 3)
            self.assertIn("the history is not open", done.stderr)
            self.assertIn("history.unavailable", done.stderr)
            subprocess.run(["nsenter", "--mount", "--target", str(daemon.process.pid), "mount", "-o", "remount,bind,rw",
                            str(self.state)], check=True)
            wait_until(lambda: "history.available" in daemon.log(), "the history to be written again", 40)
            self.assertEqual(self.states(daemon), ["pass"])

    def test_a_flood_of_questions_keeps_nothing_from_being_written(self):
        """24 clients ask 16 long questions each; a change is on disk all the same, and the end is clean."""
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "pass")
        at = int(time.time() * 1000) - 3_600_000
        self.sqlite("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "
                    "INSERT INTO record(at, kind, subject, state, was, since, sentence, detail) "
                    "SELECT %d - i * 40000, 1, (SELECT id FROM subject WHERE requirement = 'signal'), "
                    "CASE WHEN i %% 2 THEN 'fail' ELSE 'pass' END, 'pass', %d - i * 40000, 'words', '' FROM n "
                    "ORDER BY i DESC; UPDATE session SET began = %d - 2500000000" % (at, at, at))
        questions = b"".join(json.dumps({"jsonrpc": "2.0", "id": number, "method": "history",
                                         "params": {"what": "outages"}}).encode() + b"\n" for number in range(16))
        with self.daemon() as daemon:
            daemon.await_checked()
            clients = [daemon.connect() for _ in range(24)]
            for client in clients:
                client.send(questions)
            self.block()
            begun = time.monotonic()
            self.assertEqual(self.measure(daemon), "fail")
            wait_until(lambda: self.sqlite(
                "SELECT state FROM record r JOIN subject s ON s.id = r.subject WHERE s.requirement = 'signal' AND "
                "r.kind = 1 ORDER BY r.id DESC LIMIT 1") == "fail", "the change to be on disk")
            self.assertLess(time.monotonic() - begun, 10)
            self.assertEqual(daemon.ask("health")["history"]["waiting"], 0)
            answers = [clients[0].receive() for _ in range(2)]
            reasons = {one["error"]["data"]["reason"] for one in answers if "error" in one}
            self.assertLessEqual(reasons, {"busy"}, answers)
            begun = time.monotonic()
            self.assertEqual(daemon.end(), 0)
            self.assertLess(time.monotonic() - begun, 5)
            for client in clients:
                client.close()
        self.assertEqual(self.sqlite("SELECT state FROM record WHERE kind = 7 ORDER BY id DESC LIMIT 1"), "clean")

    def test_other_limits_do_not_interrupt_the_history(self):
        with self.daemon() as daemon:
            daemon.await_checked()
            self.assertEqual(self.measure(daemon), "pass")
            before = [one["id"] for one in self.history(daemon)["changes"]]
            self.site.config({"catalogues": ["hist"], "values": {}, "schedule": {"interval_s": 3600},
                              "history": {"path": str(self.state / "history.db"), "keep_days": 30, "max_mb": 50}},
                             name="history.json")
            daemon.ask("reload", None, "control")
            self.assertEqual(self.measure(daemon), "pass")
            news = [one for one in self.history(daemon)["changes"] if one["id"] not in before]
            self.assertEqual([one["kind"] for one in news], ["reload"], news)
            self.assertEqual(self.sqlite("SELECT count(*) FROM session"), "1")

    def test_a_file_without_its_tables_is_set_aside_and_told_once(self):
        self.sqlite("PRAGMA user_version = 2; PRAGMA application_id = 1919246691")
        os.chown(self.state / "history.db", int(NOBODY), int(NOBODY))
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "pass")
            self.assertEqual(daemon.log().count("history.aside"), 1, daemon.log())
            health = daemon.ask("health")["history"]
            self.assertEqual((health["state"], health["lost"]), ("kept", 0))
            self.assertEqual(self.states(daemon), ["pass"])

    def test_times_when_clocks_went_otherwise_say_so(self):
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "pass")
        today = now()
        then = today - datetime.timedelta(days=20)
        at = int(then.timestamp() * 1000)
        self.sqlite("INSERT INTO record(at, kind, subject, state, was, since, sentence, detail) "
                    f"SELECT {at}, 4, id, '', '', 0, 'words', '' FROM subject WHERE requirement = 'signal'")
        # Summer time, an hour ahead, from 40 to 10 days ago.
        days = [(today - datetime.timedelta(days=ago)).timetuple().tm_yday % 365 + 1 for ago in (40, 10)]
        zone = "TZ=AAA7BBB,J{}/0,J{}/0".format(*days)
        with self.daemon() as daemon:
            text = daemon.reachctl("history", "--kinds", "address", before=["env", zone]).stdout
            local = then - datetime.timedelta(hours=6)
            self.assertIn(local.strftime("%Y-%m-%d %H:%M:%S") + " -0600  signal", text)
            text = daemon.reachctl("history", "--kinds", "start", "--limit", "1", before=["env", zone]).stdout
            self.assertNotIn("-0600", text)
            self.assertIn("Times are AAA (-0700).", text)

    def test_nothing_is_written_elsewhere(self):
        with self.daemon() as daemon:
            self.assertEqual(self.measure(daemon), "pass")
            files = {path.name for path in self.state.iterdir()}
        self.assertEqual(files, {"history.db", "history.db-wal", "history.db-shm"})
        self.assertEqual({path.name for path in self.state.iterdir()}, {"history.db"})
        self.assertEqual(self.sqlite("PRAGMA auto_vacuum"), "2")
        shutil.rmtree(self.state)


if __name__ == "__main__":
    if os.geteuid() == 0:
        own_mounts()
    main("history")
