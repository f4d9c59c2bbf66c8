# SPDX-License-Identifier: Apache-2.0
"""Clients of every kind in a process of its own: those who ask and read, those who follow, those who read slowly, those
who hang up in the middle. Counts what each did and what went wrong."""
import contextlib
import json
import multiprocessing
import random
import signal
import socket
import subprocess
import threading
import time

from lab_site import Client
from web_lab import Answer, read_to_end

EXPECTED_REFUSALS = {"busy", "no_history", "too_many_subscriptions", "already_subscribed", "not_found"}
METHODS = (("health", None), ("report", {"catalogue": "helpdesk-buttons"}), ("report", {"requirement": "signaling"}),
           ("report", None), ("metrics", None), ("config", None), ("catalogues", None), ("methods", None), ("version", None),
           ("endpoint", {"address": "54.215.171.160", "port": 443, "transport": "tcp"}), ("history", {"limit": 50}),
           ("history", {"what": "samples", "limit": 50}), ("history", {"kinds": "requirement", "limit": 100}))
PATHS = ("/", "/health", "/alive", "/report", "/metrics", "/main", "/row/eschat-govcloud/signaling",
         "/report?requirement=maps", "/history?kinds=site,requirement&limit=50")
HTTP_GOOD = {200, 503}
PROBED = "nlb"  # the row that clients have probed; its rounds are not judged
COMMANDS = (("status",), ("health", "--format", "nagios"), ("report", "--format", "json"), ("report", "--format", "html"),
            ("history",), ("explain", "signaling"), ("health", "--format", "json"), ("rules", "--failing"))
PATIENCE_S = 60.0


class Stop(Exception):
    """The end of the soak."""


class Clients:
    """`with Clients(daemon, web, seed) as clients:`; afterwards `clients.result` by kind: done, failed, longest_s, messages."""

    def __init__(self, daemon, web, seed):
        self.daemon, self.web, self.seed = daemon, web, seed
        self.result = {}
        self.context = multiprocessing.get_context("fork")

    def __enter__(self):
        self.ours, theirs = self.context.Pipe()
        self.process = self.context.Process(target=self._run, args=(theirs,))
        self.process.start()
        theirs.close()
        return self

    def __exit__(self, *_):
        self.ours.send("enough")
        if self.ours.poll(90):
            self.result = self.ours.recv()
        else:
            self.result = {"all": {"done": 0, "failed": 1, "longest_s": 90, "messages": ["the clients did not end"]}}
            self.process.kill()
        self.process.join()

    def _run(self, pipe):
        signal.signal(signal.SIGINT, lambda *_: None)  # not ignored: children would ignore it too
        self.stopping = threading.Event()
        kinds = {"ask": (self._ask, 2), "http": (self._http, 2), "sse": (self._sse, 6), "subscribe": (self._subscribe, 6),
                 "hang up": (self._hang_up, 3), "slow": (self._slow, 8), "slow http": (self._slow_http, 8),
                 "probe": (self._probe, 10), "commands": (self._commands, 8), "watch": (self._watch, 20)}
        tally = {name: {"done": 0, "failed": 0, "longest_s": 0.0, "messages": []} for name in kinds}
        threads = [threading.Thread(target=self._loop, args=(body, pause, tally[name], random.Random(f"{self.seed}{name}")))
                   for name, (body, pause) in kinds.items()]
        for thread in threads:
            thread.start()
        pipe.recv()
        self.stopping.set()
        for thread in threads:
            thread.join(80)
        pipe.send(tally)

    def _loop(self, body, pause, tally, draw):
        while not self.stopping.wait(draw.uniform(0.3, 1.7) * pause):
            began = time.monotonic()
            try:
                body(draw)
                tally["done"] += 1
            except Stop:
                break
            except Exception as problem:  # pylint: disable=broad-except  # judged
                tally["failed"] += 1
                if len(tally["messages"]) < 20:
                    tally["messages"].append(f"{time.monotonic():.1f} {problem!r}"[:300])
            else:
                tally["longest_s"] = max(tally["longest_s"], time.monotonic() - began)

    def _pause(self, seconds):
        if self.stopping.wait(seconds):
            raise Stop

    def _open(self, name="status"):
        return Client(self.daemon.site.socket_path(name, self.daemon.runtime), PATIENCE_S)

    def _ask(self, draw):
        with self._open(draw.choice(("status", "control"))) as client:
            for number in range(draw.randint(1, 4)):
                method, params = draw.choice(METHODS)
                answer = client.ask(method, params, number)
                if "result" not in answer and answer["error"]["data"]["reason"] not in EXPECTED_REFUSALS:
                    raise AssertionError(f"{method}: {answer}")

    def _http(self, draw):
        path = draw.choice(PATHS)
        with self.web.connect(PATIENCE_S) as channel:
            channel.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = Answer(read_to_end(channel))
        if answer.status not in HTTP_GOOD:
            raise AssertionError(f"{path}: {answer.status} {answer.body[:200]}")
        if int(answer.headers["content-length"]) != len(answer.body):
            raise AssertionError(f"{path}: {len(answer.body)} of {answer.headers['content-length']} bytes")

    def _sse(self, draw):
        with self.web.connect(PATIENCE_S) as channel:
            channel.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            until, seen = time.monotonic() + draw.uniform(3, 25), b""
            channel.settimeout(20)  # a tick comes every 15 s
            while time.monotonic() < until and not self.stopping.is_set():
                chunk = channel.recv(65536)
                if not chunk:
                    raise ConnectionError("the stream of events ended")
                seen = seen[:4096] + chunk
        if b"event: snapshot" not in seen:
            raise AssertionError(f"no snapshot in {seen[:300]}")

    def _subscribe(self, draw):
        with self._open() as client:
            answer = client.ask("subscribe")
            sequence, until = answer["result"]["seq"], time.monotonic() + draw.uniform(2, 15)
            while time.monotonic() < until and not self.stopping.is_set():
                params = client.receive()["params"]
                if params["seq"] != sequence + 1:
                    raise AssertionError(f"event {params['seq']} after {sequence}")
                sequence = params["seq"]

    def _hang_up(self, draw):
        how = draw.randrange(5)
        if how < 3:
            with self._open(draw.choice(("status", "control"))) as client:
                line = (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "report"}) + "\n").encode()
                client.send(line[:draw.randint(0, len(line))] if how == 0 else line * draw.randint(1, 5))
                if how == 2:
                    client.channel.recv(1000)
            return
        with self.web.connect(PATIENCE_S) as channel:
            channel.sendall(b"GET /report HTTP/1.1\r\nHost: localhost\r\n\r\n"[:draw.randint(1, 60)])
            if how == 4:
                with contextlib.suppress(TimeoutError):
                    channel.settimeout(0.3)
                    channel.recv(1000)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset

    def _slow(self, draw):
        with self._open() as client:
            for _ in range(draw.randint(1, 4)):
                client.send({"jsonrpc": "2.0", "id": 1, "method": "report"})
            for _ in range(draw.randint(5, 25)):
                client.channel.recv(2000)
                self._pause(0.5)

    def _slow_http(self, draw):
        with self.web.connect(PATIENCE_S) as channel:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            channel.sendall(draw.choice((b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                         b"GET /report HTTP/1.1\r\nHost: localhost\r\n\r\n")))
            for _ in range(draw.randint(5, 25)):
                channel.recv(2000)
                self._pause(0.5)

    def _probe(self, draw):
        with self._open("control") as client:
            client.send({"jsonrpc": "2.0", "id": 1, "method": "probe", "params": {"requirement": PROBED}})
            if draw.random() < 0.3:
                self._pause(draw.uniform(0, 0.5))
                return  # hangs up in the middle
            while (message := client.receive()) is not None and "method" in message:
                pass
            if message is None or ("result" not in message and message["error"]["data"]["reason"] not in EXPECTED_REFUSALS):
                raise AssertionError(f"probe: {message}")

    def _commands(self, draw):
        words = draw.choice(COMMANDS)
        done = self.daemon.reachctl(*words, config=self.daemon.site.directory / "healthy.json", timeout=PATIENCE_S)
        if done.returncode not in (0, 1, 2, 3) or done.stderr or not done.stdout:
            raise AssertionError(f"reachctl {' '.join(words)}: exit {done.returncode}: {done.stderr[:300]}")

    def _watch(self, draw):
        site = self.daemon.site
        process = site.lab.popen("client", [site.program("reachctl"), "--runtime-dir",
                                            str(site.directory / self.daemon.runtime), "watch"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            process.wait(draw.uniform(2, 12))
            raise AssertionError(f"reachctl watch ended by itself: {process.returncode} {process.stderr.read()[:300]}")
        except subprocess.TimeoutExpired:
            process.send_signal(draw.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL)))
            process.wait(20)
        finally:
            process.stderr.close()
            if process.poll() is None:
                process.kill()
                process.wait()
