"""A browser, and the real server beside the installation of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from demo.installation import Installation
from tests.acceptance.pages.served import Served
from tests.conftest import require
from tests.support import browser as chrome


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Yield a browser."""
    require(chrome.missing())
    with chrome.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def served(site: Installation, chromium: Browser) -> Iterator[Served]:
    """Yield the pages of a running installation."""
    found = Served(site, chromium)
    found.start()
    yield found
    for context in chromium.contexts:
        context.close()  # a page that is still followed costs the server's time of grace
    found.end()
