"""Finding and ending every process of an attempt.

ansible's workers leave their session and ssh's masters detach, so neither a process group nor one parent covers an attempt.
Two marks together do: descent from a known process, and a variable in the environment that every child inherits.
Nothing is ever looked up by name.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MARK = "TENANTRY_ATTEMPT"  # environment variable: the attempt's name
_POLL_SECONDS = 0.005, 0.05  # first and longest pause between two looks
_EXEC_LOOKS = 3
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD of the kernel's sched.h
KILL_SECONDS = 20.0  # how long SIGKILL may take: a process in uninterruptible sleep dies later


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: int  # clock ticks since boot


@dataclass(frozen=True)
class _Row:
    parent: int
    started: int
    alive: bool
    kernel: bool  # its own thread, or the first process: none of ours


def identify(pid: int) -> Process | None:
    """Return the process that has this number now."""
    row = _row(pid)
    return Process(pid, row.started) if row else None


def find(attempt: str, roots: Iterable[Process] = ()) -> frozenset[Process]:
    """Return the living processes of an attempt: the marked ones, and ``roots`` with all their descendants.

    The caller itself is never among them.
    """
    table = _table()
    wanted = {root.pid for root in roots if root.pid in table and table[root.pid].started == root.started}
    wanted |= {pid for pid, row in table.items() if row.alive and not row.kernel and _is_marked(pid, attempt)}
    family = _with_descendants(wanted, table) - {os.getpid()}
    return frozenset(Process(pid, table[pid].started) for pid in family if table[pid].alive)


def end(attempt: str, roots: Iterable[Process] = (), grace_seconds: float = 3.0) -> frozenset[Process]:
    """End an attempt's processes: SIGTERM, and SIGKILL after the grace, until none is left.

    Returns those that survived even that (stuck in the kernel).
    """
    began = time.monotonic()
    known: set[Process] = set(roots)
    told: set[tuple[Process, int]] = set()
    pause, longest = _POLL_SECONDS
    while found := find(attempt, known):
        known |= found
        waited = time.monotonic() - began
        if waited > grace_seconds + KILL_SECONDS:
            return found
        number = signal.SIGTERM if waited < grace_seconds else signal.SIGKILL
        for process in found:
            if (process, number) not in told:
                told.add((process, number))
                _send(process, number)
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
    return frozenset()


def received(pid: int, by_ssh: bool) -> int:
    """Return how many bytes were read below this process: by its ssh clients, which is all that a server has said.

    A client of a shared connection reads nothing itself, so there (``by_ssh`` false) everything else is counted: what reads
    from the client. Forks of a running ansible read little besides.

    0 where the kernel does not count (CONFIG_TASK_IO_ACCOUNTING, CONFIG_PROC_CHILDREN; Debian's does).
    """
    total, rest = 0, [pid]
    while rest:
        number = rest.pop()
        rest += [int(child) for child in _read(f"/proc/{number}/task/{number}/children").split()]
        if (_read(f"/proc/{number}/comm") == b"ssh\n") == by_ssh:
            counted = _read(f"/proc/{number}/io").split()
            total += int(counted[1]) if counted else 0
    return total


def _send(process: Process, number: int) -> None:
    """Signal this very process, not one that got its number meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(process.pid)
        try:
            if identify(process.pid) == process:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _with_descendants(pids: set[int], table: Mapping[int, _Row]) -> set[int]:
    family = set(pids)
    grown = True
    while grown:
        children = {pid for pid, row in table.items() if row.parent in family} - family
        family |= children
        grown = bool(children)
    return family


def _table() -> dict[int, _Row]:
    rows = ((int(name), _row(int(name))) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names only
    return {pid: row for pid, row in rows if row is not None}


def _row(pid: int) -> _Row | None:
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text.rpartition(b")")[2].split()  # the name before it may hold anything, even a bracket
    is_kernel = bool(int(fields[6]) & _KERNEL_THREAD) or fields[1] == b"0"
    return _Row(parent=int(fields[1]), started=int(fields[19]), alive=fields[0] not in (b"Z", b"X"), kernel=is_kernel)


def _is_marked(pid: int, attempt: str) -> bool:
    return f"{MARK}={attempt}".encode() in _environment(pid).split(b"\0")


def _environment(pid: int) -> bytes:
    """Return a process's environment; one that is in the midst of execve shows none for a moment."""
    for _ in range(_EXEC_LOOKS):
        if found := _read(f"/proc/{pid}/environ"):
            return found
        time.sleep(_POLL_SECONDS[0])
    return b""


def _read(path: str) -> bytes:
    """Return what the kernel says, nothing when the process is gone or of another user and so not ours.

    Plain system calls: this is done for every process of the machine, more than once in every attempt.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    try:
        return b"".join(iter(lambda: os.read(descriptor, 65_536), b""))
    except ProcessLookupError:
        return b""
    finally:
        os.close(descriptor)
