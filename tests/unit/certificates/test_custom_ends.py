"""When the end of a customer's own certificate is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.plan.certificates import custom
from tests.unit.certificates.given import DAY, NOW

DAYS = (30, 14, 7, 3, 1, 0)


@pytest.mark.parametrize(
    ("left", "expected"), [(31, None), (30, 30), (29, 30), (14.01, 30), (14, 14), (3.5, 7), (0.5, 1), (0, 0), (-9, 0)]
)
def test_52_the_smallest_threshold_that_is_passed(left: float, expected: int | None) -> None:
    assert custom.threshold(NOW + left * DAY, DAYS, NOW) == expected


@pytest.mark.parametrize(("left", "hours"), [(60, 24), (30.5, 12), (0.25, 6), (-3, 24)])
def test_52_it_is_looked_at_daily_and_at_each_threshold(left: float, hours: float) -> None:
    assert custom.next_look(NOW + left * DAY, DAYS, NOW) == NOW + timedelta(hours=hours)
