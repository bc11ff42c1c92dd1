"""Changes of a whole service: its package, its password, its domain."""

from __future__ import annotations

from typing import Any

from orchestrator.core import names
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.records import StepSpec
from orchestrator.core.states import TOWARDS, Desired, Mode, Role, ServiceStatus
from orchestrator.lifecycle import begin, passwords
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.create import FIRST_MAILBOX
from orchestrator.lifecycle.deploy import start_deploy
from orchestrator.models.fleet import ServerGroup
from orchestrator.models.service import Service
from orchestrator.plan import chains, limits, placement
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import mailbox_step, sftp_step
from orchestrator.store import fleet, mailboxes, objects, parents, renames, services, usage_limits

_S = ServiceStatus
_COUNTED = {
    "databases": "database",
    "mailboxes": "mailbox",
    "mail_aliases": "mail_alias",
    "sftp_accounts": "sftp_account",
    "cron_jobs": "cron_job",
    "dns_records": "record",
}


def change_package(intent: Intent, context: Context) -> Apply:
    """service.change_package: other limits, at once; refused, with the limit named, when the service uses more."""
    del context
    read.only(intent.params, ("package",))
    name = names.word(read.required(intent.params, "package"), "package")
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        is_failed = row.status == _S.FAILED and row.desired != Desired.TERMINATED
        begin.require_status(row, (_S.FAILED,) if is_failed else (_S.ACTIVE, _S.SUSPENDED), "changed")
        package = fleet.package(name)
        _require_fit(row, package.limits, name)
        roles = _roles(row, package.limits, name)
        values = {"package_id": package.id, "limits": package.limits, "roles": ",".join(sorted(roles))}
        mailboxes.fit(row, package.limits)
        usage_limits.forget(row.id)
        return begin.generation(row, intent, chains.reach, _towards(row), **values)

    return apply


def _towards(row: Service) -> ServiceStatus | None:
    """A suspended service stays suspended while its limits change."""
    return None if row.status == _S.SUSPENDED else TOWARDS[Desired(row.desired)]


def _require_fit(row: Service, allowed: dict[str, Any], package: str) -> None:
    used = {limit: objects.count(kind, row.id) for limit, kind in _COUNTED.items()}
    used["alias_domains"] = objects.count_aliases(row.id)
    for limit, count in used.items():
        if count > int(limits.of(allowed, limit)):
            raise InvalidInput(
                limit, f"{count} in use, package {package} allows {limits.of(allowed, limit)}", "remove some first"
            )


def _roles(row: Service, allowed: dict[str, Any], package: str) -> frozenset[str]:
    """Return the roles under the new limits. One that the old package turned off comes with a place; none is lost."""
    now = frozenset(filter(None, row.roles.split(",")))
    lost = now - limits.roles_allowed(allowed, now)
    if lost:
        raise InvalidInput("package", f"{package} has no {' and no '.join(sorted(lost))}", "choose another package")
    was_off = frozenset({Role.WEB, Role.MAIL}) - limits.roles_allowed(row.limits, frozenset({Role.WEB, Role.MAIL}))
    gained = limits.roles_allowed(allowed, was_off) if row.mode != Mode.VANITY else frozenset()
    if gained:
        group = ServerGroup.get_by_id(row.group_id)
        services.add_places(row.id, placement.place(fleet.members(group.id), row.mode, gained, group.name))
    if Role.MAIL in gained:
        mailboxes.add_first(row, FIRST_MAILBOX, row.password_hash or passwords.unusable(), allowed)
    return now | gained


def change_password(intent: Intent, context: Context) -> Apply:
    """service.change_password: the account's password, which opens its first mailbox and the SFTP logins that share it."""
    read.only(intent.params, ("password_sealed",))
    new = passwords.hashed(context.private_key(), read.required(intent.params, "password_sealed"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        begin.require_status(row, (_S.ACTIVE,), "given another password")
        services.update(row.id, password_hash=new)
        first = row.vanity_name or FIRST_MAILBOX
        mailboxes.set_password(row.id, first, new)
        objects.share_password(row.id, row.password_hash, new)
        return begin.change(row, intent, lambda view: _password_steps(view, first, new), [])

    return apply


def _password_steps(view: ServiceView, first: str, shared: str) -> list[StepSpec]:
    boxes = [mailbox_step(view.mail.name, box) for box in view.mailboxes if view.mail and box.local_part == first]
    sharing = [one for one in view.sftp_accounts if one.password_hash == shared and not one.removing]
    return boxes + [sftp_step(view.web.name, one) for one in sharing if view.web]


def change_domain(intent: Intent, context: Context) -> Apply:
    """service.change_domain: everything under the new name; the old one goes when all of it answers there."""
    del context
    read.only(intent.params, ("domain",))
    domain = names.domain(read.required(intent.params, "domain"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        begin.require_status(row, (_S.ACTIVE,), "renamed")
        if row.mode == Mode.VANITY:
            raise Conflict(f"service {row.id} has a name under its parent domain; order a new one instead")
        if domain == row.domain:
            return {"skipped": f"service {row.id} has this domain already"}
        parents.refuse_owner(row, "renamed")
        services.refuse_foreign_domain(domain, row.id)
        former = renames.rename(row, domain)
        return start_deploy(row, intent, domain=domain, former_domains=former, dkim_public_key="")

    return apply
