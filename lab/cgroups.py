"""One control group a node: its units never meet another node's, and ending it ends every process in it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from lab.config import Lab
from lab.errors import LabError
from lab.process import run

_PARENT = "tenantry-lab"
_KILL_LIMIT = 15.0


def relative(lab: Lab, name: str) -> str:
    """Return a node's group as seen from the root of the unified hierarchy."""
    return f"{_PARENT}/{lab.bridge}/{name}"


def create(lab: Lab, name: str) -> None:
    """Make a node's group, with every controller the machine can pass on."""
    group = _mount(lab)
    for part in relative(lab, name).split("/"):
        for controller in (group / "cgroup.controllers").read_text().split():
            with suppress(OSError):  # a controller bound to the old hierarchy cannot be passed on
                (group / "cgroup.subtree_control").write_text(f"+{controller}")
        group /= part
        group.mkdir(exist_ok=True)


def populated(lab: Lab, name: str) -> bool:
    """Say whether a process of the node is alive."""
    with suppress(FileNotFoundError):
        return "populated 1" in (_mount(lab) / relative(lab, name) / "cgroup.events").read_text()
    return False


def names(lab: Lab) -> list[str]:
    """Return the nodes of this lab that have a group, alive or not."""
    parent = _mount(lab) / _PARENT / lab.bridge
    return sorted(path.name for path in parent.glob("*/")) if parent.is_dir() else []


def end(lab: Lab, name: str) -> None:
    """Kill every process of the node at once, as a power cut does, and remove the group."""
    group = _mount(lab) / relative(lab, name)
    if not group.is_dir():
        return
    (group / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + _KILL_LIMIT
    while populated(lab, name):
        if time.monotonic() > deadline:
            raise LabError(f"node '{name}'", f"processes survived {_KILL_LIMIT:g} s", f"look into {group}/cgroup.procs")
        time.sleep(0.02)
    _remove(group)


def memory_bytes(lab: Lab, name: str) -> int:
    """Add up the proportional memory of a node's processes; the controller is missing on hybrid machines."""
    group = _mount(lab) / relative(lab, name)
    return sum(_pss(pid) for procs in group.rglob("cgroup.procs") for pid in procs.read_text().split())


def sweep(lab: Lab) -> None:
    """Remove the lab's empty groups and, if the lab had to mount the hierarchy itself, that mount."""
    root = _mount(lab)
    for group in (root / _PARENT / lab.bridge, root / _PARENT):
        with suppress(OSError):  # another lab of this machine still uses the upper one
            group.rmdir()
    own = lab.state / "cgroup2"
    if own.is_mount():
        run(["umount", str(own)])
        own.rmdir()


def _mount(lab: Lab) -> Path:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, filesystem = line.partition(" - ")
        if filesystem.startswith("cgroup2 ") and fields.split()[3] == "/":
            return Path(fields.split()[4])
    own = lab.state / "cgroup2"
    own.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "cgroup2", "cgroup2", str(own)])
    return own


def _remove(group: Path) -> None:
    for child in sorted((path for path in group.rglob("*/")), key=lambda path: len(path.parts), reverse=True):
        child.rmdir()
    group.rmdir()


def _pss(pid: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
