"""Mailbox rows."""

from __future__ import annotations

from orchestrator.core.clock import utc_now
from orchestrator.models.service import Mailbox, Service


def find(service_id: int, domain: str, local_part: str) -> Mailbox | None:
    """Return a mailbox of a service."""
    return Mailbox.get_or_none(
        (Mailbox.service_id == service_id) & (Mailbox.domain == domain) & (Mailbox.local_part == local_part)
    )


def count(service_id: int) -> int:
    """Return how many mailboxes a service has."""
    return int(Mailbox.select().where(Mailbox.service_id == service_id).count())


def put(service: Service, local_part: str, password_hash: str, quota_mb: int | None, display_name: str) -> None:
    """Add a mailbox or change what is given of it, inside the caller's transaction."""
    row = find(service.id, service.domain, local_part)
    if row is None:
        quota = quota_mb or max(service.limits["mail_disk_mb"] // max(service.limits["mailboxes"], 1), 1)
        Mailbox.create(
            service_id=service.id,
            domain=service.domain,
            local_part=local_part,
            password_hash=password_hash,
            quota_mb=quota,
            display_name=display_name,
            enabled=True,
            created_at=utc_now(),
        )
        return
    row.password_hash = password_hash or row.password_hash
    row.quota_mb = quota_mb or row.quota_mb
    row.display_name = display_name or row.display_name
    row.save()
