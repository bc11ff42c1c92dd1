"""Keeping a node's disk as it is now, and going back to it in a second."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from lab import access, disk, locks, nodes
from lab.config import Lab
from lab.errors import LabError
from lab.process import run

_COPY_LIMIT = 300.0


def save(lab: Lab, names: Iterable[str]) -> None:
    """Shut nodes down, keep a copy of their disks and start them again; an older copy is replaced."""
    wanted = list(names)
    for name in wanted:
        if nodes.has_limited_disk(lab, name):
            raise LabError(f"node '{name}'", "a disk of limited size cannot be saved", "make it without --disk-mib")
        nodes.shut_down(lab, name)
    with locks.held(lab.state):
        for name in wanted:
            _copy(disk.folder(lab, name) / "upper", _saved(lab, name))
    nodes.up(lab, wanted)


def restore(lab: Lab, names: Iterable[str]) -> None:
    """Cut nodes off, give them the disks that were saved and start them."""
    wanted = list(names)
    for name in wanted:
        if not _saved(lab, name).is_dir():
            raise LabError(f"node '{name}'", "nothing was saved", f"run `python3 -m lab save {name}` first")
    with locks.held(lab.state):
        for name in wanted:
            nodes.end(lab, name)
            home = disk.folder(lab, name)
            _copy(_saved(lab, name), home / "upper")
            shutil.rmtree(home / "work")
            (home / "work").mkdir(mode=0o755)
        access.pin(lab)
    nodes.up(lab, wanted)


def _saved(lab: Lab, name: str) -> Path:
    return disk.folder(lab, name) / "saved"


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with everything an overlay keeps in it: owners, device files, extended attributes."""
    if target.exists():
        shutil.rmtree(target)
    run(["cp", "-a", "--reflink=auto", str(source), str(target)], timeout=_COPY_LIMIT)
