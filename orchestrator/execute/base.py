"""The seam between the queue and whatever runs a playbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from orchestrator.core.records import RunRequest, RunResult

Cancelled = Callable[[], bool]


class Executor(Protocol):
    """Runs one attempt.

    ``run`` never raises for anything that goes wrong with the run itself: the outcome says it. ``cancelled`` is asked
    about once a second; when it answers True the whole process tree of the attempt is ended.
    """

    def run(self, request: RunRequest, cancelled: Cancelled) -> RunResult:
        """Run the playbook of ``request.action`` on ``request.host`` and return how it ended."""
        ...

    def run_all(self, requests: Sequence[RunRequest], cancelled: Sequence[Cancelled]) -> list[RunResult]:
        """Run one playbook for several jobs on one server and return how each ended, in their order.

        All requests have the same action, server and way of running; ``cancelled`` has a question for each. What happens to
        one of them is not the others' fault: each ends as if it had been run alone.
        """
        ...

    def tally(self) -> Mapping[str, int]:
        """Return how often what happened since the last call: ways of starting an attempt, and reasons for another way."""
        ...

    def close(self) -> None:
        """Release what is held between runs."""
        ...
