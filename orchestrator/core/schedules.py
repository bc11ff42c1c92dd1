"""When a cron job runs: five fields as crontab(5) has them, in numbers, or one of four words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core.errors import InvalidInput
from orchestrator.core.names import shown

WORDS = ("@hourly", "@daily", "@weekly", "@monthly")
MAXIMUM = 120  # characters
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?P<first>\*|[0-9a-z]{1,3})(?:-(?P<last>[0-9a-z]{1,3}))?(?:/(?P<step>[0-9]{1,2}))?")
_LONGEST = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}  # days of a month


@dataclass(frozen=True, kw_only=True)
class _Field:
    """One of the five fields: its bounds, and names that stand for numbers."""

    name: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)

    def number(self, text: str, source: str) -> int:
        """Return a value of this field."""
        if text in self.names:
            return self.names[text]
        if not text.isdigit() or not self.low <= int(text) <= self.high:
            raise _refused(f"{self.name} {shown(text)} in {shown(source)}", f"use {self.low} to {self.high}")
        return int(text)


_FIELDS = (
    _Field(name="minute", low=0, high=59),
    _Field(name="hour", low=0, high=23),
    _Field(name="day of the month", low=1, high=31),
    _Field(name="month", low=1, high=12, names={name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field(name="day of the week", low=0, high=7, names={name: number for number, name in enumerate(_DAYS)}),
)


def _refused(what: str, remedy: str) -> InvalidInput:
    return InvalidInput("schedule", f"{what} is not usable", remedy)


def schedule(value: object) -> str:
    """Return a schedule in canonical form: single spaces, names as numbers. InvalidInput names the field that is wrong."""
    text = value.lower().strip(" ") if isinstance(value, str) else ""
    if text in WORDS:
        return text
    parts = text.split()
    if not text.isascii() or len(text) > MAXIMUM or len(parts) != len(_FIELDS) or not text.isprintable():
        raise _refused(shown(value), f"give five fields such as 0 3 * * *, or one of {', '.join(WORDS)}")
    canonical = [_list(one, part) for one, part in zip(_FIELDS, parts, strict=True)]
    _require_a_day(canonical)
    return " ".join(canonical)


def _list(one: _Field, source: str) -> str:
    return ",".join(_part(one, part, source) for part in source.split(","))


def _part(one: _Field, part: str, source: str) -> str:
    """Return one item of a list: a number, a range, or all, each with a step."""
    found = _PART.fullmatch(part)
    if not found or (found["first"] == "*" and found["last"]):
        raise _refused(f"{one.name} {shown(source)}", "use numbers, ranges such as 1-5, lists and steps such as */10")
    step = found["step"]
    if step is not None and not 1 <= int(step) <= one.high:
        raise _refused(f"{one.name} with the step {step}", f"use a step from 1 to {one.high}")
    if step is not None and found["first"] != "*" and not found["last"]:
        raise _refused(f"{one.name} {shown(part)}", "give a step to a range or to *")
    return _range(one, found["first"], found["last"], source) + (f"/{int(step)}" if step else "")


def _range(one: _Field, first: str, last: str | None, source: str) -> str:
    if first == "*":
        return "*"
    low = one.number(first, source)
    if last is None:
        return str(low)
    high = one.number(last, source)
    if high < low:
        raise _refused(f"{one.name} {shown(f'{first}-{last}')}", "begin a range with its smaller number")
    return f"{low}-{high}"


def _require_a_day(fields: Sequence[str]) -> None:
    """Refuse a day that no month has; with a day of the week as well, either is enough (crontab(5))."""
    days, months, weekday = fields[2:]
    if not weekday.startswith("*"):
        return
    longest = max(_LONGEST[month] for month in _numbers(months, 1, 12))
    if min(_numbers(days, 1, 31)) > longest:
        raise _refused(f"day {days} of month {months}", "it never comes; choose another day")


def _numbers(text: str, low: int, high: int) -> set[int]:
    """Return what a checked field stands for."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (int(first), int(last or first))
        found |= set(range(begin, end + 1, int(step or 1)))
    return found
