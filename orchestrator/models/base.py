"""The base of all models, and the field types that mean the same on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from peewee import DatabaseProxy, Field, Model, ModelSelect, TextField

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


class WholeRows(ModelSelect):
    """A select that writes a model's list of columns out once, not in each query.

    Most queries read whole rows, and Peewee spent half of the orchestrator's time on writing such lists.
    """

    def __sql_selection__(self, ctx: Any, is_subquery: bool = False) -> Any:
        """Peewee's hook for what stands between SELECT and FROM."""
        table, own = self.model._meta, vars(self)  # Peewee's attributes have no published types
        if is_subquery or not own["_is_default"] or len(own["_returning"]) != len(table.sorted_fields):
            return super().__sql_selection__(ctx, is_subquery)
        return ctx.literal(_columns(self.model, ctx.alias_manager[table.table], ctx.state.quote or '""'))


@lru_cache(maxsize=256)
def _columns(model: type[Model], alias: str, quote: str) -> str:
    begin, end = quote[0], quote[-1]
    names = (field.column_name for field in model._meta.sorted_fields)
    return ", ".join(f"{begin}{alias}{end}.{begin}{name}{end}" for name in names)


class BaseModel(Model):
    """Binds every table to the one database of the process."""

    @classmethod
    def select(cls, *fields: Any) -> Any:
        """Return a select of whole rows, or of the fields given."""
        return super().select(*fields) if fields else WholeRows(cls, cls._meta.sorted_fields, is_default=True)

    class Meta:
        """Peewee's options."""

        database = database
        legacy_table_names = False
