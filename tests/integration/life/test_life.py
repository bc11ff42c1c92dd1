"""What becomes of a service after its deploy: every intent, and where it leaves rows and servers."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from orchestrator.core.clock import utc_now
from orchestrator.models.fleet import Orphan
from orchestrator.models.objects import ServiceDatabase
from orchestrator.models.service import DomainName, Mailbox, Placement, Service
from orchestrator.models.task import LogEntry, Operation, Task
from orchestrator.plan import limits
from orchestrator.scheduler import jobs
from orchestrator.store import fleet as fleets
from orchestrator.store import orphans, tasks
from tests.integration.life.conftest import Life
from tests.support import fleet


def test_suspend_marks_every_server_and_unsuspend_leaves_what_was_there(life: Life) -> None:
    life.order()
    before = life.executor.state()
    life.done("suspend", reason="invoice 17 is overdue")
    assert life.status() == "suspended"
    held = {key for objects in life.executor.state().values() for key in objects if key.startswith("held")}
    assert held == {"held-web w1001", "held-mail s1001"}
    row = life.done("mail.mailbox_present", local_part="info")
    assert row.status == "error"
    assert "suspended" in str(row.error)
    assert "invoice 17 is overdue" in str(row.error)
    life.done("unsuspend")
    assert (life.status(), life.executor.state()) == ("active", before)
    assert life.done("unsuspend").result == {"skipped": "service 1001 is active, not suspended"}


def test_the_group_decides_about_mail_and_dns_of_suspended_services(life: Life) -> None:
    fleets.set_group("standard", "suspended_mail", "reject")
    fleets.set_group("standard", "suspended_dns", "withdraw")
    life.order()
    before = life.executor.state()
    life.done("suspend")
    state = life.executor.state()
    assert state["mail1"]["held-mail s1001"]["policy"] == "reject"
    assert all("withdrawn shop.test." in state[server] for server in ("dns1", "dns2"))
    fleets.set_group("standard", "suspended_dns", "")  # what was taken away comes back whatever the policy says now
    life.done("unsuspend")
    assert life.executor.state() == before


def test_terminate_leaves_nothing_on_servers_and_the_trail_in_the_database(life: Life) -> None:
    life.order(1000, "neighbour.test")
    before = life.executor.state()
    life.order()
    life.done("terminate")
    assert life.status() == "terminated"
    assert life.executor.state() == before
    for model in (DomainName, Mailbox, Placement):
        assert model.select().where(model.service_id == 1001).count() == 0
    row = Service.get_by_id(1001)
    assert (row.password_hash, row.contact_email) == ("", "")
    assert LogEntry.select().where(LogEntry.service_id == 1001).count() > 20
    assert life.done("terminate").result == {"skipped": "service 1001 is terminated already"}


def test_a_terminated_service_may_be_ordered_anew_and_gets_another_uid(life: Life) -> None:
    life.order()
    first = Service.get_by_id(1001)
    life.done("terminate")
    life.order(domain="other.test")
    second = Service.get_by_id(1001)
    assert (second.status, second.domain) == ("active", "other.test")
    assert second.uid > first.uid
    assert second.generation > first.generation + 1


def test_grace_cuts_off_at_once_removes_later_and_can_be_withdrawn(life: Life) -> None:
    fleets.set_knob("terminate.grace_minutes", "60", "test")
    life.order()
    before = life.executor.state()
    life.done("terminate")
    assert life.status() == "pending_terminate"
    assert "held-web w1001" in life.executor.state()["web1"]
    life.done("terminate")  # asked again, the time goes on
    jobs.end_grace()
    life.settle()
    assert life.status() == "pending_terminate"
    life.done("unsuspend")
    assert (life.status(), life.executor.state()) == ("active", before)
    life.done("terminate")
    Service.update(terminate_at=utc_now() - timedelta(seconds=1)).where(Service.id == 1001).execute()
    jobs.end_grace()
    jobs.end_grace()  # the second orchestrator
    life.settle()
    assert life.status() == "terminated"
    assert not any(life.executor.state().values())


def test_force_closes_out_at_once_and_the_rest_goes_when_the_server_is_back(life: Life) -> None:
    life.order()
    life.executor.down = {"web1"}
    life.ask("terminate", force=True)
    life.settle(until=lambda: life.status() == "terminated" and not life.worker.busy)
    assert DomainName.select().count() == 0
    again = life.ask("create", domain="shop.test", package="small", group="standard")
    life.settle(until=lambda: tasks.get(again).status == "error")
    assert "web1 still holds" in str(tasks.get(again).error)
    fleet.add_server("web2", "10.77.0.12", "web")
    fleets.set_server_status("web1", fleets.ServerStatus.DRAINING)
    task = life.ask("create", 2002, domain="shop.test", package="small", group="standard")
    life.settle(until=lambda: life.status(2002) == "active" if Service.get_or_none(Service.id == 2002) else False)
    assert tasks.get(task).status == "done"
    assert [one.server_name for one in orphans.listing()] == ["web1"] * 3
    newer = {name: objects for name, objects in life.executor.state().items() if name != "web1"}
    life.executor.down = set()
    fleets.set_server_status("web1", fleets.ServerStatus.ACTIVE)
    Task.update(run_after=utc_now()).where(Task.status == "queued").execute()
    life.settle()
    assert orphans.listing() == []
    assert life.executor.state() == newer
    assert Operation.select().where(Operation.status != "done").count() == 0


def test_a_newer_service_waits_on_a_server_that_still_holds_its_name(life: Life) -> None:
    life.order()
    life.executor.down = {"dns1"}
    life.ask("terminate", force=True)
    life.settle(until=lambda: life.status() == "terminated" and not life.worker.busy)
    life.ask("create", 2002, domain="shop.test", package="small", group="standard")
    life.settle(until=lambda: Task.select().where((Task.service_id == 2002) & (Task.status == "done")).count() > 8)
    waiting = Task.get((Task.service_id == 2002) & (Task.action == "dns.zone_present") & (Task.status == "waiting"))
    assert waiting.server_id == fleets.server("dns1").id
    life.executor.down = set()
    Task.update(run_after=utc_now()).where(Task.status == "queued").execute()
    life.settle()
    assert life.status(2002) == "active"
    assert {one["owner"] for one in life.executor.state()["dns1"].values()} == {"s2002"}


def test_an_orphan_that_was_given_up_on_is_tried_again_when_its_server_answers(life: Life) -> None:
    fleets.set_knob("tasks.max_unreachable", "1", "test")
    life.order()
    life.executor.down = {"web1"}
    life.ask("terminate", force=True)
    life.settle()
    assert Orphan.select().where(Orphan.removed_at.is_null()).count() == 3
    jobs.try_orphans()
    assert not Task.select().where(Task.status == "queued").exists()  # it does not answer yet
    life.executor.down = set()
    fleets.set_server_status("web1", fleets.ServerStatus.ACTIVE)
    jobs.try_orphans()
    life.settle()
    assert orphans.listing() == []


def test_repair_runs_everything_keeps_the_state_and_names_what_had_drifted(life: Life) -> None:
    life.order()
    row = life.done("repair")
    assert life.status() == "active"
    operation = row.result["operation_id"]
    last = Task.get((Task.operation_id == operation) & (Task.action == "service.status_active"))
    assert {one["step"] for one in last.result["changed"]} >= {"web.domain_present@web1", "dns.zone_present@dns2"}
    life.done("suspend")
    life.done("repair")
    assert life.status() == "suspended"


def test_a_factory_reset_needs_its_code_and_wipes_what_the_customer_had(life: Life) -> None:
    life.order()
    before = life.executor.state()
    row = Service.get_by_id(1001)
    ServiceDatabase.create(service_id=1001, name="w1001_shop", password_hash="*" + "A" * 40, created_at=utc_now())
    life.done("redeploy")
    assert "database w1001_shop" in life.executor.state()["web1"]
    offer = life.done("factory_reset").result
    assert offer["will_wipe"]["database"] == 1
    assert life.done("factory_reset", confirm="00000000").status == "error"
    life.done("factory_reset", confirm=offer["confirm"])
    assert (life.status(), life.executor.state()) == ("active", before)
    assert Service.get_by_id(1001).uid == row.uid
    assert life.done("factory_reset", confirm=offer["confirm"]).status == "error"  # a code is good for one time


def test_a_change_of_domain_takes_everything_along_and_leaves_nothing_behind(life: Life) -> None:
    life.order()
    life.done("change_domain", domain="new.test")
    assert life.status() == "active"
    assert "shop.test" not in json.dumps(life.executor.state())
    assert [(row.name, row.kind) for row in DomainName.select()] == [("new.test", "primary")]
    life.done("change_domain", domain="shop.test")
    assert "new.test" not in json.dumps(life.executor.state())
    life.order(1002, "new.test")
    row = life.done("change_domain", domain="new.test")
    assert row.status == "error"
    assert "1002" in str(row.error)


def test_a_failed_change_of_domain_is_finished_by_a_redeploy(life: Life) -> None:
    fleets.set_knob("tasks.max_unreachable", "1", "test")
    life.order()
    life.executor.down = {"mail1"}
    life.done("change_domain", domain="new.test")
    assert life.status() == "failed"
    life.executor.down = set()
    fleets.set_server_status("mail1", fleets.ServerStatus.ACTIVE)
    life.done("redeploy")
    assert life.status() == "active"
    assert "shop.test" not in json.dumps(life.executor.state())


def test_a_package_that_allows_less_than_is_used_is_refused_with_the_limit(life: Life) -> None:
    life.order()
    fleets.add_package("none", limits.parse({"mailboxes": 0}))
    fleets.add_package("big", limits.parse({"php_memory_mb": 512}))
    row = life.done("change_package", package="none")
    assert row.status == "error"
    assert str(row.error).startswith("mailboxes: 1 in use, package none allows 0")
    life.done("change_package", package="big")
    assert life.executor.state()["web1"]["php w1001"]["memory_mb"] == 512
    assert life.status() == "active"


def test_a_package_may_bring_a_role_and_may_not_take_one(life: Life) -> None:
    fleets.add_package("web", limits.parse({"mail_disk_mb": 0}))
    life.done("create", domain="shop.test", package="web", group="standard")
    assert "mail1" not in life.executor.state()
    life.done("change_package", package="small")
    assert life.status() == "active"
    assert "mailbox postmaster@shop.test" in life.executor.state()["mail1"]
    assert life.done("change_package", package="web").status == "error"


@pytest.mark.parametrize("action", ["suspend", "unsuspend", "terminate", "repair", "factory_reset", "redeploy"])
def test_what_is_not_there_is_refused_by_name(life: Life, action: str) -> None:
    row = life.done(action, 4711)
    assert row.status == "error"
    assert "service_id: there is no service 4711" in str(row.error)


def test_a_mistake_of_ours_is_an_error_of_the_task_and_not_a_task_that_hangs(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise AttributeError("slip")

    life.order()
    monkeypatch.setattr("orchestrator.lifecycle.begin.orphans.let_wait", broken)
    row = life.done("redeploy")
    assert (row.status, row.error) == ("error", "an internal error; see the log")
    assert life.status() == "active"


def test_a_password_of_a_service_without_mail_changes_no_server(life: Life) -> None:
    life.order(roles=["web"])
    row = life.done("change_password", password_sealed=life.sealed("correct horse"))
    assert (row.status, row.result) == ("done", {"steps": 0})
    assert Operation.select().where(Operation.status == "running").count() == 0
