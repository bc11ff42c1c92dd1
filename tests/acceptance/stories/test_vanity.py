"""Vanity services under one parent: whatever is done to one of them, everything else stays byte for byte the same."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

import pytest

from demo import outside
from demo.installation import GROUP, PACKAGE, Installation
from lab import access, snapshot
from tests.acceptance.stories import rows, world

pytestmark = pytest.mark.lab

PARENT = "host.test"
SERIAL = re.compile(r"\b20\d{8}\b")
VANITY = {1001: "anna", 1002: "bert", 1003: "cleo"}


def order(site: Installation, name: str) -> dict[str, Any]:
    """Return the parameters of an order."""
    sealed = world.sealed(site, world.PASSWORD)
    return {
        "mode": "vanity",
        "vanity_name": name,
        "parent_domain": PARENT,
        "package": PACKAGE,
        "group": GROUP,
        "password_sealed": sealed,
    }


@pytest.fixture(scope="module")
def parent(site: Installation) -> Installation:
    """Return a site with the provider's own service and three vanity services under its domain."""
    world.insert(site, 900, world.order(site, PARENT))
    site.await_service(900)
    site.tenantry(
        *("parent-domain", "add", PARENT, "--mail-server", "mail1", "--mail-user", "s900"),
        *("--dns", "push", "--zone-owner", "s900", "--group", GROUP, "--reserved", "shop"),
    )
    for service, name in VANITY.items():
        world.insert(site, service, order(site, name))
    for service in VANITY:
        site.await_service(service)
    return site


def shared(site: Installation, service: int) -> dict[str, list[str]]:
    """Return everything on all nodes that is not this service's own, and what only daemons can tell."""
    own = re.compile(
        rf"\bw{service}(?![0-9])|\bs{service}\b|\b{VANITY[service]}\.{PARENT}|\b{VANITY[service]}@{PARENT}|/{VANITY[service]}(/|\s|$)"
    )
    found = {}
    for name, tree in world.trees(site).items():
        kept = [line for line in snapshot.listing(tree) if not own.search(line)]
        found[name] = [SERIAL.sub("SERIAL", line) for line in kept if not _is_table_file(line)]
    for node in ("dns1", "dns2"):
        lines = access.on(site.lab, node, "pdnsutil", "list-zone", PARENT).stdout.splitlines()
        found[f"zone on {node}"] = sorted(SERIAL.sub("SERIAL", line) for line in lines if not own.search(line))
    users = access.on(site.lab, "mail1", "doveadm", "user", "*").stdout.splitlines()
    found["users"] = sorted(line for line in users if not own.search(line))
    return found


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Say what differs between two looks at everything shared."""
    return [
        f"{place}: {line}"
        for place in before
        for line in difflib.ndiff(before[place], after[place])
        if line.startswith(("- ", "+ "))
    ]


def _is_table_file(line: str) -> bool:
    """The files of tables change as a whole; their rows are lines of their own."""
    return bool(re.match(r"\S+\.sqlite3? ", line))


def test_each_has_a_page_a_record_and_a_mailbox(parent: Installation) -> None:
    for service, name in VANITY.items():
        domain = f"{name}.{PARENT}"
        status, body = outside.page(world.address(parent, "web1"), domain)
        assert (status, outside.WELCOME in body) == (200, True), service
        for dns in ("dns1", "dns2"):
            assert outside.dig(world.address(parent, dns), domain, "A") == [f"3600 A {world.address(parent, 'web1')}"]
        box = f"{name}@{PARENT}"
        host = world.address(parent, "mail1")
        identity = outside.send(host, box, world.PASSWORD, box, "Hello\n")
        assert outside.read(host, box, world.PASSWORD, identity)


@pytest.mark.parametrize(
    ("taken", "why"), [("anna", "anna"), ("shop", "reserved"), ("www", "reserved"), ("postmaster", "reserved")]
)
def test_a_name_that_is_not_free_is_refused(parent: Installation, taken: str, why: str) -> None:
    said = rows.refused(parent, 1009, "service.create", order(parent, taken))
    assert why in said and "vanity_name" in said


def _reset(site: Installation) -> None:
    code = rows.done(site, 1002, "service.factory_reset")["confirm"]
    rows.done(site, 1002, "service.factory_reset", {"confirm": code})


def _wish(action: str, **params: Any) -> Callable[[Installation], None]:
    def carry_out(site: Installation) -> None:
        sealed = {"password_sealed": world.sealed(site, world.PASSWORD)} if params.pop("secret", False) else {}
        rows.done(site, 1002, action, {**params, **sealed})

    return carry_out


ACTIONS: dict[str, Callable[[Installation], None]] = {
    "suspend": _wish("service.suspend"),
    "unsuspend": _wish("service.unsuspend"),
    "redeploy": _wish("service.redeploy"),
    "repair": _wish("service.repair"),
    "change package": _wish("service.change_package", package=PACKAGE),
    "change password": _wish("service.change_password", secret=True),
    "php": _wish("web.php_present", version="8.2"),
    "proxy": _wish("web.proxy_present", template="static"),
    "database": _wish("web.database_present", name="shop", secret=True),
    "no database": _wish("web.database_absent", name="shop"),
    "cron": _wish("web.cron_present", name="tick", schedule="@daily", command="true"),
    "no cron": _wish("web.cron_absent", name="tick"),
    "factory reset": _reset,
    "suspend again": _wish("service.suspend"),
    "terminate": _wish("service.terminate"),
}


def test_nothing_else_changes_whatever_is_done_to_one(parent: Installation) -> None:
    before = shared(parent, 1002)
    assert all(before.values())
    for name, carry_out in ACTIONS.items():
        carry_out(parent)
        assert difference(before, shared(parent, 1002)) == [], name
    assert rows.status(parent, 1002) == "terminated"


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("web.domain_present", {"domain": "extra.test"}),
        ("mail.mailbox_present", {"local_part": "second"}),
        ("mail.alias_present", {"local_part": "sales", "destinations": ["a@b.test"]}),
        ("dns.record_present", {"name": "x", "type": "A", "records": ["192.0.2.1"]}),
        ("service.change_domain", {"domain": "other.test"}),
    ],
)
def test_what_would_reach_beyond_its_own_is_refused(parent: Installation, action: str, params: dict[str, Any]) -> None:
    if action == "mail.mailbox_present":
        params = {**params, "password_sealed": world.sealed(parent, world.PASSWORD)}
    before = shared(parent, 1001)
    assert rows.refused(parent, 1001, action, params)
    assert difference(before, shared(parent, 1001)) == []


def test_a_suspended_one_is_cut_off_and_its_neighbours_are_not(parent: Installation) -> None:
    rows.done(parent, 1003, "service.suspend")
    web, host = world.address(parent, "web1"), world.address(parent, "mail1")
    assert outside.page(web, f"cleo.{PARENT}")[0] == 503
    assert outside.page(web, f"anna.{PARENT}")[0] == 200
    with pytest.raises(Exception, match=r"(?i)auth"):
        outside.send(host, f"cleo@{PARENT}", world.PASSWORD, f"anna@{PARENT}", "x")
    box = f"anna@{PARENT}"
    assert outside.read(host, box, world.PASSWORD, outside.send(host, box, world.PASSWORD, box, "still here\n"))
    before = shared(parent, 1003)
    rows.done(parent, 1003, "service.terminate")
    assert difference(before, shared(parent, 1003)) == []
