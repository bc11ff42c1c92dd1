"""The seam between the queue and whatever runs a playbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from orchestrator.core.records import RunRequest, RunResult


class Executor(Protocol):
    """Runs one attempt.

    ``run`` never raises for anything that goes wrong with the run itself: the outcome says it. ``cancelled`` is asked
    about once a second; when it answers True the whole process tree of the attempt is ended.
    """

    def run(self, request: RunRequest, cancelled: Callable[[], bool]) -> RunResult:
        """Run the playbook of ``request.action`` on ``request.host`` and return how it ended."""
        ...

    def tally(self) -> Mapping[str, int]:
        """Return how often what happened since the last call: ways of starting an attempt, and reasons for another way."""
        ...

    def close(self) -> None:
        """Release what is held between runs."""
        ...
