"""The queue's rows: adding, reading, and changes that people ask for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from peewee import JOIN, IntegrityError

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Busy, Conflict, IllegalTransition, InvalidInput, NotFound
from orchestrator.core.records import Plan
from orchestrator.core.states import (
    ON_THE_WAY,
    OPEN_STATUSES,
    ServiceStatus,
    TaskStatus,
    check_task_transition,
)
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Operation, Task, TaskDependency
from orchestrator.store.database import database_now, locked, transaction
from orchestrator.store.waiting import block_dependants

MAXIMUM_PARAMS_BYTES = 65_536
_ONLY_LOOKS = ("service.usage_recomputed", "service.usage_synced")  # steps that change nothing of a service


def enqueue(
    action: str,
    *,
    service_id: int | None = None,
    server_id: int | None = None,
    params: dict[str, Any] | None = None,
    requested_by: str = "cli",
    idempotency_key: str | None = None,
    priority: int = 100,
) -> int:
    """Insert a task as a billing system would and return its id; Conflict when the idempotency key was used."""
    values: dict[str, Any] = {
        "action": action,
        "service_id": service_id,
        "server_id": server_id,
        "params": json.dumps(params or {}),
        "requested_by": requested_by,
        "idempotency_key": idempotency_key,
        "priority": priority,
    }
    try:
        return int(transaction(lambda: Task.insert(**values).execute()))
    except IntegrityError:
        raise Conflict(f"a task with the idempotency key {idempotency_key} exists already") from None


def parse_params(text: str) -> dict[str, Any]:
    """Return a row's parameters; InvalidInput when they are too large, too deep or no JSON object."""
    if len(text) > MAXIMUM_PARAMS_BYTES:
        raise InvalidInput("params", f"has {len(text)} characters", f"at most {MAXIMUM_PARAMS_BYTES} are allowed")
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise InvalidInput("params", "is nested too deeply", "give a flat JSON object") from None
    except ValueError as error:
        raise InvalidInput("params", f"is no JSON ({error})", "give a JSON object") from None
    if not isinstance(value, dict):
        raise InvalidInput("params", "is not an object", 'give a JSON object such as {"domain": "shop.example"}')
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a key given twice would mean one thing to us and another to the next reader."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidInput("params", "gives a key twice", "give every key once")
    return value


def get(task_id: int) -> Task:
    """Return a task."""
    row = Task.get_or_none(Task.id == task_id)
    if row is None:
        raise NotFound("task", f"there is no task {task_id}", "see `tenantry task list`")
    return row


def add_operation(
    intent: str, intent_task: int, service_id: int, generation: int, actor: str, plan: Plan, priority: int
) -> int:
    """Store an operation and its steps inside the caller's transaction and return its id."""
    operation = Operation.create(
        intent=intent,
        intent_task_id=intent_task,
        service_id=service_id,
        generation=generation,
        status="running",
        requested_by=actor,
        created_at=utc_now(),
    )
    servers = {row.name: row.id for row in Server.select(Server.id, Server.name)}
    rows = [
        {
            "action": step.action,
            "service_id": service_id,
            "server_id": servers[step.server] if step.server else None,
            "operation_id": operation.id,
            "step": step.key,
            "generation": generation,
            "params": json.dumps(step.params),
            "requested_by": actor,
            "priority": priority,
            "status": TaskStatus.WAITING if step.needs else TaskStatus.QUEUED,
        }
        for step in plan.steps
    ]
    if rows:  # together: an order holds a lock that other orders wait for
        Task.insert_many(rows).execute()
    made: Any = Task.select(Task.step, Task.id).where(Task.operation_id == operation.id).tuples()
    ids: dict[str, int] = dict(made)
    _add_dependencies(plan, ids)
    return int(operation.id)


def _add_dependencies(plan: Plan, ids: dict[str, int]) -> None:
    pairs = [{"task_id": ids[step.key], "needs_id": ids[need]} for step in plan.steps for need in step.needs]
    if pairs:
        TaskDependency.insert_many(pairs).execute()


def supersede(service_id: int, generation: int) -> int:
    """Cancel the pending tasks of older intents of a service, inside the caller's transaction; returns how many.

    One that is next in a run is pending as well; the run ends there.
    """
    is_next = (Task.status == TaskStatus.RUNNING) & Task.started_at.is_null()
    older = (
        (Task.service_id == service_id)
        & (Task.operation_id.is_null(False))
        & (Task.generation < generation)
        & ((Task.status << [TaskStatus.WAITING, TaskStatus.QUEUED]) | is_next)
    )
    change = Task.update(
        status=TaskStatus.CANCELLED,
        error="superseded by a newer request",
        finished_at=utc_now(),
        blocked_by=None,
        lease_owner=None,
        lease_until=None,
    )
    count = int(change.where(older).execute())
    Operation.update(status="cancelled", finished_at=utc_now(), error="superseded by a newer request").where(
        (Operation.service_id == service_id) & (Operation.generation < generation) & (Operation.status == "running")
    ).execute()
    return count


def replace_pending(service_id: int, keys: list[str]) -> None:
    """Cancel pending steps of these objects in favour of newer ones, inside the caller's transaction.

    Raises Busy while one of them is running: its end decides what the newer one finds. One that cannot begin, because
    something before it was given up on, is nobody's to wait for.
    """
    same = (Task.service_id == service_id) & (Task.step << keys) & Task.operation_id.is_null(False)
    pending = list(Task.select().where(same & (Task.status << list(OPEN_STATUSES)) & Task.blocked_by.is_null()))
    running = [row for row in pending if row.status == TaskStatus.RUNNING]
    for row in pending if all(one.is_next for one in running) else ():
        if Operation.get_by_id(row.operation_id).intent.startswith("service."):
            raise Busy("the service is about to change as a whole; this follows when that is done")
    if running:
        raise Busy("an older change of the same object is still running; this one follows when it has ended")
    for row in pending:
        withdraw(row, "superseded by a newer request", row.requested_by)
    _end_with([row.id for row in pending])


def _end_with(withdrawn: list[int]) -> None:
    """Cancel what only waited for withdrawn steps: the newer request has an end of its own."""
    waiting = (Task.blocked_by << withdrawn) & (Task.status == TaskStatus.WAITING)
    Task.update(status=TaskStatus.CANCELLED, finished_at=database_now(), blocked_by=None).where(waiting).execute()


def is_changing(row: Service) -> bool:
    """True while steps of a change of single objects are pending or running for a service; a certificate's do not count."""
    of_certificates = Operation.select(Operation.id).where(
        (Operation.service_id == row.id) & Operation.intent.startswith("certificate.")
    )
    return bool(
        Task.select()
        .where(
            (Task.service_id == row.id)
            & Task.operation_id.is_null(False)
            & (Task.operation_id != (row.operation_id or 0))
            & Task.operation_id.not_in(of_certificates)
            & (Task.generation == row.generation)
            & (Task.status << list(OPEN_STATUSES))
            & Task.action.not_in(_ONLY_LOOKS)
        )
        .exists()
    )


def cancel(task_id: int, actor: str) -> str:
    """Ask a task to stop: a pending one is cancelled at once, a running one as soon as its orchestrator sees it."""

    def work() -> str:
        row = locked_task(task_id)
        if row.status not in OPEN_STATUSES:
            raise IllegalTransition("task", row.status, TaskStatus.CANCELLED)
        if row.status == TaskStatus.RUNNING:
            Task.update(cancel_requested=True).where(Task.id == task_id).execute()
            return "requested"
        withdraw(row, f"cancelled by {actor}", actor)
        return "cancelled"

    return transaction(work)


def withdraw(row: Task, message: str, actor: str) -> None:
    """Cancel a pending task inside the caller's transaction."""
    check_task_transition(TaskStatus(row.status), TaskStatus.CANCELLED)
    Task.update(status=TaskStatus.CANCELLED, finished_at=database_now(), error=message, blocked_by=None).where(
        Task.id == row.id
    ).execute()
    abandon(row, f"task {row.id} ({row.action}) was cancelled")
    log(row, "cancelled", message=message, actor=actor)


def abandon(row: Task, message: str) -> None:
    """End the operation of a step that was cancelled: nothing can finish it; a newer request for the service can."""
    block_dependants(row, message)
    if row.operation_id is None:
        return
    stopped = Operation.update(status="cancelled", error=message, finished_at=database_now()).where(
        (Operation.id == row.operation_id) & (Operation.status == "running")
    )
    if stopped.execute():
        fail_service(row, f"{message}; ask for service.redeploy")


def fail_service(row: Task, message: str) -> None:
    """Mark the service of a step as failed, unless a newer operation has taken over."""
    Service.update(status=ServiceStatus.FAILED, error=message, updated_at=utc_now()).where(
        (Service.id == row.service_id)
        & (Service.operation_id == row.operation_id)
        & (Service.status << list(ON_THE_WAY))
    ).execute()


def locked_task(task_id: int) -> Task:
    row: Task | None = locked(Task.select().where(Task.id == task_id)).first()
    if row is None:
        raise NotFound("task", f"there is no task {task_id}", "see `tenantry task list`")
    return row


def log(row: Task, kind: str, *, message: str, actor: str = "", **values: Any) -> None:
    """Append a line about a task to the operation log."""
    LogEntry.create(
        at=utc_now(),
        kind=kind,
        task_id=row.id,
        operation_id=row.operation_id,
        service_id=row.service_id,
        server_id=row.server_id,
        action=row.action[:64],
        attempt=row.attempts,
        outcome=values.get("outcome", ""),
        reason=values.get("reason", ""),
        started_at=values.get("started_at"),
        detail=values.get("detail"),
        message=message,
        actor=actor,
    )


def listing(
    statuses: Iterable[str] = (), action: str = "", service_id: int | None = None, server: str = "", limit: int = 50
) -> list[Task]:
    """Return the newest tasks that match, newest first, with the server's name as ``server_name``."""
    heavy = {Task.params, Task.result}  # another program may have written megabytes there
    columns = [field for field in Task._meta.sorted_fields if field not in heavy]
    query = Task.select(*columns, Server.name.alias("server_name")).join(
        Server, JOIN.LEFT_OUTER, on=(Server.id == Task.server_id)
    )
    if wanted := list(statuses):
        query = query.where(Task.status << wanted)
    if action:
        query = query.where(Task.action == action)
    if service_id is not None:
        query = query.where(Task.service_id == service_id)
    if server:
        query = query.where(Server.name == server)
    return list(query.order_by(Task.id.desc()).limit(limit).objects())


def newest() -> int:
    """Return the number of the row that was inserted last, 0 where there is none: one look at the end of the primary key."""
    return int(database.execute_sql("SELECT MAX(id) FROM tasks").fetchone()[0] or 0)
