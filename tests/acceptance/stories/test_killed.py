"""The orchestrator is killed after a step of the chain, whichever it is; the service ends as if nothing had happened."""

from __future__ import annotations

import itertools
import re
import signal
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from demo.installation import Installation
from lab import snapshot
from tests.acceptance.stories import world
from tests.acceptance.stories.conftest import Build, interruptions

pytestmark = pytest.mark.lab

# What is drawn anew in every deploy: the signing key, and with it its record, the zone's dependants and the salts.
RANDOM = ("/var/lib/tenantry/dkim/", "_domainkey", "password_hash", "accounts.sqlite#")
SERIAL = re.compile(r"(?<= )20\d{8}(?= )")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "step" in metafunc.fixturenames:
        metafunc.parametrize("step", interruptions(metafunc.config, "kill"))


def finished(site: Installation) -> int:
    """Count the steps that are done, straight from the database: starting a command would take too long."""
    file = Path(site.database_url.removeprefix("sqlite:///"))
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)
    try:
        query = "SELECT COUNT(*) FROM tasks WHERE status = 'done' AND operation_id IS NOT NULL"
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()


def deployed(build: Build, kill_after: int | None) -> tuple[Installation, dict[str, snapshot.Tree]]:
    """Deploy one service on fresh nodes, killing the orchestrator once ``kill_after`` steps are done."""
    site = build()
    site.start()
    world.insert(site, 1001, world.order(site, "shop.test"))
    if kill_after is not None:
        world.eventually(lambda: finished(site) >= kill_after, 120, f"{kill_after} steps are done")
        site.end(signal.SIGKILL)
        site.start()
    site.await_service(1001)
    found = world.trees(site)
    assert_never_twice(site)
    site.end()
    return site, found


def assert_never_twice(site: Installation) -> None:
    """Check in the log that no two attempts at one task overlap."""
    spans: dict[int, list[tuple[datetime, datetime]]] = {}
    for entry in site.json("log", "--service", "1001", "--limit", "500"):
        if entry["kind"] == "attempt" and entry["started_at"]:
            span = (datetime.fromisoformat(entry["started_at"]), datetime.fromisoformat(entry["at"]))
            spans.setdefault(entry["task_id"], []).append(span)
    for task, attempts in spans.items():
        attempts.sort()
        for one, following in itertools.pairwise(attempts):
            assert one[1] <= following[0], f"two attempts at task {task} overlap"


@pytest.fixture(scope="module")
def undisturbed(build: Build) -> Iterator[dict[str, snapshot.Tree]]:
    yield deployed(build, None)[1]


def steady(tree: snapshot.Tree) -> snapshot.Tree:
    """Leave out what every deploy draws anew, and the day in a zone's serial: a run may pass midnight."""
    kept = {path: entry for path, entry in tree.items() if not any(word in path for word in RANDOM)}
    dated = {path: SERIAL.sub("SERIAL", path) for path in kept}
    return {new: kept[path] if new == path else {"type": "row"} for path, new in dated.items()}


def test_kill_after_step(build: Build, undisturbed: dict[str, snapshot.Tree], step: int) -> None:
    _, found = deployed(build, step)
    clean = {name: steady(tree) for name, tree in undisturbed.items()}
    assert world.difference(clean, {name: steady(tree) for name, tree in found.items()}) == []
    for name, tree in undisturbed.items():  # what is random has to be there all the same
        random = [len([path for path in one if any(word in path for word in RANDOM)]) for one in (tree, found[name])]
        assert random[0] == random[1], name
