"""A year of certificates on an injected clock; `python -m bench simulation` runs a hundred times as many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.simulation import suite
from bench.simulation.authority import Asked, Authority
from bench.simulation.estate import BEGIN, DAY, LIFETIMES, Scenario
from bench.simulation.year import Year


@pytest.fixture(scope="module")
def year() -> Iterator[Year]:
    """Yield a year of six hundred certificates, of which nearly half arrive within an hour: more than a bucket holds."""
    made = Year(Scenario(rows=600, migrated=0.48, dead=0.04, nodes=10))
    made.run()
    yield made


def test_41_no_order_is_refused_and_nothing_ends_needlessly(year: Year) -> None:
    suite.require(year)
    assert year.ledger.renewed > 6 * 300
    assert year.ledger.first >= 270
    assert year.ledger.failed_proofs > 50  # the dead ones were tried
    assert year.authority.answered > year.ledger.renewed


def test_41_renewals_leave_time_and_come_without_a_herd(year: Year) -> None:
    slack = sorted(year.ledger.slack)
    assert slack[len(slack) // 100] > 1 / 6
    renewals = [count for hour, count in enumerate(year.ledger.hours) if not 100 * 24 <= hour < 102 * 24]
    assert max(renewals) <= 24  # in an outage five every quarter of an hour; its backlog does not come back at once
    assert max(year.ledger.minutes) <= 192  # what the watcher can look at


def test_41_those_who_wait_for_one_limit_do_not_all_come_back_for_each_token(year: Year) -> None:
    assert 0 < year.ledger.deferred < 3 * 290


def test_41_the_simulated_ca_refuses_as_the_real_one_does() -> None:
    authority = Authority(LIFETIMES, ())
    asked = [Asked(names=(f"d{number}.test",), domain=f"d{number}.test", at=BEGIN) for number in range(301)]
    assert [authority.order(one) for one in asked].count("") == 300
    assert authority.denied == {"orders": 1}
    one = Asked(names=("a.one.test",), domain="one.test", at=BEGIN + DAY)
    for _ in range(5):
        assert authority.order(one) == ""
        authority.issue(one)
    assert authority.order(one) == "set"
