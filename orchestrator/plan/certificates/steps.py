"""The operations of a certificate: answering the CA, ordering, and deploying what is in the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.core.records import Plan, StepSpec
from orchestrator.core.states import Role
from orchestrator.plan.snapshot import ServerView, ServiceView
from orchestrator.plan.steps import keys, of

ORDER, VALIDATE, PROBE = "certificate.order", "certificate.validate", "certificate.probe"
CHALLENGE, TIDIED = "web.challenge_present", "certificate.tidied"
PRESENT, ABSENT = "dns.challenge_present", "dns.challenge_absent"


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


def ordering(certificate: int, names: Sequence[str], fingerprint: str) -> Plan:
    """Return the order of a wildcard alone: what proves it depends on what the CA asks for."""
    params = {"certificate": certificate, "names": list(names), "fingerprint": fingerprint}
    return Plan(steps=(StepSpec(key=ORDER, action=ORDER, params=params),))


def proving(service: ServiceView, certificate: int, names: Sequence[str], fingerprint: str, is_asked: bool) -> Plan:
    """Return what proves a wildcard in the zone of a service; ``is_asked`` False: the CA believes us already.

    Every DNS server answers before the CA is told to look, and none does any more afterwards.
    """
    params = {"certificate": certificate, "names": list(names), "fingerprint": fingerprint}
    if not is_asked:
        return Plan(steps=(StepSpec(key=VALIDATE, action=VALIDATE, params=params),))
    present = _on_servers(PRESENT, service, certificate)
    validate = StepSpec(key=VALIDATE, action=VALIDATE, params=params, needs=tuple(step.key for step in present))
    return Plan(steps=(*present, validate, *_taking_back(service, certificate, validate)))


def tidying(service: ServiceView, certificate: int) -> Plan:
    """Return what takes back all that an operation which is over has left in the DNS."""
    return Plan(steps=_taking_back(service, certificate))


def answer_name(service: ServiceView) -> str:
    """Return the name that a CA asks for, absolute (RFC 8555 section 8.4)."""
    return f"_acme-challenge.{service.domain}."


def _on_servers(action: str, service: ServiceView, certificate: int, *needs: StepSpec) -> tuple[StepSpec, ...]:
    params = {"certificate": certificate, "name": answer_name(service)}
    return tuple(of(action, one.name, *needs, name=answer_name(service), params=params) for one in service.dns)


def _taking_back(service: ServiceView, certificate: int, *needs: StepSpec) -> tuple[StepSpec, ...]:
    absent = _on_servers(ABSENT, service, certificate, *needs)
    tidied = StepSpec(key=TIDIED, action=TIDIED, params={"certificate": certificate}, needs=keys(absent))
    return (*absent, tidied)


def deploying(service: ServiceView, role: str, certificate: int) -> Plan:
    """Return what installs the certificate on every server of its names, and a look at what is then served."""
    params = {"certificate": certificate}
    steps = [of(f"{role}.certificate_present", one.name, params=params) for one in servers_of(service, role)]
    needs = tuple(step.key for step in steps)
    return Plan(steps=(*steps, StepSpec(key=PROBE, action=PROBE, params=params, needs=needs)))


def removing(service: ServiceView, role: str) -> list[StepSpec]:
    """Return the steps after which the servers show their placeholder for the names of a role."""
    return [of(f"{role}.certificate_absent", one.name) for one in servers_of(service, role)]
