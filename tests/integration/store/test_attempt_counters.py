"""How attempts were started: counted by each orchestrator, added up in the database, told in /metrics."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from orchestrator.scheduler import jobs
from orchestrator.store import execution, tasks
from orchestrator.web.metrics import metrics
from tests.support.bench import Bench


def test_counts_of_several_orchestrators_add_up(db: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: jobs.count_attempts(lambda: {"warm": 2, "interpreter": 1}), range(8)))
    jobs.count_attempts(Counter)
    execution.add({"interpreter_lost": 3})
    assert execution.totals() == {"interpreter": 8, "interpreter_lost": 3, "warm": 16}
    assert "# TYPE tenantry_attempts_total counter" in metrics()
    assert 'tenantry_attempts_total{way="warm"} 16' in metrics()


def test_a_new_row_is_told_from_an_old_one(bench: Bench) -> None:
    """The look that wakes the loop: cheap, and true once for each insertion."""
    bench.worker.is_new()
    assert not bench.worker.is_new()
    tasks.enqueue("server.sync_status", server_id=None)
    assert bench.worker.is_new()
    assert not bench.worker.is_new()
    tasks.enqueue("server.sync_status", server_id=None)
    tasks.enqueue("server.sync_status", server_id=None)
    assert bench.worker.is_new()
    assert not bench.worker.is_new()
