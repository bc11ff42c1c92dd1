"""The orchestrator's end of an attempt: reads the helper's lines, keeps the deadlines, ends the whole process tree."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.execute import processes

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
# Isolated mode reads neither PYTHONPATH nor the current directory; the orchestrator's own root is added last.
_START = "import sys; sys.path.append(sys.argv[1]); from orchestrator.execute import child; child.leave(child.main())"
_POLL_SECONDS = 1.0
_MODULE_BYTES = 2_000_000  # the largest of ansible's own modules with all that it imports, twice over
_LINE_BYTES = 4_000_000


class Cause(StrEnum):
    """Why the supervision ended."""

    EXIT = "exit"  # the helper ended by itself
    TIMEOUT = "timeout"
    IDLE = "idle"
    CANCELLED = "cancelled"
    FLOOD = "flood"


@dataclass
class Ended:
    """Everything that is known of an attempt when it is over."""

    cause: Cause
    lines: list[dict[str, Any]] = field(default_factory=list)
    complaint: str = ""  # what the helper printed when it broke
    survivors: int = 0  # processes that could not be ended
    forked: bool = False  # from a template

    @property
    def is_alone(self) -> bool:
        """True when the helper has ended every other process of the attempt, and then itself."""
        return self.cause is Cause.EXIT and any(line.get("kind") == "alone" for line in self.lines)

    @property
    def broke_off(self) -> bool:
        """True when the helper ended by itself and has not said how."""
        said = any(line.get("kind") in ("end", "flood") for line in self.lines)
        return self.cause is Cause.EXIT and not said


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Deadlines and bounds of one attempt."""

    timeout_seconds: tuple[float, ...]  # of each play
    idle_seconds: float
    grace_seconds: float
    maximum_bytes: int  # that the helper may send
    received_bytes: int  # that the server may send


@dataclass(frozen=True)
class Helper:
    """The process of one attempt, and the pipe in which it sends its lines."""

    number: int
    output: int
    forked: bool = False  # from a template: ansible is then a fork of it as well
    release: Callable[[], None] = lambda: None  # when nothing of the attempt is left


See = Callable[[dict[str, Any]], None]  # gets each line of the helper
Start = Callable[[Mapping[str, Any], Mapping[str, str], Path], Helper]  # order, environment, the attempt's directory


def supervise(
    order: Mapping[str, Any],
    environment: Mapping[str, str],
    limits: Limits,
    cancelled: Callable[[], bool],
    start: Start,
    see: See,
) -> Ended:
    """Run the helper on ``order`` until it ends or must end; afterwards no process of the attempt is left.

    What ``see`` raises ends it as well.
    """
    directory = Path(order["directory"])
    ended = Ended(Cause.EXIT)
    helper = start(order, environment, directory)
    ended.forked = helper.forked
    root = processes.identify(helper.number)
    try:
        ended.cause = _read(helper, ended.lines, _Watch(helper, limits, cancelled), see)
    finally:
        if not ended.is_alone:
            survivors = processes.end(order["attempt"], [root] if root else [], limits.grace_seconds)
            ended.survivors = len(survivors)
        os.close(helper.output)
        helper.release()
    with contextlib.suppress(OSError):
        ended.complaint = _tail(directory / "helper.err", 4_000)
    return ended


def start(order: Mapping[str, Any], environment: Mapping[str, str], directory: Path) -> Helper:
    """Start a helper of its own, which starts ansible: the plain way."""
    command = [sys.executable, "-I", "-c", _START, str(_PACKAGE_ROOT)]
    with (directory / "helper.err").open("wb") as complaints:
        helper = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
            close_fds=True,
        )
    assert helper.stdin is not None  # noqa: S101 - asked for above
    with contextlib.suppress(BrokenPipeError), helper.stdin:  # it died at once: the missing result says so
        helper.stdin.write(json.dumps({**order, "parent": os.getpid()}).encode())
    assert helper.stdout is not None  # noqa: S101 - asked for above
    output = os.dup(helper.stdout.fileno())
    helper.stdout.close()
    return Helper(helper.pid, output, release=lambda: _release(helper))


def _release(helper: subprocess.Popen[bytes]) -> None:
    """Take leave of the helper; one that is stuck in the kernel is not waited for."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        helper.wait(timeout=1.0)


def _tail(path: Path, length: int) -> str:
    with path.open("rb") as handle:
        handle.seek(max(path.stat().st_size - length, 0))
        return handle.read(length).decode(errors="replace")


class _Watch:
    """Says when an attempt must end before it has come to its end by itself."""

    def __init__(self, helper: Helper, limits: Limits, cancelled: Callable[[], bool]) -> None:
        self._helper, self.limits, self._cancelled = helper, limits, cancelled
        self._asked = self._heard = time.monotonic()
        self._timeouts = list(limits.timeout_seconds)
        self._deadline = self._heard + self._timeouts.pop(0)
        self._plays = 0
        self.lines = 0  # that the helper has sent, at least one a task

    def heard(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Take note of a sign of life. Every play but the first, whose time began with the attempt, gets its own time."""
        now = time.monotonic()
        self._heard, self.lines = now, self.lines + len(lines)
        for line in lines:
            self._plays += line.get("kind") == "play"
            if line.get("kind") == "play" and self._plays > 1 and self._timeouts:
                self._deadline = now + self._timeouts.pop(0)

    def verdict(self) -> Cause | None:
        """Return why the attempt must end now, None when it may go on; what costs something is asked once a second."""
        now = time.monotonic()
        if now >= self._deadline:
            return Cause.TIMEOUT
        if now - self._heard >= self.limits.idle_seconds:
            return Cause.IDLE
        if now - self._asked < _POLL_SECONDS:
            return None
        self._asked = now
        if self._cancelled():
            return Cause.CANCELLED
        received = processes.received(self._helper.number, by_ssh=not self._helper.forked)
        return Cause.FLOOD if received > self.limits.received_bytes + self._own_reading() else None

    def _own_reading(self) -> int:
        """Return how many bytes may be ansible's own: where a connection is shared its reading of modules is counted, too."""
        return _MODULE_BYTES * self.lines if self._helper.forked else 0

    def pause(self) -> float:
        """Return for how many seconds nothing has to be decided."""
        return max(min(_POLL_SECONDS, self._deadline - time.monotonic()), 0.0)


def _read(helper: Helper, lines: list[dict[str, Any]], watch: _Watch, see: See) -> Cause:
    pending, total = bytearray(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(helper.output, selectors.EVENT_READ)
        while (verdict := watch.verdict()) is None:
            if not selector.select(watch.pause()):
                continue
            chunk = os.read(helper.output, 65_536)
            if not chunk:
                return Cause.EXIT
            total += len(chunk)
            pending += chunk
            if total > watch.limits.maximum_bytes or len(pending) > _LINE_BYTES:
                return Cause.FLOOD
            *complete, rest = pending.split(b"\n")
            pending = bytearray(rest)
            read = [line for line in map(_parse, complete) if line is not None]
            lines.extend(read)
            for line in read:
                see(line)
            watch.heard(read)  # now: whoever sees a line may have waited for a database
    return verdict


def _parse(line: bytes | bytearray) -> dict[str, Any] | None:
    """Return an object the helper sent; a line that is none is dropped, and its absence makes the attempt fail."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
