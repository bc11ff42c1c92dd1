"""When a server is asked: at its own moment of every interval, so that not all are asked at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_GOLDEN = 0.618033988749895  # multiples of it spread as evenly as can be, whatever servers come and go
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_due(server_id: int, interval: timedelta, shift: float, last: datetime | None, now: datetime) -> bool:
    """Whether a server's moment has come since it was asked ``last``; one that was never asked is due at once.

    ``shift`` moves the moments by a share of the interval, for another kind of question to the same servers.
    """
    if last is None:
        return True
    offset = interval * ((server_id * _GOLDEN + shift) % 1.0)
    return (now - _EPOCH - offset) // interval > (last - _EPOCH - offset) // interval


def is_stale(collected_at: datetime | None, interval: timedelta, now: datetime) -> bool:
    """Whether a figure is older than two collections that should have come since, and half of one for their duration.

    Where nothing is collected by itself (an interval of 0) a day counts as one.
    """
    return collected_at is None or now - collected_at > (interval or timedelta(days=1)) * 2.5
