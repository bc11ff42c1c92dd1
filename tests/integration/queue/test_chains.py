"""What follows a step on its server is carried out by the same run; whatever comes between, all is as if it had waited."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import IllegalTransition
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.engine import Engine
from orchestrator.models.fleet import Server
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Operation, Task, TaskDependency
from orchestrator.store import board, claim, customer, explanations, leases, outcome, retries, tasks, timeline, views
from orchestrator.store import fleet as fleets
from orchestrator.store.database import database_now, session, transaction
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.executors import RecordingExecutor

WEB = [f"web.{name}_present" for name in ("package", "user", "domain", "php", "proxy")]
MAIL = ["mail.domain_present", "mail.dkim_present", "mail.mailbox_present"]
ZONE = ["dns.zone_present", "dns.records_present"]
FAILED = RunResult(outcome=Outcome.FAILED, reason="rejected", message="nginx refused the site")
INVALID = RunResult(outcome=Outcome.INVALID, reason="conflict", message="the user exists")
UNREACHABLE = RunResult(outcome=Outcome.UNREACHABLE, reason="tcp", message="no answer")
ME = "me/boot/1/1/x"


class Gate:
    """A script that holds the first attempt at a step until it is opened."""

    def __init__(self, action: str, then: RunResult | None = None) -> None:
        self.action, self.then = action, then
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, request: RunRequest) -> RunResult | None:
        """Answer at once, but the first of its action."""
        if request.action != self.action or self.reached.is_set():
            return None
        self.reached.set()
        assert self.opened.wait(30)
        return self.then


class Checked:
    """A script that looks whether a step may run: what it needs is done, and its row says that it is at work."""

    def __init__(self, script: Any = None) -> None:
        self.script, self.wrong = script, list[str]()

    def __call__(self, request: RunRequest) -> RunResult | None:
        """Note what is wrong and answer as the other script."""
        fence = request.job["fence"]
        with session():
            row = Task.get(
                (Task.service_id == fence["service"])
                & (Task.step == fence["key"])
                & (Task.generation == fence["generation"])
            )
            if row.lease_token == fence["token"] and row.status == "running":  # else its result is refused
                needs = TaskDependency.select(TaskDependency.needs_id).where(TaskDependency.task_id == row.id)
                if row.started_at is None or Task.select().where((Task.id << needs) & (Task.status != "done")).exists():
                    self.wrong.append(
                        f"{row.id} {row.step} ran before what it needs; begun {row.started_at} {row.attempts}"
                    )
        return self.script(request) if self.script else None


def step(action: str, service: int = 1001) -> Task:
    """Return the newest task of an action of a service."""
    found = Task.select().where((Task.action == action) & (Task.service_id == service)).order_by(Task.id.desc())
    return found.get()  # type: ignore[no-any-return]


def ran(bench: Bench) -> list[list[str]]:
    """Return the actions of each run."""
    return [[one.action for one in run] for run in bench.executor.history.runs]


def plan(bench: Bench, *numbers: int, **params: Any) -> None:
    """Order services and let them be planned, no more; what they need is due then."""
    for number in numbers:
        order(number, domain=f"shop{number}.test", **params)
    bench.worker.pass_once()
    deadline = time.monotonic() + 30
    while bench.worker.busy and time.monotonic() < deadline:
        bench.worker.wait(0.02)
    assert Operation.select().count() == len(numbers)


def check_order(operation: int) -> None:
    """Every step was recorded once, and began when all that it needs had ended."""
    rows = {row.id: row for row in Task.select().where(Task.operation_id == operation)}
    assert {row.status for row in rows.values()} == {"done"}
    entries = LogEntry.select().where((LogEntry.kind == "attempt") & LogEntry.outcome.in_(["ok", "changed"]))
    counted = Counter(entry.task_id for entry in entries)
    assert {counted[number] for number in rows} == {1}
    for pair in TaskDependency.select().where(TaskDependency.task_id << list(rows)):
        if pair.needs_id in rows:
            assert rows[pair.needs_id].finished_at <= rows[pair.task_id].started_at


def standing(service: int) -> dict[str, Any]:
    """Return how a service, its operation and its steps stand, without numbers."""
    row = Service.get_by_id(service)
    steps = {one.id: one for one in Task.select().where(Task.operation_id == row.operation_id)}

    def plain(text: str | None) -> str:
        return re.sub(r"\d+", "#", text or "")

    found = {
        one.step: (one.status, one.attempts, one.unreachable, plain(one.error),
                   steps[one.blocked_by].step if one.blocked_by else None)
        for one in steps.values()
    }  # fmt: skip
    operation = Operation.get_by_id(row.operation_id)
    return {"steps": found, "is": (operation.status, plain(operation.error), row.status, plain(row.error))}


def test_an_order_is_a_few_runs(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = checked = Checked()
    order()
    bench.settle()
    record = ["dns.record_present"]
    assert sorted(ran(bench)) == sorted([WEB, MAIL, ZONE, ZONE, record, record])
    assert {row.attempts for row in Task.select()} == {1}
    assert checked.wrong == []
    check_order(Operation.get().id)
    assert Service.get_by_id(1001).status == "active"


def test_one_service_per_run_is_one_step_per_run(bench: Bench) -> None:
    fleet.build()
    fleets.set_knob("tasks.per_run", "1", "test")
    order()
    bench.settle()
    assert {len(run) for run in ran(bench)} == {1}
    check_order(Operation.get().id)


def test_what_waits_elsewhere_for_an_early_step_does_not_wait_for_the_chain(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = gate = Gate("mail.mailbox_present")
    order()
    bench.settle(until=gate.reached.is_set)
    bench.settle(until=lambda: step("dns.record_present").status == "done")
    assert MAIL in ran(bench)
    assert step("mail.mailbox_present").status == "running"
    gate.opened.set()
    bench.settle()
    check_order(Service.get_by_id(1001).operation_id)


def test_only_one_of_a_chain_is_shown_at_work(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = gate = Gate("web.user_present")
    order(roles=["web"])
    bench.settle(until=gate.reached.is_set)
    wanted = ["done", "running", "waiting", "waiting", "waiting", "waiting"]
    found = customer.operation(1001)
    assert found is not None
    assert [one["status"] for one in found[1]] == wanted
    assert [one["status"] for one in timeline.steps(found[0].id)] == wanted
    assert Counter(one["status"] for one in views.timeline(1001)) == Counter(wanted)
    following = step("web.php_present")
    assert (following.status, following.started_at, following.attempts) == ("running", None, 1)
    assert views.task(following.id)["status"] == "waiting"  # type: ignore[index]
    assert (views.counts("v_tasks")["running"], views.counts("v_tasks")["waiting"]) == (1, 4)
    counts = board.queue(utc_now())["counts"]
    assert (counts["running"], counts["waiting"]) == (1, 4)
    assert explanations.of([following]) == {following.id: "It is next in a run that is under way on its server."}
    assert "is running" in explanations.of([step("service.status_active")])[step("service.status_active").id]
    assert bench.worker.busy == 1
    gate.opened.set()
    bench.settle()


def test_a_batch_counts_chains_and_a_run_is_one_slot(bench: Bench) -> None:
    fleet.build()
    plan(bench, 1001, 1002, roles=["web"])
    fleets.set_knob("tasks.per_run", "2", "test")
    with session():
        taken = claim.claim(ME, 60, 1)
        assert [Task.get_by_id(one.task_id).action for one in taken] == WEB
        assert {(one.token, one.head) for one in taken} == {(taken[0].token, taken[0].task_id)}
        assert claim.running_on_servers() == {Server.get(Server.name == "web1").id: 1}
        assert len({one.head for one in claim.claim(ME, 60, 5)}) == 1


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
    gate = Gate("web.domain_present", then=result)
    gate.opened.set()
    bench.executor.script = gate
    order(roles=["web"])
    bench.settle()
    attempts = {row.action: row.attempts for row in Task.select().where(Task.operation_id.is_null(False))}
    assert attempts == {**dict.fromkeys([*WEB, "service.status_active"], 1), "web.domain_present": 2}
    check_order(Operation.get().id)


def test_a_report_that_is_refused_ends_the_chain(bench: Bench) -> None:
    """The executor takes it for a success and goes on: what it says then is of no task of ours."""
    fleet.build()
    wrong = RunResult(outcome=Outcome.CHANGED, facts={"dkim": "nonsense"})
    bench.executor.script = lambda request: wrong if request.action == "mail.dkim_present" else None
    order()
    bench.settle()
    box, key = step("mail.mailbox_present"), step("mail.dkim_present")
    assert (key.status, box.status, box.attempts) == ("error", "done", 1)
    assert LogEntry.select().where((LogEntry.task_id == box.id) & (LogEntry.kind == "attempt")).count() == 1


@pytest.mark.parametrize("action", ["web.domain_present", "web.php_present"])
def test_one_of_a_chain_is_cancelled(bench: Bench, action: str) -> None:
    """The one at work, or one whose turn has not come: the same end as without chains."""
    fleet.build()

    def linger(request: RunRequest) -> None:
        bench.executor.seconds = 60 if request.action == "web.user_present" else 0  # of the next one

    bench.executor.script = linger
    order(roles=["web"])
    bench.settle(until=lambda: step("web.domain_present").started_at is not None if planned() else False)
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


def planned() -> bool:
    """Whether there are steps."""
    return bool(Task.select().where(Task.operation_id.is_null(False)).exists())


def test_a_newer_intent_ends_a_chain(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = gate = Gate("web.domain_present")
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
    bench.executor.script = gate = Gate("web.domain_present")
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
        "web.domain_present": ("queued", 1),
        "web.php_present": ("queued", 0),  # all that it needs is done
        "web.proxy_present": ("waiting", 0),
    }
    bench.executor.script = checked = Checked()
    bench.settle()
    assert checked.wrong == []
    assert {row.action: row.attempts for row in Task.select() if row.attempts != 1} == {"web.domain_present": 2}
    check_order(Operation.get().id)


def test_a_drain_amid_a_chain_costs_no_attempt(app: Engine) -> None:
    fleet.build()
    first = Bench(app, RecordingExecutor())

    def linger(request: RunRequest) -> None:
        first.executor.seconds = 60 if request.action == "web.user_present" else 0

    first.executor.script = linger
    order(roles=["web"])
    first.settle(until=lambda: planned() and step("web.domain_present").started_at is not None)
    assert not first.worker.drain(0)
    assert {one: (step(one).status, step(one).attempts) for one in WEB} == {
        "web.package_present": ("done", 1),
        "web.user_present": ("done", 1),
        "web.domain_present": ("queued", 0),
        "web.php_present": ("queued", 0),
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
        if request.action == "web.domain_present":
            raise RuntimeError("no more processes")

    bench.executor.script = breaks
    order(roles=["web"])
    bench.settle(until=lambda: planned() and not bench.worker.busy and step("web.php_present").status == "done")
    assert {one: (step(one).status, step(one).attempts) for one in WEB[2:]} == {
        "web.domain_present": ("running", 1),
        "web.php_present": ("done", 1),
        "web.proxy_present": ("waiting", 0),
    }
    bench.executor.script = None
    with session():
        leases.rescue(lambda _: True)
    bench.settle()
    check_order(Operation.get().id)


def test_a_server_that_may_be_away_is_tried_with_one_step(bench: Bench) -> None:
    fleet.build()
    plan(bench, 1001, roles=["web"])
    Server.update(circuit_until=database_now()).where(Server.name == "web1").execute()
    with session():
        assert len(claim.claim(ME, 60, 20)) == 1


@pytest.mark.parametrize(("column", "value"), [("cancel_requested", True), ("blocked_by", 1), ("priority", 7)])
def test_what_may_not_be_taken_ends_the_chain(bench: Bench, column: str, value: object) -> None:
    fleet.build()
    plan(bench, 1001, roles=["web"])
    Task.update({column: value}).where(Task.action == "web.domain_present").execute()
    with session():
        taken = [Task.get_by_id(one.task_id).action for one in claim.claim(ME, 60, 20)]
    assert taken == ["web.package_present", "web.user_present", "web.php_present"]


def test_what_a_client_tries_out_is_known_before_the_next_job_is_made(bench: Bench) -> None:
    fleet.build()
    plan(bench, 1001, roles=["web"])
    Task.update(params='{"version": "8.2"}').where(Task.action == "web.php_present").execute()
    with session():
        taken = [Task.get_by_id(one.task_id).action for one in claim.claim(ME, 60, 20)]
    assert taken == WEB[:-1]


def test_on_one_server_for_all_a_record_waits_for_the_report_that_it_is_made_from(bench: Bench) -> None:
    fleet.build({"all1": ("10.77.0.11", "web,mail,dns")})
    order()
    bench.settle()
    runs = ran(bench)
    assert sorted(map(len, runs)) == [1, 10]
    assert runs[1] == ["dns.record_present"]
    assert "p=QUJD" in bench.executor.requests[-1].job["params"]["rrsets"][0]["records"][0]
    check_order(Operation.get().id)


def test_a_step_that_cannot_be_prepared_is_seen_to_in_its_turn(bench: Bench) -> None:
    fleet.build()
    plan(bench, 1001, 1002, roles=["web"])
    bad = (Task.action == "web.domain_present") & (Task.service_id == 1001)
    Task.update(params="nonsense").where(bad).execute()
    bench.settle()
    first = ran(bench)[0]
    assert first == WEB[:2] * 2  # what is carried out together has the same steps
    assert (step("web.domain_present").status, step("web.proxy_present").status) == ("error", "waiting")
    assert step("web.proxy_present").blocked_by == step("web.domain_present").id
    assert Service.get_by_id(1002).status == "active"
    assert {row.attempts for row in Task.select().where(Task.service_id == 1002)} == {1}


def test_equal_orders_share_runs_and_one_that_fails_keeps_none_of_the_others(bench: Bench) -> None:
    fleet.build()
    services = [1001, 1002, 1003]
    plan(bench, *services)
    bench.executor.script = Checked(
        lambda one: INVALID if one.action == "web.domain_present" and one.job["service"]["id"] == 1002 else None
    )
    bench.settle()
    runs = ran(bench)
    assert WEB * 3 in runs
    assert MAIL * 3 in runs
    assert runs.count(ZONE * 3) == 2
    assert [Service.get_by_id(one).status for one in services] == ["active", "failed", "active"]
    assert {row.attempts for row in Task.select().where(Task.status == "done")} == {1}
    proxy = step("web.proxy_present", 1002)
    assert (proxy.status, proxy.blocked_by) == ("waiting", step("web.domain_present", 1002).id)
    assert step("web.php_present", 1002).status == "done"
    assert bench.executor.script.wrong == []


def test_unequal_orders_do_not_share(bench: Bench) -> None:
    fleet.build()
    plan(bench, 1001, 1002, roles=["web"])
    done = (Task.action == "web.php_present") & (Task.service_id == 1002)
    Task.update(status="done").where(done).execute()
    bench.settle(until=lambda: Service.select().where(Service.status == "active").count() == 2)
    assert ran(bench)[0] in (WEB, [one for one in WEB if one != "web.php_present"])
    assert len(ran(bench)) == 2


def test_chains_whose_server_does_not_answer_count_once(bench: Bench) -> None:
    fleet.build()
    plan(bench, 1001, 1002, 1003, roles=["web"])
    bench.executor.script = lambda _: UNREACHABLE
    bench.settle(until=lambda: Task.select().where(Task.unreachable == 1).count() == 3 and not bench.worker.busy)
    assert Server.get(Server.name == "web1").failures == 1
    assert {row.status for row in Task.select().where(Task.action << WEB[1:])} == {"waiting"}
    assert {row.attempts for row in Task.select().where(Task.action << WEB[1:])} == {0}


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
