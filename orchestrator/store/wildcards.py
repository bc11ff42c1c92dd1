"""The wildcard of each provider's domain, and the certificates of vanity services that show it."""

from __future__ import annotations

from datetime import datetime

from orchestrator.core.certificates import CertificateState as State
from orchestrator.core.states import Role
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.fleet import ParentDomain
from orchestrator.models.service import Service
from orchestrator.models.task import Operation
from orchestrator.plan.certificates import names
from orchestrator.store import certificates, parents

_LEFT_ALONE = (State.OFF, State.CUSTOM)


def ensure(parent: ParentDomain, now: datetime) -> int | None:
    """Let there be the wildcard of a parent domain, inside the caller's transaction, and return its id.

    None when it cannot be proven: the zone is elsewhere, or belongs to no service here.
    """
    if parent.dns_mode != "push" or parents.owner_service(parent.zone_owner) is None:
        return None
    certificates.wanted({"parent_id": parent.id}, {str(Role.WEB): names.of_parent(parent.name)}, now)
    return int(CertificateRow.get(CertificateRow.parent_id == parent.id).id)


def of_service(row: Service, now: datetime) -> int | None:
    """Return the wildcard that a vanity service shows; None for any other service, and where there can be none."""
    parent = ParentDomain.get_or_none(ParentDomain.id == row.parent_id) if row.parent_id else None
    return ensure(parent, now) if parent is not None else None


def parent_of(row: CertificateRow) -> ParentDomain:
    """Return the parent domain of a wildcard."""
    found: ParentDomain = ParentDomain.get_by_id(row.parent_id)
    return found


def owned_by(service: Service) -> list[CertificateRow]:
    """Return the wildcards of the parent domains whose zone is a service's."""
    mine = ParentDomain.select(ParentDomain.id).where(ParentDomain.zone_owner == service.owner)
    return list(CertificateRow.select().where(CertificateRow.parent_id << mine).order_by(CertificateRow.id))


def forget(parent: ParentDomain) -> None:
    """Delete a parent's wildcard with its key, inside the caller's transaction."""
    for row in CertificateRow.select(CertificateRow.id).where(CertificateRow.parent_id == parent.id):
        certificates.forget(row.id)


def wake(certificate_id: int, now: datetime) -> None:
    """Let the services that show a wildcard be looked at now, inside the caller's transaction."""
    mine = (CertificateRow.shared_id == certificate_id) & CertificateRow.state.not_in(list(_LEFT_ALONE))
    CertificateRow.update(next_check_at=now).where(mine).execute()


def shown_by(row: CertificateRow) -> CertificateRow | None:
    """Return the wildcard that a vanity service's certificate stands for; None while there is none to show."""
    found: CertificateRow | None = CertificateRow.get_or_none(CertificateRow.id == row.shared_id)
    return found if found is not None and found.serial else None


def is_answering(row: CertificateRow) -> bool:
    """True while an operation is at work on what we have published in the DNS."""
    numbers = set((row.answers or {}).values())
    return bool(Operation.select().where((Operation.id << list(numbers)) & (Operation.status == "running")).exists())


def set_answers(certificate_id: int, answers: dict[str, int]) -> None:
    """Remember what is published in the DNS for a wildcard, by the operation that takes it back."""
    CertificateRow.update(answers=answers or None).where(CertificateRow.id == certificate_id).execute()
