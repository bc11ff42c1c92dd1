"""Whole installations on four prepared nodes. Every story begins with the disks as they were after the preparation."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from demo.installation import Installation, Node
from lab import checkpoints, faults, nodes
from lab.config import Lab
from lab.errors import LabError
from tests.acceptance.stories import world

STEPS = 15  # of the deploy chain of a split service with two DNS servers, the last one included
FIRST = {"redeploy": 0, "suspend": 1, "terminate": 2, "kill": 2}  # with every third step, each is somebody's turn
NAMES = tuple(node.name for node in world.NODES)
Build = Callable[..., Installation]


def interruptions(config: pytest.Config, by: str) -> range:
    """Return after how many steps of a deploy something happens in between."""
    return range(STEPS) if config.getoption("--every-step") else range(FIRST[by], STEPS, 3)


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


@pytest.fixture(scope="module")
def build(prepared: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Yield a function that makes an installation on nodes fresh from their preparation."""
    made: list[Installation] = []

    def make(database_url: str = "", servers: tuple[Node, ...] = world.NODES, **more: str) -> Installation:
        checkpoints.restore(prepared, NAMES)
        site = Installation(_folder(tmp_path_factory), prepared, database_url, {"TENANTRY_LEASE_SECONDS": "6", **more})
        site.set_up(servers)
        site.tenantry("settings", "set", "server.circuit_seconds", "2")
        made.append(site)
        return site

    yield make
    for site in made:
        site.end(signal.SIGKILL)
    for name in NAMES:
        with suppress(LabError):
            faults.link_up(prepared, name)


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp(f"site-{os.getpid()}-")


@pytest.fixture(scope="module")
def site(build: Build) -> Installation:
    """Return a running installation on SQLite that a whole module shares."""
    made = build()
    made.start()
    return made
