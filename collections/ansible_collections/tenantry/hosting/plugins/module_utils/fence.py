# SPDX-License-Identifier: Apache-2.0
"""The guard on the node: an attempt that has been overtaken may not change anything.

Ending ansible on the orchestrator does not end the step on the node, and a restored database or a lease that was
rescued may send the same step twice. So every mutating module presents ``fence`` first:

    {"service": 1001, "generation": 3, "key": "web.domain_present", "token": 117}

``token`` grows with every claim in the orchestrator's database. The highest one seen for a key is kept in a root-owned
file, and a lower one is refused. The lock of a key is held for as long as the module runs, so two attempts at one step
never overlap. A generation below the highest one seen of the service is refused for every key.

Every running step shares a second lock of its service. The first step of a newer generation takes it alone for a moment:
so a suspend that comes in the midst of a deploy begins when the deploy's running steps have ended, and the others are
refused from then on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from typing import Any

GUARD_DIRECTORY = "/var/lib/tenantry/guard"
_PAUSE = 0.05


class Fenced(Exception):
    """A newer attempt or a newer generation has already been here."""


class Busy(Exception):
    """Another attempt at the same step is still running on this node."""


@contextlib.contextmanager
def guard(
    fence: dict[str, Any] | None,
    check_mode: bool = False,
    wait_seconds: float = 20.0,
    directory: str = GUARD_DIRECTORY,
) -> Iterator[None]:
    """Hold the step's lock and refuse it when it has been overtaken.

    ``fence`` is None for an engineer's run by hand: nothing is compared or recorded.
    Check mode compares and records nothing. Raises Fenced or Busy.
    """
    if not fence:
        yield
        return
    if check_mode:
        _compare(_read(_state_path(directory, fence)), fence)
        yield
        return
    os.makedirs(directory, mode=0o700, exist_ok=True)
    state = _state_path(directory, fence)
    with _locked(_lock_path(directory, fence), wait_seconds), _taken_part(state, fence, wait_seconds):
        with _locked(state + ".lock", wait_seconds):
            _present(state, fence)
        yield


@contextlib.contextmanager
def _taken_part(state: str, fence: dict[str, Any], wait_seconds: float) -> Iterator[None]:
    """Share the service's lock with the other steps of this generation, once those of older ones have ended."""
    path = state + ".run"
    descriptor = _open(path)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _share(descriptor, state, fence, wait_seconds):
            if time.monotonic() >= deadline:
                raise Busy(f"{path} is held by steps of an older generation")
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _share(descriptor: int, state: str, fence: dict[str, Any], wait_seconds: float) -> bool:
    """Try once to take part; whoever finds its generation new takes the lock alone and makes it known first.

    The generation is recorded while the lock is ours alone, so whoever shares it afterwards finds it and compares itself.
    It is read anew each time: another step of this generation may have been faster, and then nothing is to be waited for.
    """
    known = _read(state)
    _compare(known, fence)
    if int(fence["generation"]) > known["generation"]:
        if not _try(descriptor, fcntl.LOCK_EX):
            return False
        with _locked(state + ".lock", wait_seconds):
            _present(state, fence)
    return _try(descriptor, fcntl.LOCK_SH)


def _state_path(directory: str, fence: dict[str, Any]) -> str:
    return os.path.join(directory, "%d.json" % int(fence["service"]))


def _lock_path(directory: str, fence: dict[str, Any]) -> str:
    digest = hashlib.sha256(str(fence["key"]).encode()).hexdigest()[:16]
    return os.path.join(directory, "%d.%s.lock" % (int(fence["service"]), digest))


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as handle:
            return json.load(handle)
    except FileNotFoundError:
        return {"generation": 0, "tokens": {}}


def _compare(state: dict[str, Any], fence: dict[str, Any]) -> None:
    generation, token = int(fence["generation"]), int(fence["token"])
    if generation < state["generation"]:
        raise Fenced(
            "generation %d of service %d was overtaken by generation %d"
            % (generation, fence["service"], state["generation"])
        )
    seen = int(state["tokens"].get(fence["key"], 0))
    if token < seen:
        raise Fenced("attempt %d at %s was overtaken by attempt %d" % (token, fence["key"], seen))


def _present(path: str, fence: dict[str, Any]) -> None:
    state = _read(path)
    _compare(state, fence)
    state["generation"] = max(state["generation"], int(fence["generation"]))
    state["tokens"][fence["key"]] = int(fence["token"])
    temporary = path + ".new"
    with open(temporary, "w", encoding="utf-8") as handle:
        json.dump(state, handle, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(temporary, path)


@contextlib.contextmanager
def _locked(path: str, wait_seconds: float) -> Iterator[None]:
    descriptor = _open(path)
    try:
        _acquire(descriptor, path, wait_seconds)
        yield
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _acquire(descriptor: int, path: str, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while not _try(descriptor, fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            raise Busy(f"{path} is held by another run")
        time.sleep(_PAUSE)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
