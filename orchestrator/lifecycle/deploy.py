"""Starting the deploy chain of a service, for the first time or again."""

from __future__ import annotations

from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.states import ServiceStatus
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.models.service import Service
from orchestrator.plan import chains
from orchestrator.store import services, tasks


def redeploy(intent: Intent, context: Context) -> Apply:
    """service.redeploy: run the whole chain again; on a healthy service it changes nothing."""
    del context
    read.only(intent.params, ())
    if intent.service_id is None:
        raise InvalidInput("service_id", "is missing", "give the billing system's id")
    service_id = intent.service_id

    def apply() -> dict[str, Any]:
        row = services.get_locked(service_id)
        if row is None:
            raise InvalidInput("service_id", f"there is no service {service_id}", "create it with service.create")
        if row.status not in (
            ServiceStatus.ACTIVE,
            ServiceStatus.FAILED,
            ServiceStatus.DEPLOYING,
            ServiceStatus.PENDING,
        ):
            raise Conflict(f"service {row.id} is {row.status}; it cannot be deployed again")
        return start_deploy(row, intent)

    return apply


def start_deploy(row: Service, intent: Intent) -> dict[str, Any]:
    """Begin a new generation of the service inside the caller's transaction; older pending tasks are superseded."""
    generation = row.generation + 1
    superseded = tasks.supersede(row.id, generation)
    services.advance_serial(row.id, utc_now())
    plan = chains.deploy(services.snapshot(row.id))
    operation = tasks.add_operation(
        intent.action, intent.task_id, row.id, generation, intent.requested_by, plan, intent.priority
    )
    services.set_status(row, ServiceStatus.DEPLOYING, generation=generation, operation_id=operation, error=None)
    return {"operation_id": operation, "steps": len(plan.steps), "superseded": superseded}


def mark_active(service_id: int, operation_id: int) -> dict[str, Any]:
    """The last step of the chain: the service is live."""
    row = services.get_locked(service_id)
    if row is None or row.operation_id != operation_id:
        return {"skipped": "a newer request has taken over"}
    if row.status != ServiceStatus.ACTIVE:
        services.set_status(row, ServiceStatus.ACTIVE, error=None)
    return {"status": "active"}
