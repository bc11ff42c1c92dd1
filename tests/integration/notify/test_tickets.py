"""One ticket for each failed operation, whatever the ticket system does."""

from __future__ import annotations

import threading
import time

import pytest

from orchestrator.models.notice import Delivery, TicketRow
from orchestrator.models.service import Service
from orchestrator.models.task import OutboxRow, Task
from orchestrator.notify.outbox import Outbox
from orchestrator.store import retries
from orchestrator.store.fleet import set_knob
from tests.integration.notify.conftest import settle, tell
from tests.integration.queue.test_failures import FAILED, failing
from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.whmcs_api import FakeWhmcs

FAULTS = ("down", "error", "html", "slow", "down_after", "error_after", "html_after", "double_after")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", ["OpenTicket", "AddTicketNote"])
def test_every_fault_ends_in_one_ticket_with_its_notes_in_order(
    action: str, fault: str, outbox: Outbox, whmcs: FakeWhmcs
) -> None:
    whmcs.faults = [(action, fault), (action, fault)]
    tell("task_failed", error="first")
    tell("task_failed", error="second")
    tell("operation_recovered")
    settle(outbox)
    is_found_again = action == "OpenTicket" and (fault == "slow" or fault.endswith("_after"))
    assert len(whmcs.faults) == is_found_again  # it is not asked for a second time
    (ticket,) = whmcs.tickets.values()
    assert "first" in ticket["message"]
    assert ["second" in text for text in ticket["notes"]] == [True, False]
    assert "has succeeded" in ticket["notes"][1]
    assert {row.state for row in Delivery.select()} == {"sent"}
    assert OutboxRow.select().where(OutboxRow.delivered_at.is_null()).count() == 0


@pytest.mark.parametrize("fate", ["Closed", "vanished"])
def test_a_ticket_that_is_closed_or_gone_leads_to_a_new_one(fate: str, outbox: Outbox, whmcs: FakeWhmcs) -> None:
    tell("task_failed", error="first")
    settle(outbox)
    (old,) = whmcs.tickets
    if fate == "Closed":
        whmcs.tickets[old]["status"] = "Closed"
    else:
        del whmcs.tickets[old]
    tell("task_failed", error="second")
    settle(outbox)
    (new,) = set(whmcs.tickets) - {old}
    assert "second" in whmcs.tickets[new]["message"]
    whmcs.tickets[new]["status"] = "Closed"
    tell("operation_recovered")
    settle(outbox)
    assert len(whmcs.requests) and set(whmcs.tickets) - {old} == {new}  # a success opens none
    assert Delivery.select().order_by(Delivery.id.desc()).first().state == "dropped"


def test_two_operations_have_two_tickets_and_a_success_alone_none(outbox: Outbox, whmcs: FakeWhmcs) -> None:
    tell("task_failed", "operation:1")
    tell("task_failed", "operation:2")
    tell("operation_recovered", "operation:3")
    settle(outbox)
    assert len(whmcs.tickets) == 2
    assert TicketRow.select().count() == 2
    assert len({one["subject"] for one in whmcs.tickets.values()}) == 2


def test_two_orchestrators_that_drain_at_once_open_one_ticket_each(outbox: Outbox, whmcs: FakeWhmcs) -> None:
    for number in range(6):
        tell("task_failed", f"operation:{number}")
    threads = [threading.Thread(target=outbox.drain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    settle(outbox)
    assert len(whmcs.tickets) == 6


def test_what_a_node_said_is_a_bounded_quotation_and_nobody_but_staff_is_told(outbox: Outbox, whmcs: FakeWhmcs) -> None:
    tell("task_failed", error="{php}system('id'){/php} {$whmcs} ``` <b>[a](http://evil.example)\x1b[31m" + "x" * 50_000)
    settle(outbox)
    (ticket,) = whmcs.tickets.values()
    assert not set("{}<>[]\x1b") & set(ticket["message"])
    assert ticket["message"].count("```") == 2
    assert len(ticket["message"]) < 2500
    assert (ticket["noemail"], ticket["deptid"], ticket["email"]) == ("true", "4", "noc@provider.example")
    assert "clientid" not in ticket


def test_a_ticket_system_that_hangs_or_refuses_delays_and_fails_no_task(
    outbox: Outbox, whmcs: FakeWhmcs, bench: Bench
) -> None:
    fleet.build()
    bench.executor.script = failing("web.domain_present", FAILED, times=5)  # type: ignore[assignment]
    order()
    bench.settle()
    whmcs.faults = [("", "slow"), ("", "down"), ("", "html")]
    begun = time.monotonic()
    outbox.drain()
    assert time.monotonic() - begun < 5  # one request, then the channel rests
    order(1002, domain="other.example")
    bench.settle()
    assert Service.get_by_id(1002).status == "active"
    retries.retry(Task.get(Task.status == "error").id, "test")
    bench.settle()
    assert Service.get_by_id(1001).status == "active"
    settle(outbox)
    (ticket,) = whmcs.tickets.values()
    assert "nginx refused the site" in ticket["message"]
    assert ["has succeeded" in text for text in ticket["notes"]] == [True]


def test_a_refusal_is_kept_with_its_reason_and_given_up_in_the_end(outbox: Outbox, whmcs: FakeWhmcs) -> None:
    set_knob("tickets.department", "nowhere", "test")
    tell("task_failed")
    outbox.drain()
    row = Delivery.get()
    assert (row.state, row.attempts) == ("pending", 1)
    assert "no department 'nowhere'" in row.error
    Delivery.update(created_at=row.created_at.replace(year=2020), run_after=row.created_at).execute()
    outbox.drain()
    assert Delivery.get().state == "given_up"
    assert OutboxRow.get().delivered_at is not None
    assert whmcs.tickets == {}
