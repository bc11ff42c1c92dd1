"""What an action would do: its steps, and each of them in check mode. Nothing is recorded, nothing changes.

The action is carried out in a transaction that is always rolled back: so the plan is the very one that the queue would make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome, ServerStatus
from orchestrator.execute.base import Executor
from orchestrator.execute.text import Mask
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.plan import catalog, jobs
from orchestrator.plan.snapshot import ServiceView
from orchestrator.store import fleet, orphans, snapshots, tasks, timeline
from orchestrator.store.database import transaction

_AT_ONCE = 4
_ASKED = (ServerStatus.ACTIVE, ServerStatus.DRAINING)
Apply = Callable[[], dict[str, Any]]
Cancelled = Callable[[], bool]
Snapshot = Callable[[int], ServiceView]


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step as it would be queued; ``request`` is None for a step of the orchestrator itself."""

    step: str
    action: str
    server: str | None
    needs: tuple[str, ...]
    request: RunRequest | None
    away: str = ""  # why its server is not asked


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a server said of a step; without the secrets of the step's job."""

    step: PlannedStep
    would: Outcome  # CHANGED: it would change something; OK: there is nothing to do; else it would not work, or nobody knows
    message: str
    diffs: tuple[str, ...]  # unified, one for each task of the play that would change something

    @property
    def diff(self) -> str:
        """Return everything that would change."""
        return "".join(self.diffs)


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
    rows = {row.id: row for row in Task.select().where(Task.operation_id == operation_id)}
    servers = {row.id: row for row in Server.select().where(Server.id << {row.server_id for row in rows.values()})}
    snapshot = cache(snapshots.of)  # the transaction holds the write lock: every object is read once, not for each step
    found = []
    for listed in timeline.steps(operation_id):
        row = rows[listed["task_id"]]
        needs = tuple(rows[number].step for number in listed["needs"] if number in rows)
        step = PlannedStep(step=row.step, action=row.action, server=listed["server"], needs=needs, request=None)
        found.append(_on_server(step, row, servers[row.server_id], snapshot) if row.server_id else step)
    return tuple(found)


def _on_server(step: PlannedStep, row: Task, server: Server, snapshot: Snapshot) -> PlannedStep:
    """Return the step with what its server would be asked; one that nothing may run on now is not asked at all."""
    away = "" if server.status in _ASKED else f"server {server.name} is {server.status}; it was not asked"
    return replace(step, request=_request(row, server, snapshot), away=away)


def _request(row: Task, server: Server, snapshot: Snapshot) -> RunRequest:
    params, token = tasks.parse_params(row.params), fleet.current_number("fence")
    if "orphan" in params:
        job = orphans.job(params["orphan"], row.id, token)
    else:
        job = jobs.build(row.action, snapshot(int(row.service_id or 0)), params, row.step, token)
    host, timeout = fleet.host(server), catalog.action(row.action).timeout_seconds
    return RunRequest(action=row.action, host=host, job=job, timeout_seconds=timeout, check=True)


def rehearse(
    found: Rehearsal, executor: Executor, cancelled: Cancelled = lambda: False
) -> Iterator[tuple[PlannedStep, RunResult]]:
    """Run every step that has a playbook in check mode and yield each with its result, in the order of the plan.

    A server that does not answer is asked no further step: the others on it get the same answer.
    """
    silent: dict[str, RunResult] = {}

    def ask(step: PlannedStep, request: RunRequest) -> RunResult:
        if step.away or cancelled():
            outcome = Outcome.UNREACHABLE if step.away else Outcome.CANCELLED
            return RunResult(outcome=outcome, message=step.away)
        result = silent.get(request.host.name) or executor.run(request, cancelled)
        if result.outcome is Outcome.UNREACHABLE:
            silent[request.host.name] = result
        return result

    chosen = [(step, step.request) for step in found.steps if step.request is not None]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = pool.map(lambda pair: ask(*pair), chosen)
        yield from zip((step for step, _ in chosen), results, strict=True)


def findings(found: Rehearsal, executor: Executor, cancelled: Cancelled = lambda: False) -> Iterator[Finding]:
    """Yield what every server says, for people: the modules show no secret, and what is one in the job is hidden once more."""
    for step, result in rehearse(found, executor, cancelled):
        mask = Mask(step.request.job if step.request else {})
        diffs = tuple(mask.text(event.diff) for event in result.events if event.diff)
        yield Finding(step=step, would=result.outcome, message=mask.text(result.message), diffs=diffs)
