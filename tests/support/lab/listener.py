# SPDX-License-Identifier: Apache-2.0
"""What a middle box says in the destination's name; runs inside that box.

    python3 listener.py CERTIFICATE_DIRECTORY ROLE...

proxy accepts and says nothing; relay accepts, then passes everything to the real destination and back; inspect answers
TLS with a certificate of its own authority; portal sends every request to a login page; spoof answers datagrams.
"""
import asyncio
import contextlib
import pathlib
import socket
import ssl
import struct
import sys

from server import Behaviour, Http, Services, Silent, listening, raise_descriptor_limit
from services import LISTENERS, SPOOFER

PORTAL_LOCATION = "http://portal.lab.example/login"
SPOOFED = b"lab: not from where you think"
TRANSPARENT = {socket.AF_INET: (socket.SOL_IP, 19), socket.AF_INET6: (socket.IPPROTO_IPV6, 75)}  # linux/in.h, in6.h
SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h; the same number for IPv6
SOCKADDR = {socket.AF_INET: ">2xH4s8x", socket.AF_INET6: ">2xHI16s4x"}
CHUNK = 65536


class Portal(Http):
    """Sends every request to the captive portal."""

    status, extra, body = "302 Found", f"Location: {PORTAL_LOCATION}", b""


class Foreign:
    """One certificate for every name, from an authority that nobody here trusts."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def context(self, _, alpn):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "inspection.pem")
        context.set_alpn_protocols(list(alpn))
        return context


def original_destination(connection):
    """Whom the client asked for: conntrack knows after a redirect, the socket itself with a transparent one."""
    family = connection.family
    level = socket.SOL_IP if family == socket.AF_INET else socket.IPPROTO_IPV6
    try:
        found = connection.getsockopt(level, SO_ORIGINAL_DST, struct.calcsize(SOCKADDR[family]))
    except OSError:
        return connection.getsockname()[:2]
    port, *_, address = struct.unpack(SOCKADDR[family], found)
    return socket.inet_ntop(family, address), port


async def pump(reader, writer):
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


class Listeners(Services):
    """Its sockets accept for every address, with or without address translation in front of them."""

    async def connect(self, connection, protocol, alpn):
        if protocol is not pump:
            await super().connect(connection, protocol, alpn)
            return
        with contextlib.suppress(OSError):
            near = await asyncio.open_connection(sock=connection)
            with contextlib.closing(near[1]):
                far = await asyncio.open_connection(*original_destination(connection))
                with contextlib.closing(far[1]):
                    await asyncio.gather(pump(near[0], far[1]), pump(far[0], near[1]))

    def serve(self, port, protocol, alpn=None):
        for channel in listening(socket.SOCK_STREAM, port):
            channel.setsockopt(*TRANSPARENT[channel.family], 1)
            self.loop.add_reader(channel, self.accept, channel, port, protocol, alpn)

    def spoof(self, port):
        for channel in listening(socket.SOCK_DGRAM, port):
            self.loop.add_reader(channel, self.reply, channel)

    @staticmethod
    def reply(channel):
        with contextlib.suppress(OSError):
            while True:
                _, sender = channel.recvfrom(CHUNK)
                channel.sendto(SPOOFED, sender)


async def main(certificates, *roles):
    raise_descriptor_limit()
    listeners = Listeners(Foreign(certificates), Behaviour(None))
    kinds = {"proxy": (Silent,), "relay": (pump,), "inspect": (Http, ("http/1.1",)), "portal": (Portal,)}
    for role in roles:
        if role in kinds:
            listeners.serve(LISTENERS[role], *kinds[role])
    if "spoof" in roles:
        listeners.spoof(SPOOFER)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
