"""One writer at a time. The lock is the folder itself, so that nothing is left behind when it goes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

WAIT = 300.0  # longer than any command of the lab but the image's build
_PAUSE = 0.1


@contextmanager
def held(folder: Path, *, wait: float = WAIT) -> Iterator[None]:
    """Hold the folder's lock, creating the folder if need be; give up after `wait` seconds."""
    deadline = time.monotonic() + wait
    while (descriptor := _try(folder)) is None:
        if time.monotonic() > deadline:
            raise LabError(str(folder), f"another command holds it for {wait:g} s", "wait for that command or end it")
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        os.close(descriptor)


def _try(folder: Path) -> int | None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have removed the folder: then this lock guards nothing.
        if folder.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
