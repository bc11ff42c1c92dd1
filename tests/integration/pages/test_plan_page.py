"""Plan and diff in the console: asked with a button, shown when the servers have answered, read by whoever may look."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from orchestrator.core.records import RunRequest, RunResult, StepEvent
from orchestrator.core.states import Outcome
from orchestrator.models.operator import ConsoleAudit
from orchestrator.models.service import Service
from orchestrator.models.task import Task
from orchestrator.store import plans, tasks
from tests.integration.pages.conftest import Visitor, once
from tests.integration.pages.test_console import ORDER, XSS
from tests.support import browser as chrome
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.http_api import Api

DIFF = f"--- /etc/{XSS}\n+++ /etc/{XSS}\n-{XSS}\n+</pre><script>alert(3)</script>\n"


@pytest.fixture
def platform(bench: Bench) -> Bench:
    """Return a bench with an active service, whose web server would change something and whose mail server is away."""
    fleet.build()
    tasks.enqueue("service.create", service_id=1001, params={**ORDER, "domain": "shop.test"})
    bench.settle(90)

    def script(request: RunRequest) -> RunResult | None:
        if not request.check:
            return None
        if request.host.name == "mail1":
            return RunResult(outcome=Outcome.UNREACHABLE, message=f"no route {XSS}")
        if request.host.name != "web1":
            return RunResult(outcome=Outcome.OK)
        return RunResult(outcome=Outcome.CHANGED, events=(StepEvent(task="x", status="changed", diff=DIFF),))

    bench.executor.script = script
    return bench


def test_a_plan_comes_to_the_page_by_itself_and_is_text(
    site: Api, platform: Bench, signed_in: Callable[..., Page]
) -> None:
    page = signed_in("support")
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto(f"{site.url}/console/services/1001/ask/redeploy")
    assert page.locator("#plan").count() == 0
    page.click("button >> text=Ask the servers")
    expect(page.locator("main [role=status]").first).to_contain_text("What Redeploy would change: task")
    expect(page.locator("#plan")).to_contain_text("The servers are being asked")
    assert Service.get_by_id(1001).generation == 1
    page.click("button >> text=Ask the servers")
    expect(page.locator("main [role=status]").first).to_contain_text("asks them already")
    assert Task.select().where(Task.action == "service.plan").count() == 1
    platform.settle(60)
    told = page.locator("#plan")
    expect(told).to_contain_text("5 of 14 steps would change something")
    expect(told).to_contain_text("of 3 it is not known")
    assert told.get_attribute("hx-trigger") is None, "nothing is fetched any more"
    web = told.locator("details", has_text="web.domain_present")
    expect(web.locator(".state")).to_have_text("would change")
    expect(web).to_contain_text("web1")
    expect(web.locator("pre")).to_have_text(DIFF)
    away = told.locator("details", has_text="mail.domain_present")
    expect(away.locator(".state")).to_have_text("does not answer")
    expect(away).to_contain_text("no route")
    assert page.locator("main img").count() == 0 and "<img src=x" not in page.content()
    assert page.locator("main script").count() == 0
    assert chrome.serious_findings(page) == []
    chrome.shot(page, "console-plan")
    entries = [(one.actor, one.action, one.target, one.detail) for one in ConsoleAudit.select()]
    assert entries.count(("user:support-user", "service.plan", "service 1001", "service.redeploy")) == 2


def test_who_may_only_look_sees_it_and_may_not_ask(site: Api, platform: Bench, signed_in: Callable[..., Page]) -> None:
    task = tasks.enqueue("service.plan", service_id=1001, params={"action": "service.repair"})
    platform.settle(60)
    page = signed_in("read-only")
    page.goto(f"{site.url}/console/services/1001")
    card = page.locator("section", has_text="Plan and diff")
    expect(card).to_contain_text("5 of 14 steps would change something")
    card.get_by_text("Show").click()
    page.wait_for_url(f"**/console/services/1001/plans/{task}")
    expect(page.locator("#plan pre").first).to_have_text(DIFF)
    assert page.locator("text=Ask the servers").count() == 0
    assert chrome.serious_findings(page) == []
    page.goto(f"{site.url}/console/tasks/{task}")
    page.click("text=Plan and diff")
    page.wait_for_url(f"**/console/services/1001/plans/{task}")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@once
def test_what_was_filled_in_is_planned_and_what_is_grave_needs_no_typing(
    site: Api, platform: Bench, signed_in: Callable[..., Page]
) -> None:
    page = signed_in("admin")
    page.goto(f"{site.url}/console/services/1001/ask/change-package")
    page.fill("[name=package]", "small")
    page.click("button >> text=Ask the servers")
    page.wait_for_selector("#plan")
    assert page.input_value("[name=package]") == "small"
    page.goto(f"{site.url}/console/services/1001/ask/terminate")
    assert page.locator("#plan").count() == 0, "that was another question"
    page.click("button >> text=Ask the servers")
    page.wait_for_selector("#plan")
    platform.settle(60)
    expect(page.locator("#plan")).to_contain_text("would change something")
    asked = [plans.get(1001, row.id) for row in Task.select().where(Task.action == "service.plan").order_by(Task.id)]
    assert [(one.action, one.params) for one in asked] == [
        ("service.change_package", {"package": "small"}),
        ("service.terminate", {}),
    ]
    assert Task.select().where(Task.action << ["service.terminate", "service.change_package"]).count() == 0
    page.fill("[name=typed]", "shop.test")
    page.keyboard.press("Enter")
    page.wait_for_selector("main .notice")
    assert Task.select().where(Task.action == "service.terminate").count() == 1, "Enter means the wish itself"


def test_a_suspended_service_is_planned_for(site: Api, platform: Bench, signed_in: Callable[..., Page]) -> None:
    tasks.enqueue("service.suspend", service_id=1001, params={"reason": "late"})
    platform.settle(60)
    page = signed_in("support")
    page.goto(f"{site.url}/console/services/1001")
    page.click("text=Check and repair")
    page.click("button >> text=Ask the servers")
    page.wait_for_selector("#plan")
    platform.settle(60)
    expect(page.locator("#plan")).to_contain_text("would change something")
    assert Service.get_by_id(1001).status == "suspended"


def test_a_plan_is_of_its_service_and_of_a_rank(
    platform: Bench, visitor: Callable[[], Visitor], people: dict[str, str]
) -> None:
    task = tasks.enqueue("service.plan", service_id=1001, params={"action": "service.repair"})
    tasks.enqueue("service.create", service_id=1002, params={**ORDER, "domain": "other.test"})
    platform.settle(60)
    one = visitor()
    one.sign_in(people["support"])
    for path, status in ((f"1001/plans/{task}", 200), (f"1002/plans/{task}", 404), ("1001/plans/1", 404)):
        assert one.ask("GET", f"/console/services/{path}").status_code == status, path
    for name, status in (("terminate", 403), ("explode", 404), ("repair", 303)):
        answer = one.ask("POST", f"/console/services/1001/ask/{name}/plan", data={"csrf": one.csrf()})
        assert answer.status_code == status, name
    assert one.ask("POST", "/console/services/1001/ask/repair/plan").status_code == 403, "without the form's token"
    asked = Task.select().where((Task.action == "service.plan") & (Task.status == "queued"))
    assert [row.requested_by for row in asked] == ["user:support-user"]


def test_rows_that_others_wrote_do_not_break_the_page(
    platform: Bench, visitor: Callable[[], Visitor], people: dict[str, str]
) -> None:
    one = visitor()
    one.sign_in(people["read-only"])
    for params in ("[]", "no JSON", '{"action": 7, "params": 7}', "{}"):
        task = fleet.insert_task({"action": "service.plan", "service_id": 1001, "params": params})
        for path in ("1001", f"1001/plans/{task}"):
            assert one.ask("GET", f"/console/services/{path}").status_code == 200, (params, path)
        platform.settle(60)
        assert one.ask("GET", f"/console/services/1001/plans/{task}").status_code == 200, params
