"""What an operator says of a parent domain, checked against the grammar, the fleet and the provider's own services."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core import names
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.states import Role
from orchestrator.lifecycle import params as read
from orchestrator.models.fleet import Server
from orchestrator.models.service import Placement, Service
from orchestrator.plan import vanity_names
from orchestrator.store import fleet, parents, wildcards

DNS_MODES = ("push", "external")
_OWNER = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SERIAL_MAXIMUM = 2**32 - 1  # RFC 1035 section 3.3.13


@dataclass(frozen=True, kw_only=True)
class Said:
    """A parent domain in an operator's words; an empty one is left out."""

    name: str
    dns: str
    mail_server: str = ""
    mail_user: str = ""
    mail_domain: str = ""
    zone_owner: str = ""
    group: str = ""
    zone_serial: int = 0
    web_servers: Sequence[str] = ()
    reserved: str = ""


def checked(said: Said) -> dict[str, Any]:
    """Return the columns of a new parent domain; InvalidInput or Conflict names what does not fit together."""
    name = names.domain(said.name, "name")
    reserved = vanity_names.reserved_list(filter(None, said.reserved.split(",")))
    web = sorted({_server(one, Role.WEB, "web_server").name for one in said.web_servers})
    return {"name": name, "reserved": reserved, "web_servers": web, **_mail(said, name), **_dns(said, name)}


def _mail(said: Said, name: str) -> dict[str, Any]:
    if not said.mail_server:
        for field in ("mail_user", "mail_domain"):
            if getattr(said, field):
                raise InvalidInput(field, "needs a mail server", "add --mail-server or leave it out")
        return {"mail_server_id": None, "mail_user": "", "mail_domain": ""}
    server = _server(said.mail_server, Role.MAIL, "mail_server")
    user = _label(said.mail_user, "mail_user")
    domain = names.domain(said.mail_domain, "mail_domain") if said.mail_domain else name
    owner = parents.owner_service(user)
    if owner is not None:
        _require_place(owner, domain, "mail_user", Role.MAIL, {server.id})
    return {"mail_server_id": server.id, "mail_user": user, "mail_domain": domain}


def _dns(said: Said, name: str) -> dict[str, Any]:
    if said.dns not in DNS_MODES:
        raise InvalidInput("dns", f"{shown(said.dns)} is not known", f"give one of {', '.join(DNS_MODES)}")
    if said.dns == "external":
        for field in ("zone_owner", "group", "zone_serial"):
            if getattr(said, field):
                raise InvalidInput(field, "belongs to --dns push", "leave it out")
        return {"dns_mode": "external", "zone_owner": "", "group_id": None, "zone_serial": 0}
    if not said.group:
        raise InvalidInput("group", "is missing", "name the group whose DNS servers have the zone")
    group = fleet.group(said.group)
    servers = {one.id for one in fleet.members(group.id) if Role.DNS in one.roles}
    if not servers:
        raise InvalidInput("group", f"{group.name} has no DNS server", "name the group whose DNS servers have the zone")
    label = _label(said.zone_owner, "zone_owner")
    owner = parents.owner_service(label)
    if owner is not None:
        _require_place(owner, name, "zone_owner", Role.DNS, servers)
    serial = max(
        read.whole(said.zone_serial, "zone_serial", 0, _SERIAL_MAXIMUM),
        parents.past_serial(name),
        owner.zone_serial if owner is not None else 0,
    )
    return {"dns_mode": "push", "zone_owner": label, "group_id": group.id, "zone_serial": serial}


def _server(name: str, role: Role, field: str) -> Server:
    row = fleet.server(name)
    if role not in row.role_set():
        raise InvalidInput(field, f"server {row.name} has no role {role}", "choose another server")
    return row


def _label(text: str, field: str) -> str:
    if not text:
        raise InvalidInput(field, "is missing", "give the owner's label on the servers, s900 for service 900")
    if not _OWNER.fullmatch(text):
        raise InvalidInput(field, f"{shown(text)} is no owner's label", "use a-z, 0-9, _ and -, a letter first")
    return text


def _require_place(owner: Service, domain: str, field: str, role: Role, servers: set[int]) -> None:
    """Refuse a service as the owner of what it does not have on exactly these servers."""
    if owner.domain != domain:
        raise Conflict(f"{field}: service {owner.id} has the domain {owner.domain}, not {domain}; name its owner")
    held = Placement.select().where((Placement.service_id == owner.id) & (Placement.role == role))
    if {row.server_id for row in held} != servers:
        there = ", ".join(row.name for row in Server.select().where(Server.id << [one.server_id for one in held]))
        raise Conflict(f"{field}: service {owner.id} has its {role} role on {there or 'no server'}; name exactly that")


def remove(name: str) -> None:
    """Forget a parent domain under which there is no service, and its certificate."""
    parents.remove(name, wildcards.forget)


def add(said: Said) -> str:
    """Check and store a parent domain; returns its canonical name."""
    return str(parents.add(checked(said), lambda row: wildcards.ensure(row, utc_now())).name)
