# SPDX-License-Identifier: Apache-2.0
"""Reads what was added to a rotated log since the last time.

A file is known by its inode and by a digest of its beginning, and how far it was read. So it is the same file after it was
renamed; a copy of it (``copytruncate``) and its compressed form go on where it was left; and one that was truncated, or that
has the inode of a deleted one, begins anew. Only whole lines are read: what a crash cut off is read when the line ends.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import stat
import time
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from ansible_collections.tenantry.hosting.plugins.module_utils import files

_HEAD = 256  # bytes that tell one file from another
_BLOCK = 1 << 20
_KNOWN = 64  # files of one log that are remembered
_NAME = re.compile(r"access\.log(?:\.(\d{1,4})(\.gz)?)?")
Entry = dict[str, Any]  # inode, head (digest), length (bytes of it), offset


class Log:
    """One log with its rotated files in a folder that only root writes."""

    def __init__(self, folder: str, known: list[Entry], deadline: float) -> None:
        self._folder = folder
        self._known = known
        self._seen: list[Entry] = []
        self._deadline = deadline
        self.is_complete = True

    @property
    def entries(self) -> list[Entry]:
        """What is to be remembered: the files just seen, and those that were not, for they may only have been renamed."""
        seen = {entry["inode"] for entry in self._seen}
        unseen = [entry for entry in self._known if entry["inode"] not in seen]
        return (self._seen + unseen)[:_KNOWN]

    def lines(self) -> Iterator[bytes]:
        """Yield the new lines, oldest file first, until the deadline; the rest waits for the next time."""
        with contextlib.suppress(FileNotFoundError), files.open_directory(self._folder) as folder:
            for name in sorted(filter(_NAME.fullmatch, os.listdir(folder)), key=_age, reverse=True):
                with contextlib.suppress(FileNotFoundError):  # rotated away since it was listed
                    yield from self._file(folder, name)

    def _file(self, folder: int, name: str) -> Iterator[bytes]:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as handle:
            status = os.fstat(handle.fileno())
            entry = next((one for one in self._known if one["inode"] == status.st_ino), None)
            packed = name.endswith(".gz")
            if not stat.S_ISREG(status.st_mode):
                return
            if packed and entry is not None and entry.get("packed") == [status.st_size, status.st_mtime_ns]:
                self._seen.append(entry)
                return
            reader: Any = gzip.GzipFile(fileobj=handle) if packed else handle
            try:
                offset = self._offset(reader, entry, status)
                made = yield from self._read(reader, offset)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                return  # still being compressed, or damaged: the next run looks again
            if made is not None:
                packed_as = {"packed": [status.st_size, status.st_mtime_ns]} if packed else {}
                self._seen.append({"inode": status.st_ino, **made, **packed_as})

    def _offset(self, reader: BinaryIO, entry: Entry | None, status: os.stat_result) -> int:
        head = reader.read(_HEAD)
        if entry is not None and "packed" not in entry and entry["offset"] <= status.st_size and _begins(head, entry):
            return int(entry["offset"])
        same = [int(one["offset"]) for one in self._seen + self._known if _begins(head, one)]
        # A file that is shorter than what was read of its like is a copy that was cut off: what is in it has been counted.
        return max(same, default=0)

    def _read(self, reader: BinaryIO, offset: int) -> Any:
        """Yield the whole lines after ``offset``; returns the file's entry, None while no line of it was read."""
        reader.seek(0)
        head = reader.read(_HEAD)
        reader.seek(offset)
        rest = b""
        while block := reader.read(_BLOCK):
            *whole, rest = (rest + block).split(b"\n")
            yield from whole
            offset += sum(map(len, whole)) + len(whole)
            if time.monotonic() > self._deadline:
                self.is_complete = False
                break
        length = min(len(head), offset, _HEAD)
        return {"head": _digest(head[:length]), "length": length, "offset": offset} if offset else None


def _age(name: str) -> tuple[int, bool]:
    found = _NAME.fullmatch(name)
    number = int(found[1] or 0) if found else 0
    return number, not name.endswith(".gz")  # of two forms of one file the plain one comes first


def _begins(head: bytes, entry: Entry) -> bool:
    length = int(entry["length"])
    return length > 0 and len(head) >= length and _digest(head[:length]) == entry["head"]


def _digest(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()[:32]
