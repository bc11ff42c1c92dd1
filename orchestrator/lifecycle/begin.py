"""How an operation begins: a new generation, older pending tasks superseded, the plan stored, the state changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.records import Plan, StepSpec
from orchestrator.core.states import ServiceStatus
from orchestrator.lifecycle.base import Intent
from orchestrator.models.service import Service
from orchestrator.plan import vanity
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import orphans, services, snapshots, tasks, zones

REMOVED = "service.objects_removed"
MakePlan = Callable[[ServiceView], Plan]


def service_id(intent: Intent) -> int:
    """Return the service an intent is about."""
    if intent.service_id is None:
        raise InvalidInput("service_id", "is missing", "give the billing system's id")
    return intent.service_id


def locked(intent: Intent) -> Service:
    """Return the service of an intent with its row locked, inside the caller's transaction."""
    row = services.get_locked(service_id(intent))
    if row is None:
        raise InvalidInput("service_id", f"there is no service {intent.service_id}", "create it with service.create")
    return row


def require_status(row: Service, allowed: Collection[ServiceStatus], wish: str) -> None:
    """Refuse a wish that the service's state does not allow, with the reason and the remedy."""
    status = ServiceStatus(row.status)
    if status in allowed:
        return
    if status in (ServiceStatus.SUSPENDED, ServiceStatus.SUSPENDING):
        because = f" ({row.suspend_reason})" if row.suspend_reason else ""
        raise Conflict(f"service {row.id} is {status}{because}; it cannot be {wish} until it is unsuspended")
    if status is ServiceStatus.PENDING_TERMINATE:
        raise Conflict(f"service {row.id} waits for its termination; unsuspend it to withdraw that")
    raise Conflict(f"service {row.id} is {status}; it cannot be {wish}")


def generation(
    row: Service, intent: Intent, make_plan: MakePlan, status: ServiceStatus | None, **values: Any
) -> dict[str, Any]:
    """Begin a new generation inside the caller's transaction; ``status`` None leaves the state as it is.

    ``values`` are columns that the plan depends on. What the service's servers still owe to an older owner of its names is
    waited for. A change of single objects that is cut short makes the whole chain due.
    """
    number = row.generation + 1
    if tasks.is_changing(row):
        values = {"deployed": False, **values}
    superseded = tasks.supersede(row.id, number)
    services.update(row.id, generation=number, error=None, **values)
    zones.advance_serial(row.id, utc_now())
    view = snapshots.of(row.id)
    plan = make_plan(view)
    vanity.require_own_plan(view, plan)
    operation = tasks.add_operation(
        intent.action, intent.task_id, row.id, number, intent.requested_by, plan, intent.priority
    )
    orphans.let_wait(operation, view)
    services.set_status(row, status, operation_id=operation)
    return {"operation_id": operation, "steps": len(plan.steps), "superseded": superseded}


def change(
    row: Service, intent: Intent, make_steps: Callable[[ServiceView], list[StepSpec]], removed: list[list[Any]]
) -> dict[str, Any]:
    """Begin a change of single objects inside the caller's transaction; the service stays in its state.

    ``removed`` are the rows that go when every step is done. An older pending change of the same object is superseded; one
    that is running is waited for.
    """
    zones.advance_serial(row.id, utc_now())
    view = snapshots.of(row.id)
    steps = make_steps(view)
    if not steps and not removed:  # an operation without a step would never end
        return {"steps": 0}
    tasks.replace_pending(row.id, [step.key for step in steps])
    if removed:
        needs = tuple(step.key for step in steps)
        steps = [*steps, StepSpec(key=REMOVED, action=REMOVED, params={"removed": removed}, needs=needs)]
    vanity.require_own_plan(view, Plan(steps=tuple(steps)))
    operation = tasks.add_operation(
        intent.action,
        intent.task_id,
        row.id,
        row.generation,
        intent.requested_by,
        Plan(steps=tuple(steps)),
        intent.priority,
    )
    orphans.let_wait(operation, view)
    return {"operation_id": operation, "steps": len(steps)}
