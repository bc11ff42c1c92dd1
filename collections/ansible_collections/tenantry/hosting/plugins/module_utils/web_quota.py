# SPDX-License-Identifier: Apache-2.0
"""Disk limits of a UNIX user, where the file system of the homes keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step

_OPTIONS = frozenset({"usrquota", "uquota", "quota", "usrjquota"})
_KIB_PER_MIB = 1024


def mount_with_quota(mounts: Iterable[str], path: str) -> str:
    """Return the mount point that holds ``path`` when it is mounted with user quotas, otherwise "".

    ``mounts`` are the lines of /proc/mounts; of several mounts at one point the last one counts.
    """
    best, options = "", frozenset[str]()
    for line in mounts:
        fields = line.split()
        point = fields[1].replace("\\040", " ")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, options = point, frozenset(option.split("=")[0] for option in fields[3].split(","))
    return best if options & _OPTIONS else ""


def parse_limits(output: str) -> tuple[int, int]:
    """Return the hard limits (KiB, files) in what ``quota`` printed for one user and one file system."""
    for line in output.splitlines():
        numbers = re.findall(r"(?<=\s)\d+\*?(?=\s|$)", line)
        if line.strip().startswith("/") and len(numbers) >= 7:
            return int(numbers[2].rstrip("*")), int(numbers[6].rstrip("*"))
    return 0, 0


def ensure(step: Step, uid: int, path: str, disk_mb: int, inodes: int) -> bool:
    """Set the user's hard limits on the file system of ``path``; False when it enforces none."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        point = mount_with_quota(mounts, path)
    if not point:
        return False
    wanted = (disk_mb * _KIB_PER_MIB, inodes)
    now = _current(uid, point)
    if now != wanted:
        step.note(f"quota of uid {uid} on {point}", "%d KiB %d files\n" % now, "%d KiB %d files\n" % wanted)
        if not step.check_mode:
            hard = [str(number) for number in wanted]
            step.command(["setquota", "-u", str(uid), "0", hard[0], "0", hard[1], point])
    return True


def _current(uid: int, point: str) -> tuple[int, int]:
    # quota leaves with 1 for a user over the limit: the figures are printed all the same.
    argv = ["quota", "--user", "--raw-grace", "--no-wrap", "--show-mntpoint", f"--filesystem={point}", str(uid)]
    return parse_limits(Step.probe(argv)[1])
