"""Servers, the groups a product may be placed in, and packages."""

from __future__ import annotations

from peewee import AutoField, BigIntegerField, BooleanField, CharField, CompositeKey, IntegerField, TextField

from orchestrator.models.base import BaseModel, JsonField, UtcDateTimeField


class Server(BaseModel):
    """A managed node."""

    id = AutoField()
    name = CharField(unique=True)
    address = CharField()  # where SSH reaches it
    port = IntegerField()
    login = CharField()
    hostname = CharField()  # what the world calls it; empty when it has no public name
    ipv4 = CharField()
    ipv6 = CharField()
    roles = CharField()  # "web,mail"
    status = CharField()
    concurrency = IntegerField(null=True)  # None: the knob server.concurrency
    capacity = IntegerField()  # services it should hold at most; 0 is no limit
    host_keys = TextField()  # one "type base64" a line, pinned when the server was added
    failures = IntegerField()  # unreachable attempts in a row
    circuit_until = UtcDateTimeField(null=True)
    last_seen_at = UtcDateTimeField(null=True)
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "servers"

    def role_set(self) -> frozenset[str]:
        """Return the roles as a set."""
        return frozenset(filter(None, self.roles.split(",")))


class ServerGroup(BaseModel):
    """Where a product may be placed; its DNS servers are active-active."""

    id = AutoField()
    name = CharField(unique=True)
    settings = JsonField()
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "server_groups"


class GroupMember(BaseModel):
    """A server of a group; a server may serve several."""

    group_id = IntegerField()
    server_id = IntegerField()

    class Meta:
        """Peewee's options."""

        table_name = "group_members"
        primary_key = CompositeKey("group_id", "server_id")


class Package(BaseModel):
    """Limits that a product gives its services."""

    id = AutoField()
    name = CharField(unique=True)
    limits = JsonField()
    active = BooleanField()
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "packages"


class Counter(BaseModel):
    """A number that only grows: fencing tokens, UNIX user ids."""

    name = CharField(primary_key=True)
    value = BigIntegerField()

    class Meta:
        """Peewee's options."""

        table_name = "counters"


class Setting(BaseModel):
    """A knob that an operator has turned."""

    name = CharField(primary_key=True)
    value = CharField()
    changed_by = CharField()
    changed_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "settings"
