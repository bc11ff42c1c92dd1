"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 240  # columns for tables that a program reads
console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE)
problems = Console(stderr=True)

_COLOURS = {
    "done": "green",
    "active": "green",
    "error": "red",
    "failed": "red",
    "running": "cyan",
    "deploying": "cyan",
    "queued": "yellow",
    "waiting": "dim",
    "cancelled": "dim",
}


def show(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Print rows as a table of these columns, or all of them as a JSON array."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    table = Table(*[column.replace("_", " ") for column in columns], box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*[cell(row.get(column)) for column in columns])
    console.print(table)


def show_one(row: Mapping[str, Any], as_json: bool) -> None:
    """Print one thing, a field a line."""
    if as_json:
        print_json(dict(row))
        return
    table = Table("field", "value", box=None, pad_edge=False, show_header=False)
    for key, value in row.items():
        table.add_row(Text(key.replace("_", " "), style="bold"), cell(value))
    console.print(table)


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a JSON document, times in ISO 8601."""
    console.out(json.dumps(value, indent=indent, default=_plain, ensure_ascii=False), highlight=False)


def cell(value: Any) -> Text:
    """Return a value as people read it; never as markup."""
    if value is None or value == "":
        return Text("-", style="dim")
    if isinstance(value, datetime):
        return Text(value.strftime("%Y-%m-%d %H:%M:%S"))
    if isinstance(value, list | tuple | set | frozenset):
        return Text(", ".join(str(one) for one in value))
    text = value if isinstance(value, str) else json.dumps(value, default=_plain)
    return Text(text, style=_COLOURS.get(text, ""))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
