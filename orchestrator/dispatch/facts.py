"""What a step reported becomes rows. A node's word is data: checked, bounded, and only what this step may say."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import RunResult
from orchestrator.models.task import Task
from orchestrator.plan import catalog
from orchestrator.store import certificates, fleet, orphans, services, zones

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_MAXIMUM_KEY = 1024  # base64 characters; a 4096-bit RSA key takes 736


def facts_effect(row: Task, result: RunResult) -> Callable[[], dict[str, Any]] | None:
    """Return what stores the facts of a successful step, None when it reports none that we keep."""
    if not result.outcome.is_success:
        return None
    if "orphan" in row.params:
        return lambda: _close_entry(row, result)
    if row.action == "mail.dkim_present":
        return lambda: _keep_dkim(row, result)
    if row.action == "web.challenge_present":
        return lambda: _keep_challenge(row, result)
    if row.action == "server.prepare":
        return lambda: _forget_challenge(row, result)
    if catalog.action(row.action).trial and json.loads(row.params):
        return lambda: _keep_setting(row, result)
    return None


def _keep_challenge(row: Task, result: RunResult) -> dict[str, Any]:
    """The server answers a CA now; certificates that wait for it are looked at at once."""
    thumbprint = result.facts.get("thumbprint")
    if not isinstance(thumbprint, str) or not _THUMBPRINT.fullmatch(thumbprint):
        raise InvalidInput("facts.thumbprint", "is missing or no thumbprint", "check the server")
    fleet.set_challenge(int(row.server_id or 0), thumbprint)
    certificates.wake(operation_id=int(row.operation_id or 0), now=utc_now())
    return {"outcome": str(result.outcome), "warnings": list(result.warnings)}


def _forget_challenge(row: Task, result: RunResult) -> dict[str, Any]:
    """A server that was prepared may be a new one: what it answers a CA is put there again."""
    fleet.set_challenge(int(row.server_id or 0), "")
    return {"outcome": str(result.outcome), "warnings": list(result.warnings)}


def _keep_setting(row: Task, result: RunResult) -> dict[str, Any]:
    """Keep what a client change has tried out; one that failed leaves the service with what it had."""
    given = json.loads(row.params)
    columns = {column: given[key] for key, column in catalog.action(row.action).trial.items() if key in given}
    services.update(int(row.service_id or 0), **columns)
    return {"outcome": str(result.outcome), "warnings": list(result.warnings)}


def _close_entry(row: Task, result: RunResult) -> dict[str, Any]:
    orphans.done(row.id)
    return {"outcome": str(result.outcome), "warnings": list(result.warnings)}


def _keep_dkim(row: Task, result: RunResult) -> dict[str, Any]:
    service = services.get(int(row.service_id or 0))
    key = public_key(result.facts.get("dkim"), service.domain, service.dkim_selector)
    zones.store_dkim(service.id, service.dkim_selector, key, utc_now())
    return {"outcome": str(result.outcome), "selector": service.dkim_selector}


def public_key(fact: Any, domain: str, selector: str) -> str:
    """Return the public key of a reported DKIM fact; InvalidInput when the node says anything else."""
    field, remedy = "facts.dkim", "check the mail server"
    if not isinstance(fact, dict) or (fact.get("domain"), fact.get("selector")) != (domain, selector):
        raise InvalidInput(field, "is missing or about another domain", remedy)
    key = fact.get("public_key")
    if not isinstance(key, str) or not 200 <= len(key) <= _MAXIMUM_KEY:
        raise InvalidInput(field, "has no usable public key", remedy)
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error:
        raise InvalidInput(field, "has a public key that is no base64", remedy) from None
    return key
