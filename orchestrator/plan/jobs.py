"""What a playbook reads: the job's parameters, derived from the service's own rows at the moment the step runs.

A task row never carries them. So a row that somebody else inserted cannot name another service's user, path or zone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Json
from orchestrator.plan import zone
from orchestrator.plan.snapshot import MailboxView, RRset, ServiceView

_Builder = Callable[[ServiceView, Mapping[str, Any]], Json]


def build(action: str, service: ServiceView, params: Mapping[str, Any], fence_key: str, token: int) -> Json:
    """Return the job of one step; see docs/reference/job-file.md."""
    return {
        "action": action,
        "service": {"id": service.id, "owner": service.owner},
        "fence": {"service": service.id, "generation": service.generation, "key": fence_key, "token": token},
        "params": _BUILDERS[action](service, params),
    }


def server_job(action: str, params: Mapping[str, Any]) -> Json:
    """Return the job of a step that concerns a server and no service."""
    return {"action": action, "params": dict(params)}


def _package(service: ServiceView, _: Mapping[str, Any]) -> Json:
    names = ("bandwidth_mb", "inodes", "databases", "mailboxes", "sftp_accounts", "cron_jobs", "dns_records")
    limits = {name: service.limits[name] for name in names}
    limits |= {"disk_mb": service.limits["web_disk_mb"], "php_version": service.php_version}
    limits |= {name: service.limits[name] for name in ("php_memory_mb", "php_workers")}
    return {"username": service.username, "uid": service.uid, "limits": limits}


def _user(service: ServiceView, _: Mapping[str, Any]) -> Json:
    return {"username": service.username, "uid": service.uid}


def _domain(service: ServiceView, _: Mapping[str, Any]) -> Json:
    names = [service.domain, f"www.{service.domain}", *service.aliases]
    return {"username": service.username, "domain": service.domain, "names": names, "document_root": "www"}


def _php(service: ServiceView, _: Mapping[str, Any]) -> Json:
    return {
        "username": service.username,
        "version": service.php_version,
        "memory_mb": service.limits["php_memory_mb"],
        "workers": service.limits["php_workers"],
    }


def _proxy(service: ServiceView, _: Mapping[str, Any]) -> Json:
    upstream = service.proxy_upstream or None
    return {"username": service.username, "template": service.proxy_template, "upstream": upstream}


def _mail_domain(service: ServiceView, _: Mapping[str, Any]) -> Json:
    limits = service.limits
    return {"domain": service.domain, "quota_mb": limits["mail_disk_mb"], "mailboxes": limits["mailboxes"]}


def _dkim(service: ServiceView, _: Mapping[str, Any]) -> Json:
    return {"domain": service.domain, "selector": service.dkim_selector, "bits": 2048}


def _mailbox(service: ServiceView, params: Mapping[str, Any]) -> Json:
    box = _find_mailbox(service, params)
    return {
        "domain": box.domain,
        "local_part": box.local_part,
        "password_hash": "{BLF-CRYPT}" + box.password_hash,
        "quota_mb": box.quota_mb,
        "display_name": box.display_name or None,
    }


def _find_mailbox(service: ServiceView, params: Mapping[str, Any]) -> MailboxView:
    wanted = (params.get("local_part"), params.get("domain"))
    for box in service.mailboxes:
        if (box.local_part, box.domain) == wanted:
            return box
    raise InvalidInput("mailbox", "this service has no such mailbox", "create it with mail.mailbox_present")


def _zone(service: ServiceView, _: Mapping[str, Any]) -> Json:
    servers = [name for name, _ in zone.nameservers(service)]
    rname = zone.hostmaster_name(service.hostmaster, service.domain)
    return {
        "zone": f"{service.domain}.",
        "nameservers": servers,
        "soa": {"mname": servers[0], "rname": rname, **zone.SOA_TIMERS},
        "serial": service.zone_serial,
    }


def _records(service: ServiceView, _: Mapping[str, Any]) -> Json:
    return _rrsets(service, zone.default_rrsets(service))


def _record(service: ServiceView, params: Mapping[str, Any]) -> Json:
    if params.get("record") == "dkim":
        rrset = zone.dkim_rrset(service)
        return _rrsets(service, [rrset] if rrset else [])
    for rrset in service.custom_records:
        if f"{rrset.name} {rrset.type}" == params.get("record"):
            return _rrsets(service, [rrset])
    raise InvalidInput("record", "this service has no such record", "create it with dns.record_present")


def _rrsets(service: ServiceView, rrsets: list[RRset]) -> Json:
    listed = [{"name": one.name, "type": one.type, "ttl": one.ttl, "records": list(one.records)} for one in rrsets]
    return {"zone": f"{service.domain}.", "serial": service.zone_serial, "rrsets": listed, "remove": []}


_BUILDERS: Mapping[str, _Builder] = {
    "web.package_present": _package,
    "web.user_present": _user,
    "web.domain_present": _domain,
    "web.php_present": _php,
    "web.proxy_present": _proxy,
    "mail.domain_present": _mail_domain,
    "mail.dkim_present": _dkim,
    "mail.mailbox_present": _mailbox,
    "dns.zone_present": _zone,
    "dns.records_present": _records,
    "dns.record_present": _record,
}
