# SPDX-License-Identifier: Apache-2.0
"""Bytes and files of every web account's home: from the file system's quota, or from one bounded walk.

The walk is done by find(1) at the lowest priority of processor and disk. It prints numbers only, no name of a file. It counts
the content of regular files, holes left out, a file with several names once; and every entry for the number of files.
What is not reached in time keeps its last figures with their age and comes first the next time.
"""

from __future__ import annotations

import csv
import io
import select
import subprocess
import time
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import web_account, web_quota
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_FIND = ["nice", "-n", "19", "ionice", "-c", "3", "find", "-P"]
# start, type, inode, names, bytes, half KiB on the disk
_PRINT = ["-xdev", "-printf", "%H\\t%y\\t%i\\t%n\\t%s\\t%b\\n"]
_BATCH = 64  # homes a find
_SECTOR = 512
_KIB = 1024
_END_SECONDS = 5.0


class Late(Exception):
    """The time is up."""


def collect(step: Step, state: dict[str, Any], usernames: list[str], seconds: float, fresh_seconds: int) -> None:
    """Bring ``state["disk"]`` up to date: {username: [bytes, files, measured at, tried at]}."""
    known = state.setdefault("disk", {})
    state["disk"] = known = {name: known[name] for name in usernames if name in known}
    quota = from_quota(step)
    now = int(time.time())
    if quota is not None:
        known.update({name: [*quota.get(name, (0, 0)), now, now] for name in usernames})
        return
    due = [name for name in usernames if name not in known or not 0 <= now - known[name][2] < fresh_seconds]
    due.sort(key=lambda name: known.get(name, [0, 0, 0, 0])[3])
    deadline = time.monotonic() + seconds
    while due and time.monotonic() < deadline:
        batch, due = _next(due, known)
        _measure(batch, known, deadline)


def _next(due: list[str], known: dict[str, list[int]]) -> tuple[list[str], list[str]]:
    """Return (what to walk together, the rest); one that was too slow once is walked alone."""
    slow = [name for name in due if name in known and known[name][3] > known[name][2]]
    quick = [name for name in due if name not in slow]
    batch = quick[:_BATCH] or slow[:1]
    return batch, [name for name in due if name not in batch]


def _measure(batch: list[str], known: dict[str, list[int]], deadline: float) -> None:
    now = int(time.time())
    try:
        found = walk([web_account.home(name) for name in batch], deadline)
    except Late:
        for name in batch:
            size, entries, measured, _ = known.get(name, [0, 0, 0, 0])
            known[name] = [size, entries, measured, now]
        return
    for name in batch:
        size, entries = found.get(web_account.home(name), (0, 0))
        known[name] = [size, entries, now, now]


def walk(homes: list[str], deadline: float) -> dict[str, tuple[int, int]]:
    """Return (bytes, entries) of each home; Late when the deadline comes first."""
    argv = [*_FIND, *homes, *_PRINT]
    totals: dict[str, list[int]] = {}
    twice: set[tuple[str, bytes]] = set()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as run:
        try:
            for line in _lines(run, deadline):
                _add(line, totals, twice)
            run.wait(_END_SECONDS)
        finally:
            run.kill()
    # 1: a file went away while it was looked at, or a home is not there yet
    if run.returncode not in (0, 1):
        raise StepFailed("command", "find could not walk the homes (exit %d)" % run.returncode)
    return {home: (size, entries) for home, (size, entries) in totals.items()}


def _lines(run: subprocess.Popen[bytes], deadline: float) -> Any:
    assert run.stdout is not None
    rest = b""
    while True:
        if not select.select([run.stdout], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise Late
        block = run.stdout.read1(1 << 16)  # type: ignore[attr-defined] # a pipe of Popen is buffered
        if not block:
            return
        *whole, rest = (rest + block).split(b"\n")
        yield from whole


def _add(line: bytes, totals: dict[str, list[int]], twice: set[tuple[str, bytes]]) -> None:
    start, kind, inode, names, size, sectors = line.split(b"\t")
    home = start.decode()
    total = totals.setdefault(home, [0, 0])
    total[1] += 1
    if kind != b"f":
        return
    if names != b"1":
        if (home, inode) in twice:
            return
        twice.add((home, inode))
    total[0] += min(int(size), int(sectors) * _SECTOR)


def from_quota(step: Step) -> dict[str, tuple[int, int]] | None:
    """Return (bytes, files) of every user by the file system's quota, None where it keeps none."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        point = web_quota.mount_with_quota(mounts, web_account.HOMES)
    if not point:
        return None
    return parse_quota(step.command(["repquota", "--user", "--output=csv", point], timeout=60.0))


def parse_quota(output: str) -> dict[str, tuple[int, int]]:
    """Return (bytes, files) by user of what ``repquota --output=csv`` prints; it counts in KiB."""
    rows = csv.DictReader(io.StringIO(output[output.index("User,") :]) if "User," in output else io.StringIO(""))
    return {row["User"]: (int(row["BlockUsed"]) * _KIB, int(row["FileUsed"])) for row in rows}
