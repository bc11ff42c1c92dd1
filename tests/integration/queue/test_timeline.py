"""An operation that is watched."""

from __future__ import annotations

import pytest

from orchestrator.cli import progress
from orchestrator.models.service import Service
from orchestrator.store import timeline
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench


def test_what_ended_between_two_looks_is_in_the_last_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.build()
    order(roles=["web"])
    bench.settle(until=lambda: Service.select().exists())
    operation = Service.get_by_id(1001).operation_id
    ask = timeline.can_move

    def ends_meanwhile(number: int) -> bool:
        bench.settle()
        return ask(number)

    monkeypatch.setattr(timeline, "can_move", ends_meanwhile)
    assert progress.watch_operation(operation) == 0
    assert "done      Finish (service.status_active)" in capsys.readouterr().out
