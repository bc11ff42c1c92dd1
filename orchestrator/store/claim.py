"""Taking due tasks: one short transaction, fair between services, within every server's slots."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from peewee import fn

from orchestrator.core.states import ServerStatus, TaskStatus
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.plan.catalog import CATALOG, LOOKS
from orchestrator.store.database import database_now, is_sqlite, transaction
from orchestrator.store.fleet import knob_value, next_number

_LANE_DEPTH = 8  # tasks looked at in one lane
_WORKING = (ServerStatus.ACTIVE, ServerStatus.DRAINING)

# Lanes that have a due task, with the best priority of those and the oldest one. SQLite walks the index from lane to lane;
# MariaDB, which cannot, reads the index entries of what is queued. Finished rows cost neither anything.
_SQLITE_LANES = """
WITH RECURSIVE lanes(lane) AS (
    SELECT MIN(lane) FROM tasks WHERE status = 'queued'
    UNION ALL
    SELECT (SELECT MIN(t.lane) FROM tasks t WHERE t.status = 'queued' AND t.lane > lanes.lane)
    FROM lanes WHERE lanes.lane IS NOT NULL
)
SELECT lanes.lane, t.priority, t.id FROM lanes JOIN tasks t ON t.id = (
    SELECT h.id FROM tasks h WHERE h.status = 'queued' AND h.lane = lanes.lane AND h.run_after <= ?
    ORDER BY h.priority, h.run_after, h.id LIMIT 1
)
"""
_MARIADB_LANES = """
SELECT lane, MIN(priority), MIN(id) FROM tasks WHERE status = 'queued' AND run_after <= %s GROUP BY lane
"""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A task that is ours until the lease runs out; those that share a run have the same token, and follow each other."""

    task_id: int
    token: int


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
    runs = _choose(_candidates(now, slots, limit), slots, busy, limit, _Companions(now))
    tokens = range(last_token - limit + 1, last_token + 1)
    claims = []
    for token, candidate in [(token, one) for token, run in zip(tokens, runs, strict=False) for one in run]:
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
    """Return how many more runs each server takes; a server whose circuit is half open takes one."""
    running = running_on_servers()
    default = int(knob_value("server.concurrency"))
    slots = {}
    for server in Server.select().where(Server.status << list(_WORKING)):
        allowed = server.concurrency or default
        if server.circuit_until is not None:
            allowed = 0 if server.circuit_until > now else 1
        slots[server.id] = allowed - running.get(server.id, 0)
    return slots


def running_on_servers() -> dict[int, int]:
    """Return how many runs are under way on each server that has any; tasks that share one count once."""
    run = fn.COALESCE(Task.lease_token, Task.id * -1)
    return _running(Task.server_id, fn.COUNT(fn.DISTINCT(run)))


def _running_services() -> Tally[int]:
    return Tally(_running(Task.service_id, fn.COUNT(Task.id)))


def _running(column: Any, count: Any) -> dict[int, int]:
    rows: Any = Task.select(column, count).where(Task.status == TaskStatus.RUNNING).group_by(column).tuples()
    return {key or 0: number for key, number in rows}


def _candidates(now: datetime, slots: dict[int, int], limit: int) -> list[_Candidate]:
    servers = {row.id for row in Server.select(Server.id)}
    found: list[_Candidate] = []
    for lane, server_id, take in _open_lanes(now, slots, servers, limit):
        found += _heads(lane, server_id, take, now)
    return found


def _open_lanes(now: datetime, slots: dict[int, int], servers: set[int], limit: int) -> list[tuple[str, int, int]]:
    """Return (lane, server, how many tasks to look at) of lanes that could begin something now.

    Every such lane has a due task. So of each server no more of them are needed than it has slots; twice as many let the
    choice be fair. Of equal priority those come first that were asked for first: of a hundred orders the first are live long
    before the last, where chance would make all of them wait for each other.

    Intents and local steps of one service (server 0) run one after another; an intent that only looks may take minutes and
    keeps none of them waiting. A task that names a server there is not is the orchestrator's own as well: to be refused, not
    to wait for ever.
    """
    holds = (Task.status == TaskStatus.RUNNING) & Task.action.not_in(sorted(LOOKS))
    running = {row.lane for row in Task.select(Task.lane).where(holds)}
    wanted: dict[int, list[tuple[int, int, str]]] = {}
    for lane, priority, oldest in _due_lanes(now):
        number = int(lane.split(":")[0])
        server_id = number if number in servers else 0
        if server_id or lane not in running:
            wanted.setdefault(server_id, []).append((priority, oldest, lane))
    picked = []
    for server_id, lanes in wanted.items():
        free = min(slots.get(server_id, 0) if server_id else limit, limit)
        take = min(free, _LANE_DEPTH) if server_id else 1
        picked += [(lane, server_id, take) for _, _, lane in sorted(lanes)[: 2 * free]] if free > 0 else []
    return picked


def _due_lanes(now: datetime) -> list[tuple[str, int, int]]:
    moment = now.strftime("%Y-%m-%d %H:%M:%S.%f")
    rows = database.execute_sql(_SQLITE_LANES if is_sqlite() else _MARIADB_LANES, (moment,)).fetchall()
    return [(str(lane), int(priority), int(oldest)) for lane, priority, oldest in rows]


def _heads(lane: str, server_id: int, take: int, now: datetime) -> list[_Candidate]:
    """Return the first due tasks of a lane."""
    query = (
        Task.select(Task.id, Task.action, Task.service_id, Task.priority, Task.run_after)
        .where((Task.status == TaskStatus.QUEUED) & (Task.lane == lane) & (Task.run_after <= now))
        .order_by(Task.priority, Task.run_after, Task.id)
        .limit(take)
    )
    return [_candidate(row, server_id) for row in query]


def _candidate(row: Task, server_id: int) -> _Candidate:
    return _Candidate(
        id=row.id,
        action=row.action,
        server_id=server_id,
        service_id=row.service_id or 0,
        priority=row.priority,
        run_after=row.run_after,
    )


def _choose(
    candidates: list[_Candidate], slots: dict[int, int], busy: Tally[int], limit: int, companions: _Companions
) -> list[list[_Candidate]]:
    """Pick by priority, then the service with the least running, then what was asked for first, while the server has a slot.

    Each pick is a run and takes a slot, with the tasks that can share it.
    """
    pending = list(candidates)
    free, used = dict(slots), Tally(busy)
    runs: list[list[_Candidate]] = []
    while limit > 0:
        pending = [one for one in pending if one.server_id == 0 or free.get(one.server_id, 0) > 0]
        if not pending:
            break
        best = min(pending, key=lambda one: (one.priority, used[one.service_id], one.id))
        run = [best, *companions.of(best, runs, limit - 1)]
        pending = [one for one in pending if one not in run]
        runs.append(run)
        limit -= len(run)
        used.update(one.service_id for one in run)
        if best.server_id:
            free[best.server_id] -= 1
    return runs


class _Companions:
    """Finds due tasks that can share the run of another: of the same action, server and priority, the oldest first."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    @cached_property
    def _most(self) -> int:
        return int(knob_value("tasks.per_run")) - 1

    @cached_property
    def _on_trial(self) -> set[int]:
        """Servers of which nobody knows whether they answer again: one task finds out."""
        return {row.id for row in Server.select(Server.id).where(Server.circuit_until.is_null(False))}

    def of(self, first: _Candidate, taken: list[list[_Candidate]], room: int) -> list[_Candidate]:
        """Return at most ``room`` tasks that nobody has taken."""
        if not self._shares_run(first) or first.server_id in self._on_trial:
            return []
        wanted = min(self._most, room)
        if wanted <= 0:
            return []
        gone = [first.id, *(one.id for run in taken for one in run)]
        query = (
            Task.select(Task.id, Task.action, Task.server_id, Task.service_id, Task.priority, Task.run_after)
            .where(
                (Task.server_id == first.server_id)
                & (Task.status == TaskStatus.QUEUED)
                & (Task.action == first.action)
                & (Task.priority == first.priority)
                & (Task.run_after <= self._now)
                & Task.id.not_in(gone)
            )
            .order_by(Task.id)
            .limit(wanted)
        )
        return [_candidate(row, first.server_id) for row in query]

    @staticmethod
    def _shares_run(first: _Candidate) -> bool:
        known = CATALOG.get(first.action)
        return first.server_id != 0 and known is not None and known.shares_run
