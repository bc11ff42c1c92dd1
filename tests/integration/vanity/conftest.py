"""A provider's domain with its own service, and vanity services under it, on servers that are a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config import keys
from orchestrator.core.sealed import seal
from orchestrator.engine import Engine
from orchestrator.lifecycle import parents as said
from orchestrator.models.fleet import ParentDomain
from orchestrator.models.task import Task
from orchestrator.plan import limits
from orchestrator.store import fleet as fleets
from orchestrator.store import tasks
from tests.integration.life.conftest import Life
from tests.support import fleet
from tests.support.model import ModelExecutor

PARENT, PROVIDER = "provider.test", 900
NAMES = {3001: "anna", 3002: "bob", 3003: "cleo"}
SERVERS = {
    "web1": ("10.77.0.11", "web"),
    "web2": ("10.77.0.12", "web"),
    "web3": ("10.77.0.13", "web"),
    "mail1": ("10.77.0.21", "mail"),
    "dns1": ("10.77.0.31", "dns"),
    "dns2": ("10.77.0.32", "dns"),
}


class Provider(Life):
    """A fleet in which service 900 holds the parent domain."""

    def __init__(self, app: Engine, home: Path) -> None:
        super().__init__(app, ModelExecutor())
        self.home = home

    def build(self, **more: Any) -> None:
        """Add servers and packages, deploy the provider's own service, declare its domain a parent."""
        fleet.build(SERVERS)
        fleets.add_package("large", limits.parse({"mail_disk_mb": 4096, "databases": 5}))
        fleets.add_package("tiny", limits.parse({"mail_disk_mb": 16, "mailboxes": 1}))
        fleets.add_package("no-mail", limits.parse({"mail_disk_mb": 0}))
        fleets.add_package("no-web", limits.parse({"web_disk_mb": 0}))
        self.order(PROVIDER, PARENT)
        assert self.status(PROVIDER) == "active"
        self.declare(**more)

    @staticmethod
    def declare(name: str = PARENT, **more: Any) -> None:
        """Declare a parent domain."""
        given = {"mail_server": "mail1", "mail_user": "s900", "dns": "push", "zone_owner": "s900", "group": "standard"}
        chosen = {"web_servers": ("web1", "web2"), "reserved": "forum,blog"}
        said.add(said.Said(name=name, **{**given, **chosen, **more}))

    def name(self, number: int, name: str = "", **params: Any) -> Task:
        """Order a vanity service and let everything settle."""
        return self.done("create", number, **self.wanted(number, name) | params)

    @staticmethod
    def wanted(number: int, name: str = "") -> dict[str, Any]:
        """Return the parameters of an order."""
        label = name or NAMES[number]
        return {
            "mode": "vanity",
            "vanity_name": label,
            "parent_domain": PARENT,
            "package": "small",
            "group": "standard",
        }

    def sealed(self, password: str) -> str:
        """Return a password sealed to the orchestrator."""
        return seal(keys.load_private_key(self.home).public_key(), password)

    def jobs(self, service: int, begin: int = 0) -> list[dict[str, Any]]:
        """Return what servers were asked for a service, from a request on."""
        found = [one for one in self.executor.requests[begin:] if one.job.get("service", {}).get("id") == service]
        return [{"server": one.host.name, **json.loads(json.dumps(dict(one.job)))} for one in found]

    def objects_of(self, service: int) -> dict[str, dict[str, Any]]:
        """Return what lies on every server of one service, the serials left out."""
        return {
            server: {key: one for key, one in objects.items() if one["owner"] == f"s{service}"}
            for server, objects in self.executor.state().items()
        }

    @staticmethod
    def serial(name: str = PARENT) -> int:
        """Return the parent's serial."""
        return int(ParentDomain.get(ParentDomain.name == name).zone_serial)

    def refused(self, number: int, name: str = "", **params: Any) -> str:
        """Order what has to be refused and return the words; nothing may be left of it."""
        before = self.executor.state()
        row = self.name(number, name, **params)
        assert row.status == "error", row.result
        assert self.executor.state() == before
        return str(tasks.get(row.id).error)


@pytest.fixture
def provider(app: Engine, home: Path) -> Iterator[Provider]:
    """Yield a provider with its domain."""
    made = Provider(app, home)
    made.build()
    yield made
    made.worker.drain(5)
