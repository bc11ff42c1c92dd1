"""A customer with an active service, who asks for changes as a billing system does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config import keys
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.sealed import seal
from orchestrator.models.task import Operation, Task
from orchestrator.store import tasks
from orchestrator.store.database import database_now
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench

SERVICE = 1001
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvXqvJ1c0Wl1r2jTn0o8iK0xQwqvHk4pFzP3o1e9aB"
ROOM = {"databases": 5, "sftp_accounts": 5, "cron_jobs": 5, "mailboxes": 5, "mail_aliases": 5, "dns_records": 5}


class Customer:
    """Asks for changes of one service and looks at what they led to."""

    def __init__(self, bench: Bench, home: Path) -> None:
        self.bench = bench
        self._public = keys.load_private_key(home).public_key()
        self.hold = threading.Event()  # set: steps of ``held`` go on
        self.held = ""

    def sealed(self, password: str) -> str:
        """Return a password as it may travel through the database."""
        return seal(self._public, password)

    def insert(self, action: str, service_id: int = SERVICE, **params: Any) -> int:
        """Insert a row as another program would."""
        return fleet.insert_task({"action": action, "service_id": service_id, "params": json.dumps(params)})

    def ask(self, action: str, service_id: int = SERVICE, **params: Any) -> Task:
        """Insert a row, let the queue do all that is due, and return the row as it is then."""
        self.bench.executor.requests.clear()
        task = self.insert(action, service_id, **params)
        self.settle()
        return tasks.get(task)

    def settle(self) -> None:
        """Let the queue do all that is due within a minute."""
        self.bench.settle(seconds=60, until=lambda: not self._is_due())

    @staticmethod
    def _is_due() -> bool:
        soon = database_now() + timedelta(minutes=1)
        is_open = (Task.status == "running") | ((Task.status == "queued") & (Task.run_after < soon))
        return bool(Task.select().where(is_open).exists())

    def done(self, action: str, service_id: int = SERVICE, **params: Any) -> dict[str, Any]:
        """Ask for what must succeed; return the answer."""
        row = self.ask(action, service_id, **params)
        assert row.status == "done", row.error
        if row.result.get("operation_id"):
            operation = Operation.get_by_id(row.result["operation_id"])
            assert operation.status == "done", operation.error
        return dict(row.result)

    def done_while_held(self, action: str, **params: Any) -> None:
        """Ask for what must succeed while another step hangs."""
        task = self.insert(action, **params)
        self.bench.settle(until=lambda: self.has_ended(task))
        assert tasks.get(task).status == "done", self.error(task)

    @staticmethod
    def has_ended(task: int) -> bool:
        """True when a request has been answered."""
        return tasks.get(task).status not in ("queued", "running")

    @staticmethod
    def error(task: int) -> str:
        """Return why a task failed."""
        return str(tasks.get(task).error)

    def refused(self, action: str, service_id: int = SERVICE, **params: Any) -> str:
        """Ask for what must be refused at once; return the reason."""
        row = self.ask(action, service_id, **params)
        assert (row.status, row.attempts) == ("error", 1), row.error
        assert self.ran == []
        return str(row.error)

    @property
    def ran(self) -> list[tuple[str, str]]:
        """What was run since the last question: action and server."""
        return [(one.action, one.host.name) for one in self.bench.executor.requests]

    def job(self, action: str) -> dict[str, Any]:
        """Return the parameters of the newest job of an action."""
        found = [one.job["params"] for one in self.bench.executor.requests if one.action == action]
        return dict(found[-1])

    def block(self, action: str) -> None:
        """Let steps of an action hang until ``hold`` is set."""
        self.held = action
        self.hold.clear()

    def script(self, request: RunRequest) -> RunResult | None:
        """Wait where it was asked for."""
        if request.action == self.held:
            assert self.hold.wait(60)
        return None


@pytest.fixture
def customer(bench: Bench, home: Path) -> Iterator[Customer]:
    """Yield a customer with a service that is active."""
    fleet.build(**ROOM, mail_disk_mb=1000, alias_domains=5)
    order()
    bench.settle()
    bench.executor.requests.clear()
    made = Customer(bench, home)
    bench.executor.script = made.script
    yield made
    made.hold.set()
