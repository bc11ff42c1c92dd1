"""Taking due tasks: one short transaction, fair between services, within every server's slots."""

from __future__ import annotations

import random
from collections import Counter as Tally
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from orchestrator.core.states import ServerStatus, TaskStatus
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.store.database import database_now, is_sqlite, transaction
from orchestrator.store.fleet import knob_value, next_number

_LANES = 100  # looked into in one pass; of more, those of the best priority, at random among equals
_WORKING = (ServerStatus.ACTIVE, ServerStatus.DRAINING)

# Lanes that have a due task, and the best priority of those. SQLite walks the index from lane to lane; MariaDB, which cannot,
# reads the index entries of what is queued. Finished rows cost neither anything.
_SQLITE_LANES = """
WITH RECURSIVE lanes(lane) AS (
    SELECT MIN(lane) FROM tasks WHERE status = 'queued'
    UNION ALL
    SELECT (SELECT MIN(t.lane) FROM tasks t WHERE t.status = 'queued' AND t.lane > lanes.lane)
    FROM lanes WHERE lanes.lane IS NOT NULL
)
SELECT lane, (SELECT t.priority FROM tasks t WHERE t.status = 'queued' AND t.lane = lanes.lane AND t.run_after <= ?
              ORDER BY t.priority LIMIT 1)
FROM lanes WHERE lane IS NOT NULL
"""
_MARIADB_LANES = """
SELECT lane, MIN(CASE WHEN run_after <= %s THEN priority END) FROM tasks WHERE status = 'queued' GROUP BY lane
"""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A task that is ours until the lease runs out."""

    task_id: int
    token: int


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    id: int
    server_id: int  # 0: a step of the orchestrator itself
    service_id: int
    priority: int
    run_after: datetime


def claim(owner: str, lease_seconds: int, limit: int) -> list[Claim]:
    """Take up to ``limit`` due tasks and return them with their fencing tokens.

    Two orchestrators never claim at the same time: both lock the token counter first, so that running tasks are counted
    and slots taken in one step.
    """
    return transaction(lambda: _claim(owner, lease_seconds, limit)) if limit > 0 and _anything_queued() else []


def _anything_queued() -> bool:
    """A cheap look without a lock, so that an idle orchestrator writes nothing."""
    return bool(Task.select(Task.id).where(Task.status == TaskStatus.QUEUED).limit(1).tuples().first())


def _claim(owner: str, lease_seconds: int, limit: int) -> list[Claim]:
    last_token = next_number("fence", limit)
    now = database_now()
    slots, busy = _free_slots(now), _running_services()
    chosen = _choose(_candidates(now, slots), slots, busy, limit)
    claims = []
    for token, candidate in zip(range(last_token - limit + 1, last_token + 1), chosen, strict=False):
        taken = Task.update(
            status=TaskStatus.RUNNING,
            lease_owner=owner,
            lease_until=now + timedelta(seconds=lease_seconds),
            lease_token=token,
            attempts=Task.attempts + 1,
            started_at=now,
        ).where((Task.id == candidate.id) & (Task.status == TaskStatus.QUEUED))
        if taken.execute():
            claims.append(Claim(task_id=candidate.id, token=token))
    return claims


def _free_slots(now: datetime) -> dict[int, int]:
    """Return how many more steps each server takes; a server whose circuit is half open takes one."""
    running = _running("server_id")
    default = int(knob_value("server.concurrency"))
    slots = {}
    for server in Server.select().where(Server.status << list(_WORKING)):
        allowed = server.concurrency or default
        if server.circuit_until is not None:
            allowed = 0 if server.circuit_until > now else 1
        slots[server.id] = allowed - running.get(server.id, 0)
    return slots


def _running_services() -> Tally[int]:
    return Tally(_running("service_id"))


def _running(column: str) -> dict[int, int]:
    field = getattr(Task, column)
    query = Task.select(field, fn.COUNT(Task.id)).where(Task.status == TaskStatus.RUNNING).group_by(field)
    rows: Any = query.tuples()
    return {key or 0: count for key, count in rows}


def _candidates(now: datetime, slots: dict[int, int]) -> list[_Candidate]:
    servers = {row.id for row in Server.select(Server.id)}
    found: list[_Candidate] = []
    for lane in _open_lanes(now, slots, servers):
        server_id, service_id = (int(part) for part in lane.split(":"))
        # A task that names no server there is is claimed as well, to be refused by name instead of waiting for ever.
        found += _heads(lane, server_id if server_id in servers else 0, service_id, now)
    return found


def _open_lanes(now: datetime, slots: dict[int, int], servers: set[int]) -> list[str]:
    """Return the lanes that could begin something now, at most _LANES of them.

    Intents and local steps of one service (server 0) run one after another.
    """
    running = {row.lane for row in Task.select(Task.lane).where(Task.status == TaskStatus.RUNNING)}
    moment = now.strftime("%Y-%m-%d %H:%M:%S.%f")
    rows = database.execute_sql(_SQLITE_LANES if is_sqlite() else _MARIADB_LANES, (moment,)).fetchall()
    open_lanes = []
    for lane, priority in rows:
        server_id = int(lane.split(":")[0])
        is_free = slots.get(server_id, 0) > 0 if server_id in servers else lane not in running
        if priority is not None and is_free:
            open_lanes.append((priority, random.random(), lane))  # noqa: S311 - fairness, not secrecy
    return [lane for _, _, lane in sorted(open_lanes)[:_LANES]]


def _heads(lane: str, server_id: int, service_id: int, now: datetime) -> list[_Candidate]:
    """Return the first due tasks of a lane."""
    query = (
        Task.select(Task.id, Task.priority, Task.run_after)
        .where((Task.status == TaskStatus.QUEUED) & (Task.lane == lane) & (Task.run_after <= now))
        .order_by(Task.priority, Task.run_after, Task.id)
        .limit(1 if server_id == 0 else 8)
    )
    return [
        _Candidate(
            id=row.id, server_id=server_id, service_id=service_id, priority=row.priority, run_after=row.run_after
        )
        for row in query
    ]


def _choose(candidates: list[_Candidate], slots: dict[int, int], busy: Tally[int], limit: int) -> list[_Candidate]:
    """Pick by priority, then the service with the least running, then age, as long as the server has a slot."""
    pending = list(candidates)
    free, used = dict(slots), Tally(busy)
    chosen: list[_Candidate] = []
    while pending and len(chosen) < limit:
        pending = [one for one in pending if one.server_id == 0 or free.get(one.server_id, 0) > 0]
        if not pending:
            break
        best = min(pending, key=lambda one: (one.priority, used[one.service_id], one.run_after, one.id))
        pending.remove(best)
        chosen.append(best)
        used[best.service_id] += 1
        if best.server_id:
            free[best.server_id] -= 1
    return chosen
