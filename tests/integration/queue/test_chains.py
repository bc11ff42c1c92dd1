"""What follows a step on its server is carried out by the same run, alone or with the same of other services."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.core.clock import utc_now
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.fleet import Server
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Operation, Task
from orchestrator.store import board, claim, customer, explanations, timeline, views
from orchestrator.store import fleet as fleets
from orchestrator.store.database import database_now, session
from tests.integration.queue.chains import (
    INVALID,
    MAIL,
    ME,
    UNREACHABLE,
    WEB,
    ZONE,
    Checked,
    Gate,
    check_order,
    plan,
    ran,
    step,
)
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench


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


def test_a_batch_counts_runs_and_a_run_is_one_slot(bench: Bench) -> None:
    fleet.build()
    plan(bench, 1001, 1002, 1003, roles=["web"])
    fleets.set_knob("tasks.per_run", "2", "test")
    with session():
        taken = claim.claim(ME, 60, 1)
        assert [Task.get_by_id(one.task_id).action for one in taken] == WEB * 2
        heads = [taken[0].task_id, taken[len(WEB)].task_id]
        assert {(one.token, one.head) for one in taken} == {(taken[0].token, head) for head in heads}
        assert claim.running_on_servers() == {Server.get(Server.name == "web1").id: 1}
        third = Task.get((Task.action == WEB[0]) & (Task.status == "queued"))
        for most, is_told in (("1", True), ("2", False)):
            fleets.set_knob("tasks.batch_size", most, "test")
            assert ("as many runs as it takes" in explanations.of([third])[third.id]) is is_told
        assert len({one.head for one in claim.claim(ME, 60, 5)}) == 1


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
    assert first == WEB[:3] * 2  # what is carried out together has the same steps
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
