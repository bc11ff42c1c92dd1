"""From raw figures to what people and billing read: current figures, months, history; then the limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from peewee import fn

from orchestrator.models.service import Service
from orchestrator.models.usage import UsageCurrent, UsageDay, UsageFigure, UsageHistory
from orchestrator.plan.usage import days
from orchestrator.plan.usage.metrics import METRICS, SNAPSHOT, of_role, with_derived
from orchestrator.store import fleet, usage_limits
from orchestrator.store.usage_intake import chunks, replace

Days = dict[int, dict[int, dict[str, int]]]  # service -> day -> counter -> value


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When something is recomputed, and which day and month that is."""

    now: datetime
    day: int

    @property
    def month(self) -> int:
        """The month of the day."""
        return days.month_of(self.day)


def zone() -> ZoneInfo:
    """Return the time zone in which days and months end."""
    return ZoneInfo(str(fleet.knob_value("usage.timezone")))


def recompute(service_ids: Iterable[int], now: datetime, touched: Iterable[int] = ()) -> None:
    """Derive everything that is shown of these services, inside the caller's transaction.

    ``touched`` are days whose counters have changed: a late collection corrects the month in which they lie.
    """
    moment = Moment(now=now, day=days.day_of(now, zone()))
    every = sorted({moment.day, *touched})
    for part in chunks(service_ids):
        _recompute(part, moment, every)


def _recompute(service_ids: list[int], moment: Moment, touched: list[int]) -> None:
    figures, ages = _figures(service_ids)
    months = sorted({days.month_of(day) for day in touched})
    counted = _counted(service_ids, months[0], months[-1])
    rows: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    judged: dict[int, dict[str, int]] = {}
    stored = _history(service_ids, touched)
    services = {row.id: row for row in Service.select().where(Service.id << service_ids)}
    for number, service in services.items():
        if number not in figures:
            continue  # never collected: unknown is not 0
        roles = frozenset(METRICS[name].role for name in figures[number])
        wanted = frozenset(filter(None, service.roles.split(",")))
        now_true = with_derived(figures[number], wanted)
        collected = max(ages[number].values())
        rows += [_row(number, name, value, SNAPSHOT, _age_of(name, ages[number])) for name, value in now_true.items()]
        for month in months:
            sums = with_derived(_month(counted.get(number, {}), month, roles), wanted)
            rows += [_row(number, name, value, days.period_of(month), collected) for name, value in sums.items()]
            if month == moment.month:
                judged[number] = {**now_true, **sums}
        history += _history_rows(number, moment, touched, now_true, counted.get(number, {}), stored)
    replace(UsageCurrent, rows)
    replace(UsageHistory, history)
    usage_limits.review([services[number] for number in judged], judged, moment.now)


def _row(service: int, metric: str, value: int, period: str, collected_at: datetime) -> dict[str, Any]:
    unit = METRICS[metric].unit
    key = {"service_id": service, "metric": metric, "period": period}
    return {**key, "value": value, "unit": unit, "collected_at": collected_at}


def _age_of(metric: str, ages: Mapping[str, datetime]) -> datetime:
    """Return when a figure was collected: a sum is as old as its oldest part."""
    return min(ages[part] for part in METRICS[metric].parts or (metric,) if part in ages)


def _figures(service_ids: list[int]) -> tuple[dict[int, dict[str, int]], dict[int, dict[str, datetime]]]:
    """Return the figures by service and when each was collected; of several servers that hold the same, the largest."""
    figures: dict[int, dict[str, int]] = {}
    ages: dict[int, dict[str, datetime]] = {}
    for row in UsageFigure.select().where(UsageFigure.service_id << service_ids):
        mine, age = figures.setdefault(row.service_id, {}), ages.setdefault(row.service_id, {})
        mine[row.metric] = max(mine.get(row.metric, 0), row.value)
        age[row.metric] = min(age.get(row.metric, row.collected_at), row.collected_at)
    return figures, ages


def _counted(service_ids: list[int], first_month: int, last_month: int) -> Days:
    first, last = days.first_and_last(first_month)[0], days.first_and_last(last_month)[1]
    query = UsageDay.select(
        UsageDay.service_id, UsageDay.day, UsageDay.metric, fn.SUM(UsageDay.base + UsageDay.last).alias("value")
    ).where((UsageDay.service_id << service_ids) & UsageDay.day.between(first, last))
    found: Days = {}
    rows: Any = query.group_by(UsageDay.service_id, UsageDay.day, UsageDay.metric).tuples()
    for service, day, metric, value in rows:
        found.setdefault(service, {}).setdefault(day, {})[metric] = int(value)
    return found


def _month(counted: Mapping[int, Mapping[str, int]], month: int, roles: frozenset[str]) -> dict[str, int]:
    """Return the sums of a month; a role that was collected and counted nothing has 0."""
    sums = {metric.name: 0 for role in roles for metric in of_role(role, True)}
    for day, values in counted.items():
        if days.month_of(day) == month:
            for name, value in values.items():
                sums[name] = sums.get(name, 0) + value
    return sums


def _history(service_ids: list[int], touched: list[int]) -> dict[tuple[int, int], dict[str, int]]:
    rows = UsageHistory.select().where((UsageHistory.service_id << service_ids) & (UsageHistory.day << touched))
    return {(row.service_id, row.day): row.figures for row in rows}


def _history_rows(
    service: int,
    moment: Moment,
    touched: list[int],
    now_true: Mapping[str, int],
    counted: Mapping[int, Mapping[str, int]],
    stored: Mapping[tuple[int, int], dict[str, int]],
) -> list[dict[str, Any]]:
    found = []
    for day in touched:
        figures = {**stored.get((service, day), {}), **(now_true if day == moment.day else {}), **counted.get(day, {})}
        if {"web_in", "web_out"} <= set(figures):
            figures["bandwidth"] = figures["web_in"] + figures["web_out"]
        if figures:
            found.append({"service_id": service, "day": day, "figures": figures})
    return found
