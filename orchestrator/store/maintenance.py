"""Housekeeping of the queue: withdrawn rows, retention, stuck tasks."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.core.clock import utc_now
from orchestrator.core.states import TaskStatus
from orchestrator.models.task import LogEntry, Operation, OutboxRow, Task, TaskDependency
from orchestrator.store.database import database_now, transaction
from orchestrator.store.tasks import block_dependants, log

_CHUNK = 500  # rows deleted in one transaction, so that no claim waits for a big purge
FINISHED = (TaskStatus.DONE, TaskStatus.ERROR, TaskStatus.CANCELLED)


def cancel_withdrawn() -> int:
    """Cancel pending tasks whose ``cancel_requested`` another program has set; returns how many."""

    def work() -> int:
        pending = Task.select().where((Task.status << [TaskStatus.WAITING, TaskStatus.QUEUED]) & Task.cancel_requested)
        rows = list(pending)
        for row in rows:
            Task.update(status=TaskStatus.CANCELLED, finished_at=utc_now(), error="cancelled on request").where(
                Task.id == row.id
            ).execute()
            block_dependants(row, f"task {row.id} ({row.action}) was cancelled")
            log(row, "cancelled", message="cancelled on request", actor=row.requested_by)
        return len(rows)

    return transaction(work)


def purge(retention_days: int) -> int:
    """Delete finished tasks, and the log, of before the retention; the rows of unfinished operations stay."""
    before = database_now() - timedelta(days=retention_days)
    deleted = 0
    while count := transaction(lambda: _purge_chunk(before)):
        deleted += count
    transaction(lambda: LogEntry.delete().where(LogEntry.at < before).execute())
    transaction(lambda: Operation.delete().where(Operation.finished_at < before).execute())
    transaction(lambda: OutboxRow.delete().where(OutboxRow.delivered_at < before).execute())
    return deleted


def _purge_chunk(before: object) -> int:
    unfinished = Operation.select(Operation.id).where(Operation.finished_at.is_null())
    old = Task.select(Task.id).where(
        (Task.finished_at < before)
        & (Task.status << list(FINISHED))
        & (Task.operation_id.is_null() | Task.operation_id.not_in(unfinished))
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


def stuck(minutes: int) -> list[Task]:
    """Return tasks that have been running for longer than ``minutes``."""
    before = database_now() - timedelta(minutes=minutes)
    return list(Task.select().where((Task.status == TaskStatus.RUNNING) & (Task.started_at < before)))
