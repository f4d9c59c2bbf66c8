# SPDX-License-Identifier: Apache-2.0
"""Monitoring systems ask the daemon with the files of config/monitoring, as they would at a site: a real Icinga 2, the
Zabbix agent, collectd, and Checkmk's local check; a fault is switched on and seen by each.

    sudo python3 -B tests/system/pollers_test.py [-v]
"""
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import PRIMARY, TREE, SystemTest, main, wait_until  # noqa: E402

FILES = TREE / "config" / "monitoring"
ROW = {"id": "signaling", "transport": "tcp", "destinations": [PRIMARY], "ports": 4200, "expect": "service"}
OWN = {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "Support", "requirements": [ROW]}
BUDGET_S = 0.05
ICINGA = """
include <itl>
include "{directory}/reachd.conf"
object CheckerComponent "checker" {{ }}
object PerfdataWriter "seen" {{
  host_perfdata_path = "{directory}/hosts"
  host_temp_path = "{directory}/hosts.tmp"
  service_perfdata_path = "{directory}/services"
  service_temp_path = "{directory}/services.tmp"
  rotation_interval = 1s
  service_format_template = "$service.state$ $service.output$ perfdata: $service.perfdata$"
}}
object Host "site" {{ check_command = "dummy" }}
object Service "reachd" {{
  host_name = "site"
  check_command = "reachd"
  vars.reachd_runtime_dir = "{runtime}"
  check_interval = 1s
  retry_interval = 1s
}}
"""


class Pollers(SystemTest):
    def setUp(self):
        self.site.write("catalogues/own.json", OWN)
        config = self.site.config({"schedule": {"interval_s": 1}, "catalogues": ["own"], "values": {}})
        context = self.site.daemon(config=config)
        self.daemon = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.daemon.await_row("signaling", "pass")
        self.place = self.site.fresh_directory("poller")
        self.runtime = self.site.directory / "run"

    def adapted(self, name, option=True):
        """A file of config/monitoring with the program of this build and the sockets of this daemon in it."""
        text = (FILES / name).read_text(encoding="utf-8")
        self.assertIn("/usr/bin/reachctl", text)
        where = f" --runtime-dir {self.runtime}" if option else ""
        path = self.place / name
        path.write_text(re.sub("/usr/bin/reachctl(?= |$)", self.site.program("reachctl") + where, text).replace(
            "/usr/bin/reachctl", self.site.program("reachctl")), encoding="utf-8")
        shutil.copymode(FILES / name, path)
        return path

    def drop(self):
        self.fault("drop", proto="tcp", port="4200")
        self.daemon.await_row("signaling", "fail", patience=60)

    def run_there(self, *argv):
        return self.site.lab.exec("client", [str(word) for word in argv], timeout=60)

    def health(self, form):
        return self.daemon.reachctl("health", "--format", form)

    def test_icinga_2_runs_the_check_command_and_sees_the_fault_and_its_performance_data(self):
        text = (FILES / "icinga2.conf").read_text(encoding="utf-8")
        (self.place / "reachd.conf").write_text(text.replace("/usr/bin/reachctl", self.site.program("reachctl")))
        (self.place / "icinga2.conf").write_text(ICINGA.format(directory=self.place, runtime=self.runtime))
        argv = ["icinga2", "daemon", "-c", self.place / "icinga2.conf", "-DRunAsUser=nobody", "-DRunAsGroup=nogroup"]
        for name in ("DataDir", "LogDir", "CacheDir", "InitRunDir", "SpoolDir"):
            argv.append(f"-D{name}={self.site.fresh_directory('poller/' + name)}")
        argv = [str(word) for word in argv]
        checked = self.run_there(*argv, "-C")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        with open(self.place / "log", "w", encoding="utf-8") as log:
            icinga = self.site.lab.popen("client", argv, stdout=log, stderr=log)
        try:
            self.await_icinga(r"(?m)^OK REACHD OK - .* perfdata: .*'?pass'?=1")
            self.drop()
            self.await_icinga(r"(?m)^CRITICAL REACHD CRITICAL - .* perfdata: .*'?fail'?=1")
            self.daemon.end()
            self.await_icinga(r"(?m)^CRITICAL REACHD CRITICAL - .*(daemon|reachd)")
        finally:
            icinga.terminate()
            icinga.wait(20)

    def await_icinga(self, wanted):
        def seen():
            return "".join(path.read_text() for path in sorted(self.place.glob("services*")))
        wait_until(lambda: re.search(wanted, seen()), wanted, 60,
                   lambda: seen()[-600:] + (self.place / "log").read_text()[-1500:])

    def test_zabbix_agent_has_both_items(self):
        path = self.adapted("zabbix-agent.conf")
        main_file = self.place / "agentd.conf"
        main_file.write_text(f"Server=127.0.0.1\nLogType=console\nAllowRoot=1\nInclude={path}\n")

        def item(key):
            done = self.run_there("zabbix_agentd", "-c", main_file, "-t", key)
            return re.search(r"\[t\|(.*)\]\s*$", done.stdout, re.S).group(1)
        self.assertIn('"state": "ready"', item("reachd.health"))
        self.assertEqual(item("reachd.state"), "0")
        self.drop()
        self.assertEqual(item("reachd.state"), "2")

    def test_collectd_reads_the_numbers(self):
        path = self.adapted("collectd.conf", option=False)
        path.write_text(path.read_text().replace('"health"', f'"--runtime-dir" "{self.runtime}" "health"'))
        main_file = self.place / "main.conf"
        main_file.write_text(
            f'Hostname "site"\nFQDNLookup false\nInterval 1\nBaseDir "{self.place}"\nPIDFile "{self.place}/pid"\n'
            f'TypesDB "/usr/share/collectd/types.db"\nInclude "{path}"\nLoadPlugin csv\n'
            f'<Plugin csv>\n  DataDir "{self.place}/csv"\n</Plugin>\n')
        collectd = self.site.lab.popen("client", ["collectd", "-f", "-C", str(main_file)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        try:
            self.await_collectd("state", "0")
            self.drop()
            self.await_collectd("state", "2")
            self.await_collectd("fail", "1")
        finally:
            collectd.terminate()
            collectd.wait(20)

    def await_collectd(self, name, value):
        def seen():
            files = list((self.place / "csv" / "site" / "reachd").glob(f"gauge-{name}-*"))
            return files[0].read_text().splitlines()[-1] if files else ""
        wait_until(lambda: re.search(rf",{value}(\.0+)?$", seen()), f"{name} {value}", 30, seen)

    def test_checkmk_gets_a_service_for_the_site_and_one_for_each_row(self):
        script = self.adapted("checkmk-local")
        lines = self.run_there(script).stdout.splitlines()
        self.assertEqual([line.split(" ")[0] for line in lines], ["0", "0"], lines)
        self.assertRegex(lines[0], r'^0 "reachd" pass=1\|fail=0\|unproven=0\|not_configured=0\|age=\d+ [^:]+: ')
        self.drop()
        lines = self.run_there(script).stdout.splitlines()
        self.assertRegex(lines[1], r'^2 "reachd own signaling" failing=1;;;0;1 fail: ')
        self.daemon.end()
        self.assertRegex(self.run_there(script).stdout, r'^2 "reachd" - .')

    def test_answer_comes_from_what_is_known_within_the_budget_of_a_poller(self):
        took = []
        for _ in range(21):
            with self.daemon.connect() as client:
                begun = time.monotonic()
                client.ask("health")
                took.append(time.monotonic() - begun)
        self.assertLess(statistics.median(took), BUDGET_S)

    def test_telegraf_and_nagios_files_name_the_command_that_was_tried_here(self):
        for name in ("telegraf.conf", "nagios.cfg"):
            text = (FILES / name).read_text(encoding="utf-8")
            words = re.search(r"/usr/bin/reachctl ([a-z -]+)", text).group(1).split()
            self.assertEqual(self.daemon.reachctl(*words).returncode, 0, name)
            self.assertTrue(self.daemon.reachctl(*words).stdout.startswith("REACHD OK - "), name)


if __name__ == "__main__":
    for tool in ("icinga2", "zabbix_agentd", "collectd"):
        if not shutil.which(tool) and os.geteuid() == 0:
            print(f"pollers_test: {tool} is not installed; skipped", file=sys.stderr)
            sys.exit(77)
    main("pollers")
