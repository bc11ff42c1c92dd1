"""What all client changes have in common: an active service with the role, room in the package, and how an object goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.core.errors import Conflict
from orchestrator.core.records import StepSpec
from orchestrator.core.states import Desired, Mode, ServiceStatus
from orchestrator.lifecycle import begin
from orchestrator.lifecycle.base import Intent
from orchestrator.models.service import Service
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import objects

MakeSteps = Callable[[ServiceView], list[StepSpec]]


def active(intent: Intent, role: str) -> Service:
    """Return the service of a change, locked; Conflict with the reason when it is not active or lacks the role."""
    row = begin.locked(intent)
    begin.require_status(row, (ServiceStatus.ACTIVE,), "changed")
    return _with_role(row, role)


def relieved(intent: Intent, role: str) -> Service:
    """Return the service of a removal, locked. A failed one may lose what keeps its redeploy from coming to its end."""
    row = begin.locked(intent)
    is_failed = row.status == ServiceStatus.FAILED and row.desired == Desired.ACTIVE and not row.held
    begin.require_status(row, (ServiceStatus.FAILED,) if is_failed else (ServiceStatus.ACTIVE,), "changed")
    return _with_role(row, role)


def _with_role(row: Service, role: str) -> Service:
    if role not in row.roles.split(","):
        raise Conflict(f"service {row.id} has no {role}; order a package with {role}")
    return row


def refuse_vanity(row: Service, what: str) -> None:
    """Refuse what would reach into the provider's own domain."""
    if row.mode == Mode.VANITY:
        raise Conflict(f"service {row.id} is a name under its provider's domain; {what} need a domain of its own")


def require_room(row: Service, kind: str, limit: str, found: Any) -> None:
    """Refuse one more object than the package allows; one that is there takes no room again."""
    if not objects.is_wanted(found):
        objects.require_room(row, limit, objects.count(kind, row.id))


def absent(row: Service, intent: Intent, kind: str, found: Any, make_steps: MakeSteps) -> dict[str, Any]:
    """Begin the removal of an object inside the caller's transaction; what is not there needs none."""
    if found is None:
        return {"skipped": f"service {row.id} has no such {kind.replace('_', ' ')}"}
    objects.let_go(kind, found)
    return begin.change(row, intent, make_steps, [[kind, found.id]])
