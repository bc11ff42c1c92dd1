"""Notices on their way out: deliveries of the outbox's rows, and the tickets they led to."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, IntegerField, TextField

from orchestrator.models.base import BaseModel, UtcDateTimeField


class Delivery(BaseModel):
    """A notice on one way out: a ticket, a mail to one address, a webhook."""

    id = BigAutoField()
    outbox_id = BigIntegerField()
    subject_key = CharField()
    channel = CharField()  # ticket, email, webhook
    target = CharField()  # the address of a mail, otherwise empty
    state = CharField()  # pending, sent, dropped, given_up
    attempts = IntegerField()
    created_at = UtcDateTimeField()
    run_after = UtcDateTimeField()
    lease_until = UtcDateTimeField(null=True)
    lease_token = CharField(null=True)
    ended_at = UtcDateTimeField(null=True)
    error = TextField(null=True)

    class Meta:
        """Peewee's options."""

        table_name = "deliveries"


class TicketRow(BaseModel):
    """Which ticket belongs to a subject. Written before a ticket is asked for, completed when its number is known."""

    id = BigAutoField()
    subject_key = CharField(unique=True)
    outbox_id = BigIntegerField()  # the notice that the ticket was opened with
    marker = CharField()  # stands in the ticket's title, so that one whose answer was lost is found again
    ticket_id = BigIntegerField(null=True)  # unknown as long as no answer came
    ticket_number = CharField()
    updated_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "tickets"
