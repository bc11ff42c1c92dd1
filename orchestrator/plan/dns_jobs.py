"""The parameters of the steps on a DNS server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Json
from orchestrator.plan import zone
from orchestrator.plan.objects import RRset
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.web_jobs import own_domain

_Params = Mapping[str, Any]


def _zone(service: ServiceView, _: _Params) -> Json:
    servers = [name for name, _ in zone.nameservers(service)]
    rname = zone.hostmaster_name(service.hostmaster, service.domain)
    return {
        "zone": f"{service.domain}.",
        "nameservers": servers,
        "soa": {"mname": servers[0], "rname": rname, **zone.SOA_TIMERS},
        "serial": service.zone_serial,
    }


def _named_zone(service: ServiceView, params: _Params) -> Json:
    return {"zone": f"{own_domain(service, params)}."}


def _records(service: ServiceView, _: _Params) -> Json:
    return _change(service, zone.wanted_rrsets(service), zone.unwanted_keys(service))


def _record(service: ServiceView, params: _Params) -> Json:
    if params.get("record") == "vanity":
        return _vanity(service, zone.vanity_rrsets(service), [])
    if params.get("record") == "dkim":
        rrset = zone.dkim_rrset(service)
        return _change(service, [rrset] if rrset else [], [])
    for one in zone.wanted_rrsets(service):
        if _named(one.key) == params.get("record"):
            return _change(service, [one], _in_its_way(service, one))
    raise InvalidInput("record", "this service has no such record", "create it with dns.record_present")


def _record_absent(service: ServiceView, params: _Params) -> Json:
    if params.get("record") == "vanity":
        return _without_rrsets(_vanity(service, [], zone.vanity_keys(service)))
    keys = [key for key in zone.unwanted_keys(service) if _named(key) == params.get("record")]
    return _without_rrsets(_change(service, [], keys))


def _in_its_way(service: ServiceView, one: RRset) -> list[tuple[str, str]]:
    """Return what goes in the same change: a name that had a CNAME never has both for a moment."""
    return [key for key in zone.unwanted_keys(service) if key[0] == one.name]


def _named(key: tuple[str, str]) -> str:
    return f"{key[0]} {key[1]}"


def _change(service: ServiceView, rrsets: Iterable[RRset], removed: Iterable[tuple[str, str]]) -> Json:
    return {
        "zone": f"{service.domain}.",
        "serial": service.zone_serial,
        "rrsets": [
            {"name": one.name, "type": one.type, "ttl": one.ttl, "records": list(one.records)} for one in rrsets
        ],
        "remove": [{"name": name, "type": kind} for name, kind in removed],
    }


def _vanity(service: ServiceView, rrsets: list[RRset], removed: list[tuple[str, str]]) -> Json:
    """Return a change of the provider's zone that names the service's own record only."""
    if service.vanity is None:
        raise InvalidInput("record", "only a vanity service has one under a parent", "check the service's mode")
    parent = service.vanity
    shared = {"zone": f"{parent.parent}.", "serial": parent.zone_serial, "shared_owner": parent.zone_owner}
    return _change(service, rrsets, removed) | shared


def _without_rrsets(job: Json) -> Json:
    return {key: value for key, value in job.items() if key != "rrsets"}


BUILDERS: Mapping[str, Callable[[ServiceView, _Params], Json]] = {
    "dns.zone_present": _zone,
    "dns.zone_withdrawn": _named_zone,
    "dns.zone_served": _named_zone,
    "dns.zone_absent": _named_zone,
    "dns.records_present": _records,
    "dns.record_present": _record,
    "dns.record_absent": _record_absent,
}
