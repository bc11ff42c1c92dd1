"""People who use the console: accounts, what they are signed in with, what they did."""

from __future__ import annotations

from peewee import AutoField, BigAutoField, BigIntegerField, BooleanField, CharField, IntegerField, TextField

from orchestrator.models.base import BaseModel, UtcDateTimeField


class Operator(BaseModel):
    """A person's account."""

    id = AutoField()
    name = CharField(unique=True)
    role = CharField()  # a word of core.operators.Rank
    password = CharField()  # argon2id
    totp = CharField()  # the shared secret, encrypted at rest; empty: no second factor
    totp_step = BigIntegerField()  # of the last code that was taken: none is taken twice
    failures = IntegerField()  # wrong passwords in a row
    locked_until = UtcDateTimeField(null=True)
    active = BooleanField()
    created_by = CharField()
    created_at = UtcDateTimeField()
    signed_in_at = UtcDateTimeField(null=True)

    class Meta:
        """Peewee's options."""

        table_name = "operators"


class ConsoleSession(BaseModel):
    """A browser that is signed in; the secret itself is only there."""

    id = BigAutoField()
    digest = CharField(unique=True)  # SHA-256: the secret has 256 random bits, so there is nothing to guess
    operator_id = IntegerField()
    address = CharField()
    created_at = UtcDateTimeField()
    seen_at = UtcDateTimeField()
    expires_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "console_sessions"


class ConsoleAudit(BaseModel):
    """Something that a person did in the console, or that a customer did on his page; only ever appended."""

    id = BigAutoField()
    at = UtcDateTimeField()
    actor = CharField()  # "user:anna", "link:1001"
    address = CharField()
    action = CharField()
    target = CharField()
    detail = TextField()

    class Meta:
        """Peewee's options."""

        table_name = "console_audit"
