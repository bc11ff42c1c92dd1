# SPDX-License-Identifier: Apache-2.0
"""Whose a zone is, and whose a record set in it.

A zone's owner is its account in PowerDNS. A record set belongs to the zone's owner, unless a comment of ours at it names
another service: one that has a single name in a zone that a provider shares among many.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.tenantry.hosting.plugins.module_utils.dns_api import Json
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_change import Current
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import OWN_RECORD
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_NOBODY = "nobody (it was made by hand)"


def account(zone: Json) -> str:
    """Return the owner of a zone, empty for one made by hand."""
    return zone.get("account") or ""


def require_zone(zone: Json, owner: str) -> None:
    """Refuse a zone of somebody else. A zone without an owner was made by hand and is nobody's to take."""
    if account(zone) != owner:
        raise StepFailed(
            "conflict",
            "zone: {} belongs to {} on this server and not to {}; it is left alone".format(
                zone["name"], account(zone) or _NOBODY, owner or "nobody (the job names no owner)"
            ),
        )


def is_foreign(step: Step, what: str, holder: str, owner: str) -> bool:
    """Whether a removal has to leave something alone, which becomes a warning. A job without an owner removes anything."""
    if not owner or holder == owner:
        return False
    step.warnings.append(f"left alone: {what} belongs to {holder or _NOBODY}")
    return True


def holder(zone: Json, rrset: Json) -> str:
    """Return the owner of a record set."""
    named = [one["account"] for one in rrset.get("comments", []) if one["content"] == OWN_RECORD]
    return named[0] if named else account(zone)


def others(zone: Json, current: Current, owner: str) -> list[str]:
    """Return what other services have in a zone, as "NAME TYPE"."""
    return sorted(" ".join(key) for key, rrset in current.items() if holder(zone, rrset) not in (owner, account(zone)))


def require_names(zone: Json, current: Current, names: Iterable[str], owner: str) -> None:
    """Refuse names at which somebody else has a record: two services at one name would undo each other's work."""
    wanted = set(names)
    for key, rrset in sorted(current.items()):
        if key[0] in wanted and holder(zone, rrset) != owner:
            raise StepFailed(
                "conflict",
                "rrsets: {} {} belongs to {} and not to {}; it is left alone".format(
                    *(*key, holder(zone, rrset) or _NOBODY, owner or "nobody (the job names no owner)")
                ),
            )
