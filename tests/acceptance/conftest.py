"""Real nodes, and whole installations on four of them that have been prepared.

Under CI a machine without a lab is a failure; elsewhere it is a reason to skip.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from demo.installation import Installation, Node
from lab import check, checkpoints, config, faults, nodes
from lab.config import Lab
from lab.errors import LabError
from tests.acceptance.stories import world
from tests.conftest import require
from tests.support import labs
from tests.support.steps import Steps

if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # before anybody asks which lab it is
    os.environ.update(labs.environment(int(worker.removeprefix("gw"))))

NAMES = tuple(node.name for node in world.NODES)
Build = Callable[..., Installation]
# Files of four minutes and more begin first, so that none of them is left alone at the end.
_LONGEST = (
    *("test_wishes", "test_every_playbook", "test_molecule", "test_killed", "test_web_certificates"),
    *("test_repair", "test_mail_certificates", "test_demo", "test_web_removal", "test_vanity"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first."""
    rank = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Return the settings of the lab that the tests run in."""
    found = config.load()
    require("; ".join(f"{finding.what}: {finding.remedy}" for finding in check.missing(found)))
    return found


@pytest.fixture(scope="session")
def steps(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steps]:
    """Yield what runs playbooks on nodes, as the orchestrator does."""
    root: Path = tmp_path_factory.mktemp("runs")
    yield Steps(lab, root)


@pytest.fixture(scope="session")
def prepared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Yield a lab whose four nodes have been prepared by the orchestrator itself, and whose disks are kept like that."""
    nodes.up(lab, NAMES)
    site = Installation(tmp_path_factory.mktemp("prepare"), lab)
    site.set_up(world.NODES)
    site.start()
    try:
        site.prepare(NAMES)
    finally:
        site.end()
    checkpoints.save(lab, NAMES)
    yield lab
    nodes.down(lab, NAMES)


@pytest.fixture(scope="session")
def blank(prepared: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an installation that knows the four nodes: the dozen commands for that are typed once."""
    folder = _folder(tmp_path_factory)
    _set_up(Installation(folder, prepared), world.NODES)
    return folder


@pytest.fixture(scope="module")
def build(prepared: Lab, blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Yield a function that makes an installation on nodes fresh from their preparation."""
    made: list[Installation] = []

    def make(database_url: str = "", servers: tuple[Node, ...] = world.NODES, **more: str) -> Installation:
        checkpoints.restore(prepared, NAMES)
        folder = _folder(tmp_path_factory)
        site = Installation(folder, prepared, database_url, {"TENANTRY_LEASE_SECONDS": "6", **more})
        if database_url or servers != world.NODES:
            _set_up(site, servers)
        else:
            shutil.copytree(blank, folder, dirs_exist_ok=True)
        made.append(site)
        return site

    yield make
    for site in made:
        site.end(signal.SIGKILL)
    for name in NAMES:
        with suppress(LabError):
            faults.link_up(prepared, name)


def _set_up(site: Installation, servers: tuple[Node, ...]) -> None:
    site.set_up(servers)
    site.tenantry("settings", "set", "server.circuit_seconds", "2")


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp(f"site-{os.getpid()}-")


@pytest.fixture(scope="module")
def site(build: Build) -> Installation:
    """Return a running installation on SQLite that a whole module shares."""
    made = build()
    made.start()
    return made
