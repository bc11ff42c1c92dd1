"""What services use: raw figures, counters, what is derived from them, and history."""

from __future__ import annotations

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField

from orchestrator.models.base import BaseModel, JsonField, UtcDateTimeField


class UsageFigure(BaseModel):
    """The last believed value of a metric on one server."""

    service_id = BigIntegerField()
    metric = CharField()
    server_id = IntegerField()
    value = BigIntegerField()
    collected_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "usage_figures"
        primary_key = CompositeKey("service_id", "metric", "server_id")


class UsageDay(BaseModel):
    """A counter of one day on one server; its value is base + last."""

    service_id = BigIntegerField()
    day = IntegerField()  # YYYYMMDD
    metric = CharField()
    server_id = IntegerField()
    base = BigIntegerField()  # what it had reached before it was begun anew
    last = BigIntegerField()  # what the server said last

    class Meta:
        """Peewee's options."""

        table_name = "usage_days"
        primary_key = CompositeKey("service_id", "day", "metric", "server_id")


class UsageMailbox(BaseModel):
    """What a mailbox holds."""

    service_id = BigIntegerField()
    address = CharField()
    bytes = BigIntegerField()
    messages = BigIntegerField()
    collected_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "usage_mailboxes"
        primary_key = CompositeKey("service_id", "address")


class UsageCurrent(BaseModel):
    """What v_usage shows: figures that are true now, and counters of a month."""

    service_id = BigIntegerField()
    metric = CharField()
    value = BigIntegerField()
    unit = CharField()  # bytes, count, messages
    period = CharField()  # snapshot, or a month as 2026-11
    collected_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "usage_current"
        primary_key = CompositeKey("service_id", "metric", "period")


class UsageHistory(BaseModel):
    """The figures of a service on one day: the last ones of that day, and what its counters grew by."""

    service_id = BigIntegerField()
    day = IntegerField()
    figures = JsonField()  # {metric: value}

    class Meta:
        """Peewee's options."""

        table_name = "usage_history"
        primary_key = CompositeKey("service_id", "day")


class UsageMonth(BaseModel):
    """What is left of the days of a month whose retention is over."""

    service_id = BigIntegerField()
    month = IntegerField()  # YYYYMM
    figures = JsonField()

    class Meta:
        """Peewee's options."""

        table_name = "usage_months"
        primary_key = CompositeKey("service_id", "month")


class UsageTotal(BaseModel):
    """Sums over the services of a scope on one day."""

    scope = CharField()  # all, server, package, group
    scope_id = IntegerField()  # 0 of all
    day = IntegerField()
    figures = JsonField()

    class Meta:
        """Peewee's options."""

        table_name = "usage_totals"
        primary_key = CompositeKey("scope", "scope_id", "day")


class UsageCollection(BaseModel):
    """How the last collection of a role on a server went."""

    server_id = IntegerField()
    role = CharField()
    collected_at = UtcDateTimeField(null=True)  # of the last complete one
    through = IntegerField(null=True)  # the last day that was told
    problems = JsonField()  # list of sentences: what was not believed
    queries = BigIntegerField(null=True)  # what a DNS server's counter had reached

    class Meta:
        """Peewee's options."""

        table_name = "usage_collections"
        primary_key = CompositeKey("server_id", "role")


class UsageRequest(BaseModel):
    """When a server was last asked by the schedule."""

    server_id = IntegerField()
    action = CharField()
    requested_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "usage_requests"
        primary_key = CompositeKey("server_id", "action")


class UsageAlert(BaseModel):
    """A limit that is near (1) or exceeded (2), and has been told."""

    service_id = BigIntegerField()
    subject = CharField()  # a metric, or mailbox:ADDRESS
    level = IntegerField()
    raised_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "usage_alerts"
        primary_key = CompositeKey("service_id", "subject")


class ServerStatusRow(BaseModel):
    """How a server was when it was last looked at."""

    server_id = IntegerField(primary_key=True)
    collected_at = UtcDateTimeField()
    status = JsonField()

    class Meta:
        """Peewee's options."""

        table_name = "server_status"
