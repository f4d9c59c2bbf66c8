# SPDX-License-Identifier: Apache-2.0
"""class Lab: brings the simulated site up and down, switches faults, runs programs on its hosts."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

from . import names, options, pki, probe, resolver, system, topology
from .effects import Effects
from .errors import LabError, UsageError
from .faults import FAULTS, check
from .services import LISTENERS, SPOOFER

STATE_ROOT = pathlib.Path("/run/reachd-lab")
LAB_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,23}")
NOBODY = "65534"  # uid and gid of nobody on Debian and Ubuntu
READY_PATIENCE_S = 30
SLOW_LINK_QUEUE = 10000  # packets: more than a whole sweep sends at once
SERVER_PY = pathlib.Path(__file__).with_name("server.py")
LISTENER_PY = pathlib.Path(__file__).with_name("listener.py")
DELAY_PY = pathlib.Path(__file__).with_name("delay.py")
USERNAT_PY = pathlib.Path(__file__).with_name("usernat.py")
PROBE_PY = pathlib.Path(__file__).with_name("probe.py")
# Ubuntu confines unbound to /etc/unbound; as aa-exec(1) does, leave the profile for the program that starts next
UNCONFINED = 'printf "exec unconfined" 2>/dev/null >/proc/self/attr/apparmor/exec; exec "$@"'
DROP_PRIVILEGES = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all",
                   "--inh-caps=-all", "--ambient-caps=-all", "--"]


class Lab:
    """One lab; several with different ids live side by side. As a context manager: up on entry, down on exit.

    delay_ms: what one link holds every packet back, in each direction; delay_at: the host at its near end.
    user_nat: settings of usernat.py, which then stands between the site and the isp, and the site is a plain router.
    """

    def __init__(self, lab_id=None, delay_ms=0, delay_at="isp", user_nat=None):
        self.id = lab_id or os.environ.get("REACHD_LAB") or "reachd"
        self.delay_ms = delay_ms
        self.user_nat = user_nat
        self.slow_link = topology.SLOW_LINKS[options.nearest("place of the delay", delay_at, topology.SLOW_LINKS)]
        if not LAB_ID.fullmatch(self.id):
            raise UsageError(f"lab id '{self.id}': up to 24 of a-z, 0-9 and '-'")
        root = STATE_ROOT if os.access(STATE_ROOT.parent, os.W_OK) else pathlib.Path(
            os.environ.get("TMPDIR", "/tmp"), "reachd-lab")
        self.directory = root / self.id
        self.ca_file = self.directory / "ca.pem"
        self.apple_ca_file = self.directory / "apple-ca.pem"
        self._lock = root / f"{self.id}.lock"
        self._state = self.directory / "faults.json"
        self._nat = self.directory / "nat.json"
        self._authority = pki.Authority(self.directory / "certificates")
        self._behaviour = self.directory / "behaviour.json"
        self._children = []  # kept so that they are reaped

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        """Builds the lab anew and returns when DNS, HTTP and TLS answer the client."""
        system.require_root_and_tools()
        with system.locked(self._lock):
            self._demolish()
            try:
                self._build()
            except BaseException:
                self._demolish()
                self._lock.unlink()
                raise

    def down(self):
        """Removes processes, namespaces and files; nothing to do is fine."""
        system.require_root_and_tools()
        with system.locked(self._lock):
            self._demolish()
            self._lock.unlink()

    def is_up(self):
        return self._state.exists() and all((system.NETNS_DIR / name).exists() for name in topology.namespaces(self.id))

    def fault(self, name, /, **values):
        """Switches a fault on, in addition to those that are; its options are the keywords. Returns its number."""
        wanted = {"name": name, "options": check(name, values)}
        with self._changing() as state:
            for entry in state["active"]:
                if {"name": entry["name"], "options": entry["options"]} == wanted:
                    return entry["number"]
            number = state["next"]
            state["next"] += 1
            state["active"].append({"number": number, **wanted})
        return number

    def clear(self, name=None):
        """Switches off all faults, those of one name, or the one of one number."""
        if name is not None and not str(name).isdigit():
            options.nearest("fault", name, FAULTS)
        with self._changing() as state:
            state["active"] = [entry for entry in state["active"]
                               if name is not None and str(name) not in (entry["name"], str(entry["number"]))]

    def faults(self):
        """The active faults: [{"number", "name", "options"}]."""
        self._must_be_up()
        return json.loads(self._state.read_text(encoding="ascii"))["active"]

    def command(self, host, argv, user=True):
        """The command line that runs argv on a host; user=True drops to nobody, without capabilities."""
        options.nearest("host", host, topology.HOSTS)
        environment = ["env", f"SSL_CERT_FILE={self.ca_file}", f"REACHD_LAB_ID={self.id}"]
        return ["ip", "netns", "exec", topology.namespace_of(self.id, host),
                *(DROP_PRIVILEGES if user else []), *environment, *argv]

    def exec(self, host, argv, user=True, **keywords):
        """Runs a program on a host to its end; keywords go to subprocess.run, by default output is captured as text."""
        self._must_be_up()
        if not {"capture_output", "stdout", "stderr"} & keywords.keys():
            keywords["capture_output"] = True
        keywords.setdefault("text", True)
        return subprocess.run(self.command(host, argv, user), check=keywords.pop("check", False), **keywords)

    def popen(self, host, argv, user=True, **keywords):
        """Starts a program on a host; keywords go to subprocess.Popen. `down` kills it if it still runs."""
        self._must_be_up()
        return subprocess.Popen(self.command(host, argv, user), **keywords)

    def probe(self, host, *probes, user=True):
        """Runs probes of probe.py on a host, all at once: ("tcp", {"address": ..., "port": ...}); words in order."""
        program = PROBE_PY.read_text(encoding="utf-8")
        done = self.exec(host, ["/usr/bin/python3", "-I", "-c", program, json.dumps(probes)], user=user)
        if done.returncode != 0:
            raise LabError(f"probe on {host}: exit {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def sysctl(self, host, values):
        """Sets kernel parameters on a host, {"ipv4/icmp_ratelimit": "0"}, until `down`: `clear` keeps them."""
        self._must_be_up()
        system.in_namespace(topology.namespace_of(self.id, host), topology.write_sysctls, values)

    def set_nat(self, **settings):
        """New settings (usernat.py) for the NAT in user space, which forgets all mappings."""
        fresh = self._nat.with_suffix(".new")
        fresh.write_text(json.dumps(settings), encoding="ascii")
        fresh.replace(self._nat)

    def config(self):
        """A configuration of reachd that fits this lab."""
        return names.config(self.ca_file, self.apple_ca_file)

    def status(self):
        """Whether the lab is up, its processes by host, its faults."""
        if not self.is_up():
            return {"id": self.id, "up": False}
        processes = {host: system.pids_in([topology.namespace_of(self.id, host)]) for host in topology.HOSTS}
        return {"id": self.id, "up": True, "directory": str(self.directory), "faults": self.faults(),
                "processes": processes}

    def _must_be_up(self):
        system.require_root_and_tools()
        if not self.is_up():
            raise LabError(f"lab '{self.id}' is not up")

    def _demolish(self):
        topology.demolish(self.id)
        for child in self._children:
            child.wait()
        self._children.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _build(self):
        self.directory.mkdir(parents=True, mode=0o755)
        self._authority.create()
        shutil.copyfile(self._authority.ca_file(), self.ca_file)
        shutil.copyfile(self._authority.apple_ca_file(), self.apple_ca_file)
        joined = [self.slow_link] if self.delay_ms else []
        if self.user_nat is None:
            topology.build(self.id, joined, self._join)
        else:
            self.set_nat(**self.user_nat)
            topology.build(self.id, [*joined, topology.NAT_LINK], self._join, rules=None)
        self._start("server", "server", ["/usr/bin/python3", "-B", str(SERVER_PY), str(self._authority.directory),
                                         str(self._behaviour)])
        for number in topology.RESOLVERS:
            self._start_resolver(number, [])
        self._await_resolvers(topology.RESOLVERS)
        self._await("client", "HTTP and TLS", _accept,
                    (names.PRIMARY_SERVER, *names.NAMES["maps.googleapis.com"]), [80, 443])
        self._save({"next": 1, "active": [], "sysctls": {}})

    def _join(self, link):
        """Puts the delay, or the NAT, between the two ends of a link."""
        host, interface, neighbour, other = link
        ends = [(str(system.NETNS_DIR / topology.namespace_of(self.id, at)), name)
                for at, name in ((host, interface), (neighbour, other))]
        name, argv = ("usernat", [str(USERNAT_PY), str(self._nat)]) if link == topology.NAT_LINK else \
            ("delay", [str(DELAY_PY), str(self.delay_ms)])
        self._start(neighbour, name, ["/usr/bin/python3", "-B", *argv, *(word for end in ends for word in end)])
        for at, name in ((host, interface), (neighbour, other)):
            self._await(at, f"the link {name}", lambda name=name: name in dict(
                map(reversed, socket.if_nameindex())))
            system.ip_batch(topology.namespace_of(self.id, at), [f"link set {name} txqueuelen {SLOW_LINK_QUEUE}"])

    @contextlib.contextmanager
    def _changing(self):
        """Yields the state; afterwards brings the lab to it and saves it, or leaves both as they were."""
        self._must_be_up()
        with system.locked(self._lock):
            text = self._state.read_text(encoding="ascii")
            state = json.loads(text)
            yield state
            before, after = _effects(json.loads(text)["active"]), _effects(state["active"])
            try:
                self._apply(before, after, state["sysctls"])
            except BaseException:
                self._apply(after, before, state["sysctls"])
                raise
            self._save(state)

    def _save(self, state):
        fresh = self._state.with_suffix(".new")
        fresh.write_text(json.dumps(state), encoding="ascii")
        fresh.replace(self._state)

    def _apply(self, before, after, former):
        """Brings the lab from one state to the other; `former` keeps what kernel parameters were without faults."""
        if before.certificates != after.certificates:
            self._authority.set_overrides(after.certificates)
        if before.behaviours != after.behaviours:
            fresh = self._behaviour.with_suffix(".new")
            fresh.write_text(json.dumps(after.behaviours), encoding="ascii")
            fresh.replace(self._behaviour)
        for host in topology.HOSTS:
            if after.listeners.get(host) and before.listeners.get(host) != after.listeners.get(host):
                self._restart_listener(host, after.listeners[host])
        for host in topology.HOSTS:
            self._apply_sysctls(host, after.sysctls.get(host, {}), former.setdefault(host, {}))
            if before.ruleset(host) != after.ruleset(host):
                system.nft(topology.namespace_of(self.id, host), after.ruleset(host, before.foreign_tables(host)))
            if before.translations(host) != after.translations(host):  # a port used again is not the old connection
                system.in_namespace(topology.namespace_of(self.id, host), system.forget_connections)
        for host in topology.HOSTS:
            if before.listeners.get(host) and not after.listeners.get(host):
                self._stop(f"listener-{host}")
        changed = [host for host in topology.HOSTS if before.ip_commands(host) != after.ip_commands(host)]
        for host in changed:
            system.ip_batch(topology.namespace_of(self.id, host),
                            [*topology.ADDRESSING[host], "neigh flush all", *after.ip_commands(host)])
        for host in topology.HOSTS if changed else ():  # whoever asked for a neighbour meanwhile waits a second for it
            system.ip_batch(topology.namespace_of(self.id, host), ["neigh flush all nud incomplete"])
        changed = [number for number in topology.RESOLVERS if before.dns.get(number) != after.dns.get(number)]
        for number in changed:
            self._stop(f"resolver{number}")
            self._start_resolver(number, after.dns.get(number, []))
        self._await_resolvers(changed)

    def _apply_sysctls(self, host, wanted, former):
        if not wanted and not former:
            return
        gone = {key: former.pop(key) for key in list(former) if key not in wanted}
        fresh = {key: value for key, value in wanted.items() if key not in former}
        namespace = topology.namespace_of(self.id, host)
        former.update(system.in_namespace(namespace, topology.read_sysctls, fresh))
        system.in_namespace(namespace, topology.write_sysctls, {**gone, **wanted})

    def _start_resolver(self, number, dns_faults):
        host, address = topology.RESOLVERS[number]
        file = self.directory / f"unbound{number}.conf"
        file.write_text(resolver.configuration(address, dns_faults), encoding="ascii")
        self._start(host, f"resolver{number}", ["sh", "-c", UNCONFINED, "sh", "unbound", "-d", "-c", str(file)])

    def _await_resolvers(self, numbers):
        for number in numbers:
            host, address = topology.RESOLVERS[number]
            # localhost is a zone of unbound's own: it answers in every mode
            self._await(host, f"DNS server {address}", lambda address=address: probe.ask(
                address, "localhost", patience=0.2)[0] != "silent")

    def _restart_listener(self, host, roles):
        self._stop(f"listener-{host}")
        roles = sorted(set(roles))
        self._start(host, f"listener-{host}", ["/usr/bin/python3", "-B", str(LISTENER_PY),
                                               str(self._authority.directory), *roles])
        self._await(host, "listener", _accept, ("127.0.0.1", "::1"),
                    [LISTENERS[role] for role in roles if role in LISTENERS])
        if "spoof" in roles:
            self._await(host, "spoofer", lambda: probe.udp("127.0.0.1", SPOOFER, patience=0.1) == "reply")

    def _start(self, host, name, argv):
        with open(self.directory / f"{name}.log", "ab") as log:
            child = subprocess.Popen(["ip", "netns", "exec", topology.namespace_of(self.id, host), *argv],
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._children.append(child)
        (self.directory / f"{name}.pid").write_text(str(child.pid), encoding="ascii")

    def _stop(self, name):
        file = self.directory / f"{name}.pid"
        with contextlib.suppress(FileNotFoundError):
            system.kill_one(int(file.read_text(encoding="ascii")), topology.namespaces(self.id))
            file.unlink()

    def _await(self, host, what, question, *arguments):
        answered = system.in_namespace(topology.namespace_of(self.id, host), system.wait_until,
                                       lambda: question(*arguments), READY_PATIENCE_S)
        if not answered:
            said = "".join(f"\n{log.name}: {log.read_text(errors='replace')[-500:]}"
                           for log in sorted(self.directory.glob("*.log")) if log.stat().st_size)
            raise LabError(f"{what} of lab '{self.id}' did not answer within {READY_PATIENCE_S:.0f} s{said}")


def _effects(active):
    effects = Effects()
    for entry in active:
        FAULTS[entry["name"]].render(effects, entry["options"])
    return effects


def _accept(addresses, ports):
    for port in ports:
        for address in addresses:
            try:
                socket.create_connection((address, port), timeout=1).close()
            except OSError:
                return False
    return True
