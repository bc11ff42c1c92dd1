"""A row that somebody else's program inserts becomes a live account: site, mail and DNS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from demo import outside
from demo.installation import Installation, Node
from tests.acceptance.stories import world
from tests.acceptance.stories.conftest import Build
from tests.conftest import require
from tests.support import mariadb

pytestmark = pytest.mark.lab


def test_a_row_from_the_sqlite3_program(site: Installation) -> None:
    world.insert(site, 1001, world.order(site, "Shop.Test."))
    told = site.tenantry("service", "timeline", "1001", "--follow").stdout  # begins before there is a service
    assert "done      Finish (service.status_active)" in told
    service = site.await_service(1001)
    assert service["domain"] == "shop.test"
    world.assert_live(site, "shop.test")


def test_strangers_get_neither_the_site_nor_its_certificate(site: Installation) -> None:
    site.await_service(1001)
    web = world.address(site, "web1")
    for name in ("unknown.test", web):
        for tls in (False, True):
            status, body = outside.page(web, name, tls=tls)
            assert status != 200 and outside.WELCOME not in body
    assert "shop.test" not in outside.certificate_names(web, "unknown.test")


def test_the_timeline_tells_every_step(site: Installation) -> None:
    site.await_service(1001)
    steps = site.json("service", "timeline", "1001")
    assert {one["status"] for one in steps} == {"done"}
    assert {one["server"] for one in steps} == {"web1", "mail1", "dns1", "dns2", None}
    assert all(one["started_at"] and one["finished_at"] for one in steps)
    parallel = {one["step"]: one for one in steps}
    assert parallel["mail.domain_present"]["started_at"] < parallel["web.proxy_present"]["started_at"]


def test_a_web_only_service_has_neither_mailbox_nor_mail_records(site: Installation) -> None:
    world.insert(site, 1002, world.order(site, "only-web.test", roles=["web", "dns"]))
    site.await_service(1002)
    status, body = outside.page(world.address(site, "web1"), "only-web.test")
    assert status == 200 and outside.WELCOME in body
    assert outside.dig(world.address(site, "dns1"), "only-web.test", "MX") == []


@pytest.fixture
def maria() -> Iterator[mariadb.MariaServer]:
    require(mariadb.missing())
    with mariadb.server() as server:
        yield server


def test_a_row_from_the_mariadb_program(build: Build, maria: mariadb.MariaServer) -> None:
    site = build(maria.url("tenantry"))
    site.start()
    params = json.dumps(world.order(site, "bücher.test")).replace("\\", "\\\\").replace("'", "''")
    statement = f"INSERT INTO tasks (action, service_id, params) VALUES ('service.create', 2001, '{params}')"
    command = ["mariadb", f"--socket={maria.socket}", "--user=root", "tenantry", "-e", statement]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert site.await_service(2001)["domain"] == "xn--bcher-kva.test"
    world.assert_live(site, "xn--bcher-kva.test")
    site.end()


def test_a_unified_server_takes_web_and_mail(build: Build) -> None:
    both = Node(name="web1", roles="web,mail")
    site = build(servers=(both, *world.NODES[2:]))
    site.start()
    site.prepare(["web1"])
    world.insert(site, 3001, world.order(site, "both.test", mode="unified"))
    assert site.await_service(3001)["mail"] == "web1"
    world.assert_live(site, "both.test", mail="web1")
    site.end()
