"""Housekeeping of the queue: withdrawn rows, retention, stuck tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestrator.core.states import TaskStatus
from orchestrator.models.access import AuditRow
from orchestrator.models.notice import Delivery, TicketRow
from orchestrator.models.task import LogEntry, Operation, OutboxRow, Task, TaskDependency
from orchestrator.store.database import database_now, locked, transaction
from orchestrator.store.tasks import withdraw

_CHUNK = 500  # rows deleted in one transaction, so that no claim waits for a big purge
FINISHED = (TaskStatus.DONE, TaskStatus.ERROR, TaskStatus.CANCELLED)


def cancel_withdrawn() -> int:
    """Cancel pending tasks whose ``cancel_requested`` another program has set; returns how many."""

    def work() -> int:
        rows = [row for row in locked(_withdrawn()) if row.cancel_requested]
        for row in rows:
            withdraw(row, "cancelled on request", row.requested_by)
        return len(rows)

    return transaction(work) if _withdrawn().exists() else 0


def _withdrawn() -> Any:
    return Task.select().where((Task.status << [TaskStatus.WAITING, TaskStatus.QUEUED]) & Task.cancel_requested)


def purge(retention_days: int) -> int:
    """Delete finished tasks, and the log, of before the retention; the rows of unfinished operations stay."""
    before = database_now() - timedelta(days=retention_days)
    deleted = 0
    while count := transaction(lambda: _purge_chunk(before)):
        deleted += count
    for model, moment in (
        (LogEntry, LogEntry.at),
        (Operation, Operation.finished_at),
        (OutboxRow, OutboxRow.delivered_at),
        (Delivery, Delivery.ended_at),
        (TicketRow, TicketRow.updated_at),
        (AuditRow, AuditRow.at),
    ):
        _purge_rows(model, moment < before)
    return deleted


def _purge_rows(model: Any, is_old: Any) -> None:
    def work() -> int:
        ids = [row.id for row in model.select(model.id).where(is_old).limit(_CHUNK)]
        return int(model.delete().where(model.id << ids).execute()) if ids else 0

    while transaction(work):
        pass


def _purge_chunk(before: object) -> int:
    unfinished = Operation.select(Operation.id).where(Operation.finished_at.is_null())
    old = Task.select(Task.id).where(
        (Task.finished_at < before) & (Task.operation_id.is_null() | Task.operation_id.not_in(unfinished))
    )
    return delete([row.id for row in old.limit(_CHUNK)])


def delete(ids: list[int]) -> int:
    """Delete tasks and what ties them together, inside the caller's transaction."""
    if not ids:
        return 0
    TaskDependency.delete().where((TaskDependency.task_id << ids) | (TaskDependency.needs_id << ids)).execute()
    return int(Task.delete().where(Task.id << ids).execute())


def clean(statuses: list[str]) -> int:
    """Delete finished tasks of these statuses that no unfinished operation needs; returns how many."""
    deleted = 0
    unfinished = Operation.select(Operation.id).where(Operation.status == "running")
    chosen = Task.select(Task.id).where(
        (Task.status << statuses) & (Task.operation_id.is_null() | Task.operation_id.not_in(unfinished))
    )
    while ids := [row.id for row in chosen.limit(_CHUNK)]:
        deleted += transaction(lambda ids=ids: delete(ids))  # type: ignore[misc]
    return deleted


def delete_finished(ids: list[int]) -> int:
    """Delete those of the tasks that have ended and that no unfinished operation needs; returns how many."""
    unfinished = Operation.select(Operation.id).where(Operation.status == "running")
    chosen = Task.select(Task.id).where(
        (Task.id << ids)
        & (Task.status << list(FINISHED))
        & (Task.operation_id.is_null() | Task.operation_id.not_in(unfinished))
    )
    return transaction(lambda: delete([row.id for row in chosen]))


def overdue(seconds: int) -> int:
    """Return how many queued tasks have been due for longer than ``seconds``."""
    before = database_now() - timedelta(seconds=seconds)
    return int(Task.select().where((Task.status == TaskStatus.QUEUED) & (Task.run_after < before)).count())


def stuck(minutes: int) -> list[Task]:
    """Return tasks that have been running for longer than ``minutes``."""
    before = database_now() - timedelta(minutes=minutes)
    return list(Task.select().where((Task.status == TaskStatus.RUNNING) & (Task.started_at < before)))
