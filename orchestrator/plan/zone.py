"""The default record set of a zone, and its serial.

A record whose placeholder is empty (no mail role, no IPv6 address, no DKIM key yet) is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from orchestrator.plan.objects import RRset
from orchestrator.plan.snapshot import ServerView, ServiceView

# RFC 1912 section 2.2 recommends values of this order for a zone whose servers are updated at once.
SOA_TIMERS = {"refresh": 7200, "retry": 3600, "expire": 1209600, "minimum": 3600}


def nameservers(service: ServiceView) -> list[tuple[str, ServerView]]:
    """Return (absolute name, server) of every DNS server: its host name, or ns1, ns2… inside the zone without one."""
    return [
        (f"{server.hostname}." if server.hostname else f"ns{number}.{service.domain}.", server)
        for number, server in enumerate(service.dns, start=1)
    ]


def default_rrsets(service: ServiceView) -> list[RRset]:
    """Return the records that every zone of ours has, less the apex SOA and NS, which the zone's own step writes."""
    zone = f"{service.domain}."
    records: list[tuple[str, str, Iterable[str]]] = []
    for name, server in nameservers(service):
        if name.endswith(f".{zone}"):
            records += _addresses(name, server)
    if service.web:
        for name in (zone,) if service.begins_with_www else (zone, f"www.{zone}"):
            records += _addresses(name, service.web)
        for alias in inside(service.aliases, zone):
            records += _addresses(alias, service.web)
    if service.mail:
        records += _mail_records(zone, service, service.mail)
    rrsets = [
        RRset(name=name, type=kind, ttl=service.dns_ttl, records=tuple(values))
        for name, kind, values in records
        if any(values)
    ]
    taken = {(rrset.name, rrset.type) for rrset in service.custom_records}
    return [rrset for rrset in rrsets if (rrset.name, rrset.type) not in taken]


def inside(names: Iterable[str], zone: str) -> list[str]:
    """Return the names below a zone, absolute; a name elsewhere is its owner's to point here."""
    return [f"{name}." for name in names if f"{name}.".endswith(f".{zone}")]


def own_names(service: ServiceView) -> set[str]:
    """Return the names for which the zone has records of its own, absolute; those of further domains are not among them."""
    plain = replace(service, aliases=(), custom_records=())
    return {one.name for one in default_rrsets(plain)} | reserved_names(service)


def reserved_names(service: ServiceView) -> set[str]:
    """Return the names that no customer may touch: without its name servers or signing key the whole zone suffers."""
    apex = f"{service.domain}."
    hosts = {name for name, _ in nameservers(service) if name.endswith(f".{apex}")}
    return hosts | {dkim_name(service)}


def wanted_rrsets(service: ServiceView) -> list[RRset]:
    """Return the default records and the customer's own, less the DKIM key's."""
    return [*default_rrsets(service), *service.custom_records]


def unwanted_keys(service: ServiceView) -> list[tuple[str, str]]:
    """Return the names and types that the customer has taken away and nothing else has a use for."""
    aliases = inside(service.former_aliases, f"{service.domain}.")
    gone = [one.key for one in service.removed_records] + [(name, kind) for name in aliases for kind in ("A", "AAAA")]
    wanted = {one.key for one in wanted_rrsets(service)}
    dkim = dkim_rrset(service)
    return [key for key in dict.fromkeys(gone) if key not in wanted and not (dkim and key == dkim.key)]


def vanity_keys(service: ServiceView) -> list[tuple[str, str]]:
    """Return the name and types of a vanity service's one record under its parent."""
    return [(f"{service.domain}.", "A"), (f"{service.domain}.", "AAAA")]


def vanity_rrsets(service: ServiceView) -> list[RRset]:
    """Return a vanity service's one record: the addresses of its web server."""
    records = _addresses(f"{service.domain}.", service.web) if service.web else []
    return [RRset(name=name, type=kind, ttl=service.dns_ttl, records=tuple(v)) for name, kind, v in records if v]


def _addresses(name: str, server: ServerView) -> list[tuple[str, str, list[str]]]:
    return [(name, "A", [server.ipv4] if server.ipv4 else []), (name, "AAAA", [server.ipv6] if server.ipv6 else [])]


def _mail_records(zone: str, service: ServiceView, server: ServerView) -> list[tuple[str, str, Iterable[str]]]:
    hosts = ("mail", "webmail", "autoconfig", "autodiscover", "mta-sts")
    domain = service.domain
    return [
        *(record for host in hosts for record in _addresses(f"{host}.{zone}", server)),
        (zone, "MX", [f"10 mail.{zone}"]),
        (zone, "TXT", [_spf(service)]),
        (f"_dmarc.{zone}", "TXT", [f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"]),  # RFC 7489
        (f"_mta-sts.{zone}", "TXT", [f"v=STSv1; id={_policy_id(service)}"]),  # RFC 8461
        (f"_smtp._tls.{zone}", "TXT", [f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"]),  # RFC 8460
        (f"_submissions._tcp.{zone}", "SRV", [f"0 1 465 mail.{zone}"]),  # RFC 6186, RFC 8314
        (f"_imaps._tcp.{zone}", "SRV", [f"0 1 993 mail.{zone}"]),
    ]


def _spf(service: ServiceView) -> str:
    """RFC 7208: the web server sends too (forms); softfail, because customers forward."""
    return "v=spf1 mx a ~all" if service.web else "v=spf1 mx ~all"


def _policy_id(service: ServiceView) -> str:
    """An id that changes only when the policy does: it names the mail host and the mode."""
    return hashlib.sha256(f"testing mail.{service.domain}".encode()).hexdigest()[:16]


def dkim_name(service: ServiceView) -> str:
    """Return the absolute name of the signing key's record (RFC 6376 section 3.6.2.1)."""
    return f"{service.dkim_selector}._domainkey.{service.domain}."


def dkim_rrset(service: ServiceView) -> RRset | None:
    """Return the DKIM key's record (RFC 6376 section 3.6.1), None while there is no key."""
    if not service.dkim_public_key:
        return None
    return RRset(
        name=dkim_name(service),
        type="TXT",
        ttl=service.dns_ttl,
        records=(f"v=DKIM1; k=rsa; p={service.dkim_public_key}",),
    )


def digest(service: ServiceView) -> str:
    """Return a fingerprint of everything the zone holds; the serial grows when it changes."""
    dkim = dkim_rrset(service)
    rrsets = [*wanted_rrsets(service), *([dkim] if dkim else [])]
    names = sorted(name for name, _ in nameservers(service))
    listed = sorted([rrset.name, rrset.type, rrset.ttl, sorted(rrset.records)] for rrset in rrsets)
    return hashlib.sha256(json.dumps([names, service.hostmaster, listed]).encode()).hexdigest()


def vanity_digest(service: ServiceView) -> str:
    """Return a fingerprint of what a vanity service should have in its parent's zone."""
    found = [] if service.hides_record else vanity_rrsets(service)
    listed = sorted([one.name, one.type, one.ttl, sorted(one.records)] for one in found)
    return hashlib.sha256(json.dumps(["vanity", listed]).encode()).hexdigest()


def next_serial(current: int, now: datetime) -> int:
    """Return the serial after ``current``: YYYYMMDDnn (RFC 1912 section 2.2), or one more when those are used up."""
    return max(current + 1, int(now.strftime("%Y%m%d")) * 100 + 1)


def hostmaster_name(address: str, domain: str) -> str:
    """Return the SOA's RNAME (RFC 1035 section 3.3.13) of a mail address, hostmaster@ the domain when it is empty."""
    local, _, host = (address or f"hostmaster@{domain}").partition("@")
    return f"{local.replace('.', chr(92) + '.')}.{host}."
