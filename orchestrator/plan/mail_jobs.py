"""The parameters of the steps on a mail server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Json
from orchestrator.plan.objects import AliasView, MailboxView
from orchestrator.plan.snapshot import ServiceView
from orchestrator.plan.web_jobs import own_domain, require

_Params = Mapping[str, Any]
_Addressed = TypeVar("_Addressed", MailboxView, AliasView)


def _find(objects: Iterable[_Addressed], params: _Params, what: str) -> _Addressed:
    wanted = (params.get("local_part"), params.get("domain"))
    for one in objects:
        if (one.local_part, one.domain) == wanted:
            return one
    raise InvalidInput(what, f"this service has no such {what}", f"create it with mail.{what}_present")


def _domain(service: ServiceView, _: _Params) -> Json:
    limits = service.limits
    return {"domain": service.domain, "quota_mb": limits["mail_disk_mb"], "mailboxes": limits["mailboxes"]}


def _renamed(service: ServiceView, params: _Params) -> Json:
    former = own_domain(service, {"domain": params.get("former")})
    return {"domain": service.domain, "former": former}


def _domain_absent(service: ServiceView, params: _Params) -> Json:
    return {"domain": own_domain(service, params)}


def _dkim(service: ServiceView, _: _Params) -> Json:
    return {"domain": service.domain, "selector": service.dkim_selector, "bits": 2048}


def _mailbox(service: ServiceView, params: _Params) -> Json:
    box = _find(service.mailboxes, params, "mailbox")
    require(not box.removing, f"mailbox {box.address}")
    job = {
        "domain": box.domain,
        "local_part": box.local_part,
        "password_hash": "{BLF-CRYPT}" + box.password_hash,
        "quota_mb": box.quota_mb,
        "display_name": box.display_name or None,
        "enabled": box.enabled,
    }
    return job | _shared(service)


def _mailbox_absent(service: ServiceView, params: _Params) -> Json:
    box = _find(service.mailboxes, params, "mailbox")
    require(box.removing or service.is_vanity, f"mailbox {box.address}")  # a vanity service goes box by box
    return {"domain": box.domain, "local_part": box.local_part} | _shared(service)


def _shared(service: ServiceView) -> Json:
    """Return who owns the mail domain when it is not the service itself."""
    return {"shared_owner": service.vanity.mail_user} if service.vanity else {}


def _alias(service: ServiceView, params: _Params) -> Json:
    one = _find(service.mail_aliases, params, "alias")
    require(not one.removing, f"alias {one.address}")
    return {
        "domain": one.domain,
        "local_part": one.local_part,
        "destinations": list(one.destinations),
        "enabled": one.enabled,
    }


def _alias_absent(service: ServiceView, params: _Params) -> Json:
    one = _find(service.mail_aliases, params, "alias")
    require(one.removing, f"alias {one.address}")
    return {"domain": one.domain, "local_part": one.local_part}


def _suspended(service: ServiceView, _: _Params) -> Json:
    return {"policy": service.suspension.mail}


def _active(service: ServiceView, _: _Params) -> Json:
    del service
    return {}


BUILDERS: Mapping[str, Callable[[ServiceView, _Params], Json]] = {
    "mail.domain_present": _domain,
    "mail.domain_renamed": _renamed,
    "mail.domain_absent": _domain_absent,
    "mail.dkim_present": _dkim,
    "mail.mailbox_present": _mailbox,
    "mail.mailbox_absent": _mailbox_absent,
    "mail.alias_present": _alias,
    "mail.alias_absent": _alias_absent,
    "mail.account_suspended": _suspended,
    "mail.account_active": _active,
}
