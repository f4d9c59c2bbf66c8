# SPDX-License-Identifier: Apache-2.0
"""Every fault of the lab as its own probe sees it: absent, on, and what it must not change (lab_test.py runs them)."""
SERVER, OTHER = "198.51.100.7", "54.215.171.160"
MAPS, MAPS_AT, MAPS6_AT = "maps.googleapis.com", "142.250.0.10", "2600:1f18:1::10"
MAPS_ALL = "142.250.0.10 142.250.0.11"
DNS1, DNS2 = "10.77.1.53", "203.0.113.53"


def tcp(port=443, address=SERVER, **how):
    return ("tcp", {"address": address, "port": port, **how})


def udp(port=4200, address=SERVER, **how):
    return ("udp", {"address": address, "port": port, **how})


def http(address=OTHER, **how):
    return ("http", {"address": address, **how})


def tls(name=MAPS, address=MAPS_AT):
    return ("tls", {"name": name, "address": address})


def dns(server=DNS1, name=MAPS):
    return ("dns", {"server": server, "name": name})


def errors(count=12, ttl=1):
    """How many of so many datagrams at once are answered with an ICMP error."""
    return ("errors", {"address": SERVER, "count": count, "ttl": ttl})


TRUSTED = "trusted " + MAPS
RESOLVED = "noerror " + MAPS_ALL
SITE, ISP, INTERNET = "10.77.1.1", "100.64.0.1", "203.0.113.2"
DIES_AT_SITE, DIES_AT_ISP, DIES_AT_INTERNET = (f"icmp 11/0 from {hop}" for hop in (SITE, ISP, INTERNET))


FOREIGN = "untrusted: self-signed certificate in certificate chain"
RULESET = f"""
table inet generated {{
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ip daddr {OTHER} tcp dport 80 accept
  }}
}}
"""


def same(probe, word):
    """The twin: what the fault must not change."""
    return probe, word, word


# (fault, its options, [(probe, word when healthy, word while on)]); equal words are the twin: what must not change
CASES = [
    ("drop", {}, [(tcp(), "open", "silent"), (udp(4210), f"icmp 3/3 from {SERVER}", "silent")]),
    ("drop", {"proto": "tcp", "port": "440-450", "address": "198.51.100.0/24"},
     [(tcp(), "open", "silent"), same(tcp(80), "open"), same(tcp(address=OTHER), "open"),
      same(tcp(ttl=1), DIES_AT_SITE),
      (tcp(ttl=2), DIES_AT_ISP, "silent")]),
    ("drop", {"at": "isp", "port": "443"},
     [(tcp(), "open", "silent"), same(tcp(ttl=2), DIES_AT_ISP),
      (tcp(ttl=3), DIES_AT_INTERNET, "silent"), (tcp(address=MAPS6_AT), "open", "silent")]),
    ("drop", {"port": "443", "hook": "prerouting"}, [(tcp(ttl=1), DIES_AT_SITE, "silent")]),
    ("drop", {"hook": "prerouting"}, [(tcp(), "open", "silent"), same(dns(), RESOLVED)]),
    ("reject", {"port": "443"}, [(tcp(), "open", f"icmp 3/3 from {SITE}"),
                                 (tcp(address=MAPS6_AT), "open", "icmp 1/4 from fd77:1::1")]),
    *(("reject", {"port": "443", "code": word}, [(tcp(), "open", f"icmp 3/{code} from {SITE}")])
      for word, code in (("net-unreachable", 0), ("host-unreachable", 1), ("protocol-unreachable", 2),
                         ("net-prohibited", 9), ("host-prohibited", 10))),
    ("reject", {"at": "isp", "proto": "udp", "code": "admin-prohibited"},
     [(udp(), "silent", f"icmp 3/13 from {ISP}"), same(tcp(), "open")]),
    ("reject", {"at": "isp", "address": "2600:1f18:1::/48", "code": "admin-prohibited"},
     [(tcp(address=MAPS6_AT), "open", "icmp 1/1 from 2001:db8:64::1"), same(tcp(), "open")]),
    ("reject", {"port": "443", "code": "admin-prohibited", "hook": "prerouting"},
     [(tcp(ttl=1), DIES_AT_SITE, f"icmp 3/13 from {SITE}")]),
    ("rst", {"port": "443"}, [(tcp(), "open", "refused"), same(tcp(ttl=1), DIES_AT_SITE),
                              (tcp(ttl=2), DIES_AT_ISP, "refused"),
                              (tcp(address=MAPS6_AT), "open", "refused")]),
    ("rst", {"at": "isp", "port": "443", "hook": "prerouting"},
     [same(tcp(ttl=1), DIES_AT_SITE), (tcp(ttl=2), DIES_AT_ISP, "refused")]),
    ("proxy", {"port": "443"}, [(tcp(ttl=1), DIES_AT_SITE, "open"), (tls(), TRUSTED, "open, then silent"),
                                same(tcp(80, ttl=1), DIES_AT_SITE)]),
    ("proxy", {"at": "isp", "address": SERVER},
     [same(tcp(ttl=1), DIES_AT_SITE), (tcp(2100), "refused", "open"),
      (tcp(ttl=2), DIES_AT_ISP, "open")]),
    ("redirect", {"port": "4200"},
     [(tcp(4200, ttl=1), DIES_AT_SITE, "open"), (tcp(4200, settle=True), "open, data taken", "open, data taken"),
      same(udp(4200), "silent"), same(tcp(443, ttl=1), DIES_AT_SITE)]),
    ("redirect", {"port": "443", "then": "relay"},
     [(tcp(443, MAPS_AT, ttl=1), DIES_AT_SITE, "open"), same(tls(), TRUSTED), same(tls(address=MAPS6_AT), TRUSTED)]),
    ("redirect", {"at": "isp", "port": "443", "then": "inspect"},
     [(tls(), TRUSTED, FOREIGN), (tls(address=MAPS6_AT), TRUSTED, FOREIGN), (tcp(ttl=2), DIES_AT_ISP, "open")]),
    ("redirect", {"at": "client", "port": "80"},
     [(tcp(80, ttl=1), DIES_AT_SITE, "open"), (tcp(80, device="wired"), "open", "silent"), same(tcp(443), "open")]),
    ("redirect", {"at": "client", "port": "443", "then": "relay"},
     [(tcp(443, MAPS_AT, ttl=1), DIES_AT_SITE, "open"), same(tls(), TRUSTED), same(tls(address=MAPS6_AT), TRUSTED)]),
    ("tproxy", {"port": "4200"}, [(tcp(4200, ttl=1), DIES_AT_SITE, "open"), same(tcp(443, ttl=1), DIES_AT_SITE)]),
    ("tproxy", {"at": "isp", "address": "198.51.100.0/24"},
     [same(tcp(ttl=1), DIES_AT_SITE), (tcp(2100, ttl=2), DIES_AT_ISP, "open"),
      same(tcp(80, OTHER, ttl=2), DIES_AT_ISP)]),
    ("tproxy", {"port": "443", "then": "relay"},
     [(tcp(443, MAPS_AT, ttl=1), DIES_AT_SITE, "open"), same(tls(), TRUSTED), same(tls(address=MAPS6_AT), TRUSTED)]),
    ("tproxy", {"port": "443", "then": "inspect"},
     [(tls(), TRUSTED, FOREIGN), (tls(address=MAPS6_AT), TRUSTED, FOREIGN)]),
    ("synproxy", {"port": "4200-4300"},
     [same(tcp(4200, ttl=1), DIES_AT_SITE), (tcp(4200, ttl=2), DIES_AT_ISP, "open"),
      same(tcp(4200, settle=True), "open, data taken"), (tcp(4300), "refused", "open, then ECONNRESET"),
      same(tcp(443, ttl=2), DIES_AT_ISP)]),
    ("synproxy", {"at": "isp", "port": "443"},
     [same(tcp(ttl=2), DIES_AT_ISP), (tcp(ttl=3), DIES_AT_INTERNET, "open"), same(tls(), TRUSTED),
      same(tls(address=MAPS6_AT), TRUSTED)]),
    ("udp-spoof", {"port": "4200"}, [(udp(), "silent", "reply"), (udp(ttl=1), DIES_AT_SITE, "reply"),
                                     (udp(address=MAPS6_AT, ttl=1), "icmp 3/0 from fd77:1::1", "reply"),
                                     same(udp(4201), "silent"), same(tcp(4200), "open")]),
    ("udp-spoof", {"at": "isp", "port": "4200-4203", "address": SERVER},
     [same(udp(ttl=1), DIES_AT_SITE), (udp(ttl=2), DIES_AT_ISP, "reply"), same(udp(address=OTHER), "silent")]),
    ("http-portal", {}, [(http(), "200 lab", "302 lab http://portal.lab.example/login"), same(tls(), TRUSTED),
                         (http(MAPS6_AT), "200 lab", "302 lab http://portal.lab.example/login")]),
    ("loss", {"percent": "100", "port": "443"}, [(tcp(), "open", "silent"), same(tcp(80), "open")]),
    ("data-drop", {"port": "443"}, [(tls(), TRUSTED, "open, then silent"), same(tcp(), "open")]),
    ("data-drop", {"at": "isp", "port": "80", "address": OTHER},
     [(http(), "200 lab", "open, then silent"), same(http(MAPS_AT), "200 lab")]),
    *(("data-drop", {"at": at, "port": "4200", "by": by},
       [(tcp(4200, settle=True), "open, data taken", "open, data lost"), same(tcp(4200), "open"),
        same(tcp(2100), "refused")]) for at in ("site", "isp") for by in ("flags", "packets")),
    ("data-drop", {"port": "443", "by": "length"},
     [(tls(), TRUSTED, "open, then silent"), (tls(address=MAPS6_AT), TRUSTED, "open, then silent"),
      same(http(), "200 lab")]),
    ("drop", {"at": "client", "hook": "input", "port": "443"},
     [(tcp(), "open", "silent"), same(tcp(ttl=1), DIES_AT_SITE), same(tcp(80), "open")]),
    ("drop", {"at": "server", "hook": "output", "port": "443", "proto": "tcp"},
     [(tcp(), "open", "silent"), same(tcp(80), "open")]),
    ("drop", {"at": "server", "port": "4200", "proto": "tcp", "address": SERVER},
     [(tcp(4200), "open", "silent"), same(tcp(4200, ttl=3), DIES_AT_INTERNET), same(tcp(), "open")]),
    ("drop", {"hook": "input", "port": "53"}, [(dns(), RESOLVED, "silent"), same(dns(DNS2), RESOLVED)]),
    ("drop", {"address": "17.0.0.0/9"},
     [(tcp(80, "17.127.255.1"), "open", "silent"), same(tcp(80, "17.128.0.1"), "open")]),
    ("drop", {"address": "2600:1f18::/32"}, [(tcp(address=MAPS6_AT), "open", "silent"), same(tcp(), "open")]),
    ("drop", {"address": "17.240.0.0/12", "port": "5223"},
     [(tcp(5223, "17.249.1.10"), "open", "silent"), same(tcp(80, "17.249.1.10"), "open"),
      same(tcp(5223, "17.57.144.1"), "open")]),
    ("reject", {"at": "internet", "port": "443", "code": "reject-route"},
     [(tcp(), "open", f"icmp 3/0 from {INTERNET}"), (tcp(address=MAPS6_AT), "open", "icmp 1/6 from 2001:db8:ff01::2")]),
    ("reject", {"port": "443", "code": "policy-fail"}, [(tcp(address=MAPS6_AT), "open", "icmp 1/5 from fd77:1::1")]),
    ("icmp-limited", {}, [(errors(), "12 of 12", "6 of 12")]),
    ("icmp-limited", {"budget": "strict"}, [(errors(), "12 of 12", "1 of 12")]),
    ("hop-silent", {}, [(tcp(ttl=1), DIES_AT_SITE, "silent"), same(tcp(ttl=2), DIES_AT_ISP), same(tcp(), "open")]),
    ("hop-silent", {"at": "isp"}, [same(tcp(ttl=1), DIES_AT_SITE), (tcp(ttl=2), DIES_AT_ISP, "silent"),
                                   same(tcp(ttl=3), DIES_AT_INTERNET)]),
    ("hop-silent", {"at": "isp", "proto": "udp"}, [(udp(ttl=2), DIES_AT_ISP, "silent"), same(udp(ttl=3), DIES_AT_INTERNET),
                                                   same(tcp(ttl=2), DIES_AT_ISP)]),
    ("ttl-floor", {"ttl": "5", "proto": "tcp"}, [(tcp(ttl=3), DIES_AT_INTERNET, "silent"), same(tcp(ttl=1), DIES_AT_SITE),
                                                 same(tcp(), "open"), same(udp(ttl=3), DIES_AT_INTERNET)]),
    ("ttl-set", {"at": "isp", "ttl": "64", "proto": "tcp"},
     [(tcp(ttl=3), DIES_AT_INTERNET, "open"), same(tcp(ttl=2), DIES_AT_ISP), same(udp(ttl=3), DIES_AT_INTERNET)]),
    ("default-deny", {"rules": f"ip daddr {OTHER} tcp dport {{ 80, 443 }} accept"},
     [(tcp(), "open", "silent"), same(http(), "200 lab"), (udp(), "silent", "silent"), same(tcp(ttl=1), DIES_AT_SITE),
      (tcp(address=MAPS6_AT), "open", "silent"), same(tcp(address=OTHER, ttl=2), DIES_AT_ISP)]),
    ("default-deny", {"rules": RULESET}, [(tcp(), "open", "silent"), same(http(), "200 lab")]),
    ("icmp-filtered", {}, [(tcp(ttl=1), DIES_AT_SITE, "silent"), (tcp(ttl=2), DIES_AT_ISP, "silent"),
                           same(tcp(), "open")]),
    ("icmp-filtered", {"at": "isp"},
     [same(tcp(ttl=1), DIES_AT_SITE), (tcp(ttl=2), DIES_AT_ISP, "silent")]),
    ("dead-address", {"address": SERVER}, [(tcp(), "open", "silent"), same(tcp(address=OTHER), "open"),
                                           same(tcp(ttl=3), DIES_AT_INTERNET)]),
    ("closed", {"port": "443"}, [(tcp(), "open", "refused"),
                                 same(tcp(ttl=3), DIES_AT_INTERNET)]),
    ("closed", {"port": "4200-4208", "proto": "udp"}, [(udp(), "silent", f"icmp 3/3 from {SERVER}")]),
    ("slow-server", {"port": "443"}, [(tls(), TRUSTED, "open, then silent"), same(http(), "200 lab")]),
    ("reset-after-accept", {"port": "80"}, [(http(), "200 lab", "open, then ECONNRESET"), same(tls(), TRUSTED)]),
    ("wrong-cert", {"name": MAPS}, [(tls(), TRUSTED, "untrusted: self-signed certificate in certificate chain")]),
    ("expired-cert", {"name": MAPS}, [(tls(), TRUSTED, "untrusted: certificate has expired")]),
    ("wrong-name-cert", {"name": MAPS},
     [(tls(), TRUSTED, f"untrusted: Hostname mismatch, certificate is not valid for '{MAPS}'."),
      same(tls("connect.helpdeskbuttons.com", "34.0.0.10"), "trusted connect.helpdeskbuttons.com")]),
    ("dns", {"server": "1", "mode": "silent"}, [(dns(), RESOLVED, "silent"), same(dns(DNS2), RESOLVED)]),
    ("dns", {"server": "2", "mode": "servfail"}, [(dns(DNS2), RESOLVED, "servfail"), same(dns(), RESOLVED)]),
    ("dns", {"server": "1", "mode": "servfail", "name": MAPS},
     [(dns(), RESOLVED, "servfail"), same(dns(name="init.push.apple.com"), "noerror 17.57.144.251 17.249.251.10")]),
    ("dns", {"mode": "nxdomain"}, [(dns(), RESOLVED, "nxdomain"), (dns(DNS2), RESOLVED, "nxdomain")]),
    ("dns", {"server": "1", "mode": "refused"}, [(dns(), RESOLVED, "refused")]),
    ("dns", {"server": "1", "mode": "private"}, [(dns(name="canary.example"), "nxdomain", "noerror 10.77.1.80")]),
    ("dns", {"mode": "wrong", "name": MAPS},
     [(dns(), RESOLVED, "noerror 192.0.2.66"), same(dns(name="canary.example"), "nxdomain")]),
    ("local-firewall", {"port": "4200"}, [(udp(), "silent", "EPERM"), (tcp(4200), "open", "silent"),
                                          same(tcp(), "open")]),
    ("no-route", {}, [(tcp(), "open", "ENETUNREACH"), same(dns(), RESOLVED),
                      (tcp(address=MAPS6_AT), "open", "ENETUNREACH"), same(tcp(device="voice"), "open")]),
    ("no-link", {}, [(tcp(), "open", "ENETUNREACH"), (tcp(address=MAPS6_AT), "open", "ENETUNREACH"),
                     same(tcp(source="10.77.2.2"), "open")]),
    ("no-address", {}, [(tcp(), "open", "ENETUNREACH"), (tcp(address=MAPS6_AT), "open", "ENETUNREACH")]),
    ("no-gateway", {}, [(tcp(patience=4), "open", "icmp 3/1 from 10.77.1.2"), (dns(), RESOLVED, "silent")]),
    ("last-link-down", {}, [(tcp(), "open", f"icmp 3/0 from {INTERNET}"), same(tcp(ttl=2), DIES_AT_ISP)]),
    ("uplink-down", {}, [(tcp(), "open", f"icmp 3/0 from {SITE}"), same(dns(), RESOLVED)]),
]


def walk(probe, **how):
    return [probe(**how, ttl=ttl) for ttl in (1, 2, 3, 4)]


HOPS = [DIES_AT_SITE, DIES_AT_ISP, DIES_AT_INTERNET]
HOPS6 = [f"icmp 3/0 from {address}" for address in ("fd77:1::1", "2001:db8:64::1", "2001:db8:ff01::2")]
PROHIBITED, PROHIBITED6 = f"icmp 3/13 from {ISP}", "icmp 1/1 from 2001:db8:64::1"

# Who answers at which TTL when the box is at hop 2 and the destination at 4: (fault, its options, how many routers say
# that the time is over, the word at each TTL after them, the same for IPv6 where it differs)
TABLE = [
    (None, {}, 3, "open"),
    ("drop", {}, 2, "silent"),
    ("drop", {"hook": "prerouting"}, 1, "silent"),
    ("rst", {}, 2, "refused"),
    ("rst", {"hook": "prerouting"}, 1, "refused"),
    ("reject", {"code": "admin-prohibited"}, 2, PROHIBITED, PROHIBITED6),
    ("reject", {"code": "admin-prohibited", "hook": "prerouting"}, 1, PROHIBITED, PROHIBITED6),
    ("redirect", {}, 1, "open"),
    ("tproxy", {}, 1, "open"),
    ("synproxy", {}, 2, "open"),
]
