# SPDX-License-Identifier: Apache-2.0
"""Who may do what with each file (REUSE), and what the programs are made of (the bill of materials)."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "release"))
# As in scripts/sbom.
ENVIRONMENT = os.environ | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
SOURCES = {".cpp", ".hpp", ".py", ".js", ".mjs", ".cmake", ".service", ".socket", ".timer", ".sysusers", ".tmpfiles", ".cfg", ".conf", ".yml"}


def run(*argv, **keywords):
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=ENVIRONMENT | keywords)


class Licences(unittest.TestCase):
    def test_every_file_has_a_licence(self):
        done = run("reuse", "--root", str(TREE), "lint")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_source_says_its_licence_itself(self):
        listed = run("git", "-C", str(TREE), "ls-files").stdout.splitlines()
        sources = [name for name in listed if pathlib.Path(name).suffix in SOURCES and (TREE / name).is_file()]
        self.assertGreater(len(sources), 500)
        silent = [name for name in sources if "SPDX-License-Identifier" not in (TREE / name).read_text(encoding="utf-8")[:400]]
        self.assertEqual(silent, [])


class Materials(unittest.TestCase):
    def bill(self, **environment):
        done = run(str(TREE / "scripts/sbom"), *(str(PROGRAMS / name) for name in ("reachd", "reachctl", "reachd-reflector")),
                   **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_bill_names_the_files_and_the_libraries_with_their_versions(self):
        text = self.bill()
        self.assertIn("FileName: ./src/net/tls_probe.cpp\n", text)
        versions = dict(re.findall(r"PackageName: (\S+)\n.*\nPackageVersion: (\S+)", text))
        libraries = run("ldd", str(PROGRAMS / "reachctl")).stdout
        for library, package in (("libssl.so", "libssl3"), ("libcares.so", "libc-ares2"), ("libarchive.so", "libarchive13")):
            if library in libraries and package in versions:
                installed = run("dpkg-query", "-W", "-f", "${Version}", package).stdout
                self.assertEqual(versions[package], installed)
        self.assertLessEqual({"reachd", "nlohmann-json3-dev"}, versions.keys())
        self.assertEqual(sum(bool(re.fullmatch(r"libboost[\d.]*-dev", name)) for name in versions), 1)
        self.assertTrue(any(name.startswith("libssl") for name in versions))

    def test_bill_of_one_date_is_the_same_each_time(self):
        first, second = self.bill(SOURCE_DATE_EPOCH="1700000000"), self.bill(SOURCE_DATE_EPOCH="1700000000")
        self.assertIn("Created: 2023-11-14T22:13:20Z", first)
        self.assertEqual(sorted(first.splitlines()), sorted(second.splitlines()))


def documented():
    """The complete rows of docs/DEPENDENCIES.md, as the words of their first cells."""
    text = (TREE / "docs/DEPENDENCIES.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    return {word for row in rows if len(row) >= 4 and all(row) for word in re.split(r"[\s`(),;:]+", row[0])}


def build_dependencies():
    """The packages of Build-Depends, of alternatives the first."""
    text = (TREE / "debian/control").read_text(encoding="utf-8")
    block = re.search(r"^Build-Depends:\n((?: .*\n)+)", text, re.MULTILINE)[1]
    return [re.match(r"\S+", entry.strip())[0] for entry in block.split(",") if entry.strip()]


class Dependencies(unittest.TestCase):
    """Each with its version, licence and reason in docs/DEPENDENCIES.md."""

    def test_every_package_of_the_build_is_documented(self):
        packages = build_dependencies()
        self.assertGreater(len(packages), 40)
        self.assertEqual([name for name in packages if name not in documented()], [])

    def test_every_library_of_the_programs_is_documented(self):
        known = documented()
        release = pathlib.Path("/etc/os-release")
        reference = release.exists() and "VERSION_CODENAME=bookworm" in release.read_text(encoding="utf-8")
        for program in ("reachd", "reachctl", "reachd-reflector"):
            direct = re.findall(r"\(NEEDED\).*\[(\S+)\]", run("readelf", "-dW", str(PROGRAMS / program)).stdout)
            self.assertIn("libssl.so.3", direct)
            # What libraries load in turn differs by distribution; the page is about the reference.
            behind = re.findall(r"^\s*(\S+) =>", run("ldd", str(PROGRAMS / program)).stdout, re.MULTILINE) if reference else []
            names = {name.split(".so")[0] for name in direct + behind}
            sanitizers = {"libasan", "libubsan", "libtsan", "libgcov"}
            self.assertEqual(sorted(names - known - sanitizers), [], program)


if __name__ == "__main__":
    if not shutil.which("reuse") or not (TREE / ".git").exists():
        print("licences_test: needs reuse and a checkout of git; skipped", file=sys.stderr)
        sys.exit(77)
    unittest.main()
