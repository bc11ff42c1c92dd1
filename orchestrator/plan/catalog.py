"""Every action there is: what runs it, for how long, and what people call it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.errors import NotFound
from orchestrator.core.states import Role

_SHORT_SECONDS = 120
PLAN = "service.plan"
LOOKS = frozenset(
    {PLAN}
)  # intents that only ask the servers: no wish waits for one, and none of them is anybody's failure


@dataclass(frozen=True, kw_only=True)
class Action:
    """One entry of the catalogue."""

    name: str
    title: str  # in the customer's timeline
    kind: str  # intent: fans out into steps; step: a playbook on one server; local: a change in the database
    role: str = ""  # that the server must have; empty: any
    timeout_seconds: int = 120
    reports: bool = False  # what its success says becomes rows that later jobs of the service are made from
    trial: Mapping[str, str] = field(default_factory=dict, hash=False)  # parameter that tries a setting out -> column

    def feeds_later(self, params: str) -> bool:
        """True when jobs of steps behind it can only be made when it has ended; ``params`` is the task's JSON."""
        return self.reports or (bool(self.trial) and params.strip() != "{}")

    @property
    def is_of_server(self) -> bool:
        """True when it concerns a server and no service."""
        return self.name.startswith("server.")

    @property
    def shares_run(self) -> bool:
        """True when its steps are so short that several on one server may be carried out by one run."""
        return self.kind == "step" and self.timeout_seconds <= _SHORT_SECONDS

    @property
    def playbook(self) -> str:
        """Path of the playbook below the project's root."""
        return f"playbooks/{self.name.replace('.', '/')}.yml"


def _intent(name: str, title: str) -> Action:
    return Action(name=name, title=title, kind="intent")


def _step(name: str, title: str, role: str, timeout_seconds: int = 120, **more: Any) -> Action:
    return Action(name=name, title=title, kind="step", role=role, timeout_seconds=timeout_seconds, **more)


CATALOG: Mapping[str, Action] = {
    action.name: action
    for action in (
        _intent("service.create", "Create the service"),
        _intent("service.suspend", "Suspend the service"),
        _intent("service.unsuspend", "Unsuspend the service"),
        _intent("service.terminate", "Terminate the service"),
        _intent("service.redeploy", "Deploy the service again"),
        _intent("service.factory_reset", "Reset the service"),
        _intent("service.repair", "Check and repair the service"),
        _intent("service.change_package", "Change the package"),
        _intent("service.change_password", "Change the password"),
        _intent("service.change_domain", "Change the domain"),
        _intent("service.sync_usage", "Collect the usage"),
        _intent("service.enforce_limits", "Apply the limits of the package"),
        _intent(PLAN, "Look what an action would change"),
        _step("server.prepare", "Prepare the server", "", 1200),
        _step("server.sync_usage", "Collect the usage", "", 900),
        _step("server.sync_status", "Look at the server", ""),
        _step("web.package_present", "Set the web limits", Role.WEB),
        _step("web.user_present", "Create the web account", Role.WEB),
        _step("web.domain_present", "Set up the website", Role.WEB),
        _step("web.php_present", "Start PHP", Role.WEB, trial={"version": "php_version"}),
        _step(
            "web.proxy_present",
            "Connect the website",
            Role.WEB,
            trial={"template": "proxy_template", "upstream": "proxy_upstream"},
        ),
        _step("web.database_present", "Create the database", Role.WEB),
        _step("web.database_absent", "Remove the database", Role.WEB),
        _step("web.sftp_present", "Create the SFTP login", Role.WEB),
        _step("web.sftp_absent", "Remove the SFTP login", Role.WEB),
        _step("web.cron_present", "Set up the cron job", Role.WEB),
        _step("web.cron_absent", "Remove the cron job", Role.WEB),
        _step("web.account_suspended", "Suspend the web account", Role.WEB),
        _step("web.account_active", "Wake the web account", Role.WEB),
        _step("web.domain_absent", "Remove the website", Role.WEB),
        _step("web.account_absent", "Remove the web account", Role.WEB, 1800),
        _step(
            "web.challenge_present", "Answer the certificate authority", "", reports=True
        ),  # mail servers answer, too
        _step("web.certificate_present", "Install the website's certificate", Role.WEB),
        _step("web.certificate_absent", "Remove the website's certificate", Role.WEB),
        _step("mail.domain_present", "Set up mail", Role.MAIL),
        _step("mail.domain_renamed", "Move mail to the new domain", Role.MAIL, 600),
        _step("mail.domain_absent", "Remove mail", Role.MAIL, 1800),
        _step("mail.dkim_present", "Create the mail signing key", Role.MAIL, reports=True),
        _step("mail.mailbox_present", "Create the mailbox", Role.MAIL),
        _step("mail.mailbox_absent", "Remove the mailbox", Role.MAIL, 1800),
        _step("mail.alias_present", "Create the mail alias", Role.MAIL),
        _step("mail.alias_absent", "Remove the mail alias", Role.MAIL),
        _step("mail.account_suspended", "Suspend mail", Role.MAIL),
        _step("mail.account_active", "Wake mail", Role.MAIL),
        _step("mail.certificate_present", "Install the mail certificate", Role.MAIL),
        _step("mail.certificate_absent", "Remove the mail certificate", Role.MAIL),
        _step("dns.zone_present", "Create the DNS zone", Role.DNS),
        _step("dns.zone_withdrawn", "Stop serving the DNS zone", Role.DNS),
        _step("dns.zone_served", "Serve the DNS zone again", Role.DNS),
        _step("dns.zone_absent", "Remove the DNS zone", Role.DNS),
        _step("dns.records_present", "Publish the DNS records", Role.DNS),
        _step("dns.record_present", "Publish a DNS record", Role.DNS),
        _step("dns.record_absent", "Remove a DNS record", Role.DNS),
        _step("dns.challenge_present", "Answer the certificate authority in the DNS", Role.DNS),
        _step("dns.challenge_absent", "Take back the answer in the DNS", Role.DNS),
        _intent("certificate.issue", "Have a certificate issued"),
        _intent("certificate.renew", "Renew the certificate"),
        _intent("certificate.upload", "Install the customer's certificate"),
        _intent("certificate.remove_custom", "Give up the customer's certificate"),
        Action(name="certificate.order", title="Order the certificate", kind="local"),
        Action(name="certificate.validate", title="Prove the names", kind="local"),
        Action(name="certificate.tidied", title="Forget the answers in the DNS", kind="local"),
        Action(name="certificate.probe", title="Look at what is served", kind="local"),
        Action(name="service.status_active", title="Finish", kind="local"),
        Action(name="service.status_suspended", title="Finish", kind="local"),
        Action(name="service.objects_removed", title="Finish", kind="local"),
        Action(name="service.removed", title="Finish", kind="local"),
        Action(name="service.usage_recomputed", title="Derive the figures", kind="local"),
        Action(name="service.usage_synced", title="Tell the figures", kind="local"),
        Action(name="service.usage_last", title="Count the last traffic", kind="local"),
        Action(name="service.limits_enforced", title="Finish", kind="local"),
    )
}


def action(name: str) -> Action:
    """Return an action by name; NotFound suggests the nearest one."""
    if name in CATALOG:
        return CATALOG[name]
    near = difflib.get_close_matches(name[:64], CATALOG, n=1)
    raise NotFound("action", "is not known", f"did you mean {near[0]}?" if near else "see `tenantry task actions`")
