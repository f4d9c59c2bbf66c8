# SPDX-License-Identifier: Apache-2.0
"""The packages on a booted systemd, inside the lab: installed, run, broken, upgraded and purged, in that order.

The container is this machine's own system under an overlay (tests/support/machine.py) with the network of the lab's client:
the vendors' addresses exist in it, and nothing outside does. Packages: REACHD_PACKAGES, made by scripts/packages.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from lab import Lab  # noqa: E402
from lab.topology import CLIENT_FILES, ROUTERS  # noqa: E402
from lab_site import GATEWAY, LIMITS, Client, row, wait_until  # noqa: E402
from machine import Machine, NotBooted, why_not  # noqa: E402

TREE = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = pathlib.Path(os.environ.get("REACHD_PACKAGES", TREE / "build" / "packages"))
NAMES = ("reachctl", "reachd", "reachd-reflector", "reachd-monitoring")
INSIDE = "/srv/packages"
CONFIG = "/etc/reachd/reachd.json"
TEXTFILES = "/var/lib/prometheus/node-exporter"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
STOP_S = 5.0


def package(name, directory=PACKAGES):
    """The file of a package; AssertionError unless there is exactly one."""
    found = list(directory.glob(f"{name}_*.deb"))
    assert len(found) == 1, f"{name} in {directory}: {found}: run scripts/packages"
    return found[0]


def next_version(directory):
    """The packages once more, as version 0.1.0+next, with another default configuration; their directory."""
    for name in NAMES:
        tree = directory / name
        subprocess.run(["dpkg-deb", "-R", package(name), tree], check=True)
        control = tree / "DEBIAN" / "control"
        text = control.read_text(encoding="utf-8")
        version = re.search(r"^Version: (.*)$", text, re.MULTILINE)[1]
        control.write_text(text.replace(version, f"{version}+next"), encoding="utf-8")
        if name == "reachctl":
            config = tree / "etc/reachd/reachd.json"
            config.write_text(config.read_text(encoding="utf-8") + "// next\n", encoding="utf-8")
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, directory / f"{name}_next.deb"],
                       check=True, stdout=subprocess.DEVNULL)


class Pollers:
    """Clients that ask for the site's health, each over a new connection, one after the other, until they are ended."""

    def __init__(self, path, count=4):
        self.path, self.answers, self.failures, self.slowest = path, 0, [], 0.0
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for one in self._threads:
            one.join()

    def _run(self):
        while not self._end.is_set():
            begun = time.monotonic()
            try:
                with Client(self.path, patience=30) as client:
                    answer = client.ask("health")
                if answer is None or "result" not in answer:
                    raise ConnectionError(f"answered {answer}")
                self.answers += 1
            except OSError as problem:
                self.failures.append(f"after {time.monotonic() - begun:.2f} s: {problem!r}")
            self.slowest = max(self.slowest, time.monotonic() - begun)
            time.sleep(0.002)


class Booted(unittest.TestCase):
    """One machine from its first package to its last; the tests' names have their order."""

    maxDiff = None
    lab = machine = upgrade = None

    # ---- ways to ask

    def reachctl(self, *words, user=(), **keywords):
        keywords.setdefault("check", False)
        return self.machine.run(*user, "reachctl", *words, **keywords)

    def report_row(self, name):
        return row(json.loads(self.reachctl("report", "--format", "json", "--requirement", name).stdout), name)

    def socket(self, name="status"):
        """A socket in the machine as a path out here."""
        return f"/proc/{self.machine.leader}/root/run/reachd/{name}.sock"

    def pid(self):
        return int(self.machine.show("reachd.service", "MainPID"))

    def await_active(self, unit="reachd.service", patience=30):
        wait_until(lambda: self.machine.show(unit, "ActiveState") == "active", f"{unit} to be active", patience,
                   lambda: self.machine.run("systemctl", "status", unit, check=False).stdout)

    def await_new_pid(self, old, patience=30):
        wait_until(lambda: self.pid() not in (0, old) and self.machine.show("reachd.service", "ActiveState") == "active",
                   f"another process than {old}", patience,
                   lambda: self.machine.run("systemctl", "status", "reachd", check=False).stdout)
        return self.pid()

    def journal(self, *words):
        """Entries as objects, oldest first."""
        self.machine.run("journalctl", "--sync")
        text = self.machine.sh("journalctl -o json " + " ".join(words))
        return [json.loads(line) for line in text.splitlines()]

    def write_config(self, text):
        self.machine.run("tee", CONFIG, input=text)

    def configure(self, **changes):
        config = self.lab.config() | {"limits": LIMITS, "tls": {"ca_file": "/etc/reachd/lab-ca.pem"}} | changes
        self.write_config(json.dumps(config, indent=2))

    # ---- installed

    def test_01_installed_daemon_starts_by_itself_and_says_so(self):
        self.machine.sh(f"dpkg -i {' '.join(f'{INSIDE}/{package(name).name}' for name in NAMES)}", patience=180)
        self.await_active()
        kind, sub, status = self.machine.show("reachd.service", "Type", "SubState", "StatusText")
        self.assertEqual((kind, sub), ("notify", "running"))
        self.assertNotEqual(status, "")
        self.assertIn(f'Status: "{status[:20]}', self.machine.run("systemctl", "status", "reachd").stdout)
        for unit in ("reachd.service", "reachd-control.socket", "reachd-status.socket"):
            self.assertEqual(self.machine.sh(f"systemctl is-enabled {unit}").strip(), "enabled", unit)

    def test_02_sockets_have_their_mode_and_group_and_daemon_took_them_over(self):
        seen = self.machine.sh("stat -c '%a %U %G %n' /run/reachd /run/reachd/*").splitlines()
        self.assertEqual(seen, ["755 reachd reachd /run/reachd", "660 root reachd /run/reachd/control.sock",
                                "666 root reachd /run/reachd/status.sock"])  # and no lock of its own
        self.assertEqual(self.machine.show("reachd-control.socket", "ActiveState", "SubState"), ["active", "running"])

    def test_03_daemon_is_confined(self):
        pid = self.pid()
        status = dict(line.split(":\t", 1) for line in self.machine.sh(f"cat /proc/{pid}/status").splitlines())
        self.assertEqual({key: status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
                         dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16))
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
        self.assertEqual(status["Uid"].split()[0], self.machine.sh("id -u reachd").strip())
        options = self.machine.sh(f"nsenter --mount --target={pid} findmnt --noheadings --output=TARGET,OPTIONS --list")
        ways = {line.split()[0]: line.split()[1].split(",")[0] for line in options.splitlines()}
        self.assertEqual((ways["/"], ways["/var/lib/reachd"], ways["/run/reachd"]), ("ro", "rw", "rw"))
        limits = self.machine.sh(f"cat /proc/{pid}/limits")
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        self.assertRegex(limits, r"Max open files +8192 +8192 ")

    def test_04_destinations_are_measured_under_the_filter_and_a_fault_is_found(self):
        self.configure()
        self.machine.run("systemctl", "reload", "reachd")
        done = self.reachctl("probe", "provisioning", "data", "maps")
        self.assertIn(done.returncode, (0, 3), done.stderr)  # idle rows are unproven
        for name in ("provisioning", "data", "maps"):
            self.assertEqual(self.report_row(name)["state"], "pass", self.report_row(name)["sentence"])
        self.addCleanup(self.lab.clear)
        self.lab.fault("reject", port="443", proto="tcp", code="admin-prohibited")
        self.assertEqual(self.reachctl("probe", "provisioning").returncode, 2)
        failing = self.report_row("provisioning")
        self.assertEqual(failing["state"], "fail")
        self.assertIn(f"rejected by {GATEWAY}", failing["sentence"])
        self.lab.clear()
        self.reachctl("probe", "provisioning")
        self.assertEqual(self.report_row("provisioning")["state"], "pass")

    def test_05_command_checks_by_itself_as_an_ordinary_user(self):
        done = self.reachctl("check", "--fast", "--only", "provisioning", user=NOBODY)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        version = re.search(r"^project\(reachd VERSION (\S+)", (TREE / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
        for program in ("reachctl", "reachd", "reachd-reflector"):
            self.assertEqual(self.machine.sh(f"{program} --version").strip(), version)

    def test_06_journal_has_a_field_for_each_value_and_explains_the_event(self):
        found = self.journal("-u", "reachd", "REACHD_REQUIREMENT=provisioning")
        failed = [one for one in found if one.get("REACHD_STATE") == "fail"]
        self.assertEqual(len(failed), 1, found)
        self.assertEqual((failed[0]["REACHD_EVENT"], failed[0]["PRIORITY"], failed[0]["REACHD_CATALOGUE"]),
                         ("verdict.changed", "4", "eschat-govcloud"))
        self.assertRegex(failed[0]["MESSAGE_ID"], "^[0-9a-f]{32}$")
        explained = self.machine.sh("journalctl -x -u reachd REACHD_REQUIREMENT=provisioning")
        self.assertIn("A requirement's answer changed", " ".join(explained.replace("░░", " ").split()))

    def test_07_control_socket_is_for_the_group_and_status_socket_for_all(self):
        denied = self.reachctl("reload", user=NOBODY)
        self.assertEqual(denied.returncode, 3)
        self.assertIn("join the group reachd", denied.stderr)
        self.assertEqual(self.reachctl("health", user=NOBODY).stderr, "")
        self.machine.sh("useradd --no-create-home --groups reachd member")
        allowed = self.reachctl("reload", user=("setpriv", "--reuid=member", "--regid=member", "--init-groups", "--"))
        self.assertEqual((allowed.returncode, allowed.stderr), (0, ""))

    # ---- running

    def test_10_reload_puts_good_files_in_force(self):
        before = self.pid()
        self.configure(site="after-reload")
        self.machine.run("systemctl", "reload", "reachd")
        self.assertEqual(json.loads(self.reachctl("report", "--format", "json").stdout)["site"], "after-reload")
        self.assertEqual((self.pid(), self.machine.show("reachd.service", "ActiveState")), (before, "active"))

    def test_11_reload_of_bad_files_fails_with_their_faults_and_changes_nothing(self):
        before = self.pid()
        self.write_config('{\n  "site": "bad",\n  "limits": {"attempts": 0}\n}\n')
        since = self.machine.sh("date '+%F %T'").strip()
        self.assertNotEqual(self.machine.run("systemctl", "reload", "reachd", check=False).returncode, 0)
        told = "\n".join(one["MESSAGE"] for one in self.journal("-u", "reachd", "--since", f"'{since}'"))
        self.assertIn("reachd.json:3: /limits/attempts: must be 1 to 10", told)
        self.assertEqual(json.loads(self.reachctl("report", "--format", "json").stdout)["site"], "after-reload")
        self.assertEqual((self.pid(), self.machine.show("reachd.service", "ActiveState")), (before, "active"))
        self.configure()
        self.machine.run("systemctl", "reload", "reachd")

    def test_12_no_client_is_turned_away_by_restarts(self):
        inode = os.stat(self.socket()).st_ino
        with Pollers(self.socket()) as pollers:
            for _ in range(4):
                before = self.pid()
                self.machine.run("systemctl", "restart", "reachd")
                self.assertNotEqual(self.pid(), before)
                enough = pollers.answers + 20
                wait_until(lambda enough=enough: pollers.answers >= enough, "answers after the restart", 20)
        self.assertEqual(pollers.failures, [], f"beside {pollers.answers} answers, slowest {pollers.slowest:.1f} s")
        self.assertEqual(os.stat(self.socket()).st_ino, inode)

    def test_13_client_starts_a_stopped_daemon(self):
        self.machine.run("systemctl", "stop", "reachd.service")
        self.assertEqual(self.machine.show("reachd.service", "ActiveState"), "inactive")
        done = self.reachctl("health", "--format", "json", user=NOBODY)
        self.assertEqual(done.stderr, "")
        self.assertIn("state", json.loads(done.stdout))
        self.await_active()

    def test_14_killed_daemon_comes_back_and_nothing_is_lost(self):
        self.reachctl("probe", "provisioning")
        before, pid = self.changes(), self.pid()
        self.assertGreater(len(before), 3)
        self.machine.run("kill", "-KILL", str(pid))
        done = self.reachctl("status", user=NOBODY)  # at once: it waits for the new one
        self.assertIn(done.returncode, (0, 2, 3))
        self.assertEqual(done.stderr, "")
        self.await_new_pid(pid)
        after = self.changes()
        self.assertEqual(after[:len(before)], before)
        self.assertGreater(int(self.machine.show("reachd.service", "NRestarts")), 0)

    def changes(self):
        """All of the history, oldest first."""
        done = self.reachctl("history", "--format", "json", "--limit", "1000")
        found = json.loads(done.stdout)["changes"]
        return sorted(found, key=lambda one: one["id"]) if found and "id" in found[0] else found[::-1]

    def test_15_watchdog_ends_a_daemon_that_hangs(self):
        self.machine.sh("mkdir -p /run/systemd/system/reachd.service.d; cd /run/systemd/system/reachd.service.d; "
                        "printf '[Service]\\nWatchdogSec=4\\n' >short.conf; systemctl daemon-reload; systemctl restart reachd")
        before = self.pid()
        time.sleep(5)  # one that works is fed
        self.assertEqual(self.pid(), before)
        self.machine.run("kill", "-STOP", str(before))
        self.await_new_pid(before)
        self.assertIn("Watchdog timeout", self.machine.sh("journalctl -u reachd _PID=1"))
        self.assertEqual(self.reachctl("health").stderr, "")
        self.machine.sh("rm /run/systemd/system/reachd.service.d/short.conf; systemctl daemon-reload; systemctl restart reachd")

    def test_16_daemon_ends_in_time_and_in_order(self):
        self.lab.fault("drop", port="443", proto="tcp")  # probes that wait for an answer
        self.addCleanup(self.lab.clear)
        with self.machine.popen("reachctl", "probe", "provisioning", stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL) as waiting:
            time.sleep(0.3)
            begun = time.monotonic()
            self.machine.run("systemctl", "stop", "reachd.service", "reachd-control.socket", "reachd-status.socket")
            took = time.monotonic() - begun
            waiting.wait(timeout=10)
        self.assertLess(took, STOP_S + 1)
        self.assertEqual(self.machine.show("reachd.service", "ActiveState", "Result"), ["inactive", "success"])
        self.assertEqual(self.machine.sh("ls /run/reachd"), "")
        self.assertIn("start reachd", self.reachctl("health").stderr)

    def test_17_daemon_with_bad_files_does_not_start_again_and_again(self):
        self.write_config("{ no JSON")
        self.assertNotEqual(self.machine.run("systemctl", "start", "reachd", check=False).returncode, 0)
        self.assertEqual(self.machine.show("reachd.service", "ActiveState", "ExecMainStatus", "NRestarts"),
                         ["failed", "78", "0"])
        self.assertNotEqual(self.reachctl("health").returncode, 0)  # may stop the sockets: systemd's limit of starts
        self.configure()
        self.machine.run("systemctl", "reset-failed", "reachd.service", "reachd-control.socket", "reachd-status.socket")
        self.machine.run("systemctl", "restart", "reachd")
        self.assertEqual(self.reachctl("health").stderr, "")
        self.assertEqual(self.reachctl("reload").stderr, "")

    # ---- the other packages

    def test_20_reflector_waits_for_keys_and_then_serves_with_them(self):
        unit = "reachd-reflector.service"
        self.assertEqual(self.machine.show(unit, "ActiveState"), "inactive")
        self.assertEqual(self.machine.run("systemctl", "is-enabled", unit, check=False).stdout.strip(), "disabled")
        secret = "c2VjcmV0IG9mIHRoZSBib290ZWQgdGVzdA=="
        self.machine.sh(f"umask 077; echo 'booted:{secret}' >/etc/reachd/reflector.keys; systemctl enable --now {unit}")
        self.await_active(unit)
        pid, status = self.machine.show(unit, "MainPID", "StatusText")
        self.assertIn("serving 0.0.0.0:3478", status)
        status = dict(line.split(":\t", 1) for line in self.machine.sh(f"cat /proc/{pid}/status").splitlines())
        self.assertEqual((status["Seccomp"], status["CapEff"]), ("2", "0" * 16))
        self.assertGreaterEqual(int(status["Uid"].split()[0]), 61184)  # of DynamicUser=
        self.assertNotIn(secret, self.machine.sh(f"tr '\\0' '\\n' </proc/{pid}/environ; tr '\\0' '\\n' </proc/{pid}/cmdline"))
        self.assertIn("takes the key", self.ask_reflector(secret))
        self.assertNotIn("takes the key", self.ask_reflector("b3RoZXIgc2VjcmV0IG9mIHRoZSB0ZXN0IQ=="))
        self.machine.sh(f"test -s /run/reachd-reflector/reflector.prom; kill -KILL {pid}")
        wait_until(lambda: self.machine.show(unit, "MainPID") not in ("0", pid), "the reflector to come back", 30)

    def ask_reflector(self, secret):
        """What `reachctl doctor`, on the site's router, says about the reflector in the machine."""
        with tempfile.TemporaryDirectory(prefix="booted-") as name:
            directory = pathlib.Path(name)
            directory.chmod(0o755)
            (directory / "key").write_text(f"booted:{secret}\n", encoding="ascii")
            (directory / "reachd.json").write_text(json.dumps(
                {"reflectors": [{"host": "10.77.1.2", "port": 3478, "secret_file": f"{name}/key"}]}), encoding="ascii")
            program = directory / "reachctl"
            program.write_bytes(pathlib.Path(f"/proc/{self.machine.leader}/root/usr/bin/reachctl").read_bytes())
            program.chmod(0o755)
            done = self.lab.exec("site", [str(program), "doctor", "--format", "json", "--config", f"{name}/reachd.json"],
                                 timeout=60)
        return "\n".join(str(one) for one in json.loads(done.stdout)["findings"] if "reflector" in str(one))

    def test_21_timer_writes_metrics_for_node_exporter(self):
        self.machine.sh(f"mkdir -p {TEXTFILES}; systemctl start reachd-textfile.timer")
        wait_until(lambda: self.machine.run("test", "-s", f"{TEXTFILES}/reachd.prom", check=False).returncode == 0,
                   "the metrics", 30, lambda: self.machine.sh("systemctl status reachd-textfile.service || true"))
        self.assertIn("reachd_site_state{", self.machine.sh(f"cat {TEXTFILES}/reachd.prom"))
        self.assertEqual(self.machine.sh(f"stat -c '%a %U' {TEXTFILES}/reachd.prom").strip(), "644 root")
        self.machine.sh(f"systemctl stop reachd-textfile.timer reachd.service; rm -r {TEXTFILES}/*; "
                        "systemctl start reachd-textfile.service")  # skipped: it does not start who was stopped
        self.assertEqual((self.machine.show("reachd.service", "ActiveState"), self.machine.sh(f"ls {TEXTFILES}")),
                         ("inactive", ""))
        self.machine.run("systemctl", "start", "reachd.service")

    def test_22_completions_and_manuals_are_where_they_are_looked_for(self):
        self.machine.sh("bash -c '. /usr/share/bash-completion/completions/reachctl && complete -p reachctl'")
        for page in ("reachd.8", "reachctl.1", "reachd-reflector.8", "reachd.json.5", "reachd-catalogue.5",
                     "reachd-protocol.7", "reachd-events.7"):
            name, _, section = page.rpartition(".")
            self.machine.run("man", "--where", section, name)
        units = self.machine.sh("ls /lib/systemd/system | grep reachd").split()
        self.assertEqual(len(units), 6)
        self.assertEqual(self.machine.run("systemd-analyze", "verify", *units).stderr, "")  # looks for the manuals, too

    # ---- upgraded and removed

    def test_30_upgrade_keeps_changed_configuration_and_turns_no_client_away(self):
        before, inode = self.pid(), os.stat(self.socket()).st_ino
        config = self.machine.sh(f"cat {CONFIG}")
        with Pollers(self.socket()) as pollers:
            self.machine.sh("dpkg -i --force-confdef --force-confold " +
                            " ".join(f"/srv/next/{name}_next.deb" for name in NAMES), patience=180)
            self.await_new_pid(before)
        self.assertEqual(pollers.failures, [], f"beside {pollers.answers} answers")
        self.assertEqual(self.machine.sh(f"cat {CONFIG}"), config)
        self.assertIn("// next", self.machine.sh(f"cat {CONFIG}.dpkg-dist"))
        self.assertEqual(os.stat(self.socket()).st_ino, inode)
        self.assertIn("+next", self.machine.sh("dpkg-query -W -f '${Version}' reachd"))

    def test_31_removed_daemon_leaves_its_history_and_the_command(self):
        self.machine.sh("dpkg -r reachd", patience=120)
        self.assertEqual(self.machine.sh("pgrep -x reachd || true"), "")
        self.assertEqual(self.machine.sh("ls /run/reachd 2>/dev/null || true"), "")
        self.machine.sh("test -s /var/lib/reachd/history.db")
        self.assertIn("start reachd", self.reachctl("health").stderr)

    def test_32_purge_leaves_nothing_but_the_account(self):
        self.machine.sh("rm -f /etc/reachd/reflector.keys /etc/reachd/lab-ca.pem")
        self.machine.sh(f"dpkg --purge {' '.join(reversed(NAMES))}", patience=120)
        left = self.machine.sh("find /etc /var/lib /run /usr/lib /usr/share /usr/bin /usr/sbin /lib/systemd "
                               "'(' -name '*reachd*' -o -name '*reachctl*' ')' -not -path '/var/lib/dpkg/*' "
                               "-not -path '/run/systemd/*' -not -path '/run/credentials*'")
        self.assertEqual(left, "")
        self.machine.sh("getent passwd reachd")
        self.assertEqual(self.machine.sh("systemctl list-units --all --no-legend 'reachd*' --state=loaded || true"), "")


def main():
    if reason := why_not():
        print(f"booted_test: {reason}; skipped", file=sys.stderr)
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="booted-next-") as name, Lab(f"booted{os.getpid()}") as lab:
        for host in (*ROUTERS, "server"):
            lab.sysctl(host, {"ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"})
        next_version(pathlib.Path(name))
        files = {f"/etc/{file}": text for file, text in CLIENT_FILES.items() if file != "nsswitch.conf"}
        files["/etc/reachd/lab-ca.pem"] = lab.ca_file.read_text() + lab.apple_ca_file.read_text()
        with Machine(network=f"{lab.id}-client", files=files, binds={PACKAGES: INSIDE, name: "/srv/next"}) as machine:
            # The index of all manuals is none of this; images for containers often forbid packages to start services.
            machine.sh("rm -f /var/lib/man-db/auto-update /usr/sbin/policy-rc.d")
            Booted.lab, Booted.machine = lab, machine
            outcome = unittest.main(module="__main__", exit=False)
            if not outcome.result.wasSuccessful():
                print(machine.run("journalctl", "-u", "reachd*", "-n", "80", "--no-pager", check=False).stdout,
                      file=sys.stderr)
    sys.exit(0 if outcome.result.wasSuccessful() else 1)


if __name__ == "__main__":
    try:
        main()
    except NotBooted as problem:
        print(f"booted_test: {problem}; skipped", file=sys.stderr)
        sys.exit(77)
