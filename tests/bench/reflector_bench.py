# SPDX-License-Identifier: Apache-2.0
"""What the reflector costs: memory of an appointment and of an idle connection, processor time, how late answers are;
Binding requests beside coturn's.

    sudo REACHD_BIN=build/release /usr/bin/python3 tests/bench/reflector_bench.py [--appointments 100000] [--flows 10000]

Everything runs in a lab; the load comes from its host `internet`, next to the server, so that no NAT is in between. The
UDP load comes from a raw socket, which has as many source ports as it likes.
"""
import argparse
import base64
import os
import pathlib
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests" / "support"), str(TREE / "tests" / "system")]

from lab import Lab, system  # noqa: E402
from lab.topology import namespace_of  # noqa: E402
import wire_client as wire  # noqa: E402

BIN = pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "release"))
SERVER, PORT, COTURN_PORT = "203.0.113.6", 3478, 3480
SOURCES = [f"198.18.0.{number}" for number in range(1, 6)]  # RFC 2544; routed to the host that makes the load
FIRST_PORT, PORTS = 20000, 40000
KEY = wire.Key("bench", bytes(range(32)))
BINDINGS = 100000
WINDOW = 256
CONFIG = """{"stun": "open", "stun_padding": "not_required", "allow_unauthenticated_echo": true, "metrics_file": "%s",
 "limits": {"source_packets_per_s": 1000000, "source_burst": 4000000, "total_packets_per_s": 10000000,
  "total_bytes_per_s": 1000000000, "appointments": 200000, "appointments_per_key": 200000,
  "appointments_per_address": 200000, "nonces_per_key": 1000000, "tcp_connections": 20000,
  "tcp_connections_per_address": 20000}}"""
TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """What /proc says of a process: its memory and its processor time."""

    def __init__(self, pid):
        self.pid = pid

    def memory(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


class RawUdp:
    """Datagrams from any address and port of ours to one server."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
        self.port = port
        self.heads = {source: struct.pack(">BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, socket.inet_aton(source),
                                          socket.inet_aton(SERVER)) for source in SOURCES}

    def send(self, source, port, data):
        self.socket.sendto(self.heads[source] + struct.pack(">HHHH", port, self.port, len(data) + 8, 0) + data,
                           (SERVER, 0))

    def receive(self, patience):
        """(address, port, data), or None."""
        while True:
            ready, _, _ = select.select([self.socket], [], [], patience)
            if not ready:
                return None
            packet = self.socket.recv(2048)
            if packet[12:16] == socket.inet_aton(SERVER) and packet[20:22] == struct.pack(">H", self.port):
                return packet[16:20], struct.unpack_from(">H", packet, 22)[0], packet[28:]


def exchange(raw, requests, patience=2.0):
    """Sends (source, port, data) with a window, returns {(address, port): reply}; what is lost is missing."""
    got, outstanding = {}, 0
    for source, port, data in requests:
        raw.send(source, port, data)
        outstanding += 1
        while outstanding >= WINDOW:
            answer = raw.receive(patience)
            if answer is None:
                outstanding = 0
                break
            got[answer[0], answer[1]] = answer[2]
            outstanding -= 1
    while outstanding > 0 and (answer := raw.receive(patience)) is not None:
        got[answer[0], answer[1]] = answer[2]
        outstanding -= 1
    return got


def appointments(server, count, hold_s, spread_s):
    """`count` UDP appointments, all waiting at once, due in the `spread_s` after all were made."""
    raw = RawUdp(PORT)
    flows = [(SOURCES[number // PORTS], FIRST_PORT + number % PORTS) for number in range(count)]
    before, cpu, began = server.memory(), server.cpu_s(), time.monotonic()
    cookies = exchange(raw, ((source, port, wire.request(KEY, wire.HELLO)) for source, port in flows))
    due = time.monotonic() + hold_s

    def requests():
        for number, (source, port) in enumerate(flows):
            cookie = cookies.get((socket.inet_aton(source), port))
            if cookie:
                delay = due + spread_s * number / count - time.monotonic()
                yield source, port, wire.request(KEY, wire.ANSWER_AFTER,
                                                 struct.pack(">QIBxxx", number + 1, int(delay * 1000), 0), cookie[16:36])
    made = exchange(raw, requests())
    taken = time.monotonic() - began
    appointed = sum(1 for data in made.values() if data[2] == wire.APPOINTED)
    memory = (server.memory() - before) / max(appointed, 1)
    setup_cpu = server.cpu_s() - cpu
    print(f"UDP: {appointed} of {count} appointments made in {taken:.1f} s; {memory:.0f} bytes each; "
          f"{setup_cpu / max(appointed, 1) * 1e6:.1f} us of processor each, hello included")
    idle_cpu, idle_from = server.cpu_s(), time.monotonic()
    time.sleep(max(0, due - time.monotonic() - 0.5))
    idle = (server.cpu_s() - idle_cpu) / max(time.monotonic() - idle_from, 0.1)
    arrived, cpu = 0, server.cpu_s()
    while (answer := raw.receive(spread_s + 3 if not arrived else 2.0)) is not None:
        if answer[2][2] == wire.ANSWER:
            arrived += 1
    print(f"     {arrived} answers over {spread_s} s, {(server.cpu_s() - cpu) / max(arrived, 1) * 1e6:.1f} us of "
          f"processor each; while they waited {100 * idle:.2f} % of a core")


def connections(server, count, hold_s):
    """`count` TCP connections that wait, each with an appointment; all due within a second."""
    peers, before, cpu, began = [], server.memory(), server.cpu_s(), time.monotonic()
    due = began + hold_s
    for number in range(count):
        peer = wire.TcpPeer((SERVER, PORT), KEY, (SOURCES[number % len(SOURCES)], 0))
        peer.hello()
        peer.answer_after(number + 1_000_000, int((due + number / count - time.monotonic()) * 1000))
        peers.append(peer)
    taken = time.monotonic() - began
    memory = (server.memory() - before) / count
    print(f"TCP: {count} connections with an appointment each in {taken:.1f} s; {memory:.0f} bytes of the process each; "
          f"{(server.cpu_s() - cpu) / count * 1e6:.0f} us of processor each")
    if time.monotonic() > due - 1:
        print("     (making them took longer than they were to wait: no idle time was measured)")
    else:
        idle_cpu, idle_from = server.cpu_s(), time.monotonic()
        time.sleep(due - time.monotonic() - 0.5)
        print(f"     idle: {100 * (server.cpu_s() - idle_cpu) / (time.monotonic() - idle_from):.2f} % of a core")
    cpu, poll, waiting, arrived = server.cpu_s(), select.epoll(), {}, 0
    for peer in peers:
        waiting[peer.socket.fileno()] = peer
        poll.register(peer.socket.fileno(), select.EPOLLIN)
    while arrived < count and (events := poll.poll(5)):
        for handle, _ in events:
            got = waiting[handle].receive(0)
            arrived += 1 if got and got["type"] == wire.ANSWER else 0
            poll.unregister(handle)
    print(f"     {arrived} answers within a second and what it took, {(server.cpu_s() - cpu) / count * 1e6:.1f} us of processor each")
    for peer in peers:
        peer.close()


def bindings(name, process, port, count=BINDINGS):
    """Plain Binding requests of 20 bytes, WINDOW outstanding."""
    raw = RawUdp(port)
    data = [struct.pack(">HHI12s", 1, 0, 0x2112A442, os.urandom(12)) for _ in range(64)]
    cpu, began = process.cpu_s(), time.monotonic()
    got = exchange(raw, ((SOURCES[0], FIRST_PORT + number % PORTS, data[number % 64]) for number in range(count)), 1.0)
    taken, used = time.monotonic() - began, process.cpu_s() - cpu
    print(f"STUN: {name}: {count / taken:.0f} requests/s as fast as this client asks, {used / count * 1e6:.1f} us of processor "
          f"each ({count / used:.0f} a second of processor), {len(got)} flows of {min(count, PORTS)} answered")


def metrics(file):
    text = file.read_text(encoding="ascii")
    value = {line.split()[0]: line.split()[1] for line in text.splitlines() if not line.startswith("#")}
    answers = float(value["reachd_reflector_answers_total"])
    mean = float(value["reachd_reflector_answers_late_seconds_total"]) / max(answers, 1)
    print(f"late: mean {mean * 1000:.3f} ms, worst {float(value['reachd_reflector_answers_late_seconds_max']) * 1000:.2f} ms "
          f"over {answers:.0f} answers (the reflector's own clock, to the end of sendmsg)")


def run(lab, directory, options):
    program, keys, config, counters = (directory / name for name in ("reachd-reflector", "keys", "config", "metrics"))
    shutil.copy(BIN / "reachd-reflector", program)
    keys.write_text(f"{KEY.name}:{base64.b64encode(KEY.secret).decode()}\n", encoding="ascii")
    config.write_text(CONFIG % counters, encoding="ascii")
    started = lab.popen("server", ["bash", "-c", f"ulimit -n 65536; exec {program} --listen {SERVER}:{PORT} "
                                   f"--key-file {keys} --config {config}"], user=False, stderr=subprocess.PIPE)
    started.stderr.readline()
    server = Process(started.pid)
    inside = namespace_of(lab.id, "internet")
    system.in_namespace(inside, bindings, "reachd-reflector", server, PORT)
    if shutil.which("turnserver"):
        rival = lab.popen("server", ["turnserver", "-S", "-n", "-L", SERVER, "-p", str(COTURN_PORT), "--no-tls", "--no-dtls",
                                     "--no-cli", "-m", "1", "--log-file", "/dev/null", "--pidfile", str(directory / "pid")],
                          user=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        system.in_namespace(inside, bindings, "coturn", Process(rival.pid), COTURN_PORT)
        rival.terminate()
        rival.wait()
    system.in_namespace(inside, appointments, server, options.appointments, options.hold, 5.0)
    system.in_namespace(inside, connections, server, options.flows, options.hold)
    started.send_signal(signal.SIGTERM)
    started.wait()
    metrics(counters)


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--appointments", type=int, default=100000)
    reader.add_argument("--flows", type=int, default=10000)
    reader.add_argument("--hold", type=float, default=30.0, help="seconds from the first cookie to the first answer")
    options = reader.parse_args()
    if os.geteuid() != 0:
        sys.exit(77)
    hard = max(resource.getrlimit(resource.RLIMIT_NOFILE)[1], options.flows + 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (options.flows + 1000, hard))
    with tempfile.TemporaryDirectory(prefix="reachd-bench-") as place, Lab(f"rbench{os.getpid()}") as lab:
        system.ip_batch(namespace_of(lab.id, "internet"), ["route add local 198.18.0.0/24 dev lo"])
        # No socket of the host knows the raw flows: its own errors would end them.
        system.nft(namespace_of(lab.id, "internet"), "table inet bench { chain output { type filter hook output priority 0; "
                                                     "icmp type destination-unreachable drop; }; }")
        run(lab, pathlib.Path(place), options)


if __name__ == "__main__":
    main()
