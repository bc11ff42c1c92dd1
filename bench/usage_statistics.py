"""Statistics over 10,000 services and 400 days of history: what each query of the command line and of the views costs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from zoneinfo import ZoneInfo

from bench.figures import Figure, percentile
from bench.queue import maria_schema, sqlite_schema, timed
from orchestrator.core.clock import utc_now
from orchestrator.models.base import database
from orchestrator.models.fleet import Server
from orchestrator.plan.usage import days
from orchestrator.plan.usage.metrics import METRICS, SNAPSHOT
from orchestrator.store import fleet, usage_export, usage_statistics
from orchestrator.store.database import is_sqlite, transaction
from tests.support import fleet as example
from tests.support import mariadb

_WEB, _MAIL, _DNS = 20, 10, 4  # servers
_PACKAGES = 10
_BOXES = 5  # mailboxes of a service
_TARGET_MS = 100.0
_SLOW = 5  # times an export of everything is measured
_AT_ONCE = 250  # services whose history is filled by one statement: a client does not wait for minutes
Query = Callable[[], object]


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure on SQLite, and on MariaDB where it is installed."""
    found: list[Figure] = []
    for name, opened in (("SQLite", sqlite_schema), ("MariaDB", maria_schema)):
        if name == "MariaDB" and mariadb.missing():
            continue
        with opened():
            seconds: list[float] = []
            timed(seconds, lambda: _fill(options.services, options.days))
            note = f"{options.services:,} services, {options.days} days"
            found.append(Figure(name=f"{name}: filling", value=seconds[0] / 1000, unit="s", note=note))
            found += list(_measured(name, options))
    return found


def _measured(name: str, options: argparse.Namespace) -> Iterator[Figure]:
    for label, query in _queries(options).items():
        samples: list[float] = []
        count, before = _SLOW if "whole" in label else options.samples, time.process_time()
        for _ in range(count):
            timed(samples, query)
        ours = (time.process_time() - before) / count * 1000  # of SQLite all of it; MariaDB's own comes on top
        middle, late = percentile(samples, 0.5), percentile(samples, 0.95)
        verdict = "" if late < _TARGET_MS else f", over {_TARGET_MS:.0f} ms"
        note = f"p95 {late:.2f} ms, best {min(samples):.2f}, our processor {ours:.2f}{verdict}"
        yield Figure(name=f"{name}: {label}", value=middle, unit="ms", note=note)


def _queries(options: argparse.Namespace) -> Mapping[str, Query]:
    today = days.day_of(utc_now(), ZoneInfo("UTC"))
    span = (days.days_before(today, options.days - 1), today)
    month, one = days.month_of(today), options.services // 2
    period, server = days.period_of(month), fleet.server("web1").id
    number = {scope: usage_statistics.scope_id(scope, name) for scope, name in _SCOPES.items()}
    view = f"SELECT * FROM v_usage WHERE service_id = {one}"
    metric = f"SELECT service_id, value FROM v_usage WHERE metric = 'bandwidth' AND period = '{period}'"
    return {
        "usage show ID": lambda: (usage_statistics.current(one), usage_statistics.mailboxes(one)),
        "usage show ID --history": lambda: usage_statistics.history(one, *span),
        "usage show --top (a figure)": lambda: usage_statistics.top("disk", SNAPSHOT, 20),
        "usage show --top (a counter)": lambda: usage_statistics.top("bandwidth", period, 20),
        "usage show --server": lambda: (usage_statistics.server_status(server), usage_statistics.collections(server)),
        **{f"usage show --by {scope}": lambda scope=scope: usage_statistics.totals(scope) for scope in number},
        **{
            f"usage show --by {scope} --history": lambda scope=scope: usage_statistics.trend(
                scope, number[scope], *span
            )
            for scope in number
        },
        "usage export --service": lambda: list(usage_export.rows(month, one, only_month=False)),
        "usage export --service, WHMCS": lambda: usage_export.whmcs(month, one),
        "GET /metrics": usage_statistics.whole,
        "v_usage of a service": lambda: database.execute_sql(view).fetchall(),
        "v_usage, one metric of all services": lambda: database.execute_sql(metric).fetchall(),
        "usage export, first row": lambda: next(iter(usage_export.rows(month, None, only_month=False))),
        "usage export, whole file": lambda: sum(1 for _ in usage_export.rows(month, None, only_month=False)),
        "usage export --month, whole file": lambda: sum(1 for _ in usage_export.rows(month, None, only_month=True)),
        "usage export WHMCS, whole file": lambda: usage_export.whmcs(month, None),
    }


_SCOPES = {"all": "", "server": "web1", "package": "small", "group": "standard"}


def _fill(services: int, count: int) -> None:
    """Fill the tables as so many services would have in so many days; sums by the job that makes them."""
    servers = {f"web{n}": (f"10.77.1.{n}", "web") for n in range(1, _WEB + 1)}
    servers |= {f"mail{n}": (f"10.77.2.{n}", "mail") for n in range(1, _MAIL + 1)}
    servers |= {f"dns{n}": (f"10.77.3.{n}", "dns") for n in range(1, _DNS + 1)}
    example.build(servers)
    for number in range(2, _PACKAGES + 1):
        fleet.add_package(f"package{number}", {})
    if not is_sqlite():
        database.execute_sql("SET SESSION sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')")  # || joins texts on both
    now = utc_now()
    today = days.day_of(now, ZoneInfo("UTC"))
    for table, column, numbers in (
        ("bench_services", "id", list(range(1, services + 1))),
        ("bench_days", "day", [days.days_before(today, number) for number in range(count)]),
    ):
        database.execute_sql(f"CREATE TEMPORARY TABLE {table} ({column} INTEGER NOT NULL PRIMARY KEY)")
        for start in range(0, len(numbers), 500):
            values = ", ".join(f"({number})" for number in numbers[start : start + 500])
            database.execute_sql(f"INSERT INTO {table} VALUES {values}")
    stamp = now.strftime("%Y-%m-%d %H:%M:%S.%f")
    for statement in (*_statements(stamp, days.period_of(days.month_of(today))), *_history(services)):
        transaction(lambda statement=statement: database.execute_sql(_worded(statement)))
    usage_statistics.add_up(now)
    transaction(lambda: database.execute_sql(_worded(_TOTALS.format(today=today))))


def _worded(text: str) -> str:
    """Return a statement as this database's driver takes it."""
    return text if is_sqlite() else text.replace("%", "%%")


_TOTALS = (
    "INSERT INTO usage_totals SELECT t.scope, t.scope_id, d.day, t.figures FROM usage_totals t JOIN bench_days d "
    "ON d.day < {today} WHERE t.day = {today}"
)


def _statements(now: str, period: str) -> Iterator[str]:
    servers = {name: Server.get(Server.name == name).id for name in ("web1", "mail1", "dns1")}
    yield (
        "INSERT INTO services (id, domain, status, mode, roles, group_id, package_id, limits, username, uid, dkim_public_key) "
        f"SELECT id, 'shop' || id || '.test', 'active', 'split', 'web,mail,dns', 1, 1 + id % {_PACKAGES}, '{{}}', 'w' || id, "
        "20000 + id, '' FROM bench_services"
    )
    for role, first, count in (("web", "web1", _WEB), ("mail", "mail1", _MAIL), ("dns", "dns1", _DNS)):
        yield f"INSERT INTO placements SELECT id, '{role}', {servers[first]} + id % {count} FROM bench_services"
    for metric in METRICS.values():
        for shown in (period,) if metric.is_counter else (SNAPSHOT,):
            yield (
                f"INSERT INTO usage_current (service_id, metric, value, unit, period, collected_at) SELECT id, '{metric.name}', "
                f"id * 7919 % 999983, '{metric.unit}', '{shown}', '{now}' FROM bench_services"
            )
    yield (
        f"INSERT INTO usage_mailboxes SELECT s.id, 'box' || b.day || '@shop' || s.id || '.test', s.id * 31, 7, '{now}' "
        f"FROM bench_services s JOIN (SELECT day FROM bench_days ORDER BY day LIMIT {_BOXES}) b"
    )


def _history(services: int) -> Iterator[str]:
    figures = " || ', ' || ".join(f"'\"{name}\": ' || ((s.id * 7919 + d.day) % 999983)" for name in METRICS)
    for first in range(1, services + 1, _AT_ONCE):
        yield (
            f"INSERT INTO usage_history SELECT s.id, d.day, '{{' || {figures} || '}}' FROM bench_services s "
            f"CROSS JOIN bench_days d WHERE s.id BETWEEN {first} AND {first + _AT_ONCE - 1} ORDER BY s.id, d.day"
        )
