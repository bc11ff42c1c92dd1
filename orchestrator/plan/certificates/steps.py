"""The operations of a certificate: answering the CA, ordering, and deploying what is in the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.core.records import Plan, StepSpec
from orchestrator.core.states import Role
from orchestrator.plan.snapshot import ServerView, ServiceView
from orchestrator.plan.steps import of

ORDER, VALIDATE, PROBE = "certificate.order", "certificate.validate", "certificate.probe"
CHALLENGE = "web.challenge_present"


def servers_of(service: ServiceView, role: str) -> tuple[ServerView, ...]:
    """Return the servers that serve the names of a role's certificate."""
    server = service.web if role == Role.WEB else service.mail
    return (server,) if server is not None else ()


def answering(servers: Iterable[ServerView]) -> Plan:
    """Return the steps after which these servers answer every challenge of our account."""
    return Plan(steps=tuple(of(CHALLENGE, server.name) for server in servers))


def issuing(certificate: int, names: Sequence[str], fingerprint: str) -> Plan:
    """Return the conversation with the CA: an order, and the proof of its names."""
    params = {"certificate": certificate, "names": list(names), "fingerprint": fingerprint}
    order = StepSpec(key=ORDER, action=ORDER, params=params)
    return Plan(steps=(order, StepSpec(key=VALIDATE, action=VALIDATE, params=params, needs=(ORDER,))))


def deploying(service: ServiceView, role: str, certificate: int) -> Plan:
    """Return what installs the certificate on every server of its names, and a look at what is then served."""
    params = {"certificate": certificate}
    steps = [of(f"{role}.certificate_present", one.name, params=params) for one in servers_of(service, role)]
    needs = tuple(step.key for step in steps)
    return Plan(steps=(*steps, StepSpec(key=PROBE, action=PROBE, params=params, needs=needs)))


def removing(service: ServiceView, role: str) -> list[StepSpec]:
    """Return the steps after which the servers show their placeholder for the names of a role."""
    return [of(f"{role}.certificate_absent", one.name) for one in servers_of(service, role)]
