"""Tasks that were taken because they follow another in its run: their turn comes, or they wait again as if untouched.

While one has no start its turn has not come. Everything here but ``put_back`` runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from peewee import Case

from orchestrator.core.states import TaskStatus, check_task_transition
from orchestrator.models.task import Task
from orchestrator.store.claim import Claim
from orchestrator.store.database import database_now, locked, transaction
from orchestrator.store.tasks import withdraw
from orchestrator.store.waiting import block_again, locked_with_operation, stands, wake


def begin(claim: Claim) -> bool:
    """Note that a task's turn has come; False when it is no longer ours, or is to be cancelled."""
    is_ours = (Task.id == claim.task_id) & (Task.lease_token == claim.token) & stands(TaskStatus.RUNNING)
    is_wanted = Task.cancel_requested == False  # noqa: E712 - an expression
    return bool(Task.update(started_at=database_now()).where(is_ours & is_wanted).execute())


def put_back(claims: Iterable[Claim], only_next: bool = False) -> None:
    """Let those of a chain's tasks that are still ours wait again, in a transaction of its own; the attempt never was.

    ``only_next`` leaves out what has begun.
    """
    found = list(claims)

    def work() -> None:
        locked_with_operation(found[0].task_id)
        ids, tokens = [one.task_id for one in found], {one.token for one in found}
        ours = (Task.id << ids) & (Task.lease_token << list(tokens)) & stands(TaskStatus.RUNNING)
        let_go(locked(Task.select().where(ours & Task.started_at.is_null() if only_next else ours)))

    if found:
        transaction(work)


def release(row: Task) -> None:
    """Let what was to follow a task in its chain wait again: it does not go on there."""
    if row.operation_id is None or row.lease_token is None:
        return
    same = (Task.operation_id == row.operation_id) & (Task.lease_token == row.lease_token) & (Task.id != row.id)
    let_go(locked(Task.select().where(same & stands(TaskStatus.RUNNING) & Task.started_at.is_null())))


def let_go(found: Iterable[Task]) -> None:
    """Give up the leases of tasks of one operation, locked with it: each waits for what it needs, is due, or is withdrawn.

    One that needs what was given up on is blocked, as it would have been had it waited all the time.
    """
    rows: Sequence[Task] = sorted(found, key=lambda one: one.id)
    for row in rows:
        waits = TaskStatus.QUEUED if row.operation_id is None else TaskStatus.WAITING
        check_task_transition(TaskStatus(row.status), waits)
    ids = [row.id for row in rows]
    if not ids:
        return
    Task.update(
        status=Case(None, [(Task.operation_id.is_null(), TaskStatus.QUEUED)], TaskStatus.WAITING),
        attempts=Case(None, [(Task.attempts > 0, Task.attempts - 1)], 0),
        run_after=database_now(),
        lease_owner=None,
        lease_until=None,
        lease_token=None,
        started_at=None,
    ).where(Task.id << ids).execute()
    wake(ids)
    block_again(ids)
    for row in Task.select().where((Task.id << ids) & Task.cancel_requested).order_by(Task.id):
        withdraw(row, "cancelled on request", row.requested_by)
