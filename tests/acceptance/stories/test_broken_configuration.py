"""What an administrator broke by hand stops the next order on that node, tells why, and hurts no neighbour."""

from __future__ import annotations

import pytest

from demo import outside
from demo.installation import Installation
from lab import access
from tests.acceptance.stories import world

pytestmark = pytest.mark.lab

BROKEN = "server { listen 80; server_name oops.test; this_is_no_directive; }\n"


def test_an_order_on_a_node_with_a_broken_nginx(site: Installation) -> None:
    world.insert(site, 1001, world.order(site, "neighbour.test"))
    site.await_service(1001)
    site.tenantry("settings", "set", "tasks.max_attempts", "2")
    site.tenantry("settings", "set", "tasks.backoff_minutes", "0")
    target = access.on(site.lab, "web1", "sh", "-c", "ls -d /etc/nginx/conf.d").stdout.strip() + "/zz-oops.conf"
    with world.watched(site, "neighbour.test") as wrong:
        access.on(site.lab, "web1", "tee", target, stdin=BROKEN)
        before = world.trees(site, ("web1",))["web1"]
        world.insert(site, 1002, world.order(site, "late.test"))
        failed = site.await_service(1002, "failed")
        assert "this_is_no_directive" in failed["error"] or "zz-oops.conf" in failed["error"], failed["error"]
        assert outside.page(world.address(site, "web1"), "late.test")[0] != 200
        after = world.trees(site, ("web1",))["web1"]
        touched = {path for path in after if "late.test" in path} - set(before)
        assert not [path for path in touched if path.startswith("/etc/nginx")], touched
        reason = {one["reason"] for one in site.json("log", "--service", "1002") if one["reason"]}
        assert "config_broken" in reason
        access.on(site.lab, "web1", "rm", target)
        blocked = [one for one in site.json("task", "list", "--service", "1002") if one["status"] == "error"]
        for one in blocked:
            site.tenantry("task", "retry", str(one["id"]))
        site.await_service(1002)
    assert wrong == []
    world.assert_live(site, "late.test")
