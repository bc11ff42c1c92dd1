"""A CA on loopback, and a proxy in front of it that can be made to misbehave."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.support import acme_proxy
from tests.support import pebble as servers
from tests.support.acme_proxy import Proxy
from tests.support.pebble import Pebble


@pytest.fixture(scope="session")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """Yield a CA that answers at once and takes every nonce."""
    require("" if shutil.which("pebble") and shutil.which("pebble-challtestsrv") else "pebble is not installed")
    with servers.server(tmp_path_factory.mktemp("pebble")) as running:
        yield running


@pytest.fixture
def proxy(pebble: Pebble) -> Iterator[Proxy]:
    """Yield a proxy in front of the CA."""
    with acme_proxy.proxy(pebble) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder for a CA of a test's own."""
    return tmp_path
