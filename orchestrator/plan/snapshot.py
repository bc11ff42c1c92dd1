"""What the planner sees of the database: frozen views, loaded by the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.states import Desired, Mode, Role
from orchestrator.plan.objects import (
    AliasView,
    CertificateView,
    ChallengeView,
    CronView,
    DatabaseView,
    MailboxView,
    RRset,
    SftpView,
)


@dataclass(frozen=True, kw_only=True)
class ServerView:
    """A server as the planner sees it."""

    id: int
    name: str
    hostname: str
    ipv4: str
    ipv6: str
    roles: frozenset[str]
    status: str
    capacity: int = 0
    load: Mapping[str, int] = field(default_factory=dict)  # services placed here, by role
    challenge: str = ""  # thumbprint that it answers a CA with


@dataclass(frozen=True, kw_only=True)
class VanityView:
    """The provider's domain that a vanity service lives under, and who owns what is shared."""

    parent: str
    name: str  # the label below the parent that is the service's own
    mail_user: str
    mail_domain: str
    dns_mode: str
    zone_owner: str
    zone_serial: int


@dataclass(frozen=True, kw_only=True)
class Suspension:
    """What a group does with a suspended service."""

    page: str = ""  # HTML; empty: the built-in page
    retry_after: int = 3600  # seconds
    mail: str = "defer"  # defer, accept, reject
    dns: str = "keep"  # keep, withdraw


@dataclass(frozen=True, kw_only=True)
class ServiceView:
    """A service with everything a step may need to know of it."""

    id: int
    owner: str
    domain: str
    aliases: tuple[str, ...]
    mode: str
    roles: frozenset[str]
    username: str
    uid: int
    limits: Mapping[str, Any]
    php_version: str
    proxy_template: str
    proxy_upstream: str
    generation: int
    dkim_selector: str
    dkim_public_key: str
    zone_serial: int
    hostmaster: str
    dns_ttl: int
    desired: str = Desired.ACTIVE
    held: bool = False  # a mark of suspension may lie on its servers
    withdrawn: bool = False  # and its zone may not be served
    web_held: bool = False  # its web account is suspended for what it uses, whatever billing says
    deployed: bool = False  # the whole chain has run since the last change of its shape
    suspension: Suspension = field(default_factory=Suspension)
    former_domains: tuple[str, ...] = ()
    former_aliases: tuple[str, ...] = ()  # to be removed
    https_redirect: bool = False
    vanity: VanityView | None = None
    web: ServerView | None = None
    mail: ServerView | None = None
    dns: tuple[ServerView, ...] = ()
    mailboxes: tuple[MailboxView, ...] = ()
    mail_aliases: tuple[AliasView, ...] = ()
    databases: tuple[DatabaseView, ...] = ()
    sftp_accounts: tuple[SftpView, ...] = ()
    cron_jobs: tuple[CronView, ...] = ()
    custom_records: tuple[RRset, ...] = ()
    removed_records: tuple[RRset, ...] = ()  # no longer wanted
    certificates: tuple[CertificateView, ...] = ()  # to be served, at most one for each role
    challenges: tuple[ChallengeView, ...] = ()
    account_thumbprint: str = ""  # of our account's key at the CA

    @property
    def is_vanity(self) -> bool:
        """True when it shares its parent's mail domain and zone."""
        return self.mode == Mode.VANITY

    @property
    def has_zone(self) -> bool:
        """True when this service's zone is ours to serve and its own."""
        return bool(self.dns) and not self.is_vanity

    @property
    def hides_record(self) -> bool:
        """True for a vanity service whose record under its parent should not be there."""
        if self.desired == Desired.SUSPENDED:
            return self.suspension.dns == "withdraw"
        return self.desired == Desired.TERMINATED

    @property
    def is_web_off(self) -> bool:
        """True when its web account is to be suspended, for whatever reason."""
        return self.web_held or self.desired != Desired.ACTIVE

    @property
    def has_web(self) -> bool:
        """True when it has a web account."""
        return Role.WEB in self.roles and self.web is not None

    @property
    def has_mail(self) -> bool:
        """True when it has mail."""
        return Role.MAIL in self.roles and self.mail is not None

    @property
    def site_names(self) -> list[str]:
        """Return the names of its site, the domain first."""
        own = [self.domain] if self.is_vanity or self.begins_with_www else [self.domain, f"www.{self.domain}"]
        return [*own, *self.aliases]

    @property
    def begins_with_www(self) -> bool:
        """True for a domain that nobody would write another www before."""
        return self.domain.startswith("www.")
