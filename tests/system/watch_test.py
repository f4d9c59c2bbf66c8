# SPDX-License-Identifier: Apache-2.0
"""`reachctl watch` in a real terminal (tmux): it redraws in place, takes keys, follows the size of the window, waits for a
daemon that restarts, and leaves the terminal as it was.

    sudo python3 -B tests/system/watch_test.py [-v]
"""
import os
import pathlib
import shlex
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import MAPS, PRIMARY, SystemTest, main, wait_until  # noqa: E402

ROWS = [{"id": "signaling", "transport": "tcp", "destinations": [PRIMARY], "ports": 4200, "expect": "service"},
        {"id": "web", "transport": "tcp", "destinations": [MAPS], "ports": "80,443", "expect": "service"}]
OWN = {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "Support", "requirements": ROWS}


class Watch(SystemTest):
    def setUp(self):
        self.site.write("catalogues/own.json", OWN)
        self.config = self.site.config({"schedule": {"interval_s": 1}, "catalogues": ["own"], "values": {}})
        self.start()
        self.daemon.await_row("signaling", "pass")
        self.socket = f"reachd-{os.getpid()}"
        watch = shlex.join([self.site.program("reachctl"), "--runtime-dir", str(self.site.directory / "run"), "watch"])
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24",
                  f"PS1='shell> ' sh -c 'trap : INT; echo before; {watch}; echo ended $?; exec sh'")
        self.addCleanup(self.tmux, "kill-server")

    def start(self):
        context = self.site.daemon(config=self.config, fresh=not hasattr(self, "daemon"))
        self.daemon = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-L", self.socket, *words], capture_output=True, text=True, check=True).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def await_screen(self, text, patience=30):
        wait_until(lambda: text in self.screen(), f"{text!r} on the screen", patience, self.screen)

    def test_it_redraws_in_place_opens_rows_follows_the_size_and_survives_the_daemon(self):
        self.await_screen("READY  lab  2 pass, 0 fail, 0 unproven")
        self.assertNotIn("before", self.screen())
        self.assertIn("> + PASS   signaling", self.screen())

        self.fault("drop", proto="tcp", port="4200")
        self.await_screen("NOT READY  lab  1 pass, 1 fail")
        self.assertIn("> + FAIL   signaling", self.screen())
        self.assertRegex(self.screen(), r"(?m)^\d\d:\d\d:\d\d  verdict.changed signaling fail: ")
        self.assertEqual(self.screen().count("signaling  "), 1)  # in place, not below

        self.press("Enter")
        self.await_screen("> - FAIL   signaling")
        self.await_screen("-> ")
        self.press("Enter")
        self.press("Down")
        self.await_screen("> + PASS   web")
        self.press("a")
        self.await_screen("- FAIL   signaling")

        self.tmux("resize-window", "-x", "50", "-y", "12")
        wait_until(lambda: self.screen().splitlines()[-1].startswith("q quit"), "the keys in the last line", 10,
                   self.screen)
        self.assertEqual(len(self.screen().splitlines()), 12)
        self.tmux("resize-window", "-x", "80", "-y", "24")

        self.daemon.end()
        self.await_screen("WAITING for the daemon: ")
        self.assertIn("signaling", self.screen())  # what was known stays
        self.site.lab.clear()
        self.start()
        self.await_screen("READY  lab  2 pass")
        wait_until(lambda: "WAITING" not in self.screen(), "the link", 10, self.screen)

        self.press("q")
        self.await_screen("ended 0")
        self.assertIn("before", self.screen())  # the screen of before is back
        self.press("echo ba''ck", "Enter")
        self.await_screen("back")  # and so is the echo

    def test_signal_puts_the_terminal_back(self):
        self.await_screen("READY  lab")
        self.press("C-c")
        self.await_screen("ended 0")
        self.press("echo ba''ck", "Enter")
        self.await_screen("back")


if __name__ == "__main__":
    main("watch")
