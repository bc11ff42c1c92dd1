"""What services use: sums, the largest users, how it went over time; the figures of `tenantry usage show`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from orchestrator.core.clock import utc_now
from orchestrator.plan.usage import days
from orchestrator.plan.usage.metrics import METRICS
from orchestrator.store import fleet, pages, services, usage, usage_pages, usage_requests, usage_statistics
from orchestrator.store.database import session, transaction
from orchestrator.web.console.frame import act, link, show
from orchestrator.web.shell.entry import Reader, Support

router = APIRouter(include_in_schema=False)
_SCOPES = ("server", "package", "group")
_DAYS = 90
_DRAWN = ("disk", "bandwidth")
_TITLES = {
    "disk": "Storage",
    "web_disk": "Web storage",
    "mail_disk": "Mail storage",
    "bandwidth": "Traffic of the month",
    "mailboxes": "Mailboxes",
    "databases": "Databases",
}


@router.get("/statistics")
def statistics(
    request: Request, who: Reader, sort: str = "disk", by: str = "server", q: str = "", after: str = ""
) -> Response:
    """Show the sums and a page of services."""
    metric, scope = sort if sort in usage_pages.SHOWN else "disk", by if by in _SCOPES else "server"
    with session():
        today = days.day_of(utc_now(), usage.zone())
        month = days.period_of(days.month_of(today))
        rows, more = usage_pages.page(metric, month, _service(q), after)
        values: dict[str, Any] = {
            "sums": next(iter(usage_statistics.totals("all")), {}),
            "parts": usage_statistics.totals(scope),
            "rows": rows,
            "chart": _chart(usage_statistics.trend("all", 0, days.days_before(today, _DAYS - 1), today)),
        }
    forward = link("/console/statistics", sort=metric, by=scope, q=q, after=more) if more else ""
    shown: dict[str, Any] = {
        "sort": metric,
        "by": scope,
        "scopes": _SCOPES,
        "columns": usage_pages.SHOWN,
        "metrics": METRICS,
        "q": q,
    }
    return show(request, who, "statistics", **values, **shown, titles=_TITLES, month=month, more=forward)


def _service(text: str) -> int | None:
    """Return the service that is looked for, None for all; 0 is one that there is not."""
    found = pages.understood(text)
    return None if not found.kind else int(found.value) if found.kind in ("service", "task") else 0


def _chart(rows: list[Any]) -> str:
    """Return the drawn figures as JSON: seconds since 1970, then a list each; a day without a figure has none."""
    moments = [_moment(row.day) for row in rows]
    return json.dumps([moments, *([row.figures.get(name) for row in rows] for name in _DRAWN)])


def _moment(day: int) -> int:
    return int(datetime.strptime(str(day), "%Y%m%d").replace(tzinfo=UTC).timestamp())


@router.get("/statistics/{service_id}")
def one(service_id: int, request: Request, who: Reader) -> Response:
    """Show a service's figures and how they went."""
    with session():
        row = services.get(service_id)
        today = days.day_of(utc_now(), usage.zone())
        history = usage_statistics.history(service_id, days.days_before(today, _DAYS - 1), today)
        values: dict[str, Any] = {
            "service": row,
            "figures": usage_statistics.current(service_id),
            "boxes": usage_statistics.mailboxes(service_id)[: pages.SIZE],
            "chart": _chart(history),
        }
    return show(request, who, "usage", **values, metrics=METRICS)


@router.post("/statistics/refresh")
def refresh(request: Request, who: Support) -> Response:
    """Ask every server that takes work for its usage."""

    def work() -> str:
        names = usage_requests.names()
        for name in names:
            number = fleet.server(name).id
            transaction(lambda number=number: usage_requests.ask(usage_requests.USAGE, number, who.actor))  # type: ignore[misc]
        return f"{len(names)} servers are being asked."

    return act(request, who, usage_requests.USAGE, "all servers", "/console/statistics", work)
