"""Days and months in a time zone, the schedule, and thresholds."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.usage import days, schedule, thresholds
from orchestrator.plan.usage.metrics import with_derived

VIENNA = ZoneInfo("Europe/Vienna")


def lengths(now: datetime, zone: ZoneInfo) -> dict[int, float]:
    window = days.window(now, zone, days.day_of(now, zone))
    pairs = itertools.pairwise(window)
    return {one["day"]: (after["start"] - one["start"]) / 3600 for one, after in pairs}


@pytest.mark.parametrize(
    ("noon", "day", "hours"),
    [
        (datetime(2026, 3, 29, 10, tzinfo=UTC), 20260329, 23),
        (datetime(2026, 10, 25, 11, tzinfo=UTC), 20261025, 25),
        (datetime(2026, 11, 25, 11, tzinfo=UTC), 20261125, 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(noon: datetime, day: int, hours: int) -> None:
    assert lengths(noon, VIENNA)[day] == hours


def test_a_month_ends_at_midnight_of_its_zone() -> None:
    before = datetime(2026, 10, 31, 22, 59, 59, tzinfo=UTC)
    assert days.day_of(before, VIENNA) == 20261031
    assert days.day_of(before + timedelta(seconds=1), VIENNA) == 20261101
    assert days.day_of(before + timedelta(seconds=1), ZoneInfo("UTC")) == 20261031


def test_the_window_reaches_from_before_the_last_told_day_to_tomorrow() -> None:
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert [one["day"] for one in days.window(now, VIENNA, 20261030)] == [
        20261029,
        20261030,
        20261031,
        20261101,
        20261102,
    ]
    assert [one["day"] for one in days.window(now, VIENNA, 20270101)] == [20261031, 20261101, 20261102]
    assert days.window(now, VIENNA, None)[0]["day"] == 20261001
    assert len(days.window(now, VIENNA, 20200101)) == 62


@pytest.mark.parametrize(("month", "count", "then"), [(202601, 1, 202512), (202612, 12, 202512), (202603, 2, 202601)])
def test_months_are_counted_over_the_turn_of_the_year(month: int, count: int, then: int) -> None:
    assert days.months_before(month, count) == then


def test_every_server_has_its_moment_in_each_interval_and_they_are_spread() -> None:
    interval, start = timedelta(minutes=60), datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
    asked: Counter[int] = Counter()
    moments: Counter[int] = Counter()
    last = dict.fromkeys(range(1, 61), start)
    for minute in range(1, 24 * 60 + 1):
        now = start + timedelta(minutes=minute)
        for server in last:
            if schedule.is_due(server, interval, 0.0, last[server], now):
                last[server], asked[server] = now, asked[server] + 1
                moments[minute] += 1
    assert set(asked.values()) == {24}
    assert max(moments.values()) <= 3
    assert schedule.is_due(5, interval, 0.0, None, start)


def test_a_figure_is_stale_after_two_collections_that_did_not_come() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    hour = timedelta(hours=1)
    assert not schedule.is_stale(now - hour * 2, hour, now)
    assert schedule.is_stale(now - hour * 3, hour, now) and schedule.is_stale(None, hour, now)


def test_a_threshold_is_told_once_until_the_figure_has_clearly_fallen() -> None:
    level, told = thresholds.OK, []
    for value in (50, 79, 80, 79, 76, 80, 101, 99, 96, 101, 94, 101, 74, 80):
        before, level = level, thresholds.level(thresholds.Use(subject="x", value=value, limit=100), level, 80)
        if level > before:
            told.append((value, level))
    assert told == [(80, 1), (101, 2), (101, 2), (80, 1)]


@given(st.integers(0, 10**15), st.integers(1, 10**15), st.integers(0, 2), st.integers(10, 99))
def test_a_level_never_falls_while_the_figure_is_over_its_threshold(
    value: int, limit: int, before: int, warn: int
) -> None:
    level = thresholds.level(thresholds.Use(subject="x", value=value, limit=limit), before, warn)
    if value > limit:
        assert level == thresholds.EXCEEDED
    if value * 100 >= limit * warn:
        assert level >= thresholds.NEAR


def test_a_sum_is_told_only_when_every_part_is_known() -> None:
    both = frozenset({"web", "mail"})
    assert "disk" not in with_derived({"web_disk": 1, "database_disk": 2}, both)
    assert with_derived({"web_disk": 1, "database_disk": 2}, frozenset({"web"}))["disk"] == 3
    assert with_derived({"web_disk": 1, "database_disk": 2, "mail_disk": 4}, both)["disk"] == 7
