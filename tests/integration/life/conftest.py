"""A worker over servers that are a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.config import keys
from orchestrator.core.sealed import seal
from orchestrator.engine import Engine
from orchestrator.models.service import Service
from orchestrator.models.task import Task
from orchestrator.store import tasks
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.model import ModelExecutor

Ask = Callable[..., Task]


class Life(Bench):
    """Services whose life is driven by intents."""

    executor: ModelExecutor

    def ask(self, action: str, /, service: int = 1001, **params: Any) -> int:
        """Insert an intent and return its task."""
        name = action if "." in action else f"service.{action}"
        return tasks.enqueue(name, service_id=service, params=params, requested_by="billing")

    def done(self, action: str, /, service: int = 1001, **params: Any) -> Task:
        """Ask, let everything settle, return the intent's row."""
        task = self.ask(action, service, **params)
        self.settle()
        return tasks.get(task)

    def order(self, service: int = 1001, domain: str = "shop.test", **params: Any) -> Task:
        """Order a service and let it become active."""
        return self.done("create", service, domain=domain, package="small", group="standard", **params)

    def sealed(self, secret: str) -> str:
        """Seal a secret as a billing system does."""
        return seal(keys.load_private_key(self.app.settings.home).public_key(), secret)

    @staticmethod
    def status(service: int = 1001) -> str:
        """Return the state of a service."""
        return str(Service.get_by_id(service).status)


@pytest.fixture
def life(app: Engine) -> Iterator[Life]:
    """Yield a small fleet of model servers and a worker."""
    fleet.build()
    made = Life(app, ModelExecutor())
    yield made
    made.worker.drain(5)
