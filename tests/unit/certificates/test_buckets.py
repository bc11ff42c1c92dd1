"""Token buckets: what they let through is always less than what the CA would."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.plan.certificates import buckets
from orchestrator.plan.certificates.buckets import LIMITS, Limit, Need
from tests.unit.certificates.given import NOW

CA = {  # Let's Encrypt's own, as its documentation gives them
    "orders": Limit(burst=300, refill=timedelta(seconds=36)),
    "domain": Limit(burst=50, refill=timedelta(minutes=201.6)),
    "set": Limit(burst=5, refill=timedelta(hours=33.6)),
    "failures": Limit(burst=5, refill=timedelta(minutes=12)),
}


def let_through(kind: str, pauses: list[float]) -> list[datetime]:
    """Ask after each pause (in refill times) and return when a token was given."""
    limit, now, tat, given_at = LIMITS[kind], NOW, None, []
    for pause in pauses:
        now += limit.refill * pause
        if buckets.ready_at(tat, Need(key=kind, limit=limit), now) <= now:
            tat = buckets.spent(tat, limit, now)
            given_at.append(now)
    return given_at


@settings(max_examples=200)
@given(kind=st.sampled_from(sorted(CA)), pauses=st.lists(st.floats(0, 3), min_size=1, max_size=120))
def test_whatever_ours_lets_through_the_ca_would_too(kind: str, pauses: list[float]) -> None:
    tat: datetime | None = None
    limit = CA[kind]
    for now in let_through(kind, [0.0] * LIMITS[kind].burst + pauses):
        assert buckets.ready_at(tat, Need(key=kind, limit=limit), now) <= now
        tat = buckets.spent(tat, limit, now)


@pytest.mark.parametrize("kind", sorted(LIMITS))
def test_a_full_bucket_gives_its_burst_and_then_one_per_refill(kind: str) -> None:
    burst = LIMITS[kind].burst
    assert len(let_through(kind, [0.0] * (burst + 5))) == burst
    assert len(let_through(kind, [0.0] * burst + [0.5, 0.5, 0.5, 0.5])) == burst + 2


def test_a_bucket_says_when_it_has_a_token_again() -> None:
    limit, tat = LIMITS["set"], None
    for _ in range(3):
        tat = buckets.spent(tat, limit, NOW)
    need = Need(key="set:x", limit=limit)
    assert buckets.ready_at(tat, need, NOW) == NOW + limit.refill
    assert tat is not None
    assert buckets.ready_at(buckets.refunded(tat, limit), need, NOW) == NOW


def test_what_the_ca_says_overrules_our_count() -> None:
    limit, until = LIMITS["orders"], NOW + timedelta(hours=9)
    tat = buckets.exhausted(limit, until)
    assert buckets.ready_at(tat, Need(key="orders", limit=limit), NOW) == until


def test_renewals_leave_a_share_of_the_orders_for_new_customers() -> None:
    renewal = next(
        one
        for one in buckets.needs(["a.test"], ["a.test"], "", is_first=False, has_failed=False)
        if one.key == "orders"
    )
    first = next(
        one for one in buckets.needs(["b.test"], ["b.test"], "", is_first=True, has_failed=False) if one.key == "orders"
    )
    retry = next(
        one for one in buckets.needs(["c.test"], ["c.test"], "", is_first=True, has_failed=True) if one.key == "orders"
    )
    tat: datetime | None = None
    counts = {}
    for name, need in (("retry", retry), ("renewal", renewal), ("first", first)):
        counts[name] = 0
        while buckets.ready_at(tat, need, NOW) <= NOW:
            tat = buckets.spent(tat, need.limit, NOW)
            counts[name] += 1
    assert counts == {"retry": 36, "renewal": 132, "first": 72}


def test_an_order_in_the_window_spends_nothing_but_asks_for_failures() -> None:
    found = buckets.needs(["a.test", "www.a.test"], ["a.test"], "ari", is_first=False, has_failed=False)
    assert [(one.key, one.spends) for one in found] == [("failures:a.test", False), ("failures:www.a.test", False)]


def test_the_same_set_is_exempt_from_all_but_its_own_limit() -> None:
    found = buckets.needs(["a.test"], ["a.test"], "set", is_first=False, has_failed=False)
    assert [buckets.bucket_kind(one.key) for one in found] == ["failures", "set"]


def test_a_set_is_the_same_in_any_order() -> None:
    assert buckets.set_key(["b", "a"]) == buckets.set_key(["a", "b"]) != buckets.set_key(["a", "b", "c"])
