"""Failure tickets: one for each failed operation, whatever the ticket system answers.

What is about to be opened is written down first, with a marker that stands in the ticket's title. When the answer is lost,
the next attempt looks for the marker before it opens anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.models.notice import TicketRow
from orchestrator.notify.whmcs import Whmcs, notes_of
from orchestrator.plan.notices import RECOVERED, Message, reference
from orchestrator.store import notices
from orchestrator.store.database import session

_NAME = "Tenantry"


def deliver(whmcs: Whmcs, subject_key: str, outbox_id: int, message: Message, knobs: Mapping[str, Any]) -> str:
    """Open a ticket or add a note to it; returns ``sent``, or ``dropped`` when there is no ticket that a success could end.

    Raises Unavailable or Refused; trying again is harmless.
    """
    row = _found_again(whmcs, subject_key)
    if row is not None and row.ticket_id is not None:
        if row.outbox_id == outbox_id:
            return "sent"  # an earlier attempt has opened it
        ticket = whmcs.ticket(row.ticket_id)
        if ticket is not None and str(ticket.get("status", "")).casefold() != "closed":
            _note(whmcs, row.ticket_id, ticket, message)
            return "sent"
    if message.event == RECOVERED:
        return "dropped"
    _open(whmcs, row, subject_key, outbox_id, message, knobs)
    return "sent"


def _found_again(whmcs: Whmcs, subject_key: str) -> TicketRow | None:
    """Return what is known of the ticket; one whose answer was lost is looked for."""
    with session():
        row = notices.ticket(subject_key)
    if row is None or row.ticket_id is not None:
        return row
    found = whmcs.search(row.marker)
    if found is None:
        return row
    with session():
        notices.ticket_opened(subject_key, *found)
        return notices.ticket(subject_key)


def _note(whmcs: Whmcs, ticket_id: int, ticket: dict[str, Any], message: Message) -> None:
    if any(message.reference in text for text in notes_of(ticket)):
        return  # the answer to an earlier attempt was lost
    whmcs.call("AddTicketNote", ticketid=ticket_id, message=_text(message), markdown="false")


def _open(
    whmcs: Whmcs, row: TicketRow | None, subject_key: str, outbox_id: int, message: Message, knobs: Mapping[str, Any]
) -> None:
    department = whmcs.department(str(knobs["tickets.department"]))
    marker = row.marker if row is not None and row.ticket_id is None else reference(f"ticket:{message.reference}")
    with session():
        notices.ticket_begun(subject_key, outbox_id, marker)
    answer = whmcs.call(
        "OpenTicket",
        deptid=department,
        name=_NAME,
        email=knobs["tickets.email"],
        subject=f"{message.title} [{marker}]",
        message=_text(message),
        priority=knobs["tickets.priority"],
        noemail="true",
        markdown="false",
        preventClientClosure="true",
    )
    with session():
        notices.ticket_opened(subject_key, int(answer["id"]), str(answer.get("tid", "")))


def _text(message: Message) -> str:
    return f"{message.text}\n\nReference {message.reference}"
