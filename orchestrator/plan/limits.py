"""What a package may limit, and how an order's limits are resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.states import Role

_MAXIMUM = 2**40


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit of a package."""

    default: int
    help: str
    low: int = 0
    high: int = _MAXIMUM


LIMITS: Mapping[str, Limit] = {
    "web_disk_mb": Limit(default=1024, help="Disk of the web account in MiB; 0 turns the web role off"),
    "mail_disk_mb": Limit(default=1024, help="Disk of all mailboxes together in MiB; 0 turns the mail role off"),
    "bandwidth_mb": Limit(default=10240, help="Traffic a month in MiB"),
    "inodes": Limit(default=0, help="Files of the web account; 0 is no limit"),
    "databases": Limit(default=1, help="Databases", high=10_000),
    "mailboxes": Limit(default=5, help="Mailboxes", high=100_000),
    "sftp_accounts": Limit(default=1, help="SFTP accounts", high=10_000),
    "cron_jobs": Limit(default=1, help="Cron jobs", high=10_000),
    "alias_domains": Limit(default=10, help="Further domains of the website", high=90),
    "mail_aliases": Limit(default=20, help="Mail aliases and forwards", high=10_000),
    "dns_records": Limit(default=50, help="DNS records of the customer's own", high=10_000),
    "php_memory_mb": Limit(default=128, help="Memory of one PHP request in MiB", low=16, high=8192),
    "php_workers": Limit(default=5, help="PHP requests at once", low=1, high=500),
    "mail_per_hour": Limit(default=200, help="Messages sent an hour", high=1_000_000),
}
PHP_VERSION = "php_version"
_DEFAULT_PHP = "8.2"  # Debian 12's own
OVER_LIMIT = "over_limit"  # what follows when the web account uses more than its disk or traffic
NOTIFY, SUSPEND_WEB = "notify", "suspend-web"


def parse(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a package's limits with defaults filled in; InvalidInput names the first one that is unusable."""
    resolved: dict[str, Any] = {name: limit.default for name, limit in LIMITS.items()}
    resolved |= {PHP_VERSION: _DEFAULT_PHP, OVER_LIMIT: NOTIFY}
    words = {PHP_VERSION: php_version, OVER_LIMIT: over_limit}
    for name, value in given.items():
        resolved[name] = words[name](value) if name in words else _number(name, value)
    return resolved


def _number(name: str, value: Any) -> int:
    if name not in LIMITS:
        known = ", ".join([*LIMITS, PHP_VERSION, OVER_LIMIT])
        raise InvalidInput(name, "is no limit of a package", f"use one of {known}")
    limit = LIMITS[name]
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,13}", text) or not limit.low <= int(text) <= limit.high:
        raise InvalidInput(name, f"{text[:20]!r} is out of range", f"give a number from {limit.low} to {limit.high}")
    return int(text)


def php_version(value: Any, field: str = PHP_VERSION) -> str:
    """Return a PHP version such as 8.2."""
    if not isinstance(value, str) or not re.fullmatch(r"[5-9]\.[0-9]", value):
        raise InvalidInput(field, "is no PHP version", "give one such as 8.2")
    return value


def over_limit(value: Any) -> str:
    """Return a policy: notify, or suspend-web."""
    if value not in (NOTIFY, SUSPEND_WEB):
        raise InvalidInput(OVER_LIMIT, f"{str(value)[:20]!r} is not known", f"give {NOTIFY} or {SUSPEND_WEB}")
    return str(value)


def of(limits: Mapping[str, Any], name: str) -> int:
    """Return a limit of a package; one that was stored before the limit existed has its default."""
    return int(limits.get(name, LIMITS[name].default))


def roles_allowed(limits: Mapping[str, Any], wanted: frozenset[str]) -> frozenset[str]:
    """Return the wanted roles that the limits leave on: no disk, no role."""
    off = {role for role, limit in ((Role.WEB, "web_disk_mb"), (Role.MAIL, "mail_disk_mb")) if not limits[limit]}
    return wanted - off
