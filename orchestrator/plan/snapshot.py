"""What the planner sees of the database: frozen views, loaded by the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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


@dataclass(frozen=True, kw_only=True)
class MailboxView:
    """A mailbox of a service."""

    domain: str
    local_part: str
    password_hash: str
    quota_mb: int
    display_name: str

    @property
    def address(self) -> str:
        """The mail address."""
        return f"{self.local_part}@{self.domain}"


@dataclass(frozen=True, kw_only=True)
class RRset:
    """DNS records of one name and type; ``records`` are in text form, TXT as raw text without quotes."""

    name: str  # absolute, with the trailing dot
    type: str
    ttl: int
    records: tuple[str, ...]


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
    web: ServerView | None = None
    mail: ServerView | None = None
    dns: tuple[ServerView, ...] = ()
    mailboxes: tuple[MailboxView, ...] = ()
    custom_records: tuple[RRset, ...] = ()

    @property
    def has_zone(self) -> bool:
        """True when this service's zone is ours to serve."""
        return bool(self.dns)
