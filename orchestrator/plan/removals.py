"""The steps that remove a service, or names that it no longer has, from its servers."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.records import StepSpec
from orchestrator.plan.objects import MailboxView
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import keys, of, record_step

LAST_LOOK = "service.usage_last"


def all_of(service: ServiceView) -> list[StepSpec]:
    """Return the steps that remove everything of a service from every server it is on."""
    return [*web_of(service), *mail_of(service), *_dns(service)]


def web_of(service: ServiceView) -> list[StepSpec]:
    """Return the removal of the web account: its sites first, so that nothing of it is served half gone.

    Between them its traffic is counted for the last time: the logs go with the account.
    """
    if not service.has_web or service.web is None:
        return []
    server = service.web.name
    sites = [_domain(server, name) for name in (service.domain, *service.former_domains)]
    counted = StepSpec(key=LAST_LOOK, action=LAST_LOOK, needs=keys(tuple(sites)))
    return [*sites, counted, of("web.account_absent", server, counted)]


def mail_of(service: ServiceView) -> list[StepSpec]:
    """Return the removal of the mail domain, or of the one mailbox of a vanity service."""
    if not service.has_mail or service.mail is None:
        return []
    server = service.mail.name
    if service.is_vanity:
        boxes = [_mailbox(server, box) for box in service.mailboxes]
        # A mark of suspension that came before the mailbox was made hangs on nothing that is removed.
        return [*boxes, of("mail.account_active", server, *boxes)]
    names = (service.domain, *service.former_domains)
    gone = [of("mail.domain_absent", server, name=name, params={"domain": name}) for name in names]
    is_marked = service.held or not service.deployed  # perhaps before there was a domain that the mark would go with
    return [*gone, of("mail.account_active", server, *gone)] if is_marked else gone


def _dns(service: ServiceView) -> list[StepSpec]:
    if service.is_vanity:
        return [record_step(server.name, "vanity", removing=True) for server in service.dns]
    names = (service.domain, *service.former_domains)
    return [_zone(server.name, name) for server in service.dns for name in names]


def former_names(service: ServiceView, steps: Sequence[StepSpec]) -> list[StepSpec]:
    """Return the removal of former domains, once everything answers under the new one."""
    ready = tuple(steps)
    gone = []
    for name in service.former_domains:
        if service.has_web and service.web is not None:
            gone.append(_domain(service.web.name, name, *ready))
        if service.has_mail and service.mail is not None:
            gone.append(of("mail.domain_absent", service.mail.name, *ready, name=name, params={"domain": name}))
        gone += [_zone(server.name, name, *ready) for server in service.dns]
    return gone


def _mailbox(server: str, box: MailboxView) -> StepSpec:
    """Return the removal of a mailbox with a key of its own: a reset makes it anew in the same operation."""
    params = {"local_part": box.local_part, "domain": box.domain}
    return of("mail.mailbox_absent", server, name=box.address, params=params)


def _domain(server: str, name: str, *needs: StepSpec) -> StepSpec:
    return of("web.domain_absent", server, *needs, name=name, params={"domain": name})


def _zone(server: str, name: str, *needs: StepSpec) -> StepSpec:
    return of("dns.zone_absent", server, *needs, name=name, params={"domain": name})
