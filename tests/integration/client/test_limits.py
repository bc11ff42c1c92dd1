"""Every limit of a package: refused at limit + 1, with the limit named, and nothing is half made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.models.service import Mailbox, Service
from orchestrator.models.task import Operation
from orchestrator.plan import limits
from orchestrator.store import fleet as fleet_store
from orchestrator.store import objects
from tests.integration.client.conftest import SERVICE, Customer
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench


@dataclass(frozen=True)
class Counted:
    """A limit, the change that it counts, and how the object of a number is called."""

    limit: str
    noun: str
    key: str
    more: dict[str, Any]
    password: bool = False
    there: int = 0  # objects that the service has from the beginning

    def name(self, number: int) -> dict[str, str]:
        """Return the name of an object."""
        return {self.key: f"x{number}.example" if self.key == "domain" else f"x{number}"}


COUNTED = [
    Counted("databases", "web.database", "name", {}, password=True),
    Counted("sftp_accounts", "web.sftp", "name", {}, password=True),
    Counted("cron_jobs", "web.cron", "name", {"schedule": "@daily", "command": "true"}),
    Counted("alias_domains", "web.domain", "domain", {}),
    Counted("mailboxes", "mail.mailbox", "local_part", {}, password=True, there=1),
    Counted("mail_aliases", "mail.alias", "local_part", {"destinations": ["me@else.example"]}),
    Counted("dns_records", "dns.record", "name", {"type": "A", "records": ["192.0.2.1"]}),
]
# Limits that count nothing a customer adds: the nodes and the tests of quotas, PHP and mail hold these.
OTHERS = {"web_disk_mb", "mail_disk_mb", "bandwidth_mb", "inodes", "php_memory_mb", "php_workers", "mail_per_hour"}


def test_every_limit_is_in_a_table_here() -> None:
    assert {one.limit for one in COUNTED} | OTHERS == set(limits.LIMITS)


@pytest.fixture
def small(bench: Bench, home: Path) -> Customer:
    """Return a customer of a package that allows two of everything."""
    fleet.build(**{one.limit: 2 for one in COUNTED}, mail_disk_mb=10)
    order()
    bench.settle()
    return Customer(bench, home)


def used(one: Counted) -> int:
    """Return how many objects are counted."""
    if one.limit == "alias_domains":
        return objects.count_aliases(SERVICE)
    kinds = {"databases": "database", "sftp_accounts": "sftp_account", "cron_jobs": "cron_job", "mailboxes": "mailbox"}
    kinds |= {"mail_aliases": "mail_alias", "dns_records": "record"}
    return objects.count(kinds[one.limit], SERVICE)


@pytest.mark.parametrize("one", COUNTED, ids=lambda one: one.limit)
def test_one_more_than_the_limit_is_refused(one: Counted, small: Customer) -> None:
    more = one.more | ({"password_sealed": small.sealed("correct horse")} if one.password else {})
    present, absent = f"{one.noun}_present", f"{one.noun}_absent"
    for number in range(2 - one.there):
        small.done(present, **one.name(number), **more)
    assert used(one) == 2
    operations = Operation.select().count()
    reason = small.refused(present, **one.name(9), **more)
    assert reason == f"{one.limit}: the package's limit of 2 is reached; remove one or change the package"
    assert (used(one), Operation.select().count()) == (2, operations)
    small.done(present, **one.name(0), **more)  # what is there may be changed
    kind = {"type": "A"} if one.limit == "dns_records" else {}
    small.done(absent, **one.name(0), **kind)
    small.done(present, **one.name(9), **more)
    assert f"{one.limit}: the package's limit of 2" in small.refused(present, **one.name(0), **more)


def test_an_object_that_is_being_removed_gives_its_room_and_must_ask_for_it_again(small: Customer) -> None:
    sealed = small.sealed("correct horse")
    for name in ("a", "b"):
        small.done("web.database_present", name=name, password_sealed=sealed)
    small.block("web.database_absent")
    small.bench.executor.script = small.script
    small.insert("web.database_absent", name="a")
    small.bench.settle(until=lambda: ("web.database_absent", "web1") in small.ran)
    small.done_while_held("web.database_present", name="c", password_sealed=sealed)
    again = small.insert("web.database_present", name="a", password_sealed=sealed)
    small.bench.settle(until=lambda: small.has_ended(again))
    assert "databases: the package's limit of 2" in small.error(again)
    small.hold.set()
    small.settle()
    assert objects.count("database", SERVICE) == 2


def test_a_package_with_none_of_it_allows_none(bench: Bench, home: Path) -> None:
    fleet.build(databases=0)
    order()
    bench.settle()
    one = Customer(bench, home)
    sealed = one.sealed("correct horse")
    assert "databases: the package's limit of 0" in one.refused(
        "web.database_present", name="a", password_sealed=sealed
    )


def test_a_quota_is_never_above_the_packages_disk(small: Customer) -> None:
    assert "quota_mb: is above the package's limit mail_disk_mb, 10" in small.refused(
        "mail.mailbox_present", local_part="postmaster", quota_mb=11
    )
    assert Mailbox.get().quota_mb == 5


def test_a_smaller_package_is_refused_while_more_is_in_use(small: Customer) -> None:
    for name in ("a", "b"):
        small.done("web.cron_present", name=name, schedule="@daily", command="true")
    fleet_store.add_package("tiny", limits.parse({"cron_jobs": 1}))
    assert "cron_jobs: 2 in use, package tiny allows 1" in small.refused("service.change_package", package="tiny")
    small.done("web.cron_absent", name="a")
    small.done("service.change_package", package="tiny")
    assert Service.get_by_id(SERVICE).limits["cron_jobs"] == 1


@pytest.mark.parametrize(("roles", "lacks"), [("web", "mail"), ("mail", "dns"), ("dns", "web")])
def test_what_needs_a_role_that_the_service_lacks_is_refused(roles: str, lacks: str, bench: Bench, home: Path) -> None:
    fleet.build()
    order(roles=[roles])
    bench.settle()
    asked = {
        "web": ("web.cron_absent", {"name": "a"}),
        "mail": ("mail.alias_absent", {"local_part": "a"}),
        "dns": ("dns.record_absent", {"name": "a", "type": "A"}),
    }
    action, params = asked[lacks]
    one = Customer(bench, home)
    assert f"service 1001 has no {lacks}" in one.refused(action, **params)
