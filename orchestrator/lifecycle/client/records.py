"""dns.record_present and dns.record_absent: records of the customer's own in the service's zone.

A record of the customer's takes the place of a default one of the same name and type; when it goes, the default comes back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.core import dns_text
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.records import StepSpec
from orchestrator.core.states import Role
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.client import base
from orchestrator.models.service import Service
from orchestrator.plan import zone
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import record_step
from orchestrator.store import fleet, objects, parents, snapshots

_KIND, _LIMIT = "record", "dns_records"
_TTL_BOUNDS = (60, 86_400)  # seconds
_APEX_NEVER = ("CNAME",)  # RFC 1034 section 3.6.2: the zone itself has a SOA and NS


def record_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what stores the records of one name and type and plans their steps."""
    del context
    params = intent.params
    read.only(params, ("name", "type", "ttl", "records"))
    given, kind = read.required(params, "name"), dns_text.kind(read.required(params, "type"))
    contents = dns_text.contents(kind, read.required(params, "records"))
    ttl = None if params.get("ttl") is None else read.whole(params["ttl"], "ttl", *_TTL_BOUNDS)
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.DNS)
        base.refuse_vanity(row, "DNS records")
        name = dns_text.name(given, row.domain)
        _refuse_taken(row, name, kind, contents)
        found = objects.find(_KIND, row.id, name=name, type=kind)
        base.require_room(row, _KIND, _LIMIT, found)
        seconds = ttl or min(max(int(fleet.knob_value("dns.ttl")), _TTL_BOUNDS[0]), _TTL_BOUNDS[1])
        objects.put(_KIND, row.id, {"name": name, "type": kind}, {"ttl": seconds, "contents": contents})
        return begin.change(row, intent, lambda view: _steps(view, name, kind), []) | {"name": name}

    return apply


def _refuse_taken(row: Service, name: str, kind: str, contents: list[str]) -> None:
    """Refuse a name that others own or that the zone itself cannot do without, and a CNAME beside anything else."""
    view = snapshots.of(row.id)
    if name in zone.reserved_names(view):
        raise Conflict(f"name: {name} belongs to the zone's own name servers or signing key; choose another name")
    parents.refuse_taken_record(row, name)
    if name == f"{row.domain}." and kind in _APEX_NEVER:
        raise InvalidInput("type", f"{kind} is not possible for the domain itself", "use A and AAAA")
    if kind == "CNAME" and contents == [name]:
        raise InvalidInput("records", f"{name} would stand for itself", "give another name")
    # RFC 1034 section 3.6.2: a name with a CNAME has nothing else.
    others = {one.type for one in zone.wanted_rrsets(view) if one.name == name} - {kind}
    if kind == "CNAME" and others:
        remedy = (
            "remove them first or choose another name" if _are_own(view, name) else "give A and AAAA records instead"
        )
        raise InvalidInput(
            "type", f"{name} has {', '.join(sorted(others))} records, beside which no CNAME can be", remedy
        )
    if "CNAME" in others:
        raise InvalidInput("type", f"{name} has a CNAME record, beside which nothing else can be", "remove it first")


def _are_own(view: ServiceView, name: str) -> bool:
    """True when nothing but records of the customer's own stands at a name."""
    return name not in {one.name for one in zone.default_rrsets(replace(view, custom_records=()))}


def record_absent(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the removal of all records of one name and type."""
    del context
    params = intent.params
    read.only(params, ("name", "type"))
    given, kind = read.required(params, "name"), dns_text.kind(read.required(params, "type"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.relieved(intent, Role.DNS)
        base.refuse_vanity(row, "DNS records")
        name = dns_text.name(given, row.domain)
        found = objects.find(_KIND, row.id, name=name, type=kind)
        return base.absent(row, intent, _KIND, found, lambda view: _steps(view, name, kind)) | {"name": name}

    return apply


def _steps(view: ServiceView, name: str, kind: str) -> list[StepSpec]:
    """Return a step on each DNS server: what the zone should have at a name and type now, or nothing."""
    removing = (name, kind) not in {one.key for one in zone.wanted_rrsets(view)}
    return [record_step(server.name, f"{name} {kind}", removing=removing) for server in view.dns]
