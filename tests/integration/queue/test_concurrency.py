"""Several orchestrators on one database."""

from __future__ import annotations

import threading
from collections import Counter

from orchestrator.app import App
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Task
from orchestrator.store import fleet as fleet_store
from orchestrator.store.database import session
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.executors import RecordingExecutor

ORDERS = 25  # 200 are run by processes, see test_processes.py


def test_two_orchestrators_in_one_process_run_orders_once_each_within_every_limit(app: App) -> None:
    orders = ORDERS
    fleet.build()
    fleet_store.set_knob("tasks.batch_size", "10", "test")
    fleet_store.set_knob("server.concurrency", "3", "test")
    for number in range(orders):
        order(number + 1, domain=f"shop{number}.test")
    executor = RecordingExecutor(seconds=0.002)
    workers = [Bench(app, executor), Bench(app, executor)]
    most_busy: Counter[int] = Counter()

    def drive(index: int) -> None:
        worker = workers[index].worker
        with session():
            while Service.select().where(Service.status == "active").count() < orders:
                worker.pass_once()
                most_busy[index] = max(most_busy[index], worker.busy)
                worker.wait(0.02)

    threads = [threading.Thread(target=drive, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=240)
    for bench in workers:
        bench.worker.drain(5)
    assert Service.select().where(Service.status == "active").count() == orders
    assert executor.overlaps == []
    assert max(executor.most_on.values()) <= 3
    assert max(most_busy.values()) <= 10
    assert Task.select().where(Task.attempts != 1).count() == 0
    attempts = Counter(row.task_id for row in LogEntry.select(LogEntry.task_id).where(LogEntry.kind == "attempt"))
    assert set(attempts.values()) == {1}
    assert len(attempts) == Task.select().count()


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
