"""What a step reported, checked: a strict shape with bounds, because a node wrote parts of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from orchestrator.core.records import Json
from orchestrator.execute.text import sentence

ACTION = "tenantry.hosting.report"
_KEYS = frozenset({"changed", "facts", "usage", "warnings"})
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,254}")
_DEPTH, _NODES, _CHARACTERS = 8, 50_000, 1_000_000  # of facts and usage each
_TEXT, _WARNINGS = 16_384, 50
_NUMBER = 2**63


class BadReport(ValueError):
    """The report is not what a step may say."""


@dataclass(frozen=True)
class Report:
    """The result of a step."""

    changed: bool
    facts: Json
    usage: Json
    warnings: tuple[str, ...]


def parse(value: Any) -> Report:
    """Return the report; BadReport says what is wrong with it, without quoting it."""
    if not isinstance(value, dict) or set(value) != _KEYS:
        raise BadReport("the report does not have the keys changed, facts, usage and warnings")
    if not isinstance(value["changed"], bool):
        raise BadReport("changed is neither true nor false")
    return Report(
        changed=value["changed"],
        facts=_mapping(value["facts"], "facts"),
        usage=_mapping(value["usage"], "usage"),
        warnings=_warnings(value["warnings"]),
    )


def _warnings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise BadReport("warnings is no list of texts")
    return tuple(sentence(line, 300) for line in value[:_WARNINGS])


def _mapping(value: Any, part: str) -> Json:
    if not isinstance(value, dict):
        raise BadReport(f"{part} is no object")
    nodes = characters = 0
    rest: list[tuple[Any, int]] = [(value, 1)]
    while rest:
        item, depth = rest.pop()
        nodes += 1
        characters += len(item) if isinstance(item, str) else 0
        if depth > _DEPTH or nodes > _NODES or characters > _CHARACTERS:
            raise BadReport(f"{part} is too large or nested too deep")
        if isinstance(item, dict):
            _check_names(item, part)
            rest.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list):
            rest.extend((inner, depth + 1) for inner in item)
        else:
            _check_leaf(item, part)
    return value


def _check_names(item: dict[Any, Any], part: str) -> None:
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in item):
        raise BadReport(f"{part} has a key that is no plain name")


def _check_leaf(item: Any, part: str) -> None:
    if item is None or isinstance(item, bool):
        return
    if isinstance(item, str) and len(item) <= _TEXT:
        return
    if isinstance(item, int) and abs(item) < _NUMBER:
        return
    if isinstance(item, float) and math.isfinite(item):
        return
    raise BadReport(f"{part} has a value that is no bounded text, number, yes/no or null")
