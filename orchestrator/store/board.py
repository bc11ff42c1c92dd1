"""What the overview shows: a few figures and the worst of each kind, from indexes alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from orchestrator.core.certificates import CertificateState
from orchestrator.core.states import ServiceStatus, TaskStatus
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.fleet import Server
from orchestrator.models.service import Placement, Service
from orchestrator.models.task import Task
from orchestrator.store.claim import running_on_servers
from orchestrator.store.fleet import knob_value
from orchestrator.store.pages import counted

TROUBLED = (CertificateState.FROZEN, CertificateState.CA_PAUSED, CertificateState.BLOCKED)
_SLOT_MINUTES = 5
_SLOTS = 12
_SOON = timedelta(days=10)  # by then a renewal should long have happened


@dataclass(frozen=True, kw_only=True)
class Load:
    """A server with what it does at the moment."""

    row: Server
    running: int
    slots: int
    queued: int
    services: int


def queue(now: datetime) -> dict[str, Any]:
    """Return how many tasks stand where (at most 1001 of each), and since when the oldest due one waits."""
    shown = (TaskStatus.RUNNING, TaskStatus.QUEUED, TaskStatus.WAITING, TaskStatus.ERROR)
    counts = {str(status): counted(Task.select(Task.id).where(Task.status == status)) for status in shown}
    following = counted(Task.select(Task.id).where((Task.status == TaskStatus.RUNNING) & Task.started_at.is_null()))
    counts["running"] -= following  # what is next in a run waits
    counts["waiting"] += following
    due = (Task.status == TaskStatus.QUEUED) & (Task.run_after <= now)
    oldest = Task.select(Task.run_after).where(due).order_by(Task.run_after).limit(1).first()
    return {"counts": counts, "oldest": oldest.run_after if oldest else None}


def failing(limit: int) -> list[Task]:
    """Return the newest tasks that were given up on."""
    columns = (Task.id, Task.action, Task.service_id, Task.server_id, Task.error, Task.finished_at, Task.attempts)
    return list(Task.select(*columns).where(Task.status == TaskStatus.ERROR).order_by(Task.id.desc()).limit(limit))


def services() -> dict[str, int]:
    """Return how many services there are in each state."""
    rows: Any = Service.select(Service.status, fn.COUNT(Service.id)).group_by(Service.status).tuples()
    found = dict(rows)
    return {str(status): found[status] for status in ServiceStatus if status in found}


def throughput(now: datetime) -> list[dict[str, Any]]:
    """Return what ended in each five minutes of the last hour, oldest first: at, done, failed."""
    begin = now - timedelta(minutes=_SLOT_MINUTES * _SLOTS)
    minute = fn.SUBSTR(Task.finished_at, 1, 16)
    query = Task.select(minute, Task.status, fn.COUNT(Task.id)).where(Task.finished_at > begin)
    rows: Any = query.group_by(minute, Task.status).tuples()
    sums: Counter[tuple[int, bool]] = Counter()
    for text, status, count in rows:
        ended = datetime.strptime(str(text), "%Y-%m-%d %H:%M").replace(tzinfo=now.tzinfo)
        slot = min(max(int((ended - begin).total_seconds()) // (60 * _SLOT_MINUTES), 0), _SLOTS - 1)
        if status in (TaskStatus.DONE, TaskStatus.ERROR):
            sums[slot, status == TaskStatus.DONE] += count
    moments = [begin + timedelta(minutes=_SLOT_MINUTES * slot) for slot in range(_SLOTS)]
    return [{"at": at, "done": sums[slot, True], "failed": sums[slot, False]} for slot, at in enumerate(moments)]


def servers() -> list[Load]:
    """Return every server with its load."""
    running, queued = running_on_servers(), _queued()
    default = int(knob_value("server.concurrency"))
    held: Any = Placement.select(Placement.server_id, fn.COUNT(fn.DISTINCT(Placement.service_id)))
    services_of = dict(held.group_by(Placement.server_id).tuples())
    return [
        Load(
            row=row,
            running=running.get(row.id, 0),
            slots=row.concurrency or default,
            queued=queued.get(row.id, 0),
            services=services_of.get(row.id, 0),
        )
        for row in Server.select().order_by(Server.name)
    ]


def _queued() -> dict[int, int]:
    chosen = Task.select(Task.server_id, fn.COUNT(Task.id)).where(
        (Task.status == TaskStatus.QUEUED) & Task.server_id.is_null(False)
    )
    rows: Any = chosen.group_by(Task.server_id).tuples()
    return dict(rows)


def certificates(now: datetime, limit: int) -> dict[str, Any]:
    """Return how many certificates cannot be had, and those that end soonest within ten days."""
    troubled = counted(CertificateRow.select(CertificateRow.id).where(CertificateRow.state << list(TROUBLED)))
    soon = CertificateRow.select().where(CertificateRow.not_after < now + _SOON)
    ending = list(soon.order_by(CertificateRow.not_after, CertificateRow.id).limit(limit))
    return {"troubled": troubled, "ending": ending, "soon": counted(soon)}
