"""Figures for billing: the rows of v_usage with the key by which a billing system knows the tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.models.service import Service
from orchestrator.models.usage import UsageCurrent
from orchestrator.plan.usage import days
from orchestrator.plan.usage.metrics import METRICS, SNAPSHOT

COLUMNS = ("service_id", "tenant", "domain", "metric", "value", "unit", "period", "collected_at")
# What WHMCS's MetricProvider is given: system name -> (metric, type).
_WHMCS: Mapping[str, tuple[str, str]] = {
    "disk": ("disk", "snapshot"),
    "mailboxes": ("mailboxes", "snapshot"),
    "databases": ("databases", "snapshot"),
    "bandwidth": ("bandwidth", "month"),
}


def rows(month: int, service_id: int | None, only_month: bool) -> list[dict[str, Any]]:
    """Return the figures of services: those of a month, and what is true now unless ``only_month``."""
    periods = [days.period_of(month), *([] if only_month else [SNAPSHOT])]
    query: Any = UsageCurrent.select(UsageCurrent, Service.username.alias("tenant"), Service.domain).join(
        Service, on=(Service.id == UsageCurrent.service_id)
    )
    query = query.where(UsageCurrent.period << periods)
    if service_id is not None:
        query = query.where(UsageCurrent.service_id == service_id)
    ordered = query.order_by(UsageCurrent.service_id, UsageCurrent.period, UsageCurrent.metric)
    return [{name: getattr(row, name) for name in COLUMNS} for row in ordered.objects()]


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
    for row in rows(month, service_id, only_month=False):
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
