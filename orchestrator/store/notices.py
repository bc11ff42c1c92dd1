"""The outbox's way out: spreading notices over channels, taking one to deliver, and how that ended."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict, NotFound
from orchestrator.models.notice import Delivery, TicketRow
from orchestrator.models.service import Service
from orchestrator.models.task import OutboxRow
from orchestrator.store.database import database_now, locked, transaction

Ways = Callable[[OutboxRow, str], list[tuple[str, str]]]
_LEASE_SECONDS = 180  # longer than a delivery may take with all its requests
_BATCH = 100
STATES = ("pending", "sent", "dropped", "given_up")


def write(event: str, subject_key: str, payload: dict[str, Any]) -> None:
    """Write a notice into the outbox inside the caller's transaction."""
    now = utc_now()
    OutboxRow.create(event=event, subject_key=subject_key, payload=payload, created_at=now, run_after=now, attempts=0)


def spread(ways: Ways) -> int:
    """Write the deliveries of notices that have none yet; returns how many notices were looked at.

    ``ways`` gets the notice and the customer's address and returns (channel, target) of each delivery.
    """

    def work() -> int:
        rows = list(
            locked(OutboxRow.select().where(OutboxRow.spread_at.is_null()).order_by(OutboxRow.id).limit(_BATCH))
        )
        for row in rows:
            _spread(row, ways(row, _contact(row)))
        return len(rows)

    waiting = OutboxRow.select(OutboxRow.id).where(OutboxRow.spread_at.is_null())
    return transaction(work) if waiting.exists() else 0


def _spread(row: OutboxRow, ways: list[tuple[str, str]]) -> None:
    now = database_now()
    for channel, target in ways:
        values = {"outbox_id": row.id, "subject_key": row.subject_key, "channel": channel, "target": target}
        Delivery.create(**values, state="pending", attempts=0, created_at=now, run_after=now)
    OutboxRow.update(spread_at=now, delivered_at=None if ways else now).where(OutboxRow.id == row.id).execute()


def _contact(row: OutboxRow) -> str:
    service: Service | None = Service.get_or_none(Service.id == row.payload.get("service"))
    return str(service.contact_email) if service else ""


def take(without: Collection[str] = ()) -> tuple[Delivery, OutboxRow] | None:
    """Take the next due delivery, or None; it stays the caller's for three minutes.

    Deliveries about one subject on one way out go in order: a later one waits for the earlier ones.
    """
    now = database_now()
    for found in _due(now, without):
        token = secrets.token_hex(16)
        free = Delivery.lease_until.is_null() | (Delivery.lease_until < now)
        taken = Delivery.update(
            lease_token=token, lease_until=now + timedelta(seconds=_LEASE_SECONDS), attempts=found.attempts + 1
        ).where(
            (Delivery.id == found.id) & (Delivery.state == "pending") & free & (Delivery.attempts == found.attempts)
        )
        if transaction(taken.execute):
            row = Delivery.get_by_id(found.id)
            return row, OutboxRow.get_by_id(row.outbox_id)
    return None


def _due(now: datetime, without: Collection[str]) -> list[Delivery]:
    earlier = Delivery.alias()
    before = earlier.select(earlier.id).where(
        (earlier.state == "pending")
        & (earlier.channel == Delivery.channel)
        & (earlier.target == Delivery.target)
        & (earlier.subject_key == Delivery.subject_key)
        & (earlier.id < Delivery.id)
    )
    free = Delivery.lease_until.is_null() | (Delivery.lease_until < now)
    wanted = (Delivery.state == "pending") & (Delivery.run_after <= now) & free & ~fn.EXISTS(before)
    if without:
        wanted &= Delivery.channel.not_in(list(without))
    return list(Delivery.select().where(wanted).order_by(Delivery.run_after, Delivery.id).limit(20))


def ended(row: Delivery, state: str, error: str | None = None) -> bool:
    """Store that a delivery is over: sent, dropped or given_up; False when it is no longer the caller's."""

    def work() -> bool:
        locked(OutboxRow.select().where(OutboxRow.id == row.outbox_id)).first()
        values = {"state": state, "ended_at": database_now(), "error": error, "lease_until": None, "lease_token": None}
        if not Delivery.update(**values).where(_held(row)).execute():
            return False
        pending = Delivery.select().where((Delivery.outbox_id == row.outbox_id) & (Delivery.state == "pending"))
        if not pending.exists():
            OutboxRow.update(delivered_at=database_now()).where(OutboxRow.id == row.outbox_id).execute()
        return True

    return transaction(work)


def postpone(row: Delivery, pause: timedelta, error: str) -> bool:
    """Store that an attempt failed and when the next one is due; False when it is no longer the caller's."""
    values = {"run_after": database_now() + pause, "error": error[:2000], "lease_until": None, "lease_token": None}
    return bool(transaction(lambda: Delivery.update(**values).where(_held(row)).execute()))


def _held(row: Delivery) -> object:
    return (Delivery.id == row.id) & (Delivery.lease_token == row.lease_token) & (Delivery.state == "pending")


def has_told(event: str, subject_key: str) -> bool:
    """True when such a notice about the subject was written after the last one of its recovery."""
    about = OutboxRow.select().where(OutboxRow.subject_key == subject_key).order_by(OutboxRow.id.desc()).first()
    return about is not None and about.event == event


def ticket(subject_key: str) -> TicketRow | None:
    """Return what is known of a subject's ticket."""
    found: TicketRow | None = TicketRow.get_or_none(TicketRow.subject_key == subject_key)
    return found


def ticket_begun(subject_key: str, outbox_id: int, marker: str) -> None:
    """Store that a ticket is about to be asked for, in place of an earlier one of the subject."""

    def work() -> None:
        TicketRow.delete().where(TicketRow.subject_key == subject_key).execute()
        values = {"subject_key": subject_key, "outbox_id": outbox_id, "marker": marker, "ticket_number": ""}
        TicketRow.create(**values, updated_at=utc_now())

    transaction(work)


def ticket_opened(subject_key: str, ticket_id: int, number: str) -> None:
    """Store which ticket it became."""
    values = {"ticket_id": ticket_id, "ticket_number": number[:32], "updated_at": utc_now()}
    transaction(lambda: TicketRow.update(**values).where(TicketRow.subject_key == subject_key).execute())


def undelivered() -> tuple[int, int]:
    """Return (failing, given up): deliveries that wait for another attempt, and those nobody tries any more."""
    failing = Delivery.select().where((Delivery.state == "pending") & (Delivery.attempts > 0)).count()
    return int(failing), int(Delivery.select().where(Delivery.state == "given_up").count())


def listing(state: str, limit: int) -> list[Any]:
    """Return deliveries with their ``event``, the newest first."""
    query: Any = Delivery.select(Delivery, OutboxRow.event).join(OutboxRow, on=(OutboxRow.id == Delivery.outbox_id))
    chosen = query.where(Delivery.state == state) if state else query
    return list(chosen.order_by(Delivery.id.desc()).limit(limit).objects())


def retry(delivery_id: int | None) -> int:
    """Make a delivery due now, or all that were given up; returns how many.

    NotFound when there is none, Conflict for one that is over or is being delivered at this moment.
    """

    def work() -> int:
        chosen = Delivery.state == "given_up" if delivery_id is None else Delivery.id == delivery_id
        rows = list(locked(Delivery.select().where(chosen)))
        if delivery_id is not None and not rows:
            raise NotFound("notice", f"there is no delivery {delivery_id}", "see `tenantry notice list`")
        now = database_now()
        for row in rows:
            _make_due(row, now)
        return len(rows)

    return transaction(work)


def _make_due(row: Delivery, now: datetime) -> None:
    if row.state in ("sent", "dropped"):
        raise Conflict(f"notice {row.id} is {row.state}; there is nothing to try again")
    if row.lease_until is not None and row.lease_until >= now:
        raise Conflict(f"notice {row.id} is being delivered; see `tenantry notice list`")
    # Its time to be given up begins anew, and the outbox's row is not over any more.
    Delivery.update(state="pending", run_after=now, created_at=now, ended_at=None).where(
        Delivery.id == row.id
    ).execute()
    OutboxRow.update(delivered_at=None).where(OutboxRow.id == row.outbox_id).execute()
