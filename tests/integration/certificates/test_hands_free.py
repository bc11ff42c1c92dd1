"""From an order of a service to certificates that are served and renewed, without anybody's doing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.certs.watcher import Watcher
from orchestrator.core.clock import utc_now
from orchestrator.engine import Engine
from orchestrator.models.certificate import CertificateRow, Material
from orchestrator.models.fleet import Server
from orchestrator.models.task import LogEntry, Operation, Task
from orchestrator.store import certificates
from orchestrator.store import fleet as servers
from tests.integration.certificates.world import MAIL, SERVICE, WEB, World
from tests.support import fleet
from tests.support.pebble import Pebble


@pytest.fixture
def world(app: Engine, pebble: Pebble, home: Path) -> Iterator[World]:
    """Yield an installation with a service that is live."""
    fleet.build(alias_domains=5)
    made = World(app, pebble, home)
    made.order()
    yield made
    made.bench.worker.drain(5)


def test_an_order_goes_green_by_itself(world: World) -> None:
    assert {row.role: row.state for row in certificates.of_service(SERVICE)} == {"web": "fast", "mail": "fast"}
    web, mail = world.until("active"), world.until("active", "mail")
    assert web.names == ["shop.test", "www.shop.test"]
    assert mail.names == [f"{one}.shop.test" for one in ("mail", "webmail", "autoconfig", "autodiscover")]
    assert world.shown == {(WEB, "web"): web.serial, (MAIL, "mail"): mail.serial}
    assert world.orders() == 2
    [job] = [one.job["params"] for one in world.ran("web.certificate_present")]
    assert (job["site"], sorted(job["names"])) == ("shop.test", web.names)
    assert (job["serial"], job["redirect"]) == (web.serial, False)
    assert job["certificate"].count("BEGIN CERTIFICATE") >= 2
    assert {one.host.name for one in world.ran("web.challenge_present")} == {"web1", "mail1"}
    assert (web.error, web.failures, web.operation_id) == (None, 0, None)


def test_56_no_key_lies_in_a_task_or_in_the_log(world: World) -> None:
    world.until("active")
    rows = [f"{task.params}{task.result}{task.error}" for task in Task.select()]
    rows += [f"{entry.message}{json.dumps(entry.detail)}" for entry in LogEntry.select()]
    rows += [material.private_key for material in Material.select()]
    assert rows
    assert not [text for text in rows if "PRIVATE KEY" in text]


def test_36_dns_elsewhere_is_not_ordered_and_green_one_look_after_it_is_right(world: World) -> None:
    world.elsewhere = {"shop.test", "www.shop.test"}
    world.until("active", "mail")
    before = world.orders()
    for _ in range(4):
        world.turn()
    row = world.row()
    assert (row.state, row.verdict, world.orders()) == ("fast", "no", before)
    assert "203.0.113.9" in str(row.error)
    assert row.next_check_at <= utc_now() + timedelta(seconds=180)
    world.elsewhere = set()
    world.turn()
    assert world.orders() == before + 1
    assert world.until("active").error is None


def test_a_renewal_replaces_what_is_served(world: World) -> None:
    first = world.until("active").serial
    CertificateRow.update(not_before=utc_now() - timedelta(days=80), not_after=utc_now() + timedelta(days=10)).where(
        CertificateRow.role == "web"
    ).execute()
    world.turn()
    assert world.row().state in ("renewing", "issuing", "deploy")
    second = world.until("active").serial
    assert second != first
    assert world.shown[WEB, "web"] == second


def test_a_broken_node_is_deployed_to_again_and_never_ordered_again(world: World) -> None:
    world.broken = {"web.certificate_present"}
    for _ in range(6):
        world.turn()
    row = world.row()
    assert row.state == "deploy"
    assert "configuration is broken" in str(row.error)
    assert row.tries > 0
    before = world.orders()
    world.broken = set()
    assert world.until("active").error is None
    assert world.orders() == before


def all_active(world: World, services: int) -> None:
    """Let time pass until the certificates of other services are in use, one turn for each and a few more."""
    for _ in range(services + 6):
        world.turn()
        others = list(CertificateRow.select().where(CertificateRow.service_id > SERVICE))
        if {row.state for row in others} == {"active"}:
            return
    raise AssertionError([(row.service_id, row.state, row.error) for row in others])


def test_35_odd_names_end_in_certificates_or_in_a_refusal(world: World) -> None:
    world.order("BÜCHER.test.", service=SERVICE + 1, roles=["web"])
    world.order("www.deep.test", service=SERVICE + 2, roles=["web"])
    all_active(world, services=2)
    found = {row.service_id: row for row in CertificateRow.select().where(CertificateRow.service_id > SERVICE)}
    assert sorted(found[SERVICE + 1].issued_names) == ["www.xn--bcher-kva.test", "xn--bcher-kva.test"]
    assert found[SERVICE + 2].issued_names == ["www.deep.test"]
    params = {"domain": f"{'a' * 64}.test", "package": "small", "group": "standard"}
    refused = world.ask("service.create", SERVICE + 3, **params)
    assert (refused.status, "parts are 1-63" in str(refused.error)) == ("error", True)


def test_44_a_broken_node_costs_five_orders_however_many_are_due(world: World) -> None:
    world.until("active")
    world.until("active", "mail")
    before, many = world.orders(), 8
    for number in range(1, many + 1):
        world.order(f"more{number}.test", service=SERVICE + number, roles=["web"])
    world.broken = {"web.certificate_present"}
    for _ in range(4):
        world.turn()
    states = Counter(row.state for row in CertificateRow.select())
    assert (world.orders() - before, states["deploy"], states["issuing"]) == (5, 5, 0)
    waiting = CertificateRow.get(CertificateRow.state == "fast")
    assert "waits for 5 others" in waiting.error
    assert "configuration is broken" in waiting.error
    world.broken = set()
    all_active(world, services=many)
    assert world.orders() - before == many


def test_another_certificate_on_a_server_is_put_right_without_an_order(world: World) -> None:
    serial = world.until("active").serial
    before = world.orders()
    world.shown[WEB, "web"] = "bad"
    world.turn()
    world.until("active")
    assert (world.shown[WEB, "web"], world.orders()) == (serial, before)


def test_an_operation_that_ended_without_a_result_is_taken_up_again(world: World) -> None:
    for _ in range(3):
        if world.row().state == "issuing":
            break
        CertificateRow.update(next_check_at=utc_now()).execute()
        world.watcher.poke()
        world.watcher.settle(20)
        if world.row().state != "issuing":
            world.bench.settle()
    row = world.row()
    assert row.state == "issuing"
    Operation.update(status="cancelled").where(Operation.id == row.operation_id).execute()
    Task.update(status="cancelled").where(Task.operation_id == row.operation_id).execute()
    certificates.lost(10, utc_now())
    assert world.row().state == "fast"
    world.until("active")


def test_55_suspended_rests_and_goes_on_without_an_order_terminated_leaves_no_key(world: World) -> None:
    world.until("active")
    world.until("active", "mail")
    before = world.orders()
    world.ask("service.suspend")
    assert {row.state for row in certificates.of_service(SERVICE)} == {"off"}
    asked = len(world.executor.requests)
    world.turn()
    assert len(world.executor.requests) == asked
    world.ask("service.unsuspend")
    assert {row.state for row in certificates.of_service(SERVICE)} == {"active"}
    assert world.orders() == before
    world.ask("service.terminate")
    assert certificates.of_service(SERVICE) == []
    assert Material.select().count() == 0


def test_another_name_is_ordered_beside_the_old_ones(world: World) -> None:
    old = world.until("active").serial
    world.ask("web.domain_present", domain="more.test")
    row = world.row()
    assert (row.state, row.serial, row.names[-1]) == ("normal", old, "more.test")
    assert world.until("active").issued_names is not None
    assert "more.test" in world.row().issued_names
    world.ask("web.domain_absent", domain="more.test")
    assert world.row().names == ["shop.test", "www.shop.test"]


def test_three_orchestrators_order_each_certificate_once(world: World) -> None:
    world.turn()  # servers answer a CA
    watchers = [Watcher(world.office, f"o{number}") for number in range(3)]
    CertificateRow.update(next_check_at=utc_now()).execute()
    for one in watchers:
        one.poke()
    for one in watchers:
        one.settle(20)
    world.bench.settle()
    assert world.orders() == 2


def test_without_an_authority_nothing_is_ordered(world: World) -> None:
    servers.set_knob("ssl.directory", "", "test")
    for _ in range(3):
        world.turn()
    assert world.orders() == 0
    assert world.row().state == "fast"


def test_a_node_that_is_prepared_anew_is_made_to_answer_again(world: World) -> None:
    world.until("active")
    web = Server.get(Server.name == "web1")
    assert web.challenge == world.office.authority().thumbprint
    fleet.insert_task({"action": "server.prepare", "server_id": web.id})
    world.bench.settle()
    assert Server.get(Server.name == "web1").challenge == ""


def test_nothing_due_begins_nothing(world: World) -> None:
    before = Task.select().count()
    world.watcher.poke()
    world.watcher.settle(5)
    assert Task.select().count() == before
