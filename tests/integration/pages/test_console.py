"""The console in a browser: every page, every control, at a desk and on a telephone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from orchestrator.cli.main import cli
from orchestrator.config.knobs import KNOBS
from orchestrator.core.clock import utc_now
from orchestrator.core.records import RunRequest, RunResult, StepEvent
from orchestrator.core.states import Outcome
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.fleet import Server
from orchestrator.models.operator import ConsoleAudit
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Task
from orchestrator.models.usage import UsageCurrent
from orchestrator.store import fleet as knobs
from orchestrator.store import tasks, usage_statistics
from orchestrator.store.usage_intake import replace
from tests.integration.pages.conftest import once
from tests.support import browser as chrome
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.http_api import Api

ORDER = {"package": "small", "group": "standard"}
XSS = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}'
PAGES = (
    "",
    "tasks",
    "services",
    "services/1001",
    "services/1001/ask/terminate",
    "services/1001/certificate",
    "certificates",
    "statistics",
    "statistics/1001",
    "servers",
    "servers/web1",
    "log",
    "settings",
    "audit",
)
SignedIn = Callable[..., Page]


@pytest.fixture
def platform(bench: Bench) -> Bench:
    """Return a bench with an active service, one whose PHP fails, and figures."""
    fleet.build()
    knobs.set_knob("tasks.max_attempts", "1", "test")

    def script(request: RunRequest) -> RunResult | None:
        if request.action == "web.php_present" and request.job["fence"]["service"] == 1002:
            event = StepEvent(task="check the pool", status="failed", message="unknown value max", diff="-a\n+b")
            return RunResult(outcome=Outcome.FAILED, message="php-fpm -t: unknown value", events=(event,))
        return None

    bench.executor.script = script
    for number, domain in ((1001, "shop.test"), (1002, "broken.test")):
        tasks.enqueue("service.create", service_id=number, params={**ORDER, "domain": domain})
    bench.settle(90)
    rows = [
        {"service_id": number, "metric": "disk", "value": number * 2**20, "unit": "bytes", "period": "snapshot"}
        for number in (1001, 1002)
    ]
    replace(UsageCurrent, [{**row, "collected_at": utc_now()} for row in rows])
    usage_statistics.add_up(utc_now())
    return bench


@once
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_small_and_its_scripts_obey_the_policy(
    site: Api, platform: Bench, signed_in: SignedIn, scheme: str
) -> None:
    page = signed_in(color_scheme=scheme)
    failed = Task.get(Task.status == "error").id
    for path in (*PAGES, f"tasks/{failed}"):
        answer = page.goto(f"{site.url}/console/{path}")
        assert answer is not None
        assert answer.status == 200, path
        assert len(answer.body()) < 200_000, path
        assert chrome.serious_findings(page) == [], path
        chrome.shot(page, f"console-{path.replace('/', '-') or 'overview'}-{scheme}")
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("", "tasks", "services/1002"):
        page.goto(f"{site.url}/console/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        chrome.shot(page, f"console-{path.replace('/', '-') or 'overview'}-{scheme}-phone")


def test_a_failure_is_found_understood_and_tried_again(site: Api, platform: Bench, signed_in: SignedIn) -> None:
    page = signed_in("support")
    row = page.locator("section", has_text="Failing now").locator("tbody tr")
    expect(row).to_contain_text("php-fpm -t: unknown value")
    row.locator("a.row").click()
    expect(page.locator("h1")).to_contain_text("error")
    expect(page.locator(".event")).to_contain_text("unknown value max")
    expect(page.locator("pre")).to_contain_text("+b")
    platform.executor.script = None
    page.click("button >> text=Retry")
    expect(page.locator("main [role=status]")).to_contain_text("is queued again")
    platform.settle(60)
    page.goto(f"{site.url}/console/services/1002")
    expect(page.locator("h1")).to_contain_text("active")
    page.goto(f"{site.url}/console/audit")


def test_a_service_tells_what_went_wrong_while_it_is_tried_again(site: Api, bench: Bench, signed_in: SignedIn) -> None:
    fleet.build()
    knobs.set_knob("server.circuit_seconds", "60", "test")  # the pause before the second attempt

    def script(request: RunRequest) -> RunResult | None:
        if request.host.name == "web1":
            return RunResult(outcome=Outcome.UNREACHABLE, message="ssh: web1: No route to host")
        return None

    bench.executor.script = script
    tasks.enqueue("service.create", service_id=1001, params={**ORDER, "domain": "shop.test"})
    bench.settle(60, until=lambda: bool(Task.select().where(Task.unreachable > 0)))
    page = signed_in("support")
    page.goto(f"{site.url}/console/services/1001")
    step = page.locator(".step", has_text="No route to host")
    expect(step).to_contain_text("its server did not answer once")


def test_the_bulk_controls_do_what_they_say(site: Api, platform: Bench, signed_in: SignedIn) -> None:
    waiting = [tasks.enqueue("service.redeploy", service_id=1001, params={"n": n}) for n in range(3)]
    page = signed_in()

    def tick(numbers: list[int], button: str, status: str) -> None:
        page.goto(f"{site.url}/console/tasks?status={status}")
        for number in numbers:
            page.check(f"input[name=id][value='{number}']")
        expect(page.locator("[data-ticked]")).to_have_text(f"{len(numbers)} chosen")
        page.click(f".bulk button >> text={button}")
        page.wait_for_selector("main .notice")

    def status_of(numbers: list[int]) -> list[str]:
        return [Task.get_by_id(number).status for number in numbers]

    failed = [row.id for row in Task.select().where(Task.status == "error")]
    tick(waiting[:2], "Cancel", "queued")
    assert status_of(waiting) == ["cancelled", "cancelled", "queued"]
    before = Task.get_by_id(waiting[2]).run_after
    tick(waiting[2:], "Run now", "queued")
    assert Task.get_by_id(waiting[2]).run_after >= before
    tick(failed, "Retry", "error")
    assert status_of(failed) == ["queued"] * len(failed)
    tick(waiting[:1], "Delete", "cancelled")
    assert Task.get_or_none(Task.id == waiting[0]) is None
    page.click("summary")
    page.check("details input[value=cancelled]")
    page.click("text=Delete all of these")
    page.wait_for_selector("main .notice")
    left = {row.status for row in Task.select(Task.status).distinct()}
    assert "cancelled" not in left
    page.goto(f"{site.url}/console/tasks/{waiting[2]}")
    page.click("button >> text=Force-fail")
    expect(page.locator("h1")).to_contain_text("error")
    told = {row.action for row in ConsoleAudit.select()}
    assert {"tasks cancel", "tasks run-now", "tasks retry", "tasks delete", "tasks clean", "task force-fail"} <= told


@once
def test_what_cannot_be_undone_takes_the_domain_typed_out(site: Api, platform: Bench, signed_in: SignedIn) -> None:
    page = signed_in()
    page.goto(f"{site.url}/console/services/1001")
    page.click("text=Terminate >> nth=0")
    expect(page.locator(".plan")).to_contain_text("web.")
    page.fill("[name=typed]", "other.test")
    page.click("button >> text=Terminate")
    expect(page.locator("[role=alert]")).to_contain_text("type shop.test to go on")
    assert Task.select().where(Task.action == "service.terminate").count() == 0
    page.goto(f"{site.url}/console/services/1001/ask/factory-reset")
    page.click("button >> text=Factory reset")
    platform.settle(60)
    page.goto(f"{site.url}/console/services/1001")
    page.click("text=Go on …")
    page.fill("[name=typed]", "shop.test")
    page.click("button >> text=Wipe and deploy anew")
    platform.settle(60)
    assert Service.get_by_id(1001).reset_code == ""
    page.goto(f"{site.url}/console/services/1001/ask/terminate")
    page.fill("[name=typed]", "shop.test")
    page.click("button >> text=Terminate")
    platform.settle(60)
    assert Service.get_by_id(1001).status == "terminated"


def test_settings_are_those_of_the_registry_and_say_who(site: Api, platform: Bench, signed_in: SignedIn) -> None:
    page = signed_in()
    page.goto(f"{site.url}/console/settings")
    assert page.locator("form.knob").count() == len(KNOBS)
    form = page.locator("form[id='tasks.backoff_minutes']")
    form.locator("input[name=value]").fill("soon")
    form.locator("button").click()
    expect(page.locator("[role=alert]")).to_contain_text("no list of numbers")
    form.locator("input[name=value]").fill("2,4")
    form.locator("button").click()
    expect(page.locator("main [role=status]")).to_contain_text("0 → 2,4")
    expect(form).to_contain_text("user:admin-user")
    assert knobs.knob_value("tasks.backoff_minutes") == "2,4"


@once
def test_how_much_a_server_takes_is_changed_in_place(site: Api, platform: Bench, signed_in: SignedIn) -> None:
    page = signed_in()
    page.goto(f"{site.url}/console/servers/web1")
    page.get_by_label("Slots", exact=True).fill("3")
    page.get_by_label("Services").fill("200")
    page.click("button >> text=Save")
    expect(page.locator("main [role=status]")).to_contain_text("web1 takes 3 steps at once and 200 services")
    row = Server.get(Server.name == "web1")
    assert (row.concurrency, row.capacity) == (3, 200)
    page.goto(f"{site.url}/console/audit")
    expect(page.locator("tbody tr").first).to_contain_text("slots 3, capacity 200")
    reader = signed_in("support")
    reader.goto(f"{site.url}/console/servers/web1")
    assert reader.locator("form[action$='/room']").count() == 0


def test_statistics_are_those_of_the_command_line(
    site: Api, platform: Bench, signed_in: SignedIn, db: str, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    shown = usage_statistics.totals("all")[0]
    page = signed_in("read-only")
    page.goto(f"{site.url}/console/statistics")
    expect(page.locator(".figures")).to_contain_text("2.0 GiB")
    assert shown["disk"] == (1001 + 1002) * 2**20
    rows = page.locator("tbody tr", has=page.locator("a.row")).all_inner_texts()
    assert [row.split()[0] for row in rows] == ["1002", "1001"]
    monkeypatch.setenv("TENANTRY_DATABASE_URL", db)
    monkeypatch.setenv("TENANTRY_HOME", str(home))
    told = json.loads(CliRunner().invoke(cli, ["usage", "show", "--top", "disk", "--json"]).stdout)
    assert [str(row["service"]) for row in told] == ["1002", "1001"]
    page.goto(f"{site.url}/console/statistics/1001")
    assert page.locator(f"td[title='{told[1]['value']}']").count() == 1


@once
def test_no_word_of_a_node_or_a_customer_becomes_a_part_of_a_page(
    site: Api, platform: Bench, signed_in: SignedIn
) -> None:
    page = signed_in()
    Service.update(domain=XSS, error=XSS, suspend_reason=XSS, contact_email=XSS, status="suspended").execute()
    Task.update(error=XSS, requested_by=XSS[:64], lease_owner=XSS).execute()
    LogEntry.update(
        message=XSS, actor=XSS[:64], reason="<b>", detail={"events": [{"message": XSS, "diff": XSS}]}
    ).execute()
    CertificateRow.update(names=[XSS], error=XSS).execute()
    ConsoleAudit.update(detail=XSS, target=XSS).execute()
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    failed = Task.get(Task.status == "error").id
    for path in (*PAGES, f"tasks/{failed}", "tasks?q=" + "%22%3E%3Cimg%20src=x%3E", "log?q=%3Cimg%20src=x%3E"):
        page.goto(f"{site.url}/console/{path}")
        assert page.locator("main img").count() == 0, path
        assert "<img src=x" not in page.content(), path


@once
def test_no_page_holds_a_secret(site: Api, platform: Bench, signed_in: SignedIn) -> None:
    secrets = {Service.get_by_id(1001).password_hash, Service.get_by_id(1001).reset_code} - {""}
    page = signed_in()
    for path in (*PAGES, "tasks/1"):
        page.goto(f"{site.url}/console/{path}")
        text = page.content()
        assert "PRIVATE KEY-----\n" not in text, path
        assert "$argon2" not in text and "$2b$" not in text, path
        assert not any(secret in text for secret in secrets), path


@once
def test_keys_lead_from_page_to_page(site: Api, platform: Bench, signed_in: SignedIn) -> None:
    page = signed_in()
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/console/tasks")
    page.keyboard.press("j")
    expect(page.locator("tbody a.row").first).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("input[type=search]")).to_be_focused()
    page.keyboard.type("broken.test")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=broken.test*")
    assert {cell.strip() for cell in page.locator("tbody td:nth-child(5)").all_inner_texts()} == {"1002"}


@once
def test_the_queue_refreshes_by_itself_but_not_under_a_hand(site: Api, platform: Bench, signed_in: SignedIn) -> None:
    page = signed_in()
    page.goto(f"{site.url}/console/tasks?status=queued")
    expect(page.locator("tbody")).to_contain_text("No task like that.")
    first = tasks.enqueue("service.redeploy", service_id=1001)
    expect(page.locator(f"input[value='{first}']")).to_be_visible()
    expect(page.locator("tbody .why")).to_contain_text("It is due")
    page.check(f"input[value='{first}']")
    second = tasks.enqueue("service.repair", service_id=1001)
    with page.expect_event("console", lambda line: "asked" in line.text, timeout=15_000):
        page.evaluate("document.addEventListener('htmx:beforeRequest', () => console.log('asked'))")
    expect(page.locator(f"input[value='{first}']")).to_be_checked()
    assert page.locator(f"input[value='{second}']").count() == 0
    page.uncheck(f"input[value='{first}']")
    page.locator("h1").click()
    expect(page.locator(f"input[value='{second}']")).to_be_visible()
