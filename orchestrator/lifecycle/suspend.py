"""Suspending and waking again. Nothing is deleted; on the servers a mark lies over what is there."""

from __future__ import annotations

from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.records import Plan
from orchestrator.core.states import Desired, ServiceStatus
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.models.service import Service
from orchestrator.plan import chains
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import parents, snapshots

_S = ServiceStatus
_SUSPENDABLE = frozenset(
    {_S.PENDING, _S.DEPLOYING, _S.ACTIVE, _S.FAILED, _S.SUSPENDING, _S.SUSPENDED, _S.UNSUSPENDING, _S.PENDING_TERMINATE}
)
_WAKABLE = frozenset({_S.SUSPENDED, _S.SUSPENDING, _S.UNSUSPENDING, _S.PENDING_TERMINATE, _S.FAILED})
_AWAKE = (_S.ACTIVE, _S.DEPLOYING, _S.PENDING)
_REASON_MAXIMUM = 255


def suspend(intent: Intent, context: Context) -> Apply:
    """service.suspend: cut the service off on every server, also in the midst of a deploy."""
    del context
    read.only(intent.params, ("reason",))
    given = read.optional(intent.params, "reason")
    reason = "" if given is None else read.text(given, "reason", _REASON_MAXIMUM)
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        _require_not_ending(row)
        begin.require_status(row, _SUSPENDABLE, "suspended")
        return cut_off(row, intent, _S.SUSPENDING, suspend_reason=reason, terminate_at=None)

    return apply


def cut_off(row: Service, intent: Intent, status: ServiceStatus, **values: Any) -> dict[str, Any]:
    """Begin the suspension inside the caller's transaction."""
    policy = snapshots.of(row.id).suspension
    if policy.dns == "withdraw":
        parents.refuse_owner(row, "suspended while its group withdraws the zones of suspended services")
    return begin.generation(
        row,
        intent,
        _what_is_missing,
        status,
        desired=Desired.SUSPENDED,
        held=True,
        withdrawn=row.withdrawn or policy.dns == "withdraw",
        suspended_at=row.suspended_at or utc_now(),
        **values,
    )


def unsuspend(intent: Intent, context: Context) -> Apply:
    """service.unsuspend: take the marks away; each object is again as it was. It withdraws a pending termination too."""
    del context
    read.only(intent.params, ())
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        if row.status in _AWAKE or (row.status == _S.FAILED and row.desired == Desired.ACTIVE and not row.held):
            return {"skipped": f"service {row.id} is {row.status}, not suspended"}
        _require_not_ending(row)
        begin.require_status(row, _WAKABLE, "unsuspended")
        return begin.generation(
            row,
            intent,
            _what_is_missing,
            _S.UNSUSPENDING,
            desired=Desired.ACTIVE,
            suspend_reason="",
            suspended_at=None,
            terminate_at=None,
        )

    return apply


def _what_is_missing(view: ServiceView) -> Plan:
    """Return the plan: the whole chain only for a service that was never, or not since its last change, deployed."""
    return chains.reach(view, whole=not view.deployed)


def _require_not_ending(row: Service) -> None:
    if row.status == _S.FAILED and row.desired == Desired.TERMINATED:
        begin.require_status(row, (), "changed: its termination failed half way; ask for service.redeploy to go on")
