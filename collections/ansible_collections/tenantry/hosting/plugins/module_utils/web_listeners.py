# SPDX-License-Identifier: Apache-2.0
"""Who listens where on this node's loopback: a customer may put a site before his own program and nobody else's."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENING = "0A"


def parse(lines: Iterable[str]) -> list[tuple[int, int]]:
    """Return (port, uid) of every listening socket in a table of the kernel."""
    rows = (line.split() for line in lines)
    return [(int(row[1].rpartition(":")[2], 16), int(row[7])) for row in rows if len(row) > 7 and row[3] == _LISTENING]


def require_own(target: tuple[str, int], uid: int) -> None:
    """Refuse a port on which another user's program listens; a port that nobody has yet is fine."""
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as file:
                holders = {holder for port, holder in parse(file) if port == target[1]}
        except OSError:
            continue
        if holders - {uid} and uid != -1:
            raise StepFailed(
                "conflict", "port %d of this node is not the account's own; nothing was changed" % target[1]
            )
