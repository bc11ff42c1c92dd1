"""Certificates, what is stored of them, the CA's account, and the buckets that keep us inside its limits."""

from __future__ import annotations

from peewee import AutoField, BigIntegerField, CharField, CompositeKey, IntegerField, TextField

from orchestrator.models.base import BaseModel, JsonField, UtcDateTimeField


class CertificateRow(BaseModel):
    """The certificate of one role of a service, or of a parent of vanity services."""

    id = AutoField()
    service_id = BigIntegerField(null=True)
    parent_id = IntegerField(null=True)
    role = CharField()
    state = CharField()
    before_state = CharField()
    names = JsonField()  # wanted, the indispensable one first
    misses = JsonField()  # name -> [times in a row, since]
    provisioned_at = UtcDateTimeField()
    next_check_at = UtcDateTimeField()
    fast_left = IntegerField()
    failures = IntegerField()
    tries = IntegerField()
    freeze_level = IntegerField()
    frozen_until = UtcDateTimeField(null=True)
    fingerprint = CharField()
    thaws = JsonField()  # instants
    manual = JsonField()
    serial = CharField()  # of the automatic certificate in the store, and so the next six
    issued_names = JsonField(null=True)
    not_before = UtcDateTimeField(null=True)
    not_after = UtcDateTimeField(null=True)
    renewal_id = CharField()
    window_start = UtcDateTimeField(null=True)
    window_end = UtcDateTimeField(null=True)
    renew_at = UtcDateTimeField(null=True)
    poll_at = UtcDateTimeField(null=True)
    blind_at = UtcDateTimeField(null=True)  # last order that was tried although the DNS could not be looked at
    custom_not_after = UtcDateTimeField(null=True)
    warned = CharField()  # "SERIAL:THRESHOLD" of the last warning about a custom one
    account_url = CharField()
    order_url = CharField()
    taken = JsonField(null=True)  # keys of buckets, see `plan.certificates.buckets.of_certificates`
    shared_id = IntegerField(null=True)  # of the certificate that this one shows instead of its own
    answers = JsonField(null=True)  # published in the DNS and not yet taken back: value -> operation
    operation_id = BigIntegerField(null=True)
    lease_owner = CharField(null=True)
    lease_until = UtcDateTimeField(null=True)
    version = IntegerField()
    verdict = CharField()
    error = TextField(null=True)
    updated_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "certificates"


class Material(BaseModel):
    """A certificate with its chain and its encrypted key."""

    certificate_id = IntegerField()
    kind = CharField()  # auto, previous, custom, pending
    certificate = TextField()
    chain = TextField()
    private_key = TextField()  # encrypted
    serial = CharField()
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "certificate_material"
        primary_key = CompositeKey("certificate_id", "kind")


class AuthorityRow(BaseModel):
    """A CA and our account there."""

    id = AutoField()
    directory = CharField(unique=True)
    account_url = CharField()
    account_key = TextField()  # encrypted
    next_key = TextField(null=True)  # encrypted; while it is there the CA is being told of it, and nothing is ordered
    thumbprint = CharField()
    halted = TextField(null=True)  # why nothing is ordered there until an operator has looked
    failures = IntegerField()
    open_until = UtcDateTimeField(null=True)
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "certificate_authorities"


class Bucket(BaseModel):
    """A token bucket as one instant."""

    authority_id = IntegerField()
    bucket = CharField()
    tat = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "certificate_buckets"
        primary_key = CompositeKey("authority_id", "bucket")
