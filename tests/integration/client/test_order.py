"""Changes that overtake one another, and what a redeploy, a suspension or a failure in between makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.objects import ServiceDatabase
from orchestrator.models.service import DnsRecord, DomainName, Service
from orchestrator.models.task import Operation, Task
from orchestrator.store import fleet as fleet_store
from orchestrator.store import objects, retries, tasks
from tests.integration.client.conftest import SERVICE, Customer

FAILED = RunResult(outcome=Outcome.FAILED, reason="probe", message="the port is closed")


def database(customer: Customer, name: str = "a") -> dict[str, Any]:
    """Return the params of a database."""
    return {"name": name, "password_sealed": customer.sealed("correct horse")}


def failing(customer: Customer, action: str, result: RunResult = FAILED) -> None:
    """Let an action fail; its next attempt comes in an hour."""
    fleet_store.set_knob("tasks.backoff_minutes", "60", "test")
    customer.bench.executor.script = lambda request: result if request.action == action else None


def states(action: str) -> list[str]:
    """Return the states of the steps of an action, oldest first."""
    rows = Task.select().where((Task.action == action) & Task.operation_id.is_null(False)).order_by(Task.id)
    return [row.status for row in rows]


def test_a_database_that_is_wanted_again_while_its_removal_is_pending_stays(customer: Customer) -> None:
    customer.done("web.database_present", **database(customer))
    failing(customer, "web.database_absent")
    customer.ask("web.database_absent", name="a")
    assert states("web.database_absent") == ["queued"]
    assert ServiceDatabase.get().removing
    customer.done("web.database_present", name="a")
    assert states("web.database_absent") == ["cancelled"]
    assert not ServiceDatabase.get().removing
    assert Task.select().where(Task.status << ["waiting", "queued"]).count() == 0
    assert [row.status for row in Operation.select().order_by(Operation.id)] == ["done", "done", "cancelled", "done"]


def test_a_database_that_is_wanted_again_while_its_removal_is_running_is_made_again(customer: Customer) -> None:
    customer.done("web.database_present", **database(customer))
    customer.block("web.database_absent")
    customer.insert("web.database_absent", name="a")
    customer.bench.settle(until=lambda: "running" in states("web.database_absent"))
    wish = customer.insert("web.database_present", name="a")
    customer.bench.settle(until=lambda: "still running" in str(tasks.get(wish).error))
    assert tasks.get(wish).attempts == 0, "waiting uses up no attempt"
    customer.hold.set()
    customer.bench.settle(seconds=60, until=lambda: customer.has_ended(wish))
    customer.settle()
    row = tasks.get(wish)
    # The removal had its end, so the database is new, and a new one needs a password.
    assert (row.status, row.error.split(":")[0]) == ("error", "password_sealed")
    assert ServiceDatabase.select().count() == 0
    customer.done("web.database_present", **database(customer))
    assert not ServiceDatabase.get().removing


def test_two_removals_end_in_one(customer: Customer) -> None:
    customer.done("web.database_present", **database(customer))
    failing(customer, "web.database_absent")
    customer.ask("web.database_absent", name="a")
    customer.bench.executor.script = None
    customer.done("web.database_absent", name="a")
    assert states("web.database_absent") == ["cancelled", "done"]
    assert ServiceDatabase.select().count() == 0
    assert Task.select().where(Task.status << ["waiting", "queued"]).count() == 0


def test_a_removal_that_was_given_up_on_never_undoes_a_newer_wish(customer: Customer) -> None:
    customer.done("web.database_present", **database(customer))
    failing(customer, "web.database_absent", RunResult(outcome=Outcome.INVALID, reason="conflict", message="no"))
    customer.ask("web.database_absent", name="a")
    customer.bench.executor.script = None
    customer.done("web.database_present", name="a")
    old = Task.get((Task.action == "web.database_absent") & Task.operation_id.is_null(False))
    assert old.status == "error"
    customer.bench.executor.requests.clear()
    retries.retry(old.id, "test")
    customer.settle()
    assert customer.ran == []
    assert "a newer request wants the opposite" in tasks.get(old.id).error
    assert not ServiceDatabase.get().removing


def test_a_redeploy_takes_over_what_is_pending(customer: Customer) -> None:
    customer.done("web.database_present", **database(customer, "old"))
    fleet_store.set_knob("tasks.backoff_minutes", "60", "test")
    kinds = ("web.database_absent", "web.database_present")
    customer.bench.executor.script = lambda request: FAILED if request.action in kinds else None
    customer.ask("web.database_absent", name="old")
    customer.ask("web.database_present", **database(customer, "new"))
    customer.bench.executor.script = None
    customer.done("service.redeploy")
    assert [row.name for row in ServiceDatabase.select()] == ["w1001_new"]
    assert ("web.database_absent", "web1") in customer.ran
    assert ("web.database_present", "web1") in customer.ran
    assert Service.get_by_id(SERVICE).status == "active"


def test_what_a_suspension_cuts_short_is_made_good_when_the_service_wakes(customer: Customer) -> None:
    failing(customer, "web.database_present")
    customer.ask("web.database_present", **database(customer))
    customer.bench.executor.script = None
    customer.done("service.suspend")
    customer.done("service.unsuspend")
    assert "done" in states("web.database_present")
    assert Service.get_by_id(SERVICE).status == "active"


def test_of_two_domains_at_once_both_come_and_of_a_removal_nothing_is_left(customer: Customer) -> None:
    customer.done("web.domain_present", domain="one.example")
    failing(customer, "web.domain_present")
    customer.ask("web.domain_absent", domain="one.example")
    customer.ask("web.domain_present", domain="two.example")
    customer.bench.executor.script = None
    customer.done("web.domain_present", domain="three.example")
    assert customer.job("web.domain_present")["names"] == [
        "shop.test",
        "www.shop.test",
        "three.example",
        "two.example",
    ]
    assert sorted(row.name for row in DomainName.select()) == ["shop.test", "three.example", "two.example"]


def test_one_slow_dns_server_keeps_the_row_until_it_has_removed_the_record(customer: Customer) -> None:
    customer.done("dns.record_present", name="x", type="TXT", records=["y"])

    def only_dns2(request: RunRequest) -> RunResult | None:
        return FAILED if (request.action, request.host.name) == ("dns.record_absent", "dns2") else None

    fleet_store.set_knob("tasks.backoff_minutes", "60", "test")
    customer.bench.executor.script = only_dns2
    customer.ask("dns.record_absent", name="x", type="TXT")
    assert sorted(states("dns.record_absent")) == ["done", "queued"]
    assert DnsRecord.get().removing
    customer.bench.executor.script = None
    Task.update(run_after=Task.created_at).where(Task.status == "queued").execute()
    customer.settle()
    assert DnsRecord.select().count() == 0


@pytest.mark.parametrize(
    ("action", "params", "column", "before"),
    [
        ("web.php_present", {"version": "8.4"}, "php_version", "8.2"),
        ("web.proxy_present", {"template": "reverse", "upstream": "http://127.0.0.1:3000"}, "proxy_template", "php"),
    ],
)
def test_a_setting_that_cannot_work_leaves_the_old_one(
    action: str, params: dict[str, str], column: str, before: str, customer: Customer
) -> None:
    refused = RunResult(outcome=Outcome.INVALID, reason="conflict", message="it does not work here")
    customer.bench.executor.script = lambda request: refused if request.action == action else None
    task = customer.ask(action, **params)
    assert Operation.get_by_id(task.result["operation_id"]).status == "error"
    assert getattr(Service.get_by_id(SERVICE), column) == before
    assert Service.get_by_id(SERVICE).status == "active"
    customer.bench.executor.script = None
    customer.done("service.redeploy")
    assert before in customer.job(action).values()
    customer.done(action, **params)
    wanted = next(iter(params.values()))
    assert getattr(Service.get_by_id(SERVICE), column) == wanted
    customer.done("service.redeploy")
    assert wanted in customer.job(action).values()


def test_a_template_without_an_upstream_forgets_the_old_one(customer: Customer) -> None:
    customer.done("web.proxy_present", template="reverse", upstream="http://localhost:3000/")
    assert Service.get_by_id(SERVICE).proxy_upstream == "http://127.0.0.1:3000"
    customer.done("web.proxy_present", template="static")
    assert customer.job("web.proxy_present")["upstream"] is None
    assert Service.get_by_id(SERVICE).proxy_upstream == ""


@pytest.mark.parametrize("wish", ["service.suspend", "service.terminate"])
def test_a_service_that_is_not_active_is_not_changed(wish: str, customer: Customer) -> None:
    customer.done("web.database_present", **database(customer))
    customer.done(wish, **({"reason": "unpaid"} if wish == "service.suspend" else {}))
    asked = {
        "web.domain_present": {"domain": "x.example"},
        "web.domain_absent": {"domain": "x.example"},
        "web.php_present": {"version": "8.2"},
        "web.proxy_present": {"template": "php"},
        "web.database_present": database(customer),
        "web.database_absent": {"name": "a"},
        "web.sftp_present": {"name": "a", "password_sealed": customer.sealed("correct horse")},
        "web.sftp_absent": {"name": "a"},
        "web.cron_present": {"name": "a", "schedule": "@daily", "command": "true"},
        "web.cron_absent": {"name": "a"},
        "mail.mailbox_present": {"local_part": "a", "password_sealed": customer.sealed("correct horse")},
        "mail.mailbox_absent": {"local_part": "a"},
        "mail.alias_present": {"local_part": "a", "destinations": ["a@x.example"]},
        "mail.alias_absent": {"local_part": "a"},
        "dns.record_present": {"name": "a", "type": "A", "records": ["192.0.2.1"]},
        "dns.record_absent": {"name": "a", "type": "A"},
    }
    reason = "suspended (unpaid); it cannot be changed until" if wish == "service.suspend" else "is terminated"
    for action, params in asked.items():
        assert reason in customer.refused(action, **params)
    assert objects.count("database", SERVICE) == (1 if wish == "service.suspend" else 0)


def test_a_service_that_is_being_deployed_is_not_changed(customer: Customer) -> None:
    customer.block("web.user_present")
    customer.insert("service.redeploy")
    customer.bench.settle(until=lambda: "running" in states("web.user_present"))
    task = customer.insert("web.cron_present", name="a", schedule="@daily", command="true")
    customer.bench.settle(until=lambda: customer.has_ended(task))
    assert "is deploying; it cannot be changed" in tasks.get(task).error
    customer.hold.set()
    customer.settle()


def test_a_repair_and_a_change_of_the_same_object_follow_one_another(customer: Customer) -> None:
    customer.done("web.database_present", **database(customer))
    customer.block("web.user_present")
    customer.insert("service.repair")
    customer.bench.settle(until=lambda: "running" in states("web.user_present"))
    wish = customer.insert("web.database_absent", name="a")
    customer.bench.settle(until=lambda: "about to change as a whole" in str(tasks.get(wish).error))
    assert not ServiceDatabase.get().removing
    customer.hold.set()
    customer.settle()
    assert tasks.get(wish).status == "done"
    assert ServiceDatabase.select().count() == 0


def test_the_rows_of_another_service_are_never_found(customer: Customer) -> None:
    customer.insert("service.create", 1002, domain="two.test", package="small", group="standard")
    customer.settle()
    customer.done("web.cron_present", name="a", schedule="@daily", command="true")
    customer.done("dns.record_present", name="a", type="A", records=["192.0.2.1"])
    assert "skipped" in customer.done("web.cron_absent", 1002, name="a")
    assert "is not in two.test" in customer.refused("dns.record_absent", 1002, name="a.shop.test.", type="A")
    assert "overlaps shop.test" in customer.refused("web.domain_present", 1002, domain="x.shop.test")
    assert json.dumps(customer.done("web.domain_absent", 1002, domain="x.shop.test")).startswith('{"skipped"')


def test_an_object_that_its_server_refuses_can_be_taken_out_of_the_way(customer: Customer) -> None:
    refused = RunResult(outcome=Outcome.INVALID, reason="conflict", message="w1001_a exists and is not ours")
    customer.bench.executor.script = lambda request: refused if request.action == "web.database_present" else None
    customer.ask("web.database_present", **database(customer))
    customer.ask("service.redeploy")
    assert Service.get_by_id(SERVICE).status == "failed"
    assert "is failed; it cannot be changed" in customer.refused("web.php_present", version="8.4")
    customer.done("web.database_absent", name="a")
    customer.done("service.redeploy")
    assert (Service.get_by_id(SERVICE).status, ServiceDatabase.select().count()) == ("active", 0)


def test_objects_follow_their_service_to_another_domain(customer: Customer) -> None:
    customer.done("mail.mailbox_present", local_part="a", password_sealed=customer.sealed("correct horse"))
    customer.done("mail.alias_present", local_part="a", destinations=["a@shop.test", "me@else.example"])
    customer.done("dns.record_present", name="x", type="TXT", records=["y"])
    customer.done("service.change_domain", domain="new.example")
    assert customer.job("mail.alias_present") == {
        "domain": "new.example",
        "local_part": "a",
        "destinations": ["a@new.example", "me@else.example"],
        "enabled": True,
    }
    names = {one["name"] for one in customer.job("dns.records_present")["rrsets"] if one["type"] == "TXT"}
    assert "x.new.example." in names
    customer.done("mail.alias_absent", local_part="a")
    customer.done("dns.record_absent", name="x", type="TXT")
