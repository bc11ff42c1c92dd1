"""The one label below a parent domain that a vanity service may have: its grammar, and the labels that nobody gets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestrator.core import names
from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.names import shown

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBERED = re.compile(r"(?:ns|dns|mx|mail|smtp|web|host|server)[0-9]{1,3}")

# A name here is also a mailbox of the provider's domain: whoever reads admin@ or postmaster@ can have certificates issued for
# the parent domain (CA/Browser Forum baseline requirements, section 3.2.2.4.4).
_ADDRESSES = (
    *("admin", "administrator", "hostmaster", "postmaster", "webmaster"),
    *("abuse", "info", "marketing", "noc", "sales", "security", "support", "usenet", "news", "uucp"),  # RFC 2142
    *("root", "daemon", "nobody", "mailer-daemon", "noreply", "no-reply", "ssladmin", "sysadmin", "ssl", "tls"),
    *("billing", "contact", "help", "helpdesk", "legal", "list", "lists", "office", "owner", "privacy", "staff"),
    *("dmarc", "spam", "system", "vmail", "tenantry"),
)
# Names that programs look up by themselves, or that people would take for the provider's own.
_HOSTS = (
    *("www", "mail", "webmail", "autoconfig", "autodiscover", "mta-sts", "openpgpkey", "wpad", "isatap"),
    *("ns", "dns", "mx", "smtp", "submission", "relay", "imap", "imaps", "pop", "pop3", "ftp", "sftp", "ssh"),
    *("caldav", "carddav", "ldap", "ntp", "sip", "stun", "turn", "xmpp", "vpn", "proxy", "gateway", "router"),
    *("localhost", "localdomain", "broadcasthost", "local", "localhost6"),
    *("account", "accounts", "api", "app", "auth", "login", "my", "panel", "portal", "secure", "sso", "whmcs"),
    *("cpanel", "whm", "phpmyadmin", "pma", "backup", "cdn", "cloud", "static", "status", "git", "internal"),
)
BUILT_IN = frozenset((*_ADDRESSES, *_HOSTS))


def label(value: object, field: str = "vanity_name") -> str:
    """Return a label in lower case; InvalidInput for what is no plain host label.

    RFC 5891 section 4.2.3.1 keeps labels with hyphens at the third and fourth place for A-labels: an international name would
    be an unreadable mailbox, and one that looks like another.
    """
    text = value.strip(" ").lower() if isinstance(value, str) and value.isascii() else value
    if not isinstance(text, str) or not _LABEL.fullmatch(text):
        raise InvalidInput(field, f"{shown(value)} is not usable", "use 1-63 of a-z, 0-9 and inner hyphens")
    if text[2:4] == "--":
        raise InvalidInput(field, f"{shown(text)} has hyphens at the third and fourth place", "choose another name")
    return text


def reserved_list(values: Iterable[str], field: str = "reserved") -> list[str]:
    """Return a parent domain's own reserved labels, sorted; InvalidInput names the first that is none."""
    return sorted({label(value, field) for value in values})


def is_reserved(name: str, own: Iterable[str] = ()) -> bool:
    """True for a label that nobody gets, by the built-in list or a parent's ``own``."""
    return name in BUILT_IN or name in set(own) or bool(_NUMBERED.fullmatch(name))


def require_unreserved(name: str, parent: str, own: Iterable[str]) -> None:
    """Raise Conflict for a label that nobody gets under a parent."""
    if is_reserved(name, own):
        raise Conflict(f"vanity_name: {name} is reserved under {parent}; choose another name")


def full_name(name: str, parent: str) -> str:
    """Return the domain of a vanity name; InvalidInput when both together are too long."""
    return names.domain(f"{name}.{parent}", "vanity_name")
