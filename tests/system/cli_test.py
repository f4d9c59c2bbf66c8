# SPDX-License-Identifier: Apache-2.0
"""The command line of reachctl without a daemon: selection, formats, terminals, exit codes, faulty files, doctor.

    sudo /usr/bin/python3 tests/system/cli_test.py [-v]
"""
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import (DNS1, DNS2, EXIT_CONFIG, EXIT_USAGE, GATEWAY, PRIMARY, SystemTest, main, row, rows)  # noqa: E402

ESCAPE = "\x1b["
COMMANDS = ("check", "idle", "status", "health", "report", "endpoint", "watch", "probe", "reload", "catalogues", "doctor",
            "rules", "diff", "explain", "support-bundle", "completions", "history",
            "acknowledge", "metrics")


class Selection(SystemTest):
    def test_only_the_rows_that_are_named_are_checked(self):
        report = self.check("nlb", "helpdesk-buttons/getconf")
        self.assertEqual(set(rows(report)), {"nlb", "getconf"})
        self.assertEqual(report["sentence"], "All 2 requirements pass.")

    def test_unknown_row_is_wrong_usage_and_the_nearest_is_named(self):
        for word, hint in (("signalling", "did you mean 'signaling'?"), ("eschat-govcloud/mapps", "did you mean 'eschat-govcloud/maps'?"),
                           ("zzzzzz", "known: ")):
            done = self.site.reachctl("check", "--only", word)
            self.assertEqual((done.returncode, done.stdout), (EXIT_USAGE, ""))
            self.assertIn(f"no requirement is named '{word}'; {hint}", done.stderr)

    def test_one_unknown_row_among_known_ones_checks_nothing(self):
        done = self.site.reachctl("check", "--only", "nlb", "--only", "zzz")
        self.assertEqual((done.returncode, done.stdout), (EXIT_USAGE, ""))

    def test_quick_leaves_the_idle_timers_out_and_says_so(self):
        quick, whole = self.check(args=("--fast", "--quick")), self.check()
        for name in ("tcp-idle", "udp-idle"):
            self.assertEqual(row(quick, name)["state"], "unproven")
            for report, word in ((quick, "--quick"), (whole, "--fast")):
                self.assertEqual(row(report, name)["sentence"],
                                 f"not run: an idle timer needs a long wait, which {word} leaves out")
        same = set(rows(quick)) - {"tcp-idle", "udp-idle"}
        self.assertEqual({name: row(quick, name)["state"] for name in same},
                         {name: row(whole, name)["state"] for name in same})


class Formats(SystemTest):
    def test_exit_code_is_the_sites_answer_in_every_format(self):
        for words in (["--format", "json"], ["--format", "jsonl"], ["--format", "table"], []):
            for only, code in (("nlb", 0), ("data", 0), ("apns", 3)):
                self.assertEqual(self.site.reachctl("check", "--fast", "--only", only, *words).returncode, code)
        self.fault("drop", port="443", address="15.200.134.197")
        for words in (["--format", "json"], ["--format", "jsonl"], ["--format", "table"]):
            self.assertEqual(self.site.reachctl("check", "--fast", "--only", "nlb", *words).returncode, 2)

    def test_jsonl_is_one_row_a_line_with_what_names_it(self):
        done = self.site.reachctl("check", "--fast", "--only", "nlb", "--only", "getconf", "--format", "jsonl")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([(one["catalogue"], one["id"], one["site"], one["state"]) for one in lines],
                         [("eschat-govcloud", "nlb", "lab", "pass"), ("helpdesk-buttons", "getconf", "lab", "pass")])

    def test_output_goes_to_the_file_and_nothing_to_stdout(self):
        for words in (["--format", "json"], ["--format", "jsonl"], []):
            path = self.site.fresh_directory("out") / "report"
            done = self.site.reachctl("--color", "always", "check", "--fast", "--only", "nlb", "--output", str(path),
                                      *words)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            text = path.read_text(encoding="utf-8")
            self.assertNotIn(ESCAPE, text)
            self.assertIn("all 6 endpoints answer", text)

    def test_output_that_cannot_be_written_is_said_and_no_success(self):
        done = self.site.reachctl("check", "--fast", "--only", "nlb", "--output", "/proc/nowhere/report")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("cannot write /proc/nowhere/report: ", done.stderr)

    def test_output_is_looked_at_before_anything_is_sent(self):
        where = self.site.fresh_directory("out")
        for name, form, code, said in (("report.pdf", [], 64, "reports have no such form: give --format, or one of .txt, .json"),
                                       (".", [], 3, "Is a directory"),
                                       ("missing/report.json", [], 3, "No such file or directory"),
                                       ("missing/report.pdf", ["--format", "csv"], 3, "No such file or directory")):
            with self.subTest(name=name, form=form):
                before = self.sent()
                done = self.site.reachctl("check", "--fast", "--only", "nlb", "--output", str(where / name), *form)
                self.assertEqual((done.returncode, done.stdout), (code, ""))
                self.assertIn(said, done.stderr)
                self.assertEqual(self.sent(), before)
        done = self.site.reachctl("check", "--fast", "--only", "nlb", "--format", "csv", "--output", str(where / "report.pdf"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def sent(self):
        """SYNs and datagrams of the client."""
        text = self.site.lab.exec("client", ["cat", "/proc/net/snmp"], user=False).stdout.splitlines()
        numbers = {line.split(":")[0]: line.split() for line in text if line.split()[1].lstrip("-").isdigit()}
        return numbers["Tcp"][5], numbers["Udp"][4]

    def test_table_names_every_row_with_its_state(self):
        self.fault("drop", port="4200", address=PRIMARY)
        text = self.site.reachctl("check", "--fast").stdout
        self.assertIn("NOT READY", text)
        for name, one in rows(self.check()).items():
            word = {"pass": "PASS", "fail": "FAIL", "unproven": r"\?"}[one["state"]]
            self.assertRegex(text, rf"(?m)^  {word} +{name} ")
        self.assertIn(f"-> allow outbound tcp 4200 to {PRIMARY} in the site's firewall", " ".join(text.split()))


class Terminals(SystemTest):
    def table(self, *words, before=(), **keywords):
        return self.site.reachctl(*words, "check", "--fast", before=before, **keywords).stdout

    def test_pipe_gets_at_most_eighty_columns_and_no_escape_codes(self):
        self.fault("drop", port="2100-2199")
        self.fault("dns", server="1", mode="servfail")
        text = self.table()
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertNotIn("\x1b", text)

    def test_columns_of_the_environment_are_kept(self):
        for columns in (60, 120):
            widths = [len(line) for line in self.table(before=["env", f"COLUMNS={columns}"]).splitlines()]
            self.assertLessEqual(max(widths), columns)
            self.assertGreater(max(widths), columns - 30)

    def test_colour_on_demand_and_the_same_text_without_it(self):
        coloured = self.table("--color", "always")
        self.assertIn(ESCAPE, coloured)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
        without = self.table("--color", "never")
        self.assertEqual(*(text.partition("\nSent ")[0].splitlines()[1:] for text in (plain, without)))  # no times

    def on_terminal(self, *words, environment=()):
        """stdout and stderr on a terminal of 100 columns; what it saw of each."""
        outputs = []
        for which in ("stdout", "stderr"):
            controller, terminal = pty.openpty()
            subprocess.run(["stty", "cols", "100", "-F", os.ttyname(terminal)], check=True)
            self.site.reachctl(*words, before=["env", "TERM=xterm", *environment],
                               **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, which: terminal})
            os.close(terminal)
            seen = b""
            try:
                while chunk := os.read(controller, 65536):
                    seen += chunk
            except OSError:  # how a terminal without its other end says so
                pass
            os.close(controller)
            outputs.append(seen.decode())
        return outputs

    def test_terminal_gets_colours_and_a_progress_line_unless_it_asks_not_to(self):
        check = ("check", "--fast", "--only", "data")
        stdout, stderr = self.on_terminal(*check)
        self.assertIn(ESCAPE, stdout)
        self.assertRegex(stderr, r"\[[#.]+\] \d+ of \d+ steps")
        self.assertTrue(stderr.endswith("\r\x1b[K"), repr(stderr[-40:]))  # the line is taken away again
        for environment in (["NO_COLOR=1"], ["TERM=dumb"]):
            self.assertNotIn(ESCAPE, self.on_terminal(*check, environment=environment)[0])
        self.assertNotIn(ESCAPE, self.on_terminal("--color", "never", *check)[0])


class Interruption(SystemTest):
    def test_interrupted_check_prints_what_it_has_and_exits_unproven(self):
        """nlb is done within seconds; the ports of session take half a minute at this pace."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                config = self.site.config({"limits": {"new_flows_per_s": 10}})
                running = self.site.lab.popen(
                    "client", [self.site.program("reachctl"), *self.site.where(config), "check", "--format", "json",
                               "--only", "nlb", "--only", "session"],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                time.sleep(7)
                running.send_signal(number)
                stdout, stderr = running.communicate(timeout=10)
                self.assertEqual(running.returncode, 3)
                self.assertIn("stopped before the end", stderr)
                report = json.loads(stdout)
                self.assert_rows(report, nlb="pass", session="unproven")
                self.assertEqual(row(report, "session")["sentence"], "not run: the check was stopped first")
                self.assertNotIn("blocked", {one["verdict"] for one in row(report, "session")["endpoints"]})


class FaultyFiles(SystemTest):
    def refused(self, text, *expected):
        path = self.site.write("faulty.json", text)
        for words in (("check",), ("check", "--only", "nlb")):
            done = self.site.reachctl(*words, config=path)
            self.assertEqual((done.returncode, done.stdout), (EXIT_CONFIG, ""))
            for words_expected in expected:
                self.assertIn(words_expected.format(file=path), done.stderr)
        checked = self.site.lab.exec("client", [self.site.program("reachd"), *self.site.where(path), "--check-config"])
        self.assertEqual((checked.returncode, checked.stdout), (EXIT_CONFIG, ""))
        for words_expected in expected:
            self.assertIn(words_expected.format(file=path), checked.stderr)

    def test_every_fault_is_told_with_file_line_and_pointer(self):
        self.refused('{\n  "limits": {\n    "attempts": 0,\n    "atempts": 2\n  }\n}\n',
                     "{file}:3: /limits/attempts: ",
                     "{file}:4: /limits/atempts: unknown key 'atempts'; did you mean 'attempts'?")
        self.refused('{"catalogues": [\n "eschat-govclod"]}',
                     "{file}:2: /catalogues/0: ", "did you mean 'eschat-govcloud'?")
        self.refused('{"site": 5}', "{file}:1: /site: ")
        self.refused('{"site": "a",\n "site": "b"}', "{file}:2: ")
        self.refused('{"site": "a",\n', "{file}:")
        self.refused("", "{file}:")
        self.refused("[]", "{file}:")
        self.refused('{"vantages": [{"name": "a",\n "source": "10.0.0.256"}]}', "{file}:2: /vantages/0/source: ")

    def test_file_that_is_not_there_or_is_no_file_is_named(self):
        for path, words in ((self.site.directory / "none.json", "there is no such file"),
                            (self.site.directory, "it is not a regular file")):
            done = self.site.reachctl("check", config=path)
            self.assertEqual(done.returncode, EXIT_CONFIG)
            self.assertIn(f"{path}", done.stderr)
            self.assertIn(words, done.stderr)

    def test_fault_in_a_catalogue_is_told_with_its_own_file_and_line(self):
        path = self.site.write(
            "catalogues/broken.json",
            '{"id": "broken", "title": "B", "document": {"title": "D"},\n"requirements": [\n'
            '{"id": "x", "transport": "tcpp", "destinations": ["10.0.0.1"], "ports": 1}]}')
        done = self.site.reachctl("check", config=self.site.config({"catalogues": ["broken"], "values": {}}))
        self.assertEqual(done.returncode, EXIT_CONFIG)
        self.assertIn(f"{path}:3: /requirements/0/transport: ", done.stderr)

    def test_trust_store_that_is_not_there_is_said_and_nothing_is_checked(self):
        config = self.site.config({"tls": {"ca_file": "/nowhere.pem"}})
        done = self.site.reachctl("check", "--only", "maps", config=config)
        self.assertEqual(done.stdout, "")
        self.assertIn("/nowhere.pem", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def test_trust_store_that_is_not_there_is_a_fault_of_the_files(self):
        config = self.site.config({"tls": {"ca_file": "/nowhere.pem"}})
        self.assertEqual(self.site.reachctl("check", "--only", "maps", config=config).returncode, EXIT_CONFIG)

    def test_sound_files_are_counted(self):
        done = self.site.lab.exec("client", [self.site.program("reachd"), *self.site.where(self.site.config()),
                                             "--check-config"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "the files are sound: 16 requirements\n", ""))


class Usage(SystemTest):
    def test_wrong_usage_exits_64_with_a_word_why(self):
        for words in ([], ["chek"], ["check", "--onyl", "nlb"], ["check", "--format", "yaml"],
                      ["--color", "blue", "check"], ["endpoint", "tcp", "nowhere", "80"], ["endpoint"],
                      ["endpoint", "tcp", "10.0.0.1", "70000"],
                      ["check", "--only"], ["health", "--format", "table"]):
            done = self.site.reachctl(*words)
            self.assertEqual((done.returncode, done.stdout), (EXIT_USAGE, ""), (words, done.stderr))
            self.assertGreater(len(done.stderr), 10, words)
        done = self.site.lab.exec("client", [self.site.program("reachd"), "--frob"])
        self.assertEqual(done.returncode, EXIT_USAGE, done.stderr)

    def test_a_misspelt_command_is_named_with_the_nearest_one(self):
        for words, said in ((["chek"], "there is no command 'chek': did you mean 'check'?"),
                            (["--color", "never", "frobnicate", "--now"],
                             "there is no command 'frobnicate': reachctl --help lists them")):
            self.assertEqual(self.site.reachctl(*words).stderr, f"reachctl: {said}\n")
        self.assertIn("subcommand", self.site.reachctl().stderr)

    def test_help_and_version_are_everywhere_with_an_example(self):
        for words in ([], *([command] for command in COMMANDS)):
            done = self.site.reachctl(*words, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("Example: reachctl", done.stdout)
        for name in ("reachctl", "reachd"):
            done = self.site.lab.exec("client", [self.site.program(name), "--version"])
            self.assertRegex(done.stdout, r"\d+\.\d+")
            self.assertEqual(done.returncode, 0)


class Doctor(SystemTest):
    def findings(self, code, **keywords):
        done = self.site.reachctl("doctor", "--format", "json", **keywords)
        self.assertEqual(done.returncode, code, done.stdout)
        return [(one["state"], one["topic"], one["sentence"]) for one in json.loads(done.stdout)["findings"]]

    def test_good_machine_is_told_in_sentences(self):
        said = self.findings(0)
        self.assertNotIn("bad", [state for state, _, _ in said])
        sentences = " ".join(sentence for _, _, sentence in said)
        for words in ("and its 2 catalogues are sound.", "There is an IPv4 route", "There is an IPv6 route",
                      f"{GATEWAY} is a gateway", f"DNS server {DNS1} on ", f"DNS server {DNS2} on ",
                      "The trust store can be read.", "ICMP errors reach this user's UDP sockets",
                      "IP_RECVERR tells who", "IP_TTL finds the hop", "IP_MINTTL tells a server's RST",
                      "IPV6_MINHOPCOUNT tells a server's RST", "SO_BINDTODEVICE tells this machine's own",
                      "TCP_INFO tells the window"):
            self.assertIn(words, sentences)
        text = self.site.reachctl("doctor").stdout
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertRegex(text, r"(?m)^ok +route: There is an IPv4 route")

    def test_bad_states_are_told_and_exit_unproven(self):
        for fault, words in (
                ("no-route", ["There is no IPv4 route to the internet"]),
                ("no-link", ["There is no IPv4 route to the internet", f"DNS server {DNS1} on "]),
                ("no-address", ["There is no IPv4 route"])):
            with self.subTest(fault=fault):
                self.fault(fault)
                bad = " ".join(sentence for state, _, sentence in self.findings(3) if state == "bad")
                self.site.lab.clear()
                for sentence in words:
                    self.assertIn(sentence, bad)

    def test_dns_server_that_fails_is_bad_and_the_other_is_not(self):
        self.fault("dns", server="2", mode="servfail")
        said = {sentence: state for state, topic, sentence in self.findings(3) if topic == "dns"}
        self.assertEqual([state for sentence, state in said.items() if DNS1 in sentence], ["ok"])
        self.assertEqual([state for sentence, state in said.items() if DNS2 in sentence], ["bad"])

    def test_bad_files_vantages_and_trust_are_told(self):
        vantages = [{"name": "gone", "interface": "eth9"}, {"name": "there", "source": "10.77.2.2"}]
        config = self.site.config({"vantages": vantages, "tls": {"ca_file": "/nowhere.pem"}})
        said = self.findings(3, config=config)
        self.assertIn(("ok", "vantage", "Vantage there can be used."), said)
        bad = [(topic, sentence) for state, topic, sentence in said if state == "bad"]
        self.assertEqual(sorted(topic for topic, _ in bad), ["tls", "vantage"])
        self.assertIn("eth9", dict(bad)["vantage"])
        faulty = self.site.write("faulty.json", '{"sites": "x"}')
        self.assertIn(("bad", "files", f"{faulty}:1: /sites: unknown key 'sites'; did you mean 'site'?"),
                      self.findings(3, config=faulty))

    def test_few_descriptors_are_told(self):
        said = self.findings(0, before=["prlimit", "--nofile=40:40"])
        self.assertEqual([state for state, topic, _ in said if topic == "descriptors"], ["limited"])


if __name__ == "__main__":
    main("cli", short_range=True)
