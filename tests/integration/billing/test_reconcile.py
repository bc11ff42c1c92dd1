"""tenantry reconcile over real databases: it reports, asks for nothing by itself, and what it asks for makes all agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import edge
from orchestrator.cli import reconcile as command
from orchestrator.cli.main import cli
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.service import Service
from orchestrator.models.task import Task
from orchestrator.store import retries, tasks
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench

ALL = range(1001, 1005)


@pytest.fixture
def compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Yield a worker with four active services, whose servers say in check mode that nothing would change."""
    fleet.build()
    for number in ALL:
        order(number, domain=f"shop{number}.test", roles=["web"])
    bench.settle(120)
    bench.executor.script = answer  # type: ignore[assignment]
    monkeypatch.setattr(edge, "bare_app", lambda: bench.app)
    monkeypatch.setattr(command, "engine", lambda: bench.app)
    monkeypatch.setattr(bench.app, "executor", lambda: bench.executor)
    yield bench


def answer(request: RunRequest) -> RunResult | None:
    return RunResult(outcome=Outcome.OK) if request.check else None


def reconcile(*arguments: str, code: int = 0, given: str | None = None) -> list[dict[str, Any]]:
    """Run the command and return what it printed."""
    done = CliRunner().invoke(cli, ["reconcile", *arguments, "--json"], input=given)
    assert done.exit_code == code, (done.output, done.exception)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def statuses() -> dict[int, str]:
    return {row.id: row.status for row in Service.select().order_by(Service.id)}


def test_all_agree_and_nothing_is_written(compared: Bench) -> None:
    before = (Task.select().count(), [row.generation for row in Service.select()])
    assert reconcile() == []
    assert reconcile("--apply", "--removals") == []
    assert (Task.select().count(), [row.generation for row in Service.select()]) == before


def test_differences_with_billing_s_list_are_told_and_mended(compared: Bench, tmp_path: Path) -> None:
    listed = tmp_path / "billing.csv"
    listed.write_text("id,domainstatus\n1001,Active\n1002,Suspended\n1003,Terminated\n2000,Active\n")
    count = Task.select().count()
    rows = {row["service"]: row for row in reconcile("--no-nodes", "--billing", str(listed))}
    assert {number: row["action"] for number, row in rows.items()} == {
        1002: "service.suspend",
        1003: "service.terminate",
        1004: "",
        2000: "",
    }
    assert Task.select().count() == count, "a report writes nothing"
    asked = {row["service"]: row["task"] for row in reconcile("--no-nodes", "--billing", str(listed), "--apply")}
    assert asked[1003] is None, "a removal has to be allowed"
    assert tasks.get(asked[1002]).requested_by.startswith("cli:")
    compared.settle(120)
    assert reconcile("--no-nodes", "--billing", str(listed), "--apply", "--removals", "--service", "1003")
    compared.settle(120)
    assert statuses() == {1001: "active", 1002: "suspended", 1003: "terminated", 1004: "active"}
    left = reconcile("--billing", "-", given=listed.read_text())
    assert [row["service"] for row in left] == [1004, 2000]


def test_billing_s_newest_request_counts_and_an_operator_s_does_not(compared: Bench) -> None:
    tasks.enqueue("service.suspend", service_id=1001, requested_by="cli:someone")
    compared.settle(120)
    (row,) = reconcile()
    assert (row["service"], row["action"]) == (1001, "service.unsuspend")
    tasks.enqueue("service.suspend", service_id=1001, requested_by="whmcs")
    assert reconcile() == [], "something is under way"
    compared.settle(120)
    assert reconcile() == []


def test_a_failed_service_is_deployed_again_and_twice_at_once_asks_once(compared: Bench) -> None:
    compared.executor.script = lambda request: (  # type: ignore[assignment]
        RunResult(outcome=Outcome.INVALID, reason="conflict", message="no")
        if request.action == "web.domain_present"
        else None
    )
    tasks.enqueue("service.redeploy", service_id=1002, requested_by="cli:someone")
    compared.settle(120)
    assert statuses()[1002] == "failed"
    compared.executor.script = answer  # type: ignore[assignment]
    (row,) = reconcile("--apply")
    assert (row["between"], row["action"], tasks.get(row["task"]).status) == ("state", "service.redeploy", "queued")
    assert reconcile("--apply") == []
    compared.settle(120)
    assert statuses()[1002] == "active"


def test_an_order_that_was_refused_is_told_with_its_reason(compared: Bench) -> None:
    order(1009, domain="shop1001.test")
    compared.settle(120)
    (row,) = reconcile()
    assert (row["service"], row["action"]) == (1009, "")
    assert "shop1001.test" in row["found"]
    retries.retry(Task.get(Task.service_id == 1009).id, "test")
    assert reconcile() == []


def test_what_servers_have_otherwise_is_repaired(compared: Bench) -> None:
    def drifted(request: RunRequest) -> RunResult | None:
        if not request.check:
            return None
        mine = request.job["service"]["id"] == 1003 and request.action == "web.php_present"
        return RunResult(outcome=Outcome.CHANGED if mine else Outcome.OK)

    compared.executor.script = drifted  # type: ignore[assignment]
    count = len(compared.executor.requests)
    (row,) = reconcile("--apply")
    assert all(request.check for request in compared.executor.requests[count:])
    assert (row["service"], row["between"], row["action"]) == (1003, "nodes", "service.repair")
    assert "web.php_present" in row["found"]
    compared.settle(120)
    assert tasks.get(row["task"]).status == "done"


def test_a_server_that_cannot_be_asked_is_told_and_ends_with_3(compared: Bench) -> None:
    compared.executor.script = lambda request: (  # type: ignore[assignment]
        RunResult(outcome=Outcome.UNREACHABLE, message="no route") if request.host.name == "web1" else answer(request)
    )
    rows = reconcile("--service", "1001", code=3)
    assert len(rows) == 1 and "no route" in rows[0]["found"]
    assert rows[0]["action"] == ""
