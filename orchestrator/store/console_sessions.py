"""Who is signed in to the console: made at sign-in, ended by sign-out, by rest and by age."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.core.operators import Rank
from orchestrator.models.operator import ConsoleSession, Operator
from orchestrator.store.database import transaction
from orchestrator.store.fleet import knob_value

_TOUCH = timedelta(
    minutes=1
)  # a click within it is not written down: pages that look by themselves would write all the time


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who asks, and as what."""

    name: str
    rank: Rank

    @property
    def actor(self) -> str:
        """The name in audit trails."""
        return f"user:{self.name}"


def begin(operator: Operator, address: str, before: str, now: datetime) -> str:
    """Sign an account in and return the browser's secret, which is new each time; the session ``before`` ends."""
    secret = secrets.token_urlsafe(32)
    until = now + timedelta(hours=int(knob_value("console.session_hours")))

    def work() -> None:
        ConsoleSession.delete().where(ConsoleSession.digest == _digest(before)).execute()
        ConsoleSession.delete().where(ConsoleSession.expires_at < now).execute()
        moments = {"created_at": now, "seen_at": now, "expires_at": until}
        ConsoleSession.create(digest=_digest(secret), operator_id=operator.id, address=address[:45], **moments)

    transaction(work)
    return secret


def find(secret: str, now: datetime, is_person: bool) -> Person | None:
    """Return who holds a secret; None when the session is unknown, has rested too long or is too old.

    ``is_person`` is False for what a page asks by itself: that keeps nobody signed in.
    """
    row: ConsoleSession | None = ConsoleSession.get_or_none(ConsoleSession.digest == _digest(secret))
    idle = timedelta(minutes=int(knob_value("console.idle_minutes")))
    if row is None or row.expires_at <= now or row.seen_at + idle <= now:
        return None
    account: Operator | None = Operator.get_or_none((Operator.id == row.operator_id) & Operator.active)
    if account is None:
        return None
    if is_person and now - row.seen_at > _TOUCH:
        number = row.id
        transaction(lambda: ConsoleSession.update(seen_at=now).where(ConsoleSession.id == number).execute())
    return Person(name=account.name, rank=Rank(account.role))


def end(secret: str) -> None:
    """Sign out."""
    transaction(lambda: ConsoleSession.delete().where(ConsoleSession.digest == _digest(secret)).execute())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
