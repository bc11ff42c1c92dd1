"""Terminating: at once, after a time of grace, or by force while a server is away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.records import Plan, StepSpec
from orchestrator.core.states import Desired, ServiceStatus
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.suspend import cut_off
from orchestrator.models.service import Service
from orchestrator.plan import chains, removals, suspensions
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import fleet, orphans, parents, services, snapshots, tasks, zones

_S = ServiceStatus
FINALISER = "grace:ended"  # who asks when the time of grace is over


def terminate(intent: Intent, context: Context) -> Apply:
    """service.terminate: remove the service from every server. With a time of grace it is only cut off at first.

    ``force`` closes it out at once; what its servers still hold is removed as soon as each can be reached.
    """
    del context
    read.only(intent.params, ("force",))
    force = intent.params.get("force", False)
    if not isinstance(force, bool):
        raise InvalidInput("force", f"{shown(force)} is neither true nor false", "give true or false")
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        if row.status == _S.TERMINATED:
            return {"skipped": f"service {row.id} is terminated already"}
        parents.refuse_owner(row, "terminated")
        if force:
            return _close_out(row, intent)
        if grace := _grace(row, intent):
            return cut_off(row, intent, _S.PENDING_TERMINATE, terminate_at=utc_now() + grace)
        return begin.generation(
            row, intent, chains.reach, _S.TERMINATING, desired=Desired.TERMINATED, terminate_at=None
        )

    return apply


def _grace(row: Service, intent: Intent) -> timedelta:
    """Return for how long the service is only cut off; a second request changes nothing of a running time."""
    if row.desired == Desired.TERMINATED or intent.requested_by == FINALISER:
        return timedelta()
    if row.terminate_at is not None:
        left: timedelta = row.terminate_at - utc_now()
        return max(left, timedelta(seconds=1))
    return timedelta(minutes=int(fleet.knob_value("terminate.grace_minutes")))


def _close_out(row: Service, intent: Intent) -> dict[str, Any]:
    """Close a service out now: its rows go, and the ledger holds what each of its servers still has to remove."""
    generation = row.generation + 1
    superseded = tasks.supersede(row.id, generation)
    services.update(row.id, generation=generation, desired=Desired.TERMINATED)
    zones.advance_serial(row.id, utc_now())
    view = snapshots.of(row.id)
    plan = Plan(steps=tuple(_removal(view)))
    operation = orphans.record(view, plan, intent.action, intent.task_id, intent.requested_by)
    services.close_out(row, operation)
    return {"operation_id": operation, "superseded": superseded, "closed_out": True}


def _removal(view: ServiceView) -> list[StepSpec]:
    """Return the removal in two parts: cut off at once, so that nothing of it is served, then removed."""
    first = suspensions.suspend(view)
    return [*first, *chains.after(removals.all_of(view), first)]
