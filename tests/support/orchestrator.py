"""An orchestrator as an operating system process whose steps do nothing but leave a trace.

`python -m tests.support.orchestrator TRACE SECONDS` runs the queue of TENANTRY_DATABASE_URL until SIGTERM. Each line of the
trace is one JSON object; times are of the machine's monotonic clock, so that those of several processes compare.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import logs
from orchestrator.config.settings import from_environment
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.engine import Engine
from tests.support.executors import RecordingExecutor


class TracingExecutor(RecordingExecutor):
    """Writes when an attempt begins and ends."""

    def __init__(self, trace: Path, seconds: float) -> None:
        super().__init__(seconds)
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def run(self, request: RunRequest, cancelled: Callable[[], bool]) -> RunResult:
        """Pretend to run a playbook."""
        if "fence" not in request.job or request.check:  # a question to the server, which changes nothing
            return super().run(request, cancelled)
        fence = request.job["fence"]
        attempt = {"pid": os.getpid(), "server": request.host.name, "token": fence["token"]}
        attempt["step"] = f"{fence['service']}/{fence['generation']}/{fence['key']}"
        self._write("begin", attempt)
        result = super().run(request, cancelled)
        self._write("end", attempt | {"outcome": str(result.outcome)})
        self.requests.clear()
        return result

    def _write(self, event: str, attempt: dict[str, Any]) -> None:
        line = json.dumps({"event": event, "at": time.monotonic(), **attempt})
        os.write(self._trace, f"{line}\n".encode())  # one write to an appending descriptor: lines never mix


@dataclass(frozen=True)
class Interval:
    """An attempt from begin to end; one whose process was killed ends at its last sign of life."""

    pid: int
    server: str
    step: str
    token: int
    begin: float
    end: float
    outcome: str  # empty when it never ended


def intervals(trace: Path, killed: dict[int, float] | None = None) -> list[Interval]:
    """Return the attempts of a trace; ``killed`` says when a process was ended from outside."""
    begun: dict[int, dict[str, Any]] = {}
    found = []
    for line in trace.read_text().splitlines():
        one = json.loads(line)
        if one["event"] == "begin":
            begun[one["token"]] = one
            continue
        first = begun.pop(one["token"])
        found.append(_interval(first, one["at"], one["outcome"]))
    return found + [_interval(one, (killed or {}).get(one["pid"], one["at"]), "") for one in begun.values()]


def _interval(one: dict[str, Any], end: float, outcome: str) -> Interval:
    return Interval(one["pid"], one["server"], one["step"], one["token"], one["at"], end, outcome)


def overlaps(found: list[Interval]) -> list[tuple[Interval, Interval]]:
    """Return pairs of attempts at the same step that ran at the same time."""
    by_step: dict[str, list[Interval]] = defaultdict(list)
    for one in found:
        by_step[one.step].append(one)
    pairs = []
    for attempts in by_step.values():
        attempts.sort(key=lambda one: one.begin)
        pairs += [(one, two) for one, two in itertools.pairwise(attempts) if two.begin < one.end]
    return pairs


def most_at_once(found: list[Interval], key: Callable[[Interval], Any]) -> Counter[Any]:
    """Return the highest number of attempts at the same time for each key."""
    edges = sorted([(one.begin, 1, key(one)) for one in found] + [(one.end, -1, key(one)) for one in found])
    now: Counter[Any] = Counter()
    most: Counter[Any] = Counter()
    for _, change, name in edges:
        now[name] += change
        most[name] = max(most[name], now[name])
    return most


if __name__ == "__main__":
    logs.configure(json_lines=True)
    loop = Engine(from_environment()).loop(TracingExecutor(Path(sys.argv[1]), float(sys.argv[2])))
    sys.exit(0 if loop.run() else 1)
