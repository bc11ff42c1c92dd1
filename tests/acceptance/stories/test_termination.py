"""Nothing of a terminated service is left, and a server that was away makes up for it by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo import outside
from demo.installation import Installation, Node
from lab import access, addresses, faults, nodes
from tests.acceptance.stories import objects, rows, world
from tests.acceptance.stories.conftest import Build

pytestmark = pytest.mark.lab

LISTINGS = {
    "web1": (
        "getent passwd",
        "getent group",
        "mariadb -N -e 'SHOW DATABASES; SELECT user, host FROM mysql.global_priv'",
        "systemctl list-units --all --no-legend 'tenantry*' | awk '{print $1}'",
    ),
    "mail1": ("ls /var/vmail", "postqueue -p | tail -1"),
}


def listings(site: Installation) -> dict[str, list[str]]:
    """Return what a tree of files does not show."""
    return {
        node: [access.on(site.lab, node, "sh", "-c", command).stdout for command in commands]
        for node, commands in LISTINGS.items()
    }


def test_terminate_leaves_every_node_as_it_was_before(site: Installation) -> None:
    world.insert(site, 1000, world.order(site, "neighbour.test"))
    site.await_service(1000)
    trees, lists = world.trees(site), listings(site)
    with world.watched(site, "neighbour.test") as wrong:
        world.insert(site, 1001, world.order(site, "shop.test"))
        site.await_service(1001)
        objects.add_every_kind(site, 1001)
        rows.done(site, 1001, "service.terminate")
    assert rows.status(site, 1001) == "terminated"
    assert world.difference(trees, world.trees(site)) == []
    assert listings(site) == lists
    assert wrong == []
    assert site.json("log", "--service", "1001", "--limit", "500")  # the trail stays


def test_grace_cuts_off_and_the_scheduler_finishes(site: Installation) -> None:
    before = world.trees(site)
    site.tenantry("settings", "set", "terminate.grace_minutes", "600")
    world.insert(site, 1003, world.order(site, "grace.test", roles=["web"]))
    site.await_service(1003)
    rows.done(site, 1003, "service.terminate")
    assert rows.status(site, 1003) == "pending_terminate"
    assert outside.page(world.address(site, "web1"), "grace.test")[0] == 503
    rows.done(site, 1003, "service.unsuspend")
    assert outside.page(world.address(site, "web1"), "grace.test")[0] == 200
    site.tenantry("settings", "set", "terminate.grace_minutes", "0")
    rows.done(site, 1003, "service.terminate")
    assert world.difference(before, world.trees(site)) == []


@pytest.fixture
def two_webs(build: Build) -> Iterator[Installation]:
    """Yield a running installation with a second web server, which takes new orders."""
    made = build(servers=world.NODES)
    nodes.up(made.lab, ["web2"])
    made.start()
    made.set_up([Node(name="web2")])
    made.prepare(["web2"])
    yield made
    faults.link_up(made.lab, "web1")
    made.end()
    nodes.down(made.lab, ["web2"])


def test_by_force_while_the_web_server_is_away(two_webs: Installation) -> None:
    site = two_webs
    site.tenantry("server", "drain", "web2")
    world.insert(site, 1001, world.order(site, "shop.test"))
    site.await_service(1001)
    site.tenantry("server", "activate", "web2")
    clean = world.trees(site, ("web2",))
    faults.link_down(site.lab, "web1")
    rows.ask(site, 1001, "service.terminate", {"force": True})
    world.eventually(lambda: rows.status(site, 1001) == "terminated", 30, "the service is closed out")
    site.tenantry("server", "drain", "web1")
    world.insert(site, 2002, world.order(site, "shop.test"))
    assert site.await_service(2002)["web"] == "web2"
    with world.watched(site, "shop.test", web="web2") as wrong:
        faults.link_up(site.lab, "web1")
        world.eventually(lambda: not site.json("orphan", "list"), 240, "the orphan is gone")
    assert wrong == []
    assert access.on(site.lab, "web1", "id", "w1001", check=False).returncode != 0
    assert (
        access.on(site.lab, "web1", "ls", "/home").stdout.split()
        == access.on(site.lab, "web2", "sh", "-c", "ls /home | grep -v w2002").stdout.split()
    )
    world.assert_live(site, "shop.test", web="web2")
    answers = outside.dig(world.address(site, "dns1"), "shop.test", "A")
    assert answers == [f"3600 A {addresses.of(site.lab, 'web2').ipv4}"]
    assert clean
