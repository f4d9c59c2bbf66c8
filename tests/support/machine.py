# SPDX-License-Identifier: Apache-2.0
"""A booted systemd in a container: this machine's own files under an overlay that is thrown away.

    with Machine(network="lab-client", files={"/etc/x": "text"}, binds={"/outside": "/inside"}) as machine:
        machine.run("systemctl", "start", "x.service")

No service of this machine is started in it, though their units are there. Its only network is the namespace that is named:
what it reaches is what that one reaches. All of it (mounts, processes) ends with the process at its head, also when the
process that made it is killed.
"""
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

BOOT_PATIENCE_S = 60.0
NEEDED = {"systemd-nspawn": "systemd-container", "nsenter": "util-linux", "setpriv": "util-linux"}
# Directories whose entries would start services of this machine, or change the network namespace that is lent
EMPTIED = ("/etc/systemd/system", *(f"/etc/rc{level}.d" for level in "0123456S"), "/etc/sysctl.d", "/usr/lib/sysctl.d")
# Mounted in a mount namespace of its own: nothing of it is seen outside, and it is gone with its last process.
START = """
set -e
mount -t tmpfs -o mode=755 tmpfs {room}
mkdir {room}/upper {room}/work {room}/root
cp -a {upper}/. {room}/upper/
for one in {emptied}; do
    mkdir -p {room}/upper$one
    {python} -c 'import os, sys; os.setxattr(sys.argv[1], "trusted.overlay.opaque", b"y")' {room}/upper$one
done
mount -t overlay overlay -o lowerdir=/,upperdir={room}/upper,workdir={room}/work {room}/root
exec setpriv --pdeathsig KILL systemd-nspawn --quiet --directory={room}/root --register=no --keep-unit --link-journal=no \
    --resolv-conf=off --timezone=off --console=pipe {options} --boot systemd.unit=multi-user.target
"""


class NotBooted(Exception):
    """This machine cannot have another inside; the container's own words say why."""


def why_not():
    """Why no machine can be booted here; None when one can."""
    if os.geteuid() != 0:
        return "needs root (a container and network namespaces)"
    missing = [f"{tool} (package {package})" for tool, package in NEEDED.items() if not shutil.which(tool)]
    if missing:
        return "not installed: " + ", ".join(missing)
    if "overlay" not in pathlib.Path("/proc/filesystems").read_text(encoding="ascii"):
        return "this kernel has no overlay file system"
    return None


class Machine:
    """`network`: the name of a network namespace, or None for loopback alone."""

    def __init__(self, network=None, files=None, binds=None):
        self.network, self.files, self.binds = network, files or {}, binds or {}
        self.directory = self.head = self.leader = None

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="machine-"))
        try:
            self._boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def command(self, *argv):
        return ["nsenter", "--all", f"--target={self.leader}", "--wdns=/", *argv]

    def run(self, *argv, check=True, patience=60.0, **keywords):
        """Runs a command in the machine as root, to its end; its output is captured as text."""
        done = subprocess.run(self.command(*argv), capture_output=True, text=True, check=False, timeout=patience,
                              stdin=None if "input" in keywords else subprocess.DEVNULL, **keywords)
        if check and done.returncode != 0:
            raise AssertionError(f"{shlex.join(argv)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def sh(self, script, **keywords):
        """The output of a shell script that must succeed."""
        return self.run("sh", "-ec", script, **keywords).stdout

    def popen(self, *argv, **keywords):
        return subprocess.Popen(self.command(*argv), **keywords)

    def show(self, unit, *names):
        """Properties of a unit, in the order asked for; one alone as text."""
        lines = self.sh(f"systemctl show {unit} " + " ".join(f"-p {name}" for name in names)).splitlines()
        found = dict(line.split("=", 1) for line in lines)
        values = [found[name] for name in names]
        return values[0] if len(values) == 1 else values

    def console(self):
        return (self.directory / "console").read_text(encoding="utf-8", errors="replace")

    def _boot(self):
        upper, room = self.directory / "upper", self.directory / "room"
        room.mkdir()
        for name, text in self.files.items():
            path = upper / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        upper.mkdir(exist_ok=True)
        options = [f"--network-namespace-path=/run/netns/{self.network}" if self.network else "--private-network",
                   *(f"--bind-ro={host}:{inside}" for host, inside in self.binds.items())]
        script = START.format(room=room, upper=upper, emptied=shlex.join(EMPTIED), python="/usr/bin/python3",
                              options=shlex.join(options))
        with open(self.directory / "console", "wb") as console:
            self.head = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", "setpriv", "--pdeathsig", "KILL", "bash", "-c", script],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        deadline = time.monotonic() + BOOT_PATIENCE_S
        while not self._is_up():
            if self.head.poll() is not None or time.monotonic() > deadline:
                raise NotBooted(f"no machine boots here: {self.console()[-1000:]}")
            time.sleep(0.05)

    def _is_up(self):
        self.leader = self.leader or next(filter(is_init, descendants(self.head.pid)), None)
        if self.leader is None:
            return False
        state = subprocess.run(self.command("systemctl", "is-system-running"), capture_output=True, text=True, check=False)
        return state.stdout.strip() in ("running", "degraded")

    def _end(self):
        if self.head is not None:
            if self.leader is not None:  # the first process of a process namespace: its end is everybody's
                os.kill(self.leader, signal.SIGKILL)
            try:
                self.head.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.head.kill()
                self.head.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def descendants(pid):
    """All below this process."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [found for child in children for found in (int(child), *descendants(child))]


def is_init(pid):
    """Whether it is the systemd at the head of a process namespace just below ours."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    return found["Name"].strip() == "systemd" and found["NSpid"].split()[-1] == "1" and len(found["NSpid"].split()) > 1
