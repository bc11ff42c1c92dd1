"""web.domain_present and web.domain_absent: a further domain under which the same website answers."""

from __future__ import annotations

from typing import Any

from orchestrator.core import names
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict
from orchestrator.core.records import StepSpec
from orchestrator.core.states import Role
from orchestrator.lifecycle import begin
from orchestrator.lifecycle import params as read
from orchestrator.lifecycle.base import Apply, Context, Intent
from orchestrator.lifecycle.client import base, redirect
from orchestrator.models.service import Service
from orchestrator.plan import zone
from orchestrator.plan.certificates.names import of_roles
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import of
from orchestrator.store import alias_domains, certificates, objects, services, snapshots

_LIMIT = "alias_domains"


def domain_present(intent: Intent, context: Context) -> Apply:
    """Check the request and return what stores the name and plans its steps; with https_redirect it is about that."""
    del context
    if "https_redirect" in intent.params:
        return redirect.present(intent)
    read.only(intent.params, ("domain",))
    domain = names.domain(read.required(intent.params, "domain"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.active(intent, Role.WEB)
        base.refuse_vanity(row, "further domains")
        found = alias_domains.find(row.id, domain)
        if not objects.is_wanted(found):
            objects.require_room(row, _LIMIT, objects.count_aliases(row.id))
            _refuse_taken(row, domain)
        alias_domains.put(row.id, domain)
        return _change(row, intent, domain)

    return apply


def _refuse_taken(row: Service, domain: str) -> None:
    """Refuse a name that is the service's already, somebody else's, or another record's in the service's own zone."""
    if domain in (row.domain, f"www.{row.domain}"):
        raise Conflict(f"domain: {domain} is the service's own name already; choose another")
    if domain in (row.former_domains or ()):
        raise Conflict(f"domain: {domain} is the service's former name and still being removed; try again later")
    alias_domains.take_turns()
    services.refuse_foreign_domain(domain, row.id)
    view = snapshots.of(row.id)
    if not view.has_zone or f"{domain}." not in zone.inside([domain], f"{row.domain}."):
        return
    if f"{domain}." in zone.own_names(view):
        raise Conflict(f"domain: {domain} has a use of its own in the zone {row.domain}; choose another")
    if (f"{domain}.", "CNAME") in {one.key for one in view.custom_records}:
        raise Conflict(f"domain: {domain} has a CNAME record; remove it first")


def domain_absent(intent: Intent, context: Context) -> Apply:
    """Check the request and return what plans the removal of a name; the website itself stays."""
    del context
    read.only(intent.params, ("domain",))
    domain = names.domain(read.required(intent.params, "domain"))
    begin.service_id(intent)

    def apply() -> dict[str, Any]:
        row = base.relieved(intent, Role.WEB)
        if domain in (row.domain, f"www.{row.domain}"):
            raise Conflict(f"domain: {domain} is the service's own name; ask for service.change_domain instead")
        if alias_domains.find(row.id, domain) is None:
            return {"skipped": f"service {row.id} has no further domain {domain}"}
        alias_domains.let_go(row.id, domain)
        return _change(row, intent, domain)

    return apply


def _change(row: Service, intent: Intent, domain: str) -> dict[str, Any]:
    """Begin the change. Its steps set all names of the site at once, so it ends every removal that is still open."""
    gone = snapshots.of(row.id).former_aliases
    removed: list[list[Any]] = [["alias", name] for name in gone]
    answer = begin.change(row, intent, lambda view: _steps(view, [domain, *gone]), removed)
    certificates.wanted({"service_id": row.id}, of_roles(snapshots.of(row.id)), utc_now())
    return answer


def _steps(view: ServiceView, touched: list[str]) -> list[StepSpec]:
    steps = [of("web.domain_present", view.web.name)] if view.web else []
    if view.has_zone and zone.inside(touched, f"{view.domain}."):
        steps += [of("dns.records_present", server.name) for server in view.dns]
    return steps
