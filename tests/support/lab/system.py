# SPDX-License-Identifier: Apache-2.0
"""Processes and network namespaces of the machine the lab runs on."""
import contextlib
import ctypes
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from .errors import LabError

CLONE_NEWNET = 0x40000000  # linux/sched.h
NETLINK_NETFILTER, NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 12, 1, 4, 2  # linux/netlink.h
CONNTRACK_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE: linux/netfilter/nfnetlink*.h
NETNS_DIR = pathlib.Path("/run/netns")
NETNS_ETC = pathlib.Path("/etc/netns")
EXIT_NEEDED = {"ip": "iproute2", "nft": "nftables", "unbound": "unbound", "openssl": "openssl", "setpriv": "util-linux"}


def require_root_and_tools():
    """Raises LabError unless this process can build namespaces."""
    if os.geteuid() != 0:
        raise PermissionError("the lab builds network namespaces and needs root: run it with sudo")
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [f"{tool} (package {package})" for tool, package in EXIT_NEEDED.items() if not shutil.which(tool)]
    if missing:
        raise LabError("not installed: " + ", ".join(missing))


def run(*argv, stdin=None):
    """Runs a command to its end and returns its output; LabError carries what it said."""
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()
        failed = re.search(r"Command failed -:(\d+)", said)  # `ip -batch` names the line
        line = f" ({stdin.splitlines()[int(failed[1]) - 1]})" if failed else ""
        raise LabError(f"{' '.join(argv)}{line}: exit {done.returncode}: {said}")
    return done.stdout


def ip_batch(namespace, lines, *family):
    """Runs `ip` commands inside a namespace, all or an error; `family` is "-6" where no address in them says so."""
    run("ip", *family, "-n", namespace, "-batch", "-", stdin="\n".join(lines) + "\n")


def nft(namespace, ruleset):
    """Loads an nft ruleset into a namespace as one transaction."""
    run("ip", "netns", "exec", namespace, "nft", "-f", "-", stdin=ruleset)


def forget_connections():
    """Empties this namespace's table of connections, as `conntrack -F` does."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as channel:
        channel.send(struct.pack("=IHHII", 20, CONNTRACK_DELETE, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + bytes(4))
        _, kind, _, _, _, error = struct.unpack_from("=IHHIIi", channel.recv(4096))
        if kind != NLMSG_ERROR or error:
            raise OSError(-error, "conntrack: cannot empty the table of connections")


def in_namespace(namespace, function, *arguments):
    """Calls the function on a thread that lives in the namespace and returns what it returns."""
    outcome = {}

    def body():
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(NETNS_DIR / namespace, "rb") as handle:
                if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:  # nothing may run outside the namespace
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            outcome["value"] = function(*arguments)
        except BaseException as problem:  # handed to the caller below
            outcome["problem"] = problem

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if "problem" in outcome:
        raise outcome["problem"]
    return outcome["value"]


def pids_in(namespaces):
    """Every process that lives in one of the namespaces, this one and its ancestors excepted."""
    wanted = set()
    for namespace in namespaces:
        with contextlib.suppress(OSError):
            status = os.stat(NETNS_DIR / namespace)
            wanted.add((status.st_dev, status.st_ino))
    own = os.stat("/proc/self/ns/net")
    wanted.discard((own.st_dev, own.st_ino))  # standing in a lab namespace must not mean suicide
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                status = os.stat(f"/proc/{entry}/ns/net")
                if (status.st_dev, status.st_ino) in wanted:
                    found.append(int(entry))
    return found


def kill_all_in(namespaces, patience=2.0):
    """Kills every process in the namespaces and waits until they are gone."""
    deadline = time.monotonic() + patience
    while pids := pids_in(namespaces):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"processes that do not die: {pids}")
        time.sleep(0.005)


@contextlib.contextmanager
def locked(path):
    """Holds an exclusive lock, so that two commands on one lab run one after the other; the holder may unlink it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(path, "a", encoding="ascii") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if path.exists() and os.stat(path).st_ino == os.fstat(handle.fileno()).st_ino:
                yield
                return


def wait_until(question, patience, interval=0.01):
    """Asks until the answer is true; False when patience ran out."""
    deadline = time.monotonic() + patience
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def kill_one(pid, namespaces):
    """Kills a process if it (still) lives in one of the namespaces, and waits until its sockets are closed."""
    if pid in pids_in(namespaces):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while not _has_ended(pid):
            time.sleep(0.002)


def _has_ended(pid):
    """A dying process leaves its namespaces first and closes its files later: only a zombie has done both."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
