"""Taking due tasks: one short transaction, fair between services, within every server's slots."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from peewee import fn

from orchestrator.core.states import ServerStatus, TaskStatus, check_task_transition
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.plan.catalog import LOOKS
from orchestrator.store.database import database_now, is_sqlite, locked, transaction
from orchestrator.store.fleet import knob_value, next_number
from orchestrator.store.runs import COLUMNS, Candidate, Chain, Runs, candidate
from orchestrator.store.waiting import stands

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
    """A task that is ours until the lease runs out; those that share a run have the same token, and follow each other.

    ``head`` is the first of those of one service that are carried out one after another, its chain.
    """

    task_id: int
    token: int
    head: int = 0


def claim(owner: str, lease_seconds: int, limit: int) -> list[Claim]:
    """Take due tasks for at most ``limit`` runs and return them with their fencing tokens.

    Those of a run follow each other, and so do those of a chain, in the order in which they are carried out. Two orchestrators
    never claim at the same time: both lock the token counter first, so that running tasks are counted and slots taken in one
    step.
    """
    return transaction(lambda: _claim(owner, lease_seconds, limit)) if limit > 0 and _anything_queued() else []


def _anything_queued() -> bool:
    """A cheap look without a lock, so that an idle orchestrator writes nothing."""
    return bool(Task.select(Task.id).where(Task.status == TaskStatus.QUEUED).limit(1).tuples().first())


def _claim(owner: str, lease_seconds: int, limit: int) -> list[Claim]:
    last_token = next_number("fence", limit)
    now = database_now()
    slots, busy = _free_slots(now), _running_services()
    chosen = _choose(_candidates(now, slots, limit), slots, busy, limit, Runs(now))
    runs = _as_they_were(chosen)
    claims = []
    for token, chains in zip(range(last_token - limit + 1, last_token + 1), runs, strict=False):
        lease = {"lease_owner": owner, "lease_until": now + timedelta(seconds=lease_seconds), "lease_token": token}
        _mark([chain[0] for chain in chains], lease, now)
        _mark([one for chain in chains for one in chain[1:]], lease, None)
        claims += [Claim(task_id=one.id, token=token, head=chain[0].id) for chain in chains for one in chain]
    return claims


def _as_they_were(runs: list[list[Chain]]) -> list[list[Chain]]:
    """Return the runs with their rows locked; what somebody changed since it was read is left out, and all behind it."""
    ids = sorted(one.id for chains in runs for chain in chains for one in chain)
    rows: Any = (
        locked(Task.select(Task.id, Task.status).where(Task.id << ids).order_by(Task.id)).tuples() if ids else []
    )
    now = dict(rows)
    kept = [[list(takewhile(lambda one: now.get(one.id) == one.status, chain)) for chain in chains] for chains in runs]
    return [found for chains in kept if (found := [chain for chain in chains if chain])]


def _mark(tasks: Sequence[Candidate], lease: dict[str, Any], started_at: datetime | None) -> None:
    """Take tasks whose rows are locked; without a start they are next in their run."""
    for status in sorted({one.status for one in tasks}):
        check_task_transition(TaskStatus(status), TaskStatus.RUNNING)
        Task.update(status=TaskStatus.RUNNING, attempts=Task.attempts + 1, started_at=started_at, **lease).where(
            (Task.id << [one.id for one in tasks if one.status == status]) & stands(TaskStatus(status))
        ).execute()


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
    """Return how many tasks of each service are at work; those that are next in their runs do not count."""
    return Tally(_running(Task.service_id, fn.COUNT(Task.started_at)))


def _running(column: Any, count: Any) -> dict[int, int]:
    rows: Any = Task.select(column, count).where(Task.status == TaskStatus.RUNNING).group_by(column).tuples()
    return {key or 0: number for key, number in rows}


def _candidates(now: datetime, slots: dict[int, int], limit: int) -> list[Candidate]:
    servers = {row.id for row in Server.select(Server.id)}
    found: list[Candidate] = []
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


def _heads(lane: str, server_id: int, take: int, now: datetime) -> list[Candidate]:
    """Return the first due tasks of a lane."""
    query = (
        Task.select(*COLUMNS)
        .where((Task.status == TaskStatus.QUEUED) & (Task.lane == lane) & (Task.run_after <= now))
        .order_by(Task.priority, Task.run_after, Task.id)
        .limit(take)
    )
    return [candidate(row, server_id) for row in query]


def _choose(
    candidates: list[Candidate], slots: dict[int, int], busy: Tally[int], limit: int, make: Runs
) -> list[list[Chain]]:
    """Pick by priority, then the service with the least running, then what was asked for first, while the server has a slot.

    Each pick is a run and takes a slot, with the tasks that can share it.
    """
    pending = list(candidates)
    free, used = dict(slots), Tally(busy)
    runs: list[list[Chain]] = []
    taken: set[int] = set()
    while limit > 0:
        pending = [one for one in pending if one.server_id == 0 or free.get(one.server_id, 0) > 0]
        if not pending:
            break
        best = min(pending, key=lambda one: (one.priority, used[one.service_id], one.id))
        chains = make.of(best, taken)
        runs.append(chains)
        taken |= {one.id for chain in chains for one in chain}
        pending = [one for one in pending if one.id not in taken]
        limit -= 1
        used.update(chain[0].service_id for chain in chains)
        if best.server_id:
            free[best.server_id] -= 1
    return runs
