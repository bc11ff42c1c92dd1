"""Mailbox rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.models.service import Mailbox, Service


def find(service_id: int, domain: str, local_part: str) -> Mailbox | None:
    """Return a mailbox of a service."""
    return Mailbox.get_or_none(
        (Mailbox.service_id == service_id) & (Mailbox.domain == domain) & (Mailbox.local_part == local_part)
    )


def share(limits: Mapping[str, Any]) -> int:
    """Return the quota in MiB of a mailbox for which none is given: its share of the package's."""
    return int(max(limits["mail_disk_mb"] // max(limits["mailboxes"], 1), 1))


def add_first(service: Service, local_part: str, password_hash: str, limits: Mapping[str, Any]) -> None:
    """Give a service whose package now has mail its first mailbox, inside the caller's transaction."""
    if limits["mailboxes"] and find(service.id, service.domain, local_part) is None:
        Mailbox.create(
            service_id=service.id,
            domain=service.domain,
            local_part=local_part,
            password_hash=password_hash,
            quota_mb=max(limits["mail_disk_mb"] // limits["mailboxes"], 1),
            display_name="",
            enabled=True,
            created_at=utc_now(),
        )


def set_password(service_id: int, local_part: str, password_hash: str) -> None:
    """Set the password of a mailbox, inside the caller's transaction; harmless when there is none."""
    Mailbox.update(password_hash=password_hash).where(
        (Mailbox.service_id == service_id) & (Mailbox.local_part == local_part)
    ).execute()


def fit(service: Service, limits: Mapping[str, Any]) -> None:
    """Make quotas follow what all mailboxes together may have now, inside the caller's transaction.

    One that is above is lowered; the only one of a vanity service that had all of it has all of it again.
    """
    most = whole_quota(limits)
    if not most:
        return
    unfit = Mailbox.quota_mb > most
    if service.vanity_name:
        unfit |= Mailbox.quota_mb == whole_quota(service.limits)
    Mailbox.update(quota_mb=most).where((Mailbox.service_id == service.id) & unfit).execute()


def whole_quota(limits: Mapping[str, Any]) -> int:
    """Return the quota in MiB of a mailbox that may use all the disk of mail, as far as one can be told (1 PiB)."""
    return min(int(limits["mail_disk_mb"]), 2**30)
