"""Two services on one fleet, and servers that say what a test lets them say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.engine import Engine
from orchestrator.models.fleet import Server
from orchestrator.models.task import OutboxRow, Task
from orchestrator.models.usage import UsageCurrent
from orchestrator.store import tasks, usage_requests
from orchestrator.store.database import transaction
from orchestrator.usage import collection
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.executors import RecordingExecutor

WEB = {"disk": 500, "files": 5, "age": 0, "databases": 1, "database_bytes": 300, "sftp": 0, "cron": 0, "days": ""}
MAIL = {"mailboxes": 0, "boxes": [], "days": ""}
DNS = {"zones": 1, "records": 9}


class Usage:
    """The bench, what the servers say, and when it is."""

    def __init__(self, app: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: dict[str, Any] = {}
        self.now = datetime(2026, 11, 25, 12, tzinfo=UTC)
        self.requests: list[RunRequest] = []
        self.fails: RunResult | None = None
        monkeypatch.setattr(collection, "utc_now", lambda: self.now)
        self.bench = Bench(app, RecordingExecutor(script=self._answer))

    def _answer(self, request: RunRequest) -> RunResult | None:
        if not request.action.startswith("server.sync"):
            return None
        self.requests.append(request)
        if self.fails:
            return self.fails
        role = request.host.name.rstrip("0123456789")
        said = {"accounts": {}, "complete": True, "through": request.job["params"]["days"][-2]["day"]} | self.said.get(
            role, {}
        )
        return replace(RunResult(outcome=Outcome.OK), usage={role: said})

    def say(self, role: str, accounts: Mapping[str, Any], **more: Any) -> None:
        """Let the servers of a role say this from now on."""
        self.said[role] = {"accounts": dict(accounts), **more}

    def sync(self, server: str = "web1") -> Task:
        """Collect from a server and return the task."""
        number = Server.get(Server.name == server).id
        task = transaction(lambda: usage_requests.ask(usage_requests.USAGE, number, "test"))
        self.bench.settle()
        return tasks.get(task)


def current(service: int) -> dict[tuple[str, str], int]:
    """Return the current figures of a service by metric and period."""
    rows = UsageCurrent.select().where(UsageCurrent.service_id == service)
    return {(row.metric, row.period): row.value for row in rows}


def notices(event: str) -> list[dict[str, Any]]:
    """Return what was written to the outbox for an event."""
    return [row.payload for row in OutboxRow.select().where(OutboxRow.event == event).order_by(OutboxRow.id)]


@pytest.fixture
def usage(app: Engine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Yield two deployed services, 1 and 2."""
    fleet.build(web_disk_mb=1, bandwidth_mb=1)
    found = Usage(app, monkeypatch)
    for number in (1, 2):
        params = {"domain": f"shop{number}.test", "package": "small", "group": "standard"}
        tasks.enqueue("service.create", service_id=number, params=params)
    found.bench.settle(60)
    yield found
    found.bench.worker.drain(5)
