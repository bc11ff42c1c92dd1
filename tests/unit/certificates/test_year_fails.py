"""The simulated year says so when a rule is broken: each rule is taken away here, and the year is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bench.simulation import suite
from bench.simulation.estate import HOUR, Scenario
from bench.simulation.year import Year
from orchestrator.plan.certificates import buckets, cadence, decision
from orchestrator.plan.certificates.decision import Next

# More arrive within an hour than any bucket holds; all certificates are of one moment; some end, some are new.
_RUSH = Scenario(rows=1200, days=104, migrated=0.95, dead=0.0, nodes=10)
_ONE_MOMENT = Scenario(rows=300, days=90, migrated=0.0, new=0.0, dead=0.0, oldest=timedelta(0))
_FEW = Scenario(rows=60, days=110, migrated=0.3, dead=0.0)
_BROKEN: dict[str, tuple[Scenario, Any, str, Callable[..., Any], str]] = {
    "buckets are ignored": (_RUSH, buckets, "ready_at", lambda _tat, _need, now: now, r"refused by the CA: \{'orders'"),
    "no jitter": (_ONE_MOMENT, cadence, "spread", lambda *_: 0.0, r"a herd: 2\d\d renewals within an hour"),
    "too late": (_FEW, cadence, "due", lambda _, leaf: leaf.not_after + HOUR, r"ended needlessly: \['d"),
    "never ordered": (_FEW, decision, "after", lambda *_: Next.MISS, r"without one: \['d"),
}


@pytest.mark.parametrize("scenario", [_RUSH, _ONE_MOMENT, _FEW], ids=["rush", "one moment", "few"])
def test_41_with_every_rule_the_year_is_accepted(scenario: Scenario) -> None:
    year = Year(scenario)
    year.run()
    suite.require(year)


@pytest.mark.parametrize("broken", _BROKEN.values(), ids=_BROKEN.keys())
def test_41_without_a_rule_the_year_is_refused(
    broken: tuple[Scenario, Any, str, Callable[..., Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, module, rule, instead, told = broken
    year = Year(scenario)  # with every rule: who there is stays the same
    monkeypatch.setattr(module, rule, instead)
    year.run()
    with pytest.raises(RuntimeError, match=told):
        suite.require(year)
