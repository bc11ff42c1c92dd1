"""What a playbook reads: the job's parameters, derived from the service's own rows at the moment the step runs.

A task row never carries them. So a row that somebody else inserted cannot name another service's user, path or zone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.core.records import Json
from orchestrator.plan import certificate_jobs, dns_jobs, mail_jobs, vanity, web_jobs
from orchestrator.plan.snapshot import ServiceView

_Builder = Callable[[ServiceView, Mapping[str, Any]], Json]


def build(action: str, service: ServiceView, params: Mapping[str, Any], fence_key: str, token: int) -> Json:
    """Return the job of one step; see docs/reference/job-file.md."""
    job_params = _BUILDERS[action](service, params)
    vanity.require_own(service, action, job_params)
    return stored_job(action, service.id, service.generation, job_params, fence_key, token)


def stored_job(action: str, service_id: int, generation: int, params: Json, fence_key: str, token: int) -> Json:
    """Return the job of a step whose parameters are known; a service that is gone still has a ledger."""
    return {
        "action": action,
        "service": {"id": service_id, "owner": f"s{service_id}"},
        "fence": {"service": service_id, "generation": generation, "key": fence_key, "token": token},
        "params": params,
    }


def server_job(action: str, params: Mapping[str, Any]) -> Json:
    """Return the job of a step that concerns a server and no service."""
    return {"action": action, "params": dict(params)}


_BUILDERS: Mapping[str, _Builder] = {
    **web_jobs.BUILDERS,
    **mail_jobs.BUILDERS,
    **dns_jobs.BUILDERS,
    **certificate_jobs.BUILDERS,
}
