# SPDX-License-Identifier: Apache-2.0
"""Records of a zone: the given ones are there and the removed ones are not; every other record is left alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_api, dns_change, dns_names, dns_rdata, grammar
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_change import Current, Key
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import Rdata, RRset
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse, shown
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

_RRSETS = 2000  # in one job
_RECORDS = 100  # of one name and type


class Wanted(NamedTuple):
    """What the job asks for, checked."""

    zone: str
    owner: str
    serial: int
    rrsets: list[RRset]
    removed: list[Key]


def read(params: dict[str, Any]) -> Wanted:
    """Check every value of the job. Raises StepFailed ``invalid``."""
    zone = dns_names.zone(params["zone"])
    owner = grammar.owner(params["owner"])
    serial = grammar.whole(params["serial"], "serial", *dns_names.SERIAL_BOUNDS)
    if len(params["rrsets"]) + len(params["remove"]) > _RRSETS:
        raise refuse("rrsets", "there are too many", "give at most %d in one job" % _RRSETS)
    rrsets = [_rrset(one, zone, "rrsets[%d]" % number) for number, one in enumerate(params["rrsets"])]
    removed = [_key(one, zone, "remove[%d]" % number) for number, one in enumerate(params["remove"])]
    keys = [*((one.name, one.type) for one in rrsets), *removed]
    twice = next((key for number, key in enumerate(keys) if key in keys[:number]), None)
    if twice:
        raise refuse("rrsets", "{} {} is named twice".format(*twice), "name it once")
    return Wanted(zone, owner, serial, rrsets, removed)


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
        current = dns_change.index(zone)
        if zone is not None:
            dns_change.require_owner(zone, wanted.owner)
        elif not step.check_mode:
            raise StepFailed("command", f"{wanted.zone} is not on this server; run dns.zone_present first")
        _refuse_neighbours_of_cname(current, wanted)
        changes = dns_change.differences(current, wanted.rrsets, wanted.removed)
        if zone is None or api is None:
            dns_change.note(step, changes)
            return
        soa = _soa(current, wanted)
        changes += dns_change.differences(current, [soa], [])
        probes = dns_change.probes_of(wanted.zone, _after(current, wanted), [*wanted.rrsets, soa], wanted.removed)
        dns_change.write(step, api, wanted.zone, changes, probes)
        step.facts.update(zone=wanted.zone, serial=max(wanted.serial, dns_change.serial_of(wanted.zone, current)))


def _soa(current: Current, wanted: Wanted) -> RRset:
    """Return the zone's SOA record with its next serial.

    The tasks of a zone carry the serial that was the newest when each began, and end in any order. The greatest one
    stays, so every server arrives at the same.
    """
    soa = current.get((wanted.zone, "SOA"))
    if soa is None:
        raise StepFailed("config_broken", f"{wanted.zone} has no SOA record; run dns.zone_present")
    mname, rname, serial, *timers = soa["records"][0]["content"].lower().split()
    refresh, retry, expire, minimum = (int(timer) for timer in timers)
    record = dns_rdata.soa(mname, rname, max(int(serial), wanted.serial), (refresh, retry, expire, minimum))
    return RRset(wanted.zone, "SOA", int(soa["ttl"]), (record,))


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
