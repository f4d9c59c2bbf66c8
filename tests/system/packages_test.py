# SPDX-License-Identifier: Apache-2.0
"""The packages as files: what lintian says, the same bytes each time, and the archives of CPack beside them.

REACHD_BIN is the release build, whose packages scripts/packages has made (REACHD_PACKAGES). booted_test.py installs them.
"""
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "release")).resolve()
PACKAGES = pathlib.Path(os.environ.get("REACHD_PACKAGES", TREE / "build" / "packages"))
VERSION = re.search(r"^project\(reachd VERSION (\S+)", (TREE / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE)[1]
NAMES = ("reachctl", "reachd", "reachd-monitoring", "reachd-reflector")
# Of core: no precompiled header, which is not made anew in a second.
SAMPLE = ("core/address.cpp", "core/time_text.cpp", "core/escape.cpp")


def run(*argv, **keywords):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, **keywords)
    assert done.returncode == 0, f"{shlex.join(map(str, argv))}: exit {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_of(listing):
    """Paths that both kinds of packages must have alike: what each format names, places or compresses its own way is left out."""
    names = {line.removeprefix(".").replace("/lib/systemd/system", "/usr/lib/systemd/system").replace("/usr/usr", "/usr")
             for line in listing}
    names = {name.removesuffix(".gz").replace("vendor-completions/_", "site-functions/_") for name in names}
    return {name for name in names if "/share/doc/" not in name and "/.build-id" not in name and not name.endswith("/")}


class Deb(unittest.TestCase):
    def test_lintian_finds_neither_errors_nor_warnings(self):
        changes = list(PACKAGES.glob("*.changes"))
        self.assertEqual(len(changes), 1)
        said = run("lintian", "--allow-root", "--fail-on", "error,warning", changes[0])
        self.assertEqual(said, "")

    def test_lintian_has_nothing_against_the_source_either(self):
        with tempfile.TemporaryDirectory(prefix="source-") as name:
            tree = pathlib.Path(name) / "reachd"
            tree.mkdir()
            run("sh", "-c", f"git -c safe.directory='*' ls-files -z | tar --null -T - -c | tar -C {tree} -x", cwd=TREE)
            run("dpkg-source", "--build", "reachd", cwd=name)
            said = run("lintian", "--allow-root", "--fail-on", "error,warning", f"{name}/reachd_{VERSION}.dsc")
        self.assertEqual(said, "")

    def test_packages_are_the_same_bytes_in_another_zone_language_and_umask(self):
        with tempfile.TemporaryDirectory(prefix="packages-") as name:
            environment = os.environ | {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C"}
            run("sh", "-c", f"umask 027; exec {TREE}/scripts/packages {name}", env=environment)
            fresh = {one.name: digest(one) for one in pathlib.Path(name).glob("*.deb")}
        self.assertGreaterEqual(len(fresh), len(NAMES))
        self.assertEqual(fresh, {one.name: digest(one) for one in PACKAGES.glob("*.deb")})

    def test_compiler_makes_the_same_bytes_in_another_directory(self):
        commands = {one["file"]: one for one in json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))}
        with tempfile.TemporaryDirectory(prefix="elsewhere-") as name:
            other = pathlib.Path(name)
            for part in ("src", "include"):
                shutil.copytree(TREE / part, other / part)
            shutil.copytree(BUILD / "src" / "embedded", other / "build/release/src/embedded")
            for source in SAMPLE:
                one = commands[str(TREE / "src" / source)]
                words = [word.replace(str(TREE), name) for word in shlex.split(one["command"])]
                words = words[1:] if pathlib.Path(words[0]).name == "ccache" else words
                made = other / "build/release" / words[words.index("-o") + 1]
                made.parent.mkdir(parents=True, exist_ok=True)
                run(*words, cwd=other / "build/release", env=os.environ | {"CCACHE_DISABLE": "1"})
                self.assertEqual(digest(made), digest(BUILD / made.relative_to(other / "build/release")), source)

    def test_flags_are_those_of_the_preset_whatever_the_environment_says(self):
        """dpkg-buildpackage has flags in its environment: a first configuration must not keep them."""
        flags = {name: "-DMARK" for name in ("CXXFLAGS", "CPPFLAGS", "CFLAGS", "LDFLAGS")}
        with tempfile.TemporaryDirectory(prefix="flags-") as name:
            run("cmake", "--preset", "release", "-DREACHD_TESTS=OFF", "-B", name, cwd=TREE, env=os.environ | flags)
            build = (pathlib.Path(name) / "build.ninja").read_text(encoding="utf-8")
        self.assertIn("-fstack-clash-protection", build)
        self.assertNotIn("-DMARK", build)

    def test_programs_are_hardened(self):
        for program in ("reachd", "reachctl", "reachd-reflector"):
            header, dynamic = run("readelf", "-hlW", BUILD / program), run("readelf", "-dW", BUILD / program)
            self.assertIn("DYN (Position-Independent Executable file)", header)
            self.assertIn("GNU_RELRO", header)
            self.assertRegex(dynamic, r"FLAGS_1.*NOW")
            self.assertRegex(header, r"GNU_STACK .* RW ")
            self.assertIn("__stack_chk_fail", run("nm", "-D", BUILD / program))
            self.assertNotIn("libsystemd", dynamic)
            self.assertNotIn("RUNPATH", dynamic)


class Archives(unittest.TestCase):
    """CPack's, of the same build."""

    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="archives-")
        cls.addClassCleanup(cls.room.cleanup)
        cls.directory = pathlib.Path(cls.room.name)
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.directory)

    def root(self, name):
        path = self.directory / name
        path.mkdir()
        return path

    def assert_works(self, root):
        """The program finds what was unpacked with it, and nothing of this machine."""
        self.assertEqual(run(root / "usr/bin/reachctl", "--version").strip(), VERSION)
        self.assertEqual(run(root / "usr/sbin/reachd", "--version").strip(), VERSION)
        self.assertEqual(run(root / "usr/sbin/reachd", "--check-config", "--config", root / "etc/reachd/reachd.json"),
                         "the files are sound: 16 requirements\n")

    def test_tarball_runs_where_it_is_unpacked(self):
        root = self.root("tarball")
        run("tar", "-C", root, "-xzf", self.directory / f"reachd-{VERSION}-{os.uname().machine}.tar.gz")
        self.assert_works(root)
        self.assertTrue((root / "usr/share/doc/reachd/LICENSE").exists())

    def test_rpms_hold_what_the_debs_hold(self):
        if shutil.which("rpm") is None:
            self.skipTest("rpm is not there")
        root = self.root("rpm")
        for name in NAMES:
            file, = self.directory.glob(f"{name}-{VERSION}-1.*.rpm")
            deb, = PACKAGES.glob(f"{name}_*.deb")
            inside = files_of(run("rpm", "-qpl", file).splitlines())
            contents = [line.split()[5] for line in run("dpkg", "--contents", deb).splitlines()]
            directories = {one.rsplit("/", 1)[0] for one in files_of(contents)} | inside & {"/etc/reachd", "/usr/share/reachd"}
            self.assertEqual(inside - directories, files_of(contents) - {""}, name)
            run("rpm", "-i", "--nodeps", "--noscripts", "--root", root, file)
        self.assert_works(root)
        reachd, = self.directory.glob(f"reachd-{VERSION}-1.*.rpm")
        self.assertIn(f"reachctl = {VERSION}", run("rpm", "-qp", "--requires", reachd))
        self.assertIn("systemd-sysusers reachd.conf", run("rpm", "-qp", "--scripts", reachd))
        reachctl, = self.directory.glob(f"reachctl-{VERSION}-1.*.rpm")
        self.assertEqual(run("rpm", "-qpc", reachctl).split(), ["/etc/reachd/reachd.json"])


if __name__ == "__main__":
    if not list(PACKAGES.glob("reachd_*.deb")):
        print(f"packages_test: no packages in {PACKAGES}: scripts/packages makes them; skipped", file=sys.stderr)
        sys.exit(77)
    unittest.main()
