"""Rows of further domains of a website."""

from __future__ import annotations

from orchestrator.models.fleet import Counter
from orchestrator.models.service import DomainName
from orchestrator.store.database import locked


def find(service_id: int, domain: str) -> DomainName | None:
    """Return a further domain of a service."""
    return DomainName.get_or_none(
        (DomainName.name == domain) & (DomainName.service_id == service_id) & (DomainName.kind == "alias")
    )


def put(service_id: int, domain: str) -> None:
    """Give a service a further domain inside the caller's transaction; it is wanted from now on."""
    if find(service_id, domain) is None:
        DomainName.create(name=domain, service_id=service_id, kind="alias")
    DomainName.update(removing=False).where(DomainName.name == domain).execute()


def let_go(service_id: int, domain: str) -> None:
    """Mark a further domain as no longer wanted, inside the caller's transaction."""
    DomainName.update(removing=True).where(
        (DomainName.name == domain) & (DomainName.service_id == service_id) & (DomainName.kind == "alias")
    ).execute()


def take_turns() -> None:
    """Let requests for names follow one another to the caller's end of transaction: of two that overlap, one gets it.

    The lock is the one under which orders take their user id, after that of the service's row.
    """
    locked(Counter.select().where(Counter.name == "uid")).first()
