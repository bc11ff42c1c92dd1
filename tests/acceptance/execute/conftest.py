"""One node and one project for all of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import nodes
from lab.config import Lab
from orchestrator.execute.settings import PLAIN, WARM
from tests.acceptance.execute.bench import NODE, Bench, marked

_OWN_MODE = ("test_daemon", "test_service_file")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What would be the same in the second mode is left out of it: see ``_is_moot``."""
    moot = [item for item in items if _is_moot(item)]
    config.hook.pytest_deselected(items=moot)
    items[:] = [item for item in items if item not in moot]


def _is_moot(item: pytest.Item) -> bool:
    """Whether the test is about a waiting interpreter, or has an orchestrator with a mode of its own."""
    callspec = getattr(item, "callspec", None)
    is_plain = callspec is not None and callspec.params.get("bench") == PLAIN
    return is_plain and ("warm" in getattr(item, "fixturenames", ()) or item.path.stem in _OWN_MODE)


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
