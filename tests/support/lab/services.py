# SPDX-License-Identifier: Apache-2.0
"""Which ports the simulated internet serves, and how."""

HTTP_PORTS = (80,)
TLS_PORTS = {443: ("http/1.1",), 5223: ("apns-security-v3", "apns-security-v2")}  # port -> ALPN offered
SILENT_PORTS = (4200, *range(2001, 2011), 2200, 2500)  # accept, then say nothing; the rest of 2001-2500 is closed
UDP_SILENT_PORTS = range(4200, 4209)
# On a middle box, where the nft rules of the faults send what they take: role -> port.
LISTENERS = {"proxy": 61001, "relay": 61002, "inspect": 61003, "portal": 61080}  # TCP
SPOOFER = 61053                                                                  # UDP
