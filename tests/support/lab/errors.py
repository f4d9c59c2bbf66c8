# SPDX-License-Identifier: Apache-2.0
"""The two ways a lab operation ends badly."""


class LabError(RuntimeError):
    """The machine refused: a command failed, a process did not come up, not root."""


class UsageError(LabError):
    """The caller asked for something that does not exist: unknown fault, host or option."""
