"""Drains the outbox. What goes wrong is stored with the delivery and tried again; nothing is raised into the loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from orchestrator.config.channels import Channels
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import TenantryError, Unavailable
from orchestrator.models.notice import Delivery
from orchestrator.models.task import OutboxRow
from orchestrator.notify import mail, tickets, webhook
from orchestrator.notify.whmcs import Whmcs
from orchestrator.plan import notices as rules
from orchestrator.store import fleet, notices
from orchestrator.store.database import database_now, session

logger = structlog.get_logger(__name__)

_PASS_SECONDS = 60.0


class Outbox:
    """Delivers what the queue has written; ``seconds`` is the limit of one request."""

    def __init__(self, channels: Channels, seconds: float = 20.0) -> None:
        self._channels, self._seconds = channels, seconds
        self._whmcs = Whmcs(channels, seconds)

    def drain(self) -> int:
        """Deliver what is due and return how many were; a channel that does not answer is left alone until the next pass."""
        resting: set[str] = set()
        deadline, sent = time.monotonic() + _PASS_SECONDS, 0
        self._spread()
        while time.monotonic() < deadline:
            with session():
                taken = notices.take(resting)
            if taken is None:
                break
            sent += self._attempt(*taken, rest=resting.add)
        return sent

    def _spread(self) -> None:
        with session():
            knobs, configured = fleet.knob_values(), self._channels.configured()
            while notices.spread(lambda row, contact: rules.ways(row.event, row.payload, knobs, contact, configured)):
                pass

    def _attempt(self, row: Delivery, notice: OutboxRow, rest: Callable[[str], None]) -> int:
        try:
            state = self._deliver(row, notice)
        except TenantryError as error:
            if isinstance(error, Unavailable):
                rest(row.channel)
            self._failed(row, str(error))
        except (KeyError, TypeError, ValueError) as error:  # an answer of another shape than documented
            self._failed(row, f"the answer could not be read ({type(error).__name__})")
        else:
            with session():
                notices.ended(row, state)
            return 1
        return 0

    def _deliver(self, row: Delivery, notice: OutboxRow) -> str:
        message = rules.message(notice.event, notice.payload, notice.id, notice.created_at.isoformat())
        if row.channel == "ticket":
            with session():
                knobs = fleet.knob_values()
            return tickets.deliver(self._whmcs, row.subject_key, notice.id, message, knobs)
        if row.channel == "email":
            mail.deliver(self._channels, row.target, message, utc_now(), self._seconds)
        else:
            webhook.deliver(self._channels, message, utc_now(), self._seconds)
        return "sent"

    def _failed(self, row: Delivery, error: str) -> None:
        logger.warning("notice not delivered", action="notice", channel=row.channel, delivery=row.id, error=error)
        with session():
            limit = timedelta(hours=int(fleet.knob_value("notices.give_up_hours")))
            if database_now() - row.created_at > limit:
                notices.ended(row, "given_up", error[:2000])
            else:
                notices.postpone(row, rules.pause(row.attempts), error)
