"""The periodic jobs: name, interval, what is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Conflict
from orchestrator.lifecycle.terminate import FINALISER
from orchestrator.store import (
    buckets,
    execution,
    fleet,
    maintenance,
    orphans,
    services,
    tasks,
    usage_requests,
    usage_statistics,
)
from orchestrator.store.database import session

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something done again and again."""

    name: str
    seconds: int
    call: Callable[[], object]
    is_slow: bool = False  # asks other systems: nothing may wait for it


def standard(
    rescue: Callable[[], None], deliver: Callable[[], object], certificates: Callable[[], None] = lambda: None
) -> list[Job]:
    """Return the jobs of every orchestrator; running them on several at once does no harm."""
    return [
        Job(name="rescue", seconds=5, call=rescue),
        Job(name="certificates", seconds=5, call=certificates),
        Job(name="withdrawn", seconds=5, call=cancel_withdrawn),
        Job(name="stuck", seconds=60, call=report_stuck),
        Job(name="grace", seconds=5, call=end_grace),
        Job(name="orphans", seconds=15, call=try_orphans),
        Job(name="usage", seconds=30, call=ask_for_usage),
        Job(name="totals", seconds=900, call=add_up_usage),
        Job(name="retention", seconds=3600, call=purge),
        Job(name="notices", seconds=5, call=deliver, is_slow=True),
    ]


def count_attempts(tally: Callable[[], Mapping[str, int]]) -> None:
    """Add up how attempts were started, for whoever watches."""
    counts = tally()
    if counts:
        with session():
            execution.add(counts)


def cancel_withdrawn() -> None:
    """Cancel what other programs have asked to cancel."""
    with session():
        maintenance.cancel_withdrawn()


def end_grace() -> None:
    """Ask for the removal of services whose time of grace is over; asking twice is refused by the key."""
    with session():
        for service_id, moment in services.due_for_termination():
            key = f"grace:{service_id}:{moment:%Y%m%d%H%M%S%f}"
            with suppress(Conflict):
                tasks.enqueue("service.terminate", service_id=service_id, requested_by=FINALISER, idempotency_key=key)


def try_orphans() -> None:
    """Try again what is left of services that were closed out by force."""
    with session():
        orphans.try_again()


def ask_for_usage() -> None:
    """Ask the servers whose moment of the interval has come."""
    with session():
        usage_requests.ask_due(utc_now())


def add_up_usage() -> None:
    """Add up today's figures of the platform and of each server, package and group."""
    with session():
        usage_statistics.add_up(utc_now())


def purge() -> None:
    """Apply the retention."""
    with session():
        maintenance.purge(int(fleet.knob_value("tasks.retention_days")))
        usage_statistics.purge(int(fleet.knob_value("usage.retention_days")), utc_now())
        buckets.purge(utc_now())


def report_stuck() -> None:
    """Say which tasks run for too long; `tenantry task force-fail` ends one."""
    with session():
        for row in maintenance.stuck(int(fleet.knob_value("tasks.stuck_after_minutes"))):
            logger.warning("task is stuck", action=row.action, task=row.id, since=str(row.started_at))
