"""Let's Encrypt as it counts: its own token buckets, windows of renewal and lifetimes (docs/rate-limits, 2026-08).

Nothing of the project's rules is used here, so that neither can hide a mistake of the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.simulation.estate import is_in
from orchestrator.plan.certificates.view import Leaf

# (tokens, seconds until one comes back)
ORDERS, DOMAIN, SET, FAILURES = (300, 36.0), (50, 202 * 60.0), (5, 34 * 3600.0), (5, 12 * 60.0)
_PAUSED_AFTER, _FORGIVEN = 1152, 86_400.0  # failures in a row of one name; one is forgotten a day
_SAME_SET = timedelta(days=120).total_seconds()
_BACKDATED = timedelta(hours=1)


class Buckets:
    """Buckets of one kind: each is the instant at which it is full again."""

    def __init__(self, tokens: int, seconds: float) -> None:
        self._seconds, self._room = seconds, (tokens - 1) * seconds
        self._full: dict[str, float] = {}

    def has(self, key: str, at: float) -> bool:
        """True when a token is left."""
        return self._full.get(key, at) - at <= self._room

    def have(self, keys: Sequence[str], at: float) -> bool:
        """True when each of them has a token left."""
        full, most = self._full, at + self._room
        return all(full[key] <= most for key in keys if key in full) if full else True

    def take(self, key: str, at: float) -> None:
        """Take one."""
        self._full[key] = max(self._full.get(key, at), at) + self._seconds


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An order as the CA sees it."""

    names: tuple[str, ...]
    domain: str  # registered
    at: datetime
    replaced: Leaf | None = None  # the certificate that it says to renew


class Authority:
    """Counts what is asked of it and says no as the real one would."""

    def __init__(self, lifetimes: Sequence[tuple[datetime, timedelta]], outages: Sequence[tuple[datetime, datetime]]):
        self._lifetimes, self._outages = sorted(lifetimes), sorted(outages)
        self._orders, self._domains = Buckets(*ORDERS), Buckets(*DOMAIN)
        self._sets, self._failures = Buckets(*SET), Buckets(*FAILURES)
        self._paused = Buckets(_PAUSED_AFTER, _FORGIVEN)
        self._issued: dict[tuple[str, ...], float] = {}
        self._replaced: set[str] = set()
        self._windows: dict[str, tuple[datetime, datetime]] = {}  # serial -> what is told of a certificate in use
        self.denied: Counter[str] = Counter()
        self.answered = 0  # orders that it has taken
        self.exempt: Counter[str] = Counter()
        self._number = 0

    def is_away(self, at: datetime) -> bool:
        """True while nobody gets an answer."""
        return is_in(self._outages, at)

    def order(self, asked: Asked) -> str:
        """Return which limit refuses the order; empty when it is taken."""
        at = asked.at.timestamp()
        exemption = self._exemption(asked, at)
        refused = self._refused(asked, exemption, at)
        if refused:
            self.denied[refused] += 1
            return refused
        self.answered += 1
        self.exempt[exemption or "none"] += 1
        if not exemption:
            self._orders.take("", at)
        return ""

    def _exemption(self, asked: Asked, at: float) -> str:
        leaf = asked.replaced
        if leaf is not None and leaf.serial not in self._replaced:
            start, end = self.renewal_window(leaf)
            if start <= asked.at < end:
                return "ari"
        last = self._issued.get(asked.names)
        return "set" if last is not None and at - last < _SAME_SET else ""

    def _refused(self, asked: Asked, exemption: str, at: float) -> str:
        if not self._paused.have(asked.names, at):
            return "paused"
        if exemption == "ari":
            return ""
        if not self._failures.have(asked.names, at):
            return "failures"
        if not self._sets.has(",".join(asked.names), at):
            return "set"
        if exemption:
            return ""
        if not self._domains.has(asked.domain, at):
            return "domain"
        return "" if self._orders.has("", at) else "orders"

    def failed(self, names: Sequence[str], at: datetime) -> None:
        """Count a proof that was not found."""
        for name in names:
            self._failures.take(name, at.timestamp())
            self._paused.take(name, at.timestamp())

    def issue(self, asked: Asked) -> Leaf:
        """Return the certificate of an order."""
        at = asked.at.timestamp()
        self._sets.take(",".join(asked.names), at)
        if not self._exemption(asked, at):
            self._domains.take(asked.domain, at)
        if asked.replaced is not None:
            self._replaced.add(asked.replaced.serial)
            self._windows.pop(asked.replaced.serial, None)
        self._issued[asked.names] = at
        return self.leaf(asked.names, asked.at)

    def leaf(self, names: tuple[str, ...], at: datetime) -> Leaf:
        """Return a certificate as it would be issued at a time."""
        self._number += 1
        start = at - _BACKDATED
        lifetime = [length for since, length in self._lifetimes if since <= at][-1]
        return Leaf(serial=f"{self._number:x}", names=names, not_before=start, not_after=start + lifetime)

    def renewal_window(self, leaf: Leaf) -> tuple[datetime, datetime]:
        """Return when a certificate should be renewed, reckoned once for each."""
        if leaf.serial not in self._windows:
            self._windows[leaf.serial] = window(leaf)
        return self._windows[leaf.serial]

    def remember(self, leaf: Leaf) -> None:
        """Know a certificate that was issued before the year began."""
        self._issued[leaf.names] = leaf.not_before.timestamp()


def window(leaf: Leaf) -> tuple[datetime, datetime]:
    """Return when the CA suggests to renew: two hundredths of the lifetime around two thirds, a half below ten days."""
    share = 1 / 2 if leaf.lifetime < timedelta(days=10) else 2 / 3
    middle, half = leaf.not_before + leaf.lifetime * share, leaf.lifetime / 100
    return middle - half, middle + half
