# SPDX-License-Identifier: Apache-2.0
"""The daemon while nothing is wrong: who it runs as, its sockets, every method on both, its log, its end; and what the
commands of reachctl say with and without it.

    sudo /usr/bin/python3 tests/system/daemon_test.py [-v]
"""
import json
import os
import pathlib
import re
import signal
import stat
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import (EXIT_OF, EXIT_USAGE, MAPS, MAPS_AT, PRIMARY, SystemTest, main, row, rows,  # noqa: E402
                      wait_until)
from lab.lab import NOBODY  # noqa: E402

READ = ("version", "methods", "health", "report", "endpoint", "history", "subscribe", "metrics", "catalogues", "config")
CHANGE = ("probe", "acknowledge", "reload")
ENDPOINT = {"address": MAPS_AT[0], "port": 443, "transport": "tcp"}
SECRET = "/etc/reachd/very-secret.key"
# docs/INTERFACES and the site report of the control socket: nothing of these may go within a major version
REPORT_KEYS = {"schema", "site", "generated", "state", "since", "vantage", "path", "catalogues", "idle"}
ROW_KEYS = {"id", "about", "role", "state", "sentence", "since", "counts", "runs", "endpoints"}
RUN_KEYS = {"destination", "ports", "verdict", "blame", "where", "sentence"}
ENDPOINT_KEYS = {"address", "name", "port", "transport", "verdict", "stage", "blame", "where", "sentence", "rtt_us",
                 "since", "evidence"}
IDLE_KEYS = {"requirement", "transport", "class", "via", "required_s", "held_s", "lost_s", "grade", "state",
             "after_expiry", "where", "sentence", "rungs"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def whole_check(site):
    """The report of a check of both catalogues without the daemon; with a fault in the way it takes its time."""
    done = site.reachctl("check", "--format", "json", "--fast", timeout=120)
    report = json.loads(done.stdout)
    if (done.returncode, done.stderr) != (EXIT_OF[report["state"]], ""):
        raise AssertionError(f"exit code {done.returncode}: {done.stderr} {done.stdout[:2000]}")
    return report


class Running(SystemTest):
    @classmethod
    def setUpClass(cls):
        config = cls.site.config({"schedule": {"interval_s": 5},
                                  "limits": {"samples_per_block": 4},  # as many as --fast takes
                                  "reflectors": [{"host": "203.0.113.9", "secret_file": SECRET}]})
        context = cls.site.daemon(config=config)
        cls.daemon = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        cls.daemon.await_checked(patience=120)

    def refused(self, method, params=None, socket_name="status"):
        with self.daemon.connect(socket_name) as client:
            answer = client.ask(method, params)
        self.assertNotIn("result", answer)
        return answer["error"]

    def test_it_runs_as_an_ordinary_user_without_capabilities(self):
        status = pathlib.Path("/proc", str(self.daemon.process.pid), "status").read_text(encoding="ascii")
        self.assertIn("Name:\treachd\n", status)
        self.assertEqual(re.search(r"Uid:\s+(.*)", status)[1].split(), [NOBODY] * 4)
        self.assertEqual(int(re.search(r"CapEff:\s+(\w+)", status)[1], 16), 0)

    def test_t08_sockets_have_their_modes_and_nothing_else_lies_beside_them(self):
        modes = {path.name: (stat.filemode(path.stat().st_mode), path.stat().st_uid)
                 for path in self.site.socket_path().parent.iterdir()}
        wanted = {"control.sock": "srw-rw----", "status.sock": "srw-rw-rw-", "reachd.lock": "-rw-------"}
        self.assertEqual(modes, {name: (mode, int(NOBODY)) for name, mode in wanted.items()})

    def test_t07_a_stranger_may_read_and_not_change(self):
        stranger = ["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "--"]
        for words, code in ((["status"], 3), (["probe", "nlb"], 3), (["reload"], 3)):
            done = self.daemon.reachctl(*words, before=stranger, user=False)
            self.assertEqual(done.returncode, code)
            self.assertEqual("unproven" in done.stdout.lower(), words == ["status"], done.stdout)
            self.assertEqual("control.sock is not open to you" in done.stderr, words != ["status"], done.stderr)

    def test_every_read_method_answers_alike_on_both_sockets(self):
        for method in READ:
            answers = [self.daemon.ask(method, ENDPOINT if method == "endpoint" else None, name)
                       for name in ("status", "control")]
            self.assertEqual(set(answers[0]), set(answers[1]), method)
            self.assertTrue(answers[0], method)

    def test_t06_methods_that_change_something_are_forbidden_on_the_status_socket(self):
        before = self.daemon.log().count("config.reloaded")
        for method in CHANGE:
            error = self.refused(method, {"requirement": "maps"} if method == "acknowledge" else None)
            self.assertEqual((error["code"], error["data"]["reason"]), (-32004, "forbidden"))
            self.assertIn("control.sock", error["message"])
        self.assertEqual(self.daemon.log().count("config.reloaded"), before)

    def test_table_of_methods_is_what_there_is(self):
        answer = self.daemon.ask("methods")
        self.assertEqual({one["name"]: one["access"] for one in answer["methods"]},
                         {**{name: "read" for name in READ}, **{name: "change" for name in CHANGE}})
        for one in answer["methods"]:
            self.assertLessEqual({"name", "access", "since", "help", "params"}, set(one))

    def test_version_tells_program_protocol_and_since_when(self):
        answer = self.daemon.ask("version")
        self.assertEqual((answer["program"], answer["protocol"]), ("reachd", "1.0"))
        self.assertRegex(answer["since"], TIME)

    def test_report_has_the_names_that_people_script_against(self):
        report = self.daemon.ask("report")
        self.assertLessEqual(REPORT_KEYS, set(report))
        self.assertEqual((report["schema"], report["site"], report["state"]), (1, "lab", "unproven"))
        self.assertEqual(report["version"], self.daemon.ask("version")["version"])
        self.assertEqual(len(rows(report)), 16)
        for one in rows(report).values():
            self.assertLessEqual(ROW_KEYS, set(one))
            self.assertEqual(set(one["counts"]), {"total", "pass", "fail", "unproven"})
            for run in one["runs"]:
                self.assertLessEqual(RUN_KEYS, set(run))
            for found in one["endpoints"]:
                self.assertLessEqual(ENDPOINT_KEYS, set(found))
        self.assertEqual({one["requirement"] for one in report["idle"]}, {"tcp-idle", "udp-idle"})
        for one in report["idle"]:
            self.assertLessEqual(IDLE_KEYS, set(one))

    def test_report_agrees_with_a_check_without_the_daemon(self):
        checked = rows(whole_check(self.site))
        wait_until(lambda: self.daemon.row("apns")["counts"]["total"] == checked["apns"]["counts"]["total"],
                   "the samples of the blocks", 60, lambda: self.daemon.row("apns")["counts"])
        told = rows(self.daemon.ask("report"))
        self.assertEqual({name: (one["state"], one["counts"]) for name, one in told.items()},
                         {name: (one["state"], one["counts"]) for name, one in checked.items()})

    def test_report_may_be_narrowed_and_an_unknown_name_gets_the_nearest(self):
        self.assertEqual(set(rows(self.daemon.ask("report", {"requirement": "maps"}))), {"maps"})
        self.assertEqual(set(rows(self.daemon.ask("report", {"requirement": "helpdesk-buttons/session"}))), {"session"})
        self.assertEqual(len(rows(self.daemon.ask("report", {"catalogue": "helpdesk-buttons"}))), 5)
        for params, field, hint in (
                ({"requirement": "mapps"}, "params.requirement", "did you mean 'maps'?"),
                ({"requirement": "eschat-govcloud/mapps"}, "params.requirement", "did you mean 'eschat-govcloud/maps'?"),
                ({"catalogue": "helpdesk-button"}, "params.catalogue", "did you mean 'helpdesk-buttons'?")):
            data = self.refused("report", params)["data"]
            self.assertEqual((data["reason"], data["field"], data["hint"]), ("not_found", field, hint))

    def test_health_is_small_and_counts_every_row(self):
        health = self.daemon.ask("health")
        self.assertLessEqual({"state", "since", "summary", "counts", "stale"}, set(health))
        self.assertEqual((health["state"], health["stale"]), ("unproven", False))
        self.assertEqual(health["counts"], {"pass": 12, "fail": 0, "unproven": 4, "not_configured": 0})
        self.assertLess(len(json.dumps(health)), 1000)

    def test_endpoint_comes_with_its_evidence_or_is_not_found(self):
        found = self.daemon.ask("endpoint", ENDPOINT)["endpoints"]
        self.assertEqual([(one["catalogue"], one["requirement"], one["name"]) for one in found],
                         [("eschat-govcloud", "maps", MAPS)])
        self.assertLessEqual(ENDPOINT_KEYS, set(found[0]))
        self.assertEqual(found[0]["evidence"][-1]["tls"]["verified"], True)
        self.assertEqual(self.refused("endpoint", {**ENDPOINT, "port": 444})["data"]["reason"], "not_found")
        self.assertEqual(self.refused("endpoint", {**ENDPOINT, "name": "other.example"})["data"]["reason"], "not_found")

    def test_wrong_parameters_are_told_by_name(self):
        for params, reason, field in (
                ({**ENDPOINT, "prt": 1}, "unknown_parameter", "params.prt"),
                ({"address": "10.0.0.1", "port": 1}, "missing_parameter", "params.transport"),
                ({**ENDPOINT, "port": 70000}, "invalid_parameter", "params.port"),
                ({**ENDPOINT, "port": "443"}, "invalid_parameter", "params.port"),
                ({**ENDPOINT, "address": "10.0.0"}, "invalid_parameter", "params.address"),
                ({**ENDPOINT, "transport": "sctp"}, "invalid_parameter", "params.transport")):
            data = self.refused("endpoint", params)["data"]
            self.assertEqual((data["reason"], data["field"]), (reason, field))
        data = self.refused("helth")["data"]
        self.assertEqual((data["reason"], data["hint"]), ("unknown_method", "did you mean 'health'?"))

    def test_t13_configuration_in_force_is_told_without_secrets(self):
        config = self.daemon.ask("config")
        self.assertEqual((config["site"], config["schedule"]["interval_s"]), ("lab", 5))
        self.assertEqual(config["limits"]["attempts"], 2)
        self.assertEqual(config["values"]["eschat-govcloud"]["signaling_primary"], [PRIMARY])
        self.assertEqual(config["reflectors"][0]["host"], "203.0.113.9")
        self.assertNotIn(SECRET, json.dumps(config))

    def test_catalogues_in_force_are_told_with_their_rows_and_documents(self):
        found = {one["id"]: one for one in self.daemon.ask("catalogues")["catalogues"]}
        self.assertEqual(set(found), {"eschat-govcloud", "helpdesk-buttons"})
        self.assertEqual(found["eschat-govcloud"]["document"]["revised"], "January 2023")
        self.assertEqual([one["id"] for one in found["helpdesk-buttons"]["requirements"]],
                         ["getconf", "upload", "request-slot", "session", "inbound-api"])

    def test_t10_probe_measures_anew_tells_its_progress_and_is_put_on_record(self):
        before = self.daemon.row("provisioning")["checked"]
        with self.daemon.connect("control") as client:
            report = client.ask("probe", {"catalogue": "eschat-govcloud"})["result"]
            progress = [one["params"] for one in client.notifications]
        self.assertEqual(len(rows(report)), 11)
        self.assertEqual([one["requirements_done"] for one in progress], list(range(len(progress))))
        self.assertEqual({one["requirements"] for one in progress}, {11})
        self.assertGreater(row(report, "provisioning")["checked"], before)
        self.assertRegex(self.daemon.log(), rf"info control\.change: method probe was called pid={os.getpid()} uid=0")

    def test_t11_probe_of_an_unknown_row_is_refused_with_the_nearest(self):
        data = self.refused("probe", {"requirement": "mapps"}, "control")["data"]
        self.assertEqual((data["reason"], data["hint"]), ("not_found", "did you mean 'maps'?"))

    def test_commands_show_what_the_daemon_says(self):
        for words, wanted in ((["status"], "UNPROVEN\nlab, since "), (["health"], "unproven: No requirement fails"),
                              (["report", "--requirement", "nlb"], "PASS  nlb"),
                              (["report", "--catalogue", "helpdesk-buttons"], "PASS  session"),
                              (["probe", "nlb", "maps"], "PASS  maps")):
            done = self.daemon.reachctl(*words)
            self.assertEqual((done.returncode, done.stderr), (3, ""), words)
            self.assertIn(wanted, done.stdout)
            self.assertLessEqual(max(map(len, done.stdout.splitlines()[:-1]), default=0), 80, words)
        for words in (["endpoint", "tcp", MAPS_AT[0], "443"], ["endpoint", f"{MAPS_AT[0]}:443"],
                      ["endpoint", f"[{MAPS_AT[2]}]:443"], ["catalogues"], ["reload"]):
            done = self.daemon.reachctl(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        self.assertIn("issued by reachd lab CA", self.daemon.reachctl("endpoint", "tcp", MAPS_AT[0], "443").stdout)
        self.assertEqual(self.daemon.reachctl("endpoint", "tcp", "192.0.2.1", "443").returncode, 3)

    def test_commands_print_json_that_is_the_daemons_answer(self):
        for words, method in ((["status"], "health"), (["health"], "health"), (["catalogues"], "catalogues"),
                              (["report"], "report")):
            shown = json.loads(self.daemon.reachctl(*words, "--format", "json").stdout)
            self.assertEqual(set(shown), set(self.daemon.ask(method)))

    def test_one_socket_may_be_named_for_every_command(self):
        path = str(self.site.socket_path("status"))
        done = self.site.reachctl("--socket", path, "status", runtime="nowhere")
        self.assertEqual((done.returncode, done.stderr), (3, ""))
        done = self.site.reachctl("--socket", path, "reload", runtime="nowhere")
        self.assertEqual(done.returncode, 3)
        self.assertIn("control.sock", done.stderr)


class Absent(SystemTest):
    def test_every_command_says_that_there_is_no_daemon(self):
        self.site.fresh_directory("empty")
        for words in (["status"], ["health"], ["health", "--format", "json"], ["report"], ["watch"], ["probe"],
                      ["reload"], ["catalogues"], ["endpoint", "tcp", "10.0.0.1", "80"], ["history"],
                      ["acknowledge", "maps", "a note"]):
            done = self.site.reachctl(*words, runtime="empty")
            self.assertEqual((done.returncode, done.stdout), (3, ""), words)
            self.assertIn("reachctl: ", done.stderr)
            self.assertIn(str(self.site.directory / "empty"), done.stderr)

    def test_monitoring_gets_critical_on_stdout(self):
        self.site.fresh_directory("empty")
        done = self.site.reachctl("health", "--format", "nagios", runtime="empty")
        self.assertEqual((done.returncode, done.stderr), (2, ""))
        self.assertRegex(done.stdout, r"\AREACHD CRITICAL - .+\n\Z")

    def test_path_that_is_too_long_is_wrong_with_its_number(self):
        done = self.site.reachctl("status", runtime="x" * 120)
        self.assertEqual(done.returncode, 3)
        self.assertIn("107", done.stderr)


class Log(SystemTest):
    def test_text_lines_have_time_level_event_and_fields(self):
        with self.site.daemon(config=self.site.config({"schedule": {"interval_s": 60}})) as daemon:
            daemon.await_checked(patience=120)
            daemon.end()
            lines = daemon.log().splitlines()
        for line in lines:
            self.assertRegex(line, rf"^{TIME} (info|warning|error) [a-z]+\.[a-z]+: .+")
        self.assertRegex(lines[0], r" info daemon\.started: 16 requirements of 2 catalogues config=\S+ runtime_dir=\S+ "
                                   r"version=\S+$")
        self.assertIn(" info daemon.stopping: ", lines[-1])
        changed = [line for line in lines if " verdict.changed: session: all 120 endpoints are let through" in line]
        self.assertEqual(len(changed), 1, lines)
        self.assertRegex(changed[0], "before=unproven catalogue=helpdesk-buttons endpoints=120 failing=0 "
                                     "requirement=session state=pass$")

    def test_json_lines_parse_and_have_time_level_event_and_message(self):
        with self.site.daemon("--log-format", "json") as daemon:
            daemon.await_checked(patience=120)
            daemon.end()
            lines = [json.loads(line) for line in daemon.log().splitlines()]
        for line in lines:
            self.assertLessEqual({"time", "level", "event", "message"}, set(line))
            self.assertRegex(line["time"], f"^{TIME}$")
            self.assertIn(line["level"], ("info", "warning", "error"))
        self.assertEqual((lines[0]["event"], lines[-1]["event"]), ("daemon.started", "daemon.stopping"))
        told = [line for line in lines if line["event"] == "verdict.changed"]
        self.assertGreater(len(told), 3)
        for line in told:
            self.assertLessEqual({"catalogue", "requirement", "state", "before", "failing", "endpoints"}, set(line))

    def test_first_result_of_every_row_is_told(self):
        self.fault("drop", port="443", address="15.200.134.197")
        with self.site.daemon("--log-format", "json") as daemon:
            daemon.await_checked(patience=120)
            daemon.end()
            lines = [json.loads(line) for line in daemon.log().splitlines()]
        checked = rows(whole_check(self.site))
        self.assertEqual({line["requirement"]: line["state"] for line in lines if line["event"] == "verdict.changed"},
                         {name: one["state"] for name, one in checked.items() if one["kind"] == "outbound"})

    def test_log_goes_to_stderr_where_that_is_not_the_journals_own_stream(self):
        with self.site.daemon(before=["env", "JOURNAL_STREAM=8:1"]) as daemon:
            daemon.end()
            self.assertIn(" info daemon.stopping: ", daemon.log())
            for line in daemon.log().splitlines():
                self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\S+Z (info|warning|error) [a-z]+\.[a-z]+: ")


class End(SystemTest):
    def stops(self, daemon, number):
        began = time.monotonic()
        daemon.signal(number)
        daemon.process.wait(timeout=10)
        self.assertLess(time.monotonic() - began, 5.5)
        self.assertEqual(daemon.process.returncode, 0, daemon.log())
        for name in ("control", "status"):
            self.assertFalse(self.site.socket_path(name).exists())
        self.assertNotIn("task.failed", daemon.log())

    def test_sigterm_and_sigint_end_it_and_remove_its_sockets(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number), self.site.daemon() as daemon:
                daemon.await_checked(patience=120)
                self.stops(daemon, number)

    def test_it_ends_in_time_while_hundreds_of_probes_wait_and_dns_is_silent(self):
        self.fault("drop")
        self.fault("dns", mode="silent")
        with self.site.daemon(config=self.site.config({"limits": {"connect_timeout_ms": 60000}})) as daemon:
            time.sleep(1.5)
            self.assertFalse(daemon.row("nlb")["checked"])
            self.stops(daemon, signal.SIGTERM)

    def ends_in_the_middle_of_a_probe(self):
        """The answer of a probe that was under way."""
        self.fault("drop")
        with self.site.daemon(config=self.site.config({"limits": {"connect_timeout_ms": 60000}})) as daemon:
            with daemon.connect("control") as asking, daemon.connect() as listening:
                listening.ask("subscribe")
                asking.send({"jsonrpc": "2.0", "id": 9, "method": "probe", "params": {"requirement": "nlb"}})
                wait_until(lambda: "method probe was called" in daemon.log(), "the probe")
                self.stops(daemon, signal.SIGTERM)
                return asking.last_answer()

    def test_client_that_waits_for_an_answer_gets_one_before_the_end(self):
        answer = self.ends_in_the_middle_of_a_probe()
        self.assertEqual(answer["id"], 9)
        self.assertIn("error", answer)

    def test_client_that_waits_is_told_that_the_daemon_ends(self):
        self.assertEqual(self.ends_in_the_middle_of_a_probe()["error"]["data"]["reason"], "shutting_down")


class Usage(SystemTest):
    def test_wrong_usage_of_the_daemon_exits_64(self):
        for words in (["--interval", "5"], ["--log-format", "xml"], ["now"]):
            process = self.site.start_daemon(*words)
            _, said = process.communicate(timeout=10)
            self.assertEqual(process.returncode, EXIT_USAGE, said)


if __name__ == "__main__":
    main("daemon", short_range=True)
