"""Certificates of a real CA over the lab's DNS, nginx, Postfix and Dovecot, without anybody's doing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from demo import certificates, outside
from demo.installation import Installation
from lab import access, acme, nodes
from tests.acceptance.stories import rows, world
from tests.acceptance.stories.conftest import Build
from tests.acceptance.stories.load import under_load

pytestmark = pytest.mark.lab

DOMAIN, LATE = "green.test", "late.test"


@pytest.fixture(scope="module")
def site(build: Build) -> Iterator[Installation]:
    """Yield an installation that has its certificates from the lab's CA."""
    made = build()
    nodes.up(made.lab, [acme.NODE])
    certificates.use_lab(made)
    made.start()
    world.insert(made, 1001, world.order(made, DOMAIN))
    world.insert(made, 1002, world.order(made, LATE, roles=["web", "dns"]))
    made.await_service(1002)
    for name in ("@", "www"):  # the customer lets both names lead to somebody else
        params = {"name": name, "type": "A", "records": ["203.0.113.9"], "ttl": 60}
        world.insert(made, 1002, params, "dns.record_present")
    yield made
    nodes.down(made.lab, [acme.NODE])


def served(site: Installation, domain: str) -> dict[str, set[str]]:
    """Return the serials that a client which trusts the CA is shown, by role."""
    root, web, mail = acme.issuing_root(site.lab), world.address(site, "web1"), world.address(site, "mail1")
    names = [f"{one}.{domain}" for one in ("mail", "webmail", "autoconfig", "autodiscover")]
    return {
        "web": {certificates.https(web, name, root) for name in (domain, f"www.{domain}")},
        "mail": {certificates.imaps(mail, name, root) for name in names}
        | {certificates.submission(mail, name, root) for name in names},
    }


def running(site: Installation) -> dict[str, str]:
    """Return the main process of each daemon that has a certificate, with the moment it was started."""
    shown = ("systemctl", "show", "--property=MainPID,ExecMainStartTimestampMonotonic", "--")
    units = {"nginx.service": "web1", "postfix@-.service": "mail1", "dovecot.service": "mail1"}
    return {unit: access.on(site.lab, node, *shown, unit).stdout for unit, node in units.items()}


def test_an_order_goes_green_and_a_renewal_replaces_what_is_served(site: Installation) -> None:
    site.await_service(1001)
    serials = certificates.await_active(site, 1001)
    assert served(site, DOMAIN) == {role: {serial} for role, serial in serials.items()}
    world.assert_live(site, DOMAIN)
    [web] = [row for row in site.json("ssl", "status", "1001") if row["role"] == "web"]
    assert sorted(web["covered"]) == [DOMAIN, f"www.{DOMAIN}"]
    assert "Pebble" in web["issuer"]
    before = running(site)
    with under_load(site, DOMAIN, "/", outside.WELCOME, ("http", "https")) as wrong:
        for role in ("web", "mail"):
            site.tenantry("ssl", "renew", "1001", "--role", role, "--wait")
        deadline = time.monotonic() + 120
        while any(one in served(site, DOMAIN)[role] for role, one in serials.items()):
            assert time.monotonic() < deadline, site.json("ssl", "status", "1001")
            time.sleep(0.5)
    assert wrong == []
    assert running(site) == before, "loaded anew, none was started anew"
    renewed = certificates.await_active(site, 1001)
    assert served(site, DOMAIN) == {role: {serial} for role, serial in renewed.items()}


def test_dns_elsewhere_is_never_ordered_and_green_after_it_is_right(site: Installation) -> None:
    def told() -> str:
        [(error,)] = site.read("SELECT error FROM v_certificates WHERE service_id = 1002")
        return str(error)

    world.eventually(lambda: "203.0.113.9" in told(), 120, "a look at the names")
    tasks = site.json("task", "list", "--service", "1002")
    assert not [row for row in tasks if row["action"] == "certificate.order"]
    for name in ("www", "@"):  # the other way round, a certificate without www could be ordered between the two
        rows.done(site, 1002, "dns.record_absent", {"name": name, "type": "A"})
    serials = certificates.await_active(site, 1002, roles=1, seconds=90)
    root, web = acme.issuing_root(site.lab), world.address(site, "web1")
    assert certificates.https(web, f"www.{LATE}", root) == serials["web"]
    site.tenantry("service", "terminate", "1002", "--wait")
    assert site.json("ssl", "status", "1002") == []
    assert certificates.https(web, DOMAIN, root)
