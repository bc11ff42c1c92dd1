"""Builders of the planner's views."""

from __future__ import annotations

from typing import Any

from orchestrator.plan import limits
from orchestrator.plan.objects import (
    AliasView,
    CertificateView,
    ChallengeView,
    CronView,
    DatabaseView,
    MailboxView,
    SftpView,
)
from orchestrator.plan.snapshot import ServerView, ServiceView, VanityView


def a_server(name: str = "web1", roles: str = "web", **more: Any) -> ServerView:
    """Return a server."""
    values: dict[str, Any] = {"id": 1, "hostname": "", "ipv4": "10.77.0.11", "ipv6": "", "status": "active"}
    return ServerView(name=name, roles=frozenset(roles.split(",")), **(values | more))


def a_service(roles: frozenset[str] = frozenset({"web", "mail", "dns"}), **more: Any) -> ServiceView:
    """Return a split service with a place for each of its roles."""
    box = MailboxView(domain="shop.test", local_part="postmaster", password_hash="$2b$x", quota_mb=1, display_name="")
    values: dict[str, Any] = {
        "id": 1001,
        "owner": "s1001",
        "domain": "shop.test",
        "aliases": (),
        "mode": "split",
        "roles": roles,
        "username": "w1001",
        "uid": 20001,
        "limits": limits.parse({}),
        "php_version": "8.2",
        "proxy_template": "php",
        "proxy_upstream": "",
        "generation": 1,
        "dkim_selector": "tenantry1",
        "dkim_public_key": "",
        "zone_serial": 2026112401,
        "hostmaster": "",
        "dns_ttl": 3600,
        "web": a_server() if "web" in roles else None,
        "mail": a_server("mail1", "mail", ipv4="10.77.0.21") if "mail" in roles else None,
        "dns": tuple(a_server(f"dns{n}", "dns", ipv4=f"10.77.0.3{n}") for n in (1, 2)) if "dns" in roles else (),
        "mailboxes": (box,) if "mail" in roles else (),
    }
    return ServiceView(**(values | more))


def a_vanity_service(name: str = "anna", number: int = 3001, **more: Any) -> ServiceView:
    """Return a vanity service under provider.test, which belongs to service 900."""
    parent = VanityView(
        parent="provider.test",
        name=name,
        mail_user="s900",
        mail_domain="provider.test",
        dns_mode="push",
        zone_owner="s900",
        zone_serial=2026112407,
    )
    box = MailboxView(domain="provider.test", local_part=name, password_hash="$2b$x", quota_mb=1, display_name="")
    values: dict[str, Any] = {
        "id": number,
        "owner": f"s{number}",
        "domain": f"{name}.provider.test",
        "mode": "vanity",
        "username": f"w{number}",
        "uid": 17000 + number,
        "vanity": parent,
        "mailboxes": (box,),
    }
    return a_service(**(values | more))


def a_full_service(removing: bool) -> ServiceView:
    """Return a service with one object of each kind, all of them wanted or all to be removed."""
    state: dict[str, Any] = {"id": 1, "removing": removing}
    address: dict[str, Any] = {"domain": "shop.test", "local_part": "postmaster", **state}
    box = MailboxView(password_hash="$2b$x", quota_mb=1, display_name="", **address)
    return a_service(
        dkim_public_key="QUJD",
        former_domains=("old.test",),
        mailboxes=(box,),
        mail_aliases=(AliasView(destinations=("a@b.test",), **address),),
        databases=(DatabaseView(name="x", password_hash="*0", **state),),
        sftp_accounts=(SftpView(name="x", password_hash="", public_keys=(), folder="www", **state),),
        certificates=tuple(
            CertificateView(role=role, names=("shop.test",), certificate="PEM", private_key="PEM", serial="1")
            for role in ("web", "mail")
        ),
        challenges=(ChallengeView(zone="shop.test.", name="x", values=("A",)),),
        account_thumbprint="A",
        cron_jobs=(CronView(name="x", schedule="@daily", command="true", enabled=True, **state),),
    )
