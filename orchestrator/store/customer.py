"""All that the page of a customer shows, read in a few queries; never more than of the one service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.core.certificates import CertificateState
from orchestrator.core.states import OPEN_STATUSES
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.service import Service
from orchestrator.models.task import Operation, Task
from orchestrator.plan import limits
from orchestrator.plan.catalog import CATALOG
from orchestrator.plan.usage import days
from orchestrator.plan.usage.metrics import SNAPSHOT
from orchestrator.store import timeline, usage, usage_statistics

_MIB = 2**20
# title, figure, limit of the package, what one of the limit is
_GAUGES = (
    ("Website storage", "web_disk", "web_disk_mb", _MIB),
    ("Mail storage", "mail_disk", "mail_disk_mb", _MIB),
    ("Traffic this month", "bandwidth", "bandwidth_mb", _MIB),
    ("Mailboxes", "mailboxes", "mailboxes", 1),
    ("Databases", "databases", "databases", 1),
)


def service(service_id: int) -> Service | None:
    """Return the service, None when there is none."""
    found: Service | None = Service.get_or_none(Service.id == service_id)
    return found


def is_ordered(service_id: int) -> bool:
    """True while something asked for has not been planned yet."""
    return timeline.open_intent(service_id) is not None


def operation(service_id: int) -> tuple[Operation, list[dict[str, Any]]] | None:
    """Return the newest operation with its steps in order: title, status, attempts and times."""
    found = timeline.operation_of(service_id)
    if found is None:
        return None
    rows = Task.select().where(Task.operation_id == found.id).order_by(Task.id)
    return found, [
        {
            "title": CATALOG[row.action].title if row.action in CATALOG else row.action,
            "status": row.shown_status,
            "attempts": row.attempts,
            "unreachable": row.unreachable,
            "run_after": row.run_after,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
        }
        for row in rows
    ]


def gauges(row: Service, now: datetime) -> list[dict[str, Any]]:
    """Return the figures that are billed, each with its limit in the same unit (0: none) and when it was collected."""
    month = days.period_of(days.month_of(days.day_of(now, usage.zone())))
    figures = {one.metric: one for one in usage_statistics.current(row.id) if one.period in (SNAPSHOT, month)}
    return [
        {
            "title": title,
            "metric": metric,
            "value": figures[metric].value,
            "unit": figures[metric].unit,
            "limit": limits.of(row.limits, limit) * factor,
            "collected_at": figures[metric].collected_at,
        }
        for title, metric, limit, factor in _GAUGES
        if metric in figures
    ]


def certificates(service_id: int) -> list[dict[str, Any]]:
    """Return where the certificates of a service stand."""
    rows = CertificateRow.select().where(CertificateRow.service_id == service_id).order_by(CertificateRow.role.desc())
    return [
        {
            "role": row.role,
            "state": row.state,
            "names": row.names,
            "is_custom": row.state == CertificateState.CUSTOM,
            "not_after": row.custom_not_after if row.state == CertificateState.CUSTOM else row.not_after,
            "error": row.error,
        }
        for row in rows
    ]


def is_open(service_id: int, action: str) -> bool:
    """True while the same wish is in the queue: a second click adds nothing."""
    same = (Task.service_id == service_id) & (Task.action == action) & Task.operation_id.is_null()
    return bool(Task.select(Task.id).where(same & (Task.status << list(OPEN_STATUSES))).exists())
