"""The base of all models, and the field types that mean the same on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from peewee import DatabaseProxy, Field, Model, TextField

database = DatabaseProxy()

_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


class UtcDateTimeField(Field):
    """Stored as UTC without a zone, always with microseconds so that text comparison is time order; read as aware."""

    field_type = "DATETIME"

    def db_value(self, value: datetime | None) -> str | None:
        """Return the stored form; a naive value is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC).strftime(_FORMAT)

    def python_value(self, value: Any) -> datetime | None:
        """Return an aware datetime of what either database gives back."""
        if value is None or isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value is not None else None
        text = str(value)
        return datetime.strptime(text if "." in text else f"{text}.0", _FORMAT).replace(tzinfo=UTC)


class JsonField(TextField):
    """A JSON document in a text column."""

    def db_value(self, value: Any) -> str | None:
        """Return the document as text."""
        return None if value is None else json.dumps(value, separators=(",", ":"), sort_keys=True)

    def python_value(self, value: Any) -> Any:
        """Return the parsed document."""
        return None if value is None else json.loads(value)


class BaseModel(Model):
    """Binds every table to the one database of the process."""

    class Meta:
        """Peewee's options."""

        database = database
        legacy_table_names = False
