# SPDX-License-Identifier: Apache-2.0
"""A lab with the real programs in it, and the ways to ask them: what the system tests share.

    from lab_site import SystemTest, main, row
    class Blocked(SystemTest):
        def test_...(self):
            self.fault("drop", port="443", proto="tcp")
            report = self.check("provisioning")
    if __name__ == "__main__":
        main("blocked")        # brings the lab up, runs the tests, takes it down; exit 77 when not root

The programs are copied to a directory that every user can read and run in the lab's client as an ordinary user. Nothing
of them ever runs outside the lab. (Not named site.py: Python has a module of that name.)
"""
import contextlib
import copy
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "support"))

from lab import Lab  # noqa: E402
from lab.lab import NOBODY  # noqa: E402
from lab.topology import ROUTERS  # noqa: E402

GATEWAY, GATEWAY6 = "10.77.1.1", "fd77:1::1"
ISP, ISP6 = "100.64.0.1", "2001:db8:64::1"
DNS1, DNS2 = "10.77.1.53", "203.0.113.53"
PRIMARY = "198.51.100.7"          # the customer's signaling and data server
DR = "18.252.105.80"
PROVISIONING = ("54.215.171.160", "54.219.138.108")
CONNECT = "connect.helpdeskbuttons.com"
CONNECT_AT = ("34.0.0.10", "34.0.0.11", "2600:1f18:3::10")
MAPS = "maps.googleapis.com"
MAPS_AT = ("142.250.0.10", "142.250.0.11", "2600:1f18:1::10")
EXIT_OF = {"ready": 0, "not_ready": 2, "unproven": 3}
EXIT_USAGE, EXIT_CONFIG, EXIT_IN_USE = 64, 78, 75
PATIENCE_S = 120.0
# A handshake takes under 10 ms in the lab; the rest is for a machine that is busy with other tests.
LIMITS = {"connect_timeout_ms": 500, "attempts": 2, "new_flows_per_s": 0, "new_flows_per_destination_per_s": 0,
          "icmp_per_hop_per_s": 200}


class Site:
    """The lab, the programs in it and their configuration files."""

    def __init__(self, name, **how):
        self.lab = Lab(f"{name}{os.getpid()}", **how)
        self.directory = None

    def __enter__(self):
        programs = pathlib.Path(os.environ.get("REACHD_BIN", TREE / "build" / "dev"))
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.lab.id}-"))
        try:
            self.directory.chmod(0o755)
            (self.directory / "bin").mkdir(mode=0o755)
            for name in ("reachd", "reachctl"):
                shutil.copy(programs / name, self.directory / "bin" / name)
            shutil.copytree(TREE / "config" / "catalogues", self.directory / "catalogues")
            self.fresh_directory("work")
            self.lab.up()
            self.lift_icmp_limits()
        except BaseException:
            shutil.rmtree(self.directory)
            raise
        self.healthy = self.lab.config() | {"limits": LIMITS}
        return self

    def shorten_range(self):
        """The range of 500 ports becomes one of 40, for tests that are not about its length: 120 endpoints, not 1500."""
        path = self.directory / "catalogues" / "helpdesk-buttons.json"
        text = path.read_text(encoding="utf-8")
        assert text.count('"2001-2500"') == 1
        path.write_text(text.replace('"2001-2500"', '"2001-2040"'), encoding="utf-8")

    def lift_icmp_limits(self, milliseconds=0):
        """Routers answer as fast as they are asked, so that tests need not wait: one a second is the kernel's own."""
        for host in (*ROUTERS, "server"):
            self.lab.sysctl(host, {"ipv4/icmp_ratelimit": str(milliseconds), "ipv6/icmp/ratelimit": str(milliseconds)})

    def __exit__(self, *_):
        self.lab.down()
        shutil.rmtree(self.directory)

    def fresh_directory(self, name):
        """An empty directory that belongs to the user the programs run as."""
        path = self.directory / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o755)
        os.chown(path, int(NOBODY), int(NOBODY))
        return path

    def write(self, name, content):
        """Writes a file (text, or an object as JSON) that the programs can read."""
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path

    def config(self, changes=None, name="reachd.json"):
        """Writes the lab's configuration with some keys changed (None removes one, limits are merged); its path."""
        document = copy.deepcopy(self.healthy)
        for key, value in (changes or {}).items():
            if value is None:
                document.pop(key)
            else:
                document[key] = document[key] | value if key == "limits" else value
        return self.write(name, document)

    def where(self, config):
        return ["--config", str(config), "--catalogue-dir", str(self.directory / "catalogues")]

    def program(self, name):
        return str(self.directory / "bin" / name)

    def reachctl(self, *words, config=None, before=(), runtime="run", **keywords):
        """Runs reachctl on the client to its end. `before`: words in front of the program, as ["prlimit", ...]."""
        argv = [*before, self.program("reachctl"), *self.where(config or self.config(name="healthy.json")),
                "--runtime-dir", str(self.directory / runtime), *words]
        keywords.setdefault("timeout", PATIENCE_S)
        return self.lab.exec("client", argv, **keywords)

    def start_daemon(self, *words, config=None, runtime="run", before=(), log=subprocess.PIPE, **keywords):
        argv = [*before, self.program("reachd"), *self.where(config or self.config(name="healthy.json")),
                "--runtime-dir", str(self.directory / runtime), "--state-dir", str(self.directory / "work"), *words]
        return self.lab.popen("client", argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True, **keywords)

    def socket_path(self, name="status", runtime="run"):
        return self.directory / runtime / f"{name}.sock"

    @contextlib.contextmanager
    def daemon(self, *words, config=None, runtime="run", fresh=True, **keywords):
        """A daemon that answers; ended with SIGTERM. Its log is in `Daemon.log()`."""
        if fresh:
            self.fresh_directory(runtime)
        path = self.directory / "work" / f"{runtime.replace('/', '-')}.log"
        with open(path, "w", encoding="utf-8") as log:
            process = self.start_daemon(*words, config=config, runtime=runtime, log=log, **keywords)
        running = Daemon(self, process, path, runtime)
        try:
            running.await_answer()
            yield running
        finally:
            running.end()


class Daemon:
    def __init__(self, site, process, log_path, runtime):
        self.site, self.process, self.log_path, self.runtime = site, process, log_path, runtime

    def log(self):
        return self.log_path.read_text(encoding="utf-8")

    def connect(self, name="status"):
        return Client(self.site.socket_path(name, self.runtime))

    def ask(self, method, params=None, socket_name="status"):
        """The `result` of one request; AssertionError when it is refused."""
        with self.connect(socket_name) as client:
            answer = client.ask(method, params)
        if "result" not in answer:
            raise AssertionError(f"{method}: {answer}")
        return answer["result"]

    def row(self, requirement):
        return row(self.ask("report", {"requirement": requirement}), requirement)

    def reachctl(self, *words, **keywords):
        return self.site.reachctl(*words, runtime=self.runtime, **keywords)

    def await_answer(self):
        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"reachd ended with {self.process.returncode}: {self.log()}")
            try:
                return "version" in self.ask("version")
            except OSError:
                return False
        wait_until(answers, "the daemon's first answer")

    def await_row(self, requirement, state, patience=20.0):
        """Waits until the row has the state; the row."""
        wait_until(lambda: self.row(requirement)["state"] == state, f"{requirement} to be {state}", patience,
                   lambda: self.row(requirement)["sentence"])
        return self.row(requirement)

    def await_checked(self, patience=120.0):
        """Waits until every outbound row has been measured once."""
        def all_checked():
            return all(one["checked"] for one in rows(self.ask("report")).values()
                       if one["kind"] == "outbound" and one["state"] != "not_configured")
        wait_until(all_checked, "the first round", patience)

    def signal(self, number):
        """To the program itself: `ip netns exec` and setpriv are exec'ed away."""
        self.process.send_signal(number)

    def end(self):
        """SIGTERM, then at most ten seconds; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode


class Client:
    """One connection to a socket of the daemon, from outside the lab: a Unix path has no network namespace."""

    def __init__(self, path, patience=PATIENCE_S):
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.channel.settimeout(patience)
        try:
            self.channel.connect(str(path))
        except BaseException:
            self.channel.close()
            raise
        self.stream = self.channel.makefile("rb")
        self.notifications = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.channel.close()

    def send(self, data):
        self.channel.sendall(data if isinstance(data, bytes) else (json.dumps(data) + "\n").encode())

    def receive(self):
        """The next message, or None at the end of the stream."""
        line = self.stream.readline()
        return json.loads(line) if line else None

    def ask(self, method, params=None, request_id=1):
        request = {"jsonrpc": "2.0", "id": request_id, "method": method}
        self.send(request if params is None else request | {"params": params})
        while True:
            message = self.receive()
            if message is None or "method" not in message:
                return message
            self.notifications.append(message)

    def last_answer(self):
        """The last answer before the end of the stream; notifications are left out."""
        last = None
        while (message := self.receive()) is not None:
            last = last if "method" in message else message
        return last

    def next_event(self, wanted, patience=30.0):
        """The first notification's params that satisfy wanted(params)."""
        deadline = time.monotonic() + patience
        seen = []
        while time.monotonic() < deadline:
            self.channel.settimeout(max(0.01, deadline - time.monotonic()))
            message = self.notifications.pop(0) if self.notifications else self.receive()
            if message is None:
                break
            seen.append(message["params"])
            if wanted(message["params"]):
                return message["params"]
        raise AssertionError(f"no such event among {seen}")


class SystemTest(unittest.TestCase):
    """Faults are switched off after each test. `site` is the Site they all share."""

    maxDiff = None
    site = None

    def fault(self, name, /, **options):
        self.addCleanup(self.site.lab.clear)
        return self.site.lab.fault(name, **options)

    def check(self, *only, config=None, before=(), args=("--fast",)):
        """Checks these rows (none named: all), whatever the verdict; the report. The exit code must agree with it."""
        words = [word for one in only for word in ("--only", one)]
        done = self.site.reachctl("check", "--format", "json", *words, *args, config=config, before=before)
        self.assertEqual(done.stderr, "")
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, EXIT_OF[report["state"]], done.stdout[:2000])
        return report

    def assert_rows(self, report, **states):
        """The rows' states, by id with _ for -."""
        found = rows(report)
        for name, state in states.items():
            one = found[name.replace("_", "-")]
            self.assertEqual(one["state"], state, f"{one['id']}: {one['sentence']} {one['findings']}")

    def assert_verdict(self, one, verdict, **members):
        """An endpoint's or a run's verdict and some of its other members; `at`: the box in `where`."""
        if "at" in members:
            members["where"] = {"at": {"hop": None, "address": members.pop("at")}}
        found = {key: one[key] for key in ("verdict", *members)}
        self.assertEqual(found, {"verdict": verdict, **members}, one["sentence"])


def rows(report):
    """The report's rows by id."""
    return {one["id"]: one for catalogue in report["catalogues"] for one in catalogue["requirements"]}


def row(report, requirement):
    return rows(report)[requirement]


def endpoints(one, address=None, port=None, name=None):
    """The row's endpoints, narrowed."""
    return [found for found in one["endpoints"] if (address is None or found["address"] == address) and
            (port is None or found["port"] == port) and (name is None or found["name"] == name)]


def endpoint(one, address, port, name=None):
    found = endpoints(one, address, port, name)
    if len(found) != 1:
        raise AssertionError(f"{len(found)} endpoints {address}:{port} in {one['id']}")
    return found[0]


def runs(one):
    """The row's runs as (ports, verdict), in order."""
    return [(found["ports"], found["verdict"]) for found in one["runs"]]


def spans(one, address):
    """What is found at one address as (ports, verdict), from its endpoints: neighbours that read alike are one span."""
    found = []
    for port, word in sorted((one["port"], one["verdict"]) for one in endpoints(one, address)):
        if found and found[-1][2] == word and found[-1][1] == port - 1:
            found[-1][1] = port
        else:
            found.append([port, port, word])
    return [(f"{first}-{last}" if first < last else str(first), word) for first, last, word in found]


def wait_until(question, what, patience=PATIENCE_S, detail=lambda: ""):
    """Asks until the answer is true; AssertionError when patience ran out."""
    deadline = time.monotonic() + patience
    while not question():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s for {what} {detail()}")
        time.sleep(0.05)


def main(name, short_range=False, **how):
    """Runs the calling file's tests in a lab of their own and exits."""
    if os.geteuid() != 0:
        print(f"{name}_test: needs root (network namespaces); skipped", file=sys.stderr)
        sys.exit(77)
    with Site(name, **how) as site:
        if short_range:
            site.shorten_range()
        SystemTest.site = site
        outcome = unittest.main(module="__main__", exit=False)
    sys.exit(0 if outcome.result.wasSuccessful() else 1)
