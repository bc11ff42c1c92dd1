"""A service under another domain: every row that carries the name follows."""

from __future__ import annotations

from orchestrator.models.objects import MailAlias
from orchestrator.models.service import DnsRecord, DomainName, Mailbox, Service


def rename(row: Service, domain: str) -> list[str] | None:
    """Give a service another domain inside the caller's transaction, less its own row.

    Returns the names that it had and that are still on its servers, None when there are none. They stay its own until
    they are removed there.
    """
    DomainName.delete().where((DomainName.name == domain) & (DomainName.service_id == row.id)).execute()
    DomainName.update(kind="former").where(DomainName.name == row.domain).execute()
    DomainName.create(name=domain, service_id=row.id, kind="primary")
    for model in (Mailbox, MailAlias):
        model.update(domain=domain).where((model.service_id == row.id) & (model.domain == row.domain)).execute()
    _redirect(row, domain)
    for record in DnsRecord.select().where(DnsRecord.service_id == row.id):
        if f".{record.name}".endswith(f".{row.domain}."):
            record.name = record.name.removesuffix(f"{row.domain}.") + f"{domain}."
            record.save()
    former = [name for name in (*(row.former_domains or ()), row.domain) if name != domain]
    return former or None


def _redirect(row: Service, domain: str) -> None:
    """Let aliases lead to the addresses under the new name: those under the old one are about to go."""
    for alias in MailAlias.select().where(MailAlias.service_id == row.id):
        old = f"@{row.domain}"
        alias.destinations = sorted(
            f"{one.removesuffix(old)}@{domain}" if one.endswith(old) else one for one in alias.destinations
        )
        alias.save()
