# SPDX-License-Identifier: Apache-2.0
"""Threats T01 to T08 of docs/SECURITY-TESTS.md, against the control socket, the status socket and HTTP together: while one
of them is abused, the others answer, the watchdog is fed, subscribers lose nothing and the probes are on time.

    sudo /usr/bin/python3 tests/system/threats_sockets_test.py [-v]

The figures that it prints are those of docs/SECURITY-TESTS.md.
"""
import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bystander import (Bystander, Memory, children, daemon_row, hammer, process_seconds, told,  # noqa: E402
                       web_alive)
from lab_site import CONNECT, PRIMARY, SystemTest, main, wait_until  # noqa: E402
from lab.lab import NOBODY  # noqa: E402
from lab.system import in_namespace  # noqa: E402
from web_lab import LISTEN, Answer, Web, metrics_in, read_to_end  # noqa: E402

SIGNALING = {"id": "signaling", "transport": "tcp", "destinations": [PRIMARY], "ports": 4200, "expect": "service"}
RANGE = {"id": "range", "transport": "tcp", "destinations": [CONNECT], "ports": "2001-2100", "expect": "path"}
OWN = {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "Support", "requirements": [SIGNALING, RANGE]}
ENDPOINTS = 301
SETTINGS = {"catalogues": ["own"], "values": {}, "schedule": {"interval_s": 1, "sweep_interval_s": 1},
            "limits": {"nat_entries": 0}, "http": {"listen": LISTEN}}
LINE_LIMIT, HEADER_LIMIT = 64 * 1024, 8 * 1024
CONNECTION_LIMIT, SUBSCRIPTION_LIMIT, HTTP_PEER_LIMIT, STREAM_LIMIT = 32, 8, 32, 16
LINE_TIME_S = 10.0
WATCHDOG_S = 4.0
# Of an ordinary client meanwhile. A machine that is busy with other tests makes single answers late, not most of them.
MEDIAN_S, LONGEST_S = 0.05, 1.5
LEAST_RATIO = 0.75    # of SYNs a second, to those without abuse
MOST_GROWTH_KIB = 1024
FLOOD = 5000


class Abused(SystemTest):
    """One daemon for all; what it does without abuse is measured first."""

    @classmethod
    def setUpClass(cls):
        cls.site.write("catalogues/own.json", OWN)
        cls.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        cls.addClassCleanup(cls.notify.close)
        path = cls.site.fresh_directory("notify") / "socket"
        cls.notify.bind(str(path))
        path.chmod(0o666)
        context = cls.site.daemon(config=cls.site.config(SETTINGS), before=[
            "env", f"NOTIFY_SOCKET={path}", f"WATCHDOG_USEC={int(WATCHDOG_S * 1e6)}"])
        cls.daemon = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        cls.daemon.await_row("signaling", "pass")
        wait_until(lambda: cls.daemon.row("range")["counts"]["pass"] == ENDPOINTS - 1, "the first sweep")
        cls.web = Web(cls.site)
        time.sleep(2)  # the look back after a first round
        with Bystander(cls.daemon, cls.web, cls.notify) as quiet:
            time.sleep(7)
        cls.quiet = quiet.result
        told("T00", f"quiet: {ENDPOINTS} endpoints, {cls.quiet.syn_rate:.1f} SYNs/s; {cls.words(cls.quiet)}")

    @staticmethod
    def words(seen):
        """What the bystander saw, in figures."""
        parts = [f"{name} median {answers.median * 1000:.1f} ms, longest {answers.longest * 1000:.0f} ms, "
                 f"{len(answers.lost)} of {len(answers.times) + len(answers.lost)} lost"
                 for name, answers in (("status", seen.status), ("control", seen.control), ("http", seen.http))
                 if answers.times or answers.lost]
        late = seen.late["+Inf"] - seen.late["0.1"]
        return "; ".join([*parts, f"event loop late by over 100 ms {late:.0f} times of {seen.late['+Inf']:.0f}",
                          f"watchdog waited {seen.longest_unfed:.1f} s", f"{seen.events_missed()} events missed"])

    @contextlib.contextmanager
    def bystander(self, threat, what, names=("status", "control", "http"), growth=MOST_GROWTH_KIB,
                  least=LEAST_RATIO, longest=LONGEST_S):
        """Abuse in here. `what()` is said afterwards, with the figures, which must keep within their bounds."""
        memory, pid = Memory(self.daemon.process.pid), self.daemon.process.pid
        log = len(self.daemon.log())
        with Bystander(self.daemon, self.web, self.notify, names) as watching:
            yield
        seen = watching.result
        most, left = memory.growth()
        ratio = seen.syn_rate / self.quiet.syn_rate
        told(threat, f"{what()}; memory {most:+d} KiB at most, {left:+d} KiB afterwards; SYNs {ratio:.2f} of quiet; "
                     f"longest round {seen.longest_round:.1f} s; {self.words(seen)}")
        for name in names:
            answers = getattr(seen, name)
            self.assertGreater(len(answers.times), 10, f"{name}: {answers.lost[:3]}")
            self.assertEqual(answers.lost, [], name)
            self.assertLess(answers.median, MEDIAN_S, name)
            self.assertLess(answers.longest, longest, name)
        self.assertGreater(ratio, least, "the probes were late")
        self.assertEqual(seen.events_missed(), 0)
        self.assertLess(seen.longest_unfed, WATCHDOG_S, "the watchdog was not fed in time")
        self.assertEqual(seen.late["+Inf"], seen.late["1"], "the event loop was late by more than a second")
        self.assertLess(most, growth, "KiB of memory")
        self.assertEqual((self.daemon.process.pid, self.daemon.process.poll()), (pid, None))
        self.assertEqual(self.daemon.log()[log:], "", "abuse by strangers fills the log")
        self.assertEqual(self.daemon.row("range")["counts"]["fail"], 0)

    def counters(self):
        return metrics_in(self.daemon.ask("metrics")["text"])

    def refused(self, reason, before, side="control"):
        name = f'reachd_{side}_refused_total{{reason="{reason}"}}'
        return int(self.counters()[name] - before[name])

    def web_sockets(self, count):
        """Connections to the HTTP port that have room for little, made by one thread."""
        def made():
            out = []
            for _ in range(count):
                channel = socket.socket()
                channel.settimeout(30)
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                channel.connect((self.web.address, self.web.port))
                out.append(channel)
            return out
        return in_namespace(self.web.namespace, made)

    def test_t01_deep_nesting_is_refused_by_both_sockets_and_http(self):
        before, tried, seconds = self.counters(), 0, 4.5
        deep = [b"[" * 60000, b'{"a":' * 12000, b'{"jsonrpc":"2.0","id":1,"method":"report","params":' + b"[" * 60000,
                b'{"jsonrpc":"2.0","id":' + b"[" * 33 + b"]" * 33 + b',"method":"health"}',
                b'{"jsonrpc":"2.0","id":1,"method":"report","params":{"catalogue":' + b"[" * 30000 + b"]" * 30000 + b"}}"]
        too_long = b"[" * 100000 + b"\n"
        reasons = {"too_deep": 0, "too_large": 0}
        with self.bystander("T01", lambda: f"{tried} nested inputs ({reasons})"):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for name in ("status", "control"):
                    with self.daemon.connect(name) as client:
                        for line in deep:
                            client.send(line + b"\n")
                            reasons[client.receive()["error"]["data"]["reason"]] += 1
                    with self.daemon.connect(name) as client:
                        with contextlib.suppress(OSError):
                            client.send(too_long)
                        reasons[client.receive()["error"]["data"]["reason"]] += 1
                        self.assertIsNone(client.receive())
                    tried += len(deep) + 1
                for path in ("/history?limit=" + "[" * 3000, "/report?requirement=" + "%5B" * 2000, "/" + "[" * 4000):
                    self.assertIn(self.web.get(path).status, (400, 404))
                    tried += 1
                time.sleep(0.02)
        self.assertEqual(self.refused("too_deep", before), reasons["too_deep"])
        self.assertEqual(self.refused("too_large", before), reasons["too_large"])
        self.assertGreater(reasons["too_deep"], 100)

    def test_t02_lines_without_end_are_refused_at_their_limit(self):
        before, sent, tried, seconds = self.counters(), 0, 0, 4.5

        def endless(channel, first):
            """Pushes until the other side has enough; what came back."""
            nonlocal sent
            with contextlib.suppress(OSError):
                channel.sendall(first)
                for _ in range(64):
                    sent += channel.send(b"x" * 65536)
            return read_to_end(channel)
        with self.bystander("T02", lambda: f"{tried} endless lines and headers, {sent / 1e6:.0f} MB of them taken by the kernel"):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for name in ("status", "control"):
                    with self.daemon.connect(name) as client:
                        self.assertIn(b'"too_large"', endless(client.channel, b'{"jsonrpc":"2.0","method":"'))
                with self.web.connect() as channel:
                    self.assertEqual(Answer(endless(channel, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")).status, 431)
                with self.web.connect() as channel:  # as many headers as it takes
                    self.assertEqual(Answer(endless(channel, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10000)).status, 431)
                tried += 4
        exactly = b" " * LINE_LIMIT + b"x"
        with self.daemon.connect() as client:
            client.send(exactly)
            self.assertEqual(client.receive()["error"]["data"]["reason"], "too_large")
        self.assertEqual(self.refused("too_large", before), tried // 2 + 1)
        self.assertEqual(self.refused("header_too_large", before, "http"), tried // 2)

    def test_t03_lines_a_byte_a_second_are_ended_after_ten_seconds(self):
        held = 28  # of 32 places on each, so that others still have some
        ended = {}
        with self.bystander("T03", lambda: "; ".join(f"{held} slow clients of {name} ended after {ended[name][0]:.1f} to "
                                                     f"{ended[name][-1]:.1f} s" for name in ended),
                            growth=2 * MOST_GROWTH_KIB):
            with contextlib.ExitStack() as stack:
                began = time.monotonic()
                slow = {}
                for name in ("status", "control"):
                    for _ in range(held):
                        slow[stack.enter_context(self.daemon.connect(name)).channel] = (name, b"{")
                for channel in self.web_sockets(held):
                    slow[stack.enter_context(channel)] = ("http", b"G")
                last_words = {name: set() for name in ("status", "control", "http")}
                for channel, (_, word) in slow.items():
                    channel.sendall(word)
                next_byte = began + 1
                while slow and time.monotonic() < began + 2 * LINE_TIME_S:
                    ready, _, _ = select.select(list(slow), [], [], max(0, next_byte - time.monotonic()))
                    for channel in ready:
                        name, _ = slow.pop(channel)
                        last_words[name].add(channel.recv(4096)[:12])
                        ended.setdefault(name, []).append(time.monotonic() - began)
                    if time.monotonic() >= next_byte:
                        next_byte += 1
                        for channel in slow:
                            with contextlib.suppress(OSError):
                                channel.sendall(b"E")
                self.assertEqual(slow, {}, "some are held still")
        for name, times in ended.items():
            self.assertGreater(times[0], LINE_TIME_S - 1, name)
            self.assertLess(times[-1], LINE_TIME_S + 3, name)
        self.assertEqual({word[:9] for word in last_words["http"]}, {b"HTTP/1.1 "})
        self.assertEqual(last_words["status"] | last_words["control"], {b'{"error":{"c'})

    def test_t04_readers_that_take_nothing_are_cut_off_and_others_lose_nothing(self):
        asked, greedy = 100, 3  # reports, by so many on each socket: they fill their queues, and are cut off
        deaf, streams, began = 0, 0, time.monotonic()
        report = b'{"jsonrpc":"2.0","id":2,"method":"report"}\n'
        with self.bystander("T04", lambda: f"{deaf} deaf subscribers, {streams} deaf streams and "
                                           f"{HTTP_PEER_LIMIT - 8 - streams} deaf readers; {2 * greedy} of the first and "
                                           f"all others asked for {asked} reports; cut off after {cut:.0f} s",
                            growth=64 * 1024):
            with contextlib.ExitStack() as stack:
                for name in ("status", "control"):
                    for number in range(SUBSCRIPTION_LIMIT - (name == "status")):
                        client = stack.enter_context(self.daemon.connect(name))
                        client.channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                        self.assertIn("result", client.ask("subscribe"))
                        client.channel.setblocking(False)
                        with contextlib.suppress(BlockingIOError):
                            client.channel.send(report * asked if number < greedy else b"")
                        deaf += 1
                for number, channel in enumerate(self.web_sockets(HTTP_PEER_LIMIT - 8)):
                    stack.enter_context(channel)
                    path = "/events" if number < STREAM_LIMIT else "/report"
                    streams += path == "/events"
                    channel.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        channel.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * asked)
                wait_until(lambda: self.counters()["reachd_control_subscriptions"] == 1 + deaf - 2 * greedy,
                           "those whose queue is full to be cut off", 40)
                cut = time.monotonic() - began
                after = self.counters()
                self.assertLessEqual(after["reachd_http_connections"], HTTP_PEER_LIMIT)

    def flood(self, connect, count):
        """So many connects, none closed by us before the last; (refused, held)."""
        connections, answered = [], 0
        for _ in range(count):
            connections.append(connect())
            if len(connections) > 500:  # the refused ones have their answer and end
                answered += self.swept(connections)
        time.sleep(0.3)
        answered += self.swept(connections)
        held = len(connections)
        for channel in connections:
            channel.close()
        return answered, held

    @staticmethod
    def swept(connections):
        poll = select.poll()
        known = {channel.fileno(): channel for channel in connections}
        for handle in known:
            poll.register(handle, select.POLLIN)
        gone = 0
        for handle, _ in poll.poll(0):
            known[handle].close()
            connections.remove(known[handle])
            gone += 1
        return gone

    def unix_connect(self, name):
        def connect():
            channel = socket.socket(socket.AF_UNIX)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 30, 0))  # waits for the backlog
            channel.connect(str(self.site.socket_path(name)))
            return channel
        return connect

    def web_connect(self):
        return socket.create_connection((self.web.address, self.web.port), 30)

    def flooded(self, victim, others, connect, side, run=lambda function: function()):
        before = self.counters()
        figures = []

        def attack():
            began = time.monotonic()
            while time.monotonic() - began < 4.5 or not figures:
                figures.append(self.flood(connect, FLOOD))
        with self.bystander("T05", lambda: f"{FLOOD * len(figures)} connects to {victim}, {max(held for _, held in figures)} "
                                           "held", others):
            run(attack)
        limit = HTTP_PEER_LIMIT if side == "http" else CONNECTION_LIMIT
        self.assertLessEqual(max(held for _, held in figures), limit)
        self.assertGreaterEqual(self.refused("too_many_connections", before, side), (FLOOD - limit - 500) * len(figures))

    def test_t05_flood_of_the_control_socket_leaves_the_others_alone(self):
        self.flooded("control", ("status", "http"), self.unix_connect("control"), "control")

    def test_t05_flood_of_the_status_socket_leaves_the_others_alone(self):
        self.flooded("status", ("control", "http"), self.unix_connect("status"), "control")

    def test_t05_flood_of_http_leaves_the_others_alone(self):
        self.flooded("http", ("status", "control"), self.web_connect, "http",
                     lambda function: in_namespace(self.web.namespace, function))

    def test_t05_requests_without_a_pause_leave_the_others_their_turn(self):
        """Whole reports, which are dear to make, by clients that do read them."""
        answered = multiprocessing.Value("i", 0)
        hammers = [multiprocessing.get_context("fork").Process(target=hammer, args=(self.daemon, name, answered))
                   for name in ("status", "status", "control", "control")]
        with self.bystander("T05", lambda: f"{answered.value} reports to {len(hammers)} clients that ask without a pause",
                            growth=64 * 1024, least=LEAST_RATIO / 1.5, longest=2 * LONGEST_S):
            for one in hammers:
                one.start()
            time.sleep(8)
            for one in hammers:
                one.kill()
                one.join()
        self.assertGreater(answered.value, 10)

    def test_t06_nothing_is_changed_through_the_status_socket_or_http(self):
        methods = {one["name"]: one["access"] for one in self.daemon.ask("methods")["methods"]}
        changing = [name for name, access in methods.items() if access == "change"]
        self.assertGreaterEqual(len(changing), 3)
        before, tried = self.counters(), 0
        with self.bystander("T06", lambda: f"{tried} attempts to change something, none carried out"):
            rounds, until = 0, time.monotonic() + 4.5
            while time.monotonic() < until:
                rounds += 1
                with self.daemon.connect() as client:
                    for name in changing:
                        for params in (None, {}, {"requirement": "range"}, {"requirement": "range", "note": "x"}):
                            error = client.ask(name, params)["error"]
                            self.assertIn(error["data"]["reason"], ("forbidden", "unknown_parameter", "missing_parameter"))
                            tried += 1
                for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "reload"):
                    for path in ("/report", "/probe", "/reload"):
                        self.assertIn(self.web.get(path, method=method).status, (405, 400))
                        tried += 1
                for name in changing:
                    self.assertEqual(self.web.get(f"/{name}").status, 404)
                    tried += 1
        self.assertGreaterEqual(self.refused("forbidden", before), rounds * len(changing))
        self.assertNotIn("control.change", self.daemon.log())

    def test_t07_who_is_not_of_the_group_may_read_and_not_connect_to_the_control_socket(self):
        program = ("import json, socket, sys\n"
                   "channel = socket.socket(socket.AF_UNIX)\n"
                   "try:\n"
                   "    channel.connect(sys.argv[1])\n"
                   "except OSError as problem:\n"
                   "    sys.exit(problem.strerror)\n"
                   "channel.sendall(b'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}\\n' % sys.argv[2].encode())\n"
                   "print(json.loads(channel.makefile().readline()))\n")

        def as_user(uid, gid, name, method="health"):
            return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "/usr/bin/python3", "-Ic",
                                   program, str(self.site.socket_path(name)), method],
                                  capture_output=True, text=True, timeout=30, check=False)
        users = ((4711, 4711), (33, 33), (int(NOBODY) - 1, 100))
        for uid, gid in users:
            done = as_user(uid, gid, "control")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", "Permission denied\n"))
            self.assertIn("'result'", as_user(uid, gid, "status").stdout)
            self.assertIn("'forbidden'", as_user(uid, gid, "status", "reload").stdout)
        self.assertIn("'result'", as_user(4711, NOBODY, "control").stdout, "one of the group")
        told("T07", f"{len(users)} users outside the group: EACCES on control.sock, an answer on status.sock; one inside: both")


class Descriptors(SystemTest):
    LIMIT = 64

    def test_t05_want_of_descriptors_is_survived_and_nothing_fails_for_it(self):
        """Both sockets and HTTP may have 96 clients together: more than there are descriptors."""
        self.site.write("catalogues/own.json", OWN)
        web = Web(self.site)
        with self.site.daemon(config=self.site.config(SETTINGS), before=[
                "prlimit", f"--nofile={self.LIMIT}:{self.LIMIT}", "--"]) as daemon:
            daemon.await_row("signaling", "pass")
            wait_until(lambda: daemon.row("range")["counts"]["pass"] == ENDPOINTS - 1, "the first sweep")
            descriptors = pathlib.Path(f"/proc/{daemon.process.pid}/fd")
            with contextlib.ExitStack() as held, daemon.connect() as before:
                connects = 0
                until = time.monotonic() + 4
                while time.monotonic() < until:
                    for name in ("control", "status"):
                        with contextlib.suppress(OSError):
                            channel = held.enter_context(socket.socket(socket.AF_UNIX))
                            channel.setblocking(False)
                            channel.connect(str(self.site.socket_path(name)))
                            connects += 1
                    with contextlib.suppress(OSError):
                        held.enter_context(web.connect(0.2))
                        connects += 1
                    if connects > 400:
                        time.sleep(0.05)
                most = len(list(descriptors.iterdir()))
                self.assertIn("result", before.ask("health"), "who was there before is served")
                used = process_seconds(daemon.process.pid)
                time.sleep(1)
                used = process_seconds(daemon.process.pid) - used
                failing = daemon_row(before, "range")["counts"]["fail"] + daemon_row(before, "signaling")["counts"]["fail"]
            self.assertEqual(failing, 0, "want of descriptors is no verdict on the network")
            self.assertLess(used, 0.15, "it spins while there is no descriptor")
            began = time.monotonic()
            wait_until(lambda: web_alive(web) and "program" in daemon.ask("version", None, "control"), "a place", 20)
            recovered = time.monotonic() - began
            wait_until(lambda: daemon.row("signaling")["state"] == daemon.row("range")["state"] == "pass", "the probes", 30)
            wait_until(lambda: len(list(descriptors.iterdir())) < 40, "the descriptors", 20)
            told("T05", f"LimitNOFILE={self.LIMIT}: {connects} connects, {most} descriptors in use, {used:.2f} s of processor "
                        f"in a second without any; all three answer {recovered:.2f} s after the clients left; "
                        f"{failing} endpoints called failing")
            self.assertNotIn("task.failed", daemon.log())


class Modes(SystemTest):
    """T08: there is no moment at which a socket has more rights than it should."""

    def settings(self):
        self.site.write("catalogues/own.json", OWN)
        return self.site.config(SETTINGS | {"http": {"listen": f"unix:{self.site.directory / 'run' / 'http.sock'}"}})

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_t08_no_mode_is_changed_after_a_socket_was_bound(self):
        config = self.settings()
        trace = self.site.fresh_directory("trace") / "calls"
        wanted = "bind,listen,chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,umask"
        with self.site.daemon(config=config, before=["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={wanted}"]) as daemon:
            daemon.await_row("signaling", "pass")
            daemon.ask("reload", None, "control")
            wait_until(lambda: "config.reloaded" in daemon.log(), "the reload")
            tracer, traced = daemon.process.pid, children(daemon.process.pid)
            for pid in traced:
                os.kill(pid, signal.SIGTERM)
            daemon.process.wait(timeout=20)
            self.assertNotIn(tracer, traced)
        calls = re.findall(r"^\d+ +(\w+)\((.*)", trace.read_text(encoding="utf-8"), re.M)
        names = [name for name, _ in calls]
        bound = [index for index, (name, words) in enumerate(calls) if name == "bind" and "AF_UNIX" in words]
        paths = sorted(re.search(r'sun_path="[^"]*/(\w+\.sock)"', calls[index][1])[1] for index in bound)
        self.assertEqual(paths, ["control.sock", "http.sock", "status.sock"])
        self.assertEqual([name for name in names if "mod" in name or "chown" in name], [], "a mode or an owner was changed")
        for index in bound:  # the mask is on in the call before: no other moment counts
            self.assertEqual(names[index - 1], "umask", calls[index])
            self.assertEqual(calls[index - 1][1].partition(")")[0], "0117" if "control" in calls[index][1] else "0111")
        told("T08", f"strace: {len(bound)} sockets bound under their mask, no chmod or chown in {len(calls)} calls")

    def test_t08_who_looks_all_the_time_never_sees_another_mode(self):
        config, seen, looks = self.settings(), {}, 0
        wanted = {"control.sock": 0o660, "status.sock": 0o666, "http.sock": 0o666}
        starts = 12
        for _ in range(starts):
            self.site.fresh_directory("run")
            process = self.site.start_daemon(config=config, log=subprocess.DEVNULL)
            until = time.monotonic() + 10
            while time.monotonic() < until and not (self.site.directory / "run" / "http.sock").exists():
                for name in wanted:
                    looks += 1
                    with contextlib.suppress(FileNotFoundError):
                        found = os.lstat(self.site.directory / "run" / name)
                        seen.setdefault(name, set()).add(stat.S_IMODE(found.st_mode))
            for name in wanted:
                found = os.lstat(self.site.directory / "run" / name)
                seen.setdefault(name, set()).add(stat.S_IMODE(found.st_mode))
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
        told("T08", f"{looks} looks during {starts} starts, modes seen: "
                    f"{json.dumps({name: sorted(map(oct, modes)) for name, modes in seen.items()})}")
        self.assertEqual(seen, {name: {mode} for name, mode in wanted.items()})


if __name__ == "__main__":
    main("tsock")
