# SPDX-License-Identifier: Apache-2.0
"""The client's side of docs/WIRE.md, written from that page alone: that the page suffices is what it proves.

    peer = UdpPeer(("203.0.113.6", 3478), Key("site-7", secret))
    peer.hello(); print(peer.observe()["source"])
"""
import hashlib
import hmac
import os
import select
import socket
import struct
import time

FIRST, VERSION = 0xF5, 1
HELLO, OBSERVE, ANSWER_AFTER, REPORT, CONNECT_BACK, PING = 1, 2, 3, 5, 7, 8
COOKIE, OBSERVED, APPOINTED, ANSWER, REPORTED, CONNECTED_BACK, ECHO, REFUSED = (
    0x81, 0x82, 0x83, 0x84, 0x85, 0x87, 0x88, 0x8F)
DATA, KEEPALIVE = 0, 1
UNKNOWN, WAITING, SENT, FLOW_ENDED, FAILED = range(5)
ACKNOWLEDGED, RESET, ICMP, CLOSED, LATER, GIVEN_UP = 1, 2, 4, 8, 16, 32
CONNECTED, CONN_REFUSED, SILENT, OTHER_ICMP, NOT_TRIED = range(5)
PATIENCE_S = 2.0


class Key:
    """A key id and its secret; without a secret every MAC is zero."""

    def __init__(self, name="", secret=b""):
        self.name, self.secret = name, secret

    def mac(self, data):
        return hmac.new(self.secret, data, hashlib.sha256).digest()[:16] if self.secret else bytes(16)


def readable(handle, patience):
    """Whether something can be read within the time; of any descriptor, as select() knows 1024 of them."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(max(0, patience) * 1000))


def token():
    return int.from_bytes(os.urandom(8), "big") | 1


def request(key, kind, body=b"", cookie=bytes(20), length=128, nonce=None):
    """One request as bytes."""
    nonce = int.from_bytes(os.urandom(8), "big") if nonce is None else nonce
    head = struct.pack(">BBBBHHQ", FIRST, VERSION, kind, 0, length, 0, nonce)
    data = (head + key.name.encode("ascii").ljust(16, b"\0") + cookie + body).ljust(length - 16, b"\0")
    return data + key.mac(data)


def _address(data):
    family, _, port = struct.unpack_from(">BBH", data)
    if family == 0:
        return None
    raw = data[4:8] if family == 4 else data[4:20]
    return socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6, raw), port


def _reported(body):
    names = ("token", "state", "events", "icmp_type", "icmp_code", "retransmissions", "later_port")
    out = dict(zip(names, struct.unpack_from(">QBBBBHH", body)))
    out.update(zip(("sent_ago_us", "late_us", "event_after_us"), struct.unpack_from(">QII", body, 56)))
    return {**out, "peer": _address(body[16:36]), "icmp_from": _address(body[36:56])}


def _connected_back(body):
    names = ("token", "outcome", "icmp_type", "icmp_code", "banner", "took_us")
    out = dict(zip(names, struct.unpack_from(">QBBBBI", body)))
    return {**out, "banner": body[16:16 + out["banner"]]}


DECODERS = {
    COOKIE: lambda body: {"cookie": body[:20], "life_s": struct.unpack_from(">H", body, 20)[0]},
    OBSERVED: lambda body: {"source": _address(body), "destination": _address(body[20:]), "hops_left": body[40],
                            **dict(zip(("received_us", "sent_us"), struct.unpack_from(">QQ", body, 44)))},
    APPOINTED: lambda body: {**dict(zip(("token", "due_in_ms", "again"), struct.unpack_from(">QIB", body))),
                             "source": _address(body[16:])},
    ANSWER: lambda body: dict(zip(("token", "waited_us"), struct.unpack_from(">QQ", body))),
    REPORTED: _reported,
    CONNECTED_BACK: _connected_back,
    ECHO: lambda body: dict(zip(("received_us", "sent_us"), struct.unpack_from(">QQ", body))),
    REFUSED: lambda body: dict(zip(("request", "reason", "limit"), struct.unpack_from(">BBxxI", body))),
}


def reply(key, data):
    """A reply as a dictionary, or None when it is not one that this key signed."""
    if len(data) < 32 or data[0] != FIRST or data[1] != VERSION or struct.unpack_from(">H", data, 4)[0] != len(data):
        return None
    if not hmac.compare_digest(key.mac(data[:-16]), data[-16:]) or data[2] not in DECODERS:
        return None
    return {"type": data[2], "nonce": struct.unpack_from(">Q", data, 8)[0], "size": len(data),
            **DECODERS[data[2]](data[16:-16])}


class Peer:
    """What both transports share: one flow to a reflector, with its cookie."""

    def __init__(self, server, key):
        self.server, self.key, self.cookie = server, key, bytes(20)

    def ask(self, kind, body=b"", patience=PATIENCE_S, **how):
        """Sends one request and returns the reply to it, or None."""
        data = request(self.key, kind, body, self.cookie if kind != HELLO else bytes(20), **how)
        self.send(data)
        nonce = struct.unpack_from(">Q", data, 8)[0]
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            got = self.receive(left)
            if got is None:
                return None
            if got["nonce"] == nonce and got["type"] != ANSWER:
                return got
        return None

    def hello(self, patience=PATIENCE_S):
        got = self.ask(HELLO, patience=patience)
        if got:
            self.cookie = got["cookie"]
        return got

    def observe(self, of=0):
        return self.ask(OBSERVE, struct.pack(">Q", of))

    def answer_after(self, name, delay_ms, how=DATA):
        return self.ask(ANSWER_AFTER, struct.pack(">QIBxxx", name, delay_ms, how))

    def report(self, name):
        return self.ask(REPORT, struct.pack(">Q", name))

    def connect_back(self, name, transport, port, wait_ms=1000):
        return self.ask(CONNECT_BACK, struct.pack(">QBBHI", name, transport, 0, port, wait_ms),
                        patience=PATIENCE_S + wait_ms / 1000)

    def close(self):
        self.socket.close()


class UdpPeer(Peer):
    def __init__(self, server, key, source=None):
        super().__init__(server, key)
        self.socket = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM)
        if source:
            self.socket.bind(source)

    def send(self, data):
        self.socket.sendto(data, self.server)

    def receive_raw(self, patience):
        return self.socket.recvfrom(2048)[0] if readable(self.socket, patience) else None

    def receive(self, patience):
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            data = self.receive_raw(left)
            if data is None:
                return None
            got = reply(self.key, data)
            if got:
                return got
        return None


class TcpPeer(Peer):
    def __init__(self, server, key, source=None):
        super().__init__(server, key)
        self.socket = socket.create_connection(server, PATIENCE_S, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        self.closed = False

    def send(self, data):
        self.socket.settimeout(PATIENCE_S)
        self.socket.sendall(data)

    def receive(self, patience):
        deadline = time.monotonic() + patience
        while True:
            size = struct.unpack_from(">H", self.unread, 4)[0] if len(self.unread) >= 6 else None
            if size and len(self.unread) >= size:
                data, self.unread = self.unread[:size], self.unread[size:]
                return reply(self.key, data)
            if not readable(self.socket, deadline - time.monotonic()):
                return None
            try:
                data = self.socket.recv(4096)
            except OSError:
                data = b""
            if not data:
                self.closed = True
                return None
            self.unread += data
