# SPDX-License-Identifier: Apache-2.0
"""Servers that mean harm, in one process inside the lab's server: python3 hostile.py CERTIFICATE

Each behaviour has a port of its own (PORTS); the test sends the addresses that it names there. DNS answers on 53, UDP and
TCP, by the first label of the name.
"""
import asyncio
import os
import pathlib
import socket
import ssl
import struct
import sys

# ESC, CSI as one byte, a line break that a header may hold, a change of direction, bytes that are no UTF-8
HOSTILE = b"\x1b[2J\x1b]0;owned\x07\x9b31m\xe2\x80\xaeevil\xff\xfe<script>"
PORTS = {name: 7001 + index for index, name in enumerate((
    "endless_banner", "endless_header", "drip", "hostile_header", "hostile_redirect", "tls_silent", "tls_garbage",
    "tls_endless", "reset", "no_window", "endless_status", "tls_hostile", "tls_slow"))}
DNS_PORT = 53
BIG = os.urandom(1 << 16)
MANY = 4000  # addresses that one answer over TCP can hold
GOOD, EVIL = "142.250.0.10", "198.51.100.111"


async def forever(writer, piece, pause=0.0):
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


async def endless_banner(_, writer):
    await forever(writer, HOSTILE * 1000)


async def endless_header(reader, writer):
    await reader.read(1)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await forever(writer, b"X-Long: " + b"a" * 500 + b"\r\n")


async def endless_status(reader, writer):
    await reader.read(1)
    await forever(writer, b"HTTP/1.1 200 " + b"O" * 60000)


async def drip(reader, writer):
    await reader.read(1)
    for byte in b"HTTP/1.1 200 OK\r\nServer: slow\r\n" * 100:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.3)


async def hostile_header(reader, writer):
    await reader.read(1)
    writer.write(b"HTTP/1.1 200 " + HOSTILE + b"\r\nServer: " + HOSTILE + b"\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def hostile_redirect(reader, writer):
    await reader.read(1)
    writer.write(b"HTTP/1.1 302 " + HOSTILE + b"\r\nLocation: http://evil.example/" + HOSTILE + b"\r\n\r\n")
    await writer.drain()


async def silent(reader, _):
    while await reader.read(65536):
        pass


async def tls_garbage(reader, writer):
    await reader.read(1)
    await forever(writer, BIG)


async def tls_endless(reader, writer):
    await reader.read(1)
    await forever(writer, b"\x16\x03\x03\x3f\xf8" + BIG[:0x3ff8])


async def tls_slow(reader, writer):
    await reader.read(1)
    for byte in b"\x16\x03\x03\x3f\xf8" + BIG:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.3)


async def reset(reader, writer):
    await reader.read(1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def answered(reader, writer):
    await reader.read(100)
    writer.write(b"HTTP/1.1 200 OK\r\nServer: " + HOSTILE + b"\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


BEHAVIOURS = {"tls_silent": silent, "no_window": silent, "tls_hostile": answered,
              **{one.__name__: one for one in (endless_banner, endless_header, endless_status, drip, hostile_header,
                                               hostile_redirect, tls_garbage, tls_endless, tls_slow, reset)}}


def closing(behaviour):
    async def run(reader, writer):
        try:
            await asyncio.wait_for(behaviour(reader, writer), 60)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()
    return run


# ---- DNS

def encoded(name):
    return b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"


def record(owner, kind, data):
    return owner + struct.pack(">HHIH", kind, 1, 5, len(data)) + data


def answer(query, over_tcp):
    """What is sent back to one question; several datagrams, or none."""
    end = 12
    labels = []
    while query[end]:
        labels.append(query[end + 1:end + 1 + query[end]])
        end += 1 + query[end]
    kind = struct.unpack_from(">H", query, end + 1)[0]
    question, name = query[12:end + 5], b".".join(labels)
    what = labels[0].decode("ascii", "replace").split("-")[0]

    def reply(records, flags=0x8180, transaction=query[:2], asked=question):
        return transaction + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + asked + b"".join(records)

    def at(address):
        return record(b"\xc0\x0c", 1, socket.inet_aton(address))
    wrong = bytes([query[0] ^ 1, query[1]])
    if what == "silent":
        return []
    if kind == 28 and what != "loop":
        return [reply([])]
    if what == "many":
        return [reply([at(f"198.51.{100 + number // 250}.{number % 250}") for number in range(MANY)])] if over_tcp else \
            [reply([], 0x8380)]
    if what == "stream":
        return [os.urandom(65000)] * 200 if over_tcp else [reply([], 0x8380)]
    if what == "at":  # where the behaviour of this number is
        return [reply([at(f"198.51.100.{101 + int(labels[0].split(b'-')[1])}")])]
    return {
        "wrongid": lambda: [reply([at(EVIL)], transaction=wrong) for _ in range(500)],
        "wrongname": lambda: [reply([at(EVIL)], asked=encoded(b"other.example") + question[-4:]) for _ in range(50)],
        "loop": lambda: [reply([record(b"\xc0\x0c", 5, encoded(b"loop-b.example")),
                                record(encoded(b"loop-b.example"), 5, encoded(name))])],
        "garbage": lambda: [query[:2] + os.urandom(600) for _ in range(50)],
        "pointer": lambda: [query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question + b"\xc0\x0c"[::-1] * 200],
        "control": lambda: [reply([record(b"\xc0\x0c", 5, encoded(b"\x1b[2J\x07evil.example")),
                                   record(encoded(b"\x1b[2J\x07evil.example"), 1, socket.inet_aton(EVIL))])],
        "evil": lambda: [reply([at(EVIL)])],
    }.get(what, lambda: [reply([at(GOOD)])])()


class Dns(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        for one in answer(data, over_tcp=False):
            self.transport.sendto(one, addr)


async def dns_over_tcp(reader, writer):
    try:
        while True:
            size = struct.unpack(">H", await reader.readexactly(2))[0]
            for one in answer(await reader.readexactly(size), over_tcp=True):
                writer.write(struct.pack(">H", len(one)) + one)
                await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(certificate, address):
    loop = asyncio.get_running_loop()
    for name, port in PORTS.items():
        channel = socket.create_server(("0.0.0.0", port), backlog=512)
        if name == "no_window":
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        context = None
        if name == "tls_hostile":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        await asyncio.start_server(closing(BEHAVIOURS[name]), sock=channel, ssl=context, limit=1 << 16)
    await loop.create_datagram_endpoint(Dns, local_addr=(address, DNS_PORT))
    await asyncio.start_server(dns_over_tcp, address, DNS_PORT)
    pathlib.Path(certificate).with_suffix(".ready").touch()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
