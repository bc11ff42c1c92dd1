"""Numbers that only grow."""

from __future__ import annotations

from orchestrator.models.fleet import Counter
from orchestrator.store import fleet
from orchestrator.store.database import transaction


def test_user_ids_leave_out_those_that_debian_keeps_for_itself(db: str) -> None:
    Counter.update(value=59_998).where(Counter.name == "uid").execute()
    found = [transaction(fleet.next_uid) for _ in range(3)]
    assert found == [59_999, 65_536, 65_537]
