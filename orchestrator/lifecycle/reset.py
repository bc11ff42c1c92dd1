"""service.factory_reset: what a service holds is wiped and its chain runs anew, after a second yes."""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.core.states import Desired, ServiceStatus
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.create import FIRST_MAILBOX
from orchestrator.models.service import Service
from orchestrator.plan import chains
from orchestrator.store import objects, parents, services, snapshots

_S = ServiceStatus
_VALID = timedelta(minutes=10)


def factory_reset(intent: Intent, context: Context) -> Apply:
    """Answer a request without ``confirm`` with a code and with what would be wiped; one with that code does it.

    The service keeps its domain, names of servers, UNIX user, package, first mailbox and its zone.
    """
    del context
    read.only(intent.params, ("confirm",))
    code = read.optional(intent.params, "confirm")
    if code is not None:
        read.text(code, "confirm", 16)
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = begin.locked(intent)
        is_failed = row.status == _S.FAILED and row.desired == Desired.ACTIVE
        begin.require_status(row, (_S.FAILED,) if is_failed else (_S.ACTIVE,), "reset")
        parents.refuse_owner(row, "reset")
        return _offer(row) if code is None else _reset(row, str(code), intent)

    return apply


def _offer(row: Service) -> dict[str, Any]:
    """Return the code that confirms, with what will be lost."""
    code, until = secrets.token_hex(4), utc_now() + _VALID
    services.update(row.id, reset_code=code, reset_until=until)
    counted = {kind: objects.count(kind, row.id) for kind in objects.KINDS}
    will_wipe = {**counted, "alias_domain": objects.count_aliases(row.id), "files_and_mail": "all"}
    return {"confirm": code, "expires_at": until.isoformat(), "will_wipe": will_wipe}


def _reset(row: Service, code: str, intent: Intent) -> dict[str, Any]:
    is_right = bool(row.reset_code) and hmac.compare_digest(row.reset_code, code)
    if not is_right or row.reset_until is None or row.reset_until < utc_now():
        remedy = "ask for service.factory_reset without confirm to get a new one"
        raise InvalidInput("confirm", "is not the code that was given, or it has expired", remedy)
    view = snapshots.of(row.id)
    kept = view.vanity.name if view.vanity else FIRST_MAILBOX
    objects.wipe(row.id, kept)
    return begin.generation(
        row, intent, chains.reset, _S.DEPLOYING, deployed=False, reset_code="", reset_until=None, **_defaults(row)
    )


def _defaults(row: Service) -> dict[str, Any]:
    """Return the settings of a new account."""
    return {"php_version": row.limits["php_version"], "proxy_template": "php", "proxy_upstream": ""}
