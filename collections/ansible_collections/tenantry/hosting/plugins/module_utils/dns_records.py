# SPDX-License-Identifier: Apache-2.0
"""Records of a zone: the given ones are there and the removed ones are not; every other record is left alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    dns_api,
    dns_change,
    dns_names,
    dns_owners,
    dns_rdata,
    dns_withdrawal,
    grammar,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_api import Api, Json
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_change import Current, Key
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import Rdata, RRset
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_RRSETS = 2000  # in one job
_RECORDS = 100  # of one name and type
_SHARED_TYPES = ("A", "AAAA")  # all that a service may have in a zone of another one


class Wanted(NamedTuple):
    """What the job asks for, checked."""

    zone: str
    owner: str
    shared_owner: str  # whose zone it is when it is not the service's own
    serial: int
    rrsets: list[RRset]
    removed: list[Key]

    @property
    def zone_owner(self) -> str:
        """Return the owner that the zone must have."""
        return self.shared_owner or self.owner


def read(params: dict[str, Any]) -> Wanted:
    """Check every value of the job. Raises StepFailed ``invalid``."""
    zone = dns_names.zone(params["zone"])
    owner = grammar.owner(params["owner"])
    serial = grammar.whole(params["serial"], "serial", *dns_names.SERIAL_BOUNDS)
    shared_owner = grammar.owner(params["shared_owner"], "shared_owner")
    given = params.get("rrsets") or []
    if len(given) + len(params["remove"]) > _RRSETS:
        raise refuse("rrsets", "there are too many", "give at most %d in one job" % _RRSETS)
    rrsets = [_rrset(one, zone, "rrsets[%d]" % number) for number, one in enumerate(given)]
    removed = [_key(one, zone, "remove[%d]" % number) for number, one in enumerate(params["remove"])]
    keys = [*((one.name, one.type) for one in rrsets), *removed]
    twice = next((key for number, key in enumerate(keys) if key in keys[:number]), None)
    if twice:
        raise refuse("rrsets", "{} {} is named twice".format(*twice), "name it once")
    if shared_owner:
        rrsets = [one._replace(holder=owner) for one in rrsets]
        _check_shared(zone, owner, shared_owner, keys)
    return Wanted(zone, owner, shared_owner, serial, rrsets, removed)


def _check_shared(zone: str, owner: str, shared_owner: str, keys: list[Key]) -> None:
    """A service may have the addresses of one name in another's zone, directly below its apex, and nothing else."""
    if not owner or owner == shared_owner:
        raise refuse("shared_owner", "is not another service than the job's", "leave it out for a zone of its own")
    for name, kind in keys:
        if kind not in _SHARED_TYPES:
            raise refuse("rrsets", f"{name} {kind} is not possible in a shared zone", "use A and AAAA only")
        if not grammar.is_host_label(name.removesuffix(zone)[:-1]):
            raise refuse("rrsets", f"{name} is not directly below {zone}", f"use a name such as shop.{zone}")
    if len({name for name, _ in keys}) > 1:
        raise refuse("rrsets", "name more than one name of a shared zone", "give one name in a job")


def _key(given: dict[str, Any], zone: str, field: str) -> Key:
    kind = given["type"].upper()
    if kind not in dns_rdata.kinds():
        raise refuse(f"{field}.type", f"{shown(given['type'])} is not possible", f"use {', '.join(dns_rdata.kinds())}")
    name = dns_names.owner_name(given["name"], zone, f"{field}.name")
    if name == zone and kind in ("NS", "CNAME"):
        raise refuse(f"{field}.type", f"{kind} is not possible for the zone itself", "choose a name below the zone")
    return name, kind


def _rrset(given: dict[str, Any], zone: str, field: str) -> RRset:
    name, kind = _key(given, zone, field)
    ttl = grammar.whole(given["ttl"], f"{field}.ttl", *dns_names.TTL_BOUNDS)
    if not 1 <= len(given["records"]) <= _RECORDS:
        raise refuse(f"{field}.records", "%d of them" % len(given["records"]), "give 1 to %d" % _RECORDS)
    records = tuple(sorted({_record(kind, text, f"{field}.records") for text in given["records"]}))
    if kind == "CNAME" and len(records) > 1:
        raise refuse(f"{field}.records", "a CNAME has one record only", "leave the others out")
    return RRset(name, kind, ttl, records)


def _record(kind: str, text: str, field: str) -> Rdata:
    return dns_rdata.parse(kind, text, f"{field} ({kind})")


def ensure(step: Step, wanted: Wanted) -> None:
    """Bring the records there in one transaction with the zone's serial."""
    if not wanted.rrsets and not wanted.removed:
        return
    api = dns_api.open_api(step)
    with dns_api.locked(step):
        zone = None if api is None else api.zone(wanted.zone)
        if zone is not None and api is not None:
            _refuse_conflicts(zone, wanted)
            write(step, api, zone, wanted)
        elif step.check_mode:
            dns_change.note(step, dns_change.differences({}, wanted.rrsets, []))
        else:
            raise StepFailed("command", f"{wanted.zone} is not on this server; run dns.zone_present first")


def _refuse_conflicts(zone: Json, wanted: Wanted) -> None:
    dns_owners.require_zone(zone, wanted.zone_owner)
    current = dns_change.index(zone)
    names = {one.name for one in wanted.rrsets} | {name for name, kind in wanted.removed if (name, kind) in current}
    dns_owners.require_names(zone, current, names, wanted.owner)
    _refuse_neighbours_of_cname(current, wanted)


def write(step: Step, api: Api, zone: Json, wanted: Wanted) -> None:
    """Write what differs, with the serial; a withdrawn zone gets it too and stays withdrawn."""
    current = dns_change.index(zone)
    withdrawn = dns_withdrawal.is_marked(wanted.zone, dns_owners.account(zone))
    soa = dns_change.soa(wanted.zone, current, wanted.serial, withdrawn)
    changes = dns_change.differences(current, [*wanted.rrsets, soa], wanted.removed)
    if withdrawn:
        probes = dns_withdrawal.silence(api, wanted.zone)
    else:
        probes = dns_change.probes_of(wanted.zone, _after(current, wanted), [*wanted.rrsets, soa], wanted.removed)
    dns_change.write(step, api, wanted.zone, changes, probes)
    step.facts.update(zone=wanted.zone, serial=max(wanted.serial, dns_change.serial_of(wanted.zone, current)))


def _after(current: Current, wanted: Wanted) -> set[Key]:
    return (set(current) - set(wanted.removed)) | {(one.name, one.type) for one in wanted.rrsets}


def _refuse_neighbours_of_cname(current: Current, wanted: Wanted) -> None:
    """RFC 1034 section 3.6.2: a name with a CNAME has nothing else."""
    after = _after(current, wanted)
    aliases = {name for name, kind in after if kind == "CNAME"}
    touched = {one.name for one in wanted.rrsets}
    for name in sorted(touched & aliases):
        others = sorted(kind for other, kind in after if other == name and kind != "CNAME")
        if others:
            raise refuse("rrsets", f"{name} would have a CNAME and {', '.join(others)}", "remove one of them first")
