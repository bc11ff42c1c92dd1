"""Statistics from rows alone: nobody who looks at a page waits for a server. Sums are made by a job and read as they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from peewee import fn

from orchestrator.core.states import ServiceStatus
from orchestrator.models.fleet import Package, Server, ServerGroup
from orchestrator.models.service import Placement, Service
from orchestrator.models.usage import (
    ServerStatusRow,
    UsageCollection,
    UsageCurrent,
    UsageDay,
    UsageHistory,
    UsageMailbox,
    UsageMonth,
    UsageTotal,
)
from orchestrator.plan.usage import days
from orchestrator.plan.usage.metrics import METRICS, QUERIES, SNAPSHOT
from orchestrator.store import fleet, usage
from orchestrator.store.database import transaction
from orchestrator.store.usage_intake import NOBODY, replace

_COUNTED_DAYS = 70  # single counters are kept for corrections of the last month; afterwards the history has them
_CHUNK = 500
_NAMED: dict[str, Any] = {"server": Server, "package": Package, "group": ServerGroup}
SCOPES = ("all", *_NAMED)


def current(service_id: int) -> list[Any]:
    """Return the current figures of a service, snapshots first."""
    rows = UsageCurrent.select().where(UsageCurrent.service_id == service_id)
    return sorted(rows, key=lambda row: (row.period != SNAPSHOT, row.period, row.metric))


def mailboxes(service_id: int) -> list[Any]:
    """Return the mailboxes of a service, the largest first."""
    rows = UsageMailbox.select().where(UsageMailbox.service_id == service_id)
    return list(rows.order_by(UsageMailbox.bytes.desc(), UsageMailbox.address))


def history(service_id: int, first: int, last: int) -> list[Any]:
    """Return the days of a service between two days, oldest first."""
    mine = UsageHistory.service_id == service_id
    return list(UsageHistory.select().where(mine & UsageHistory.day.between(first, last)).order_by(UsageHistory.day))


def top(metric: str, period: str, limit: int) -> list[Any]:
    """Return the services with the largest figures, with ``domain``."""
    chosen = (UsageCurrent.metric == metric) & (UsageCurrent.period == period)
    query: Any = UsageCurrent.select(UsageCurrent, Service.domain).join(
        Service, on=(Service.id == UsageCurrent.service_id)
    )
    return list(query.where(chosen).order_by(UsageCurrent.value.desc()).limit(limit).objects())


def trend(scope: str, scope_id: int, first: int, last: int) -> list[Any]:
    """Return the sums of a scope between two days, oldest first."""
    mine = (UsageTotal.scope == scope) & (UsageTotal.scope_id == scope_id)
    return list(UsageTotal.select().where(mine & UsageTotal.day.between(first, last)).order_by(UsageTotal.day))


def scope_id(scope: str, name: str) -> int:
    """Return the number of a server, package or group by its name, 0 of everything; NotFound when there is none."""
    by_name: dict[str, Callable[[str], Any]] = {"server": fleet.server, "package": fleet.package, "group": fleet.group}
    return int(by_name[scope](name).id) if scope in by_name else 0


def totals(scope: str) -> list[dict[str, Any]]:
    """Return the newest sums of every server, package or group that has any: name, day, figures."""
    last = UsageTotal.select().where(UsageTotal.scope == scope).order_by(UsageTotal.day.desc()).first()
    if last is None:
        return []
    names = {row.id: row.name for row in _NAMED[scope].select()} if scope in _NAMED else {0: "all"}
    rows = UsageTotal.select().where((UsageTotal.scope == scope) & (UsageTotal.day == last.day))
    return [{"name": names.get(row.scope_id, "-"), "day": row.day, **row.figures} for row in rows]


def whole() -> dict[str, int]:
    """Return the newest sum of each metric over all services."""
    return {name: row[name] for row in totals("all") for name in METRICS if name in row}


def collections(server_id: int) -> list[Any]:
    """Return how the last collection of each role of a server went."""
    return list(UsageCollection.select().where(UsageCollection.server_id == server_id).order_by(UsageCollection.role))


def server_status(server_id: int) -> ServerStatusRow | None:
    """Return how a server was when it was last looked at."""
    found: ServerStatusRow | None = ServerStatusRow.get_or_none(ServerStatusRow.server_id == server_id)
    return found


def add_up(now: datetime) -> None:
    """Write today's sums. Figures are those that are true now; counters are those of the running month."""
    day = days.day_of(now, usage.zone())
    month = days.period_of(days.month_of(day))
    sums: dict[tuple[str, int], dict[str, int]] = {("all", 0): {"services": 0}}
    scopes = _scopes()
    for by_role in scopes.values():
        for one in {one for several in by_role.values() for one in several}:
            sums.setdefault(one, {"services": 0})["services"] += 1
    rows: Any = UsageCurrent.select(UsageCurrent.service_id, UsageCurrent.metric, UsageCurrent.value)
    for service, metric, value in rows.where(UsageCurrent.period << [SNAPSHOT, month]).tuples():
        for one in scopes.get(service, {}).get(METRICS[metric].role, ()):
            sums[one][metric] = sums[one].get(metric, 0) + value
    for server, count in queries(days.month_of(day)).items():
        for one in (("all", 0), ("server", server)):
            figures = sums.setdefault(one, {"services": 0})
            figures[QUERIES] = figures.get(QUERIES, 0) + count
    found = [
        {"scope": scope, "scope_id": number, "day": day, "figures": figures}
        for (scope, number), figures in sums.items()
    ]
    transaction(lambda: replace(UsageTotal, found))


def queries(month: int) -> dict[int, int]:
    """Return the queries that each DNS server has answered in a month, by server."""
    first, last = days.first_and_last(month)
    mine = (UsageDay.metric == QUERIES) & (UsageDay.service_id == NOBODY) & UsageDay.day.between(first, last)
    query = UsageDay.select(UsageDay.server_id, fn.SUM(UsageDay.base)).where(mine).group_by(UsageDay.server_id)
    rows: Any = query.tuples()
    return {server: int(count) for server, count in rows}


def _scopes() -> dict[int, dict[str, list[tuple[str, int]]]]:
    """Return {service: {role: what its figures add to}}; derived figures ("") add to everything but servers."""
    found: dict[int, dict[str, list[tuple[str, int]]]] = {}
    chosen = Service.select(Service.id, Service.package_id, Service.group_id)
    services: Any = chosen.where(Service.status != ServiceStatus.TERMINATED).tuples()
    for number, package, group in services:
        common = [("all", 0), ("package", package), ("group", group)]
        found[number] = {role: list(common) for role in ("web", "mail", "dns", "")}
    places: Any = Placement.select(Placement.service_id, Placement.role, Placement.server_id).tuples()
    for number, role, server in places:
        if number in found:
            found[number][role].append(("server", server))
    return found


def purge(retention_days: int, now: datetime) -> None:
    """Fold days of before the retention into a row a month, and forget single counters and sums that are too old."""
    today = days.day_of(now, usage.zone())
    before = days.days_before(today, retention_days)
    while transaction(lambda: _fold(before)):
        pass
    counted = days.days_before(today, _COUNTED_DAYS)
    transaction(lambda: UsageDay.delete().where(UsageDay.day < counted).execute())
    transaction(lambda: UsageTotal.delete().where(UsageTotal.day < before).execute())


def _fold(before: int) -> int:
    """Fold some days into their months: counters are added, of the others the last one of the month stays."""
    old = UsageHistory.select().where(UsageHistory.day < before).order_by(UsageHistory.day, UsageHistory.service_id)
    rows = list(old.limit(_CHUNK))
    for row in rows:
        month = days.month_of(row.day)
        mine = (UsageMonth.service_id == row.service_id) & (UsageMonth.month == month)
        kept = UsageMonth.get_or_none(mine)
        figures = dict(kept.figures) if kept else {}
        for name, value in row.figures.items():
            figures[name] = figures.get(name, 0) + value if METRICS[name].is_counter else value
        replace(UsageMonth, [{"service_id": row.service_id, "month": month, "figures": figures}])
        UsageHistory.delete().where(
            (UsageHistory.service_id == row.service_id) & (UsageHistory.day == row.day)
        ).execute()
    return len(rows)
