"""What this machine lacks for the lab, each with its remedy."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import image, network
from lab.config import Lab
from lab.errors import LabError
from lab.process import run

# Program and the Debian package that has it.
PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "ip": "iproute2",
    "unshare": "util-linux",
    "unbound": "unbound",
    "ssh": "openssh-client",
    "mkfs.ext4": "e2fsprogs",
}
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SPACE_GIB = 4
_OLDEST_KERNEL = (5, 14)  # the first with cgroup.kill


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing the lab needs: there, or missing with a remedy."""

    what: str
    remedy: str | None  # None: it is there


def findings(lab: Lab) -> list[Finding]:
    """Look at everything the lab needs. Nothing is changed."""
    found = [_finding("root", os.geteuid() == 0, "run as root, for example with sudo")]
    found += [_program(name, package) for name, package in PROGRAMS.items()]
    if all(finding.remedy is None for finding in found):  # the rest has to try things as root
        found += [probe(lab) for probe in _PROBES]
    return found


def missing(lab: Lab) -> list[Finding]:
    """Return only what is missing: what a test gives as its reason to skip."""
    return [finding for finding in findings(lab) if finding.remedy is not None]


def _finding(what: str, present: bool, remedy: str) -> Finding:
    return Finding(what=what, remedy=None if present else remedy)


def _program(name: str, package: str) -> Finding:
    return _finding(name, shutil.which(name, path=_SEARCH) is not None, f"apt-get install {package}")


def _kernel(_: Lab) -> Finding:
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    version = tuple(int(part) for part in match.groups()) if match else (0, 0)
    return _finding("kernel >= 5.14", version >= _OLDEST_KERNEL, f"boot a newer kernel than {platform.release()}")


def _overlay(lab: Lab) -> Finding:
    with tempfile.TemporaryDirectory(dir=_existing(lab.state)) as folder:
        for part in ("lower", "upper", "work", "root"):
            (Path(folder) / part).mkdir()
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        works = _works(["unshare", "-m", "mount", "-t", "overlay", "overlay", "-o", options, f"{folder}/root"])
    return _finding("overlayfs", works, f"put TENANTRY_LAB_STATE on ext4 or xfs ({lab.state} cannot hold an overlay)")


def _cgroup2(_: Lab) -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        works = _works(["unshare", "-m", "mount", "-t", "cgroup2", "cgroup2", folder])
    return _finding("cgroup v2", works, "run on the machine itself or in a privileged container with cgroup v2")


def _interfaces(_: Lab) -> Finding:
    script = "ip link add trial0 type bridge && ip link add trial1 type veth peer name trial2"
    return _finding("bridge and veth", _works(["unshare", "-n", "sh", "-c", script]), "modprobe bridge veth")


def _space(lab: Lab) -> Finding:
    free = shutil.disk_usage(_existing(lab.cache)).free / 2**30
    enough = free >= _SPACE_GIB or image.path(lab).is_dir()
    return _finding("disk space", enough, f"free {_SPACE_GIB} GiB for {lab.cache} (there are {free:.1f})")


def _subnet(lab: Lab) -> Finding:
    return _finding(f"subnet {lab.subnet}", not network.taken_by(lab), "set TENANTRY_LAB_SUBNET to a free /24")


_PROBES: tuple[Callable[[Lab], Finding], ...] = (_kernel, _overlay, _cgroup2, _interfaces, _space, _subnet)


def _works(argv: list[str]) -> bool:
    try:
        return run(argv, check=False).returncode == 0
    except LabError:
        return False


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
