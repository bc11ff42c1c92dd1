"""How the attempts of one run ended becomes rows, each the moment it has ended."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace

import structlog
from peewee import DataError, IntegrityError, PeeweeException

from orchestrator.core.errors import Busy, Conflict, IllegalTransition, InvalidInput, LeaseLost, TenantryError
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome, TaskStatus
from orchestrator.dispatch.facts import facts_effect
from orchestrator.dispatch.handlers import Apply, Ended, Handlers
from orchestrator.dispatch.request import refused
from orchestrator.models.task import Task
from orchestrator.plan import backoff, catalog
from orchestrator.store import fleet, outcome, services
from orchestrator.store.claim import Claim
from orchestrator.store.database import patiently
from orchestrator.store.outcome import Recorded

logger = structlog.get_logger(__name__)

INTERNAL = "an internal error; see the log"


class Records:
    """Stores the results of one run. Those of different chains may come at once."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._lock = threading.Lock()
        self._is_away = False  # one of the run has said that the server does not answer

    def from_server(
        self, row: Task, claim: Claim, said: RunResult, following: Claim | None, give_up: Callable[[], bool]
    ) -> Recorded | None:
        """Record what the server's side said, like ``store``."""
        result = _overtaken(row, said)
        effects = facts_effect(row, result)
        if result.outcome.is_success and row.action in self._handlers.answers:
            effects = lambda: self._handlers.answers[row.action](row, result)  # noqa: E731
        return self.store(row, claim, (result, effects), following, give_up)

    def store(
        self, row: Task, claim: Claim, ended: Ended, following: Claim | None, give_up: Callable[[], bool]
    ) -> Recorded | None:
        """Record how an attempt ended; ``following`` begins with its success. None when the lease was lost meanwhile.

        A database that is away for a while delays the record and loses nothing. Raises Unavailable when it is still away
        after ``give_up`` has said so.
        """
        result, effects = ended
        has_counted = self._has_counted(result)
        try:
            recorded = patiently(lambda: _record(claim, result, effects, following, has_counted), give_up)
        except LeaseLost as lost:
            logger.warning("late result", action=row.action, task=row.id, error=str(lost))
            return None
        _log(row, result, recorded.status)
        return recorded

    def _has_counted(self, result: RunResult) -> bool:
        """Return whether another of the run has said that the server does not answer."""
        with self._lock:
            before = self._is_away
            self._is_away |= result.outcome is Outcome.UNREACHABLE
        return before


def _log(row: Task, result: RunResult, status: TaskStatus) -> None:
    seconds = round(result.duration_seconds, 2)
    logger.info(
        "attempt",
        action=row.action,
        task=row.id,
        service=row.service_id,
        outcome=str(result.outcome),
        status=str(status),
        seconds=seconds,
        error=result.message or None,
    )


def _overtaken(row: Task, result: RunResult) -> RunResult:
    """Return the result; a step that a newer request has overtaken on the node is no failure."""
    if result.outcome is not Outcome.FENCED or row.service_id is None:
        return result
    if row.generation >= patiently(lambda: services.get(int(row.service_id or 0)).generation, lambda: False):
        return result
    return replace(result, outcome=Outcome.CANCELLED, reason="superseded", message="superseded by a newer request")


def _record(
    claim: Claim, result: RunResult, effects: Apply | None, following: Claim | None, has_counted: bool
) -> Recorded:
    """Record the result; when what belongs to a success is refused by the rows, that refusal is the result."""
    knobs = fleet.knob_values()
    policy = backoff.Policy(
        max_attempts=int(knobs["tasks.max_attempts"]),
        max_unreachable=int(knobs["tasks.max_unreachable"]),
        minutes=tuple(int(part) for part in str(knobs["tasks.backoff_minutes"]).split(",")),
        unreachable_seconds=int(knobs["server.circuit_seconds"]),
    )
    circuit = outcome.Circuit(
        after=int(knobs["server.circuit_after"]), seconds=int(knobs["server.circuit_seconds"]), has_counted=has_counted
    )

    def store(ended: RunResult, extra: Apply | None) -> Recorded:
        def decide(task: Task, seen: RunResult) -> backoff.Verdict:
            jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
            tries = replace(policy, max_attempts=1) if task.action in catalog.LOOKS else policy
            return backoff.decide(seen.outcome, seen.reason, task.attempts, task.unreachable, tries, jitter)

        return outcome.record(claim, ended, decide, circuit, extra, following)

    try:
        return store(result, effects)
    except (Busy, InvalidInput, Conflict, IllegalTransition) as error:
        return store(refused(error), None)
    except (IntegrityError, DataError) as error:  # another transaction was faster: the next attempt sees what it wrote
        logger.warning("lost a race", task=claim.task_id, error=str(error))
        message = "another request changed the same rows at the same time; it is tried again"
        return store(RunResult(outcome=Outcome.FAILED, reason="race", message=message), None)
    except (TenantryError, PeeweeException):
        raise  # the lease, or the database itself: the caller knows what to do
    except Exception:
        logger.exception("effects crashed", task=claim.task_id)
        return store(RunResult(outcome=Outcome.FAILED, reason="internal", message=INTERNAL), None)
