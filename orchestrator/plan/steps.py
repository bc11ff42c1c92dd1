"""Single steps. A step's key names its object and its server: the node compares attempts at the same object by it."""

from __future__ import annotations

import hashlib
from typing import Any

from orchestrator.core.records import StepSpec
from orchestrator.plan.objects import AliasView, CronView, DatabaseView, MailboxView, SftpView

_KEY_MAXIMUM = 160  # characters of tasks.step


def of(action: str, server: str, *needs: StepSpec, name: str = "", params: dict[str, Any] | None = None) -> StepSpec:
    """Return a step of an action that concerns the whole service, or one ``name`` of it."""
    return StepSpec(
        key=_key(action, name, server), action=action, server=server, params=params or {}, needs=keys(needs)
    )


def keys(steps: tuple[StepSpec, ...]) -> tuple[str, ...]:
    """Return the keys of steps."""
    return tuple(step.key for step in steps)


def _key(what: str, label: str, server: str) -> str:
    """Return the key of a step; a label that is too long for the column has its digest there."""
    key = f"{what}:{label}@{server}" if label else f"{what}@{server}"
    if len(key) <= _KEY_MAXIMUM:
        return key
    return f"{what}:{hashlib.sha256(label.encode()).hexdigest()}@{server}"


def _object(noun: str, removing: bool, server: str, label: str, needs: tuple[StepSpec, ...], **params: Any) -> StepSpec:
    """Return the step that makes or removes one object; both have the same key, so the newer one wins on the node."""
    action = f"{noun}_{'absent' if removing else 'present'}"
    return StepSpec(key=_key(noun, label, server), action=action, server=server, params=params, needs=keys(needs))


def mailbox_step(server: str, box: MailboxView, *needs: StepSpec) -> StepSpec:
    """Return the step of one mailbox."""
    params = {"local_part": box.local_part, "domain": box.domain}
    return _object("mail.mailbox", box.removing, server, box.address, needs, **params)


def alias_step(server: str, alias: AliasView, *needs: StepSpec) -> StepSpec:
    """Return the step of one mail alias."""
    params = {"local_part": alias.local_part, "domain": alias.domain}
    return _object("mail.alias", alias.removing, server, alias.address, needs, **params)


def database_step(server: str, one: DatabaseView, *needs: StepSpec) -> StepSpec:
    """Return the step of one database."""
    return _object("web.database", one.removing, server, one.name, needs, name=one.name)


def sftp_step(server: str, one: SftpView, *needs: StepSpec) -> StepSpec:
    """Return the step of one SFTP login."""
    return _object("web.sftp", one.removing, server, one.name, needs, name=one.name)


def cron_step(server: str, one: CronView, *needs: StepSpec) -> StepSpec:
    """Return the step of one cron job."""
    return _object("web.cron", one.removing, server, one.name, needs, name=one.name)


def record_step(server: str, record: str, *needs: str, removing: bool = False) -> StepSpec:
    """Return the step of one RRset on one DNS server; ``record`` is "dkim", "vanity" or "NAME TYPE"."""
    action = "dns.record_absent" if removing else "dns.record_present"
    key = _key("dns.record", record, server)
    return StepSpec(key=key, action=action, server=server, params={"record": record}, needs=needs)
