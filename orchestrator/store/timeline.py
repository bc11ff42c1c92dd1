"""What people watch: an operation's steps and the log."""

from __future__ import annotations

import itertools
from typing import Any

from peewee import JOIN

from orchestrator.core.states import OPEN_STATUSES, TaskStatus
from orchestrator.models.fleet import Server
from orchestrator.models.task import LogEntry, Operation, Task, TaskDependency
from orchestrator.plan.catalog import CATALOG, LOOKS


def operation_of(service_id: int) -> Operation | None:
    """Return the newest operation of a service; those of its certificates have a state of their own."""
    asked = (Operation.service_id == service_id) & ~Operation.intent.startswith("certificate.")
    found: Operation | None = Operation.select().where(asked).order_by(Operation.id.desc()).first()
    return found


def open_intent(service_id: int) -> int | None:
    """Return the newest task that asks for something for a service and has not been planned yet."""
    asked = (Task.service_id == service_id) & Task.operation_id.is_null() & Task.action.not_in(sorted(LOOKS))
    open_tasks = Task.select(Task.id).where(asked & (Task.status << [TaskStatus.QUEUED, TaskStatus.RUNNING]))
    found: Task | None = open_tasks.order_by(Task.id.desc()).first()
    return found.id if found else None


def steps(operation_id: int) -> list[dict[str, Any]]:
    """Return the steps of an operation in the order in which they were planned."""
    names = {row.id: row.name for row in Server.select(Server.id, Server.name)}
    rows = list(Task.select().where(Task.operation_id == operation_id).order_by(Task.id))
    needs: dict[int, list[int]] = {}
    ids = [row.id for row in rows]
    for pair in TaskDependency.select().where(TaskDependency.task_id << ids):
        needs.setdefault(pair.task_id, []).append(pair.needs_id)
    return [
        {
            "task_id": row.id,
            "step": row.action,
            "title": CATALOG[row.action].title if row.action in CATALOG else row.action,
            "server": names.get(row.server_id or 0),
            "status": row.shown_status,
            "attempts": row.attempts,
            "run_after": row.run_after,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "needs": sorted(needs.get(row.id, [])),
            "error": row.error,
        }
        for row in rows
    ]


def can_move(operation_id: int) -> bool:
    """True while a step is at work or due, or one waits for a task of somebody else's that is."""
    mine = Task.operation_id == operation_id
    going = Task.status << [TaskStatus.QUEUED, TaskStatus.RUNNING]
    waiting = Task.select(Task.id).where(mine & (Task.status == TaskStatus.WAITING))
    needed = TaskDependency.select(TaskDependency.needs_id).where(TaskDependency.task_id << waiting)
    elsewhere = (Task.id << needed) & (Task.operation_id.is_null() | (Task.operation_id != operation_id))
    open_there = elsewhere & (Task.status << list(OPEN_STATUSES))
    return bool(Task.select().where((mine & going) | open_there).exists())


def log_entries(service: int | None, operation: int | None, limit: int, after: int) -> list[dict[str, Any]]:
    """Return log lines newer than the id ``after``, oldest first; at first only the newest ``limit``."""
    query = LogEntry.select(LogEntry, Server.name.alias("server_name")).join(
        Server, JOIN.LEFT_OUTER, on=(Server.id == LogEntry.server_id)
    )
    if service is not None:
        query = query.where(LogEntry.service_id == service)
    if operation is not None:
        query = query.where(LogEntry.operation_id == operation)
    rows = list(query.where(LogEntry.id > after).order_by(LogEntry.id.desc()).limit(limit).objects())
    return [
        {
            "id": row.id,
            "at": row.at,
            "kind": row.kind,
            "task_id": row.task_id,
            "operation_id": row.operation_id,
            "service_id": row.service_id,
            "server": getattr(row, "server_name", None),
            "action": row.action,
            "attempt": row.attempt,
            "started_at": row.started_at,
            "outcome": row.outcome,
            "reason": row.reason,
            "message": row.message,
            "actor": row.actor,
        }
        for row in reversed(rows)
    ]


def changed_objects(operation_id: int) -> list[dict[str, Any]]:
    """Return what an operation really had to change: step, server, and the objects with what differed."""
    rows: Any = list(
        LogEntry.select(LogEntry, Task.step.alias("step"), Server.name.alias("server_name"))
        .join(Task, on=(Task.id == LogEntry.task_id))
        .join(Server, JOIN.LEFT_OUTER, on=(Server.id == LogEntry.server_id))
        .where((LogEntry.operation_id == operation_id) & (LogEntry.kind == "attempt") & (LogEntry.outcome == "changed"))
        .order_by(LogEntry.id)
        .objects()
    )
    return [
        {"step": row.step, "server": row.server_name, "objects": _differences(row.detail)}
        for row in rows
        if row.server_name
    ]


def _differences(detail: Any) -> list[str]:
    """Return the name of each object that an attempt's diff speaks of."""
    headers = []
    for event in (detail or {}).get("events", []):
        lines = str(event.get("diff", "")).splitlines()
        pairs = itertools.pairwise(lines)
        headers += [one[4:] for one, other in pairs if one.startswith("--- ") and other == f"+++ {one[4:]}"]
    return list(dict.fromkeys(headers))
