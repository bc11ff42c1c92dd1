"""Chromium of Debian, driven by Playwright; screenshots are kept in tests/artifacts."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
_AXE = Axe()
_SERIOUS = ("serious", "critical")
_MILLISECONDS = 30_000
expect.set_options(timeout=_MILLISECONDS)


def missing() -> str:
    """Return what is missing to drive a browser, empty when nothing is."""
    return "" if shutil.which("chromium") else "chromium is not installed; run tools/install-packages"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser until the end of the block."""
    with sync_playwright() as driver:
        # Root needs --no-sandbox; the pages are our own.
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(browser: Browser, url: str = "", **more: Any) -> Page:
    """Return a page of a fresh profile that fails the test on an error of a script or a refusal of the policy."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}, **more).new_page()
    page.set_default_timeout(_MILLISECONDS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if _is_complaint(line) else None)
    page.complaints = complaints  # type: ignore[attr-defined]
    if url:
        page.goto(url)
    return page


def _is_complaint(line: Any) -> bool:
    return line.type == "error" and "Failed to load resource" not in line.text


def shot(page: Page, name: str) -> None:
    """Keep a screenshot of the whole page."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def serious_findings(page: Page) -> list[str]:
    """Return what axe finds serious or critical on a page, and what the page's scripts complained of."""
    found = _AXE.run(page).response["violations"]
    told = [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:4]]}"
        for one in found
        if one["impact"] in _SERIOUS
    ]
    return told + list(page.complaints)  # type: ignore[attr-defined]
