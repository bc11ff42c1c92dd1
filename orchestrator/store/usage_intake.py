"""What a server reported becomes rows. Everything here runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.states import Role, ServiceStatus
from orchestrator.models.service import Mailbox, Placement, Service
from orchestrator.models.usage import (
    ServerStatusRow,
    UsageAlert,
    UsageCollection,
    UsageCurrent,
    UsageDay,
    UsageFigure,
    UsageMailbox,
)
from orchestrator.plan.usage.days import grown
from orchestrator.plan.usage.metrics import QUERIES, SNAPSHOT
from orchestrator.plan.usage.reading import Known, Reading

_CHUNK = 400  # rows of one statement: SQLite takes a bounded number of values
NOBODY = 0  # stands for the service in rows of a server as a whole
_AGED = ("web_disk", "web_files")


def known(server_id: int, role: str, first_day: int, last_day: int) -> Known:
    """Return what a server may be believed about: the services of a role on it and their mailboxes."""
    query = (
        Service.select(Service.id)
        .join(Placement, on=(Placement.service_id == Service.id))
        .where((Placement.server_id == server_id) & (Placement.role == role))
        .where(Service.status != ServiceStatus.TERMINATED)
    )
    services = [row.id for row in query]
    boxes: dict[int, set[str]] = {}
    if role == Role.MAIL:
        for part in chunks(services):
            for box in Mailbox.select().where(Mailbox.service_id << part):
                boxes.setdefault(box.service_id, set()).add(f"{box.local_part}@{box.domain}")
    return Known(
        services={f"s{number}": number for number in services},
        boxes={number: frozenset(addresses) for number, addresses in boxes.items()},
        first_day=first_day,
        last_day=last_day,
    )


def chunks(items: Iterable[Any], size: int = _CHUNK) -> Iterable[list[Any]]:
    """Yield the items in lists that fit into one statement."""
    rest = list(items)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


def replace(model: Any, rows: list[dict[str, Any]]) -> None:
    """Insert rows or put them in the place of those with the same key."""
    for part in chunks(rows, 100):
        model.insert_many(part).on_conflict_replace().execute()


def keep(server_id: int, reading: Reading, now: datetime, today: int) -> None:
    """Store what is believed of one role's report; ``today`` is the day on which it came."""
    _keep_figures(server_id, reading, now)
    _keep_days(server_id, reading)
    _keep_mailboxes(reading, now)
    last = collection(server_id, reading.role)
    row: dict[str, Any] = {
        "server_id": server_id,
        "role": reading.role,
        "collected_at": now if reading.complete else (last.collected_at if last else None),
        "through": reading.through or (last.through if last else None),
        "problems": reading.problems,
        "queries": last.queries if last else None,
    }
    if reading.queries is not None:
        _keep_queries(server_id, grown(row["queries"], reading.queries), today)
        row["queries"] = reading.queries
    replace(UsageCollection, [row])


def _keep_queries(server_id: int, more: int, today: int) -> None:
    """Add to the queries of a server's day. It is the server's own row, of no service."""
    key = {"service_id": NOBODY, "day": today, "metric": QUERIES, "server_id": server_id}
    row = UsageDay.get_or_none(*(getattr(UsageDay, name) == value for name, value in key.items()))
    replace(UsageDay, [{**key, "base": (row.base if row else 0) + more, "last": 0}])


def collection(server_id: int, role: str) -> UsageCollection | None:
    """Return how the last collection of a role on a server went, None when there was none."""
    row: UsageCollection | None = UsageCollection.get_or_none(
        (UsageCollection.server_id == server_id) & (UsageCollection.role == role)
    )
    return row


def through(server_id: int) -> int | None:
    """Return the day through which every role of a server that counts by day has been told; None before the first time."""
    rows = UsageCollection.select(UsageCollection.through).where(
        (UsageCollection.server_id == server_id) & UsageCollection.through.is_null(False)
    )
    return min((int(row.through or 0) for row in rows), default=None)


def _keep_figures(server_id: int, reading: Reading, now: datetime) -> None:
    rows = []
    for service, figures in reading.figures.items():
        for metric, value in figures.items():
            age = reading.ages.get(service, 0) if metric in _AGED else 0
            when = now - timedelta(seconds=age)
            rows.append(
                {
                    "service_id": service,
                    "metric": metric,
                    "server_id": server_id,
                    "value": value,
                    "collected_at": when,
                }
            )
    replace(UsageFigure, rows)


def _keep_days(server_id: int, reading: Reading) -> None:
    """Store the counters. One that fell was begun anew on its server: what it had reached is added to what comes."""
    days = sorted({day for counted in reading.days.values() for day in counted})
    before: dict[tuple[int, int, str], tuple[int, int]] = {}
    for part in chunks(reading.days):
        rows = UsageDay.select().where((UsageDay.service_id << part) & (UsageDay.day << days or [0]))
        before |= {
            (row.service_id, row.day, row.metric): (row.base, row.last) for row in rows if row.server_id == server_id
        }
    changed = []
    for service, counted in reading.days.items():
        for day, values in counted.items():
            for metric, value in values.items():
                base, last = before.get((service, day, metric), (0, -1))
                if value < last:
                    base += last
                    reading.refuse(
                        f"service {service}: {metric} of {day} was begun anew on the server; both parts count"
                    )
                if value != last:
                    key = {"service_id": service, "day": day, "metric": metric, "server_id": server_id}
                    changed.append({**key, "base": base, "last": value})
    replace(UsageDay, changed)


def _keep_mailboxes(reading: Reading, now: datetime) -> None:
    rows = [
        {"service_id": service, "address": address, "bytes": size, "messages": messages, "collected_at": now}
        for service, boxes in reading.boxes.items()
        for address, size, messages in boxes
    ]
    replace(UsageMailbox, rows)


def forget(service_id: int) -> None:
    """Forget what is true of a service now; what it has used in the days and months before stays."""
    for model in (UsageFigure, UsageMailbox, UsageAlert):
        model.delete().where(model.service_id == service_id).execute()
    UsageCurrent.delete().where((UsageCurrent.service_id == service_id) & (UsageCurrent.period == SNAPSHOT)).execute()


def keep_status(server_id: int, status: dict[str, Any], now: datetime) -> None:
    """Store how a server is."""
    replace(ServerStatusRow, [{"server_id": server_id, "collected_at": now, "status": status}])
