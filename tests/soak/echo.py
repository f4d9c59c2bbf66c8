# SPDX-License-Identifier: Apache-2.0
"""Sends each datagram back from the address it was sent to.   python3 echo.py READY_FILE PORT-PORT ADDRESS..."""
import pathlib
import select
import socket
import sys


def main(ready, ports, *addresses):
    first, last = (int(word) for word in ports.split("-"))
    poll, channels = select.epoll(), {}
    for address in addresses:
        for port in range(first, last + 1):
            channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            channel.setblocking(False)
            channel.bind((address, port))
            channels[channel.fileno()] = channel
            poll.register(channel, select.EPOLLIN)
    pathlib.Path(ready).write_text("ready", encoding="ascii")
    while True:
        for number, _ in poll.poll():
            try:
                while True:
                    data, peer = channels[number].recvfrom(2048)
                    channels[number].sendto(data, peer)
            except OSError:  # nothing left, or an ICMP error of a client that is gone
                continue


if __name__ == "__main__":
    main(*sys.argv[1:])
