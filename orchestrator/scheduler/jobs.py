"""The periodic jobs: name, interval, what is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from orchestrator.store import fleet, maintenance
from orchestrator.store.database import session

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something done again and again."""

    name: str
    seconds: int
    call: Callable[[], None]


def standard(rescue: Callable[[], None]) -> list[Job]:
    """Return the jobs of every orchestrator; running them on several at once does no harm."""
    return [
        Job(name="rescue", seconds=5, call=rescue),
        Job(name="withdrawn", seconds=5, call=cancel_withdrawn),
        Job(name="stuck", seconds=60, call=report_stuck),
        Job(name="retention", seconds=3600, call=purge),
    ]


def cancel_withdrawn() -> None:
    """Cancel what other programs have asked to cancel."""
    with session():
        maintenance.cancel_withdrawn()


def purge() -> None:
    """Apply the retention."""
    with session():
        maintenance.purge(int(fleet.knob_value("tasks.retention_days")))


def report_stuck() -> None:
    """Say which tasks run for too long; `tenantry task force-fail` ends one."""
    with session():
        for row in maintenance.stuck(int(fleet.knob_value("tasks.stuck_after_minutes"))):
            logger.warning("task is stuck", action=row.action, task=row.id, since=str(row.started_at))
