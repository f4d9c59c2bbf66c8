# SPDX-License-Identifier: Apache-2.0
"""A link with a delay: two TUN devices in two namespaces, and a process between them that holds each packet back.

    python3 delay.py DELAY_MS /run/netns/A NAME_A /run/netns/B NAME_B

It stays in namespace B, so that it goes when the lab goes. (The kernels we test on have no netem.)
"""
import ctypes
import fcntl
import heapq
import os
import select
import struct
import sys
import time

CLONE_NEWNET = 0x40000000                       # linux/sched.h
TUNSETIFF = 0x400454CA                          # linux/if_tun.h
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LONGEST_PACKET = 65536
BATCH = 256


def tun(namespace, name):
    """A TUN device of that name in that namespace; its file descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(namespace, "rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def relay(one, other, delay_s):
    """Passes packets both ways, each `delay_s` after it came; one that the far end does not take is lost."""
    far = {one: other, other: one}
    held, count = [], 0
    poll = select.poll()
    poll.register(one, select.POLLIN)
    poll.register(other, select.POLLIN)
    while True:
        wait = max(0, held[0][0] - time.monotonic()) * 1000 if held else None
        for device, _ in poll.poll(wait):
            for _ in range(BATCH):
                try:
                    packet = os.read(device, LONGEST_PACKET)
                except OSError:  # empty, or the device is down
                    break
                count += 1
                heapq.heappush(held, (time.monotonic() + delay_s, count, far[device], packet))
        while held and held[0][0] <= time.monotonic():
            _, _, device, packet = heapq.heappop(held)
            try:
                os.write(device, packet)
            except OSError:
                pass


if __name__ == "__main__":
    milliseconds, namespace_a, name_a, namespace_b, name_b = sys.argv[1:]
    relay(tun(namespace_a, name_a), tun(namespace_b, name_b), float(milliseconds) / 1000)
