"""The real server over a real database, a browser, and people who sign in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import requests
from playwright.sync_api import Browser, Page

from orchestrator.config import keys
from orchestrator.core import links
from orchestrator.core.clock import utc_now
from orchestrator.models.operator import Operator
from orchestrator.store import operators
from tests.conftest import require
from tests.support import browser as chrome
from tests.support.bench import Bench
from tests.support.http_api import Api, serving

PASSWORD = "correct horse battery"
# What a browser makes of a page is the same whatever the rows came from: not everything is looked at twice.
once = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    """Yield one browser for all tests; each page has a profile of its own."""
    require(chrome.missing())
    with chrome.chromium() as running:
        yield running


@pytest.fixture
def site(bench: Bench) -> Iterator[Api]:
    """Yield the server over the bench's database."""
    with serving(bench.app) as running:
        yield running


@pytest.fixture
def chromium(one_browser: Browser, site: Api) -> Iterator[Browser]:
    """Yield the browser; its pages are closed before the server ends."""
    yield one_browser
    for context in one_browser.contexts:
        context.close()


@pytest.fixture
def link(bench: Bench) -> Callable[..., str]:
    """Return what makes the path of a customer's page."""

    def make(service_id: int, minutes: float = 60) -> str:
        key = keys.link_key(bench.app.settings.home)
        return f"/s/{links.sign(key, service_id, utc_now() + timedelta(minutes=minutes))}/"

    return make


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Return the hash of everybody's password; making one takes as long as a test."""
    return operators.hashed(PASSWORD)


@pytest.fixture
def people(site: Api, password_hash: str) -> dict[str, str]:
    """Make a user of each rank: {rank: name}."""
    empty = {"totp": "", "totp_step": 0, "failures": 0, "active": True, "created_by": "test", "created_at": utc_now()}
    for rank in ("read-only", "support", "admin"):
        Operator.create(name=f"{rank}-user", role=rank, password=password_hash, **empty)
    return {rank: f"{rank}-user" for rank in ("read-only", "support", "admin")}


class Visitor:
    """A program at the console: keeps cookies as a browser does, also the secure ones on loopback."""

    def __init__(self, site: Api) -> None:
        self.site, self.cookies = site, {}

    def ask(self, method: str, path: str, **more: object) -> requests.Response:
        """Send one request without following where it leads."""
        answer = requests.request(
            method, self.site.url + path, cookies=self.cookies, allow_redirects=False, timeout=30, **more
        )
        for cookie in answer.cookies:
            if cookie.value:
                self.cookies[cookie.name] = cookie.value
        return answer

    def sign_in(self, name: str, password: str = PASSWORD, code: str = "") -> requests.Response:
        """Fill in the form."""
        return self.ask("POST", "/console/signin", data={"name": name, "password": password, "code": code})

    def csrf(self) -> str:
        """Return the token of the forms."""
        return self.ask("GET", "/console/").text.split('name="csrf" value="')[1].split('"')[0]


@pytest.fixture
def visitor(site: Api) -> Callable[[], Visitor]:
    """Return what makes a visitor."""
    return lambda: Visitor(site)


@pytest.fixture
def signed_in(site: Api, people: dict[str, str], chromium: Browser) -> Callable[..., Page]:
    """Return what opens a browser that is signed in."""

    def enter(rank: str = "admin", **more: object) -> Page:
        page = chrome.open_page(chromium, f"{site.url}/console/", **more)
        page.fill("[name=name]", people[rank])
        page.fill("[name=password]", PASSWORD)
        page.click("text=Sign in")
        page.wait_for_selector("nav")
        return page

    return enter
