"""Where notices go and with which secrets, from the environment: none of it is in the database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from orchestrator.core.errors import InvalidInput

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Ways out; one with an empty URL is not used."""

    whmcs_url: str = ""  # https://billing.example/includes/api.php
    whmcs_identifier: str = ""
    whmcs_secret: str = field(default="", repr=False)
    whmcs_access_key: str = field(default="", repr=False)
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)
    smtp_host: str = ""
    smtp_port: int = 0
    smtp_tls: str = "starttls"  # implicit, starttls, or none on loopback
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    smtp_ca_file: str = ""  # roots of the mail server's certificate; empty: the system's
    mail_from: str = ""

    def configured(self) -> tuple[str, ...]:
        """Return the names of the channels that can be used."""
        ways = {"ticket": self.whmcs_url, "webhook": self.webhook_url, "email": self.smtp_host}
        return tuple(name for name, place in ways.items() if place)


def from_environment(environment: Mapping[str, str] | None = None) -> Channels:
    """Read the channels; InvalidInput names the variable that is missing or cannot be used."""
    env = os.environ if environment is None else environment
    return Channels(
        whmcs_url=_url(env, "TENANTRY_WHMCS_URL"),
        whmcs_identifier=_beside(env, "TENANTRY_WHMCS_URL", "TENANTRY_WHMCS_IDENTIFIER"),
        whmcs_secret=_beside(env, "TENANTRY_WHMCS_URL", "TENANTRY_WHMCS_SECRET"),
        whmcs_access_key=env.get("TENANTRY_WHMCS_ACCESS_KEY", ""),
        webhook_url=_url(env, "TENANTRY_WEBHOOK_URL"),
        webhook_secret=_beside(env, "TENANTRY_WEBHOOK_URL", "TENANTRY_WEBHOOK_SECRET"),
        **_smtp(env),
    )


def _url(env: Mapping[str, str], name: str) -> str:
    text = env.get(name, "")
    parts = _split(name, text)
    if not text or parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return text
    raise InvalidInput(name, "is no https:// address", "give https://host/path; http:// only on loopback")


def _beside(env: Mapping[str, str], place: str, name: str) -> str:
    if env.get(place) and not env.get(name):
        raise InvalidInput(name, f"is not set although {place} is", f"set it, or remove {place}")
    return env.get(name, "")


def _smtp(env: Mapping[str, str]) -> dict[str, Any]:
    text = env.get("TENANTRY_SMTP_URL", "")
    if not text:
        return {}
    parts = _split("TENANTRY_SMTP_URL", text)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise InvalidInput("TENANTRY_SMTP_URL", "cannot be read", "give smtp://user:password@host:587 or smtps://…:465")
    implicit = parts.scheme == "smtps"
    plain = "none" if parts.hostname in _LOOPBACK else "starttls"
    return {
        "smtp_host": parts.hostname,
        "smtp_port": parts.port or (465 if implicit else 587),
        "smtp_tls": "implicit" if implicit else plain,
        "smtp_user": unquote(parts.username or ""),
        "smtp_password": unquote(parts.password or ""),
        "smtp_ca_file": _readable(env, "TENANTRY_SMTP_CA_FILE"),
        "mail_from": _beside(env, "TENANTRY_SMTP_URL", "TENANTRY_MAIL_FROM"),
    }


def _readable(env: Mapping[str, str], name: str) -> str:
    file = env.get(name, "")
    if file and not os.access(file, os.R_OK):
        raise InvalidInput(name, f"{file} cannot be read", "give a PEM file that this user may read, or leave it out")
    return file


def _split(name: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        raise InvalidInput(name, "cannot be read as an address", "give scheme://host/path") from None
    return parts
