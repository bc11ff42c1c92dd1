"""Parent domains: a provider's names under which vanity services have one label each, and whether a label is free."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from orchestrator.core import names
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, NotFound
from orchestrator.core.names import overlaps
from orchestrator.core.states import Mode, ServiceStatus
from orchestrator.models.fleet import ParentDomain, Server
from orchestrator.models.objects import MailAlias
from orchestrator.models.service import DnsRecord, DomainName, Mailbox, Service
from orchestrator.plan import vanity_names
from orchestrator.store import fleet
from orchestrator.store.database import locked, transaction


def get(name: str) -> ParentDomain:
    """Return a parent domain by name."""
    return _found(ParentDomain.get_or_none(ParentDomain.name == name), name)


def get_locked(name: str) -> ParentDomain:
    """Return a parent domain with its row locked for the caller's transaction: it cannot be removed meanwhile."""
    return _found(locked(ParentDomain.select().where(ParentDomain.name == name)).first(), name)


def _found(row: ParentDomain | None, name: str) -> ParentDomain:
    if row is None:
        raise NotFound("parent_domain", f"there is no parent domain “{name[:63]}”", "see `tenantry parent-domain list`")
    return row


def locked_by_id(parent_id: int | None) -> ParentDomain:
    """Return the parent of a vanity service with its row locked for the caller's transaction."""
    return _found(locked(ParentDomain.select().where(ParentDomain.id == parent_id)).first(), f"number {parent_id}")


def of_zone(owner: str, zone: str) -> list[ParentDomain]:
    """Return the parents, locked, whose records go into this zone of this owner."""
    mine = (ParentDomain.zone_owner == owner) & (ParentDomain.name == zone) & (ParentDomain.dns_mode == "push")
    return list(locked(ParentDomain.select().where(mine)))


def listing() -> list[ParentDomain]:
    """Return all parent domains by name."""
    return list(ParentDomain.select().order_by(ParentDomain.name))


def users(parent: ParentDomain) -> list[Service]:
    """Return the vanity services under a parent."""
    alive = (Service.parent_id == parent.id) & (Service.status != ServiceStatus.TERMINATED)
    return list(Service.select().where(alive).order_by(Service.vanity_name))


def owner_service(label: str) -> Service | None:
    """Return the service whose objects carry this label, None when it is not one of ours."""
    match = re.fullmatch(r"s([1-9][0-9]{0,8})", label)
    row = Service.get_or_none(Service.id == int(match[1])) if match else None
    return None if row is None or row.status == ServiceStatus.TERMINATED else row


def add(values: dict[str, Any], added: Callable[[ParentDomain], object]) -> ParentDomain:
    """Store a parent domain, and what belongs to it by ``added``; Conflict when its names are taken or overlap another's."""

    def work() -> ParentDomain:
        fleet.next_number("uid", 0)  # its lock makes orders take turns; none may come in between
        refuse_overlap(values)
        row = ParentDomain.create(created_at=utc_now(), **values)
        added(row)
        return row

    return transaction(work)


def refuse_overlap(values: dict[str, Any]) -> None:
    """Raise Conflict for a parent whose names belong to another parent, or to a service that is not its owner."""
    name, mail_domain = values["name"], values["mail_domain"]
    for other in listing():
        if overlaps(other.name, name):
            raise Conflict(f"parent_domain: {name} overlaps the parent domain {other.name}; choose another name")
    labels = (values["zone_owner"], values["mail_user"])
    for one in filter(None, (name, mail_domain)):
        above = DomainName.name << [one, *names.parents(one)]
        for row in DomainName.select().where(above | DomainName.name.endswith(f".{one}")):
            if f"s{row.service_id}" not in labels:
                raise Conflict(
                    f"parent_domain: {one} overlaps {row.name}, which service {row.service_id} owns; name that one as the "
                    "owner with --mail-user or --zone-owner, or choose another name"
                )


def remove(name: str, forget: Callable[[ParentDomain], None]) -> None:
    """Delete a parent domain under which there is no service; ``forget`` removes what hangs on it, in the transaction."""

    def work() -> None:
        row = get_locked(name)
        used = users(row)
        if used:
            raise Conflict(f"parent domain {name} is used by {len(used)} services; terminate those first")
        forget(row)
        row.delete_instance()

    transaction(work)


def newest_serial(parent: ParentDomain) -> int:
    """Return the highest serial that anybody here has given the parent's zone."""
    owner = owner_service(parent.zone_owner)
    return max(parent.zone_serial, owner.zone_serial if owner is not None and owner.domain == parent.name else 0)


def past_serial(name: str) -> int:
    """Return the highest serial that vanity services, also terminated ones, gave the zone of a parent of this name."""
    was_here = (Service.mode == Mode.VANITY) & Service.domain.endswith(f".{name}")
    return max((row.zone_serial for row in Service.select(Service.zone_serial).where(was_here)), default=0)


def require_free(parent: ParentDomain, name: str, service_id: int) -> None:
    """Raise Conflict, with the reason, unless a label under a parent is free for this service or its own already."""
    domain = vanity_names.full_name(name, parent.name)
    if DomainName.get_or_none((DomainName.name == domain) & (DomainName.service_id == service_id)):
        return
    vanity_names.require_unreserved(name, parent.name, parent.reserved)
    taken = (
        _name_taken(parent, domain, service_id)
        or _address_taken(parent, name, service_id)
        or _host_taken(parent, domain)
    )
    if taken:
        raise Conflict(f"vanity_name: {name} is taken under {parent.name}: {taken}; choose another name")


def _name_taken(parent: ParentDomain, domain: str, service_id: int) -> str:
    for row in DomainName.select().where((DomainName.name == domain) | DomainName.name.endswith(f".{domain}")):
        if row.service_id != service_id:
            return f"{row.name} belongs to service {row.service_id}"
    records = DnsRecord.select().where((DnsRecord.name == f"{domain}.") | DnsRecord.name.endswith(f".{domain}."))
    for record in records:
        return f"the zone of {parent.name} has a record {record.name} {record.type}"
    return ""


def _address_taken(parent: ParentDomain, name: str, service_id: int) -> str:
    if not parent.mail_domain:
        return ""
    for model, kind in ((Mailbox, "mailbox"), (MailAlias, "mail alias")):
        same = (model.domain == parent.mail_domain) & (model.local_part == name) & (model.service_id != service_id)
        if model.select().where(same).exists():
            return f"there is a {kind} {name}@{parent.mail_domain}"
    return ""


def _host_taken(parent: ParentDomain, domain: str) -> str:
    if parent.mail_domain == domain or parent.mail_domain.endswith(f".{domain}"):
        return f"the mail domain is {parent.mail_domain}"
    for server in Server.select(Server.name, Server.hostname).where(Server.hostname != ""):
        if server.hostname == domain or server.hostname.endswith(f".{domain}"):
            return f"server {server.name} is {server.hostname}"
    return ""


def refuse_shared_names(domain: str, service_id: int) -> None:
    """Raise Conflict when a domain lies above, at or below a parent domain and the service is not the parent's own."""
    for parent in listing():
        if f"s{service_id}" in (parent.zone_owner, parent.mail_user):
            continue
        for shared in filter(None, (parent.name, parent.mail_domain)):
            if overlaps(shared, domain):
                raise Conflict(
                    f"domain: {domain} overlaps the parent domain {shared}; order it in mode vanity or choose another domain"
                )


def shares_with(service_id: int, domain: str) -> frozenset[int]:
    """Return the vanity services that may live below a domain of this service: those under a parent that it owns."""
    label = f"s{service_id}"
    found: set[int] = set()
    for parent in listing():
        if label in (parent.zone_owner, parent.mail_user) and (
            parent.name == domain or parent.name.endswith(f".{domain}")
        ):
            found |= {row.id for row in users(parent)}
    return frozenset(found)


def refuse_owner(service: Service, wish: str) -> None:
    """Raise Conflict for what would take a parent domain away from the services under it."""
    for parent in _owned(service):
        raise Conflict(
            f"service {service.id} holds the parent domain {parent.name} of {len(users(parent))} vanity services; it cannot be "
            f"{wish}; remove the parent domain first"
        )


def _owned(service: Service) -> list[ParentDomain]:
    """Return the parents, locked, whose zone or mail domain is this service's."""
    mine = (ParentDomain.zone_owner == service.owner) | (ParentDomain.mail_user == service.owner)
    return list(locked(ParentDomain.select().where(mine)))


def refuse_taken_address(service: Service, local_part: str) -> None:
    """Raise Conflict when an address of a service's mail domain belongs to a vanity service."""
    for parent in _owned(service):
        for other in users(parent):
            if parent.mail_domain == service.domain and other.vanity_name == local_part:
                raise Conflict(
                    f"local_part: {local_part}@{service.domain} belongs to the vanity service {other.id}; choose another one"
                )


def refuse_taken_record(service: Service, name: str) -> None:
    """Raise Conflict when a record (absolute name) of a service's zone lies at or below the name of a vanity service."""
    for parent in _owned(service):
        for other in users(parent):
            if f".{name}".endswith(f".{other.domain}."):
                raise Conflict(f"name: {name} belongs to the vanity service {other.id}; choose another name")
