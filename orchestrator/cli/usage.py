"""tenantry usage …"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from orchestrator.cli import usage_files
from orchestrator.cli.edge import actor, app
from orchestrator.cli.output import console, print_json, show, show_one
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.core.states import Role
from orchestrator.models.fleet import Server
from orchestrator.plan.usage import days, schedule
from orchestrator.plan.usage.metrics import METRICS, QUERIES, SNAPSHOT
from orchestrator.store import fleet, services, usage, usage_export, usage_requests, usage_statistics
from orchestrator.store.database import transaction

cli = typer.Typer(help="What services use, from the database; `sync` asks the servers.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = ("metric", "value", "unit", "period", "collected_at", "age_minutes", "stale")


class Format(StrEnum):
    """Forms of an export."""

    CSV = "csv"
    JSON = "json"
    WHMCS = "whmcs-metrics"


@cli.command("show")
def show_usage(
    service_id: Annotated[int | None, typer.Argument(metavar="[ID]", help="A service; none: the sums.")] = None,
    by: Annotated[str, typer.Option(help="Sums of each server, package or group.")] = "all",
    server: Annotated[str, typer.Option(help="How this server is and how its collections went.")] = "",
    top: Annotated[str, typer.Option(help="The services with the most of this metric.")] = "",
    history: Annotated[int, typer.Option(help="Days of history instead.", min=0, max=3650)] = 0,
    limit: Annotated[int, typer.Option(help="Services of --top.", min=1, max=1000)] = 20,
    of: Annotated[str, typer.Option(help="With --by and --history: which server, package or group.")] = "",
    as_json: Json = False,
) -> None:
    """Show current figures, sums, the largest users, history or a server; no server is asked."""
    app()
    if service_id is not None:
        _service(services.get(service_id).id, history, as_json)
    elif server:
        _server(fleet.server(server), as_json)
    elif top:
        _top(top, limit, as_json)
    else:
        _sums(by, of, history, as_json)


def _interval() -> timedelta:
    return timedelta(minutes=int(fleet.knob_value("usage.interval_minutes")))


def _service(number: int, history: int, as_json: bool) -> None:
    if history:
        first, last = _last_days(history)
        rows = [{"day": row.day, **row.figures} for row in usage_statistics.history(number, first, last)]
        show(rows, ("day", "disk", "bandwidth", "mailboxes", "databases"), as_json)
        return
    now = utc_now()
    rows = [
        {
            "metric": row.metric,
            "value": row.value,
            "unit": row.unit,
            "period": row.period,
            "collected_at": row.collected_at,
            "age_minutes": int((now - row.collected_at).total_seconds() // 60),
            "stale": schedule.is_stale(row.collected_at, _interval(), now),
        }
        for row in usage_statistics.current(number)
    ]
    boxes = [
        {"address": box.address, "bytes": box.bytes, "messages": box.messages}
        for box in usage_statistics.mailboxes(number)
    ]
    if as_json:
        print_json({"service": number, "figures": rows, "mailboxes": boxes})
        return
    show(rows, _COLUMNS, as_json)
    if boxes:
        show(boxes, ("address", "bytes", "messages"), as_json)


def _last_days(count: int) -> tuple[int, int]:
    today = days.day_of(utc_now(), usage.zone())
    return days.days_before(today, count - 1), today


def _server(row: Server, as_json: bool) -> None:
    now, status = utc_now(), usage_statistics.server_status(row.id)
    went = [
        {
            "role": one.role,
            "collected_at": one.collected_at,
            "stale": schedule.is_stale(one.collected_at, _interval(), now),
            "problems": one.problems,
        }
        for one in usage_statistics.collections(row.id)
    ]
    looked = {"status_at": status.collected_at, **status.status} if status else {"status_at": None}
    if Role.DNS in row.role_set():
        this_month = days.month_of(days.day_of(now, usage.zone()))
        looked["queries_this_month"] = usage_statistics.queries(this_month).get(row.id, 0)
    if as_json:
        print_json({"server": row.name, **looked, "collections": went})
        return
    show_one({"server": row.name, **looked}, as_json)
    show(went, ("role", "collected_at", "stale", "problems"), as_json)


def _top(metric: str, limit: int, as_json: bool) -> None:
    if metric not in METRICS:
        raise InvalidInput("--top", f"{metric[:40]!r} is no metric", f"give one of {', '.join(METRICS)}")
    this_month = days.period_of(days.month_of(days.day_of(utc_now(), usage.zone())))
    rows = usage_statistics.top(metric, this_month if METRICS[metric].is_counter else SNAPSHOT, limit)
    shown = [{"service": row.service_id, "domain": row.domain, "value": row.value, "unit": row.unit} for row in rows]
    show(shown, ("service", "domain", "value", "unit"), as_json)


def _sums(by: str, of: str, history: int, as_json: bool) -> None:
    if by not in usage_statistics.SCOPES:
        raise InvalidInput("--by", f"{by[:40]!r} is not known", f"give one of {', '.join(usage_statistics.SCOPES)}")
    columns = (
        "services",
        "disk",
        "web_disk",
        "mail_disk",
        "bandwidth",
        "web_in",
        "web_out",
        "mailboxes",
        "databases",
        QUERIES,
    )
    if bool(of) != (bool(history) and by != "all"):
        raise InvalidInput("--of", "goes with --by and --history, and they with it", f"name one {by} and give the days")
    if history:
        found = usage_statistics.trend(by, usage_statistics.scope_id(by, of), *_last_days(history))
        show([{"day": row.day, **row.figures} for row in found], ("day", *columns), as_json)
        return
    show(usage_statistics.totals(by), ("name", "day", *columns), as_json)


@cli.command("sync")
def sync(
    server: Annotated[list[str] | None, typer.Option(help="This server; may be repeated.")] = None,
    all_servers: Annotated[bool, typer.Option("--all", help="Every server that takes work.")] = False,
) -> None:
    """Ask servers for their usage now: one task a server, the one that is open already when there is one."""
    app()
    if bool(server) == all_servers:
        raise InvalidInput("--server", "is missing, or given together with --all", "give --server NAME or --all")
    names = server or usage_requests.names()
    for name in names:
        number = fleet.server(name).id
        task = transaction(partial(usage_requests.ask, usage_requests.USAGE, number, actor()))
        console.print(f"task {task}: {usage_requests.USAGE} {name}")


@cli.command("export")
def export(
    form: Annotated[Format, typer.Option("--format", help="csv, json or whmcs-metrics.")] = Format.CSV,
    month: Annotated[str, typer.Option(help="A month's billing file, e.g. 2026-11.")] = "",
    service_id: Annotated[int | None, typer.Option("--service", help="Only this service.")] = None,
) -> None:
    """Print the figures of all services for other programs, on standard output."""
    app()
    period = usage_files.month(month) if month else days.month_of(days.day_of(utc_now(), usage.zone()))
    if form is Format.WHMCS:
        usage_files.write_json(usage_export.whmcs(period, service_id))
        return
    rows = usage_export.rows(period, service_id, only_month=bool(month))
    usage_files.write_csv(rows) if form is Format.CSV else usage_files.write_json(list(rows))
