# SPDX-License-Identifier: Apache-2.0
"""A change of a zone as a step makes it: compare, write everything in one transaction, ask the server, take back what fails."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ansible_collections.tenantry.hosting.plugins.module_utils import dns_query, dns_rdata
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_api import Api, Json
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import NUMBERS, OWN_RECORD, RRset
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

PROBE_SECONDS = 5.0
_PAUSE = 0.1

Key = tuple[str, str]  # name, type
Current = Mapping[Key, Json]


class Change(NamedTuple):
    """An RRset that differs: what PowerDNS has and what it should have."""

    key: Key
    before: Json | None
    after: RRset | None


def index(zone: Json | None) -> dict[Key, Json]:
    """Return the RRsets of a zone as PowerDNS reports it, by name and type."""
    found = {} if zone is None else {(one["name"].lower(), one["type"]): one for one in zone["rrsets"]}
    return {key: one for key, one in found.items() if one["records"]}


def serial_of(zone: str, current: Current) -> int:
    """Return the serial of a zone's SOA record, 0 when it has none."""
    soa = current.get((zone, "SOA"))
    return int(soa["records"][0]["content"].split()[2]) if soa else 0


def soa(zone: str, current: Current, least_serial: int = 0, withdrawn: bool = False) -> RRset:
    """Return the zone's SOA record as it should be; its serial never goes backwards.

    The tasks of a zone carry the serial that was the newest when each began, and end in any order. The greatest one
    stays, so every server arrives at the same.
    """
    now = current.get((zone, "SOA"))
    if now is None:
        raise StepFailed("config_broken", f"{zone} has no SOA record; run dns.zone_present")
    mname, rname, serial, *timers = now["records"][0]["content"].lower().split()
    refresh, retry, expire, minimum = (int(timer) for timer in timers)
    record = dns_rdata.soa(mname, rname, max(int(serial), least_serial), (refresh, retry, expire, minimum))
    return RRset(zone, "SOA", int(now["ttl"]), (record,), disabled=withdrawn)


def differences(current: Current, wanted: Iterable[RRset], removed: Iterable[Key]) -> list[Change]:
    """Return what has to be written so that the wanted RRsets are there and the removed ones are not."""
    gone = [Change(key, current[key], None) for key in removed if key in current]
    written = [
        Change((rrset.name, rrset.type), current.get((rrset.name, rrset.type)), rrset)
        for rrset in wanted
        if not _is(current.get((rrset.name, rrset.type)), rrset)
    ]
    return gone + written


def _is(now: Json | None, wanted: RRset) -> bool:
    if now is None or now["ttl"] != wanted.ttl:
        return False
    if any(bool(record.get("disabled")) != wanted.disabled for record in now["records"]):
        return False
    return {record["content"] for record in now["records"]} == {record.text for record in wanted.records}


def note(step: Step, changes: Iterable[Change]) -> None:
    """Record the changes for the result and --diff."""
    for change in changes:
        after = change.after.shown() if change.after else ""
        step.note(" ".join(change.key), shown(change.before), after)


def shown(rrset: Json | None) -> str:
    """Return an RRset as PowerDNS reports it for --diff."""
    if rrset is None:
        return ""
    head = rrset["name"], rrset["ttl"], rrset["type"]
    lines = [dns_rdata.shown_line(*head, one["content"], bool(one.get("disabled"))) for one in rrset["records"]]
    return "".join(sorted(lines))


def as_json(rrset: RRset, is_new: bool = True) -> Json:
    """Return an RRset as the API takes it; a new one gets the comment that names its holder, or none."""
    records = [{"content": record.text, "disabled": rrset.disabled} for record in rrset.records]
    found: Json = {
        "name": rrset.name,
        "type": rrset.type,
        "ttl": rrset.ttl,
        "changetype": "REPLACE",
        "records": records,
    }
    if is_new:  # otherwise the comments that are there stay
        found["comments"] = [{"content": OWN_RECORD, "account": rrset.holder}] if rrset.holder else []
    return found


def commit(api: Api, zone: str, changes: Sequence[Change]) -> None:
    """Write all changes in one transaction; what goes comes first, so that a CNAME may take the place of an address."""
    gone = [_deletion(change.key) for change in changes if change.after is None]
    written = [as_json(change.after, change.before is None) for change in changes if change.after is not None]
    api.patch(zone, gone + written)


def undo(api: Api, zone: str, changes: Sequence[Change]) -> None:
    """Put back what was there before, the serial included."""
    gone = [_deletion(change.key) for change in changes if change.before is None]
    api.patch(zone, gone + [_restored(change.before) for change in changes if change.before is not None])


def _deletion(key: Key) -> Json:
    return {"name": key[0], "type": key[1], "changetype": "DELETE"}


def _restored(rrset: Json) -> Json:
    kept = {name: rrset[name] for name in ("name", "type", "ttl", "records", "comments")}
    return {**kept, "changetype": "REPLACE"}


def write(step: Step, api: Api, zone: str, changes: Sequence[Change], probes: Sequence[Probe]) -> None:
    """Write the changes and ask the server for the result; take them back when it does not answer as it should."""
    note(step, changes)
    if step.check_mode and step.changed:
        return
    if changes:
        commit(api, zone, changes)
    try:
        require_answers(api, probes)
    except StepFailed as failure:
        if not changes:
            raise
        undo(api, zone, changes)
        raise StepFailed("probe", f"{failure}; the change was taken back") from None


class Probe(NamedTuple):
    """A question about one name and type; without an RRset nothing of that type may be answered."""

    key: Key
    rrset: RRset | None
    referral: bool = False  # the answer of a delegated name stands in the authority section
    refused: bool = False  # the server has to refuse the question


def probes_of(zone: str, names: Iterable[Key], wanted: Iterable[RRset], removed: Iterable[Key]) -> list[Probe]:
    """Return what to ask after a change, when the zone holds these names and types.

    What lies at or below a delegated name is glue and never an answer of ours; a wildcard may answer for what is gone.
    """
    keys = list(names)
    delegated = {name for name, kind in keys if kind == "NS" and name != zone}
    probes = [
        Probe((one.name, one.type), one, referral=one.name in delegated)
        for one in wanted
        if not _is_hidden(one, delegated)
    ]
    if any(name.startswith("*.") for name, _ in keys):
        return probes
    return probes + [Probe(key, None) for key in removed]


def _is_hidden(rrset: RRset, delegated: set[str]) -> bool:
    if rrset.type == "NS" and rrset.name in delegated:
        delegated = delegated - {rrset.name}
    return any(rrset.name == name or rrset.name.endswith("." + name) for name in delegated)


def require_answers(api: Api, probes: Sequence[Probe]) -> None:
    """Ask the server at every address it listens on until it gives the right answers. Raises StepFailed ``probe``."""
    addresses = api.addresses()
    deadline = time.monotonic() + PROBE_SECONDS
    while True:
        asked = [(probe, _complaint(address, probe)) for address in addresses for probe in probes]
        wrong = [(probe, complaint) for probe, complaint in asked if complaint]
        if not wrong:
            return
        if time.monotonic() >= deadline:
            raise StepFailed("probe", wrong[0][1])
        for name in {probe.key[0] for probe, _ in wrong}:
            api.flush(name)
        time.sleep(_PAUSE)


def _complaint(address: str, probe: Probe) -> str:
    """Return what is wrong with an answer, nothing when it is right."""
    name, kind = probe.key
    try:
        answer = dns_query.ask(address, name, kind)
    except dns_query.BadAnswer as error:
        return f"{name} {kind}: {error}"
    if probe.refused:
        return "" if answer.code == dns_query.REFUSED else f"{address} answers {name} {kind} with code {answer.code}"
    section = answer.authority if probe.referral else answer.answer
    found = {(one.ttl, one.wire) for one in section if (one.name, one.number) == (name, NUMBERS[kind])}
    wanted = {(probe.rrset.ttl, record.wire) for record in probe.rrset.records} if probe.rrset else set()
    if found == wanted and (answer.authoritative or probe.referral or probe.rrset is None):
        return ""
    return "%s answers %s %s with code %d: %d records, %d of them right, %d expected" % (
        *(address, name, kind, answer.code),
        *(len(found), len(found & wanted), len(wanted)),
    )
