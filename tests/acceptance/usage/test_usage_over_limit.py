"""On a real node: over its traffic a website answers 503 and wakes by itself, and billing's suspension stands beside it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import access, addresses, nodes
from lab.config import Lab
from orchestrator.config import keys
from orchestrator.models.fleet import Server
from orchestrator.models.task import Task
from orchestrator.models.usage import UsageDay
from orchestrator.plan import limits
from orchestrator.store import fleet as fleet_store
from orchestrator.store import schema, services, tasks, usage_requests
from orchestrator.store.database import connect, transaction
from tests.support import fleet
from tests.support.bench import Bench, an_app
from tests.support.steps import Steps, host

pytestmark = pytest.mark.lab

NODE, SERVICE, DOMAIN = "web5", 1005, "greedy.test"


class World:
    """One web server, one service on it, and the orchestrator that looks after both."""

    def __init__(self, lab: Lab, bench: Bench) -> None:
        self.lab, self.bench = lab, bench

    def ask(self, action: str, **params: Any) -> None:
        """Ask for something and wait for what follows."""
        tasks.enqueue(action, service_id=SERVICE, params=params)
        self.settle()

    def settle(self) -> None:
        self.bench.settle(300)
        failed = [f"{row.action}: {row.error}" for row in Task.select().where(Task.status == "error")]
        assert failed == []

    def collect(self) -> None:
        """Collect from the server."""
        number = Server.get(Server.name == NODE).id
        transaction(lambda: usage_requests.ask(usage_requests.USAGE, number, "test"))
        self.settle()

    def get(self, path: str) -> int:
        """Request a path and return the status, the body read to its end."""
        with socket.create_connection((addresses.of(self.lab, NODE).ipv4, 80), timeout=20) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
            answer = connection.recv(65536)
            while connection.recv(65536):
                pass
        return int(answer.split()[1])


@pytest.fixture(scope="module")
def world(lab: Lab, steps: Steps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Yield the world with the service deployed and a large file on its site."""
    nodes.up(lab, [NODE])
    home = tmp_path_factory.mktemp("home")
    keys.ensure_private_key(home)
    url = f"sqlite:///{home}/tenantry.db"
    connect(url)
    schema.upgrade()
    try:
        prepared = steps.prepare(NODE)
        assert prepared.outcome.is_success, prepared.message
        target = host(lab, NODE)
        app = an_app(url, home)
        fleet.build({})
        for name, bandwidth in (("narrow", 1), ("wide", 100)):
            fleet_store.add_package(name, limits.parse({"bandwidth_mb": bandwidth, "over_limit": "suspend-web"}))
        more = {"host_keys": "\n".join(target.host_keys), "login": target.login}
        fleet.add_server(NODE, addresses.of(lab, NODE).ipv4, "web", **more)
        bench = Bench(app, steps.executor)  # type: ignore[arg-type] # the real one instead of one that remembers
        found = World(lab, bench)
        found.ask("service.create", domain=DOMAIN, package="narrow", group="standard", roles=["web"])
        access.on(lab, NODE, "bash", "-c", f"head -c 700000 /dev/urandom > /home/w{SERVICE}/www/large")
        yield found
        bench.worker.drain(5)
    finally:
        nodes.down(lab, [NODE])


def held() -> str:
    return str(services.get(SERVICE).web_held_for)


def test_over_its_traffic_the_site_answers_503_until_the_limit_grows_and_billing_stands_beside_it(world: World) -> None:
    assert world.get("/large") == 200
    world.collect()
    assert held() == "" and world.get("/large") == 200
    deadline = time.monotonic() + 120
    while held() == "":  # nginx may write the line of the last request after a collection has begun
        world.collect()
        assert time.monotonic() < deadline
    assert held() == "bandwidth" and world.get("/large") == 503
    assert services.get(SERVICE).status == "active"
    world.ask("service.repair")
    assert world.get("/large") == 503  # it is mended, and stays off
    world.ask("service.suspend", reason="unpaid")
    assert world.get("/large") == 503
    world.ask("service.unsuspend")
    assert services.get(SERVICE).status == "active" and world.get("/large") == 503  # paid, and still over the limit
    world.ask("service.change_package", package="wide")
    assert held() == "" and world.get("/large") == 200
    world.ask("service.change_package", package="narrow")
    assert held() == "bandwidth" and world.get("/large") == 503
    world.ask("service.suspend", reason="unpaid")
    month = (UsageDay.service_id == SERVICE) & (UsageDay.metric << ["web_in", "web_out"])
    UsageDay.update(base=0 - UsageDay.last).where(month).execute()  # as if the month had begun anew
    world.collect()
    assert held() == "" and services.get(SERVICE).status == "suspended"
    assert world.get("/large") == 503  # less use is no payment
    world.ask("service.unsuspend")
    assert world.get("/large") == 200


def test_what_was_used_last_is_counted_before_the_logs_go(world: World) -> None:
    row = services.get(SERVICE)
    world.ask("service.terminate")
    assert services.get(SERVICE).status == "terminated"
    order = [
        one.action
        for one in Task.select()
        .where((Task.server_id.is_null(False)) & (Task.status == "done"))
        .order_by(Task.finished_at)
    ]
    assert order[-3:] == ["web.domain_absent", "server.sync_usage", "web.account_absent"]
    assert access.on(world.lab, NODE, "id", row.username, check=False).returncode != 0
