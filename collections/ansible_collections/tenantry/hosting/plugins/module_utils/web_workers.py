# SPDX-License-Identifier: Apache-2.0
"""The worker processes of nginx: after a reload the old ones still answer for a moment, with the old files."""

from __future__ import annotations

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon

_LEAVING = b"shutting down"  # nginx puts it into the title of a worker that takes no more connections


def current(unit: str) -> list[int]:
    """Return the numbers of the worker processes that take connections now."""
    master = daemon.unit_properties(unit, "MainPID").get("MainPID", "0")
    try:
        with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as file:
            return [int(number) for number in file.read().split() if not has_left(int(number))]
    except OSError:
        return []


def has_left(number: int) -> bool:
    """Whether a worker has ended, or ends and takes no more connections."""
    try:
        with open(f"/proc/{number}/cmdline", "rb") as file:
            return _LEAVING in file.read()
    except OSError:
        return True
