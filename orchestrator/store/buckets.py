"""Token buckets of a CA: taken before anything is sent, given back when nothing was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from orchestrator.models.certificate import AuthorityRow, Bucket
from orchestrator.plan.certificates import buckets
from orchestrator.plan.certificates.buckets import Need
from orchestrator.store.database import locked, transaction


def reserve(authority: int, needs: Sequence[Need], now: datetime) -> datetime | None:
    """Take every token that an order needs, or none; returns when to come back if one is missing.

    The authority's row is locked meanwhile: two orchestrators never take the same token.
    """

    def work() -> datetime | None:
        locked(AuthorityRow.select().where(AuthorityRow.id == authority)).first()
        known = _known(authority, [need.key for need in needs])
        ready = max((buckets.ready_at(known.get(need.key), need, now) for need in needs), default=now)
        if ready > now:
            return ready
        for need in needs:
            if need.spends:
                _put(authority, need.key, buckets.spent(known.get(need.key), need.limit, now))
        return None

    return transaction(work)


def refund(authority: int, needs: Sequence[Need]) -> None:
    """Give back what was taken for an order that was never sent."""

    def work() -> None:
        locked(AuthorityRow.select().where(AuthorityRow.id == authority)).first()
        known = _known(authority, [need.key for need in needs if need.spends])
        for need in needs:
            if need.spends and need.key in known:
                _put(authority, need.key, buckets.refunded(known[need.key], need.limit))

    transaction(work)


def give_back(authority: int, keys: Sequence[str]) -> None:
    """Give back tokens by the keys of their buckets."""
    kinds = [Need(key=key, limit=buckets.LIMITS[buckets.bucket_kind(key)]) for key in keys]
    if kinds:
        refund(authority, kinds)


def spend(authority: int, key: str, now: datetime) -> None:
    """Take a token that has been used already, such as that of a failed validation."""

    def work() -> None:
        locked(AuthorityRow.select().where(AuthorityRow.id == authority)).first()
        limit = buckets.LIMITS[buckets.bucket_kind(key)]
        _put(authority, key, buckets.spent(_known(authority, [key]).get(key), limit, now))

    transaction(work)


def exhausted(authority: int, key: str, until: datetime) -> None:
    """Believe the CA that a bucket is empty until then, whatever we had counted."""
    limit = buckets.LIMITS[buckets.bucket_kind(key)]
    transaction(lambda: _put(authority, key, buckets.exhausted(limit, until)))


def purge(now: datetime) -> int:
    """Forget buckets that are full again; returns how many."""
    return int(transaction(lambda: Bucket.delete().where(Bucket.tat < now - timedelta(days=1)).execute()))


def _known(authority: int, keys: Sequence[str]) -> dict[str, datetime]:
    rows = Bucket.select().where((Bucket.authority_id == authority) & (Bucket.bucket << list(keys)))
    return {row.bucket: row.tat for row in rows}


def _put(authority: int, key: str, tat: datetime) -> None:
    Bucket.insert(authority_id=authority, bucket=key, tat=tat).on_conflict_replace().execute()
