"""What a person at the console may do."""

from __future__ import annotations

from enum import StrEnum


class Rank(StrEnum):
    """Each may do what those before it may."""

    READ_ONLY = "read-only"  # looks
    SUPPORT = "support"  # helps a customer: tries again, repairs, suspends, certificates
    ADMIN = "admin"  # everything: what deletes, servers, settings

    def may(self, needed: Rank) -> bool:
        """True when this rank is enough for what ``needed`` stands at."""
        order = list(Rank)
        return order.index(self) >= order.index(needed)
