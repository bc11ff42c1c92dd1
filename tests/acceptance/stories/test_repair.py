"""Whatever somebody does to an object by hand: repair names exactly that object, mends only it, and then finds nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from demo.installation import Installation
from lab import access
from tests.acceptance.stories import objects, rows, world

pytestmark = pytest.mark.lab

NGINX = "/etc/nginx/tenantry"
TABLES = "/var/lib/tenantry/mail"
API = "http://127.0.0.1:8081/api/v1/servers/localhost/zones/shop.test."


class Damage(NamedTuple):
    """What somebody does to an object, and the step that has to notice."""

    node: str
    command: str
    step: str


def sql(table: str, statement: str) -> str:
    code = f"import sqlite3; c = sqlite3.connect('{TABLES}/{table}.sqlite'); c.execute({statement!r}); c.commit()"
    return f"python3 - <<'END'\n{code}\nEND"


def patch(name: str, kind: str, change: str, **more: Any) -> str:
    rrset = {"name": name, "type": kind, "changetype": change, **more}
    body = json.dumps({"rrsets": [rrset]})
    return f"curl -sf -X PATCH -H \"X-API-Key: $(cat /etc/powerdns/tenantry-api.key)\" -d '{body}' {API}"


def edited(name: str, kind: str, content: str) -> str:
    return patch(name, kind, "REPLACE", ttl=60, records=[{"content": content, "disabled": False}])


DELETED = (
    Damage("web1", f"rm {NGINX}/sites/shop.test.conf", "web.domain_present"),
    Damage("web1", f"rm {NGINX}/proxy/w1001.conf", "web.proxy_present"),
    Damage("web1", f"rm {NGINX}/php/w1001.conf", "web.php_present"),
    Damage("web1", "rm /etc/systemd/system/tenantry-w1001.slice", "web.package_present"),
    Damage("web1", "rm -r /home/w1001/sessions", "web.user_present"),
    Damage("web1", "mariadb -e 'DROP DATABASE w1001_shop'", "web.database:w1001_shop"),
    Damage("web1", "userdel --force w1001_up", "web.sftp:w1001_up"),
    Damage("web1", "rm /etc/systemd/system/tenantry-cron-w1001-tick.timer", "web.cron:tick"),
    Damage(
        "mail1", sql("routing", "DELETE FROM mailboxes WHERE address = 'info@shop.test'"), "mail.mailbox:info@shop.test"
    ),
    Damage(
        "mail1", sql("routing", "DELETE FROM aliases WHERE address = 'sales@shop.test'"), "mail.alias:sales@shop.test"
    ),
    Damage("mail1", "sed -i /shop.test/d /var/lib/tenantry/dkim/selectors.map", "mail.dkim_present"),
    Damage("dns1", patch("www.shop.test.", "A", "DELETE"), "dns.records_present"),
    Damage("dns2", patch("shop.test.", "NS", "DELETE"), "dns.zone_present"),
)
EDITED = (
    Damage("web1", f"sed -i s/www.shop.test/w3.shop.test/ {NGINX}/sites/shop.test.conf", "web.domain_present"),
    Damage("web1", f"echo '# more' >>{NGINX}/proxy/w1001.conf", "web.proxy_present"),
    Damage("web1", "sed -i s/max_children/max_spawn_rate/ /etc/tenantry/web/php/8.2/w1001.conf", "web.php_present"),
    Damage("web1", "sed -i s/1024/4096/ /etc/tenantry/web/packages/w1001.json", "web.package_present"),
    Damage("web1", "usermod --shell /bin/bash w1001", "web.user_present"),
    Damage("web1", 'mariadb -e "GRANT ALL ON *.* TO w1001_shop@localhost"', "web.database:w1001_shop"),
    Damage("web1", "usermod --shell /bin/bash w1001_up", "web.sftp:w1001_up"),
    Damage("web1", "echo 'OnCalendar=daily' >>/etc/systemd/system/tenantry-cron-w1001-tick.timer", "web.cron:tick"),
    Damage(
        "mail1",
        sql("accounts", "UPDATE accounts SET quota_mb = 9 WHERE address = 'info@shop.test'"),
        "mail.mailbox:info@shop.test",
    ),
    Damage(
        "mail1",
        sql("routing", "UPDATE aliases SET active = 0 WHERE address = 'sales@shop.test'"),
        "mail.alias:sales@shop.test",
    ),
    Damage(
        "mail1", sql("routing", "UPDATE domains SET mailboxes = 99 WHERE domain = 'shop.test'"), "mail.domain_present"
    ),
    Damage("dns1", edited("api.shop.test.", "A", "192.0.2.99"), "dns.records_present"),
    Damage("dns2", edited("tenantry1._domainkey.shop.test.", "TXT", '"v=DKIM1; p="'), "dns.record:dkim"),
)
MODES = (
    Damage("web1", f"chmod 600 {NGINX}/sites/shop.test.conf", "web.domain_present"),
    Damage("web1", f"chmod 666 {NGINX}/proxy/w1001.conf", "web.proxy_present"),
    Damage("web1", "chmod 644 /etc/tenantry/web/php/8.2/w1001.conf", "web.php_present"),
    Damage("web1", "chmod 644 /etc/tenantry/web/packages/w1001.json", "web.package_present"),
    Damage("web1", "chmod 777 /home/w1001; chown w1001 /home/w1001", "web.user_present"),
    Damage("web1", "chmod 666 /etc/tenantry/web/sftp/keys/w1001_up", "web.sftp:w1001_up"),
    Damage("web1", "chmod 600 /etc/systemd/system/tenantry-cron-w1001-tick.timer", "web.cron:tick"),
    Damage("mail1", "chmod 644 /var/lib/tenantry/dkim/shop.test/*.key", "mail.dkim_present"),
)


@pytest.fixture(scope="module")
def full(site: Installation) -> Installation:
    """Return a site with a service that has an object of every kind, and a neighbour."""
    world.insert(site, 1000, world.order(site, "neighbour.test"))
    world.insert(site, 1001, world.order(site, "shop.test"))
    site.await_service(1000)
    site.await_service(1001)
    objects.add_every_kind(site, 1001)
    assert drift(site) == set()
    return site


def drift(site: Installation) -> set[tuple[str, str]]:
    """Repair the service and return (step, server) of everything that had to be mended."""
    number = rows.done(site, 1001, "service.repair")["operation_id"]
    found = rows.query(
        site, "SELECT result FROM tasks WHERE operation_id = ? AND action = 'service.status_active'", number
    )
    changed = json.loads(found[0][0])["changed"]
    assert all(one["objects"] for one in changed), changed
    return {(one["step"].rpartition("@")[0], one["server"]) for one in changed}


@pytest.mark.parametrize("damages", [DELETED, EDITED, MODES], ids=["deleted", "edited", "chmod"])
def test_repair_finds_and_mends_exactly_what_is_broken(full: Installation, damages: Sequence[Damage]) -> None:
    drift(full)  # whatever another test has left
    before = world.trees(full)
    for one in damages:
        access.on(full.lab, one.node, "sh", "-ec", one.command)
    plan = full.json("service", "plan", "1001", "repair")
    would = {(one["step"].rpartition("@")[0], one["server"]) for one in plan if one["would"] != "ok"}
    expected = {(one.step, one.node) for one in damages}
    assert expected <= would, expected - would
    assert drift(full) == expected
    assert drift(full) == set()
    assert world.difference(before, world.trees(full)) == []


CANARY = "cnry5fd1"
NO_HASH = "*" + "5EC12E7A" * 5  # as MariaDB writes one
SECRETS = (
    Damage("web1", f"usermod --password '$6${CANARY}$x' w1001_up", "web.sftp:w1001_up"),
    Damage("web1", f"mariadb -e \"SET PASSWORD FOR w1001_shop@localhost = '{NO_HASH}'\"", "web.database:w1001_shop"),
    Damage(
        "mail1",
        sql("accounts", f"UPDATE accounts SET password_hash = '{CANARY}' WHERE address = 'info@shop.test'"),
        "mail.mailbox:info@shop.test",
    ),
)


def test_a_plan_from_the_queue_shows_what_is_broken_no_secret_and_touches_nothing(full: Installation) -> None:
    drift(full)
    broken = Damage("web1", f"echo '# by hand' >>{NGINX}/proxy/w1001.conf", "web.proxy_present")
    for one in (broken, *SECRETS):
        access.on(full.lab, one.node, "sh", "-ec", one.command)
    before = world.trees(full)
    generation = full.read("SELECT generation FROM services WHERE id = 1001")
    found = rows.done(full, 1001, "service.plan", {"action": "service.repair"})
    steps = {(one["step"].rpartition("@")[0], one["server"]): one for one in found["steps"]}
    shown = steps[broken.step, broken.node]
    assert shown["would"] == "changed" and not shown["cut"]
    assert f"{NGINX}/proxy/w1001.conf" in shown["diff"] and "-# by hand" in shown["diff"]
    assert {steps[one.step, one.node]["would"] for one in SECRETS} == {"changed"}
    assert {one["would"] for one in steps.values()} <= {"ok", "changed"}, steps
    stored = full.read("SELECT result FROM tasks WHERE action = 'service.plan'")
    logged = full.read("SELECT message, detail FROM operation_log WHERE action = 'service.plan'")
    assert not any(secret in f"{stored} {logged}" for secret in (CANARY, NO_HASH, "$2b$", "$6$"))
    assert world.difference(before, world.trees(full)) == []
    assert full.read("SELECT generation FROM services WHERE id = 1001") == generation
    assert drift(full) == {(one.step, one.node) for one in (broken, *SECRETS)}
