"""Numbers as a table, for filling databases by SQL alone."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.store.database import is_sqlite

_AT_ONCE = 50_000  # in one statement: no client waits for minutes


def parts(count: int) -> Iterator[str]:
    """Yield subqueries whose only column is ``seq``; together they are 1 to ``count``."""
    for first in range(1, count + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, count)
        yield (
            f"(WITH RECURSIVE n(seq) AS (SELECT {first} UNION ALL SELECT seq + 1 FROM n WHERE seq < {last}) SELECT seq FROM n)"
            if is_sqlite()
            else f"(SELECT seq FROM seq_{first}_to_{last})"
        )
