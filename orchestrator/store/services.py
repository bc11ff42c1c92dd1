"""Services: creating their rows, reading them whole, and changing their state."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.core import names
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, NotFound
from orchestrator.core.names import overlaps
from orchestrator.core.states import ServiceStatus, check_service_transition
from orchestrator.models.fleet import Counter, Server
from orchestrator.models.service import DomainName, Mailbox, Placement, Service
from orchestrator.plan.snapshot import ServerView
from orchestrator.store import certificates, parents, usage_intake
from orchestrator.store.database import database_now, locked
from orchestrator.store.objects import remove_all


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
    """Raise Conflict when the domain, a parent or a child of it belongs to another service or to the provider.

    Vanity services live below a domain of the provider's own service; their names are given by ``parents.require_free``.
    """
    parents.refuse_shared_names(domain, service_id)
    vanity = parents.shares_with(service_id, domain)
    same_or_parent = DomainName.select().where(DomainName.name << [domain, *names.parents(domain)])
    child = DomainName.select().where(DomainName.name.endswith(f".{domain}"))
    for row in [*same_or_parent, *child]:
        if row.service_id not in (service_id, *vanity) and overlaps(row.name, domain):
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
    values = {**_before(values["id"]), **values}
    if Service.get_or_none(Service.username == values["username"]):
        raise Conflict(f"username: {values['username']} is taken; choose another or leave it out")
    Service.insert(created_at=now, updated_at=now, status=ServiceStatus.PENDING, **values).execute()
    DomainName.create(name=values["domain"], service_id=values["id"], kind="primary")
    add_places(values["id"], placement)
    for mailbox in mailboxes:
        Mailbox.create(service_id=values["id"], created_at=now, enabled=True, **mailbox)
    return Service.get_by_id(values["id"])


def add_places(service_id: int, placement: dict[str, list[ServerView]]) -> None:
    """Note where the roles of a service lie, inside the caller's transaction."""
    rows = [
        {"service_id": service_id, "role": role, "server_id": server.id}
        for role, servers in placement.items()
        for server in servers
    ]
    if rows:
        Placement.insert_many(rows).execute()


def _before(service_id: int) -> dict[str, Any]:
    """Make room for a service ordered anew under the id of a terminated one; what its servers remember goes on."""
    row = Service.get_or_none((Service.id == service_id) & (Service.status == ServiceStatus.TERMINATED))
    if row is None:
        return _remembered(service_id)
    check_service_transition(ServiceStatus.TERMINATED, ServiceStatus.PENDING)
    row.delete_instance()
    return {"generation": row.generation, "zone_serial": row.zone_serial}


def remember_generation(service_id: int, generation: int) -> None:
    """Keep what servers know of a service that this database does not: an order of it goes on from there."""
    Counter.insert(name=f"generation:{service_id}", value=generation).on_conflict_replace().execute()


def _remembered(service_id: int) -> dict[str, Any]:
    kept = Counter.get_or_none(Counter.name == f"generation:{service_id}")
    return {"generation": int(kept.value)} if kept else {}


def set_status(row: Service, status: ServiceStatus | None, **values: Any) -> None:
    """Move a service to another state inside the caller's transaction; IllegalTransition when that is not allowed.

    None keeps the state.
    """
    if status is not None:
        check_service_transition(ServiceStatus(row.status), status)
        values["status"] = status
    update(row.id, **values)


def update(service_id: int, **values: Any) -> None:
    """Set columns of a service inside the caller's transaction."""
    Service.update(updated_at=utc_now(), **values).where(Service.id == service_id).execute()


def close_out(row: Service, operation: int | None) -> None:
    """End a service inside the caller's transaction: every row that hangs on it goes.

    Its own stays as a tombstone: number and name of the UNIX user are never given to anybody else.
    """
    remove_all(row.id)
    certificates.remove_of(row.id)
    usage_intake.forget(row.id)
    emptied = dict.fromkeys(("password_hash", "contact_email", "dkim_public_key", "reset_code", "web_held_for"), "")
    ended = {"held": False, "withdrawn": False, "deployed": False, "former_domains": None, "terminate_at": None}
    set_status(row, ServiceStatus.TERMINATED, operation_id=operation, error=None, **emptied, **ended)


def due_for_termination() -> list[tuple[int, datetime]]:
    """Return (service, when) of services whose time of grace is over."""
    over = (Service.status == ServiceStatus.PENDING_TERMINATE) & (Service.terminate_at <= database_now())
    return [(row.id, row.terminate_at) for row in Service.select().where(over)]


def listing(status: str = "", limit: int = 1000) -> list[Service]:
    """Return services, the newest first."""
    query = Service.select().order_by(Service.created_at.desc())
    return list((query.where(Service.status == status) if status else query).limit(limit))
