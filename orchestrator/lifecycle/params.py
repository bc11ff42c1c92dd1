"""Reading an intent's parameters: every key is known, every value is checked, and the first mistake is named."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown
from orchestrator.core.states import Mode, Role


def only(params: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuse keys that the action does not know."""
    for key in params:
        if key not in allowed:
            near = difflib.get_close_matches(str(key)[:64], allowed, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(allowed) or 'no keys'}"
            raise InvalidInput(f"params.{shown(key).strip('“”')}", "is not known", hint)


def required(params: Mapping[str, Any], key: str) -> Any:
    """Return a value that must be there."""
    if params.get(key) in (None, ""):
        raise InvalidInput(key, "is missing", f"add {key} to params")
    return params[key]


def optional(params: Mapping[str, Any], key: str) -> Any:
    """Return a value, None when it is left out or empty; anything else is for its own check."""
    value = params.get(key)
    return None if isinstance(value, str) and not value else value


def mode(value: Any) -> Mode:
    """Return the layout; split is the default."""
    try:
        return Mode(value)
    except ValueError:
        raise InvalidInput("mode", f"{shown(value)} is not known", "give split, unified or vanity") from None


def roles(value: Any) -> frozenset[str]:
    """Return a set of roles from a list or a comma-separated text; all of them when nothing is given."""
    if value is None:
        return frozenset(Role)
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise InvalidInput("roles", "is no list of roles", "give some of web, mail, dns")
    found = [text.strip() if isinstance(text, str) else text for text in listed]
    for role in found:
        if role not in tuple(Role):
            raise InvalidInput("roles", f"{shown(role)} is not known", "give some of web, mail, dns")
    return frozenset(found)


def text(value: Any, field: str, limit: int) -> str:
    """Return free text: any printable characters, bounded."""
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        raise InvalidInput(field, "is no printable text", f"give up to {limit} printable characters")
    return value


def flag(value: Any, field: str) -> bool:
    """Return a yes or no."""
    if not isinstance(value, bool):
        raise InvalidInput(field, f"{shown(value)} is neither true nor false", "give true or false")
    return value


def listed(value: Any, field: str, most: int) -> list[Any]:
    """Return a list of at most this many items."""
    if not isinstance(value, list) or len(value) > most:
        raise InvalidInput(field, "is no list, or too long", f"give a list of at most {most}")
    return value


def whole(value: Any, field: str, low: int, high: int) -> int:
    """Return a whole number between two bounds."""
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,12}", str(value)) or not low <= int(value) <= high:
        raise InvalidInput(field, f"{shown(str(value))} is out of range", f"give a number from {low} to {high}")
    return int(value)


def slots(value: Any) -> int | None:
    """Return how many steps a server takes at once; "default" or nothing: what the setting server.concurrency says."""
    return None if value in (None, "", "default") else whole(value, "concurrency", 1, 64)


def capacity(value: Any) -> int:
    """Return how many services a server takes; 0 is no limit."""
    return whole(value, "capacity", 0, 10**6)
