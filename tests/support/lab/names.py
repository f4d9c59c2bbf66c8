# SPDX-License-Identifier: Apache-2.0
"""What the simulated internet contains: the addresses and names of the shipped catalogues."""

COURIERS = 50  # the vendor's own bag says APNSCourierHostcount 50

# name -> (two IPv4 addresses, one IPv6 address), what both resolvers answer
NAMES = {
    "maps.googleapis.com": ("142.250.0.10", "142.250.0.11", "2600:1f18:1::10"),
    "cfjex255ag.execute-api.us-east-1.amazonaws.com": ("52.94.0.10", "52.94.0.11", "2600:1f18:2::10"),
    "apc-button.s3.amazonaws.com": ("52.94.0.20", "52.94.0.21", "2600:1f18:2::20"),
    "connect.helpdeskbuttons.com": ("34.0.0.10", "34.0.0.11", "2600:1f18:3::10"),
    "courier.push.apple.com": ("17.57.144.250", "17.249.250.10", "2600:1f18:4::250"),
    "init.push.apple.com": ("17.57.144.251", "17.249.251.10", "2600:1f18:4::251"),
    **{f"{n}-courier.push.apple.com": (f"17.57.144.{n}", f"17.249.{n}.10", f"2600:1f18:4::{n}")
       for n in range(1, COURIERS + 1)},
}

# IPv4 prefixes that the server owns, and to which the internet has routes; anything else is unreachable there
SERVED_PREFIXES = (
    "54.215.171.160/32", "54.219.138.108/32", "35.153.48.78/32",     # provisioning
    "18.252.105.80/32",                                              # disaster recovery: signaling and data
    "15.200.134.197/32", "15.200.227.26/32", "3.30.250.187/32",      # load balancers
    "17.0.0.0/8",                                                    # push notifications
    "198.51.100.0/24",                                               # .7 plays the customer's primary signaling server
    "142.250.0.0/24", "52.94.0.0/24", "34.0.0.0/24",                 # the names above
)
SERVED_PREFIX6 = "2600:1f18::/32"
PRIMARY_SERVER = "198.51.100.7"

# certificate file -> its names; the server picks NAME, then the wildcard of its parent, then the default
CERTIFICATES = {
    **{name: (name,) for name in NAMES if not name.endswith(".push.apple.com")},
    "_.push.apple.com": ("courier.push.apple.com",),
}
PRIVATE_ISSUERS = {"_.push.apple.com": "apple-ca"}  # certificate file -> its authority where it is not the lab's CA
DEFAULT_CERTIFICATE = "lab-default"

RECORD_TTL_S = 10  # short, so that a change of DNS is seen within one test


def config(ca_file, apple_ca_file):
    """The site configuration that fits this lab."""
    return {
        "site": "lab",
        "catalogues": ["eschat-govcloud", "helpdesk-buttons"],
        "values": {"eschat-govcloud": {"signaling_primary": [PRIMARY_SERVER], "data_primary": [PRIMARY_SERVER]}},
        "tls": {"ca_file": str(ca_file), "extra_ca_files": [str(apple_ca_file)]},
    }
