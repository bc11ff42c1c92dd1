# SPDX-License-Identifier: Apache-2.0
"""What a slow check has found sound is not checked again until something that it read has changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator

DIRECTORY = "/run/tenantry/sound"  # of root alone, and empty after every boot


def require(name: str, reads: Iterable[str], check: Callable[[], None], check_mode: bool) -> None:
    """Call ``check``, which raises when something is wrong, unless all that it reads is as it was when it was content.

    Check mode leaves no note of that.
    """
    mark = fingerprint(reads)
    if is_sound(name, mark):
        return
    check()
    if not check_mode:
        remember(name, mark)


def fingerprint(paths: Iterable[str]) -> str:
    """Return a text that differs when a file below these paths was made, written, moved or given other rights.

    The kernel sets the time of such a change (st_ctime of inode(7)), so nobody can put an old one back.
    """
    digest = hashlib.sha256()
    for path in paths:
        for name, state in _states(path):
            digest.update(f"{name}\0{state.st_ino}\0{state.st_mode}\0{state.st_size}\0{state.st_ctime_ns}\n".encode())
    return digest.hexdigest()


def is_sound(name: str, mark: str) -> bool:
    """True when the check of this name was content with what has this fingerprint."""
    with contextlib.suppress(OSError), open(_path(name), encoding="ascii") as handle:
        return handle.read() == mark
    return False


def remember(name: str, mark: str) -> None:
    """Keep that the check was content. ``mark`` was taken before it began, so what changed meanwhile is checked again."""
    os.makedirs(DIRECTORY, mode=0o700, exist_ok=True)
    fresh = f"{_path(name)}.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(mark)
    os.replace(fresh, _path(name))


def _path(name: str) -> str:
    return os.path.join(DIRECTORY, name)


def _states(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield a file, or a folder and all that is in it, in order; what a link leads to is looked at, too."""
    with contextlib.suppress(FileNotFoundError):
        yield path, os.stat(path)
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted([*folders, *files]):
            full = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):
                yield full, os.lstat(full)
                yield full, os.stat(full)
