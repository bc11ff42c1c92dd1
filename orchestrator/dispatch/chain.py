"""The claimed tasks of a chain while a run carries them out: one after another, each recorded the moment it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from orchestrator.core.errors import Unavailable
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.dispatch.records import Records
from orchestrator.execute.base import Chain
from orchestrator.models.task import Task
from orchestrator.store import chains
from orchestrator.store.claim import Claim
from orchestrator.store.database import patiently, session

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Step:
    """A claimed task and what it asks of its server."""

    claim: Claim
    row: Task
    request: RunRequest


@dataclass(frozen=True)
class Watch:
    """What the worker has to say about tasks, and what it is told."""

    is_cancelled: Callable[[int], bool]  # asked with a task's number
    ended: Callable[[Claim], None]  # nothing of it is under way any more

    def put_back(self, claims: Sequence[Claim]) -> None:
        """Let tasks whose turn does not come wait again, unless somebody else has them; Unavailable as in ``patiently``."""
        if claims:
            patiently(lambda: chains.put_back(claims), lambda: any(self.is_cancelled(one.task_id) for one in claims))
        for one in claims:
            self.ended(one)


class Links:
    """The steps of one chain, of which the first is under way."""

    def __init__(self, steps: Sequence[Step], records: Records, watch: Watch) -> None:
        self._left = tuple(steps)  # begun or to come; one whose result is being recorded is not among them
        self._records = records
        self._watch = watch
        self._is_cut = False  # the rest is not ours to carry out

    def __len__(self) -> int:
        return len(self._left)

    def as_chain(self) -> Chain:
        """Return what the executor sees of it."""
        return Chain([one.request for one in self._left], self.cancelled, self.tell)

    def cut(self, length: int) -> None:
        """Put back all behind the first ``length``."""
        rest, self._left = self._left[length:], self._left[:length]
        self._watch.put_back([one.claim for one in rest])

    def cancelled(self) -> bool:
        """Return whether the run of this chain is to be ended: one of those left is not wanted, or no longer ours."""
        return self._is_cut or any(self._watch.is_cancelled(one.claim.task_id) for one in self._left)

    def tell(self, result: RunResult) -> None:
        """Record how the first of those left has ended, and go on to the next.

        What does not go on is over: the rows of the rest wait again. Raises Unavailable when the database is away for too long.
        """
        if not self._left:
            return  # of a chain that was cut; what was done there is done again in its turn
        step, rest = self._left[0], self._left[1:]
        self._left = rest
        give_up = partial(self._watch.is_cancelled, step.claim.task_id)
        following = rest[0].claim if rest else None
        recorded = self._records.from_server(step.row, step.claim, result, following, give_up)
        self._watch.ended(step.claim)
        if rest and not (recorded and recorded.goes_on):
            self._is_cut = result.outcome.is_success  # else the executor does not go on anyway
            self._over(is_lost=recorded is None)

    def _over(self, is_lost: bool) -> None:
        """Forget the rest; the record of what went before has put it back, if there was one."""
        rest, self._left = self._left, ()
        if is_lost:
            self._watch.put_back([one.claim for one in rest])
        else:
            for one in rest:
                self._watch.ended(one.claim)

    def close(self) -> None:
        """Settle what the executor has told nothing of: it was stopped, or it lost the run."""
        if self._left and not self.cancelled():
            self.tell(RunResult(outcome=Outcome.LOST, reason="lost", message="the run ended without a result"))
        self.cut(0)

    def abandon(self) -> None:
        """Put back what has not begun, if the database is there: the run broke off, and the lease tells of what was begun."""
        with suppress(Unavailable), session():
            chains.put_back([one.claim for one in self._left], only_next=True)
