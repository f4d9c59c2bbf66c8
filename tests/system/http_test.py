# SPDX-License-Identifier: Apache-2.0
"""The daemon over HTTP: health, report, events, who may ask, reloads, and clients that do not behave. While these are at
work the probes must not be late.

    sudo /usr/bin/python3 tests/system/http_test.py [-v]
"""
import contextlib
import pathlib
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import EXIT_IN_USE, PRIMARY, SystemTest, main, wait_until  # noqa: E402
from web_lab import HTTP_PORT, LISTEN, Answer, Events, Web, metrics_in, read_to_end  # noqa: E402

SIGNALING = {"id": "signaling", "transport": "tcp", "destinations": [PRIMARY], "ports": 4200, "expect": "service"}
OWN = {"id": "own", "title": "Own", "document": {"title": "Own"}, "contact": "Support", "requirements": [SIGNALING]}
SETTINGS = {"catalogues": ["own"], "values": {}, "schedule": {"interval_s": 1}}
CONNECTION_LIMIT, PEER_LIMIT, HEADER_LIMIT = 64, 32, 8 * 1024
LATE_S = 0.3  # of an event loop that nobody holds up, on a machine that is busy with other tests


class WithHttp(SystemTest):
    def start(self, http=None, **changes):
        self.site.write("catalogues/own.json", OWN)
        config = self.site.config(SETTINGS | {"http": http or {"listen": LISTEN}} | changes)
        context = self.site.daemon(config=config)
        daemon = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return daemon, Web(self.site)


class Answers(WithHttp):
    def test_health_is_200_only_where_the_site_is_proven_ready(self):
        daemon, web = self.start()
        daemon.await_row("signaling", "pass")
        ready = web.get("/health")
        self.assertEqual(set(ready.json()), set(daemon.ask("health")))
        self.assertEqual(ready.json()["history"]["state"], "kept")
        self.assertEqual((ready.status, ready.json()["state"]), (200, "ready"))
        self.fault("drop", port="4200", proto="tcp")
        daemon.await_row("signaling", "fail", 30)
        wait_until(lambda: web.get("/health").json()["state"] == "not_ready", "the fault over HTTP", 5)
        self.assertEqual(web.get("/health").status, 503)
        self.assertEqual(web.get("/alive").status, 200, "the network is broken, the daemon is not")
        self.site.lab.clear()
        wait_until(lambda: web.get("/health").status == 200, "the end of the fault over HTTP", 60)

    def test_report_is_that_of_the_control_socket(self):
        daemon, web = self.start()
        daemon.await_row("signaling", "pass")
        wait_until(lambda: web.get("/report").json()["state"] == "ready", "the report over HTTP", 5)
        over_http, over_socket = web.get("/report").json(), daemon.ask("report")
        self.assertEqual(over_http.keys(), over_socket.keys())
        self.assertEqual(web.get("/report?requirement=own/signaling").json()["catalogues"][0]["requirements"][0]["id"],
                         "signaling")
        self.assertEqual(web.get("/report?requirement=nothing").status, 404)

    def test_every_answer_forbids_what_pages_of_others_could_do_with_it(self):
        _, web = self.start()
        for path in ("/", "/health", "/report", "/metrics", "/nothing"):
            with self.subTest(path=path):
                headers = web.get(path).headers
                self.assertIn("default-src 'none'", headers["content-security-policy"])
                self.assertNotIn("unsafe", headers["content-security-policy"])
                self.assertEqual(headers["x-content-type-options"], "nosniff")
                self.assertEqual(headers["cross-origin-resource-policy"], "same-origin")
                self.assertNotIn("access-control-allow-origin", headers)
                self.assertEqual(headers["cache-control"], "no-store")

    def test_events_come_as_they_happen_and_continue_where_they_stopped(self):
        daemon, web = self.start()
        daemon.await_row("signaling", "pass")
        with Events(web) as events:
            _, state = events.first(lambda name, _: name == "snapshot")
            self.assertEqual(state["requirements"][0]["requirement"], "signaling")
            self.fault("reject", port="4200", proto="tcp")
            number, _ = events.first(lambda _, data: data.get("kind") == "verdict.changed" and data["state"] == "fail")
        self.site.lab.clear()
        daemon.await_row("signaling", "pass", 60)
        with Events(web, last_id=number) as events:
            name, data = next((name, data) for _, name, data in events)
            self.assertEqual(name, "message", "a stream that continues has no snapshot")
            if data.get("state") != "pass":
                events.first(lambda _, data: data.get("kind") == "verdict.changed" and data["state"] == "pass")

    def test_unix_socket_serves_the_same_and_any_host(self):
        path = self.site.directory / "run" / "http.sock"
        daemon, _ = self.start({"listen": f"unix:{path}"})
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(path))
            channel.sendall(b"GET /health HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n")
            self.assertIn(Answer(read_to_end(channel)).status, (200, 503))
        self.assertEqual(path.stat().st_mode & 0o777, 0o666)
        self.assertEqual(daemon.end(), 0)
        self.assertFalse(path.exists())


class Listening(WithHttp):
    def test_nothing_listens_unless_it_is_configured(self):
        daemon, web = self.start({"listen": LISTEN})
        config = self.site.config(SETTINGS)  # without http, over the one in force
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "config.reloaded" in daemon.log(), "the reload", 10)
        with self.assertRaises(ConnectionRefusedError):
            web.connect()
        self.assertTrue(config.exists())

    def test_reload_moves_the_listener_and_a_port_in_use_changes_nothing(self):
        daemon, web = self.start()
        self.assertEqual(web.get("/alive").status, 200)
        moved = Web(self.site, HTTP_PORT + 1)
        self.site.config(SETTINGS | {"http": {"listen": f"127.0.0.1:{HTTP_PORT + 1}"}})
        self.assertTrue(daemon.ask("reload", None, "control")["reloaded"])
        self.assertEqual(moved.get("/alive").status, 200)
        with self.assertRaises(ConnectionRefusedError):
            web.connect()
        with Taken(self.site, HTTP_PORT + 2):
            self.site.config(SETTINGS | {"http": {"listen": f"127.0.0.1:{HTTP_PORT + 2}"}})
            with daemon.connect("control") as client:
                error = client.ask("reload")["error"]
        self.assertEqual(error["data"]["reason"], "rejected")
        self.assertIn(f"cannot listen on 127.0.0.1:{HTTP_PORT + 2} for HTTP: Address already in use", error["message"])
        self.assertEqual(moved.get("/alive").status, 200)

    def test_daemon_does_not_start_where_its_port_is_taken(self):
        self.site.write("catalogues/own.json", OWN)
        with Taken(self.site, HTTP_PORT):
            self.site.fresh_directory("run")
            process = self.site.start_daemon(config=self.site.config(SETTINGS | {"http": {"listen": LISTEN}}))
            _, said = process.communicate(timeout=10)
        self.assertEqual(process.returncode, EXIT_IN_USE)
        self.assertIn(f"cannot listen on {LISTEN} for HTTP", said)

    def test_other_machines_are_served_only_where_that_was_said(self):
        _, web = self.start({"listen": f"0.0.0.0:{HTTP_PORT}", "allow_remote": True, "hosts": ["status.example.net"]})
        self.assertEqual(web.get("/alive", host="status.example.net").status, 200)
        self.assertEqual(web.get("/alive", host="10.77.1.2:9870").status, 200)
        self.assertEqual(web.get("/alive", host="other.example.net").status, 421)
        near = Web(self.site, address="10.77.1.2", host="site")
        self.assertEqual(near.get("/alive", host="10.77.1.2").status, 200)


class Taken:
    """A port of the client's loopback that somebody else listens on."""

    def __init__(self, site, port):
        self.web, self.port = Web(site), port

    def __enter__(self):
        from lab.system import in_namespace
        self.socket = in_namespace(self.web.namespace, socket.create_server, ("127.0.0.1", self.port))
        return self

    def __exit__(self, *_):
        self.socket.close()


class Threats(WithHttp):
    """Numbers: docs/SECURITY-TESTS.md."""

    @classmethod
    def setUpClass(cls):
        cls.site.write("catalogues/own.json", OWN)
        config = cls.site.config(SETTINGS | {"http": {"listen": LISTEN}})
        context = cls.site.daemon(config=config)
        cls.daemon = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        cls.daemon.await_row("signaling", "pass")
        cls.web = Web(cls.site)

    @contextlib.contextmanager
    def probes_on_time(self):
        """Rounds go on, and the event loop was never late by more than half a second."""
        with self.daemon.connect() as client:
            before = metrics_in(client.ask("metrics")["result"]["text"])
            client.ask("subscribe")
            yield
            client.next_event(lambda event: event["kind"] == "round.finished", 10)
        after = metrics_in(self.daemon.ask("metrics")["text"])
        late = [after[name] - before[name] for name in
                ('reachd_event_loop_lag_seconds_bucket{le="+Inf"}', 'reachd_event_loop_lag_seconds_bucket{le="0.5"}')]
        self.assertEqual(late[0], late[1], "the event loop was late by more than half a second")
        self.assertEqual(self.daemon.row("signaling")["state"], "pass")

    def tearDown(self):
        self.assertNotIn("task.failed", self.daemon.log())
        self.assertEqual(self.web.get("/alive").status, 200)

    def test_t02_header_without_end_is_refused_at_its_limit(self):
        with self.probes_on_time():
            endless = self.web.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * (64 * HEADER_LIMIT))
            self.assertEqual(Answer(endless).status, 431)

    def test_t03_drip_is_ended_after_ten_seconds_and_others_are_answered_at_once(self):
        with self.probes_on_time(), contextlib.ExitStack() as held:
            slow = [held.enter_context(self.web.connect()) for _ in range(PEER_LIMIT - 4)]
            began = time.monotonic()
            longest = 0.0
            while time.monotonic() - began < 11:
                for channel in slow:
                    with contextlib.suppress(ConnectionError):
                        channel.sendall(b"G" if time.monotonic() - began < 0.2 else b"E")
                asked = time.monotonic()
                self.assertEqual(self.web.get("/alive").status, 200)
                longest = max(longest, time.monotonic() - asked)
                time.sleep(0.5)
            self.assertLess(longest, LATE_S)
            for channel in slow:
                self.assertIn(Answer(read_to_end(channel)).status, (400, 408))
            self.assertLess(time.monotonic() - began, 14)

    def test_t04_readers_that_take_nothing_hold_nobody_up(self):
        with self.probes_on_time(), contextlib.ExitStack() as held:
            for path in ("/report", "/events", "/metrics") * 8:
                channel = held.enter_context(self.web.connect())
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                channel.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 20)
            for _ in range(10):
                asked = time.monotonic()
                self.assertEqual(self.web.get("/health").status, 200)
                self.assertLess(time.monotonic() - asked, LATE_S)

    def test_t05_flood_of_connections_is_refused_and_passes(self):
        refused = 'reachd_http_refused_total{reason="too_many_connections"}'
        before = self.web.metric(refused)
        with self.probes_on_time(), contextlib.ExitStack() as held:
            for _ in range(500):
                channel = held.enter_context(self.web.connect())
                channel.sendall(b"GET /al")
            self.assertEqual(self.daemon.ask("health")["state"], "ready", "the status socket has places of its own")
        wait_until(lambda: self.web.get("/alive").status == 200, "a place", 15)
        self.assertGreaterEqual(self.web.metric(refused), before + 500 - CONNECTION_LIMIT)

    def test_t05_requests_as_fast_as_possible_leave_the_probes_on_time(self):
        stop = threading.Event()
        answered = [0, 0, 0]

        def hammer(index, path):
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            with self.web.connect() as channel:
                while not stop.is_set():
                    channel.sendall(request)
                    channel.recv(1 << 20)
                    answered[index] += 1
        threads = [threading.Thread(target=hammer, args=one) for one in enumerate(("/report", "/metrics", "/health"))]
        with self.probes_on_time():
            for thread in threads:
                thread.start()
            time.sleep(3)
            with self.daemon.connect() as client:
                client.ask("subscribe")
                client.next_event(lambda event: event["kind"] == "round.finished", 5)
            stop.set()
            for thread in threads:
                thread.join()
        self.assertGreater(min(answered), 20, answered)

    def test_t06_nothing_that_changes_is_taken(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "reload"):
            with self.subTest(method=method):
                answer = self.web.get("/health", method=method)
                self.assertEqual(answer.status, 405)
                self.assertEqual(answer.headers["allow"], "GET, HEAD")
        self.assertEqual(self.web.get("/health", headers="Content-Length: 3\r\n").status, 413)

    def test_t12_number_that_nests_deeply_is_refused_as_no_number(self):
        for name in ("limit", "port"):
            answer = self.web.get(f"/history?{name}=" + "[" * 3000 + "]" * 3000)
            self.assertEqual(answer.status, 400)
        self.assertEqual(self.web.get("/history?limit=3").status, 200)

    def test_t12_paths_lead_to_no_file(self):
        for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page/../../reachd.json", "/page/%2fetc%2fpasswd",
                     "//etc/passwd", "/page/..%5c..%5creachd.json", "/row/../../x", "/" + "a/" * 900):
            with self.subTest(path=path[:40]):
                answer = self.web.get(path)
                self.assertEqual(answer.status, 404)
                self.assertNotIn(b"root:", answer.body)

    def test_names_that_an_attacker_resolves_are_refused(self):
        """DNS rebinding: the page's script would ask with its own name as Host."""
        for host in ("evil.example", f"evil.example:{HTTP_PORT}", "localhost.evil.example", "127.0.0.1.evil.example"):
            with self.subTest(host=host):
                answer = self.web.get("/report", host=host)
                self.assertEqual(answer.status, 421)
                self.assertNotIn(b"signaling", answer.body)

    def test_two_readings_of_one_request_are_refused(self):
        """Request smuggling: what a proxy and this server could understand differently."""
        for middle in ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: xchunked\r\n",
                       "Content-Length: 4\r\nContent-Length: 5\r\n", "Content-Length: -1\r\n", "Content-Length: 0x4\r\n",
                       "Host: localhost\r\n", "Transfer-Encoding : chunked\r\n"):
            with self.subTest(middle=middle):
                said = self.web.raw(f"GET /alive HTTP/1.1\r\nHost: localhost\r\n{middle}\r\nGET /report HTTP/1.1\r\n"
                                    "Host: localhost\r\n\r\n".encode())
                self.assertIn(Answer(said).status, (400, 413))
                self.assertEqual(said.count(b"HTTP/1.1 "), 1)

    def test_client_that_half_closes_gets_its_answers(self):
        with self.web.connect() as channel:
            channel.sendall(b"GET /alive HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
            channel.shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(channel).count(b"HTTP/1.1 200"), 3)


if __name__ == "__main__":
    main("http")
