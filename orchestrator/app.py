"""The composition root: settings become a database, an executor, a worker and a loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.certs import answers, roots
from orchestrator.certs.office import Office
from orchestrator.certs.steps import Steps
from orchestrator.certs.watcher import Watcher
from orchestrator.config import binding, channels, keys
from orchestrator.config.settings import Settings
from orchestrator.dispatch import rehearsal
from orchestrator.dispatch.attempt import Handlers
from orchestrator.dispatch.rehearsal import Rehearsal
from orchestrator.dispatch.worker import Worker
from orchestrator.execute.base import Executor
from orchestrator.execute.runner import AnsibleExecutor
from orchestrator.execute.settings import ExecutorSettings
from orchestrator.lifecycle import certificates, change, create, deploy, limits, marks, reset, suspend, terminate, usage
from orchestrator.lifecycle.base import Apply, Context, Intent, Prepare
from orchestrator.lifecycle.client import (
    alias_domains,
    cron,
    databases,
    mail_aliases,
    mailboxes,
    records,
    sftp,
    website,
)
from orchestrator.models.task import Task
from orchestrator.notify.outbox import Outbox
from orchestrator.scheduler import jobs
from orchestrator.scheduler.jobs import Job
from orchestrator.scheduler.loop import Loop
from orchestrator.store import database, fleet, tasks
from orchestrator.usage import collection, figures

INTENTS: Mapping[str, Prepare] = {
    "service.create": create.create,
    "service.suspend": suspend.suspend,
    "service.unsuspend": suspend.unsuspend,
    "service.terminate": terminate.terminate,
    "service.redeploy": deploy.redeploy,
    "service.repair": deploy.repair,
    "service.factory_reset": reset.factory_reset,
    "service.change_package": change.change_package,
    "service.change_password": change.change_password,
    "service.change_domain": change.change_domain,
    "service.sync_usage": usage.sync_usage,
    "service.enforce_limits": limits.enforce,
    "web.domain_present": alias_domains.domain_present,
    "web.domain_absent": alias_domains.domain_absent,
    "web.php_present": website.php_present,
    "web.proxy_present": website.proxy_present,
    "web.database_present": databases.database_present,
    "web.database_absent": databases.database_absent,
    "web.sftp_present": sftp.sftp_present,
    "web.sftp_absent": sftp.sftp_absent,
    "web.cron_present": cron.cron_present,
    "web.cron_absent": cron.cron_absent,
    "mail.mailbox_present": mailboxes.mailbox_present,
    "mail.mailbox_absent": mailboxes.mailbox_absent,
    "mail.alias_present": mail_aliases.alias_present,
    "mail.alias_absent": mail_aliases.alias_absent,
    "dns.record_present": records.record_present,
    "dns.record_absent": records.record_absent,
    "certificate.issue": certificates.issue,
    "certificate.renew": certificates.renew,
    "certificate.upload": certificates.upload_custom,
    "certificate.remove_custom": certificates.remove_custom,
}
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


class App:
    """Everything one process needs, built from its settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = database.connect(settings.database_url)

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
        context = self.context()
        handlers = Handlers(
            intents={action: _bound(prepare, context) for action, prepare in INTENTS.items()},
            locals={action: _on_row(work) for action, work in LOCALS.items()},
            executor=executor or self.executor(),
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

    def check(self, action: str, service_id: int, params: Mapping[str, Any], requested_by: str) -> None:
        """Check a request as the queue will when it claims it, without storing anything; InvalidInput says what is wrong."""
        self._prepare(action, service_id, params, requested_by)

    def rehearse(self, action: str, service_id: int, params: Mapping[str, Any], requested_by: str) -> Rehearsal:
        """Return what a request would do; nothing is kept and no server is asked yet."""
        return rehearsal.plan(self._prepare(action, service_id, params, requested_by))

    def try_out(self, action: str, service_id: int, params: Mapping[str, Any], requested_by: str) -> dict[str, Any]:
        """Return what a request would answer now; InvalidInput says what is wrong. Nothing is kept."""
        return rehearsal.try_out(self._prepare(action, service_id, params, requested_by))

    def _prepare(self, action: str, service_id: int, params: Mapping[str, Any], requested_by: str) -> Apply:
        intent = Intent(
            task_id=0,
            action=action,
            service_id=service_id,
            server_id=None,
            params=params,
            requested_by=requested_by,
            priority=0,
        )
        return INTENTS[action](intent, self.context())

    def context(self) -> Context:
        """Return what intents need beside the database."""
        return Context(
            private_key=lambda: keys.load_private_key(self.settings.home),
            storage_key=lambda: keys.storage_key(self.settings.home),
            trust=roots.of_system,
        )

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


def _on_row(work: Local) -> Callable[[Task], dict[str, Any]]:
    def run(row: Task) -> dict[str, Any]:
        removed = tasks.parse_params(row.params).get("removed", [])
        return work(int(row.service_id or 0), int(row.operation_id or 0), removed)

    return run
