"""Room for what the nodes watch: the kernel counts inotify instances by user, and root of every node is the machine's root."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
WANTED = 1024  # a node has up to twelve; the kernel's own limit is 128


def make_room() -> None:
    """Raise the machine's limit unless it is high enough; it is not lowered again, for others may count on it by then."""
    if int(LIMIT.read_text()) < WANTED:
        with suppress(OSError):  # where it may not be set, fewer nodes boot, and their console says why
            LIMIT.write_text(f"{WANTED}\n")
