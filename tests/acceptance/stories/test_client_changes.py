"""Everything a customer may change on an active service, from a row to what is seen from outside, and back again."""

from __future__ import annotations

import time
from typing import Any

import pytest

from demo import outside
from demo.installation import GROUP, Installation
from lab import access
from tests.acceptance.stories import world

pytestmark = pytest.mark.lab
SERVICE, DOMAIN = 1001, "shop.test"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM/lEt8zLQcKMG70lLf/sLuiIpeBussROxYLVwo2uURW"
Change = tuple[str, dict[str, Any]]
FURTHER: Change = ("web.domain_present", {"domain": "blog.shop.test"})
PRESENT: list[Change] = [
    ("web.domain_present", {"domain": "other.test"}),
    ("web.database_present", {"name": "blog"}),
    ("web.sftp_present", {"name": "up", "public_keys": [f"{KEY} me@home"]}),
    ("web.cron_present", {"name": "nightly", "schedule": "30 4 * * mon-fri", "command": 'echo 100% > "$HOME/www/x"'}),
    ("mail.mailbox_present", {"local_part": "info", "display_name": "Zoë {{ 7*7 }}"}),
    ("mail.alias_present", {"local_part": "sales", "destinations": ["info@shop.test"]}),
    ("dns.record_present", {"name": "www", "type": "A", "records": ["192.0.2.7"], "ttl": 600}),
    ("dns.record_present", {"name": "x", "type": "TXT", "records": ['say "hi" {{ 7*7 }} \\']}),
    ("dns.record_present", {"name": "y", "type": "CNAME", "records": ["host.example."]}),
    ("dns.record_present", {"name": "_sip._tcp", "type": "SRV", "records": ["0 1 5060 sip.example."]}),
    ("dns.record_present", {"name": "@", "type": "CAA", "records": ['0 issue "ca.example"']}),
    ("web.proxy_present", {"template": "static"}),
    ("web.php_present", {"version": "8.2"}),
]
NAMES = ("domain", "name", "local_part", "type")
SETTINGS = ("web.proxy_present", "web.php_present")
SECRET = ("web.database_present", "mail.mailbox_present")


def ask(site: Installation, *asked: Change) -> None:
    """Insert rows together, one for each change, and wait until everything that they led to is done."""
    since = newest(site)
    for action, params in asked:
        secret = {"password_sealed": world.sealed(site, world.PASSWORD)} if action in SECRET else {}
        world.insert(site, SERVICE, params | secret, action)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        listed = site.json("task", "list", "--service", str(SERVICE), "--limit", "200")
        rows = [one for one in listed if one["id"] > since]
        assert not [one for one in rows if one["status"] in ("error", "cancelled")], rows
        if rows and all(one["status"] == "done" for one in rows):
            return
        time.sleep(0.2)
    raise AssertionError(f"not done: {[one for one in rows if one['status'] != 'done']}")


def removal(change: Change) -> Change:
    """Return what takes a change back."""
    action, params = change
    return action.replace("_present", "_absent"), {key: value for key, value in params.items() if key in NAMES}


def newest(site: Installation) -> int:
    """Return the number of the newest task."""
    return max(one["id"] for one in site.json("task", "list", "--limit", "1"))


def outcomes(site: Installation, since: int) -> set[str]:
    """Return how the attempts on nodes ended since a task."""
    entries = site.json("log", "--service", str(SERVICE), "--limit", "500")
    return {one["outcome"] for one in entries if one["kind"] == "attempt" and one["server"] and one["task_id"] > since}


def test_every_change_comes_shows_itself_and_goes(site: Installation) -> None:
    limits = [f"{name}=5" for name in ("databases", "sftp_accounts", "cron_jobs", "dns_records", "mailboxes")]
    site.tenantry("package", "add", "roomy", *(word for limit in limits for word in ("--limit", limit)))
    world.insert(site, SERVICE, world.order(site, DOMAIN, package="roomy", group=GROUP))
    site.await_service(SERVICE)
    world.assert_live(site, DOMAIN)
    ask(site, *PRESENT)
    ask(site, FURTHER)  # the names of a site are set as a whole: at once, the one request would take the other's place
    assert_seen(site)
    since = newest(site)
    ask(site, *(one for one in PRESENT if one[0] not in SECRET))  # a password has another salt each time
    assert outcomes(site, since) == {"ok"}
    ask(
        site,
        *map(removal, (one for one in PRESENT if one[0] not in SETTINGS)),
        ("web.proxy_present", {"template": "php"}),
    )
    ask(site, removal(FURTHER))
    assert_gone(site)
    world.assert_live(site, DOMAIN)
    since = newest(site)
    assert site.tenantry("service", "repair", str(SERVICE), "--wait").returncode == 0
    assert outcomes(site, since) == {"ok"}


def on(site: Installation, node: str, command: str) -> str:
    """Return what a command on a node says; nothing when it fails."""
    return access.on(site.lab, node, "sh", "-c", command, check=False).stdout


def assert_seen(site: Installation) -> None:
    """What was asked for is there, as seen from outside or on the node."""
    web, mail = world.address(site, "web1"), world.address(site, "mail1")
    for name in ("other.test", "blog.shop.test"):
        assert outside.page(web, name)[0] == 200
    for server in (world.address(site, one) for one in ("dns1", "dns2")):
        assert outside.dig(server, "www.shop.test", "A") == ["600 A 192.0.2.7"]
        assert outside.dig(server, "blog.shop.test", "A") == [f"3600 A {web}"]
        assert outside.dig(server, "x.shop.test", "TXT") == ['3600 TXT "say \\"hi\\" {{ 7*7 }} \\\\"']
        assert outside.dig(server, "y.shop.test", "CNAME") == ["3600 CNAME host.example."]
        assert outside.dig(server, "_sip._tcp.shop.test", "SRV") == ["3600 SRV 0 1 5060 sip.example."]
        assert outside.dig(server, "shop.test", "CAA") == ['3600 CAA 0 issue "ca.example"']
    identity = outside.send(mail, "postmaster@shop.test", world.PASSWORD, "sales@shop.test", "hello\n")
    assert outside.read(mail, "info@shop.test", world.PASSWORD, identity)
    assert "w1001_blog" in on(site, "web1", "mariadb -Ne 'show databases'")
    assert "w1001_up" in on(site, "web1", "getent passwd w1001_up")
    assert "tenantry-cron-w1001-nightly.timer" in on(site, "web1", "systemctl list-timers --no-pager --plain")


def assert_gone(site: Installation) -> None:
    """Nothing of it is left."""
    for server in (world.address(site, one) for one in ("dns1", "dns2")):
        assert outside.dig(server, "www.shop.test", "A") == [f"3600 A {world.address(site, 'web1')}"]
        for name, kind in (("blog", "A"), ("x", "TXT"), ("y", "CNAME"), ("_sip._tcp", "SRV")):
            with pytest.raises(outside.Unproven, match="NXDOMAIN"):
                outside.dig(server, f"{name}.shop.test", kind)
        assert outside.dig(server, "shop.test", "CAA") == []
    assert "w1001_blog" not in on(site, "web1", "mariadb -Ne 'show databases; select user from mysql.user'")
    assert on(site, "web1", "getent passwd w1001_up") == ""
    assert on(site, "web1", "ls /etc/systemd/system | grep cron-w1001") == ""
