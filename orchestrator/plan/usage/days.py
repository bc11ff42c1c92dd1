"""Days and months in the time zone in which months close. A day is YYYYMMDD, a month YYYYMM."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_FIRST_DAYS = 31  # of a server that was never collected from: its logs reach back two weeks
_MAXIMUM_DAYS = 60


def day_of(moment: datetime, zone: ZoneInfo) -> int:
    """Return the day of an aware moment."""
    return _number(moment.astimezone(zone).date())


def month_of(day: int) -> int:
    """Return the month of a day."""
    return day // 100


def period_of(month: int) -> str:
    """Return a month as billing systems read it: 2026-11."""
    return f"{month // 100:04d}-{month % 100:02d}"


def first_and_last(month: int) -> tuple[int, int]:
    """Return numbers between which every day of a month lies."""
    return month * 100 + 1, month * 100 + 31


def grown(before: int | None, now: int) -> int:
    """Return by how much a counter has grown that begins at 0 when its server is started; unknown before the first look."""
    if before is None:
        return 0
    return now - before if now >= before else now


def months_before(month: int, count: int) -> int:
    """Return the month ``count`` months earlier."""
    index = month // 100 * 12 + month % 100 - 1 - count
    return index // 12 * 100 + index % 12 + 1


def days_before(day: int, count: int) -> int:
    """Return the day ``count`` days earlier."""
    return _number(_date(day) - timedelta(days=count))


def window(now: datetime, zone: ZoneInfo, through: int | None) -> list[dict[str, int]]:
    """Return the days a node is to count in, with the second (UTC) at which each begins.

    They begin a day before the last one that was told (``through``), so that nothing late is missed, and end tomorrow, for
    the node's clock may be ahead. A day is as long as its zone makes it: 23 or 25 hours when the clocks are changed.
    """
    today = now.astimezone(zone).date()
    first = today - timedelta(days=_FIRST_DAYS)
    if through is not None:
        first = max(min(_date(through), today) - timedelta(days=1), today - timedelta(days=_MAXIMUM_DAYS))
    count = (today - first).days + 2
    dates = [first + timedelta(days=number) for number in range(count)]
    return [{"day": _number(one), "start": _start(one, zone)} for one in dates]


def _start(one: date, zone: ZoneInfo) -> int:
    return int(datetime(one.year, one.month, one.day, tzinfo=zone).timestamp())


def _number(one: date) -> int:
    return one.year * 10_000 + one.month * 100 + one.day


def _date(day: int) -> date:
    return date(day // 10_000, day // 100 % 100, day % 100)
