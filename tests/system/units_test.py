# SPDX-License-Identifier: Apache-2.0
"""The units as files: systemd understands them, their exposure is low, and what they leave out is explained.

Needs no root and no running systemd. booted_test.py runs them.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
UNITS = TREE / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
THRESHOLD = 15  # tenths: chrony has 37, blackbox_exporter 92
# Units of systemd itself that ours stand beside.
BASE = ("basic", "multi-user", "network", "network-online", "nss-lookup", "paths", "shutdown", "slices", "sockets", "sysinit",
        "timers")


def analyze(*words):
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, check=False)


def explained(unit):
    """The directives that the unit's own comments name."""
    text = unit.read_text(encoding="utf-8")
    if "As in reachd.service" in text:
        text += (UNITS / "reachd.service").read_text(encoding="utf-8")
    return set(re.findall(r"([A-Z][A-Za-z]+)=", "\n".join(line for line in text.splitlines() if line.startswith("#"))))


class Verified(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory(prefix="units-")
        self.addCleanup(room.cleanup)
        self.root = pathlib.Path(room.name)
        self.system = self.root / "usr/lib/systemd/system"
        self.system.mkdir(parents=True)
        for name in BASE:
            (self.system / f"{name}.target").write_text("[Unit]\nDescription=of systemd\n", encoding="ascii")
        for unit in (*SERVICES, *UNITS.glob("*.socket"), *UNITS.glob("*.timer")):
            shutil.copy(unit, self.system)
        for unit in SERVICES:
            for command in re.findall(r"^Exec\w+=(/\S+)", unit.read_text(encoding="utf-8"), re.MULTILINE):
                program = self.root / command.lstrip("/")
                program.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy("/bin/true", program)

    def verify(self):
        names = [unit.name for unit in self.system.iterdir() if "reachd" in unit.name]
        self.assertGreater(len(names), 5)
        done = analyze("verify", "--man=no", f"--root={self.root}", *names)
        return done.returncode, done.stderr

    def test_units_are_understood_without_a_word(self):
        self.assertEqual(self.verify(), (0, ""))

    def test_services_that_run_on_are_never_given_up(self):
        for name in ("reachd.service", "reachd-reflector.service"):
            text = (UNITS / name).read_text(encoding="utf-8")
            self.assertRegex(text.split("[Service]")[0], r"(?m)^StartLimitIntervalSec=0$")
            self.assertRegex(text, r"(?m)^Restart=on-failure$")

    def test_mistake_in_a_unit_is_noticed(self):
        unit = self.system / "reachd.service"
        unit.write_text(unit.read_text(encoding="utf-8").replace("WatchdogSec=", "WatchDogSec="), encoding="utf-8")
        self.assertIn("Unknown key 'WatchDogSec'", self.verify()[1])


class Exposure(unittest.TestCase):
    def findings(self, unit):
        done = analyze("security", "--offline=true", f"--threshold={THRESHOLD}", "--json=short", str(unit))
        return done.returncode, json.loads(done.stdout)

    def test_exposure_is_low(self):
        self.assertEqual(len(SERVICES), 3)
        for unit in SERVICES:
            with self.subTest(unit=unit.name):
                self.assertEqual(self.findings(unit)[0], 0, analyze("security", "--offline=true", str(unit)).stdout)

    def test_unit_without_a_filter_of_system_calls_is_over_the_threshold(self):
        with tempfile.TemporaryDirectory(prefix="units-") as name:
            unit = pathlib.Path(name) / "reachd.service"
            text = (UNITS / "reachd.service").read_text(encoding="utf-8")
            unit.write_text(text.replace("SystemCallFilter=", "#"), encoding="utf-8")
            self.assertNotEqual(self.findings(unit)[0], 0)

    def test_whatever_is_left_out_is_explained_in_the_unit(self):
        for unit in SERVICES:
            missing = {re.match(r"[A-Za-z]+", one["name"])[0] for one in self.findings(unit)[1]
                       if one["set"] is False and one["exposure"]}
            self.assertLessEqual({"PrivateMounts", "DeviceAllow"}, missing)  # what no unit can have
            self.assertEqual(missing - explained(unit), set(), unit.name)


class Versions(unittest.TestCase):
    def test_packages_have_the_version_of_the_programs(self):
        project = re.search(r"^project\(reachd VERSION (\S+)", (TREE / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE)
        changelog = re.match(r"reachd \((\S+)\)", (TREE / "debian/changelog").read_text(encoding="utf-8"))
        self.assertEqual(changelog[1], project[1])


if __name__ == "__main__":
    if shutil.which("systemd-analyze") is None:
        print("units_test: systemd-analyze is not there (package systemd); skipped", file=sys.stderr)
        sys.exit(77)
    unittest.main()
