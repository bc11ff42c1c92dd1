# SPDX-License-Identifier: Apache-2.0
"""Daemons that several services' steps share: one writer at a time, and what systemd says about units."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

LOCK_DIRECTORY = "/run/tenantry/lock"


@contextlib.contextmanager
def serialised(name: str, check_mode: bool = False, wait_seconds: float = 60.0) -> Iterator[None]:
    """Hold the node-wide lock of a daemon while its files are compared, tested, swapped and loaded.

    Check mode takes no lock and makes no file. Raises StepFailed with the reason ``busy``.
    """
    if check_mode:
        yield
        return
    os.makedirs(LOCK_DIRECTORY, mode=0o700, exist_ok=True)
    path = os.path.join(LOCK_DIRECTORY, name)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _acquire(descriptor, name, time.monotonic() + wait_seconds)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, name: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StepFailed("busy", f"other steps on this node hold {name} for too long") from None
            time.sleep(0.02)


def unit_properties(unit: str, *names: str) -> dict[str, str]:
    """Return properties of a unit as systemd shows them; empty values where it does not know the unit."""
    argv = ["systemctl", "show", "--no-pager", *(f"--property={name}" for name in names), "--", unit]
    code, output = Step.probe(argv)
    if code != 0:
        raise StepFailed("command", f"systemctl show {unit} failed (exit {code}): {tail(output)}")
    pairs = (line.split("=", 1) for line in output.splitlines() if "=" in line)
    return {name: value for name, value in pairs if name in names}


def is_active(unit: str) -> bool:
    """Whether the unit runs."""
    return unit_properties(unit, "ActiveState").get("ActiveState") == "active"
