"""web.cron_present and web.cron_absent: a command that runs on a schedule."""

from __future__ import annotations

from typing import Any

from orchestrator.core import values
from orchestrator.core.records import StepSpec
from orchestrator.core.schedules import schedule
from orchestrator.core.states import Role
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.client import base
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import cron_step
from orchestrator.store import objects

_KIND, _LIMIT = "cron_job", "cron_jobs"


def cron_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what stores the job and plans its step."""
    del context
    params = intent.params
    read.only(params, ("name", "schedule", "command", "enabled"))
    name = values.cron_name(read.required(params, "name"))
    columns = {
        "schedule": schedule(read.required(params, "schedule")),
        "command": values.command(read.required(params, "command")),
        "enabled": read.flag(params.get("enabled", True), "enabled"),
    }
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.WEB)
        base.require_room(row, _KIND, _LIMIT, objects.find(_KIND, row.id, name=name))
        objects.put(_KIND, row.id, {"name": name}, columns)
        return begin.change(row, intent, lambda view: _steps(view, name), [])

    return apply


def cron_absent(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the removal of a job; a run of it that is under way is ended."""
    del context
    read.only(intent.params, ("name",))
    name = values.cron_name(read.required(intent.params, "name"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.relieved(intent, Role.WEB)
        found = objects.find(_KIND, row.id, name=name)
        return base.absent(row, intent, _KIND, found, lambda view: _steps(view, name))

    return apply


def _steps(view: ServiceView, name: str) -> list[StepSpec]:
    server = view.web
    return [cron_step(server.name, one) for one in view.cron_jobs if server and one.name == name]
