"""mail.mailbox_present as a request: a mailbox of a service, with a new password when one is given."""

from __future__ import annotations

from typing import Any

from orchestrator.core import names
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.records import Plan
from orchestrator.core.states import Role, ServiceStatus
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle import passwords
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.models.service import Mailbox, Service
from orchestrator.plan import chains
from orchestrator.store import mailboxes, services, tasks


def mailbox_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what stores the mailbox and plans its step."""
    read.only(intent.params, ("local_part", "password_sealed", "quota_mb", "display_name"))
    local_part = names.local_part(read.required(intent.params, "local_part"))
    sealed = read.optional(intent.params, "password_sealed")
    password_hash = "" if sealed is None else passwords.hashed(context.private_key(), sealed)
    quota = intent.params.get("quota_mb")
    quota_mb = None if quota is None else read.whole(quota, "quota_mb", 1, 2**30)
    given = read.optional(intent.params, "display_name")
    display_name = "" if given is None else read.text(given, "display_name", 128)

    def apply() -> dict[str, Any]:
        row = _active_service(intent)
        box = mailboxes.find(row.id, row.domain, local_part)
        _check_limits(row, box, quota_mb)
        if box is None and not password_hash:
            raise InvalidInput("password_sealed", "is missing", "a new mailbox needs a password")
        mailboxes.put(row, local_part, password_hash, quota_mb, display_name)
        return _plan(row, local_part, intent)

    return apply


def _active_service(intent: Intent) -> Service:
    row = services.get_locked(intent.service_id) if intent.service_id is not None else None
    if row is None:
        raise InvalidInput("service_id", "there is no such service", "create it with service.create")
    if row.status != ServiceStatus.ACTIVE:
        raise Conflict(f"service {row.id} is {row.status}; mailboxes can be changed while it is active")
    if Role.MAIL not in row.roles.split(","):
        raise Conflict(f"service {row.id} has no mail; order a package with mail")
    return row


def _check_limits(row: Service, box: Mailbox | None, quota_mb: int | None) -> None:
    allowed = row.limits["mailboxes"]
    if box is None and mailboxes.count(row.id) >= allowed:
        raise InvalidInput(
            "mailboxes", f"the package's limit of {allowed} is reached", "remove one or change the package"
        )
    if quota_mb is not None and quota_mb > row.limits["mail_disk_mb"]:
        raise InvalidInput("quota_mb", f"is above mail_disk_mb, {row.limits['mail_disk_mb']}", "lower it")


def _plan(row: Service, local_part: str, intent: Intent) -> dict[str, Any]:
    server = services.snapshot(row.id).mail
    assert server is not None  # noqa: S101 - a service with the mail role has a place for it
    plan = Plan(steps=(chains.mailbox_step(server.name, local_part, row.domain),))
    operation = tasks.add_operation(
        intent.action, intent.task_id, row.id, row.generation, intent.requested_by, plan, intent.priority
    )
    return {"operation_id": operation, "steps": 1}
