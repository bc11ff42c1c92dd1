"""Fairness between services. Several orchestrators on one database: see test_processes.py."""

from __future__ import annotations

from orchestrator.models.service import Service
from orchestrator.models.task import Task
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
