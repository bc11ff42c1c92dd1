"""The steps that lead a service where an intent wants it, as a graph: only real dependencies wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.core.records import Plan, StepSpec
from orchestrator.core.states import Desired
from orchestrator.plan import removals, suspensions
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.steps import alias_step, cron_step, database_step, mailbox_step, of, record_step, sftp_step

_MARKS = {
    Desired.ACTIVE: "service.status_active",
    Desired.SUSPENDED: "service.status_suspended",
    Desired.TERMINATED: "service.removed",
}


def reach(service: ServiceView, whole: bool = True) -> Plan:
    """Return the steps that bring a service to where it should be; running any of them again changes nothing.

    ``whole`` runs the deploy chain too; without it only what suspends or wakes a service that is deployed.
    """
    if service.desired == Desired.TERMINATED:
        return finished(service, removals.all_of(service))
    if service.desired == Desired.SUSPENDED:
        first = suspensions.suspend(service)
        return finished(service, [*first, *(after(deploy_steps(service), first) if whole else [])])
    return finished(service, _awake(service, deploy_steps(service) if whole else []))


def reset(service: ServiceView) -> Plan:
    """Return the steps that wipe what a service holds and deploy it anew; its zone stays, its shared parts too."""
    gone = removals.web_of(service) + removals.mail_of(service)
    return finished(service, _awake(service, [*gone, *after(deploy_steps(service), gone)]))


def _awake(service: ServiceView, steps: Sequence[StepSpec]) -> list[StepSpec]:
    """Return the steps, and after them on each server those that wake the service, less what the steps do anyway."""
    there = {step.key for step in steps}
    marks = suspensions.wake(service) if service.held else suspensions.overlay(service) if service.web_held else []
    wake = [step for step in marks if step.key not in there]
    return [*steps, *after(wake, steps)]


def finished(service: ServiceView, steps: Sequence[StepSpec]) -> Plan:
    """Return a plan with the local step that records where the service has arrived."""
    mark = _MARKS[Desired(service.desired)]
    params = {"removed": removed_rows(service)} if service.desired != Desired.TERMINATED else {}
    last = StepSpec(key=mark, action=mark, params=params, needs=tuple(step.key for step in steps))
    return Plan(steps=(*steps, last))


def removed_rows(service: ServiceView) -> list[list[object]]:
    """Return [kind, id or name] of the rows that the deploy chain's removals make superfluous."""
    rows: list[list[object]] = [["mailbox", one.id] for one in service.mailboxes if one.removing]
    rows += [["mail_alias", one.id] for one in service.mail_aliases if one.removing]
    rows += [["database", one.id] for one in service.databases if one.removing]
    rows += [["sftp_account", one.id] for one in service.sftp_accounts if one.removing]
    rows += [["cron_job", one.id] for one in service.cron_jobs if one.removing]
    rows += [["record", one.id] for one in service.removed_records]
    rows += [["alias", name] for name in service.former_aliases]
    return rows + [["former_domain", name] for name in service.former_domains]


def deploy_steps(service: ServiceView) -> list[StepSpec]:
    """Return the steps that make a service live. Those that can begin at once are in the order in which a chain has them.

    web package → web user → PHP pool ───┐
                           ├→ web domain ┴→ proxy template
                           └→ databases, SFTP logins, cron jobs
    mail domain → DKIM key, each mailbox → each alias
    zone → records, on every DNS server; DKIM record when both key and zone are there
    """
    steps = [*_web(service), *_mail(service), *_dns(service)]
    return [*steps, *removals.former_names(service, steps)]


def after(steps: Sequence[StepSpec], first: Sequence[StepSpec]) -> list[StepSpec]:
    """Return the steps such that on each server they begin when those of ``first`` there are done."""
    return [
        replace(step, needs=(*step.needs, *(one.key for one in first if one.server == step.server))) for step in steps
    ]


def _web(service: ServiceView) -> list[StepSpec]:
    if not service.has_web or service.web is None:
        return []
    server = service.web.name
    package = of("web.package_present", server)
    user = of("web.user_present", server, package)
    php = of("web.php_present", server, user)
    domain = of("web.domain_present", server, user)  # after PHP in a chain: nginx then loads both at once
    return [
        *(package, user, php, domain, of("web.proxy_present", server, domain, php)),
        *(database_step(server, one, user) for one in service.databases),
        *(sftp_step(server, one, user) for one in service.sftp_accounts),
        *(cron_step(server, one, user) for one in service.cron_jobs),
    ]


def _mail(service: ServiceView) -> list[StepSpec]:
    if not service.has_mail or service.mail is None:
        return []
    server = service.mail.name
    if service.is_vanity:
        return [mailbox_step(server, box) for box in service.mailboxes]
    renames = [
        of("mail.domain_renamed", server, name=former, params={"former": former}) for former in service.former_domains
    ]
    domain = of("mail.domain_present", server, *renames)
    boxes = [mailbox_step(server, box, domain) for box in service.mailboxes]
    aliases = [alias_step(server, one, domain, *boxes) for one in service.mail_aliases]
    return [*renames, domain, of("mail.dkim_present", server, domain), *boxes, *aliases]


def _dns(service: ServiceView) -> list[StepSpec]:
    if service.is_vanity:
        return [] if service.hides_record else [record_step(server.name, "vanity") for server in service.dns]
    steps = []
    for server in service.dns:
        zone = of("dns.zone_present", server.name)
        steps += [zone, of("dns.records_present", server.name, zone)]
        if service.has_mail and service.mail is not None:
            steps.append(record_step(server.name, "dkim", zone.key, f"mail.dkim_present@{service.mail.name}"))
    return steps
