"""When a server's collections are told to fail, and when they are told to work again."""

from __future__ import annotations

from collections.abc import Sequence

_IN_A_ROW = 2  # successes after which a server's collections count as working again
LOOKED_AT = _IN_A_ROW


def is_news_that_it_fails(has_told: bool) -> bool:
    """Whether a collection that was given up on is told: one notice, however many collections fail after it."""
    return not has_told


def is_news_that_it_works(has_told: bool, newest: Sequence[bool]) -> bool:
    """Whether a collection that succeeded is told: after a failure was, and not before the next one has succeeded too.

    ``newest`` says of the newest collections, the last one included, whether they succeeded. So a server that fails now and
    then is told once and not every other hour.
    """
    return has_told and len(newest) >= _IN_A_ROW and all(newest[:_IN_A_ROW])
