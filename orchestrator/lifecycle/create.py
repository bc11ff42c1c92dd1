"""service.create: an order becomes a service with its places, and the steps that make it live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core import names
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.states import Mode, Role, ServiceStatus
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle import passwords
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.deploy import start_deploy
from orchestrator.models.service import Service
from orchestrator.plan import limits
from orchestrator.plan.placement import place
from orchestrator.store import fleet, services

_KEYS = (
    "domain",
    "package",
    "group",
    "mode",
    "roles",
    "username",
    "password_sealed",
    "contact_email",
    "vanity_name",
    "parent_domain",
)
FIRST_MAILBOX = "postmaster"  # RFC 5321 section 4.5.1: every domain that takes mail must have it
_SELECTOR = "tenantry1"


@dataclass(frozen=True, kw_only=True)
class _Order:
    domain: str
    package: str
    group: str
    mode: Mode
    roles: frozenset[str]
    username: str
    contact_email: str


def create(intent: Intent, context: Context) -> Apply:
    """Check an order and return what stores it. Ordering the same domain again for a service deploys it again."""
    service_id = _service_id(intent)
    order = _read(intent.params, service_id)
    sealed = read.optional(intent.params, "password_sealed")
    password_hash = "" if sealed is None else passwords.hashed(context.private_key(), sealed)
    mailbox_hash = password_hash or passwords.unusable()

    def apply() -> dict[str, Any]:
        existing = services.get_locked(service_id)
        if existing is not None:
            return _again(existing, order, intent)
        # The counter's lock makes orders take turns: of two that want overlapping names or the last place, one gets it.
        uid = fleet.next_uid()
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
    if mode is Mode.VANITY:
        raise InvalidInput("mode", "vanity services are not available yet", "use split or unified")
    for key in ("vanity_name", "parent_domain"):
        if key in params:
            raise InvalidInput(key, "belongs to mode vanity only", "leave it out")
    email, user = read.optional(params, "contact_email"), read.optional(params, "username")
    return _Order(
        domain=names.domain(read.required(params, "domain")),
        package=names.word(read.required(params, "package"), "package"),
        group=names.word(read.required(params, "group"), "group"),
        mode=mode,
        roles=read.roles(params.get("roles")),
        username=names.username(f"w{service_id}" if user is None else user),
        contact_email="" if email is None else names.email(email),
    )


def _again(row: Service, order: _Order, intent: Intent) -> dict[str, Any]:
    if row.domain != order.domain:
        raise Conflict(f"service_id: service {row.id} exists with the domain {row.domain}; use another service_id")
    if row.status in (ServiceStatus.TERMINATED, ServiceStatus.TERMINATING, ServiceStatus.PENDING_TERMINATE):
        raise Conflict(f"service_id: service {row.id} is {row.status}; use another service_id")
    return start_deploy(row, intent)


def _insert(service_id: int, uid: int, order: _Order, password_hash: str, mailbox_hash: str) -> Service:
    package, group = fleet.package(order.package), fleet.group(order.group)
    roles = limits.roles_allowed(package.limits, order.roles)
    if not roles:
        raise InvalidInput("roles", f"package {order.package} turns all of them off", "choose another package")
    values = {
        "id": service_id,
        "domain": order.domain,
        "mode": order.mode,
        "roles": ",".join(sorted(roles)),
        "group_id": group.id,
        "package_id": package.id,
        "limits": package.limits,
        "username": order.username,
        "uid": uid,
        "password_hash": password_hash,
        "contact_email": order.contact_email,
        "php_version": package.limits["php_version"],
        "dkim_selector": _SELECTOR,
        "dkim_public_key": "",
    }
    placement = place(fleet.members(group.id), order.mode, roles, group.name)
    return services.insert(values, placement, _mailboxes(order.domain, mailbox_hash, package.limits, roles))


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
