"""The composition root of what runs tasks: an executor, a worker, the repeated jobs and the daemon's loop.

It stands apart from `app`: the CA's client and Ansible's runner take longer to import than most commands take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.app import CHANGES, INTENTS, App, intent_of
from orchestrator.certs import answers
from orchestrator.certs.office import Office
from orchestrator.certs.steps import Steps
from orchestrator.certs.watcher import Watcher
from orchestrator.config import binding, channels, keys
from orchestrator.dispatch.handlers import Handlers
from orchestrator.dispatch.plans import Plans
from orchestrator.dispatch.worker import Worker
from orchestrator.execute.base import Executor
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import ExecutorSettings
from orchestrator.lifecycle import limits, marks, planning
from orchestrator.lifecycle.base import Context, Prepare
from orchestrator.models.task import Task
from orchestrator.notify.outbox import Outbox
from orchestrator.plan.catalog import LOOKS, PLAN
from orchestrator.scheduler import jobs
from orchestrator.scheduler.jobs import Job
from orchestrator.scheduler.loop import Loop
from orchestrator.store import database, fleet, tasks
from orchestrator.usage import collection, figures

Local = Callable[[int, int, list[Any]], dict[str, Any]]  # service, operation, rows that its steps have removed
LOCALS: Mapping[str, Local] = {
    "service.status_active": marks.active,
    "service.status_suspended": marks.suspended,
    "service.objects_removed": lambda service, _, removed: marks.objects_removed(service, removed),
    "service.removed": lambda service, operation, _: marks.removed(service, operation),
    "service.usage_recomputed": lambda service, _operation, _removed: figures.recomputed(service),
    "service.limits_enforced": lambda service, _operation, _removed: limits.enforced(service),
    "service.usage_last": lambda service, operation, _: figures.last_look(service, operation),
    "service.usage_synced": lambda service, _operation, _removed: figures.synced(service),
}


class Engine(App):
    """An App that also runs tasks."""

    def executor(self) -> Executor:
        """Return what runs playbooks."""
        settings = self.settings
        with database.session():
            mode = str(fleet.knob_value("execution.mode"))
        return AnsibleExecutor(
            ExecutorSettings(
                project_root=settings.project_root, run_root=settings.run_root, private_key=settings.ssh_key, mode=mode
            )
        )

    def office(self) -> Office:
        """Return what the automation of certificates works with."""
        return Office(storage_key=lambda: keys.storage_key(self.settings.home), binding=binding.from_environment())

    def worker(self, executor: Executor | None = None, office: Office | None = None) -> Worker:
        """Return a worker that knows every intent and every local step."""
        steps = Steps(office=office or self.office())
        context, runs = self.context(), executor or self.executor()
        plans = Plans(lambda row: planning.wished(intent_of(row), context, CHANGES), runs)
        handlers = Handlers(
            intents={action: _bound(prepare, context) for action, prepare in INTENTS.items() if action not in LOOKS},
            looks={PLAN: plans.ask},
            locals={action: _on_row(work) for action, work in LOCALS.items()},
            executor=runs,
            outside={
                "certificate.order": steps.order,
                "certificate.validate": steps.validate,
                "certificate.probe": steps.probe,
                "certificate.tidied": answers.taken_back,
            },
            complete=steps.complete,
            questions=collection.PARAMS,
            answers=collection.EFFECTS,
        )
        return Worker(handlers, self.settings.lease_seconds)

    def loop(self, executor: Executor | None = None) -> Loop:
        """Return the daemon's loop."""
        worker = self.worker(executor)
        return Loop(worker, self.jobs(worker), self.settings.drain_seconds)

    def jobs(self, worker: Worker) -> list[Job]:
        """Return what is done again and again; InvalidInput when a way out for notices is set up wrongly."""
        watcher, outbox = Watcher(self.office(), worker.owner), Outbox(channels.from_environment())
        attempts = jobs.Job(name="attempts", seconds=15, call=lambda: jobs.count_attempts(worker.tally), is_slow=True)
        return [*jobs.standard(worker.rescue, outbox.drain, watcher.poke), attempts]


def _bound(prepare: Prepare, context: Context) -> Callable[[Task], Callable[[], dict[str, Any]]]:
    return lambda row: prepare(intent_of(row), context)


def _on_row(work: Local) -> Callable[[Task], dict[str, Any]]:
    def run(row: Task) -> dict[str, Any]:
        removed = tasks.parse_params(row.params).get("removed", [])
        return work(int(row.service_id or 0), int(row.operation_id or 0), removed)

    return run
