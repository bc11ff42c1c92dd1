"""Mode vanity of an order: a label under a provider's parent domain, with what the parent shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core import names
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.states import Mode, Role, ServerStatus
from orchestrator.lifecycle import params as read
from orchestrator.models.fleet import ParentDomain, Server
from orchestrator.models.service import Placement
from orchestrator.plan import limits, vanity_names
from orchestrator.plan.placement import place
from orchestrator.plan.snapshot import ServerView
from orchestrator.store import fleet, mailboxes, parents
from orchestrator.store.database import session

KEYS = ("vanity_name", "parent_domain")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which label under which parent."""

    name: str
    parent: str

    @property
    def domain(self) -> str:
        """The name of the site."""
        return f"{self.name}.{self.parent}"


def wish(params: Mapping[str, Any]) -> Wish:
    """Return the label and the parent of an order; the domain may be left out, and must be both together."""
    name = vanity_names.label(read.required(params, "vanity_name"))
    parent = names.domain(read.required(params, "parent_domain"), "parent_domain")
    found = Wish(name=name, parent=parent)
    full = vanity_names.full_name(name, parent)
    given = read.optional(params, "domain")
    if given is not None and names.domain(given) != full:
        raise InvalidInput("domain", f"is not {full}", "leave it out in mode vanity")
    return found


def look(asked: Wish, service_id: int) -> None:
    """Say at once when the label is not free; the transaction that takes it looks again."""
    with session():
        parents.require_free(parents.get(asked.parent), asked.name, service_id)


def take(asked: Wish, service_id: int) -> ParentDomain:
    """Return the parent, locked, when the label is free, inside the caller's transaction."""
    parent = parents.get_locked(asked.parent)
    parents.require_free(parent, asked.name, service_id)
    return parent


def roles(parent: ParentDomain, wanted: frozenset[str], explicit: bool, allowed: Mapping[str, Any]) -> frozenset[str]:
    """Return the roles that the parent and the package leave; InvalidInput when one that was asked for is not possible."""
    offered = {Role.WEB: True, Role.MAIL: parent.mail_server_id is not None, Role.DNS: parent.dns_mode == "push"}
    missing = sorted(role for role in wanted if not offered[Role(role)])
    if explicit and missing:
        raise InvalidInput("roles", f"{parent.name} offers no {' and no '.join(missing)}", "leave that out")
    found = limits.roles_allowed(allowed, frozenset(role for role in wanted if offered[Role(role)]))
    if not allowed["mailboxes"]:
        found -= {Role.MAIL}
    return found if Role.WEB in found else found - {Role.DNS}  # the one record is the site's address


def placement(
    parent: ParentDomain, members: list[ServerView], wanted: frozenset[str], group: str
) -> dict[str, list[ServerView]]:
    """Return the servers: the least loaded of the parent's web servers in the group, and those that hold what is shared."""
    found: dict[str, list[ServerView]] = {}
    if Role.WEB in wanted:
        allowed = [one for one in members if not parent.web_servers or one.name in parent.web_servers]
        if not allowed:
            listed = ", ".join(parent.web_servers)
            raise Conflict(
                f"parent domain {parent.name} allows {listed}, none of which is in group {group}; add one of them"
            )
        found |= place(allowed, Mode.SPLIT, frozenset({Role.WEB}), group)
    if Role.MAIL in wanted:
        found[Role.MAIL] = [_mail_server(parent)]
    if Role.DNS in wanted:
        found[Role.DNS] = zone_servers(parent)
    return found


def _mail_server(parent: ParentDomain) -> ServerView:
    row = Server.get_or_none(Server.id == parent.mail_server_id)
    if row is None or row.status == ServerStatus.GONE or Role.MAIL not in row.role_set():
        raise Conflict(f"the mail server of parent domain {parent.name} is gone; add the parent anew with another one")
    return fleet.view(row)


def zone_servers(parent: ParentDomain) -> list[ServerView]:
    """Return the DNS servers that hold the parent's zone: those of its own service when it is ours, else its group's."""
    members = [one for one in fleet.members(int(parent.group_id or 0)) if Role.DNS in one.roles]
    owner = parents.owner_service(parent.zone_owner)
    if owner is not None:
        held = Placement.select(Placement.server_id).where(
            (Placement.service_id == owner.id) & (Placement.role == Role.DNS)
        )
        members = [fleet.view(row) for row in Server.select().where(Server.id << held)]
    found = [one for one in members if one.status != ServerStatus.GONE]
    if not found:
        raise Conflict(f"no DNS server holds the zone of parent domain {parent.name}; deploy the service that owns it")
    return sorted(found, key=lambda one: one.name)


def mailbox(parent: ParentDomain, name: str, password_hash: str, allowed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one mailbox: it may use all the disk that the package gives to mail."""
    return {
        "domain": parent.mail_domain,
        "local_part": name,
        "password_hash": password_hash,
        "quota_mb": mailboxes.whole_quota(allowed),
        "display_name": "",
    }
