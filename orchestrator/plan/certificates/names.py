"""Which names a certificate is for, and which of them an order asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.core.states import Role
from orchestrator.plan.certificates.view import Leaf
from orchestrator.plan.snapshot import ServiceView

MAXIMUM = 100  # names in a certificate: Let's Encrypt's profile "classic"
_MAIL = ("mail", "webmail", "autoconfig", "autodiscover")
_MISSES_BEFORE_LEFT_OUT = 3
_PATIENCE = timedelta(hours=72)
_LAST_SIXTH = 6


@dataclass(frozen=True, kw_only=True)
class Misses:
    """How often a name has not led here in a row, and since when."""

    count: int
    since: datetime


def wanted(service: ServiceView, role: Role) -> tuple[str, ...]:
    """Return the names of a role's certificate, the one that it cannot do without first.

    A vanity service's site shows the wildcard of its parent, its mail is its parent's.
    """
    if service.is_vanity and role is Role.MAIL:
        return ()
    if role is Role.WEB and service.has_web:
        return tuple(dict.fromkeys(service.site_names))[:MAXIMUM]
    if role is Role.MAIL and service.has_mail:
        return tuple(f"{label}.{service.domain}" for label in _MAIL)
    return ()


def of_roles(service: ServiceView) -> dict[str, tuple[str, ...]]:
    """Return the names of each role that has a certificate of its own."""
    found = {str(role): wanted(service, role) for role in (Role.WEB, Role.MAIL)}
    return {role: names for role, names in found.items() if names}


def of_parent(parent: str) -> tuple[str, ...]:
    """Return the names of a provider's wildcard."""
    return (f"*.{parent}",)


def covers(pattern: str, name: str) -> bool:
    """True when a name in a certificate stands for a host name (RFC 9525 section 6.3: a wildcard is one whole label)."""
    pattern, name = pattern.lower(), name.lower()
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:] and not name.startswith("*")
    return pattern == name


def uncovered(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that none of a certificate's stands for."""
    return [name for name in names if not any(covers(pattern, name) for pattern in patterns)]


def to_order(
    names: Sequence[str], misses: Mapping[str, Misses], leaf: Leaf | None, now: datetime
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names to order and those left out.

    The first name is never left out. Another may be from a first certificate after three misses; from a renewal only when it
    has missed for three days and the last sixth of the lifetime has begun: what is served is not taken away lightly.
    """
    if not misses:
        return tuple(names), ()
    left_out = tuple(name for name in names[1:] if name in misses and _may_go(name, misses[name], leaf, now))
    return tuple(name for name in names if name not in left_out), left_out


def _may_go(name: str, miss: Misses, leaf: Leaf | None, now: datetime) -> bool:
    if leaf is None or name not in leaf.names:
        return miss.count >= _MISSES_BEFORE_LEFT_OUT
    return now - miss.since >= _PATIENCE and leaf.remaining(now) < leaf.lifetime / _LAST_SIXTH
