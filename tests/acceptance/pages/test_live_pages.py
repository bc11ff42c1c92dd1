"""One customer and one operator, each before a browser, while real nodes do what both are told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from playwright.sync_api import Page, expect

from demo import certificates, outside
from demo.installation import Installation
from lab import acme, faults, nodes
from orchestrator.core.clock import utc_now
from tests.acceptance.conftest import Build
from tests.acceptance.pages.served import OPERATOR, PATIENCE, Served, audited, shows, told
from tests.acceptance.stories import world
from tests.support import browser as chrome
from tests.unit.certificates import ca

pytestmark = pytest.mark.lab

DOMAIN, LATE = "shop.test", "late.test"
NAMES = (DOMAIN, f"www.{DOMAIN}")
# The last: a machine that is very busy loses leases.
WORDS = re.compile(
    r"follows|is next|is being done|done in [0-9.]+ (s|min)|that did not work; we try again at [0-9:]{8} UTC"
)
READY, SUSPENDED = "Your account is ready", "Your account is suspended"
REASON = "invoice 17 is overdue"


class Own(NamedTuple):
    """A certificate that the customer has bought somewhere, and the root it ends at."""

    certificate: str
    private_key: str
    chain: str
    root: Path
    serial: str


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    """Return the customer's certificate of an authority that this installation's machine trusts."""
    root = ca.Authority("root of the world")
    issuer = ca.Authority("issuer", root)
    leaf, key = issuer.issue(NAMES, since=utc_now() - timedelta(hours=1), lifetime=timedelta(days=80))
    file = tmp_path_factory.mktemp("roots") / "root.pem"
    file.write_text(ca.pem(root.certificate))
    return Own(ca.pem(leaf), ca.key_pem(key).decode(), ca.pem(issuer.certificate), file, f"{leaf.serial_number:x}")


@pytest.fixture(scope="module")
def site(build: Build, own: Own) -> Iterator[Installation]:
    """Yield a running installation with the lab's CA."""
    made = build(SSL_CERT_FILE=str(own.root))
    nodes.up(made.lab, [acme.NODE])
    certificates.use_lab(made)
    made.start()
    yield made
    nodes.down(made.lab, [acme.NODE])


def web_page(site: Installation, domain: str = DOMAIN) -> tuple[int, bool]:
    """Return with which status a website answers, and whether with its first page."""
    status, body = outside.page(world.address(site, "web1"), domain)
    return status, outside.WELCOME in body


def step_titles(site: Installation, service: int) -> set[str]:
    """Return what the steps of the newest operation are called on the page."""
    titles = [step["title"] for step in site.json("service", "timeline", str(service))]
    seen: Counter[str] = Counter()
    for title in titles:
        seen[title] += 1
    return {
        f"{title} · {number}" if count > 1 else title for title, count in seen.items() for number in range(1, count + 1)
    }


def names_no_machine(site: Installation, text: str) -> None:
    """Check that a customer reads neither a server's name nor its address."""
    for node in world.NODES:
        assert node.name not in text and world.address(site, node.name) not in text, text


def test_an_order_is_followed_to_the_dashboard_on_a_page_that_is_never_loaded_again(served: Served) -> None:
    page = served.customer(1001)
    shows(page.locator("h1"), "Nothing here yet")
    world.insert(served.site, 1001, world.order(served.site, DOMAIN))
    shows(page.locator("h1"), "We are setting up your account")
    expect(page.locator(".step-done").first).to_be_visible(timeout=PATIENCE * 1000)
    chrome.shot(page, "live-customer-deploying")
    shows(page.locator("h1"), READY)
    expect(page.locator("a.visit")).to_have_attribute("href", f"https://{DOMAIN}/")
    chrome.shot(page, "live-customer-ready")
    said = told(page)
    assert (said["titles"][0], said["titles"][-1]) == ("Nothing here yet", READY)
    assert set(said["steps"]) == step_titles(served.site, 1001)
    words = {word for several in said["steps"].values() for word in several}
    assert not [word for word in words if not WORDS.fullmatch(word)], words
    assert {"follows", "is being done"} <= words and any(word.startswith("done in") for word in words), words
    names_no_machine(served.site, str(said) + page.content())
    assert web_page(served.site) == (200, True)
    assert chrome.serious_findings(page) == []


def shown(site: Installation, root: Path) -> str:
    """Return the serial that a browser which trusts a root is shown for both names, "" when it accepts none."""
    try:
        [serial] = {certificates.https(world.address(site, "web1"), name, root) for name in NAMES}
    except (outside.Unproven, OSError, ValueError):
        return ""
    return serial


@pytest.fixture(scope="module")
def ours(served: Served) -> str:
    """Return the serial of the certificate that the website had by itself."""
    serial = certificates.await_active(served.site, 1001, seconds=PATIENCE)["web"]
    world.eventually(lambda: shown(served.site, acme.issuing_root(served.site.lab)) == serial, 60, "it is served")
    return serial


def test_the_customers_own_certificate_is_what_the_node_shows(served: Served, own: Own, ours: str) -> None:
    page = served.customer(1001)
    expect(page.locator(".certificate").first).to_contain_text("renewed by itself")
    page.click("summary")
    for field, text in (("certificate", own.certificate), ("private_key", own.private_key), ("chain", own.chain)):
        page.fill(f"#{field}", text)
    page.click("form >> text=Install")
    shows(page.locator(".notice"), "accepted", 30)
    shows(page.locator(".certificate").first, "your own")
    chrome.shot(page, "live-customer-own-certificate")
    world.eventually(lambda: shown(served.site, own.root) == own.serial, PATIENCE, "their own certificate is served")
    assert shown(served.site, acme.issuing_root(served.site.lab)) == ""


def by_hand(page: Page, own: Own) -> dict[str, tuple[int, bool]]:
    """Send what the page's forms would, and return how each was answered and whether with the reason."""
    forms: dict[str, Any] = {name: {} for name in ("sync", "retry", "certificates/web/remove")}
    forms["certificates"] = {"role": "web", "certificate": own.certificate, "private_key": own.private_key}
    base = page.url.partition("?")[0]
    answers = {name: requests.post(f"{base}{name}", data=form, timeout=30) for name, form in forms.items()}
    return {name: (one.status_code, SUSPENDED.lower() in one.text.lower()) for name, one in answers.items()}


_BY_THE_LINK = "SELECT COUNT(*) FROM tasks WHERE requested_by = 'link:1001'"


def ask(served: Served, wish: str, **fields: str) -> None:
    """Let the operator press one of a service's buttons."""
    console = served.console("services/1001")
    console.click(f".actions >> text={wish}")
    for name, text in fields.items():
        console.fill(f"[name={name}]", text)
    console.click(f"form button >> text={wish}")
    expect(console.locator("main [role=status]").first).to_contain_text(f"{wish}: task")


def test_a_suspension_takes_the_controls_away_and_its_end_gives_them_back(served: Served, own: Own, ours: str) -> None:
    site = served.site
    page = served.customer(1001)
    ask(served, "Suspend", reason=REASON)
    shows(page.locator("h1"), SUSPENDED)
    expect(page.locator(".stage")).to_contain_text(REASON)
    for control in ("Sync now", "Remove"):
        expect(page.get_by_role("button", name=control)).to_be_disabled()
    expect(page.get_by_role("button", name="Sync now")).to_have_attribute("title", SUSPENDED)
    expect(page.locator("summary")).to_have_count(0)
    chrome.shot(page, "live-customer-suspended")
    asked = site.read(_BY_THE_LINK)
    assert set(by_hand(page, own).values()) == {(409, True)}
    assert site.read(_BY_THE_LINK) == asked
    assert web_page(site)[0] == 503
    ask(served, "Unsuspend")
    shows(page.locator("h1"), READY)
    told(page)
    expect(page.locator("summary")).to_be_visible()
    expect(page.get_by_role("button", name="Remove")).to_be_enabled()
    assert web_page(site) == (200, True)
    page.click("text=Sync now")
    shows(page.locator(".gauges"), "Website storage")
    assert {(f"user:{OPERATOR}", "service.suspend"), (f"user:{OPERATOR}", "service.unsuspend")} <= set(audited(site))


def test_without_the_customers_own_certificate_the_automatic_one_is_back(served: Served, own: Own, ours: str) -> None:
    page = served.customer(1001)
    page.click("button >> text=Remove")
    shows(page.locator(".notice"), "ours takes its place", 30)
    shows(page.locator(".certificate").first, "renewed by itself")
    root = acme.issuing_root(served.site.lab)
    world.eventually(lambda: shown(served.site, root) == ours, PATIENCE, "the automatic certificate is served again")
    assert shown(served.site, own.root) == ""
    chrome.shot(page, "live-customer-automatic-certificate")


def test_a_cut_cable_is_explained_to_both_and_the_customer_tries_again(served: Served) -> None:
    site = served.site
    for knob, value in (("circuit_after", "100"), ("circuit_seconds", "600")):  # which is the first pause: time to look
        site.tenantry("settings", "set", f"server.{knob}", value)
    faults.link_down(site.lab, "web1")
    try:
        world.insert(site, 1002, world.order(site, LATE, roles=["web", "dns"]))
        page = served.customer(1002)
        shows(page.locator(".steps"), "the server does not answer; we try again at")
        console = served.console("services/1002")
        step = console.locator(".step", has_text="web1").filter(has_text="did not answer")
        shows(step, "is due at", 30)
        chrome.shot(console, "live-console-unreachable")
        site.tenantry("settings", "set", "tasks.max_unreachable", "1")
        step.locator("a").click()
        console.click("button >> text=Run now")
        shows(page.locator("h1"), "Something did not work")
        shows(page.locator(".step-error"), "the server does not answer", 30)
        shows(page.locator(".stage"), "you can also try again now", 30)
        chrome.shot(page, "live-customer-failed")
        told(page)
        names_no_machine(site, page.content())
        console = served.console("services/1002")
        expect(console.locator("h1")).to_contain_text("failed")
        expect(console.locator(".notice-bad").first).to_contain_text("web1")
        expect(console.locator(".step-error")).to_contain_text("web1")
        chrome.shot(console, "live-console-failed")
    finally:
        faults.link_up(site.lab, "web1")
        for knob, value in (("tasks.max_unreachable", "48"), ("server.circuit_seconds", "2")):
            site.tenantry("settings", "set", knob, value)
    page.click("button >> text=Try again")
    shows(page.locator(".notice"), "We try again", 30)
    shows(page.locator("h1"), READY)
    assert web_page(site, LATE) == (200, True)
    assert ("link:1002", "retry") in audited(site)


def test_a_page_follows_the_servers_successor_and_does_not_keep_it_from_ending(served: Served) -> None:
    page = served.customer(1001)
    expect(page.locator("h1")).to_have_text(READY)
    served.end(30)
    expect(page.locator(".connection")).to_be_visible()
    served.start()
    expect(page.locator(".connection")).to_be_hidden()
    told(page)
