"""Token buckets that keep us inside a CA's limits, as the generic cell rate algorithm (ITU-T I.371).

A bucket is one instant, its theoretical arrival time: spending moves it on by the refill time of one token; a token is there as
long as it is at most ``burst`` refill times ahead of now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How many tokens a full bucket has, and how long one takes to come back."""

    burst: int
    refill: timedelta

    @property
    def depth(self) -> timedelta:
        """How far the arrival time may be ahead."""
        return self.refill * self.burst


ORDERS, DOMAIN, SET, FAILURES, ACCOUNTS = "orders", "domain", "set", "failures", "accounts"
# Let's Encrypt's limits (docs/rate-limits, 2026-08) and, strictly inside each, ours: 300 orders per 3 h, 50 certificates per
# registered domain and 7 days, 5 per exact set and 7 days, 5 failed authorizations per name and hour. The rest is left for the
# customer's other tools, for incidents and for an operator.
LIMITS: Mapping[str, Limit] = {
    ORDERS: Limit(burst=240, refill=timedelta(seconds=45)),
    DOMAIN: Limit(burst=40, refill=timedelta(minutes=252)),
    SET: Limit(burst=3, refill=timedelta(hours=56)),
    FAILURES: Limit(burst=3, refill=timedelta(minutes=20)),
    ACCOUNTS: Limit(burst=1, refill=timedelta(days=1)),
}
_KEPT_FOR_FIRST = 0.3  # of the orders' bucket: renewals never starve a new customer
_FOR_HALF_OPEN = 0.15  # of it, at most, for names that have failed before


@dataclass(frozen=True, kw_only=True)
class Need:
    """A token that an order takes, or (``spends`` False) only has to find."""

    key: str  # "orders", "domain:example.org", ...
    limit: Limit
    spends: bool = True
    reserve: float = 0.0  # share of the bucket that has to be left for others


def bucket_kind(key: str) -> str:
    """Return the kind of a bucket from its key."""
    return key.partition(":")[0]


def set_key(names: Iterable[str]) -> str:
    """Return the bucket of an exact set of names."""
    return f"{SET}:{hashlib.sha256(','.join(sorted(names)).encode()).hexdigest()}"


def ready_at(tat: datetime | None, need: Need, now: datetime) -> datetime:
    """Return when the bucket has a token for this need; ``now`` when it has one already."""
    if not need.reserve and (tat is None or tat <= now):
        return now  # full; the usual case, and a limit holds one token at least
    room = need.limit.depth * (1 - need.reserve) - need.limit.refill
    return max(now, (tat or now) - room)


def spent(tat: datetime | None, limit: Limit, now: datetime) -> datetime:
    """Return the arrival time after one token is taken."""
    return max(tat or now, now) + limit.refill


def refunded(tat: datetime, limit: Limit) -> datetime:
    """Return the arrival time after a token that was not used is given back."""
    return tat - limit.refill


def of_certificates(needs: Iterable[Need]) -> tuple[str, ...]:
    """Return which of the tokens that an order takes are given back when no certificate comes of it.

    A CA counts certificates of a registered domain and of a set of names, orders of an account.
    """
    return tuple(need.key for need in needs if need.spends and bucket_kind(need.key) in (DOMAIN, SET))


def exhausted(limit: Limit, until: datetime) -> datetime:
    """Return the arrival time of a bucket that the CA itself has said is empty until then."""
    return until + limit.depth - limit.refill


def needs(
    names: Iterable[str], domains: Iterable[str], exemption: str, *, is_first: bool, has_failed: bool
) -> tuple[Need, ...]:
    """Return what an order takes.

    ``domains`` are the registered domains of the names. ``exemption`` is "ari" (inside the CA's window, with ``replaces``),
    "set" (the same names as a certificate of the last 120 days) or empty.
    """
    listed = sorted(names)
    found = [Need(key=f"{FAILURES}:{name}", limit=LIMITS[FAILURES], spends=False) for name in listed]
    if exemption == "ari":
        return tuple(found)
    found.append(Need(key=set_key(listed), limit=LIMITS[SET]))
    if exemption:
        return tuple(found)
    reserve = 0.0 if is_first else _KEPT_FOR_FIRST
    if has_failed:
        reserve = 1 - _FOR_HALF_OPEN
    found.append(Need(key=ORDERS, limit=LIMITS[ORDERS], reserve=reserve))
    found += [Need(key=f"{DOMAIN}:{domain}", limit=LIMITS[DOMAIN]) for domain in sorted(set(domains))]
    return tuple(found)
