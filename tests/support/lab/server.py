# SPDX-License-Identifier: Apache-2.0
"""The services of the simulated internet in one process; runs inside the server's namespace.

    python3 server.py CERTIFICATE_DIRECTORY BEHAVIOUR_FILE

BEHAVIOUR_FILE holds [{"kind": "slow-server"|"reset-after-accept", "port": "P" or "P-Q"}]; it is read again
when it changes.
"""
import asyncio
import json
import os
import pathlib
import resource
import socket
import ssl
import struct
import sys

from services import HTTP_PORTS, SILENT_PORTS, TLS_PORTS, UDP_SILENT_PORTS

BACKLOG = 4096
ACCEPTS_PER_WAKEUP = 512
MAX_REQUEST_BYTES = 65536


class Silent(asyncio.Protocol):
    """Accepts, reads and never answers."""


class Http(asyncio.Protocol):
    """Answers HEAD and GET with one fixed reply."""

    status, extra, body = "200 OK", "", b"lab\n"

    def connection_made(self, transport):
        self.transport = transport
        self.pending = b""

    def data_received(self, data):
        self.pending += data
        while b"\r\n\r\n" in self.pending:
            head, self.pending = self.pending.split(b"\r\n\r\n", 1)
            self.answer(head)
        if len(self.pending) > MAX_REQUEST_BYTES:
            self.transport.close()

    def answer(self, head):
        method, _, rest = head.partition(b" ")
        known = method in (b"HEAD", b"GET")
        closing = b"connection: close" in head.lower() or b"HTTP/1.0" in rest.split(b"\r\n")[0]
        body = self.body if known else b""
        lines = [f"HTTP/1.1 {self.status if known else '405 Method Not Allowed'}", "Server: lab",
                 f"Content-Length: {len(body)}", "Content-Type: text/plain"]
        lines += [self.extra] if self.extra else []
        lines += ["Connection: close"] if closing else []
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (body if method == b"GET" else b""))
        if closing:
            self.transport.close()


class Behaviour:
    """Tells how a port misbehaves just now, from a file that the lab rewrites."""

    def __init__(self, path):
        self.path = path
        self.seen = None
        self.entries = []

    def of(self, port):
        if not self.path:
            return None
        try:
            status = os.stat(self.path)
            mark = (status.st_ino, status.st_mtime_ns)
            if mark != self.seen:
                self.entries = json.loads(pathlib.Path(self.path).read_text(encoding="ascii"))
                self.seen = mark
        except FileNotFoundError:
            self.entries, self.seen = [], None
        for entry in reversed(self.entries):
            first, _, last = str(entry["port"]).partition("-")
            if int(first) <= port <= int(last or first):
                return entry["kind"]
        return None


class Certificates:
    """One TLS context for each certificate file, loaded again when the file changes."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.loaded = {}

    def context(self, name, alpn):
        parent = name.partition(".")[2] if name else ""
        for path in (self.directory / "override" / f"{name}.pem", self.directory / f"{name}.pem",
                     self.directory / f"_.{parent}.pem", self.directory / "override" / "lab-default.pem",
                     self.directory / "lab-default.pem"):
            try:
                mark = (os.stat(path).st_ino, os.stat(path).st_mtime_ns)
            except OSError:
                continue
            if self.loaded.get((path, alpn), (None,))[0] != mark:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(path)
                context.set_alpn_protocols(list(alpn))
                context.sni_callback = lambda tls, asked, _: self.choose(tls, asked, alpn)
                self.loaded[path, alpn] = (mark, context)
            return self.loaded[path, alpn][1]
        raise FileNotFoundError(f"no certificate in {self.directory}")

    def choose(self, tls, asked, alpn):
        if asked and "/" not in asked:
            tls.context = self.context(asked.lower(), alpn)


def listening(kind, port):
    """One socket for each family."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        channel = socket.socket(family, kind)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        channel.setblocking(False)
        channel.bind((address, port))
        if kind == socket.SOCK_STREAM:
            channel.listen(BACKLOG)
        yield channel


class Services:
    """Accepts on every port and hands each connection to its protocol."""

    def __init__(self, certificates, behaviour):
        self.loop = asyncio.get_running_loop()
        self.certificates = certificates
        self.behaviour = behaviour
        self.tasks = set()
        self.datagram_sockets = []

    def serve(self, port, protocol, alpn=None):
        for channel in listening(socket.SOCK_STREAM, port):
            self.loop.add_reader(channel, self.accept, channel, port, protocol, alpn)

    def swallow(self, port):
        self.datagram_sockets += listening(socket.SOCK_DGRAM, port)  # never read: the kernel drops what does not fit

    def accept(self, channel, port, protocol, alpn):
        for _ in range(ACCEPTS_PER_WAKEUP):
            try:
                connection, _ = channel.accept()
            except OSError:  # nothing left, aborted by the peer, or out of descriptors
                return
            connection.setblocking(False)
            misbehaviour = self.behaviour.of(port)
            if misbehaviour == "reset-after-accept":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
                continue
            silent = misbehaviour == "slow-server"
            task = self.loop.create_task(
                self.connect(connection, Silent if silent else protocol, None if silent else alpn))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def connect(self, connection, protocol, alpn):
        try:
            context = self.certificates.context("", alpn) if alpn else None
            await self.loop.connect_accepted_socket(protocol, connection, ssl=context)
        except ConnectionError:
            pass  # the client went away
        except (OSError, asyncio.TimeoutError) as problem:  # a handshake that failed (SSLError is an OSError)
            print(f"connection: {problem!r}", file=sys.stderr, flush=True)


def raise_descriptor_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"descriptors: {soft} -> {hard}", file=sys.stderr, flush=True)


async def main(certificates, behaviour):
    raise_descriptor_limit()
    services = Services(Certificates(certificates), Behaviour(behaviour))
    for port in HTTP_PORTS:
        services.serve(port, Http)
    for port, alpn in TLS_PORTS.items():
        services.serve(port, Http if port == 443 else Silent, alpn)
    for port in SILENT_PORTS:
        services.serve(port, Silent)
    for port in UDP_SILENT_PORTS:
        services.swallow(port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
