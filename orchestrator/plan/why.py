"""Why a task is not running: one sentence that names what it waits for, and when that ends or what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.core.states import ServerStatus

NEXT = "It is next in a run that is under way on its server."
_OVERDUE = timedelta(seconds=30)  # by then any orchestrator that is awake has looked


@dataclass(frozen=True, kw_only=True)
class Other:
    """Another task, as a sentence names it."""

    id: int
    action: str
    status: str

    def __str__(self) -> str:
        return f"task {self.id} ({self.action})"


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What the claim looks at before it gives a server another step."""

    name: str
    status: str
    slots: int
    running: int
    failures: int = 0  # unreachable attempts in a row
    circuit_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A task that is waiting or queued, and what lies around it."""

    status: str
    run_after: datetime
    attempts: int = 0
    max_attempts: int = 0
    unreachable: int = 0  # of the attempts, those that did not reach the server; they have a budget of their own
    cancel_requested: bool = False
    blocked_by: Other | None = None
    needs: Sequence[Other] = ()  # unfinished ones
    server: ServerFacts | None = None
    lane: Other | None = None  # runs in the same lane, where one follows another
    is_batch_full: bool = False  # every orchestrator has as many runs as it takes


def why(facts: Facts, now: datetime) -> str:
    """Return why the task is not running; empty for one that has ended or runs."""
    if facts.status == "waiting":
        return _waiting(facts)
    if facts.status != "queued":
        return ""
    if facts.cancel_requested:
        return "A stop was asked for; the next pass of the orchestrator cancels it."
    if facts.run_after > now:
        return _later(facts, now)
    return _server(facts.server, now) or _turn(facts, now)


def _waiting(facts: Facts) -> str:
    if facts.blocked_by is not None:
        return f"Blocked: {facts.blocked_by} ended in {facts.blocked_by.status}; try that one again."
    if not facts.needs:
        return "What it waited for has ended; it is queued with the next change of its operation."
    first, more = facts.needs[0], len(facts.needs) - 1
    return f"Waits for {first}, which is {first.status}" + (f", and {more} more." if more else ".")


def _later(facts: Facts, now: datetime) -> str:
    when = f"{facts.run_after:%Y-%m-%d %H:%M:%S} UTC (in {_span(facts.run_after - now)})"
    if not facts.attempts:
        return f"Due at {when}: it was asked for not before then."
    if facts.unreachable:
        return f"Attempt {facts.attempts + 1} is due at {when}; its server did not answer {_times(facts.unreachable)}."
    number = f"Attempt {facts.attempts + 1}" + (f" of {facts.max_attempts}" if facts.max_attempts else "")
    return f"{number} is due at {when}; the one before did not work."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _server(server: ServerFacts | None, now: datetime) -> str:
    """Return what about its server keeps a task that is due."""
    if server is None:
        return ""
    if server.status == ServerStatus.MAINTENANCE:
        return f"{server.name} is in maintenance: its tasks wait until it is activated."
    if server.status == ServerStatus.GONE:
        return f"{server.name} is gone and is never contacted again: cancel it, or move the service."
    if server.circuit_until is not None and server.circuit_until > now:
        return (
            f"{server.name} did not answer {server.failures} times in a row; "
            f"it is left alone until {server.circuit_until:%H:%M:%S} UTC, then one attempt is let through."
        )
    if server.circuit_until is not None and server.running:
        return f"{server.name} did not answer; one attempt is being let through, the others wait for how it ends."
    if server.running >= server.slots:
        return f"All {server.slots} slots of {server.name} are taken ({server.running} running)."
    return ""


def _turn(facts: Facts, now: datetime) -> str:
    """Return why a task that could run does not: somebody else's turn, or nobody there."""
    if facts.lane is not None:
        return f"{facts.lane} of the same service is running; they go one after another."
    if facts.is_batch_full:
        return "It is due; every orchestrator has as many runs as it takes at once."
    if now - facts.run_after > _OVERDUE:
        return f"It has been due for {_span(now - facts.run_after)} and nobody takes it: is `tenantry run` running?"
    return "It is due and next in line."


def _span(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for step, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= step:
            return f"{seconds // step} {name}"
    return f"{max(seconds, 0)} s"
