"""One node and one project for all of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import nodes
from lab.config import Lab
from orchestrator.execute.settings import PLAIN, WARM
from tests.acceptance.execute.bench import NODE, Bench, marked


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is only about a waiting interpreter has nothing to show in the mode that has none."""
    moot = [item for item in items if "warm" in getattr(item, "fixturenames", ()) and "[plain]" in item.name]
    config.hook.pytest_deselected(items=moot)
    items[:] = [item for item in items if item not in moot]


@pytest.fixture(scope="package")
def node(lab: Lab) -> Iterator[Lab]:
    """Yield a lab with a factory-new node."""
    nodes.up(lab, [NODE])
    yield lab
    nodes.down(lab, [NODE])


@pytest.fixture(scope="package", params=[WARM, PLAIN])
def bench(node: Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Yield the project in which the tests write their playbooks: everything holds for both ways of starting a helper."""
    bench = Bench(tmp_path_factory.mktemp("bench"), node, request.param)
    yield bench
    bench.close()
    assert marked(bench.run_root) == {}
    left = bench.run_root.iterdir() if bench.run_root.exists() else ()
    assert [path.name for path in left if path.name != ".creating"] == []


@pytest.fixture(autouse=True)
def nothing_is_left(bench: Bench) -> Iterator[None]:
    """Whatever happened in an attempt: no process and no file of it is left."""
    yield
    assert marked(bench.run_root) == {}
    left = [path.name for path in bench.run_root.iterdir()] if bench.run_root.exists() else []
    assert [name for name in left if name.startswith("a-")] == []
