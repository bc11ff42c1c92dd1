"""Buckets that several orchestrators share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from orchestrator.core.clock import utc_now
from orchestrator.models.certificate import AuthorityRow, Bucket
from orchestrator.plan.certificates import buckets
from orchestrator.plan.certificates.buckets import LIMITS, needs
from orchestrator.store import buckets as store
from orchestrator.store.database import session

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


def authority() -> int:
    row = AuthorityRow.create(
        directory="https://ca.test/dir",
        account_url="",
        account_key="",
        thumbprint="x",
        failures=0,
        created_at=utc_now(),
    )
    return int(row.id)


def test_an_order_takes_all_it_needs_or_nothing(db: str) -> None:
    ca = authority()
    wanted = needs(["a.test"], ["a.test"], "", is_first=True, has_failed=False)
    for _ in range(3):
        assert store.reserve(ca, wanted, NOW) is None
    before = {row.bucket: row.tat for row in Bucket.select()}
    assert store.reserve(ca, wanted, NOW) == NOW + LIMITS["set"].refill
    assert {row.bucket: row.tat for row in Bucket.select()} == before
    assert set(before) == {"orders", "domain:a.test", buckets.set_key(["a.test"])}


def test_what_was_not_sent_is_given_back(db: str) -> None:
    ca = authority()
    wanted = needs(["a.test"], ["a.test"], "", is_first=True, has_failed=False)
    for _ in range(10):
        assert store.reserve(ca, wanted, NOW) is None
        store.refund(ca, wanted)


def test_failed_validations_close_the_bucket_of_the_name_only(db: str) -> None:
    ca = authority()
    for _ in range(3):
        store.spend(ca, "failures:a.test", NOW)
    closed = needs(["a.test", "www.a.test"], ["a.test"], "ari", is_first=False, has_failed=True)
    assert store.reserve(ca, closed, NOW) == NOW + timedelta(minutes=20)
    assert store.reserve(ca, needs(["b.test"], ["b.test"], "ari", is_first=False, has_failed=True), NOW) is None


def test_the_ca_is_believed(db: str) -> None:
    ca = authority()
    store.exhausted(ca, "orders", NOW + timedelta(hours=5))
    wanted = needs(["a.test"], ["a.test"], "", is_first=True, has_failed=False)
    assert store.reserve(ca, wanted, NOW) == NOW + timedelta(hours=5)
    assert store.reserve(ca, needs(["a.test"], ["a.test"], "set", is_first=False, has_failed=False), NOW) is None


def test_two_orchestrators_never_take_the_same_token(db: str) -> None:
    ca = authority()
    wanted = needs(["a.test"], ["a.test"], "set", is_first=False, has_failed=False)

    def take(_: int) -> bool:
        with session():
            return store.reserve(ca, wanted, NOW) is None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(40))) == LIMITS["set"].burst


def test_full_buckets_are_forgotten(db: str) -> None:
    ca = authority()
    store.spend(ca, "failures:old.test", NOW - timedelta(days=3))
    store.spend(ca, "failures:new.test", NOW)
    assert store.purge(NOW) == 1
    assert [row.bucket for row in Bucket.select()] == ["failures:new.test"]
