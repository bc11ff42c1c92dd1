# SPDX-License-Identifier: Apache-2.0
"""The processes of nginx: after a reload the old workers still answer for a moment, with the old files."""

from __future__ import annotations

import os
import signal

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon

_PID_FILE = "/run/nginx.pid"  # where systemd looks as well
_MASTER = b"nginx: master process"
_LEAVING = b"shutting down"  # nginx puts it into the title of a worker that takes no more connections


def master(unit: str) -> int:
    """Return the number of the unit's main process, 0 when it does not run.

    systemd is asked when the file does not tell: a question to it is a process of its own, and a step has several.
    """
    try:
        with open(_PID_FILE, encoding="ascii") as file:
            number = int(file.read())
    except (OSError, ValueError):
        number = 0
    if number > 0 and _MASTER in _read(number, "cmdline") and f"/{unit}\n".encode() in _read(number, "cgroup"):
        return number
    return int(daemon.unit_properties(unit, "MainPID").get("MainPID") or 0)


def hang_up(number: int) -> None:
    """Let the main process read its configuration again; ProcessLookupError when there is none."""
    if number <= 0:
        raise ProcessLookupError
    os.kill(number, signal.SIGHUP)


def current(number: int) -> list[int]:
    """Return the numbers of the main process's workers that take connections now."""
    found = _read(number, f"task/{number}/children").split()
    return [worker for worker in map(int, found) if not has_left(worker)]


def has_left(number: int) -> bool:
    """Whether a worker has ended, or ends and takes no more connections."""
    title = _read(number, "cmdline")
    return not title or _LEAVING in title


def _read(number: int, name: str) -> bytes:
    """Return what a process's file says, nothing when it has ended."""
    try:
        with open(f"/proc/{number}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""
