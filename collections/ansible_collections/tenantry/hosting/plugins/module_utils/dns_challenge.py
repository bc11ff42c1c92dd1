# SPDX-License-Identifier: Apache-2.0
"""Answers to ACME's DNS-01 (RFC 8555 section 8.4): TXT values that come and go beside whatever else stands at the name.

Two names of one order (a domain and its wildcard) need two values at the same name, and a customer may have one of his
own there for another CA. So a step adds and removes values, never a record set. The zone's serial stays: a CA asks each
of our servers by itself, and what is there for a minute is nothing to be transferred.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    dns_api,
    dns_change,
    dns_names,
    dns_owners,
    dns_rdata,
    dns_records,
    grammar,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_api import Api, Json
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_change import Key
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import Rdata, RRset
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

TTL = 60  # seconds; a set that is there already keeps its own
_LABEL = "_acme-challenge."
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256 in base64url
_VALUES = 20
_LEAST_SERIAL = 0  # the zone's own stays


class Wanted(NamedTuple):
    """What the job asks for, checked."""

    zone: str
    owner: str
    name: str
    values: tuple[Rdata, ...]

    @property
    def key(self) -> Key:
        """Name and type of the record set."""
        return self.name, "TXT"


def read(params: dict[str, Any]) -> Wanted:
    """Check every value of the job. Raises StepFailed ``invalid``."""
    zone = dns_names.zone(params["zone"])
    name = dns_names.owner_name(params["name"], zone)
    if not name.startswith(_LABEL):
        raise refuse("name", f"{shown(name)} is not asked for by a CA", f"give a name that begins with {_LABEL}")
    given = params["values"]
    if not 1 <= len(given) <= _VALUES:
        raise refuse("values", "%d of them" % len(given), "give 1 to %d" % _VALUES)
    for value in given:
        if not _VALUE.fullmatch(value):
            raise refuse("values", f"{shown(value)} is no answer to a CA", "give 43 characters of base64url")
    values = tuple(sorted({dns_rdata.parse("TXT", value, "values") for value in given}))
    return Wanted(zone, grammar.owner(params["owner"]), name, values)


def ensure(step: Step, wanted: Wanted) -> None:
    """Ensure that the server answers the values, whatever else it answers at the name."""
    api = dns_api.open_api(step)
    with dns_api.locked(step):
        zone = None if api is None else api.zone(wanted.zone)
        if zone is not None and api is not None:
            _refuse_conflicts(zone, wanted)
            _write(step, api, zone, wanted, {*_there(zone, wanted), *wanted.values})
        elif step.check_mode:
            dns_change.note(step, dns_change.differences({}, [_rrset(wanted, TTL, wanted.values)], []))
        else:
            raise StepFailed("command", f"{wanted.zone} is not on this server; run dns.zone_present first")


def remove(step: Step, wanted: Wanted) -> None:
    """Ensure that the server does not answer the values; everything else at the name stays."""
    api = dns_api.open_api(step)
    if api is None:
        return
    with dns_api.locked(step):
        zone = api.zone(wanted.zone)
        if zone is None:
            return
        rrset = dns_change.index(zone).get(wanted.key)
        holder = dns_owners.holder(zone, rrset) if rrset else dns_owners.account(zone)
        if not dns_owners.is_foreign(step, " ".join(wanted.key), holder, wanted.owner):
            _write(step, api, zone, wanted, set(_there(zone, wanted)) - {*wanted.values})


def _refuse_conflicts(zone: Json, wanted: Wanted) -> None:
    current = dns_change.index(zone)
    dns_owners.require_zone(zone, wanted.owner)
    dns_owners.require_names(zone, current, [wanted.name], wanted.owner)
    if (wanted.name, "CNAME") in current:
        raise refuse("name", f"{wanted.name} is an alias", "remove the CNAME; a CA would follow it to another zone")


def _there(zone: Json, wanted: Wanted) -> list[Rdata]:
    rrset = dns_change.index(zone).get(wanted.key)
    return [dns_rdata.stored_txt(record["content"]) for record in rrset["records"]] if rrset else []


def _write(step: Step, api: Api, zone: Json, wanted: Wanted, values: set[Rdata]) -> None:
    """Write the record set with these values, or none when there are none left, and ask the server for it."""
    now = dns_change.index(zone).get(wanted.key)
    rrsets = [_rrset(wanted, int(now["ttl"]) if now else TTL, values)] if values else []
    change = dns_records.Wanted(
        zone=wanted.zone,
        owner=wanted.owner,
        shared_owner="",
        serial=_LEAST_SERIAL,
        rrsets=rrsets,
        removed=[] if values else [wanted.key],
    )
    dns_records.write(step, api, zone, change)
    step.facts.update(zone=wanted.zone, name=wanted.name, values=len(values))


def _rrset(wanted: Wanted, ttl: int, values: Iterable[Rdata]) -> RRset:
    return RRset(wanted.name, "TXT", ttl, tuple(sorted(values)))
