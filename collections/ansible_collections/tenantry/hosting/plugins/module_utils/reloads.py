# SPDX-License-Identifier: Apache-2.0
"""One reload of a daemon for all the steps that have written for it: the second half of a group commit.

A step says that it is ``coming``, writes its tested files under the daemon's lock, lets go of that and asks for ``joined``.
Whoever comes first there reloads, but lets those write before who were coming already, for a bounded time; the others find
that a reload began after they had written, and have waited for its end. A step that is alone waits for nobody.

A step that dies between its files and the reload is made good by the next one, which asks the daemon what it has loaded.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon

_LOOK_SECONDS = 0.01


@contextlib.contextmanager
def coming(name: str) -> Iterator[None]:
    """Be counted among the steps that are about to write for a daemon."""
    with _opened(f"{name}-coming") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


def joined(name: str, written: float, seconds: float, reload: Callable[[], None]) -> bool:
    """Return when a reload that began after ``written`` (``time.monotonic``, one clock for all processes) has ended.

    True when it was ours: ``reload`` was called under the daemon's lock, so that nobody writes while files are read, at most
    ``seconds`` after its turn had come. What it raises is ours alone, and the next step reloads for itself.
    """
    with daemon.serialised(f"{name}-reload"), _opened(f"{name}-reload") as note:
        if _began(note) > written:
            return False
        _let_others_write(name, seconds)
        with daemon.serialised(name):
            began = time.monotonic()
            reload()
        os.ftruncate(note, 0)
        os.pwrite(note, repr(began).encode(), 0)
        return True


def _let_others_write(name: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with _opened(f"{name}-coming") as descriptor:
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(_LOOK_SECONDS)


def _began(note: int) -> float:
    """When the last reload of this boot began; the folder is emptied by the next one, as the clock is."""
    try:
        return float(os.pread(note, 64, 0))
    except ValueError:
        return -1.0  # nobody has reloaded yet, or died while saying so


@contextlib.contextmanager
def _opened(name: str) -> Iterator[int]:
    os.makedirs(daemon.LOCK_DIRECTORY, mode=0o700, exist_ok=True)
    path = os.path.join(daemon.LOCK_DIRECTORY, name)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
