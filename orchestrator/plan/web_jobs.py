"""The parameters of the steps on a web server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from orchestrator.core.errors import Conflict, InvalidInput
from orchestrator.core.records import Json
from orchestrator.plan import pages
from orchestrator.plan.objects import CronView, DatabaseView, SftpView
from orchestrator.plan.snapshot import ServiceView

_Params = Mapping[str, Any]
_Named = TypeVar("_Named", DatabaseView, SftpView, CronView)


def named(objects: Iterable[_Named], params: _Params, what: str, removing: bool = False) -> _Named:
    """Return the object of this service that a step names; Conflict when a newer request wants the opposite of it."""
    for one in objects:
        if one.name == params.get("name"):
            require(one.removing is removing, f"{what} {one.name}")
            return one
    raise InvalidInput(what, "this service has no such object", f"create it with web.{what}_present")


def require(is_wanted: bool, what: str) -> None:
    """Refuse an old step that was tried again after a newer request."""
    if not is_wanted:
        raise Conflict(f"{what}: a newer request wants the opposite of this step; nothing was changed")


def _package(service: ServiceView, _: _Params) -> Json:
    names = ("bandwidth_mb", "inodes", "databases", "mailboxes", "sftp_accounts", "cron_jobs", "dns_records")
    limits = {name: service.limits[name] for name in names}
    limits |= {"disk_mb": service.limits["web_disk_mb"], "php_version": service.limits["php_version"]}
    limits |= {name: service.limits[name] for name in ("php_memory_mb", "php_workers")}
    return {"username": service.username, "uid": service.uid, "limits": limits}


def _user(service: ServiceView, _: _Params) -> Json:
    return {"username": service.username, "uid": service.uid}


def _domain(service: ServiceView, _: _Params) -> Json:
    return {
        "username": service.username,
        "domain": service.domain,
        "names": service.site_names,
        "document_root": "www",
    }


def _php(service: ServiceView, params: _Params) -> Json:
    """A version that a step names is on trial: it becomes the service's when the step has succeeded."""
    return {
        "username": service.username,
        "version": params.get("version", service.php_version),
        "memory_mb": service.limits["php_memory_mb"],
        "workers": service.limits["php_workers"],
    }


def _proxy(service: ServiceView, params: _Params) -> Json:
    """A template that a step names is on trial, as a PHP version is."""
    template = params.get("template", service.proxy_template)
    upstream = params.get("upstream", service.proxy_upstream) or None
    return {"username": service.username, "template": template, "upstream": upstream}


def _database(service: ServiceView, params: _Params) -> Json:
    one = named(service.databases, params, "database")
    return {"username": service.username, "name": one.name, "password_hash": one.password_hash}


def _sftp(service: ServiceView, params: _Params) -> Json:
    one = named(service.sftp_accounts, params, "sftp")
    return {
        "username": service.username,
        "name": one.name,
        "password_hash": one.password_hash or None,
        "public_keys": list(one.public_keys),
        "folder": one.folder,
    }


def _cron(service: ServiceView, params: _Params) -> Json:
    one = named(service.cron_jobs, params, "cron")
    return {
        "username": service.username,
        "name": one.name,
        "schedule": one.schedule,
        "command": one.command,
        "enabled": one.enabled,
    }


def _absent(field: str, what: str) -> Callable[[ServiceView, _Params], Json]:
    """Return the builder of a removal; only an object whose row says so is removed."""

    def build(service: ServiceView, params: _Params) -> Json:
        one = named(getattr(service, field), params, what, removing=True)
        return {"username": service.username, "name": one.name}

    return build


def _suspended(service: ServiceView, _: _Params) -> Json:
    require(service.is_web_off, "web account")
    policy = service.suspension
    page = pages.suspended(policy.page, service.domain)
    return {"username": service.username, "page": page, "retry_after": policy.retry_after}


def _active(service: ServiceView, _: _Params) -> Json:
    """Refused while anything holds the account: the end of one reason to suspend it is not the end of the other."""
    require(not service.is_web_off, "web account")
    return {"username": service.username}


def _domain_absent(service: ServiceView, params: _Params) -> Json:
    return {"username": service.username, "domain": own_domain(service, params)}


def own_domain(service: ServiceView, params: _Params) -> str:
    """Return a domain that is, or was, this service's; the present one when the step names none."""
    name = params.get("domain", service.domain)
    if name not in (service.domain, *service.former_domains):
        raise InvalidInput("domain", "is not this service's", "ask for a service.* action")
    return str(name)


BUILDERS: Mapping[str, Callable[[ServiceView, _Params], Json]] = {
    "web.package_present": _package,
    "web.user_present": _user,
    "web.domain_present": _domain,
    "web.php_present": _php,
    "web.proxy_present": _proxy,
    "web.database_present": _database,
    "web.database_absent": _absent("databases", "database"),
    "web.sftp_present": _sftp,
    "web.sftp_absent": _absent("sftp_accounts", "sftp"),
    "web.cron_present": _cron,
    "web.cron_absent": _absent("cron_jobs", "cron"),
    "web.account_suspended": _suspended,
    "web.account_active": _active,
    "web.domain_absent": _domain_absent,
    "web.account_absent": _user,
}
