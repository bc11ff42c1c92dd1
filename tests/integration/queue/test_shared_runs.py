"""Tasks of one action on one server are carried out by one run; each of them is recorded for itself."""

from __future__ import annotations

import pytest

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.fleet import Server
from orchestrator.models.task import LogEntry, Task
from orchestrator.store import claim
from orchestrator.store import fleet as fleets
from orchestrator.store.database import database_now, session
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench

SERVICES = [1001, 1002, 1003]
STEP = "web.user_present"
FAILED = RunResult(outcome=Outcome.FAILED, reason="rejected", message="useradd refused it")


def all_due(bench: Bench) -> None:
    """Deploy services, then let the same step of each be due at the same time."""
    fleet.build()
    for number in SERVICES:
        order(number, domain=f"shop{number}.test")
    bench.settle(seconds=60)
    Task.update(status="queued", attempts=0, finished_at=None).where(Task.action == STEP).execute()
    bench.executor.history.runs.clear()


def runs(bench: Bench) -> list[list[int]]:
    """Return the services of each run."""
    return [sorted(service_of(one) for one in run) for run in bench.executor.history.runs]


def service_of(request: RunRequest) -> int:
    return int(request.job["service"]["id"])


def rows() -> dict[int, Task]:
    return {int(row.service_id or 0): row for row in Task.select().where(Task.action == STEP)}


def test_what_is_due_together_is_done_together(bench: Bench) -> None:
    all_due(bench)
    logged = LogEntry.select().count()
    bench.settle()
    assert runs(bench) == [SERVICES]
    assert {(row.status, row.attempts) for row in rows().values()} == {("done", 1)}
    assert LogEntry.select().count() == logged + len(SERVICES)


@pytest.mark.parametrize(("name", "value", "sizes"), [
    ("tasks.per_run", "1", [1, 1, 1]),
    ("tasks.per_run", "2", [1, 2]),
    ("tasks.batch_size", "1", [3]),  # it counts runs
    ("server.concurrency", "1", [3]),  # as this does
])  # fmt: skip
def test_settings_bound_it(bench: Bench, name: str, value: str, sizes: list[int]) -> None:
    all_due(bench)
    fleets.set_knob(name, value, "test")
    bench.settle()
    assert sorted(len(run) for run in runs(bench)) == sizes


def test_a_run_takes_one_slot_of_its_server(bench: Bench) -> None:
    all_due(bench)
    with session():
        taken = claim.claim("me/boot/1/1/x", 60, 20)
        assert len({one.token for one in taken}) == 1
        assert claim.running_on_servers() == {Server.get(Server.name == "web1").id: 1}


def test_a_server_that_may_be_away_is_tried_with_one_task(bench: Bench) -> None:
    all_due(bench)
    Server.update(circuit_until=database_now()).where(Server.name == "web1").execute()
    with session():
        assert len(claim.claim("me/boot/1/1/x", 60, 20)) == 1


def test_another_priority_is_another_run(bench: Bench) -> None:
    all_due(bench)
    Task.update(priority=Task.priority + 1).where((Task.action == STEP) & (Task.service_id == 1002)).execute()
    bench.settle()
    assert sorted(runs(bench)) == [[1001, 1003], [1002]]


def test_only_the_one_that_failed_is_tried_again(bench: Bench) -> None:
    all_due(bench)
    bench.executor.script = lambda request: FAILED if service_of(request) == 1002 else None
    bench.settle()
    assert runs(bench) == [SERVICES, *[[1002]] * 4]
    assert {number: (row.status, row.attempts) for number, row in rows().items()} == {
        1001: ("done", 1),
        1002: ("error", 5),
        1003: ("done", 1),
    }


def test_a_run_whose_server_does_not_answer_counts_once(bench: Bench) -> None:
    all_due(bench)
    bench.executor.script = lambda _: RunResult(outcome=Outcome.UNREACHABLE, reason="tcp", message="no answer")
    bench.settle(until=lambda: {row.unreachable for row in rows().values()} == {1})
    assert runs(bench) == [SERVICES]
    assert Server.get(Server.name == "web1").failures == 1
    assert {row.status for row in rows().values()} == {"queued"}


def test_one_that_was_cancelled_meanwhile_takes_no_other_with_it(bench: Bench) -> None:
    all_due(bench)
    Task.update(cancel_requested=True).where((Task.action == STEP) & (Task.service_id == 1002)).execute()
    bench.settle()
    assert runs(bench) == [[1001, 1003]]
    assert {number: row.status for number, row in rows().items()} == {
        1001: "done",
        1002: "cancelled",
        1003: "done",
    }


def test_the_late_result_of_one_is_refused_and_the_others_are_taken(bench: Bench) -> None:
    all_due(bench)

    def somebody_else_takes(request: RunRequest) -> RunResult | None:
        if service_of(request) == 1002:
            with session():
                taken = {"lease_owner": "other/boot/1/1/x", "lease_token": Task.lease_token + 1_000}
                Task.update(**taken).where((Task.action == STEP) & (Task.service_id == 1002)).execute()
        return None

    bench.executor.script = somebody_else_takes
    bench.settle(until=lambda: not bench.worker.busy and rows()[1003].status == "done")
    assert {number: row.status for number, row in rows().items()} == {1001: "done", 1002: "running", 1003: "done"}
    assert LogEntry.select().where(LogEntry.kind == "late_result").count() == 1
