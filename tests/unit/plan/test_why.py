"""Every reason for which a task is not running has a sentence of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.plan.why import Facts, Other, ServerFacts, why

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
ZONE = Other(id=7, action="dns.zone_present", status="running")
BROKEN = Other(id=8, action="web.php_present", status="error")


def server(**more: Any) -> ServerFacts:
    """Return a server that takes another step."""
    return ServerFacts(**{"name": "web1", "status": "active", "slots": 4, "running": 1, **more})


def queued(**more: Any) -> Facts:
    """Return a task that is due."""
    return Facts(**{"status": "queued", "run_after": NOW - timedelta(seconds=1), **more})


CASES = [
    (Facts(status="waiting", run_after=NOW, needs=[ZONE]), "Waits for task 7 (dns.zone_present), which is running."),
    (Facts(status="waiting", run_after=NOW, needs=[ZONE, BROKEN]), ", and 1 more."),
    (Facts(status="waiting", run_after=NOW, needs=[BROKEN], blocked_by=BROKEN), "Blocked: task 8 (web.php_present)"),
    (queued(run_after=NOW + timedelta(minutes=5)), "Due at 2026-11-29 12:05:00 UTC (in 5 min)"),
    (queued(run_after=NOW + timedelta(hours=2), attempts=2, max_attempts=5), "Attempt 3 of 5 is due at"),
    (
        queued(run_after=NOW + timedelta(minutes=1), attempts=6, max_attempts=5, unreachable=6),
        "Attempt 7 is due at 2026-11-29 12:01:00 UTC (in 1 min); its server did not answer 6 times.",
    ),
    (queued(server=server(running=4)), "All 4 slots of web1 are taken"),
    (queued(server=server(status="maintenance")), "web1 is in maintenance"),
    (queued(server=server(status="gone")), "web1 is gone"),
    (queued(server=server(failures=3, circuit_until=NOW + timedelta(seconds=30))), "left alone until 12:00:30 UTC"),
    (queued(server=server(failures=3, circuit_until=NOW - timedelta(seconds=1))), "one attempt is being let through"),
    (queued(lane=ZONE), "task 7 (dns.zone_present) of the same service is running"),
    (queued(cancel_requested=True), "A stop was asked for"),
    (queued(is_batch_full=True), "every orchestrator has as many runs as it takes"),
    (queued(run_after=NOW - timedelta(minutes=7)), "due for 7 min and nobody takes it"),
    (queued(server=server(running=3)), "It is due and next in line."),
    (queued(server=server(running=0, circuit_until=NOW - timedelta(seconds=1))), "It is due and next in line."),
]


@pytest.mark.parametrize(("facts", "told"), CASES, ids=[told[:30] for _, told in CASES])
def test_the_reason_is_named(facts: Facts, told: str) -> None:
    assert told in why(facts, NOW)


@pytest.mark.parametrize("status", ["running", "done", "error", "cancelled"])
def test_what_runs_or_has_ended_needs_no_reason(status: str) -> None:
    assert why(Facts(status=status, run_after=NOW), NOW) == ""
