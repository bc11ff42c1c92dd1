"""`tenantry serve` beside an installation, and a browser in front of it."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Locator, Page, expect

from demo.installation import PROJECT, Installation
from tests.acceptance.stories import world
from tests.support import browser as chrome

PATIENCE = 300  # seconds for what nodes do; a deploy takes a tenth of that on a machine of its own
OPERATOR, PASSWORD = "anna", "correct horse battery"
# Writes down whatever the first region of a customer's page has said, and that it was never loaded again.
_WATCH = """() => {
  window.isUnbroken = true;
  window.told = { titles: [], steps: {} };
  const region = document.querySelector('[data-region="progress"]');
  const add = (list, word) => { if (list.at(-1) !== word) list.push(word); };
  const look = () => {
    add(told.titles, region.querySelector("h1").textContent);
    for (const step of region.querySelectorAll(".step"))
      add(told.steps[step.querySelector(".step-title").textContent] ??= [], step.querySelector(".step-words").textContent);
  };
  new MutationObserver(look).observe(region, { childList: true });
  look();
}"""


class Served:
    """A server process over an installation's database, and who looks at its pages."""

    def __init__(self, site: Installation, browser: Browser) -> None:
        self.site, self._browser = site, browser
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._console: Page | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        port = self.url.rpartition(":")[2]
        with (self.site.folder / "serve.log").open("ab") as log:
            command = [sys.executable, "-m", "orchestrator", "serve", "--port", port]
            self._process = subprocess.Popen(
                command, env=self.site.environment, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        world.eventually(self._answers, 60, "the server answers")

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "the server has ended; see serve.log"
        try:
            return requests.get(f"{self.url}/console/signin", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def end(self, seconds: float = 60) -> None:
        """Let the server end as its service manager does."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(seconds)
            finally:
                self._process.kill()

    def link(self, service: int) -> str:
        """Return the address of a customer's page, as the command line prints it."""
        return self.site.tenantry("service", "link", str(service), "--url", self.url).stdout.strip()

    def customer(self, service: int) -> Page:
        """Open a customer's page and write down what it says from now on."""
        page = chrome.open_page(self._browser, self.link(service))
        page.evaluate(_WATCH)
        return page

    def console(self, path: str = "") -> Page:
        """Return the console at a page of it; the operator signs in the first time."""
        if self._console is None:
            add = ("user", "add", OPERATOR, "--role", "admin", "--password-stdin")
            self.site.tenantry(*add, given=f"{PASSWORD}\n")
            self._console = chrome.open_page(self._browser, f"{self.url}/console/")
            self._console.fill("[name=name]", OPERATOR)
            self._console.fill("[name=password]", PASSWORD)
            self._console.click("text=Sign in")
            self._console.wait_for_selector("nav")
        self._console.goto(f"{self.url}/console/{path}")
        return self._console


def told(page: Page) -> Any:
    """Return what a customer's page has said since it was opened: ``titles``, and the words of each of ``steps``."""
    assert page.evaluate("window.isUnbroken") is True, "the page was loaded again"
    return page.evaluate("window.told")


def shows(place: Locator, text: str, seconds: float = PATIENCE) -> None:
    """Wait until a place of a page, which follows by itself, has a text."""
    expect(place).to_contain_text(text, timeout=seconds * 1000)


def audited(site: Installation) -> list[tuple[Any, ...]]:
    """Return who did what in which order."""
    return site.read("SELECT actor, action FROM console_audit ORDER BY id")


def write(site: Installation, statement: str, *values: Any) -> int:
    """Change a row as another program may; returns the id of one that was inserted."""
    file = Path(site.database_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        return int(connection.execute(statement, values).lastrowid or 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
