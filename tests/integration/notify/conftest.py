"""An outbox whose ways out lead to servers of the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.config.channels import Channels
from orchestrator.models.notice import Delivery
from orchestrator.notify.outbox import Outbox
from orchestrator.store import fleet, notices
from orchestrator.store.database import database_now, transaction
from tests.support.whmcs_api import FakeWhmcs, serving

SECONDS = 0.5


@pytest.fixture
def whmcs() -> Iterator[FakeWhmcs]:
    """Yield a ticket system."""
    with serving() as fake:
        yield fake


@pytest.fixture
def outbox(db: str, whmcs: FakeWhmcs) -> Outbox:
    """Return an outbox that opens tickets."""
    del db
    for name, value in {"enabled": "true", "department": "operations", "email": "noc@provider.example"}.items():
        fleet.set_knob(f"tickets.{name}", value, "test")
    channels = Channels(whmcs_url=whmcs.url, whmcs_identifier="id", whmcs_secret="canary-whmcs")
    return Outbox(channels, SECONDS)


def tell(event: str, subject: str = "operation:1", **payload: object) -> None:
    """Write a notice as the queue does."""
    values = {"task": 7, "service": 1001, "action": "web.domain_present", **payload}
    transaction(lambda: notices.write(event, subject, values))


def settle(outbox: Outbox, passes: int = 12) -> None:
    """Drain until nothing is pending; what waits for another attempt is due at once."""
    for _ in range(passes):
        Delivery.update(run_after=database_now()).where(Delivery.state == "pending").execute()
        outbox.drain()
        if not Delivery.select().where(Delivery.state == "pending").exists():
            return
    raise AssertionError([row.error for row in Delivery.select().where(Delivery.state == "pending")])
