"""service.enforce_limits: the web account of a service that stays over its limits is suspended, and woken when it no longer is.

It is a reason of its own beside a suspension by billing. Either one keeps the web account off; ending one never ends the other.
"""

from __future__ import annotations

from typing import Any

from orchestrator.core.errors import Busy
from orchestrator.core.records import StepSpec
from orchestrator.core.states import OPEN_STATUSES, Desired, ServiceStatus
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.models.service import Service
from orchestrator.models.task import Task
from orchestrator.plan import suspensions
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import services, usage_limits
from orchestrator.store.notices import write as notice

_S = ServiceStatus
_MARKS = ("web.account_suspended", "web.account_active")
ENFORCED = "service.limits_enforced"


def enforce(intent: Intent, context: Context) -> Apply:
    """service.enforce_limits: whoever asks, only the figures and the package decide."""
    del context
    read.only(intent.params, ())
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        wanted = ",".join(usage_limits.held_for(row))
        if row.status not in (_S.ACTIVE, _S.SUSPENDED):  # its arrival there is followed by a look at the figures
            return {"skipped": f"service {row.id} is {row.status}"}
        _wait_for_older(row)
        if wanted == row.web_held_for:
            return {"skipped": "nothing has changed meanwhile"}
        is_switch = bool(wanted) != bool(row.web_held_for)
        # A mark lies on the server from now on until an arrival in active says otherwise.
        services.update(row.id, web_held_for=wanted, held=True)
        if not is_switch or row.desired == Desired.SUSPENDED:
            return {"web_held_for": wanted}
        return begin.change(row, intent, _steps, []) | {"web_held_for": wanted}

    return apply


def _wait_for_older(row: Service) -> None:
    """The two steps have keys of their own, so the node would let an older one end after a newer one."""
    mine = (Task.service_id == row.id) & (Task.generation == row.generation) & (Task.action << _MARKS)
    if Task.select().where(mine & (Task.status << list(OPEN_STATUSES))).exists():
        raise Busy("the web account is being suspended or woken; this follows when that has ended")


def _steps(view: ServiceView) -> list[StepSpec]:
    marks = suspensions.overlay(view)
    last = StepSpec(key=ENFORCED, action=ENFORCED, needs=tuple(step.key for step in marks))
    return [*marks, last] if marks else []


def enforced(service_id: int) -> dict[str, Any]:
    """Tell the customer what has become of the web account."""
    row = services.get(service_id)
    event = "web_suspended" if row.web_held_for else "web_resumed"
    notice(event, f"limits:{row.id}", {"service": row.id, "domain": row.domain, "subject": row.web_held_for})
    return {"web_held_for": row.web_held_for}
