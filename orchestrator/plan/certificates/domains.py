"""The registered domain of a name: what a CA counts by. The public suffix list is the library's own copy; nothing is fetched."""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registered(name: str) -> str:
    """Return "shop.co.uk" for "www.shop.co.uk" or "*.shop.co.uk"; a public suffix itself is returned as it is."""
    plain = name.lower().removeprefix("*.").rstrip(".")
    return str(_suffixes().privatesuffix(plain) or plain)
