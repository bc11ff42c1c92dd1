"""What a customer adds to an account: databases, SFTP logins, cron jobs, mail aliases.

A row with ``removing`` is no longer wanted; it stays until its server has removed the object.
"""

from __future__ import annotations

from peewee import AutoField, BigIntegerField, BooleanField, CharField, TextField

from orchestrator.models.base import BaseModel, JsonField, UtcDateTimeField


class ServiceDatabase(BaseModel):
    """A database and its one user, who has the same name."""

    id = AutoField()
    service_id = BigIntegerField()
    name = CharField(unique=True)
    password_hash = CharField()  # mysql_native_password
    removing = BooleanField(default=False)
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "service_databases"


class SftpAccount(BaseModel):
    """A login that may only exchange files."""

    id = AutoField()
    service_id = BigIntegerField()
    name = CharField(unique=True)
    password_hash = CharField()  # crypt(3); empty: keys only
    public_keys = JsonField()  # list of "type base64"
    folder = CharField()  # below the home
    removing = BooleanField(default=False)
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "sftp_accounts"


class CronJob(BaseModel):
    """A command that runs on a schedule."""

    id = AutoField()
    service_id = BigIntegerField()
    name = CharField()
    schedule = CharField()
    command = TextField()
    enabled = BooleanField(default=True)
    removing = BooleanField(default=False)
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "cron_jobs"
        indexes = ((("service_id", "name"), True),)


class MailAlias(BaseModel):
    """An address that stands for others."""

    id = AutoField()
    service_id = BigIntegerField()
    domain = CharField()
    local_part = CharField()
    destinations = JsonField()  # list of addresses
    enabled = BooleanField(default=True)
    removing = BooleanField(default=False)
    created_at = UtcDateTimeField()

    class Meta:
        """Peewee's options."""

        table_name = "mail_aliases"
        indexes = ((("domain", "local_part"), True),)
