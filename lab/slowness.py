"""Replacing a node's cable by a slow, lossy one, and back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from lab import addresses, disk, network
from lab.addresses import Address
from lab.config import Lab
from lab.errors import LabError, UsageError
from lab.process import run

_HERE = Path(__file__).parent
_START_LIMIT = 5.0
_MAX_DELAY_MS = 10_000.0


def slow(lab: Lab, name: str, *, delay_ms: float = 0.0, loss_percent: float = 0.0) -> None:
    """Delay every frame from and to the node, and lose some; a second call replaces the first one's figures."""
    if not (0 <= delay_ms <= _MAX_DELAY_MS and 0 <= loss_percent <= 100):
        raise UsageError("slow", f"delay {delay_ms:g} ms, loss {loss_percent:g} %", "use 0 to 10000 ms and 0 to 100 %")
    address = addresses.of(lab, name)
    network.require_plugged(address)
    unslow(lab, name)
    near, far = _names(address)
    network.splice(lab, address, near, far)
    for prefix, interface in ((["ip", "netns", "exec", address.namespace], "eth0"), ([], near)):
        run([*prefix, sys.executable, str(_HERE / "offload.py"), interface])
    argv = [sys.executable, str(_HERE / "relay.py"), address.interface, far, str(delay_ms), str(loss_percent)]
    with (disk.folder(lab, name) / "relay.log").open("wb") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
        )
    _pid_file(lab, name).write_text(str(process.pid))
    _await_running(lab, name, process)


def unslow(lab: Lab, name: str) -> None:
    """Give the node its good cable back; do nothing when it has it."""
    address = addresses.of(lab, name)
    process = _relay(lab, name)
    if process is not None:
        os.kill(process, signal.SIGTERM)
    _pid_file(lab, name).unlink(missing_ok=True)
    network.unsplice(lab, address, _names(address)[0])


def is_slow(lab: Lab, name: str) -> bool:
    """Say whether the node has the slow cable."""
    return _relay(lab, name) is not None


def _names(address: Address) -> tuple[str, str]:
    prefix, _, name = address.interface.partition("-")
    return f"{prefix}n-{name}", f"{prefix}f-{name}"


def _pid_file(lab: Lab, name: str) -> Path:
    return disk.folder(lab, name) / "relay.pid"


def _relay(lab: Lab, name: str) -> int | None:
    with suppress(OSError, ValueError):
        process = int(_pid_file(lab, name).read_text())
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        # A process id can be given again: only ours has this interface among its arguments.
        return process if addresses.of(lab, name).interface.encode() in words else None
    return None


def _await_running(lab: Lab, name: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_LIMIT
    while _relay(lab, name) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"node '{name}'", "the slow cable did not start", f"see {disk.folder(lab, name)}/relay.log")
        time.sleep(0.01)
