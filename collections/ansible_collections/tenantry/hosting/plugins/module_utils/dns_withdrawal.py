# SPDX-License-Identifier: Apache-2.0
"""A zone that its server does not answer for, though everything in it stays and every step goes on to keep it right.

A mark says so for an owner and a zone, whether the zone is there yet or not. What it means is done by the one flag of the
zone's SOA record: PowerDNS answers for no zone whose SOA is disabled, and no other record has to be touched.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    dns_api,
    dns_change,
    dns_names,
    dns_owners,
    files,
    grammar,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_api import Api, Json
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_change import Probe
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_HAND_MADE = "-"  # stands in a mark for the owner of a zone that has none


class Named(NamedTuple):
    """A zone that a job names, checked."""

    zone: str
    owner: str


def read(params: dict[str, Any]) -> Named:
    """Check every value of the job. Raises StepFailed ``invalid``."""
    return Named(dns_names.zone(params["zone"]), grammar.owner(params["owner"]))


def withdraw(step: Step, wanted: Named) -> None:
    """Keep the server from answering for the zone, or for the one that is still to come."""
    _ensure(step, wanted, True)


def serve(step: Step, wanted: Named) -> None:
    """Let the server answer again with what is in the zone."""
    _ensure(step, wanted, False)


def _ensure(step: Step, wanted: Named, withdrawn: bool) -> None:
    api = dns_api.open_api(step)
    with dns_api.locked(step):
        zone = None if api is None else api.zone(wanted.zone)
        if zone and dns_owners.is_foreign(step, f"zone {wanted.zone}", dns_owners.account(zone), wanted.owner):
            return
        if zone is None and not wanted.owner:
            step.warnings.append(
                f"{wanted.zone} is not on this server and the job names no owner: there is nothing to do"
            )
            return
        owner = wanted.owner or dns_owners.account(zone or {})
        if withdrawn:  # the mark comes first and goes last, so whatever runs in between does what it says
            _require_own_zone(wanted, zone)
            _mark(step, wanted.zone, owner)
        if zone is not None and api is not None:
            _switch(step, api, zone, withdrawn)
        if not withdrawn:
            unmark(step, wanted.zone, owner)
        step.facts.update(zone=wanted.zone, withdrawn=withdrawn)


def _require_own_zone(wanted: Named, zone: Json | None) -> None:
    """Refuse to take other services' names out of the world together with a zone that is served."""
    current = dns_change.index(zone)
    if zone is None or not wanted.owner or _is_silent(zone):
        return
    if found := dns_owners.others(zone, current, wanted.owner):
        raise StepFailed("conflict", f"zone: {wanted.zone} holds records of other services: {', '.join(found[:5])}")


def _is_silent(zone: Json) -> bool:
    soa = dns_change.index(zone).get((zone["name"].lower(), "SOA"))
    return soa is None or all(one.get("disabled") for one in soa["records"])


def _switch(step: Step, api: Api, zone: Json, withdrawn: bool) -> None:
    name, current = zone["name"].lower(), dns_change.index(zone)
    if withdrawn and (name, "SOA") not in current:
        return  # it does not answer, and the step that makes a SOA record sees the mark
    soa = dns_change.soa(name, current, withdrawn=withdrawn)
    changes = dns_change.differences(current, [soa], [])
    probes = silence(api, name) if withdrawn else [Probe((name, "SOA"), soa)]
    dns_change.write(step, api, name, changes, probes)
    if changes and not step.check_mode:
        api.purge(name)  # an answer may have been on its way into the cache


def silence(api: Api, zone: str) -> list[Probe]:
    """Return what to ask of a zone that is not served. Where a zone above is on the same server, that one answers."""
    above = zone.split(".", 1)[1]
    while above and not api.has_zone(above):
        above = above.split(".", 1)[1]
    return [Probe((zone, "SOA"), None, refused=not above)]


def is_marked(zone: str, owner: str) -> bool:
    """Whether a zone of this owner is not to be served."""
    return (owner or _HAND_MADE) in _marked(zone)


def _marked(zone: str) -> set[str]:
    content = files.read_state(_path(zone)).content or b""
    return set(content.decode("ascii", "replace").split())


def _path(zone: str) -> str:
    return os.path.join(dns_api.WITHDRAWN_DIRECTORY, zone[:-1])


def _mark(step: Step, zone: str, owner: str) -> None:
    step.directory(dns_api.WITHDRAWN_DIRECTORY, 0o700)
    step.file(_path(zone), _lines(_marked(zone) | {owner or _HAND_MADE}), 0o600)


def unmark(step: Step, zone: str, owner: str) -> None:
    """Take an owner's mark away."""
    found = _marked(zone)
    left = found - {owner or _HAND_MADE}
    if left:
        step.file(_path(zone), _lines(left), 0o600)
    elif found:
        step.absent(_path(zone))


def _lines(owners: set[str]) -> str:
    return "".join(f"{owner}\n" for owner in sorted(owners))
