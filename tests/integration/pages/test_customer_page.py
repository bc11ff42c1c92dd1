"""The customer's page in a browser: an order, a failure and its remedy, certificates, suspension; and who may not see it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from orchestrator.certs import roots
from orchestrator.core.clock import utc_now
from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from orchestrator.models.certificate import CertificateRow
from orchestrator.models.operator import ConsoleAudit
from orchestrator.models.service import Service
from orchestrator.models.task import LogEntry, Task
from orchestrator.models.usage import UsageCurrent
from orchestrator.plan.certificates.chain import Trust
from orchestrator.store import fleet as knobs
from orchestrator.store import tasks
from orchestrator.store.usage_intake import replace
from tests.integration.pages.conftest import once
from tests.support import browser as chrome
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.http_api import Api
from tests.unit.certificates import ca

ROOT = ca.Authority("root")
ISSUER = ca.Authority("issuer", ROOT)
ORDER = {"domain": "shop.test", "package": "small", "group": "standard"}
XSS = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}'
Link = Callable[..., str]


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the tests' own CA before any worker asks whom to trust."""
    monkeypatch.setattr(roots, "of_system", lambda: Trust(roots=(ROOT.certificate,)))


@contextmanager
def working(bench: Bench) -> Iterator[None]:
    """Let the queue work while a person looks at a page."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            bench.worker.pass_once()
            bench.worker.wait(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def order(bench: Bench, number: int = 1001, domain: str = "shop.test") -> None:
    """Order a service and let it become active."""
    fleet.build()
    tasks.enqueue("service.create", service_id=number, params={**ORDER, "domain": domain})
    bench.settle(60)


def opened(chromium: Browser, site: Api, path: str) -> Page:
    """Open a customer's page."""
    return chrome.open_page(chromium, site.url + path)


def test_an_order_is_followed_from_nothing_to_the_dashboard_without_a_reload(
    site: Api, chromium: Browser, bench: Bench, link: Link
) -> None:
    fleet.build()
    page = opened(chromium, site, link(1001))
    loads: list[str] = []
    page.on("load", lambda: loads.append("again"))
    expect(page.locator("h1")).to_have_text("Nothing here yet")
    bench.executor.seconds = 0.15
    tasks.enqueue("service.create", service_id=1001, params=ORDER)
    expect(page.locator("h1")).to_have_text("Your order has arrived")
    with working(bench):
        expect(page.locator("h1")).to_have_text("We are setting up your account")
        expect(page.locator(".step-done").first).to_be_visible()
        chrome.shot(page, "customer-deploying")
        expect(page.locator("h1")).to_have_text("Your account is ready", timeout=60_000)
    expect(page.locator("summary")).to_have_text("Install a certificate of your own")
    assert loads == []
    chrome.shot(page, "customer-ready")
    assert chrome.serious_findings(page) == []


def test_a_failure_is_explained_and_try_again_recovers(site: Api, chromium: Browser, bench: Bench, link: Link) -> None:
    fleet.build()
    knobs.set_knob("tasks.max_unreachable", "1", "test")
    is_down = True

    def script(request: RunRequest) -> RunResult | None:
        if is_down and request.host.name == "mail1":
            return RunResult(outcome=Outcome.UNREACHABLE, message="ssh: mail1 10.77.0.21: No route to host")
        return None

    bench.executor.script = script
    tasks.enqueue("service.create", service_id=1001, params=ORDER)
    bench.settle(60)
    page = opened(chromium, site, link(1001))
    expect(page.locator("h1")).to_have_text("Something did not work")
    expect(page.locator(".step-error")).to_contain_text("the server does not answer")
    assert "mail1" not in page.content()
    assert "10.77.0.21" not in page.content()
    chrome.shot(page, "customer-failed")
    assert chrome.serious_findings(page) == []
    is_down = False
    with working(bench):
        page.click("button >> text=Try again")
        expect(page.locator("h1")).to_have_text("Your account is ready", timeout=60_000)
    assert ConsoleAudit.get().actor == "link:1001"


@once
def test_an_own_certificate_goes_in_and_out(site: Api, chromium: Browser, bench: Bench, link: Link) -> None:
    order(bench)
    leaf, key = certificate_of("shop.test", "www.shop.test")
    page = opened(chromium, site, link(1001))
    page.click("summary")
    page.fill("#certificate", "no PEM at all")
    page.fill("#private_key", key)
    page.click("form >> text=Install")
    expect(page.locator("[role=alert]")).to_contain_text("certificate:")
    page.click("summary")
    page.fill("#certificate", leaf)
    page.fill("#private_key", key)
    page.fill("#chain", ca.pem(ISSUER.certificate))
    page.click("form >> text=Install")
    expect(page.locator("[role=status].notice")).to_contain_text("accepted")
    assert key.splitlines()[1] not in Task.select().order_by(Task.id.desc()).first().params
    bench.settle(60, until=lambda: state() == "custom")
    expect(page.locator(".certificate").first).to_contain_text("your own")
    chrome.shot(page, "customer-own-certificate")
    page.click("text=Remove")
    bench.settle(60, until=lambda: state() != "custom")
    expect(page.locator(".certificate").first).not_to_contain_text("your own")


def certificate_of(*names: str) -> tuple[str, str]:
    """Return a certificate of the customer's own and its key, both PEM."""
    key = ca.rsa.generate_private_key(public_exponent=65537, key_size=2048)
    since = utc_now() - timedelta(hours=1)
    leaf, key = ISSUER.issue(names, key=key, since=since, lifetime=timedelta(days=80))
    return ca.pem(leaf), ca.key_pem(key).decode()


def state() -> str:
    """Return the state of the website's certificate."""
    return str(CertificateRow.get(CertificateRow.role == "web").state)


def test_the_gauges_show_what_is_billed(site: Api, chromium: Browser, bench: Bench, link: Link) -> None:
    order(bench)
    figure = {"service_id": 1001, "metric": "web_disk", "value": 700 * 2**20, "unit": "bytes", "period": "snapshot"}
    replace(UsageCurrent, [{**figure, "collected_at": utc_now() - timedelta(minutes=3)}])
    page = opened(chromium, site, link(1001))
    expect(page.locator(".gauges li").first).to_contain_text("700.0 MiB of 1.0 GiB")
    page.click("text=Sync now")
    expect(page.locator("[role=status].notice")).to_contain_text("being collected")
    page.goto(site.url + link(1001))
    page.click("text=Sync now")
    asked = Task.select().where(Task.action == "service.sync_usage")
    assert [row.requested_by for row in asked] == ["link:1001"]


def test_a_suspended_account_can_be_looked_at_and_not_changed(
    site: Api, chromium: Browser, bench: Bench, link: Link
) -> None:
    order(bench)
    tasks.enqueue("service.suspend", service_id=1001, params={"reason": "invoice 17 is overdue"})
    bench.settle(60)
    page = opened(chromium, site, link(1001))
    expect(page.locator("h1")).to_have_text("Your account is suspended")
    expect(page.locator(".stage")).to_contain_text("invoice 17 is overdue")
    expect(page.locator("text=Sync now")).to_be_disabled()
    expect(page.locator("summary")).to_have_count(0)
    chrome.shot(page, "customer-suspended")
    assert chrome.serious_findings(page) == []
    before = Task.select().count()
    for path in ("sync", "retry", "certificates/web/remove"):
        answer = site.ask("POST", f"{link(1001)}{path}", None)
        assert answer.status_code == 409, path
        assert "your account is suspended" in answer.text
    form = {"role": "web", "certificate": "x", "private_key": "y", "chain": ""}
    assert site.ask("POST", f"{link(1001)}certificates", None, data=form).status_code == 409
    assert Task.select().count() == before


def test_a_link_opens_its_own_service_for_its_time_only(site: Api, bench: Bench, link: Link) -> None:
    order(bench)
    good = link(1001)
    assert site.ask("GET", good, None).status_code == 200
    number, until, mark = good.strip("/").split("/")[1].split(".")
    later = str(int(until) + 60)
    forged = [f"1002.{until}.{mark}", f"{number}.{later}.{mark}", f"{number}.{until}.{mark[::-1]}", "1001", "x.y.z"]
    for word in [*forged, link(1001, minutes=-1).strip("/").split("/")[1]]:
        for method, path in (
            ("GET", ""),
            ("GET", "live"),
            ("POST", "sync"),
            ("POST", "retry"),
            ("POST", "certificates"),
        ):
            answer = site.ask(method, f"/s/{word}/{path}", None)
            assert answer.status_code == 403, (word, path)
            assert "shop.test" not in answer.text
    assert Task.select().where(Task.requested_by.startswith("link:")).count() == 0


def test_another_sites_form_and_too_many_clicks_are_refused(site: Api, bench: Bench, link: Link) -> None:
    order(bench)
    path = f"{site.url}{link(1001)}sync"
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}, {"Origin": "null"}):
        assert requests.post(path, headers=headers, timeout=20).status_code == 403
    codes = [requests.post(path, timeout=20, allow_redirects=False).status_code for _ in range(14)]
    assert codes[:10] == [303] * 10
    assert 409 in codes[10:]
    assert Task.select().where(Task.action == "service.sync_usage").count() == 1


@once
def test_what_a_machine_or_a_person_wrote_is_never_a_part_of_the_page(
    site: Api, chromium: Browser, bench: Bench, link: Link
) -> None:
    order(bench)
    Service.update(suspend_reason=XSS, error=XSS, domain=XSS, status="suspended").execute()
    CertificateRow.update(names=[XSS], error=XSS, state="normal").execute()
    Task.update(error=XSS, action=XSS[:64], status="error").execute()
    LogEntry.update(message=XSS).execute()
    page = opened(chromium, site, link(1001))
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    expect(page.locator(".stage")).to_contain_text("onerror=alert(1)")
    assert page.locator("img").count() == 0
    assert "49" not in page.inner_text(".stage")
    answer = site.ask("GET", link(1001), None)
    assert "<img src=x" not in answer.text


@once
def test_the_page_may_be_framed_by_the_billing_system_alone(site: Api, bench: Bench, link: Link) -> None:
    order(bench)
    policy = site.ask("GET", link(1001), None).headers
    assert "frame-ancestors 'none'" in policy["content-security-policy"]
    knobs.set_knob("customer.embed_origin", "https://billing.example", "test")
    policy = site.ask("GET", link(1001), None).headers
    assert policy["content-security-policy"].endswith("frame-ancestors https://billing.example")
    assert "script-src 'self'" in policy["content-security-policy"]
    assert "unsafe" not in policy["content-security-policy"]
    assert policy["x-content-type-options"] == "nosniff"
    assert policy["cache-control"] == "no-store"
