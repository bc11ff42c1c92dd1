"""What an action would do: its steps, and each of them in check mode. Nothing is recorded, nothing changes.

The action is carried out in a transaction that is always rolled back: so the plan is the very one that the queue would make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.execute.base import Executor
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.plan import catalog, jobs
from orchestrator.store import fleet, orphans, snapshots, tasks, timeline
from orchestrator.store.database import transaction

_AT_ONCE = 4
Apply = Callable[[], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step as it would be queued; ``request`` is None for a step of the orchestrator itself."""

    step: str
    action: str
    server: str | None
    needs: tuple[str, ...]
    request: RunRequest | None


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What an action would answer and the steps it would begin."""

    answer: dict[str, Any]
    steps: tuple[PlannedStep, ...]


class _Undo(Exception):
    """Ends the transaction in which nothing may be kept."""

    def __init__(self, found: Rehearsal) -> None:
        self.found = found


def plan(apply: Apply) -> Rehearsal:
    """Return what an intent would do; raises what the intent itself would raise."""

    return _undone(apply, lambda operation: _steps(operation) if operation else ())


def try_out(apply: Apply) -> dict[str, Any]:
    """Return what an intent would answer, without its steps: their jobs may need what is only stored when it is really done."""
    return _undone(apply, lambda _: ()).answer


def _undone(apply: Apply, steps: Callable[[int | None], tuple[PlannedStep, ...]]) -> Rehearsal:
    def work() -> None:
        answer = apply()
        raise _Undo(Rehearsal(answer=answer, steps=steps(answer.get("operation_id"))))

    try:
        transaction(work)
    except _Undo as undone:
        return undone.found
    raise AssertionError("a rehearsal always ends in a rollback")


def _steps(operation_id: int) -> tuple[PlannedStep, ...]:
    names = {row.id: row.step for row in Task.select().where(Task.operation_id == operation_id)}
    found = []
    for listed in timeline.steps(operation_id):
        row = tasks.get(listed["task_id"])
        needs = tuple(names[number] for number in listed["needs"] if number in names)
        request = _request(row) if row.server_id else None
        found.append(
            PlannedStep(step=row.step, action=row.action, server=listed["server"], needs=needs, request=request)
        )
    return tuple(found)


def _request(row: Task) -> RunRequest:
    params, token = tasks.parse_params(row.params), fleet.current_number("fence")
    if "orphan" in params:
        job = orphans.job(params["orphan"], row.id, token)
    else:
        job = jobs.build(row.action, snapshots.of(int(row.service_id or 0)), params, row.step, token)
    host = fleet.host(Server.get_by_id(row.server_id))
    timeout = catalog.action(row.action).timeout_seconds
    return RunRequest(action=row.action, host=host, job=job, timeout_seconds=timeout, check=True)


def rehearse(found: Rehearsal, executor: Executor) -> Iterator[tuple[PlannedStep, RunResult]]:
    """Run every step that has a playbook in check mode and yield each with its result, in the order of the plan."""
    chosen = [(step, step.request) for step in found.steps if step.request is not None]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = pool.map(lambda pair: executor.run(pair[1], lambda: False), chosen)
        yield from zip((step for step, _ in chosen), results, strict=True)
