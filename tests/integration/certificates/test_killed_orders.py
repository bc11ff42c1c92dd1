"""Orchestrators that are killed in the midst of a conversation with the CA, as processes, and their successors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.config.settings import PROJECT_ROOT
from orchestrator.core.clock import utc_now
from orchestrator.engine import Engine
from orchestrator.models.certificate import CertificateRow, Material
from orchestrator.store import fleet as servers
from tests.integration.certificates.provider import NAME, Provider, provider
from tests.support.acme_proxy import Proxy
from tests.support.pebble import Pebble

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
# The CA's answers to signed requests: to the account, the order, its authorization; from the second step on to another look at
# both, the challenge, looks while it is proven, the request to finalize, looks again, the certificate.
ORDERED, ANSWERS = 2, range(1, 11)
_SECONDS = 120


@pytest.fixture
def world(app: Engine, pebble: Pebble, home: Path, proxy: Proxy) -> Iterator[Provider]:
    """Yield a provider whose wildcard is due; nobody works on it in this process."""
    made = provider(app, pebble, home)
    made.bench.worker.drain(5)
    servers.set_knob("ssl.directory", proxy.directory, "test")
    CertificateRow.update(next_check_at=utc_now()).where(CertificateRow.parent_id.is_null(False)).execute()
    yield made
    pebble.dns("clear-txt", host=NAME)


@pytest.mark.parametrize("number", ANSWERS)
def test_10_killed_after_each_answer_one_order_becomes_one_certificate_and_no_answer_is_left(
    world: Provider, db: str, home: Path, proxy: Proxy, pebble: Pebble, tmp_path: Path, number: int
) -> None:
    def begin(after: int) -> subprocess.Popen[bytes]:
        management = f"http://127.0.0.1:{pebble.dns_management}"
        command = [sys.executable, "-m", "tests.support.certificate_process", str(tmp_path), str(after), management]
        environment = {"PATH": os.environ["PATH"], "TENANTRY_DATABASE_URL": db, "TENANTRY_HOME": str(home)}
        with (tmp_path / f"log-{after}").open("wb") as log:
            return subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT, stdout=log, stderr=log)

    first = begin(number)
    try:
        assert first.wait(_SECONDS) == -signal.SIGKILL
    finally:
        first.kill()
        first.wait(_SECONDS)
    assert world.wildcard().state == "issuing"
    second = begin(0)
    try:
        _await(lambda: world.wildcard().state == "active" and world.wildcard().answers is None)
    finally:
        second.terminate()
        second.wait(_SECONDS)
    lost = 1 if number == ORDERED else 0  # the one that the CA made and that nobody could write down
    assert proxy.count("order-plz") == 1 + lost
    assert proxy.count("finalize-order") == 1
    kinds = [one.kind for one in Material.select().where(Material.certificate_id == world.wildcard().id)]
    assert kinds == ["auto"]
    assert [(tmp_path / name).read_text() for name in ("dns1", "dns2")] == ["", ""]


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, [(row.state, row.error) for row in CertificateRow.select()]
        time.sleep(0.1)
