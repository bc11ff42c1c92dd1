"""How figures and moments read on a page."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def size(value: int) -> str:
    """Return bytes in the largest unit that leaves a whole part: 1.5 GiB."""
    power = min(int(math.log(value, 1024)), len(_UNITS) - 1) if value > 0 else 0
    return f"{value / 1024**power:.1f} {_UNITS[power]}" if power else f"{value} B"


def number(value: int) -> str:
    """Return a number in groups of three: 1 234 567, with spaces that do not break."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def figure(value: int, unit: str) -> str:
    """Return a figure in its unit."""
    return size(value) if unit == "bytes" else number(value)


def span(length: timedelta) -> str:
    """Return how long: the largest unit, whole: 4 min."""
    seconds = max(int(length.total_seconds()), 0)
    for step, name in _STEPS:
        if seconds >= step:
            return f"{seconds // step} {name}"
    return "0 s"


def relative(moment: datetime, now: datetime) -> str:
    """Return a moment as a person says it: 4 min ago, in 3 d."""
    return f"in {span(moment - now)}" if moment > now else f"{span(now - moment)} ago"


def exact(moment: datetime) -> str:
    """Return a moment to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def took(begun: datetime | None, ended: datetime | None, now: datetime) -> str:
    """Return how long something took, or has taken so far."""
    if begun is None:
        return ""
    seconds = max(((ended or now) - begun).total_seconds(), 0)
    return f"{seconds:.1f} s" if seconds < 100 else span(timedelta(seconds=seconds))


def share(value: int, limit: int) -> int:
    """Return percent of a limit, whole, at most 999."""
    return min(value * 100 // limit, 999) if limit else 0
