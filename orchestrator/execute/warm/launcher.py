"""Which template an attempt is forked from, and when there is none."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from orchestrator.execute import processes
from orchestrator.execute.supervise import Helper
from orchestrator.execute.warm.process import Template

logger = structlog.get_logger(__name__)

_START_SECONDS = 60.0  # until a template must be ready
_REST_SECONDS = 60.0  # after one that was not
_LOOK_SECONDS = 0.02
_STAMP_SECONDS = 0.1  # how old a look at hundreds of files may be: attempts that begin together share one
FORKS = 1_000  # of one template: whatever a play leaves behind in it does not grow for ever
Make = Callable[[], contextlib.AbstractContextManager[Template]]


@dataclass
class _Held:
    """A template with what has to be released after it, and how many attempts of it still run."""

    template: Template
    stack: contextlib.ExitStack
    stamp: int
    began: float
    running: int = 0
    retired: bool = False

    def close_if_over(self) -> None:
        """Close a retired template, but not under a running attempt."""
        if self.retired and self.running == 0:
            self.stack.close()


class Launcher:
    """Starts the helpers of attempts from a template. Threads may share one."""

    def __init__(self, make: Make, watched: Path, forks: int = FORKS) -> None:
        self._make, self._watched, self._forks = make, watched, forks
        self._lock = threading.Lock()
        self._current: _Held | None = None
        self._all: list[_Held] = []
        self._not_before = 0.0
        self._seen, self._seen_at = 0, -_STAMP_SECONDS
        self.counts: Counter[str] = (
            Counter()
        )  # "warm", "cold" (not ready yet), "recycled", and reasons for falling back

    def start(
        self,
        order: Mapping[str, Any],
        environment: Mapping[str, str],
        directory: Path,
        interpreter: int | None = None,
    ) -> Helper | None:
        """Return the helper of an attempt; None when it has to be started the plain way.

        ``interpreter`` is the open file that leads to one on the server.
        """
        with self._lock:
            held = self._ready()
            if held is None:
                self.counts["cold"] += 1
                return None
            try:
                number, output = _fork(held.template, order, environment, directory, interpreter)
            except (OSError, ValueError) as error:
                self._fall_back("fork", error)
            else:
                self.counts["warm"] += 1
                held.running += 1
                return Helper(number, output, forked=True, release=lambda: self._release(held))
        processes.end(order["attempt"])  # it may be there all the same
        return None

    def is_ready(self, wait_seconds: float) -> bool:
        """True when the next attempt would be forked; waits for a template that is being primed, not for one that failed."""
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline:
            with self._lock:
                if self._ready():
                    return True
                if self._current is None:
                    return False
            time.sleep(_LOOK_SECONDS)
        return False

    def doubt(self, reason: str) -> None:
        """Fork nothing from this template any more: an attempt of it did not end as it should."""
        with self._lock:
            self._fall_back(reason, None)

    def close(self) -> None:
        """End every template, and with it what was forked from it."""
        with self._lock:
            self._current = None
            for held in self._all:
                held.stack.close()
            self._all.clear()

    def _release(self, held: _Held) -> None:
        with self._lock:
            held.running -= 1
            held.close_if_over()

    def _ready(self) -> _Held | None:
        """Return the template when it can be forked now; starts one where there is none."""
        held = self._current
        if held and (held.template.forks >= self._forks or held.stamp != self._stamp()):
            self.counts["recycled"] += 1
            self._retire()
        if self._current is None:
            self._begin()
        return self._current if self._current and self._is_ready(self._current) else None

    def _stamp(self) -> int:
        now = time.monotonic()
        if now - self._seen_at >= _STAMP_SECONDS:
            self._seen, self._seen_at = stamp(self._watched), now
        return self._seen

    def _begin(self) -> None:
        if time.monotonic() < self._not_before:
            return
        self._seen_at = -_STAMP_SECONDS  # looked at now: the new template reads what is there
        seen = self._stamp()
        stack = contextlib.ExitStack()
        try:
            template = stack.enter_context(self._make())
        except OSError as error:
            self._fall_back("start", error)
            return
        self._current = _Held(template, stack, seen, time.monotonic())
        self._all = [held for held in self._all if not held.retired or held.running] + [self._current]

    def _is_ready(self, held: _Held) -> bool:
        try:
            if held.template.is_ready():
                return True
        except (OSError, ValueError) as error:
            self._fall_back("start", error)
            return False
        if time.monotonic() - held.began > _START_SECONDS:
            self._fall_back("start", TimeoutError(f"not ready after {_START_SECONDS:.0f} s"))
        return False

    def _fall_back(self, reason: str, error: Exception | None) -> None:
        self.counts[reason] += 1
        logger.warning("attempts are started the plain way for a while", reason=reason, error=str(error or ""))
        self._not_before = time.monotonic() + (_REST_SECONDS if reason == "start" else 0.0)
        self._retire()

    def _retire(self) -> None:
        held, self._current = self._current, None
        if held:
            held.retired = True
            held.close_if_over()


def _fork(
    template: Template,
    order: Mapping[str, Any],
    environment: Mapping[str, str],
    directory: Path,
    interpreter: int | None,
) -> tuple[int, int]:
    """Return the number of the helper and the reading end of its pipe."""
    reading, writing = os.pipe()
    try:
        with (directory / "helper.err").open("wb") as complaints:
            files = [writing, complaints.fileno(), *([] if interpreter is None else [interpreter])]
            number = template.fork(order, environment, files)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return number, reading


def stamp(root: Path) -> int:
    """Return a number that changes when a playbook, a role or a module does: by name, size or time of change."""
    return hash(tuple(_entries(root)))


def _entries(root: Path) -> Iterator[tuple[str, int, int]]:
    for name in ("playbooks", "roles", "collections"):
        folders = [str(root / name)]
        while folders:
            folder = folders.pop()
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.is_dir():
                        folders.append(entry.path)
                    elif not entry.name.endswith(".pyc"):
                        about = entry.stat()
                        yield entry.path, about.st_size, about.st_mtime_ns
