"""The lab's own recursive resolver: unbound on the bridge, cut off from the world, validating.

Names below a stub zone are asked of the lab's DNS nodes; everything else does not exist.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lab import access, addresses, locks, zones
from lab.config import Lab
from lab.errors import LabError
from lab.process import run
from lab.zones import Stub

_START_LIMIT = 10.0
_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")


def up(lab: Lab) -> None:
    """Start the resolver, or let a running one read changed settings; do nothing when neither is needed."""
    changed = _write(lab, stubs(lab))
    if pid(lab) is None:
        _start(lab)
    elif changed:
        _reload(lab)


def down(lab: Lab) -> None:
    """End the resolver and remove its files."""
    process = pid(lab)
    if process is not None:
        os.kill(process, signal.SIGTERM)
        _await(lambda: not _alive(lab, process), "it does not end")
    if folder(lab).exists():
        shutil.rmtree(folder(lab))


def flush(lab: Lab) -> None:
    """Forget every cached answer."""
    if pid(lab) is None:
        raise LabError("the resolver", "it does not run", "run `python3 -m lab up`")
    _reload(lab)


def stubs(lab: Lab) -> list[Stub]:
    """Return the zones that are asked of the lab's nodes."""
    path = _stub_file(lab)
    if not path.exists():
        servers = tuple(addresses.of(lab, name).ipv4 for name in ("dns1", "dns2"))
        return [Stub(zone=zone, servers=servers, anchor=None) for zone in zones.DEFAULT_STUBS]
    return [Stub(**{**row, "servers": tuple(row["servers"])}) for row in json.loads(path.read_text())]


def add_stub(lab: Lab, stub: Stub) -> None:
    """Ask the given servers for one more zone; a trust anchor makes the resolver demand valid signatures."""
    with locks.held(lab.state):
        _store(lab, [*(other for other in stubs(lab) if other.zone != stub.zone), stub])


def remove_stub(lab: Lab, zone: str) -> None:
    """Ask nobody for this zone any more."""
    with locks.held(lab.state):
        left = [stub for stub in stubs(lab) if stub.zone != zone]
        if len(left) == len(stubs(lab)):
            raise LabError(f"stub zone '{zone}'", "there is none", "see `python3 -m lab stub list`")
        _store(lab, left)


def pid(lab: Lab) -> int | None:
    """Return the resolver's process id, if that process is really ours and alive."""
    with suppress(FileNotFoundError, ValueError):
        process = int((folder(lab) / "unbound.pid").read_text())
        return process if _alive(lab, process) else None
    return None


def folder(lab: Lab) -> Path:
    """Return where the resolver's files lie."""
    return lab.state / "resolver"


def _stub_file(lab: Lab) -> Path:
    return folder(lab) / "stubs.json"


def _store(lab: Lab, rows: list[Stub]) -> None:
    if pid(lab) is None:
        raise LabError("the resolver", "it does not run", "run `python3 -m lab up`")
    access.replace(_stub_file(lab), json.dumps([row.as_dict() for row in rows], indent=1))
    up(lab)


def _write(lab: Lab, rows: list[Stub]) -> bool:
    home = folder(lab)
    home.mkdir(parents=True, exist_ok=True)
    texts = {home / "lab.zone": zones.node_zone(lab), home / "unbound.conf": zones.configuration(lab, home, rows)}
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in changed:
        access.replace(path, texts[path])
    return bool(changed)


def _start(lab: Lab) -> None:
    configuration = folder(lab) / "unbound.conf"
    run([_program(lab), "-c", str(configuration)])
    _await(lambda: pid(lab) is not None, f"see {folder(lab)}/unbound.log")


def _program(lab: Lab) -> str:
    program = shutil.which("unbound", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "unbound"
    if not (_APPARMOR.exists() and _APPARMOR.read_text().startswith("Y")):
        return program
    # Debian's profile binds that path to /etc/unbound; a copy elsewhere may read the lab's own configuration.
    return str(shutil.copy2(program, folder(lab) / "lab-unbound"))


def _reload(lab: Lab) -> None:
    process = pid(lab)
    if process is not None:
        os.kill(process, signal.SIGHUP)


def _alive(lab: Lab, process: int) -> bool:
    with suppress(OSError):
        return str(folder(lab) / "unbound.conf").encode() in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    return False


def _await(condition: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + _START_LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise LabError("the resolver", f"no change within {_START_LIMIT:g} s", why)
        time.sleep(0.02)
