"""A customer's account and what belongs to it."""

from __future__ import annotations

from peewee import AutoField, BigIntegerField, BooleanField, CharField, CompositeKey, IntegerField, TextField

from orchestrator.models.base import BaseModel, JsonField, UtcDateTimeField


class Service(BaseModel):
    """One account; the id is the billing system's own."""

    id = BigIntegerField(primary_key=True)
    domain = CharField()
    status = CharField()
    mode = CharField()
    roles = CharField()  # "web,mail,dns"
    group_id = IntegerField()
    package_id = IntegerField()
    limits = JsonField()  # resolved when ordered
    username = CharField()
    uid = IntegerField()
    password_hash = CharField()  # bcrypt; the secret itself is never stored
    contact_email = CharField()
    php_version = CharField()
    proxy_template = CharField()
    proxy_upstream = CharField()
    dkim_selector = CharField()
    dkim_public_key = TextField()
    zone_serial = BigIntegerField()
    zone_digest = CharField()  # of the record set that carries zone_serial
    generation = IntegerField()  # of the newest intent
    operation_id = BigIntegerField(null=True)  # of the newest intent
    error = TextField(null=True)
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()
    desired = CharField()  # active, suspended or terminated: where the newest intent leads
    held = BooleanField()  # a mark of suspension may lie on its servers
    withdrawn = BooleanField()  # and its zone may not be served
    deployed = BooleanField()  # the whole chain has run since the last change of its shape
    suspend_reason = CharField()
    suspended_at = UtcDateTimeField(null=True)
    terminate_at = UtcDateTimeField(null=True)  # of a pending termination
    former_domains = JsonField(null=True)  # names it had before, still to be removed from its servers
    parent_id = IntegerField(null=True)  # vanity: under which parent domain
    vanity_name = CharField()
    reset_code = CharField()  # the answer that confirms a factory reset
    reset_until = UtcDateTimeField(null=True)
    web_held_for = CharField()  # limits that its web account is suspended for: "bandwidth,web_disk"
    https_redirect = BooleanField()  # effective while there is a valid certificate

    class Meta:
        """Peewee's options."""

        table_name = "services"

    @property
    def owner(self) -> str:
        """The label that marks everything of this service on the nodes."""
        return f"s{self.id}"


class Placement(BaseModel):
    """A role of a service on a server."""

    service_id = BigIntegerField()
    role = CharField()
    server_id = IntegerField()

    class Meta:
        """Peewee's options."""

        table_name = "placements"
        primary_key = CompositeKey("service_id", "role", "server_id")


class DomainName(BaseModel):
    """A name that a service answers to; a name has one owner on the whole platform."""

    name = CharField(primary_key=True)
    service_id = BigIntegerField()
    kind = CharField()  # primary, alias, former
    removing = BooleanField(default=False)  # no longer wanted; stays until every server has removed it

    class Meta:
        """Peewee's options."""

        table_name = "domain_names"


class Mailbox(BaseModel):
    """A mailbox of a service."""

    id = AutoField()
    service_id = BigIntegerField()
    domain = CharField()
    local_part = CharField()
    password_hash = CharField()
    quota_mb = IntegerField()
    display_name = CharField()
    enabled = BooleanField()
    created_at = UtcDateTimeField()
    removing = BooleanField(default=False)

    class Meta:
        """Peewee's options."""

        table_name = "mailboxes"
        indexes = ((("domain", "local_part"), True),)


class DnsRecord(BaseModel):
    """An RRset that a customer has set; the default records are computed."""

    id = AutoField()
    service_id = BigIntegerField()
    name = CharField()  # absolute, with the trailing dot
    type = CharField()
    ttl = IntegerField()
    contents = JsonField()  # list of strings
    removing = BooleanField(default=False)

    class Meta:
        """Peewee's options."""

        table_name = "dns_records"
        indexes = ((("name", "type"), True),)
