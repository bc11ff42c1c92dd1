"""server.sync_usage and server.sync_status: what a server is asked, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Json, RunResult
from orchestrator.core.states import Role
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.plan.usage import days, reading, status
from orchestrator.store import fleet, usage, usage_intake

_COLLECTED = (Role.WEB, Role.MAIL, Role.DNS)


def usage_params(server: Server) -> Json:
    """Return the parameters of server.sync_usage: the days to count in, from the last one that was told on."""
    # A home that was walked in this half of an interval is not walked again when somebody asks in between.
    fresh = timedelta(minutes=int(fleet.knob_value("usage.interval_minutes"))) / 4
    window = days.window(utc_now(), usage.zone(), usage_intake.through(server.id))
    return {"roles": sorted(server.role_set()), "days": window, "fresh_seconds": int(fresh.total_seconds())}


def status_params(server: Server) -> Json:
    """Return the parameters of server.sync_status."""
    return {"roles": sorted(server.role_set())}


def usage_effect(row: Task, result: RunResult) -> dict[str, Any]:
    """Store what a server reported, inside the transaction of the result; InvalidInput when it is no report at all.

    A role that is missing from the report keeps its figures, which grow old.
    """
    server, now = Server.get_by_id(row.server_id), utc_now()
    window = days.window(now, usage.zone(), usage_intake.through(server.id))
    roles = [role for role in _COLLECTED if role in server.role_set()]
    missing = [role for role in roles if role not in result.usage]
    if missing:
        raise InvalidInput(f"usage.{missing[0]}", "is missing from the report", "check the server")
    told = {}
    for role in roles:
        known = usage_intake.known(server.id, role, window[0]["day"], window[-1]["day"])
        found = reading.read(role, result.usage[role], known)
        usage_intake.keep(server.id, found, now, days.day_of(now, usage.zone()))
        touched = {day for counted in found.days.values() for day in counted}
        usage.recompute(found.figures, now, touched)
        told[str(role)] = {"services": len(found.figures), "complete": found.complete, "problems": found.problems}
    return {"outcome": str(result.outcome), "warnings": list(result.warnings), "usage": told}


def status_effect(row: Task, result: RunResult) -> dict[str, Any]:
    """Store how a server says it is; InvalidInput when it cannot be believed."""
    usage_intake.keep_status(int(row.server_id or 0), status.read(result.usage.get("server")), utc_now())
    return {"outcome": str(result.outcome), "warnings": list(result.warnings)}


PARAMS: Mapping[str, Callable[[Server], Json]] = {
    "server.sync_usage": usage_params,
    "server.sync_status": status_params,
}
EFFECTS: Mapping[str, Callable[[Task, RunResult], dict[str, Any]]] = {
    "server.sync_usage": usage_effect,
    "server.sync_status": status_effect,
}
