"""What tests of chains ask: which runs there were, in which order their steps came, and how a service stands."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from typing import Any

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Operation, Task, TaskDependency
from orchestrator.store.database import session
from tests.integration.queue.test_order import order
from tests.support.bench import Bench

WEB = [f"web.{name}_present" for name in ("package", "user", "php", "domain", "proxy")]
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


def planned() -> bool:
    """Whether there are steps."""
    return bool(Task.select().where(Task.operation_id.is_null(False)).exists())
