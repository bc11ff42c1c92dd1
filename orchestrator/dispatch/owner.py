"""Who holds a lease: named so that another process on this machine can tell whether that one still lives."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def owner_name(pid: int | None = None) -> str:
    """Return "host/boot/pid/start/random" of a process of this machine."""
    number = pid or os.getpid()
    return f"{socket.gethostname()}/{_boot_id()}/{number}/{_start_ticks(number)}/{secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """True when ``owner`` was a process of this machine that has certainly ended; False when that cannot be known."""
    parts = owner.split("/")
    if len(parts) != 5 or parts[0] != socket.gethostname() or not parts[2].isdigit():
        return False
    if parts[1] != _boot_id():
        return True  # the machine has been started again since
    return _start_ticks(int(parts[2])) != parts[3]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]


def _start_ticks(pid: int) -> str:
    """Return the start time of a process in clock ticks (proc(5), field 22), "-" when there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "-"
    fields = status.rpartition(")")[2].split()
    return "-" if fields[0] == "Z" else fields[19]
