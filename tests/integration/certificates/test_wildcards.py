"""One wildcard for all services below a provider's domain, proven in the DNS by our own servers and shown by each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.certs.proving import _Waiting
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import NotFound
from orchestrator.engine import Engine
from orchestrator.lifecycle import parents as said
from orchestrator.models.certificate import CertificateRow, Material
from orchestrator.models.task import Operation, Task
from orchestrator.store import certificates, parents
from tests.integration.certificates.provider import DNS, NAME, OWNER, PARENT, Provider, provider
from tests.integration.certificates.world import SERVICE, WEB
from tests.support.pebble import Pebble

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Engine, pebble: Pebble, home: Path) -> Iterator[Provider]:
    """Yield an installation with a provider's own service, its parent domain and one vanity service."""
    made = provider(app, pebble, home)
    yield made
    made.pebble.dns("clear-txt", host=NAME)
    made.bench.worker.drain(5)


def test_one_wildcard_is_proven_on_every_dns_server_and_shown_by_each_service(world: Provider) -> None:
    """Numbers 23 and 25."""
    wildcard = world.until_wildcard("active")
    assert wildcard.issued_names == [f"*.{PARENT}"]
    anna = world.until("active")
    assert (anna.names, anna.serial, world.shown[WEB, "web"]) == (
        ["anna.provider.test"],
        wildcard.serial,
        wildcard.serial,
    )
    [job] = [one for one in world.ran("web.certificate_present") if one.job["service"]["id"] == SERVICE]
    assert job.job["params"]["names"] == ["anna.provider.test"]
    assert {one.host.name for one in world.ran("dns.challenge_present")} == set(DNS)
    assert world.texts == {"dns1": set(), "dns2": set()}
    assert world.seen and all(len(values) == 1 for values in world.seen)
    assert world.wildcard().answers is None


def test_a_second_service_shows_it_without_an_order_and_a_renewal_reaches_both(world: Provider) -> None:
    world.until_wildcard("active")
    world.until("active")
    before = world.orders()
    world.vanity(1002, "bert")
    for _ in range(3):
        world.turn()
    rows = {row.service_id: row.state for row in CertificateRow.select().where(CertificateRow.shared_id.is_null(False))}
    assert rows == {SERVICE: "active", 1002: "active"}
    assert world.orders() == before
    first = world.wildcard().serial
    told = world.ask_for(OWNER, "certificate.renew").result or ""
    assert f"*.{PARENT}" in told
    for _ in range(8):
        world.turn()
    second = world.wildcard().serial
    shared = CertificateRow.select().where(CertificateRow.shared_id.is_null(False))
    assert second != first
    assert {(row.state, row.serial) for row in shared} == {("active", second)}
    assert world.texts == {"dns1": set(), "dns2": set()}


def test_a_vanity_service_never_orders_its_own(world: Provider) -> None:
    world.until("active")
    refused = world.ask_for(SERVICE, "certificate.issue")
    assert refused.status == "error"
    assert "its parent domain has one for all" in str(refused.error)
    orders = Task.select().where(Task.action == "certificate.order")
    assert SERVICE not in {task.service_id for task in orders}


def test_23_with_a_dns_server_that_lags_the_ca_is_not_told_to_look(world: Provider) -> None:
    world.broken = {"dns.challenge_present"}
    for _ in range(4):
        world.turn()
    assert world.wildcard().state != "active"
    assert world.wildcard().failures == 0
    world.broken = set()
    world.until_wildcard("active", turns=12)
    assert world.texts == {"dns1": set(), "dns2": set()}


def test_a_zone_with_a_name_server_of_somebody_else_is_never_ordered(world: Provider) -> None:
    world.servers.add("203.0.113.53")
    before = world.orders()
    for _ in range(3):
        world.turn()
    row = world.wildcard()
    owners = Task.select().where((Task.action == "certificate.order") & (Task.params.contains(f"*.{PARENT}")))
    assert (owners.count(), row.verdict) == (0, "no")
    assert "203.0.113.53" in str(row.error)
    assert world.orders() >= before


def test_25_what_a_lost_operation_has_published_is_taken_back(world: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        row = world.wildcard()
        Operation.update(status="cancelled").where(Operation.id == row.operation_id).execute()
        Task.update(status="cancelled").where(
            (Task.operation_id == row.operation_id) & (Task.status == "waiting")
        ).execute()
        raise NotFound("worker", "it is gone", "start it again")  # stands for the death of all that knew of it

    with monkeypatch.context() as patch:
        patch.setattr(_Waiting, "until_shown", lost)
        for _ in range(3):
            world.turn()
        assert world.texts["dns1"] and world.texts["dns2"]
    foreign = "c" * 43
    world.texts["dns1"].add(foreign)
    orders = world.orders()
    world.until_wildcard("active", turns=12)
    assert world.texts == {"dns1": {foreign}, "dns2": set()}
    assert world.wildcard().answers is None
    assert world.orders() - orders <= 1  # the order was taken up again


def test_the_customers_own_is_kept_and_a_terminated_service_leaves_the_wildcard(world: Provider) -> None:
    world.until("active")
    serial = world.wildcard().serial
    world.ask_for(SERVICE, "service.terminate")
    assert certificates.of_service(SERVICE) == []
    assert world.wildcard().serial == serial
    said.remove(PARENT)
    assert CertificateRow.select().where(CertificateRow.parent_id.is_null(False)).count() == 0
    assert {one.certificate_id for one in Material.select()} <= {row.id for row in certificates.of_service(OWNER)}
    with pytest.raises(NotFound):
        parents.get(PARENT)


def test_an_adopted_wildcard_is_due_for_nobody_but_its_own_row(world: Provider) -> None:
    anna = world.until("active")
    assert (anna.renewal_id, anna.shared_id) == ("", world.wildcard().id)
    CertificateRow.update(not_after=utc_now()).where(CertificateRow.id == anna.id).execute()
    world.turn()
    assert world.row().state == "active"
