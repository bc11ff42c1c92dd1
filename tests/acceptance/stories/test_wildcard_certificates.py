"""One wildcard for all names below a provider's domain: proven on the lab's two DNS servers, shown by each site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo import certificates
from demo.installation import GROUP, PACKAGE, Installation
from lab import access, acme, nodes
from tests.acceptance.stories import world
from tests.acceptance.stories.conftest import Build

pytestmark = pytest.mark.lab

PARENT = "wild.test"
FOREIGN = "c" * 43  # an answer of somebody else's client for the same name


@pytest.fixture(scope="module")
def site(build: Build) -> Iterator[Installation]:
    """Yield an installation with a provider's domain and one service below it, that has certificates from the lab's CA."""
    made = build()
    nodes.up(made.lab, [acme.NODE])
    certificates.use_lab(made)
    made.start()
    world.insert(made, 900, world.order(made, PARENT))
    made.await_service(900)
    foreign = {"name": "_acme-challenge", "type": "TXT", "records": [FOREIGN], "ttl": 60}
    world.insert(made, 900, foreign, "dns.record_present")
    made.tenantry(
        *("parent-domain", "add", PARENT, "--mail-server", "mail1", "--mail-user", "s900"),
        *("--dns", "push", "--zone-owner", "s900", "--group", GROUP),
    )
    world.insert(made, 1001, vanity("anna"))
    yield made
    nodes.down(made.lab, [acme.NODE])


def vanity(name: str) -> dict[str, Any]:
    """Return the parameters of an order."""
    return {"mode": "vanity", "vanity_name": name, "parent_domain": PARENT, "package": PACKAGE, "group": GROUP}


def wildcard(site: Installation) -> dict[str, Any]:
    """Return where the provider's certificate stands."""
    [found] = [row for row in site.json("ssl", "status") if row["service_id"] is None]
    return dict(found)


def answers(site: Installation) -> dict[str, list[str]]:
    """Return what each DNS server holds below the name that a CA asks for."""
    return {
        node: [
            line.split('"')[1]
            for line in access.on(site.lab, node, "pdnsutil", "list-zone", PARENT).stdout.splitlines()
            if line.startswith(f"_acme-challenge.{PARENT}") and '"' in line
        ]
        for node in ("dns1", "dns2")
    }


def test_it_is_proven_shown_by_each_and_renewed_for_all(site: Installation) -> None:
    """Numbers 23 and 24: every DNS server answers before the CA looks, and a foreign value stays."""
    root, web = acme.issuing_root(site.lab), world.address(site, "web1")
    site.await_service(1001)
    first = certificates.await_active(site, 1001, roles=1)["web"]
    assert (wildcard(site)["serial"], wildcard(site)["covered"]) == (first, [f"*.{PARENT}"])
    assert certificates.https(web, f"anna.{PARENT}", root) == first
    world.insert(site, 1002, vanity("bert"))
    site.await_service(1002)
    assert certificates.await_active(site, 1002, roles=1)["web"] == first
    assert certificates.https(web, f"bert.{PARENT}", root) == first
    orders = [row for row in site.json("task", "list", "--action", "certificate.order") if row["service_id"] == 900]
    world.eventually(lambda: answers(site) == {"dns1": [FOREIGN], "dns2": [FOREIGN]}, 60, "the answers are taken back")
    certificates.await_active(site, 900)
    assert len(orders) == 3, orders  # the provider's own two, and one wildcard
    site.tenantry("ssl", "renew", "900", "--wait")
    names = (f"anna.{PARENT}", f"bert.{PARENT}")
    world.eventually(
        lambda: first not in {certificates.https(web, name, root) for name in names}, 240, "the renewed wildcard"
    )
    world.eventually(lambda: answers(site) == {"dns1": [FOREIGN], "dns2": [FOREIGN]}, 60, "the answers are taken back")
