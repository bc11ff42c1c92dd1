"""A backup from before is restored: work of the past stays away from the servers, and what was forgotten is caught up with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.states import Outcome
from orchestrator.models.base import database
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Task
from orchestrator.plan.fences import CatchUp, Seen, catch_up
from orchestrator.store import fences, fleet, leases, services
from tests.integration.life.conftest import Life
from tests.support.mariadb import MariaServer

Backup = Callable[[], Callable[[], None]]


@pytest.fixture
def backup(db: str, tmp_path: Path, request: pytest.FixtureRequest) -> Backup:
    """Return what takes a backup; calling its answer restores it."""
    file = tmp_path / "backup"
    if db.startswith("sqlite"):
        return lambda: _sqlite(db.removeprefix("sqlite:///"), file)
    server: MariaServer = request.getfixturevalue("maria_server")
    return lambda: _maria(server, file)


def _sqlite(path: str, file: Path) -> Callable[[], None]:
    subprocess.run(["sqlite3", path, f".backup {file}"], check=True, timeout=60)

    def restore() -> None:
        database.close()
        subprocess.run(["sqlite3", path, f".restore {file}"], check=True, timeout=60)

    return restore


def _maria(server: MariaServer, file: Path) -> Callable[[], None]:
    account = [f"--socket={server.socket}", "--user=root"]
    with file.open("wb") as out:
        subprocess.run(
            ["mariadb-dump", *account, "--single-transaction", "tenantry"], stdout=out, check=True, timeout=60
        )

    def restore() -> None:
        database.close()
        subprocess.run(["mariadb", *account, "tenantry"], stdin=file.open("rb"), check=True, timeout=120)

    return restore


def seen(life: Life) -> list[Seen]:
    """Return what the model servers remember, as the probe would."""
    found: dict[str, dict[int, tuple[int, int]]] = {}
    for (server, service), (generation, tokens) in life.executor.fences().items():
        found.setdefault(server, {})[service] = (generation, max(tokens.values()))
    highest_uid = max((row.uid for row in Service.select()), default=0)
    return [
        Seen(
            server=server,
            token=max(token for _, token in numbers.values()),
            uid=highest_uid + 1,
            generations={service: generation for service, (generation, _) in numbers.items()},
        )
        for server, numbers in found.items()
    ]


def adopt(life: Life) -> CatchUp:
    return fences.adopt(partial(catch_up, seen=seen(life)), "test")


def outcomes(since: int) -> list[Any]:
    return [row.outcome for row in LogEntry.select().where((LogEntry.id > since) & (LogEntry.kind == "attempt"))]


def newest_entry() -> int:
    return int(LogEntry.select(LogEntry.id).order_by(LogEntry.id.desc()).limit(1).scalar() or 0)


def test_without_raising_every_step_is_fenced_and_afterwards_all_goes_on(life: Life, backup: Backup) -> None:
    life.order(roles=["web"])
    restore = backup()
    for _ in range(2):
        life.done("redeploy")
    before = life.executor.state()
    restore()
    since = newest_entry()
    life.done("redeploy")
    assert Outcome.FENCED in outcomes(since)
    assert life.executor.state() == before, "nothing of the past has reached a server"
    adopted = adopt(life)
    assert list(adopted.ahead) == [1001]
    since = newest_entry()
    life.done("redeploy")
    assert set(outcomes(since)) <= {"ok", "changed"}
    assert life.status() == "active"
    again = adopt(life)
    assert (again.token, again.ahead, again.unknown) == (0, {}, {})


def test_work_that_was_pending_in_the_backup_is_stale_and_never_runs(life: Life, backup: Backup) -> None:
    life.order(1001, roles=["web"])
    life.order(1002, domain="other.test", roles=["web"])
    life.ask("suspend", 1001)
    life.worker.pass_once()  # the request is planned, its steps are pending
    life.settle(until=lambda: Task.select().where(Task.action == "web.account_suspended").exists())
    restore = backup()
    life.settle()
    life.done("unsuspend", 1001)
    life.order(1003, domain="new.test", roles=["web"])
    newest_uid = services.get(1003).uid
    before = life.executor.state()
    restore()
    adopted = adopt(life)
    assert (list(adopted.ahead), list(adopted.unknown)) == ([1001], [1003])
    leases.rescue(lambda _: True)  # whoever ran something when the backup was made is gone
    life.settle()
    assert life.executor.state() == before, "the suspension of before does not come back"
    assert life.status(1002) == "active"
    pending = Task.select().where((Task.service_id == 1001) & (Task.status << ["waiting", "queued", "running"]))
    assert pending.count() == 0
    life.done("unsuspend", 1001)
    assert life.status(1001) == "active"
    life.order(1003, domain="new.test", roles=["web"])
    assert life.status(1003) == "active"
    assert services.get(1003).uid > newest_uid, "a number that an account had is not given again"
    assert fleet.current_number("fence") > 1_000_000
    (entry,) = LogEntry.select().where(LogEntry.kind == "fence_raised")
    assert entry.actor == "test" and "1 unknown" in entry.message
    assert json.dumps(life.executor.state()).count("new.test") > 0
