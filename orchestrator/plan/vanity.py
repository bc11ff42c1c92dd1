"""The vanity invariant: no step of a vanity service names anything but its own subdomain, mailbox and record.

The parent domain, its mail user, its zone and every other vanity service are never touched. What is not on the lists below is
refused, and so is every parameter that is not known to be harmless. The playbooks check the same again on the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orchestrator.core.errors import Conflict
from orchestrator.core.records import Json, Plan, StepSpec
from orchestrator.plan.snapshot import ServiceView, VanityView

_Check = Callable[[ServiceView, VanityView, Any], bool]
_ADDRESS_TYPES = frozenset({"A", "AAAA"})


def _anything(_: ServiceView, __: VanityView, ___: Any) -> bool:
    return True


def _username(service: ServiceView, _: VanityView, value: Any) -> bool:
    return bool(value == service.username)


def _uid(service: ServiceView, _: VanityView, value: Any) -> bool:
    return bool(value == service.uid)


def _site(service: ServiceView, _: VanityView, value: Any) -> bool:
    return bool(value == service.domain)


def _sites(service: ServiceView, _: VanityView, value: Any) -> bool:
    return list(value) == [service.domain]


def _prefixed(service: ServiceView, _: VanityView, value: Any) -> bool:
    """A database's or login's name: no user name has an underscore, so the prefix belongs to one account."""
    return value == service.username or str(value).startswith(f"{service.username}_")


def _mail_domain(_: ServiceView, vanity: VanityView, value: Any) -> bool:
    return bool(value == vanity.mail_domain)


def _local_part(_: ServiceView, vanity: VanityView, value: Any) -> bool:
    return bool(value == vanity.name)


def _mail_user(_: ServiceView, vanity: VanityView, value: Any) -> bool:
    return bool(value == vanity.mail_user)


def _zone(_: ServiceView, vanity: VanityView, value: Any) -> bool:
    return bool(value == f"{vanity.parent}.")


def _zone_owner(_: ServiceView, vanity: VanityView, value: Any) -> bool:
    return bool(value == vanity.zone_owner)


def _records(service: ServiceView, _: VanityView, value: Any) -> bool:
    return all(one["name"] == f"{service.domain}." and one["type"] in _ADDRESS_TYPES for one in value)


_USER: Mapping[str, _Check] = {"username": _username}
_ACCOUNT = {**_USER, "uid": _uid}
_NAMED = {**_USER, "name": _prefixed}
_BOX: Mapping[str, _Check] = {"domain": _mail_domain, "local_part": _local_part, "shared_owner": _mail_user}
_RECORD: Mapping[str, _Check] = {"zone": _zone, "shared_owner": _zone_owner, "remove": _records, "serial": _anything}


def _with(checks: Mapping[str, _Check], *harmless: str) -> Mapping[str, _Check]:
    """Return checks with parameters that name nothing: they shape an object of the service's own."""
    return {**checks, **dict.fromkeys(harmless, _anything)}


_PAIR = ("certificate", "private_key", "serial", "redirect")  # of its own site, whoever's name is in it
# Every parameter of every action that a vanity service may have a step of. All the others are the parent's business.
_ALLOWED: Mapping[str, Mapping[str, _Check]] = {
    "web.package_present": _with(_ACCOUNT, "limits"),
    "web.user_present": _ACCOUNT,
    "web.account_absent": _ACCOUNT,
    "web.domain_present": _with({**_USER, "domain": _site, "names": _sites}, "document_root"),
    "web.domain_absent": {**_USER, "domain": _site},
    "web.php_present": _with(_USER, "version", "memory_mb", "workers"),
    "web.proxy_present": _with(_USER, "template", "upstream"),
    "web.database_present": _with(_NAMED, "password_hash"),
    "web.database_absent": _NAMED,
    "web.sftp_present": _with(_NAMED, "password_hash", "public_keys", "folder"),
    "web.sftp_absent": _NAMED,
    "web.cron_present": _with(_USER, "name", "schedule", "command", "enabled"),
    "web.cron_absent": _with(_USER, "name"),
    "web.account_suspended": _with(_USER, "page", "retry_after"),
    "web.account_active": _USER,
    "web.certificate_present": _with({"site": _site, "names": _sites}, *_PAIR),
    "web.certificate_absent": {"site": _site},
    "mail.mailbox_present": _with(_BOX, "password_hash", "quota_mb", "display_name", "enabled"),
    "mail.mailbox_absent": _BOX,
    "mail.account_suspended": _with({}, "policy"),
    "mail.account_active": {},
    "dns.record_present": {**_RECORD, "rrsets": _records},
    "dns.record_absent": _RECORD,
}
_MUST_HAVE = frozenset(
    ("username", "domain", "site", "local_part", "shared_owner", "zone")
)  # left out they would mean somebody else's
_LOCAL = frozenset(
    (
        "service.status_active",
        "service.status_suspended",
        "service.objects_removed",
        "service.removed",
        "service.limits_enforced",
        "service.usage_last",
        "certificate.probe",
    ),
)


def require_own(service: ServiceView, action: str, params: Json) -> None:
    """Raise Conflict when a job of a vanity service would reach beyond what is its own."""
    if not service.is_vanity:
        return
    vanity = _parent_of(service)
    checks = _ALLOWED.get(action)
    if checks is None:
        raise _refusal(service, action, "concerns what it shares with others")
    for name in sorted(_MUST_HAVE & set(checks) - set(params)):
        raise _refusal(service, action, f"lacks {name}")
    for name, value in params.items():
        if name not in checks or not checks[name](service, vanity, value):
            raise _refusal(service, action, f"names with {name} what is not its own")


def require_own_plan(service: ServiceView, plan: Plan) -> None:
    """Raise Conflict when a plan of a vanity service has a step that would reach beyond what is its own."""
    if not service.is_vanity:
        return
    _parent_of(service)
    for step in plan.steps:
        if not (_is_local(step) or _is_own(service, step)):
            raise _refusal(service, step.action, f"is not possible on {step.server or 'the orchestrator'}")


def _is_local(step: StepSpec) -> bool:
    return step.server is None and step.action in _LOCAL


def _is_own(service: ServiceView, step: StepSpec) -> bool:
    """True for an allowed step, on a server of the service, that names nothing of others."""
    vanity, area = _parent_of(service), step.action.split(".")[0]
    checks = _ALLOWED.get(step.action)
    if checks is None or step.server not in _servers(service, area):
        return False
    if area == "dns":  # a record is computed from its word; the others of a zone have words of their own
        return step.params == {"record": "vanity"}
    return all(checks[name](service, vanity, value) for name, value in step.params.items() if name in checks)


def _servers(service: ServiceView, area: str) -> Iterable[str | None]:
    places = {"web": (service.web,), "mail": (service.mail,), "dns": service.dns}
    return {server.name for server in places.get(area, ()) if server is not None}


def _parent_of(service: ServiceView) -> VanityView:
    vanity = service.vanity
    if vanity is None:
        raise Conflict(f"service {service.id} is a vanity service without a parent domain; nothing was changed")
    if not vanity.name or service.domain != f"{vanity.name}.{vanity.parent}":
        raise Conflict(f"service {service.id} has not its own name under {vanity.parent}; nothing was changed")
    return vanity


def _refusal(service: ServiceView, action: str, because: str) -> Conflict:
    return Conflict(f"service {service.id} is a vanity service: {action} {because}; nothing was changed")
