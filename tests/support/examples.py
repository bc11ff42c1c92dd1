"""The example jobs that stand beside the playbooks, in the order in which a service needs them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
ORDER = (
    "web.package_present",
    "web.user_present",
    "web.domain_present",
    "web.php_present",
    "web.proxy_present",
    "web.database_present",
    "web.sftp_present",
    "web.cron_present",
    "web.challenge_present",
    "web.certificate_present",
    "web.account_suspended",
    "web.account_active",
    "web.certificate_absent",
    "web.cron_absent",
    "web.sftp_absent",
    "web.database_absent",
    "web.domain_absent",
    "web.account_absent",
    "mail.domain_present",
    "mail.dkim_present",
    "mail.mailbox_present",
    "mail.alias_present",
    "mail.certificate_present",
    "mail.account_suspended",
    "mail.account_active",
    "mail.certificate_absent",
    "mail.domain_renamed",
    "mail.alias_absent",
    "mail.mailbox_absent",
    "mail.domain_absent",
    "dns.zone_present",
    "dns.records_present",
    "dns.record_present",
    "dns.challenge_present",
    "dns.challenge_absent",
    "dns.zone_withdrawn",
    "dns.zone_served",
    "dns.record_absent",
    "dns.zone_absent",
)


def job(action: str) -> dict[str, Any]:
    """Return the example job of an action."""
    found: dict[str, Any] = json.loads((PLAYBOOKS / "examples" / f"{action.replace('.', '_')}.json").read_text())
    return found


def params(action: str) -> dict[str, Any]:
    """Return the parameters of an example job."""
    return dict(job(action)["params"])


def steps() -> list[str]:
    """Return every action that has a playbook, less those of a server as a whole."""
    found = [f"{path.parent.name}.{path.stem}" for path in PLAYBOOKS.glob("*/*.yml") if path.parent.name != "_tasks"]
    return [action for action in found if not action.startswith("server.")]


def texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every text inside a JSON value."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from texts(inner, (*path, number))


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Return a copy of a JSON value with one place replaced."""
    if not path:
        return new
    head, *rest = path
    if isinstance(value, list):
        return [replaced(one, tuple(rest), new) if number == head else one for number, one in enumerate(value)]
    return {key: replaced(one, tuple(rest), new) if key == head else one for key, one in value.items()}
