"""mail.mailbox_present and mail.mailbox_absent: a mailbox of a service."""

from __future__ import annotations

from typing import Any

from orchestrator.core import names
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.records import StepSpec
from orchestrator.core.states import Role
from orchestrator.lifecycle import begin, passwords
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.client import base
from orchestrator.lifecycle.create import FIRST_MAILBOX
from orchestrator.models.service import Mailbox, Service
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import mailbox_step
from orchestrator.store import mailboxes, objects, parents

_KIND, _LIMIT = "mailbox", "mailboxes"
_QUOTA_MAXIMUM = 2**30  # MiB
_DISPLAY_MAXIMUM = 128  # characters


def mailbox_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what stores the mailbox and plans its step. What is left out stays as it is."""
    read.only(intent.params, ("local_part", "password_sealed", "quota_mb", "display_name", "enabled"))
    local_part = names.local_part(read.required(intent.params, "local_part"))
    changes = _changes(intent, context)
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.MAIL)
        found = _find(row, local_part)
        _refuse_foreign(row, found)
        base.require_room(row, _KIND, _LIMIT, found)
        _require_quota(row, changes)
        if found is None:
            _require_new(row, local_part, changes)
        domain = found.domain if found else row.domain
        objects.put(_KIND, row.id, {"domain": domain, "local_part": local_part}, _defaults(row, found) | changes)
        return begin.change(row, intent, lambda view: _steps(view, local_part), [])

    return apply


def _changes(intent: Intent, context: Context) -> dict[str, Any]:
    """Return the columns that the request gives, each checked."""
    params = intent.params
    found: dict[str, Any] = {}
    if (sealed := read.optional(params, "password_sealed")) is not None:
        found["password_hash"] = passwords.hashed(context.private_key(), sealed)
    if (quota := params.get("quota_mb")) is not None:
        found["quota_mb"] = read.whole(quota, "quota_mb", 1, _QUOTA_MAXIMUM)
    if (name := read.optional(params, "display_name")) is not None:
        found["display_name"] = read.text(name, "display_name", _DISPLAY_MAXIMUM)
    if "enabled" in params:
        found["enabled"] = read.flag(params["enabled"], "enabled")
    return found


def _find(row: Service, local_part: str) -> Mailbox | None:
    """Return the mailbox; that of a vanity service lies in its provider's mail domain."""
    key = {"local_part": local_part} if row.vanity_name else {"local_part": local_part, "domain": row.domain}
    found: Mailbox | None = objects.find(_KIND, row.id, **key)
    return found


def _refuse_foreign(row: Service, found: Mailbox | None) -> None:
    if found is None:
        base.refuse_vanity(row, "further mailboxes")


def _require_quota(row: Service, changes: dict[str, Any]) -> None:
    most = row.limits["mail_disk_mb"]
    if changes.get("quota_mb", 0) > most:
        raise InvalidInput("quota_mb", f"is above the package's limit mail_disk_mb, {most}", "lower it")


def _require_new(row: Service, local_part: str, changes: dict[str, Any]) -> None:
    """Refuse a new mailbox that nobody could open, or whose mail an alias of its address would take away."""
    if "password_hash" not in changes:
        raise InvalidInput("password_sealed", "is missing", "a new mailbox needs a password")
    parents.refuse_taken_address(row, local_part)
    address = f"{local_part}@{row.domain}"
    alias = objects.find("mail_alias", row.id, domain=row.domain, local_part=local_part)
    if alias is not None and not alias.removing and address not in alias.destinations:
        raise Conflict(f"local_part: {address} is an alias that leads elsewhere; remove it first")


def _defaults(row: Service, found: Mailbox | None) -> dict[str, Any]:
    return {} if found else {"quota_mb": mailboxes.share(row.limits), "display_name": "", "enabled": True}


def mailbox_absent(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the removal of a mailbox with all its mail."""
    del context
    read.only(intent.params, ("local_part",))
    local_part = names.local_part(read.required(intent.params, "local_part"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.relieved(intent, Role.MAIL)
        if local_part == (row.vanity_name or FIRST_MAILBOX):
            remedy = "set enabled to false or give it another password instead"
            raise InvalidInput("local_part", f"{local_part} is the mailbox that every mail domain must have", remedy)
        found = _find(row, local_part)
        _refuse_copy(row, found)
        return base.absent(row, intent, _KIND, found, lambda view: _steps(view, local_part))

    return apply


def _refuse_copy(row: Service, found: Mailbox | None) -> None:
    """Refuse to take the mailbox from under an alias that keeps a copy in it."""
    if found is None:
        return
    alias = objects.find("mail_alias", row.id, domain=found.domain, local_part=found.local_part)
    if objects.is_wanted(alias):
        address = f"{found.local_part}@{found.domain}"
        raise Conflict(f"local_part: the alias {address} keeps a copy in this mailbox; remove the alias first")


def _steps(view: ServiceView, local_part: str) -> list[StepSpec]:
    server = view.mail
    return [mailbox_step(server.name, box) for box in view.mailboxes if server and box.local_part == local_part]
