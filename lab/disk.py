"""A node's disk: the shared image below, the node's own changes above, identity written before the first boot."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from lab import access, addresses
from lab.config import DEFAULT_NODES, DOMAIN, LOGIN, Lab
from lab.errors import UsageError
from lab.process import run

_LOGIN_ID = 1000  # set by scripts/customize.sh
_SMALLEST_MIB = 32


def folder(lab: Lab, name: str) -> Path:
    """Return where everything about one node lies."""
    return lab.state / "nodes" / name


def console(lab: Lab, name: str) -> Path:
    """Return the log of a node's console."""
    return folder(lab, name) / "console.log"


def exists(lab: Lab, name: str) -> bool:
    """Say whether the node's disk was made completely."""
    return (folder(lab, name) / "image").is_symlink()


def limited(lab: Lab, name: str) -> Path:
    """Return the file that holds the disk of a node whose disk has a size of its own."""
    return folder(lab, name) / "disk.img"


def make(lab: Lab, name: str, image: Path, *, mib: int | None = None) -> None:
    """Make a factory-new disk unless the node has one; with `mib` it can be full."""
    if exists(lab, name):
        return
    remove(lab, name)
    home = folder(lab, name)
    for part in ("upper", "work", "root", "disk"):
        (home / part).mkdir(parents=True)
        (home / part).chmod(0o755)
    _write_identity(lab, name, home / "upper")
    if mib is not None:
        _make_limited(limited(lab, name), mib)
    # Last, so that a disk with its link is a whole one. It keeps the node on its image when a newer one is built.
    (home / "image").symlink_to(image)


def remove(lab: Lab, name: str) -> None:
    """Remove the disk of a node that does not run."""
    home = folder(lab, name)
    if home.exists():
        shutil.rmtree(home)


def _write_identity(lab: Lab, name: str, root: Path) -> None:
    etc = root / "etc"
    etc.mkdir()
    etc.chmod(0o755)
    (etc / "hostname").write_text(f"{name}\n")
    (etc / "hosts").write_text(_hosts(lab, name))
    (etc / "resolv.conf").write_text(f"search {DOMAIN}\nnameserver {lab.gateway}\n")
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    access.make_host_key(root, name)
    (etc / "ssh").chmod(0o755)
    _authorize(lab, root / "home" / LOGIN)


def _make_limited(path: Path, mib: int) -> None:
    if mib < _SMALLEST_MIB:
        raise UsageError("disk size", f"{mib} MiB do not hold a booted node", f"use at least {_SMALLEST_MIB}")
    with path.open("wb") as file:
        file.truncate(mib * 2**20)
    run(["mkfs.ext4", "-q", "-F", "-m", "0", str(path)])


def _authorize(lab: Lab, home: Path) -> None:
    ssh = home / ".ssh"
    ssh.mkdir(parents=True)
    home.parent.chmod(0o755)
    home.chmod(0o700)
    ssh.chmod(0o700)
    keys = ssh / "authorized_keys"
    keys.write_text(lab.key.with_suffix(".pub").read_text())
    keys.chmod(0o600)
    for path in (home, ssh, keys):
        os.chown(path, _LOGIN_ID, _LOGIN_ID)


def _hosts(lab: Lab, name: str) -> str:
    rows = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for known in dict.fromkeys([name, *DEFAULT_NODES]):
        address = addresses.of(lab, known)
        rows += [f"{address.ipv4} {address.fqdn} {known}", f"{address.ipv6} {address.fqdn} {known}"]
    return "\n".join(rows) + "\n"
