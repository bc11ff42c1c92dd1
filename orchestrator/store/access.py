"""Tokens of the HTTP API and the audit of what was done with them."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from peewee import IntegrityError

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, InvalidInput, NotFound
from orchestrator.models.access import ApiToken, AuditRow
from orchestrator.store.database import transaction

SCOPES = ("read", "write", "monitor", "link")
_PREFIX = "tnt_"


def add(name: str, scopes: list[str], days: int, actor: str, now: datetime) -> str:
    """Create a token that ends after ``days`` and return its secret, which is shown this once."""
    if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,47}", name):
        raise InvalidInput("name", "may hold a to z, 0 to 9, - and _", "give at most 48 of them")
    if not scopes or set(scopes) - set(SCOPES):
        raise InvalidInput("scope", f"{','.join(scopes)!r} is not known", f"give some of {', '.join(SCOPES)}")
    secret = _PREFIX + secrets.token_urlsafe(32)
    values = {"name": name, "digest": _digest(secret), "scopes": ",".join(sorted(set(scopes))), "created_by": actor}
    try:
        transaction(lambda: ApiToken.create(**values, created_at=now, expires_at=now + timedelta(days=days)))
    except IntegrityError:
        raise Conflict(f"there is a token {name} already; revoke it or take another name") from None
    return secret


def find(secret: str, now: datetime) -> ApiToken | None:
    """Return the token of a secret unless it is unknown, revoked or expired."""
    row: ApiToken | None = ApiToken.get_or_none(ApiToken.digest == _digest(secret))
    return row if row is not None and row.revoked_at is None and row.expires_at > now else None


def revoke(name: str) -> None:
    """End a token now; its name is free again."""

    def work() -> int:
        return int(ApiToken.delete().where(ApiToken.name == name).execute())

    if not transaction(work):
        raise NotFound("name", f"there is no token {name[:64]!r}", "see `tenantry token list`")


def listing() -> list[ApiToken]:
    """Return all tokens by name."""
    return list(ApiToken.select().order_by(ApiToken.name))


def audit(token: str, method: str, path: str, status: int) -> None:
    """Write down what was asked for and how it was answered."""
    values = {"token": token, "method": method[:8], "path": path[:200], "status": status}
    transaction(lambda: AuditRow.create(**values, at=utc_now()))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
