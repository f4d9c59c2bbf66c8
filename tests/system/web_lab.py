# SPDX-License-Identifier: Apache-2.0
"""HTTP clients inside the lab: what the tests of the daemon's HTTP side share.

    web = Web(site)                      # in the lab's client, where the daemon listens on loopback
    answer = web.get("/health")          # answer.status, .headers, .body, .json()
    channel = web.connect()              # a plain socket; send bytes, read until the end
"""
import contextlib
import json
import socket
import time

from lab import topology
from lab.system import in_namespace

HTTP_PORT = 9870
LISTEN = f"127.0.0.1:{HTTP_PORT}"


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/1.") else None
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}

    def json(self):
        return json.loads(self.body)


class Web:
    def __init__(self, site, port=HTTP_PORT, address="127.0.0.1", host="client"):
        self.namespace = topology.namespace_of(site.lab.id, host)
        self.port, self.address = port, address

    def connect(self, patience=20.0):
        def made():
            channel = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET)
            channel.settimeout(patience)
            try:
                channel.connect((self.address, self.port))
            except BaseException:
                channel.close()
                raise
            return channel
        return in_namespace(self.namespace, made)

    def raw(self, data, patience=20.0):
        """Says these bytes and reads to the end of the stream."""
        with self.connect(patience) as channel:
            with contextlib.suppress(ConnectionError):
                channel.sendall(data)
            return read_to_end(channel)

    def get(self, path, host="localhost", method="GET", headers=""):
        request = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
        return Answer(self.raw(request.encode("latin-1")))

    def metric(self, series):
        """The value of one series of /metrics; None where there is none."""
        return metrics_in(self.get("/metrics").body.decode()).get(series)


def metrics_in(text):
    return {name: float(value) for name, _, value in
            (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))}


def read_to_end(channel):
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := channel.recv(65536):
            received += chunk
    return received


class Events:
    """A client of /events: an iterator of (id, name, data)."""

    def __init__(self, web, last_id=None, patience=30.0):
        self.channel = web.connect(patience)
        resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        self.channel.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode())
        self.stream = self.channel.makefile("rb")
        while self.stream.readline() not in (b"\r\n", b""):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.channel.close()

    def __iter__(self):
        number, name, data = None, "message", None
        for raw in self.stream:
            field, _, value = raw.decode().rstrip("\n").partition(": ")
            if field == "id":
                number = value
            elif field == "event":
                name = value
            elif field == "data":
                data = json.loads(value)
            elif field == "" and data is not None:
                yield number, name, data
                name, data = "message", None

    def first(self, wanted, patience=60.0):
        deadline = time.monotonic() + patience
        for number, name, data in self:
            if wanted(name, data):
                return number, data
            if time.monotonic() > deadline:
                break
        raise AssertionError("no such event came")
