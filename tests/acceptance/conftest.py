"""Real nodes. Under CI a machine without a lab is a failure; elsewhere it is a reason to skip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import check, config
from lab.config import Lab
from tests.conftest import require
from tests.support import labs
from tests.support.steps import Steps

if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # before anybody asks which lab it is
    os.environ.update(labs.environment(int(worker.removeprefix("gw"))))

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
