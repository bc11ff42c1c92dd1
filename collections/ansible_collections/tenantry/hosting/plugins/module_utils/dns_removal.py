# SPDX-License-Identifier: Apache-2.0
"""What goes from a DNS server: named records, or a zone with everything in it. What is somebody else's stays."""

from __future__ import annotations

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    dns_api,
    dns_change,
    dns_owners,
    dns_records,
    dns_withdrawal,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_api import Api, Json
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_change import Key
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_records import Wanted
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_withdrawal import Named
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_SHOWN_LINES = 200


def remove_records(step: Step, wanted: Wanted) -> None:
    """Remove record sets and nothing else; what is missing, or not the service's own, is no failure."""
    api = dns_api.open_api(step) if wanted.removed else None
    if api is None:
        return
    with dns_api.locked(step):
        zone = api.zone(wanted.zone)
        if zone is None or _is_foreign_zone(step, zone, wanted):
            return
        current = dns_change.index(zone)
        left = {key for key in wanted.removed if key in current and _is_foreign(step, zone, current[key], wanted)}
        if left and not any(key in current for key in wanted.removed if key not in left):
            return
        ours = [key for key in wanted.removed if key not in left]
        dns_records.write(step, api, zone, wanted._replace(removed=ours))


def _is_foreign_zone(step: Step, zone: Json, wanted: Wanted) -> bool:
    holder, owner = dns_owners.account(zone), wanted.zone_owner if wanted.owner else ""
    return dns_owners.is_foreign(step, f"zone {wanted.zone}", holder, owner)


def _is_foreign(step: Step, zone: Json, rrset: Json, wanted: Wanted) -> bool:
    what = f"{rrset['name']} {rrset['type']}"
    return dns_owners.is_foreign(step, what, dns_owners.holder(zone, rrset), wanted.owner)


def remove_zone(step: Step, wanted: Named) -> None:
    """Remove a zone with everything that is recorded for it."""
    api = dns_api.open_api(step)
    with dns_api.locked(step):
        zone = None if api is None else api.zone(wanted.zone)
        owner = wanted.owner or dns_owners.account(zone or {})
        if zone is not None and api is not None and not _stays(step, zone, wanted):
            _delete(step, api, zone)
        dns_withdrawal.unmark(step, wanted.zone, owner)
        step.facts.update(zone=wanted.zone)


def _stays(step: Step, zone: Json, wanted: Named) -> bool:
    if dns_owners.is_foreign(step, f"zone {wanted.zone}", dns_owners.account(zone), wanted.owner):
        return True
    found = dns_owners.others(zone, dns_change.index(zone), wanted.owner) if wanted.owner else []
    if found:
        raise StepFailed("conflict", f"zone: {wanted.zone} holds records of other services: {', '.join(found[:5])}")
    return False


def _delete(step: Step, api: Api, zone: Json) -> None:
    name = zone["name"].lower()
    step.note(f"zone {name}", _shown(zone), "")
    if step.check_mode:
        return
    api.delete(name)
    api.purge(name)  # an answer may have been on its way into the cache
    dns_change.require_answers(api, dns_withdrawal.silence(api, name))


def _shown(zone: Json) -> str:
    current = dns_change.index(zone)
    keys: list[Key] = sorted(current)
    lines = [f"owner {dns_owners.account(zone) or '(none)'}\n"]
    lines += [line for key in keys for line in dns_change.shown(current[key]).splitlines(keepends=True)]
    more = len(lines) - _SHOWN_LINES
    return "".join(lines[:_SHOWN_LINES]) + ("… and %d more\n" % more if more > 0 else "")
