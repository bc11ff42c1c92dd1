"""A plain INSERT becomes an active service."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.models.fleet import Counter
from orchestrator.models.service import Placement, Service
from orchestrator.models.task import LogEntry, Operation, Task
from orchestrator.store import fleet as fleets
from orchestrator.store import services, snapshots, tasks, timeline
from tests.support import fleet
from tests.support.bench import Bench

ORDER = {"domain": "Shop.Test.", "package": "small", "group": "standard"}


def order(service_id: int = 1001, **params: Any) -> int:
    """Insert an order as a billing system would."""
    values = {"action": "service.create", "service_id": service_id, "params": json.dumps(ORDER | params)}
    return fleet.insert_task(values)


def test_a_plain_insert_ends_in_an_active_service(bench: Bench) -> None:
    fleet.build()
    task = order()
    bench.settle()
    service = Service.get_by_id(1001)
    assert (service.status, service.domain, service.error) == ("active", "shop.test", None)
    assert tasks.get(task).status == "done"
    assert Operation.get().status == "done"
    assert all(step["status"] == "done" for step in timeline.steps(service.operation_id))


def test_every_attempt_is_in_the_log_with_its_start_end_and_outcome(bench: Bench) -> None:
    fleet.build()
    order()
    bench.settle()
    entries = list(LogEntry.select().where(LogEntry.kind == "attempt"))
    assert len(entries) == Task.select().count()
    assert all(entry.started_at and entry.at >= entry.started_at and entry.outcome == "changed" for entry in entries)


def test_the_dkim_key_becomes_a_record_and_a_new_serial_on_both_servers(bench: Bench) -> None:
    fleet.build()
    order()
    bench.settle()
    written = [one for one in bench.executor.requests if one.action == "dns.record_present"]
    assert sorted(one.host.name for one in written) == ["dns1", "dns2"]
    serial = Service.get_by_id(1001).zone_serial
    for one in written:
        assert one.job["params"]["serial"] == serial
        assert "p=QUJD" in one.job["params"]["rrsets"][0]["records"][0]


def test_every_job_says_how_long_a_reload_may_wait_for_others(bench: Bench) -> None:
    fleet.build()
    fleets.set_knob("reload.coalesce_seconds", "7", "test")
    order()
    bench.settle()
    assert {one.job["reload_seconds"] for one in bench.executor.requests} == {7}


def test_redeploy_runs_the_chain_again_and_keeps_the_serial(bench: Bench) -> None:
    fleet.build()
    order()
    bench.settle()
    before = services.get(1001)
    tasks.enqueue("service.redeploy", service_id=1001)
    bench.settle()
    after = services.get(1001)
    assert after.status == "active"
    assert after.generation == before.generation + 1
    assert after.zone_serial == before.zone_serial
    assert len(bench.executor.requests) == 2 * 14


def test_services_are_spread_over_the_least_loaded_servers(bench: Bench) -> None:
    servers = {f"web{n}": (f"10.77.0.1{n}", "web") for n in (1, 2, 3)}
    fleet.build(servers)
    for number in range(9):
        order(number + 1, domain=f"shop{number}.test", roles=["web"])
    bench.settle()
    rows = Placement.select(Placement.server_id)
    assert sorted([row.server_id for row in rows].count(one) for one in {row.server_id for row in rows}) == [3, 3, 3]


def test_unified_puts_web_and_mail_on_one_server(bench: Bench) -> None:
    fleet.build({"web1": ("10.77.0.11", "web"), "both1": ("10.77.0.12", "web,mail"), "dns1": ("10.77.0.31", "dns")})
    order(mode="unified")
    bench.settle()
    view = snapshots.of(1001)
    assert view.web is not None and view.mail is not None
    assert view.web.name == view.mail.name == "both1"


def test_a_user_id_is_never_given_twice(bench: Bench) -> None:
    fleet.build()
    for number in range(3):
        order(number + 1, domain=f"shop{number}.test", roles=["web"])
    bench.settle()
    uids = [row.uid for row in Service.select()]
    assert len(set(uids)) == 3
    assert Counter.get_by_id("uid").value == max(uids)
