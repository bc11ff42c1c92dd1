"""The queue: what claim, heartbeat and finish cost with little and with much history, and the orchestrator's memory."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figure, percentile
from bench.idle import QUIET_SECONDS
from bench.series import parts
from orchestrator.config import keys
from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome, TaskStatus
from orchestrator.models.base import database as proxy
from orchestrator.models.service import Service
from orchestrator.models.task import Task
from orchestrator.plan.backoff import Verdict
from orchestrator.store import claim, database, leases, outcome, schema, tasks
from orchestrator.store.database import is_sqlite, session
from tests.support import fleet, mariadb

_SHORT = 1_000  # rows of history that the long one is compared with
_SERVICES = 200  # that have something queued meanwhile
_BATCH = 10  # tasks claimed at once
_ORDERS = 60  # that the orchestrator has in hand when its memory is measured
_OWNER = "bench/boot/1/1/x"
Timings = dict[str, list[float]]


def run(options: argparse.Namespace) -> list[Figure]:
    """Measure on SQLite, and on MariaDB where it is installed."""
    found: list[Figure] = []
    for name, opened in (("SQLite", sqlite_schema), ("MariaDB", maria_schema)):
        if name == "MariaDB" and mariadb.missing():
            continue
        with opened():
            found += _latencies(name, options.rows, options.samples)
    return found + _memory()


@contextlib.contextmanager
def sqlite_schema() -> Iterator[None]:
    """Hold an empty database of our own in a file."""
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder, schema_at(f"sqlite:///{folder}/tenantry.db"):
        yield


@contextlib.contextmanager
def maria_schema() -> Iterator[None]:
    """Hold an empty database on a server of our own."""
    with mariadb.server() as server, schema_at(server.url("bench")):
        yield


@contextlib.contextmanager
def schema_at(url: str) -> Iterator[None]:
    """Connect to a database and give it the schema until the block ends."""
    database.connect(url)
    schema.upgrade()
    try:
        yield
    finally:
        if not proxy.is_closed():
            proxy.close()


def _latencies(name: str, rows: int, samples: int) -> list[Figure]:
    fleet.build({f"web{n}": (f"10.77.0.1{n}", "web") for n in range(1, 6)})
    _fill(_SHORT)
    short = _measure(samples)
    _fill(rows - _SHORT)
    long = _measure(samples)
    found = []
    for step, few in short.items():
        many = long[step]
        half, most = (percentile(many, share) / percentile(few, share) for share in (0.5, 0.95))
        for count, values in ((_SHORT, few), (rows, many)):
            note = f"p95 {percentile(values, 0.95):.2f} ms, best {min(values):.2f} ms" + (
                f"; {half:.2f} times as long, p95 {most:.2f} times; wanted: ≤ 1.5" if count == rows else ""
            )
            label = f"{name}: {step}, {count:,} finished rows"
            found.append(Figure(name=label, value=percentile(values, 0.5), unit="ms", note=note))
    return found


def _fill(rows: int) -> None:
    """Add finished tasks, as many services would have left them."""
    columns = "action, service_id, server_id, status, attempts, started_at, finished_at, result"
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')" if is_sqlite() else "UTC_TIMESTAMP(6)"
    for series in parts(rows):
        text = (
            f"INSERT INTO tasks ({columns}) SELECT 'web.domain_present', seq % 20000, seq % 5 + 1, 'done', 1, {now}, {now}, "
            f"'{{}}' FROM {series} AS numbers"
        )
        proxy.execute_sql(text if is_sqlite() else text.replace("%", "%%"))


def _measure(samples: int) -> Timings:
    """Return milliseconds of each step: claim ten, renew ten, finish one."""
    timings: Timings = {f"claim {_BATCH}": [], f"renew {_BATCH}": [], "finish 1": []}
    for _ in range(samples):
        _top_up()
        taken = timed(timings[f"claim {_BATCH}"], lambda: claim.claim(_OWNER, 60, _BATCH))
        timed(timings[f"renew {_BATCH}"], lambda taken=taken: leases.heartbeat(taken, 60))
        for number, one in enumerate(taken):
            sink = timings["finish 1"] if number == 0 else []
            timed(sink, lambda one=one: _finish(one))
    return timings


def timed(sink: list[float], work: Callable[[], Any]) -> Any:
    """Do something, note the milliseconds that it took, and return what came of it."""
    begun = time.perf_counter()
    result = work()
    sink.append((time.perf_counter() - begun) * 1000)
    return result


def _finish(one: claim.Claim) -> None:
    circuit = outcome.Circuit(after=3, seconds=60)
    outcome.record(one, RunResult(outcome=Outcome.OK), lambda *_: Verdict(status=TaskStatus.DONE), circuit)


def _top_up() -> None:
    """Keep a task queued for each of the services."""
    queued = Task.select().where(Task.status == TaskStatus.QUEUED).count()
    rows = [
        {"action": "web.domain_present", "service_id": number, "server_id": number % 5 + 1, "params": "{}"}
        for number in range(1, _SERVICES - queued + 1)
    ]
    if rows:
        Task.insert_many(rows).execute()


def _memory() -> list[Figure]:
    """Return the memory of an orchestrator that does nothing, and at most while it works through orders."""
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder, schema_at(f"sqlite:///{folder}/tenantry.db"):
        fleet.build()
        keys.ensure_private_key(Path(folder))
        process = _orchestrator(Path(folder))
        try:
            time.sleep(QUIET_SECONDS)
            idle = _resident_mib(process.pid)
            most = _busiest(process.pid)
        finally:
            process.terminate()
            process.wait(timeout=60)
    note = f"{_ORDERS} orders, no-op executor"
    return [
        Figure(name="orchestrator idle", value=idle, unit="MiB", note="resident"),
        Figure(name="orchestrator under load", value=most, unit="MiB", note=f"resident at most, {note}"),
    ]


def _orchestrator(folder: Path) -> subprocess.Popen[bytes]:
    env = {
        "PATH": os.environ["PATH"],
        "TENANTRY_DATABASE_URL": f"sqlite:///{folder}/tenantry.db",
        "TENANTRY_HOME": str(folder),
    }
    command = [sys.executable, "-m", "tests.support.orchestrator", str(folder / "trace"), "0.05"]
    return subprocess.Popen(command, env=env, cwd=PROJECT_ROOT, stderr=subprocess.DEVNULL)


def _busiest(pid: int) -> float:
    for number in range(1, _ORDERS + 1):
        params = {"domain": f"shop{number}.test", "package": "small", "group": "standard"}
        tasks.enqueue("service.create", service_id=number, params=params)
    most, deadline = 0.0, time.monotonic() + 300
    while time.monotonic() < deadline:
        most = max(most, _resident_mib(pid))
        with session():
            if Service.select().where(Service.status == "active").count() == _ORDERS:
                return most
        time.sleep(0.1)
    raise RuntimeError("the orders did not finish within 300 s")


def _resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
