"""The composition root of what asks: settings become a database, and requests are checked as the queue will check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.certs import roots
from orchestrator.config import keys
from orchestrator.config.settings import Settings
from orchestrator.dispatch import rehearsal
from orchestrator.dispatch.rehearsal import Rehearsal
from orchestrator.lifecycle import (
    certificates,
    change,
    create,
    deploy,
    limits,
    planning,
    reset,
    suspend,
    terminate,
    usage,
)
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
from orchestrator.plan.catalog import PLAN
from orchestrator.store import database, tasks

CHANGES: Mapping[str, Prepare] = {  # each of them has a plan
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
INTENTS: Mapping[str, Prepare] = {**CHANGES, PLAN: planning.plan(CHANGES)}


class App:
    """What a process needs that asks and looks, built from its settings; `engine.Engine` also runs what was asked."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = database.connect(settings.database_url)

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


def intent_of(row: Task) -> Intent:
    """Return a claimed row as what its intent reads."""
    return Intent(
        task_id=row.id,
        action=row.action,
        service_id=row.service_id,
        server_id=row.server_id,
        params=tasks.parse_params(row.params),
        requested_by=row.requested_by,
        priority=row.priority,
    )
