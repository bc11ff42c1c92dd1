"""mail.alias_present and mail.alias_absent: an address that stands for others, here or elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.core import names, values
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import StepSpec
from orchestrator.core.states import Role
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.client import base
from orchestrator.models.service import Service
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import alias_step
from orchestrator.store import mail_routes, objects, parents

_KIND, _LIMIT, _FIELD = "mail_alias", "mail_aliases", "destinations"
_MOST = 50


def alias_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what stores the alias and plans its step."""
    del context
    params = intent.params
    read.only(params, ("local_part", _FIELD, "enabled"))
    local_part = names.local_part(read.required(params, "local_part"))
    listed = read.listed(read.required(params, _FIELD), _FIELD, _MOST)
    if not listed:
        raise InvalidInput(_FIELD, "is empty", f"give 1 to {_MOST} addresses")
    destinations = sorted({values.destination(one) for one in listed})
    enabled = read.flag(params.get("enabled", True), "enabled")
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.MAIL)
        base.refuse_vanity(row, "mail aliases")
        key = {"domain": row.domain, "local_part": local_part}
        base.require_room(row, _KIND, _LIMIT, objects.find(_KIND, row.id, **key))
        parents.refuse_taken_address(row, local_part)
        own = sorted({_own_form(one, row.domain) for one in destinations})
        _require_sense(row, local_part, own)
        objects.put(_KIND, row.id, key, {_FIELD: own, "enabled": enabled})
        return begin.change(row, intent, lambda view: _steps(view, local_part), [])

    return apply


def _own_form(address: str, domain: str) -> str:
    """Return an address; in the service's own domain capitals mean nothing."""
    return address.lower() if address.endswith(f"@{domain}") else address


def _require_sense(row: Service, local_part: str, destinations: Sequence[str]) -> None:
    """Refuse an alias whose mail would go astray: past a mailbox, to this machine's own users, or round in a circle."""
    address = f"{local_part}@{row.domain}"
    box = objects.find("mailbox", row.id, domain=row.domain, local_part=local_part)
    if objects.is_wanted(box) and address not in destinations:
        raise InvalidInput(_FIELD, f"{address} is a mailbox that would get no mail", f"add {address} to keep a copy")
    if not objects.is_wanted(box) and address in destinations:
        raise InvalidInput(_FIELD, f"{address} is the alias itself and no mailbox", "leave it out")
    for one in destinations:
        if one != address and mail_routes.untagged(one) == address:
            raise InvalidInput(_FIELD, f"{one} is {address} itself", "leave it out")
    mail_routes.refuse_servers(destinations)
    mail_routes.refuse_circle(address, destinations)


def alias_absent(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the removal of an alias."""
    del context
    read.only(intent.params, ("local_part",))
    local_part = names.local_part(read.required(intent.params, "local_part"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.relieved(intent, Role.MAIL)
        found = objects.find(_KIND, row.id, domain=row.domain, local_part=local_part)
        return base.absent(row, intent, _KIND, found, lambda view: _steps(view, local_part))

    return apply


def _steps(view: ServiceView, local_part: str) -> list[StepSpec]:
    server = view.mail
    return [alias_step(server.name, one) for one in view.mail_aliases if server and one.local_part == local_part]
