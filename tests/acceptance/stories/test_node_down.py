"""A DNS server that cannot be reached delays nobody but itself."""

from __future__ import annotations

from typing import Any

import pytest

from demo.installation import Installation
from lab import faults
from tests.acceptance.stories import world

pytestmark = pytest.mark.lab


def steps(site: Installation, service: int) -> list[dict[str, Any]]:
    return list(site.json("service", "timeline", str(service)))


def complaints(site: Installation) -> list[str]:
    """Return what is told of the steps that wait for dns2; one that is being tried tells nothing yet."""
    return [one["error"] for one in steps(site, 1001) if one["server"] == "dns2" and one["error"]]


def test_an_order_while_one_dns_server_is_cut_off(site: Installation) -> None:
    faults.link_down(site.lab, "dns2")
    try:
        world.insert(site, 1001, world.order(site, "shop.test"))
        world.eventually(lambda: bool(site.json("service", "list")), 30, "the order is planned")

        def others_done() -> bool:
            found = [one for one in steps(site, 1001) if one["server"] not in ("dns2", None)]
            return {one["status"] for one in found} == {"done"}

        world.eventually(others_done, 120, "every step that does not need dns2 is done")
        world.insert(site, 1002, world.order(site, "second.test", roles=["web", "mail"]))
        site.await_service(1002)  # nobody's slots are burnt by the tasks that retry
        world.eventually(lambda: bool(complaints(site)), 60, "a step on dns2 has been tried in vain")
        assert all("dns2" in one for one in complaints(site)), complaints(site)
        assert site.json("service", "show", "1001")["status"] == "deploying"
        world.eventually(
            lambda: bool(site.json("server", "show", "dns2")["circuit_until"]), 60, "the circuit of dns2 opens"
        )
    finally:
        faults.link_up(site.lab, "dns2")
    site.await_service(1001)
    world.assert_live(site, "shop.test")
