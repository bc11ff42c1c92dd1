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
    challenge = CharField()  # thumbprint that it answers a CA with
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


class ParentDomain(BaseModel):
    """A provider's domain under which vanity services have a name each."""

    id = AutoField()
    name = CharField(unique=True)
    mail_server_id = IntegerField(null=True)
    mail_user = CharField()  # label of the owner of the shared mail domain on its server
    mail_domain = CharField()
    dns_mode = CharField()  # push, external
    zone_owner = CharField()  # label of the owner of the zone on the DNS servers
    group_id = IntegerField(null=True)  # whose DNS servers have the zone
    web_servers = JsonField()  # names of the servers that may be used; empty: all of the service's group
    reserved = JsonField()  # names that nobody gets, beside the built-in list
    zone_serial = BigIntegerField()
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "parent_domains"


class Orphan(BaseModel):
    """A removal step that a server still owes after its service was closed out by force."""

    id = AutoField()
    service_id = BigIntegerField()
    server_id = IntegerField()
    action = CharField()
    step = CharField()
    domain = CharField()
    username = CharField()
    generation = IntegerField()
    params = JsonField()  # the job's, as they were
    task_id = BigIntegerField(null=True)
    removed_at = UtcDateTimeField(null=True)
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "orphans"


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
