# SPDX-License-Identifier: Apache-2.0
"""Metrics: promtool has nothing to say about them, a real Prometheus scrapes them and sees a fault, its alert fires, and
the rules and the dashboard name only what there is.

    sudo /usr/bin/python3 tests/system/metrics_test.py [-v]
"""
import contextlib
import json
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import TREE, SystemTest, main, wait_until  # noqa: E402
from http_test import OWN, SETTINGS  # noqa: E402
from web_lab import LISTEN, Web, metrics_in  # noqa: E402

MONITORING = TREE / "config" / "monitoring"
PROMETHEUS_PORT = 9090
IDLE = {"id": "tcp-idle", "idle": {"transport": "tcp", "hold_s": 720, "over": ["signaling"]}}
SITE_NAME = 'a "quoted" \\ site'


def promtool(*words, **keywords):
    return subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False, **keywords)


@unittest.skipUnless(shutil.which("promtool"), "prometheus is not installed")
class Metrics(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.site.write("catalogues/own.json", OWN | {"requirements": [*OWN["requirements"], IDLE]})
        config = cls.site.config(SETTINGS | {"site": SITE_NAME, "http": {"listen": LISTEN}})
        context = cls.site.daemon(config=config)
        cls.daemon = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        cls.daemon.await_row("signaling", "pass")
        cls.web = Web(cls.site)

    def setUp(self):
        self.daemon.await_row("signaling", "pass", patience=60)  # the fault of a test before may still be told

    def metrics(self):
        return self.web.get("/metrics").body.decode()

    def test_t15_promtool_has_nothing_to_say_of_them_whatever_the_site_is_called(self):
        done = promtool("check", "metrics", input=self.metrics())
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        bad = promtool("check", "metrics", input="# TYPE reachd_x_milliseconds counter\nreachd_x_milliseconds 1\n")
        self.assertNotEqual(bad.returncode, 0, "promtool finds nothing at all")

    def test_rules_fire_where_they_should_and_nowhere_else(self):
        done = promtool("test", "rules", str(TREE / "tests" / "monitoring" / "reachd.test.yml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        told = set(re.findall(r"- alert: (\w+)", (MONITORING / "reachd.rules.yml").read_text(encoding="utf-8")))
        tested = set(re.findall(r"alertname: (\w+)",
                                (TREE / "tests" / "monitoring" / "reachd.test.yml").read_text(encoding="utf-8")))
        self.assertEqual(told, tested)

    def test_rules_dashboard_and_documentation_name_what_there_is(self):
        known = set(re.findall(r"^# TYPE (\w+)", self.metrics(), re.M))
        histograms = set(re.findall(r"^# TYPE (\w+) histogram", self.metrics(), re.M))
        series = known | {name + end for name in histograms for end in ("_bucket", "_sum", "_count")}
        for file in ("reachd.rules.yml", "grafana-dashboard.json"):
            text = (MONITORING / file).read_text(encoding="utf-8")
            used = set(re.findall(r"\b(?:reachd|process)_[a-z_]+[a-z]\b", text))
            self.assertTrue(used, file)
            self.assertEqual(used - series, set(), file)
        documented = set(re.findall(r"`((?:reachd|process)_\w+)`", (TREE / "docs" / "MONITORING.md").read_text("utf-8")))
        self.assertEqual(documented & known, known, "not in docs/MONITORING.md")
        self.assertEqual(documented - series, set(), "in docs/MONITORING.md only")
        json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))

    def test_textfile_is_whole_and_readable_by_the_exporter(self):
        directory = self.site.fresh_directory("textfile")
        path = directory / "reachd.prom"
        for _ in range(2):
            done = self.daemon.reachctl("metrics", "--textfile", str(path))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o644)
            self.assertEqual([one.name for one in directory.iterdir()], ["reachd.prom"])
        self.assertEqual(promtool("check", "metrics", input=path.read_text(encoding="utf-8")).returncode, 0)
        self.assertEqual(metrics_in(self.daemon.reachctl("metrics").stdout)['reachd_site_state{state="not_ready"}'], 0)
        done = self.daemon.reachctl("metrics", "--textfile", "/nowhere/reachd.prom")
        self.assertEqual(done.returncode, 73)
        self.assertIn("cannot write /nowhere/reachd.prom: No such file or directory", done.stderr)

    def test_prometheus_scrapes_them_sees_a_fault_and_alerts(self):
        rules = (MONITORING / "reachd.rules.yml").read_text(encoding="utf-8").replace("for: 3m", "for: 1s")
        self.site.write("rules.yml", rules)
        config = self.site.write("prometheus.yml", {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "reachd", "static_configs": [{"targets": [LISTEN]}]}]})
        data = self.site.fresh_directory("prometheus")
        log = open(data / "log", "w", encoding="utf-8")
        self.addCleanup(log.close)
        process = self.site.lab.popen(
            "client", ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data / 'tsdb'}",
                       f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        state = 'reachd_requirement_state{requirement="signaling",state="fail"}'
        patience = 60
        wait_until(lambda: self.query('up{job="reachd"}') == [1], "the target to be up", patience,
                   lambda: (data / "log").read_text(encoding="utf-8")[-2000:])
        wait_until(lambda: self.query(state) == [0], "the row's state in Prometheus", patience)
        self.assertEqual(self.query("reachd_site_info", "site"), [SITE_NAME])
        self.fault("reject", port="4200", proto="tcp")
        wait_until(lambda: self.query(state) == [1], "the fault in Prometheus", patience)
        alert = 'ALERTS{alertname="ReachdRequirementFails",alertstate="firing",requirement="signaling"}'
        wait_until(lambda: self.query(alert) == [1], "the alert", patience)

    def query(self, expression, label=None):
        """The values of an instant query, or those of one label; nothing while Prometheus does not answer."""
        prometheus = Web(self.site, PROMETHEUS_PORT)
        with contextlib.suppress(ConnectionError, ValueError):
            answer = prometheus.get("/api/v1/query?query=" + urllib.parse.quote(expression))
            body = answer.body
            if answer.headers.get("transfer-encoding") == "chunked":
                body = b"".join(body.split(b"\r\n")[1::2])
            found = json.loads(body)["data"]["result"]
            return [one["metric"][label] if label else float(one["value"][1]) for one in found]
        return None


if __name__ == "__main__":
    main("metrics")
