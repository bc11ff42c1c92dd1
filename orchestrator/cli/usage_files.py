"""The forms in which figures leave the program."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.cli.output import console
from orchestrator.core.errors import InvalidInput
from orchestrator.store.usage_export import COLUMNS

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes such a text for a formula


def month(text: str) -> int:
    """Return the month of what a person typed."""
    if not re.fullmatch(r"[12][0-9]{3}-(0[1-9]|1[0-2])", text):
        raise InvalidInput("--month", f"{text[:20]!r} is no month", "give one such as 2026-11")
    return int(text.replace("-", ""))


def write_csv(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as CSV (RFC 4180) with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _safe(row[name]) for name in COLUMNS})
    console.out(text.getvalue(), end="", highlight=False)


def _safe(value: Any) -> str:
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_DANGEROUS) else text


def write_json(value: Any) -> None:
    """Print a JSON document."""
    console.out(json.dumps(value, default=lambda one: one.isoformat()), highlight=False)
