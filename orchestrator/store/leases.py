"""Keeping a task, losing it, and taking over from an orchestrator that died."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.states import TaskStatus
from orchestrator.models.task import Task
from orchestrator.store import chains, outcome
from orchestrator.store.claim import Claim
from orchestrator.store.database import database_now, transaction, up_seconds
from orchestrator.store.fleet import knob_value
from orchestrator.store.tasks import log
from orchestrator.store.waiting import is_unmet, locked_with_operation, stands


def heartbeat(claims: Iterable[Claim], lease_seconds: int) -> set[int]:
    """Extend the leases and return the ids of the tasks that are no longer ours."""
    held = {(one.task_id, one.token) for one in claims}
    ids, tokens = {task_id for task_id, _ in held}, {token for _, token in held}
    ours = (Task.id << list(ids)) & (Task.lease_token << list(tokens)) & stands(TaskStatus.RUNNING)

    def work() -> set[int]:
        until = database_now() + timedelta(seconds=lease_seconds)
        if Task.update(lease_until=until).where(ours).execute() == len(held):
            return set()
        kept: Any = Task.select(Task.id, Task.lease_token).where(ours).tuples()
        return {task_id for task_id, _ in held - set(kept)}

    return transaction(work) if held else set()


def cancel_requests(claims: Iterable[Claim]) -> set[int]:
    """Return those of our tasks that somebody wants stopped."""
    ids = [claim.task_id for claim in claims]
    if not ids:
        return set()
    query = Task.select(Task.id).where((Task.id << ids) & Task.cancel_requested)
    return {row.id for row in query}


def rescue(is_dead: Callable[[str], bool], held: Iterable[Claim] = (), lease_seconds: float = 0.0) -> list[int]:
    """Put tasks whose orchestrator is gone back into the queue and return their ids.

    ``held`` are the caller's own: they run, and a database that was away for a while is no reason to run them twice.

    An orchestrator is gone when its lease ran out by the database's clock, or when ``is_dead`` knows that the process
    that ``lease_owner`` names has ended. A database that was away could be told of no renewal: until it has been there for
    ``lease_seconds``, a lease that ran out says nothing. The lost attempt counts, so that a task that kills its orchestrator
    is not run for ever; the fencing token of the next claim keeps the lost attempt from doing harm on the node.
    """

    ours = {one.token for one in held}

    def is_lost(row: Task, now: datetime) -> bool:
        if row.status != TaskStatus.RUNNING or row.lease_token in ours:
            return False
        is_over = row.lease_until is None or (row.lease_until < now and could_be_renewed)
        return is_over or is_dead(row.lease_owner or "")

    now, could_be_renewed = database_now(), up_seconds() >= lease_seconds
    columns = (Task.id, Task.status, Task.lease_token, Task.lease_until, Task.lease_owner)
    running = Task.select(*columns).where(Task.status == TaskStatus.RUNNING)
    lost = [row.id for row in running if is_lost(row, now)]
    return [task_id for task_id in lost if transaction(lambda task_id=task_id: _take_back(task_id, is_lost))]  # type: ignore[misc]


def _take_back(task_id: int, is_lost: Callable[[Task, datetime], bool]) -> bool:
    """Return whether a task was put back, looked at again under a lock: it may have ended meanwhile."""
    row: Task | None = locked_with_operation(task_id)
    now = database_now()
    if row is None or not is_lost(row, now):
        return False
    if row.operation_id is not None and (row.started_at is None or is_unmet(row.id)):
        chains.let_go([row])  # its turn in the run had not come, so nothing of it is lost
        return True
    if row.attempts - row.unreachable >= int(knob_value("tasks.max_attempts")):
        outcome.give_up(row, "every attempt ended without a result")
        return False
    Task.update(status=TaskStatus.QUEUED, run_after=now, lease_owner=None, lease_until=None, lease_token=None).where(
        Task.id == task_id
    ).execute()
    message = "the orchestrator that ran this attempt ended without a result; it is tried again"
    log(row, "rescued", message=message, outcome="lost", started_at=row.started_at)
    return True
