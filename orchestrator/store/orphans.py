"""The ledger of what servers still hold of services that were closed out by force.

Each entry is one removal step with its parameters as they were, and a task that carries it out when the server can be reached. A
newer service that shares a name with an entry waits, on that server, until the entry is done.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, InvalidInput, NotFound
from orchestrator.core.names import overlaps
from orchestrator.core.records import Json, Plan
from orchestrator.core.states import TaskStatus
from orchestrator.models.fleet import Orphan, Server
from orchestrator.models.task import Task, TaskDependency
from orchestrator.plan import jobs, vanity
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import retries, tasks, waiting
from orchestrator.store.database import database_now, transaction

_PRIORITY = 10  # before everything else on that server
_PATIENCE = timedelta(hours=1)  # between rounds of attempts at a server that stays away


def record(view: ServiceView, plan: Plan, intent: str, intent_task: int, actor: str) -> int:
    """Enter every step of a removal inside the caller's transaction; returns the operation that carries it out."""
    vanity.require_own_plan(view, plan)
    operation = tasks.add_operation(intent, intent_task, view.id, view.generation, actor, plan, _PRIORITY)
    for row in Task.select().where((Task.operation_id == operation) & Task.server_id.is_null(False)):
        job = jobs.build(row.action, view, json.loads(row.params), row.step, 0)
        entry = Orphan.create(
            service_id=view.id,
            server_id=row.server_id,
            action=row.action,
            step=row.step,
            domain=view.domain,
            username=view.username,
            generation=view.generation,
            params=job["params"],
            task_id=row.id,
            created_at=utc_now(),
        )
        Task.update(params=json.dumps({"orphan": entry.id})).where(Task.id == row.id).execute()
    return operation


def job(entry_id: Any, task_id: int, token: int) -> Json:
    """Return the job of an entry for its own task."""
    entry = Orphan.get_or_none((Orphan.id == entry_id) & (Orphan.task_id == task_id))
    if entry is None:
        raise InvalidInput("params.orphan", "is not known", "see `tenantry orphan list`")
    return jobs.stored_job(entry.action, entry.service_id, entry.generation, entry.params, entry.step, token)


def done(task_id: int) -> None:
    """Close the entry of a task that is done, inside the caller's transaction."""
    Orphan.update(removed_at=utc_now()).where((Orphan.task_id == task_id) & Orphan.removed_at.is_null()).execute()


def listing(only_open: bool = True) -> list[Any]:
    """Return the entries with the name of their server as ``server_name``, oldest first."""
    query: Any = Orphan.select(Orphan, Server.name.alias("server_name")).join(
        Server, on=(Server.id == Orphan.server_id)
    )
    if only_open:
        query = query.where(Orphan.removed_at.is_null())
    return list(query.order_by(Orphan.id).objects())


def refuse_open(service_id: int) -> None:
    """Raise Conflict while a server still holds something of a service with this id."""
    entry = _open().where(Orphan.service_id == service_id).first()
    if entry is not None:
        server = Server.get_by_id(entry.server_id)
        raise Conflict(
            f"service_id: server {server.name} still holds parts of the former service {service_id}; they go when it can "
            "be reached. Use another service_id"
        )


def let_wait(operation: int, view: ServiceView) -> None:
    """Let the steps of an operation wait for entries of others that share a name on the same server."""
    names = (view.domain, *view.aliases, *view.former_domains)
    for entry in _open().where(Orphan.service_id != view.id):
        if entry.username == view.username or any(overlaps(entry.domain, name) for name in names):
            mine = Task.select().where((Task.operation_id == operation) & (Task.server_id == entry.server_id))
            waiting.let_wait(list(mine), entry.task_id)


def _open() -> Any:
    return Orphan.select().where(Orphan.removed_at.is_null())


def try_again() -> int:
    """Put entries whose task was given up on back into the queue; returns how many.

    At once when their server has answered since, otherwise after a while.
    """
    answering = Server.select(Server.id).where(Server.failures == 0)
    given_up = Task.select(Task.id).where(
        (Task.id << _open().select(Orphan.task_id))
        & (Task.status == TaskStatus.ERROR)
        & (((Task.unreachable > 0) & (Task.server_id << answering)) | (Task.finished_at < database_now() - _PATIENCE))
    )
    found = [row.id for row in given_up]
    for task_id in found:
        retries.retry(task_id, "orphans")
    return len(found)


def forget(entry_id: int) -> None:
    """Close an entry of a server that never comes back; Conflict while it may."""

    def work() -> None:
        entry = Orphan.get_or_none((Orphan.id == entry_id) & Orphan.removed_at.is_null())
        if entry is None or entry.task_id is None:
            raise NotFound("orphan", f"there is no open entry {entry_id}", "see `tenantry orphan list`")
        done(entry.task_id)
        tasks.locked_task(entry.task_id)
        Task.update(status=TaskStatus.CANCELLED, finished_at=database_now(), error="forgotten by an operator").where(
            (Task.id == entry.task_id) & (Task.status != TaskStatus.RUNNING)
        ).execute()
        dependants = TaskDependency.select().where(TaskDependency.needs_id == entry.task_id)
        released = [one.task_id for one in dependants]
        TaskDependency.delete().where(TaskDependency.needs_id == entry.task_id).execute()
        waiting.wake(released)

    transaction(work)
