# SPDX-License-Identifier: Apache-2.0
"""When a cron job runs: the five fields of crontab(5) in the calendar of systemd.time(7). Pure.

Lists, ranges, steps and names are all turned into plain lists of numbers. Where both a day of the month and a day of the
week are given, cron runs on either: that takes two calendar lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown

_WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?")
_LONGEST = 200
_REMEDY = "give five fields such as 30 4 * * 1-5, or @hourly, @daily, @weekly or @monthly"


class _Field:
    """One of the five fields: its bounds and the names that stand for numbers."""

    def __init__(self, title: str, low: int, high: int, names: dict[str, int]) -> None:
        self.title = title
        self.low = low
        self.high = high
        self.names = names

    def values(self, text: str) -> list[int]:
        """Return the numbers that a field's text means, in order."""
        found: set[int] = set()
        for part in text.split(","):
            found.update(self._part(part))
        return sorted(found)

    def _part(self, text: str) -> range:
        match = _PART.fullmatch(text)
        if not match:
            raise self._wrong(text)
        start, end, step = match[1], match[2], int(match[3] or 1)
        is_all = start == "*"
        # A step needs something to step through: crontab(5) has no "5/15".
        if (is_all and end) or step < 1 or (match[3] and not (is_all or end)):
            raise self._wrong(text)
        first = self.low if is_all else self._number(start)
        last = self.high if is_all else self._number(end or start)
        if last < first:
            raise self._wrong(text)
        return range(first, last + 1, step)

    def _number(self, text: str) -> int:
        number = int(text) if text.isdigit() else self.names.get(text, -1)
        if not self.low <= number <= self.high:
            raise self._wrong(text)
        return number

    def _wrong(self, text: str) -> Exception:
        return refuse("schedule", f"{shown(text)} is no {self.title}", _REMEDY)


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, {name: number + 1 for number, name in enumerate(_MONTHS)}),
    _Field("day of the week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)


def calendar(schedule: str) -> list[str]:
    """Return the OnCalendar values of a schedule: one, or two where either of two days counts."""
    texts = _WORDS.get(schedule, schedule).lower().split(" ")
    if len(schedule) > _LONGEST or len(texts) != len(_FIELDS):
        raise refuse("schedule", f"{shown(schedule)} is no schedule", _REMEDY)
    minutes, hours, days, months, weekdays = (field.values(text) for field, text in zip(_FIELDS, texts, strict=True))
    # As in cron, what begins with a star leaves the day to the other field, a step included.
    is_either = not texts[2].startswith("*") and not texts[4].startswith("*")
    if not is_either:
        _require_some_day(schedule, days, months)
    week = "" if texts[4] == "*" else ",".join(dict.fromkeys(_DAYS[day % 7].capitalize() for day in weekdays)) + " "
    day = "*" if texts[2] == "*" else _list(days)
    month = "*" if texts[3] == "*" else _list(months)
    time = f"{'*' if texts[1] == '*' else _list(hours)}:{'*' if texts[0] == '*' else _list(minutes)}:00"
    if is_either:
        return [f"*-{month}-{day} {time}", f"{week}*-{month}-* {time}"]
    return [f"{week}*-{month}-{day} {time}"]


def _require_some_day(schedule: str, days: Sequence[int], months: Sequence[int]) -> None:
    if any(day <= _LENGTHS[month - 1] for day in days for month in months):
        return
    raise refuse("schedule", f"{shown(schedule)} never comes", "give a day that one of its months has")


def _list(numbers: Sequence[int]) -> str:
    return ",".join("%02d" % number for number in numbers)
