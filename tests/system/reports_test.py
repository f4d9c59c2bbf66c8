# SPDX-License-Identifier: Apache-2.0
"""Reports: every form of them is what its readers read, holds no secret and loads nothing; what changed since an older
one; the evidence of a row; the schema.

    sudo /usr/bin/python3 tests/system/reports_test.py [-v]
"""
import base64
import contextlib
import csv
import html.parser
import io
import json
import os
import pathlib
import re
import socket
import sys
import tarfile
import threading
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import EXIT_CONFIG, EXIT_USAGE, SystemTest, main, row, wait_until  # noqa: E402
from report_schema import of_report  # noqa: E402

SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode("ascii")
ROWS = ("nlb", "maps", "session", "signaling", "tcp-idle", "inbound-api", "upload")
ONLY = [word for name in ROWS for word in ("--only", name)]
FAILING, PASSING = "nlb", "maps"
VOID = {"meta", "link", "br", "hr", "img", "input"}
LOADS = {"src", "srcset", "data", "poster", "action", "formaction", "background", "style", "ping"}


class Page(html.parser.HTMLParser):
    """What a page is made of; tags that are not balanced are noted."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.faults, self.ids, self.tags, self.reaches, self.text = [], [], [], set(), [], ""
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> has no end" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in LOADS or name.startswith("on") or (name in ("href", "xlink:href") and not value.startswith("#")):
                self.reaches.append((tag, name, value))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")
        else:
            self.open.pop()

    def handle_data(self, data):
        self.text += data


class Reports(SystemTest):
    """One check with faults and one without, as JSON files; every test reads them or what is made of them."""

    @classmethod
    def setUpClass(cls):
        site = cls.site
        keys = site.write("reflector.keys", f"lab:{SECRET}\n")
        cls.config = site.config({
            "reflectors": [{"host": "203.0.113.6", "port": 3478, "secret_file": str(keys)}],
            "inbound": {"helpdesk-buttons/inbound-api": {"service": "10.77.1.2:8443"}}}, name="reports.json")
        cls.out = site.fresh_directory("out")
        cls.good = cls.out / "good.json"
        done = site.reachctl("check", "--fast", *ONLY, "--output", str(cls.good), config=cls.config)
        assert (done.returncode, done.stdout, done.stderr) == (3, "", ""), done
        cls.fault_on(site)
        cls.bad = cls.out / "bad.json"
        try:
            done = site.reachctl("check", "--fast", *ONLY, "--output", str(cls.bad), config=cls.config)
        finally:
            site.lab.clear()
        assert (done.returncode, done.stdout, done.stderr) == (2, "", ""), done
        cls.report = json.loads(cls.bad.read_text(encoding="utf-8"))
        cls.schema = of_report()

    @staticmethod
    def fault_on(site):
        site.lab.fault("drop", port="443", address="15.200.134.197", at="isp")
        site.lab.fault("reject", port="2010-2019", code="admin-prohibited")
        site.lab.fault("wrong-cert", name="apc-button.s3.amazonaws.com")

    def ctl(self, *words, **keywords):
        return self.site.reachctl(*words, config=self.config, **keywords)

    @contextlib.contextmanager
    def faulty_daemon(self):
        self.addCleanup(self.site.lab.clear)
        self.fault_on(self.site)
        with self.site.daemon(config=self.config) as daemon:
            daemon.await_row(FAILING, "fail", 60)
            daemon.await_row(PASSING, "pass", 60)
            yield daemon

    def test_the_schema_holds_for_checks_with_and_without_faults(self):
        for path in (self.good, self.bad):
            self.schema.validate(json.loads(path.read_text(encoding="utf-8")))

    def test_the_schema_refuses_what_is_not_in_it(self):
        for change in (lambda d: d.update(schema=2), lambda d: d.update(more=1), lambda d: d.pop("path"),
                       lambda d: row(d, FAILING).update(state="open"),
                       lambda d: row(d, FAILING)["runs"][0].update(blame="nobody"),
                       lambda d: row(d, FAILING)["endpoints"][0]["evidence"][0].update(outcome="fine")):
            changed = json.loads(json.dumps(self.report))
            change(changed)
            self.assertFalse(self.schema.is_valid(changed))

    def test_every_form_of_a_daemons_report_is_what_its_readers_read(self):
        with self.faulty_daemon() as daemon:
            def written(name, *words):
                path = self.out / name
                done = daemon.reachctl("report", "--output", str(path), *words, config=self.config)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (2, "", ""), done)
                return path.read_text(encoding="utf-8")

            def all_forms():
                """Written one after the other; the daemon may have measured meanwhile: then nothing is compared."""
                before = json.loads(written("r.json"))
                texts = {name: written(f"r.{name}") for name in ("html", "xml", "csv", "md", "jsonl")}
                after = daemon.ask("report")
                told = [[(one["id"], one["sentence"], one["runs"]) for _, one in self.all_rows(each)] for each in (before, after)]
                return (before, texts) if told[0] == told[1] else None
            found = [None]
            wait_until(lambda: found.append(all_forms()) or found[-1], "a quiet moment", 60)
            report, texts = found[-1]
            self.schema.validate(report)
            self.check_html(texts["html"], report)
            self.check_junit(texts["xml"], report)
            self.check_csv(texts["csv"], report)
            self.check_markdown(texts["md"], report)
            lines = [json.loads(line) for line in texts["jsonl"].splitlines()]
            self.assertEqual({one["id"] for one in lines}, {one["id"] for _, one in self.all_rows(report)})
            self.assertIn("NOT READY", written("r.txt"))
            self.assertIn("<testsuites", written("r.odd", "--format", "junit"))  # what is said wins over the extension
            explained = daemon.reachctl("explain", FAILING, config=self.config)
            self.assertEqual((explained.returncode, explained.stderr), (0, ""))
            self.check_explanation(explained.stdout)
            unknown = daemon.reachctl("explain", "nothing", config=self.config)
            self.assertEqual((unknown.returncode, unknown.stdout), (3, ""))
            for part in (daemon.ask("report", {"requirement": FAILING}), daemon.ask("report", {"catalogue": "helpdesk-buttons"}),
                         daemon.ask("probe", {"requirement": PASSING}, "control")):
                self.schema.validate(part)
            for path in self.out.glob("r.*"):
                self.assertNotIn(SECRET, path.read_text(encoding="utf-8"), path)
            whole = daemon.reachctl("report", "--format", "html", "--requirement", FAILING, config=self.config)
            self.assertEqual(Page(whole.stdout).ids.count("row-eschat-govcloud-nlb"), 1)
            changes = daemon.reachctl("report", "--baseline", str(self.good), config=self.config)
            self.assertRegex(changes.stdout, r"\nnew +eschat-govcloud/nlb: PASS -> FAIL")

    @staticmethod
    def all_rows(report):
        return [(one["id"], found) for one in report["catalogues"] for found in one["requirements"]]

    def check_html(self, text, report):
        page = Page(text)
        self.assertEqual((page.faults, page.reaches), ([], []))
        self.assertFalse({"script", "link", "img", "iframe", "object", "base", "form"} & page.tags)
        self.assertNotRegex(text, r"url\(|@import|https?://")
        self.assertEqual(len(page.ids), len(set(page.ids)))
        for catalogue, one in self.all_rows(report):
            self.assertIn(f"row-{catalogue}-{one['id']}", page.ids)
            self.assertIn(one["sentence"], page.text)
        self.assertLess(text.index('id="row-eschat-govcloud-nlb"'), text.index('id="row-eschat-govcloud-maps"'))
        self.assertIn("NOT READY", page.text)
        self.assertIn("the internet provider", page.text)
        self.assertIn('class="cross"', text)

    def check_junit(self, text, report):
        root = xml.etree.ElementTree.fromstring(text)
        cases = {(one.get("classname"), one.get("name")): one for one in root.iter("testcase")}
        self.assertEqual(set(cases), {(catalogue, one["id"]) for catalogue, one in self.all_rows(report)})
        for catalogue, one in self.all_rows(report):
            case = cases[catalogue, one["id"]]
            inner = {"pass": None, "fail": "failure"}.get(one["state"], "skipped")
            self.assertEqual([found for found in ("failure", "skipped") if case.find(found) is not None],
                             [inner] if inner else [])
        self.assertEqual(int(root.get("failures")), len(list(root.iter("failure"))))
        self.assertEqual(int(root.get("tests")), len(cases))
        self.assertIn("dropped between hop 2", cases["eschat-govcloud", FAILING].find("failure").get("message"))

    def check_csv(self, text, report):
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
        self.assertEqual(len(lines), sum(max(1, len(one["runs"])) for _, one in self.all_rows(report)))
        failing = [one for one in lines if one["requirement"] == FAILING and one["result"] == "fail"]
        self.assertEqual([(one["destination"], one["ports"], one["verdict"], one["blame"]) for one in failing],
                         [("15.200.134.197", "443", "blocked", "isp")])
        for one in lines:
            self.assertEqual(None not in one and None not in one.values(), True, one)

    def check_markdown(self, text, report):
        table = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual(len(table), 2 + len(self.all_rows(report)))
        for line in table:
            self.assertEqual(len(re.split(r"(?<!\\)\|", line)), 6, line)
        self.assertTrue(table[2].startswith("| FAIL |"))
        self.assertIn(r"### FAIL: eschat-govcloud/nlb", text)

    def check_explanation(self, text):
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        text, at = " ".join(text.split()), 0
        for part in ("eschat-govcloud/nlb: FAIL", "What is asked for", "tcp 443 to 15.200.134.197: blocked",
                     "no reply in 500 ms", "The way: hop 1: 10.77.1.1; hop 2: 100.64.0.1", "That proves: blocked",
                     "What that comes to", "What to do: ask the provider", "Whom to ask: the internet provider"):
            self.assertIn(part, text[at:])
            at = text.index(part, at)

    def test_explain_reads_a_report_from_a_file_and_sends_nothing(self):
        done = self.ctl("explain", FAILING, "--report", str(self.bad))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.check_explanation(done.stdout)
        for name in ("tcp-idle", "inbound-api", "session"):
            self.assertIn(f"/{name}: ", self.ctl("explain", name, "--report", str(self.bad)).stdout)
        missing = self.ctl("explain", "nothing", "--report", str(self.bad))
        self.assertEqual((missing.returncode, missing.stdout), (EXIT_USAGE, ""))
        self.assertIn('no requirement "nothing"', missing.stderr)

    def test_diff_tells_new_failures_and_mended_rows(self):
        worse = self.ctl("diff", str(self.good), str(self.bad))
        self.assertEqual(worse.returncode, 2)
        self.assertIn("3 new, 0 fixed, 0 changed, 4 unchanged", worse.stdout)
        self.assertIn("new: tcp 443 to 15.200.134.197: open -> blocked, isp", " ".join(worse.stdout.split()))
        for ports in ("2010", "2011-2019"):  # the first was open, the others were closed
            self.assertIn(f"new: tcp {ports} to connect.helpdeskbuttons.com: ", " ".join(worse.stdout.split()))
        better = self.ctl("diff", "--format", "json", str(self.bad), str(self.good))
        self.assertEqual(better.returncode, 0)
        told = json.loads(better.stdout)
        self.assertEqual((told["counts"]["new"], told["counts"]["fixed"]), (0, 3))
        self.assertEqual({one["requirement"] for one in told["requirements"] if one["change"] == "fixed"},
                         {"nlb", "session", "upload"})
        same = self.ctl("diff", str(self.bad), str(self.bad))
        self.assertEqual(same.returncode, 0)
        self.assertIn("0 new, 0 fixed, 0 changed, 7 unchanged", same.stdout)

    def test_check_with_a_baseline_tells_what_changed_and_exits_as_ever(self):
        words = ("check", "--fast", "--only", FAILING, "--baseline", str(self.bad))
        table = self.ctl(*words)
        self.assertEqual(table.returncode, 0)
        self.assertIn(f"Changes since {self.bad}:", table.stdout)
        self.assertIn("fixed     eschat-govcloud/nlb: FAIL -> PASS", table.stdout)
        self.assertLess(table.stdout.index("READY"), table.stdout.index("Changes since"))
        piped = self.ctl(*words, "--format", "json")
        self.schema.validate(json.loads(piped.stdout))  # stdout is the report and nothing else
        self.assertIn("fixed     eschat-govcloud/nlb: FAIL -> PASS", piped.stderr)

    def test_files_that_are_no_reports_are_refused_with_the_reason_before_anything_is_sent(self):
        for content, words in (("[]", "it is no site report"), ('{"schema": 1}', 'has no member "site"'), ("{", ":1: "),
                               (json.dumps(self.report | {"schema": 9}), "another schema")):
            path = self.site.write("wrong.json", content)
            for command in (("diff", str(path), str(self.bad)), ("diff", str(self.bad), str(path)),
                            ("explain", FAILING, "--report", str(path)), ("check", "--baseline", str(path))):
                done = self.ctl(*command)
                self.assertEqual((done.returncode, done.stdout), (EXIT_CONFIG, ""), command)
                self.assertIn(words, done.stderr)
        self.assertIn("No such file", self.ctl("diff", "/nowhere.json", str(self.bad)).stderr)

    def test_an_output_is_replaced_as_a_whole_or_left_as_it_was(self):
        place = self.site.fresh_directory("whole")
        path = place / "r.html"
        path.write_text("old", encoding="utf-8")
        path.chmod(0o666)
        words = ("check", "--fast", "--only", "signaling", "--output")
        self.assertEqual(self.ctl(*words, str(path)).returncode, 0)
        self.assertEqual(Page(path.read_text(encoding="utf-8")).faults, [])
        self.assertEqual([one.name for one in place.iterdir()], ["r.html"])  # nothing beside it
        place.chmod(0o555)
        denied = self.ctl(*words, str(path))
        self.assertEqual((denied.returncode, denied.stdout), (3, ""))
        self.assertIn("cannot write", denied.stderr)
        self.assertEqual(Page(path.read_text(encoding="utf-8")).faults, [])
        device = self.ctl(*words, "/dev/null")  # is written to, and not replaced
        self.assertEqual((device.returncode, device.stderr, pathlib.Path("/dev/null").is_char_device()), (0, "", True))

    def test_t14_hostile_names_of_the_outside_are_shown_and_not_obeyed(self):
        hostile = "<script>alert(1)</script> | =1+1 \x1b[2J"
        report = json.loads(json.dumps(self.report))
        row(report, FAILING)["sentence"] = row(report, FAILING)["endpoints"][0]["sentence"] = hostile
        path = self.site.write("hostile.json", json.dumps(report))
        text = self.ctl("explain", FAILING, "--report", str(path)).stdout
        self.assertNotIn("\x1b", text)
        self.assertIn("\\u{1b}[2J", text)

    def test_t14_what_a_socket_answers_is_shown_and_not_obeyed(self):
        """A socket that --socket names may be anybody's."""
        path = self.out / "hostile.sock"
        errors = {"code": -32000, "message": "ok - fine\n0 \"injected\" - all is well | x=1 \x1b]0;owned\x07\x1b[2J\u202e",
                  "data": {"reason": "busy", "hint": "\x1b[2Jhint"}}
        answers = [{"error": errors}, {"result": {"state": "ready", "stale": "x", "self": [7]}},
                   {"result": {"catalogues": [7], "counts": {"pass": 1e300}}}, {"result": [1e308]}, {"result": None}]
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen(16)
        present = []

        def serve():
            with contextlib.suppress(OSError, ValueError):
                while True:
                    with listener.accept()[0] as channel, channel.makefile("rwb") as stream:
                        request = json.loads(stream.readline())
                        stream.write(json.dumps({"jsonrpc": "2.0", "id": request.get("id"), **present[0]}).encode() + b"\n")
                        stream.flush()
        threading.Thread(target=serve, daemon=True).start()
        for answer in answers:
            present[:] = [answer]
            for words in (["status"], ["report"], ["health"], ["health", "--format", "nagios"], ["health", "--format", "checkmk"],
                          ["catalogues"], ["history"], ["probe"], ["reload"], ["metrics"]):
                with self.subTest(answer=answer, words=words):
                    done = self.site.reachctl("--socket", str(path), *words)
                    said = done.stdout + done.stderr
                    self.assertGreaterEqual(done.returncode, 0, done)  # no signal ended it
                    for unwanted in ("\x1b", "\x07", "\u202e"):
                        self.assertNotIn(unwanted, said)
                    self.assertNotRegex(said, '(?m)^0 "injected"')

    def test_t13_support_bundle_lists_what_it_holds_and_holds_no_secret(self):
        path = self.out / "support.tar.gz"
        log = self.site.write("reachd.log", "".join(f"line {number} 10.77.1.2\n" for number in range(3000)))
        config = json.loads(pathlib.Path(self.config).read_text(encoding="utf-8"))
        commented = self.site.write("bundle.json", f"// {SECRET}\n" + json.dumps(config))
        done = self.site.reachctl("support-bundle", "--output", str(path), "--log", str(log), config=commented)
        self.assertEqual(done.returncode, 0, done)
        with tarfile.open(path, "r:gz") as archive:
            held = {one.name: archive.extractfile(one).read().decode("utf-8") for one in archive.getmembers()}
        listed = [line.split()[0] for line in done.stdout.splitlines()]
        self.assertEqual([f"reachd-support/{name}" for name in listed], list(held))
        self.assertLessEqual({"about.txt", "configuration.json", "doctor.json", "machine.txt", "log.txt"}, set(listed))
        for name, content in held.items():
            self.assertNotIn(SECRET, content, name)
            if not name.endswith("/doctor.json"):  # which names the file that it could not read, and nothing of it
                self.assertNotIn("reflector.keys", content.replace(str(log), ""), name)
        told = json.loads(held["reachd-support/configuration.json"])
        self.assertEqual(told["reflectors"][0]["secret_file"], "(left out)")
        self.assertEqual(told["site"], config["site"])
        self.assertEqual(len(held["reachd-support/log.txt"].splitlines()), 2000)
        self.assertIn("line 2999 10.77.1.2", held["reachd-support/log.txt"])
        self.assertIn("reachd", held["reachd-support/report.txt"])  # why there is no report

    def test_support_bundle_without_output_only_lists_and_masks_addresses_where_it_is_asked_to(self):
        before = set(self.out.iterdir())
        done = self.ctl("support-bundle")
        self.assertEqual((done.returncode, set(self.out.iterdir())), (0, before))
        self.assertIn("configuration.json", done.stdout)
        path = self.out / "masked.tar.gz"
        with self.site.daemon(config=self.config) as daemon:
            done = daemon.reachctl("support-bundle", "--redact-addresses", "--output", str(path), config=self.config)
        self.assertEqual(done.returncode, 0, done)
        with tarfile.open(path, "r:gz") as archive:
            held = {one.name.split("/")[1]: archive.extractfile(one).read().decode("utf-8") for one in archive.getmembers()}
        self.assertLessEqual({"report.json", "health.json", "version.json", "catalogues.json"}, set(held))
        for name, content in held.items():
            self.assertNotRegex(content, r"\b10\.77\.|fd77:|\b100\.64\.", name)
        self.assertIn("54.215.171.160", held["report.json"])


class Completions(SystemTest):
    """The scripts are read by the shells that they are for."""

    COMPLETE = """
source {script}
COMP_WORDS=({words}); COMP_CWORD={at}
compopt() {{ echo FILES; }}
_reachctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

    def script(self, shell):
        done = self.site.reachctl("completions", shell)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return self.site.write(f"completions.{shell}", done.stdout)

    def run_shell(self, *argv):
        path = f"{pathlib.Path(self.site.program('reachctl')).parent}:{os.environ['PATH']}"
        files = [f"REACHD_CONFIG={self.site.config(name='shell.json')}", f"REACHD_CATALOGUE_DIR={self.site.directory}/catalogues"]
        done = self.site.lab.exec("client", ["env", f"PATH={path}", *files, *argv], timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def complete(self, script, *words):
        quoted = " ".join(f"'{word}'" for word in words)
        text = self.COMPLETE.format(script=script, words=quoted, at=len(words) - 1)
        return set(self.run_shell("bash", "--norc", "-c", text).split())

    def test_bash_completes_commands_options_values_and_files(self):
        script = self.script("bash")
        self.run_shell("bash", "-n", str(script))
        commands = self.complete(script, "reachctl", "")
        self.assertLessEqual({"check", "report", "diff", "explain", "completions", "rules", "idle", "status"}, commands)
        self.assertEqual(self.complete(script, "reachctl", "ch"), {"check"})
        self.assertLessEqual({"--baseline", "--format", "--output", "--config"}, self.complete(script, "reachctl", "check", "--"))
        self.assertNotIn("--baseline", self.complete(script, "reachctl", "status", "--"))
        self.assertEqual(self.complete(script, "reachctl", "check", "--format", "j"), {"json", "jsonl", "junit"})
        self.assertEqual(self.complete(script, "reachctl", "--color", ""), {"auto", "always", "never"})
        self.assertEqual(self.complete(script, "reachctl", "--config", "x", "health", "--format", "n"), {"nagios"})
        self.assertEqual(self.complete(script, "reachctl", "completions", ""), {"bash", "zsh", "fish", "rows", "catalogues"})
        self.assertEqual(self.complete(script, "reachctl", "explain", "inbound"), {"inbound-api"})
        self.assertEqual(self.complete(script, "reachctl", "check", "--only", "sig"), {"signaling", "signaling-dr"})
        self.assertEqual(self.complete(script, "reachctl", "report", "--catalogue", ""), {"eschat-govcloud", "helpdesk-buttons"})
        self.assertEqual(self.complete(script, "reachctl", "diff", "x"), {"FILES"})
        self.assertEqual(self.complete(script, "reachctl", "check", "--output", "x"), {"FILES"})

    def test_zsh_reads_its_script(self):
        script = self.script("zsh")
        self.run_shell("zsh", "-f", "-n", str(script))
        self.assertEqual(self.run_shell("zsh", "-f", "-c", f"autoload -U compinit; compinit -D -u; source {script}; "
                                        "print $_comps[reachctl]"), "_reachctl\n")
        asks = [line for line in script.read_text(encoding="utf-8").splitlines() if "completions rows" in line]
        self.assertTrue(asks)
        words = re.search(r"compadd -- (\$\{.*\})\}", asks[0]).group(1)
        self.assertIn("signaling\n", self.run_shell("zsh", "-f", "-c", f"print -l -- {words}"))

    def test_fish_completes_commands_options_and_values(self):
        script = self.script("fish")
        self.run_shell("fish", "--no-execute", str(script))

        def complete(line):
            out = self.run_shell("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'")
            return {one.split("\t")[0] for one in out.splitlines()}
        self.assertLessEqual({"check", "report", "explain"}, complete("reachctl "))
        self.assertLessEqual({"--baseline", "--format"}, complete("reachctl check --"))
        self.assertEqual(complete("reachctl check --format j"), {"json", "jsonl", "junit"})
        self.assertEqual(complete("reachctl explain inbound"), {"inbound-api"})
        self.assertEqual(complete("reachctl check --only sig"), {"signaling", "signaling-dr"})

    def test_a_shell_that_is_not_known_is_wrong_usage(self):
        self.assertEqual(self.site.reachctl("completions", "csh").returncode, EXIT_USAGE)


if __name__ == "__main__":
    main("reports", short_range=True)
