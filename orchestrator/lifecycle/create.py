"""service.create: an order becomes a service with its places, and the steps that make it live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core import names
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.states import Mode, Role, ServiceStatus
from orchestrator.lifecycle import begin, passwords, vanity
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.deploy import AGAIN, start_deploy
from orchestrator.models.fleet import ServerGroup
from orchestrator.models.service import Service
from orchestrator.plan import limits
from orchestrator.plan.placement import place
from orchestrator.plan.snapshot import ServerView
from orchestrator.store import fleet, orphans, services

_KEYS = (
    "domain",
    "package",
    "group",
    "mode",
    "roles",
    "username",
    "password_sealed",
    "contact_email",
    *vanity.KEYS,
)
FIRST_MAILBOX = "postmaster"  # RFC 5321 section 4.5.1: every domain that takes mail must have it
SELECTOR = "tenantry1"  # of DKIM; mail nodes know it as node_mail_dkim_selector


@dataclass(frozen=True, kw_only=True)
class _Order:
    domain: str
    package: str
    group: str
    mode: Mode
    roles: frozenset[str]
    username: str
    contact_email: str
    explicit_roles: bool
    vanity: vanity.Wish | None


def create(intent: Intent, context: Context) -> Apply:
    """Check an order and return what stores it. Ordering the same domain again for a service deploys it again."""
    service_id = _service_id(intent)
    order = _read(intent.params, service_id)
    sealed = read.optional(intent.params, "password_sealed")
    password_hash = "" if sealed is None else passwords.hashed(context.private_key(), sealed)
    mailbox_hash = password_hash or passwords.unusable()
    if order.vanity is not None:
        vanity.look(order.vanity, service_id)

    def apply() -> dict[str, Any]:
        existing = services.get_locked(service_id)
        if existing is not None and existing.status != ServiceStatus.TERMINATED:
            return _again(existing, order, intent)
        orphans.refuse_open(service_id)
        # The counter's lock makes orders take turns: of two that want overlapping names or the last place, one gets it.
        uid = fleet.next_uid()
        if order.vanity is None:
            services.refuse_foreign_domain(order.domain, service_id)
        row = _insert(service_id, uid, order, password_hash, mailbox_hash)
        return start_deploy(row, intent)

    return apply


def _service_id(intent: Intent) -> int:
    if intent.service_id is None or not 0 < intent.service_id < 10**9:
        raise InvalidInput("service_id", "is missing or out of range", "give the billing system's id, 1 to 999999999")
    return intent.service_id


def _read(params: Mapping[str, Any], service_id: int) -> _Order:
    read.only(params, _KEYS)
    mode = read.mode(params.get("mode", "split"))
    wish = vanity.wish(params) if mode is Mode.VANITY else None
    for key in vanity.KEYS:
        if wish is None and key in params:
            raise InvalidInput(key, "belongs to mode vanity only", "leave it out")
    email, user = read.optional(params, "contact_email"), read.optional(params, "username")
    return _Order(
        domain=wish.domain if wish else names.domain(read.required(params, "domain")),
        package=names.word(read.required(params, "package"), "package"),
        group=names.word(read.required(params, "group"), "group"),
        mode=mode,
        roles=read.roles(params.get("roles")),
        username=names.username(f"w{service_id}" if user is None else user),
        contact_email="" if email is None else names.email(email),
        explicit_roles="roles" in params,
        vanity=wish,
    )


def _again(row: Service, order: _Order, intent: Intent) -> dict[str, Any]:
    if row.domain != order.domain:
        raise Conflict(f"service_id: service {row.id} exists with the domain {row.domain}; use another service_id")
    begin.require_status(row, AGAIN, "ordered again")
    return start_deploy(row, intent)


def _insert(service_id: int, uid: int, order: _Order, password_hash: str, mailbox_hash: str) -> Service:
    package, group = fleet.package(order.package), fleet.group(order.group)
    layout = _layout(order, service_id, package.limits, group, mailbox_hash)
    values = {
        "id": service_id,
        "domain": order.domain,
        "mode": order.mode,
        "roles": ",".join(sorted(layout.roles)),
        "group_id": group.id,
        "package_id": package.id,
        "limits": package.limits,
        "username": order.username,
        "uid": uid,
        "password_hash": password_hash,
        "contact_email": order.contact_email,
        "php_version": package.limits["php_version"],
        "dkim_selector": SELECTOR,
        "dkim_public_key": "",
        **layout.values,
    }
    return services.insert(values, layout.placement, layout.mailboxes)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where a new service lies and what it begins with."""

    roles: frozenset[str]
    placement: dict[str, list[ServerView]]
    mailboxes: list[dict[str, Any]]
    values: dict[str, Any]


def _layout(
    order: _Order, service_id: int, allowed: Mapping[str, Any], group: ServerGroup, mailbox_hash: str
) -> _Layout:
    members = fleet.members(group.id)
    if order.vanity is None:
        roles = _some(limits.roles_allowed(allowed, order.roles), order)
        boxes = _mailboxes(order.domain, mailbox_hash, allowed, roles)
        return _Layout(roles=roles, placement=place(members, order.mode, roles, group.name), mailboxes=boxes, values={})
    parent, name = vanity.take(order.vanity, service_id), order.vanity.name
    roles = _some(vanity.roles(parent, order.roles, order.explicit_roles, allowed), order)
    boxes = [vanity.mailbox(parent, name, mailbox_hash, allowed)] if Role.MAIL in roles else []
    values = {"parent_id": parent.id, "vanity_name": name}
    placement = vanity.placement(parent, members, roles, group.name)
    return _Layout(roles=roles, placement=placement, mailboxes=boxes, values=values)


def _some(roles: frozenset[str], order: _Order) -> frozenset[str]:
    if not roles:
        raise InvalidInput("roles", f"package {order.package} turns all of them off", "choose another package")
    return roles


def _mailboxes(
    domain: str, password_hash: str, allowed: Mapping[str, Any], roles: frozenset[str]
) -> list[dict[str, Any]]:
    if Role.MAIL not in roles or not allowed["mailboxes"]:
        return []
    quota = max(allowed["mail_disk_mb"] // max(allowed["mailboxes"], 1), 1)
    return [
        {
            "domain": domain,
            "local_part": FIRST_MAILBOX,
            "password_hash": password_hash,
            "quota_mb": quota,
            "display_name": "",
        }
    ]
