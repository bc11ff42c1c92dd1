"""Plans that were asked for: rows of service.plan, with what the servers said as their result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.errors import InvalidInput, NotFound
from orchestrator.core.states import OPEN_STATUSES, Outcome
from orchestrator.models.task import Task
from orchestrator.plan.catalog import PLAN
from orchestrator.store import tasks

_LOOKED_AT = 10  # the newest of a service


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """A plan for people."""

    row: Task
    action: str  # that was planned; empty for a row that nobody can read
    params: Mapping[str, Any]
    refused: str = ""  # why the action would be refused
    steps: tuple[Mapping[str, Any], ...] = ()  # step, server, would, message, diff, cut
    left_out: int = 0  # steps that there was no room for

    @property
    def is_open(self) -> bool:
        """True while the servers are still to be asked, or are being asked."""
        return self.row.status in OPEN_STATUSES

    @property
    def counts(self) -> dict[str, int]:
        """Return how many steps would change something, and how many of them are not known to work."""
        seen = Counter(step["would"] for step in self.steps)
        known = seen[Outcome.CHANGED] + seen[Outcome.OK]
        return {"steps": len(self.steps), "changed": seen[Outcome.CHANGED], "other": len(self.steps) - known}


def get(service_id: int, task_id: int) -> PlanView:
    """Return a plan of this service; NotFound when the task is none."""
    row = Task.get_or_none((Task.id == task_id) & (Task.service_id == service_id) & (Task.action == PLAN))
    if row is None:
        raise NotFound("plan", f"service {service_id} has no plan {task_id}", "ask the servers again")
    return _view(row)


def newest(service_id: int, action: str = "", params: Mapping[str, Any] | None = None) -> PlanView | None:
    """Return the newest plan of a service, of an action, with these parameters."""
    wanted = (
        one
        for one in _of(service_id)
        if action in ("", one.action) and (params is None or dict(one.params) == dict(params))
    )
    return next(wanted, None)


def open_one(service_id: int, question: Mapping[str, Any]) -> int | None:
    """Return the task that asks the same already, None when there is none."""
    same = newest(service_id, question["action"], question["params"])
    return same.row.id if same and same.is_open else None


def _of(service_id: int) -> list[PlanView]:
    mine = (Task.service_id == service_id) & (Task.action == PLAN) & Task.operation_id.is_null()
    return [_view(row) for row in Task.select().where(mine).order_by(Task.id.desc()).limit(_LOOKED_AT)]


def _view(row: Task) -> PlanView:
    """Return a row's plan; what another program wrote there may be anything."""
    try:
        asked = tasks.parse_params(row.params)
    except InvalidInput:
        asked = {}
    action, params, result = asked.get("action"), asked.get("params"), row.result or {}
    return PlanView(
        row=row,
        action=action if isinstance(action, str) else "",
        params=params if isinstance(params, dict) else {},
        refused=result.get("refused", ""),
        steps=tuple(result.get("steps", ())),
        left_out=result.get("left_out", 0),
    )
