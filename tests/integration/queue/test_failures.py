"""What goes wrong, and what becomes of it."""

from __future__ import annotations

import time
from datetime import timedelta

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.fleet import Server
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Operation, OutboxRow, Task
from orchestrator.store import claim, leases, maintenance, outcome, retries, tasks
from orchestrator.store import fleet as fleet_store
from orchestrator.store.database import database_now
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench


def failing(action: str, result: RunResult, times: int = 10**6) -> object:
    """Return a script in which an action fails the first ``times`` times."""
    left = [times]

    def script(request: RunRequest) -> RunResult | None:
        if request.action != action or left[0] == 0:
            return None
        left[0] -= 1
        return result

    return script


FAILED = RunResult(outcome=Outcome.FAILED, reason="rejected", message="nginx refused the site")
UNREACHABLE = RunResult(outcome=Outcome.UNREACHABLE, reason="tcp", message="web1 does not answer")


def test_a_failure_is_retried_and_the_service_becomes_active(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = failing("web.domain_present", FAILED, times=2)  # type: ignore[assignment]
    order()
    bench.settle()
    row = Task.get(Task.action == "web.domain_present")
    assert (row.status, row.attempts) == ("done", 3)
    assert Service.get_by_id(1001).status == "active"


def test_a_terminal_error_blocks_what_waits_for_it_and_nothing_else(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = failing("web.domain_present", FAILED)  # type: ignore[assignment]
    order()
    bench.settle()
    states = {row.step: row for row in Task.select().where(Task.operation_id.is_null(False))}
    failed = states["web.domain_present@web1"]
    assert (failed.status, failed.attempts) == ("error", 5)
    for step in ("web.proxy_present@web1", "service.status_active"):
        assert states[step].status == "waiting"
        assert states[step].blocked_by == failed.id
        assert "nginx refused the site" in str(states[step].error)
    others = [row.status for step, row in states.items() if step not in
              ("web.domain_present@web1", "web.proxy_present@web1", "service.status_active")]  # fmt: skip
    assert set(others) == {"done"}
    service = Service.get_by_id(1001)
    assert service.status == "failed"
    assert "nginx refused the site" in str(service.error)
    assert OutboxRow.select().where(OutboxRow.event == "task_failed").count() == 1


def test_try_again_unblocks_and_finishes(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = failing("web.domain_present", FAILED)  # type: ignore[assignment]
    order()
    bench.settle()
    bench.executor.script = None
    retries.retry(Task.get(Task.action == "web.domain_present").id, "test")
    bench.settle()
    assert Service.get_by_id(1001).status == "active"


def test_an_unreachable_server_opens_its_circuit_and_delays_only_its_own_tasks(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = lambda request: UNREACHABLE if request.host.name == "web1" else None
    order()
    bench.settle(until=lambda: Server.get(Server.name == "web1").failures >= 3)
    others = Task.select().where((Task.action.startswith("mail")) | (Task.action.startswith("dns")))
    bench.settle(until=lambda: {row.status for row in others.clone()} == {"done"})
    assert Server.get(Server.name == "web1").circuit_until is not None
    bench.executor.script = None
    bench.settle(until=lambda: Service.get_by_id(1001).status == "active")
    assert Server.get(Server.name == "web1").failures == 0


def test_bad_input_of_a_step_is_terminal_at_once(bench: Bench) -> None:
    fleet.build()
    refused = RunResult(outcome=Outcome.INVALID, reason="conflict", message="the user exists")
    bench.executor.script = failing("web.user_present", refused)  # type: ignore[assignment]
    order()
    bench.settle()
    row = Task.get(Task.action == "web.user_present")
    assert (row.status, row.attempts, row.error) == ("error", 1, "the user exists")


def test_an_expired_lease_is_rescued_and_the_late_result_is_refused(bench: Bench) -> None:
    fleet.build()
    order()
    bench.settle(
        until=lambda: Task.select().where(Task.action == "dns.zone_present").exists() and not bench.worker.busy
    )
    task = Task.select().where(Task.status == "queued").first()
    taken = next(one for one in claim.claim("other/boot/1/1/x", 60, 20) if one.task_id == task.id)
    Task.update(lease_until=database_now()).where(Task.status == "running").execute()
    time.sleep(0.01)
    assert task.id in leases.rescue(lambda _: False)
    assert leases.heartbeat([taken], 60) == {task.id}
    again = {one.task_id: one for one in claim.claim("me/boot/1/1/x", 60, 20)}[task.id]
    assert again.token > taken.token
    circuit = outcome.Circuit(after=3, seconds=1)
    try:
        outcome.record(
            taken, RunResult(outcome=Outcome.CHANGED), lambda *_: (_ for _ in ()).throw(AssertionError), circuit
        )
    except outcome.LeaseLost:
        pass
    else:
        raise AssertionError("a late result was taken")
    assert LogEntry.select().where(LogEntry.kind == "late_result").count() == 1
    assert tasks.get(task.id).status == "running"


def test_a_task_that_always_kills_its_orchestrator_ends_in_error(bench: Bench) -> None:
    fleet.build()
    order()
    bench.settle()
    step = Task.get(Task.action == "dns.zone_present")
    Task.update(status="queued", attempts=0, finished_at=None).where(Task.id == step.id).execute()
    for _ in range(6):
        claim.claim("dead/boot/1/1/x", 60, 50)
        leases.rescue(lambda _: True)
    assert tasks.get(step.id).status == "error"


def test_a_newer_intent_supersedes_the_pending_steps_of_the_older(bench: Bench) -> None:
    fleet.build()
    fleet_store.set_knob("tasks.backoff_minutes", "60", "test")
    bench.executor.script = failing("web.package_present", FAILED, times=1)  # type: ignore[assignment]
    order()
    bench.settle(until=lambda: Task.select().where(Task.error == "nginx refused the site").exists())
    tasks.enqueue("service.redeploy", service_id=1001)
    bench.settle(until=lambda: Service.get_by_id(1001).status == "active")
    old = Task.select().where((Task.generation == 1) & (Task.action.startswith("web.")))
    assert {row.status for row in old} == {"cancelled"}


def test_cancelling_a_running_step_stops_it(bench: Bench) -> None:
    fleet.build()
    bench.executor.seconds = 60
    order(roles=["web"])
    running = Task.select().where((Task.action == "web.package_present") & (Task.status == "running"))
    bench.settle(until=running.exists)
    row = running.get()
    assert tasks.cancel(row.id, "test") == "requested"
    bench.settle(until=lambda: tasks.get(row.id).status == "cancelled")
    assert_abandoned(row.id)


def assert_abandoned(task_id: int) -> None:
    """The operation of a cancelled step has ended, and everybody sees why."""
    operation, service = Operation.get(), Service.get_by_id(1001)
    assert operation.status == "cancelled"
    assert service.status == "failed"
    assert f"task {task_id} (web.package_present) was cancelled" in service.error
    blocked = Task.select().where((Task.blocked_by == task_id) & (Task.status == "waiting"))
    assert blocked.count() == 5


def test_another_program_withdraws_a_pending_step_and_a_redeploy_makes_good(bench: Bench) -> None:
    fleet.build()
    order(roles=["web"])
    bench.settle(until=lambda: Task.select().where(Task.action == "web.package_present").exists())
    row = Task.get(Task.action == "web.package_present")
    if row.status == "queued":
        Task.update(cancel_requested=True).where(Task.id == row.id).execute()
        assert maintenance.cancel_withdrawn() == 1
        assert_abandoned(row.id)
    tasks.enqueue("service.redeploy", service_id=1001)
    bench.settle()
    assert Service.get_by_id(1001).status == "active"


def test_of_two_failed_steps_a_retry_of_one_does_not_hide_the_other(bench: Bench) -> None:
    fleet.build()
    refused = RunResult(outcome=Outcome.INVALID, reason="invalid", message="no")
    bench.executor.script = lambda one: refused if one.action in ("web.domain_present", "web.php_present") else None
    order(roles=["web"])
    bench.settle()
    bench.executor.script = None
    first, second = (Task.get(Task.action == name) for name in ("web.domain_present", "web.php_present"))
    retries.retry(first.id, "test")
    bench.settle()
    waiting = Task.get(Task.action == "web.proxy_present")
    assert (waiting.status, waiting.blocked_by) == ("waiting", second.id)
    assert (Operation.get().status, Service.get_by_id(1001).status) == ("error", "failed")
    retries.retry(second.id, "test")
    bench.settle()
    assert (Operation.get().status, Service.get_by_id(1001).status) == ("done", "active")


def test_tasks_that_are_due_later_hide_no_task_that_is_due_now(bench: Bench) -> None:
    fleet.build()
    later = database_now() + timedelta(days=1)
    rows = [
        {"action": "service.redeploy", "service_id": n, "params": "{}", "priority": 1, "run_after": later}
        for n in range(2000, 2300)
    ]
    Task.insert_many(rows).execute()
    order(roles=["web"])
    bench.settle(until=lambda: bool(Service.get_or_none((Service.id == 1001) & (Service.status == "active"))))


def test_two_orders_of_overlapping_names_at_once_one_gets_it(bench: Bench) -> None:
    fleet.build()
    for round_ in range(5):
        order(2 * round_ + 1, domain=f"shop{round_}.test", roles=["web"])
        order(2 * round_ + 2, domain=f"www.shop{round_}.test", roles=["web"])
    bench.settle()
    for round_ in range(5):
        rows = Task.select().where(
            (Task.action == "service.create") & (Task.service_id << [2 * round_ + 1, 2 * round_ + 2])
        )
        assert sorted(row.status for row in rows) == ["done", "error"]


def test_a_step_that_was_force_failed_while_it_waited_is_not_tried_before_what_it_needs(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = failing("web.package_present", FAILED)  # type: ignore[assignment]
    order(roles=["web"])
    bench.settle()
    row, first = Task.get(Task.action == "web.domain_present"), Task.get(Task.action == "web.package_present")
    outcome.force_fail(row.id, "test")
    retries.retry(row.id, "test")
    again = Task.get_by_id(row.id)
    assert (again.status, again.blocked_by) == ("waiting", first.id)
    bench.executor.script = None
    retries.retry(first.id, "test")
    bench.settle()
    assert Service.get_by_id(1001).status == "active"
