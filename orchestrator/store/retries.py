"""Trying again what was given up on."""

from __future__ import annotations

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, IllegalTransition
from orchestrator.core.states import TOWARDS, ServiceStatus, TaskStatus, check_task_transition
from orchestrator.models.service import Service
from orchestrator.models.task import Operation, Task
from orchestrator.store.database import database_now, transaction
from orchestrator.store.tasks import locked_task, log
from orchestrator.store.waiting import block_again, block_dependants, is_unmet, why_blocked


def retry(task_id: int, actor: str) -> None:
    """Put a task in error back into the queue with a fresh budget; its dependants are no longer blocked."""

    def work() -> None:
        row = locked_task(task_id)
        if row.status != TaskStatus.ERROR:
            raise IllegalTransition("task", row.status, TaskStatus.QUEUED)
        # One that was force-failed while it waited is tried no earlier than it would have been.
        status = TaskStatus.WAITING if row.operation_id and is_unmet(task_id) else TaskStatus.QUEUED
        check_task_transition(TaskStatus(row.status), status)
        _refuse_superseded(row)
        Task.update(
            status=status,
            attempts=0,
            unreachable=0,
            error=None,
            finished_at=None,
            run_after=database_now(),
            cancel_requested=False,
        ).where(Task.id == task_id).execute()
        Task.update(blocked_by=None, error=None).where(Task.blocked_by == task_id).execute()
        if row.operation_id:
            block_again([task_id])
            _resume(row.operation_id)
        log(row, "retried", message="put back into the queue", actor=actor)

    transaction(work)


def run_now(task_id: int, actor: str) -> None:
    """Let a queued task be due at once, whatever its back-off says; a server's circuit and slots still count."""

    def work() -> None:
        row = locked_task(task_id)
        if row.status != TaskStatus.QUEUED:
            raise IllegalTransition("task", row.status, TaskStatus.RUNNING)
        Task.update(run_after=database_now()).where(Task.id == task_id).execute()
        log(row, "hurried", message="asked to run now", actor=actor)

    transaction(work)


def _resume(operation_id: int) -> None:
    """Let an operation go on; while another of its steps is in error it stays so, and what waits for that one blocked."""
    failed = list(Task.select().where((Task.operation_id == operation_id) & (Task.status == TaskStatus.ERROR)))
    for other in failed:
        block_dependants(other, why_blocked(other))
    if failed:
        return
    Operation.update(status="running", error=None, finished_at=None).where(Operation.id == operation_id).execute()
    for desired, status in TOWARDS.items():
        Service.update(status=status, error=None, updated_at=utc_now()).where(
            (Service.operation_id == operation_id)
            & (Service.status == ServiceStatus.FAILED)
            & (Service.desired == desired)
        ).execute()


def _refuse_superseded(row: Task) -> None:
    if row.operation_id is None:
        return
    operation = Operation.get_or_none(Operation.id == row.operation_id)
    newer = Operation.select().where((Operation.service_id == row.service_id) & (Operation.generation > row.generation))
    if operation is not None and row.service_id is not None and newer.exists():
        raise Conflict(f"task {row.id} belongs to an older request; a newer one has replaced it")
