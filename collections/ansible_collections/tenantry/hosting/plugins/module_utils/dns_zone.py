# SPDX-License-Identifier: Apache-2.0
"""A zone: there, ours, with the SOA and NS records it should have."""

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
from ansible_collections.tenantry.hosting.plugins.module_utils.dns_rdata import RRset
from ansible_collections.tenantry.hosting.plugins.module_utils.grammar import refuse
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

TTL = 3600  # of SOA and NS
TIMERS = ("refresh", "retry", "expire", "minimum")
_TIMER_BOUNDS = (60, 2**31 - 1)
_NAMESERVERS = 13
# No SOA-EDIT: the serial is the orchestrator's, the same on every server.
_PROPERTIES = {"kind": "Native", "soa_edit": "", "soa_edit_api": ""}


class Wanted(NamedTuple):
    """What the job asks for, checked."""

    zone: str
    owner: str
    nameservers: RRset
    mname: str
    rname: str
    serial: int
    timers: tuple[int, int, int, int]

    def rrsets(self, least_serial: int, withdrawn: bool) -> list[RRset]:
        """Return the zone's own records; the serial never goes backwards."""
        soa = dns_rdata.soa(self.mname, self.rname, max(self.serial, least_serial), self.timers)
        return [RRset(self.zone, "SOA", TTL, (soa,), disabled=withdrawn), self.nameservers]


def read(params: dict[str, Any]) -> Wanted:
    """Check every value of the job. Raises StepFailed ``invalid``."""
    zone = dns_names.zone(params["zone"])
    soa = params["soa"]
    timers = [grammar.whole(soa[name], f"soa.{name}", *_TIMER_BOUNDS) for name in TIMERS]
    return Wanted(
        zone=zone,
        owner=grammar.owner(params["owner"]),
        nameservers=_nameservers(zone, params["nameservers"]),
        mname=dns_names.host(soa["mname"], "soa.mname"),
        rname=dns_names.mailbox(soa["rname"]),
        serial=grammar.whole(params["serial"], "serial", *dns_names.SERIAL_BOUNDS),
        timers=(timers[0], timers[1], timers[2], timers[3]),
    )


def _nameservers(zone: str, names: list[str]) -> RRset:
    if not 1 <= len(set(names)) <= _NAMESERVERS:
        raise refuse("nameservers", "%d names" % len(names), "give 1 to %d" % _NAMESERVERS)
    records = {dns_rdata.name_server(name, "nameservers") for name in names}
    return RRset(zone, "NS", TTL, tuple(sorted(records)))


def ensure(step: Step, wanted: Wanted) -> None:
    """Make the zone, or correct it; one that belongs to somebody else is left alone. A withdrawn one stays withdrawn."""
    api = dns_api.open_api(step)
    with dns_api.locked(step):
        now = None if api is None else api.zone(wanted.zone)
        if now is not None and api is not None:
            _correct(step, api, now, wanted)
        else:
            _create(step, api, wanted)


def _create(step: Step, api: Api | None, wanted: Wanted) -> None:
    if api is not None:
        _refuse_relatives(api, wanted)
    withdrawn = dns_withdrawal.is_marked(wanted.zone, wanted.owner)
    rrsets = wanted.rrsets(0, withdrawn)
    step.note(f"zone {wanted.zone}", "", f"owner {wanted.owner or '(none)'}\n")
    dns_change.note(step, [dns_change.Change((one.name, one.type), None, one) for one in rrsets])
    step.facts.update(zone=wanted.zone, serial=wanted.serial)
    if step.check_mode or api is None:
        return
    try:
        _make(api, wanted, rrsets, withdrawn)
        dns_change.require_answers(api, _probes(api, wanted, rrsets, withdrawn))
    except StepFailed as failure:
        if failure.reason not in ("rejected", "probe"):  # whoever else made it at the same moment keeps it
            raise
        api.delete(wanted.zone)
        raise StepFailed(failure.reason, f"{failure}; the zone was removed again") from None


def _make(api: Api, wanted: Wanted, rrsets: list[RRset], withdrawn: bool) -> None:
    """Make the zone; a run that ends in the midst of it leaves one that the next run corrects."""
    body = {"name": wanted.zone, "account": wanted.owner, "nameservers": [], **_PROPERTIES}
    records = [dns_change.as_json(one) for one in rrsets]
    if not withdrawn:
        api.create({**body, "rrsets": records})
        return
    # PowerDNS makes no zone with a disabled SOA record, and adds one of its own to a zone without any. Only a zone that it
    # believes to be a copy begins empty, and so answers nothing.
    api.create({**body, "kind": "Slave"})
    api.set_properties(wanted.zone, _PROPERTIES)
    api.patch(wanted.zone, records)


def _refuse_relatives(api: Api, wanted: Wanted) -> None:
    """Refuse a zone above or below somebody else's: it would answer for names that are theirs."""
    for other in api.zones():
        name = other["name"].lower()
        related = wanted.zone.endswith("." + name) or name.endswith("." + wanted.zone)
        if related and (other.get("account") or "") != wanted.owner:
            raise StepFailed(
                "conflict",
                "zone: {} overlaps {}, which belongs to {} on this server".format(
                    wanted.zone, name, other.get("account") or "nobody (it was made by hand)"
                ),
            )


def _correct(step: Step, api: Api, now: Json, wanted: Wanted) -> None:
    dns_owners.require_zone(now, wanted.owner)
    withdrawn = dns_withdrawal.is_marked(wanted.zone, wanted.owner)
    _set_properties(step, api, now, wanted)
    current = dns_change.index(now)
    rrsets = wanted.rrsets(dns_change.serial_of(wanted.zone, current), withdrawn)
    changes = dns_change.differences(current, rrsets, [])
    dns_change.write(step, api, wanted.zone, changes, _probes(api, wanted, rrsets, withdrawn))
    step.facts.update(zone=wanted.zone, serial=max(wanted.serial, dns_change.serial_of(wanted.zone, current)))


def _set_properties(step: Step, api: Api, now: Json, wanted: Wanted) -> None:
    wrong = {name: value for name, value in _PROPERTIES.items() if (now.get(name) or "") != value}
    if not wrong:
        return
    before = "".join(f"{name} = {now.get(name)}\n" for name in sorted(wrong))
    step.note(f"zone {wanted.zone}", before, "".join(f"{name} = {wrong[name]}\n" for name in sorted(wrong)))
    if not step.check_mode:
        api.set_properties(wanted.zone, wrong)


def _probes(api: Api, wanted: Wanted, rrsets: list[RRset], withdrawn: bool) -> list[dns_change.Probe]:
    if withdrawn:
        return dns_withdrawal.silence(api, wanted.zone)
    return dns_change.probes_of(wanted.zone, [], rrsets, [])
