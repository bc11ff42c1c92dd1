"""What reconciliation compares: billing's newest requests, and where each service stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from peewee import fn

from orchestrator.core.errors import Conflict
from orchestrator.core.states import Desired, ServiceStatus, TaskStatus
from orchestrator.models.service import Service
from orchestrator.models.task import Task
from orchestrator.plan.catalog import LOOKS
from orchestrator.plan.reconcile import WISHES, Difference, Standing
from orchestrator.store import tasks

# Requests of these are not billing's word: an operator's, and the end of a time of grace.
_OURS = ("cli:", "grace:")


def standings(listed: Mapping[int, Desired | None] | None, only: Collection[int] = ()) -> list[Standing]:
    """Return where every service stands, by id.

    ``listed`` is what billing's own list says; without one its newest requests count. ``only`` narrows it to some services.
    """
    asked = _newest_requests()
    rows = {row.id: row for row in Service.select(Service.id, Service.status, Service.desired)}
    busy = _busy()
    ids = set(rows) | (set(listed) if listed is not None else set(asked))
    chosen = sorted(ids & set(only) if only else ids)
    return [_standing(number, rows.get(number), asked.get(number), listed, number in busy) for number in chosen]


def _standing(
    number: int, row: Service | None, asked: Task | None, listed: Mapping[int, Desired | None] | None, is_busy: bool
) -> Standing:
    wish = WISHES[asked.action] if asked is not None else None
    return Standing(
        service=number,
        billing=wish if listed is None else listed.get(number),
        desired=Desired(row.desired) if row else None,
        status=ServiceStatus(row.status) if row else None,
        is_listed=listed is None or number in listed,
        is_busy=is_busy,
        refused=(asked.error or "") if asked is not None and asked.status == TaskStatus.ERROR else "",
    )


def _newest_requests() -> dict[int, Task]:
    """Return billing's newest request about the life of each service."""
    is_wish = Task.operation_id.is_null() & Task.service_id.is_null(False) & (Task.action << list(WISHES))
    for prefix in _OURS:
        is_wish &= ~Task.requested_by.startswith(prefix)
    newest = Task.select(fn.MAX(Task.id)).where(is_wish).group_by(Task.service_id)
    columns = (Task.id, Task.service_id, Task.action, Task.status, Task.error)
    return {int(row.service_id or 0): row for row in Task.select(*columns).where(Task.id << newest)}


def _busy() -> set[int]:
    """Return the services that something open leads somewhere: a request, or unblocked steps of the newest operation."""
    is_open = (Task.status << [TaskStatus.QUEUED, TaskStatus.RUNNING]) | (
        (Task.status == TaskStatus.WAITING) & Task.blocked_by.is_null()
    )
    request = Task.operation_id.is_null() & Task.action.startswith("service.") & Task.action.not_in(sorted(LOOKS))
    asked = Task.select(Task.service_id).where(is_open & request & Task.service_id.is_null(False))
    steps = Task.select(Task.service_id).join(Service, on=(Service.operation_id == Task.operation_id)).where(is_open)
    found: list[Any] = [*asked.distinct().tuples(), *steps.distinct().tuples()]
    return {service for (service,) in found}


def apply(one: Difference, actor: str) -> int | None:
    """Put what mends a difference into the queue and return the task; None when another run was faster.

    The key holds the newest task of the service: two runs at once ask once, a later one may ask again.
    """
    newest = Task.select(fn.MAX(Task.id)).where(Task.service_id == one.service).scalar() or 0
    key = f"reconcile:{one.service}:{one.action}:{newest}"
    try:
        return tasks.enqueue(one.action, service_id=one.service, requested_by=actor, idempotency_key=key)
    except Conflict:
        return None
