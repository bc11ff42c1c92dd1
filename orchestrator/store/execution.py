"""How attempts were started, added up over all orchestrators since the database was made."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.models.fleet import Counter
from orchestrator.store.database import transaction

_PREFIX = "execution."


def add(counts: Mapping[str, int]) -> None:
    """Add to the counters; one that is new begins at zero."""

    def write() -> None:
        for name, amount in sorted(counts.items()):
            Counter.insert(name=_PREFIX + name, value=0).on_conflict_ignore().execute()
            Counter.update(value=Counter.value + amount).where(Counter.name == _PREFIX + name).execute()

    transaction(write)


def totals() -> dict[str, int]:
    """Return every counter by its name."""
    rows = Counter.select().where(Counter.name.startswith(_PREFIX)).order_by(Counter.name)
    return {row.name.removeprefix(_PREFIX): int(row.value) for row in rows}
