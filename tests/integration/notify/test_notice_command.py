"""tenantry notice list and retry."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import notices as command
from orchestrator.cli.main import cli
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.engine import Engine
from orchestrator.models.notice import Delivery
from orchestrator.models.task import OutboxRow
from orchestrator.notify.outbox import Outbox
from orchestrator.store import fleet
from orchestrator.store.database import database_now
from tests.integration.notify.conftest import settle, tell
from tests.support.whmcs_api import FakeWhmcs


@pytest.fixture(autouse=True)
def _ours(app: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "app", lambda: app)


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["notice", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_what_was_given_up_is_listed_and_goes_out_when_the_cause_is_mended(outbox: Outbox, whmcs: FakeWhmcs) -> None:
    fleet.set_knob("tickets.department", "nowhere", "test")
    tell("task_failed")
    outbox.drain()
    Delivery.update(created_at=database_now() - timedelta(days=30), run_after=database_now()).execute()
    outbox.drain()
    (row,) = json.loads(run("list", "--state", "given_up", "--json"))
    assert (row["event"], row["channel"], row["about"]) == ("task_failed", "ticket", "operation:1")
    assert "no department" in row["error"]
    fleet.set_knob("tickets.department", "operations", "test")
    assert "1 notice" in run("retry", "--given-up")
    settle(outbox)
    assert len(whmcs.tickets) == 1
    assert OutboxRow.get().delivered_at is not None
    (row,) = json.loads(run("list", "--json"))
    assert row["state"] == "sent"
    with pytest.raises(Conflict, match="is sent"):
        run("retry", str(row["id"]))
    settle(outbox)
    assert len(whmcs.tickets) == 1


@pytest.mark.parametrize(
    "arguments", [("list", "--state", "lost"), ("retry",), ("retry", "4711"), ("retry", "1", "--given-up")]
)
def test_a_slip_of_the_pen_is_told(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        run(*arguments)


def test_one_that_waits_for_its_next_attempt_is_tried_at_once(outbox: Outbox, whmcs: FakeWhmcs) -> None:
    whmcs.faults = [("OpenTicket", "down")]
    tell("task_failed")
    outbox.drain()
    outbox.drain()
    assert whmcs.tickets == {}, "it waits a minute"
    run("retry", str(Delivery.get().id))
    outbox.drain()
    assert len(whmcs.tickets) == 1
