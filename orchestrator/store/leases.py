"""Keeping a task, losing it, and taking over from an orchestrator that died."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from orchestrator.core.states import TaskStatus
from orchestrator.models.task import Task
from orchestrator.store import outcome
from orchestrator.store.claim import Claim
from orchestrator.store.database import database_now, transaction
from orchestrator.store.fleet import knob_value
from orchestrator.store.tasks import log


def _ours(claim: Claim) -> object:
    return (Task.id == claim.task_id) & (Task.lease_token == claim.token) & (Task.status == TaskStatus.RUNNING)


def heartbeat(claims: Iterable[Claim], lease_seconds: int) -> set[int]:
    """Extend the leases and return the ids of the tasks that are no longer ours."""

    def work() -> set[int]:
        until = database_now() + timedelta(seconds=lease_seconds)
        return {one.task_id for one in claims if not Task.update(lease_until=until).where(_ours(one)).execute()}

    return transaction(work)


def cancel_requests(claims: Iterable[Claim]) -> set[int]:
    """Return those of our tasks that somebody wants stopped."""
    ids = [claim.task_id for claim in claims]
    if not ids:
        return set()
    query = Task.select(Task.id).where((Task.id << ids) & Task.cancel_requested)
    return {row.id for row in query}


def release(claims: Iterable[Claim]) -> None:
    """Give tasks back that were never begun; the attempt does not count."""

    def work() -> None:
        for one in claims:
            Task.update(
                status=TaskStatus.QUEUED,
                attempts=Task.attempts - 1,
                lease_owner=None,
                lease_until=None,
                lease_token=None,
            ).where(_ours(one)).execute()

    transaction(work)


def rescue(is_dead: Callable[[str], bool]) -> list[int]:
    """Put tasks whose orchestrator is gone back into the queue and return their ids.

    An orchestrator is gone when its lease ran out by the database's clock, or when ``is_dead`` knows that the process
    that ``lease_owner`` names has ended. The lost attempt counts, so that a task that kills its orchestrator is not run
    for ever; the fencing token of the next claim keeps the lost attempt from doing harm on the node.
    """

    def work() -> list[int]:
        now = database_now()
        budget = int(knob_value("tasks.max_attempts"))
        rescued = []
        for row in Task.select().where(Task.status == TaskStatus.RUNNING):
            if not (row.lease_until is None or row.lease_until < now or is_dead(row.lease_owner or "")):
                continue
            if row.attempts - row.unreachable >= budget:
                outcome.give_up(row, "every attempt ended without a result")
                continue
            same = (Task.id == row.id) & (Task.lease_token == row.lease_token) & (Task.status == TaskStatus.RUNNING)
            back = Task.update(
                status=TaskStatus.QUEUED, run_after=now, lease_owner=None, lease_until=None, lease_token=None
            )
            if back.where(same).execute():
                message = "the orchestrator that ran this attempt ended without a result; it is tried again"
                log(row, "rescued", message=message, outcome="lost", started_at=row.started_at)
                rescued.append(row.id)
        return rescued

    return transaction(work)
