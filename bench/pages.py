"""The pages at the sizes of a large provider: time to the first byte, the slowest query, and what 200 who watch cost."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from bench import watching
from bench.figures import Figure, percentile
from bench.filling import fill
from orchestrator.config import keys
from orchestrator.config.settings import from_environment
from orchestrator.core.clock import utc_now
from orchestrator.engine import Engine
from orchestrator.models.base import database as proxy
from orchestrator.models.operator import Operator
from orchestrator.store import console_sessions, database, operators, schema
from tests.support import fleet, mariadb
from tests.support.http_api import Api, serving

_PAGES = (
    "",
    "tasks",
    "tasks?status=error",
    "tasks?status=done&status=error&before={task}",
    "tasks?q=web1",
    "tasks?q=shop{service}.test",
    "tasks?q=web.domain_present",
    "tasks/{task}",
    "log",
    "log?outcome=failed",
    "log?q=web1",
    "services",
    "services?status=failed",
    "services?q=shop9",
    "services/{service}",
    "certificates",
    "certificates?state=frozen",
    "certificates?state=active&after=0.150000",
    "statistics",
    "statistics?sort=mailboxes",
    "statistics/{service}",
    "servers",
    "servers/web1",
    "settings",
    "audit",
)


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure on SQLite, and on MariaDB where it is installed."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        home = Path(folder)
        keys.ensure_private_key(home)
        found += _measured("SQLite", f"sqlite:///{home}/tenantry.db", home, options)
        if not mariadb.missing():
            with mariadb.server() as server:
                found += _measured("MariaDB", server.url("bench"), home, options)
    return found


def _measured(name: str, url: str, home: Path, options: argparse.Namespace) -> list[Figure]:
    database.connect(url)
    schema.upgrade()
    fleet.build({f"web{n}": (f"10.77.0.1{n}", "web") for n in range(1, 6)})
    fill(options.rows / 1_000_000)
    app = Engine(from_environment({"TENANTRY_DATABASE_URL": url, "TENANTRY_HOME": str(home)}))
    with serving(app) as site:
        found = _pages(name, site, options.rows, max(options.samples // 10, 5))
    found += watching.run(name, url, home)
    if not proxy.is_closed():
        proxy.close()
    return found


def _cookie() -> str:
    operators.add("bench", "admin", "a password of the bench", "bench", utc_now())
    return console_sessions.begin(Operator.get(), "", "", utc_now())


def _pages(name: str, site: Api, rows: int, samples: int) -> list[Figure]:
    found, asked, cookie = [], requests.Session(), _cookie()
    for pattern in _PAGES:
        path = pattern.format(task=rows // 2, service=rows // 200)
        times: list[float] = []
        with _queries() as queries:
            for _ in range(samples):
                begun = time.perf_counter()
                with asked.get(
                    f"{site.url}/console/{path}", cookies={"tenantry_session": cookie}, stream=True, timeout=60
                ) as answer:
                    times.append((time.perf_counter() - begun) * 1000)
                    size = len(answer.content)
                    answer.raise_for_status()
        slowest = max(queries, key=lambda one: percentile(one[1], 0.5))
        note = f"median {percentile(times, 0.5):.1f} ms, {size / 1000:.0f} kB, slowest query {percentile(slowest[1], 0.5):.1f} ms"
        if percentile(slowest[1], 0.5) > 50:
            note += f": {slowest[0][-300:]}"
        found.append(Figure(name=f"{name}: /console/{path}", value=percentile(times, 0.95), unit="ms", note=note))
    return found


@contextlib.contextmanager
def _queries() -> Iterator[list[tuple[str, list[float]]]]:
    """Yield what fills with each query's text, with what was asked for, and its milliseconds."""
    opened = proxy.obj
    found: dict[str, list[float]] = {}
    original = opened.execute_sql

    def timed(sql: str, *rest: Any, **more: Any) -> Any:
        begun = time.perf_counter()
        try:
            return original(sql, *rest, **more)
        finally:
            asked = f"{sql} {rest[0] if rest else ''}"  # of one text, one status may be quick and another slow
            found.setdefault(asked, []).append((time.perf_counter() - begun) * 1000)

    result: list[tuple[str, list[float]]] = []
    opened.execute_sql = timed
    try:
        yield result
    finally:
        opened.execute_sql = original
        result += list(found.items())
