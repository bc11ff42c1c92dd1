"""Deploying: for the first time, or again after anything."""

from __future__ import annotations

from typing import Any

from orchestrator.core.errors import Conflict
from orchestrator.core.states import TOWARDS, Desired, ServiceStatus
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.models.service import Service
from orchestrator.plan import chains

_S = ServiceStatus
AGAIN = (_S.ACTIVE, _S.FAILED, _S.DEPLOYING, _S.PENDING, _S.UNSUSPENDING)


def redeploy(intent: Intent, context: Context) -> Apply:
    """service.redeploy: run the whole chain again; on a healthy service it changes nothing.

    After a failure it tries again to get where the service was wanted: active, suspended or terminated.
    """
    del context
    read.only(intent.params, ())
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        begin.require_status(row, AGAIN, "deployed again")
        return start_deploy(row, intent)

    return apply


def start_deploy(row: Service, intent: Intent, **values: Any) -> dict[str, Any]:
    """Begin the chain that leads a service where it is wanted, inside the caller's transaction."""
    return begin.generation(row, intent, chains.reach, TOWARDS[Desired(row.desired)], deployed=False, **values)


def repair(intent: Intent, context: Context) -> Apply:
    """service.repair: compare every object with what it should be and mend only what is missing or wrong.

    The service stays in its state meanwhile; the operation's result names each object that had drifted.
    """
    del context
    read.only(intent.params, ())
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        if row.status not in (_S.ACTIVE, _S.SUSPENDED):
            raise Conflict(f"service {row.id} is {row.status}; only an active or suspended one can be repaired")
        return begin.generation(row, intent, chains.reach, None)

    return apply
