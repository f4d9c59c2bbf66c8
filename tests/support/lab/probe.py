# SPDX-License-Identifier: Apache-2.0
"""Looks at the lab from one of its hosts with plain sockets, as an ordinary user; the lab's own tests run it.

    python3 probe.py '[["tcp", {"address": "198.51.100.7", "port": 443, "ttl": 2}], ...]'    prints a JSON list of words

Lab.probe hands this file over as text, since nobody may not be able to read the source tree: it imports no neighbour.
"""
import errno
import json
import os
import select
import socket
import struct
import sys
import time

PATIENCE_S = 0.4  # the lab answers within 10 ms
IP_RECVERR, IPV6_RECVERR = 11, 25          # linux/in.h, linux/in6.h; not in Python 3.11's socket
IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73       # the same
SO_EE_ORIGIN_LOCAL = 1     # linux/errqueue.h
UNACKED_AT, SND_WND_AT = 24, 228           # struct tcp_info, linux/tcp.h
CONTROL_PORT = 33434       # traceroute's
SETTLED_S = 3.0            # by then, on a busy machine too, the lab's server has opened its window and acknowledged what came


def _open(kind, address, ttl=None, source=None, device=None, min_ttl=None):
    six = ":" in address
    channel = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
    channel.setblocking(False)
    channel.setsockopt(*((socket.IPPROTO_IPV6, IPV6_RECVERR) if six else (socket.IPPROTO_IP, IP_RECVERR)), 1)
    if ttl:
        channel.setsockopt(*((socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if six
                             else (socket.IPPROTO_IP, socket.IP_TTL)), ttl)
    if min_ttl:
        channel.setsockopt(*((socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT) if six
                             else (socket.IPPROTO_IP, IP_MINTTL)), min_ttl)
    if device:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if source:
        channel.bind((source, 0))
    return channel


def _icmp_error(channel):
    """'icmp TYPE/CODE from ADDRESS' from the socket's error queue, or None."""
    try:
        _, ancillary, _, _ = channel.recvmsg(512, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
            number, origin, icmp_type, code = struct.unpack_from("=IBBB", data)
            if origin == SO_EE_ORIGIN_LOCAL:
                return "local " + errno.errorcode[number]
            offender = (socket.inet_ntop(socket.AF_INET6, data[24:40]) if kind == IPV6_RECVERR
                        else socket.inet_ntop(socket.AF_INET, data[20:24]))  # after sock_extended_err, a sockaddr
            return f"icmp {icmp_type}/{code} from {offender}"
    return None


def _wait(channel, events, patience):
    waiting = select.poll()
    waiting.register(channel, events)
    return waiting.poll(patience * 1000)


def _connect(channel, address, port, patience):
    """'open', 'refused', 'icmp ...', 'silent' or the name of the errno."""
    code = channel.connect_ex((address, port))
    if code in (0, errno.EINPROGRESS):
        if not _wait(channel, select.POLLOUT, patience):
            return "silent"
        code = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code == errno.ECONNRESET:  # a reset of the SYN would be ECONNREFUSED
        return "open, then ECONNRESET"
    if code == 0:  # an ICMP error that comes while connect() still runs is in the queue alone
        return _icmp_error(channel) or "open"
    return _icmp_error(channel) or ("refused" if code == errno.ECONNREFUSED else errno.errorcode[code])


def tcp(address, port, patience=PATIENCE_S, **how):
    """One connect; show_source adds the local address of a connection that opened, settle what became of it a little
    later: whether the far end ever offered a window, and acknowledged the byte that was sent."""
    show_source, settle = how.pop("show_source", False), how.pop("settle", False)
    with _open(socket.SOCK_STREAM, address, **how) as channel:
        word = _connect(channel, address, port, patience)
        if show_source and word == "open":
            word += " from " + channel.getsockname()[0]
        if settle and word == "open":
            word += _settled(channel)
        return word


def _settled(channel):
    if not _until(lambda: _tcp_info(channel, SND_WND_AT)):
        return ", no window"
    try:
        channel.send(b"?")
        return ", data taken" if _until(lambda: not _tcp_info(channel, UNACKED_AT)) else ", data lost"
    except OSError as problem:
        return ", then " + errno.errorcode[problem.errno]


def _tcp_info(channel, at):
    return struct.unpack_from("=I", channel.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, at + 4), at)[0]


def _until(question):
    deadline = time.monotonic() + SETTLED_S
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def udp(address, port, patience=PATIENCE_S, **how):
    """One datagram: 'silent', 'reply', 'icmp ...' or the name of the errno."""
    with _open(socket.SOCK_DGRAM, address, **how) as channel:
        try:
            channel.connect((address, port))
            channel.send(b"?")
        except OSError as problem:
            return _icmp_error(channel) or errno.errorcode[problem.errno]
        if not _wait(channel, select.POLLIN, patience):
            return "silent"
        return _icmp_error(channel) or "reply"


def _blocking(address, port, patience):
    channel = _open(socket.SOCK_STREAM, address)
    word = _connect(channel, address, port, patience)
    channel.settimeout(patience)
    return channel, word


def http(address, port=80, patience=PATIENCE_S):
    """One HEAD: its status, the Server header and the Location, or what went wrong."""
    channel, word = _blocking(address, port, patience)
    with channel:
        if word != "open":
            return word
        try:
            channel.sendall(b"HEAD / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
            reply = channel.recv(4096).decode()
        except OSError as problem:
            silent = isinstance(problem, TimeoutError)
            return "open, then " + ("silent" if silent else errno.errorcode[problem.errno])
        lines = reply.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        return " ".join(filter(None, (lines[0].split(" ")[1], headers.get("Server"), headers.get("Location"))))


def tls(address, port=443, name=None, alpn=None, ca_file=None, patience=PATIENCE_S):
    """One handshake, verified against the lab's CA or the one of the file: 'trusted NAME [ALPN]', 'untrusted: REASON' or what went wrong."""
    import ssl  # slow, and the lab itself imports this file
    channel, word = _blocking(address, port, patience)
    with channel:
        if word != "open":
            return word
        context = ssl.create_default_context()
        context.check_hostname = bool(name)
        if ca_file:
            context.load_verify_locations(ca_file)
        if alpn:
            context.set_alpn_protocols([alpn])
        try:
            with context.wrap_socket(channel, server_hostname=name) as secure:
                subject = dict(pair[0] for pair in secure.getpeercert()["subject"])["commonName"]
                return " ".join(filter(None, ("trusted", subject, secure.selected_alpn_protocol())))
        except ssl.SSLCertVerificationError as problem:
            return "untrusted: " + problem.verify_message
        except TimeoutError:
            return "open, then silent"
        except OSError as problem:
            return "open, then " + errno.errorcode.get(problem.errno, str(problem))


RECORD_TYPES = {"A": 1, "AAAA": 28}
RCODES = {0: "noerror", 1: "formerr", 2: "servfail", 3: "nxdomain", 5: "refused"}


def ask(server, name, record_type="A", patience=1.0):
    """One raw DNS query over UDP: (rcode, list of addresses), or ("silent", [])."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    question = labels + b"\0" + struct.pack(">HH", RECORD_TYPES[record_type], 1)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.settimeout(patience)
        try:
            channel.connect((server, 53))
            channel.send(struct.pack(">HHHHHH", 0x7EAC, 0x0100, 1, 0, 0, 0) + question)
            reply = channel.recv(4096)
        except OSError:
            return "silent", []
    return _read_reply(reply, len(question))


def _read_reply(reply, question_length):
    _, flags, _, answers, _, _ = struct.unpack_from(">HHHHHH", reply)
    found = []
    at = 12 + question_length
    for _ in range(answers):
        while reply[at] and reply[at] < 0xC0:
            at += reply[at] + 1
        at += 2 if reply[at] else 1
        kind, _, _, length = struct.unpack_from(">HHIH", reply, at)
        at += 10
        if kind in RECORD_TYPES.values():
            family = socket.AF_INET if kind == RECORD_TYPES["A"] else socket.AF_INET6
            found.append(socket.inet_ntop(family, reply[at:at + length]))
        at += length
    return RCODES.get(flags & 15, str(flags & 15)), found


def dns(server, name, record_type="A", patience=PATIENCE_S):
    """'rcode address ...' from one server."""
    rcode, addresses = ask(server, name, record_type, patience)
    return " ".join([rcode, *addresses])


def names(name):
    """What getaddrinfo says, as applications see it."""
    try:
        return " ".join(sorted({entry[4][0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}))
    except socket.gaierror as problem:
        return {socket.EAI_NONAME: "no such name", socket.EAI_AGAIN: "try again"}.get(problem.errno, str(problem))


def flood(address, port, count):
    """Opens many connections at once and holds them: how many opened, and whether within two seconds."""
    channels = [_open(socket.SOCK_STREAM, address) for _ in range(count)]
    began = time.monotonic()
    for channel in channels:
        channel.connect_ex((address, port))
    opened = sum(bool(_wait(channel, select.POLLOUT, 1)) and
                 channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 for channel in channels)
    return f"{opened} open, {'quick' if time.monotonic() - began < 2 else 'slow'}"


def errors(address, count, ttl, patience=PATIENCE_S):
    """How many of so many datagrams at once are answered with an ICMP error."""
    channels = [_open(socket.SOCK_DGRAM, address, ttl) for _ in range(count)]
    for channel in channels:
        channel.connect((address, CONTROL_PORT))
        channel.send(b"?")
    time.sleep(patience)
    return f"{sum(_icmp_error(channel) is not None for channel in channels)} of {count}"


def whoami():
    """uid, effective capabilities and the lab's id as a program on this host sees them."""
    with open("/proc/self/status", encoding="ascii") as status:
        capabilities = [line.split()[1] for line in status if line.startswith("CapEff")][0]
    return f"uid {os.getuid()} capabilities {int(capabilities, 16)} lab {os.environ['REACHD_LAB_ID']}"


PROBES = {"tcp": tcp, "udp": udp, "http": http, "tls": tls, "dns": dns, "names": names, "flood": flood,
          "errors": errors, "whoami": whoami}


def main():
    from concurrent.futures import ThreadPoolExecutor
    wanted = json.loads(sys.argv[1])
    with ThreadPoolExecutor(max_workers=32) as pool:
        pending = [pool.submit(PROBES[kind], **arguments) for kind, arguments in wanted]
        json.dump([one.result() for one in pending], sys.stdout)


if __name__ == "__main__":
    main()
