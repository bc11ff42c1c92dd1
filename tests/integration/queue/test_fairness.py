"""Fairness between services. Several orchestrators on one database: see test_processes.py."""

from __future__ import annotations

import threading

import pytest

from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Task
from orchestrator.store import fleet as fleets
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench


def test_one_services_flood_does_not_starve_another(bench: Bench) -> None:
    fleet.build()
    order(1, domain="flood.test")
    bench.settle()
    rows = [
        {
            "action": "web.user_present",
            "service_id": 1,
            "server_id": 1,
            "operation_id": 1,
            "step": f"f{n}",
            "generation": 1,
        }
        for n in range(2000)
    ]
    Task.insert_many(rows).execute()
    order(2, domain="small.test")
    before = len(bench.executor.requests)
    bench.settle(
        until=lambda: Service.get_or_none((Service.id == 2) & (Service.status == "active")) is not None, seconds=60
    )
    ran_for_flood = sum(one.job["service"]["id"] == 1 for one in bench.executor.requests[before:])
    assert ran_for_flood < 400


def test_of_many_orders_the_first_are_live_long_before_the_last(bench: Bench) -> None:
    fleet.build()
    fleets.set_knob("tasks.batch_size", "4", "test")
    fleets.set_knob("tasks.per_run", "2", "test")
    count = 30
    for number in range(1, count + 1):
        order(number, domain=f"shop{number}.test")
    bench.settle(seconds=60)
    steps = LogEntry.select().where((LogEntry.kind == "attempt") & LogEntry.server_id.is_null(False))
    of_first = [row.id for row in steps.clone().where(LogEntry.service_id == 1)]
    of_last = [row.id for row in steps.clone().where(LogEntry.service_id == count)]
    assert max(of_first) < min(of_last)


def test_a_wake_up_that_comes_as_the_wait_runs_out_is_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(threading.Event):
        """Is set between the end of a wait and what its caller does next."""

        def wait(self, timeout: float | None = None) -> bool:
            """Say that the time was up, and be set."""
            woken = super().wait(timeout)
            self.set()
            return woken

    monkeypatch.setattr(bench.worker, "_wake", Late())
    assert not bench.worker.wait(0)
    assert bench.worker.wait(0)
