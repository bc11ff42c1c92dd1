"""What a deploy of a service would do: its steps, and each of them in check mode. Nothing is recorded, nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from orchestrator.core.records import Plan, RunRequest, RunResult, StepSpec
from orchestrator.execute.base import Executor
from orchestrator.plan import catalog, chains, jobs
from orchestrator.store import fleet, services
from orchestrator.store.database import session

_AT_ONCE = 4


def steps(service_id: int) -> Plan:
    """Return the steps that service.redeploy would plan; NotFound when there is no such service."""
    return chains.deploy(services.snapshot(service_id))


def rehearse(service_id: int, executor: Executor) -> Iterator[tuple[StepSpec, RunResult]]:
    """Run every step that has a playbook in check mode and yield each with its result, in the order of the plan."""
    chosen = [step for step in steps(service_id).steps if step.server]
    requests = [_request(service_id, step) for step in chosen]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = pool.map(lambda request: executor.run(request, lambda: False), requests)
        yield from zip(chosen, results, strict=True)


def _request(service_id: int, step: StepSpec) -> RunRequest:
    with session():
        service = services.snapshot(service_id)
        job = jobs.build(step.action, service, step.params, step.key, fleet.current_number("fence"))
        host = fleet.host(fleet.server(str(step.server)))
    timeout = catalog.action(step.action).timeout_seconds
    return RunRequest(action=step.action, host=host, job=job, timeout_seconds=timeout, check=True)
