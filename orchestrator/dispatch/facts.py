"""What a step reported becomes rows. A node's word is data: checked, bounded, and only what this step may say."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import RunResult
from orchestrator.models.task import Task
from orchestrator.store import services

_MAXIMUM_KEY = 1024  # base64 characters; a 4096-bit RSA key takes 736


def facts_effect(row: Task, result: RunResult) -> Callable[[], dict[str, Any]] | None:
    """Return what stores the facts of a successful step, None when it reports none that we keep."""
    if row.action == "mail.dkim_present" and result.outcome.is_success:
        return lambda: _keep_dkim(row, result)
    return None


def _keep_dkim(row: Task, result: RunResult) -> dict[str, Any]:
    service = services.get(int(row.service_id or 0))
    key = public_key(result.facts.get("dkim"), service.domain, service.dkim_selector)
    services.store_dkim(service.id, service.dkim_selector, key, utc_now())
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
