"""The last step of an operation: where the service has arrived. It runs on the orchestrator itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.states import Desired, ServiceStatus
from orchestrator.models.service import Service
from orchestrator.plan.certificates import names
from orchestrator.store import certificates, notices, objects, services, snapshots, timeline, usage, wildcards

_SKIPPED = {"skipped": "a newer request has taken over"}


def active(service_id: int, operation_id: int, removed: Sequence[Any]) -> dict[str, Any]:
    """The service is live."""
    row = _mine(service_id, operation_id)
    if row is None:
        return _SKIPPED
    values = {"held": False, "withdrawn": False}
    answer = _arrived(row, Desired.ACTIVE, ServiceStatus.ACTIVE, removed, **values)
    if answer is not _SKIPPED:
        _certify(row)
        usage.recompute([row.id], utc_now())  # its limits may be others now, and nothing was enforced on the way
    return answer


def _certify(row: Service) -> None:
    """Let there be its certificates; a vanity service shows its parent's wildcard or none, and never orders its own."""
    service, now = snapshots.of(row.id), utc_now()
    shared = wildcards.of_service(row, now)
    wanted = {} if service.is_vanity and shared is None else names.of_roles(service)
    certificates.arrived(row.id, wanted, now, shared)


def suspended(service_id: int, operation_id: int, removed: Sequence[Any]) -> dict[str, Any]:
    """The service is cut off; one in its time of grace keeps waiting for the end."""
    row = _mine(service_id, operation_id)
    if row is None:
        return _SKIPPED
    waits = row.status == ServiceStatus.PENDING_TERMINATE
    answer = _arrived(row, Desired.SUSPENDED, None if waits else ServiceStatus.SUSPENDED, removed)
    if answer is not _SKIPPED:
        certificates.rest(row.id)
    return answer


def _arrived(
    row: Service, desired: Desired, status: ServiceStatus | None, removed: Sequence[Any], **values: Any
) -> dict[str, Any]:
    if row.desired != desired:
        return _SKIPPED
    objects.forget(row.id, removed)
    is_news = status is not None and row.status != status
    event = "suspended" if status is ServiceStatus.SUSPENDED else "account_ready" if not row.deployed else ""
    services.set_status(row, status if is_news else None, error=None, deployed=True, **values)
    if is_news and event:
        _tell(event, row)
    drift = timeline.changed_objects(int(row.operation_id or 0))
    return {"status": str(status or row.status), "changed": drift}


def removed(service_id: int, operation_id: int) -> dict[str, Any]:
    """Nothing of the service is left on any server: its rows go, the record of what happened stays."""
    row = _mine(service_id, operation_id)
    if row is None:
        return _SKIPPED
    _tell("terminated", row)
    services.close_out(row, operation_id)
    return {"status": str(ServiceStatus.TERMINATED)}


def _tell(event: str, row: Service) -> None:
    """Write a notice to the customer, with the address of now: that of a terminated service is forgotten."""
    told = {"service": row.id, "domain": row.domain, "contact_email": row.contact_email}
    notices.write(event, f"service:{row.id}", told)


def objects_removed(service_id: int, removed: Sequence[Any]) -> dict[str, Any]:
    """What a client change has removed from the servers goes from the database too."""
    return {"forgotten": objects.forget(service_id, removed)}


def _mine(service_id: int, operation_id: int) -> Service | None:
    """Return the service, locked, unless a newer operation leads it elsewhere."""
    row = services.get_locked(service_id)
    return row if row is not None and row.operation_id == operation_id else None
