"""Figures for billing: the rows of v_usage with the key by which a billing system knows the tenant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from orchestrator.models.service import Service
from orchestrator.models.usage import UsageCurrent
from orchestrator.plan.usage import days
from orchestrator.plan.usage.metrics import METRICS, SNAPSHOT

_SERVICES = 50  # read at a time
COLUMNS = ("service_id", "tenant", "domain", "metric", "value", "unit", "period", "collected_at")
# What WHMCS's MetricProvider is given: system name -> (metric, type).
_WHMCS: Mapping[str, tuple[str, str]] = {
    "disk": ("disk", "snapshot"),
    "mailboxes": ("mailboxes", "snapshot"),
    "databases": ("databases", "snapshot"),
    "bandwidth": ("bandwidth", "month"),
}


def rows(
    month: int, service_id: int | None, only_month: bool, metrics: Collection[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the figures of services by id: those of a month, and what is true now unless ``only_month``.

    They are read some services at a time, so the first ones come at once and memory does not grow with their number.
    """
    periods = [days.period_of(month), *([] if only_month else [SNAPSHOT])]
    wanted = UsageCurrent.period << periods
    if metrics:
        wanted &= UsageCurrent.metric << list(metrics)
    columns = [Service.username if name == "tenant" else _column(name) for name in COLUMNS]
    query: Any = UsageCurrent.select(*columns).join(Service, on=(Service.id == UsageCurrent.service_id))
    ordered = query.order_by(UsageCurrent.service_id, UsageCurrent.period, UsageCurrent.metric)
    for part in _services() if service_id is None else [[service_id]]:
        for row in list(ordered.where(wanted & (UsageCurrent.service_id << part)).tuples()):
            yield dict(zip(COLUMNS, row, strict=True))


def _column(name: str) -> Any:
    return getattr(Service if name == "domain" else UsageCurrent, name)


def _services() -> Iterator[list[int]]:
    """Yield the numbers of all services, some at a time."""
    last = 0
    while True:
        rows: Any = Service.select(Service.id).where(Service.id > last).order_by(Service.id).limit(_SERVICES).tuples()
        if not (part := [number for (number,) in rows]):
            return
        yield part
        last = part[-1]


def whmcs(month: int, service_id: int | None) -> dict[str, Any]:
    """Return {metrics: [{name, type, unit}], tenants: {username: {name: value}}} for one month.

    Zeros are told: a figure that is left out keeps its old value in WHMCS. A metric of a role that a service does not have is 0;
    one that was never collected is left out, for it is not known.
    """
    tenants: dict[str, dict[str, int]] = {}
    services = Service.select(Service.id, Service.username, Service.roles)
    if service_id is not None:
        services = services.where(Service.id == service_id)
    have = {row.id: (row.username, frozenset(row.roles.split(","))) for row in services}
    found: dict[int, dict[str, int]] = {}
    for row in rows(month, service_id, only_month=False, metrics=[metric for metric, _ in _WHMCS.values()]):
        if row["period"] == SNAPSHOT or METRICS[row["metric"]].is_counter:
            found.setdefault(row["service_id"], {})[row["metric"]] = row["value"]
    for number, figures in found.items():
        username, roles = have[number]
        tenants[username] = {
            name: figures.get(metric, 0)
            for name, (metric, _) in _WHMCS.items()
            if metric in figures or not _roles(metric) & roles
        }
    described = [
        {"name": name, "type": kind, "unit": METRICS[metric].unit, "period": _period(kind, month)}
        for name, (metric, kind) in _WHMCS.items()
    ]
    return {"metrics": described, "tenants": tenants}


def _roles(metric: str) -> frozenset[str]:
    return frozenset(METRICS[part].role for part in METRICS[metric].parts or (metric,))


def _period(kind: str, month: int) -> str:
    return days.period_of(month) if kind == "month" else SNAPSHOT
