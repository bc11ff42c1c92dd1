"""Builders of the planner's views."""

from __future__ import annotations

from typing import Any

from orchestrator.plan import limits
from orchestrator.plan.snapshot import MailboxView, ServerView, ServiceView


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
