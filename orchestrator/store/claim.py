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
from orchestrator.plan.catalog import LOOKS
from orchestrator.store.database import database_now, is_sqlite, transaction
from orchestrator.store.fleet import knob_value, next_number

_LANE_DEPTH = 8  # tasks looked at in one lane
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
    action: str = ""
    server_id: int = 0  # 0: a step of the orchestrator itself


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    id: int
    action: str
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
    chosen = _choose(_candidates(now, slots, limit), slots, busy, limit)
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
            where, what = candidate.server_id, candidate.action
            claims.append(Claim(task_id=candidate.id, token=token, action=what, server_id=where))
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


def _candidates(now: datetime, slots: dict[int, int], limit: int) -> list[_Candidate]:
    servers = {row.id for row in Server.select(Server.id)}
    found: list[_Candidate] = []
    for lane, server_id, take in _open_lanes(now, slots, servers, limit):
        found += _heads(lane, server_id, take, now)
    return found


def _open_lanes(now: datetime, slots: dict[int, int], servers: set[int], limit: int) -> list[tuple[str, int, int]]:
    """Return (lane, server, how many tasks to look at) of lanes that could begin something now.

    Every such lane has a due task. So of each server no more of them are needed than it has slots; twice as many let the
    choice be fair. Of equal priority it is chance which. Intents and local steps of one service (server 0) run one after
    another; an intent that only looks may take minutes and keeps none of them waiting. A task that names a server there is
    not is the orchestrator's own as well: to be refused, not to wait for ever.
    """
    holds = (Task.status == TaskStatus.RUNNING) & Task.action.not_in(sorted(LOOKS))
    running = {row.lane for row in Task.select(Task.lane).where(holds)}
    wanted: dict[int, list[tuple[int, float, str]]] = {}
    for lane, priority in _due_lanes(now):
        number = int(lane.split(":")[0])
        server_id = number if number in servers else 0
        if server_id or lane not in running:
            wanted.setdefault(server_id, []).append((priority, random.random(), lane))  # noqa: S311 - fairness only
    picked = []
    for server_id, lanes in wanted.items():
        free = min(slots.get(server_id, 0) if server_id else limit, limit)
        take = min(free, _LANE_DEPTH) if server_id else 1
        picked += [(lane, server_id, take) for _, _, lane in sorted(lanes)[: 2 * free]] if free > 0 else []
    return picked


def _due_lanes(now: datetime) -> list[tuple[str, int]]:
    moment = now.strftime("%Y-%m-%d %H:%M:%S.%f")
    rows = database.execute_sql(_SQLITE_LANES if is_sqlite() else _MARIADB_LANES, (moment,)).fetchall()
    return [(lane, priority) for lane, priority in rows if priority is not None]


def _heads(lane: str, server_id: int, take: int, now: datetime) -> list[_Candidate]:
    """Return the first due tasks of a lane."""
    service_id = int(lane.split(":")[1])
    query = (
        Task.select(Task.id, Task.action, Task.priority, Task.run_after)
        .where((Task.status == TaskStatus.QUEUED) & (Task.lane == lane) & (Task.run_after <= now))
        .order_by(Task.priority, Task.run_after, Task.id)
        .limit(take)
    )
    return [
        _Candidate(
            id=row.id,
            action=row.action,
            server_id=server_id,
            service_id=service_id,
            priority=row.priority,
            run_after=row.run_after,
        )
        for row in query
    ]


def _choose(candidates: list[_Candidate], slots: dict[int, int], busy: Tally[int], limit: int) -> list[_Candidate]:
    """Pick by priority, then the service with the least running, then age, as long as the server has a slot.

    Before age comes what is picked there already: steps of one action on one server may share a run.
    """
    pending = list(candidates)
    free, used = dict(slots), Tally(busy)
    chosen: list[_Candidate] = []
    begun: set[tuple[int, str]] = set()

    def rank(one: _Candidate) -> tuple[Any, ...]:
        is_alone = (one.server_id, one.action) not in begun
        return one.priority, used[one.service_id], is_alone, one.run_after, one.id

    while pending and len(chosen) < limit:
        pending = [one for one in pending if one.server_id == 0 or free.get(one.server_id, 0) > 0]
        if not pending:
            break
        best = min(pending, key=rank)
        pending.remove(best)
        chosen.append(best)
        used[best.service_id] += 1
        if best.server_id:
            free[best.server_id] -= 1
            begun.add((best.server_id, best.action))
    return chosen
