"""service.sync_usage: the servers of the service are asked, then its figures are derived anew and told."""

from __future__ import annotations

from typing import Any

from orchestrator.core.errors import Conflict
from orchestrator.core.records import Plan, StepSpec
from orchestrator.core.states import ServiceStatus
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.models.task import Task
from orchestrator.store import tasks, usage_requests, waiting

RECOMPUTED, SYNCED = "service.usage_recomputed", "service.usage_synced"


def sync_usage(intent: Intent, context: Context) -> Apply:
    """Join the open collection of each of the service's servers, or begin one, and follow with this service's own steps."""
    del context
    read.only(intent.params, ())
    number = begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        if row.status == ServiceStatus.TERMINATED:
            raise Conflict(f"service {number} is terminated; it has no usage to collect")
        recompute = StepSpec(key=RECOMPUTED, action=RECOMPUTED)
        sync = StepSpec(key=SYNCED, action=SYNCED, needs=(RECOMPUTED,))
        operation = tasks.add_operation(
            intent.action,
            intent.task_id,
            number,
            row.generation,
            intent.requested_by,
            Plan(steps=(recompute, sync)),
            intent.priority,
        )
        first = Task.get((Task.operation_id == operation) & (Task.action == RECOMPUTED))
        asked = [
            usage_requests.ask(usage_requests.USAGE, server, intent.requested_by)
            for server in usage_requests.servers_of(number)
        ]
        for task in asked:
            waiting.let_wait([first], task)
        return {"operation_id": operation, "collections": asked}

    return apply
