"""Why tasks are not running: the facts for a whole page of them in a handful of queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.core.states import TaskStatus
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task, TaskDependency
from orchestrator.plan.catalog import LOOKS
from orchestrator.plan.why import NEXT, Facts, Other, ServerFacts, why
from orchestrator.store.claim import running_on_servers
from orchestrator.store.database import database_now
from orchestrator.store.fleet import knob_value

_PENDING = (TaskStatus.WAITING, TaskStatus.QUEUED)


def of(rows: Sequence[Task]) -> dict[int, str]:
    """Return {task: sentence} of those that are waiting or queued, or next in a run."""
    found = {row.id: NEXT for row in rows if row.is_next}
    pending = [row for row in rows if row.status in _PENDING]
    if not pending:
        return found
    now, most = database_now(), int(knob_value("tasks.max_attempts"))
    running = _running()
    servers = _servers({row.server_id for row in pending if row.server_id})
    needs, blockers = _needs(pending), _others({row.blocked_by for row in pending if row.blocked_by})
    runs = {row.lease_token or -row.id for row in running if not row.is_next}
    is_full = len(runs) >= int(knob_value("tasks.batch_size"))
    lanes = {row.lane: row for row in running if row.server_id is None and row.action not in LOOKS}
    for row in pending:
        facts = Facts(
            status=row.status,
            run_after=row.run_after,
            attempts=row.attempts,
            max_attempts=most,
            unreachable=row.unreachable,
            cancel_requested=row.cancel_requested,
            blocked_by=blockers.get(row.blocked_by or 0),
            needs=needs.get(row.id, ()),
            server=servers.get(row.server_id or 0),
            lane=_other(lanes[row.lane]) if row.lane in lanes else None,
            is_batch_full=is_full,
        )
        found[row.id] = why(facts, now)
    return found


def _running() -> list[Task]:
    columns = (Task.id, Task.action, Task.status, Task.server_id, Task.lane, Task.started_at, Task.lease_token)
    return list(Task.select(*columns).where(Task.status == TaskStatus.RUNNING))


def _servers(ids: set[int]) -> dict[int, ServerFacts]:
    default = int(knob_value("server.concurrency"))
    counts = running_on_servers()
    rows = Server.select().where(Server.id << sorted(ids)) if ids else []
    return {
        row.id: ServerFacts(
            name=row.name,
            status=row.status,
            slots=row.concurrency or default,
            running=counts.get(row.id, 0),
            failures=row.failures,
            circuit_until=row.circuit_until,
        )
        for row in rows
    }


def _needs(rows: Sequence[Task]) -> dict[int, list[Other]]:
    ids = [row.id for row in rows if row.status == TaskStatus.WAITING]
    if not ids:
        return {}
    pairs: Any = (
        TaskDependency.select(TaskDependency.task_id, Task.id, Task.action, Task.status, Task.started_at)
        .join(Task, on=(Task.id == TaskDependency.needs_id))
        .where((TaskDependency.task_id << ids) & (Task.status != TaskStatus.DONE))
        .order_by(TaskDependency.task_id, Task.started_at.is_null(), Task.id)
        .tuples()
    )
    found: dict[int, list[Other]] = {}
    for waiting, number, action, status, begun in pairs:
        row = Task(id=number, action=action, status=status, started_at=begun)
        found.setdefault(waiting, []).append(_other(row))
    return found


def _others(ids: set[int]) -> dict[int, Other]:
    if not ids:
        return {}
    rows = Task.select(Task.id, Task.action, Task.status, Task.started_at).where(Task.id << sorted(ids))
    return {row.id: _other(row) for row in rows}


def _other(row: Task) -> Other:
    return Other(id=row.id, action=row.action, status=row.shown_status)
