"""Attempts at tasks, those of one run: a ladder of guard clauses, each with its own fate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, partial

import structlog
from peewee import PeeweeException

from orchestrator.core.errors import InvalidInput, TenantryError, Unavailable
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome, TaskStatus
from orchestrator.dispatch.chain import Links, Step, Watch
from orchestrator.dispatch.handlers import Apply, Ended, Handlers
from orchestrator.dispatch.records import INTERNAL, Records
from orchestrator.dispatch.request import ServiceOf, refused, request_of
from orchestrator.models.task import Task
from orchestrator.store import snapshots, tasks, withheld
from orchestrator.store.claim import Claim
from orchestrator.store.database import patiently, session

logger = structlog.get_logger(__name__)


def run(
    chains: Sequence[Sequence[Claim]],
    handlers: Handlers,
    is_cancelled: Callable[[int], bool],
    ended: Callable[[Claim], None],
) -> None:
    """Carry out the claimed tasks of a run, each recorded the moment it ends, which ``ended`` is told then.

    Each chain is tasks of one service on one server that follow each other; all chains have the same actions. A single task
    may be anything. ``is_cancelled`` is asked with a task's number.

    A database that is away for a while delays the record and loses nothing. Raises Unavailable when it is still away
    after the lease was lost or the orchestrator is asked to stop.
    """
    records, watch = Records(handlers), Watch(is_cancelled, ended)
    links: list[Links] = []
    try:
        for claims in chains:
            links += _begun(claims, handlers, records, watch)
        length = min(map(len, links), default=0)
        for one in links:
            one.cut(length)  # what is carried out together has the same steps
        if links:
            handlers.executor.run_all([one.as_chain() for one in links])
    except Exception:
        for one in links:
            one.abandon()
        raise
    for one in links:
        one.close()


def _begun(claims: Sequence[Claim], handlers: Handlers, records: Records, watch: Watch) -> list[Links]:
    """Return the chain as far as its server is to be asked; none when its first task has ended without that."""
    head = claims[0]
    cancelled = partial(watch.is_cancelled, head.task_id)
    row = patiently(lambda: tasks.get(head.task_id), cancelled)
    service_of = cache(snapshots.of)  # read once for all jobs of the chain
    todo = _carry_out(row, head, handlers, cancelled, service_of)
    if not isinstance(todo, RunRequest):
        records.store(row, head, todo, None, cancelled)
        watch.ended(head)
        watch.put_back(claims[1:])
        return []
    steps = [Step(head, row, todo), *patiently(lambda: _following(claims[1:], handlers, service_of), cancelled)]
    watch.put_back(claims[len(steps) :])
    return [Links(steps, records, watch)]


def _following(claims: Sequence[Claim], handlers: Handlers, service_of: ServiceOf) -> list[Step]:
    """Return the steps behind the first, up to one that is not simply to be run: that is seen to in its own turn."""
    steps: list[Step] = []
    for claim in claims:
        row = tasks.get(claim.task_id)
        is_ours = row.status == TaskStatus.RUNNING and row.lease_token == claim.token
        try:
            request = request_of(row, claim, handlers, service_of) if is_ours and not row.cancel_requested else None
        except (Unavailable, PeeweeException):
            raise
        except TenantryError as error:
            logger.info("chain ends early", action=row.action, task=row.id, error=str(error))
            break
        except Exception:
            logger.exception("job could not be made", action=row.action, task=row.id)
            break
        if request is None:
            break
        steps.append(Step(claim, row, request))
    return steps


def _carry_out(
    row: Task, claim: Claim, handlers: Handlers, cancelled: Callable[[], bool], service_of: ServiceOf
) -> RunRequest | Ended:
    """Do what needs no server, or return what to ask it."""
    if row.cancel_requested:
        return RunResult(outcome=Outcome.CANCELLED, message="cancelled before it began"), None
    try:
        if row.operation_id is None and row.action in handlers.looks:
            return _look(row, handlers, cancelled)
        if row.operation_id is None and row.action in handlers.intents:
            return RunResult(outcome=Outcome.CHANGED), handlers.intents[row.action](row)
        if row.action in handlers.locals and row.operation_id is not None:
            return RunResult(outcome=Outcome.CHANGED), lambda: handlers.locals[row.action](row)
        if row.action in handlers.outside and row.operation_id is not None:
            return _ask_outside(row, handlers, cancelled)
        request = patiently(lambda: request_of(row, claim, handlers, service_of), cancelled)
    except TenantryError as error:
        if isinstance(error, InvalidInput) and row.operation_id is None:
            patiently(lambda: withheld.withhold(row.id), cancelled)
        return refused(error), None
    except Exception:
        logger.exception("attempt crashed", action=row.action, task=row.id)
        return RunResult(outcome=Outcome.FAILED, reason="internal", message=INTERNAL), None
    if request is None:
        return RunResult(outcome=Outcome.CANCELLED, reason="superseded", message="superseded by a newer request"), None
    return request


def _ask_outside(row: Task, handlers: Handlers, cancelled: Callable[[], bool]) -> tuple[RunResult, Apply]:
    """Carry out a step of the orchestrator that talks to others, outside any transaction."""
    began = time.monotonic()
    with session():
        effects = handlers.outside[row.action](row, cancelled)
    return RunResult(outcome=Outcome.CHANGED, duration_seconds=time.monotonic() - began), effects


def _look(row: Task, handlers: Handlers, cancelled: Callable[[], bool]) -> tuple[RunResult, Apply | None]:
    """Carry out an intent that only looks; what it has seen is the task's result."""
    began = time.monotonic()
    seen = handlers.looks[row.action](row, cancelled)
    if seen is None:
        return RunResult(outcome=Outcome.CANCELLED, message="cancelled while the servers were asked"), None
    return RunResult(outcome=Outcome.OK, duration_seconds=time.monotonic() - began), lambda: seen
