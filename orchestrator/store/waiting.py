"""What waits for a task: woken when it is done, marked as blocked when it is given up on.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from typing import Any

from peewee import fn

from orchestrator.core.states import TaskStatus
from orchestrator.models.task import Operation, Task, TaskDependency
from orchestrator.store.database import database_now, locked


def stands(*statuses: TaskStatus) -> Any:
    """Return the comparison of a task's status for rows that are named by their numbers or their operation.

    No index on the status answers it: through that MariaDB would lock, and wait for, rows of others that only have the same.
    """
    return fn.COALESCE(Task.status, "") << list(statuses)


def locked_with_operation(task_id: int) -> Task | None:
    """Return a task locked for the caller's transaction, its operation first.

    Two steps that end together must see each other, or nobody wakes what waits for both.
    """
    row: Task | None = Task.get_or_none(Task.id == task_id)
    if row is None:
        return None
    if row.operation_id:
        locked(Operation.select().where(Operation.id == row.operation_id)).first()
    found: Task | None = locked(Task.select().where(Task.id == task_id)).first()
    return found


def let_wait(rows: list[Task], needed: int | None) -> None:
    """Let steps wait for a task of another operation; one that has ended needs no waiting.

    Its row is locked first: a task that ends at the same moment either sees who waits, or is seen as done.
    """
    task = locked(Task.select().where(Task.id == needed)).first()
    if task is None or task.status == TaskStatus.DONE:
        return
    for row in rows:
        TaskDependency.insert(task_id=row.id, needs_id=task.id).execute()
        Task.update(status=TaskStatus.WAITING).where((Task.id == row.id) & (Task.status == TaskStatus.QUEUED)).execute()


def wake_dependants(task_id: int) -> None:
    """Queue every task that waited for this one, if nothing else that it needs is unfinished."""
    wake([one.task_id for one in TaskDependency.select().where(TaskDependency.needs_id == task_id)])


def wake(task_ids: list[int]) -> None:
    """Queue those of the tasks that no longer wait for anything.

    They are locked first: the last two tasks that one waits for may be of different operations and end together.
    """
    waiting = Task.select().where((Task.id << task_ids) & (Task.status == TaskStatus.WAITING)).order_by(Task.id)
    for row in locked(waiting):
        if not is_unmet(row.id):
            Task.update(status=TaskStatus.QUEUED, run_after=database_now(), blocked_by=None, error=None).where(
                Task.id == row.id
            ).execute()


def is_unmet(task_id: int) -> bool:
    """True while something that a task needs is not done."""
    needs = TaskDependency.select(TaskDependency.needs_id).where(TaskDependency.task_id == task_id)
    return bool(Task.select().where((Task.id << needs) & (Task.status != TaskStatus.DONE)).exists())


def block_again(task_ids: list[int]) -> None:
    """Mark those of the tasks that wait for what was given up on, or for what is blocked by it, and all behind them."""
    needs = TaskDependency.select(TaskDependency.needs_id).where(TaskDependency.task_id << task_ids)
    over = Task.status << [TaskStatus.ERROR, TaskStatus.CANCELLED]
    found = list(Task.select().where((Task.id << needs) & (over | Task.blocked_by.is_null(False))))
    blockers = {row.id for row in found if row.blocked_by is None} | {row.blocked_by for row in found if row.blocked_by}
    for row in Task.select().where(Task.id << sorted(blockers)).order_by(Task.id):
        block_dependants(row, why_blocked(row))


def why_blocked(row: Task) -> str:
    """Return what is said of a task that was given up on to those that wait for it."""
    if row.status == TaskStatus.CANCELLED:
        return f"task {row.id} ({row.action}) was cancelled"
    return f"task {row.id} ({row.action}) failed: {str(row.error)[:200]}"


def block_dependants(row: Task, reason: str) -> None:
    """Mark everything that waits for ``row``, directly or through others, as blocked by it."""
    frontier: set[int] = {row.id}
    seen: set[int] = set()
    while frontier:
        seen |= frontier
        found = TaskDependency.select(TaskDependency.task_id).where(TaskDependency.needs_id << sorted(frontier))
        frontier = {one.task_id for one in found} - seen
        if frontier:
            Task.update(blocked_by=row.id, error=f"blocked: {reason}").where(
                (Task.id << sorted(frontier)) & (Task.status == TaskStatus.WAITING) & Task.blocked_by.is_null()
            ).execute()
