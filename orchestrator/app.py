"""The composition root: settings become a database, an executor, a worker and a loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.config import keys
from orchestrator.config.settings import Settings
from orchestrator.dispatch.attempt import Handlers
from orchestrator.dispatch.worker import Worker
from orchestrator.execute.base import Executor
from orchestrator.execute.runner import AnsibleExecutor, ExecutorSettings
from orchestrator.lifecycle import create, deploy, mailbox
from orchestrator.lifecycle.base import Context, Intent, Prepare
from orchestrator.models.task import Task
from orchestrator.scheduler import jobs
from orchestrator.scheduler.loop import Loop
from orchestrator.store import database, tasks

INTENTS: Mapping[str, Prepare] = {
    "service.create": create.create,
    "service.redeploy": deploy.redeploy,
    "mail.mailbox_present": mailbox.mailbox_present,
}


class App:
    """Everything one process needs, built from its settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = database.connect(settings.database_url)

    def executor(self) -> Executor:
        """Return what runs playbooks."""
        settings = self.settings
        return AnsibleExecutor(
            ExecutorSettings(
                project_root=settings.project_root, run_root=settings.run_root, private_key=settings.ssh_key
            )
        )

    def worker(self, executor: Executor | None = None) -> Worker:
        """Return a worker that knows every intent and every local step."""
        context = Context(private_key=lambda: keys.load_private_key(self.settings.home))
        handlers = Handlers(
            intents={action: _bound(prepare, context) for action, prepare in INTENTS.items()},
            locals={"service.status_active": _mark_active},
            executor=executor or self.executor(),
        )
        return Worker(handlers, self.settings.lease_seconds)

    def check(self, action: str, service_id: int, params: Mapping[str, Any], requested_by: str) -> None:
        """Check a request as the queue will when it claims it, without storing anything; InvalidInput says what is wrong."""
        context = Context(private_key=lambda: keys.load_private_key(self.settings.home))
        intent = Intent(
            task_id=0,
            action=action,
            service_id=service_id,
            server_id=None,
            params=params,
            requested_by=requested_by,
            priority=0,
        )
        INTENTS[action](intent, context)

    def loop(self, executor: Executor | None = None) -> Loop:
        """Return the daemon's loop."""
        worker = self.worker(executor)
        return Loop(worker, jobs.standard(worker.rescue), self.settings.drain_seconds)


def _bound(prepare: Prepare, context: Context) -> Callable[[Task], Callable[[], dict[str, Any]]]:
    return lambda row: prepare(_intent(row), context)


def _intent(row: Task) -> Intent:
    return Intent(
        task_id=row.id,
        action=row.action,
        service_id=row.service_id,
        server_id=row.server_id,
        params=tasks.parse_params(row.params),
        requested_by=row.requested_by,
        priority=row.priority,
    )


def _mark_active(row: Task) -> dict[str, Any]:
    return deploy.mark_active(int(row.service_id or 0), int(row.operation_id or 0))
