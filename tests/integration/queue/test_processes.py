"""Several orchestrators as processes of the operating system on one database: killed, paused, and the database cut off."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.errors import Unavailable
from orchestrator.engine import Engine
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Task
from orchestrator.scheduler import jobs
from orchestrator.scheduler.loop import tick
from orchestrator.store import fleet as fleet_store
from orchestrator.store.database import session
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.mariadb import MariaServer
from tests.support.orchestrator import Interval, TracingExecutor, intervals, most_at_once, overlaps

LIMIT, BATCH = 3, 5
WEB = {f"web{n}": (f"10.77.0.1{n}", "web") for n in range(1, 6)}


class Orchestrator:
    """One process that runs the queue with steps of ``seconds``."""

    def __init__(self, app: Engine, folder: Path, seconds: float, lease: int) -> None:
        self.trace = folder / "trace"
        env = {
            "PATH": os.environ["PATH"],
            "TENANTRY_DATABASE_URL": app.settings.database_url,
            "TENANTRY_HOME": str(app.settings.home),
            "TENANTRY_LEASE_SECONDS": str(lease),
            "TENANTRY_DRAIN_SECONDS": "20",
        }
        self.log = folder / f"log-{time.monotonic_ns()}"
        command = [sys.executable, "-m", "tests.support.orchestrator", str(self.trace), str(seconds)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=env, cwd=PROJECT_ROOT, stderr=log)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def is_up(self) -> bool:
        """Whether it has begun to look for tasks."""
        return '"started"' in self.log.read_text()

    def running(self) -> list[Interval]:
        """Return this process's attempts that have begun and not ended."""
        found = intervals(self.trace) if self.trace.exists() else []
        return [one for one in found if one.pid == self.pid and not one.outcome]

    def stop(self) -> int:
        """Ask it to drain and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=60)


Start = Callable[[float, int], Orchestrator]


@pytest.fixture
def start(app: Engine, tmp_path: Path) -> Iterator[Start]:
    """Yield what starts an orchestrator; all are gone afterwards."""
    begun: list[Orchestrator] = []

    def begin(seconds: float, lease: int) -> Orchestrator:
        begun.append(Orchestrator(app, tmp_path, seconds, lease))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(timeout=30)
        assert "Traceback" not in one.log.read_text(), one.log.read_text()[-4000:]


def until(condition: Callable[[], bool], seconds: float = 100.0) -> None:
    """Wait for a condition; a database that is away meanwhile is no failure."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(Unavailable), session():
            if condition():
                return
        time.sleep(0.1)
    open_rows = [
        f"{row.id} {row.action} {row.status} {row.error}" for row in Task.select().where(Task.status != "done")
    ]
    raise AssertionError(f"not within {seconds} s: {open_rows[:20]}")


def active(count: int) -> Callable[[], bool]:
    """Return the condition that this many services are active."""
    return lambda: Service.select().where(Service.status == "active").count() == count


def orders(count: int, first: int = 1) -> None:
    """Order services with a site; every tenth has mail and DNS as well."""
    for number in range(first, first + count):
        roles = ["web", "mail", "dns"] if number % 10 == 0 else ["web"]
        order(number, domain=f"shop{number}.test", roles=roles)


def quiet() -> None:
    """Let servers be asked for nothing beside the orders: no usage, no certificates."""
    fleet_store.set_knob("usage.interval_minutes", "0", "test")
    fleet_store.set_knob("ssl.directory", "", "test")


def prepare(count: int, batch: int = BATCH) -> None:
    """Build a fleet with limits and order from it."""
    fleet.build(fleet.SERVERS | WEB)
    quiet()
    fleet_store.set_knob("tasks.batch_size", str(batch), "test")
    fleet_store.set_knob("server.concurrency", str(LIMIT), "test")
    fleet_store.set_knob("tasks.per_run", "2", "test")  # else the first to look takes nearly all
    orders(count)


def up(begun: Iterable[Orchestrator]) -> None:
    """Wait until each looks for tasks: a process that starts late would find them all done."""
    until(lambda: all(one.is_up() for one in begun))


def check_limits(found: list[Interval], batch: int = BATCH) -> None:
    """No server and no orchestrator ever had more at once than it may."""
    assert max(most_at_once(found, lambda one: one.server).values()) <= LIMIT
    assert max(most_at_once(found, lambda one: one.pid).values()) <= batch


def check_once() -> None:
    """Every task is done, and exactly one attempt at it counts."""
    assert Task.select().where(Task.status != "done").count() == 0
    entries = LogEntry.select().where((LogEntry.kind == "attempt") & LogEntry.outcome.in_(["ok", "changed"]))
    counted = [entry.task_id for entry in entries]
    assert len(counted) == len(set(counted)) == Task.select().count()


@pytest.fixture
def count(database_url: str) -> int:
    """Return how many orders to place: SQLite is one writer, there it is the limits that are shown."""
    return 200 if database_url.startswith("mysql") else 30


def test_two_processes_run_200_orders_once_each_within_every_limit(app: Engine, start: Start, count: int) -> None:
    prepare(0)
    both = [start(0.002, 30), start(0.002, 30)]
    up(both)
    orders(count)
    until(active(count), 300)
    assert [one.stop() for one in both] == [0, 0]
    found = intervals(both[0].trace)
    assert {one.pid for one in found} == {one.pid for one in both}, "both took part"
    assert overlaps(found) == []
    check_limits(found)
    check_once()
    again = Task.select().where(Task.attempts != 1)
    assert [(row.id, row.action, row.attempts, row.error) for row in again] == []


def claimed_by(pid: int) -> set[int]:
    """Return the tokens of what a process has in hand; it need not have begun all of it."""
    own = (Task.status == "running") & Task.lease_owner.contains(f"/{pid}/")
    return {row.lease_token for row in Task.select(Task.lease_token).where(own)}


def given() -> int:
    """Return the last token that was given out."""
    return fleet_store.current_number("fence")


def test_one_is_killed_another_paused_beyond_its_lease_and_nothing_is_lost(app: Engine, start: Start) -> None:
    prepare(0, batch=3)  # two of them can never take all twenty
    lease = 3
    killed, paused, third = (start(0.3, lease) for _ in range(3))
    up((killed, paused, third))
    orders(20)
    until(lambda: bool(killed.running() and paused.running() and third.running()))
    paused.process.send_signal(signal.SIGSTOP)
    held, held_steps = claimed_by(paused.pid), {one.step for one in paused.running()}
    killed.process.kill()
    killed.process.wait(timeout=30)
    dead_since = time.monotonic()
    time.sleep(2 * lease)
    # What it was claiming when it was stopped is committed now, with leases that have run out: in its hand across the pause, too.
    held |= set(range(given() + 1, given() + 1 + BATCH))
    paused.process.send_signal(signal.SIGCONT)
    orders(10, first=101)
    until(active(30), 300)
    assert [paused.stop(), third.stop()] == [0, 0]
    found = intervals(third.trace, {killed.pid: dead_since})
    healthy = [one for one in found if one.token not in held or one.pid != paused.pid]
    assert overlaps(healthy) == []
    check_limits(healthy, batch=3)
    check_once()
    late = {entry.task_id for entry in LogEntry.select().where(LogEntry.kind == "late_result")}
    rescued = {entry.task_id for entry in LogEntry.select().where(LogEntry.kind == "rescued")}
    assert late <= rescued
    taken = {f"{row.service_id}/{row.generation}/{row.step}" for row in Task.select().where(Task.id << rescued)}
    if taken & held_steps:  # another did what the paused one had in hand: its own results came late and were refused
        assert late


@pytest.mark.parametrize(("away", "lease"), [(3, 300), (60, 50)])
@pytest.mark.parametrize("database_url", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True)
def test_the_database_is_killed_amid_ten_deploys_and_nothing_is_lost_or_done_twice(
    app: Engine, start: Start, maria_server: MariaServer, away: int, lease: int
) -> None:
    prepare(0, batch=5)  # neither takes all ten
    both = [start(0.5, lease), start(0.5, lease)]  # when it is away for 60 s every lease has run out
    up(both)
    orders(10)
    until(lambda: all(one.running() for one in both))
    maria_server.kill()
    time.sleep(away)
    assert [one.process.poll() for one in both] == [None, None]
    maria_server.start()
    until(active(10), 200)
    assert [one.stop() for one in both] == [0, 0]
    found = intervals(both[0].trace)
    assert overlaps(found) == []
    check_once()
    repeated = [step for step, count in Counter(one.step for one in found).items() if count > 1]
    assert repeated == [], "a result that waited for the database counts; its step is not run again"


def test_tick_beside_run(app: Engine, start: Start, tmp_path: Path) -> None:
    prepare(12, batch=2)  # of the daemon, which would take them all at once; cron's passes get some
    daemon = start(0.05, 30)
    up([daemon])
    begun = 0
    deadline = time.monotonic() + 60
    while not active(12)() and time.monotonic() < deadline:
        worker = app.worker(TracingExecutor(daemon.trace, 0.05))
        begun += tick(worker, jobs.standard(worker.rescue, lambda: None))
    assert daemon.stop() == 0
    found = intervals(daemon.trace)
    assert begun > 0
    assert overlaps(found) == []
    check_limits(found)
    check_once()


def test_sigterm_leaves_no_row_running_and_a_second_one_does_not_wait(app: Engine, start: Start) -> None:
    prepare(6)
    slow = start(30, 30)
    until(lambda: bool(slow.running()))
    slow.process.terminate()
    time.sleep(0.5)
    assert slow.process.poll() is None, "it waits for what runs"
    slow.process.terminate()
    slow.process.wait(timeout=10)
    assert Task.select().where(Task.status == "running").count() == 0
    assert Task.select().where(Task.status == "cancelled").count() == 0, "stopped with the daemon, not withdrawn"
    fast = start(0, 30)
    until(active(6))
    assert fast.stop() == 0
