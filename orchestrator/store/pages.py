"""Pages of long lists: the rows below the last id of the page before (keyset), so the thousandth is as quick as the first.

A filter is one that an index answers; what is looked for is one thing: a task, a service, a server or an action.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from peewee import JOIN

from orchestrator.core.states import ServiceStatus, TaskStatus
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.models.service import DomainName, Service
from orchestrator.models.task import LogEntry, Task
from orchestrator.plan.catalog import CATALOG
from orchestrator.store.database import is_sqlite

SIZE = 50
_COUNTED = 1000  # what there is more of is "1000+": nobody counts a million rows for a number on a page
_HEAVY = {Task.params, Task.result}  # another program may have written megabytes there
_INDEXES = {"": "tasks_status_id", "action": "tasks_action_id", "server": "tasks_server_id"}
_COLUMNS = [field for field in Task._meta.sorted_fields if field not in _HEAVY]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Some rows, and the key that the next page begins below; None when there is none."""

    rows: list[T]
    more: int | None


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a person typed, understood. ``kind``: empty, task, service, server, action, nothing."""

    kind: str = ""
    value: Any = None


def understood(text: str) -> Search:
    """Return what is looked for: ``#12`` or ``12`` a task or service, a domain, a server's name, an action's name."""
    text = text.strip().lower()[:253]
    if not text:
        return Search()
    if match := re.fullmatch(r"(#|task |service )?([0-9]{1,18})", text):
        return Search(kind="service" if match[1] == "service " else "task", value=int(match[2]))
    if text in CATALOG:
        return Search(kind="action", value=text)
    if (server := Server.get_or_none(Server.name == text)) is not None:
        return Search(kind="server", value=server.id)
    if (name := DomainName.get_or_none(DomainName.name == text)) is not None:
        return Search(kind="service", value=name.service_id)
    return Search(kind="nothing", value=text)


def tasks(statuses: list[str], search: Search, before: int | None, size: int = SIZE) -> Page[Task]:
    """Return tasks, the newest first. What no single index has in order is read in parts, and the heads are merged.

    The numbers are read from an index that has nothing else to offer, and the rows by their numbers: asked for both at once,
    MariaDB sorts a million rows rather than walk down an index.
    """
    index = _INDEXES.get(search.kind, "") if search.kind or statuses else ""
    numbers = {number for query in _parts(statuses, search) for number in _head(query, index, before, size)}
    shown = sorted(numbers, reverse=True)[: size + 1]
    rows = Task.select(*_COLUMNS).where(Task.id << shown[:size]).order_by(Task.id.desc())
    return Page(rows=list(rows), more=shown[size - 1] if len(shown) > size else None)


def _head(query: Any, index: str, before: int | None, size: int) -> list[int]:
    if before is not None:
        query = query.where(Task.id < before)
    query = query.order_by(Task.id.desc()).limit(size + 1)
    return [number for (number,) in _from_index(query, index if before is not None else "")]


def _from_index(query: Any, index: str) -> list[tuple[int]]:
    """Read numbers; MariaDB is told the index: it would enter that at its newest row and step over all above the page."""
    sql, values = query.sql()
    if index and not is_sqlite():
        sql = sql.replace(" AS `t1` ", f" AS `t1` FORCE INDEX ({index}) ", 1)
    return list(database.execute_sql(sql, values).fetchall())


def _parts(statuses: list[str], search: Search) -> list[Any]:
    """Return queries for numbers of which each is answered by one index, in order of the id."""
    everything = Task.select(Task.id)
    if search.kind == "nothing":
        return []
    if search.kind in ("task", "service"):  # a number may be either; a service has few tasks
        of_service = everything.where(Task.service_id == search.value)
        parts = [of_service] if search.kind == "service" else [of_service, everything.where(Task.id == search.value)]
        return [part.where(Task.status << statuses) for part in parts] if statuses else parts
    if not search.kind and not statuses:
        return [everything]
    fields = {"server": Task.server_id, "action": Task.action}
    narrowed = everything.where(fields[search.kind] == search.value) if search.kind else everything
    return [narrowed.where(Task.status == status) for status in statuses or list(TaskStatus)]


def _page(rows: list[Any], size: int) -> Page[Any]:
    return Page(rows=rows[:size], more=rows[size - 1].id if len(rows) > size else None)


def log(search: Search, outcome: str, before: int | None, size: int = SIZE) -> Page[LogEntry]:
    """Return log lines, the newest first, with ``server_name``."""
    if search.kind in ("nothing", "action"):
        return Page(rows=[], more=None)
    light = [field for field in LogEntry._meta.sorted_fields if field is not LogEntry.detail]
    query = LogEntry.select(*light, Server.name.alias("server_name")).join(
        Server, JOIN.LEFT_OUTER, on=(Server.id == LogEntry.server_id)
    )
    fields = {"task": LogEntry.task_id, "service": LogEntry.service_id, "server": LogEntry.server_id}
    if search.kind:
        query = query.where(fields[search.kind] == search.value)
    if outcome:
        query = query.where(LogEntry.outcome == outcome)
    if before is not None:
        query = query.where(LogEntry.id < before)
    return _page(list(query.order_by(LogEntry.id.desc()).limit(size + 1).objects()), size)


def services(status: str, text: str, before: int | None, size: int = SIZE) -> Page[Service]:
    """Return services by id, the highest first; ``text`` is an id or the beginning of a domain."""
    query = Service.select()
    if status:
        query = query.where(Service.status == ServiceStatus(status))
    if before is not None:
        query = query.where(Service.id < before)
    if text.isdigit():
        query = query.where(Service.id == int(text[:18]))
    elif text:
        start = text.strip().lower()[:253]
        names = DomainName.select(DomainName.service_id).where(
            (DomainName.name >= start) & (DomainName.name < f"{start}\U0010ffff")
        )
        ids = sorted({row.service_id for row in names.limit(_COUNTED)})
        query = query.where(Service.id << ids)
    return _page(list(query.order_by(Service.id.desc()).limit(size + 1)), size)


def counted(query: Any) -> int:
    """Return how many rows a query has, at most ``_COUNTED`` and one."""
    return int(query.limit(_COUNTED + 1).count())
