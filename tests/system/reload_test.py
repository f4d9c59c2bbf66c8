# SPDX-License-Identifier: Apache-2.0
"""Files read again by SIGHUP and by `reload`: good ones swap in at once and keep what is known, faulty ones change
nothing and are named with file, line, pointer and the nearest right word, in the answer and in the log.

    sudo /usr/bin/python3 tests/system/reload_test.py [-v]
"""
import json
import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import EXIT_CONFIG, PRIMARY, SystemTest, main, rows, wait_until  # noqa: E402

SLOW = {"schedule": {"interval_s": 300}}  # no row is due twice within a test


class Fewer(SystemTest):
    def test_a_round_that_outlives_a_reload_speaks_of_no_row_of_the_new_files(self):
        def files(*rows_wanted):
            self.site.write("catalogues/own.json", {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "S",
                                                    "requirements": list(rows_wanted)})
        slow = [{"id": f"name-{index}", "transport": "tcp", "destinations": [f"n{index}.example.com"], "ports": "443",
                 "expect": "path"} for index in range(20)]
        files(*slow)
        history = self.site.fresh_directory("own") / "history.db"
        config = self.site.config({"catalogues": ["own"], "values": {}, "schedule": {"interval_s": 1},
                                   "history": {"path": str(history)}}, name="own.json")
        self.site.lab.fault("dns", mode="silent")
        self.addCleanup(self.site.lab.clear)
        with self.site.daemon(config=config) as daemon:
            time.sleep(1)  # all twenty wait for DNS
            files({"id": "line", "transport": "tcp", "destinations": [PRIMARY], "ports": "4200", "expect": "service"})
            daemon.ask("reload", None, "control")
            daemon.await_row("line", "pass", 30)
            time.sleep(7)  # the old questions end within 5 s
            self.assertIsNone(daemon.process.poll())
            told = {one["requirement"] for one in daemon.ask("history", {"kinds": "requirement,endpoint"})["changes"]}
            self.assertEqual(told - {one["id"] for one in slow}, {"line"})
            self.assertEqual({one["requirement"] for one in daemon.ask("history", {"what": "samples"})["samples"]} -
                             {one["id"] for one in slow}, {"line"})


class Blocks(SystemTest):
    def test_samples_that_a_reload_cut_short_are_taken_again(self):
        config = self.site.config({"schedule": {"interval_s": 5, "sweep_interval_s": 3600},
                                   "limits": {"samples_per_block": 4}}, name="few.json")

        def blocks():
            return [one for one in daemon.row("apns")["runs"] if one["destination"] == "17.0.0.0/8"]

        with self.site.daemon(config=config) as daemon:
            daemon.await_checked(patience=60)
            self.assertEqual(blocks(), [], "sampled already: the reload would prove nothing")
            daemon.ask("reload", None, "control")
            wait_until(lambda: len(blocks()) == 2, "the samples of both ports", 60)


class Rounds(SystemTest):
    def test_what_a_round_under_way_has_found_out_is_told_after_a_reload(self):
        pair = [f"15.200.134.{last}" for last in (197, 198)]
        self.site.write("catalogues/own.json", {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "S",
                                                "requirements": [{"id": "pair", "transport": "tcp", "destinations": pair,
                                                                  "ports": "4200", "expect": "path"}]})
        config = self.site.config({"catalogues": ["own"], "values": {}, **SLOW}, name="pair.json")
        self.addCleanup(self.site.lab.clear)
        for one in pair:
            self.fault("drop", port="4200", address=one)
        with self.site.daemon(config=config) as daemon:
            daemon.await_row("pair", "fail", 60)
            wait_until(lambda: daemon.log().count("verdict.changed") == 1, "the first verdict")
            self.site.lab.clear()
            self.fault("drop", port="4200", address=pair[1])
            asked = threading.Thread(target=lambda: daemon.reachctl("probe", "pair"))
            asked.start()
            time.sleep(1)  # the first has answered, the second is waited for
            daemon.ask("reload", None, "control")
            wait_until(lambda: daemon.log().count("verdict.changed") == 2, "what changed")
            asked.join()

    def cut_short(self, *pauses):
        """The log after an address falls silent and reloads come so long one after the other. That is harmless to the row once
        its packets are seen past the edge."""
        where = "15.200.134.197"
        self.site.write("catalogues/own.json", {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "S",
                                                "requirements": [{"id": "shut", "transport": "tcp", "destinations": [where],
                                                                  "ports": "4301-4304", "expect": "path"}]})
        config = self.site.config({"catalogues": ["own"], "values": {}, "schedule": {"interval_s": 600},
                                   "limits": {"connect_timeout_ms": 500}}, name="shut.json")
        self.addCleanup(self.site.lab.clear)
        with self.site.daemon(config=config) as daemon:
            daemon.await_row("shut", "pass", 60)
            wait_until(lambda: "closed" in daemon.row("shut")["sentence"], "the refusals to be settled", 30)
            self.fault("drop", at="isp", address=where)
            asked = threading.Thread(target=lambda: daemon.reachctl("probe", "shut"))
            asked.start()
            before = daemon.row("shut")["checked"]
            for pause in pauses:
                time.sleep(pause)
                daemon.ask("reload", None, "control")
            asked.join()
            wait_until(lambda: "permitted" in daemon.row("shut")["sentence"], "the walk", 90)
            self.assertNotEqual(daemon.row("shut")["checked"], before)
            return daemon.log()

    def test_what_a_round_under_way_has_not_found_out_yet_is_not_told_after_a_reload(self):
        # Two attempts of half a second are over, the walk is not: one ICMP error a second.
        self.assertNotIn("state=fail", self.cut_short(1.5))

    def test_nor_is_it_told_after_several_reloads(self):
        self.assertNotIn("state=fail", self.cut_short(1.5, 0.5, 1.5, 1.5))


class Good(SystemTest):
    def ways(self, daemon):
        """The ways to ask for a reload; each returns when it has been carried out."""
        def hang_up():
            before = daemon.log().count("config.reloaded")
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: daemon.log().count("config.reloaded") > before, "the reload")

        def command():
            done = daemon.reachctl("reload")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"^reloaded: \d+ requirements are in force\n$")

        return {"SIGHUP": hang_up, "reachctl reload": command,
                "method reload": lambda: daemon.ask("reload", None, "control")}

    def test_new_configuration_is_in_force_and_unchanged_rows_keep_what_is_known(self):
        config = self.site.config(SLOW)
        with self.site.daemon(config=config) as daemon:
            daemon.await_checked(patience=120)
            for index, (name, reload_now) in enumerate(self.ways(daemon).items()):
                with self.subTest(way=name):
                    before = rows(daemon.ask("report"))
                    pid = daemon.process.pid
                    port = 2001 + index  # signaling and signaling-dr change with it, nothing else does
                    values = {"eschat-govcloud": {"signaling_primary": [PRIMARY], "signaling_port": port}}
                    self.site.config({**SLOW, "site": f"lab {index}", "values": values})
                    reload_now()
                    self.assertEqual(daemon.ask("config")["site"], f"lab {index}")
                    self.assertEqual(daemon.ask("health")["site"], f"lab {index}")
                    after = rows(daemon.ask("report"))
                    self.assertEqual(set(after), set(before))
                    for kept in set(before) - {"signaling", "signaling-dr"}:
                        for member in ("state", "since", "counts", "sentence", "runs"):
                            self.assertEqual(after[kept][member], before[kept][member], f"{kept}/{member}")
                        self.assertEqual([(one["since"], one["rtt_us"] is None) for one in after[kept]["endpoints"]],
                                         [(one["since"], one["rtt_us"] is None) for one in before[kept]["endpoints"]])
                    for changed in ("signaling", "signaling-dr"):
                        daemon.await_row(changed, "pass")
                        self.assertEqual({one["port"] for one in daemon.row(changed)["endpoints"]}, {port})
                    self.assertEqual((daemon.process.pid, daemon.process.poll()), (pid, None))
            self.assertNotIn("task.failed", daemon.log())

    def test_reload_that_is_asked_for_while_the_daemon_ends_holds_up_nothing(self):
        config = self.site.config(SLOW)
        for _ in range(3):
            with self.site.daemon(config=config) as daemon, daemon.connect("control") as client:
                client.ask("version")
                client.channel.sendall(b'{"jsonrpc":"2.0","id":1,"method":"reload"}\n' * 3)
                daemon.signal(signal.SIGTERM)
                try:
                    for _ in range(200):
                        client.channel.sendall(b'{"jsonrpc":"2.0","id":1,"method":"reload"}\n')
                        time.sleep(0.005)
                except OSError:
                    pass  # it has ended
                self.assertEqual(daemon.process.wait(timeout=8), 0)

    def test_rows_that_go_and_come_are_gone_and_there(self):
        config = self.site.config(SLOW)
        with self.site.daemon(config=config) as daemon:
            daemon.await_checked(patience=120)
            self.site.config({**SLOW, "catalogues": ["eschat-govcloud"]})
            self.assertEqual(daemon.ask("reload", None, "control"), {"reloaded": True, "requirements": 11})
            self.assertEqual(len(rows(daemon.ask("report"))), 11)
            self.assertEqual(sum(daemon.ask("health")["counts"].values()), 11)
            self.site.config(SLOW)
            self.assertEqual(daemon.ask("reload", None, "control")["requirements"], 16)
            daemon.await_row("getconf", "pass")

    def test_new_catalogue_file_is_read(self):
        self.site.write("catalogues/own.json", self.own("4200"))
        config = self.site.config({**SLOW, "catalogues": ["own"], "values": {}})
        with self.site.daemon(config=config) as daemon:
            daemon.await_row("own", "pass")
            self.site.write("catalogues/own.json", self.own("2100"))  # nothing listens there
            self.assertEqual(daemon.reachctl("reload").returncode, 0)
            daemon.await_row("own", "fail")

    @staticmethod
    def own(ports):
        return {"id": "own", "title": "Own", "document": {"title": "Own"}, "requirements": [
            {"id": "own", "transport": "tcp", "destinations": [PRIMARY], "ports": ports, "expect": "service"}]}

    def test_subscribers_hear_of_it_and_stay(self):
        self.site.config(SLOW)
        with self.site.daemon(config=self.site.config(SLOW)) as daemon, daemon.connect() as client:
            client.ask("subscribe")
            daemon.ask("reload", None, "control")
            event = client.next_event(lambda params: params["kind"] == "config.reloaded")
            self.assertEqual(event["requirements"], 16)
            self.fault("drop", port="443", address="15.200.134.197")
            daemon.ask("probe", {"requirement": "nlb"}, "control")
            client.next_event(lambda params: params["kind"] == "verdict.changed" and params["requirement"] == "nlb" and
                              params["state"] == "fail")

    def test_probes_in_flight_do_not_stop_it(self):
        self.fault("drop")
        config = self.site.config({**SLOW, "limits": {"connect_timeout_ms": 60000}})
        with self.site.daemon(config=config) as daemon:
            time.sleep(1)
            began = time.monotonic()
            self.site.lab.clear()
            self.site.config(SLOW)
            self.assertEqual(daemon.reachctl("reload").returncode, 0)
            daemon.await_row("nlb", "pass")
            self.assertLess(time.monotonic() - began, 15)
            self.assertNotIn("task.failed", daemon.log())


class Faulty(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.config = cls.site.config(SLOW, name="reload.json")
        cls.good = cls.config.read_text(encoding="utf-8")
        context = cls.site.daemon(config=cls.config)
        cls.daemon = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        cls.daemon.await_checked(patience=120)

    def tearDown(self):
        if self.config.is_dir():
            self.config.rmdir()
        self.site.write("reload.json", self.good)
        self.assertEqual(self.daemon.ask("reload", None, "control"), {"reloaded": True, "requirements": 16})

    def kept(self, *wanted, file=None, line=None, pointer=None):
        """The reload is refused, in all three ways, saying what is wanted; what was in force stays."""
        file = file or self.config
        before = self.daemon.ask("config"), rows(self.daemon.ask("report"))
        with self.daemon.connect("control") as client:
            error = client.ask("reload")["error"]
        self.assertEqual((error["code"], error["data"]["reason"]), (-32011, "rejected"))
        fault = error["data"]["faults"][0]
        self.assertEqual(fault["file"], str(file))
        if line is not None:
            self.assertEqual(fault["line"], line, fault)
        if pointer is not None:
            self.assertEqual(fault["pointer"], pointer, fault)
        texts = " ".join(one["text"] for one in error["data"]["faults"])
        done = self.daemon.reachctl("reload")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        mark = len(self.daemon.log())
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: "config.rejected" in self.daemon.log()[mark:], "the log line of the refusal")
        log = self.daemon.log()[mark:]
        self.assertIn(" error config.rejected: ", log)
        self.assertIn("what was in force stays", log)
        for words in (*wanted, str(file)):
            for said in (texts, done.stderr, log):
                self.assertIn(words, said)
        after = self.daemon.ask("config"), rows(self.daemon.ask("report"))
        self.assertEqual(after[0], before[0])
        self.assertEqual({name: (one["state"], one["since"], one["counts"]) for name, one in after[1].items()},
                         {name: (one["state"], one["since"], one["counts"]) for name, one in before[1].items()})
        self.assertIsNone(self.daemon.process.poll())

    def changed(self, change):
        document = json.loads(self.good)
        change(document)
        self.site.write("reload.json", document)
        text = self.config.read_text(encoding="utf-8")
        return lambda words: 1 + text[:text.index(words)].count("\n")

    def test_t29_missing_file(self):
        self.config.unlink()
        self.kept("there is no such file")

    def test_t29_empty_file(self):
        self.site.write("reload.json", "")
        self.kept("reload.json")

    def test_t29_half_a_file(self):
        self.site.write("reload.json", self.good[:len(self.good) // 2])
        self.kept("reload.json:")

    def test_t29_directory(self):
        self.config.unlink()
        self.config.mkdir()
        self.kept("it is not a regular file")

    def test_t29_unreadable_file(self):
        self.config.chmod(0)
        self.kept("it cannot be read: Permission denied")

    def test_t29_unknown_key(self):
        line_of = self.changed(lambda site: site["limits"].update(atempts=2))
        self.kept("unknown key 'atempts'; did you mean 'attempts'?", line=line_of("atempts"), pointer="/limits/atempts")

    def test_t29_wrong_type(self):
        line_of = self.changed(lambda site: site["limits"].update(attempts="two"))
        self.kept("/limits/attempts", line=line_of('"attempts"'), pointer="/limits/attempts")

    def test_t29_out_of_range(self):
        line_of = self.changed(lambda site: site["limits"].update(attempts=11))
        self.kept("must be 1 to 10, not 11", line=line_of('"attempts"'), pointer="/limits/attempts")

    def test_t29_duplicate_key(self):
        self.site.write("reload.json", self.good.replace('"site": "lab",', '"site": "lab",\n  "site": "other",'))
        self.kept("site", line=3)

    def test_t29_unknown_catalogue(self):
        line_of = self.changed(lambda site: site["catalogues"].append("helpdesk-button"))
        self.kept("did you mean 'helpdesk-buttons'?", line=line_of('"helpdesk-button"'), pointer="/catalogues/2")

    def test_t29_unknown_value_of_a_catalogue(self):
        line_of = self.changed(lambda site: site["values"]["eschat-govcloud"].update(signalling_port=4200))
        self.kept("did you mean 'signaling_port'?", line=line_of("signalling_port"),
                  pointer="/values/eschat-govcloud/signalling_port")

    def test_t29_trust_store_that_is_not_there(self):
        self.changed(lambda site: site.update(tls={"ca_file": "/nowhere.pem"}))
        self.kept("/nowhere.pem", pointer="/tls/ca_file")

    def test_t29_several_faults_are_all_told(self):
        self.changed(lambda site: (site.update(sites="x"), site["limits"].update(attempts=0, in_flight=0)))
        self.kept("/sites", "/limits/attempts", "/limits/in_flight")

    def test_t29_catalogue_with_a_fault(self):
        path = self.site.directory / "catalogues" / "helpdesk-buttons.json"
        good = path.read_text(encoding="utf-8")
        self.addCleanup(path.write_text, good, encoding="utf-8")
        path.write_text(good.replace('"expect": "path"', '"expct": "path"'), encoding="utf-8")
        line = 1 + good[:good.index('"expect": "path"')].count("\n")
        self.kept("unknown key 'expct'; did you mean 'expect'?", file=path, line=line, pointer="/requirements/3/expct")
        path.write_text(good, encoding="utf-8")

    def test_t29_catalogue_that_is_gone(self):
        path = self.site.directory / "catalogues" / "helpdesk-buttons.json"
        aside = path.rename(path.with_suffix(".aside"))
        self.kept("helpdesk-buttons", pointer="/catalogues/1")
        aside.rename(path)

    def test_t29_catalogue_that_cannot_be_read(self):
        path = self.site.directory / "catalogues" / "helpdesk-buttons.json"
        path.chmod(0)
        self.kept("it cannot be read: Permission denied", file=path)
        path.chmod(0o644)

    def test_subscribers_hear_of_a_refusal(self):
        self.site.write("reload.json", "{")
        with self.daemon.connect() as client:
            client.ask("subscribe")
            self.daemon.signal(signal.SIGHUP)
            event = client.next_event(lambda params: params["kind"] == "config.rejected")
        self.assertIn("reload.json:1", event["message"])


class Start(SystemTest):
    def test_t29_daemon_does_not_start_with_faulty_files_and_says_all_of_it(self):
        self.site.fresh_directory("run")
        faulty = self.site.write("faulty.json", '{\n"site": 5,\n"sites": "x"}')
        process = self.site.start_daemon(config=faulty)
        _, said = process.communicate(timeout=10)
        self.assertEqual(process.returncode, EXIT_CONFIG)
        self.assertIn(f"reachd: {faulty}:2: /site: ", said)
        self.assertIn(f"reachd: {faulty}:3: /sites: unknown key 'sites'; did you mean 'site'?", said)
        self.assertFalse(self.site.socket_path().exists())

    def test_daemon_does_not_start_without_its_trust_store(self):
        self.site.fresh_directory("run")
        process = self.site.start_daemon(config=self.site.config({"tls": {"ca_file": "/nowhere.pem"}}))
        _, said = process.communicate(timeout=10)
        self.assertEqual(process.returncode, EXIT_CONFIG)
        self.assertIn("/nowhere.pem", said)


if __name__ == "__main__":
    main("reload", short_range=True)
