"""A good certificate that is served already and whose key is not in the store: after a lost database, or a move."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.core.clock import utc_now
from orchestrator.engine import Engine
from orchestrator.plan.certificates.view import Leaf
from tests.integration.certificates.world import World
from tests.support import fleet
from tests.support.pebble import Pebble

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NAMES = ("shop.test", "www.shop.test")


def served(days: int) -> Leaf:
    """Return a certificate of ninety days with so many left."""
    ends = utc_now() + timedelta(days=days)
    return Leaf(serial="77", names=NAMES, not_before=ends - timedelta(days=90), not_after=ends)


@pytest.fixture
def world(app: Engine, pebble: Pebble, home: Path) -> Iterator[World]:
    """Yield an installation that has lost its database and whose web server has not."""
    fleet.build()
    made = World(app, pebble, home, strangers=dict.fromkeys(NAMES, served(60)))
    made.order(roles=["web"])
    yield made
    made.bench.worker.drain(5)


def test_58_it_is_left_in_peace_without_an_order(world: World) -> None:
    for _ in range(4):
        world.turn()
    row = world.row()
    assert world.orders() == 0
    assert (row.state, row.serial) == ("fast", "")
    assert "not ours" in str(row.error)
    assert row.next_check_at > utc_now() + timedelta(hours=23)


def test_58_from_its_last_third_on_ours_replaces_it(world: World) -> None:
    world.strangers = dict.fromkeys(NAMES, served(29))
    assert world.until("active").error is None
    assert world.orders() == 1


def test_58_one_that_lacks_a_name_and_one_that_a_person_does_not_want_are_replaced(world: World) -> None:
    del world.strangers["www.shop.test"]
    world.until("active")
    world.strangers = dict.fromkeys(NAMES, served(60))
    world.turn()
    assert world.orders() == 1


def test_58_a_person_may_have_ours_at_once(world: World) -> None:
    world.turn()
    world.ask("certificate.issue")
    assert world.until("active").error is None
