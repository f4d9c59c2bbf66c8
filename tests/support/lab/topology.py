# SPDX-License-Identifier: Apache-2.0
"""The site, its provider and the internet as network namespaces (the picture is in docs/LAB.md)."""
import contextlib
import pathlib
import shutil

from . import system
from .names import NAMES, SERVED_PREFIX6, SERVED_PREFIXES

HOSTS = ("client", "site", "isp", "internet", "server")
ROUTERS = ("site", "isp", "internet")
RESOLVERS = {"1": ("site", "10.77.1.53"), "2": ("server", "203.0.113.53")}
VOICE_TABLE = 77
PROXY_MARK = PROXY_TABLE = 78  # what a transparent proxy takes is delivered to the box itself

# (host, its interface, neighbour, the neighbour's interface)
LINKS = (
    ("client", "wired", "site", "lan"),
    ("client", "voice", "site", "voicelan"),
    ("site", "wan", "isp", "customer"),
    ("isp", "transit", "internet", "provider"),
    ("internet", "hosting", "server", "wan"),
)

# Where a delay can be put: between which host and its next.
SLOW_LINKS = {"client": LINKS[0], "isp": LINKS[3]}
# Where a NAT in user space stands, in place of the site's own.
NAT_LINK = LINKS[2]

# The commands that give a host its addresses and routes. They can be repeated at any time to undo a state fault,
# hence `replace`. The first address of a subnet is the source of the ICMP errors that the host sends there.
ADDRESSING = {
    "client": [
        "link set wired up", "link set voice up",
        "address replace 10.77.1.2/24 dev wired", "address replace fd77:1::2/64 dev wired nodad",
        "address replace 10.77.2.2/24 dev voice",
        "route replace default via 10.77.1.1 dev wired", "route replace ::/0 via fd77:1::1 dev wired",
        f"route replace 10.77.2.0/24 dev voice src 10.77.2.2 table {VOICE_TABLE}",
        f"route replace default via 10.77.2.1 dev voice src 10.77.2.2 table {VOICE_TABLE}",
    ],
    "site": [
        "link set lan up", "link set voicelan up", "link set wan up",
        "address replace 10.77.1.1/24 dev lan", "address replace 10.77.1.53/24 dev lan",
        "address replace fd77:1::1/64 dev lan nodad", "address replace 10.77.2.1/24 dev voicelan",
        "address replace 100.64.0.2/30 dev wan", "address replace 2001:db8:64::2/64 dev wan nodad",
        "route replace default via 100.64.0.1", "route replace ::/0 via 2001:db8:64::1",
    ],
    "isp": [
        "link set customer up", "link set transit up",
        "address replace 100.64.0.1/30 dev customer", "address replace 2001:db8:64::1/64 dev customer nodad",
        "address replace 203.0.113.1/30 dev transit", "address replace 2001:db8:ff01::1/64 dev transit nodad",
        "route replace default via 203.0.113.2", "route replace ::/0 via 2001:db8:ff01::2",
        "route replace fd77:1::/64 via 2001:db8:64::2",
    ],
    "internet": [
        "link set provider up", "link set hosting up",
        "address replace 203.0.113.2/30 dev provider", "address replace 2001:db8:ff01::2/64 dev provider nodad",
        "address replace 203.0.113.5/30 dev hosting", "address replace 2001:db8:ff02::1/64 dev hosting nodad",
        "route replace 100.64.0.0/30 via 203.0.113.1", "route replace fd77::/16 via 2001:db8:ff01::1",
        "route replace 2001:db8:64::/64 via 2001:db8:ff01::1",
        "route replace 203.0.113.53/32 via 203.0.113.6",
        *(f"route replace {prefix} via 203.0.113.6" for prefix in SERVED_PREFIXES),
        f"route replace {SERVED_PREFIX6} via 2001:db8:ff02::2",
    ],
    "server": [
        "link set wan up",
        "address replace 203.0.113.6/30 dev wan", "address replace 203.0.113.53/32 dev lo",
        "address replace 2001:db8:ff02::2/64 dev wan nodad",
        "route replace default via 203.0.113.5", "route replace ::/0 via 2001:db8:ff02::1",
        *(f"route replace local {prefix} dev lo" for prefix in SERVED_PREFIXES),
        *(f"address replace {addresses[2]}/128 dev lo nodad" for addresses in NAMES.values()),
    ],
}
POLICY_RULES = [f"rule add from 10.77.2.2 lookup {VOICE_TABLE}", f"rule add oif voice lookup {VOICE_TABLE}"]
PROXY_RULES = [f"rule add fwmark {PROXY_MARK} lookup {PROXY_TABLE}",
               f"route replace local default dev lo table {PROXY_TABLE}"]

SITE_FIREWALL = """
table inet lab_site {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname { "lan", "voicelan" } oifname "wan" accept
  }
  chain nat_postrouting {
    type nat hook postrouting priority srcnat;
    oifname "wan" meta nfproto ipv4 masquerade
  }
}
"""

SYSCTLS = {
    "ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/send_redirects": "0", "ipv4/conf/default/send_redirects": "0",
    "ipv6/conf/all/disable_ipv6": "0", "ipv6/conf/default/disable_ipv6": "0",
    "ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/all/accept_ra": "0", "ipv6/conf/default/accept_ra": "0",
    "ipv6/conf/all/keep_addr_on_down": "1", "ipv6/conf/default/keep_addr_on_down": "1",
}
ROUTER_SYSCTLS = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"}
SERVER_SYSCTLS = {"core/somaxconn": "4096", "ipv4/tcp_max_syn_backlog": "8192"}
CLIENT_SYSCTLS = {"ipv4/ping_group_range": "0 2147483647"}  # systemd's default: ping sockets for ordinary users

CLIENT_FILES = {
    "resolv.conf": "".join(f"nameserver {address}\n" for _, address in RESOLVERS.values())
                   + "options timeout:1 attempts:2\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
}


def namespace_of(lab_id, host):
    return f"{lab_id}-{host}"


def namespaces(lab_id):
    return [namespace_of(lab_id, host) for host in HOSTS]


def read_sysctls(keys):
    """The values in the calling thread's network namespace."""
    return {key: pathlib.Path("/proc/sys/net", key).read_text(encoding="ascii").strip() for key in keys}


def write_sysctls(values):
    """Writes the values in the calling thread's network namespace."""
    for key, value in values.items():
        pathlib.Path("/proc/sys/net", key).write_text(value, encoding="ascii")


def write_netns_files(lab_id):
    """The files that `ip netns exec` puts over the machine's own."""
    for host in HOSTS:
        directory = system.NETNS_ETC / namespace_of(lab_id, host)
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in CLIENT_FILES.items():
            (directory / name).write_text(text, encoding="ascii")


def build(lab_id, joined=(), join=None, rules=SITE_FIREWALL):
    """Creates the namespaces, links, addresses, routes and the site's rules. `join(link)` makes the links of `joined`."""
    write_netns_files(lab_id)
    own = {"client": CLIENT_SYSCTLS, "server": SERVER_SYSCTLS, **{router: ROUTER_SYSCTLS for router in ROUTERS}}
    for host in HOSTS:
        system.run("ip", "netns", "add", namespace_of(lab_id, host))
        system.in_namespace(namespace_of(lab_id, host), write_sysctls, {**SYSCTLS, **own[host]})
    for link in LINKS:
        if link in joined:
            join(link)
            continue
        host, interface, neighbour, other = link
        system.run("ip", "-n", namespace_of(lab_id, host), "link", "add", interface, "type", "veth",
                   "peer", "name", other, "netns", namespace_of(lab_id, neighbour))
    for host in reversed(HOSTS):  # the far ends first, so that a link is up when its near end gets routes
        extra = POLICY_RULES if host == "client" else []
        system.ip_batch(namespace_of(lab_id, host), ["link set lo up", *ADDRESSING[host], *extra])
    for router in ROUTERS:
        for family in ("-4", "-6"):
            system.ip_batch(namespace_of(lab_id, router), PROXY_RULES, family)
    if rules:
        system.nft(namespace_of(lab_id, "site"), rules)


def demolish(lab_id):
    """Removes everything `build` made and everything that runs in it; works on remains of any age."""
    present = [name for name in namespaces(lab_id) if (system.NETNS_DIR / name).exists()]
    system.kill_all_in(present)
    for name in present:
        system.run("ip", "netns", "delete", name)
    for name in namespaces(lab_id):
        shutil.rmtree(system.NETNS_ETC / name, ignore_errors=True)
    with contextlib.suppress(OSError):
        system.NETNS_ETC.rmdir()  # only if empty
