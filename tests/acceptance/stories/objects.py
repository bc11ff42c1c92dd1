"""One object of every kind that a customer can add, made through the queue."""

from __future__ import annotations

from demo.installation import Installation
from tests.acceptance.stories import rows, world

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvXqvJ1c0Wl1r2jTn0o8iK0xQwqvHk4pFzP3o1e9aB"


def add_every_kind(site: Installation, service: int, domain: str = "shop.test") -> None:
    """Give a service a database, an SFTP login, a cron job, a mailbox, an alias, a record and an alias domain."""
    secret = {"password_sealed": world.sealed(site, world.PASSWORD)}
    wishes = {
        "web.database_present": {"name": "shop", **secret},
        "web.sftp_present": {"name": "up", "public_keys": [KEY], **secret},
        "web.cron_present": {"name": "tick", "schedule": "17 4 1 1 *", "command": "true"},
        "mail.mailbox_present": {"local_part": "info", **secret},
        "mail.alias_present": {"local_part": "sales", "destinations": [f"info@{domain}"]},
        "dns.record_present": {"name": "api", "type": "A", "ttl": 300, "records": ["192.0.2.7"]},
        "web.domain_present": {"domain": f"blog.{domain}"},
    }
    for action, params in wishes.items():
        rows.done(site, service, action, params)
