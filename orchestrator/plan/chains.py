"""The steps of each intent, as a graph: only real dependencies wait."""

from __future__ import annotations

from orchestrator.core.records import Plan, StepSpec
from orchestrator.core.states import Role
from orchestrator.plan.snapshot import ServiceView

ACTIVATE = "service.status_active"


def deploy(service: ServiceView) -> Plan:
    """Return the steps that make a service live; running any of them, or all of them, again changes nothing.

    web package → web user → web domain ┐
                           └→ PHP pool ─┴→ proxy template
    mail domain → DKIM key, each mailbox
    zone → default records, on every DNS server; DKIM record when both key and zone are there
    everything → service active
    """
    steps = [*_web(service), *_mail(service), *_dns(service)]
    last = StepSpec(key=ACTIVATE, action=ACTIVATE, needs=tuple(step.key for step in steps))
    return Plan(steps=(*steps, last))


def _web(service: ServiceView) -> list[StepSpec]:
    if Role.WEB not in service.roles or service.web is None:
        return []
    server = service.web.name
    package = _step("web.package_present", server)
    user = _step("web.user_present", server, package)
    domain = _step("web.domain_present", server, user)
    php = _step("web.php_present", server, user)
    return [package, user, domain, php, _step("web.proxy_present", server, domain, php)]


def _mail(service: ServiceView) -> list[StepSpec]:
    if Role.MAIL not in service.roles or service.mail is None:
        return []
    server = service.mail.name
    domain = _step("mail.domain_present", server)
    boxes = [mailbox_step(server, box.local_part, box.domain, domain) for box in service.mailboxes]
    return [domain, _step("mail.dkim_present", server, domain), *boxes]


def _dns(service: ServiceView) -> list[StepSpec]:
    steps = []
    for server in service.dns:
        zone = _step("dns.zone_present", server.name)
        records = _step("dns.records_present", server.name, zone)
        steps += [zone, records]
        if service.mail is not None and Role.MAIL in service.roles:
            dkim = f"mail.dkim_present@{service.mail.name}"
            steps.append(record_step(server.name, "dkim", zone.key, dkim))
    return steps


def mailbox_step(server: str, local_part: str, domain: str, *needs: StepSpec) -> StepSpec:
    """Return the step that makes one mailbox."""
    return StepSpec(
        key=f"mail.mailbox_present:{local_part}@{domain}@{server}",
        action="mail.mailbox_present",
        server=server,
        params={"local_part": local_part, "domain": domain},
        needs=tuple(step.key for step in needs),
    )


def record_step(server: str, record: str, *needs: str) -> StepSpec:
    """Return the step that writes one RRset on one DNS server; ``record`` is "dkim" or "NAME TYPE"."""
    return StepSpec(
        key=f"dns.record_present:{record}@{server}",
        action="dns.record_present",
        server=server,
        params={"record": record},
        needs=needs,
    )


def _step(action: str, server: str, *needs: StepSpec) -> StepSpec:
    return StepSpec(key=f"{action}@{server}", action=action, server=server, needs=tuple(step.key for step in needs))
