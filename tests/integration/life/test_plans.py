"""A plan asks the servers and keeps what they said: nothing else changes, nobody waits for it, and it is nobody's failure."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.core.records import RunRequest, RunResult, StepEvent
from orchestrator.core.states import Outcome, TaskStatus
from orchestrator.dispatch import rehearsal
from orchestrator.execute.text import HIDDEN
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.models.service import Mailbox, Service
from orchestrator.models.task import LogEntry, Operation, OutboxRow, Task
from orchestrator.store import explanations, plans, tasks, timeline
from orchestrator.store import reconcile as standing
from tests.integration.life.conftest import Life


class Gate:
    """Lets no question through to a server until it is opened; what is not asked in check mode passes."""

    def __init__(self) -> None:
        self.open, self.reached = threading.Event(), threading.Event()

    def __call__(self, request: RunRequest) -> RunResult | None:
        """Wait, then answer as usual."""
        if request.check:
            self.reached.set()
            assert self.open.wait(30), "nobody opened the gate"
        return None


@pytest.fixture
def gate(life: Life) -> Iterator[Gate]:
    """Yield a gate before the servers."""
    life.executor.script = made = Gate()
    yield made
    made.open.set()


def saying(diff: str, message: str = "") -> Any:
    """Return a script whose every answer in check mode shows a diff."""
    event = StepEvent(task="file", status="changed", diff=diff)

    def script(request: RunRequest) -> RunResult | None:
        return RunResult(outcome=Outcome.CHANGED, message=message, events=(event,)) if request.check else None

    return script


def plan(life: Life, action: str = "service.redeploy", **params: Any) -> plans.PlanView:
    """Ask for a plan, let everything settle and return it."""
    given = {"action": action, **({"params": params} if params else {})}
    task = life.ask("plan", **given)
    life.settle(60)
    return plans.get(1001, task)


def everything(life: Life) -> list[Any]:
    """Return all that a plan must not touch."""
    models = (Service, Operation, OutboxRow, Server, Mailbox)
    rows = [list(model.select().order_by(model.id).dicts()) for model in models]
    others = list(Task.select().where(Task.action != "service.plan").order_by(Task.id).dicts())
    return [*rows, others, life.executor.state(), life.executor.fences()]


def raw(task: int) -> str:
    """Return a task's result as it is stored."""
    row = database.execute_sql(f"SELECT result FROM tasks WHERE id = {task}").fetchone()
    return str(row[0])


@pytest.mark.parametrize("action", ["service.redeploy", "service.repair", "service.suspend", "service.terminate"])
def test_a_plan_says_what_each_server_would_change_and_nothing_changes(life: Life, action: str) -> None:
    life.order()
    life.executor.script, before = saying("--- a\n+++ a\n-1\n+2\n"), everything(life)
    asked = len(life.executor.requests)
    found = plan(life, action)
    assert (found.row.status, found.row.attempts, found.row.operation_id) == ("done", 1, None)
    requests = life.executor.requests[asked:]
    assert requests and all(one.check for one in requests)
    assert sorted(step["server"] for step in found.steps) == sorted(one.host.name for one in requests)
    assert {(step["would"], step["diff"]) for step in found.steps} == {("changed", "--- a\n+++ a\n-1\n+2\n")}
    assert everything(life) == before
    assert [one.kind for one in LogEntry.select().where(LogEntry.task_id == found.row.id)] == ["attempt"]


def test_a_suspended_service_has_plans_too(life: Life) -> None:
    life.order()
    life.done("suspend", reason="late")
    before = everything(life)
    assert plan(life, "service.unsuspend").steps
    assert plan(life, "service.repair").steps
    refused = plan(life, "service.redeploy")
    assert (refused.row.status, refused.steps) == ("done", ())
    assert "suspended (late)" in refused.refused
    assert everything(life) == before


def test_parameters_of_the_action_go_along(life: Life) -> None:
    life.order()
    assert plan(life, "service.terminate", force=True).params == {"force": True}
    wrong = plan(life, "service.change_package", package="huge")
    assert (wrong.row.status, wrong.row.attempts) == ("error", 1)
    assert "there is no package" in wrong.row.error


def test_a_server_that_does_not_answer_is_said_so_and_asked_no_more(life: Life) -> None:
    life.order()
    for number in range(12):
        Mailbox.create(
            service_id=1001, domain="shop.test", local_part=f"box{number}", password_hash="$2b$x", quota_mb=1
        )
    life.executor.down.add("mail1")
    before, asked = everything(life), len(life.executor.requests)
    found = plan(life)
    told = {(step["server"], step["would"], step["message"]) for step in found.steps}
    assert ("mail1", "unreachable", "no route") in told
    assert {would for server, would, _ in told if server != "mail1"} == {"changed"}
    assert sum(one.host.name == "mail1" for one in life.executor.requests[asked:]) <= 4 < len(found.steps)
    assert (found.row.status, found.row.attempts, found.row.unreachable) == ("done", 1, 0)
    assert everything(life) == before


def test_a_server_in_maintenance_is_left_alone(life: Life) -> None:
    life.order()
    Server.update(status="maintenance").where(Server.name == "web1").execute()
    asked = len(life.executor.requests)
    said = {step["message"] for step in plan(life).steps if step["server"] == "web1"}
    assert said == {"server web1 is maintenance; it was not asked"}
    assert "web1" not in {one.host.name for one in life.executor.requests[asked:]}


def test_no_wish_waits_for_a_plan(life: Life, gate: Gate) -> None:
    life.order()
    number = life.ask("plan", action="service.repair")
    life.settle(until=gate.reached.is_set)
    assert timeline.open_intent(1001) is None and not standing.standings(None, [1001])[0].is_busy
    wish = life.ask("suspend")
    assert "plan" not in explanations.of([tasks.get(wish)])[wish]
    life.settle(until=lambda: life.status() == "suspended")
    assert tasks.get(number).status == TaskStatus.RUNNING
    gate.open.set()
    life.settle()
    assert (tasks.get(number).status, life.status()) == ("done", "suspended")


def test_a_deploy_under_way_is_not_superseded(life: Life, gate: Gate) -> None:
    life.ask("create", domain="shop.test", package="small", group="standard")
    life.settle(until=lambda: len(life.executor.requests) > 3)
    number = life.ask("plan", action="service.terminate")
    life.settle(until=gate.reached.is_set)
    gate.open.set()
    life.settle()
    assert (tasks.get(number).status, life.status(), Service.get_by_id(1001).generation) == ("done", "active", 1)
    assert {row.status for row in Operation.select()} == {"done"}


def test_what_is_kept_is_bounded(life: Life) -> None:
    life.order()
    for number in range(60):
        Mailbox.create(service_id=1001, domain="shop.test", local_part=f"b{number}", password_hash="$2b$x", quota_mb=1)
    life.executor.script = saying("+größer \U0001f4a9\n" * 400, "ü" * 2000)
    found = plan(life)
    assert (found.row.status, found.row.error) == ("done", None)
    assert found.left_out > 0 and len(found.steps) + found.left_out > 60
    assert all(step["diff"] == "" or step["diff"].endswith("\n") for step in found.steps)
    assert all(step["cut"] for step in found.steps)
    assert 10_000 < len(raw(found.row.id).encode()) < 65_000


def test_no_secret_of_a_job_is_kept(life: Life) -> None:
    life.order(password_sealed=life.sealed("correct horse battery"))
    secret = Mailbox.get(Mailbox.service_id == 1001).password_hash
    seen = []

    def careless(request: RunRequest) -> RunResult | None:
        """Answer as a module would that shows all that it was given."""
        text = json.dumps(dict(request.job))
        seen.append(secret in text)
        event = StepEvent(task="x", status="changed", message=text, diff=f"+{text}\n")
        return RunResult(outcome=Outcome.FAILED, message=text[-300:], events=(event,))

    life.executor.script = careless
    found = plan(life)
    assert any(seen), "the canary is really in a job"
    assert HIDDEN in raw(found.row.id) and found.counts["other"] == len(found.steps)
    assert secret not in raw(found.row.id)
    assert not any(
        secret in json.dumps(one.detail) for one in LogEntry.select().where(LogEntry.task_id == found.row.id)
    )


def test_a_plan_that_breaks_is_not_tried_again_and_opens_no_ticket(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    life.order()
    before = everything(life)

    def broken(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(rehearsal, "findings", broken)
    found = plan(life)
    assert (found.row.status, found.row.attempts) == ("error", 1)
    assert life.done("plan").status == "error"  # of nothing
    assert everything(life) == before, "no notice either"


def test_a_plan_that_is_asked_for_can_be_cancelled(life: Life, gate: Gate) -> None:
    life.order()
    number = life.ask("plan", action="service.repair")
    life.settle(until=gate.reached.is_set)
    tasks.cancel(number, "test")
    life.settle(until=lambda: number in life.worker._stop_now)
    gate.open.set()
    life.settle()
    assert tasks.get(number).status == TaskStatus.CANCELLED


def test_only_a_few_plans_are_made_at_once(life: Life, gate: Gate) -> None:
    life.order()
    numbers = [life.ask("plan", action=f"service.{one}") for one in ("repair", "redeploy", "suspend")]
    life.settle(until=lambda: [tasks.get(number).status for number in numbers].count("running") == 2)
    life.settle(until=lambda: LogEntry.select().where(LogEntry.reason == "under_way").exists())
    late = next(row for row in map(tasks.get, numbers) if row.status == "queued")
    assert late.attempts == 0 and "other plans" in late.error
    gate.open.set()
    life.settle(until=lambda: all(tasks.get(number).status == "done" for number in numbers))
