"""What changes a zone: its serial follows.

A parent's zone has one writer's serial for all who write there: its own service, when that is ours, and every vanity service. It
stands in the parent's row, which is locked after the row of the service and after the counter of user ids, never before.
"""

from __future__ import annotations

from datetime import datetime

from orchestrator.models.fleet import ParentDomain
from orchestrator.models.service import Service
from orchestrator.plan import zone
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import parents
from orchestrator.store.services import get
from orchestrator.store.snapshots import of


def advance_serial(service_id: int, now: datetime) -> None:
    """Give the zone a new serial when what it should hold has changed, inside the caller's transaction."""
    service = of(service_id)
    if not service.dns:
        return
    row = get(service_id)
    digest = zone.vanity_digest(service) if service.is_vanity else zone.digest(service)
    if digest == row.zone_digest:
        return
    shared = _shared(row, service)
    serial = zone.next_serial(max([row.zone_serial, *(parents.newest_serial(parent) for parent in shared)]), now)
    for parent in shared:
        ParentDomain.update(zone_serial=serial).where(ParentDomain.id == parent.id).execute()
    Service.update(zone_digest=digest, zone_serial=serial).where(Service.id == service_id).execute()


def _shared(row: Service, service: ServiceView) -> list[ParentDomain]:
    """Return the parents, locked, whose zone this service writes to."""
    if service.is_vanity:
        return [parents.locked_by_id(row.parent_id)]
    return parents.of_zone(service.owner, service.domain)


def store_dkim(service_id: int, selector: str, public_key: str, now: datetime) -> None:
    """Keep the public key that the mail server reported; the zone's serial follows."""
    Service.update(dkim_selector=selector, dkim_public_key=public_key, updated_at=now).where(
        Service.id == service_id
    ).execute()
    advance_serial(service_id, now)
