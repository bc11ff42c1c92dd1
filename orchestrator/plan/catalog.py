"""Every action there is: what runs it, for how long, and what people call it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.errors import NotFound
from orchestrator.core.states import Role


@dataclass(frozen=True, kw_only=True)
class Action:
    """One entry of the catalogue."""

    name: str
    title: str  # in the customer's timeline
    kind: str  # intent: fans out into steps; step: a playbook on one server; local: a change in the database
    role: str = ""  # that the server must have; empty: any
    timeout_seconds: int = 120

    @property
    def is_of_server(self) -> bool:
        """True when it concerns a server and no service."""
        return self.name.startswith("server.")

    @property
    def playbook(self) -> str:
        """Path of the playbook below the project's root."""
        return f"playbooks/{self.name.replace('.', '/')}.yml"


def _intent(name: str, title: str) -> Action:
    return Action(name=name, title=title, kind="intent")


def _step(name: str, title: str, role: str, timeout_seconds: int = 120) -> Action:
    return Action(name=name, title=title, kind="step", role=role, timeout_seconds=timeout_seconds)


CATALOG: Mapping[str, Action] = {
    action.name: action
    for action in (
        _intent("service.create", "Create the service"),
        _intent("service.redeploy", "Deploy the service again"),
        _step("server.prepare", "Prepare the server", "", 1200),
        _step("web.package_present", "Set the web limits", Role.WEB),
        _step("web.user_present", "Create the web account", Role.WEB),
        _step("web.domain_present", "Set up the website", Role.WEB),
        _step("web.php_present", "Start PHP", Role.WEB),
        _step("web.proxy_present", "Connect the website", Role.WEB),
        _step("mail.domain_present", "Set up mail", Role.MAIL),
        _step("mail.dkim_present", "Create the mail signing key", Role.MAIL),
        _step("mail.mailbox_present", "Create the mailbox", Role.MAIL),
        _step("dns.zone_present", "Create the DNS zone", Role.DNS),
        _step("dns.records_present", "Publish the DNS records", Role.DNS),
        _step("dns.record_present", "Publish a DNS record", Role.DNS),
        Action(name="service.status_active", title="Finish", kind="local"),
    )
}


def action(name: str) -> Action:
    """Return an action by name; NotFound suggests the nearest one."""
    if name in CATALOG:
        return CATALOG[name]
    near = difflib.get_close_matches(name[:64], CATALOG, n=1)
    raise NotFound("action", "is not known", f"did you mean {near[0]}?" if near else "see `tenantry task actions`")
