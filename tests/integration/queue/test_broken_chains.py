"""Whatever comes amid a chain, all is as if each of its steps had waited for its turn."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from orchestrator.core.errors import IllegalTransition
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.engine import Engine
from orchestrator.models.service import Service
from orchestrator.models.task import Operation, Task
from orchestrator.store import claim, leases, outcome, retries, tasks
from orchestrator.store import fleet as fleets
from orchestrator.store.database import database_now, session, transaction
from tests.integration.queue.chains import (
    FAILED,
    INVALID,
    UNREACHABLE,
    WEB,
    Checked,
    Gate,
    check_order,
    plan,
    planned,
    ran,
    standing,
    step,
)
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.executors import RecordingExecutor


@pytest.mark.parametrize("result", [FAILED, INVALID])
@pytest.mark.parametrize("action", WEB)
def test_a_failure_in_the_middle_leaves_what_it_leaves_without_chains(
    bench: Bench, action: str, result: RunResult
) -> None:
    fleet.build()
    bench.executor.script = checked = Checked(lambda request: result if request.action == action else None)
    for service, most in ((1001, 1), (1002, 5)):
        fleets.set_knob("tasks.per_run", str(most), "test")
        order(service, domain=f"shop{service}.test", roles=["web"])
        bench.settle()
    assert standing(1001) == standing(1002)
    assert standing(1002)["is"][0] == "error"
    checked.script = None
    for service in (1001, 1002):
        retries.retry(step(action, service).id, "test")
        bench.settle()
        assert Service.get_by_id(service).status == "active"
        check_order(Service.get_by_id(service).operation_id)
    assert checked.wrong == []


@pytest.mark.parametrize("result", [FAILED, UNREACHABLE])
def test_what_failed_in_the_middle_once_costs_the_others_no_attempt(bench: Bench, result: RunResult) -> None:
    fleet.build()
    gate = Gate("web.php_present", then=result)
    gate.opened.set()
    bench.executor.script = gate
    order(roles=["web"])
    bench.settle()
    attempts = {row.action: row.attempts for row in Task.select().where(Task.operation_id.is_null(False))}
    assert attempts == {**dict.fromkeys([*WEB, "service.status_active"], 1), "web.php_present": 2}
    check_order(Operation.get().id)


@pytest.mark.parametrize("action", ["web.domain_present", "web.php_present"])
def test_one_of_a_chain_is_cancelled(bench: Bench, action: str) -> None:
    """The one at work, or one whose turn has not come: the same end as without chains."""
    fleet.build()

    def linger(request: RunRequest) -> None:
        bench.executor.seconds = 60 if request.action == "web.user_present" else 0  # of the next one

    bench.executor.script = linger
    order(roles=["web"])
    bench.settle(until=lambda: step("web.php_present").started_at is not None if planned() else False)
    bench.executor.script = None
    assert tasks.cancel(step(action).id, "test") == "requested"
    bench.executor.seconds = 0
    bench.settle(until=lambda: not Task.select().where(Task.status << ["running", "queued"]).exists())
    cancelled = step(action)
    found = standing(1001)
    proxy = found["steps"]["web.proxy_present@web1"]
    assert proxy[0] == "waiting"
    assert proxy[4] == cancelled.step
    assert f"task # ({action}) was cancelled" in proxy[3]
    assert found["is"][0] == "cancelled"
    assert found["is"][2] == "failed"
    others = {"web.domain_present", "web.php_present"} - {action}
    assert cancelled.status == "cancelled"
    assert [(step(one).status, step(one).attempts) for one in others] == [("done", 1)]
    tasks.enqueue("service.redeploy", service_id=1001)
    bench.settle()
    assert Service.get_by_id(1001).status == "active"


def test_a_newer_intent_ends_a_chain(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = gate = Gate("web.php_present")
    order(roles=["web"])
    bench.settle(until=gate.reached.is_set)
    tasks.enqueue("service.redeploy", service_id=1001)
    bench.settle(until=lambda: Service.get_by_id(1001).generation == 2)
    older = {row.action: row for row in Task.select().where(Task.generation == 1)}
    assert [older[one].status for one in WEB] == ["done", "done", "running", "cancelled", "cancelled"]
    gate.opened.set()
    bench.settle()
    assert Service.get_by_id(1001).status == "active"
    rows = {row.action: row.status for row in Task.select().where(Task.generation == 1)}
    assert [rows[one] for one in WEB] == ["done", "done", "done", "cancelled", "cancelled"]
    check_order(Service.get_by_id(1001).operation_id)


@pytest.mark.parametrize("action", ["web.domain_present", "web.php_present"])
def test_one_of_a_chain_is_force_failed(bench: Bench, action: str) -> None:
    fleet.build()
    bench.executor.script = gate = Gate("web.php_present")
    order(roles=["web"])
    bench.settle(until=gate.reached.is_set)
    outcome.force_fail(step(action).id, "test")
    proxy = step("web.proxy_present")
    assert (proxy.status, proxy.blocked_by, proxy.attempts) == ("waiting", step(action).id, 0)
    assert proxy.lease_token is None
    gate.opened.set()
    bench.settle()
    assert {one: step(one).status for one in WEB} == {
        **dict.fromkeys(WEB, "done"), action: "error", "web.proxy_present": "waiting"
    }  # fmt: skip
    assert Service.get_by_id(1001).status == "failed"
    retries.retry(step(action).id, "test")
    bench.settle()
    assert Service.get_by_id(1001).status == "active"


def test_an_orchestrator_that_is_killed_amid_a_chain(bench: Bench) -> None:
    fleet.build()
    plan(bench, 1001, roles=["web"])
    with session():
        taken = claim.claim("dead/boot/1/1/x", 60, 5)
        for one, following in pairwise(taken[:3]):
            recorded = outcome.record(
                one,
                RunResult(outcome=Outcome.CHANGED),
                lambda *_: outcome.Verdict(status=outcome.TaskStatus.DONE),
                outcome.Circuit(after=3, seconds=1),
                following=following,
            )
            assert recorded.goes_on
        assert sorted(leases.rescue(lambda _: True)) == [one.task_id for one in taken[2:]]
    assert {one: (step(one).status, step(one).attempts) for one in WEB[2:]} == {
        "web.php_present": ("queued", 1),
        "web.domain_present": ("queued", 0),  # all that it needs is done
        "web.proxy_present": ("waiting", 0),
    }
    bench.executor.script = checked = Checked()
    bench.settle()
    assert checked.wrong == []
    assert {row.action: row.attempts for row in Task.select() if row.attempts != 1} == {"web.php_present": 2}
    check_order(Operation.get().id)


def test_a_drain_amid_a_chain_costs_no_attempt(app: Engine) -> None:
    fleet.build()
    first = Bench(app, RecordingExecutor())

    def linger(request: RunRequest) -> None:
        first.executor.seconds = 60 if request.action == "web.user_present" else 0

    first.executor.script = linger
    order(roles=["web"])
    first.settle(until=lambda: planned() and step("web.php_present").started_at is not None)
    assert not first.worker.drain(0)
    assert {one: (step(one).status, step(one).attempts) for one in WEB} == {
        "web.package_present": ("done", 1),
        "web.user_present": ("done", 1),
        "web.php_present": ("queued", 0),
        "web.domain_present": ("queued", 0),
        "web.proxy_present": ("waiting", 0),
    }
    second = Bench(app, RecordingExecutor())
    second.settle()
    second.worker.drain(5)
    check_order(Operation.get().id)
    assert {row.attempts for row in Task.select()} == {1}


def test_a_run_that_breaks_off_leaves_what_had_begun_to_the_lease(bench: Bench) -> None:
    fleet.build()

    def breaks(request: RunRequest) -> None:
        if request.action == "web.php_present":
            raise RuntimeError("no more processes")

    bench.executor.script = breaks
    order(roles=["web"])
    bench.settle(until=lambda: planned() and not bench.worker.busy and step("web.domain_present").status == "done")
    assert {one: (step(one).status, step(one).attempts) for one in WEB[2:]} == {
        "web.php_present": ("running", 1),
        "web.domain_present": ("done", 1),
        "web.proxy_present": ("waiting", 0),
    }
    bench.executor.script = None
    with session():
        leases.rescue(lambda _: True)
    bench.settle()
    check_order(Operation.get().id)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_everything_ends_done_once_and_in_order(app: Engine, seed: int) -> None:
    """Two orchestrators; steps fail, servers do not answer, runs break off, leases are lost, steps are force-failed."""
    fleet.build()
    fleets.set_knob("server.circuit_after", "100", "test")
    chance = random.Random(seed)
    answers = [None] * 12 + [FAILED, INVALID, UNREACHABLE, RunResult(outcome=Outcome.LOST, message="lost")]
    checked = Checked(lambda _: chance.choice(answers))
    both = [Bench(app, RecordingExecutor(0.01, checked)) for _ in range(2)]
    for number in range(1, 7):
        order(number, domain=f"shop{number}.test")
    deadline = time.monotonic() + 90
    while Service.select().where(Service.status == "active").count() < 6:
        assert time.monotonic() < deadline, [
            (r.id, r.step, r.status, r.error) for r in Task.select() if r.status != "done"
        ]
        for one in both:
            one.worker.pass_once()
            one.worker.wait(0.01)
        _trouble(chance)
        if time.monotonic() > deadline - 70:
            answers[12:] = []
    for one in both:
        one.worker.drain(10)
    assert checked.wrong == []
    assert Task.select().where(Task.status << ["running", "waiting", "queued"]).count() == 0
    for operation in Operation.select():
        check_order(operation.id)


def _trouble(chance: random.Random) -> None:
    """Retry what failed; now and then take a lease away or force-fail a step."""
    for row in list(Task.select(Task.id).where(Task.status == "error")):
        retries.retry(row.id, "test")
    running = list(Task.select().where((Task.status == "running") & Task.operation_id.is_null(False)))
    if running and chance.random() < 0.1:
        victim = chance.choice(running)
        with suppress(IllegalTransition):  # it has ended meanwhile
            outcome.force_fail(victim.id, "test")
    if running and chance.random() < 0.1:
        token = chance.choice(running).lease_token
        lost = (Task.lease_token == token) & (Task.status == "running")
        transaction(lambda: Task.update(lease_until=database_now()).where(lost).execute())
        time.sleep(0.01)
        with session():
            leases.rescue(lambda _: False)


def test_what_was_lost_before_it_began_is_not_begun(app: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is stopped amid its claim finds others at work on what it claimed."""
    fleet.build()
    bench, take = Bench(app, RecordingExecutor()), claim.claim
    plan(bench, 1001, roles=["web"])
    monkeypatch.setattr(bench.worker, "_lease_seconds", 1)

    def late(*args: Any) -> list[claim.Claim]:
        found = take(*args)
        Task.update(lease_until=database_now()).where(Task.status == "running").execute()
        time.sleep(0.5)
        with session():
            assert sorted(leases.rescue(lambda _: False)) == [one.task_id for one in found]
        return found

    monkeypatch.setattr("orchestrator.dispatch.worker.claims.claim", late)
    assert bench.worker.pass_once() == len(WEB)
    while bench.worker.busy:
        bench.worker.wait(0.05)
    assert bench.executor.requests == []
    monkeypatch.undo()
    bench.settle()
    bench.worker.drain(5)
    assert ran(bench) == [WEB]
    assert {row.action: row.attempts for row in Task.select() if row.attempts != 1} == {WEB[0]: 2}
