"""Running the chain again over a healthy service changes nothing on any node."""

from __future__ import annotations

import pytest

from demo.installation import Installation
from tests.acceptance.stories import world

pytestmark = pytest.mark.lab


def test_redeploy_of_a_healthy_service_changes_nothing(site: Installation) -> None:
    world.insert(site, 1001, world.order(site, "shop.test"))
    site.await_service(1001)
    before = world.trees(site)
    assert site.tenantry("service", "redeploy", "1001", "--wait").returncode == 0
    outcomes = {
        (one["step"], one["status"]) for one in site.json("service", "timeline", "1001") if one["status"] != "done"
    }
    assert outcomes == set()
    assert world.difference(before, world.trees(site)) == []
    entries = [one for one in site.json("log", "--service", "1001", "--limit", "200") if one["kind"] == "attempt"]
    on_nodes = [one for one in entries if one["server"]]
    half = len(on_nodes) // 2
    assert {one["outcome"] for one in on_nodes[:half]} == {"changed"}
    assert {one["outcome"] for one in on_nodes[half:]} == {"ok"}
