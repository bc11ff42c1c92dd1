"""The seam between the queue and whatever runs a playbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.records import RunRequest, RunResult

Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Chain:
    """Steps on one server that follow each other: mostly one, or what a service needs there next.

    ``tell`` gets the result of each, in order, as soon as it has ended. The first that does not succeed is the last.
    ``cancelled`` is asked about once a second; when it answers True what runs is ended.
    """

    requests: Sequence[RunRequest]
    cancelled: Cancelled
    tell: Callable[[RunResult], None]


class Executor(Protocol):
    """Runs attempts at steps.

    Nothing is raised for anything that goes wrong with a run itself: the outcome says it. When ``cancelled`` answers True the
    whole process tree of the attempt is ended.
    """

    def run(self, request: RunRequest, cancelled: Cancelled) -> RunResult:
        """Run the playbook of ``request.action`` on ``request.host`` and return how it ended."""
        ...

    def run_all(self, chains: Sequence[Chain]) -> None:
        """Carry out several chains by one run; all have the same actions in the same order, on the same server.

        What happens to one is not the others' fault: each ends as if it had been carried out alone. ``tell`` of one chain is
        never called twice at once; those of different chains may be. What ``tell`` raises ends the run and is raised here.
        """
        ...

    def tally(self) -> Mapping[str, int]:
        """Return how often what happened since the last call: ways of starting an attempt, and reasons for another way."""
        ...

    def close(self) -> None:
        """Release what is held between runs."""
        ...
