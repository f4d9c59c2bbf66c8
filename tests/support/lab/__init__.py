# SPDX-License-Identifier: Apache-2.0
"""A simulated site in network namespaces, with faults that can be switched on and off.

    import sys; sys.path.insert(0, "tests/support")
    from lab import Lab
    with Lab("mine") as lab:
        lab.fault("drop", port="443", proto="tcp")
        lab.exec("client", ["reachctl", "status"])
"""
from .errors import LabError, UsageError
from .lab import Lab

__all__ = ["Lab", "LabError", "UsageError"]
