"""When the end of a customer's own certificate is warned about: once for each threshold that is passed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

_DAILY = timedelta(days=1)


def threshold(not_after: datetime, days: Sequence[int], now: datetime) -> int | None:
    """Return the smallest number of days that the end is within; None when it is further away than all."""
    remaining = not_after - now
    return min((one for one in days if remaining <= timedelta(days=one)), default=None)


def next_look(not_after: datetime, days: Sequence[int], now: datetime) -> datetime:
    """Return when to look again: after a day, or at the next threshold if that comes first."""
    moments = [not_after - timedelta(days=one) for one in days]
    return min((one for one in moments if now < one < now + _DAILY), default=now + _DAILY)
