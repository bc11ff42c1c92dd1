"""Services: creating their rows, reading them whole, and changing their state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, NotFound
from orchestrator.core.names import overlaps, parents
from orchestrator.core.states import ServiceStatus, check_service_transition
from orchestrator.models.fleet import Server
from orchestrator.models.service import DnsRecord, DomainName, Mailbox, Placement, Service
from orchestrator.plan import zone
from orchestrator.plan.snapshot import MailboxView, RRset, ServerView, ServiceView
from orchestrator.store.database import locked
from orchestrator.store.fleet import knob_value, view


def get(service_id: int) -> Service:
    """Return a service by the billing system's id."""
    row = Service.get_or_none(Service.id == service_id)
    if row is None:
        raise NotFound("service", f"there is no service {service_id}", "see `tenantry service list`")
    return row


def get_locked(service_id: int) -> Service | None:
    """Return a service with its row locked for the caller's transaction, None when there is none."""
    row: Service | None = locked(Service.select().where(Service.id == service_id)).first()
    return row


def refuse_foreign_domain(domain: str, service_id: int) -> None:
    """Raise Conflict when the domain, a parent or a child of it belongs to another service or to the provider."""
    same_or_parent = DomainName.select().where(DomainName.name << [domain, *parents(domain)])
    child = DomainName.select().where(DomainName.name.endswith(f".{domain}"))
    for row in [*same_or_parent, *child]:
        if row.service_id != service_id and overlaps(row.name, domain):
            raise Conflict(
                f"domain: {domain} overlaps {row.name}, which service {row.service_id} owns; "
                "terminate that service first or order another domain"
            )
    for server in Server.select(Server.hostname).where(Server.hostname != ""):
        if overlaps(server.hostname, domain):
            raise Conflict(f"domain: {domain} overlaps the server name {server.hostname}; order another domain")


def insert(values: dict[str, Any], placement: dict[str, list[ServerView]], mailboxes: list[dict[str, Any]]) -> Service:
    """Insert a service with its names, places and mailboxes inside the caller's transaction."""
    now = utc_now()
    if Service.get_or_none(Service.username == values["username"]):
        raise Conflict(f"username: {values['username']} is taken; choose another or leave it out")
    Service.insert(created_at=now, updated_at=now, status=ServiceStatus.PENDING, **values).execute()
    DomainName.create(name=values["domain"], service_id=values["id"], kind="primary")
    for role, servers in placement.items():
        for server in servers:
            Placement.create(service_id=values["id"], role=role, server_id=server.id)
    for mailbox in mailboxes:
        Mailbox.create(service_id=values["id"], created_at=now, enabled=True, **mailbox)
    return Service.get_by_id(values["id"])


def set_status(row: Service, status: ServiceStatus, **values: Any) -> None:
    """Move a service to another state inside the caller's transaction; IllegalTransition when that is not allowed."""
    check_service_transition(ServiceStatus(row.status), status)
    Service.update(status=status, updated_at=utc_now(), **values).where(Service.id == row.id).execute()


def snapshot(service_id: int) -> ServiceView:
    """Return everything that a step may need to know of a service."""
    row = get(service_id)
    places: dict[str, list[ServerView]] = {}
    query = Placement.select(Placement, Server).join(Server, on=(Server.id == Placement.server_id), attr="server")
    placed: Any = query.where(Placement.service_id == service_id).order_by(Server.name)
    for place in placed:
        places.setdefault(place.role, []).append(view(place.server))
    names = DomainName.select().where((DomainName.service_id == service_id) & (DomainName.kind == "alias"))
    return ServiceView(
        id=row.id,
        owner=row.owner,
        domain=row.domain,
        aliases=tuple(sorted(name.name for name in names)),
        mode=row.mode,
        roles=frozenset(filter(None, row.roles.split(","))),
        username=row.username,
        uid=row.uid,
        limits=row.limits,
        php_version=row.php_version,
        proxy_template=row.proxy_template,
        proxy_upstream=row.proxy_upstream,
        generation=row.generation,
        dkim_selector=row.dkim_selector,
        dkim_public_key=row.dkim_public_key,
        zone_serial=row.zone_serial,
        hostmaster=str(knob_value("dns.hostmaster")),
        dns_ttl=int(knob_value("dns.ttl")),
        web=next(iter(places.get("web", [])), None),
        mail=next(iter(places.get("mail", [])), None),
        dns=tuple(places.get("dns", [])),
        mailboxes=_mailboxes(service_id),
        custom_records=_custom_records(service_id),
    )


def _mailboxes(service_id: int) -> tuple[MailboxView, ...]:
    rows = Mailbox.select().where(Mailbox.service_id == service_id).order_by(Mailbox.id)
    return tuple(
        MailboxView(
            domain=row.domain,
            local_part=row.local_part,
            password_hash=row.password_hash,
            quota_mb=row.quota_mb,
            display_name=row.display_name,
        )
        for row in rows
    )


def _custom_records(service_id: int) -> tuple[RRset, ...]:
    rows = DnsRecord.select().where(DnsRecord.service_id == service_id).order_by(DnsRecord.id)
    return tuple(RRset(name=row.name, type=row.type, ttl=row.ttl, records=tuple(row.contents)) for row in rows)


def advance_serial(service_id: int, now: datetime) -> None:
    """Give the zone a new serial when what it should hold has changed, inside the caller's transaction."""
    service = snapshot(service_id)
    digest = zone.digest(service)
    row = get(service_id)
    if service.has_zone and digest != row.zone_digest:
        Service.update(zone_digest=digest, zone_serial=zone.next_serial(row.zone_serial, now)).where(
            Service.id == service_id
        ).execute()


def store_dkim(service_id: int, selector: str, public_key: str, now: datetime) -> None:
    """Keep the public key that the mail server reported; the zone's serial follows."""
    Service.update(dkim_selector=selector, dkim_public_key=public_key, updated_at=now).where(
        Service.id == service_id
    ).execute()
    advance_serial(service_id, now)


def listing(status: str = "", limit: int = 1000) -> list[Service]:
    """Return services, the newest first."""
    query = Service.select().order_by(Service.created_at.desc())
    return list((query.where(Service.status == status) if status else query).limit(limit))
