"""A worker over a real database, driven by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.certs.office import Office
from orchestrator.config.settings import from_environment
from orchestrator.core.states import TaskStatus
from orchestrator.dispatch.worker import Worker
from orchestrator.engine import Engine
from orchestrator.models.task import Task
from orchestrator.store import fleet
from tests.support.executors import RecordingExecutor


class Bench:
    """An application with an executor that remembers."""

    def __init__(self, app: Engine, executor: RecordingExecutor, office: Office | None = None) -> None:
        self.app = app
        self.executor = executor
        self.worker: Worker = app.worker(executor, office)
        self.worker.start()

    def settle(self, seconds: float = 20.0, until: Callable[[], bool] | None = None) -> None:
        """Claim and run until nothing is due (or ``until`` says so)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            begun = self.worker.pass_once()
            self.worker.wait(0.02)
            if until is not None and until():
                return
            if until is None and not begun and not self.worker.busy and not self._due():
                return
        raise AssertionError(f"still unsettled after {seconds} s: {self._due()}")

    @staticmethod
    def _due() -> list[str]:
        open_rows = Task.select().where(Task.status << [TaskStatus.QUEUED, TaskStatus.RUNNING])
        return [f"{row.id} {row.action} {row.status} {row.error}" for row in open_rows]


def an_app(url: str, home: Path) -> Engine:
    """Return an application whose retries come at once."""
    settings = from_environment({"TENANTRY_DATABASE_URL": url, "TENANTRY_HOME": str(home)})
    fleet.set_knob("tasks.backoff_minutes", "0", "test")
    fleet.set_knob("server.circuit_seconds", "1", "test")
    return Engine(settings)
