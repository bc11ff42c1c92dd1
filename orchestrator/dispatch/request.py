"""What a task asks of its server, and what becomes of one that can never be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.core.errors import Busy, Conflict, IllegalTransition, InvalidInput, TenantryError
from orchestrator.core.names import shown
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome, Role
from orchestrator.dispatch.handlers import Handlers
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.plan import backoff, catalog, jobs
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import fleet, orphans, tasks
from orchestrator.store.claim import Claim

ServiceOf = Callable[[int], ServiceView]  # a service as it is now


def refused(error: TenantryError) -> RunResult:
    """Return the result of input that can never work."""
    if isinstance(error, Busy):
        return RunResult(outcome=Outcome.FAILED, reason=backoff.UNDER_WAY, message=str(error))
    reason = "conflict" if isinstance(error, Conflict) else "invalid"
    kind = Outcome.INVALID if isinstance(error, InvalidInput | Conflict | IllegalTransition) else Outcome.FAILED
    return RunResult(outcome=kind, reason=reason, message=str(error))


def request_of(row: Task, claim: Claim, handlers: Handlers, service_of: ServiceOf) -> RunRequest | None:
    """Return what to run, or None when a newer intent has made this step pointless."""
    action = catalog.action(row.action)
    if action.kind != "step" or (row.operation_id is None and not action.is_of_server):
        raise InvalidInput("action", f"{action.name} cannot be asked for by itself", "ask for a service.* action")
    if action.is_of_server and row.service_id is not None:
        raise InvalidInput("service_id", f"{action.name} concerns a server", "leave service_id out")
    server = Server.get_or_none(Server.id == row.server_id)
    if server is None:
        raise InvalidInput("server_id", "is missing or not known", "see `tenantry server list`")
    if action.role and action.role not in server.role_set():
        raise InvalidInput(
            "server_id", f"server {server.name} has no role {Role(action.role)}", "choose another server"
        )
    job = _job(row, server, claim, handlers, service_of)
    if job is None:
        return None
    job = {**job, "reload_seconds": int(fleet.knob_value("reload.coalesce_seconds"))}
    return RunRequest(action=action.name, host=fleet.host(server), job=job, timeout_seconds=action.timeout_seconds)


def _job(row: Task, server: Server, claim: Claim, handlers: Handlers, service_of: ServiceOf) -> dict[str, Any] | None:
    if row.service_id is None:
        for key in tasks.parse_params(row.params):
            raise InvalidInput(f"params.{shown(key)[1:-1]}", "is not known", f"{row.action} takes no params")
        if row.action in handlers.questions:
            return jobs.server_job(row.action, handlers.questions[row.action](server))
        hostname = server.hostname or server.name
        addresses = [address for address in (server.ipv4, server.ipv6) if address]
        params = {"roles": sorted(server.role_set()), "hostname": hostname, "addresses": addresses}
        return jobs.server_job(row.action, params)
    params = tasks.parse_params(row.params)
    if "orphan" in params:
        return orphans.job(params["orphan"], row.id, claim.token)
    service = service_of(row.service_id)
    if row.generation < service.generation:
        return None
    return jobs.build(row.action, handlers.complete(row, service), params, row.step, claim.token)
