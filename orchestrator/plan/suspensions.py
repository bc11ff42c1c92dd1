"""The steps that suspend a service and those that wake it again. Nothing is deleted: a mark lies over what is there."""

from __future__ import annotations

from orchestrator.core.records import StepSpec
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import of, record_step


def suspend(service: ServiceView) -> list[StepSpec]:
    """Return the steps that cut a service off; on a server that does not have it yet they leave the mark."""
    steps = _accounts(service, "suspended")
    if service.suspension.dns == "withdraw":
        steps += _dns(service, "dns.zone_withdrawn", removing=True)
    return steps


def wake(service: ServiceView) -> list[StepSpec]:
    """Return the steps that take the marks away."""
    steps = _accounts(service, "active")
    if service.withdrawn:
        steps += _dns(service, "dns.zone_served", removing=False)
    return steps


def overlay(service: ServiceView) -> list[StepSpec]:
    """Return the step that gives the web account the mark it should have: over a limit it is suspended, by billing or not."""
    if not service.has_web or service.web is None:
        return []
    return [of(f"web.account_{'suspended' if service.is_web_off else 'active'}", service.web.name)]


def _accounts(service: ServiceView, state: str) -> list[StepSpec]:
    steps = overlay(service)
    if service.has_mail and service.mail is not None:
        steps.append(of(f"mail.account_{state}", service.mail.name))
    return steps


def _dns(service: ServiceView, action: str, removing: bool) -> list[StepSpec]:
    if service.is_vanity:  # the zone is the provider's: only the service's own record goes or comes
        return [record_step(server.name, "vanity", removing=removing) for server in service.dns]
    return [of(action, server.name) for server in service.dns]
