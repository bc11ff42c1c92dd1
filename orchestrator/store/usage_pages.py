"""Pages of what services use, the largest first."""

from __future__ import annotations

import re
from typing import Any

from orchestrator.models.service import Service
from orchestrator.models.usage import UsageCurrent
from orchestrator.plan.usage.metrics import METRICS, SNAPSHOT
from orchestrator.store.pages import SIZE

SHOWN = ("disk", "web_disk", "mail_disk", "bandwidth", "mailboxes", "databases")
_KEY = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")  # value, service


def page(
    metric: str, month: str, service_id: int | None, after: str, size: int = SIZE
) -> tuple[list[dict[str, Any]], str]:
    """Return services with their figures, those with the most of ``metric`` first, and the key of the next page.

    ``month`` is the period of counters, e.g. 2026-11. A figure that is not known is None.
    """
    period = month if METRICS[metric].is_counter else SNAPSHOT
    query = UsageCurrent.select(UsageCurrent.service_id, UsageCurrent.value).where(
        (UsageCurrent.metric == metric) & (UsageCurrent.period == period)
    )
    if service_id is not None:
        query = query.where(UsageCurrent.service_id == service_id)
    if match := _KEY.fullmatch(after):
        value, number = int(match[1]), int(match[2])
        same = (UsageCurrent.value == value) & (UsageCurrent.service_id < number)
        query = query.where((UsageCurrent.value <= value) & ((UsageCurrent.value < value) | same))
    rows = list(query.order_by(UsageCurrent.value.desc(), UsageCurrent.service_id.desc()).limit(size + 1))
    last = rows[size - 1] if len(rows) > size else None
    return _figures([row.service_id for row in rows[:size]], month), f"{last.value}.{last.service_id}" if last else ""


def _figures(ids: list[int], month: str) -> list[dict[str, Any]]:
    if not ids:
        return []
    domains = {row.id: row.domain for row in Service.select(Service.id, Service.domain).where(Service.id << ids)}
    found: dict[int, dict[str, Any]] = {
        number: {"service": number, "domain": domains.get(number, "–"), "collected_at": None, **dict.fromkeys(SHOWN)}
        for number in ids
    }
    for row in UsageCurrent.select().where((UsageCurrent.service_id << ids) & (UsageCurrent.metric << SHOWN)):
        if row.period == (month if METRICS[row.metric].is_counter else SNAPSHOT):
            found[row.service_id] |= {row.metric: row.value, "collected_at": row.collected_at}
    return list(found.values())
