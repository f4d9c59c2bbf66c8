# SPDX-License-Identifier: Apache-2.0
"""The man pages and the catalogue of the journal: sound, with a name that whatis can read, and with every command that the programs have.

    python3 -B tests/system/man_test.py     (REACHD_BIN: the build directory, which has them in man/)
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REACHD_BIN", TOP / "build/dev"))
PAGES = ("reachd.8", "reachctl.1", "reachd-reflector.8", "reachd.json.5", "reachd-catalogue.5", "reachd-protocol.7",
         "reachd-events.7")


def shown(page):
    """As a terminal of 80 columns shows it."""
    done = subprocess.run(["mandoc", "-Tutf8", "-Owidth=78", BUILD / "man" / page], capture_output=True, text=True,
                          check=True)
    return re.sub(".\b", "", done.stdout)


def in_one_line(page):
    """Without the breaks of its lines, which part words at their hyphens."""
    return re.sub(r"\s+", " ", re.sub(r"(?<=\w)-\s+(?=\w)", "-", re.sub("[│─┌┐└┘├┤┬┴┼]", "", shown(page))))


class ManPages(unittest.TestCase):
    def test_every_page_is_sound(self):
        for page in PAGES:
            with self.subTest(page):
                done = subprocess.run(["mandoc", "-Tlint", "-Werror", BUILD / "man" / page], capture_output=True,
                                      text=True)
                self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_page_has_its_name_and_one_line_about_it(self):
        for page in PAGES:
            with self.subTest(page):
                name = page.rsplit(".", 1)[0]
                self.assertRegex(shown(page), rf"(?m)^NAME\n\s+{re.escape(name)} - \w.*$")

    def test_no_trace_of_markdown_is_left(self):
        for page in PAGES:
            with self.subTest(page):
                left = re.findall(r"\]\(|\*\*|(?m:^ *#+ [A-Z])|\\[|fe]|```", shown(page))
                self.assertEqual(left, [])

    def test_pages_name_the_other_pages(self):
        for page in PAGES:
            text = in_one_line(page).rsplit("SEE ALSO", 1)[1]
            for other in PAGES:
                name, section = other.rsplit(".", 1)
                self.assertEqual(f"{name}({section})" in text, other != page, (page, other))

    def test_every_command_and_option_of_reachctl_is_there(self):
        text, words = shown("reachctl.1"), in_one_line("reachctl.1")
        usage = subprocess.run([BUILD / "reachctl", "--help"], capture_output=True, text=True, check=True).stdout
        commands = re.findall(r"(?m)^  ([a-z][a-z-]+)  ", usage.split("ubcommands:", 1)[1])
        self.assertIn("check", commands)
        for command in commands:
            self.assertTrue(re.search(rf"(?m)^{command.upper()}$", text), command)
            own = subprocess.run([BUILD / "reachctl", command, "--help"], capture_output=True, text=True,
                                 check=True).stdout
            for option in re.findall(r"(?m)^  (?:-\w,)?(--[a-z-]+)", own):
                self.assertTrue(option in words, (command, option))

    def test_every_option_of_the_daemons_is_there(self):
        for program in ("reachd", "reachd-reflector"):
            usage = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=True).stdout
            for option in re.findall(r"(?m)^  (?:-\w,)?(--[a-z-]+)", usage):
                self.assertTrue(option in in_one_line(f"{program}.8"), (program, option))


class JournalCatalogue(unittest.TestCase):
    def test_journalctl_knows_every_event_and_shows_the_words_of_the_docs(self):
        with tempfile.TemporaryDirectory() as root:
            for directory in ("usr/lib/systemd/catalog", "var/lib/systemd/catalog"):
                pathlib.Path(root, directory).mkdir(parents=True)
            shutil.copy(BUILD / "reachd.catalog", pathlib.Path(root, "usr/lib/systemd/catalog"))
            made = subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], capture_output=True, text=True)
            self.assertEqual((made.returncode, made.stderr), (0, ""))
            text = subprocess.run(["journalctl", f"--root={root}", "--dump-catalog"], capture_output=True, text=True,
                                  check=True).stdout
        events = re.findall(r"(?m)^### ([a-z._]+)$", (TOP / "docs/EVENTS.md").read_text())
        entries = re.findall(r"(?m)^-- [0-9a-f]{32}\nSubject: (.+)\nDefined-By: reachd$", text)
        self.assertEqual(len(entries), len(events), entries)
        self.assertIn("SIGTERM or SIGINT asked for the end.", text)


if __name__ == "__main__":
    unittest.main()
