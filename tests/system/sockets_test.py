# SPDX-License-Identifier: Apache-2.0
"""The daemon's sockets: what may lie at their paths, who else is there, socket activation, the service manager's
notifications, and clients that do not behave.

    sudo /usr/bin/python3 tests/system/sockets_test.py [-v]
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import Daemon, EXIT_IN_USE, SystemTest, main, wait_until  # noqa: E402
from lab.lab import NOBODY  # noqa: E402

EXIT_SYSTEM = 71
REQUEST = '{"jsonrpc":"2.0","id":1,"method":"version"}'
LINE_LIMIT = 64 * 1024
CONNECTION_LIMIT = 32
SUBSCRIPTION_LIMIT = 8


class Paths(SystemTest):
    def refused(self, runtime="run"):
        """Starts a daemon that cannot serve; (exit code, what it said)."""
        process = self.site.start_daemon(runtime=runtime)
        _, said = process.communicate(timeout=10)
        self.assertEqual(len(said.splitlines()), 1, said)
        return process.returncode, said

    def test_t09_second_daemon_is_refused_and_the_first_is_unharmed(self):
        with self.site.daemon() as daemon:
            code, said = self.refused()
            self.assertEqual(code, EXIT_IN_USE)
            self.assertIn(f"another reachd (process {daemon.process.pid}) serves {self.site.directory / 'run'}", said)
            self.assertEqual(daemon.ask("version")["program"], "reachd")
            self.assertEqual(daemon.ask("version", None, "control")["program"], "reachd")

    def test_two_daemons_with_their_own_directories_live_side_by_side(self):
        with self.site.daemon() as first, self.site.daemon(runtime="other") as second:
            self.assertNotEqual(first.process.pid, second.process.pid)
            self.assertEqual(first.ask("version")["program"], second.ask("version")["program"])

    def test_t09_sockets_left_by_a_killed_daemon_are_replaced(self):
        with self.site.daemon() as killed:
            killed.signal(signal.SIGKILL)
            killed.process.wait()
        self.assertTrue(self.site.socket_path().exists())
        with self.site.daemon(fresh=False) as daemon:
            self.assertEqual(daemon.ask("version", None, "control")["program"], "reachd")

    def test_t09_what_is_no_socket_is_refused_and_left_alone(self):
        for make, kind in ((lambda path: path.write_text("mine"), "a file"), (pathlib.Path.mkdir, "a directory"),
                           (lambda path: path.symlink_to("/etc/passwd"), "a symbolic link")):
            for name in ("control", "status"):
                with self.subTest(kind=kind, name=name):
                    self.site.fresh_directory("run")
                    path = self.site.socket_path(name)
                    make(path)
                    before = path.lstat()
                    code, said = self.refused()
                    self.assertEqual(code, EXIT_SYSTEM)
                    self.assertIn(f"{path} is {kind} where a socket should be made: it was left alone", said)
                    self.assertEqual(path.lstat().st_ino, before.st_ino)
                    other = self.site.socket_path("status" if name == "control" else "control")
                    self.assertFalse(other.exists(), "half of the sockets stayed behind")

    def test_t09_socket_of_somebody_else_is_refused_and_left_alone(self):
        self.site.fresh_directory("run")
        path = self.site.socket_path("control")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as foreign:
            foreign.bind(str(path))  # root's, and stale: nobody listens
            code, said = self.refused()
        self.assertEqual(code, EXIT_SYSTEM)
        self.assertIn("is a socket of user 0, not ours: it was left alone", said)
        self.assertTrue(path.exists())

    def test_t09_socket_that_somebody_listens_on_is_in_use(self):
        self.site.fresh_directory("run")
        path = self.site.socket_path("status")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as foreign:
            foreign.bind(str(path))
            os.chown(path, int(NOBODY), int(NOBODY))
            foreign.listen()
            code, said = self.refused()
        self.assertEqual(code, EXIT_IN_USE)
        self.assertIn(f"somebody listens on {path} already", said)

    def test_t09_path_over_107_bytes_is_refused_with_its_number(self):
        room = 107 - len(str(self.site.directory / "x" / "control.sock")) + 1
        self.site.fresh_directory("x" * room)  # the longest that is possible
        with self.site.daemon(runtime="x" * room) as daemon:
            self.assertEqual(daemon.ask("version", None, "control")["program"], "reachd")
        self.site.fresh_directory("x" * (room + 1))
        code, said = self.refused("x" * (room + 1))
        self.assertEqual(code, EXIT_SYSTEM)
        self.assertIn("has 108 bytes, and a Unix socket's path at most 107: choose a shorter runtime directory", said)

    def test_runtime_directory_is_made_where_it_is_missing_and_may_be(self):
        self.site.fresh_directory("new")
        with self.site.daemon(runtime="new/reachd", fresh=False):
            self.assertTrue(self.site.socket_path(runtime="new/reachd").exists())
        code, said = self.refused("nowhere/reachd")
        self.assertEqual(code, EXIT_SYSTEM)
        self.assertIn(f"cannot make the runtime directory {self.site.directory / 'nowhere/reachd'}", said)


class ServiceManager(SystemTest):
    def notified(self):
        """A datagram socket at a path, as NOTIFY_SOCKET."""
        path = self.site.fresh_directory("notify") / "socket"
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(channel.close)
        channel.bind(str(path))
        path.chmod(0o666)
        channel.settimeout(60)
        return channel, [f"NOTIFY_SOCKET={path}"]

    @staticmethod
    def next_with(channel, word):
        """The next message that has this word, as a dict; those before it are passed over."""
        while True:
            message = dict(line.split("=", 1) for line in channel.recv(4096).decode().splitlines())
            if word in message:
                return message

    def test_start_state_reload_and_end_are_notified(self):
        channel, environment = self.notified()
        config = self.site.config({"limits": {"samples_per_block": 4}}, name="few-samples.json")  # apns stays unproven
        with self.site.daemon(before=["env", *environment], config=config) as daemon:
            self.assertEqual(self.next_with(channel, "READY"), {"READY": "1", "STATUS": "first measurements under way"})
            daemon.await_checked()
            while not self.next_with(channel, "STATUS")["STATUS"].startswith("No requirement fails; 12 of 16 pass"):
                pass  # what the inquiry finds after a round's end is told as well
            daemon.signal(signal.SIGHUP)
            self.assertGreater(int(self.next_with(channel, "RELOADING")["MONOTONIC_USEC"]), 0)
            self.assertEqual(self.next_with(channel, "READY")["READY"], "1")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(self.next_with(channel, "STOPPING"), {"STOPPING": "1"})
            daemon.process.wait(timeout=10)

    def test_watchdog_is_fed_at_half_its_interval(self):
        channel, environment = self.notified()
        with self.site.daemon(before=["env", *environment, "WATCHDOG_USEC=600000"]):
            times = []
            for _ in range(4):
                self.assertEqual(self.next_with(channel, "WATCHDOG"), {"WATCHDOG": "1"})
                times.append(time.monotonic())
            self.assertLess(max(after - before for before, after in zip(times, times[1:])), 0.6)

    def test_failed_reload_is_ready_again_too(self):
        channel, environment = self.notified()
        config = self.site.config()
        with self.site.daemon(config=config, before=["env", *environment]) as daemon:
            self.next_with(channel, "READY")
            config.write_text("{", encoding="ascii")
            daemon.signal(signal.SIGHUP)
            self.next_with(channel, "RELOADING")
            self.assertEqual(self.next_with(channel, "READY")["READY"], "1")

    @unittest.skipUnless(shutil.which("systemd-socket-activate"), "systemd-socket-activate is not installed")
    def test_t08_sockets_of_a_service_manager_are_used_and_left_in_place(self):
        self.site.fresh_directory("run")
        paths = [self.site.socket_path(name) for name in ("control", "status")]
        log_path = self.site.directory / "work" / "activated.log"
        with open(log_path, "w", encoding="utf-8") as log:
            process = self.site.start_daemon(log=log, before=[
                "systemd-socket-activate", "-l", str(paths[0]), "-l", str(paths[1]), "--fdname=control:status"])
        daemon = Daemon(self.site, process, log_path, "run")
        try:
            wait_until(lambda: all(path.exists() for path in paths), "the activator's sockets")
            inodes = [path.stat().st_ino for path in paths]
            self.assertEqual(daemon.ask("version")["program"], "reachd")  # this starts it
            self.assertIn("result", self.asked(daemon, "probe", {"requirement": "nlb"}))
            with daemon.connect() as client:
                self.assertEqual(client.ask("reload")["error"]["data"]["reason"], "forbidden")
            self.assertEqual(daemon.end(), 0, daemon.log())
            self.assertEqual([path.stat().st_ino for path in paths], inodes)
        finally:
            daemon.end()

    def asked(self, daemon, method, params=None):
        with daemon.connect("control") as client:
            return client.ask(method, params)

    def test_sockets_without_their_names_are_refused_with_a_word_how(self):
        """LISTEN_PID must be the daemon's own: the shell becomes it."""
        program = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0'
        process = self.site.start_daemon(before=["sh", "-c", program, "sh"])
        _, said = process.communicate(timeout=10)
        self.assertEqual(process.returncode, EXIT_SYSTEM)
        self.assertIn("FileDescriptorName=control and FileDescriptorName=status", said)

    def test_variables_of_another_process_are_ignored(self):
        variables = ["LISTEN_PID=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=control:status"]
        with self.site.daemon(before=["env", *variables]) as daemon:
            self.assertEqual(daemon.ask("version")["program"], "reachd")


class Clients(SystemTest):
    @classmethod
    def setUpClass(cls):
        context = cls.site.daemon(config=cls.site.config({"schedule": {"interval_s": 30}}))
        cls.daemon = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        cls.daemon.await_checked()

    def tearDown(self):
        self.assertEqual(self.daemon.ask("version")["program"], "reachd")
        self.assertNotIn("task.failed", self.daemon.log())

    def reason(self, line, name="status", closed=False):
        """What the daemon says to a line, and whether it hangs up."""
        with self.daemon.connect(name) as client:
            client.send(line if isinstance(line, bytes) else line.encode())
            answer = client.receive()
            if closed:
                self.assertIsNone(client.receive())
            else:
                self.assertIn("result", client.ask("version"))
            return answer["error"]["data"]["reason"]

    def test_t01_lines_that_are_no_requests_are_refused_with_their_reason(self):
        deep = '{"jsonrpc":"2.0","id":1,"method":"report","params":' + "[" * 40 + "]" * 40 + "}\n"
        for line, reason in (("hello\n", "malformed"), ('{"jsonrpc":"2.0","id":1,\n', "malformed"),
                             ("[]\n", "batch_not_supported"), (f"[{REQUEST}]\n", "batch_not_supported"),
                             ("5\n", "invalid_request"), ("{}\n", "invalid_request"),
                             ('{"jsonrpc":"2.0","id":[],"method":"version"}\n', "invalid_request"),
                             ('{"jsonrpc":"2.0","id":1,"id":2,"method":"version"}\n', "duplicate_key"),
                             (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}\n', "not_utf8"), (deep, "too_deep"),
                             ("[" * 60000 + "\n", "too_deep"),
                             ('{"jsonrpc":"2.0","id":1,"method":"forget"}\n', "unknown_method"),
                             ('{"jsonrpc":"2.0","id":1,"method":"version","parms":{}}\n', "invalid_request"),
                             ('{"jsonrpc":"2.0","id":1,"method":"version","params":[]}\n', "invalid_parameter")):
            for name in ("status", "control"):
                with self.subTest(line=line[:60], name=name):
                    self.assertEqual(self.reason(line, name), reason)

    def test_t02_line_over_64_kib_is_refused_and_the_connection_closed(self):
        self.assertEqual(self.reason("x" * (LINE_LIMIT + 1), closed=True), "too_large")
        padded = REQUEST[:-1] + " " * (LINE_LIMIT - len(REQUEST) - 1) + "}\n"
        with self.daemon.connect() as client:  # the longest that is taken
            client.send(padded.encode())
            self.assertIn("result", client.receive())

    def test_request_in_pieces_blank_lines_and_carriage_returns_are_fine(self):
        with self.daemon.connect() as client:
            for piece in (b"\n\r\n", REQUEST[:9].encode(), REQUEST[9:].encode(), b"\r\n"):
                client.send(piece)
                time.sleep(0.05)
            self.assertEqual(client.receive()["id"], 1)

    def test_several_requests_of_one_connection_are_all_answered(self):
        with self.daemon.connect() as client:
            for number in range(40):
                client.send({"jsonrpc": "2.0", "id": number, "method": "report" if number % 4 == 0 else "health"})
            self.assertEqual({client.receive()["id"] for _ in range(40)}, set(range(40)))

    def test_notification_of_a_client_is_not_answered(self):
        with self.daemon.connect() as client:
            client.send({"jsonrpc": "2.0", "method": "health"})
            self.assertEqual(client.ask("version", request_id="after")["id"], "after")

    def test_client_that_half_closes_gets_its_answers_and_then_the_end(self):
        with self.daemon.connect() as client:
            client.send(f"{REQUEST}\n{REQUEST}".encode())  # the last without LF
            client.channel.shutdown(socket.SHUT_WR)
            self.assertEqual([client.receive()["id"] for _ in range(2)], [1, 1])
            self.assertIsNone(client.receive())

    def test_socat_and_netcat_work_as_documented(self):
        path = self.site.socket_path()
        for argv in (["socat", "-", f"UNIX-CONNECT:{path}"], ["nc", "-NU", str(path)]):
            if not shutil.which(argv[0]):
                continue
            done = subprocess.run(argv, input=REQUEST + "\n", text=True, capture_output=True, timeout=10, check=False)
            if "-N" in "".join(argv) and done.returncode != 0 and "invalid option" in done.stderr:
                continue  # another netcat than Debian's
            self.assertEqual(json.loads(done.stdout)["result"]["program"], "reachd", argv)

    def fill(self, name, held):
        """As many clients as it takes. A busy daemon may not have seen yet that others have gone: then once more."""
        for patience in (0.2, 1, 5, None):
            with contextlib.ExitStack() as mine:
                clients = [mine.enter_context(self.daemon.connect(name)) for _ in range(CONNECTION_LIMIT)]
                try:
                    for client in clients:
                        self.assertIn("result", client.ask("version"))
                    held.push(mine.pop_all())
                    return clients
                except (OSError, AssertionError):
                    if patience is None:
                        raise
            time.sleep(patience)
        return []

    def test_t05_full_control_socket_leaves_the_status_socket_open_and_the_other_way_round(self):
        for full, other in (("control", "status"), ("status", "control")):
            with self.subTest(full=full), contextlib.ExitStack() as held:
                clients = self.fill(full, held)
                with self.daemon.connect(full) as late:
                    self.assertEqual(late.receive()["error"]["data"]["reason"], "too_many_connections")
                    self.assertIsNone(late.receive())
                self.assertIn("program", self.daemon.ask("version", None, other))
                self.assertIn("result", clients[0].ask("health"))
            wait_until(lambda: self.is_open(full), "the places to be free again", 5)

    def is_open(self, name):
        try:
            return "program" in self.daemon.ask("version", None, name)
        except (AssertionError, OSError):
            return False

    def test_subscribers_are_counted_and_one_connection_has_one(self):
        with contextlib.ExitStack() as held:
            clients = [held.enter_context(self.daemon.connect()) for _ in range(SUBSCRIPTION_LIMIT + 1)]
            for client in clients[:-1]:
                self.assertIn("result", client.ask("subscribe"))
            self.assertEqual(clients[-1].ask("subscribe")["error"]["data"]["reason"], "too_many_subscriptions")
            self.assertEqual(clients[0].ask("subscribe")["error"]["data"]["reason"], "already_subscribed")
            self.assertIn("result", clients[0].ask("health"))

    def test_client_that_goes_in_the_middle_harms_nobody(self):
        for data in (REQUEST[:20], REQUEST + "\n", '{"jsonrpc":"2.0","id":1,"method":"report"}\n' * 20):
            for _ in range(10):
                with self.daemon.connect() as client:
                    client.send(data.encode())

    def test_t04_client_that_does_not_read_holds_nobody_up(self):
        with self.daemon.connect() as deaf:
            deaf.send(b'{"jsonrpc":"2.0","id":1,"method":"report"}\n' * 100)
            began = time.monotonic()
            self.daemon.ask("health")
            self.assertLess(time.monotonic() - began, 3)

    def test_t03_line_that_does_not_end_is_refused_after_ten_seconds(self):
        began = time.monotonic()
        self.assertEqual(self.reason(REQUEST[:20], closed=True), "too_slow")
        self.assertTrue(9 < time.monotonic() - began < 14)


class Successor(SystemTest):
    """The daemon ends under a question, and the next one takes the service manager's socket over."""

    @contextlib.contextmanager
    def daemons(self, name, answer):
        """The socket at which the first daemon hangs up on a question and the second answers; the questions."""
        path, asked = str(self.site.fresh_directory("run") / f"{name}.sock"), []
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            os.chmod(path, 0o666)
            listener.listen()

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        channel, _ = listener.accept()
                        with channel, channel.makefile("r") as stream:
                            asked.append(json.loads(stream.readline()))
                            if len(asked) > 1:
                                channel.sendall((json.dumps({"jsonrpc": "2.0", "id": 1, "result": answer}) + "\n").encode())
            thread = threading.Thread(target=serve)
            thread.start()
            try:
                yield asked
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    def test_command_that_only_reads_asks_the_next_daemon(self):
        with self.daemons("status", {"state": "ready", "sentence": "from the next one"}) as asked:
            done = self.site.reachctl("health", "--format", "json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("from the next one", done.stdout)
        self.assertEqual([one["method"] for one in asked], ["health", "health"])

    def test_command_that_changes_something_is_not_repeated(self):
        with self.daemons("control", {}) as asked:
            done = self.site.reachctl("reload")
        self.assertEqual((done.returncode, [one["method"] for one in asked]), (3, ["reload"]))
        self.assertIn("reachd closed the connection without an answer", done.stderr)


if __name__ == "__main__":
    main("sockets")
