"""Who may use the HTTP API, and who has."""

from __future__ import annotations

from peewee import AutoField, BigAutoField, CharField, IntegerField

from orchestrator.models.base import BaseModel, UtcDateTimeField


class ApiToken(BaseModel):
    """A token; the secret itself is shown once and never stored."""

    id = AutoField()
    name = CharField(unique=True)
    digest = CharField(unique=True)  # SHA-256: the secret has 256 random bits, so there is nothing to guess
    scopes = CharField()  # "read,write"
    created_by = CharField()
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField()
    revoked_at = UtcDateTimeField(null=True)

    class Meta:
        """Peewee's options."""

        table_name = "api_tokens"


class AuditRow(BaseModel):
    """A request that wanted to change something, and one that was refused."""

    id = BigAutoField()
    at = UtcDateTimeField()
    token = CharField()  # its name; empty when it is not known
    method = CharField()
    path = CharField()
    status = IntegerField()

    class Meta:
        """Peewee's options."""

        table_name = "api_audit"
